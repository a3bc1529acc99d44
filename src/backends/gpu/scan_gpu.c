/* scan_gpu.c: launches scan.kc: "Scan". Long lines are scanned in parts: totals of parts, these scanned, parts. Uses gpu.h. */
#include "backends/gpu/gpu.h"

extern const char kernel_scan[];

const char *gpu_refuses_scan(const gpu_backend *b, const launch *l) {
  (void)b;
  const scan_params *p = l->params;
  if (shape_size(l->in->ndim, l->in->shape) == 0) return "there are no elements";
  return p->kind == SCAN_LOGADDEXP && dtype_kind_of(l->in->dtype) != KIND_FLOAT
             ? "the dialect has it for floats alone"
             : NULL;
}

/* Of logaddexp: nothing adds to minus infinity what it adds to zero. */
static void define_log_add_exp(gpu_call *c, pons_dtype joined) {
  gpu_define_dtype(c, "A", joined);
  gpu_define_text(c, "JOIN(a, b)",
                  joined == PONS_FLOAT64 ? "k_logaddexp_f64(a, b)" : "k_logaddexp_f32(a, b)");
  gpu_define_text(c, "START", gpu_least_value(joined));
}

/* How it is cut: long lines, where there are few, in parts, whose totals are scanned first. */
typedef struct cutting {
  int group, items;
  bool wide; /* items are 16 bytes, read and written at once */
  int64_t lines, part, parts;
} cutting;

enum { THREADS = 256, ITEMS = 8, LONG_LINE = 1024, LEAST_PART = 8192, MOST_PARTS = 1024, ENOUGH_GROUPS = 2048 };

/* Both lie along the axis, which is the last, all of their lines begin where 16 bytes may be read, and elements are of one size. */
static bool is_wide(const launch *l, int axis) {
  const operand *x = l->in, *out = l->out;
  const size_t size = pons_dtype_size(x->dtype);
  return axis == x->ndim - 1 && size == pons_dtype_size(out->dtype) && x->shape[axis] % (int64_t)(GPU_WIDE / size) == 0 &&
         gpu_rows_are_wide(x) && gpu_is_aligned(out, GPU_WIDE);
}

static cutting cut(const gpu_call *c, const launch *l, int axis, int64_t lines) {
  const int64_t n = l->in->shape[axis];
  cutting f = {.items = n > LONG_LINE ? ITEMS : 1, .wide = n > LONG_LINE && is_wide(l, axis), .lines = lines};
  if (f.wide) f.items = GPU_WIDE / (int)pons_dtype_size(l->in->dtype);
  f.group = gpu_group_for(c, n, THREADS);
  int64_t parts = ENOUGH_GROUPS / lines;
  if (parts > n / LEAST_PART) parts = n / LEAST_PART;
  if (parts > MOST_PARTS) parts = MOST_PARTS;
  if (parts < 1) parts = 1;
  const int64_t step = (int64_t)f.group * f.items;
  f.part = round_up(ceiling(n, parts), step);
  f.parts = ceiling(n, f.part);
  return f;
}

typedef struct scanning {
  const gpu_backend *backend;
  const scan_params *params;
  pons_dtype joined;
} scanning;

static gpu_call call_for(const scanning *s, const operand *at, pons_dtype from, pons_dtype to) {
  static const int kinds[SCAN_KINDS] = {
      [SCAN_MAX] = REDUCE_MAX, [SCAN_MIN] = REDUCE_MIN, [SCAN_SUM] = REDUCE_SUM, [SCAN_PROD] = REDUCE_PROD};
  gpu_call c = gpu_call_for(s->backend, at);
  if (s->params->kind == SCAN_LOGADDEXP)
    define_log_add_exp(&c, s->joined);
  else
    gpu_define_join(&c, kinds[s->params->kind], s->joined);
  gpu_define_dtype(&c, "X", from);
  gpu_define_dtype(&c, "Y", to);
  gpu_define_wide(&c, "X", from);
  gpu_define_wide(&c, "Y", to);
  gpu_define_taken(&c, from, s->joined, false);
  gpu_define_given(&c, s->joined, to);
  return c;
}

