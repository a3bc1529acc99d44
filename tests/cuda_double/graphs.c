/* graphs.c: graphs of the driver's double. A node is work and the nodes it stands behind; what a graph made fit to launch does is
   queued as its launches and calls are by themselves, in the order that a real device might take that
   keeps least to the order they were added in: a dependency that was forgotten shows. Uses driver.h. */
#include "driver.h"
#include <stdlib.h>

enum { MOST_BEHIND = 8 };

struct CUgraphNode_st {
  CUgraphNode next;
  CUgraph graph;
  work *work;    /* NULL: */
  CUgraph child; /* its own copy */
  CUgraphNode behind[MOST_BEHIND];
  size_t n_behind, place; /* counted in its graph */
};
struct CUgraph_st {
  CUgraphNode first, last;
  size_t n;
};
/* The nodes again, with work of their own, and the order they are done in. */
struct CUgraphExec_st {
  CUgraph copy;
  const struct CUgraph_st *of;
  CUgraphNode *order;
};

static long live, execs; /* a graph that was made to be launched holds a copy, which is one more */
long live_graphs(void) { return live; }
long live_graph_execs(void) { return execs; }

/* ---- nodes ---- */

static CUgraph graph_new(void) {
  CUgraph g = calloc(1, sizeof *g);
  if (!g) abort();
  live++;
  return g;
}

static CUgraphNode node_new(CUgraph graph, work *w, CUgraph child) {
  CUgraphNode n = calloc(1, sizeof *n);
  if (!n) abort();
  n->graph = graph;
  n->work = w;
  n->child = child;
  n->place = graph->n++;
  if (graph->last)
    graph->last->next = n;
  else
    graph->first = n;
  return graph->last = n;
}

void capture_work(CUgraph graph, work *w) {
  const CUgraphNode before = graph->last;
  CUgraphNode n = node_new(graph, w, NULL);
  if (before) n->behind[n->n_behind++] = before;
}

static void graph_free(CUgraph g) {
  for (CUgraphNode n = g->first, next; n; n = next) {
    next = n->next;
    if (n->work) free_work(n->work);
    if (n->child) graph_free(n->child);
    free(n);
  }
  live--;
  free(g);
}

static CUgraphNode node_at(CUgraph g, size_t place) {
  CUgraphNode n = g->first;
  while (n->place != place) n = n->next;
  return n;
}

static work *work_copy(const work *from) {
  work *w = malloc(sizeof *w);
  if (!w) abort();
  *w = *from;
  w->next = NULL;
  if (from->kind == LAUNCH) w->arguments = copy_arguments(from->function, from->arguments);
  if (from->context) w->context = memcpy(malloc(from->bytes), from->context, from->bytes);
  return w;
}

static CUgraph graph_copy(const struct CUgraph_st *from) {
  CUgraph g = graph_new();
  for (CUgraphNode n = from->first; n; n = n->next) {
    CUgraphNode copy =
        node_new(g, n->work ? work_copy(n->work) : NULL, n->child ? graph_copy(n->child) : NULL);
    copy->n_behind = n->n_behind;
    for (size_t i = 0; i < n->n_behind; i++) copy->behind[i] = node_at(g, n->behind[i]->place);
  }
  return g;
}

/* ---- putting one together ---- */

EXPORT CUresult cuGraphCreate(CUgraph *out, unsigned flags) {
  ENTER("cuGraphCreate");
  NEEDS(flags == 0, CUDA_ERROR_INVALID_VALUE);
  *out = graph_new();
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuGraphDestroy(CUgraph graph) {
  ENTER("cuGraphDestroy");
  NEEDS(graph, CUDA_ERROR_INVALID_VALUE);
  graph_free(graph);
  return leave(CUDA_SUCCESS);
}

static work *work_of(const CUDA_KERNEL_NODE_PARAMS *k) {
  const unsigned grid[] = {k->gridDimX, k->gridDimY, k->gridDimZ},
                 block[] = {k->blockDimX, k->blockDimY, k->blockDimZ};
  if (!can_launch(k->func, grid, block, k->sharedMemBytes) || k->extra) return NULL;
  work *w = calloc(1, sizeof *w);
  if (!w) abort();
  w->kind = LAUNCH;
  w->function = k->func;
  memcpy(w->grid, grid, sizeof grid);
  memcpy(w->block, block, sizeof block);
  w->arguments = copy_arguments(k->func, k->kernelParams);
  return w;
}

static bool are_of(CUgraph graph, const CUgraphNode *nodes, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!nodes[i] || nodes[i]->graph != graph) return false;
  return n <= MOST_BEHIND;
}

static void set_behind(CUgraphNode n, const CUgraphNode *behind, size_t n_behind) {
  n->n_behind = n_behind;
  for (size_t i = 0; i < n_behind; i++) n->behind[i] = behind[i];
}

