/* solve_gpu.c: launches solve.kc: "SolveTriangular". PANEL rows at a time: what all before them give is a product of matrices, by a library
   where there is one. Uses matmul_gpu.h, typing.h. */
#include "backends/gpu/matmul_gpu.h"
#include "backends/gpu/typing.h"

extern const char kernel_solve[];

enum { PANEL = 256, ROWS = 32, MOST_COLUMNS = 32, FEW_COLUMNS = 8, THREADS = 256, MOST_MATRICES = 65535 };

/* Of `count` triangles (n, n) and right sides (n, columns). */
typedef struct solving {
  const gpu_backend *backend;
  const operand *t, *b, *x;
  int64_t n, columns, count;
  bool upper;
} solving;

/* Rows from the first to the last, if `upper` those that are solved first are the last. */
typedef struct panel {
  int64_t first, rows;
} panel;

static int64_t stride_of(const operand *o, int from_end) { return o->strides[o->ndim - from_end]; }

/* ---- a panel ---- */

static void define_arithmetic(gpu_call *c, pons_dtype d) {
  const bool complex = d == PONS_COMPLEX64;
  const char *suffix = gpu_typings[d].suffix;
  gpu_define_dtype(c, "X", d);
  gpu_define_dtype(c, "A", d);
  gpu_define_texts(c, "SUBTRACT(a, b)", (const char *const[]){"k_sub_", suffix, "(a, b)", NULL});
  gpu_define_text(c, "ZERO", complex ? "complex_of(0, 0)" : "0");
  gpu_define_text(c, "IS_ZERO(a)", complex ? "((a).re == 0 && (a).im == 0)" : "((a) == 0)");
  gpu_define_text(c, "NEGATED(a)", complex ? "complex_of(-(a).re, -(a).im)" : "(-(a))");
  gpu_define_text(c, "RECIPROCAL(a)", complex ? "reciprocal(a)" : "(1 / (a))");
  gpu_define_text(c, "MULTIPLY(a, b)", complex ? "complex_times(a, b)" : "((a) * (b))");
  if (complex)
    gpu_define_text(c, "MULTIPLY_ADD(s, a, b)", "k_add_c64(s, complex_times(a, b))");
  else
    gpu_define_texts(c, "MULTIPLY_ADD(s, a, b)", (const char *const[]){"k_fma_", suffix, "(a, b, s)", NULL});
}

static void set_groups(gpu_call *c, const solving *s) {
  int columns = s->columns <= FEW_COLUMNS ? FEW_COLUMNS : MOST_COLUMNS;
  const int group = gpu_group_for(c, THREADS, THREADS);
  while (ROWS * columns < group) columns *= 2;
  while (columns > group) columns /= 2;
  gpu_define(c, "ROWS", ROWS);
  gpu_define(c, "COLUMNS", columns);
  gpu_define(c, "GROUP", group);
  c->group[0] = group;
  c->groups[0] = ceiling(s->columns, columns);
  c->groups[2] = s->count < MOST_MATRICES ? s->count : MOST_MATRICES;
}

/* Where the row that is solved first begins; rows follow by `step`. */
static int64_t begin_of(const panel *p, int64_t step, bool upper) {
  return (upper ? p->first + p->rows - 1 : p->first) * step;
}

