/* linalg_ops_test.c: linear algebra by small cases: values, what is refused and when, empty matrices, and the
   derivatives that conformance_gradient_test.c can't hold against differences in float64: complex ones.
   Numbers are those that MLX gives, or follow from the equations that a factorization stands for. */
#include "ops/ops_for_tests.h"
#include <math.h>

static pons_array matrix(int64_t m, int64_t n, const float *values) {
  return pons_array_from(values, PONS_SHAPE(m, n), PONS_FLOAT32);
}
#define MATRIX(m, n, ...) matrix(m, n, (float[]){__VA_ARGS__})

static void refused_when_computed(pons_array a, const char *expected) {
  assert_null(pons_error_of(a));
  assert_false(pons_eval(a));
  check_error(a, expected);
}

static void near(pons_array a, pons_array b, float slack) {
  const double apart = pons_item(pons_max(pons_abs(pons_subtract(a, b)))),
               size = pons_item(pons_max(pons_abs(b)));
  if (!(apart <= (double)slack * (1 + size))) fail_msg("%g apart, of %g", apart, size);
}

static void values(void **state) {
  (void)state;
  pons_array out[3], a = MATRIX(2, 2, 4, 1, 1, 3), b = MATRIX(2, 3, 1, -2, 3, 4, 5, -7);
  check(pons_linalg_det(a), "11 float32");
  check(pons_linalg_det(pons_reshape(INTS(1, 2, 3, 4), PONS_SHAPE(2, 2))), "-2 float32");
  check(pons_linalg_cholesky(MATRIX(2, 2, 4, 9, 2, 5), false), "[[2, 0], [1, 2]] float32");
  check(pons_linalg_tri_inv(MATRIX(2, 2, 2, 8, 9, 4), true), "[[0.5, -1], [0, 0.25]] float32");
  check(pons_linalg_cross(FLOATS(1, 2, 3), FLOATS(4, 5), 0), "[-15, 12, -3] float32");
  check(pons_linalg_norm(FLOATS(3, -4)), "5 float32");
  check(pons_linalg_norm(b, .ord = PONS_ORD(1)), "10 float32");
  check(pons_linalg_norm(b, .ord = PONS_ORD(INFINITY), .keepdims = true), "[[16]] float32");
  check(pons_linalg_norm(b, .ord = PONS_ORD(-1), .axes = PONS_AXES(1, 0)), "6 float32");
  check(pons_linalg_norm(b, .ord = PONS_ORD(0), .axes = PONS_AXES(-1)), "[3, 3] float32");
  check(pons_linalg_norm(b, .axes = PONS_NO_AXES), "[[1, 2, 3], [4, 5, 7]] float32");
  pons_linalg_eigh(MATRIX(2, 2, 2, 9, 1, 2), 'L', out); /* of [[2, 1], [1, 2]] */
  near(out[0], FLOATS(1, 3), 1e-6f);
}

static void exchanges(void **state) {
  (void)state;
  pons_array out[3];
  pons_linalg_lu(MATRIX(3, 2, 1, 2, 3, 4, 6, 8), out);
  check(out[0], "[1, 2, 0] uint32");
  check(pons_take(pons_matmul(out[1], out[2]), out[0], 0), "[[1, 2], [3, 4], [6, 8]] float32");
  pons_linalg_lu_factor(MATRIX(2, 2, 1, 2, 2, 4), out);
  check(out[0], "[[2, 4], [0.5, 0]] float32");
  check(out[1], "[1, 1] uint32");
}

