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
  bool by_columns;
} reduction;

static int64_t magnitude(int64_t stride) { return stride < 0 ? -stride : stride; }

/* A thread per result where neighbouring results lie nearer to each other than the elements of one, or those are
   few. */
static bool is_by_columns(const reduction *r) {
  const int kept = r->results.n - 1, reduced = r->elements.n - 1;
  if (kept < 0 || reduced < 0 || r->size < 16) return true;
  return r->results.sizes[kept] >= 32 &&
         magnitude(r->results.strides[0][kept]) < magnitude(r->elements.strides[0][reduced]);
}

enum { MOST_SEGMENTS = 1024, ENOUGH_THREADS = 1 << 16, LEAST_PER_THREAD = 16 };

static int64_t segments_of(const reduction *r, int group) {
  const int64_t threads_each = r->by_columns ? 1 : group;
  int64_t wanted = ENOUGH_THREADS / (r->count * threads_each);
  const int64_t most = r->size / (LEAST_PER_THREAD * threads_each);
  if (wanted > most) wanted = most;
  return wanted > MOST_SEGMENTS ? MOST_SEGMENTS : wanted < 1 ? 1 : wanted;
}

/* The numbers after those of the memories, and the launch. */
static error *run(gpu_call *c, const reduction *r, int64_t segment, int64_t segments, int group) {
  gpu_number(c, r->count);
  gpu_number(c, r->size);
  gpu_number(c, segment);
  gpu_number(c, 0);
  gpu_number(c, 0);
  gpu_number_walk(c, 5, &r->results);
  gpu_number_walk(c, 6, &r->elements);
  if (!r->by_columns) {
    gpu_define_text(c, "ROWS", "");
    gpu_define(c, "GROUP", group);
  }
  c->group[0] = group;
  c->groups[0] = r->by_columns ? (r->count + group - 1) / group : r->count;
  c->groups[1] = segments;
  return gpu_run(c, kernel_reduce, r->by_columns ? "reduce_columns" : "reduce_rows");
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
  reduction s = *r;
  s.size = segments;
  s.by_columns = true;
  s.results = gpu_walk_of(1, &r->count, 1, (const int64_t *const[]){(const int64_t[]){1}});
  s.elements = gpu_walk_of(1, &segments, 1, (const int64_t *const[]){&r->count});
  gpu_written(&c, l->out);
  gpu_memory(&c, memory, false);
  return run(&c, &s, segments, 1, gpu_group_for(&c, 64, 64));
}

static error *reduce_in_segments(const gpu_backend *b, const launch *l, gpu_call *c, const reduction *r,
                                 int64_t segments, int group) {
  error *why = NULL;
  const size_t bytes = (size_t)(segments * r->count) * pons_dtype_size(r->joined);
  void *memory = b->memory->take(c->index, bytes, &why);
  if (memory) {
    gpu_memory(c, memory, true);
    gpu_read(c, l->in);
    why = run(c, r, (r->size + segments - 1) / segments, segments, group);
    if (!why) why = join_segments(b, l, r, memory, segments);
    b->memory->give(c->index, memory);
  } else {
    text_free(&c->definitions);
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
  r.by_columns = is_by_columns(&r);
  gpu_call probe = gpu_call_for(b, l->out);
  const int group = r.by_columns ? gpu_group_for(&probe, 64, 64) : gpu_group_for(&probe, r.size, 256);
  const int64_t segments = segments_of(&r, group);
  gpu_call c = call_for(b, l, &r, true, segments == 1);
  if (segments > 1) return reduce_in_segments(b, l, &c, &r, segments, group);
  gpu_written(&c, l->out);
  gpu_read(&c, l->in);
  return run(&c, &r, r.size, 1, group);
}
