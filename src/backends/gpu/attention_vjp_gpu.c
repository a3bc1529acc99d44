/* attention_vjp_gpu.c: launches attention_vjp.kc: "ScaledDotProductAttentionVJP". Uses attention_gpu.h. */
#include "backends/gpu/attention_gpu.h"

extern const char kernel_attention_vjp[];

/* Of a group: threads, a quarter as many own rows, others; features of both in local memory at once, and rows. */
enum { MOST_THREADS = 256, LEAST_THREADS = 16, OTHERS = 64, CHUNK = 16, MOST_AT_ONCE = 16, MOST_FEATURES = 256 };

launch attention_vjp_forward(const launch *l) {
  const attention_params *p = l->params;
  return (launch){p, p->causal ? 3 : l->n_in - ATTENTION_Y, l->n_out, l->in, l->out};
}

/* Floats of local memory beside what factors take. */
static int64_t room_of(int64_t own, int64_t features, int *at_once) {
  const int64_t products = CHUNK * (own + OTHERS + 8), threads = 4 * own, step = (features + 3) / 4 * 4;
  for (*at_once = MOST_AT_ONCE; *at_once > 1 && *at_once * step > products;) *at_once /= 2;
  const int64_t rows = *at_once * step, least = products > threads ? products : threads;
  return rows > least ? rows : least;
}

const char *gpu_refuses_attention_vjp(const gpu_backend *b, const launch *l) {
  const operand *q = &l->in[0], *v = &l->in[2];
  const gpu_features f = gpu_common_features(b);
  for (int i = 0; i < 3; i++)
    if (shape_size(4, l->in[i].shape) == 0) return "there are no elements";
  if (q->shape[0] * q->shape[1] > 65535) return "there are too many heads";
  if (q->shape[3] > MOST_FEATURES || v->shape[3] > MOST_FEATURES) return "heads have too many features";
  if (f.max_group < LEAST_THREADS) return "groups of threads are too small";
  const int64_t own = MOST_THREADS / 4, features = q->shape[3] > v->shape[3] ? q->shape[3] : v->shape[3];
  int at_once;
  const int64_t floats = room_of(own, features, &at_once) + OTHERS * (own + 4);
  return floats * (int64_t)sizeof(float) > f.local_bytes ? "local memory is too small" : NULL;
}

void attention_vjp_operands(gpu_call *c, const launch *l, void *sums, bool of_keys) {
  const launch forward = attention_vjp_forward(l);
  const int64_t *q = l->in[0].shape;
  attention_define_operands(c, &forward);
  if (of_keys) {
    gpu_define_text(c, "OF_KEYS", "");
    gpu_written(c, &l->out[1]);
    gpu_written(c, &l->out[2]);
  } else {
    gpu_written(c, &l->out[0]);
    gpu_memory(c, sums, true);
  }
  gpu_define(c, "K_MEMORY", c->n_written + 1);
  for (int i = 0; i < forward.n_in; i++) gpu_read(c, &l->in[i]);
  gpu_define(c, "G_MEMORY", c->n_memories);
  gpu_read(c, &l->in[l->n_in - ATTENTION_G]);
  if (of_keys) {
    gpu_memory(c, sums, false);
  } else {
    gpu_define(c, "Y_MEMORY", c->n_memories);
    gpu_read(c, &l->in[l->n_in - ATTENTION_Y]);
    gpu_define(c, "LOG_MEMORY", c->n_memories);
    gpu_read(c, &l->in[l->n_in - ATTENTION_LOG_SUMS]);
  }
  c->wide |= 2 * q[0] * q[1] * (q[2] + 1) > INT32_MAX;
}

float attention_vjp_least(pons_dtype d) { return d == PONS_FLOAT16 ? -65000 : -1e20f; }

static error *run(const gpu_backend *b, const launch *l, void *sums, bool of_keys) {
  const operand *q = &l->in[0], *k = &l->in[1], *v = &l->in[2], *g = &l->in[l->n_in - ATTENTION_G];
  const launch forward = attention_vjp_forward(l);
  gpu_call c = gpu_call_for(b, l->out);
  c.group[0] = gpu_group_for(&c, MOST_THREADS, MOST_THREADS);
  const int64_t own = c.group[0] / 4, features = q->shape[3] > v->shape[3] ? q->shape[3] : v->shape[3];
  int at_once;
  gpu_define_dtype(&c, "X", q->dtype);
  gpu_define(&c, "DIM", q->shape[3]);
  gpu_define(&c, "VALUES_DIM", v->shape[3]);
  gpu_define(&c, "GROUP", c.group[0]);
  gpu_define(&c, "OWN", own);
  gpu_define(&c, "OTHERS", OTHERS);
  gpu_define(&c, "CHUNK", CHUNK);
  gpu_define(&c, "ROOM", room_of(own, features, &at_once));
  gpu_define(&c, "AT_ONCE", at_once);
  attention_vjp_operands(&c, l, sums, of_keys);
  gpu_begin_numbers(&c);
  attention_number_all(&c, &forward);
  attention_number_strides(&c, g, 4);
  attention_number_strides(&c, &l->in[l->n_in - ATTENTION_Y], 4);
  attention_number_strides(&c, &l->in[l->n_in - ATTENTION_LOG_SUMS], 3);
  gpu_number_float(&c, attention_vjp_least(q->dtype));
  c.groups[0] = ((of_keys ? k : q)->shape[2] + own - 1) / own;
  c.groups[1] = q->shape[0] * (of_keys ? k : q)->shape[1];
  return gpu_run(&c, kernel_attention_vjp, of_keys ? "attention_vjp_keys" : "attention_vjp_queries");
}

void *attention_vjp_take_sums(const gpu_backend *b, const launch *l, error **why) {
  const int64_t *q = l->in[0].shape;
  return b->memory->take(((const location *)l->out[0].data)->device, (size_t)(q[0] * q[1] * (q[2] + 1)) * 2 * sizeof(float), why);
}

error *gpu_attention_vjp(const gpu_backend *b, const launch *l) {
  error *why = NULL;
  void *sums = attention_vjp_take_sums(b, l, &why);
  if (!sums) return why;
  why = run(b, l, sums, false);
  if (!why) why = run(b, l, sums, true);
  b->memory->give(((const location *)l->out[0].data)->device, sums);
  return why;
}
