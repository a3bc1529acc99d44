/* job.c: runs a plan for nodes: waits for its inputs, binds them, executes, and gives the nodes their values
   or errors. Uses execute.c, graph/, device/. */
#include "run/job.h"

job *job_new(const plan *p, bool runs_once, int n_results, error **why) {
  const size_t n_in = (size_t)p->n_inputs, n_out = (size_t)p->n_outputs, n = (size_t)n_results;
  job *j = mem_zalloc(sizeof *j + n_in * (sizeof *j->in + sizeof *j->leaves) + n_out * sizeof *j->out +
                      n * sizeof *j->results);
  workspace *w = j ? workspace_new(p, runs_once) : NULL;
  if (!w) {
    mem_free(j);
    *why = fail_no_memory("eval");
    return NULL;
  }
  j->plan = p;
  j->workspace = w;
  j->in = (run_input *)(j + 1);
  j->out = (run_output *)(j->in + n_in);
  j->leaves = (plan_leaf *)(j->out + n_out);
  j->results = (node **)(j->leaves + n_in);
  j->n_results = n_results;
  return j;
}

static void release_inputs(job *j, int count) {
  for (int i = 0; i < count; i++) {
    buffer_release(j->in[i].buffer);
    pons_release(j->leaves[i].node);
    j->in[i] = (run_input){0};
    j->leaves[i].node = NULL;
  }
}

void job_free(job *j) {
  release_inputs(j, j->plan->n_inputs);
  workspace_free(j->workspace);
  event_release(j->done);
  mem_free(j);
}

/* Is the value there, and its elements where the plan expects them? */
static bool is_as_expected(const plan_input *expected, const node *n) {
  if (node_state_of(n) != NODE_READY) return false;
  if (memcmp(node_strides(n), expected->strides, n->ndim * sizeof *node_strides(n)) == 0) return true;
  return shape_is_row_major(n->ndim, n->shape, node_strides(n)) &&
         shape_is_row_major(n->ndim, n->shape, expected->strides);
}

/* Under graph_lock: binds the input if that needs no work. */
static void bind_if_ready(job *j, int i) {
  const plan_leaf leaf = j->leaves[i];
  const node *n = leaf.node;
  if (leaf.result >= 0 && node_state_of(n) == NODE_READY) {
    buffer *b = n->results[leaf.result];
    j->in[i] = (run_input){buffer_keep(b), 0, false};
  } else if (leaf.result < 0 && is_as_expected(&j->plan->inputs[i], n)) {
    j->in[i] = (run_input){buffer_keep(n->buffer), node_offset(n), false};
  }
}

void job_bind(job *j, int input, plan_leaf leaf) {
  pons_keep(leaf.node);
  j->leaves[input] = leaf;
  bind_if_ready(j, input);
}

static bool keeps_history(const node *n) { return n->traced && trace_is_open(); }

bool job_begin(job *j, node *const *results) {
  j->done = event_new();
  if (!j->done) return false;
  for (int i = 0; i < j->n_results; i++) j->results[i] = pons_keep(results[i]);
  for (int i = 0; i < j->n_results; i++) node_schedule(j->results[i], j->done, keeps_history(j->results[i]));
  return true;
}

/* ---- inputs ---- */

/* Waits until the node has its value, and tells its error. */
static error *wait_for(node *n) {
  graph_lock();
  event *done = node_state_of(n) == NODE_SCHEDULED ? event_keep(n->done) : NULL;
  graph_unlock();
  if (done) event_wait(done);
  event_release(done);
  return node_failed(n) ? error_keep(n->error) : NULL;
}

/* Under graph_lock: binds an input that was not there when the plan was made: then it is expected in
   row-major order. */
static error *bind_late(job *j, int i) {
  bind_if_ready(j, i);
  if (j->in[i].buffer) return NULL;
  const node *n = j->leaves[i].node;
  error *why = NULL;
  char *data = buffer_host(n->buffer, node_bytes(n), &why);
  if (why) return why;
  const operand x = {data + node_offset(n), (pons_dtype)n->dtype, n->ndim, n->shape, node_strides(n)};
  buffer *b = run_row_major(&x, &why);
  if (b) j->in[i] = (run_input){b, 0, false};
  return why;
}

