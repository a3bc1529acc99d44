/* lines_gpu.c: launches arg_reduce.kc and softmax.kc: a group of threads for each line along one axis. Uses gpu.h. */
#include "backends/gpu/gpu.h"
#include "backends/gpu/typing.h"

extern const char kernel_arg_reduce[], kernel_softmax[];

/* A group per line of x along `axis`; numbers: elements of a line, their stride, the walk over lines. */
static void set_lines(gpu_call *c, const operand *x, int axis) {
  const int64_t only[1] = {axis};
  const gpu_walk lines = gpu_walk_axes(x, (ints){1, only}, false);
  gpu_begin_numbers(c);
  gpu_number(c, x->shape[axis]);
  gpu_number(c, x->strides[axis]);
  gpu_number(c, 0);
  gpu_number_walk(c, 2, &lines);
  c->groups[0] = gpu_walk_size(&lines);
}

const char *gpu_refuses_arg_reduce(const gpu_backend *b, const launch *l) {
  (void)b;
  return shape_size(l->in->ndim, l->in->shape) == 0 ? "there are no elements" : NULL;
}

error *gpu_arg_reduce(const gpu_backend *b, const launch *l) {
  const arg_reduce_params *p = l->params;
  const bool complex = l->in->dtype == PONS_COMPLEX64;
  gpu_call c = gpu_call_for(b, l->out);
  gpu_define_dtype(&c, "X", l->in->dtype);
  gpu_define_text(&c, p->kind == ARG_MAX ? "GREATER(a, b)" : "GREATER(b, a)",
                  complex ? "k_less_c64(b, a)" : "((a) > (b))");
  gpu_define_text(&c, "IS_NAN(a)", complex ? "k_is_nan_c64(a)" : "((a) != (a))");
  gpu_written(&c, l->out);
  gpu_read(&c, l->in);
  set_lines(&c, l->in, p->axis);
  c.group[0] = gpu_group_for_line(&c, l->in->shape[p->axis], 1024);
  gpu_define(&c, "GROUP", c.group[0]);
  return gpu_run(&c, kernel_arg_reduce, "arg_reduce");
}

const char *gpu_refuses_softmax(const gpu_backend *b, const launch *l) {
  (void)b;
  const operand *x = l->in;
  return shape_size(x->ndim, x->shape) == 0 ? "there are no elements" : NULL;
}
const char *gpu_refuses_log_sum_exp(const gpu_backend *b, const launch *l) {
  return gpu_refuses_softmax(b, l);
}

static error *run_softmax(const gpu_backend *b, const launch *l, bool log_sum) {
  gpu_call c = gpu_call_for(b, l->out);
  const bool is_double = l->in->dtype == PONS_FLOAT64;
  gpu_define_dtype(&c, "X", l->in->dtype);
  gpu_define_text(&c, "A_value", is_double ? "double" : "float");
  gpu_define_text(&c, "EXP(x)", is_double ? "k_exp_f64(x)" : "k_exp_f32(x)");
  gpu_define_text(&c, "LOG(x)", is_double ? "k_log_f64(x)" : "k_log_f32(x)");
  gpu_written(&c, l->out);
  gpu_read(&c, l->in);
  set_lines(&c, l->in, l->in->ndim - 1);
  gpu_hold_rows(&c, l->in, log_sum ? NULL : l->out);
  if (log_sum) gpu_define_text(&c, "LOG_SUM", "");
  return gpu_run(&c, kernel_softmax, log_sum ? "log_sum_exp" : "softmax");
}
error *gpu_softmax(const gpu_backend *b, const launch *l) { return run_softmax(b, l, false); }
error *gpu_log_sum_exp(const gpu_backend *b, const launch *l) { return run_softmax(b, l, true); }
