/* walk.c: snapshots of what arrays are made of, and graphs made again with other inputs. Not recursive:
   graphs are deep. */
#include "graph/graph.h"
#include "graph/scope.h"

uint64_t walk_epoch(void) {
  static uint64_t latest;
  return ++latest & UINT32_MAX ? latest & UINT32_MAX : (latest = 1);
}

/* A node on the way down: `next` of its inputs is looked at next. */
typedef struct visit {
  node *node;
  int next;
} visit;

typedef struct walker {
  tape *tape;
  size_t room;
  visit *stack;
  size_t depth, stack_room;
  map seen; /* nodes met, the stops among them */
} walker;

/* Inputs that are walked: none for what is computed and has let its history go, and none for stops. */
static int inputs_of(const walker *w, const node *a) {
  return a->in && map_get(&w->seen, a, 0) != 2 ? a->n_in : 0;
}

static bool push(walker *w, node *a) {
  if (map_get(&w->seen, a, 0) == 1) return true;
  if (map_get(&w->tape->index, a, -1) >= 0) return true;
  if (!mem_room(&w->stack, &w->stack_room, w->depth + 1, sizeof *w->stack)) return false;
  if (map_get(&w->seen, a, 0) == 0 && !map_set(&w->seen, a, 1)) return false;
  w->stack[w->depth++] = (visit){a, 0};
  return true;
}

static bool add(walker *w, node *a) {
  tape *t = w->tape;
  if (map_get(&t->index, a, -1) >= 0) return true; /* a stop reached twice */
  if (!mem_room(&t->at, &w->room, (size_t)t->count + 1, sizeof *t->at)) return false;
  const int n = inputs_of(w, a);
  node **in = NULL;
  if (n) {
    in = mem_alloc((size_t)n * sizeof *in);
    if (!in) return false;
    memcpy(in, a->in, (size_t)n * sizeof *in);
  }
  if (!map_set(&t->index, a, t->count)) {
    mem_free(in);
    return false;
  }
  t->at[t->count++] = (tape_item){pons_keep(a), n, in};
  return true;
}

static bool walk_root(walker *w, node *root) {
  if (!push(w, root)) return false;
  while (w->depth) {
    visit *v = &w->stack[w->depth - 1];
    if (v->next < inputs_of(w, v->node)) {
      if (!push(w, v->node->in[v->next++])) return false;
    } else {
      node *a = v->node;
      w->depth--;
      if (!add(w, a)) return false;
    }
  }
  return true;
}

bool tape_walk(tape *t, node *const *roots, int n_roots, node *const *stop, int n_stop) {
  memset(t, 0, sizeof *t);
  walker w = {.tape = t};
  graph_lock();
  bool fine = true;
  for (int i = 0; fine && i < n_stop; i++) fine = map_set(&w.seen, stop[i], 2);
  for (int i = 0; fine && i < n_roots; i++) fine = walk_root(&w, roots[i]);
  graph_unlock();
  map_free(&w.seen);
  mem_free(w.stack);
  if (!fine) tape_free(t);
  return fine;
}

void tape_free(tape *t) {
  for (int64_t i = 0; i < t->count; i++) {
    mem_free(t->at[i].in);
    pons_release(t->at[i].node);
  }
  mem_free(t->at);
  map_free(&t->index);
  memset(t, 0, sizeof *t);
}

/* ---- the same graph on other inputs ---- */

static pons_array make_again(const node *a, int n_in, const pons_array *in) {
  if (a->prim == &prim_output) return node_output(in[0], ((const output_params *)a->params)->index);
  if (a->n_out > 1) return node_make_tuple(a->prim, a->params, n_in, in);
  return node_make(a->prim, a->params, n_in, in);
}

/* made[i] becomes the new node for item i: itself where nothing below changed. */
static bool replay(const tape *t, pons_array *made) {
  size_t most = 1;
  for (int64_t i = 0; i < t->count; i++)
    if ((size_t)t->at[i].n_in > most) most = (size_t)t->at[i].n_in;
  pons_array *in = mem_alloc(most * sizeof *in);
  if (!in) return false;
  for (int64_t i = 0; i < t->count; i++) {
    const tape_item *item = &t->at[i];
    if (made[i]) continue;
    bool changed = false;
    for (int k = 0; k < item->n_in; k++) {
      in[k] = made[map_get(&t->index, item->in[k], 0)];
      changed |= in[k] != item->in[k];
    }
    made[i] = changed ? make_again(item->node, item->n_in, in) : item->node;
  }
  mem_free(in);
  return true;
}

bool graph_replace(const pons_array *roots, int n_roots, const pons_array *from, const pons_array *to,
                   int n_from, pons_array *out) {
  tape t;
  if (!tape_walk(&t, roots, n_roots, from, n_from)) goto no_memory;
  pons_array *made = mem_zalloc((size_t)(t.count ? t.count : 1) * sizeof *made);
  if (!made) {
    tape_free(&t);
    goto no_memory;
  }
  for (int i = 0; i < n_from; i++) {
    const int64_t at = map_get(&t.index, from[i], -1);
    if (at >= 0) made[at] = to[i];
  }
  const bool fine = replay(&t, made) && scope_room((size_t)n_roots);
  for (int i = 0; fine && i < n_roots; i++) /* the scope's own reference: what did not change is the caller's so far */
    out[i] = scope_own(pons_keep(made[map_get(&t.index, roots[i], 0)]));
  mem_free(made);
  tape_free(&t);
  if (fine) return true;
no_memory:
  for (int i = 0; i < n_roots; i++) out[i] = node_error(fail_no_memory("graph_replace"));
  return false;
}
