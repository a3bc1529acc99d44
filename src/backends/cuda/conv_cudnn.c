/* conv_cudnn.c: "Convolution" by cuDNN, where that is faster than Pons' own ways (`ours`).

   Gradients are convolutions again in a graph, of which cuDNN would make nothing good. So three forms are told apart by how
   operands lie: channels innermost and a kernel as it is, a convolution; reversed, over an input that may be spread out, the
   gradient of one by its input; batch and channels exchanged, the gradient by its weights (of a transposed one, if x is spread
   out). Weights are copied to where cuDNN wants channels innermost, and its gradient of them from there. What cuDNN has no plan
   for is refused. Uses cudnn.h, program.h, gpu/. */
#include "backends/cuda/cudnn.h"
#include "backends/cuda/program.h"

enum { N, C, FIRST_AXIS };

/* A launch as cuDNN has it. */
typedef struct form {
  cudnn_problem problem;
  const operand *tensor[CUDNN_TENSORS]; /* which is which */
  int64_t groups;
  bool reversed; /* the launch has the kernel's positions the other way round */
} form;

static int64_t reach_of(int64_t taps, int64_t dilation) { return (taps - 1) * dilation + 1; }

/* Axes of a tensor from those of an operand; one axis of one element in front of a single spatial one. */
static void lay(form *f, int which, const operand *o, int batch, int channels) {
  cudnn_problem *p = &f->problem;
  const int added = p->axes - (o->ndim - 2);
  int64_t *shape = p->shape[which], *strides = p->strides[which];
  f->tensor[which] = o;
  shape[N] = o->shape[batch], strides[N] = o->strides[batch];
  shape[C] = o->shape[channels], strides[C] = o->strides[channels];
  for (int d = 0; d < p->axes; d++) {
    shape[FIRST_AXIS + d] = d < added ? 1 : o->shape[d - added + 1];
    strides[FIRST_AXIS + d] = d < added ? 1 : o->strides[d - added + 1];
  }
}

/* As channels innermost would have them: all of w, and of what has one element along an axis, which may be anything. */
static void pack(form *f, int which, bool all) {
  cudnn_problem *p = &f->problem;
  int64_t step = 1;
  for (int i = 0; i < p->axes + 2; i++) {
    const int d = i == 0 ? C : i == p->axes + 1 ? N : p->axes + 2 - i;
    if (all || p->shape[which][d] == 1) p->strides[which][d] = step;
    step = p->strides[which][d] * p->shape[which][d];
  }
}

static bool is_turned(const operand *x) {
  const int last = x->ndim - 1;
  return x->strides[last] != 1 && x->shape[last] != 1 && (x->strides[0] == 1 || x->shape[0] == 1);
}

/* Padding behind: as much as in front if y's places may have it, for which cuDNN has more ways, else what they need. False: y has other
   places. */
static bool pad_after(cudnn_problem *p, int d) {
  const int64_t y = p->shape[CUDNN_Y][FIRST_AXIS + d], reach = reach_of(p->shape[CUDNN_W][FIRST_AXIS + d], p->dilation[d]);
  const int64_t needed = (y - 1) * p->stride[d] + reach - p->shape[CUDNN_X][FIRST_AXIS + d] - p->before[d];
  const bool even = p->before[d] >= needed && p->before[d] - needed < p->stride[d];
  p->after[d] = even ? p->before[d] : needed < 0 ? 0 : needed;
  return p->before[d] >= 0 && p->after[d] - needed < p->stride[d];
}

static bool set_axes(form *f, const conv_params *c, int spatial) {
  cudnn_problem *p = &f->problem;
  const int added = p->axes - spatial;
  bool fits = true;
  for (int d = 0; d < p->axes; d++) {
    p->stride[d] = p->dilation[d] = 1;
    const int i = d - added;
    if (i < 0) continue;
    const int64_t low = c->pad_lo.at[i];
    switch ((cudnn_kind)p->kind) {
      case CUDNN_FORWARD:
        p->stride[d] = c->stride.at[i], p->dilation[d] = c->kernel_dilation.at[i], p->before[d] = low;
        break;
      case CUDNN_GRADIENT_OF_X:
        p->stride[d] = c->input_dilation.at[i], p->dilation[d] = c->kernel_dilation.at[i];
        p->before[d] = reach_of(p->shape[CUDNN_W][FIRST_AXIS + d], p->dilation[d]) - 1 - low;
        break;
      default:
        p->stride[d] = f->reversed ? c->input_dilation.at[i] : c->kernel_dilation.at[i], p->dilation[d] = c->stride.at[i];
        p->before[d] = f->reversed ? reach_of(p->shape[CUDNN_W][FIRST_AXIS + d], p->dilation[d]) - 1 - low : low;
    }
    fits = fits && pad_after(p, d);
  }
  return fits;
}

