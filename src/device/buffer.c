/* buffer.c: counted memory for elements: our own, from the cache, or somebody else's.

   Uses base/, account.c, cache.c, residency.c. */
#include "device/parts.h"

/* "4.0 GiB", "12 B" */
static const char *size_text(char out[24], size_t bytes) {
  static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = (double)bytes;
  int unit = -1;
  while (value >= 1024 && unit < 5) value /= 1024, unit++;
  if (unit < 0) snprintf(out, 24, "%zu B", bytes);
  else snprintf(out, 24, "%.1f %s", value, units[unit]);
  return out;
}

error *buffer_no_memory(const char *op, size_t asked) {
  const account *host = account_of(NULL, 0);
  const size_t used = account_active(host), cached = cache_bytes(), limit = account_limit(host), available = machine_available_memory();
  size_t spare = limit > used ? limit - used : 0; /* where the system does not tell, what the limit leaves */
  char text[5][24];
  return fail_as(PONS_ERROR_MEMORY, op, "out of memory: asked %s, used %s, cached %s, free %s, limit %s",
                 size_text(text[0], asked), size_text(text[1], used), size_text(text[2], cached),
                 size_text(text[3], available < spare ? available : spare), size_text(text[4], limit));
}

buffer *buffer_new(size_t bytes, const char *op, error **why) {
  buffer *b = mem_should_fail() ? NULL : cache_take(bytes);
  if (b == NULL) *why = buffer_no_memory(op, bytes);
  return b;
}

buffer *buffer_wrap(void *data, size_t bytes, void (*destroy)(void *), void *owner, error **why) {
  buffer *b = mem_alloc(sizeof *b);
  if (b == NULL) {
    if (destroy != NULL) destroy(owner);
    *why = fail_no_memory("from_data");
    return NULL;
  }
  *b = (buffer){.bytes = bytes, .data = data, .size_class = WRAPPED, .valid = {.all = ON_HOST}};
  atomic_init(&b->refs, 1);
  b->as.wrapped.destroy = destroy;
  b->as.wrapped.owner = owner;
  return b;
}

buffer *buffer_keep(buffer *b) {
  if (b != NULL) atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
  return b;
}

void buffer_release(buffer *b) {
  if (b == NULL || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) return;
  if (b->copies != NULL) copies_free(b);
  if (b->size_class == ELSEWHERE) {
    buffer_release(b->as.host);
    mem_free(b);
  } else if (b->size_class == WRAPPED) {
    if (b->as.wrapped.destroy != NULL) b->as.wrapped.destroy(b->as.wrapped.owner);
    mem_free(b);
  } else {
    cache_put(b);
  }
}

byte_range byte_range_of(int64_t offset, int ndim, const int64_t *shape, const int64_t *strides, size_t element_bytes) {
  int64_t first = 0, last = 0;
  for (int i = 0; i < ndim; i++) {
    if (shape[i] == 0) return (byte_range){0, 0};
    *(strides[i] < 0 ? &first : &last) += (shape[i] - 1) * strides[i];
  }
  return (byte_range){(size_t)(offset + first * (int64_t)element_bytes), (size_t)(offset + (last + 1) * (int64_t)element_bytes)};
}

void *buffer_host(const buffer *b, byte_range part, error **why) {
  if (atomic_load_explicit(&((buffer *)b)->stale, memory_order_acquire)) *why = buffer_bring_home((buffer *)b, part);
  return *why == NULL ? b->data : NULL;
}

void *buffer_data(const buffer *b) {
  error *why = NULL;
  void *data = buffer_host(b, ALL_BYTES, &why);
  error_meet(why);
  error_release(why);
  return data;
}
const void *buffer_at_hand(const buffer *b) {
  return atomic_load_explicit(&((buffer *)b)->stale, memory_order_acquire) ? NULL : b->data;
}

size_t buffer_bytes(const buffer *b) { return b->bytes; }
size_t buffer_block_bytes(const buffer *b) {
  return b->size_class == WRAPPED || b->size_class == ELSEWHERE ? b->bytes : cache_block_bytes(b);
}

bool buffer_is_sole(const buffer *b) {
  return b->size_class != WRAPPED && atomic_load_explicit(&((buffer *)b)->refs, memory_order_acquire) == 1;
}
