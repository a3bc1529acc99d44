/* device.h: the door of device/: buffers, streams, events, and what a backend must do.

   A backend is a `driver`: a name, how many devices it found, a list of implementations per primitive and one
   function that runs kernels. It never sees a node. Uses base/, kernel/. */
#ifndef DEVICE_H
#define DEVICE_H
#include "kernel/kernel.h"
#include <pons/device.h>

/* ---- buffers (buffer.c, cache.c) ---- */

/* One logical memory, 64-byte aligned, counted. Whoever holds a reference may read it; it is written only by
   the step that makes it, or by its only holder. */
typedef struct buffer buffer;
/* Uninitialised memory from the cache or the system; after one trim and retry an error that tells bytes
   asked, used, cached and free, and `op`. bytes = 0 is fine. */
buffer *buffer_new(size_t bytes, const char *op, error **why);
/* Somebody else's memory; `destroy(owner)` when the last reference goes (also when this fails). */
buffer *buffer_wrap(void *data, size_t bytes, void (*destroy)(void *), void *owner, error **why);
buffer *buffer_keep(buffer *b);
void buffer_release(buffer *b); /* NULL is fine */
/* Bytes of a buffer, up to but without `to`; a `to` behind the buffer's end means that. */
typedef struct byte_range {
  size_t from, to;
} byte_range;
#define ALL_BYTES ((byte_range){0, SIZE_MAX})
#define NO_BYTES ((byte_range){0, 0})
/* From the first to the end of the last element, where the first of all indices is at byte `offset`. */
byte_range byte_range_of(int64_t offset, int ndim, const int64_t *shape, const int64_t *strides, size_t element_bytes);
/* In host memory, where `part` has what was written last: what of it was written on a device is waited for and copied. The buffer's first
   byte. NULL and *why if that fails. */
void *buffer_host(const buffer *b, byte_range part, error **why);
/* The same with all bytes; NULL and an error of the thread's. */
void *buffer_data(const buffer *b);
/* The same if that is where it was written last, else NULL: nothing is copied or waited for. */
const void *buffer_at_hand(const buffer *b);
size_t buffer_bytes(const buffer *b);
size_t buffer_block_bytes(const buffer *b); /* what the allocator gave for it */
/* True if the caller's is the only reference and the memory is our own: it may be overwritten. */
bool buffer_is_sole(const buffer *b);

/* A buffer is one logical memory, wherever it lies (residency.c). On a device with memory of its own: */
typedef struct device device;
/* Uninitialised memory there, and on the host once it is read there. */
buffer *buffer_new_on(const device *d, size_t bytes, const char *op, error **why);
/* What the driver calls b's memory on `d`, where `part` has what was written last; NULL and *why. */
void *buffer_on(buffer *b, const device *d, byte_range part, error **why);
/* The same for whoever writes in the part: then it is not valid any more elsewhere. With `over` all of the part is written, and none of it
   read before: nothing is copied. */
void *buffer_written_on(buffer *b, const device *d, byte_range part, bool over, error **why);
void *buffer_written_on_host(buffer *b, byte_range part, bool over, error **why);
/* Until what was written last, if that was on a device, is done there; what went wrong. */
error *buffer_finish(buffer *b);
error *device_finish(const device *d); /* the same of all that was launched on it */
/* What this thread copied since it asked last, and how many arrays it made give way on a device. */
typedef struct copies_made {
  int to_device, to_host, gave_way;
  int parts; /* of all these copies, those of a part of an array's memory: the rest was there, or nobody asked for it */
  size_t bytes_to_device, bytes_to_host;
  int passed, declined; /* from device to device; these not, but by way of the host */
  size_t bytes_passed;
} copies_made;
copies_made copies_since(void);

/* Between these, what buffer_on and buffer_written_on gave stays where it is; until then it may be given up to make room
   (spill.c). Memory of what was launched may go: it is given back behind the work that uses it. */
void device_bind_begin(const device *d);
void device_bind_end(const device *d);
/* For an error of kind PONS_ERROR_MEMORY in between: at least so many bytes of what was used longest ago leave the device, if there
   are any; then bind and launch again. */
void device_make_room(const device *d, size_t bytes);
/* device_bind_begin where that was not enough: everything leaves, and nobody else binds until device_bind_end. */
void device_bind_alone(const device *d);

/* ---- what a backend runs ---- */

struct launch;
/* One way to compute a primitive. Lists are ordered: the first that does not refuse wins. */
typedef struct implementation {
  const char *prim; /* name of the primitive record: "Matmul"; or one of the names below */
  const char *name; /* "tiles" */
  /* Why it can't take this call (data pointers are NULL here), or NULL. */
  const char *(*refuses)(const struct launch *l);
  error *(*run)(const struct launch *l); /* NULL: fine */
} implementation;
/* "Matmul" of the codes that programs cast to floats before they multiply: int8, of which the result is int32, and the sums can't
   outgrow that; uint8 that are fp8 numbers (e4m3: 0x7f is NaN, there are no infinities), of which it is a float, as what "AddMM" adds
   is. A device that lists none is given floats. */
