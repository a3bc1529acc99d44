/* recording.c: launches that a thread notes instead of making them, to be made together, and again with other memories.

       begin ── kernels, library calls: notes ── end ── parts, one behind the other: indirect command buffers (indirect.c)
                memory taken: stays                         ▲
                                              repeat: memories replaced, the parts told

   Of many kernels each part has some: while the device works on one, the next is told. A library's call, a kernel alone, and those that
   no indirect command buffer takes are launched one by one, and so is all where the device has none, PONS_METAL_GRAPHS=0 says so, or for a
   part that can't be made or told. What can't be noted (memory read or written by the host) launches what was noted so far and ends
   it. Uses recording.h. */
#include "backends/metal/recording.h"
#include <stdlib.h>

typedef struct metal_recording {
  gpu_noted memory;
  metal_note *notes;
  size_t n_notes, n_known, notes_room; /* known: of the walk before */
  metal_part *parts;
  size_t n_parts, parts_room;
  bool is_new;   /* other launches than the parts have */
  bool is_plain; /* no indirect command buffers */
  bool is_over;  /* noting ended early */
  error *failed; /* what went wrong then */
  bool notes_faults;
} metal_recording;

gpu_noted_list metal_noted_list = {.lock = PTHREAD_MUTEX_INITIALIZER, .give = metal_give};
static _Thread_local metal_recording *noting;

gpu_noted *metal_noted(int index) { return (void)index, noting ? &noting->memory : NULL; }

static bool wants_indirect;
static void ask(void) {
  const char *wanted = getenv("PONS_METAL_GRAPHS");
  wants_indirect = (!wanted || strcmp(wanted, "0") != 0) && metal_card_at(0)->has_indirect;
}

bool metal_wants_indirect(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, ask);
  return wants_indirect;
}

/* ---- making launches one by one ---- */

static error *launch_note(metal_device *d, const metal_note *n) {
  metal_argument arguments[METAL_ARGUMENTS];
  metal_memory *memories[METAL_ARGUMENTS];
  for (int k = 0; k < n->n_arguments; k++) {
    const noted_argument *a = &n->arguments[k];
    memories[k] = a->memory;
    arguments[k] = (metal_argument){.memory = a->memory,
                                    .offset = a->length ? 0 : a->offset,
                                    .written = a->written,
                                    .bytes = a->length ? n->bytes + a->offset : NULL,
                                    .length = a->length};
  }
  if (!n->kernel) return n->call.make(d, n->context, memories);
  return metal_encode(d, &(metal_work){.kernel = n->kernel,
                                       .n_arguments = n->n_arguments,
                                       .arguments = arguments,
                                       .grid = n->grid,
                                       .group = n->group,
                                       .grid_of_threads = n->grid_of_threads});
}

static error *launch_each(metal_device *d, const metal_recording *r, size_t first, size_t end) {
  error *why = NULL;
  for (size_t i = first; i < end && !why; i++) why = launch_note(d, &r->notes[i]);
  return why;
}

/* ---- parts ---- */

static void drop_parts(metal_device *d, metal_recording *r) {
  for (size_t i = 0; i < r->n_parts; i++) metal_drop_part(d, &r->parts[i]);
  r->n_parts = 0;
}

static bool goes_along(const metal_note *n) { return n->kernel && n->kernel->is_indirect; }

/* From note `first` on as many as may be one part; *plain: none. The first part is short: the device waits for it. */
static size_t length_of_part(const metal_recording *r, size_t first, bool *plain) {
  enum { FEWEST = 2, FEW = 96, FIRST = 32, PART = 128 };
  size_t along = 0, apart = 0;
  while (first + along < r->n_notes && goes_along(&r->notes[first + along])) along++;
  while (first + apart < r->n_notes && !goes_along(&r->notes[first + apart])) apart++;
  *plain = along < FEWEST;
  if (*plain) return along ? along : apart;
  return first == 0 && along > FEW ? FIRST : along < PART + FIRST ? along : PART;
}

static size_t place_bytes(metal_recording *r, const metal_part *p) {
  size_t bytes = 0;
  for (size_t i = p->first; i < p->end; i++) {
    metal_note *n = &r->notes[i];
    n->place = bytes;
    n->has_moved = true;
    bytes += (n->n_bytes + METAL_VALUES - 1) / METAL_VALUES * METAL_VALUES;
  }
  return bytes ? bytes : METAL_VALUES;
}

/* False: no memory. */
static bool cut(metal_device *d, metal_recording *r) {
  drop_parts(d, r);
  for (size_t first = 0; first < r->n_notes;) {
    metal_part p = {.first = first};
    p.end = first + length_of_part(r, first, &p.is_plain);
    p.n_bytes = place_bytes(r, &p);
    if (!mem_room(&r->parts, &r->parts_room, r->n_parts + 1, sizeof *r->parts)) return false;
    r->parts[r->n_parts++] = p;
    first = p.end;
  }
  return true;
}

