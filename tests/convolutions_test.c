/* convolutions_test.c: convolutions of every kind drawn from a seed: gradient, tangent and second derivatives against
   differences, vmap against a loop, in one to three axes with groups, strides, dilation of kernel and input, padding
   that may be negative, kernels reversed or not. PONS_SEED sets the seed, which is printed. */
#include "derivatives_test.h"
#include "seed.h"

enum { DRAWN = 150 };

typedef struct drawn_conv {
  int n, groups;
  bool flip, transposed;
  int stride[3], low[3], high[3], dilation[3], input_dilation[3];
} drawn_conv;

static int draw_int(uint64_t *seed, int low, int high) { return low + (int)draw(seed, 0, high - low + 1); }

static void convolve(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  const drawn_conv *c = payload;
  const pons_axes stride = {c->n, c->stride}, low = {c->n, c->low}, high = {c->n, c->high};
  const pons_axes dilation = {c->n, c->dilation}, input_dilation = {c->n, c->input_dilation};
  if (c->transposed)
    out[0] = pons_conv_transpose1d(in[0], in[1], .stride = stride, .padding = low, .dilation = dilation, .groups = c->groups);
  else
    out[0] = pons_conv_general(in[0], in[1], .stride = stride, .padding = low, .padding_high = high, .dilation = dilation,
                               .input_dilation = input_dilation, .groups = c->groups, .flip = c->flip);
}

static void draw_conv(uint64_t *seed, drawn_conv *c, int64_t *x, int64_t *w) {
  *c = (drawn_conv){.n = draw_int(seed, 1, 3), .groups = draw_int(seed, 1, 3)};
  c->flip = draw_int(seed, 0, 1), c->transposed = c->n < 3 && draw_int(seed, 0, 3) == 0;
  const int inner = draw_int(seed, 1, 2), outer = draw_int(seed, 1, 2);
  x[0] = draw_int(seed, 1, 2), w[0] = outer * c->groups;
  x[c->n + 1] = inner * c->groups, w[c->n + 1] = inner;
  for (int i = 0; i < c->n; i++) {
    x[i + 1] = draw_int(seed, 1, c->n < 3 ? 6 : 4);
    w[i + 1] = draw_int(seed, 1, 3);
    c->stride[i] = draw_int(seed, 1, 3);
    c->low[i] = draw_int(seed, c->transposed ? 0 : -1, 2);
    c->high[i] = draw_int(seed, -1, 2);
    c->dilation[i] = draw_int(seed, 1, 2);
    c->input_dilation[i] = draw_int(seed, 1, 3);
  }
}

/* One that has a result: the kernel fits. */
static subject fitting(uint64_t *seed, drawn_conv *c) {
  for (;;) {
    int64_t x[5], w[5];
    draw_conv(seed, c, x, w);
    subject s = {.name = "a convolution", .n_in = 2, .n_out = 1};
    s.in[0] = draw_array(seed, (pons_shape){c->n + 2, x}, -1, 1);
    s.in[1] = draw_array(seed, (pons_shape){c->n + 2, w}, -1, 1);
    pons_array y;
    convolve(c, s.in, 2, &y, 1);
    const bool fits = !pons_error_of(y);
    pons_clear_error();
    if (fits) return s;
  }
}

static void derivatives_of_any_convolution(void **state) {
  uint64_t *seed = *state;
  for (int i = 0; i < DRAWN; i++) {
    const pons_scope scope = pons_scope_open();
    drawn_conv c;
    char name[300];
    subject s = fitting(seed, &c);
    snprintf(name, sizeof name, "case %d: %s by %s, groups %d, flip %d, transposed %d, stride %d %d %d, low %d %d %d", i,
             shape_text(pons_ndim(s.in[0]), pons_shape_of(s.in[0]).at),
             shape_text(pons_ndim(s.in[1]), pons_shape_of(s.in[1]).at), c.groups, c.flip, c.transposed, c.stride[0],
             c.stride[1], c.stride[2], c.low[0], c.low[1], c.low[2]);
    s.name = name;
    s.f = pons_function_new(convolve, 1, &c, NULL);
    judge_first(&s, seed);
    judge_second(&s, seed);
    for (unsigned batched = 1; batched <= 3; batched++) judge_batch(&s, seed, batched);
    if (i % 5 == 0) judge_batch_of_gradient(&s, seed);
    pons_function_release(s.f);
    pons_scope_close(scope);
  }
}

int main(void) {
  static uint64_t seed;
  seed = seed_of_run(20260203);
  const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(derivatives_of_any_convolution, &seed)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
