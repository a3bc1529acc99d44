/* conv_phases_gpu.c: "Convolution" of an input that is spread out, as transposed convolutions and gradients of strided ones are,
   without multiplying the zeros between its elements. Along an axis spread by d every d-th place of the result (fewer, where the
   stride shares a divisor with d) meets elements under the same positions of the kernel, which are evenly spaced: a phase. Each
   phase is a convolution of x as it lies by those positions, computed by one of the other ways and copied to its places. Uses
   gpu.h. */
#include "backends/gpu/gpu.h"

enum {
  MOST_AXES = 4,
  MOST_PHASES = 256,
  LEAST_WORK = 1 << 18 /* multiply-adds, those of zeros too, below which launches take longer */
};

/* Ways to compute a convolution: the first that does not refuse. A phase is not spread out. */
static const struct {
  const char *(*refuses)(const gpu_backend *b, const launch *l);
  error *(*run)(const gpu_backend *b, const launch *l);
} ways[] = {{gpu_refuses_conv_phases, gpu_conv_phases},
            {gpu_refuses_conv_windows, gpu_conv_windows},
            {gpu_refuses_conv_direct, gpu_conv_direct},
            {gpu_refuses_conv, gpu_conv}};
enum { WAYS = sizeof ways / sizeof *ways };

/* Places first, first + step, ... of the result, and positions of the kernel likewise; none: they meet zeros alone. */
typedef struct along {
  int64_t first, step, count;
  int64_t first_tap, tap_step, taps;
  int64_t stride, dilation, padding; /* of the convolution */
} along;

/* Phases along axis d: places o meet elements by positions j where o stride + j dilation - padding is a multiple of `spread`. */
static int64_t phases_along(const conv_params *p, int d) {
  const int64_t spread = p->input_dilation.at[d];
  return spread / divisor(p->stride.at[d], spread);
}

static along phase_along(const launch *l, int d, int64_t phase) {
  const conv_params *p = l->params;
  const int64_t spread = p->input_dilation.at[d], size = l->in[1].shape[d + 1],
                shared = divisor(p->kernel_dilation.at[d], spread);
  along a = {.first = phase, .step = phases_along(p, d)};
  a.count = (l->out->shape[d + 1] - phase + a.step - 1) / a.step;
  a.tap_step = spread / shared;
  const int64_t from = phase * p->stride.at[d] - p->pad_lo.at[d];
  while (a.first_tap < a.tap_step && (from + a.first_tap * p->kernel_dilation.at[d]) % spread != 0)
    a.first_tap++;
  if (a.first_tap < a.tap_step && a.first_tap < size)
    a.taps = ceiling(size - a.first_tap, a.tap_step);
  a.stride = p->stride.at[d] * a.step / spread;
  a.dilation = p->kernel_dilation.at[d] / shared;
  a.padding = -(from + a.first_tap * p->kernel_dilation.at[d]) / spread;
  return a;
}

/* A phase as a launch, with what that points to. */
typedef struct phase {
  int64_t stride[MOST_AXES], padding[MOST_AXES], dilation[MOST_AXES];
  int64_t w_shape[PONS_MAX_NDIM], w_strides[PONS_MAX_NDIM], shape[PONS_MAX_NDIM], strides[PONS_MAX_NDIM],
      to_strides[PONS_MAX_NDIM];
  location w_at, at, to_at;
  operand in[2], out, to; /* out: rows of its own; to: its places in the result */
  conv_params params;
  launch l;
  bool none, zeros; /* it has no places; no positions of the kernel */
} phase;

static void moved(location *at, int64_t elements, pons_dtype d) {
  at->offset += elements * (int64_t)pons_dtype_size(d);
}

static void set_axis(phase *s, const launch *l, int d, along a) {
  const conv_params *p = l->params;
  const int64_t size = l->in[1].shape[d + 1], last_tap = a.first_tap + (a.taps - 1) * a.tap_step;
  s->none |= a.count <= 0;
  s->zeros |= a.taps == 0;
  s->stride[d] = a.stride, s->dilation[d] = a.dilation, s->padding[d] = a.padding;
  s->w_shape[d + 1] = a.taps, s->shape[d + 1] = a.count;
  moved(&s->w_at, (p->flip ? size - 1 - last_tap : a.first_tap) * s->w_strides[d + 1], l->out->dtype);
  s->w_strides[d + 1] *= a.tap_step;
  moved(&s->to_at, a.first * s->to_strides[d + 1], l->out->dtype);
  s->to_strides[d + 1] *= a.step;
}

