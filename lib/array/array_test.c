/* array_test.c: functions made of other ops: small cases that NumPy and MLX agree on, and messages. */
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

/* "[[1, 2], [3, 4]] int32": as MLX prints, on one line. */
static void check(pons_array a, const char *expected) {
  char *text = pons_to_text(a), line[1000];
  if (!text) fail_msg("%s", pons_error());
  size_t n = 0;
  for (const char *t = text + strlen("array("); *t && n + 2 < sizeof line; t++)
    if (*t != '\n' && !(*t == ' ' && n && line[n - 1] == ' '))
      line[n++] = *t;
    else if (*t == '\n' && line[n - 1] != ' ')
      line[n++] = ' ';
  line[n - 1] = 0; /* the closing bracket */
  pons_free(text);
  char *dtype = strstr(line, ", dtype=");
  memmove(dtype + 1, dtype + strlen(", dtype="), strlen(dtype) - strlen(", dtype=") + 1);
  *dtype = ' ';
  assert_string_equal(line, expected);
}

static void check_error(pons_array a, const char *expected) {
  assert_non_null(pons_error_of(a));
  assert_string_equal(pons_error_of(a), expected);
  pons_clear_error();
}

static pons_array counted(int64_t rows, int64_t columns) {
  return pons_reshape(pons_arange(0, (double)(rows * columns), 1, PONS_INT32), PONS_SHAPE(rows, columns));
}
#define INTS(...)                                 \
  pons_array_from((const int32_t[]){__VA_ARGS__}, \
                  PONS_SHAPE(sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t)), PONS_INT32)

static void kinds_of_dtypes(void **state) {
  (void)state;
  const pons_dtype several[] = {PONS_FLOAT16, PONS_BFLOAT16, PONS_INT8};
  assert_int_equal(pons_result_type(several, 3), PONS_FLOAT32);
  assert_int_equal(pons_result_type(several, 1), PONS_FLOAT16);
  assert_int_equal(pons_result_type(several, 0), PONS_DTYPE_COUNT);
  assert_string_equal(pons_error(), "result_type: needs at least one dtype");
  pons_clear_error();
  assert_true(pons_can_cast(PONS_INT32, PONS_FLOAT32) && !pons_can_cast(PONS_FLOAT32, PONS_INT32));
  assert_true(pons_issubdtype(PONS_FLOAT32, PONS_FLOATING) && pons_issubdtype(PONS_FLOATING, PONS_INEXACT));
  assert_true(pons_issubdtype(PONS_UINT8, PONS_NUMBER) && pons_issubdtype(PONS_BOOL, PONS_GENERIC));
  assert_true(pons_issubdtype(PONS_INT8, PONS_INT8) && pons_issubdtype(PONS_GENERIC, PONS_GENERIC));
  assert_false(pons_issubdtype(PONS_BOOL, PONS_INTEGER) || pons_issubdtype(PONS_FLOAT32, PONS_FLOAT16));
  assert_false(pons_issubdtype(PONS_INEXACT, PONS_FLOATING) ||
               pons_issubdtype(PONS_INT8, PONS_UNSIGNEDINTEGER));
  assert_true(pons_isdtype(PONS_FLOAT32, "real floating") && pons_isdtype(PONS_COMPLEX64, "numeric"));
  assert_true(pons_isdtype(PONS_BOOL, "bool") && pons_isdtype(PONS_INT8, "int8"));
  assert_false(pons_isdtype(PONS_BOOL, "numeric") || pons_isdtype(PONS_INT8, "unsigned integer"));
  assert_true(pons_ok());
  assert_false(pons_isdtype(PONS_INT8, "number"));
  assert_string_equal(pons_error(), "isdtype: 'number' is no kind of dtype");
  pons_clear_error();
}

