/* array.c: arrays made from data, and what can be asked of them without computing. Uses device/ for their
   memory. */
#include "graph/graph.h"

/* *data stays as it is when this fails. */
static pons_array fresh(pons_dtype dtype, const shape *s, const char *op, void **data) {
  error *why = NULL;
  buffer *b = buffer_new((size_t)shape_size(s->n, s->dims) * pons_dtype_size(dtype), op, &why);
  if (!b) return node_error(why);
  void *at = buffer_data(b);
  pons_array a = node_constant(b, dtype, s->n, s->dims, NULL, 0);
  if (!node_failed(a)) *data = at;
  return a;
}

void *node_fetch(const node *a) {
  error *why = NULL;
  char *data = buffer_host(a->buffer, node_bytes(a), &why);
  error_meet(why);
  error_release(why);
  return data ? data + node_offset(a) : NULL;
}

static error *check(const char *op, const void *data, pons_shape in, pons_dtype dtype, shape *s) {
  if (!dtype_is_valid((int)dtype)) return fail(op, "%d is no dtype", (int)dtype);
  if (!shape_from(in, s)) return fail(op, "shape %s is none", shape_text(in.count, in.at));
  const int64_t size = shape_size(s->n, s->dims);
  if (size > INT64_MAX / 8)
    return fail_as(PONS_ERROR_OVERFLOW, op, "shape %s has too many elements", shape_text(s->n, s->dims));
  if (size && !data) return fail(op, "data is NULL for shape %s", shape_text(s->n, s->dims));
  return NULL;
}

pons_array pons_array_from(const void *data, pons_shape in, pons_dtype dtype) {
  shape s;
  error *e = check("array_from", data, in, dtype, &s);
  if (e) return node_error(e);
  void *to = NULL;
  pons_array a = fresh(dtype, &s, "array_from", &to);
  if (!node_failed(a) && a->size) memcpy(to, data, (size_t)a->size * pons_dtype_size(dtype));
  return a;
}

pons_array pons_from_data(void *data, pons_shape in, pons_dtype dtype, void (*destroy)(void *), void *owner) {
  shape s;
  error *e = check("from_data", data, in, dtype, &s);
  if (e) {
    if (destroy) destroy(owner);
    return node_error(e);
  }
  const size_t bytes = (size_t)shape_size(s.n, s.dims) * pons_dtype_size(dtype);
  if ((uintptr_t)data % pons_dtype_size(dtype)) { /* kernels read whole elements: misaligned data is copied */
    pons_array copy = pons_array_from(data, in, dtype);
    if (destroy) destroy(owner);
    return copy;
  }
  buffer *b = buffer_wrap(data, bytes, destroy, owner, &e);
  return b ? node_constant(b, dtype, s.n, s.dims, NULL, 0) : node_error(e);
}

static pons_array scalar(pons_dtype dtype, bool weak, void **data) {
  static const shape none = {0, {0}};
  pons_array a = fresh(dtype, &none, "scalar", data);
  if (!node_failed(a)) a->weak = weak;
  return a;
}

pons_array pons_scalar(double value, pons_dtype dtype) {
  if (!dtype_is_valid((int)dtype)) return node_fail("scalar", "%d is no dtype", (int)dtype);
  void *data = NULL;
  pons_array a = scalar(dtype, false, &data);
  if (data) dtype_write(dtype, data, value);
  return a;
}

pons_array pons_float(double value) {
  void *data = NULL;
  pons_array a = scalar(PONS_FLOAT32, true, &data);
  if (data) *(float *)data = (float)value;
  return a;
}

pons_array pons_int(int64_t value) {
  void *data = NULL;
  const pons_dtype dtype = value >= INT32_MIN && value <= INT32_MAX ? PONS_INT32 : PONS_INT64;
  pons_array a = scalar(dtype, true, &data);
  if (data) dtype_write_int(dtype, data, value);
  return a;
}

pons_array pons_bool(bool value) {
  void *data = NULL;
  pons_array a = scalar(PONS_BOOL, true, &data);
  if (data) *(bool *)data = value;
  return a;
}

pons_array pons_complex(float real, float imag) {
  void *data = NULL;
  pons_array a = scalar(PONS_COMPLEX64, false, &data);
  if (data) ((float *)data)[0] = real, ((float *)data)[1] = imag;
  return a;
}

pons_dtype pons_dtype_of(pons_array a) { return a ? (pons_dtype)a->dtype : PONS_FLOAT32; }
int pons_ndim(pons_array a) { return a ? a->ndim : 0; }
pons_shape pons_shape_of(pons_array a) { return a ? (pons_shape){a->ndim, a->shape} : PONS_SCALAR; }
int64_t pons_size(pons_array a) { return a ? a->size : 0; }
size_t pons_nbytes(pons_array a) { return a ? (size_t)a->size * pons_dtype_size((pons_dtype)a->dtype) : 0; }
bool pons_is_evaluated(pons_array a) { return a && node_state_of(a) == NODE_READY; }

bool pons_has_value(pons_array a) {
  if (!a || node_failed(a)) return false;
  tape t;
  if (node_state_of(a) == NODE_READY) return true;
  if (!tape_walk(&t, &a, 1, NULL, 0)) {
    error_release(fail_no_memory("has_value"));
    return false;
  }
  bool known = true;
  for (int64_t i = 0; i < t.count; i++) known = known && t.at[i].node->prim != &prim_input;
  tape_free(&t);
  return known;
}

int pons_made_from(const pons_array *arrays, int count, const pons_array *sources, int n_sources) {
  tape t;
  if (!tape_walk(&t, arrays, count, sources, n_sources)) {
    error_release(fail_no_memory("made_from"));
    return -1;
  }
  int found = n_sources;
  while (--found >= 0 && map_get(&t.index, sources[found], -1) < 0) continue;
  tape_free(&t);
  return found;
}

int64_t pons_dim(pons_array a, int axis) {
  const int i = a ? axis_normal(axis, a->ndim) : -1;
  return i < 0 ? -1 : a->shape[i];
}

size_t pons_get_array_buffer_size(const pons_array *arrays, int count) {
  map seen = {0};
  size_t bytes = 0;
  error *e = NULL;
  for (int i = 0; i < count && !e; i++) {
    if (!pons_is_evaluated(arrays[i])) {
      e = fail("get_array_buffer_size", "array %d of %d is not evaluated", i + 1, count);
    } else if (map_get(&seen, arrays[i]->buffer, -1) < 0) {
      bytes += buffer_block_bytes(arrays[i]->buffer);
      if (!map_set(&seen, arrays[i]->buffer, i)) e = fail_no_memory("get_array_buffer_size");
    }
  }
  map_free(&seen);
  error_release(e);
  return e ? 0 : bytes;
}

const char *pons_error_of(pons_array a) { return a && node_failed(a) ? error_text(a->error) : NULL; }
pons_error_kind pons_error_kind_of(pons_array a) {
  return a && node_failed(a) ? error_kind(a->error) : PONS_ERROR_NONE;
}
