/* gemm.c: a product of matrices in blocks. Uses cpu/gemm.h.

   After Goto and van de Geijn, with the loop over k inside, so that each block of the result is written once:

       for each stretch of k (STRETCH)              only where k is long
         for each panel of columns (PANEL lanes)    packed as strips, columns of a tile wide, for all threads
           blocks of the result, shared by threads  (HEIGHT x at most WIDTH)
             for each piece of k (DEPTH)              the block of a, 150 KB, stays in L2
               for each strip of b                      its piece, 24 KB (AVX2), stays in L1; 87 KB (AVX-512), in L2
                 for each tile down the block             registers

   Where L2 has room for all rows of a piece of k, strips of b pass by them, packed where those before were.

   Where b is not too large for it, each thread has columns of its own, which it packs itself, a piece of k at a time:
   then no thread reads what lies in the caches of another.

   A tile reads rows of a where they lie if their elements are lanes and neighbours, and the block is too narrow for
   more or tiles are wide. Else they are woven into the order in which a tile takes them, or, what can't be woven, packed as
   rows. */
#include "backends/cpu/gemm.h"

enum {
  DEPTH = 384,
  HEIGHT = 96, /* a multiple of the rows of every tile */
  WIDTH = 2048, STORED_WIDTH = 512, /* stored: from lanes, which wait in L2 meanwhile */
  STRETCH = 2048,
  PANEL = 1 << 21,       /* lanes of b: 8 MB, for L3 */
  LEAST_ROWS = 24, LEAST_COLUMNS = 64, /* of a block, but for the last ones */
  LEAST_WORK = 1 << 19,  /* multiply-adds that are worth a thread's while */
  PACKED_STRIPS = 16, PACKED_DEPTH = 64, /* packed in a piece */
  WEAVE_WIDTH = 128,     /* columns of a block that pay for weaving what could be read in place */
  ALIASED_WIDTH = 64, ALIASED_BYTES = 1024, /* the same for rows that fall into the same lines of a cache */
  MOST_TILES = HEIGHT / 4,
  MOST_HELD = 4,         /* blocks whose rows of a stay in L2: 520 KB, */
  PASSING_STRIPS = 4,    /* beside strips of b, 350 KB, */
  PASSING_DEPTH = 1024,  /* if there are so many steps */
  PASSING_BYTES = 1 << 20, /* and b is larger than L2 */
  NEAR_BYTES = 1 << 18,  /* of b's panel that need not be fetched: it is in L2 */
  COLUMNS_BYTES = 800 << 10, /* of a piece of b for a thread's columns */
  COLUMNS_HEIGHT = 4         /* so many times the columns are rows that pay for being woven by each thread */
};

typedef enum a_way { A_IN_PLACE, A_WOVEN, A_ROWS } a_way;

typedef struct gemm_job {
  const gemm *g;
  const gemm_loops *loops;
  int64_t unit;                    /* tile's lanes in a lane: 2 in a complex number */
  int64_t size;                    /* bytes of a lane */
  int64_t strip;                   /* columns of a strip, in lanes */
  a_way a_way;
  bool out_lies;                   /* written in place */
  int64_t from, depth, depths;     /* the stretch of k, and the pieces it is cut into */
  int64_t column, columns;         /* of the result, in work */
  int64_t down, width, across;     /* blocks: below each other, as wide, side by side */
  char *b_panel;
  const char *op;
  error *_Atomic why;
} gemm_job;

/* ---- packing ---- */

void gemm_read(const gemm_matrix *x, lane lane, int64_t row, int64_t col, int64_t rows, int64_t cols, void *to,
               int64_t to_row) {
  const int64_t size = (int64_t)lane_size(lane);
  if (x->read) {
    x->read(x->source, row, col, rows, cols, to, to_row);
    return;
  }
  const char *from = element(x->data, x->dtype, row * x->row + col * x->col);
  if (x->row == 1 && x->col != 1 && cpu_gemm_loops()->turn[x->dtype]) {
    cpu_gemm_loops()->turn[x->dtype](from, x->col, rows, cols, to, to_row);
    return;
  }
  if (x->col == 1 && cpu_gemm_loops()->rows[x->dtype]) {
    cpu_gemm_loops()->rows[x->dtype](from, x->row, rows, cols, to, to_row);
    return;
  }
  for (int64_t i = 0; i < rows; i++)
    cpu_lanes()->load[x->dtype](element(from, x->dtype, i * x->row), x->col, cols, (char *)to + i * to_row * size);
}

