/* fft.c: FFT along any axes, and the public transforms, which cut or pad the signal, convert it and scale.

   Forward sums plainly, inverse with 1 / N, N being the product of the signal's sizes along the axes. Of a real
   signal the last listed axis has the half of the spectrum that is not negative: n / 2 + 1 for n. Uses graph/. */
#include "ops/ops.h"
#include <math.h>

static int64_t signal_size(const fft_params *p, const node *x, const node *y) {
  const node *signal = p->inverse ? y : x; /* of a complex transform they are alike */
  int64_t n = 1;
  for (int i = 0; i < p->axes.n; i++) n *= signal->shape[p->axes.at[i]];
  return n;
}

static error *fft_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const fft_params *p = params;
  error *e = check_count("fft", n_in, 1);
  if (!e) e = axes_check("fft", in[0]->ndim, p->axes);
  if (e) return e;
  if (p->axes.n == 0) return fail("fft", "no axes of %s", node_text(in[0]));
  const pons_dtype of_complex = dtype_made_complex(dtype_of(in[0])), of_parts = dtype_of_parts(of_complex);
  const pons_dtype from = p->real && !p->inverse ? of_parts : of_complex;
  if (in[0]->dtype != from)
    return fail("fft", "takes %s here, not %s", pons_dtype_name(from), node_text(in[0]));
  if (p->odd_out && !(p->real && p->inverse)) return fail("fft", "an odd length, but no real result");
  *out = spec_of(in[0]);
  for (int i = 0; i < p->axes.n; i++)
    if (in[0]->shape[p->axes.at[i]] == 0) return fail("fft", "nothing along an axis of %s", node_text(in[0]));
  if (!p->real) return NULL;
  int64_t *n = &out->shape.dims[p->axes.at[p->axes.n - 1]];
  *n = p->inverse ? 2 * (*n - 1) + p->odd_out : *n / 2 + 1;
  out->dtype = p->inverse ? of_parts : of_complex;
  if (*n == 0) return fail("fft", "a real signal of length 0 from %s", node_text(in[0]));
  return spec_set("fft", out, out->dtype, out->shape.n, out->shape.dims);
}

/* One weight per kept frequency of a real signal of length n, along `axis` of ndim: the frequencies that have no
   negative counterpart (0, and n/2 of an even n) weigh `alone`, the others `paired`. */
static pons_array half_weights(pons_dtype dtype, int64_t n, int axis, int ndim, double alone, double paired) {
  const int64_t count = n / 2 + 1;
  int64_t dims[PONS_MAX_NDIM];
  for (int i = 0; i < ndim; i++) dims[i] = i == axis ? count : 1;
  const size_t size = pons_dtype_size(dtype);
  char *w = mem_alloc((size_t)count * size);
  if (!w) return node_error(fail_no_memory("fft"));
  for (int64_t k = 0; k < count; k++) dtype_write(dtype, w + (size_t)k * size, k == 0 || 2 * k == n ? alone : paired);
  pons_array a = pons_array_from(w, (pons_shape){ndim, dims}, dtype);
  mem_free(w);
  return a;
}

/* The adjoint. Of a real signal: each kept frequency stands for two, which the inverse adds up again. */
static void fft_vjp(const vjp_call *c) {
  const fft_params *p = c->params;
  const int axis = (int)p->axes.at[p->axes.n - 1], ndim = c->in[0]->ndim;
  const int64_t n = (p->inverse ? c->out[0] : c->in[0])->shape[axis];
  const double size = (double)signal_size(p, c->in[0], c->out[0]);
  fft_params back = {p->axes, !p->inverse, p->real, p->real && !p->inverse && n % 2};
  const pons_dtype parts = dtype_of_parts(dtype_of(c->in[0]));
  pons_array ct = c->cotangents[0], g;
  if (p->real && !p->inverse) ct = pons_multiply(ct, half_weights(parts, n, axis, ndim, 1, 0.5));
  g = node_make(&prim_fft, &back, 1, &ct);
  const double scale = p->inverse ? 1 / size : size;
  if (p->real && p->inverse)
    g = pons_multiply(g, half_weights(parts, n, axis, ndim, scale, 2 * scale));
  else
    g = pons_multiply(g, pons_scalar(scale, parts));
  c->grads[0] = g;
}

static void fft_vmap(const vmap_call *c) {
  fft_params shifted = *(const fft_params *)c->params;
  int64_t room[PONS_MAX_NDIM];
  shifted.axes = batch_shift(shifted.axes, room);
  batch_apply(c, &shifted);
}

const prim prim_fft = {.name = "FFT",
                       .linear = true,
                       .params_size = sizeof(fft_params),
                       .fields = {FIELD(AXES64, fft_params, axes), FIELD(BOOL, fft_params, inverse),
                                  FIELD(BOOL, fft_params, real), FIELD(BOOL, fft_params, odd_out)},
                       .infer = fft_infer,
                       .vjp = fft_vjp,
                       .vmap = fft_vmap};

/* ---- the public transforms ---- */

typedef struct transform {
  const char *op;
  bool inverse, real;
} transform;

/* x cut or padded with zeros at the end to `dims`. */
static pons_array resized(pons_array x, const int64_t *dims) {
  int64_t start[PONS_MAX_NDIM] = {0}, stop[PONS_MAX_NDIM], more[PONS_MAX_NDIM];
  bool cut = false, pad = false;
  for (int i = 0; i < x->ndim; i++) {
    cut |= dims[i] < x->shape[i];
    pad |= dims[i] > x->shape[i];
    stop[i] = dims[i] < x->shape[i] ? dims[i] : x->shape[i];
    more[i] = dims[i] - stop[i];
  }
  const int n = x->ndim;
  if (cut) x = pons_slice(x, (pons_shape){n, start}, (pons_shape){n, stop}, PONS_SCALAR);
  if (pad) x = pons_pad(x, (pons_shape){n, start}, (pons_shape){n, more}, NULL);
  return x;
}

