/* einsum_path.c: reads Einstein sums ("ij,jk->ik", NumPy's notation with its ellipsis), and finds an order
   of contractions: greedily the pair that frees most, then the cheapest (as opt_einsum does; Smith, Gray 2018). */
#include "einsum.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- reading ---- */

static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
static uint8_t label_of(char c) { return (uint8_t)(c <= 'Z' ? c - 'A' : c - 'a' + 26); }

/* Reads up to a comma, an arrow or the end. `ellipsis_axes` < 0: as many as ndim leaves. */
static pons_array read_term(const char *op, const char **text, int ndim, int ellipsis_axes, term *t) {
  const char *c = *text;
  uint8_t letters[PONS_MAX_NDIM];
  int n = 0, ellipsis_at = -1;
  for (; *c && *c != ',' && !(c[0] == '-' && c[1] == '>'); c++) {
    if (*c == ' ') continue;
    if (c[0] == '.' && c[1] == '.' && c[2] == '.') {
      if (ellipsis_at >= 0) return pons_fail(op, "a second ellipsis at '%s'", c);
      ellipsis_at = n;
      c += 2;
    } else if (!is_letter(*c)) {
      return pons_fail(op, "subscripts are letters, not '%c'", *c);
    } else if (n == PONS_MAX_NDIM) {
      return pons_fail(op, "more than %d subscripts for one array", PONS_MAX_NDIM);
    } else {
      letters[n++] = label_of(*c);
    }
  }
  *text = c;
  if (ellipsis_axes < 0) ellipsis_axes = ndim - n;
  const int hidden = ellipsis_at < 0 ? 0 : ellipsis_axes;
  if (ndim >= 0 && (hidden < 0 || n + hidden != ndim))
    return pons_fail(op, "%d subscripts for an array of %d axes", n, ndim);
  if (hidden > ELLIPSIS_LABELS || n + hidden > PONS_MAX_NDIM)
    return pons_fail(op, "an ellipsis for %d axes", hidden);
  t->n = 0;
  for (int i = 0; i <= n; i++) {
    for (int k = 0; i == ellipsis_at && k < hidden; k++) t->at[t->n++] = (uint8_t)(LABELS - hidden + k);
    if (i < n) t->at[t->n++] = letters[i];
  }
  return NULL;
}

static pons_array sizes_fault(const char *op, const term *t, pons_array x, int64_t *size) {
  for (int i = 0; i < t->n; i++) {
    const int64_t dim = pons_dim(x, i);
    for (int k = 0; k < i; k++)
      if (t->at[k] == t->at[i] && pons_dim(x, k) != dim)
        return pons_fail(op, "one subscript for axes of sizes %lld and %lld", (long long)pons_dim(x, k),
                         (long long)dim);
    int64_t *known = &size[t->at[i]];
    if (*known != 1 && dim != 1 && dim != *known)
      return pons_fail(op, "one subscript for axes of sizes %lld and %lld", (long long)*known,
                       (long long)dim);
    if (*known == 1) *known = dim;
  }
  return NULL;
}

/* Without an arrow: the ellipsis, then the letters that stand once, in their order. */
static void implied_result(const equation *q, int ellipsis_axes, term *out) {
  int seen[LABELS] = {0};
  for (int i = 0; i < q->count; i++)
    for (int k = 0; k < q->in[i].n; k++) seen[q->in[i].at[k]]++;
  out->n = 0;
  for (int k = 0; k < ellipsis_axes; k++) out->at[out->n++] = (uint8_t)(LABELS - ellipsis_axes + k);
  for (int k = 0; k < LABELS - ELLIPSIS_LABELS && out->n < PONS_MAX_NDIM; k++)
    if (seen[k] == 1) out->at[out->n++] = (uint8_t)k;
}

static pons_array read_result(const char *op, const char *text, int ellipsis_axes, equation *q) {
  if (!*text) {
    implied_result(q, ellipsis_axes, &q->out);
    return NULL;
  }
  text += 2;
  pons_array bad = read_term(op, &text, -1, ellipsis_axes, &q->out);
  if (bad) return bad;
  if (*text) return pons_fail(op, "'%s' follows the result's subscripts", text);
  label_set known = 0, seen = 0;
  for (int i = 0; i < q->count; i++) known |= labels_of(&q->in[i]);
  for (int i = 0; i < q->out.n; i++) {
    const label_set label = LABEL(q->out.at[i]);
    if (seen & label) return pons_fail(op, "a subscript stands twice in the result");
    if (!(known & label)) return pons_fail(op, "a subscript of the result stands in no operand");
    seen |= label;
  }
  return NULL;
}

