/* indirect.c: a double of indirect command buffers and of pipelines that are made for them.

   Commands are looked at when they are executed, as a device does, and those between two barriers run the last one first: a barrier that is
   missing shows in the results. What ends the process, for a device would do something else than was meant: commands that were not set,
   pipelines not made for it, memory that the encoder was not told of or that is gone by then, that is written and was said to be
   read, changes while commands are under way, of what they are and of values they read; on families before Apple's ninth, pipelines
   that the encoder does not know (objects.c). Nothing here holds on to what commands use. Uses double.h. */
#include "double.h"
#include <stdlib.h>

/* ---- pipelines ---- */

typedef struct pipeline_descriptor_object {
  struct objc_object head;
  id function;
  bool is_indirect;
} pipeline_descriptor_object;

static id init(id self, SEL s) { return (void)s, self; }
static id pipeline_descriptor_alloc(id self, SEL s) { return (void)self, (void)s, object_new(&pipeline_descriptor_class); }
static void pipeline_descriptor_destroy(id self) { object_release(((pipeline_descriptor_object *)self)->function); }
static void set_function(id self, SEL s, id function) {
  (void)s;
  must_be(function, &function_class, "setComputeFunction:");
  ((pipeline_descriptor_object *)self)->function = object_keep(function);
}
static void set_indirect(id self, SEL s, bool is) { (void)s, ((pipeline_descriptor_object *)self)->is_indirect = is; }

id new_described_pipeline(id self, SEL s, id descriptor, NSUInteger options, id *reflection, id *why) {
  (void)self, (void)s;
  must_be(descriptor, &pipeline_descriptor_class, "newComputePipelineStateWithDescriptor:");
  const pipeline_descriptor_object *d = (pipeline_descriptor_object *)descriptor;
  if (options || reflection) wrong("reflections are not known here");
  if (!d->function) wrong("a pipeline of no function");
  if (fails("indirect pipeline")) return refuse(why, 3, "Compute function cannot be used with indirect command buffers");
  return pipeline_new(d->function, d->is_indirect);
}

metal_class_t pipeline_descriptor_class = {
    .name = "MTLComputePipelineDescriptor",
    .methods = (const method[]){METHOD("init", "@@:", init), METHOD("setComputeFunction:", "v@:@", set_function),
                                METHOD("setSupportIndirectCommandBuffers:", "v@:B", set_indirect),
                                METHOD("respondsToSelector:", "B@::", object_responds),
                                {0}},
    .class_methods = (const method[]){METHOD("alloc", "@@:", pipeline_descriptor_alloc), {0}},
    .destroy = pipeline_descriptor_destroy,
    .bytes = sizeof(pipeline_descriptor_object)};

/* ---- making them ---- */

typedef struct command {
  pipeline_object *pipeline; /* these may be gone */
  buffer_object *buffers[ARGUMENTS];
  size_t offsets[ARGUMENTS];
  MTLSize grid, group; /* threads */
  bool is_set, barrier;
} command;
typedef struct indirect_descriptor_object {
  struct objc_object head;
  NSUInteger types, most_buffers;
  bool inherits_buffers, inherits_pipeline;
} indirect_descriptor_object;
typedef struct indirect_object {
  struct objc_object head;
  indirect_descriptor_object as;
  NSUInteger count;
  command *commands;
  int under_way; /* executions that are not done */
} indirect_object;
typedef struct indirect_command_object {
  struct objc_object head;
  indirect_object *of;
  command *command;
} indirect_command_object;

static id indirect_descriptor_alloc(id self, SEL s) {
  (void)self, (void)s;
  indirect_descriptor_object *d = (indirect_descriptor_object *)object_new(&indirect_descriptor_class);
  d->inherits_buffers = d->inherits_pipeline = true;
  return (id)d;
}
static void set_types(id self, SEL s, NSUInteger types) { (void)s, ((indirect_descriptor_object *)self)->types = types; }
static void set_inherit_buffers(id self, SEL s, bool is) { (void)s, ((indirect_descriptor_object *)self)->inherits_buffers = is; }
static void set_inherit_pipeline(id self, SEL s, bool is) { (void)s, ((indirect_descriptor_object *)self)->inherits_pipeline = is; }
static void set_most_buffers(id self, SEL s, NSUInteger most) {
  (void)s;
  if (most > ARGUMENTS) wrong("%lu buffers of a command", most);
  ((indirect_descriptor_object *)self)->most_buffers = most;
}

