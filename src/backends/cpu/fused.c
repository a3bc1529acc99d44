/* fused.c: runs kernels on the CPU, tile by tile.

   The elements of the outputs are cut into pieces of fixed size, which the threads share, and pieces into
   tiles so small that whatever lives between two instructions stays in the L1 cache. Packed operands are
   used where they lie; the rest is copied to the tile:

       in 0 (packed) ────────────┐
       in 1 (repeats) ─ filled ──┼─ add ─ slot ─ tanh ─ out 0 (written in place)
       in 2 (strided) ─ copied ──┘        

   A tile is a run of consecutive elements. Where an operand is transposed against the output, a strip of it at a time,
   as much as stays in the L2 cache, is first turned into the output's order. Uses base/, kernel/. */
#include "backends/cpu/calls.h"
#include "backends/cpu/program.h"

enum {
  TILE = 1024,        /* elements at most */
  ARENA = 48 * 1024,  /* bytes of all slots */
  PIECE = 32 * 1024,  /* elements that one thread takes at a time */
  WORTH_PAIRS = 1024,  /* elements from which joining rows pays */
  WORTH_STRIPS = 2048, /* elements from which turning strips pays */
  STRIP = 64 * 1024,  /* elements of a strip, at most */
  STRIP_COLUMNS = 2048,
  FAR_COLUMNS = 64,   /* of a strip at least whose rows do not follow each other in the outputs */
  AHEAD = 4096        /* bytes from what is computed to what is fetched */
};

typedef struct work {
  const kernel *kernel;
  const operand *in, *out;
  reach reach[KERNEL_MAX_INPUTS];
  int64_t size; /* elements of an output */
  int64_t tile; /* elements a slot holds */
  bool outgrows_cache;
  bool past_cache; /* outputs are written from slots, past the caches */
  /* Axes, joined where every operand allows it, and strides of the inputs along them; set only if an input
     is neither packed nor repeated. */
  int n;
  int64_t dims[PONS_MAX_NDIM];
  int64_t *strides[KERNEL_MAX_INPUTS];
  /* Strips: rows along axis `row`, columns along the last; row = -1: there are none. */
  int row;
  bool turned[KERNEL_MAX_INPUTS]; /* the inputs of which strips are turned */
  int64_t rows, columns, row_strips, column_strips;
  error *_Atomic why;
  const program *program;
} work;

/* ---- runs ---- */

static void place_slots(const work *w, char *arena, char **at, int64_t count) {
  const program *p = w->program;
  for (int r = 0; r < p->n_registers; r++)
    if (p->slot[r] >= 0) at[r] = arena + (size_t)p->slot[r] * (size_t)w->tile * p->item_size;
  for (int i = 0; i < w->kernel->n_in; i++)
    if (w->reach[i] == REACH_REPEAT) tile_copy(at[i], w->in[i].data, 0, count, p->size[i]);
}

static void run_ops(const program *p, char **at, int64_t count) {
  for (int i = 0; i < p->n_ops; i++) {
    const op *o = &p->ops[i];
    o->run(at[o->out], at[o->arg[0]], o->arg[1] < 0 ? NULL : at[o->arg[1]],
           o->arg[2] < 0 ? NULL : at[o->arg[2]], count);
  }
}

/* `count` elements of input i from element `from` of the output on: where they lie, or copied to `slot`. */
static char *reach_run(const work *w, int i, int64_t from, int64_t count, char *slot) {
  const int64_t *strides = w->strides[i];
  size_t size = w->program->size[i];
  int last = w->n - 1;
  int64_t index[PONS_MAX_NDIM], offset = 0, rest = from;
  for (int d = last; d >= 0; d--) {
    index[d] = rest % w->dims[d];
    rest /= w->dims[d];
    offset += index[d] * strides[d];
  }
  const char *data = w->in[i].data;
  if (strides[last] == 1 && w->dims[last] - index[last] >= count)
    return (char *)data + offset * (int64_t)size;
  for (char *to = slot; count > 0;) {
    int64_t run = w->dims[last] - index[last];
    if (run > count) run = count;
    tile_copy(to, data + offset * (int64_t)size, strides[last], run, size);
    to += run * (int64_t)size;
    count -= run;
    offset -= index[last] * strides[last]; /* to the start of the next row */
    index[last] = 0;
    for (int d = last - 1; d >= 0; d--) {
      offset += strides[d];
      if (++index[d] < w->dims[d]) break;
      offset -= index[d] * strides[d];
      index[d] = 0;
    }
  }
  return slot;
}

