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
PONS_API pons_array pons_random_uniform(pons_array low, pons_array high, pons_shape shape, pons_dtype dtype,
                                        pons_array key);
PONS_API pons_array pons_random_normal(pons_shape shape, pons_dtype dtype, double mean, double std,
                                       pons_array key);
PONS_API pons_array pons_random_bernoulli(pons_array p, pons_shape shape, pons_array key);
PONS_API pons_array pons_random_randint(int64_t low, int64_t high, pons_shape shape, pons_dtype dtype,
                                        pons_array key);
PONS_API pons_array pons_random_truncated_normal(pons_array low, pons_array high, pons_shape shape,
                                                 pons_dtype dtype, pons_array key);
PONS_API pons_array pons_random_gumbel(pons_shape shape, pons_dtype dtype, pons_array key);
/* One index per row of logits along `axis`, uint32. */
PONS_API pons_array pons_random_categorical(pons_array logits, int axis, pons_array key);
PONS_API pons_array pons_random_permutation(int64_t n, pons_array key);

#ifdef __cplusplus
}
#endif
#endif