pons_array equation_read(const char *op, const char *subscripts, const pons_array *arrays, int count,
                         equation *q) {
  *q = (equation){.count = count};
  if (!subscripts) return pons_fail(op, "no subscripts given");
  if (count < 1) return pons_fail(op, "needs at least one operand");
  pons_array bad = fault_among(op, arrays, count);
  if (bad) return bad;
  q->in = malloc((size_t)count * sizeof *q->in);
  if (!q->in) return pons_fail_as(PONS_ERROR_MEMORY, op, "no memory for %d operands", count);
  for (int i = 0; i < LABELS; i++) q->size[i] = 1;
  const char *text = subscripts;
  int ellipsis_axes = 0;
  for (int i = 0; !bad && i < count; i++) {
    bad = read_term(op, &text, pons_ndim(arrays[i]), -1, &q->in[i]);
    if (!bad) bad = sizes_fault(op, &q->in[i], arrays[i], q->size);
    int axes = 0;
    for (int k = 0; !bad && k < q->in[i].n; k++) axes += q->in[i].at[k] >= LABELS - ELLIPSIS_LABELS;
    if (axes > ellipsis_axes) ellipsis_axes = axes;
    if (!bad && (*text == ',') != (i + 1 < count))
      bad = pons_fail(op, "'%s' is not for %d operand%s", subscripts, count, count == 1 ? "" : "s");
    if (*text == ',') text++;
  }
  if (!bad) bad = read_result(op, text, ellipsis_axes, q);
  if (bad) equation_free(q);
  return bad;
}

void equation_free(equation *q) {
  free(q->in);
  q->in = NULL;
}

/* ---- the path ---- */

/* A tensor on the way: its labels, and which contraction made it (0: an operand). */
typedef struct tensor {
  label_set labels;
  int made;
} tensor;

static double size_of(const equation *q, label_set labels) {
  double size = 1;
  for (int i = 0; i < LABELS; i++)
    if (labels >> i & 1) size *= (double)q->size[i];
  return size;
}

static int labels_in(label_set labels) {
  int n = 0;
  for (; labels; labels &= labels - 1) n++;
  return n;
}

/* Multiplications, and additions if something is summed, for each combination of labels. */
static double operations(const equation *q, label_set labels, bool sums, int n_tensors) {
  const int factor = (n_tensors > 2 ? n_tensors - 1 : 1) + sums;
  return size_of(q, labels) * factor;
}

typedef struct candidate {
  int first, second;
  label_set labels, result;
  double removed, cost;
} candidate;

static candidate candidate_of(const equation *q, const tensor *t, int n, int first, int second) {
  label_set rest = labels_of(&q->out);
  for (int i = 0; i < n; i++)
    if (i != first && i != second) rest |= t[i].labels;
  const label_set both = t[first].labels | t[second].labels;
  candidate c = {first, second, both, both & rest, 0, 0};
  c.removed = size_of(q, t[first].labels) + size_of(q, t[second].labels) - size_of(q, c.result);
  c.cost = operations(q, both, c.result != both, 2);
  return c;
}

/* Of several equally good ones the pair whose younger half is oldest, then the first. */
static bool is_better(const candidate *a, int made_a, const candidate *b, int made_b) {
  if (a->removed != b->removed) return a->removed > b->removed;
  if (a->cost != b->cost) return a->cost < b->cost;
  return made_a < made_b;
}

/* Pairs that share a label, and those whose younger half is marked in `apart`. False: none fits the memory
   and what the sum costs at once. */
