/* run.h: the door of run/: plans are run, arrays are computed, read and printed, functions compiled, runs
   profiled. Uses base/, device/, graph/, plan/. */
#ifndef RUN_H
#define RUN_H
#include "plan/plan.h"
#include <pons/eval.h>

/* ---- execute.c: a plan and buffers ---- */

/* What running a plan needs besides its inputs and outputs; may be used again for the same plan, by one run
   at a time. */
typedef struct workspace workspace;
workspace *workspace_new(const plan *p, bool runs_once); /* NULL: no memory */
void workspace_free(workspace *w);       /* NULL is fine */

/* Elements in a buffer: the first at byte `offset`. */
typedef struct run_input {
  buffer *buffer;
  int64_t offset;
  bool may_take; /* nobody else reads it: an output may take over the buffer, which is NULL then */
} run_input;
typedef struct run_output {
  buffer *buffer; /* the caller's; NULL: */
  error *failed;  /* why; the caller's */
  int64_t offset; /* of the first element, in elements */
} run_output;
/* Fills `out` (one per output of the plan). What does not depend on a step that failed is computed all the
   same. */
void plan_execute(const plan *p, workspace *w, run_input *in, run_output *out);
/* Elements in host memory, in row-major order in memory of their own. */
buffer *run_row_major(const operand *x, error **why);

/* ---- eval.c ---- */

/* How many evaluations have failed on this thread: a function that was traced while one did took a way it did
   not mean to. */
unsigned eval_failures(void);
/* pons_eval_many for those who run something on them next: a device may not have done yet what was launched on it. */
bool eval_inputs(const pons_array *arrays, int count);

/* ---- watch.c: PONS_SHOW=graph,plan,kernel,launch prints to stderr what is worked on ---- */

enum { SHOW_GRAPH = 1, SHOW_PLAN = 2, SHOW_KERNEL = 4, SHOW_LAUNCH = 8 };
bool show_is_on(int what);
void show_plan(const plan *p);
void show_graph(const pons_array *roots, int n_roots);
void show_launch(const plan_step *s, int64_t ns);

/* ---- profile.c ---- */

bool profile_is_on(void); /* reads PONS_PROFILE at the first call */
void profile_step(const device *d, const plan_step *s, int64_t start_ns, int64_t end_ns);
#endif
