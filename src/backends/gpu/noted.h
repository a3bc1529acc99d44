/* noted.h: memory of recordings, of launches that a thread notes instead of making them (recording_driver in device.h), for the backends
   that have some. Uses device/.

       taken while they are noted         stays with the recording, and is taken from it again at the next walk
       given back while they are noted    what is noted may still read it: goes behind that
       others that they use               the caller orders what else uses them */
#ifndef GPU_NOTED_H
#define GPU_NOTED_H
#include "device/device.h"
#include <pthread.h>

/* In front of a backend's memory. */
typedef struct gpu_block {
  struct gpu_noted *owner; /* with which it stays; or NULL */
  size_t bytes;
  _Atomic uint64_t noted; /* the walk that noted it last */
} gpu_block;

/* What a backend has; one for all its devices. */
typedef struct gpu_noted_list {
  pthread_mutex_t lock;
  struct gpu_noted *first;
  void (*give)(int index, void *memory); /* which asks gpu_noted_give first */
} gpu_noted_list;

typedef struct gpu_own_block {
  gpu_block *block;
  bool in_use;
} gpu_own_block;

/* In front of a recording. */
typedef struct gpu_noted {
  struct gpu_noted *next; /* of the list */
  gpu_noted_list *list;
  int index;
  account *account;
  _Atomic size_t *resting; /* bytes of all that rest on the device */
  int n_slots;
  void **slots; /* the memories given at the start */
  int *ties;    /* the first slot that had the same memory; itself: none */
  gpu_own_block *blocks;
  size_t n_blocks, blocks_room;
  gpu_block **late; /* given back while noted launches may still read them */
  size_t n_late, late_room;
  gpu_block **others; /* neither given nor its own, and living on */
  size_t n_others, others_room;
  uint64_t walk;         /* the one under way: a number of its own among all */
  bool rests, is_hollow; /* under the list's lock: nobody uses it; its memory is gone */
  size_t resting_bytes;  /* while it rests: of its memory, what nobody holds */
} gpu_noted;

/* `n` is filled with zeros. */
void gpu_noted_open(gpu_noted *n, gpu_noted_list *list, int index, account *a, _Atomic size_t *resting);
/* Gives back all it has. */
void gpu_noted_close(gpu_noted *n);

/* A walk begins, with these memories given (recording_driver.begin). False: no memory. */
bool gpu_noted_begin(gpu_noted *n, int count, void *const *memories);
int gpu_noted_slot(const gpu_noted *n, const void *memory); /* -1: none of them */
/* May the walk be made again with these? Where two slots had one memory it is not known which of them a launch means. */
bool gpu_noted_fits(const gpu_noted *n, int count, void *const *memories);
/* A launch uses the memory, which is in no slot. False: no memory to remember it. */
bool gpu_noted_use(gpu_noted *n, gpu_block *b);

/* `n`: of the recording that this thread notes on the device; NULL: none. */
void *gpu_noted_take(gpu_noted *n, size_t bytes);  /* its own; NULL: there is none that fits */
void gpu_noted_add(gpu_noted *n, gpu_block *b);    /* taken for it */
bool gpu_noted_give(gpu_noted *n, gpu_block *b);   /* false: give it back as ever */

/* Behind what was noted, and when nothing is noted any more: */
void gpu_noted_give_late(gpu_noted *n);
void gpu_noted_give_blocks(gpu_noted *n); /* what somebody still holds becomes ordinary memory */

/* While it rests nobody uses its memory, which is counted as kept. */
void gpu_noted_rest(gpu_noted *n, bool rests);
/* Lets go of memory of recordings that rest. False: there is none. */
bool gpu_noted_forget(gpu_noted_list *list, int index);
#endif
