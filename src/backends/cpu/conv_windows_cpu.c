/* conv_windows_cpu.c: "Convolution" where a position of the kernel covers enough channels: tiles of cpu/gemm.h read x
   where it lies.

   A row of a tile is a place of the result. Under each position of the kernel it has a run of channels in x, or zeros
   where the kernel reaches over the edge; the weight is packed once, as strips:

       runs of a place:   [channels at (0, 0)] [channels at (0, 1)] ...     b: the weight's rows in the same order

   so that no patch is written. Runs that are neighbours in x become one. Those of positions along the last axis mostly
   are: then each place has one for all of them (`span`), and only of a place at an edge of that axis, where some would be
   zeros, that part of its patch is written. A kernel that is flipped is packed from its end. Threads share blocks of places.
   Uses cpu/conv.h. */
#include "backends/cpu/conv.h"

enum {
  LEAST_CHANNELS = 16,
  DEPTH = 640,      /* of a piece of the sum */
  BLOCK_PLACES = 96, /* a multiple of the rows of every tile */
  MOST_RUNS = DEPTH / LEAST_CHANNELS + 1
};

typedef struct windows_job {
  conv_job conv;
  const char *zeros;
  char *panel;                    /* of each group: strips (columns, row, strip) */
  int64_t strip, panel_bytes;
  int64_t positions, outer;       /* of the kernel, and along all its axes but the last */
  int64_t per_run;                /* channels in a run */
  int64_t chunks;                 /* runs of a position */
  int64_t group_in, group_out;
  int64_t span;                   /* channels under all positions along the last axis, if they are one run; or 0 */
  int64_t starts;                 /* of runs of a place: positions, or spans */
  int64_t inner, inner_end;       /* places along the last axis that are not at an edge */
} windows_job;

/* Places of the result from `first` on: where x begins under the positions of the kernel (starts for each place; NULL:
   outside). A span at an edge is written to `patch`. */
typedef struct windows {
  int64_t first, count;
  const char **at, **lines; /* lines: the same of a line of places, under the positions along all axes but the last */
  char *patch;
  buffer *held;
} windows;

const char *cpu_refuses_windows(const launch *l) {
  const operand *w = &l->in[1];
  return w->shape[w->ndim - 1] < LEAST_CHANNELS ? "few channels under a position of the kernel" : NULL;
}

/* Where a line of places begins in x under each position of the kernel along all axes but the last; NULL: outside. */
static void find_lines(const conv_job *j, int axis, const int64_t *place, const char *x, const char **to) {
  const conv_axis *a = &j->axes[axis];
  int64_t each = 1; /* positions of the axes behind */
  if (axis == j->n - 1) {
    *to = x;
    return;
  }
  for (int d = axis + 1; d < j->n - 1; d++) each *= j->axes[d].kernel;
  for (int64_t k = 0; k < a->kernel; k++, to += each) {
    const int64_t at = conv_under(a, false, place[axis], k);
    if (at < 0) memset(to, 0, (size_t)each * sizeof *to);
    else find_lines(j, axis + 1, place, x + at * a->x_stride * j->size, to);
  }
}

/* Where a place of that line begins. */
static void find_place(const windows_job *j, int64_t place, windows *w, const char **at) {
  const conv_job *c = &j->conv;
  const conv_axis *a = &c->axes[c->n - 1];
  for (int64_t k = 0; k < a->kernel && !j->span; k++) {
    const int64_t under = conv_under(a, false, place, k), offset = under * a->x_stride * c->size;
    for (int64_t i = 0; i < j->outer; i++) at[i * a->kernel + k] = under < 0 || !w->lines[i] ? NULL : w->lines[i] + offset;
  }
  const bool inner = place >= j->inner && place < j->inner_end;
  for (int64_t i = 0; i < j->outer && j->span; i++) {
    at[i] = w->lines[i];
    if (!at[i]) continue;
    if (inner) {
      at[i] += (place * a->stride - a->low) * a->x_stride * c->size;
    } else {
      conv_write_run(c, a, place, at[i], w->patch);
      at[i] = w->patch;
      w->patch += j->span * c->size;
    }
  }
}

/* The runs of a tile's rows that are not all zeros. */
typedef struct tile_runs {
  int64_t count;
  const void *rows[MOST_RUNS * GEMM_ROWS_MOST];
  int64_t starts[MOST_RUNS], lengths[MOST_RUNS]; /* where their rows of the weight begin in a strip */
} tile_runs;

