/* lower.c: a graph in the primitives that a file for a given MLX release and device may hold.

   What the target lacks is replaced by its decomposition, again and again until nothing is left to replace.
   Copy and Contiguous change nothing and are left out. StopGradient stays, which MLX leaves out: gradients
   through the file are those of the function. What depends on no input and can't be written otherwise (an
   array still in its file) is computed and becomes a constant. In shapeless files a broadcast operand gets the
   operands beside it as further inputs, so that its size follows theirs. Uses export.h, graph/. */
#include "export/export.h"
#include <pons/eval.h>
#include <pons/linalg.h>
#include <pons/ops.h>

static bool is_no_op(const prim *p) { return p == &prim_alias || strcmp(p->name, "Contiguous") == 0; }

const char *prim_file_name(const prim *p) { return p->row ? row_table[p->row - 1].file_name : p->name; }

/* Does the row of the table leave nothing of these parameters out? */
static bool holds(const layout *l, const node *a) {
  layout_field item;
  for (const char *s = l->state; layout_next(&s, &item);) {
    char name[40];
    snprintf(name, sizeof name, "%.*s", item.name_length, item.name);
    const field *f = prim_field(a->prim, name);
    if (!f) continue; /* told by the row */
    const char *at = (const char *)a->params + f->offset;
    if (item.type == '=' && f->type == FIELD_BOOL && *(const bool *)at != (item.implied != 0)) return false;
    if (item.type == '=' && (f->type == FIELD_INT || f->type == FIELD_ENUM) &&
        *(const int *)at != item.implied)
      return false;
    if (item.type == 'e' && *(const int *)at >= item.limit) return false;
    if (item.type == '~') {
      snprintf(name, sizeof name, "%.*s", item.other_length, item.other);
      const field *g = prim_field(a->prim, name);
      if (!g) return false;
      const ints *x = (const ints *)at, *y = (const ints *)((const char *)a->params + g->offset);
      if (!shape_equal(x->n, x->at, y->n, y->at)) return false;
    }
  }
  return true;
}

/* MLX's Abs of complex numbers gives complex ones; a cast follows. */
static bool is_complex_abs(const node *a, node *const *in) {
  return a->prim->row == ROW_abs + 1 && in[0]->dtype == PONS_COMPLEX64 && a->dtype != PONS_COMPLEX64;
}

/* MLX reads it, and computes something else. */
static bool is_grouped_in_space(const node *a) {
  if (strcmp(a->prim->name, "Convolution") != 0 || a->ndim <= 4) return false;
  return *(const int *)((const char *)a->params + prim_field(a->prim, "groups")->offset) > 1;
}

/* MLX can't compare integers so that NaN equals NaN; they have none. */
static bool is_whole_equal_nan(const node *a, node *const *in) {
  return a->prim->row == ROW_equal_nan + 1 && !dtype_is_inexact((pons_dtype)in[0]->dtype);
}

/* Is the operand one of matrices chosen by number? */
static bool is_gathered(const node *a) {
  return strcmp(a->prim->name, "GatherMM") == 0 || strcmp(a->prim->name, "GatherQMM") == 0;
}

/* MLX reads the numbers of matrices as uint32, whatever they are. */
static bool has_other_indices(const node *a, node *const *in) {
  return is_gathered(a) && (in[a->n_in - 2]->dtype != PONS_UINT32 || in[a->n_in - 1]->dtype != PONS_UINT32);
}

/* Why MLX can't run on a CPU what it reads; NULL: it can. */
static const char *cpu_refuses(const node *a, node *const *in) {
  const char *name = a->prim->name;
  const bool wide = a->n_in > 0 && in[0]->dtype == PONS_FLOAT64;
  if (strcmp(name, "Quantize") == 0) {
    const bool *dequantize = (const bool *)((const char *)a->params + prim_field(a->prim, "dequantize")->offset);
    const int *mode = (const int *)((const char *)a->params + prim_field(a->prim, "mode")->offset);
    return *dequantize || *mode != 0 || wide ? "MLX's CPU quantizes to affine codes alone" : NULL;
  }
  if (strcmp(name, "QuantizedMatmul") == 0 || strcmp(name, "GatherQMM") == 0)
    return wide ? "MLX has no quantized products of float64" : NULL;
  if (strcmp(name, "GatherMM") == 0 || strcmp(name, "BlockMaskedMM") == 0)
    return in[0]->dtype != PONS_FLOAT32 ? "MLX's CPU has it for float32 alone" : NULL;
  return NULL;
}

