/* distributed.h: processes that compute together. Each holds its own arrays; collectives combine them (docs/distributed.md).

   Collectives are nodes like others, made when they are evaluated, and all processes of a group must make the same ones in the same
   order. In one eval they are made in the order in which they were written, whatever else depends on them; those that nothing needs
   are not made. On a group of one process each is what it is for one. */
#ifndef PONS_DISTRIBUTED_H
#define PONS_DISTRIBUTED_H
#include <pons/array.h>
#ifdef __cplusplus
extern "C" {
#endif

/* Processes that know each other by rank, 0 .. size - 1. Lives with the process. */
typedef struct pons_group_s *pons_group;
/* Can groups be made over `backend` ("nccl", "ring", or "any")? MLX's "mpi" and "jaccl" are not built in. */
PONS_API bool pons_distributed_is_available(const char *backend);
/* The group of all processes that were started together, as the environment tells over `backend`; "any": the group that was made first, or
   else nccl's or ring's, the first that the environment names. Where it names none: a group of this process alone, or, if
   `strict`, NULL and an error. NULL and an error, too, if the others can't be reached. */
PONS_API pons_group pons_distributed_init(bool strict, const char *backend);
/* In all that follows, group NULL means the one that pons_distributed_init gives when not strict. */
PONS_API int pons_group_rank(pons_group group);
PONS_API int pons_group_size(pons_group group);
/* The processes that give the same `color`, ranked by `key`, or, where that is negative, by their rank so far. All must call it. NULL and
   an error if the group has one process. */
PONS_API pons_group pons_group_split(pons_group group, int color, int key);

/* The sum, maximum or minimum of the processes' x, elementwise. */
PONS_API pons_array pons_distributed_all_sum(pons_array x, pons_group group);
PONS_API pons_array pons_distributed_all_max(pons_array x, pons_group group);
PONS_API pons_array pons_distributed_all_min(pons_array x, pons_group group);
/* The processes' x, joined along the first axis in order of rank. */
PONS_API pons_array pons_distributed_all_gather(pons_array x, pons_group group);
/* The rank's part of all_sum(x), cut along the first axis, which must divide by the group's size. */
PONS_API pons_array pons_distributed_sum_scatter(pons_array x, pons_group group);
/* x, sent to process `to` when it is evaluated; the result is x. Until that receives it, a large x is waited for. */
PONS_API pons_array pons_distributed_send(pons_array x, int to, pons_group group);
/* What process `from` sends. */
PONS_API pons_array pons_distributed_recv(pons_shape shape, pons_dtype dtype, int from, pons_group group);
PONS_API pons_array pons_distributed_recv_like(pons_array x, int from, pons_group group);

#ifdef __cplusplus
}
#endif
#endif
