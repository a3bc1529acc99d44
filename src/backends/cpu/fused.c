/* fused.c: runs kernels on the CPU, tile by tile (chain.h).

   The elements of the outputs are cut into pieces of fixed size, which the threads share. Where an operand is transposed against the
   output, a strip of it at a time, as much as stays in the L2 cache, is first turned into the output's order. Uses base/, kernel/. */
#include "backends/cpu/calls.h"
#include "backends/cpu/chain.h"

enum {
  PIECE = 32 * 1024,  /* elements that one thread takes at a time */
  STRIP = 64 * 1024,  /* elements of a strip, at most */
  STRIP_COLUMNS = 2048
};

typedef struct work {
  chain chain;
  const operand *out;
  bool past_cache; /* outputs are written from slots, past the caches */
  /* Strips: rows along axis `row`, columns along the last; row = -1: there are none. */
  int row;
  bool turned[KERNEL_MAX_INPUTS]; /* the inputs of which strips are turned */
  int64_t rows, columns, row_strips, column_strips;
  error *_Atomic why;
} work;

/* ---- runs ---- */

/* Elements `from` to `end` of the outputs. `turned`: where the turned inputs have element `from`. */
static void run_runs(const work *w, int64_t from, int64_t end, char *const *turned) {
  const chain *c = &w->chain;
  const program *p = c->program;
  chain_room room;
  chain_enter(c, &room, end - from);
  for (const int64_t first = from; from < end; from += c->tile) {
    const int64_t count = smaller(end - from, c->tile);
    chain_reach(c, &room, from, count, w->turned);
    for (int i = 0; turned && i < c->kernel->n_in; i++)
      if (w->turned[i]) room.at[i] = turned[i] + (from - first) * p->size[i];
    for (int o = 0; o < c->kernel->n_out; o++)
      room.at[p->first_output + o] = (char *)w->out[o].data + from * p->size[p->first_output + o];
    chain_compute(c, &room, from, count);
    chain_store(c, room.at, count, w->past_cache);
  }
  if (w->past_cache) cpu_end_past_cache();
}

static void run_piece_of_runs(void *context, int64_t piece) {
  const work *w = context;
  int64_t from = piece * PIECE;
  run_runs(w, from, from + PIECE < w->chain.size ? from + PIECE : w->chain.size, NULL);
}

/* ---- strips ---- */

/* Where strip `piece` begins, and how many rows and columns it has. */
static void find_strip(const work *w, int64_t piece, int64_t *index, int64_t *rows, int64_t *columns) {
  const int last = w->chain.n - 1;
  int64_t rest = piece / w->column_strips;
  index[last] = piece % w->column_strips * w->columns;
  index[w->row] = rest % w->row_strips * w->rows;
  rest /= w->row_strips;
  for (int d = last - 1; d >= 0; d--) {
    if (d == w->row) continue;
    index[d] = rest % w->chain.dims[d];
    rest /= w->chain.dims[d];
  }
  *rows = smaller(w->chain.dims[w->row] - index[w->row], w->rows);
  *columns = smaller(w->chain.dims[last] - index[last], w->columns);
}

/* Of input i's strip, so that the next begins at a multiple of 64. */
static int64_t strip_bytes(const work *w, int i, int64_t rows, int64_t columns) {
  return w->turned[i] ? (rows * columns * w->chain.program->size[i] + 63) / 64 * 64 : 0;
}

/* The turned inputs' strips, one after the other in `memory`; where each begins in `turned`. */
static void turn_strip(const work *w, const int64_t *index, int64_t rows, int64_t columns, char *memory, char **turned) {
  const int64_t shape[] = {rows, columns}, to[] = {columns, 1};
  for (int i = 0; i < w->chain.kernel->n_in; i++) {
    if (!w->turned[i]) continue;
    const int64_t strides[] = {w->chain.strides[i][w->row], w->chain.strides[i][w->chain.n - 1]}, size = w->chain.program->size[i];
    int64_t offset = 0;
    for (int d = 0; d < w->chain.n; d++) offset += index[d] * w->chain.strides[i][d];
    turned[i] = memory;
    cpu_copy(memory, to, (const char *)w->chain.in[i].data + offset * size, strides, 2, shape, (size_t)size);
    memory += strip_bytes(w, i, rows, columns);
  }
}

static void run_strip(void *context, int64_t piece) {
  work *w = context;
  int64_t index[PONS_MAX_NDIM], rows, columns, bytes = 0, from = 0, step = 1, row_step = 1;
  char *turned[KERNEL_MAX_INPUTS];
  find_strip(w, piece, index, &rows, &columns);
  for (int i = 0; i < w->chain.kernel->n_in; i++) bytes += strip_bytes(w, i, rows, columns);
  error *why = NULL, *none = NULL;
  buffer *memory = buffer_new((size_t)bytes, "eval", &why);
  if (!memory) {
    if (!atomic_compare_exchange_strong(&w->why, &none, why)) error_release(why);
    return;
  }
  turn_strip(w, index, rows, columns, buffer_data(memory), turned);
  for (int d = w->chain.n - 1; d >= 0; d--) {
    if (d == w->row) row_step = step;
    from += index[d] * step;
    step *= w->chain.dims[d];
  }
  const bool together = row_step == columns; /* the strip's rows follow each other in the outputs */
  for (int64_t r = 0; r < rows; r += together ? rows : 1) {
    run_runs(w, from + r * row_step, from + r * row_step + (together ? rows * columns : columns), turned);
    for (int i = 0; i < w->chain.kernel->n_in; i++)
      if (w->turned[i]) turned[i] += columns * w->chain.program->size[i];
  }
  buffer_release(memory);
}