/* Rows (re, im), (re, im) .. become two: themselves, and (-im, re), (-im, re) ..: the row that a's imaginary part
   meets. From the last row on, in place. */
#define SPLIT(type)                                                           \
  static void split_##type(void *packed, int64_t depth, int64_t strip) {      \
    type *rows = packed;                                                      \
    for (int64_t p = depth - 1; p >= 0; p--)                                  \
      for (int64_t j = 0; j < strip; j++) {                                   \
        const type x = rows[p * strip + j];                                   \
        rows[(2 * p + 1) * strip + j] = (type){-x.im, x.re};                  \
        rows[2 * p * strip + j] = x;                                          \
      }                                                                       \
  }
SPLIT(complex64)
SPLIT(complex128)

static int64_t strip_bytes(const gemm_job *j) { return j->strip * j->depth * j->unit * j->size; }

/* Row p of strip `index` in the panel. */
static char *strip_at(const gemm_job *j, int64_t index, int64_t p) {
  return j->b_panel + index * strip_bytes(j) + p * j->strip * j->unit * j->size;
}

/* Rows p .. p + depth of strips s .. end, which are side by side, and where they go: the first one's first row, and the
   bytes from there to the next one's. */
typedef struct b_part {
  int64_t p, depth, s, end;
  char *to;
  int64_t to_strip;
} b_part;

static void pack_strip(const gemm_job *j, const b_part *b, int64_t index) {
  const int64_t first = index * j->strip, width = smaller(j->columns - first, j->strip);
  char *to = b->to + (index - b->s) * b->to_strip;
  if (width < j->strip) memset(to, 0, (size_t)(j->strip * b->depth * j->size));
  gemm_read(&j->g->b, j->g->lane, j->from + b->p, j->column + first, b->depth, width, to, j->strip);
  if (j->g->lane == LANE_COMPLEX) split_complex64(to, b->depth, j->strip);
  if (j->g->lane == LANE_WIDE_COMPLEX) split_complex128(to, b->depth, j->strip);
}

static void pack_strips(const gemm_job *j, const b_part *part) {
  const gemm_matrix *b = &j->g->b;
  const int64_t whole = smaller(part->end, j->columns / j->strip);
  int64_t s = part->s;
  if (b->col == 1 && !b->read && j->g->lane == LANE_FLOAT && j->loops->strips[b->dtype] && whole > s) {
    j->loops->strips[b->dtype](element(b->data, b->dtype, (j->from + part->p) * b->row + j->column + s * j->strip),
                               b->row, part->depth, whole - s, part->to, part->to_strip / j->size);
    s = whole;
  }
  for (; s < part->end; s++) pack_strip(j, part, s);
}

/* The same at their place in the panel. */
static void pack_in_panel(const gemm_job *j, int64_t p, int64_t depth, int64_t s, int64_t end) {
  pack_strips(j, &(b_part){p, depth, s, end, strip_at(j, s, p), strip_bytes(j)});
}

/* A piece of b is some rows, of a page each, of some strips. */
static void pack_piece(void *context, int64_t piece) {
  const gemm_job *j = context;
  const int64_t strips = pieces_of(j->columns, j->strip), across = pieces_of(strips, PACKED_STRIPS);
  const int64_t p = piece / across * PACKED_DEPTH, s = piece % across * PACKED_STRIPS;
  pack_in_panel(j, p, smaller(j->depth - p, PACKED_DEPTH), s, smaller(s + PACKED_STRIPS, strips));
}

