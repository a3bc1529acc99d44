/* custom_kernels.h: a kernel of the user's own on a double, for cases of calls that fail. Its inputs have to be copied to be
   row-major and its results are filled first, so it is more than a launch. Uses process.h. */
#ifndef DOUBLES_CUSTOM_KERNELS_H
#define DOUBLES_CUSTOM_KERNELS_H
#include "tests/doubles/process.h"
#include <pons/pons.h>

/* x is 3 x 4, counted along its columns; twice its elements but for the last, which stays 7. */
static inline pons_array custom_twice(const char *math_mode) {
  static const char *const in_name = "x", *const out_name = "y";
  const pons_array x = pons_transpose(pons_reshape(pons_arange(0, 12, 1, PONS_FLOAT32), PONS_SHAPE(4, 3)));
  const pons_shape shape = PONS_SHAPE(3, 4);
  const pons_dtype dtype = PONS_FLOAT32;
  const float seven = 7;
  pons_array y;
  pons_fast_metal_kernel("twice", .inputs = &x, .input_names = &in_name, .n_inputs = 1,
                         .output_shapes = &shape, .output_dtypes = &dtype, .output_names = &out_name,
                         .n_outputs = 1, .out = &y, .init_value = &seven, .math_mode = math_mode,
                         .source =
                             "uint i = thread_position_in_grid.x;\n"
                             "#ifdef __FAST_MATH__\n"
                             "y[i] = -1;\n"
                             "#else\n"
                             "y[i] = 2 * x[i];\n"
                             "#endif\n",
                         .grid = {11, 1, 1}, .threadgroup = {4, 1, 1});
  return y;
}

static inline bool custom_twice_is_right(pons_array y) {
  const float *data = pons_data(y);
  for (int i = 0; data && i < 11; i++)
    if (data[i] != 2.0f * (float)(i % 4 * 3 + i / 4)) return false;
  return data && data[11] == 7;
}

/* On a device of 3 MB: four are an error, which the CPU can't help; the device goes on. */
static inline void custom_is_too_large(const char *device) {
  static const char *const in_name = "x", *const out_name = "y";
  CHECK(pons_set_default_device(device));
  const pons_scope s = pons_scope_open();
  const pons_array x = pons_zeros(PONS_SHAPE(1), PONS_FLOAT32);
  const pons_shape shape = PONS_SHAPE(1000000);
  const pons_dtype dtype = PONS_FLOAT32;
  pons_array y;
  pons_fast_metal_kernel("large", .inputs = &x, .input_names = &in_name, .n_inputs = 1,
                         .output_shapes = &shape, .output_dtypes = &dtype, .output_names = &out_name,
                         .n_outputs = 1, .out = &y, .source = "y[thread_position_in_grid.x] = x[0];\n",
                         .grid = {1000000, 1, 1}, .threadgroup = {64, 1, 1});
  CHECK(!pons_data(y) && strstr(pons_error(), "out of memory on "));
  pons_clear_error();
  CHECK(custom_twice_is_right(custom_twice("safe")) && pons_ok());
  pons_scope_close(s);
}

/* ---- calls that fail ---- */

typedef struct custom_fault {
  const char *fault, *words; /* as DOUBLE_FAULTS has it; what the error says */
} custom_fault;
static const char *custom_words;

/* Once an error that says what failed, and then the kernel runs. */
static inline void custom_fails_once(const char *device) {
  CHECK(pons_set_default_device(device));
  const pons_scope s = pons_scope_open();
  CHECK(!pons_data(custom_twice("safe")) && strstr(pons_error(), custom_words));
  pons_clear_error();
  CHECK(custom_twice_is_right(custom_twice("safe")) && pons_ok());
  pons_scope_close(s);
}

/* Each of them, in a process of its own; `f` is custom_fails_once on a device. */
static inline void custom_each_fails(const custom_fault *faults, size_t n, void (*f)(void), const char *settings) {
  for (size_t i = 0; i < n; i++) {
    char all[160];
    snprintf(all, sizeof all, "%sDOUBLE_FAULTS=%s", settings, faults[i].fault);
    custom_words = faults[i].words;
    passes(f, all);
  }
}
#endif
