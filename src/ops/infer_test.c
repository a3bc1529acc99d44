/* infer_test.c: what infer and view make of parameters that no constructor would pass on: those of a damaged
   or hostile file.

   Nodes of every primitive are made from drawn parameters and drawn operands. Most are refused. What is
   accepted has a shape, its view stays inside its operand, and evaluating it ends in a value or an error. Run
   it under the sanitizers. */
#include "ops/ops.h"
#include "tests/seed.h"
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

static uint64_t state;
static uint64_t draw(void) { /* splitmix64 */
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}
static int64_t below(int64_t n) { return (int64_t)(draw() % (uint64_t)n); }

/* ---- parameters: mostly small numbers, at times the ends of their types ---- */

static int64_t number(void) {
  static const int64_t odd[] = {INT64_MAX,        INT64_MIN,           INT32_MAX, INT32_MIN,
                                (int64_t)1 << 59, -((int64_t)1 << 40), 33,        -33};
  return below(40) == 0 ? odd[below(8)] : below(3) == 0 ? -below(5) : below(6);
}

static const double doubles[] = {0, 1, 2.5, -1, 1e300, -1e300, 1e-300, 1e18, (double)INFINITY, (double)NAN};

enum { LISTS = 8, LONGEST = 40 };
static int64_t lists[LISTS][LONGEST];

/* Lists of the parameters are of one length as a rule. */
static void fill_params(const prim *p, char *params) {
  const int usual = (int)below(5);
  int list = 0;
  memset(params, 0, p->params_size);
  for (const field *f = p->fields; f->name; f++) {
    void *at = params + f->offset;
    switch (f->type) {
      case FIELD_INT:
        *(int *)at = (int)number();
        break;
      case FIELD_ENUM:
        *(int *)at = (int)below(f->limit);
        break;
      case FIELD_BOOL:
        *(bool *)at = below(2);
        break;
      case FIELD_FLOAT:
        *(float *)at = (float)doubles[below(4)];
        break;
      case FIELD_DOUBLE:
        *(double *)at = doubles[below(10)];
        break;
      case FIELD_DTYPE:
        *(pons_dtype *)at = (pons_dtype)below(PONS_DTYPE_COUNT);
        break;
      case FIELD_INT64:
        *(int64_t *)at = number();
        break;
      case FIELD_FUNCTION:
        break;
      case FIELD_TEXT:
        *(chars *)at = (chars){(int)below(4), "[[kernel]]"};
        break;
      case FIELD_OPTIONAL:
        *(optional_float *)at = (optional_float){below(2), 0};
        break;
      default: {
        ints *to = at;
        to->n = below(6) ? usual : below(50) ? (int)below(6) : LONGEST;
        const bool ascending = below(2), positive = below(2);
        for (int i = 0; i < to->n; i++) lists[list % LISTS][i] = ascending ? i : positive ? 1 + below(3) : number();
        to->at = lists[list++ % LISTS];
      }
    }
  }
}

/* ---- operands ---- */

static pons_array operand_of(const int64_t *common, int common_n, pons_dtype usual) {
  int64_t dims[5];
  int n = below(3) ? common_n : (int)below(5);
  int64_t size = 1;
  for (int i = 0; i < n; i++) {
    dims[i] = below(4) && i < common_n ? common[i] : below(5);
    size *= dims[i];
  }
  const pons_dtype dtype = below(4) ? usual : (pons_dtype)below(PONS_DTYPE_COUNT);
  if (below(8) == 0) return node_placeholder(dtype, n, dims);
  pons_array flat = pons_arange(0, (double)size, 1, PONS_FLOAT32);
  pons_array x = pons_astype(pons_reshape(flat, (pons_shape){n, dims}), dtype);
  if (n > 1 && below(3) == 0) x = pons_swapaxes(x, 0, 1);
  pons_eval(x);
  return x;
}

/* ---- what is accepted ---- */

static void check_view(const prim *p, const node *a) {
  const node *x = a->in[0];
  view from = {.offset = 0}, to;
  shape_row_major(x->ndim, x->shape, from.strides);
  const shape s = node_shape(a);
  if (!p->view(a->params, x, &from, &s, &to)) fail_msg("%s: no view of a row-major operand", p->name);
  if (a->size == 0) return;
  const int64_t bytes = x->size * (int64_t)pons_dtype_size((pons_dtype)x->dtype);
  const int64_t size = bytes / (int64_t)pons_dtype_size((pons_dtype)a->dtype);
  int64_t least = to.offset, most = least;
  for (int i = 0; i < s.n; i++) (to.strides[i] < 0 ? &least : &most)[0] += to.strides[i] * (s.dims[i] - 1);
  if (least < 0 || most >= size)
    fail_msg("%s: view reaches from %lld to %lld of %lld elements", p->name, (long long)least,
             (long long)most, (long long)size);
}

static bool has_placeholder(const node *a) {
  for (int i = 0; i < a->n_in; i++)
    if (a->in[i]->prim == &prim_input) return true;
  return false;
}

static bool try_one(const prim *p) {
  char params[256];
  assert_true(p->params_size <= sizeof params);
  fill_params(p, params);
  int64_t common[4];
  const int common_n = (int)below(5), n_in = (int)below(5);
  for (int i = 0; i < common_n; i++) common[i] = below(5);
  static const pons_dtype usual[] = {PONS_FLOAT32, PONS_INT32,     PONS_BOOL,
                                     PONS_UINT32,  PONS_COMPLEX64, PONS_FLOAT16};
  const pons_dtype dtype = usual[below(6)];
  pons_array in[5];
  for (int i = 0; i < n_in; i++) in[i] = operand_of(common, common_n, dtype);
  pons_array a = p->outputs ? node_make_tuple(p, params, n_in, in) : node_make(p, params, n_in, in);
  if (pons_error_of(a)) return false;
  int64_t size;
  assert_true(shape_size_checked(a->ndim, a->shape, &size));
  if (p->view && a->n_out == 1 && n_in > 0) check_view(p, a);
  if (a->size > 100000 || has_placeholder(a)) return true;
  pons_array out[LONGEST + 1];
  for (int i = 0; i < a->n_out && i <= LONGEST; i++) out[i] = a->n_out > 1 ? node_output(a, i) : a;
  if (a->n_out <= LONGEST) pons_eval_many(out, a->n_out);
  return true;
}

static void drawn_parameters(void **unused) {
  (void)unused;
  state = seed_of_run(20240907);
  const int64_t before = pons_live_arrays();
  int accepted = 0, kinds = 0;
  for (const prim *const *p = pons_prims; *p; p++) {
    if (*p == &prim_output || *p == &prim_input) continue; /* not from files */
    int fine = 0;
    for (int i = 0; i < 1500; i++) {
      const pons_scope s = pons_scope_open();
      fine += try_one(*p);
      pons_clear_error();
      pons_scope_close(s);
    }
    accepted += fine;
    kinds += fine > 0;
  }
  print_message("%d nodes of %d primitives were accepted\n", accepted, kinds);
  assert_int_equal(pons_live_arrays(), before);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(drawn_parameters)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
