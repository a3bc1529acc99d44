/* graph_calls.h: what tests of graphs ask: which calls the driver's double got since a moment. Uses process.h. */
#ifndef CUDA_DOUBLE_GRAPH_CALLS_H
#define CUDA_DOUBLE_GRAPH_CALLS_H
#include "tests/cuda_double/process.h"

/* Calls so far when `look` was called last: kernels, graphs, new graphs, changes that a graph was told. */
static struct { long launches, graphs, made, told; } seen;
static inline void look(void) {
  seen.launches = count("cuLaunchKernel");
  seen.graphs = count("cuGraphLaunch");
  seen.made = count("cuGraphInstantiateWithFlags");
  seen.told = count("cuGraphExecKernelNodeSetParams");
}
#endif