/* `minus`: NULL, or (count, rows, columns) to be taken from the right side. */
static error *solve_panel(const solving *s, const panel *p, void *minus) {
  const operand *t = s->t, *b = s->b, *x = s->x;
  const int64_t sign = s->upper ? -1 : 1, of_row = stride_of(t, 2), of_column = stride_of(t, 1);
  const gpu_walk walk =
      gpu_walk_of(x->ndim - 2, x->shape, 3, (const int64_t *const[]){x->strides, t->strides, b->strides});
  gpu_call c = gpu_call_for(s->backend, x);
  define_arithmetic(&c, x->dtype);
  gpu_define(&c, "OP", GPU_OP_SOLVE_TRIANGULAR);
  if (minus) gpu_define_text(&c, "MINUS", "");
  gpu_written(&c, x);
  error *why = gpu_add_faults(&c);
  gpu_read(&c, t);
  gpu_read(&c, b);
  if (minus) gpu_memory(&c, minus, false);
  const int64_t at_x = c.numbers[0], at_t = c.numbers[2], at_b = c.numbers[3];
  const panel whole = {0, p->rows};
  gpu_begin_numbers(&c);
  gpu_number(&c, p->rows);
  gpu_number(&c, s->columns);
  gpu_number(&c, s->count);
  gpu_number(&c, 0);
  gpu_number(&c, sign * of_row);
  gpu_number(&c, sign * of_column);
  gpu_number(&c, sign * s->columns);
  gpu_number(&c, sign * stride_of(b, 2));
  gpu_number(&c, stride_of(b, 1));
  gpu_number(&c, at_x + begin_of(p, s->columns, s->upper));
  gpu_number(&c, at_t + begin_of(p, of_row, s->upper) + begin_of(p, of_column, s->upper));
  gpu_number(&c, at_b + begin_of(p, stride_of(b, 2), s->upper));
  gpu_number(&c, begin_of(&whole, s->columns, s->upper));
  gpu_number(&c, sign * s->columns);
  gpu_number(&c, p->rows * s->columns);
  gpu_number(&c, begin_of(p, 1, s->upper));
  gpu_number(&c, sign);
  gpu_number(&c, s->n);
  gpu_number_walk(&c, 3, &walk);
  set_groups(&c, s);
  return why ? why : gpu_run(&c, kernel_solve, "solve");
}

/* ---- what the panels before give ---- */

/* Of the last two axes of o a part: where it begins, its shape. */
typedef struct block {
  location at;
  operand o;
  int64_t shape[PONS_MAX_NDIM], strides[PONS_MAX_NDIM];
} block;

static void block_of(block *k, const operand *o, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  k->at = *(const location *)o->data;
  k->at.offset += (row * stride_of(o, 2) + column * stride_of(o, 1)) * (int64_t)pons_dtype_size(o->dtype);
  memcpy(k->shape, o->shape, (size_t)o->ndim * sizeof *k->shape);
  memcpy(k->strides, o->strides, (size_t)o->ndim * sizeof *k->strides);
  k->shape[o->ndim - 2] = rows;
  k->shape[o->ndim - 1] = columns;
  k->o = (operand){&k->at, o->dtype, o->ndim, k->shape, k->strides};
}

/* The rows of t at the panel's, times what is solved: to `memory`, (count, rows, columns). */
static error *multiply_solved(const solving *s, const panel *p, void *memory) {
  const int64_t first = s->upper ? p->first + p->rows : 0, solved = s->upper ? s->n - first : p->first;
  block t, x, to;
  block_of(&t, s->t, p->first, p->rows, first, solved);
  block_of(&x, s->x, first, solved, 0, s->columns);
  block_of(&to, s->x, 0, p->rows, 0, s->columns);
  to.at = (location){memory, 0, to.at.device};
  shape_row_major(to.o.ndim, to.shape, to.strides);
  const operand in[] = {t.o, x.o};
  const launch l = {.n_in = 2, .n_out = 1, .in = in, .out = &to.o};
  error *why = s->backend->multiply ? s->backend->multiply(&l) : error_declined();
  return why == error_declined() ? gpu_multiply(s->backend, gpu_product_of(&l)) : why;
}

const char *gpu_refuses_solve_triangular(const gpu_backend *b, const launch *l) {
  (void)b;
  const operand *x = l->out;
  if (shape_size(x->ndim, x->shape) == 0) return "there are no elements";
  return NULL;
}

error *gpu_solve_triangular(const gpu_backend *b, const launch *l) {
  const operand *x = l->out;
  const memory_driver *m = b->memory;
  const int index = ((const location *)x->data)->device;
  solving s = {.backend = b, .t = &l->in[0], .b = &l->in[1], .x = x, .upper = ((const solve_params *)l->params)->upper};
  s.n = x->shape[x->ndim - 2];
  s.columns = x->shape[x->ndim - 1];
  s.count = shape_size(x->ndim - 2, x->shape);
  error *why = NULL;
  void *minus = NULL;
  if (s.n > PANEL) minus = m->take(index, (size_t)(s.count * PANEL * s.columns) * pons_dtype_size(x->dtype), &why);
  for (int64_t done = 0; done < s.n && !why; done += PANEL) {
    const int64_t rows = s.n - done < PANEL ? s.n - done : PANEL;
    const panel p = {s.upper ? s.n - done - rows : done, rows};
    if (done > 0) why = multiply_solved(&s, &p, minus);
    if (!why) why = solve_panel(&s, &p, done > 0 ? minus : NULL);
  }
  if (minus) m->give(index, minus);
  return why;
}
