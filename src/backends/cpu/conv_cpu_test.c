/* conv_cpu_test.c: "Convolution" in one to three dimensions, and the gradient by a grouped one's weight, against the
   definition, in double. */
#include "backends/cpu/cpu.h"
#include "backends/cpu/operands_for_tests.h"

typedef struct conv_case {
  int n;
  int64_t x[5], w[5], out[5];
  int64_t stride[3], low[3], high[3], kernel_dilation[3], input_dilation[3];
  int groups;
  bool flip;
} conv_case;

/* Where position `k` of the kernel meets x at a place `at` of the result; false: outside, or between elements. */
static bool meets(const conv_case *c, const int64_t *at, int64_t k, int64_t *x_at, int64_t *w_at) {
  bool inside = true;
  x_at[0] = at[0], w_at[0] = at[c->n + 1];
  for (int d = c->n - 1; d >= 0; d--) {
    const int64_t j = k % c->w[d + 1];
    k /= c->w[d + 1];
    w_at[d + 1] = c->flip ? c->w[d + 1] - 1 - j : j;
    const int64_t spread = at[d + 1] * c->stride[d] + j * c->kernel_dilation[d] - c->low[d];
    inside = inside && spread >= 0 && spread % c->input_dilation[d] == 0 &&
             spread / c->input_dilation[d] < c->x[d + 1];
    x_at[d + 1] = spread / c->input_dilation[d];
  }
  return inside;
}

static int64_t positions_of(const conv_case *c) {
  int64_t positions = 1;
  for (int d = 0; d < c->n; d++) positions *= c->w[d + 1];
  return positions;
}

static double place_value(const conv_case *c, const made *x, const made *w, const int64_t *at) {
  const int64_t group_in = c->w[c->n + 1];
  double sum = 0;
  for (int64_t k = 0; k < positions_of(c); k++) {
    int64_t x_at[5], w_at[5];
    if (!meets(c, at, k, x_at, w_at)) continue;
    for (int64_t ch = 0; ch < group_in; ch++) {
      x_at[c->n + 1] = at[c->n + 1] / (c->w[0] / c->groups) * group_in + ch;
      w_at[c->n + 1] = ch;
      sum += dtype_read(x->op.dtype, made_at(x, x_at)) * dtype_read(w->op.dtype, made_at(w, w_at));
    }
  }
  return sum;
}

static bool sizes_of_result(conv_case *c) {
  c->out[0] = c->x[0];
  c->out[c->n + 1] = c->w[0];
  for (int d = 0; d < c->n; d++) {
    int64_t inside =
        (c->x[d + 1] ? (c->x[d + 1] - 1) * c->input_dilation[d] + 1 : 0) + c->low[d] + c->high[d];
    int64_t reach = (c->w[d + 1] - 1) * c->kernel_dilation[d] + 1;
    if (inside < reach) return false;
    c->out[d + 1] = (inside - reach) / c->stride[d] + 1;
  }
  return true;
}

static void place_of(const conv_case *c, int64_t i, int64_t *at) {
  for (int k = c->n + 1; k >= 0; k--) at[k] = i % c->out[k], i /= c->out[k];
}

static void check_result(const conv_case *c, const made *x, const made *w, const made *y) {
  double terms = 4;
  for (int k = 1; k < c->n + 2; k++) terms *= (double)c->w[k];
  for (int64_t i = 0; i < operand_size(&y->op); i++) {
    int64_t at[5];
    place_of(c, i, at);
    check_near(made_value(y, i), place_value(c, x, w, at), precision_of(y->op.dtype) * (1 + terms),
               pons_dtype_name(y->op.dtype));
  }
}

/* The gradient by the weight: what it meets times the cotangent `ct` there, in the order of the places. */
static void check_weights(const conv_case *c, const made *x, const made *ct, const made *g) {
  const int64_t places = operand_size(&ct->op), count = operand_size(&g->op), group_in = c->w[c->n + 1];
  double *sums = calloc((size_t)count + 1, sizeof *sums);
  for (int64_t i = 0; i < places; i++) {
    int64_t at[5], x_at[5], w_at[5];
    place_of(c, i, at);
    for (int64_t k = 0; k < positions_of(c); k++) {
      if (!meets(c, at, k, x_at, w_at)) continue;
      int64_t index = w_at[0];
      for (int d = 0; d < c->n; d++) index = index * c->w[d + 1] + w_at[d + 1];
      for (int64_t ch = 0; ch < group_in; ch++) {
        x_at[c->n + 1] = at[c->n + 1] / (c->w[0] / c->groups) * group_in + ch;
        sums[index * group_in + ch] += dtype_read(x->op.dtype, made_at(x, x_at)) * made_value(ct, i);
      }
    }
  }
  for (int64_t i = 0; i < count; i++)
    check_near(made_value(g, i), sums[i], precision_of(g->op.dtype), pons_dtype_name(g->op.dtype));
  free(sums);
}

