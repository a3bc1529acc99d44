/* run.c: `pons run`: a file's function on arrays from files, results into a file or onto the screen. */
#include "command.h"
#include <stdio.h>
#include <string.h>

static bool print_results(const pons_array *out, int count) {
  for (int i = 0; i < count; i++) {
    char *text = pons_to_text(out[i]);
    if (!text) return false;
    printf("out%d = %s\n", i, text);
    pons_free(text);
  }
  return true;
}

static bool save_results(const char *path, const pons_array *out, int count) {
  const size_t length = strlen(path);
  if (length > 4 && strcmp(path + length - 4, ".npy") == 0 && count == 1)
    return pons_save_array(path, out[0]);
  pons_named named = pons_named_new();
  bool fine = named != NULL;
  for (int i = 0; fine && i < count; i++) {
    char name[16];
    snprintf(name, sizeof name, "out%d", i);
    fine = pons_named_set(named, name, out[i]);
  }
  fine = fine && pons_save(path, named);
  pons_named_free(named);
  return fine;
}

static int run_file(const invocation *v, pons_imported file) {
  const word_list paths = option_words(v, "--inputs");
  arguments a;
  pons_array *out = NULL;
  int count = -1;
  const char *path = option_value(v, "--outputs", NULL);
  bool fine = arguments_load(v, file, paths, &a);
  if (fine) {
    count = call_file(file, a.in, a.count, a.keywords, a.n_keywords, &out);
    fine = count >= 0 && (path ? save_results(path, out, count) : print_results(out, count));
    if (!fine) complain_error(v);
  }
  if (fine && path) printf("%d arrays written to %s\n", count, path);
  results_free(out, count);
  arguments_free(&a);
  return fine ? FINE : FAILED;
}

static int run(const invocation *v) {
  if (!use_device(v)) return FAILED;
  pons_imported file = pons_import_function(v->words[0]);
  if (!file) return complain(v, "%s: %s", v->words[0], pons_error());
  const int code = run_file(v, file);
  pons_imported_release(file);
  return code;
}

const command command_run = {
    .name = "run",
    .arguments = "FILE.mlxfn [--inputs FILE...] [--outputs out.npz] [--device D]",
    .summary = "Runs a file's function on arrays from .npy and .npz files.",
    .help = "Inputs are taken from the files in their order. An array of an .npz file whose name is a "
            "keyword of the\n"
            "function is that keyword's; the others are positional, in the order in which they stand in the "
            "file, or by\n"
            "number if all are called arg0, arg1, ... or arr_0, arr_1, ... Results are called out0, out1, "
            "... in the file;\n"
            "without --outputs they are printed. A single result may go to a .npy file.\n",
    .least = 1,
    .most = 1,
    .options = {{"--inputs", "FILE...", ".npy and .npz files"},
                {"--outputs", "FILE", "where results go: .npz, .safetensors or, for a single one, .npy"},
                {"--device", "D", "where to run: see pons info"}},
    .run = run,
};
