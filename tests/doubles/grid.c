/* grid.c: runs launches on the host. Uses grid.h, fibers.h. */
#include "grid.h"
#include "fibers.h"
#include <string.h>

typedef struct running {
  const grid_kernel *kernel;
  void **arguments;
} running;

static void body(void *context, int thread) {
  (void)thread;
  const running *r = context;
  r->kernel->run(r->arguments);
}

static void set_thread(void *context, int thread) {
  const running *r = context;
  grid_state *s = r->kernel->state;
  s->thread[0] = (unsigned)thread % s->threads[0];
  s->thread[1] = (unsigned)thread / s->threads[0] % s->threads[1];
  s->thread[2] = (unsigned)thread / s->threads[0] / s->threads[1];
}

const char *grid_run(const grid_kernel *k, void **arguments, const unsigned groups[3],
                     const unsigned threads[3]) {
  grid_state *s = k->state;
  running r = {k, arguments};
  const int n = (int)(threads[0] * threads[1] * threads[2]);
  const int64_t count = (int64_t)groups[0] * groups[1] * groups[2];
  memcpy(s->threads, threads, sizeof s->threads);
  memcpy(s->groups, groups, sizeof s->groups);
  s->barrier = fibers_barrier, s->warp_barrier = fibers_warp_barrier, s->exchange = fibers_exchange;
  for (int64_t g = 0; g < count; g++) {
    s->group[0] = (unsigned)(g % groups[0]);
    s->group[1] = (unsigned)(g / groups[0] % groups[1]);
    s->group[2] = (unsigned)(g / groups[0] / groups[1]);
    if (k->shared) memset(k->shared, GRID_FILL, (size_t)(k->shared_end - k->shared));
    const char *stuck = fibers_run(n, body, set_thread, &r);
    if (stuck) return stuck;
  }
  return NULL;
}
