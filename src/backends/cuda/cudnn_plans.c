/* cudnn_plans.c: plans of cuDNN's: a problem is described by descriptors, its heuristics name ways to compute it, best first, and
   the first that can be had becomes the plan, which is kept. Ways are left out that would give other numbers than asked for:
   float32 as TF32 unless PONS_CUDA_TF32=1, sums in an order that changes from run to run, in halves, or by transforms that lose
   many digits. Uses cudnn.h. */
#include "backends/cuda/cudnn.h"

enum { DESCRIPTORS = 160, CONFIGS = 128, NOTES = 16, PLACES = 256, MOST_WORKSPACE = 1 << 30 };

/* What cuDNN is given must stay as long as what is made of it. */
struct cudnn_plan {
  cudnn_plan *next;
  cudnn_problem problem;
  bool none;
  cudnnBackendDescriptor_t made[DESCRIPTORS], plan;
  int n_made;
  cudnnStatus_t failed; /* the first call that did */
  size_t workspace;
};

static struct convs {
  pthread_mutex_t lock;
  cudnnHandle_t handle;
  bool opened, absent; /* absent: it does not work on this device */
  cudnn_plan *plans[PLACES];
} convs[CUDA_MAX_DEVICES];
static pthread_once_t locks_made = PTHREAD_ONCE_INIT;

static void make_locks(void) {
  for (int i = 0; i < CUDA_MAX_DEVICES; i++) pthread_mutex_init(&convs[i].lock, NULL);
}

/* ---- descriptors; after a failure nothing more is done ---- */

static cudnnBackendDescriptor_t make(cudnn_plan *p, int kind) {
  cudnnBackendDescriptor_t d = NULL;
  if (!p->failed && p->n_made == DESCRIPTORS) p->failed = CUDNN_STATUS_NOT_SUPPORTED;
  if (!p->failed) p->failed = cudnn()->cudnnBackendCreateDescriptor(kind, &d);
  if (p->failed) return NULL;
  return p->made[p->n_made++] = d;
}

