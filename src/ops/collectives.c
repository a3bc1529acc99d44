/* collectives.c: AllReduce, AllGather, ReduceScatter, Send, Recv: what processes compute together. Gradients are MLX's: a process's
   cotangent of a sum over all is that of its own part, as if each had the whole loss. Uses graph/, links/. */
#include "ops/ops.h"
#include "links/links.h"
#include <pons/distributed.h>

static error *same_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params, (void)n_in;
  *out = spec_of(in[0]);
  return NULL;
}

static error *gather_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const collective_params *p = params;
  (void)n_in;
  shape s = node_shape(in[0]);
  if (s.n == 0) s = (shape){1, {1}};
  int64_t all;
  if (!shape_size_checked(2, (const int64_t[]){s.dims[0], p->group->size}, &all)) all = -1;
  s.dims[0] = all;
  return spec_set("all_gather", out, dtype_of(in[0]), s.n, s.dims);
}

static error *scatter_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const collective_params *p = params;
  (void)n_in;
  if (in[0]->ndim == 0 || in[0]->shape[0] % p->group->size != 0)
    return fail("sum_scatter", "%s can't be cut along its first axis among %d processes", node_text(in[0]), p->group->size);
  *out = spec_of(in[0]);
  out->shape.dims[0] /= p->group->size;
  return NULL;
}

static error *recv_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const collective_params *p = params;
  (void)n_in, (void)in;
  return spec_set("recv", out, p->dtype, p->shape.n, p->shape.at);
}

static pons_array made(const prim *p, const void *params, pons_array x) { return node_make(p, params, 1, &x); }

static void same_vjp(const vjp_call *c) { c->grads[0] = c->cotangents[0]; }

/* This process's part. */
static void gather_vjp(const vjp_call *c) {
  const collective_params *p = c->params;
  const node *x = c->in[0];
  int64_t start[PONS_MAX_NDIM] = {0}, stop[PONS_MAX_NDIM], one[PONS_MAX_NDIM];
  const int n = x->ndim ? x->ndim : 1;
  for (int i = 0; i < n; i++) stop[i] = x->ndim ? x->shape[i] : 1, one[i] = 1;
  start[0] = p->group->rank * stop[0];
  stop[0] += start[0];
  pons_array part = pons_slice(c->cotangents[0], (pons_shape){n, start}, (pons_shape){n, stop}, (pons_shape){n, one});
  c->grads[0] = pons_reshape(part, pons_shape_of((pons_array)x));
}

static void scatter_vjp(const vjp_call *c) { c->grads[0] = made(&prim_all_gather, c->params, c->cotangents[0]); }

/* Elementwise: the batch stays where it is. */
static void same_vmap(const vmap_call *c) {
  c->out[0] = made(c->prim, c->params, c->in[0]);
  c->out_axes[0] = c->axes[0];
}

/* Along the first axis of each: the batch goes behind that. */
static void first_axis_vmap(const vmap_call *c) {
  pons_array x = c->in[0];
  x = x->ndim == 1 ? pons_expand_dims(x, PONS_AXES(0)) : pons_moveaxis(x, c->axes[0], 1);
  c->out[0] = made(c->prim, c->params, x);
  c->out_axes[0] = 1;
}

/* The others have made the call, or will, and wait. */
static void leave(const void *params, error *why) { link_leave(((const collective_params *)params)->group, why); }

#define ALIKE .opaque = true, .ordered = true, .missed = leave, .params_size = sizeof(collective_params)
#define NUMBER FIELD(INT, collective_params, number)
#define REDUCE FIELD(INT, collective_params, reduce)
#define PEER FIELD(INT, collective_params, peer)
const prim prim_all_reduce = {.name = "AllReduce",
                              ALIKE,
                              .fields = {NUMBER, REDUCE},
                              .linear = true,
                              .updates = true,
                              .infer = same_infer,
                              .vjp = same_vjp,
                              .vmap = same_vmap};
