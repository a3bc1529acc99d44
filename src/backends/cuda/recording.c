/* recording.c: launches that a thread notes instead of making them, to be made together, and again with other memories.

       begin ── launches, library calls: notes ── end ── graphs on the queue, one behind the other
                memory taken: stays                         ▲
                                              repeat: addresses replaced, the graphs' nodes told

   Notes depend each on the one before. Of many notes each graph has a part: while the device works on one, the next is told. A library's
   call is captured into a graph of its own, which takes as long as making it. Where the driver has no graphs, or one of them can't be made, brought up to date or launched, the notes are launched one by one. What can't be
   noted (copies between host and device) launches what was noted so far and ends it. Uses program.h. */
#include "backends/cuda/program.h"
#include <stdlib.h>

typedef struct note {
  gpu_launch launch; /* entry NULL: a library's call */
  cuda_call call;
  void *context; /* of the call */
  int n_memories;
  int slots
      [GPU_MAX_MEMORIES]; /* which of the given memories it is; -1: the recording's own, or always the same */
  CUdeviceptr at[GPU_MAX_MEMORIES];
  int64_t numbers[GPU_NUMBERS];
  CUgraphNode node;
  bool changed; /* since the graph was told */
} note;

typedef struct part { /* of the notes */
  size_t first, end;
  CUgraph graph;
  CUgraphExec exec; /* NULL: there is none */
} part;

typedef struct cuda_recording {
  gpu_noted memory;
  note *notes;
  size_t n_notes, n_known, notes_room; /* known: of the walk before */
  part *parts;
  size_t n_parts, parts_room;
  bool is_new;           /* other launches than the graphs have */
  bool is_plain;         /* no graph */
  bool is_over;          /* noting ended early */
  bool notes_faults;
} cuda_recording;

gpu_noted_list cuda_noted_list = {.lock = PTHREAD_MUTEX_INITIALIZER, .give = cuda_give};
static _Thread_local cuda_recording *noting;

static cuda_recording *noting_on(int index) { return noting && noting->memory.index == index ? noting : NULL; }
bool cuda_is_noting(int index) { return noting_on(index) != NULL; }
gpu_noted *cuda_noted(int index) { return cuda_is_noting(index) ? &noting->memory : NULL; }

/* ---- making launches one by one ---- */

static error *call_failed(const cuda_call *c, cuda_failure f) {
  return f.call ? fail("cuda", "%s: status %d of %s", f.call, f.status, c->library) : NULL;
}

static error *launch_note(cuda_device *d, const note *n) {
  if (n->launch.entry) return cuda_launch_at(d, &n->launch, n->at, n->numbers);
  return call_failed(&n->call, n->call.make(d, cuda_work(d), n->context, n->at));
}

static error *launch_from(cuda_device *d, cuda_recording *r, size_t first) {
  error *why = NULL;
  for (size_t i = first; i < r->n_notes && !why; i++) why = launch_note(d, &r->notes[i]);
  return why;
}

static error *launch_each(cuda_device *d, cuda_recording *r) { return launch_from(d, r, 0); }

/* ---- the graph ---- */

/* Of a device that was entered. What fails here is not told: there is a way around it. */
static void drop_graph(part *p) {
  if (p->exec) cuda()->cuGraphExecDestroy(p->exec);
  if (p->graph) cuda()->cuGraphDestroy(p->graph);
  p->exec = NULL;
  p->graph = NULL;
}

static void drop_graphs(cuda_recording *r) {
  for (size_t i = 0; i < r->n_parts; i++) drop_graph(&r->parts[i]);
  r->n_parts = 0;
}

