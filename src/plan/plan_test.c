/* Tests of planning: what is merged, expanded, fused and placed, as text. Nothing is run. */
#include "plan/plan.h"
#include <pons/fast.h>
#include <pons/ops.h>
#include <pons/quantized.h>
#include <pons/transforms.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

/* The plan that computes the arrays, as text; the caller frees it. */
static char *planned(const pons_array *wanted, int count) {
  const plan_request request = {.device = device_named("null"), .wanted = wanted, .n_wanted = count};
  plan_leaf *leaves;
  error *why = NULL;
  graph_lock();
  plan *p = plan_make(&request, &leaves, &why);
  graph_unlock();
  if (!p) {
    char *told = mem_text(error_text(why));
    error_release(why);
    return told;
  }
  for (int i = 0; i < p->n_inputs; i++) pons_release(leaves[i].node);
  text t = {0};
  plan_print(&t, p);
  plan_free(p);
  return text_take(&t);
}

static void check_many(const pons_array *wanted, int count, const char *expected) {
  char *is = planned(wanted, count);
  assert_string_equal(is, expected);
  mem_free(is);
}
static void check(pons_array wanted, const char *expected) { check_many(&wanted, 1, expected); }

static pons_array array(pons_dtype dtype, int64_t rows, int64_t columns) {
  static const char zeros[4096];
  assert_true(rows * columns * (int64_t)pons_dtype_size(dtype) <= (int64_t)sizeof zeros);
  return pons_array_from(zeros, PONS_SHAPE(rows, columns), dtype);
}

static void chains_become_one_kernel(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), b = array(PONS_FLOAT32, 2, 3);
  check(pons_tanh(pons_add(a, b)),
        "float32 (2, 3) in0\n"
        "float32 (2, 3) in1\n"
        "float32 (2, 3) out0 over in0 or in1 = kernel in0 in1: in 0: float32; in 1: float32; v2 = add v0 v1 "
        "float32; "
        "v3 = tanh v2 float32; out: v3\n"
        "return out0\n"
        "arena 0 bytes on null\n");
}

static void broadcasts_become_strides_of_zero(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), row = array(PONS_FLOAT32, 1, 3);
  check(pons_multiply(a, row),
        "float32 (2, 3) in0\n"
        "float32 (1, 3) in1\n"
        "float32 (2, 3) out0 over in0 = kernel in0 in1{0 1}: in 0: float32; in 1: float32; v2 = multiply v0 "
        "v1 float32; "
        "out: v2\n"
        "return out0\n"
        "arena 0 bytes on null\n");
}

static void casts_become_instructions_even_when_broadcast(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), row = array(PONS_FLOAT16, 1, 3);
  check(pons_multiply(a, row),
        "float32 (2, 3) in0\n"
        "float16 (1, 3) in1\n"
        "float32 (2, 3) out0 over in0 = kernel in1{0 1} in0: in 0: float16; in 1: float32; v2 = cast v0 "
        "float32; "
        "v3 = multiply v1 v2 float32; out: v3\n"
        "return out0\n"
        "arena 0 bytes on null\n");
}

static void equal_nodes_are_computed_once(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3);
  check(pons_add(pons_exp(a), pons_exp(a)),
        "float32 (2, 3) in0\n"
        "float32 (2, 3) out0 over in0 = kernel in0: in 0: float32; v1 = exp v0 float32; v2 = add v1 v1 "
        "float32; out: v2\n"
        "return out0\n"
        "arena 0 bytes on null\n");
}

static void equal_scalars_are_one_input(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3);
  check(pons_add(pons_multiply(a, pons_float(2)), pons_float(2)),
        "float32 (2, 3) in0\n"
        "float32 () in1\n"
        "float32 (2, 3) out0 over in0 = kernel in0 in1{0 0}: in 0: float32; in 1: float32; "
        "v2 = multiply v0 v1 float32; v3 = add v2 v1 float32; out: v3\n"
        "return out0\n"
        "arena 0 bytes on null\n");
}

static void views_are_no_steps(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3);
  check(pons_exp(pons_transpose(a)),
        "float32 (2, 3) in0\n"
        "float32 (3, 2) out0 = kernel in0{1 3}: in 0: float32; v1 = exp v0 float32; out: v1\n"
        "return out0\n"
        "arena 0 bytes on null\n");
  check(pons_transpose(a),
        "float32 (2, 3) in0\n"
        "return in0{1 3}\n"
        "arena 0 bytes on null\n");
}

static void a_view_of_a_result_needs_its_memory(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3);
  check(pons_exp(pons_transpose(pons_exp(a))),
        "float32 (2, 3) in0\n"
        "float32 (2, 3) t0 at 0 = kernel in0: in 0: float32; v1 = exp v0 float32; out: v1\n"
        "float32 (3, 2) out0 = kernel t0{1 3}: in 0: float32; v1 = exp v0 float32; out: v1\n"
        "return out0\n"
        "arena 64 bytes on null\n");
}

