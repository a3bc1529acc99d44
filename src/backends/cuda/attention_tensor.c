/* attention_tensor.c: launches attention_tensor.kc and attention_float_tensor.kc: "ScaledDotProductAttention" in float16 and bfloat16, and in
   float32, where it can be copied by 16 bytes. What is not aligned so, which shows when it is launched, goes to the kernel for all. Uses
   program.h, gpu/. */
#include "backends/cuda/program.h"
#include "backends/gpu/attention_gpu.h"

extern const char kernel_attention_tensor[], kernel_attention_float_tensor[];

enum { TILE_ROWS = 16, MOST_FEATURES = 256, MOST_FEATURES_OF_TWO_TILES = 128, LEAST_PART = 128 };
enum { MOST_FLOAT_FEATURES = 128, FEW_QUERIES = 8 }; /* of float32: for few queries there is a kernel for all GPUs */

/* How a launch is cut. */
typedef struct cut {
  int64_t rows;     /* of a kv head */
  int64_t heads;    /* kv heads of all batches */
  int warps, tiles; /* of a group */
  int keys;         /* in shared memory at once */
  int64_t row_groups, parts, part_keys;
} cut;

static bool is_float(const launch *l) { return l->in[0].dtype == PONS_FLOAT32; }
/* Bytes of a row in shared memory: a multiple of so many features, and room of 16 bytes. */
static int row_bytes(const operand *x, int multiple) {
  return (int)(ceiling(x->shape[3], multiple) * multiple * (int64_t)pons_dtype_size(x->dtype)) + 16;
}

/* More rows of a group read the keys less often; fewer are more groups. Where all together are not enough for the device, keys are cut
   in parts. */
static cut cut_of(const launch *l, int multiprocessors) {
  const operand *q = &l->in[0], *k = &l->in[1], *v = &l->in[2];
  const int64_t features = q->shape[3] > v->shape[3] ? q->shape[3] : v->shape[3], keys = k->shape[2];
  cut c = {.rows = q->shape[2] * (q->shape[1] / k->shape[1]), .heads = q->shape[0] * k->shape[1], .warps = 4, .tiles = 1, .keys = 64};
  while (c.warps > 1 && c.rows <= c.warps / 2 * TILE_ROWS) c.warps /= 2;
  if (is_float(l)) c.keys = features <= 64 ? 64 : 32; /* registers are left for */
  if (!is_float(l) && features <= MOST_FEATURES_OF_TWO_TILES && ceiling(c.rows, 8 * TILE_ROWS) * c.heads >= multiprocessors)
    c.tiles = 2;
  if (c.tiles == 2 && features <= 64 && !attention_has_mask(l)) c.keys = 128; /* registers are left for more */
  c.row_groups = ceiling(c.rows, c.warps * c.tiles * TILE_ROWS);
  const int64_t wanted = multiprocessors * (c.warps == 4 ? 2 : 4), most = ceiling(keys, LEAST_PART);
  c.parts = wanted / (c.row_groups * c.heads);
  c.parts = c.parts < 1 ? 1 : c.parts > most ? most : c.parts;
  c.part_keys = ceiling(ceiling(keys, c.parts), c.keys) * c.keys;
  c.parts = ceiling(keys, c.part_keys);
  return c;
}

static int shared_bytes(const launch *l, const cut *c) {
  const int q = row_bytes(&l->in[0], is_float(l) ? 8 : 16), v = row_bytes(&l->in[2], is_float(l) ? 32 : 16);
  return c->warps * c->tiles * TILE_ROWS * q + c->keys * (q + v);
}

