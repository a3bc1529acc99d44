/* shared_memory_test.c: one memory for the host and a device that shares it, on the double of Apple's frameworks: nothing is
   copied, and who writes waits for what reads. The double does its work when it is waited for, so that what was written
   too early shows in the results. PONS_SEED sets the seed, which is printed. */
#include "backends/metal/metal.h"
#include "tests/seed.h"
#include "tests/metal_double/process.h"
#include <pons/pons.h>
#include <time.h>

enum { SMALL = 1000, LARGE = 300000 }; /* bytes: from 256 KiB on, memory is of whole pages */

static const device *metal_device_of(void) {
  const device *d = device_named("metal");
  CHECK(d);
  return d;
}

static void what_the_device_makes_is_the_hosts(void) {
  error *why = NULL;
  const device *d = metal_device_of();
  buffer *b = buffer_new_on(d, SMALL, "test", &why);
  const metal_memory *memory = buffer_on(b, d, ALL_BYTES, &why);
  CHECK(memory && memory->contents == buffer_data(b));
  buffer_release(b);
  metal_trim(0);
  CHECK(count("MTLBuffer") == 0);
}

static void what_the_host_makes_is_the_devices(void) {
  error *why = NULL;
  const device *d = metal_device_of();
  buffer *b = buffer_new(LARGE, "test", &why), *small = buffer_new(SMALL, "test", &why);
  memset(buffer_data(b), 3, LARGE);
  memset(buffer_data(small), 3, SMALL);
  const metal_memory *memory = buffer_on(b, d, ALL_BYTES, &why), *copy = buffer_on(small, d, ALL_BYTES, &why);
  CHECK(memory && memory->wrapped && memory->contents == buffer_data(b));
  CHECK(copy && !copy->wrapped && !memcmp(copy->contents, buffer_data(small), SMALL));
  buffer_release(b);
  buffer_release(small);
  metal_trim(0);
  CHECK(count("MTLBuffer") == 0);
}

/* Where no buffer can be made of it, it is copied. */
static void without_wrappers(void) {
  error *why = NULL;
  const device *d = metal_device_of();
  buffer *b = buffer_new(LARGE, "test", &why);
  memset(buffer_data(b), 3, LARGE);
  const metal_memory *memory = buffer_on(b, d, ALL_BYTES, &why);
  CHECK(memory && !memory->wrapped && !memcmp(memory->contents, buffer_data(b), LARGE));
  buffer_release(b);
}

static void one_memory(void **state) {
  (void)state;
  passes(what_the_device_makes_is_the_hosts, "A=1");
  passes(what_the_host_makes_is_the_devices, "A=1");
  passes(without_wrappers, "DOUBLE_FAULTS=wrapper:1+=1");
}

/* ---- who writes waits ---- */

static pons_array filled(float value) {
  CHECK(pons_set_default_device("cpu"));
  pons_array x = pons_full(PONS_SHAPE(LARGE / 4), pons_float(value));
  CHECK(pons_eval(x));
  return x;
}
static pons_array twice_there(pons_array x) { /* launched, not waited for */
  CHECK(pons_set_default_device("metal"));
  pons_array y = pons_multiply(x, pons_float(2));
  CHECK(pons_async_eval(y));
  return y;
}
static void expect(pons_array x, float value) {
  const float *data = pons_data(x);
  CHECK(data);
  for (int i = 0; i < LARGE / 4; i++)
    if (data[i] != value)
      print_error("element %d is %g, not %g\n", i, (double)data[i], (double)value), _exit(1);
}

/* The block of the operand is used anew before the product is read. */
static void memory_that_is_released(void) {
  const pons_scope outer = pons_scope_open(), inner = pons_scope_open();
  pons_array y = pons_keep(twice_there(filled(3)));
  pons_scope_close(inner);
  filled(5);
  filled(7);
  expect(y, 6);
  pons_release(y);
  pons_scope_close(outer);
}

/* The sum takes over the memory of its operand. */
static void memory_that_is_written_over(void) {
  const pons_scope outer = pons_scope_open(), inner = pons_scope_open();
  pons_array x = pons_keep(filled(3)), y = pons_keep(twice_there(x));
  CHECK(pons_set_default_device("cpu"));
  pons_array z = pons_keep(pons_add(x, pons_float(1)));
  pons_release(x);
  pons_scope_close(inner);
  CHECK(pons_eval(z));
  expect(y, 6);
  expect(z, 4);
  pons_release(y);
  pons_release(z);
  pons_scope_close(outer);
}

static void a_failure_is_told_where_it_is_read(void) {
  const pons_scope s = pons_scope_open();
  pons_array y = twice_there(filled(3));
  CHECK(!pons_data(y) && strstr(pons_error(), "did not carry out its work"));
  pons_clear_error();
  expect(twice_there(filled(4)), 8);
  pons_scope_close(s);
}

static void order(void **state) {
  (void)state;
  passes(memory_that_is_released, "A=1");
  passes(memory_that_is_written_over, "A=1");
  passes(a_failure_is_told_where_it_is_read, "DOUBLE_FAULTS=command buffer:1=2");
}

/* ---- back and forth ---- */

enum { ARRAYS = 4, STEPS = 120 };
static unsigned seed;

/* a[i] = a[j] / 2 + a[k], here or there, and the same in plain C, which rounds alike. Small and large arrays. */
static void back_and_forth_of(int n) {
  pons_array a[ARRAYS];
  float *wanted[ARRAYS];
  for (int i = 0; i < ARRAYS; i++) {
    CHECK((wanted[i] = malloc((size_t)n * sizeof(float))));
    for (int e = 0; e < n; e++) wanted[i][e] = (float)(e % 97 + i);
    a[i] = pons_keep(pons_array_from(wanted[i], PONS_SHAPE(n), PONS_FLOAT32));
  }
  for (int step = 0; step < STEPS; step++) {
    const pons_scope s = pons_scope_open();
    const int i = rand() % ARRAYS, j = rand() % ARRAYS, k = rand() % ARRAYS;
    CHECK(pons_set_default_device(rand() % 2 ? "metal" : "cpu"));
    pons_array y = pons_keep(pons_add(pons_multiply(a[j], pons_float(0.5)), a[k]));
    for (int e = 0; e < n; e++) wanted[i][e] = wanted[j][e] * 0.5f + wanted[k][e];
    pons_release(a[i]);
    a[i] = y;
    if (rand() % 3 > 0) CHECK(pons_eval(y));
    if (rand() % 8 == 0) CHECK(!memcmp(pons_data(y), wanted[i], (size_t)n * sizeof(float)));
    pons_scope_close(s);
  }
  for (int i = 0; i < ARRAYS; i++) {
    CHECK(!memcmp(pons_data(a[i]), wanted[i], (size_t)n * sizeof(float)));
    pons_release(a[i]);
    free(wanted[i]);
  }
}
static void back_and_forth(void) {
  srand(seed);
  back_and_forth_of(SMALL / 4);
  back_and_forth_of(LARGE / 4);
}

static void random_order(void **state) {
  (void)state;
  seed = (unsigned)seed_of_run(0);
  passes(back_and_forth, "A=1");
  passes(back_and_forth, "DOUBLE_FAULTS=wrapper:2+=1");
}

int main(void) {
  if (!double_is_there()) return 77;
  const struct CMUnitTest tests[] = {cmocka_unit_test(one_memory), cmocka_unit_test(order),
                                     cmocka_unit_test(random_order)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