/* Does the run behind the last one go on where that ends? */
static bool goes_on(const windows_job *j, const tile_runs *t, int64_t rows, int64_t start) {
  if (t->count == 0) return false;
  const int64_t last = t->count - 1, length = t->lengths[last];
  const void *const *from = t->rows + last * GEMM_ROWS_MOST, *const *to = from + GEMM_ROWS_MOST;
  for (int64_t r = 0; r < rows; r++)
    if ((const char *)from[r] + length * j->conv.size != to[r]) return false;
  return start == t->starts[last] + length * j->strip;
}

/* Of spans first .. end - 1 each is a run. */
static void find_spans(const windows_job *j, const char *const *at, int64_t rows, int64_t first, int64_t end, tile_runs *t) {
  t->count = 0;
  for (int64_t span = first; span < end; span++) {
    const void **to = t->rows + t->count * GEMM_ROWS_MOST;
    bool any = false;
    for (int64_t r = 0; r < rows; r++) {
      const char *x = at[r * j->starts + span];
      any = any || x;
      to[r] = x ? x : j->zeros;
    }
    if (!any) continue;
    t->starts[t->count] = span * j->span * j->strip;
    t->lengths[t->count++] = j->span;
  }
}

static void find_runs(const windows_job *j, const char *const *starts, int64_t rows, int64_t channel, int64_t first,
                      int64_t end, tile_runs *t) {
  const conv_job *c = &j->conv;
  t->count = 0;
  for (int64_t run = first; run < end; run++) {
    const int64_t position = run / j->chunks, at = run % j->chunks * j->per_run;
    const void **to = t->rows + t->count * GEMM_ROWS_MOST;
    bool any = false;
    for (int64_t r = 0; r < rows; r++) {
      const char *x = starts[r * j->starts + position];
      any = any || x;
      to[r] = x ? x + (channel + at) * c->size : j->zeros;
    }
    if (!any) continue;
    const int64_t start = (position * j->group_in + at) * j->strip, length = smaller(j->group_in - at, j->per_run);
    if (goes_on(j, t, rows, start)) {
      t->lengths[t->count - 1] += length;
    } else {
      t->starts[t->count] = start;
      t->lengths[t->count++] = length;
    }
  }
}

/* Runs first .. end - 1 of a block of places, times all columns of a group. */
static void add_runs(const windows_job *j, const windows *w, int64_t group, int64_t first, int64_t end) {
  const conv_job *c = &j->conv;
  const gemm_loops *loops = cpu_gemm_loops();
  tile_runs runs[BLOCK_PLACES / 4];
  gemm_tile tiles[BLOCK_PLACES / 4];
  int64_t n = 0;
  for (int64_t i = 0, rows; i < w->count; i += rows, n++) {
    rows = gemm_rows_of_tile(w->count - i, loops->tile_rows);
    const char *const *at = w->at + i * j->starts;
    if (j->span) find_spans(j, at, rows, first, end, runs + n);
    else find_runs(j, at, rows, group * j->group_in, first, end, runs + n);
    tiles[n] = (gemm_tile){.rows = rows,
                           .runs = runs[n].count,
                           .a = runs[n].rows,
                           .b = runs[n].starts,
                           .lengths = runs[n].lengths,
                           .c = i * c->out_channels};
  }
  const char *strips = j->panel + group * j->panel_bytes;
  char *out = c->out + (w->first * c->out_channels + group * j->group_out) * c->size;
  for (int64_t s = 0; s < j->group_out; s += j->strip, strips += c->row * j->strip * c->size)
    loops->column[c->lane](&(gemm_column){.tiles = tiles,
                                          .count = n,
                                          .width = smaller(j->group_out - s, j->strip),
                                          .b = strips,
                                          .b_step = j->strip,
                                          .alpha = 1,
                                          .beta = first > 0,
                                          .c = out + s * c->size,
                                          .c_row = c->out_channels});
}

/* Memory for a block of places. */
static error *begin_block(const windows_job *j, windows *w) {
  error *why = NULL;
  const int64_t along = j->conv.axes[j->conv.n - 1].out, lines = pieces_of(w->count, along) + 1;
  const int64_t edges = j->span ? smaller(w->count, lines * (along - (j->inner_end - j->inner))) : 0;
  const int64_t pointers = (w->count * j->starts + j->outer) * (int64_t)sizeof(char *);
  w->held = buffer_new((size_t)(pointers + edges * j->outer * j->span * j->conv.size), "conv", &why);
  if (!w->held) return why;
  w->at = buffer_data(w->held), w->lines = w->at + w->count * j->starts;
  w->patch = (char *)w->at + pointers;
  return NULL;
}