/* ---- blocks ---- */

/* A block of the result: rows and columns from (row, column) on, in lanes at c. */
typedef struct gemm_block {
  int64_t row, column, rows, columns, index; /* index: of the block among all */
  char *c, *a;                               /* a: for packed rows */
  int64_t c_row;
  const char *add; /* the addend, where tiles can read it as it lies; NULL: c holds it */
} gemm_block;

/* Tiles of a block, and rows of a for them. */
typedef struct block_tiles {
  int64_t count;
  gemm_tile tiles[MOST_TILES];
  const void *rows[MOST_TILES * GEMM_ROWS_MOST];
} block_tiles;

/* Rows of a that do not fall into the same lines of a cache, in lanes. */
static int64_t pitch_of(int64_t depth) { return (round_up(depth, 16) / 16 | 1) * 16; }

/* The same of woven ones. */
static int64_t woven_pitch(const gemm_job *j, int64_t depth) { return j->g->a.col == 1 ? round_up(depth, 4) : depth; }

/* Rows of the block as tiles read them; returns where they are. Those of a last tile that is not whole are not woven. */
static const char *take_rows(const gemm_job *j, const gemm_block *block, int64_t p, int64_t depth, int64_t whole) {
  const gemm_matrix *a = &j->g->a;
  const int64_t each = j->loops->tile_rows, row = block->row + whole * each;
  if (j->a_way == A_IN_PLACE) return (const char *)a->data + (block->row * a->row + j->from + p) * j->size;
  if (j->a_way == A_ROWS) {
    gemm_read(a, j->g->lane, block->row, j->from + p, block->rows, depth, block->a, pitch_of(depth));
    return block->a;
  }
  const void *from = element(a->data, a->dtype, block->row * a->row + (j->from + p) * a->col);
  const int64_t pitch = woven_pitch(j, depth);
  if (a->col == 1) j->loops->fours[a->dtype](from, a->row, whole, depth, block->a);
  else j->loops->weave[a->dtype](from, a->row, a->col, whole, depth, block->a);
  gemm_read(a, j->g->lane, row, j->from + p, block->rows - whole * each, depth, block->a + whole * each * pitch * j->size,
            pitch);
  return block->a;
}

static void set_tiles(const gemm_job *j, const gemm_block *block, int64_t p, const int64_t *length, block_tiles *t) {
  static const int64_t start;
  const int64_t each = j->loops->tile_rows, depth = *length / j->unit;
  int64_t rows, whole = 0;
  while (gemm_rows_of_tile(block->rows - whole * each, each) == each) whole++;
  const char *from = take_rows(j, block, p, depth, whole);
  const int64_t to_row = j->a_way == A_IN_PLACE ? j->g->a.row : j->a_way == A_ROWS ? pitch_of(depth) : woven_pitch(j, depth);
  t->count = 0;
  for (int64_t i = 0; i < block->rows; i += rows, t->count++) {
    const void **at = t->rows + t->count * GEMM_ROWS_MOST;
    rows = gemm_rows_of_tile(block->rows - i, each);
    for (int64_t r = 0; r < rows; r++) at[r] = from + (i + r) * to_row * j->size;
    const int order = j->a_way != A_WOVEN || t->count >= whole ? GEMM_BY_ROWS
                      : j->g->a.col == 1                      ? GEMM_BY_FOURS
                                                              : GEMM_BY_STEPS;
    const int64_t beside = i % j->loops->strip_rows; /* rows before these */
    if (order == GEMM_BY_STEPS) at[0] = from + ((i - beside) * depth + beside) * j->size;
    t->tiles[t->count] = (gemm_tile){.rows = rows,
                                     .runs = 1,
                                     .order = order,
                                     .a_step = smaller(whole * each - (i - beside), j->loops->strip_rows),
                                     .a = at,
                                     .b = &start,
                                     .lengths = length,
                                     .c = i * block->c_row * j->unit,
                                     .add = i * j->g->addend.row * j->unit};
  }
}

