/* checkpoint.c: memory for time. The gradient of a checkpointed function holds on to the function's inputs
   alone and computes what lies between again (Chen et al. 2016, arXiv:1604.06174). Uses custom_rules.c. */
#include "transforms/transforms.h"

pons_function pons_checkpoint(pons_function f) {
  const custom_function_parts parts = {.f = f, .recompute = true};
  return transform_custom("checkpoint", &parts);
}
