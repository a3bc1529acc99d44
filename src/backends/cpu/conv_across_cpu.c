/* conv_across_cpu.c: "Convolution" of an x whose neighbours in memory lie along the batch axis: so come weight
   gradients, where the batch of images is the channels and the cotangent is the kernel. Names here are those of the
   gradient: x (images, spatial..., channels), the cotangent (images, places..., out channels), and

       gradient (out channels, positions, channels) = sum over images and places of cotangent times x under a position

   A line is the places of an image along the last axis. For a few lines at a time the cotangent is turned to
   (out channels, places), and the lines of x under them are packed as strips of channels, with zeros at their ends; the
   positions of the kernel are then only places to begin in them:

       tile (out channels, channels of a strip) at position (ky, kx):
           for each line: cotangent's places  x  line of x under ky, from kx on

   The sum is cut into segments of lines, whose sums are added in order. Uses cpu/conv.h. */
#include "backends/cpu/conv.h"

enum {
  MOST_SEGMENTS = 16,
  LEAST_PLACES = 512,
  PLACES_AT_ONCE = 256,
  MOST_LINES = 64,
  BLOCK_ROWS = 96, /* out channels whose tiles are computed in one call: a multiple of the rows of every tile */
  MOST_TILES = BLOCK_ROWS / 4
};

typedef struct across_job {
  const operand *x, *ct;          /* as the launch has them: (channels, spatial..., images), (out channels, .., images) */
  const conv_params *p;
  lane lane;
  int64_t size;
  int n;                          /* spatial axes */
  int64_t channels, out_channels, images;
  int64_t line, lines;            /* places of a line; lines of all images */
  int64_t kernel[PONS_MAX_NDIM], outer, last; /* positions: of each axis, of all axes but the last, of that one */
  int64_t strip, width, length;   /* channels of a strip; channels rounded up to it; elements of a packed line of x */
  int64_t segments, lines_per_segment, lines_at_once;
  char *sums;                     /* lanes [segments][outer][last][out channels][width] */
  error *_Atomic why;
} across_job;

const char *cpu_refuses_across(const launch *l) {
  const conv_params *p = l->params;
  const operand *x = &l->in[0];
  if (p->groups != 1 || p->flip) return "takes one group and no flipped kernel";
  if (x->strides[0] != 1 || x->strides[x->ndim - 1] == 1) return "x does not lie along its batch axis";
  int64_t outer = 1;
  for (int d = 0; d + 2 < x->ndim; d++) {
    if (p->input_dilation.at[d] != 1) return "x is spread out";
    if (d + 3 < x->ndim) outer *= l->out->shape[d + 1];
  }
  if (outer > MOST_LINES) return "more lines of x meet one of the cotangent than are kept";
  return NULL;
}

/* Some lines in work, and the lines of x under them. */
typedef struct across_work {
  int64_t count;                                  /* of the cotangent's */
  char *turned;                                   /* (out channels, lines_at_once, line) */
  char *packed;                                   /* lines of (width / strip, length, strip) */
  int64_t offsets[MOST_LINES];                    /* in x of the packed ones */
  int64_t n_packed;
  int64_t *under;                                 /* [lines_at_once][outer]: which packed line, or -1 */
  const void **rows;                              /* of a block's tiles, for each line */
} across_work;

/* A line of x, from its first place that is not padding on, as strips. */
static void pack_line(const across_job *j, int64_t offset, char *to) {
  const int axis = j->n;                          /* the last spatial one of the operand */
  const int64_t low = j->p->pad_lo.at[j->n - 1], in = j->x->shape[axis];
  const int64_t inside = smaller(in, j->length - low);
  const gemm_matrix x = {.data = element(j->x->data, j->x->dtype, offset),
                         .dtype = j->x->dtype,
                         .row = j->x->strides[axis],
                         .col = 1};
  memset(to, 0, (size_t)(j->width * j->length * j->size));
  for (int64_t c = 0; c < j->channels && inside > 0; c += j->strip, to += j->length * j->strip * j->size)
    gemm_read(&x, j->lane, 0, c, inside, smaller(j->channels - c, j->strip), to + low * j->strip * j->size, j->strip);
}

/* The packed line that begins at `offset` in x. */
static int64_t packed_line(const across_job *j, across_work *w, int64_t offset) {
  for (int64_t i = w->n_packed - 1; i >= 0; i--)
    if (w->offsets[i] == offset) return i;
  pack_line(j, offset, w->packed + w->n_packed * j->width * j->length * j->size);
  w->offsets[w->n_packed] = offset;
  return w->n_packed++;
}