static void refused(void **state) {
  (void)state;
  pons_array out[3], vector = FLOATS(1, 2), wide = counted(PONS_SHAPE(2, 3));
  pons_array whole = pons_zeros(PONS_SHAPE(2, 2), PONS_INT32);
  check_error(pons_linalg_inv(vector), "inv: needs at least 2 axes, not (2) float32");
  check_error(pons_linalg_inv(wide), "inv: needs square matrices, not (2, 3) float32");
  check_error(pons_linalg_inv(whole), "inv: takes float32 and float64, not (2, 2) int32");
  check_error(pons_linalg_eigvalsh(counted(PONS_SHAPE(2, 2)), 'l'), "eigh: UPLO is L or U, not l");
  pons_linalg_svd(whole, true, out);
  check_error(out[2], "svd: takes float32, float64, complex64 and complex128, not (2, 2) int32");
  pons_linalg_eig(wide, out);
  check_error(out[1], "eig: needs square matrices, not (2, 3) float32");
  check_error(pons_linalg_solve(wide, vector),
              "linalg_solve: the first operand must be square matrices; it has 2 axes, "
              "the last ones 2 by 3");
  check_error(pons_linalg_solve(counted(PONS_SHAPE(2, 2)), FLOATS(1, 2, 3)),
              "linalg_solve: 2 equations, but 3 right-hand sides");
  check_error(pons_linalg_solve(whole, INTS(1, 2)),
              "linalg_solve: operands must promote to float32, float64, complex64 or complex128, not int32 and int32");
  check_error(pons_linalg_cross(FLOATS(1, 2, 3, 4), FLOATS(1, 2, 3), -1),
              "linalg_cross: axis -1 has 4 elements, not 2 or 3");
  check_error(pons_linalg_norm(wide, .ord = PONS_ORD(3)),
              "linalg_norm: there is no norm of order 3 of a matrix");
  check_error(pons_linalg_norm(vector, .ord = PONS_ORD_NUC),
              "linalg_norm: this norm is one of matrices, along 2 axes, not 1");
  check_error(pons_linalg_norm(wide, .axes = PONS_AXES(1, -1)), "linalg_norm: axis -1 is given twice");
}

static void refused_by_value(void **state) {
  (void)state;
  pons_array singular = MATRIX(2, 2, 1, 2, 2, 4), batch[2] = {MATRIX(2, 2, 1, 2, 3, 4), singular}, out[3];
  refused_when_computed(pons_linalg_inv(singular),
                        "inv: the matrix (2 by 2) is singular: element 1 of the diagonal "
                        "of U, of its LU factors, is 0");
  refused_when_computed(
      pons_linalg_inv(pons_stack(batch, 2, 0)),
      "inv: matrix 1 of 2 (2 by 2) is singular: element 1 of the diagonal of U, of its LU factors, "
      "is 0");
  refused_when_computed(
      pons_linalg_tri_inv(MATRIX(2, 2, 0, 1, 1, 1), false),
      "tri_inv: the matrix (2 by 2) is singular: element 0 of the diagonal of the triangle is 0");
  refused_when_computed(
      pons_linalg_solve(singular, FLOATS(1, 2)),
      "solve_triangular: the matrix (2 by 2) is singular: element 1 of the diagonal of the triangle is 0");
  refused_when_computed(
      pons_linalg_cholesky(MATRIX(2, 2, 1, 2, 2, 1), false),
      "cholesky: the matrix (2 by 2) is not positive definite: its leading minor of order 2 is not");
  pons_array hole = MATRIX(2, 2, 1, NAN, 2, 1), endless = MATRIX(2, 2, INFINITY, 0, 0, 1);
  pons_linalg_svd(hole, true, out);
  refused_when_computed(out[1], "svd: the matrix holds NaN or infinity");
  refused_when_computed(pons_linalg_eigvals(endless), "eig: the matrix holds NaN or infinity");
  refused_when_computed(pons_linalg_eigvalsh(endless, 'L'), "eigh: the matrix holds NaN or infinity");
}

static void singular_where_it_is_no_fault(void **state) {
  (void)state;
  pons_array singular = MATRIX(2, 2, 1, 2, 2, 4), out[2];
  check(pons_abs(pons_linalg_det(singular)), "0 float32");
  pons_linalg_slogdet(singular, out);
  check(pons_abs(out[0]), "0 float32");
  check(out[1], "-inf float32");
  check(pons_linalg_pinv(pons_zeros(PONS_SHAPE(2, 3), PONS_FLOAT32)), "[[0, 0], [0, 0], [0, 0]] float32");
  pons_array once = pons_matmul(pons_matmul(singular, pons_linalg_pinv(singular)), singular);
  check(pons_round(pons_multiply(once, pons_float(1000))), "[[1000, 2000], [2000, 4000]] float32");
}

