/* factor_cusolver.c: "Cholesky", "LUF", "Inverse", "QRF", "Eigh" and "SVD" by cuSOLVER, one matrix after another.

   It wants matrices in columns: operands are copied so, results copied back to rows, both by kernels, a whole batch at once. Where the
   transpose has the same factors nothing is turned: rows read as columns are the transpose. What it says of each matrix
   is read at the end, so that what can't be factored is an error as on the CPU. Uses program.h, cusolver.h, gpu/. */
#include "backends/cuda/cublaslt.h" /* CUDA_R_32F and the like */
#include "backends/cuda/cusolver.h"
#include "backends/cuda/program.h"
#include "ops/params.h"

extern const char kernel_triangle[];

/* ---- the library on a device ---- */

static struct solver {
  pthread_mutex_t lock;
  bool opened;
  cusolverDnHandle_t handle; /* NULL: it can't be started there */
  cusolverDnParams_t params;
} solvers[CUDA_MAX_DEVICES];
static pthread_once_t locks_made = PTHREAD_ONCE_INIT;

static void make_locks(void) {
  for (int i = 0; i < CUDA_MAX_DEVICES; i++) pthread_mutex_init(&solvers[i].lock, NULL);
}

/* Of a device that was entered; its lock is held until leave_solver. NULL: it can't be started, and is not tried again. */
static struct solver *enter_solver(cuda_device *d) {
  struct solver *s = &solvers[d->index];
  pthread_once(&locks_made, make_locks);
  pthread_mutex_lock(&s->lock);
  if (!s->opened) {
    const cusolver_api *api = cusolver();
    s->opened = true;
    if (api->cusolverDnCreate(&s->handle) != CUSOLVER_STATUS_SUCCESS) s->handle = NULL;
    if (s->handle && (api->cusolverDnSetStream(s->handle, cuda_work(d)) != CUSOLVER_STATUS_SUCCESS ||
                      api->cusolverDnCreateParams(&s->params) != CUSOLVER_STATUS_SUCCESS))
      s->handle = NULL;
  }
  if (s->handle) return s;
  pthread_mutex_unlock(&s->lock);
  return NULL;
}

static void leave_solver(struct solver *s) { pthread_mutex_unlock(&s->lock); }

/* ---- a launch ---- */

enum { MOST_BLOCKS = 8, MOST_RESULTS = 3 };
typedef struct job {
  const char *op;
  const launch *l;
  int index, type, real_type;
  size_t size; /* of an element */
  int64_t m, n, k, batch;
  void *blocks[MOST_BLOCKS]; /* taken for it */
  int n_blocks;
  void *info; /* a status for each matrix */
  error *why; /* what went wrong first: then nothing more is done */
  struct solver *s;
  void *host_work;
  CUdeviceptr work;
  size_t bytes, host_bytes; /* of the workspaces */
} job;

static int type_of(pons_dtype d) {
  return d == PONS_FLOAT32     ? CUDA_R_32F
         : d == PONS_FLOAT64   ? CUDA_R_64F
         : d == PONS_COMPLEX64 ? CUDA_C_32F
                               : -1;
}

static void *take(job *j, int64_t bytes) {
  if (j->why) return NULL;
  void *block = cuda_take(j->index, (size_t)bytes, &j->why);
  if (block) j->blocks[j->n_blocks++] = block;
  return block;
}

static job job_of(const launch *l, const char *op) {
  const operand *x = l->in;
  job j = {.op = op, .l = l, .index = ((const location *)x->data)->device, .type = type_of(x->dtype)};
  j.real_type = x->dtype == PONS_FLOAT64 ? CUDA_R_64F : CUDA_R_32F;
  j.size = pons_dtype_size(x->dtype);
  j.m = x->shape[x->ndim - 2];
  j.n = x->shape[x->ndim - 1];
  j.k = j.m < j.n ? j.m : j.n;
  j.batch = shape_size(x->ndim - 2, x->shape);
  j.info = take(&j, j.batch * (int64_t)sizeof(int));
  return j;
}

static CUdeviceptr address(const void *block) { return ((const cuda_block *)block)->at; }
static void *at(const void *block, int64_t bytes) {
  return (void *)(uintptr_t)(address(block) + (CUdeviceptr)bytes);
}
static int *info_at(const job *j, int64_t i) { return at(j->info, i * (int64_t)sizeof(int)); }
static void *result_at(const operand *y, int64_t bytes) {
  const location *where = y->data;
  return at(where->memory, where->offset + bytes);
}