const prim prim_all_gather = {
    .name = "AllGather", ALIKE, .fields = {NUMBER}, .linear = true, .infer = gather_infer, .vjp = gather_vjp, .vmap = first_axis_vmap};
const prim prim_reduce_scatter = {.name = "ReduceScatter",
                                  ALIKE,
                                  .fields = {NUMBER, REDUCE},
                                  .linear = true,
                                  .infer = scatter_infer,
                                  .vjp = scatter_vjp,
                                  .vmap = first_axis_vmap};
const prim prim_send = {.name = "Send", ALIKE, .fields = {NUMBER, PEER}, .infer = same_infer, .vmap = same_vmap};
const prim prim_recv = {.name = "Recv",
                        ALIKE,
                        .fields = {NUMBER, PEER, FIELD(INTS, collective_params, shape), FIELD(DTYPE, collective_params, dtype)},
                        .no_gradient = true,
                        .infer = recv_infer};

/* ---- constructors ---- */

/* x of all processes, or x itself where there is one. */
static pons_array collective(const char *op, const prim *p, link_reduce reduce, pons_array x, pons_group group) {
  pons_array bad = operand_fault(op, 1, &x);
  if (bad) return bad;
  if (!group) group = pons_distributed_init(false, "any");
  if (!group) return node_fail_as(PONS_ERROR_RUNTIME, op, "there is no group: %s", pons_error());
  if (group->size == 1) return same_array(x);
  const collective_params params = {.group = group, .number = group->number, .reduce = reduce};
  return made(p, &params, x);
}

pons_array pons_distributed_all_sum(pons_array x, pons_group group) { return collective("all_sum", &prim_all_reduce, LINK_SUM, x, group); }
pons_array pons_distributed_all_max(pons_array x, pons_group group) { return collective("all_max", &prim_all_reduce, LINK_MAX, x, group); }
pons_array pons_distributed_all_min(pons_array x, pons_group group) { return collective("all_min", &prim_all_reduce, LINK_MIN, x, group); }
pons_array pons_distributed_all_gather(pons_array x, pons_group group) { return collective("all_gather", &prim_all_gather, LINK_SUM, x, group); }
pons_array pons_distributed_sum_scatter(pons_array x, pons_group group) {
  if (x && !node_failed(x) && x->ndim == 0) return node_fail("sum_scatter", "an array without axes can't be cut");
  return collective("sum_scatter", &prim_reduce_scatter, LINK_SUM, x, group);
}

/* With another process; NULL and an error if there is none of that rank. */
static bool other(const char *op, int peer, pons_group group, collective_params *params) {
  if (!group) group = pons_distributed_init(false, "any");
  if (group && peer >= 0 && peer < group->size && peer != group->rank) {
    *params = (collective_params){.group = group, .number = group->number, .peer = peer};
    return true;
  }
  if (group) error_release(fail(op, "process %d is no other process of a group of %d", peer, group->size));
  return false;
}

static pons_array met(const char *op) { return node_fail(op, "%s", pons_error()); }

pons_array pons_distributed_send(pons_array x, int to, pons_group group) {
  collective_params params;
  pons_array bad = operand_fault("send", 1, &x);
  if (bad) return bad;
  return other("send", to, group, &params) ? made(&prim_send, &params, x) : met("send");
}

static pons_array receive(const char *op, pons_shape shape, pons_dtype dtype, int from, pons_group group) {
  collective_params params;
  if (!other(op, from, group, &params)) return met(op);
  params.shape = (ints){shape.count, shape.at};
  params.dtype = dtype;
  return node_make(&prim_recv, &params, 0, NULL);
}

pons_array pons_distributed_recv(pons_shape shape, pons_dtype dtype, int from, pons_group group) {
  return receive("recv", shape, dtype, from, group);
}

pons_array pons_distributed_recv_like(pons_array x, int from, pons_group group) {
  pons_array bad = operand_fault("recv_like", 1, &x);
  return bad ? bad : receive("recv_like", pons_shape_of(x), dtype_of(x), from, group);
}
