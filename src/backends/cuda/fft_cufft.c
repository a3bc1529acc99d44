/* fft_cufft.c: "FFT" by cuFFT, one axis after another.

   An axis that is not the last is made so by a copy, and its result copied back, so that a plan is told by length, number of
   signals and kind alone; the latest plans of a device are kept. Inverses are scaled by a kernel, once for all axes. Uses program.h,
   cufft.h, gpu/. */
#include "backends/cuda/cufft.h"
#include "backends/cuda/program.h"
#include "ops/params.h"

extern const char kernel_scale[];

/* ---- plans ---- */

typedef struct fft_plan {
  int length, batch, type; /* length 0: there is none */
  cufftHandle handle;
  size_t bytes; /* of its workspace */
  uint64_t used;
} fft_plan;

enum { KEPT = 32 };
static struct ffts {
  pthread_mutex_t lock;
  fft_plan plans[KEPT];
  uint64_t uses;
} ffts[CUDA_MAX_DEVICES];
static pthread_once_t locks_made = PTHREAD_ONCE_INIT;

static void make_locks(void) {
  for (int i = 0; i < CUDA_MAX_DEVICES; i++) pthread_mutex_init(&ffts[i].lock, NULL);
}

static struct ffts *enter_ffts(const cuda_device *d) {
  pthread_once(&locks_made, make_locks);
  pthread_mutex_lock(&ffts[d->index].lock);
  return &ffts[d->index];
}

static cuda_failure failure(cufftResult status, const char *call) {
  return status == CUFFT_SUCCESS ? (cuda_failure){NULL, 0} : (cuda_failure){call, status};
}

static cuda_failure make_plan(fft_plan *p) {
  const bool from_real = p->type == CUFFT_R2C, to_real = p->type == CUFFT_C2R;
  int n = p->length, in = to_real ? n / 2 + 1 : n, out = from_real ? n / 2 + 1 : n;
  cuda_failure why = failure(cufft()->cufftCreate(&p->handle), "cufftCreate");
  if (why.call) return why;
  why = failure(cufft()->cufftSetAutoAllocation(p->handle, 0), "cufftSetAutoAllocation");
  if (!why.call)
    why = failure(
        cufft()->cufftMakePlanMany(p->handle, 1, &n, &in, 1, in, &out, 1, out, p->type, p->batch, &p->bytes),
        "cufftMakePlanMany");
  if (why.call) cufft()->cufftDestroy(p->handle);
  return why;
}

/* Under the lock, of a device that was entered. The plan that was used longest ago makes room for a new one. */
static fft_plan *plan_for(struct ffts *f, int length, int batch, int type, cuda_failure *why) {
  fft_plan *p = &f->plans[0];
  for (int i = 0; i < KEPT; i++) {
    fft_plan *one = &f->plans[i];
    if (one->length == length && one->batch == batch && one->type == type) {
      one->used = ++f->uses;
      return one;
    }
    if (one->used < p->used) p = one;
  }
  if (p->length) cufft()->cufftDestroy(p->handle);
  *p = (fft_plan){.length = length, .batch = batch, .type = type};
  *why = make_plan(p);
  p->used = ++f->uses;
  if (!why->call) return p;
  *p = (fft_plan){0};
  return NULL;
}

/* ---- one transform of many signals ---- */

/* As cuda_call keeps it. */
typedef struct transform {
  int length, batch, type, direction;
  int64_t from, to; /* where the signals begin, in bytes */
} transform;
enum { FROM, TO, WORK, MEMORIES };

static cuda_failure make_transform(cuda_device *d, CUstream queue, const void *context,
                                   const CUdeviceptr *at) {
  const transform *t = context;
  const cufft_api *api = cufft();
  void *from = (void *)(uintptr_t)(at[FROM] + (CUdeviceptr)t->from),
       *to = (void *)(uintptr_t)(at[TO] + (CUdeviceptr)t->to);
  struct ffts *f = enter_ffts(d);
  cuda_failure why = {NULL, 0};
  const fft_plan *p = plan_for(f, t->length, t->batch, t->type, &why);
  if (p) why = failure(api->cufftSetStream(p->handle, queue), "cufftSetStream");
  if (p && !why.call)
    why = failure(api->cufftSetWorkArea(p->handle, (void *)(uintptr_t)at[WORK]), "cufftSetWorkArea");
  if (p && !why.call && t->type == CUFFT_C2C)
    why = failure(api->cufftExecC2C(p->handle, from, to, t->direction), "cufftExecC2C");
  else if (p && !why.call && t->type == CUFFT_R2C)
    why = failure(api->cufftExecR2C(p->handle, from, to), "cufftExecR2C");
  else if (p && !why.call)
    why = failure(api->cufftExecC2R(p->handle, from, to), "cufftExecC2R");
  pthread_mutex_unlock(&f->lock);
  return why;
}

