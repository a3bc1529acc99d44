/* again.c: what was traced, made once more with other arrays in the place of the placeholders; their sizes may
   be others than those of the trace.

   An elementwise node repeats what it is made of to the sizes its operands have now: a Broadcast made for it
   in the trace, of a constant too, is passed over, and made only if something else wants it. Parameters follow in resize.c.
   Uses walk.c, the public ops. */
#include "graph/graph.h"
#include <pons/ops.h>

enum { PARAMS_MOST = 512 };
typedef union params_room {
  max_align_t align;
  char bytes[PARAMS_MOST];
} params_room;

typedef struct again {
  const tape *tape;
  pons_array *now; /* what stands for each node of the tape; NULL: itself, or it waits */
  bool *waits;     /* a Broadcast that is made when it is asked for */
  pons_array *in;  /* room for the inputs of any node, and their sizes in the trace */
  ints *was;
} again;

static int64_t place(const again *a, const node *n) { return map_get(&a->tape->index, n, 0); }

static bool has_size_of(const node *a, const node *b) {
  return shape_equal(a->ndim, a->shape, b->ndim, b->shape);
}

static bool is_repeated(const tape_item *item) {
  return item->n_in == 1 && strcmp(item->node->prim->name, "Broadcast") == 0;
}

static pons_array now(const again *a, node *n) {
  const int64_t i = place(a, n);
  if (a->waits[i] && !a->now[i]) {
    pons_array x = now(a, a->tape->at[i].in[0]);
    a->now[i] = node_make(n->prim, n->params, 1, &x);
  }
  return a->now[i] ? a->now[i] : n;
}

/* With the sizes of the trace taken out of its parameters. */
static pons_array make(const again *a, const tape_item *item) {
  const node *n = item->node;
  const prim *p = n->prim;
  const void *params = n->params;
  params_room room;
  resize_room r;
  if (params && p->params_size <= PARAMS_MOST) {
    memcpy(room.bytes, params, p->params_size);
    for (int k = 0; k < item->n_in; k++) a->was[k] = (ints){item->in[k]->ndim, item->in[k]->shape};
    const char *why = prim_resize(p, room.bytes, item->n_in, a->was, a->in, &r);
    if (why) return node_fail(p->name, "%s", why);
    params = room.bytes;
  }
  return n->n_out == 1 ? node_make(p, params, item->n_in, a->in)
                       : node_make_tuple(p, params, item->n_in, a->in);
}

/* What operand k of an elementwise node was before it was repeated to the node's sizes. */
static pons_array unrepeated(const again *a, const tape_item *item, int k) {
  node *x = item->in[k];
  const tape_item *made = &a->tape->at[place(a, x)];
  return is_repeated(made) && has_size_of(x, item->node) ? now(a, made->in[0]) : now(a, x);
}

static pons_array make_row(const again *a, const tape_item *item) {
  shape both = {0};
  for (int k = 0; k < item->n_in; k++) {
    a->in[k] = unrepeated(a, item, k);
    if (node_failed(a->in[k])) return a->in[k];
    const shape so_far = both;
    if (!shape_broadcast(so_far.n, so_far.dims, a->in[k]->ndim, a->in[k]->shape, &both))
      return node_fail(item->node->prim->name, "shapes do not broadcast: %s and %s", node_text(a->in[0]),
                       node_text(a->in[k]));
  }
  for (int k = 0; k < item->n_in; k++) a->in[k] = pons_broadcast_to(a->in[k], shape_public(&both));
  return make(a, item);
}

static void make_item(const again *a, int64_t i) {
  const tape_item *item = &a->tape->at[i];
  const node *n = item->node;
  bool changed = n->prim && n->prim->ordered && node_state_of(n) == NODE_PENDING; /* made at each call */
  for (int k = 0; k < item->n_in; k++) {
    const int64_t from = place(a, item->in[k]);
    changed |= a->now[from] || a->waits[from];
  }
  if (!changed) return;
  if (is_repeated(item)) {
    a->waits[i] = true;
  } else if (n->prim->row) {
    a->now[i] = make_row(a, item);
  } else {
    for (int k = 0; k < item->n_in; k++) a->in[k] = now(a, item->in[k]);
    a->now[i] = make(a, item);
  }
}

static bool make_tape(const traced *t, const tape *walked, const pons_array *in, result_list *out) {
  size_t most = 1;
  for (int64_t i = 0; i < walked->count; i++)
    if ((size_t)walked->at[i].n_in > most) most = (size_t)walked->at[i].n_in;
  const size_t count = (size_t)walked->count;
  const again a = {walked, mem_zalloc((count + 1) * sizeof *a.now), mem_zalloc(count + 1),
                   mem_alloc(most * sizeof *a.in), mem_alloc(most * sizeof *a.was)};
  const bool fine = a.now && a.waits && a.in && a.was;
  for (int i = 0; fine && i < t->n_in; i++) {
    const int64_t at = map_get(&walked->index, t->in[i], -1);
    if (at >= 0) a.now[at] = in[i];
  }
  for (int64_t i = 0; fine && i < walked->count; i++)
    if (!a.now[i]) make_item(&a, i);
  for (int i = 0; fine && i < t->n_out; i++) pons_results_add(out, now(&a, t->out[i]));
  pons_results_set_tag(out, t->tag);
  mem_free(a.now);
  mem_free(a.waits);
  mem_free(a.in);
  mem_free(a.was);
  return fine;
}

void traced_again(const traced *t, const pons_array *in, result_list *out) {
  const pons_scope scope = pons_scope_open();
  tape walked;
  const bool fine = tape_walk(&walked, t->out, t->n_out, t->in, t->n_in);
  if (!fine || !make_tape(t, &walked, in, out)) results_fail(out, fail_no_memory(out->kind));
  if (fine) tape_free(&walked);
  pons_scope_close(scope);
}