static bool best_pair(const equation *q, const tensor *t, int n, const bool *apart, double memory,
                      double left, candidate *best) {
  int best_made = -1;
  for (int i = 0; i < n; i++)
    for (int k = i + 1; k < n; k++) {
      const int made = t[i].made > t[k].made ? t[i].made : t[k].made;
      if (!apart[made] && !(t[i].labels & t[k].labels)) continue;
      const candidate c = candidate_of(q, t, n, i, k);
      if (size_of(q, c.result) > memory || c.cost > left) continue;
      if (best_made >= 0 && !is_better(&c, made, best, best_made)) continue;
      *best = c;
      best_made = made;
    }
  return best_made >= 0;
}

/* Pairs without a common label are looked at when no other is left, and then those of the youngest tensor, as
   MLX does; what no pair serves is contracted from left to right. */
static int greedy(const equation *q, tensor *t, bool *apart, contraction *path, path_cost *cost) {
  double memory = size_of(q, labels_of(&q->out)), spent = 0;
  for (int i = 0; i < q->count; i++) {
    const double size = size_of(q, t[i].labels);
    if (size > memory) memory = size;
  }
  int steps = 0;
  for (int n = q->count; n > 1; n--) {
    candidate c;
    bool found = best_pair(q, t, n, apart, memory, cost->naive - spent, &c);
    if (!found) {
      apart[steps] = true;
      found = best_pair(q, t, n, apart, memory, cost->naive - spent, &c);
    }
    if (!found) c = candidate_of(q, t, n, 0, 1);
    spent += c.cost;
    if (labels_in(c.labels) > cost->scaling) cost->scaling = labels_in(c.labels);
    path[steps++] = (contraction){c.first, c.second};
    int at = 0;
    for (int i = 0; i < n; i++)
      if (i != c.first && i != c.second) t[at++] = t[i];
    t[at] = (tensor){c.result, steps};
  }
  cost->cost = spent;
  return steps;
}

int equation_path(const equation *q, contraction *path, path_cost *cost) {
  label_set all = 0;
  for (int i = 0; i < q->count; i++) all |= labels_of(&q->in[i]);
  const bool sums = (all & ~labels_of(&q->out)) != 0;
  *cost = (path_cost){.naive_scaling = labels_in(all), .naive = operations(q, all, sums, q->count)};
  if (q->count <= 2) {
    path[0] = (contraction){0, q->count == 1 ? -1 : 1};
    cost->scaling = cost->naive_scaling;
    cost->cost = cost->naive;
    return 1;
  }
  tensor *t = malloc((size_t)q->count * sizeof *t);
  bool *apart = calloc((size_t)q->count, sizeof *apart);
  int steps = -1;
  if (t && apart) {
    for (int i = 0; i < q->count; i++) t[i] = (tensor){labels_of(&q->in[i]), 0};
    steps = greedy(q, t, apart, path, cost);
  } else {
    (void)pons_fail_as(PONS_ERROR_MEMORY, "einsum_path", "no memory for %d operands", q->count);
  }
  free(t);
  free(apart);
  return steps;
}

int pons_einsum_path(const char *subscripts, const pons_array *operands, int count, int (*path)[2],
                     char **report) {
  equation q;
  path_cost cost;
  if (report) *report = NULL;
  if (equation_read("einsum_path", subscripts, operands, count, &q)) return -1;
  contraction *steps = malloc((size_t)count * sizeof *steps);
  if (!steps) (void)pons_fail_as(PONS_ERROR_MEMORY, "einsum_path", "no memory for %d operands", count);
  const int n = steps ? equation_path(&q, steps, &cost) : -1;
  for (int i = 0; i < n; i++) path[i][0] = steps[i].first, path[i][1] = steps[i].second;
  free(steps);
  equation_free(&q);
  if (n < 0 || !report) return n;
  const char *form =
      "  Complete contraction:  %s\n         Naive scaling:  %d\n     Optimized scaling:  %d\n"
      "      Naive FLOP count:  %.0f\n  Optimized FLOP count:  %.0f\n";
  const int length =
      snprintf(NULL, 0, form, subscripts, cost.naive_scaling, cost.scaling, cost.naive, cost.cost);
  *report = malloc((size_t)length + 1);
  if (!*report) return (void)pons_fail_as(PONS_ERROR_MEMORY, "einsum_path", "no memory for the report"), -1;
  snprintf(*report, (size_t)length + 1, form, subscripts, cost.naive_scaling, cost.scaling, cost.naive,
           cost.cost);
  return n;
}
