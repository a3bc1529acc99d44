/* matmul_cublaslt.c: "Matmul" and "AddMM" by cuBLASLt.

   It counts columns first. A row-major result is the transpose of one in its order, and (a b)^T = b^T a^T: so it is given b,
   then a, each as it lies. What it needs to know of a problem, and the algorithm it chose, are kept for the next product of the
   same shapes, strides and alignment; which may be the fastest of those it names (tune_cublaslt.c). A problem for which it has none is refused. Floats are multiplied as
   floats: TF32 only with PONS_CUDA_TF32=1. Uses program.h, cublaslt.h, gpu/. */
#include "backends/cuda/cublaslt.h"
#include "backends/cuda/program.h"
#include "backends/gpu/matmul_gpu.h"

/* ---- problems ---- */

/* Operands in its order: a[0] is our b, a[1] our a. Compared byte by byte. */
typedef struct problem {
  int32_t dtype, adds;                 /* adds: beta is not 0 */
  int32_t epilogue, taken;             /* CUBLASLT_EPILOGUE_..., or 0; dtype of a and b */
  int64_t rows, columns, inner, batch; /* of the result in its order: n x m */
  struct {
    int32_t turned, align;
    int64_t step, batch_step; /* in elements */
  } side[4];                  /* a, b, c, d */
} problem;

typedef struct plan {
  struct plan *next;
  problem problem;
  cublasLtMatmulDesc_t desc;
  cublasLtMatrixLayout_t layout[4];
  cublasLtMatmulAlgo_t algo;
  bool none;     /* it has no algorithm */
  bool is_tuned; /* or can't be, or is not to be */
} plan;

enum { PLACES = 256 };
static struct gemms {
  pthread_mutex_t lock, bias_lock; /* the second: from telling a description its vector to the product */
  bool opened;
  cublasLtHandle_t handle;
  cuda_block *workspace; /* NULL: none */
  plan *plans[PLACES];
} gemms[CUDA_MAX_DEVICES];
static pthread_once_t locks_made = PTHREAD_ONCE_INIT;

static void make_locks(void) {
  for (int i = 0; i < CUDA_MAX_DEVICES; i++) {
    pthread_mutex_init(&gemms[i].lock, NULL);
    pthread_mutex_init(&gemms[i].bias_lock, NULL);
  }
}

/* An error is made of it where somebody is to hear of it. */
typedef cuda_failure failure;
static const failure fine = {NULL, CUBLAS_STATUS_SUCCESS};

static failure check(cublasStatus_t status, const char *call) {
  return status == CUBLAS_STATUS_SUCCESS ? fine : (failure){call, status};
}

/* ---- how matrices lie ---- */

/* The last two axes as its order has the transpose. False: neither axis is dense. */
static bool lay_side(problem *p, int which, int64_t rows, int64_t columns, int64_t row_step,
                     int64_t column_step) {
  const bool straight = (column_step == 1 || columns == 1) && (rows == 1 || row_step >= columns);
  if (!straight && ((row_step != 1 && rows != 1) || (columns != 1 && column_step < rows))) return false;
  p->side[which].turned = !straight;
  p->side[which].step = straight ? (rows == 1 ? columns : row_step) : columns == 1 ? rows : column_step;
  return true;
}

static bool lay_operand(problem *p, int which, const operand *x) {
  const int n = x->ndim;
  return lay_side(p, which, x->shape[n - 2], x->shape[n - 1], x->strides[n - 2], x->strides[n - 1]);
}

static int alignment(CUdeviceptr at) {
  int align = 256;
  while (at % (unsigned)align) align /= 2;
  return align;
}

static cuda_block *block_of(const operand *x) { return ((const location *)x->data)->memory; }
static uint64_t offset_of(const operand *x) { return (uint64_t)((const location *)x->data)->offset; }

/* ---- plans ---- */

