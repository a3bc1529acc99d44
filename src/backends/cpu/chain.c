/* chain.c: a kernel run tile by tile. Uses kernel/, cpu/chain.h. */
#include "backends/cpu/chain.h"
#include "backends/cpu/calls.h"

enum {
  WORTH_PAIRS = 1024,  /* elements from which joining rows pays */
  WORTH_STRIPS = 2048, /* elements from which turning strips pays */
  FAR_COLUMNS = 64,    /* of a strip at least whose rows do not follow each other in the outputs */
  AHEAD = 4096         /* bytes from what is computed to what is fetched */
};

/* ---- made ready ---- */

/* Strides of what has to be copied, along as few axes as will do. */
static void join_axes(chain *c, int ndim, const int64_t *shape) {
  int64_t *lists[KERNEL_MAX_INPUTS];
  int count = 0;
  memcpy(c->dims, shape, (size_t)ndim * sizeof *c->dims);
  for (int i = 0; i < c->kernel->n_in; i++) {
    if (c->reach[i] != REACH_GATHER) continue;
    memcpy(c->strides[i], c->in[i].strides, (size_t)ndim * sizeof **c->strides);
    lists[count++] = c->strides[i];
  }
  c->n = shape_collapse(ndim, c->dims, count, lists);
}

void chain_begin(chain *c, const kernel *k, const operand *in, int ndim, const int64_t *shape) {
  c->kernel = k;
  c->in = in;
  c->size = shape_size(ndim, shape);
  c->outgrows_cache = c->gathers = false;
  for (int i = 0; i < k->n_in; i++) {
    bool repeats = true;
    for (int d = 0; d < ndim && repeats; d++) repeats = shape[d] == 1 || in[i].strides[d] == 0;
    c->reach[i] = shape_is_row_major(ndim, shape, in[i].strides) ? REACH_PACKED : repeats ? REACH_REPEAT : REACH_GATHER;
    c->gathers |= c->reach[i] == REACH_GATHER;
  }
  if (c->gathers) join_axes(c, ndim, shape);
}

int chain_row_axis(const chain *c) {
  if (!c->gathers || c->size < WORTH_STRIPS) return -1;
  int last = c->n - 1, best = -1;
  for (int i = 0; i < c->kernel->n_in && best < 0; i++) {
    if (c->reach[i] != REACH_GATHER) continue;
    int64_t least = magnitude(c->strides[i][last]);
    for (int d = 0; d < last && least > 1; d++) {
      const int64_t stride = magnitude(c->strides[i][d]);
      if (stride == 0 || stride >= least || c->dims[d] < 4 || c->dims[last] < (d == last - 1 ? 4 : FAR_COLUMNS)) continue;
      least = stride;
      best = d;
    }
  }
  return best;
}

bool chain_joins_pairs(const chain *c) { return c->size >= WORTH_PAIRS; }

void chain_make_program(const chain *c, program *p, const operand *out, writing writing) {
  program_make(p, c->kernel, c->reach, c->in, out, writing, chain_joins_pairs(c));
}

void chain_take_program(chain *c, const program *p) {
  const int64_t most = c->outgrows_cache ? FAR_TILE : CHAIN_TILE;
  const int64_t room = p->n_slots ? CHAIN_ARENA / ((int64_t)p->item_size * p->n_slots) : CHAIN_TILE;
  c->program = p;
  c->tile = room < most ? room & ~(int64_t)31 : most;
}

/* ---- run ---- */

void chain_enter(const chain *c, chain_room *room, int64_t most) {
  const program *p = c->program;
  for (int r = 0; r < p->n_registers; r++)
    if (p->slot[r] >= 0) room->at[r] = room->arena + (size_t)p->slot[r] * (size_t)c->tile * p->item_size;
  for (int i = 0; i < c->kernel->n_in; i++) {
    room->slots[i] = room->at[i];
    if (c->reach[i] == REACH_REPEAT) tile_copy(room->at[i], c->in[i].data, 0, smaller(most, c->tile), p->size[i]);
  }
}

