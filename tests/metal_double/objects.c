/* objects.c: a double of the Metal framework: the device, its buffers, libraries, pipelines, queues, command buffers and encoders.

   Nothing is done before somebody waits for it, the latest that a device may do it; command buffers of a queue are done in
   order. Memory is filled with 0xa5 and has a border that is looked at. What a debug build of Metal would stop at ends the
   process. What fails, the environment says (tests/doubles/faults.h):

       METAL_DOUBLE_DEVICES=0         there is no device              METAL_DOUBLE_MEMORY=N   bytes there are
       METAL_DOUBLE_FAMILY=1008       the newest of Apple's families that the device is of
       DOUBLE_FAULTS=command buffer:N=S    the N-th command buffer that is done fails with code S, and is not done
       DOUBLE_FAULTS=library, pipeline, buffer, queue, encoder, ...:N=1      what is asked for is not to be had

   Uses double.h, tests/doubles/grid.h. */
#include "double.h"
#include "tests/doubles/grid.h"
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAGE = 16384, BORDER = 64, BORDER_FILL = 0x5c, GROUP_MEMORY = 32 << 10 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t allocated;

bool fails(const char *what) {
  pthread_mutex_lock(&lock);
  const bool does = fault_of(what) != 0;
  pthread_mutex_unlock(&lock);
  return does;
}

/* ---- buffers ---- */

static void buffer_destroy(id self) {
  buffer_object *b = (buffer_object *)self;
  if (b->is_wrapper) return;
  for (int i = 0; i < BORDER; i++)
    if ((unsigned char)b->at[b->bytes + (size_t)i] != BORDER_FILL)
      wrong("something wrote %d bytes behind a buffer of %zu bytes", i, b->bytes);
  free(b->at);
  __atomic_sub_fetch(&allocated, b->bytes, __ATOMIC_SEQ_CST);
}

static id new_buffer(id self, SEL s, NSUInteger bytes, NSUInteger options) {
  (void)self, (void)s;
  if (bytes == 0) wrong("a buffer of no bytes");
  if (options != MTLResourceStorageModeShared) wrong("options %lu of a buffer are not known here", options);
  if (fails("buffer") || allocated + bytes > (size_t)number_of("METAL_DOUBLE_MEMORY", 1L << 30)) return NULL;
  buffer_object *b = (buffer_object *)object_new(&buffer_class);
  b->bytes = bytes;
  if (posix_memalign((void **)&b->at, PAGE, bytes + BORDER) != 0) abort();
  memset(b->at, GRID_FILL, bytes);
  memset(b->at + bytes, BORDER_FILL, BORDER);
  __atomic_add_fetch(&allocated, bytes, __ATOMIC_SEQ_CST);
  return (id)b;
}

static id new_wrapper(id self, SEL s, void *at, NSUInteger bytes, NSUInteger options,
                      metal_block deallocator) {
  (void)self, (void)s;
  if (options != MTLResourceStorageModeShared || deallocator)
    wrong("options %lu of a buffer are not known here", options);
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  if ((uintptr_t)at % page || bytes % page || !bytes)
    wrong("memory of %lu bytes at %p is not of whole pages: a buffer can't be made of it", bytes, at);
  if (fails("wrapper")) return NULL;
  buffer_object *b = (buffer_object *)object_new(&buffer_class);
  b->at = at;
  b->bytes = bytes;
  b->is_wrapper = true;
  return (id)b;
}

static void *contents(id self, SEL s) { return (void)s, ((buffer_object *)self)->at; }

metal_class_t buffer_class = {.name = "MTLBuffer",
                              .methods = (const method[]){METHOD("contents", "^v@:", contents), {0}},
                              .destroy = buffer_destroy,
                              .bytes = sizeof(buffer_object)};

/* ---- libraries, functions, pipelines ---- */

