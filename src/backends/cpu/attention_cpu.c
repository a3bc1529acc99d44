/* attention_cpu.c: "ScaledDotProductAttention": softmax(scale q kT + mask) v without the matrix of weights (Dao et al.,
   "FlashAttention", 2022).

   Keys come in blocks. What is known of a row of the result after some blocks is its greatest score, the sum of
   exp(score - greatest) and the values added up with those weights; a greater score later scales both down:

       many rows of q   keys and values are packed as strips, then blocks of q's rows, BLOCK_ROWS high, go to threads;
                        scores and sums are tiles of cpu/gemm.h
       few rows         as when a text is written token by token: keys and values are read once, where they lie, a piece
                        of PART_KEYS at a time; pieces are joined in order

   All in float32; results depend on shapes alone, not on the number of threads. Uses cpu/attention.h. */
#include "backends/cpu/attention.h"
#include "kernel/scalar.h"
#include <float.h>

enum {
  BLOCK_ROWS = 48, /* a multiple of the rows of every tile */
  BLOCK_KEYS = 384,
  PART_KEYS = 256,
  PANEL_FLOATS = 1 << 24 /* of packed keys and values, unless one head needs more */
};

typedef struct attention_job {
  attention a;
  const operand *sinks, *out, *log_sums; /* log_sums: NULL if not wanted */
  int64_t pitch;                         /* v_dim rounded up to a strip */
  int64_t first_head;                    /* of batch x kv heads, in work */
  float *panels;                         /* of each head in work: keys, then values */
  int64_t panel, k_panel;                /* floats for a head; those of its keys */
  int64_t blocks, parts;
  char *states;                          /* few rows: of each head and part */
  error *_Atomic why;
} attention_job;

/* What is known of some rows. */
typedef struct rows_state {
  float *greatest, *sums, *values; /* values: (rows, pitch) */
} rows_state;

/* ---- one row meets some keys ---- */

static void start_row(const attention_job *j, row_place p, const rows_state *s, int64_t r) {
  s->greatest[r] = -INFINITY;
  s->sums[r] = 0;
  memset(s->values + r * j->pitch, 0, (size_t)j->pitch * sizeof(float));
  if (!j->sinks) return;
  cpu_lanes()->load[j->sinks->dtype](element(j->sinks->data, j->sinks->dtype, p.head * j->sinks->strides[0]), 1, 1,
                                     s->greatest + r);
  s->sums[r] = 1;
}

/* Turns n scores into weights, behind which there are zeros up to `room`, and scales what row r has down. Rows of scores and of
   weights have room for BLOCK_KEYS. */
static void weigh(const attention_job *j, row_place p, int64_t key, int64_t n, float *scores, float *weights,
                  int64_t room, const rows_state *s, int64_t r) {
  if (n > 0 && j->a.mask) attention_mask(&j->a, p, key, n, scores);
  n = n > 0 ? attention_fill(scores, n, -INFINITY) : 0;
  if (room > n) memset(weights + n, 0, (size_t)(room - n) * sizeof *weights);
  if (!n) return;
  float greatest = attention_greatest(scores, n);
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
  if (factor != 1 && old != -INFINITY) cpu_softmax_loops()->scale_float(s->values + r * j->pitch, j->pitch, factor);
}

static void store_row(const attention_job *j, row_place p, const rows_state *s, int64_t r) {
  const int64_t row = (p.batch * j->a.kv_heads * j->a.per + p.head) * j->a.length + p.at;
  float *values = s->values + r * j->pitch;
  cpu_softmax_loops()->scale_float(values, j->a.v_dim, 1 / s->sums[r]);
  cpu_lanes()->store[j->out->dtype](values, j->a.v_dim, element(j->out->data, j->out->dtype, row * j->a.v_dim), 1);
  if (j->log_sums) ((float *)j->log_sums->data)[row] = s->greatest[r] + k_log_f32(s->sums[r]);
}

static void note(attention_job *j, error *why) {
  error *none = NULL;
  if (!atomic_compare_exchange_strong(&j->why, &none, why)) error_release(why);
}

