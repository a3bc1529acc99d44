/* told.c: a file's function told to a callback: inputs, keywords, outputs, constants, then each operation. Uses
   export.h. */
#include "export/export.h"

typedef struct teller {
  const mlxfn *file;
  const signature *s;
  struct pons_export_value *values;   /* of the signature */
  char *names;                        /* NAME_ROOM bytes each */
  struct pons_export_value *in, *out; /* room for one event's */
} teller;
enum { NAME_ROOM = 24 };

static void describe_values(teller *t) {
  const signature *s = t->s;
  for (size_t i = 0; i < s->n_values; i++) {
    const file_array *a = &s->values[i];
    char *name = t->names + i * NAME_ROOM;
    snprintf(name, NAME_ROOM, "v%zu", i);
    t->values[i] = (struct pons_export_value){name, a->dtype, {a->ndim, a->dims}, NULL, NULL};
    if (a->constant >= 0) t->values[i].constant = t->file->constants[a->constant].array;
  }
  for (int32_t i = 0; i < s->n_keys; i++) t->values[s->n_in - s->n_keys + i].keyword = s->keys[i];
}

static void tell_ends(teller *t, const struct pons_export_args *a) {
  const signature *s = t->s;
  struct pons_export_event inputs = {.kind = PONS_EXPORT_INPUTS, .inputs = t->values, .n_inputs = s->n_in};
  a->callback(a->payload, &inputs);
  inputs.kind = PONS_EXPORT_KEYWORD_INPUTS;
  inputs.inputs = t->values + (s->n_in - s->n_keys);
  inputs.n_inputs = s->n_keys;
  a->callback(a->payload, &inputs);
  struct pons_export_event outputs = {.kind = PONS_EXPORT_OUTPUTS, .outputs = t->out, .n_outputs = s->n_out};
  for (int32_t i = 0; i < s->n_out; i++) t->out[i] = t->values[s->out[i]];
  a->callback(a->payload, &outputs);
  outputs = (struct pons_export_event){.kind = PONS_EXPORT_CONSTANTS, .outputs = t->out};
  for (int32_t i = 0; i < s->n_entries; i++)
    if (s->entries[i].kind == ENTRY_CONSTANT) t->out[outputs.n_outputs++] = t->values[s->entries[i].out[0]];
  a->callback(a->payload, &outputs);
}

static bool tell_operations(teller *t, const struct pons_export_args *a) {
  for (int32_t i = 0; i < t->s->n_entries; i++) {
    const file_entry *e = &t->s->entries[i];
    if (e->kind != ENTRY_OP) continue;
    for (int32_t k = 0; k < e->n_in; k++) t->in[k] = t->values[e->in[k]];
    for (int32_t k = 0; k < e->n_out; k++) t->out[k] = t->values[e->out[k]];
    text state = {0};
    mlxfn_state_json(&state, e, a->numbers);
    char *arguments = text_take(&state);
    if (!arguments) return false;
    a->callback(a->payload, &(struct pons_export_event){PONS_EXPORT_PRIMITIVE, t->in, t->out, e->n_in, e->n_out,
                                                        e->layout->name, arguments});
    mem_free(arguments);
  }
  return true;
}

static bool tell_signature(const mlxfn *f, const signature *s, const struct pons_export_args *a) {
  size_t most_in = 1, most_out = (size_t)s->n_out + s->n_values + 1;
  for (int32_t i = 0; i < s->n_entries; i++)
    if ((size_t)s->entries[i].n_in > most_in) most_in = (size_t)s->entries[i].n_in;
  teller t = {f,
              s,
              mem_alloc((s->n_values + 1) * sizeof *t.values),
              mem_alloc((s->n_values + 1) * NAME_ROOM),
              mem_alloc(most_in * sizeof *t.in),
              mem_alloc(most_out * sizeof *t.out)};
  bool fine = t.values && t.names && t.in && t.out;
  if (fine) {
    describe_values(&t);
    tell_ends(&t, a);
    fine = tell_operations(&t, a);
  }
  if (!fine) error_release(fail_no_memory("export"));
  mem_free(t.values);
  mem_free(t.names);
  mem_free(t.in);
  mem_free(t.out);
  return fine;
}

bool mlxfn_tell(cursor *c, const struct pons_export_args *a) {
  mlxfn *f = mlxfn_read(c);
  if (!f) return false;
  const pons_scope scope = pons_scope_open();
  bool fine = mlxfn_load_constants(f, c);
  for (int32_t i = 0; fine && i < f->n_signatures; i++)
    fine = tell_signature(f, &f->signatures[i], a);
  pons_scope_close(scope);
  mlxfn_free(f);
  return fine;
}