EXPORT CUresult cuGraphAddKernelNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *behind,
                                     size_t n_behind, const CUDA_KERNEL_NODE_PARAMS *k) {
  ENTER("cuGraphAddKernelNode");
  NEEDS(graph && are_of(graph, behind, n_behind), CUDA_ERROR_INVALID_VALUE);
  work *w = work_of(k);
  NEEDS(w, CUDA_ERROR_INVALID_VALUE);
  *out = node_new(graph, w, NULL);
  set_behind(*out, behind, n_behind);
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuGraphAddChildGraphNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *behind,
                                         size_t n_behind, CUgraph child) {
  ENTER("cuGraphAddChildGraphNode");
  NEEDS(graph && child && are_of(graph, behind, n_behind), CUDA_ERROR_INVALID_VALUE);
  *out = node_new(graph, NULL, graph_copy(child));
  set_behind(*out, behind, n_behind);
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuStreamBeginCapture_v2(CUstream stream, int mode) {
  ENTER("cuStreamBeginCapture");
  NEEDS(is_stream(stream) && !stream->captured && mode >= 0 && mode <= 2, CUDA_ERROR_INVALID_VALUE);
  stream->captured = graph_new();
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuStreamEndCapture(CUstream stream, CUgraph *out) {
  const int fault = enter("cuStreamEndCapture");
  NEEDS(is_stream(stream) && stream->captured, CUDA_ERROR_INVALID_VALUE);
  *out = fault ? NULL : stream->captured; /* a capture that can't be ended well ends all the same */
  if (fault) graph_free(stream->captured);
  stream->captured = NULL;
  return leave(fault);
}

/* ---- launching one ---- */

static bool is_ready(CUgraphNode n, const bool *done) {
  for (size_t i = 0; i < n->n_behind; i++)
    if (!done[n->behind[i]->place]) return false;
  return !done[n->place];
}

/* Of the nodes that might be done next, always the one that was added last. */
static CUgraphNode *order_of(CUgraph g) {
  CUgraphNode *order = calloc(g->n + 1, sizeof *order);
  bool *done = calloc(g->n + 1, sizeof *done);
  if (!order || !done) abort();
  for (size_t i = 0; i < g->n; i++) {
    for (CUgraphNode n = g->first; n; n = n->next)
      if (is_ready(n, done)) order[i] = n;
    done[order[i]->place] = true;
  }
  free(done);
  return order;
}

EXPORT CUresult cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph graph, unsigned long long flags) {
  ENTER("cuGraphInstantiateWithFlags");
  NEEDS(graph && flags == 0, CUDA_ERROR_INVALID_VALUE);
  *out = calloc(1, sizeof **out);
  if (!*out) abort();
  (*out)->of = graph;
  (*out)->copy = graph_copy(graph);
  (*out)->order = order_of((*out)->copy);
  execs++;
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuGraphExecDestroy(CUgraphExec exec) {
  ENTER("cuGraphExecDestroy");
  NEEDS(exec, CUDA_ERROR_INVALID_VALUE);
  graph_free(exec->copy);
  free(exec->order);
  free(exec);
  execs--;
  return leave(CUDA_SUCCESS);
}

EXPORT CUresult cuGraphExecKernelNodeSetParams(CUgraphExec exec, CUgraphNode node,
                                               const CUDA_KERNEL_NODE_PARAMS *k) {
  ENTER("cuGraphExecKernelNodeSetParams");
  NEEDS(exec && node && node->graph == exec->of && node->work, CUDA_ERROR_INVALID_VALUE);
  CUgraphNode n = node_at(exec->copy, node->place);
  work *w = work_of(k);
  NEEDS(w && w->function == n->work->function, CUDA_ERROR_INVALID_VALUE);
  free_work(n->work);
  n->work = w;
  return leave(CUDA_SUCCESS);
}

/* The same nodes in the same places? */
static bool is_like(const struct CUgraph_st *a, const struct CUgraph_st *b) {
  if (a->n != b->n) return false;
  for (CUgraphNode x = a->first, y = b->first; x; x = x->next, y = y->next)
    if (!x->work != !y->work || (x->work && x->work->kind != y->work->kind) || x->n_behind != y->n_behind)
      return false;
  return true;
}

EXPORT CUresult cuGraphExecChildGraphNodeSetParams(CUgraphExec exec, CUgraphNode node, CUgraph child) {
  ENTER("cuGraphExecChildGraphNodeSetParams");
  NEEDS(exec && node && node->graph == exec->of && node->child && child, CUDA_ERROR_INVALID_VALUE);
  CUgraphNode n = node_at(exec->copy, node->place);
  NEEDS(is_like(n->child, child), CUDA_ERROR_INVALID_VALUE);
  graph_free(n->child);
  n->child = graph_copy(child);
  return leave(CUDA_SUCCESS);
}

static void queue_graph(CUgraph g, CUgraphNode const *order, CUstream stream) {
  for (size_t i = 0; i < g->n; i++) {
    const CUgraphNode n = order[i];
    if (n->child) {
      CUgraphNode *inner = order_of(n->child);
      queue_graph(n->child, inner, stream);
      free(inner);
      continue;
    }
    work *copy = work_copy(n->work), *w = add_work(stream, copy->kind), *next = w->next;
    *w = *copy;
    w->next = next;
    free(copy);
  }
}

EXPORT CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  ENTER("cuGraphLaunch");
  NEEDS(exec && is_stream(stream) && !stream->captured, CUDA_ERROR_INVALID_VALUE);
  queue_graph(exec->copy, exec->order, stream);
  return leave(CUDA_SUCCESS);
}
