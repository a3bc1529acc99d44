/* norm_gpu.c: launches norm.kc and rope.kc: "RMSNorm", "LayerNorm", also of what a kernel makes, "RoPE". Uses gpu.h,
   kernel_text.h. */
#include "backends/gpu/gpu.h"
#include "backends/gpu/kernel_text.h"
#include <math.h>

extern const char kernel_norm[], kernel_rope[];

static bool is_empty(const operand *x) { return shape_size(x->ndim, x->shape) == 0; }

/* ---- norms ---- */

enum { NORM_GROUP = 512 };

static const char *refuses_norm(const launch *l) {
  for (int i = 0; i < l->n_in; i++)
    if (l->in[i].dtype != l->out->dtype) return "operands have different dtypes";
  return is_empty(l->in) ? "there are no elements" : NULL;
}
const char *gpu_refuses_rms_norm(const gpu_backend *b, const launch *l) { return (void)b, refuses_norm(l); }
const char *gpu_refuses_layer_norm(const gpu_backend *b, const launch *l) { return (void)b, refuses_norm(l); }

/* A weight or bias of one element is the same for the whole row. */
static int64_t weight_stride(const operand *w) { return w->ndim ? w->strides[0] : 0; }

/* The operands of which rows are made lie so that a kernel reads as many elements of each at once as 16 bytes hold of the rows; *form. */
static bool are_wide(int n, const operand *in, const operand *y, kernel_form *form) {
  bool wide = true;
  form->each = (uint8_t)(GPU_WIDE / (int)pons_dtype_size(y->dtype));
  for (int k = 0; k < n; k++) {
    const bool repeated = in[k].strides[in[k].ndim - 1] == 0;
    form->lies[k] = repeated ? KERNEL_REPEATED : KERNEL_IN_ORDER;
    wide &= repeated || (form->each * (int)pons_dtype_size(in[k].dtype) >= 4 && gpu_rows_are_wide(&in[k]));
  }
  if (wide) return true;
  memset(form->lies, KERNEL_STRIDED, sizeof form->lies);
  form->each = 1;
  return false;
}

/* A group for each row of what the kernel makes. */
static kernel_form hold_made_rows(gpu_call *c, int n, const operand *in, const launch *l) {
  kernel_form form = {0};
  bool holds = are_wide(n, in, l->out, &form);
  for (int i = 1; i < l->n_out; i++) holds &= gpu_is_aligned(&l->out[i], GPU_WIDE);
  if (holds && gpu_hold_rows(c, l->out, NULL)) return form;
  form.each = 1;
  memset(form.lies, KERNEL_STRIDED, sizeof form.lies);
  if (holds) return form; /* with a group for rows that are not held */
  c->group[0] = gpu_group_for_line(c, l->out->shape[l->out->ndim - 1], NORM_GROUP);
  gpu_define(c, "GROUP", c->group[0]);
  return form;
}