typedef struct options_object {
  struct objc_object head;
  bool fast_math;
} options_object;
static id options_alloc(id self, SEL s) {
  (void)self, (void)s;
  options_object *o = (options_object *)object_new(&options_class);
  o->fast_math = true;
  return (id)o;
}
static id options_init(id self, SEL s) { return (void)s, self; }
static void set_fast_math(id self, SEL s, bool fast) { (void)s, ((options_object *)self)->fast_math = fast; }
metal_class_t options_class = {
    .name = "MTLCompileOptions",
    .methods =
        (const method[]){
            METHOD("init", "@@:", options_init), METHOD("setFastMathEnabled:", "v@:B", set_fast_math), {0}},
    .class_methods = (const method[]){METHOD("alloc", "@@:", options_alloc), {0}},
    .bytes = sizeof(options_object)};

typedef struct library_object {
  struct objc_object head;
  library *library;
} library_object;
static metal_class_t library_class;

id refuse(id *why, long code, const char *words) {
  if (why) *why = object_autorelease(error_new(code, words));
  return NULL;
}

static id new_library(id self, SEL s, id source, id options, id *why) {
  (void)self, (void)s;
  must_be(options, &options_class, "newLibraryWithSource:");
  if (fails("library")) return refuse(why, 1, "the compiler is not to be had");
  char *log = NULL;
  library *l = library_compile(string_utf8(source), ((options_object *)options)->fast_math, &log);
  if (!l) {
    refuse(why, 3, log ? log : "it does not compile");
    free(log);
    return NULL;
  }
  library_object *o = (library_object *)object_new(&library_class);
  o->library = l;
  return (id)o;
}

/* The names of kernels that were asked for, a line each, in the file METAL_DOUBLE_NAMES. */
static void note_name(const char *name) {
  const char *path = getenv("METAL_DOUBLE_NAMES");
  FILE *f = path ? fopen(path, "a") : NULL;
  if (!f) return;
  fprintf(f, "%s\n", name);
  fclose(f);
}

static id new_function(id self, SEL s, id name) {
  (void)s;
  library_kernel k;
  if (!library_find(((library_object *)self)->library, string_utf8(name), &k)) return NULL;
  note_name(string_utf8(name));
  function_object *f = (function_object *)object_new(&function_class);
  f->kernel = k;
  return (id)f;
}

static id new_pipeline(id self, SEL s, id function, id *why) {
  (void)self, (void)s;
  must_be(function, &function_class, "newComputePipelineStateWithFunction:");
  return fails("pipeline") ? refuse(why, 2, "the pipeline can't be made") : pipeline_new(function, false);
}
id pipeline_new(id function, bool is_indirect) {
  pipeline_object *p = (pipeline_object *)object_new(&pipeline_class);
  p->kernel = ((function_object *)function)->kernel;
  p->is_indirect = is_indirect;
  return (id)p;
}
static NSUInteger most_threads(id self, SEL s) { return (void)self, (void)s, MOST_THREADS; }

static metal_class_t library_class = {
    .name = "MTLLibrary",
    .methods = (const method[]){METHOD("newFunctionWithName:", "@@:@", new_function), {0}},
    .bytes = sizeof(library_object)};
metal_class_t function_class = {
    .name = "MTLFunction", .methods = (const method[]){{0}}, .bytes = sizeof(function_object)};
metal_class_t pipeline_class = {
    .name = "MTLComputePipelineState",
    .methods = (const method[]){METHOD("maxTotalThreadsPerThreadgroup", "Q@:", most_threads), {0}},
    .bytes = sizeof(pipeline_object)};

/* ---- command buffers ---- */