/* Line `line` of the cotangent: which lines of x lie under it, and itself turned. */
static void take_line(const across_job *j, across_work *w, int64_t line) {
  int64_t at[PONS_MAX_NDIM], rest = line, ct_offset = 0;
  for (int d = j->n - 2; d >= 0; d--) {
    at[d] = rest % j->ct->shape[d + 1];
    rest /= j->ct->shape[d + 1];
    ct_offset += at[d] * j->ct->strides[d + 1];
  }
  ct_offset += rest * j->ct->strides[j->n + 1];
  for (int64_t k = 0; k < j->outer; k++) {
    int64_t offset = rest * j->x->strides[j->n + 1], position = k;
    bool inside = true;
    for (int d = j->n - 2; d >= 0; d--) { /* the launch's stride is the dilation of the convolution, and the reverse */
      const int64_t x = at[d] * j->p->kernel_dilation.at[d] + position % j->kernel[d] * j->p->stride.at[d] -
                        j->p->pad_lo.at[d];
      position /= j->kernel[d];
      inside = inside && x >= 0 && x < j->x->shape[d + 1];
      offset += x * j->x->strides[d + 1];
    }
    w->under[w->count * j->outer + k] = inside ? packed_line(j, w, offset) : -1;
  }
  const gemm_matrix ct = {.data = element(j->ct->data, j->ct->dtype, ct_offset),
                          .dtype = j->ct->dtype,
                          .row = j->ct->strides[0],
                          .col = j->ct->strides[j->n]};
  gemm_read(&ct, j->lane, 0, 0, j->out_channels, j->line, w->turned + w->count * j->line * j->size,
            j->lines_at_once * j->line);
  w->count++;
}

/* Adds the lines in work to the sums of position (k, last), all channels. */
static void add_lines(const across_job *j, const across_work *w, int64_t k, int64_t last, float beta, char *sums) {
  const gemm_loops *loops = cpu_gemm_loops();
  const int64_t pitch = j->lines_at_once * j->line * j->size;
  const int64_t from = last * j->p->stride.at[j->n - 1];
  int64_t b[MOST_LINES], lengths[MOST_LINES], which[MOST_LINES], runs = 0;
  for (int64_t i = 0; i < w->count; i++) {
    const int64_t under = w->under[i * j->outer + k];
    if (under < 0) continue;
    b[runs] = under * j->width * j->length + from * j->strip;
    lengths[runs] = j->line, which[runs++] = i;
  }
  for (int64_t first = 0; first < j->out_channels; first += BLOCK_ROWS) {
    const int64_t some = smaller(j->out_channels - first, BLOCK_ROWS);
    gemm_tile tiles[MOST_TILES];
    int64_t n = 0;
    for (int64_t o = 0, count; o < some; o += count, n++) {
      const void **rows = w->rows + n * runs * GEMM_ROWS_MOST;
      count = gemm_rows_of_tile(some - o, loops->tile_rows);
      for (int64_t s = 0; s < runs; s++)
        for (int64_t r = 0; r < count; r++)
          rows[s * GEMM_ROWS_MOST + r] = w->turned + (first + o + r) * pitch + which[s] * j->line * j->size;
      tiles[n] = (gemm_tile){.rows = count, .runs = runs, .a = rows, .b = b, .lengths = lengths, .c = o * j->width};
    }
    for (int64_t c = 0; c < j->width; c += j->strip)
      loops->column[j->lane](&(gemm_column){.tiles = tiles,
                                            .count = n,
                                            .width = j->strip,
                                            .b = w->packed + c * j->length * j->size,
                                            .b_step = j->strip * j->p->kernel_dilation.at[j->n - 1],
                                            .alpha = 1,
                                            .beta = beta,
                                            .c = sums + (first * j->width + c) * j->size,
                                            .c_row = j->width});
  }
}

