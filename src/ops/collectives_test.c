/* collectives_test.c: what collectives give and how they are transformed, in groups of processes. What each process expects is worked
   out by hand. */
#include "ops/ops.h"
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/processes.h"

/* "[1, 2]" of array([1, 2], dtype=int32), on one line. */
static bool shows(pons_array x, const char *expected) {
  char *text = pons_to_text(x), line[1000] = "";
  size_t n = 0;
  for (const char *t = text ? text + strlen("array(") : ""; *t && n + 1 < sizeof line && strncmp(t, ", dtype", 7) != 0; t++)
    if (*t != '\n' && (*t != ' ' || t[-1] == ',')) line[n++] = *t;
    else if (*t == '\n' && t[-1] == ',') line[n++] = ' ';
  pons_free(text);
  if (strcmp(line, expected) == 0) return true;
  fprintf(stderr, "%s, not %s: %s\n", line, expected, pons_error() ? pons_error() : "");
  return false;
}

static pons_array ones(pons_shape shape) { return pons_ones(shape, PONS_FLOAT32); }
static pons_array number(double x) { return pons_scalar(x, PONS_FLOAT32); }
#define FLOATS(...) pons_array_from((float[]){__VA_ARGS__}, PONS_SHAPE(sizeof((float[]){__VA_ARGS__}) / 4), PONS_FLOAT32)

static bool sums(int rank, int size) {
  pons_group g = pons_distributed_init(true, "ring");
  EXPECT(g && pons_group_rank(g) == rank && pons_group_size(g) == size);
  pons_array x = pons_arange(rank, rank + 3, 1, PONS_FLOAT32);
  EXPECT(shows(pons_distributed_all_sum(pons_multiply(x, number(2)), g), size == 2 ? "[2, 6, 10]" : "[6, 12, 18]"));
  EXPECT(shows(pons_distributed_all_max(x, NULL), size == 2 ? "[1, 2, 3]" : "[2, 3, 4]"));
  EXPECT(shows(pons_distributed_all_min(x, NULL), "[0, 1, 2]"));
  EXPECT(shows(x, rank == 0 ? "[0, 1, 2]" : rank == 1 ? "[1, 2, 3]" : "[2, 3, 4]")); /* it stays what it was */
  return pons_ok();
}

static bool shapes(int rank, int size) {
  pons_group g = pons_distributed_init(true, "ring");
  EXPECT(g && size == 2);
  pons_array x = pons_add(pons_reshape(pons_arange(0, 4, 1, PONS_INT32), PONS_SHAPE(2, 2)), pons_scalar(10 * rank, PONS_INT32));
  EXPECT(shows(pons_distributed_all_gather(x, g), "[[0, 1], [2, 3], [10, 11], [12, 13]]"));
  EXPECT(shows(pons_distributed_all_gather(pons_swapaxes(x, 0, 1), g), "[[0, 2], [1, 3], [10, 12], [11, 13]]"));
  EXPECT(shows(pons_distributed_all_gather(pons_scalar(rank, PONS_INT32), g), "[0, 1]"));
  EXPECT(shows(pons_distributed_sum_scatter(x, g), rank ? "[[14, 16]]" : "[[10, 12]]"));
  EXPECT(shows(pons_distributed_all_sum(ones(PONS_SHAPE(0)), g), "[]"));
  pons_array y = rank ? pons_distributed_recv_like(x, 0, g) : pons_distributed_send(pons_swapaxes(x, 0, 1), 1, g);
  EXPECT(shows(y, "[[0, 2], [1, 3]]") && pons_ok());
  EXPECT(!pons_eval(pons_distributed_sum_scatter(ones(PONS_SHAPE(3)), g)));
  EXPECT(strstr(pons_error(), "sum_scatter: (3) float32 can't be cut along its first axis among 2 processes"));
  pons_clear_error();
  EXPECT(!pons_eval(pons_distributed_send(x, rank, g)));
  EXPECT(strstr(pons_error(), "is no other process of a group of 2"));
  pons_clear_error();
  EXPECT(!pons_eval(pons_distributed_recv(PONS_SHAPE(1), PONS_INT8, 2, g)));
  EXPECT(!strcmp(pons_error(), "recv: process 2 is no other process of a group of 2"));
  pons_clear_error();
  return true;
}