/* The first part is short: the device waits for it. */
static bool cut(cuda_recording *r) {
  enum { FEW = 96, FIRST = 32, PART = 128 };
  drop_graphs(r);
  for (size_t first = 0; first < r->n_notes;) {
    const size_t left = r->n_notes - first, count = first == 0 && left > FEW ? FIRST : left < PART + FIRST ? left : PART;
    if (!mem_room(&r->parts, &r->parts_room, r->n_parts + 1, sizeof *r->parts)) return false;
    r->parts[r->n_parts++] = (part){first, first + count, NULL, NULL};
    first += count;
  }
  return true;
}

static CUDA_KERNEL_NODE_PARAMS kernel_of(const note *n, cuda_arguments *arguments) {
  const gpu_launch *l = &n->launch;
  cuda_arguments_of(arguments, l, n->at, n->numbers);
  return (CUDA_KERNEL_NODE_PARAMS){.func = l->entry,
                                   .gridDimX = (unsigned)l->groups[0],
                                   .gridDimY = (unsigned)l->groups[1],
                                   .gridDimZ = (unsigned)l->groups[2],
                                   .blockDimX = (unsigned)l->group[0],
                                   .blockDimY = (unsigned)l->group[1],
                                   .blockDimZ = (unsigned)l->group[2],
                                   .sharedMemBytes = (unsigned)l->shared_bytes,
                                   .kernelParams = arguments->list};
}

/* What the call puts on a queue, as a graph; NULL: it can't be captured. */
static CUgraph capture(cuda_device *d, const note *n) {
  CUgraph graph = NULL;
  pthread_mutex_lock(&d->capture_lock);
  if (!d->capture && cuda()->cuStreamCreate(&d->capture, CU_STREAM_NON_BLOCKING) != CUDA_SUCCESS)
    d->capture = NULL;
  if (d->capture &&
      cuda()->cuStreamBeginCapture(d->capture, CU_STREAM_CAPTURE_MODE_RELAXED) == CUDA_SUCCESS) {
    const cuda_failure f = n->call.make(d, d->capture, n->context, n->at);
    const CUresult status = cuda()->cuStreamEndCapture(d->capture, &graph);
    if (graph && (f.call || status != CUDA_SUCCESS)) cuda()->cuGraphDestroy(graph);
    if (f.call || status != CUDA_SUCCESS) graph = NULL;
  }
  pthread_mutex_unlock(&d->capture_lock);
  return graph;
}

static bool add_node(cuda_device *d, CUgraph graph, note *n, const note *before) {
  const CUgraphNode *behind = before ? &before->node : NULL;
  if (n->launch.entry) {
    cuda_arguments arguments;
    const CUDA_KERNEL_NODE_PARAMS k = kernel_of(n, &arguments);
    return cuda()->cuGraphAddKernelNode(&n->node, graph, behind, before ? 1 : 0, &k) == CUDA_SUCCESS;
  }
  CUgraph child = capture(d, n);
  if (!child) return false;
  const CUresult status = cuda()->cuGraphAddChildGraphNode(&n->node, graph, behind, before ? 1 : 0, child);
  cuda()->cuGraphDestroy(child); /* the node has a copy */
  return status == CUDA_SUCCESS;
}

static bool build_graph(cuda_device *d, note *notes, part *p) {
  drop_graph(p);
  bool fine = cuda()->cuGraphCreate(&p->graph, 0) == CUDA_SUCCESS;
  if (!fine) p->graph = NULL;
  for (size_t i = p->first; i < p->end && fine; i++) {
    fine = add_node(d, p->graph, &notes[i], i > p->first ? &notes[i - 1] : NULL);
    notes[i].changed = false;
  }
  fine = fine && cuda()->cuGraphInstantiateWithFlags(&p->exec, p->graph, 0) == CUDA_SUCCESS;
  if (!fine) p->exec = NULL;
  return fine;
}

static bool update_node(cuda_device *d, CUgraphExec exec, const note *n) {
  if (n->launch.entry) {
    cuda_arguments arguments;
    const CUDA_KERNEL_NODE_PARAMS k = kernel_of(n, &arguments);
    return cuda()->cuGraphExecKernelNodeSetParams(exec, n->node, &k) == CUDA_SUCCESS;
  }
  CUgraph child = capture(d, n);
  const bool fine = child && cuda()->cuGraphExecChildGraphNodeSetParams(exec, n->node, child) == CUDA_SUCCESS;
  if (child) cuda()->cuGraphDestroy(child);
  return fine;
}

