/* hadamard_gpu.c: launches hadamard.kc: "Hadamard". Uses gpu.h. */
#include "backends/gpu/gpu.h"

extern const char kernel_hadamard[];

enum { MOST_HADAMARD = 4096, THREADS = 128 };

static bool is_empty(const operand *x) { return shape_size(x->ndim, x->shape) == 0; }

const char *gpu_refuses_hadamard(const gpu_backend *b, const launch *l) {
  (void)b;
  const operand *x = l->in;
  if (is_empty(x)) return "there are no elements";
  const int64_t bytes = x->dtype == PONS_FLOAT64 ? 8 : 4;
  if (x->shape[x->ndim - 1] * bytes > MOST_HADAMARD * 4) return "a line is too long for local memory";
  return gpu_common_features(b).local_bytes < MOST_HADAMARD * 4 ? "local memory is too small" : NULL;
}

error *gpu_hadamard(const gpu_backend *b, const launch *l) {
  const operand *x = l->in;
  const int last = x->ndim - 1, rows = hadamard_factor(x->shape[last]);
  const gpu_walk lines = gpu_walk_of(last, x->shape, 1, (const int64_t *const[]){x->strides});
  const bool is_double = x->dtype == PONS_FLOAT64;
  gpu_call c = gpu_call_for(b, l->out);
  gpu_define_dtype(&c, "X", x->dtype);
  gpu_define_text(&c, "A_value", is_double ? "double" : "float");
  gpu_define(&c, "MOST_HADAMARD", MOST_HADAMARD / (is_double ? 2 : 1));
  gpu_written(&c, l->out);
  gpu_read(&c, x);
  gpu_begin_numbers(&c);
  gpu_number(&c, x->shape[last]);
  gpu_number(&c, x->strides[last]);
  gpu_number(&c, rows);
  gpu_number_float(&c, ((const hadamard_params *)l->params)->scale);
  gpu_number(&c, 0);
  for (int i = 0; i < rows; i++) {
    int64_t signs = 0;
    for (int j = 0; j < rows; j++) signs |= (int64_t)(hadamard_sign(rows, i, j) < 0) << j;
    gpu_number(&c, signs);
  }
  gpu_number_walk(&c, 4, &lines);
  c.group[0] = gpu_group_for(&c, x->shape[last], THREADS);
  c.groups[0] = gpu_walk_size(&lines);
  gpu_define(&c, "GROUP", c.group[0]);
  return gpu_run(&c, kernel_hadamard, "hadamard");
}
