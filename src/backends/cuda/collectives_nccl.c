/* collectives_nccl.c: "AllReduce", "AllGather", "ReduceScatter", "Send", "Recv" by NCCL, on the queue of kernels.

   Processes decide together, or they would wait for each other in different places. Before the first call of a group that all make, each
   tells the others what its GPU is (link_meet): unless all have NCCL, one version of it, and a GPU each, all go by the host. At the first
   call on a GPU they connect, and tell each other whether that went well. From then on the group's calls are on that GPU; sends and
   receptions, which two make without the others, go by NCCL once the group is connected.

       meet ── all have NCCL ── connect ── all have ── calls on the queue ── waited for at the end of the plan
         └ no                      └ no
           by the host              by the host

   A GPU waits in a call until the others have made it. So nobody waits for the GPU without looking at the same time whether NCCL or the
   group's connections say that another process is gone: then the communicator is aborted, which ends what the GPU is doing for it, and what
   this thread launched is an error. The group is of no use any more; the device is. Calls are not blocking, so that these too can be given up.
   Nothing is captured into graphs. Uses nccl.h, program.h, links/. */
#include "backends/cuda/nccl.h"
#include "backends/cuda/program.h"
#include "links/links.h"
#include "ops/params.h"
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Of a group; process_group.device_state. Lives with the process. */
typedef struct nccl_group {
  struct nccl_group *next;
  process_group *group;
  pthread_mutex_t lock; /* of its calls */
  int index;            /* of its device */
  pid_t process;        /* that connected: not what it forks */
  ncclComm_t comm;      /* NULL: there is none */
  CUevent event;        /* behind the latest call */
  error *failed;        /* why there is none any more */
  char missing[192];    /* why there never was one; empty: there is, or it is not known yet */
  atomic_bool goes_by_host; /* that is known */
} nccl_group;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the list, and of whom a group belongs to */
static nccl_group *all;
static _Thread_local nccl_group *under_way; /* this thread launched calls, and its plan has not ended */

/* ---- what processes tell each other ---- */

typedef struct card {
  char has_nccl;
  int version;
  CUuuid gpu;
} card;

void nccl_introduce(int index, char at[DEVICE_CARD]) {
  card c = {0};
  if (!nccl() || nccl()->ncclGetVersion(&c.version) != ncclSuccess) return;
  if (cuda()->cuDeviceGetUuid(&c.gpu, cuda_card_at(index)->id) != CUDA_SUCCESS) return;
  c.has_nccl = 1;
  memcpy(at, &c, sizeof c);
}

static card card_of(const process_group *g, int rank) {
  card c;
  memcpy(&c, g->cards + (size_t)rank * DEVICE_CARD, sizeof c);
  return c;
}

/* All processes come to the same. */
static void compare_cards(nccl_group *n) {
  const process_group *g = n->group;
  const card first = card_of(g, 0);
  for (int i = 0; i < g->size && !n->missing[0]; i++) {
    const card c = card_of(g, i);
    if (!c.has_nccl)
      snprintf(n->missing, sizeof n->missing, "process %d has no GPU with NCCL", i);
    else if (c.version != first.version)
      snprintf(n->missing, sizeof n->missing, "process %d has NCCL %d, process 0 has %d", i, c.version, first.version);
    for (int k = 0; k < i && !n->missing[0]; k++) {
      const card other = card_of(g, k);
      if (!memcmp(&c.gpu, &other.gpu, sizeof c.gpu)) snprintf(n->missing, sizeof n->missing, "processes %d and %d use one GPU", k, i);
    }
  }
}

/* ---- what goes wrong ---- */

static void describe(char *to, size_t room, const char *call, ncclResult_t status, ncclComm_t comm) {
  const char *more = nccl()->ncclGetLastError(comm);
  snprintf(to, room, "%s: %s (%d)%s%s", call, nccl()->ncclGetErrorString(status), status, more && *more ? ": " : "", more ? more : "");
}

/* The group's lock is held, in what follows. What the device does for the communicator ends; the others learn of it by the link. */
static error *leave(nccl_group *n, error *why) {
  if (!why || n->failed) return why;
  if (n->comm) nccl()->ncclCommAbort(n->comm);
  n->comm = NULL;
  n->failed = error_keep(why);
  link_leave(n->group, why);
  return why;
}

