/* driver.c: a double of the CUDA driver (libcuda.so.1), which does on the host what the driver would have a GPU do.

   Nothing that is queued is done before somebody waits for it: the latest that a real device may do it, so that what is
   changed or read too early shows. With CUDA_DOUBLE_EARLY=1 that holds for the first queue of a context alone, and the others do
   what they have at once, unless it stands behind an event: so what one queue does before another is done with it shows. Then copies are memcpy, and a kernel is the function that nvrtc.c made of its text, its
   threads run by doubles/grid.c. Device memory is filled with 0xa5 when it is taken, and has a border behind it that is looked at when
   it is given back. Contexts, handles and sizes are checked as the driver checks them. Which calls fail, and what
   the device is, the environment says (faults.h). It judges what is asked of a driver and what kernels compute, not
   the hardware. Uses driver.h, tests/doubles/. */
#include "driver.h"
#include "image.h"
#include "tests/doubles/fibers.h"
#include <dlfcn.h>
#include <elf.h>
#include <stdlib.h>
#include <unistd.h>

enum { BORDER = 64 };
enum { PLAIN_SHARED_BYTES = 48 << 10 };
enum { DEVICE_MEMORY = 1, HOST_MEMORY, BORDER_FILL = 0x5c };

/* ---- what there is; one lock for all of it ---- */

pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
bool initialised;
static int lost; /* the status every call gives from now on */
static struct CUctx_st contexts[MAX_DEVICES];
_Thread_local CUcontext current[16];
_Thread_local int n_current;
static memory *memories;
static CUstream streams[64];
static int n_streams;
static double clock_ms; /* goes on by what libraries' doubles say that their work takes */
static long live_modules, live_events, live_pools;
static size_t used[MAX_DEVICES];

static int device_count(void) { return (int)number_of("CUDA_DOUBLE_DEVICES", 1); }
static size_t device_bytes(void) { return (size_t)number_of("CUDA_DOUBLE_MEMORY", 1L << 30); }
static int device_arch(void) { return (int)number_of("CUDA_DOUBLE_ARCH", 86); }
static int most_shared_bytes(void) { return device_arch() == 90 ? 227 << 10 : 99 << 10; } /* on request */

static void go_on(void);
int leave(int status) {
  if (number_of("CUDA_DOUBLE_EARLY", 0)) go_on();
  pthread_mutex_unlock(&lock);
  return status;
}

/* After these statuses a context does nothing any more. */
static int keep_if_lost(int status) {
  if (status == 214 || status == 220 || (status >= 700 && status <= 719)) lost = status;
  return status;
}

int enter(const char *name) {
  pthread_mutex_lock(&lock);
  const int fault = fault_of(name);
  if (lost) return lost;
  return keep_if_lost(fault);
}

bool is_stream(CUstream s) {
  for (int i = 0; i < n_streams; i++)
    if (streams[i] == s) return true;
  return false;
}

/* ---- memory ---- */

static memory *find_memory(const char *at, size_t bytes) {
  for (memory *m = memories; m; m = m->next)
    if (at >= m->at && at + bytes <= m->at + m->bytes && !m->given) return m;
  return NULL;
}

/* Work may still use what is to be given back behind it. */
static bool is_there(const char *at, size_t bytes) {
  for (memory *m = memories; m; m = m->next)
    if (at >= m->at && at + bytes <= m->at + m->bytes) return true;
  return false;
}

static char *take(size_t bytes, int kind, int device) {
  memory *m = calloc(1, sizeof *m);
  char *at = NULL;
  if (!m || posix_memalign((void **)&at, 256, bytes + BORDER) != 0) {
    free(m);
    return NULL;
  }
  if (kind == DEVICE_MEMORY) memset(at, GRID_FILL, bytes);
  memset(at + bytes, BORDER_FILL, BORDER);
  *m = (memory){memories, at, bytes, kind, device, NULL, false};
  memories = m;
  if (kind == DEVICE_MEMORY) used[device] += bytes;
  return at;
}

static void give(const char *at) {
  for (memory **p = &memories; *p; p = &(*p)->next) {
    memory *m = *p;
    if (m->at != at) continue;
    for (int i = 0; i < BORDER; i++) {
      if ((unsigned char)m->at[m->bytes + (size_t)i] == BORDER_FILL) continue;
      fprintf(stderr, "cuda double: something wrote %d bytes behind a block of %zu bytes\n", i, m->bytes);
      abort();
    }
    if (m->kind == DEVICE_MEMORY) used[m->device] -= m->bytes;
    if (m->pool) m->pool->used -= m->bytes, m->pool->kept += m->bytes;
    *p = m->next;
    free(m->at);
    free(m);
    return;
  }
}

