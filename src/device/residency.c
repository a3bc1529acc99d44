/* residency.c: where a buffer's elements are. A buffer has host memory and, on each device with memory of its
   own that has used it, a copy. What was written last is valid in one place, and in those it was copied to
   since:

       host ── written ──► valid on the host alone
        │ ▲
        │ └─ read there ──── copied from the device that has it, which stays valid
        ▼
       device ── written ──► valid on that device alone: the host is `stale`

   That holds for each part (validity.c): who reads a view has its bytes copied and no others, and an update of a part in place leaves
   the rest valid where it was.

   Where a device shares the host's memory there is one memory: what the device made is the host's `data`, and the host's is
   wrapped for the device if it can be. Then nothing is copied; who reads or writes waits for the other.

   Buffers in host memory that no device has used cost one load of `stale`. Uses base/, account.c, buffer.c, cache.c, spill.c, validity.c. */
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
  mem_free(c);
}

void copies_free(buffer *b) {
  for (copy *c = b->copies, *next; c != NULL; c = next) {
    next = c->next;
    copy_free(c);
  }
  b->copies = NULL;
  validity_set_all(&b->valid, ON_HOST);
}

static place_set place_of(const device *d) { return (place_set)1 << (d - device_at(0)); }

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
  if (!shared) memory = take(d, bytes_there(b), for_writing, why);
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
              .place = place_of(d),
              .shared = shared,
              .of = b};
  b->copies = c;
  if (shared) validity_follow(&b->valid, ON_HOST, c->place);
  if (!shared) spill_add(c);
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

/* The devices that share the host's memory. */
static place_set sharers(const buffer *b) {
  place_set all = 0;
  for (const copy *c = b->copies; c != NULL; c = c->next) all |= c->shared ? c->place : 0;
  return all;
}

/* After changes of what is valid where. */
static void settle(buffer *b) {
  byte_range all = ALL_BYTES;
  valid_part stale;
  validity_join(&b->valid);
  const bool is_stale = b->valid.pieces == NULL ? !(b->valid.all & ON_HOST) : validity_next(&b->valid, b->bytes, ON_HOST, 0, &all, &stale);
  atomic_store_explicit(&b->stale, is_stale, memory_order_release);
}

static size_t length_of(byte_range part) { return part.to - part.from; }
static void count_part(const buffer *b, byte_range part) { made.parts += length_of(part) < b->bytes; }

/* From a device whose memory is not the host's, to `data`, which may be shared with others. */
static error *fetch(buffer *b, const copy *from, byte_range part) {
  error *why = NULL;
  for (copy *c = b->copies; c != NULL && why == NULL; c = c->next)
    if (c->shared) why = wait_for(c, true);
  if (why == NULL)
    why = from->device->driver->memory->read(from->device->index, from->memory, part.from, (char *)b->data + part.from, length_of(part));
  made.to_host++;
  made.bytes_to_host += length_of(part);
  count_part(b, part);
  return why;
}

/* Bytes that are not valid on the host, but in one place at least. */
static error *bring_part_home(buffer *b, valid_part stale) {
  const copy *c = b->copies;
  while (c != NULL && !(c->place & stale.at)) c = c->next;
  error *why = c == NULL ? NULL : c->shared ? wait_for(c, false) : fetch(b, c, stale.part);
  if (why == NULL) validity_set(&b->valid, b->bytes, stale.part, ANYWHERE, ON_HOST | sharers(b));
  return why;
}

/* Where the part was split off, or needs not be. */
static error *bring_home(buffer *b, byte_range part) {
  if (!atomic_load(&b->stale)) return NULL; /* somebody else did */
  valid_part stale;
  error *why = make_host_memory(b);
  if (b->bytes == 0) validity_set_all(&b->valid, ON_HOST | sharers(b));
  while (why == NULL && validity_next(&b->valid, b->bytes, ON_HOST, 0, &part, &stale)) why = bring_part_home(b, stale);
  return why;
}

error *buffer_bring_home(buffer *b, byte_range part) {
  pthread_mutex_lock(lock_of(b));
  const bool splits = !(validity_of(&b->valid, part) & ON_HOST);
  error *why = bring_home(b, splits ? validity_split(&b->valid, b->bytes, part) : part);
  settle(b);
  pthread_mutex_unlock(lock_of(b));
  return why;
}

error *device_finish(const device *d) {
  const memory_driver *m = d->driver->memory;
  return m != NULL && m->finish != NULL ? m->finish(d->index) : NULL;
}

/* The devices that have what the host has not; those that share its memory are waited for. */
static place_set devices_ahead(const buffer *b, error **why) {
  byte_range all = ALL_BYTES;
  valid_part stale;
  place_set ahead = 0;
  if (b->bytes == 0) return 0;
  while (validity_next(&b->valid, b->bytes, ON_HOST, 0, &all, &stale)) ahead |= stale.at;
  for (const copy *c = b->copies; c != NULL && *why == NULL; c = c->next) {
    if (!c->shared || !(c->place & ahead)) continue;
    *why = wait_for(c, false);
    ahead &= ~c->place;
  }
  return ahead;
}

error *buffer_finish(buffer *b) {
  error *why = NULL;
  if (!atomic_load_explicit(&b->stale, memory_order_acquire)) return NULL;
  pthread_mutex_lock(lock_of(b));
  const place_set ahead = devices_ahead(b, &why);
  pthread_mutex_unlock(lock_of(b));
  for (int i = 0; i < devices_known() && why == NULL; i++) /* others need not wait for the lock */
    if (ahead >> i & 1) why = device_finish(device_at(i));
  return why;
}

