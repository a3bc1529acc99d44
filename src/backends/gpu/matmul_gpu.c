/* matmul_gpu.c: launches matmul.kc: "Matmul", "AddMM", "GatherMM". Uses gpu.h, typing.h. */
#include "backends/gpu/matmul_gpu.h"
#include "backends/gpu/typing.h"

extern const char kernel_matmul[];

enum {
  STEP_SIDE = 16,
  FEW_ROWS = 4,
  WIDE = 32,
  SLICES = 8,
  MOST_MATRICES = 65535,
  MOST_COLUMNS = 65535 * 16
};

/* ---- arithmetic ---- */

static void define_cast(gpu_call *c, const char *name, pons_dtype from, pons_dtype to) {
  if (from == to || (gpu_wide_dtype(from) == to && from != PONS_BOOL))
    gpu_define_text(c, name, "(x)");
  else
    gpu_define_texts(c, name, (const char *const[]){"((", gpu_typings[to].value, ")(x))", NULL});
}

static const char *const activation_texts[ACTIVATION_COUNT] = {
    [ACTIVATION_NONE] = "(x)", [ACTIVATION_RELU] = "k_max_f32(x, 0.0f)", [ACTIVATION_GELU_TANH] = "gelu(x)"};

static void define_arithmetic(gpu_call *c, const gpu_product *p) {
  const pons_dtype wide = gpu_wide_dtype(p->out->dtype);
  const char *suffix = gpu_typings[wide].suffix;
  gpu_define_dtype(c, "A", wide);
  gpu_define_dtype(c, "Y", p->out->dtype);
  gpu_define_dtype(c, "P", p->a.dtype);
  gpu_define_dtype(c, "Q", p->b.dtype);
  define_cast(c, "TAKEN_P(x)", p->a.dtype, wide);
  define_cast(c, "TAKEN_Q(x)", p->b.dtype, wide);
  gpu_define_text(c, "GIVEN(x)", activation_texts[p->activation]);
  if (p->activation == ACTIVATION_GELU_TANH) gpu_define_text(c, "GELU", "");
  gpu_define_texts(c, "ADD(a, b)", (const char *const[]){"k_add_", suffix, "(a, b)", NULL});
  if (wide == PONS_COMPLEX64)
    gpu_define_text(c, "MULTIPLY(a, b)", "complex_times(a, b)");
  else
    gpu_define_texts(c, "MULTIPLY(a, b)", (const char *const[]){"k_mul_", suffix, "(a, b)", NULL});
  if (wide == PONS_FLOAT32 || wide == PONS_FLOAT64)
    gpu_define_texts(c, "MULTIPLY_ADD(s, a, b)", (const char *const[]){"k_fma_", suffix, "(a, b, s)", NULL});
  else
    gpu_define_text(c, "MULTIPLY_ADD(s, a, b)", "ADD(s, MULTIPLY(a, b))");
  gpu_define_text(c, "ZERO", wide == PONS_COMPLEX64 ? "complex_of(0, 0)" : "0");
  if (wide == PONS_COMPLEX64)
    gpu_define_text(c, "ALPHA(n)", "complex_of(k_from_bits_f32((uint32_t)(n)), 0)");
  else
    gpu_define_text(c, "ALPHA(n)", "((A_value)k_from_bits_f32((uint32_t)(n)))");
}

/* ---- numbers ---- */

static int64_t magnitude(int64_t stride) { return stride < 0 ? -stride : stride; }

/* Does b lie along k, rather than across it? */
static bool lies_along(const operand *b) {
  return magnitude(b->strides[b->ndim - 2]) <= magnitude(b->strides[b->ndim - 1]);
}

