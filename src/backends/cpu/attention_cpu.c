/* attention_cpu.c: "ScaledDotProductAttention": softmax(scale q kT + mask) v without the matrix of weights (Dao et al.,
   "FlashAttention", 2022).

   Keys come in blocks. What is known of a row of the result after some blocks is its greatest score, the sum of
   exp(score - greatest) and the values added up with those weights; a greater score later scales both down:

       many rows of q   keys and values are packed as strips, then blocks of q's rows, BLOCK_ROWS high, go to threads;
                        scores and sums are tiles of cpu/gemm.h
       few rows         as when a text is written token by token: keys and values are read once, where they lie, a piece
                        of PART_KEYS at a time; pieces are joined in order

   All in float32; results depend on shapes alone, not on the number of threads. Uses cpu/gemm.h. */
#include "backends/cpu/gemm.h"
#include "kernel/scalar.h"
#include <float.h>

enum {
  BLOCK_ROWS = 48, /* a multiple of the rows of every tile */
  BLOCK_KEYS = 256,
  PART_KEYS = 256,
  PANEL_FLOATS = 1 << 24 /* of packed keys and values, unless one head needs more */
};

typedef struct attention_job {
  const operand *q, *k, *v, *mask, *sinks;
  const operand *out, *log_sums; /* log_sums: NULL if not wanted */
  float scale;
  bool causal;
  int64_t kv_heads, per, length, keys, dim, v_dim; /* per: heads of q that share one of k */
  int64_t strip, pitch;                            /* columns of a tile; v_dim rounded up to it */
  int64_t first_head;                              /* of batch x kv heads, in work */
  float *panels;                                   /* of each head in work: keys, then values */
  int64_t panel, k_panel;                          /* floats for a head; those of its keys */
  int64_t blocks, parts;
  char *states;                                    /* few rows: of each head and part */
  error *_Atomic why;
} attention_job;

/* What is known of some rows. */
typedef struct rows_state {
  float *greatest, *sums, *values; /* values: (rows, pitch) */
} rows_state;

/* Row r of a kv head's per x length rows of q. */
typedef struct row_place {
  int64_t batch, head, at;
} row_place;

static row_place place_of(const attention_job *j, int64_t kv_head, int64_t row) {
  return (row_place){kv_head / j->kv_heads, kv_head % j->kv_heads * j->per + row / j->length, row % j->length};
}

static const void *at_place(const operand *x, row_place p) {
  return element(x->data, x->dtype, p.batch * x->strides[0] + p.head * x->strides[1] + p.at * x->strides[2]);
}

static int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

/* Keys that a row may see. */
static int64_t keys_of(const attention_job *j, row_place p) {
  return j->causal ? j->keys - j->length + p.at + 1 : j->keys;
}

/* Row r of q, scaled. */
static void load_row(const attention_job *j, row_place p, float *to) {
  cpu_lanes()->load[j->q->dtype](at_place(j->q, p), j->q->strides[3], j->dim, to);
  for (int64_t i = 0; i < j->dim; i++) to[i] *= j->scale;
}

static void start_row(const attention_job *j, row_place p, const rows_state *s, int64_t r) {
  s->greatest[r] = -INFINITY;
  s->sums[r] = 0;
  memset(s->values + r * j->pitch, 0, (size_t)j->pitch * sizeof(float));
  if (!j->sinks) return;
  cpu_lanes()->load[j->sinks->dtype](element(j->sinks->data, j->sinks->dtype, p.head * j->sinks->strides[0]), 1, 1,
                                     s->greatest + r);
  s->sums[r] = 1;
}

/* ---- one row meets some keys ---- */

static void mask_scores(const attention_job *j, row_place p, int64_t key, int64_t n, float *scores) {
  const operand *m = j->mask;
  const int skipped = 4 - m->ndim; /* it broadcasts to (batch, heads, length, keys) */
  const int64_t at[] = {p.batch, p.head, p.at, key};
  int64_t offset = 0, step = 0;
  for (int d = 0; d < m->ndim; d++)
    if (m->shape[d] > 1) offset += at[d + skipped] * m->strides[d];
  if (m->ndim && m->shape[m->ndim - 1] > 1) step = m->strides[m->ndim - 1];
  const void *from = element(m->data, m->dtype, offset);
  if (m->dtype == PONS_BOOL) {
    const uint8_t *keep = from;
    for (int64_t i = 0; i < n; i++) scores[i] = keep[i * step] ? scores[i] : -FLT_MAX;
    return;
  }
  float some[BLOCK_KEYS];
  cpu_lanes()->load[m->dtype](from, step, n, some);
  for (int64_t i = 0; i < n; i++) scores[i] += some[i];
}

