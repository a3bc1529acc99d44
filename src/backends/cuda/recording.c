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

typedef struct own_block {
  cuda_block *block;
  bool in_use;
} own_block;

typedef struct cuda_recording {
  struct cuda_recording *next; /* of all */
  int index, n_slots;
  void **slots; /* the memories given at the start */
  int *ties;    /* the first slot that had the same memory; itself: none */
  note *notes;
  size_t n_notes, n_known, notes_room; /* known: of the walk before */
  own_block *blocks;
  size_t n_blocks, blocks_room;
  cuda_block **late; /* given back while noted launches may still read them */
  size_t n_late, late_room;
  cuda_block **others; /* of launches: neither given nor its own, and living on */
  size_t n_others, others_room;
  uint64_t walk; /* the one under way: a number of its own among all */
  part *parts;
  size_t n_parts, parts_room;
  bool is_new;           /* other launches than the graphs have */
  bool is_plain;         /* no graph */
  bool is_over;          /* noting ended early */
  bool rests, is_hollow; /* under `lock`: nobody uses it; its memory is gone */
  size_t resting_bytes;  /* while it rests: of its memory, what nobody holds */
  bool notes_faults;
} cuda_recording;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static cuda_recording *all;
static _Thread_local cuda_recording *noting;

static cuda_recording *noting_on(int index) { return noting && noting->index == index ? noting : NULL; }
bool cuda_is_noting(int index) { return noting_on(index) != NULL; }

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
  for (size_t i = 0; i < r->n_notes && r->n_slots == 0; i++) calls += !r->notes[i].launch.entry && r->notes[i].changed;
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
  error *why = cuda_order_all(d, r->n_slots, r->slots, r->n_slots);
  for (size_t i = 0; i < r->n_others && !why; i++) why = cuda_order(d, CUDA_WORK, r->others[i], true);
  for (size_t i = 0; i < r->n_blocks && !why; i++) why = cuda_order(d, CUDA_WORK, r->blocks[i].block, true);
  for (size_t i = 0; i < r->n_late && !why; i++) why = cuda_order(d, CUDA_WORK, r->late[i], true);
  return why;
}

