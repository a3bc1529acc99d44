/* cpu.h: the door of backends/cpu/: what its files share. Uses base/, kernel/, device/. */
#ifndef CPU_H
#define CPU_H
#include "device/device.h"

/* ---- kernels: elementwise chains (fused.c) ---- */

/* Runs `k` once per element of out[0], whose shape every operand has. An output may be the very memory of
   an input of the same item size that is row-major too. Results do not depend on the number of threads. */
error *cpu_run_kernel(const kernel *k, const operand *in, const operand *out);
/* The same; what a small kernel was made into stays in *kept (NULL at first) for the next time, on other operands too. */
error *cpu_run_kernel_again(const kernel *k, const operand *in, const operand *out, void **kept);

/* ---- instruction sets (isa.c) ---- */

/* "baseline", "avx2", "avx512", "avx512vnni": the best that the machine has, or what the environment variable PONS_CPU
   names if the machine has it. Chosen once. */
const char *cpu_isa(void);
/* The sets that this build and this machine have, ended by NULL, the least first. */
const char *const *cpu_isas(void);
/* For tests: from now on `name`; false if the machine does not have it. Not while kernels run. */
bool cpu_set_isa(const char *name);

/* ---- the processor (processor.c) ---- */

bool cpu_has_avx2(void);   /* and FMA and F16C, as the loops for it use */
bool cpu_has_avx512(void); /* F, BW, DQ and VL */
bool cpu_has_avx512vnni(void); /* and VNNI: products of bytes, four of which are added up */
#endif
