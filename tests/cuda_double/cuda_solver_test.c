/* cuda_solver_test.c: factorizations on the doubles of the driver and of cuSOLVER against those of the CPU: tall and wide matrices, in batches,
   seen transposed, and what can't be factored. It judges what is asked of the libraries, not the hardware. */
#include "device/device.h"
#include <math.h>
#include <pons/linalg.h>
#include <pons/ops.h>
#include <pons/pons.h>
#include "tests/cuda_double/process.h"

/* Values around 0 without a pattern. */
static pons_array some(pons_shape shape, pons_dtype d) {
  int64_t size = 1;
  for (int i = 0; i < shape.count; i++) size *= shape.at[i];
  pons_array i = pons_arange(0, (double)size, 1, PONS_FLOAT32),
             x = pons_sin(pons_multiply(i, pons_add(i, pons_float(1.37))));
  if (d == PONS_COMPLEX64)
    x = pons_add(x, pons_multiply(pons_cos(pons_multiply(i, pons_float(78.233))), pons_complex(0, 1)));
  return pons_reshape(pons_astype(x, d), shape);
}

static pons_array turned(pons_array a) { return pons_swapaxes(a, -1, -2); }
static pons_array adjoint(pons_array a) { return pons_conjugate(turned(a)); }

/* n n^H + 3: Hermitian, positive definite. */
static pons_array definite(int batch, int n, pons_dtype d) {
  pons_array a = some(PONS_SHAPE(batch, n, n), d);
  return pons_add(pons_matmul(a, adjoint(a)), pons_multiply(pons_eye(n, n, 0, d), pons_float(3)));
}

/* The results of factorization `kind`, and what they multiply to where signs and phases are free. */
enum { KINDS = 13, MOST = 4 };
static int factors(int kind, pons_dtype d, pons_array *out) {
  pons_array three[3], two[2];
  switch (kind) {
    case 0:
      out[0] = pons_linalg_cholesky(definite(2, 4, d), false);
      return 1;
    case 1:
      out[0] = pons_linalg_cholesky(turned(definite(1, 5, d)), true);
      return 1;
    case 2:
    case 3:
      pons_linalg_lu_factor(kind == 2 ? some(PONS_SHAPE(2, 3, 5, 3), d) : turned(some(PONS_SHAPE(5, 3), d)),
                            out);
      return 2;
    case 4:
      pons_linalg_lu(some(PONS_SHAPE(3, 4, 4), d), out);
      return 3;
    case 5:
      out[0] = pons_linalg_inv(turned(some(PONS_SHAPE(3, 4, 4), d)));
      return 1;
    case 6:
    case 7:
      out[0] = pons_linalg_tri_inv(
          pons_add(some(PONS_SHAPE(2, 4, 4), d), pons_multiply(pons_eye(4, 4, 0, d), pons_float(2))),
          kind == 7);
      return 1;
    case 8:
    case 9:
      pons_linalg_qr(kind == 8 ? some(PONS_SHAPE(2, 5, 3), d) : some(PONS_SHAPE(3, 5), d), two);
      out[0] = pons_matmul(two[0], two[1]);
      out[1] = pons_abs(two[1]);
      out[2] = pons_matmul(adjoint(two[0]), two[0]);
      return 3;
    case 10:
      pons_linalg_eigh(definite(2, 4, d), 'L', two);
      out[0] = two[0];
      out[1] = pons_matmul(two[1], pons_multiply(pons_expand_dims(two[0], PONS_AXES(-1)), adjoint(two[1])));
      out[2] = pons_linalg_eigvalsh(definite(2, 4, d), 'U');
      return 3;
    default: { /* 11: tall, 12: wide */
      const bool wide = kind == 12;
      pons_linalg_svd(wide ? some(PONS_SHAPE(2, 3, 5), d) : some(PONS_SHAPE(2, 5, 3), d), true, three);
      pons_array u = pons_slice(three[0], PONS_SHAPE(0, 0, 0), PONS_SHAPE(2, wide ? 3 : 5, 3), PONS_SCALAR);
      pons_array vt = pons_slice(three[2], PONS_SHAPE(0, 0, 0), PONS_SHAPE(2, 3, wide ? 5 : 3), PONS_SCALAR);
      out[0] = three[1];
      out[1] = pons_matmul(pons_multiply(u, pons_expand_dims(three[1], PONS_AXES(-2))), vt);
      out[2] = pons_matmul(adjoint(three[0]), three[0]); /* square, with as many columns as rows */
      pons_linalg_svd(wide ? some(PONS_SHAPE(2, 3, 5), d) : some(PONS_SHAPE(2, 5, 3), d), false, &out[3]);
      return 4;
    }
  }
}

