/* gemm.c: a product of matrices in blocks. Uses cpu/gemm.h.

   After Goto and van de Geijn, with the loop over k inside, so that each block of the result is written once:

       for each stretch of k (STRETCH)              only where k is long
         for each panel of columns (PANEL lanes)    packed as strips, columns of a tile wide, for all threads
           blocks of the result, shared by threads  (HEIGHT x at most WIDTH)
             for each piece of k (DEPTH)              the block of a, 120 KB, stays in L2
               for each strip of b                      its piece, 20 KB (AVX2), stays in L1
                 for each tile down the block             registers

   A tile reads rows of a where they lie if their elements are lanes and neighbours; else rows are packed too. */
#include "backends/cpu/gemm.h"

enum {
  DEPTH = 384,
  HEIGHT = 96, /* a multiple of the rows of every tile */
  WIDTH = 512,
  STRETCH = 2048,
  PANEL = 1 << 20,       /* lanes of b, and of a if it must be packed: 4 MB each, for L3 */
  FEW_BLOCKS = 16,
  LEAST_WORK = 1 << 19,  /* multiply-adds that are worth a thread's while */
  PACKED_STRIPS = 16, PACKED_DEPTH = 64 /* packed in a piece */
};

typedef struct gemm_job {
  const gemm *g;
  const gemm_loops *loops;
  int64_t unit;                    /* tile's lanes in a lane: 2 in a complex number */
  int64_t size;                    /* bytes of a lane */
  int64_t strip;                   /* columns of a strip, in lanes */
  bool a_lies, out_lies;           /* read and written in place */
  int64_t from, depth, depths;     /* the stretch of k, and the pieces it is cut into */
  int64_t column, columns, row, rows; /* of the result, in work */
  int64_t height, width, across;   /* blocks */
  char *b_panel, *a_panel;
  int64_t a_pitch;                 /* of packed rows, in lanes */
  int64_t b_pieces;
  const char *op;
  error *_Atomic why;
} gemm_job;

static int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

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
static void split_complex(complex64 *rows, int64_t depth, int64_t strip) {
  for (int64_t p = depth - 1; p >= 0; p--)
    for (int64_t j = 0; j < strip; j++) {
      const complex64 x = rows[p * strip + j];
      rows[(2 * p + 1) * strip + j] = (complex64){-x.im, x.re};
      rows[2 * p * strip + j] = x;
    }
}

/* Rows p .. p + depth of strip `index`. */
static void pack_strip(const gemm_job *j, int64_t index, int64_t p, int64_t depth) {
  const int64_t first = index * j->strip, width = smaller(j->columns - first, j->strip);
  char *to = j->b_panel + (index * j->depth + p) * j->strip * j->unit * j->size;
  if (width < j->strip) memset(to, 0, (size_t)(j->strip * depth * j->size));
  gemm_read(&j->g->b, j->g->lane, j->from + p, j->column + first, depth, width, to, j->strip);
  if (j->unit == 2) split_complex((complex64 *)(void *)to, depth, j->strip);
}

/* A piece of b is some rows, of a page each, of some strips side by side. */
static void pack_piece(void *context, int64_t piece) {
  const gemm_job *j = context;
  if (piece < j->b_pieces) {
    const int64_t strips = pieces_of(j->columns, j->strip), across = pieces_of(strips, PACKED_STRIPS);
    const int64_t p = piece / across * PACKED_DEPTH, first = piece % across * PACKED_STRIPS;
    for (int64_t s = first; s < smaller(first + PACKED_STRIPS, strips); s++)
      pack_strip(j, s, p, smaller(j->depth - p, PACKED_DEPTH));
    return;
  }
  const int64_t row = (piece - j->b_pieces) * HEIGHT;
  gemm_read(&j->g->a, j->g->lane, j->row + row, j->from, smaller(j->rows - row, HEIGHT), j->depth,
            j->a_panel + row * j->a_pitch * j->size, j->a_pitch);
}

static void pack(gemm_job *j, bool b, bool a) {
  const int64_t strips = pieces_of(j->columns, j->strip);
  j->b_pieces = b ? pieces_of(strips, PACKED_STRIPS) * pieces_of(j->depth, PACKED_DEPTH) : 0;
  parallel_for(j->b_pieces + (a ? pieces_of(j->rows, HEIGHT) : 0), pack_piece, j);
}

/* ---- blocks ---- */

/* A block of the result: rows and columns from (row, column) on, in lanes at c. */
typedef struct gemm_block {
  int64_t row, column, rows, columns;
  char *c;
  int64_t c_row;
} gemm_block;