static error *launch_together(metal_device *d, metal_recording *r) {
  error *why = NULL;
  if (!r->is_plain && r->is_new && !cut(d, r)) {
    drop_parts(d, r);
    r->is_plain = true;
  }
  r->is_new = false;
  if (r->is_plain) return launch_each(d, r, 0, r->n_notes);
  for (size_t i = 0; i < r->n_parts && !why; i++) {
    metal_part *p = &r->parts[i];
    if (!p->is_plain) p->is_plain = !metal_launch_part(d, r->notes, p, &why);
    if (p->is_plain) why = launch_each(d, r, p->first, p->end);
  }
  return why;
}

/* ---- noting ---- */

/* The next note, as the walk before left it; NULL: no memory. */
static metal_note *next_note(metal_recording *r) {
  if (!mem_room(&r->notes, &r->notes_room, r->n_notes + 1, sizeof *r->notes)) return NULL;
  metal_note *n = &r->notes[r->n_notes++];
  if (r->n_notes > r->n_known) {
    memset(n, 0, sizeof *n);
    r->n_known = r->n_notes;
    r->is_new = true;
  }
  return n;
}

static void mark(metal_note *n, uint32_t changed) {
  for (int c = 0; c < METAL_COPIES; c++) n->changed[c] |= changed;
}

/* Of a memory that was not given as an argument no command is told. */
static void set_memory(metal_note *n, int k, metal_memory *m) {
  noted_argument *a = &n->arguments[k];
  const uint64_t serial = m ? m->serial : 0;
  if (a->serial != serial) {
    n->has_moved = true;
    mark(n, a->serial && serial ? (uint32_t)1 << k : METAL_WHOLE);
  }
  a->serial = serial;
  a->memory = m;
}

/* False: no memory to remember it. */
static bool note_memory(metal_recording *r, metal_note *n, int k, metal_memory *m, size_t offset, bool written) {
  noted_argument *a = &n->arguments[k];
  if (a->offset != offset) mark(n, (uint32_t)1 << k);
  n->has_moved |= a->written != written;
  set_memory(n, k, m);
  a->offset = offset;
  a->written = written;
  a->slot = gpu_noted_slot(&r->memory, m);
  return a->slot >= 0 || !m || gpu_noted_use(&r->memory, &m->base);
}

static bool note_bytes(metal_note *n, int k, const void *bytes, size_t length, size_t *end) {
  noted_argument *a = &n->arguments[k];
  const size_t from = (*end + METAL_VALUES - 1) / METAL_VALUES * METAL_VALUES;
  *end = from + length;
  if (!mem_room(&n->bytes, &n->bytes_room, *end, 1)) return false;
  if (a->offset != from || memcmp(n->bytes + from, bytes, length) != 0) mark(n, (uint32_t)1 << k);
  memcpy(n->bytes + from, bytes, length);
  a->offset = from;
  return true;
}

/* As many arguments, each as long, by value or not. */
static bool set_shape(metal_recording *r, metal_note *n, metal_kernel *kernel, int count, const metal_argument *arguments) {
  bool same = n->kernel == kernel && n->n_arguments == count;
  for (int k = 0; k < count && same && arguments; k++) same = n->arguments[k].length == arguments[k].length;
  if (same) return true;
  r->is_new = true;
  mark(n, METAL_WHOLE);
  n->kernel = kernel;
  n->n_arguments = count;
  n->n_bytes = 0;
  if (!mem_room(&n->arguments, &n->arguments_room, (size_t)count, sizeof *n->arguments)) return false;
  for (int k = 0; k < count; k++)
    n->arguments[k] = (noted_argument){.slot = -1, .length = arguments ? arguments[k].length : 0};
  return true;
}

static bool note_work(metal_recording *r, metal_note *n, const metal_work *w) {
  size_t end = 0;
  bool fine = set_shape(r, n, w->kernel, w->n_arguments, w->arguments);
  for (int k = 0; k < w->n_arguments && fine; k++) {
    const metal_argument *a = &w->arguments[k];
    fine = a->length ? note_bytes(n, k, a->bytes, a->length, &end) : note_memory(r, n, k, a->memory, a->offset, a->written);
  }
  if (memcmp(&n->grid, &w->grid, sizeof n->grid) != 0 || memcmp(&n->group, &w->group, sizeof n->group) != 0 ||
      n->grid_of_threads != w->grid_of_threads)
    mark(n, METAL_WHOLE);
  n->grid = w->grid;
  n->group = w->group;
  n->grid_of_threads = w->grid_of_threads;
  r->is_new |= n->n_bytes != end;
  n->n_bytes = end;
  r->notes_faults |= w->notes_faults;
  return fine;
}

static bool note_call(metal_recording *r, metal_note *n, const metal_call *c) {
  bool fine = set_shape(r, n, NULL, c->n_memories, NULL);
  for (int k = 0; k < c->n_memories && fine; k++) fine = note_memory(r, n, k, c->memories[k], 0, true);
  void *context = fine ? mem_alloc(c->bytes) : NULL;
  if (!context) return false;
  mem_free(n->context);
  n->context = memcpy(context, c->context, c->bytes);
  n->call = *c;
  return true;
}