static bool agree(pons_array found, pons_array expected) {
  pons_set_default_device("cpu");
  const bool *same = pons_data(pons_allclose(found, expected, .rtol = 1e-4, .atol = 1e-4));
  return same && *same;
}

/* LAPACK takes for the largest complex number what has the largest sum of parts, LU's definition in simpler ops what is
   farthest from 0: rows may be exchanged otherwise. */
static bool pivots_may_differ(int kind, pons_dtype d, bool by_cusolver) {
  return !by_cusolver && d == PONS_COMPLEX64 && kind >= 2 && kind <= 4;
}

static void agree_in_all(bool by_cusolver) {
  static const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_FLOAT64, PONS_COMPLEX64};
  for (int d = 0; d < 3; d++) {
    for (int kind = 0; kind < KINDS; kind++) {
      if (pivots_may_differ(kind, dtypes[d], by_cusolver)) continue;
      const pons_scope s = pons_scope_open();
      pons_array expected[MOST], found[MOST];
      pons_set_default_device("cpu");
      const int n = factors(kind, dtypes[d], expected);
      CHECK(pons_eval_many(expected, n));
      pons_set_default_device("cuda");
      CHECK(factors(kind, dtypes[d], found) == n && pons_eval_many(found, n));
      for (int i = 0; i < n; i++) {
        if (agree(found[i], expected[i])) continue;
        print_error("kind %d, dtype %d, result %d: %s\n", kind, (int)dtypes[d], i, pons_to_text(found[i]));
        print_error("expected %s\n", pons_to_text(expected[i]));
        _exit(1);
      }
      pons_scope_close(s);
    }
  }
}

static void factors_agree(void) { agree_in_all(false); }

static void cusolver_is_asked(void) {
  agree_in_all(true);
  CHECK(count("cuda_double_queue") > 100);
  if (getenv("CUDA_DOUBLE_POOLS")) return; /* without them what was given back is kept */
  pons_clear_cache();
  CHECK(count("device memory") <= 2);      /* cuBLASLt's workspace, and what notes wrong indices */
}

static void factorizations_go_to_it_and_without_it(void **state) {
  (void)state;
  passes(cusolver_is_asked, "NO_CUBLASLT=1");
  passes(cusolver_is_asked, "CUDA_DOUBLE_POOLS=0;NO_CUBLASLT=1");
  passes(factors_agree, "DOUBLE_FAULTS=cusolverDnCreate:1=1"); /* it can't be started: the CPU */
  if (!dlopen("libcusolver.so.11", RTLD_LAZY | RTLD_LOCAL)) passes(factors_agree, "NO_CUSOLVER=1");
}

/* ---- what can't be factored ---- */

static void wrong_matrices_are_told(void) {
  pons_set_default_device("cuda");
  const pons_scope s = pons_scope_open();
  pons_array bad = pons_multiply(pons_eye(3, 3, 0, PONS_FLOAT32), pons_float(-1));
  CHECK(!pons_eval(pons_linalg_cholesky(bad, false)) &&
        told("cholesky: the matrix (3 by 3) is not positive definite: its leading minor of order 1 is not"));
  pons_clear_error();
  pons_array flat = pons_ones(PONS_SHAPE(2, 2, 2), PONS_FLOAT32);
  CHECK(!pons_eval(pons_linalg_inv(flat)) && told("inv: matrix 0 of 2 (2 by 2) is singular: element 1 of the "
                                                  "diagonal of U, of its LU factors, is 0"));
  pons_clear_error();
  pons_array lower = pons_zeros(PONS_SHAPE(2, 2), PONS_FLOAT32);
  CHECK(!pons_eval(pons_linalg_tri_inv(lower, false)) &&
        told("tri_inv: the matrix (2 by 2) is singular: element 0 of the diagonal of the triangle is 0"));
  pons_clear_error();
  /* By a kernel of our own, which notes it. */
  pons_array hole = pons_where(pons_equal(pons_arange(0, 300, 1, PONS_FLOAT32), pons_float(270)), pons_float(0), pons_float(1));
  pons_array two = pons_stack((pons_array[]){pons_eye(300, 300, 0, PONS_FLOAT32), pons_diag(hole, 0)}, 2, 0);
  for (int upper = 0; upper < 2; upper++) {
    CHECK(!pons_eval(pons_linalg_solve_triangular(two, pons_ones(PONS_SHAPE(2, 300, 2), PONS_FLOAT32), upper)) &&
          told("solve_triangular: matrix 1 of 2 (300 by 300) is singular: element 270 of the diagonal of the triangle is 0"));
    pons_clear_error();
  }
  pons_scope_close(s);
}