static const char *a_row_at(const gemm_job *j, int64_t row, int64_t p) {
  const gemm_matrix *a = &j->g->a;
  return j->a_lies ? (const char *)a->data + (row * a->row + (j->from + p)) * j->size
                   : j->a_panel + ((row - j->row) * j->a_pitch + p) * j->size;
}

/* Brings rows of a closer that the next tile reads for the first time. */
static void fetch_rows(const void *const *rows, int64_t count, int64_t bytes) {
  for (int64_t r = 0; r < count; r++)
    for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch((const char *)rows[r] + at, 0, 2);
}

/* Adds what the piece of k from p on gives. */
static void add_piece(const gemm_job *j, const gemm_block *block, int64_t p, int64_t depth, float beta) {
  const int each = j->loops->tile_rows;
  const void *rows[HEIGHT / 4 * GEMM_ROWS_MOST], *b;
  const int64_t length = depth * j->unit, tiles = pieces_of(block->rows, each);
  const int64_t bytes = j->size / j->unit;
  gemm_tile t = {.runs = 1, .b = &b, .lengths = &length, .alpha = j->g->alpha, .beta = beta};
  t.b_step = j->strip * j->unit;
  t.c_row = block->c_row * j->unit;
  for (int64_t i = 0; i < block->rows; i++)
    rows[i / each * GEMM_ROWS_MOST + i % each] = a_row_at(j, block->row + i, p);
  for (int64_t c = 0; c < block->columns; c += j->strip) {
    b = j->b_panel + ((block->column - j->column + c) * j->depth + p * j->strip) * j->unit * j->size;
    t.width = smaller(block->columns - c, j->strip) * j->unit;
    t.fetch_bytes = (length * t.b_step * bytes / tiles + 63) / 64 * 64;
    t.fetch = (const char *)b + j->strip * j->depth * j->unit * j->size;
    for (int64_t i = 0; i < block->rows; i += each) {
      t.rows = smaller(block->rows - i, each);
      t.a = rows + i / each * GEMM_ROWS_MOST;
      t.c = block->c + (i * block->c_row + c) * j->size;
      if (c == 0) fetch_rows(t.a + GEMM_ROWS_MOST, smaller(block->rows - i - each, each), length * bytes);
      j->loops->tile[j->g->lane](&t);
      t.fetch = (const char *)t.fetch + t.fetch_bytes;
    }
  }
}

