/* einsum.h: Einstein sums as labels: what einsum_path.c reads and plans, and einsum.c computes. For these two
   alone. */
#ifndef LIB_ARRAY_EINSUM_H
#define LIB_ARRAY_EINSUM_H
#include "operands.h"

/* A label is a letter, A to Z (0 to 25) and a to z (26 to 51), or an axis of the ellipsis: 63 the last. */
enum { LABELS = 64, ELLIPSIS_LABELS = 12 };
typedef uint64_t label_set;
#define LABEL(i) ((label_set)1 << (i))

/* The labels of an array's axes, in their order. */
typedef struct term {
  int n;
  uint8_t at[PONS_MAX_NDIM];
} term;

typedef struct equation {
  int count;
  term *in; /* count of them; freed by equation_free */
  term out;
  int64_t size[LABELS]; /* 1 where a label stands for no axis */
} equation;

/* NULL, or an array that carries the error if the subscripts are none for these arrays. */
pons_array equation_read(const char *op, const char *subscripts, const pons_array *arrays, int count,
                         equation *q);
void equation_free(equation *q);

/* One contraction of a path: the operands at `first` < `second` (-1: there is but one) are taken out, and
   their result is put at the end. */
typedef struct contraction {
  int first, second;
} contraction;
typedef struct path_cost {
  int naive_scaling, scaling; /* labels in the widest contraction */
  double naive, cost;         /* operations */
} path_cost;
/* A path into room for `count` contractions; how many there are, or -1 and an error. */
int equation_path(const equation *q, contraction *path, path_cost *cost);

static inline label_set labels_of(const term *t) {
  label_set set = 0;
  for (int i = 0; i < t->n; i++) set |= LABEL(t->at[i]);
  return set;
}
#endif
