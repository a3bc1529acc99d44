/* pad.c: more elements before and after: Pad, with one value, and padding with the array's own elements,
   which is reading it at repeated places. Uses base/, graph/. */
#include "ops/ops.h"

static error *pad_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const pad_params *p = params;
  error *e = check_count("pad", n_in, 2);
  if (!e) e = axes_check("pad", in[0]->ndim, p->axes);
  if (e) return e;
  if (p->low.n != p->axes.n || p->high.n != p->axes.n)
    return fail("pad", "%d low and %d high sizes for %d axes", p->low.n, p->high.n, p->axes.n);
  if (in[1]->size != 1 || in[1]->dtype != in[0]->dtype)
    return fail("pad", "the value must be one element of the array's dtype: %s for %s", node_text(in[1]),
                node_text(in[0]));
  shape s = node_shape(in[0]);
  for (int i = 0; i < p->axes.n; i++) {
    const int64_t most = (int64_t)1 << 59;
    if (p->low.at[i] < 0 || p->high.at[i] < 0 || p->low.at[i] > most || p->high.at[i] > most)
      return fail("pad", "sizes %lld and %lld along axis %lld", (long long)p->low.at[i],
                  (long long)p->high.at[i], (long long)p->axes.at[i]);
    s.dims[p->axes.at[i]] += p->low.at[i] + p->high.at[i];
  }
  return spec_set("pad", out, dtype_of(in[0]), s.n, s.dims);
}

/* Where x lies in the padded array. */
static void inner(const pad_params *p, const node *x, int64_t *start, int64_t *stop) {
  for (int i = 0; i < x->ndim; i++) start[i] = 0, stop[i] = x->shape[i];
  for (int i = 0; i < p->axes.n; i++) {
    start[p->axes.at[i]] = p->low.at[i];
    stop[p->axes.at[i]] += p->low.at[i];
  }
}

static void pad_vjp(const vjp_call *c) {
  int64_t start[PONS_MAX_NDIM], stop[PONS_MAX_NDIM];
  const int n = c->in[0]->ndim;
  inner(c->params, c->in[0], start, stop);
  pons_array within =
      pons_slice(c->cotangents[0], (pons_shape){n, start}, (pons_shape){n, stop}, PONS_SCALAR);
  if (c->wanted[0]) c->grads[0] = within;
  if (!c->wanted[1]) return;
  pons_array around = pons_subtract(pons_sum(c->cotangents[0]), pons_sum(within));
  c->grads[1] = as_dtype(pons_reshape(around, pons_shape_of(c->in[1])), dtype_of(c->in[1]));
}

static void pad_vmap(const vmap_call *c) {
  if (c->axes[1] >= 0) return; /* each slice with a value of its own: as without a rule */
  const pad_params *p = c->params;
  int64_t room[PONS_MAX_NDIM];
  const pad_params shifted = {batch_shift(p->axes, room), p->low, p->high};
  c->out[0] = node_make(c->prim, &shifted, 2, (pons_array[]){batch_first(c, 0), c->in[1]});
  c->out_axes[0] = 0;
}

static void pad_decompose(const void *params, int n_in, const pons_array *in, pons_array *out) {
  (void)n_in;
  spec s;
  error *e = pad_infer(params, 2, in, &s);
  if (e) {
    out[0] = node_error(e);
    return;
  }
  int64_t start[PONS_MAX_NDIM], stop[PONS_MAX_NDIM];
  inner(params, in[0], start, stop);
  pons_array frame = pons_full(shape_public(&s.shape), pons_reshape(in[1], PONS_SCALAR));
  out[0] = pons_slice_update(frame, in[0], (pons_shape){s.shape.n, start}, (pons_shape){s.shape.n, stop},
                             PONS_SCALAR);
}

const prim prim_pad = {
    .name = "Pad",
    .linear = true,
    .params_size = sizeof(pad_params),
    .fields = {FIELD(INTS, pad_params, axes), FIELD(INTS, pad_params, low), FIELD(INTS, pad_params, high)},
    .infer = pad_infer,
    .vjp = pad_vjp,
    .vmap = pad_vmap,
    .decompose = pad_decompose};

/* ---- with elements of the array itself ---- */

/* Which element of `size` stands at place i, counted from the first one of the array; i may lie outside. */
static int64_t source_of(int64_t i, int64_t size, pons_pad_mode mode) {
  if (i >= 0 && i < size) return i;
  if (mode == PONS_PAD_EDGE || size == 1) return i < 0 ? 0 : size - 1;
  /* there and back: without the ends twice (0 1 2 1), or with them (0 1 2 2 1 0) */
  const int64_t period = mode == PONS_PAD_REFLECT ? 2 * (size - 1) : 2 * size;
  const int64_t at = ((i % period) + period) % period;
  return at < size ? at : (mode == PONS_PAD_REFLECT ? period : period - 1) - at;
}

static pons_array places(int64_t size, int64_t low, int64_t high, pons_pad_mode mode) {
  const int64_t total = low + size + high;
  int64_t *list = mem_alloc((size_t)total * sizeof *list);
  if (!list) return node_error(fail_no_memory("pad"));
  for (int64_t i = 0; i < total; i++) list[i] = source_of(i - low, size, mode);
  pons_array a = pons_array_from(list, PONS_SHAPE(total), PONS_INT64);
  mem_free(list);
  return as_dtype(a, PONS_INT32);
}

static pons_array pad_with_own(pons_array x, pons_shape low, pons_shape high, pons_pad_mode mode) {
  for (int i = 0; i < low.count; i++) {
    if (low.at[i] == 0 && high.at[i] == 0) continue;
    const int64_t size = x->shape[i];
    if (size == 0) return node_fail("pad", "axis %d of %s has nothing to repeat", i, node_text(x));
    const bool fits = low.at[i] >= 0 && high.at[i] >= 0 && low.at[i] < INT32_MAX && high.at[i] < INT32_MAX;
    if (!fits || size + low.at[i] + high.at[i] > INT32_MAX)
      return node_fail("pad", "sizes %lld and %lld along axis %d of %s", (long long)low.at[i],
                       (long long)high.at[i], i, node_text(x));
    x = pons_take(x, places(size, low.at[i], high.at[i], mode), i);
    if (node_failed(x)) return x;
  }
  return same_array(x);
}

pons_array pons_pad_with(struct pons_pad_args args) {
  pons_array x = args.x, value = args.value;
  const pons_shape low = args.low, high = args.high;
  pons_array bad = operand_fault("pad", value ? 2 : 1, (pons_array[]){x, value});
  if (bad) return bad;
  if (low.count != x->ndim || high.count != x->ndim)
    return node_fail("pad", "%d low and %d high sizes for %s", low.count, high.count, node_text(x));
  if (args.mode != PONS_PAD_CONSTANT) return pad_with_own(x, low, high, args.mode);
  if (value && value->ndim != 0)
    return node_fail("pad", "the value must be a scalar, not %s", node_text(value));
  int64_t axes[PONS_MAX_NDIM];
  for (int i = 0; i < x->ndim; i++) axes[i] = i;
  const pad_params params = {{x->ndim, axes}, {low.count, low.at}, {high.count, high.at}};
  pons_array in[2] = {x, value ? as_dtype(value, dtype_of(x)) : constant_like(0, x)};
  return node_make(&prim_pad, &params, 2, in);
}