const layout *target_layout(const target *t, const node *a, node *const *in, const char **why) {
  const char *name = prim_file_name(a->prim);
  const layout *l = layout_find(name, t->release);
  if (!l && strcmp(name, "Quantize") == 0) l = layout_find("AffineQuantize", t->release);
  *why = NULL;
  if (!l)
    *why = layout_find(name, RELEASE_NEWEST) ? "that release doesn't have it"
                                             : "MLX has no such primitive in files";
  else if (l->place == PLACE_GPU && !t->gpu) *why = "MLX can't run it on a CPU";
  else if (!holds(l, a)) *why = "that release doesn't know these parameters";
  else if (is_complex_abs(a, in)) *why = "its result stays complex in MLX";
  else if (is_grouped_in_space(a)) *why = "MLX knows groups with one or two spatial axes alone";
  else if (is_whole_equal_nan(a, in)) *why = "MLX knows it for floats alone";
  else if (has_other_indices(a, in)) *why = "MLX takes uint32 as indices";
  else if (!t->gpu && cpu_refuses(a, in)) *why = cpu_refuses(a, in);
  else if (strcmp(name, "DivMod") == 0 && t->release < RELEASE(32, 2))
    *why = "that release truncates where later ones floor";
  return *why ? NULL : l;
}

/* ---- rows that some release lacks ---- */

static const prim *prim_of(row r) {
  const prim *const *p = pons_prims;
  while ((*p)->row != (int)r + 1) p++;
  return *p;
}

pons_array row_node(row r, int n, const pons_array *in) { return node_make(prim_of(r), NULL, n, in); }

static pons_array both(row r, pons_array a, pons_array b) { return row_node(r, 2, (pons_array[]){a, b}); }

/* `value` everywhere, of x's dtype and shape. */
static pons_array filled_like(double value, pons_array x) {
  return pons_broadcast_to(pons_scalar(value, (pons_dtype)x->dtype), pons_shape_of(x));
}

/* ~x as x ^ (all bits set). */
static pons_array invert(pons_array x) {
  if (x->dtype == PONS_BOOL) return row_node(ROW_logical_not, 1, &x);
  pons_array zeros = filled_like(0, x);
  pons_array ones = both(ROW_subtract, zeros, filled_like(1, x));
  return both(ROW_bitwise_xor, x, ones);
}

/* floor(a / b) with a division that truncates for integers: one less where there is a remainder of the other
   sign. */
static pons_array floor_divide(pons_array a, pons_array b) {
  pons_array quotient = both(ROW_divide, a, b);
  if (dtype_is_inexact((pons_dtype)a->dtype)) return row_node(ROW_floor, 1, &quotient);
  if (dtype_kind_of((pons_dtype)a->dtype) != KIND_SIGNED) return quotient;
  pons_array zero = filled_like(0, a), rest = both(ROW_subtract, a, both(ROW_multiply, quotient, b));
  pons_array other_sign = both(ROW_not_equal, both(ROW_less, rest, zero), both(ROW_less, b, zero));
  pons_array less = both(ROW_logical_and, both(ROW_not_equal, rest, zero), other_sign);
  return row_node(ROW_select, 3,
                  (pons_array[]){less, both(ROW_subtract, quotient, filled_like(1, a)), quotient});
}

static pons_array decompose_row(row r, const pons_array *in) {
  if (r == ROW_bitwise_invert) return invert(in[0]);
  if (r == ROW_abs) {
    const pons_array x = in[0];
    return pons_astype(node_make_as(prim_of(r), NULL, 1, in, PONS_COMPLEX64, x->ndim, x->shape),
                       PONS_FLOAT32);
  }
  if (r == ROW_equal_nan) return both(ROW_equal, in[0], in[1]);
  if (r == ROW_floor_divide) return floor_divide(in[0], in[1]);
  return NULL;
}