/* What cuSOLVER says of a call. */
static void check(job *j, cusolverStatus_t status, const char *call) {
  if (!j->why && status != CUSOLVER_STATUS_SUCCESS)
    j->why = fail_as(PONS_ERROR_RUNTIME, j->op, "%s: status %d of cuSOLVER", call, status);
}

/* What its calls read and write. */
static int memories_of(const job *j, void **memories) {
  for (int i = 0; i < j->n_blocks; i++) memories[i] = j->blocks[i];
  for (int i = 0; i < j->l->n_out; i++) memories[j->n_blocks + i] = ((const location *)j->l->out[i].data)->memory;
  return j->n_blocks + j->l->n_out;
}

/* A factorization of each matrix in turn: `room` asks for its workspaces, `factor` makes it. */
static void run(job *j, const char *call, cusolverStatus_t (*room)(job *j),
                cusolverStatus_t (*factor)(const job *j, int64_t i)) {
  error *why = NULL;
  if (j->why) return;
  cuda_device *d = cuda_enter(j->index, &why);
  j->why = why;
  if (d && !j->why) j->why = cuda_end_noting(d); /* its calls may wait */
  j->s = d && !j->why ? enter_solver(d) : NULL;
  if (d && !j->why && !j->s)
    j->why = fail_as(PONS_ERROR_RUNTIME, j->op, "cuSOLVER can't be started on device %d", j->index);
  j->bytes = j->host_bytes = 0;
  if (j->s) check(j, room(j), call);
  const void *work = j->s && !j->why && j->bytes ? take(j, (int64_t)j->bytes) : NULL;
  j->work = work ? address(work) : 0;
  void *memories[MOST_BLOCKS + MOST_RESULTS];
  const int n_memories = memories_of(j, memories);
  if (j->s && !j->why) j->why = cuda_order_all(d, n_memories, memories, n_memories);
  j->host_work = j->s && !j->why && j->host_bytes ? mem_alloc(j->host_bytes) : NULL;
  if (!j->why && j->host_bytes && !j->host_work) j->why = fail_no_memory(j->op);
  for (int64_t i = 0; j->s && !j->why && i < j->batch; i++) check(j, factor(j, i), call);
  if (j->s) cuda_count_uses(d, n_memories, memories, n_memories);
  /* What is queued may still use the host's workspace. */
  if (j->host_work && d) {
    why = cuda_wait(d);
    if (!j->why)
      j->why = why;
    else
      error_release(why);
  }
  mem_free(j->host_work);
  if (j->s) leave_solver(j->s);
  if (d) cuda_leave(d);
}

static error *singular(const job *j, int info, const char *which) {
  const bool tri = ((const inverse_params *)j->l->params)->tri;
  return fail_as(PONS_ERROR_RUNTIME, j->op,
                 "%s (%d by %d) is singular: element %d of the diagonal of %s is 0", which, (int)j->n,
                 (int)j->n, info - 1, tri ? "the triangle" : "U, of its LU factors,");
}

static error *not_definite(const job *j, int info, const char *which) {
  return fail_as(PONS_ERROR_RUNTIME, j->op,
                 "%s (%d by %d) is not positive definite: its leading minor of order %d is not", which,
                 (int)j->n, (int)j->n, info);
}

static error *no_convergence(const job *j, int info, const char *which) {
  return fail_as(PONS_ERROR_RUNTIME, j->op,
                 "the iteration does not converge for %s (%d by %d): cuSOLVER says %d", which, (int)j->m,
                 (int)j->n, info);
}

static void name_matrix(const job *j, int64_t i, char which[64]) {
  snprintf(which, 64, "the matrix");
  if (j->batch > 1) snprintf(which, 64, "matrix %lld of %lld", (long long)i, (long long)j->batch);
}

/* A number for each matrix, from the device, which is waited for. NULL and j->why. */
static int *read_numbers(job *j, void *block) {
  int *numbers = j->why ? NULL : mem_alloc((size_t)j->batch * sizeof *numbers);
  if (!j->why && !numbers) j->why = fail_no_memory(j->op);
  if (!j->why) j->why = cuda_read(j->index, block, 0, numbers, (size_t)j->batch * sizeof *numbers);
  return numbers;
}