static void empty(void **state) {
  (void)state;
  pons_array nothing = pons_zeros(PONS_SHAPE(0, 0), PONS_FLOAT32), out[3];
  check(pons_linalg_inv(nothing), "[] float32");
  check(pons_linalg_det(nothing), "1 float32");
  check(pons_linalg_solve(nothing, pons_zeros(PONS_SHAPE(0), PONS_FLOAT32)), "[] float32");
  check(pons_linalg_cholesky(pons_zeros(PONS_SHAPE(0, 2, 2), PONS_FLOAT32), true), "[] float32");
  pons_linalg_svd(pons_zeros(PONS_SHAPE(0, 2), PONS_FLOAT32), true, out);
  check(out[2], "[[1, 0], [0, 1]] float32");
  pons_linalg_svd(pons_zeros(PONS_SHAPE(2, 0), PONS_COMPLEX64), true, out);
  check(pons_real(out[0]), "[[1, 0], [0, 1]] float32");
  pons_linalg_lu(pons_zeros(PONS_SHAPE(2, 0), PONS_FLOAT32), out);
  check(out[0], "[0, 1] uint32");
  pons_linalg_eig(nothing, out);
  check(out[1], "[] complex64");
}

/* A column of numbers for each of three matrices: broadcast both ways. */
static void equations_broadcast(void **state) {
  (void)state;
  pons_array a = MATRIX(2, 2, 2, 0, 0, 4), b = pons_reshape(counted(PONS_SHAPE(6)), PONS_SHAPE(3, 2, 1));
  check(pons_linalg_solve(a, b), "[[[0], [0.25]], [[1], [0.75]], [[2], [1.25]]] float32");
  check(pons_linalg_solve(pons_broadcast_to(a, PONS_SHAPE(2, 2, 2)), FLOATS(2, 4)),
        "[[1, 1], [1, 1]] float32");
  check(pons_linalg_solve_triangular(MATRIX(2, 2, 2, 9, 1, 4), INTS(1, 2), true), "[-1.75, 0.5] float32");
}

/* ---- complex derivatives ---- */

static pons_array complex_matrix(int64_t m, int64_t n, float shift) {
  float parts[40];
  for (int i = 0; i < 2 * m * n; i++)
    parts[i] = sinf((float)i * 1.7f + shift) + (i % (2 * (n + 1)) == 0 ? 2 + i : 0);
  return pons_array_from(parts, PONS_SHAPE(m, n), PONS_COMPLEX64);
}

static void svd_of(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  pons_linalg_svd(in[0], true, out);
}
static void eigh_of(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  pons_linalg_eigh(in[0], 'L', out);
}
static void eig_of(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  pons_linalg_eig(in[0], out);
}

static pons_array as_complex(pons_array x) { return pons_astype(x, PONS_COMPLEX64); }
static pons_array rows_of(pons_array values) { return pons_expand_dims(as_complex(values), PONS_AXES(-2)); }

/* Re <a, b>, the product under which a cotangent and a tangent meet. */
static double meeting(pons_array a, pons_array b) {
  return pons_item(pons_sum(pons_real(pons_multiply(pons_conjugate(as_complex(a)), as_complex(b)))));
}

/* Values and tangents of f at a in direction v; and the gradient agrees with the tangents. */
static void derive(pons_callback callback, int n, pons_array a, pons_array v, pons_array *out,
                   pons_array *moved) {
  pons_array cotangents[3], grad, again[3];
  pons_function f = pons_function_new(callback, n, NULL, NULL);
  assert_true(pons_jvp(f, &a, &v, 1, n, out, moved));
  for (int i = 0; i < n; i++) {
    pons_array z = pons_reshape(complex_matrix(1, pons_size(out[i]), (float)i), pons_shape_of(out[i]));
    cotangents[i] = pons_dtype_of(out[i]) == PONS_COMPLEX64 ? z : pons_real(z);
  }
  assert_true(pons_vjp(f, &a, 1, cotangents, n, again, &grad));
  double by_tangents = 0;
  for (int i = 0; i < n; i++) by_tangents += meeting(cotangents[i], moved[i]);
  const double by_gradient = meeting(grad, v);
  if (!(fabs(by_tangents - by_gradient) <= 1e-4 * (1 + fabs(by_tangents))))
    fail_msg("tangents say %g, the gradient %g", by_tangents, by_gradient);
  pons_function_release(f);
}

