/* conv_windows_cpu.c: "Convolution" where a position of the kernel covers enough channels: tiles of cpu/gemm.h read x
   where it lies.

   A row of a tile is a place of the result. Under each position of the kernel it has a run of channels in x, or zeros
   where the kernel reaches over the edge; the weight is packed once, as strips:

       runs of a place:   [channels at (0, 0)] [channels at (0, 1)] ...     b: the weight's rows in the same order

   so that no patch is ever written. Runs that are neighbours in x become one. Those of positions along the last axis
   mostly are: of a place that is not at an edge of it only the first ones are looked for (`span`). A kernel that is
   flipped is packed from its end. Threads share blocks of places. Uses cpu/conv.h. */
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
} windows_job;

/* A place of the result: where x begins under each position of the kernel (NULL: outside), or, if it is whole, under the
   first ones along the last axis. */
typedef struct place_windows {
  const char **at;
  bool whole;
} place_windows;

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

/* Where a place of that line begins under each position. */
static void find_windows(const windows_job *j, int64_t place, const char *const *lines, place_windows *w) {
  const conv_axis *a = &j->conv.axes[j->conv.n - 1];
  w->whole = j->span && conv_under(a, false, place, 0) >= 0 && conv_under(a, false, place, a->kernel - 1) >= 0;
  for (int64_t k = 0; k < (w->whole ? 1 : a->kernel); k++) {
    const int64_t at = conv_under(a, false, place, k), offset = at * a->x_stride * j->conv.size;
    for (int64_t i = 0; i < j->outer; i++) w->at[i * a->kernel + k] = at < 0 || !lines[i] ? NULL : lines[i] + offset;
  }
}

static const char *window_at(const windows_job *j, const place_windows *w, int64_t position) {
  if (!w->whole) return w->at[position];
  const int64_t along = position % j->conv.axes[j->conv.n - 1].kernel;
  const char *first = w->at[position - along];
  return first ? first + along * j->group_in * j->conv.size : NULL;
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

/* Of rows that are whole there is one for all positions along the last axis. */
static void find_spans(const windows_job *j, const place_windows *windows, int64_t rows, int64_t channel, int64_t first,
                       int64_t end, tile_runs *t) {
  const int64_t along = j->conv.axes[j->conv.n - 1].kernel;
  t->count = 0;
  for (int64_t position = first; position < end; position += along) {
    const void **to = t->rows + t->count * GEMM_ROWS_MOST;
    bool any = false;
    for (int64_t r = 0; r < rows; r++) {
      const char *x = windows[r].at[position];
      any = any || x;
      to[r] = x ? x + channel * j->conv.size : j->zeros;
    }
    if (!any) continue;
    t->starts[t->count] = position * j->group_in * j->strip;
    t->lengths[t->count++] = j->span;
  }
}

static void find_runs(const windows_job *j, const place_windows *windows, int64_t rows, int64_t channel, int64_t first,
                      int64_t end, tile_runs *t) {
  const conv_job *c = &j->conv;
  bool whole = true;
  for (int64_t r = 0; r < rows; r++) whole = whole && windows[r].whole;
  if (whole) {
    find_spans(j, windows, rows, channel, first, end, t);
    return;
  }
  t->count = 0;
  for (int64_t run = first; run < end; run++) {
    const int64_t position = run / j->chunks, at = run % j->chunks * j->per_run;
    const void **to = t->rows + t->count * GEMM_ROWS_MOST;
    bool any = false;
    for (int64_t r = 0; r < rows; r++) {
      const char *x = window_at(j, windows + r, position);
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
static void add_runs(const windows_job *j, const place_windows *windows, int64_t place, int64_t count, int64_t group,
                     int64_t first, int64_t end) {
  const conv_job *c = &j->conv;
  const gemm_loops *loops = cpu_gemm_loops();
  tile_runs runs[BLOCK_PLACES / 4];
  gemm_tile tiles[BLOCK_PLACES / 4];
  int64_t n = 0;
  for (int64_t i = 0, rows; i < count; i += rows, n++) {
    rows = gemm_rows_of_tile(count - i, loops->tile_rows);
    find_runs(j, windows + i, rows, group * j->group_in, first, end, runs + n);
    tiles[n] = (gemm_tile){.rows = rows,
                           .runs = runs[n].count,
                           .a = runs[n].rows,
                           .b = runs[n].starts,
                           .lengths = runs[n].lengths,
                           .c = i * c->out_channels};
  }
  const char *strips = j->panel + group * j->panel_bytes;
  char *out = c->out + (place * c->out_channels + group * j->group_out) * c->size;
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

static void places_piece(void *context, int64_t piece) {
  windows_job *j = context;
  conv_job *c = &j->conv;
  const int64_t first = piece * BLOCK_PLACES, count = smaller(c->places - first, BLOCK_PLACES);
  error *why = NULL, *none = NULL;
  buffer *held = buffer_new((size_t)(count * j->positions + j->outer) * sizeof(char *), "conv", &why);
  if (!held) {
    if (!atomic_compare_exchange_strong(&c->why, &none, why)) error_release(why);
    return;
  }
  const char **at = buffer_data(held), **lines = at + count * j->positions;
  place_windows windows[BLOCK_PLACES];
  for (int64_t i = 0, along = c->axes[c->n - 1].out, place = first % along; i < count; i++, place++) {
    if (i == 0 || place == along) {
      int64_t places[PONS_MAX_NDIM], rest = first + i;
      for (int d = c->n - 1; d >= 0; d--) {
        places[d] = rest % c->axes[d].out;
        rest /= c->axes[d].out;
      }
      find_lines(c, 0, places, c->x + rest * c->batch_stride * c->size, lines);
      place = places[c->n - 1];
    }
    windows[i].at = at + i * j->positions;
    find_windows(j, place, lines, windows + i);
  }
  /* A piece of the sum ends where a span does. */
  const int64_t each = j->span ? c->axes[c->n - 1].kernel : 1, runs = j->positions * j->chunks / each;
  const int64_t some = DEPTH / (j->span ? j->span : j->per_run), cuts = pieces_of(runs, some);
  for (int64_t g = 0; g < c->groups; g++)
    for (int64_t cut = 0; cut < cuts; cut++)
      add_runs(j, windows, first, count, g, runs * cut / cuts * each, runs * (cut + 1) / cuts * each);
  buffer_release(held);
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
  if (last->kernel_dilation == 1 && last->input_dilation == 1 && last->x_stride == j.group_in && span <= DEPTH) j.span = span;
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
