/* aliases.h: second names that MLX has for some functions, for the Python array API or NumPy's sake. */
#ifndef PONS_ALIASES_H
#define PONS_ALIASES_H
#include <pons/ops.h>

#define pons_acos pons_arccos
#define pons_acosh pons_arccosh
#define pons_asin pons_arcsin
#define pons_asinh pons_arcsinh
#define pons_atan pons_arctan
#define pons_atan2 pons_arctan2
#define pons_atanh pons_arctanh
#define pons_bitwise_left_shift pons_left_shift
#define pons_bitwise_right_shift pons_right_shift
#define pons_concat pons_concatenate
#define pons_conj pons_conjugate
#define pons_cumulative_prod pons_cumprod
#define pons_cumulative_sum pons_cumsum
#define pons_empty pons_zeros
#define pons_empty_like pons_zeros_like
#define pons_permute_dims pons_transpose
#define pons_pow pons_power
#define pons_var pons_variance
#endif
