/* recorded.c: a plan that is run again makes its launches at once, where its device can.

       run 1   step by step: kernels get compiled, libraries opened; many plans are run no further
       run 2   step by step, each launch noted; then all are made together, and kept
       run 3   inputs and results are bound, and what was kept is made again; no step is looked at

   Temporaries stay with the recording. A plan with a step for the host is run step by step. An eval's plan runs once: alike.c.
   Uses execute.c, device/. */
#include "run/workspace.h"

void recorded_forget(workspace *w) {
  if (w->recording) w->plan->device->driver->recording->forget(w->recording);
  w->recording = NULL;
}

/* Steps that are watched are timed one by one. */
bool recorded_can(const plan *p) {
  if (!p->device->driver->recording || profile_is_on() || show_is_on(SHOW_LAUNCH)) return false;
  for (int i = 0; i < p->n_steps; i++) /* what other processes wait for is made once, in its place */
    if (p->steps[i].device != p->device || (p->steps[i].prim && p->steps[i].prim->ordered)) return false;
  return p->n_steps > 0;
}

/* ---- binding ---- */

/* Inputs are brought to the device, results made there: their memories, by number. Twice is fine. A plan that is run again would have
   other memories each time, if its results took over operands. */
static error *bind_memory(const plan *p, workspace *w, const run_input *in, const plan_step *s, int k, void **memories) {
  error *why = NULL;
  const int32_t m = s->memories[k];
  const plan_memory *of = &p->memories[m];
  if (of->kind == MEMORY_ARENA || (of->kind == MEMORY_OUTPUT && memories[m])) return NULL;
  const bool in_place = updates_in_place(p, w, in, s);
  bool over = true;
  if (of->kind == MEMORY_INPUT) {
    memories[m] = buffer_on(in[m].buffer, p->device, in_place && k == 0 ? NO_BYTES : operand_bytes(p, in, s, k), &why);
    return why;
  }
  if (!w->held[m]) w->held[m] = buffer_new_on(p->device, (size_t)of->bytes, "eval", &why);
  const byte_range part = in_place ? updated_bytes(s, 0, &over) : ALL_BYTES;
  if (!why) memories[m] = buffer_written_on(w->held[m], p->device, part, over, &why);
  return why;
}

static error *bind_memories(const plan *p, workspace *w, const run_input *in, void **memories) {
  error *why = NULL;
  for (int i = 0; i < p->n_steps && !why; i++) {
    const plan_step *s = &p->steps[i];
    for (int k = s->n_in; k < s->n_in + s->n_out && w->runs_once; k++) {
      const int32_t m = s->memories[k];
      if (p->memories[m].kind == MEMORY_OUTPUT && !memories[m]) w->held[m] = taken_over(p, w, in, s, m);
    }
    for (int k = 0; k < s->n_in + s->n_out && !why; k++)
      why = bind_memory(p, w, in, s, k, memories);
  }
  return why;
}

static void release_held(const plan *p, workspace *w, memory_kind kind) {
  for (int m = p->n_inputs; m < p->n_memories; m++) {
    if (p->memories[m].kind != kind) continue;
    buffer_release(w->held[m]);
    w->held[m] = NULL;
  }
}

/* ---- running ---- */

static bool lies_as_recorded(const plan *p, const workspace *w, const run_input *in) {
  for (int i = 0; i < p->n_inputs; i++)
    if (w->offsets[i] != in[i].offset) return false;
  return true;
}

/* No result of the plan is there. */
static void fail_everything(const plan *p, workspace *w, error *why) {
  for (int m = p->n_inputs; why && m < p->n_memories; m++)
    if (!w->failed[m]) w->failed[m] = error_keep(why);
  w->any_failed |= why != NULL;
  error_release(why);
}

/* A step failed while its launches were noted: with less memory held it may not, so the plan is run as others are. */
static void undo(const plan *p, workspace *w) {
  for (int m = p->n_inputs; m < p->n_memories; m++) {
    error_release(w->failed[m]);
    w->failed[m] = NULL;
  }
  w->any_failed = false;
  w->is_unfit = true;
}

static bool record(const plan *p, workspace *w, run_input *in, void *const *memories) {
  const recording_driver *r = p->device->driver->recording;
  error *why = NULL;
  w->recording = r->begin(p->device->index, w->recording, w->runs_once ? 0 : p->n_memories, memories);
  if (!w->recording) return false;
  for (int i = 0; i < p->n_inputs; i++) w->offsets[i] = in[i].offset;
  w->is_recorded = true;
  run_steps(p, w, in, NULL);
  w->is_recorded = false;
  release_held(p, w, MEMORY_ARENA);
  if (w->any_failed) {
    const bool nothing_was_launched = r->drop(w->recording);
    w->recording = NULL;
    w->is_unfit = true;
    if (w->runs_once && !nothing_was_launched) return true; /* operands may be written over */
    undo(p, w);
    return false;
  }
  if (!r->end(w->recording, &why)) { /* it will be no other the next time */
    w->recording = NULL;
    w->is_unfit = true;
  }
  if (w->is_unfit) recorded_forget(w);
  fail_everything(p, w, why);
  return true;
}

static bool run_bound(const plan *p, workspace *w, run_input *in, void *const *memories) {
  error *why = NULL;
  if (w->recording && !w->runs_once && lies_as_recorded(p, w, in) &&
      p->device->driver->recording->repeat(w->recording, p->n_memories, memories, &why))
    return true;
  if (!why) return record(p, w, in, memories);
  fail_everything(p, w, why);
  return true;
}

bool recorded_run(const plan *p, workspace *w, run_input *in) {
  enum { FIRST_RECORDED = 2 };
  if (w->runs_once) return alike_run(p, w, in);
  if (w->runs < FIRST_RECORDED) w->runs++;
  return w->runs == FIRST_RECORDED && recorded_now(p, w, in);
}

bool recorded_now(const plan *p, workspace *w, run_input *in) {
  if (w->is_unfit || !recorded_can(p)) return false;
  const bool was_fine = pons_ok();
  void **memories = mem_zalloc((size_t)p->n_memories * sizeof *memories);
  device_bind_begin(p->device);
  error *why = memories ? bind_memories(p, w, in, memories) : NULL;
  const bool done = memories && !why && run_bound(p, w, in, memories);
  device_bind_end(p->device);
  mem_free(memories);
  if (done) return true;
  release_held(p, w, MEMORY_OUTPUT);
  recorded_forget(w); /* step by step it needs less memory */
  if (was_fine) pons_clear_error();
  error_release(why);
  return false;
}
