/* sort_gpu.c: launches sort.kc: "Sort", "ArgSort", "Partition", "ArgPartition" (a partition is a sort), "SearchSorted". Short lines are
   merged, long ones sorted by digits. Uses gpu.h. */
#include "backends/gpu/gpu.h"

extern const char kernel_sort[];

/* Lines of few elements (experts, classes) are blocks of SHORT_BLOCK, others are cut into blocks of BLOCK. */
enum { SHORT_BLOCK = 128, BLOCK = 1024, THREADS = 256, DIGITS = 256, MOST_PARTS = 1024, FEW_PARTS = 8 };

static bool is_empty(const operand *x) { return shape_size(x->ndim, x->shape) == 0; }

/* ---- keys ---- */

static size_t key_bytes(pons_dtype d) { return pons_dtype_size(d) == 8 ? 8 : 4; }

/* Of an element as its bits. Keys of narrow ones have no more bits than these. */
static const char *key_of(pons_dtype d) {
  static const char *const of_signed[] = {[1] = "((uint32_t)(x) ^ 0x80u)",
                                          [2] = "((uint32_t)(x) ^ 0x8000u)",
                                          [4] = "((x) ^ 0x80000000u)",
                                          [8] = "((x) ^ (uint64_t)1 << 63)"};
  switch (d) {
    case PONS_FLOAT16:
      return "float_key(x, 0x8000u, 0x7c00u)";
    case PONS_BFLOAT16:
      return "float_key(x, 0x8000u, 0x7f80u)";
    case PONS_FLOAT32:
      return "float_key(x, 0x80000000u, 0x7f800000u)";
    case PONS_FLOAT64:
      return "double_key(x)";
    case PONS_COMPLEX64:
      return "complex_key(x)";
    default:
      return dtype_kind_of(d) == KIND_SIGNED ? of_signed[pons_dtype_size(d)] : "((KEY)(x))";
  }
}

static void define_keys(gpu_call *c, pons_dtype d) {
  const bool wide = key_bytes(d) == 8;
  gpu_define_dtype(c, "X", gpu_moved_as(d));
  gpu_define_text(c, "KEY", wide ? "uint64_t" : "uint32_t");
  gpu_define_text(c, "LAST", wide ? "(~(uint64_t)0)" : "0xffffffffu");
  gpu_define_text(c, "KEY_OF(x)", key_of(d));
}

/* ---- sorting ---- */

typedef struct sorting {
  const gpu_backend *backend;
  const operand *x, *out;
  bool places; /* are wanted, not the elements */
  int block;   /* a power of two */
  int64_t n, stride, out_stride, lines;
  gpu_walk walk; /* over lines: x, out */
  /* Over lines of x and of the result, of one and a memory of all lines one behind the other, of such memories. */
  gpu_walk to_lines, from_lines, of_lines;
} sorting;

/* All lines one behind the other: keys, or elements, and places. */
typedef struct sorted {
  void *keys, *places;
} sorted;

static sorted sorted_take(const sorting *s, size_t key_size, bool places, error **why) {
  const memory_driver *m = s->backend->memory;
  const int index = ((const location *)s->out->data)->device;
  const size_t count = (size_t)(s->lines * s->n);
  sorted t = {NULL, NULL};
  if (*why) return t;
  t.keys = m->take(index, count * key_size, why);
  if (t.keys && places) t.places = m->take(index, count * sizeof(uint32_t), why);
  return t;
}

static void sorted_give(const sorting *s, sorted t) {
  const memory_driver *m = s->backend->memory;
  const int index = ((const location *)s->out->data)->device;
  if (t.keys) m->give(index, t.keys);
  if (t.places) m->give(index, t.places);
}

/* ---- by merging ---- */

static error *sort_blocks(const sorting *s, sorted to) {
  const int64_t blocks = ceiling(s->n, s->block);
  gpu_call c = gpu_call_for(s->backend, s->out);
  define_keys(&c, s->x->dtype);
  gpu_define(&c, "BLOCK", s->block);
  gpu_define_text(&c, "BLOCKS", "");
  gpu_memory(&c, to.keys, true);
  gpu_memory(&c, to.places, true);
  gpu_read(&c, s->x);
  gpu_begin_numbers(&c);
  gpu_number(&c, s->n);
  gpu_number(&c, s->stride);
  gpu_number(&c, 0);
  gpu_number(&c, blocks);
  gpu_number_walk(&c, 2, &s->walk);
  c.wide |= s->lines * s->n > INT32_MAX - s->block;
  c.group[0] = gpu_group_for(&c, s->block / 2, THREADS);
  c.groups[0] = s->lines * blocks;
  gpu_define(&c, "GROUP", c.group[0]);
  return gpu_run(&c, kernel_sort, "sort_blocks");
}

