/* attention_vjp_cpu.c: "ScaledDotProductAttentionVJP" without whole matrices of weights. With P = softmax(S),
   S = scale q kT + mask, and dP = g vT:

       dv = PT g      dS = P (dP - sum of P dP along a row)      dq = scale dS k      dk = scale dST q

   A block of rows of q meets all keys that it sees at once. Of the way forward the logarithms of the sums of exp(S) are
   known, of which P is made at once; its result is not looked at. The rows of a head of k are cut into parts, each of which
   adds up a dk and a dv of its own, block after block; parts are joined in order. All in float32; results depend on shapes
   alone, not on the number of threads. Uses cpu/attention.h. */
#include "backends/cpu/attention.h"
#include <float.h>
#include <math.h>

enum {
  FEW_KEYS = 1024, MOST_ROWS = STRIPS_ROWS, LEAST_ROWS = 48, /* rows of a block up to so many keys, and beyond */
  PACKED_KEYS = 256,                                         /* in a piece */
  MOST_PARTS = 16,                                           /* of all heads together, if there are fewer heads */
  PANEL_FLOATS = 1 << 24                                     /* of all heads in work, unless one needs more */
};

typedef struct back_job {
  attention a;
  const operand *log_sums, *g;
  const operand *out;            /* dq, dk, dv */
  int64_t dim_pitch, v_pitch;    /* rounded up to a strip */
  int64_t key_pitch, key_rows;   /* of rows of scores; keys rounded up to whole tiles */
  int64_t rows, blocks, parts;   /* of a block; of a kv head */
  int64_t first_head;            /* of batch x kv heads, in work */
  float *panels, *sums;          /* of each head: keys and values as columns, keys as rows; of each part: dk, dv */
  int64_t panel, sum;            /* floats of one */
  error *_Atomic why;
} back_job;

static const char op_name[] = "scaled_dot_product_attention_vjp";

/* ---- panels ---- */

static float *values_of(const back_job *j, float *panel) { return panel + round_up(j->a.keys, j->a.strip) * j->a.dim; }
static float *rows_of(const back_job *j, float *panel) {
  return values_of(j, panel) + round_up(j->a.keys, j->a.strip) * j->a.v_dim;
}

static void pack_keys(void *context, int64_t piece) {
  const back_job *j = context;
  const attention *a = &j->a;
  const int64_t per_head = pieces_of(a->keys, PACKED_KEYS), head = piece / per_head, first = piece % per_head * PACKED_KEYS;
  const int64_t n = smaller(a->keys - first, PACKED_KEYS), kv_head = j->first_head + head;
  float *panel = j->panels + head * j->panel;
  gemm_matrix k = attention_matrix(a, a->k, kv_head, true), v = attention_matrix(a, a->v, kv_head, true);
  const gemm_matrix rows = attention_matrix(a, a->k, kv_head, false);
  k.data = element(k.data, k.dtype, first * k.col), v.data = element(v.data, v.dtype, first * v.col);
  strips_pack(&k, 0, a->dim, n, panel + first * a->dim, a->dim * a->strip);
  strips_pack(&v, 0, a->v_dim, n, values_of(j, panel) + first * a->v_dim, a->v_dim * a->strip);
  strips_pack(&rows, first, n, a->dim, rows_of(j, panel) + first * a->strip, a->keys * a->strip);
}

/* ---- blocks of rows ---- */

typedef struct back_block {
  int64_t count, most; /* rows; keys that the last one sees */
  int64_t end;         /* of what products read of a row of weights or slopes */
  row_place places[MOST_ROWS];
  int64_t seen[MOST_ROWS];
  float *q, *g, *q_strips, *g_strips, *dq; /* q is scaled */
  float *weights, *slopes, *woven;         /* P; dP, then dS: (rows, key_pitch) */
  float *dk, *dv;                          /* of the part */
} back_block;

static int64_t block_floats(const back_job *j) {
  const int64_t widest = j->key_pitch > j->dim_pitch + j->v_pitch ? j->key_pitch : j->dim_pitch + j->v_pitch;
  return j->rows * (j->a.dim + j->a.v_dim + 2 * j->dim_pitch + j->v_pitch + 2 * j->key_pitch + widest);
}

