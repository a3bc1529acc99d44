/* stream.c: jobs in order, on the caller's thread or the stream's own; events.

   A stream runs one job at a time. A caller whose stream has nothing to do may run its job itself, holding
   the stream busy; else the job joins the queue, which the stream's thread (made at the first such job) works
   off:

       stream_run ──► idle and inline_ok: run here
                 └──► queue ──► thread: wait until not busy, run, next

   Events hold no lock of their own: who has to sleep does so at one of a few shared places. Uses base/,
   machine.c, pick.c. */
#include "device/parts.h"
#include <pthread.h>

enum { SPIN_NS = 10000 };

/* ---- events -------------------------------------------------------------------------------------------- */

struct event {
  atomic_int refs;
  atomic_bool set;
  atomic_int sleepers;
};

enum { PLACES = 16 };
static struct place {
  pthread_mutex_t lock;
  pthread_cond_t woken;
} places[PLACES];
static pthread_once_t places_once = PTHREAD_ONCE_INIT;

static void make_places(void) {
  for (int i = 0; i < PLACES; i++) {
    pthread_mutex_init(&places[i].lock, NULL);
    pthread_cond_init(&places[i].woken, NULL);
  }
}

static struct place *place_of(const event *e) {
  pthread_once(&places_once, make_places);
  return &places[((uintptr_t)e >> 5) % PLACES];
}

event *event_new(void) {
  event *e = mem_alloc(sizeof *e);
  if (e == NULL) return NULL;
  atomic_init(&e->refs, 1);
  atomic_init(&e->set, false);
  atomic_init(&e->sleepers, 0);
  return e;
}

event *event_keep(event *e) {
  if (e != NULL) atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
  return e;
}

void event_release(event *e) {
  if (e != NULL && atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1) mem_free(e);
}

/* In one order for all threads: either this sees the sleeper, or the sleeper sees that it is set. */
void event_set(event *e) {
  atomic_store(&e->set, true);
  if (atomic_load(&e->sleepers) == 0) return;
  struct place *p = place_of(e);
  pthread_mutex_lock(&p->lock);
  pthread_cond_broadcast(&p->woken);
  pthread_mutex_unlock(&p->lock);
}

bool event_is_set(event *e) { return atomic_load_explicit(&e->set, memory_order_acquire); }

void event_wait(event *e) {
  if (event_is_set(e)) return;
  for (int64_t end = time_ns() + SPIN_NS; time_ns() < end;) {
    for (int i = 0; i < 32; i++) {
      if (event_is_set(e)) return;
      pause_briefly();
    }
  }
  struct place *p = place_of(e);
  atomic_fetch_add(&e->sleepers, 1);
  pthread_mutex_lock(&p->lock);
  while (!atomic_load(&e->set)) pthread_cond_wait(&p->woken, &p->lock);
  pthread_mutex_unlock(&p->lock);
  atomic_fetch_sub(&e->sleepers, 1);
}

/* ---- streams ------------------------------------------------------------------------------------------- */

typedef struct job {
  struct job *next;
  void (*run)(void *context);
  void *context;
} job;

struct pons_stream_s {
  device *device;
  pthread_t maker;
  bool per_thread; /* stands for a stream of its own on each thread, which `own` finds */
  pthread_key_t own;
  pthread_mutex_t lock;
  pthread_cond_t work, idle;
  job *head, *tail;
  atomic_int queued; /* length of the queue, for spinning */
  int busy;          /* jobs that run, one inside the other, on thread `runner` */
  bool used;         /* since it was made */
  pthread_t runner;
  bool has_thread, thread_may_end;
  error *failed; /* of what its thread ran since the last pons_synchronize: the first */
  stream *next; /* all streams */
};

static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;
static stream *streams; /* never freed: any thread may hold one */
static stream defaults[MAX_DEVICES];
static pthread_once_t defaults_once = PTHREAD_ONCE_INIT;
static _Thread_local stream *current;       /* NULL: the default stream of this thread's default device */
static _Thread_local device *thread_device; /* NULL: the process's default */
static _Thread_local stream *thread_defaults[MAX_DEVICES]; /* NULL: the process's */
static _Thread_local stream *found; /* by stream_current from these three; NULL: none since one of them was set */

static void stream_begin(stream *s, device *d) {
  s->device = d;
  s->maker = pthread_self();
  pthread_mutex_init(&s->lock, NULL);
  pthread_cond_init(&s->work, NULL);
  pthread_cond_init(&s->idle, NULL);
  s->next = streams;
  streams = s;
}