static void values(void **state) {
  (void)state;
  run_ring(2, sums);
  run_ring(3, sums);
  run_ring(2, shapes);
}

/* ---- order: what is written first is done first, in all processes, whatever is asked for first and whatever else is computed ---- */

static bool in_written_order(int rank, int size) {
  pons_group g = pons_distributed_init(true, "ring");
  EXPECT(g);
  pons_array x = ones(PONS_SHAPE(3));
  pons_array sum = pons_distributed_all_sum(x, g), most = pons_distributed_all_max(x, g), all = pons_distributed_all_gather(x, g);
  pons_array of_sum = pons_exp(pons_subtract(sum, number(size)));
  if (rank == 0) EXPECT(pons_eval_many((pons_array[]){all, most, of_sum}, 3));
  if (rank == 1) EXPECT(pons_eval_many((pons_array[]){of_sum, all, most}, 3));
  if (rank == 2) EXPECT(pons_eval(pons_concatenate((pons_array[]){most, all, of_sum}, 3, 0)));
  EXPECT(shows(of_sum, "[1, 1, 1]"));
  pons_array sent = pons_distributed_send(number(rank), (rank + 1) % size, g);
  pons_array got = pons_distributed_recv((pons_shape){0, NULL}, PONS_FLOAT32, (rank + size - 1) % size, g);
  EXPECT(pons_eval_many((pons_array[]){got, sent}, 2)); /* the other way round each would wait for another */
  EXPECT(pons_item(got) == (rank + size - 1) % size);
  return pons_ok();
}

/* Two collectives, given back in another order in each process. */
static void two(void *payload, const pons_array *in, int n_in, pons_results out) {
  (void)n_in;
  const int rank = *(int *)payload;
  pons_array sum = pons_distributed_all_sum(in[0], NULL), most = pons_distributed_all_max(in[0], NULL);
  pons_results_add(out, rank ? most : sum);
  pons_results_add(out, rank ? sum : most);
}

static bool in_compiled_functions(int rank, int size) {
  EXPECT(pons_distributed_init(true, "ring"));
  pons_function f = pons_function_new_open(two, &rank, NULL), compiled = pons_compile(f);
  for (int turn = 0; turn < 6; turn++) {
    pons_array x = pons_add(ones(PONS_SHAPE(2)), number(turn + rank - 1)), *y;
    if (turn < 3) EXPECT(pons_eval(x)); /* its plan is run; else it is made part of the graph */
    EXPECT(pons_call_open(compiled, &x, 1, &y, NULL) == 2);
    EXPECT(pons_eval_many((pons_array[]){y[1], y[0]}, 2));
    EXPECT(pons_item(pons_max(y[rank ? 1 : 0])) == size * turn + size * (size - 1) / 2);
    EXPECT(pons_item(pons_max(y[rank ? 0 : 1])) == turn + size - 1);
    pons_free(y);
  }
  /* The way back makes collectives, too: those of the gathers. */
  pons_array x = FLOATS(1, 2), *y;
  EXPECT(pons_vjp_open(f, &x, 1, (pons_array[]){x, x}, 2, &y) == 2);
  EXPECT(shows(y[2], "[2, 4]"));
  pons_free(y);
  pons_function_release(compiled);
  pons_function_release(f);
  return pons_ok();
}

/* At each call, though it depends on no input. */
static void receives(void *payload, const pons_array *in, int n_in, pons_results out) {
  (void)n_in;
  const int rank = *(int *)payload;
  pons_results_add(out, pons_add(in[0], rank ? pons_distributed_recv((pons_shape){0, NULL}, PONS_FLOAT32, 0, NULL) : number(0)));
  pons_results_add(out, pons_distributed_all_sum(number(1), NULL)); /* of constants alone */
}