#define DEVICE_INT8_MATMUL "int8 Matmul"
#define DEVICE_FP8_MATMUL "fp8 Matmul"
#define DEVICE_FP8_ADDMM "fp8 AddMM"

typedef struct launch {
  const void *params; /* the primitive's parameter struct, from ops/<family>.h; NULL if it has none */
  int n_in, n_out;
  const operand *in;
  const operand *out; /* row-major, uninitialised; out[0] may be the memory of an input for kernels, and of in[0], which then is
                         row-major, for primitives that update it (prim.updates) */
} launch;
/* What becomes of a call's first result before that is rounded: this is added, and that is computed of the sum. */
typedef struct epilogue {
  const operand *added; /* of the result's shape and dtype; NULL: nothing */
  activation activation;
} epilogue;
typedef error *epilogue_run(const launch *l, const epilogue *e);
/* Elementwise work that is done as part of a call, so that what lies between is not written and read once more:

       a ─┐                            ┌─ b
       x ─┴ front ── y ── call ── z ───┴ behind ── results

   The launch has the operands of `front`, all of y's shape, in the place of y; then the call's other operands; then those of `behind` but
   for z, its first one, all of its results' shape, which has as many elements as z, in the same order. Its results are those of `behind`
   in the place of z, and behind them what is kept of `front`. */
typedef struct chains {
  const kernel *front;  /* makes the call's first operand; has a second result, the launch's last: that is kept. NULL: it is there */
  const kernel *behind; /* what becomes of the call's only result; NULL: nothing */
  const operand *y, *z; /* as they would be in memory, row-major, without data */
} chains;
/* `kept`: as run_kernel_again has it, for `behind`; NULL: nothing is kept. */
typedef error *chained_run(const launch *l, const chains *c, void **kept);

/* What a device does whose memory is not the host's. Work is queued, in an order as if it were done at once: memory may be
   given back, and read, behind what uses it. */
typedef struct memory_driver {
  void *(*take)(int index, size_t bytes, error **why); /* bytes > 0 */
  void *(*take_to_write)(int index, size_t bytes, error **why); /* the same where `write` comes next; left out: take */
  void (*give)(int index, void *memory);
  /* Of the memory, from byte `at` on. */
  error *(*write)(int index, void *memory, size_t at, const void *host, size_t bytes); /* host may change after it */
  error *(*read)(int index, void *memory, size_t at, void *host, size_t bytes);        /* waits */
  /* From one of the driver's devices to another; error_declined(): it must go by way of the host; left out: it always does. */
  error *(*pass)(int from_index, void *from, int to_index, void *to, size_t at, size_t bytes);
  /* Until all that was launched there is done, and what went wrong with it; left out: nothing goes on behind a launch. */
  error *(*finish)(int index);
  /* Of a device that shares the host's memory; left out: it does not. */
  void *(*host)(int index, void *memory); /* where the host sees what `take` gave */
  /* The host's memory as the device's, of so many bytes; NULL: it can't be, or not these bytes. To be given back while
     they are still there, which waits for the work that uses them. */
  void *(*wrap)(int index, void *data, size_t bytes);
  /* Until what was launched has written it, or for whoever writes it, until nothing launched uses it. */
  error *(*wait)(int index, void *memory, bool for_writing);
  /* What it keeps of what was given back; left out: nothing. Gives that back to the device. */
  size_t (*cached)(int index);
  void (*trim)(int index);
  size_t (*size)(int index); /* of its memory, known before it is opened; left out, or 0: as much as the machine has */
} memory_driver;

/* account.c: what of a device's memory is in use. The driver counts each block as it makes it, with what it takes for itself: taken
   of the device or of its cache, given back to either. */
typedef struct account account;
account *account_of(const memory_driver *m, int index); /* NULL: the host's. As long as the process */
/* So many bytes more are in use, while `kept` lie in the driver's cache. False, and nothing is counted, if together they would be beyond
   the limit: the driver empties its cache and asks again; then there is no memory. */
bool account_take(account *a, size_t bytes, size_t kept);
void account_count(account *a, ptrdiff_t bytes); /* so many more, or less, whatever the limit */
size_t account_active(const account *a);
size_t account_limit(const account *a);
size_t account_cache_limit(const account *a); /* no driver keeps more than that of what was given back */

/* What a device does that can make the launches of a plan together, and make them again with other memories. A
   recording is of one device and used by one thread at a time; what steps take between begin and end stays with it. */
typedef struct recording_driver {
  /* From here on the launches of this thread are noted, and made at `end`. memories[k], where not NULL, may be another
     when they are made again. `before`: of the same steps, to be made anew; NULL: none. NULL: it can't, and has let
     go of `before`. */
  void *(*begin)(int index, void *before, int count, void *const *memories); /* count 0: for steps that are noted each time */
  /* Makes the launches. False: they can't be made again, and the recording is gone. *why: a launch failed. */
  bool (*end)(void *recording, error **why);
  /* In the place of `end`: a step failed, and the recording goes. False: some launches were made all the same. */
  bool (*drop)(void *recording);
  /* Makes them again; false: not with these memories, or not any more; then nothing was done but for *why. */
  bool (*repeat)(void *recording, int count, void *const *memories, error **why);
  void (*forget)(void *recording);
} recording_driver;

