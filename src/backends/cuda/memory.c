/* memory.c: device memory. Where the driver has pools it is taken and given back in the order of a queue, and the pool keeps
   what is free. Else it is cuMemAlloc's. What is given back without pools, or is small, lies in lists by size class: a block knows
   who uses it (order.c), and may be used anew behind that; asking the driver takes longer.

   When there is none left, what lies unused goes back to the driver, once the queues are done, and it is tried once more. Uses cuda.h, gpu/size_class.h. */
#include "backends/cuda/cuda.h"

/* More goes back to the pool, if there is one: rounded to a class it would be too much that is lost. */
static bool is_listed(const cuda_device *d, size_t bytes) { return !d->pool || bytes <= CUDA_SMALL; }

static error *free_block(cuda_device *d, const cuda_block *b) {
  if (!d->pool) return cuda_check(d, cuda()->cuMemFree(b->at), "cuMemFree");
  d->pool_used -= b->base.bytes;
  return cuda_check(d, cuda()->cuMemFreeAsync(b->at, cuda_work(d)), "cuMemFreeAsync");
}

/* The queues are done. */
static void empty_cache(cuda_device *d) {
  for (int i = 0; i < GPU_SIZE_CLASSES; i++) {
    for (cuda_block *b = d->cached[i], *next; b; b = next) {
      next = b->next;
      error_release(free_block(d, b));
      mem_free(b);
    }
    d->cached[i] = NULL;
  }
  d->cached_bytes = 0;
}

/* What the pool has that nobody uses, and by the way how much it has; 0: the driver does not tell. */
static size_t spare_of_pool(cuda_device *d, size_t *reserved) {
  uint64_t used = 0, all = 0;
  if (cuda()->cuMemPoolGetAttribute(d->pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &all) != CUDA_SUCCESS) all = 0;
  if (cuda()->cuMemPoolGetAttribute(d->pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used) != CUDA_SUCCESS) all = 0;
  *reserved = all;
  return all > used ? (size_t)(all - used) : 0;
}

/* Of what is free, so much stays that there are `bytes` together with what is used. */
static error *trim_pool(cuda_device *d, size_t bytes) {
  size_t reserved;
  error *why = cuda_check(d, cuda()->cuMemPoolTrimTo(d->pool, bytes), "cuMemPoolTrimTo");
  spare_of_pool(d, &reserved);
  if (reserved > bytes) reserved = bytes; /* more is in chunks of the driver's that are used in part */
  pthread_mutex_lock(&d->cache_lock);
  d->pool_most = reserved > d->pool_used ? reserved : d->pool_used;
  pthread_mutex_unlock(&d->cache_lock);
  return why;
}

/* Gives back to the driver what nobody uses. */
static error *trim(cuda_device *d) {
  error *why = NULL;
  for (int q = 0; q < CUDA_QUEUES && !why; q++) why = cuda_wait_for(d, q);
  if (why) return why;
  pthread_mutex_lock(&d->cache_lock);
  empty_cache(d);
  pthread_mutex_unlock(&d->cache_lock);
  return d->pool ? trim_pool(d, 0) : NULL;
}

size_t cuda_cached(int index) {
  cuda_device *d = cuda_enter_opened(index);
  if (!d) return 0;
  size_t reserved, bytes = d->pool ? spare_of_pool(d, &reserved) : 0;
  pthread_mutex_lock(&d->cache_lock);
  const size_t given_back = d->pool_most - d->pool_used;
  if (bytes > given_back) bytes = given_back;
  bytes += d->cached_bytes;
  pthread_mutex_unlock(&d->cache_lock);
  cuda_leave(d);
  return bytes + d->noted_bytes;
}

static size_t size(int index) { return cuda_card_at(index)->memory; }

/* What is kept beside what is used. */
static size_t kept_bytes(const cuda_device *d) { return d->cached_bytes + d->pool_most - d->pool_used + d->noted_bytes; }

void cuda_trim(int index) {
  cuda_device *d = cuda_enter_opened(index);
  if (!d) return;
  gpu_noted_forget(&cuda_noted_list, index);
  error_release(trim(d)); /* of a device that is lost: who uses it next is told */
  cuda_leave(d);
}

