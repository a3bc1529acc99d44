/* sort_cpu.c: "Sort", "ArgSort", "Partition", "ArgPartition" along an axis. Stable, NaN last. "SearchSorted"
   by the same order.

   Elements become 64-bit keys that sort as unsigned integers, which are distributed by one byte after
   another, the lowest first; bytes that all keys share cost nothing. A partition is a sort: sorted order is
   one of those it may give. Long lines of small elements are sorted by all threads (sort_long.c), others each by one.
   Uses cpu/lanes.h, cpu/cursor.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/lanes.h"
#include "backends/cpu/sort_long.h"

typedef struct entry {
  uint64_t key;
  uint64_t index;
} entry;

/* ---- keys: greater elements have greater keys; -0 and 0 have one, and all NaN the greatest ---- */

static uint64_t key_of_float(float f) {
  uint32_t u;
  if (f != f) return UINT32_MAX;
  f += 0.0f; /* -0 becomes 0 */
  memcpy(&u, &f, sizeof u);
  return u >> 31 ? ~u : u | 0x80000000u;
}

static uint64_t key_of_double(double d) {
  uint64_t u;
  if (d != d) return UINT64_MAX;
  d += 0.0;
  memcpy(&u, &d, sizeof u);
  return u >> 63 ? ~u : u | (uint64_t)1 << 63;
}

/* What counts first, and, of a complex128, the imaginary part, which counts among equals. */
typedef struct sort_key {
  uint64_t first, then;
} sort_key;

static sort_key key_of(lane k, const void *lanes, int64_t i) {
  const complex64 *pairs = lanes;
  const complex128 *wide = lanes;
  switch (k) {
    case LANE_FLOAT: return (sort_key){key_of_float(((const float *)lanes)[i]), 0};
    case LANE_DOUBLE: return (sort_key){key_of_double(((const double *)lanes)[i]), 0};
    case LANE_INT: return (sort_key){(uint64_t)((const int64_t *)lanes)[i] ^ (uint64_t)1 << 63, 0};
    case LANE_UINT: return (sort_key){((const uint64_t *)lanes)[i], 0};
    case LANE_COMPLEX:
      if (pairs[i].re != pairs[i].re || pairs[i].im != pairs[i].im) return (sort_key){UINT64_MAX, 0};
      return (sort_key){key_of_float(pairs[i].re) << 32 | key_of_float(pairs[i].im), 0};
    default: break;
  }
  if (wide[i].re != wide[i].re || wide[i].im != wide[i].im) return (sort_key){UINT64_MAX, 0};
  return (sort_key){key_of_double(wide[i].re), key_of_double(wide[i].im)};
}

/* ---- sorting entries ---- */

static void insert(entry *x, int64_t n) {
  for (int64_t i = 1; i < n; i++) {
    entry e = x[i];
    int64_t at = i;
    for (; at > 0 && x[at - 1].key > e.key; at--) x[at] = x[at - 1];
    x[at] = e;
  }
}

/* The sorted entries: in x or in spare. */
static entry *sort_entries(entry *x, entry *spare, int64_t n) {
  if (n <= 48) {
    insert(x, n);
    return x;
  }
  uint64_t all = UINT64_MAX, any = 0;
  for (int64_t i = 0; i < n; i++) all &= x[i].key, any |= x[i].key;
  for (int shift = 0; shift < 64; shift += 8) {
    if (!((all ^ any) >> shift & 255)) continue;
    int64_t place[256] = {0}, sum = 0;
    for (int64_t i = 0; i < n; i++) place[x[i].key >> shift & 255]++;
    for (int b = 0; b < 256; b++) {
      int64_t count = place[b];
      place[b] = sum;
      sum += count;
    }
    for (int64_t i = 0; i < n; i++) spare[place[x[i].key >> shift & 255]++] = x[i];
    entry *t = x;
    x = spare;
    spare = t;
  }
  return x;
}

/* ---- lines ---- */

typedef struct sort_job {
  const operand *x, *out;
  bool indices;  /* give places, else elements */
  cursor lines;  /* offsets of x and out */
  int64_t n, stride, out_stride;
  int64_t count, lines_per_piece;
  buffer *memory; /* entries, two lists of n for each piece */
} sort_job;

/* Sorted by both keys, the one that counts less first: sorting keeps the order of equals. */
static const entry *sort_keys(const sort_job *j, const char *from, entry *entries) {
  lane_value tile[TILE];
  const pons_dtype d = j->x->dtype;
  const lane k = lane_of(d);
  const int64_t size = (int64_t)pons_dtype_size(d);
  const bool two = k == LANE_WIDE_COMPLEX;
  for (int64_t at = 0; at < j->n; at += TILE) {
    const int64_t n = smaller(j->n - at, TILE);
    cpu_lanes()->load[d](from + at * j->stride * size, j->stride, n, tile);
    for (int64_t i = 0; i < n; i++) {
      const sort_key key = key_of(k, tile, i);
      entries[at + i] = (entry){two ? key.then : key.first, (uint64_t)(at + i)};
    }
  }
  entry *sorted = sort_entries(entries, entries + j->n, j->n);
  if (!two) return sorted;
  for (int64_t i = 0; i < j->n; i++) {
    cpu_lanes()->load[d](from + (int64_t)sorted[i].index * j->stride * size, 1, 1, tile);
    sorted[i].key = key_of(k, tile, 0).first;
  }
  return sort_entries(sorted, sorted == entries ? entries + j->n : entries, j->n);
}

