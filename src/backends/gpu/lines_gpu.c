/* lines_gpu.c: launches arg_reduce.kc and softmax.kc ("ArgReduce", "Softmax", "LogSumExp", "CrossEntropy"): a group of threads for each line
   along one axis, also of what a kernel makes. Uses gpu.h, kernel_text.h. */
#include "backends/gpu/gpu.h"
#include "backends/gpu/kernel_text.h"
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

/* ---- rows that a kernel makes ---- */

/* The operands of rows like y lie so that as many elements of each are read at once as 16 bytes hold of dtype d. */
static bool are_wide(int n, const operand *in, const operand *y, pons_dtype d, kernel_form *form) {
  *form = (kernel_form){.each = (uint8_t)(GPU_WIDE / (int)pons_dtype_size(d))};
  for (int k = 0; k < n; k++) {
    const bool repeated = in[k].strides[in[k].ndim - 1] == 0;
    form->lies[k] = repeated ? KERNEL_REPEATED : KERNEL_IN_ORDER;
    if (!repeated && (form->each * (int)pons_dtype_size(in[k].dtype) < 4 || !gpu_rows_are_wide(&in[k]))) return false;
  }
  return y->shape[y->ndim - 1] % form->each == 0;
}

bool gpu_hold_made_rows(gpu_call *c, int n, const operand *in, const operand *y, bool wide, kernel_form *form) {
  const bool lie_wide = are_wide(n, in, y, y->dtype, form), held = gpu_hold_lines(c, y->dtype, y->shape[y->ndim - 1], wide && lie_wide);
  if (!lie_wide) {
    form->each = 1;
    memset(form->lies, KERNEL_STRIDED, sizeof form->lies);
  }
  return held;
}

/* ---- rows that a kernel reads ---- */

static int n_behind(const chains *with) { return with->behind ? with->behind->n_in - 1 : 0; }

bool gpu_are_rows(const launch *l, const chains *with) {
  const operand *y = l->out, *z = with->z;
  return !with->behind || (y->ndim > 0 && y->shape[y->ndim - 1] == z->shape[z->ndim - 1]);
}

void gpu_read_behind(gpu_call *c, const launch *l, const chains *with) {
  if (!with->behind) return;
  gpu_define_dtype(c, "Y", with->z->dtype);
  gpu_define_wide(c, "Y", with->z->dtype);
  gpu_define(c, "MORES", n_behind(with));
  for (int k = l->n_in - n_behind(with); k < l->n_in; k++) gpu_read(c, &l->in[k]);
}

static bool is_put_at_once(const operand *y, int each) {
  return each * (int)pons_dtype_size(y->dtype) >= 4 && gpu_is_aligned(y, kernel_text_bytes_at_once(y->dtype, each));
}

kernel_form gpu_form_behind(const launch *l, const chains *with) {
  const operand *more = l->in + l->n_in - n_behind(with);
  kernel_form form = {.each = 1}, of_more;
  if (!with->behind) return form;
  bool wide = are_wide(n_behind(with), more, l->out, with->z->dtype, &of_more);
  for (int i = 0; i < with->behind->n_out; i++) wide &= is_put_at_once(&l->out[i], of_more.each);
  if (wide) form.each = of_more.each;
  for (int k = 0; wide && k < n_behind(with); k++) form.lies[1 + k] = of_more.lies[k];
  return form;
}

void gpu_number_behind(gpu_call *c, const launch *l, const chains *with, int first) {
  const int n = n_behind(with), last = l->out->ndim - 1;
  const operand *more = l->in + l->n_in - n;
  const int64_t *strides[GPU_WALK_OPERANDS];
  if (!with->behind) return;
  for (int k = 0; k < n; k++) {
    strides[k] = more[k].strides;
    gpu_number(c, strides[k][last]);
  }
  gpu_number(c, 0);
  const gpu_walk rows = gpu_walk_of(last, l->out->shape, n, strides);
  gpu_number_walk(c, first + n, &rows);
}

bool gpu_takes_rows(const gpu_backend *b, const launch *l, const chains *with, int more) {
  const int memories = l->n_out + l->n_in, n_in = with->front ? with->front->n_in : 1, n_more = n_behind(with);
  if (n_in > GPU_WALK_OPERANDS || n_more > GPU_WALK_OPERANDS || (b->compiles && !b->compiles())) return false;
  const int further = with->behind ? n_more + 2 + (1 + n_more) * l->out->ndim : 0;
  return memories + 1 + more <= gpu_common_features(b).max_memories &&
         memories + 5 + n_in + 1 + (1 + n_in) * with->y->ndim + further + more <= GPU_NUMBERS;
}

