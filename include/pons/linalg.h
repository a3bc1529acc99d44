/* linalg.h: linear algebra. Matrices are the last two axes; leading axes are a batch.

   float32, float64, complex64 and complex128; other dtypes are errors, as in MLX. Factorizations
   need LAPACK, which is looked for at run time (`pons info` tells). A singular matrix and the like are errors
   when the result is computed; they name the matrix. What says vectors are found up to their sign, or phase. */
#ifndef PONS_LINALG_H
#define PONS_LINALG_H
#include <pons/array.h>
#ifdef __cplusplus
extern "C" {
#endif

/* ---- norms and products -------------------------------------------------------------------------------- */

/* Which norm: PONS_ORD(p) of a number (INFINITY and -INFINITY too), PONS_ORD_FRO, PONS_ORD_NUC. Left out: the
   2-norm of a vector, the Frobenius norm of a matrix. */
typedef enum pons_ord_kind {
  PONS_ORD_KIND_DEFAULT,
  PONS_ORD_KIND_NUMBER,
  PONS_ORD_KIND_FRO,
  PONS_ORD_KIND_NUC
} pons_ord_kind;
typedef struct pons_ord {
  pons_ord_kind kind;
  double p;
} pons_ord;
#define PONS_ORD(p) ((pons_ord){PONS_ORD_KIND_NUMBER, (p)})
#define PONS_ORD_FRO ((pons_ord){PONS_ORD_KIND_FRO, 0})
#define PONS_ORD_NUC ((pons_ord){PONS_ORD_KIND_NUC, 0})

/* Norm of vectors along one axis or of matrices along two; over all axes when they are left out, of the
   flattened array when `ord` is too. Any dtype; those of singular values (2, -2, nuc of a matrix) as
   pons_linalg_svd. */
#define pons_linalg_norm(...) pons_linalg_norm_with((struct pons_norm_args){.x = __VA_ARGS__})
#define pons_matrix_norm(...) pons_linalg_norm_with((struct pons_norm_args){.x = __VA_ARGS__})
struct pons_norm_args {
  pons_array x;
  pons_ord ord;
  pons_axes axes;
  bool keepdims;
};
PONS_API pons_array pons_linalg_norm_with(struct pons_norm_args args);
/* Cross product of vectors of 2 or 3 elements along `axis`; a missing third one is 0, and the result has 3.
   Any dtype. */
PONS_API pons_array pons_linalg_cross(pons_array a, pons_array b, int axis);

/* ---- factorizations ------------------------------------------------------------------------------------ */

/* a = Q R: Q (..., m, k) with orthonormal columns, R (..., k, n) upper triangular, k = min(m, n). */
PONS_API void pons_linalg_qr(pons_array a, pons_array out[2]);
/* U (..., m, m), S (..., k) descending, Vt (..., n, n) into out[3], with
   a = U[..., :k] diag(S) Vt[..., :k, :]; without compute_uv S alone into out[1]. Of complex
   matrices S is real. */
PONS_API void pons_linalg_svd(pons_array a, bool compute_uv, pons_array *out);
/* L (..., n, n) lower triangular with a = L L^H, or its adjoint if `upper`. Of a, taken to be symmetric or Hermitian,
   that triangle is read. An error if it is not positive definite. */
PONS_API pons_array pons_linalg_cholesky(pons_array a, bool upper);
/* P (..., m) uint32, L (..., m, k) with ones on the diagonal, U (..., k, n): a = (L U)[P]. */
PONS_API void pons_linalg_lu(pons_array a, pons_array out[3]);
/* L and U in one matrix (..., m, n), and pivots (..., k) uint32: row i was exchanged with row pivots[i], for
   i = 0, 1, ... */
PONS_API void pons_linalg_lu_factor(pons_array a, pons_array out[2]);

/* ---- eigenvalues --------------------------------------------------------------------------------------- */

/* Values (..., n) and, in columns, vectors (..., n, n) of length 1, both complex64, of complex128 matrices complex128. */
PONS_API void pons_linalg_eig(pons_array a, pons_array out[2]);
PONS_API pons_array pons_linalg_eigvals(pons_array a);
/* The same of a symmetric or Hermitian matrix: values are real and ascend. uplo, 'L' or 'U', is the triangle
   that is read. */
PONS_API void pons_linalg_eigh(pons_array a, char uplo, pons_array out[2]);
PONS_API pons_array pons_linalg_eigvalsh(pons_array a, char uplo);

/* ---- inverses, equations, determinants ----------------------------------------------------------------- */

PONS_API pons_array pons_linalg_inv(pons_array a);
/* Of the lower triangle, or of the upper one. */
PONS_API pons_array pons_linalg_tri_inv(pons_array a, bool upper);
/* The Moore-Penrose inverse (..., n, m); singular values of at most 10 max(m, n) eps of the largest are 0. */
PONS_API pons_array pons_linalg_pinv(pons_array a);
/* The inverse of the matrix whose Cholesky factor, lower or upper, is `a`. */
PONS_API pons_array pons_linalg_cholesky_inv(pons_array a, bool upper);
/* x with a x = b. b is a vector if it has one axis, else (..., n, k); leading axes broadcast. One of them may
   have another dtype if both together promote to float32 or float64. */
PONS_API pons_array pons_linalg_solve(pons_array a, pons_array b);
/* The same, of a's lower or upper triangle. */
PONS_API pons_array pons_linalg_solve_triangular(pons_array a, pons_array b, bool upper);
/* (...) of real matrices of any dtype; float32 for integers. */
PONS_API pons_array pons_linalg_det(pons_array a);
/* Sign and logarithm of the absolute value of the determinant; 0 and -inf of a singular matrix. */
PONS_API void pons_linalg_slogdet(pons_array a, pons_array out[2]);

#ifdef __cplusplus
}
#endif
#endif
