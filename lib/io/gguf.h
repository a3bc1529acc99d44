/* gguf.h: what reading and writing GGUF share: the types of tensors and of metadata, and their blocks.

     "GGUF" | version (4 bytes) | tensors, metadata entries (8 each)
     metadata: name, type (4), value                a text is its length (8 bytes) and its bytes
     tensors:  name, axes (4), sizes (8 each, the last axis first), type (4), offset (8)
     padding to general.alignment (32)
     data: each tensor at its offset from here, a multiple of the alignment */
#ifndef GGUF_H
#define GGUF_H
#include "formats.h"

enum { GGUF_VERSION = 3, GGUF_ALIGNMENT = 32 };

/* What becomes of a tensor when it is read. */
typedef enum gguf_form {
  GGUF_PLAIN,  /* its elements */
  GGUF_AFFINE, /* packed weights, scales, biases */
  GGUF_MXFP4,  /* packed weights, scales */
  GGUF_VALUES  /* computed from its blocks */
} gguf_form;

typedef struct gguf_type {
  uint32_t code;
  const char *name;
  gguf_form form;
  pons_dtype dtype;  /* of the elements or values */
  int values, bytes; /* of a block; 1 and the element's for plain ones */
  int bits;          /* of a packed weight */
  void (*unpack)(const unsigned char *block, float *values);
} gguf_type;
/* NULL: unknown. */
const gguf_type *gguf_type_of_code(uint32_t code);
const gguf_type *gguf_type_named(const char *name);
/* The plain type with elements of `dtype`, or NULL. */
const gguf_type *gguf_type_of_dtype(pons_dtype dtype);

enum { GGUF_GROUP = 32, GGUF_MOST_VALUES = 256 };
float gguf_float_of_half(uint16_t half);
uint16_t gguf_half_of_float(float x); /* to nearest, ties to even */
/* A block's packed weights as MLX has them (consecutive, the first in the lowest bits), and back. */
void gguf_weights_of_block(const gguf_type *t, const unsigned char *block, unsigned char *weights);
void gguf_block_of_weights(const gguf_type *t, const unsigned char *weights, unsigned char *block);
/* What w = scale * q + bias needs beside the scale: the bias of Q4_0 and Q8_0. */
uint16_t gguf_implied_bias(const gguf_type *t, uint16_t scale);

/* Types of metadata. */
enum {
  GGUF_UINT8,
  GGUF_INT8,
  GGUF_UINT16,
  GGUF_INT16,
  GGUF_UINT32,
  GGUF_INT32,
  GGUF_FLOAT32,
  GGUF_BOOL,
  GGUF_TEXT,
  GGUF_LIST,
  GGUF_UINT64,
  GGUF_INT64,
  GGUF_FLOAT64,
  GGUF_METADATA_TYPES
};
/* The dtype of numbers and bools; false for the others. */
bool gguf_metadata_dtype(uint32_t type, pons_dtype *dtype);
#endif
