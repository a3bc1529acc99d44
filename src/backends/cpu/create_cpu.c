/* create_cpu.c: "Arange", "Full", "Load", "View", "NumberOfElements": results made without arithmetic on elements.
   Uses cpu/lanes.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/lanes.h"

/* Element i is start + i * step in the lane of the dtype, start and start + step being rounded to the dtype
   before. */
#define ARANGE(name, type)                                                                               \
  static void arange_##name(pons_dtype d, int64_t n, const void *ends, void *out) {                      \
    const type *end = ends;                                                                              \
    type start = end[0], step = end[1] - end[0], tile[TILE];                                             \
    for (int64_t at = 0; at < n; at += TILE) {                                                           \
      int64_t count = smaller(n - at, TILE);                                                           \
      for (int64_t i = 0; i < count; i++) tile[i] = start + (type)(at + i) * step;                       \
      cpu_lanes()->store[d](tile, count, element(out, d, at), 1);                                        \
    }                                                                                                    \
  }
ARANGE(float, float)
ARANGE(double, double)
ARANGE(integer, uint64_t) /* signed ones have the same bits */

#define ARANGE_COMPLEX(name, type, part)                                                       \
  static void arange_##name(int64_t n, const void *ends, type *out) {                          \
    const type *end = ends;                                                                    \
    const part step = end[1].re - end[0].re;                                                   \
    for (int64_t i = 0; i < n; i++) out[i] = (type){end[0].re + (part)i * step, 0};            \
  }
ARANGE_COMPLEX(complex, complex64, float)
ARANGE_COMPLEX(wide, complex128, double)

error *cpu_arange(const launch *l) {
  const arange_params *p = l->params;
  const operand *out = l->out;
  int64_t n = operand_size(out);
  char ends[2 * sizeof(lane_value)]; /* start, start + step: first as elements, then as lanes */
  lane_value lanes[2];
  memset(ends, 0, sizeof ends);
  dtype_write(out->dtype, ends, p->start);
  dtype_write(out->dtype, ends + pons_dtype_size(out->dtype), p->start + p->step);
  cpu_lanes()->load[out->dtype](ends, 1, 2, lanes);
  switch (lane_of(out->dtype)) {
    case LANE_FLOAT: arange_float(out->dtype, n, lanes, out->data); break;
    case LANE_DOUBLE: arange_double(out->dtype, n, lanes, out->data); break;
    case LANE_COMPLEX: arange_complex(n, lanes, out->data); break;
    case LANE_WIDE_COMPLEX: arange_wide(n, lanes, out->data); break;
    default: arange_integer(out->dtype, n, lanes, out->data);
  }
  return NULL;
}

error *cpu_full(const launch *l) {
  cpu_copy_packed(l->out->data, l->in);
  return NULL;
}

error *cpu_load(const launch *l) {
  const reader *r = l->in[0].data;
  char why[1024] = "it can't be read";
  const size_t bytes = (size_t)operand_size(l->out) * pons_dtype_size(l->out->dtype);
  return r->read(r->payload, l->out->data, bytes, why, sizeof why)
             ? NULL
             : fail_as(PONS_ERROR_RUNTIME, "load", "%s", why);
}

/* The bytes stay; the last axis scales with the item size. */
error *cpu_view(const launch *l) {
  cpu_copy_packed(l->out->data, l->in);
  return NULL;
}

error *cpu_number_of_elements(const launch *l) {
  const number_of_elements_params *p = l->params;
  double count = 1;
  for (int i = 0; i < p->axes.n; i++) { /* negative ones count from the end */
    const int64_t axis = p->axes.at[i];
    count *= (double)l->in[0].shape[axis < 0 ? axis + l->in[0].ndim : axis];
  }
  dtype_write(l->out->dtype, l->out->data, p->inverted ? 1 / count : count);
  return NULL;
}
