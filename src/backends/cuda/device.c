/* device.c: a device is opened when it is first used: its primary context, which libraries and other frameworks in the
   process share, its queues, and a pool for stream-ordered memory where the driver has them. Uses cuda.h. */
#include "backends/cuda/cuda.h"

static cuda_device devices[CUDA_MAX_DEVICES];
static pthread_once_t locks_made = PTHREAD_ONCE_INIT;

static void make_locks(void) {
  for (int i = 0; i < CUDA_MAX_DEVICES; i++) {
    devices[i].index = i;
    pthread_mutex_init(&devices[i].lock, NULL);
    pthread_mutex_init(&devices[i].cache_lock, NULL);
    pthread_mutex_init(&devices[i].capture_lock, NULL);
    pthread_mutex_init(&devices[i].in.lock, NULL);
    pthread_mutex_init(&devices[i].out.lock, NULL);
    pthread_mutex_init(&devices[i].small.lock, NULL);
  }
}

/* ---- what went wrong ---- */

bool cuda_is_lost(CUresult status) {
  switch (status) {
    case CUDA_ERROR_DEINITIALIZED:
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_LAUNCH_FAILED:
      return true;
    default:
      return status >= CUDA_ERROR_HARDWARE_STACK_ERROR && status < CUDA_ERROR_LAUNCH_FAILED;
  }
}

static void lose(cuda_device *d, const char *call, const char *name) {
  pthread_mutex_lock(&d->lock);
  if (!d->failed)
    d->failed = fail("cuda",
                     "device %d (%s) is lost since %s gave %s; what was only there is gone\n"
                     "hint: start the program anew; PONS_CUDA_WAIT=1 tells which kernel it was",
                     d->index, cuda_card_at(d->index)->name, call, name);
  pthread_mutex_unlock(&d->lock);
}

error *cuda_check(cuda_device *d, CUresult status, const char *format, ...) {
  if (status == CUDA_SUCCESS) return NULL;
  char call[256];
  const char *name = NULL, *words = NULL;
  va_list list;
  va_start(list, format);
  vsnprintf(call, sizeof call, format, list);
  va_end(list);
  cuda()->cuGetErrorName(status, &name);
  cuda()->cuGetErrorString(status, &words);
  if (!name) name = "an unknown status";
  error *why = fail("cuda", "%s on device %d: %s (%d)%s%s", call, d->index, name, status, words ? ": " : "",
                    words ? words : "");
  if (cuda_is_lost(status)) lose(d, call, name);
  return why;
}

/* ---- opening ---- */

static void lacks_pool(cuda_device *d, const char *call, CUresult status) {
  const char *name = NULL;
  cuda()->cuGetErrorName(status, &name);
  snprintf(d->no_pool, sizeof d->no_pool, "%s: %s (%d)", call, name ? name : "an unknown status", status);
}

/* Asked once, for a driver, or what stands before it, may make a pool and give nothing of it. */
static CUresult try_pool(cuda_device *d) {
  CUdeviceptr at;
  CUresult status = cuda()->cuMemAllocFromPoolAsync(&at, 8, d->pool, cuda_work(d));
  if (status != CUDA_SUCCESS) {
    lacks_pool(d, "cuMemAllocFromPoolAsync", status);
    return status;
  }
  status = cuda()->cuMemFreeAsync(at, cuda_work(d));
  if (status == CUDA_SUCCESS) return status;
  lacks_pool(d, "cuMemFreeAsync", status);
  cuda()->cuMemFree(at);
  return status;
}

static CUresult make_pool(cuda_device *d) {
  const CUmemPoolProps props = {.alloc_type = CU_MEM_ALLOCATION_TYPE_PINNED,
                                .location = {CU_MEM_LOCATION_TYPE_DEVICE, cuda_card_at(d->index)->id}};
  CUresult status = cuda()->cuMemPoolCreate(&d->pool, &props);
  if (status != CUDA_SUCCESS) {
    d->pool = NULL;
    lacks_pool(d, "cuMemPoolCreate", status);
    return status;
  }
  status = try_pool(d);
  if (status == CUDA_SUCCESS) return status;
  cuda()->cuMemPoolDestroy(d->pool);
  d->pool = NULL;
  return status;
}

