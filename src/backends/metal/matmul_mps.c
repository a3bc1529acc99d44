/* matmul_mps.c: "Matmul" of float32 and float16 by MPSMatrixMultiplication. It takes matrices of whole rows, each operand as it
   lies or turned, and as many of them as lie equally far from each other. What is small, or lies otherwise, is for Pons' own
   kernel. Uses metal.h, gpu/. */
#include "backends/metal/metal.h"

/* ---- problems ---- */

/* A matrix as it lies: `rows` lines of `columns` elements, `step` elements apart. */
typedef struct side {
  int64_t rows, columns, step, batch_step;
  bool turned;
} side;
typedef struct problem {
  int64_t m, n, k, batch;
  side a, b;
} problem;

/* False: neither of the last two axes is dense. */
static bool lay_side(side *s, const operand *x) {
  const int64_t rows = x->shape[x->ndim - 2], columns = x->shape[x->ndim - 1];
  const int64_t down = x->strides[x->ndim - 2], across = x->strides[x->ndim - 1];
  s->turned = !(across == 1 && down >= columns);
  if (s->turned && !(down == 1 && across >= rows)) return false;
  s->rows = s->turned ? columns : rows;
  s->columns = s->turned ? rows : columns;
  s->step = s->turned ? across : down;
  return true;
}

/* The leading axes, as one. Rows of all matrices of a are one matrix where b is the same for all. */
static const char *lay_batch(problem *p, const operand *a, const operand *b, const operand *out) {
  const gpu_walk w =
      gpu_walk_of(out->ndim - 2, out->shape, 2, (const int64_t *const[]){a->strides, b->strides});
  p->batch = 1;
  if (w.n == 0) return NULL;
  if (w.n > 1) return "matrices are not equally far from each other";
  const int64_t count = w.sizes[0], of_a = w.strides[0][0], of_b = w.strides[1][0];
  if (of_b == 0 && !p->a.turned && of_a == p->m * p->a.step) {
    p->m *= count;
    p->a.rows *= count;
    return NULL;
  }
  if (of_a < p->a.rows * p->a.step || of_b < p->b.rows * p->b.step) return "an operand is repeated";
  p->batch = count;
  p->a.batch_step = of_a;
  p->b.batch_step = of_b;
  return NULL;
}

enum { SMALL = 16 };
static const char *lay(problem *p, const launch *l) {
  const operand *a = &l->in[0], *b = &l->in[1], *out = &l->out[0];
  if (out->dtype != PONS_FLOAT32 && out->dtype != PONS_FLOAT16) return "neither float32 nor float16";
  *p = (problem){.m = out->shape[out->ndim - 2], .n = out->shape[out->ndim - 1], .k = a->shape[a->ndim - 1]};
  if (p->m < SMALL || p->n < SMALL || p->k < SMALL) return "a small product";
  if (!lay_side(&p->a, a) || !lay_side(&p->b, b)) return "neither of an operand's last axes is dense";
  return lay_batch(p, a, b, out);
}

const char *metal_refuses_matmul(const launch *l) {
  problem p;
  const char *why = lay(&p, l);
  if (why) return why;
  return metal_count() && metal_class("MPSMatrixMultiplication") ? NULL
                                                                 : "MetalPerformanceShaders is not there";
}

/* ---- products ---- */

/* What is to be multiplied, but for the memories: the sides, then the result. */
typedef struct product {
  problem p;
  size_t offsets[3]; /* bytes */
  pons_dtype dtype;
} product;

static id new_matrix(const product *x, int i, const metal_memory *m) {
  const problem *p = &x->p;
  const side of_result = {p->m, p->n, p->n, p->m * p->n, false};
  const side *s = i == 0 ? &p->a : i == 1 ? &p->b : &of_result;
  const size_t bytes = pons_dtype_size(x->dtype);
  id descriptor = metal_matrix_descriptor(
      metal_class("MPSMatrixDescriptor"), (NSUInteger)s->rows, (NSUInteger)s->columns, (NSUInteger)p->batch,
      (NSUInteger)s->step * bytes, (NSUInteger)(p->batch > 1 ? s->batch_step : s->rows * s->step) * bytes,
      x->dtype == PONS_FLOAT32 ? MPSDataTypeFloat32 : MPSDataTypeFloat16);
  return metal_init_matrix(metal_alloc(metal_class("MPSMatrix")), m->buffer, x->offsets[i], descriptor);
}

static id new_product(metal_device *d, const problem *p) {
  return metal_init_product(metal_alloc(metal_class("MPSMatrixMultiplication")), d->device, p->a.turned,
                            p->b.turned, (NSUInteger)p->m, (NSUInteger)p->n, (NSUInteger)p->k, 1.0, 0.0);
}

static error *encode(metal_device *d, const product *x, id buffer, metal_memory *const *memories) {
  const problem *p = &x->p;
  id matrices[3], product = new_product(d, p);
  bool all = product != NULL;
  for (int i = 0; i < 3; i++) {
    matrices[i] = new_matrix(x, i, memories[i]);
    all &= matrices[i] != NULL;
    metal_use(d, memories[i], i == 2);
  }
  if (all) {
    metal_encode_product(product, buffer, matrices[0], matrices[1], matrices[2]);
    metal_encoded(d, 1);
  }
  for (int i = 0; i < 3; i++) metal()->objc_release(matrices[i]);
  metal()->objc_release(product);
  return all ? NULL
             : fail_as(PONS_ERROR_RUNTIME, "matmul",
                       "no MPSMatrixMultiplication for (%lld, %lld) by (%lld, %lld)", (long long)p->m,
                       (long long)p->k, (long long)p->k, (long long)p->n);
}

static error *multiply(metal_device *d, const void *context, metal_memory *const *memories) {
  error *why = metal_blame(d, memories[0]->written);
  if (!why) why = metal_blame(d, memories[1]->written);
  id buffer = why ? NULL : metal_buffer_of(d, &why);
  return buffer ? encode(d, context, buffer, memories) : why;
}

error *metal_matmul(const launch *l) {
  const operand *const x[] = {&l->in[0], &l->in[1], &l->out[0]};
  metal_memory *memories[3];
  product of = {.dtype = l->out->dtype};
  lay(&of.p, l);
  if (shape_size(l->out->ndim, l->out->shape) == 0) return NULL;
  for (int i = 0; i < 3; i++) {
    memories[i] = ((const location *)x[i]->data)->memory;
    of.offsets[i] = (size_t)((const location *)x[i]->data)->offset;
  }
  return metal_call_library(((const location *)l->out->data)->device, &(metal_call){multiply, &of, sizeof of, 3, memories});
}