static void across_piece(void *context, int64_t segment) {
  across_job *j = context;
  const int64_t first = segment * j->lines_per_segment, end = smaller(first + j->lines_per_segment, j->lines);
  const int64_t position = j->out_channels * j->width * j->size, at_once = j->lines_at_once;
  const int64_t turned = at_once * j->line * j->out_channels * j->size;
  const int64_t packed = at_once * j->outer * j->width * j->length * j->size;
  char *sums = j->sums + segment * j->outer * j->last * position;
  error *why = NULL, *none = NULL;
  const int64_t rows = MOST_TILES * at_once * GEMM_ROWS_MOST * (int64_t)sizeof(void *);
  buffer *held = buffer_new((size_t)(turned + packed + rows + at_once * j->outer * (int64_t)sizeof(int64_t)), "conv", &why);
  if (!held) {
    if (!atomic_compare_exchange_strong(&j->why, &none, why)) error_release(why);
    return;
  }
  across_work w = {.packed = buffer_data(held)}; /* first: whole registers of it are to lie in one line of a cache */
  w.rows = (const void **)(void *)(w.packed + packed);
  w.under = (int64_t *)(void *)((char *)w.rows + rows);
  w.turned = (char *)(w.under + at_once * j->outer);
  for (int64_t line = first; line < end; line += at_once) {
    w.count = w.n_packed = 0;
    for (int64_t i = line; i < smaller(line + at_once, end); i++) take_line(j, &w, i);
    for (int64_t k = 0; k < j->outer; k++)
      for (int64_t last = 0; last < j->last; last++)
        add_lines(j, &w, k, last, line > first, sums + (k * j->last + last) * position);
  }
  buffer_release(held);
}

static void lay_out(across_job *j, const launch *l) {
  const operand *out = l->out;
  j->n = j->x->ndim - 2;
  j->channels = j->x->shape[0], j->images = j->x->shape[j->n + 1], j->out_channels = j->ct->shape[0];
  j->line = j->ct->shape[j->n];
  j->lines = j->images;
  j->outer = 1;
  for (int d = 0; d < j->n; d++) {
    j->kernel[d] = out->shape[d + 1];
    if (d == j->n - 1) break;
    j->lines *= j->ct->shape[d + 1];
    j->outer *= j->kernel[d];
  }
  const int64_t step = j->p->kernel_dilation.at[j->n - 1], dilation = j->p->stride.at[j->n - 1];
  j->last = j->kernel[j->n - 1];
  j->strip = cpu_gemm_loops()->tile_columns[j->lane];
  j->width = pieces_of(j->channels, j->strip) * j->strip;
  j->length = (j->line - 1) * step + (j->last - 1) * dilation + 1;
  j->lines_at_once = PLACES_AT_ONCE / (j->line + 1) + 1;
  if (j->lines_at_once * j->outer > MOST_LINES) j->lines_at_once = MOST_LINES / j->outer;
  if (j->lines_at_once < 1) j->lines_at_once = 1;
  j->lines_per_segment = pieces_of(j->lines, MOST_SEGMENTS);
  const int64_t least = pieces_of(LEAST_PLACES, j->line ? j->line : 1);
  if (j->lines_per_segment < least) j->lines_per_segment = least;
  j->segments = pieces_of(j->lines, j->lines_per_segment);
}

/* Adds the segments' sums to the first, and writes (positions, out channels, channels) as (channels, positions, out
   channels), which is the result of the launch. */
static void finish(const across_job *j, const operand *out) {
  const int64_t positions = j->outer * j->last, count = positions * j->out_channels * j->width;
  cpu_reduce_loops()->columns[REDUCE_SUM][j->lane](j->sums + count * j->size, count, j->segments - 1, count, j->sums);
  for (int64_t c = 0; c < j->channels; c++)
    for (int64_t p = 0; p < positions; p++) {
      char *to = element(out->data, out->dtype, (c * positions + p) * j->out_channels);
      const char *from = j->sums + (p * j->out_channels * j->width + c) * j->size;
      for (int64_t o = 0; o < j->out_channels; o++)
        cpu_lanes()->store[out->dtype](from + o * j->width * j->size, 1, element(to, out->dtype, o), 1);
    }
}

error *cpu_convolution_across(const launch *l) {
  across_job j = {.x = &l->in[0], .ct = &l->in[1], .p = l->params, .lane = lane_of(l->out->dtype)};
  const int64_t count = operand_size(l->out);
  error *why = NULL;
  if (!count) return NULL;
  j.size = (int64_t)lane_size(j.lane);
  lay_out(&j, l);
  if (!j.lines || !j.line) {
    memset(l->out->data, 0, (size_t)count * pons_dtype_size(l->out->dtype));
    return NULL;
  }
  const int64_t sums = j.segments * j.outer * j.last * j.out_channels * j.width;
  buffer *held = buffer_new((size_t)(sums * j.size), "conv", &why);
  if (!held) return why;
  j.sums = buffer_data(held);
  parallel_for(j.segments, across_piece, &j);
  why = atomic_load(&j.why);
  if (!why) finish(&j, l->out);
  buffer_release(held);
  return why;
}