enum { DEVICE_CARD = 32 };
typedef struct driver {
  const char *name; /* "cpu" */
  bool (*is_gpu)(int index); /* left out: none is */
  int (*count)(void);                      /* devices found; opens libraries at the first call */
  const char *(*model)(int index);         /* what the maker calls device `index`; NULL: as the driver */
  void (*report)(text *json); /* one JSON object: what was found, where, what is missing and why */
  const implementation *implementations;
  int n_implementations;
  /* How the implementation runs with that epilogue, or NULL: it doesn't. Data pointers are NULL. Left out: none has any. */
  epilogue_run *(*epilogue)(const implementation *i, const launch *l, const epilogue *e);
  /* How the implementation runs with these, or NULL: it doesn't; of no launch and chains: with some. There are elements. Left out: none does. */
  chained_run *(*chained)(const implementation *i, const launch *l, const chains *c);
  /* Bit k: of n_in operands the implementation does not look at operand k. A plan gives it another in its place, so that what that was
     need not be kept, or made. Left out: it looks at all. */
  uint32_t (*unread)(const implementation *i, int n_in);
  /* Why it can't run the kernel, or NULL; left out: it runs all. Of dtypes it can hold. */
  const char *(*refuses_kernel)(int index, const kernel *k);
  error *(*run_kernel)(const kernel *k, const operand *in, const operand *out);
  /* The same for a kernel that a plan runs again: what was found out about it stays in *kept, which is NULL at first, for the next
     time; one thread at a time. `forget` ends it. Left out, both: nothing is kept. */
  error *(*run_kernel_again)(const kernel *k, const operand *in, const operand *out, void **kept);
  void (*forget)(void *kept);
  const memory_driver *memory; /* NULL: it works in host memory */
  const recording_driver *recording; /* NULL: launches are made one by one */
  /* Asked at the end of each plan: what steps found wrong with the values they met. It may wait. Left out: that is
     known at once. */
  error *(*faults)(int index);
  /* 1 << dtype of each that no operand of any step, and no value in a kernel, may have. */
  unsigned cannot_hold;
  /* 1 << dtype of each that no operand may have for an implementation of `prim` to take it; left out: none. For reports. */
  unsigned (*lacks)(const char *prim);
  /* What other processes are told, so many bytes, so that they compute together on their devices if all of them can (links/); zeros, or
     left out: it does not. */
  void (*introduce)(int index, char card[DEVICE_CARD]);
  bool for_tests; /* it computes nothing */
} driver;

struct device {
  const driver *driver;
  int index;
  char name[16]; /* "cpu", "cuda:0" */
};
/* Defined in backends/backends.c, ended by NULL: the only place that knows every backend. */
extern const driver *const pons_drivers[];
device *device_default(void);
device *device_named(const char *name); /* NULL: no such device */
device *device_host(void);              /* the first: computes what another device has no way to compute */

/* pick.c: the first implementation of `prim` on `d` that does not refuse `l`, or NULL. With `why`, each
   refusal is told. */
const implementation *device_pick(const device *d, const char *prim, const launch *l, text *why);
/* Why device `index` of the driver can't run the kernel, or NULL. */
const char *device_refuses_kernel(const driver *v, int index, const kernel *k);
/* Does the device list any implementation of `prim`? Fast: asked for every node. */
bool device_knows(const device *d, const char *prim);
bool device_lists(const driver *v, const char *prim); /* the same of a driver, whether there is a device or not */

/* ---- streams and events (stream.c) ---- */

typedef struct pons_stream_s stream;
stream *stream_current(void); /* of this thread: pons_set_stream, or the default one of its default device */
device *stream_device(const stream *s);
/* Runs job(context) after all earlier jobs of the stream: on this thread at once if the stream has nothing to
   do and `inline_ok`, else on the stream's thread. False: no memory; then the job has not run and will
   not. */
bool stream_run(stream *s, bool inline_ok, void (*job)(void *context), void *context);
/* In two steps, for callers that must have their place among the stream's jobs before they can run: claims
   the stream if it has nothing to do. Then the caller runs its job on this thread and calls stream_end; until
   then other jobs wait. */
bool stream_claim(stream *s);
void stream_end(stream *s);
/* What the stream's thread ran has failed: pons_synchronize tells, unless someone has met the error by then. */
void stream_note_failure(stream *s, error *why);

/* Set once. */
typedef struct event event;
event *event_new(void); /* NULL: no memory */
event *event_keep(event *e);
void event_release(event *e);
void event_set(event *e);
bool event_is_set(event *e);
void event_wait(event *e); /* spins briefly, then sleeps */
#endif
