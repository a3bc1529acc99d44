/* reduce_gpu.c: launches reduce.kc: "Reduce", also of what a kernel makes, and with another behind it. Results whose elements are many are
   joined in segments by one launch, and these by another, which then has the kernel behind. Uses gpu.h, kernel_text.h. */
#include "backends/gpu/gpu.h"
#include "backends/gpu/kernel_text.h"

extern const char kernel_reduce[];

/* ---- launches ---- */

typedef struct reduction {
  int kind;
  pons_dtype from, joined, to; /* of an element, as it is joined, and of a result */
  const kernel *made; /* what makes the elements of the operands; NULL: they are those of the only one */
  int n_in;
  const operand *in;
  gpu_walk results, elements; /* of all operands */
  int lead; /* the operand by whose layout work is cut */
  int64_t count, size; /* results, elements of each */
  const kernel *behind; /* what makes something of the results, and: NULL: nothing */
  int n_more;           /* of its further operands, of the shape of what it makes */
  const operand *more;
} reduction;

/* How its work is cut. */
typedef struct cutting {
  bool by_columns, one_axis;
  int group, team; /* threads of a group, and of a result, or across results */
  int each;        /* elements that are read at once; 0: one after the other */
  kernel_form form; /* of the kernel that makes them */
  int64_t segment, segments;
} cutting;

static int64_t magnitude(int64_t stride) { return stride < 0 ? -stride : stride; }

/* Threads across results where neighbouring results lie nearer to each other than the elements of one, or those are few. */
static bool is_by_columns(const reduction *r) {
  const int kept = r->results.n - 1, reduced = r->elements.n - 1;
  if (kept < 0 || reduced < 0) return kept >= 0;
  if (r->size < 16) return true;
  return r->results.sizes[kept] >= 32 &&
         magnitude(r->results.strides[r->lead][kept]) < magnitude(r->elements.strides[r->lead][reduced]);
}

/* Are all strides of operand k but that of the last axis, or it too, multiples of so many elements? */
static bool steps_by(const gpu_walk *w, int k, bool but_last, int each) {
  for (int d = 0; d < w->n - but_last; d++)
    if (w->strides[k][d] % each != 0) return false;
  return true;
}

/* Can neighbours of operand k be read so many at once? */
static bool has_neighbours(const reduction *r, int k, const gpu_walk *along, const gpu_walk *other, int bytes) {
  const int each = bytes / (int)pons_dtype_size(r->in[k].dtype);
  return along->strides[k][along->n - 1] == 1 && gpu_is_aligned(&r->in[k], bytes) && steps_by(along, k, true, each) &&
         steps_by(other, k, false, each);
}