/* A view that keeps the order is taken of the operands instead. */
static void a_part_of_a_result_is_all_that_is_computed(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 4, 3), row = array(PONS_FLOAT32, 1, 3);
  pons_array part = pons_slice(pons_abs(pons_add(a, row)), PONS_SHAPE(1, 0), PONS_SHAPE(4, 2), PONS_SHAPE(1, 1));
  check(pons_exp(part),
        "float32 (4, 3) in0\n"
        "float32 (1, 3) in1\n"
        "float32 (3, 2) out0 = kernel in0+3{3 1} in1{0 1}: in 0: float32; in 1: float32; v2 = add v0 v1 float32; "
        "v3 = abs v2 float32; v4 = exp v3 float32; out: v4\n"
        "return out0\n"
        "arena 0 bytes on null\n");
  check(pons_exp(pons_reshape(pons_abs(a), PONS_SHAPE(12))),
        "float32 (4, 3) in0\n"
        "float32 (12) out0 over in0 = kernel in0: in 0: float32; v1 = abs v0 float32; v2 = exp v1 float32; out: v2\n"
        "return out0\n"
        "arena 0 bytes on null\n");
}

static void a_result_that_others_read_whole_is_computed_whole(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), y = pons_abs(a);
  pons_array both[] = {pons_exp(pons_reshape(y, PONS_SHAPE(6))), pons_sum(y)};
  check_many(both, 2,
             "float32 (2, 3) in0\n"
             "float32 (2, 3) t0 at 0 = kernel in0: in 0: float32; v1 = abs v0 float32; out: v1\n"
             "float32 (6) out0 = kernel t0: in 0: float32; v1 = exp v0 float32; out: v1\n"
             "float32 (1, 1) out1 = Reduce t0 {kind=2, axes=[0, 1]}: nothing\n"
             "return out0 out1\n"
             "arena 64 bytes on null\n");
}

static void what_no_view_can_show_is_copied_first(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3);
  check(pons_reshape(pons_transpose(a), PONS_SHAPE(6)),
        "float32 (2, 3) in0\n"
        "float32 (3, 2) out0 = kernel in0{1 3}: in 0: float32; out: v0\n"
        "return out0\n"
        "arena 0 bytes on null\n");
}

static void a_result_read_elsewhere_too_is_stored_on_the_way(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), y = pons_exp(a);
  pons_array both[] = {pons_add(y, a), y};
  check_many(both, 2,
             "float32 (2, 3) in0\n"
             "float32 (2, 3) out0, float32 (2, 3) out1 = kernel in0: in 0: float32; v1 = exp v0 float32; "
             "v2 = add v1 v0 float32; out: v1 v2\n"
             "return out1 out0\n"
             "arena 0 bytes on null\n");
}

static void a_reader_in_between_keeps_kernels_apart(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), y = pons_exp(a);
  check(pons_add(y, pons_sum(y)), /* the sum must be there before the addition, and y before the sum */
        "float32 (2, 3) in0\n"
        "float32 (2, 3) t0 at 0 = kernel in0: in 0: float32; v1 = exp v0 float32; out: v1\n"
        "float32 (1, 1) t1 at 64 = Reduce t0 {kind=2, axes=[0, 1]}: nothing\n"
        "float32 (2, 3) out0 = kernel t0 t1{0 0}: in 0: float32; in 1: float32; v2 = add v0 v1 float32; out: "
        "v2\n"
        "return out0\n"
        "arena 128 bytes on null\n");
}

/* y, or y doubled, is read before the sum and after it. What is light is made anew then, the exponential is not. */
static void what_is_light_is_made_again(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), y = pons_exp(a), twice = pons_add(y, y);
  check(pons_multiply(twice, pons_sum(pons_tanh(twice))),
        "float32 (2, 3) in0\n"
        "float32 (2, 3) t0 at 0 = kernel in0: in 0: float32; v1 = exp v0 float32; out: v1\n"
        "float32 (1, 1) t1 at 64 = Reduce t0 {kind=2, axes=[0, 1]}: nothing of in 0: float32; v1 = add v0 v0 float32; "
        "v2 = tanh v1 float32; out: v2\n"
        "float32 (2, 3) out0 = kernel t0 t1{0 0}: in 0: float32; in 1: float32; v2 = add v0 v0 float32; "
        "v3 = multiply v2 v1 float32; out: v3\n"
        "return out0\n"
        "arena 128 bytes on null\n");
}

/* A GPU makes the exponential anew, too. */
static void on_a_gpu_more_is_light(void **state) {
  (void)state;
  setenv("PONS_NULL_DEVICE", "gpu", 1);
  pons_array a = array(PONS_FLOAT32, 2, 3), y = pons_exp(a);
  char *is = planned(&(pons_array){pons_multiply(y, pons_sum(pons_tanh(y)))}, 1);
  setenv("PONS_NULL_DEVICE", "1", 1);
  assert_string_equal(is,
                      "float32 (2, 3) in0\n"
                      "float32 (1, 1) t0 at 0 = Reduce in0 {kind=2, axes=[0, 1]}: nothing of in 0: float32; v1 = exp v0 float32; "
                      "v2 = tanh v1 float32; out: v2\n"
                      "float32 (2, 3) out0 over in0 = kernel in0 t0{0 0}: in 0: float32; in 1: float32; v2 = exp v0 float32; "
                      "v3 = multiply v2 v1 float32; out: v3\n"
                      "return out0\n"
                      "arena 64 bytes on null\n");
  mem_free(is);
}