static CUresult allocate(CUdeviceptr *out, size_t bytes, int device) {
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (bytes > device_bytes() - used[device]) return CUDA_ERROR_OUT_OF_MEMORY;
  char *at = take(bytes, DEVICE_MEMORY, device);
  *out = (CUdeviceptr)(uintptr_t)at;
  return at ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* ---- doing what was queued ---- */

static int run_blocks(const work *w) {
  const CUmodule module = w->function->module;
  grid_kernel k = {.state = module->state, .run = w->function->run};
  module->shared(&k.shared, &k.shared_end);
  const char *stuck = grid_run(&k, w->arguments, w->grid, w->block);
  if (stuck) fprintf(stderr, "cuda double: a kernel does not end: %s\n", stuck);
  return stuck ? CUDA_ERROR_LAUNCH_FAILED : CUDA_SUCCESS;
}

static void let_go(record *r) {
  if (r && --r->refs == 0) free(r);
}

void free_work(work *w) {
  let_go(w->record);
  free(w->staged);
  free(w->arguments);
  free(w->context);
  free(w);
}

static void do_work(work *w) {
  if ((w->kind == COPY && !is_there(w->there, w->bytes)) ||
      (w->kind == COPY && w->also_there && !is_there(w->also_there, w->bytes)) || (w->kind == TAKE && !is_there(w->to, w->bytes))) {
    fprintf(stderr, "cuda double: work on memory that was given back\n");
    abort();
  }
  if (w->kind == COPY) memcpy(w->to, w->from, w->bytes);
  if (w->kind == RECORD) w->record->done = true, w->record->ms = clock_ms;
  if (w->kind == TAKE) memset(w->to, GRID_FILL, w->bytes);
  if (w->kind == GIVE) give(w->to);
  if (w->kind == CALL) w->call(w->context);
  if (w->kind == LAUNCH && !lost) {
    const int fault = fault_of("kernel");
    lost = fault ? fault : run_blocks(w); /* a kernel that fails takes its context with it */
  }
  free_work(w);
}

/* The first of the queue, and what that waits for. False: it waits for another process. */
static bool do_first(CUstream s) {
  work *w = s->first;
  if (w->kind == WAIT)
    while (!w->record->done)
      if (!do_first(w->record->stream)) return false;
  if (w->kind == AWAIT && !lost && !w->is_done(w->context)) return false;
  s->first = w->next;
  if (!s->first) s->last = NULL;
  s->length--;
  do_work(w);
  return true;
}

/* Meanwhile other threads call, and processes do their part. */
static void wait_for_others(void) {
  pthread_mutex_unlock(&lock);
  usleep(100);
  pthread_mutex_lock(&lock);
}

static void do_until(record *r) {
  r->refs++;
  while (!r->done)
    if (!do_first(r->stream)) wait_for_others();
  let_go(r);
}

static int finish(CUstream s) {
  while (s->first)
    if (!do_first(s)) wait_for_others();
  return lost;
}

static void finish_all(void) {
  for (int i = 0; i < n_streams; i++) finish(streams[i]);
}

/* What queues of copies have and need not wait for. */
static void go_on(void) {
  for (bool more = true; more;) {
    more = false;
    for (int i = 0; i < n_streams; i++) {
      CUstream s = streams[i];
      const work *w = s->is_first ? NULL : s->first;
      if (!w || (w->kind == WAIT && !w->record->done)) continue;
      more |= do_first(s);
    }
  }
}

/* A queue does not grow without end. */
work *add_work(CUstream s, int kind) {
  enum { MOST = 4096 };
  work *w = calloc(1, sizeof *w);
  if (!w) abort();
  w->kind = kind;
  if (s->captured) {
    capture_work(s->captured, w);
    return w;
  }
  if (s->last)
    s->last->next = w;
  else
    s->first = w;
  s->last = w;
  if (++s->length > MOST) do_first(s);
  return w;
}

/* ---- the driver's entry points: the machine ---- */

EXPORT CUresult cuInit(unsigned flags) {
  int status = enter("cuInit");
  if (!status && flags) status = CUDA_ERROR_INVALID_VALUE;
  if (!status && device_count() == 0) status = CUDA_ERROR_NO_DEVICE;
  initialised = !status;
  return leave(status);
}

EXPORT CUresult cuDriverGetVersion(int *version) {
  *version = (int)number_of("CUDA_DOUBLE_DRIVER", 12040);
  return CUDA_SUCCESS;
}

static const struct {
  int status;
  const char *name, *words;
} statuses[] = {
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {801, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
};

EXPORT CUresult cuGetErrorName(CUresult status, const char **name) {
  *name = NULL;
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i].status == status) *name = statuses[i].name;
  return *name ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

EXPORT CUresult cuGetErrorString(CUresult status, const char **words) {
  *words = NULL;
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i].status == status) *words = statuses[i].words;
  return *words ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

