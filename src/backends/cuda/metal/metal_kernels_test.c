/* metal_kernels_test.c: kernels in Metal's language on the default device, one for each part of the language that is carried over
   to CUDA, and what MLX's interface gives: cmake/tests.cmake runs it on the doubles of CUDA's and of Apple's libraries, and on CUDA
   where there is a GPU. What is refused is told on any machine. */
#include "backends/cuda/metal/metal.h"
#include <math.h>
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

static bool speaks_metal(void) {
  return strncmp(pons_default_device(), "cuda", 4) == 0 || strncmp(pons_default_device(), "metal", 5) == 0;
}

/* The values a thread i of `n` in groups of `group` writes to out[i], from inputs a, b, c, ...: float32 each. */
typedef struct kernel_case {
  const char *header, *source;
  int n, group;
  double (*wanted)(int i);
} kernel_case;

static const char *const input_names[] = {"a", "b", "c"}, *const output_names[] = {"out", "rest"};

/* a counts from 0, b is a number without axes. */
static pons_array run_case(const kernel_case *k) {
  const pons_array in[] = {pons_arange(0, k->n, 1, PONS_FLOAT32), pons_scalar(0.5, PONS_FLOAT32)};
  const pons_shape shape = {1, (const int64_t[]){k->n}};
  const pons_dtype dtype = PONS_FLOAT32;
  pons_array out;
  pons_fast_metal_kernel("mine", .header = k->header, .source = k->source, .inputs = in,
                         .input_names = input_names, .n_inputs = 2, .output_shapes = &shape,
                         .output_dtypes = &dtype, .output_names = output_names, .n_outputs = 1, .out = &out,
                         .grid = {k->n, 1, 1}, .threadgroup = {k->group, 1, 1});
  return out;
}

static void expect(pons_array a, int n, double (*wanted)(int i)) {
  assert_int_equal(pons_size(a), n);
  const pons_array as_float = pons_astype(a, PONS_FLOAT32);
  const float *values = pons_data(as_float);
  if (!values) fail_msg("%s", pons_error());
  for (int i = 0; i < n; i++)
    if (!(fabs((double)values[i] - wanted(i)) <= 1e-5 * (1 + fabs(wanted(i)))))
      fail_msg("element %d is %g, not %g", i, (double)values[i], wanted(i));
}

/* ---- one case for each part of the language ---- */

#define I "uint i = thread_position_in_grid.x;\n"

static double places(int i) { return i + 1000 * (i % 48) + 0.5; }
static double vectors(int i) { return 100 * (i + 2) + 10 * (i + 1) + i + 6 + 0.25; }
static double halves(int i) { return (i + 1.5) * 2; }
static double math(int i) {
  return exp(-i / 8.0) + pow(i, 1.5) + fmax(i, 3) + (i < 5 ? i : 5) + (i - floor(i / 2.0) * 2);
}
static double integers(int i) {
  return __builtin_popcount((unsigned)i) + 32 - (i ? __builtin_clz((unsigned)i) : 32) + 7;
}
static double simd_sums(int i) { /* groups of 40: simdgroups of 32 and of 8 */
  const int group = i / 40 * 40, first = (i - group) / 32 * 32 + group, count = first == group ? 32 : 8;
  return count * first + count * (count - 1) / 2.0 + first + count - 1 + (i - first);
}
static double shuffles(int i) {
  const int lane = i % 32, first = i - lane;
  return first + (lane ^ 1) + (lane >= 3 ? i - 3 : i) + first + 7 + (i / 4 * 4 * 4 + 6) + (lane + 1) * first +
         lane * (lane + 1) / 2.0;
}
static double shared(int i) { return (i / 64 * 64) + 63 - i % 64 + 64; }
static double tables(int i) { return 2.0 * (i % 4) + 3 + 0.5 * i; }
static double structs(int i) { return 3.0 * i + 7; }
static double bits(int i) { return i + 4; }