static bool constants(int rank, int size) {
  EXPECT(pons_distributed_init(true, "ring") && size == 2);
  pons_function f = pons_function_new_open(receives, &rank, NULL), compiled = pons_compile(f);
  for (int turn = 0; turn < 5; turn++) {
    if (rank == 0) EXPECT(pons_eval(pons_distributed_send(number(10 * turn), 1, NULL)));
    pons_array x = turn % 2 ? number(turn) : pons_exp(number(0)), *y;
    EXPECT(pons_call_open(compiled, &x, 1, &y, NULL) == 2);
    EXPECT(pons_item(y[0]) == (turn % 2 ? turn : 1) + rank * 10 * turn && pons_item(y[1]) == 2);
    pons_free(y);
  }
  pons_function_release(compiled);
  pons_function_release(f);
  return pons_ok();
}

static void order(void **state) {
  (void)state;
  run_ring(3, in_written_order);
  run_ring(2, in_compiled_functions);
  run_ring(2, constants);
}

/* ---- transforms ---- */

static void sum_of(void *payload, const pons_array *in, int n_in, pons_results out) {
  (void)payload, (void)n_in;
  pons_results_add(out, pons_distributed_all_sum(pons_square(in[0]), NULL));
}
static void gather_of(void *payload, const pons_array *in, int n_in, pons_results out) {
  (void)payload, (void)n_in;
  pons_results_add(out, pons_distributed_all_gather(in[0], NULL));
}
static void scatter_of(void *payload, const pons_array *in, int n_in, pons_results out) {
  (void)payload, (void)n_in;
  pons_results_add(out, pons_distributed_sum_scatter(in[0], NULL));
}
static void sent_of(void *payload, const pons_array *in, int n_in, pons_results out) {
  (void)payload, (void)n_in;
  const int rank = pons_group_rank(NULL);
  pons_results_add(out, rank ? pons_add(in[0], pons_distributed_recv(PONS_SHAPE(2, 3), PONS_FLOAT32, 0, NULL)) : pons_distributed_send(in[0], 1, NULL));
}

static pons_array pulled(pons_function f, pons_array x, pons_array cotangent) {
  pons_array *y;
  if (pons_vjp_open(f, &x, 1, &cotangent, 1, &y) != 1) return NULL;
  pons_array grad = y[1];
  pons_free(y);
  return grad;
}
static pons_array pushed(pons_function f, pons_array x, pons_array tangent) {
  pons_array *y;
  if (pons_jvp_open(f, &x, &tangent, 1, &y) != 1) return NULL;
  pons_array out = y[1];
  pons_free(y);
  return out;
}

static bool derivatives(int rank, int size) {
  EXPECT(pons_distributed_init(true, "ring") && size == 2);
  pons_function sum = pons_function_new_open(sum_of, NULL, NULL), gather = pons_function_new_open(gather_of, NULL, NULL),
                scatter = pons_function_new_open(scatter_of, NULL, NULL), sent = pons_function_new_open(sent_of, NULL, NULL);
  pons_array x = FLOATS(1, 2), two_of = pons_add(x, number(rank));
  EXPECT(shows(pulled(sum, two_of, FLOATS(10, 100)), rank ? "[40, 600]" : "[20, 400]")); /* MLX: its own part */
  EXPECT(shows(pushed(sum, two_of, FLOATS(1, 1)), "[6, 10]"));
  EXPECT(shows(pulled(gather, x, FLOATS(1, 2, 3, 4)), rank ? "[3, 4]" : "[1, 2]"));
  EXPECT(shows(pulled(gather, number(5), FLOATS(7, 8)), rank ? "8" : "7"));
  EXPECT(shows(pushed(gather, x, two_of), "[1, 2, 2, 3]"));
  EXPECT(shows(pulled(scatter, x, pons_reshape(number(rank + 5), PONS_SHAPE(1))), "[5, 6]"));
  EXPECT(shows(pushed(scatter, x, two_of), rank ? "[5]" : "[3]"));
  EXPECT(!pulled(sent, ones(PONS_SHAPE(2, 3)), ones(PONS_SHAPE(2, 3))) == !rank); /* what is sent has no gradient */
  if (!rank) EXPECT(strstr(pons_error(), "Send has no gradient"));
  pons_clear_error();
  return true;
}

