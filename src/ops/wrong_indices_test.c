/* wrong_indices_test.c: every op that takes index arrays says which index is wrong, for which axis and of
   which size, whatever the dtype of the indices and wherever it runs: by itself, compiled, batched, under a
   gradient, from a file. */
#include "ops/ops_for_tests.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* in: x of (4, 3) and two indices for its first axis. */
typedef pons_array (*op)(pons_array x, pons_array i);

static pons_array rows(pons_array x, int64_t n) { /* n rows to put somewhere */
  return pons_broadcast_to(pons_slice(x, PONS_SHAPE(0, 0), PONS_SHAPE(1, 3), PONS_SCALAR), PONS_SHAPE(n, 3));
}
static pons_array column(pons_array i) { return pons_expand_dims(i, PONS_AXES(1)); }
static pons_array take(pons_array x, pons_array i) { return pons_take(x, i, 0); }
static pons_array take_flat(pons_array x, pons_array i) {
  return pons_take(pons_slice(x, PONS_SHAPE(0, 0), PONS_SHAPE(4, 1), PONS_SCALAR), i, PONS_FLAT);
}
static pons_array get(pons_array x, pons_array i) {
  return pons_get(x, PONS_INDEX(pons_at_array(i), pons_at_int(1)));
}
static pons_array put(pons_array x, pons_array i) {
  return pons_put(x, PONS_INDEX(pons_at_array(i)), rows(x, 2));
}
static pons_array put_add(pons_array x, pons_array i) {
  return pons_put_add(x, PONS_INDEX(pons_at_array(i), pons_at_slice(1, 3, 1)), pons_float(1));
}
static pons_array put_maximum(pons_array x, pons_array i) {
  return pons_put_maximum(x, PONS_INDEX(pons_at_array(i)), rows(x, 2));
}
static pons_array take_along_axis(pons_array x, pons_array i) {
  return pons_take_along_axis(x, column(i), 0);
}
static pons_array take_one_along_axis(pons_array x, pons_array i) {
  return pons_take_along_axis(x, column(pons_slice(i, PONS_SHAPE(1), PONS_SHAPE(2), PONS_SCALAR)), 0);
}
static pons_array put_along_axis(pons_array x, pons_array i) {
  return pons_put_along_axis(x, column(i), rows(x, 2), 0);
}
static pons_array scatter_add_axis(pons_array x, pons_array i) {
  return pons_scatter_add_axis(x, column(i), rows(x, 2), 0);
}
static pons_array gather_two(pons_array x, pons_array i) {
  const pons_array at[2] = {i, INTS(0, 1)};
  return pons_gather(x, at, PONS_AXES(0, 1), PONS_SHAPE(1, 1));
}
static pons_array scatter_prod(pons_array x, pons_array i) {
  return pons_scatter(x, &i, pons_expand_dims(rows(x, 2), PONS_AXES(1)), PONS_AXES(0), PONS_SCATTER_PROD);
}
static pons_array slice_dynamic(pons_array x, pons_array i) {
  return pons_slice_dynamic(x, pons_slice(i, PONS_SHAPE(1), PONS_SHAPE(2), PONS_SCALAR), PONS_AXES(0),
                            PONS_SHAPE(1, 3));
}
static pons_array slice_update_dynamic(pons_array x, pons_array i) {
  return pons_slice_update_dynamic(x, rows(x, 1), pons_slice(i, PONS_SHAPE(1), PONS_SHAPE(2), PONS_SCALAR),
                                   PONS_AXES(0));
}

static const struct {
  const char *name;
  op call;
} ops[] = {{"take", take},
           {"take: flat", take_flat},
           {"get", get},
           {"put", put},
           {"put_add", put_add},
           {"put_maximum", put_maximum},
           {"take_along_axis", take_along_axis},
           {"take_along_axis: one index", take_one_along_axis},
           {"put_along_axis", put_along_axis},
           {"scatter_add_axis", scatter_add_axis},
           {"gather", gather_two},
           {"scatter", scatter_prod},
           {"slice_dynamic", slice_dynamic},
           {"slice_update_dynamic", slice_update_dynamic}};
enum { OPS = sizeof ops / sizeof *ops };

/* The second index is wrong; as printed. */
static const struct {
  pons_dtype dtype;
  uint64_t bits;
  const char *text;
} wrong[] = {{PONS_INT32, 4, "4"},
             {PONS_INT32, (uint64_t)-5, "-5"},
             {PONS_INT8, 127, "127"},
             {PONS_INT8, (uint64_t)-128, "-128"},
             {PONS_UINT8, 255, "255"},
             {PONS_INT16, 4, "4"},
             {PONS_UINT16, 65535, "65535"},
             {PONS_INT32, INT32_MAX, "2147483647"},
             {PONS_INT32, (uint64_t)INT32_MIN, "-2147483648"},
             {PONS_UINT32, UINT32_MAX, "4294967295"},
             {PONS_INT64, INT64_MAX, "9223372036854775807"},
             {PONS_INT64, (uint64_t)INT64_MIN, "-9223372036854775808"},
             {PONS_INT64, (uint64_t)1 << 32, "4294967296"},
             {PONS_UINT64, UINT64_MAX, "18446744073709551615"},
             {PONS_UINT64, (uint64_t)1 << 63, "9223372036854775808"}};