typedef struct work {
  struct work *next;
  void (*run)(void *context);
  void (*drop)(void *context);
  void *context;
} work;
typedef struct queue_object queue_object;
typedef struct command_buffer_object {
  struct objc_object head;
  queue_object *queue;
  struct command_buffer_object *next; /* committed behind it */
  work *first, *last;
  bool has_encoder;
  NSUInteger status; /* 0, committed 2, completed 4, error 5 */
  id error;
} command_buffer_object;
struct queue_object {
  struct objc_object head;
  command_buffer_object *first, *last; /* committed and not done */
};
typedef struct encoder_object {
  struct objc_object head;
  command_buffer_object *buffer;
  bool ended;
  id pipeline;
  id buffers[ARGUMENTS];
  size_t offsets[ARGUMENTS];
  char *bytes[ARGUMENTS];
  size_t sizes[ARGUMENTS];
  named named;
} encoder_object;
static metal_class_t queue_class, encoder_class;

void command_buffer_add(id self, void (*run)(void *), void *context, void (*drop)(void *)) {
  must_be(self, &command_buffer_class, "a command");
  command_buffer_object *b = (command_buffer_object *)self;
  if (b->status != 0) wrong("a command for a command buffer that was committed");
  work *w = calloc(1, sizeof *w);
  if (!w) abort();
  *w = (work){NULL, run, drop, context};
  if (b->last)
    b->last->next = w;
  else
    b->first = w;
  b->last = w;
}

static void command_buffer_destroy(id self) {
  command_buffer_object *b = (command_buffer_object *)self;
  if (b->status == 2)
    wrong("a command buffer that is under way was freed: who committed it must be told how it ends");
  for (work *w = b->first, *next; w; w = next) {
    next = w->next;
    w->drop(w->context);
    free(w);
  }
  object_release(b->error);
}

static id command_buffer(id self, SEL s) {
  (void)s;
  if (fails("command buffer of a queue")) return NULL;
  command_buffer_object *b = (command_buffer_object *)object_new(&command_buffer_class);
  b->queue = (queue_object *)self;
  return object_autorelease((id)b);
}

static void commit(id self, SEL s) {
  (void)s;
  command_buffer_object *b = (command_buffer_object *)self;
  if (b->status != 0) wrong("a command buffer was committed twice");
  if (b->has_encoder) wrong("a command buffer was committed whose encoder was not ended");
  b->status = 2;
  object_keep(self);
  if (b->queue->last)
    b->queue->last->next = b;
  else
    b->queue->first = b;
  b->queue->last = b;
}

static void do_first(queue_object *q) {
  command_buffer_object *b = q->first;
  const int code = fault_of("command buffer");
  q->first = b->next;
  if (!q->first) q->last = NULL;
  for (work *w = b->first; w && !code; w = w->next) w->run(w->context);
  b->status = code ? 5 : 4;
  if (code) b->error = error_new(code, "Caused GPU Hang Error");
  object_release((id)b);
}

static void wait_until_completed(id self, SEL s) {
  (void)s;
  command_buffer_object *b = (command_buffer_object *)self;
  if (b->status == 0) wrong("a command buffer was waited for that was not committed");
  pthread_mutex_lock(&lock);
  while (b->status == 2) do_first(b->queue);
  pthread_mutex_unlock(&lock);
}
static NSUInteger status(id self, SEL s) { return (void)s, ((command_buffer_object *)self)->status; }
static id error_of(id self, SEL s) { return (void)s, ((command_buffer_object *)self)->error; }

/* ---- encoders ---- */

static id compute_encoder(id self, SEL s) {
  (void)s;
  command_buffer_object *b = (command_buffer_object *)self;
  if (b->status != 0 || b->has_encoder)
    wrong("a command buffer has one encoder at a time, until it is committed");
  if (fails("encoder")) return NULL;
  b->has_encoder = true;
  encoder_object *e = (encoder_object *)object_new(&encoder_class);
  e->buffer = b;
  return object_autorelease((id)e);
}

static void encoder_destroy(id self) {
  encoder_object *e = (encoder_object *)self;
  if (!e->ended) wrong("an encoder was freed that was not ended");
  for (int i = 0; i < ARGUMENTS; i++) free(e->bytes[i]);
  free(e->named.resources);
  free(e->named.pipelines);
}