static error *merge_runs(const sorting *s, int64_t run, sorted from, sorted to) {
  gpu_call c = gpu_call_for(s->backend, s->out);
  define_keys(&c, s->x->dtype);
  gpu_define_text(&c, "MERGE", "");
  gpu_memory(&c, to.keys, true);
  gpu_memory(&c, to.places, true);
  gpu_memory(&c, from.keys, false);
  gpu_memory(&c, from.places, false);
  gpu_begin_numbers(&c);
  gpu_number(&c, s->lines * s->n);
  gpu_number(&c, s->n);
  gpu_number(&c, run);
  c.wide = s->lines * s->n > INT32_MAX / 2;
  gpu_one_each(&c, s->lines * s->n);
  return gpu_run(&c, kernel_sort, "sort_merge");
}

static error *give_result(const sorting *s, sorted from) {
  gpu_call c = gpu_call_for(s->backend, s->out);
  gpu_define_dtype(&c, "X", gpu_moved_as(s->x->dtype));
  gpu_define_dtype(&c, "Y", gpu_moved_as(s->out->dtype));
  gpu_define_text(&c, "GIVE", "");
  if (s->places) gpu_define_text(&c, "PLACES_WANTED", "");
  gpu_written(&c, s->out);
  gpu_read(&c, s->x);
  gpu_memory(&c, from.places, false);
  gpu_begin_numbers(&c);
  gpu_number(&c, s->lines * s->n);
  gpu_number(&c, s->n);
  gpu_number(&c, s->stride);
  gpu_number(&c, s->out_stride);
  gpu_number(&c, 0);
  gpu_number_walk(&c, 4, &s->walk);
  gpu_one_each(&c, s->lines * s->n);
  return gpu_run(&c, kernel_sort, "sort_give");
}

static error *sort_by_merging(const sorting *s) {
  error *why = NULL;
  sorted from = sorted_take(s, key_bytes(s->x->dtype), true, &why), to = {NULL, NULL};
  if (!why && s->n > s->block) to = sorted_take(s, key_bytes(s->x->dtype), true, &why);
  if (!why) why = sort_blocks(s, from);
  for (int64_t runs = s->block; runs < s->n && !why; runs *= 2) {
    why = merge_runs(s, runs, from, to);
    const sorted t = from;
    from = to;
    to = t;
  }
  if (!why) why = give_result(s, from);
  sorted_give(s, from);
  sorted_give(s, to);
  return why;
}

/* ---- by digits ---- */

/* How lines are cut, and what is counted. */
typedef struct counting {
  int passes, group, items;
  int64_t part, parts; /* elements of one, how many of a line */
  void *counts, *totals;
} counting;

static counting counting_of(const sorting *s) {
  const size_t size = pons_dtype_size(s->x->dtype), room = size == 8 ? 8 : 4;
  counting d = {.passes = (int)size, .group = THREADS, .items = size == 8 ? 9 : 15}; /* odd: each thread's begin in banks of their own */
  const gpu_call probe = gpu_call_for(s->backend, s->out);
  const gpu_features *f = s->backend->features(probe.index);
  d.group = gpu_group_for(&probe, THREADS, THREADS);
  while (d.group > 32 && (size_t)d.group * ((size_t)d.items * room + 40) + 1024 > (size_t)f->local_bytes) d.group /= 2;
  const int64_t tile = (int64_t)d.group * d.items, tiles = ceiling(s->n, tile), most = MOST_PARTS / s->lines;
  d.part = ceiling(tiles, most < 1 ? 1 : most < tiles ? most : tiles) * tile;
  d.parts = ceiling(s->n, d.part);
  return d;
}

/* A launch takes as long as work on so many elements; a merge twice as long as a pass over digits, which is three launches. As on an NVIDIA
   H200, where merging was measured; there is no more to it. */
enum { LAUNCH = 300000 };
static bool is_for_digits(const sorting *s, const counting *d) {
  const int64_t tile = (int64_t)d->group * d->items, all = s->lines * s->n;
  int merges = 0;
  while ((int64_t)s->block << merges < s->n) merges++;
  return merges > 0 && d->passes * (3 * LAUNCH + s->lines * ceiling(s->n, tile) * tile) < (2 + merges) * (LAUNCH + 2 * all);
}

