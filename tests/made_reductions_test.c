/* made_reductions_test.c: reductions, norms and softmax of what elementwise work makes, and elementwise work on what these make, which is then part of their
   step, beside the same in several steps, where what lies between was computed and kept. On the CPU both have the same bits. PONS_SEED sets the seed, which is printed; PONS_DEVICE
   the device. */
#include <pons/pons.h>
#include "random_numbers.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- what is reduced ---- */

static const pons_dtype dtypes[] = {PONS_BOOL,  PONS_UINT8, PONS_INT8,    PONS_UINT16,  PONS_INT16,    PONS_UINT32,   PONS_INT32,
                                    PONS_INT64, PONS_UINT64, PONS_FLOAT16, PONS_FLOAT32, PONS_BFLOAT16, PONS_COMPLEX64, PONS_FLOAT64};
enum { DTYPES = sizeof dtypes / sizeof *dtypes, MOST_ELEMENTS = 200000 };

static bool is_float(pons_dtype d) { return d == PONS_FLOAT16 || d == PONS_BFLOAT16 || d == PONS_FLOAT32 || d == PONS_FLOAT64; }

/* Eighths from -2 to 2, or small integers. */
static pons_array numbers(int n, const int64_t *dims, pons_dtype dtype) {
  static int8_t values[MOST_ELEMENTS];
  int64_t size = 1;
  for (int i = 0; i < n; i++) size *= dims[i];
  assert_true(size <= MOST_ELEMENTS);
  for (int64_t i = 0; i < size; i++) values[i] = (int8_t)(below(33) - 16);
  const pons_array x = pons_array_from(values, (pons_shape){n, dims}, PONS_INT8);
  if (dtype == PONS_BOOL) return pons_greater(x, pons_int(0));
  if (is_float(dtype) || dtype == PONS_COMPLEX64) return pons_multiply(pons_astype(x, dtype), pons_float(0.125));
  return pons_astype(pons_remainder(x, pons_int(5)), dtype);
}

/* The same, its axes in another order in memory. */
static pons_array turned_numbers(int n, const int64_t *dims, pons_dtype dtype) {
  int64_t turned[8];
  for (int i = 0; i < n; i++) turned[i] = dims[n - 1 - i];
  const pons_array x = numbers(n, turned, dtype);
  pons_eval(x);
  return n > 1 ? pons_transpose(x) : x;
}

/* x as it is; or as what was made of more columns; or with columns that are repeated. */
static pons_array operand_like(int n, const int64_t *dims, pons_dtype dtype, int64_t way) {
  int64_t other[8], zeros[8] = {0}, ones[8];
  for (int i = 0; i < n; i++) other[i] = dims[i], ones[i] = 1;
  if (way == 1 && n) other[n - 1] = 1;
  if (way == 2 && n) other[0] = 1;
  if (way == 3 && n) other[n - 1]++;
  if (way == 4) return turned_numbers(n, dims, dtype);
  pons_array x = numbers(n, other, dtype);
  pons_eval(x);
  return way == 3 && n ? pons_slice(x, (pons_shape){n, zeros}, (pons_shape){n, dims}, (pons_shape){n, ones}) : x;
}

enum { WORK = 8 };
static pons_array work(int64_t which, pons_array x, pons_array y, pons_array z) {
  const pons_dtype d = pons_dtype_of(x);
  switch (which) {
    case 0: return pons_multiply(x, y);
    case 1: return pons_square(pons_subtract(x, y));
    case 2: return pons_abs(x);
    case 3: return pons_astype(x, d == PONS_FLOAT32 ? PONS_FLOAT16 : d == PONS_COMPLEX64 ? d : PONS_FLOAT32);
    case 4: return is_float(d) ? pons_exp(pons_subtract(pons_minimum(x, y), pons_maximum(y, z))) : pons_maximum(x, y);
    case 5: return pons_add(pons_multiply(x, y), pons_multiply(z, pons_astype(pons_int(3), d)));
    case 6: return pons_not_equal(x, y);
    default: return pons_where(pons_greater(pons_add(x, y), z), pons_multiply(x, y), pons_multiply(z, z));
  }
}

