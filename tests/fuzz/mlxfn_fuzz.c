/* mlxfn_fuzz.c: any bytes are a file or an error; a file can be shown, and called on zeros if
   what it computes is small. */
#include "export/export.h"
#include <pons/eval.h>
#include <pons/ops.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum { MOST_ELEMENTS = 20000, MOST_INPUTS = 64, MOST_OUTPUTS = 64 };

static bool is_small(const signature *s) {
  int64_t sum = 0;
  for (size_t i = 0; i < s->n_values; i++) {
    const int64_t size = shape_size(s->values[i].ndim, s->values[i].dims);
    if (size > MOST_ELEMENTS) return false;
    sum += size;
  }
  return sum <= MOST_ELEMENTS && s->n_in <= MOST_INPUTS && s->n_out <= MOST_OUTPUTS;
}

static void call(pons_imported file, const signature *s) {
  pons_array in[MOST_INPUTS], out[MOST_OUTPUTS];
  for (int32_t i = 0; i < s->n_in; i++) {
    const pons_shape shape = {s->values[i].ndim, s->values[i].dims};
    in[i] = pons_zeros(shape, s->values[i].dtype);
  }
  if (pons_imported_call(file, in, s->n_in, s->keys, s->n_keys, out, MOST_OUTPUTS) == s->n_out)
    pons_eval_many(out, s->n_out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  const pons_scope scope = pons_scope_open();
  pons_imported file = pons_import_function_bytes(bytes, count);
  if (file) {
    pons_free(pons_imported_show(file, "json"));
    cursor c = {.memory = bytes, .fd = -1, .size = count};
    mlxfn *f = mlxfn_read(&c);
    for (int32_t i = 0; f && i < f->n_signatures; i++)
      if (is_small(&f->signatures[i])) call(file, &f->signatures[i]);
    mlxfn_free(f);
  }
  pons_imported_release(file);
  pons_scope_close(scope);
  pons_clear_error();
  return 0;
}
