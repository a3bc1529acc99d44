/* activation.c: activations as rows, in the ways in which they are met: by these they are known in a graph, and computed where a call
   turns out not to do it. Uses kernel.h. */
#include "kernel/kernel.h"

#define X {.kind = TERM_X}
#define NUMBER(value) {.kind = TERM_NUMBER, .number = (value)}
#define ROW(name) {.kind = TERM_ROW, .row = ROW_##name}

#define ROOT_OF_2_BY_PI 0.79788456080286535588

/* mx.maximum(x, 0) */
static const activation_term relu[] = {ROW(maximum), X, NUMBER(0)};
/* 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))): gelu_approx of mlx.nn */
static const activation_term gelu_of_power[] = {
    ROW(multiply), ROW(multiply), NUMBER(0.5), X, ROW(add), NUMBER(1), ROW(tanh), ROW(multiply), NUMBER(ROOT_OF_2_BY_PI),
    ROW(add), X, ROW(multiply), NUMBER(0.044715), ROW(power), X, NUMBER(3)};
/* The same with x * square(x): pons_gelu_approx */
static const activation_term gelu_of_square[] = {
    ROW(multiply), ROW(multiply), NUMBER(0.5), X, ROW(add), NUMBER(1), ROW(tanh), ROW(multiply), NUMBER(ROOT_OF_2_BY_PI),
    ROW(add), X, ROW(multiply), NUMBER(0.044715), ROW(multiply), X, ROW(square), X};

#define SPELLING(activation, terms) {activation, sizeof terms / sizeof *terms, terms}
const activation_spelling activation_spellings[ACTIVATION_SPELLINGS] = {
    SPELLING(ACTIVATION_RELU, relu),
    SPELLING(ACTIVATION_GELU_TANH, gelu_of_power),
    SPELLING(ACTIVATION_GELU_TANH, gelu_of_square),
};
const char *const activation_names[ACTIVATION_COUNT] = {
    [ACTIVATION_NONE] = "none", [ACTIVATION_RELU] = "relu", [ACTIVATION_GELU_TANH] = "gelu"};

int activation_term_end(const activation_term *terms, int at) {
  for (int open = 1; open; at++) open += terms[at].kind == TERM_ROW ? row_table[terms[at].row].arity - 1 : -1;
  return at;
}

/* Adds what computes the term at *at, and goes past it. The value that it has. */
static int16_t add_term(const activation_term *terms, int *at, kernel *k, int *numbers) {
  const activation_term *t = &terms[(*at)++];
  if (t->kind == TERM_X) return 0;
  if (t->kind == TERM_NUMBER) return (int16_t)++*numbers;
  instruction c = {.row = (uint16_t)t->row, .operand = k->in[0], .result = k->in[0], .arg = {-1, -1, -1}};
  for (int i = 0; i < row_table[t->row].arity; i++) c.arg[i] = add_term(terms, at, k, numbers);
  k->code[k->n_code] = c;
  return (int16_t)(k->n_in + k->n_code++);
}

void activation_kernel(activation a, pons_dtype d, kernel *k, double *numbers) {
  const activation_spelling *s = activation_spellings;
  while (s->is != a) s++;
  k->n_in = k->n_out = 1;
  k->n_code = 0;
  k->in[0] = (uint8_t)d;
  for (int i = 0; i < s->n_terms; i++) {
    if (s->terms[i].kind != TERM_NUMBER) continue;
    numbers[k->n_in - 1] = s->terms[i].number;
    k->in[k->n_in++] = (uint8_t)d;
  }
  int at = 0, met = 0;
  k->out[0] = add_term(s->terms, &at, k, &met);
}