static void count_memories(cuda_device *d, const cuda_recording *r) {
  cuda_count_uses(d, r->n_slots, r->slots, r->n_slots);
  for (size_t i = 0; i < r->n_others; i++) cuda_count_use(d, CUDA_WORK, r->others[i], true);
  for (size_t i = 0; i < r->n_blocks; i++) cuda_count_use(d, CUDA_WORK, r->blocks[i].block, true);
  for (size_t i = 0; i < r->n_late; i++) cuda_count_use(d, CUDA_WORK, r->late[i], true);
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

static int slot_of(const cuda_recording *r, const void *memory) {
  for (int k = 0; memory && k < r->n_slots; k++)
    if (r->slots[k] == memory) return k;
  return -1;
}

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

static bool add_other(cuda_recording *r, cuda_block *b) {
  if (b->owner == r || atomic_exchange(&b->noted, r->walk) == r->walk) return true;
  if (!mem_room(&r->others, &r->others_room, r->n_others + 1, sizeof *r->others)) return false;
  r->others[r->n_others++] = b;
  return true;
}

static void remove_other(cuda_recording *r, const cuda_block *b) {
  for (size_t i = 0; i < r->n_others; i++)
    if (r->others[i] == b) r->others[i] = r->others[--r->n_others];
}

/* False: no memory to remember them. */
static bool note_memories(cuda_recording *r, note *n, int count, void *const *memories) {
  n->changed |= n->n_memories != count;
  n->n_memories = count;
  for (int i = 0; i < count; i++) {
    const CUdeviceptr at = memories[i] ? ((const cuda_block *)memories[i])->at : 0;
    n->changed |= n->at[i] != at;
    n->at[i] = at;
    n->slots[i] = slot_of(r, memories[i]);
    if (n->slots[i] < 0 && memories[i] && !add_other(r, memories[i])) return false;
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

/* ---- memory ---- */

cuda_block *cuda_take_noted(int index, size_t bytes) {
  cuda_recording *r = noting_on(index);
  own_block *best = NULL;
  for (size_t i = 0; r && i < r->n_blocks; i++) {
    own_block *b = &r->blocks[i];
    if (!b->in_use && b->block->bytes >= bytes && (!best || b->block->bytes < best->block->bytes)) best = b;
  }
  if (!best) return NULL;
  best->in_use = true;
  return best->block;
}

void cuda_add_noted(int index, cuda_block *b) {
  cuda_recording *r = noting_on(index);
  b->owner = NULL;
  if (!r || !mem_room(&r->blocks, &r->blocks_room, r->n_blocks + 1, sizeof *r->blocks)) return;
  r->blocks[r->n_blocks++] = (own_block){b, true};
  b->owner = r;
}

bool cuda_give_noted(int index, cuda_block *b) {
  cuda_recording *r = noting_on(index);
  if (!r) return b->owner != NULL;
  for (size_t i = 0; b->owner == r && i < r->n_blocks; i++)
    if (r->blocks[i].block == b) r->blocks[i].in_use = false;
  if (b->owner) return true;
  if (!mem_room(&r->late, &r->late_room, r->n_late + 1, sizeof *r->late)) return false;
  r->late[r->n_late++] = b;
  remove_other(r, b);
  return true;
}

static void give_late(cuda_recording *r) {
  for (size_t i = 0; i < r->n_late; i++) cuda_give(r->index, r->late[i]);
  r->n_late = 0;
}

/* What somebody still holds becomes ordinary memory. */
static void give_blocks(cuda_recording *r) {
  for (size_t i = 0; i < r->n_blocks; i++) {
    r->blocks[i].block->owner = NULL;
    if (!r->blocks[i].in_use) cuda_give(r->index, r->blocks[i].block);
  }
  r->n_blocks = 0;
}

error *cuda_end_noting(cuda_device *d) {
  cuda_recording *r = noting_on(d->index);
  if (!r) return NULL;
  noting = NULL;
  r->is_over = true;
  error *why = submit(d, r, launch_each);
  give_late(r);
  give_blocks(r);
  return why;
}

/* While it rests nobody uses its memory: that is kept. The list's lock is held. */
static void rest(cuda_recording *r, bool rests) {
  cuda_device *d = cuda_device_at(r->index);
  size_t bytes = 0;
  if (r->rests == rests) return;
  for (size_t i = 0; rests && i < r->n_blocks; i++) bytes += r->blocks[i].in_use ? 0 : r->blocks[i].block->bytes;
  if (rests) r->resting_bytes = bytes;
  if (rests) d->noted_bytes += bytes;
  account_count(d->account, rests ? -(ptrdiff_t)bytes : (ptrdiff_t)r->resting_bytes);
  if (!rests) d->noted_bytes -= r->resting_bytes;
  r->rests = rests;
}

void cuda_forget_noted(int index) {
  pthread_mutex_lock(&lock);
  for (cuda_recording *r = all; r; r = r->next) {
    if (!r->rests || r->index != index) continue;
    rest(r, false);
    give_blocks(r);
    r->is_hollow = true;
    rest(r, true);
  }
  pthread_mutex_unlock(&lock);
}

/* ---- what device.h asks for ---- */

static void forget(void *recording) {
  cuda_recording *r = recording;
  error *why = NULL;
  pthread_mutex_lock(&lock);
  cuda_recording **at = &all;
  while (*at != r) at = &(*at)->next;
  *at = r->next;
  rest(r, false);
  pthread_mutex_unlock(&lock);
  give_blocks(r);
  cuda_device *d = r->n_parts ? cuda_enter(r->index, &why) : NULL;
  if (d) {
    drop_graphs(r);
    cuda_leave(d);
  }
  error_release(why);
  for (size_t i = 0; i < r->n_known; i++) mem_free(r->notes[i].context);
  mem_free(r->notes);
  mem_free(r->parts);
  mem_free(r->slots);
  mem_free(r->ties);
  mem_free(r->blocks);
  mem_free(r->late);
  mem_free(r->others);
  mem_free(r);
}

static bool wants_graphs(void) {
  const char *wanted = getenv("PONS_CUDA_GRAPHS");
  return !wanted || strcmp(wanted, "0") != 0;
}

static void set_rest(cuda_recording *r, bool rests) {
  pthread_mutex_lock(&lock);
  rest(r, rests);
  pthread_mutex_unlock(&lock);
}

static cuda_recording *recording_new(int index) {
  cuda_recording *r = mem_zalloc(sizeof *r);
  if (!r) return NULL;
  r->index = index;
  r->is_plain = !wants_graphs();
  pthread_mutex_lock(&lock);
  r->next = all;
  all = r;
  pthread_mutex_unlock(&lock);
  return r;
}

static bool set_slots(cuda_recording *r, int count, void *const *memories) {
  mem_free(r->slots);
  mem_free(r->ties);
  r->slots = NULL;
  r->ties = NULL;
  r->n_slots = count;
  if (count <= 0) return true;
  r->slots = mem_alloc((size_t)count * sizeof *r->slots);
  r->ties = mem_alloc((size_t)count * sizeof *r->ties);
  if (!r->slots || !r->ties) return false;
  memcpy(r->slots, memories, (size_t)count * sizeof *memories);
  for (int k = 0; k < count; k++) {
    const int first = slot_of(r, memories[k]);
    r->ties[k] = first < 0 ? k : first;
  }
  return true;
}

/* What is to be noted each time gains nothing by that but by its graph. */
static bool is_of_use(const cuda_recording *r, int count) {
  return !cuda_waits() && (count > 0 || (!r->is_plain && cuda_has_graphs()));
}

static void *begin(int index, void *before, int count, void *const *memories) {
  static atomic_count walks;
  cuda_recording *r = before ? before : recording_new(index);
  if (r) set_rest(r, false);
  if (r && (!is_of_use(r, count) || !set_slots(r, count, memories))) {
    forget(r);
    r = NULL;
  }
  if (!r) return NULL;
  for (size_t i = 0; i < r->n_blocks; i++) r->blocks[i].in_use = false;
  r->n_notes = r->n_others = 0;
  r->walk = atomic_fetch_add(&walks, 1) + 1;
  r->is_hollow = r->is_over = r->notes_faults = false;
  return noting = r;
}

static bool end(void *recording, error **why) {
  cuda_recording *r = recording;
  noting = NULL;
  r->is_new |= r->n_notes != r->n_known;
  cuda_device *d = r->is_over ? NULL : cuda_enter(r->index, why);
  if (d) {
    *why = submit(d, r, launch_together);
    cuda_leave(d);
  }
  give_late(r);
  if (r->is_over || *why) {
    forget(r);
    return false;
  }
  set_rest(r, true);
  return true;
}

static bool drop(void *recording) {
  cuda_recording *r = recording;
  const bool nothing_was_launched = !r->is_over;
  noting = NULL;
  give_late(r);
  forget(r);
  return nothing_was_launched;
}

/* Where two slots had one memory it is not known which of them a note means. */
static bool fits(const cuda_recording *r, int count, void *const *memories) {
  if (r->is_hollow || r->n_slots != count) return false;
  for (int k = 0; k < count; k++)
    if (memories[k] != memories[r->ties[k]]) return false;
  return true;
}

static void replace(cuda_recording *r, void *const *memories) {
  memcpy(r->slots, memories, (size_t)r->n_slots * sizeof *memories);
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
  set_rest(r, false);
  if (!fits(r, count, memories)) return false; /* it is made anew */
  cuda_device *d = cuda_enter(r->index, why);
  if (!d) return false;
  replace(r, memories);
  if (r->notes_faults) gpu_expect_faults(&gpu_cuda, r->index);
  *why = submit(d, r, launch_together);
  cuda_leave(d);
  set_rest(r, true);
  return !*why;
}

const recording_driver cuda_recordings = {begin, end, drop, repeat, forget};
