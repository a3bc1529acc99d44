/* load_fuzz.c: any bytes are a file or an error. */
#include <pons/io.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  const pons_scope scope = pons_scope_open();
  pons_named named = pons_load_bytes(bytes, count, "input");
  volatile unsigned char sum = 0;
  for (int64_t i = 0; named && i < pons_named_count(named); i++) {
    pons_array a = pons_named_at(named, i);
    const unsigned char *data = pons_data(a);
    for (size_t k = 0; data && k < pons_nbytes(a); k++) sum = (unsigned char)(sum + data[k]);
  }
  pons_named_free(named);
  pons_scope_close(scope);
  pons_clear_error();
  return 0;
}
