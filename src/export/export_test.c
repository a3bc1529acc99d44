/* Functions written to a file and read from it again: values, gradients, batches, keywords, several
   signatures, sizes that differ, constants in any memory order, and what is told when something is wrong. */
#include "export/export.h"
#include <pons/eval.h>
#include <pons/fast.h>
#include <pons/fft.h>
#include <pons/ops.h>
#include <pons/random.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static char path[] = "/tmp/pons-export-test-XXXXXX";
static pons_scope scope;

static int begin(void **state) {
  (void)state;
  pons_clear_error();
  scope = pons_scope_open();
  return 0;
}
static int end(void **state) {
  (void)state;
  pons_scope_close(scope);
  return 0;
}

static pons_array floats(int rows, int columns, double first) {
  float values[64];
  for (int i = 0; i < rows * columns; i++) values[i] = (float)(first + 0.25 * i - 0.03 * i * i);
  return pons_array_from(values, PONS_SHAPE(rows, columns), PONS_FLOAT32);
}

static void check_equal(pons_array got, pons_array want) {
  if (!got || !want) fail_msg("an array is missing: %s", pons_error());
  if (!pons_eval(got, want)) fail_msg("%s", pons_error());
  assert_string_equal(pons_dtype_name(pons_dtype_of(got)), pons_dtype_name(pons_dtype_of(want)));
  assert_true(shape_equal(got->ndim, got->shape, want->ndim, want->shape));
  const float *a = pons_data(got), *b = pons_data(want);
  for (int64_t i = 0; i < pons_size(got); i++) assert_float_equal(a[i], b[i], 1e-5f);
}

static void check_error(const char *part) {
  assert_non_null(pons_error());
  if (!strstr(pons_error(), part)) fail_msg("'%s' is not in '%s'", part, pons_error());
  pons_clear_error();
}

static pons_imported import_it(void) {
  pons_imported file = pons_import_function(path);
  if (!file) fail_msg("%s", pons_error());
  return file;
}

static pons_function imported_function(void) {
  pons_imported file = import_it();
  pons_function f = pons_imported_function(file);
  assert_non_null(f);
  pons_imported_release(file);
  return f;
}

/* Is there such a primitive in the file? */
static bool names(const char *primitive) {
  pons_imported file = import_it();
  char *text = pons_imported_show(file, "text");
  char want[80];
  snprintf(want, sizeof want, "= %s ", primitive);
  const bool found = strstr(text, want) != NULL;
  pons_free(text);
  pons_imported_release(file);
  return found;
}

/* ---- a small network ---- */

/* sum(tanh(x @ w + 1) * exp(x)[:, :1]) and its parts */
static void network(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in;
  pons_array h = pons_tanh(pons_add(pons_matmul(in[0], in[1]), pons_float(1)));
  pons_array e = pons_exp(pons_slice(in[0], PONS_SHAPE(0, 0), PONS_SHAPE(4, 1), PONS_SCALAR));
  pons_array y = pons_multiply(h, pons_stop_gradient(e));
  out[0] = pons_sum(y);
  if (n_out > 1) out[1] = h;
}

/* exp(x) for each of the inputs, and the sum of them */
static void open_network(void *payload, const pons_array *in, int n_in, pons_results results) {
  (*(int *)payload)++;
  pons_array sum = pons_float(0);
  for (int i = 0; i < n_in; i++) {
    pons_results_add(results, pons_exp(in[i]));
    sum = pons_add(sum, pons_sum(in[i]));
  }
  pons_results_add(results, sum);
}

static void functions_that_tell_their_results_when_called(void **state) {
  (void)state;
  int calls = 0;
  pons_function f = pons_function_new_open(open_network, &calls, NULL);
  pons_array in[] = {floats(4, 3, 0.1), floats(3, 5, -0.4)}, *out, *again;
  if (!pons_export_function(path, .function = f, .inputs = in, .n_inputs = 2)) fail_msg("%s", pons_error());
  assert_int_equal(calls, 1);
  pons_function_exporter e = pons_exporter(path, .function = f);
  assert_true(pons_exporter_call(e, .inputs = in, .n_inputs = 1));
  assert_true(pons_exporter_call(e, .inputs = in, .n_inputs = 2));
  assert_true(pons_exporter_close(e));
  assert_int_equal(calls, 3);
  pons_function g = imported_function(); /* with a number of results for each signature */
  for (int n = 1; n <= 2; n++) {
    assert_int_equal(pons_call_open(f, in, n, &out, NULL), n + 1);
    assert_int_equal(pons_call_open(g, in, n, &again, NULL), n + 1);
    assert_int_equal(pons_function_outputs(g, in, n), n + 1);
    for (int i = 0; i <= n; i++) check_equal(again[i], out[i]);
    pons_free(out);
    pons_free(again);
  }
  assert_int_equal(pons_function_outputs(g, in + 1, 1), -1);
  assert_non_null(strstr(pons_error(), "no signature takes ((3, 5) float32)"));
  pons_clear_error();
  pons_function_release(g);
  pons_function_release(f);
}