const char *cuda_refuses_attention(const launch *l) {
  const attention_params *p = l->params;
  const operand *q = &l->in[0], *k = &l->in[1], *v = &l->in[2];
  if (q->dtype != PONS_FLOAT16 && q->dtype != PONS_BFLOAT16 && !is_float(l)) return "it is for float16, bfloat16 and float32";
  for (int i = 0; i < 3; i++)
    if (shape_size(4, l->in[i].shape) == 0) return "there are no elements";
  const int64_t most = is_float(l) ? MOST_FLOAT_FEATURES : MOST_FEATURES;
  if (q->shape[3] > most || v->shape[3] > most) return "heads have too many features";
  if (is_float(l) && q->shape[2] <= FEW_QUERIES) return "there are few queries";
  if (!cuda_lines_are_aligned(q, 3) || !cuda_lines_are_aligned(k, 3) || !cuda_lines_are_aligned(v, 3)) return "rows of features are not aligned to 16 bytes";
  if (q->shape[0] * k->shape[1] > 65535) return "there are too many heads";
  if (q->shape[2] * (q->shape[1] / k->shape[1]) > 65535 * TILE_ROWS) return "there are too many queries";
  if (p->causal && (attention_has_mask(l) || q->shape[2] > k->shape[2])) return "there are queries that meet no key";
  if (!(p->scale > 0)) return "the scale is not positive";
  const cut c = cut_of(l, 0);
  return cuda_refuses_matrix_unit(shared_bytes(l, &c));
}

bool cuda_attention_lies_aligned(const launch *l) {
  for (int i = 0; i < 3; i++)
    if (((const location *)l->in[i].data)->offset % 16 != 0) return false;
  return ((const location *)l->out[0].data)->offset % 4 == 0;
}

static void define_shape(gpu_call *call, const launch *l, const cut *c) {
  const attention_params *p = l->params;
  const operand *q = &l->in[0], *k = &l->in[1], *v = &l->in[2];
  gpu_define_dtype(call, "X", q->dtype);
  if (!is_float(l)) {
    cuda_define_half(call, q->dtype);
    gpu_define(call, "TILES", c->tiles);
  }
  gpu_define(call, "DIM", q->shape[3]);
  gpu_define(call, "VALUES_DIM", v->shape[3]);
  gpu_define(call, "PER", q->shape[1] / k->shape[1]);
  gpu_define(call, "WARPS", c->warps);
  gpu_define(call, "KEYS", c->keys);
  gpu_define(call, "K_MEMORY", call->n_written + 1);
  if (p->causal) gpu_define_text(call, "CAUSAL", "");
  if (c->parts > 1)
    gpu_define_text(call, "PARTS", "");
  else if (l->n_out > 1)
    gpu_define_text(call, "LOG_SUMS", "");
  call->group[0] = 32 * c->warps;
  call->groups[0] = p->causal ? c->heads : c->row_groups;
  call->groups[1] = p->causal ? c->row_groups : c->heads;
  call->groups[2] = c->parts;
  call->shared_bytes = shared_bytes(l, c);
}

/* `parts`: where results go if there are several. */
static error *run(const launch *l, const cut *c, const attention_parts *parts) {
  const operand *q = &l->in[0];
  gpu_call call = gpu_call_for(&gpu_cuda, l->out);
  if (parts)
    gpu_memory(&call, parts->memory, true);
  else
    for (int i = 0; i < l->n_out; i++) gpu_written(&call, &l->out[i]);
  define_shape(&call, l, c);
  attention_define_operands(&call, l);
  for (int i = 0; i < l->n_in; i++) gpu_read(&call, &l->in[i]);
  gpu_begin_numbers(&call);
  attention_number_sizes(&call, l);
  gpu_number(&call, c->part_keys);
  gpu_number(&call, q->shape[0] * q->shape[1] * q->shape[2]);
  gpu_number(&call, parts ? (int64_t)parts->sums : 0);
  attention_number_operands(&call, l, 3);
  if (is_float(l)) return gpu_run(&call, kernel_attention_float_tensor, "attention_float_tensor");
  return gpu_run(&call, kernel_attention_tensor, "attention_tensor");
}

error *cuda_attention(const launch *l) {
  const int index = ((const location *)l->out[0].data)->device;
  if (!cuda_attention_lies_aligned(l)) return gpu_attention(&gpu_cuda, l);
  const cut c = cut_of(l, cuda_card_at(index)->multiprocessors);
  if (c.parts == 1) return run(l, &c, NULL);
  attention_parts parts;
  error *why = NULL;
  if (!attention_take_parts(&gpu_cuda, l, (int)c.parts, &parts, &why)) return why;
  why = run(l, &c, &parts);
  if (!why) why = attention_join(&gpu_cuda, l, &parts);
  cuda_give(index, parts.memory);
  return why;
}
