/* cuda_matrix_unit_test.c: what stands in cuda/matrix_unit.h, on the doubles: products of float16 and bfloat16 through shared
   memory, and sums of two numbers side by side, beside those computed here in double. The text is that of the tree; the kernel
   behind it is this test's. It judges the layouts as the double knows them; `pons selftest` on a GPU judges the double. PONS_SEED
   repeats a run. */
#include "backends/cuda/program.h"
#include "tests/cuda_double/process.h"
#include "tests/random_numbers.h"
#include <math.h>

/* y (16 x 16) = a (16 x DEPTH) b, by one warp. b is DEPTH x 16, or its transpose if B_IN_COLUMNS. y2 = float32 of a packed y times b's
   first rows: sums as the operand of a product. Rows of shared memory are 8 elements longer than theirs. */
static const char tiles[] =
    "#define STRIDE (DEPTH + 8)\n"
    "KERNEL tiles(GLOBAL float *y, GLOBAL float *twice, GLOBAL const uint16_t *a, GLOBAL const uint16_t *b, NUMBERS) {\n"
    "  SHARED_ROOM(room);\n"
    "  uint16_t *left = (uint16_t *)room, *right = left + 16 * STRIDE;\n"
    "  const int lane = LOCAL_ID(0), g = lane / 4, t = lane % 4;\n"
    "  for (int e = lane; e < 16 * DEPTH / 8; e += 32)\n"
    "    copy_async(left + e / (DEPTH / 8) * STRIDE + e % (DEPTH / 8) * 8, a + e * 8, true);\n"
    "  copies_end_group();\n"
    "#ifdef B_IN_COLUMNS\n"
    "  for (int e = lane; e < 16 * DEPTH / 8; e += 32)\n"
    "    copy_async(right + e / (DEPTH / 8) * STRIDE + e % (DEPTH / 8) * 8, b + e * 8, true);\n"
    "#else\n"
    "  for (int e = lane; e < DEPTH * 2; e += 32) copy_async(right + e / 2 * 24 + e % 2 * 8, b + e * 8, true);\n"
    "#endif\n"
    "  copies_end_group();\n"
    "  copies_wait<0>();\n"
    "  BARRIER;\n"
    "  float sums[2][4] = {{0, 0, 0, 0}, {0, 0, 0, 0}}, more[2][4] = {{0, 0, 0, 0}, {0, 0, 0, 0}};\n"
    "  uint32_t of_a[4], of_b[4];\n"
    "  for (int k = DEPTH - 16; k >= 0; k -= 16) {\n"
    "    load_matrices(of_a, left + lane % 16 * STRIDE + k + lane / 16 * 8);\n"
    "#ifdef B_IN_COLUMNS\n"
    "    load_matrices(of_b, right + (lane % 8 + lane / 16 * 8) * STRIDE + k + lane / 8 % 2 * 8);\n"
    "#else\n"
    "    load_matrices_transposed(of_b, right + (k + lane % 16) * 24 + lane / 16 * 8);\n"
    "#endif\n"
    "    multiply(sums[0], of_a, of_b[0], of_b[1]);\n"
    "    multiply(sums[1], of_a, of_b[2], of_b[3]);\n"
    "  }\n"
    "  sums_as_a(of_a, sums[0], sums[1]);\n" /* of_b is that of the first 16 of the depth */
    "  multiply(more[0], of_a, of_b[0], of_b[1]);\n"
    "  multiply(more[1], of_a, of_b[2], of_b[3]);\n"
    "  for (int j = 0; j < 2; j++)\n"
    "    for (int i = 0; i < 4; i++) {\n"
    "      const int at = (g + i / 2 * 8) * 16 + j * 8 + 2 * t + i % 2;\n"
    "      y[at] = sums[j][i];\n"
    "      twice[at] = more[j][i];\n"
    "    }\n"
    "}\n";

static const char sums[] =
    "KERNEL sums(GLOBAL uint32_t *y, GLOBAL const uint32_t *a, GLOBAL const uint32_t *b, GLOBAL const uint32_t *c, NUMBERS) {\n"
    "  y[LOCAL_ID(0)] = scaled_sum(a[LOCAL_ID(0)], b[LOCAL_ID(0)], c[LOCAL_ID(0)]);\n"
    "}\n";

enum { ROWS = 16, COLUMNS = 16, MOST_DEPTH = 128 };
static double random_number(void) { return (double)below((int64_t)1 << 53) * 0x1p-52 - 1; }

/* The header, and a kernel behind it. */
static void read_text(char *text, size_t room, const char *kernel) {
  FILE *f = fopen(PONS_SOURCE_DIR "/src/backends/cuda/matrix_unit.h", "r");
  CHECK(f);
  const size_t length = fread(text, 1, room - strlen(kernel) - 1, f);
  fclose(f);
  strcpy(text + length, kernel);
}
static char text_of_both[64 << 10], text_of_sums[64 << 10];

static void *on_device(const void *bytes, size_t size) {
  error *why = NULL;
  void *block = cuda_take(0, size, &why);
  CHECK(block && (!bytes || !cuda_write(0, block, 0, bytes, size)));
  return block;
}