static int type_of(pons_dtype d) {
  switch (d) {
    case PONS_FLOAT32:
      return CUDA_R_32F;
    case PONS_FLOAT64:
      return CUDA_R_64F;
    case PONS_FLOAT16:
      return CUDA_R_16F;
    case PONS_BFLOAT16:
      return CUDA_R_16BF;
    case PONS_COMPLEX64:
      return CUDA_C_32F;
    case PONS_INT8:
      return CUDA_R_8I;
    case PONS_INT32:
      return CUDA_R_32I;
    case PONS_UINT8:
      return CUDA_R_8F_E4M3;
    default:
      return -1;
  }
}

static pons_dtype side_dtype(const problem *p, int i) { return (pons_dtype)(i < 2 ? p->taken : p->dtype); }

int cublaslt_alignment(pons_dtype codes) { return codes == PONS_INT8 ? 4 : 16; }
static bool is_of_codes(const problem *p) { return p->taken == PONS_INT8 || p->taken == PONS_UINT8; }

static int compute_of(const problem *p) {
  const bool tf32 = cuda_wants_tf32() && (p->taken == PONS_FLOAT32 || p->taken == PONS_COMPLEX64);
  return p->dtype == PONS_FLOAT64 ? CUBLAS_COMPUTE_64F
         : p->dtype == PONS_INT32 ? CUBLAS_COMPUTE_32I
         : tf32                   ? CUBLAS_COMPUTE_32F_FAST_TF32
                                  : CUBLAS_COMPUTE_32F;
}

static failure make_desc(const problem *p, plan *made) {
  const int scale = p->dtype == PONS_FLOAT64     ? CUDA_R_64F
                    : p->dtype == PONS_COMPLEX64 ? CUDA_C_32F
                    : p->dtype == PONS_INT32     ? CUDA_R_32I
                                                 : CUDA_R_32F;
  failure why =
      check(cublaslt()->cublasLtMatmulDescCreate(&made->desc, compute_of(p), scale), "cublasLtMatmulDescCreate");
  for (int i = 0; i < 2 && !why.call; i++) {
    const int32_t turn = p->side[i].turned ? CUBLAS_OP_T : CUBLAS_OP_N;
    why = check(cublaslt()->cublasLtMatmulDescSetAttribute(made->desc, CUBLASLT_MATMUL_DESC_TRANSA + i, &turn,
                                                           sizeof turn),
                "cublasLtMatmulDescSetAttribute");
  }
  return why;
}

static failure set_bias(cublasLtMatmulDesc_t desc, const void *at) {
  return check(
      cublaslt()->cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &at, sizeof at),
      "cublasLtMatmulDescSetAttribute");
}

/* An algorithm is chosen for an aligned vector. */
enum { BIAS_ALIGNMENT = 16 };
static bool is_biased(const problem *p) { return p->epilogue & CUBLASLT_EPILOGUE_BIAS; }
static failure make_epilogue(const problem *p, plan *made) {
  if (!p->epilogue) return fine;
  const failure why = check(cublaslt()->cublasLtMatmulDescSetAttribute(
                                made->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &p->epilogue, sizeof p->epilogue),
                            "cublasLtMatmulDescSetAttribute");
  return why.call || !is_biased(p) ? why : set_bias(made->desc, (const void *)(uintptr_t)BIAS_ALIGNMENT);
}

static failure make_layout(const problem *p, plan *made, int i) {
  const int64_t across = i == 0 ? p->inner : p->columns, down = i == 1 ? p->inner : p->rows;
  const uint64_t rows = (uint64_t)(p->side[i].turned ? across : down),
                 columns = (uint64_t)(p->side[i].turned ? down : across);
  const int32_t batch = (int32_t)p->batch;
  failure why = check(cublaslt()->cublasLtMatrixLayoutCreate(&made->layout[i], type_of(side_dtype(p, i)),
                                                             rows, columns, p->side[i].step),
                      "cublasLtMatrixLayoutCreate");
  if (why.call || batch == 1) return why;
  why = check(cublaslt()->cublasLtMatrixLayoutSetAttribute(
                  made->layout[i], CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch),
              "cublasLtMatrixLayoutSetAttribute");
  if (why.call) return why;
  return check(cublaslt()->cublasLtMatrixLayoutSetAttribute(
                   made->layout[i], CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &p->side[i].batch_step,
                   sizeof p->side[i].batch_step),
               "cublasLtMatrixLayoutSetAttribute");
}

