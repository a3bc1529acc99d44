/* cuda_warpgroup_test.c: what stands in cuda/warpgroup.h, on the doubles: products of float16 and bfloat16 by two warpgroups, whose operands a
   third copies to shared memory, beside those computed here in double. The text is that of the tree; the kernel behind it is
   this test's. It judges layouts as the double knows them, from NVIDIA's documents; `pons selftest` on a GPU judges the double. PONS_SEED
   repeats a run. */
#include "backends/cuda/program.h"
#include "tests/cuda_double/process.h"
#include "tests/random_numbers.h"
#include <math.h>

/* y (128 x COLUMNS) = a (128 x DEPTH) b, STEP of the depth at a time, through two stages. Two warpgroups have 64 rows each; the third copies.
   a is 128 x DEPTH, or its transpose if A_BY_COLUMNS; b is the transpose of DEPTH x COLUMNS, or not if B_BY_COLUMNS. With A_IN_REGISTERS
   a is taken from global memory. Which warpgroup begins its products first is told by barriers of some. */
static const char products[] =
    "#define STEP 64\n"
    "#define B_ROWS ((COLUMNS + 63) / 64 * 64)\n"
    "#define STAGE (128 * STEP * 2 + B_ROWS * STEP * 2)\n"
    "/* `wide` x 64 numbers, from a matrix whose rows are `stride` long. */\n"
    "static inline void copy_panel(shared_place to, const uint16_t *from, int rows, int stride, int columns) {\n"
    "  for (int e = LOCAL_ID(0) % 128; e < rows * 8; e += 128)\n"
    "    copy_async(to + in_panel(e / 8, e % 8), e % 8 * 8 < columns ? from + e / 8 * stride + e % 8 * 8 : from, e % 8 * 8 < columns);\n"
    "}\n"
    "KERNEL __launch_bounds__(384, 1) products(GLOBAL float *y, GLOBAL const uint16_t *a, GLOBAL const uint16_t *b, NUMBERS) {\n"
    "  SHARED_ROOM(room);\n"
    "  const shared_place stages = (place_in_shared(room) + 1023) / 1024 * 1024, full = stages + 2 * STAGE, empty = full + 16;\n"
    "  const int group = LOCAL_ID(0) / 128, lane = LOCAL_ID(0) % 32, warp = LOCAL_ID(0) / 32 % 4;\n"
    "  if (LOCAL_ID(0) == 0)\n"
    "    for (int s = 0; s < 2; s++) {\n"
    "      phases_begin(full + 8 * s, 128);\n"
    "      phases_begin(empty + 8 * s, 8);\n"
    "    }\n"
    "  BARRIER;\n"
    "  if (group == 2) {\n"
    "    warpgroup_gives_registers<40>();\n"
    "    for (int d = 0, turn = 0; d < DEPTH; d += STEP, turn++) {\n"
    "      const shared_place a_at = stages + turn % 2 * STAGE, b_at = a_at + 128 * STEP * 2;\n"
    "      phase_wait(empty + turn % 2 * 8, turn / 2 + 1);\n"
    "#ifdef A_BY_COLUMNS\n"
    "      for (int p = 0; p < 2; p++) copy_panel(a_at + p * 8192, a + d * 128 + p * 64, 64, 128, 64);\n"
    "#else\n"
    "      copy_panel(a_at, a + d, 128, DEPTH, 64);\n"
    "#endif\n"
    "#ifdef B_BY_COLUMNS\n"
    "      for (int p = 0; p < COLUMNS; p += 64) copy_panel(b_at + p * 128, b + d * COLUMNS + p, 64, COLUMNS, COLUMNS - p);\n"
    "#else\n"
    "      copy_panel(b_at, b + d, COLUMNS, DEPTH, 64);\n"
    "#endif\n"
    "      phase_arrive_with_copies(full + turn % 2 * 8);\n"
    "    }\n"
    "    return;\n"
    "  }\n"
    "  warpgroup_takes_registers<232>();\n"
    "  float sum[COLUMNS / 2];\n"
    "  for (int i = 0; i < COLUMNS / 2; i++) sum[i] = 1;\n"
    "  if (group == 1) some_come(1, 256);\n"
    "  for (int d = 0, turn = 0; d < DEPTH; d += STEP, turn++) {\n"
    "    const shared_place a_at = stages + turn % 2 * STAGE, b_at = a_at + 128 * STEP * 2;\n"
    "    uint32_t held[STEP / 16][4];\n"
    "#ifdef A_IN_REGISTERS\n"
    "    for (int k = 0; k < STEP / 16; k++)\n"
    "      for (int i = 0; i < 4; i++)\n"
    "        held[k][i] = *(const uint32_t *)(a + (group * 64 + warp * 16 + lane / 4 + i % 2 * 8) * DEPTH + d + k * 16 + lane % 4 * 2 + i / 2 * 8);\n"
    "#endif\n"
    "    phase_wait(full + turn % 2 * 8, turn / 2);\n"
    "    some_wait(1 + group, 256);\n"
    "    shown_to_products();\n"
    "    warpgroup_begins(sum);\n"
    "#pragma unroll\n"
    "    for (int k = 0; k < STEP / 16; k++) {\n"
    "#ifdef B_BY_COLUMNS\n"
    "      const shared_matrix of_b = panel_by_columns(b_at, 8192) + IN_MATRIX(k * 2048);\n"
    "      enum { B_COLUMNS = true };\n"
    "#else\n"
    "      const shared_matrix of_b = panel_by_rows(b_at) + IN_MATRIX(k * 32);\n"
    "      enum { B_COLUMNS = false };\n"
    "#endif\n"
    "#ifdef A_IN_REGISTERS\n"
    "      warpgroup_multiply<B_COLUMNS>(sum, held[k], of_b, d + k > 0);\n"
    "#elif defined(A_BY_COLUMNS)\n"
    "      const shared_matrix of_a = panel_by_columns(a_at + group * 8192, 8192) + IN_MATRIX(k * 2048);\n"
    "      warpgroup_multiply<true, B_COLUMNS>(sum, of_a, of_b, d + k > 0);\n"
    "#else\n"
    "      const shared_matrix of_a = panel_by_rows(a_at + group * 8192) + IN_MATRIX(k * 32);\n"
    "      warpgroup_multiply<false, B_COLUMNS>(sum, of_a, of_b, d + k > 0);\n"
    "#endif\n"
    "    }\n"
    "    warpgroup_ends_group();\n"
    "    some_come(2 - group, 256);\n"
    "    warpgroup_waits<0>(sum);\n"
    "    if (lane == 0) phase_arrive(empty + turn % 2 * 8);\n"
    "  }\n"
    "  for (int i = 0; i < COLUMNS / 2; i++)\n"
    "    y[(group * 64 + warp * 16 + lane / 4 + i / 2 % 2 * 8) * COLUMNS + i / 4 * 8 + lane % 4 * 2 + i % 2] = sum[i];\n"
    "}\n";

