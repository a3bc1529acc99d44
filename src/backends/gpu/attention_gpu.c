/* attention_gpu.c: launches attention.kc, attention_few.kc and attention_join.kc: "ScaledDotProductAttention". Uses attention_gpu.h. */
#include "backends/gpu/attention_gpu.h"
#include <float.h>

extern const char kernel_attention[], kernel_attention_few[], kernel_attention_join[];

enum { JOIN_THREADS = 64 };

static bool is_empty(const operand *x) { return shape_size(x->ndim, x->shape) == 0; }
bool attention_has_mask(const launch *l) {
  return l->n_in - ((const attention_params *)l->params)->has_sinks == 4;
}

void attention_number_strides(gpu_call *c, const operand *x, int axes) {
  for (int d = 0; d < axes; d++) {
    const int at = d - (4 - x->ndim);
    gpu_number(c, at >= 0 && x->shape[at] > 1 ? x->strides[at] : 0);
  }
}

void attention_number_sizes(gpu_call *c, const launch *l) {
  const operand *q = &l->in[0], *k = &l->in[1];
  gpu_number(c, k->shape[1]);
  gpu_number(c, q->shape[2]);
  gpu_number(c, k->shape[2]);
  gpu_number_float(c, ((const attention_params *)l->params)->scale);
}

void attention_number_operands(gpu_call *c, const launch *l, int axes) {
  for (int i = 0; i < 3; i++) attention_number_strides(c, &l->in[i], axes);
  if (attention_has_mask(l))
    attention_number_strides(c, &l->in[3], 4);
  else
    for (int i = 0; i < 4; i++) gpu_number(c, 0);
  gpu_number(c, ((const attention_params *)l->params)->has_sinks ? l->in[l->n_in - 1].strides[0] : 0);
}

float attention_masked_score(pons_dtype d) {
  return d == PONS_FLOAT16 ? -65504.0f : d == PONS_BFLOAT16 ? -0x1.fep127f : -FLT_MAX;
}

void attention_number_all(gpu_call *c, const launch *l) {
  const attention_params *p = l->params;
  const operand *q = &l->in[0], *k = &l->in[1];
  gpu_number(c, q->shape[1]);
  gpu_number(c, q->shape[1] / k->shape[1]);
  gpu_number(c, q->shape[2]);
  gpu_number(c, k->shape[2]);
  gpu_number_float(c, p->scale);
  gpu_number(c, p->causal);
  gpu_number_float(c, attention_masked_score(q->dtype));
  attention_number_operands(c, l, 4);
}

void attention_define_operands(gpu_call *c, const launch *l) {
  const attention_params *p = l->params;
  if (p->has_sinks) {
    gpu_define_text(c, "HAS_SINKS", "");
    gpu_define(c, "SINKS_MEMORY", c->n_written + l->n_in - 1);
  }
  if (!attention_has_mask(l)) return;
  gpu_define_text(c, "HAS_MASK", "");
  gpu_define_dtype(c, "M", l->in[3].dtype);
  if (l->in[3].dtype == PONS_BOOL) gpu_define_text(c, "MASK_IS_BOOL", "");
}

/* ---- parts of the keys ---- */

bool attention_take_parts(const gpu_backend *b, const launch *l, int count, attention_parts *parts, error **why) {
  const operand *y = &l->out[0];
  const int64_t rows = y->shape[0] * y->shape[1] * y->shape[2], features = y->shape[3];
  *parts = (attention_parts){.count = count, .rows = rows, .sums = (size_t)(count * rows * features)};
  parts->memory = b->memory->take(((const location *)y->data)->device,
                                  (parts->sums + (size_t)(2 * count * rows)) * sizeof(float), why);
  return parts->memory != NULL;
}

error *attention_join(const gpu_backend *b, const launch *l, const attention_parts *parts) {
  gpu_call c = gpu_call_for(b, l->out);
  gpu_define_dtype(&c, "X", l->out[0].dtype);
  gpu_define(&c, "VALUES_DIM", l->out[0].shape[3]);
  c.group[0] = gpu_group_for(&c, JOIN_THREADS, JOIN_THREADS);
  gpu_define(&c, "GROUP", c.group[0]);
  gpu_define(&c, "PARTS_MEMORY", l->n_out);
  if (l->n_out > 1) gpu_define_text(&c, "LOG_SUMS", "");
  c.groups[0] = parts->rows;
  c.wide = parts->sums + (size_t)(2 * parts->count * parts->rows) > INT32_MAX;
  for (int i = 0; i < l->n_out; i++) gpu_written(&c, &l->out[i]);
  gpu_memory(&c, parts->memory, false);
  gpu_begin_numbers(&c);
  gpu_number(&c, parts->count);
  gpu_number(&c, parts->rows);
  return gpu_run(&c, kernel_attention_join, "attention_join");
}

