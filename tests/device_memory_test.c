/* device_memory_test.c: what a device's memory counts are, and limits of it, on the default device (PONS_DEVICE): below what a program works
   with results are the same, what was used longest ago gives way, and no more is ever in use. */
#include <pons/pons.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH = 1 << 16, ARRAYS = 8, ROUNDS = 3, BYTES = LENGTH * 4, PLAYERS = 3 };

static const char *its; /* the device */
/* Has it memory that arrays can leave? Metal's is the host's. */
static bool is_apart(void) { return strcmp(its, "cpu") != 0; }
static bool can_spill(void) { return is_apart() && strcmp(its, "metal") != 0; }

static pons_memory memory_now(void) {
  pons_memory m;
  pons_synchronize(NULL);
  assert_true(pons_device_memory(NULL, &m));
  return m;
}

static size_t limit_at_first;
static void limit_to(size_t bytes) { assert_true(pons_set_device_memory_limit(NULL, bytes)); }

/* Computed, and the caller's. */
static pons_array made(float value) {
  const pons_scope s = pons_scope_open();
  pons_array x = pons_keep(pons_add(pons_full(PONS_SHAPE(LENGTH), pons_float(value)), pons_arange(0, LENGTH, 1, PONS_FLOAT32)));
  pons_eval(x);
  pons_scope_close(s);
  return x;
}

static bool holds(pons_array x, float value) {
  const float *data = pons_data(x);
  for (int i = 0; data && i < LENGTH; i++)
    if (data[i] != value * (float)i + value) return false;
  return data != NULL;
}

/* x = x * value, an array anew. */
static bool scale(pons_array *x, float value) {
  const pons_scope s = pons_scope_open();
  pons_array y = pons_keep(pons_multiply(*x, pons_full(PONS_SHAPE(LENGTH), pons_float(value))));
  pons_release(*x);
  *x = y;
  const bool fine = pons_eval(y);
  pons_scope_close(s);
  return fine;
}

/* What is (i + 1) at element i is multiplied by 2, again and again, beside others. */
static bool play(void) {
  pons_array all[ARRAYS];
  bool fine = true;
  for (int k = 0; k < ARRAYS; k++) all[k] = made(1);
  for (int turn = 0; turn < ROUNDS && fine; turn++)
    for (int k = 0; k < ARRAYS && fine; k++) fine = scale(&all[k], 2);
  for (int k = 0; k < ARRAYS && fine; k++) fine = holds(all[k], 1 << ROUNDS);
  if (!fine) print_error("%s\n", pons_error());
  for (int k = 0; k < ARRAYS; k++) pons_release(all[k]);
  return fine;
}

static void arrays_are_counted(void **state) {
  (void)state;
  const size_t before = memory_now().active, all_before = pons_get_active_memory();
  pons_array x = made(1), y = made(2);
  const size_t more = memory_now().active - before;
  assert_in_range(more, 2 * BYTES, 2 * (BYTES + BYTES / 4)); /* sizes of blocks */
  if (!is_apart()) assert_int_equal(more, 2 * BYTES);
  assert_int_equal(pons_get_active_memory() - all_before, more);
  pons_release(x);
  assert_in_range(memory_now().active - before, BYTES, BYTES + BYTES / 4);
  pons_release(y);
  assert_int_equal(memory_now().active, before);
  assert_int_equal(pons_get_active_memory(), all_before);
}

static void peak_is_the_devices(void **state) {
  (void)state;
  assert_true(pons_reset_device_peak_memory(NULL));
  assert_int_equal(memory_now().peak, 0);
  const size_t before = memory_now().active;
  pons_release(made(1));
  const pons_memory now = memory_now();
  assert_true(now.peak >= before + BYTES);
  pons_release(made(1));
  assert_int_equal(memory_now().peak, now.peak);
  pons_reset_peak_memory();
  assert_int_equal(memory_now().peak, 0);
}

static void what_is_kept_has_a_limit(void **state) {
  (void)state;
  const size_t before = memory_now().cache_limit;
  pons_release(made(1));
  assert_true(memory_now().cached >= BYTES);
  assert_true(pons_clear_device_cache(NULL));
  assert_int_equal(memory_now().cached, 0);
  pons_release(made(1));
  assert_true(pons_set_device_cache_limit(NULL, BYTES / 2)); /* at once */
  assert_in_range(memory_now().cached, 0, BYTES / 2);
  assert_int_equal(memory_now().cache_limit, BYTES / 2);
  assert_true(pons_set_device_cache_limit(NULL, before));
}

static void a_limit_is_kept_to(void **state) {
  (void)state;
  if (!is_apart()) return;
  const size_t before = memory_now().active, limit = before + 3 * (BYTES + BYTES / 4), spilled = memory_now().spilled;
  limit_to(limit);
  pons_reset_peak_memory();
  assert_true(play());
  const pons_memory now = memory_now();
  assert_int_equal(now.limit, limit);
  assert_in_range(now.peak, before + BYTES, limit);
  assert_true(now.active + now.cached <= limit);
  if (can_spill()) assert_true(now.spilled >= spilled + (ARRAYS - 3) * BYTES);
  assert_int_equal(now.active, before);
  limit_to(limit_at_first);
  assert_true(play());
  assert_int_equal(memory_now().spilled, now.spilled); /* there is room again */
}