/* ---- many rows ---- */

/* BLOCK_KEYS keys of a head: strips (key / strip, dim, strip), and values: strips (column / strip, keys, strip). */
static void pack_keys(void *context, int64_t piece) {
  const attention_job *j = context;
  const int64_t parts = pieces_of(j->a.keys, BLOCK_KEYS), head = piece / parts, first = piece % parts * BLOCK_KEYS;
  const int64_t n = smaller(j->a.keys - first, BLOCK_KEYS), kv_head = j->first_head + head;
  float *keys = j->panels + head * j->panel, *values = keys + j->k_panel;
  const gemm_matrix k = attention_matrix(&j->a, j->a.k, kv_head, true);
  const gemm_matrix v = attention_matrix(&j->a, j->a.v, kv_head, false);
  for (int64_t at = 0; at < n; at += j->a.strip) {
    float *to = keys + (first + at) * j->a.dim;
    const int64_t width = smaller(n - at, j->a.strip);
    if (width < j->a.strip) memset(to, 0, (size_t)(j->a.dim * j->a.strip) * sizeof *to);
    gemm_read(&k, LANE_FLOAT, 0, first + at, j->a.dim, width, to, j->a.strip);
  }
  strips_pack(&v, first, n, j->a.v_dim, values + first * j->a.strip, j->a.keys * j->a.strip);
}

/* A block of rows, in work. */
typedef struct rows_block {
  int64_t count;
  row_place places[BLOCK_ROWS];
  float *q, *scores, *weights; /* (rows, dim), (rows, BLOCK_KEYS), (rows, BLOCK_KEYS + 16) */
  const float *woven;          /* of q */
  rows_state state;
} rows_block;

enum { WEIGHTS_ROW = BLOCK_KEYS + 16 };

static void meet_keys(const attention_job *j, const rows_block *b, int64_t head, int64_t key) {
  const int64_t n = smaller(j->a.keys - key, BLOCK_KEYS);
  const float *keys = j->panels + head * j->panel, *values = keys + j->k_panel;
  int64_t seen[BLOCK_ROWS], most = 0;
  for (int64_t r = 0; r < b->count; r++) {
    seen[r] = smaller(keys_of(&j->a, b->places[r]) - key, n);
    if (seen[r] > most) most = seen[r];
  }
  if (most <= 0) return;
  strips_multiply(&(strips_product){.rows = b->count,
                                    .columns = most,
                                    .length = j->a.dim,
                                    .a = b->q,
                                    .a_row = j->a.dim,
                                    .woven = b->woven,
                                    .strips = keys + key * j->a.dim,
                                    .apart = j->a.dim * j->a.strip,
                                    .needed = seen,
                                    .alpha = 1,
                                    .c = b->scores,
                                    .c_row = BLOCK_KEYS});
  for (int64_t r = 0; r < b->count; r++)
    weigh(j, b->places[r], key, seen[r], b->scores + r * BLOCK_KEYS, b->weights + r * WEIGHTS_ROW, most, &b->state, r);
  float *room = b->scores; /* they are weights by now */
  strips_multiply(&(strips_product){.rows = b->count,
                                    .columns = j->a.v_dim,
                                    .length = most,
                                    .a = b->weights,
                                    .a_row = WEIGHTS_ROW,
                                    .woven = strips_weave(b->weights, WEIGHTS_ROW, b->count, most, room),
                                    .strips = values + key * j->a.strip,
                                    .apart = j->a.keys * j->a.strip,
                                    .to = seen,
                                    .alpha = 1,
                                    .beta = 1,
                                    .c = b->state.values,
                                    .c_row = j->pitch});
}

