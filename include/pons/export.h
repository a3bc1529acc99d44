/* export.h: a function in a file, MLX's .mlxfn format: written by MLX or Pons on one machine, run by either
   on another. */
#ifndef PONS_EXPORT_H
#define PONS_EXPORT_H
#include <pons/device.h>
#include <pons/transforms.h>
#ifdef __cplusplus
extern "C" {
#endif

/* ---- writing ---- */

struct pons_export_event;
typedef void (*pons_export_callback)(void *payload, const struct pons_export_event *event);
/* What is exported, and for what. Zero is the newest release known here, on a CPU. */
struct pons_export_args {
  const char *path;
  pons_function function;
  const pons_array *inputs; /* examples: positional first, then keyword ones in the order of `keywords` */
  int n_inputs;             /* all of them */
  const char *const *keywords;
  int n_keywords;
  bool shapeless;       /* sizes may differ at the call; shapes are recomputed from the operands */
  const char *metadata; /* text kept in the file; NULL: none */
  const char *release;  /* MLX release whose layout is written, "0.32.4"; NULL: the newest */
  bool gpu;             /* nodes are marked for a GPU, and fused ones stay whole, as a Mac writes them */
  pons_export_callback callback; /* with path NULL: is told what a file would hold, one entry at a time */
  void *payload;
  bool numbers; /* the callback gets enums among the arguments as the numbers in files, not by name */
};
/* Traces `function` and writes it beside `path`, then renames. False and an error if it can't; `path` is as
   it was then. A keyword input reaches a C function behind the positional ones, in byte order of the
   names. */
#define pons_export_function(...) \
  pons_export_function_with((struct pons_export_args){.path = __VA_ARGS__})
PONS_API bool pons_export_function_with(struct pons_export_args args);

/* Several traces of one function in one file: made, called with each set of inputs, closed. */
typedef struct pons_function_exporter_s *pons_function_exporter;
struct pons_exporter_args {
  const char *path;
  pons_function function;
  bool shapeless; /* these as in pons_export_args */
  const char *metadata, *release;
  bool gpu;
};
#define pons_exporter(...) pons_exporter_with((struct pons_exporter_args){.path = __VA_ARGS__})
/* NULL and an error if it can't. */
PONS_API pons_function_exporter pons_exporter_with(struct pons_exporter_args args);
struct pons_exporter_call_args {
  pons_function_exporter exporter;
  const pons_array *inputs;
  int n_inputs;
  const char *const *keywords;
  int n_keywords;
  pons_function function; /* to be traced instead of the exporter's; NULL: that one */
};
/* Adds a trace; false and an error if it can't, and then the exporter takes no more. */
#define pons_exporter_call(...) \
  pons_exporter_call_with((struct pons_exporter_call_args){.exporter = __VA_ARGS__})
PONS_API bool pons_exporter_call_with(struct pons_exporter_call_args args);
/* Frees it. The file is in its place if this is true; after a failed call the old file is as it was. */
PONS_API bool pons_exporter_close(pons_function_exporter exporter);

enum pons_export_kind { /* in this order, primitives in the order of computation */
  PONS_EXPORT_INPUTS,         /* all, in `inputs` */
  PONS_EXPORT_KEYWORD_INPUTS, /* those with a keyword, in `inputs` */
  PONS_EXPORT_OUTPUTS,        /* in `outputs` */
  PONS_EXPORT_CONSTANTS,      /* in `outputs` */
  PONS_EXPORT_PRIMITIVE       /* one */
};
struct pons_export_value {
  const char *name; /* unique: "v3" */
  pons_dtype dtype;
  pons_shape shape;
  const char *keyword; /* of keyword inputs */
  pons_array constant; /* its value; NULL for others */
};
/* What a callback is told; valid during the call. */
struct pons_export_event {
  enum pons_export_kind kind;
  const struct pons_export_value *inputs, *outputs;
  int n_inputs, n_outputs;
  const char *primitive; /* its name in files */
  const char *arguments; /* a JSON object: {"kind": "sum", "axes": [0]} */
};

/* The graph behind `outputs` as far as it is not computed, for Graphviz. names[i] is what named[i] is called in
   it; others are A, B, C ... False and an error if the file can't be written. */
PONS_API bool pons_export_to_dot(const char *path, const pons_array *outputs, int n_outputs,
                                 const pons_array *named, const char *const *names, int n_named);

/* ---- reading ---- */

typedef struct pons_imported_s *pons_imported;
/* Reads a file whole and checks it; NULL and an error with the byte offset if it is not sound. */
PONS_API pons_imported pons_import_function(const char *path);
PONS_API pons_imported pons_import_function_bytes(const void *bytes, size_t count);
PONS_API void pons_imported_release(pons_imported file);
/* The file as a function of positional inputs; the caller's own. Gradients, vmap, compile and export go
   through it. */
PONS_API pons_function pons_imported_function(pons_imported file);
/* A call with keyword inputs: the last n_keywords of `in` are named by `keywords`, in any order. Returns the
   number of results (filled up to `room`), or -1 and an error: no signature matches, or a name is unknown. */
PONS_API int pons_imported_call(pons_imported file, const pons_array *in, int n_in,
                                const char *const *keywords, int n_keywords, pons_array *out, int room);

/* One operation of a call, made on each of several streams; valid while the callback is called. */
struct pons_imported_node {
  int index, count;              /* among the operations of the signature, from 0; how many they are */
  const char *primitive;         /* its name in files */
  const char *arguments;         /* a JSON object: {"axes": [0]} */
  int n_in, n_out;
  const int *operands, *results; /* numbers of the values: 3 is v3 of pons_imported_show */
  const pons_array *const *in; /* n_in of each stream */
  const pons_array *const *out;
};
/* False: no further ones are wanted. */
typedef bool (*pons_imported_node_callback)(void *payload, const struct pons_imported_node *node);
struct pons_imported_nodes_args {
  pons_imported file;
  const pons_array *inputs;
  int n_inputs;
  const char *const *keywords; /* of the last n_keywords inputs, as for pons_imported_call */
  int n_keywords;
  const pons_stream *streams;
  int n_streams;
  bool same_operands; /* all get what the first stream computed; left out: each its own */
  pons_imported_node_callback callback;
  void *payload;
};
/* A call operation by operation: each is made on every stream and told to the callback. What it computes of `out` are the
   operands of those that follow: so nothing is fused. False and an error if the call can't be made. */
#define pons_imported_nodes(...) \
  pons_imported_nodes_with((struct pons_imported_nodes_args){.file = __VA_ARGS__})
PONS_API bool pons_imported_nodes_with(struct pons_imported_nodes_args args);

/* "0.32.4": what the file says it was written by */
PONS_API const char *pons_imported_release_name(pons_imported file);
PONS_API const char *pons_imported_metadata(pons_imported file);     /* "" if none */
PONS_API bool pons_imported_shapeless(pons_imported file);
/* A listing: signatures, nodes, constants; `as` is "text", "json" or "dot" (Graphviz). The caller frees with
   pons_free. */
PONS_API char *pons_imported_show(pons_imported file, const char *as);

#ifdef __cplusplus
}
#endif
#endif