EXPORT CUresult cuDeviceGetCount(int *count) {
  ENTER("cuDeviceGetCount");
  *count = device_count();
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuDeviceGet(CUdevice *device, int index) {
  ENTER("cuDeviceGet");
  NEEDS(index >= 0 && index < device_count(), INVALID_DEVICE);
  *device = index;
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuDeviceGetName(char *name, int room, CUdevice device) {
  ENTER("cuDeviceGetName");
  snprintf(name, (size_t)room, "Double of a GPU %d", number_of("CUDA_DOUBLE_ALIKE", 0) ? 0 : device); /* machines have several of a name */
  return leave(CUDA_SUCCESS);
}

/* Processes have devices of their own, unless they are told that it is one. */
EXPORT CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device) {
  ENTER("cuDeviceGetUuid");
  NEEDS(device >= 0 && device < device_count(), INVALID_DEVICE);
  memset(uuid, 0, sizeof *uuid);
  snprintf(uuid->bytes, sizeof uuid->bytes, "%ld:%d", number_of("CUDA_DOUBLE_MACHINE", getpid()), device);
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
  ENTER("cuDeviceGetAttribute");
  NEEDS(device >= 0 && device < device_count(), INVALID_DEVICE);
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = FIBERS_MOST;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
      *value = PLAIN_SHARED_BYTES;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
      *value = most_shared_bytes();
      break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      *value = 4;
      break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      *value = device_arch() / 10;
      break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      *value = device_arch() % 10;
      break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED:
      *value = (int)number_of("CUDA_DOUBLE_POOLS", 1);
      break;
    default:
      return leave(CUDA_ERROR_INVALID_VALUE);
  }
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  ENTER("cuDeviceTotalMem");
  NEEDS(device >= 0 && device < device_count(), INVALID_DEVICE);
  *bytes = device_bytes();
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice device) {
  ENTER("cuDevicePrimaryCtxRetain");
  NEEDS(device >= 0 && device < device_count() && device < MAX_DEVICES, INVALID_DEVICE);
  contexts[device].device = device;
  contexts[device].refs++;
  *out = &contexts[device];
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuCtxPushCurrent_v2(CUcontext context) {
  ENTER("cuCtxPushCurrent");
  NEEDS(context && context->refs > 0 && n_current < 16, INVALID_CONTEXT);
  current[n_current++] = context;
  return leave(CUDA_SUCCESS);
}

/* A thread's stack of contexts lives on when a context is lost. */
EXPORT CUresult cuCtxPopCurrent_v2(CUcontext *context) {
  pthread_mutex_lock(&lock);
  NEEDS(n_current > 0, INVALID_CONTEXT);
  *context = current[--n_current];
  return leave(CUDA_SUCCESS);
}

/* ---- memory ---- */

EXPORT CUresult cuMemGetInfo_v2(size_t *spare, size_t *all) {
  ENTER_CONTEXT("cuMemGetInfo");
  *all = device_bytes();
  *spare = *all - used[context->device];
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t bytes) {
  ENTER_CONTEXT("cuMemAlloc");
  return leave(allocate(out, bytes, context->device));
}

EXPORT CUresult cuMemFree_v2(CUdeviceptr at) {
  ENTER_CONTEXT("cuMemFree");
  (void)context;
  finish_all(); /* it waits for the device */
  memory *m = find_memory((char *)(uintptr_t)at, 1);
  NEEDS(m && m->at == (char *)(uintptr_t)at && m->kind == DEVICE_MEMORY, CUDA_ERROR_INVALID_VALUE);
  give(m->at);
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuMemAllocHost_v2(void **out, size_t bytes) {
  ENTER_CONTEXT("cuMemAllocHost");
  *out = take(bytes, HOST_MEMORY, context->device);
  return leave(*out ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY);
}

EXPORT CUresult cuMemFreeHost(void *at) {
  ENTER_CONTEXT("cuMemFreeHost");
  (void)context;
  finish_all();
  const memory *m = find_memory(at, 1);
  NEEDS(m && m->at == at && m->kind == HOST_MEMORY, CUDA_ERROR_INVALID_VALUE);
  give(at);
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuMemPoolCreate(CUmemoryPool *out, const CUmemPoolProps *props) {
  ENTER("cuMemPoolCreate");
  NEEDS(props->alloc_type == CU_MEM_ALLOCATION_TYPE_PINNED &&
            props->location.type == CU_MEM_LOCATION_TYPE_DEVICE && props->location.id < device_count(),
        CUDA_ERROR_INVALID_VALUE);
  *out = calloc(1, sizeof **out);
  if (*out) (*out)->device = props->location.id;
  live_pools += *out != NULL;
  return leave(*out ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY);
}

/* The driver would put it off until the last of its memory is given back: here that is a mistake. */
EXPORT CUresult cuMemPoolDestroy(CUmemoryPool pool) {
  ENTER("cuMemPoolDestroy");
  finish_all();
  NEEDS(pool && pool->used == 0, CUDA_ERROR_INVALID_VALUE);
  free(pool);
  live_pools--;
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuMemPoolSetAttribute(CUmemoryPool pool, int attribute, void *value) {
  ENTER("cuMemPoolSetAttribute");
  NEEDS(pool && value && attribute == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, CUDA_ERROR_INVALID_VALUE);
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuMemPoolGetAttribute(CUmemoryPool pool, int attribute, void *value) {
  ENTER("cuMemPoolGetAttribute");
  NEEDS(pool && (attribute == CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT || attribute == CU_MEMPOOL_ATTR_USED_MEM_CURRENT),
        CUDA_ERROR_INVALID_VALUE);
  *(uint64_t *)value = pool->used + (attribute == CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT ? pool->kept : 0);
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t bytes) {
  ENTER("cuMemPoolTrimTo");
  NEEDS(pool, CUDA_ERROR_INVALID_VALUE);
  const size_t least = bytes > pool->used ? bytes - pool->used : 0;
  if (pool->kept > least) pool->kept = least;
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuMemAllocFromPoolAsync(CUdeviceptr *out, size_t bytes, CUmemoryPool pool, CUstream stream) {
  ENTER("cuMemAllocFromPoolAsync");
  NEEDS(pool && is_stream(stream) && !stream->captured, INVALID_HANDLE);
  const int status = allocate(out, bytes, pool->device);
  if (!status) {
    work *w = add_work(stream, TAKE); /* it is there for what comes behind */
    w->to = (char *)(uintptr_t)*out;
    w->bytes = bytes;
    find_memory(w->to, bytes)->pool = pool;
    pool->used += bytes;
    pool->kept -= bytes < pool->kept ? bytes : pool->kept;
  }
  return leave(status);
}

EXPORT CUresult cuMemFreeAsync(CUdeviceptr at, CUstream stream) {
  ENTER("cuMemFreeAsync");
  NEEDS(is_stream(stream) && !stream->captured, INVALID_HANDLE);
  memory *m = find_memory((char *)(uintptr_t)at, 1);
  NEEDS(m && m->at == (char *)(uintptr_t)at && m->kind == DEVICE_MEMORY, CUDA_ERROR_INVALID_VALUE);
  m->given = true;
  add_work(stream, GIVE)->to = m->at;
  return leave(CUDA_SUCCESS);
}

/* ---- copies ---- */

EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  ENTER_CONTEXT("cuMemcpyHtoDAsync");
  const memory *m = find_memory((char *)(uintptr_t)to, bytes);
  NEEDS(is_stream(stream) && stream->context == context, INVALID_HANDLE);
  NEEDS(!stream->captured, CAPTURE_UNSUPPORTED); /* the backend captures no copies */
  NEEDS(m && m->kind == DEVICE_MEMORY, CUDA_ERROR_INVALID_VALUE);
  work *w = add_work(stream, COPY);
  w->there = w->to = (char *)(uintptr_t)to;
  w->from = from;
  w->bytes = bytes;
  if (!find_memory(from, bytes)) { /* not page-locked: the driver has it when it returns */
    w->from = w->staged = malloc(bytes);
    if (!w->staged) abort();
    memcpy(w->staged, from, bytes);
  }
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  ENTER_CONTEXT("cuMemcpyDtoHAsync");
  const memory *m = find_memory((char *)(uintptr_t)from, bytes);
  NEEDS(is_stream(stream) && stream->context == context, INVALID_HANDLE);
  NEEDS(!stream->captured, CAPTURE_UNSUPPORTED); /* the backend captures no copies */
  NEEDS(m && m->kind == DEVICE_MEMORY, CUDA_ERROR_INVALID_VALUE);
  work *w = add_work(stream, COPY);
  w->to = to;
  w->there = w->from = (char *)(uintptr_t)from;
  w->bytes = bytes;
  return leave(find_memory(to, bytes) ? CUDA_SUCCESS : finish(stream)); /* not page-locked: it waits */
}

/* ---- between devices ---- */

static bool context_sees[MAX_DEVICES][MAX_DEVICES]; /* memory of the second that is in no pool */

EXPORT CUresult cuDeviceCanAccessPeer(int *can, CUdevice user, CUdevice owner) {
  ENTER("cuDeviceCanAccessPeer");
  NEEDS(user >= 0 && user < device_count() && owner >= 0 && owner < device_count(), INVALID_DEVICE);
  *can = user != owner && number_of("CUDA_DOUBLE_PEERS", 1);
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuCtxEnablePeerAccess(CUcontext owner, unsigned flags) {
  ENTER_CONTEXT("cuCtxEnablePeerAccess");
  NEEDS(flags == 0 && owner && owner->refs > 0 && owner != context, CUDA_ERROR_INVALID_VALUE);
  bool *sees = &context_sees[context->device][owner->device];
  NEEDS(!*sees, CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
  *sees = true;
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuMemPoolSetAccess(CUmemoryPool pool, const CUmemAccessDesc *access, size_t count) {
  ENTER("cuMemPoolSetAccess");
  NEEDS(pool && count == 1 && access->location.type == CU_MEM_LOCATION_TYPE_DEVICE && access->location.id >= 0 &&
            access->location.id < device_count() && access->flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE,
        CUDA_ERROR_INVALID_VALUE);
  pool->opened_to[access->location.id] = true;
  return leave(CUDA_SUCCESS);
}

/* Stricter than the driver, which would copy it by way of the host itself. */
static bool sees(int user, const memory *m) {
  return m && m->kind == DEVICE_MEMORY && (m->pool ? m->pool->opened_to[user] : context_sees[user][m->device]);
}

EXPORT CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t bytes,
                                  CUstream stream) {
  ENTER("cuMemcpyPeerAsync");
  const memory *target = find_memory((char *)(uintptr_t)to, bytes), *source = find_memory((char *)(uintptr_t)from, bytes);
  NEEDS(is_stream(stream) && (stream->context == to_context || stream->context == from_context), INVALID_HANDLE);
  NEEDS(!stream->captured, CAPTURE_UNSUPPORTED);
  NEEDS(to_context && from_context && target && source && target->device == to_context->device &&
            source->device == from_context->device && sees(to_context->device, source) && sees(from_context->device, target),
        CUDA_ERROR_INVALID_VALUE);
  work *w = add_work(stream, COPY);
  w->there = w->to = (char *)(uintptr_t)to;
  w->also_there = w->from = (char *)(uintptr_t)from;
  w->bytes = bytes;
  return leave(CUDA_SUCCESS);
}

/* ---- streams, events ---- */

EXPORT CUresult cuStreamCreate(CUstream *out, unsigned flags) {
  ENTER_CONTEXT("cuStreamCreate");
  NEEDS(flags <= CU_STREAM_NON_BLOCKING && n_streams < 64, CUDA_ERROR_INVALID_VALUE);
  *out = calloc(1, sizeof **out);
  if (!*out) return leave(CUDA_ERROR_OUT_OF_MEMORY);
  (*out)->context = context;
  (*out)->is_first = context->n_streams++ == 0;
  streams[n_streams++] = *out;
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuStreamSynchronize(CUstream stream) {
  ENTER_CONTEXT("cuStreamSynchronize");
  NEEDS(is_stream(stream) && stream->context == context, INVALID_HANDLE);
  NEEDS(!stream->captured, CAPTURE_UNSUPPORTED);
  return leave(finish(stream));
}

EXPORT CUresult cuEventCreate(CUevent *out, unsigned flags) {
  ENTER_CONTEXT("cuEventCreate");
  NEEDS(flags <= 3, CUDA_ERROR_INVALID_VALUE);
  *out = calloc(1, sizeof **out);
  if (!*out) return leave(CUDA_ERROR_OUT_OF_MEMORY);
  (*out)->context = context;
  (*out)->has_time = !(flags & CU_EVENT_DISABLE_TIMING);
  live_events++;
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuEventRecord(CUevent event, CUstream stream) {
  ENTER("cuEventRecord");
  NEEDS(is_stream(stream) && event && event->context == stream->context, INVALID_HANDLE);
  NEEDS(!stream->captured, CAPTURE_UNSUPPORTED);
  record *r = calloc(1, sizeof *r);
  if (!r) abort();
  *r = (record){stream, false, 2, 0};
  let_go(event->last);
  event->last = r;
  add_work(stream, RECORD)->record = r;
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
  ENTER("cuStreamWaitEvent");
  NEEDS(is_stream(stream) && event, INVALID_HANDLE);
  NEEDS(flags == 0, CUDA_ERROR_INVALID_VALUE);
  NEEDS(!stream->captured, CAPTURE_UNSUPPORTED);
  if (!event->last || event->last->done) return leave(CUDA_SUCCESS);
  event->last->refs++;
  add_work(stream, WAIT)->record = event->last;
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuEventSynchronize(CUevent event) {
  ENTER("cuEventSynchronize");
  NEEDS(event, INVALID_HANDLE);
  if (event->last) do_until(event->last);
  return leave(lost);
}

/* What can be done is done: a device goes on while it is asked. */
EXPORT CUresult cuEventQuery(CUevent event) {
  ENTER("cuEventQuery");
  NEEDS(event, INVALID_HANDLE);
  while (event->last && !event->last->done && !lost)
    if (!do_first(event->last->stream)) return leave(CUDA_ERROR_NOT_READY);
  return leave(lost);
}

EXPORT CUresult cuEventElapsedTime(float *ms, CUevent begin, CUevent end) {
  ENTER("cuEventElapsedTime");
  NEEDS(begin && end && begin->last && end->last && begin->has_time && end->has_time, INVALID_HANDLE);
  NEEDS(begin->last->done && end->last->done, CUDA_ERROR_NOT_READY);
  *ms = (float)(end->last->ms - begin->last->ms);
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuEventDestroy_v2(CUevent event) {
  ENTER("cuEventDestroy");
  NEEDS(event, INVALID_HANDLE);
  finish_all();
  let_go(event->last);
  free(event);
  live_events--;
  return leave(CUDA_SUCCESS);
}

/* ---- modules ---- */

/* What nvrtc.c wrote: a shared library, then for which architecture it is. */
static CUresult open_image(const char *image, CUmodule module) {
  image_head head;
  Elf64_Ehdr elf;
  if (memcmp(image, ELFMAG, SELFMAG) != 0) return CUDA_ERROR_INVALID_IMAGE;
  memcpy(&elf, image, sizeof elf);
  memcpy(&head, image + elf.e_shoff + (size_t)elf.e_shnum * elf.e_shentsize, sizeof head);
  if (memcmp(head.magic, IMAGE_MAGIC, sizeof head.magic) != 0) return CUDA_ERROR_INVALID_IMAGE;
  if (head.is_ptx ? head.arch > device_arch()
                  : head.arch / 10 != device_arch() / 10 || head.arch > device_arch())
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  char path[] = P_tmpdir "/cuda-double-XXXXXX";
  const int file = mkstemp(path);
  if (file < 0) return CUDA_ERROR_INVALID_IMAGE;
  const bool written = write(file, image, head.bytes) == (ssize_t)head.bytes;
  close(file);
  if (written) module->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!module->library) fprintf(stderr, "cuda double: %s\n", dlerror());
  unlink(path);
  if (!module->library) return CUDA_ERROR_INVALID_IMAGE;
  module->state = dlsym(module->library, "cuda_double");
  *(void **)&module->shared = dlsym(module->library, "cuda_double_shared");
  void **wait = dlsym(module->library, "cuda_double_wait");
  void (*const does)(bool (*)(const void *), const void *) = fibers_wait;
  if (wait) memcpy(wait, &does, sizeof does);
  return module->state && module->shared ? CUDA_SUCCESS : CUDA_ERROR_INVALID_IMAGE;
}

static CUresult load_module(CUmodule *out, const void *image, CUcontext context) {
  CUmodule module = calloc(1, sizeof *module);
  if (!module) return leave(CUDA_ERROR_OUT_OF_MEMORY);
  module->context = context;
  const CUresult status = open_image(image, module);
  if (status)
    free(module);
  else
    *out = module, live_modules++;
  return leave(status);
}

EXPORT CUresult cuModuleLoadData(CUmodule *out, const void *image) {
  ENTER_CONTEXT("cuModuleLoadData");
  NEEDS(image, CUDA_ERROR_INVALID_VALUE);
  return load_module(out, image, context);
}

EXPORT CUresult cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned n, int *options, void **values) {
  ENTER_CONTEXT("cuModuleLoadDataEx");
  NEEDS(image && n == 2 && options[0] == CU_JIT_ERROR_LOG_BUFFER && options[1] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
        CUDA_ERROR_INVALID_VALUE);
  if (strncmp(image, ".version", 8) == 0) snprintf(values[0], (size_t)(uintptr_t)values[1], "the double has no ptxas");
  return load_module(out, image, context);
}

EXPORT CUresult cuFuncGetParamInfo(CUfunction f, size_t number, size_t *at, size_t *bytes) {
  ENTER("cuFuncGetParamInfo");
  *at = 0;
  for (size_t i = 0; i < number && f->sizes[i]; i++) *at += f->sizes[i];
  for (size_t i = 0; i <= number; i++) NEEDS(f->sizes[i], CUDA_ERROR_INVALID_VALUE);
  *bytes = f->sizes[number];
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuModuleUnload(CUmodule module) {
  ENTER_CONTEXT("cuModuleUnload");
  NEEDS(module && module->context == context, INVALID_HANDLE);
  finish_all();
  for (CUfunction f = module->functions, next; f; f = next) {
    next = f->next;
    free(f);
  }
  dlclose(module->library);
  free(module);
  live_modules--;
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuModuleGetFunction(CUfunction *out, CUmodule module, const char *name) {
  char symbol[256];
  const size_t *(*sizes)(void) = NULL;
  ENTER_CONTEXT("cuModuleGetFunction");
  NEEDS(module && module->context == context, INVALID_HANDLE);
  CUfunction f = calloc(1, sizeof *f);
  if (!f) return leave(CUDA_ERROR_OUT_OF_MEMORY);
  snprintf(symbol, sizeof symbol, "cuda_double_entry_%s", name);
  *(void **)&f->run = dlsym(module->library, symbol);
  snprintf(symbol, sizeof symbol, "cuda_double_sizes_%s", name);
  *(void **)&sizes = dlsym(module->library, symbol);
  if (!f->run || !sizes) {
    free(f);
    return leave(CUDA_ERROR_NOT_FOUND);
  }
  f->next = module->functions;
  f->module = module;
  f->sizes = sizes();
  *out = module->functions = f;
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuFuncSetAttribute(CUfunction f, int attribute, int value) {
  ENTER("cuFuncSetAttribute");
  NEEDS(f && attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES && value >= 0 && value <= most_shared_bytes(),
        CUDA_ERROR_INVALID_VALUE);
  f->shared_bytes = (unsigned)value;
  return leave(CUDA_SUCCESS);
}

/* ---- launching ---- */

static size_t arguments_bytes(CUfunction f) {
  size_t n = 0, bytes = 0;
  for (; f->sizes[n]; n++) bytes += (f->sizes[n] + 15) / 16 * 16;
  return (n + 1) * sizeof(void *) + 16 + bytes;
}

/* The values of the arguments: the caller's may change when the call returns. */
void **copy_arguments(CUfunction f, void **arguments) {
  size_t n = 0;
  while (f->sizes[n]) n++;
  void **copies = calloc(1, arguments_bytes(f));
  if (!copies) abort();
  char *at = (char *)(((uintptr_t)(copies + n + 1) + 15) / 16 * 16);
  for (size_t i = 0; i < n; at += (f->sizes[i] + 15) / 16 * 16, i++)
    copies[i] = memcpy(at, arguments[i], f->sizes[i]);
  return copies;
}

bool can_launch(CUfunction f, const unsigned *grid, const unsigned *block, unsigned shared_bytes) {
  const uint64_t threads = (uint64_t)block[0] * block[1] * block[2];
  if (f && shared_bytes > PLAIN_SHARED_BYTES && shared_bytes > f->shared_bytes) return false;
  return f && threads >= 1 && threads <= FIBERS_MOST && block[2] <= 64 && grid[0] >= 1 && grid[1] >= 1 &&
         grid[2] >= 1 && grid[0] <= INT32_MAX && grid[1] <= 65535 && grid[2] <= 65535;
}

EXPORT CUresult cuLaunchKernel(CUfunction f, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                               unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                               CUstream stream, void **arguments, void **extra) {
  ENTER_CONTEXT("cuLaunchKernel");
  const unsigned grid[] = {grid_x, grid_y, grid_z}, block[] = {block_x, block_y, block_z};
  NEEDS(is_stream(stream) && stream->context == context && f && f->module->context == context,
        INVALID_HANDLE);
  NEEDS(can_launch(f, grid, block, shared_bytes) && !extra, CUDA_ERROR_INVALID_VALUE);
  work *w = add_work(stream, LAUNCH);
  w->function = f;
  memcpy(w->grid, grid, sizeof grid);
  memcpy(w->block, block, sizeof block);
  w->arguments = copy_arguments(f, arguments);
  return leave(CUDA_SUCCESS);
}

/* What the doubles of libraries queue: a call with a copy of its context. It makes no calls of the driver's. */
EXPORT CUresult cuda_double_queue(CUstream stream, void (*call)(void *), const void *context, size_t bytes) {
  ENTER("cuda_double_queue");
  NEEDS(is_stream(stream), INVALID_HANDLE);
  work *w = add_work(stream, CALL);
  w->call = call;
  w->context = malloc(bytes);
  if (!w->context) abort();
  memcpy(w->context, context, bytes);
  w->bytes = bytes;
  return leave(CUDA_SUCCESS);
}

/* The same of what has to do with other processes: it is asked, one at a time, until it is done. The device does nothing behind it
   meanwhile. */
EXPORT CUresult cuda_double_await(CUstream stream, bool (*is_done)(void *), const void *context, size_t bytes) {
  pthread_mutex_lock(&lock);
  NEEDS(is_stream(stream) && n_current && stream->context == current[n_current - 1], INVALID_HANDLE);
  NEEDS(!stream->captured, CAPTURE_UNSUPPORTED);
  work *w = add_work(stream, AWAIT);
  w->is_done = is_done;
  w->context = malloc(bytes);
  if (!w->context) abort();
  memcpy(w->context, context, bytes);
  return leave(CUDA_SUCCESS);
}

/* Another process waits for this one's devices: these go on as far as they can. */
EXPORT void cuda_double_go_on(void) {
  pthread_mutex_lock(&lock);
  for (int i = 0; i < n_streams; i++)
    while (streams[i]->first && do_first(streams[i])) {}
  pthread_mutex_unlock(&lock);
}

/* The device whose context is the thread's; -1: none. */
EXPORT int cuda_double_current(void) { return n_current ? current[n_current - 1]->device : -1; }
/* Asked by such work: is that memory of the device? */
EXPORT bool cuda_double_holds(int device, const char *at, size_t bytes) {
  for (memory *m = memories; m; m = m->next)
    if (at >= m->at && at + bytes <= m->at + m->bytes) return m->kind == DEVICE_MEMORY && m->device == device;
  return false;
}

/* Said by such a call: so long its work would take. */
EXPORT void cuda_double_spend(double ms) { clock_ms += ms; }

/* ---- for tests ---- */

/* How many kernels or copies are queued and not done. */
EXPORT long cuda_double_queued(const char *what) {
  long n = 0;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < n_streams; i++)
    for (const work *w = streams[i]->first; w; w = w->next) n += w->kind == (strcmp(what, "kernels") ? COPY : LAUNCH);
  pthread_mutex_unlock(&lock);
  return n;
}

/* How many there are now: "device memory", "host memory", "modules", "events", "streams", "pools", "graphs", "graph execs"; else how often the call of that
   name was made. */
EXPORT long cuda_double_count(const char *what) {
  long n = 0;
  pthread_mutex_lock(&lock);
  finish_all();
  for (const memory *m = memories; m; m = m->next)
    n += !strcmp(what, m->kind == DEVICE_MEMORY ? "device memory" : "host memory");
  if (!strcmp(what, "modules"))
    n = live_modules;
  else if (!strcmp(what, "events"))
    n = live_events;
  else if (!strcmp(what, "streams"))
    n = n_streams;
  else if (!strcmp(what, "pools"))
    n = live_pools;
  else if (!strcmp(what, "graphs"))
    n = live_graphs();
  else if (!strcmp(what, "graph execs"))
    n = live_graph_execs();
  else if (!strstr(what, "memory"))
    n = calls_of(what);
  pthread_mutex_unlock(&lock);
  return n;
}
