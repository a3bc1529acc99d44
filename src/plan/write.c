/* write.c: from groups of operations to the steps, memories, inputs and outputs of a plan. Uses draft.h. */
#include "plan/draft.h"

static int32_t new_memory(draft *d, size_t *room, memory_kind kind, int32_t index, int64_t bytes) {
  plan *p = d->plan;
  if ((size_t)p->n_memories >= *room) { /* in the pool, so doubling leaves the old ones behind */
    const size_t more = *room ? 2 * *room : 64;
    plan_memory *list = pool_new(&p->pool, more * sizeof *list);
    if (!list) return draft_no_memory(d), -1;
    if (p->n_memories) memcpy(list, p->memories, (size_t)p->n_memories * sizeof *list);
    p->memories = list;
    *room = more;
  }
  p->memories[p->n_memories] = (plan_memory){kind, index, 0, bytes};
  return p->n_memories++;
}

static int64_t bytes_of(const draft_value *v) {
  return v->size * (int64_t)pons_dtype_size((pons_dtype)v->dtype);
}

static bool write_inputs(draft *d, size_t *room) {
  plan *p = d->plan;
  p->inputs = pool_new(&p->pool, d->n_leaves * sizeof *p->inputs);
  if (!p->inputs) return draft_no_memory(d);
  p->n_inputs = (int)d->n_leaves;
  for (int32_t i = 0; i < p->n_inputs; i++) {
    draft_value *v = &d->values[d->leaf_values[i]];
    p->inputs[i] = (plan_input){(pons_dtype)v->dtype, v->ndim, v->shape, v->strides};
    v->memory = new_memory(d, room, MEMORY_INPUT, i, bytes_of(v));
    if (v->memory < 0) return false;
  }
  return true;
}

enum { KNOWN_KERNELS = 64 };
typedef struct writer {
  draft *draft;
  size_t memories_room;
  int32_t n_outputs, n_temporaries;   /* memories so far */
  kernel *spare[2];                   /* the next are written here */
  struct {
    const kernel *kernel;
    int32_t number;
  } known[KNOWN_KERNELS]; /* by hash; layers of a network run the same ones again and again */
} writer;

/* Memory for a result that an operation stores. */
static int32_t memory_for(writer *w, int32_t value) {
  draft *d = w->draft;
  draft_value *v = &d->values[value];
  const bool wanted = d->ops[v->op].wanted;
  v->memory = new_memory(d, &w->memories_room, wanted ? MEMORY_OUTPUT : MEMORY_ARENA,
                         wanted ? w->n_outputs++ : w->n_temporaries++, bytes_of(v));
  return v->memory;
}

static void set_operand(const draft *d, operand *o, int32_t *memory, int64_t *offset, int32_t value) {
  const draft_value *v = &d->values[value];
  *o = (operand){NULL, (pons_dtype)v->dtype, v->ndim, v->shape, v->strides};
  *memory = d->values[v->root].memory;
  *offset = v->offset * (int64_t)pons_dtype_size((pons_dtype)v->dtype);
}

/* A step with room for its operands; n_operands may be less than that in the end. */
static bool step_room(draft *d, plan_step *s, int n_operands) {
  operand *operands =
      pool_new(&d->plan->pool, (size_t)n_operands * (sizeof(operand) + sizeof(int64_t) + sizeof(int32_t)));
  if (!operands) return draft_no_memory(d);
  int64_t *offsets = (int64_t *)(operands + n_operands);
  *s = (plan_step){.operands = operands, .offsets = offsets, .memories = (int32_t *)(offsets + n_operands)};
  return true;
}

static void write_operand(draft *d, plan_step *s, int k, int32_t value) {
  set_operand(d, (operand *)&s->operands[k], (int32_t *)&s->memories[k], (int64_t *)&s->offsets[k], value);
}