static error *run_norm(const gpu_backend *b, const launch *l, bool centred, const kernel *made) {
  const operand *y = l->out, *w = l->in + (made ? made->n_in : 1);
  const int last = y->ndim - 1, n_in = (int)(w - l->in), n_weights = 1 + centred;
  const int64_t *strides[GPU_WALK_OPERANDS];
  for (int k = 0; k < n_in; k++) strides[k] = l->in[k].strides;
  const gpu_walk rows = gpu_walk_of(last, y->shape, n_in, strides);
  gpu_call c = gpu_call_for(b, y);
  gpu_define_dtype(&c, "X", y->dtype);
  gpu_define_text(&c, "A_value", y->dtype == PONS_FLOAT64 ? "double" : "float");
  gpu_define(&c, "INS", n_in);
  if (centred) gpu_define_text(&c, "CENTRED", "");
  if (l->n_out > 1) gpu_define_text(&c, "KEEPS", "");
  for (int i = 0; i < l->n_out; i++) gpu_written(&c, &l->out[i]);
  for (int i = 0; i < l->n_in; i++) gpu_read(&c, &l->in[i]);
  gpu_begin_numbers(&c);
  gpu_number(&c, y->shape[last]);
  gpu_number(&c, 0);
  gpu_number_float(&c, ((const norm_params *)l->params)->eps);
  gpu_number(&c, weight_stride(&w[0]));
  gpu_number(&c, centred ? weight_stride(&w[1]) : 0);
  for (int k = 0; k < n_in; k++) gpu_number(&c, l->in[k].strides[last]);
  gpu_number_walk(&c, 1, &rows);
  bool wide_weights = true;
  for (int i = 0; i < n_weights; i++) wide_weights &= weight_stride(&w[i]) == 1 && gpu_is_aligned(&w[i], GPU_WIDE);
  kernel_form form = {0};
  if (made) form = hold_made_rows(&c, n_in, l->in, l);
  else gpu_hold_rows(&c, l->in, y);
  if (wide_weights) gpu_define_text(&c, "WIDE_W", "");
  c.groups[0] = gpu_walk_size(&rows);
  return made ? gpu_run_with_chains(&c, kernel_norm, "norm_rows", made, &form, NULL) : gpu_run(&c, kernel_norm, "norm_rows");
}
error *gpu_rms_norm(const gpu_backend *b, const launch *l) { return run_norm(b, l, false, NULL); }
error *gpu_layer_norm(const gpu_backend *b, const launch *l) { return run_norm(b, l, true, NULL); }
error *gpu_rms_norm_made(const gpu_backend *b, const launch *l, const kernel *made) { return run_norm(b, l, false, made); }
error *gpu_layer_norm_made(const gpu_backend *b, const launch *l, const kernel *made) { return run_norm(b, l, true, made); }

bool gpu_norms_with(const gpu_backend *b, const launch *l, const chains *with) {
  if (!with->front || with->behind || with->front->n_in > GPU_WALK_OPERANDS || (b->compiles && !b->compiles())) return false;
  const int memories = l->n_out + l->n_in, n_in = with->front->n_in;
  return memories + 1 <= gpu_common_features(b).max_memories && memories + 5 + n_in + 1 + (1 + n_in) * with->y->ndim <= GPU_NUMBERS;
}

/* ---- rotary positions ---- */

const char *gpu_refuses_rope(const gpu_backend *b, const launch *l) {
  (void)b;
  return is_empty(l->in) ? "there are no elements" : NULL;
}

error *gpu_rope(const gpu_backend *b, const launch *l) {
  const rope_params *p = l->params;
  const operand *x = &l->in[0], *offset = &l->in[1];
  const int last = x->ndim - 1;
  const gpu_walk rows = gpu_walk_of(last, x->shape, 1, (const int64_t *const[]){x->strides});
  const int64_t count = shape_size(x->ndim, x->shape), n_rows = gpu_walk_size(&rows);
  gpu_call c = gpu_call_for(b, l->out);
  gpu_define_dtype(&c, "X", x->dtype);
  if (l->n_in == 3) {
    gpu_define_text(&c, "HAS_FREQS", "");
    gpu_define_dtype(&c, "F", l->in[2].dtype);
  }
  gpu_written(&c, l->out);
  for (int i = 0; i < l->n_in; i++) gpu_read(&c, &l->in[i]);
  gpu_begin_numbers(&c);
  gpu_number(&c, count);
  gpu_number(&c, x->shape[last]);
  gpu_number(&c, x->shape[last - 1]);
  gpu_number(&c, p->dims);
  gpu_number(&c, p->traditional);
  gpu_number(&c, 0);
  gpu_number(&c, x->strides[last]);
  gpu_number_float(&c, p->scale);
  gpu_number_float(&c, (float)(-log((double)p->base) / (p->dims / 2)));
  gpu_number(&c, p->forward ? 1 : -1);
  gpu_number(&c, n_rows / x->shape[0]);
  gpu_number(&c, offset->ndim && offset->shape[0] > 1 ? offset->strides[0] : 0);
  gpu_number(&c, gpu_index_kind(offset->dtype));
  gpu_number(&c, l->n_in == 3 ? l->in[2].strides[0] : 0);
  gpu_number_walk(&c, 5, &rows);
  gpu_one_each(&c, count);
  return gpu_run(&c, kernel_rope, "rope");
}