static pons_array reduced(int64_t kind, pons_array x, pons_axes axes, bool keepdims) {
  switch (kind) {
    case 0: return pons_sum(x, .axes = axes, .keepdims = keepdims);
    case 1: return pons_max(x, .axes = axes, .keepdims = keepdims);
    case 2: return pons_min(x, .axes = axes, .keepdims = keepdims);
    case 3: return pons_prod(x, .axes = axes, .keepdims = keepdims);
    case 4: return pons_any(x, .axes = axes, .keepdims = keepdims);
    default: return pons_all(x, .axes = axes, .keepdims = keepdims);
  }
}

/* What becomes of the sum r: two results; `other` has as many elements, and may be broadcast to r. */
enum { WORK_BEHIND = 5 };
static void work_behind(int64_t which, pons_array r, pons_array other, pons_array *out) {
  const pons_dtype d = pons_dtype_of(r);
  const bool inexact = is_float(d) || d == PONS_COMPLEX64;
  out[1] = r;
  switch (which) {
    case 0: out[0] = pons_multiply(r, pons_astype(pons_float(is_float(d) ? 0.25 : 3), d)); return;
    case 1: out[0] = inexact ? pons_rsqrt(pons_add(pons_abs(r), pons_float(1)))
                            : pons_astype(pons_add(pons_astype(r, PONS_INT64), pons_int(5)), PONS_INT32); return;
    case 2: out[0] = pons_astype(pons_subtract(pons_astype(r, pons_dtype_of(other)), pons_add(other, pons_int(1))), PONS_FLOAT32); return;
    case 3: out[0] = pons_maximum(pons_astype(r, pons_dtype_of(other)), other), out[1] = pons_add(pons_abs(out[0]), other); return;
    default: out[0] = pons_reshape(pons_square(pons_reshape(r, PONS_SHAPE(-1))), pons_shape_of(r)); return;
  }
}

/* ---- compared ---- */

static bool is_on_cpu(void) {
  const char *device = getenv("PONS_DEVICE");
  return !device || strcmp(device, "cpu") == 0;
}

static bool agree(pons_array got, pons_array wanted) {
  const pons_dtype d = pons_dtype_of(wanted);
  if (!pons_data(got) || !pons_data(wanted)) return false;
  if (pons_dtype_of(got) != d || pons_nbytes(got) != pons_nbytes(wanted)) return false;
  if (is_on_cpu() || !(is_float(d) || d == PONS_COMPLEX64)) {
    const pons_array a = pons_contiguous(got), b = pons_contiguous(wanted);
    return memcmp(pons_data(a), pons_data(b), pons_nbytes(a)) == 0;
  }
  const double close = d == PONS_FLOAT16 ? 2e-3 : d == PONS_BFLOAT16 ? 1.6e-2 : d == PONS_FLOAT64 ? 1e-9 : 2e-5;
  const pons_array size = pons_abs(wanted), finite = pons_where(pons_isinf(size), pons_float(0), size); /* squares of halves run over */
  const pons_array scale = d == PONS_COMPLEX64 ? pons_float(1) : pons_add(pons_max(finite), pons_float(1));
  const pons_array near = pons_less_equal(pons_abs(pons_subtract(got, wanted)), pons_multiply(scale, pons_float(close)));
  return pons_item(pons_all(pons_logical_or(near, pons_equal(got, wanted)))) == 1;
}

typedef struct form {
  int n, n_axes, axes[8];
  int64_t dims[8];
} form;
typedef struct sample {
  form form;
  pons_dtype dtype;
  int64_t work, kind, ways[2];
  bool keepdims;
} sample;