static void define_digits(gpu_call *c, const sorting *s, const counting *d) {
  define_keys(c, s->x->dtype);
  gpu_define(c, "GROUP", d->group);
  gpu_define(c, "ITEMS", d->items);
}

/* Numbers of a pass, and its groups. `first`, `last`: it reads x, it writes the result. */
static void set_pass(gpu_call *c, const sorting *s, const counting *d, int pass) {
  const bool first = pass == 0, last = pass == d->passes - 1;
  gpu_begin_numbers(c);
  gpu_number(c, s->n);
  if ((!first || s->stride == 1) && (!last || s->out_stride == 1)) gpu_define_text(c, "DENSE", "");
  gpu_number(c, first ? s->stride : 1);
  gpu_number(c, last ? s->out_stride : 1);
  gpu_number(c, 0);
  gpu_number(c, d->part);
  gpu_number(c, d->parts);
  gpu_number(c, 8 * pass);
  gpu_number(c, (first ? 1 : 0) | (last ? 2 : 0));
  gpu_number_walk(c, 3, first && last ? &s->walk : first ? &s->from_lines : last ? &s->to_lines : &s->of_lines);
  c->wide |= s->lines * s->n > INT32_MAX / 2;
  c->group[0] = d->group;
  c->groups[0] = s->lines * d->parts;
}

static void read_elements(gpu_call *c, const sorting *s, int pass, sorted from) {
  if (pass == 0)
    gpu_read(c, s->x);
  else
    gpu_memory(c, from.keys, false);
}

static error *count_digits(const sorting *s, const counting *d, int pass, sorted from) {
  gpu_call c = gpu_call_for(s->backend, s->out);
  define_digits(&c, s, d);
  gpu_define_text(&c, "COUNT", "");
  gpu_define(&c, "COPIES", d->group < 32 ? 1 : d->group / 32);
  gpu_memory(&c, d->counts, true);
  read_elements(&c, s, pass, from);
  set_pass(&c, s, d, pass);
  return gpu_run(&c, kernel_sort, "sort_count");
}

static error *find_offsets(const sorting *s, const counting *d) {
  const int64_t totals = s->lines * DIGITS;
  gpu_call c = gpu_call_for(s->backend, s->out);
  gpu_define_text(&c, "OFFSETS", "");
  gpu_memory(&c, d->totals, true);
  gpu_memory(&c, d->counts, true);
  gpu_begin_numbers(&c);
  gpu_number(&c, totals);
  gpu_number(&c, d->parts);
  c.wide |= totals * d->parts > INT32_MAX / 2;
  if (d->parts <= FEW_PARTS) {
    gpu_define_text(&c, "FEW", "");
    gpu_one_each(&c, totals);
  } else {
    c.group[0] = gpu_group_for(&c, d->parts, THREADS);
    c.groups[0] = totals;
    gpu_define(&c, "GROUP", c.group[0]);
  }
  return gpu_run(&c, kernel_sort, "sort_offsets");
}

static error *scatter_digits(const sorting *s, const counting *d, int pass, sorted from, sorted to) {
  const bool last = pass == d->passes - 1;
  gpu_call c = gpu_call_for(s->backend, s->out);
  define_digits(&c, s, d);
  gpu_define_text(&c, "SCATTER", "");
  gpu_define_text(&c, "ROOM", key_bytes(s->x->dtype) == 8 ? "uint64_t" : "uint32_t");
  if (s->places) gpu_define_text(&c, "PLACES_WANTED", "");
  if (last)
    gpu_written(&c, s->out);
  else
    gpu_memory(&c, s->places ? to.places : to.keys, true);
  if (s->places) gpu_memory(&c, last ? NULL : to.keys, true);
  read_elements(&c, s, pass, from);
  if (s->places) gpu_memory(&c, pass == 0 ? NULL : from.places, false);
  gpu_memory(&c, d->counts, false);
  gpu_memory(&c, d->totals, false);
  set_pass(&c, s, d, pass);
  return gpu_run(&c, kernel_sort, "sort_scatter");
}

static error *run_passes(const sorting *s, const counting *d, sorted from, sorted to) {
  error *why = NULL;
  for (int pass = 0; pass < d->passes && !why; pass++) {
    why = count_digits(s, d, pass, from);
    if (!why) why = find_offsets(s, d);
    if (!why) why = scatter_digits(s, d, pass, from, to);
    const sorted t = from;
    from = to;
    to = t;
  }
  return why;
}