/* What column `t` of so many steps is to fetch of `bytes` from `from` on. */
static void fetch_meanwhile(gemm_column *t, const void *from, int64_t bytes, int64_t steps) {
  t->fetch = from;
  t->fetch_bytes = pieces_of(bytes, t->count * (steps / 4 + 1) * 2);
}

/* Memory without gaps that holds a matrix of the next product: as much of it as column `index` of `count` fetches. */
static void fetch_next(const gemm_job *j, int64_t index, int64_t count, int64_t steps, gemm_column *t) {
  const gemm *next = j->g->next;
  const int64_t half = (count + 1) / 2;
  const gemm_matrix *x = index < half ? &next->a : &next->b;
  const int64_t rows = index < half ? next->m : next->k, cols = index < half ? next->k : next->n;
  if (x->read || !((x->col == 1 && x->row == cols) || (x->row == 1 && x->col == rows))) return;
  const int64_t bytes = rows * cols * (int64_t)pons_dtype_size(x->dtype), each = pieces_of(bytes, half);
  fetch_meanwhile(t, (const char *)x->data + index % half * each, each, steps);
}

/* Where piece d of k begins. */
static int64_t piece_at(const gemm_job *j, int64_t d) { return j->depth * d / j->depths; }
static int64_t longest_piece(const gemm_job *j) { return pieces_of(j->depth, j->depths); }

/* A block's columns of tiles for piece d: but for b, and where they begin. */
static gemm_column columns_of(const gemm_job *j, const gemm_block *block, const block_tiles *tiles, float beta) {
  return (gemm_column){.tiles = tiles->tiles,
                       .count = tiles->count,
                       .b_step = j->strip * j->unit,
                       .alpha = j->g->alpha,
                       .beta = beta,
                       .c_row = block->c_row * j->unit,
                       .add_row = j->g->addend.row * j->unit};
}

/* Strip s of the block, by rows of b from `b` on. */
static void add_strip(const gemm_job *j, const gemm_block *block, int64_t d, int64_t s, const char *b, gemm_column *t) {
  t->b = b;
  t->width = smaller(block->columns - s * j->strip, j->strip) * j->unit;
  t->c = block->c + s * j->strip * j->size;
  t->add = block->add && d == 0 ? block->add + s * j->strip * j->size : NULL;
  j->loops->column[j->g->lane](t);
}

/* Adds what piece d of k gives. */
static void add_piece(const gemm_job *j, const gemm_block *block, int64_t d, float beta) {
  const int64_t p = piece_at(j, d), length = (piece_at(j, d + 1) - p) * j->unit, step = j->strip * j->unit;
  const int64_t first = (block->column - j->column) / j->strip, columns = pieces_of(block->columns, j->strip);
  const int64_t blocks = j->down * j->across;
  const bool near = columns * strip_bytes(j) <= NEAR_BYTES;
  block_tiles tiles;
  set_tiles(j, block, p, &length, &tiles);
  gemm_column t = columns_of(j, block, &tiles, beta);
  for (int64_t s = 0; s < columns; s++) {
    const char *b = strip_at(j, first + s, p);
    if (!near) fetch_meanwhile(&t, b + strip_bytes(j), length * step * (j->size / j->unit), length);
    else if (j->g->next) fetch_next(j, (block->index * j->depths + d) * columns + s, blocks * j->depths * columns, length, &t);
    add_strip(j, block, d, s, b, &t);
  }
}

/* Are the elements lanes, and those of a row neighbours? */
static bool lies(const gemm *g, const gemm_matrix *x, int64_t columns) {
  return !x->read && lane_is_direct(x->dtype) && lane_of(x->dtype) == g->lane && (x->col == 1 || columns == 1);
}

