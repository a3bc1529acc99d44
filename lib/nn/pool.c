/* pool.c: the greatest or the mean of each window of an image (N, H, W, C). */
#include <pons/nn.h>

typedef pons_array (*reduction)(struct pons_reduce_args args);

/* Windows that tile the image are a reshape; overlapping ones are stacked, one slice per place in the window.
   Either way a graph of ops that have gradients. */
static pons_array windows(pons_array x, int size, int stride) {
  const int64_t n = pons_dim(x, 0), h = pons_dim(x, 1), w = pons_dim(x, 2), c = pons_dim(x, 3);
  const int64_t rows = (h - size) / stride + 1, columns = (w - size) / stride + 1;
  pons_array slices[256];
  for (int i = 0; i < size * size; i++) {
    const int64_t top = i / size, left = i % size;
    slices[i] = pons_slice(x, PONS_SHAPE(0, top, left, 0),
                           PONS_SHAPE(n, top + (rows - 1) * stride + 1, left + (columns - 1) * stride + 1, c),
                           PONS_SHAPE(1, stride, stride, 1));
  }
  return pons_stack(slices, size * size, 0);
}

static pons_array pool(const char *op, pons_array x, int size, int stride, reduction reduce) {
  if (stride == 0) stride = size;
  if (pons_ndim(x) != 4) return pons_fail(op, "x needs 4 axes (N, H, W, C), has %d", pons_ndim(x));
  if (size < 1 || size > 16 || stride < 1)
    return pons_fail(op, "window %d, stride %d: 1 to 16 are possible", size, stride);
  if (pons_dim(x, 1) < size || pons_dim(x, 2) < size)
    return pons_fail(op, "a window of %d does not fit into %lld x %lld", size, (long long)pons_dim(x, 1),
                     (long long)pons_dim(x, 2));
  pons_scope s = pons_scope_open();
  const int64_t h = pons_dim(x, 1), w = pons_dim(x, 2);
  if (stride == size && h % size == 0 && w % size == 0) {
    pons_array tiles =
        pons_reshape(x, PONS_SHAPE(pons_dim(x, 0), h / size, size, w / size, size, pons_dim(x, 3)));
    return pons_scope_return(s, reduce((struct pons_reduce_args){.x = tiles, .axes = PONS_AXES(2, 4)}));
  }
  return pons_scope_return(
      s, reduce((struct pons_reduce_args){.x = windows(x, size, stride), .axes = PONS_AXES(0)}));
}

pons_array pons_max_pool2d(pons_array x, int size, int stride) {
  return pool("max_pool2d", x, size, stride, pons_max_with);
}

pons_array pons_avg_pool2d(pons_array x, int size, int stride) {
  return pool("avg_pool2d", x, size, stride, pons_mean_with);
}