/* Turns n scores into weights, behind which there are zeros up to `room`, and scales what row r has down. */
static void weigh(const attention_job *j, row_place p, int64_t key, int64_t n, float *scores, float *weights,
                  int64_t room, const rows_state *s, int64_t r) {
  if (n < 0) n = 0;
  memset(weights + n, 0, (size_t)(room - n) * sizeof *weights);
  if (!n) return;
  float greatest;
  if (j->mask) mask_scores(j, p, key, n, scores);
  greatest = cpu_softmax_loops()->greatest[PONS_FLOAT32](scores, n);
  if (greatest == -INFINITY) cpu_reduce_loops()->fold[REDUCE_MAX][LANE_FLOAT](scores, n, &greatest); /* or all NaN */
  const float old = s->greatest[r];
  if (old > greatest || old != old) greatest = old;
  if (greatest == -INFINITY) { /* nothing is seen yet */
    memset(weights, 0, (size_t)n * sizeof *weights);
    return;
  }
  const float sum = cpu_softmax_loops()->exp_float(scores, n, greatest, weights);
  const float factor = old == -INFINITY ? 0 : k_exp_f32(old - greatest);
  s->greatest[r] = greatest;
  s->sums[r] = s->sums[r] * factor + sum;
  if (factor != 1) cpu_softmax_loops()->scale_float(s->values + r * j->pitch, j->pitch, factor);
}

static void store_row(const attention_job *j, row_place p, const rows_state *s, int64_t r) {
  const int64_t row = (p.batch * j->kv_heads * j->per + p.head) * j->length + p.at;
  float *values = s->values + r * j->pitch;
  for (int64_t i = 0; i < j->v_dim; i++) values[i] /= s->sums[r];
  cpu_lanes()->store[j->out->dtype](values, j->v_dim, element(j->out->data, j->out->dtype, row * j->v_dim), 1);
  if (j->log_sums) ((float *)j->log_sums->data)[row] = s->greatest[r] + k_log_f32(s->sums[r]);
}

static void note(attention_job *j, error *why) {
  error *none = NULL;
  if (!atomic_compare_exchange_strong(&j->why, &none, why)) error_release(why);
}

/* ---- many rows ---- */

static gemm_matrix matrix_of(const operand *x, int64_t batch, int64_t head, bool transposed) {
  return (gemm_matrix){.data = element(x->data, x->dtype, batch * x->strides[0] + head * x->strides[1]),
                       .dtype = x->dtype,
                       .row = x->strides[transposed ? 3 : 2],
                       .col = x->strides[transposed ? 2 : 3]};
}

/* BLOCK_KEYS keys of a head: strips (key / strip, dim, strip), and values: strips (column / strip, keys, strip). */
static void pack_keys(void *context, int64_t piece) {
  const attention_job *j = context;
  const int64_t parts = pieces_of(j->keys, BLOCK_KEYS), head = piece / parts, first = piece % parts * BLOCK_KEYS;
  const int64_t n = smaller(j->keys - first, BLOCK_KEYS), kv_head = j->first_head + head;
  float *keys = j->panels + head * j->panel, *values = keys + j->k_panel;
  const gemm_matrix k = matrix_of(j->k, kv_head / j->kv_heads, kv_head % j->kv_heads, true);
  const gemm_matrix v = matrix_of(j->v, kv_head / j->kv_heads, kv_head % j->kv_heads, false);
  for (int64_t at = 0; at < n; at += j->strip) {
    float *to = keys + (first + at) * j->dim;
    const int64_t width = smaller(n - at, j->strip);
    if (width < j->strip) memset(to, 0, (size_t)(j->dim * j->strip) * sizeof *to);
    gemm_read(&k, LANE_FLOAT, 0, first + at, j->dim, width, to, j->strip);
  }
  for (int64_t at = 0; at < j->v_dim; at += j->strip) {
    float *to = values + (at / j->strip * j->keys + first) * j->strip;
    const int64_t width = smaller(j->v_dim - at, j->strip);
    if (width < j->strip) memset(to, 0, (size_t)(n * j->strip) * sizeof *to);
    gemm_read(&v, LANE_FLOAT, first, at, n, width, to, j->strip);
  }
}

/* A block of rows, in work. */
typedef struct rows_block {
  int64_t count;
  row_place places[BLOCK_ROWS];
  float *q, *scores, *weights; /* (rows, dim), (rows, BLOCK_KEYS), (rows, BLOCK_KEYS + 16) */
  float *woven;                /* whole tiles of q, as cpu/gemm.h weaves them */
  rows_state state;
} rows_block;