/* `count` elements of input i from element `from` of the output on: where they lie, or copied to `slot`. */
static char *reach_run(const chain *c, int i, int64_t from, int64_t count, char *slot) {
  const int64_t *strides = c->strides[i];
  size_t size = c->program->size[i];
  int last = c->n - 1;
  int64_t index[PONS_MAX_NDIM], offset = 0, rest = from;
  for (int d = last; d >= 0; d--) {
    index[d] = rest % c->dims[d];
    rest /= c->dims[d];
    offset += index[d] * strides[d];
  }
  const char *data = c->in[i].data;
  if (strides[last] == 1 && c->dims[last] - index[last] >= count)
    return (char *)data + offset * (int64_t)size;
  for (char *to = slot; count > 0;) {
    int64_t run = c->dims[last] - index[last];
    if (run > count) run = count;
    tile_copy(to, data + offset * (int64_t)size, strides[last], run, size);
    to += run * (int64_t)size;
    count -= run;
    offset -= index[last] * strides[last]; /* to the start of the next row */
    index[last] = 0;
    for (int d = last - 1; d >= 0; d--) {
      offset += strides[d];
      if (++index[d] < c->dims[d]) break;
      offset -= index[d] * strides[d];
      index[d] = 0;
    }
  }
  return slot;
}

void chain_reach(const chain *c, chain_room *room, int64_t from, int64_t count, const bool *left_out) {
  for (int i = 0; i < c->kernel->n_in; i++) {
    if (c->reach[i] == REACH_PACKED) room->at[i] = (char *)c->in[i].data + from * c->program->size[i];
    if (c->reach[i] == REACH_GATHER && !left_out[i]) room->at[i] = reach_run(c, i, from, count, room->slots[i]);
  }
}

/* What tiles to come read: while the processor computes, it fetches none of it by itself. */
static void fetch_ahead(const chain *c, int64_t from) {
  for (int i = 0; i < c->kernel->n_in; i++) {
    if (c->reach[i] != REACH_PACKED) continue;
    const int64_t size = c->program->size[i];
    const char *x = (const char *)c->in[i].data + from * size + AHEAD;
    for (int64_t at = 0; at < c->tile * size; at += 64) __builtin_prefetch(x + at);
  }
}

void chain_compute(const chain *c, chain_room *room, int64_t from, int64_t count) {
  char **at = room->at;
  if (c->outgrows_cache) fetch_ahead(c, from);
  for (int i = 0; i < c->program->n_ops; i++) {
    const op *o = &c->program->ops[i];
    o->run(at[o->out], at[o->arg[0]], o->arg[1] < 0 ? NULL : at[o->arg[1]], o->arg[2] < 0 ? NULL : at[o->arg[2]], count);
  }
}

static void store(const chain *c, char *const *at, int64_t count, bool past_cache, bool from_inputs) {
  const program *p = c->program;
  for (int o = 0; o < c->kernel->n_out; o++) {
    int r = p->result[o], to = p->first_output + o;
    if (r == to || (r < c->kernel->n_in) != from_inputs || at[r] == at[to]) continue;
    if (past_cache) cpu_copy_past_cache(at[to], at[r], (size_t)count * p->size[to]);
    else memcpy(at[to], at[r], (size_t)count * p->size[to]);
  }
}

/* An input that is itself a result goes first, before its memory is written as another's. */
void chain_store(const chain *c, char *const *at, int64_t count, bool past_cache) {
  if (!c->program->stores) return;
  store(c, at, count, past_cache, true);
  store(c, at, count, past_cache, false);
}

static const bool none[KERNEL_MAX_INPUTS] = {false};

void chain_make(const chain *c, chain_room *room, int64_t from, int64_t count, char *to) {
  const program *p = c->program;
  const int64_t size = p->size[p->first_output];
  for (int64_t n; count > 0; count -= n, from += n, to += n * size) {
    n = smaller(count, c->tile);
    chain_reach(c, room, from, n, none);
    room->at[p->first_output] = to;
    chain_compute(c, room, from, n);
    if (p->stores) memcpy(to, room->at[p->result[0]], (size_t)(n * size));
  }
}

/* ---- rows ---- */

bool chain_makes_rows(const kernel *k, const operand *in, const operand *y) {
  chain c;
  chain_begin(&c, k, in, y->ndim, y->shape);
  return chain_row_axis(&c) < 0;
}

void row_chain_begin(row_chain *c, const kernel *k, const operand *in, const operand *y) {
  c->kernel = *k;
  c->kernel.n_out = 1;
  chain_begin(&c->chain, &c->kernel, in, y->ndim, y->shape);
  chain_make_program(&c->chain, &c->program, y, WRITE_IN_PLACE);
  chain_take_program(&c->chain, &c->program);
}

