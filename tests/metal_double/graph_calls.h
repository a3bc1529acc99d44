/* graph_calls.h: what tests of indirect command buffers ask: what Metal's double was asked since a moment, and what is left. Uses
   process.h, tests/doubles/repeated.h. */
#ifndef METAL_DOUBLE_GRAPH_CALLS_H
#define METAL_DOUBLE_GRAPH_CALLS_H
#include "tests/metal_double/process.h"
#include "tests/doubles/repeated.h"

/* So far when `look` was called last: kernels launched one by one, indirect command buffers executed and made, arguments told. */
static struct { long launches, executions, made, told; } seen;
static inline void look(void) {
  seen.launches = count("dispatch");
  seen.executions = count("execution");
  seen.made = count("indirect command buffer");
  seen.told = count("argument");
}

/* Since then. */
static inline void expect_calls(long launches, long executions, long made) {
  CHECK(count("dispatch") - seen.launches == launches);
  CHECK(count("execution") - seen.executions == executions);
  CHECK(count("indirect command buffer") - seen.made == made);
}

/* Of what recordings have; nobody holds any. */
static inline void no_recording_is_left(void) {
  CHECK(count("MTLIndirectCommandBuffer") == 0 && count("MTLIndirectComputeCommand") == 0);
  CHECK(count("MTLIndirectCommandBufferDescriptor") == 0 && count("MTLComputePipelineDescriptor") == 0);
}

static inline bool told(const char *what) { return strstr(pons_error(), what) != NULL; }
#endif
