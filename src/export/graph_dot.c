/* graph_dot.c: what is not computed yet behind some arrays, as a Graphviz graph: boxes for operations, names for
   arrays. Uses export.h, graph/. */
#include "export/export.h"
#include <errno.h>

typedef struct drawing {
  text t;
  map names; /* node to index of `given`, or to -1 - the number of its letters */
  const char *const *given;
  int letters;
} drawing;

/* "A", "B", ... "Z", "AA", "AB" */
static void add_letters(text *t, int n) {
  char word[16];
  int at = sizeof word;
  word[--at] = 0;
  for (n++; n > 0; n = (n - 1) / 26) word[--at] = (char)('A' + (n - 1) % 26);
  text_add(t, "\"%s\"", word + at);
}

static void add_name(drawing *d, const node *a) {
  int64_t name = map_get(&d->names, a, INT64_MAX);
  if (name == INT64_MAX) {
    name = -1 - d->letters++;
    if (!map_set(&d->names, a, name)) d->t.failed = true;
  }
  if (name < 0) {
    add_letters(&d->t, (int)(-1 - name));
    return;
  }
  text_add(&d->t, "\"");
  for (const char *s = d->given[name]; *s; s++) text_add(&d->t, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
  text_add(&d->t, "\"");
}

static void add_operation(drawing *d, const tape_item *item) {
  const node *a = item->node;
  text_add(&d->t, "{ %zu [label =\"%s\", shape=rectangle]; }\n", (size_t)(uintptr_t)a,
           prim_file_name(a->prim));
  for (int k = 0; k < item->n_in; k++) {
    add_name(d, item->in[k]);
    text_add(&d->t, " -> %zu\n", (size_t)(uintptr_t)a);
  }
}

static bool is_output(const node *a, const pons_array *outputs, int n_outputs) {
  for (int i = 0; i < n_outputs; i++)
    if (outputs[i] == a) return true;
  return false;
}

static void add_item(drawing *d, const tape_item *item, const pons_array *outputs, int n_outputs) {
  const node *a = item->node;
  const bool projection = a->prim == &prim_output && item->n_in == 1;
  const bool leaf = !a->prim || a->prim == &prim_input || (a->n_in > 0 && item->n_in == 0) ||
                    node_state_of(a) == NODE_READY ||
                    (projection && node_state_of(item->in[0]) == NODE_READY);
  if (!leaf && !projection) add_operation(d, item);
  if (a->n_out > 1) return; /* its results are items of their own */
  text_add(&d->t, leaf ? "{ rank=source; " : is_output(a, outputs, n_outputs) ? "{ rank=sink; " : "{ ");
  add_name(d, a);
  text_add(&d->t, "; }\n");
  if (leaf) return;
  text_add(&d->t, "%zu -> ", (size_t)(uintptr_t)(projection ? item->in[0] : a));
  add_name(d, a);
  text_add(&d->t, "\n");
}

static bool write_text(const char *path, const text *t) {
  FILE *file = fopen(path, "we");
  const bool written = file && fwrite(t->at, 1, t->length, file) == t->length;
  const bool closed = file && fclose(file) == 0;
  if (!written || !closed)
    error_release(
        fail_as(PONS_ERROR_RUNTIME, "export_to_dot", "%s can't be written: %s", path, strerror(errno)));
  return written && closed;
}

bool pons_export_to_dot(const char *path, const pons_array *outputs, int n_outputs, const pons_array *named,
                        const char *const *names, int n_named) {
  if (!path) {
    error_release(fail("export_to_dot", "there is no path"));
    return false;
  }
  for (int i = 0; i < n_outputs; i++)
    if (!outputs[i] || node_failed(outputs[i])) {
      if (outputs[i])
        error_meet(outputs[i]->error);
      else
        error_release(fail("export_to_dot", "output %d of %d is NULL", i, n_outputs));
      return false;
    }
  drawing d = {.given = names};
  tape tape;
  if (!tape_walk(&tape, outputs, n_outputs, NULL, 0)) {
    error_release(fail_no_memory("export_to_dot"));
    return false;
  }
  for (int i = 0; i < n_named; i++)
    if (!map_set(&d.names, named[i], i)) d.t.failed = true;
  text_add(&d.t, "digraph {\n");
  for (int64_t i = 0; i < tape.count; i++) add_item(&d, &tape.at[i], outputs, n_outputs);
  text_add(&d.t, "}\n");
  if (d.t.failed) error_release(fail_no_memory("export_to_dot"));
  const bool fine = !d.t.failed && write_text(path, &d.t);
  text_free(&d.t);
  map_free(&d.names);
  tape_free(&tape);
  return fine;
}