/* Also through views that keep the order; what is reduced has the shape of all its operands. */
static void what_a_reduction_alone_reads_is_part_of_it(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), row = array(PONS_FLOAT16, 1, 3);
  check(pons_sum(pons_reshape(pons_multiply(a, a), PONS_SHAPE(6))),
        "float32 (2, 3) in0\n"
        "float32 (1) out0 = Reduce in0 {kind=2, axes=[0]}: nothing of in 0: float32; v1 = multiply v0 v0 float32; out: v1\n"
        "return out0\n"
        "arena 0 bytes on null\n");
  check(pons_max(pons_abs(pons_subtract(a, row)), .axes = PONS_AXES(0), .keepdims = true),
        "float32 (2, 3) in0\n"
        "float16 (1, 3) in1\n"
        "float32 (1, 3) out0 = Reduce in1{0 1} in0 {kind=5, axes=[0]}: nothing of in 0: float16; in 1: float32; v2 = cast v0 float32; "
        "v3 = subtract v1 v2 float32; v4 = abs v3 float32; out: v4\n"
        "return out0\n"
        "arena 0 bytes on null\n");
}

static void what_others_read_too_is_stored_before_it_is_reduced(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), y = pons_exp(pons_multiply(a, a));
  pons_array both[] = {pons_sum(y), y}, sums[] = {pons_sum(y), pons_max(y)};
  check_many(both, 2,
             "float32 (2, 3) in0\n"
             "float32 (2, 3) out0 over in0 = kernel in0: in 0: float32; v1 = multiply v0 v0 float32; v2 = exp v1 float32; out: v2\n"
             "float32 (1, 1) out1 = Reduce out0 {kind=2, axes=[0, 1]}: nothing\n"
             "return out1 out0\n"
             "arena 0 bytes on null\n");
  check_many(sums, 2,
             "float32 (2, 3) in0\n"
             "float32 (2, 3) t0 at 0 = kernel in0: in 0: float32; v1 = multiply v0 v0 float32; v2 = exp v1 float32; out: v2\n"
             "float32 (1, 1) out0 = Reduce t0 {kind=2, axes=[0, 1]}: nothing\n"
             "float32 (1, 1) out1 = Reduce t0 {kind=5, axes=[0, 1]}: nothing\n"
             "return out0 out1\n"
             "arena 64 bytes on null\n");
}

/* Of nine operands, which the device's reductions do not take; and empty ones, of which there is nothing to make. */
static void what_a_reduction_does_not_take_is_a_step_before_it(void **state) {
  (void)state;
  pons_array x = array(PONS_FLOAT32, 2, 3);
  for (int i = 0; i < 8; i++) x = pons_add(x, array(PONS_FLOAT32, 2, 3));
  char *is = planned(&(pons_array){pons_sum(x)}, 1);
  assert_non_null(strstr(is, "float32 (2, 3) t0 at 0 = kernel in0 in1 in2 in3 in4 in5 in6 in7 in8: "));
  assert_non_null(strstr(is, "float32 (1, 1) out0 = Reduce t0 {kind=2, axes=[0, 1]}: nothing\n"));
  mem_free(is);
  check(pons_sum(pons_exp(array(PONS_FLOAT32, 2, 0)), .axes = PONS_AXES(1), .keepdims = true),
        "float32 (2, 0) in0\n"
        "float32 (2, 1) out0 = Reduce t0 {kind=2, axes=[1]}: nothing\n"
        "return out0\n"
        "arena 0 bytes on null\n");
}

/* Rows that read what it makes first are part of its step, under any shape of as many elements; so is what is made of it for others. */
static void what_reads_a_reduction_at_once_is_part_of_it(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), sum = pons_sum(a, .axes = PONS_AXES(1)), row = array(PONS_FLOAT32, 1, 2);
  check(pons_mean(pons_square(a)),
        "float32 (2, 3) in0\n"
        "float32 () in1\n"
        "float32 () out0 = Reduce in0 in1 {kind=2, axes=[0, 1]}: nothing of in 0: float32; v1 = square v0 float32; out: v1 "
        "then in 0: float32; in 1: float32; v2 = multiply v0 v1 float32; out: v2\n"
        "return out0\n"
        "arena 0 bytes on null\n");
  pons_array both[] = {sum, pons_add(pons_sqrt(sum), pons_reshape(row, PONS_SHAPE(2)))};
  check_many(both, 2,
             "float32 (2, 3) in0\n"
             "float32 (1, 2) in1\n"
             "float32 (2) out0, float32 (2) out1 = Reduce in0 in1 {kind=2, axes=[1]}: nothing then in 0: float32; in 1: float32; "
             "v2 = sqrt v0 float32; v3 = add v2 v1 float32; out: v3 v0\n"
             "return out1 out0\n"
             "arena 0 bytes on null\n");
}

