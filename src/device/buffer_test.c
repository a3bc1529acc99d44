/* buffer_test.c: counts and owners of buffers; the cache's reuse, limits and errors; memory goes back after a
   spike. */
#include "device/device.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static const size_t MiB = 1 << 20;

static buffer *made(size_t bytes) {
  error *why = NULL;
  buffer *b = buffer_new(bytes, "test", &why);
  assert_non_null(b);
  return b;
}

static void every_size_is_usable(void **state) {
  (void)state;
  size_t active = pons_get_active_memory();
  size_t sizes[] = {0, 1, 63, 64, 65, 511, 512, 513, 4095, 4097, 100000, 262143, 262145, 5 * MiB + 1};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    buffer *b = made(sizes[i]);
    assert_int_equal((uintptr_t)buffer_data(b) % 64, 0);
    assert_int_equal(buffer_bytes(b), sizes[i]);
    memset(buffer_data(b), 1, sizes[i]);
    assert_int_equal(pons_get_active_memory(), active + sizes[i]);
    buffer_release(b);
    assert_int_equal(pons_get_active_memory(), active);
  }
  for (size_t n = 0; n < 3000; n++) { /* classes: each byte of each block is there; the sanitizers look on */
    buffer *b = made(n * 7);
    memset(buffer_data(b), 2, n * 7);
    buffer_release(b);
  }
}

static void last_reference_frees(void **state) {
  (void)state;
  size_t active = pons_get_active_memory();
  buffer *b = made(1000);
  assert_true(buffer_is_sole(b));
  assert_ptr_equal(buffer_keep(b), b);
  assert_false(buffer_is_sole(b));
  buffer_release(b);
  assert_true(buffer_is_sole(b));
  assert_int_equal(pons_get_active_memory(), active + 1000);
  buffer_release(b);
  assert_int_equal(pons_get_active_memory(), active);
  buffer_release(NULL);
}

static void count_call(void *count) { atomic_fetch_add((atomic_int *)count, 1); }

static void *keep_and_release(void *b) {
  for (int i = 0; i < 10000; i++) {
    buffer_keep(b);
    buffer_release(b);
  }
  buffer_release(b);
  return NULL;
}

static void destructor_is_called_once(void **state) {
  (void)state;
  atomic_int calls = 0;
  int data[4] = {1, 2, 3, 4};
  error *why = NULL;
  buffer *b = buffer_wrap(data, sizeof data, count_call, &calls, &why);
  assert_ptr_equal(buffer_data(b), data);
  assert_false(buffer_is_sole(b)); /* not ours to overwrite */
  pthread_t threads[4];
  for (int i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, keep_and_release, buffer_keep(b)), 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  assert_int_equal(calls, 0);
  buffer_release(b);
  assert_int_equal(calls, 1);
  mem_fail_at(1);
  assert_null(buffer_wrap(data, sizeof data, count_call, &calls, &why));
  mem_fail_at(0);
  assert_int_equal(calls, 2);
  error_release(why);
  pons_clear_error();
  b = buffer_wrap(data, sizeof data, NULL, NULL, &why);
  buffer_release(b);
}

static void freed_memory_is_used_again(void **state) {
  (void)state;
  pons_clear_cache();
  buffer *b = made(3 * MiB);
  void *data = buffer_data(b);
  buffer_release(b);
  assert_in_range(pons_get_cache_memory(), 3 * MiB, 4 * MiB);
  b = made(3 * MiB - 100000); /* slightly less will do */
  assert_ptr_equal(buffer_data(b), data);
  assert_int_equal(pons_get_cache_memory(), 0);
  buffer_release(b);
  b = made(MiB); /* much less won't */
  assert_ptr_not_equal(buffer_data(b), data);
  buffer_release(b);
  pons_clear_cache();
  assert_int_equal(pons_get_cache_memory(), 0);
}

static void peak_is_kept(void **state) {
  (void)state;
  pons_reset_peak_memory();
  size_t start = pons_get_active_memory();
  assert_int_equal(pons_get_peak_memory(), 0);
  buffer *a = made(MiB), *b = made(2 * MiB);
  buffer_release(a);
  buffer *c = made(MiB / 2);
  assert_int_equal(pons_get_peak_memory(), start + 3 * MiB);
  buffer_release(b);
  buffer_release(c);
  assert_int_equal(pons_get_peak_memory(), start + 3 * MiB);
  pons_reset_peak_memory();
  assert_int_equal(pons_get_peak_memory(), 0);
}

static void cache_is_bounded(void **state) {
  (void)state;
  pons_clear_cache();
  size_t before = pons_set_cache_limit(8 * MiB);
  buffer *list[16];
  for (int i = 0; i < 16; i++) list[i] = made(MiB);
  for (int i = 0; i < 16; i++) buffer_release(list[i]);
  assert_in_range(pons_get_cache_memory(), 7 * MiB, 8 * MiB);
  buffer *b = made(MiB);
  assert_int_equal(pons_set_cache_limit(2 * MiB), 8 * MiB); /* trims at once */
  assert_in_range(pons_get_cache_memory(), MiB, 2 * MiB);
  buffer_release(b);
  pons_set_cache_limit(0);
  b = made(MiB);
  buffer_release(b);
  assert_int_equal(pons_get_cache_memory(), 0);
  assert_int_equal(pons_set_cache_limit(before), 0);
}

