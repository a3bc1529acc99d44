/* walk.c: snapshots of what arrays are made of. Not recursive: graphs are deep. */
#include "graph/graph.h"
#include <stdlib.h>

uint64_t walk_epoch(void) {
  static uint64_t latest;
  return ++latest & UINT32_MAX ? latest & UINT32_MAX : (latest = 1);
}

/* ---- nodes of `ordered` primitives ---- */

static int by_order(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)(*(node *const *)a)->params, y = *(const int64_t *)(*(node *const *)b)->params;
  return (x > y) - (x < y);
}

int64_t walk_find_ordered(node *const *roots, int n_roots, int (*operands)(const void *, const node *), const void *context, node ***found) {
  size_t n = 0, room = 0, n_ordered = 0;
  node **met = NULL; /* each once */
  const uint64_t mark = walk_epoch() << 32;
  bool fine = true;
  *found = NULL;
  if (!node_ordered_latest()) return 0;
  for (size_t i = 0; fine && i <= n; i++) { /* the roots, then the operands of each that was met */
    node *const *from = i ? met[i - 1]->in : roots;
    const int count = i ? operands(context, met[i - 1]) : n_roots;
    fine = mem_room(&met, &room, n + (size_t)(count > 0 ? count : 0) + 1, sizeof *met);
    for (int k = 0; fine && k < count; k++) {
      if (from[k]->mark == mark || operands(context, from[k]) < 0) continue;
      from[k]->mark = mark;
      met[n++] = from[k];
    }
  }
  for (size_t i = 0; i < n; i++)
    if (met[i]->prim && met[i]->prim->ordered) met[n_ordered++] = met[i];
  if (fine) qsort(met, n_ordered, sizeof *met, by_order);
  *found = met;
  return fine ? (int64_t)n_ordered : -1;
}

/* ---- tapes ---- */

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

static int operands_of(const void *w, const node *a) { return inputs_of(w, a); }

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
  node **ordered;
  const int64_t n_ordered = walk_find_ordered(roots, n_roots, operands_of, &w, &ordered);
  fine = fine && n_ordered >= 0;
  for (int64_t i = 0; fine && i < n_ordered; i++) fine = walk_root(&w, ordered[i]);
  mem_free(ordered);
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
