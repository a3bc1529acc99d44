/* cudnn.c: a double of cuDNN's backend API (libcudnn.so.9): convolutions and their gradients by their definition, queued on the
   driver's double. Its heuristics name three ways: one that makes TF32 of float32, one whose result is different each time (here:
   wrong), and one that is right; so who takes one that was not to be taken is found out. Attributes that are missing, of another
   type, or don't fit together fail as they do there; so do tensors that don't have channels innermost, and w that lies otherwise.
   The workspace is written over. Uses cuda/cudnn.h for its types, doubles/. */
#include "backends/cuda/cudnn.h"
#include "tests/cuda_double/queue.h"
#include "tests/doubles/faults.h"
#include "tests/doubles/half.h"
#include <math.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

enum {
  MOST = 8,
  ATTRIBUTES = 12,
  WORK_BYTES = 64,
  BAD = CUDNN_STATUS_BAD_PARAM,
  UNSUPPORTED = CUDNN_STATUS_NOT_SUPPORTED
};
enum { WITH_TF32, CHANGING, RIGHT, WAYS };

struct cudnnContext {
  CUstream stream;
};
typedef struct attribute {
  int which, type;
  int64_t count;
  char bytes[MOST * 8];
} attribute;
typedef struct descriptor {
  int kind, n, way; /* way: of configurations and engines */
  bool finished;
  attribute all[ATTRIBUTES];
  struct descriptor *of; /* of what is told by the library: its problem */
} descriptor;

static driver_queue *queue;
EXPORT size_t cudnnGetVersion(void) { return 91900; }
EXPORT size_t cudnnGetCudartVersion(void) { return 12000; }

EXPORT cudnnStatus_t cudnnCreate(cudnnHandle_t *out) {
  const int status = fault_of("cudnnCreate");
  queue = find_queue();
  if (status || !queue) return status ? status : BAD;
  *out = calloc(1, sizeof **out);
  return *out ? CUDNN_STATUS_SUCCESS : BAD;
}

EXPORT cudnnStatus_t cudnnSetStream(cudnnHandle_t h, CUstream stream) {
  h->stream = stream;
  return fault_of("cudnnSetStream");
}

/* ---- attributes ---- */

static size_t size_of(int type) {
  return type == CUDNN_TYPE_DATA_TYPE || type == CUDNN_TYPE_FLOAT || type == CUDNN_TYPE_CONVOLUTION_MODE ||
                 type == CUDNN_TYPE_HEUR_MODE || type == CUDNN_TYPE_NUMERICAL_NOTE
             ? 4
             : 8;
}

EXPORT cudnnStatus_t cudnnBackendCreateDescriptor(int kind, cudnnBackendDescriptor_t *out) {
  const int status = fault_of("cudnnBackendCreateDescriptor");
  if (status) return status;
  descriptor *d = calloc(1, sizeof *d);
  if (!d) return BAD;
  d->kind = kind;
  *out = d;
  return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d) {
  free(d);
  return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t to, int which, int type, int64_t count,
                                              const void *values) {
  const int status = fault_of("cudnnBackendSetAttribute");
  descriptor *d = to;
  if (status) return status;
  if (!d || d->finished || count < 1 || count > MOST || d->n == ATTRIBUTES) return BAD;
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR && !(*(descriptor *const *)values)->finished) return BAD;
  attribute *a = &d->all[d->n++];
  a->which = which, a->type = type, a->count = count;
  memcpy(a->bytes, values, (size_t)count * size_of(type));
  return CUDNN_STATUS_SUCCESS;
}

/* NULL: it was not told, or otherwise. */
static const void *told(const descriptor *d, int which, int type, int64_t count) {
  for (int i = 0; d && i < d->n; i++)
    if (d->all[i].which == which)
      return d->all[i].type == type && d->all[i].count == count ? d->all[i].bytes : NULL;
  return NULL;
}
static const int64_t *numbers(const descriptor *d, int which, int64_t count) {
  return told(d, which, CUDNN_TYPE_INT64, count);
}
static int choice(const descriptor *d, int which, int type) {
  const int *value = told(d, which, type, 1);
  return value ? *value : -1;
}
static descriptor *part(const descriptor *d, int which, int kind) {
  descriptor *const *value = told(d, which, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1);
  return value && (*value)->kind == kind ? *value : NULL;
}

