/* cuda_queues_test.c: copies beside kernels on the double of CUDA's driver, which does queued work as late as it may, or what is on
   queues of copies as early (CUDA_DOUBLE_EARLY): who does not wait for what it needs is found out. PONS_SEED sets the seed of the
   random case, which is printed. */
#include "backends/cuda/program.h"
#include "tests/seed.h"
#include "tests/cuda_double/process.h"
#include <time.h>

static const char plus_text[] = "KERNEL plus(GLOBAL float *y, GLOBAL const float *x, NUMBERS) {\n"
                                "  const int i = (int)GLOBAL_ID;\n"
                                "  if (i < v.at[2]) y[i] = x[i] + (float)v.at[3];\n"
                                "}\n";

/* y = x + add, for n floats. */
static void plus(void *y, void *x, int64_t n, int64_t add) {
  location at = {x, 0, 0};
  const operand o = {.data = &at};
  gpu_call c = gpu_call_for(&gpu_cuda, &o);
  gpu_memory(&c, y, true);
  gpu_memory(&c, x, false);
  gpu_number(&c, n);
  gpu_number(&c, add);
  gpu_one_each(&c, n);
  CHECK(!gpu_run(&c, plus_text, "plus"));
}

static long (*queued)(const char *what);
static void find_queued(void) {
  void *symbol = dlsym(open_double(DOUBLES "libcuda.so.1"), "cuda_double_queued");
  CHECK(symbol);
  memcpy(&queued, &symbol, sizeof queued);
}

/* ---- one thing at a time: arrays of more than CUDA_SMALL bytes ---- */

enum { N = 40000 };

static void *uploaded(float value) {
  static float host[N];
  error *why = NULL;
  for (int i = 0; i < N; i++) host[i] = value;
  void *memory = cuda_take_to_write(0, sizeof host, &why);
  CHECK(memory && !cuda_write(0, memory, 0, host, sizeof host));
  return memory;
}

static void *room(void) {
  error *why = NULL;
  void *memory = cuda_take(0, N * sizeof(float), &why);
  CHECK(memory);
  return memory;
}

static void is_all(void *memory, float value) {
  static float host[N];
  CHECK(!cuda_read(0, memory, 0, host, sizeof host));
  for (int i = 0; i < N; i++) CHECK(host[i] == value);
}

static void what_comes_goes_beside_kernels(void) {
  find_queued();
  void *x = uploaded(1), *y = room();
  plus(y, x, N, 1);
  CHECK(queued("kernels") == 1);
  void *w = uploaded(5);
  CHECK(queued("kernels") == 1 && queued("copies") == 0);
  plus(y, w, N, 1);
  is_all(y, 6);
}

static void what_goes_waits_for_its_plan_alone(void) {
  find_queued();
  void *x = uploaded(1), *y = room(), *z = room();
  plus(y, x, N, 1);
  cuda_plan_ended(0);
  plus(z, y, N, 1);
  is_all(y, 2);
  CHECK(queued("kernels") == 1);
  is_all(z, 3);
  CHECK(queued("kernels") == 0);
}

static void what_kernels_read_is_not_written_over(void) {
  static float other[N];
  void *x = uploaded(1), *y = room();
  plus(y, x, N, 1);
  CHECK(!cuda_write(0, x, 0, other, sizeof other));
  is_all(y, 2);
  is_all(x, 0);
}

static void what_is_given_back_is_used_no_more(void) {
  error *why = NULL;
  cuda_give(0, uploaded(1));
  cuda_give(0, cuda_take_to_write(0, 1 << 20, &why));
  CHECK(!why && count("device memory") == 0);
  void *x = uploaded(1), *y = room(), *z = room();
  plus(y, x, N, 1);
  cuda_give(0, x);
  x = uploaded(7); /* it may be the same memory */
  plus(z, x, N, 1);
  cuda_give(0, x);
  is_all(y, 2);
  is_all(z, 8);
}

static void one_queue_does(void) {
  what_kernels_read_is_not_written_over();
  CHECK(count("streams") == 1 && count("cuStreamWaitEvent") == 0);
}