/* A forked child has the caller's thread alone: what was queued is the parent's to run. */
static void forget_threads(void) {
  for (stream *s = streams; s != NULL; s = s->next) {
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    pthread_cond_init(&s->idle, NULL);
    s->head = s->tail = NULL;
    atomic_store(&s->queued, 0);
    s->busy = 0;
    s->has_thread = s->thread_may_end = false;
    s->failed = NULL;
  }
}

/* One for each device there may be: to ask how many there are would open their libraries. */
static void make_defaults(void) {
  for (int i = 0; i < MAX_DEVICES; i++) stream_begin(&defaults[i], device_at(i));
  pthread_atfork(NULL, NULL, forget_threads);
}

static stream *process_default(const device *d) {
  pthread_once(&defaults_once, make_defaults);
  return &defaults[d - device_at(0)];
}

static stream *stream_on(device *d) {
  process_default(d); /* these come first */
  stream *s = mem_zalloc(sizeof *s);
  if (s == NULL) {
    error_release(fail_no_memory("new_stream"));
    return NULL;
  }
  pthread_mutex_lock(&streams_lock);
  stream_begin(s, d);
  pthread_mutex_unlock(&streams_lock);
  return s;
}

/* The stream that `s` stands for on this thread. Without memory for one it serves itself. */
static stream *on_this_thread(stream *s) {
  if (!s->per_thread) return s;
  stream *own = pthread_getspecific(s->own);
  if (own != NULL) return own;
  own = stream_on(s->device);
  return own != NULL && pthread_setspecific(s->own, own) == 0 ? own : s;
}

static device *this_device(void) { return thread_device != NULL ? thread_device : device_default(); }

static stream *default_of(const device *d) {
  stream *chosen = thread_defaults[d - device_at(0)];
  return chosen != NULL ? chosen : process_default(d);
}

stream *stream_current(void) {
  if (found != NULL) return found;
  stream *s = current != NULL ? current : default_of(this_device());
  return s->per_thread ? on_this_thread(s) : (found = s);
}
device *stream_device(const stream *s) { return s->device; }

pons_stream pons_new_stream(const char *name) {
  device *d = device_or_error("new_stream", name);
  return d == NULL ? NULL : stream_on(d);
}

pons_stream pons_new_thread_local_stream(const char *name) {
  device *d = device_or_error("new_thread_local_stream", name);
  stream *s = d == NULL ? NULL : stream_on(d);
  if (s == NULL) return NULL;
  if (pthread_key_create(&s->own, NULL) == 0) {
    s->per_thread = true;
    return s;
  }
  error_release(fail_as(PONS_ERROR_RUNTIME, "new_thread_local_stream",
                        "the system has no more keys for values per thread"));
  return NULL; /* the stream stays in the list, unused */
}

pons_stream pons_set_stream(pons_stream s) {
  stream *before = current;
  current = s;
  found = NULL;
  return before;
}

const char *pons_default_device(void) { return this_device()->name; }

bool pons_set_default_device(const char *name) {
  device *d = name == NULL ? NULL : device_or_error("set_default_device", name);
  if (d == NULL && name != NULL) return false;
  thread_device = d;
  current = found = NULL;
  return true;
}

pons_stream pons_default_stream(const char *name) {
  device *d = name == NULL ? this_device() : device_or_error("default_stream", name);
  return d == NULL ? NULL : default_of(d);
}

void pons_set_default_stream(pons_stream s) {
  if (s == NULL) return;
  thread_defaults[s->device - device_at(0)] = s;
  found = NULL;
}

const char *pons_stream_device(pons_stream s) { return s == NULL ? pons_default_device() : s->device->name; }

/* ---- running ---- */

/* The lock is held, here and in what follows. */
static void begin_job(stream *s) {
  s->used = true;
  s->busy++;
  s->runner = pthread_self();
}

static void end_job(stream *s) {
  if (--s->busy > 0) return;
  if (s->head != NULL || s->thread_may_end) pthread_cond_signal(&s->work);
  if (s->head == NULL) pthread_cond_broadcast(&s->idle);
}

static bool is_runner(const stream *s) { return s->busy > 0 && pthread_equal(s->runner, pthread_self()); }