static double votes(int i) {
  return 11 + 100 + 1000 + (i == 0 ? 10000 : 0) + (i / 4 * 4 + 2) + (i + 1) % 32 +
         (i < 2 ? -(30 + i) : i - 2) + i;
}
static double one(int i) { return (void)i, 1 + 4 + 6; }
static double others(int i) { return 6.5 * i + 21; }

/* A is 8 x 8 and counts from 0, B its transpose: element i of 10 A A^T - 2 A + diagonal of 3, of 16 (A / 64) A, of A^T;
   and twice A's first column. */
static double matrices(int i) {
  const int r = i / 8 % 8, c = i % 8;
  double by_transpose = 0, by_itself = 0;
  for (int k = 0; k < 8; k++) {
    by_transpose += (8.0 * r + k) * (8.0 * c + k);
    by_itself += (8.0 * r + k) / 4 * (8.0 * k + c);
  }
  if (i < 64) return 10 * by_transpose - 2.0 * (8 * r + c) + (r == c ? 3 : 0);
  if (i < 128) return by_itself;
  if (i < 192) return 8.0 * c + r;
  return (c == 0 ? 2 : 1) * (8.0 * r + c);
}

static const kernel_case cases[] = {
    {NULL,
     I "uint3 group = threadgroup_position_in_grid;\n"
       "out[i] = a[i] + 1000 * thread_index_in_threadgroup + b +\n"
       "  (group.x * 48 + thread_position_in_threadgroup.x == i ? 0 : 1) + (threads_per_grid.x == 100 ? 0 : "
       "1) +\n"
       "  (threads_per_threadgroup.x == (group.x < 2 ? 48 : 4) ? 0 : 1) + (threadgroups_per_grid.x == 3 ? 0 "
       ": 1) +\n"
       "  (thread_index_in_simdgroup == thread_index_in_threadgroup % 32 ? 0 : 1) +\n"
       "  (simdgroup_index_in_threadgroup == thread_index_in_threadgroup / 32 ? 0 : 1) +\n"
       "  (dispatch_threads_per_threadgroup.x == 48 && threads_per_simdgroup == 32 ? 0 : 1);\n",
     100, 48, places},
    {NULL,
     I "float4 v = float4(a[i], float2(a[i] + 1, a[i] + 2), 4);\n"
       "v.xw += 1;                       /* part of it */\n"
       "float3 turned = v.zyx * float3(100, 10, 1);\n"
       "v.yz = v.zy;\n"
       "half2 h = half2(turned.xy);\n"
       "const float4 w = v;\n"
       "bool4 less = w.xyzw < float4(INFINITY);\n"
       "out[i] = dot(turned, float3(1)) + v.w + (all(less) ? 0 : 1) + (v.y == a[i] + 2 ? 0 : 1) + 0.25f * "
       "w.rgba.a / 5 * (h.x > 0);\n",
     40, 16, vectors},
    {NULL,
     I "half x = half(a[i]) + 1.5h;\n"
       "bfloat y = bfloat(2.0f);\n"
       "float16_t z = x * 2;\n"
       "static_assert(metal::is_same_v<decltype(x * x), half>, \"halves stay halves\");\n"
       "half none = i > 100 ? x : 0;\n"
       "out[i] = z * float(y) / 2 + none + (i < 100 ? 0 : y);\n",
     60, 32, halves},
    {"#include <metal_simdgroup_matrix>\n",
     "uint lane = thread_index_in_simdgroup;\n"
     "threadgroup half room[64];\n"
     "for (uint k = lane; k < 64; k += 32) room[k] = half(a[k] / 4);\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\n"
     "simdgroup_float8x8 x, turned, three(3.0f), minus = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);\n"
     "simdgroup_load(x, a, 8);\n"
     "simdgroup_load(turned, a, 8, ulong2(0, 0), true);\n"
     "minus.thread_elements() = -2.0f * x.thread_elements();\n"
     "simdgroup_float8x8 product = turned, all = minus;\n"
     "simdgroup_multiply(product, x, turned);\n"
     "for (int k = 0; k < 10; k++) simdgroup_multiply_accumulate(all, x, turned, all);\n"
     "simdgroup_multiply_accumulate(all, three, simdgroup_float8x8(1.0f), all);\n"
     "simdgroup_store(all, out, 8);\n"
     "simdgroup_half8x8 part;\n"
     "simdgroup_load(part, room);\n"
     "simdgroup_matrix<float, 8, 8> mixed;\n"
     "simdgroup_multiply(mixed, part, x);\n"
     "simdgroup_store(mixed, out, 8, ulong2(0, 8));\n"
     "simdgroup_store(x, out + 128, 8, ulong2(0, 0), true);\n"
     "short row = short((lane / 4 & 4) + lane / 2 % 4), column = short((lane / 4 & 2) * 2 + lane % 2 * 2);\n"
     "if (column == 0) x.thread_elements()[0] *= 2;\n"
     "simdgroup_store(x, out + 192);\n",
     256, 32, matrices},
    {"#include <metal_stdlib>\nusing namespace metal;\n",
     I "float x = a[i];\n"
       "out[i] = fast::exp(-x / 8) + precise::pow(x, 1.5f) + metal::max(x, 3.0f) + min(i, 5u) + fmod(x, "
       "2.0f);\n",
     30, 30, math},
    {NULL, I "out[i] = popcount(i) + (32 - clz(i)) + ctz(uint(128));\n", 70, 16, integers},
    {NULL, I "out[i] = simd_sum(a[i]) + simd_max(a[i]) + simd_prefix_exclusive_sum(1.0f);\n", 80, 40,
     simd_sums},
    {NULL,
     I "out[i] = simd_shuffle_xor(a[i], 1) + simd_shuffle_up(a[i], 3) + simd_broadcast(a[i], 7) + "
       "quad_sum(a[i]) +\n"
       "         simd_prefix_inclusive_sum(a[i]);\n",
     64, 64, shuffles},
    {"template <typename T> T last_of(const threadgroup T *room, uint n) { return room[n - 1]; }\n",
     I "threadgroup float room[64];\n"
       "threadgroup atomic_uint count;\n"
       "uint k = thread_index_in_threadgroup;\n"
       "if (k == 0) atomic_store_explicit(&count, 0u, memory_order_relaxed);\n"
       "room[k] = a[i];\n"
       "threadgroup_barrier(mem_flags::mem_threadgroup);\n"
       "atomic_fetch_add_explicit(&count, 1u, memory_order_relaxed);\n"
       "threadgroup_barrier(mem_flags::mem_threadgroup);\n"
       "out[i] = room[63 - k] + atomic_load_explicit(&count, memory_order_relaxed) + last_of(room, 1) - "
       "room[0];\n",
     128, 64, shared},
    {"constant float table[4] = {0, 2, 4, 6};\n"
     "constant constexpr int N = 3;\n"
     "#define HALF(x) (0.5f * (x))\n",
     I "float sum = table[i % 4];\n"
       "#pragma clang loop unroll(full)\n"
       "for (int k = 0; k < N; k++) sum += 1;\n"
       "out[i] = sum + HALF(a[i]);\n",
     20, 8, tables},
    {"struct pair { float x; float xy; float total() const { return x + xy; } };\n"
     "inline void add(thread pair &p, device const float *by, uint i) { p.xy += by[i]; }\n",
     I "pair p = {2 * a[i], 7};\n"
       "add(p, a, i);\n"
       "thread float *place = &p.xy;\n"
       "out[i] = p.x + *place;\n",
     24, 24, structs},
    {NULL,
     I "uint x = as_type<uint>(a[i]);\n"
       "float y = select(0.0f, as_type<float>(x), true);\n"
       "out[i] = y + extract_bits(0x40u, 4u, 4u) + (isnan(y) ? 1 : 0) + clamp(y, 0.0f, 0.0f);\n",
     33, 8, bits},
    {NULL,
     I "float all = simd_all(i < 40) ? 1000 : 0;\n"
       "out[i] = popcount((ulong)simd_ballot(i % 3 == 0)) + (simd_any(i == 5) ? 100 : 0) + all +\n"
       "  (simd_is_first() ? 10000 : 0) + quad_broadcast(a[i], 2) + simd_shuffle_rotate_down(a[i], 1) +\n"
       "  simd_shuffle_and_fill_up(a[i], -a[i], 2) + simd_shuffle(a[i], thread_index_in_simdgroup);\n",
     32, 32, votes},
    {NULL,
     I "threadgroup atomic_int lock;\n"
       "threadgroup atomic_uint bits;\n"
       "if (i == 0) {\n"
       "  atomic_store_explicit(&lock, 5, memory_order_relaxed);\n"
       "  atomic_store_explicit(&bits, 12u, memory_order_relaxed);\n"
       "}\n"
       "threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);\n"
       "int expected = 5;\n"
       "bool first = atomic_compare_exchange_weak_explicit(&lock, &expected, int(i) + 6, "
       "memory_order_relaxed,\n"
       "                                                   memory_order_relaxed);\n"
       "atomic_fetch_and_explicit(&bits, 6u, memory_order_relaxed);\n"
       "threadgroup_barrier(mem_flags::mem_threadgroup);\n"
       "int least = 6 - simd_min(int(i));\n"
       "out[i] = simd_sum(first ? 1 : 0) + atomic_load_explicit(&bits, memory_order_relaxed) + least;\n",
     32, 32, one},
    {NULL,
     I "float x = a[i], cosine, whole;\n"
       "int exponent;\n"
       "float sine = sincos(x, cosine), mantissa = frexp(x + 1, exponent), part = modf(x / 2, whole);\n"
       "packed_float3 p = float3(x, 1, 2);\n"
       "int3 q = int3(i, 1, 2) << 1;\n"
       "uint2 chosen = select(uint2(1, 2), uint2(3), bool2(true, false));\n"
       "complex64_t z = complex64_t(x, 1) * complex64_t(0, 1);\n"
       "out[i] = sine * sine + cosine * cosine + ldexp(mantissa, exponent) + (whole + part) + p[0] + q.x + "
       "chosen.x +\n"
       "  chosen.y + z.imag + mix(0.0f, 2.0f, 0.5f) + length(float3(x, 0, 0)) + (any(isnan(float2(x))) ? 1 : "
       "0) +\n"
       "  sign(-x - 1) + reverse_bits(0x80000000u) + rotate(1u, 3u) + mulhi(0x80000000u, 2u) + hadd(3, 5);\n",
     20, 20, others},
};