/* ---- few queries ---- */

/* Rows of a group, at most; its keys. More keys are less to join, fewer are more groups. */
enum { FEW_QUERIES = 8, FEW_ROWS = 8, FEW_THREADS = 128, LEAST_KEYS = 64, MOST_KEYS = 512, MANY_GROUPS = 1024 };

typedef struct few {
  int rows, keys;
  int64_t parts, row_groups;
} few;

static few few_of(const launch *l) {
  const operand *q = &l->in[0], *k = &l->in[1];
  const int64_t rows = q->shape[2] * (q->shape[1] / k->shape[1]), heads = q->shape[0] * k->shape[1];
  few f = {.rows = 1, .keys = LEAST_KEYS};
  while (f.rows < rows && f.rows < FEW_ROWS) f.rows *= 2;
  f.row_groups = ceiling(rows, f.rows);
  while (f.keys < MOST_KEYS && k->shape[2] / f.keys * heads * f.row_groups > MANY_GROUPS) f.keys *= 2;
  f.parts = ceiling(k->shape[2], f.keys);
  return f;
}

const char *gpu_refuses_attention_few(const gpu_backend *b, const launch *l) {
  const operand *q = &l->in[0], *k = &l->in[1], *v = &l->in[2];
  if (is_empty(q) || is_empty(k) || is_empty(v)) return "there are no elements";
  if (q->shape[2] > FEW_QUERIES) return "there are many queries";
  if (q->shape[0] * k->shape[1] > 65535 || q->shape[1] / k->shape[1] > 65535) return "there are too many heads";
  const few f = few_of(l);
  const int64_t floats = f.rows * (q->shape[3] + v->shape[3] + f.keys + 2) + FEW_THREADS;
  return floats * (int64_t)sizeof(float) > gpu_common_features(b).local_bytes ? "local memory is too small" : NULL;
}

static error *run_few(const gpu_backend *b, const launch *l, const few *f, const attention_parts *parts) {
  const attention_params *p = l->params;
  const operand *q = &l->in[0], *k = &l->in[1], *v = &l->in[2];
  gpu_call c = gpu_call_for(b, l->out);
  if (parts)
    gpu_memory(&c, parts->memory, true);
  else
    for (int i = 0; i < l->n_out; i++) gpu_written(&c, &l->out[i]);
  gpu_define_dtype(&c, "X", q->dtype);
  gpu_define_wide(&c, "X", q->dtype);
  if (gpu_rows_are_wide(k) && gpu_rows_are_wide(v) && k->shape[3] * (int64_t)pons_dtype_size(k->dtype) % GPU_WIDE == 0 &&
      v->shape[3] * (int64_t)pons_dtype_size(v->dtype) % GPU_WIDE == 0)
    gpu_define_text(&c, "IS_WIDE", "");
  gpu_define(&c, "DIM", q->shape[3]);
  gpu_define(&c, "VALUES_DIM", v->shape[3]);
  gpu_define(&c, "PER", q->shape[1] / k->shape[1]);
  gpu_define(&c, "ROWS", f->rows);
  gpu_define(&c, "KEYS", f->keys);
  gpu_define(&c, "K_MEMORY", c.n_written + 1);
  if (parts)
    gpu_define_text(&c, "PARTS", "");
  else if (l->n_out > 1)
    gpu_define_text(&c, "LOG_SUMS", "");
  attention_define_operands(&c, l);
  c.group[0] = gpu_group_for(&c, FEW_THREADS, FEW_THREADS);
  gpu_define(&c, "GROUP", c.group[0]);
  c.groups[0] = f->parts;
  c.groups[1] = q->shape[0] * k->shape[1];
  c.groups[2] = f->row_groups;
  for (int i = 0; i < l->n_in; i++) gpu_read(&c, &l->in[i]);
  if (parts) c.wide |= parts->sums + (size_t)(2 * parts->count * parts->rows) > INT32_MAX;
  gpu_begin_numbers(&c);
  attention_number_sizes(&c, l);
  gpu_number(&c, p->causal);
  gpu_number_float(&c, attention_masked_score(q->dtype));
  gpu_number(&c, q->shape[0] * q->shape[1] * q->shape[2]);
  gpu_number(&c, parts ? (int64_t)parts->sums : 0);
  attention_number_operands(&c, l, 4);
  return gpu_run(&c, kernel_attention_few, "attention_few");
}