static void what_is_over_a_new_limit_leaves(void **state) {
  (void)state;
  if (!can_spill()) return;
  const size_t before = memory_now().active;
  pons_array all[ARRAYS];
  for (int k = 0; k < ARRAYS; k++) all[k] = made(1);
  limit_to(before + 2 * (BYTES + BYTES / 4));
  assert_in_range(memory_now().active, before + BYTES, before + 2 * (BYTES + BYTES / 4));
  for (int k = 0; k < ARRAYS; k++) assert_true(holds(all[k], 1));
  limit_to(limit_at_first);
  for (int k = 0; k < ARRAYS; k++) pons_release(all[k]);
  assert_int_equal(memory_now().active, before);
}

static void what_never_fits_is_computed_by_the_cpu(void **state) {
  (void)state;
  if (!is_apart()) return;
  const size_t before = memory_now().active;
  limit_to(before + BYTES / 2);
  pons_reset_peak_memory();
  assert_true(play());
  assert_in_range(memory_now().peak, 0, before + BYTES / 2);
  limit_to(limit_at_first);
  assert_int_equal(memory_now().active, before);
}

static void on_the_cpu_a_limit_is_an_error(void **state) {
  (void)state;
  if (is_apart()) return;
  limit_to(memory_now().active + 7 * BYTES / 2); /* two operands and a result, but not beside one more */
  assert_int_equal(pons_get_memory_limit(), memory_now().limit); /* it is one limit */
  pons_array x = made(1), y = made(2);
  assert_non_null(strstr(pons_error(), "out of memory"));
  pons_clear_error();
  assert_true(holds(x, 1));
  pons_release(x);
  pons_release(y);
  limit_to(limit_at_first);
}

/* Compiled: from the second run on some devices make all launches at once, with temporaries of their own. */
static void many_steps(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  pons_array x = in[0];
  for (int i = 0; i < 4; i++) x = pons_add(pons_cumsum(pons_multiply(x, pons_float(0))), in[0]);
  out[0] = x;
}

static void compiled_functions_keep_to_it(void **state) {
  (void)state;
  const size_t before = memory_now().active;
  pons_function plain = pons_function_new(many_steps, 1, NULL, NULL), f = pons_compile(plain);
  for (int part = 0; part < 2; part++) {
    const size_t limit = before + 6 * (BYTES + BYTES / 4);
    if (part == 1 && is_apart()) limit_to(limit);
    pons_reset_peak_memory();
    for (int turn = 0; turn < 4; turn++) {
      pons_array x = made(1);
      const pons_scope s = pons_scope_open();
      pons_array y;
      assert_true(pons_call(f, &x, 1, &y, 1));
      assert_true(holds(y, 1));
      pons_scope_close(s);
      pons_release(x);
      if (part == 1 && is_apart()) assert_in_range(memory_now().peak, BYTES, limit);
      if (part == 1 && is_apart()) assert_true(memory_now().active + memory_now().cached <= limit);
    }
  }
  pons_function_release(f);
  pons_function_release(plain);
  limit_to(limit_at_first);
  pons_clear_cache();
  assert_in_range(memory_now().active, 0, before + 64 * 1024); /* what tells of faults may have been made meanwhile */
}

static void *play_there(void *unused) {
  static char differs;
  (void)unused;
  pons_set_default_device(its);
  return play() ? NULL : &differs;
}

static void threads_share_the_limit(void **state) {
  (void)state;
  const size_t before = memory_now().active, limit = before + 6 * (BYTES + BYTES / 4);
  if (is_apart()) limit_to(limit);
  pons_reset_peak_memory();
  pthread_t threads[PLAYERS];
  for (int i = 0; i < PLAYERS; i++) assert_int_equal(pthread_create(&threads[i], NULL, play_there, NULL), 0);
  for (int i = 0; i < PLAYERS; i++) {
    void *differs;
    pthread_join(threads[i], &differs);
    assert_null(differs);
  }
  if (is_apart()) assert_in_range(memory_now().peak, BYTES, limit);
  limit_to(limit_at_first);
  assert_int_equal(memory_now().active, before);
}

static void there_is_no_such_device(void **state) {
  (void)state;
  pons_memory m;
  assert_false(pons_device_memory("cpu:7", &m));
  assert_non_null(strstr(pons_error(), "no such device: 'cpu:7'"));
  assert_false(pons_set_device_memory_limit("cpu:7", 1));
  assert_false(pons_set_device_cache_limit("cpu:7", 1));
  assert_false(pons_reset_device_peak_memory("cpu:7"));
  assert_false(pons_clear_device_cache("cpu:7"));
  pons_clear_error();
}

int main(void) {
  its = pons_default_device();
  assert_true(play()); /* kernels are compiled, the device is open */
  limit_at_first = memory_now().limit;
  const struct CMUnitTest tests[] = {cmocka_unit_test(arrays_are_counted),
                                     cmocka_unit_test(peak_is_the_devices),
                                     cmocka_unit_test(what_is_kept_has_a_limit),
                                     cmocka_unit_test(a_limit_is_kept_to),
                                     cmocka_unit_test(what_is_over_a_new_limit_leaves),
                                     cmocka_unit_test(what_never_fits_is_computed_by_the_cpu),
                                     cmocka_unit_test(on_the_cpu_a_limit_is_an_error),
                                     cmocka_unit_test(compiled_functions_keep_to_it),
                                     cmocka_unit_test(threads_share_the_limit),
                                     cmocka_unit_test(there_is_no_such_device)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
