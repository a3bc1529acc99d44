/* parts.h: what the files of device/ share among themselves. */
#ifndef PARTS_H
#define PARTS_H
#include "device/device.h"
#include "device/validity.h"
#include <pthread.h>

enum { WRAPPED = 0xffff }; /* size_class of somebody else's memory */

enum { ELSEWHERE = 0xfffe }; /* size_class of memory that was made on a device */

/* A buffer's memory on a device with memory of its own. */
typedef struct copy {
  struct copy *next;
  const device *device;
  void *memory;
  place_set place; /* the device's bit */
  bool shared;  /* it is the host's memory, seen from the device: always as valid as that */
  buffer *of;
  struct copy *newer, *older; /* among those of the device that may give way: spill.c */
} copy;

struct buffer {
  atomic_int refs;
  atomic_bool stale; /* some of what was written last is on a device, not in `data` */
  _Atomic(copy *) copies;
  validity valid; /* where which bytes are */
  uint16_t size_class; /* in the cache's table, WRAPPED or ELSEWHERE */
  uint16_t tick;       /* of the cache, when it came there */
  size_t bytes;        /* asked for */
  void *data;
  union {
    struct { /* somebody else's memory */
      void (*destroy)(void *owner); /* may be NULL */
      void *owner;
    } wrapped;
    struct buffer *host; /* ELSEWHERE: where data lies, once there is any */
    struct { /* while in the cache; neighbours in the list of its class and in the order of use */
      struct buffer *next, *before, *older, *newer;
    } cached;
  } as;
};

enum { MAX_DEVICES = 64 };
int devices_known(void);      /* so far: nothing is looked for */
device *device_at(int index); /* pick.c; 0 .. pons_device_count() - 1, once that was asked */
/* info.c; NULL and an error that tells the names there are, if there is none called so. */
device *device_or_error(const char *op, const char *name);

/* ---- buffer.c ---- */

error *buffer_no_memory(const char *op, size_t asked);

/* ---- residency.c ---- */

void copies_free(buffer *b); /* by its last holder */
error *buffer_bring_home(buffer *b, byte_range part); /* makes that of `data` valid */
/* Gives up its memory on `d`; what is valid there alone is brought home first. */
error *buffer_leave(buffer *b, const device *d);

/* ---- spill.c: which copies of a device were used last ---- */

void spill_add(copy *c);
void spill_used(copy *c);
void spill_remove(copy *c);

/* ---- account.c ---- */

struct account {
  const memory_driver *of; /* NULL: the host's */
  int index;
  size_t active, peak, limit, cache_limit, spilled;
};
extern pthread_mutex_t account_lock; /* of all accounts, and of what cache.c keeps */
/* With the lock held: */
account *account_of_host(void);
void account_add(account *a, ptrdiff_t bytes); /* so many more are in use */
/* Without: */
void account_count_spilled(const device *d, size_t bytes);
void account_add_json(text *json, const device *d); /* an object with the counters and limits */

/* ---- cache.c ---- */

/* A block of at least `bytes`, used before or new; NULL if there is none, after giving back what lay
   unused. */
buffer *cache_take(size_t bytes);
void cache_put(buffer *b);
size_t cache_block_bytes(const buffer *b); /* of a block of its own */
size_t cache_bytes(void); /* what lies there */
void cache_keep(size_t bytes); /* no more than that: the rest goes back to the system */

/* ---- machine.c ---- */

size_t machine_memory(void); /* bytes this process may have at most: the machine's, or its control group's */
const char *machine_architecture(void); /* "x86_64" */
size_t machine_available_memory(void); /* bytes that could be had now; SIZE_MAX if unknown */
/* A detached thread that gets no signals: those are the program's. False if there can't be one more. */
bool machine_thread(void *(*body)(void *), void *context);
#endif