/* Of steps that are noted each time, to capture calls anew costs more than to make them, unless there are many other launches. */
static bool is_worth_telling(const cuda_recording *r) {
  enum { LAUNCHES_PER_CALL = 8 };
  size_t calls = 0;
  for (size_t i = 0; i < r->n_notes && r->memory.n_slots == 0; i++) calls += !r->notes[i].launch.entry && r->notes[i].changed;
  return calls * LAUNCHES_PER_CALL <= r->n_notes;
}

static bool update_graph(cuda_device *d, note *notes, const part *p) {
  for (size_t i = p->first; i < p->end; i++) {
    if (!notes[i].changed) continue;
    if (!update_node(d, p->exec, &notes[i])) return false;
    notes[i].changed = false;
  }
  return true;
}

/* One launch gains nothing by a graph. */
static error *launch_together(cuda_device *d, cuda_recording *r) {
  enum { FEWEST = 2 };
  if (r->is_plain || r->n_notes < FEWEST || !cuda_has_graphs()) return launch_each(d, r);
  if (!r->is_new && !is_worth_telling(r)) return launch_each(d, r);
  r->is_plain = r->is_new && !cut(r);
  r->is_new = false;
  size_t first = 0;
  for (size_t i = 0; i < r->n_parts && !r->is_plain; i++) {
    part *p = &r->parts[i];
    r->is_plain = (!p->exec || !update_graph(d, r->notes, p)) && !build_graph(d, r->notes, p);
    if (r->is_plain) break;
    const CUresult status = cuda()->cuGraphLaunch(p->exec, cuda_work(d));
    if (cuda_is_lost(status)) return cuda_check(d, status, "cuGraphLaunch(%zu nodes)", p->end - p->first);
    r->is_plain = status != CUDA_SUCCESS;
    if (!r->is_plain) first = p->end;
  }
  if (!r->is_plain) return NULL;
  drop_graphs(r);
  return launch_from(d, r, first);
}

/* Which of them are written is not known. */
static error *order_memories(cuda_device *d, const cuda_recording *r) {
  const gpu_noted *m = &r->memory;
  error *why = cuda_order_all(d, m->n_slots, m->slots, m->n_slots);
  for (size_t i = 0; i < m->n_others && !why; i++) why = cuda_order(d, CUDA_WORK, (cuda_block *)m->others[i], true);
  for (size_t i = 0; i < m->n_blocks && !why; i++) why = cuda_order(d, CUDA_WORK, (cuda_block *)m->blocks[i].block, true);
  for (size_t i = 0; i < m->n_late && !why; i++) why = cuda_order(d, CUDA_WORK, (cuda_block *)m->late[i], true);
  return why;
}

static void count_memories(cuda_device *d, const cuda_recording *r) {
  const gpu_noted *m = &r->memory;
  cuda_count_uses(d, m->n_slots, m->slots, m->n_slots);
  for (size_t i = 0; i < m->n_others; i++) cuda_count_use(d, CUDA_WORK, (cuda_block *)m->others[i], true);
  for (size_t i = 0; i < m->n_blocks; i++) cuda_count_use(d, CUDA_WORK, (cuda_block *)m->blocks[i].block, true);
  for (size_t i = 0; i < m->n_late; i++) cuda_count_use(d, CUDA_WORK, (cuda_block *)m->late[i], true);
}

/* All that was noted, by `launch`, behind whatever else uses the memories. */
static error *submit(cuda_device *d, cuda_recording *r, error *(*launch)(cuda_device *d, cuda_recording *r)) {
  error *why = cuda_mark_plan(d);
  if (!why) why = order_memories(d, r);
  if (!why) why = launch(d, r);
  count_memories(d, r);
  return why;
}