static error *call_transform(int index, const transform *t, void *from, void *to) {
  error *why = NULL;
  cuda_failure f = {NULL, 0};
  cuda_device *d = cuda_enter(index, &why);
  if (!d) return why;
  struct ffts *all = enter_ffts(d);
  const fft_plan *p = plan_for(all, t->length, t->batch, t->type, &f);
  const size_t bytes = p ? p->bytes : 0;
  pthread_mutex_unlock(&all->lock);
  if (f.call) why = fail("fft", "%s: status %d of cuFFT", f.call, f.status);
  void *work = !why && bytes ? cuda_take(index, bytes, &why) : NULL;
  void *memories[MEMORIES] = {from, to, work};
  const cuda_call call = {"cuFFT", make_transform, t, sizeof *t, MEMORIES, memories};
  if (!why) why = cuda_call_library(d, &call);
  if (work) cuda_give(index, work);
  cuda_leave(d);
  return why;
}

/* ---- an axis ---- */

/* An array seen with one axis behind the others. */
typedef struct view {
  operand x;
  location where;
  int64_t shape[PONS_MAX_NDIM], strides[PONS_MAX_NDIM];
} view;

static void view_moved(view *w, const operand *x, int axis) {
  int n = 0;
  for (int d = 0; d <= x->ndim; d++) {
    const int from = d == x->ndim ? axis : d;
    if (d == axis) continue;
    w->shape[n] = x->shape[from];
    w->strides[n++] = x->strides[from];
  }
  w->where = *(const location *)x->data;
  w->x = (operand){&w->where, x->dtype, x->ndim, w->shape, w->strides};
}

/* In rows, in memory of its own; the same shape. NULL and *why. */
static void *view_rows(view *w, const view *like, error **why) {
  const int index = like->where.device, n = like->x.ndim;
  void *block = cuda_take(index, (size_t)shape_size(n, like->shape) * pons_dtype_size(like->x.dtype), why);
  memcpy(w->shape, like->shape, (size_t)n * sizeof *w->shape);
  shape_row_major(n, w->shape, w->strides);
  w->where = (location){block, 0, index};
  w->x = (operand){&w->where, like->x.dtype, n, w->shape, w->strides};
  return block;
}

enum { ALIGNMENT = 16 };
static bool lies_in_rows(const view *w) {
  return shape_is_row_major(w->x.ndim, w->shape, w->strides) && w->where.offset % ALIGNMENT == 0;
}

/* From `in` to `out`, which may be the same memory. */
static error *along(int axis, int type, int direction, const operand *in, const operand *out) {
  view from, to, in_rows, out_rows;
  error *why = NULL;
  void *taken_in = NULL, *taken_out = NULL;
  view_moved(&from, in, axis);
  view_moved(&to, out, axis);
  const int index = from.where.device;
  const bool in_place = type != CUFFT_C2R && lies_in_rows(&from), out_place = lies_in_rows(&to);
  if (!in_place && (taken_in = view_rows(&in_rows, &from, &why)))
    why = gpu_copy_to(&gpu_cuda, &from.x, &in_rows.x);
  if (!why && !out_place) taken_out = view_rows(&out_rows, &to, &why);
  if (!why) {
    const location *a = in_place ? &from.where : &in_rows.where, *b = out_place ? &to.where : &out_rows.where;
    const int64_t length = type == CUFFT_C2R ? out->shape[axis] : in->shape[axis];
    transform t;
    memset(&t, 0, sizeof t); /* it is compared byte by byte */
    t.length = (int)length;
    t.batch = (int)(shape_size(in->ndim, in->shape) / in->shape[axis]);
    t.type = type;
    t.direction = direction;
    t.from = a->offset;
    t.to = b->offset;
    why = call_transform(index, &t, a->memory, b->memory);
  }
  if (!why && !out_place) why = gpu_copy_to(&gpu_cuda, &out_rows.x, &to.x);
  if (taken_in) cuda_give(index, taken_in);
  if (taken_out) cuda_give(index, taken_out);
  return why;
}

