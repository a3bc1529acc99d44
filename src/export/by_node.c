/* by_node.c: a file's function one operation at a time, on several streams side by side, so that what one of them computes can be
   held against the other:

       operation 0 ── on stream 0 ──► values of stream 0 ─┐
             │   └─── on stream 1 ──► values of stream 1 ─┴─► callback
             ▼
       operation 1 ...

   A value is let go of behind its last use. Uses export.h. */
#include "export/export.h"

typedef struct by_node {
  const mlxfn *file;
  const signature *s;
  const struct pons_imported_nodes_args *a;
  pons_array *values;   /* n_values of each stream, kept */
  pons_array *in, *out; /* of the operation under way, on each stream */
  const pons_array **ins, **outs;
  int32_t *last; /* of each value: the entry that reads it last */
  int32_t most_in, most_out;
} by_node;

static pons_array *values_of(const by_node *b, int stream) {
  return b->values + (size_t)stream * b->s->n_values;
}

static bool make_room(by_node *b) {
  const size_t n = (size_t)b->a->n_streams;
  mlxfn_most_operands(b->s, &b->most_in, &b->most_out);
  b->values = mem_zalloc((n * b->s->n_values + 1) * sizeof *b->values);
  b->in = mem_alloc(n * (size_t)b->most_in * sizeof *b->in);
  b->out = mem_alloc(n * (size_t)b->most_out * sizeof *b->out);
  b->ins = mem_alloc(n * sizeof *b->ins);
  b->outs = mem_alloc(n * sizeof *b->outs);
  b->last = mem_alloc((b->s->n_values + 1) * sizeof *b->last);
  if (b->values && b->in && b->out && b->ins && b->outs && b->last) return true;
  error_release(fail_no_memory("import"));
  return false;
}

static void give_up_room(by_node *b) {
  mem_free(b->values);
  mem_free(b->in);
  mem_free(b->out);
  mem_free(b->ins);
  mem_free(b->outs);
  mem_free(b->last);
}

static void find_last_uses(by_node *b) {
  for (size_t v = 0; v < b->s->n_values; v++) b->last[v] = -1;
  for (int32_t i = 0; i < b->s->n_entries; i++)
    for (int32_t k = 0; k < b->s->entries[i].n_in; k++) b->last[b->s->entries[i].in[k]] = i;
}

static void keep_on_all(const by_node *b, int32_t value, pons_array a) {
  for (int k = 0; k < b->a->n_streams; k++) values_of(b, k)[value] = pons_keep(a);
}

static void let_go(const by_node *b, int32_t value) {
  for (int k = 0; k < b->a->n_streams; k++) {
    pons_array *at = &values_of(b, k)[value];
    if (*at) pons_release(*at);
    *at = NULL;
  }
}

/* The results are kept on that stream. */
static bool make_on(const by_node *b, const file_entry *e, int k) {
  pons_array *values = values_of(b, k), *in = b->in + k * b->most_in, *out = b->out + k * b->most_out;
  const pons_stream before = pons_set_stream(b->a->streams[k]);
  const bool fine = mlxfn_build_operation(b->file, b->s, e, values, in, out, false);
  pons_set_stream(before);
  for (int32_t i = 0; i < e->n_out; i++) values[e->out[i]] = fine ? pons_keep(out[i]) : NULL;
  b->ins[k] = in;
  b->outs[k] = out;
  return fine;
}

/* False: the callback wants no more. */
static bool tell(const by_node *b, const file_entry *e, int index, int count, bool *fine) {
  text arguments = {0};
  mlxfn_state_json(&arguments, e, false);
  char *words = text_take(&arguments);
  *fine = words != NULL;
  if (!words) {
    error_release(fail_no_memory("import"));
    return false;
  }
  const struct pons_imported_node node = {.index = index,
                                          .count = count,
                                          .primitive = e->layout->name,
                                          .arguments = words,
                                          .n_in = e->n_in,
                                          .n_out = e->n_out,
                                          .operands = e->in,
                                          .results = e->out,
                                          .in = b->ins,
                                          .out = b->outs};
  const bool more = b->a->callback(b->a->payload, &node);
  mem_free(words);
  return more;
}

/* The other streams go on with what the first computed. */
static void share_results(const by_node *b, const file_entry *e) {
  for (int32_t i = 0; i < e->n_out; i++) {
    const pons_array first = pons_keep(b->outs[0][i]);
    let_go(b, e->out[i]);
    keep_on_all(b, e->out[i], first);
    pons_release(first);
  }
}

static void let_go_of_unused(const by_node *b, int32_t entry) {
  const file_entry *e = &b->s->entries[entry];
  for (int32_t i = 0; i < e->n_in; i++)
    if (b->last[e->in[i]] <= entry) let_go(b, e->in[i]);
  for (int32_t i = 0; i < e->n_out; i++)
    if (b->last[e->out[i]] <= entry) let_go(b, e->out[i]);
}

static bool walk(const by_node *b) {
  int index = 0, count = 0;
  bool fine = true, more = true;
  for (int32_t i = 0; i < b->s->n_entries; i++) count += b->s->entries[i].kind == ENTRY_OP;
  for (int32_t i = 0; fine && more && i < b->s->n_entries; i++) {
    const file_entry *e = &b->s->entries[i];
    if (e->kind == ENTRY_CONSTANT)
      keep_on_all(b, e->out[0], b->file->constants[b->s->values[e->out[0]].constant].array);
    if (e->kind != ENTRY_OP) continue;
    const pons_scope scope = pons_scope_open();
    for (int k = 0; fine && k < b->a->n_streams; k++) fine = make_on(b, e, k);
    more = fine && tell(b, e, index++, count, &fine);
    if (more && b->a->same_operands) share_results(b, e);
    if (more) let_go_of_unused(b, i);
    pons_scope_close(scope);
  }
  return fine;
}

bool mlxfn_by_node(const mlxfn *f, const signature *s, const pons_array *in,
                   const struct pons_imported_nodes_args *a) {
  by_node b = {.file = f, .s = s, .a = a};
  bool fine = make_room(&b);
  if (fine) {
    find_last_uses(&b);
    for (int32_t i = 0; i < s->n_in; i++) keep_on_all(&b, i, in[i]);
    fine = walk(&b);
    for (size_t v = 0; v < s->n_values; v++) let_go(&b, (int32_t)v);
  }
  give_up_room(&b);
  return fine;
}