/* Each in its turn: what is done between needs the memory that the reduction is done with. And there is no view of a part in between. */
static void what_reads_a_reduction_later_is_a_step_behind_it(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), sum = pons_sum(a, .axes = PONS_AXES(1), .keepdims = true);
  char *later = planned(&(pons_array){pons_add(sum, pons_matmul(a, array(PONS_FLOAT32, 3, 1)))}, 1);
  char *part = planned(&(pons_array){pons_exp(pons_slice(pons_sum(a, .axes = PONS_AXES(0)), PONS_SHAPE(0), PONS_SHAPE(2), PONS_SHAPE(1)))}, 1);
  char *spread = planned(&(pons_array){pons_subtract(a, pons_sqrt(sum))}, 1);
  assert_non_null(strstr(later, "Reduce in0 {kind=2, axes=[1]}: nothing\n"));
  assert_non_null(strstr(part, "Reduce in0 {kind=2, axes=[0]}: nothing\n"));
  assert_non_null(strstr(spread, "Reduce in0 {kind=2, axes=[1]}: nothing then in 0: float32; v1 = sqrt v0 float32; out: v1\n"));
  assert_non_null(strstr(spread, " = kernel in0 t0{1 0}: in 0: float32; in 1: float32; v2 = subtract v0 v1 float32; out: v2\n"));
  mem_free(later), mem_free(part), mem_free(spread);
}

/* A residual sum: the norm writes it, too. */
static void what_a_norm_reads_is_made_and_kept_by_it(void **state) {
  (void)state;
  pons_array x = array(PONS_FLOAT32, 2, 3), a = array(PONS_FLOAT32, 2, 3), h = pons_add(x, a), w = pons_reshape(array(PONS_FLOAT32, 1, 3), PONS_SHAPE(3));
  pons_array both[] = {pons_fast_rms_norm(h, w, 0.5F), h};
  char *is = planned(both, 2);
  assert_non_null(strstr(is, "float32 (2, 3) out0, float32 (2, 3) out1 = RMSNorm in0 in1 in2 {eps=0.5}: nothing of in 0: float32; in 1: float32; "
                             "v2 = add v0 v1 float32; out: v2 v2\nreturn out0 out1\n"));
  mem_free(is);
}

/* In front, which is kept, and behind; where that reads what is kept, rows in front are a step. */
static void what_follows_a_norm_is_part_of_it(void **state) {
  (void)state;
  pons_array x = array(PONS_FLOAT32, 2, 3), a = array(PONS_FLOAT32, 2, 3), h = pons_add(x, a), w = pons_reshape(array(PONS_FLOAT32, 1, 3), PONS_SHAPE(3));
  pons_array norm = pons_fast_rms_norm(h, w, 0.5F);
  char *is = planned((pons_array[]){pons_tanh(norm), h}, 2), *apart = planned((pons_array[]){pons_subtract(h, norm), h}, 2);
  char *exps = planned(&(pons_array){pons_multiply(pons_softmax(x), a)}, 1);
  assert_non_null(strstr(is, "float32 (2, 3) out0, float32 (2, 3) out1 = RMSNorm in0 in1 in2 {eps=0.5}: nothing of "));
  assert_non_null(strstr(is, " then in 0: float32; v1 = tanh v0 float32; out: v1\n"));
  assert_non_null(strstr(apart, " = kernel in0 in1: "));
  assert_non_null(strstr(apart, " {eps=0.5}: nothing then in 0: float32; in 1: float32; v2 = subtract v1 v0 float32; out: v2\n"));
  assert_non_null(strstr(exps, " = Softmax in0 in1 {precise=false}: nothing then in 0: float32; in 1: float32; v2 = multiply v0 v1 float32; out: v2\n"));
  mem_free(is), mem_free(apart), mem_free(exps);
}

/* What others read too is stored before it. */
static void what_a_softmax_reads_is_made_by_it(void **state) {
  (void)state;
  pons_array x = array(PONS_FLOAT32, 2, 3), mask = array(PONS_FLOAT32, 1, 3), h = pons_add(pons_multiply(x, pons_float(0.5)), mask);
  char *is = planned(&(pons_array){pons_softmax(h)}, 1);
  char *loss = planned(&(pons_array){pons_fast_cross_entropy(pons_tanh(x), pons_reshape(array(PONS_INT32, 2, 1), PONS_SHAPE(2)))}, 1);
  char *shared = planned((pons_array[]){pons_logsumexp(h, .axes = PONS_AXES(1), .keepdims = true), h}, 2);
  assert_non_null(strstr(is, "float32 (2, 3) out0 = Softmax in0 in1{0 0} in2{0 1} {precise=false}: nothing of in 0: float32; in 1: float32; in 2: float32; "
                             "v3 = multiply v0 v1 float32; v4 = add v3 v2 float32; out: v4\nreturn out0\n"));
  assert_non_null(strstr(loss, " = CrossEntropy in0 in1: nothing of in 0: float32; v1 = tanh v0 float32; out: v1\n"));
  assert_non_null(strstr(shared, "float32 (2, 3) out0 over in0 = kernel in0 in1{0 0} in2{0 1}: "));
  assert_non_null(strstr(shared, " = LogSumExp out0: nothing\n"));
  mem_free(is), mem_free(loss), mem_free(shared);
}