enum { WRONG = sizeof wrong / sizeof *wrong };

/* 1, and the w-th wrong one. */
static pons_array indices(int w) {
  uint64_t bytes[2] = {0};
  dtype_write_int(wrong[w].dtype, bytes, 1);
  dtype_write_int(wrong[w].dtype, (char *)bytes + pons_dtype_size(wrong[w].dtype), (int64_t)wrong[w].bits);
  return pons_array_from(bytes, PONS_SHAPE(2), wrong[w].dtype);
}

static void call_op(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  out[0] = ((const op *)payload)[0](in[0], in[1]);
}
static void call_sum(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  call_op(payload, in, n_in, out, n_out);
  out[0] = pons_sum(out[0]);
}

/* y can't be computed, and the error names the index, the axis and its size. (A batch makes one axis more.)
   */
static void check_wrong(const char *what, const char *where, int w, pons_array y, bool named) {
  char expected[80];
  if (y && pons_eval(y)) fail_msg("%s, %s: index %s was taken", what, where, wrong[w].text);
  snprintf(expected, sizeof expected, "index %s is out of range for axis ", named ? wrong[w].text : "");
  const char *said = pons_error();
  const char *at = strstr(said, named ? expected : " is out of range for axis ");
  if (!at || !strstr(at, " of size 4")) fail_msg("%s, %s: index %s: %s", what, where, wrong[w].text, said);
  pons_clear_error();
}

static void by_itself(void **unused) {
  (void)unused;
  for (int k = 0; k < OPS; k++)
    for (int w = 0; w < WRONG; w++) {
      const bool mixed =
          ops[k].call == gather_two && wrong[w].dtype == PONS_UINT64; /* then int64 stands for it */
      check_wrong(ops[k].name, "by itself", w, ops[k].call(counted(PONS_SHAPE(4, 3)), indices(w)), !mixed);
    }
}

static void transformed(void **unused) {
  (void)unused;
  for (int k = 0; k < OPS; k++) {
    op call = ops[k].call;
    pons_function plain = pons_function_new(call_op, 1, &call, NULL),
                  sum = pons_function_new(call_sum, 1, &call, NULL);
    const pons_function f[] = {pons_compile(plain), pons_vmap(plain, PONS_AXES(0, 0), PONS_AXES(0)),
                               pons_vmap(plain, PONS_AXES(0, PONS_NOT_MAPPED), PONS_AXES(0)),
                               pons_grad(sum, PONS_AXES(0))};
    static const char *const where[] = {"compiled", "batched", "x batched", "gradient"};
    const bool sums = call == put_add || call == scatter_add_axis; /* then the gradient asks no index */
    for (int t = 0; t < 4 - sums; t++)
      for (int w = 0; w < WRONG; w++) {
        const pons_scope scope = pons_scope_open();
        pons_array in[2] = {counted(PONS_SHAPE(4, 3)), indices(w)}, y;
        if (t == 1 || t == 2) in[0] = pons_stack((pons_array[]){in[0], in[0]}, 2, 0);
        if (t == 1) in[1] = pons_stack((pons_array[]){in[1], in[1]}, 2, 0);
        const bool mixed = (t == 1 || call == gather_two) && wrong[w].dtype == PONS_UINT64;
        const bool called = pons_call(f[t], in, 2, &y, 1); /* what is compiled has run then */
        check_wrong(ops[k].name, where[t], w, called ? y : NULL, !mixed);
        pons_scope_close(scope);
      }
    for (int t = 0; t < 4; t++) pons_function_release(f[t]);
    pons_function_release(plain);
    pons_function_release(sum);
  }
}

static void from_a_file(void **unused) {
  (void)unused;
  char path[] = "wrong_indices_XXXXXX";
  const int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  for (int k = 0; k < OPS; k++) {
    op call = ops[k].call;
    pons_array in[2] = {counted(PONS_SHAPE(4, 3)), indices(0)}, y;
    pons_function plain = pons_function_new(call_op, 1, &call, NULL);
    assert_true(pons_export_function(path, plain, .inputs = in, .n_inputs = 2));
    pons_imported file = pons_import_function(path);
    assert_non_null(file);
    assert_int_equal(pons_imported_call(file, in, 2, NULL, 0, &y, 1), 1);
    check_wrong(ops[k].name, "from a file", 0, y, true);
    pons_imported_release(file);
    pons_function_release(plain);
  }
  remove(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(by_itself), TEST(transformed), TEST(from_a_file)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
