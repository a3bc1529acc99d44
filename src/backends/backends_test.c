/* backends_test.c: what every driver must be: named, countable, with a report that is JSON and
   implementations that can be run. */
#include "device/device.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <cmocka.h>

static const driver *driver_named(const char *name) {
  for (const driver *const *d = pons_drivers; *d; d++)
    if (!strcmp((*d)->name, name)) return *d;
  return NULL;
}

static bool lists(const driver *d, const char *prim) {
  for (int i = 0; i < d->n_implementations; i++)
    if (!strcmp(d->implementations[i].prim, prim)) return true;
  return false;
}

static void drivers_are_whole(void **state) {
  (void)state;
  for (const driver *const *d = pons_drivers; *d; d++) {
    assert_true((*d)->count() >= 0);
    assert_non_null((*d)->run_kernel);
    for (int i = 0; i < (*d)->n_implementations; i++) {
      assert_non_null((*d)->implementations[i].name);
      assert_non_null((*d)->implementations[i].run);
    }
  }
}

static void reports_are_json(void **state) {
  (void)state;
  for (const driver *const *d = pons_drivers; *d; d++) {
    text json = {0};
    (*d)->report(&json);
    assert_false(json.failed);
    print_message("%s: %s\n", (*d)->name, json.at);
    cJSON *report = cJSON_Parse(json.at);
    assert_true(cJSON_IsObject(report));
    cJSON_Delete(report);
    text_free(&json);
  }
}

/* The CPU comes first and is the default; it multiplies matrices of every dtype. */
static void the_cpu_is_there(void **state) {
  (void)state;
  const driver *cpu = driver_named("cpu");
  assert_ptr_equal(pons_drivers[0], cpu);
  assert_int_equal(cpu->count(), 1);
  const implementation *last = NULL;
  for (int i = 0; i < cpu->n_implementations; i++)
    if (!strcmp(cpu->implementations[i].prim, "Matmul")) last = &cpu->implementations[i];
  assert_true(last && !strcmp(last->name, "tiles") && !last->refuses);
}

static void the_null_device_takes_what_the_cpu_takes(void **state) {
  (void)state;
  const driver *cpu = driver_named("cpu"), *none = driver_named("null");
  for (int i = 0; i < cpu->n_implementations; i++) assert_true(lists(none, cpu->implementations[i].prim));
  unsetenv("PONS_NULL_DEVICE");
  assert_int_equal(none->count(), 0);
  setenv("PONS_NULL_DEVICE", "1", 1);
  assert_int_equal(none->count(), 1);
  assert_null(none->implementations[0].run(&(launch){0}));
  assert_null(none->run_kernel(NULL, NULL, NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(drivers_are_whole),
      cmocka_unit_test(reports_are_json),
      cmocka_unit_test(the_cpu_is_there),
      cmocka_unit_test(the_null_device_takes_what_the_cpu_takes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