error *gpu_attention_few(const gpu_backend *b, const launch *l) {
  const few f = few_of(l);
  if (f.parts == 1) return run_few(b, l, &f, NULL);
  attention_parts parts;
  error *why = NULL;
  if (!attention_take_parts(b, l, (int)f.parts, &parts, &why)) return why;
  why = run_few(b, l, &f, &parts);
  if (!why) why = attention_join(b, l, &parts);
  b->memory->give(((const location *)l->out[0].data)->device, parts.memory);
  return why;
}

/* ---- many queries ---- */

/* Of a group: threads, a quarter as many queries, keys, features of both in local memory at once; values there at once. */
enum { MOST_THREADS = 256, LEAST_THREADS = 16, KEYS = 64, CHUNK = 16, MOST_VALUES = 16, MOST_FEATURES = 512 };

/* Features of queries and keys lie where values do. */
static int values_at_once(int threads, int64_t features) {
  const int64_t room = CHUNK * (threads / 4 + KEYS + 8);
  int at_once = MOST_VALUES;
  while (at_once > 1 && at_once * (features + 3) > room) at_once /= 2;
  return at_once;
}

const char *gpu_refuses_attention(const gpu_backend *b, const launch *l) {
  const operand *q = &l->in[0], *v = &l->in[2];
  const gpu_features f = gpu_common_features(b);
  if (is_empty(q) || is_empty(&l->in[1]) || is_empty(v)) return "there are no elements";
  if (q->shape[0] * q->shape[1] > 65535) return "there are too many heads";
  if (v->shape[3] > MOST_FEATURES) return "heads have too many features";
  if (f.max_group < LEAST_THREADS) return "groups of threads are too small";
  const int64_t queries = MOST_THREADS / 4, operands = CHUNK * (queries + KEYS + 8);
  const int64_t floats = (operands > v->shape[3] + 3 ? operands : v->shape[3] + 3) + KEYS * (queries + 4) + 5 * queries;
  return floats * (int64_t)sizeof(float) > f.local_bytes ? "local memory is too small" : NULL;
}

static void define_shape(gpu_call *c, const launch *l) {
  const operand *q = &l->in[0];
  gpu_define_dtype(c, "X", q->dtype);
  c->group[0] = gpu_group_for(c, MOST_THREADS, MOST_THREADS);
  gpu_define(c, "DIM", q->shape[3]);
  gpu_define(c, "VALUES_DIM", l->in[2].shape[3]);
  gpu_define(c, "QUERIES", c->group[0] / 4);
  gpu_define(c, "KEYS", KEYS);
  gpu_define(c, "CHUNK", CHUNK);
  gpu_define(c, "VALUES_AT_ONCE", values_at_once(c->group[0], l->in[2].shape[3]));
  gpu_define(c, "K_MEMORY", c->n_written + 1);
  gpu_define(c, "GROUP", c->group[0]);
  c->groups[0] = (q->shape[2] + c->group[0] / 4 - 1) / (c->group[0] / 4);
  c->groups[1] = q->shape[0] * q->shape[1];
  if (l->n_out > 1) gpu_define_text(c, "LOG_SUMS", "");
}

error *gpu_attention(const gpu_backend *b, const launch *l) {
  gpu_call c = gpu_call_for(b, l->out);
  for (int i = 0; i < l->n_out; i++) gpu_written(&c, &l->out[i]);
  define_shape(&c, l);
  attention_define_operands(&c, l);
  for (int i = 0; i < l->n_in; i++) gpu_read(&c, &l->in[i]);
  gpu_begin_numbers(&c);
  attention_number_all(&c, l);
  return gpu_run(&c, kernel_attention, "attention");
}