/* A product that only the sum reads adds the other operand itself; one that others read does not, nor does one that is met again. */
static void sums_are_part_of_a_product(void **state) {
  (void)state;
  setenv("PONS_NULL_DEVICE", "gpu", 1);
  pons_array a = array(PONS_FLOAT32, 2, 3), b = array(PONS_FLOAT32, 3, 4), x = array(PONS_FLOAT32, 2, 4);
  char *one = planned(&(pons_array){pons_add(x, pons_reshape(pons_reshape(pons_matmul(a, b), PONS_SHAPE(8)), PONS_SHAPE(2, 4)))}, 1);
  pons_array product = pons_matmul(a, b);
  char *other = planned(&(pons_array){pons_multiply(pons_add(product, x), product)}, 1);
  char *again = planned(&(pons_array){pons_multiply(pons_add(pons_matmul(a, b), x), pons_matmul(a, b))}, 1);
  setenv("PONS_NULL_DEVICE", "1", 1);
  assert_string_equal(one, "float32 (2, 4) in0\n"
                           "float32 (2, 3) in1\n"
                           "float32 (3, 4) in2\n"
                           "float32 (2, 4) out0 = Matmul in1 in2 + in0: nothing\n"
                           "return out0\n"
                           "arena 0 bytes on null\n");
  assert_non_null(strstr(other, "Matmul in0 in1: nothing\n"));
  assert_null(strstr(again, "+"));
  assert_non_null(strstr(again, "Matmul in0 in1: nothing\n"));
  mem_free(one), mem_free(other), mem_free(again);
}

/* int8 and fp8 codes are multiplied as they lie, also behind views; what int32 can't hold the sums of, and what is of two sorts, is not. */
static void codes_are_multiplied_in_place_of_their_casts(void **state) {
  (void)state;
  pons_array a = array(PONS_INT8, 2, 8), b = array(PONS_INT8, 4, 8), c = array(PONS_UINT8, 4, 8);
  pons_array product = pons_matmul(pons_astype(a, PONS_FLOAT16), pons_transpose(pons_astype(b, PONS_FLOAT16)));
  check(pons_multiply(product, pons_astype(pons_float(3), PONS_FLOAT16)),
        "int8 (2, 8) in0\n"
        "int8 (4, 8) in1\n"
        "float32 () in2\n"
        "int32 (2, 4) t0 at 0 = int8 Matmul in0 in1{1 8}: nothing\n"
        "float16 (2, 4) out0 = kernel t0 in2{0 0}: in 0: int32; in 1: float32; v2 = cast v0 float16; v3 = cast v1 float16; "
        "v4 = multiply v2 v3 float16; out: v4\n"
        "return out0\n"
        "arena 64 bytes on null\n");
  pons_array values = pons_from_fp8(c, PONS_BFLOAT16);
  check(pons_matmul(values, pons_transpose(values)),
        "uint8 (4, 8) in0\n"
        "bfloat16 (4, 4) out0 = fp8 Matmul in0 in0{1 8}: nothing\n"
        "return out0\n"
        "arena 0 bytes on null\n");
  pons_array row = array(PONS_FLOAT32, 1, 4), x = pons_astype(a, PONS_FLOAT32), y = pons_transpose(pons_astype(b, PONS_FLOAT32));
  check(pons_addmm(row, x, y, 1, 1),
        "int8 (2, 8) in0\n"
        "int8 (4, 8) in1\n"
        "float32 (1, 4) in2\n"
        "int32 (2, 4) t0 at 0 = int8 Matmul in0 in1{1 8}: nothing\n"
        "float32 (2, 4) out0 = kernel t0 in2{0 1}: in 0: int32; in 1: float32; v2 = cast v0 float32; v3 = add v2 v1 float32; out: v3\n"
        "return out0\n"
        "arena 64 bytes on null\n");
  check(pons_addmm(array(PONS_BFLOAT16, 1, 4), values, pons_transpose(values), 2, 3),
        "uint8 (4, 8) in0\n"
        "bfloat16 (1, 4) in1\n"
        "bfloat16 (4, 4) out0 = fp8 AddMM in0 in0{1 8} in1{0 1} {alpha=2, beta=3}: nothing\n"
        "return out0\n"
        "arena 0 bytes on null\n");
  char *mixed = planned(&(pons_array){pons_matmul(pons_astype(a, PONS_BFLOAT16), pons_transpose(values))}, 1);
  assert_non_null(strstr(mixed, "FromFP8 in"));
  mem_free(mixed);
  pons_array words = pons_matmul(pons_astype(pons_astype(a, PONS_INT16), PONS_FLOAT32), pons_astype(pons_transpose(b), PONS_FLOAT32));
  char *of_words = planned(&words, 1);
  assert_null(strstr(of_words, "int32"));
  mem_free(of_words);
}

/* 131071 products of -128 and -128 are less than 2^31, one more is not. */
static void sums_of_int8_that_int32_can_not_hold(void **state) {
  (void)state;
  for (int64_t more = 0; more < 2; more++) {
    pons_array x = pons_astype(pons_zeros(PONS_SHAPE(1, 131071 + more), PONS_INT8), PONS_FLOAT32);
    char *is = planned(&(pons_array){pons_matmul(x, pons_transpose(x))}, 1);
    assert_int_equal(strstr(is, "int32 (1, 1) t") != NULL, more == 0);
    mem_free(is);
  }
}

/* As planned on a GPU: are there so many steps, and the text among them? `another` may be NULL. */
static bool gpu_steps_are(pons_array wanted, pons_array another, int count, const char *what) {
  setenv("PONS_NULL_DEVICE", "gpu", 1);
  char *is = planned((pons_array[]){wanted, another}, another ? 2 : 1);
  setenv("PONS_NULL_DEVICE", "1", 1);
  for (const char *at = is; (at = strstr(at, " = ")); count--) { /* of kernels each instruction has one too */
    const char *end = strchr(at, '\n');
    at = end ? end : at + 1;
  }
  const bool are = count == 0 && strstr(is, what);
  if (!are) print_message("%s", is);
  mem_free(is);
  return are;
}

