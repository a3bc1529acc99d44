/* selftest_places.c: checks of gathering and scattering. */
#include "selftest_checks.h"

CHECK(taken_rows) {
  return pons_take(normal(PONS_SHAPE(17, PICK(5, 501)), dtype, 70),
                   small_integers(PONS_SHAPE(PICK(9, 900)), PONS_INT32, 71), 0);
}
CHECK(taken_along) {
  return pons_take_along_axis(normal(PONS_SHAPE(PICK(5, 300), 17), dtype, 72),
                              small_integers(PONS_SHAPE(PICK(5, 300), 40), PONS_UINT8, 73), 1);
}
CHECK(put_along) {
  return pons_put_along_axis(normal(PONS_SHAPE(PICK(5, 300), 17), dtype, 74),
                             small_integers(PONS_SHAPE(PICK(5, 300), 40), PONS_INT64, 75),
                             normal(PONS_SHAPE(PICK(5, 300), 40), dtype, 76), 1);
}
CHECK(added_along) {
  return pons_scatter_add_axis(small_integers(PONS_SHAPE(17, PICK(5, 300)), dtype, 77),
                               small_integers(PONS_SHAPE(50, PICK(5, 300)), PONS_INT32, 78),
                               small_integers(PONS_SHAPE(50, PICK(5, 300)), dtype, 79), 0);
}
static pons_array scattered_rows(int64_t n, int64_t width, pons_dtype dtype, pons_scatter_mode mode) {
  pons_array at = small_integers(PONS_SHAPE(n), PONS_INT32, 80);
  return pons_scatter(small_integers(PONS_SHAPE(17, width), dtype, 81), &at,
                      small_integers(PONS_SHAPE(n, 1, width), dtype, 82), PONS_AXES(0), mode);
}
static pons_array scattered(bool large, pons_dtype dtype, pons_scatter_mode mode) {
  return scattered_rows(PICK(40, 2000), PICK(3, 33), dtype, mode);
}
CHECK(scattered_last) { return scattered(large, dtype, PONS_SCATTER_NONE); }
CHECK(scattered_sum) { return scattered(large, dtype, PONS_SCATTER_SUM); }
/* So few that sums stay below 256, where bfloat16 no longer holds every integer and the order counts. */
CHECK(scattered_sum_bfloat16) { return scattered_rows(40, PICK(3, 933), dtype, PONS_SCATTER_SUM); }
CHECK(scattered_sum_narrow) { return scattered(large, dtype, PONS_SCATTER_SUM); }
CHECK(scattered_sum_wide) { return scattered(large, dtype, PONS_SCATTER_SUM); }
CHECK(scattered_product) { return scattered(large, dtype, PONS_SCATTER_PROD); }
CHECK(scattered_greatest) { return scattered(large, dtype, PONS_SCATTER_MAX); }
CHECK(scattered_least) { return scattered(large, dtype, PONS_SCATTER_MIN); }

const check places_checks[] = {
    EXACT(taken_rows, PONS_FLOAT16, SIZES),
    EXACT(taken_along, PONS_FLOAT32, SIZES),
    EXACT(put_along, PONS_FLOAT32, SIZES),
    EXACT(added_along, PONS_INT16, NUMBERS),
    EXACT(scattered_last, PONS_FLOAT32, SIZES),
    EXACT(scattered_sum, PONS_FLOAT32, NUMBERS & ~IN(PONS_BFLOAT16)),
    EXACT(scattered_sum_bfloat16, PONS_BFLOAT16, 0),
    EXACT(scattered_sum_narrow, PONS_UINT8, 0),
    EXACT(scattered_sum_wide, PONS_INT64, 0),
    EXACT(scattered_product, PONS_INT32, 0),
    EXACT(scattered_greatest, PONS_FLOAT16, 0),
    EXACT(scattered_least, PONS_BFLOAT16, 0),
    NO_MORE,
};
