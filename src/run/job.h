/* job.h: a plan about to be run on a stream: its inputs, and the nodes that get its results. For run/ alone.

       job_new ── job_bind ── job_begin ── job_take_place
                                                 └──► on the stream: wait for inputs, run, publish, end */
#ifndef RUN_JOB_H
#define RUN_JOB_H
#include "run/run.h"

typedef struct job job;
struct job {
  const plan *plan;
  plan_leaf *leaves; /* one per input, with a reference each until the run is over */
  run_input *in;     /* one per input; with a buffer if it was ready */
  int n_lasting;     /* so many inputs at the end stay bound from run to run */
  run_output *out;
  workspace *workspace;
  node **results; /* that the outputs are for, with a reference each until the run is over */
  int n_results;
  event *done;
  stream *stream;
  void (*end)(job *j); /* after the run: frees the job or keeps it for another */
  void *owner;
};

/* All the memory that it will need but for buffers. NULL and *why if there is none. */
job *job_new(const plan *p, bool runs_once, int n_results, error **why);
void job_free(job *j); /* before job_begin or after the run */
/* Under graph_lock. Takes a reference to the node, and to its buffer if it is ready. */
void job_bind(job *j, int input, plan_leaf leaf);
/* Under graph_lock: the results (n_results of them) become scheduled. False: no memory, and nothing happened.
   */
bool job_begin(job *j, node *const *results);
/* Under the same graph_lock as job_begin: puts it among the stream's jobs. True: the stream had nothing to do
   and `on_this_thread` is set; then the caller runs it after graph_unlock. If it can't be put there its
   results become failed. */
bool job_take_place(job *j, stream *s, bool on_this_thread);
void job_run_here(job *j);
#endif
