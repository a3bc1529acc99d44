/* launch.c: kernels put on a device's queue for them. Uses program.h. */
#include "backends/cuda/program.h"
#include <stdlib.h>

enum { MAX_GRID = INT32_MAX, MAX_GRID_YZ = 65535, PLAIN_SHARED_BYTES = 48 << 10 };

static bool waits;
static void ask(void) {
  const char *wanted = getenv("PONS_CUDA_WAIT");
  waits = wanted && *wanted && strcmp(wanted, "0") != 0;
}

bool cuda_waits(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, ask);
  return waits;
}

void cuda_arguments_of(cuda_arguments *a, const gpu_launch *l, const CUdeviceptr *at, const int64_t *numbers) {
  const int n_read = l->n_memories - l->n_written;
  for (int i = 0; i < l->n_memories; i++) {
    const int place = !l->is_plain ? i : i < l->n_written ? n_read + i : i - l->n_written;
    a->pointers[i] = at[i] + (l->is_plain ? (CUdeviceptr)numbers[i] : 0);
    a->list[place] = &a->pointers[i];
  }
  if (!l->is_plain) a->list[l->n_memories] = (void *)numbers;
  for (int i = 0; i < l->n_scalars; i++) a->list[l->n_memories + i] = (void *)&numbers[l->n_memories + i];
}

error *cuda_launch_at(cuda_device *d, const gpu_launch *l, const CUdeviceptr *at, const int64_t *numbers) {
  cuda_arguments arguments;
  cuda_arguments_of(&arguments, l, at, numbers);
  const unsigned grid[] = {(unsigned)l->groups[0], (unsigned)l->groups[1], (unsigned)l->groups[2]};
  const unsigned block[] = {(unsigned)l->group[0], (unsigned)l->group[1], (unsigned)l->group[2]};
  const CUresult status =
      cuda()->cuLaunchKernel(l->entry, grid[0], grid[1], grid[2], block[0], block[1], block[2],
                             (unsigned)l->shared_bytes, cuda_work(d), arguments.list, NULL);
  error *why = cuda_check(d, status, "cuLaunchKernel(grid %u x %u x %u, block %u x %u x %u)", grid[0],
                          grid[1], grid[2], block[0], block[1], block[2]);
  if (!why && cuda_waits())
    why = cuda_check(d, cuda()->cuStreamSynchronize(cuda_work(d)),
                     "the kernel of grid %u x %u x %u, block %u x %u x %u", grid[0], grid[1], grid[2],
                     block[0], block[1], block[2]);
  return why;
}

static error *launch_now(cuda_device *d, const gpu_launch *l) {
  CUdeviceptr at[GPU_MAX_MEMORIES];
  for (int i = 0; i < l->n_memories; i++)
    at[i] = l->memories[i] ? ((const cuda_block *)l->memories[i])->at : 0; /* of what is empty */
  error *why = cuda_mark_plan(d);
  if (!why) why = cuda_order_all(d, l->n_memories, l->memories, l->n_written);
  if (!why) why = cuda_launch_at(d, l, at, l->numbers);
  cuda_count_uses(d, l->n_memories, l->memories, l->n_written);
  return why;
}

/* More shared memory is given to those that ask. What an entry was given once it has for good, and entries live as long as the
   process. */
static error *grant_shared(cuda_device *d, const gpu_launch *l) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static map granted; /* bytes of each entry */
  error *why = NULL;
  pthread_mutex_lock(&lock);
  if (map_get(&granted, l->entry, PLAIN_SHARED_BYTES) < l->shared_bytes) {
    const CUresult status =
        cuda()->cuFuncSetAttribute(l->entry, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, l->shared_bytes);
    why = cuda_check(d, status, "cuFuncSetAttribute(%d bytes of shared memory)", l->shared_bytes);
    if (!why) map_set(&granted, l->entry, l->shared_bytes); /* without memory for it, it is asked again */
  }
  pthread_mutex_unlock(&lock);
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
  if (l->shared_bytes > PLAIN_SHARED_BYTES) why = grant_shared(d, l);
  if (!why && !cuda_note_launch(d, l, &why) && !why) why = launch_now(d, l);
  cuda_leave(d);
  return why;
}
