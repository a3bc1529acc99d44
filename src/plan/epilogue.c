/* epilogue.c: what follows a call as part of it, where its implementation can do that and nobody else reads what it makes: a sum with
   what is made before it, then an activation.

       x, or a row ───┐                                          x, or a row ─┐
       a, w ─ Matmul ─┴ add ─ maximum 0          is made         a, w ──────── Matmul + relu

   So what a layer adds to its operand, and a norm's gradient to the gradient that went past it, is not written and read once more. The
   result is rounded once. The gradient of ReLU asks where its operand is positive: there the result is too, so that the operand is
   not kept for the way back.

   Values are views of the last operation's result, then of the call's: until the end, when all are told their root, roots lead to each
   other. Until then `group` counts who reads a root, from -1 on. Uses draft.h. */
#include "plan/draft.h"

static int32_t root_of(const draft *d, int32_t value) {
  int32_t root = d->values[value].root;
  while (d->values[root].root != root) root = d->values[root].root;
  return root;
}

static int reads_of(const draft *d, int32_t root) { return d->values[root].group + 1; }

/* Or waited for. */
static bool is_read(const draft *d, const draft_op *op) {
  if (op->early != INT32_MAX) return true;
  for (int i = 0; i < op->n_out; i++)
    if (reads_of(d, op->out + i)) return true;
  return false;
}

static void count_reads(draft *d) {
  for (size_t i = 0; i < d->n_outputs; i++) d->values[d->values[d->outputs[i]].root].group++;
  for (size_t i = d->n_ops; i-- > 0;) {
    const draft_op *op = &d->ops[i];
    if (!is_read(d, op)) continue;
    for (int k = 0; k < op->n_in; k++) d->values[d->values[op->in[k]].root].group++;
  }
}

/* ---- what a call can do ---- */

/* The call whose first result, and all of it in order, the value is; NULL: there is none such. */
static draft_op *call_of(const draft *d, int32_t value) {
  const int32_t root = root_of(d, value);
  draft_op *op = d->values[root].op >= 0 ? &d->ops[d->values[root].op] : NULL;
  return op && op->kind == OP_CALL && root == op->out && d->values[value].plain ? op : NULL;
}

/* Tells the call to run with an epilogue; `added`: like its result, NULL: what it adds so far. False: it can't. */
static bool set_epilogue(const draft *d, const draft_op *op, const operand *added, activation a) {
  enum { MOST = 8 };
  draft_call *call = op->call;
  const driver *on = d->request->device->driver;
  const int n_in = op->n_in - call->adds;
  operand operands[MOST];
  if (call->on_host || call->activation || op->n_in + op->n_out > MOST) return false;
  for (int i = 0; i < op->n_in; i++) operands[i] = draft_operand(d, op->in[i]);
  for (int i = 0; i < op->n_out; i++) operands[op->n_in + i] = draft_operand(d, op->out + i);
  const launch l = {call->params, n_in, op->n_out, operands, operands + op->n_in};
  const epilogue e = {added ? added : call->adds ? &operands[n_in] : NULL, a};
  epilogue_run *run = on->epilogue(call->implementation, &l, &e);
  if (!run) return false;
  call->epilogue = run;
  call->activation = a;
  return true;
}

/* What the operation makes is what the call makes from here on. */
static void make_by(draft *d, draft_op *op, draft_op *call, int further_reads) {
  if (op->early < call->early) call->early = op->early;
  op->early = INT32_MAX;
  d->values[op->out].root = call->out;
  d->values[call->out].group = d->values[op->out].group + further_reads;
}

/* ---- sums ---- */

/* The value under the shape of another. -1 without d->why: no strides lead to it so. */
static int32_t shaped_like(draft *d, int32_t value, int32_t other) {
  draft_value v = d->values[value];
  const draft_value *like = &d->values[other];
  int64_t strides[PONS_MAX_NDIM];
  if (v.size == 0 || !shape_regroup(v.ndim, v.shape, v.strides, like->ndim, like->shape, strides)) return -1;
  v.root = root_of(d, value);
  v.ndim = like->ndim;
  v.shape = like->shape;
  v.strides = pool_copy(&d->plan->pool, strides, (size_t)v.ndim * sizeof *strides);
  draft_value *place = v.strides ? draft_value_room(d) : NULL;
  if (!place) return draft_no_memory(d), -1;
  *place = v;
  return draft_value_add(d);
}

/* d->why if there was no memory. */
static void join_sum(draft *d, draft_op *sum, int of) {
  draft_op *op = call_of(d, sum->in[of]);
  const int32_t other = sum->in[!of];
  const draft_value *v = &d->values[other];
  if (!op || op->call->adds || op->call->on_host || reads_of(d, op->out) != 1 || v->size != d->values[op->out].size ||
      v->dtype != d->values[op->out].dtype || d->values[root_of(d, other)].op >= d->values[op->out].op)
    return;
  const int32_t shaped = shaped_like(d, other, op->out);
  if (shaped < 0) return;
  const operand added = draft_operand(d, shaped);
  if (!set_epilogue(d, op, &added, ACTIVATION_NONE)) return;
  int32_t *in = pool_new(&d->plan->pool, (size_t)(op->n_in + 1) * sizeof *in);
  if (!in) {
    draft_no_memory(d);
    return;
  }
  memcpy(in, op->in, (size_t)op->n_in * sizeof *in);
  in[op->n_in++] = shaped;
  op->in = in;
  op->call->adds = true;
  make_by(d, sum, op, 0);
}