/* Of w or c. */
static bool note_any(int index, const metal_work *w, const metal_call *c, error **why) {
  metal_recording *r = noting;
  if (!r) return false;
  metal_note *n = next_note(r);
  if (n && (w ? note_work(r, n, w) : note_call(r, n, c))) return true;
  if (n) r->n_notes--;
  r->is_new = true;
  *why = metal_end_noting(index);
  return false;
}

bool metal_note_work(int index, const metal_work *w, error **why) { return note_any(index, w, NULL, why); }

error *metal_call_library(int index, const metal_call *c) {
  error *why = NULL;
  if (note_any(index, NULL, c, &why) || why) return why;
  metal_device *d = metal_enter(index, &why);
  if (!d) return why;
  why = c->make(d, c->context, c->memories);
  metal_leave(d);
  return why;
}

error *metal_end_noting(int index) {
  metal_recording *r = noting;
  error *why = NULL;
  if (!r) return NULL;
  noting = NULL;
  r->is_over = true;
  metal_device *d = metal_enter(index, &why);
  if (d) {
    why = launch_each(d, r, 0, r->n_notes);
    metal_leave(d);
  }
  gpu_noted_give_late(&r->memory);
  gpu_noted_give_blocks(&r->memory);
  if (why) r->failed = error_keep(why);
  return why;
}

/* ---- what device.h asks for ---- */

static void forget(void *recording) {
  metal_recording *r = recording;
  error *why = NULL;
  gpu_noted_close(&r->memory);
  metal_device *d = r->n_parts ? metal_enter(r->memory.index, &why) : NULL;
  if (d) {
    drop_parts(d, r);
    metal_leave(d);
  }
  error_release(why);
  error_release(r->failed);
  for (size_t i = 0; i < r->n_known; i++) {
    mem_free(r->notes[i].context);
    mem_free(r->notes[i].arguments);
    mem_free(r->notes[i].bytes);
  }
  mem_free(r->notes);
  mem_free(r->parts);
  mem_free(r);
}

static metal_recording *recording_new(int index) {
  metal_recording *r = mem_zalloc(sizeof *r);
  if (!r) return NULL;
  r->is_plain = !metal_wants_indirect();
  gpu_noted_open(&r->memory, &metal_noted_list, index, account_of(&metal_memory_driver, index),
                 &metal_device_at(index)->noted_bytes);
  return r;
}

/* What is to be noted each time gains nothing by that alone. */
static void *begin(int index, void *before, int count, void *const *memories) {
  metal_recording *r = before ? before : recording_new(index);
  if (r) gpu_noted_rest(&r->memory, false);
  if (r && ((r->is_plain && count == 0) || !gpu_noted_begin(&r->memory, count, memories))) {
    forget(r);
    r = NULL;
  }
  if (!r) return NULL;
  r->n_notes = 0;
  r->is_over = r->notes_faults = false;
  return noting = r;
}

static error *submit(metal_recording *r) {
  error *why = NULL;
  metal_device *d = metal_enter(r->memory.index, &why);
  if (!d) return why;
  why = launch_together(d, r);
  metal_leave(d);
  return why;
}

static bool end(void *recording, error **why) {
  metal_recording *r = recording;
  noting = NULL;
  r->is_new |= r->n_notes != r->n_known;
  if (!r->is_over) *why = submit(r);
  else if (r->failed) *why = error_keep(r->failed);
  gpu_noted_give_late(&r->memory);
  if (r->is_over || *why) {
    forget(r);
    return false;
  }
  gpu_noted_rest(&r->memory, true);
  return true;
}

static bool drop(void *recording) {
  metal_recording *r = recording;
  const bool nothing_was_launched = !r->is_over;
  noting = NULL;
  gpu_noted_give_late(&r->memory);
  forget(r);
  return nothing_was_launched;
}

static void replace(metal_recording *r, void *const *memories) {
  memcpy(r->memory.slots, memories, (size_t)r->memory.n_slots * sizeof *memories);
  for (size_t i = 0; i < r->n_notes; i++) {
    metal_note *n = &r->notes[i];
    for (int k = 0; k < n->n_arguments; k++)
      if (n->arguments[k].slot >= 0) set_memory(n, k, memories[n->arguments[k].slot]);
  }
}

static bool repeat(void *recording, int count, void *const *memories, error **why) {
  metal_recording *r = recording;
  gpu_noted_rest(&r->memory, false);
  if (!gpu_noted_fits(&r->memory, count, memories)) return false; /* it is made anew */
  replace(r, memories);
  if (r->notes_faults) gpu_expect_faults(&gpu_metal, r->memory.index);
  *why = submit(r);
  gpu_noted_rest(&r->memory, true);
  return !*why;
}

const recording_driver metal_recordings = {begin, end, drop, repeat, forget};
