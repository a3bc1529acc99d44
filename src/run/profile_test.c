/* Tests of profiles: the file is JSON, whole, and tells of each step what ran and what it moved. */
#include "run/run.h"
#include <cjson/cJSON.h>
#include <pons/ops.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64], part[80];

static cJSON *read_trace(void) {
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  static char content[1 << 20];
  const size_t n = fread(content, 1, sizeof content - 1, f);
  fclose(f);
  content[n] = 0;
  cJSON *json = cJSON_Parse(content);
  assert_non_null(json);
  return json;
}

static double number(const cJSON *object, const char *name) {
  const cJSON *item = cJSON_GetObjectItem(object, name);
  assert_true(cJSON_IsNumber(item));
  return item->valuedouble;
}

/* The first event of this name, or NULL. */
static const cJSON *event_named(const cJSON *trace, const char *name) {
  const cJSON *event;
  cJSON_ArrayForEach(event, cJSON_GetObjectItem(trace, "traceEvents")) {
    if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(event, "name")), name) == 0) return event;
  }
  return NULL;
}

static void each_step_is_an_event(void **state) {
  (void)state;
  assert_true(pons_profile_start(path));
  pons_array x = pons_reshape(pons_arange(0, 4096, 1, PONS_FLOAT32), PONS_SHAPE(64, 64));
  pons_array y = pons_matmul(x, pons_tanh(pons_add(x, pons_float(1))));
  assert_true(pons_eval(y));
  assert_int_equal(access(path, F_OK), -1); /* not before it is whole */
  assert_true(pons_profile_stop());
  assert_int_equal(access(part, F_OK), -1);
  cJSON *trace = read_trace();
  const cJSON *chain = event_named(trace, "kernel add tanh"), *product = event_named(trace, "Matmul");
  assert_non_null(chain);
  assert_non_null(product);
  assert_true(number(chain, "dur") > 0);
  assert_true(number(chain, "ts") >= 0);
  assert_true(number(product, "ts") >= number(chain, "ts"));
  const cJSON *args = cJSON_GetObjectItem(chain, "args");
  assert_true(number(args, "bytes") == 2 * 4096 * 4 + 4); /* x in, the scalar in, the result out */
  assert_true(number(args, "share of peak bandwidth") > 0);
  assert_true(number(cJSON_GetObjectItem(product, "args"), "share of peak product") > 0);
  const cJSON *memory = event_named(trace, "memory");
  assert_non_null(memory);
  assert_true(number(cJSON_GetObjectItem(memory, "args"), "active") > 0);
  cJSON_Delete(trace);
}

static void one_at_a_time(void **state) {
  (void)state;
  assert_false(pons_profile_stop());
  pons_clear_error();
  assert_true(pons_profile_start(path));
  assert_false(pons_profile_start(path));
  pons_clear_error();
  assert_true(pons_profile_stop());
  cJSON_Delete(read_trace()); /* without an event it is JSON too */
}

static void a_file_that_cannot_be_made_is_an_error(void **state) {
  (void)state;
  assert_false(pons_profile_start("/nowhere/trace.json"));
  assert_non_null(strstr(pons_error(), "/nowhere/trace.json"));
  pons_clear_error();
  assert_false(pons_profile_start(NULL));
  pons_clear_error();
}

static void *work(void *context) {
  for (int i = 0; i < 50; i++) {
    pons_scope s = pons_scope_open();
    if (!pons_eval(pons_exp(pons_float(i)))) context = NULL;
    pons_scope_close(s);
  }
  return context;
}

static void threads_write_whole_events(void **state) {
  (void)state;
  pthread_t threads[3];
  assert_true(pons_profile_start(path));
  for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, work, path), 0);
  for (int i = 0; i < 3; i++) {
    void *result;
    pthread_join(threads[i], &result);
    assert_non_null(result);
  }
  assert_true(pons_profile_stop());
  cJSON *trace = read_trace();
  int steps = 0;
  const cJSON *event;
  cJSON_ArrayForEach(event, cJSON_GetObjectItem(trace, "traceEvents")) steps +=
      strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(event, "ph")), "X") == 0;
  assert_int_equal(steps, 150);
  cJSON_Delete(trace);
}

static int open_scope(void **state) {
  static pons_scope scope;
  scope = pons_scope_open();
  *state = &scope;
  return 0;
}
static int close_scope(void **state) {
  pons_scope_close(*(pons_scope *)*state);
  remove(path);
  return pons_ok() && pons_live_arrays() == 0 ? 0 : 1;
}

int main(void) {
  snprintf(path, sizeof path, "/tmp/pons_profile_test_%ld.json", (long)getpid());
  snprintf(part, sizeof part, "%s.part", path);
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scope, close_scope)
  const struct CMUnitTest tests[] = {
      TEST(each_step_is_an_event),
      TEST(one_at_a_time),
      TEST(a_file_that_cannot_be_made_is_an_error),
      TEST(threads_write_whole_events),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
