/* conv_channels.c: runs of places, lines of x and terms of conv_channels.h. Uses cpu/conv_channels.h. */
#include "backends/cpu/conv_channels.h"

enum { MOST_SPREAD = 12, PIECE_COST = 1 << 18, SEGMENT_BYTES = 1 << 18, LEAST_PLACES = 32 };

/* A line of x as lanes. */
struct kept_line {
  const char *at;       /* what place 0 of x would have, were it there */
  int64_t offset, used; /* in x; by which line of y last, -1: none */
};

static bool whole_registers(int64_t channels, lane lane) { return channels % cpu_conv_loops()->least[lane] == 0; }

const char *channels_refuse(int64_t groups, int64_t group_in, int64_t group_out, pons_dtype d, int64_t most) {
  if (groups == 1) return "takes more than one group";
  if (!whole_registers(group_out, lane_of(d))) most = MOST_SPREAD;
  return group_in == 0 || group_in > most ? "a group has no channel of x or many" : NULL;
}

static const conv_axis *last_axis(const channels_job *j) { return &j->conv.axes[j->conv.n - 1]; }

/* ---- runs of places ---- */

/* Places under which the same elements of x are missing between neighbours are so many places apart. */
static int64_t places_apart(const conv_axis *a) { return a->input_dilation / divisor(a->stride, a->input_dilation); }

/* The first and the last position that meets x; of places `places_apart`, this tells all. -1: none. */
static void reach(const channels_job *j, int64_t place, int64_t *first, int64_t *last) {
  const conv_axis *a = last_axis(j);
  *first = *last = -1;
  for (int64_t k = 0; k < a->kernel; k++) {
    if (conv_under(a, j->conv.flip, place, k) < 0) continue;
    if (*first < 0) *first = k;
    *last = k;
  }
}

static void find_runs(const channels_job *j, channels_work *w) {
  const int64_t apart = places_apart(last_axis(j)), end = w->first + w->places;
  w->n_runs = 0;
  for (int64_t p = w->first; p < smaller(w->first + apart, end); p++) {
    int64_t first = -2, last = -2;
    for (int64_t q = p; q < end; q += apart) {
      int64_t from, to;
      reach(j, q, &from, &to);
      if (from != first || to != last) w->runs[w->n_runs++] = (place_run){q, 0};
      w->runs[w->n_runs - 1].count++;
      first = from, last = to;
    }
  }
}

/* ---- lines of x ---- */

/* Places of x under a segment: all that are there between the first and the last position's. */
static void find_places_of_x(const channels_job *j, channels_work *w) {
  const conv_axis *a = last_axis(j);
  const int64_t low = w->first * a->stride - a->low;
  const int64_t high = (w->first + w->places - 1) * a->stride + (a->kernel - 1) * a->kernel_dilation - a->low;
  const int64_t end = high < 0 ? 0 : smaller(high / a->input_dilation + 1, a->in);
  w->x_first = low < 0 ? 0 : low / a->input_dilation;
  w->x_places = end > w->x_first ? end - w->x_first : 0;
}

static void keep_place(const channels_job *j, const channels_work *w, const char *from, char *to) {
  const conv_job *c = &j->conv;
  const pons_dtype d = j->x->dtype;
  const int64_t step = j->x->strides[c->n + 1];
  const bool there = step == 1 && lane_is_direct(d);
  if (!j->spread || !there) cpu_lanes()->load[d](from, step, c->channels, j->spread ? w->row : to);
  if (j->spread)
    cpu_conv_loops()->spread[c->lane](there ? from : w->row, c->groups, j->group_in, j->group_out, j->width, to);
}

static const char *keep_line(const channels_job *j, const channels_work *w, int64_t offset, char *lanes) {
  const int64_t each = j->x_each * j->conv.size, step = last_axis(j)->x_stride;
  const pons_dtype d = j->x->dtype;
  const char *from = element(j->x->data, d, offset + w->x_first * step);
  if (!j->spread && j->x->strides[j->conv.n + 1] == 1 && step == j->x_each)
    cpu_lanes()->load[d](from, 1, w->x_places * j->x_each, lanes);
  else
    for (int64_t p = 0; p < w->x_places; p++) keep_place(j, w, element(from, d, p * step), lanes + p * each);
  return lanes - w->x_first * each;
}

