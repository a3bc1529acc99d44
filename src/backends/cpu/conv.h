/* conv.h: a convolution laid out, and its patches: what its kernel covers at places of the result. Uses cpu/calls.h,
   cpu/gemm.h. */
#ifndef CPU_CONV_H
#define CPU_CONV_H
#include "backends/cpu/calls.h"
#include "backends/cpu/gemm.h"

/* One spatial axis. */
typedef struct conv_axis {
  int64_t in, out, kernel; /* sizes */
  int64_t stride, low, kernel_dilation, input_dilation;
  int64_t x_stride;
  int64_t block; /* elements of a patch per position of the kernel along this axis */
} conv_axis;

typedef struct conv_job {
  int n;
  conv_axis axes[PONS_MAX_NDIM];
  bool flip;
  lane lane;
  int64_t size; /* of a lane */
  const char *x, *w;
  char *out;
  int64_t batch_stride;
  int64_t channels, out_channels, groups; /* of x and the result, all groups together */
  int64_t row;    /* length of a patch */
  int64_t places; /* batch and spatial axes */
  int64_t places_per_piece;
  bool in_place;  /* x is its own patches */
  error *_Atomic why;
} conv_job;

/* The element of x under position `j` of the kernel at `place`, or -1: padding, or between elements. */
static inline int64_t conv_under(const conv_axis *a, bool flip, int64_t place, int64_t j) {
  int64_t at = place * a->stride + (flip ? a->kernel - 1 - j : j) * a->kernel_dilation - a->low;
  if (at < 0 || a->input_dilation > 1) {
    if (at < 0 || at % a->input_dilation) return -1;
    at /= a->input_dilation;
  }
  return at < a->in ? at : -1;
}
/* Lays out a job for `l`, with x and weight as lanes (the weight row-major), and runs it. */
error *conv_run(const launch *l, error *(*convolve)(const conv_job *j));
/* The sizes of a job whose lane is set, for x with these strides. */
void conv_lay_out(conv_job *j, const launch *l, const int64_t *x_strides);
/* How many places have their patches in the cache together. Depends on nothing else. */
int64_t conv_places_at_once(int64_t patch_bytes);
/* Patches (count, row) of a group that begins at `channel`; places count batch and result's spatial axes. */
void conv_write_patches(const conv_job *j, int64_t first, int64_t count, int64_t channel, char *patches);
/* What the kernel covers along the last axis at `place` of it, where its positions lie over neighbours, which are one run
   of memory, x where that axis begins; the rest is padding. */
void conv_write_run(const conv_job *j, const conv_axis *a, int64_t place, const char *x, char *patch);
#endif