/* Blocks are of one head of q, so that rows further down see no fewer keys. */
static void block_piece(void *context, int64_t piece) {
  attention_job *j = context;
  const int64_t per_head = j->a.per * j->blocks, head = piece / per_head, in_head = piece % per_head;
  const int64_t first = in_head % j->blocks * BLOCK_ROWS, kv_head = j->first_head + head;
  rows_block b = {.count = smaller(j->a.length - first, BLOCK_ROWS)};
  error *why = NULL;
  const int64_t floats = b.count * (2 * j->a.dim + BLOCK_KEYS + WEIGHTS_ROW + j->pitch + 2);
  buffer *held = buffer_new((size_t)floats * sizeof(float), "scaled_dot_product_attention", &why);
  if (!held) {
    note(j, why);
    return;
  }
  b.scores = buffer_data(held);
  b.weights = b.scores + b.count * BLOCK_KEYS;
  b.state.values = b.weights + b.count * WEIGHTS_ROW;
  b.q = b.state.values + b.count * j->pitch;
  float *woven = b.q + b.count * j->a.dim;
  b.state.greatest = woven + b.count * j->a.dim;
  b.state.sums = b.state.greatest + b.count;
  for (int64_t r = 0; r < b.count; r++) {
    b.places[r] = attention_place(&j->a, kv_head, in_head / j->blocks * j->a.length + first + r);
    attention_query(&j->a, b.places[r], b.q + r * j->a.dim);
    start_row(j, b.places[r], &b.state, r);
  }
  b.woven = strips_weave(b.q, j->a.dim, b.count, j->a.dim, woven);
  for (int64_t key = 0; key < j->a.keys; key += BLOCK_KEYS) meet_keys(j, &b, head, key);
  for (int64_t r = 0; r < b.count; r++) store_row(j, b.places[r], &b.state, r);
  buffer_release(held);
}

/* All of a head of k. */
static void head_piece(void *context, int64_t head) {
  const attention_job *j = context;
  const int64_t parts = pieces_of(j->a.keys, BLOCK_KEYS), blocks = j->a.per * j->blocks;
  for (int64_t i = 0; i < parts; i++) pack_keys(context, head * parts + i);
  for (int64_t i = 0; i < blocks; i++) block_piece(context, head * blocks + i);
}

static error *many_rows(attention_job *j) {
  error *why = NULL;
  const int64_t heads = j->a.q->shape[0] * j->a.kv_heads;
  j->k_panel = round_up(j->a.keys, j->a.strip) * j->a.dim;
  j->panel = j->k_panel + j->a.keys * j->pitch;
  j->blocks = pieces_of(j->a.length, BLOCK_ROWS);
  int64_t at_once = PANEL_FLOATS / (j->panel + 1);
  at_once = at_once < 1 ? 1 : smaller(at_once, heads);
  buffer *panels = buffer_new((size_t)(at_once * j->panel) * sizeof(float), "scaled_dot_product_attention", &why);
  if (!panels) return why;
  j->panels = buffer_data(panels);
  for (; j->first_head < heads; j->first_head += at_once) {
    const int64_t some = smaller(heads - j->first_head, at_once);
    if (attention_by_head(some)) {
      parallel_for(some, head_piece, j);
      continue;
    }
    parallel_for(some * pieces_of(j->a.keys, BLOCK_KEYS), pack_keys, j);
    parallel_for(some * j->a.per * j->blocks, block_piece, j);
  }
  buffer_release(panels);
  return atomic_load(&j->why);
}

/* ---- few rows ---- */

static bool are_few(const attention_job *j) {
  return j->a.per * j->a.length <= THIN_ROWS && (j->a.k->strides[3] == 1 || j->a.dim == 1) &&
         (j->a.v->strides[3] == 1 || j->a.v_dim == 1);
}

static rows_state state_at(const attention_job *j, int64_t index) {
  const int64_t rows = j->a.per * j->a.length;
  float *at = (float *)(void *)j->states + index * rows * (j->pitch + 2);
  return (rows_state){.values = at, .greatest = at + rows * j->pitch, .sums = at + rows * (j->pitch + 1)};
}

