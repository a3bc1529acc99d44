/* reduce_gpu.c: launches reduce.kc: "Reduce". Results whose elements are many are joined in segments by one launch, and
   these by another. Uses gpu.h. */
#include "backends/gpu/gpu.h"

extern const char kernel_reduce[];

/* ---- launches ---- */

typedef struct reduction {
  int kind;
  pons_dtype joined;
  gpu_walk results, elements;
  int64_t count, size; /* results, elements of each */
} reduction;

/* How its work is cut. */
typedef struct cutting {
  bool by_columns, one_axis;
  int group, team; /* threads of a group, and of a result, or across results */
  int each;        /* elements that are read at once; 0: one after the other */
  int64_t segment, segments;
} cutting;

static int64_t magnitude(int64_t stride) { return stride < 0 ? -stride : stride; }

/* Threads across results where neighbouring results lie nearer to each other than the elements of one, or those are few. */
static bool is_by_columns(const reduction *r) {
  const int kept = r->results.n - 1, reduced = r->elements.n - 1;
  if (kept < 0 || reduced < 0) return kept >= 0;
  if (r->size < 16) return true;
  return r->results.sizes[kept] >= 32 &&
         magnitude(r->results.strides[0][kept]) < magnitude(r->elements.strides[0][reduced]);
}

/* Are all strides but that of the last axis, or it too, multiples of so many elements? */
static bool steps_by(const gpu_walk *w, bool but_last, int each) {
  for (int d = 0; d < w->n - but_last; d++)
    if (w->strides[0][d] % each != 0) return false;
  return true;
}

/* Elements, or neighbouring results, that can be read at once. */
static int read_at_once(const reduction *r, const cutting *c, const operand *x) {
  const int size = (int)pons_dtype_size(x->dtype), each = c->by_columns && size == 1 ? 8 : GPU_WIDE / size;
  const gpu_walk *along = c->by_columns ? &r->results : &r->elements, *other = c->by_columns ? &r->elements : &r->results;
  if (!gpu_is_aligned(x, each * size) || along->n == 0 || along->strides[0][along->n - 1] != 1) return 0;
  if (c->by_columns ? along->sizes[along->n - 1] % each != 0 : !c->one_axis || r->size < each) return 0;
  return steps_by(along, true, each) && steps_by(other, false, each) ? each : 0;
}

enum { MOST_SEGMENTS = 1024, ENOUGH_THREADS = 1 << 18, LEAST_PER_THREAD = 16, SHORT_ROW = 64, TEAM = 32 };

static void set_segments(cutting *c, const reduction *r) {
  const int64_t per = c->each ? c->each : 1, across = c->by_columns ? c->team * per : c->group / c->team;
  const int64_t groups = ceiling(r->count, across), threads_each = c->by_columns ? c->group / c->team : c->team;
  int64_t wanted = ENOUGH_THREADS / (groups * c->group);
  const int64_t most = r->size / (LEAST_PER_THREAD * threads_each);
  if (wanted > most) wanted = most;
  wanted = wanted > MOST_SEGMENTS ? MOST_SEGMENTS : wanted < 1 ? 1 : wanted;
  c->segment = ceiling(r->size, wanted);
  if (!c->by_columns) c->segment = round_up(c->segment, per); /* so that each begins aligned */
  c->segments = ceiling(r->size, c->segment);
}

static cutting cut(const gpu_backend *b, const reduction *r, const operand *x) {
  const gpu_call probe = gpu_call_for(b, x);
  cutting c = {.by_columns = is_by_columns(r), .one_axis = r->elements.n == 1};
  c.each = read_at_once(r, &c, x);
  const int64_t per = c.each ? c.each : 1;
  if (c.by_columns) {
    c.group = r->size < TEAM ? gpu_group_for(&probe, 64, 64) : gpu_group_for(&probe, 256, 256);
    const int most = r->size < TEAM || c.group < TEAM ? c.group : TEAM;
    for (c.team = 1; c.team < most && c.team * per < r->count;) c.team *= 2;
  } else {
    c.group = gpu_group_for(&probe, r->size / per, 256);
    c.team = c.group;
    if (r->size / per <= SHORT_ROW && c.group > TEAM && r->count > 1) c.team = TEAM;
  }
  set_segments(&c, r);
  return c;
}

