/* optional.h: a library of NVIDIA's that the backend can do without: how it is looked for, and what it is told of it. Uses
   api.h, base/. */
#ifndef CUDA_OPTIONAL_H
#define CUDA_OPTIONAL_H
#include "backends/cuda/api.h"
#include <stdatomic.h>

typedef struct cuda_optional {
  const char *name, *stem; /* "cuFFT", "libcufft" */
  const char *variable;    /* of the environment: where to look first; set and empty: it is done without */
  int newest, oldest;      /* of its own versions, where these don't go with CUDA's; else 0 */
  const char *const *symbols;
  int n_symbols;
  void *entries; /* consecutive pointers to functions, one per symbol */
  const char *instead, *package; /* without it; what has it, on PyPI */
  size_t (*version)(void);       /* NULL: it does not tell */
  bool (*is_fit)(void);          /* asked when its entries are known; NULL: it is */
  atomic_bool looked_for;
  void *library;
} cuda_optional;
/* Names of ENTRIES(ENTRY) as a list. */
#define CUDA_SYMBOL(symbol, parameters) #symbol,

/* Is it there, with all of its symbols? Looked for at the first call. */
bool cuda_find_optional(cuda_optional *o);
void cuda_report_optional(text *json, cuda_optional *o); /* a member of an object */
#endif