static void out_of_memory_is_an_error(void **state) {
  (void)state;
  pons_clear_cache();
  size_t start = pons_get_active_memory();
  assert_int_equal(start, 0);
  size_t before = pons_set_memory_limit(20 * MiB);
  buffer *used = made(12 * MiB);
  buffer_release(made(6 * MiB)); /* lies in the cache */
  error *why = NULL;
  assert_null(buffer_new(9 * MiB, "add", &why));
  const char *head = "add: out of memory: asked 9.0 MiB, used 12.0 MiB, cached ";
  assert_memory_equal(error_text(why), head, strlen(head));
  assert_non_null(strstr(error_text(why), ", free 8.0 MiB, limit 20.0 MiB"));
  assert_string_equal(pons_error(), error_text(why));
  error_release(why);
  pons_clear_error();
  buffer *b = made(8 * MiB); /* what is cached makes room */
  assert_int_equal(pons_get_cache_memory(), 0);
  buffer_release(b);
  buffer_release(used);
  assert_int_equal(pons_set_memory_limit(before), 20 * MiB);
  assert_null(buffer_new(SIZE_MAX, "zeros", &why));
  assert_non_null(strstr(error_text(why), "zeros: out of memory: asked 16.0 EiB"));
  error_release(why);
  pons_clear_error();
  mem_fail_at(1);
  assert_null(buffer_new(16, "exp", &why));
  mem_fail_at(0);
  assert_non_null(strstr(error_text(why), "exp: out of memory: asked 16 B"));
  error_release(why);
  pons_clear_error();
}

static void *take_and_release(void *seed_at) {
  unsigned seed = *(unsigned *)seed_at;
  buffer *held[32] = {0};
  for (int i = 0; i < 5000; i++) {
    buffer **slot = &held[rand_r(&seed) % 32];
    buffer_release(*slot);
    *slot = made((size_t)(rand_r(&seed) % 40) << rand_r(&seed) % 14);
    memset(buffer_data(*slot), i, buffer_bytes(*slot));
  }
  for (int i = 0; i < 32; i++) buffer_release(held[i]);
  return NULL;
}

static void many_threads_share_the_cache(void **state) {
  (void)state;
  size_t active = pons_get_active_memory();
  size_t before = pons_set_cache_limit(4 * MiB);
  pthread_t threads[4];
  unsigned seeds[4] = {1, 2, 3, 4};
  for (int i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, take_and_release, &seeds[i]), 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  assert_int_equal(pons_get_active_memory(), active);
  pons_set_cache_limit(before);
}

#ifdef __linux__
static size_t resident(void) {
  unsigned long long total = 0, pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  assert_non_null(f);
  assert_int_equal(fscanf(f, "%llu %llu", &total, &pages), 2);
  fclose(f);
  return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}
#endif

static void spike_goes_back_to_the_system(void **state) {
  (void)state;
#ifdef __linux__
  pons_clear_cache();
  size_t start = resident();
  buffer *large = made(128 * MiB), *small[1024];
  memset(buffer_data(large), 1, 128 * MiB);
  for (int i = 0; i < 1024; i++) {
    small[i] = made(32000);
    memset(buffer_data(small[i]), 1, 32000);
  }
  assert_true(resident() >= start + 150 * MiB);
  buffer_release(large);
  for (int i = 0; i < 1024; i++) buffer_release(small[i]);
  assert_true(pons_get_cache_memory() >= 150 * MiB); /* kept at first */
  for (int turn = 0; turn < 100 && pons_get_cache_memory() > MiB; turn++)
    nanosleep(&(struct timespec){0, 100000000}, NULL);
  assert_in_range(pons_get_cache_memory(), 0, MiB);
  nanosleep(&(struct timespec){0, 300000000}, NULL); /* counted as given back a moment before it is */
#ifndef SANITIZED /* their heaps keep what is freed */
  assert_true(resident() < start + 16 * MiB);
#endif
  buffer *again = made(2 * MiB); /* and it starts anew */
  buffer_release(again);
#endif
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_size_is_usable),       cmocka_unit_test(last_reference_frees),
      cmocka_unit_test(destructor_is_called_once),  cmocka_unit_test(freed_memory_is_used_again),
      cmocka_unit_test(peak_is_kept),               cmocka_unit_test(cache_is_bounded),
      cmocka_unit_test(out_of_memory_is_an_error),  cmocka_unit_test(many_threads_share_the_cache),
      cmocka_unit_test(spike_goes_back_to_the_system)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
