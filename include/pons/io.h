/* io.h: arrays in files (.npy, .npz, .safetensors, .gguf), and collections of arrays under names. */
#ifndef PONS_IO_H
#define PONS_IO_H
#include <pons/array.h>
#ifdef __cplusplus
extern "C" {
#endif

/* ---- named arrays -------------------------------------------------------------------------------------- */

/* Arrays under names, in the order they were first set: what a file holds, or a model's parameters
   ("conv1.weight"). Keeps its arrays. Whoever makes it ends it with pons_named_free. Not to be changed by two
   threads at once. */
typedef struct pons_named_s *pons_named;
PONS_API pons_named pons_named_new(void); /* NULL and an error if there is no memory */
PONS_API void pons_named_free(pons_named named); /* NULL is fine */
PONS_API int64_t pons_named_count(pons_named named);
/* The i-th name and array, i from 0 to count - 1; NULL beyond. Names live until the entry is removed. */
PONS_API const char *pons_named_key(pons_named named, int64_t i);
PONS_API pons_array pons_named_at(pons_named named, int64_t i);
/* The array called `key`, or NULL. */
PONS_API pons_array pons_named_get(pons_named named, const char *key);
/* Where `key` stands, or -1. */
PONS_API int64_t pons_named_find(pons_named named, const char *key);
/* Keeps `array` as `key`, in the place of what had that name. False and an error: no memory, or no array. */
PONS_API bool pons_named_set(pons_named named, const char *key, pons_array array);
/* False if there is no such name. The entries behind it move up. */
PONS_API bool pons_named_remove(pons_named named, const char *key);

/* Metadata beside the arrays, for formats that hold it: under each name a text (safetensors, gguf), a list of
   texts, or an array of numbers or bools with at most one axis (gguf). Set again, it is replaced; NULL as
   `value` takes it away. False and an error: no memory, or no such metadata. */
PONS_API bool pons_named_set_metadata(pons_named named, const char *key, const char *value);
PONS_API bool pons_named_set_metadata_texts(pons_named named, const char *key, const char *const *texts,
                                            int64_t count);
PONS_API bool pons_named_set_metadata_array(pons_named named, const char *key, pons_array value);
/* NULL if there is none of that kind under the name. They live until the entry is set again or removed. */
PONS_API const char *pons_named_metadata(pons_named named, const char *key);
PONS_API const char *const *pons_named_metadata_texts(pons_named named, const char *key, int64_t *count);
PONS_API pons_array pons_named_metadata_array(pons_named named, const char *key);
PONS_API int64_t pons_named_metadata_count(pons_named named);
PONS_API const char *pons_named_metadata_key(pons_named named, int64_t i);

/* ---- reading files ------------------------------------------------------------------------------------- */

/* Reads a file; the caller's own. NULL and an error, with the byte offset of what is wrong. The format is
   told by the first bytes, or by `format` ("npy", "npz", "safetensors", "gguf"), which they then must fit:
   pons_load(path), pons_load(path, .format = "gguf").

   The file is mapped, its headers are checked, its elements are read when they are used: what is never used
   is never read. Elements that lie aligned and as they are in memory stay there; others (unaligned,
   big-endian, bools, deflated, quantised) are made when the array is evaluated, and such arrays may be
   captured by an exported function. While the arrays live the file may be replaced or removed, but must not
   be changed in place.

   A .npy file gives one array called "arr_0". In .gguf files tensors of types Q4_0, Q4_1 and Q8_0 come as
   MLX has them, for groups of 32: X.weight uint32, X.scales and X.biases float16; MXFP4 as X.weight and
   X.scales uint8; the other quantised types (Q5_0, Q5_1, Q2_K to Q8_K, IQ4_NL, IQ4_XS, TQ1_0, TQ2_0)
   as float16, Q8_K as float32. */
#define pons_load(...) pons_load_with((struct pons_load_args){.path = __VA_ARGS__})
struct pons_load_args {
  const char *path, *format;
};
PONS_API pons_named pons_load_with(struct pons_load_args args);
/* The only array of a file. An error if it holds more. */
PONS_API pons_array pons_load_array(const char *path);
/* The same from memory, which is copied from: pons_load_bytes(bytes, count). `name` is what errors call
   it. */
#define pons_load_bytes(...) pons_load_bytes_with((struct pons_load_bytes_args){.bytes = __VA_ARGS__})
struct pons_load_bytes_args {
  const void *bytes;
  size_t count;
  const char *name, *format;
};
PONS_API pons_named pons_load_bytes_with(struct pons_load_bytes_args args);

/* ---- writing files ------------------------------------------------------------------------------------- */

/* Computes the arrays and writes them; the format is told by the path's ending. The file is written beside
   and renamed: at every moment `path` is the old file or the whole new one. False and an error if it
   can't, also where the format can't hold a dtype or the metadata: nothing is left out. */
PONS_API bool pons_save(const char *path, pons_named arrays);
/* One array: as "arr_0" in formats that hold several. */
PONS_API bool pons_save_array(const char *path, pons_array array);
/* These append ".npz", ".safetensors" or ".gguf" to a path that doesn't end so. */
PONS_API bool pons_savez(const char *path, pons_named arrays);
PONS_API bool pons_savez_compressed(const char *path, pons_named arrays);
PONS_API bool pons_save_safetensors(const char *path, pons_named arrays);
/* A quantised triple (X.weight, X.scales, X.biases, float16, groups of 32) becomes one tensor Q4_0, Q4_1 or
   Q8_0, and is an error where none of them holds it exactly; so are dtypes that GGUF lacks. */
PONS_API bool pons_save_gguf(const char *path, pons_named arrays);
/* The bytes of a file of `format`, *count of them: end them with pons_free. NULL and an error. */
PONS_API void *pons_save_bytes(const char *format, pons_named arrays, size_t *count);

#ifdef __cplusplus
}
#endif
#endif
