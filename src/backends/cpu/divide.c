/* divide.c: the vectors of a tridiagonal matrix by dividing and conquering (Cuppen 1981, Gu and Eisenstat 1995). LAPACK does
   it for parts on the diagonal, which threads share; merging two parts is done by all threads:

       T = [T1 0; 0 T2] + rho z zT     z: the last row of T1's vectors beside the first of T2's

   LAPACK takes out what is an eigenvalue already (laed2). Each of the k that are left is a root between two `poles` of an
   equation in w; then w is taken from the roots, which makes the vectors orthogonal, and vectors are products. Uses
   cpu/condensed.h. */
#include "backends/cpu/condensed.h"
#include "backends/cpu/lanes.h"
#include <math.h>

enum { PART = 96, MOST_PARTS_OF_T = 8, TURNS = 16 /* columns or rows of a piece */ };

static int parts_of(int n) {
  int parts = 1;
  while (parts < MOST_PARTS_OF_T && n / (2 * parts) >= PART) parts *= 2;
  return parts;
}

void divided_take_room(divided *f, workspace *w) {
  const size_t size = f->b->j->size;
  const int64_t n = f->n, part = n / parts_of(f->n) + 1;
  f->q = workspace_take(w, n * n, size), f->q2 = workspace_take(w, n * n, size);
  f->s = workspace_take(w, n * n + 8 * n + MOST_PARTS_OF_T, size);
  f->z = workspace_take(w, n, size), f->poles = workspace_take(w, n, size), f->w = workspace_take(w, n, size);
  f->order = workspace_take(w, n, sizeof *f->order), f->sorted = workspace_take(w, n, sizeof *f->sorted);
  f->grouped = workspace_take(w, n, sizeof *f->grouped), f->places = workspace_take(w, n, sizeof *f->places);
  f->counts = workspace_take(w, n + 4, sizeof *f->counts);
  f->iwork = workspace_take(w, MOST_PARTS_OF_T * (3 + 5 * part), sizeof *f->iwork);
}

static char *at(const divided *f, char *x, int64_t i) { return at_element(f->b, x, i); }
static int part_begins(const divided *f, int64_t part) { return (int)(part * f->n / f->parts); }

static void solve_part(void *context, int64_t part) {
  divided *f = context;
  const int first = part_begins(f, part), n = part_begins(f, part + 1) - first, most = f->n / f->parts + 1;
  const int lwork = 1 + 4 * n + n * n, liwork = 3 + 5 * n;
  int info = 0;
  f->b->j->f->stedc("I", &n, at(f, f->d, first), at(f, f->e, first), at(f, f->q, (int64_t)first * (f->n + 1)),
                    &f->n, at(f, f->s, part * (1 + 4 * most + most * most)), &lwork,
                    f->iwork + part * (3 + 5 * most), &liwork, &info, 1);
  if (info) atomic_store(&f->info, info);
  for (int i = 0; i < n; i++) f->order[first + i] = i + 1;
}

/* ---- a merge ---- */

static void find_roots(void *context, int64_t piece) {
  divided *f = context;
  const int first = (int)piece * TURNS, end = (int)smaller(first + TURNS, f->k);
  for (int j = first + 1; j <= end; j++) {
    int info = 0;
    f->b->j->f->laed4(&f->k, &j, f->poles, f->w, at(f, f->s, (int64_t)(j - 1) * f->n), &f->rho,
                      at(f, f->d, f->first + j - 1), &info);
    if (info) atomic_store(&f->info, info);
  }
}

static inline double get(const void *x, bool wide, int64_t i) {
  return wide ? ((const double *)x)[i] : (double)((const float *)x)[i];
}
static inline void set(void *x, bool wide, int64_t i, double value) {
  if (wide)
    ((double *)x)[i] = value;
  else
    ((float *)x)[i] = (float)value;
}

/* What belongs to the roots as they are: w_i^2 = product over j of (root_j - pole_i) / (pole_j - pole_i), the divisor
   left out for j = i. Column j of s has pole - root_j. */
static void find_weights(void *context, int64_t piece) {
  const divided *f = context;
  const bool wide = f->b->j->dtype == PONS_FLOAT64;
  const int first = (int)piece * TURNS, n = (int)smaller(f->k - first, TURNS);
  double squares[TURNS], poles[TURNS];
  for (int i = 0; i < n; i++) {
    squares[i] = -get(f->s, wide, (int64_t)(first + i) * (f->n + 1));
    poles[i] = get(f->poles, wide, first + i);
  }
  for (int j = 0; j < f->k; j++) {
    const double pole = get(f->poles, wide, j);
    for (int i = 0; i < n; i++)
      if (first + i != j) squares[i] *= get(f->s, wide, (int64_t)j * f->n + first + i) / (poles[i] - pole);
  }
  for (int i = 0; i < n; i++)
    set(f->z, wide, first + i, copysign(sqrt(squares[i]), get(f->w, wide, first + i)));
}