static void one_product(pons_dtype dtype, int depth, bool in_columns) {
  uint16_t a[ROWS * MOST_DEPTH], b[MOST_DEPTH * COLUMNS];
  float y[2][ROWS * COLUMNS];
  for (int i = 0; i < ROWS * depth; i++) dtype_write(dtype, &a[i], random_number()), dtype_write(dtype, &b[i], random_number());
  void *blocks[4] = {on_device(NULL, sizeof y[0]), on_device(NULL, sizeof y[1]), on_device(a, sizeof a), on_device(b, sizeof b)};
  const location at = {.memory = blocks[0]};
  const operand first = {.data = (void *)&at, .dtype = PONS_FLOAT32};
  gpu_call c = gpu_call_for(&gpu_cuda, &first);
  gpu_define(&c, "DEPTH", depth);
  gpu_define_text(&c, "HALF", dtype == PONS_FLOAT16 ? "f16" : "bf16");
  if (in_columns) gpu_define_text(&c, "B_IN_COLUMNS", "");
  for (int i = 0; i < 4; i++) gpu_memory(&c, blocks[i], i < 2);
  c.group[0] = 32;
  c.shared_bytes = (ROWS * (depth + 8) + (in_columns ? COLUMNS * (depth + 8) : depth * 24)) * 2;
  CHECK(!gpu_run(&c, text_of_both, "tiles"));
  for (int i = 0; i < 2; i++) CHECK(!cuda_read(0, blocks[i], 0, y[i], sizeof y[i]));
  for (int i = 0; i < 4; i++) cuda_give(0, blocks[i]);
#define B(k, column) dtype_read(dtype, &b[in_columns ? (column) * depth + (k) : (k) * COLUMNS + (column)])
  for (int row = 0; row < ROWS; row++)
    for (int column = 0; column < COLUMNS; column++) {
      double dot = 0, again = 0;
      for (int k = 0; k < depth; k++) dot += dtype_read(dtype, &a[row * depth + k]) * B(k, column);
      for (int k = 0; k < COLUMNS; k++) {
        uint16_t rounded;
        dtype_write(dtype, &rounded, (double)y[0][row * COLUMNS + k]);
        again += dtype_read(dtype, &rounded) * B(k, column);
      }
      CHECK(fabs((double)y[0][row * COLUMNS + column] - dot) < 1e-5);
      CHECK(fabs((double)y[1][row * COLUMNS + column] - again) < 1e-5);
    }
#undef B
}

static void products(void) {
  read_text(text_of_both, sizeof text_of_both, tiles);
  for (int half = 0; half < 2; half++)
    for (int depth = 16; depth <= MOST_DEPTH; depth += 112)
      for (int in_columns = 0; in_columns < 2; in_columns++)
        one_product(half ? PONS_BFLOAT16 : PONS_FLOAT16, depth, in_columns);
}
static void products_are_right(void **unused) { (void)unused, passes(products, "PONS_CACHE_DIR="); }

/* Small whole numbers over powers of two, whose products and sums are exact. */
static void two_at_a_time(void) {
  enum { COUNT = 64 };
  read_text(text_of_sums, sizeof text_of_sums, sums);
  for (int half = 0; half < 2; half++) {
    const pons_dtype dtype = half ? PONS_BFLOAT16 : PONS_FLOAT16;
    uint16_t in[3][COUNT], y[COUNT];
    void *blocks[4] = {on_device(NULL, sizeof y)};
    for (int i = 0; i < 3; i++) {
      for (int e = 0; e < COUNT; e++) dtype_write(dtype, &in[i][e], ldexp((double)(below(7) - 3), (int)below(3) - 1));
      blocks[1 + i] = on_device(in[i], sizeof in[i]);
    }
    const location at = {.memory = blocks[0]};
    const operand first = {.data = (void *)&at, .dtype = PONS_UINT32};
    gpu_call c = gpu_call_for(&gpu_cuda, &first);
    gpu_define_text(&c, "HALF", half ? "bf16" : "f16");
    for (int i = 0; i < 4; i++) gpu_memory(&c, blocks[i], i < 1);
    c.group[0] = COUNT / 2;
    CHECK(!gpu_run(&c, text_of_sums, "sums"));
    CHECK(!cuda_read(0, blocks[0], 0, y, sizeof y));
    for (int i = 0; i < 4; i++) cuda_give(0, blocks[i]);
    for (int e = 0; e < COUNT; e++)
      CHECK(dtype_read(dtype, &y[e]) == dtype_read(dtype, &in[0][e]) * dtype_read(dtype, &in[1][e]) + dtype_read(dtype, &in[2][e]));
  }
}
static void sums_of_two_are_right(void **unused) { (void)unused, passes(two_at_a_time, "PONS_CACHE_DIR="); }

static void can(void) { CHECK(!cuda_refuses_matrix_unit(99 << 10)); }
static void too_much(void) { CHECK(strstr(cuda_refuses_matrix_unit(100 << 10), "shared memory")); }
static void too_old(void) { CHECK(strstr(cuda_refuses_matrix_unit(0), "compute capability 8.0")); }
static void no_compiler(void) { CHECK(strstr(cuda_refuses_matrix_unit(0), "no compiler")); }

static void old_devices_are_refused(void **unused) {
  (void)unused;
  passes(can, "");
  passes(too_much, "");
  passes(too_old, "CUDA_DOUBLE_ARCH=75");
  passes(too_old, "CUDA_DOUBLE_NVRTC_NEWEST=75");
  passes(no_compiler, "NO_NVRTC=1");
}

int main(void) {
  if (!doubles_are_there()) return 77;
  begin_random_numbers();
  const struct CMUnitTest tests[] = {cmocka_unit_test(products_are_right), cmocka_unit_test(sums_of_two_are_right),
                                     cmocka_unit_test(old_devices_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