/* NULL: there is none of the class, or so much is in use that it must go. */
static cuda_block *take_cached(cuda_device *d, int size_class) {
  pthread_mutex_lock(&d->cache_lock);
  cuda_block *b = d->cached[size_class];
  if (b && !account_take(d->account, b->base.bytes, kept_bytes(d) - b->base.bytes)) b = NULL;
  if (b) d->cached[size_class] = b->next;
  if (b) d->cached_bytes -= b->base.bytes;
  pthread_mutex_unlock(&d->cache_lock);
  return b;
}

/* Is so much more within the limit? Then it is counted. By how much the pool grows for it. */
static bool count_block(cuda_device *d, size_t bytes, size_t *growth) {
  pthread_mutex_lock(&d->cache_lock);
  const size_t spare = d->pool_most - d->pool_used;
  *growth = d->pool && bytes > spare ? bytes - spare : 0;
  const bool fits = account_take(d->account, bytes, kept_bytes(d) - (d->pool ? bytes - *growth : 0));
  if (fits && d->pool) d->pool_used += bytes;
  if (fits) d->pool_most += *growth;
  pthread_mutex_unlock(&d->cache_lock);
  return fits;
}

static void uncount_block(cuda_device *d, size_t bytes, size_t growth) {
  pthread_mutex_lock(&d->cache_lock);
  account_count(d->account, -(ptrdiff_t)bytes);
  if (d->pool) d->pool_used -= bytes;
  d->pool_most -= growth;
  pthread_mutex_unlock(&d->cache_lock);
}

/* It is there for what comes behind on queue `q`. */
static CUresult allocate(cuda_device *d, int q, cuda_block *b) {
  size_t growth;
  if (!count_block(d, b->base.bytes, &growth)) return CUDA_ERROR_OUT_OF_MEMORY;
  const CUresult status = d->pool ? cuda()->cuMemAllocFromPoolAsync(&b->at, b->base.bytes, d->pool, d->queues[q].at)
                                  : cuda()->cuMemAlloc(&b->at, b->base.bytes);
  if (status != CUDA_SUCCESS) uncount_block(d, b->base.bytes, growth);
  else if (d->pool) cuda_count_use(d, q, b, true);
  return status;
}

static error *no_memory(cuda_device *d, size_t asked) {
  size_t spare = 0, all = 0;
  if (cuda()->cuMemGetInfo(&spare, &all) != CUDA_SUCCESS) spare = 0;
  return fail_as(PONS_ERROR_MEMORY, "cuda",
                 "out of memory on device %d (%s): asked %.1f MiB, free %.1f of %.1f MiB, in use here %.1f of at most %.1f MiB",
                 d->index, cuda_card_at(d->index)->name, (double)asked / 1048576, (double)spare / 1048576, (double)all / 1048576,
                 (double)account_active(d->account) / 1048576, (double)account_limit(d->account) / 1048576);
}

static error *fill(cuda_device *d, int q, cuda_block *b) {
  CUresult status = allocate(d, q, b);
  for (int more = 0; more < 2 && status == CUDA_ERROR_OUT_OF_MEMORY; more++) {
    error *why = more ? cuda_end_noting(d) : NULL;
    if (more) gpu_noted_forget(&cuda_noted_list, d->index);
    if (!why) why = trim(d);
    if (why) return why;
    status = allocate(d, q, b);
  }
  if (status == CUDA_ERROR_OUT_OF_MEMORY) return no_memory(d, b->base.bytes);
  return cuda_check(d, status, "%s(%zu bytes)", d->pool ? "cuMemAllocFromPoolAsync" : "cuMemAlloc", b->base.bytes);
}

cuda_block *cuda_take_spare(cuda_device *d, size_t bytes) {
  cuda_block *b = mem_zalloc(sizeof *b);
  if (!b) return NULL;
  b->base.bytes = bytes;
  if (allocate(d, CUDA_WORK, b) == CUDA_SUCCESS) return b;
  mem_free(b);
  return NULL;
}