static void set(cudnn_plan *p, cudnnBackendDescriptor_t d, int attribute, int type, int64_t count,
                const void *values) {
  if (!p->failed) p->failed = cudnn()->cudnnBackendSetAttribute(d, attribute, type, count, values);
}
static void set_number(cudnn_plan *p, cudnnBackendDescriptor_t d, int attribute, int64_t value) {
  set(p, d, attribute, CUDNN_TYPE_INT64, 1, &value);
}
static void set_choice(cudnn_plan *p, cudnnBackendDescriptor_t d, int attribute, int type, int value) {
  set(p, d, attribute, type, 1, &value);
}
static void set_descriptor(cudnn_plan *p, cudnnBackendDescriptor_t d, int attribute,
                           cudnnBackendDescriptor_t value) {
  set(p, d, attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}
static void finish(cudnn_plan *p, cudnnBackendDescriptor_t d) {
  if (!p->failed) p->failed = cudnn()->cudnnBackendFinalize(d);
}

static void free_descriptors(cudnn_plan *p) {
  while (p->n_made > 0) cudnn()->cudnnBackendDestroyDescriptor(p->made[--p->n_made]);
}

/* ---- the problem ---- */

static int type_of(int dtype) {
  return dtype == PONS_FLOAT16    ? CUDNN_DATA_HALF
         : dtype == PONS_BFLOAT16 ? CUDNN_DATA_BFLOAT16
                                  : CUDNN_DATA_FLOAT;
}

static cudnnBackendDescriptor_t tensor(cudnn_plan *p, int which) {
  const cudnn_problem *q = &p->problem;
  cudnnBackendDescriptor_t d = make(p, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  set_choice(p, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type_of(q->dtype));
  set(p, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, q->axes + 2, q->shape[which]);
  set(p, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, q->axes + 2, q->strides[which]);
  set_number(p, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, which + 1);
  set_number(p, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, q->align[which]);
  finish(p, d);
  return d;
}

static cudnnBackendDescriptor_t convolution(cudnn_plan *p) {
  const cudnn_problem *q = &p->problem;
  cudnnBackendDescriptor_t d = make(p, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  set_choice(p, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  set_choice(p, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
  set_number(p, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, q->axes);
  set(p, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, q->axes, q->dilation);
  set(p, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, q->axes, q->stride);
  set(p, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, q->axes, q->before);
  set(p, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, q->axes, q->after);
  finish(p, d);
  return d;
}

/* Its attributes follow each other: alpha, beta, the convolution, and the tensors in an order of its own. */
static const struct {
  int descriptor, first, tensors[CUDNN_TENSORS];
} operations[CUDNN_KINDS] = {
    [CUDNN_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                       {CUDNN_W, CUDNN_X, CUDNN_Y}},
    [CUDNN_GRADIENT_OF_X] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                             {CUDNN_W, CUDNN_X, CUDNN_Y}},
    [CUDNN_GRADIENT_OF_W] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                             {CUDNN_W, CUDNN_X, CUDNN_Y}},
};

static cudnnBackendDescriptor_t graph(cudnn_plan *p, cudnnHandle_t handle) {
  const float one = 1, zero = 0;
  const int first = operations[p->problem.kind].first;
  cudnnBackendDescriptor_t tensors[CUDNN_TENSORS], conv = convolution(p);
  for (int i = 0; i < CUDNN_TENSORS; i++) tensors[i] = tensor(p, i);
  cudnnBackendDescriptor_t d = make(p, operations[p->problem.kind].descriptor);
  set(p, d, first, CUDNN_TYPE_FLOAT, 1, &one);
  set(p, d, first + 1, CUDNN_TYPE_FLOAT, 1, &zero);
  set_descriptor(p, d, first + 2, conv);
  for (int i = 0; i < CUDNN_TENSORS; i++)
    set_descriptor(p, d, first + 3 + i, tensors[operations[p->problem.kind].tensors[i]]);
  finish(p, d);
  cudnnBackendDescriptor_t all = make(p, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  set(p, all, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  set_descriptor(p, all, CUDNN_ATTR_OPERATIONGRAPH_OPS, d);
  finish(p, all);
  return all;
}

/* ---- ways to compute it ---- */

static bool is_unwanted(const cudnn_problem *q, int note) {
  switch (note) {
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
      return q->dtype == PONS_FLOAT32 && !q->tf32;
    case CUDNN_NUMERICAL_NOTE_WINOGRAD:
      return q->dtype != PONS_FLOAT32;
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
      return true;
    default:
      return false;
  }
}

static bool is_wanted(cudnn_plan *p, cudnnBackendDescriptor_t config) {
  int notes[NOTES];
  int64_t n = 0;
  cudnnBackendDescriptor_t engine = make(p, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  if (!p->failed)
    p->failed = cudnn()->cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE,
                                                  CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine);
  if (!p->failed)
    p->failed = cudnn()->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                                  CUDNN_TYPE_NUMERICAL_NOTE, NOTES, &n, notes);
  for (int64_t i = 0; i < n && i < NOTES && !p->failed; i++)
    if (is_unwanted(&p->problem, notes[i])) return false;
  return !p->failed;
}

/* False: it can't be had, or needs too much memory. */
static bool take_config(cudnn_plan *p, cudnnHandle_t handle, cudnnBackendDescriptor_t config) {
  int64_t n = 0, bytes = 0;
  cudnnBackendDescriptor_t d = is_wanted(p, config) ? make(p, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) : NULL;
  if (d) {
    set(p, d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
    set_descriptor(p, d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
    finish(p, d);
    if (!p->failed)
      p->failed = cudnn()->cudnnBackendGetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                                    CUDNN_TYPE_INT64, 1, &n, &bytes);
  }
  const bool taken = d && !p->failed && bytes <= MOST_WORKSPACE;
  p->failed = CUDNN_STATUS_SUCCESS; /* the next one may do */
  if (taken) p->plan = d, p->workspace = (size_t)bytes;
  return taken;
}

/* The first that does, of those that heuristics of this mode name. */
static bool take_best(cudnn_plan *p, cudnnHandle_t handle, cudnnBackendDescriptor_t problem, int mode) {
  cudnnBackendDescriptor_t configs[CONFIGS], heuristics = make(p, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  int64_t n = 0;
  set_descriptor(p, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, problem);
  set_choice(p, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  finish(p, heuristics);
  const int before = p->n_made;
  for (int i = 0; i < CONFIGS; i++) configs[i] = make(p, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  if (!p->failed)
    p->failed = cudnn()->cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                  CUDNN_TYPE_BACKEND_DESCRIPTOR, CONFIGS, &n, configs);
  const int after = p->n_made;
  bool taken = false;
  for (int64_t i = 0; i < n && i < CONFIGS && !p->failed && !taken; i++) {
    taken = take_config(p, handle, configs[i]);
    while (!taken && p->n_made > after) cudnn()->cudnnBackendDestroyDescriptor(p->made[--p->n_made]);
  }
  while (!taken && p->n_made > before) cudnn()->cudnnBackendDestroyDescriptor(p->made[--p->n_made]);
  p->failed = CUDNN_STATUS_SUCCESS;
  return taken;
}

static void make_plan(cudnn_plan *p, cudnnHandle_t handle) {
  static const int modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_INSTANT, CUDNN_HEUR_MODE_FALLBACK};
  cudnnBackendDescriptor_t problem = graph(p, handle);
  p->none = true;
  for (int i = 0; i < 3 && !p->failed && p->none; i++) p->none = !take_best(p, handle, problem, modes[i]);
  if (p->none) free_descriptors(p);
}

/* The lock is held. */
static bool open_convs(struct convs *c) {
  if (!c->opened) c->absent = cudnn()->cudnnCreate(&c->handle) != CUDNN_STATUS_SUCCESS;
  c->opened = true;
  return !c->absent;
}

static cudnn_plan *find_plan(struct convs *c, const cudnn_problem *p) {
  cudnn_plan **place = &c->plans[hash_bytes(p, sizeof *p, 0) % PLACES];
  for (cudnn_plan *old = *place; old; old = old->next)
    if (!memcmp(&old->problem, p, sizeof *p)) return old;
  cudnn_plan *made = mem_zalloc(sizeof *made);
  if (!made) return NULL;
  memcpy(&made->problem, p, sizeof *p);
  make_plan(made, c->handle);
  made->next = *place;
  return *place = made;
}

const cudnn_plan *cudnn_plan_for(cuda_device *d, const cudnn_problem *p) {
  struct convs *c = &convs[d->index];
  pthread_once(&locks_made, make_locks);
  pthread_mutex_lock(&c->lock);
  const cudnn_plan *found = open_convs(c) ? find_plan(c, p) : NULL;
  pthread_mutex_unlock(&c->lock);
  return found && !found->none ? found : NULL;
}

size_t cudnn_workspace(const cudnn_plan *p) { return p->workspace; }

/* ---- running ---- */

static cuda_failure check(cudnnStatus_t status, const char *call) {
  return status == CUDNN_STATUS_SUCCESS ? (cuda_failure){NULL, 0} : (cuda_failure){call, status};
}

static cuda_failure set_pack(cudnnBackendDescriptor_t pack, void *const *tensors, void *workspace) {
  static const int64_t ids[CUDNN_TENSORS] = {CUDNN_X + 1, CUDNN_W + 1, CUDNN_Y + 1};
  const struct {
    int attribute, type, count;
    const void *values;
  } all[] = {{CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, CUDNN_TENSORS, ids},
             {CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, CUDNN_TENSORS, tensors},
             {CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace}};
  cuda_failure why = {NULL, 0};
  for (int i = 0; i < 3 && !why.call; i++)
    why = check(
        cudnn()->cudnnBackendSetAttribute(pack, all[i].attribute, all[i].type, all[i].count, all[i].values),
        "cudnnBackendSetAttribute");
  return why.call ? why : check(cudnn()->cudnnBackendFinalize(pack), "cudnnBackendFinalize");
}

cuda_failure cudnn_run(cuda_device *d, const cudnn_plan *p, CUstream queue, void *const *tensors,
                       void *workspace) {
  struct convs *c = &convs[d->index];
  cudnnBackendDescriptor_t pack = NULL;
  cuda_failure why =
      check(cudnn()->cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack),
            "cudnnBackendCreateDescriptor");
  if (why.call) return why;
  why = set_pack(pack, tensors, workspace);
  pthread_mutex_lock(&c->lock); /* one queue at a time */
  if (!why.call) why = check(cudnn()->cudnnSetStream(c->handle, queue), "cudnnSetStream");
  if (!why.call) why = check(cudnn()->cudnnBackendExecute(c->handle, p->plan, pack), "cudnnBackendExecute");
  pthread_mutex_unlock(&c->lock);
  cudnn()->cudnnBackendDestroyDescriptor(pack);
  return why;
}
