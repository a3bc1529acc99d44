/* launch.c: kernels put into the open command buffer. Memories of a kernel of ours are arguments 0, 1, ...; the numbers follow
   them. Uses metal.h. */
#include "backends/metal/metal.h"

/* Why an operand can't be read, as far as is known. */
static error *bad_operand(metal_device *d, const metal_work *w) {
  error *why = NULL;
  for (int i = 0; i < w->n_arguments && !why; i++) {
    const metal_argument *a = &w->arguments[i];
    if (a->memory && !a->written) why = metal_blame(d, a->memory->written);
  }
  return why;
}

static void encode_with(metal_device *d, id encoder, const metal_work *w) {
  metal_set_pipeline(encoder, w->kernel->pipeline);
  for (int i = 0; i < w->n_arguments; i++) {
    const metal_argument *a = &w->arguments[i];
    if (a->bytes)
      metal_set_bytes(encoder, a->bytes, a->length, (NSUInteger)i);
    else
      metal_set_buffer(encoder, a->memory ? a->memory->buffer : NULL, a->offset, (NSUInteger)i);
    if (a->memory) metal_use(d, a->memory, a->written);
  }
  if (w->grid_of_threads)
    metal_dispatch_threads(encoder, w->grid, w->group);
  else
    metal_dispatch(encoder, w->grid, w->group);
  metal_encoded(d, 1);
}

error *metal_encode(metal_device *d, const metal_work *w) {
  error *why = bad_operand(d, w);
  id encoder = why ? NULL : metal_encoder_of(d, &why);
  if (encoder) encode_with(d, encoder, w);
  return why;
}

error *metal_launch_work(int index, const metal_work *w) {
  const NSUInteger threads = w->group.width * w->group.height * w->group.depth;
  error *why = NULL;
  if (w->grid.width == 0 || w->grid.height == 0 || w->grid.depth == 0) return NULL;
  if (threads > w->kernel->most_threads)
    return fail_as(PONS_ERROR_RUNTIME, "metal", "groups of %lu threads; the kernel takes %lu", threads,
                   w->kernel->most_threads);
  if (metal_note_work(index, w, &why) || why) return why;
  metal_device *d = metal_enter(index, &why);
  if (!d) return why;
  why = metal_encode(d, w);
  metal_leave(d);
  return why;
}

error *metal_launch(int index, const gpu_launch *l) {
  metal_argument arguments[GPU_MAX_MEMORIES + 1];
  for (int i = 0; i < l->n_memories; i++) /* NULL: of what is empty */
    arguments[i] = (metal_argument){.memory = l->memories[i], .written = i < l->n_written};
  arguments[l->n_memories] =
      (metal_argument){.bytes = l->numbers, .length = GPU_NUMBERS * sizeof *l->numbers};
  return metal_launch_work(
      index, &(metal_work){l->entry,
                           l->n_memories + 1,
                           arguments,
                           {(NSUInteger)l->groups[0], (NSUInteger)l->groups[1], (NSUInteger)l->groups[2]},
                           {(NSUInteger)l->group[0], (NSUInteger)l->group[1], (NSUInteger)l->group[2]},
                           false,
                           l->notes_faults});
}
