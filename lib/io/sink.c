/* sink.c: a file written beside its place and renamed, so that nobody ever sees half of it. Uses the
   system. */
#include "formats.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sink {
  FILE *file;
  char *memory; /* without a path: the bytes */
  size_t memory_count;
  char *path, *beside;
  uint64_t at;
  int wrong; /* errno of the first failure; 0: none */
};

static sink *give_up(sink *k, const char *path, const char *why) {
  io_fail_as(PONS_ERROR_RUNTIME, "save", "%s: %s", path, why);
  if (k) {
    free(k->path);
    free(k->beside);
    free(k);
  }
  return NULL;
}

sink *sink_open(const char *path) {
  static atomic_uint counter;
  sink *k = calloc(1, sizeof *k);
  const size_t room = strlen(path) + 48;
  if (!k || !(k->path = strdup(path)) || !(k->beside = malloc(room)))
    return give_up(k, path, "out of memory");
  int file = -1;
  for (int tries = 0; file < 0 && tries < 100; tries++) {
    snprintf(k->beside, room, "%s.%ld-%u.tmp", path, (long)getpid(), atomic_fetch_add(&counter, 1));
    file = open(k->beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0 && errno != EEXIST) break;
  }
  if (file < 0) return give_up(k, path, strerror(errno));
  k->file = fdopen(file, "w+b");
  if (k->file) return k;
  close(file);
  unlink(k->beside);
  return give_up(k, path, strerror(errno));
}

sink *sink_to_memory(void) {
  sink *k = calloc(1, sizeof *k);
  if (k && (k->file = open_memstream(&k->memory, &k->memory_count))) return k;
  return give_up(k, "bytes", "out of memory");
}

void sink_write(sink *k, const void *bytes, size_t count) {
  if (!k->wrong && count && fwrite(bytes, 1, count, k->file) != count) k->wrong = errno ? errno : EIO;
  k->at += count;
}

uint64_t sink_at(const sink *k) { return k->at; }

void sink_rewrite(sink *k, uint64_t offset, const void *bytes, size_t count) {
  if (k->wrong) return;
  if (fseeko(k->file, (off_t)offset, SEEK_SET) != 0 || fwrite(bytes, 1, count, k->file) != count ||
      fseeko(k->file, (off_t)k->at, SEEK_SET) != 0)
    k->wrong = errno ? errno : EIO;
}

bool sink_end(sink *k, bool good) {
  if (good && !k->wrong && (fflush(k->file) != 0 || fsync(fileno(k->file)) != 0)) k->wrong = errno;
  if (fclose(k->file) != 0 && !k->wrong) k->wrong = errno;
  if (good && !k->wrong && rename(k->beside, k->path) != 0) k->wrong = errno;
  if (!good || k->wrong) unlink(k->beside);
  if (good && k->wrong) io_fail_as(PONS_ERROR_RUNTIME, "save", "%s: %s", k->path, strerror(k->wrong));
  good = good && !k->wrong;
  free(k->path);
  free(k->beside);
  free(k);
  return good;
}

void *sink_take(sink *k, bool good, size_t *count) {
  if (fclose(k->file) != 0 && !k->wrong) k->wrong = errno;
  char *memory = k->memory;
  *count = k->memory_count;
  if (good && k->wrong) io_fail_as(PONS_ERROR_RUNTIME, "save", "bytes: %s", strerror(k->wrong));
  if (!good || k->wrong) {
    free(memory);
    memory = NULL;
  }
  free(k);
  return memory;
}