static void sort_one(const sort_job *j, const char *from, char *to, entry *entries) {
  const int64_t size = (int64_t)pons_dtype_size(j->x->dtype);
  const entry *sorted = sort_keys(j, from, entries);
  for (int64_t i = 0; i < j->n; i++) {
    uint32_t index = (uint32_t)sorted[i].index;
    if (j->indices) memcpy(to + i * j->out_stride * (int64_t)sizeof index, &index, sizeof index);
    else
      memcpy(to + i * j->out_stride * size, from + (int64_t)sorted[i].index * j->stride * size, (size_t)size);
  }
}

static void sort_piece(void *context, int64_t piece) {
  const sort_job *j = context;
  entry *entries = (entry *)buffer_data(j->memory) + piece * 2 * j->n;
  cursor lines = j->lines;
  int64_t line = piece * j->lines_per_piece, end = smaller(line + j->lines_per_piece, j->count);
  cursor_to(&lines, line);
  for (; line < end; line++, cursor_next(&lines))
    sort_one(j, element(j->x->data, j->x->dtype, lines.offset[0]),
              element(j->out->data, j->out->dtype, lines.offset[1]), entries);
}

/* One line after another. */
static error *run_long(const sort_job *j, const char *op) {
  error *why = NULL;
  buffer *memory = buffer_new(sort_long_bytes(j->n, j->indices), op, &why);
  if (!memory) return why;
  sort_line line = {j->x->dtype, j->n, j->stride, j->out_stride, NULL, NULL, j->indices};
  cursor lines = j->lines;
  cursor_to(&lines, 0);
  for (int64_t i = 0; i < j->count; i++, cursor_next(&lines)) {
    line.from = element(j->x->data, j->x->dtype, lines.offset[0]);
    line.to = element(j->out->data, j->out->dtype, lines.offset[1]);
    sort_long(&line, buffer_data(memory));
  }
  buffer_release(memory);
  return NULL;
}

static error *run(const launch *l, int axis, const char *op, bool indices) {
  const operand *x = l->in, *out = l->out;
  int64_t dims[PONS_MAX_NDIM], strides[PONS_MAX_NDIM];
  if (!operand_size(out)) return NULL;
  error *why = NULL;
  sort_job j = {.x = x, .out = out, .indices = indices};
  memcpy(dims, x->shape, (size_t)x->ndim * sizeof *dims);
  if (x->ndim) dims[axis] = 1;
  shape_row_major(out->ndim, out->shape, strides);
  j.n = x->ndim ? x->shape[axis] : 1;
  j.stride = x->ndim ? x->strides[axis] : 1;
  j.out_stride = x->ndim ? strides[axis] : 1;
  j.lines = cursor_new(x->ndim, dims, 2, x->strides, strides);
  j.count = cursor_size(&j.lines);
  if (sort_long_takes(x->dtype, j.n)) return run_long(&j, op);
  j.lines_per_piece = turns_per_piece(j.count, 16 * j.n);
  if (j.lines_per_piece * 64 < j.count)
    j.lines_per_piece = (j.count + 63) / 64; /* at most 64 lists of entries */
  int64_t pieces = pieces_of(j.count, j.lines_per_piece);
  j.memory = buffer_new((size_t)(pieces * 2 * j.n) * sizeof(entry), op, &why);
  if (!j.memory) return why;
  parallel_for(pieces, sort_piece, &j);
  buffer_release(j.memory);
  return NULL;
}

error *cpu_sort(const launch *l) { return run(l, ((const axis_params *)l->params)->axis, "sort", false); }
error *cpu_arg_sort(const launch *l) {
  return run(l, ((const axis_params *)l->params)->axis, "argsort", true);
}
error *cpu_partition(const launch *l) {
  return run(l, ((const partition_params *)l->params)->axis, "partition", false);
}
error *cpu_arg_partition(const launch *l) {
  return run(l, ((const partition_params *)l->params)->axis, "argpartition", true);
}

/* ---- SearchSorted ---- */

typedef struct search_job {
  const operand *sorted, *values;
  uint32_t *out;
  bool right;
  cursor elements; /* offsets of values */
  int64_t count, turns;
} search_job;

static sort_key key_at(const operand *x, int64_t offset) {
  lane_value v;
  cpu_lanes()->load[x->dtype](element(x->data, x->dtype, offset), 1, 1, &v);
  return key_of(lane_of(x->dtype), &v, 0);
}

/* How many elements are before the key, its equals counted if `right`. */
static uint32_t place(const operand *sorted, sort_key key, bool right) {
  int64_t low = 0, high = sorted->shape[0];
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    const sort_key there = key_at(sorted, middle * sorted->strides[0]);
    const bool same = there.first == key.first && there.then == key.then;
    const bool before = there.first < key.first || (there.first == key.first && there.then < key.then);
    if (before || (right && same)) low = middle + 1;
    else high = middle;
  }
  return (uint32_t)low;
}

static void search_piece(void *context, int64_t piece) {
  const search_job *j = context;
  cursor elements = j->elements;
  int64_t at = piece * j->turns, end = smaller(at + j->turns, j->count);
  cursor_to(&elements, at);
  for (; at < end; at++, cursor_next(&elements))
    j->out[at] = place(j->sorted, key_at(j->values, elements.offset[0]), j->right);
}

error *cpu_search_sorted(const launch *l) {
  const operand *values = l->in + 1;
  if (!operand_size(values)) return NULL;
  search_job j = {.sorted = l->in,
                  .values = values,
                  .out = l->out->data,
                  .right = ((const search_sorted_params *)l->params)->right,
                  .elements = cursor_new(values->ndim, values->shape, 1, values->strides)};
  j.count = cursor_size(&j.elements);
  j.turns = turns_per_piece(j.count, 32);
  parallel_for(pieces_of(j.count, j.turns), search_piece, &j);
  return NULL;
}