/* All but its operands. */
static void write_call_of(const writer *w, const draft_op *op, plan_step *s, int n_in, int n_out) {
  const draft *d = w->draft;
  s->name = op->call->implementation->prim;
  s->device = op->call->on_host ? device_host() : d->request->device;
  s->implementation = op->call->implementation;
  s->params = op->call->params;
  s->prim = op->call->prim;
  s->n_in = n_in;
  s->n_out = n_out;
  s->epilogue = op->call->epilogue;
  s->adds = op->call->adds;
  s->activation = op->call->activation;
}

static bool write_call(writer *w, const draft_op *op, plan_step *s) {
  if (!step_room(w->draft, s, op->n_in + op->n_out)) return false;
  for (int i = 0; i < op->n_in; i++) write_operand(w->draft, s, i, op->in[i]);
  for (int i = 0; i < op->n_out; i++) {
    if (memory_for(w, op->out + i) < 0) return false;
    write_operand(w->draft, s, op->n_in + i, op->out + i);
  }
  write_call_of(w, op, s, op->n_in, op->n_out);
  return true;
}

/* Numbers the values of a group: inputs from 0 on, results of instructions as -1 - k until all inputs are
   known. What a call in front makes (-1: there is none) is the first input, under any shape. */
static int number_values(draft *d, int32_t group, int32_t made, int32_t *inputs) {
  const int32_t mark = --d->stamp;
  int n_in = 0, n_code = 0;
  if (made >= 0) {
    d->values[made].group = mark;
    d->values[made].local = (int16_t)n_in;
    inputs[n_in++] = made;
  }
  for (const draft_member *m = d->groups[group].members; m; m = m->next) {
    const draft_op *op = &d->ops[m->op];
    if (op->kind == OP_CALL) break; /* what reads the kernel's result */
    for (int i = 0; i < op->n_in; i++) {
      draft_value *v = &d->values[op->in[i]];
      if (v->group == mark) continue;
      v->group = mark;
      v->local = 0;
      if (made >= 0 && v->root == made) continue;
      v->local = (int16_t)n_in;
      inputs[n_in++] = op->in[i];
    }
    draft_value *out = &d->values[op->out];
    out->group = mark;
    out->local = op->kind == OP_COPY ? d->values[op->in[0]].local : (int16_t)(-1 - n_code++);
  }
  return n_in;
}

static int16_t number_of(const draft *d, int32_t value, int n_in) {
  const int16_t local = d->values[value].local;
  return local >= 0 ? local : (int16_t)(n_in - 1 - local);
}

static void write_code(const draft *d, const draft_group *g, kernel *k) {
  k->n_code = 0;
  for (const draft_member *m = g->members; m; m = m->next) {
    const draft_op *op = &d->ops[m->op];
    if (op->kind != OP_ROW) continue;
    instruction *c = &k->code[k->n_code++];
    *c = (instruction){
        .row = op->row, .operand = d->values[op->in[op->n_in - 1]].dtype, .result = d->values[op->out].dtype};
    for (int i = 0; i < op->n_in; i++) c->arg[i] = number_of(d, op->in[i], k->n_in);
  }
}

static bool kernel_equal(const kernel *a, const kernel *b) {
  return a->n_in == b->n_in && a->n_code == b->n_code && a->n_out == b->n_out &&
         memcmp(a->in, b->in, (size_t)a->n_in * sizeof *a->in) == 0 &&
         memcmp(a->code, b->code, (size_t)a->n_code * sizeof *a->code) == 0 &&
         memcmp(a->out, b->out, (size_t)a->n_out * sizeof *a->out) == 0;
}

/* Of the last instructions: they differ where kernels do. */
static uint64_t kernel_hash(const kernel *k) {
  const int count = k->n_code < 8 ? k->n_code : 8;
  return hash_bytes(k->code + k->n_code - count, (size_t)count * sizeof *k->code, (uint64_t)(k->n_in + 64 * k->n_code));
}

