/* allocation_failure_test.c: makes every allocation fail in turn, through building, evaluating, gradients,
   compiling, exporting, importing and training. Each time there is an error, or the right result in spite of
   it; nothing is lost. */
#include "base/base.h"
#include <math.h>
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_NAME PONS_BUILD_DIR "/allocation_failure_test.mlxfn"

/* ---- the work: returns what it computed, NAN after an error ---- */

static pons_array pattern(int64_t rows, int64_t columns) {
  pons_array x = pons_arange(0, (double)(rows * columns), 1, PONS_FLOAT32);
  x = pons_reshape(pons_sin(x), PONS_SHAPE(rows, columns));
  return pons_multiply(x, pons_float(0.5));
}

/* in: x (4, 6), w (6, 3), b (3) */
static pons_array two_layers(const pons_array *in) {
  pons_array hidden = pons_tanh(pons_add(pons_matmul(in[0], in[1]), in[2]));
  pons_array parts[2] = {pons_transpose(hidden),
                         pons_slice(pons_transpose(in[0]), PONS_SHAPE(0, 0), PONS_SHAPE(3, 4), PONS_SCALAR)};
  pons_array joined = pons_softmax(pons_concatenate(parts, 2, 0));
  return pons_take(joined, pons_astype(pons_arange(0, 3, 1, PONS_INT32), PONS_UINT32), 0);
}

static void loss(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  *out = pons_mean(pons_square(two_layers(in)));
}

static void make_inputs(pons_array in[3]) {
  in[0] = pattern(4, 6);
  in[1] = pattern(6, 3);
  in[2] = pons_zeros(PONS_SHAPE(3), PONS_FLOAT32);
}

static double evaluate(void) {
  pons_array in[3], y;
  make_inputs(in);
  loss(NULL, in, 3, &y, 1);
  return pons_item(y);
}

static double print(void) {
  pons_array in[3];
  make_inputs(in);
  char *text = pons_to_text(two_layers(in));
  double length = text ? (double)strlen(text) : NAN;
  pons_free(text);
  return length;
}

static double on_a_stream(void) {
  pons_stream s = pons_new_stream("cpu"), before = s ? pons_set_stream(s) : NULL;
  pons_array in[3], y;
  make_inputs(in);
  loss(NULL, in, 3, &y, 1);
  bool started = pons_async_eval(y, in[0]);
  if (s) pons_set_stream(before);
  double value = started ? pons_item(y) : NAN;
  pons_synchronize(NULL);
  return s && started ? value : NAN;
}

/* The transform of `plain` that is asked for, its results summed. */
static double transformed(pons_function (*transform)(pons_function)) {
  pons_function plain = pons_function_new(loss, 1, NULL, NULL);
  pons_function f = plain ? transform(plain) : NULL;
  pons_function_release(plain);
  double value = NAN;
  pons_array in[3], out[4];
  make_inputs(in);
  int n_out = f ? pons_function_outputs(f, in, 3) : 0;
  if (n_out > 0 && n_out <= 4 && pons_call(f, in, 3, out, n_out)) {
    value = 0;
    for (int i = 0; i < n_out; i++) value += pons_item(pons_sum(pons_abs(out[i])));
  }
  pons_function_release(f);
  return value;
}

static pons_function gradient(pons_function f) { return pons_value_and_grad(f, PONS_AXES(0, 1, 2)); }
static double gradients(void) { return transformed(gradient); }

static pons_function compiled_gradient(pons_function f) {
  pons_function g = gradient(f), c = g ? pons_compile(g) : NULL;
  pons_function_release(g);
  return c;
}
static double compiled_gradients(void) { return transformed(compiled_gradient); }

static double batch(void) {
  pons_function plain = pons_function_new(loss, 1, NULL, NULL);
  pons_function f = plain ? pons_vmap(plain, PONS_AXES(0, PONS_NOT_MAPPED, 0), (pons_axes){0, NULL}) : NULL;
  pons_array in[3], y;
  make_inputs(in);
  in[0] = pons_reshape(pattern(8, 6), PONS_SHAPE(2, 4, 6));
  in[2] = pons_zeros(PONS_SHAPE(2, 3), PONS_FLOAT32);
  double value = f && pons_call(f, in, 3, &y, 1) ? pons_item(pons_sum(y)) : NAN;
  pons_function_release(f);
  pons_function_release(plain);
  return value;
}

static double tangents(void) {
  pons_function plain = pons_function_new(loss, 1, NULL, NULL);
  pons_array in[3], ones[3], y, t;
  make_inputs(in);
  for (int i = 0; i < 3; i++) ones[i] = pons_ones_like(in[i]);
  double value = plain && pons_jvp(plain, in, ones, 3, 1, &y, &t) ? pons_item(pons_add(y, t)) : NAN;
  pons_function_release(plain);
  return value;
}