/* 1 over what the transform's own norm lacks. */
static double scale_of(pons_fft_norm norm, bool inverse, double size) {
  switch (norm) {
    case PONS_FFT_ORTHO: return inverse ? sqrt(size) : 1 / sqrt(size);
    case PONS_FFT_FORWARD: return inverse ? size : 1 / size;
    default: return 1;
  }
}

/* Axes as 0 .. ndim-1, none twice, in the order given. */
static error *listed_axes(const char *op, const node *x, pons_axes axes, int64_t *out) {
  for (int i = 0; i < axes.count; i++) {
    error *e = NULL;
    out[i] = axis_of(op, x, axes.at[i], &e);
    for (int k = 0; k < i && !e; k++)
      if (out[k] == out[i]) e = fail(op, "axis %d of %s is given twice", axes.at[i], node_text(x));
    if (e) return e;
  }
  return NULL;
}

static pons_array transformed(const transform *t, pons_array x, const int64_t *lengths, int count,
                              const int64_t *axes, pons_fft_norm norm) {
  int64_t dims[PONS_MAX_NDIM];
  double size = 1;
  for (int i = 0; i < x->ndim; i++) dims[i] = x->shape[i];
  bool odd = false;
  for (int i = 0; i < count; i++) {
    const bool halved = t->real && t->inverse && i == count - 1; /* x has the half of the spectrum */
    int64_t n = lengths ? lengths[i] : halved ? 2 * (dims[axes[i]] - 1) : dims[axes[i]];
    if (n <= 0)
      return node_fail(t->op, "%lld elements along axis %lld of %s", (long long)n, (long long)axes[i], node_text(x));
    dims[axes[i]] = halved ? n / 2 + 1 : n;
    odd = halved && n % 2;
    size *= (double)n;
  }
  const pons_dtype of_complex = dtype_made_complex(dtype_of(x)), of_parts = dtype_of_parts(of_complex);
  x = as_dtype(resized(x, dims), t->real && !t->inverse ? of_parts : of_complex);
  const fft_params params = {{count, axes}, t->inverse, t->real, odd};
  pons_array y = node_make(&prim_fft, &params, 1, &x);
  const double scale = scale_of(norm, t->inverse, size);
  return scale == 1 ? y : pons_multiply(y, pons_scalar(scale, of_parts));
}

static error *norm_check(const char *op, pons_fft_norm norm) {
  const bool known = norm == PONS_FFT_BACKWARD || norm == PONS_FFT_ORTHO || norm == PONS_FFT_FORWARD;
  return known ? NULL : fail(op, "norm %d is none", (int)norm);
}

static pons_array along_one(const transform *t, struct pons_fft_args a) {
  pons_array bad = operand_fault(t->op, 1, &a.x);
  if (bad) return bad;
  const int last = -1;
  if (!a.axis.at) a.axis = (pons_axes){1, &last};
  if (a.axis.count != 1) return node_fail(t->op, "takes one axis, not %d", a.axis.count);
  int64_t axis;
  error *e = norm_check(t->op, a.norm);
  if (!e) e = listed_axes(t->op, a.x, a.axis, &axis);
  return e ? node_error(e) : transformed(t, a.x, a.n ? &a.n : NULL, 1, &axis, a.norm);
}

static pons_array along_many(const transform *t, struct pons_fftn_args a) {
  pons_array bad = operand_fault(t->op, 1, &a.x);
  if (bad) return bad;
  if (a.x->ndim == 0) return node_fail(t->op, "a scalar has no axes");
  int64_t axes[PONS_MAX_NDIM];
  int all[PONS_MAX_NDIM];
  if (!a.axes.at) {
    if (a.s.at) return node_fail(t->op, "sizes are given, but not the axes they are for");
    for (int i = 0; i < a.x->ndim; i++) all[i] = i;
    a.axes = (pons_axes){a.x->ndim, all};
  }
  if (a.axes.count > a.x->ndim)
    return node_fail(t->op, "%d axes of %s", a.axes.count, node_text(a.x));
  if (a.s.at && a.s.count != a.axes.count)
    return node_fail(t->op, "%d sizes for %d axes", a.s.count, a.axes.count);
  error *e = norm_check(t->op, a.norm);
  if (!e) e = listed_axes(t->op, a.x, a.axes, axes);
  if (e) return node_error(e);
  if (a.axes.count == 0) return same_array(a.x);
  return transformed(t, a.x, a.s.at, a.axes.count, axes, a.norm);
}

static pons_array along_two(const transform *t, struct pons_fftn_args a) {
  const int last[2] = {-2, -1};
  if (!a.axes.at) a.axes = (pons_axes){2, last};
  return along_many(t, a);
}

#define TRANSFORM(name, inverse, real)                                    \
  pons_array pons_fft_##name##_with(struct pons_fft_args args) {          \
    return along_one(&(transform){#name, inverse, real}, args);           \
  }                                                                       \
  pons_array pons_fft_##name##2_with(struct pons_fftn_args args) {        \
    return along_two(&(transform){#name "2", inverse, real}, args);       \
  }                                                                       \
  pons_array pons_fft_##name##n_with(struct pons_fftn_args args) {        \
    return along_many(&(transform){#name "n", inverse, real}, args);      \
  }
TRANSFORM(fft, false, false)
TRANSFORM(ifft, true, false)
TRANSFORM(rfft, false, true)
TRANSFORM(irfft, true, true)
