/* trace.c: the lock under which states change and graphs are read, and the count of open traces. */
#include "graph/graph.h"
#include <pthread.h>

static pthread_mutex_t lock;
static pthread_once_t lock_once = PTHREAD_ONCE_INIT;

static void make_lock(void) {
  pthread_mutexattr_t kind;
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&lock, &kind);
  pthread_mutexattr_destroy(&kind);
}

void graph_lock(void) {
  pthread_once(&lock_once, make_lock);
  pthread_mutex_lock(&lock);
}

void graph_unlock(void) { pthread_mutex_unlock(&lock); }

/* Counted over all threads: what one thread computes may be part of another's trace. */
static atomic_int open_traces;
void trace_begin(void) { atomic_fetch_add(&open_traces, 1); }
void trace_end(void) { atomic_fetch_sub(&open_traces, 1); }
bool trace_is_open(void) { return atomic_load(&open_traces) > 0; }

static _Thread_local bool shapeless;
void trace_set_shapeless(bool on) { shapeless = on; }
bool trace_is_shapeless(void) { return shapeless; }

static _Thread_local bool wanted_back;
bool trace_set_wanted_back(bool on) {
  const bool before = wanted_back;
  wanted_back = on;
  return before;
}
bool trace_is_wanted_back(void) { return wanted_back; }
