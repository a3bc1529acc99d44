/* execute.c: runs a plan: each step in order on its device, operands bound to memory. Knows no graph. Uses
   plan.h, device/, recorded.c. */
#include "run/workspace.h"

workspace *workspace_new(const plan *p, bool runs_once) {
  const size_t n = (size_t)p->n_memories, n_kept = !runs_once || p->repeats ? (size_t)p->n_kernels : 0;
  workspace *w = mem_zalloc(sizeof *w +
                            n * (sizeof *w->base + sizeof *w->held + sizeof *w->failed + sizeof *w->offsets) +
                            (size_t)p->max_operands * (sizeof *w->operands + sizeof *w->places) + n_kept * sizeof *w->kept);
  if (!w) return NULL;
  w->plan = p;
  w->runs_once = runs_once;
  w->operands = (operand *)(w + 1);
  w->places = (location *)(w->operands + p->max_operands);
  w->base = (void **)(w->places + p->max_operands);
  w->held = (buffer **)(w->base + n);
  w->failed = (error **)(w->held + n);
  w->offsets = (int64_t *)(w->failed + n);
  w->kept = n_kept ? (void **)(w->offsets + n) : NULL;
  return w;
}

static void forget_kernels(workspace *w) {
  for (int i = 0; w->kept && i < w->plan->n_steps; i++) {
    const plan_step *s = &w->plan->steps[i];
    if (!(s->kernel || s->chains.behind) || !w->kept[s->kernel_number]) continue;
    s->device->driver->forget(w->kept[s->kernel_number]);
    w->kept[s->kernel_number] = NULL;
  }
}

void workspace_free(workspace *w) {
  if (!w) return;
  recorded_forget(w);
  forget_kernels(w);
  buffer_release(w->arena);
  mem_free(w);
}

/* ---- which bytes of its memory an operand is ---- */

byte_range operand_bytes(const plan *p, const run_input *in, const plan_step *s, int k) {
  const operand *x = &s->operands[k];
  const int32_t m = s->memories[k];
  const int64_t offset = s->offsets[k] + (p->memories[m].kind == MEMORY_INPUT ? in[m].offset : 0);
  return byte_range_of(offset, x->ndim, x->shape, x->strides, pons_dtype_size(x->dtype));
}

/* Those that an update in place may write: at byte `offset` of the buffer the result begins. */
byte_range updated_bytes(const plan_step *s, int64_t offset, bool *over) {
  const operand *y = &s->operands[s->n_in];
  *over = false;
  if (!s->prim->updated) return byte_range_of(offset, y->ndim, y->shape, y->strides, pons_dtype_size(y->dtype));
  const updated u = s->prim->updated(s->params, s->operands, y);
  const int64_t size = (int64_t)pons_dtype_size(y->dtype);
  *over = u.over;
  return (byte_range){(size_t)(offset + u.from * size), (size_t)(offset + u.to * size)};
}

/* ---- where all memories are the host's ---- */

/* The operand whose buffer the step's result takes over, or -1. */
static int find_donor(const plan_step *s, const run_input *in) {
  for (int k = 0; s->donors >> k; k++)
    if (s->donors >> k & 1 && in[s->memories[k]].may_take) return k;
  return -1;
}

static bool is_update(const plan_step *s) { return s->prim && !s->kernel && s->prim->updates; }

/* Inputs of which something is on a device: of each what steps read. */
static error *bring_inputs(const plan *p, workspace *w, const run_input *in) {
  error *why = NULL;
  for (int i = 0; i < p->n_steps; i++) {
    const plan_step *s = &p->steps[i];
    for (int k = 0; k < s->n_in && !why; k++) {
      const int32_t m = s->memories[k];
      if (p->memories[m].kind != MEMORY_INPUT || (w->base[m] && buffer_at_hand(in[m].buffer))) continue;
      const bool is_kept = k == 0 && is_update(s) && find_donor(s, in) == 0; /* none of it is read */
      char *data = buffer_host(in[m].buffer, is_kept ? NO_BYTES : operand_bytes(p, in, s, k), &why);
      if (data) w->base[m] = data + in[m].offset;
    }
  }
  return why;
}