/* ---- indices that MLX would misread ---- */

/* `indices` of matrices of x as uint32, those that count from the end too. */
static pons_array unsigned_indices(pons_array indices, const node *x) {
  if (indices->dtype == PONS_UINT32) return indices;
  if (dtype_kind_of((pons_dtype)indices->dtype) == KIND_SIGNED) {
    const double count = (double)shape_size(x->ndim - 2, x->shape);
    pons_array wide = pons_astype(indices, PONS_INT64), negative = pons_less(wide, pons_scalar(0, PONS_INT64));
    indices = pons_where(negative, pons_add(wide, pons_scalar(count, PONS_INT64)), wide);
  }
  return pons_astype(indices, PONS_UINT32);
}

static pons_array with_unsigned_indices(const node *a, int n_in, const pons_array *in) {
  pons_array again[6];
  for (int k = 0; k < n_in; k++)
    again[k] = k < n_in - 2 ? in[k] : unsigned_indices(in[k], in[k == n_in - 2 ? 0 : 1]);
  return node_make(a->prim, a->params, n_in, again);
}

/* ---- one pass over the graph ---- */

typedef struct pass {
  const target *t;
  tape tape;
  pons_array *made; /* per item */
  pons_array **parts; /* per item with several results that was taken apart: they */
  pons_array *in; /* room for the operands of one item */
  int changes;
} pass;

static int64_t place(const pass *s, const node *a) { return map_get(&s->tape.index, a, -1); }

/* Singular values alone, which older releases don't know, from all that SVD gives. */
static bool are_singular_values(const node *a) { return strcmp(a->prim->name, "SVD") == 0 && a->n_out == 1; }
static pons_array singular_values(pons_array x) {
  pons_array all[3];
  pons_linalg_svd(x, true, all);
  return all[1];
}

static bool take_apart(pass *s, int64_t i, int n_in, const pons_array *in, const char *why) {
  const node *a = s->tape.at[i].node;
  pons_array *out = mem_zalloc((size_t)a->n_out * sizeof *out);
  if (!out) {
    error_release(fail_no_memory("export"));
    return false;
  }
  s->parts[i] = out;
  if (a->prim->row) out[0] = decompose_row((row)(a->prim->row - 1), in);
  else if (has_other_indices(a, in)) out[0] = with_unsigned_indices(a, n_in, in);
  else if (a->prim->decompose) a->prim->decompose(a->params, n_in, in, out);
  else if (are_singular_values(a)) out[0] = singular_values(in[0]);
  for (int k = 0; k < a->n_out; k++) {
    if (!out[k]) {
      error_release(
          fail("export", "%s can't be written for MLX %s: %s", prim_file_name(a->prim), s->t->release_name, why));
      return false;
    }
    if (node_failed(out[k])) return false;
  }
  s->made[i] = out[0];
  s->changes++;
  return true;
}

/* A broadcast of one operand, to the shape of this operation's result. */
static bool is_plain_broadcast(const node *a, const node *result) {
  return a->prim && strcmp(a->prim->name, "Broadcast") == 0 && a->in && a->n_in == 1 &&
         shape_equal(a->ndim, a->shape, result->ndim, result->shape);
}

/* Shapeless: operand k, a broadcast, made anew with what the other operands are before they are broadcast as
   further inputs. */
static pons_array lend_shapes(const node *result, int n_in, const pons_array *in, int k) {
  pons_array from[4];
  int n = 0;
  from[n++] = in[k]->in[0];
  for (int j = 0; j < n_in && n < 4; j++)
    if (j != k) from[n++] = is_plain_broadcast(in[j], result) ? in[j]->in[0] : in[j];
  pons_array made = node_make(in[k]->prim, in[k]->params, n, from);
  return !node_failed(made) && shape_equal(made->ndim, made->shape, result->ndim, result->shape) ? made
                                                                                                 : in[k];
}

