/* norm_vjp_gpu.c: launches norm_vjp.kc: "RMSNormVJP", "LayerNormVJP". Uses gpu.h. */
#include "backends/gpu/gpu.h"

extern const char kernel_norm_vjp[];

/* A thread holds so many elements of a row at most; the rows of a part, if there are enough; all parts; threads of those that join. */
enum { MOST_HELD = 32, LEAST_HELD = 2, TEAM = 32, TEAMS_THREADS = 128, ROW_THREADS = 256, LEAST_ROWS = 4, MOST_PARTS = 512,
       ACROSS = 32 };

static const char *refuses_norm_vjp(const launch *l) {
  for (int i = 0; i < l->n_in; i++)
    if (l->in[i].dtype != l->out->dtype) return "operands have different dtypes";
  return shape_size(l->in->ndim, l->in->shape) == 0 ? "there are no elements" : NULL;
}
const char *gpu_refuses_rms_norm_vjp(const gpu_backend *b, const launch *l) { return (void)b, refuses_norm_vjp(l); }
const char *gpu_refuses_layer_norm_vjp(const gpu_backend *b, const launch *l) { return (void)b, refuses_norm_vjp(l); }

/* How a launch is cut. */
typedef struct cutting {
  int group, team, held; /* held 0: element by element */
  int64_t rows, part_rows, parts;
} cutting;

/* One row of several per group where a few threads hold it, else a row for all of a group. */
static cutting cut(const gpu_call *c, const launch *l, const operand *added) {
  const operand *x = l->in, *g = &l->in[l->n_in - 1];
  const int64_t n = x->shape[x->ndim - 1], per = GPU_WIDE / (int64_t)pons_dtype_size(x->dtype), words = n / per;
  cutting f = {.group = gpu_group_for(c, TEAMS_THREADS, TEAMS_THREADS), .rows = shape_size(x->ndim - 1, x->shape)};
  f.team = f.group < TEAM ? f.group : TEAM;
  while (f.team > 1 && f.team / 2 >= words) f.team /= 2;
  if (words > f.team * (MOST_HELD / per)) {
    f.group = gpu_group_for(c, ROW_THREADS, ROW_THREADS);
    while (f.group > TEAM && f.group / 2 * LEAST_HELD >= words) f.group /= 2;
    f.team = f.group;
  }
  f.held = (int)ceiling(words, f.team);
  if (n % per != 0 || f.held * per > MOST_HELD || x->dtype == PONS_FLOAT64 || !gpu_rows_are_wide(x) || !gpu_rows_are_wide(g) ||
      !gpu_is_aligned(l->out, GPU_WIDE) || (added && !gpu_is_aligned(added, GPU_WIDE))) {
    f.held = 0;
    f.group = f.team = gpu_group_for(c, n, ROW_THREADS);
  }
  const int64_t teams = f.group / f.team, turns = ceiling(f.rows, teams);
  f.parts = ceiling(turns, LEAST_ROWS);
  if (f.parts > MOST_PARTS) f.parts = MOST_PARTS;
  f.part_rows = ceiling(turns, f.parts) * teams;
  f.parts = ceiling(f.rows, f.part_rows);
  return f;
}

static void define_values(gpu_call *c, pons_dtype d) {
  gpu_define_dtype(c, "X", d);
  gpu_define_text(c, "A_value", d == PONS_FLOAT64 ? "double" : "float");
}

/* A weight or bias of one element stands for none. */
static bool has_gradient(const launch *l, int i) { return i < l->n_out && l->out[i].ndim > 0; }

