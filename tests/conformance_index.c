/* conformance_index.c: cases of reading and writing parts of arrays. */
#include "conformance_cases.h"

#define CASE(name) static void name(const pons_array *in, pons_array *out)

CASE(slice) { out[0] = pons_slice(in[0], PONS_SHAPE(0, 1), PONS_SHAPE(2, -1), PONS_SCALAR); }
CASE(slice_steps) { out[0] = pons_slice(in[0], PONS_SHAPE(-1, 4), PONS_SHAPE(-9, 0), PONS_SHAPE(-1, -2)); }
CASE(slice_empty) { out[0] = pons_slice(in[0], PONS_SHAPE(1, 3), PONS_SHAPE(9, 2), PONS_SCALAR); }
CASE(slice_update) {
  out[0] = pons_slice_update(in[0], in[1], PONS_SHAPE(0, 1), PONS_SHAPE(2, 5), PONS_SHAPE(1, 2));
}
CASE(slice_update_reversed) {
  out[0] = pons_slice_update(in[0], in[1], PONS_SHAPE(0, 4), PONS_SHAPE(2, -9), PONS_SHAPE(1, -2));
}
CASE(index) {
  out[0] = pons_index(in[0], -1, 1);
  out[1] = pons_index(in[0], 0, 0);
}
CASE(take) { out[0] = pons_take(in[0], in[1], 1); }
CASE(take_first) { out[0] = pons_take(in[0], in[1], 0); }
CASE(take_negative) { out[0] = pons_take(in[0], pons_subtract(in[1], pons_int(5)), -1); }
CASE(take_along_axis) { out[0] = pons_take_along_axis(in[0], in[1], 1); }
CASE(put_along_axis) { /* no index twice */
  pons_array places = pons_argsort(in[1], 1);
  out[0] = pons_put_along_axis(in[0], places, in[2], 1);
}
CASE(scatter_add_axis) { out[0] = pons_scatter_add_axis(in[0], in[1], in[2], 1); }
CASE(gather) { out[0] = pons_gather(in[0], in + 1, PONS_AXES(0, 2), PONS_SHAPE(1, 3, 2)); }
CASE(scatter_sum) { out[0] = pons_scatter(in[0], in + 1, in[2], PONS_AXES(0), PONS_SCATTER_SUM); }
CASE(scatter_two) { out[0] = pons_scatter(in[0], in + 1, in[3], PONS_AXES(1, 0), PONS_SCATTER_SUM); }
CASE(scatter_prod) { out[0] = pons_scatter(in[0], in + 1, in[2], PONS_AXES(0), PONS_SCATTER_PROD); }
CASE(scatter_extremes) {
  out[0] = pons_scatter(in[0], in + 1, in[2], PONS_AXES(0), PONS_SCATTER_MAX);
  out[1] = pons_scatter(in[0], in + 1, in[2], PONS_AXES(0), PONS_SCATTER_MIN);
}
CASE(scatter_none) { /* no index twice */
  pons_array places = pons_argsort(in[1], 0);
  out[0] = pons_scatter(in[0], &places, in[2], PONS_AXES(0), PONS_SCATTER_NONE);
}

static const conformance_case cases[] = {
    {"slice", slice, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 2, 3, 5)}},
    {"slice: of a transpose", slice, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 2, 3, 5)}},
    {"slice: negative steps", slice_steps, TYPES_ANY, true, 1, 1, {INPUT(STRIDED, 2, 3, 5)}},
    {"slice: empty", slice_empty, TYPES_ANY, false, 1, 1, {INPUT(PLAIN, 2, 3, 5)}},
    {"slice_update",
     slice_update,
     TYPES_ANY,
     true,
     2,
     1,
     {INPUT(PLAIN, 2, 3, 5), INPUT(TRANSPOSED, 2, 2, 2)}},
    {"slice_update: reversed, broadcast",
     slice_update_reversed,
     TYPES_ANY,
     true,
     2,
     1,
     {INPUT(TRANSPOSED, 2, 3, 5), INPUT(PLAIN, 1, 1)}},
    {"index", index, TYPES_ANY, true, 1, 2, {INPUT(TRANSPOSED, 3, 2, 3, 2)}},
    {"take", take, TYPES_ANY, true, 2, 1, {INPUT(PLAIN, 3, 2, 5, 3), INDICES(5, 2, 2, 3)}},
    {"take: first axis", take_first, TYPES_ANY, true, 2, 1, {INPUT(TRANSPOSED, 2, 5, 3), INDICES(5, 1, 4)}},
    {"take: one index", take, TYPES_ANY, true, 2, 1, {INPUT(STRIDED, 2, 3, 5), INDICES(5, 0, 0)}},
    {"take: none", take, TYPES_ANY, false, 2, 1, {INPUT(PLAIN, 2, 3, 5), INDICES(5, 1, 0)}},
    {"take: negative indices",
     take_negative,
     TYPES_ANY,
     true,
     2,
     1,
     {INPUT(PLAIN, 2, 3, 5), INDICES(5, 1, 4)}},
    {"take_along_axis",
     take_along_axis,
     TYPES_ANY,
     true,
     2,
     1,
     {INPUT(TRANSPOSED, 2, 3, 5), INDICES(5, 2, 3, 2)}},
    {"take_along_axis: broadcast",
     take_along_axis,
     TYPES_ANY,
     true,
     2,
     1,
     {INPUT(PLAIN, 2, 3, 5), INDICES(5, 2, 1, 4)}},
    {"put_along_axis",
     put_along_axis,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 3, 5), INDICES(9, 2, 3, 4), INPUT(TRANSPOSED, 2, 3, 4)}},
    {"scatter_add_axis",
     scatter_add_axis,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(TRANSPOSED, 2, 3, 5), INDICES(5, 2, 3, 4), INPUT(REPEATED, 2, 3, 4)}},
    {"gather: two axes",
     gather,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(PLAIN, 3, 4, 3, 5), INDICES(4, 1, 3), INDICES(4, 2, 2, 1)}},
    {"scatter: sum",
     scatter_sum,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 5, 3), INDICES(5, 1, 4), INPUT(TRANSPOSED, 3, 4, 1, 3)}},
    {"scatter: sum at two axes",
     scatter_two,
     TYPES_ANY,
     true,
     4,
     1,
     {INPUT(TRANSPOSED, 2, 4, 6), INDICES(5, 1, 3), INDICES(3, 1, 3), INPUT(PLAIN, 3, 3, 2, 2)}},
    {"scatter: prod",
     scatter_prod,
     TYPES_REAL,
     true,
     3,
     1,
     {INPUT_FROM(1, 3, PLAIN, 2, 5, 3), INDICES(5, 1, 4), INPUT_FROM(1, 3, PLAIN, 3, 4, 1, 3)}},
    {"scatter: max, min",
     scatter_extremes,
     TYPES_REAL,
     true,
     3,
     2,
     {INPUT(PLAIN, 2, 5, 3), INDICES(5, 1, 4), INPUT(PLAIN, 3, 4, 1, 3)}},
    {"scatter: none",
     scatter_none,
     TYPES_ANY,
     true,
     3,
     1,
     {INPUT(PLAIN, 2, 5, 3), INDICES(9, 1, 4), INPUT(STRIDED, 3, 4, 1, 3)}},
};

const conformance_case *index_cases(int *count) {
  *count = sizeof cases / sizeof *cases;
  return cases;
}
