/* scan_gpu.c: launches scan.kc: "Scan". Uses gpu.h. */
#include "backends/gpu/gpu.h"

extern const char kernel_scan[];

const char *gpu_refuses_scan(const gpu_backend *b, const launch *l) {
  (void)b;
  const scan_params *p = l->params;
  if (shape_size(l->in->ndim, l->in->shape) == 0) return "there are no elements";
  return p->kind == SCAN_LOGADDEXP && dtype_kind_of(l->in->dtype) != KIND_FLOAT
             ? "the dialect has it for floats alone"
             : NULL;
}

/* Of logaddexp: nothing adds to minus infinity what it adds to zero. */
static void define_log_add_exp(gpu_call *c, pons_dtype joined) {
  gpu_define_dtype(c, "A", joined);
  gpu_define_text(c, "JOIN(a, b)",
                  joined == PONS_FLOAT64 ? "k_logaddexp_f64(a, b)" : "k_logaddexp_f32(a, b)");
  gpu_define_text(c, "START", gpu_least_value(joined));
}

error *gpu_scan(const gpu_backend *b, const launch *l) {
  static const int kinds[SCAN_KINDS] = {
      [SCAN_MAX] = REDUCE_MAX, [SCAN_MIN] = REDUCE_MIN, [SCAN_SUM] = REDUCE_SUM, [SCAN_PROD] = REDUCE_PROD};
  const scan_params *p = l->params;
  const operand *x = l->in, *out = l->out;
  const pons_dtype joined = gpu_wide_dtype(out->dtype);
  int64_t dims[PONS_MAX_NDIM], strides[PONS_MAX_NDIM];
  memcpy(dims, x->shape, (size_t)x->ndim * sizeof *dims);
  dims[p->axis] = 1;
  shape_row_major(out->ndim, out->shape, strides);
  const gpu_walk lines = gpu_walk_of(x->ndim, dims, 2, (const int64_t *const[]){x->strides, strides});
  gpu_call c = gpu_call_for(b, out);
  if (p->kind == SCAN_LOGADDEXP)
    define_log_add_exp(&c, joined);
  else
    gpu_define_join(&c, kinds[p->kind], joined);
  gpu_define_dtype(&c, "X", x->dtype);
  gpu_define_dtype(&c, "Y", out->dtype);
  gpu_define_taken(&c, x->dtype, joined, false);
  gpu_define_given(&c, joined, out->dtype);
  gpu_written(&c, out);
  gpu_read(&c, x);
  gpu_begin_numbers(&c);
  gpu_number(&c, x->shape[p->axis]);
  gpu_number(&c, x->strides[p->axis]);
  gpu_number(&c, strides[p->axis]);
  gpu_number(&c, 0);
  gpu_number(&c, p->reverse);
  gpu_number(&c, p->inclusive);
  gpu_number_walk(&c, 3, &lines);
  c.group[0] = gpu_group_for(&c, x->shape[p->axis], 256);
  c.groups[0] = gpu_walk_size(&lines);
  gpu_define(&c, "GROUP", c.group[0]);
  return gpu_run(&c, kernel_scan, "scan");
}