/* All memories that have no buffer of their own yet; the arena is made when first needed. On a device with
   memory of its own each temporary has a buffer, so that each is where it was written. */
static error *bind(const plan *p, workspace *w, const run_input *in) {
  error *why = NULL;
  const bool apart = has_memory(p->device);
  if (!apart && !w->arena && p->arena_bytes) w->arena = buffer_new((size_t)p->arena_bytes, "eval", &why);
  char *arena = w->arena ? buffer_data(w->arena) : NULL;
  bool all_here = true;
  w->any_failed = false;
  for (int i = 0; i < p->n_memories; i++) {
    const plan_memory *m = &p->memories[i];
    w->held[i] = NULL;
    w->failed[i] = NULL;
    w->base[i] = m->kind == MEMORY_ARENA && arena ? arena + m->offset : NULL;
    if (m->kind != MEMORY_INPUT || apart) continue;
    const char *data = buffer_at_hand(in[i].buffer);
    if (data) w->base[i] = (char *)data + in[i].offset;
    else all_here = false;
  }
  return why || all_here ? why : bring_inputs(p, w, in);
}

/* Over the operand's memory, or a part of it. */
static error *take_over(workspace *w, run_input *from, const plan_step *s, int32_t memory) {
  error *why = NULL;
  bool over = true;
  const byte_range part = is_update(s) ? updated_bytes(s, from->offset, &over) : ALL_BYTES;
  char *data = buffer_written_on_host(from->buffer, part, over, &why);
  if (!data) return why;
  w->held[memory] = from->buffer;
  w->base[memory] = data + from->offset;
  from->buffer = NULL;
  return NULL;
}

static error *make_output(const plan *p, workspace *w, run_input *in, const plan_step *s, int32_t memory) {
  const int donor = p->memories[memory].kind == MEMORY_OUTPUT ? find_donor(s, in) : -1;
  if (donor >= 0) return take_over(w, &in[s->memories[donor]], s, memory);
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

/* Runs the step on operands that are bound. */
static error *launch_step(workspace *w, const plan_step *s) {
  const driver *v = s->device->driver;
  const operand *o = w->operands;
  if (s->kernel && w->kept && v->run_kernel_again)
    return v->run_kernel_again(s->kernel, o, o + s->n_in, &w->kept[s->kernel_number]);
  if (s->kernel) return v->run_kernel(s->kernel, o, o + s->n_in);
  const launch l = {s->params, s->n_in - s->adds, s->n_out, o, o + s->n_in};
  if (s->chained) return s->chained(&l, &s->chains, w->kept && s->chains.behind ? &w->kept[s->kernel_number] : NULL);
  const epilogue e = {s->adds ? &o[l.n_in] : NULL, s->activation};
  return s->epilogue ? s->epilogue(&l, &e) : s->implementation->run(&l);
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
    char *base = w->base[s->memories[i]]; /* NULL: nothing but empty arrays */
    o[i].data = base ? base + s->offsets[i] : NULL;
  }
  return launch_step(w, s);
}

/* ---- the same where memories are buffers: each operand is brought to where the step runs ---- */

static void set_operand(workspace *w, const plan_step *s, int k, void *at, int64_t offset) {
  w->operands[k] = s->operands[k];
  w->places[k] = (location){at, offset, s->device->index};
  w->operands[k].data = has_memory(s->device) ? (void *)&w->places[k] : at ? (char *)at + offset : NULL;
}

static buffer *operand_buffer(const plan *p, const workspace *w, const run_input *in, int32_t memory) {
  return p->memories[memory].kind == MEMORY_INPUT ? in[memory].buffer : w->held[memory];
}

