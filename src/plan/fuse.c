/* fuse.c: joins elementwise operations into kernels.

   From the last operation to the first, each is taken into the kernel that reads its result, if all other
   readers come later: then what it makes is at hand where it is needed, and nothing is computed twice:

       load a ─┐                       a result that others read too
       load b ─┴ add ─ tanh ─ store    is stored on the way
                  └── store

   A cast is copied into every kernel that reads it, and so is what is as easily made again as read, like 2x: training
   keeps much of this sort for the way back. Reading through a view needs memory, except that broadcasting a cast was
   turned round before. A reduction, or what else the device computes of what a kernel makes (chains.c), is a reader too,
   but stores nothing else, unless it keeps what is made for it. A kernel that reads what such a call makes is run behind
   it, if nothing else is to be done between. Uses draft.h. */
#include "plan/draft.h"

static bool takes_rows(const draft_group *g) { return !g->is_call || g->takes_rows; }

static bool is_elementwise(const draft_op *op) { return op->kind != OP_CALL; }

/* How many different values the operations read from outside. */
static int count_inputs(draft *d, const draft_member *members) {
  const int32_t stamp = --d->stamp;
  int n = 0;
  for (const draft_member *m = members; m; m = m->next) { /* what is made is made before it is read */
    const draft_op *op = &d->ops[m->op];
    for (int i = 0; i < op->n_in; i++) {
      int32_t *mark = &d->values[op->in[i]].group;
      n += *mark != stamp;
      *mark = stamp;
    }
    d->values[op->out].group = stamp;
  }
  return n;
}

/* Is the operation's result what the call of the group reads, and would that store it too? */
static bool keeps(const draft *d, const draft_group *g, int32_t op) {
  return g->keeps && d->ops[draft_call_in(g)].in[0] == d->ops[op].out;
}

static bool fits(draft *d, int32_t group, int32_t op, bool stored) {
  const draft_group *g = &d->groups[group];
  if (!takes_rows(g) || (stored && (g->is_behind || (g->is_call && !keeps(d, g, op))))) return false;
  if (g->n_code + (d->ops[op].kind == OP_ROW) > KERNEL_MAX_CODE || g->n_out + stored > KERNEL_MAX_OUTPUTS)
    return false;
  if (g->n_in + d->ops[op].n_in - 1 <= KERNEL_MAX_INPUTS) return true;
  draft_member with = {op, g->members};
  return count_inputs(d, &with) <= KERNEL_MAX_INPUTS;
}

/* What the operation reads and the group has not read so far is an input more, and what it makes is none any more. A value
   tells which group read it last: one that others read in between counts twice, until count_inputs is asked. */
static void note_inputs(draft *d, int32_t group, const draft_op *op) {
  const int32_t mark = INT32_MIN + group; /* far from the stamps */
  draft_group *g = &d->groups[group];
  g->n_in -= d->values[op->out].group == mark;
  for (int i = 0; i < op->n_in; i++) {
    g->n_in += d->values[op->in[i]].group != mark;
    d->values[op->in[i]].group = mark;
  }
}

static bool join(draft *d, int32_t group, int32_t op) {
  draft_group *g = &d->groups[group];
  draft_member *m = pool_new(&d->plan->pool, sizeof *m);
  if (!m) return draft_no_memory(d);
  note_inputs(d, group, &d->ops[op]);
  g->n_code += d->ops[op].kind == OP_ROW;
  *m = (draft_member){op, g->members};
  g->members = m;
  if (takes_rows(g) && g->n_in > KERNEL_MAX_INPUTS) g->n_in = count_inputs(d, m);
  return true;
}

static int32_t group_new(draft *d, int32_t last) {
  if (!mem_room(&d->groups, &d->groups_room, d->n_groups + 1, sizeof *d->groups))
    return draft_no_memory(d), -1;
  const bool is_call = d->ops[last].kind == OP_CALL;
  const bool takes_rows = is_call && draft_takes_rows(d, &d->ops[last], ROWS_IN_FRONT);
  d->groups[d->n_groups] = (draft_group){.last = last,
                                         .is_call = is_call,
                                         .takes_rows = takes_rows,
                                         .keeps = takes_rows && draft_takes_rows(d, &d->ops[last], ROWS_IN_FRONT_KEPT),
                                         .behind = -1};
  return (int32_t)d->n_groups++;
}

/* Keeps the earliest reading groups in order. */
static void add_reader(draft *d, draft_op *op, int32_t group) {
  const int listed = op->n_readers < OP_MAX_READERS ? op->n_readers : OP_MAX_READERS;
  int at = 0;
  while (at < listed && d->groups[op->readers[at]].last < d->groups[group].last) at++;
  if (at < listed && op->readers[at] == group) return;
  op->n_readers++;
  for (int i = listed < OP_MAX_READERS ? listed : OP_MAX_READERS - 1; i > at; i--)
    op->readers[i] = op->readers[i - 1];
  if (at < OP_MAX_READERS) op->readers[at] = group;
}

/* Can the group take the value from who makes it? Of a call it can take all in order, under any shape. */
static bool can_take(const draft *d, const draft_group *g, const draft_op *maker, int32_t value) {
  const draft_value *v = &d->values[value];
  if (!takes_rows(g)) return false;
  return v->root == value || (maker->kind == OP_CALL && v->plain && v->dtype == d->values[v->root].dtype);
}

/* `op`, run by `group`, reads its operands there. */
static void note_reads(draft *d, const draft_op *op, int32_t group) {
  const draft_group *g = &d->groups[group];
  for (int i = 0; i < op->n_in; i++) {
    const draft_value *v = &d->values[op->in[i]];
    if (v->op < 0) continue;
    draft_op *maker = &d->ops[v->op];
    if ((op->kind != OP_CALL || i == 0) && can_take(d, g, maker, op->in[i]))
      add_reader(d, maker, group);
    else if (g->last < maker->early)
      maker->early = g->last;
  }
}

