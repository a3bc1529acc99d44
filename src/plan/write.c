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
  kernel *spare;                      /* the next is written here */
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

static bool write_operand(draft *d, plan_step *s, int k, int32_t value) {
  set_operand(d, (operand *)&s->operands[k], (int32_t *)&s->memories[k], (int64_t *)&s->offsets[k], value);
  return true;
}

/* All but the operands that it reads, of which there are n_in. */
static bool write_call_of(writer *w, const draft_op *op, plan_step *s, int n_in) {
  draft *d = w->draft;
  for (int i = 0; i < op->n_out; i++) {
    if (memory_for(w, op->out + i) < 0) return false;
    write_operand(d, s, n_in + i, op->out + i);
  }
  s->name = op->call->implementation->prim;
  s->device = op->call->on_host ? device_host() : d->request->device;
  s->implementation = op->call->implementation;
  s->params = op->call->params;
  s->prim = op->call->prim;
  s->n_in = n_in;
  s->n_out = op->n_out;
  s->epilogue = op->call->epilogue;
  s->adds = op->call->adds;
  s->activation = op->call->activation;
  return true;
}

static bool write_call(writer *w, const draft_op *op, plan_step *s) {
  if (!step_room(w->draft, s, op->n_in + op->n_out)) return false;
  for (int i = 0; i < op->n_in; i++) write_operand(w->draft, s, i, op->in[i]);
  return write_call_of(w, op, s, op->n_in);
}

/* Numbers the values of a group: inputs from 0 on, results of instructions as -1 - k until all inputs are
   known. */
static int number_values(draft *d, int32_t group, int32_t *inputs) {
  int n_in = 0, n_code = 0;
  for (const draft_member *m = d->groups[group].members; m; m = m->next) {
    const draft_op *op = &d->ops[m->op];
    if (op->kind == OP_CALL) break; /* what reads the kernel's result */
    for (int i = 0; i < op->n_in; i++) {
      draft_value *v = &d->values[op->in[i]];
      if (v->group == group) continue;
      v->group = group;
      v->local = (int16_t)n_in;
      inputs[n_in++] = op->in[i];
    }
    draft_value *out = &d->values[op->out];
    out->group = group;
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

/* The spare kernel, or an equal one written before; then the spare stays spare. */
static const kernel *settle_kernel(writer *w, int32_t *number) {
  const uint64_t place = kernel_hash(w->spare) % KNOWN_KERNELS;
  const bool known = w->known[place].kernel && kernel_equal(w->known[place].kernel, w->spare);
  if (!known) {
    w->known[place].kernel = w->spare;
    w->known[place].number = w->draft->plan->n_kernels++;
    w->spare = NULL;
  }
  w->draft->plan->repeats |= known;
  *number = w->known[place].number;
  return w->known[place].kernel;
}

static device *device_for(device *d, const kernel *k) {
  return device_refuses_kernel(d->driver, d->index, k) ? device_host() : d;
}

/* The group's rows as the spare kernel, without results, and its operands in a step with room for n_out more. NULL: no memory. */
static kernel *begin_kernel(writer *w, int32_t group, plan_step *s, int n_out) {
  draft *d = w->draft;
  if (!w->spare) w->spare = pool_new(&d->plan->pool, sizeof *w->spare);
  kernel *k = w->spare;
  int32_t inputs[KERNEL_MAX_INPUTS];
  if (!k) return draft_no_memory(d), NULL;
  k->n_in = number_values(d, group, inputs);
  k->n_out = 0;
  if (!step_room(d, s, k->n_in + n_out)) return NULL;
  for (int i = 0; i < k->n_in; i++) {
    write_operand(d, s, i, inputs[i]);
    k->in[i] = d->values[inputs[i]].dtype;
  }
  write_code(d, &d->groups[group], k);
  return k;
}

static void end_kernel(writer *w, plan_step *s) {
  s->name = "kernel";
  s->kernel = settle_kernel(w, &s->kernel_number);
  s->n_in = s->kernel->n_in;
  s->n_out = s->kernel->n_out;
  s->device = device_for(w->draft->request->device, s->kernel);
}

static bool write_kernel(writer *w, int32_t group, plan_step *s) {
  draft *d = w->draft;
  const draft_group *g = &d->groups[group];
  kernel *k = begin_kernel(w, group, s, g->n_out);
  if (!k) return false;
  for (const draft_member *m = g->members; m; m = m->next) {
    const draft_op *op = &d->ops[m->op];
    if (!op->stored) continue;
    if (memory_for(w, op->out) < 0) return false;
    write_operand(d, s, k->n_in + k->n_out, op->out);
    k->out[k->n_out++] = number_of(d, op->out, k->n_in);
  }
  end_kernel(w, s);
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

/* A call and the rows that make its operand: one step, or, where the implementation does not take that kernel, two. */
static bool add_call_of_rows(writer *w, int32_t group) {
  draft *d = w->draft;
  plan_step *s = next_step(w);
  const draft_op *op = &d->ops[d->groups[group].last];
  const int32_t made = op->in[0];
  kernel *k = begin_kernel(w, group, s, op->n_out);
  if (!k) return false;
  k->out[k->n_out++] = number_of(d, made, k->n_in);
  for (int i = 0; i < op->n_out; i++) write_operand(d, s, k->n_in + i, op->out + i);
  s->run_made = draft_prologue(d, op, s->operands, k);
  if (s->run_made) {
    s->prologue = settle_kernel(w, &s->kernel_number);
    return write_call_of(w, op, s, s->prologue->n_in) && add_step(w);
  }
  if (memory_for(w, made) < 0) return false;
  write_operand(d, s, k->n_in, made);
  end_kernel(w, s);
  return add_step(w) && write_call(w, op, next_step(w)) && add_step(w);
}

static bool add_group(writer *w, int32_t group) {
  const draft_group *g = &w->draft->groups[group];
  if (!g->is_call) return write_kernel(w, group, next_step(w)) && add_step(w);
  if (g->members->next) return add_call_of_rows(w, group);
  return write_call(w, &w->draft->ops[g->last], next_step(w)) && add_step(w);
}

static bool write_steps(writer *w) {
  draft *d = w->draft;
  plan *p = d->plan;
  size_t most = 0;
  for (size_t i = 0; i < d->n_groups; i++) most += d->groups[i].takes_rows ? 2 : 1;
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
