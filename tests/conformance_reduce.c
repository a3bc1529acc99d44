/* conformance_reduce.c: cases of reductions, scans and sorting. */
#include "conformance_cases.h"

#define CASE(name) static void name(const pons_array *in, pons_array *out)

CASE(sum) { out[0] = pons_sum(in[0]); }
CASE(sum_axes) { out[0] = pons_sum(in[0], .axes = PONS_AXES(0, -1)); }
CASE(sum_keep) { out[0] = pons_sum(in[0], .axes = PONS_AXES(1), .keepdims = true); }
CASE(prod) { out[0] = pons_prod(in[0], .axes = PONS_AXES(1)); }
CASE(prod_all) { out[0] = pons_prod(in[0]); }
CASE(max) { out[0] = pons_max(in[0], .axes = PONS_AXES(0)); }
CASE(min) { out[0] = pons_min(in[0], .axes = PONS_AXES(-1), .keepdims = true); }
CASE(max_all) { out[0] = pons_max(in[0]); }
CASE(all_any) {
  out[0] = pons_all(in[0], .axes = PONS_AXES(0));
  out[1] = pons_any(in[0], .axes = PONS_AXES(1));
  out[2] = pons_all(in[0]);
}
CASE(mean) { out[0] = pons_mean(in[0], .axes = PONS_AXES(0, 2)); }
CASE(variance) {
  out[0] = pons_variance(in[0], .axes = PONS_AXES(1));
  out[1] = pons_variance(in[0], .ddof = 1);
}
CASE(deviation) { out[0] = pons_std(in[0], .axes = PONS_AXES(-1), .keepdims = true); }
CASE(logsumexp) { out[0] = pons_logsumexp(in[0], .axes = PONS_AXES(-1)); }
CASE(logsumexp_first) { out[0] = pons_logsumexp(in[0], .axes = PONS_AXES(0), .keepdims = true); }
CASE(logsumexp_all) { out[0] = pons_logsumexp(in[0]); }
CASE(arg) {
  out[0] = pons_argmax(in[0], 1, false);
  out[1] = pons_argmin(in[0], 0, true);
}
CASE(empty) {
  out[0] = pons_sum(in[0], .axes = PONS_AXES(1));
  out[1] = pons_prod(in[0]);
  out[2] = pons_all(in[0]);
  out[3] = pons_max(in[0], .axes = PONS_AXES(0));
}
CASE(cumsum) {
  out[0] = pons_cumsum(in[0], .axis = 1);
  out[1] = pons_cumsum(in[0], .axis = 0, .reverse = true, .exclusive = true);
}
CASE(cumprod) {
  out[0] = pons_cumprod(in[0], .axis = -1);
  out[1] = pons_cumprod(in[0], .axis = 0, .exclusive = true);
  out[2] = pons_cumprod(in[0], .axis = 1, .reverse = true);
}
CASE(cumextremes) {
  out[0] = pons_cummax(in[0], .axis = 1);
  out[1] = pons_cummin(in[0], .axis = 0, .reverse = true);
}
CASE(cumextremes_exclusive) {
  out[0] = pons_cummax(pons_slice(in[0], PONS_SHAPE(0, 0), PONS_SHAPE(3, 3), PONS_SCALAR), .axis = 0);
  out[1] = pons_slice(pons_cummax(in[0], .axis = 1, .exclusive = true), PONS_SHAPE(0, 1), PONS_SHAPE(3, 4),
                      PONS_SCALAR);
}
CASE(sort) {
  out[0] = pons_sort(in[0], 1);
  out[1] = pons_sort(in[0], 0);
}
CASE(argsort) { out[0] = pons_argsort(in[0], -1); }
/* What is told of a partition: the kth element, and which are before it. */
CASE(partition) {
  pons_array y = pons_partition(in[0], 2, 1);
  out[0] = pons_index(y, 2, 1);
  out[1] = pons_sort(pons_slice(y, PONS_SHAPE(0, 0), PONS_SHAPE(3, 2), PONS_SCALAR), 1);
}
CASE(argpartition) {
  pons_array places = pons_argpartition(in[0], -2, 1);
  out[0] = pons_index(pons_take_along_axis(in[0], places, 1), -2, 1);
}
CASE(topk) { out[0] = pons_sort(pons_topk(in[0], 2, 0), 0); }