/* The first piece begins with the addend, others with what there is. Returns beta. */
static float begin_piece(const gemm_job *j, gemm_block *block, int64_t d) {
  const gemm *g = j->g;
  const gemm_matrix *x = &g->addend;
  const bool first = j->from == 0 && d == 0;
  if (first && g->beta != 0 && x->data) {
    if (lies(g, x, g->n)) block->add = element(x->data, x->dtype, block->row * x->row + block->column);
    else gemm_read(x, g->lane, block->row, block->column, block->rows, block->columns, block->c, block->c_row);
  }
  return first ? g->beta : 1;
}

static void compute_piece(const gemm_job *j, gemm_block *block, int64_t d) {
  add_piece(j, block, d, begin_piece(j, block, d));
}

static void compute(const gemm_job *j, gemm_block *block) {
  for (int64_t d = 0; d < j->depths; d++) compute_piece(j, block, d);
}

/* Lanes to elements of the result: its rows, or its columns where those are neighbours. */
static void store(const gemm_job *j, const gemm_block *block, char *turned) {
  const gemm *g = j->g;
  const pons_dtype d = g->out.dtype;
  const int64_t at = block->row * g->out.row + block->column * g->out.col;
  if (g->out.row != 1 || g->out.col == 1 || g->lane != LANE_FLOAT) {
    for (int64_t i = 0; i < block->rows; i++)
      cpu_lanes()->store[d](block->c + i * block->c_row * j->size, block->columns,
                            element(g->out.data, d, at + i * g->out.row), g->out.col);
    return;
  }
  j->loops->turn[PONS_FLOAT32](block->c, block->c_row, block->columns, block->rows, turned, block->rows);
  for (int64_t i = 0; i < block->columns; i++)
    cpu_lanes()->store[d](turned + i * block->rows * j->size, block->rows,
                          element(g->out.data, d, at + i * g->out.col), 1);
}

/* The first row of so many of the blocks below each other: their numbers of tiles differ by one at most. */
static int64_t first_row(const gemm_job *j, int64_t block) {
  const int64_t each = j->loops->tile_rows;
  return smaller(pieces_of(j->g->m, each) * block / j->down * each, j->g->m);
}

static gemm_block block_at(const gemm_job *j, int64_t piece) {
  const int64_t row = first_row(j, piece / j->across), right = piece % j->across * j->width;
  gemm_block block = {.row = row, .column = j->column + right, .index = piece};
  block.rows = first_row(j, piece / j->across + 1) - row, block.columns = smaller(j->columns - right, j->width);
  return block;
}

static void write_in_place(const gemm_job *j, gemm_block *block) {
  block->c = element(j->g->out.data, j->g->out.dtype, block->row * j->g->out.row + block->column);
  block->c_row = j->g->out.row;
}

static void note(gemm_job *j, error *why) {
  error *none = NULL;
  if (!atomic_compare_exchange_strong(&j->why, &none, why)) error_release(why);
}

static void block_piece(void *context, int64_t piece) {
  gemm_job *j = context;
  gemm_block block = block_at(j, piece);
  error *why = NULL;
  const int64_t a = j->a_way == A_IN_PLACE ? 0 : block.rows * pitch_of(longest_piece(j));
  const int64_t c = j->out_lies ? 0 : block.rows * block.columns;
  buffer *held = a + c ? buffer_new((size_t)((a + 2 * c) * j->size), j->op, &why) : NULL;
  if (why) {
    note(j, why);
    return;
  }
  if (held) block.a = buffer_data(held);
  if (j->out_lies) {
    write_in_place(j, &block);
    compute(j, &block);
  } else {
    block.c = block.a + a * j->size;
    block.c_row = block.columns;
    compute(j, &block);
    store(j, &block, block.c + c * j->size);
  }
  buffer_release(held);
}

