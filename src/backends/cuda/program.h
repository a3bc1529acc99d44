/* program.h: kernels as modules of a CUDA device. Uses cuda.h, gpu/. */
#ifndef CUDA_PROGRAM_H
#define CUDA_PROGRAM_H
#include "backends/cuda/cuda.h"
#include "backends/gpu/gpu.h"

/* What gpu.h's gpu_backend asks for (program.c, launch.c). */
void cuda_identify(int index, text *t);
extern const char cuda_options[]; /* rounding as written: no products contracted into sums, quotients and
                                     roots to the nearest */
extern const char cuda_narrow_options[]; /* quotients and roots up to two units in the last place off */
void *cuda_compile(int index, const char *name, const char *whole, const char *options, gpu_binary *binary,
                   error **why);
/* PTX for the oldest devices. */
/* What is built ahead is machine code for one architecture, 70 or more, or PTX for all that are newer than the oldest. */
enum { CUDA_PTX = 0 };
error *cuda_compile_ahead(const char *name, const char *whole, const char *options, int arch, gpu_binary *binary);
void cuda_identify_ahead(int arch, text *t); /* what it depends on beside text and options */
bool cuda_ahead(int index, int tried, text *identity);
void *cuda_load(int index, const void *bytes, size_t size);
void *cuda_entry(int index, void *module, const char *name, error **why);
error *cuda_launch(int index, const gpu_launch *l);
/* Why kernels behind matrix_unit.h, which share so many bytes, can't be run by all devices; NULL: they can. */
const char *cuda_refuses_matrix_unit(int shared_bytes);
const char *cuda_refuses_warpgroup(int shared_bytes); /* the same of those behind warpgroup.h */
/* HALF, as they know float16 and bfloat16. */
void cuda_define_half(gpu_call *c, pons_dtype d);
/* Do all lines along the axis lie so that they can be copied by 16 bytes, if the operand begins so? */
bool cuda_lines_are_aligned(const operand *x, int axis);
bool cuda_waits(void); /* after each launch, so that errors name theirs */
/* A launch's arguments, with memories at these addresses, as the driver wants them. */
typedef struct cuda_arguments {
  CUdeviceptr pointers[GPU_MAX_MEMORIES];
  void *list[GPU_MAX_MEMORIES + GPU_NUMBERS];
} cuda_arguments;
void cuda_arguments_of(cuda_arguments *a, const gpu_launch *l, const CUdeviceptr *at, const int64_t *numbers);
/* Makes the launch now, with memories at these addresses. */
error *cuda_launch_at(cuda_device *d, const gpu_launch *l, const CUdeviceptr *at, const int64_t *numbers);
/* recording.c: notes the launch; false: this thread notes none. */
bool cuda_note_launch(cuda_device *d, const gpu_launch *l, error **why);
extern const recording_driver cuda_recordings;
extern const gpu_backend gpu_cuda; /* cuda.c */

/* ---- attention_tensor.c ---- */

const char *cuda_refuses_attention(const launch *l);
error *cuda_attention(const launch *l);
/* Do operands begin so that they can be copied by 16 bytes? Known when it is launched. */
bool cuda_attention_lies_aligned(const launch *l);

/* ---- attention_warpgroup.c ---- */

const char *cuda_refuses_attention_warpgroup(const launch *l);
error *cuda_attention_warpgroup(const launch *l);

/* ---- attention_vjp_tensor.c ---- */

const char *cuda_refuses_attention_vjp(const launch *l);
error *cuda_attention_vjp(const launch *l);
const char *cuda_refuses_attention_vjp_by_warpgroups(const launch *l);
error *cuda_attention_vjp_by_warpgroups(const launch *l);

/* ---- grouped_tensor.c ---- */

const char *cuda_refuses_grouped(const struct gpu_product *p);
error *cuda_multiply_grouped(const struct gpu_product *p);

/* ---- quantized_tensor.c ---- */

const char *cuda_refuses_quantized_matmul(const launch *l);
error *cuda_quantized_matmul(const launch *l);
const char *cuda_refuses_gather_qmm(const launch *l);
error *cuda_gather_qmm(const launch *l);

/* ---- custom_cuda.c ---- */

const char *cuda_refuses_source(const launch *l);
error *cuda_source_kernel(const launch *l);

/* ---- precompiled.c ---- */

const char *cuda_refuses_compiled(const launch *l);
error *cuda_compiled_kernel(const launch *l);
#endif