static void find_windows(const windows_job *j, windows *w) {
  const conv_job *c = &j->conv;
  const int64_t along = c->axes[c->n - 1].out;
  for (int64_t i = 0, place = w->first % along; i < w->count; i++, place++) {
    if (i == 0 || place == along) {
      int64_t places[PONS_MAX_NDIM], rest = w->first + i;
      for (int d = c->n - 1; d >= 0; d--) {
        places[d] = rest % c->axes[d].out;
        rest /= c->axes[d].out;
      }
      find_lines(c, 0, places, c->x + rest * c->batch_stride * c->size, w->lines);
      place = places[c->n - 1];
    }
    find_place(j, place, w, w->at + i * j->starts);
  }
}

static void places_piece(void *context, int64_t piece) {
  windows_job *j = context;
  conv_job *c = &j->conv;
  const int64_t first = piece * BLOCK_PLACES;
  windows w = {.first = first, .count = smaller(c->places - first, BLOCK_PLACES)};
  error *why = begin_block(j, &w), *none = NULL;
  if (why) {
    if (!atomic_compare_exchange_strong(&c->why, &none, why)) error_release(why);
    return;
  }
  find_windows(j, &w);
  const int64_t runs = j->starts * j->chunks, some = DEPTH / (j->span ? j->span : j->per_run), cuts = pieces_of(runs, some);
  for (int64_t g = 0; g < c->groups; g++)
    for (int64_t cut = 0; cut < cuts; cut++) add_runs(j, &w, g, runs * cut / cuts, runs * (cut + 1) / cuts);
  buffer_release(w.held);
}

static void pack_piece(void *context, int64_t piece) {
  const windows_job *j = context;
  const conv_job *c = &j->conv;
  const int64_t strips = pieces_of(j->group_out, j->strip), group = piece / strips, s = piece % strips * j->strip;
  const int64_t width = smaller(j->group_out - s, j->strip);
  char *to = j->panel + group * j->panel_bytes + s * c->row * c->size;
  const gemm_matrix w = {.data = c->w + (group * j->group_out + s) * c->row * c->size,
                         .dtype = lane_dtype(c->lane),
                         .row = 1,
                         .col = c->row};
  if (width < j->strip) memset(to, 0, (size_t)(j->strip * c->row * c->size));
  if (!c->flip) gemm_read(&w, c->lane, 0, 0, c->row, width, to, j->strip);
  for (int64_t p = 0; p < j->positions && c->flip; p++)
    gemm_read(&w, c->lane, (j->positions - 1 - p) * j->group_in, 0, j->group_in, width,
              to + p * j->group_in * j->strip * c->size, j->strip);
}

static error *convolve(const conv_job *conv) {
  windows_job j = {.conv = *conv, .strip = cpu_gemm_loops()->tile_columns[conv->lane], .outer = 1};
  const conv_job *c = &j.conv;
  error *why = NULL;
  for (int d = 0; d < c->n - 1; d++) j.outer *= c->axes[d].kernel;
  j.positions = j.outer * c->axes[c->n - 1].kernel;
  j.group_in = c->channels / c->groups, j.group_out = c->out_channels / c->groups;
  j.chunks = pieces_of(j.group_in, DEPTH);
  j.per_run = pieces_of(j.group_in, j.chunks);
  const conv_axis *last = &c->axes[c->n - 1];
  const int64_t span = last->kernel * j.group_in;
  if (last->kernel_dilation == 1 && last->input_dilation == 1 && last->x_stride == j.group_in && span <= DEPTH) {
    const int64_t most = last->in - last->kernel + last->low; /* where windows that don't reach over the end begin */
    j.span = span;
    j.inner = last->low > 0 ? smaller(pieces_of(last->low, last->stride), last->out) : 0;
    j.inner_end = most < 0 ? 0 : smaller(most / last->stride + 1, last->out);
    if (j.inner_end < j.inner) j.inner_end = j.inner;
  }
  j.starts = j.span ? j.outer : j.positions;
  const int64_t strips = pieces_of(j.group_out, j.strip), zeros = DEPTH * c->size;
  j.panel_bytes = strips * j.strip * c->row * c->size;
  buffer *held = buffer_new((size_t)(c->groups * j.panel_bytes + zeros), "conv", &why);
  if (!held) return why;
  j.zeros = memset(buffer_data(held), 0, (size_t)zeros);
  j.panel = (char *)buffer_data(held) + zeros;
  parallel_for(c->groups * strips, pack_piece, &j);
  parallel_for(pieces_of(c->places, BLOCK_PLACES), places_piece, &j);
  buffer_release(held);
  return atomic_load(&j.conv.why);
}

error *cpu_convolution_windows(const launch *l) { return conv_run(l, convolve); }