static void values_gradients_batches_and_plans_go_through_the_file(void **state) {
  (void)state;
  pons_function f = pons_function_new(network, 2, NULL, NULL);
  pons_array in[] = {floats(4, 3, 0.1), floats(3, 5, -0.4)}, out[2], again[2];
  if (!pons_export_function(path, .function = f, .inputs = in, .n_inputs = 2)) fail_msg("%s", pons_error());
  pons_function g = imported_function();
  assert_true(pons_call(f, in, 2, out, 2));
  assert_int_equal(pons_function_outputs(g, in, 2), 2);
  assert_true(pons_call(g, in, 2, again, 2));
  check_equal(again[0], out[0]);
  check_equal(again[1], out[1]);

  pons_function df = pons_grad(f, PONS_AXES(0, 1)), dg = pons_grad(g, PONS_AXES(0, 1));
  assert_true(pons_call(df, in, 2, out, 2));
  assert_true(pons_call(dg, in, 2, again, 2));
  check_equal(again[0], out[0]);
  check_equal(again[1], out[1]);

  pons_function cg = pons_compile(g);
  for (int turn = 0; turn < 2; turn++) {
    assert_true(pons_call(f, in, 2, out, 2));
    assert_true(pons_call(cg, in, 2, again, 2));
    check_equal(again[1], out[1]);
  }

  pons_function vf = pons_vmap(f, PONS_AXES(0, PONS_NOT_MAPPED), (pons_axes){0});
  pons_function vg = pons_vmap(g, PONS_AXES(0, PONS_NOT_MAPPED), (pons_axes){0});
  pons_array batch[] = {pons_stack((pons_array[]){in[0], floats(4, 3, 0.7)}, 2, 0), in[1]};
  assert_true(pons_call(vf, batch, 2, out, 2));
  if (!pons_call(vg, batch, 2, again, 2)) fail_msg("%s", pons_error());
  check_equal(again[0], out[0]);
  check_equal(again[1], out[1]);
  pons_function all[] = {f, g, df, dg, cg, vf, vg};
  for (int i = 0; i < 7; i++) pons_function_release(all[i]);
}

static void an_imported_function_is_exported_again(void **state) {
  (void)state;
  pons_function f = pons_function_new(network, 2, NULL, NULL);
  pons_array in[] = {floats(4, 3, 0.1), floats(3, 5, -0.4)}, out[2], again[2];
  assert_true(pons_export_function(path, .function = f, .inputs = in, .n_inputs = 2));
  pons_function g = imported_function();
  assert_true(pons_export_function(path, .function = g, .inputs = in, .n_inputs = 2));
  pons_function h = imported_function();
  assert_true(pons_call(f, in, 2, out, 2));
  assert_true(pons_call(h, in, 2, again, 2));
  check_equal(again[0], out[0]);
  check_equal(again[1], out[1]);
  pons_function_release(f);
  pons_function_release(g);
  pons_function_release(h);
}

static void a_gradient_is_exported(void **state) {
  (void)state;
  pons_function f = pons_function_new(network, 1, NULL, NULL), df = pons_value_and_grad(f, PONS_AXES(1));
  pons_array in[] = {floats(4, 3, 0.1), floats(3, 5, -0.4)}, out[2], again[2];
  if (!pons_export_function(path, .function = df, .inputs = in, .n_inputs = 2)) fail_msg("%s", pons_error());
  pons_function g = imported_function();
  assert_true(pons_call(df, in, 2, out, 2));
  assert_true(pons_call(g, in, 2, again, 2));
  check_equal(again[0], out[0]);
  check_equal(again[1], out[1]);
  pons_function_release(f);
  pons_function_release(df);
  pons_function_release(g);
}