static error *sort_by_digits(const sorting *s, counting *d) {
  const memory_driver *m = s->backend->memory;
  const int index = ((const location *)s->out->data)->device;
  const size_t size = pons_dtype_size(s->x->dtype), totals = (size_t)(s->lines * DIGITS) * sizeof(uint32_t);
  error *why = NULL;
  sorted parts[2] = {{NULL, NULL}, {NULL, NULL}};
  d->totals = m->take(index, totals, &why);
  if (!why) d->counts = m->take(index, totals * (size_t)d->parts, &why);
  for (int i = 0; i < 2 && d->passes > 1 + i; i++) parts[i] = sorted_take(s, size, s->places, &why);
  if (!why) why = run_passes(s, d, parts[1], parts[0]);
  for (int i = 0; i < 2; i++) sorted_give(s, parts[i]);
  if (d->counts) m->give(index, d->counts);
  if (d->totals) m->give(index, d->totals);
  return why;
}

/* ---- a launch ---- */

static error *run(const gpu_backend *b, const launch *l, int axis, bool places) {
  const operand *x = l->in, *out = l->out;
  int64_t dims[PONS_MAX_NDIM], strides[PONS_MAX_NDIM], behind[PONS_MAX_NDIM];
  sorting s = {.backend = b, .x = x, .out = out, .places = places, .n = 1, .stride = 1, .out_stride = 1};
  memcpy(dims, x->shape, (size_t)x->ndim * sizeof *dims);
  shape_row_major(out->ndim, out->shape, strides);
  if (x->ndim) {
    s.n = dims[axis];
    s.stride = x->strides[axis];
    s.out_stride = strides[axis];
    dims[axis] = 1;
  }
  shape_row_major(x->ndim, dims, behind);
  for (int i = 0; i < x->ndim; i++) behind[i] *= s.n;
  s.walk = gpu_walk_of(x->ndim, dims, 2, (const int64_t *const[]){x->strides, strides});
  s.from_lines = gpu_walk_of(x->ndim, dims, 2, (const int64_t *const[]){x->strides, behind});
  s.to_lines = gpu_walk_of(x->ndim, dims, 2, (const int64_t *const[]){behind, strides});
  s.of_lines = gpu_walk_of(x->ndim, dims, 2, (const int64_t *const[]){behind, behind});
  s.lines = gpu_walk_size(&s.walk);
  s.block = s.n <= SHORT_BLOCK ? SHORT_BLOCK : BLOCK;
  counting d = counting_of(&s);
  return is_for_digits(&s, &d) ? sort_by_digits(&s, &d) : sort_by_merging(&s);
}

static const char *refuses(const launch *l) {
  const operand *x = l->in;
  if (is_empty(x)) return "there are no elements";
  return shape_size(x->ndim, x->shape) >= UINT32_MAX ? "there are too many elements" : NULL;
}

#define SORTS(name, params_type, places)                                                                \
  const char *gpu_refuses_##name(const gpu_backend *b, const launch *l) { return (void)b, refuses(l); } \
  error *gpu_##name(const gpu_backend *b, const launch *l) {                                            \
    return run(b, l, ((const params_type *)l->params)->axis, places);                                   \
  }
SORTS(sort, axis_params, false)
SORTS(arg_sort, axis_params, true)
SORTS(partition, partition_params, false)
SORTS(arg_partition, partition_params, true)

/* ---- searching ---- */

const char *gpu_refuses_search_sorted(const gpu_backend *b, const launch *l) {
  (void)b;
  return is_empty(&l->in[0]) || is_empty(&l->in[1]) ? "there are no elements" : NULL;
}

error *gpu_search_sorted(const gpu_backend *b, const launch *l) {
  const operand *all = &l->in[0], *values = &l->in[1];
  const gpu_walk w = gpu_walk_of(values->ndim, values->shape, 1, (const int64_t *const[]){values->strides});
  gpu_call c = gpu_call_for(b, l->out);
  define_keys(&c, all->dtype);
  gpu_define_text(&c, "SEARCH", "");
  gpu_written(&c, l->out);
  gpu_read(&c, all);
  gpu_read(&c, values);
  gpu_begin_numbers(&c);
  gpu_number(&c, gpu_walk_size(&w));
  gpu_number(&c, all->shape[0]);
  gpu_number(&c, all->strides[0]);
  gpu_number(&c, 0);
  gpu_number(&c, ((const search_sorted_params *)l->params)->right);
  gpu_number_walk(&c, 3, &w);
  gpu_one_each(&c, gpu_walk_size(&w));
  return gpu_run(&c, kernel_sort, "search_sorted");
}