enum { ROWS = 128, MOST_COLUMNS = 256, MOST_DEPTH = 320 };
enum a_is { BY_ROWS, BY_COLUMNS, IN_REGISTERS };

static double random_number(void) { return (double)below((int64_t)1 << 53) * 0x1p-52 - 1; }

static char text_of_all[96 << 10];
static void read_text(void) {
  static const char *const files[] = {"matrix_unit.h", "warpgroup.h"};
  size_t length = 0;
  for (int i = 0; i < 2; i++) {
    char path[256];
    snprintf(path, sizeof path, PONS_SOURCE_DIR "/src/backends/cuda/%s", files[i]);
    FILE *f = fopen(path, "r");
    CHECK(f);
    length += fread(text_of_all + length, 1, sizeof text_of_all - sizeof products - length, f);
    fclose(f);
  }
  memcpy(text_of_all + length, products, sizeof products);
}

static void *on_device(const void *bytes, size_t size) {
  error *why = NULL;
  void *block = cuda_take(0, size, &why);
  CHECK(block && (!bytes || !cuda_write(0, block, 0, bytes, size)));
  return block;
}

static void one_product(pons_dtype dtype, enum a_is a_is, bool b_by_columns, int columns, int depth) {
  static uint16_t a[ROWS * MOST_DEPTH], b[MOST_DEPTH * MOST_COLUMNS];
  static float y[ROWS * MOST_COLUMNS];
  for (int i = 0; i < ROWS * depth; i++) dtype_write(dtype, &a[i], random_number());
  for (int i = 0; i < columns * depth; i++) dtype_write(dtype, &b[i], random_number());
  const size_t y_size = (size_t)(ROWS * columns) * sizeof *y;
  void *blocks[3] = {on_device(NULL, y_size), on_device(a, (size_t)(ROWS * depth) * 2), on_device(b, (size_t)(columns * depth) * 2)};
  const location at = {.memory = blocks[0]};
  const operand first = {.data = (void *)&at, .dtype = PONS_FLOAT32};
  gpu_call c = gpu_call_for(&gpu_cuda, &first);
  gpu_define(&c, "DEPTH", depth);
  gpu_define(&c, "COLUMNS", columns);
  gpu_define_text(&c, "HALF", dtype == PONS_FLOAT16 ? "f16" : "bf16");
  if (a_is == BY_COLUMNS) gpu_define_text(&c, "A_BY_COLUMNS", "");
  if (a_is == IN_REGISTERS) gpu_define_text(&c, "A_IN_REGISTERS", "");
  if (b_by_columns) gpu_define_text(&c, "B_BY_COLUMNS", "");
  for (int i = 0; i < 3; i++) gpu_memory(&c, blocks[i], i < 1);
  c.group[0] = 384;
  c.shared_bytes = 1024 + 2 * (ROWS + (columns + 63) / 64 * 64) * 64 * 2 + 32;
  CHECK(!cuda_refuses_warpgroup(c.shared_bytes));
  CHECK(!gpu_run(&c, text_of_all, "products"));
  CHECK(!cuda_read(0, blocks[0], 0, y, y_size));
  for (int i = 0; i < 3; i++) cuda_give(0, blocks[i]);
  for (int row = 0; row < ROWS; row++)
    for (int column = 0; column < columns; column++) {
      double dot = 0;
      for (int k = 0; k < depth; k++)
        dot += dtype_read(dtype, &a[a_is == BY_COLUMNS ? k * ROWS + row : row * depth + k]) *
               dtype_read(dtype, &b[b_by_columns ? k * columns + column : column * depth + k]);
      if (fabs((double)y[row * columns + column] - dot) > 1e-4)
        print_error("row %d, column %d: %g, not %g\n", row, column, (double)y[row * columns + column], dot);
      CHECK(fabs((double)y[row * columns + column] - dot) < 1e-4);
    }
}

