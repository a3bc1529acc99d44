/* memory.c: device memory: buffers that the device and the host share. Uses metal.h. */
#include "backends/metal/metal.h"
#include <unistd.h>

static error *no_memory(size_t bytes) {
  const metal_card *card = metal_card_at(0);
  const account *a = account_of(&metal_memory_driver, 0);
  return fail_as(PONS_ERROR_MEMORY, "metal",
                 "out of memory on %s: asked %.1f MiB, %.1f of %.1f MiB are in use, by arrays %.1f of at most %.1f MiB", card->name,
                 (double)bytes / 1048576, (double)metal_allocated(card->device) / 1048576, (double)card->working_set / 1048576,
                 (double)account_active(a) / 1048576, (double)account_limit(a) / 1048576);
}

/* ---- the cache ----
   Kernels run in order, so a block may be used anew behind the work that still uses it. A small one that is still in use
   is left where it is: who fills it would wait. */

enum { SMALL = 1 << 20 };

static metal_memory *take_cached(metal_device *d, int size_class) {
  for (metal_memory **p = &d->cached[size_class]; *p; p = &(*p)->next) {
    metal_memory *m = *p;
    if (m->base.bytes < SMALL && metal_is_under_way(d, m->used)) continue;
    *p = m->next;
    d->cached_bytes -= m->base.bytes;
    return m;
  }
  return NULL;
}

/* Command buffers hold on to what they use; of what commands use that they execute, Apple does not say so. */
static void drop(metal_device *d, metal_memory *m) {
  if (m->is_indirect) metal_wait_for(d, m->used);
  metal()->objc_release(m->buffer);
  mem_free(m);
}

static void empty_cache(metal_device *d) {
  for (int i = 0; i < GPU_SIZE_CLASSES; i++) {
    for (metal_memory *m = d->cached[i], *next; m; m = next) {
      next = m->next;
      drop(d, m);
    }
    d->cached[i] = NULL;
  }
  d->cached_bytes = 0;
}

/* What is kept beside what is used. */
static size_t kept_bytes(const metal_device *d) { return d->cached_bytes + d->noted_bytes; }

static void put_cached(metal_device *d, metal_memory *m) {
  size_t rounded;
  const int size_class = gpu_size_class(m->base.bytes, &rounded);
  m->next = d->cached[size_class];
  d->cached[size_class] = m;
  d->cached_bytes += m->base.bytes;
  if (kept_bytes(d) > account_cache_limit(d->account)) empty_cache(d);
}

static size_t cached_bytes(int index) {
  error *why = NULL;
  metal_device *d = metal_enter(index, &why);
  error_release(why);
  if (!d) return 0;
  const size_t bytes = kept_bytes(d);
  metal_leave(d);
  return bytes;
}

void metal_trim(int index) {
  error *why = NULL;
  gpu_noted_forget(&metal_noted_list, index);
  metal_device *d = metal_enter(index, &why);
  error_release(why);
  if (!d) return;
  empty_cache(d);
  metal_leave(d);
}

/* ---- taking and giving back ---- */

/* What was given back is free once the work that used it has ended. */
static id new_buffer(metal_device *d, size_t bytes) {
  id buffer = metal_new_buffer(d->device, bytes, MTLResourceStorageModeShared);
  if (buffer) return buffer;
  empty_cache(d);
  metal_wait_for(d, d->number);
  return metal_new_buffer(d->device, bytes, MTLResourceStorageModeShared);
}

static metal_memory *new_memory(metal_device *d, size_t bytes, error **why) {
  metal_memory *m = mem_zalloc(sizeof *m);
  if (!m)
    *why = fail_no_memory("metal");
  else if (!(m->buffer = new_buffer(d, bytes)))
    *why = no_memory(bytes);
  if (*why) {
    mem_free(m);
    return NULL;
  }
  m->base.bytes = bytes;
  m->serial = ++d->serials;
  m->contents = metal_contents(m->buffer);
  return m;
}

/* Is it within the limit, without the cache if need be? Then it is counted. */
static bool fits(metal_device *d, size_t bytes) {
  if (account_take(d->account, bytes, kept_bytes(d))) return true;
  empty_cache(d);
  return account_take(d->account, bytes, d->noted_bytes);
}

static metal_memory *take_ordinary(int index, size_t bytes, int size_class, error **why) {
  metal_device *d = metal_enter(index, why);
  if (!d) return NULL;
  metal_memory *m = take_cached(d, size_class);
  if (!fits(d, bytes)) {
    if (m) drop(d, m);
    m = NULL;
    *why = no_memory(bytes);
  } else if (m) {
    m->written = 0;
  } else {
    m = new_memory(d, bytes, why);
    if (!m) account_count(d->account, -(ptrdiff_t)bytes);
  }
  metal_leave(d);
  return m;
}

