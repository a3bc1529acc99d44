/* launch.c: kernels put on a device's queue. Uses program.h. */
#include "backends/cuda/program.h"
#include <stdlib.h>

enum { MAX_GRID = INT32_MAX, MAX_GRID_YZ = 65535 };

static bool waits(void) {
  const char *wanted = getenv("PONS_CUDA_WAIT"); /* after each launch, so that errors name theirs */
  return wanted && *wanted && strcmp(wanted, "0") != 0;
}

static error *launch_on(cuda_device *d, const gpu_launch *l) {
  CUdeviceptr addresses[GPU_MAX_MEMORIES];
  void *parameters[GPU_MAX_MEMORIES + 1];
  for (int i = 0; i < l->n_memories; i++) {
    addresses[i] = l->memories[i] ? ((const cuda_block *)l->memories[i])->at : 0; /* of what is empty */
    parameters[i] = &addresses[i];
  }
  parameters[l->n_memories] = (void *)l->numbers;
  const unsigned grid[] = {(unsigned)l->groups[0], (unsigned)l->groups[1], (unsigned)l->groups[2]};
  const unsigned block[] = {(unsigned)l->group[0], (unsigned)l->group[1], (unsigned)l->group[2]};
  const CUresult status =
      cuda()->cuLaunchKernel(l->entry, grid[0], grid[1], grid[2], block[0], block[1], block[2],
                             (unsigned)l->shared_bytes, d->queue, parameters, NULL);
  error *why = cuda_check(d, status, "cuLaunchKernel(grid %u x %u x %u, block %u x %u x %u)", grid[0],
                          grid[1], grid[2], block[0], block[1], block[2]);
  if (!why && waits())
    why = cuda_check(d, cuda()->cuStreamSynchronize(d->queue),
                     "the kernel of grid %u x %u x %u, block %u x %u x %u", grid[0], grid[1], grid[2],
                     block[0], block[1], block[2]);
  return why;
}

error *cuda_launch(int index, const gpu_launch *l) {
  if (l->groups[0] == 0 || l->groups[1] == 0 || l->groups[2] == 0) return NULL;
  if (l->groups[0] > MAX_GRID || l->groups[1] > MAX_GRID_YZ || l->groups[2] > MAX_GRID_YZ)
    return fail("cuda", "a launch of %lld x %lld x %lld groups; %d x %d x %d are the most",
                (long long)l->groups[0], (long long)l->groups[1], (long long)l->groups[2], MAX_GRID,
                MAX_GRID_YZ, MAX_GRID_YZ);
  error *why = NULL;
  cuda_device *d = cuda_enter(index, &why);
  if (!d) return why;
  why = launch_on(d, l);
  cuda_leave(d);
  return why;
}
