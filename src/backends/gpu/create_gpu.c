/* create_gpu.c: launches create.kc: "Arange", "RandomBits", and memory filled with one element. Uses gpu.h, typing.h. */
#include "backends/gpu/gpu.h"
#include "backends/gpu/typing.h"

extern const char kernel_create[];

error *gpu_fill(const gpu_backend *b, const operand *out, uint64_t bits) {
  const int64_t count = shape_size(out->ndim, out->shape);
  gpu_call c = gpu_call_for(b, out);
  gpu_define_dtype(&c, "X", gpu_moved_as(out->dtype));
  gpu_define(&c, "FILLED", 1);
  gpu_written(&c, out);
  gpu_begin_numbers(&c);
  gpu_number(&c, count);
  gpu_number(&c, (int64_t)bits);
  gpu_one_each(&c, count);
  return gpu_run(&c, kernel_create, "fill");
}

/* ---- Arange ---- */

const char *gpu_refuses_arange(const gpu_backend *b, const launch *l) {
  (void)b;
  return shape_size(l->out->ndim, l->out->shape) == 0 ? "there are no elements" : NULL;
}

/* Start and step as the bits of what is computed in: both are formed from the ends, which are rounded to the dtype. */
static void add_ends(gpu_call *c, const arange_params *p, pons_dtype d) {
  char ends[2][8];
  memset(ends, 0, sizeof ends);
  dtype_write(d, ends[0], p->start);
  dtype_write(d, ends[1], p->start + p->step);
  if (d == PONS_FLOAT64) {
    double first, second;
    int64_t bits;
    memcpy(&first, ends[0], sizeof first);
    memcpy(&second, ends[1], sizeof second);
    second -= first;
    memcpy(&bits, &first, sizeof bits);
    gpu_number(c, bits);
    memcpy(&bits, &second, sizeof bits);
    gpu_number(c, bits);
  } else if (dtype_kind_of(d) == KIND_FLOAT) {
    const float first = (float)dtype_read(d, ends[0]), second = (float)dtype_read(d, ends[1]);
    gpu_number_float(c, first);
    gpu_number_float(c, second - first);
  } else {
    const int64_t first = dtype_read_int(d, ends[0]), second = dtype_read_int(d, ends[1]);
    gpu_number(c, first);
    gpu_number(c, (int64_t)((uint64_t)second - (uint64_t)first));
  }
}

error *gpu_arange(const gpu_backend *b, const launch *l) {
  const pons_dtype d = l->out->dtype;
  const int64_t count = shape_size(l->out->ndim, l->out->shape);
  gpu_call c = gpu_call_for(b, l->out);
  gpu_define_dtype(&c, "Y", d);
  if (d == PONS_FLOAT64) {
    gpu_define_text(&c, "OF_BITS(n)", "k_from_bits_f64((uint64_t)(n))");
    gpu_define_text(&c, "STEP(start, step, i)", "((start) + (double)(i) * (step))");
  } else if (dtype_kind_of(d) == KIND_FLOAT) {
    gpu_define_text(&c, "OF_BITS(n)", "k_from_bits_f32((uint32_t)(n))");
    gpu_define_text(&c, "STEP(start, step, i)", "((start) + (float)(i) * (step))");
  } else {
    gpu_define_text(&c, "OF_BITS(n)", "(n)");
    gpu_define_text(&c, "STEP(start, step, i)",
                    "((Y_value)((uint64_t)(start) + (uint64_t)(i) * (uint64_t)(step)))");
  }
  gpu_written(&c, l->out);
  gpu_begin_numbers(&c);
  gpu_number(&c, count);
  add_ends(&c, l->params, d);
  gpu_one_each(&c, count);
  return gpu_run(&c, kernel_create, "arange");
}

/* ---- RandomBits ---- */

const char *gpu_refuses_random_bits(const gpu_backend *b, const launch *l) {
  (void)b;
  return shape_size(l->out->ndim, l->out->shape) == 0 ? "there are no elements" : NULL;
}

error *gpu_random_bits(const gpu_backend *b, const launch *l) {
  const operand *keys = l->in;
  operand out = *l->out;
  const int last = keys->ndim - 1;
  const gpu_walk rows = gpu_walk_of(last, keys->shape, 1, (const int64_t *const[]){keys->strides});
  const int64_t count = gpu_walk_size(&rows);
  const int64_t bytes = shape_size(out.ndim, out.shape) * (int64_t)pons_dtype_size(out.dtype) / count;
  out.dtype = PONS_UINT8;
  gpu_call c = gpu_call_for(b, &out);
  gpu_written(&c, &out);
  gpu_read(&c, keys);
  gpu_begin_numbers(&c);
  gpu_number(&c, count * ((bytes + 3) / 4));
  gpu_number(&c, bytes);
  gpu_number(&c, (bytes + 3) / 4);
  gpu_number(&c, keys->strides[last]);
  gpu_number(&c, 0);
  gpu_number_walk(&c, 4, &rows);
  c.wide |= count * bytes > INT32_MAX;
  gpu_one_each(&c, count * ((bytes + 3) / 4));
  return gpu_run(&c, kernel_create, "random_bits");
}
