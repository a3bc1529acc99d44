/* pick_test.c: names of devices; the first implementation that does not refuse; the report is JSON. */
#include "device/device.h"
#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char *too_large(const launch *l) { return l->n_in > 1 ? "takes one operand" : NULL; }
static error *nothing(const launch *l) { return (void)l, NULL; }
static const implementation one_s[] = {{"Matmul", "small", too_large, nothing},
                                       {"Softmax", "only", too_large, nothing},
                                       {"Matmul", "any", NULL, nothing}};
static const implementation two_s[] = {{"Matmul", "elsewhere", too_large, nothing}};
static int one(void) { return 1; }
static int two(void) { return 2; }
static int none(void) { return 0; }
static void report(text *json) { text_add(json, "{\"isa\": \"avx2\"}"); }
static const driver first = {
    .name = "one", .count = one, .report = report, .implementations = one_s, .n_implementations = 3};
static const driver second = {.name = "two", .count = two, .implementations = two_s, .n_implementations = 1};
static const driver third = {.name = "three", .count = none};
const driver *const pons_drivers[] = {&first, &second, &third, NULL};

static void devices_have_names(void **state) {
  (void)state;
  assert_int_equal(pons_device_count(), 3);
  assert_string_equal(pons_device_name(0), "one");
  assert_string_equal(pons_device_name(1), "two:0");
  assert_string_equal(pons_device_name(2), "two:1");
  assert_null(pons_device_name(3));
  assert_null(pons_device_name(-1));
  assert_ptr_equal(device_default(), device_named("one"));
  assert_ptr_equal(device_named("one:0"), device_named("one"));
  assert_ptr_equal(device_named("two"), device_named("two:0"));
  assert_int_equal(device_named("two:1")->index, 1);
  assert_null(device_named("two:2"));
  assert_null(device_named("three"));
  assert_null(device_named(""));
}

static void first_that_does_not_refuse(void **state) {
  (void)state;
  const device *a = device_named("one"), *b = device_named("two:1");
  launch small = {.n_in = 1}, large = {.n_in = 2};
  assert_string_equal(device_pick(a, "Matmul", &small, NULL)->name, "small");
  text why = {0};
  assert_string_equal(device_pick(a, "Matmul", &large, &why)->name, "any");
  assert_null(device_pick(a, "Softmax", &large, &why));
  assert_string_equal(why.at, "small: takes one operand\nonly: takes one operand\n");
  text_free(&why);
  assert_string_equal(device_pick(b, "Matmul", &small, NULL)->name, "elsewhere");
  assert_null(device_pick(b, "Softmax", &small, NULL));
  assert_true(device_knows(a, "Softmax"));
  assert_false(device_knows(b, "Softmax"));
  assert_false(device_knows(a, "Mat"));
  assert_true(device_lists(b->driver, "Matmul"));
}

static void report_is_json(void **state) {
  (void)state;
  char *json = pons_device_report();
  cJSON *report = cJSON_Parse(json);
  assert_non_null(report);
  assert_string_equal(cJSON_GetObjectItem(report, "version")->valuestring, pons_version());
  const cJSON *devices = cJSON_GetObjectItem(report, "devices");
  assert_int_equal(cJSON_GetArraySize(devices), 3);
  const cJSON *drivers = cJSON_GetObjectItem(report, "drivers");
  assert_string_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(drivers, "one"), "isa")->valuestring, "avx2");
  assert_true(cJSON_GetObjectItem(cJSON_GetObjectItem(report, "memory"), "machine")->valuedouble > 1e6);
  for (int i = 0; i < 3; i++)
    assert_true(cJSON_GetObjectItem(cJSON_GetObjectItem(cJSON_GetArrayItem(devices, i), "memory"), "limit")->valuedouble > 1e6);
  assert_int_equal(cJSON_GetObjectItem(report, "threads")->valueint, pons_threads());
  cJSON_Delete(report);
  pons_free(json);
}

static void one_device_in_json(void **state) {
  (void)state;
  char *json = pons_device_info(NULL);
  cJSON *info = cJSON_Parse(json);
  assert_non_null(info);
  assert_string_equal(cJSON_GetObjectItem(info, "name")->valuestring, pons_default_device());
  assert_true(cJSON_GetObjectItem(info, "memory_size")->valuedouble > 1e6);
  assert_true(cJSON_IsString(cJSON_GetObjectItem(info, "architecture")));
  cJSON_Delete(info);
  pons_free(json);
  assert_null(pons_device_info("moon"));
  pons_clear_error();
}

static void report_fails_well(void **state) {
  (void)state;
  mem_fail_at(1);
  assert_null(pons_device_report());
  mem_fail_at(0);
  assert_string_equal(pons_error(), "device_report: out of memory");
  pons_clear_error();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(devices_have_names),
                                     cmocka_unit_test(first_that_does_not_refuse),
                                     cmocka_unit_test(report_is_json), cmocka_unit_test(one_device_in_json),
      cmocka_unit_test(report_fails_well)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