enum { MOST_COPIED = 8 }; /* light rows in a kernel, so that long chains of them are not made twice */

static bool is_for_gpu(const draft *d) {
  const device *on = d->request->device;
  return on->driver->is_gpu && on->driver->is_gpu(on->index);
}

/* Rows that cost less than writing and reading what they make. On a GPU those are more: its elementwise kernels wait for memory. */
static bool is_light(const draft *d, uint16_t r) {
  switch (r) {
    case ROW_add:
    case ROW_subtract:
    case ROW_multiply:
    case ROW_negative:
    case ROW_square: return true;
    case ROW_abs:
    case ROW_divide:
    case ROW_erf:
    case ROW_exp:
    case ROW_maximum:
    case ROW_minimum:
    case ROW_rsqrt:
    case ROW_sigmoid:
    case ROW_sqrt:
    case ROW_tanh: return is_for_gpu(d);
    default: return false;
  }
}

static bool is_one_element(const draft_value *v) {
  for (int i = 0; i < v->ndim; i++)
    if (v->shape[i] > 1 && v->strides[i]) return false;
  return true;
}

/* Made of one value and of scalars? Then memory holds that value in place of the result, and no more of it. */
static bool is_made_of_one(const draft *d, const draft_op *op) {
  const draft_value *result = &d->values[op->out];
  int32_t one = -1;
  for (int i = 0; i < op->n_in; i++) {
    const draft_value *v = &d->values[op->in[i]];
    if (is_one_element(v)) continue;
    if (one >= 0 && one != op->in[i]) return false;
    one = op->in[i];
  }
  return one >= 0 && d->values[one].size == result->size &&
         pons_dtype_size((pons_dtype)d->values[one].dtype) <= pons_dtype_size((pons_dtype)result->dtype);
}

/* A cast that several kernels read as it is, and nobody else, becomes part of each; so does what is as easily made
   again as read. */
static bool copy_into_readers(draft *d, int32_t place, bool *done) {
  const draft_op *op = &d->ops[place];
  *done = false;
  if (op->kind != OP_ROW || op->wanted || op->early != INT32_MAX || op->n_readers < 2 ||
      op->n_readers > OP_MAX_READERS)
    return true;
  const bool cast = op->row == ROW_cast;
  if (!cast && !(is_light(d, op->row) && is_made_of_one(d, op))) return true;
  for (int i = 0; i < op->n_readers; i++)
    if (!fits(d, op->readers[i], place, false) || (!cast && d->groups[op->readers[i]].n_copied == MOST_COPIED))
      return true;
  for (int i = 0; i < op->n_readers; i++) {
    d->groups[op->readers[i]].n_copied += !cast;
    if (!join(d, op->readers[i], place)) return false;
    note_reads(d, op, op->readers[i]);
  }
  *done = true;
  return true;
}

static bool fuse_elementwise(draft *d, int32_t place) {
  draft_op *op = &d->ops[place];
  bool done;
  if (!copy_into_readers(d, place, &done)) return false;
  if (done) return true;
  const bool read_later = op->wanted || op->early != INT32_MAX || op->n_readers > 1;
  const bool joins = op->n_readers > 0 && d->groups[op->readers[0]].last < op->early &&
                     fits(d, op->readers[0], place, read_later);
  op->group = joins ? op->readers[0] : group_new(d, place);
  if (op->group < 0) return false;
  op->stored = read_later || !joins;
  d->groups[op->group].n_out += op->stored;
  if (!join(d, op->group, place)) return false;
  note_reads(d, op, op->group);
  return true;
}

static bool is_needed(const draft_op *op) {
  return op->wanted || op->n_readers > 0 || op->early != INT32_MAX;
}

/* Is nothing but the group's rows done from the call at `place` to the last of them? Else operands of the call would be needed longer. */
static bool follows_at_once(const draft *d, int32_t place, int32_t group) {
  for (int32_t i = place + 1; i <= d->groups[group].last; i++)
    if (d->ops[i].group >= 0 && d->ops[i].group != group) return false;
  return true;
}

/* The call's step ends with the kernel that reads what it makes first. */
static void take_behind(draft *d, int32_t place) {
  draft_op *op = &d->ops[place];
  const int32_t rows = op->n_readers ? op->readers[0] : -1;
  draft_group *call = &d->groups[op->group], *behind = rows < 0 ? NULL : &d->groups[rows];
  if (!behind || behind->is_call || behind->is_behind || behind->last >= op->early || op->n_out > 1) return;
  const bool read_later = op->wanted || op->early != INT32_MAX || op->n_readers > 1;
  if (behind->n_out + read_later > KERNEL_MAX_OUTPUTS || !follows_at_once(d, place, rows) || !draft_takes_rows(d, op, ROWS_BEHIND)) return;
  op->stored = read_later;
  behind->is_behind = true;
  call->behind = rows;
  call->last = behind->last;
}

bool draft_fuse(draft *d) {
  for (int32_t i = (int32_t)d->n_ops - 1; i >= 0; i--) {
    draft_op *op = &d->ops[i];
    if (!is_needed(op)) continue;
    if (is_elementwise(op)) {
      if (!fuse_elementwise(d, i)) return false;
      continue;
    }
    op->group = group_new(d, i);
    op->stored = true;
    if (op->group < 0 || !join(d, op->group, i)) return false;
    take_behind(d, i);
    note_reads(d, op, op->group);
  }
  return true;
}
