/* group.c: the group of one process, and collectives on it. Uses the public interface. */
#include <pons/distributed.h>
#include <string.h>

struct pons_group_s {
  int rank, size;
};

static struct pons_group_s alone = {0, 1};

static const char *const backends[] = {"any", "mpi", "nccl", "ring", "jaccl"};

static bool is_known(const char *op, const char *backend) {
  for (size_t i = 0; backend && i < sizeof backends / sizeof *backends; i++)
    if (!strcmp(backend, backends[i])) return true;
  pons_fail(op, "no such backend: '%s'\nhint: there are any, mpi, nccl, ring, jaccl",
            backend ? backend : "(null)");
  return false;
}

bool pons_distributed_is_available(const char *backend) {
  is_known("distributed_is_available", backend);
  return false;
}

pons_group pons_distributed_init(bool strict, const char *backend) {
  if (!is_known("distributed_init", backend)) return NULL;
  if (!strict) return &alone;
  pons_fail_as(PONS_ERROR_RUNTIME, "distributed_init",
               "no transport between processes for backend '%s' is built in", backend);
  return NULL;
}

int pons_group_rank(pons_group group) { return group ? group->rank : alone.rank; }
int pons_group_size(pons_group group) { return group ? group->size : alone.size; }

pons_group pons_group_split(pons_group group, int color, int key) {
  pons_fail_as(PONS_ERROR_RUNTIME, "group_split", "color %d, key %d: a group of %d process can't be split",
               color, key, pons_group_size(group));
  return NULL;
}

/* What a collective of one process gives: x itself, as a result. */
static pons_array same(const char *op, pons_array x) {
  return x ? pons_scope_return(pons_scope_open(), x) : pons_fail(op, "x is NULL");
}

pons_array pons_distributed_all_sum(pons_array x, pons_group group) {
  return (void)group, same("all_sum", x);
}
pons_array pons_distributed_all_max(pons_array x, pons_group group) {
  return (void)group, same("all_max", x);
}
pons_array pons_distributed_all_min(pons_array x, pons_group group) {
  return (void)group, same("all_min", x);
}
pons_array pons_distributed_all_gather(pons_array x, pons_group group) {
  return (void)group, same("all_gather", x);
}

pons_array pons_distributed_sum_scatter(pons_array x, pons_group group) {
  if (x && pons_ndim(x) == 0) return pons_fail("sum_scatter", "an array without axes can't be cut");
  return (void)group, same("sum_scatter", x);
}

static pons_array no_partner(const char *op, int rank, pons_group group) {
  return pons_fail_as(PONS_ERROR_RUNTIME, op, "process %d is no other process of a group of %d", rank,
                      pons_group_size(group));
}

pons_array pons_distributed_send(pons_array x, int to, pons_group group) {
  return x ? no_partner("send", to, group) : pons_fail("send", "x is NULL");
}
pons_array pons_distributed_recv(pons_shape shape, pons_dtype dtype, int from, pons_group group) {
  (void)shape, (void)dtype;
  return no_partner("recv", from, group);
}
pons_array pons_distributed_recv_like(pons_array x, int from, pons_group group) {
  return x ? no_partner("recv_like", from, group) : pons_fail("recv_like", "x is NULL");
}
