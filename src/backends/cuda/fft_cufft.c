/* fft_cufft.c: "FFT" by cuFFT: up to three axes that follow each other at once, then those before them.

   Axes that are not the last are made so by a copy, and their result copied back, so that a plan is told by lengths, number of
   signals and kind alone; the latest plans of a device are kept. Inverses are scaled by a kernel, once for all axes. Uses program.h,
   cufft.h, gpu/. */
#include "backends/cuda/cufft.h"
#include "backends/cuda/program.h"
#include "ops/params.h"

extern const char kernel_scale[];

/* ---- plans ---- */

enum { MOST_RANK = 3 };
typedef struct signals {
  int rank, lengths[MOST_RANK], batch, type; /* lengths past the rank: 0 */
} signals;

typedef struct fft_plan {
  signals of; /* rank 0: there is none */
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
  const int rank = p->of.rank, last = p->of.lengths[rank - 1], type = p->of.type;
  int n[MOST_RANK], in[MOST_RANK], out[MOST_RANK], rows = 1; /* all but the last axis */
  for (int d = 0; d < rank; d++) n[d] = in[d] = out[d] = p->of.lengths[d];
  for (int d = 0; d < rank - 1; d++) rows *= n[d];
  if (type == CUFFT_C2R) in[rank - 1] = last / 2 + 1;
  if (type == CUFFT_R2C) out[rank - 1] = last / 2 + 1;
  cuda_failure why = failure(cufft()->cufftCreate(&p->handle), "cufftCreate");
  if (why.call) return why;
  why = failure(cufft()->cufftSetAutoAllocation(p->handle, 0), "cufftSetAutoAllocation");
  if (!why.call)
    why = failure(cufft()->cufftMakePlanMany(p->handle, rank, n, in, 1, rows * in[rank - 1], out, 1,
                                             rows * out[rank - 1], type, p->of.batch, &p->bytes),
                  "cufftMakePlanMany");
  if (why.call) cufft()->cufftDestroy(p->handle);
  return why;
}

/* Under the lock, of a device that was entered. The plan that was used longest ago makes room for a new one. */
static fft_plan *plan_for(struct ffts *f, const signals *of, cuda_failure *why) {
  fft_plan *p = &f->plans[0];
  for (int i = 0; i < KEPT; i++) {
    fft_plan *one = &f->plans[i];
    if (memcmp(&one->of, of, sizeof *of) == 0) {
      one->used = ++f->uses;
      return one;
    }
    if (one->used < p->used) p = one;
  }
  if (p->of.rank) cufft()->cufftDestroy(p->handle);
  *p = (fft_plan){.of = *of};
  *why = make_plan(p);
  p->used = ++f->uses;
  if (!why->call) return p;
  *p = (fft_plan){0};
  return NULL;
}

/* ---- one transform of many signals ---- */

