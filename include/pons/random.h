/* random.h: random numbers: the same bits as MLX for the same key (threefry).

   `key` may be NULL: then it is split from the thread's own, which pons_random_seed sets. */
#ifndef PONS_RANDOM_H
#define PONS_RANDOM_H
#include <pons/array.h>
#ifdef __cplusplus
extern "C" {
#endif

/* (2) uint32 */
PONS_API pons_array pons_random_key(uint64_t seed);
/* (count, 2) uint32 */
PONS_API pons_array pons_random_split(pons_array key, int count);
/* Sets the key from which functions called with key NULL split theirs; one per thread. */
PONS_API void pons_random_seed(uint64_t seed);
/* width bytes (1, 2, 4) per element */
PONS_API pons_array pons_random_bits(pons_shape shape, int width, pons_array key);
/* Evenly from low to below high (NULL: 0, 1), which broadcast to `shape`. */
PONS_API pons_array pons_random_uniform(pons_array low, pons_array high, pons_shape shape, pons_dtype dtype,
                                        pons_array key);
/* scale z + loc (NULL: 1, 0) with z normal, complex dtypes too. */
PONS_API pons_array pons_random_normal(pons_shape shape, pons_dtype dtype, pons_array loc, pons_array scale,
                                       pons_array key);
/* shape + (n): mean (..., n), covariance (..., n, n); `shape` is PONS_SCALAR or what their leading axes
   broadcast to. float32 alone. */
PONS_API pons_array pons_random_multivariate_normal(pons_array mean, pons_array cov, pons_shape shape,
                                                    pons_dtype dtype, pons_array key);
PONS_API pons_array pons_random_laplace(pons_shape shape, pons_dtype dtype, double loc, double scale,
                                        pons_array key);
/* True with probability p, a float; `shape` is PONS_SCALAR for p's own, or what p broadcasts to. */
PONS_API pons_array pons_random_bernoulli(pons_array p, pons_shape shape, pons_array key);
/* Whole numbers from low to below high, which broadcast to `shape`. */
PONS_API pons_array pons_random_randint(pons_array low, pons_array high, pons_shape shape, pons_dtype dtype,
                                        pons_array key);
/* A normal number given that it is from low to high; `shape` is PONS_SCALAR for that of low and high. */
PONS_API pons_array pons_random_truncated_normal(pons_array low, pons_array high, pons_shape shape,
                                                 pons_dtype dtype, pons_array key);
PONS_API pons_array pons_random_gumbel(pons_shape shape, pons_dtype dtype, pons_array key);
/* Indices along `axis` with probability softmax(logits), uint32: one per row of logits, `num_samples` per row
   along a last axis, or `shape`, to which the rows broadcast:
       pons_random_categorical(logits, -1, key, .num_samples = 5) */
#define pons_random_categorical(...) \
  pons_random_categorical_with((struct pons_categorical_args){.logits = __VA_ARGS__})
struct pons_categorical_args {
  pons_array logits;
  int axis;
  pons_array key;
  int64_t num_samples; /* 0: left out */
  pons_shape shape;    /* at NULL: left out */
};
PONS_API pons_array pons_random_categorical_with(struct pons_categorical_args args);
/* 0 .. n-1 in random order, uint32. */
PONS_API pons_array pons_random_permutation(int64_t n, pons_array key);
/* The slices of x along `axis` in random order. */
PONS_API pons_array pons_random_permutation_of(pons_array x, int axis, pons_array key);

#ifdef __cplusplus
}
#endif
#endif
