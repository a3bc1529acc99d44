/* lu.c: LUF, the LU factorization with rows exchanged: L's part below its diagonal of ones and U in one
   matrix.

   MLX can't write it to files, so there it is taken apart into an elimination, column by column.
   Uses graph/. */
#include "ops/ops.h"

static int lu_outputs(const void *params, int n_in) {
  (void)params, (void)n_in;
  return 3;
}

static error *lu_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  error *e = factor_check("lu", n_in, in, false, true);
  if (e) return e;
  const int n = in[0]->ndim;
  const int64_t rows = in[0]->shape[n - 2], columns = in[0]->shape[n - 1];
  out[0] = out[1] = out[2] = spec_of(in[0]);
  out[1].dtype = out[2].dtype = PONS_UINT32;
  out[1].shape.n = out[2].shape.n = n - 1;
  out[1].shape.dims[n - 2] = rows < columns ? rows : columns;
  return NULL;
}

/* ---- derivatives ----

   B, the rows of A in their new order, is L U. The k by k parts in the corner, k = min(m, n), are B1, L1, U1;
   what is below or beside them is B2 = L2 U1 or B2 = L1 U2. With Z = L1^-1 dB1 U1^-1

       dL1 = L1 (Z below its diagonal),   dU1 = (the rest of Z) U1

   and dL2, dU2 follow from B2 (de Hoog, Anderssen and Lukas 2011, "Differentiation of matrix functionals
   using triangular factorization", for the square part). U1 must be invertible. */

typedef struct lu_parts {
  int64_t m, n, k;
  pons_array l1, u1, l1_inverse, u1_inverse;
  pons_array rest; /* L2 if m > n, U2 if n > m; else NULL */
} lu_parts;

/* What is below or beside the corner. */
static pons_array rest_of(const lu_parts *p, pons_array x) {
  return p->m > p->n ? matrix_part(x, p->k, p->m, 0, p->n) : matrix_part(x, 0, p->m, p->k, p->n);
}
static pons_array corner_of(const lu_parts *p, pons_array x) { return matrix_part(x, 0, p->k, 0, p->k); }

static pons_array whole_of(const lu_parts *p, pons_array corner, pons_array rest) {
  return rest ? matrix_join(corner, rest, p->m > p->n ? -2 : -1) : corner;
}

/* Of the factors of `a`. */
static lu_parts parts_of(const node *a, pons_array lu) {
  lu_parts p = {.m = a->shape[a->ndim - 2], .n = a->shape[a->ndim - 1]};
  p.k = p.m < p.n ? p.m : p.n;
  pons_array corner = corner_of(&p, lu);
  p.l1 = pons_add(pons_tril(corner, -1), pons_identity(p.k, dtype_of(a)));
  p.u1 = pons_triu(corner, 0);
  p.l1_inverse = pons_linalg_tri_inv(p.l1, false);
  p.u1_inverse = pons_linalg_tri_inv(p.u1, true);
  p.rest = p.m == p.n ? NULL : rest_of(&p, lu);
  return p;
}

static pons_array take_rows(pons_array x, pons_array rows) {
  return pons_take_along_axis(x, pons_expand_dims(rows, PONS_AXES(-1)), -2);
}

static void lu_vjp(const vjp_call *c) {
  const lu_parts p = parts_of(c->in[0], c->out[0]);
  pons_array corner = corner_of(&p, c->cotangents[0]), rest = p.rest ? rest_of(&p, c->cotangents[0]) : NULL;
  pons_array below = pons_matmul(matrix_adjoint(p.l1), pons_tril(corner, -1));
  pons_array above = pons_matmul(pons_triu(corner, 0), matrix_adjoint(p.u1));
  pons_array left = matrix_adjoint(p.l1_inverse), right = matrix_adjoint(p.u1_inverse);
  if (p.m > p.n) {
    above = pons_subtract(above, pons_matmul(matrix_adjoint(p.rest), rest));
    rest = pons_matmul(rest, right);
  } else if (p.n > p.m) {
    below = pons_subtract(below, pons_matmul(rest, matrix_adjoint(p.rest)));
    rest = pons_matmul(left, rest);
  }
  pons_array z_bar = pons_add(pons_tril(below, -1), pons_triu(above, 0));
  c->grads[0] = take_rows(whole_of(&p, matrix_product3(left, z_bar, right), rest), c->out[2]);
}

static void lu_jvp(const jvp_call *c) {
  const lu_parts p = parts_of(c->in[0], c->out[0]);
  pons_array moved = take_rows(c->tangents[0], pons_argsort(c->out[2], -1));
  pons_array rest = p.rest ? rest_of(&p, moved) : NULL;
  pons_array z = matrix_product3(p.l1_inverse, corner_of(&p, moved), p.u1_inverse);
  pons_array below = pons_tril(z, -1), above = pons_triu(z, 0);
  if (p.m > p.n)
    rest = pons_subtract(pons_matmul(rest, p.u1_inverse), pons_matmul(p.rest, above));
  else if (p.n > p.m)
    rest = pons_subtract(pons_matmul(p.l1_inverse, rest), pons_matmul(below, p.rest));
  pons_array corner = pons_add(pons_matmul(p.l1, below), pons_matmul(above, p.u1));
  c->out_tangents[0] = whole_of(&p, corner, rest);
  c->out_tangents[1] = zeros_of(c->out[1]);
  c->out_tangents[2] = zeros_of(c->out[2]);
}

