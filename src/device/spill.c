/* spill.c: when a device's memory is full, or as much is in use as its limit allows: what lies there and was used longest ago gives up its place. Where the host has the same,
   that is all; else it is copied there first. So a model larger than a device's memory runs, slower.

   A step whose operands do not fit even alone runs on the host (run/execute.c).

       step: device_bind_begin ── operands' memories ── launch ── device_bind_end ── no memory? device_make_room, and again;
                  │                                                    │                        then device_bind_alone, and again
                  └── as long as a step is between the two nothing goes ┘

   What was launched may lose its memory: it is given back behind the work that uses it. Uses base/, residency.c. */
#include "device/parts.h"
#include <pthread.h>

/* Of one device. Copies stand in the order of use. */
typedef struct place {
  pthread_rwlock_t binding; /* held for reading while memories are bound and launched */
  pthread_mutex_t lock;     /* of the list */
  copy *newest, *oldest;
} place;
static place places[MAX_DEVICES];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_locks(void) {
  for (int i = 0; i < MAX_DEVICES; i++) {
    pthread_rwlock_init(&places[i].binding, NULL);
    pthread_mutex_init(&places[i].lock, NULL);
  }
}

static place *place_of(const device *d) {
  pthread_once(&once, make_locks);
  return &places[d - device_at(0)];
}

/* ---- the order of use; the list's lock is held ---- */

static void unlink_copy(place *p, copy *c) {
  *(c->newer ? &c->newer->older : &p->newest) = c->older;
  *(c->older ? &c->older->newer : &p->oldest) = c->newer;
  c->newer = c->older = NULL;
}

static void link_newest(place *p, copy *c) {
  c->older = p->newest;
  *(p->newest ? &p->newest->newer : &p->oldest) = c;
  p->newest = c;
}

void spill_add(copy *c) {
  place *p = place_of(c->device);
  pthread_mutex_lock(&p->lock);
  link_newest(p, c);
  pthread_mutex_unlock(&p->lock);
}

void spill_used(copy *c) {
  place *p = place_of(c->device);
  pthread_mutex_lock(&p->lock);
  if (p->newest != c) {
    unlink_copy(p, c);
    link_newest(p, c);
  }
  pthread_mutex_unlock(&p->lock);
}

void spill_remove(copy *c) {
  place *p = place_of(c->device);
  pthread_mutex_lock(&p->lock);
  unlink_copy(p, c);
  pthread_mutex_unlock(&p->lock);
}

/* ---- making room ---- */

void device_bind_begin(const device *d) { pthread_rwlock_rdlock(&place_of(d)->binding); }
void device_bind_end(const device *d) { pthread_rwlock_unlock(&place_of(d)->binding); }

/* The buffer that was used longest ago, with a reference; one that is being freed is left alone. */
static buffer *take_oldest(place *p) {
  buffer *found = NULL;
  pthread_mutex_lock(&p->lock);
  for (copy *c = p->oldest; c && !found; c = c->newer) {
    int refs = atomic_load(&c->of->refs);
    while (refs > 0 && !atomic_compare_exchange_weak(&c->of->refs, &refs, refs + 1)) {}
    if (refs > 0) found = c->of;
  }
  pthread_mutex_unlock(&p->lock);
  return found;
}

/* Nobody binds. What could not be copied stays; whoever asked tells that there is no memory. */
static void evict(place *p, const device *d, size_t bytes) {
  size_t freed = 0;
  error *why = NULL;
  while (freed < bytes && !why) {
    buffer *b = take_oldest(p);
    if (!b) break;
    why = buffer_leave(b, d);
    freed += b->bytes;
    buffer_release(b);
  }
  error_release(why);
  if (d->driver->memory->trim) d->driver->memory->trim(d->index);
}

void device_make_room(const device *d, size_t bytes) {
  place *p = place_of(d);
  pthread_rwlock_wrlock(&p->binding);
  evict(p, d, bytes);
  pthread_rwlock_unlock(&p->binding);
}

void device_bind_alone(const device *d) {
  place *p = place_of(d);
  pthread_rwlock_wrlock(&p->binding);
  evict(p, d, SIZE_MAX);
}
