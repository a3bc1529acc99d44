/* convert.c: `pons convert`: a .mlxfn file written again for another MLX release or device, or arrays in
   another format. Every signature of a .mlxfn file is traced on inputs of its own shapes. */
#include "command.h"
#include <pons/ops.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct signature {
  pons_imported file;
  int n_in, n_keywords;
  pons_array *in;
  const char **keywords; /* in the file's order; text of the JSON */
} signature;

static void call_signature(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  const signature *s = payload;
  const int got = pons_imported_call(s->file, in, n_in, s->keywords, s->n_keywords, out, n_out);
  for (int i = got < 0 ? 0 : got; i < n_out; i++)
    out[i] = pons_fail("convert", "the signature can't be called");
}

static bool dtype_named(const char *name, pons_dtype *out) {
  for (int d = 0; name && d < PONS_DTYPE_COUNT; d++)
    if (strcmp(pons_dtype_name((pons_dtype)d), name) == 0) {
      *out = (pons_dtype)d;
      return true;
    }
  return false;
}

/* An array like the input that `shown` describes; not computed. */
static pons_array example(const cJSON *shown) {
  int64_t dims[PONS_MAX_NDIM];
  pons_shape shape = {0, dims};
  pons_dtype dtype = PONS_FLOAT32;
  const cJSON *sizes = cJSON_GetObjectItem(shown, "shape");
  for (const cJSON *n = sizes ? sizes->child : NULL; n && shape.count < PONS_MAX_NDIM; n = n->next)
    dims[shape.count++] = (int64_t)n->valuedouble;
  if (!dtype_named(cJSON_GetStringValue(cJSON_GetObjectItem(shown, "dtype")), &dtype)) return NULL;
  return pons_zeros(shape, dtype);
}

static bool read_signature(pons_imported file, const cJSON *shown, signature *s) {
  const cJSON *inputs = cJSON_GetObjectItem(shown, "inputs");
  const size_t most = (size_t)cJSON_GetArraySize(inputs) + 1;
  *s = (signature){
      .file = file, .in = calloc(most, sizeof *s->in), .keywords = calloc(most, sizeof *s->keywords)};
  if (!s->in || !s->keywords) return false;
  for (const cJSON *i = inputs ? inputs->child : NULL; i; i = i->next) {
    s->in[s->n_in] = example(i);
    if (!s->in[s->n_in++]) return false;
    const char *keyword = cJSON_GetStringValue(cJSON_GetObjectItem(i, "keyword"));
    if (keyword) s->keywords[s->n_keywords++] = keyword;
  }
  return true;
}

static bool write_all(const invocation *v, pons_imported file, const cJSON *shown) {
  const cJSON *list = cJSON_GetObjectItem(shown, "signatures");
  const int count = cJSON_GetArraySize(list);
  signature *signatures = calloc((size_t)count + 1, sizeof *signatures);
  pons_function_exporter exporter =
      pons_exporter(v->words[1], .shapeless = pons_imported_shapeless(file),
                    .metadata = option_given(v, "--no-metadata") ? NULL : pons_imported_metadata(file),
                    .release = option_value(v, "--release", NULL), .gpu = option_given(v, "--gpu"));
  bool fine = signatures && exporter;
  const cJSON *s = list ? list->child : NULL;
  for (int i = 0; fine && i < count; i++, s = s->next) {
    fine = read_signature(file, s, &signatures[i]);
    const int n_out = cJSON_GetArraySize(cJSON_GetObjectItem(s, "outputs"));
    pons_function f = pons_function_new(call_signature, n_out, &signatures[i], NULL);
    fine = fine && pons_exporter_call(exporter, .inputs = signatures[i].in, .n_inputs = signatures[i].n_in,
                                      .keywords = signatures[i].keywords,
                                      .n_keywords = signatures[i].n_keywords, .function = f);
    pons_function_release(f);
  }
  fine = pons_exporter_close(exporter) && fine;
  if (!fine) complain_error(v);
  for (int i = 0; signatures && i < count; i++) {
    free(signatures[i].in);
    free((void *)signatures[i].keywords);
  }
  free(signatures);
  return fine;
}

static int convert(const invocation *v) {
  if (!is_function_file(v->words[0])) return convert_arrays(v);
  pons_imported file = pons_import_function(v->words[0]);
  if (!file) return complain(v, "%s: %s", v->words[0], pons_error());
  char *text = pons_imported_show(file, "json");
  cJSON *shown = text ? cJSON_Parse(text) : NULL;
  const pons_scope scope = pons_scope_open();
  const bool fine = shown ? write_all(v, file, shown) : complain_error(v) == FINE;
  pons_scope_close(scope);
  cJSON_Delete(shown);
  pons_free(text);
  pons_imported_release(file);
  return fine ? FINE : FAILED;
}

const command command_convert = {
    .name = "convert",
    .arguments = "FILE NEW [--release R] [--gpu] [--no-metadata]",
    .summary = "Writes a .mlxfn file again, for another MLX release or device; or arrays in another format.",
    .help =
        "MLX reads only files of its own release and few around it. What the release or a CPU lacks is "
        "written as\n"
        "simpler operations.\n"
        "Arrays are read from .npy, .npz, .safetensors and .gguf and written as the ending of NEW says. What "
        "it "
        "can't\n"
        "hold is an error.\n",
    .least = 2,
    .most = 2,
    .options = {{"--release", "R", "MLX release, 0.22.0 to 0.32.4 (the newest)"},
                {"--gpu", NULL, "nodes are marked for a GPU, and fused ones stay whole"},
                {"--no-metadata", NULL, "leave metadata out, which some releases and formats can't hold"}},
    .run = convert,
};