/* A spare kernel, or an equal one written before; then the spare stays spare. */
static const kernel *settle_kernel(writer *w, int which, int32_t *number) {
  kernel **spare = &w->spare[which];
  const uint64_t place = kernel_hash(*spare) % KNOWN_KERNELS;
  const bool known = w->known[place].kernel && kernel_equal(w->known[place].kernel, *spare);
  if (!known) {
    w->known[place].kernel = *spare;
    w->known[place].number = w->draft->plan->n_kernels++;
    *spare = NULL;
  }
  w->draft->plan->repeats |= known;
  *number = w->known[place].number;
  return w->known[place].kernel;
}

static device *device_for(device *d, const kernel *k) {
  return device_refuses_kernel(d->driver, d->index, k) ? device_host() : d;
}

/* The group's rows as a spare kernel, without results; its operands in `inputs`, of which the first is what a call in front makes (-1:
   there is none). NULL: no memory. */
static kernel *begin_kernel(writer *w, int which, int32_t group, int32_t made, int32_t *inputs) {
  draft *d = w->draft;
  kernel **spare = &w->spare[which];
  if (!*spare) *spare = pool_new(&d->plan->pool, sizeof **spare);
  kernel *k = *spare;
  if (!k) return draft_no_memory(d), NULL;
  k->n_in = number_values(d, group, made, inputs);
  k->n_out = 0;
  for (int i = 0; i < k->n_in; i++) k->in[i] = d->values[inputs[i]].dtype;
  write_code(d, &d->groups[group], k);
  return k;
}

/* What is copied into its readers (op->group is none) is only stored for a call that reads it, in front of that. */
static bool is_stored_by(const draft *d, const draft_op *op, int32_t group) {
  return op->stored && op->kind != OP_CALL && (op->group == group || d->groups[group].is_call);
}

/* A step of the rows of a group that runs them alone. */
static bool write_kernel(writer *w, int32_t group, plan_step *s) {
  draft *d = w->draft;
  const draft_group *g = &d->groups[group];
  int32_t inputs[KERNEL_MAX_INPUTS];
  kernel *k = begin_kernel(w, 0, group, -1, inputs);
  if (!k || !step_room(d, s, k->n_in + KERNEL_MAX_OUTPUTS)) return false;
  for (int i = 0; i < k->n_in; i++) write_operand(d, s, i, inputs[i]);
  for (const draft_member *m = g->members; m; m = m->next) {
    const draft_op *op = &d->ops[m->op];
    if (!is_stored_by(d, op, group)) continue;
    if (memory_for(w, op->out) < 0) return false;
    write_operand(d, s, k->n_in + k->n_out, op->out);
    k->out[k->n_out++] = number_of(d, op->out, k->n_in);
  }
  s->name = "kernel";
  s->kernel = settle_kernel(w, 0, &s->kernel_number);
  s->n_in = s->kernel->n_in;
  s->n_out = s->kernel->n_out;
  s->device = device_for(d->request->device, s->kernel);
  return true;
}

/* Nothing to do: every result is empty. */
static bool makes_nothing(const plan_step *s) {
  for (int i = s->n_in; i < s->n_in + s->n_out; i++)
    if (shape_size(s->operands[i].ndim, s->operands[i].shape) != 0) return false;
  return true;
}

static plan_step *next_step(const writer *w) { return &w->draft->plan->steps[w->draft->plan->n_steps]; }

static bool add_step(writer *w) {
  plan *p = w->draft->plan;
  const plan_step *s = next_step(w);
  if (s->n_in + s->n_out > p->max_operands) p->max_operands = s->n_in + s->n_out;
  p->n_steps += !makes_nothing(s);
  return true;
}

static bool add_kernel(writer *w, int32_t group) { return write_kernel(w, group, next_step(w)) && add_step(w); }

/* ---- calls with rows around them ---- */

enum { MOST_OPERANDS = 2 * KERNEL_MAX_INPUTS + KERNEL_MAX_OUTPUTS + CHAINED_OPERANDS };
typedef struct chained_call {
  const draft_op *op;
  int n_in, n_out;
  int32_t values[MOST_OPERANDS]; /* that its step has as operands: the results last */
  kernel *front, *behind;        /* spare ones */
  bool keeps;                    /* what `front` makes is a result, too */
} chained_call;