static void phase_at(phase *s, const launch *l, int64_t index) {
  static const int64_t ones[MOST_AXES] = {1, 1, 1, 1};
  const conv_params *p = l->params;
  const operand *w = &l->in[1], *out = l->out;
  const int n = out->ndim;
  *s = (phase){.w_at = *(const location *)w->data, .to_at = *(const location *)out->data};
  memcpy(s->w_shape, w->shape, (size_t)n * sizeof *w->shape);
  memcpy(s->w_strides, w->strides, (size_t)n * sizeof *w->strides);
  memcpy(s->shape, out->shape, (size_t)n * sizeof *out->shape);
  shape_row_major(n, out->shape, s->to_strides);
  for (int d = n - 3; d >= 0; d--) {
    const int64_t phases = phases_along(p, d);
    set_axis(s, l, d, phase_along(l, d, index % phases));
    index /= phases;
  }
  shape_row_major(n, s->shape, s->strides);
  const ints none = {n - 2, ones};
  s->params = (conv_params){{n - 2, s->stride},
                            {n - 2, s->padding},
                            {n - 2, s->padding},
                            {n - 2, s->dilation},
                            none,
                            p->groups,
                            p->flip};
  s->in[0] = l->in[0];
  s->in[1] = (operand){&s->w_at, w->dtype, n, s->w_shape, s->w_strides};
  s->out = (operand){&s->at, out->dtype, n, s->shape, s->strides};
  s->to = (operand){&s->to_at, out->dtype, n, s->shape, s->to_strides};
  s->l = (launch){&s->params, 2, 1, s->in, &s->out};
}

static int64_t all_phases(const launch *l) {
  int64_t all = 1;
  for (int d = 0; d < l->out->ndim - 2 && all <= MOST_PHASES; d++) all *= phases_along(l->params, d);
  return all;
}

const char *gpu_refuses_conv_phases(const gpu_backend *b, const launch *l) {
  const char *why = gpu_refuses_conv(b, l);
  if (why) return why;
  const conv_params *p = l->params;
  const operand *w = &l->in[1], *out = l->out;
  bool spread = false;
  for (int d = 0; d < out->ndim - 2; d++) spread |= p->input_dilation.at[d] != 1;
  if (!spread) return "the input is not spread out";
  if (all_phases(l) > MOST_PHASES) return "it is spread too far";
  const double work =
      (double)shape_size(out->ndim, out->shape) * (double)shape_size(w->ndim - 1, w->shape + 1);
  return work < LEAST_WORK ? "it is too small to be taken apart" : NULL;
}

error *gpu_conv_any(const gpu_backend *b, const launch *l) {
  int way = 0;
  while (way < WAYS - 1 && ways[way].refuses(b, l)) way++;
  return ways[way].run(b, l);
}

static error *run_phase(const gpu_backend *b, phase *s) {
  error *why = gpu_room_take(b, &s->at, &s->to, shape_size(s->out.ndim, s->shape), s->out.dtype);
  if (!why) why = gpu_conv_any(b, &s->l);
  if (!why) why = gpu_copy_to(b, &s->out, &s->to);
  gpu_room_give(b, &s->at);
  return why;
}

error *gpu_conv_phases(const gpu_backend *b, const launch *l) {
  const int64_t n = all_phases(l);
  bool zeros = false;
  phase s;
  for (int64_t i = 0; i < n; i++) {
    phase_at(&s, l, i);
    zeros |= s.zeros && !s.none;
  }
  error *why = zeros ? gpu_fill(b, l->out, 0) : NULL;
  for (int64_t i = 0; i < n && !why; i++) {
    phase_at(&s, l, i);
    if (!s.zeros && !s.none) why = run_phase(b, &s);
  }
  return why == error_declined() ? gpu_conv(b, l)
                                 : why; /* a text that was not built ahead, and no compiler */
}