/* The double of Apple's frameworks has no vectors with constructors, and no functions of them: those are Metal's own to
   give. */
static bool on_double_of_metal(void) {
  return strncmp(pons_default_device(), "metal", 5) == 0 && getenv("METAL_DOUBLE_CACHE");
}
static bool is_of_types(const kernel_case *k) {
  return k->wanted == vectors || k->wanted == halves || k->wanted == matrices || k->wanted == others;
}

static void each_part_of_the_language_is_carried_over(void **state) {
  (void)state;
  if (!speaks_metal()) return;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (on_double_of_metal() && is_of_types(&cases[i])) continue;
    const pons_scope s = pons_scope_open();
    print_message("%s", cases[i].source);
    expect(run_case(&cases[i]), cases[i].n, cases[i].wanted);
    pons_scope_close(s);
  }
}

/* ---- what MLX's interface gives beside the body ---- */

static double transposed(int i) { return 2 * (3.0 * (i % 4) + i / 4) + 5; }
static void shapes_strides_templates(void **state) {
  (void)state;
  if (!speaks_metal()) return;
  const pons_shape shape = PONS_SHAPE(3, 4);
  const pons_dtype dtypes[] = {PONS_BFLOAT16, PONS_FLOAT16};
  const struct pons_kernel_argument values[] = {
      {.name = "T", .kind = PONS_KERNEL_DTYPE, .dtype = PONS_BFLOAT16},
      {.name = "N", .kind = PONS_KERNEL_INT, .number = 2},
      {.name = "ADD", .kind = PONS_KERNEL_BOOL, .number = 1}};
  for (int any = 0; any < 2; any++) {
    const pons_scope s = pons_scope_open();
    const pons_array in[] = {pons_transpose(pons_reshape(pons_arange(0, 12, 1, dtypes[1]), PONS_SHAPE(4, 3))),
                             pons_array_from((const int32_t[]){5}, PONS_SHAPE(1), PONS_INT32)};
    pons_array out;
    pons_fast_metal_kernel("typed", .inputs = in, .input_names = input_names, .n_inputs = 2,
                           .output_shapes = &shape, .output_dtypes = dtypes, .output_names = output_names,
                           .n_outputs = 1, .out = &out, .template_arguments = values,
                           .n_template_arguments = 3, .any_layout = any,
                           .source =
                               "uint i = thread_position_in_grid.x;\n"
                               "auto at = elem_to_loc(i, a_shape, a_strides, a_ndim);\n"
                               "out[i] = T(a[at]) * N + (ADD ? T(b[0]) : T(0));\n",
                           .grid = {12, 1, 1}, .threadgroup = {5, 1, 1});
    expect(out, 12, transposed);
    pons_scope_close(s);
  }
}

