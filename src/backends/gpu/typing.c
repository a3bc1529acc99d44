/* typing.c: how each dtype is held. Uses typing.h. */
#include "backends/gpu/typing.h"

const gpu_typing gpu_typings[PONS_DTYPE_COUNT] = {
    [PONS_BOOL] = {"uint8_t", "bool", "b", "", "", "", ""},
    [PONS_UINT8] = {"uint8_t", "uint8_t", "u8", "", "", "", ""},
    [PONS_UINT16] = {"uint16_t", "uint16_t", "u16", "", "", "", ""},
    [PONS_UINT32] = {"uint32_t", "uint32_t", "u32", "", "", "", ""},
    [PONS_UINT64] = {"uint64_t", "uint64_t", "u64", "", "", "", ""},
    [PONS_INT8] = {"int8_t", "int8_t", "i8", "", "", "", ""},
    [PONS_INT16] = {"int16_t", "int16_t", "i16", "", "", "", ""},
    [PONS_INT32] = {"int32_t", "int32_t", "i32", "", "", "", ""},
    [PONS_INT64] = {"int64_t", "int64_t", "i64", "", "", "", ""},
    [PONS_FLOAT16] = {"uint16_t", "float", "f32", "k_float_from_half", "k_half_from_float", "", ""},
    [PONS_FLOAT32] = {"float", "float", "f32", "", "", "k_bits_f32", "k_from_bits_f32"},
    [PONS_FLOAT64] = {"double", "double", "f64", "", "", "k_bits_f64", "k_from_bits_f64"},
    [PONS_BFLOAT16] = {"uint16_t", "float", "f32", "k_float_from_bfloat", "k_bfloat_from_float", "", ""},
    [PONS_COMPLEX64] = {"complex64", "complex64", "c64", "", "", "complex_bits", "complex_from_bits"},
    [PONS_COMPLEX128] = {.suffix = ""}, /* the dialect has none */
};