static void set_memory(const back_job *j, back_block *b, float *at) {
  b->q = at, at += j->rows * j->a.dim;
  b->g = at, at += j->rows * j->a.v_dim;
  b->q_strips = at, at += j->rows * j->dim_pitch;
  b->g_strips = at, at += j->rows * j->v_pitch;
  b->dq = at, at += j->rows * j->dim_pitch;
  b->weights = at, at += j->rows * j->key_pitch;
  b->slopes = at, at += j->rows * j->key_pitch;
  b->woven = at;
}

static void load_block(const back_job *j, back_block *b) {
  const attention *a = &j->a;
  for (int64_t r = 0; r < b->count; r++) {
    b->seen[r] = keys_of(a, b->places[r]);
    attention_query(a, b->places[r], b->q + r * a->dim);
    cpu_lanes()->load[j->g->dtype](at_place(j->g, b->places[r]), j->g->strides[3], a->v_dim, b->g + r * a->v_dim);
  }
  b->most = b->seen[b->count - 1];
  b->end = round_up(b->most, cpu_gemm_loops()->tile_rows);
  const gemm_matrix q = {.data = b->q, .dtype = PONS_FLOAT32, .row = a->dim, .col = 1};
  const gemm_matrix g = {.data = b->g, .dtype = PONS_FLOAT32, .row = a->v_dim, .col = 1};
  strips_pack(&q, 0, b->count, a->dim, b->q_strips, b->count * a->strip);
  strips_pack(&g, 0, b->count, a->v_dim, b->g_strips, b->count * a->strip);
}

/* Rows of `x` meet what keys have, a column each: x times strips. */
static void meet_keys(const back_job *j, const back_block *b, const float *x, int64_t length, const float *strips, float *to) {
  strips_multiply(&(strips_product){.rows = b->count,
                                    .columns = b->most,
                                    .length = length,
                                    .a = x,
                                    .a_row = length,
                                    .woven = strips_weave(x, length, b->count, length, b->woven),
                                    .strips = strips,
                                    .apart = length * j->a.strip,
                                    .needed = b->seen,
                                    .alpha = 1,
                                    .c = to,
                                    .c_row = j->key_pitch});
}

static void clear(const back_block *b, float *row, int64_t from) {
  if (b->end > from) memset(row + from, 0, (size_t)(b->end - from) * sizeof *row);
}

/* Scores in `slopes` become weights. Of a row that a mask leaves nothing of, the logarithm does not tell how many there are. */
static void weigh(const back_job *j, const back_block *b, int64_t r) {
  float *scores = b->slopes + r * j->key_pitch, *weights = b->weights + r * j->key_pitch, log_sum;
  if (j->a.mask) attention_mask(&j->a, b->places[r], 0, b->seen[r], scores);
  const int64_t n = attention_fill(scores, b->seen[r], -INFINITY);
  cpu_lanes()->load[j->log_sums->dtype](at_place(j->log_sums, b->places[r]), 1, 1, &log_sum);
  if (fabsf(log_sum) < FLT_MAX / 2) {
    cpu_softmax_loops()->weights_float(scores, n, log_sum, weights);
  } else {
    const float sum = cpu_softmax_loops()->exp_float(scores, n, attention_greatest(scores, n), weights);
    cpu_softmax_loops()->scale_float(weights, n, 1 / sum);
  }
  clear(b, weights, n);
}

/* dP becomes dS. What a mask of bool left out has no slope, even where it left out all. */
static void slope(const back_job *j, const back_block *b, int64_t r) {
  float *slopes = b->slopes + r * j->key_pitch, kept[TILE];
  const int64_t seen = b->seen[r], n = attention_fill(slopes, seen, 0);
  cpu_softmax_loops()->back_float(b->weights + r * j->key_pitch, n, slopes);
  clear(b, slopes, n);
  if (!j->a.mask || j->a.mask->dtype != PONS_BOOL) return;
  for (int64_t i = 0; i < seen; i += TILE) {
    const int64_t count = smaller(seen - i, TILE);
    memset(kept, 0, sizeof kept);
    attention_mask(&j->a, b->places[r], i, count, kept);
    for (int64_t e = 0; e < count; e++) slopes[i + e] = kept[e] < 0 ? 0 : slopes[i + e];
  }
}

