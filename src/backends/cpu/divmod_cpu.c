/* divmod_cpu.c: "DivMod": the floored quotient and the remainder, which has the divisor's sign. An integer
   divided by zero gives zero and zero. Uses cpu/lanes.h, cpu/cursor.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/lanes.h"
#include <math.h>

static void divide_double(double a, double b, double *quotient, double *remainder) {
  double r = fmod(a, b);
  if (r == 0)
    r = copysign(0, b);
  else if ((r < 0) != (b < 0))
    r += b;
  *quotient = floor(a / b);
  *remainder = r;
}

static void divide_int(int64_t a, int64_t b, int64_t *quotient, int64_t *remainder) {
  *quotient = *remainder = 0;
  if (b == 0) return;
  if (b == -1) { /* INT64_MIN / -1 would overflow */
    *quotient = (int64_t)(0 - (uint64_t)a);
    return;
  }
  int64_t q = a / b, r = a % b;
  bool down = r != 0 && (r < 0) != (b < 0);
  *quotient = q - down;
  *remainder = down ? r + b : r;
}

static void divide_uint(uint64_t a, uint64_t b, uint64_t *quotient, uint64_t *remainder) {
  *quotient = b ? a / b : 0;
  *remainder = b ? a % b : 0;
}

static void divide(lane k, int64_t n, const void *a, const void *b, void *quotients, void *remainders) {
  for (int64_t i = 0; i < n; i++) {
    double q, r;
    switch (k) {
      case LANE_FLOAT:
        divide_double((double)((const float *)a)[i], (double)((const float *)b)[i], &q, &r);
        ((float *)quotients)[i] = (float)q;
        ((float *)remainders)[i] = (float)r;
        break;
      case LANE_DOUBLE:
        divide_double(((const double *)a)[i], ((const double *)b)[i], (double *)quotients + i, (double *)remainders + i);
        break;
      case LANE_INT:
        divide_int(((const int64_t *)a)[i], ((const int64_t *)b)[i], (int64_t *)quotients + i, (int64_t *)remainders + i);
        break;
      default:
        divide_uint(((const uint64_t *)a)[i], ((const uint64_t *)b)[i], (uint64_t *)quotients + i,
                    (uint64_t *)remainders + i);
    }
  }
}

typedef struct divmod_job {
  const launch *l;
  cursor rows; /* offsets of a and b */
  int64_t n, strides[CURSOR_LISTS];
  int64_t count, rows_per_piece;
} divmod_job;

static void divmod_piece(void *context, int64_t piece) {
  const divmod_job *j = context;
  const operand *in = j->l->in, *out = j->l->out;
  pons_dtype d = in[0].dtype;
  lane_value a[TILE], b[TILE], quotients[TILE], remainders[TILE];
  cursor rows = j->rows;
  int64_t row = piece * j->rows_per_piece, end = smaller(row + j->rows_per_piece, j->count);
  cursor_to(&rows, row);
  for (; row < end; row++, cursor_next(&rows))
    for (int64_t at = 0; at < j->n; at += TILE) {
      int64_t n = smaller(j->n - at, TILE), to = row * j->n + at;
      cpu_lanes()->load[d](element(in[0].data, d, rows.offset[0] + at * j->strides[0]), j->strides[0], n, a);
      cpu_lanes()->load[d](element(in[1].data, d, rows.offset[1] + at * j->strides[1]), j->strides[1], n, b);
      divide(lane_of(d), n, a, b, quotients, remainders);
      cpu_lanes()->store[d](quotients, n, element(out[0].data, d, to), 1);
      cpu_lanes()->store[d](remainders, n, element(out[1].data, d, to), 1);
    }
}

error *cpu_divmod(const launch *l) {
  divmod_job j = {.l = l,
                  .rows = cursor_new(l->out->ndim, l->out->shape, 2, l->in[0].strides, l->in[1].strides)};
  if (!operand_size(l->out)) return NULL;
  if (dtype_is_complex(l->in[0].dtype)) return fail("divmod", "takes no complex numbers");
  j.n = cursor_take_last(&j.rows, j.strides);
  j.count = cursor_size(&j.rows);
  j.rows_per_piece = turns_per_piece(j.count, j.n);
  parallel_for(pieces_of(j.count, j.rows_per_piece), divmod_piece, &j);
  return NULL;
}