static void functions_made_of_functions_are_exported(void **state) {
  (void)state;
  pons_function f = pons_function_new(network, 1, NULL, NULL);
  pons_array in[] = {floats(4, 3, 0.1), floats(3, 5, -0.4)}, want, got;
  pons_function made[] = {pons_compile(f), pons_checkpoint(f),
                          pons_custom_function(f, (struct pons_custom_rules){0})};
  assert_true(pons_call(f, in, 2, &want, 1));
  for (int i = 0; i < 3; i++) {
    if (!pons_export_function(path, .function = made[i], .inputs = in, .n_inputs = 2))
      fail_msg("%d: %s", i, pons_error());
    pons_function g = imported_function();
    assert_true(pons_call(g, in, 2, &got, 1));
    check_equal(got, want);
    pons_function_release(g);
    pons_function_release(made[i]);
  }
  pons_function batched = pons_vmap(f, PONS_AXES(0, PONS_NOT_MAPPED), (pons_axes){0});
  pons_array batch[] = {pons_stack((pons_array[]){in[0], floats(4, 3, 0.7)}, 2, 0), in[1]};
  if (!pons_export_function(path, .function = batched, .inputs = batch, .n_inputs = 2)) fail_msg("%s", pons_error());
  pons_function g = imported_function();
  assert_true(pons_call(batched, batch, 2, &want, 1));
  assert_true(pons_call(g, batch, 2, &got, 1));
  check_equal(got, want);
  pons_function_release(g);
  pons_function_release(batched);
  pons_function_release(f);
}

/* ---- constants ---- */

static void add_captured(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  pons_array captured = *(pons_array *)payload;
  out[0] = pons_add(in[0], captured);
}

static void captured_arrays_are_stored_row_major(void **state) {
  (void)state;
  pons_array captured[] = {pons_transpose(floats(3, 2, 1)),
                           pons_slice(floats(4, 6, 2), PONS_SHAPE(1, 0), PONS_SHAPE(3, 6), PONS_SHAPE(1, 2)),
                           pons_broadcast_to(floats(2, 1, 3), PONS_SHAPE(2, 3))};
  pons_array x = floats(2, 3, 0);
  for (int i = 0; i < 3; i++) {
    if (!pons_eval(captured[i])) fail_msg("%s", pons_error());
    pons_function f = pons_function_new(add_captured, 1, &captured[i], NULL);
    if (!pons_export_function(path, .function = f, .inputs = &x, .n_inputs = 1)) fail_msg("%s", pons_error());
    pons_function g = imported_function();
    check_equal(pons_apply(g, x), pons_apply(f, x));
    pons_function_release(f);
    pons_function_release(g);
  }
}

static void captured_computations_are_stored_as_such(void **state) {
  (void)state;
  pons_array x = floats(1, 4, 0), captured = pons_exp(pons_arange(0, 4, 1, PONS_FLOAT32));
  pons_function f = pons_function_new(add_captured, 1, &captured, NULL);
  if (!pons_export_function(path, .function = f, .inputs = &x, .n_inputs = 1)) fail_msg("%s", pons_error());
  assert_true(names("Arange"));
  pons_function g = imported_function();
  check_equal(pons_apply(g, x), pons_apply(f, x));
  pons_function_release(f);
  pons_function_release(g);
}

static void same_scalar_three_times(void *payload, const pons_array *in, int n_in, pons_array *out,
                                    int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  pons_array a = pons_add(in[0], pons_float(2)), b = pons_multiply(in[0], pons_float(2));
  out[0] = pons_add(pons_add(a, b), pons_add(in[0], pons_float(2)));
}

static void equal_scalars_and_operations_are_written_once(void **state) {
  (void)state;
  pons_function f = pons_function_new(same_scalar_three_times, 1, NULL, NULL);
  pons_array x = pons_scalar(3, PONS_FLOAT32);
  if (!pons_export_function(path, .function = f, .inputs = &x, .n_inputs = 1)) fail_msg("%s", pons_error());
  pons_imported file = import_it();
  char *text = pons_imported_show(file, "text");
  assert_non_null(strstr(text, "1 constants of 4 bytes"));
  assert_non_null(strstr(text, "4 operations"));
  pons_free(text);
  pons_imported_release(file);
  pons_function_release(f);
}

/* ---- signatures ---- */

/* x - scale * shift; keyword inputs in byte order: scale, shift */
static void with_keywords(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_subtract(in[0], pons_multiply(in[1], pons_exp(in[2])));
}

static void keywords_may_come_in_any_order(void **state) {
  (void)state;
  pons_function f = pons_function_new(with_keywords, 1, NULL, NULL);
  pons_array x = floats(2, 2, 0), scale = floats(2, 2, 1), shift = floats(2, 2, -1), want, got;
  const char *const given[] = {"shift", "scale"}, *const sorted[] = {"scale", "shift"};
  if (!pons_export_function(path, .function = f, .inputs = (pons_array[]){x, shift, scale}, .n_inputs = 3,
                   .keywords = given, .n_keywords = 2))
    fail_msg("%s", pons_error());
  assert_true(pons_call(f, (pons_array[]){x, scale, shift}, 3, &want, 1));
  pons_imported file = import_it();
  assert_int_equal(pons_imported_call(file, (pons_array[]){x, shift, scale}, 3, given, 2, &got, 1), 1);
  check_equal(got, want);
  assert_int_equal(pons_imported_call(file, (pons_array[]){x, scale, shift}, 3, sorted, 2, &got, 1), 1);
  check_equal(got, want);
  const char *const wrong[] = {"scale", "shaft"};
  assert_int_equal(pons_imported_call(file, (pons_array[]){x, scale, shift}, 3, wrong, 2, &got, 1), -1);
  check_error(
      "import: no signature takes ((2, 2) float32, scale=(2, 2) float32, shaft=(2, 2) float32); the file "
      "has ((2, 2) float32, scale=(2, 2) float32, shift=(2, 2) float32)");
  pons_imported_release(file);
  pons_function_release(f);
}

