/* cache.c: files for the next process: bytes under a key, which is a text of all that they depend on.

   A file is called after a hash of its key, and begins with all of it, so that a file of another key is never taken; it is written
   beside and renamed. What can't be read, is not whole or can't be written is as if it were not there. Uses gpu.h. */
#include "backends/gpu/gpu.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the folder ---- */

static char *joined(const char *folder, const char *name) {
  text t = {0};
  text_add(&t, "%s/%s", folder, name);
  return text_take(&t);
}

char *gpu_cache_folder(void) {
  const char *own = getenv("PONS_CACHE_DIR"), *caches = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  if (own) return *own ? mem_text(own) : NULL;
  if (caches && *caches == '/') return joined(caches, "pons");
  return home && *home == '/' ? joined(home, ".cache/pons") : NULL;
}

/* Makes the folder and those above it; what is new can be read by its owner alone. */
static bool make_folder(char *path) {
  for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
    *slash = '\0';
    const bool there = mkdir(path, 0700) == 0 || errno == EEXIST;
    *slash = '/';
    if (!there) return false;
  }
  return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* ---- a file ---- */

/* In front of key and bytes. */
typedef struct head {
  char magic[8];
  uint64_t key_size, size, hash;
} head;
static const char magic[] = "PONSGPU1"; /* without its end */

char *gpu_cache_path(const text *key, const char *ending) {
  char *folder = gpu_cache_folder();
  text path = {0};
  if (folder)
    text_add(&path, "%s/%016llx%016llx.%s", folder, (unsigned long long)hash_bytes(key->at, key->length, 1),
             (unsigned long long)hash_bytes(key->at, key->length, 2), ending);
  mem_free(folder);
  return path.at ? text_take(&path) : NULL;
}

/* Where the bytes behind head and key begin, or NULL if the file is not of this key or not whole. */
static const char *bytes_in(const char *file, size_t file_size, const text *key, size_t *size) {
  head h;
  if (file_size < sizeof h) return NULL;
  memcpy(&h, file, sizeof h);
  if (memcmp(h.magic, magic, sizeof h.magic) != 0 || h.key_size != key->length) return NULL;
  if (file_size - sizeof h < h.key_size || file_size - sizeof h - h.key_size != h.size) return NULL;
  if (memcmp(file + sizeof h, key->at, key->length) != 0) return NULL;
  const char *bytes = file + sizeof h + key->length;
  *size = h.size;
  return hash_bytes(bytes, h.size, 0) == h.hash ? bytes : NULL;
}

static char *read_whole(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  if (!f) return NULL;
  long length = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
  char *bytes = length > 0 && fseek(f, 0, SEEK_SET) == 0 ? mem_alloc((size_t)length) : NULL;
  if (bytes && fread(bytes, 1, (size_t)length, f) != (size_t)length) {
    mem_free(bytes);
    bytes = NULL;
  }
  fclose(f);
  *size = bytes ? (size_t)length : 0;
  return bytes;
}

void *gpu_cache_load(const text *key, const char *ending, size_t *size) {
  char *path = gpu_cache_path(key, ending);
  size_t file_size = 0;
  char *file = path ? read_whole(path, &file_size) : NULL;
  const char *bytes = file ? bytes_in(file, file_size, key, size) : NULL;
  mem_free(path);
  if (bytes) return memmove(file, bytes, *size);
  mem_free(file);
  return NULL;
}

static bool write_whole(FILE *f, const text *key, const void *bytes, size_t size) {
  head h = {{0}, key->length, size, hash_bytes(bytes, size, 0)};
  memcpy(h.magic, magic, sizeof h.magic);
  const bool fine = fwrite(&h, sizeof h, 1, f) == 1 && fwrite(key->at, 1, key->length, f) == key->length &&
                    fwrite(bytes, 1, size, f) == size;
  return fclose(f) == 0 && fine;
}

void gpu_cache_keep(const text *key, const char *ending, const void *bytes, size_t size) {
  text beside = {0};
  char *folder = gpu_cache_folder(), *path = gpu_cache_path(key, ending);
  if (path) text_add(&beside, "%s.XXXXXX", path);
  const int file = path && folder && !beside.failed && make_folder(folder) ? mkstemp(beside.at) : -1;
  FILE *f = file >= 0 ? fdopen(file, "wb") : NULL;
  if (f) {
    if (!write_whole(f, key, bytes, size) || rename(beside.at, path) != 0) unlink(beside.at);
  } else if (file >= 0) {
    close(file);
    unlink(beside.at);
  }
  mem_free(folder);
  mem_free(path);
  text_free(&beside);
}
