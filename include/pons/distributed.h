/* distributed.h: processes that compute together. Each holds its own arrays; collectives combine them.

   No transport between processes is built in yet: a group has one process, on which every collective is what it
   is for a group of one, and pons_distributed_init(true, ...) is an error. */
#ifndef PONS_DISTRIBUTED_H
#define PONS_DISTRIBUTED_H
#include <pons/array.h>
#ifdef __cplusplus
extern "C" {
#endif

/* Processes that know each other by rank, 0 .. size - 1. Lives with the process. */
typedef struct pons_group_s *pons_group;
/* Can groups be made over `backend` ("mpi", "nccl", "ring", or "any")? */
PONS_API bool pons_distributed_is_available(const char *backend);
/* The group of all processes that were started together; of this one alone where no backend finds others,
   which is NULL and an error if `strict`. */
PONS_API pons_group pons_distributed_init(bool strict, const char *backend);
/* In all that follows, group NULL means the one that pons_distributed_init gives when not strict. */
PONS_API int pons_group_rank(pons_group group);
PONS_API int pons_group_size(pons_group group);
/* The processes that give the same `color`, ranked by `key`. NULL and an error if the group has one process. */
PONS_API pons_group pons_group_split(pons_group group, int color, int key);

/* The sum, maximum or minimum of the processes' x, elementwise. */
PONS_API pons_array pons_distributed_all_sum(pons_array x, pons_group group);
PONS_API pons_array pons_distributed_all_max(pons_array x, pons_group group);
PONS_API pons_array pons_distributed_all_min(pons_array x, pons_group group);
/* The processes' x, joined along the first axis in order of rank. */
PONS_API pons_array pons_distributed_all_gather(pons_array x, pons_group group);
/* The rank's part of all_sum(x), cut along the first axis, which must divide by the group's size. */
PONS_API pons_array pons_distributed_sum_scatter(pons_array x, pons_group group);
/* x, sent to process `to` when it is evaluated; the result is x. */
PONS_API pons_array pons_distributed_send(pons_array x, int to, pons_group group);
/* What process `from` sends. */
PONS_API pons_array pons_distributed_recv(pons_shape shape, pons_dtype dtype, int from, pons_group group);
PONS_API pons_array pons_distributed_recv_like(pons_array x, int from, pons_group group);

#ifdef __cplusplus
}
#endif
#endif
