/* shape.c: sizes, broadcasting and strides of lists of dimensions.

   Sizes are checked where they come in (shape_from, shape_size_checked); what works on checked ones does not
   check again. Uses the C library alone. */
#include "base/base.h"

/* So many elements of 8 bytes still have a size in bytes that an int64 counts. */
#define MOST_ELEMENTS ((int64_t)1 << 59)

bool shape_size_checked(int n, const int64_t *dims, int64_t *size) {
  int64_t product = 1;
  bool empty = false, fits = true;
  for (int i = 0; i < n; i++) {
    if (dims[i] < 0 || dims[i] > MOST_ELEMENTS) return false;
    if (dims[i] == 0) empty = true;
    else if (product > MOST_ELEMENTS / dims[i]) fits = false;
    else product *= dims[i];
  }
  *size = empty ? 0 : product;
  return empty || fits;
}

bool shape_from(pons_shape in, shape *out) {
  if (in.count < 0 || in.count > PONS_MAX_NDIM || (in.count > 0 && in.at == NULL)) return false;
  out->n = in.count;
  for (int i = 0; i < in.count; i++) out->dims[i] = in.at[i];
  int64_t size;
  return shape_size_checked(out->n, out->dims, &size);
}

pons_shape shape_public(const shape *s) { return (pons_shape){s->n, s->dims}; }

bool shape_broadcast(int n, const int64_t *a, int m, const int64_t *b, shape *out) {
  out->n = n > m ? n : m;
  for (int i = 1; i <= out->n; i++) { /* from the last axis */
    int64_t x = i <= n ? a[n - i] : 1, y = i <= m ? b[m - i] : 1;
    if (x != y && x != 1 && y != 1) return false;
    out->dims[out->n - i] = x == 1 ? y : x;
  }
  int64_t size;
  return shape_size_checked(out->n, out->dims, &size);
}

/* Wraps in empty arrays, whose other sizes may be any: nobody follows their strides. */
static int64_t times(int64_t step, int64_t dim) { return (int64_t)((uint64_t)step * (uint64_t)dim); }

void shape_row_major(int n, const int64_t *dims, int64_t *strides) {
  int64_t step = 1;
  for (int i = n - 1; i >= 0; i--) {
    strides[i] = step;
    if (dims[i] > 1) step = times(step, dims[i]);
  }
}

bool shape_is_row_major(int n, const int64_t *dims, const int64_t *strides) {
  int64_t step = 1;
  bool fits = true;
  for (int i = n - 1; i >= 0; i--) {
    if (dims[i] == 0) return true; /* no element: any strides will do */
    if (dims[i] == 1) continue;
    if (strides[i] != step) fits = false;
    step = times(step, dims[i]);
  }
  return fits;
}

int axis_normal(int axis, int n) {
  if (axis < -n || axis >= n) return -1;
  return axis < 0 ? axis + n : axis;
}

const char *shape_text(int n, const int64_t *dims) {
  enum { TEXTS = 8, ROOM = PONS_MAX_NDIM * 22 + 3 }; /* 20 digits or a sign, ", " */
  static _Thread_local char texts[TEXTS][ROOM];
  static _Thread_local unsigned turn;
  char *text = texts[turn++ % TEXTS];
  int length = snprintf(text, ROOM, "(");
  for (int i = 0; i < n && i < PONS_MAX_NDIM; i++)
    length +=
        snprintf(text + length, (size_t)(ROOM - length), "%s%lld", i > 0 ? ", " : "", (long long)dims[i]);
  snprintf(text + length, (size_t)(ROOM - length), ")");
  return text;
}

int shape_collapse(int n, int64_t *dims, int count, int64_t **strides) {
  int kept = 0; /* axes 0 .. kept-1 are done; the last of them may still grow */
  for (int i = 0; i < n; i++) {
    if (dims[i] == 1) continue;
    bool joins = kept > 0;
    for (int k = 0; k < count && joins; k++) joins = strides[k][kept - 1] == strides[k][i] * dims[i];
    if (!joins) kept++;
    dims[kept - 1] = joins ? dims[kept - 1] * dims[i] : dims[i];
    for (int k = 0; k < count; k++) strides[k][kept - 1] = strides[k][i];
  }
  return kept;
}

/* Axes are taken in groups of equal product, each of which must be walkable as one axis. */
bool shape_regroup(int n, const int64_t *from, const int64_t *steps, int m, const int64_t *to, int64_t *out) {
  int i = 0, k = 0;
  while (i < n || k < m) {
    const int first = i, first_out = k;
    int64_t a = i < n ? from[i++] : 1, b = k < m ? to[k++] : 1;
    while (a != b) {
      if (a < b)
        a *= from[i++];
      else
        b *= to[k++];
    }
    int inner = -1;
    int64_t step = 0;
    for (int g = i - 1; g >= first; g--) {
      if (from[g] == 1) continue;
      if (inner < 0)
        step = steps[g];
      else if (steps[g] != steps[inner] * from[inner])
        return false;
      inner = g;
    }
    for (int g = k - 1; g >= first_out; g--) {
      out[g] = step;
      step *= to[g];
    }
  }
  return true;
}
