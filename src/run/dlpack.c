/* dlpack.c: arrays that share their memory with other libraries, through DLPack's structures. Uses graph/,
   device/. */
#include "run/dlpack.h"
#include "run/run.h"

static const struct code {
  pons_dtype dtype;
  DLDataType as;
} codes[] = {{PONS_BOOL, {kDLBool, 8, 1}},        {PONS_UINT8, {kDLUInt, 8, 1}},
             {PONS_UINT16, {kDLUInt, 16, 1}},     {PONS_UINT32, {kDLUInt, 32, 1}},
             {PONS_UINT64, {kDLUInt, 64, 1}},     {PONS_INT8, {kDLInt, 8, 1}},
             {PONS_INT16, {kDLInt, 16, 1}},       {PONS_INT32, {kDLInt, 32, 1}},
             {PONS_INT64, {kDLInt, 64, 1}},       {PONS_FLOAT16, {kDLFloat, 16, 1}},
             {PONS_FLOAT32, {kDLFloat, 32, 1}},   {PONS_FLOAT64, {kDLFloat, 64, 1}},
             {PONS_BFLOAT16, {kDLBfloat, 16, 1}}, {PONS_COMPLEX64, {kDLComplex, 64, 1}},
             {PONS_COMPLEX128, {kDLComplex, 128, 1}}};
enum { CODES = sizeof codes / sizeof codes[0] };

/* ---- out ---- */

typedef struct lent {
  DLManagedTensor tensor;
  buffer *buffer;
  int64_t lists[]; /* shape, strides */
} lent;

static void take_back(DLManagedTensor *tensor) {
  lent *l = tensor->manager_ctx;
  buffer_release(l->buffer);
  mem_free(l);
}

static DLDataType code_of(pons_dtype dtype) {
  for (int i = 0; i < CODES; i++)
    if (codes[i].dtype == dtype) return codes[i].as;
  return (DLDataType){0};
}

struct DLManagedTensor *pons_to_dlpack(pons_array a) {
  if (!pons_eval(a)) return NULL;
  const size_t n = (size_t)a->ndim;
  lent *l = mem_alloc(sizeof *l + 2 * n * sizeof *l->lists);
  if (!l) {
    error_release(fail_no_memory("to_dlpack"));
    return NULL;
  }
  graph_lock();
  if (n) {
    memcpy(l->lists, a->shape, n * sizeof *l->lists);
    memcpy(l->lists + n, node_strides(a), n * sizeof *l->lists);
  }
  l->buffer =
      buffer_keep(a->buffer); /* the buffer, not the node: a node may move to other memory when it is read */
  l->tensor = (DLManagedTensor){.dl_tensor = {.data = node_data(a),
                                              .device = {kDLCPU, 0},
                                              .ndim = a->ndim,
                                              .dtype = code_of((pons_dtype)a->dtype),
                                              .shape = l->lists,
                                              .strides = l->lists + n},
                                .manager_ctx = l,
                                .deleter = take_back};
  graph_unlock();
  return &l->tensor;
}

/* ---- in ---- */

static void give_back(void *owner) {
  DLManagedTensor *tensor = owner;
  if (tensor->deleter) tensor->deleter(tensor);
}

static error *read_dtype(const DLTensor *t, pons_dtype *dtype) {
  for (int i = 0; i < CODES; i++) {
    const DLDataType *c = &codes[i].as;
    if (c->code != t->dtype.code || c->bits != t->dtype.bits || c->lanes != t->dtype.lanes) continue;
    *dtype = codes[i].dtype;
    return NULL;
  }
  return fail("from_dlpack", "no dtype for code %d with %d bits and %d lanes", t->dtype.code, t->dtype.bits,
              t->dtype.lanes);
}

static error *read_tensor(const DLTensor *t, pons_dtype *dtype, shape *s) {
  if (t->device.device_type != kDLCPU && t->device.device_type != kDLCUDAHost)
    return fail("from_dlpack", "memory of device type %d can't be read by the CPU",
                (int)t->device.device_type);
  error *why = read_dtype(t, dtype);
  if (why) return why;
  if (!shape_from((pons_shape){t->ndim, t->shape}, s))
    return fail("from_dlpack", "%d axes of such sizes", (int)t->ndim);
  const char *first = t->data ? (const char *)t->data + t->byte_offset : NULL;
  if (shape_size(s->n, s->dims) && !first)
    return fail("from_dlpack", "no data for shape %s", shape_text(s->n, s->dims));
  if ((uintptr_t)first % pons_dtype_size(*dtype))
    return fail("from_dlpack", "elements of %s at %p are not aligned", pons_dtype_name(*dtype),
                (const void *)first);
  return NULL;
}

/* The bytes from the first element to the end of the last. */
static size_t extent(const shape *s, const int64_t *strides, size_t element) {
  int64_t last = 0;
  for (int i = 0; i < s->n; i++) {
    if (s->dims[i] == 0) return 0;
    if (strides[i] > 0) last += (s->dims[i] - 1) * strides[i];
  }
  return ((size_t)last + 1) * element;
}

pons_array pons_from_dlpack(struct DLManagedTensor *tensor) {
  if (!tensor) return node_fail("from_dlpack", "the tensor is NULL");
  const DLTensor *t = &tensor->dl_tensor;
  pons_dtype dtype = PONS_BOOL;
  shape s;
  error *why = read_tensor(t, &dtype, &s);
  if (why) {
    give_back(tensor);
    return node_error(why);
  }
  int64_t strides[PONS_MAX_NDIM];
  shape_row_major(s.n, s.dims, strides);
  if (t->strides && s.n) memcpy(strides, t->strides, (size_t)s.n * sizeof *strides);
  char *first = t->data ? (char *)t->data + t->byte_offset : NULL;
  buffer *b = buffer_wrap(first, extent(&s, strides, pons_dtype_size(dtype)), give_back, tensor, &why);
  return b ? node_constant(b, dtype, s.n, s.dims, strides, 0) : node_error(why);
}
