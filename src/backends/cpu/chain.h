/* chain.h: a kernel run tile by tile: what fused.c does to all elements, reduce_cpu.c to those that it takes in next, and norms and softmax to
   the rows that they read and those that they have made. Part of backends/cpu/.

   A tile is a run of consecutive elements of the results, so small that whatever lives between two instructions stays in the L1
   cache. Packed operands are used where they lie; the rest is copied to the tile:

       in 0 (packed) ────────────┐
       in 1 (repeats) ─ filled ──┼─ add ─ slot ─ tanh ─ out 0 (written in place)
       in 2 (strided) ─ copied ──┘

   chain_begin, chain_make_program, chain_take_program; then each thread: chain_enter, and for tile after tile chain_reach and chain_compute;
   or row_chain_begin and made_rows_begin, and made_row for row after row; or behind_chain_begin and rows_behind_begin, rows_behind_room for part
   after part, and rows_behind_end. */
#ifndef CPU_CHAIN_H
#define CPU_CHAIN_H
#include "backends/cpu/program.h"
#include "device/device.h"

enum { CHAIN_TILE = 1024, CHAIN_ARENA = 48 * 1024 }; /* elements at most; bytes of all slots */

typedef struct chain {
  const kernel *kernel;
  const operand *in;
  reach reach[KERNEL_MAX_INPUTS];
  int64_t size, tile; /* elements of a result; that a slot holds */
  bool outgrows_cache; /* written results do: tiles are smaller, and what tiles to come read is fetched */
  /* Axes, joined where every operand allows it, and strides of the inputs along them; set only if an input is neither packed nor
     repeated. */
  bool gathers;
  int n;
  int64_t dims[PONS_MAX_NDIM];
  int64_t strides[KERNEL_MAX_INPUTS][PONS_MAX_NDIM];
  const program *program;
} chain;

/* Of one thread: where registers are. */
typedef struct chain_room {
  _Alignas(64) char arena[CHAIN_ARENA];
  char *at[MAX_REGISTERS], *slots[KERNEL_MAX_INPUTS];
} chain_room;

/* All but what the outputs tell. The shape is that of the results, and lasts as long as the chain. */
void chain_begin(chain *c, const kernel *k, const operand *in, int ndim, const int64_t *shape);
/* The axis along which an input that is strided along the last axis lies together, so that turning strips of it pays; -1: there is none. */
int chain_row_axis(const chain *c);
bool chain_joins_pairs(const chain *c); /* rows two by two */
void chain_make_program(const chain *c, program *p, const operand *out, writing writing);
void chain_take_program(chain *c, const program *p); /* made for such a chain; it lasts as long */
/* `most`: elements of the longest tile to come. */
void chain_enter(const chain *c, chain_room *room, int64_t most);
/* Sets where inputs are for so many elements <= c->tile; not of those to be left out. */
void chain_reach(const chain *c, chain_room *room, int64_t from, int64_t count, const bool *left_out);
/* So many elements of the kernel's one result, to memory: all of the above. */
void chain_make(const chain *c, chain_room *room, int64_t from, int64_t count, char *to);
/* Where outputs are is set by then. */
void chain_compute(const chain *c, chain_room *room, int64_t from, int64_t count);
/* Of outputs that the program does not write in place. */
void chain_store(const chain *c, char *const *at, int64_t count, bool past_cache);

/* ---- rows along the last axis that a chain makes for what reads them: norms, softmax ---- */

/* Not where operands lie across each other, so that strips of them are to be turned first. y: the rows. */
bool chain_makes_rows(const kernel *k, const operand *in, const operand *y);
/* A chain of the kernel's first result, and its program. */
typedef struct row_chain {
  kernel kernel;
  chain chain;
  program program;
} row_chain;
void row_chain_begin(row_chain *c, const kernel *k, const operand *in, const operand *y);

enum { MADE_BYTES = 32 * 1024 };
/* Of one thread: rows of n elements where all of them are kept, else in memory of the thread's; of short ones several at a time. */
typedef struct made_rows {
  const chain *chain;
  char *kept; /* or NULL: a row is no more than MADE_BYTES */
  int64_t n, bytes; /* of a row */
  int64_t first, end; /* rows that are there */
  chain_room room;
  _Alignas(64) char own[MADE_BYTES];
} made_rows;
void made_rows_begin(made_rows *m, const chain *c, int64_t n, char *kept);
/* Row number `row`, there until a later one is asked for; `end`: behind the last to be asked for. */
void *made_row(made_rows *m, int64_t row, int64_t end);
/* Of the row at x: bytes from there to what will be read next to make others. */
int64_t made_ahead(const made_rows *m, int64_t row, const void *x);
/* Elements of a row that are not kept, no more than MADE_BYTES, there until others are asked for. */
const void *made_part(made_rows *m, int64_t row, int64_t at, int64_t count);

/* ---- what a chain makes of rows, its first input, as they are made: of norms, softmax ---- */

/* Not of complex numbers; of halves, casts alone. */
bool chain_follows_rows(const launch *l, const chains *with);
typedef struct behind_chain {
  chain chain;
  program program;
  const operand *out;
  operand in[KERNEL_MAX_INPUTS];
  bool past_cache;
} behind_chain;
/* Of rows of n elements. */
void behind_chain_begin(behind_chain *b, const launch *l, const chains *with, int64_t n);

/* Of one thread: what was made of the rows and is not yet read. */
typedef struct rows_behind {
  const behind_chain *with;
  int64_t first, count;
  chain_room room;
  _Alignas(64) char z[CHAIN_TILE * sizeof(double)];
} rows_behind;
void rows_behind_begin(rows_behind *r, const behind_chain *b);
/* Room for so many elements <= CHAIN_TILE, which follow the last ones, from element `first` of all rows on. Of the last ones what becomes of them
   is made, if there is no room for both. */
void rows_behind_read(rows_behind *r);
static inline void *rows_behind_room(rows_behind *r, int64_t first, int64_t count) {
  if (r->count + count > CHAIN_TILE) rows_behind_read(r);
  if (r->count == 0) r->first = first;
  char *to = r->z + r->count * r->with->program.size[0];
  r->count += count;
  return to;
}
void rows_behind_end(rows_behind *r);

/* Where a row goes. */
typedef struct row_place {
  char *out;           /* memory, or: */
  rows_behind *behind; /* NULL: there are none */
  int64_t first;       /* of all rows' elements */
} row_place;
#endif
