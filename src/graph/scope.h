/* scope.h: what node.c needs of scope.c and node_memory.c. For graph/ alone. */
#ifndef GRAPH_SCOPE_H
#define GRAPH_SCOPE_H
#include "graph/graph.h"

/* What a thread has of its own: the arrays that its scopes own, and memory that nodes left behind on it. */
enum { NODE_SIZES = 48 };
typedef struct thread_nodes thread_nodes;
struct thread_nodes {
  node **owned;
  size_t count, room;
  struct spare *spare[NODE_SIZES]; /* by size */
  size_t spare_bytes;
  atomic_llong live;  /* nodes that this thread made, less those that ended on it */
  atomic_bool in_use; /* else its thread is no more, and it serves the next one */
  thread_nodes *next; /* all there ever were */
};
thread_nodes *thread_nodes_here(void); /* NULL: no memory */

/* ---- scope.c ---- */

#define SCOPE_REF (((uint64_t)1 << 32) + 1) /* of a scope, in node.refs */
/* Makes sure that `more` arrays can be owned; false: no memory. */
bool scope_room(size_t more);
/* Hands the caller's reference to the innermost scope of this thread. */
pons_array scope_own(node *a);
void scope_close_all(thread_nodes *t);

/* ---- node.c ---- */

void node_release_from_scope(thread_nodes *t, node *a); /* t: of this thread */
/* The inert array for when there is no memory for another; never freed. */
pons_array node_no_memory(void);

/* ---- node_memory.c ---- */

/* Memory for a node of the thread, counted as live, with its size class set; NULL: there is none. */
node *node_memory_take(thread_nodes *t, size_t bytes);
void node_memory_give(thread_nodes *t, node *a); /* t: of the thread on which it ended; may be NULL */
#endif