id new_indirect(id self, SEL s, id descriptor, NSUInteger count, NSUInteger options) {
  (void)self, (void)s;
  must_be(descriptor, &indirect_descriptor_class, "newIndirectCommandBufferWithDescriptor:");
  const indirect_descriptor_object *d = (indirect_descriptor_object *)descriptor;
  if (options != MTLResourceStorageModeShared) wrong("options %lu of an indirect command buffer are not known here", options);
  if (count == 0 || count > 16384) wrong("an indirect command buffer of %lu commands", count);
  if (d->inherits_buffers || d->inherits_pipeline || !d->types || d->most_buffers == 0)
    wrong("commands that inherit, or are of no kind, are not known here");
  if (fails("indirect command buffer")) return NULL;
  indirect_object *o = (indirect_object *)object_new(&indirect_class);
  o->as = *d;
  o->count = count;
  o->commands = calloc(count, sizeof *o->commands);
  if (!o->commands) abort();
  return (id)o;
}

static void indirect_destroy(id self) {
  indirect_object *o = (indirect_object *)self;
  if (o->under_way) wrong("an indirect command buffer is gone while it is executed");
  free(o->commands);
}

metal_class_t indirect_descriptor_class = {
    .name = "MTLIndirectCommandBufferDescriptor",
    .methods = (const method[]){METHOD("init", "@@:", init), METHOD("setCommandTypes:", "v@:Q", set_types),
                                METHOD("setInheritBuffers:", "v@:B", set_inherit_buffers),
                                METHOD("setInheritPipelineState:", "v@:B", set_inherit_pipeline),
                                METHOD("setMaxKernelBufferBindCount:", "v@:Q", set_most_buffers),
                                {0}},
    .class_methods = (const method[]){METHOD("alloc", "@@:", indirect_descriptor_alloc), {0}},
    .bytes = sizeof(indirect_descriptor_object)};

/* ---- setting commands ---- */

static void indirect_command_destroy(id self) { object_release((id)((indirect_command_object *)self)->of); }

static id command_at(id self, SEL s, NSUInteger i) {
  (void)s;
  indirect_object *o = (indirect_object *)self;
  if (i >= o->count) wrong("there is no command %lu", i);
  if (fails("command")) return NULL;
  indirect_command_object *c = (indirect_command_object *)object_new(&indirect_command_class);
  c->of = (indirect_object *)object_keep(self);
  c->command = &o->commands[i];
  return object_autorelease((id)c);
}

/* The command, which is about to be changed. */
static command *changing(id self) {
  const indirect_command_object *c = (indirect_command_object *)self;
  if (c->of->under_way) wrong("a command was changed while it is executed");
  return c->command;
}

static void reset(id self, SEL s) { (void)s, *changing(self) = (command){0}; }
static void set_barrier(id self, SEL s) { (void)s, changing(self)->barrier = true; }

static void set_pipeline(id self, SEL s, id pipeline) {
  (void)s;
  must_be(pipeline, &pipeline_class, "setComputePipelineState:");
  if (!((pipeline_object *)pipeline)->is_indirect) wrong("a pipeline that was not made for indirect command buffers");
  changing(self)->pipeline = (pipeline_object *)pipeline;
}

static void set_kernel_buffer(id self, SEL s, id buffer, NSUInteger offset, NSUInteger i) {
  (void)s;
  command *c = changing(self);
  must_be(buffer, &buffer_class, "setKernelBuffer:");
  if (i >= ((indirect_command_object *)self)->of->as.most_buffers) wrong("there is no argument %lu", i);
  if (offset >= ((buffer_object *)buffer)->bytes) wrong("offset %lu is outside of argument %lu", offset, i);
  fails("argument");
  c->buffers[i] = (buffer_object *)buffer;
  c->offsets[i] = offset;
}