static pons_array relu(pons_array x) { return pons_maximum(x, pons_int(0)); }

/* As mlx.nn writes it. */
static pons_array gelu(pons_array x, double factor) {
  pons_array inner = pons_add(x, pons_multiply(pons_float(factor), pons_power(x, pons_int(3))));
  pons_array tanh = pons_tanh(pons_multiply(pons_float(0.7978845608028654), inner));
  return pons_multiply(pons_multiply(pons_float(0.5), x), pons_add(pons_int(1), tanh));
}

static void activations_are_part_of_a_product(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT16, 2, 3), b = array(PONS_FLOAT16, 3, 4), x = array(PONS_FLOAT16, 2, 4),
             c = array(PONS_FLOAT16, 1, 4), product = pons_matmul(a, b);
  assert_true(gpu_steps_are(relu(product), NULL, 1, "Matmul in0 in1 then relu: nothing"));
  assert_true(gpu_steps_are(pons_maximum(pons_int(0), pons_add(product, x)), NULL, 1,
                            "Matmul in1 in2 + in3 then relu: nothing"));
  assert_true(gpu_steps_are(relu(pons_add(product, pons_reshape(c, PONS_SHAPE(4)))), NULL, 1,
                            "Matmul in0 in1 + in2{0 1} then relu: nothing"));
  assert_true(gpu_steps_are(relu(pons_addmm(c, a, b, 1, 1)), NULL, 1, "AddMM in0 in1 in2{0 1} then relu {"));
  assert_true(gpu_steps_are(gelu(product, 0.044715), NULL, 1, " then gelu: nothing"));
  /* through views, to whose side rows may be turned */
  pons_array wide = pons_reshape(product, PONS_SHAPE(2, 2, 2));
  assert_true(gpu_steps_are(pons_reshape(gelu(wide, 0.044715), PONS_SHAPE(8)), NULL, 1,
                            "float16 (2, 4) out0 = Matmul in1 in2 then gelu: nothing"));
}

static void other_numbers_and_readers_keep_activations_apart(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), b = array(PONS_FLOAT32, 3, 4), x = array(PONS_FLOAT32, 2, 4),
             product = pons_matmul(a, b);
  const char *alone = "Matmul in0 in1: nothing", *behind_inputs = "Matmul in1 in2: nothing";
  assert_true(gpu_steps_are(gelu(product, 0.044716), NULL, 2, behind_inputs));
  assert_true(gpu_steps_are(pons_maximum(product, pons_float(0.5)), NULL, 2, alone));
  assert_true(gpu_steps_are(pons_maximum(product, x), NULL, 2, alone));
  assert_true(gpu_steps_are(pons_multiply(relu(product), product), NULL, 2, alone));
  assert_true(gpu_steps_are(pons_add(gelu(product, 0.044715), product), NULL, 2, behind_inputs));
  assert_true(gpu_steps_are(relu(pons_transpose(product)), NULL, 2, alone));
  assert_true(gpu_steps_are(relu(product), pons_tanh(product), 3, alone));
  assert_true(gpu_steps_are(relu(product), product, 2, alone)); /* it is asked for itself */
  assert_true(gpu_steps_are(pons_add(product, x), product, 2, alone));
}

/* Who waits for a result reads it, as far as others are concerned, and what it waits for may be part of a product. */
static void what_is_waited_for_reads_too(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), b = array(PONS_FLOAT32, 3, 4), x = array(PONS_FLOAT32, 2, 4), product = pons_matmul(a, b),
             read = pons_exp(product), gelu_of_it = gelu(product, 0.044715), y;
  pons_depends(&x, 1, &read, 1, &y);
  assert_true(gpu_steps_are(pons_negative(y), relu(product), 4, "Matmul in1 in2: nothing"));
  pons_depends(&x, 1, &gelu_of_it, 1, &y);
  assert_true(gpu_steps_are(pons_negative(y), NULL, 2, "then gelu: nothing"));
}

/* Where the product is positive its ReLU is: the way back reads that. */
static void gradients_of_relu_read_what_it_gave(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), b = array(PONS_FLOAT32, 3, 4), g = array(PONS_FLOAT32, 2, 4),
             product = pons_matmul(a, b);
  pons_array back = pons_multiply(g, pons_astype(pons_greater(product, pons_float(0)), PONS_FLOAT32));
  assert_true(gpu_steps_are(relu(product), back, 2, "out0 = Matmul in0 in1 then relu: nothing"));
  assert_true(gpu_steps_are(relu(product), back, 2, "out1 over in3 = kernel out0 in2{0 0} in3: "));
  pons_array where = pons_greater_equal(product, pons_float(0));
  assert_true(gpu_steps_are(relu(product), where, 3, "Matmul in0 in1: nothing"));
}