static double counted(int i) { return i == 0 ? 0 + 8 : i == 1 ? 99 : 0; }
static void atomic_results_and_what_they_held_before(void **state) {
  (void)state;
  if (!speaks_metal()) return;
  const pons_scope s = pons_scope_open();
  const pons_array in = pons_arange(0, 100, 1, PONS_FLOAT32);
  const pons_shape shapes[] = {PONS_SHAPE(3), PONS_SHAPE(2)};
  const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_INT32};
  const float zero = 0;
  pons_array out[2];
  pons_fast_metal_kernel(
      "atomics", .inputs = &in, .input_names = input_names, .n_inputs = 1, .output_shapes = shapes,
      .output_dtypes = dtypes, .output_names = output_names, .n_outputs = 2, .out = out,
      .atomic_outputs = true, .init_value = &zero, .math_mode = "fast",
      .source =
          "uint i = thread_position_in_grid.x;\n"
          "if (i % 13 == 0) atomic_fetch_add_explicit(&out[0], 1.0f, memory_order_relaxed);\n"
          "atomic_fetch_max_explicit(&out[1], a[i], memory_order_relaxed);\n"
          "atomic_fetch_or_explicit(&rest[i % 2], 1 << (i % 5), memory_order_relaxed);\n",
      .grid = {100, 1, 1}, .threadgroup = {32, 1, 1});
  expect(out[0], 3, counted);
  assert_int_equal(pons_item_int(pons_sum(out[1])), 62);
  pons_scope_close(s);
}