/* ---- noting ---- */

/* The next note, as the walk before left it; NULL: no memory. */
static note *next_note(cuda_recording *r) {
  if (!mem_room(&r->notes, &r->notes_room, r->n_notes + 1, sizeof *r->notes)) return NULL;
  note *n = &r->notes[r->n_notes++];
  if (r->n_notes > r->n_known) {
    memset(n, 0, sizeof *n);
    r->n_known = r->n_notes;
    r->is_new = true;
  }
  return n;
}

/* False: no memory to remember them. */
static bool note_memories(cuda_recording *r, note *n, int count, void *const *memories) {
  n->changed |= n->n_memories != count;
  n->n_memories = count;
  for (int i = 0; i < count; i++) {
    const CUdeviceptr at = memories[i] ? ((const cuda_block *)memories[i])->at : 0;
    n->changed |= n->at[i] != at;
    n->at[i] = at;
    n->slots[i] = gpu_noted_slot(&r->memory, memories[i]);
    if (n->slots[i] < 0 && memories[i] && !gpu_noted_use(&r->memory, memories[i])) return false;
  }
  return true;
}

static bool is_same_launch(const gpu_launch *a, const gpu_launch *b) {
  return !memcmp(a->groups, b->groups, sizeof a->groups) && !memcmp(a->group, b->group, sizeof a->group) &&
         a->shared_bytes == b->shared_bytes && a->is_plain == b->is_plain && a->n_scalars == b->n_scalars;
}

bool cuda_note_launch(cuda_device *d, const gpu_launch *l, error **why) {
  cuda_recording *r = noting_on(d->index);
  note *n = r ? next_note(r) : NULL;
  if (!n || !note_memories(r, n, l->n_memories, l->memories)) {
    if (n) r->n_notes--;
    *why = cuda_end_noting(d);
    return false;
  }
  r->is_new |= n->launch.entry != l->entry;
  n->changed |= !is_same_launch(&n->launch, l) || memcmp(n->numbers, l->numbers, sizeof n->numbers) != 0;
  r->notes_faults |= l->notes_faults;
  n->launch = *l;
  memcpy(n->numbers, l->numbers, sizeof n->numbers);
  return true;
}

error *cuda_call_library(cuda_device *d, const cuda_call *c) {
  CUdeviceptr at[CUDA_CALL_MEMORIES];
  cuda_recording *r = noting_on(d->index);
  note *n = r ? next_note(r) : NULL;
  void *context = n && note_memories(r, n, c->n_memories, c->memories) ? mem_alloc(c->bytes) : NULL;
  if (context) {
    r->is_new |= n->launch.entry || n->call.make != c->make;
    n->changed |=
        n->context == NULL || n->call.bytes != c->bytes || memcmp(n->context, c->context, c->bytes) != 0;
    n->launch.entry = NULL;
    n->call = *c;
    mem_free(n->context);
    n->context = memcpy(context, c->context, c->bytes);
    return NULL;
  }
  if (n) r->n_notes--;
  error *why = cuda_end_noting(d);
  for (int i = 0; i < c->n_memories; i++)
    at[i] = c->memories[i] ? ((const cuda_block *)c->memories[i])->at : 0;
  if (!why) why = cuda_mark_plan(d);
  if (!why) why = cuda_order_all(d, c->n_memories, c->memories, c->n_memories);
  if (!why) why = call_failed(c, c->make(d, cuda_work(d), c->context, at));
  cuda_count_uses(d, c->n_memories, c->memories, c->n_memories);
  return why;
}

error *cuda_end_noting(cuda_device *d) {
  cuda_recording *r = noting_on(d->index);
  if (!r) return NULL;
  noting = NULL;
  r->is_over = true;
  error *why = submit(d, r, launch_each);
  gpu_noted_give_late(&r->memory);
  gpu_noted_give_blocks(&r->memory);
  return why;
}