/* Where there is none left, what stays with recordings is let go of: of those that rest, then of the one under way. */
static bool let_go(int index, int tries, error **why) {
  if (tries == 0) return gpu_noted_forget(&metal_noted_list, index) || let_go(index, 1, why);
  if (tries > 1 || !metal_noted(index)) return false;
  *why = metal_end_noting(index);
  return true;
}

static void *take(int index, size_t bytes, error **why) {
  size_t rounded;
  const int size_class =
      gpu_size_class(bytes, &rounded); /* whole words: narrow elements are swapped as part of one */
  const bool was_fine = pons_ok();
  metal_memory *m = gpu_noted_take(metal_noted(index), rounded);
  if (m) m->written = 0;
  else m = take_ordinary(index, rounded, size_class, why);
  for (int tries = 0; !m && *why && error_kind(*why) == PONS_ERROR_MEMORY; tries++) {
    error *failed = NULL;
    if (!let_go(index, tries, &failed)) break;
    error_release(*why);
    *why = failed;
    if (was_fine && !failed) pons_clear_error();
    if (!failed) m = take_ordinary(index, rounded, size_class, why);
  }
  if (m && !m->base.owner) gpu_noted_add(metal_noted(index), &m->base);
  if (m) m->asked = bytes;
  return m;
}

/* A command buffer holds on to what it uses, but not to the host's own memory. */
void metal_give(int index, void *memory) {
  metal_memory *m = memory;
  error *why = NULL;
  if (m->wrapped) error_release(metal_end_noting(index));
  if (gpu_noted_give(metal_noted(index), &m->base)) return;
  metal_device *d = metal_enter(index, &why);
  if (!d) { /* it was taken: it could be entered */
    error_release(why);
    return;
  }
  if (m->wrapped) {
    metal_wait_for(d, m->used);
    drop(d, m);
  } else {
    account_count(d->account, -(ptrdiff_t)m->base.bytes);
    put_cached(d, m);
  }
  metal_leave(d);
}

static error *write_memory(int index, void *memory, size_t at, const void *host, size_t bytes) {
  metal_memory *m = memory;
  error *why = metal_end_noting(index);
  if (why) return why;
  metal_device *d = metal_enter(index, &why);
  if (!d) return why;
  metal_wait_for(d, m->used);
  memcpy(m->contents + at, host, bytes);
  if (bytes == m->asked) m->written = 0; /* else what failed is told to who reads the rest */
  metal_leave(d);
  return NULL;
}

static error *read_memory(int index, void *memory, size_t at, void *host, size_t bytes) {
  metal_memory *m = memory;
  error *why = metal_end_noting(index);
  if (why) return why;
  metal_device *d = metal_enter(index, &why);
  if (!d) return why;
  metal_wait_for(d, m->written);
  why = metal_blame(d, m->written);
  if (!why) memcpy(host, m->contents + at, bytes);
  metal_leave(d);
  return why;
}

/* ---- one memory for host and device ---- */

static void *host_of(int index, void *memory) {
  (void)index;
  return ((metal_memory *)memory)->contents;
}

/* A buffer can be made of whole pages alone. */
static void *wrap(int index, void *data, size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  error *why = NULL;
  if ((uintptr_t)data % page || bytes % page) return NULL;
  metal_memory *m = mem_zalloc(sizeof *m);
  metal_device *d = m ? metal_enter(index, &why) : NULL;
  if (d) {
    m->buffer = metal_new_wrapper(d->device, data, bytes, MTLResourceStorageModeShared, NULL);
    m->serial = ++d->serials;
    metal_leave(d);
  }
  error_release(why);
  if (m && m->buffer) {
    m->base.bytes = bytes;
    m->contents = data;
    m->wrapped = true;
    return m;
  }
  mem_free(m);
  return NULL;
}

static error *wait_for(int index, void *memory, bool for_writing) {
  const metal_memory *m = memory;
  error *why = metal_end_noting(index);
  if (why) return why;
  metal_device *d = metal_enter(index, &why);
  if (!d) return why;
  metal_wait_for(d, for_writing ? m->used : m->written);
  if (!for_writing) why = metal_blame(d, m->written);
  metal_leave(d);
  return why;
}

static error *finish(int index) {
  error *why = metal_end_noting(index);
  if (why) return why;
  metal_device *d = metal_enter(index, &why);
  if (!d) return why;
  metal_wait_for(d, d->number);
  if (d->bad && !error_is_met(d->bad)) why = error_keep(d->bad);
  metal_leave(d);
  return why;
}

const memory_driver metal_memory_driver = {.take = take,
                                           .give = metal_give,
                                           .write = write_memory,
                                           .read = read_memory,
                                           .host = host_of,
                                           .wrap = wrap,
                                           .wait = wait_for,
                                           .finish = finish,
                                           .cached = cached_bytes,
                                           .trim = metal_trim};