static void complex_svd(void **state) {
  (void)state;
  const int64_t shapes[2][2] = {{3, 2}, {2, 3}};
  for (int i = 0; i < 2; i++) {
    pons_array a = complex_matrix(shapes[i][0], shapes[i][1], 0),
               v = complex_matrix(shapes[i][0], shapes[i][1], 9);
    pons_array out[3], moved[3];
    derive(svd_of, 3, a, v, out, moved);
    pons_array first = pons_arange(0, 2, 1, PONS_INT32), u = pons_take(out[0], first, -1),
               vt = pons_take(out[2], first, 0);
    pons_array du = pons_take(moved[0], first, -1), dvt = pons_take(moved[2], first, 0);
    pons_array sum = pons_matmul(pons_multiply(du, rows_of(out[1])), vt);
    sum = pons_add(sum, pons_matmul(pons_multiply(u, rows_of(moved[1])), vt));
    near(pons_add(sum, pons_matmul(pons_multiply(u, rows_of(out[1])), dvt)), v, 1e-5f);
    pons_array turn = pons_matmul(matrix_adjoint(out[0]), moved[0]); /* U stays unitary */
    near(turn, pons_negative(matrix_adjoint(turn)), 1e-5f);
  }
}

static void complex_eigh(void **state) {
  (void)state;
  pons_array a = complex_matrix(3, 3, 0), v = complex_matrix(3, 3, 5), out[2], moved[2];
  a = pons_add(a, matrix_adjoint(a));
  v = pons_add(v, matrix_adjoint(v));
  derive(eigh_of, 2, a, v, out, moved);
  pons_array left = pons_add(pons_matmul(v, out[1]), pons_matmul(a, moved[1]));
  near(left, pons_add(pons_multiply(moved[1], rows_of(out[0])), pons_multiply(out[1], rows_of(moved[0]))),
       1e-5f);
}

static void eig_of_any(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    pons_array a = complex_matrix(3, 3, 0), v = complex_matrix(3, 3, 5), out[2], moved[2];
    if (i) a = pons_subtract(pons_real(a), pons_scalar(3, PONS_FLOAT32)), v = pons_real(v);
    derive(eig_of, 2, a, v, out, moved);
    pons_array left = pons_add(pons_matmul(as_complex(v), out[1]), pons_matmul(as_complex(a), moved[1]));
    near(left, pons_add(pons_multiply(moved[1], rows_of(out[0])), pons_multiply(out[1], rows_of(moved[0]))),
         1e-4f);
    pons_array lengths =
        pons_sum(pons_real(pons_multiply(pons_conjugate(out[1]), moved[1])), .axes = PONS_AXES(0));
    near(lengths, pons_zeros_like(lengths), 1e-5f); /* the vectors' lengths stay 1 */
  }
}

static void sum_of_squares(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_real(pons_sum(pons_square(pons_linalg_eigvals(in[0]))));
}

/* The sum of the squares of A's eigenvalues is the trace of A A: its gradient is 2 A^T, and the gradient of a
   sum of that is the same 2 everywhere. */
static void traces(void **state) {
  (void)state;
  pons_array a = MATRIX(2, 2, 1, -2, 3, 4), direction = MATRIX(2, 2, 1, 0, 0, 0), grad, tangent;
  pons_function f = pons_function_new(sum_of_squares, 1, NULL, NULL), df = pons_grad(f, PONS_AXES(0));
  near(pons_apply(df, a), MATRIX(2, 2, 2, 6, -4, 8), 1e-5f);
  assert_true(pons_jvp(df, &a, &direction, 1, 1, &grad, &tangent));
  near(tangent, MATRIX(2, 2, 2, 0, 0, 0), 1e-4f);
  pons_function_release(df);
  pons_function_release(f);
}

