/* peers.c: copies from one GPU to another without the host, where both may use each other's memory. Whether they may is asked when
   two are first to pass something on; what can't be, or fails, goes by way of the host.

   A copy is on the queue of what comes to the one, and behind it on that of what leaves the other (order.c). Uses cuda.h, nccl.h. */
#include "backends/cuda/cuda.h"
#include "backends/cuda/nccl.h"
#include <stdlib.h>

/* Between two devices, in both directions. */
typedef struct link {
  bool asked;
  char missing[192]; /* why nothing can be passed on; empty: it can */
} link;
static link links[CUDA_MAX_DEVICES][CUDA_MAX_DEVICES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static link *link_of(int a, int b) { return a < b ? &links[a][b] : &links[b][a]; }

static void lacks(link *l, const char *call, CUresult status) {
  const char *name = NULL;
  cuda()->cuGetErrorName(status, &name);
  snprintf(l->missing, sizeof l->missing, "%s: %s (%d)", call, name ? name : "status", status);
}

/* ---- what can be known without opening the devices ---- */

static bool are_wanted(void) {
  const char *wanted = getenv("PONS_CUDA_PEERS");
  return !wanted || strcmp(wanted, "0") != 0;
}

/* May `user` use memory of `owner`? */
static bool has_access(link *l, int user, int owner) {
  int can = 0;
  const CUresult status = cuda()->cuDeviceCanAccessPeer(&can, cuda_card_at(user)->id, cuda_card_at(owner)->id);
  if (status != CUDA_SUCCESS) lacks(l, "cuDeviceCanAccessPeer", status);
  else if (!can) snprintf(l->missing, sizeof l->missing, "device %d has no access to the memory of device %d", user, owner);
  return status == CUDA_SUCCESS && can;
}

static bool may_be_linked(link *l, int a, int b) {
  if (!are_wanted()) snprintf(l->missing, sizeof l->missing, "PONS_CUDA_PEERS=0");
  else if (!cuda_has_peers()) snprintf(l->missing, sizeof l->missing, "the driver's library lacks entry points for it");
  else return has_access(l, a, b) && has_access(l, b, a);
  return false;
}

void cuda_report_peers(text *json) {
  if (cuda_count() < 2) return;
  text_add(json, ", \"copies from GPU to GPU\": {");
  for (int a = 0, n = 0; a < cuda_count(); a++) {
    for (int b = a + 1; b < cuda_count(); b++, n++) {
      link l = {0};
      const bool fine = may_be_linked(&l, a, b);
      text_add(json, "%s\"%d and %d\": ", n ? ", " : "", a, b);
      if (fine) text_add(json, "\"direct\"");
      else text_add(json, "\"by way of the host: %s\"", l.missing);
    }
  }
  text_add(json, "}");
}

/* ---- linking two devices that were opened; the lock is held ---- */

static void open_pool_to(link *l, cuda_device *owner, const cuda_device *user) {
  const CUmemAccessDesc access = {{CU_MEM_LOCATION_TYPE_DEVICE, cuda_card_at(user->index)->id},
                                  CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
  const CUresult status = cuda()->cuMemPoolSetAccess(owner->pool, &access, 1);
  if (status != CUDA_SUCCESS) lacks(l, "cuMemPoolSetAccess", status);
}

static void open_context_to(link *l, int user, const cuda_device *owner) {
  error *why = NULL;
  cuda_device *d = cuda_enter(user, &why);
  const CUresult status = d ? cuda()->cuCtxEnablePeerAccess(owner->context, 0) : CUDA_ERROR_NOT_INITIALIZED;
  if (d) cuda_leave(d);
  error_release(why);
  if (status != CUDA_SUCCESS && status != CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED) lacks(l, "cuCtxEnablePeerAccess", status);
}

static void open_to(link *l, cuda_device *owner, const cuda_device *user) {
  if (l->missing[0]) return;
  if (owner->pool) open_pool_to(l, owner, user);
  else open_context_to(l, user->index, owner);
}

static bool are_linked(cuda_device *a, cuda_device *b) {
  pthread_mutex_lock(&lock);
  link *l = link_of(a->index, b->index);
  if (!l->asked && may_be_linked(l, a->index, b->index)) {
    open_to(l, a, b);
    open_to(l, b, a);
  }
  l->asked = true;
  const bool linked = !l->missing[0];
  pthread_mutex_unlock(&lock);
  return linked;
}

static void unlink_devices(const cuda_device *a, const cuda_device *b, CUresult status) {
  pthread_mutex_lock(&lock);
  lacks(link_of(a->index, b->index), "cuMemcpyPeerAsync", status);
  pthread_mutex_unlock(&lock);
}

/* ---- passing on ---- */

static error *pass(cuda_device *from, cuda_block *b, cuda_device *to, cuda_block *copy, size_t at, size_t bytes) {
  error *why = cuda_order(to, CUDA_IN, copy, true);
  if (!why) why = cuda_order_across(to, CUDA_IN, from, b);
  if (why) return why;
  const CUresult status =
      cuda()->cuMemcpyPeerAsync(copy->at + at, to->context, b->at + at, from->context, bytes, to->queues[CUDA_IN].at);
  if (status != CUDA_SUCCESS && !cuda_is_lost(status)) {
    unlink_devices(from, to, status);
    return error_declined();
  }
  why = cuda_check(to, status, "cuMemcpyPeerAsync(%zu bytes from device %d)", bytes, from->index);
  cuda_count_use(to, CUDA_IN, copy, true);
  if (!why) why = cuda_order_across(from, CUDA_OUT, to, copy);
  cuda_count_use(from, CUDA_OUT, b, false);
  return why;
}

error *cuda_pass(int from_index, void *from, int to_index, void *to, size_t at, size_t bytes) {
  error *why = nccl_wait(from_index, false);
  if (!why) why = nccl_wait(to_index, false);
  cuda_device *a = why ? NULL : cuda_enter(from_index, &why), *b = a ? cuda_enter(to_index, &why) : NULL;
  if (b) why = are_linked(a, b) ? cuda_end_noting(a) : error_declined();
  if (b && !why) why = cuda_end_noting(b);
  if (b && !why) why = pass(a, from, b, to, at, bytes);
  if (b) cuda_leave(b);
  if (a) cuda_leave(a);
  return why;
}
