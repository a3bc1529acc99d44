/* conformance_places.c: cases of x[...] by lists of indices, read and written, of slices at computed
   places, and of results whose shape depends on values (which here do not depend on inputs, so that the
   cases can be traced). */
#include "conformance_cases.h"

#define CASE(name) static void name(const pons_array *in, pons_array *out)
#define AT_ARRAY(i) pons_at_array(in[i])
#define ROWS PONS_INDEX(AT_ARRAY(1))
#define REVERSED pons_at_slice(PONS_END, PONS_END, -1)

/* Whole numbers as an array that is no input. */
static pons_array fixed(int64_t start, int64_t stop, int64_t step) {
  return pons_arange((double)start, (double)stop, (double)step, PONS_INT32);
}
/* true, false, true, ... */
static pons_array every_second(pons_shape shape) {
  int64_t size = 1;
  for (int i = 0; i < shape.count; i++) size *= shape.at[i];
  pons_array odd = pons_remainder(fixed(1, size + 1, 1), pons_scalar(2, PONS_INT32));
  return pons_reshape(pons_astype(odd, PONS_BOOL), shape);
}

CASE(get_slices) {
  out[0] =
      pons_get(in[0], PONS_INDEX(pons_at_int(-1), PONS_NEWAXIS, pons_at_slice(1, PONS_END, 2), REVERSED));
}
CASE(get_ellipsis) { out[0] = pons_get(in[0], PONS_INDEX(PONS_ELLIPSIS, PONS_NEWAXIS, pons_at_int(1))); }
CASE(get_array) { out[0] = pons_get(in[0], ROWS); }
CASE(get_arrays_apart) { out[0] = pons_get(in[0], PONS_INDEX(AT_ARRAY(1), PONS_ALL, AT_ARRAY(2))); }
CASE(get_arrays_inside) {
  out[0] = pons_get(in[0], PONS_INDEX(REVERSED, AT_ARRAY(1), AT_ARRAY(2), PONS_NEWAXIS));
}
CASE(get_array_and_int) { out[0] = pons_get(in[0], PONS_INDEX(PONS_ALL, pons_at_int(1), AT_ARRAY(1))); }
CASE(get_mask) {
  out[0] = pons_get(in[0], PONS_INDEX(PONS_ALL, pons_at_array(every_second(PONS_SHAPE(3, 4)))));
}
CASE(put_slices) {
  out[0] = pons_put(in[0], PONS_INDEX(REVERSED, pons_at_int(1), pons_at_slice(1, 4, 2)), in[1]);
}
CASE(put_whole) { out[0] = pons_put(in[0], PONS_INDEX(PONS_ELLIPSIS), in[1]); }
CASE(put_array) { /* no index twice */
  out[0] = pons_put(in[0], PONS_INDEX(PONS_ALL, pons_at_array(pons_argsort(in[1], 0))), in[2]);
}
CASE(put_array_and_slice) {
  out[0] = pons_put(in[0],
                    PONS_INDEX(pons_at_slice(1, 3, 1), pons_at_array(pons_argsort(in[1], 0)), pons_at_int(0)),
                    in[2]);
}
CASE(put_mask) { out[0] = pons_put(in[0], ROWS, in[2]); }
CASE(put_listed) { /* one row per true place */
  out[0] = pons_put(in[0], PONS_INDEX(pons_at_array(every_second(PONS_SHAPE(4)))), in[1]);
}
CASE(put_sums) {
  out[0] = pons_put_add(in[0], ROWS, in[2]);
  out[1] = pons_put_subtract(in[0], ROWS, in[2]);
}
CASE(put_extremes) {
  out[0] = pons_put_maximum(in[0], ROWS, in[2]);
  out[1] = pons_put_minimum(in[0], ROWS, in[2]);
}
CASE(put_products) {
  out[0] = pons_put_multiply(in[0], ROWS, in[2]);
  out[1] = pons_put_divide(in[0], ROWS, in[2]);
}
CASE(put_slice_kinds) {
  const pons_index_list there = PONS_INDEX(pons_at_slice(1, 3, 1), REVERSED);
  out[0] = pons_put_add(in[0], there, in[1]);
  out[1] = pons_put_multiply(in[0], there, in[1]);
}
CASE(put_slice_extremes) {
  const pons_index_list there = PONS_INDEX(pons_at_slice(1, 3, 1), REVERSED);
  out[0] = pons_put_maximum(in[0], there, in[1]);
  out[1] = pons_put_minimum(in[0], there, in[1]);
}
CASE(put_add_mask) { out[0] = pons_put_add(in[0], ROWS, in[2]); }
CASE(masked_scatter) { out[0] = pons_masked_scatter(in[0], in[1], in[2]); }
CASE(slice_dynamic) { out[0] = pons_slice_dynamic(in[0], in[1], PONS_AXES(2, 0), PONS_SHAPE(2, 3, 2)); }
CASE(slice_update_dynamic) { out[0] = pons_slice_update_dynamic(in[0], in[1], in[2], PONS_AXES(-1)); }
CASE(gather_mixed) { /* index arrays of two dtypes */
  const pons_array at[2] = {pons_astype(in[1], PONS_UINT64), pons_astype(in[2], PONS_INT8)};
  out[0] = pons_gather(in[0], at, PONS_AXES(0, 1), PONS_SHAPE(1, 1));
}
CASE(compress) { out[0] = pons_compress(in[0], every_second(PONS_SHAPE(4)), 0); }
CASE(repeat_each) { out[0] = pons_repeat_each(in[0], fixed(0, 4, 1), 1); }