/* A line as the kernel walks over it. */
typedef struct line {
  int64_t n, of_x, of_y; /* elements, strides */
  gpu_walk lines;
  bool from_end, inclusive;
} line;

static error *run(gpu_call *c, const cutting *f, const line *along, const char *entry) {
  if (f->wide) gpu_define_text(c, "WIDE", "");
  gpu_begin_numbers(c);
  gpu_number(c, along->n);
  gpu_number(c, along->of_x);
  gpu_number(c, along->of_y);
  gpu_number(c, 0);
  gpu_number(c, along->from_end);
  gpu_number(c, along->inclusive);
  gpu_number(c, f->part);
  gpu_number_walk(c, 3, &along->lines);
  c->group[0] = f->group;
  c->groups[0] = f->lines;
  c->groups[1] = f->parts;
  gpu_define(c, "GROUP", f->group);
  gpu_define(c, "ITEMS", f->items);
  return gpu_run(c, kernel_scan, entry);
}

/* totals[line][part] */
static error *find_totals(const scanning *s, const launch *l, const cutting *f, const line *along, void *totals) {
  gpu_call c = call_for(s, l->out, l->in->dtype, s->joined);
  gpu_define_text(&c, "TOTALS", "");
  gpu_memory(&c, totals, true);
  gpu_read(&c, l->in);
  return run(&c, f, along, "scan_totals");
}

/* Each becomes what those before it give. */
static error *scan_totals(const scanning *s, const launch *l, const cutting *f, void *totals) {
  gpu_call c = call_for(s, l->out, s->joined, s->joined);
  const cutting whole = {
      .group = gpu_group_for(&c, f->parts, THREADS), .items = 1, .lines = f->lines, .part = f->parts, .parts = 1};
  const line along = {.n = f->parts,
                      .of_x = 1,
                      .of_y = 1,
                      .lines = gpu_walk_of(1, &f->lines, 2, (const int64_t *const[]){&f->parts, &f->parts})};
  gpu_memory(&c, totals, true);
  gpu_memory(&c, totals, false);
  return run(&c, &whole, &along, "scan");
}

static error *scan_lines(const scanning *s, const launch *l, const cutting *f, const line *along, void *totals) {
  gpu_call c = call_for(s, l->out, l->in->dtype, l->out->dtype);
  gpu_written(&c, l->out);
  gpu_read(&c, l->in);
  if (totals) gpu_define_text(&c, "CARRIED", "");
  if (totals) gpu_memory(&c, totals, false);
  return run(&c, f, along, "scan");
}

static error *scan_in_parts(const scanning *s, const launch *l, const cutting *f, const line *along) {
  error *why = NULL;
  const memory_driver *m = s->backend->memory;
  const int index = ((const location *)l->out->data)->device;
  void *totals = m->take(index, (size_t)(f->lines * f->parts) * pons_dtype_size(s->joined), &why);
  if (!totals) return why;
  why = find_totals(s, l, f, along, totals);
  if (!why) why = scan_totals(s, l, f, totals);
  if (!why) why = scan_lines(s, l, f, along, totals);
  m->give(index, totals);
  return why;
}

error *gpu_scan(const gpu_backend *b, const launch *l) {
  const scan_params *p = l->params;
  const operand *x = l->in, *out = l->out;
  int64_t dims[PONS_MAX_NDIM], strides[PONS_MAX_NDIM];
  memcpy(dims, x->shape, (size_t)x->ndim * sizeof *dims);
  dims[p->axis] = 1;
  shape_row_major(out->ndim, out->shape, strides);
  const scanning s = {b, p, gpu_wide_dtype(out->dtype)};
  const line along = {.n = x->shape[p->axis],
                      .of_x = x->strides[p->axis],
                      .of_y = strides[p->axis],
                      .lines = gpu_walk_of(x->ndim, dims, 2, (const int64_t *const[]){x->strides, strides}),
                      .from_end = p->reverse,
                      .inclusive = p->inclusive};
  const gpu_call probe = gpu_call_for(b, out);
  const cutting f = cut(&probe, l, p->axis, gpu_walk_size(&along.lines));
  return f.parts > 1 ? scan_in_parts(&s, l, &f, &along) : scan_lines(&s, l, &f, &along, NULL);
}
