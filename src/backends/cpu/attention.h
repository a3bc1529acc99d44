/* attention.h: what attention (attention_cpu.c) and its way back (attention_vjp_cpu.c) share: where rows of q meet
   keys, and products of some rows with what was packed as strips. Uses cpu/gemm.h. */
#ifndef CPU_ATTENTION_H
#define CPU_ATTENTION_H
#include "backends/cpu/gemm.h"

typedef struct attention {
  const operand *q, *k, *v, *mask; /* mask: NULL if there is none */
  float scale;
  bool causal;
  int64_t kv_heads, per, length, keys, dim, v_dim; /* per: heads of q that share one of k */
  int64_t strip;                                   /* columns of a tile */
} attention;

/* Row r of a kv head's per x length rows of q. */
typedef struct row_place {
  int64_t batch, head, at;
} row_place;

attention attention_of(const attention_params *p, const operand *in, const operand *mask);
row_place attention_place(const attention *a, int64_t kv_head, int64_t row);
static inline const void *at_place(const operand *x, row_place p) {
  return element(x->data, x->dtype, p.batch * x->strides[0] + p.head * x->strides[1] + p.at * x->strides[2]);
}
/* Keys that a row may see. */
static inline int64_t keys_of(const attention *a, row_place p) {
  return a->causal ? a->keys - a->length + p.at + 1 : a->keys;
}
/* Row r of q, scaled. */
void attention_query(const attention *a, row_place p, float *to);
/* Adds the mask to the scores that a row has with keys from `key` on, or makes them the least number. */
void attention_mask(const attention *a, row_place p, int64_t key, int64_t n, float *scores);
/* Fills what is left of a block of softmax's loops, for which there is room, and says how many there are then: rests are slow. */
int64_t attention_fill(float *row, int64_t n, float with);
/* The greatest of them; NaN if all are. */
float attention_greatest(const float *scores, int64_t n);
/* A kv head's matrix of k or v, in which keys are rows; or columns. */
gemm_matrix attention_matrix(const attention *a, const operand *x, int64_t kv_head, bool transposed);

/* Whether each head is one thread's: who packed its keys multiplies them, and no thread reads what lies in the caches of
   another. Else blocks of the heads are shared. */
bool attention_by_head(int64_t heads);

/* c (rows, columns) = alpha a (rows, length) b + beta c, for so many rows that their tiles fit the stack. b is packed as
   strips, `apart` floats from each other. */
enum { STRIPS_ROWS = 96 };
typedef struct strips_product {
  int64_t rows, columns, length;
  const float *a;
  int64_t a_row, a_step; /* a_step: rows of a are neighbours, its columns so far apart, and all tiles are whole; or 0 */
  const float *woven; /* whole tiles of a as cpu/gemm.h weaves them, `length` steps each; NULL: none */
  const float *strips;
  int64_t apart;
  const int64_t *needed;    /* of each row's columns, so many are needed, no fewer further down; NULL: all */
  const int64_t *from, *to; /* the part of a that is not 0 in each row; neither goes back further down; NULL: 0, length */
  float alpha, beta;
  float *c;
  int64_t c_row;
} strips_product;
void strips_multiply(const strips_product *p);
/* `woven` for rows of x, `row` floats apart and `length` long, in `to`; or NULL where that is worth nothing. */
const float *strips_weave(const float *x, int64_t row, int64_t rows, int64_t length, float *to);
/* Rows of x from `first` on, each `width` long, as strips that are `apart` floats from each other; the last one with
   zeros. */
void strips_pack(const gemm_matrix *x, int64_t first, int64_t rows, int64_t width, float *to, int64_t apart);
#endif
