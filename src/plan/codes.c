/* codes.c: products of codes. MLX's interface has no product of integers, and no dtype of 8 bits for floats: programs cast int8, or
   read fp8 codes as floats, and multiply those. Where the device can multiply the codes, they are not cast:

       a (int8) ── cast ─┐                                   a ─┐
       b (int8) ── cast ─┴ Matmul        is made             b ─┴ Matmul (int32) ── cast
       a (uint8) ── FromFP8 ─┐                               a ─┐
       b (uint8) ── FromFP8 ─┴ Matmul    is made             b ─┴ Matmul

   Every int8 and every fp8 number is one in any float, so that the products are the same. Sums of int8's are exact, and rounded once,
   by a cast that fuses with what reads it. Views behind the cast become views of the codes. The host multiplies floats: it has products of
   codes for steps that a device has no memory for. Uses draft.h. */
#include "plan/draft.h"

/* An operand's views between cast and product; further ones are read as floats. */
enum { MOST_VIEWS = 8 };
/* Of a sum of int32, whatever the codes are. */
enum { MOST_INT8_PRODUCTS = INT32_MAX / (128 * 128) };

/* What the codes of an operand are called in lists of implementations, and of which value they are. */
typedef struct codes {
  const char *implementations; /* NULL: there are none */
  int32_t value;
} codes;

static const char *product_of_made(const node *n) {
  if (n->prim->row == 1 + ROW_cast) return n->in[0]->dtype == PONS_INT8 ? DEVICE_INT8_MATMUL : NULL;
  return strcmp(n->prim->name, "FromFP8") == 0 ? DEVICE_FP8_MATMUL : NULL;
}

/* The codes that the float `n` is made of, viewed as it is; d->why if there was no memory. */
static codes codes_behind(draft *d, const node *n, int views) {
  const codes none = {NULL, -1};
  if (node_state_of(n) != NODE_PENDING || n->n_in == 0) return none;
  const char *product = product_of_made(n);
  if (product) {
    const int32_t value = draft_value_of(d, n->in[0]);
    return value >= 0 ? (codes){product, value} : none;
  }
  if (!n->prim->view || n->prim->opaque || n->n_out > 1 || n->dtype != n->in[0]->dtype || views == MOST_VIEWS) return none;
  codes made = codes_behind(d, n->in[0], views + 1);
  if (made.value >= 0) made.value = draft_view_of(d, n, made.value, (pons_dtype)d->values[made.value].dtype);
  return made.value >= 0 ? made : none;
}

static operand operand_of(const draft *d, int32_t value) {
  const draft_value *v = &d->values[value];
  return (operand){NULL, (pons_dtype)v->dtype, v->ndim, v->shape, v->strides};
}

/* The call of an implementation that takes the codes. -1 without d->why: there is none. */
static int32_t call_of_codes(draft *d, const node *n, const codes *of, const draft_result *result) {
  int64_t strides[PONS_MAX_NDIM];
  shape_row_major(result->ndim, result->shape, strides);
  const operand operands[] = {operand_of(d, of[0].value), operand_of(d, of[1].value),
                              {NULL, result->dtype, result->ndim, result->shape, strides}};
  const launch l = {NULL, 2, 1, operands, operands + 2};
  const draft_call call = {.prim = n->prim, .implementation = device_pick(d->request->device, of->implementations, &l, NULL)};
  if (!call.implementation) return -1;
  draft_call *kept = pool_copy(&d->plan->pool, &call, sizeof call);
  const int32_t *in = pool_copy(&d->plan->pool, (int32_t[]){of[0].value, of[1].value}, 2 * sizeof *in);
  draft_op *op = draft_op_room(d);
  if (!kept || !in || !op) return draft_no_memory(d), -1;
  *op = (draft_op){.kind = OP_CALL, .n_in = 2, .n_out = 1, .in = in, .call = kept};
  const int32_t made = draft_op_add(d, result);
  return made < 0 ? -1 : d->ops[made].out;
}

static int32_t cast_to(draft *d, int32_t value, const draft_result *result) {
  const int32_t *in = pool_copy(&d->plan->pool, &value, sizeof value);
  draft_op *op = draft_op_room(d);
  if (!in || !op) return draft_no_memory(d), -1;
  *op = (draft_op){.kind = OP_ROW, .row = ROW_cast, .n_in = 1, .n_out = 1, .in = in};
  const int32_t made = draft_op_add(d, result);
  return made < 0 ? -1 : d->ops[made].out;
}

static bool is_product(const node *n) { return n->n_in == 2 && strcmp(n->prim->name, "Matmul") == 0; }

int32_t draft_product_of_codes(draft *d, const node *n) {
  const device *on = d->request->device;
  if (!is_product(n) || on == device_host() || !(device_knows(on, DEVICE_INT8_MATMUL) || device_knows(on, DEVICE_FP8_MATMUL))) return -1;
  codes of[2];
  for (int i = 0; i < 2; i++)
    if ((of[i] = codes_behind(d, n->in[i], 0)).value < 0) return -1;
  if (strcmp(of[0].implementations, of[1].implementations) != 0) return -1;
  draft_result result = {(pons_dtype)n->dtype, n->ndim, draft_shape_for(d, n, -1)};
  if (!result.shape) return draft_no_memory(d), -1;
  if (strcmp(of->implementations, DEVICE_FP8_MATMUL) == 0) return call_of_codes(d, n, of, &result);
  if (n->in[0]->shape[n->ndim - 1] > MOST_INT8_PRODUCTS) return -1;
  result.dtype = PONS_INT32;
  const int32_t sums = call_of_codes(d, n, of, &result);
  result.dtype = (pons_dtype)n->dtype;
  return sums < 0 ? -1 : cast_to(d, sums, &result);
}
