/* svd.c: SVD, A = U diag(S) Vt with square U and Vt, S descending. Uses graph/. */
#include "ops/ops.h"

static bool has_vectors(const void *params) { return ((const svd_params *)params)->compute_uv; }

static int svd_outputs(const void *params, int n_in) {
  (void)n_in;
  return has_vectors(params) ? 3 : 1;
}

static error *svd_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  error *e = factor_check("svd", n_in, in, false, true);
  if (e) return e;
  const int n = in[0]->ndim;
  const int64_t rows = in[0]->shape[n - 2], columns = in[0]->shape[n - 1];
  spec *s = &out[has_vectors(params) ? 1 : 0];
  *s = spec_of(in[0]);
  s->shape.n = n - 1;
  s->shape.dims[n - 2] = rows < columns ? rows : columns;
  s->dtype = dtype_of_parts(s->dtype);
  if (!has_vectors(params)) return NULL;
  int64_t dims[PONS_MAX_NDIM];
  memcpy(dims, in[0]->shape, (size_t)n * sizeof *dims);
  dims[n - 1] = rows;
  e = spec_set("svd", &out[0], dtype_of(in[0]), n, dims);
  dims[n - 2] = dims[n - 1] = columns;
  return e ? e : spec_set("svd", &out[2], dtype_of(in[0]), n, dims);
}

/* Derivatives (Townsend 2016, "Differentiating the singular value decomposition"; Wan and Zhang 2019 for
   complex matrices). With P = U^H dA V, and S as an m by n matrix:

       dS = Re diag P,   dU = U X,   dV = V Y,   X = F (P S^T + S P^H),   Y = G (S^T P + P^H S)

   where F and G, element by element, are 1 / (s_j^2 - s_i^2), the singular values being followed by zeros. X
   and Y are 0 between two columns beyond the rank min(m, n): these span what is left, in no order, and only
   functions that do not depend on it have a derivative. So it is with the phase of each pair of vectors, of
   which both take half. Equal singular values have no derivative of their vectors: the result holds NaN. */
typedef struct svd_parts {
  pons_array u, s, vt, wide; /* wide: s as an m by n matrix */
  pons_array f, g;
  int64_t m, n;
  bool complex;
} svd_parts;

static pons_array gaps_of(pons_array s, int64_t k, int64_t n) {
  if (node_failed(s)) return s;
  int64_t low[PONS_MAX_NDIM] = {0}, high[PONS_MAX_NDIM] = {0};
  pons_array squares = pons_square(s);
  high[s->ndim - 1] = n - k;
  if (n > k) squares = pons_pad(squares, (pons_shape){s->ndim, low}, (pons_shape){s->ndim, high}, NULL);
  return matrix_gaps(squares, k);
}

static svd_parts parts_of(pons_array a, const pons_array *out) {
  svd_parts p = {.u = out[0], .s = out[1], .vt = out[2], .complex = dtype_is_complex(dtype_of(a))};
  p.m = a->shape[a->ndim - 2];
  p.n = a->shape[a->ndim - 1];
  const int64_t k = p.m < p.n ? p.m : p.n;
  p.wide = as_dtype(matrix_from_diagonal(p.s, p.m, p.n), dtype_of(a));
  p.f = gaps_of(p.s, k, p.m);
  p.g = gaps_of(p.s, k, p.n);
  return p;
}

/* i times the imaginary part of x's diagonal, over 2 s. */
static pons_array half_phases(const svd_parts *p, pons_array x) {
  pons_array phases =
      pons_divide(pons_imag(matrix_diagonal(x)), pons_multiply(p->s, pons_scalar(2, PONS_FLOAT32)));
  return pons_multiply(pons_complex(0, 1), pons_astype(phases, dtype_of(x)));
}

static pons_array skew(pons_array x) { return pons_subtract(x, matrix_adjoint(x)); }

