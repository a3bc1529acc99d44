/* source.c: bytes to read from: a file mapped into memory, or memory. Arrays lie in them without a copy, or
   are made from them when they are needed.

   A mapped page is read from disk when it is first touched: arrays nobody uses cost nothing. Uses the
   system. */
#include "formats.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct held {
  source source; /* first: a source * is a held * */
  atomic_int refs;
  void *memory; /* from malloc, or NULL: mapped */
} held;

static source *held_new(const char *name, const void *bytes, size_t count, void *memory) {
  held *h = calloc(1, sizeof *h);
  char *copy = strdup(name);
  if (!h || !copy) {
    free(h);
    free(copy);
    io_fail_as(PONS_ERROR_MEMORY, "load", "%s: out of memory", name);
    return NULL;
  }
  h->source = (source){bytes, count, copy};
  atomic_init(&h->refs, 1);
  h->memory = memory;
  return &h->source;
}

/* The file's bytes; NULL and an error. */
static void *map_file(const char *path, size_t *count) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  struct stat about;
  if (file < 0 || fstat(file, &about) != 0) {
    io_fail_as(PONS_ERROR_RUNTIME, "load", "%s: %s", path, strerror(errno));
    if (file >= 0) close(file);
    return NULL;
  }
  void *bytes = MAP_FAILED;
  if (!S_ISREG(about.st_mode)) {
    io_fail_as(PONS_ERROR_RUNTIME, "load", "%s: is not a regular file", path);
  } else if (about.st_size == 0) {
    io_fail_as(PONS_ERROR_RUNTIME, "load", "%s: byte 0: the file is empty", path);
  } else {
    /* writable, as memory is that NumPy has a view of; the file stays as it is */
    bytes = mmap(NULL, (size_t)about.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED)
      io_fail_as(PONS_ERROR_RUNTIME, "load", "%s: can't be mapped: %s", path, strerror(errno));
  }
  close(file);
  *count = (size_t)about.st_size;
  return bytes == MAP_FAILED ? NULL : bytes;
}

source *source_open(const char *path) {
  size_t count = 0;
  void *bytes = map_file(path, &count);
  if (!bytes) return NULL;
  source *s = held_new(path, bytes, count, NULL);
  if (!s) munmap(bytes, count);
  return s;
}

source *source_of_memory(void *bytes, size_t count, const char *name) {
  source *s = held_new(name, bytes, count, bytes);
  if (!s) free(bytes);
  return s;
}

source *source_keep(source *s) {
  atomic_fetch_add_explicit(&((held *)s)->refs, 1, memory_order_relaxed);
  return s;
}

void source_release(source *s) {
  held *h = (held *)s;
  if (!h || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1) return;
  if (h->memory)
    free(h->memory);
  else
    munmap((void *)s->bytes, s->count);
  free(s->name);
  free(h);
}

bool source_wrong(const source *s, uint64_t offset, const char *format, ...) {
  char what[512];
  va_list list;
  va_start(list, format);
  vsnprintf(what, sizeof what, format, list);
  va_end(list);
  io_fail_as(PONS_ERROR_RUNTIME, "load", "%s: byte %llu: %s", s->name, (unsigned long long)offset, what);
  return false;
}

bool source_tell(const source *s, uint64_t offset, char *why, size_t room, const char *format, ...) {
  char what[512];
  va_list list;
  va_start(list, format);
  vsnprintf(what, sizeof what, format, list);
  va_end(list);
  snprintf(why, room, "%s: byte %llu: %s", s->name, (unsigned long long)offset, what);
  return false;
}

uint16_t source_u16(const source *s, uint64_t offset) {
  const unsigned char *p = s->bytes + offset;
  return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t source_u32(const source *s, uint64_t offset) {
  return source_u16(s, offset) | (uint32_t)source_u16(s, offset + 2) << 16;
}

uint64_t source_u64(const source *s, uint64_t offset) {
  return source_u32(s, offset) | (uint64_t)source_u32(s, offset + 4) << 32;
}

bool source_size(const source *s, uint64_t offset, pons_shape shape, pons_dtype dtype, uint64_t room,
                 uint64_t *bytes) {
  uint64_t size = pons_dtype_size(dtype);
  for (int i = 0; i < shape.count; i++) /* an empty array may have other axes of any size */
    if (shape.at[i] == 0) size = 0;
  for (int i = 0; i < shape.count && size; i++) {
    if ((uint64_t)shape.at[i] > room / size)
      return source_wrong(
          s, offset,
          "a shape that starts with %lld and has %d axes of %s needs more than the %llu bytes there are",
          (long long)shape.at[0], shape.count, pons_dtype_name(dtype), (unsigned long long)room);
    size *= (uint64_t)shape.at[i];
  }
  if (size > room)
    return source_wrong(s, offset, "one %s needs more than the %llu bytes there are", pons_dtype_name(dtype),
                        (unsigned long long)room);
  *bytes = size;
  return true;
}

static void release(void *s) { source_release(s); }

/* ---- elements that are not in the file as memory has them ---- */

/* Of each element, or of each half of it if it is complex. */
static void swap_bytes(unsigned char *at, size_t bytes, size_t width) {
  for (size_t i = 0; i < bytes; i += width)
    for (size_t k = 0; k < width / 2; k++) {
      const unsigned char first = at[i + k];
      at[i + k] = at[i + width - 1 - k];
      at[i + width - 1 - k] = first;
    }
}

void mend_elements(void *elements, size_t bytes, pons_dtype dtype, bool swap) {
  unsigned char *at = elements;
  if (swap) swap_bytes(at, bytes, pons_dtype_size(dtype) / (pons_isdtype(dtype, "complex floating") ? 2 : 1));
  for (size_t i = 0; dtype == PONS_BOOL && i < bytes; i++)
    at[i] = at[i] != 0; /* all that C's bool may hold */
}

typedef struct place {
  source *source; /* a reference */
  uint64_t offset;
  pons_dtype dtype;
  bool swap;
} place;

static void place_free(void *payload) {
  place *p = payload;
  source_release(p->source);
  free(p);
}

static bool read_place(void *payload, void *to, size_t bytes, char *why, size_t room) {
  const place *p = payload;
  (void)why, (void)room;
  if (bytes) memcpy(to, p->source->bytes + p->offset, bytes);
  mend_elements(to, bytes, p->dtype, p->swap);
  return true;
}

pons_array source_array(source *s, uint64_t offset, pons_shape shape, pons_dtype dtype, bool swap) {
  const unsigned char *at = s->bytes + offset;
  pons_array a;
  if (swap || dtype == PONS_BOOL || (uintptr_t)at % pons_dtype_size(dtype)) {
    place *p = malloc(sizeof *p);
    if (!p) {
      io_fail_as(PONS_ERROR_MEMORY, "load", "%s: out of memory", s->name);
      return NULL;
    }
    *p = (place){source_keep(s), offset, dtype, swap};
    a = pons_from_reader(shape, dtype, read_place, p, place_free);
  } else {
    a = pons_from_data((void *)at, shape, dtype, release, source_keep(s));
  }
  return pons_error_of(a) ? NULL : a;
}