/* Joined in another order, a long product of floats may run over where the other one does not. */
static bool depends_on_order(const sample *s) {
  int64_t count = 1;
  for (int i = 0; i < s->form.n_axes; i++) count *= s->form.dims[s->form.axes[i]];
  return !is_on_cpu() && s->kind == 3 && count > 30;
}

static void check(const sample *s) {
  if (depends_on_order(s)) return;
  const pons_scope scope = pons_scope_open();
  const pons_array x = numbers(s->form.n, s->form.dims, s->dtype), y = operand_like(s->form.n, s->form.dims, s->dtype, s->ways[0]),
                   z = operand_like(s->form.n, s->form.dims, s->dtype, s->ways[1]);
  pons_eval(x, y, z);
  const pons_axes axes = {s->form.n_axes, s->form.axes};
  const pons_array at_once = reduced(s->kind, work(s->work, x, y, z), axes, s->keepdims), made = work(s->work, x, y, z);
  pons_eval(made);
  const pons_array in_two = reduced(s->kind, made, axes, s->keepdims);
  pons_eval(at_once, in_two);
  if (!agree(at_once, in_two)) {
    for (int i = 0; i < s->form.n; i++) print_message("%s%d", i ? ", " : "(", (int)s->form.dims[i]);
    print_message(") axes");
    for (int i = 0; i < s->form.n_axes; i++) print_message(" %d", s->form.axes[i]);
    print_message(" %s, work %d, kind %d, ways %d %d: %s\n", pons_dtype_name(s->dtype), (int)s->work, (int)s->kind, (int)s->ways[0],
                  (int)s->ways[1], pons_error() ? pons_error() : "values differ");
    fail();
  }
  pons_scope_close(scope);
}

/* With rows in front or without, and others behind, of which what is between is a result too, or not. */
static void check_behind(const sample *s, int64_t behind, bool front, bool both) {
  if (depends_on_order(s)) return;
  const pons_scope scope = pons_scope_open();
  const pons_array x = numbers(s->form.n, s->form.dims, s->dtype), y = operand_like(s->form.n, s->form.dims, s->dtype, s->ways[0]);
  pons_eval(x, y);
  const pons_axes axes = {s->form.n_axes, s->form.axes};
  const pons_array made = front ? work(s->work, x, y, y) : x, like = reduced(s->kind, x, axes, s->keepdims);
  const pons_array other = operand_like(pons_ndim(like), pons_shape_of(like).at, pons_dtype_of(x), s->ways[1]);
  pons_eval(other);
  pons_array at_once[2], in_two[2];
  work_behind(behind, reduced(s->kind, made, axes, s->keepdims), other, at_once);
  if (both) pons_eval(at_once[0], at_once[1]);
  else pons_eval(at_once[0]);
  const pons_array between = reduced(s->kind, front ? work(s->work, x, y, y) : x, axes, s->keepdims);
  pons_eval(between);
  work_behind(behind, between, other, in_two);
  pons_eval(in_two[0], in_two[1]);
  for (int i = 0; i < 1 + both; i++) {
    if (agree(at_once[i], in_two[i])) continue;
    for (int k = 0; k < s->form.n; k++) print_message("%s%d", k ? ", " : "(", (int)s->form.dims[k]);
    print_message(") axes");
    for (int k = 0; k < s->form.n_axes; k++) print_message(" %d", s->form.axes[k]);
    print_message(" %s, kind %d, work %d%s and %d behind, ways %d %d, result %d: %s\n", pons_dtype_name(s->dtype), (int)s->kind,
                  (int)s->work, front ? "" : " left out", (int)behind, (int)s->ways[0], (int)s->ways[1], i,
                  pons_error() ? pons_error() : "values differ");
    fail();
  }
  pons_scope_close(scope);
}

