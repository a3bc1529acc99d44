/* random_cpu_test.c: "RandomBits" against bits that MLX gave, and "DivMod". */
#include "backends/cpu/operands_for_tests.h"

static void check_bits(const uint32_t *keys, int64_t n_keys, int width, int64_t count, const void *wanted) {
  made y;
  const pons_dtype dtypes[] = {0, PONS_UINT8, PONS_UINT16, 0, PONS_UINT32};
  int64_t key_shape[] = {n_keys, 2}, key_strides[] = {2, 1};
  operand in = {(void *)keys, PONS_UINT32, 2, key_shape, key_strides};
  make_out(&y, dtypes[width], 1, &count);
  random_bits_params p = {{1, &count}, width};
  run_well(cpu_random_bits, &(launch){&p, 1, 1, &in, &y.op});
  assert_memory_equal(y.op.data, wanted, (size_t)(count * width));
  unmake(&y);
}

static void same_bits_as_mlx(void **state) {
  (void)state;
  check_bits((const uint32_t[]){0u, 0u}, 1, 4, 1, (const uint32_t[]){1797259609});
  check_bits((const uint32_t[]){0u, 0u}, 1, 4, 2, (const uint32_t[]){928981903, 3453687069});
  check_bits((const uint32_t[]){0u, 7u}, 1, 4, 5, (const uint32_t[]){276534068, 861967409, 2793701230,
             1641862660, 2900896126});
  check_bits((const uint32_t[]){0u, 7u}, 1, 4, 8, (const uint32_t[]){51277378, 1628829261, 1440439266,
             395909871, 3088387524, 4291721531, 3731608162, 3705585371});
  check_bits((const uint32_t[]){28u, 3197704724u}, 1, 1, 7, (const uint8_t[]){245, 217, 45, 60, 135, 149,
             226});
  check_bits((const uint32_t[]){0u, 3u}, 1, 2, 9, (const uint16_t[]){59163, 13384, 30312, 24635, 3685,
             63183, 43819, 52618, 40986});
  check_bits((const uint32_t[]){0u, 42u}, 1, 1, 3, (const uint8_t[]){143, 4, 62});
  check_bits((const uint32_t[]){0u, 42u}, 1, 2, 4, (const uint16_t[]){45869, 983, 33780, 44496});
  check_bits((const uint32_t[]){5u, 6u, 7u, 8u, 9u, 4000000000u}, 3, 1, 9, (const uint8_t[]){1, 90, 249,
             160, 216, 2, 142, 223, 41});
}

/* Each key's part is what the key alone gives, whatever the number of pieces. */
static void keys_fill_parts(void **state) {
  (void)state;
  enum { COUNT = 20001 };
  const uint32_t keys[] = {1, 2, 0xffffffff, 7};
  uint32_t *alone = calloc(2 * COUNT, sizeof *alone);
  int64_t shape[] = {COUNT}, key_shape[] = {2}, stride[] = {1};
  for (int k = 0; k < 2; k++) {
    operand key = {(void *)(keys + 2 * k), PONS_UINT32, 1, key_shape, stride};
    operand out = {alone + k * COUNT, PONS_UINT32, 1, shape, stride};
    assert_null(cpu_random_bits(&(launch){&(random_bits_params){{1, shape}, 4}, 1, 1, &key, &out}));
  }
  check_bits(keys, 2, 4, 2 * (int64_t)COUNT, alone);
  free(alone);
}

static void divides_down(void **state) {
  (void)state;
  const pons_dtype dtypes[] = {PONS_INT8,   PONS_INT32,   PONS_INT64,   PONS_UINT8,
                               PONS_UINT64, PONS_FLOAT32, PONS_FLOAT64, PONS_FLOAT16};
  for (int turn = 0; turn < 64; turn++) {
    pons_dtype d = dtypes[turn % 8];
    int64_t shape[] = {random_int(1, 5), random_int(0, 30)};
    made a, b, q, r;
    make(&a, d, 2, shape, turn / 8 % 2);
    make(&b, d, 2, shape, turn / 16 % 2);
    make_out(&q, d, 2, shape);
    make_out(&r, d, 2, shape);
    operand in[] = {a.op, b.op}, out[] = {q.op, r.op};
    run_well(cpu_divmod, &(launch){NULL, 2, 2, in, out});
    for (int64_t i = 0; i < operand_size(&q.op); i++) {
      double x = made_value(&a, i), y = made_value(&b, i);
      if (y == 0) {
        if (!dtype_is_inexact(d)) assert_true(made_value(&q, i) == 0 && made_value(&r, i) == 0);
        continue;
      }
      double down = floor(x / y);
      check_near(made_value(&q, i), down, precision_of(d), "quotient");
      check_near(made_value(&r, i), x - down * y, precision_of(d), "remainder");
    }
    unmake(&a), unmake(&b), unmake(&q), unmake(&r);
  }
  int64_t least = INT64_MIN, minus_one = -1, q, r, shape[] = {1};
  operand in[] = {{&least, PONS_INT64, 1, shape, shape}, {&minus_one, PONS_INT64, 1, shape, shape}};
  operand out[] = {{&q, PONS_INT64, 1, shape, shape}, {&r, PONS_INT64, 1, shape, shape}};
  assert_null(cpu_divmod(&(launch){NULL, 2, 2, in, out}));
  assert_true(q == INT64_MIN && r == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits_as_mlx), cmocka_unit_test(keys_fill_parts),
                                     cmocka_unit_test(divides_down)};
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