/* ---- places and arguments ---- */

/* A grid of 5 x 3 x 2 in groups of 4 x 2 x 2: those at the ends are smaller. */
static double place_in_grid(int i) {
  const int x = i % 5, y = i / 5 % 3, z = i / 15, wide = x < 4 ? 4 : 1, high = y < 2 ? 2 : 1;
  const int index = x % 4 + wide * (y % 2 + high * z), group = x / 4 + 10 * (y / 2);
  return index + 100 * group + 1000 * (wide * high * 2) + 0.5 * (x + 10 * y + 100 * z);
}
static void groups_at_the_ends_of_a_grid_are_smaller(void **state) {
  (void)state;
  if (!speaks_metal()) return;
  const pons_scope s = pons_scope_open();
  const pons_array in = pons_zeros(PONS_SHAPE(1), PONS_FLOAT32);
  const pons_shape shape = PONS_SHAPE(30);
  const pons_dtype dtype = PONS_FLOAT32;
  pons_array out;
  pons_fast_metal_kernel("corners", .inputs = &in, .input_names = input_names, .n_inputs = 1,
                         .output_shapes = &shape, .output_dtypes = &dtype, .output_names = output_names,
                         .n_outputs = 1, .out = &out,
                         .source =
                             "uint3 p = thread_position_in_grid, g = threadgroup_position_in_grid, n = "
                             "threads_per_threadgroup;\n"
                             "uint3 all = threads_per_grid;\n"
                             "out[(p.z * all.y + p.y) * all.x + p.x] = a[0] + thread_index_in_threadgroup + "
                             "100 * (g.x + 10 * g.y) +\n"
                             "  1000 * (n.x * n.y * n.z) + 0.5f * (p.x + 10 * p.y + 100 * p.z);\n",
                         .grid = {5, 3, 2}, .threadgroup = {4, 2, 2});
  expect(out, 30, place_in_grid);
  pons_scope_close(s);
}