static void twice(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_add(in[0], in[0]);
}

static void a_file_holds_several_signatures(void **state) {
  (void)state;
  pons_function f = pons_function_new(twice, 1, NULL, NULL);
  pons_array small = floats(1, 2, 1), large = floats(3, 2, 1);
  pons_function_exporter e = pons_exporter(path, .function = f);
  assert_true(pons_exporter_call(e, .inputs = &small, .n_inputs = 1));
  assert_true(pons_exporter_call(e, .inputs = &large, .n_inputs = 1));
  if (!pons_exporter_close(e)) fail_msg("%s", pons_error());
  pons_function g = imported_function();
  check_equal(pons_apply(g, small), pons_apply(f, small));
  check_equal(pons_apply(g, large), pons_apply(f, large));
  pons_array y = pons_apply(g, floats(2, 2, 1));
  assert_non_null(pons_error_of(y));
  check_error("no signature takes ((2, 2) float32)");
  e = pons_exporter(path, .function = f);
  assert_true(pons_exporter_call(e, .inputs = &small, .n_inputs = 1));
  assert_false(pons_exporter_call(e, .inputs = &small, .n_inputs = 1));
  check_error("signatures 0 and 1 take the same inputs");
  assert_false(pons_exporter_call(e, .inputs = &large, .n_inputs = 1));
  check_error("an earlier call failed");
  assert_false(pons_exporter_close(e));
  pons_function_release(g);
  g = imported_function(); /* the file is the one before */
  check_equal(pons_apply(g, large), pons_apply(f, large));
  pons_function_release(f);
  pons_function_release(g);
}

/* Notes what an export tells, a line per event. */
static void note_event(void *payload, const struct pons_export_event *event) {
  text *t = payload;
  static const char *const kinds[] = {"inputs", "keywords", "outputs", "constants", "primitive"};
  text_add(t, "%s", kinds[event->kind]);
  if (event->primitive) text_add(t, " %s %s", event->primitive, event->arguments);
  for (int i = 0; i < event->n_inputs; i++) {
    const struct pons_export_value *v = &event->inputs[i];
    text_add(t, " %s %s%s", v->name, shape_text(v->shape.count, v->shape.at), pons_dtype_name(v->dtype));
    if (v->keyword) text_add(t, "=%s", v->keyword);
  }
  if (event->n_outputs) text_add(t, " ->");
  for (int i = 0; i < event->n_outputs; i++) {
    text_add(t, " %s", event->outputs[i].name);
    if (event->outputs[i].constant) text_add(t, "=%g", pons_item(event->outputs[i].constant));
  }
  text_add(t, "\n");
}

static void total(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_sum(pons_multiply(in[0], pons_float(2.5)), .axes = PONS_AXES(1), .keepdims = true);
  pons_divmod(in[0], in[1], out + 1);
}

static void a_callback_is_told_what_a_file_would_hold(void **state) {
  (void)state;
  pons_function f = pons_function_new(total, 3, NULL, NULL);
  const char *const key = "by";
  text t = {0};
  if (!pons_export_function(NULL, .function = f, .inputs = (pons_array[]){floats(2, 3, 0), floats(2, 3, 1)},
                            .n_inputs = 2, .keywords = &key, .n_keywords = 1, .callback = note_event,
                            .payload = &t))
    fail_msg("%s", pons_error());
  assert_string_equal(t.at, "inputs v0 (2, 3)float32 v1 (2, 3)float32=by\n"
                            "keywords v1 (2, 3)float32=by\n"
                            "outputs -> v5 v6 v7\n"
                            "constants -> v2=2.5\n"
                            "primitive Broadcast {\"shape\": [2, 3]} v2 ()float32 -> v3\n"
                            "primitive Multiply {} v0 (2, 3)float32 v3 (2, 3)float32 -> v4\n"
                            "primitive Reduce {\"kind\": \"sum\", \"axes\": [1]} v4 (2, 3)float32 -> v5\n"
                            "primitive DivMod {} v0 (2, 3)float32 v1 (2, 3)float32=by -> v6 v7\n");
  text_free(&t);
  assert_false(pons_export_function(NULL, .function = f, .metadata = "m", .callback = note_event));
  check_error("export: metadata go into files, not to a callback");
  assert_false(pons_export_function(NULL, .function = f));
  check_error("export: there is no path");
  pons_function_release(f);
}