static void compute(const gemm_job *j, const gemm_block *block) {
  const gemm *g = j->g;
  if (j->from == 0 && g->beta != 0 && g->addend.data)
    gemm_read(&g->addend, g->lane, block->row, block->column, block->rows, block->columns, block->c, block->c_row);
  for (int64_t d = 0; d < j->depths; d++) {
    const int64_t p = j->depth * d / j->depths, end = j->depth * (d + 1) / j->depths;
    add_piece(j, block, p, end - p, j->from == 0 && d == 0 ? g->beta : 1);
  }
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

static void block_piece(void *context, int64_t piece) {
  gemm_job *j = context;
  const gemm *g = j->g;
  const int64_t down = piece / j->across * j->height, right = piece % j->across * j->width;
  gemm_block block = {j->row + down, j->column + right, smaller(j->rows - down, j->height),
                      smaller(j->columns - right, j->width), NULL, 0};
  if (j->out_lies) {
    block.c = element(g->out.data, g->out.dtype, block.row * g->out.row + block.column);
    block.c_row = g->out.row;
    compute(j, &block);
    return;
  }
  error *why = NULL;
  const int64_t lanes = block.rows * block.columns;
  buffer *held = buffer_new((size_t)(2 * lanes * j->size), j->op, &why);
  if (!held) {
    error *none = NULL;
    if (!atomic_compare_exchange_strong(&j->why, &none, why)) error_release(why);
    return;
  }
  block.c = buffer_data(held);
  block.c_row = block.columns;
  compute(j, &block);
  store(j, &block, block.c + lanes * j->size);
  buffer_release(held);
}

/* Large blocks, yet some for each of many threads where there is enough to do. */
static void choose_blocks(gemm_job *j) {
  const int64_t down = pieces_of(j->rows, HEIGHT);
  j->height = round_up(pieces_of(j->rows, down), j->loops->tile_rows);
  j->width = round_up(pieces_of(j->columns, pieces_of(j->columns, WIDTH)), j->strip);
  for (;;) {
    j->across = pieces_of(j->columns, j->width);
    const int64_t blocks = pieces_of(j->rows, j->height) * j->across;
    if (blocks >= FEW_BLOCKS || j->height * j->width * j->depth < 2 * LEAST_WORK) break;
    if (j->width > 4 * j->strip) j->width = round_up(j->width / 2, j->strip);
    else if (j->height > 4 * j->loops->tile_rows) j->height = round_up(j->height / 2, j->loops->tile_rows);
    else break;
  }
}

/* ---- the whole ---- */

static bool lies(const gemm *g, const gemm_matrix *x) {
  return !x->read && lane_is_direct(x->dtype) && lane_of(x->dtype) == g->lane && (x->col == 1 || g->k == 1);
}

static int64_t most_columns(const gemm_job *j) {
  const int64_t columns = PANEL / (smaller(j->g->k, STRETCH) * j->unit) / j->strip * j->strip;
  return columns < WIDTH ? WIDTH : columns;
}

static int64_t most_rows(const gemm_job *j) {
  const int64_t rows = PANEL / smaller(j->g->k, STRETCH) / HEIGHT * HEIGHT;
  return rows < HEIGHT ? HEIGHT : rows;
}

/* One stretch of k. */
static void multiply(gemm_job *j) {
  const gemm *g = j->g;
  const int64_t columns = most_columns(j), rows = j->a_lies ? g->m : most_rows(j);
  j->depths = pieces_of(j->depth, DEPTH / j->unit);
  for (j->column = 0; j->column < g->n; j->column += columns) {
    j->columns = smaller(g->n - j->column, columns);
    for (j->row = 0; j->row < g->m; j->row += rows) {
      j->rows = smaller(g->m - j->row, rows);
      pack(j, j->row == 0, !j->a_lies && (j->column == 0 || g->m > rows));
      choose_blocks(j);
      parallel_for(pieces_of(j->rows, j->height) * j->across, block_piece, j);
    }
  }
}

/* The result without a product: beta addend. */
static error *without_product(const gemm *g, const char *op) {
  static const float zero;
  gemm z = *g;
  z.k = 1;
  z.a = z.b = (gemm_matrix){.data = &zero, .dtype = PONS_FLOAT32};
  if (g->lane == LANE_FLOAT) return cpu_gemm(&z, op);
  static const complex64 zeros;
  z.a.data = z.b.data = &zeros;
  z.a.dtype = z.b.dtype = g->lane == LANE_DOUBLE ? PONS_FLOAT64 : g->lane == LANE_COMPLEX ? PONS_COMPLEX64 : PONS_INT64;
  return cpu_gemm(&z, op);
}

error *cpu_gemm(const gemm *g, const char *op) {
  if (g->m == 0 || g->n == 0) return NULL;
  if (g->k == 0) return without_product(g, op);
  if (gemm_is_thin(g)) return gemm_thin(g, op);
  gemm_job j = {.g = g, .loops = cpu_gemm_loops(), .op = op};
  j.unit = g->lane == LANE_COMPLEX ? 2 : 1;
  j.size = (int64_t)lane_size(g->lane);
  j.strip = j.loops->tile_columns[g->lane] / j.unit;
  j.a_lies = lies(g, &g->a);
  j.out_lies = lane_is_direct(g->out.dtype) && g->out.col == 1;
  const int64_t stretch = j.out_lies ? smaller(g->k, STRETCH) : g->k;
  j.a_pitch = (round_up(stretch, 16) / 16 | 1) * 16; /* rows that do not fall into the same lines of a cache */
  error *why = NULL;
  const int64_t b = round_up(smaller(g->n, most_columns(&j)), j.strip) * stretch * j.unit;
  const int64_t a = j.a_lies ? 0 : smaller(g->m, most_rows(&j)) * j.a_pitch;
  buffer *panels = buffer_new((size_t)((a + b) * j.size), op, &why);
  if (!panels) return why;
  j.b_panel = buffer_data(panels);
  j.a_panel = j.b_panel + b * j.size;
  for (j.from = 0; j.from < g->k; j.from += stretch) {
    j.depth = smaller(g->k - j.from, stretch);
    multiply(&j);
  }
  buffer_release(panels);
  return atomic_load(&j.why);
}

/* ---- many ---- */

enum { SMALL_WORK = 1 << 24 }; /* multiply-adds of a product that one thread has to itself */

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
  for (int64_t i = first; i < end && !why; i++) {
    gemm g = *j->like;
    j->set(j->context, i, &g);
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
  parallel_for(pieces_of(count, j.per_piece), many_piece, &j);
  return atomic_load(&j.why);
}
