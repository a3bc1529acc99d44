/* residency.c: where a buffer's elements are. A buffer has host memory and, on each device with memory of its
   own that has used it, a copy. What was written last is valid in one place, and in those it was copied to
   since:

       host ── written ──► valid on the host alone
        │ ▲
        │ └─ read there ──── copied from the device that has it, which stays valid
        ▼
       device ── written ──► valid on that device alone: the host is `stale`

   Where a device shares the host's memory there is one memory: what the device made is the host's `data`, and the host's is
   wrapped for the device if it can be. Then nothing is copied; who reads or writes waits for the other.

   Buffers in host memory that no device has used cost one load of `stale`. Uses base/, buffer.c, cache.c, spill.c. */
#include "device/parts.h"
#include <pthread.h>

/* Guards the copies of all buffers; several, so that one who waits for a device does not hold up all. */
enum { LOCKS = 16 };
static pthread_mutex_t locks[LOCKS];
static pthread_once_t locks_once = PTHREAD_ONCE_INIT;

static void make_locks(void) {
  for (int i = 0; i < LOCKS; i++) pthread_mutex_init(&locks[i], NULL);
}

static pthread_mutex_t *lock_of(const buffer *b) {
  pthread_once(&locks_once, make_locks);
  return &locks[((uintptr_t)b >> 6) % LOCKS];
}

static _Thread_local copies_made made;
copies_made copies_since(void) {
  const copies_made all = made;
  made = (copies_made){0};
  return all;
}

static size_t bytes_there(const buffer *b) { return b->bytes > 0 ? b->bytes : 1; }

static void copy_free(copy *c) {
  if (!c->shared) spill_remove(c);
  c->device->driver->memory->give(c->device->index, c->memory);
  cache_count_elsewhere(-(ptrdiff_t)c->bytes);
  mem_free(c);
}

void copies_free(buffer *b) {
  for (copy *c = b->copies, *next; c != NULL; c = next) {
    next = c->next;
    copy_free(c);
  }
  b->copies = NULL;
}

/* The lock is held, here and in what follows. */
static copy *copy_on(const buffer *b, const device *d) {
  for (copy *c = b->copies; c != NULL; c = c->next)
    if (c->device == d) return c;
  return NULL;
}

/* One memory for both, where there can be. */
static void *share(buffer *b, const device *d) {
  const memory_driver *m = d->driver->memory;
  return m->wrap != NULL && b->data != NULL && b->bytes > 0 ? m->wrap(d->index, b->data, buffer_block_bytes(b)) : NULL;
}

static void *take(const device *d, size_t bytes, bool for_writing, error **why) {
  const memory_driver *m = d->driver->memory;
  return (m->take_to_write && !for_writing ? m->take_to_write : m->take)(d->index, bytes, why);
}

static copy *copy_new(buffer *b, const device *d, bool for_writing, error **why) {
  copy *c = mem_alloc(sizeof *c);
  if (c == NULL) {
    *why = fail_no_memory(d->name);
    return NULL;
  }
  void *memory = share(b, d);
  bool shared = memory != NULL;
  const size_t bytes = shared ? 0 : bytes_there(b);
  if (!shared) memory = take(d, bytes, for_writing, why);
  if (memory == NULL) {
    mem_free(c);
    return NULL;
  }
  if (!shared && d->driver->memory->host != NULL && b->data == NULL) {
    b->data = d->driver->memory->host(d->index, memory);
    shared = true;
  }
  *c = (copy){.next = b->copies,
              .device = d,
              .memory = memory,
              .valid = shared && !b->stale,
              .shared = shared,
              .of = b,
              .bytes = bytes};
  b->copies = c;
  if (!shared) spill_add(c);
  cache_count_elsewhere((ptrdiff_t)bytes);
  return c;
}

static error *make_host_memory(buffer *b) {
  if (b->data != NULL || b->size_class != ELSEWHERE) return NULL;
  error *why = NULL;
  buffer *host = buffer_new(b->bytes, "read", &why);
  if (host == NULL) return why;
  b->as.host = host;
  b->data = host->data;
  return NULL;
}

static error *wait_for(const copy *c, bool for_writing) {
  return c->device->driver->memory->wait(c->device->index, c->memory, for_writing);
}

/* What was written last, on a device whose memory is not the host's, to `data`, which may be shared with others. */
static error *fetch(buffer *b, const copy *from) {
  error *why = NULL;
  for (copy *c = b->copies; c != NULL && why == NULL; c = c->next)
    if (c->shared) why = wait_for(c, true);
  if (why == NULL && b->bytes > 0)
    why = from->device->driver->memory->read(from->device->index, from->memory, b->data, b->bytes);
  made.to_host++;
  made.bytes_to_host += b->bytes;
  for (copy *c = b->copies; c != NULL && why == NULL; c = c->next) c->valid |= c->shared;
  return why;
}