/* Columns of s become vectors, in the order of q2's columns. */
static void make_vectors(void *context, int64_t piece) {
  const divided *f = context;
  const bool wide = f->b->j->dtype == PONS_FLOAT64;
  const int first = (int)piece * TURNS, end = (int)smaller(first + TURNS, f->k);
  for (int j = first; j < end; j++) {
    char *s = at(f, f->s, (int64_t)j * f->n);
    char *v = at(f, f->q, (int64_t)(f->first + j) * f->n + f->first); /* free until it is a product */
    double squares = 0;
    for (int i = 0; i < f->k; i++) { /* of one or two roots LAPACK gives the vectors */
      const double x = f->k > 2 ? get(f->z, wide, i) / get(s, wide, i) : get(s, wide, i);
      set(v, wide, i, x);
      squares += x * x;
    }
    const double factor = 1 / sqrt(squares);
    for (int i = 0; i < f->k; i++) set(s, wide, i, factor * get(v, wide, f->grouped[i] - 1));
  }
}

/* The sorted order of k ascending values and, behind them, descending ones. */
static void merge_order(const divided *f, int n, int k) {
  const pons_dtype dtype = f->b->j->dtype;
  for (int to = 0, low = 0, high = n - 1; to < n; to++) {
    const bool take_low = high < k || (low < k && dtype_read(dtype, at(f, f->d, f->first + low)) <=
                                                      dtype_read(dtype, at(f, f->d, f->first + high)));
    f->order[f->first + to] = 1 + (take_low ? low++ : high--);
  }
}

static void merge(divided *f, int first, int middle, int end) {
  const matrices *j = f->b->j;
  const int n = end - first, low = middle - first, high = end - middle;
  char *corner = at(f, f->q, (int64_t)first * (f->n + 1));
  int info = 0;
  cpu_lanes()->load[j->dtype](at(f, corner, low - 1), f->n, low, f->z);
  cpu_lanes()->load[j->dtype](at(f, corner, (int64_t)low * (f->n + 1)), f->n, high, at(f, f->z, low));
  memcpy(&f->rho, at(f, f->e, middle - 1), j->size);
  j->f->laed2(&f->k, &n, &low, at(f, f->d, first), corner, &f->n, f->order + first, &f->rho, f->z, f->poles,
              f->w, f->q2, f->sorted, f->grouped, f->places, f->counts, &info);
  f->first = first;
  const int64_t pieces = pieces_of(f->k, TURNS);
  parallel_for(pieces, find_roots, f);
  if (f->k > 2) parallel_for(pieces, find_weights, f);
  parallel_for(pieces, make_vectors, f);
  const int above = f->counts[0] + f->counts[1],
            below = f->counts[1] + f->counts[2]; /* columns of q2's halves */
  const placed out = {corner, 1, f->n}, s = {f->s, 1, f->n};
  if (f->k) {
    placed_multiply(f->b, low, f->k, above, 1, (placed){f->q2, 1, low}, s, 0, out);
    placed_multiply(f->b, high, f->k, below, 1, (placed){at(f, f->q2, (int64_t)low * above), 1, high},
                    placed_at(f->b, s, f->counts[0], 0), 0, placed_at(f->b, out, low, 0));
  }
  merge_order(f, n, f->k ? f->k : n); /* all are eigenvalues already: ascending */
}

int divided_solve(divided *f) {
  const matrices *j = f->b->j;
  const size_t size = j->size;
  const double greatest =
      fmax(matrix_greatest(j->dtype, f->d, f->n), matrix_greatest(j->dtype, f->e, f->n - 1));
  const double norm = greatest > 0 ? greatest : 1;
  f->parts = parts_of(f->n);
  scale_row(f->b, f->n, 1 / norm, f->d), scale_row(f->b, f->n - 1, 1 / norm, f->e);
  clear_row(f->b, (int64_t)f->n * f->n, f->q);
  for (int p = 1; p < f->parts; p++) { /* what rho z zT adds to the diagonal */
    const int first = part_begins(f, p);
    const double rho = fabs(dtype_read(j->dtype, at(f, f->e, first - 1)));
    for (int i = first - 1; i <= first; i++)
      dtype_write(j->dtype, at(f, f->d, i), dtype_read(j->dtype, at(f, f->d, i)) - rho);
  }
  parallel_for(f->parts, solve_part, f);
  for (int step = 1; step < f->parts && !atomic_load(&f->info); step *= 2)
    for (int p = 0; p < f->parts; p += 2 * step)
      merge(f, part_begins(f, p), part_begins(f, p + step), part_begins(f, p + 2 * step));
  for (int i = 0; i < f->n; i++) { /* in order, to z and s */
    const int64_t from = f->order[i] - 1;
    memcpy(at(f, f->z, i), at(f, f->d, from), size);
    memcpy(at(f, f->s, (int64_t)i * f->n), at(f, f->q, from * f->n), (size_t)f->n * size);
  }
  scale_row(f->b, f->n, norm, f->z);
  return atomic_load(&f->info);
}
