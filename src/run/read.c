/* read.c: reading arrays: evaluates, waits, and puts elements in row-major order. Uses graph/, execute.c. */
#include "run/run.h"

/* Has its value when this returns true. */
static bool computed(pons_array a) { return pons_eval_many(&a, 1); }

/* A strided array gets memory of its own, in order, so that a pointer to its elements is good for as long as
   it lives. Others who read it hold its old buffer. */
static error *put_in_order(node *a) {
  error *why = NULL;
  graph_lock();
  if (!shape_is_row_major(a->ndim, a->shape, node_strides(a))) {
    const operand x = {node_data(a), (pons_dtype)a->dtype, a->ndim, a->shape, node_strides(a)};
    buffer *b = x.data ? run_row_major(&x, &why) : NULL;
    if (b) {
      buffer_release(a->buffer);
      a->buffer = b;
      a->offset = 0;
      shape_row_major(a->ndim, a->shape, node_strides(a));
    }
  }
  graph_unlock();
  return why;
}

const void *pons_data(pons_array a) {
  if (!computed(a)) return NULL;
  error *why = put_in_order(a);
  error_release(why);
  static const char nothing = 0; /* an empty array may have no memory, but it has data */
  return why ? NULL : a->size ? node_data(a) : &nothing;
}

bool pons_copy_out(pons_array a, void *destination) {
  const void *data = pons_data(a);
  if (!data) return false;
  const size_t bytes = pons_nbytes(a);
  if (bytes) memcpy(destination, data, bytes);
  return true;
}

/* The address of the one element, or NULL and an error. */
static const void *only_element(pons_array a) {
  if (!computed(a)) return NULL;
  if (a->size == 1) return node_data(a);
  error_release(fail("item", "only an array of one element has an item: %s", node_text(a)));
  return NULL;
}

double pons_item(pons_array a) {
  const void *at = only_element(a);
  return at ? dtype_read((pons_dtype)a->dtype, at) : 0;
}

int64_t pons_item_int(pons_array a) {
  const void *at = only_element(a);
  return at ? dtype_read_int((pons_dtype)a->dtype, at) : 0;
}