static error *give_up(nccl_group *n, const char *words) {
  return leave(n, fail_as(PONS_ERROR_RUNTIME, "nccl", "process %d of %d, on device %d: %s", n->group->rank, n->group->size, n->index, words));
}

static error *give_up_for(nccl_group *n, const char *call, ncclResult_t status) {
  char words[512];
  describe(words, sizeof words, call, status, n->comm);
  return give_up(n, words);
}

/* ---- waiting, with an eye on the others ---- */

typedef struct patience {
  int64_t begun, looked, gone; /* gone: when somebody was found to be; 0: nobody */
  int64_t seconds;             /* in all */
} patience;

static patience patience_of(const char *variable, int64_t otherwise) {
  const int64_t given = link_number(variable, otherwise, INT32_MAX);
  return (patience){.begun = time_ns(), .seconds = given < 0 ? otherwise : given};
}

/* A while goes by. False, and in words why: there is no use in waiting on. Who has ended may have done its part before. */
static bool waits(patience *p, const process_group *g, char words[128]) {
  enum { SPIN = 200000, LOOK = 10000000, GRACE = 1000000000 }; /* ns */
  const int64_t now = time_ns();
  if (now - p->begun < SPIN) return pause_briefly(), true;
  nanosleep(&(struct timespec){.tv_nsec = SPIN / 4}, NULL);
  if (now - p->looked < LOOK) return true;
  p->looked = now;
  const int gone = g->broken ? g->rank : link_gone(g);
  if (gone >= 0 && !p->gone) p->gone = now;
  if (gone >= 0 && now - p->gone > GRACE && g->broken)
    snprintf(words, 128, "the group failed before: %s", error_text(g->broken));
  else if (gone >= 0 && now - p->gone > GRACE)
    snprintf(words, 128, "process %d has ended or closed the connection", gone);
  else if (now - p->begun > p->seconds * 1000000000)
    snprintf(words, 128, "other processes were waited for in vain (%lld seconds)", (long long)p->seconds);
  else
    return true;
  return false;
}

/* What becomes of a call that gave `status`. */
static ncclResult_t settle(nccl_group *n, ncclResult_t status, patience *p, char words[128]) {
  while (status == ncclInProgress) {
    ncclResult_t now = ncclInProgress;
    const ncclResult_t asked = nccl()->ncclCommGetAsyncError(n->comm, &now);
    status = asked != ncclSuccess ? asked : now;
    if (status == ncclInProgress && !waits(p, n->group, words)) break;
  }
  return status;
}

/* ---- connecting ---- */

typedef struct hello {
  ncclUniqueId id;
  char missing[64];
} hello;

/* Process 0's. */
static error *share_id(nccl_group *n, ncclUniqueId *id) {
  process_group *g = n->group;
  hello *hellos = mem_zalloc((size_t)g->size * sizeof *hellos);
  if (!hellos) return fail_no_memory("nccl");
  if (g->rank == 0) {
    const ncclResult_t status = nccl()->ncclGetUniqueId(&hellos->id);
    if (status != ncclSuccess) describe(hellos->missing, sizeof hellos->missing, "ncclGetUniqueId", status, NULL);
  }
  error *why = link_run(g, &(link_call){.op = LINK_ALL_GATHER, .dtype = PONS_UINT8, .n = sizeof *hellos, .data = hellos});
  *id = hellos->id;
  if (!why && hellos->missing[0]) snprintf(n->missing, sizeof n->missing, "process 0: %.*s", (int)sizeof hellos->missing, hellos->missing);
  mem_free(hellos);
  return why;
}