/* Prime numbers of elements, and those that tiles, windows and groups are made for; axes behind, before and between those that stay. */
static const form forms[] = {
    {1, 1, {0}, {1}},
    {1, 1, {0}, {4099}},
    {1, 1, {0}, {199999}},
    {2, 2, {0, 1}, {313, 331}},
    {2, 1, {1}, {7, 1009}},
    {2, 1, {1}, {33, 4096}},
    {2, 1, {1}, {300, 64}},
    {2, 1, {1}, {1001, 3}},
    {2, 1, {1}, {5000, 16}},
    {2, 1, {1}, {2, 70001}},
    {2, 1, {0}, {301, 257}},
    {2, 1, {0}, {64, 1000}},
    {2, 1, {0}, {41, 2003}},
    {2, 1, {0}, {3000, 40}},
    {2, 1, {0}, {9001, 5}},
    {2, 1, {0}, {3, 1000}},
    {3, 2, {0, 2}, {5, 17, 301}},
    {3, 2, {0, 2}, {9, 11, 8}},
    {3, 1, {1}, {4, 37, 96}},
    {3, 1, {1}, {4, 8, 1031}},
    {3, 2, {1, 2}, {13, 6, 50}},
    {4, 2, {1, 3}, {2, 3, 4, 5}},
    {4, 3, {0, 1, 3}, {3, 4, 7, 128}},
};
enum { FORMS = sizeof forms / sizeof *forms };

static void every_form_and_dtype(void **unused) {
  (void)unused;
  for (int f = 0; f < FORMS; f++)
    for (int i = 0; i < DTYPES; i++)
      for (int turn = 0; turn < (is_on_cpu() ? 6 : 1); turn++) {
        sample s = {.form = forms[f]};
        if (!is_on_cpu() && below(2 * DTYPES)) continue; /* each is some kernels to compile: a dozen of all a run */
        s.dtype = below(2) && !is_on_cpu() ? PONS_FLOAT32 : dtypes[i];
        s.work = below(WORK);
        s.kind = below(3) ? 0 : below(6);
        s.ways[0] = below(4);
        s.ways[1] = below(3);
        check(&s);
      }
}

static void any_shape(void **unused) {
  (void)unused;
  for (int turn = 0; turn < (is_on_cpu() ? 2000 : 12); turn++) {
    sample s = {.form.n = (int)below(5)};
    int64_t size = 1;
    for (int i = 0; i < s.form.n; i++) {
      int64_t most = 90000 / size < 300 ? 90000 / size : 300;
      s.form.dims[i] = 1 + below(below(2) ? most : most < 12 ? most : 12);
      size *= s.form.dims[i];
      if (below(2)) s.form.axes[s.form.n_axes++] = i;
    }
    s.dtype = dtypes[below(DTYPES)];
    s.work = below(WORK);
    s.kind = below(6);
    s.keepdims = below(2);
    for (int i = 0; i < 2; i++) s.ways[i] = below(5);
    check(&s);
  }
}

static void work_behind_any_form(void **unused) {
  (void)unused;
  for (int turn = 0; turn < (is_on_cpu() ? 2000 : 10); turn++) {
    sample s = {.form = forms[below(FORMS)]};
    s.dtype = below(2) ? PONS_FLOAT32 : dtypes[below(DTYPES)];
    s.work = below(WORK);
    s.kind = below(3) ? 0 : below(6);
    s.keepdims = below(2);
    s.ways[0] = below(3);
    s.ways[1] = below(5);
    check_behind(&s, below(WORK_BEHIND), below(2), below(2));
  }
}

