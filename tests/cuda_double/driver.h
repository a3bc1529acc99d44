/* driver.h: what the files of the driver's double share. Uses cuda/api.h for its types, tests/doubles/. */
#ifndef CUDA_DOUBLE_DRIVER_H
#define CUDA_DOUBLE_DRIVER_H
#include "backends/cuda/api.h"
#include "tests/doubles/faults.h"
#include "tests/doubles/grid.h"
#include <pthread.h>

#define EXPORT __attribute__((visibility("default")))

enum { INVALID_CONTEXT = 201, INVALID_HANDLE = 400, INVALID_DEVICE = 101, CAPTURE_UNSUPPORTED = 900 };

typedef struct memory {
  struct memory *next;
  char *at;
  size_t bytes;
  int kind, device;
  CUmemoryPool pool; /* NULL: of none */
  bool given; /* back, by work that is queued: not to be named any more */
} memory;

/* A place on a queue that an event was recorded at; waiting for the event is waiting for the one it had at the call. */
typedef struct record {
  struct CUstream_st *stream;
  bool done;
  int refs;
  double ms; /* when it was done */
} record;

typedef struct work {
  struct work *next;
  enum { COPY, LAUNCH, RECORD, WAIT, TAKE, GIVE, CALL, AWAIT } kind;
  char *to;
  const char *from;
  char *staged; /* a copy of what was not page-locked; freed with the work */
  size_t bytes;
  record *record; /* of RECORD and WAIT */
  const char *there, *also_there; /* what a COPY touches in device memory */
  struct CUfunc_st *function;
  unsigned grid[3], block[3];
  void **arguments;
  void (*call)(void *context);
  bool (*is_done)(void *context); /* of AWAIT: what other processes have a part in; asked until it is */
  void *context;                  /* freed with the work */
} work;

struct CUctx_st {
  int device, refs, n_streams;
};
struct CUstream_st {
  CUcontext context;
  work *first, *last;
  int length;
  bool is_first; /* of its context */
  CUgraph captured; /* what is put on the queue is noted there instead; NULL: it is done */
};
struct CUevent_st {
  CUcontext context;
  record *last; /* NULL: never recorded */
  bool has_time;
};
struct CUfunc_st {
  struct CUfunc_st *next;
  CUmodule module;
  void (*run)(void **);
  const size_t *sizes; /* of the arguments; 0 ends them */
  unsigned shared_bytes; /* that a launch may ask for, if more than the plain ones */
};
struct CUmod_st {
  CUcontext context;
  void *library;
  grid_state *state;
  void (*shared)(char **, char **);
  struct CUfunc_st *functions;
};
enum { MAX_DEVICES = 4 };
struct CUmemPoolHandle_st {
  int device;
  bool opened_to[MAX_DEVICES];
  size_t used, kept; /* what was given back is kept until the pool is trimmed */
};

/* ---- driver.c: what is there has one lock ---- */

extern pthread_mutex_t lock;
extern bool initialised;
extern _Thread_local CUcontext current[16];
extern _Thread_local int n_current;
int enter(const char *name); /* the lock; a status other than 0: the call fails with it */
int leave(int status);

/* The rest of the call is left with `status` if that is not 0. */
#define ENTER(name)                                             \
  do {                                                          \
    const int status_ = enter(name);                            \
    if (status_) return leave(status_);                         \
    if (!initialised) return leave(CUDA_ERROR_NOT_INITIALIZED); \
  } while (0)
#define ENTER_CONTEXT(name)                                            \
  ENTER(name);                                                         \
  const CUcontext context = n_current ? current[n_current - 1] : NULL; \
  if (!context) return leave(INVALID_CONTEXT)
#define NEEDS(condition, status) \
  if (!(condition)) return leave(status)

bool is_stream(CUstream s);
work *add_work(CUstream s, int kind);
void free_work(work *w);
bool can_launch(CUfunction f, const unsigned *grid, const unsigned *block, unsigned shared_bytes);
void **copy_arguments(CUfunction f, void **arguments);

/* ---- graphs.c ---- */

/* The work becomes a node behind those that were noted before. */
void capture_work(CUgraph graph, work *w);
/* Of all kinds there are now. */
long live_graphs(void), live_graph_execs(void);
#endif