/* ---- activations ---- */

/* The input that is this root, if its elements are known; NULL: it is none. Inputs have their values in order. */
static const node *input_of(const draft *d, int32_t root) {
  size_t low = 0, high = d->n_leaves;
  while (low < high) {
    const size_t mid = (low + high) / 2;
    if (d->leaf_values[mid] < root) low = mid + 1;
    else high = mid;
  }
  if (low == d->n_leaves || d->leaf_values[low] != root) return NULL;
  const node *n = d->leaves[low].node;
  return d->leaves[low].result < 0 && node_state_of(n) == NODE_READY ? n : NULL;
}

/* Is each element that number, as its dtype has it? */
static bool is_number(const draft *d, int32_t value, double number) {
  const draft_value *v = &d->values[value];
  const pons_dtype dtype = (pons_dtype)v->dtype;
  uint64_t rounded[2];
  for (int i = 0; i < v->ndim; i++)
    if (v->strides[i] && v->shape[i] != 1) return false;
  const node *n = v->op < 0 && v->size ? input_of(d, v->root) : NULL;
  const char *data = n && n->dtype == dtype ? buffer_at_hand(n->buffer) : NULL;
  if (!data) return false;
  dtype_write(dtype, rounded, number);
  return dtype_read(dtype, data + node_offset(n) + v->offset * (int64_t)pons_dtype_size(dtype)) ==
         dtype_read(dtype, rounded);
}

typedef struct match {
  const draft *draft;
  const activation_term *terms;
  int32_t x; /* a plain value; -1: not met so far */
  int reads; /* of it */
} match;

static const draft_op *row_of(const draft *d, int32_t value, row r) {
  const draft_value *v = &d->values[value];
  const draft_op *op = v->root == value && v->op >= 0 ? &d->ops[v->op] : NULL;
  return op && op->kind == OP_ROW && op->row == r ? op : NULL;
}

static bool commutes(row r) { return r == ROW_add || r == ROW_multiply || r == ROW_maximum; }

/* Is the value the term, made for this alone? */
static bool is_term(match *m, int32_t value, int at) {
  const draft *d = m->draft;
  const activation_term *t = &m->terms[at];
  if (t->kind == TERM_NUMBER) return is_number(d, value, t->number);
  if (t->kind == TERM_X) {
    if (!d->values[value].plain || (m->x >= 0 && root_of(d, m->x) != root_of(d, value))) return false;
    m->x = value;
    m->reads++;
    return true;
  }
  const draft_op *op = row_of(d, value, t->row);
  if (!op || (at > 0 && reads_of(d, value) != 1)) return false;
  if (op->n_in == 1) return is_term(m, op->in[0], at + 1);
  const match before = *m;
  const int second = activation_term_end(m->terms, at + 1);
  if (is_term(m, op->in[0], at + 1) && is_term(m, op->in[1], second)) return true;
  *m = before;
  return commutes(t->row) && is_term(m, op->in[1], at + 1) && is_term(m, op->in[0], second);
}

/* How often somebody asks whether x, the result of a call, is greater than 0. */
static int reads_of_sign(const draft *d, int32_t x) {
  const int32_t root = root_of(d, x);
  int n = 0;
  for (size_t i = (size_t)d->values[root].op; i < d->n_ops; i++) {
    const draft_op *op = &d->ops[i];
    if (op->kind == OP_ROW && op->row == ROW_greater && is_read(d, op) && root_of(d, op->in[0]) == root)
      n += is_number(d, op->in[1], 0);
  }
  return n;
}

static bool join_activation(draft *d, draft_op *op, const activation_spelling *s) {
  match m = {d, s->terms, -1, 0};
  if (!is_term(&m, op->out, 0)) return false;
  draft_op *call = call_of(d, m.x);
  if (!call || call->n_out != 1) return false;
  const int further = reads_of(d, call->out) - m.reads;
  if (further && (s->is != ACTIVATION_RELU || reads_of_sign(d, m.x) != further)) return false;
  if (!set_epilogue(d, call, NULL, s->is)) return false;
  make_by(d, op, call, further);
  return true;
}

/* ---- all of them ---- */

static void tell_roots(draft *d) {
  for (size_t i = 0; i < d->n_values; i++) {
    draft_value *v = &d->values[i];
    v->root = root_of(d, (int32_t)i);
    v->op = d->values[v->root].op;
    v->group = -1;
  }
}

bool draft_join(draft *d) {
  if (!d->request->device->driver->epilogue) return true;
  count_reads(d);
  for (size_t i = 0; i < d->n_ops && !d->why; i++) {
    draft_op *op = &d->ops[i];
    if (op->kind != OP_ROW || !is_read(d, op)) continue;
    for (int of = 0; of < 2 && op->row == ROW_add && d->values[op->out].root == op->out; of++) join_sum(d, op, of);
    for (int s = 0; s < ACTIVATION_SPELLINGS; s++)
      if (op->row == activation_spellings[s].terms[0].row && join_activation(d, op, &activation_spellings[s])) break;
  }
  tell_roots(d);
  return !d->why;
}
