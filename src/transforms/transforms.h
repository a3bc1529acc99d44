/* transforms.h: the door of transforms/: what gradients, tangents and batches share. A graph in, a graph out.

       primals ─ alias ─┐                        vjp:  cotangents walk the tape back, from the results to the
   aliases f ─ results              jvp:  tangents walk it forward captured arrays ─┘ vmap: the batch walks it
   forward, node by node made again

   Rules stand in the primitives' records; what has none goes through its decomposition. Uses base/, graph/
   and the public ops. */
#ifndef TRANSFORMS_H
#define TRANSFORMS_H
#include "base/base.h"
#include "graph/graph.h"

/* A graph seen from its results, `roots`, down to `stops`, which are leaves whatever they are made of. */
typedef struct between {
  const pons_array *roots, *stops;
  int n_roots, n_stops;
  const bool *wanted; /* the stops whose derivatives are asked for: others are reached no more than constants; NULL: all */
} between;

typedef enum reach {
  REACH_NONE,  /* made without the stops */
  REACH_VALUE, /* the value depends on them, but only through what has no gradient: integers, comparisons */
  REACH_SMOOTH /* derivatives pass */
} reach;

/* The tape of a graph, with a slot for each result of each node: its cotangent, its tangent or its batch. */
typedef struct lineage {
  tape tape;
  uint8_t *reach;    /* of each item */
  int64_t *first;    /* item i has the slots first[i] .. first[i + 1] - 1 */
  pons_array *slots; /* NULL: zero, or nothing yet; not owned: they belong to the scope of the transform */
  int most_in, most_out; /* inputs and results of a single node, at most */
} lineage;
/* False: no memory. */
bool lineage_make(lineage *l, const between *b);
void lineage_free(lineage *l);
/* Slot of an array among `l`; -1 if it isn't in the tape. */
int64_t lineage_slot(const lineage *l, const node *a);
/* The trace is over: nodes above the stops keep no history for it any more (an outer trace may still want
   theirs). */
void lineage_end_trace(lineage *l, const between *b);

/* A function at a point: called on aliases of the primals, so that derivatives are with respect to this call
   alone. */
typedef struct call_site {
  const char *op; /* whose name errors bear */
  function *f;
  const pons_array *primals;
  int n_in;
  const bool *wanted; /* primals that are varied; NULL: all */
  int n_out;          /* as many results it must have; -1: any number */
  result_list *out;   /* begun; the caller ends it */
  bool back;          /* cotangents will walk its tape */
} call_site;
/* Fills out and aliases[n_in] and takes the tape, traced from the aliases to the results. NULL if fine; else
   an array that carries the error, and `l` needs no freeing. */
pons_array lineage_of_call(lineage *l, const call_site *c, pons_array *aliases);

/* Cotangents of the roots to those of the stops; NULL where none arrives. Returns NULL if fine, else an array
   with the error. */
pons_array pull_back(const char *op, const between *b, const pons_array *cotangents, pons_array *grads);
pons_array pull_back_on(const char *op, lineage *l, const between *b, const pons_array *cotangents,
                        pons_array *grads);
/* Tangents of the stops (NULL: zero) to those of the roots (NULL: zero). */
pons_array push_forward(const char *op, const between *b, const pons_array *tangents,
                        pons_array *out_tangents);
pons_array push_forward_on(const char *op, lineage *l, const between *b, const pons_array *tangents,
                           pons_array *out_tangents);

/* Ends a transform: with `bad` that is all that `r` gives; closes `scope`. */
void transform_end(pons_scope scope, pons_array bad, result_list *r);
/* Ends what pons_vjp and pons_jvp have in common: the results go to a[n_a] and b[n_b]. Ends `r`. True if fine. */
bool transform_give(result_list *r, pons_array *a, int n_a, pons_array *b, int n_b);
pons_array transform_no_memory(const char *op);
/* The first of them that carries an error, or NULL. */
pons_array transform_failed(const pons_array *arrays, int count);
/* The arrays of a node's results: itself, or its outputs. */
void transform_results(node *n, pons_array *out);
/* Zeros like result k of a node. */
pons_array transform_zeros(const node *n, int k);
/* x with its batch along axis 0; axis -1: repeated `size` times there. */
pons_array batch_to_front(pons_array x, int axis, int64_t size);

/* f, with rules, as functions that custom_function and checkpoint make. Takes references of its own; NULL:
   left out. */
typedef struct custom_function_parts {
  function *f, *vjp, *jvp, *vmap, *vmap_along;
  bool recompute; /* the gradient calls f again on the primals instead of keeping what it computed */
} custom_function_parts;
pons_function transform_custom(const char *kind, const custom_function_parts *parts);
#endif
