/* plan.h: the door of plan/: what is run, and how it is made from nodes.

   A plan is a list of steps over numbered memories. It knows no node: each operand of a step is a memory, an
   offset into it, and dtype, shape and strides.

       in0 ──┐                                memories:  in0, in1   given by whoever runs it
       in1 ──┴ kernel ── t0 ── Reduce ── out0            t0         a place in one arena
                                                         out0       a buffer of its own

   Uses base/, kernel/, device/, graph/. */
#ifndef PLAN_H
#define PLAN_H
#include "graph/graph.h"

/* ---- pool (pieces.c): memory of one plan, freed together ---- */

typedef struct pool_block pool_block;
typedef struct pool {
  pool_block *newest;
  char *at;    /* free bytes of the newest, */
  size_t left; /* so many */
} pool;
bool pool_grow(pool *p, size_t bytes);
/* 16-byte aligned, uninitialised; NULL: no memory. graph_lock is held */
static inline void *pool_new(pool *p, size_t bytes) {
  bytes = bytes ? (bytes + 15) & ~(size_t)15 : 16;
  if (p->left < bytes && !pool_grow(p, bytes)) return NULL;
  void *at = p->at;
  p->at += bytes;
  p->left -= bytes;
  return at;
}
void *pool_copy(pool *p, const void *bytes, size_t count);
void pool_free(pool *p);

/* ---- plans ---- */

typedef enum memory_kind { MEMORY_INPUT, MEMORY_OUTPUT, MEMORY_ARENA } memory_kind;
typedef struct plan_memory {
  memory_kind kind;
  int32_t index;  /* in0, out0, t0, ...: counted for each kind */
  int64_t offset; /* arena: in bytes */
  int64_t bytes;
} plan_memory;

/* What an input's memory is expected to hold, counted from its first element. Memory k is that of input k. */
typedef struct plan_input {
  pons_dtype dtype;
  int ndim;
  const int64_t *shape;
  const int64_t *strides;
} plan_input;

/* A value handed out: a view of an input's or an output's memory. */
typedef struct plan_output {
  int32_t memory;
  pons_dtype dtype;
  int64_t offset; /* in elements */
  int ndim;
  const int64_t *shape;
  const int64_t *strides;
} plan_output;

enum { CHAINED_OPERANDS = 8 }; /* that a call with chains has at most of its own, and results */
typedef struct plan_step {
  const char *name;                     /* what its implementation is one of: the primitive, mostly; "kernel" */
  device *device;                       /* the plan's, or the host for what that can't compute */
  const kernel *kernel;                 /* or NULL: */
  const implementation *implementation; /* and its */
  const void *params;
  const prim *prim; /* of a call, whose parameters these are */
  int32_t kernel_number; /* of a kernel, or of chains.behind, among the plan's: of equal ones it is the same */
  int n_in, n_out;
  epilogue_run *epilogue; /* or NULL: the implementation's own run, and neither of these: */
  bool adds;              /* the last operand is no operand of the primitive, but added to its first result */
  activation activation;
  chained_run *chained; /* or NULL: the implementation's own run, and no chains: */
  chains chains;
  /* Bit k stands for operand k. */
  uint32_t ends;   /* an input that no later step reads: its memory may go if its holder agrees */
  uint32_t donors; /* the result may be written over it; it ends here; an input's holder has to agree */
  uint32_t frees;  /* the last step that touches this temporary */
  const operand *operands; /* n_in, then n_out; data is NULL */
  const int32_t *memories; /* one per operand */
  const int64_t *offsets;  /* one per operand, in bytes */
} plan_step;

typedef struct plan {
  device *device;
  int n_memories, n_inputs, n_outputs, n_steps;
  int n_kernels; /* different ones; two may be equal in spite of that */
  bool repeats;  /* some kernel is run by several steps */
  int max_operands; /* of a step */
  int64_t arena_bytes;
  plan_memory *memories; /* inputs first */
  plan_input *inputs;
  plan_output *outputs;
  plan_step *steps;
  pool pool; /* holds all of the above */
} plan;

/* How many of a pending node's inputs are to be there: further ones of most views only lend their shapes. */
static inline int plan_operands_of(const node *n) {
  return n->prim->view && !n->prim->waits && n->n_in > 1 ? 1 : n->n_in;
}

/* Where an input comes from: a node, or one result of a node with several. */
typedef struct plan_leaf {
  node *node;
  int result; /* -1: the node itself */
} plan_leaf;

/* What to compute: the values of `wanted` (pending, none twice). Nodes that are not pending are inputs, as
   are the `placeholders`, which come first among them and are expected row-major. A wanted node with several
   results counts as so many outputs, in order. */
typedef struct plan_request {
  device *device;
  node *const *wanted;
  int n_wanted;
  node *const *placeholders;
  int n_placeholders;
} plan_request;

/* Under graph_lock. The plan, and in *leaves (one per input, in the plan's pool, each with a reference that
   is the caller's) what its inputs are. NULL and *why if something has no value, or neither an implementation
   nor a decomposition, or if there is no memory. */
plan *plan_make(const plan_request *request, plan_leaf **leaves, error **why);
/* Under graph_lock: does a plan_make ask this, through a decomposition? Nothing can be evaluated then. */
bool plan_is_under_way(void);
void plan_free(plan *p); /* NULL is fine */
void plan_print(text *t, const plan *p);
/* "kernel add tanh", "Matmul", "Reduce of multiply": what a step does. */
void plan_step_title(text *t, const plan_step *s);
#endif
