/* grouped_tensor.c: launches grouped_tensor.kc: products of many single rows with matrices that a sorted list names, in float16 and
   bfloat16. Uses program.h, gpu/matmul_gpu.h. */
#include "backends/cuda/program.h"
#include "backends/gpu/matmul_gpu.h"

extern const char kernel_grouped_tensor[];

/* As in the kernel. */
enum {
  ROWS = 64,
  COLUMNS = 128,
  STRIDE = 64 + 8,
  STAGES = 3,
  THREADS = 128,
  SHARED_BYTES = STAGES * (ROWS + COLUMNS) * STRIDE * 2
};
enum { MOST_GROUPS = 65535 };

const char *cuda_refuses_grouped(const gpu_product *p) {
  const pons_dtype d = p->out->dtype;
  if (d != PONS_FLOAT16 && d != PONS_BFLOAT16) return "it is for float16 and bfloat16";
  if (p->a.dtype != d || p->b.dtype != d) return "the operands are of several dtypes";
  if (!p->sorted || p->m != 1) return "it is for single rows in the order of their matrices";
  if (p->n % 2 != 0) return "the columns are an odd number";
  if (p->count > (int64_t)MOST_GROUPS * ROWS) return "there are too many rows";
  if (!cuda_lines_are_aligned(&p->a, p->a.ndim - 1) || !cuda_lines_are_aligned(&p->b, p->b.ndim - 2))
    return "lines along k are not aligned to 16 bytes";
  return cuda_refuses_matrix_unit(SHARED_BYTES);
}

error *cuda_multiply_grouped(const gpu_product *p) {
  const operand *a = &p->a, *b = &p->b;
  if (!gpu_is_aligned(a, GPU_WIDE) || !gpu_is_aligned(b, GPU_WIDE) || !gpu_is_aligned(p->out, 4)) return error_declined();
  const gpu_walk lists = gpu_walk_of(p->lhs->ndim, p->lhs->shape, 2,
                                     (const int64_t *const[]){p->lhs->strides, p->rhs->strides}),
                 rows = gpu_walk_of(a->ndim - 2, a->shape, 1, (const int64_t *const[]){a->strides}),
                 matrices = gpu_walk_of(b->ndim - 2, b->shape, 1, (const int64_t *const[]){b->strides});
  gpu_call c = gpu_call_for(&gpu_cuda, p->out);
  gpu_define_dtype(&c, "X", p->out->dtype);
  cuda_define_half(&c, p->out->dtype);
  gpu_written(&c, p->out);
  error *why = gpu_add_faults(&c);
  gpu_read(&c, a);
  gpu_read(&c, b);
  gpu_read(&c, p->lhs);
  gpu_read(&c, p->rhs);
  gpu_begin_numbers(&c);
  gpu_number(&c, p->count);
  gpu_number(&c, p->n);
  gpu_number(&c, p->k);
  gpu_number(&c, p->n > 1 ? b->strides[b->ndim - 1] : 0);
  for (int i = 4; i < 7; i++) gpu_number(&c, 0);
  gpu_number(&c, gpu_walk_size(&rows));
  gpu_number(&c, gpu_walk_size(&matrices));
  gpu_number(&c, gpu_index_kind(p->lhs->dtype));
  gpu_number(&c, gpu_index_kind(p->rhs->dtype));
  gpu_number(&c, p->op);
  gpu_number_walk(&c, 4, &lists);
  gpu_number_walk(&c, 5, &rows);
  gpu_number_walk(&c, 6, &matrices);
  c.group[0] = THREADS;
  c.groups[0] = ceiling(p->n, COLUMNS);
  c.groups[1] = ceiling(p->count, ROWS);
  c.shared_bytes = SHARED_BYTES;
  return why ? why : gpu_run(&c, kernel_grouped_tensor, "grouped_tensor");
}