static pons_array values_vjp(pons_array a, pons_array s_bar) {
  pons_array out[3];
  pons_linalg_svd(a, true, out);
  if (pons_error_of(out[0])) return out[0];
  const int64_t m = a->shape[a->ndim - 2], n = a->shape[a->ndim - 1];
  return matrix_product3(out[0], as_dtype(matrix_from_diagonal(s_bar, m, n), dtype_of(a)), out[2]);
}

static void svd_vjp(const vjp_call *c) {
  if (!has_vectors(c->params)) {
    c->grads[0] = values_vjp(c->in[0], c->cotangents[0]);
    return;
  }
  const svd_parts p = parts_of(c->in[0], c->out);
  pons_array along_u = pons_matmul(matrix_adjoint(p.u), c->cotangents[0]);
  pons_array along_v = pons_matmul(p.vt, matrix_adjoint(c->cotangents[2]));
  pons_array middle = pons_add(pons_matmul(pons_multiply(p.f, skew(along_u)), p.wide),
                               pons_matmul(p.wide, pons_multiply(p.g, skew(along_v))));
  pons_array diagonal = c->cotangents[1];
  if (p.complex) {
    const int64_t k = p.m < p.n ? p.m : p.n;
    diagonal = pons_add(diagonal, half_phases(&p, pons_subtract(matrix_part(along_u, 0, k, 0, k),
                                                                matrix_part(along_v, 0, k, 0, k))));
  }
  middle = pons_add(middle, matrix_from_diagonal(diagonal, p.m, p.n));
  c->grads[0] = matrix_product3(p.u, middle, p.vt);
}

static pons_array real_diagonal(pons_array x) {
  pons_array diagonal = matrix_diagonal(x);
  return dtype_is_complex(dtype_of(x)) ? pons_real(diagonal) : diagonal;
}

static void svd_jvp(const jvp_call *c) {
  pons_array full[3];
  const bool vectors = has_vectors(c->params);
  if (vectors)
    memcpy(full, c->out, sizeof full);
  else
    pons_linalg_svd(c->in[0], true, full);
  pons_array moved = matrix_product3(matrix_adjoint(full[0]), c->tangents[0], matrix_adjoint(full[2]));
  c->out_tangents[vectors ? 1 : 0] = real_diagonal(moved);
  if (!vectors) return;
  const svd_parts p = parts_of(c->in[0], full);
  pons_array x = pons_matmul(moved, matrix_transposed(p.wide)),
             y = pons_matmul(matrix_transposed(p.wide), moved);
  x = pons_multiply(p.f, pons_add(x, matrix_adjoint(x)));
  y = pons_multiply(p.g, pons_add(y, matrix_adjoint(y)));
  if (p.complex) {
    pons_array phases = half_phases(&p, moved);
    x = pons_add(x, matrix_from_diagonal(phases, p.m, p.m));
    y = pons_subtract(y, matrix_from_diagonal(phases, p.n, p.n));
  }
  c->out_tangents[0] = pons_matmul(p.u, x);
  c->out_tangents[2] = pons_negative(pons_matmul(y, p.vt));
}

const prim prim_svd = {.name = "SVD",
                       .params_size = sizeof(svd_params),
                       .fields = {FIELD(BOOL, svd_params, compute_uv)},
                       .outputs = svd_outputs,
                       .infer = svd_infer,
                       .vjp = svd_vjp,
                       .jvp = svd_jvp,
                       .vmap = factor_vmap};

void pons_linalg_svd(pons_array a, bool compute_uv, pons_array *out) {
  pons_array bad = operand_fault("svd", 1, &a);
  const svd_params params = {compute_uv};
  if (bad) {
    for (int i = 0; i < (compute_uv ? 3 : 1); i++) out[i] = bad;
  } else if (compute_uv) {
    node_make_many(&prim_svd, &params, 1, &a, out, 3);
  } else {
    out[0] = node_make(&prim_svd, &params, 1, &a);
  }
}
