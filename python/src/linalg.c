/* linalg.c: the submodule linalg. Matrices are the last two axes. */
#include "binding.h"
#include <string.h>

#define LINALG(id, text, what) NAMED_FUNCTION(linalg_##id, #id, text, what)
#define OF_ONE(id, what)                                                      \
  LINALG(id, "(a: array, *, stream: StreamOrDevice = None) -> array", what) { \
    return wrap(pons_linalg_##id(s[0].array));                                \
  }
#define OF_ONE_UPPER(id, what)                                                                     \
  LINALG(id, "(a: array, upper: bool = False, *, stream: StreamOrDevice = None) -> array", what) { \
    return wrap(pons_linalg_##id(s[0].array, s[1].flag));                                          \
  }
#define IN_PARTS(id, count, type, what)                                       \
  LINALG(id, "(a: array, *, stream: StreamOrDevice = None) -> " type, what) { \
    pons_array out[count];                                                    \
    pons_linalg_##id(s[0].array, out);                                        \
    return wrap_tuple(out, count);                                            \
  }
OF_ONE(inv, "The inverse.")
OF_ONE(pinv, "The Moore-Penrose inverse.")
OF_ONE(det, "The determinant.")
OF_ONE(eigvals, "The eigenvalues, complex.")
OF_ONE_UPPER(cholesky, "L with a = L L^T, or its transpose.")
OF_ONE_UPPER(cholesky_inv, "The inverse of the matrix whose Cholesky factor is a.")
OF_ONE_UPPER(tri_inv, "The inverse of a triangle.")
IN_PARTS(qr, 2, "tuple[array, array]", "Q with orthonormal columns and R, upper triangular: a = Q R.")
IN_PARTS(lu, 3, "tuple[array, array, array]", "Row indices P, L and U: a = (L U)[P].")
IN_PARTS(lu_factor, 2, "tuple[array, array]", "L and U in one matrix, and pivots.")
IN_PARTS(eig, 2, "tuple[array, array]", "Eigenvalues and eigenvectors, complex.")
IN_PARTS(slogdet, 2, "tuple[array, array]", "Sign and logarithm of the absolute value of the determinant.")

LINALG(svd,
       "(a: array, compute_uv: bool = True, *, stream: StreamOrDevice = None) -> tuple[array, array, array]",
       "U, S and V^T with a = U[..., :k] diag(S) V^T[..., :k, :], or S alone.") {
  pons_array out[3];
  pons_linalg_svd(s[0].array, s[1].flag, out);
  return s[1].flag ? wrap_tuple(out, 3) : wrap(out[0]);
}

/* 'L' or 'U' in either case. */
static bool uplo_from(const char *op, slot s, char *uplo) {
  *uplo = s.text[0] == 'l' ? 'L' : s.text[0] == 'u' ? 'U' : s.text[0];
  if ((*uplo == 'L' || *uplo == 'U') && !s.text[1]) return true;
  PyErr_Format(PyExc_ValueError, "linalg.%s: UPLO is '%s', it must be 'L' or 'U'", op, s.text);
  return false;
}

LINALG(eigh, "(a: array, UPLO: str = 'L', *, stream: StreamOrDevice = None) -> tuple[array, array]",
       "Eigenvalues, ascending, and eigenvectors of a symmetric or Hermitian matrix; UPLO is the triangle "
       "read.") {
  pons_array out[2];
  char uplo;
  if (!uplo_from("eigh", s[1], &uplo)) return NULL;
  pons_linalg_eigh(s[0].array, uplo, out);
  return wrap_tuple(out, 2);
}

LINALG(eigvalsh, "(a: array, UPLO: str = 'L', *, stream: StreamOrDevice = None) -> array",
       "Eigenvalues, ascending, of a symmetric or Hermitian matrix.") {
  char uplo;
  return uplo_from("eigvalsh", s[1], &uplo) ? wrap(pons_linalg_eigvalsh(s[0].array, uplo)) : NULL;
}

LINALG(solve, "(a: array, b: array, *, stream: StreamOrDevice = None) -> array", "x with a x = b.") {
  return wrap(pons_linalg_solve(s[0].array, s[1].array));
}

LINALG(solve_triangular,
       "(a: array, b: array, *, upper: bool = False, stream: StreamOrDevice = None) -> array",
       "x with a x = b, of a's lower or upper triangle.") {
  return wrap(pons_linalg_solve_triangular(s[0].array, s[1].array, s[2].flag));
}

LINALG(cross, "(a: array, b: array, axis: int = -1, *, stream: StreamOrDevice = None) -> array",
       "The cross product of vectors of 2 or 3 elements.") {
  return wrap(pons_linalg_cross(s[0].array, s[1].array, (int)s[2].i));
}

static bool ord_from(slot s, pons_ord *ord) {
  *ord = s.kind == SLOT_FLOAT ? PONS_ORD(s.number)
         : s.kind == SLOT_INT ? PONS_ORD((double)s.i)
                              : (pons_ord){0};
  if (s.kind != SLOT_TEXT) return true;
  const bool fro = strcmp(s.text, "fro") == 0 || strcmp(s.text, "f") == 0, nuc = strcmp(s.text, "nuc") == 0;
  *ord = fro ? PONS_ORD_FRO : PONS_ORD_NUC;
  if (!fro && !nuc)
    PyErr_Format(PyExc_ValueError, "linalg.norm: ord is '%s', it must be a number, 'fro' or 'nuc'", s.text);
  return fro || nuc;
}

LINALG(norm,
       "(a: array, /, ord: None | int | float | str = None, axis: None | int | list[int] = None, keepdims: "
       "bool = False, *, "
       "stream: StreamOrDevice = None) -> array",
       "The norm of vectors or matrices: ord is a number, inf, -inf, 'fro' or 'nuc'.") {
  pons_ord ord;
  if (!ord_from(s[1], &ord)) return NULL;
  return wrap(pons_linalg_norm(s[0].array, .ord = ord, .axes = axes_of(s[2]), .keepdims = s[3].flag));
}

#define LINALG_ROW(id) ALIAS(#id, linalg_##id)
static PyMethodDef rows[] = {LINALG_ROW(inv),
                             LINALG_ROW(pinv),
                             LINALG_ROW(det),
                             LINALG_ROW(eigvals),
                             LINALG_ROW(cholesky),
                             LINALG_ROW(cholesky_inv),
                             LINALG_ROW(tri_inv),
                             LINALG_ROW(qr),
                             LINALG_ROW(lu),
                             LINALG_ROW(lu_factor),
                             LINALG_ROW(eig),
                             LINALG_ROW(slogdet),
                             LINALG_ROW(svd),
                             LINALG_ROW(eigh),
                             LINALG_ROW(eigvalsh),
                             LINALG_ROW(solve),
                             LINALG_ROW(solve_triangular),
                             LINALG_ROW(cross),
                             LINALG_ROW(norm),
                             END_OF_ROWS};

int add_linalg(PyObject *submodule) { return PyModule_AddFunctions(submodule, rows); }