static void temporaries_share_memory_by_lifetime(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 16, 16), x = a;
  for (int i = 0; i < 3; i++) x = pons_exp(pons_transpose(x));
  check(x,
        "float32 (16, 16) in0\n"
        "float32 (16, 16) t0 at 0 = kernel in0{1 16}: in 0: float32; v1 = exp v0 float32; out: v1\n"
        "float32 (16, 16) t1 at 1024 = kernel t0{1 16}: in 0: float32; v1 = exp v0 float32; out: v1\n"
        "float32 (16, 16) out0 = kernel t1{1 16}: in 0: float32; v1 = exp v0 float32; out: v1\n"
        "return out0\n"
        "arena 2048 bytes on null\n");
}

static void long_chains_are_cut_at_the_limit(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), x = a;
  for (int i = 0; i < KERNEL_MAX_CODE + 1; i++) x = pons_exp(x);
  char *is = planned(&x, 1);
  assert_non_null(strstr(is, "t0 at 0 = kernel in0: in 0: float32; v1 = exp v0 float32; out: v1\n"));
  assert_null(strstr(is, "t1"));
  mem_free(is);
}

static void no_kernel_has_too_many_inputs(void **state) {
  (void)state;
  pons_array x = array(PONS_FLOAT32, 2, 3);
  for (int i = 0; i < KERNEL_MAX_INPUTS + 4; i++) x = pons_add(x, array(PONS_FLOAT32, 2, 3));
  char *is = planned(&x, 1);
  assert_non_null(strstr(is, "in 23: float32"));
  assert_null(strstr(is, "in 24: float32"));
  mem_free(is);
}

static void a_small_part_does_not_keep_the_whole(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 4, 16);
  pons_array part = pons_slice(pons_sort(a, -1), PONS_SHAPE(0, 0), PONS_SHAPE(1, 16), PONS_SCALAR);
  char *is = planned(&part, 1);
  assert_non_null(strstr(is, "float32 (1, 16) out0 = kernel t0: in 0: float32; out: v0\n"));
  mem_free(is);
}

static void a_placeholder_has_no_value(void **state) {
  (void)state;
  const int64_t dims[] = {2, 3};
  check(pons_exp(node_placeholder(PONS_FLOAT32, 2, dims)),
        "eval: a placeholder has no value: (2, 3) float32\nhint: a function that is traced must not read "
        "values");
  pons_clear_error();
}

static error *odd_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params, (void)n_in;
  *out = (spec){(pons_dtype)in[0]->dtype, node_shape(in[0])};
  return NULL;
}
static void odd_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)params, (void)n_in;
  out[0] = pons_add(pons_exp(in[0]), in[0]);
}

static void what_the_device_lacks_is_taken_apart(void **state) {
  (void)state;
  static const prim odd = {.name = "Odd", .infer = odd_infer, .decompose = odd_decompose};
  static const prim odder = {.name = "Odder", .infer = odd_infer};
  pons_array a = array(PONS_FLOAT32, 2, 3);
  check(pons_tanh(node_make(&odd, NULL, 1, &a)),
        "float32 (2, 3) in0\n"
        "float32 (2, 3) out0 over in0 = kernel in0: in 0: float32; v1 = exp v0 float32; v2 = add v1 v0 "
        "float32; "
        "v3 = tanh v2 float32; out: v3\n"
        "return out0\n"
        "arena 0 bytes on null\n");
  check(node_make(&odder, NULL, 1, &a),
        "Odder: null has neither an implementation that takes (2, 3) float32 nor a decomposition");
  pons_clear_error();
}

/* Two kernels, of which no one reads the first's result. */
static void what_is_waited_for_is_computed(void **state) {
  (void)state;
  pons_array x = array(PONS_FLOAT32, 2, 3), waited = pons_exp(array(PONS_FLOAT32, 4, 1)), y;
  pons_depends(&x, 1, &waited, 1, &y);
  check(pons_negative(y), "float32 (2, 3) in0\n"
                          "float32 (4, 1) in1\n"
                          "float32 (4, 1) t0 at 0 = kernel in1: in 0: float32; v1 = exp v0 float32; out: v1\n"
                          "float32 (2, 3) out0 over in0 = kernel in0: in 0: float32; v1 = negative v0 float32; out: v1\n"
                          "return out0\n"
                          "arena 64 bytes on null\n");
}

static void pieces_of_a_split_are_views(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 4, 3), pieces[2];
  pons_split(a, 2, 0, pieces);
  check(pons_add(pieces[0], pieces[1]),
        "float32 (4, 3) in0\n"
        "float32 (2, 3) out0 = kernel in0 in0+6: in 0: float32; in 1: float32; v2 = add v0 v1 float32; out: "
        "v2\n"
        "return out0\n"
        "arena 0 bytes on null\n");
}

static void empty_results_need_no_step(void **state) {
  (void)state;
  check(pons_exp(array(PONS_FLOAT32, 0, 3)),
        "float32 (0, 3) in0\n"
        "return out0\n"
        "arena 0 bytes on null\n");
}