static error *run(gpu_call *c, const launch *l, const operand *added, const cutting *f, void *sums, int n_sums) {
  const operand *x = l->in, *w = &l->in[1], *g = &l->in[l->n_in - 1];
  const int last = x->ndim - 1;
  const gpu_walk rows = gpu_walk_of(last, x->shape, 2, (const int64_t *const[]){x->strides, g->strides});
  const int64_t w_stride = w->ndim ? w->strides[0] : 0;
  define_values(c, x->dtype);
  if (l->n_out == 3) gpu_define_text(c, "CENTRED", "");
  if (has_gradient(l, 1)) gpu_define_text(c, "OF_W", "");
  if (has_gradient(l, 2)) gpu_define_text(c, "OF_B", "");
  gpu_define(c, "SUMS_COUNT", n_sums);
  gpu_define(c, "GROUP", f->group);
  gpu_define(c, "TEAM", f->team);
  if (f->held) {
    gpu_define(c, "HELD", f->held);
    gpu_define(c, "FULL", x->shape[last] * (int64_t)pons_dtype_size(x->dtype) == (int64_t)f->held * f->team * GPU_WIDE);
    gpu_define_wide(c, "X", x->dtype);
    if (w_stride == 1 && gpu_is_aligned(w, GPU_WIDE)) gpu_define_text(c, "WIDE_W", "");
  }
  gpu_written(c, l->out);
  if (sums) gpu_memory(c, sums, true);
  gpu_define(c, "X_MEMORY", c->n_memories);
  gpu_read(c, x);
  gpu_read(c, w);
  gpu_define(c, "G_MEMORY", c->n_memories);
  gpu_read(c, g);
  if (added) {
    gpu_define_text(c, "ADDS", "");
    gpu_read(c, added);
  }
  c->wide |= n_sums * f->parts * x->shape[last] > INT32_MAX;
  gpu_begin_numbers(c);
  gpu_number(c, x->shape[last]);
  gpu_number(c, f->rows);
  gpu_number(c, f->part_rows);
  gpu_number_float(c, ((const norm_params *)l->params)->eps);
  gpu_number(c, 0);
  gpu_number(c, x->strides[last]);
  gpu_number(c, g->strides[last]);
  gpu_number(c, w_stride);
  gpu_number(c, f->parts);
  gpu_number_walk(c, 4, &rows);
  c->group[0] = f->group;
  c->groups[0] = f->parts;
  return gpu_run(c, kernel_norm_vjp, "norm_vjp");
}

static error *join_parts(const gpu_backend *b, const launch *l, const cutting *f, void *sums, int n_sums) {
  gpu_call c = gpu_call_for(b, l->out);
  const int64_t n = l->in->shape[l->in->ndim - 1];
  define_values(&c, l->out->dtype);
  gpu_define_text(&c, "JOINED", "");
  if (n_sums == 2) gpu_define_text(&c, "TWO", "");
  c.group[0] = gpu_group_for(&c, ROW_THREADS, ROW_THREADS);
  const int across = c.group[0] < ACROSS ? c.group[0] : ACROSS;
  gpu_define(&c, "GROUP", c.group[0]);
  gpu_define(&c, "ACROSS", across);
  for (int i = 1; i < l->n_out; i++)
    if (has_gradient(l, i)) gpu_written(&c, &l->out[i]);
  gpu_memory(&c, sums, false);
  c.wide |= n_sums * f->parts * n > INT32_MAX;
  gpu_begin_numbers(&c);
  gpu_number(&c, n);
  gpu_number(&c, f->parts);
  c.groups[0] = ceiling(n, across);
  c.groups[1] = n_sums;
  return gpu_run(&c, kernel_norm_vjp, "norm_vjp_join");
}

error *gpu_norm_vjp_adding(const gpu_backend *b, const launch *l, const operand *added) {
  const int n_sums = has_gradient(l, 1) + has_gradient(l, 2);
  const size_t size = l->in->dtype == PONS_FLOAT64 ? sizeof(double) : sizeof(float);
  gpu_call c = gpu_call_for(b, l->out);
  const cutting f = cut(&c, l, added);
  error *why = NULL;
  void *sums = NULL;
  for (int i = 1; i < l->n_out && !why; i++)
    if (!has_gradient(l, i)) why = gpu_fill(b, &l->out[i], 0);
  if (!why && n_sums) sums = b->memory->take(c.index, (size_t)(n_sums * f.parts * l->in->shape[l->in->ndim - 1]) * size, &why);
  if (!why) why = run(&c, l, added, &f, sums, n_sums);
  if (!why && sums) why = join_parts(b, l, &f, sums, n_sums);
  if (sums) b->memory->give(c.index, sums);
  return why;
}
error *gpu_rms_norm_vjp(const gpu_backend *b, const launch *l) { return gpu_norm_vjp_adding(b, l, NULL); }
error *gpu_layer_norm_vjp(const gpu_backend *b, const launch *l) { return gpu_norm_vjp_adding(b, l, NULL); }
