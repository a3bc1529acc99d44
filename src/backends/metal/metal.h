/* metal.h: what the files of metal/ share: the device with its queue and memory. Uses api.h.

   Kernels are put into a command buffer that is open; it is handed to the device when it has many, or when somebody wants a
   result, and those that were handed over are waited for in order. Command buffers are numbered: each memory knows in
   which it was used and written last. */
#ifndef METAL_METAL_H
#define METAL_METAL_H
#include "backends/gpu/noted.h"
#include "backends/gpu/size_class.h"
#include "backends/metal/api.h"
#include <pthread.h>

/* Where a part of a recording that is looked at has met a memory (indirect.c), told by numbers that are used once. */
typedef struct metal_marks {
  uint64_t listed, written, read; /* in the part; since its last barrier */
  size_t place;                   /* in the part's list */
} metal_marks;

typedef struct metal_memory {
  gpu_block base;            /* bytes: of its size class */
  struct metal_memory *next; /* while it lies in the cache */
  id buffer;
  uint64_t serial;        /* no other buffer has it, then or later */
  size_t asked;           /* bytes, by who has it */
  char *contents;         /* where the host sees it */
  uint64_t used, written; /* numbers of command buffers; 0: in none */
  bool wrapped;           /* it is the host's own memory */
  bool is_indirect;       /* commands that command buffers do not hold on to may use it */
  metal_marks marks;
} metal_memory;

enum { METAL_COMMITTED = 8 }; /* command buffers under way */
typedef struct metal_device {
  pthread_mutex_t lock;
  bool opened;
  error *failed; /* why it can't be used */
  id device, queue;
  id buffer, encoder; /* the open command buffer; NULL: there is none */
  size_t encoded;     /* kernels in it */
  uint64_t number;    /* of the open command buffer, or the next */
  id committed[METAL_COMMITTED];
  int under_way; /* of them: numbers number - under_way .. number - 1 */
  /* What was written in these command buffers is not to be relied on, and why. */
  uint64_t bad_from, bad_to;
  error *bad;
  metal_memory *cached[GPU_SIZE_CLASSES]; /* what was given back: memory.c */
  size_t cached_bytes;
  _Atomic size_t noted_bytes; /* of recordings that rest */
  uint64_t serials, marks;    /* given to buffers; of metal_marks */
  account *account;
  void *pool;
} metal_device;

/* ---- device.c ---- */

/* The device, opened at the first call, locked, with a pool for what is autoreleased. NULL and *why. */
metal_device *metal_enter(int index, error **why);
void metal_leave(metal_device *d);
/* The message of an NSError, which may be nil. */
const char *metal_words(id why);
/* An encoder of the open command buffer; NULL and *why. */
id metal_encoder_of(metal_device *d, error **why);
/* The open command buffer without an encoder, for what makes its own; NULL and *why. */
id metal_buffer_of(metal_device *d, error **why);
void metal_end_encoder(metal_device *d);
/* So many more kernels are in the open command buffer. */
void metal_encoded(metal_device *d, size_t kernels);
void metal_commit_open(metal_device *d);
/* Until command buffer `number` has ended. */
void metal_wait_for(metal_device *d, uint64_t number);
/* As far as is known. */
static inline bool metal_is_under_way(const metal_device *d, uint64_t number) {
  return number >= d->number - (uint64_t)d->under_way;
}
metal_device *metal_device_at(int index); /* for its counts alone */
/* Why what was written in that command buffer can't be relied on, as far as is known; NULL. */
error *metal_blame(metal_device *d, uint64_t number);
/* Ends the open command buffer of device `index`, if there is one, so that it begins. */
error *metal_flush(int index);
void metal_use(metal_device *d, metal_memory *m, bool written);

/* ---- memory.c ---- */

extern const memory_driver metal_memory_driver;
void metal_give(int index, void *memory);
/* Gives what lies unused back to the system. */
void metal_trim(int index);

/* ---- program.c, launch.c: as gpu.h asks for them ---- */

void metal_identify(int index, text *t);
void *metal_compile(int index, const char *name, const char *text, const char *options, gpu_binary *binary,
                    error **why);
void *metal_load(int index, const void *bytes, size_t size);
void *metal_entry(int index, void *module, const char *name, error **why);
error *metal_launch(int index, const gpu_launch *l);
/* An entry. */
typedef struct metal_kernel {
  id pipeline;
  NSUInteger most_threads;
  bool is_indirect; /* indirect command buffers take it */
  uint64_t listed;  /* as metal_marks has it */
} metal_kernel;
extern const gpu_backend gpu_metal; /* metal.c */

/* One argument of a kernel: memory from some byte on, or bytes by value. */
typedef struct metal_argument {
  metal_memory *memory; /* NULL: of what is empty */
  NSUInteger offset;
  bool written;
  const void *bytes; /* NULL: memory */
  NSUInteger length;
} metal_argument;
enum { METAL_ARGUMENTS = 31 };
typedef struct metal_work {
  metal_kernel *kernel;
  int n_arguments;
  const metal_argument *arguments;
  MTLSize grid, group;
  bool grid_of_threads; /* else of groups */
  bool notes_faults;    /* it may: gpu/faults.c */
} metal_work;
/* Into the open command buffer, or noted. */
error *metal_launch_work(int index, const metal_work *w);
error *metal_encode(metal_device *d, const metal_work *w);

/* ---- recording.c: launches noted by a thread, to be made together ---- */

/* A library's call that puts work into a command buffer: it may be made again, with other memories. */
typedef struct metal_call {
  error *(*make)(metal_device *d, const void *context, metal_memory *const *memories);
  const void *context; /* copied where it is kept */
  size_t bytes;
  int n_memories;
  metal_memory *const *memories;
} metal_call;
/* Makes it, or notes it. */
error *metal_call_library(int index, const metal_call *c);

extern const recording_driver metal_recordings;
extern gpu_noted_list metal_noted_list;
gpu_noted *metal_noted(int index); /* memory of the recording under way; NULL: this thread notes nothing */
/* False: it is to be launched, unless there is *why. */
bool metal_note_work(int index, const metal_work *w, error **why);
/* What this thread noted so far is launched now, and nothing more is noted: before what can't be. What went wrong is told at the end of
   the walk, too. The device is not entered. */
error *metal_end_noting(int index);
bool metal_wants_indirect(void); /* command buffers: the device has them, and PONS_METAL_GRAPHS is not 0 */

/* ---- custom_metal.c: "CustomKernel" in Metal's language ---- */

#define METAL_FAST_MATH "fast" /* the one option of a compilation */
const char *metal_refuses_source(const launch *l);
error *metal_source_kernel(const launch *l);

/* ---- matmul_mps.c: "Matmul" by Metal Performance Shaders ---- */

const char *metal_refuses_matmul(const launch *l);
error *metal_matmul(const launch *l);
#endif