static void copies_have_their_queues(void **state) {
  (void)state;
  passes(what_comes_goes_beside_kernels, "CUDA_DOUBLE_EARLY=1");
  passes(what_comes_goes_beside_kernels, "CUDA_DOUBLE_EARLY=1;CUDA_DOUBLE_POOLS=0");
  passes(what_goes_waits_for_its_plan_alone, "CUDA_DOUBLE_EARLY=0");
  passes(what_goes_waits_for_its_plan_alone, "CUDA_DOUBLE_EARLY=1");
  passes(what_kernels_read_is_not_written_over, "CUDA_DOUBLE_EARLY=0");
  passes(what_kernels_read_is_not_written_over, "CUDA_DOUBLE_EARLY=1");
  passes(what_is_given_back_is_used_no_more, "CUDA_DOUBLE_EARLY=0");
  passes(what_is_given_back_is_used_no_more, "CUDA_DOUBLE_EARLY=1");
}

static void without_further_queues_there_is_one(void **state) {
  (void)state;
  passes(one_queue_does, "PONS_CUDA_ONE_QUEUE=1");
  passes(one_queue_does, "DOUBLE_FAULTS=cuStreamCreate:2+=2");
}

/* ---- at random ---- */

static uint64_t seed;
static int below(int n) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (int)((seed >> 33) % (uint64_t)n);
}

enum { BLOCKS = 6, MOST = 50000 };
static struct {
  void *memory;
  int64_t n;
  float host[MOST]; /* what should be there */
} all[BLOCKS];

static void renew(int k, bool to_write) {
  error *why = NULL;
  if (all[k].memory) cuda_give(0, all[k].memory);
  all[k].n = below(2) ? 1 + below(MOST) : 1 + below(3000);
  const size_t bytes = (size_t)all[k].n * sizeof(float);
  all[k].memory = to_write ? cuda_take_to_write(0, bytes, &why) : cuda_take(0, bytes, &why);
  CHECK(all[k].memory);
}

static void write_anew(int k) {
  static float host[MOST];
  for (int64_t i = 0; i < all[k].n; i++) host[i] = all[k].host[i] = (float)below(1000);
  CHECK(!cuda_write(0, all[k].memory, 0, host, (size_t)all[k].n * sizeof(float)));
}

static void read_back(int k) {
  static float host[MOST];
  CHECK(!cuda_read(0, all[k].memory, 0, host, (size_t)all[k].n * sizeof(float)));
  CHECK(!memcmp(host, all[k].host, (size_t)all[k].n * sizeof(float)));
}

static void add_random(int k, int from) {
  const int64_t n = all[k].n < all[from].n ? all[k].n : all[from].n, add = below(10);
  for (int64_t i = 0; i < n; i++) all[k].host[i] = all[from].host[i] + (float)add;
  plus(all[k].memory, all[from].memory, n, add);
}

static void random_work(void) {
  for (int k = 0; k < BLOCKS; k++) renew(k, true), write_anew(k);
  for (int i = 0; i < 300; i++) {
    const int k = below(BLOCKS), from = below(BLOCKS), what = below(12);
    if (what < 2) write_anew(k);
    else if (what < 4) renew(k, true), write_anew(k);
    else if (what < 5) renew(k, false), write_anew(k);
    else if (what < 7) read_back(k);
    else if (what < 8) cuda_plan_ended(0);
    else if (k != from) add_random(k, from);
  }
  for (int k = 0; k < BLOCKS; k++) {
    read_back(k);
    cuda_give(0, all[k].memory);
  }
  cuda_trim(0);
  CHECK(count("device memory") == 0 || strcmp(getenv("CUDA_DOUBLE_POOLS"), "0") == 0);
}

static void any_order_gives_what_one_queue_gives(void **state) {
  (void)state;
  seed = seed_of_run(0);
  for (int early = 0; early < 2; early++) {
    for (int pools = 0; pools < 2; pools++) {
      char settings[100];
      snprintf(settings, sizeof settings, "CUDA_DOUBLE_EARLY=%d;CUDA_DOUBLE_POOLS=%d", early, pools);
      passes(random_work, settings);
    }
  }
}

int main(void) {
  if (!doubles_are_there()) return 77;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(copies_have_their_queues),
      cmocka_unit_test(without_further_queues_there_is_one),
      cmocka_unit_test(any_order_gives_what_one_queue_gives),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
