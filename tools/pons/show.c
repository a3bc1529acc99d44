/* show.c: `pons show`: what stands in a file. */
#include "command.h"
#include <stdio.h>

static int show(const invocation *v) {
  if (!is_function_file(v->words[0])) return show_arrays(v);
  pons_imported file = pons_import_function(v->words[0]);
  if (!file) return complain(v, "%s: %s", v->words[0], pons_error());
  const char *as = option_given(v, "--dot") ? "dot" : option_given(v, "--json") ? "json" : "text";
  char *text = pons_imported_show(file, as);
  if (text) fputs(text, stdout);
  const int code = text ? FINE : complain_error(v);
  pons_free(text);
  pons_imported_release(file);
  return code;
}

const command command_show = {
    .name = "show",
    .arguments = "FILE [--dot | --json]",
    .summary = "Signatures, operations, constants and sizes of a .mlxfn file; arrays and metadata of others.",
    .help = "Files of arrays are .npy, .npz, .safetensors and .gguf.\n"
            "An example: pons show model.mlxfn --dot | dot -Tsvg > model.svg\n",
    .least = 1,
    .most = 1,
    .options = {{"--dot", NULL, "as a graph for Graphviz (.mlxfn)"}, {"--json", NULL, "as JSON"}},
    .run = show,
};