/* ---- what device.h asks for ---- */

static void forget(void *recording) {
  cuda_recording *r = recording;
  error *why = NULL;
  gpu_noted_close(&r->memory);
  cuda_device *d = r->n_parts ? cuda_enter(r->memory.index, &why) : NULL;
  if (d) {
    drop_graphs(r);
    cuda_leave(d);
  }
  error_release(why);
  for (size_t i = 0; i < r->n_known; i++) mem_free(r->notes[i].context);
  mem_free(r->notes);
  mem_free(r->parts);
  mem_free(r);
}

static bool wants_graphs(void) {
  const char *wanted = getenv("PONS_CUDA_GRAPHS");
  return !wanted || strcmp(wanted, "0") != 0;
}

static cuda_recording *recording_new(int index) {
  cuda_recording *r = mem_zalloc(sizeof *r);
  if (!r) return NULL;
  cuda_device *d = cuda_device_at(index);
  r->is_plain = !wants_graphs();
  gpu_noted_open(&r->memory, &cuda_noted_list, index, account_of(&cuda_memory, index), &d->noted_bytes);
  return r;
}

/* What is to be noted each time gains nothing by that but by its graph. */
static bool is_of_use(const cuda_recording *r, int count) {
  return !cuda_waits() && (count > 0 || (!r->is_plain && cuda_has_graphs()));
}

static void *begin(int index, void *before, int count, void *const *memories) {
  cuda_recording *r = before ? before : recording_new(index);
  if (r) gpu_noted_rest(&r->memory, false);
  if (r && (!is_of_use(r, count) || !gpu_noted_begin(&r->memory, count, memories))) {
    forget(r);
    r = NULL;
  }
  if (!r) return NULL;
  r->n_notes = 0;
  r->is_over = r->notes_faults = false;
  return noting = r;
}

static bool end(void *recording, error **why) {
  cuda_recording *r = recording;
  noting = NULL;
  r->is_new |= r->n_notes != r->n_known;
  cuda_device *d = r->is_over ? NULL : cuda_enter(r->memory.index, why);
  if (d) {
    *why = submit(d, r, launch_together);
    cuda_leave(d);
  }
  gpu_noted_give_late(&r->memory);
  if (r->is_over || *why) {
    forget(r);
    return false;
  }
  gpu_noted_rest(&r->memory, true);
  return true;
}

static bool drop(void *recording) {
  cuda_recording *r = recording;
  const bool nothing_was_launched = !r->is_over;
  noting = NULL;
  gpu_noted_give_late(&r->memory);
  forget(r);
  return nothing_was_launched;
}

static void replace(cuda_recording *r, void *const *memories) {
  memcpy(r->memory.slots, memories, (size_t)r->memory.n_slots * sizeof *memories);
  for (size_t i = 0; i < r->n_notes; i++) {
    note *n = &r->notes[i];
    for (int k = 0; k < n->n_memories; k++) {
      if (n->slots[k] < 0) continue;
      const CUdeviceptr at = ((const cuda_block *)memories[n->slots[k]])->at;
      n->changed |= n->at[k] != at;
      n->at[k] = at;
    }
  }
}

static bool repeat(void *recording, int count, void *const *memories, error **why) {
  cuda_recording *r = recording;
  gpu_noted_rest(&r->memory, false);
  if (!gpu_noted_fits(&r->memory, count, memories)) return false; /* it is made anew */
  cuda_device *d = cuda_enter(r->memory.index, why);
  if (!d) return false;
  replace(r, memories);
  if (r->notes_faults) gpu_expect_faults(&gpu_cuda, r->memory.index);
  *why = submit(d, r, launch_together);
  cuda_leave(d);
  gpu_noted_rest(&r->memory, true);
  return !*why;
}

const recording_driver cuda_recordings = {begin, end, drop, repeat, forget};
