/* workspace.h: what running a plan works on; for execute.c and recorded.c alone. */
#ifndef RUN_WORKSPACE_H
#define RUN_WORKSPACE_H
#include "run/run.h"

struct workspace {
  const plan *plan;
  buffer *arena;
  void **base;       /* of each memory: its first byte; NULL until there is one */
  buffer **held;     /* of each output memory, and of temporaries that have one */
  error **failed;    /* of each memory: why it holds nothing */
  operand *operands; /* of the step under way */
  location *places;  /* where they are on a device with memory of its own */
  bool any_failed;
  /* ---- recorded.c ---- */
  void *recording;  /* of the plan's launches; NULL: none */
  int64_t *offsets; /* of each input when it was made */
  int runs;
  bool is_recorded; /* this run */
  bool is_unfit;    /* it could not be recorded */
};

static inline bool has_memory(const device *d) { return d->driver->memory != NULL; }

/* The steps one by one; with `why` none of them, and all results have failed. */
void run_steps(const plan *p, workspace *w, run_input *in, error *why);

/* ---- recorded.c ---- */

/* Runs the steps as one, or makes the recording for it. False: nothing was done. */
bool recorded_run(const plan *p, workspace *w, run_input *in);
void recorded_forget(workspace *w);
#endif