/* The line of x at `offset`, if its lanes are there; needed by line `line` of y. */
static const char *line_there(const channels_job *j, channels_work *w, int64_t offset, int64_t line) {
  if (j->direct_x) return element(j->x->data, j->x->dtype, offset);
  for (int64_t i = 0; i < j->outer; i++) {
    kept_line *k = &w->kept[i];
    if (k->used < 0 || k->offset != offset) continue;
    k->used = line;
    return k->at;
  }
  return NULL;
}

/* In place of the line that was not needed for longest: there is one, for a line of y needs no more than are kept. */
static const char *line_to_keep(const channels_job *j, channels_work *w, int64_t offset, int64_t line) {
  int64_t oldest = 0;
  for (int64_t i = 1; i < j->outer; i++)
    if (w->kept[i].used < w->kept[oldest].used) oldest = i;
  char *lanes = w->lines + oldest * j->kept_bytes;
  w->kept[oldest] = (kept_line){keep_line(j, w, offset, lanes), offset, line};
  return w->kept[oldest].at;
}

/* Which lines of x are under line `line` of y, and where that lies. */
static void find_lines(const channels_job *j, channels_work *w, int64_t line) {
  const conv_job *c = &j->conv;
  int64_t place[PONS_MAX_NDIM], batch = line;
  w->y_offset = w->first * j->y->strides[c->n];
  for (int d = c->n - 2; d >= 0; d--) {
    place[d] = batch % c->axes[d].out;
    batch /= c->axes[d].out;
    w->y_offset += place[d] * j->y->strides[d + 1];
  }
  w->y_offset += batch * j->y->strides[0];
  for (int64_t k = 0; k < j->outer; k++) {
    int64_t offset = batch * c->batch_stride, position = k;
    w->inside[k] = true;
    for (int d = c->n - 2; d >= 0; d--) {
      const conv_axis *a = &c->axes[d];
      const int64_t at = conv_under(a, c->flip, place[d], position % a->kernel);
      position /= a->kernel;
      w->inside[k] = w->inside[k] && at >= 0;
      offset += at * a->x_stride;
    }
    w->offsets[k] = offset;
    w->under[k] = w->inside[k] ? line_there(j, w, offset, line) : NULL;
  }
  for (int64_t k = 0; k < j->outer; k++)
    if (w->inside[k] && !w->under[k]) w->under[k] = line_to_keep(j, w, w->offsets[k], line);
}

/* ---- sums ---- */

conv_sums channels_sums(const channels_job *j, const channels_work *w, const place_run *r, char *lanes) {
  const conv_job *c = &j->conv;
  const conv_axis *a = last_axis(j);
  const int64_t row = j->width * c->size, apart = places_apart(a);
  const int64_t y_each = j->direct_y ? j->y->strides[c->n] : j->width;
  conv_sums s = {.places = r->count,
                 .channels = j->width,
                 .group_in = j->group_in,
                 .group_out = j->group_out,
                 .terms = w->terms,
                 .x_step = apart * a->stride / a->input_dilation * j->x_each,
                 .y = lanes + (r->first - w->first) * y_each * c->size,
                 .y_step = apart * y_each};
  for (int64_t k = 0; k < j->outer; k++) {
    if (!w->inside[k]) continue;
    for (int64_t q = 0; q < a->kernel; q++) {
      const int64_t at = conv_under(a, c->flip, r->first, q), first = (k * a->kernel + q) * j->group_in;
      if (at < 0) continue;
      for (int64_t i = 0; i < j->terms_each; i++)
        w->terms[s.count++] =
            (conv_term){w->under[k] + at * j->x_each * c->size + i * row, w->rows + (first + i) * row};
    }
  }
  return s;
}

/* ---- pieces ---- */

int64_t channels_pieces(const channels_job *j) { return pieces_of(j->lines, j->lines_per_piece) * j->segments; }

/* Cuts `held` into what a piece works with; with held NULL, how many bytes that is. */
static int64_t lay_work(const channels_job *j, channels_work *w, char *held) {
  const int64_t size = j->conv.size, terms = j->outer * last_axis(j)->kernel * j->terms_each;
  const int64_t places = smaller(j->per_segment, j->line);
  int64_t bytes = 0;
#define PART(member, count, each) w->member = held ? (void *)(held + bytes) : NULL, bytes += (count) * (int64_t)(each)
  PART(terms, terms, sizeof *w->terms);
  PART(runs, places, sizeof *w->runs);
  PART(kept, j->outer, sizeof *w->kept);
  PART(offsets, j->outer, sizeof *w->offsets);
  PART(under, j->outer, sizeof *w->under);
  PART(lines, j->direct_x ? 0 : j->outer, j->kept_bytes);
  PART(y, j->direct_y ? 0 : places, j->width * size);
  PART(row, j->conv.channels, size);
  PART(inside, j->outer, sizeof *w->inside);
#undef PART
  return bytes;
}