/* ---- the elimination ---- */

typedef struct elimination {
  pons_array a, order; /* (..., m, n); (..., m): which row of the operand each row is */
  pons_array rows, row_numbers, column_numbers; /* (m), (m, 1), (1, n): 0, 1, ... */
} elimination;

/* How LAPACK measures what it looks for the largest of: a complex number by its two parts. */
static pons_array size_of(pons_array x) {
  if (!dtype_is_complex(dtype_of(x))) return pons_abs(x);
  return pons_add(pons_abs(pons_real(x)), pons_abs(pons_imag(x)));
}

/* Brings the largest element of column i to the diagonal; which row it was in, (..., 1). */
static pons_array exchange(elimination *e, int64_t i, int64_t m) {
  pons_array column = size_of(matrix_part(e->a, i, m, i, i + 1)), at = pons_scalar((double)i, PONS_UINT32);
  pons_array pivot = pons_add(pons_squeeze(pons_argmax(column, -2, true), PONS_AXES(-1)), at);
  pons_array taken =
      pons_where(pons_equal(e->rows, at), pivot, pons_where(pons_equal(e->rows, pivot), at, e->rows));
  e->a = take_rows(e->a, taken);
  e->order = pons_take_along_axis(e->order, taken, -1);
  return pivot;
}

/* Column i's multipliers take the place of what they make zero. */
static void eliminate(elimination *e, int64_t i, int64_t m, int64_t n) {
  pons_array at = pons_scalar((double)i, PONS_UINT32), zero = constant_like(0, e->a);
  pons_array diagonal = matrix_part(e->a, i, i + 1, i, i + 1);
  pons_array divisor = pons_where(pons_equal(diagonal, zero), constant_like(1, e->a), diagonal);
  pons_array factors = pons_divide(matrix_part(e->a, 0, m, i, i + 1), divisor);
  pons_array below = pons_greater(e->row_numbers, at), right = pons_greater(e->column_numbers, at);
  pons_array left = pons_where(below, factors, zero),
             top = pons_where(right, matrix_part(e->a, i, i + 1, 0, n), zero);
  pons_array on_column = pons_logical_and(below, pons_equal(e->column_numbers, at));
  e->a = pons_where(on_column, factors, pons_subtract(e->a, pons_multiply(left, top)));
}

static void lu_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)params, (void)n_in;
  const node *a = in[0];
  const int last = a->ndim - 1;
  const int64_t m = a->shape[last - 1], n = a->shape[last], k = m < n ? m : n;
  elimination e = {.a = in[0]};
  e.rows = pons_arange(0, (double)m, 1, PONS_UINT32);
  e.row_numbers = pons_expand_dims(e.rows, PONS_AXES(1));
  e.column_numbers = pons_expand_dims(pons_arange(0, (double)n, 1, PONS_UINT32), PONS_AXES(0));
  e.order = pons_broadcast_to(e.rows, (pons_shape){last, a->shape});
  int64_t dims[PONS_MAX_NDIM];
  memcpy(dims, a->shape, (size_t)last * sizeof *dims);
  dims[last - 1] = 0;
  out[1] = pons_zeros((pons_shape){last, dims}, PONS_UINT32);
  for (int64_t i = 0; i < k; i++) {
    pons_array pivot = exchange(&e, i, m);
    eliminate(&e, i, m, n);
    out[1] = i == 0 ? pivot : pons_concatenate((pons_array[]){out[1], pivot}, 2, -1);
    if (node_failed(e.a)) break;
  }
  out[0] = e.a;
  out[2] = pons_argsort(e.order, -1);
}

const prim prim_lu = {.name = "LUF",
                      .outputs = lu_outputs,
                      .infer = lu_infer,
                      .vjp = lu_vjp,
                      .jvp = lu_jvp,
                      .vmap = factor_vmap,
                      .decompose = lu_decompose};

static bool lu_factors(pons_array a, pons_array out[3]) {
  pons_array bad = operand_fault("lu", 1, &a);
  if (bad)
    out[0] = out[1] = out[2] = bad;
  else
    node_make_many(&prim_lu, NULL, 1, &a, out, 3);
  return !node_failed(out[0]);
}

void pons_linalg_lu_factor(pons_array a, pons_array out[2]) {
  pons_array all[3];
  lu_factors(a, all);
  out[0] = all[0];
  out[1] = all[1];
}

void pons_linalg_lu(pons_array a, pons_array out[3]) {
  pons_array all[3];
  if (!lu_factors(a, all)) {
    out[0] = out[1] = out[2] = all[0];
    return;
  }
  const int64_t m = a->shape[a->ndim - 2], n = a->shape[a->ndim - 1], k = m < n ? m : n;
  out[0] = all[2];
  out[1] = pons_add(pons_tril(matrix_part(all[0], 0, m, 0, k), -1), pons_eye(m, k, 0, dtype_of(a)));
  out[2] = pons_triu(matrix_part(all[0], 0, k, 0, n), 0);
}