/* Reads what was said of each matrix; the first that is wrong is told by `explain` (NULL: greater than 0 is fine). */
static void look_at_infos(job *j, error *(*explain)(const job *j, int info, const char *which)) {
  int *infos = read_numbers(j, j->info);
  for (int64_t i = 0; !j->why && i < j->batch; i++) {
    char which[64];
    if (infos[i] == 0 || (infos[i] > 0 && !explain)) continue;
    name_matrix(j, i, which);
    j->why = infos[i] > 0 ? explain(j, infos[i], which)
                          : fail_as(PONS_ERROR_RUNTIME, j->op, "cuSOLVER refuses argument %d for %s",
                                    -infos[i], which);
  }
  mem_free(infos);
}

/* Iterations may not come to an end with NaN and infinity: they are refused, as on the CPU. What was said of each matrix is
   written anew afterwards. */
static void refuse_not_finite(job *j) {
  const operand *x = j->l->in;
  const int64_t ones = 1;
  location where = {j->info, 0, j->index};
  const operand bad = {&where, PONS_INT32, 1, &j->batch, &ones};
  if (!j->why) j->why = gpu_fill(&gpu_cuda, &bad, 0);
  if (j->why) return;
  gpu_call c = gpu_call_for(&gpu_cuda, x);
  const gpu_walk w = gpu_walk_of(x->ndim, x->shape, 1, (const int64_t *const[]){x->strides});
  gpu_define_dtype(&c, "X", x->dtype);
  gpu_define_text(&c, "X_CHECKED", "");
  gpu_define_text(&c, "NOT_FINITE(e)",
                  x->dtype == PONS_COMPLEX64 ? "!(0 * e.re == 0 && 0 * e.im == 0)" : "!(0 * e == 0)");
  gpu_written(&c, &bad);
  gpu_read(&c, x);
  gpu_begin_numbers(&c);
  gpu_number(&c, gpu_walk_size(&w));
  gpu_number(&c, j->m * j->n);
  gpu_number(&c, 0);
  gpu_number_walk(&c, 2, &w);
  gpu_one_each(&c, gpu_walk_size(&w));
  j->why = gpu_run(&c, kernel_triangle, "not_finite");
  int *found = read_numbers(j, j->info);
  for (int64_t i = 0; !j->why && i < j->batch; i++) {
    char which[64];
    name_matrix(j, i, which);
    if (found[i]) j->why = fail_as(PONS_ERROR_RUNTIME, j->op, "%s holds NaN or infinity", which);
  }
  mem_free(found);
}

/* Gives back what was taken; the error, if there is one. */
static error *end(job *j) {
  for (int i = 0; i < j->n_blocks; i++) cuda_give(j->index, j->blocks[i]);
  return j->why;
}

/* ---- matrices in columns ---- */

/* (..., rows, cols) in a memory where each matrix has `elements`, columns or rows `lead` apart. */
typedef struct view {
  operand x;
  location where;
  int64_t shape[PONS_MAX_NDIM], strides[PONS_MAX_NDIM];
} view;

static void view_set(view *w, const job *j, const operand *like, void *block, int64_t rows, int64_t cols,
                     int64_t elements, int64_t row_step, int64_t column_step) {
  const int n = like->ndim;
  int64_t step = elements;
  memcpy(w->shape, like->shape, (size_t)n * sizeof *w->shape);
  w->shape[n - 2] = rows;
  w->shape[n - 1] = cols;
  for (int i = n - 3; i >= 0; step *= w->shape[i--]) w->strides[i] = step;
  w->strides[n - 2] = row_step;
  w->strides[n - 1] = column_step;
  w->where = (location){block, 0, j->index};
  w->x = (operand){&w->where, like->dtype, n, w->shape, w->strides};
}

static void copy(job *j, const operand *from, const operand *to) {
  if (!j->why) j->why = gpu_copy_to(&gpu_cuda, from, to);
}

/* The operand in columns, in memory of its own. */
static void *in_columns(job *j) {
  view w;
  void *block = take(j, j->batch * j->m * j->n * (int64_t)j->size);
  view_set(&w, j, j->l->in, block, j->m, j->n, j->m * j->n, 1, j->m);
  copy(j, j->l->in, &w.x);
  return block;
}

/* The operand in rows: its transpose in columns. */
static void *in_rows(job *j) {
  view w;
  void *block = take(j, j->batch * j->m * j->n * (int64_t)j->size);
  view_set(&w, j, j->l->in, block, j->m, j->n, j->m * j->n, j->n, 1);
  copy(j, j->l->in, &w.x);
  return block;
}