static bool gather_front(writer *w, chained_call *c, int32_t group) {
  c->front = begin_kernel(w, 0, group, -1, c->values);
  if (!c->front) return false;
  c->front->out[c->front->n_out++] = number_of(w->draft, c->op->in[0], c->front->n_in);
  c->keeps = w->draft->ops[w->draft->values[c->op->in[0]].op].stored;
  if (c->keeps) c->front->out[c->front->n_out++] = c->front->out[0];
  c->n_in = c->front->n_in;
  return true;
}

static bool gather_behind(writer *w, chained_call *c, int32_t group, int32_t *results) {
  const draft *d = w->draft;
  int32_t inputs[KERNEL_MAX_INPUTS];
  kernel *k = c->behind = begin_kernel(w, 1, group, c->op->out, inputs);
  if (!k) return false;
  for (int i = 1; i < k->n_in; i++) c->values[c->n_in++] = inputs[i];
  for (const draft_member *m = d->groups[group].members; m; m = m->next) {
    const draft_op *op = &d->ops[m->op];
    if (!is_stored_by(d, op, group)) continue;
    results[c->n_out++] = op->out;
    k->out[k->n_out++] = number_of(d, op->out, k->n_in);
  }
  if (c->op->stored) results[c->n_out++] = c->op->out, k->out[k->n_out++] = 0;
  return true;
}

/* The call of a group with its rows in front or those behind it, or both. */
static bool gather(writer *w, chained_call *c, int32_t group, bool front, bool behind) {
  const draft_group *g = &w->draft->groups[group];
  int32_t results[KERNEL_MAX_OUTPUTS + CHAINED_OPERANDS];
  *c = (chained_call){.op = &w->draft->ops[draft_call_in(g)]};
  if (!front) c->values[c->n_in++] = c->op->in[0];
  if (front && !gather_front(w, c, group)) return false;
  for (int i = 1; i < c->op->n_in; i++) c->values[c->n_in++] = c->op->in[i];
  if (behind && !gather_behind(w, c, g->behind, results)) return false;
  for (int i = 0; !behind && i < c->op->n_out; i++) results[c->n_out++] = c->op->out + i;
  if (c->keeps) results[c->n_out++] = c->op->in[0];
  memcpy(c->values + c->n_in, results, (size_t)c->n_out * sizeof *results);
  return true;
}

/* All results of rows behind have one shape: what the call makes, which may be the last of them, has another with as many elements. */
static void shape_like_first(const chained_call *c, operand *results) {
  const operand *first = results;
  operand *last = results + c->n_out - 1 - c->keeps;
  if (c->behind) *last = (operand){NULL, last->dtype, first->ndim, first->shape, first->strides};
}

/* How it is run, where `between` is what lies between call and rows. */
static chained_run *how_to_run(const writer *w, const chained_call *c, chains *with, const operand *between) {
  operand operands[MOST_OPERANDS];
  for (int i = 0; i < c->n_in + c->n_out; i++) operands[i] = draft_operand(w->draft, c->values[i]);
  shape_like_first(c, operands + c->n_in);
  *with = (chains){c->front, c->behind, between, between + 1};
  return draft_chained(w->draft, c->op, operands, c->n_in, c->n_out, with);
}

/* The step, if the implementation takes those kernels: *taken. */
static bool try_chained(writer *w, int32_t group, bool front, bool behind, bool *taken) {
  draft *d = w->draft;
  chained_call c;
  if (!gather(w, &c, group, front, behind)) return false;
  const operand between[] = {draft_operand(d, c.op->in[0]), draft_operand(d, c.op->out)};
  chains with;
  chained_run *run = how_to_run(w, &c, &with, between);
  *taken = run;
  if (!run) return true;
  plan_step *s = next_step(w);
  if (!step_room(d, s, c.n_in + c.n_out)) return false;
  operand *kept = pool_copy(&d->plan->pool, between, sizeof between);
  if (!kept) return draft_no_memory(d);
  for (int i = c.n_in; i < c.n_in + c.n_out; i++)
    if (memory_for(w, c.values[i]) < 0) return false;
  for (int i = 0; i < c.n_in + c.n_out; i++) write_operand(d, s, i, c.values[i]);
  shape_like_first(&c, (operand *)s->operands + c.n_in);
  write_call_of(w, c.op, s, c.n_in, c.n_out);
  s->chained = run;
  s->chains = (chains){NULL, NULL, kept, kept + 1};
  if (front) s->chains.front = settle_kernel(w, 0, &s->kernel_number);
  if (behind) s->chains.behind = settle_kernel(w, 1, &s->kernel_number);
  return add_step(w);
}