/* Elements, or neighbouring results, that can be read at once; where a kernel makes them, its form. */
static int read_at_once(const reduction *r, cutting *c) {
  const gpu_walk *along = c->by_columns ? &r->results : &r->elements, *other = c->by_columns ? &r->elements : &r->results;
  if (along->n == 0 || (!c->by_columns && !c->one_axis)) return 0;
  const int size = (int)pons_dtype_size(r->in->dtype);
  int each = c->by_columns && size == 1 ? 8 : GPU_WIDE / size;
  for (int k = 0; r->made && k < r->n_in; k++)
    c->form.lies[k] = along->strides[k][along->n - 1] == 0 ? KERNEL_REPEATED : KERNEL_IN_ORDER;
  if (r->made) each = kernel_text_each(r->made, &c->form);
  if (each == 1 || (c->by_columns ? along->sizes[along->n - 1] % each != 0 : r->size < each)) return 0;
  for (int k = 0; k < r->n_in; k++)
    if (!(r->made && c->form.lies[k] == KERNEL_REPEATED) &&
        !has_neighbours(r, k, along, other, kernel_text_bytes_at_once(r->in[k].dtype, each)))
      return 0;
  return each;
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

static cutting cut(const gpu_backend *b, const reduction *r) {
  const gpu_call probe = gpu_call_for(b, r->in);
  cutting c = {.by_columns = is_by_columns(r), .one_axis = r->elements.n == 1};
  c.each = read_at_once(r, &c);
  c.form.each = (uint8_t)(c.each ? c.each : 1);
  if (!c.each) memset(c.form.lies, KERNEL_STRIDED, sizeof c.form.lies);
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

enum { LONG_WORK = 32 }; /* rows for what a thread reads at once */

static void read_operands(gpu_call *c, const reduction *r) {
  for (int k = 0; k < r->n_in; k++) gpu_read(c, &r->in[k]);
  for (int k = 0; k < r->n_more; k++) gpu_read(c, &r->more[k]);
  c->wide |= r->size > INT32_MAX / 2 || r->count > INT32_MAX / 2;
}

static void number_further_walk(gpu_call *c, const reduction *r) {
  const int64_t *strides[GPU_WALK_OPERANDS];
  for (int k = 0; k < r->n_more; k++) strides[k] = r->more[k].strides;
  const gpu_walk w = gpu_walk_of(r->more->ndim, r->more->shape, r->n_more, strides);
  gpu_number_walk(c, 5 + r->n_in, &w);
}

/* The numbers after those of the memories, and the launch. */
static error *run(gpu_call *c, const reduction *r, const cutting *f) {
  static const char *const loads[] = {[1] = "load_words1", [2] = "load_words2", [4] = "load_words4"};
  const char *const entry = f->by_columns ? "reduce_columns" : "reduce_rows";
  const int64_t across = f->by_columns ? f->team * (f->each ? f->each : 1) : f->group / f->team;
  gpu_begin_numbers(c);
  gpu_number(c, r->count);
  gpu_number(c, r->size);
  gpu_number(c, f->segment);
  gpu_number(c, 0);
  gpu_number(c, 0);
  for (int k = 0; k < r->n_in; k++) gpu_number(c, f->one_axis ? r->elements.strides[k][0] : 0);
  if (r->n_more) gpu_number(c, 0);
  gpu_number_walk(c, 3, &r->results);
  gpu_number_walk(c, 4, &r->elements);
  if (r->n_more) number_further_walk(c, r);
  if (f->one_axis) gpu_define_text(c, "ONE_AXIS", "");
  if (!f->by_columns) gpu_define_text(c, "ROWS", "");
  gpu_define(c, "GROUP", f->group);
  gpu_define(c, f->by_columns ? "ACROSS" : "TEAM", f->team);
  if (f->each) gpu_define(c, "EACH", f->each);
  c->group[0] = f->group;
  c->groups[0] = ceiling(r->count, across);
  c->groups[1] = f->segments;
  if (r->made && r->made->n_code * f->form.each > LONG_WORK) gpu_define_text(c, "LONG", "");
  if (f->each && !r->made) {
    gpu_define_wide(c, "X", r->from);
    gpu_define_text(c, "LOAD", loads[f->each * (int)pons_dtype_size(r->from) / 4]);
  }
  if (r->behind) gpu_define(c, "INS", r->n_in);
  return gpu_run_with_chains(c, kernel_reduce, entry, &(gpu_chains){r->made, &f->form, r->behind, NULL});
}

static gpu_call call_for(const gpu_backend *b, const launch *l, const reduction *r, bool first, bool last) {
  gpu_call c = gpu_call_for(b, l->out);
  const bool truths = r->kind == REDUCE_AND || r->kind == REDUCE_OR;
  const pons_dtype to = last ? r->to : r->joined;
  gpu_define_join(&c, r->kind, r->joined);
  gpu_define_dtype(&c, "X", r->from);
  gpu_define_dtype(&c, "Y", to);
  gpu_define_taken(&c, r->from, r->joined, first && truths);
  gpu_define_given(&c, r->joined, to);
  return c;
}

static void write_results(gpu_call *c, const launch *l) {
  for (int i = 0; i < l->n_out; i++) gpu_written(c, &l->out[i]);
}

/* The segments' results, [segments][results] in `memory`, are joined. */
static error *join_segments(const gpu_backend *b, const launch *l, const reduction *r, void *memory,
                            int64_t segments) {
  location at = {memory, 0, ((const location *)l->out->data)->device};
  const operand parts = {&at, r->joined, 0, NULL, NULL};
  reduction s = {.kind = r->kind, .from = r->joined, .joined = r->joined, .to = r->to, .n_in = 1, .in = &parts, .count = r->count,
                 .size = segments, .behind = r->behind, .n_more = r->n_more, .more = r->more};
  s.results = gpu_walk_of(1, &r->count, 1, (const int64_t *const[]){(const int64_t[]){1}});
  s.elements = gpu_walk_of(1, &segments, 1, (const int64_t *const[]){&r->count});
  gpu_call c = call_for(b, l, &s, false, true);
  cutting f = cut(b, &s);
  f.segment = segments, f.segments = 1;
  write_results(&c, l);
  gpu_memory(&c, memory, false);
  for (int k = 0; k < s.n_more; k++) gpu_read(&c, &s.more[k]);
  return run(&c, &s, &f);
}

static error *reduce_in_segments(const gpu_backend *b, const launch *l, gpu_call *c, const reduction *r, const cutting *f) {
  reduction first = *r;
  first.behind = NULL;
  first.n_more = 0;
  error *why = NULL;
  const size_t bytes = (size_t)(f->segments * r->count) * pons_dtype_size(r->joined);
  void *memory = b->memory->take(c->index, bytes, &why);
  if (memory) {
    gpu_memory(c, memory, true);
    read_operands(c, &first);
    why = run(c, &first, f);
    if (!why) why = join_segments(b, l, r, memory, f->segments);
    b->memory->give(c->index, memory);
  }
  return why;
}

const char *gpu_refuses_reduce(const gpu_backend *b, const launch *l) {
  (void)b;
  return shape_size(l->in->ndim, l->in->shape) == 0 ? "there are no elements" : NULL;
}

/* The operand with the most elements, not counting repeated ones. */
static int lead_of(int n, const operand *in) {
  int lead = 0;
  int64_t most = 0;
  for (int k = 0; k < n; k++) {
    int64_t elements = 1;
    for (int d = 0; d < in[k].ndim; d++) elements *= in[k].strides[d] ? in[k].shape[d] : 1;
    if (elements > most) most = elements, lead = k;
  }
  return lead;
}

static reduction reduction_of(const launch *l, const chains *with) {
  const reduce_params *p = l->params;
  const pons_dtype to = with->behind ? with->z->dtype : l->out->dtype;
  const int n_more = with->behind ? with->behind->n_in - 1 : 0, n_in = l->n_in - n_more;
  reduction r = {.kind = p->kind,
                 .from = with->front ? with->y->dtype : l->in->dtype,
                 .joined = gpu_joined_dtype(p->kind, to),
                 .to = to,
                 .made = with->front,
                 .n_in = n_in,
                 .in = l->in,
                 .lead = lead_of(n_in, l->in),
                 .results = gpu_walk_axes(n_in, l->in, p->axes, false),
                 .elements = gpu_walk_axes(n_in, l->in, p->axes, true),
                 .behind = with->behind,
                 .n_more = n_more,
                 .more = l->in + n_in};
  r.count = gpu_walk_size(&r.results);
  r.size = gpu_walk_size(&r.elements);
  return r;
}

error *gpu_reduce_with(const gpu_backend *b, const launch *l, const chains *with) {
  const reduction r = reduction_of(l, with);
  const cutting f = cut(b, &r);
  gpu_call c = call_for(b, l, &r, true, f.segments == 1);
  if (f.segments > 1) return reduce_in_segments(b, l, &c, &r, &f);
  write_results(&c, l);
  read_operands(&c, &r);
  return run(&c, &r, &f);
}

error *gpu_reduce(const gpu_backend *b, const launch *l) { return gpu_reduce_with(b, l, &(chains){0}); }

bool gpu_reduces_with(const gpu_backend *b, const launch *l, const chains *with) {
  const int n_more = with->behind ? with->behind->n_in - 1 : 0, memories = l->n_out + l->n_in;
  if (with->front && with->front->n_out > 1) return false;
  if (l->n_in - n_more > GPU_WALK_OPERANDS || n_more > GPU_WALK_OPERANDS || (b->compiles && !b->compiles())) return false;
  if (memories + 1 > gpu_common_features(b).max_memories) return false;
  const reduction r = reduction_of(l, with);
  const int further = n_more ? 2 + (1 + n_more) * l->out->ndim : 0;
  const int numbers = memories + 5 + r.n_in + 2 + (1 + r.n_in) * (r.results.n + r.elements.n) + further;
  return numbers <= GPU_NUMBERS;
}