static encoder_object *encoding(id self) {
  encoder_object *e = (encoder_object *)self;
  if (e->ended) wrong("an encoder was used that has ended");
  return e;
}

static void end_encoding(id self, SEL s) {
  (void)s;
  encoder_object *e = encoding(self);
  e->ended = true;
  e->buffer->has_encoder = false;
}

static void set_pipeline(id self, SEL s, id pipeline) {
  (void)s;
  must_be(pipeline, &pipeline_class, "setComputePipelineState:");
  encoding(self)->pipeline = pipeline;
}

static void set_buffer(id self, SEL s, id buffer, NSUInteger offset, NSUInteger i) {
  (void)s;
  encoder_object *e = encoding(self);
  if (i >= ARGUMENTS) wrong("there is no argument %lu", i);
  if (buffer) must_be(buffer, &buffer_class, "setBuffer:");
  if (buffer && offset >= ((buffer_object *)buffer)->bytes)
    wrong("offset %lu is outside of argument %lu", offset, i);
  free(e->bytes[i]);
  e->bytes[i] = NULL;
  e->buffers[i] = buffer;
  e->offsets[i] = offset;
}

static void set_bytes(id self, SEL s, const void *bytes, NSUInteger size, NSUInteger i) {
  (void)s;
  encoder_object *e = encoding(self);
  if (i >= ARGUMENTS || size > 4096) wrong("%lu bytes can't be argument %lu", size, i);
  free(e->bytes[i]);
  e->bytes[i] = malloc(size);
  if (!e->bytes[i]) abort();
  memcpy(e->bytes[i], bytes, size);
  e->buffers[i] = NULL;
  e->sizes[i] = size;
}

typedef struct dispatch {
  library_kernel kernel;
  id buffers[ARGUMENTS];
  char *bytes[ARGUMENTS];
  void *arguments[ARGUMENTS];
  unsigned grid[3], group[3]; /* threads */
} dispatch;

static void run_dispatch(void *context) {
  dispatch *d = context;
  const char *stuck = library_run(&d->kernel, d->arguments, d->grid, d->group);
  if (stuck) wrong("a kernel does not end: %s", stuck);
}

static void drop_dispatch(void *context) {
  dispatch *d = context;
  for (int i = 0; i < ARGUMENTS; i++) {
    object_release(d->buffers[i]);
    free(d->bytes[i]);
  }
  free(d);
}

/* The arguments as they are now. */
static void take_arguments(dispatch *d, const encoder_object *e) {
  for (int i = 0; i < ARGUMENTS; i++) {
    const size_t wanted = d->kernel.sizes[i];
    if (e->bytes[i]) {
      d->bytes[i] = malloc(e->sizes[i]);
      if (!d->bytes[i]) abort();
      memcpy(d->bytes[i], e->bytes[i], e->sizes[i]);
      d->arguments[i] = d->bytes[i];
      if (wanted != SIZE_MAX && wanted > e->sizes[i])
        wrong("argument %d has %zu bytes, not %zu", i, e->sizes[i], wanted);
    } else if (e->buffers[i]) {
      d->buffers[i] = object_keep(e->buffers[i]);
      d->arguments[i] = ((buffer_object *)e->buffers[i])->at + e->offsets[i];
    } else if (wanted != SIZE_MAX && wanted != 0) {
      wrong("argument %d of a kernel is not set", i);
    }
  }
}

void must_be_a_grid(MTLSize grid, MTLSize group) {
  const NSUInteger of_group = group.width * group.height * group.depth;
  if (of_group == 0 || of_group > MOST_THREADS)
    wrong("groups of %lu threads; %d are the most", of_group, MOST_THREADS);
  if (grid.width == 0 || grid.height == 0 || grid.depth == 0) wrong("a dispatch of no threads");
  if (grid.width > UINT32_MAX || grid.height > UINT32_MAX || grid.depth > UINT32_MAX)
    wrong("too many threads");
}

