/* elementwise.c: the constructors of the rows of kernel/elementwise.def.

   Operands are brought to one dtype (base/ has the rules of promotion; then what the row asks for) and one
   shape by casts and broadcasts, which are nodes of their own. Where nothing needs that, a call costs the
   node alone. Uses kernel/ (rows), graph/. */
#include "ops/ops.h"

static const char *name_of(row r) { return r == ROW_select ? "where" : row_table[r].name; }

static pons_array make(row r, int n_in, const pons_array *in) {
  const node *last = in[n_in - 1];
  return node_make_as(&elementwise_prims[r], NULL, n_in, in, row_result(r, dtype_of(last)), last->ndim,
                      last->shape);
}

/* The dtype in which row r computes operands that have met in d; *why if there is none. */
static pons_dtype operand_dtype(row r, pons_dtype d, int n_in, const pons_array *in, error **why) {
  const bool whole = d == PONS_BOOL || dtype_is_integer(d);
  if (r == ROW_divide) return dtype_at_least_float(d);
  if (row_takes(r, d)) return d;
  if (row_table[r].types == 1 << PONS_BOOL) return PONS_BOOL;
  if (whole && row_takes(r, PONS_FLOAT32) && !row_takes(r, PONS_INT32)) return dtype_at_least_float(d);
  if (d == PONS_BOOL && (r == ROW_left_shift || r == ROW_right_shift)) return PONS_UINT8;
  const char *hint = r == ROW_negative ? "\nhint: pons_logical_not turns bools round" : "";
  if (n_in == 1)
    *why = fail(name_of(r), "not defined for %s: %s%s", pons_dtype_name(d), node_text(in[0]), hint);
  else /* bits of floats are a RuntimeError in MLX */
    *why = fail_as(row_takes(r, PONS_FLOAT32) ? PONS_ERROR_VALUE : PONS_ERROR_RUNTIME, name_of(r),
                   "not defined for %s: %s and %s", pons_dtype_name(d), node_text(in[n_in - 2]),
                   node_text(in[n_in - 1]));
  return d;
}

/* x with that dtype. The value of a C scalar is written anew, so that no cast stays in the graph. */
static pons_array cast(pons_array x, pons_dtype dtype) {
  if (x->dtype == dtype) return x;
  const bool known = x->weak && x->ndim == 0 && node_state_of(x) == NODE_READY;
  if (known && dtype_is_inexact(dtype)) return pons_scalar(dtype_read(dtype_of(x), node_data(x)), dtype);
  return pons_astype(x, dtype);
}

static pons_array unary(row r, pons_array x) {
  if (x && !node_failed(x) && row_takes(r, dtype_of(x))) return make(r, 1, &x);
  pons_array bad = operand_fault(name_of(r), 1, &x);
  if (bad) return bad;
  if (row_takes(r, PONS_COMPLEX64) && !row_takes(r, PONS_FLOAT32)) /* real numbers have these parts */
    return r == ROW_imag ? zeros_of(x) : same_array(x);
  error *why = NULL;
  const pons_dtype dtype = operand_dtype(r, dtype_of(x), 1, &x, &why);
  if (why) return node_error(why);
  const pons_array in = cast(x, dtype);
  return node_failed(in) ? in : make(r, 1, &in);
}

/* in[from ..] brought to `dtype`, all of them to one shape; then the node. */
static pons_array settle(row r, int n_in, pons_array *in, int from, pons_dtype dtype) {
  shape both = node_shape(in[0]);
  for (int i = 1; i < n_in; i++) {
    const shape so_far = both;
    if (!shape_broadcast(so_far.n, so_far.dims, in[i]->ndim, in[i]->shape, &both)) {
      if (n_in == 2)
        return node_fail(name_of(r), "shapes do not broadcast: %s and %s", node_text(in[0]),
                         node_text(in[1]));
      return node_fail(name_of(r), "shapes do not broadcast: %s, %s and %s", node_text(in[0]),
                       node_text(in[1]), node_text(in[2]));
    }
  }
  for (int i = 0; i < n_in; i++) {
    in[i] = as_shape(cast(in[i], i < from ? PONS_BOOL : dtype), both.n, both.dims);
    if (node_failed(in[i])) return in[i];
  }
  return make(r, n_in, in);
}

static pons_array binary(row r, pons_array a, pons_array b) {
  pons_array in[2] = {a, b};
  if (a && b && a->dtype == b->dtype && row_takes(r, dtype_of(a)) && !node_failed(a) && !node_failed(b) &&
      shape_equal(a->ndim, a->shape, b->ndim, b->shape) && (r != ROW_divide || dtype_is_inexact(dtype_of(a))))
    return make(r, 2, in);
  pons_array bad = operand_fault(name_of(r), 2, in);
  if (bad) return bad;
  error *why = NULL;
  const pons_dtype met = dtype_promote_weak(dtype_of(a), a->weak, dtype_of(b), b->weak);
  const pons_dtype dtype = operand_dtype(r, met, 2, in, &why);
  return why ? node_error(why) : settle(r, 2, in, 0, dtype);
}

pons_array pons_where(pons_array condition, pons_array a, pons_array b) {
  pons_array in[3] = {condition, a, b}, bad = operand_fault("where", 3, in);
  if (bad) return bad;
  return settle(ROW_select, 3, in, 1, dtype_promote_weak(dtype_of(a), a->weak, dtype_of(b), b->weak));
}

pons_array pons_astype(pons_array x, pons_dtype dtype) {
  pons_array bad = operand_fault("astype", 1, &x);
  if (bad) return bad;
  if (!dtype_is_valid((int)dtype)) return node_fail("astype", "%d is no dtype", (int)dtype);
  if (x->dtype == dtype && !x->weak) return same_array(x); /* a weak one becomes firm */
  const cast_params params = {dtype};
  return node_make_as(&elementwise_prims[ROW_cast], &params, 1, &x, dtype, x->ndim, x->shape);
}

/* ---- pons_exp, pons_add, ...: one for each row but `cast` and `select` ---- */

#define CONSTRUCTOR_SAME(name) \
  pons_array pons_##name(pons_array x) { return unary(ROW_##name, x); }
#define CONSTRUCTOR_BOOL(name) CONSTRUCTOR_SAME(name)
#define CONSTRUCTOR_REAL(name) CONSTRUCTOR_SAME(name)
#define CONSTRUCTOR_CAST(name)
#define UNARY(name, file, variant, types, result, ...) CONSTRUCTOR_##result(name)
#define BINARY(name, ...) \
  pons_array pons_##name(pons_array a, pons_array b) { return binary(ROW_##name, a, b); }
#define TERNARY(name, ...)
#include "kernel/elementwise.def"
