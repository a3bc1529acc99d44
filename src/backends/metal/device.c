/* device.c: the device's queue and its command buffers, and what is known of those that failed. Uses metal.h. */
#include "backends/metal/metal.h"

enum { KERNELS_OF_A_BUFFER = 32 };

static metal_device the_device = {.lock = PTHREAD_MUTEX_INITIALIZER, .number = 1};

metal_device *metal_device_at(int index) { return (void)index, &the_device; }

/* ---- opening ---- */

static error *open_device(metal_device *d) {
  d->device = metal_card_at(0)->device;
  d->queue = metal_new_queue(d->device);
  return d->queue ? NULL
                  : fail_as(PONS_ERROR_RUNTIME, "metal", "%s gives no command queue", metal_card_at(0)->name);
}

metal_device *metal_enter(int index, error **why) {
  (void)index;
  metal_device *d = &the_device;
  pthread_mutex_lock(&d->lock);
  d->pool = metal()->objc_autoreleasePoolPush();
  if (!d->opened) {
    d->account = account_of(&metal_memory_driver, index);
    d->failed = open_device(d);
    d->opened = true;
  }
  if (!d->failed) return d;
  *why = error_keep(d->failed);
  error_meet(*why);
  metal_leave(d);
  return NULL;
}

void metal_leave(metal_device *d) {
  metal()->objc_autoreleasePoolPop(d->pool);
  pthread_mutex_unlock(&d->lock);
}

const char *metal_words(id why) {
  id words = why ? metal_description(why) : NULL;
  const char *utf8 = words ? metal_utf8(words) : NULL;
  return utf8 ? utf8 : "no reason is given";
}

/* ---- what went wrong ---- */

/* A command buffer failed. What follows it may have read what it did not write: all that is under way is blamed, and what
   lies between two that failed. */
static void note_failure(metal_device *d, id buffer, uint64_t number) {
  id reason = metal_error(buffer);
  error *why = fail_as(PONS_ERROR_RUNTIME, "metal", "the device did not carry out its work: %s (%ld)",
                       metal_words(reason), reason ? metal_code(reason) : 0l);
  if (!d->bad) d->bad_from = number;
  d->bad_to = d->buffer ? d->number : d->number - 1;
  error_release(d->bad);
  d->bad = why;
}

error *metal_blame(metal_device *d, uint64_t number) {
  if (!d->bad || number < d->bad_from || number > d->bad_to) return NULL;
  error_meet(d->bad);
  return error_keep(d->bad);
}

/* ---- waiting ---- */

static void wait_for_first(metal_device *d) {
  id buffer = d->committed[0];
  metal_wait(buffer);
  if (metal_status(buffer) != MTLCommandBufferStatusCompleted)
    note_failure(d, buffer, d->number - (uint64_t)d->under_way);
  metal()->objc_release(buffer);
  d->under_way--;
  memmove(d->committed, d->committed + 1, (size_t)d->under_way * sizeof *d->committed);
}

void metal_wait_for(metal_device *d, uint64_t number) {
  if (d->buffer && number >= d->number) metal_commit_open(d);
  while (d->under_way > 0 && d->number - (uint64_t)d->under_way <= number) wait_for_first(d);
}

/* ---- command buffers ---- */

void metal_end_encoder(metal_device *d) {
  if (!d->encoder) return;
  metal_end_encoding(d->encoder);
  metal()->objc_release(d->encoder);
  d->encoder = NULL;
}

void metal_commit_open(metal_device *d) {
  if (!d->buffer) return;
  metal_end_encoder(d);
  if (d->under_way == METAL_COMMITTED) wait_for_first(d);
  metal_commit(d->buffer);
  d->committed[d->under_way++] = d->buffer;
  d->buffer = NULL;
  d->encoded = 0;
  d->number++;
}

static bool open_buffer(metal_device *d) {
  if (!d->buffer) d->buffer = metal()->objc_retain(metal_command_buffer(d->queue));
  return d->buffer != NULL;
}

id metal_buffer_of(metal_device *d, error **why) {
  metal_end_encoder(d);
  if (open_buffer(d)) return d->buffer;
  *why = fail_as(PONS_ERROR_RUNTIME, "metal", "%s gives no command buffer", metal_card_at(0)->name);
  return NULL;
}

id metal_encoder_of(metal_device *d, error **why) {
  if (d->encoder) return d->encoder;
  if (open_buffer(d)) d->encoder = metal()->objc_retain(metal_encoder(d->buffer));
  if (!d->encoder)
    *why = fail_as(PONS_ERROR_RUNTIME, "metal", "%s gives no %s", metal_card_at(0)->name,
                   d->buffer ? "encoder" : "command buffer");
  return d->encoder;
}

void metal_encoded(metal_device *d, size_t kernels) {
  d->encoded += kernels;
  if (d->encoded >= KERNELS_OF_A_BUFFER) metal_commit_open(d);
}

error *metal_flush(int index) {
  error *why = NULL;
  metal_device *d = metal_enter(index, &why);
  if (!d) return why;
  metal_commit_open(d);
  metal_leave(d);
  return NULL;
}

void metal_use(metal_device *d, metal_memory *m, bool written) {
  m->used = d->number;
  if (written) m->written = d->number;
}