static void a_graph_is_drawn(void **state) {
  (void)state;
  pons_array x = pons_scalar(2, PONS_FLOAT32), y = pons_exp(x), parts[2];
  pons_divmod(y, x, parts);
  pons_array z = pons_multiply(parts[0], y);
  if (!pons_export_to_dot(path, &z, 1, (pons_array[]){x, y}, (const char *const[]){"x", "a \"y\""}, 2))
    fail_msg("%s", pons_error());
  char words[1000] = {0};
  FILE *file = fopen(path, "rb");
  assert_true(fread(words, 1, sizeof words - 1, file) > 0);
  fclose(file);
  text want = {0};
  const size_t exp = (uintptr_t)y, divmod = (uintptr_t)parts[0]->in[0], product = (uintptr_t)z;
  text_add(&want, "digraph {\n{ rank=source; \"x\"; }\n{ %zu [label =\"Exp\", shape=rectangle]; }\n", exp);
  text_add(&want, "\"x\" -> %zu\n{ \"a \\\"y\\\"\"; }\n%zu -> \"a \\\"y\\\"\"\n", exp, exp);
  text_add(&want, "{ %zu [label =\"DivMod\", shape=rectangle]; }\n\"a \\\"y\\\"\" -> %zu\n\"x\" -> %zu\n", divmod,
           divmod, divmod);
  text_add(&want, "{ \"A\"; }\n%zu -> \"A\"\n{ %zu [label =\"Multiply\", shape=rectangle]; }\n", divmod, product);
  text_add(&want, "\"A\" -> %zu\n\"a \\\"y\\\"\" -> %zu\n{ rank=sink; \"B\"; }\n%zu -> \"B\"\n}\n", product,
           product, product);
  assert_string_equal(words, want.at);
  text_free(&want);
  assert_false(pons_export_to_dot("/nowhere/at/all.dot", &z, 1, NULL, NULL, 0));
  check_error("export_to_dot: /nowhere/at/all.dot can't be written");
}

/* x - max over the last axis, times a bias, less the mean: sizes that follow the operands' */
static void centred(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  pons_array top = pons_max(in[0], .axes = PONS_AXES(-1), .keepdims = true);
  pons_array y = pons_multiply(pons_subtract(in[0], top), pons_add(in[1], pons_float(3)));
  out[0] = pons_subtract(y, pons_add(pons_mean(in[0]), pons_variance(y, .axes = PONS_AXES(0), .ddof = 1)));
}

/* Exported shapeless with `in`, the file does with `other` what the function does. */
static void check_shapeless(pons_callback callback, const pons_array in[2], const pons_array other[2]) {
  pons_function f = pons_function_new(callback, 1, NULL, NULL);
  pons_array want, got;
  if (!pons_export_function(path, .function = f, .inputs = in, .n_inputs = 2, .shapeless = true))
    fail_msg("%s", pons_error());
  pons_function g = imported_function();
  assert_true(pons_call(f, other, 2, &want, 1));
  if (!pons_call(g, other, 2, &got, 1)) fail_msg("%s", pons_error());
  check_equal(got, want);
  pons_function_release(f);
  pons_function_release(g);
}

static void sizes_of_a_shapeless_file_may_differ(void **state) {
  (void)state;
  check_shapeless(centred, (pons_array[]){floats(2, 3, 0), floats(1, 3, 1)},
                  (pons_array[]){floats(5, 4, 0), floats(1, 4, 1)});
}

static void product_of_three_axes(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_matmul(pons_expand_dims(in[0], PONS_AXES(0)), in[1]);
}

/* The leading axes stay as they are: flattened, their sizes would have to be in the file. */
static void a_product_in_a_shapeless_file_takes_more_rows(void **state) {
  (void)state;
  check_shapeless(product_of_three_axes, (pons_array[]){floats(4, 3, 0), floats(3, 2, 1)},
                  (pons_array[]){floats(7, 3, 2), floats(3, 2, 1)});
}

/* ---- releases and devices ---- */

static void normalised(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_fast_rms_norm(in[0], in[1], 1e-5f);
}