enum { WEIGHTS_ROW = BLOCK_KEYS + 16 };

/* c (rows, columns) = a (rows, length) times strips, `apart` floats from each other, + beta c. `needed[r]`: so many
   columns does row r need; NULL: all. `woven`: whole tiles of a, woven, or NULL. */
static void multiply_strips(const rows_block *b, const float *a, int64_t a_row, const float *woven, const float *strips,
                            int64_t apart, int64_t length, int64_t columns, const int64_t *needed, float beta, float *c, int64_t c_row) {
  static const int64_t start;
  const gemm_loops *loops = cpu_gemm_loops();
  const int64_t strip = loops->tile_columns[LANE_FLOAT];
  gemm_tile tiles[BLOCK_ROWS / 4];
  const void *rows[BLOCK_ROWS / 4 * GEMM_ROWS_MOST];
  int64_t n = 0, skipped = 0, ends[BLOCK_ROWS / 4]; /* ends: rows down to the last one of a tile */
  for (int64_t i = 0, some; i < b->count; i += some, n++) {
    some = gemm_rows_of_tile(b->count - i, loops->tile_rows);
    const bool is_woven = woven && some == loops->tile_rows;
    for (int64_t r = 0; r < some; r++) rows[n * GEMM_ROWS_MOST + r] = a + (i + r) * a_row;
    if (is_woven) rows[n * GEMM_ROWS_MOST] = woven + i * length;
    ends[n] = i + some;
    tiles[n] = (gemm_tile){.rows = some,
                           .runs = 1,
                           .woven = is_woven,
                           .a = rows + n * GEMM_ROWS_MOST,
                           .b = &start,
                           .lengths = &length,
                           .c = i * c_row};
  }
  for (int64_t s = 0; s < columns; s += strip) {
    while (needed && skipped < n && needed[ends[skipped] - 1] <= s) skipped++; /* rows further down see more keys */
    loops->column[LANE_FLOAT](&(gemm_column){.tiles = tiles + skipped,
                                             .count = n - skipped,
                                             .width = strip,
                                             .b = strips + s / strip * apart,
                                             .b_step = strip,
                                             .alpha = 1,
                                             .beta = beta,
                                             .c = c + s,
                                             .c_row = c_row});
  }
}

static void meet_keys(const attention_job *j, const rows_block *b, int64_t head, int64_t key) {
  const int64_t n = smaller(j->keys - key, BLOCK_KEYS);
  const float *keys = j->panels + head * j->panel, *values = keys + j->k_panel;
  int64_t seen[BLOCK_ROWS], most = 0;
  for (int64_t r = 0; r < b->count; r++) {
    seen[r] = smaller(keys_of(j, b->places[r]) - key, n);
    if (seen[r] > most) most = seen[r];
  }
  if (most <= 0) return;
  multiply_strips(b, b->q, j->dim, b->woven, keys + key * j->dim, j->dim * j->strip, j->dim, most, seen, 0, b->scores,
                  BLOCK_KEYS);
  for (int64_t r = 0; r < b->count; r++)
    weigh(j, b->places[r], key, seen[r], b->scores + r * BLOCK_KEYS, b->weights + r * WEIGHTS_ROW, most, &b->state, r);
  multiply_strips(b, b->weights, WEIGHTS_ROW, NULL, values + key * j->strip, j->keys * j->strip, most, j->v_dim, NULL, 1,
                  b->state.values, j->pitch);
}

/* Blocks are of one head of q, so that rows further down see no fewer keys. */
static void block_piece(void *context, int64_t piece) {
  attention_job *j = context;
  const int64_t per_head = j->per * j->blocks, head = piece / per_head, in_head = piece % per_head;
  const int64_t first = in_head % j->blocks * BLOCK_ROWS, kv_head = j->first_head + head;
  rows_block b = {.count = smaller(j->length - first, BLOCK_ROWS)};
  error *why = NULL;
  const int64_t floats = b.count * (2 * j->dim + BLOCK_KEYS + WEIGHTS_ROW + j->pitch + 2);
  buffer *held = buffer_new((size_t)floats * sizeof(float), "scaled_dot_product_attention", &why);
  if (!held) {
    note(j, why);
    return;
  }
  b.scores = buffer_data(held);
  b.weights = b.scores + b.count * BLOCK_KEYS;
  b.state.values = b.weights + b.count * WEIGHTS_ROW;
  b.q = b.state.values + b.count * j->pitch;
  b.woven = b.q + b.count * j->dim;
  b.state.greatest = b.woven + b.count * j->dim;
  b.state.sums = b.state.greatest + b.count;
  for (int64_t r = 0; r < b.count; r++) {
    b.places[r] = place_of(j, kv_head, in_head / j->blocks * j->length + first + r);
    load_row(j, b.places[r], b.q + r * j->dim);
    start_row(j, b.places[r], &b.state, r);
  }
  const int64_t whole = b.count / cpu_gemm_loops()->tile_rows; /* or one more than are used */
  cpu_gemm_loops()->weave[PONS_FLOAT32](b.q, j->dim, 1, whole, j->dim, b.woven);
  for (int64_t key = 0; key < j->keys; key += BLOCK_KEYS) meet_keys(j, &b, head, key);
  for (int64_t r = 0; r < b.count; r++) store_row(j, b.places[r], &b.state, r);
  buffer_release(held);
}

