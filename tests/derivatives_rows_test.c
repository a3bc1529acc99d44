/* derivatives_rows_test.c: every elementwise row that takes float64: its slope by differences, its second
   derivative, and vmap against a loop, for random shapes. PONS_SEED sets the seed; it is printed. */
#include "derivatives_test.h"
#include "tests/seed.h"
#include "graph/graph.h"

static uint64_t seed;

static void call_prim(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_out;
  out[0] = node_make(payload, NULL, n_in, in);
}

static pons_shape random_shape(int64_t *dims) {
  const int n = (int)draw(&seed, 0, 3.99);
  for (int i = 0; i < n; i++) dims[i] = (int64_t)draw(&seed, 1, 4.99);
  return (pons_shape){n, dims};
}

static subject subject_of(const prim *p) {
  const row_info *r = &row_table[p->row - 1];
  subject s = {.name = r->name, .n_in = r->arity, .n_out = 1};
  int64_t dims[4];
  const pons_shape shape = random_shape(dims);
  s.f = pons_function_new(call_prim, 1, (void *)p, NULL);
  for (int i = 0; i < s.n_in; i++) {
    const double margin = (r->high - r->low) * 1e-3;
    s.in[i] = draw_array(&seed, shape, r->low + margin, r->high - margin);
  }
  const bool jumps = p->row - 1 == ROW_remainder || p->row - 1 == ROW_floor_divide;
  if (jumps) s.in[1] = draw_array(&seed, shape, 1, r->high); /* dividing by nearly 0 jumps at every step */
  if (p->row - 1 == ROW_select) {
    s.fixed[0] = true;
    s.in[0] = pons_greater(s.in[0], pons_scalar(0, PONS_FLOAT64));
  }
  return s;
}

static bool takes_float64(const prim *p) {
  const row r = (row)(p->row - 1);
  return p->row && r != ROW_cast && row_takes(r, PONS_FLOAT64);
}

static void each_row(void (*judge)(const subject *s)) {
  for (const prim *const *p = pons_prims; *p; p++) {
    if (!takes_float64(*p)) continue;
    for (int turn = 0; turn < 4; turn++) {
      const pons_scope scope = pons_scope_open();
      const subject s = subject_of(*p);
      judge(&s);
      pons_function_release(s.f);
      pons_scope_close(scope);
    }
  }
}

static bool gives_floats(const subject *s) {
  pons_array y;
  return pons_call(s->f, s->in, s->n_in, &y, 1) && pons_dtype_of(y) == PONS_FLOAT64;
}
static void first(const subject *s) {
  if (gives_floats(s)) (void)judge_first(s, &seed);
}
static void second(const subject *s) {
  if (gives_floats(s)) (void)judge_second(s, &seed);
}
static void batch(const subject *s) {
  for (unsigned mask = 1; mask < 1u << s->n_in; mask++) judge_batch(s, &seed, mask);
}

static void slopes_agree_with_differences(void **state) {
  (void)state;
  each_row(first);
}
static void slopes_of_slopes_agree_with_differences(void **state) {
  (void)state;
  each_row(second);
}
static void batches_agree_with_a_loop(void **state) {
  (void)state;
  each_row(batch);
}

int main(void) {
  seed = seed_of_run(20260131);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(slopes_agree_with_differences),
      cmocka_unit_test(slopes_of_slopes_agree_with_differences),
      cmocka_unit_test(batches_agree_with_a_loop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
