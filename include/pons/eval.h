/* eval.h: computing. Arrays are computed when asked for; what can be merged, fused or reused on the way
   is. */
#ifndef PONS_EVAL_H
#define PONS_EVAL_H
#include <pons/array.h>
#ifdef __cplusplus
extern "C" {
#endif

/* Computes the arrays, and waits until that is done, on a GPU too; false if one of them, or one they are made from, carries an error (see pons_error). An
   array made on the way is kept computed if pons_keep holds it; one that only a scope holds may be computed
   again later. */
PONS_API bool pons_eval_many(const pons_array *arrays, int count);
/* pons_eval(a, b, ...) */
#define pons_eval(...)                              \
  pons_eval_many((const pons_array[]){__VA_ARGS__}, \
                 (int)(sizeof((const pons_array[]){__VA_ARGS__}) / sizeof(pons_array)))
/* Starts computing and returns; reading one of the arrays waits for it. */
PONS_API bool pons_async_eval_many(const pons_array *arrays, int count);
#define pons_async_eval(...)                           \
  pons_async_eval_many((const pons_array[]){__VA_ARGS__}, \
                       (int)(sizeof((const pons_array[]){__VA_ARGS__}) / sizeof(pons_array)))

/* Writes what runs from now on as a Chrome trace (chrome://tracing, ui.perfetto.dev): per kernel time, bytes
   and share of the peak bandwidth; memory over time. False if one is running already or the file can't be
   made. */
PONS_API bool pons_profile_start(const char *path);
PONS_API bool pons_profile_stop(void);

#ifdef __cplusplus
}
#endif
#endif