static void store_run(const work *w, char **at, int64_t count, bool from_inputs) {
  const program *p = w->program;
  const kernel *k = w->kernel;
  for (int o = 0; o < k->n_out; o++) {
    int r = p->result[o], to = p->first_output + o;
    if (r == to || (r < k->n_in) != from_inputs || at[r] == at[to]) continue;
    if (w->past_cache) cpu_copy_past_cache(at[to], at[r], (size_t)count * p->size[to]);
    else memcpy(at[to], at[r], (size_t)count * p->size[to]);
  }
}

/* What tiles to come read: while the processor computes, it fetches none of it by itself. */
static void fetch_ahead(const work *w, int64_t from) {
  for (int i = 0; i < w->kernel->n_in; i++) {
    if (w->reach[i] != REACH_PACKED) continue;
    const int64_t size = w->program->size[i];
    const char *x = (const char *)w->in[i].data + from * size + AHEAD;
    for (int64_t at = 0; at < w->tile * size; at += 64) __builtin_prefetch(x + at);
  }
}

/* Elements `from` to `end` of the outputs. `turned`: where the turned inputs have element `from`. */
static void run_runs(const work *w, int64_t from, int64_t end, char *const *turned) {
  _Alignas(64) char arena[ARENA];
  char *at[MAX_REGISTERS];
  const program *p = w->program;
  const kernel *k = w->kernel;
  char *slots[KERNEL_MAX_INPUTS];
  place_slots(w, arena, at, end - from < w->tile ? end - from : w->tile);
  for (int i = 0; i < k->n_in; i++) slots[i] = at[i];
  for (const int64_t first = from; from < end; from += w->tile) {
    int64_t count = end - from < w->tile ? end - from : w->tile;
    for (int i = 0; i < k->n_in; i++) {
      if (w->reach[i] == REACH_PACKED) at[i] = (char *)w->in[i].data + from * p->size[i];
      if (w->reach[i] != REACH_GATHER) continue;
      at[i] = w->turned[i] ? turned[i] + (from - first) * p->size[i] : reach_run(w, i, from, count, slots[i]);
    }
    for (int o = 0; o < k->n_out; o++)
      at[p->first_output + o] = (char *)w->out[o].data + from * p->size[p->first_output + o];
    if (w->outgrows_cache) fetch_ahead(w, from);
    run_ops(p, at, count);
    if (!p->stores) continue;
    /* An input that is itself a result goes first, before its memory is written as another's. */
    store_run(w, at, count, true);
    store_run(w, at, count, false);
  }
  if (w->past_cache) cpu_end_past_cache();
}

static void run_piece_of_runs(void *context, int64_t piece) {
  const work *w = context;
  int64_t from = piece * PIECE;
  run_runs(w, from, from + PIECE < w->size ? from + PIECE : w->size, NULL);
}

/* ---- strips ---- */

/* Where strip `piece` begins, and how many rows and columns it has. */
static void find_strip(const work *w, int64_t piece, int64_t *index, int64_t *rows, int64_t *columns) {
  const int last = w->n - 1;
  int64_t rest = piece / w->column_strips;
  index[last] = piece % w->column_strips * w->columns;
  index[w->row] = rest % w->row_strips * w->rows;
  rest /= w->row_strips;
  for (int d = last - 1; d >= 0; d--) {
    if (d == w->row) continue;
    index[d] = rest % w->dims[d];
    rest /= w->dims[d];
  }
  *rows = smaller(w->dims[w->row] - index[w->row], w->rows);
  *columns = smaller(w->dims[last] - index[last], w->columns);
}

/* Of input i's strip, so that the next begins at a multiple of 64. */
static int64_t strip_bytes(const work *w, int i, int64_t rows, int64_t columns) {
  return w->turned[i] ? (rows * columns * w->program->size[i] + 63) / 64 * 64 : 0;
}

/* The turned inputs' strips, one after the other in `memory`; where each begins in `turned`. */
static void turn_strip(const work *w, const int64_t *index, int64_t rows, int64_t columns, char *memory, char **turned) {
  const int64_t shape[] = {rows, columns}, to[] = {columns, 1};
  for (int i = 0; i < w->kernel->n_in; i++) {
    if (!w->turned[i]) continue;
    const int64_t strides[] = {w->strides[i][w->row], w->strides[i][w->n - 1]}, size = w->program->size[i];
    int64_t offset = 0;
    for (int d = 0; d < w->n; d++) offset += index[d] * w->strides[i][d];
    turned[i] = memory;
    cpu_copy(memory, to, (const char *)w->in[i].data + offset * size, strides, 2, shape, (size_t)size);
    memory += strip_bytes(w, i, rows, columns);
  }
}