/* Of a norm and its rows, which others read too or not. */
static void check_norm(int64_t rows, int64_t n, pons_dtype dtype, int64_t which, int64_t way, bool centred, bool kept) {
  const pons_scope scope = pons_scope_open();
  const int64_t dims[] = {2, rows, n}, row[] = {n};
  const pons_array x = numbers(3, dims, dtype), y = operand_like(3, dims, dtype, way), w = numbers(1, row, dtype), b = numbers(1, row, dtype);
  pons_eval(x, y, w, b);
  pons_array made[2], normal[2];
  for (int i = 0; i < 2; i++) {
    made[i] = pons_astype(work(which, x, y, y), dtype);
    if (i) pons_eval(made[i]);
    normal[i] = centred ? pons_fast_layer_norm(made[i], w, b, 1e-5F) : pons_fast_rms_norm(made[i], w, 1e-5F);
    if (kept && !i) pons_eval(normal[i], made[i]);
    else pons_eval(normal[i]);
  }
  if (!agree(normal[0], normal[1]) || !agree(made[0], made[1])) {
    print_message("2 x %d rows of %d %s, work %d, way %d%s%s: %s\n", (int)rows, (int)n, pons_dtype_name(dtype), (int)which, (int)way,
                  centred ? ", centred" : "", kept ? ", kept" : "", pons_error() ? pons_error() : "values differ");
    fail();
  }
  pons_scope_close(scope);
}

static void norms_of_what_is_made(void **unused) {
  (void)unused;
  static const pons_dtype floats[] = {PONS_FLOAT32, PONS_BFLOAT16, PONS_FLOAT16, PONS_FLOAT64};
  static const int64_t works[] = {0, 2, 4, 5, 7}, sizes[] = {64, 128, 131, 768, 1000, 2048, 4099, 9001};
  for (int turn = 0; turn < (is_on_cpu() ? 300 : 5); turn++) {
    const int64_t n = sizes[below(8)];
    check_norm(1 + below(n > 4000 ? 6 : 40), n, floats[below(is_on_cpu() ? 4 : 3)], works[below(5)], below(5), below(2), below(2));
  }
}

/* Of what ends or begins with exponentials of rows. */
enum { SOFTMAX, LOG_SUM_EXP, LOSS, ROW_OPS };
static pons_array of_rows(int64_t op, pons_array x, pons_array targets) {
  switch (op) {
    case SOFTMAX: return pons_softmax(x, .precise = true);
    case LOG_SUM_EXP: return pons_logsumexp(x, .axes = PONS_AXES(-1));
    default: return pons_fast_cross_entropy(x, targets);
  }
}

/* Some elements are -inf where `masks`, and rows of them; others are infinite, or NaN, where `odd`. */
static pons_array work_of_rows(int64_t which, pons_array x, pons_array y, pons_array mask, pons_array odd) {
  pons_array made = work(which, x, y, y);
  if (mask) made = pons_where(mask, made, pons_astype(pons_float(-(double)INFINITY), pons_dtype_of(made)));
  return odd ? pons_multiply(made, odd) : made;
}

static void check_rows(int64_t op, int64_t rows, int64_t n, pons_dtype dtype, int64_t which, int64_t way, bool masks, double odd) {
  const pons_scope scope = pons_scope_open();
  const int64_t dims[] = {2, rows, n}, mask_dims[] = {rows, below(2) ? 1 : n};
  const pons_array x = numbers(3, dims, dtype), y = operand_like(3, dims, dtype, way);
  const pons_array mask = masks ? numbers(2, mask_dims, PONS_BOOL) : NULL;
  const pons_array place = pons_reshape(pons_arange(0, 2 * rows, 1, PONS_INT32), PONS_SHAPE(2, rows)), targets = pons_remainder(place, pons_int(n));
  const pons_array odds = odd != 1 ? pons_where(pons_equal(pons_expand_dims(place, PONS_AXES(-1)), pons_int(1)), pons_astype(pons_float(odd), dtype),
                                                pons_astype(pons_float(1), dtype)) : NULL;
  pons_eval(x, y, targets);
  if (mask) pons_eval(mask);
  if (odds) pons_eval(odds);
  const pons_array at_once = of_rows(op, work_of_rows(which, x, y, mask, odds), targets), made = work_of_rows(which, x, y, mask, odds);
  pons_eval(made);
  const pons_array in_two = of_rows(op, made, targets);
  pons_eval(at_once, in_two);
  const pons_array nans = pons_logical_and(pons_isnan(at_once), pons_isnan(in_two)), zero = pons_float(0);
  if (!agree(pons_where(nans, zero, at_once), pons_where(nans, zero, in_two))) {
    print_message("op %d, 2 x %d rows of %d %s, work %d, way %d%s, odd %g: %s\n", (int)op, (int)rows, (int)n, pons_dtype_name(dtype), (int)which,
                  (int)way, masks ? ", masked" : "", odd, pons_error() ? pons_error() : "values differ");
    fail();
  }
  pons_scope_close(scope);
}

