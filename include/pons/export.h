/* export.h: a function in a file, MLX's .mlxfn format: written by MLX or Pons on one machine, run by either
   on another. */
#ifndef PONS_EXPORT_H
#define PONS_EXPORT_H
#include <pons/transforms.h>
#ifdef __cplusplus
extern "C" {
#endif

/* What a file is written for. Zero is the newest release known here, on a CPU. */
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
};
/* Traces `function` and writes it beside `path`, then renames. False and an error if it can't; `path` is as
   it was then. A keyword input reaches a C function behind the positional ones, in byte order of the
   names. */
#define pons_export(...) pons_export_with((struct pons_export_args){.path = __VA_ARGS__})
PONS_API bool pons_export_with(struct pons_export_args args);
/* Several signatures of one function in one file; all calls share path, shapeless, metadata, release and
   gpu. */
PONS_API bool pons_export_many(const struct pons_export_args *signatures, int count);

typedef struct pons_imported_s *pons_imported;
/* Reads a file whole and checks it; NULL and an error with the byte offset if it is not sound. */
PONS_API pons_imported pons_import(const char *path);
PONS_API pons_imported pons_import_bytes(const void *bytes, size_t count);
PONS_API void pons_imported_release(pons_imported file);
/* The file as a function of positional inputs; the caller's own. Gradients, vmap, compile and export go
   through it. */
PONS_API pons_function pons_imported_function(pons_imported file);
/* A call with keyword inputs: the last n_keywords of `in` are named by `keywords`, in any order. Returns the
   number of results (filled up to `room`), or -1 and an error: no signature matches, or a name is unknown. */
PONS_API int pons_imported_call(pons_imported file, const pons_array *in, int n_in,
                                const char *const *keywords, int n_keywords, pons_array *out, int room);
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
