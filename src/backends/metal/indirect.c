/* indirect.c: a part of a recording as an indirect command buffer: made once, executed at each run, told what differs.

   Its commands run side by side, but for barriers: one stands before each command that reads or writes what one behind the last barrier
   wrote, or writes what one reads. An encoder of its own executes them; encoders of a queue come one behind the other where the memories
   they name are the same. Values lie in a buffer of the copy's.

   On GPUs before the M3 an encoder must have set each pipeline, with a dispatch of no groups, before commands that use it are executed:
   Apple's documents know nothing of that, tinygrad met it (runtime/graph/metal.py). There and here a command whose
   buffers alone are others is told those, and not reset before. Uses recording.h. */
#include "backends/metal/recording.h"

/* ---- what a part uses ---- */

static bool add_use(metal_part *p, const noted_argument *a, uint64_t list) {
  metal_memory *m = a->memory;
  if (m->marks.listed != list) {
    if (!mem_room(&p->uses, &p->uses_room, p->n_uses + 1, sizeof *p->uses)) return false;
    m->marks.listed = list;
    m->marks.place = p->n_uses;
    p->uses[p->n_uses++] = (metal_part_use){.memory = m, .read_first = !a->written};
  }
  p->uses[m->marks.place].written |= a->written;
  return true;
}

/* What it reads, then what it writes. */
static bool add_uses(metal_part *p, const metal_note *n, uint64_t list) {
  bool all = true;
  for (int written = 0; written < 2; written++)
    for (int k = 0; k < n->n_arguments && all; k++) {
      const noted_argument *a = &n->arguments[k];
      if (a->memory && a->written == written) all = add_use(p, a, list);
    }
  return all;
}

/* Those that are only read come first. */
static bool list_buffers(metal_part *p) {
  if (!mem_room(&p->buffers, &p->buffers_room, p->n_uses + 1, sizeof *p->buffers)) return false;
  size_t n = 0;
  for (int written = 0; written < 2; written++) {
    for (size_t i = 0; i < p->n_uses; i++)
      if (p->uses[i].written == written) p->buffers[n++] = p->uses[i].memory->buffer;
    if (!written) p->n_read = n;
  }
  return true;
}

static bool add_pipeline(metal_part *p, metal_kernel *k, uint64_t list) {
  if (k->listed == list) return true;
  k->listed = list;
  if (!mem_room(&p->pipelines, &p->pipelines_room, p->n_pipelines + 1, sizeof *p->pipelines)) return false;
  p->pipelines[p->n_pipelines++] = k->pipeline;
  return true;
}

static bool must_wait(const metal_note *n, uint64_t since) {
  for (int k = 0; k < n->n_arguments; k++) {
    const noted_argument *a = &n->arguments[k];
    if (a->memory && (a->memory->marks.written == since || (a->written && a->memory->marks.read == since))) return true;
  }
  return false;
}

static void set_barriers(metal_device *d, metal_note *notes, const metal_part *p) {
  uint64_t since = ++d->marks;
  for (size_t i = p->first; i < p->end; i++) {
    metal_note *n = &notes[i];
    const bool barrier = must_wait(n, since);
    if (barrier) since = ++d->marks;
    for (int c = 0; c < METAL_COPIES; c++)
      if (barrier != n->barrier) n->changed[c] |= METAL_WHOLE;
    n->barrier = barrier;
    for (int k = 0; k < n->n_arguments; k++) {
      metal_memory *m = n->arguments[k].memory;
      if (m) *(n->arguments[k].written ? &m->marks.written : &m->marks.read) = since;
    }
  }
}

/* False: no memory. */
static bool look(metal_device *d, metal_note *notes, metal_part *p) {
  bool moved = false, all = true;
  for (size_t i = p->first; i < p->end; i++) moved |= notes[i].has_moved;
  if (!moved) return true;
  const uint64_t list = ++d->marks;
  p->n_uses = p->n_pipelines = 0;
  for (size_t i = p->first; i < p->end && all; i++)
    all = add_uses(p, &notes[i], list) && add_pipeline(p, notes[i].kernel, list);
  if (!all || !list_buffers(p)) return false;
  set_barriers(d, notes, p);
  for (size_t i = p->first; i < p->end; i++) notes[i].has_moved = false;
  return true;
}

/* ---- making and telling ---- */

static void drop_copy(metal_device *d, metal_copy *c) {
  metal_wait_for(d, c->used);
  metal()->objc_release(c->commands);
  metal()->objc_release(c->values);
  *c = (metal_copy){0};
}

static id new_commands(metal_device *d, NSUInteger count) {
  id descriptor = metal_init(metal_alloc(metal_class("MTLIndirectCommandBufferDescriptor"))), commands = NULL;
  if (descriptor) {
    metal_set_types(descriptor, MTLIndirectCommandTypeConcurrentDispatch | MTLIndirectCommandTypeConcurrentDispatchThreads);
    metal_set_inherit_buffers(descriptor, false);
    metal_set_inherit_pipeline(descriptor, false);
    metal_set_most_buffers(descriptor, METAL_ARGUMENTS);
    commands = metal_new_commands(d->device, descriptor, count, MTLResourceStorageModeShared);
  }
  metal()->objc_release(descriptor);
  return commands;
}