/* ---- at size, on several threads, in older files ---- */

static pons_array take_rows_of(pons_array x, pons_array rows) {
  return pons_take_along_axis(x, pons_expand_dims(rows, PONS_AXES(-1)), -2);
}
static pons_array drawn(pons_shape shape, pons_dtype dtype) {
  return pons_random_normal(shape, dtype, NULL, NULL, pons_random_key(7));
}

/* Sizes for which LAPACK works in blocks, as a batch in a few pieces. */
static void factors_of_larger_matrices(void **state) {
  (void)state;
  const int64_t shapes[3][3] = {{2, 90, 90}, {3, 150, 40}, {3, 40, 150}};
  for (int i = 0; i < 3; i++) {
    const int64_t m = shapes[i][1], n = shapes[i][2], k = m < n ? m : n;
    pons_array a = drawn((pons_shape){3, shapes[i]}, PONS_FLOAT64), out[3];
    pons_linalg_qr(a, out);
    near(pons_matmul(out[0], out[1]), a, 1e-13f);
    pons_linalg_lu(a, out);
    near(take_rows_of(pons_matmul(out[1], out[2]), out[0]), a, 1e-13f);
    pons_linalg_svd(a, true, out);
    pons_array wide = matrix_from_diagonal(out[1], m, n);
    near(pons_matmul(pons_matmul(out[0], wide), out[2]), a, 1e-13f);
    near(pons_matmul(matrix_adjoint(out[0]), out[0]), pons_identity(m, PONS_FLOAT64), 1e-13f);
    pons_linalg_eigh(pons_matmul(matrix_transposed(matrix_part(a, 0, m, 0, k)), matrix_part(a, 0, m, 0, k)),
                     'L', out);
    pons_array values = pons_square(pons_take(out[0], pons_arange((double)k - 1, -1, -1, PONS_INT32), -1)), s;
    pons_linalg_svd(matrix_part(a, 0, m, 0, k), false, &s);
    near(values, pons_square(pons_square(s)), 1e-12f);
  }
}

static void the_same_bits_on_any_number_of_threads(void **state) {
  (void)state;
  const int before = pons_threads();
  pons_array out[2][3];
  for (int i = 0; i < 2; i++) {
    pons_set_threads(i ? 4 : 1);
    pons_linalg_svd(drawn(PONS_SHAPE(70, 33, 31), PONS_FLOAT32), true, out[i]);
    assert_true(pons_eval_many(out[i], 3));
  }
  pons_set_threads(before);
  for (int k = 0; k < 3; k++) assert_true(pons_item(pons_array_equal(out[0][k], out[1][k])) == 1);
}

static void values_of(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  pons_linalg_svd(in[0], false, out);
}

/* MLX 0.23.0 has no SVD without vectors. */
static void singular_values_in_older_files(void **state) {
  (void)state;
  const char *path = PONS_BUILD_DIR "/singular_values.mlxfn";
  pons_array a = MATRIX(2, 3, 1, -2, 3, 4, 5, -7), out, again;
  pons_function f = pons_function_new(values_of, 1, NULL, NULL);
  assert_true(pons_export_function(path, .function = f, .inputs = &a, .n_inputs = 1, .release = "0.23.0"));
  pons_imported file = pons_import_function(path);
  pons_function read = pons_imported_function(file);
  assert_true(pons_call(f, &a, 1, &out, 1));
  assert_true(pons_call(read, &a, 1, &again, 1));
  near(again, out, 1e-6f);
  pons_function_release(read);
  pons_imported_release(file);
  pons_function_release(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(values),
                                     TEST(exchanges),
                                     TEST(refused),
                                     TEST(refused_by_value),
                                     TEST(singular_where_it_is_no_fault),
                                     TEST(empty),
                                     TEST(equations_broadcast),
                                     TEST(complex_svd),
                                     TEST(complex_eigh),
                                     TEST(eig_of_any),
                                     TEST(traces),
                                     TEST(factors_of_larger_matrices),
                                     TEST(the_same_bits_on_any_number_of_threads),
                                     TEST(singular_values_in_older_files)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
