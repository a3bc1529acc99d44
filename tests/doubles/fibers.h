/* fibers.h: the threads of a block, run on one thread of the host: each until it waits at a barrier, then the next. Uses the
   C library alone. */
#ifndef FIBERS_H
#define FIBERS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FIBERS_MOST = 1024, WARP = 32 };

/* Runs body(context, i) for i = 0 .. n-1 as the threads of a block; enter(context, i) is called before a thread runs and
   whenever it goes on. NULL: all ended; else what kept them from it. */
const char *fibers_run(int n, void (*body)(void *context, int thread),
                       void (*enter)(void *context, int thread), void *context);

/* From within a body: waits until every thread of the block that has not ended is here. */
void fibers_barrier(void);
/* The same for the threads of the warp whose bits are in `mask`. */
void fibers_warp_barrier(uint32_t mask);
/* Gives each lane of `mask` the value that lane `from` has; a lane's own where `from` is not among them. */
void fibers_exchange(uint32_t mask, void *value, size_t bytes, int from);
/* Waits until it is over, which others see to; it is asked between the threads' turns. */
void fibers_wait(bool (*is_over)(const void *), const void *what);
#endif