/* ---- softmax and what begins like it ---- */

/* Rows of elements of `dtype`: x, or what a kernel makes of operands of their shape. */
typedef struct rows {
  const kernel *made; /* NULL: the only operand's */
  const operand *like; /* of dtype and shape of the rows */
  int n_in;
  const operand *in;
} rows;
static rows rows_of(const launch *l, const chains *with) {
  return with->front ? (rows){with->front, with->y, with->front->n_in, l->in} : (rows){NULL, l->in, 1, l->in};
}

static void read_rows(gpu_call *c, const rows *x) {
  gpu_define(c, "X_MEMORY", c->n_memories);
  gpu_define(c, "INS", x->n_in);
  for (int k = 0; k < x->n_in; k++) gpu_read(c, &x->in[k]);
}

/* Behind the numbers that begin: of each operand along a row. */
static void number_steps(gpu_call *c, const rows *x) {
  for (int k = 0; k < x->n_in; k++) gpu_number(c, x->in[k].strides[x->like->ndim - 1]);
}

static void number_rows(gpu_call *c, const rows *x) {
  const int64_t *strides[GPU_WALK_OPERANDS];
  for (int k = 0; k < x->n_in; k++) strides[k] = x->in[k].strides;
  const gpu_walk walk = gpu_walk_of(x->like->ndim - 1, x->like->shape, x->n_in, strides);
  gpu_number_walk(c, 1, &walk);
  c->groups[0] = gpu_walk_size(&walk);
}

/* The results, the rows, what is behind them, and how long a row is. */
static gpu_call begin_rows(const gpu_backend *b, const launch *l, const chains *with, const rows *x) {
  gpu_call c = gpu_call_for(b, l->out);
  for (int i = 0; i < l->n_out; i++) gpu_written(&c, &l->out[i]);
  read_rows(&c, x);
  gpu_read_behind(&c, l, with);
  gpu_begin_numbers(&c);
  gpu_number(&c, x->like->shape[x->like->ndim - 1]);
  gpu_number(&c, 0);
  number_steps(&c, x);
  return c;
}

/* How they are summed; `sums`: nothing else is done with them. Those too long to be held are read in one pass then, where they
   lie in order, or are made. `wide`: what is written beside them lies so. The form of the kernel that makes them. */
static kernel_form define_sums(gpu_call *c, const rows *x, bool sums, bool wide) {
  enum { LEAST_LONG = 1024, LONG_WORK = 32, MANY_MADE = 4 };
  const pons_dtype d = x->like->dtype;
  const bool is_double = d == PONS_FLOAT64;
  const int last = x->like->ndim - 1;
  const int64_t n = x->like->shape[last];
  kernel_form form = {0};
  gpu_define_dtype(c, "X", d);
  gpu_define_text(c, "A_value", is_double ? "double" : "float");
  gpu_define_text(c, "LOG(x)", is_double ? "k_log_f64(x)" : "k_log_f32(x)");
  const bool held = x->made ? gpu_hold_made_rows(c, x->n_in, x->in, x->like, wide, &form) : gpu_hold_lines(c, d, n, wide && gpu_rows_are_wide(x->in));
  const bool one_pass = !held && sums && n >= LEAST_LONG && (x->made || x->in->strides[last] == 1);
  gpu_define_text(c, "EXP(x)", is_double ? "k_exp_f64(x)" : one_pass ? "QUICK_EXP(x)" : "k_exp_f32(x)");
  if (one_pass) gpu_define_text(c, "ONE_PASS", "");
  if (one_pass && !x->made) gpu_define_wide(c, "X", d);
  if (one_pass && x->made) gpu_define(c, "MANY", x->made->n_code * form.each > LONG_WORK ? 1 : MANY_MADE);
  if (one_pass && form.each > 1) gpu_define(c, "EACH", form.each);
  return form;
}

static const chains nothing;