/* ---- a convolution ---- */

enum { X, W, Y, TENSORS };
typedef struct problem {
  int kind, axes, type;
  int64_t shape[TENSORS][5], strides[TENSORS][5], align[TENSORS], stride[3], dilation[3], before[3], after[3];
} problem;

static int first_of(int kind) {
  return kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR
             ? CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA
         : kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR
             ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA
             : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA;
}

static bool read_tensor(problem *p, int which, const descriptor *d) {
  const int64_t *shape = numbers(d, CUDNN_ATTR_TENSOR_DIMENSIONS, p->axes + 2),
                *strides = numbers(d, CUDNN_ATTR_TENSOR_STRIDES, p->axes + 2);
  const int64_t *id = numbers(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, 1),
                *align = numbers(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 1);
  const int type = choice(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE);
  if (!shape || !strides || !id || !align || *id != which + 1 || (which && type != p->type)) return false;
  p->type = type, p->align[which] = *align;
  for (int i = 0; i < p->axes + 2; i++) {
    if (shape[i] < 1 || strides[i] < 1) return false;
    p->shape[which][i] = shape[i], p->strides[which][i] = strides[i];
  }
  return type == CUDNN_DATA_FLOAT || type == CUDNN_DATA_HALF || type == CUDNN_DATA_BFLOAT16;
}

static bool read_convolution(problem *p, const descriptor *d) {
  const int64_t *axes = numbers(d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 1);
  if (!axes || *axes < 2 || *axes > 3 ||
      choice(d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE) != CUDNN_DATA_FLOAT ||
      choice(d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE) != CUDNN_CROSS_CORRELATION)
    return false;
  p->axes = (int)*axes;
  static const int which[] = {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_ATTR_CONVOLUTION_DILATIONS,
                              CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS};
  int64_t *const to[] = {p->stride, p->dilation, p->before, p->after};
  for (int i = 0; i < 4; i++) {
    const int64_t *list = numbers(d, which[i], p->axes);
    if (!list) return false;
    for (int k = 0; k < p->axes; k++)
      if ((to[i][k] = list[k]) < (i < 2)) return false;
  }
  return true;
}

/* Does y have the places that x, w and the padding give? */
static bool fits(const problem *p) {
  const int64_t groups = p->shape[X][1] / p->shape[W][1];
  bool fine = p->shape[X][0] == p->shape[Y][0] && p->shape[W][0] == p->shape[Y][1] &&
              p->shape[X][1] % p->shape[W][1] == 0 && p->shape[Y][1] % groups == 0;
  for (int d = 0; d < p->axes; d++) {
    const int64_t reach = (p->shape[W][d + 2] - 1) * p->dilation[d] + 1,
                  room = p->shape[X][d + 2] + p->before[d] + p->after[d];
    fine = fine && room >= reach && (room - reach) / p->stride[d] + 1 == p->shape[Y][d + 2];
  }
  return fine;
}