void made_rows_begin(made_rows *m, const chain *c, int64_t n, char *kept) {
  m->chain = c;
  m->kept = kept;
  m->n = n;
  m->bytes = n * c->program->size[c->program->first_output];
  m->first = m->end = 0;
  chain_enter(c, &m->room, c->tile);
}

void *made_row(made_rows *m, int64_t row, int64_t end) {
  char *const to = m->kept ? m->kept + row * m->bytes : m->own;
  if (row >= m->first && row < m->end) return m->kept ? to : to + (row - m->first) * m->bytes;
  m->first = row;
  m->end = smaller(end, row + (m->n < CHAIN_TILE ? CHAIN_TILE / m->n : 1));
  chain_make(m->chain, &m->room, row * m->n, (m->end - row) * m->n, to);
  return to;
}

int64_t made_ahead(const made_rows *m, int64_t row, const void *x) {
  const chain *c = m->chain;
  for (int i = 0; i < c->kernel->n_in; i++)
    if (c->reach[i] == REACH_PACKED)
      return (int64_t)((uintptr_t)c->in[i].data - (uintptr_t)x) + (row + m->end - m->first) * m->n * c->program->size[i];
  return 0;
}

const void *made_part(made_rows *m, int64_t row, int64_t at, int64_t count) {
  chain_make(m->chain, &m->room, row * m->n + at, count, m->own);
  return m->own;
}

/* ---- what becomes of rows ---- */

static void set_operands(operand *in, const launch *l, const chains *with) {
  const int more = with->behind->n_in - 1;
  in[0] = l->out[0];
  in[0].data = NULL;
  in[0].dtype = with->z->dtype;
  memcpy(in + 1, l->in + l->n_in - more, (size_t)more * sizeof *in);
}

static bool only_casts(const kernel *k) {
  for (int i = 0; i < k->n_code; i++)
    if (k->code[i].row != ROW_cast) return false;
  return true;
}

/* What is computed of halves takes longer than to read them: in steps of their own these rows were as fast, short ones a tenth faster (measured). */
bool chain_follows_rows(const launch *l, const chains *with) {
  operand in[KERNEL_MAX_INPUTS];
  if (dtype_is_complex(with->z->dtype) || (pons_dtype_size(with->z->dtype) == 2 && !only_casts(with->behind))) return false;
  set_operands(in, l, with);
  return chain_makes_rows(with->behind, in, l->out);
}

/* Rows of whole cache lines are written past the caches by the last operation, if it can. */
void behind_chain_begin(behind_chain *b, const launch *l, const chains *with, int64_t n) {
  chain *c = &b->chain;
  set_operands(b->in, l, with);
  b->out = l->out;
  chain_begin(c, with->behind, b->in, l->out->ndim, l->out->shape);
  c->reach[0] = REACH_GIVEN;
  b->past_cache = c->outgrows_cache = cpu_outgrows_cache((size_t)c->size * pons_dtype_size(l->out->dtype));
  chain_make_program(c, &b->program, l->out, !b->past_cache ? WRITE_IN_PLACE : n % 64 ? WRITE_AFTERWARDS : WRITE_FAR);
  chain_take_program(c, &b->program);
}

void rows_behind_begin(rows_behind *r, const behind_chain *b) {
  r->with = b;
  r->first = r->count = 0;
  chain_enter(&b->chain, &r->room, b->chain.tile);
}

void rows_behind_read(rows_behind *r) {
  const chain *c = &r->with->chain;
  const program *p = c->program;
  char **at = r->room.at;
  for (int64_t done = 0, n; done < r->count; done += n) {
    const int64_t from = r->first + done;
    n = smaller(r->count - done, c->tile);
    chain_reach(c, &r->room, from, n, none);
    at[0] = r->z + done * p->size[0];
    for (int o = 0; o < c->kernel->n_out; o++)
      at[p->first_output + o] = (char *)r->with->out[o].data + from * p->size[p->first_output + o];
    chain_compute(c, &r->room, from, n);
    chain_store(c, at, n, r->with->past_cache);
  }
  r->count = 0;
}

void rows_behind_end(rows_behind *r) {
  rows_behind_read(r);
  if (r->with->past_cache) cpu_end_past_cache();
}