static void rows_of_what_is_made(void **unused) {
  (void)unused;
  static const pons_dtype floats[] = {PONS_FLOAT32, PONS_BFLOAT16, PONS_FLOAT16, PONS_FLOAT64};
  static const int64_t works[] = {0, 2, 4, 5, 7}, sizes[] = {1, 5, 64, 131, 768, 2048, 4099, 8192, 9001, 20000};
  static const double odds[] = {1, 1, 1, 1, (double)INFINITY, (double)NAN};
  for (int turn = 0; turn < (is_on_cpu() ? 600 : 12); turn++) {
    const int64_t n = sizes[below(10)], op = turn % ROW_OPS, way = below(5);
    if (way == 4 && n > 4099) continue;
    check_rows(op, 1 + below(n > 9001 ? 4 : n > 4000 ? 9 : 40), n, floats[below(is_on_cpu() ? 4 : 3)], works[below(5)], way, below(2), odds[below(6)]);
  }
}

/* What becomes of norms and of what ends with exponentials, with rows in front, which may be kept, or without. */
enum { FOLLOWED_SOFTMAX, FOLLOWED_LOG_SUM, FOLLOWED_RMS_NORM, FOLLOWED_LAYER_NORM, FOLLOWED };
typedef struct followed {
  int64_t op, rows, n, work, behind, ways[2];
  pons_dtype dtype;
  bool front, kept, both, stored, reshaped; /* stored: what the op makes is a result, too */
  bool again; /* what is made in front is read behind, too, where it has the shape */
} followed;

static pons_array made_of(const followed *f, pons_array x, pons_array w, pons_array b) {
  switch (f->op) {
    case FOLLOWED_SOFTMAX: return pons_softmax(x, .precise = true);
    case FOLLOWED_LOG_SUM: return pons_logsumexp(x, .axes = PONS_AXES(-1));
    case FOLLOWED_RMS_NORM: return pons_fast_rms_norm(x, w, 1e-5F);
    default: return pons_fast_layer_norm(x, w, b, 1e-5F);
  }
}

/* Row by row in another shape, or in that of the rows. */
static pons_array shaped_for_work(const followed *f, pons_array z) {
  if (!f->reshaped) return z;
  return f->op == FOLLOWED_LOG_SUM ? pons_reshape(z, PONS_SHAPE(-1)) : pons_reshape(z, PONS_SHAPE(2 * f->rows, 1, f->n));
}