static void dispatch_threads(id self, SEL s, MTLSize grid, MTLSize group) {
  (void)s;
  encoder_object *e = encoding(self);
  if (!e->pipeline) wrong("a dispatch without a pipeline");
  must_be_a_grid(grid, group);
  fails("dispatch");
  dispatch *d = calloc(1, sizeof *d);
  if (!d) abort();
  d->kernel = ((pipeline_object *)e->pipeline)->kernel;
  take_arguments(d, e);
  const unsigned all[] = {(unsigned)grid.width, (unsigned)grid.height, (unsigned)grid.depth};
  const unsigned threads[] = {(unsigned)group.width, (unsigned)group.height, (unsigned)group.depth};
  memcpy(d->grid, all, sizeof all);
  memcpy(d->group, threads, sizeof threads);
  command_buffer_add((id)e->buffer, run_dispatch, d, drop_dispatch);
}

/* ---- for indirect command buffers ---- */

named *encoder_named(id self) { return &encoding(self)->named; }
id encoder_command_buffer(id self) { return (id)encoding(self)->buffer; }

/* A dispatch of no groups: the encoder knows the pipeline. */
static void name_pipeline(encoder_object *e) {
  named *n = &e->named;
  if (!e->pipeline) wrong("a dispatch without a pipeline");
  n->pipelines = realloc(n->pipelines, (size_t)(n->n_pipelines + 1) * sizeof *n->pipelines);
  if (!n->pipelines) abort();
  n->pipelines[n->n_pipelines++] = e->pipeline;
}

static void use_resources(id self, SEL s, const id *buffers, NSUInteger count, NSUInteger usage) {
  (void)s;
  named *n = encoder_named(self);
  if (usage == 0 || usage > 3) wrong("usage %lu of a resource is not known here", usage);
  n->resources = realloc(n->resources, ((size_t)n->n_resources + count) * sizeof *n->resources);
  if (!n->resources) abort();
  for (NSUInteger i = 0; i < count; i++) {
    must_be(buffers[i], &buffer_class, "useResources:");
    n->resources[n->n_resources++] = (resource){buffers[i], usage};
  }
}

static void dispatch_groups(id self, SEL s, MTLSize groups, MTLSize threads) {
  if (groups.width + groups.height + groups.depth == 0) {
    name_pipeline(encoding(self));
    return;
  }
  if (groups.width > UINT32_MAX || groups.height > UINT32_MAX || groups.depth > UINT32_MAX)
    wrong("too many groups");
  dispatch_threads(
      self, s,
      (MTLSize){groups.width * threads.width, groups.height * threads.height, groups.depth * threads.depth},
      threads);
}

metal_class_t command_buffer_class = {
    .name = "MTLCommandBuffer",
    .methods = (const method[]){METHOD("computeCommandEncoder", "@@:", compute_encoder),
                                METHOD("commit", "v@:", commit),
                                METHOD("waitUntilCompleted", "v@:", wait_until_completed),
                                METHOD("status", "Q@:", status),
                                METHOD("error", "@@:", error_of),
                                {0}},
    .destroy = command_buffer_destroy,
    .bytes = sizeof(command_buffer_object)};
static metal_class_t queue_class = {
    .name = "MTLCommandQueue",
    .methods = (const method[]){METHOD("commandBuffer", "@@:", command_buffer), {0}},
    .bytes = sizeof(queue_object)};