/* The first `cols` columns of each, `lead` apart, as result `out`. */
static void store_columns(job *j, int out, void *block, int64_t rows, int64_t cols, int64_t elements,
                          int64_t lead) {
  view w;
  view_set(&w, j, j->l->in, block, rows, cols, elements, 1, lead);
  copy(j, &w.x, &j->l->out[out]);
}

/* x with one triangle, in rows where `to` begins. */
static void triangle(job *j, const operand *x, const operand *to, bool upper) {
  if (j->why) return;
  gpu_call c = gpu_call_for(&gpu_cuda, to);
  const gpu_walk w = gpu_walk_of(x->ndim, x->shape, 1, (const int64_t *const[]){x->strides});
  gpu_define_dtype(&c, "X", gpu_moved_as(x->dtype));
  gpu_define_text(&c, "TRIANGLE", "");
  if (upper) gpu_define_text(&c, "KEEP_UPPER", "");
  gpu_written(&c, to);
  gpu_read(&c, x);
  gpu_begin_numbers(&c);
  gpu_number(&c, gpu_walk_size(&w));
  gpu_number(&c, x->shape[x->ndim - 2]);
  gpu_number(&c, x->shape[x->ndim - 1]);
  gpu_number(&c, 0);
  gpu_number_walk(&c, 3, &w);
  gpu_one_each(&c, gpu_walk_size(&w));
  j->why = gpu_run(&c, kernel_triangle, "triangle");
}

static void identities(job *j, const operand *y) {
  const bool is_complex = y->dtype == PONS_COMPLEX64;
  if (j->why) return;
  gpu_call c = gpu_call_for(&gpu_cuda, y);
  gpu_define_dtype(&c, "X", y->dtype);
  gpu_define_text(&c, "IDENTITY", "");
  gpu_define_text(&c, "ONE", is_complex ? "complex_of(1, 0)" : "1");
  gpu_define_text(&c, "ZERO", is_complex ? "complex_of(0, 0)" : "0");
  gpu_written(&c, y);
  gpu_begin_numbers(&c);
  gpu_number(&c, j->batch * j->n * j->n);
  gpu_number(&c, j->n);
  gpu_one_each(&c, j->batch * j->n * j->n);
  j->why = gpu_run(&c, kernel_triangle, "identity");
}

/* ---- what is refused ---- */

const char *cusolver_refuses(const launch *l) {
  const operand *x = l->in;
  error *why = NULL;
  if (!cusolver()) return "no cuSOLVER was found";
  if (type_of(x->dtype) < 0) return "cuSOLVER is for floats and complex numbers";
  if (shape_size(x->ndim, x->shape) == 0) return "it is empty";
  if (x->shape[x->ndim - 2] > INT32_MAX || x->shape[x->ndim - 1] > INT32_MAX)
    return "the matrix is too large";
  cuda_device *d = cuda_enter(0, &why);
  error_release(why);
  if (!d) return NULL; /* it is told when it is run */
  struct solver *s = enter_solver(d);
  if (s) leave_solver(s);
  cuda_leave(d);
  return s ? NULL : "cuSOLVER can't be started";
}

/* ---- Cholesky ---- */

static int cholesky_uplo(const job *j) {
  return ((const cholesky_params *)j->l->params)->upper ? CUSOLVER_UPPER : CUSOLVER_LOWER;
}

static cusolverStatus_t cholesky_room(job *j) {
  return cusolver()->cusolverDnXpotrf_bufferSize(j->s->handle, j->s->params, cholesky_uplo(j), j->n, j->type,
                                                 at(j->blocks[1], 0), j->n, j->type, &j->bytes,
                                                 &j->host_bytes);
}

static cusolverStatus_t cholesky_factor(const job *j, int64_t i) {
  void *a = at(j->blocks[1], i * j->n * j->n * (int64_t)j->size);
  return cusolver()->cusolverDnXpotrf(j->s->handle, j->s->params, cholesky_uplo(j), j->n, j->type, a, j->n,
                                      j->type, (void *)(uintptr_t)j->work, j->bytes, j->host_work,
                                      j->host_bytes, info_at(j, i));
}