/* Columns of the result, piece by piece of k, with what they need of b, packed by whoever multiplies it. */
static void columns_piece(void *context, int64_t part) {
  gemm_job *j = context;
  const int64_t each = j->width / j->strip, s = part * each, end = smaller(s + each, pieces_of(j->columns, j->strip));
  error *why = NULL;
  buffer *held = buffer_new((size_t)(HEIGHT * pitch_of(longest_piece(j)) * j->size), j->op, &why);
  if (!held) {
    note(j, why);
    return;
  }
  for (int64_t d = 0; d < j->depths; d++) {
    const int64_t behind = piece_at(j, d + 1);
    for (int64_t p = piece_at(j, d); p < behind; p += PACKED_DEPTH)
      pack_in_panel(j, p, smaller(behind - p, PACKED_DEPTH), s, end);
    for (int64_t row = 0; row < j->down; row++) {
      gemm_block block = block_at(j, row * j->across + part);
      block.a = buffer_data(held);
      write_in_place(j, &block);
      compute_piece(j, &block, d);
    }
  }
  buffer_release(held);
}

/* Whether each thread gets columns of its own: what one thread packs another would have to fetch from its caches, and to
   take away from there when it packs the next product. Rows of a are woven once for each. */
static bool choose_columns(gemm_job *j) {
  const int64_t threads = j->g->alone ? 1 : parallel_threads(), strips = pieces_of(j->columns, j->strip);
  if (threads == 1 || !j->out_lies || strips % threads || strips / threads * j->strip < LEAST_COLUMNS) return false;
  if (j->columns * j->depth / j->depths * j->size / threads > COLUMNS_BYTES || j->g->m > COLUMNS_HEIGHT * j->columns) return false;
  j->down = pieces_of(j->g->m, HEIGHT);
  j->width = strips / threads * j->strip;
  j->across = threads;
  return true;
}

/* Rows of the result, few enough that what they read of a stays in L2, and the blocks they are. */
typedef struct held_rows {
  int64_t count;
  gemm_block blocks[MOST_HELD];
  block_tiles tiles[MOST_HELD];
  gemm_column columns[MOST_HELD];
} held_rows;

/* Their rows of a, of piece d of k. */
static void hold_rows(const gemm_job *j, held_rows *held, int64_t d, const int64_t *length) {
  for (int64_t i = 0; i < held->count; i++) {
    gemm_block *block = &held->blocks[i];
    const float beta = begin_piece(j, block, d);
    set_tiles(j, block, piece_at(j, d), length, &held->tiles[i]);
    held->columns[i] = columns_of(j, block, &held->tiles[i], beta);
  }
}

/* Strips of b pass by, some at a time, packed where those before were. */
static void add_passing(const gemm_job *j, held_rows *held, int64_t d) {
  const int64_t p = piece_at(j, d), depth = piece_at(j, d + 1) - p, length = depth * j->unit;
  const int64_t first = (held->blocks->column - j->column) / j->strip, strips = pieces_of(held->blocks->columns, j->strip);
  b_part b = {.p = p, .depth = depth, .to = strip_at(j, first, 0), .to_strip = length * j->strip * j->size};
  hold_rows(j, held, d, &length);
  for (int64_t s = 0; s < strips; s += PASSING_STRIPS) {
    const int64_t end = smaller(s + PASSING_STRIPS, strips);
    b.s = first + s, b.end = first + end;
    pack_strips(j, &b);
    for (int64_t i = 0; i < held->count; i++)
      for (int64_t q = s; q < end; q++)
        add_strip(j, &held->blocks[i], d, q, b.to + (q - s) * b.to_strip, &held->columns[i]);
  }
}

/* Columns of the result, whose rows are held: b is read once, and what is packed of it never leaves L2. */
static void passing_piece(void *context, int64_t part) {
  gemm_job *j = context;
  const int64_t a = HEIGHT * pitch_of(longest_piece(j)) * j->size;
  held_rows held = {.count = j->down};
  error *why = NULL;
  buffer *memory = buffer_new((size_t)(j->down * a), j->op, &why);
  if (!memory) {
    note(j, why);
    return;
  }
  for (int64_t i = 0; i < held.count; i++) {
    gemm_block *block = &held.blocks[i];
    *block = block_at(j, i * j->across + part);
    block->a = (char *)buffer_data(memory) + i * a;
    write_in_place(j, block);
  }
  for (int64_t d = 0; d < j->depths; d++) add_passing(j, &held, d);
  buffer_release(memory);
}

