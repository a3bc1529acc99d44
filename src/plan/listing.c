/* listing.c: a plan as text, a line per memory that is placed and per step, for PONS_SHOW=plan and for tests
   that compare it. */
#include "plan/plan.h"

static void print_memory(text *t, const plan *p, int32_t m) {
  static const char *const names[] = {[MEMORY_INPUT] = "in", [MEMORY_OUTPUT] = "out", [MEMORY_ARENA] = "t"};
  text_add(t, "%s%d", names[p->memories[m].kind], (int)p->memories[m].index);
}

static void print_strides(text *t, int n, const int64_t *dims, const int64_t *strides, int64_t offset) {
  if (offset) text_add(t, "+%lld", (long long)offset);
  if (shape_is_row_major(n, dims, strides)) return;
  text_add(t, "{");
  for (int i = 0; i < n; i++) text_add(t, i ? " %lld" : "%lld", (long long)strides[i]);
  text_add(t, "}");
}

static void print_operand(text *t, const plan *p, const plan_step *s, int k) {
  const operand *o = &s->operands[k];
  print_memory(t, p, s->memories[k]);
  print_strides(t, o->ndim, o->shape, o->strides, s->offsets[k] / (int64_t)pons_dtype_size(o->dtype));
}

static void print_result(text *t, const plan *p, const plan_step *s, int k) {
  const operand *o = &s->operands[k];
  const plan_memory *m = &p->memories[s->memories[k]];
  text_add(t, "%s %s ", pons_dtype_name(o->dtype), shape_text(o->ndim, o->shape));
  print_operand(t, p, s, k);
  if (m->kind == MEMORY_ARENA) text_add(t, " at %lld", (long long)m->offset);
  for (int i = 0, n = 0; i < s->n_in; i++) {
    if (!(s->donors >> i & 1)) continue;
    text_add(t, n++ ? " or " : " over ");
    print_memory(t, p, s->memories[i]);
  }
}

static void print_step(text *t, const plan *p, const plan_step *s) {
  for (int k = s->n_in; k < s->n_in + s->n_out; k++) {
    if (k > s->n_in) text_add(t, ", ");
    print_result(t, p, s, k);
  }
  text_add(t, " = %s", s->name);
  for (int k = 0; k < s->n_in; k++) {
    text_add(t, s->adds && k == s->n_in - 1 ? " + " : " ");
    print_operand(t, p, s, k);
  }
  if (s->activation) text_add(t, " then %s", activation_names[s->activation]);
  if (s->params && s->prim) {
    text_add(t, " {");
    params_print(t, s->prim, s->params);
    text_add(t, "}");
  }
  if (s->kernel) {
    text_add(t, ": ");
    kernel_print(t, s->kernel);
  } else {
    text_add(t, ": %s", s->implementation->name);
  }
  if (s->chains.front) {
    text_add(t, " of ");
    kernel_print(t, s->chains.front);
  }
  if (s->chains.behind) {
    text_add(t, " then ");
    kernel_print(t, s->chains.behind);
  }
  text_add(t, "\n");
}

void plan_print(text *t, const plan *p) {
  for (int i = 0; i < p->n_inputs; i++) {
    const plan_input *in = &p->inputs[i];
    text_add(t, "%s %s in%d", pons_dtype_name(in->dtype), shape_text(in->ndim, in->shape), i);
    print_strides(t, in->ndim, in->shape, in->strides, 0);
    text_add(t, "\n");
  }
  for (int i = 0; i < p->n_steps; i++) print_step(t, p, &p->steps[i]);
  text_add(t, "return");
  for (int i = 0; i < p->n_outputs; i++) {
    const plan_output *o = &p->outputs[i];
    text_add(t, " ");
    print_memory(t, p, o->memory);
    print_strides(t, o->ndim, o->shape, o->strides, o->offset);
  }
  text_add(t, "\narena %lld bytes on %s\n", (long long)p->arena_bytes, p->device->name);
}

static void add_rows(text *t, const char *before, const kernel *k) {
  text_add(t, k->n_code ? "%s" : "%s copy", before);
  for (int i = 0; i < k->n_code; i++) text_add(t, " %s", row_table[k->code[i].row].name);
}

void plan_step_title(text *t, const plan_step *s) {
  text_add(t, "%s", s->name);
  if (s->activation) text_add(t, " %s", activation_names[s->activation]);
  if (s->kernel) add_rows(t, "", s->kernel);
  if (s->chains.front) add_rows(t, " of", s->chains.front);
  if (s->chains.behind) add_rows(t, " then", s->chains.behind);
}