static void store_dq(const back_job *j, const back_block *b, const float *keys) {
  const attention *a = &j->a;
  strips_multiply(&(strips_product){.rows = b->count,
                                    .columns = a->dim,
                                    .length = b->most,
                                    .a = b->slopes,
                                    .a_row = j->key_pitch,
                                    .woven = strips_weave(b->slopes, j->key_pitch, b->count, b->most, b->woven),
                                    .strips = keys,
                                    .apart = a->keys * a->strip,
                                    .to = b->seen,
                                    .alpha = a->scale,
                                    .c = b->dq,
                                    .c_row = j->dim_pitch});
  const operand *out = j->out;
  for (int64_t r = 0; r < b->count; r++) {
    const row_place p = b->places[r];
    const int64_t row = (p.batch * a->kv_heads * a->per + p.head) * a->length + p.at;
    cpu_lanes()->store[out->dtype](b->dq + r * j->dim_pitch, a->dim, element(out->data, out->dtype, row * a->dim), 1);
  }
}

/* sums (keys, columns) += xT (keys, rows of the block) strips, for some keys from `key` on; rows before from[i] see
   nothing of key + i. */
static void add_up(const back_job *j, const back_block *b, int64_t key, int64_t n, const int64_t *from, const float *x,
                   const float *strips, int64_t columns, float *sums, int64_t pitch) {
  strips_multiply(&(strips_product){.rows = n,
                                    .columns = columns,
                                    .length = b->count,
                                    .a = x + key,
                                    .a_step = j->key_pitch,
                                    .strips = strips,
                                    .apart = b->count * j->a.strip,
                                    .from = from,
                                    .alpha = 1,
                                    .beta = 1,
                                    .c = sums + key * pitch,
                                    .c_row = pitch});
}

static void add_up_keys(const back_job *j, const back_block *b) {
  const int64_t keys = round_up(b->most, cpu_gemm_loops()->tile_rows);
  int64_t from[STRIPS_ROWS], first = 0;
  for (int64_t key = 0; key < keys; key += STRIPS_ROWS) {
    const int64_t n = smaller(keys - key, STRIPS_ROWS);
    for (int64_t i = 0; i < n; i++) {
      while (first < b->count && b->seen[first] <= key + i) first++;
      from[i] = first;
    }
    add_up(j, b, key, n, from, b->weights, b->g_strips, j->a.v_dim, b->dv, j->v_pitch);
    add_up(j, b, key, n, from, b->slopes, b->q_strips, j->a.dim, b->dk, j->dim_pitch);
  }
}

/* Blocks are of one head of q, so that rows further down see no fewer keys. */
static void block_back(const back_job *j, back_block *b, int64_t kv_head, int64_t block, float *panel) {
  const attention *a = &j->a;
  const int64_t per_head = j->blocks / a->per, first = block % per_head * j->rows;
  b->count = smaller(a->length - first, j->rows);
  for (int64_t r = 0; r < b->count; r++)
    b->places[r] = attention_place(a, kv_head, block / per_head * a->length + first + r);
  load_block(j, b);
  meet_keys(j, b, b->q, a->dim, panel, b->slopes);
  for (int64_t r = 0; r < b->count; r++) weigh(j, b, r);
  meet_keys(j, b, b->g, a->v_dim, values_of(j, panel), b->slopes);
  for (int64_t r = 0; r < b->count; r++) slope(j, b, r);
  store_dq(j, b, rows_of(j, panel));
  add_up_keys(j, b);
}

static void part_piece(void *context, int64_t piece) {
  back_job *j = context;
  const int64_t head = piece / j->parts, part = piece % j->parts, each = pieces_of(j->blocks, j->parts);
  error *why = NULL, *none = NULL;
  back_block b = {.dk = j->sums + piece * j->sum};
  b.dv = b.dk + j->key_rows * j->dim_pitch;
  memset(b.dk, 0, (size_t)j->sum * sizeof *b.dk);
  buffer *held = buffer_new((size_t)block_floats(j) * sizeof(float), op_name, &why);
  if (!held) {
    if (!atomic_compare_exchange_strong(&j->why, &none, why)) error_release(why);
    return;
  }
  set_memory(j, &b, buffer_data(held));
  for (int64_t i = part * each; i < smaller((part + 1) * each, j->blocks); i++)
    block_back(j, &b, j->first_head + head, i, j->panels + head * j->panel);
  buffer_release(held);
}

/* ---- the parts of a head, joined ---- */

