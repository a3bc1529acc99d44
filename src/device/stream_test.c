/* stream_test.c: jobs of a stream run in order and one at a time, whoever runs them; events wake
   everybody. */
#include "device/device.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <time.h>

static int one_device(void) { return 1; }
static const driver here = {.name = "here", .count = one_device};
const driver *const pons_drivers[] = {&here, NULL};

typedef struct record {
  atomic_int running;
  int count; /* not atomic: jobs of one stream must not overlap */
  int seen[40000];
} record;
typedef struct entry {
  record *record;
  int number;
} entry;

static void note(void *context) {
  entry *e = context;
  assert_int_equal(atomic_fetch_add(&e->record->running, 1), 0);
  e->record->seen[e->record->count++] = e->number;
  atomic_fetch_sub(&e->record->running, 1);
}

static void jobs_run_in_order(void **state) {
  (void)state;
  static record r;
  static entry entries[20000];
  stream *s = pons_new_stream("here");
  assert_non_null(s);
  for (int i = 0; i < 20000; i++) {
    entries[i] = (entry){&r, i};
    assert_true(stream_run(s, i % 3 == 0, note, &entries[i]));
  }
  pons_synchronize(s);
  assert_int_equal(r.count, 20000);
  for (int i = 0; i < 20000; i++) assert_int_equal(r.seen[i], i);
}

static void note_thread(void *context) { *(pthread_t *)context = pthread_self(); }

static void idle_stream_runs_here(void **state) {
  (void)state;
  stream *s = pons_new_stream("here");
  pthread_t ran_on;
  assert_true(stream_run(s, true, note_thread, &ran_on));
  assert_true(pthread_equal(ran_on, pthread_self()));
  assert_true(stream_run(s, false, note_thread, &ran_on));
  pons_synchronize(s);
  assert_false(pthread_equal(ran_on, pthread_self()));
  assert_true(stream_run(s, true, note_thread, &ran_on));
  assert_true(pthread_equal(ran_on, pthread_self()));
}

typedef struct feeder {
  stream *stream;
  entry entries[10000];
} feeder;

static void *feed(void *of) {
  feeder *f = of;
  for (int i = 0; i < 10000; i++) assert_true(stream_run(f->stream, i % 2 == 0, note, &f->entries[i]));
  return NULL;
}

static void many_threads_feed_one_stream(void **state) {
  (void)state;
  static record r;
  static feeder feeders[4];
  pthread_t threads[4];
  stream *s = pons_new_stream("here");
  for (int t = 0; t < 4; t++) {
    feeders[t].stream = s;
    for (int i = 0; i < 10000; i++) feeders[t].entries[i] = (entry){&r, t * 10000 + i};
    assert_int_equal(pthread_create(&threads[t], NULL, feed, &feeders[t]), 0);
  }
  for (int t = 0; t < 4; t++) pthread_join(threads[t], NULL);
  pons_synchronize(NULL);
  assert_int_equal(r.count, 40000);
  int next[4] = {0}; /* each thread's jobs in its order */
  for (int i = 0; i < 40000; i++) assert_int_equal(r.seen[i] % 10000, next[r.seen[i] / 10000]++);
}

static void run_inner(void *of) {
  feeder *f = of;
  assert_true(stream_run(f->stream, true, note_thread, &f->entries[0]));
  pons_synchronize(f->stream); /* from inside: nothing to wait for but itself */
}

static void job_may_run_a_job(void **state) {
  (void)state;
  static feeder f;
  f.stream = pons_new_stream("here");
  assert_true(stream_run(f.stream, true, run_inner, &f));
  assert_true(stream_run(f.stream, false, run_inner, &f));
  pons_synchronize(f.stream);
}

static void claimed_stream_waits(void **state) {
  (void)state;
  static record r;
  entry e = {&r, 7};
  stream *s = pons_new_stream("here");
  assert_true(stream_claim(s));
  assert_true(stream_claim(s)); /* again, by the same thread: a job inside a job */
  assert_true(stream_run(s, false, note, &e));
  nanosleep(&(struct timespec){0, 5000000}, NULL);
  stream_end(s);
  assert_int_equal(r.count, 0);
  stream_end(s);
  pons_synchronize(s);
  assert_int_equal(r.count, 1);
}

static void failed_queueing_runs_nothing(void **state) {
  (void)state;
  static record r;
  entry e = {&r, 0};
  stream *s = pons_new_stream("here");
  mem_fail_at(1);
  assert_false(stream_run(s, false, note, &e));
  mem_fail_at(1);
  assert_null(pons_new_stream("here"));
  mem_fail_at(0);
  assert_string_equal(pons_error(), "new_stream: out of memory");
  pons_clear_error();
  pons_synchronize(s);
  assert_int_equal(r.count, 0);
}

static void wait_for(void *e) { event_wait(e); }
static void set(void *e) { event_set(e); }
static void *waiter(void *e) {
  event_wait(e);
  assert_true(event_is_set(e));
  event_release(e);
  return NULL;
}

