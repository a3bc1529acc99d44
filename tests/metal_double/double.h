/* double.h: objects of the double of Apple's frameworks. A class is a list of methods, each with the types its selector has in
   Apple's headers, as the run time encodes them. Uses metal/api.h for its types, tests/doubles/. */
#ifndef METAL_DOUBLE_H
#define METAL_DOUBLE_H
#include "backends/metal/api.h"
#include "tests/doubles/faults.h"

#define EXPORT __attribute__((visibility("default")))

typedef struct method {
  const char *selector, *encoding;
  void (*function)(void);
} method;
#define METHOD(selector, encoding, function) \
  { selector, encoding, (void (*)(void))(function) }

typedef struct metal_class {
  struct objc_object *isa_of_class; /* itself: a class is told by it */
  const char *name;
  const method *methods, *class_methods; /* ended by a selector NULL */
  void (*destroy)(id self);              /* what it holds; may be NULL */
  size_t bytes;                          /* of an object */
  long live;
} metal_class_t;

/* In front of every object. */
struct objc_object {
  metal_class_t *isa;
  long refs;
};

/* ---- runtime.c ---- */

id object_new(metal_class_t *c); /* counted once, filled with zeros */
id object_autorelease(id object);
id object_keep(id object);
void object_release(id object);
/* `object` is of the class, or the process ends. */
void must_be(id object, const metal_class_t *c, const char *where);
/* Ends the process: what was done would end it, or worse, on a real device. */
void wrong(const char *format, ...) PRINTF_LIKE(1, 2);
bool object_responds(id self, SEL s, SEL asked); /* respondsToSelector:; METAL_DOUBLE_WITHOUT=SELECTOR: to that nobody does */
id string_new(const char *utf8);
const char *string_utf8(id string);
id error_new(long code, const char *words);
/* One lock for all: methods hold it. */
extern metal_class_t string_class, error_class, options_class;

/* ---- library.c: Metal's text as functions of the host ---- */

typedef struct library library;
/* NULL and *log (to be freed). */
library *library_compile(const char *text, bool fast_math, char **log);
typedef struct library_kernel {
  void (*run)(void **arguments);
  const size_t *sizes; /* of each argument's memory, 0: any; SIZE_MAX: there is no such argument */
  library *library;
} library_kernel;
bool library_find(library *l, const char *name, library_kernel *k);
/* A grid of so many threads in groups of `group`, smaller ones at its ends. NULL, or what kept the threads from their end. */
const char *library_run(const library_kernel *k, void **arguments, const unsigned grid[3],
                        const unsigned group[3]);
enum { ARGUMENTS = 31 };

/* ---- objects.c, products.c, indirect.c ---- */

/* Counted: does this one fail? */
bool fails(const char *what);

extern metal_class_t *const all_classes[]; /* NULL-ended; those that objc_getClass finds among them */
typedef struct buffer_object {
  struct objc_object head;
  char *at;
  size_t bytes;
  bool is_wrapper;
} buffer_object;
extern metal_class_t buffer_class, command_buffer_class, device_class;
extern metal_class_t descriptor_class, matrix_class, product_class;
typedef struct function_object {
  struct objc_object head;
  library_kernel kernel;
} function_object;
typedef struct pipeline_object {
  struct objc_object head;
  library_kernel kernel;
  bool is_indirect;
} pipeline_object;
extern metal_class_t function_class, pipeline_class;
id pipeline_new(id function, bool is_indirect);
/* What encoders know of what an indirect command buffer is to use. */
typedef struct resource {
  id buffer;
  NSUInteger usage;
} resource;
typedef struct named {
  resource *resources;
  id *pipelines; /* set with a dispatch of no groups */
  int n_resources, n_pipelines;
} named;
named *encoder_named(id encoder); /* of one that was not ended */
id encoder_command_buffer(id encoder);
void execute_commands(id encoder, SEL s, id commands, NSRange range);
enum { MOST_THREADS = 256 };
void must_be_a_grid(MTLSize grid, MTLSize group);
extern metal_class_t pipeline_descriptor_class, indirect_descriptor_class, indirect_class, indirect_command_class;
id new_described_pipeline(id self, SEL s, id descriptor, NSUInteger options, id *reflection, id *why);
id new_indirect(id self, SEL s, id descriptor, NSUInteger count, NSUInteger options);
id refuse(id *why, long code, const char *words); /* nil */
/* Done when the command buffer is; `context` is freed then. */
void command_buffer_add(id command_buffer, void (*work)(void *context), void *context,
                        void (*drop)(void *context));
#endif