static void run_strip(void *context, int64_t piece) {
  work *w = context;
  int64_t index[PONS_MAX_NDIM], rows, columns, bytes = 0, from = 0, step = 1, row_step = 1;
  char *turned[KERNEL_MAX_INPUTS];
  find_strip(w, piece, index, &rows, &columns);
  for (int i = 0; i < w->kernel->n_in; i++) bytes += strip_bytes(w, i, rows, columns);
  error *why = NULL, *none = NULL;
  buffer *memory = buffer_new((size_t)bytes, "eval", &why);
  if (!memory) {
    if (!atomic_compare_exchange_strong(&w->why, &none, why)) error_release(why);
    return;
  }
  turn_strip(w, index, rows, columns, buffer_data(memory), turned);
  for (int d = w->n - 1; d >= 0; d--) {
    if (d == w->row) row_step = step;
    from += index[d] * step;
    step *= w->dims[d];
  }
  const bool together = row_step == columns; /* the strip's rows follow each other in the outputs */
  for (int64_t r = 0; r < rows; r += together ? rows : 1) {
    run_runs(w, from + r * row_step, from + r * row_step + (together ? rows * columns : columns), turned);
    for (int i = 0; i < w->kernel->n_in; i++)
      if (w->turned[i]) turned[i] += columns * w->program->size[i];
  }
  buffer_release(memory);
}

/* The axis along which an input that is strided along the last axis lies together; -1: there is none, or it
   does not pay. */
static int find_row_axis(const work *w) {
  int last = w->n - 1, best = -1;
  if (w->size < WORTH_STRIPS) return -1;
  for (int i = 0; i < w->kernel->n_in && best < 0; i++) {
    if (w->reach[i] != REACH_GATHER) continue;
    int64_t least = magnitude(w->strides[i][last]);
    for (int d = 0; d < last && least > 1; d++) {
      const int64_t stride = magnitude(w->strides[i][d]);
      if (stride == 0 || stride >= least || w->dims[d] < 4 || w->dims[last] < (d == last - 1 ? 4 : FAR_COLUMNS)) continue;
      least = stride;
      best = d;
    }
  }
  return best;
}

static error *run_strips(work *w) {
  const int64_t last = w->dims[w->n - 1], high = w->dims[w->row];
  for (int i = 0; i < w->kernel->n_in; i++)
    w->turned[i] = w->reach[i] == REACH_GATHER && w->strides[i][w->row] != 0 &&
                   magnitude(w->strides[i][w->row]) < magnitude(w->strides[i][w->n - 1]);
  w->columns = smaller(last, STRIP_COLUMNS);
  w->rows = smaller(high, STRIP / w->columns);
  w->row_strips = pieces_of(high, w->rows);
  w->column_strips = pieces_of(last, w->columns);
  parallel_for(w->size / (last * high) * w->row_strips * w->column_strips, run_strip, w);
  return atomic_load(&w->why);
}

/* ---- the whole ---- */

static void fit_tile(work *w) {
  int64_t room =
      w->program->n_slots ? ARENA / (int64_t)(w->program->item_size * (size_t)w->program->n_slots) : TILE;
  const int64_t most = w->outgrows_cache ? FAR_TILE : TILE;
  w->tile = room < most ? room & ~(int64_t)15 : most;
}

/* Strides of what has to be copied, along as few axes as will do. */
static void join_axes(work *w, int64_t (*strides)[PONS_MAX_NDIM]) {
  int64_t *lists[KERNEL_MAX_INPUTS];
  int count = 0;
  w->n = w->out[0].ndim;
  memcpy(w->dims, w->out[0].shape, (size_t)w->n * sizeof *w->dims);
  for (int i = 0; i < w->kernel->n_in; i++) {
    w->strides[i] = strides[i];
    if (w->reach[i] != REACH_GATHER) continue;
    memcpy(strides[i], w->in[i].strides, (size_t)w->n * sizeof **strides);
    lists[count++] = strides[i];
  }
  w->n = shape_collapse(w->n, w->dims, count, lists);
}