static void store_sum(const back_job *j, int64_t head, const operand *out, int64_t at, int64_t pitch) {
  const int64_t n = out->shape[3], count = j->a.keys * n;
  float *sum = j->sums + head * j->parts * j->sum + at;
  for (int64_t part = 1; part < j->parts; part++) {
    const float *more = sum + part * j->sum;
    for (int64_t i = 0; i < j->a.keys * pitch; i++) sum[i] += more[i];
  }
  for (int64_t key = 0; key < j->a.keys; key++)
    cpu_lanes()->store[out->dtype](sum + key * pitch, n,
                                   element(out->data, out->dtype, (j->first_head + head) * count + key * n), 1);
}

static void head_piece(void *context, int64_t head) {
  const back_job *j = context;
  store_sum(j, head, &j->out[1], 0, j->dim_pitch);
  store_sum(j, head, &j->out[2], j->key_rows * j->dim_pitch, j->v_pitch);
}

/* All of a head that has one part. */
static void whole_head(void *context, int64_t head) {
  const back_job *j = context;
  const int64_t packed = pieces_of(j->a.keys, PACKED_KEYS);
  for (int64_t i = 0; i < packed; i++) pack_keys(context, head * packed + i);
  part_piece(context, head);
  head_piece(context, head);
}

/* ---- the whole ---- */

const char *cpu_refuses_attention_vjp(const launch *l) {
  const attention_params *p = l->params;
  const int64_t *q = l->in[0].shape, *k = l->in[1].shape;
  if (l->out->dtype == PONS_FLOAT64) return "computes in float32";
  if (p->causal && q[2] > k[2]) return "rows that see no key";
  return operand_size(&l->in[0]) && operand_size(&l->in[1]) && operand_size(&l->in[2]) ? NULL : "an empty operand";
}

static void choose_sizes(back_job *j) {
  const attention *a = &j->a;
  const int64_t heads = a->q->shape[0] * a->kv_heads;
  j->dim_pitch = round_up(a->dim, a->strip), j->v_pitch = round_up(a->v_dim, a->strip);
  /* Whole tiles, and blocks of softmax's loops; rows do not fall into the same lines of a cache. */
  j->key_pitch = round_up(a->keys, a->strip < 32 ? 32 : a->strip) + 16;
  j->key_rows = round_up(a->keys, cpu_gemm_loops()->tile_rows);
  j->rows = smaller(a->keys > FEW_KEYS ? LEAST_ROWS : MOST_ROWS, a->length);
  j->blocks = a->per * pieces_of(a->length, j->rows);
  j->parts = heads < MOST_PARTS ? smaller(MOST_PARTS / heads, j->blocks) : 1;
  j->parts = pieces_of(j->blocks, pieces_of(j->blocks, j->parts));
  j->panel = round_up(a->keys, a->strip) * (a->dim + a->v_dim) + a->keys * j->dim_pitch;
  j->sum = j->key_rows * (j->dim_pitch + j->v_pitch);
}

error *cpu_attention_vjp(const launch *l) {
  back_job j = {.log_sums = &l->in[l->n_in - 2], .g = &l->in[l->n_in - 1], .out = l->out};
  const bool has_mask = l->n_in == 7 && !((const attention_params *)l->params)->causal;
  error *why = NULL;
  j.a = attention_of(l->params, l->in, has_mask ? &l->in[3] : NULL);
  choose_sizes(&j);
  const int64_t heads = j.a.q->shape[0] * j.a.kv_heads, floats = j.panel + j.parts * j.sum;
  int64_t at_once = PANEL_FLOATS / floats;
  at_once = at_once < 1 ? 1 : smaller(at_once, heads);
  buffer *held = buffer_new((size_t)(at_once * floats) * sizeof(float), op_name, &why);
  if (!held) return why;
  j.panels = buffer_data(held);
  j.sums = j.panels + at_once * j.panel;
  for (; j.first_head < heads; j.first_head += at_once) {
    const int64_t some = smaller(heads - j.first_head, at_once);
    if (j.parts == 1 && attention_by_head(some)) {
      parallel_for(some, whole_head, &j);
      continue;
    }
    parallel_for(some * pieces_of(j.a.keys, PACKED_KEYS), pack_keys, &j);
    parallel_for(some * j.parts, part_piece, &j);
    parallel_for(some, head_piece, &j);
  }
  buffer_release(held);
  return atomic_load(&j.why);
}
