/* ping_pong_test.c: random steps, each on the CPU or on the default device (PONS_DEVICE), each from arrays that either made: what comes
   out is what the CPU alone gives. On one thread, and on several that share the device. PONS_SEED sets the seed, which is printed. */
#include <pons/pons.h>
#include "seed.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARRAYS = 10, LENGTH = 37, STEPS = 60, GAMES = 12, PLAYERS = 3 };
static const char *other; /* the device beside the CPU */

typedef struct game { uint64_t state; } game;
static int below(game *g, int n) {
  g->state = g->state * 6364136223846793005u + 1442695040888963407u;
  return (int)(g->state >> 33) % n;
}

static pons_array step_of(int op, pons_array a, pons_array b) {
  switch (op) {
    case 0:
      return pons_add(a, b);
    case 1:
      return pons_multiply(pons_sin(a), b);
    case 2:
      return pons_sort(pons_subtract(a, b), 0);
    case 3:
      return pons_softmax(a, .axes = PONS_AXES(0));
    case 4:
      return pons_cumsum(b);
    default:
      return pons_where(pons_greater(a, b), a, b);
  }
}

/* Each step is computed by itself, so that few kernels are compiled; some are left under way. False and an error if a value is
   missing. */
static bool play(uint64_t seed, bool on_two, float *result) {
  game g = {seed};
  const pons_scope s = pons_scope_open();
  pons_array at[ARRAYS];
  bool fine = true;
  for (int i = 0; i < ARRAYS; i++) {
    float values[LENGTH];
    for (int k = 0; k < LENGTH; k++) values[k] = (float)below(&g, 100) / 50 - 1;
    at[i] = pons_array_from(values, PONS_SHAPE(LENGTH), PONS_FLOAT32);
  }
  for (int i = 0; i < STEPS && fine; i++) {
    const int device = below(&g, 2), op = below(&g, 6), a = below(&g, ARRAYS), b = below(&g, ARRAYS), to = below(&g, ARRAYS);
    pons_set_default_device(on_two && device ? other : "cpu");
    at[to] = pons_tanh(step_of(op, at[a], at[b]));
    fine = below(&g, 3) ? pons_eval(at[to]) : pons_async_eval(at[to]);
    if (fine && below(&g, 10) == 0) fine = pons_data(at[below(&g, ARRAYS)]) != NULL;
  }
  for (int i = 0; i < ARRAYS && fine; i++) {
    const float *data = pons_data(at[i]);
    fine = data != NULL;
    if (fine) memcpy(result + (ptrdiff_t)i * LENGTH, data, LENGTH * sizeof *data);
  }
  if (!fine) print_error("seed %llu: %s\n", (unsigned long long)seed, pons_error());
  pons_set_default_device("cpu");
  pons_scope_close(s);
  return fine;
}

static bool plays_the_same(uint64_t seed) {
  float alone[ARRAYS * LENGTH], two[ARRAYS * LENGTH];
  if (!play(seed, false, alone) || !play(seed, true, two)) return false;
  for (int k = 0; k < ARRAYS * LENGTH; k++) {
    if (fabsf(alone[k] - two[k]) <= 1e-3f * (1 + fabsf(alone[k]))) continue;
    print_error("seed %llu: element %d is %g on two devices, %g on the CPU\n", (unsigned long long)seed, k, (double)two[k],
                (double)alone[k]);
    return false;
  }
  return true;
}

/* ---- one array, of which parts are written in place, in turn here and there ---- */

enum { LONG = 96, TURNS = 60 };

/* Like x but for a part from `at` on; x, which nobody else holds, gives its memory. */
static pons_array with_part(pons_array x, int at, int n, float value, bool on_other) {
  const pons_scope s = pons_scope_open();
  pons_set_default_device(on_other ? other : "cpu");
  pons_array part = pons_full(PONS_SHAPE(n), pons_float(value));
  pons_array y = pons_keep(pons_slice_update(x, part, PONS_SHAPE(at), PONS_SHAPE(at + n), PONS_SCALAR));
  pons_release(x);
  if (!pons_eval(y)) print_error("%s\n", pons_error());
  pons_scope_close(s);
  return y;
}

static bool reads_as(pons_array x, int at, int n, const float *expected, bool on_other, bool as_it_is) {
  const pons_scope s = pons_scope_open();
  pons_set_default_device(on_other ? other : "cpu");
  pons_array part = pons_slice(x, PONS_SHAPE(at), PONS_SHAPE(at + n), PONS_SCALAR);
  const float *data = pons_data(as_it_is ? part : pons_negative(part));
  bool same = data != NULL;
  for (int i = 0; same && i < n; i++) same = data[i] == (as_it_is ? expected[at + i] : -expected[at + i]);
  pons_scope_close(s);
  return same;
}

static uint64_t first;

static void parts_are_read_as_they_were_written(void **state) {
  (void)state;
  game g = {first};
  float expected[LONG];
  for (int i = 0; i < LONG; i++) expected[i] = (float)i;
  const pons_scope s = pons_scope_open();
  pons_array x = pons_keep(pons_array_from(expected, PONS_SHAPE(LONG), PONS_FLOAT32));
  for (int turn = 0; turn < TURNS; turn++) {
    const int n = 1 + below(&g, 16), at = below(&g, LONG - n), what = below(&g, 4);
    if (what < 2) x = with_part(x, at, n, (float)turn, what);
    for (int i = at; what < 2 && i < at + n; i++) expected[i] = (float)turn;
    const int m = 1 + below(&g, LONG / 2), from = below(&g, LONG - m);
    assert_true(reads_as(x, from, m, expected, what & 1, below(&g, 2)));
  }
  assert_true(reads_as(x, 0, LONG, expected, false, true));
  pons_release(x);
  pons_set_default_device("cpu");
  pons_scope_close(s);
}

static void two_devices_give_what_the_cpu_gives(void **state) {
  (void)state;
  for (int i = 0; i < GAMES; i++) assert_true(plays_the_same(first + (uint64_t)i));
}

static void *play_some(void *from) {
  static char differs;
  for (int i = 0; i < GAMES / PLAYERS; i++)
    if (!plays_the_same(*(const uint64_t *)from + (uint64_t)i)) return &differs;
  return NULL;
}

static void so_do_threads_that_share_it(void **state) {
  (void)state;
  pthread_t threads[PLAYERS];
  uint64_t from[PLAYERS];
  for (int i = 0; i < PLAYERS; i++) {
    from[i] = first + 1000 * (uint64_t)(i + 1);
    assert_int_equal(pthread_create(&threads[i], NULL, play_some, &from[i]), 0);
  }
  for (int i = 0; i < PLAYERS; i++) {
    void *differs;
    pthread_join(threads[i], &differs);
    assert_null(differs);
  }
}

int main(void) {
  static char name[64];
  first = seed_of_run(20261126);
  snprintf(name, sizeof name, "%s", pons_default_device());
  other = name;
  const struct CMUnitTest tests[] = {cmocka_unit_test(two_devices_give_what_the_cpu_gives),
                                     cmocka_unit_test(so_do_threads_that_share_it),
                                     cmocka_unit_test(parts_are_read_as_they_were_written)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
