/* calls.h: what the CPU's implementations of primitives share, and their names.

   Each takes a launch (device/device.h): inputs with any strides, outputs row-major. Loops are cut into
   pieces whose size depends on shapes alone, so that results have the same bits for any number of threads.
   Uses device/, ops/params.h. */
#ifndef CPU_CALLS_H
#define CPU_CALLS_H
#include "device/device.h"
#include "ops/params.h"

/* ---- copies (copy.c) ---- */

/* Copies elements of `size` bytes between two operands of one shape; strides in elements. */
void cpu_copy(void *to, const int64_t *to_strides, const void *from, const int64_t *from_strides, int n,
              const int64_t *shape, size_t size);
/* `x` row-major in memory at `to`. */
void cpu_copy_packed(void *to, const operand *x);
/* Would a result of so many bytes drive all else out of the caches? Then it is written past them. */
bool cpu_outgrows_cache(size_t bytes);
/* Elements of a tile then: what the processor fetches ahead while it computes one is the next. */
enum { FAR_TILE = 256 };
void cpu_copy_past_cache(void *to, const void *from, size_t bytes);
/* At the end of a piece that wrote past the caches, so that other threads see it. Not more often: it waits until all is in
   memory. */
void cpu_end_past_cache(void);
/* The elements of x, contiguous: its own memory if they are, else a copy in *held, which the caller releases
   (NULL is fine). NULL and *why if there is no memory. */
const void *cpu_packed(const operand *x, const char *op, buffer **held, error **why);
static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t magnitude(int64_t stride) { return stride < 0 ? -stride : stride; }
static inline int64_t operand_size(const operand *x) { return shape_size(x->ndim, x->shape); }

/* Pieces of a loop of `count` equal turns, each of which costs about `cost` elements: turns in a piece. */
static inline int64_t turns_per_piece(int64_t count, int64_t cost) {
  int64_t turns = (1 << 15) / (cost > 0 ? cost : 1);
  return turns < 1 ? 1 : smaller(turns, count);
}
static inline int64_t pieces_of(int64_t count, int64_t turns) { return ceiling(count, turns); }

/* ---- implementations, by primitive ---- */

/* fused.c: `run` with the rows in front, then the kernel behind, if there is one, of its few results. For driver.chained. */
error *cpu_run_then(const launch *l, const chains *with, void **kept, const char *op, error *(*run)(const launch *, const chains *));

error *cpu_reduce(const launch *l);
chained_run *cpu_reduce_with(const launch *l, const chains *c); /* driver.chained of it */
error *cpu_arg_reduce(const launch *l);
error *cpu_softmax(const launch *l);
chained_run *cpu_softmax_with(const launch *l, const chains *c);
const char *cpu_refuses_norm(const launch *l);
error *cpu_rms_norm(const launch *l);
chained_run *cpu_rms_norm_with(const launch *l, const chains *c); /* and of the norms */
chained_run *cpu_layer_norm_with(const launch *l, const chains *c);
error *cpu_layer_norm(const launch *l);
const char *cpu_refuses_norm_vjp(const launch *l);
error *cpu_rms_norm_vjp(const launch *l);
error *cpu_layer_norm_vjp(const launch *l);
error *cpu_log_sum_exp(const launch *l);
chained_run *cpu_log_sum_exp_with(const launch *l, const chains *c);
const char *cpu_refuses_cross_entropy(const launch *l);
error *cpu_cross_entropy(const launch *l);
chained_run *cpu_cross_entropy_with(const launch *l, const chains *c);
error *cpu_scan(const launch *l);
error *cpu_sort(const launch *l);
error *cpu_arg_sort(const launch *l);
error *cpu_partition(const launch *l);
error *cpu_arg_partition(const launch *l);
error *cpu_search_sorted(const launch *l);
error *cpu_matmul(const launch *l);
error *cpu_addmm(const launch *l);
error *cpu_int8_matmul(const launch *l);
error *cpu_fp8_matmul(const launch *l);
const char *cpu_refuses_attention(const launch *l);
error *cpu_attention(const launch *l);
const char *cpu_refuses_attention_vjp(const launch *l);
error *cpu_attention_vjp(const launch *l);
const char *cpu_refuses_across(const launch *l);
error *cpu_convolution_across(const launch *l);
const char *cpu_refuses_channels(const launch *l);
error *cpu_convolution_channels(const launch *l);
const char *cpu_refuses_conv_weights(const launch *l);
error *cpu_convolution_weights(const launch *l);
const char *cpu_refuses_windows(const launch *l);
error *cpu_convolution_windows(const launch *l);
error *cpu_convolution(const launch *l);
error *cpu_fft(const launch *l);
error *cpu_hadamard(const launch *l);
error *cpu_gather(const launch *l);
error *cpu_gather_axis(const launch *l);
error *cpu_scatter(const launch *l);
error *cpu_scatter_axis(const launch *l);
error *cpu_masked_scatter(const launch *l);
error *cpu_slice_update(const launch *l);
error *cpu_dynamic_slice(const launch *l);
error *cpu_dynamic_slice_update(const launch *l);
error *cpu_concatenate(const launch *l);
error *cpu_pad(const launch *l);
error *cpu_arange(const launch *l);
error *cpu_full(const launch *l);
error *cpu_load(const launch *l);
error *cpu_view(const launch *l);
error *cpu_number_of_elements(const launch *l);
error *cpu_random_bits(const launch *l);
error *cpu_divmod(const launch *l);
const char *cpu_refuses_without_lapack(const launch *l);
error *cpu_qr(const launch *l);
error *cpu_lu(const launch *l);
error *cpu_inverse(const launch *l);
error *cpu_cholesky(const launch *l);
error *cpu_svd(const launch *l);
error *cpu_solve_triangular(const launch *l);
error *cpu_eigh(const launch *l);
error *cpu_eig(const launch *l);
const char *cpu_refuses_quantize(const launch *l);
error *cpu_quantize(const launch *l);
error *cpu_to_fp8(const launch *l);
error *cpu_from_fp8(const launch *l);
const char *cpu_refuses_quantized_matmul(const launch *l);
error *cpu_quantized_matmul(const launch *l);
error *cpu_gather_qmm(const launch *l);
error *cpu_gather_mm(const launch *l);
error *cpu_segmented_mm(const launch *l);
const char *cpu_refuses_block_masked_mm(const launch *l);
error *cpu_block_masked_mm(const launch *l);
error *cpu_all_reduce(const launch *l);
error *cpu_all_gather(const launch *l);
error *cpu_reduce_scatter(const launch *l);
error *cpu_send(const launch *l);
error *cpu_recv(const launch *l);
#endif
