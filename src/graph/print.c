/* print.c: a graph as text, a line per node, for PONS_SHOW=graph and for tests that compare it. */
#include "graph/graph.h"

static void print_node(text *t, const tape *walked, int64_t i) {
  const tape_item *item = &walked->at[i];
  const node *a = item->node;
  if (a->n_out > 1)
    text_add(t, "v%lld %d results", (long long)i, a->n_out);
  else
    text_add(t, "v%lld %s %s", (long long)i, pons_dtype_name((pons_dtype)a->dtype),
             shape_text(a->ndim, a->shape));
  switch (item->n_in ? NODE_PENDING : node_state_of(a)) {
    case NODE_READY: text_add(t, " = array\n"); return;
    case NODE_FAILED: text_add(t, " = error: %s\n", error_text(a->error)); return;
    case NODE_PENDING:
    case NODE_SCHEDULED: break;
  }
  text_add(t, " = %s", a->prim ? a->prim->name : "array");
  for (int k = 0; k < item->n_in; k++) text_add(t, " v%lld", (long long)map_get(&walked->index, item->in[k],
                                                                                -1));
  if (a->params) {
    text_add(t, " {");
    params_print(t, a->prim, a->params);
    text_add(t, "}");
  }
  text_add(t, "\n");
}

void graph_print(text *t, const pons_array *roots, int n_roots) {
  tape walked;
  if (!tape_walk(&walked, roots, n_roots, NULL, 0)) {
    t->failed = true;
    return;
  }
  for (int64_t i = 0; i < walked.count; i++) print_node(t, &walked, i);
  text_add(t, "return");
  for (int i = 0; i < n_roots; i++) text_add(t, " v%lld", (long long)map_get(&walked.index, roots[i], -1));
  text_add(t, "\n");
  tape_free(&walked);
}
