/* order.c: the queues of a device, and what comes behind what. Kernels go on one queue, what comes from the host on a second, what
   leaves the device on a third, so that a copy goes on beside kernels that have nothing to do with it:

       IN     copy x ── copy w ──────────────┐ w
                 └ x                         ▼
       WORK             kernel(x) ─────── kernel(w)
                            └ y
       OUT                    copy y

   Pieces of work are counted per queue. A block knows at which count each queue used it last, so a queue waits for another only if
   that has used the block since, and only up to there: events mark the counts (at the ends of plans, for those who read results
   later, and where somebody has to wait). Uses cuda.h. */
#include "backends/cuda/cuda.h"
#include <stdlib.h>

static pthread_mutex_t marking = PTHREAD_MUTEX_INITIALIZER;

static void raise_to(atomic_count *at, uint64_t value) {
  uint64_t before = atomic_load_explicit(at, memory_order_relaxed);
  while (before < value && !atomic_compare_exchange_weak(at, &before, value)) {}
}

/* ---- opening; its context is the thread's ---- */

static bool wants_one_queue(void) {
  const char *wanted = getenv("PONS_CUDA_ONE_QUEUE");
  return wanted && *wanted && strcmp(wanted, "0") != 0;
}

/* Where there can't be more than one queue, that serves for all. */
error *cuda_open_queues(cuda_device *d) {
  CUstream *work = &d->queues[CUDA_WORK].at;
  error *why = cuda_check(d, cuda()->cuStreamCreate(work, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
  for (int q = 0; q < CUDA_QUEUES && !why; q++) {
    CUstream *at = &d->queues[q].at;
    if (q != CUDA_WORK && (wants_one_queue() || cuda()->cuStreamCreate(at, CU_STREAM_NON_BLOCKING) != CUDA_SUCCESS)) *at = *work;
  }
  return why;
}

/* ---- marks; `marking` is held ---- */

/* An event behind all that is on the queue. */
static error *set_mark(cuda_device *d, cuda_queue *q, cuda_mark **out) {
  cuda_mark *m = &q->marks[q->next_mark];
  error *why = NULL;
  if (!m->event) why = cuda_check(d, cuda()->cuEventCreate(&m->event, CU_EVENT_DISABLE_TIMING), "cuEventCreate");
  if (why) return m->event = NULL, why;
  const uint64_t count = atomic_load(&q->count); /* at least so much is there */
  m->count = 0;
  why = cuda_check(d, cuda()->cuEventRecord(m->event, q->at), "cuEventRecord");
  if (why) return why;
  m->count = count;
  q->next_mark = (q->next_mark + 1) % CUDA_MARKS;
  *out = m;
  return NULL;
}

/* The first mark behind that count. */
static error *find_mark(cuda_device *d, cuda_queue *q, uint64_t count, cuda_mark **out) {
  *out = NULL;
  for (cuda_mark *m = q->marks; m < q->marks + CUDA_MARKS; m++)
    if (m->event && m->count >= count && (!*out || m->count < (*out)->count)) *out = m;
  return *out ? NULL : set_mark(d, q, out);
}

/* ---- waiting ---- */

static bool is_behind(const cuda_queue *q, int other, const cuda_queue *of, uint64_t count) {
  return count <= atomic_load(&q->behind[other]) || count <= atomic_load(&of->done) || q->at == of->at;
}

/* What is put on queue `q` of `d` from now on comes behind the first `count` on queue `other` of `from`, whose context is the
   thread's. */
static error *wait_until(cuda_device *d, int q, cuda_device *from, int other, uint64_t count) {
  cuda_mark *m = NULL;
  pthread_mutex_lock(&marking);
  error *why = find_mark(from, &from->queues[other], count, &m);
  if (!why) why = cuda_check(d, cuda()->cuStreamWaitEvent(d->queues[q].at, m->event, 0), "cuStreamWaitEvent");
  if (!why && d == from) raise_to(&d->queues[q].behind[other], m->count);
  pthread_mutex_unlock(&marking);
  return why;
}

error *cuda_order(cuda_device *d, int q, const cuda_block *b, bool writes) {
  error *why = NULL;
  for (int other = 0; b && other < CUDA_QUEUES && !why; other++) {
    const uint64_t count = atomic_load(writes ? &b->used[other] : &b->written[other]);
    if (other != q && !is_behind(&d->queues[q], other, &d->queues[other], count)) why = wait_until(d, q, d, other, count);
  }
  return why;
}

error *cuda_order_across(cuda_device *d, int q, cuda_device *other, const cuda_block *b) {
  error *why = NULL;
  if (!cuda_enter(other->index, &why)) return why;
  for (int o = 0; o < CUDA_QUEUES && !why; o++) {
    const uint64_t count = atomic_load(&b->written[o]);
    if (count > atomic_load(&other->queues[o].done)) why = wait_until(d, q, other, o, count);
  }
  cuda_leave(other);
  return why;
}

error *cuda_order_all(cuda_device *d, int n, void *const *memories, int n_written) {
  error *why = NULL;
  for (int i = 0; i < n && !why; i++) why = cuda_order(d, CUDA_WORK, memories[i], i < n_written);
  return why;
}

/* ---- what was put on a queue ---- */

void cuda_count_use(cuda_device *d, int q, cuda_block *b, bool writes) {
  const uint64_t count = atomic_fetch_add(&d->queues[q].count, 1) + 1;
  raise_to(&b->used[q], count);
  if (writes) raise_to(&b->written[q], count);
}

void cuda_count_uses(cuda_device *d, int n, void *const *memories, int n_written) {
  const uint64_t count = atomic_fetch_add(&d->queues[CUDA_WORK].count, 1) + 1;
  for (int i = 0; i < n; i++) {
    cuda_block *b = memories[i];
    if (b) raise_to(&b->used[CUDA_WORK], count);
    if (b && i < n_written) raise_to(&b->written[CUDA_WORK], count);
  }
}

error *cuda_wait_for(cuda_device *d, int q) {
  cuda_queue *of = &d->queues[q];
  const uint64_t count = atomic_load(&of->count);
  error *why = cuda_check(d, cuda()->cuStreamSynchronize(of->at), "cuStreamSynchronize");
  if (!why) raise_to(&of->done, count);
  return why;
}

/* Only in front of further work, and where nobody has waited: else there is nothing for a reader to go past. */
error *cuda_mark_plan(cuda_device *d) {
  cuda_queue *q = &d->queues[CUDA_WORK];
  cuda_mark *m = NULL;
  if (!atomic_load_explicit(&d->plan_end, memory_order_relaxed)) return NULL;
  if (atomic_exchange(&d->plan_end, 0) <= atomic_load(&q->done)) return NULL;
  pthread_mutex_lock(&marking);
  error *why = set_mark(d, q, &m);
  pthread_mutex_unlock(&marking);
  return why;
}