static void all_products(void) {
  read_text();
  one_product(PONS_BFLOAT16, BY_ROWS, false, 128, 320);
  one_product(PONS_FLOAT16, BY_ROWS, true, 64, 128);
  one_product(PONS_BFLOAT16, IN_REGISTERS, true, 256, 64);
  one_product(PONS_FLOAT16, IN_REGISTERS, false, 16, 192);
  one_product(PONS_BFLOAT16, BY_COLUMNS, true, 96, 128);
  one_product(PONS_FLOAT16, BY_COLUMNS, false, 80, 64);
}
static void products_are_right(void **unused) {
  (void)unused;
  passes(all_products, "CUDA_DOUBLE_ARCH=90;PONS_CACHE_DIR=");
  passes(all_products, "CUDA_DOUBLE_ARCH=90;CUDA_DOUBLE_EARLY=1;PONS_CACHE_DIR=");
}

static void can(void) { CHECK(!cuda_refuses_warpgroup(227 << 10)); }
static void too_much(void) { CHECK(strstr(cuda_refuses_warpgroup(228 << 10), "shared memory")); }
static void others(void) { CHECK(strstr(cuda_refuses_warpgroup(0), "compute capability 9.0")); }

static void other_devices_are_refused(void **unused) {
  (void)unused;
  passes(can, "CUDA_DOUBLE_ARCH=90");
  passes(too_much, "CUDA_DOUBLE_ARCH=90");
  passes(others, "CUDA_DOUBLE_ARCH=86");
  passes(others, "CUDA_DOUBLE_ARCH=100");
  passes(others, "CUDA_DOUBLE_ARCH=90;CUDA_DOUBLE_NVRTC_NEWEST=89");
  passes(others, "CUDA_DOUBLE_ARCH=90;CUDA_DOUBLE_NVRTC=11080");
}

int main(void) {
  if (!doubles_are_there()) return 77;
  begin_random_numbers();
  const struct CMUnitTest tests[] = {cmocka_unit_test(products_are_right), cmocka_unit_test(other_devices_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
