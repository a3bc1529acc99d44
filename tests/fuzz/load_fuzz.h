/* load_fuzz.h: any bytes are a file of a format or an error; what is read can be written and read again. */
#ifndef LOAD_FUZZ_H
#define LOAD_FUZZ_H
#include <pons/device.h>
#include <pons/io.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static inline void touch(pons_array a) {
  volatile unsigned char sum = 0;
  const unsigned char *data = a ? pons_data(a) : NULL;
  for (size_t k = 0; data && k < pons_nbytes(a); k++) sum = (unsigned char)(sum + data[k]);
}

static inline void write_again(const char *format, pons_named named) {
  size_t count;
  void *bytes = pons_save_bytes(format, named, &count);
  if (!bytes) return; /* quantised otherwise than the format writes, or damaged where it was not read yet */
  pons_named again = pons_load_bytes(bytes, count, "again", format);
  if (!again || pons_named_count(again) != pons_named_count(named)) abort();
  pons_named_free(again);
  pons_free(bytes);
}

static inline int read_as(const char *format, const uint8_t *bytes, size_t count) {
  pons_set_memory_limit(256 << 20);
  const int64_t before = pons_live_arrays();
  const pons_scope scope = pons_scope_open();
  pons_named named = pons_load_bytes(bytes, count, "input", format);
  for (int64_t i = 0; named && i < pons_named_count(named); i++) touch(pons_named_at(named, i));
  for (int64_t i = 0; named && i < pons_named_metadata_count(named); i++)
    touch(pons_named_metadata_array(named, pons_named_metadata_key(named, i)));
  if (named) write_again(format, named);
  pons_named_free(named);
  pons_scope_close(scope);
  pons_clear_error();
  if (pons_live_arrays() != before) abort();
  return 0;
}
#endif