static failure set_preference(cublasLtMatmulPreference_t preference, const problem *p, uint64_t workspace) {
  failure why = check(cublaslt()->cublasLtMatmulPreferenceSetAttribute(
                          preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace),
                      "cublasLtMatmulPreferenceSetAttribute");
  for (int i = 0; i < 4 && !why.call; i++) {
    const uint32_t align = (uint32_t)p->side[i].align;
    why = check(cublaslt()->cublasLtMatmulPreferenceSetAttribute(
                    preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES + i, &align, sizeof align),
                "cublasLtMatmulPreferenceSetAttribute");
  }
  return why;
}

/* Up to so many algorithms, the one that should be fastest first; *n is 0 where it has none. */
static failure ask_for_algorithms(struct gemms *g, const plan *p, int wanted, cublasLtMatmulHeuristicResult_t *results, int *n) {
  cublasLtMatmulPreference_t preference = NULL;
  *n = 0;
  failure why =
      check(cublaslt()->cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
  if (why.call) return why;
  why = set_preference(preference, &p->problem, g->workspace ? g->workspace->base.bytes : 0);
  if (!why.call) {
    const cublasStatus_t status = cublaslt()->cublasLtMatmulAlgoGetHeuristic(
        g->handle, p->desc, p->layout[0], p->layout[1], p->layout[2], p->layout[3], preference,
        wanted, results, n);
    if (status != CUBLAS_STATUS_SUCCESS) *n = 0;
    why = status == CUBLAS_STATUS_NOT_SUPPORTED ? fine : check(status, "cublasLtMatmulAlgoGetHeuristic");
  }
  cublaslt()->cublasLtMatmulPreferenceDestroy(preference);
  return why;
}

static failure choose_algorithm(struct gemms *g, plan *made) {
  cublasLtMatmulHeuristicResult_t result = {0};
  int n;
  const failure why = ask_for_algorithms(g, made, 1, &result, &n);
  made->none = n == 0;
  made->algo = result.algo;
  return why;
}

static void free_plan(plan *p) {
  for (int i = 0; i < 4; i++)
    if (p->layout[i]) cublaslt()->cublasLtMatrixLayoutDestroy(p->layout[i]);
  if (p->desc) cublaslt()->cublasLtMatmulDescDestroy(p->desc);
  mem_free(p);
}

/* The plan for a problem, made at its first time. The lock is held. */
static plan *plan_for(struct gemms *g, const problem *p, failure *why) {
  plan **place = &g->plans[hash_bytes(p, sizeof *p, 0) % PLACES];
  for (plan *old = *place; old; old = old->next)
    if (!memcmp(&old->problem, p, sizeof *p)) return old;
  plan *made = mem_zalloc(sizeof *made);
  if (!made) {
    *why = (failure){"a description in memory", CUBLAS_STATUS_ALLOC_FAILED};
    return NULL;
  }
  memcpy(&made->problem, p, sizeof *p);
  made->is_tuned = !cublaslt_tunes();
  *why = make_desc(p, made);
  if (!why->call) *why = make_epilogue(p, made);
  for (int i = 0; i < 4 && !why->call; i++) *why = make_layout(p, made, i);
  if (!why->call) *why = choose_algorithm(g, made);
  if (why->call) {
    free_plan(made);
    return NULL;
  }
  made->next = *place;
  return *place = made;
}

/* ---- running ---- */

/* The lock is held. What is asked for workspace is what NVIDIA advises; without memory for it there is none. */
static failure open_gemms(struct gemms *g, cuda_device *d) {
  if (g->opened) return fine;
  failure why = check(cublaslt()->cublasLtCreate(&g->handle), "cublasLtCreate");
  if (why.call) return why;
  const size_t bytes = cuda_card_at(d->index)->arch >= 90 ? 32 << 20 : 8 << 20;
  g->workspace = cuda_take_spare(d, bytes);
  g->opened = true;
  return fine;
}

typedef struct product {
  problem problem;
  cuda_block *block[5]; /* a, b, c, d, the vector */
  uint64_t offset[5];   /* in bytes */
  float alpha, beta;
} product;

typedef union scale {
  float real[2];
  double wide;
  int32_t whole;
} scale;

static scale scale_of(int dtype, float value) {
  scale s = {{value, 0}};
  if (dtype == PONS_FLOAT64) s.wide = (double)value;
  if (dtype == PONS_INT32) s.whole = (int32_t)value;
  return s;
}

/* The plan of a problem on a device that was entered; its lock is held until leave_gemms. */
static plan *enter_gemms(cuda_device *d, const problem *p, failure *why) {
  struct gemms *g = &gemms[d->index];
  pthread_once(&locks_made, make_locks);
  pthread_mutex_lock(&g->lock);
  *why = open_gemms(g, d);
  return why->call ? NULL : plan_for(g, p, why);
}

static void leave_gemms(cuda_device *d) { pthread_mutex_unlock(&gemms[d->index].lock); }

/* What a product needs each time it is made. */
typedef struct multiplication {
  const plan *plan;
  cublasLtMatmulAlgo_t algo; /* the plan's, then: a graph keeps the one that it was made with */
  product product;
} multiplication;

enum { BIAS = 4, WORKSPACE }; /* behind the operands */
static failure multiply(cuda_device *d, CUstream queue, const void *context, const CUdeviceptr *addresses) {
  const struct gemms *g = &gemms[d->index];
  const multiplication *m = context;
  const product *x = &m->product;
  const plan *p = m->plan;
  const scale alpha = scale_of(x->problem.dtype, x->alpha), beta = scale_of(x->problem.dtype, x->beta);
  void *at[4];
  for (int i = 0; i < 4; i++) at[i] = (void *)(uintptr_t)(addresses[i] + x->offset[i]);
  failure why = fine;
  if (is_biased(&x->problem)) {
    pthread_mutex_lock(&gemms[d->index].bias_lock);
    why = set_bias(p->desc, (const void *)(uintptr_t)(addresses[BIAS] + x->offset[BIAS]));
  }
  if (!why.call)
    why = check(cublaslt()->cublasLtMatmul(g->handle, p->desc, &alpha, at[0], p->layout[0], at[1],
                                           p->layout[1], &beta, at[2], p->layout[2], at[3], p->layout[3],
                                           &m->algo, (void *)(uintptr_t)addresses[WORKSPACE],
                                           g->workspace ? g->workspace->base.bytes : 0, queue),
                "cublasLtMatmul");
  if (is_biased(&x->problem)) pthread_mutex_unlock(&gemms[d->index].bias_lock);
  return why;
}

/* ---- the fastest algorithm ---- */

/* What it depends on. Bytes. */
typedef struct tuned_problem {
  problem problem;
  int64_t compute;
} tuned_problem;

void cublaslt_report_products(text *json) { cublaslt_report_tuned(json, sizeof(tuned_problem)); }

/* Does the library take what a file says? */
static bool is_taken(const struct gemms *g, const plan *p, const cublasLtMatmulAlgo_t *algo) {
  cublasLtMatmulHeuristicResult_t result = {0};
  return cublaslt()->cublasLtMatmulAlgoCheck(g->handle, p->desc, p->layout[0], p->layout[1], p->layout[2], p->layout[3], algo, &result) ==
             CUBLAS_STATUS_SUCCESS &&
         result.state == CUBLAS_STATUS_SUCCESS && result.workspaceSize <= (g->workspace ? g->workspace->base.bytes : 0);
}

/* From the first to the last element. */
static size_t result_bytes(const problem *p) {
  const int64_t elements = (p->batch - 1) * p->side[3].batch_step + (p->columns - 1) * p->side[3].step + p->rows;
  return (size_t)elements * pons_dtype_size((pons_dtype)p->dtype);
}

/* Makes the plan's algorithm the one kept for its problem, or that of the least time, if it is to be. A launch that is only noted is
   not timed: its operands may not be there yet. The lock is held. */
static void tune(cuda_device *d, plan *p, multiplication *m, const cuda_call *c) {
  enum { CANDIDATES = 8 };
  struct gemms *g = &gemms[d->index];
  cublasLtMatmulHeuristicResult_t candidates[CANDIDATES] = {{.workspaceSize = 0}};
  tuned_problem key;
  memset(&key, 0, sizeof key);
  memcpy(&key.problem, &p->problem, sizeof key.problem);
  key.compute = compute_of(&p->problem);
  cublaslt_trial t = {d, &key, sizeof key, c, &m->algo, candidates, 0, 3, m->product.offset[3], result_bytes(&p->problem)};
  cublasLtMatmulAlgo_t known;
  if (cublaslt_find_tuned(d->index, &key, sizeof key, &known) && is_taken(g, p, &known)) {
    p->algo = known;
    p->is_tuned = true;
  } else if (!cuda_is_noting(d->index)) {
    const bool fine = !ask_for_algorithms(g, p, CANDIDATES, candidates, &t.n).call;
    const int best = fine ? cublaslt_tune(&t) : -1;
    if (best >= 0) p->algo = candidates[best].algo;
    p->is_tuned = true;
  }
}

/* ---- a product ---- */

/* What `refuses` asked about: operands aligned as their elements, codes as they must be. */
static void align_least(problem *p) {
  for (int i = 0; i < 4; i++)
    p->side[i].align = is_of_codes(p) ? cublaslt_alignment((pons_dtype)p->taken) : (int32_t)pons_dtype_size(side_dtype(p, i));
}

static error *run_product(cuda_device *d, product *x) {
  failure why = fine;
  plan *p = enter_gemms(d, &x->problem, &why);
  if (p && p->none) {
    leave_gemms(d);
    align_least(&x->problem);
    p = enter_gemms(d, &x->problem, &why);
  }
  if (p && p->none) why = (failure){"cublasLtMatmulAlgoGetHeuristic", CUBLAS_STATUS_NOT_SUPPORTED};
  multiplication m;
  memset(&m, 0, sizeof m); /* it is compared byte by byte */
  m.plan = p;
  m.product = *x;
  void *memories[] = {x->block[0], x->block[1],    x->block[2],
                      x->block[3], x->block[BIAS], gemms[d->index].workspace};
  for (int i = 0; i <= BIAS; i++) m.product.block[i] = NULL;
  const cuda_call call = {"cuBLAS", multiply, &m, sizeof m, WORKSPACE + 1, memories};
  error *told = why.call ? fail("cuda", "%s: status %d of cuBLAS", why.call, why.status) : NULL;
  if (!told && !p->is_tuned) tune(d, p, &m, &call);
  if (!told) m.algo = p->algo;
  if (!told) told = cuda_call_library(d, &call); /* with the lock: products share the workspace */
  leave_gemms(d);
  return told;
}

/* ---- a launch ---- */

/* One b for the whole batch, and the rows of a evenly spaced through it: one tall product. */
static void join_rows(problem *p, gpu_batch *s) {
  const int64_t rows = p->columns; /* of our a and the result */
  if (s->n != 1 || s->strides[1][0] != 0 || p->side[1].turned || rows == 0) return;
  if (rows > 1 && s->strides[0][0] != rows * p->side[1].step) return;
  if (s->strides[2][0] != rows * p->side[2].step) return;
  if (rows == 1) p->side[1].step = s->strides[0][0];
  if (p->side[1].step < p->inner) return;
  p->columns *= s->sizes[0];
  s->n = 0;
}

static bool lay_out(problem *p, const launch *l, gpu_batch *s) {
  const operand *out = l->out;
  memset(p, 0, sizeof *p);
  p->dtype = out->dtype;
  p->taken = l->in[0].dtype;
  p->rows = out->shape[out->ndim - 1];
  p->columns = out->shape[out->ndim - 2];
  p->inner = l->in[0].shape[out->ndim - 1];
  p->batch = 1;
  if (!lay_operand(p, 0, &l->in[1]) || !lay_operand(p, 1, &l->in[0])) return false;
  p->side[2].step = p->side[3].step = p->columns == 1 ? p->rows : out->strides[out->ndim - 2];
  *s = gpu_batch_of(l);
  join_rows(p, s);
  if (s->n == 0) return true;
  p->batch = s->sizes[s->n - 1];
  for (int i = 0; i < 2; i++) p->side[i].batch_step = s->strides[!i][s->n - 1]; /* b, a */
  p->side[2].batch_step = p->side[3].batch_step = s->strides[2][s->n - 1];
  return true;
}

/* Has the first device an algorithm? `unless`: what to say if that can't be found out. */
static bool has_algorithm(problem *p, bool unless) {
  error *why = NULL;
  failure ignored;
  cuda_device *d = cuda_enter(0, &why);
  error_release(why);
  if (!d) return unless;
  align_least(p);
  const plan *found = enter_gemms(d, p, &ignored);
  const bool has = found ? !found->none : unless;
  leave_gemms(d);
  cuda_leave(d);
  return has;
}

/* All of one dtype; or a product of halves as float32. */
static bool dtypes_fit(const launch *l) {
  const pons_dtype taken = l->in[0].dtype;
  for (int i = 1; i < l->n_in; i++)
    if (l->in[i].dtype != taken) return false;
  return taken == l->out->dtype ||
         (l->n_in == 2 && l->out->dtype == PONS_FLOAT32 && (taken == PONS_FLOAT16 || taken == PONS_BFLOAT16));
}

const char *cublaslt_refuses(const launch *l) {
  const char *missing = cublaslt_missing();
  gpu_batch s;
  problem p;
  if (missing) return missing;
  if (!dtype_is_inexact(l->out->dtype) || type_of(l->out->dtype) < 0) return "cuBLASLt is for floats and complex numbers";
  if (!dtypes_fit(l)) return "the operands are of several dtypes";
  if (shape_size(l->out->ndim, l->out->shape) == 0 || l->in[0].shape[l->in[0].ndim - 1] == 0)
    return "it is empty";
  if (!lay_out(&p, l, &s)) return "an operand is dense along neither of its last axes";
  if (p.batch > INT32_MAX) return "the batch is too large";
  p.adds = l->n_in == 3;
  return has_algorithm(&p, true) ? NULL : "cuBLASLt has no algorithm for it";
}

bool cublaslt_has_algorithm(const launch *l) {
  problem p;
  gpu_batch s;
  if (!lay_out(&p, l, &s) || p.batch > INT32_MAX) return false;
  p.adds = l->n_in == 3;
  return has_algorithm(&p, false);
}

/* What the library does behind a product. */
typedef struct behind {
  const operand *bias;  /* a vector for each row, or NULL */
  const operand *added; /* beta times this; NULL: times what lies in the result */
  activation activation;
} behind;

static int32_t epilogue_of(bool biased, activation a) {
  static const int32_t by_activation[ACTIVATION_COUNT] = {
      [ACTIVATION_RELU] = CUBLASLT_EPILOGUE_RELU, [ACTIVATION_GELU_TANH] = CUBLASLT_EPILOGUE_GELU};
  return by_activation[a] | (biased ? CUBLASLT_EPILOGUE_BIAS : 0);
}

static error *run(const launch *l, float alpha, float beta, behind with) {
  product x = {.alpha = alpha, .beta = beta};
  gpu_batch s;
  error *why = NULL;
  lay_out(&x.problem, l, &s);
  x.problem.adds = beta != 0;
  x.problem.epilogue = epilogue_of(with.bias, with.activation);
  if (with.bias) {
    x.block[BIAS] = block_of(with.bias);
    x.offset[BIAS] = offset_of(with.bias);
  }
  const operand *const operands[] = {&l->in[0], &l->in[1], l->out}, *const added = with.added ? with.added : l->out;
  cuda_device *d = cuda_enter(((const location *)l->out->data)->device, &why);
  if (!d) return why;
  for (int64_t part = 0; part < gpu_batch_parts(&s) && !why; part++) {
    for (int i = 0; i < 4; i++) {
      const int which = i < 2 ? !i : 2; /* b, a, what is added, result: these two lie alike */
      const operand *o = i == 2 ? added : operands[which];
      const uint64_t size = pons_dtype_size(o->dtype);
      x.block[i] = block_of(o);
      x.offset[i] = offset_of(o) + (uint64_t)gpu_batch_place(&s, which, part) * size;
      x.problem.side[i].align = alignment(x.block[i]->at + x.offset[i]);
    }
    why = run_product(d, &x);
  }
  cuda_leave(d);
  return why;
}

/* Has the first device an algorithm for the product with what is added to it, a vector for each row, and the activation? */
static bool has_epilogue(const launch *l, bool adds, bool biased, activation a) {
  problem p;
  gpu_batch s;
  if (!lay_out(&p, l, &s)) return false;
  p.adds = adds;
  p.epilogue = epilogue_of(biased, a);
  return has_algorithm(&p, false);
}

error *cublaslt_matmul(const launch *l) { return run(l, 1, 0, (behind){0}); }

error *cublaslt_matmul_with(const launch *l, const epilogue *e) {
  return run(l, 1, e->added ? 1 : 0, (behind){.added = e->added, .activation = e->activation});
}

/* Is c one row for all rows? */
static bool is_row(const operand *c) {
  const int last = c->ndim - 1;
  if (!gpu_activates(c->dtype) || c->strides[last] != 1) return false;
  for (int i = 0; i < last; i++)
    if (c->strides[i] != 0 && c->shape[i] != 1) return false;
  return true;
}

static bool is_aligned_row(const operand *c) {
  return is_row(c) && (block_of(c)->at + offset_of(c)) % BIAS_ALIGNMENT == 0;
}

/* c, or its sum with what is added, as the result: whatever c's strides. */
static error *copy_addend(const launch *l, const operand *added) {
  const uint8_t d = (uint8_t)l->out->dtype;
  const kernel copy = {.n_in = 1, .n_out = 1, .in = {d}, .out = {0}};
  const kernel sum = {2, 1, 1, {d, d}, {{ROW_add, d, d, {0, 1, -1}}}, {2}};
  if (!added) return gpu_run_kernel(&gpu_cuda, &copy, &l->in[2], l->out);
  return gpu_run_kernel(&gpu_cuda, &sum, (const operand[]){l->in[2], *added}, l->out);
}

/* Where c is not a row for all, it is copied into the result first. */
error *cublaslt_addmm_with(const launch *l, const epilogue *e) {
  const addmm_params *p = l->params;
  if (p->beta == 0) return run(l, p->alpha, e->added ? 1 : 0, (behind){.added = e->added, .activation = e->activation});
  if (p->beta == 1 && is_aligned_row(&l->in[2]) && has_epilogue(l, e->added, true, e->activation))
    return run(l, p->alpha, e->added ? 1 : 0, (behind){&l->in[2], e->added, e->activation});
  error *why = copy_addend(l, e->added);
  return why ? why : run(l, p->alpha, p->beta, (behind){.activation = e->activation});
}

error *cublaslt_matmul_with_row(const launch *l, const epilogue *e) {
  const operand in[] = {l->in[0], l->in[1], *e->added};
  const launch sum = {&(addmm_params){1, 1}, 3, 1, in, l->out};
  return cublaslt_addmm_with(&sum, &(epilogue){NULL, e->activation});
}

/* It is not known yet whether rows are aligned. */
epilogue_run *cublaslt_matmul_epilogue(const launch *l, const epilogue *e) {
  if (e->activation && !gpu_activates(l->out->dtype)) return NULL;
  const bool row = e->added && !operand_is_row_major(e->added);
  if ((row && !is_row(e->added)) || !has_epilogue(l, e->added, false, e->activation)) return NULL;
  return row ? cublaslt_matmul_with_row : cublaslt_matmul_with;
}

epilogue_run *cublaslt_addmm_epilogue(const launch *l, const epilogue *e) {
  const float beta = ((const addmm_params *)l->params)->beta;
  if ((e->activation && !gpu_activates(l->out->dtype)) || (e->added && beta != 0 && beta != 1)) return NULL;
  if (e->added && !operand_is_row_major(e->added)) return NULL;
  return has_epilogue(l, e->added || beta != 0, false, e->activation) ? cublaslt_addmm_with : NULL;
}

error *cublaslt_addmm(const launch *l) { return cublaslt_addmm_with(l, &(epilogue){0}); }