static void add_numbers(gpu_call *c, const gpu_product *p) {
  const int n = p->out->ndim, na = p->a.ndim, nb = p->b.ndim;
  const int64_t none[PONS_MAX_NDIM] = {0};
  gpu_begin_numbers(c);
  gpu_number(c, p->m);
  gpu_number(c, p->n);
  gpu_number(c, p->k);
  gpu_number(c, p->count);
  gpu_number(c, 0);
  gpu_number(c, p->a.strides[na - 2]);
  gpu_number(c, p->a.strides[na - 1]);
  gpu_number(c, p->b.strides[nb - 2]);
  gpu_number(c, p->b.strides[nb - 1]);
  gpu_number(c, p->c ? p->c->strides[n - 2] : 0);
  gpu_number(c, p->c ? p->c->strides[n - 1] : 0);
  gpu_number_float(c, p->alpha);
  gpu_number_float(c, p->beta);
  for (int i = 13; i < 17; i++) gpu_number(c, 0);
  gpu_number(c, magnitude(p->a.strides[na - 1]) <= magnitude(p->a.strides[na - 2]));
  gpu_number(c, lies_along(&p->b));
  gpu_number(c, p->lhs ? gpu_index_kind(p->lhs->dtype) : 0);
  gpu_number(c, p->rhs ? gpu_index_kind(p->rhs->dtype) : 0);
  if (p->lhs) {
    const gpu_walk places = gpu_walk_of(p->lhs->ndim, p->lhs->shape, 2,
                                        (const int64_t *const[]){p->lhs->strides, p->rhs->strides});
    const gpu_walk of_a = gpu_walk_of(na - 2, p->a.shape, 1, (const int64_t *const[]){p->a.strides});
    const gpu_walk of_b = gpu_walk_of(nb - 2, p->b.shape, 1, (const int64_t *const[]){p->b.strides});
    gpu_number_walk(c, 4, &places);
    gpu_number_walk(c, 13, &of_a);
    gpu_number_walk(c, 14, &of_b);
    c->numbers[c->first + 15] = gpu_walk_size(&of_a);
    c->numbers[c->first + 16] = gpu_walk_size(&of_b);
  } else {
    const gpu_walk batch =
        gpu_walk_of(n - 2, p->out->shape, 3,
                    (const int64_t *const[]){p->a.strides, p->b.strides, p->c ? p->c->strides : none});
    gpu_number_walk(c, 4, &batch);
  }
}

/* ---- which way ---- */

/* A product with one column is the transposed product with one row. */
static void turn(gpu_product *p) {
  const operand a = p->a;
  p->a = p->b;
  p->b = a;
  const int64_t m = p->m;
  p->m = p->n;
  p->n = m;
}

static void swap_last(operand *o, int64_t *strides) {
  memcpy(strides, o->strides, (size_t)o->ndim * sizeof *strides);
  const int64_t last = strides[o->ndim - 1];
  strides[o->ndim - 1] = strides[o->ndim - 2];
  strides[o->ndim - 2] = last;
  o->strides = strides;
}

static void set_vector(gpu_call *c, const gpu_product *p, bool along) {
  gpu_define_text(c, along ? "ALONG" : "ACROSS", "");
  if (along) {
    c->group[0] = gpu_group_for(c, 64, 64);
    c->groups[0] = p->n;
    gpu_define(c, "GROUP", c->group[0]);
  } else {
    const int most = gpu_group_for(c, WIDE * SLICES, WIDE * SLICES), wide = most < WIDE ? most : WIDE;
    gpu_define(c, "WIDE", wide);
    gpu_define(c, "SLICES", most / wide);
    c->group[0] = most;
    c->groups[0] = ceiling(p->n, wide);
  }
}

static void set_blocks(gpu_call *c, const gpu_product *p) {
  int side = STEP_SIDE;
  gpu_define_text(c, "BLOCKS", "");
  while (side > 1 && side * side > c->backend->features(c->index)->max_group) side /= 2;
  gpu_define(c, "SIDE", side);
  c->group[0] = side * side;
  c->groups[0] = (p->m + 4 * side - 1) / (4 * side);
  c->groups[1] = (p->n + 4 * side - 1) / (4 * side);
}

/* Each group reads a matrix once for up to 64 rows. */
enum { LEAST_ROWS_EACH = 2, LEAST_ROWS = 32 };
bool gpu_is_grouped(const gpu_backend *b, const gpu_product *p) {
  const int64_t matrices = shape_size(p->b.ndim - 2, p->b.shape);
  return p->lhs && p->count >= LEAST_ROWS && p->count >= LEAST_ROWS_EACH * matrices && b->multiply_grouped &&
         !b->refuses_grouped(p);
}

error *gpu_multiply(const gpu_backend *b, gpu_product p) {
  if (gpu_is_grouped(b, &p)) {
    error *done = b->multiply_grouped(&p);
    if (done != error_declined()) return done;
  }
  int64_t a_strides[PONS_MAX_NDIM], b_strides[PONS_MAX_NDIM], c_strides[PONS_MAX_NDIM];
  operand c_turned;
  if (p.n == 1 && p.m > 1 && !p.lhs) {
    turn(&p);
    swap_last(&p.a, a_strides);
    swap_last(&p.b, b_strides);
    if (p.c) {
      c_turned = *p.c;
      swap_last(&c_turned, c_strides);
      p.c = &c_turned;
    }
  }
  gpu_call c = gpu_call_for(b, p.out);
  error *why = NULL;
  define_arithmetic(&c, &p);
  gpu_written(&c, p.out);
  if (p.lhs) {
    gpu_define_text(&c, "INDEXED", "");
    gpu_define(&c, "OP", p.op);
    why = gpu_add_faults(&c);
  }
  gpu_read(&c, &p.a);
  gpu_read(&c, &p.b);
  if (p.lhs) gpu_read(&c, p.lhs), gpu_read(&c, p.rhs);
  if (p.c) gpu_read(&c, p.c), gpu_define_text(&c, "HAS_C", "");
  add_numbers(&c, &p);
  c.groups[2] = p.count < MOST_MATRICES ? p.count : MOST_MATRICES;
  const bool along = lies_along(&p.b);
  const char *entry = p.m <= FEW_ROWS ? (along ? "vector_along" : "vector_across") : "matmul";
  if (p.m <= FEW_ROWS)
    set_vector(&c, &p, along);
  else
    set_blocks(&c, &p);
  return why ? why : gpu_run(&c, kernel_matmul, entry);
}