static void join(nccl_group *n, ncclUniqueId id) {
  ncclConfig_t config = {.size = sizeof config, .magic = (unsigned)NCCL_API_MAGIC, .version = NCCL_CONFIG_VERSION, .blocking = 0};
  patience p = patience_of("PONS_CONNECT_TIMEOUT", 60);
  char words[128] = "";
  if (cuda()->cuEventCreate(&n->event, CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS) {
    n->event = NULL;
    snprintf(n->missing, sizeof n->missing, "process %d has no event on its device", n->group->rank);
    return;
  }
  ncclResult_t status = nccl()->ncclCommInitRankConfig(&n->comm, n->group->size, id, n->group->rank, &config);
  status = settle(n, status, &p, words);
  if (status == ncclSuccess) return;
  char told[144];
  describe(told, sizeof told, "ncclCommInitRankConfig", status, NULL);
  snprintf(n->missing, sizeof n->missing, "process %d: %s", n->group->rank, words[0] ? words : told);
}

/* Did it go well in all processes? */
static error *agree(nccl_group *n, cuda_device *d) {
  int32_t fine = !n->missing[0];
  error *why = link_run(n->group, &(link_call){.op = LINK_ALL_REDUCE, .reduce = LINK_MIN, .dtype = PONS_INT32, .n = 1, .data = &fine});
  if (!why && fine) return NULL;
  if (n->comm) nccl()->ncclCommAbort(n->comm);
  n->comm = NULL;
  if (n->event) error_release(cuda_check(d, cuda()->cuEventDestroy(n->event), "cuEventDestroy"));
  n->event = NULL;
  if (!n->missing[0]) snprintf(n->missing, sizeof n->missing, "another process could not join NCCL's communicator");
  return why;
}

/* What is left at the end of the process: others may still take what this one gave. */
static void finish_all(void) {
  enum { MOST = 5 }; /* seconds */
  for (nccl_group *n = all; n; n = n->next) {
    patience p = {.begun = time_ns(), .seconds = MOST};
    char words[128];
    cuda_device *d = n->comm && n->process == getpid() ? cuda_enter_opened(n->index) : NULL;
    if (!d) continue;
    const ncclResult_t status = settle(n, nccl()->ncclCommFinalize(n->comm), &p, words);
    if (status == ncclSuccess) nccl()->ncclCommDestroy(n->comm);
    else nccl()->ncclCommAbort(n->comm);
    n->comm = NULL;
    cuda_leave(d);
  }
}

static void finish_at_exit(void) { atexit(finish_all); }

static error *connect(nccl_group *n, cuda_device *d) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  ncclUniqueId id;
  n->index = d->index;
  n->process = getpid();
  error *why = share_id(n, &id);
  if (why || n->missing[0]) return why;
  join(n, id);
  why = agree(n, d);
  if (n->comm) pthread_once(&once, finish_at_exit);
  return why;
}

/* ---- groups ---- */

static nccl_group *group_of(process_group *g, bool makes) {
  pthread_mutex_lock(&lock);
  nccl_group *n = g->device_state;
  if (!n && makes && (n = mem_zalloc(sizeof *n))) {
    pthread_mutex_init(&n->lock, NULL);
    n->group = g;
    n->next = all;
    g->device_state = all = n;
  }
  pthread_mutex_unlock(&lock);
  return n;
}

/* Is its communicator there? error_declined(): all go by the host. The lock is held. */
static error *ready(nccl_group *n, cuda_device *d, bool all_take_part) {
  error *why = NULL;
  if (n->group->broken)
    return leave(n, fail_as(PONS_ERROR_RUNTIME, "nccl", "the group failed before: %s", error_text(n->group->broken)));
  if (!n->comm && !n->missing[0] && all_take_part) {
    why = link_meet(n->group, &driver_cuda, d->index);
    if (!why) compare_cards(n);
    if (!why && !n->missing[0]) why = connect(n, d);
    atomic_store(&n->goes_by_host, n->missing[0] != 0);
  }
  if (why || !n->comm) return why ? why : error_declined();
  return n->index == d->index ? NULL
                              : fail_as(PONS_ERROR_RUNTIME, "nccl", "the group's calls are on device %d, where its first was, not on %d",
                                        n->index, d->index);
}

/* ---- calls ---- */

