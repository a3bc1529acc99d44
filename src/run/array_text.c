/* array_text.c: arrays as text, character for character as MLX prints them: six significant digits unless told
   otherwise, and of an axis longer than six the first three and the last three. Uses read.c. */
#include "run/run.h"
#include <inttypes.h>
#include <math.h>

enum { LONGEST = 6, AT_AN_END = 3 };

static atomic_int precision = -1;

void pons_set_printoptions(pons_printoptions options) { atomic_store(&precision, options.precision); }
pons_printoptions pons_get_printoptions(void) { return (pons_printoptions){atomic_load(&precision)}; }

static void add_float(text *t, double x) {
  const int digits = atomic_load_explicit(&precision, memory_order_relaxed);
  if (isnan(x))
    text_add(t, signbit(x) ? "-nan" : "nan");
  else if (digits < 0)
    text_add(t, "%g", x);
  else
    text_add(t, "%.*f", digits, x);
}

static void add_complex(text *t, pons_dtype dtype, const void *at) {
  const pons_dtype part = dtype_of_parts(dtype);
  const double re = dtype_read(part, at), im = dtype_read(part, (const char *)at + pons_dtype_size(part));
  add_float(t, re);
  if (im >= 0 || isnan(im)) text_add(t, "+");
  add_float(t, im);
  text_add(t, "j");
}

static void add_element(text *t, pons_dtype dtype, const void *at) {
  switch (dtype_kind_of(dtype)) {
    case KIND_BOOL:
      text_add(t, dtype_read_int(dtype, at) ? "True" : "False");
      break;
    case KIND_UNSIGNED:
      text_add(t, "%" PRIu64, (uint64_t)dtype_read_int(dtype, at));
      break;
    case KIND_SIGNED:
      text_add(t, "%" PRId64, dtype_read_int(dtype, at));
      break;
    case KIND_FLOAT:
      add_float(t, dtype_read(dtype, at));
      break;
    case KIND_COMPLEX:
      add_complex(t, dtype, at);
      break;
  }
}

/* The part of `a` from `axis` on that begins at `at`. */
static void add_part(text *t, const node *a, int axis, const char *at) {
  const pons_dtype dtype = (pons_dtype)a->dtype;
  if (axis == a->ndim) {
    add_element(t, dtype, at);
    return;
  }
  const int64_t n = a->shape[axis];
  const int64_t step = node_strides(a)[axis] * (int64_t)pons_dtype_size(dtype);
  text_add(t, "[");
  for (int64_t i = 0; i < n; i++) {
    if (i > 0) text_add(t, axis == a->ndim - 1 ? ", " : ",\n%*s", (int)strlen("array(") + axis + 1, "");
    if (n > LONGEST && i == AT_AN_END) {
      text_add(t, "...");
      i = n - AT_AN_END - 1;
    } else {
      add_part(t, a, axis + 1, at + i * step);
    }
  }
  text_add(t, "]");
}

char *pons_to_text(pons_array a) {
  if (!pons_data(a)) return NULL;
  text t = {0};
  text_add(&t, "array(");
  add_part(&t, a, 0, node_data(a));
  text_add(&t, ", dtype=%s)", pons_dtype_name((pons_dtype)a->dtype));
  char *all = text_take(&t);
  if (!all) error_release(fail_no_memory("to_text"));
  return all;
}