static double export_and_import(void) {
  pons_function plain = pons_function_new(loss, 1, NULL, NULL);
  pons_array in[3], y;
  make_inputs(in);
  bool written = plain && pons_export_function(FILE_NAME, .function = plain, .inputs = in, .n_inputs = 3);
  pons_function_release(plain);
  if (!written) return NAN;
  pons_imported file = pons_import_function(FILE_NAME);
  pons_function f = file ? pons_imported_function(file) : NULL;
  char *text = file ? pons_imported_show(file, "text") : NULL;
  double value = f && text && pons_call(f, in, 3, &y, 1) ? pons_item(y) : NAN;
  pons_free(text);
  pons_function_release(f);
  pons_imported_release(file);
  return value;
}

static pons_array small_net(void *payload, pons_named p, const pons_array *in, int n_in) {
  (void)payload, (void)n_in;
  pons_array x = pons_relu(pons_conv_layer(p, "conv", in[0], .padding = PONS_AXES(1)));
  x = pons_flatten(pons_max_pool2d(x, 2, 0), 1, -1);
  return pons_cross_entropy(pons_linear(p, "out", x), in[1], .reduction = PONS_REDUCE_MEAN);
}

static double train(void) {
  pons_named p = pons_named_new(), state = pons_named_new();
  pons_array keys = pons_random_split(pons_random_key(3), 2);
  bool fine = p && state &&
              pons_conv_init(p, .prefix = "conv", .in = 1, .out = 2, .size = PONS_SHAPE(3, 3),
                             .key = pons_index(keys, 0, 0)) &&
              pons_linear_init(p, "out", 2 * 2 * 2, 3, true, pons_index(keys, 1, 0));
  pons_trainer t =
      fine ? pons_trainer_new(small_net, NULL, p, state, pons_adam(.learning_rate = 0.1), 1.0) : NULL;
  pons_array in[2] = {pons_reshape(pattern(8, 4), PONS_SHAPE(2, 4, 4, 1)), pons_arange(0, 2, 1, PONS_INT32)};
  double value = 0;
  for (int i = 0; i < 2 && t && !isnan(value); i++) {
    pons_array l = pons_trainer_step(t, in, 2, 0);
    value = pons_ok() ? pons_item(l) : NAN; /* an error made on the way ends the training */
  }
  pons_trainer_free(t);
  pons_named_free(p);
  pons_named_free(state);
  return t ? value : NAN;
}

/* ---- each allocation in turn ---- */

static double once(double (*work)(void)) {
  pons_scope s = pons_scope_open();
  double value = work();
  if (!pons_ok()) value = NAN;
  pons_scope_close(s);
  return value;
}

static void fail_each_allocation(double (*work)(void)) {
  unlink(FILE_NAME);
  double expected = once(work); /* and what is made once in a process is made */
  if (!pons_ok()) print_error("%s\n", pons_error());
  assert_true(pons_ok() && !isnan(expected));
  int64_t live = pons_live_arrays(), failed = 0, unnoticed = 0;
  size_t active = pons_get_active_memory();
  for (int64_t n = 1;; n++) {
    pons_clear_cache(); /* so that memory for elements has to be allocated, too */
    mem_fail_at(n);
    double value = once(work);
    int64_t made = mem_fail_at(0);
    if (isnan(value)) {
      if (pons_ok()) print_error("allocation %lld: no result and no error\n", (long long)n);
      assert_false(pons_ok());
      failed++;
    } else {
      if (value != expected)
        print_error("allocation %lld: %g instead of %g\n", (long long)n, value, expected);
      assert_true(value == expected);
      unnoticed += made >= n;
    }
    if (isnan(value) && made < n)
      print_error("allocation %lld did not fail, but: %s\n", (long long)n, pons_error());
    assert_false(isnan(value) && made < n);
    pons_clear_error();
    pons_synchronize(NULL);
    if (pons_live_arrays() != live || pons_get_active_memory() != active)
      print_error("allocation %lld: %lld arrays and %lld bytes lost\n", (long long)n,
                  (long long)(pons_live_arrays() - live),
                  (long long)pons_get_active_memory() - (long long)active);
    assert_int_equal(pons_live_arrays(), live);
    assert_int_equal(pons_get_active_memory(), active);
    if (made < n) break;
  }
  print_message("%lld allocations failed, %lld more did no harm\n", (long long)failed, (long long)unnoticed);
  assert_true(failed > 10);
  unlink(FILE_NAME);
}

#define FAILURES_OF(work) \
  static void work##_fails_well(void **state) { (void)state, fail_each_allocation(work); }
FAILURES_OF(evaluate)
FAILURES_OF(print)
FAILURES_OF(on_a_stream)
FAILURES_OF(gradients)
FAILURES_OF(compiled_gradients)
FAILURES_OF(batch)
FAILURES_OF(tangents)
FAILURES_OF(export_and_import)
FAILURES_OF(train)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(evaluate_fails_well),           cmocka_unit_test(print_fails_well),
      cmocka_unit_test(on_a_stream_fails_well),        cmocka_unit_test(gradients_fails_well),
      cmocka_unit_test(compiled_gradients_fails_well), cmocka_unit_test(batch_fails_well),
      cmocka_unit_test(tangents_fails_well),           cmocka_unit_test(export_and_import_fails_well),
      cmocka_unit_test(train_fails_well)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