static const conformance_case cases[] = {
    {"get: slices", get_slices, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 3, 2, 4, 3)}},
    {"get: ellipsis", get_ellipsis, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 3, 2, 3, 2)}},
    {"get: array", get_array, TYPES_ANY, true, 2, 1, {INPUT(PLAIN, 2, 4, 3), INDICES(4, 2, 2, 3)}},
    {"get: arrays apart",
     get_arrays_apart,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(STRIDED, 3, 3, 2, 4), INDICES(3, 2, 2, 1), INDICES(4, 1, 3)}},
    {"get: arrays inside",
     get_arrays_inside,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(TRANSPOSED, 4, 2, 3, 4, 2), INDICES(3, 1, 3), INDICES(4, 0, 0)}},
    {"get: array and integer",
     get_array_and_int,
     TYPES_ANY,
     true,
     2,
     1,
     {INPUT(PLAIN, 3, 2, 3, 4), INDICES(4, 1, 5)}},
    {"get: mask", get_mask, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 3, 2, 3, 4)}},
    {"put: slices",
     put_slices,
     TYPES_ANY,
     true,
     2,
     1,
     {INPUT(PLAIN, 3, 2, 3, 4), INPUT(TRANSPOSED, 2, 2, 2)}},
    {"put: whole", put_whole, TYPES_ANY, true, 2, 1, {INPUT(PLAIN, 2, 2, 3), INPUT(PLAIN, 1, 3)}},
    {"put: array",
     put_array,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 2, 4), INDICES(9, 1, 3), INPUT(STRIDED, 2, 2, 3)}},
    {"put: array and slice",
     put_array_and_slice,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(TRANSPOSED, 3, 4, 4, 2), INDICES(9, 1, 3), INPUT(PLAIN, 1, 3)}},
    {"put: mask",
     put_mask,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(TRANSPOSED, 2, 3, 4), MASK(1, 3), INPUT(PLAIN, 1, 4)}},
    {"put: a value for each true place",
     put_listed,
     TYPES_ANY,
     true,
     2,
     1,
     {INPUT(PLAIN, 2, 4, 3), INPUT(TRANSPOSED, 2, 2, 3)}},
    {"put_add, put_subtract",
     put_sums,
     TYPES_ANY & ~TYPE_BIT(PONS_BOOL),
     true,
     3,
     2,
     {INPUT(PLAIN, 2, 4, 3), INDICES(4, 1, 5), INPUT(PLAIN, 2, 5, 3)}},
    {"put_maximum, put_minimum",
     put_extremes,
     TYPES_REAL,
     true,
     3,
     2,
     {INPUT(PLAIN, 2, 4, 3), INDICES(4, 1, 5), INPUT(PLAIN, 2, 5, 3)}},
    {"put_multiply, put_divide",
     put_products,
     TYPES_FLOAT,
     true,
     3,
     2,
     {INPUT_FROM(1, 3, PLAIN, 2, 4, 3), INDICES(4, 1, 5), INPUT_FROM(1, 3, PLAIN, 2, 5, 3)}},
    {"put_add, put_multiply: slices",
     put_slice_kinds,
     TYPES_ANY,
     true,
     2,
     2,
     {INPUT(TRANSPOSED, 2, 4, 3), INPUT(PLAIN, 1, 3)}},
    {"put_maximum, put_minimum: slices",
     put_slice_extremes,
     TYPES_REAL,
     true,
     2,
     2,
     {INPUT(TRANSPOSED, 2, 4, 3), INPUT(PLAIN, 1, 3)}},
    {"put_add: mask",
     put_add_mask,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 3, 4), MASK(2, 3, 4), INPUT(PLAIN, 1, 12)}},
    {"masked_scatter: of two axes",
     masked_scatter,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(STRIDED, 2, 3, 4), MASK(2, 3, 4), INPUT(PLAIN, 1, 12)}},
    {"slice_dynamic",
     slice_dynamic,
     TYPES_ANY,
     true,
     2,
     1,
     {INPUT(TRANSPOSED, 3, 3, 3, 3), INDICES(2, 1, 2)}},
    {"slice_update_dynamic",
     slice_update_dynamic,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 3, 4), INPUT(PLAIN, 1, 2), INDICES(3, 0, 0)}},
    {"gather: indices of two dtypes",
     gather_mixed,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 3, 4), INDICES(3, 1, 3), INDICES(4, 1, 3)}},
    {"compress", compress, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 2, 4, 3)}},
    {"repeat_each", repeat_each, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 2, 3, 4)}},
};

const conformance_case *place_cases(int *count) {
  *count = sizeof cases / sizeof *cases;
  return cases;
}
