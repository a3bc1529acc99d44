/* conv_weights_cpu.c: "ConvolutionWeightVJP" in groups of few channels. Some pieces of lines together add to sums of their own,
   which are added in order. Uses cpu/conv_channels.h. */
#include "backends/cpu/conv_channels.h"

enum { MOST_OF_GROUP = 128, MOST_SUMS = 16, MOST_BYTES = 1 << 25 };

typedef struct weights_job {
  channels_job channels;
  char *sums;                 /* [count][position][i][width] */
  int64_t count, pieces_each; /* sums; pieces that add to one */
} weights_job;

const char *cpu_refuses_conv_weights(const launch *l) {
  const operand *w = l->out;
  const int64_t groups = ((const conv_weight_params *)l->params)->groups;
  return channels_refuse(groups, w->shape[w->ndim - 1], w->shape[0] / groups, w->dtype, MOST_OF_GROUP);
}

static void load_line(const channels_job *j, const channels_work *w, const char *from) {
  const int64_t channels = j->conv.out_channels, *strides = j->y->strides + j->conv.n;
  const pons_dtype d = j->y->dtype;
  if (strides[1] == 1 && strides[0] == channels && channels == j->width) cpu_lanes()->load[d](from, 1, w->places * channels, w->y);
  else
    for (int64_t p = 0; p < w->places; p++)
      cpu_lanes()->load[d](element(from, d, p * strides[0]), strides[1], channels, w->y + p * j->width * j->conv.size);
}

static int64_t sums_bytes(const channels_job *j) { return j->conv.row * j->width * j->conv.size; }

static void add_line(const channels_job *j, channels_work *w) {
  char *from = element(j->y->data, j->y->dtype, w->y_offset);
  if (!j->direct_y) load_line(j, w, from);
  for (int64_t i = 0; i < w->n_runs; i++) {
    const conv_sums sums = channels_sums(j, w, &w->runs[i], j->direct_y ? from : w->y);
    cpu_conv_loops()->gradient[j->conv.lane](&sums, j->form);
  }
}

static void add_pieces(void *context, int64_t index) {
  weights_job *j = context;
  channels_job *c = &j->channels;
  char *sums = j->sums + index * sums_bytes(c);
  const int64_t first = index * j->pieces_each, end = smaller(first + j->pieces_each, channels_pieces(c));
  memset(sums, 0, (size_t)sums_bytes(c));
  for (int64_t piece = first; piece < end; piece++) channels_piece(c, piece, sums, add_line);
}

/* Adds all sums to the first, and writes (positions, i, width) as (out channels, positions, i). */
static void finish(const weights_job *j, const operand *out) {
  const conv_job *c = &j->channels.conv;
  const int64_t width = j->channels.width, count = c->row * width;
  cpu_reduce_loops()->columns[REDUCE_SUM][c->lane](j->sums + count * c->size, count, j->count - 1, count, j->sums);
  for (int64_t r = 0; r < c->row; r++)
    cpu_lanes()->store[out->dtype](j->sums + r * width * c->size, c->out_channels, element(out->data, out->dtype, r),
                                   c->row);
}

error *cpu_convolution_weights(const launch *l) {
  const operand *out = l->out, in[2] = {l->in[0], *out};
  operand y = l->in[1];
  const conv_params params = conv_params_of_weight(l->params);
  weights_job j = {0};
  channels_job *c = &j.channels;
  error *why = NULL;
  if (!operand_size(out)) return NULL;
  channels_lay_out(c, &(launch){&params, 2, 1, in, &y});
  const int64_t pieces = channels_pieces(c), most = smaller(MOST_BYTES / (sums_bytes(c) + 1) + 1, MOST_SUMS);
  if (!pieces) {
    memset(out->data, 0, (size_t)operand_size(out) * pons_dtype_size(out->dtype));
    return NULL;
  }
  j.pieces_each = pieces_of(pieces, most);
  j.count = pieces_of(pieces, j.pieces_each);
  buffer *held = buffer_new((size_t)(j.count * sums_bytes(c)), "conv", &why);
  if (!held) return why;
  j.sums = buffer_data(held);
  parallel_for(j.count, add_pieces, &j);
  why = atomic_load(&c->why);
  if (!why) finish(&j, out);
  buffer_release(held);
  return why;
}
