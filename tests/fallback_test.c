/* fallback_test.c: a device that knows no primitive and, of kernels, those of float32 alone: every case in every dtype gives there what
   the CPU gives, by decompositions and by the CPU in the device's place. The device is made here: its memory has a name that is no
   address, its kernels are the CPU's. */
#include "conformance_cases.h"
#include "device/device.h"
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

extern const driver driver_cpu;

/* ---- the device ---- */

typedef struct block { char *data; } block;
static int kernels; /* run there */

static void *take(int index, size_t bytes, error **why) {
  (void)index, (void)why;
  block *b = malloc(sizeof *b);
  assert_non_null(b);
  b->data = aligned_alloc(64, (bytes + 63) / 64 * 64);
  assert_non_null(b->data);
  return b;
}
static void give(int index, void *memory) {
  (void)index;
  free(((block *)memory)->data);
  free(memory);
}
static error *write_memory(int index, void *memory, size_t at, const void *host, size_t bytes) {
  (void)index;
  memcpy((char *)((block *)memory)->data + at, host, bytes);
  return NULL;
}
static error *read_memory(int index, void *memory, size_t at, void *host, size_t bytes) {
  (void)index;
  memcpy(host, (char *)((block *)memory)->data + at, bytes);
  return NULL;
}

static void addressed(operand *to, const operand *from, int n) {
  for (int i = 0; i < n; i++) {
    const location *at = from[i].data;
    to[i] = from[i];
    if (at) to[i].data = at->memory ? ((block *)at->memory)->data + at->offset : NULL;
  }
}

static error *run_kernel(const kernel *k, const operand *in, const operand *out) {
  operand x[KERNEL_MAX_INPUTS], y[KERNEL_MAX_OUTPUTS];
  kernels++;
  addressed(x, in, k->n_in);
  addressed(y, out, k->n_out);
  return driver_cpu.run_kernel(k, x, y);
}

static const char *refuses_kernel(int index, const kernel *k) {
  (void)index;
  for (int i = 0; i < k->n_in; i++)
    if (k->in[i] != PONS_FLOAT32) return "float32 alone";
  return NULL;
}

static int one(void) { return 1; }
static const memory_driver memory = {.take = take, .give = give, .write = write_memory, .read = read_memory};
static const driver bare = {
    .name = "bare", .count = one, .refuses_kernel = refuses_kernel, .run_kernel = run_kernel, .memory = &memory};
const driver *const pons_drivers[] = {&driver_cpu, &bare, NULL};

/* ---- the cases ---- */

static void every_case_gives_what_the_cpu_gives(void **state) {
  (void)state;
  for (int i = 0; i < conformance_count(); i++) {
    const conformance_case *c = conformance_at(i);
    for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
      if (!conformance_takes(c, (pons_dtype)d)) continue;
      char what[300];
      if (!conformance_agrees(c, (pons_dtype)d, (uint64_t)(1000 + i), "bare", what, sizeof what)) fail_msg("%s", what);
    }
  }
  assert_true(kernels > 1000);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_gives_what_the_cpu_gives)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