/* Whether the rows can be held, and k is so long that packing b shows. Only tiles that read b from L2 take it: without its
   panel in L3, 256 x 2048 x 256 went from 161 to 205 GFLOP/s on two threads, 256 x 2048 x 768 from 189 to 207. */
static bool choose_passing(gemm_job *j) {
  const int64_t m = j->g->m, threads = j->g->alone ? 1 : parallel_threads(), strips = pieces_of(j->columns, j->strip);
  if (j->loops->weaves || j->unit * j->size > (int64_t)sizeof(float) || !j->out_lies || j->depth < PASSING_DEPTH) return false;
  if (j->columns * j->depth * j->size < PASSING_BYTES) return false;
  if (m > MOST_HELD * HEIGHT || strips % threads || strips / threads * j->strip * COLUMNS_HEIGHT < m) return false;
  j->down = pieces_of(m, HEIGHT);
  j->width = strips / threads * j->strip;
  j->across = threads;
  return true;
}

/* Large blocks, yet two or more for each thread where there is enough to do, and as many for one as for the other. How
   they are cut changes no sum. */
static void choose_blocks(gemm_job *j) {
  const int64_t m = j->g->m, each = j->loops->tile_rows, threads = j->g->alone ? 1 : parallel_threads();
  const bool small = (double)m * (double)j->columns * (double)j->depth < 4.0 * LEAST_WORK;
  const int64_t wanted = small || threads == 1 ? 1 : 2 * threads;
  const int64_t narrowest = j->strip < LEAST_COLUMNS ? round_up(LEAST_COLUMNS, j->strip) : j->strip;
  const int64_t most_down = pieces_of(m, round_up(LEAST_ROWS, each)), most_across = pieces_of(j->columns, narrowest);
  int64_t down = pieces_of(m, HEIGHT), across = pieces_of(j->columns, j->out_lies ? WIDTH : STORED_WIDTH);
  if (down * across < wanted) down = smaller(pieces_of(wanted, across), most_down);
  if (down * across < wanted) across = smaller(pieces_of(wanted, down), most_across);
  while (wanted > 1 && down * across % threads && down < most_down) down++;
  j->down = down;
  j->width = round_up(pieces_of(j->columns, across), j->strip);
  j->across = pieces_of(j->columns, j->width);
}

/* ---- the whole ---- */

static a_way choose_way(const gemm_job *j) {
  const gemm_matrix *a = &j->g->a;
  const bool woven = j->g->lane == LANE_FLOAT && !a->read && j->loops->weave[a->dtype] && (a->col == 1 || a->row == 1);
  const bool aliased = a->row * j->size % ALIASED_BYTES == 0;
  const bool pays = woven && j->loops->weaves && j->width >= (aliased ? ALIASED_WIDTH : WEAVE_WIDTH);
  if (lies(j->g, a, j->g->k) && !pays) return A_IN_PLACE;
  return woven ? A_WOVEN : A_ROWS;
}

static int64_t most_columns(const gemm_job *j) {
  const int64_t columns = PANEL / (smaller(j->g->k, STRETCH) * j->unit) / j->strip * j->strip;
  return columns < WIDTH ? WIDTH : columns;
}

/* One stretch of k. */
static void multiply(gemm_job *j) {
  const gemm *g = j->g;
  const int64_t columns = most_columns(j);
  j->depths = pieces_of(j->depth, DEPTH / j->unit);
  for (j->column = 0; j->column < g->n; j->column += columns) {
    j->columns = smaller(g->n - j->column, columns);
    const int64_t strips = pieces_of(j->columns, j->strip);
    if (choose_passing(j)) {
      j->a_way = choose_way(j);
      parallel_for(j->across, passing_piece, j);
      continue;
    }
    if (choose_columns(j)) {
      j->a_way = choose_way(j);
      parallel_for(j->across, columns_piece, j);
      continue;
    }
    parallel_for(pieces_of(strips, PACKED_STRIPS) * pieces_of(j->depth, PACKED_DEPTH), pack_piece, j);
    choose_blocks(j);
    j->a_way = choose_way(j);
    parallel_for(j->down * j->across, block_piece, j);
  }
}

