/* scope.h: what node.c needs of scope.c. For graph/ alone. */
#ifndef GRAPH_SCOPE_H
#define GRAPH_SCOPE_H
#include "graph/graph.h"

/* Makes sure that `more` arrays can be owned; false: no memory. */
bool scope_room(size_t more);
/* Hands the caller's reference to the innermost scope of this thread. */
pons_array scope_own(node *a);
/* The inert array for when there is no memory for another; never freed. */
pons_array node_no_memory(void);
#endif