/* As on the CPU: refused where LAPACK iterates, else handed on. */
static void not_finite(pons_array a, int kind) {
  pons_array out[3] = {NULL};
  int n = 1;
  if (kind == 0) pons_linalg_eigh(a, 'L', out), n = 2;
  else if (kind == 1) out[0] = pons_linalg_eigvalsh(a, 'U');
  else if (kind == 2) pons_linalg_svd(a, true, out), n = 3;
  else if (kind == 3) out[0] = pons_linalg_inv(a);
  else pons_linalg_qr(a, out), n = 2;
  const bool refused = !pons_eval_many(out, n);
  CHECK(refused == (kind < 3));
  if (refused) CHECK(told("matrix 1 of 3 holds NaN or infinity"));
  pons_clear_error();
}

static void what_is_not_finite_is_told(void) {
  static const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_FLOAT64, PONS_COMPLEX64};
  static const char *const devices[] = {"cpu", "cuda"};
  for (int i = 0; i < 2 * 3 * 2 * 5; i++) {
    pons_set_default_device(devices[i % 2]);
    const pons_dtype d = dtypes[i / 2 % 3];
    const pons_scope s = pons_scope_open();
    pons_array value = pons_astype(pons_float(i / 6 % 2 ? NAN : -INFINITY), d), a = definite(3, 3, d);
    a = turned(pons_slice_update(a, pons_reshape(value, PONS_SHAPE(1, 1, 1)), PONS_SHAPE(1, 2, 0), PONS_SHAPE(2, 3, 1), PONS_SHAPE(1, 1, 1)));
    not_finite(a, i / 12);
    pons_scope_close(s);
  }
}

static void a_factor_or_an_error(void) {
  pons_set_default_device("cuda");
  for (int i = 0; i < 2; i++) { /* what failed once does not stand in the way of the next */
    for (int kind = 0; kind < KINDS; kind++) {
      const pons_scope s = pons_scope_open();
      pons_array out[MOST];
      const int n = factors(kind, PONS_FLOAT32, out);
      if (!pons_eval_many(out, n)) CHECK(i == 0 && told("status 6 of cuSOLVER"));
      pons_clear_error();
      pons_scope_close(s);
    }
  }
}

static void failures_are_told(void **state) {
  (void)state;
  static const char *const calls[] = {"cusolverDnXpotrf_bufferSize",
                                      "cusolverDnXpotrf",
                                      "cusolverDnXgetrf_bufferSize",
                                      "cusolverDnXgetrf",
                                      "cusolverDnXgetrs",
                                      "cusolverDnXgeqrf_bufferSize",
                                      "cusolverDnXgeqrf",
                                      "cusolverDnSorgqr",
                                      "cusolverDnXsyevd",
                                      "cusolverDnXgesvd"};
  char settings[128];
  passes(wrong_matrices_are_told, "A=1");
  passes(what_is_not_finite_is_told, "A=1");
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    snprintf(settings, sizeof settings, "DOUBLE_FAULTS=%s:1=6", calls[i]);
    passes(a_factor_or_an_error, settings);
  }
}

int main(void) {
  if (!doubles_are_there()) return 77;
  if (!dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL)) {
    print_message("skipped: no OpenBLAS, on which the double of cuSOLVER stands\n");
    return 77;
  }
  setenv("PONS_CACHE_DIR", PONS_BUILD_DIR "/kernels", 0); /* for nvrtc_test it is another */
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(factorizations_go_to_it_and_without_it),
      cmocka_unit_test(failures_are_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