static void check_weight_gradient(conv_case *c, pons_dtype d, const made *x, bool any_layout) {
  made ct, g;
  make(&ct, d, c->n + 2, c->out, any_layout);
  make_out(&g, d, c->n + 2, c->w);
  conv_weight_params p = {{c->n, c->stride}, {c->n, c->low}, {c->n, c->kernel_dilation}, {c->n, c->input_dilation},
                          {c->n, c->w + 1},  c->groups,      c->flip};
  operand in[] = {x->op, ct.op};
  launch l = {&p, 2, 1, in, &g.op};
  if (!cpu_refuses_conv_weights(&l)) {
    run_well(cpu_convolution_weights, &l);
    check_weights(c, x, &ct, &g);
  }
  unmake(&ct);
  unmake(&g);
}

static void check_case(conv_case *c, pons_dtype d, bool any_layout) {
  made x, w, y;
  if (!sizes_of_result(c)) return;
  make(&x, d, c->n + 2, c->x, any_layout);
  make(&w, d, c->n + 2, c->w, any_layout);
  make_out(&y, d, c->n + 2, c->out);
  conv_params p = {{c->n, c->stride},         {c->n, c->low}, {c->n, c->high}, {c->n, c->kernel_dilation},
                   {c->n, c->input_dilation}, c->groups,      c->flip};
  operand in[] = {x.op, w.op};
  launch l = {&p, 2, 1, in, &y.op};
  run_well(cpu_convolution, &l);
  check_result(c, &x, &w, &y);
  if (!cpu_refuses_channels(&l)) {
    run_well(cpu_convolution_channels, &l);
    check_result(c, &x, &w, &y);
  }
  if (!cpu_refuses_windows(&l)) {
    run_well(cpu_convolution_windows, &l);
    check_result(c, &x, &w, &y);
  }
  if (!cpu_refuses_across(&l)) {
    run_well(cpu_convolution_across, &l);
    check_result(c, &x, &w, &y);
  }
  check_weight_gradient(c, d, &x, any_layout);
  unmake(&x);
  unmake(&w);
  unmake(&y);
}

static void random_case(conv_case *c) {
  int64_t group_in = random_int(0, 2) ? random_int(1, 4) : random_int(16, 40), group_out = random_int(1, 4);
  bool plain = random_int(0, 1);
  *c = (conv_case){.n = (int)random_int(1, 3),
                   .groups = random_int(0, 2) ? 1 : (int)random_int(1, 3),
                   .flip = random_int(0, 3) == 0};
  c->x[0] = random_int(0, 8) ? random_int(1, 3) : 0;
  c->w[0] = group_out * c->groups;
  c->x[c->n + 1] = group_in * c->groups;
  c->w[c->n + 1] = group_in;
  for (int d = 0; d < c->n; d++) {
    c->x[d + 1] = random_int(1, 8);
    c->w[d + 1] = random_int(1, 4);
    c->low[d] = random_int(0, 2);
    c->high[d] = random_int(0, 5);
    c->stride[d] = plain ? 1 : random_int(1, 3);
    c->kernel_dilation[d] = plain ? 1 : random_int(1, 2);
    c->input_dilation[d] = plain ? 1 : random_int(1, 3);
  }
}

/* Groups of few channels, as wide as a register together or not. */
static void many_groups(conv_case *c) {
  const int64_t out[] = {1, 1, 1, 2, 3, 4, 8, 16};
  const int64_t group_out = out[random_int(0, 7)], in[] = {1, random_int(1, 9), group_out}, group_in = in[random_int(0, 2)];
  random_case(c);
  if (c->n == 3 && random_int(0, 2)) c->n = 2;
  c->groups = (int)random_int(2, 20);
  c->w[0] = group_out * c->groups;
  c->x[c->n + 1] = group_in * c->groups;
  c->w[c->n + 1] = group_in;
}

static void agree_with_the_definition(void (*choose)(conv_case *), int turns) {
  const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_FLOAT64, PONS_FLOAT16, PONS_BFLOAT16};
  for (int turn = 0; turn < turns; turn++) {
    conv_case c;
    choose(&c);
    check_case(&c, dtypes[turn % 4], turn / 4 % 2);
  }
}
static void agrees_with_the_definition(void **state) {
  (void)state;
  agree_with_the_definition(random_case, 400);
}
static void groups_agree_with_the_definition(void **state) {
  (void)state;
  const char *before = cpu_isa();
  for (const char *const *isa = cpu_isas(); *isa; isa++) {
    assert_true(cpu_set_isa(*isa));
    agree_with_the_definition(many_groups, 150);
  }
  assert_true(cpu_set_isa(before));
}