error *cusolver_cholesky(const launch *l) {
  job j = job_of(l, "cholesky");
  view w;
  void *a = in_columns(&j);
  run(&j, "cusolverDnXpotrf", cholesky_room, cholesky_factor);
  look_at_infos(&j, not_definite);
  view_set(&w, &j, l->in, a, j.n, j.n, j.n * j.n, 1, j.n);
  triangle(&j, &w.x, l->out, cholesky_uplo(&j) == CUSOLVER_UPPER);
  return end(&j);
}

/* ---- LU ---- */

static cusolverStatus_t lu_room(job *j) {
  return cusolver()->cusolverDnXgetrf_bufferSize(j->s->handle, j->s->params, j->m, j->n, j->type,
                                                 at(j->blocks[1], 0), j->m, j->type, &j->bytes,
                                                 &j->host_bytes);
}

/* blocks[1]: matrices in columns, blocks[2]: their exchanges of rows. */
static cusolverStatus_t lu_factor(const job *j, int64_t i) {
  return cusolver()->cusolverDnXgetrf(
      j->s->handle, j->s->params, j->m, j->n, j->type, at(j->blocks[1], i * j->m * j->n * (int64_t)j->size),
      j->m, at(j->blocks[2], i * j->k * (int64_t)sizeof(int64_t)), j->type, (void *)(uintptr_t)j->work,
      j->bytes, j->host_work, j->host_bytes, info_at(j, i));
}

static void tell_rows(job *j, void *pivots, void *order) {
  if (j->why) return;
  gpu_call c = gpu_call_for(&gpu_cuda, &j->l->out[1]);
  gpu_written(&c, &j->l->out[1]);
  gpu_written(&c, &j->l->out[2]);
  gpu_memory(&c, order, true);
  gpu_memory(&c, pivots, false);
  gpu_begin_numbers(&c);
  gpu_number(&c, j->batch);
  gpu_number(&c, j->k);
  gpu_number(&c, j->m);
  c.wide = true;
  gpu_one_each(&c, j->batch);
  j->why = gpu_run(&c, kernel_triangle, "exchanged");
}

error *cusolver_lu(const launch *l) { /* a zero on U's diagonal shows there */
  job j = job_of(l, "lu");
  void *a = in_columns(&j), *pivots = take(&j, j.batch * j.k * (int64_t)sizeof(int64_t)),
       *order = take(&j, j.batch * j.m * (int64_t)sizeof(uint32_t));
  run(&j, "cusolverDnXgetrf", lu_room, lu_factor);
  look_at_infos(&j, NULL);
  store_columns(&j, 0, a, j.m, j.n, j.m * j.n, j.m);
  tell_rows(&j, pivots, order);
  return end(&j);
}

/* ---- Inverse: what solves A X = 1 ---- */

static cusolverStatus_t no_room(job *j) { return (void)j, CUSOLVER_STATUS_SUCCESS; }

/* blocks[3]: identities at first. */
static cusolverStatus_t solve(const job *j, int64_t i) {
  const int64_t first = i * j->n * j->n * (int64_t)j->size;
  return cusolver()->cusolverDnXgetrs(j->s->handle, j->s->params, 0, j->n, j->n, j->type,
                                      at(j->blocks[1], first), j->n,
                                      at(j->blocks[2], i * j->n * (int64_t)sizeof(int64_t)), j->type,
                                      at(j->blocks[3], first), j->n, info_at(j, i));
}

/* Of a triangle: upper in columns, so that no row is exchanged. A lower one in rows is that of its transpose. */
static void *in_triangle(job *j, bool upper) {
  view x, y;
  const operand *in = j->l->in;
  void *block = take(j, j->batch * j->n * j->n * (int64_t)j->size);
  x.x = *in;
  memcpy(x.strides, in->strides, (size_t)in->ndim * sizeof *x.strides);
  x.x.strides = x.strides;
  if (upper) {
    x.strides[in->ndim - 2] = in->strides[in->ndim - 1];
    x.strides[in->ndim - 1] = in->strides[in->ndim - 2];
  }
  view_set(&y, j, in, block, j->n, j->n, j->n * j->n, j->n, 1);
  triangle(j, &x.x, &y.x, false);
  return block;
}