static bool read_problem(problem *p, const descriptor *op) {
  const int first = first_of(op->kind);
  const float *alpha = told(op, first, CUDNN_TYPE_FLOAT, 1), *beta = told(op, first + 1, CUDNN_TYPE_FLOAT, 1);
  const descriptor *conv = part(op, first + 2, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  static const int order[TENSORS] = {W, X, Y};
  *p = (problem){.kind = op->kind};
  if (!alpha || !beta || *alpha < 1 || *alpha > 1 || *beta > 0 || *beta < 0 || !conv ||
      !read_convolution(p, conv))
    return false;
  const descriptor *tensors[TENSORS];
  for (int i = 0; i < TENSORS; i++)
    tensors[order[i]] = part(op, first + 3 + i, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  for (int i = 0; i < TENSORS; i++)
    if (!tensors[i] || !read_tensor(p, i, tensors[i])) return false;
  return fits(p);
}

/* What there are engines for. */
static bool is_supported(const problem *p) {
  int64_t step = p->shape[W][1];
  bool fine = p->strides[X][1] == 1 && p->strides[Y][1] == 1 && p->strides[W][1] == 1;
  for (int d = p->axes + 1; d > 1; d--) fine = fine && p->strides[W][d] == step, step *= p->shape[W][d];
  for (int i = 0; i < TENSORS; i++) fine = fine && p->align[i] >= (p->type == CUDNN_DATA_FLOAT ? 4 : 16);
  return fine && p->strides[W][0] == step;
}

/* ---- finishing ---- */

static descriptor *operation_of(const descriptor *graph) {
  descriptor *op = NULL;
  for (int kind = CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR;
       kind <= CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR && !op; kind++)
    op = part(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, kind);
  return op;
}

EXPORT cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t of) {
  const int status = fault_of("cudnnBackendFinalize");
  descriptor *d = of;
  problem p;
  bool fine = d && !d->finished;
  if (status || !fine) return status ? status : BAD;
  switch (d->kind) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR: /* by the operation */
      break;
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
      fine = read_problem(&p, d);
      break;
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      fine = told(d, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1) &&
             (d->of = operation_of(d)) != NULL;
      break;
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      d->of = part(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
      fine = d->of && choice(d, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE) >= 0;
      break;
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
      d->of = part(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
      fine = d->of && told(d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1);
      if (fine && !(read_problem(&p, d->of->of) && is_supported(&p))) return UNSUPPORTED;
      break;
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      fine = numbers(d, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, TENSORS) &&
             told(d, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, TENSORS) &&
             told(d, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1);
      break;
    default:
      fine = false;
  }
  d->finished = fine;
  return fine ? CUDNN_STATUS_SUCCESS : BAD;
}

/* ---- what is asked ---- */

static int64_t tell_notes(int way, int64_t room, int *notes) {
  if (way == RIGHT || room < 2) return 0;
  notes[0] = way == WITH_TF32 ? CUDNN_NUMERICAL_NOTE_TENSOR_CORE : CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
  return 1;
}

EXPORT cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t of, int which, int type, int64_t room,
                                              int64_t *count, void *values) {
  const int status = fault_of("cudnnBackendGetAttribute");
  const descriptor *d = of;
  descriptor **list = values;
  if (status) return status;
  if (!d || !d->finished) return BAD;
  if (which == CUDNN_ATTR_ENGINEHEUR_RESULTS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR &&
      d->kind == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR) {
    const bool fallback =
        choice(d, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE) == CUDNN_HEUR_MODE_FALLBACK;
    *count = 0;
    for (int way = fallback ? RIGHT : WITH_TF32; way < WAYS && *count < room; way++, (*count)++) {
      list[*count]->of = d->of->of, list[*count]->way = way;
      list[*count]->finished = true;
    }
  } else if (which == CUDNN_ATTR_ENGINECFG_ENGINE && type == CUDNN_TYPE_BACKEND_DESCRIPTOR &&
             d->kind == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR) {
    list[0]->way = d->way, list[0]->finished = true, *count = 1;
  } else if (which == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE && type == CUDNN_TYPE_NUMERICAL_NOTE &&
             d->kind == CUDNN_BACKEND_ENGINE_DESCRIPTOR) {
    *count = tell_notes(d->way, room, values);
  } else if (which == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && type == CUDNN_TYPE_INT64 &&
             d->kind == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    *(int64_t *)values = WORK_BYTES, *count = 1;
  } else {
    return BAD;
  }
  return CUDNN_STATUS_SUCCESS;
}

/* ---- running ---- */

typedef struct job {
  problem p;
  int way;
  char *at[TENSORS], *work;
} job;

static double get(const job *j, int which, int64_t at) {
  float f;
  uint32_t bits;
  if (j->p.type == CUDNN_DATA_HALF) return half_value(((const uint16_t *)j->at[which])[at]);
  if (j->p.type == CUDNN_DATA_BFLOAT16)
    bits = (uint32_t)((const uint16_t *)j->at[which])[at] << 16;
  else
    memcpy(&bits, j->at[which] + 4 * at, sizeof bits);
  if (j->p.type == CUDNN_DATA_FLOAT && j->way == WITH_TF32) bits &= ~0x1fffu;
  memcpy(&f, &bits, sizeof f);
  return (double)f;
}

static void put(const job *j, int which, int64_t at, double x) {
  const float f = (float)x;
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  if (j->p.type == CUDNN_DATA_FLOAT)
    memcpy(j->at[which] + 4 * at, &f, sizeof f);
  else
    ((uint16_t *)j->at[which])[at] =
        j->p.type == CUDNN_DATA_HALF ? half_nearest(x) : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static bool next(int n, const int64_t *sizes, int64_t *at) {
  for (int d = n - 1; d >= 0; d--) {
    if (++at[d] < sizes[d]) return true;
    at[d] = 0;
  }
  return false;
}

static int64_t place(const problem *p, int which, const int64_t *at) {
  int64_t sum = 0;
  for (int d = 0; d < p->axes + 2; d++) sum += at[d] * p->strides[which][d];
  return sum;
}

/* Every y meets every w of its group at one x, if that is inside: what each gives is added where the result is. */
static void run(void *context) {
  const job *j = context;
  const problem *p = &j->p;
  const int result = p->kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR         ? Y
                     : p->kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? X
                                                                                               : W;
  const int a = result == Y ? X : Y, b = result == W ? X : W;
  int64_t most = 0, y[5] = {0};
  for (int d = 0; d < p->axes + 2; d++) most += (p->shape[result][d] - 1) * p->strides[result][d];
  double *sums = calloc((size_t)most + 1, sizeof *sums);
  if (!sums) abort();
  memset(j->work, 0xff, WORK_BYTES);
  const int64_t of_group = p->shape[W][0] / (p->shape[X][1] / p->shape[W][1]);
  do {
    int64_t tap[4] = {0};
    do {
      int64_t x[5] = {y[0], y[1] / of_group * p->shape[W][1] + tap[0]}, w[5] = {y[1], tap[0]};
      bool inside = true;
      for (int d = 0; d < p->axes; d++) {
        w[d + 2] = tap[d + 1];
        x[d + 2] = y[d + 2] * p->stride[d] + tap[d + 1] * p->dilation[d] - p->before[d];
        inside = inside && x[d + 2] >= 0 && x[d + 2] < p->shape[X][d + 2];
      }
      if (!inside) continue;
      const int64_t at[TENSORS] = {place(p, X, x), place(p, W, w), place(p, Y, y)};
      sums[at[result]] += get(j, a, at[a]) * get(j, b, at[b]);
    } while (next(p->axes + 1, p->shape[W] + 1, tap));
  } while (next(p->axes + 2, p->shape[Y], y));
  int64_t at[5] = {0};
  do put(j, result, place(p, result, at), j->way == CHANGING ? 1e9 : sums[place(p, result, at)]);
  while (next(p->axes + 2, p->shape[result], at));
  free(sums);
}

EXPORT cudnnStatus_t cudnnBackendExecute(cudnnHandle_t h, cudnnBackendDescriptor_t plan,
                                         cudnnBackendDescriptor_t variant_pack) {
  const int status = fault_of("cudnnBackendExecute");
  const descriptor *d = plan, *pack = variant_pack;
  if (status) return status;
  if (!d || !d->finished || d->kind != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR || !pack || !pack->finished)
    return BAD;
  job j = {.way = d->of->way};
  const int64_t *ids = numbers(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, TENSORS);
  char *const *at = told(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, TENSORS);
  j.work = *(char *const *)told(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1);
  if (!read_problem(&j.p, d->of->of) || !j.work) return BAD;
  for (int i = 0; i < TENSORS; i++) {
    if (ids[i] < 1 || ids[i] > TENSORS || !at[i] || (uintptr_t)at[i] % (uintptr_t)j.p.align[ids[i] - 1])
      return BAD;
    j.at[ids[i] - 1] = at[i];
  }
  return queue(h->stream, run, &j, sizeof j) == CUDA_SUCCESS ? CUDNN_STATUS_SUCCESS
                                                             : CUDNN_STATUS_EXECUTION_FAILED;
}
