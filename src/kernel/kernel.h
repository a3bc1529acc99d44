/* kernel.h: the door of kernel/: loops around scalar expressions.

   A kernel is a short program over values: first its inputs, then one value per instruction. It is run once
   for each element of an iteration space, with broadcasting given by strides of 0:

       in 0: float32   in 1: float32     v2 = add v0 v1    v3 = tanh v2    out: v3

   What an instruction means is a row of elementwise.def. Uses base/. */
#ifndef KERNEL_H
#define KERNEL_H
#include "base/base.h"

/* ROW_add, ROW_exp, ...: one per row of elementwise.def, in its order. */
typedef enum row {
#define UNARY(name, ...) ROW_##name,
#define BINARY(name, ...) ROW_##name,
#define TERNARY(name, ...) ROW_##name,
#include "kernel/elementwise.def"
  ROW_COUNT
} row;

/* What a row says, as data. */
typedef struct row_info {
  const char *name;      /* "exp" */
  const char *file_name; /* in .mlxfn: "Exp" */
  /* value of the one state field that tells rows of the same file name apart; -1: no field */
  int variant;
  int arity;             /* 1, 2, 3 */
  uint16_t types;        /* bit per dtype an operand may have */
  enum { RESULT_SAME, RESULT_BOOL, RESULT_REAL, RESULT_CAST } result;
  double low, high;      /* range in which tests try it */
  const char *value;     /* the expression's text, for generated code */
} row_info;
extern const row_info row_table[ROW_COUNT];
static inline bool row_takes(row r, pons_dtype d) { return row_table[r].types >> d & 1; }
pons_dtype row_result(row r, pons_dtype operand); /* not for ROW_cast */

enum { KERNEL_MAX_INPUTS = 24, KERNEL_MAX_CODE = 64, KERNEL_MAX_OUTPUTS = 8 };

typedef struct instruction {
  uint16_t row;
  uint8_t operand; /* dtype of the operands (of the last one for `select`, whose first is bool) */
  uint8_t result;  /* dtype of the value */
  int16_t arg[3];  /* values: 0 .. n_in-1 are inputs, n_in + k is instruction k */
} instruction;

typedef struct kernel {
  int n_in, n_code, n_out;
  uint8_t in[KERNEL_MAX_INPUTS]; /* dtypes */
  instruction code[KERNEL_MAX_CODE];
  int16_t out[KERNEL_MAX_OUTPUTS]; /* values that are stored */
} kernel;

static inline pons_dtype kernel_result(const kernel *k, int output) {
  const int value = k->out[output];
  return (pons_dtype)(value < k->n_in ? k->in[value] : k->code[value - k->n_in].result);
}

/* Where the first element of an operand stands on a device with memory of its own. */
typedef struct location {
  void *memory;   /* the driver's name for it */
  int64_t offset; /* in bytes */
  int device;     /* index among the driver's */
} location;

/* Memory as a kernel or a call sees it. Strides in elements; 0 repeats. Outputs are row-major. */
typedef struct operand {
  /* The first element, or its `location`. NULL while it is only asked whether an implementation would take it. */
  void *data;
  pons_dtype dtype;
  int ndim;
  const int64_t *shape;
  const int64_t *strides;
} operand;

static inline bool operand_is_row_major(const operand *o) { return shape_is_row_major(o->ndim, o->shape, o->strides); }

/* ---- activations (activation.c) ---- */

/* What often follows a product of matrices, so that implementations of these may do it themselves. */
typedef enum activation {
  ACTIVATION_NONE,
  ACTIVATION_RELU, /* maximum(x, 0); of NaN NaN */
  ACTIVATION_GELU_TANH,
  ACTIVATION_COUNT
} activation;
extern const char *const activation_names[ACTIVATION_COUNT];

/* A way to write one: a row, then its operands, each of which is a term: x, a number, or a row again. */
typedef struct activation_term {
  enum { TERM_X, TERM_NUMBER, TERM_ROW } kind;
  row row;
  double number;
} activation_term;
typedef struct activation_spelling {
  activation is;
  int n_terms;
  const activation_term *terms;
} activation_spelling;
enum { ACTIVATION_SPELLINGS = 3 };
extern const activation_spelling activation_spellings[ACTIVATION_SPELLINGS];
/* Behind the term at `at` and its operands. */
int activation_term_end(const activation_term *terms, int at);
/* The kernel that computes it for a float dtype: in[0] is x, the others are numbers, which come to `numbers`. */
void activation_kernel(activation a, pons_dtype d, kernel *k, double *numbers);

/* The judge: element by element in double (int64 for integers), slow and plainly right. All operands have the
   shape of out[0]. */
void kernel_interpret(const kernel *k, const operand *in, const operand *out);
/* "v2 = add v0 v1 float32; ..." for PONS_SHOW and tests. */
void kernel_print(text *t, const kernel *k);
#endif