static error *scaled(const operand *y, double factor) {
  const int64_t count = shape_size(y->ndim, y->shape) * (y->dtype == PONS_COMPLEX64 ? 2 : 1);
  gpu_call c = gpu_call_for(&gpu_cuda, y);
  gpu_written(&c, y);
  c.numbers[0] *= y->dtype == PONS_COMPLEX64 ? 2 : 1; /* where it begins, in float32 */
  gpu_begin_numbers(&c);
  gpu_number(&c, count);
  gpu_number_float(&c, (float)factor);
  gpu_one_each(&c, count);
  c.wide = true;
  return gpu_run(&c, kernel_scale, "scale");
}

/* ---- a launch ---- */

/* Has the first device a plan for it? What fails on the way is told when it is run. */
static bool has_plan(int64_t length, int64_t batch, int type) {
  error *why = NULL;
  cuda_failure f = {NULL, 0};
  cuda_device *d = cuda_enter(0, &why);
  error_release(why);
  if (!d) return true;
  struct ffts *all = enter_ffts(d);
  const bool has = plan_for(all, (int)length, (int)batch, type, &f) != NULL;
  pthread_mutex_unlock(&all->lock);
  cuda_leave(d);
  return has;
}

static int type_along(const fft_params *p, int i) {
  if (!p->real || i != p->axes.n - 1) return CUFFT_C2C;
  return p->inverse ? CUFFT_C2R : CUFFT_R2C;
}

const char *cufft_refuses(const launch *l) {
  const fft_params *p = l->params;
  const operand *halved = p->real && !p->inverse ? l->out : l->in; /* what the complex axes are of */
  if (!cufft()) return "no cuFFT was found";
  const int64_t size = shape_size(l->in->ndim, l->in->shape),
                result = shape_size(l->out->ndim, l->out->shape);
  if (size == 0 || result == 0) return "there are no elements";
  if (p->axes.n == 0) return "there are no axes";
  if (size > INT32_MAX || result > INT32_MAX) return "there are too many elements";
  for (int i = 0; i < p->axes.n; i++) {
    const int axis = (int)p->axes.at[i], type = type_along(p, i);
    const operand *signal = type == CUFFT_C2R ? l->out : type == CUFFT_R2C ? l->in : halved;
    const int64_t lines = shape_size(signal->ndim, signal->shape) / signal->shape[axis];
    if (!has_plan(signal->shape[axis], lines, type)) return "cuFFT has no plan for it";
  }
  return NULL;
}

/* The complex axes first, in memory of their own, then the halved one. */
static error *real_inverse(const fft_params *p, const operand *x, const operand *out) {
  const int last = p->axes.n - 1;
  view y, like;
  error *why = NULL;
  if (last == 0) return along((int)p->axes.at[0], CUFFT_C2R, CUFFT_INVERSE, x, out);
  view_moved(&like, x, x->ndim - 1); /* as it is */
  void *block = view_rows(&y, &like, &why);
  for (int i = 0; i < last && !why; i++)
    why = along((int)p->axes.at[i], CUFFT_C2C, CUFFT_INVERSE, i ? &y.x : x, &y.x);
  if (!why) why = along((int)p->axes.at[last], CUFFT_C2R, CUFFT_INVERSE, &y.x, out);
  if (block) cuda_give(like.where.device, block);
  return why;
}

error *cufft_fft(const launch *l) {
  const fft_params *p = l->params;
  const int last = p->axes.n - 1, direction = p->inverse ? CUFFT_INVERSE : CUFFT_FORWARD;
  error *why = NULL;
  double factor = 1;
  if (p->real && p->inverse) {
    why = real_inverse(p, l->in, l->out);
  } else {
    why = along((int)p->axes.at[last], type_along(p, last), direction, l->in, l->out);
    for (int i = 0; i < last && !why; i++)
      why = along((int)p->axes.at[i], CUFFT_C2C, direction, l->out, l->out);
  }
  if (why || !p->inverse) return why;
  for (int i = 0; i <= last; i++) factor /= (double)l->out->shape[p->axes.at[i]];
  return scaled(l->out, factor);
}