/* a is every second element of rows 1 and 2 of 4 x 6; then 10 times the sizes, the strides, and the rest. */
static double of_a_view(int i) {
  static const double rest[] = {20, 30, 6, 2, 2, 2, 7, 9};
  return i < 6 ? (1 + i / 3) * 6 + 1 + i % 3 * 2 : rest[i - 6];
}
static void arguments_are_in_the_order_of_mlx(void **state) {
  (void)state;
  if (!speaks_metal()) return;
  const pons_scope s = pons_scope_open();
  const pons_array all = pons_reshape(pons_arange(0, 24, 1, PONS_FLOAT32), PONS_SHAPE(4, 6));
  const pons_array in[] = {pons_slice(all, PONS_SHAPE(1, 1), PONS_SHAPE(3, 6), PONS_SHAPE(1, 2)),
                           pons_array_from((const int32_t[]){7, 8}, PONS_SHAPE(2), PONS_INT32),
                           pons_scalar(9, PONS_FLOAT16)};
  const pons_shape shapes[] = {PONS_SHAPE(14), PONS_SHAPE(1)};
  const pons_dtype dtypes[] = {PONS_FLOAT32, PONS_UINT8};
  pons_array out[2];
  pons_fast_metal_kernel("ordered", .inputs = in, .input_names = input_names, .n_inputs = 3,
                         .output_shapes = shapes, .output_dtypes = dtypes, .output_names = output_names,
                         .n_outputs = 2, .out = out, .any_layout = true,
                         .source =
                             "uint i = thread_position_in_grid.x;\n"
                             "if (i < 6) out[i] = a[i / 3 * a_strides[0] + i % 3 * a_strides[1]];\n"
                             "if (i == 6) out[6] = 10 * a_shape[0];\n"
                             "if (i == 7) out[7] = 10 * a_shape[1];\n"
                             "if (i == 8) out[8] = a_strides[0];\n"
                             "if (i == 9) out[9] = a_strides[1];\n"
                             "if (i == 10) out[10] = a_ndim;\n"
                             "if (i == 11) out[11] = b_shape[0];\n"
                             "if (i == 12) out[12] = b[0];\n"
                             "if (i == 13) out[13] = c;\n"
                             "rest[0] = 200;\n",
                         .grid = {14, 1, 1}, .threadgroup = {256, 1, 1});
  expect(out[0], 14, of_a_view);
  assert_int_equal(pons_item_int(out[1]), 200);
  pons_scope_close(s);
}

