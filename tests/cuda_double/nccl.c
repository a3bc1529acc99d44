/* nccl.c: a double of NCCL (libnccl.so.2): processes meet in a file that all map, where each has a place for what it gives the others; it is
   unlinked when all have come. Calls give ncclInProgress at first, and are queued on the driver's double when they are asked about for the
   second time, as late as they may. What a process's device has to do for others is done when one of them waits for it.

       rank 0   gives ──┐                    ┌── takes, when all have given
       rank 1   gives ──┴── a piece for each ┴── takes; then the places are free for the next call

   A process that ended (it has let go of its lock on a byte of the file), or left its communicator, is an error that is only told when it
   is asked for; what was queued waits until ncclCommAbort. What the processes ask for must fit together: else a message, and abort.
   Uses cuda/nccl.h for its types, faults.h, half.h. */
#include "backends/cuda/nccl.h"
#include "tests/cuda_double/queue.h"
#include "tests/doubles/faults.h"
#include "tests/doubles/half.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define SHOULD(condition, ...)                                                                     \
  do {                                                                                             \
    if (!(condition)) fprintf(stderr, "nccl double: " __VA_ARGS__), fputc('\n', stderr), abort(); \
  } while (0)

enum { MOST = 4, ROOM = 4 << 20 }; /* ranks; bytes that a call may have of each */
enum { ALL_REDUCE, ALL_GATHER, REDUCE_SCATTER, SEND, RECV };

typedef struct header {
  int kind, type, op;
  size_t count;
} header;
typedef struct given { /* by one to another, or to all */
  atomic_ulong given, taken; /* how many calls so far; for `all` taken: by the rank, of the others' */
  header what;
} given;
typedef struct meeting {
  atomic_int came, failed;
  struct {
    atomic_bool is_there, waits, finished, aborted;
    CUuuid uuid;
    int size;
    given all, to[MOST];
  } ranks[MOST];
  char room[MOST][MOST + 1][ROOM];
} meeting;

typedef struct call {
  ncclComm_t comm;
  CUstream stream;
  header what;
  const char *in;
  char *out;
  int peer;
  unsigned long number; /* of its sort */
  bool was_asked, has_given;
} call;

struct ncclComm {
  meeting *at;
  char path[sizeof(ncclUniqueId)];
  int file, rank, size, device, polls;
  atomic_int status; /* what ncclCommGetAsyncError gives */
  atomic_int users;  /* its calls that are not done, and the process */
  atomic_bool aborted, ends;
  bool is_joined, is_pending, is_finishing;
  call next;                               /* is to be queued, if pending */
  unsigned long all, to[MOST], from[MOST]; /* calls so far */
  pthread_t goes_on;
};

static driver_together gpu;
static atomic_int live;
static char latest[160];

/* ---- whom it may wait for ---- */

static struct flock byte_of(int rank) { return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = rank, .l_len = 1}; }

