/* quantized.c: arrays stored as codes of few bits, and products with them. */
#include "binding.h"
#include <string.h>

static const char *const modes[] = {"affine", "mxfp4", "mxfp8", "nvfp4"}; /* as in pons_quantization */

static bool mode_from(const char *op, slot s, pons_quantization *mode) {
  for (int m = 0; m < 4; m++) {
    *mode = (pons_quantization)m;
    if (strcmp(modes[m], s.text) == 0) return true;
  }
  PyErr_Format(PyExc_ValueError, "%s: mode is '%s', it must be 'affine', 'mxfp4', 'mxfp8' or 'nvfp4'", op,
               s.text);
  return false;
}

FUNCTION(quantize,
         "(w: array, /, group_size: int | None = None, bits: int | None = None, mode: str = 'affine', *, "
         "global_scale: "
         "array | None = None, stream: StreamOrDevice = None) -> tuple[array, array, array]",
         "Codes, scales and, for mode 'affine', biases of w.") {
  pons_array out[3];
  pons_quantization mode;
  if (!mode_from("quantize", s[3], &mode)) return NULL;
  pons_quantize(out, s[0].array, .group_size = (int)int_or(s[1], 0), .bits = (int)int_or(s[2], 0),
                .mode = mode, .global_scale = array_or_null(s[4]));
  return wrap_tuple(out, out[2] ? 3 : 2);
}

FUNCTION(dequantize,
         "(w: array, /, scales: array, biases: array | None = None, group_size: int | None = None, bits: int "
         "| None = None, "
         "mode: str = 'affine', global_scale: array | None = None, dtype: Dtype | None = None, *, stream: "
         "StreamOrDevice = "
         "None) -> array",
         "The values of codes.") {
  pons_quantization mode;
  if (!mode_from("dequantize", s[5], &mode)) return NULL;
  return wrap(pons_dequantize(s[0].array, s[1].array, array_or_null(s[2]), .group_size = (int)int_or(s[3], 0),
                              .bits = (int)int_or(s[4], 0), .mode = mode, .global_scale = array_or_null(s[6]),
                              .dtype = optional_dtype(s[7])));
}

FUNCTION(
    quantized_matmul,
    "(x: array, w: array, /, scales: array, biases: array | None = None, transpose: bool = True, group_size: "
    "int | "
    "None = None, bits: int | None = None, mode: str = 'affine', *, stream: StreamOrDevice = None) -> array",
    "x times the (transpose of the) values of codes w.") {
  pons_quantization mode;
  if (!mode_from("quantized_matmul", s[7], &mode)) return NULL;
  return wrap(pons_quantized_matmul(s[0].array, s[1].array, s[2].array, array_or_null(s[3]),
                                    .no_transpose = !s[4].flag, .group_size = (int)int_or(s[5], 0),
                                    .bits = (int)int_or(s[6], 0), .mode = mode));
}

FUNCTION(
    gather_qmm,
    "(x: array, w: array, /, scales: array, biases: array | None = None, lhs_indices: array | None = None, "
    "rhs_indices: array | None = None, transpose: bool = True, group_size: int | None = None, bits: int | "
    "None = None, "
    "mode: str = 'affine', global_scale: array | None = None, *, sorted_indices: bool = False, stream: "
    "StreamOrDevice "
    "= None) -> array",
    "quantized_matmul of matrices chosen by number.") {
  pons_quantization mode;
  if (!mode_from("gather_qmm", s[9], &mode)) return NULL;
  return wrap(pons_gather_qmm(s[0].array, s[1].array, s[2].array, array_or_null(s[3]),
                              .lhs_indices = array_or_null(s[4]), .rhs_indices = array_or_null(s[5]),
                              .no_transpose = !s[6].flag, .group_size = (int)int_or(s[7], 0),
                              .bits = (int)int_or(s[8], 0), .mode = mode,
                              .global_scale = array_or_null(s[10]), .sorted_indices = s[11].flag));
}

FUNCTION(
    qqmm,
    "(x: array, w: array, scales: array | None = None, group_size: int | None = None, bits: int | None = "
    "None, mode: "
    "str = 'nvfp4', global_scale_x: array | None = None, global_scale_w: array | None = None, *, stream: "
    "StreamOrDevice = None) -> array",
    "x, quantized on the way, times the transpose of w: codes with scales, or floats that are quantized "
    "too.") {
  pons_quantization mode;
  if (!mode_from("qqmm", s[5], &mode)) return NULL;
  return wrap(pons_qqmm(s[0].array, s[1].array, array_or_null(s[2]), .group_size = (int)int_or(s[3], 0),
                        .bits = (int)int_or(s[4], 0), .mode = mode, .global_scale_x = array_or_null(s[6]),
                        .global_scale_w = array_or_null(s[7])));
}

FUNCTION(gather_qqmm,
         "(x: array, w: array, /, scales: array | None = None, lhs_indices: array | None = None, "
         "rhs_indices: array | None "
         "= None, group_size: int | None = None, bits: int | None = None, mode: str = 'nvfp4', "
         "global_scale_x: array | None "
         "= None, global_scale_w: array | None = None, *, sorted_indices: bool = False, stream: "
         "StreamOrDevice = None) -> "
         "array",
         "qqmm of matrices chosen by number.") {
  pons_quantization mode;
  if (!mode_from("gather_qqmm", s[7], &mode)) return NULL;
  return wrap(pons_gather_qqmm(s[0].array, s[1].array, array_or_null(s[2]), array_or_null(s[3]),
                               array_or_null(s[4]), .group_size = (int)int_or(s[5], 0),
                               .bits = (int)int_or(s[6], 0), .mode = mode,
                               .global_scale_x = array_or_null(s[8]), .global_scale_w = array_or_null(s[9]),
                               .sorted_indices = s[10].flag));
}

FUNCTION(to_fp8, "(x: array, *, stream: StreamOrDevice = None) -> array", "Floats as E4M3 in uint8.") {
  return wrap(pons_to_fp8(s[0].array));
}

FUNCTION(from_fp8, "(x: array, dtype: Dtype = bfloat16, *, stream: StreamOrDevice = None) -> array",
         "E4M3 in uint8 as floats.") {
  return wrap(pons_from_fp8(s[0].array, s[1].dtype));
}

static PyMethodDef rows[] = {ROW(quantize),   ROW(dequantize), ROW(quantized_matmul),
                             ROW(gather_qmm), ROW(qqmm),       ROW(gather_qqmm),
                             ROW(to_fp8),     ROW(from_fp8),   END_OF_ROWS};

int add_quantized(PyObject *module) { return PyModule_AddFunctions(module, rows); }