/* As cuda_call keeps it. */
typedef struct transform {
  signals of;
  int direction;
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
  const fft_plan *p = plan_for(f, &t->of, &why);
  if (p) why = failure(api->cufftSetStream(p->handle, queue), "cufftSetStream");
  if (p && !why.call)
    why = failure(api->cufftSetWorkArea(p->handle, (void *)(uintptr_t)at[WORK]), "cufftSetWorkArea");
  if (p && !why.call && t->of.type == CUFFT_C2C)
    why = failure(api->cufftExecC2C(p->handle, from, to, t->direction), "cufftExecC2C");
  else if (p && !why.call && t->of.type == CUFFT_R2C)
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
  const fft_plan *p = plan_for(all, &t->of, &f);
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

/* ---- axes that follow each other ---- */

typedef struct stage {
  int first, rank, type;
} stage;

static int type_along(const fft_params *p, int i) {
  if (!p->real || i != p->axes.n - 1) return CUFFT_C2C;
  return p->inverse ? CUFFT_C2R : CUFFT_R2C;
}

/* The last axis of those to transform is in the first stage. */
static int stages_of(const fft_params *p, stage out[PONS_MAX_NDIM]) {
  int n = 0;
  for (int i = p->axes.n - 1; i >= 0; i--) {
    stage *s = &out[n++];
    *s = (stage){(int)p->axes.at[i], 1, type_along(p, i)};
    for (; i > 0 && p->axes.at[i - 1] == s->first - 1 && s->rank < MOST_RANK; i--) s->first--, s->rank++;
  }
  return n;
}

static signals signals_of(const stage *s, const operand *in, const operand *out) {
  const operand *x = s->type == CUFFT_C2R ? out : in;
  signals of;
  memset(&of, 0, sizeof of); /* it is compared byte by byte */
  int64_t each = 1;
  for (int d = 0; d < s->rank; d++) each *= of.lengths[d] = (int)x->shape[s->first + d];
  of.rank = s->rank, of.type = s->type;
  of.batch = (int)(shape_size(x->ndim, x->shape) / each);
  return of;
}

/* An array seen with these axes behind the others. */
typedef struct view {
  operand x;
  location where;
  int64_t shape[PONS_MAX_NDIM], strides[PONS_MAX_NDIM];
} view;

static void view_moved(view *w, const operand *x, const stage *s) {
  const int behind = x->ndim - s->rank;
  for (int d = 0; d < x->ndim; d++) {
    const int from = d >= behind ? s->first + d - behind : d < s->first ? d : d + s->rank;
    w->shape[d] = x->shape[from];
    w->strides[d] = x->strides[from];
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
static error *along(const stage *s, int direction, const operand *in, const operand *out) {
  view from, to, in_rows, out_rows;
  error *why = NULL;
  void *taken_in = NULL, *taken_out = NULL;
  view_moved(&from, in, s);
  view_moved(&to, out, s);
  const int index = from.where.device;
  const bool in_place = s->type != CUFFT_C2R && lies_in_rows(&from), out_place = lies_in_rows(&to);
  if (!in_place && (taken_in = view_rows(&in_rows, &from, &why)))
    why = gpu_copy_to(&gpu_cuda, &from.x, &in_rows.x);
  if (!why && !out_place) taken_out = view_rows(&out_rows, &to, &why);
  if (!why) {
    const location *a = in_place ? &from.where : &in_rows.where, *b = out_place ? &to.where : &out_rows.where;
    transform t;
    memset(&t, 0, sizeof t); /* it is compared byte by byte */
    t.of = signals_of(s, in, out);
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
static bool has_plan(const signals *of) {
  error *why = NULL;
  cuda_failure f = {NULL, 0};
  cuda_device *d = cuda_enter(0, &why);
  error_release(why);
  if (!d) return true;
  struct ffts *all = enter_ffts(d);
  const bool has = plan_for(all, of, &f) != NULL;
  pthread_mutex_unlock(&all->lock);
  cuda_leave(d);
  return has;
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
  stage stages[PONS_MAX_NDIM];
  const int n = stages_of(p, stages);
  for (int i = 0; i < n; i++) {
    const bool whole = stages[i].type != CUFFT_C2C;
    const signals of = signals_of(&stages[i], whole ? l->in : halved, whole ? l->out : halved);
    if (!has_plan(&of)) return "cuFFT has no plan for it";
  }
  return NULL;
}

/* The complex stages first, in memory of their own, then the halved one. */
static error *real_inverse(int n, const stage *s, const operand *x, const operand *out) {
  view y, like;
  error *why = NULL;
  if (n == 1) return along(&s[0], CUFFT_INVERSE, x, out);
  const stage none = {0, 0, CUFFT_C2C};
  view_moved(&like, x, &none); /* as it is */
  void *block = view_rows(&y, &like, &why);
  for (int i = n - 1; i > 0 && !why; i--) why = along(&s[i], CUFFT_INVERSE, i < n - 1 ? &y.x : x, &y.x);
  if (!why) why = along(&s[0], CUFFT_INVERSE, &y.x, out);
  if (block) cuda_give(like.where.device, block);
  return why;
}

error *cufft_fft(const launch *l) {
  const fft_params *p = l->params;
  const int direction = p->inverse ? CUFFT_INVERSE : CUFFT_FORWARD;
  stage stages[PONS_MAX_NDIM];
  const int n = stages_of(p, stages);
  error *why = NULL;
  double factor = 1;
  if (p->real && p->inverse)
    why = real_inverse(n, stages, l->in, l->out);
  else
    for (int i = 0; i < n && !why; i++) why = along(&stages[i], direction, i ? l->out : l->in, l->out);
  if (why || !p->inverse) return why;
  for (int i = 0; i < p->axes.n; i++) factor /= (double)l->out->shape[p->axes.at[i]];
  return scaled(l->out, factor);
}
