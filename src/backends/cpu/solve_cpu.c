/* solve_cpu.c: "SolveTriangular", in pieces of columns that threads share. Uses cpu/placed.h. */
#include "backends/cpu/placed.h"

enum { ACROSS = 128 /* columns of a piece */ };

typedef struct solve_job {
  blocked b;
  const char *triangles; /* rows or columns are neighbours */
  int64_t row, col, across, columns;
  bool upper;
} solve_job;

static void solve_piece(void *context, int64_t piece) {
  solve_job *s = context;
  const matrices *j = s->b.j;
  const int64_t index = piece / s->across, first = piece % s->across * ACROSS;
  const placed t = {(char *)s->triangles + index * j->n * j->n * (int64_t)j->size, s->row, s->col};
  placed_solve(&s->b, j->n, (int)smaller(s->columns - first, ACROSS), s->upper, false, t,
               placed_at(&s->b, placed_result(&s->b, 0, index, j->n, s->columns), 0, first));
}

static bool is_zero(pons_dtype d, const char *x) {
  const pons_dtype part = dtype_of_parts(d);
  return dtype_read(part, x) == 0 && (part == d || dtype_read(part, x + pons_dtype_size(part)) == 0);
}

/* What LAPACK's inverse of a triangle refuses, too. */
static error *check_diagonals(const solve_job *s) {
  const matrices *j = s->b.j;
  for (int64_t index = 0; index < j->batch; index++)
    for (int64_t i = 0; i < j->n; i++) {
      if (!is_zero(j->dtype, s->triangles + (index * j->n * j->n + i * (j->n + 1)) * (int64_t)j->size)) continue;
      char which[64] = "the matrix";
      if (j->batch > 1)
        snprintf(which, sizeof which, "matrix %lld of %lld", (long long)index, (long long)j->batch);
      return fail_as(PONS_ERROR_RUNTIME, j->op,
                     "%s (%d by %d) is singular: element %lld of the diagonal of the triangle is 0", which, j->n, j->n,
                     (long long)i);
    }
  return NULL;
}

error *cpu_solve_triangular(const launch *l) {
  const operand *x = &l->in[1];
  matrices j;
  error *why = matrices_of(&j, "solve_triangular", l);
  if (why || !operand_size(x)) return why;
  solve_job s = {.b = {.j = &j}, .upper = ((const solve_params *)l->params)->upper};
  s.columns = x->shape[x->ndim - 1];
  s.across = pieces_of(s.columns, ACROSS);
  if (s.columns > INT_MAX) return fail_as(PONS_ERROR_RUNTIME, j.op, "LAPACK counts in 32 bits");
  /* The triangles as they lie if rows follow rows, or columns columns, as in a transposed matrix. */
  operand t = l->in[0];
  int64_t shape[PONS_MAX_NDIM], strides[PONS_MAX_NDIM];
  const int last = t.ndim - 1;
  memcpy(shape, t.shape, (size_t)t.ndim * sizeof *shape);
  memcpy(strides, t.strides, (size_t)t.ndim * sizeof *strides);
  const bool turned = t.strides[last - 1] == 1 && t.strides[last] != 1;
  if (turned) strides[last] = 1, strides[last - 1] = t.strides[last];
  t.shape = shape, t.strides = strides;
  buffer *held;
  s.triangles = cpu_packed(&t, j.op, &held, &why);
  if (!s.triangles) return why;
  s.row = turned ? 1 : j.n, s.col = turned ? j.n : 1;
  why = check_diagonals(&s);
  if (!why) {
    cpu_copy_packed(l->out->data, x);
    parallel_for(j.batch * s.across, solve_piece, &s);
    if (atomic_load(&s.b.no_memory)) why = fail_no_memory(j.op);
  }
  buffer_release(held);
  return why;
}
