/* attention_warpgroup.c: launches attention_warpgroup.kc: "ScaledDotProductAttention" in float16 and bfloat16 on devices of compute capability
   9.0, where there are rows enough to keep them busy. Other launches go to attention_tensor.c, whose conditions are these, too. Uses
   program.h, gpu/. */
#include "backends/cuda/program.h"
#include "backends/gpu/attention_gpu.h"

extern const char kernel_attention_warpgroup[];

/* How a block is cut, by the features it has room for: `groups` of 64 rows, so many keys at a time. More rows read the keys less often;
   registers and shared memory are the limits, of which a block of one group leaves enough for another. `speed`: TFLOP/s of an H100 that
   is busy to the end, 4096 queries and keys. */
typedef struct cut {
  int features, groups, keys, speed;
} cut;
static const cut cuts[] = {{64, 3, 128, 525}, {64, 1, 128, 442}, {128, 2, 128, 656}, {128, 1, 64, 545}, {256, 2, 80, 712}};
enum { CUTS = sizeof cuts / sizeof *cuts, GROUP_ROWS = 64, GROUP_THREADS = 128, STAGES = 2, PANEL = 64, ALIGNED = 1024, BARRIERS = 4 };

static int64_t rows_of(const launch *l) { return l->in[0].shape[2] * (l->in[0].shape[1] / l->in[1].shape[1]); }
static int64_t heads_of(const launch *l) { return l->in[0].shape[0] * l->in[1].shape[1]; }
static int64_t jobs_of(const launch *l, const cut *c) { return heads_of(l) * ceiling(rows_of(l), c->groups * GROUP_ROWS); }
static int64_t at_once(const cut *c, int multiprocessors) { return multiprocessors * (c->groups == 1 ? 2 : 1); }

/* Of its speed what is left where the last blocks are few, and, if it is causal, tiles lie across the diagonal. */
static double speed_of(const launch *l, const cut *c, int multiprocessors) {
  const attention_params *p = l->params;
  const int64_t jobs = jobs_of(l, c), blocks = at_once(c, multiprocessors), rounds = ceiling(jobs, blocks);
  const double across = p->causal ? (double)(c->groups * GROUP_ROWS + c->keys) / (double)l->in[1].shape[2] : 0;
  return c->speed * ((double)jobs / (double)(rounds * blocks)) / (1 + across);
}

/* Of those with room for the features, the one with the largest blocks. Three groups leave no registers to read a mask with. */
static int first_cut(const launch *l) {
  const int64_t q = l->in[0].shape[3], v = l->in[2].shape[3], features = q > v ? q : v;
  int i = 0;
  while (cuts[i].features < features || (cuts[i].groups == 3 && attention_has_mask(l))) i++;
  return i;
}
static cut cut_of(const launch *l, int multiprocessors) {
  int best = first_cut(l);
  for (int i = best + 1; i < CUTS && cuts[i].features == cuts[best].features; i++)
    if (speed_of(l, &cuts[i], multiprocessors) > speed_of(l, &cuts[best], multiprocessors)) best = i;
  return cuts[best];
}

static int panel_bytes(int64_t features, int rows) { return (int)ceiling(features, PANEL) * rows * PANEL * 2; }

static int shared_bytes(const launch *l, const cut *c) {
  const int64_t q = l->in[0].shape[3], v = l->in[2].shape[3];
  return ALIGNED + panel_bytes(q, c->groups * GROUP_ROWS) + STAGES * (panel_bytes(q, c->keys) + panel_bytes(v, c->keys)) +
         BARRIERS * STAGES * (int)sizeof(uint64_t);
}

const char *cuda_refuses_attention_warpgroup(const launch *l) {
  const char *why = l->in[0].dtype == PONS_FLOAT32 ? "it is for float16 and bfloat16" : cuda_refuses_attention(l);
  return why ? why : cuda_refuses_warpgroup(shared_bytes(l, &cuts[first_cut(l)]));
}

error *cuda_attention_warpgroup(const launch *l) {
  const attention_params *p = l->params;
  const operand *q = &l->in[0], *k = &l->in[1], *v = &l->in[2];
  const int multiprocessors = cuda_card_at(((const location *)l->out[0].data)->device)->multiprocessors;
  const cut c = cut_of(l, multiprocessors);
  const int64_t jobs = jobs_of(l, &c), blocks = at_once(&c, multiprocessors);
  /* For fewer rows there is the kernel of smaller blocks, which cuts keys in parts, too. */
  if (!cuda_attention_lies_aligned(l) || !gpu_is_aligned(&l->out[0], GPU_WIDE) || 2 * rows_of(l) <= c.groups * GROUP_ROWS || 2 * jobs < multiprocessors) return cuda_attention(l);
  gpu_call call = gpu_call_for(&gpu_cuda, l->out);
  for (int i = 0; i < l->n_out; i++) gpu_written(&call, &l->out[i]);
  gpu_define_dtype(&call, "X", q->dtype);
  cuda_define_half(&call, q->dtype);
  gpu_define(&call, "DIM", q->shape[3]);
  gpu_define(&call, "VALUES_DIM", v->shape[3]);
  gpu_define(&call, "PER", q->shape[1] / k->shape[1]);
  gpu_define(&call, "GROUPS", c.groups);
  gpu_define(&call, "KEYS", c.keys);
  gpu_define(&call, "STAGES", STAGES);
  gpu_define(&call, "K_MEMORY", call.n_written + 1);
  if (p->causal) gpu_define_text(&call, "CAUSAL", "");
  if (l->n_out > 1) gpu_define_text(&call, "LOG_SUMS", "");
  attention_define_operands(&call, l);
  call.group[0] = (c.groups + 1) * GROUP_THREADS;
  call.groups[0] = jobs < blocks ? jobs : blocks;
  call.shared_bytes = shared_bytes(l, &c);
  for (int i = 0; i < l->n_in; i++) gpu_read(&call, &l->in[i]);
  gpu_begin_numbers(&call);
  attention_number_sizes(&call, l);
  attention_number_operands(&call, l, 3);
  gpu_number(&call, heads_of(l));
  return gpu_run(&call, kernel_attention_warpgroup, "attention_warpgroup");
}
