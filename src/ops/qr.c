/* qr.c: QRF, A = Q R with k = min(m, n) orthonormal columns in Q and an upper triangle R. Uses graph/. */
#include "ops/ops.h"

static int qr_outputs(const void *params, int n_in) {
  (void)params, (void)n_in;
  return 2;
}

static error *qr_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  error *e = factor_check("qr", n_in, in, false, true);
  if (e) return e;
  out[0] = out[1] = spec_of(in[0]);
  const int n = in[0]->ndim;
  const int64_t rows = in[0]->shape[n - 2], columns = in[0]->shape[n - 1];
  if (columns > rows)
    out[0].shape.dims[n - 1] = rows;
  else
    out[1].shape.dims[n - 2] = columns;
  return NULL;
}

/* R's diagonal is real. */
static pons_array real_diagonal(pons_array x) {
  if (x->ndim < 1) return x; /* it carries an error */
  pons_array diagonal = matrix_diagonal(x);
  const int64_t n = x->shape[x->ndim - 1];
  return matrix_from_diagonal(dtype_is_complex(dtype_of(x)) ? as_dtype(pons_real(diagonal), dtype_of(x)) : diagonal, n, n);
}

/* Of a matrix that is at least as tall as wide (Walter and Lehmann 2012, "Algorithmic differentiation of
   linear algebra functions with application in optimum experimental design", 4.3). R must be invertible. */
static pons_array tall_vjp(pons_array q, pons_array r, pons_array q_bar, pons_array r_bar) {
  pons_array m = pons_subtract(pons_matmul(r, matrix_adjoint(pons_triu(r_bar, 0))),
                               pons_matmul(matrix_adjoint(q_bar), q));
  pons_array below = pons_tril(m, -1), mirrored = pons_add(pons_add(below, real_diagonal(m)), matrix_adjoint(below));
  pons_array sum = pons_add(q_bar, pons_matmul(q, mirrored));
  return pons_matmul(sum, matrix_adjoint(pons_linalg_tri_inv(r, true)));
}

/* A wide A is [X, Y] with a square X = Q U; then Y = Q V (Roberts and Roberts 2020, "QR and LQ decomposition
   matrix backpropagation algorithms for square, wide, and deep matrices"). */
static void qr_vjp(const vjp_call *c) {
  const node *a = c->in[0];
  const int64_t m = a->shape[a->ndim - 2], n = a->shape[a->ndim - 1];
  pons_array q = c->out[0], r = c->out[1], q_bar = c->cotangents[0], r_bar = c->cotangents[1];
  if (m >= n) {
    c->grads[0] = tall_vjp(q, r, q_bar, r_bar);
    return;
  }
  pons_array y = matrix_part(c->in[0], 0, m, m, n), v_bar = matrix_part(r_bar, 0, m, m, n);
  pons_array x_bar =
      tall_vjp(q, matrix_part(r, 0, m, 0, m), pons_add(q_bar, pons_matmul(y, matrix_adjoint(v_bar))),
               matrix_part(r_bar, 0, m, 0, m));
  c->grads[0] = matrix_join(x_bar, pons_matmul(q, v_bar), -1);
}

static void tall_jvp(pons_array q, pons_array r, pons_array moved, pons_array *dq, pons_array *dr) {
  pons_array w = pons_matmul(moved, pons_linalg_tri_inv(r, true));
  pons_array within = pons_matmul(matrix_adjoint(q), w);
  pons_array below = pons_tril(within, -1);
  pons_array left = pons_add(pons_add(pons_triu(within, 1), matrix_adjoint(below)), real_diagonal(within));
  *dq = pons_subtract(w, pons_matmul(q, left));
  *dr = pons_matmul(left, r);
}

static void qr_jvp(const jvp_call *c) {
  const node *a = c->in[0];
  const int64_t m = a->shape[a->ndim - 2], n = a->shape[a->ndim - 1];
  pons_array q = c->out[0], r = c->out[1], moved = c->tangents[0];
  if (m >= n) {
    tall_jvp(q, r, moved, &c->out_tangents[0], &c->out_tangents[1]);
    return;
  }
  pons_array dq, du;
  tall_jvp(q, matrix_part(r, 0, m, 0, m), matrix_part(moved, 0, m, 0, m), &dq, &du);
  pons_array dv = pons_add(pons_matmul(matrix_adjoint(dq), matrix_part(c->in[0], 0, m, m, n)),
                           pons_matmul(matrix_adjoint(q), matrix_part(moved, 0, m, m, n)));
  c->out_tangents[0] = dq;
  c->out_tangents[1] = matrix_join(du, dv, -1);
}

const prim prim_qr = {.name = "QRF",
                      .outputs = qr_outputs,
                      .infer = qr_infer,
                      .vjp = qr_vjp,
                      .jvp = qr_jvp,
                      .vmap = factor_vmap};

void pons_linalg_qr(pons_array a, pons_array out[2]) {
  pons_array bad = operand_fault("qr", 1, &a);
  if (bad)
    out[0] = out[1] = bad;
  else
    node_make_many(&prim_qr, NULL, 1, &a, out, 2);
}