static error *run_strips(work *w) {
  const int64_t last = w->chain.dims[w->chain.n - 1], high = w->chain.dims[w->row];
  for (int i = 0; i < w->chain.kernel->n_in; i++)
    w->turned[i] = w->chain.reach[i] == REACH_GATHER && w->chain.strides[i][w->row] != 0 &&
                   magnitude(w->chain.strides[i][w->row]) < magnitude(w->chain.strides[i][w->chain.n - 1]);
  w->columns = smaller(last, STRIP_COLUMNS);
  w->rows = smaller(high, STRIP / w->columns);
  w->row_strips = pieces_of(high, w->rows);
  w->column_strips = pieces_of(last, w->columns);
  parallel_for(w->chain.size / (last * high) * w->row_strips * w->column_strips, run_strip, w);
  return atomic_load(&w->why);
}

/* ---- the whole ---- */

/* Not where an output is an input's memory: its lines are in the cache when it is written. */
static bool worth_past_cache(const work *w) {
  if (!w->chain.outgrows_cache) return false;
  for (int o = 0; o < w->chain.kernel->n_out; o++)
    for (int i = 0; i < w->chain.kernel->n_in; i++)
      if (w->chain.in[i].data == w->out[o].data) return false;
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
  usage u = {.pairs = chain_joins_pairs(&w->chain)};
  for (int i = 0; i < w->chain.kernel->n_in; i++) {
    u.reach[i] = (uint8_t)w->chain.reach[i];
    for (int o = 0; o < w->chain.kernel->n_out; o++) u.over[o] |= (uint32_t)(w->chain.in[i].data == w->out[o].data) << i;
  }
  return u;
}

static void make_program(const work *w, program *p) {
  const writing writing = !w->past_cache ? WRITE_IN_PLACE : w->row >= 0 ? WRITE_AFTERWARDS : WRITE_FAR;
  chain_make_program(&w->chain, p, w->out, writing);
}

/* The kept one if it was made for such operands, else a new one, which is kept if there is memory for it. */
static const program *find_program(const work *w, program *here, void **kept) {
  if (!kept || w->chain.outgrows_cache) { /* beside so many elements, making it is nothing */
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
  w.out = out;
  w.why = NULL;
  memset(w.turned, 0, sizeof w.turned);
  chain_begin(&w.chain, k, in, out[0].ndim, out[0].shape);
  const int64_t size = w.chain.size;
  if (size == 0) return NULL;
  w.row = chain_row_axis(&w.chain);
  w.chain.outgrows_cache = cpu_outgrows_cache((size_t)size * pons_dtype_size(out[0].dtype));
  w.past_cache = worth_past_cache(&w);
  program here;
  chain_take_program(&w.chain, find_program(&w, &here, kept));
  if (w.row >= 0) return run_strips(&w);
  if (size < 2 * PIECE)
    run_runs(&w, 0, size, NULL);
  else
    parallel_for(ceiling(size, PIECE), run_piece_of_runs, &w);
  return NULL;
}

error *cpu_run_kernel(const kernel *k, const operand *in, const operand *out) {
  return cpu_run_kernel_again(k, in, out, NULL);
}

/* The results are where the kernel's only one will be, if that takes as much memory, else in some for themselves: few on the stack. */
error *cpu_run_then(const launch *l, const chains *with, void **kept, const char *op, error *(*run)(const launch *, const chains *)) {
  const kernel *k = with->behind;
  if (!k) return run(l, with);
  _Alignas(64) char few[256];
  error *why = NULL;
  buffer *held = NULL;
  operand z = *with->z, in[KERNEL_MAX_INPUTS];
  const size_t bytes = (size_t)operand_size(&z) * pons_dtype_size(z.dtype);
  if (l->n_out == 1 && pons_dtype_size(z.dtype) == pons_dtype_size(l->out->dtype)) z.data = l->out->data;
  else if (bytes <= sizeof few) z.data = few;
  else if ((held = buffer_new(bytes, op, &why))) z.data = buffer_data(held);
  if (!why) why = run(&(launch){l->params, l->n_in, 1, l->in, &z}, with);
  in[0] = l->out[0];
  in[0].data = z.data;
  in[0].dtype = z.dtype;
  memcpy(in + 1, l->in + l->n_in - (k->n_in - 1), (size_t)(k->n_in - 1) * sizeof *in);
  if (!why) why = cpu_run_kernel_again(k, in, l->out, kept);
  buffer_release(held);
  return why;
}