static const uint8_t types[PONS_DTYPE_COUNT] = { /* 1 + ncclDataType_t; 0: it joins none of them */
    [PONS_INT8] = 1 + ncclInt8,       [PONS_UINT8] = 1 + ncclUint8,     [PONS_INT32] = 1 + ncclInt32,       [PONS_UINT32] = 1 + ncclUint32,
    [PONS_INT64] = 1 + ncclInt64,     [PONS_UINT64] = 1 + ncclUint64,   [PONS_FLOAT16] = 1 + ncclFloat16,   [PONS_FLOAT32] = 1 + ncclFloat32,
    [PONS_FLOAT64] = 1 + ncclFloat64, [PONS_BFLOAT16] = 1 + ncclBfloat16};
static const int reductions[LINK_REDUCES] = {[LINK_SUM] = ncclSum, [LINK_MAX] = ncclMax, [LINK_MIN] = ncclMin};

static bool joins(link_op op) { return op == LINK_ALL_REDUCE || op == LINK_REDUCE_SCATTER; }

/* 1 + the type as which elements are joined; what is only moved goes as bytes. */
static int type_of(const launch *l, link_op op) {
  const collective_params *p = l->params;
  const pons_dtype d = l->out->dtype;
  if (!joins(op)) return 1 + ncclUint8;
  if (d == PONS_COMPLEX64 && p->reduce == LINK_SUM) return 1 + ncclFloat32;
  if (d == PONS_BOOL && p->reduce != LINK_SUM) return 1 + ncclUint8;
  return types[d];
}

/* Of elements as they go. */
static size_t count_of(const launch *l, link_op op) {
  const operand *x = op == LINK_ALL_GATHER ? l->in : l->out;
  const size_t n = (size_t)shape_size(x->ndim, x->shape), bytes = pons_dtype_size(x->dtype);
  return !joins(op) ? n * bytes : x->dtype == PONS_COMPLEX64 ? 2 * n : n;
}

static const char *refuses(const launch *l, link_op op) {
  const collective_params *p = l->params;
  const nccl_group *n = group_of(p->group, false);
  if (n && atomic_load(&n->goes_by_host)) return n->missing;
  return type_of(l, op) ? NULL : "NCCL joins no such elements";
}

/* Where elements begin. */
typedef struct place {
  cuda_block *block;
  int64_t offset;
} place;
static place place_of(const operand *x) {
  const location *at = x->data;
  return (place){at->memory, at->offset};
}
static void *address(place p) { return (void *)(uintptr_t)(p.block->at + (CUdeviceptr)p.offset); }

/* The operand in rows from there on. */
static error *copy_in_rows(const operand *x, int index, place to) {
  location where = {to.block, to.offset, index};
  operand y = *x;
  int64_t strides[PONS_MAX_NDIM];
  shape_row_major(x->ndim, x->shape, strides);
  y.data = &where;
  y.strides = strides;
  return gpu_copy_to(&gpu_cuda, x, &y);
}

/* What the call reads, made where it is not there in rows: in the result's memory, where it has room. `taken`: memory to be given back. */
static error *prepare(const launch *l, link_op op, const nccl_group *n, place out, place *from, void **taken) {
  error *why = NULL;
  if (op == LINK_RECV) return *from = out, NULL;
  const operand *x = l->in;
  const size_t bytes = (size_t)shape_size(x->ndim, x->shape) * pons_dtype_size(x->dtype);
  *from = place_of(x);
  if (op != LINK_SEND && operand_is_row_major(x)) return NULL;
  *from = out;
  if (op == LINK_ALL_GATHER) from->offset += (int64_t)bytes * n->group->rank;
  if (op == LINK_REDUCE_SCATTER) *from = (place){*taken = cuda_take(n->index, bytes, &why), 0};
  return why ? why : copy_in_rows(x, n->index, *from);
}

