/* file_cursor.c: reads little-endian numbers forward from a file or from memory, never beyond its end.

   A file is read through a window, not mapped: a mapped file that somebody else cuts short kills the reader.
   Uses export.h. */
#include "export/export.h"
#include <unistd.h>

enum { WINDOW = 1 << 16 };

void cursor_fail(cursor *c, uint64_t at, const char *format, ...) {
  if (c->failed) return;
  c->failed = true;
  c->fault_at = at;
  va_list list;
  va_start(list, format);
  vsnprintf(c->fault, sizeof c->fault, format, list);
  va_end(list);
}

bool cursor_read_at(cursor *c, uint64_t at, void *out, uint64_t count) {
  if (count == 0) return true;
  if (at > c->size || count > c->size - at) {
    cursor_fail(c, at, "%llu bytes are needed, the file ends at byte %llu", (unsigned long long)count,
                (unsigned long long)c->size);
    return false;
  }
  if (c->memory) {
    memcpy(out, c->memory + at, (size_t)count);
    return true;
  }
  for (uint64_t done = 0; done < count;) {
    uint64_t want = count - done < 1 << 30 ? count - done : 1 << 30;
    ssize_t got = pread(c->fd, (char *)out + done, (size_t)want, (off_t)(at + done));
    if (got <= 0) {
      cursor_fail(c, at + done, "the file can't be read");
      return false;
    }
    done += (uint64_t)got;
  }
  return true;
}

/* The next `count` bytes, at most 8, or zeros. */
static const uint8_t *next(cursor *c, uint64_t count) {
  static const uint8_t zeros[8];
  if (c->failed) return zeros;
  if (count > cursor_left(c)) {
    cursor_fail(c, c->at, "%llu bytes are needed, the file ends at byte %llu", (unsigned long long)count,
                (unsigned long long)c->size);
    return zeros;
  }
  uint64_t at = c->at;
  c->at += count;
  if (c->memory) return c->memory + at;
  if (at < c->window_at || at + count > c->window_at + c->window_count) {
    if (!c->window && !(c->window = mem_alloc(WINDOW))) {
      c->no_memory = true;
      cursor_fail(c, at, "out of memory");
      return zeros;
    }
    uint64_t want = c->size - at < WINDOW ? c->size - at : WINDOW;
    c->window_count = 0;
    if (!cursor_read_at(c, at, c->window, want)) return zeros;
    c->window_at = at;
    c->window_count = want;
  }
  return c->window + (at - c->window_at);
}

uint8_t cursor_u8(cursor *c) { return *next(c, 1); }

bool cursor_bool(cursor *c) {
  uint8_t v = *next(c, 1);
  if (v > 1) cursor_fail(c, c->at - 1, "a bool must be 0 or 1, here it is %d", v);
  return v == 1;
}

static uint64_t number(cursor *c, int count) {
  const uint8_t *p = next(c, (uint64_t)count);
  uint64_t v = 0;
  for (int i = 0; i < count; i++) v |= (uint64_t)p[i] << (8 * i);
  return v;
}

uint64_t cursor_u64(cursor *c) { return number(c, 8); }

int64_t cursor_i64(cursor *c) {
  uint64_t bits = number(c, 8);
  int64_t v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

int32_t cursor_i32(cursor *c) {
  uint32_t bits = (uint32_t)number(c, 4);
  int32_t v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

float cursor_f32(cursor *c) {
  uint32_t bits = (uint32_t)number(c, 4);
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

double cursor_f64(cursor *c) {
  uint64_t bits = number(c, 8);
  double v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

int32_t cursor_count(cursor *c, uint64_t item, const char *what) {
  uint64_t at = c->at, n = cursor_u64(c);
  if (c->failed) return 0;
  if (n > cursor_left(c) / item || n > INT32_MAX) {
    cursor_fail(c, at, "%llu %s can't fit in the %llu bytes left", (unsigned long long)n, what,
                (unsigned long long)cursor_left(c));
    return 0;
  }
  return (int32_t)n;
}

bool cursor_bytes(cursor *c, void *out, uint64_t count) {
  if (c->failed || !cursor_read_at(c, c->at, out, count)) return false;
  c->at += count;
  return true;
}

void cursor_skip(cursor *c, uint64_t count) {
  if (c->failed) return;
  if (count > cursor_left(c))
    cursor_fail(c, c->at, "%llu bytes of data are needed, the file ends at byte %llu",
                (unsigned long long)count, (unsigned long long)c->size);
  else c->at += count;
}
