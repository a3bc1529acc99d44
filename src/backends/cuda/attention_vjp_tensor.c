/* attention_vjp_tensor.c: launches attention_vjp_tensor.kc and attention_vjp_warpgroup.kc: "ScaledDotProductAttentionVJP" of what the way
   forward has such a kernel for; by warpgroups in float16 and bfloat16. What is not aligned, which shows when it is launched, goes to the
   kernel for all. Uses program.h, gpu/. */
#include "backends/cuda/program.h"
#include "backends/gpu/attention_gpu.h"

extern const char kernel_attention_vjp_tensor[], kernel_attention_vjp_warpgroup[];

enum { MOST_FEATURES = 128, FEW_FEATURES = 64 };
enum { WARPS = 4, OTHERS = 32, TILE_ROWS = 16 };
enum { WARPGROUPS = 2, GROUP_ROWS = 64, GROUP_THREADS = 128, PANEL = 64 }; /* of warpgroups: those that multiply */

/* How one of the two kernels is cut. */
typedef struct cut {
  bool by_warpgroups, of_keys;
  int own, others, threads, shared_bytes; /* of a block: rows of both sides, the others' at a time */
  int tiles;                              /* of a warp, of its own rows */
  int stages, given, taken;               /* of warpgroups: others ahead; registers of threads that copy, and of those that multiply */
  bool in_registers, early;               /* own rows; and do sums end before the next are begun, so that registers are left for them? */
} cut;

static bool is_float(const launch *l) { return l->in[0].dtype == PONS_FLOAT32; }

/* Of both operands' rows of features, each padded to a multiple of so many and then by 16 bytes, or not. */
static int row_bytes(const launch *l, int multiple, int more) {
  const int64_t features = ceiling(l->in[0].shape[3], multiple) + ceiling(l->in[2].shape[3], multiple);
  return (int)(features * multiple * (int64_t)pons_dtype_size(l->in[0].dtype)) + 2 * more;
}

static cut cut_for_warps(const launch *l, bool few, bool of_keys) {
  cut c = {.of_keys = of_keys, .tiles = few && !is_float(l) ? 2 : 1, .others = OTHERS, .threads = WARPS * 32};
  c.own = WARPS * TILE_ROWS * c.tiles;
  c.shared_bytes = (c.own + 2 * c.others) * row_bytes(l, is_float(l) ? 32 : 16, 16) + 2 * c.others * 8;
  return c;
}

static cut cut_for_warpgroups(const launch *l, bool few, bool of_keys) {
  cut c = {.by_warpgroups = true, .of_keys = of_keys, .others = 64, .stages = 3, .given = 40, .taken = 232, .in_registers = few};
  if (!of_keys) c.given = 56, c.taken = 224; /* more is to be found out of what is copied */
  c.own = WARPGROUPS * GROUP_ROWS, c.threads = (WARPGROUPS + 1) * GROUP_THREADS;
  if (!few && of_keys) c.given = 24, c.taken = 240, c.early = true;
  c.shared_bytes = (c.own + c.stages * c.others) * row_bytes(l, PANEL, 0) + c.stages * (c.others * 8 + 2 * 8) + 8;
  return c;
}

static cut cut_of(const launch *l, bool by_warpgroups, bool of_keys) {
  const bool few = l->in[0].shape[3] <= FEW_FEATURES && l->in[2].shape[3] <= FEW_FEATURES;
  return by_warpgroups ? cut_for_warpgroups(l, few, of_keys) : cut_for_warps(l, few, of_keys);
}

static const char *refuses(const launch *l, bool by_warpgroups) {
  const launch forward = attention_vjp_forward(l);
  const char *why = by_warpgroups && is_float(l) ? "it is for float16 and bfloat16" : cuda_refuses_attention(&forward);
  if (why) return why;
  if (l->in[0].shape[3] > MOST_FEATURES || l->in[2].shape[3] > MOST_FEATURES) return "heads have too many features";
  if (!cuda_lines_are_aligned(&l->in[l->n_in - ATTENTION_G], 3) || !cuda_lines_are_aligned(&l->in[l->n_in - ATTENTION_Y], 3))
    return "rows of features are not aligned to 16 bytes";
  for (int of_keys = 0; of_keys < 2 && !why; of_keys++) {
    const int bytes = cut_of(l, by_warpgroups, of_keys).shared_bytes;
    why = by_warpgroups ? cuda_refuses_warpgroup(bytes) : cuda_refuses_matrix_unit(bytes);
  }
  return why;
}
const char *cuda_refuses_attention_vjp(const launch *l) { return refuses(l, false); }
const char *cuda_refuses_attention_vjp_by_warpgroups(const launch *l) { return refuses(l, true); }

