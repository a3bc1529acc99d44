/* links.h: the door of links/: how the processes of a group exchange memory of the host.

   A driver makes groups from what the environment says, and makes the calls of a group: blocking ones, on memory of
   the host, which all processes of the group make in the same order with the same sizes. A process that ends, a call that differs
   from what the others make, or a wait without an end is an error; the group is of no use then, and says so. Uses
   base/, device/ (the host's kernels, for sums). */
#ifndef LINKS_H
#define LINKS_H
#include "device/device.h"
#include <pons/distributed.h>

typedef struct pons_group_s process_group;

typedef enum link_op { LINK_ALL_REDUCE, LINK_ALL_GATHER, LINK_REDUCE_SCATTER, LINK_SEND, LINK_RECV, LINK_OPS } link_op;
extern const char *const link_op_names[LINK_OPS]; /* for messages */
typedef enum link_reduce { LINK_SUM, LINK_MAX, LINK_MIN, LINK_REDUCES } link_reduce;

/* One call. Memory is row-major, and changed in place:
     ALL_REDUCE      n elements: mine before, of all joined after
     ALL_GATHER      size parts of n elements: mine, at my rank's place, before; all of them after
     REDUCE_SCATTER  size parts of n elements: mine before; after, my rank's part is joined, the others are undefined
     SEND, RECV      n elements, to or from `peer` */
typedef struct link_call {
  link_op op;
  link_reduce reduce; /* of the first and third */
  pons_dtype dtype;
  int64_t n;
  int peer;
  void *data;
} link_call;
/* Makes it, one at a time in this process. Halves are joined in float32 and rounded each time. */
error *link_run(process_group *g, const link_call *call);
/* Before the first call of a group that all its processes make, whatever device that is on: each tells the others of a device on which it may
   compute with them (introduce in its driver). Once; then g->cards has what all told. */
error *link_meet(process_group *g, const driver *v, int index);
/* This process makes no more calls, and the others are told by the end of its connections; from any thread, also while a call waits. */
void link_leave(process_group *g, error *why);
/* The rank of a process that has ended or left, -1: none is known to have. It does not wait. */
int link_gone(const process_group *g);
/* Joins `from` into `into`, of the host's memory. */
error *link_join(link_reduce reduce, pons_dtype dtype, int64_t n, const void *from, void *into);

typedef struct link_driver {
  const char *name;  /* "ring" */
  const char *needs; /* what the environment must say, for messages */
  /* The group of all processes that were started together. NULL without *why: the environment names none. */
  process_group *(*open)(error **why);
  /* The processes that give the same color, in order of key and rank. */
  process_group *(*split)(process_group *g, int color, int key, error **why);
  error *(*run)(process_group *g, const link_call *call);
  void (*leave)(process_group *g);     /* link_leave; left out: the others are not told */
  int (*gone)(const process_group *g); /* link_gone; left out: it is never known */
} link_driver;
extern const link_driver *const link_drivers[]; /* in the order in which "any" asks them; ended by NULL */

struct pons_group_s {        /* lives with the process */
  const link_driver *driver; /* NULL: this process alone */
  int rank, size;
  int number;         /* of the group in this process, from 1; of parameters that are compared */
  void *state;        /* the driver's */
  void *device_state; /* of a device's backend that has collectives of its own: what it keeps for the group; NULL at first */
  char *cards;        /* DEVICE_CARD bytes of each process; NULL: they have not met */
  error *_Atomic broken; /* why a call failed: no other can be made */
};
/* For drivers: zeroed but for the first three; NULL and *why. */
process_group *group_new(const link_driver *driver, int rank, int size, error **why);

/* The numbers that environment variables give, or `otherwise` where they are not set; -1 where they are none, or beyond `most`. */
int64_t link_number(const char *variable, int64_t otherwise, int64_t most);
#endif
