/* codes.c: products of codes. MLX's interface has no product of integers, and no dtype of 8 bits for floats: programs cast int8, or
   read fp8 codes as floats, and multiply those. Where the device can multiply the codes, they are not cast:

       a (int8) ── cast ─┐                                   a ─┐
       b (int8) ── cast ─┴ Matmul        is made             b ─┴ Matmul (int32) ── cast
       a (uint8) ── FromFP8 ─┐                               a ─┐
       b (uint8) ── FromFP8 ─┴ Matmul    is made             b ─┴ Matmul

   A product to which something is added (AddMM) likewise: of fp8 by the call, of int8 by the kernel that casts.

   Every int8 and every fp8 number is one in any float, so that the products are the same. Sums of int8's are exact, and rounded once,
   by a cast that fuses with what reads it. Views behind the cast become views of the codes. The host multiplies floats: it has products of
   codes for steps that a device has no memory for. Uses draft.h. */
#include "plan/draft.h"

/* An operand's views between cast and product; further ones are read as floats. */
enum { MOST_VIEWS = 8 };
/* Of a sum of int32, whatever the codes are. */
enum { MOST_INT8_PRODUCTS = INT32_MAX / (128 * 128) };

typedef enum code_kind { CODES_INT8, CODES_FP8 } code_kind;

/* What an operand is made of. */
typedef struct codes {
  code_kind kind;
  int32_t value; /* -1: of no codes */
} codes;

static bool is_made_of_codes(const node *n, code_kind *kind) {
  const bool casts = n->prim->row == 1 + ROW_cast;
  *kind = casts ? CODES_INT8 : CODES_FP8;
  return casts ? n->in[0]->dtype == PONS_INT8 : strcmp(n->prim->name, "FromFP8") == 0;
}

/* The codes that the float `n` is made of, viewed as it is; d->why if there was no memory. */
static codes codes_behind(draft *d, const node *n, int views) {
  codes made = {.value = -1};
  if (node_state_of(n) != NODE_PENDING || n->n_in == 0) return made;
  if (is_made_of_codes(n, &made.kind)) {
    made.value = draft_value_of(d, n->in[0]);
    return made;
  }
  if (!n->prim->view || n->prim->opaque || n->n_out > 1 || n->dtype != n->in[0]->dtype || views == MOST_VIEWS) return made;
  made = codes_behind(d, n->in[0], views + 1);
  if (made.value >= 0) made.value = draft_view_of(d, n, made.value, (pons_dtype)d->values[made.value].dtype);
  return made;
}

static int32_t add_op(draft *d, draft_op made, const int32_t *in, const draft_result *result) {
  made.in = pool_copy(&d->plan->pool, in, (size_t)made.n_in * sizeof *in);
  made.n_out = 1;
  draft_op *op = draft_op_room(d);
  if (!made.in || !op) return draft_no_memory(d), -1;
  *op = made;
  const int32_t place = draft_op_add(d, result);
  return place < 0 ? -1 : d->ops[place].out;
}

/* The call of an implementation that takes the operands. -1 without d->why: there is none. */
static int32_t call_of(draft *d, const node *n, const char *name, int n_in, const int32_t *in, const draft_result *result) {
  int64_t strides[PONS_MAX_NDIM];
  operand operands[4];
  shape_row_major(result->ndim, result->shape, strides);
  for (int i = 0; i < n_in; i++) operands[i] = draft_operand(d, in[i]);
  operands[n_in] = (operand){NULL, result->dtype, result->ndim, result->shape, strides};
  const void *of_node = n_in == n->n_in ? n->params : NULL; /* else a part of it */
  const launch l = {of_node, n_in, 1, operands, operands + n_in};
  draft_call call = {.prim = n->prim, .implementation = device_pick(d->request->device, name, &l, NULL)};
  if (!call.implementation) return -1;
  if (of_node) call.params = draft_params(d, n->prim, of_node);
  draft_call *kept = pool_copy(&d->plan->pool, &call, sizeof call);
  if (!kept || (of_node && !call.params)) return draft_no_memory(d), -1;
  return add_op(d, (draft_op){.kind = OP_CALL, .n_in = n_in, .call = kept}, in, result);
}

static int32_t row_of(draft *d, row r, int n_in, const int32_t *in, const draft_result *result) {
  return add_op(d, (draft_op){.kind = OP_ROW, .row = (uint16_t)r, .n_in = n_in}, in, result);
}

/* ---- products ---- */

static bool is_addmm(const node *n) { return strcmp(n->prim->name, "AddMM") == 0; }
static bool is_product(const node *n) { return (n->n_in == 2 && strcmp(n->prim->name, "Matmul") == 0) || is_addmm(n); }

static bool is_one(const node *n, const char *factor) {
  float value;
  memcpy(&value, (const char *)n->params + prim_field(n->prim, factor)->offset, sizeof value);
  return value == 1;
}

static int32_t product_of_int8(draft *d, const node *n, const int32_t *in, draft_result result) {
  if (n->in[0]->shape[n->ndim - 1] > MOST_INT8_PRODUCTS) return -1;
  if (is_addmm(n) && !(is_one(n, "alpha") && is_one(n, "beta"))) return -1;
  const draft_result whole = {PONS_INT32, result.ndim, result.shape};
  const int32_t sums = call_of(d, n, DEVICE_INT8_MATMUL, 2, in, &whole);
  const int32_t product = sums < 0 ? -1 : row_of(d, ROW_cast, 1, &sums, &result);
  return product < 0 || !is_addmm(n) ? product : row_of(d, ROW_add, 2, (const int32_t[]){product, in[2]}, &result);
}

int32_t draft_product_of_codes(draft *d, const node *n) {
  const device *on = d->request->device;
  if (!is_product(n) || on == device_host() || !(device_knows(on, DEVICE_INT8_MATMUL) || device_knows(on, DEVICE_FP8_MATMUL))) return -1;
  const codes a = codes_behind(d, n->in[0], 0), b = codes_behind(d, n->in[1], 0);
  if (a.value < 0 || b.value < 0 || a.kind != b.kind) return -1;
  const int32_t in[] = {a.value, b.value, is_addmm(n) ? draft_value_of(d, n->in[2]) : -1};
  const draft_result result = {(pons_dtype)n->dtype, n->ndim, draft_shape_for(d, n, -1)};
  if (!result.shape) return draft_no_memory(d), -1;
  if (a.kind == CODES_INT8) return product_of_int8(d, n, in, result);
  return call_of(d, n, is_addmm(n) ? DEVICE_FP8_ADDMM : DEVICE_FP8_MATMUL, n->n_in, in, &result);
}
