/* threads.c: one pool of threads that shares the pieces of a loop, and the clock.

   A loop is published under the pool's lock; workers that see it take a seat, draw piece after piece from
   one counter and leave their seat; the caller draws pieces too, closes the loop and waits until every seat
   is empty:

       caller   publish ─ pieces ... ─ close ─ wait
       worker     seat ─ pieces ... ─ leave

   One loop at a time has the pool: a loop from another thread, or from inside a piece, runs where it was
   called. Threads are made at the first loop that can use them; they spin for some tens of microseconds after a
   loop, then sleep. Uses nothing. */
#include "base/base.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 256, SPIN_NS = 50000 };

static struct {
  pthread_mutex_t lock;
  pthread_cond_t work, left; /* a loop was published; the last seat was left */
  void (*body)(void *context, int64_t piece);
  void *context;
  int64_t pieces;
  atomic_int_least64_t next;  /* piece to draw */
  atomic_uint_least64_t turn; /* counts loops: what idle workers look at */
  atomic_int seated;          /* workers inside the loop */
  int seats;                  /* workers that may still join; 0: closed */
  int workers, sleeping;
} pool = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .left = PTHREAD_COND_INITIALIZER};
static atomic_flag taken = ATOMIC_FLAG_INIT; /* some thread's loop has the pool */
static atomic_int wanted;                    /* threads, the caller's included; 0: not asked yet */
static _Thread_local bool inside;            /* this thread runs pieces */

int64_t time_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- how many ---- */

/* CPUs that the control group grants, or a large number. */
static int cgroup_cpus(void) {
  long long quota = -1, period = 0;
  FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
  if (f) {
    if (fscanf(f, "%lld %lld", &quota, &period) != 2) quota = -1; /* "max 100000" */
    fclose(f);
  } else if ((f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r"))) {
    if (fscanf(f, "%lld", &quota) != 1) quota = -1;
    fclose(f);
    if ((f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r"))) {
      if (fscanf(f, "%lld", &period) != 1) period = 0;
      fclose(f);
    }
  }
  if (quota <= 0 || period <= 0 || quota / period >= MAX_THREADS) return MAX_THREADS;
  return (int)((quota + period - 1) / period);
}

static int machine_threads(void) {
  const char *text = getenv("PONS_NUM_THREADS");
  long asked = text ? strtol(text, NULL, 10) : 0;
  if (asked > 0) return asked < MAX_THREADS ? (int)asked : MAX_THREADS;
  long count = sysconf(_SC_NPROCESSORS_ONLN);
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
#endif
  int granted = cgroup_cpus();
  if (count > granted) count = granted;
  return count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : (int)count;
}

int parallel_threads(void) {
  int n = atomic_load_explicit(&wanted, memory_order_relaxed);
  if (n == 0) {
    int expected = 0;
    n = machine_threads();
    if (!atomic_compare_exchange_strong(&wanted, &expected, n)) n = expected;
  }
  return n;
}

void parallel_set_threads(int count) {
  atomic_store(&wanted, count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : count);
}

/* ---- workers ---- */

static void draw_pieces(void) {
  int64_t piece;
  while ((piece = atomic_fetch_add_explicit(&pool.next, 1, memory_order_relaxed)) < pool.pieces)
    pool.body(pool.context, piece);
}

/* Waits for a loop later than `seen`; returns its number. */
static uint64_t await_turn(uint64_t seen) {
  uint64_t turn;
  for (int64_t end = time_ns() + SPIN_NS; time_ns() < end;) {
    for (int i = 0; i < 32; i++) {
      if ((turn = atomic_load_explicit(&pool.turn, memory_order_acquire)) != seen) return turn;
      pause_briefly();
    }
  }
  pthread_mutex_lock(&pool.lock);
  pool.sleeping++;
  while ((turn = atomic_load_explicit(&pool.turn, memory_order_acquire)) == seen)
    pthread_cond_wait(&pool.work, &pool.lock);
  pool.sleeping--;
  pthread_mutex_unlock(&pool.lock);
  return turn;
}

static void *worker(void *unused) {
  uint64_t turn = 0;
  inside = true;
  for (;;) {
    turn = await_turn(turn);
    pthread_mutex_lock(&pool.lock);
    bool seated = pool.seats > 0;
    if (seated) {
      pool.seats--;
      atomic_fetch_add_explicit(&pool.seated, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&pool.lock);
    if (!seated) continue;
    draw_pieces();
    pthread_mutex_lock(&pool.lock);
    if (atomic_fetch_sub_explicit(&pool.seated, 1, memory_order_release) == 1)
      pthread_cond_signal(&pool.left);
    pthread_mutex_unlock(&pool.lock);
  }
  return unused;
}

/* A forked child has the caller's thread alone: it starts with an empty pool. */
static void forget_workers(void) {
  pthread_mutex_init(&pool.lock, NULL);
  pthread_cond_init(&pool.work, NULL);
  pthread_cond_init(&pool.left, NULL);
  pool.workers = pool.sleeping = pool.seats = 0;
  atomic_store(&pool.seated, 0);
  atomic_flag_clear(&taken);
}

/* The caller has the pool and its lock. Fewer than asked is fine: the caller works too. */
static void hire(int count) {
  sigset_t all, before;
  if (pool.workers == 0) {
    static bool once;
    if (!once) pthread_atfork(NULL, NULL, forget_workers);
    once = true;
  }
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the program's business */
  while (pool.workers < count) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, worker, NULL)) break;
    pthread_detach(thread);
    pool.workers++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void await_empty_seats(void) {
  for (int i = 0; i < 2000; i++) {
    if (atomic_load_explicit(&pool.seated, memory_order_acquire) == 0) return;
    pause_briefly();
  }
  pthread_mutex_lock(&pool.lock);
  while (atomic_load_explicit(&pool.seated, memory_order_acquire) > 0)
    pthread_cond_wait(&pool.left, &pool.lock);
  pthread_mutex_unlock(&pool.lock);
}

void parallel_for(int64_t pieces, void (*body)(void *context, int64_t piece), void *context) {
  int threads = pieces > 1 && !inside ? parallel_threads() : 1;
  if (threads < 2 || atomic_flag_test_and_set_explicit(&taken, memory_order_acquire)) {
    for (int64_t i = 0; i < pieces; i++) body(context, i);
    return;
  }
  int helpers = (pieces < threads ? (int)pieces : threads) - 1;
  pthread_mutex_lock(&pool.lock);
  if (pool.workers < helpers) hire(helpers);
  pool.body = body;
  pool.context = context;
  pool.pieces = pieces;
  pool.seats = helpers;
  atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
  atomic_fetch_add_explicit(&pool.turn, 1, memory_order_release);
  if (pool.sleeping) pthread_cond_broadcast(&pool.work);
  pthread_mutex_unlock(&pool.lock);

  inside = true;
  draw_pieces();
  inside = false;

  pthread_mutex_lock(&pool.lock);
  pool.seats = 0;
  pthread_mutex_unlock(&pool.lock);
  await_empty_seats();
  atomic_flag_clear_explicit(&taken, memory_order_release);
}