/* Do they lie in order, channels innermost? */
static bool lies(const form *f, int which) {
  const cudnn_problem *p = &f->problem;
  bool fine = p->strides[which][C] == 1;
  for (int d = 0; d < p->axes + 2; d++) fine = fine && p->strides[which][d] > 0;
  return fine;
}

static bool all_are(ints list, int64_t value) {
  for (int i = 0; i < list.n; i++)
    if (list.at[i] != value) return false;
  return true;
}

/* False: it is none of the forms. */
static bool form_of(form *f, const launch *l) {
  const conv_params *c = l->params;
  const operand *x = &l->in[0], *w = &l->in[1];
  const int last = x->ndim - 1;
  memset(f, 0, sizeof *f); /* the problem is compared byte by byte */
  cudnn_problem *p = &f->problem;
  p->dtype = l->out->dtype;
  p->axes = x->ndim == 3 ? 2 : x->ndim - 2;
  p->tf32 = p->dtype == PONS_FLOAT32 && cuda_wants_tf32();
  for (int i = 0; i < CUDNN_TENSORS; i++) p->align[i] = GPU_WIDE;
  f->groups = c->groups;
  const bool one_tap = shape_size(last - 1, w->shape + 1) == 1, spread = !all_are(c->input_dilation, 1);
  if (is_turned(x)) {
    if (c->flip || c->groups != 1 || (spread && !all_are(c->kernel_dilation, 1))) return false;
    p->kind = CUDNN_GRADIENT_OF_W;
    f->reversed = spread;
    lay(f, CUDNN_X, spread ? w : x, last, 0), lay(f, CUDNN_Y, spread ? x : w, last, 0);
    lay(f, CUDNN_W, l->out, spread ? 0 : last, spread ? last : 0);
  } else if (spread || (c->flip && !one_tap)) {
    if ((!c->flip && !one_tap) || !all_are(c->stride, 1)) return false;
    p->kind = CUDNN_GRADIENT_OF_X;
    lay(f, CUDNN_Y, x, 0, last), lay(f, CUDNN_X, l->out, 0, last), lay(f, CUDNN_W, w, last, 0);
    p->shape[CUDNN_W][N] = x->shape[last], p->shape[CUDNN_W][C] = w->shape[0] / c->groups;
  } else {
    p->kind = CUDNN_FORWARD;
    lay(f, CUDNN_X, x, 0, last), lay(f, CUDNN_Y, l->out, 0, last), lay(f, CUDNN_W, w, 0, last);
  }
  for (int i = 0; i < CUDNN_TENSORS; i++) pack(f, i, i == CUDNN_W);
  return lies(f, CUDNN_X) && lies(f, CUDNN_Y) && set_axes(f, c, last - 1);
}

/* ---- which is faster ---- */

/* What was measured decides (an H100, cuDNN 9.19, channels last; ms of cuDNN, ours): batch, places, channels of x to those of y,
   kernel, step.

       float32      32 14x14 256-256 3x3      0.29, 0.20   its x 0.35, 0.22   its w 0.16, 0.30
                    2 64x64 320-320 3x3       0.56, 0.38        0.68, 0.40        0.21, 0.48
                    32 56x56 128-128 3x3 by 2 0.29, 0.28        1.27, 0.40        0.87, 0.25
                    4 3000 384-384 3 by 2     0.27, 0.17        0.49, 0.22        0.23, 0.29
       bfloat16     32 56x56 64-64 3x3       0.036, 0.109      0.044, 0.117      0.053, 0.122
                    32 56x56 128-128 3x3 by 2 0.046, 0.070     0.047, 0.143      0.056, 0.086
                    32 56x56 256-512 1x1 by 2 0.030, 0.043     0.050, 0.119      2.146, 0.053
                    2 64x64 320-4 3x3        0.035, 0.041      0.043, 0.028      0.049, 0.086
                    1 512x512 128-3 3x3      0.127, 0.184      0.116, 0.097      33.3, 1.01
                    4 3000 384-384 3 by 2    0.028, 0.026      0.035, 0.054      0.048, 0.039
                    2 16x32x32 32-32 3x3x3   0.021, 0.060      0.023, 0.069      0.099, 0.075 */