static void expect_error(pons_array x, const char *words) {
  if (pons_eval(x)) fail_msg("no error");
  if (!strstr(pons_error(), words)) fail_msg("no '%s' in '%s'", words, pons_error());
  pons_clear_error();
}
static void what_is_wrong_is_told(void **state) {
  (void)state;
  if (!speaks_metal()) return;
  const pons_scope s = pons_scope_open();
  const kernel_case nothing = {NULL, "out[0] = nowhere;\n", 8, 8, NULL},
                    too_many = {NULL, "out[0] = a[0] + b;\n", 4096, 4096, NULL};
  expect_error(run_case(&nothing), "nowhere");
  expect_error(run_case(&nothing), "does not compile");
  expect_error(run_case(&too_many), "4096");
  pons_scope_close(s);
}

/* A file that MLX wrote: 2 a + b and the first size of a; b is 3. */
static double scaled(int i) { return 2.0 * (i + 1) + 5; }
static void files_from_elsewhere_run(void **state) {
  (void)state;
  if (!speaks_metal()) return;
  const pons_scope s = pons_scope_open();
  pons_imported file = pons_import_function(PONS_SOURCE_DIR "/tests/fixtures/custom-metal-kernel.mlxfn");
  if (!file) fail_msg("%s", pons_error());
  pons_function f = pons_imported_function(file);
  expect(pons_apply(f, pons_array_from((const float[]){1, 2, 3, 4}, PONS_SHAPE(2, 2), PONS_FLOAT32)), 4,
         scaled);
  pons_function_release(f);
  pons_imported_release(file);
  pons_scope_close(s);
}

/* ---- what is refused, before anything is compiled ---- */

static void expect_refused(const char *source, const char *words) {
  const int ndim = 1, bytes = 4;
  const int64_t three[3] = {1, 1, 1}, infos[3] = {0};
  const custom_kernel_params p = {.name = {4, "mine"},
                                  .source = {(int)strlen(source), source},
                                  .grid = {3, three},
                                  .threadgroup = {3, three},
                                  .shape_infos = {3, infos}};
  text out = {0};
  error *why = metal_translate(&p, &(metal_arguments){1, 1, &ndim, &bytes, &bytes}, &out);
  if (!why || !strstr(pons_error(), words)) fail_msg("no '%s' in '%s'", words, pons_error());
  text_free(&out);
  error_release(why);
  pons_clear_error();
}

#define KERNEL(parameters, body)                                                                       \
  "[[kernel]] void mine(const device float *a [[buffer(0)]], device float *o [[buffer(1)]]" parameters \
  ") {\n" body "}\n"

static void what_cuda_has_not_is_an_error_that_names_it(void **state) {
  (void)state;
  expect_refused(KERNEL("", "float4x4 m;\n"),
                 "'mine', line 2 of its text: float4x4: matrices are not carried over from Metal to CUDA");
  expect_refused(KERNEL(", texture2d<float> t [[texture(0)]]", ""),
                 "line 1 of its text: texture2d: textures are not");
  expect_refused("#include \"steel.h\"\n" KERNEL("", ""), "line 1 of its text: #include \"steel.h\"");
  expect_refused(KERNEL(", threadgroup float *room [[threadgroup(0)]]", ""),
                 "threadgroup: parameters with this attribute are not");
  expect_refused(KERNEL(", constant int &n [[buffer(2)]]", ""),
                 "'mine' takes more buffers than the 1 inputs and 1 results");
  expect_refused("void other() {}\n", "there is no kernel 'mine' in its text");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_part_of_the_language_is_carried_over),
      cmocka_unit_test(shapes_strides_templates),
      cmocka_unit_test(atomic_results_and_what_they_held_before),
      cmocka_unit_test(groups_at_the_ends_of_a_grid_are_smaller),
      cmocka_unit_test(arguments_are_in_the_order_of_mlx),
      cmocka_unit_test(what_is_wrong_is_told),
      cmocka_unit_test(files_from_elsewhere_run),
      cmocka_unit_test(what_cuda_has_not_is_an_error_that_names_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