static void *take(int index, int q, size_t bytes, error **why) {
  cuda_device *d = cuda_enter(index, why);
  if (!d) return NULL;
  size_t rounded = (bytes + 7) / 8 * 8; /* narrow elements are swapped as part of a word */
  cuda_block *b = gpu_noted_take(cuda_noted(index), rounded);
  const bool listed = is_listed(d, bytes);
  const int size_class = listed ? gpu_size_class(bytes, &rounded) : 0;
  if (!b && listed) b = take_cached(d, size_class);
  if (!b && (b = mem_zalloc(sizeof *b))) {
    b->base.bytes = rounded;
    *why = fill(d, q, b);
    if (*why) mem_free(b);
  } else if (!b) {
    *why = fail_no_memory("cuda");
  }
  if (!*why && !b->base.owner) gpu_noted_add(cuda_noted(index), &b->base);
  cuda_leave(d);
  return *why ? NULL : b;
}

void *cuda_take(int index, size_t bytes, error **why) { return take(index, CUDA_WORK, bytes, why); }
void *cuda_take_to_write(int index, size_t bytes, error **why) {
  return take(index, bytes > CUDA_SMALL ? CUDA_IN : CUDA_WORK, bytes, why);
}

/* To the lists; false: then there would be more than may be kept. */
static bool keep(cuda_device *d, cuda_block *b) {
  size_t rounded;
  const int size_class = gpu_size_class(b->base.bytes, &rounded);
  pthread_mutex_lock(&d->cache_lock);
  const bool fits = kept_bytes(d) + b->base.bytes <= account_cache_limit(d->account);
  if (fits) {
    account_count(d->account, -(ptrdiff_t)b->base.bytes);
    b->next = d->cached[size_class];
    d->cached[size_class] = b;
    d->cached_bytes += b->base.bytes;
  }
  pthread_mutex_unlock(&d->cache_lock);
  return fits;
}

/* It, and what is kept, to the driver. */
static error *give_all(cuda_device *d, cuda_block *b) {
  error *why = trim(d);
  error *failed = cuda_check(d, cuda()->cuMemFree(b->at), "cuMemFree");
  account_count(d->account, -(ptrdiff_t)b->base.bytes);
  mem_free(b);
  if (!why) return failed;
  error_release(failed);
  return why;
}

/* To the pool, which gives back what it holds beyond the limit. */
static error *give_to_pool(cuda_device *d, cuda_block *b) {
  error *why = cuda_order(d, CUDA_WORK, b, true);
  error *failed = cuda_check(d, cuda()->cuMemFreeAsync(b->at, cuda_work(d)), "cuMemFreeAsync");
  if (!why) why = failed;
  else error_release(failed);
  const size_t limit = account_cache_limit(d->account);
  pthread_mutex_lock(&d->cache_lock);
  account_count(d->account, -(ptrdiff_t)b->base.bytes);
  d->pool_used -= b->base.bytes;
  const size_t used = d->pool_used - d->cached_bytes;
  const bool is_full = kept_bytes(d) > limit;
  pthread_mutex_unlock(&d->cache_lock);
  mem_free(b);
  return !why && is_full ? trim_pool(d, used + limit) : why;
}

void cuda_give(int index, void *memory) {
  error *why = NULL;
  cuda_block *b = memory;
  if (gpu_noted_give(cuda_noted(index), &b->base)) return;
  cuda_device *d = cuda_enter(index, &why);
  if (!d) account_count(account_of(&cuda_memory, index), -(ptrdiff_t)b->base.bytes), mem_free(b);
  else if (!is_listed(d, b->base.bytes) || !keep(d, b)) why = d->pool ? give_to_pool(d, b) : give_all(d, b);
  if (d) cuda_leave(d);
  error_release(why); /* of a device that is lost: who uses it next is told */
}

const memory_driver cuda_memory = {
    .take = cuda_take, .take_to_write = cuda_take_to_write, .give = cuda_give, .write = cuda_write, .read = cuda_read,
    .pass = cuda_pass, .finish = cuda_finish, .cached = cuda_cached, .trim = cuda_trim, .size = size};
