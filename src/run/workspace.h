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
  void **kept;       /* of each kernel: what its driver keeps of it; NULL: each is run once */
  bool any_failed;
  /* ---- recorded.c ---- */
  void *recording;  /* of the plan's launches; NULL: none */
  int64_t *offsets; /* of each input when it was made */
  int runs;
  bool runs_once; /* of an eval: the plan goes with it */
  bool is_recorded; /* this run */
  bool is_unfit;    /* it could not be recorded */
};

static inline bool has_memory(const device *d) { return d->driver->memory != NULL; }

/* The steps one by one; with `why` none of them, and all results have failed. */
void run_steps(const plan *p, workspace *w, run_input *in, error *why);

/* The buffer that the step's result takes over, with a reference, or NULL. The operand keeps it until the job is done: the step may
   have to be tried again. On a device with memory of its own; of temporaries too. */
buffer *taken_over(const plan *p, const workspace *w, const run_input *in, const plan_step *s, int32_t memory);

/* Which bytes of its buffer operand k is. */
byte_range operand_bytes(const plan *p, const run_input *in, const plan_step *s, int k);
/* Is the result, which has a buffer, an update of the first operand in that operand's memory? Then only this is written, of a result that
   begins at byte `offset`, and nothing else of the memory touched; over: see prim.updated. */
bool updates_in_place(const plan *p, const workspace *w, const run_input *in, const plan_step *s);
byte_range updated_bytes(const plan_step *s, int64_t offset, bool *over);

/* ---- recorded.c ---- */

/* Runs the steps as one, or makes the recording for it. False: nothing was done. */
bool recorded_run(const plan *p, workspace *w, run_input *in);
bool recorded_can(const plan *p);
bool recorded_now(const plan *p, workspace *w, run_input *in); /* at the first run already */
void recorded_forget(workspace *w);

/* ---- alike.c ---- */

/* The same of an eval's plan, if one before had such steps. */
bool alike_run(const plan *p, workspace *w, run_input *in);
#endif
