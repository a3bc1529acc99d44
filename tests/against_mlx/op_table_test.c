/* op_table_test.c: every conformance case, in all its dtypes, written to a .mlxfn file with its inputs and
   results beside it and a manifest over all. op_table_values_test.py runs the files through the interpreter
   and MLX; coverage_test.py reads what the manifest says of each case.

   usage: op_table_test [FOLDER] */
#include "conformance_cases.h"
#include <cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One case in one dtype. */
typedef struct call {
  const conformance_case *c;
  pons_dtype dtype;
  pons_array in[CASE_MAX_INPUTS], out[CASE_MAX_OUTPUTS];
} call;

static void build(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  ((const conformance_case *)payload)->build(in, out);
}

/* Names of files: letters, digits and dashes. */
static void file_name(int number, const char *name, char *out, size_t room) {
  size_t n = (size_t)snprintf(out, room, "%03d-", number);
  for (; *name && n + 1 < room; name++) {
    const bool plain =
        (*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9') || (*name >= 'A' && *name <= 'Z');
    if (plain || out[n - 1] != '-') out[n++] = plain ? *name : '-';
  }
  out[n] = 0;
}

static bool add_array(pons_named data, cJSON *list, int k, const char *kind, int i, pons_array a) {
  char name[32];
  snprintf(name, sizeof name, "c%d_%s%d", k, kind, i);
  cJSON_AddItemToArray(list, cJSON_CreateString(name));
  return pons_named_set(data, name, a);
}

static bool add_call(pons_named data, cJSON *calls, int k, const call *v) {
  cJSON *entry = cJSON_CreateObject();
  cJSON *args = cJSON_AddArrayToObject(entry, "args");
  cJSON_AddObjectToObject(entry, "kwargs");
  cJSON *outputs = cJSON_AddArrayToObject(entry, "outputs");
  const bool coarse = v->dtype == PONS_BFLOAT16, half = v->dtype == PONS_FLOAT16;
  const double tolerance = coarse ? 3e-2 : half ? 6e-3 : 5e-5;
  cJSON_AddNumberToObject(entry, "rtol", tolerance);
  cJSON_AddNumberToObject(entry, "atol", tolerance);
  cJSON_AddStringToObject(entry, "dtype", pons_dtype_name(v->dtype));
  cJSON_AddItemToArray(calls, entry);
  bool fine = true;
  for (int i = 0; fine && i < v->c->n_in; i++) fine = add_array(data, args, k, "arg", i, v->in[i]);
  for (int i = 0; fine && i < v->c->n_out; i++) fine = add_array(data, outputs, k, "out", i, v->out[i]);
  return fine;
}

/* Is there a derivative to speak of? An operand and a result that vary evenly, and not zero everywhere. */
static bool differentiable(const conformance_case *c) {
  static const pons_dtype inexact[] = {PONS_FLOAT32, PONS_FLOAT64, PONS_COMPLEX64};
  bool found = conformance_has_derivatives(c);
  for (int t = 0; !found && t < 3; t++) {
    if (!conformance_takes(c, inexact[t])) continue;
    const pons_scope scope = pons_scope_open();
    pons_array in[CASE_MAX_INPUTS], out[CASE_MAX_OUTPUTS], grads[CASE_MAX_INPUTS], ones[CASE_MAX_OUTPUTS];
    conformance_inputs(c, inexact[t], 1, in);
    c->build(in, out);
    for (int k = 0; k < c->n_out; k++) ones[k] = pons_ones_like(out[k]);
    pons_function f = pons_function_new(build, c->n_out, (void *)(uintptr_t)c, NULL);
    bool varies = false;
    for (int k = 0; k < c->n_out; k++) {
      const pons_dtype d = pons_dtype_of(out[k]);
      varies |= d == PONS_COMPLEX64 || (d >= PONS_FLOAT16 && d <= PONS_BFLOAT16);
    }
    const bool fine = varies && pons_vjp(f, in, c->n_in, ones, c->n_out, out, grads);
    found = varies && !fine;
    for (int i = 0; fine && !found && i < c->n_in; i++)
      if (c->in[i].dtype == CASE_TYPE)
        found = pons_item(pons_any(pons_not_equal(grads[i], pons_zeros_like(grads[i])))) != 0;
    pons_function_release(f);
    pons_clear_error();
    pons_scope_close(scope);
  }
  return found;
}

/* Files hold no complex128: what is made of float64 by way of it isn't written. */
static bool fits_in_a_file(const char *folder, const conformance_case *c, pons_dtype d, int seed) {
  if (d == PONS_COMPLEX128) return false;
  if (d != PONS_FLOAT64) return true;
  pons_array in[CASE_MAX_INPUTS];
  char path[600];
  snprintf(path, sizeof path, "%s/tried.mlxfn", folder);
  conformance_inputs(c, d, (uint64_t)seed, in);
  pons_function f = pons_function_new(build, c->n_out, (void *)(uintptr_t)c, NULL);
  const bool fits = pons_export_function(path, .function = f, .inputs = in, .n_inputs = c->n_in) ||
                    !pons_error() || !strstr(pons_error(), "hold no complex128");
  pons_function_release(f);
  pons_clear_error();
  unlink(path);
  return fits;
}

/* Writes NAME.mlxfn, with a signature per dtype, and NAME.npz; an entry of the manifest. */
static bool write_case(const char *folder, int number, const conformance_case *c, cJSON *manifest) {
  char name[100], path[600];
  static call calls[PONS_DTYPE_COUNT];
  int n = 0;
  file_name(number, c->name, name, sizeof name);
  snprintf(path, sizeof path, "%s/%s.mlxfn", folder, name);
  pons_function f = pons_function_new(build, c->n_out, (void *)(uintptr_t)c, NULL);
  pons_named data = pons_named_new();
  cJSON *entry = cJSON_CreateObject(), *list = cJSON_CreateArray();
  pons_function_exporter exporter = pons_exporter(path, .function = f);
  bool fine = f && data && entry && list && exporter;
  for (int d = 0; fine && d < PONS_DTYPE_COUNT; d++) {
    if (!conformance_takes(c, (pons_dtype)d) || !fits_in_a_file(folder, c, (pons_dtype)d, 77 + number)) continue;
    call *v = &calls[n];
    *v = (call){.c = c, .dtype = (pons_dtype)d};
    conformance_inputs(c, v->dtype, 77 + (uint64_t)number, v->in);
    fine = pons_exporter_call(exporter, .inputs = v->in, .n_inputs = c->n_in) &&
           pons_call(f, v->in, c->n_in, v->out, c->n_out) && pons_eval_many(v->out, c->n_out) &&
           add_call(data, list, n, v);
    n++;
  }
  fine = pons_exporter_close(exporter) && fine;
  snprintf(path, sizeof path, "%s/%s.npz", folder, name);
  fine = fine && pons_save(path, data);
  cJSON_AddStringToObject(entry, "name", name);
  cJSON_AddStringToObject(entry, "case", c->name);
  cJSON_AddBoolToObject(entry, "differentiable", differentiable(c));
  cJSON_AddBoolToObject(entry, "derivatives", conformance_has_derivatives(c));
  cJSON_AddBoolToObject(entry, "batches", c->n_in > 0);
  snprintf(path, sizeof path, "%s.mlxfn", name);
  cJSON_AddStringToObject(entry, "file", path);
  snprintf(path, sizeof path, "%s.npz", name);
  cJSON_AddStringToObject(entry, "data", path);
  cJSON_AddItemToObject(entry, "calls", list);
  if (fine) cJSON_AddItemToArray(manifest, entry);
  else cJSON_Delete(entry);
  pons_named_free(data);
  pons_function_release(f);
  return fine;
}

int main(int argc, char **argv) {
  const char *folder = argc > 1 ? argv[1] : PONS_BUILD_DIR "/op_table";
  if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
    fprintf(stderr, "%s: %s\n", folder, strerror(errno));
    return 1;
  }
  cJSON *manifest = cJSON_CreateArray();
  int failed = 0;
  const int count = conformance_count();
  for (int i = 0; i < count; i++) {
    const pons_scope scope = pons_scope_open();
    if (!write_case(folder, i, conformance_at(i), manifest)) {
      printf("%s: %s\n", conformance_at(i)->name, pons_error());
      failed++;
    }
    pons_clear_error();
    pons_scope_close(scope);
  }
  char path[600], *text = cJSON_Print(manifest);
  snprintf(path, sizeof path, "%s/manifest.json", folder);
  FILE *file = fopen(path, "wb");
  if (!file || !text || fputs(text, file) < 0) failed++;
  if (file && fclose(file) != 0) failed++;
  cJSON_free(text);
  cJSON_Delete(manifest);
  printf("%d cases written to %s, %d failed\n", count - failed, folder, failed);
  return failed > 0;
}
