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

void clear_row(const blocked *b, int64_t n, char *x) { memset(x, 0, (size_t)n * b->j->size); }

void scale_row(const blocked *b, int64_t n, double factor, char *x) {
  if (b->j->dtype == PONS_FLOAT64)
    cpu_softmax_loops()->scale_double((double *)(void *)x, n, factor);
  else
    cpu_softmax_loops()->scale_float((float *)(void *)x, n, (float)factor);
}

void add_sum(const blocked *b, double factor, int64_t k, int64_t n, const char *rows, int64_t pitch,
             char *y) {
  double factors[MOST_PARTS];
  for (int64_t i = 0; i < k; i++) dtype_write(b->j->dtype, at_element(b, (char *)factors, i), factor);
  add_rows(b, k, n, (char *)factors, rows, pitch, y);
}

void subtract_rows(const blocked *b, int64_t k, int64_t n, const char *x, int64_t step, const char *rows,
                   int64_t pitch, char *y) {
  double factors[CONDENSED_PANEL];
  cpu_lanes()->load[b->j->dtype](x, step, k, factors);
  scale_row(b, k, -1, (char *)factors);
  add_rows(b, k, n, (char *)factors, rows, pitch, y);
}

void add_projected(const blocked *b, double factor, int64_t k, const char *x, const vectors *with,
                   const vectors *rows, char *y) {
  double factors[CONDENSED_PANEL] = {0};
  dot_rows(b, k, with->n, x, with->at, with->pitch, (char *)factors);
  scale_row(b, k, factor, (char *)factors);
  add_rows(b, k, rows->n, (char *)factors, rows->at, rows->pitch, y);
}

void clear_ends(const blocked *b, char *rows, int64_t count, int64_t n, int64_t pitch) {
  for (int64_t i = 0; i < count; i++) clear_row(b, pitch - n, at_element(b, rows, i * pitch + n));
}

double reflection_make(const blocked *b, char *x, int at, int end, char *kept, char *noted) {
  const matrices *j = b->j;
  const int n = end - at, one = 1;
  char *first = at_element(b, x, at);
  j->f->larfg(&n, first, first + j->size, &one, noted);
  memcpy(kept, first, j->size);
  clear_row(b, at, x);
  const double tau = dtype_read(j->dtype, noted);
  if (tau == 0) clear_row(b, n, first);
  dtype_write(j->dtype, first, tau != 0);
  if (tau == 0) dtype_write(j->dtype, noted, 1);
  return tau;
}

int rows_to_unit(const blocked *b, char *rows, int64_t count, int64_t n, int64_t pitch, bool triangle) {
  const bool wide = b->j->dtype == PONS_FLOAT64;
  const int far = wide ? 300 : 30, most = wide ? 1000 : 120; /* of what a factor can be */
  double greatest = 0;
  int exponent;
  for (int64_t i = 0; i < count; i++)
    greatest =
        fmax(greatest, matrix_greatest(b->j->dtype, at_element(b, rows, i * pitch), triangle ? i + 1 : n));
  frexp(greatest, &exponent);
  if (greatest == 0 || abs(exponent) < far) return 0;
  exponent = exponent < -most ? -most : exponent > most ? most : exponent;
  for (int64_t i = 0; i < count; i++)
    scale_row(b, triangle ? i + 1 : n, ldexp(1, -exponent), at_element(b, rows, i * pitch));
  return exponent;
}