static void set_dispatch(id self, NSUInteger type, MTLSize threads, MTLSize group) {
  command *c = changing(self);
  if (!(((indirect_command_object *)self)->of->as.types & type)) wrong("a command of a kind that was not named");
  must_be_a_grid(threads, group);
  c->grid = threads;
  c->group = group;
  c->is_set = true;
}
static void set_threads(id self, SEL s, MTLSize grid, MTLSize group) {
  (void)s;
  set_dispatch(self, MTLIndirectCommandTypeConcurrentDispatchThreads, grid, group);
}
static void set_groups(id self, SEL s, MTLSize n, MTLSize group) {
  (void)s;
  set_dispatch(self, MTLIndirectCommandTypeConcurrentDispatch,
               (MTLSize){n.width * group.width, n.height * group.height, n.depth * group.depth}, group);
}

metal_class_t indirect_class = {.name = "MTLIndirectCommandBuffer",
                                .methods = (const method[]){METHOD("indirectComputeCommandAtIndex:", "@@:Q", command_at), {0}},
                                .destroy = indirect_destroy,
                                .bytes = sizeof(indirect_object)};
metal_class_t indirect_command_class = {
    .name = "MTLIndirectComputeCommand",
    .methods = (const method[]){METHOD("reset", "v@:", reset), METHOD("setBarrier", "v@:", set_barrier),
                                METHOD("setComputePipelineState:", "v@:@", set_pipeline),
                                METHOD("setKernelBuffer:offset:atIndex:", "v@:@QQ", set_kernel_buffer),
                                METHOD("concurrentDispatchThreadgroups:threadsPerThreadgroup:", "v@:{?=QQQ}{?=QQQ}", set_groups),
                                METHOD("concurrentDispatchThreads:threadsPerThreadgroup:", "v@:{?=QQQ}{?=QQQ}", set_threads),
                                {0}},
    .destroy = indirect_command_destroy,
    .bytes = sizeof(indirect_command_object)};

/* ---- executing them ---- */

typedef struct value { /* what a command reads by reference */
  size_t at, bytes;
  int argument;
  char *seen;
} value;
typedef struct execution {
  indirect_object *of;
  NSRange range;
  resource *resources;
  char **read; /* what was in those that are only read */
  value *values;
  int n_resources, n_values;
  bool is_done;
} execution;

static bool is_named(const named *n, const buffer_object *b) {
  for (int i = 0; i < n->n_resources; i++)
    if (n->resources[i].buffer == (id)b) return true;
  return false;
}

static bool knows_pipeline(const named *n, const pipeline_object *p) {
  for (int i = 0; i < n->n_pipelines; i++)
    if (n->pipelines[i] == (id)p) return true;
  return false;
}

static void note_value(execution *x, const command *c, size_t at, int i, size_t bytes) {
  if (c->offsets[i] % 256) wrong("what argument %d refers to begins at byte %zu", i, c->offsets[i]);
  if (c->offsets[i] + bytes > c->buffers[i]->bytes) wrong("argument %d reaches over its buffer", i);
  x->values = realloc(x->values, (size_t)(x->n_values + 1) * sizeof *x->values);
  value *v = &x->values[x->n_values++];
  *v = (value){at, bytes, i, malloc(bytes)};
  if (!v->seen) abort();
  memcpy(v->seen, c->buffers[i]->at + c->offsets[i], bytes);
}

static void check_command(execution *x, const named *n, size_t at) {
  const command *c = &x->of->commands[at];
  if (!c->is_set || !c->pipeline) wrong("command %zu is not set", at);
  must_be((id)c->pipeline, &pipeline_class, "a command");
  if (number_of("METAL_DOUBLE_FAMILY", 1008) < MTLGPUFamilyApple9 && !knows_pipeline(n, c->pipeline))
    wrong("the encoder does not know the pipeline of command %zu", at);
  for (int i = 0; i < ARGUMENTS; i++) {
    const size_t wanted = c->pipeline->kernel.sizes[i];
    if (!c->buffers[i]) {
      if (wanted != SIZE_MAX && wanted != 0) wrong("argument %d of command %zu is not set", i, at);
      continue;
    }
    must_be((id)c->buffers[i], &buffer_class, "a command");
    if (!is_named(n, c->buffers[i])) wrong("argument %d of command %zu is not resident", i, at);
    if (wanted != SIZE_MAX && wanted != 0) note_value(x, c, at, i, wanted);
  }
}