static bool is_gone(ncclComm_t c, int rank) {
  struct flock lock = byte_of(rank);
  if (rank == c->rank || number_of("NCCL_DOUBLE_BLIND", 0)) return false;
  if (atomic_load(&c->at->ranks[rank].aborted)) return true;
  return atomic_load(&c->at->ranks[rank].is_there) && fcntl(c->file, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

/* Of the calling thread's doing: an error that work has met since stays. */
static bool turns(ncclComm_t c, int before, int status) { return atomic_compare_exchange_strong(&c->status, &before, status); }

static void fails(ncclComm_t c, int status, const char *text) {
  snprintf(latest, sizeof latest, "%s", text);
  atomic_store(&c->status, status);
}

static void let_go(ncclComm_t c) {
  if (atomic_fetch_sub(&c->users, 1) != 1) return;
  munmap(c->at, sizeof *c->at);
  close(c->file);
  free(c);
  live--;
}

/* Others wait for what lies on this process's queues. */
static void *go_on(void *comm) {
  ncclComm_t c = comm;
  for (; !atomic_load(&c->ends); usleep(200)) {
    bool is_waited_for = false;
    for (int i = 0; i < c->size; i++) is_waited_for |= i != c->rank && atomic_load(&c->at->ranks[i].waits);
    if (is_waited_for) gpu.go_on();
  }
  return NULL;
}

/* ---- what calls do ---- */

static size_t size_of(int type) {
  static const size_t sizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
  SHOULD(type >= 0 && type <= ncclBfloat16, "no such type: %d", type);
  return sizes[type];
}

#define JOIN(T)                                                                             \
  {                                                                                         \
    T x, y;                                                                                 \
    memcpy(&x, into, sizeof x), memcpy(&y, from, sizeof y);                                 \
    x = op == ncclSum ? (T)(x + y) : op == ncclMax ? (y > x ? y : x) : (y < x ? y : x);     \
    memcpy(into, &x, sizeof x);                                                             \
    break;                                                                                  \
  }
static float read_half(int type, const char *at) {
  uint16_t bits;
  memcpy(&bits, at, sizeof bits);
  const uint32_t wide = (uint32_t)bits << 16;
  float x;
  memcpy(&x, &wide, sizeof x);
  return type == ncclFloat16 ? (float)half_value(bits) : x;
}
static void write_half(int type, float x, char *at) {
  uint32_t wide;
  memcpy(&wide, &x, sizeof wide);
  const uint16_t bits = type == ncclFloat16 ? half_nearest(x) : (uint16_t)((wide + 0x7fff + (wide >> 16 & 1)) >> 16);
  memcpy(at, &bits, sizeof bits);
}
static void join_one(int type, int op, const char *from, char *into) {
  switch (type) {
    case ncclInt8: JOIN(int8_t)
    case ncclUint8: JOIN(uint8_t)
    case ncclInt32: JOIN(int32_t)
    case ncclUint32: JOIN(uint32_t)
    case ncclInt64: JOIN(int64_t)
    case ncclUint64: JOIN(uint64_t)
    case ncclFloat32: JOIN(float)
    case ncclFloat64: JOIN(double)
    default: {
      const float x = read_half(type, into), y = read_half(type, from),
                  z = op == ncclSum ? x + y : op == ncclMax ? (y > x ? y : x) : (y < x ? y : x);
      write_half(type, z, into);
    }
  }
}

/* Elements from the `first` on of what all gave, joined in order of rank. */
static void join_all(const call *k, size_t first) {
  const size_t each = size_of(k->what.type), bytes = k->what.count * each;
  memcpy(k->out, k->comm->at->room[0][MOST] + first * each, bytes);
  for (int i = 1; i < k->comm->size; i++)
    for (size_t at = 0; at < bytes; at += each)
      join_one(k->what.type, k->what.op, k->comm->at->room[i][MOST] + first * each + at, k->out + at);
}

/* False: it is not done, since that rank has not done its part. */
static bool lacks(const call *k, int rank) {
  char text[64];
  snprintf(text, sizeof text, "connection closed by remote peer %d", rank);
  if (is_gone(k->comm, rank)) fails(k->comm, ncclRemoteError, text);
  return false;
}

/* Of all ranks: the calls before must be done with, then each gives, then each takes. */
static bool together(call *k) {
  ncclComm_t c = k->comm;
  given *mine = &c->at->ranks[c->rank].all;
  const size_t part = k->what.count * size_of(k->what.type), bytes = k->what.kind == REDUCE_SCATTER ? part * (size_t)c->size : part;
  SHOULD(bytes <= ROOM, "%zu bytes are more than a test should need", bytes);
  for (int i = 0; i < c->size && !k->has_given; i++)
    if (atomic_load(&c->at->ranks[i].all.taken) < k->number) return lacks(k, i);
  if (!k->has_given) {
    memcpy(c->at->room[c->rank][MOST], k->in, bytes);
    mine->what = k->what;
    atomic_store(&mine->given, k->number + 1);
    k->has_given = true;
  }
  for (int i = 0; i < c->size; i++)
    if (atomic_load(&c->at->ranks[i].all.given) <= k->number) return lacks(k, i);
  for (int i = 0; i < c->size; i++)
    SHOULD(!memcmp(&c->at->ranks[i].all.what, &k->what, sizeof k->what), "ranks %d and %d do not ask for the same", i, c->rank);
  if (k->what.kind == ALL_REDUCE) join_all(k, 0);
  if (k->what.kind == REDUCE_SCATTER) join_all(k, (size_t)c->rank * k->what.count);
  for (int i = 0; i < c->size && k->what.kind == ALL_GATHER; i++) memcpy(k->out + (size_t)i * part, c->at->room[i][MOST], part);
  atomic_store(&mine->taken, k->number + 1);
  return true;
}

/* A send is over when it was taken. */
static bool in_pairs(call *k) {
  ncclComm_t c = k->comm;
  const bool sends = k->what.kind == SEND;
  const int from = sends ? c->rank : k->peer, to = sends ? k->peer : c->rank;
  given *way = &c->at->ranks[from].to[to];
  const size_t bytes = k->what.count * size_of(k->what.type);
  SHOULD(bytes <= ROOM, "%zu bytes are more than a test should need", bytes);
  if (sends && !k->has_given) {
    memcpy(c->at->room[from][to], k->in, bytes);
    way->what = k->what;
    atomic_store(&way->given, k->number + 1);
    k->has_given = true;
  }
  if (sends) return atomic_load(&way->taken) > k->number || lacks(k, to);
  if (atomic_load(&way->given) <= k->number) return lacks(k, from);
  SHOULD(way->what.count == k->what.count && way->what.type == k->what.type, "what %d sends is not what %d expects", from, to);
  memcpy(k->out, c->at->room[from][to], bytes);
  atomic_store(&way->taken, k->number + 1);
  return true;
}

/* How many bytes of memory it reads and writes, which must be the device's. */
static void check_memory(const call *k) {
  const size_t part = k->what.count * size_of(k->what.type), all = part * (size_t)k->comm->size;
  const size_t in = k->what.kind == REDUCE_SCATTER ? all : part, out = k->what.kind == ALL_GATHER ? all : part;
  SHOULD((!k->in || gpu.holds(k->comm->device, k->in, in)) && (!k->out || gpu.holds(k->comm->device, k->out, out)),
         "operands of call %d are not memory of the device, or not any more", k->what.kind);
}

/* Asked by the driver's double, one at a time. What failed stays until the communicator is aborted. */
static bool is_done(void *context) {
  call *k = context;
  ncclComm_t c = k->comm;
  if (!k->was_asked) {
    const int fault = fault_of("nccl work");
    if (fault) fails(c, fault, "the double was told to fail");
    check_memory(k);
  }
  k->was_asked = true;
  const int status = atomic_load(&c->status);
  const bool fails_now = status != ncclSuccess && status != ncclInProgress;
  const bool done = atomic_load(&c->aborted) || (!fails_now && (k->what.kind < SEND ? together(k) : in_pairs(k)));
  atomic_store(&c->at->ranks[c->rank].waits, !done);
  if (done) let_go(c);
  return done;
}

/* ---- communicators ---- */

EXPORT ncclResult_t ncclGetVersion(int *version) {
  *version = (int)number_of("NCCL_DOUBLE_VERSION", 22304);
  return fault_of("ncclGetVersion");
}

EXPORT ncclResult_t ncclGetUniqueId(ncclUniqueId *id) {
  const char *folder = getenv("TMPDIR");
  const int status = fault_of("ncclGetUniqueId");
  memset(id, 0, sizeof *id);
  if (status) return status;
  snprintf(id->internal, sizeof id->internal, "%s/nccl-double-XXXXXX", folder ? folder : P_tmpdir);
  const int file = mkstemp(id->internal);
  if (file < 0 || ftruncate(file, sizeof(meeting)) != 0) return ncclSystemError;
  close(file);
  return ncclSuccess;
}

EXPORT ncclResult_t ncclCommInitRankConfig(ncclComm_t *out, int n_ranks, ncclUniqueId id, int rank, ncclConfig_t *config) {
  const int status = fault_of("ncclCommInitRankConfig");
  *out = NULL;
  SHOULD(config->size == sizeof *config && config->magic == (unsigned)NCCL_API_MAGIC && config->version == NCCL_CONFIG_VERSION &&
             config->blocking == 0,
         "such a configuration is not known");
  SHOULD(rank >= 0 && rank < n_ranks && n_ranks <= MOST, "rank %d of %d", rank, n_ranks);
  if (status) unlink(id.internal);
  if (status || !find_together(&gpu)) return status ? status : ncclInternalError;
  ncclComm_t c = calloc(1, sizeof *c);
  SHOULD(c, "no memory");
  c->file = open(id.internal, O_RDWR);
  c->at = c->file < 0 ? MAP_FAILED : mmap(NULL, sizeof(meeting), PROT_READ | PROT_WRITE, MAP_SHARED, c->file, 0);
  struct flock lock = byte_of(rank);
  if (c->at == MAP_FAILED || fcntl(c->file, F_OFD_SETLK, &lock) != 0) {
    snprintf(latest, sizeof latest, "nobody is at the place to meet");
    free(c);
    return ncclRemoteError;
  }
  memcpy(c->path, id.internal, sizeof c->path);
  c->rank = rank, c->size = n_ranks, c->device = gpu.current();
  atomic_init(&c->users, 1);
  atomic_init(&c->status, ncclInProgress);
  SHOULD(c->device >= 0 && gpu.uuid(&c->at->ranks[rank].uuid, c->device) == CUDA_SUCCESS, "no device is current");
  c->at->ranks[rank].size = n_ranks;
  atomic_store(&c->at->ranks[rank].is_there, true);
  if (atomic_fetch_add(&c->at->came, 1) + 1 == n_ranks) unlink(c->path);
  SHOULD(pthread_create(&c->goes_on, NULL, go_on, c) == 0, "no thread");
  live++;
  *out = c;
  return ncclInProgress;
}

static void join_others(ncclComm_t c) {
  const int fault = fault_of("nccl joins");
  if (fault) fails(c, fault, "the double was told to fail");
  for (int i = 0; i < c->size; i++)
    if (is_gone(c, i)) fails(c, ncclRemoteError, "connection closed by remote peer");
  if (atomic_load(&c->status) != ncclInProgress || atomic_load(&c->at->came) < c->size) return;
  for (int i = 0; i < c->size; i++) {
    SHOULD(c->at->ranks[i].size == c->size, "ranks %d and %d are of groups of other sizes", i, c->rank);
    if (i != c->rank && !memcmp(&c->at->ranks[i].uuid, &c->at->ranks[c->rank].uuid, sizeof(CUuuid)))
      fails(c, ncclInvalidUsage, "Duplicate GPU detected");
  }
  c->is_joined = true;
  turns(c, ncclInProgress, ncclSuccess);
}

static void queue_next(ncclComm_t c) {
  c->is_pending = false;
  atomic_fetch_add(&c->users, 1);
  if (gpu.await(c->next.stream, is_done, &c->next, sizeof c->next) == CUDA_SUCCESS) {
    turns(c, ncclInProgress, ncclSuccess);
    return;
  }
  atomic_fetch_sub(&c->users, 1);
  fails(c, ncclInternalError, "the driver takes no work");
}

static bool all_have_finished(ncclComm_t c) {
  bool all = atomic_load(&c->users) == 1;
  for (int i = 0; i < c->size; i++) all &= atomic_load(&c->at->ranks[i].finished) || is_gone(c, i);
  return all;
}

EXPORT ncclResult_t ncclCommGetAsyncError(ncclComm_t c, ncclResult_t *out) {
  enum { POLLS = 2 };
  const int status = fault_of("ncclCommGetAsyncError");
  if (status) return status;
  if (atomic_load(&c->status) == ncclInProgress) {
    if (!c->is_joined) join_others(c);
    else if (c->is_pending && ++c->polls == POLLS) queue_next(c);
    else if (c->is_finishing && all_have_finished(c)) turns(c, ncclInProgress, ncclSuccess);
  }
  *out = atomic_load(&c->status);
  return ncclSuccess;
}

EXPORT ncclResult_t ncclCommFinalize(ncclComm_t c) {
  const int status = fault_of("ncclCommFinalize");
  SHOULD(!c->is_pending && c->is_joined, "a communicator is finished before it has begun");
  if (status) return status;
  c->is_finishing = true;
  atomic_store(&c->at->ranks[c->rank].finished, true);
  return turns(c, ncclSuccess, ncclInProgress) ? ncclInProgress : atomic_load(&c->status);
}

static void end(ncclComm_t c) {
  atomic_store(&c->ends, true);
  pthread_join(c->goes_on, NULL);
  let_go(c);
}

EXPORT ncclResult_t ncclCommDestroy(ncclComm_t c) {
  SHOULD(c->is_finishing && atomic_load(&c->status) == ncclSuccess, "a communicator is destroyed that is not finished");
  end(c);
  return fault_of("ncclCommDestroy");
}

EXPORT ncclResult_t ncclCommAbort(ncclComm_t c) {
  if (atomic_load(&c->at->came) < c->size) unlink(c->path);
  atomic_store(&c->at->ranks[c->rank].aborted, true);
  atomic_store(&c->aborted, true);
  end(c);
  return fault_of("ncclCommAbort");
}

/* ---- calls ---- */

static ncclResult_t begin(const char *name, ncclComm_t c, call k) {
  const int fault = fault_of(name);
  SHOULD(c->is_joined && !c->is_pending && !c->is_finishing, "%s: the communicator is not ready", name);
  SHOULD(gpu.current() == c->device, "%s: another device is current", name);
  SHOULD(k.what.op == ncclSum || k.what.op == ncclMax || k.what.op == ncclMin, "%s: operation %d", name, k.what.op);
  SHOULD(k.what.count > 0, "%s: no elements", name);
  if (k.what.kind >= SEND) SHOULD(k.peer >= 0 && k.peer < c->size && k.peer != c->rank, "%s: rank %d", name, k.peer);
  if (fault) return snprintf(latest, sizeof latest, "the double was told to fail"), fault;
  if (!turns(c, ncclSuccess, ncclInProgress)) return atomic_load(&c->status);
  unsigned long *number = k.what.kind == SEND ? &c->to[k.peer] : k.what.kind == RECV ? &c->from[k.peer] : &c->all;
  k.number = (*number)++;
  k.comm = c;
  c->next = k;
  c->is_pending = true;
  c->polls = 0;
  return ncclInProgress;
}

EXPORT ncclResult_t ncclAllReduce(const void *in, void *out, size_t n, int type, int op, ncclComm_t c, CUstream s) {
  return begin("ncclAllReduce", c, (call){.stream = s, .what = {ALL_REDUCE, type, op, n}, .in = in, .out = out});
}
EXPORT ncclResult_t ncclAllGather(const void *in, void *out, size_t n, int type, ncclComm_t c, CUstream s) {
  return begin("ncclAllGather", c, (call){.stream = s, .what = {ALL_GATHER, type, ncclSum, n}, .in = in, .out = out});
}
EXPORT ncclResult_t ncclReduceScatter(const void *in, void *out, size_t n, int type, int op, ncclComm_t c, CUstream s) {
  return begin("ncclReduceScatter", c, (call){.stream = s, .what = {REDUCE_SCATTER, type, op, n}, .in = in, .out = out});
}
EXPORT ncclResult_t ncclSend(const void *in, size_t n, int type, int peer, ncclComm_t c, CUstream s) {
  return begin("ncclSend", c, (call){.stream = s, .what = {SEND, type, ncclSum, n}, .in = in, .peer = peer});
}
EXPORT ncclResult_t ncclRecv(void *out, size_t n, int type, int peer, ncclComm_t c, CUstream s) {
  return begin("ncclRecv", c, (call){.stream = s, .what = {RECV, type, ncclSum, n}, .out = out, .peer = peer});
}

EXPORT const char *ncclGetErrorString(ncclResult_t status) {
  static const char *const texts[] = {"no error",         "unhandled cuda error", "unhandled system error", "internal error",
                                      "invalid argument", "invalid usage",        "remote process exited or there was a network error",
                                      "NCCL operation in progress"};
  return status >= 0 && status <= ncclInProgress ? texts[status] : "unknown result code";
}
EXPORT const char *ncclGetLastError(ncclComm_t c) {
  (void)c;
  return latest;
}

/* For tests: how many "communicators" there are; else how often the call of that name was made. */
EXPORT long nccl_double_count(const char *what) { return strcmp(what, "communicators") ? calls_of(what) : atomic_load(&live); }