enum { LEAST_WORK = 1 << 20 /* multiply-adds */, MOST_TAPS = 1024, FEW = 16, MANY = 128, OF_GROUP = 64 };

/* Halves and TF32, for which it has matrix units. */
static const char *ours_of_halves(const form *f) {
  const cudnn_problem *p = &f->problem;
  const int64_t of_y = p->shape[CUDNN_Y][C];
  if (p->kind == CUDNN_GRADIENT_OF_X && of_y < FEW) return "y has few channels";
  if (p->kind != CUDNN_GRADIENT_OF_W) return NULL;
  if (of_y % 4 != 0) return "channels of y are no whole words";
  if (shape_size(p->axes, p->shape[CUDNN_W] + FIRST_AXIS) == 1) return "a kernel of one position is a product of matrices";
  return p->axes == 2 && p->shape[CUDNN_X][FIRST_AXIS] > 1 ? NULL : "a product is faster than its gradient of w along one axis or three";
}

/* float32 without TF32. */
static const char *ours_of_floats(const form *f) {
  const cudnn_problem *p = &f->problem;
  const bool is_wide = p->shape[CUDNN_X][C] >= MANY && p->shape[CUDNN_Y][C] >= MANY && p->axes == 2 &&
                       p->shape[CUDNN_W][FIRST_AXIS] > 1 && p->shape[CUDNN_W][FIRST_AXIS + 1] > 1;
  const bool is_dense = all_are((ints){p->axes, p->stride}, 1) && all_are((ints){p->axes, p->dilation}, 1);
  return p->kind == CUDNN_GRADIENT_OF_W && is_wide && is_dense ? NULL : "a product in float32 is faster";
}

/* Why ours is faster; NULL: cuDNN is. */
static const char *ours(const form *f) {
  const cudnn_problem *p = &f->problem;
  const int64_t taps = shape_size(p->axes, p->shape[CUDNN_W] + FIRST_AXIS), of_y = p->shape[CUDNN_Y][C] / f->groups;
  const double work = (double)shape_size(p->axes + 2, p->shape[CUDNN_Y]) * (double)taps * (double)p->shape[CUDNN_W][C];
  if (work < LEAST_WORK) return "it is too small for cuDNN";
  if (p->kind == CUDNN_FORWARD && taps > MOST_TAPS) return "its kernel is as large as an image";
  if (taps == 1 && all_are((ints){p->axes, p->stride}, 1) && all_are((ints){p->axes, p->before}, 0))
    return "x itself is a factor of a product";
  if (f->groups > 1 && of_y * p->shape[CUDNN_W][C] < OF_GROUP) return "a group is a few channels";
  return p->dtype == PONS_FLOAT32 && !p->tf32 ? ours_of_floats(f) : ours_of_halves(f);
}

static const cudnn_plan *plan_on(int index, const form *f) {
  error *why = NULL;
  cuda_device *d = cuda_enter(index, &why);
  error_release(why);
  if (!d) return NULL;
  const cudnn_plan *p = cudnn_plan_for(d, &f->problem);
  cuda_leave(d);
  return p;
}

const char *cudnn_refuses(const launch *l) {
  const pons_dtype d = l->out->dtype;
  form f;
  if (d != PONS_FLOAT32 && d != PONS_FLOAT16 && d != PONS_BFLOAT16)
    return "cuDNN is used for float32, float16 and bfloat16";
  if (l->in[0].ndim - 2 > CUDNN_MOST_AXES) return "there are too many spatial axes";
  if (shape_size(l->out->ndim, l->out->shape) == 0 || shape_size(l->in->ndim, l->in->shape) == 0)
    return "there are no elements";
  if (!form_of(&f, l)) return "it is no form of cuDNN's";
  const char *why = ours(&f);
  if (why) return why;
  if (!cudnn()) return "no cuDNN was found";
  return plan_on(0, &f) ? NULL : "cuDNN has no plan for it";
}

/* ---- running ---- */

/* w, or its gradient, as (groups, channels of y in a group, spatial..., channels of x in a group): where the launch has it, and in
   rows. */
typedef struct weights {
  int64_t shape[PONS_MAX_NDIM], strides[PONS_MAX_NDIM], rows[PONS_MAX_NDIM];
  location from, at;
  operand there, packed;
} weights;