static void check_followed(const followed *f) {
  const pons_scope scope = pons_scope_open();
  const int64_t dims[] = {2, f->rows, f->n}, row[] = {f->n};
  const pons_array x = numbers(3, dims, f->dtype), y = operand_like(3, dims, f->dtype, f->ways[0]), w = numbers(1, row, f->dtype),
                   b = numbers(1, row, f->dtype);
  const pons_shape like = pons_shape_of(shaped_for_work(f, made_of(f, x, w, b)));
  const pons_array other = operand_like(like.count, like.at, below(3) ? f->dtype : PONS_FLOAT32, f->ways[1]);
  pons_eval(x, y, w, b, other);
  pons_array made[2], between[2], out[2][2];
  for (int i = 0; i < 2; i++) {
    made[i] = f->front ? pons_astype(work(f->work, x, y, y), f->dtype) : x;
    if (i) pons_eval(made[i]);
    between[i] = made_of(f, made[i], w, b);
    if (i) pons_eval(between[i]);
    const bool again = f->again && !f->reshaped && f->op != FOLLOWED_LOG_SUM;
    work_behind(f->behind, shaped_for_work(f, between[i]), again ? made[i] : other, out[i]);
    pons_array wanted[] = {out[i][0], out[i][f->both], f->kept ? made[i] : out[i][0], f->stored ? between[i] : out[i][0]};
    assert_true(pons_eval(wanted[0], wanted[1], wanted[2], wanted[3]));
  }
  const bool fine = agree(out[0][0], out[1][0]) && (!f->both || agree(out[0][1], out[1][1])) && (!f->kept || agree(made[0], made[1])) &&
                    (!f->stored || agree(between[0], between[1]));
  if (!fine) {
    print_message("op %d, 2 x %d rows of %d %s, work %d%s and %d behind%s, ways %d %d%s%s%s: %s\n", (int)f->op, (int)f->rows, (int)f->n,
                  pons_dtype_name(f->dtype), (int)f->work, f->front ? "" : " left out", (int)f->behind, f->reshaped ? ", reshaped" : "",
                  (int)f->ways[0], (int)f->ways[1], f->kept ? ", kept" : "", f->both ? ", both" : "", f->stored ? ", stored" : f->again ? ", again" : "",
                  pons_error() ? pons_error() : "values differ");
    fail();
  }
  pons_scope_close(scope);
}

static void what_follows_rows(void **unused) {
  (void)unused;
  static const pons_dtype floats[] = {PONS_FLOAT32, PONS_BFLOAT16, PONS_FLOAT16, PONS_FLOAT64};
  static const int64_t works[] = {0, 2, 4, 5, 7}, sizes[] = {1, 5, 64, 128, 131, 768, 1000, 2048, 4099, 8192, 9001, 20000};
  for (int turn = 0; turn < (is_on_cpu() ? 1000 : 16); turn++) {
    followed f = {.op = turn % FOLLOWED, .n = sizes[below(12)], .work = works[below(5)], .behind = below(WORK_BEHIND)};
    f.rows = 1 + below(f.n > 9001 ? 4 : f.n > 4000 ? 9 : 40);
    f.dtype = floats[below(is_on_cpu() ? 4 : 3)];
    f.front = below(2), f.kept = below(3) == 0, f.both = below(3) == 0, f.stored = below(3) == 0, f.reshaped = below(4) == 0, f.again = below(4) == 0;
    f.ways[0] = below(4), f.ways[1] = below(5);
    check_followed(&f);
  }
}

/* Results that outgrow the caches. */
static void what_follows_many_rows(void **unused) {
  (void)unused;
  if (!is_on_cpu()) return;
  for (int turn = 0; turn < 8; turn++) {
    const pons_scope scope = pons_scope_open();
    const int64_t n = turn % 4 == 3 ? 2049 : 2048, rows = 3500;
    const pons_dtype d = turn % 2 ? PONS_BFLOAT16 : PONS_FLOAT32;
    const pons_array key = pons_random_key((uint64_t)below(1 << 20));
    const pons_array x = pons_astype(pons_random_normal(PONS_SHAPE(rows, n), PONS_FLOAT32, NULL, NULL, key), d), w = pons_random_normal(PONS_SHAPE(n), PONS_FLOAT32, NULL, NULL, key);
    pons_eval(x, w);
    pons_array out[2];
    for (int i = 0; i < 2; i++) {
      const pons_array z = turn < 4 ? pons_softmax(x, .precise = true) : pons_fast_rms_norm(x, pons_astype(w, d), 1e-5F);
      if (i) pons_eval(z);
      const pons_array scaled = pons_multiply(z, pons_add(pons_float(1), w)); /* float32 */
      out[i] = turn & 2 ? scaled : pons_tanh(scaled);
      pons_eval(out[i]);
    }
    assert_true(agree(out[0], out[1]));
    pons_scope_close(scope);
  }
}