static error *many_rows(attention_job *j) {
  error *why = NULL;
  const int64_t heads = j->q->shape[0] * j->kv_heads;
  j->k_panel = round_up(j->keys, j->strip) * j->dim;
  j->panel = j->k_panel + j->keys * j->pitch;
  j->blocks = pieces_of(j->length, BLOCK_ROWS);
  int64_t at_once = PANEL_FLOATS / (j->panel + 1);
  at_once = at_once < 1 ? 1 : smaller(at_once, heads);
  buffer *panels = buffer_new((size_t)(at_once * j->panel) * sizeof(float), "scaled_dot_product_attention", &why);
  if (!panels) return why;
  j->panels = buffer_data(panels);
  for (; j->first_head < heads; j->first_head += at_once) {
    const int64_t some = smaller(heads - j->first_head, at_once);
    parallel_for(some * pieces_of(j->keys, BLOCK_KEYS), pack_keys, j);
    parallel_for(some * j->per * j->blocks, block_piece, j);
  }
  buffer_release(panels);
  return atomic_load(&j->why);
}

/* ---- few rows ---- */

static bool are_few(const attention_job *j) {
  return j->per * j->length <= THIN_ROWS && (j->k->strides[3] == 1 || j->dim == 1) &&
         (j->v->strides[3] == 1 || j->v_dim == 1);
}

static rows_state state_at(const attention_job *j, int64_t index) {
  const int64_t rows = j->per * j->length;
  float *at = (float *)(void *)j->states + index * rows * (j->pitch + 2);
  return (rows_state){.values = at, .greatest = at + rows * j->pitch, .sums = at + rows * (j->pitch + 1)};
}

static void part_piece(void *context, int64_t piece) {
  attention_job *j = context;
  const int64_t kv_head = piece / j->parts, key = piece % j->parts * PART_KEYS, rows = j->per * j->length;
  const int64_t n = smaller(j->keys - key, PART_KEYS);
  const gemm_matrix k = matrix_of(j->k, kv_head / j->kv_heads, kv_head % j->kv_heads, false);
  const gemm_matrix v = matrix_of(j->v, kv_head / j->kv_heads, kv_head % j->kv_heads, false);
  const rows_state s = state_at(j, piece);
  float scores[THIN_ROWS * PART_KEYS], weights[THIN_ROWS * PART_KEYS];
  error *why = NULL;
  buffer *held = buffer_new((size_t)(rows * j->dim) * sizeof(float), "scaled_dot_product_attention", &why);
  if (!held) {
    note(j, why);
    return;
  }
  float *q = buffer_data(held);
  memset(scores, 0, (size_t)(rows * PART_KEYS) * sizeof *scores);
  for (int64_t r = 0; r < rows; r++) {
    load_row(j, place_of(j, kv_head, r), q + r * j->dim);
    s.greatest[r] = -INFINITY;
    s.sums[r] = 0;
    memset(s.values + r * j->pitch, 0, (size_t)j->pitch * sizeof(float));
  }
  cpu_thin_loops()->dots[k.dtype](&(thin_part){.rows = rows,
                                               .columns = n,
                                               .k = j->dim,
                                               .x = q,
                                               .x_row = j->dim,
                                               .w = element(k.data, k.dtype, key * k.row),
                                               .w_row = k.row,
                                               .y = scores,
                                               .y_row = PART_KEYS});
  for (int64_t r = 0; r < rows; r++) {
    const row_place p = place_of(j, kv_head, r);
    weigh(j, p, key, smaller(keys_of(j, p) - key, n), scores + r * PART_KEYS, weights + r * PART_KEYS, n, &s, r);
  }
  cpu_thin_loops()->sums[v.dtype](&(thin_part){.rows = rows,
                                               .columns = j->v_dim,
                                               .k = n,
                                               .x = weights,
                                               .x_row = PART_KEYS,
                                               .w = element(v.data, v.dtype, key * v.row),
                                               .w_row = v.row,
                                               .y = s.values,
                                               .y_row = j->pitch});
  buffer_release(held);
}