error *gpu_softmax_with(const gpu_backend *b, const launch *l, const chains *with) {
  const rows x = rows_of(l, with);
  gpu_call c = begin_rows(b, l, with, &x);
  gpu_number_behind(&c, l, with, 2 + x.n_in);
  number_rows(&c, &x);
  const kernel_form form = define_sums(&c, &x, false, with->behind || gpu_is_aligned(l->out, GPU_WIDE)), behind = gpu_form_behind(l, with);
  return gpu_run_with_chains(&c, kernel_softmax, "softmax", &(gpu_chains){with->front, &form, with->behind, &behind});
}
error *gpu_softmax(const gpu_backend *b, const launch *l) { return gpu_softmax_with(b, l, &nothing); }

/* Of further operands of what is behind: the walk over all their elements. */
static void number_elements_behind(gpu_call *c, const launch *l, const chains *with, int first) {
  const int n = n_behind(with);
  const int64_t *strides[GPU_WALK_OPERANDS];
  for (int k = 0; k < n; k++) strides[k] = l->in[l->n_in - n + k].strides;
  const gpu_walk walk = gpu_walk_of(l->out->ndim, l->out->shape, n, strides);
  gpu_number(c, 0);
  gpu_number_walk(c, first, &walk);
}

error *gpu_log_sum_exp_with(const gpu_backend *b, const launch *l, const chains *with) {
  const rows x = rows_of(l, with);
  gpu_call c = begin_rows(b, l, with, &x);
  if (with->behind) number_elements_behind(&c, l, with, 2 + x.n_in);
  number_rows(&c, &x);
  const kernel_form form = define_sums(&c, &x, true, true);
  gpu_define_text(&c, "LOG_SUM", "");
  return gpu_run_with_chains(&c, kernel_softmax, "log_sum_exp", &(gpu_chains){with->front, &form, with->behind, NULL});
}
error *gpu_log_sum_exp(const gpu_backend *b, const launch *l) { return gpu_log_sum_exp_with(b, l, &nothing); }

/* Where it was not built ahead the CPU would have to compute it, which has it as its decomposition alone. */
const char *gpu_refuses_cross_entropy(const gpu_backend *b, const launch *l) {
  return b->compiles && !b->compiles() ? "there is no compiler" : gpu_refuses_softmax(b, l);
}

error *gpu_cross_entropy_with(const gpu_backend *b, const launch *l, const chains *with) {
  const rows x = rows_of(l, with);
  const operand *targets = &l->in[x.n_in];
  const int last = x.like->ndim - 1;
  const gpu_walk places = gpu_walk_of(last, x.like->shape, 1, (const int64_t *const[]){targets->strides});
  gpu_call c = gpu_call_for(b, l->out);
  gpu_define_text(&c, "CLASSES", "");
  gpu_define_dtype(&c, "Y", l->out->dtype);
  for (int i = 0; i < l->n_out; i++) gpu_written(&c, &l->out[i]);
  error *why = gpu_add_faults(&c);
  if (why) return why;
  read_rows(&c, &x);
  gpu_read(&c, targets);
  gpu_begin_numbers(&c);
  gpu_number(&c, x.like->shape[last]);
  gpu_number(&c, 0);
  gpu_number(&c, last);
  gpu_number(&c, gpu_index_kind(targets->dtype));
  gpu_number(&c, 0);
  gpu_number(&c, GPU_OP_TAKE_ALONG_AXIS);
  number_steps(&c, &x);
  number_rows(&c, &x);
  gpu_number_walk(&c, 4, &places);
  const kernel_form form = define_sums(&c, &x, true, true);
  return gpu_run_with_chains(&c, kernel_softmax, "cross_entropy", &(gpu_chains){with->front, &form, NULL, NULL});
}
error *gpu_cross_entropy(const gpu_backend *b, const launch *l) { return gpu_cross_entropy_with(b, l, &nothing); }

static bool keeps_nothing(const chains *with) { return !with->front || with->front->n_out == 1; }

bool gpu_softmax_takes(const gpu_backend *b, const launch *l, const chains *with) {
  return keeps_nothing(with) && gpu_are_rows(l, with) && gpu_takes_rows(b, l, with, 0);
}
bool gpu_log_sum_exp_takes(const gpu_backend *b, const launch *l, const chains *with) {
  return keeps_nothing(with) && gpu_takes_rows(b, l, with, 0);
}
/* One memory more for the faults of classes, and the walk over these. */
bool gpu_cross_entropy_takes(const gpu_backend *b, const launch *l, const chains *with) {
  return keeps_nothing(with) && !with->behind && gpu_takes_rows(b, l, with, 1 + 2 * with->y->ndim);
}