static const conformance_case cases[] = {
    {"sum", sum, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 3, 2, 3, 4)}},
    {"sum: scalar", sum, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 0, 0)}},
    {"sum: axes 0 and 2", sum_axes, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 3, 2, 3, 4)}},
    {"sum: axes 0 and 2 of a broadcast", sum_axes, TYPES_ANY, true, 1, 1, {INPUT(REPEATED, 3, 4, 3, 5)}},
    {"sum: keepdims", sum_keep, TYPES_ANY, true, 1, 1, {INPUT(STRIDED, 3, 2, 3, 4)}},
    {"sum: an axis of 1", sum_keep, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 2, 3, 1)}},
    {"sum: long", sum_axes, TYPES_FLOAT, false, 1, 1, {INPUT(PLAIN, 2, 3, 5000)}},
    {"prod", prod, TYPES_ANY, true, 1, 1, {INPUT(PLAIN, 3, 2, 3, 4)}},
    {"prod: all", prod_all, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 2, 2, 3)}},
    {"max", max, TYPES_REAL, true, 1, 1, {INPUT(TRANSPOSED, 2, 4, 3)}},
    {"max: all", max_all, TYPES_REAL, true, 1, 1, {INPUT(PLAIN, 2, 4, 3)}},
    {"min", min, TYPES_REAL, true, 1, 1, {INPUT(STRIDED, 2, 3, 5)}},
    {"all, any", all_any, TYPES_REAL, false, 1, 3, {INPUT(TRANSPOSED, 2, 3, 4)}},
    {"sum, prod, all, max: empty", empty, TYPES_REAL, false, 1, 4, {INPUT(PLAIN, 2, 3, 0)}},
    {"mean", mean, TYPES_ANY, true, 1, 1, {INPUT(TRANSPOSED, 3, 2, 3, 4)}},
    {"variance", variance, TYPES_REAL, true, 1, 2, {INPUT(PLAIN, 2, 3, 4)}},
    {"std", deviation, TYPES_REAL, true, 1, 1, {INPUT(TRANSPOSED, 2, 3, 4)}},
    {"logsumexp", logsumexp, TYPES_REAL, true, 1, 1, {INPUT(TRANSPOSED, 2, 3, 4)}},
    {"logsumexp: first axis", logsumexp_first, TYPES_REAL, true, 1, 1, {INPUT(PLAIN, 2, 3, 4)}},
    {"logsumexp: all", logsumexp_all, TYPES_REAL, true, 1, 1, {INPUT(STRIDED, 2, 3, 4)}},
    {"argmax, argmin", arg, TYPES_REAL, false, 1, 2, {INPUT(TRANSPOSED, 2, 3, 4)}},
    {"cumsum", cumsum, TYPES_ANY, true, 1, 2, {INPUT(TRANSPOSED, 2, 3, 4)}},
    {"cumprod", cumprod, TYPES_ANY, true, 1, 3, {INPUT_FROM(1, 3, PLAIN, 2, 3, 4)}},
    {"cummax, cummin", cumextremes, TYPES_REAL, true, 1, 2, {INPUT(STRIDED, 2, 3, 4)}},
    {"cummax: exclusive", cumextremes_exclusive, TYPES_FLOAT, true, 1, 2, {INPUT(PLAIN, 2, 3, 4)}},
    {"sort", sort, TYPES_REAL, true, 1, 2, {INPUT(TRANSPOSED, 2, 3, 5)}},
    {"argsort", argsort, TYPES_REAL, false, 1, 1, {INPUT(STRIDED, 2, 3, 5)}},
    {"partition", partition, TYPES_REAL, true, 1, 2, {INPUT(TRANSPOSED, 2, 3, 5)}},
    {"argpartition", argpartition, TYPES_REAL, true, 1, 1, {INPUT(PLAIN, 2, 3, 5)}},
    {"topk", topk, TYPES_REAL, true, 1, 1, {INPUT(PLAIN, 2, 5, 3)}},
};

const conformance_case *reduce_cases(int *count) {
  *count = sizeof cases / sizeof *cases;
  return cases;
}