/* What the pool keeps, it keeps until memory.c has it trimmed. A device without one works all the same. */
static error *open_pool(cuda_device *d) {
  uint64_t keep = UINT64_MAX;
  if (!cuda_card_at(d->index)->pools) {
    snprintf(d->no_pool, sizeof d->no_pool, "the driver has no memory pools");
    return NULL;
  }
  const CUresult status = make_pool(d);
  if (status == CUDA_SUCCESS) cuda()->cuMemPoolSetAttribute(d->pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep); /* else it keeps less */
  return cuda_is_lost(status) ? cuda_check(d, status, "opening a memory pool") : NULL;
}

static error *open_context(cuda_device *d) {
  const CUdevice id = cuda_card_at(d->index)->id;
  return cuda_check(d, cuda()->cuDevicePrimaryCtxRetain(&d->context, id), "cuDevicePrimaryCtxRetain(%d)", id);
}

static error *push(cuda_device *d) {
  return cuda_check(d, cuda()->cuCtxPushCurrent(d->context), "cuCtxPushCurrent");
}

static error *open_device(cuda_device *d) {
  error *why = open_context(d);
  if (!why) why = push(d);
  if (why) return why;
  why = cuda_open_queues(d);
  if (!why) why = open_pool(d);
  cuda_leave(d);
  return why;
}

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
/* *why: it can't be used. */
static cuda_device *opened(int index, error **why) {
  pthread_once(&locks_made, make_locks);
  cuda_device *d = &devices[index];
  pthread_mutex_lock(&opening); /* a failure to open takes d->lock */
  if (!d->opened) {
    d->account = account_of(&cuda_memory, index);
    error *failed = open_device(d);
    pthread_mutex_lock(&d->lock);
    if (!d->failed)
      d->failed = failed;
    else
      error_release(failed);
    pthread_mutex_unlock(&d->lock);
    d->opened = true;
  }
  pthread_mutex_unlock(&opening);
  pthread_mutex_lock(&d->lock);
  *why = error_keep(d->failed);
  pthread_mutex_unlock(&d->lock);
  return d;
}

cuda_device *cuda_enter(int index, error **why) {
  cuda_device *d = opened(index, why);
  error_meet(*why);
  if (!*why) *why = push(d);
  return *why ? NULL : d;
}

cuda_device *cuda_enter_opened(int index) {
  error *why = NULL;
  pthread_once(&locks_made, make_locks);
  pthread_mutex_lock(&opening);
  const bool is_open = devices[index].opened;
  pthread_mutex_unlock(&opening);
  cuda_device *d = is_open ? cuda_enter(index, &why) : NULL;
  error_release(why);
  return d;
}

cuda_device *cuda_device_at(int index) { return &devices[index]; }

void cuda_report_allocation(int index, text *json) {
  error *why = NULL;
  const cuda_device *d = opened(index, &why);
  char words[640];
  if (why) snprintf(words, sizeof words, "none: %s", error_text(why));
  else if (d->pool) snprintf(words, sizeof words, "stream-ordered");
  else snprintf(words, sizeof words, "cached by Pons, for want of a pool: %s", d->no_pool);
  text_add_json(json, words);
  error_release(why);
}

void cuda_plan_ended(int index) {
  cuda_device *d = &devices[index];
  atomic_store(&d->plan_end, atomic_load(&d->queues[CUDA_WORK].count));
}

void cuda_leave(cuda_device *d) {
  CUcontext before;
  error_release(cuda_check(d, cuda()->cuCtxPopCurrent(&before), "cuCtxPopCurrent"));
}
