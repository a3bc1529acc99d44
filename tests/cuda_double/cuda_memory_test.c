/* cuda_memory_test.c: accounts of GPUs' memory on the double of CUDA's driver: each device has its own; the variable that limits all; what
   lies with recordings. What arrays meet beyond a limit, tests/device_memory_test.c sees on each device. */
#include "backends/cuda/program.h"
#include <pons/ops.h>
#include <pons/pons.h>
#include <pons/transforms.h>
#include "tests/cuda_double/process.h"

enum { N = 100000, BYTES = N * 4, ROOM = BYTES + BYTES / 4 };

static pons_memory memory_of(const char *device) {
  pons_memory m;
  CHECK(pons_synchronize(NULL) && pons_device_memory(device, &m));
  return m;
}

static pons_array made_on(const char *device) {
  CHECK(pons_set_default_device(device));
  const pons_scope s = pons_scope_open();
  pons_array x = pons_keep(pons_arange(0, N, 1, PONS_FLOAT32));
  CHECK(pons_eval(x));
  pons_scope_close(s);
  return x;
}

static void counts_are_each_devices(void) {
  pons_array x = made_on("cuda:0"), y = made_on("cuda:1"), z = made_on("cuda:1");
  const pons_memory first = memory_of("cuda:0"), second = memory_of("cuda:1");
  CHECK(first.active >= BYTES && first.active <= ROOM && second.active >= 2 * BYTES && second.active <= 2 * ROOM);
  CHECK(pons_get_active_memory() == first.active + second.active + memory_of("cpu").active);
  CHECK(pons_get_peak_memory() >= first.active + second.active);
  CHECK(pons_set_device_memory_limit("cuda:1", 3 * BYTES / 2));
  CHECK(memory_of("cuda:1").spilled == BYTES && memory_of("cuda:1").active <= 3 * BYTES / 2);
  CHECK(memory_of("cuda:0").spilled == 0 && memory_of("cuda:0").active == first.active);
  CHECK(memory_of("cuda:0").limit == first.limit);
  CHECK(pons_set_device_cache_limit("cuda:0", 0));
  pons_release(y);
  pons_release(z);
  pons_release(x);
  CHECK(memory_of("cuda:0").active == 0 && memory_of("cuda:1").active == 0);
  CHECK(memory_of("cuda:1").cached >= BYTES && memory_of("cuda:1").cache_limit > 0);
  CHECK(pons_clear_device_cache("cuda:0") && memory_of("cuda:0").cached == 0 && memory_of("cuda:1").cached >= BYTES);
  CHECK(pons_clear_device_cache("cuda:1") && memory_of("cuda:1").cached == 0 && count("device memory") == 0);
}

static void each_device_has_an_account(void **state) {
  (void)state;
  passes(counts_are_each_devices, "CUDA_DOUBLE_DEVICES=2");
  passes(counts_are_each_devices, "CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_POOLS=0");
}

static void limit_is_the_devices(void) {
  CHECK(memory_of("cuda:0").limit == 1000000 && memory_of("cuda:1").limit == 1000000);
  CHECK(count("streams") == 0); /* nothing is opened to know it */
}
static void limit_is_the_variables(void) {
  CHECK(memory_of("cuda:0").limit == 500000 && memory_of("cuda:1").limit == 500000 && memory_of("cpu").limit > 500000);
  pons_release(made_on("cuda"));
  CHECK(memory_of("cuda").active == 0);
  error *why = NULL;
  CHECK(!cuda_take(0, 600000, &why) && error_kind(why) == PONS_ERROR_MEMORY && told("of at most 0.5 MiB"));
  CHECK(memory_of("cuda").active == 0 && memory_of("cuda").peak <= 500000);
}

static void a_limit_at_first(void **state) {
  (void)state;
  passes(limit_is_the_devices, "CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_MEMORY=1000000");
  passes(limit_is_the_devices, "CUDA_DOUBLE_DEVICES=2;CUDA_DOUBLE_MEMORY=1000000;PONS_MEMORY_LIMIT=2e9"); /* more than there is */
  passes(limit_is_the_variables, "CUDA_DOUBLE_DEVICES=2;PONS_MEMORY_LIMIT=5e5");
  passes(limit_is_the_variables, "CUDA_DOUBLE_DEVICES=2;PONS_MEMORY_LIMIT=5e5;CUDA_DOUBLE_POOLS=0");
}

/* What the driver refuses is not counted. */
static void a_refusal_counts_nothing(void) {
  error *why = NULL;
  CHECK(cuda_take(0, 300000, &why) == NULL && why);
  error_release(why);
  pons_clear_error();
  CHECK(memory_of("cuda").active == 0 && memory_of("cuda").cached == 0);
}

static void refusals(void **state) {
  (void)state;
  passes(a_refusal_counts_nothing, "DOUBLE_FAULTS=cuMemAllocFromPoolAsync:2+=2"); /* the first is asked when the device is opened */
  passes(a_refusal_counts_nothing, "CUDA_DOUBLE_POOLS=0;DOUBLE_FAULTS=cuMemAlloc:1+=2");
}

static void steps(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = in[0];
  for (int i = 0; i < 4; i++) out[0] = pons_add(pons_cumsum(out[0]), in[0]);
}

/* Temporaries of a compiled function are kept while nobody runs it, and in use while it runs. */
static void a_recordings_memory_is_kept(void) {
  pons_array x = made_on("cuda");
  pons_function plain = pons_function_new(steps, 1, NULL, NULL), f = pons_compile(plain);
  for (int turn = 0; turn < 4; turn++) {
    const pons_scope s = pons_scope_open();
    pons_array y;
    pons_reset_peak_memory();
    CHECK(pons_call(f, &x, 1, &y, 1) && pons_eval(y));
    CHECK(memory_of("cuda").active <= 2 * ROOM && memory_of("cuda").peak >= 3 * BYTES);
    pons_scope_close(s);
  }
  CHECK(count("cuGraphLaunch") > 0);
  CHECK(memory_of("cuda").active <= ROOM && memory_of("cuda").cached >= BYTES);
  const size_t limit = memory_of("cuda").active + BYTES / 2;
  CHECK(pons_set_device_memory_limit("cuda", limit)); /* what is kept goes, x stays */
  CHECK(memory_of("cuda").cached <= BYTES / 2 && memory_of("cuda").spilled == 0);
  pons_function_release(f);
  pons_function_release(plain);
  pons_release(x);
  CHECK(memory_of("cuda").active == 0);
}

static void recordings(void **state) {
  (void)state;
  passes(a_recordings_memory_is_kept, "A=1");
  passes(a_recordings_memory_is_kept, "CUDA_DOUBLE_POOLS=0");
}

int main(void) {
  if (!doubles_are_there()) return 77;
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_device_has_an_account), cmocka_unit_test(a_limit_at_first),
                                     cmocka_unit_test(refusals), cmocka_unit_test(recordings)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