/* Whatever allocation fails: an error, nothing lost, and the next attempt works. */
static void every_allocation_may_fail(void **state) {
  (void)state;
  pons_array a = array(PONS_FLOAT32, 2, 3), pieces[2];
  pons_split(pons_exp(pons_reshape(pons_transpose(a), PONS_SHAPE(2, 3))), 2, 0, pieces);
  pons_array codes = pons_astype(array(PONS_INT8, 1, 3), PONS_FLOAT32);
  pons_array y = pons_add(pieces[0], pons_sum(pons_multiply(pieces[1], pons_matmul(codes, pons_transpose(codes)))));
  y = pons_exp(pons_transpose(relu(pons_add(pons_matmul(pons_transpose(y), y), array(PONS_FLOAT32, 1, 3)))));
  setenv("PONS_NULL_DEVICE", "gpu", 1);
  const int64_t before = pons_live_arrays();
  for (int64_t n = 1;; n++) {
    assert_true(n < 1000);
    mem_fail_at(n);
    char *is = planned(&y, 1);
    const bool reached = mem_fail_at(0) >= n;
    if (!reached) assert_non_null(strstr(is, "then relu"));
    mem_free(is);
    pons_clear_error();
    assert_int_equal(pons_live_arrays(), before);
    if (!reached) break;
  }
  setenv("PONS_NULL_DEVICE", "1", 1);
}

static int open_scope(void **state) {
  static pons_scope scope;
  scope = pons_scope_open();
  *state = &scope;
  return 0;
}
static int close_scope(void **state) {
  pons_scope_close(*(pons_scope *)*state);
  return pons_ok() ? 0 : 1;
}

static void attend(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_fast_scaled_dot_product_attention(in[0], .k = in[1], .v = in[2], .scale = 1);
}

/* The result of attention is an operand of its way back, and the first operand stands in its place where it is not looked at. */
static void what_is_not_looked_at_is_not_kept(void **state) {
  (void)state;
  const pons_array q = pons_reshape(array(PONS_FLOAT32, 2, 3), PONS_SHAPE(1, 1, 2, 3));
  const pons_array v = pons_reshape(array(PONS_FLOAT32, 2, 5), PONS_SHAPE(1, 1, 2, 5)), in[] = {q, q, v};
  pons_array made, grads[3];
  pons_function f = pons_function_new(attend, 1, NULL, NULL);
  assert_true(pons_vjp(f, in, 3, &v, 1, &made, grads));
  pons_function_release(f);
  check_many(grads, 3,
             "float32 (2, 3) in0\n"
             "float32 (2, 5) in1\n"
             "float32 (1, 1, 2, 5) t0 at 0, float32 (1, 1, 2, 1) t1 at 64 = ScaledDotProductAttention in0 in0 in1 {scale=1, "
             "causal=false, has_sinks=false, output_logsumexp=true, force_fused=false}: nothing\n"
             "float32 (1, 1, 2, 3) out0, float32 (1, 1, 2, 3) out1, float32 (1, 1, 2, 5) out2 = ScaledDotProductAttentionVJP in0 "
             "in0 in1 in0 t1 in1 {scale=1, causal=false}: nothing\n"
             "return out0 out1 out2\n"
             "arena 128 bytes on null\n");
}

int main(void) {
  setenv("PONS_NULL_DEVICE", "1", 1);
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scope, close_scope)
  const struct CMUnitTest tests[] = {
      TEST(chains_become_one_kernel),
      TEST(broadcasts_become_strides_of_zero),
      TEST(casts_become_instructions_even_when_broadcast),
      TEST(equal_nodes_are_computed_once),
      TEST(equal_scalars_are_one_input),
      TEST(views_are_no_steps),
      TEST(a_view_of_a_result_needs_its_memory),
      TEST(a_part_of_a_result_is_all_that_is_computed),
      TEST(a_result_that_others_read_whole_is_computed_whole),
      TEST(what_no_view_can_show_is_copied_first),
      TEST(a_result_read_elsewhere_too_is_stored_on_the_way),
      TEST(a_reader_in_between_keeps_kernels_apart),
      TEST(what_is_light_is_made_again),
      TEST(on_a_gpu_more_is_light),
      TEST(what_a_reduction_alone_reads_is_part_of_it),
      TEST(what_others_read_too_is_stored_before_it_is_reduced),
      TEST(what_a_reduction_does_not_take_is_a_step_before_it),
      TEST(what_reads_a_reduction_at_once_is_part_of_it),
      TEST(what_reads_a_reduction_later_is_a_step_behind_it),
      TEST(what_a_norm_reads_is_made_and_kept_by_it),
      TEST(what_follows_a_norm_is_part_of_it),
      TEST(what_a_softmax_reads_is_made_by_it),
      TEST(sums_are_part_of_a_product),
      TEST(codes_are_multiplied_in_place_of_their_casts),
      TEST(sums_of_int8_that_int32_can_not_hold),
      TEST(activations_are_part_of_a_product),
      TEST(other_numbers_and_readers_keep_activations_apart),
      TEST(what_is_waited_for_reads_too),
      TEST(gradients_of_relu_read_what_it_gave),
      TEST(what_is_not_looked_at_is_not_kept),
      TEST(temporaries_share_memory_by_lifetime),
      TEST(long_chains_are_cut_at_the_limit),
      TEST(no_kernel_has_too_many_inputs),
      TEST(a_small_part_does_not_keep_the_whole),
      TEST(a_placeholder_has_no_value),
      TEST(what_the_device_lacks_is_taken_apart),
      TEST(what_is_waited_for_is_computed),
      TEST(pieces_of_a_split_are_views),
      TEST(empty_results_need_no_step),
      TEST(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