static void shapes_that_meet(void **state) {
  (void)state;
  int64_t dims[PONS_MAX_NDIM];
  const pons_shape fitting[] = {PONS_SHAPE(2, 1), PONS_SHAPE(3), PONS_SHAPE(4, 1, 1)};
  assert_int_equal(pons_broadcast_shapes(fitting, 3, dims), 3);
  assert_true(dims[0] == 4 && dims[1] == 2 && dims[2] == 3);
  const pons_shape differing[] = {PONS_SHAPE(0), PONS_SHAPE(2)};
  assert_int_equal(pons_broadcast_shapes(differing, 2, dims), -1);
  assert_string_equal(pons_error(), "broadcast_shapes: shape 2 of 2 does not fit those before it");
  pons_clear_error();
  assert_int_equal(pons_broadcast_shapes(fitting, 0, dims), -1);
  pons_clear_error();
  pons_array out[2];
  pons_broadcast_arrays((pons_array[]){counted(2, 3), INTS(1, 2)}, 2, out);
  check_error(out[1], "broadcast_arrays: the shape of array 2 of 2 does not fit those before it");
  assert_int_equal(pons_dim(pons_atleast_3d(INTS(1, 2)), 1), 2);
  pons_meshgrid((pons_array[]){INTS(1, 2), INTS(3)}, 2, false, PONS_INDEXING_XY, out);
  check(out[1], "[[3, 3]] int32");
}

static void rearranged(void **state) {
  (void)state;
  const pons_array x = counted(2, 3);
  check(pons_roll(x, PONS_SHAPE(1, 2)), "[[3, 4, 5], [0, 1, 2]] int32");
  check(pons_roll(x, PONS_SHAPE(INT64_MAX, INT64_MAX)), "[[4, 5, 0], [1, 2, 3]] int32"); /* 6 k + 1, twice */
  check(pons_roll(x, PONS_SHAPE(1), .axes = PONS_AXES(0, 1)), "[[5, 3, 4], [2, 0, 1]] int32");
  check(pons_roll(x, PONS_SHAPE(1), .axes = PONS_NO_AXES), "[[0, 1, 2], [3, 4, 5]] int32");
  check(pons_roll(pons_int(4), PONS_SHAPE(1)), "4 int32");
  check_error(pons_roll(x, PONS_SHAPE(1, 2), .axes = PONS_AXES(0, 1, 1)), "roll: 2 shifts for 3 axes");
  check_error(pons_roll(x, PONS_SHAPE(1), .axes = PONS_AXES(5)),
              "roll: axis 5 is out of range for an array of 2 axes");
  check(pons_flip(x, PONS_AXES(0, 0)), "[[3, 4, 5], [0, 1, 2]] int32");
  check_error(pons_flip(x, PONS_AXES(3)), "flip: axis 3 is out of range for an array of 2 axes");
  check_error(pons_flip(NULL, PONS_AXES(3)), "flip: an operand is NULL");
  check_error(pons_matrix_transpose(INTS(1)), "matrix_transpose: needs at least two axes, not 1");
  pons_array out[3];
  pons_unstack(x, 1, out);
  check(out[2], "[2, 5] int32");
  pons_unstack(x, -3, out);
  check_error(out[0], "unstack: axis -3 is out of range for an array of 2 axes");
  check(pons_flatten(x, -5, 9), "[0, 1, 2, 3, 4, 5] int32");
  check(pons_argmax(x, PONS_FLAT, true), "[[5]] uint32");
  check(pons_as_strided(x, PONS_SHAPE(2, 2), PONS_SCALAR, 1), "[[1, 2], [3, 4]] int32");
  check(pons_diff(x, 5, 1), "[[], []] int32");
  check_error(pons_diff(x, -1, 1), "diff: -1 times");
}

static void along_diagonals(void **state) {
  (void)state;
  const pons_array x = counted(2, 3);
  check(pons_diag(INTS(1, 2), -1), "[[0, 0, 0], [1, 0, 0], [0, 2, 0]] int32");
  check(pons_diag(x, -3), "[] int32");
  check(pons_diagonal(x, 0, 1, 0), "[0, 4] int32");
  check(pons_trace(x, .offset = 1), "6 int32");
  check_error(pons_diagonal(x, 0, -1, 1), "diagonal: axes -1 and 1 are one");
  check_error(pons_diag(pons_int(1), 0), "diag: needs one or two axes, not 0");
  check_error(pons_trace(INTS(1)), "diagonal: needs at least two axes, not 1");
}

static void what_is_no_number(void **state) {
  (void)state;
  const double two = 2;
  pons_array z = pons_stack((pons_array[]){pons_complex(NAN, 1), pons_complex(INFINITY, 2)}, 2, 0);
  check(pons_nan_to_num(z, .posinf = &two, .neginf = &two), "[0+0j, inf+2j] complex64"); /* as MLX: infinities stay */
  check_error(pons_nan_to_num(z, .posinf = &two),
              "nan_to_num: complex64 has no least and greatest number: posinf and neginf must be given");
}