static error *bind_inputs(job *j) {
  error *why = NULL;
  for (int i = 0; i < j->plan->n_inputs; i++) {
    if (j->in[i].buffer) continue;
    error *e = wait_for(j->leaves[i].node);
    graph_lock();
    if (!e) e = bind_late(j, i);
    graph_unlock();
    if (!why)
      why = e;
    else
      error_release(e);
  }
  return why;
}

/* Nobody can come to hold a node that only this job holds, so its buffer may be overwritten. */
static void allow_taking(job *j) {
  for (int i = 0; i < j->plan->n_inputs - j->n_lasting; i++) {
    node *n = j->leaves[i].node;
    if (j->leaves[i].result >= 0 || j->in[i].buffer != n->buffer || node_refs(n) != 1) continue;
    pons_release(n);
    j->leaves[i].node = NULL;
    j->in[i].may_take = buffer_is_sole(j->in[i].buffer);
  }
}

/* ---- results ---- */

static void publish_several(node *n, run_output *out) {
  buffer **buffers = mem_alloc((size_t)n->n_out * sizeof *buffers);
  error *why = buffers ? NULL : fail_no_memory("eval");
  for (int i = 0; i < n->n_out; i++)
    if (out[i].failed && !why) why = error_keep(out[i].failed);
  for (int i = 0; i < n->n_out; i++) {
    if (why)
      buffer_release(out[i].buffer);
    else
      buffers[i] = out[i].buffer;
    error_release(out[i].failed);
  }
  if (why) {
    mem_free(buffers);
    node_publish_error(n, why);
    error_release(why);
  } else {
    node_publish_many(n, buffers, keeps_history(n));
  }
}

static void publish(node *n, const plan_output *o, run_output *out) {
  if (out->buffer) {
    node_publish(n, out->buffer, out->offset, o->strides, keeps_history(n));
  } else {
    node_publish_error(n, out->failed);
    error_release(out->failed);
  }
}

static void publish_all(const job *j) {
  graph_lock();
  for (int i = 0, at = 0; i < j->n_results; i++) {
    node *n = j->results[i];
    if (n->n_out > 1)
      publish_several(n, &j->out[at]);
    else
      publish(n, &j->plan->outputs[at], &j->out[at]);
    at += n->n_out;
  }
  graph_unlock();
}

/* Takes the reference to `why`. */
static void fail_all(const job *j, error *why) {
  graph_lock();
  for (int i = 0; i < j->n_results; i++) node_publish_error(j->results[i], why);
  graph_unlock();
  error_release(why);
}

/* What it held goes before the event is set: who waits may ask what memory is in use. */
static void finish(job *j) {
  event *done = j->done;
  j->done = NULL;
  release_inputs(j, j->plan->n_inputs - j->n_lasting);
  for (int i = 0; i < j->n_results; i++) {
    pons_release(j->results[i]);
    j->results[i] = NULL;
  }
  j->end(j);
  event_set(done);
  event_release(done);
}

static void run(job *j, bool on_streams_thread) {
  error *why = bind_inputs(j);
  if (why) {
    fail_all(j, why);
  } else {
    allow_taking(j);
    plan_execute(j->plan, j->workspace, j->in, j->out);
    publish_all(j);
  }
  for (int i = 0; on_streams_thread && i < j->n_results; i++)
    if (node_failed(j->results[i])) stream_note_failure(j->stream, j->results[i]->error);
  finish(j);
}

static void run_queued(void *context) { run(context, true); }

bool job_take_place(job *j, stream *s, bool on_this_thread) {
  j->stream = s;
  if (on_this_thread && stream_claim(s)) return true;
  if (!stream_run(s, false, run_queued, j)) {
    fail_all(j, fail_no_memory("eval"));
    finish(j);
  }
  return false;
}

void job_run_here(job *j) {
  stream *s = j->stream;
  run(j, false);
  stream_end(s);
}