error *cusolver_inverse(const launch *l) {
  const inverse_params *p = l->params;
  job j = job_of(l, p->tri ? "tri_inv" : "inv");
  const bool turned = p->tri && p->upper; /* else the inverse of the transpose, in columns, is ours in rows */
  view w;
  if (p->tri)
    in_triangle(&j, p->upper);
  else
    in_rows(&j);
  take(&j, j.batch * j.n * (int64_t)sizeof(int64_t));
  void *inverse = take(&j, j.batch * j.n * j.n * (int64_t)j.size);
  view_set(&w, &j, l->in, inverse, j.n, j.n, j.n * j.n, j.n, 1);
  identities(&j, &w.x);
  run(&j, "cusolverDnXgetrf", lu_room, lu_factor);
  look_at_infos(&j, singular);
  run(&j, "cusolverDnXgetrs", no_room, solve);
  if (turned)
    store_columns(&j, 0, inverse, j.n, j.n, j.n * j.n, j.n);
  else
    copy(&j, &w.x, l->out);
  return end(&j);
}

/* ---- QR ---- */

static cusolverStatus_t qr_room(job *j) {
  return cusolver()->cusolverDnXgeqrf_bufferSize(j->s->handle, j->s->params, j->m, j->n, j->type,
                                                 at(j->blocks[1], 0), j->m, j->type, at(j->blocks[2], 0),
                                                 j->type, &j->bytes, &j->host_bytes);
}

static cusolverStatus_t qr_factor(const job *j, int64_t i) {
  return cusolver()->cusolverDnXgeqrf(
      j->s->handle, j->s->params, j->m, j->n, j->type, at(j->blocks[1], i * j->m * j->n * (int64_t)j->size),
      j->m, j->type, at(j->blocks[2], i * j->k * (int64_t)j->size), j->type, (void *)(uintptr_t)j->work,
      j->bytes, j->host_work, j->host_bytes, info_at(j, i));
}

static cusolverStatus_t q_room(job *j) {
  const cusolver_api *api = cusolver();
  cusolverStatus_t(*room) CUSOLVER_ORGQR_ROOM = j->type == CUDA_R_32F   ? api->cusolverDnSorgqr_bufferSize
                                                : j->type == CUDA_R_64F ? api->cusolverDnDorgqr_bufferSize
                                                                        : api->cusolverDnCungqr_bufferSize;
  int elements = 0;
  const cusolverStatus_t status = room(j->s->handle, (int)j->m, (int)j->k, (int)j->k, at(j->blocks[1], 0),
                                       (int)j->m, at(j->blocks[2], 0), &elements);
  j->bytes = (size_t)elements * j->size;
  return status;
}

static cusolverStatus_t q_factor(const job *j, int64_t i) {
  const cusolver_api *api = cusolver();
  cusolverStatus_t(*make) CUSOLVER_ORGQR = j->type == CUDA_R_32F   ? api->cusolverDnSorgqr
                                           : j->type == CUDA_R_64F ? api->cusolverDnDorgqr
                                                                   : api->cusolverDnCungqr;
  return make(j->s->handle, (int)j->m, (int)j->k, (int)j->k,
              at(j->blocks[1], i * j->m * j->n * (int64_t)j->size), (int)j->m,
              at(j->blocks[2], i * j->k * (int64_t)j->size), (void *)(uintptr_t)j->work,
              (int)(j->bytes / j->size), info_at(j, i));
}

error *cusolver_qr(const launch *l) {
  job j = job_of(l, "qr");
  view w;
  void *a = in_columns(&j);
  take(&j, j.batch * j.k * (int64_t)j.size);
  run(&j, "cusolverDnXgeqrf", qr_room, qr_factor);
  view_set(&w, &j, l->in, a, j.k, j.n, j.m * j.n, 1, j.m);
  triangle(&j, &w.x, &l->out[1], true);
  run(&j, "cusolverDnXorgqr", q_room, q_factor);
  look_at_infos(&j, NULL);
  store_columns(&j, 0, a, j.m, j.k, j.m * j.n, j.m);
  return end(&j);
}

/* ---- Eigh ---- */

static int eigh_mode(const job *j) {
  return ((const eigh_params *)j->l->params)->compute_eigenvectors ? CUSOLVER_EIG_MODE_VECTOR
                                                                   : CUSOLVER_EIG_MODE_NOVECTOR;
}
static int eigh_uplo(const job *j) {
  return ((const eigh_params *)j->l->params)->uplo.at[0] == 'L' ? CUSOLVER_LOWER : CUSOLVER_UPPER;
}
static int64_t real_size(const job *j) { return j->real_type == CUDA_R_64F ? 8 : 4; }