static bool make(metal_device *d, metal_note *notes, const metal_part *p, int which, metal_copy *c) {
  if (c->commands) return true;
  c->commands = new_commands(d, p->end - p->first);
  c->values = c->commands ? metal_new_buffer(d->device, p->n_bytes, MTLResourceStorageModeShared) : NULL;
  if (!c->values) return false;
  c->contents = metal_contents(c->values);
  for (size_t i = p->first; i < p->end; i++) notes[i].changed[which] = METAL_WHOLE;
  return true;
}

static void tell_argument(id command, const metal_copy *c, const metal_note *n, int k, bool anew) {
  const noted_argument *a = &n->arguments[k];
  if (a->length) memcpy(c->contents + n->place + a->offset, n->bytes + a->offset, a->length);
  if (a->length && anew) metal_set_kernel_buffer(command, c->values, n->place + a->offset, (NSUInteger)k);
  if (a->memory) metal_set_kernel_buffer(command, a->memory->buffer, a->offset, (NSUInteger)k);
}

static bool tell(const metal_copy *c, const metal_note *n, uint32_t changed, NSUInteger i) {
  const bool anew = changed & METAL_WHOLE;
  id command = metal_command_at(c->commands, i);
  if (!command) return false;
  if (anew) metal_reset(command);
  if (anew) metal_set_pipeline(command, n->kernel->pipeline);
  for (int k = 0; k < n->n_arguments; k++)
    if (anew || changed >> k & 1) tell_argument(command, c, n, k, anew);
  if (!anew) return true;
  if (n->grid_of_threads) metal_set_threads(command, n->grid, n->group);
  else metal_set_groups(command, n->grid, n->group);
  if (n->barrier) metal_set_barrier(command);
  return true;
}

static bool differs(const metal_note *notes, const metal_part *p, int which) {
  bool does = !p->copies[which].commands;
  for (size_t i = p->first; i < p->end && !does; i++) does = notes[i].changed[which];
  return does;
}

/* The copy to be executed: the same again, if it is right or not under way. */
static int choose(metal_device *d, const metal_note *notes, const metal_part *p) {
  if (!differs(notes, p, p->copy) || !metal_is_under_way(d, p->copies[p->copy].used)) return p->copy;
  return (p->copy + 1) % METAL_COPIES;
}

/* False: nothing can be told, or not all was. */
static bool prepare(metal_device *d, metal_note *notes, metal_part *p) {
  const int which = p->copy = choose(d, notes, p);
  metal_copy *c = &p->copies[which];
  if (!differs(notes, p, which)) return true;
  metal_wait_for(d, c->used);
  bool fine = make(d, notes, p, which, c);
  void *pool = metal()->objc_autoreleasePoolPush();
  for (size_t i = p->first; i < p->end && fine; i++) {
    fine = !notes[i].changed[which] || tell(c, &notes[i], notes[i].changed[which], i - p->first);
    if (fine) notes[i].changed[which] = 0;
  }
  metal()->objc_autoreleasePoolPop(pool);
  return fine;
}

/* ---- executing ---- */

static error *blame(metal_device *d, const metal_part *p) {
  error *why = NULL;
  for (size_t i = 0; i < p->n_uses && !why; i++)
    if (p->uses[i].read_first) why = metal_blame(d, p->uses[i].memory->written);
  return why;
}

static void name_resources(id encoder, const metal_part *p, const metal_copy *c) {
  const size_t n_written = p->n_uses - p->n_read;
  metal_use_resources(encoder, &c->values, 1, MTLResourceUsageRead);
  if (p->n_read) metal_use_resources(encoder, p->buffers, p->n_read, MTLResourceUsageRead);
  if (n_written) metal_use_resources(encoder, p->buffers + p->n_read, n_written, MTLResourceUsageRead | MTLResourceUsageWrite);
  for (size_t i = 0; i < p->n_pipelines && metal_card_at(0)->needs_pipelines; i++) {
    metal_set_pipeline(encoder, p->pipelines[i]);
    metal_dispatch(encoder, (MTLSize){0, 0, 0}, (MTLSize){0, 0, 0});
  }
}

static error *execute(metal_device *d, metal_part *p) {
  error *why = NULL;
  metal_copy *c = &p->copies[p->copy];
  id encoder = metal_buffer_of(d, &why) ? metal_encoder_of(d, &why) : NULL;
  if (!encoder) return why;
  name_resources(encoder, p, c);
  metal_execute(encoder, c->commands, (NSRange){0, p->end - p->first});
  metal_end_encoder(d);
  c->used = d->number;
  for (size_t i = 0; i < p->n_uses; i++) {
    metal_use(d, p->uses[i].memory, p->uses[i].written);
    p->uses[i].memory->is_indirect = true;
  }
  metal_encoded(d, p->end - p->first);
  return NULL;
}

bool metal_launch_part(metal_device *d, metal_note *notes, metal_part *p, error **why) {
  if (look(d, notes, p) && !(*why = blame(d, p)) && prepare(d, notes, p)) *why = execute(d, p);
  else if (!*why) {
    metal_drop_part(d, p);
    return false;
  }
  return true;
}

void metal_drop_part(metal_device *d, metal_part *p) {
  for (int i = 0; i < METAL_COPIES; i++) drop_copy(d, &p->copies[i]);
  mem_free(p->uses);
  mem_free(p->buffers);
  mem_free(p->pipelines);
  p->uses = NULL;
  p->buffers = p->pipelines = NULL;
  p->n_uses = p->n_pipelines = p->uses_room = p->buffers_room = p->pipelines_room = 0;
}