static void products(void **state) {
  (void)state;
  const pons_array f = pons_astype(counted(2, 3), PONS_FLOAT32);
  check(pons_tensordot_axes(f, f, PONS_AXES(0), PONS_AXES(0)),
        "[[9, 12, 15], [12, 17, 22], [15, 22, 29]] float32");
  check(pons_tensordot(f, f, 2), "55 float32");
  check_error(pons_tensordot(f, f, 3), "tensordot: 3 axes of arrays that have 2 and 2");
  check_error(pons_tensordot(f, f, 1), "tensordot: axis 1 of size 3 and axis 0 of size 2");
  check_error(pons_tensordot_axes(f, f, PONS_AXES(0, 0), PONS_AXES(0, 1)),
              "tensordot: axis 0 is given twice");
  const pons_array z = pons_reshape(pons_complex(1, 2), PONS_SHAPE(1));
  check(pons_real(pons_vecdot(z, z, 0)), "5 float32");
  check_error(pons_vecdot(f, INTS(1, 2, 3), -1),
              "vecdot: axis -1 is not one place in arrays of 2 and 1 axes");
  check(pons_kron(INTS(1, 2), INTS(1, 10)), "[1, 10, 2, 20] int32");
  check_error(pons_kron(pons_zeros(PONS_SHAPE(0), PONS_INT8), INTS(1)), "kron: an array is empty");
}

static void einstein_sums(void **state) {
  (void)state;
  const pons_array a = pons_ones(PONS_SHAPE(2, 3), PONS_FLOAT32),
                   b = pons_ones(PONS_SHAPE(3, 4), PONS_FLOAT32),
                   c = pons_ones(PONS_SHAPE(4, 5), PONS_FLOAT32);
  const pons_array chain[] = {a, b, c}, twice[] = {a, a};
  int path[3][2];
  char *report;
  assert_int_equal(pons_einsum_path("ij,jk,kl->il", chain, 3, path, &report), 2);
  assert_true(path[0][0] == 1 && path[0][1] == 2 && path[1][0] == 0 && path[1][1] == 1);
  assert_string_equal(report,
                      "  Complete contraction:  ij,jk,kl->il\n         Naive scaling:  4\n"
                      "     Optimized scaling:  3\n      Naive FLOP count:  360\n"
                      "  Optimized FLOP count:  180\n");
  pons_free(report);
  assert_int_equal(pons_einsum_path("ij->", &a, 1, path, NULL), 1);
  assert_true(path[0][0] == 0 && path[0][1] == -1);
  assert_int_equal(pons_einsum_path("ij", chain, 3, path, &report), -1);
  assert_null(report);
  pons_clear_error();
  check(pons_einsum(" ij, ij -> ", twice, 2), "6 float32");
  check_error(pons_einsum("ij,jk->ii", chain, 2), "einsum: a subscript stands twice in the result");
  check_error(pons_einsum("ij,jk->ikz", chain, 2), "einsum: a subscript of the result stands in no operand");
  check_error(pons_einsum("ij,jk->ik,i", chain, 2), "einsum: ',i' follows the result's subscripts");
  check_error(pons_einsum("ij,jk", chain, 1), "einsum: 'ij,jk' is not for 1 operand");
  check_error(pons_einsum("ij", chain, 2), "einsum: 'ij' is not for 2 operands");
  check_error(pons_einsum("ij->", NULL, 0), "einsum: needs at least one operand");
  check_error(pons_einsum("ijk->", chain, 1), "einsum: 3 subscripts for an array of 2 axes");
  check_error(pons_einsum("...ijk->", chain, 1), "einsum: 3 subscripts for an array of 2 axes");
  check_error(pons_einsum("i.j->", chain, 1), "einsum: subscripts are letters, not '.'");
  check_error(pons_einsum("...i...->", chain, 1), "einsum: a second ellipsis at '...->'");
  check_error(pons_einsum("ii", chain, 1), "einsum: one subscript for axes of sizes 2 and 3");
  check_error(pons_einsum("ij,ij", chain, 2), "einsum: one subscript for axes of sizes 2 and 3");
}