gpu_batch gpu_batch_of(const launch *l) {
  gpu_batch s;
  const operand *const operands[] = {&l->in[0], &l->in[1], l->out};
  const size_t bytes = (size_t)(l->out->ndim - 2) * sizeof(int64_t);
  int64_t *lists[3];
  memcpy(s.sizes, l->out->shape, bytes);
  for (int i = 0; i < 3; i++) lists[i] = memcpy(s.strides[i], operands[i]->strides, bytes);
  s.n = shape_collapse(l->out->ndim - 2, s.sizes, 3, lists);
  return s;
}

int64_t gpu_batch_parts(const gpu_batch *s) { return s->n > 1 ? shape_size(s->n - 1, s->sizes) : 1; }

int64_t gpu_batch_place(const gpu_batch *s, int which, int64_t part) {
  int64_t place = 0;
  for (int d = s->n - 2; d >= 0; part /= s->sizes[d], d--) place += part % s->sizes[d] * s->strides[which][d];
  return place;
}

gpu_product gpu_product_of(const launch *l) {
  const operand *a = &l->in[0], *b = &l->in[1];
  return (gpu_product){.out = l->out,
                       .a = *a,
                       .b = *b,
                       .m = a->shape[a->ndim - 2],
                       .k = a->shape[a->ndim - 1],
                       .n = b->shape[b->ndim - 1],
                       .count = shape_size(l->out->ndim - 2, l->out->shape),
                       .alpha = 1};
}

const char *gpu_refuses_matmul(const gpu_backend *b, const launch *l) {
  (void)b;
  if (l->in[1].shape[l->in[1].ndim - 1] > MOST_COLUMNS) return "there are too many columns";
  return shape_size(l->out->ndim, l->out->shape) == 0 ? "there are no elements" : NULL;
}
const char *gpu_refuses_addmm(const gpu_backend *b, const launch *l) { return gpu_refuses_matmul(b, l); }

bool gpu_has_matmul_epilogue(const launch *l, const epilogue *e) {
  return (!e->activation || gpu_activates(l->out->dtype)) && !(e->added && l->n_in > 2);
}

error *gpu_matmul_with(const gpu_backend *b, const launch *l, const epilogue *e) {
  gpu_product p = gpu_product_of(l);
  p.c = e->added;
  p.beta = 1;
  p.activation = e->activation;
  return gpu_multiply(b, p);
}

error *gpu_addmm_with(const gpu_backend *b, const launch *l, const epilogue *e) {
  const addmm_params *params = l->params;
  gpu_product p = gpu_product_of(l);
  p.c = &l->in[2];
  p.alpha = params->alpha;
  p.beta = params->beta;
  p.activation = e->activation;
  return gpu_multiply(b, p);
}

error *gpu_matmul(const gpu_backend *b, const launch *l) { return gpu_matmul_with(b, l, &(epilogue){0}); }
error *gpu_addmm(const gpu_backend *b, const launch *l) { return gpu_addmm_with(b, l, &(epilogue){0}); }

const char *gpu_refuses_gather_mm(const gpu_backend *b, const launch *l) {
  if (shape_size(l->in[0].ndim, l->in[0].shape) == 0 || shape_size(l->in[1].ndim, l->in[1].shape) == 0)
    return "there are no elements";
  return gpu_refuses_matmul(b, l);
}

error *gpu_gather_mm(const gpu_backend *b, const launch *l) {
  gpu_product p = gpu_product_of(l);
  p.lhs = &l->in[2];
  p.rhs = &l->in[3];
  p.op = GPU_OP_GATHER_MM;
  p.sorted = ((const gather_mm_params *)l->params)->right_sorted;
  p.count = shape_size(p.lhs->ndim, p.lhs->shape);
  return gpu_multiply(b, p);
}
