/* norm_gpu.c: launches norm.kc and rope.kc: "RMSNorm", "LayerNorm", also with rows around them, "RoPE". Uses gpu.h,
   kernel_text.h. */
#include "backends/gpu/gpu.h"
#include "backends/gpu/kernel_text.h"
#include <math.h>

extern const char kernel_norm[], kernel_rope[];

static bool is_empty(const operand *x) { return shape_size(x->ndim, x->shape) == 0; }

/* ---- norms ---- */

static const char *refuses_norm(const launch *l) {
  for (int i = 0; i < l->n_in; i++)
    if (l->in[i].dtype != l->out->dtype) return "operands have different dtypes";
  return is_empty(l->in) ? "there are no elements" : NULL;
}
const char *gpu_refuses_rms_norm(const gpu_backend *b, const launch *l) { return (void)b, refuses_norm(l); }
const char *gpu_refuses_layer_norm(const gpu_backend *b, const launch *l) { return (void)b, refuses_norm(l); }

/* A weight or bias of one element is the same for the whole row. */
static int64_t weight_stride(const operand *w) { return w->ndim ? w->strides[0] : 0; }

static error *run_norm(const gpu_backend *b, const launch *l, bool centred, const chains *with) {
  const kernel *made = with->front;
  const int n_in = made ? made->n_in : 1, n_weights = 1 + centred;
  const operand *x = made ? with->y : l->in, *w = l->in + n_in;
  const int last = x->ndim - 1;
  const int64_t *strides[GPU_WALK_OPERANDS];
  for (int k = 0; k < n_in; k++) strides[k] = l->in[k].strides;
  const gpu_walk rows = gpu_walk_of(last, x->shape, n_in, strides);
  gpu_call c = gpu_call_for(b, l->out);
  gpu_define_dtype(&c, "X", x->dtype);
  gpu_define_text(&c, "A_value", x->dtype == PONS_FLOAT64 ? "double" : "float");
  gpu_define(&c, "INS", n_in);
  if (centred) gpu_define_text(&c, "CENTRED", "");
  if (made && made->n_out > 1) gpu_define_text(&c, "KEEPS", "");
  for (int i = 0; i < l->n_out; i++) gpu_written(&c, &l->out[i]);
  for (int i = 0; i < n_in + n_weights; i++) gpu_read(&c, &l->in[i]);
  gpu_read_behind(&c, l, with);
  gpu_begin_numbers(&c);
  gpu_number(&c, x->shape[last]);
  gpu_number(&c, 0);
  gpu_number_float(&c, ((const norm_params *)l->params)->eps);
  gpu_number(&c, weight_stride(&w[0]));
  gpu_number(&c, centred ? weight_stride(&w[1]) : 0);
  for (int k = 0; k < n_in; k++) gpu_number(&c, l->in[k].strides[last]);
  gpu_number_behind(&c, l, with, 5 + n_in);
  gpu_number_walk(&c, 1, &rows);
  bool wide_weights = true;
  for (int i = 0; i < n_weights; i++) wide_weights &= weight_stride(&w[i]) == 1 && gpu_is_aligned(&w[i], GPU_WIDE);
  kernel_form form = {0};
  bool wide = true; /* what is written: where there are rows behind, these know */
  for (int i = with->behind ? with->behind->n_out : 0; i < l->n_out; i++) wide &= gpu_is_aligned(&l->out[i], GPU_WIDE);
  if (made) gpu_hold_made_rows(&c, n_in, l->in, x, wide, &form);
  else gpu_hold_lines(&c, x->dtype, x->shape[last], wide && gpu_rows_are_wide(x));
  if (wide_weights) gpu_define_text(&c, "WIDE_W", "");
  c.groups[0] = gpu_walk_size(&rows);
  const kernel_form behind = gpu_form_behind(l, with);
  return gpu_run_with_chains(&c, kernel_norm, "norm_rows", &(gpu_chains){made, &form, with->behind, &behind});
}

static const chains nothing;
error *gpu_rms_norm(const gpu_backend *b, const launch *l) { return run_norm(b, l, false, &nothing); }
error *gpu_layer_norm(const gpu_backend *b, const launch *l) { return run_norm(b, l, true, &nothing); }
error *gpu_rms_norm_with(const gpu_backend *b, const launch *l, const chains *with) { return run_norm(b, l, false, with); }
error *gpu_layer_norm_with(const gpu_backend *b, const launch *l, const chains *with) { return run_norm(b, l, true, with); }

bool gpu_norms_with(const gpu_backend *b, const launch *l, const chains *with) {
  return gpu_are_rows(l, with) && gpu_takes_rows(b, l, with, 0);
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
