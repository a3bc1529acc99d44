/* codes_cublaslt.c: "int8 Matmul", "fp8 Matmul" and "fp8 AddMM" (device.h) by cuBLASLt, on matrix units that take them: int8 from compute capability
   7.5 on, fp8 from 8.9 on and from a library of CUDA 11.8 on.

   NVIDIA's documents ask for the axis that is summed over to be the dense one of both operands ("TN", in the library's order: a, and b
   transposed), for addresses and steps that are multiples of 4 bytes (int8) or 16 (fp8), and sizes, too. What lies otherwise, as b of a plain a b
   does, is copied: that is a byte per element, where a cast would write two or four. Uses program.h, cublaslt.h, gpu/. */
#include "backends/cuda/cublaslt.h"
#include "backends/cuda/program.h"
#include <limits.h>

/* By the dtype of the codes. */
static bool is_int8(const launch *l) { return l->in[0].dtype == PONS_INT8; }
static int least_arch(const launch *l) { return is_int8(l) ? 75 : 89; }

static int oldest_arch(void) {
  int oldest = INT_MAX;
  for (int i = 0; i < cuda_count(); i++)
    if (cuda_card_at(i)->arch < oldest) oldest = cuda_card_at(i)->arch;
  return oldest;
}

/* The axis of in[which] that is summed over, and the other one of the matrices. */
static int inner_axis(const operand *x, int which) { return x->ndim - (which ? 2 : 1); }
static int outer_axis(const operand *x, int which) { return x->ndim - (which ? 1 : 2); }

/* Do steps suit the library? Of what begins at an address that does. */
static bool lies_well(const operand *x, int which, int align) {
  const int inner = inner_axis(x, which), outer = outer_axis(x, which);
  if (x->strides[inner] != 1 || (x->shape[outer] > 1 && x->strides[outer] < x->shape[inner])) return false;
  for (int i = 0; i < x->ndim; i++)
    if (i != inner && x->shape[i] > 1 && x->strides[i] % align != 0) return false;
  return true;
}

/* Operands as the library is given them: a, b, what is added. */
typedef struct laid {
  operand operands[3];
  int64_t strides[2][PONS_MAX_NDIM]; /* of copies */
  location copies[2];                /* memory NULL: it lies where it lay */
} laid;

static launch launch_of(const launch *l, const laid *y) { return (launch){l->params, l->n_in, 1, y->operands, l->out}; }

/* How a copy of in[which] lies; the number of its elements. What is broadcast over a batch stays one. */
static int64_t lay_copy(laid *y, const operand *x, int which) {
  int64_t size = 1, *strides = y->strides[which];
  for (int i = x->ndim; i-- > 0;) {
    const int axis = i == x->ndim - 1 ? inner_axis(x, which) : i == x->ndim - 2 ? outer_axis(x, which) : i;
    const bool repeats = i < x->ndim - 2 && x->strides[i] == 0;
    strides[axis] = repeats ? 0 : size;
    if (!repeats) size *= x->shape[axis];
  }
  y->operands[which] = *x;
  y->operands[which].strides = strides;
  return size;
}

/* Before it is known where they begin. */
static void lay_all(laid *y, const launch *l) {
  for (int i = 0; i < l->n_in; i++) y->operands[i] = l->in[i];
  for (int i = 0; i < 2; i++)
    if (!lies_well(&l->in[i], i, cublaslt_alignment(l->in[0].dtype))) lay_copy(y, &l->in[i], i);
}

static error *copy_laid(laid *y, const operand *x, int which) {
  error *why = NULL;
  int64_t shape[PONS_MAX_NDIM];
  location *at = &y->copies[which];
  const int64_t size = lay_copy(y, x, which);
  *at = (location){NULL, 0, ((const location *)x->data)->device};
  at->memory = gpu_cuda.memory->take(at->device, (size_t)size, &why);
  if (!at->memory) return why;
  y->operands[which].data = at;
  operand from = *x, to = y->operands[which];
  for (int i = 0; i < x->ndim; i++) shape[i] = i < x->ndim - 2 && to.strides[i] == 0 ? 1 : x->shape[i];
  from.shape = to.shape = shape;
  return gpu_copy_to(&gpu_cuda, &from, &to);
}

/* ---- implementations ---- */

const char *cublaslt_refuses_codes(const launch *l) {
  const int align = cublaslt_alignment(l->in[0].dtype);
  const pons_dtype y = l->out->dtype;
  if (cublaslt_missing()) return cublaslt_missing();
  if (oldest_arch() < least_arch(l)) return "a device's matrix units don't take such codes";
  if (!is_int8(l) && y != PONS_FLOAT16 && y != PONS_BFLOAT16 && !(y == PONS_FLOAT32 && cuda_wants_tf32()))
    return "the units' sums of fp8 products have fewer digits than such a result";
  if (shape_size(l->out->ndim, l->out->shape) == 0 || l->in[0].shape[l->out->ndim - 1] == 0) return "it is empty";
  if (l->in[0].shape[l->out->ndim - 1] % align || l->out->shape[l->out->ndim - 1] % align)
    return "columns, or what is summed over, are no multiples of 4 (int8) or 16 (fp8)";
  laid operands;
  lay_all(&operands, l);
  const launch as_laid = launch_of(l, &operands);
  return cublaslt_has_algorithm(&as_laid) ? NULL : "cuBLASLt has no algorithm for it";
}

static error *run(const launch *l, const epilogue *e) {
  const int align = cublaslt_alignment(l->in[0].dtype);
  laid y = {.operands = {l->in[0], l->in[1], l->in[l->n_in - 1]}};
  error *why = NULL;
  for (int i = 0; i < 2 && !why; i++)
    if (!lies_well(&l->in[i], i, align) || !gpu_is_aligned(&l->in[i], align)) why = copy_laid(&y, &l->in[i], i);
  const launch as_laid = launch_of(l, &y);
  epilogue_run *multiply = l->n_in == 3 ? cublaslt_addmm_with : e->added ? cublaslt_matmul_with_row : cublaslt_matmul_with;
  if (!why) why = multiply(&as_laid, e);
  for (int i = 0; i < 2; i++)
    if (y.copies[i].memory) gpu_cuda.memory->give(y.copies[i].device, y.copies[i].memory);
  return why;
}

error *cublaslt_multiply_codes(const launch *l) { return run(l, &(epilogue){0}); }

/* A row may be added; a matrix would have to be aligned as codes are. What follows sums of int8 is done by the kernel that casts them. */
epilogue_run *cublaslt_codes_epilogue(const launch *l, const epilogue *e) {
  if (is_int8(l) || (e->added && operand_is_row_major(e->added))) return NULL;
  laid operands;
  lay_all(&operands, l);
  const launch as_laid = launch_of(l, &operands);
  return (l->n_in == 3 ? cublaslt_addmm_epilogue(&as_laid, e) : cublaslt_matmul_epilogue(&as_laid, e)) ? run : NULL;
}
