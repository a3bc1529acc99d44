/* attention_vjp_tensor.c: launches attention_vjp_tensor.kc: "ScaledDotProductAttentionVJP" in float16 and bfloat16, of what the way
   forward has such a kernel for. What is not aligned, which shows when it is launched, goes to the kernel for all. Uses program.h, gpu/. */
#include "backends/cuda/program.h"
#include "backends/gpu/attention_gpu.h"

extern const char kernel_attention_vjp_tensor[];

/* A warp keeps sums of two tiles of up to MOST_OF_TWO_TILES features. */
enum { WARPS = 4, OTHERS = 32, TILE_ROWS = 16, MOST_FEATURES = 128, MOST_OF_TWO_TILES = 64 };

static int64_t ceiling(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Own rows of a group. */
static int tiles_of(const launch *l) {
  const int64_t q = l->in[0].shape[3], v = l->in[2].shape[3];
  return (q > v ? q : v) <= MOST_OF_TWO_TILES ? 2 : 1;
}

static int shared_bytes(const launch *l) {
  const int64_t row = (ceiling(l->in[0].shape[3], 16) + ceiling(l->in[2].shape[3], 16)) * 16 + 2 * 8;
  const int64_t own = WARPS * TILE_ROWS * tiles_of(l);
  return (int)((own + 2 * OTHERS) * row * 2 + (own > 2 * OTHERS ? own : 2 * OTHERS) * 2 * (int64_t)sizeof(float));
}

const char *cuda_refuses_attention_vjp(const launch *l) {
  const launch forward = attention_vjp_forward(l);
  const char *why = cuda_refuses_attention(&forward);
  if (why) return why;
  if (l->in[0].shape[3] > MOST_FEATURES || l->in[2].shape[3] > MOST_FEATURES) return "heads have too many features";
  if (!cuda_rows_are_aligned(&l->in[l->n_in - ATTENTION_G]) || !cuda_rows_are_aligned(&l->in[l->n_in - ATTENTION_Y])) return "rows of features are not aligned to 16 bytes";
  return cuda_refuses_matrix_unit(shared_bytes(l));
}

static bool lies_aligned(const launch *l) {
  for (int i = 0; i < l->n_in; i++)
    if ((i < 3 || i == l->n_in - ATTENTION_G || i == l->n_in - ATTENTION_Y) && !gpu_is_aligned(&l->in[i], GPU_WIDE)) return false;
  for (int i = 0; i < 3; i++)
    if (!gpu_is_aligned(&l->out[i], 4)) return false;
  return true;
}

static error *run(const launch *l, void *sums, bool of_keys) {
  const attention_params *p = l->params;
  const operand *q = &l->in[0], *k = &l->in[1], *v = &l->in[2], *g = &l->in[l->n_in - ATTENTION_G];
  const launch forward = attention_vjp_forward(l);
  gpu_call c = gpu_call_for(&gpu_cuda, l->out);
  const int64_t per = q->shape[1] / k->shape[1], own = WARPS * TILE_ROWS * tiles_of(l), heads = q->shape[0] * k->shape[1];
  const int64_t groups = ceiling(of_keys ? k->shape[2] : q->shape[2] * per, own);
  gpu_define_dtype(&c, "X", q->dtype);
  gpu_define_text(&c, "HALF", q->dtype == PONS_FLOAT16 ? "f16" : "bf16");
  gpu_define(&c, "DIM", q->shape[3]);
  gpu_define(&c, "VALUES_DIM", v->shape[3]);
  gpu_define(&c, "PER", per);
  gpu_define(&c, "WARPS", WARPS);
  gpu_define(&c, "TILES", tiles_of(l));
  gpu_define(&c, "OTHERS", OTHERS);
  if (p->causal) gpu_define_text(&c, "CAUSAL", "");
  attention_vjp_operands(&c, l, sums, of_keys);
  gpu_begin_numbers(&c);
  gpu_number(&c, k->shape[1]);
  gpu_number(&c, q->shape[2]);
  gpu_number(&c, k->shape[2]);
  gpu_number_float(&c, p->scale);
  attention_number_operands(&c, &forward, 3);
  attention_number_strides(&c, g, 3);
  attention_number_strides(&c, &l->in[l->n_in - ATTENTION_Y], 3);
  attention_number_strides(&c, &l->in[l->n_in - ATTENTION_LOG_SUMS], 3);
  gpu_number_float(&c, attention_vjp_least(q->dtype));
  c.group[0] = 32 * WARPS;
  c.groups[0] = p->causal ? heads : groups;
  c.groups[1] = p->causal ? groups : heads;
  c.shared_bytes = shared_bytes(l);
  return gpu_run(&c, kernel_attention_vjp_tensor, of_keys ? "attention_vjp_keys_tensor" : "attention_vjp_queries_tensor");
}

error *cuda_attention_vjp(const launch *l) {
  if (!lies_aligned(l)) return gpu_attention_vjp(&gpu_cuda, l);
  error *why = NULL;
  void *sums = attention_vjp_take_sums(&gpu_cuda, l, &why);
  if (!sums) return why;
  why = run(l, sums, false);
  if (!why) why = run(l, sums, true);
  cuda_give(((const location *)l->out[0].data)->device, sums);
  return why;
}
