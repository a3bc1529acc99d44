/* nccl.c: groups of processes with NVIDIA GPUs, told as MLX's are: MLX_WORLD_SIZE, MLX_RANK, and by NCCL_HOST_IP and
   NCCL_PORT where process 0 listens. What lies on the host goes over TCP, as ring's; what lies on a GPU is the CUDA backend's, which
   uses these groups to begin. Uses mesh.h. */
#include "links/mesh.h"
#include <stdlib.h>

static process_group *nccl_open(error **why) {
  const char *host = getenv("NCCL_HOST_IP"), *port = getenv("NCCL_PORT");
  if (!host || !*host || !port || !*port || !getenv("MLX_WORLD_SIZE") || !getenv("MLX_RANK")) return NULL;
  const int64_t size = link_number("MLX_WORLD_SIZE", -1, MESH_MOST), rank = link_number("MLX_RANK", -1, size - 1);
  if (size < 1 || rank < 0) {
    *why = fail_as(PONS_ERROR_RUNTIME, "nccl", "MLX_RANK is '%s' of MLX_WORLD_SIZE '%s'", getenv("MLX_RANK"), getenv("MLX_WORLD_SIZE"));
    return NULL;
  }
  mesh_address *addresses = mem_zalloc((size_t)size * sizeof *addresses);
  if (!addresses) {
    *why = fail_no_memory("nccl");
    return NULL;
  }
  const bool bare = strchr(host, ':') && *host != '[';
  snprintf(addresses[0], MESH_ADDRESS, bare ? "[%s]:%s" : "%s:%s", host, port);
  process_group *g = mesh_open(&link_nccl, (int)rank, (int)size, addresses, true, why);
  mem_free(addresses);
  return g;
}

const link_driver link_nccl = {.name = "nccl",
                               .needs = "NCCL_HOST_IP, NCCL_PORT, MLX_WORLD_SIZE and MLX_RANK",
                               .open = nccl_open,
                               .split = mesh_split,
                               .run = mesh_run,
                               .leave = mesh_leave,
                               .gone = mesh_gone};