static error *put(nccl_group *n, cuda_device *d, const launch *l, link_op op, place from, place to) {
  static const char *const names[LINK_OPS] = {"ncclAllReduce", "ncclAllGather", "ncclReduceScatter", "ncclSend", "ncclRecv"};
  const nccl_api *api = nccl();
  const collective_params *p = l->params;
  const size_t count = count_of(l, op);
  const int type = type_of(l, op) - 1, reduction = reductions[p->reduce];
  const CUstream queue = cuda_work(d);
  patience waiting = patience_of("PONS_PEER_TIMEOUT", 1800);
  char words[128] = "";
  ncclResult_t status = op == LINK_ALL_REDUCE ? api->ncclAllReduce(address(from), address(to), count, type, reduction, n->comm, queue)
                        : op == LINK_ALL_GATHER ? api->ncclAllGather(address(from), address(to), count, type, n->comm, queue)
                        : op == LINK_REDUCE_SCATTER
                            ? api->ncclReduceScatter(address(from), address(to), count, type, reduction, n->comm, queue)
                        : op == LINK_SEND ? api->ncclSend(address(from), count, type, p->peer, n->comm, queue)
                                          : api->ncclRecv(address(to), count, type, p->peer, n->comm, queue);
  status = settle(n, status, &waiting, words);
  if (status == ncclSuccess) return leave(n, cuda_check(d, cuda()->cuEventRecord(n->event, queue), "cuEventRecord"));
  return words[0] ? give_up(n, words) : give_up_for(n, names[op], status);
}

static error *make_call(nccl_group *n, cuda_device *d, const launch *l, link_op op) {
  const place out = place_of(l->out);
  place from = {0};
  void *taken = NULL;
  if (count_of(l, op) == 0) return NULL;
  error *why = cuda_end_noting(d);
  if (!why) why = prepare(l, op, n, out, &from, &taken);
  if (!why) {
    void *const memories[] = {out.block, from.block};
    why = cuda_mark_plan(d);
    if (!why) why = cuda_order_all(d, 2, memories, 1);
    if (!why) why = put(n, d, l, op, from, out);
    under_way = n;
    cuda_count_uses(d, 2, memories, 1);
  }
  if (taken) cuda_give(n->index, taken);
  return why;
}

static error *run(const launch *l, link_op op) {
  const collective_params *p = l->params;
  const int index = ((const location *)l->out->data)->device;
  nccl_group *n = group_of(p->group, true);
  error *why = n ? NULL : fail_no_memory("nccl");
  if (!why && under_way && under_way != n) why = nccl_wait(under_way->index, false);
  cuda_device *d = why ? NULL : cuda_enter(index, &why);
  if (!d) return why;
  pthread_mutex_lock(&n->lock);
  why = ready(n, d, op < LINK_SEND);
  if (!why) why = make_call(n, d, l, op);
  pthread_mutex_unlock(&n->lock);
  cuda_leave(d);
  return why;
}

#define COLLECTIVE(name, op)                                                  \
  const char *nccl_refuses_##name(const launch *l) { return refuses(l, op); } \
  error *nccl_##name(const launch *l) { return run(l, op); }
COLLECTIVE(all_reduce, LINK_ALL_REDUCE)
COLLECTIVE(all_gather, LINK_ALL_GATHER)
COLLECTIVE(reduce_scatter, LINK_REDUCE_SCATTER)
COLLECTIVE(send, LINK_SEND)
COLLECTIVE(recv, LINK_RECV)

/* ---- waiting for what was launched ---- */

static error *wait_for(nccl_group *n, cuda_device *d) {
  patience p = patience_of("PONS_PEER_TIMEOUT", 1800);
  char words[128];
  CUresult status;
  while (n->comm && (status = cuda()->cuEventQuery(n->event)) != CUDA_SUCCESS) {
    ncclResult_t now = ncclSuccess;
    if (status != CUDA_ERROR_NOT_READY) return leave(n, cuda_check(d, status, "cuEventQuery"));
    const ncclResult_t asked = nccl()->ncclCommGetAsyncError(n->comm, &now);
    if (asked != ncclSuccess || now != ncclSuccess) return give_up_for(n, "ncclCommGetAsyncError", asked != ncclSuccess ? asked : now);
    if (!waits(&p, n->group, words)) return give_up(n, words);
  }
  error_meet(n->failed);
  return error_keep(n->failed);
}

error *nccl_wait(int index, bool ends) {
  nccl_group *n = under_way;
  error *why = NULL;
  if (!n || n->index != index) return NULL;
  if (ends) under_way = NULL;
  cuda_device *d = cuda_enter(index, &why);
  if (!d) return why;
  pthread_mutex_lock(&n->lock);
  why = wait_for(n, d);
  pthread_mutex_unlock(&n->lock);
  cuda_leave(d);
  return why;
}