static void what_a_cpu_lacks_is_taken_apart(void **state) {
  (void)state;
  pons_function f = pons_function_new(normalised, 1, NULL, NULL);
  pons_array in[] = {floats(2, 4, 0.3), pons_reshape(floats(1, 4, 1), PONS_SHAPE(4))}, want, got;
  assert_true(pons_call(f, in, 2, &want, 1));
  for (int gpu = 0; gpu < 2; gpu++) {
    if (!pons_export_function(path, .function = f, .inputs = in, .n_inputs = 2, .gpu = gpu))
      fail_msg("%s", pons_error());
    assert_int_equal(names("RMSNorm"), gpu);
    pons_function g = imported_function();
    assert_true(pons_call(g, in, 2, &got, 1));
    check_equal(got, want);
    pons_function_release(g);
  }
  pons_function_release(f);
}

static void every_release_has_its_layout(void **state) {
  (void)state;
  pons_function f = pons_function_new(network, 2, NULL, NULL);
  pons_array in[] = {floats(4, 3, 0.1), floats(3, 5, -0.4)}, want[2], got[2];
  assert_true(pons_call(f, in, 2, want, 2));
  const char *const releases[] = {"0.22.0", "0.23.2", "0.25.1", "0.26.5",
                                  "0.29.4", "0.31.2", "0.32.0", "0.32.3"};
  for (size_t i = 0; i < sizeof releases / sizeof *releases; i++) {
    if (!pons_export_function(path, .function = f, .inputs = in, .n_inputs = 2, .release = releases[i]))
      fail_msg("%s: %s", releases[i], pons_error());
    pons_imported file = import_it();
    assert_string_equal(pons_imported_release_name(file), releases[i]);
    pons_imported_release(file);
    pons_function g = imported_function();
    assert_true(pons_call(g, in, 2, got, 2));
    check_equal(got[1], want[1]);
    pons_function_release(g);
  }
  assert_false(pons_export_function(path, .function = f, .inputs = in, .n_inputs = 2, .release = "0.99.0"));
  check_error("not for '0.99.0'");
  assert_false(
      pons_export_function(path, .function = f, .inputs = in, .n_inputs = 2, .release = "0.32.0", .metadata = "m"));
  check_error("files for MLX 0.32.0 hold no metadata");
  pons_function_release(f);
}

/* ---- one operation at a time ---- */

typedef struct nodes_seen {
  int count, most;
  char primitives[256];
  float first, second; /* what the last one gives on the two streams */
} nodes_seen;

static bool see(void *payload, const struct pons_imported_node *node) {
  nodes_seen *seen = payload;
  assert_int_equal(node->index, seen->count++);
  const size_t length = strlen(seen->primitives);
  snprintf(seen->primitives + length, sizeof seen->primitives - length, "%s ", node->primitive);
  assert_true(pons_eval_many(node->out[0], node->n_out) && pons_eval_many(node->out[1], node->n_out));
  seen->first = (float)pons_item(pons_sum(node->out[0][0]));
  seen->second = (float)pons_item(pons_sum(node->out[1][0]));
  return seen->count < seen->most;
}

static void squared_plus(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_add(pons_multiply(in[0], in[0]), pons_array_from((float[]){10, 20}, PONS_SHAPE(2), PONS_FLOAT32));
}

static void operations_are_made_one_by_one_on_each_stream(void **state) {
  (void)state;
  pons_function f = pons_function_new(squared_plus, 1, NULL, NULL);
  pons_array x = pons_array_from((float[]){2, 3}, PONS_SHAPE(2), PONS_FLOAT32);
  assert_true(pons_export_function(path, .function = f, .inputs = &x, .n_inputs = 1));
  pons_imported file = import_it();
  const pons_stream streams[] = {pons_default_stream("cpu"), pons_new_stream("cpu")};
  for (int same = 0; same < 2; same++) {
    nodes_seen seen = {.most = 100};
    assert_true(pons_imported_nodes(file, .inputs = &x, .n_inputs = 1, .streams = streams, .n_streams = 2,
                                    .same_operands = same, .callback = see, .payload = &seen));
    assert_string_equal(seen.primitives, "Multiply Add ");
    assert_true(seen.first == 4 + 9 + 30 && seen.second == seen.first);
  }
  nodes_seen seen = {.most = 1};
  assert_true(pons_imported_nodes(file, .inputs = &x, .n_inputs = 1, .streams = streams, .n_streams = 2,
                                  .callback = see, .payload = &seen));
  assert_string_equal(seen.primitives, "Multiply ");
  pons_array other = floats(3, 1, 0);
  assert_false(pons_imported_nodes(file, .inputs = &other, .n_inputs = 1, .streams = streams, .n_streams = 2,
                                   .callback = see, .payload = &seen));
  check_error("no signature takes ((3, 1) float32)");
  assert_false(pons_imported_nodes(file, .inputs = &x, .n_inputs = 1, .callback = see));
  check_error("imported_nodes: there is no stream to make them on");
  pons_imported_release(file);
  pons_function_release(f);
}