/* Not where an output is an input's memory: its lines are in the cache when it is written. */
static bool worth_past_cache(const work *w) {
  if (!w->outgrows_cache) return false;
  for (int o = 0; o < w->kernel->n_out; o++)
    for (int i = 0; i < w->kernel->n_in; i++)
      if (w->in[i].data == w->out[o].data) return false;
  return true;
}

/* A kernel that only moves elements, each once. */
static bool copies(const kernel *k, const operand *x) {
  bool repeats = false;
  for (int d = 0; d < x->ndim; d++) repeats |= x->strides[d] == 0 && x->shape[d] != 1;
  return k->n_code == 0 && k->n_in == 1 && k->n_out == 1 && !repeats;
}

/* ---- programs that are kept ---- */

/* All that a program of few elements depends on besides its kernel. */
typedef struct usage { /* without gaps: bytes are compared */
  uint32_t pairs;
  uint32_t over[KERNEL_MAX_OUTPUTS]; /* bit i: the output is written over input i */
  uint8_t reach[KERNEL_MAX_INPUTS];
} usage;

typedef struct kept_program {
  usage usage;
  program program; /* as long as it has ops */
} kept_program;

static usage usage_of(const work *w) {
  usage u = {.pairs = w->size >= WORTH_PAIRS};
  for (int i = 0; i < w->kernel->n_in; i++) {
    u.reach[i] = (uint8_t)w->reach[i];
    for (int o = 0; o < w->kernel->n_out; o++) u.over[o] |= (uint32_t)(w->in[i].data == w->out[o].data) << i;
  }
  return u;
}

static void make_program(const work *w, program *p) {
  const writing writing = !w->past_cache ? WRITE_IN_PLACE : w->row >= 0 ? WRITE_AFTERWARDS : WRITE_FAR;
  program_make(p, w->kernel, w->reach, w->in, w->out, writing, w->size >= WORTH_PAIRS);
}

/* The kept one if it was made for such operands, else a new one, which is kept if there is memory for it. */
static const program *find_program(const work *w, program *here, void **kept) {
  if (!kept || w->outgrows_cache) { /* beside so many elements, making it is nothing */
    make_program(w, here);
    return here;
  }
  const usage u = usage_of(w);
  kept_program *before = *kept;
  if (before && memcmp(&before->usage, &u, sizeof u) == 0) return &before->program;
  make_program(w, here);
  mem_free(before);
  const size_t bytes = offsetof(program, ops) + (size_t)here->n_ops * sizeof *here->ops;
  kept_program *now = *kept = mem_alloc(offsetof(kept_program, program) + bytes);
  if (!now) return here;
  now->usage = u;
  memcpy(&now->program, here, bytes);
  return here;
}

error *cpu_run_kernel_again(const kernel *k, const operand *in, const operand *out, void **kept) {
  if (copies(k, in)) {
    cpu_copy_packed(out->data, in);
    return NULL;
  }
  work w;
  bool gathers = false;
  int n = out[0].ndim;
  const int64_t *dims = out[0].shape;
  w.kernel = k;
  w.in = in;
  w.out = out;
  w.row = -1;
  w.why = NULL;
  memset(w.turned, 0, sizeof w.turned);
  w.size = shape_size(n, dims);
  if (w.size == 0) return NULL;
  for (int i = 0; i < k->n_in; i++) {
    bool repeats = true;
    for (int d = 0; d < n && repeats; d++) repeats = dims[d] == 1 || in[i].strides[d] == 0;
    w.reach[i] = shape_is_row_major(n, dims, in[i].strides) ? REACH_PACKED
                 : repeats                                  ? REACH_REPEAT
                                                            : REACH_GATHER;
    gathers |= w.reach[i] == REACH_GATHER;
  }
  int64_t strides[KERNEL_MAX_INPUTS][PONS_MAX_NDIM];
  if (gathers) {
    join_axes(&w, strides);
    w.row = find_row_axis(&w);
  }
  w.outgrows_cache = cpu_outgrows_cache((size_t)w.size * pons_dtype_size(out[0].dtype));
  w.past_cache = worth_past_cache(&w);
  program here;
  w.program = find_program(&w, &here, kept);
  fit_tile(&w);
  if (w.row >= 0) return run_strips(&w);
  if (w.size < 2 * PIECE)
    run_runs(&w, 0, w.size, NULL);
  else
    parallel_for(ceiling(w.size, PIECE), run_piece_of_runs, &w);
  return NULL;
}

error *cpu_run_kernel(const kernel *k, const operand *in, const operand *out) {
  return cpu_run_kernel_again(k, in, out, NULL);
}
