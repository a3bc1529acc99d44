/* codes_cpu.c: "int8 Matmul", "fp8 Matmul" and "fp8 AddMM" (device.h) in a device's place, where that has no memory for them: of floats that hold
   the codes, and of int8 the sums too. The CPU's own plans multiply floats anyway (plan/codes.c). Uses cpu/cpu.h, cpu/calls.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cpu.h"

static error *cast(const operand *from, const operand *to) {
  const uint8_t x = (uint8_t)from->dtype, y = (uint8_t)to->dtype;
  const kernel k = {1, 1, 1, {x}, {{ROW_cast, x, y, {0, -1, -1}}}, {1}};
  return cpu_run_kernel(&k, from, to);
}

static error *read_fp8(const operand *from, const operand *to) {
  const cast_params params = {to->dtype};
  const launch l = {&params, 1, 1, from, to};
  return cpu_from_fp8(&l);
}

/* Row-major memory for floats in the shape of x. */
typedef struct floats {
  operand operand;
  int64_t strides[PONS_MAX_NDIM];
  buffer *held;
} floats;

static error *floats_like(floats *f, const operand *x, pons_dtype dtype) {
  error *why = NULL;
  shape_row_major(x->ndim, x->shape, f->strides);
  f->held = buffer_new((size_t)operand_size(x) * pons_dtype_size(dtype), "matmul", &why);
  f->operand = (operand){why ? NULL : buffer_data(f->held), dtype, x->ndim, x->shape, f->strides};
  return why;
}

/* The product of the codes as floats of `dtype`, and what is added to it, to `out`, which is of that dtype. */
static error *multiply(const launch *l, pons_dtype dtype, error *(*read)(const operand *, const operand *), const operand *out) {
  floats values[2] = {0};
  error *why = NULL;
  for (int i = 0; i < 2 && !why; i++) {
    why = floats_like(&values[i], &l->in[i], dtype);
    if (!why) why = read(&l->in[i], &values[i].operand);
  }
  const operand in[] = {values[0].operand, values[1].operand, l->in[l->n_in - 1]};
  const launch product = {l->params, l->n_in, 1, in, out};
  if (!why) why = l->n_in == 3 ? cpu_addmm(&product) : cpu_matmul(&product);
  for (int i = 0; i < 2; i++) buffer_release(values[i].held);
  return why;
}

error *cpu_fp8_matmul(const launch *l) { return multiply(l, l->out->dtype, read_fp8, l->out); }

/* float64 holds every sum that int32 does. */
error *cpu_int8_matmul(const launch *l) {
  floats sums = {0};
  error *why = floats_like(&sums, l->out, PONS_FLOAT64);
  if (!why) why = multiply(l, PONS_FLOAT64, cast, &sums.operand);
  if (!why) why = cast(&sums.operand, l->out);
  buffer_release(sums.held);
  return why;
}