static error *bring_home(buffer *b) {
  if (!atomic_load(&b->stale)) return NULL; /* somebody else did */
  error *why = make_host_memory(b);
  if (why != NULL) return why;
  for (copy *c = b->copies; c != NULL; c = c->next) {
    if (!c->valid) continue;
    why = c->shared ? wait_for(c, false) : fetch(b, c);
    break;
  }
  if (why == NULL) atomic_store_explicit(&b->stale, false, memory_order_release);
  return why;
}

error *buffer_bring_home(buffer *b) {
  pthread_mutex_lock(lock_of(b));
  error *why = bring_home(b);
  pthread_mutex_unlock(lock_of(b));
  return why;
}

error *device_finish(const device *d) {
  const memory_driver *m = d->driver->memory;
  return m != NULL && m->finish != NULL ? m->finish(d->index) : NULL;
}

error *buffer_finish(buffer *b) {
  const device *there = NULL;
  error *why = NULL;
  if (!atomic_load_explicit(&b->stale, memory_order_acquire)) return NULL;
  pthread_mutex_lock(lock_of(b));
  const copy *c = b->copies;
  while (c != NULL && !c->valid) c = c->next;
  if (c != NULL && c->shared) why = wait_for(c, false);
  else if (c != NULL) there = c->device;
  pthread_mutex_unlock(lock_of(b));
  return there != NULL ? device_finish(there) : why; /* others need not wait for the lock */
}

error *buffer_leave(buffer *b, const device *d) {
  error *why = NULL;
  pthread_mutex_lock(lock_of(b));
  copy *c = copy_on(b, d);
  if (c != NULL && c->valid) why = bring_home(b);
  if (c != NULL && why == NULL) {
    copy *before = b->copies;
    while (before != c && before->next != c) before = before->next;
    if (before == c) b->copies = c->next;
    else before->next = c->next;
    copy_free(c);
    made.gave_way++;
  }
  pthread_mutex_unlock(lock_of(b));
  return why;
}

/* From another device of the same driver; error_declined(): not so. */
static error *pass_on(buffer *b, copy *to) {
  const driver *v = to->device->driver;
  const copy *from = b->copies;
  while (from != NULL && (!from->valid || from->shared || from->device->driver != v)) from = from->next;
  if (from == NULL || to->shared || b->bytes == 0 || v->memory->pass == NULL) return error_declined();
  error *why = v->memory->pass(from->device->index, from->memory, to->device->index, to->memory, b->bytes);
  made.passed += why == NULL;
  made.bytes_passed += why == NULL ? b->bytes : 0;
  made.declined += why == error_declined();
  return why;
}

static error *fill(buffer *b, copy *to) {
  const device *d = to->device;
  error *why = pass_on(b, to);
  if (why != error_declined()) return why;
  why = bring_home(b);
  if (why == NULL && b->bytes > 0 && !to->shared) why = d->driver->memory->write(d->index, to->memory, b->data, b->bytes);
  made.to_device += why == NULL && !to->shared;
  made.bytes_to_device += why == NULL && !to->shared ? b->bytes : 0;
  return why;
}

static void *present(buffer *b, const device *d, bool for_writing, error **why) {
  copy *c = copy_on(b, d);
  if (c == NULL) c = copy_new(b, d, for_writing, why);
  else if (!c->shared) spill_used(c);
  if (c == NULL) return NULL;
  if (for_writing) {
    for (copy *other = b->copies; other != NULL; other = other->next) other->valid = other == c;
    atomic_store_explicit(&b->stale, true, memory_order_release);
  } else if (!c->valid) {
    *why = fill(b, c);
    if (*why != NULL) return NULL;
    c->valid = true;
  }
  return c->memory;
}

static void *present_locked(buffer *b, const device *d, bool for_writing, error **why) {
  pthread_mutex_lock(lock_of(b));
  void *memory = present(b, d, for_writing, why);
  pthread_mutex_unlock(lock_of(b));
  return memory;
}

void *buffer_on(buffer *b, const device *d, error **why) { return present_locked(b, d, false, why); }
void *buffer_written_on(buffer *b, const device *d, error **why) { return present_locked(b, d, true, why); }

void buffer_written_on_host(buffer *b) {
  if (b->copies == NULL) return; /* its only holder asks */
  pthread_mutex_lock(lock_of(b));
  for (copy *c = b->copies; c != NULL; c = c->next) {
    c->valid = c->shared;
    if (c->shared) error_release(wait_for(c, true)); /* what is there is written over */
  }
  atomic_store_explicit(&b->stale, false, memory_order_release);
  pthread_mutex_unlock(lock_of(b));
}

buffer *buffer_new_on(const device *d, size_t bytes, const char *op, error **why) {
  buffer *b = mem_zalloc(sizeof *b);
  if (b == NULL) {
    *why = buffer_no_memory(op, bytes);
    return NULL;
  }
  b->size_class = ELSEWHERE;
  b->bytes = bytes;
  atomic_init(&b->refs, 1);
  atomic_init(&b->stale, false);
  if (buffer_written_on(b, d, why) != NULL) return b;
  buffer_release(b);
  return NULL;
}
