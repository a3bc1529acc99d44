/* cursor.c: makes and places cursors over strided operands. Uses base/. */
#include "backends/cpu/cursor.h"

static void fill(cursor *c, int n, const int64_t *dims, int lists, va_list args) {
  int64_t *list[CURSOR_LISTS];
  c->lists = lists;
  for (int k = 0; k < lists; k++) {
    const int64_t *strides = va_arg(args, const int64_t *);
    list[k] = c->strides[k];
    for (int d = 0; d < n; d++) c->strides[k][d] = strides[d];
    c->offset[k] = 0;
  }
  for (int d = 0; d < n; d++) c->dims[d] = dims[d], c->at[d] = 0;
  c->n = shape_collapse(n, c->dims, lists, list);
}

cursor cursor_new(int n, const int64_t *dims, int lists, ...) {
  cursor c;
  memset(&c, 0, sizeof c);
  va_list args;
  va_start(args, lists);
  fill(&c, n, dims, lists, args);
  va_end(args);
  return c;
}

void cursor_set(cursor *c, int n, const int64_t *dims, int lists, ...) {
  va_list args;
  va_start(args, lists);
  fill(c, n, dims, lists, args);
  va_end(args);
}

void cursor_copy(cursor *to, const cursor *from) {
  size_t bytes = (size_t)from->n * sizeof *from->dims;
  to->n = from->n;
  to->lists = from->lists;
  memcpy(to->dims, from->dims, bytes);
  memcpy(to->at, from->at, bytes);
  for (int k = 0; k < from->lists; k++) memcpy(to->strides[k], from->strides[k], bytes);
  memcpy(to->offset, from->offset, sizeof to->offset);
}

void cursor_to(cursor *c, int64_t index) {
  for (int k = 0; k < c->lists; k++) c->offset[k] = 0;
  for (int d = c->n - 1; d >= 0; d--) {
    c->at[d] = c->dims[d] ? index % c->dims[d] : 0;
    if (c->dims[d]) index /= c->dims[d];
    for (int k = 0; k < c->lists; k++) c->offset[k] += c->at[d] * c->strides[k][d];
  }
}

int64_t cursor_take_last(cursor *c, int64_t *strides) {
  if (!c->n) {
    for (int k = 0; k < c->lists; k++) strides[k] = 1;
    return 1;
  }
  c->n--;
  for (int k = 0; k < c->lists; k++) strides[k] = c->strides[k][c->n];
  return c->dims[c->n];
}

int64_t cursor_size(const cursor *c) { return shape_size(c->n, c->dims); }