static void *work_off(void *of) {
  stream *s = of;
  for (;;) {
    for (int64_t end = time_ns() + SPIN_NS;
         atomic_load_explicit(&s->queued, memory_order_relaxed) == 0 && time_ns() < end;)
      pause_briefly();
    pthread_mutex_lock(&s->lock);
    while (s->busy > 0 || (s->head == NULL && !s->thread_may_end)) pthread_cond_wait(&s->work, &s->lock);
    if (s->head == NULL) {
      s->thread_may_end = s->has_thread = false;
      pthread_mutex_unlock(&s->lock);
      return NULL;
    }
    job *j = s->head;
    s->head = j->next;
    if (s->head == NULL) s->tail = NULL;
    atomic_fetch_sub_explicit(&s->queued, 1, memory_order_relaxed);
    begin_job(s);
    pthread_mutex_unlock(&s->lock);
    j->run(j->context);
    mem_free(j);
    pons_clear_error(); /* an error goes with the arrays; nobody asks this thread */
    pthread_mutex_lock(&s->lock);
    end_job(s);
    pthread_mutex_unlock(&s->lock);
  }
  return NULL;
}

static bool enqueue(stream *s, void (*run)(void *), void *context) {
  job *j = mem_alloc(sizeof *j);
  if (j == NULL) return false;
  *j = (job){NULL, run, context};
  pthread_mutex_lock(&s->lock);
  if (!s->has_thread) s->has_thread = machine_thread(work_off, s);
  bool taken = s->has_thread;
  if (taken) {
    if (s->tail != NULL)
      s->tail->next = j;
    else
      s->head = j;
    s->tail = j;
    atomic_fetch_add_explicit(&s->queued, 1, memory_order_relaxed);
    pthread_cond_signal(&s->work);
  }
  pthread_mutex_unlock(&s->lock);
  if (!taken) mem_free(j);
  return taken;
}

/* A job may run a job: for that one to wait until its own end would take for ever. */
bool stream_claim(stream *s) {
  pthread_mutex_lock(&s->lock);
  bool free = is_runner(s) || (s->busy == 0 && s->head == NULL);
  if (free) begin_job(s);
  pthread_mutex_unlock(&s->lock);
  return free;
}

void stream_end(stream *s) {
  pthread_mutex_lock(&s->lock);
  end_job(s);
  pthread_mutex_unlock(&s->lock);
}

bool stream_run(stream *s, bool inline_ok, void (*run)(void *context), void *context) {
  if (!inline_ok || !stream_claim(s)) return enqueue(s, run, context);
  run(context);
  stream_end(s);
  return true;
}

void stream_note_failure(stream *s, error *why) {
  pthread_mutex_lock(&s->lock);
  if (s->failed != NULL && error_is_met(s->failed)) {
    error_release(s->failed);
    s->failed = NULL;
  }
  if (s->failed == NULL) s->failed = error_keep(why);
  pthread_mutex_unlock(&s->lock);
}

/* False: what it ran has failed, and nobody has met the error yet: this thread does. */
static bool synchronize(stream *s) {
  pthread_mutex_lock(&s->lock);
  while (!is_runner(s) && (s->busy > 0 || s->head != NULL)) pthread_cond_wait(&s->idle, &s->lock);
  error *failed = s->failed, *late = NULL;
  s->failed = NULL;
  const bool used = s->used;
  pthread_mutex_unlock(&s->lock);
  const bool fine = failed == NULL || error_is_met(failed);
  if (!fine) error_meet(failed);
  if (used) late = device_finish(s->device);
  if (fine && late != NULL) error_meet(late);
  error_release(failed);
  error_release(late);
  return fine && late == NULL;
}

/* The last that was made; those that come later come before it. */
static stream *first_stream(void) {
  process_default(device_default());
  pthread_mutex_lock(&streams_lock);
  stream *first = streams;
  pthread_mutex_unlock(&streams_lock);
  return first;
}

bool pons_synchronize(pons_stream s) {
  if (s != NULL) return synchronize(on_this_thread(s));
  bool fine = true;
  for (s = first_stream(); s != NULL; s = s->next)
    if (!synchronize(s)) fine = false;
  return fine;
}

void pons_clear_streams(void) {
  for (stream *s = first_stream(); s != NULL; s = s->next) {
    if (!pthread_equal(s->maker, pthread_self())) continue;
    synchronize(s);
    pthread_mutex_lock(&s->lock);
    s->thread_may_end = s->has_thread;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
  }
}
