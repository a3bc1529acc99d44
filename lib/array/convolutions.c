/* convolutions.c: transposed convolutions and the convolution of vectors, as calls of the general one. */
#include <pons/ops.h>

/* Value i of a list of one, or of all, or none. */
static int value_of(pons_axes list, int i, int otherwise) {
  return !list.at || !list.count ? otherwise : list.at[list.count == 1 ? 0 : i];
}

/* The kernel, reversed, over x spread by `stride`: with d (k - 1) places at both ends, k being the kernel's size and d its
   dilation, every place that x reaches is there. spatial: how many axes there must be; 0: any number. */
static pons_array transposed(const char *op, int spatial, struct pons_conv_transpose_args a) {
  if (pons_error_of(a.x)) return a.x;
  if (pons_error_of(a.weight)) return a.weight;
  const int n = pons_ndim(a.x) - 2;
  if (n < 1 || pons_ndim(a.weight) != n + 2 || (spatial && n != spatial))
    return pons_fail(op, "x of %d axes and weight of %d: both must have a first axis, %s, and channels last", n + 2,
                     pons_ndim(a.weight),
                     spatial == 2   ? "two spatial ones"
                     : spatial == 3 ? "three spatial ones"
                                    : "as many spatial ones");
  const pons_axes lists[] = {a.stride, a.padding, a.dilation, a.output_padding};
  for (int k = 0; k < 4; k++)
    if (lists[k].count > 1 && lists[k].count != n)
      return pons_fail(op, "a list of %d for %d spatial axes", lists[k].count, n);
  int low[PONS_MAX_NDIM], high[PONS_MAX_NDIM];
  for (int i = 0; i < n; i++) {
    const int64_t reach = value_of(a.dilation, i, 1) * (pons_dim(a.weight, i + 1) - 1);
    const int64_t before = reach - value_of(a.padding, i, 0), after = before + value_of(a.output_padding, i, 0);
    const int64_t most = 1 << 30;
    if (before > most || before < -most || after > most || after < -most)
      return pons_fail(op, "padding of %lld and %lld along spatial axis %d", (long long)before, (long long)after, i);
    low[i] = (int)before;
    high[i] = (int)after;
  }
  return pons_conv_general(a.x, a.weight, .padding = {n, low}, .padding_high = {n, high}, .dilation = a.dilation,
                           .input_dilation = a.stride, .groups = a.groups, .flip = true);
}

pons_array pons_conv_transpose1d_with(struct pons_conv_transpose_args args) {
  return transposed("conv_transpose1d", 0, args);
}
pons_array pons_conv_transpose2d_with(struct pons_conv_transpose_args args) {
  return transposed("conv_transpose2d", 2, args);
}
pons_array pons_conv_transpose3d_with(struct pons_conv_transpose_args args) {
  return transposed("conv_transpose3d", 3, args);
}

/* The longer one is the signal, the other, reversed, the kernel. */
pons_array pons_convolve(pons_array a, pons_array v, pons_convolve_mode mode) {
  if (pons_error_of(a)) return a;
  if (pons_error_of(v)) return v;
  if (pons_ndim(a) != 1 || pons_ndim(v) != 1)
    return pons_fail("convolve", "operands of %d and %d axes are no vectors", pons_ndim(a), pons_ndim(v));
  if (pons_size(a) == 0 || pons_size(v) == 0) return pons_fail("convolve", "a vector is empty");
  if (mode != PONS_CONVOLVE_FULL && mode != PONS_CONVOLVE_SAME && mode != PONS_CONVOLVE_VALID)
    return pons_fail("convolve", "mode %d is none", (int)mode);
  pons_array x = pons_size(v) > pons_size(a) ? v : a, w = x == a ? v : a;
  const int64_t n = pons_size(w), before = mode == PONS_CONVOLVE_FULL ? n - 1 : mode == PONS_CONVOLVE_SAME ? n / 2 : 0;
  const int64_t after = mode == PONS_CONVOLVE_SAME ? n - 1 - n / 2 : before;
  if (before) x = pons_pad(x, PONS_SHAPE(before), PONS_SHAPE(after), NULL);
  w = pons_slice(w, PONS_SHAPE(n - 1), PONS_SHAPE(-n - 1), PONS_SHAPE(-1));
  pons_array y = pons_conv_general(pons_reshape(x, PONS_SHAPE(1, -1, 1)), pons_reshape(w, PONS_SHAPE(1, n, 1)));
  return pons_flatten(y, 0, -1);
}
