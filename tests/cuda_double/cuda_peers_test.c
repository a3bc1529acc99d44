/* cuda_peers_test.c: arrays that go from one GPU to another, on the double of CUDA's driver with two devices: directly where they may
   use each other's memory, else by way of the host. What random work gives, cuda_arrays_test.c sees. */
#include "backends/cuda/program.h"
#include <pons/ops.h>
#include <pons/pons.h>
#include "tests/cuda_double/process.h"

enum { N = 50000 };

static pons_array numbers(void) { return pons_arange(0, N, 1, PONS_FLOAT32); }

/* y = x + x on the first GPU, z = y * y on the second, w = y + z on the first. */
static void three_ops_on_two(void) {
  const pons_scope s = pons_scope_open();
  pons_set_default_device("cuda:0");
  pons_array x = numbers(), y = pons_add(x, x);
  CHECK(pons_async_eval(y));
  pons_set_default_device("cuda:1");
  pons_array z = pons_multiply(y, y);
  CHECK(pons_async_eval(z));
  pons_set_default_device("cuda:0");
  pons_array w = pons_add(y, z);
  const float *values = pons_data(w);
  CHECK(values);
  for (int i = 0; i < N; i++) CHECK(values[i] == 2 * (float)i + 2 * (float)i * (2 * (float)i));
  pons_scope_close(s);
}

static void directly(void) {
  three_ops_on_two();
  CHECK(count("cuMemcpyPeerAsync") == 2);
  CHECK(count("cuMemcpyDtoHAsync") == 1); /* the result alone */
}

static void by_way_of_the_host(void) {
  three_ops_on_two();
  CHECK(count("cuMemcpyDtoHAsync") == 3 && pons_ok());
}

static void arrays_go_from_gpu_to_gpu(void **state) {
  (void)state;
  passes(directly, "CUDA_DOUBLE_DEVICES=2");
  passes(directly, "CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_EARLY=1");
  passes(directly, "CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_POOLS=0");
  passes(directly, "CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_POOLS=0;CUDA_DOUBLE_EARLY=1");
}

static void without_access_the_host_helps(void **state) {
  (void)state;
  passes(by_way_of_the_host, "CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_PEERS=0");
  passes(by_way_of_the_host, "CUDA_DOUBLE_DEVICES=2;PONS_CUDA_PEERS=0");
  passes(by_way_of_the_host, "CUDA_DOUBLE_DEVICES=2;DOUBLE_FAULTS=cuDeviceCanAccessPeer:1=101");
  passes(by_way_of_the_host, "CUDA_DOUBLE_DEVICES=2;DOUBLE_FAULTS=cuMemPoolSetAccess:1=1");
  passes(by_way_of_the_host, "CUDA_DOUBLE_DEVICES=2;DOUBLE_FAULTS=cuMemPoolSetAccess:2=1");
  passes(by_way_of_the_host, "CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_POOLS=0;DOUBLE_FAULTS=cuCtxEnablePeerAccess:1=2");
  passes(by_way_of_the_host, "CUDA_DOUBLE_DEVICES=2;DOUBLE_FAULTS=cuMemcpyPeerAsync:1=1");
}

/* ---- the one that was copied may change ---- */

static void is_all(int index, void *memory, float value) {
  static float host[N];
  CHECK(!cuda_read(index, memory, 0, host, sizeof host));
  for (int i = 0; i < N; i++) CHECK(host[i] == value);
}

static void write_all(int index, void *memory, float value) {
  static float host[N];
  for (int i = 0; i < N; i++) host[i] = value;
  CHECK(!cuda_write(index, memory, 0, host, sizeof host));
}

static void *room_on(int index) {
  error *why = NULL;
  void *memory = cuda_take_to_write(index, N * sizeof(float), &why);
  CHECK(memory);
  return memory;
}

static void *room_filled_on_first(void) {
  void *memory = room_on(0);
  write_all(0, memory, 3);
  return memory;
}

static void what_was_copied_changes(void) {
  void *x = room_on(0), *y = room_on(1), *z = room_on(1);
  write_all(0, x, 1);
  CHECK(!cuda_pass(0, x, 1, y, 0, N * sizeof(float)));
  write_all(0, x, 2);
  is_all(0, x, 2);
  is_all(1, y, 1);
  CHECK(!cuda_pass(0, x, 1, z, 0, N * sizeof(float)));
  cuda_give(0, x);
  is_all(0, room_filled_on_first(), 3);
  is_all(1, z, 2);
}

static void copies_are_of_what_was_there(void **state) {
  (void)state;
  passes(what_was_copied_changes, "CUDA_DOUBLE_DEVICES=2");
  passes(what_was_copied_changes, "CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_EARLY=1");
  passes(what_was_copied_changes, "CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_POOLS=0");
  passes(what_was_copied_changes, "CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_POOLS=0;CUDA_DOUBLE_EARLY=1");
}

/* ---- what is told ---- */

static bool report_says(const char *what) {
  char *report = pons_device_report();
  const bool says = report && strstr(report, what);
  pons_free(report);
  return says;
}

static void direct_is_reported(void) { CHECK(report_says("\"copies from GPU to GPU\": {\"0 and 1\": \"direct\"")); }
static void host_is_reported(void) {
  CHECK(report_says("\"0 and 1\": \"by way of the host: device 0 has no access to the memory of device 1\""));
}
static void one_has_no_others(void) { CHECK(!report_says("copies from GPU to GPU")); }

static void the_report_tells(void **state) {
  (void)state;
  passes(direct_is_reported, "CUDA_DOUBLE_DEVICES=2");
  passes(host_is_reported, "CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_PEERS=0");
  passes(one_has_no_others, "CUDA_DOUBLE_DEVICES=1");
}

static bool profile_says(const char *what) {
  static char text[1 << 16];
  char path[64];
  snprintf(path, sizeof path, DOUBLES "peers-%d.json", (int)getpid());
  CHECK(pons_profile_start(path));
  three_ops_on_two();
  CHECK(pons_profile_stop());
  FILE *f = fopen(path, "r");
  CHECK(f);
  text[fread(text, 1, sizeof text - 1, f)] = 0;
  fclose(f);
  unlink(path);
  return strstr(text, what) != NULL;
}

static void copies_are_counted(void) {
  CHECK(profile_says("\"copies from device to device\": 1, \"bytes from device to device\": 200000, "
                     "\"why from device to device\": \"cuda:1 had not what was written last on another\""));
}
static void detours_are_counted(void) { CHECK(profile_says("\"by way of the host\": 1, \"why by way of the host\": ")); }

static void the_profiler_counts(void **state) {
  (void)state;
  passes(copies_are_counted, "CUDA_DOUBLE_DEVICES=2");
  passes(detours_are_counted, "CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_PEERS=0");
}

int main(void) {
  if (!doubles_are_there()) return 77;
  setenv("PONS_CACHE_DIR", PONS_BUILD_DIR "/kernels", 1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(arrays_go_from_gpu_to_gpu), cmocka_unit_test(without_access_the_host_helps),
      cmocka_unit_test(copies_are_of_what_was_there), cmocka_unit_test(the_report_tells),          cmocka_unit_test(the_profiler_counts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