static cusolverStatus_t eigh_room(job *j) {
  return cusolver()->cusolverDnXsyevd_bufferSize(j->s->handle, j->s->params, eigh_mode(j), eigh_uplo(j), j->n,
                                                 j->type, at(j->blocks[1], 0), j->n, j->real_type,
                                                 result_at(j->l->out, 0), j->type, &j->bytes, &j->host_bytes);
}

static cusolverStatus_t eigh_factor(const job *j, int64_t i) {
  return cusolver()->cusolverDnXsyevd(j->s->handle, j->s->params, eigh_mode(j), eigh_uplo(j), j->n, j->type,
                                      at(j->blocks[1], i * j->n * j->n * (int64_t)j->size), j->n,
                                      j->real_type, result_at(j->l->out, i * j->n * real_size(j)), j->type,
                                      (void *)(uintptr_t)j->work, j->bytes, j->host_work, j->host_bytes,
                                      info_at(j, i));
}

error *cusolver_eigh(const launch *l) {
  job j = job_of(l, "eigh");
  refuse_not_finite(&j);
  void *a = in_columns(&j);
  run(&j, "cusolverDnXsyevd", eigh_room, eigh_factor);
  look_at_infos(&j, no_convergence);
  if (eigh_mode(&j) == CUSOLVER_EIG_MODE_VECTOR) store_columns(&j, 1, a, j.n, j.n, j.n * j.n, j.n);
  return end(&j);
}

/* ---- SVD ---- */

/* It takes no fewer rows than columns: a wide A is factored as its transpose, whose Vt and U are our U and Vt, in rows. */
typedef struct svd_side {
  int64_t m, n;
  void *u, *vt;
  int64_t u_bytes, vt_bytes; /* from one matrix to the next */
  void *s;
  signed char what;
} svd_side;

static svd_side svd_side_of(const job *j, int64_t i) {
  const bool vectors = ((const svd_params *)j->l->params)->compute_uv, wide = j->m < j->n;
  svd_side x = {.m = wide ? j->n : j->m, .n = wide ? j->m : j->n, .what = vectors ? 'A' : 'N'};
  const int64_t size = (int64_t)j->size;
  x.s = result_at(&j->l->out[vectors ? 1 : 0], i * j->k * real_size(j));
  if (!vectors) return x;
  const int64_t u = i * x.m * x.m * size, vt = i * x.n * x.n * size;
  x.u = wide ? result_at(&j->l->out[2], u) : at(j->blocks[2], u);
  x.vt = wide ? result_at(&j->l->out[0], vt) : at(j->blocks[3], vt);
  return x;
}

static cusolverStatus_t svd_room(job *j) {
  const svd_side x = svd_side_of(j, 0);
  return cusolver()->cusolverDnXgesvd_bufferSize(
      j->s->handle, j->s->params, x.what, x.what, x.m, x.n, j->type, at(j->blocks[1], 0), x.m, j->real_type,
      x.s, j->type, x.u, x.m, j->type, x.vt, x.n, j->type, &j->bytes, &j->host_bytes);
}

static cusolverStatus_t svd_factor(const job *j, int64_t i) {
  const svd_side x = svd_side_of(j, i);
  return cusolver()->cusolverDnXgesvd(j->s->handle, j->s->params, x.what, x.what, x.m, x.n, j->type,
                                      at(j->blocks[1], i * j->m * j->n * (int64_t)j->size), x.m, j->real_type,
                                      x.s, j->type, x.u, x.m, j->type, x.vt, x.n, j->type,
                                      (void *)(uintptr_t)j->work, j->bytes, j->host_work, j->host_bytes,
                                      info_at(j, i));
}

error *cusolver_svd(const launch *l) {
  job j = job_of(l, "svd");
  const bool vectors = ((const svd_params *)l->params)->compute_uv, wide = j.m < j.n;
  void *u = NULL, *vt = NULL;
  refuse_not_finite(&j);
  if (wide)
    in_rows(&j);
  else
    in_columns(&j);
  if (vectors && !wide) {
    u = take(&j, j.batch * j.m * j.m * (int64_t)j.size);
    vt = take(&j, j.batch * j.n * j.n * (int64_t)j.size);
  }
  run(&j, "cusolverDnXgesvd", svd_room, svd_factor);
  look_at_infos(&j, no_convergence);
  if (u) store_columns(&j, 0, u, j.m, j.m, j.m * j.m, j.m);
  if (vt) store_columns(&j, 2, vt, j.n, j.n, j.n * j.n, j.n);
  return end(&j);
}
