/* execute.c: runs a plan: each step in order on its device, operands bound to memory. Knows no graph. Uses
   plan.h, device/. */
#include "run/run.h"

struct workspace {
  buffer *arena;
  void **base;       /* of each memory: its first byte; NULL until there is one */
  buffer **held;     /* of each output memory */
  error **failed;    /* of each memory: why it holds nothing */
  operand *operands; /* of the step under way */
  bool any_failed;
};

workspace *workspace_new(const plan *p) {
  const size_t n = (size_t)p->n_memories;
  workspace *w = mem_alloc(sizeof *w + n * (sizeof *w->base + sizeof *w->held + sizeof *w->failed) +
                           (size_t)p->max_operands * sizeof *w->operands);
  if (!w) return NULL;
  w->arena = NULL;
  w->operands = (operand *)(w + 1);
  w->base = (void **)(w->operands + p->max_operands);
  w->held = (buffer **)(w->base + n);
  w->failed = (error **)(w->held + n);
  return w;
}

void workspace_free(workspace *w) {
  if (!w) return;
  buffer_release(w->arena);
  mem_free(w);
}

/* All memories that have no buffer of their own yet; the arena is made when first needed. */
static error *bind(const plan *p, workspace *w, const run_input *in) {
  error *why = NULL;
  if (!w->arena && p->arena_bytes) w->arena = buffer_new((size_t)p->arena_bytes, "eval", &why);
  char *arena = w->arena ? buffer_data(w->arena) : NULL;
  w->any_failed = false;
  for (int i = 0; i < p->n_memories; i++) {
    const plan_memory *m = &p->memories[i];
    w->held[i] = NULL;
    w->failed[i] = NULL;
    w->base[i] = m->kind == MEMORY_INPUT            ? in[i].data
                 : m->kind == MEMORY_ARENA && arena ? arena + m->offset
                                                    : NULL;
  }
  return why;
}

/* The operand whose buffer the step's result takes over, or -1. */
static int find_donor(const plan_step *s, const run_input *in) {
  for (int k = 0; s->donors >> k; k++)
    if (s->donors >> k & 1 && in[s->memories[k]].may_take) return k;
  return -1;
}

static error *make_output(const plan *p, workspace *w, run_input *in, const plan_step *s, int32_t memory) {
  const int donor = find_donor(s, in);
  if (donor >= 0) {
    run_input *from = &in[s->memories[donor]];
    w->held[memory] = from->buffer;
    w->base[memory] = from->data;
    from->buffer = NULL;
    return NULL;
  }
  error *why = NULL;
  w->held[memory] = buffer_new((size_t)p->memories[memory].bytes, s->name, &why);
  if (!w->held[memory]) return why;
  w->base[memory] = buffer_data(w->held[memory]);
  return NULL;
}

/* Inputs that nobody will read any more give their memory back before the rest is run. */
static void release_ended(const plan_step *s, run_input *in) {
  for (int k = 0; k < 32 && s->ends >> k; k++) {
    run_input *from = &in[s->memories[k]];
    if (!(s->ends >> k & 1) || !from->may_take) continue;
    buffer_release(from->buffer);
    from->buffer = NULL;
  }
}

static error *run_step(const plan *p, workspace *w, run_input *in, const plan_step *s) {
  for (int i = s->n_in; i < s->n_in + s->n_out; i++) {
    if (p->memories[s->memories[i]].kind != MEMORY_OUTPUT) continue;
    error *why = make_output(p, w, in, s, s->memories[i]);
    if (why) return why;
  }
  operand *o = w->operands;
  for (int i = 0; i < s->n_in + s->n_out; i++) {
    o[i] = s->operands[i];
    o[i].data = (char *)w->base[s->memories[i]] + s->offsets[i];
  }
  if (s->kernel) return p->device->driver->run_kernel(s->kernel, o, o + s->n_in);
  const launch l = {s->params, s->n_in, s->n_out, o, o + s->n_in};
  return s->implementation->run(&l);
}

static error *run_watched(const plan *p, workspace *w, run_input *in, const plan_step *s) {
  const int64_t start = time_ns();
  error *why = run_step(p, w, in, s);
  const int64_t end = time_ns();
  if (profile_is_on()) profile_step(p->device, s, start, end);
  if (show_is_on(SHOW_LAUNCH)) show_launch(s, end - start);
  return why;
}

/* Takes the reference to `why`. */
static void fail_results(workspace *w, const plan_step *s, error *why) {
  w->any_failed = true;
  for (int i = s->n_in; i < s->n_in + s->n_out; i++) w->failed[s->memories[i]] = error_keep(why);
  error_release(why);
}

static error *failed_operand(const workspace *w, const plan_step *s) {
  for (int i = 0; i < s->n_in; i++)
    if (w->failed[s->memories[i]]) return error_keep(w->failed[s->memories[i]]);
  return NULL;
}

static void hand_out(const plan *p, workspace *w, const run_input *in, const plan_output *o,
                     run_output *out) {
  const plan_memory *m = &p->memories[o->memory];
  *out = (run_output){0};
  if (w->failed[o->memory]) {
    out->failed = error_keep(w->failed[o->memory]);
    return;
  }
  if (m->kind == MEMORY_OUTPUT && !w->held[o->memory]) { /* no step: it is empty */
    w->held[o->memory] = buffer_new(0, "eval", &out->failed);
    if (!w->held[o->memory]) return;
    w->base[o->memory] = buffer_data(w->held[o->memory]);
  }
  out->buffer = buffer_keep(m->kind == MEMORY_OUTPUT ? w->held[o->memory] : in[o->memory].buffer);
  const int64_t before = (char *)w->base[o->memory] - (char *)buffer_data(out->buffer);
  out->offset = before / (int64_t)pons_dtype_size(o->dtype) + o->offset;
}

void plan_execute(const plan *p, workspace *w, run_input *in, run_output *out) {
  error *why = bind(p, w, in);
  const bool watched = profile_is_on() || show_is_on(SHOW_LAUNCH);
  for (int i = 0; i < p->n_steps; i++) {
    const plan_step *s = &p->steps[i];
    error *e = why ? error_keep(why) : w->any_failed ? failed_operand(w, s) : NULL;
    if (!e) e = watched ? run_watched(p, w, in, s) : run_step(p, w, in, s);
    if (e) fail_results(w, s, e);
    if (s->ends) release_ended(s, in);
  }
  error_release(why);
  for (int i = 0; i < p->n_outputs; i++) hand_out(p, w, in, &p->outputs[i], &out[i]);
  for (int i = p->n_inputs; i < p->n_memories; i++) {
    buffer_release(w->held[i]);
    if (w->any_failed) error_release(w->failed[i]);
  }
}

buffer *run_row_major(const device *d, const operand *x, error **why) {
  const int64_t size = shape_size(x->ndim, x->shape);
  buffer *b = buffer_new((size_t)size * pons_dtype_size(x->dtype), "copy", why);
  if (!b || size == 0) return b;
  int64_t strides[PONS_MAX_NDIM];
  shape_row_major(x->ndim, x->shape, strides);
  const operand out = {buffer_data(b), x->dtype, x->ndim, x->shape, strides};
  kernel copy = {.n_in = 1, .n_out = 1, .in = {(uint8_t)x->dtype}, .out = {0}};
  *why = d->driver->run_kernel(&copy, x, &out);
  if (!*why) return b;
  buffer_release(b);
  return NULL;
}