void channels_piece(channels_job *j, int64_t piece, char *rows, void (*each)(const channels_job *j, channels_work *w)) {
  const int64_t segment = piece % j->segments, begin = piece / j->segments * j->lines_per_piece;
  channels_work w = {.rows = rows, .first = segment * j->per_segment};
  error *why = NULL, *none = NULL;
  buffer *held = buffer_new((size_t)lay_work(j, &w, NULL), "conv", &why);
  if (!held) {
    if (!atomic_compare_exchange_strong(&j->why, &none, why)) error_release(why);
    return;
  }
  lay_work(j, &w, buffer_data(held));
  w.places = smaller(j->line - w.first, j->per_segment);
  for (int64_t i = 0; i < j->outer; i++) w.kept[i].used = -1;
  find_places_of_x(j, &w);
  find_runs(j, &w);
  for (int64_t line = begin; line < smaller(begin + j->lines_per_piece, j->lines); line++) {
    find_lines(j, &w, line);
    each(j, &w);
  }
  buffer_release(held);
}

/* ---- the whole ---- */

static conv_form form_of(const channels_job *j, int64_t least) {
  const conv_job *c = &j->conv;
  const int64_t in = j->group_in, out = j->group_out;
  if (in == 1 && out == 1) return CONV_EACH;
  if (whole_registers(out, c->lane)) return CONV_BY_GROUP;
  const bool fit = in == out && out > 0 && least % out == 0 && c->out_channels >= least;
  return fit && cpu_conv_loops()->shuffles[c->lane] ? CONV_SHUFFLED : CONV_EACH;
}

/* How x is read, and whether it and y have to be lanes first. */
static void choose_form(channels_job *j) {
  const conv_job *c = &j->conv;
  const int64_t least = cpu_conv_loops()->least[c->lane];
  const bool one = j->group_in == 1 && j->group_out == 1;
  j->form = form_of(j, least);
  j->spread = !one && j->form == CONV_EACH;
  j->width = c->out_channels < least ? least : c->out_channels;
  const bool direct = lane_is_direct(j->x->dtype) && j->width == c->out_channels;
  j->direct_y = direct && j->y->strides[c->n + 1] == 1;
  j->direct_x = direct && !j->spread && j->x->strides[c->n + 1] == 1;
  j->terms_each = j->spread ? j->group_in : 1;
  j->x_each = j->direct_x ? last_axis(j)->x_stride : j->spread ? j->group_in * j->width : one ? j->width : c->channels;
}

static void cut(channels_job *j) {
  const conv_job *c = &j->conv;
  const conv_axis *a = last_axis(j);
  j->per_segment = SEGMENT_BYTES / (j->outer * j->terms_each * j->width * c->size);
  if (j->per_segment < LEAST_PLACES) j->per_segment = LEAST_PLACES;
  j->segments = pieces_of(j->line, j->per_segment);
  if (j->segments) j->per_segment = pieces_of(j->line, j->segments);
  const int64_t under =
      ((j->per_segment - 1) * a->stride + (a->kernel - 1) * a->kernel_dilation) / a->input_dilation + 2;
  j->kept_bytes = smaller(under, a->in) * j->x_each * c->size + CONV_SPREAD_BYTES;
  j->lines_per_piece = PIECE_COST / (j->per_segment * j->width * c->row) + 1;
}

void channels_lay_out(channels_job *j, const launch *convolution) {
  conv_job *c = &j->conv;
  j->x = &convolution->in[0], j->y = convolution->out;
  c->lane = lane_of(j->x->dtype), c->size = (int64_t)lane_size(c->lane);
  conv_lay_out(c, convolution, j->x->strides);
  j->outer = 1;
  for (int d = 0; d < c->n - 1; d++) j->outer *= c->axes[d].kernel;
  j->line = last_axis(j)->out;
  j->lines = j->line ? c->places / j->line : 0;
  j->group_in = c->channels / c->groups, j->group_out = c->out_channels / c->groups;
  choose_form(j);
  cut(j);
}
