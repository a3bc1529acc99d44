/* grid.h: a launch on the host: every thread of every group, a group at a time, its threads as fibers. Uses fibers.h. */
#ifndef GRID_H
#define GRID_H
#include <stdint.h>
#include <stddef.h>

/* What a compiled kernel has of its surroundings: set before a thread runs. Shims hold a struct of this layout. */
typedef struct grid_state {
  unsigned thread[3], group[3], threads[3], groups[3];
  void (*barrier)(void);
  void (*warp_barrier)(uint32_t mask);
  void (*exchange)(uint32_t mask, void *value, size_t bytes, int from);
} grid_state;

enum { GRID_FILL = 0xa5 }; /* what memory that nobody has written is filled with */

typedef struct grid_kernel {
  grid_state *state;
  void (*run)(void **arguments);
  char *shared, *shared_end; /* memory of a group; NULL: none */
} grid_kernel;

/* NULL: all threads have ended; else what kept them from it. */
const char *grid_run(const grid_kernel *k, void **arguments, const unsigned groups[3],
                     const unsigned threads[3]);
#endif