static bool batches(int rank, int size) {
  EXPECT(pons_distributed_init(true, "ring") && size == 2);
  pons_function gather = pons_function_new_open(gather_of, NULL, NULL), scatter = pons_function_new_open(scatter_of, NULL, NULL),
                sum = pons_function_new_open(sum_of, NULL, NULL), sent = pons_function_new_open(sent_of, NULL, NULL);
  pons_array x = pons_add(pons_reshape(pons_arange(0, 6, 1, PONS_FLOAT32), PONS_SHAPE(3, 2)), number(10 * rank)); /* rows are slices */
  EXPECT(shows(pons_apply(pons_vmap(gather, PONS_AXES(0), PONS_AXES(0)), x), "[[0, 1, 10, 11], [2, 3, 12, 13], [4, 5, 14, 15]]"));
  EXPECT(shows(pons_apply(pons_vmap(gather, PONS_AXES(1), PONS_AXES(0)), pons_swapaxes(x, 0, 1)), "[[0, 1, 10, 11], [2, 3, 12, 13], [4, 5, 14, 15]]"));
  EXPECT(shows(pons_apply(pons_vmap(gather, PONS_AXES(0), PONS_AXES(0)), FLOATS(1 + rank, 3)), "[[1, 2], [3, 3]]"));
  EXPECT(shows(pons_apply(pons_vmap(scatter, PONS_AXES(0), PONS_AXES(0)), x), rank ? "[[12], [16], [20]]" : "[[10], [14], [18]]"));
  EXPECT(shows(pons_apply(pons_vmap(sum, PONS_AXES(1), PONS_AXES(0)), pons_full(PONS_SHAPE(1, 2), number(1 + rank))), "[[5], [5]]"));
  EXPECT(pons_eval(pons_apply(sent, ones(PONS_SHAPE(2, 3)))));
  return pons_ok();
}

/* No file of MLX's holds one. */
static bool files(int rank, int size) {
  (void)rank, (void)size;
  EXPECT(pons_distributed_init(true, "ring"));
  pons_function f = pons_function_new_open(sum_of, NULL, NULL);
  EXPECT(!pons_export_function("/tmp/pons-collective.mlxfn", f, (pons_array[]){ones(PONS_SHAPE(2))}, 1));
  EXPECT(strstr(pons_error(), "AllReduce"));
  return true;
}

static void transforms(void **state) {
  (void)state;
  run_ring(2, derivatives);
  run_ring(2, batches);
  run_ring(2, files);
}

/* ---- what goes wrong: an error in the array, and the process goes on ---- */

static bool other_sizes(int rank, int size) {
  (void)size;
  EXPECT(pons_distributed_init(true, "ring"));
  pons_array y = pons_distributed_all_sum(ones(PONS_SHAPE(3 + rank)), NULL);
  EXPECT(!pons_eval(y) && strstr(pons_error(), "makes another call"));
  pons_clear_error();
  EXPECT(!pons_eval(pons_distributed_all_sum(ones(PONS_SHAPE(3)), NULL)) && strstr(pons_error(), "the group failed before"));
  pons_clear_error();
  EXPECT(pons_item(pons_sum(ones(PONS_SHAPE(3)))) == 3);
  return pons_ok();
}

static void wrong(void **state) {
  (void)state;
  run_ring(2, other_sizes);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(values), cmocka_unit_test(order), cmocka_unit_test(transforms), cmocka_unit_test(wrong)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