/* The numbers after those of the memories, and the launch. */
static error *run(gpu_call *c, const reduction *r, const cutting *f, pons_dtype from) {
  static const char *const loads[] = {[1] = "load_words1", [2] = "load_words2", [4] = "load_words4"};
  const int64_t across = f->by_columns ? f->team * (f->each ? f->each : 1) : f->group / f->team;
  gpu_number(c, r->count);
  gpu_number(c, r->size);
  gpu_number(c, f->segment);
  gpu_number(c, 0);
  gpu_number(c, 0);
  gpu_number(c, f->one_axis ? r->elements.strides[0][0] : 0);
  gpu_number_walk(c, 5, &r->results);
  gpu_number_walk(c, 6, &r->elements);
  if (f->one_axis) gpu_define_text(c, "ONE_AXIS", "");
  if (!f->by_columns) gpu_define_text(c, "ROWS", "");
  gpu_define(c, "GROUP", f->group);
  gpu_define(c, f->by_columns ? "ACROSS" : "TEAM", f->team);
  if (f->each) {
    gpu_define(c, "EACH", f->each);
    gpu_define_wide(c, "X", from);
    gpu_define_text(c, "LOAD", loads[f->each * (int)pons_dtype_size(from) / 4]);
  }
  c->group[0] = f->group;
  c->groups[0] = ceiling(r->count, across);
  c->groups[1] = f->segments;
  return gpu_run(c, kernel_reduce, f->by_columns ? "reduce_columns" : "reduce_rows");
}

static gpu_call call_for(const gpu_backend *b, const launch *l, const reduction *r, bool first, bool last) {
  gpu_call c = gpu_call_for(b, l->out);
  const bool truths = r->kind == REDUCE_AND || r->kind == REDUCE_OR;
  const pons_dtype from = first ? l->in->dtype : r->joined, to = last ? l->out->dtype : r->joined;
  gpu_define_join(&c, r->kind, r->joined);
  gpu_define_dtype(&c, "X", from);
  gpu_define_dtype(&c, "Y", to);
  gpu_define_taken(&c, from, r->joined, first && truths);
  gpu_define_given(&c, r->joined, to);
  return c;
}

/* The segments' results, [segments][results] in `memory`, are joined. */
static error *join_segments(const gpu_backend *b, const launch *l, const reduction *r, void *memory,
                            int64_t segments) {
  gpu_call c = call_for(b, l, r, false, true);
  location at = {memory, 0, c.index};
  const operand parts = {&at, r->joined, 0, NULL, NULL};
  reduction s = *r;
  s.size = segments;
  s.results = gpu_walk_of(1, &r->count, 1, (const int64_t *const[]){(const int64_t[]){1}});
  s.elements = gpu_walk_of(1, &segments, 1, (const int64_t *const[]){&r->count});
  cutting f = cut(b, &s, &parts);
  f.segment = segments, f.segments = 1;
  gpu_written(&c, l->out);
  gpu_memory(&c, memory, false);
  return run(&c, &s, &f, r->joined);
}

static error *reduce_in_segments(const gpu_backend *b, const launch *l, gpu_call *c, const reduction *r,
                                 const cutting *f) {
  error *why = NULL;
  const size_t bytes = (size_t)(f->segments * r->count) * pons_dtype_size(r->joined);
  void *memory = b->memory->take(c->index, bytes, &why);
  if (memory) {
    gpu_memory(c, memory, true);
    gpu_read(c, l->in);
    why = run(c, r, f, l->in->dtype);
    if (!why) why = join_segments(b, l, r, memory, f->segments);
    b->memory->give(c->index, memory);
  }
  return why;
}

const char *gpu_refuses_reduce(const gpu_backend *b, const launch *l) {
  (void)b;
  return shape_size(l->in->ndim, l->in->shape) == 0 ? "there are no elements" : NULL;
}

error *gpu_reduce(const gpu_backend *b, const launch *l) {
  const reduce_params *p = l->params;
  reduction r = {.kind = p->kind,
                 .joined = gpu_joined_dtype(p->kind, l->out->dtype),
                 .results = gpu_walk_axes(l->in, p->axes, false),
                 .elements = gpu_walk_axes(l->in, p->axes, true)};
  r.count = gpu_walk_size(&r.results);
  r.size = gpu_walk_size(&r.elements);
  const cutting f = cut(b, &r, l->in);
  gpu_call c = call_for(b, l, &r, true, f.segments == 1);
  if (f.segments > 1) return reduce_in_segments(b, l, &c, &r, &f);
  gpu_written(&c, l->out);
  gpu_read(&c, l->in);
  return run(&c, &r, &f, l->in->dtype);
}