#define PLAIN .stride = {1, 1, 1}, .kernel_dilation = {1, 1, 1}, .input_dilation = {1, 1, 1}
static void sizes_of_training(void **state) {
  (void)state;
  conv_case forward = {2, {8, 8, 8, 1}, {16, 3, 3, 1}, .low = {1, 1}, .high = {1, 1}, PLAIN, .groups = 1};
  conv_case wide = {2, {40, 8, 8, 6}, {5, 3, 3, 6}, .low = {1, 1}, .high = {1, 1}, PLAIN, .groups = 1};
  conv_case weights = {2, {5, 8, 8, 70}, {9, 8, 8, 70}, .low = {1, 1}, .high = {1, 1}, PLAIN, .groups = 1};
  conv_case pointwise = {2, {3, 9, 9, 20}, {30, 1, 1, 20}, PLAIN, .groups = 1};
  conv_case depthwise = {1, {2, 300, 6}, {6, 5, 1}, .low = {2}, .high = {2}, PLAIN, .groups = 6};
  conv_case deep = {2, {2, 7, 9, 400}, {40, 3, 2, 400}, .low = {1, 1}, .high = {1, 0}, PLAIN, .groups = 1};
  conv_case grouped = {2, {2, 12, 9, 34}, {38, 3, 3, 17}, .low = {1, 1}, .high = {1, 1}, PLAIN, .groups = 2};
  conv_case long_line = {1, {1, 9000, 24}, {24, 3, 1}, .low = {2}, PLAIN, .groups = 24};
  conv_case by_group = {2, {2, 40, 30, 64}, {128, 3, 3, 8}, .low = {1, 1}, .high = {1, 1}, PLAIN, .groups = 8};
  conv_case in_register = {2, {2, 20, 30, 64}, {64, 3, 3, 4}, .low = {1, 1}, .high = {1, 1}, PLAIN, .groups = 16};
  conv_case *cases[] = {&forward, &wide,    &weights,   &pointwise, &depthwise,
                        &deep,    &grouped, &long_line, &by_group,  &in_register};
  for (int i = 0; i < 10; i++) check_case(cases[i], PONS_FLOAT32, i == 2);
}

/* As a weight gradient comes: both operands transposed views of images (N, ..., C). */
static void weight_gradients(void **state) {
  (void)state;
  for (int turn = 0; turn < 24; turn++) {
    conv_case c = {2, {5, 8, 7, 40}, {6, 8, 7, 40}, .low = {1, 1}, .high = {1, 1}, PLAIN, .groups = 1};
    if (turn % 5 == 4) c.x[0] = 19, c.w[0] = 13;
    if (turn % 3 == 1) c.stride[0] = 2, c.w[1] = 6, c.kernel_dilation[1] = 2, c.w[2] = 4;
    if (turn % 3 == 2) c.input_dilation[0] = 2, c.x[3] = c.w[3] = 3, c.low[1] = 0;
    made x, w, y;
    assert_true(sizes_of_result(&c));
    int64_t x_shape[] = {c.x[3], c.x[1], c.x[2], c.x[0]}, w_shape[] = {c.w[3], c.w[1], c.w[2], c.w[0]};
    const pons_dtype dtype = turn % 4 == 3 ? PONS_BFLOAT16 : turn % 4 == 2 ? PONS_FLOAT64 : PONS_FLOAT32;
    make(&x, dtype, 4, x_shape, false);
    make(&w, dtype, 4, w_shape, turn / 12);
    made *both[] = {&x, &w};
    for (int i = 0; i < 2; i++) {
      int64_t stride = both[i]->strides[0], size = both[i]->shape[0];
      both[i]->strides[0] = both[i]->strides[3], both[i]->shape[0] = both[i]->shape[3];
      both[i]->strides[3] = stride, both[i]->shape[3] = size;
    }
    make_out(&y, dtype, 4, c.out);
    conv_params p = {{2, c.stride},         {2, c.low}, {2, c.high}, {2, c.kernel_dilation},
                     {2, c.input_dilation}, 1,          false};
    operand in[] = {x.op, w.op};
    launch l = {&p, 2, 1, in, &y.op};
    assert_int_equal(cpu_refuses_across(&l) != NULL, c.input_dilation[0] > 1);
    if (!cpu_refuses_across(&l)) {
      run_well(cpu_convolution_across, &l);
      check_result(&c, &x, &w, &y);
    }
    run_well(cpu_convolution, &l);
    check_result(&c, &x, &w, &y);
    unmake(&x), unmake(&w), unmake(&y);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_the_definition),
                                     cmocka_unit_test(groups_agree_with_the_definition),
                                     cmocka_unit_test(sizes_of_training), cmocka_unit_test(weight_gradients)};
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
