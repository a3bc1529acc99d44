/* reductions.c: over axes, along an axis: sums, running sums, sorting, softmax. */
#include "binding.h"
#include <string.h>

#define REDUCTION(id, what)                                                                             \
  FUNCTION(id,                                                                                          \
           "(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: " \
           "StreamOrDevice = None) -> array",                                                           \
           what) {                                                                                      \
    return wrap(pons_##id(s[0].array, .axes = axes_of(s[1]), .keepdims = s[2].flag));                   \
  }
REDUCTION(sum, "The sum over the axes, all if None.")
REDUCTION(prod, "The product over the axes, all if None.")
REDUCTION(max, "The greatest along the axes, all if None.")
REDUCTION(min, "The least along the axes, all if None.")
REDUCTION(all, "Are all true along the axes?")
REDUCTION(any, "Is one true along the axes?")
REDUCTION(mean, "The mean over the axes, all if None.")
REDUCTION(median, "The median over the axes, all if None.")
REDUCTION(logsumexp, "log(sum(exp(a))) over the axes, all if None.")

/* `correction` is the array API's name for ddof. */
#define SPREAD(id, op, what)                                                                              \
  FUNCTION(                                                                                               \
      id,                                                                                                 \
      "(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, ddof: int = 0, *, " \
      "correction: int | None = None, stream: StreamOrDevice = None) -> array",                           \
      what) {                                                                                             \
    const int ddof = (int)int_or(s[4], s[3].i);                                                           \
    return wrap(op(s[0].array, .axes = axes_of(s[1]), .keepdims = s[2].flag, .ddof = ddof));              \
  }
SPREAD(std, pons_std,
       "The standard deviation over the axes; the divisor is the count less ddof (or correction).")
SPREAD(var, pons_variance, "The variance over the axes; the divisor is the count less ddof (or correction).")

FUNCTION(count_nonzero,
         "(a: array, /, *, axis: None | int | Sequence[int] = None, keepdims: bool = False, stream: "
         "StreamOrDevice = None) "
         "-> array",
         "How many elements are not zero along the axes.") {
  return wrap(pons_count_nonzero(s[0].array, .axes = axes_of(s[1]), .keepdims = s[2].flag));
}

FUNCTION(minmax,
         "(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, *, stream: "
         "StreamOrDevice = None) "
         "-> tuple[array, array]",
         "The least and the greatest along the axes.") {
  pons_array out[2];
  pons_minmax(out, s[0].array, .axes = axes_of(s[1]), .keepdims = s[2].flag);
  return wrap_tuple(out, 2);
}

/* Over all axes a flattened array of as many axes. */
static pons_array extreme(pons_array (*op)(pons_array, int, bool), const slot *s) {
  pons_array a = s[0].array;
  if (s[1].kind == SLOT_INT) return op(a, (int)s[1].i, s[2].flag);
  pons_array y = op(pons_reshape(a, PONS_SHAPE(-1)), 0, false);
  int64_t ones[PONS_MAX_NDIM];
  for (int i = 0; i < pons_ndim(a); i++) ones[i] = 1;
  return s[2].flag ? pons_reshape(y, (pons_shape){pons_ndim(a), ones}) : y;
}

FUNCTION(argmax,
         "(a: array, /, axis: None | int = None, keepdims: bool = False, *, stream: StreamOrDevice = None) "
         "-> array",
         "Where the first of the greatest stands along the axis, or in the flattened array.") {
  return wrap(extreme(pons_argmax, s));
}

FUNCTION(argmin,
         "(a: array, /, axis: None | int = None, keepdims: bool = False, *, stream: StreamOrDevice = None) "
         "-> array",
         "Where the first of the least stands along the axis, or in the flattened array.") {
  return wrap(extreme(pons_argmin, s));
}

#define SCAN(id, what)                                                                                     \
  FUNCTION(                                                                                                \
      id,                                                                                                  \
      "(a: array, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: "  \
      "StreamOrDevice = None) -> array",                                                                   \
      what) {                                                                                              \
    return wrap(pons_##id(s[0].array, axis_or_flat(s[1]), .reverse = s[2].flag, .exclusive = !s[3].flag)); \
  }
#define TYPED_SCAN(id, what)                                                                             \
  FUNCTION(id,                                                                                           \
           "(a: array, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, "   \
           "dtype: Dtype | "                                                                             \
           "None = None, stream: StreamOrDevice = None) -> array",                                       \
           what) {                                                                                       \
    return wrap(pons_##id(s[0].array, axis_or_flat(s[1]), .reverse = s[2].flag, .exclusive = !s[3].flag, \
                          .dtype = optional_dtype(s[4])));                                               \
  }
TYPED_SCAN(cumsum, "Running sums along the axis, or of the flattened array.")
TYPED_SCAN(cumprod, "Running products along the axis, or of the flattened array.")
SCAN(cummax, "The greatest so far along the axis, or of the flattened array.")
SCAN(cummin, "The least so far along the axis, or of the flattened array.")
SCAN(logcumsumexp, "log(cumsum(exp(a))) along the axis, or of the flattened array.")

FUNCTION(
    trace,
    "(a: array, /, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Dtype | None = None, *, stream: "
    "StreamOrDevice = None) -> array",
    "The sum along the diagonal of two axes.") {
  return wrap(pons_trace(s[0].array, (int)s[1].i, (int)s[2].i, (int)s[3].i, .dtype = optional_dtype(s[4])));
}

FUNCTION(diff, "(a: array, /, n: int = 1, axis: int = -1, *, stream: StreamOrDevice = None) -> array",
         "Differences of neighbours along the axis, n times over.") {
  return wrap(pons_diff(s[0].array, (int)s[1].i, (int)s[2].i));
}

FUNCTION(softmax,
         "(a: array, /, axis: None | int | Sequence[int] = None, *, precise: bool = False, stream: "
         "StreamOrDevice = None) "
         "-> array",
         "exp(a) over its sum along the axes, all if None; precise: halves are computed in float32.") {
  int every[PONS_MAX_NDIM];
  for (int i = 0; i < pons_ndim(s[0].array); i++) every[i] = i;
  const pons_axes all = {pons_ndim(s[0].array), every};
  return wrap(
      pons_softmax(s[0].array, .axes = s[1].kind == SLOT_INTS ? s[1].ints.axes : all, .precise = s[2].flag));
}

/* ---- sorting ---- */

FUNCTION(sort, "(a: array, /, axis: None | int = -1, *, stream: StreamOrDevice = None) -> array",
         "Sorted along the axis, or the flattened array.") {
  return wrap(pons_sort(s[0].array, axis_or_flat(s[1])));
}

FUNCTION(argsort, "(a: array, /, axis: None | int = -1, *, stream: StreamOrDevice = None) -> array",
         "The indices that sort along the axis, or the flattened array.") {
  return wrap(pons_argsort(s[0].array, axis_or_flat(s[1])));
}

FUNCTION(partition,
         "(a: array, /, kth: int, axis: None | int = -1, *, stream: StreamOrDevice = None) -> array",
         "Element kth where sorting would put it, none greater before, none less behind.") {
  return wrap(pons_partition(s[0].array, (int)s[1].i, axis_or_flat(s[2])));
}

FUNCTION(argpartition,
         "(a: array, /, kth: int, axis: None | int = -1, *, stream: StreamOrDevice = None) -> array",
         "The indices that partition.") {
  return wrap(pons_argpartition(s[0].array, (int)s[1].i, axis_or_flat(s[2])));
}

FUNCTION(topk, "(a: array, /, k: int, axis: None | int = -1, *, stream: StreamOrDevice = None) -> array",
         "The k greatest along the axis, in no order.") {
  return wrap(pons_topk(s[0].array, (int)s[1].i, axis_or_flat(s[2])));
}

FUNCTION(searchsorted,
         "(sorted_sequence: array, values: array, /, side: str = 'left', *, stream: StreamOrDevice = None) "
         "-> array",
         "Where each value would be put: 'left' before its equals, 'right' behind them.") {
  const bool right = strcmp(s[2].text, "right") == 0;
  if (!right && strcmp(s[2].text, "left") != 0)
    return PyErr_Format(PyExc_ValueError, "searchsorted: side is '%s', it must be 'left' or 'right'",
                        s[2].text);
  return wrap(pons_searchsorted(s[0].array, s[1].array, right));
}

FUNCTION(unique,
         "(a: array, /, size: int, return_index: bool = False, return_inverse: bool = False, return_counts: "
         "bool = False, "
         "fill_value: scalar | array | None = None, *, stream: StreamOrDevice = None) -> array | "
         "tuple[array, ...]",
         "The different elements in order, `size` of them: cut off, or filled up; on request the place of "
         "the first of "
         "each, which of them each element is, and how often each occurs.") {
  pons_array all[4], out[4];
  int count = 0;
  pons_unique(s[0].array, s[1].i, array_or_null(s[5]), all);
  for (int i = 0; i < 4; i++)
    if (i == 0 || s[1 + i].flag) out[count++] = all[i];
  return count == 1 ? wrap(out[0]) : wrap_tuple(out, count);
}

static PyMethodDef rows[] = {ROW(sum),
                             ROW(prod),
                             ROW(max),
                             ROW(min),
                             ROW(all),
                             ROW(any),
                             ROW(mean),
                             ROW(median),
                             ROW(logsumexp),
                             ROW(std),
                             ROW(var),
                             ROW(count_nonzero),
                             ROW(minmax),
                             ROW(argmax),
                             ROW(argmin),
                             ROW(cumsum),
                             ROW(cumprod),
                             ROW(cummax),
                             ROW(cummin),
                             ROW(logcumsumexp),
                             ROW(trace),
                             ROW(diff),
                             ROW(softmax),
                             ROW(sort),
                             ROW(argsort),
                             ROW(partition),
                             ROW(argpartition),
                             ROW(topk),
                             ROW(searchsorted),
                             ROW(unique),
                             ALIAS("cumulative_sum", cumsum),
                             ALIAS("cumulative_prod", cumprod),
                             END_OF_ROWS};

int add_reductions(PyObject *module) { return PyModule_AddFunctions(module, rows); }