bool updates_in_place(const plan *p, const workspace *w, const run_input *in, const plan_step *s) {
  if (!is_update(s) || s->n_out != 1) return false;
  const buffer *before = operand_buffer(p, w, in, s->memories[0]);
  return before && before == w->held[s->memories[s->n_in]];
}

static error *bind_input_apart(const plan *p, workspace *w, const run_input *in, const plan_step *s, int k) {
  error *why = NULL;
  const int32_t m = s->memories[k];
  const bool given = p->memories[m].kind == MEMORY_INPUT;
  buffer *b = operand_buffer(p, w, in, m);
  const int64_t offset = s->offsets[k] + (given ? in[m].offset : 0);
  const byte_range part = k == 0 && updates_in_place(p, w, in, s) ? NO_BYTES : operand_bytes(p, in, s, k);
  void *at = NULL; /* of what is empty: no step made it */
  if (b) at = has_memory(s->device) ? buffer_on(b, s->device, part, &why) : buffer_host(b, part, &why);
  set_operand(w, s, k, at, offset);
  return why;
}

buffer *taken_over(const plan *p, const workspace *w, const run_input *in, const plan_step *s, int32_t memory) {
  if (p->memories[memory].kind == MEMORY_ARENA) {
    int k = 0;
    while (s->donors >> k && !(s->donors >> k & 1)) k++;
    return s->donors ? buffer_keep(w->held[s->memories[k]]) : NULL;
  }
  const int donor = find_donor(s, in);
  const run_input *from = donor >= 0 ? &in[s->memories[donor]] : NULL;
  return from && from->offset == 0 ? buffer_keep(from->buffer) : NULL;
}

static error *bind_output_apart(const plan *p, workspace *w, const run_input *in, const plan_step *s, int k) {
  error *why = NULL;
  const int32_t m = s->memories[k];
  const size_t bytes = (size_t)p->memories[m].bytes;
  if (!w->held[m]) /* else it was taken over, or made before the steps (recorded.c), or at a try before */
    w->held[m] = has_memory(s->device) ? buffer_new_on(s->device, bytes, s->name, &why)
                                       : buffer_new(bytes, s->name, &why);
  if (!w->held[m]) return why;
  bool over = true;
  const byte_range part = updates_in_place(p, w, in, s) ? updated_bytes(s, 0, &over) : ALL_BYTES;
  void *at = has_memory(s->device) ? buffer_written_on(w->held[m], s->device, part, over, &why) : buffer_host(w->held[m], ALL_BYTES, &why);
  set_operand(w, s, k, at, 0);
  return why;
}

static error *bind_and_launch(const plan *p, workspace *w, run_input *in, const plan_step *s) {
  error *why = NULL;
  for (int k = s->n_in; has_memory(s->device) && k < s->n_in + s->n_out; k++)
    if (!w->held[s->memories[k]]) w->held[s->memories[k]] = taken_over(p, w, in, s, s->memories[k]);
  for (int k = 0; !why && k < s->n_in + s->n_out; k++)
    why = k < s->n_in ? bind_input_apart(p, w, in, s, k) : bind_output_apart(p, w, in, s, k);
  return why ? why : launch_step(w, s);
}

/* Bytes of the elements of all operands. */
static size_t step_bytes(const plan_step *s) {
  size_t bytes = 0;
  for (int i = 0; i < s->n_in + s->n_out; i++)
    bytes += (size_t)shape_size(s->operands[i].ndim, s->operands[i].shape) * pons_dtype_size(s->operands[i].dtype);
  return bytes;
}

/* Where the device's memory is full, what was used longest ago gives way: first as much as the step has operands, then all. */
static error *launch_in_memory(const plan *p, workspace *w, run_input *in, const plan_step *s) {
  const bool was_fine = pons_ok();
  error *why = NULL;
  for (int i = 0; i < 3; i++) {
    if (i == 2) device_bind_alone(s->device);
    else device_bind_begin(s->device);
    why = bind_and_launch(p, w, in, s);
    device_bind_end(s->device);
    if (i == 2 || !why || error_kind(why) != PONS_ERROR_MEMORY) break;
    if (i == 0) device_make_room(s->device, step_bytes(s));
    error_release(why);
    if (was_fine) pons_clear_error();
  }
  return why;
}

