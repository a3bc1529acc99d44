/* lines_gpu.c: launches arg_reduce.kc and softmax.kc ("ArgReduce", "Softmax", "LogSumExp", "CrossEntropy"): a group of threads for each line
   along one axis. Uses gpu.h. */
#include "backends/gpu/gpu.h"
#include "backends/gpu/typing.h"

extern const char kernel_arg_reduce[], kernel_softmax[];

/* A group per line of x along `axis`; numbers: elements of a line, their stride, the walk over lines. */
static void set_lines(gpu_call *c, const operand *x, int axis) {
  const int64_t only[1] = {axis};
  const gpu_walk lines = gpu_walk_axes(1, x, (ints){1, only}, false);
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
  const int size = (int)pons_dtype_size(l->in->dtype);
  if (size <= 4 && p->axis == l->in->ndim - 1 && gpu_rows_are_wide(l->in)) {
    gpu_define(&c, "EACH", GPU_WIDE / size);
    gpu_define_wide(&c, "X", l->in->dtype);
  }
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

/* Rows that are summed, x of them; y: as long ones that are written, or NULL. Those too long to be held are read in one pass where they
   lie in order. */
static void define_sums(gpu_call *c, const operand *x, const operand *y) {
  enum { LEAST_LONG = 1024 };
  const bool is_double = x->dtype == PONS_FLOAT64;
  const int64_t n = x->shape[x->ndim - 1];
  gpu_define_dtype(c, "X", x->dtype);
  gpu_define_text(c, "A_value", is_double ? "double" : "float");
  gpu_define_text(c, "LOG(x)", is_double ? "k_log_f64(x)" : "k_log_f32(x)");
  const bool held = gpu_hold_rows(c, x, y), one_pass = !held && !y && n >= LEAST_LONG && x->strides[x->ndim - 1] == 1;
  gpu_define_text(c, "EXP(x)", is_double ? "k_exp_f64(x)" : one_pass ? "QUICK_EXP(x)" : "k_exp_f32(x)");
  if (one_pass) {
    gpu_define_text(c, "ONE_PASS", "");
    gpu_define_wide(c, "X", x->dtype);
  }
}

static error *run_softmax(const gpu_backend *b, const launch *l, bool log_sum) {
  gpu_call c = gpu_call_for(b, l->out);
  gpu_written(&c, l->out);
  gpu_define(&c, "X_MEMORY", c.n_memories);
  gpu_read(&c, l->in);
  set_lines(&c, l->in, l->in->ndim - 1);
  define_sums(&c, l->in, log_sum ? NULL : l->out);
  if (log_sum) gpu_define_text(&c, "LOG_SUM", "");
  return gpu_run(&c, kernel_softmax, log_sum ? "log_sum_exp" : "softmax");
}
error *gpu_softmax(const gpu_backend *b, const launch *l) { return run_softmax(b, l, false); }
error *gpu_log_sum_exp(const gpu_backend *b, const launch *l) { return run_softmax(b, l, true); }

/* Where it was not built ahead the CPU would have to compute it, which has it as its decomposition alone. */
const char *gpu_refuses_cross_entropy(const gpu_backend *b, const launch *l) {
  return b->compiles && !b->compiles() ? "there is no compiler" : gpu_refuses_softmax(b, l);
}

error *gpu_cross_entropy(const gpu_backend *b, const launch *l) {
  const operand *x = &l->in[0], *targets = &l->in[1];
  const int last = x->ndim - 1;
  const gpu_walk rows = gpu_walk_of(last, x->shape, 1, (const int64_t *const[]){x->strides}),
                 places = gpu_walk_of(last, x->shape, 1, (const int64_t *const[]){targets->strides});
  gpu_call c = gpu_call_for(b, l->out);
  gpu_define_text(&c, "CLASSES", "");
  gpu_define_dtype(&c, "Y", l->out->dtype);
  for (int i = 0; i < l->n_out; i++) gpu_written(&c, &l->out[i]);
  error *why = gpu_add_faults(&c);
  if (why) return why;
  gpu_define(&c, "X_MEMORY", c.n_memories);
  gpu_read(&c, x);
  gpu_read(&c, targets);
  gpu_begin_numbers(&c);
  gpu_number(&c, x->shape[last]);
  gpu_number(&c, x->strides[last]);
  gpu_number(&c, 0);
  gpu_number(&c, last);
  gpu_number(&c, gpu_index_kind(targets->dtype));
  gpu_number(&c, 0);
  gpu_number(&c, GPU_OP_TAKE_ALONG_AXIS);
  gpu_number_walk(&c, 2, &rows);
  gpu_number_walk(&c, 5, &places);
  define_sums(&c, x, NULL);
  c.groups[0] = gpu_walk_size(&rows);
  return gpu_run(&c, kernel_softmax, "cross_entropy");
}