/* The result without a product: beta addend. */
static error *without_product(const gemm *g, const char *op) {
  static const lane_value zero;
  gemm z = *g;
  z.k = 1;
  z.a = z.b = (gemm_matrix){.data = &zero, .dtype = lane_dtype(g->lane)};
  return cpu_gemm(&z, op);
}

error *cpu_gemm(const gemm *g, const char *op) {
  if (g->m == 0 || g->n == 0) return NULL;
  if (g->k == 0) return without_product(g, op);
  if (gemm_is_thin(g)) return gemm_thin(g, op);
  gemm_job j = {.g = g, .loops = cpu_gemm_loops(), .op = op};
  j.unit = g->lane == LANE_COMPLEX || g->lane == LANE_WIDE_COMPLEX ? 2 : 1;
  j.size = (int64_t)lane_size(g->lane);
  j.strip = j.loops->tile_columns[g->lane] / j.unit;
  j.out_lies = lane_is_direct(g->out.dtype) && g->out.col == 1;
  const int64_t stretch = j.out_lies ? smaller(g->k, STRETCH) : g->k;
  const int64_t b = round_up(smaller(g->n, most_columns(&j)), j.strip) * stretch * j.unit;
  error *why = NULL;
  buffer *panel = buffer_new((size_t)(b * j.size), op, &why);
  if (!panel) return why;
  j.b_panel = buffer_data(panel);
  for (j.from = 0; j.from < g->k; j.from += stretch) {
    j.depth = smaller(g->k - j.from, stretch);
    multiply(&j);
  }
  buffer_release(panel);
  return atomic_load(&j.why);
}

/* ---- many ---- */

enum {
  SMALL_WORK = 1 << 24, /* multiply-adds of a product that one thread has to itself */
  MOST_IN_TURN = 8,     /* products of a piece, so that each fetches what the next one reads */
  FEW_PIECES = 16
};

typedef struct gemm_many {
  int64_t count, per_piece;
  const gemm *like;
  void (*set)(const void *context, int64_t index, gemm *g);
  const void *context;
  const char *op;
  error *_Atomic why;
} gemm_many;

static error *multiply_some(gemm_many *j, int64_t first, int64_t end) {
  error *why = NULL;
  gemm g, next = *j->like;
  if (first < end) j->set(j->context, first, &next);
  for (int64_t i = first; i < end && !why; i++) {
    g = next, next = *j->like;
    if (i + 1 < end) j->set(j->context, i + 1, &next);
    g.next = i + 1 < end ? &next : NULL;
    g.alone = j->per_piece > 0;
    why = cpu_gemm(&g, j->op);
  }
  return why;
}

static void many_piece(void *context, int64_t piece) {
  gemm_many *j = context;
  const int64_t first = piece * j->per_piece;
  error *none = NULL, *why = multiply_some(j, first, smaller(first + j->per_piece, j->count));
  if (why && !atomic_compare_exchange_strong(&j->why, &none, why)) error_release(why);
}

error *cpu_gemm_batch(int64_t count, const gemm *like, void (*set)(const void *context, int64_t index, gemm *g),
                      const void *context, const char *op) {
  const double work = (double)like->m * (double)like->n * (double)like->k;
  gemm_many j = {.count = count, .like = like, .set = set, .context = context, .op = op};
  if (count < 2 || work > SMALL_WORK) return multiply_some(&j, 0, count);
  j.per_piece = 1 + (int64_t)(LEAST_WORK / (work + 64));
  const int64_t in_turn = smaller(count / FEW_PIECES, MOST_IN_TURN);
  if (j.per_piece < in_turn) j.per_piece = in_turn;
  parallel_for(pieces_of(count, j.per_piece), many_piece, &j);
  return atomic_load(&j.why);
}