/* The call's own operands, as they are for who does not know of chains: what lies between is not there yet. */
static bool keeps_front(const plan_step *s) { return s->chains.front && s->chains.front->n_out == 2; }
typedef struct whole_call {
  launch l;
  operand in[CHAINED_OPERANDS]; /* where there are chains */
  operand z;
} whole_call;
static void whole_call_of(whole_call *w, const plan_step *s, const operand *o) {
  const chains *c = &s->chains;
  const int n_front = c->front ? c->front->n_in : 1;
  w->l = (launch){s->params, s->n_in - s->adds, s->n_out, o, o + s->n_in};
  if (!s->chained) return;
  w->l.n_in = 1 + s->n_in - n_front - (c->behind ? c->behind->n_in - 1 : 0);
  w->l.in = w->in;
  w->in[0] = c->front ? *c->y : o[0];
  memcpy(w->in + 1, o + n_front, (size_t)(w->l.n_in - 1) * sizeof *o);
  w->l.n_out -= keeps_front(s);
  if (!c->behind) return;
  w->z = *c->z;
  w->l.n_out = 1;
  w->l.out = &w->z;
}

/* How the host computes a call; NULL: it can't. */
static const implementation *way_on_host(const plan_step *s, const operand *o) {
  whole_call w;
  whole_call_of(&w, s, o);
  return device_pick(device_host(), s->implementation->prim, &w.l, NULL);
}

static error *add_on_host(const operand *y, const operand *added) {
  const uint8_t d = (uint8_t)y->dtype;
  const kernel add = {2, 1, 1, {d, d}, {{ROW_add, d, d, {0, 1, -1}}}, {2}};
  return device_host()->driver->run_kernel(&add, (const operand[]){*y, *added}, y);
}

static error *activate_on_host(const operand *y, activation a) {
  const int64_t repeated[PONS_MAX_NDIM] = {0};
  double values[KERNEL_MAX_INPUTS];
  uint64_t numbers[KERNEL_MAX_INPUTS];
  operand in[KERNEL_MAX_INPUTS] = {*y};
  kernel k;
  activation_kernel(a, y->dtype, &k, values);
  for (int i = 1; i < k.n_in; i++) {
    dtype_write(y->dtype, &numbers[i], values[i - 1]);
    in[i] = (operand){&numbers[i], y->dtype, y->ndim, y->shape, repeated};
  }
  return device_host()->driver->run_kernel(&k, in, y);
}

/* Memory for what lies between; it is the caller's. */
static buffer *room_for(operand *x, const char *name, error **why) {
  buffer *b = buffer_new((size_t)shape_size(x->ndim, x->shape) * pons_dtype_size(x->dtype), name, why);
  if (b) x->data = buffer_data(b);
  return b;
}

/* Where it is kept, in the memory of the step's last result; else in some that is the caller's. */
static error *run_front(const plan_step *s, const operand *o, operand *y, buffer **held) {
  error *why = NULL;
  kernel k = *s->chains.front;
  k.n_out = 1;
  if (keeps_front(s)) y->data = o[s->n_in + s->n_out - 1].data;
  else *held = room_for(y, s->name, &why);
  return why ? why : device_host()->driver->run_kernel(&k, o, y);
}

/* The last operands are those of the kernel, but for z. */
static error *run_behind(const plan_step *s, const operand *o, const operand *z) {
  const kernel *k = s->chains.behind;
  operand in[KERNEL_MAX_INPUTS];
  in[0] = o[s->n_in];
  in[0].data = z->data;
  in[0].dtype = z->dtype;
  memcpy(in + 1, o + s->n_in - (k->n_in - 1), (size_t)(k->n_in - 1) * sizeof *o);
  return device_host()->driver->run_kernel(k, in, o + s->n_in);
}