static void lend_all_shapes(pass *s, const node *result, int n_in, pons_array *in) {
  if (!s->t->shapeless || !result->prim->row || n_in > 3) return;
  pons_array lent[3];
  for (int k = 0; k < n_in; k++)
    lent[k] = is_plain_broadcast(in[k], result) ? lend_shapes(result, n_in, in, k) : in[k];
  memcpy(in, lent, (size_t)n_in * sizeof *in);
}

static pons_array make_again(const node *a, int n_in, const pons_array *in) {
  return a->n_out > 1 ? node_make_tuple(a->prim, a->params, n_in, in)
                      : node_make(a->prim, a->params, n_in, in);
}

static bool visit(pass *s, int64_t i) {
  const tape_item *item = &s->tape.at[i];
  node *a = item->node;
  s->made[i] = a;
  if (node_failed(a)) {
    error_meet(a->error);
    return false;
  }
  if (!a->prim || a->prim == &prim_input || item->n_in != a->n_in || node_state_of(a) == NODE_READY)
    return true; /* a leaf */
  for (int k = 0; k < item->n_in; k++) s->in[k] = s->made[place(s, item->in[k])];
  if (a->prim == &prim_output) {
    const int index = ((const output_params *)a->params)->index;
    const int64_t tuple = place(s, item->in[0]);
    s->made[i] = s->parts[tuple]                 ? s->parts[tuple][index]
                 : s->made[tuple] == item->in[0] ? a
                                                 : node_output(s->made[tuple], index);
    return !node_failed(s->made[i]);
  }
  if (is_no_op(a->prim)) {
    s->made[i] = s->in[0];
    return true;
  }
  lend_all_shapes(s, a, item->n_in, s->in);
  const char *why;
  const bool writable = target_layout(s->t, a, s->in, &why);
  if (!writable && !a->traced && !a->prim->decompose && !a->prim->row && a->n_out == 1) return pons_eval(a);
  if (!writable) return take_apart(s, i, item->n_in, s->in, why);
  bool changed = false;
  for (int k = 0; k < item->n_in; k++) changed |= s->in[k] != item->in[k];
  if (changed) s->made[i] = make_again(a, item->n_in, s->in);
  return !node_failed(s->made[i]);
}

static bool run_pass(pass *s, const pons_array *out, int n_out, pons_array *lowered) {
  if (!tape_walk(&s->tape, out, n_out, NULL, 0)) {
    error_release(fail_no_memory("export"));
    return false;
  }
  size_t most = 1;
  for (int64_t i = 0; i < s->tape.count; i++)
    if ((size_t)s->tape.at[i].n_in > most) most = (size_t)s->tape.at[i].n_in;
  s->made = mem_zalloc((size_t)(s->tape.count + 1) * sizeof *s->made);
  s->parts = mem_zalloc((size_t)(s->tape.count + 1) * sizeof *s->parts);
  s->in = mem_alloc(most * sizeof *s->in);
  bool fine = s->made && s->parts && s->in;
  if (!fine) error_release(fail_no_memory("export"));
  for (int64_t i = 0; fine && i < s->tape.count; i++) fine = visit(s, i);
  for (int i = 0; fine && i < n_out; i++) lowered[i] = s->made[place(s, out[i])];
  for (int64_t i = 0; s->parts && i < s->tape.count; i++) mem_free(s->parts[i]);
  mem_free(s->made);
  mem_free(s->parts);
  mem_free(s->in);
  return fine;
}

bool target_lower(const target *t, const pons_array *out, int n_out, pons_array *lowered) {
  for (int i = 0; i < n_out; i++) lowered[i] = out[i];
  for (int turn = 0; turn < 32; turn++) {
    pass s = {.t = t};
    const bool fine = run_pass(&s, lowered, n_out, lowered);
    tape_free(&s.tape); /* what was made belongs to the scope; what was there, to the caller */
    if (!fine || !s.changes) return fine;
  }
  error_release(fail("export", "taking primitives apart for MLX %s comes to no end", t->release_name));
  return false;
}