/* Does the group read the value, and not make it itself, as a copy does? */
static bool reads(const draft *d, int32_t group, int32_t value) {
  bool found = false;
  for (const draft_member *m = d->groups[group].members; m; m = m->next) {
    if (d->ops[m->op].out == value) return false;
    for (int i = 0; i < d->ops[m->op].n_in; i++) found |= d->values[d->ops[m->op].in[i]].root == value;
  }
  return found;
}

/* A call and rows around it: one step, or, where the implementation does not take those kernels, several. Where rows behind read what is
   made in front, and kept, that is a step in front: it would be written and read by the same one. */
static bool add_call_of_rows(writer *w, int32_t group) {
  draft_group *g = &w->draft->groups[group];
  draft_op *op = &w->draft->ops[draft_call_in(g)];
  const bool front = g->members->next, behind = g->behind >= 0, stored = op->stored;
  const bool apart = front && behind && reads(w->draft, g->behind, op->in[0]);
  bool taken = false;
  if (!apart && !try_chained(w, group, front, behind, &taken)) return false;
  if (taken) return true;
  op->stored = true;
  if (!apart && front && behind && !try_chained(w, group, true, false, &taken)) return false;
  if (taken) return add_kernel(w, g->behind);
  op->stored = stored;
  if (front) {
    w->draft->ops[w->draft->values[op->in[0]].op].stored = true;
    if (!add_kernel(w, group)) return false;
    if (behind && !try_chained(w, group, false, true, &taken)) return false;
    if (taken) return true;
  }
  op->stored = true;
  return write_call(w, op, next_step(w)) && add_step(w) && (!behind || add_kernel(w, g->behind));
}

static bool add_group(writer *w, int32_t group) {
  const draft_group *g = &w->draft->groups[group];
  if (!g->is_call) return g->is_behind || add_kernel(w, group);
  if (g->members->next || g->behind >= 0) return add_call_of_rows(w, group);
  return write_call(w, &w->draft->ops[g->last], next_step(w)) && add_step(w);
}

static bool write_steps(writer *w) {
  draft *d = w->draft;
  plan *p = d->plan;
  size_t most = 0;
  for (size_t i = 0; i < d->n_groups; i++) most += d->groups[i].takes_rows ? 2 : 1; /* rows behind are groups */
  p->steps = pool_new(&p->pool, most * sizeof *p->steps);
  if (!p->steps) return draft_no_memory(d);
  for (size_t i = d->n_groups; i-- > 0;) /* groups were made from the last to the first */
    if (!add_group(w, (int32_t)i)) return false;
  return true;
}

static bool write_outputs(draft *d) {
  plan *p = d->plan;
  p->outputs = pool_new(&p->pool, d->n_outputs * sizeof *p->outputs);
  if (!p->outputs) return draft_no_memory(d);
  p->n_outputs = (int)d->n_outputs;
  for (int i = 0; i < p->n_outputs; i++) {
    const draft_value *v = &d->values[d->outputs[i]];
    p->outputs[i] = (plan_output){
        d->values[v->root].memory, (pons_dtype)v->dtype, v->offset, v->ndim, v->shape, v->strides};
  }
  return true;
}

bool draft_write(draft *d) {
  writer w = {.draft = d};
  return write_inputs(d, &w.memories_room) && write_steps(&w) && write_outputs(d);
}