/* Both ways of a loss, and what is compiled and run again, which reads the reduction's operands anew. */
static void distance(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_mean(pons_square(pons_subtract(in[0], pons_multiply(in[1], in[2]))));
}
static void a_loss_and_its_gradient(void **unused) {
  (void)unused;
  const pons_scope scope = pons_scope_open();
  const int64_t dims[] = {60, 211}, row[] = {1, 211};
  pons_function f = pons_function_new(distance, 1, NULL, NULL), g = pons_grad(f, PONS_AXES(1, 2)), compiled = pons_compile(g);
  for (int i = 0; i < 3; i++) {
    const pons_array x = numbers(2, dims, PONS_FLOAT32), y = numbers(2, dims, PONS_FLOAT32), w = numbers(2, row, PONS_FLOAT32);
    pons_array in[] = {x, y, w}, grads[2];
    assert_true(pons_call(compiled, in, 3, grads, 2));
    const pons_array far = pons_subtract(x, pons_multiply(y, w));
    pons_eval(far);
    const pons_array back = pons_multiply(far, pons_float(-2.0 / (60 * 211))), of_w = pons_multiply(back, y);
    pons_eval(of_w);
    assert_true(pons_item(pons_allclose(grads[0], pons_multiply(back, w), 1e-5, 1e-7)) == 1);
    assert_true(pons_item(pons_allclose(grads[1], pons_sum(of_w, .axes = PONS_AXES(0), .keepdims = true), 1e-4, 1e-6)) == 1);
  }
  pons_function_release(f);
  pons_function_release(g);
  pons_function_release(compiled);
  pons_scope_close(scope);
}

/* Of the loss of x y and of the logarithm of its sum: the softmax, less 1 at the class for the loss, times y. */
static void loss_of_products(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_sum(of_rows(LOSS, pons_multiply(in[0], in[1]), in[2]));
}
static void log_sum_of_products(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_sum(of_rows(LOG_SUM_EXP, pons_multiply(in[0], in[1]), NULL));
}
static void gradients_of_rows_that_are_made(void **unused) {
  (void)unused;
  const pons_scope scope = pons_scope_open();
  const int64_t dims[] = {30, 211};
  const pons_array x = numbers(2, dims, PONS_FLOAT32), y = numbers(2, dims, PONS_FLOAT32), t = pons_arange(0, 30, 1, PONS_INT32);
  const pons_array e = pons_exp(pons_multiply(x, y)), hit = pons_equal(pons_arange(0, 211, 1, PONS_INT32), pons_expand_dims(t, PONS_AXES(1)));
  pons_eval(e, t, hit);
  const pons_array softmax = pons_divide(e, pons_sum(e, .axes = PONS_AXES(1), .keepdims = true));
  pons_eval(softmax);
  for (int loss = 0; loss < 2; loss++) {
    pons_function f = pons_function_new(loss ? loss_of_products : log_sum_of_products, 1, NULL, NULL), g = pons_grad(f, PONS_AXES(0));
    pons_array in[] = {x, y, t}, got;
    assert_true(pons_call(g, in, 3, &got, 1));
    const pons_array wanted = pons_multiply(loss ? pons_subtract(softmax, pons_astype(hit, PONS_FLOAT32)) : softmax, y);
    assert_true(pons_item(pons_allclose(got, wanted, 1e-4, 1e-6)) == 1);
    pons_function_release(f);
    pons_function_release(g);
  }
  pons_scope_close(scope);
}

int main(void) {
  begin_random_numbers();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_form_and_dtype),
      cmocka_unit_test(any_shape),
      cmocka_unit_test(work_behind_any_form),
      cmocka_unit_test(norms_of_what_is_made),
      cmocka_unit_test(rows_of_what_is_made),
      cmocka_unit_test(what_follows_rows),
      cmocka_unit_test(what_follows_many_rows),
      cmocka_unit_test(a_loss_and_its_gradient),
      cmocka_unit_test(gradients_of_rows_that_are_made),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