static void part_piece(void *context, int64_t piece) {
  attention_job *j = context;
  const int64_t kv_head = piece / j->parts, key = piece % j->parts * PART_KEYS, rows = j->a.per * j->a.length;
  const int64_t n = smaller(j->a.keys - key, PART_KEYS);
  const gemm_matrix k = attention_matrix(&j->a, j->a.k, kv_head, false);
  const gemm_matrix v = attention_matrix(&j->a, j->a.v, kv_head, false);
  const rows_state s = state_at(j, piece);
  float scores[THIN_ROWS * PART_KEYS], weights[THIN_ROWS * PART_KEYS];
  error *why = NULL;
  buffer *held = buffer_new((size_t)(rows * j->a.dim) * sizeof(float), "scaled_dot_product_attention", &why);
  if (!held) {
    note(j, why);
    return;
  }
  float *q = buffer_data(held);
  memset(scores, 0, (size_t)(rows * PART_KEYS) * sizeof *scores);
  for (int64_t r = 0; r < rows; r++) {
    attention_query(&j->a, attention_place(&j->a, kv_head, r), q + r * j->a.dim);
    s.greatest[r] = -INFINITY;
    s.sums[r] = 0;
    memset(s.values + r * j->pitch, 0, (size_t)j->pitch * sizeof(float));
  }
  cpu_thin_loops()->dots[k.dtype](&(thin_part){.rows = rows,
                                               .columns = n,
                                               .k = j->a.dim,
                                               .x = q,
                                               .x_row = j->a.dim,
                                               .w = element(k.data, k.dtype, key * k.row),
                                               .w_row = k.row,
                                               .y = scores,
                                               .y_row = PART_KEYS});
  for (int64_t r = 0; r < rows; r++) {
    const row_place p = attention_place(&j->a, kv_head, r);
    weigh(j, p, key, smaller(keys_of(&j->a, p) - key, n), scores + r * PART_KEYS, weights + r * PART_KEYS, n, &s, r);
  }
  cpu_thin_loops()->sums[v.dtype](&(thin_part){.rows = rows,
                                               .columns = j->a.v_dim,
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
  for (int64_t r = 0; r < j->a.per * j->a.length; r++) {
    const row_place p = attention_place(&j->a, kv_head, r);
    if (j->sinks) {
      float sink;
      cpu_lanes()->load[j->sinks->dtype](element(j->sinks->data, j->sinks->dtype, p.head * j->sinks->strides[0]), 1, 1,
                                         &sink);
      const float greatest = sink > s.greatest[r] || sink != sink ? sink : s.greatest[r];
      const float factor = s.greatest[r] == -INFINITY ? 0 : k_exp_f32(s.greatest[r] - greatest);
      s.sums[r] = s.sums[r] * factor + k_exp_f32(sink - greatest);
      for (int64_t i = 0; i < j->a.v_dim; i++) s.values[r * j->pitch + i] *= factor;
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
      for (int64_t i = 0; i < j->a.v_dim; i++)
        s.values[r * j->pitch + i] = s.values[r * j->pitch + i] * old + more.values[r * j->pitch + i] * new;
      s.greatest[r] = greatest;
    }
    store_row(j, p, &s, r);
  }
}

static error *few_rows(attention_job *j) {
  error *why = NULL;
  const int64_t heads = j->a.q->shape[0] * j->a.kv_heads, rows = j->a.per * j->a.length;
  j->parts = pieces_of(j->a.keys, PART_KEYS);
  j->pitch = round_up(j->a.v_dim, 16); /* sums want that */
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
  if (p->causal && l->in[0].shape[2] > l->in[1].shape[2]) return "rows that see no key";
  return l->in[1].shape[2] ? NULL : "no keys";
}

error *cpu_attention(const launch *l) {
  const attention_params *p = l->params;
  const bool has_mask = l->n_in - p->has_sinks == 4 && !p->causal;
  attention_job j = {.a = attention_of(p, l->in, has_mask ? &l->in[3] : NULL), .out = l->out};
  j.sinks = p->has_sinks ? &l->in[l->n_in - 1] : NULL;
  j.log_sums = p->output_logsumexp ? &l->out[1] : NULL;
  j.pitch = round_up(j.a.v_dim, j.a.strip);
  if (!j.a.q->shape[0] || !j.a.per || !j.a.length) return NULL;
  return are_few(&j) ? few_rows(&j) : many_rows(&j);
}