static void unlink_copy(buffer *b, copy *c) {
  copy *before = b->copies;
  while (before != c && before->next != c) before = before->next;
  if (before == c) b->copies = c->next;
  else before->next = c->next;
}

error *buffer_leave(buffer *b, const device *d) {
  error *why = NULL;
  byte_range all = ALL_BYTES;
  valid_part alone;
  pthread_mutex_lock(lock_of(b));
  copy *c = copy_on(b, d);
  if (c != NULL && b->bytes > 0 && atomic_load(&b->stale)) why = make_host_memory(b);
  while (c != NULL && why == NULL && validity_next(&b->valid, b->bytes, ANYWHERE, c->place, &all, &alone)) why = bring_part_home(b, alone);
  if (c != NULL && why == NULL) {
    validity_set(&b->valid, b->bytes, ALL_BYTES, ~c->place, b->bytes > 0 ? 0 : ON_HOST);
    unlink_copy(b, c);
    copy_free(c);
    made.gave_way++;
    account_count_spilled(d, b->bytes);
  }
  settle(b);
  pthread_mutex_unlock(lock_of(b));
  return why;
}

/* From another device of the same driver; error_declined(): not so. */
static error *pass_on(buffer *b, copy *to, valid_part missing) {
  const driver *v = to->device->driver;
  const copy *from = b->copies;
  while (from != NULL && (!(from->place & missing.at) || from->shared || from->device->driver != v)) from = from->next;
  if (from == NULL || to->shared || v->memory->pass == NULL) return error_declined();
  const size_t bytes = length_of(missing.part);
  error *why = v->memory->pass(from->device->index, from->memory, to->device->index, to->memory, missing.part.from, bytes);
  made.passed += why == NULL;
  made.bytes_passed += why == NULL ? bytes : 0;
  made.declined += why == error_declined();
  if (why == NULL) count_part(b, missing.part);
  return why;
}

static error *write_part(buffer *b, copy *to, byte_range part) {
  const device *d = to->device;
  error *why = d->driver->memory->write(d->index, to->memory, part.from, (char *)b->data + part.from, length_of(part));
  if (why != NULL) return why;
  made.to_device++;
  made.bytes_to_device += length_of(part);
  count_part(b, part);
  return NULL;
}

static error *fill_part(buffer *b, copy *to, valid_part missing) {
  error *why = pass_on(b, to, missing);
  if (why == error_declined()) {
    why = bring_home(b, missing.part);
    if (why == NULL && !to->shared) why = write_part(b, to, missing.part);
  }
  if (why == NULL) validity_set(&b->valid, b->bytes, missing.part, ANYWHERE, to->place);
  return why;
}

/* What is missing of the part there. */
static error *fill(buffer *b, copy *to, byte_range part) {
  error *why = NULL;
  valid_part missing;
  while (why == NULL && validity_next(&b->valid, b->bytes, to->place, 0, &part, &missing)) why = fill_part(b, to, missing);
  return why;
}

static copy *present(buffer *b, const device *d, bool for_writing, error **why) {
  copy *c = copy_on(b, d);
  if (c == NULL) c = copy_new(b, d, for_writing, why);
  else if (!c->shared) spill_used(c);
  return c;
}

void *buffer_on(buffer *b, const device *d, byte_range part, error **why) {
  pthread_mutex_lock(lock_of(b));
  copy *c = present(b, d, false, why);
  if (c != NULL && !(validity_of(&b->valid, part) & c->place)) {
    *why = fill(b, c, validity_split(&b->valid, b->bytes, part));
    settle(b);
  }
  pthread_mutex_unlock(lock_of(b));
  return c != NULL && *why == NULL ? c->memory : NULL;
}

/* The part is to be written in one place, `to` or, if that is NULL, the host. Where it can't be told from the rest, that is brought there. */
static error *begin_writing(buffer *b, copy *to, byte_range part, bool over) {
  error *why = NULL;
  const place_set there = to != NULL ? to->place : ON_HOST | sharers(b);
  if (over && validity_is_all(part, b->bytes)) {
    validity_set_all(&b->valid, there);
    return NULL;
  }
  if (part.to > b->bytes) part.to = b->bytes;
  const byte_range split = validity_split(&b->valid, b->bytes, part);
  if (!over || length_of(split) > length_of(part)) why = to != NULL ? fill(b, to, split) : bring_home(b, split);
  if (why == NULL) validity_set(&b->valid, b->bytes, split, 0, there);
  return why;
}

void *buffer_written_on(buffer *b, const device *d, byte_range part, bool over, error **why) {
  pthread_mutex_lock(lock_of(b));
  copy *c = present(b, d, true, why);
  if (c != NULL) {
    *why = begin_writing(b, c, part, over);
    settle(b);
  }
  pthread_mutex_unlock(lock_of(b));
  return c != NULL && *why == NULL ? c->memory : NULL;
}

void *buffer_written_on_host(buffer *b, byte_range part, bool over, error **why) {
  if (b->copies == NULL) return b->data; /* its only holder asks */
  pthread_mutex_lock(lock_of(b));
  *why = make_host_memory(b);
  if (*why == NULL) *why = begin_writing(b, NULL, part, over);
  settle(b);
  for (copy *c = b->copies; c != NULL; c = c->next)
    if (c->shared) error_release(wait_for(c, true)); /* what is there is written over */
  pthread_mutex_unlock(lock_of(b));
  return *why == NULL ? b->data : NULL;
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
  if (buffer_written_on(b, d, ALL_BYTES, true, why) != NULL) return b;
  buffer_release(b);
  return NULL;
}
