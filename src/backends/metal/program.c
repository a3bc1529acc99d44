/* program.c: kernel text to pipelines. Nothing is kept on disk: the system keeps what it has compiled. Uses metal.h. */
#include "backends/metal/metal.h"

void metal_identify(int index, text *t) { text_add(t, "metal %s", metal_card_at(index)->name); }

static error *compile_failure(const char *name, id why) {
  return fail_as(PONS_ERROR_RUNTIME, "metal", "the kernel '%s' does not compile: %.4000s", name,
                 metal_words(why));
}

/* Values as written, unless a user asks for fast math. */
static id compile_text(metal_device *d, const char *name, const char *whole, bool fast_math, error **why) {
  id reason = NULL;
  id options = metal_init(metal_alloc(metal_class("MTLCompileOptions")));
  id source = metal_string(metal_class("NSString"), whole);
  if (options) metal_set_fast_math(options, fast_math);
  id library = options && source ? metal_new_library(d->device, source, options, &reason) : NULL;
  if (!library) *why = compile_failure(name, reason);
  metal()->objc_release(options);
  return library;
}

void *metal_compile(int index, const char *name, const char *text, const char *options, gpu_binary *binary,
                    error **why) {
  if (binary) *binary = (gpu_binary){0}; /* Metal keeps what it compiled itself */
  metal_device *d = metal_enter(index, why);
  if (!d) return NULL;
  id library = compile_text(d, name, text, options && strcmp(options, METAL_FAST_MATH) == 0, why);
  metal_leave(d);
  return library;
}

void *metal_load(int index, const void *bytes, size_t size) {
  (void)index, (void)bytes, (void)size;
  return NULL;
}

/* One that indirect command buffers take serves launches too, so there is no other; functions that can't have such a one have a plain one,
   and are launched one by one. NULL and *reason. */
static id new_pipeline(metal_device *d, id function, bool *is_indirect, id *reason) {
  id descriptor = NULL, pipeline = NULL, ignored = NULL;
  if (metal_wants_indirect()) descriptor = metal_init(metal_alloc(metal_class("MTLComputePipelineDescriptor")));
  if (descriptor) {
    metal_set_function(descriptor, function);
    metal_set_indirect(descriptor, true);
    pipeline = metal_new_described_pipeline(d->device, descriptor, 0, NULL, &ignored);
    metal()->objc_release(descriptor);
  }
  *is_indirect = pipeline != NULL;
  return pipeline ? pipeline : metal_new_pipeline(d->device, function, reason);
}

static metal_kernel *kernel_of(metal_device *d, id library, const char *name, error **why) {
  id reason = NULL;
  id function = metal_new_function(library, metal_string(metal_class("NSString"), name));
  metal_kernel *k = mem_zalloc(sizeof *k);
  if (!function)
    *why = fail_as(PONS_ERROR_RUNTIME, "metal", "there is no kernel '%s' in its program", name);
  else if (!k)
    *why = fail_no_memory("metal");
  else if (!(k->pipeline = new_pipeline(d, function, &k->is_indirect, &reason)))
    *why = fail_as(PONS_ERROR_RUNTIME, "metal", "no pipeline for the kernel '%s': %s", name,
                   metal_words(reason));
  else
    k->most_threads = metal_most_threads(k->pipeline);
  metal()->objc_release(function);
  if (!*why) return k;
  mem_free(k);
  return NULL;
}

void *metal_entry(int index, void *module, const char *name, error **why) {
  metal_device *d = metal_enter(index, why);
  if (!d) return NULL;
  metal_kernel *k = kernel_of(d, module, name, why);
  metal_leave(d);
  return k;
}