static error *run_call_on_host(const implementation *way, const plan_step *s, const operand *o) {
  whole_call w;
  whole_call_of(&w, s, o);
  error *why = NULL;
  buffer *y = NULL;
  buffer *z = s->chains.behind ? room_for(&w.z, s->name, &why) : NULL;
  if (s->chains.front && !why) why = run_front(s, o, &w.in[0], &y);
  if (!why) why = way->run(&w.l);
  if (z && !why) why = run_behind(s, o, &w.z);
  buffer_release(y);
  buffer_release(z);
  if (!why && s->adds) why = add_on_host(w.l.out, &o[w.l.n_in]);
  return why || !s->activation ? why : activate_on_host(w.l.out, s->activation);
}

/* What the device turned out to have no way for, or no memory. Results of an attempt are dropped. */
static error *run_on_host(const plan *p, workspace *w, const run_input *in, const plan_step *s) {
  error *why = NULL;
  operand *o = w->operands;
  w->is_unfit = true;
  for (int k = 0; !why && k < s->n_in + s->n_out; k++) {
    const int32_t m = s->memories[k];
    const bool given = p->memories[m].kind == MEMORY_INPUT;
    const int64_t offset = s->offsets[k] + (given ? in[m].offset : 0);
    if (k >= s->n_in) {
      buffer_release(w->held[m]);
      w->held[m] = buffer_new((size_t)p->memories[m].bytes, s->name, &why);
    }
    buffer *b = given ? in[m].buffer : w->held[m];
    char *at = b && !why ? buffer_host(b, k < s->n_in ? operand_bytes(p, in, s, k) : ALL_BYTES, &why) : NULL;
    o[k] = s->operands[k];
    o[k].data = at ? at + offset : NULL;
  }
  if (why) return why;
  if (s->kernel) return device_host()->driver->run_kernel(s->kernel, o, o + s->n_in);
  const implementation *way = way_on_host(s, o);
  if (way) return run_call_on_host(way, s, o);
  return fail_as(PONS_ERROR_RUNTIME, s->name, "%s has no kernel for it and can't compile one, nor can the CPU compute it",
                 s->device->name);
}

/* Does a step that the device has no memory for, however empty, run on the host? */
static bool host_has_room(const plan_step *s, const error *why) {
  const bool is_called = s->prim && s->prim->ordered; /* by others, who would not learn of it */
  return why != error_declined() && error_kind(why) == PONS_ERROR_MEMORY && !is_called && (s->kernel || way_on_host(s, s->operands));
}

static error *run_step_apart(const plan *p, workspace *w, run_input *in, const plan_step *s) {
  const bool binds = has_memory(s->device) && !w->is_recorded; /* else recorded.c did for all steps */
  const bool was_fine = pons_ok();
  error *why = binds ? launch_in_memory(p, w, in, s) : bind_and_launch(p, w, in, s);
  if (binds && why && host_has_room(s, why)) {
    error_release(why);
    if (was_fine) pons_clear_error();
    why = error_declined();
  }
  if (why == error_declined()) why = run_on_host(p, w, in, s);
  for (int k = 0; k < s->n_in + s->n_out && k < 32; k++) {
    if (!(s->frees >> k & 1)) continue;
    buffer_release(w->held[s->memories[k]]);
    w->held[s->memories[k]] = NULL;
  }
  return why;
}

static error *run_any(const plan *p, workspace *w, run_input *in, const plan_step *s) {
  return has_memory(p->device) ? run_step_apart(p, w, in, s) : run_step(p, w, in, s);
}

static error *run_watched(const plan *p, workspace *w, run_input *in, const plan_step *s) {
  const int64_t start = time_ns();
  copies_since(); /* those made for readers are not the step's */
  error *why = run_any(p, w, in, s);
  const int64_t end = time_ns();
  if (profile_is_on()) profile_step(s->device, s, start, end);
  if (show_is_on(SHOW_LAUNCH)) show_launch(s, end - start);
  return why;
}