static void run_command(const execution *x, size_t at) {
  const command *c = &x->of->commands[at];
  void *arguments[ARGUMENTS] = {NULL};
  must_be((id)c->pipeline, &pipeline_class, "a command that runs");
  for (int i = 0; i < ARGUMENTS; i++) {
    if (!c->buffers[i]) continue;
    must_be((id)c->buffers[i], &buffer_class, "a command that runs");
    arguments[i] = c->buffers[i]->at + c->offsets[i];
  }
  const unsigned grid[] = {(unsigned)c->grid.width, (unsigned)c->grid.height, (unsigned)c->grid.depth};
  const unsigned group[] = {(unsigned)c->group.width, (unsigned)c->group.height, (unsigned)c->group.depth};
  const char *stuck = library_run(&c->pipeline->kernel, arguments, grid, group);
  if (stuck) wrong("a kernel does not end: %s", stuck);
}

static void look_at_values(const execution *x) {
  for (int i = 0; i < x->n_values; i++) {
    const value *v = &x->values[i];
    const command *c = &x->of->commands[v->at];
    if (memcmp(c->buffers[v->argument]->at + c->offsets[v->argument], v->seen, v->bytes) != 0)
      wrong("argument %d of command %zu was changed while that was under way", v->argument, v->at);
  }
}

static void keep_read(execution *x) {
  for (int i = 0; i < x->n_resources; i++) {
    const buffer_object *b = (buffer_object *)x->resources[i].buffer;
    must_be((id)b, &buffer_class, "a resource when commands run");
    if (x->resources[i].usage & MTLResourceUsageWrite) continue;
    x->read[i] = malloc(b->bytes);
    if (!x->read[i]) abort();
    memcpy(x->read[i], b->at, b->bytes);
  }
}

static void look_at_read(const execution *x) {
  for (int i = 0; i < x->n_resources; i++) {
    const buffer_object *b = (buffer_object *)x->resources[i].buffer;
    if (x->read[i] && memcmp(x->read[i], b->at, b->bytes) != 0) wrong("resource %d was written, which was said to be read", i);
  }
}

static void run_execution(void *context) {
  execution *x = context;
  const size_t end = x->range.location + x->range.length;
  must_be((id)x->of, &indirect_class, "an execution");
  look_at_values(x);
  keep_read(x);
  for (size_t first = x->range.location, behind; first < end; first = behind) {
    behind = first + 1;
    while (behind < end && !x->of->commands[behind].barrier) behind++;
    for (size_t i = behind; i > first; i--) run_command(x, i - 1);
  }
  look_at_read(x);
  x->is_done = true;
  __atomic_sub_fetch(&x->of->under_way, 1, __ATOMIC_SEQ_CST);
}

static void drop_execution(void *context) {
  execution *x = context;
  if (!x->is_done) __atomic_sub_fetch(&x->of->under_way, 1, __ATOMIC_SEQ_CST);
  for (int i = 0; i < x->n_resources; i++) free(x->read[i]);
  for (int i = 0; i < x->n_values; i++) free(x->values[i].seen);
  free(x->resources);
  free(x->read);
  free(x->values);
  free(x);
}

void execute_commands(id self, SEL s, id commands, NSRange range) {
  (void)s;
  must_be(commands, &indirect_class, "executeCommandsInBuffer:");
  const named *n = encoder_named(self);
  indirect_object *o = (indirect_object *)commands;
  if (range.length == 0 || range.location + range.length > o->count) wrong("commands that are not there are executed");
  execution *x = calloc(1, sizeof *x);
  if (!x) abort();
  *x = (execution){.of = o, .range = range, .n_resources = n->n_resources};
  x->resources = calloc((size_t)n->n_resources + 1, sizeof *x->resources);
  x->read = calloc((size_t)n->n_resources + 1, sizeof *x->read);
  if (!x->resources || !x->read) abort();
  memcpy(x->resources, n->resources, (size_t)n->n_resources * sizeof *x->resources);
  for (size_t i = 0; i < range.length; i++) check_command(x, n, range.location + i);
  fails("execution");
  __atomic_add_fetch(&o->under_way, 1, __ATOMIC_SEQ_CST);
  command_buffer_add(encoder_command_buffer(self), run_execution, x, drop_execution);
}