static void set_weights(weights *w, const form *f) {
  const operand *o = f->tensor[CUDNN_W];
  const cudnn_problem *p = &f->problem;
  const int last = o->ndim - 1, n = o->ndim + 1;
  const int64_t of_y = p->shape[CUDNN_W][N] / f->groups, of_x = p->shape[CUDNN_W][C];
  const bool swapped = p->kind != CUDNN_FORWARD && !f->reversed; /* channels of x come first */
  w->from = w->at = *(const location *)o->data;
  w->shape[0] = f->groups, w->strides[0] = (swapped ? of_x : of_y) * o->strides[0];
  w->shape[1] = of_y, w->strides[1] = o->strides[swapped ? last : 0];
  for (int d = 1; d < last; d++) {
    w->shape[d + 1] = o->shape[d], w->strides[d + 1] = f->reversed ? -o->strides[d] : o->strides[d];
    if (f->reversed) w->from.offset += (o->shape[d] - 1) * o->strides[d] * (int64_t)pons_dtype_size(o->dtype);
  }
  w->shape[n - 1] = of_x, w->strides[n - 1] = o->strides[swapped ? 0 : last];
  shape_row_major(n, w->shape, w->rows);
  w->there = (operand){&w->from, o->dtype, n, w->shape, w->strides};
  w->packed = (operand){&w->at, o->dtype, n, w->shape, w->rows};
}

/* As cuda_call keeps it. */
typedef struct convolving {
  const cudnn_plan *plan;
  int64_t from[CUDNN_TENSORS]; /* where they begin, in bytes */
} convolving;

static cuda_failure convolve(cuda_device *d, CUstream queue, const void *context, const CUdeviceptr *at) {
  const convolving *c = context;
  void *tensors[CUDNN_TENSORS];
  for (int i = 0; i < CUDNN_TENSORS; i++) tensors[i] = (void *)(uintptr_t)(at[i] + (CUdeviceptr)c->from[i]);
  return cudnn_run(d, c->plan, queue, tensors, (void *)(uintptr_t)at[CUDNN_TENSORS]);
}

static error *call(const cudnn_plan *plan, const location *const *at) {
  const int index = at[CUDNN_X]->device;
  error *why = NULL;
  cuda_device *d = cuda_enter(index, &why);
  if (!d) return why;
  void *work = cudnn_workspace(plan) ? cuda_take(index, cudnn_workspace(plan), &why) : NULL;
  void *memories[] = {at[CUDNN_X]->memory, at[CUDNN_W]->memory, at[CUDNN_Y]->memory, work};
  const convolving c = {plan, {at[CUDNN_X]->offset, at[CUDNN_W]->offset, at[CUDNN_Y]->offset}};
  const cuda_call call = {"cuDNN", convolve, &c, sizeof c, CUDNN_TENSORS + 1, memories};
  if (!why) why = cuda_call_library(d, &call);
  if (work) cuda_give(index, work);
  cuda_leave(d);
  return why;
}

static error *run(const form *f, const cudnn_plan *plan) {
  const location *at[CUDNN_TENSORS];
  error *why = NULL;
  weights w;
  for (int i = 0; i < CUDNN_TENSORS; i++) at[i] = f->tensor[i]->data;
  set_weights(&w, f);
  const int index = w.at.device;
  const bool copies = !shape_is_row_major(w.there.ndim, w.shape, w.strides),
             is_result = f->problem.kind == CUDNN_GRADIENT_OF_W;
  void *taken = NULL;
  if (copies) {
    taken =
        cuda_take(index, (size_t)shape_size(w.there.ndim, w.shape) * pons_dtype_size(w.there.dtype), &why);
    w.at = (location){taken, 0, index};
    at[CUDNN_W] = &w.at;
  }
  if (!why && copies && !is_result) why = gpu_copy_to(&gpu_cuda, &w.there, &w.packed);
  if (!why) why = call(plan, at);
  if (!why && copies && is_result) why = gpu_copy_to(&gpu_cuda, &w.packed, &w.there);
  if (taken) cuda_give(index, taken);
  return why;
}

/* What begins where cuDNN has no plan for is left to our own ways. */
error *cudnn_conv(const launch *l) {
  form f;
  form_of(&f, l);
  for (int i = 0; i < CUDNN_TENSORS; i++)
    while (!gpu_is_aligned(f.tensor[i], f.problem.align[i])) f.problem.align[i] /= 2;
  const cudnn_plan *plan = plan_on(((const location *)l->out->data)->device, &f);
  return plan ? run(&f, plan) : gpu_conv_any(&gpu_cuda, l);
}