/* Takes the reference to `why`. */
static void fail_results(workspace *w, const plan_step *s, error *why) {
  w->any_failed = true;
  if (s->prim && s->prim->missed) s->prim->missed(s->params, why);
  for (int i = s->n_in; i < s->n_in + s->n_out; i++) w->failed[s->memories[i]] = error_keep(why);
  error_release(why);
}

static error *failed_operand(const workspace *w, const plan_step *s) {
  for (int i = 0; i < s->n_in; i++)
    if (w->failed[s->memories[i]]) return error_keep(w->failed[s->memories[i]]);
  return NULL;
}

/* What the device says about its steps at the end. It is not known which step it was: all results have failed. */
static void meet_faults(const plan *p, workspace *w) {
  const driver *v = p->device->driver;
  error *why = v->faults ? v->faults(p->device->index) : NULL;
  for (int i = p->n_inputs; why && i < p->n_memories; i++) {
    if (w->failed[i]) continue;
    w->failed[i] = error_keep(why);
    w->any_failed = true;
  }
  error_release(why);
}

static void hand_out(const plan *p, workspace *w, const run_input *in, const plan_output *o,
                     run_output *out) {
  const plan_memory *m = &p->memories[o->memory];
  *out = (run_output){0};
  if (w->failed[o->memory]) {
    out->failed = error_keep(w->failed[o->memory]);
    return;
  }
  int64_t before = 0; /* bytes in front of the memory */
  if (m->kind == MEMORY_INPUT) {
    out->buffer = buffer_keep(in[o->memory].buffer);
    before = in[o->memory].offset;
  } else {
    if (!w->held[o->memory]) w->held[o->memory] = buffer_new(0, "eval", &out->failed); /* no step: it is empty */
    if (!w->held[o->memory]) return;
    out->buffer = buffer_keep(w->held[o->memory]);
    if (w->base[o->memory]) before = (char *)w->base[o->memory] - (char *)buffer_host(out->buffer, NO_BYTES, &out->failed);
  }
  out->offset = before / (int64_t)pons_dtype_size(o->dtype) + o->offset;
}

void run_steps(const plan *p, workspace *w, run_input *in, error *why) {
  const bool watched = profile_is_on() || show_is_on(SHOW_LAUNCH);
  for (int i = 0; i < p->n_steps; i++) {
    const plan_step *s = &p->steps[i];
    error *e = why ? error_keep(why) : w->any_failed ? failed_operand(w, s) : NULL;
    if (!e) e = watched ? run_watched(p, w, in, s) : run_any(p, w, in, s);
    if (e) fail_results(w, s, e);
    if (s->ends && !w->is_recorded) release_ended(s, in);
  }
}

void plan_execute(const plan *p, workspace *w, run_input *in, run_output *out) {
  error *why = bind(p, w, in);
  if (why || !recorded_run(p, w, in)) run_steps(p, w, in, why);
  error_release(why);
  meet_faults(p, w);
  for (int i = 0; i < p->n_outputs; i++) hand_out(p, w, in, &p->outputs[i], &out[i]);
  for (int i = p->n_inputs; i < p->n_memories; i++) {
    buffer_release(w->held[i]);
    if (w->any_failed) error_release(w->failed[i]);
  }
}

buffer *run_row_major(const operand *x, error **why) {
  const int64_t size = shape_size(x->ndim, x->shape);
  buffer *b = buffer_new((size_t)size * pons_dtype_size(x->dtype), "copy", why);
  if (!b || size == 0) return b;
  int64_t strides[PONS_MAX_NDIM];
  shape_row_major(x->ndim, x->shape, strides);
  const operand out = {buffer_data(b), x->dtype, x->ndim, x->shape, strides};
  kernel copy = {.n_in = 1, .n_out = 1, .in = {(uint8_t)x->dtype}, .out = {0}};
  *why = device_host()->driver->run_kernel(&copy, x, &out);
  if (!*why) return b;
  buffer_release(b);
  return NULL;
}