static void integers(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_astype(pons_floor_divide(in[0], in[1]), PONS_FLOAT32);
  out[1] = pons_astype(pons_bitwise_invert(in[0]), PONS_FLOAT32);
}

static void integer_operations_that_a_release_lacks_are_written_in_others(void **state) {
  (void)state;
  const int32_t a[] = {7, -7, 7, -7, 6, -6, 0, 1}, b[] = {2, 2, -2, -2, 3, 3, 5, -9};
  pons_array in[] = {pons_array_from(a, PONS_SHAPE(8), PONS_INT32),
                     pons_array_from(b, PONS_SHAPE(8), PONS_INT32)};
  pons_function f = pons_function_new(integers, 2, NULL, NULL);
  pons_array want[2], got[2];
  assert_true(pons_call(f, in, 2, want, 2));
  const char *const releases[] = {"0.30.6", "0.32.4"};
  for (int i = 0; i < 2; i++) {
    if (!pons_export_function(path, .function = f, .inputs = in, .n_inputs = 2, .release = releases[i]))
      fail_msg("%s", pons_error());
    assert_int_equal(names("FloorDivide"), i);
    pons_function g = imported_function();
    assert_true(pons_call(g, in, 2, got, 2));
    check_equal(got[0], want[0]);
    check_equal(got[1], want[1]);
    pons_function_release(g);
  }
  pons_function_release(f);
}

static void gathered(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_take_along_axis(in[0], in[1], 1);
}

static void what_a_release_lacks_is_named(void **state) {
  (void)state;
  const int32_t at[] = {0, 1, 1, 0};
  pons_array in[] = {floats(2, 3, 0), pons_array_from(at, PONS_SHAPE(2, 2), PONS_INT32)};
  pons_function f = pons_function_new(gathered, 1, NULL, NULL);
  assert_true(pons_export_function(path, .function = f, .inputs = in, .n_inputs = 2, .release = "0.26.2"));
  assert_false(pons_export_function(path, .function = f, .inputs = in, .n_inputs = 2, .release = "0.26.1"));
  check_error("export: GatherAxis can't be written for MLX 0.26.1: that release doesn't have it");
  pons_function_release(f);
}

static void odd_signal(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_fft_irfft(in[0], .n = 3);
}

/* Before 0.32.4 it stood nowhere but in the result's shape. */
static void a_spectrum_of_an_odd_signal_is_known_by_the_size_of_the_result(void **state) {
  (void)state;
  const float pairs[] = {6, 0, 0, 0};
  pons_array x = pons_array_from(pairs, PONS_SHAPE(2), PONS_COMPLEX64), y;
  pons_function f = pons_function_new(odd_signal, 1, NULL, NULL);
  assert_true(pons_export_function(path, .function = f, .inputs = &x, .n_inputs = 1, .release = "0.32.3"));
  pons_imported file = import_it();
  char *shown = pons_imported_show(file, "text");
  assert_non_null(strstr(shown, "odd_out=by size"));
  pons_free(shown);
  pons_imported_release(file);
  pons_function g = imported_function();
  assert_true(pons_call(g, &x, 1, &y, 1));
  check_equal(y, pons_array_from((const float[]){2, 2, 2}, PONS_SHAPE(3), PONS_FLOAT32));
  pons_function_release(g);
  pons_function_release(f);
}

/* ---- faults ---- */

static void failing(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_matmul(in[0], in[0]);
}

static void a_failed_export_leaves_the_file_as_it_was(void **state) {
  (void)state;
  pons_function f = pons_function_new(twice, 1, NULL, NULL), bad = pons_function_new(failing, 1, NULL, NULL);
  pons_array x = floats(2, 3, 0);
  assert_true(pons_export_function(path, .function = f, .inputs = &x, .n_inputs = 1, .metadata = "the old one"));
  assert_false(pons_export_function(path, .function = bad, .inputs = &x, .n_inputs = 1));
  check_error("matmul");
  pons_imported file = import_it();
  assert_string_equal(pons_imported_metadata(file), "the old one");
  pons_imported_release(file);
  assert_false(pons_export_function("/nowhere/at/all.mlxfn", .function = f, .inputs = &x, .n_inputs = 1));
  check_error("/nowhere/at/all.mlxfn can't be written");
  assert_null(pons_import_function("/nowhere/at/all.mlxfn"));
  check_error("/nowhere/at/all.mlxfn can't be opened");
  pons_function_release(f);
  pons_function_release(bad);
}

static void broad(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  const pons_shape shape = PONS_SHAPE((int64_t)1 << 33);
  out[0] = pons_broadcast_to(in[0], shape);
}

