/* condensed.c: vectors of either precision. Uses cpu/condensed.h, cpu/gemm.h. */
#include "backends/cpu/condensed.h"
#include "backends/cpu/gemm.h"
#include <math.h>
#include <stdlib.h>

void add_rows(const blocked *b, int64_t k, int64_t n, const char *x, const char *rows, int64_t pitch,
              char *y) {
  if (k == 0 || n == 0) return;
  const thin_part t = {
      .rows = 1, .columns = n, .k = k, .x = x, .x_row = k, .w = rows, .w_row = pitch, .y = y, .y_row = n};
  cpu_thin_loops()->sums[b->j->dtype](&t);
}

void dot_rows(const blocked *b, int64_t k, int64_t n, const char *x, const char *rows, int64_t pitch,
              char *y) {
  if (k == 0 || n == 0) return;
  const thin_part t = {
      .rows = 1, .columns = k, .k = n, .x = x, .x_row = n, .w = rows, .w_row = pitch, .y = y, .y_row = k};
  cpu_thin_loops()->dots[b->j->dtype](&t);
}

void scale_row(const blocked *b, int64_t n, double factor, char *x) {
  if (b->j->dtype == PONS_FLOAT64)
    cpu_softmax_loops()->scale_double((double *)(void *)x, n, factor);
  else
    cpu_softmax_loops()->scale_float((float *)(void *)x, n, (float)factor);
}

void take_negative(const blocked *b, int64_t k, const char *x, int64_t pitch, char *to) {
  cpu_lanes()->load[b->j->dtype](x, pitch, k, to);
  scale_row(b, k, -1, to);
}

void clear_ends(const blocked *b, char *rows, int64_t count, int64_t n, int64_t pitch) {
  for (int64_t i = 0; i < count; i++)
    memset(at_element(b, rows, i * pitch + n), 0, (size_t)(pitch - n) * b->j->size);
}

double reflection_make(const blocked *b, char *x, int at, int end, char *kept, char *noted) {
  const matrices *j = b->j;
  const int n = end - at, one = 1;
  char *first = at_element(b, x, at);
  j->f->larfg(&n, first, first + j->size, &one, noted);
  memcpy(kept, first, j->size);
  memset(x, 0, (size_t)at * j->size);
  const double tau = dtype_read(j->dtype, noted);
  if (tau == 0) memset(first, 0, (size_t)n * j->size);
  dtype_write(j->dtype, first, tau != 0);
  if (tau == 0) dtype_write(j->dtype, noted, 1);
  return tau;
}

int rows_to_unit(const blocked *b, char *rows, int64_t count, int64_t n, int64_t pitch, bool triangle) {
  const bool wide = b->j->dtype == PONS_FLOAT64;
  const lane lane = wide ? LANE_DOUBLE : LANE_FLOAT;
  double greatest = 0;
  for (int64_t i = 0; i < count; i++)
    for (int kind = 0; kind < 2; kind++) {
      lane_value v;
      cpu_reduce_loops()->fold[kind ? REDUCE_MAX : REDUCE_MIN][lane](at_element(b, rows, i * pitch),
                                                                     triangle ? i + 1 : n, &v);
      greatest = fmax(greatest, fabs(wide ? v.d : (double)v.f));
    }
  const int far = wide ? 300 : 30, most = wide ? 1000 : 120; /* of what a factor can be */
  int exponent;
  frexp(greatest, &exponent);
  if (greatest == 0 || abs(exponent) < far) return 0;
  exponent = exponent < -most ? -most : exponent > most ? most : exponent;
  for (int64_t i = 0; i < count; i++)
    scale_row(b, triangle ? i + 1 : n, ldexp(1, -exponent), at_element(b, rows, i * pitch));
  return exponent;
}
