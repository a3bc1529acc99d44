/* spectral_gpu.c: launches spectral.kc: "FFT", one axis after another, and "Hadamard". Uses gpu.h. */
#include "backends/gpu/gpu.h"

extern const char kernel_spectral[];

enum { MOST_SIGNAL = 1024, MOST_HADAMARD = 4096, THREADS = 128, LOCAL_NEEDED = 3 * MOST_SIGNAL * 8 };

static bool is_empty(const operand *x) { return shape_size(x->ndim, x->shape) == 0; }

/* ---- FFT ---- */

const char *gpu_refuses_fft(const gpu_backend *b, const launch *l) {
  const fft_params *p = l->params;
  const operand *signal = p->inverse ? l->out : l->in; /* the longer, if one is halved */
  if (is_empty(l->in) || is_empty(l->out)) return "there are no elements";
  for (int i = 0; i < p->axes.n; i++)
    if (signal->shape[p->axes.at[i]] > MOST_SIGNAL) return "a signal is too long for local memory";
  return gpu_common_features(b).local_bytes < LOCAL_NEEDED ? "local memory is too small" : NULL;
}

/* From `in` to `out`, which may be the same memory. */
static error *along(const gpu_backend *b, const fft_params *p, int axis, bool halved, const operand *in,
                    const operand *out) {
  const int64_t n = (p->inverse ? out : in)->shape[axis];
  int64_t dims[PONS_MAX_NDIM];
  memcpy(dims, in->shape, (size_t)in->ndim * sizeof *dims);
  dims[axis] = 1;
  const gpu_walk lines = gpu_walk_of(in->ndim, dims, 2, (const int64_t *const[]){in->strides, out->strides});
  gpu_call c = gpu_call_for(b, out);
  gpu_define_dtype(&c, "X", in->dtype);
  gpu_define_dtype(&c, "Y", out->dtype);
  gpu_define(&c, "MOST_SIGNAL", MOST_SIGNAL);
  if (halved) gpu_define_text(&c, p->inverse ? "TO_REAL" : "FROM_REAL", "");
  gpu_written(&c, out);
  gpu_read(&c, in);
  gpu_begin_numbers(&c);
  gpu_number(&c, n);
  gpu_number(&c, in->strides[axis]);
  gpu_number(&c, out->strides[axis]);
  gpu_number(&c, 0);
  gpu_number(&c, p->inverse ? 1 : -1);
  gpu_number_float(&c, p->inverse ? 1 / (float)n : 1);
  gpu_number_walk(&c, 3, &lines);
  c.group[0] = gpu_group_for(&c, n, THREADS);
  c.groups[0] = gpu_walk_size(&lines);
  gpu_define(&c, "GROUP", c.group[0]);
  return gpu_run(&c, kernel_spectral, "fft");
}

/* The complex axes first, in memory of their own, then the halved one. */
static error *real_inverse(const gpu_backend *b, const fft_params *p, const operand *x, const operand *out) {
  const int last = p->axes.n - 1;
  if (last == 0) return along(b, p, (int)p->axes.at[0], true, x, out);
  int64_t strides[PONS_MAX_NDIM];
  error *why = NULL;
  location at = {NULL, 0, ((const location *)out->data)->device};
  const size_t bytes = (size_t)shape_size(x->ndim, x->shape) * pons_dtype_size(x->dtype);
  at.memory = b->memory->take(at.device, bytes, &why);
  if (!at.memory) return why;
  shape_row_major(x->ndim, x->shape, strides);
  const operand y = {&at, x->dtype, x->ndim, x->shape, strides};
  for (int i = 0; i < last && !why; i++) why = along(b, p, (int)p->axes.at[i], false, i ? &y : x, &y);
  if (!why) why = along(b, p, (int)p->axes.at[last], true, &y, out);
  b->memory->give(at.device, at.memory);
  return why;
}

error *gpu_fft(const gpu_backend *b, const launch *l) {
  const fft_params *p = l->params;
  operand out = *l->out;
  int64_t strides[PONS_MAX_NDIM];
  shape_row_major(out.ndim, out.shape, strides);
  out.strides = strides;
  if (p->real && p->inverse) return real_inverse(b, p, l->in, &out);
  const int last = p->axes.n - 1;
  error *why = along(b, p, (int)p->axes.at[last], p->real, l->in, &out);
  for (int i = 0; i < last && !why; i++) why = along(b, p, (int)p->axes.at[i], false, &out, &out);
  return why;
}

/* ---- Hadamard ---- */

const char *gpu_refuses_hadamard(const gpu_backend *b, const launch *l) {
  (void)b;
  const operand *x = l->in;
  if (is_empty(x)) return "there are no elements";
  const int64_t bytes = x->dtype == PONS_FLOAT64 ? 8 : 4;
  if (x->shape[x->ndim - 1] * bytes > MOST_HADAMARD * 4) return "a line is too long for local memory";
  return gpu_common_features(b).local_bytes < MOST_HADAMARD * 4 ? "local memory is too small" : NULL;
}

error *gpu_hadamard(const gpu_backend *b, const launch *l) {
  const operand *x = l->in;
  const int last = x->ndim - 1, rows = hadamard_factor(x->shape[last]);
  const gpu_walk lines = gpu_walk_of(last, x->shape, 1, (const int64_t *const[]){x->strides});
  const bool is_double = x->dtype == PONS_FLOAT64;
  gpu_call c = gpu_call_for(b, l->out);
  gpu_define_dtype(&c, "X", x->dtype);
  gpu_define_text(&c, "A_value", is_double ? "double" : "float");
  gpu_define(&c, "MOST_HADAMARD", MOST_HADAMARD / (is_double ? 2 : 1));
  gpu_written(&c, l->out);
  gpu_read(&c, x);
  gpu_begin_numbers(&c);
  gpu_number(&c, x->shape[last]);
  gpu_number(&c, x->strides[last]);
  gpu_number(&c, rows);
  gpu_number_float(&c, ((const hadamard_params *)l->params)->scale);
  gpu_number(&c, 0);
  for (int i = 0; i < rows; i++) {
    int64_t signs = 0;
    for (int j = 0; j < rows; j++) signs |= (int64_t)(hadamard_sign(rows, i, j) < 0) << j;
    gpu_number(&c, signs);
  }
  gpu_number_walk(&c, 4, &lines);
  c.group[0] = gpu_group_for(&c, x->shape[last], THREADS);
  c.groups[0] = gpu_walk_size(&lines);
  gpu_define(&c, "GROUP", c.group[0]);
  return gpu_run(&c, kernel_spectral, "hadamard");
}