/* Joins the parts of a head's rows in the state of the first. */
static void join_piece(void *context, int64_t kv_head) {
  const attention_job *j = context;
  const rows_state s = state_at(j, kv_head * j->parts);
  for (int64_t r = 0; r < j->per * j->length; r++) {
    const row_place p = place_of(j, kv_head, r);
    if (j->sinks) {
      float sink;
      cpu_lanes()->load[j->sinks->dtype](element(j->sinks->data, j->sinks->dtype, p.head * j->sinks->strides[0]), 1, 1,
                                         &sink);
      const float greatest = sink > s.greatest[r] || sink != sink ? sink : s.greatest[r];
      const float factor = s.greatest[r] == -INFINITY ? 0 : k_exp_f32(s.greatest[r] - greatest);
      s.sums[r] = s.sums[r] * factor + k_exp_f32(sink - greatest);
      for (int64_t i = 0; i < j->v_dim; i++) s.values[r * j->pitch + i] *= factor;
      s.greatest[r] = greatest;
    }
    for (int64_t part = 1; part < j->parts; part++) {
      const rows_state more = state_at(j, kv_head * j->parts + part);
      if (more.greatest[r] == -INFINITY) continue;
      const bool is_greater = more.greatest[r] > s.greatest[r] || more.greatest[r] != more.greatest[r];
      const float greatest = is_greater ? more.greatest[r] : s.greatest[r];
      const float old = s.greatest[r] == -INFINITY ? 0 : k_exp_f32(s.greatest[r] - greatest);
      const float new = k_exp_f32(more.greatest[r] - greatest);
      s.sums[r] = s.sums[r] * old + more.sums[r] * new;
      for (int64_t i = 0; i < j->v_dim; i++)
        s.values[r * j->pitch + i] = s.values[r * j->pitch + i] * old + more.values[r * j->pitch + i] * new;
      s.greatest[r] = greatest;
    }
    store_row(j, p, &s, r);
  }
}

static error *few_rows(attention_job *j) {
  error *why = NULL;
  const int64_t heads = j->q->shape[0] * j->kv_heads, rows = j->per * j->length;
  j->parts = pieces_of(j->keys, PART_KEYS);
  j->pitch = round_up(j->v_dim, 16); /* sums want that */
  buffer *states = buffer_new((size_t)(heads * j->parts * rows * (j->pitch + 2)) * sizeof(float),
                              "scaled_dot_product_attention", &why);
  if (!states) return why;
  j->states = buffer_data(states);
  parallel_for(heads * j->parts, part_piece, j);
  why = atomic_load(&j->why);
  for (int64_t h = 0; h < heads && !why; h++) join_piece(j, h);
  buffer_release(states);
  return why;
}

/* ---- both ---- */

const char *cpu_refuses_attention(const launch *l) {
  const attention_params *p = l->params;
  if (l->out->dtype == PONS_FLOAT64) return "computes in float32";
  if (p->output_logsumexp && l->out->dtype != PONS_FLOAT32) return "the definition rounds scores to halves";
  if (p->causal && l->in[0].shape[2] > l->in[1].shape[2]) return "rows that see no key";
  return l->in[1].shape[2] ? NULL : "no keys";
}

error *cpu_attention(const launch *l) {
  const attention_params *p = l->params;
  const operand *q = &l->in[0], *k = &l->in[1], *v = &l->in[2];
  const bool has_mask = l->n_in - p->has_sinks == 4;
  attention_job j = {.q = q, .k = k, .v = v, .out = l->out, .scale = p->scale, .causal = p->causal};
  j.mask = has_mask && !p->causal ? &l->in[3] : NULL;
  j.sinks = p->has_sinks ? &l->in[l->n_in - 1] : NULL;
  j.log_sums = p->output_logsumexp ? &l->out[1] : NULL;
  j.kv_heads = k->shape[1], j.per = q->shape[1] / k->shape[1];
  j.length = q->shape[2], j.keys = k->shape[2], j.dim = q->shape[3], j.v_dim = v->shape[3];
  j.strip = cpu_gemm_loops()->tile_columns[LANE_FLOAT];
  j.pitch = round_up(j.v_dim, j.strip);
  if (!q->shape[0] || !j.per || !j.length) return NULL;
  return are_few(&j) ? few_rows(&j) : many_rows(&j);
}
