/* collectives_cpu.c: "AllReduce", "AllGather", "ReduceScatter", "Send", "Recv": calls of a group of processes, in the result's
   memory. Uses links/. */
#include "backends/cpu/calls.h"
#include "backends/cpu/lanes.h"
#include "links/links.h"

static error *make_call(const launch *l, link_op op, int64_t n, void *data) {
  const collective_params *p = l->params;
  const device *d = stream_device(stream_current());
  error *why = op < LINK_SEND ? link_meet(p->group, d->driver, d->index) : NULL;
  return why ? why : link_run(p->group, &(link_call){op, (link_reduce)p->reduce, l->out->dtype, n, p->peer, data});
}

error *cpu_all_reduce(const launch *l) {
  if (l->out->data != l->in->data) cpu_copy_packed(l->out->data, l->in);
  return make_call(l, LINK_ALL_REDUCE, operand_size(l->out), l->out->data);
}

error *cpu_all_gather(const launch *l) {
  const collective_params *p = l->params;
  const int64_t n = operand_size(l->in);
  cpu_copy_packed(element(l->out->data, l->out->dtype, n * p->group->rank), l->in);
  return make_call(l, LINK_ALL_GATHER, n, l->out->data);
}

error *cpu_reduce_scatter(const launch *l) {
  const collective_params *p = l->params;
  const int64_t n = operand_size(l->out);
  const size_t bytes = (size_t)n * pons_dtype_size(l->out->dtype);
  error *why = NULL;
  buffer *all = buffer_new(bytes * (size_t)p->group->size, "sum_scatter", &why);
  if (!all) return why;
  char *data = buffer_data(all);
  cpu_copy_packed(data, l->in);
  why = make_call(l, LINK_REDUCE_SCATTER, n, data);
  if (!why && bytes) memcpy(l->out->data, data + bytes * (size_t)p->group->rank, bytes);
  buffer_release(all);
  return why;
}

error *cpu_send(const launch *l) {
  cpu_copy_packed(l->out->data, l->in);
  return make_call(l, LINK_SEND, operand_size(l->out), l->out->data);
}

error *cpu_recv(const launch *l) { return make_call(l, LINK_RECV, operand_size(l->out), l->out->data); }
