/* sort_gpu.c: launches sort.kc: "Sort", "ArgSort", "Partition", "ArgPartition" (a partition is a sort), "SearchSorted".
   Uses gpu.h, typing.h. */
#include "backends/gpu/gpu.h"
#include "backends/gpu/typing.h"

extern const char kernel_sort[];

enum { BLOCK = 512, THREADS = 256 };

static bool is_empty(const operand *x) { return shape_size(x->ndim, x->shape) == 0; }

/* ---- keys ---- */

static size_t key_bytes(pons_dtype d) { return pons_dtype_size(d) == 8 ? 8 : 4; }

static void define_keys(gpu_call *c, pons_dtype d) {
  const bool wide = key_bytes(d) == 8, is_signed = dtype_kind_of(d) == KIND_SIGNED;
  gpu_define_dtype(c, "X", d);
  gpu_define_text(c, "KEY", wide ? "uint64_t" : "uint32_t");
  gpu_define_text(c, "LAST", wide ? "(~(uint64_t)0)" : "0xffffffffu");
  gpu_define(c, "BLOCK", BLOCK);
  if (d == PONS_COMPLEX64)
    gpu_define_text(c, "KEY_OF(x)", "complex_key(x)");
  else if (d == PONS_FLOAT64)
    gpu_define_text(c, "KEY_OF(x)", "double_key(x)");
  else if (dtype_kind_of(d) == KIND_FLOAT)
    gpu_define_text(c, "KEY_OF(x)", "float_key(x)");
  else if (is_signed)
    gpu_define_text(c, "KEY_OF(x)",
                    wide ? "((uint64_t)(x) ^ (uint64_t)1 << 63)" : "((uint32_t)(int32_t)(x) ^ 0x80000000u)");
  else
    gpu_define_text(c, "KEY_OF(x)", "((KEY)(x))");
}

/* ---- sorting ---- */

typedef struct sorting {
  const operand *x, *out;
  bool places; /* are wanted, not the elements */
  int64_t n, stride, out_stride, lines;
  gpu_walk walk; /* over lines: x, out */
} sorting;

/* Keys and places of all elements. */
typedef struct sorted {
  void *keys, *places;
} sorted;

static sorted sorted_take(const gpu_backend *b, int index, const sorting *s, error **why) {
  const size_t count = (size_t)(s->lines * s->n);
  sorted t = {NULL, NULL};
  if (*why) return t;
  t.keys = b->memory->take(index, count * key_bytes(s->x->dtype), why);
  if (t.keys) t.places = b->memory->take(index, count * sizeof(uint32_t), why);
  return t;
}

static void sorted_give(const gpu_backend *b, int index, sorted t) {
  if (t.keys) b->memory->give(index, t.keys);
  if (t.places) b->memory->give(index, t.places);
}

static error *sort_blocks(const gpu_backend *b, const sorting *s, sorted to) {
  const int64_t blocks = (s->n + BLOCK - 1) / BLOCK;
  gpu_call c = gpu_call_for(b, s->out);
  define_keys(&c, s->x->dtype);
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
  c.wide |= s->lines * s->n > INT32_MAX - BLOCK;
  c.group[0] = gpu_group_for(&c, BLOCK, THREADS);
  c.groups[0] = s->lines * blocks;
  gpu_define(&c, "GROUP", c.group[0]);
  return gpu_run(&c, kernel_sort, "sort_blocks");
}

static error *merge_runs(const gpu_backend *b, const sorting *s, int64_t run, sorted from, sorted to) {
  gpu_call c = gpu_call_for(b, s->out);
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

static error *give_result(const gpu_backend *b, const sorting *s, sorted from) {
  gpu_call c = gpu_call_for(b, s->out);
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

static error *run(const gpu_backend *b, const launch *l, int axis, bool places) {
  const operand *x = l->in, *out = l->out;
  int64_t dims[PONS_MAX_NDIM], strides[PONS_MAX_NDIM];
  const int index = ((const location *)out->data)->device;
  sorting s = {.x = x, .out = out, .places = places, .n = 1, .stride = 1, .out_stride = 1};
  memcpy(dims, x->shape, (size_t)x->ndim * sizeof *dims);
  shape_row_major(out->ndim, out->shape, strides);
  if (x->ndim) {
    s.n = dims[axis];
    s.stride = x->strides[axis];
    s.out_stride = strides[axis];
    dims[axis] = 1;
  }
  s.walk = gpu_walk_of(x->ndim, dims, 2, (const int64_t *const[]){x->strides, strides});
  s.lines = gpu_walk_size(&s.walk);
  error *why = NULL;
  sorted from = sorted_take(b, index, &s, &why), to = {NULL, NULL};
  if (!why && s.n > BLOCK) to = sorted_take(b, index, &s, &why);
  if (!why) why = sort_blocks(b, &s, from);
  for (int64_t runs = BLOCK; runs < s.n && !why; runs *= 2) {
    why = merge_runs(b, &s, runs, from, to);
    const sorted t = from;
    from = to;
    to = t;
  }
  if (!why) why = give_result(b, &s, from);
  sorted_give(b, index, from);
  sorted_give(b, index, to);
  return why;
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
