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
  pthread_mutex_t lock;
  pthread_cond_t work, idle;
  job *head, *tail;
  atomic_int queued; /* length of the queue, for spinning */
  int busy;          /* jobs that run, one inside the other, on thread `runner` */
  pthread_t runner;
  bool has_thread;
  stream *next; /* all streams */
};

static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;
static stream *streams; /* never freed: any thread may hold one */
static stream defaults[MAX_DEVICES];
static pthread_once_t defaults_once = PTHREAD_ONCE_INIT;
static _Thread_local stream *current; /* NULL: the default device's */

static void stream_begin(stream *s, device *d) {
  s->device = d;
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
    s->has_thread = false;
  }
}

static void make_defaults(void) {
  for (int i = 0; i < pons_device_count(); i++) stream_begin(&defaults[i], device_at(i));
  pthread_atfork(NULL, NULL, forget_threads);
}

static stream *default_stream(const device *d) {
  pthread_once(&defaults_once, make_defaults);
  return &defaults[d - device_at(0)];
}

stream *stream_current(void) { return current != NULL ? current : default_stream(device_default()); }
device *stream_device(const stream *s) { return s->device; }

static device *device_or_error(const char *op, const char *name) {
  device *d = name == NULL ? NULL : device_named(name);
  if (d != NULL) return d;
  text known = {0};
  for (int i = 0; i < pons_device_count(); i++)
    text_add(&known, "%s%s", i > 0 ? ", " : "", pons_device_name(i));
  error_release(fail(op, "no such device: '%s'\nhint: there are %s", name == NULL ? "(null)" : name,
                     known.at == NULL ? "none" : known.at));
  text_free(&known);
  return NULL;
}

pons_stream pons_stream_new(const char *name) {
  device *d = device_or_error("stream_new", name);
  if (d == NULL) return NULL;
  default_stream(d); /* these come first */
  stream *s = mem_zalloc(sizeof *s);
  if (s == NULL) {
    error_release(fail_no_memory("stream_new"));
    return NULL;
  }
  pthread_mutex_lock(&streams_lock);
  stream_begin(s, d);
  pthread_mutex_unlock(&streams_lock);
  return s;
}

pons_stream pons_set_stream(pons_stream s) {
  stream *before = current;
  current = s;
  return before;
}

bool pons_set_device(const char *name) {
  device *d = device_or_error("set_device", name);
  if (d == NULL) return false;
  current = default_stream(d);
  return true;
}

/* ---- running ---- */

/* The lock is held, here and in what follows. */
static void begin_job(stream *s) {
  s->busy++;
  s->runner = pthread_self();
}

static void end_job(stream *s) {
  if (--s->busy > 0) return;
  if (s->head != NULL) pthread_cond_signal(&s->work);
  else pthread_cond_broadcast(&s->idle);
}

static bool is_runner(const stream *s) { return s->busy > 0 && pthread_equal(s->runner, pthread_self()); }

static void *work_off(void *of) {
  stream *s = of;
  for (;;) {
    for (int64_t end = time_ns() + SPIN_NS;
         atomic_load_explicit(&s->queued, memory_order_relaxed) == 0 && time_ns() < end;)
      pause_briefly();
    pthread_mutex_lock(&s->lock);
    while (s->head == NULL || s->busy > 0) pthread_cond_wait(&s->work, &s->lock);
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
    if (s->tail != NULL) s->tail->next = j;
    else s->head = j;
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

static void synchronize(stream *s) {
  pthread_mutex_lock(&s->lock);
  while (!is_runner(s) && (s->busy > 0 || s->head != NULL)) pthread_cond_wait(&s->idle, &s->lock);
  pthread_mutex_unlock(&s->lock);
}

void pons_synchronize(pons_stream s) {
  if (s != NULL) {
    synchronize(s);
    return;
  }
  default_stream(device_default());
  pthread_mutex_lock(&streams_lock);
  stream *first = streams; /* those that come later come before it */
  pthread_mutex_unlock(&streams_lock);
  for (s = first; s != NULL; s = s->next) synchronize(s);
}
