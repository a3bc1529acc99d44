/* io.h: arrays in files (.npy, .npz, .safetensors), and collections of arrays under names. */
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
/* Text beside the arrays, for formats that hold it (safetensors). NULL as `value` takes the entry away. */
PONS_API bool pons_named_set_metadata(pons_named named, const char *key, const char *value);
PONS_API const char *pons_named_metadata(pons_named named, const char *key); /* NULL if there is none */
PONS_API int64_t pons_named_metadata_count(pons_named named);
PONS_API const char *pons_named_metadata_key(pons_named named, int64_t i);

/* ---- files --------------------------------------------------------------------------------------------- */

/* Reads a file; the caller's own. NULL and an error, with the byte offset of what is wrong. The format is
   told by the first bytes. A .npy file gives one array called "arr_0". Arrays lie in the mapped file where it
   holds them aligned and uncompressed: what is never used is never read. While they live the file may be
   replaced or removed, but must not be changed in place. */
PONS_API pons_named pons_load(const char *path);
/* The only array of a file. An error if it holds more. */
PONS_API pons_array pons_load_array(const char *path);
/* The same from memory, which is copied from. `name` is what errors call it. */
PONS_API pons_named pons_load_bytes(const void *bytes, size_t count, const char *name);

/* Computes the arrays and writes them; the format is told by the path's ending. The file is written beside
   and renamed: at every moment `path` is the old file or the whole new one. False and an error if it
   can't. */
PONS_API bool pons_save(const char *path, pons_named arrays);
/* One array: as "arr_0" in formats that hold several. */
PONS_API bool pons_save_array(const char *path, pons_array array);
/* .npz, deflated. */
PONS_API bool pons_save_compressed(const char *path, pons_named arrays);

#ifdef __cplusplus
}
#endif
#endif
