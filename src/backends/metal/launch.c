/* launch.c: kernels put into the open command buffer. Memories are arguments 0, 1, ...; the numbers follow them. Uses
   metal.h. */
#include "backends/metal/metal.h"

/* Why an operand can't be read, as far as is known. */
static error *bad_operand(metal_device *d, const gpu_launch *l) {
  error *why = NULL;
  for (int i = l->n_written; i < l->n_memories && !why; i++)
    if (l->memories[i]) why = metal_blame(d, ((const metal_memory *)l->memories[i])->written);
  return why;
}

static void encode(metal_device *d, id encoder, const gpu_launch *l) {
  const metal_kernel *k = l->entry;
  metal_set_pipeline(encoder, k->pipeline);
  for (int i = 0; i < l->n_memories; i++) {
    metal_memory *m = l->memories[i]; /* NULL: of what is empty */
    metal_set_buffer(encoder, m ? m->buffer : NULL, 0, (NSUInteger)i);
    if (m) metal_use(d, m, i < l->n_written);
  }
  metal_set_bytes(encoder, l->numbers, GPU_NUMBERS * sizeof *l->numbers, (NSUInteger)l->n_memories);
  metal_dispatch(encoder,
                 (MTLSize){(NSUInteger)l->groups[0], (NSUInteger)l->groups[1], (NSUInteger)l->groups[2]},
                 (MTLSize){(NSUInteger)l->group[0], (NSUInteger)l->group[1], (NSUInteger)l->group[2]});
  metal_encoded(d);
}

static error *launch_on(metal_device *d, const gpu_launch *l) {
  const metal_kernel *k = l->entry;
  const NSUInteger threads = (NSUInteger)l->group[0] * (NSUInteger)l->group[1] * (NSUInteger)l->group[2];
  if (threads > k->most_threads)
    return fail_as(PONS_ERROR_RUNTIME, "metal", "groups of %lu threads; the kernel takes %lu", threads,
                   k->most_threads);
  error *why = bad_operand(d, l);
  id encoder = why ? NULL : metal_encoder_of(d, &why);
  if (encoder) encode(d, encoder, l);
  return why;
}

error *metal_launch(int index, const gpu_launch *l) {
  if (l->groups[0] == 0 || l->groups[1] == 0 || l->groups[2] == 0) return NULL;
  error *why = NULL;
  metal_device *d = metal_enter(index, &why);
  if (!d) return why;
  why = launch_on(d, l);
  metal_leave(d);
  return why;
}