static void events_wake_everybody(void **state) {
  (void)state;
  for (int turn = 0; turn < 200; turn++) {
    event *e = event_new();
    assert_false(event_is_set(e));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, waiter, event_keep(e)), 0);
    if (turn % 2 == 0) nanosleep(&(struct timespec){0, 1000000}, NULL); /* asleep by now, or not yet */
    event_set(e);
    event_wait(e);
    event_release(e);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  }
  event_release(NULL);
}

static void events_order_streams(void **state) {
  (void)state;
  stream *a = pons_new_stream("here"), *b = pons_new_stream("here");
  assert_ptr_not_equal(a, b);
  for (int turn = 0; turn < 500; turn++) { /* a waits for b, then b for a */
    event *first = event_new(), *second = event_new();
    assert_true(stream_run(a, false, wait_for, first));
    assert_true(stream_run(a, false, set, second));
    assert_true(stream_run(b, false, set, first));
    assert_true(stream_run(b, false, wait_for, second));
    pons_synchronize(a);
    pons_synchronize(b);
    assert_true(event_is_set(second));
    event_release(first);
    event_release(second);
  }
}

static void *other_thread(void *s) {
  assert_ptr_not_equal(stream_current(), s); /* what one thread sets is its own */
  return NULL;
}

static void *own_stream_differs(void *streams) {
  stream **s = streams; /* one per thread, and what it stands for on the other thread */
  pons_set_stream(s[0]);
  return stream_current() != s[1] && stream_current() == stream_current() ? s : NULL;
}

static void a_stream_per_thread(void **state) {
  (void)state;
  stream *s[2] = {pons_new_thread_local_stream("here")};
  pons_set_stream(s[0]);
  s[1] = stream_current();
  assert_ptr_not_equal(s[1], s[0]);
  assert_ptr_equal(stream_current(), s[1]);
  pthread_t thread;
  void *differs = NULL;
  assert_int_equal(pthread_create(&thread, NULL, own_stream_differs, s), 0);
  pthread_join(thread, &differs);
  assert_non_null(differs);
  pons_synchronize(s[0]);
  pons_set_stream(NULL);
}

static void default_streams(void **state) {
  (void)state;
  stream *usual = pons_default_stream("here"), *s = pons_new_stream("here");
  assert_string_equal(pons_default_device(), "here");
  assert_ptr_equal(pons_default_stream(NULL), usual);
  pons_set_default_stream(s);
  assert_ptr_equal(pons_default_stream("here"), s);
  assert_ptr_equal(stream_current(), s);
  assert_string_equal(pons_stream_device(s), "here");
  pons_set_default_stream(usual);
  assert_null(pons_default_stream("moon"));
  pons_clear_error();
  assert_true(pons_is_available("here"));
  assert_false(pons_is_available("gpu"));
  assert_false(pons_metal_is_available() || pons_cuda_is_available());
}

/* The thread behind a stream ends, and comes back when there is work. */
static void cleared_streams_still_work(void **state) {
  (void)state;
  static record r;
  static entry entries[400];
  stream *s = pons_new_stream("here");
  for (int i = 0; i < 400; i++) {
    entries[i] = (entry){&r, i};
    assert_true(stream_run(s, false, note, &entries[i]));
    if (i % 50 == 0) pons_clear_streams();
    if (i % 100 == 0) assert_int_equal(r.count, i + 1);
  }
  pons_clear_streams();
  assert_int_equal(r.count, 400);
}

static void streams_of_threads(void **state) {
  (void)state;
  stream *usual = stream_current();
  assert_ptr_equal(stream_device(usual), device_default());
  stream *s = pons_new_stream("here");
  assert_null(pons_set_stream(s));
  assert_ptr_equal(stream_current(), s);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, other_thread, s), 0);
  pthread_join(thread, NULL);
  assert_true(pons_set_default_device("here"));
  assert_ptr_equal(stream_current(), usual);
  assert_false(pons_set_default_device("cuda:7"));
  assert_string_equal(pons_error(), "set_default_device: no such device: 'cuda:7'\nhint: there are here");
  pons_clear_error();
  assert_null(pons_new_stream("nowhere"));
  assert_null(pons_new_stream(NULL));
  pons_clear_error();
  pons_set_stream(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(jobs_run_in_order),     cmocka_unit_test(idle_stream_runs_here),
      cmocka_unit_test(many_threads_feed_one_stream), cmocka_unit_test(job_may_run_a_job),
      cmocka_unit_test(claimed_stream_waits),  cmocka_unit_test(failed_queueing_runs_nothing),
      cmocka_unit_test(events_wake_everybody),
      cmocka_unit_test(events_order_streams),  cmocka_unit_test(streams_of_threads),
      cmocka_unit_test(a_stream_per_thread),
      cmocka_unit_test(default_streams),
      cmocka_unit_test(cleared_streams_still_work),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
