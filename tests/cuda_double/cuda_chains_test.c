/* cuda_chains_test.c: what the one text for all elementwise chains (gpu/interpret_gpu.c) gives, on the doubles, beside the CPU: every row
   in every dtype, every cast, copies, and random chains, of operands that are packed, turned, repeated and reversed. PONS_SEED repeats a
   run. */
#include "backends/cuda/program.h"
#include "tests/cuda_double/process.h"
#include "tests/random_numbers.h"
#include <math.h>

extern const driver driver_cuda;

static double between(double low, double high) { return low + (high - low) * (double)below(1 << 30) * 0x1p-30; }

/* ---- operands ---- */

enum { MOST_ELEMENTS = 512, NDIM = 3 };
typedef struct sample {
  operand host, device;
  char bytes[MOST_ELEMENTS * 8];
  int64_t shape[NDIM], strides[NDIM];
  location at;
} sample;

static void upload(sample *s) {
  error *why = NULL;
  s->at = (location){cuda_take(0, sizeof s->bytes, &why), (char *)s->host.data - s->bytes, 0};
  CHECK(s->at.memory && !cuda_write(0, s->at.memory, 0, s->bytes, sizeof s->bytes));
  s->device = s->host;
  s->device.data = &s->at;
}

static void fill(sample *s, pons_dtype dtype, double low, double high, bool whole) {
  const size_t size = pons_dtype_size(dtype);
  for (int i = 0; i < MOST_ELEMENTS; i++) {
    double x = between(low, high);
    if (whole) x = rint(x);
    if (dtype == PONS_BOOL) s->bytes[i] = (char)below(2);
    else if (dtype == PONS_COMPLEX64) dtype_write(PONS_FLOAT32, s->bytes + 8 * i, x), dtype_write(PONS_FLOAT32, s->bytes + 8 * i + 4, -x);
    else if (dtype < PONS_FLOAT16) dtype_write_int(dtype, s->bytes + (size_t)i * size, (int64_t)x);
    else dtype_write(dtype, s->bytes + (size_t)i * size, x);
  }
}

/* Axes in a random order, some of them repeated, some backwards. */
static void lay_out(sample *s, pons_dtype dtype, const int64_t *shape) {
  int order[NDIM] = {0, 1, 2};
  int64_t step = 1, first = 0;
  memcpy(s->shape, shape, sizeof s->shape);
  for (int i = NDIM - 1; i > 0 && below(2); i--) {
    const int j = (int)below(i + 1), kept = order[i];
    order[i] = order[j], order[j] = kept;
  }
  for (int i = NDIM; i-- > 0;) {
    const int d = order[i];
    const bool repeats = below(4) == 0, back = below(4) == 0;
    s->strides[d] = repeats ? 0 : back ? -step : step;
    if (repeats) continue;
    if (back) first += step * (shape[d] - 1);
    step *= shape[d];
  }
  s->host = (operand){s->bytes + (size_t)first * pons_dtype_size(dtype), dtype, NDIM, s->shape, s->strides};
}

static void lay_out_packed(sample *s, pons_dtype dtype, const int64_t *shape) {
  memset(s->bytes, 0, sizeof s->bytes);
  memcpy(s->shape, shape, sizeof s->shape);
  shape_row_major(NDIM, shape, s->strides);
  s->host = (operand){s->bytes, dtype, NDIM, s->shape, s->strides};
}

/* ---- comparing ---- */

static pons_dtype dtype_of_value(const kernel *k, int value) {
  return (pons_dtype)(value < k->n_in ? k->in[value] : k->code[value - k->n_in].result);
}

static bool is_close(pons_dtype d, const char *a, const char *b) {
  if (!memcmp(a, b, pons_dtype_size(d))) return true;
  if (d < PONS_FLOAT16) return false;
  if (d == PONS_COMPLEX64) {
    float x[2], y[2];
    memcpy(x, a, sizeof x), memcpy(y, b, sizeof y);
    const double size = hypot(y[0], y[1]);
    return isfinite(size) ? hypot(x[0] - y[0], x[1] - y[1]) <= 1e-4 * size : !isfinite(hypot(x[0], x[1]));
  }
  const double x = dtype_read(d, a), y = dtype_read(d, b);
  const double unit = d == PONS_FLOAT16 ? 1e-3 : d == PONS_BFLOAT16 ? 8e-3 : d == PONS_FLOAT64 ? 1e-14 : 1e-6;
  return (isnan(x) && isnan(y)) || x == y || fabs(x - y) <= unit * fabs(y);
}

static void compare(const kernel *k, const sample *got, const sample *want) {
  const pons_dtype d = want->host.dtype;
  const size_t size = pons_dtype_size(d);
  for (int64_t i = 0; i < shape_size(NDIM, want->shape); i++) {
    const char *a = got->bytes + (size_t)i * size, *b = want->bytes + (size_t)i * size;
    if (is_close(d, a, b)) continue;
    text t = {0};
    kernel_print(&t, k);
    print_error("%s\nelement %d: %.9g, on the CPU %.9g\n", t.at, (int)i, dtype_read(d, a), dtype_read(d, b));
    _exit(1);
  }
}