static bool lies_aligned(const launch *l) {
  for (int i = 0; i < l->n_in; i++)
    if ((i < 3 || i == l->n_in - ATTENTION_G || i == l->n_in - ATTENTION_Y) && !gpu_is_aligned(&l->in[i], GPU_WIDE)) return false;
  for (int i = 0; i < 3; i++)
    if (!gpu_is_aligned(&l->out[i], is_float(l) ? GPU_WIDE : 4)) return false;
  return true;
}

static void define_cut(gpu_call *call, const cut *c) {
  gpu_define(call, "OTHERS", c->others);
  if (c->by_warpgroups) {
    gpu_define(call, "WARPGROUPS", WARPGROUPS);
    gpu_define(call, "STAGES", c->stages);
    gpu_define(call, "GIVEN", c->given);
    gpu_define(call, "TAKEN", c->taken);
    if (c->in_registers) gpu_define_text(call, "IN_REGISTERS", "");
    if (c->early) gpu_define_text(call, "EARLY", "");
  } else {
    gpu_define(call, "WARPS", WARPS);
    gpu_define(call, "TILES", c->tiles);
  }
  call->group[0] = c->threads;
  call->shared_bytes = c->shared_bytes;
}

static error *run(const launch *l, bool by_warpgroups, bool of_keys, void *sums) {
  const attention_params *p = l->params;
  const operand *q = &l->in[0], *k = &l->in[1], *v = &l->in[2];
  const launch forward = attention_vjp_forward(l);
  const cut c = cut_of(l, by_warpgroups, of_keys);
  gpu_call call = gpu_call_for(&gpu_cuda, l->out);
  const int64_t per = q->shape[1] / k->shape[1], heads = q->shape[0] * k->shape[1];
  const int64_t groups = ceiling(of_keys ? k->shape[2] : q->shape[2] * per, c.own);
  gpu_define_dtype(&call, "X", q->dtype);
  if (!is_float(l)) cuda_define_half(&call, q->dtype);
  gpu_define(&call, "DIM", q->shape[3]);
  gpu_define(&call, "VALUES_DIM", v->shape[3]);
  gpu_define(&call, "PER", per);
  if (p->causal) gpu_define_text(&call, "CAUSAL", "");
  define_cut(&call, &c);
  attention_vjp_operands(&call, l, sums, of_keys);
  gpu_begin_numbers(&call);
  attention_number_sizes(&call, &forward);
  attention_number_operands(&call, &forward, 3);
  attention_number_strides(&call, &l->in[l->n_in - ATTENTION_G], 3);
  attention_number_strides(&call, &l->in[l->n_in - ATTENTION_Y], 3);
  attention_number_strides(&call, &l->in[l->n_in - ATTENTION_LOG_SUMS], 3);
  gpu_number_float(&call, attention_vjp_least(q->dtype));
  if (by_warpgroups) {
    const int64_t multiprocessors = cuda_card_at(((const location *)l->out[0].data)->device)->multiprocessors;
    gpu_number(&call, heads);
    call.groups[0] = heads * groups < multiprocessors ? heads * groups : multiprocessors;
    return gpu_run(&call, kernel_attention_vjp_warpgroup, of_keys ? "attention_vjp_keys_warpgroup" : "attention_vjp_queries_warpgroup");
  }
  call.groups[0] = p->causal ? heads : groups;
  call.groups[1] = p->causal ? groups : heads;
  return gpu_run(&call, kernel_attention_vjp_tensor, of_keys ? "attention_vjp_keys_tensor" : "attention_vjp_queries_tensor");
}

static error *run_both(const launch *l, bool by_warpgroups) {
  if (!lies_aligned(l)) return gpu_attention_vjp(&gpu_cuda, l);
  error *why = NULL;
  void *sums = attention_vjp_take_sums(&gpu_cuda, l, &why);
  if (!sums) return why;
  why = run(l, by_warpgroups, false, sums);
  if (!why) why = run(l, by_warpgroups, true, sums);
  cuda_give(((const location *)l->out[0].data)->device, sums);
  return why;
}
error *cuda_attention_vjp(const launch *l) { return run_both(l, false); }
error *cuda_attention_vjp_by_warpgroups(const launch *l) { return run_both(l, true); }