static void sizes_beyond_32_bits_are_refused(void **state) {
  (void)state;
  pons_function f = pons_function_new(broad, 1, NULL, NULL);
  pons_array x = pons_scalar(1, PONS_FLOAT32);
  assert_false(pons_export_function(path, .function = f, .inputs = &x, .n_inputs = 1));
  check_error("export: the file format stores sizes as 32 bits, which 8589934592 exceeds");
  pons_function_release(f);
}

/* A wrong stored shape is found at import: MLX believes it. */
static void stored_shapes_are_computed_again(void **state) {
  (void)state;
  pons_function f = pons_function_new(twice, 1, NULL, NULL);
  pons_array x = floats(2, 3, 0);
  assert_true(pons_export_function(path, .function = f, .inputs = &x, .n_inputs = 1));
  FILE *file = fopen(path, "r+b");
  uint8_t bytes[600];
  const size_t count = fread(bytes, 1, sizeof bytes, file);
  assert_int_equal(bytes[count - 9], 3); /* the last size of the last shape; dtype and item size follow */
  bytes[count - 9] = 4;
  fclose(file);
  assert_null(pons_import_function_bytes(bytes, count));
  check_error("Add gives (2, 3) float32, the file says (2, 4) float32");
  pons_function_release(f);
}

static void endless(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  const pons_shape shape = PONS_SHAPE(1 << 30, 1 << 26);
  out[0] = pons_exp(pons_broadcast_to(in[0], shape));
  out[1] = pons_full(shape, in[0]);
  out[2] = pons_random_bits(shape, 4, pons_random_key(1));
}

/* A small file may speak of huge arrays: importing makes none, computing them is an error. */
static void huge_arrays_fail_when_computed(void **state) {
  (void)state;
  pons_function f = pons_function_new(endless, 3, NULL, NULL);
  pons_array x = pons_scalar(1, PONS_FLOAT32), out[3];
  if (!pons_export_function(path, .function = f, .inputs = &x, .n_inputs = 1)) fail_msg("%s", pons_error());
  const size_t before = pons_get_peak_memory();
  pons_function g = imported_function();
  assert_true(pons_call(g, &x, 1, out, 3));
  for (int i = 0; i < 3; i++) {
    assert_false(pons_eval(out[i]));
    pons_clear_error();
  }
  assert_true(pons_get_peak_memory() < before + (1 << 24));
  pons_function_release(f);
  pons_function_release(g);
}

static void nothing_is_left_behind(void **state) {
  (void)state;
  const int64_t before = pons_live_arrays();
  const pons_scope inner = pons_scope_open();
  pons_function f = pons_function_new(network, 2, NULL, NULL);
  pons_array in[] = {floats(4, 3, 0.1), floats(3, 5, -0.4)}, out[2];
  assert_true(pons_export_function(path, .function = f, .inputs = in, .n_inputs = 2));
  pons_function g = imported_function();
  assert_true(pons_call(g, in, 2, out, 2));
  assert_true(pons_eval_many(out, 2));
  pons_function_release(f);
  pons_function_release(g);
  pons_scope_close(inner);
  assert_int_equal(pons_live_arrays(), before);
}

int main(void) {
  const int file = mkstemp(path);
  if (file >= 0) close(file);
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
  const struct CMUnitTest tests[] = {
      TEST(values_gradients_batches_and_plans_go_through_the_file),
      TEST(functions_that_tell_their_results_when_called),
      TEST(an_imported_function_is_exported_again),
      TEST(a_gradient_is_exported),
      TEST(functions_made_of_functions_are_exported),
      TEST(captured_computations_are_stored_as_such),
      TEST(captured_arrays_are_stored_row_major),
      TEST(equal_scalars_and_operations_are_written_once),
      TEST(keywords_may_come_in_any_order),
      TEST(a_file_holds_several_signatures),
      TEST(a_callback_is_told_what_a_file_would_hold),
      TEST(a_graph_is_drawn),
      TEST(sizes_of_a_shapeless_file_may_differ),
      TEST(a_product_in_a_shapeless_file_takes_more_rows),
      TEST(what_a_cpu_lacks_is_taken_apart),
      TEST(every_release_has_its_layout),
      TEST(operations_are_made_one_by_one_on_each_stream),
      TEST(integer_operations_that_a_release_lacks_are_written_in_others),
      TEST(what_a_release_lacks_is_named),
      TEST(a_spectrum_of_an_odd_signal_is_known_by_the_size_of_the_result),
      TEST(a_failed_export_leaves_the_file_as_it_was),
      TEST(sizes_beyond_32_bits_are_refused),
      TEST(stored_shapes_are_computed_again),
      TEST(huge_arrays_fail_when_computed),
      TEST(nothing_is_left_behind),
  };
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return failed;
}