static void try_kernel(const kernel *k, double low, double high, bool whole) {
  static sample in[KERNEL_MAX_INPUTS], want[KERNEL_MAX_OUTPUTS], got[KERNEL_MAX_OUTPUTS];
  operand host_in[KERNEL_MAX_INPUTS], device_in[KERNEL_MAX_INPUTS], host_out[KERNEL_MAX_OUTPUTS], device_out[KERNEL_MAX_OUTPUTS];
  const int64_t shape[NDIM] = {1 + below(4), 1 + below(9), 1 + below(9)};
  for (int i = 0; i < k->n_in; i++) {
    fill(&in[i], (pons_dtype)k->in[i], low, high, whole);
    lay_out(&in[i], (pons_dtype)k->in[i], shape);
    upload(&in[i]);
    host_in[i] = in[i].host, device_in[i] = in[i].device;
  }
  for (int i = 0; i < k->n_out; i++) {
    lay_out_packed(&want[i], dtype_of_value(k, k->out[i]), shape);
    lay_out_packed(&got[i], dtype_of_value(k, k->out[i]), shape);
    upload(&got[i]);
    host_out[i] = want[i].host, device_out[i] = got[i].device;
  }
  CHECK(!device_host()->driver->run_kernel(k, host_in, host_out));
  CHECK(!gpu_interpret(&gpu_cuda, k, device_in, device_out));
  for (int i = 0; i < k->n_out; i++) {
    CHECK(!cuda_read(0, got[i].at.memory, 0, got[i].bytes, sizeof got[i].bytes));
    compare(k, &got[i], &want[i]);
    cuda_give(0, got[i].at.memory);
  }
  for (int i = 0; i < k->n_in; i++) cuda_give(0, in[i].at.memory);
}

/* ---- cases ---- */

static kernel one_instruction(int row, int from, int to) {
  kernel k = {.n_in = row_table[row].arity, .n_code = 1, .n_out = 1};
  k.code[0] = (instruction){(uint16_t)row, (uint8_t)from, (uint8_t)to, {0, 1, 2}};
  for (int i = 0; i < k.n_in; i++) k.in[i] = (uint8_t)from;
  if (row == ROW_select) k.in[0] = PONS_BOOL;
  k.out[0] = (int16_t)k.n_in;
  return k;
}

static void rows(void) {
  for (int row = 0; row < ROW_COUNT; row++)
    for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
      if (row == ROW_cast || !row_takes((enum row)row, (pons_dtype)d)) continue;
      const kernel k = one_instruction(row, d, row_result((enum row)row, (pons_dtype)d));
      if (!device_refuses_kernel(&driver_cuda, 0, &k)) try_kernel(&k, row_table[row].low, row_table[row].high, false);
    }
}

static void casts(void) {
  for (int from = 0; from < PONS_DTYPE_COUNT; from++)
    for (int to = 0; to < PONS_DTYPE_COUNT; to++) {
      const kernel k = one_instruction(ROW_cast, from, to);
      if (device_refuses_kernel(&driver_cuda, 0, &k)) continue;
      try_kernel(&k, -300, 300, false);
      try_kernel(&k, -5e9, 5e9, false); /* most are not in the range of an int32 */
    }
}

static void copies(void) {
  for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
    const kernel k = {.n_in = 1, .n_out = 1, .in = {(uint8_t)d}};
    if (!device_refuses_kernel(&driver_cuda, 0, &k)) try_kernel(&k, -10, 10, false);
  }
}

/* Instructions that are exact on small whole numbers, casts between them, several results. */
static kernel random_chain(int most_inputs, int most_code) {
  static const int choices[] = {ROW_add, ROW_subtract, ROW_maximum, ROW_abs, ROW_less, ROW_select, ROW_cast};
  static const pons_dtype types[] = {PONS_FLOAT32, PONS_FLOAT16, PONS_BFLOAT16, PONS_FLOAT64, PONS_INT32, PONS_INT64};
  kernel k = {.n_in = 1 + (int)below(most_inputs), .n_out = 1 + (int)below(3)};
  const int n_code = 1 + (int)below(most_code);
  for (int i = 0; i < k.n_in; i++) k.in[i] = (uint8_t)types[below(6)];
  while (k.n_code < n_code) {
    const int values = k.n_in + k.n_code, row = choices[below(7)];
    const int16_t a = (int16_t)below(values);
    const pons_dtype d = dtype_of_value(&k, a);
    int16_t b = a, flag = -1;
    for (int16_t v = 0; v < values; v++) {
      if (dtype_of_value(&k, v) == d && below(2)) b = v;
      if (dtype_of_value(&k, v) == PONS_BOOL) flag = v;
    }
    if (d == PONS_BOOL || (row == ROW_select && flag < 0)) continue;
    k.code[k.n_code++] = (instruction){(uint16_t)row, (uint8_t)d,
                                       (uint8_t)(row == ROW_cast ? types[below(6)] : row_result((enum row)row, d)),
                                       {row == ROW_select ? flag : a, row == ROW_select ? a : b, b}};
  }
  for (int o = 0; o < k.n_out; o++) k.out[o] = (int16_t)(o ? below(k.n_in + k.n_code) : k.n_in + k.n_code - 1);
  return k;
}

static void random_chains(void) {
  for (int i = 0; i < 200; i++) {
    const kernel k = random_chain(i % 2 ? 3 : KERNEL_MAX_INPUTS, i % 2 ? 12 : KERNEL_MAX_CODE);
    try_kernel(&k, -1, 1, true);
  }
}

#define CASE(name) \
  static void name##_agree(void **unused) { (void)unused, passes(name, "PONS_CACHE_DIR="); }
CASE(rows)
CASE(casts)
CASE(copies)
CASE(random_chains)

int main(void) {
  if (!doubles_are_there()) return 77;
  begin_random_numbers();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_agree),
      cmocka_unit_test(casts_agree),
      cmocka_unit_test(copies_agree),
      cmocka_unit_test(random_chains_agree),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