static metal_class_t encoder_class = {
    .name = "MTLComputeCommandEncoder",
    .methods =
        (const method[]){
            METHOD("setComputePipelineState:", "v@:@", set_pipeline),
            METHOD("setBuffer:offset:atIndex:", "v@:@QQ", set_buffer),
            METHOD("setBytes:length:atIndex:", "v@:r^vQQ", set_bytes),
            METHOD("dispatchThreadgroups:threadsPerThreadgroup:", "v@:{?=QQQ}{?=QQQ}", dispatch_groups),
            METHOD("dispatchThreads:threadsPerThreadgroup:", "v@:{?=QQQ}{?=QQQ}", dispatch_threads),
            METHOD("useResources:count:usage:", "v@:r^@QQ", use_resources),
            METHOD("executeCommandsInBuffer:withRange:", "v@:@{_NSRange=QQ}", execute_commands),
            METHOD("endEncoding", "v@:", end_encoding),
            {0}},
    .destroy = encoder_destroy,
    .bytes = sizeof(encoder_object)};

/* ---- the device ---- */

static id device_name(id self, SEL s) {
  return (void)self, (void)s, object_autorelease(string_new("Double of an Apple GPU"));
}
static bool unified(id self, SEL s) { return (void)self, (void)s, true; }
static uint64_t working_set(id self, SEL s) {
  return (void)self, (void)s, (uint64_t)number_of("METAL_DOUBLE_MEMORY", 1L << 30);
}
static NSUInteger allocated_size(id self, SEL s) { return (void)self, (void)s, allocated; }
static NSUInteger group_memory(id self, SEL s) { return (void)self, (void)s, GROUP_MEMORY; }
/* Of Apple's families those up to METAL_DOUBLE_FAMILY, an M2's at first, and what Macs have. */
static bool supports_family(id self, SEL s, NSInteger family) {
  (void)self, (void)s;
  const long newest = number_of("METAL_DOUBLE_FAMILY", 1008);
  return (family > 1000 && family <= newest) || (family == MTLGPUFamilyMac2 && newest >= 1007);
}
static id new_queue(id self, SEL s) {
  (void)self, (void)s;
  return fails("queue") ? NULL : object_new(&queue_class);
}

metal_class_t device_class = {
    .name = "MTLDevice",
    .methods = (const method[]){METHOD("name", "@@:", device_name),
                                METHOD("hasUnifiedMemory", "B@:", unified),
                                METHOD("recommendedMaxWorkingSetSize", "Q@:", working_set),
                                METHOD("currentAllocatedSize", "Q@:", allocated_size),
                                METHOD("maxThreadgroupMemoryLength", "Q@:", group_memory),
                                METHOD("newCommandQueue", "@@:", new_queue),
                                METHOD("newBufferWithLength:options:", "@@:QQ", new_buffer),
                                METHOD("newBufferWithBytesNoCopy:length:options:deallocator:", "@@:^vQQ@?",
                                       new_wrapper),
                                METHOD("newLibraryWithSource:options:error:", "@@:@@^@", new_library),
                                METHOD("newComputePipelineStateWithFunction:error:", "@@:@^@", new_pipeline),
                                METHOD("newComputePipelineStateWithDescriptor:options:reflection:error:", "@@:@Q^@^@",
                                       new_described_pipeline),
                                METHOD("newIndirectCommandBufferWithDescriptor:maxCommandCount:options:", "@@:@QQ",
                                       new_indirect),
                                METHOD("supportsFamily:", "B@:q", supports_family),
                                METHOD("respondsToSelector:", "B@::", object_responds),
                                {0}},
    .bytes = sizeof(struct objc_object)};

EXPORT id MTLCreateSystemDefaultDevice(void);
id MTLCreateSystemDefaultDevice(void) {
  return number_of("METAL_DOUBLE_DEVICES", 1) > 0 ? object_new(&device_class) : NULL;
}

metal_class_t *const all_classes[] = {
    &string_class,         &error_class,      &options_class,  &device_class,  &buffer_class,
    &library_class,        &function_class,   &pipeline_class, &queue_class,   &encoder_class,
    &command_buffer_class, &descriptor_class, &matrix_class,   &product_class,
    &pipeline_descriptor_class, &indirect_descriptor_class, &indirect_class, &indirect_command_class, NULL};
