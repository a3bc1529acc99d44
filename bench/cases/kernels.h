/* kernels.h: the loops whose speed is the machine's own: one table per instruction set. Part of bench/cases. */
#ifndef KERNELS_H
#define KERNELS_H
#include <stddef.h>
#include <stdint.h>

typedef struct machine_loops {
  const char *isa; /* as "pons info" calls it; NULL: any */
  /* Multiply-adds or dot products in registers alone, `turns` times: flop done. dot may be NULL. */
  double (*fma)(int64_t turns);
  double (*dot)(int64_t turns);
  /* `bytes` is a multiple of 256, memory aligned by 64. */
  uint64_t (*read)(const void *from, size_t bytes);
  void (*copy)(void *to, const void *from, size_t bytes); /* past the caches */
} machine_loops;

/* The best for this machine that is none better than `isa`. */
const machine_loops *machine_loops_for(const char *isa);
#endif
