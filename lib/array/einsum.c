/* einsum.c: Einstein sums, pair by pair along the path of einsum_path.c.

   A pair becomes a matrix product with the labels
       both keep | a alone keeps | summed     x     both keep | summed | b alone keeps
   or, if nothing is summed over both, a product of broadcasts. What one alone has and nobody needs is summed
   before. */
#include "einsum.h"
#include <stdlib.h>

typedef struct labelled { /* an array with the labels of its axes, each once */
  pons_array x;
  term t;
} labelled;

static int place_of(const term *t, int label) {
  for (int i = 0; i < t->n; i++)
    if (t->at[i] == label) return i;
  return -1;
}

/* "ii" reads the diagonal, which comes last. */
static labelled without_repeats(labelled a) {
  for (int i = 0; i < a.t.n; i++)
    for (int k = i + 1; k < a.t.n; k++) {
      if (a.t.at[i] != a.t.at[k]) continue;
      const uint8_t label = a.t.at[i];
      a.x = pons_diagonal(a.x, 0, i, k);
      int n = 0;
      for (int j = 0; j < a.t.n; j++)
        if (j != i && j != k) a.t.at[n++] = a.t.at[j];
      a.t.at[n++] = label;
      a.t.n = n;
      i = -1; /* from the start: places have moved */
      break;
    }
  return a;
}

/* Sums over the labels that are not in `kept`. */
static labelled summed_to(labelled a, label_set kept) {
  int axes[PONS_MAX_NDIM], count = 0, n = 0;
  for (int i = 0; i < a.t.n; i++)
    if (kept & LABEL(a.t.at[i]))
      a.t.at[n++] = a.t.at[i];
    else
      axes[count++] = i;
  a.t.n = n;
  if (count) a.x = pons_sum(a.x, .axes = {count, axes});
  return a;
}

/* Appends to `order` those of `labels` in the order in which t has them. */
static void append(term *order, const term *t, label_set labels) {
  for (int i = 0; i < t->n; i++)
    if (labels & LABEL(t->at[i])) order->at[order->n++] = t->at[i];
}

/* a with its axes in that order. */
static pons_array arranged(labelled a, const term *order) {
  int places[PONS_MAX_NDIM];
  for (int i = 0; i < order->n; i++) places[i] = place_of(&a.t, order->at[i]);
  return pons_transpose(a.x, .axes = {order->n, places});
}

/* a with an axis for each label of `all`, of size 1 where it has none. */
static pons_array spread(labelled a, const term *all) {
  term order = {0};
  int missing[PONS_MAX_NDIM], count = 0;
  for (int i = 0; i < all->n; i++)
    if (place_of(&a.t, all->at[i]) >= 0)
      order.at[order.n++] = all->at[i];
    else
      missing[count++] = i;
  pons_array y = arranged(a, &order);
  return count ? pons_expand_dims(y, (pons_axes){count, missing}) : y;
}

/* The axes of `rows` as one axis, those of `columns` as another, behind those kept apart. Sizes of 1 are
   widened, since a product of matrices broadcasts only what is kept apart. */
static pons_array as_matrices(const equation *q, labelled a, const term *apart, const term *rows,
                              const term *columns) {
  term order = *apart;
  append(&order, rows, ~(label_set)0);
  append(&order, columns, ~(label_set)0);
  int64_t wide[PONS_MAX_NDIM], dims[PONS_MAX_NDIM + 2] = {0};
  for (int i = 0; i < order.n; i++) wide[i] = q->size[order.at[i]];
  pons_array y = pons_broadcast_to(arranged(a, &order), (pons_shape){order.n, wide});
  for (int i = 0; i < apart->n; i++) dims[i] = wide[i];
  dims[apart->n] = dims[apart->n + 1] = 1;
  for (int i = apart->n; i < order.n; i++) dims[apart->n + (i >= apart->n + rows->n)] *= wide[i];
  return pons_reshape(y, (pons_shape){apart->n + 2, dims});
}

static labelled product(const equation *q, labelled a, labelled b, label_set kept) {
  const label_set in_a = labels_of(&a.t), in_b = labels_of(&b.t), both = in_a & in_b;
  labelled result = {NULL, {0}};
  term *all = &result.t, over = {0}, apart = {0}, rows = {0}, columns = {0};
  append(&apart, &a.t, both & kept);
  append(&rows, &a.t, in_a & ~both);
  append(&columns, &b.t, in_b & ~both);
  append(&over, &a.t, both & ~kept);
  append(all, &apart, ~(label_set)0);
  append(all, &rows, ~(label_set)0);
  if (all->n + columns.n > PONS_MAX_NDIM - 2) {
    result.x = pons_fail("einsum", "a product on the way has %d axes", all->n + columns.n);
    return result;
  }
  append(all, &columns, ~(label_set)0);
  if (!over.n) {
    result.x = pons_multiply(spread(a, all), spread(b, all));
    return result;
  }
  int64_t dims[PONS_MAX_NDIM];
  for (int i = 0; i < all->n; i++) dims[i] = q->size[all->at[i]];
  pons_array y =
      pons_matmul(as_matrices(q, a, &apart, &rows, &over), as_matrices(q, b, &apart, &over, &columns));
  result.x = pons_reshape(y, (pons_shape){all->n, dims});
  return result;
}

/* The two operands of a step into one, which keeps what the others and the result need. */
static labelled contracted(const equation *q, const labelled *at, int n, contraction step) {
  label_set kept = labels_of(&q->out);
  for (int i = 0; i < n; i++)
    if (i != step.first && i != step.second) kept |= labels_of(&at[i].t);
  labelled a = at[step.first];
  if (step.second < 0) return summed_to(a, kept);
  labelled b = at[step.second];
  const label_set in_a = labels_of(&a.t), in_b = labels_of(&b.t);
  return product(q, summed_to(a, kept | in_b), summed_to(b, kept | in_a), kept);
}

static pons_array computed(const equation *q, labelled *at, const contraction *path, int steps) {
  int n = q->count;
  for (int s = 0; s < steps; s++) {
    const labelled result = contracted(q, at, n, path[s]);
    if (pons_error_of(result.x)) return result.x;
    int left = 0;
    for (int i = 0; i < n; i++)
      if (i != path[s].first && i != path[s].second) at[left++] = at[i];
    at[left++] = result;
    n = left;
  }
  return arranged(at[0], &q->out);
}

pons_array pons_einsum(const char *subscripts, const pons_array *operands, int count) {
  equation q;
  path_cost cost;
  pons_array bad = equation_read("einsum", subscripts, operands, count, &q);
  if (bad) return bad;
  contraction *path = malloc((size_t)count * sizeof *path);
  labelled *at = malloc((size_t)count * sizeof *at);
  const int steps = path && at ? equation_path(&q, path, &cost) : -1;
  pons_array y;
  if (steps < 0) {
    y = pons_fail_as(PONS_ERROR_MEMORY, "einsum", "no memory for %d operands", count);
  } else {
    for (int i = 0; i < count; i++) at[i] = without_repeats((labelled){operands[i], q.in[i]});
    y = computed(&q, at, path, steps);
  }
  free(path);
  free(at);
  equation_free(&q);
  return y;
}