static void order_and_padding(void **state) {
  (void)state;
  pons_array out[4];
  pons_unique(INTS(3, 1, 3, 2), 6, NULL, out);
  check(out[0], "[1, 2, 3, 1, 1, 1] int32");
  check(out[1], "[1, 3, 0, 1, 1, 1] uint32");
  check(out[2], "[2, 0, 2, 1] uint32");
  check(out[3], "[1, 1, 2, 0, 0, 0] int32");
  pons_unique(pons_zeros(PONS_SHAPE(0), PONS_INT32), 2, pons_int(7), out);
  check(out[0], "[7, 7] int32");
  check(out[3], "[0, 0] int32");
  pons_unique(pons_zeros(PONS_SHAPE(0), PONS_INT32), 2, NULL, out);
  check_error(out[2], "unique: an empty array needs a fill value for a result of size 2");
  pons_unique(INTS(1), -1, NULL, out);
  check_error(out[0], "unique: a result of size -1");
  pons_unique(INTS(1), 1, INTS(1, 2), out);
  check_error(out[0], "unique: the fill value must be one element, not 2");
  check(pons_searchsorted(INTS(1, 2, 2, 3), pons_float(2.5), true), "3 uint32");
  check_error(pons_searchsorted(pons_int(1), pons_int(1), true),
              "searchsorted: the sorted sequence must be a vector, not () int32");
  const pons_array x = counted(2, 3);
  check(pons_pad(INTS(0, 1, 2), PONS_SHAPE(2), PONS_SHAPE(2), .mode = PONS_PAD_REFLECT),
        "[2, 1, 0, ..., 2, 1, 0] int32");
  check(pons_pad(INTS(0, 1, 2), PONS_SHAPE(2), PONS_SHAPE(2), .mode = PONS_PAD_SYMMETRIC),
        "[1, 0, 0, ..., 2, 2, 1] int32");
  check(pons_pad(INTS(5), PONS_SHAPE(1), PONS_SHAPE(2), .mode = PONS_PAD_REFLECT), "[5, 5, 5, 5] int32");
  check_error(pons_pad(x, PONS_SHAPE(-1, 0), PONS_SHAPE(0, 0), .mode = PONS_PAD_EDGE),
              "pad: sizes -1 and 0 along axis 0 of (2, 3) int32");
  check_error(
      pons_pad(pons_zeros(PONS_SHAPE(0), PONS_INT32), PONS_SHAPE(1), PONS_SHAPE(0), .mode = PONS_PAD_EDGE),
      "pad: axis 0 of (0) int32 has nothing to repeat");
}

static void cumprod_of(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_cumprod(in[0], .axis = 0);
}

static void scatter_prod_of(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  const pons_array places = INTS(0, 0, 1, 1);
  out[0] =
      pons_scatter(in[0], &places, pons_reshape(in[1], PONS_SHAPE(4, 1)), PONS_AXES(0), PONS_SCATTER_PROD);
}

/* The gradients of the sum of f's one result. */
static void gradients(void (*f)(void *, const pons_array *, int, pons_array *, int), const pons_array *in,
                      int n, pons_array *grads) {
  pons_function g = pons_function_new(f, 1, NULL, NULL);
  pons_array y, one = pons_ones(pons_shape_of(in[0]), PONS_FLOAT32);
  assert_true(pons_vjp(g, in, n, &one, 1, &y, grads));
  pons_function_release(g);
}

static void gradients_of_products_with_zeros(void **state) {
  (void)state;
  const pons_array x = pons_astype(INTS(2, 0, 3), PONS_FLOAT32);
  pons_array grads[2];
  gradients(cumprod_of, &x, 1, grads);
  check(grads[0], "[1, 8, 0] float32"); /* 1 + 0 + 0, 2 + 6, 0 */
  const pons_array in[2] = {pons_astype(INTS(5, 2), PONS_FLOAT32),
                            pons_astype(INTS(0, 3, 0, 0), PONS_FLOAT32)};
  gradients(scatter_prod_of, in, 2, grads);
  check(grads[0], "[0, 0] float32");
  check(grads[1], "[15, 0, 0, 0] float32"); /* 5 * 3; then another one is 0 */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(kinds_of_dtypes),   cmocka_unit_test(shapes_that_meet),
      cmocka_unit_test(rearranged),        cmocka_unit_test(along_diagonals),
      cmocka_unit_test(what_is_no_number),
      cmocka_unit_test(products),          cmocka_unit_test(einstein_sums),
      cmocka_unit_test(order_and_padding), cmocka_unit_test(gradients_of_products_with_zeros),
  };
  const pons_scope scope = pons_scope_open();
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  pons_scope_close(scope);
  return failed;
}
