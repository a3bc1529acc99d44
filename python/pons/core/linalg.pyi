"""Linear algebra."""

# Written by tools/python-stubs from the module's docstrings.

from pons.core import StreamOrDevice, array

def cholesky(a: array, upper: bool = False, *, stream: StreamOrDevice = None) -> array:
    """L with a = L L^T, or its transpose."""

def cholesky_inv(a: array, upper: bool = False, *, stream: StreamOrDevice = None) -> array:
    """The inverse of the matrix whose Cholesky factor is a."""

def cross(a: array, b: array, axis: int = -1, *, stream: StreamOrDevice = None) -> array:
    """The cross product of vectors of 2 or 3 elements."""

def det(a: array, *, stream: StreamOrDevice = None) -> array:
    """The determinant."""

def eig(a: array, *, stream: StreamOrDevice = None) -> tuple[array, array]:
    """Eigenvalues and eigenvectors, complex."""

def eigh(a: array, UPLO: str = 'L', *, stream: StreamOrDevice = None) -> tuple[array, array]:
    """Eigenvalues, ascending, and eigenvectors of a symmetric or Hermitian matrix; UPLO is the triangle read."""

def eigvals(a: array, *, stream: StreamOrDevice = None) -> array:
    """The eigenvalues, complex."""

def eigvalsh(a: array, UPLO: str = 'L', *, stream: StreamOrDevice = None) -> array:
    """Eigenvalues, ascending, of a symmetric or Hermitian matrix."""

def inv(a: array, *, stream: StreamOrDevice = None) -> array:
    """The inverse."""

def lu(a: array, *, stream: StreamOrDevice = None) -> tuple[array, array, array]:
    """Row indices P, L and U: a = (L U)[P]."""

def lu_factor(a: array, *, stream: StreamOrDevice = None) -> tuple[array, array]:
    """L and U in one matrix, and pivots."""

def norm(a: array, /, ord: None | int | float | str = None, axis: None | int | list[int] = None, keepdims: bool = False, *, stream: StreamOrDevice = None) -> array:
    """The norm of vectors or matrices: ord is a number, inf, -inf, 'fro' or 'nuc'."""

def pinv(a: array, *, stream: StreamOrDevice = None) -> array:
    """The Moore-Penrose inverse."""

def qr(a: array, *, stream: StreamOrDevice = None) -> tuple[array, array]:
    """Q with orthonormal columns and R, upper triangular: a = Q R."""

def slogdet(a: array, *, stream: StreamOrDevice = None) -> tuple[array, array]:
    """Sign and logarithm of the absolute value of the determinant."""

def solve(a: array, b: array, *, stream: StreamOrDevice = None) -> array:
    """x with a x = b."""

def solve_triangular(a: array, b: array, *, upper: bool = False, stream: StreamOrDevice = None) -> array:
    """x with a x = b, of a's lower or upper triangle."""

def svd(a: array, compute_uv: bool = True, *, stream: StreamOrDevice = None) -> tuple[array, array, array]:
    """U, S and V^T with a = U[..., :k] diag(S) V^T[..., :k, :], or S alone."""

def tri_inv(a: array, upper: bool = False, *, stream: StreamOrDevice = None) -> array:
    """The inverse of a triangle."""
