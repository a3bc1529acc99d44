/* conv_channels_cpu.c: "Convolution" in groups of few channels. Uses cpu/conv_channels.h. */
#include "backends/cpu/conv_channels.h"

/* Of more, the tiles of conv_windows_cpu.c are faster. */
enum { MOST_OF_GROUP = 16 };

const char *cpu_refuses_channels(const launch *l) {
  const operand *w = &l->in[1];
  const int64_t groups = ((const conv_params *)l->params)->groups;
  return channels_refuse(groups, w->shape[w->ndim - 1], w->shape[0] / groups, w->dtype, MOST_OF_GROUP);
}

static void store_line(const channels_job *j, const channels_work *w, char *to) {
  const int64_t channels = j->conv.out_channels;
  const pons_dtype d = j->y->dtype;
  if (channels == j->width) {
    cpu_lanes()->store[d](w->y, w->places * channels, to, 1);
    return;
  }
  for (int64_t p = 0; p < w->places; p++)
    cpu_lanes()->store[d](w->y + p * j->width * j->conv.size, channels, element(to, d, p * channels), 1);
}

static void convolve_line(const channels_job *j, channels_work *w) {
  char *to = element(j->y->data, j->y->dtype, w->y_offset);
  for (int64_t i = 0; i < w->n_runs; i++) {
    const conv_sums sums = channels_sums(j, w, &w->runs[i], j->direct_y ? to : w->y);
    cpu_conv_loops()->result[j->conv.lane](&sums, j->form);
  }
  if (!j->direct_y) store_line(j, w, to);
}

typedef struct forward_job {
  channels_job channels;
  char *rows;
} forward_job;

static void convolve_piece(void *context, int64_t piece) {
  forward_job *j = context;
  channels_piece(&j->channels, piece, j->rows, convolve_line);
}

/* Weights (out channels, positions, i) as (positions, i, width). */
static void lay_weights(const channels_job *j, const char *from, char *rows) {
  const conv_job *c = &j->conv;
  const int64_t size = c->size, row = j->width * size;
  for (int64_t r = 0; r < c->row; r++, rows += row) {
    for (int64_t o = 0; o < c->out_channels; o++)
      memcpy(rows + o * size, from + (o * c->row + r) * size, (size_t)size);
    memset(rows + c->out_channels * size, 0, (size_t)((j->width - c->out_channels) * size));
  }
}

error *cpu_convolution_channels(const launch *l) {
  forward_job job = {0};
  channels_job *j = &job.channels;
  error *why = NULL;
  if (!operand_size(l->out)) return NULL;
  channels_lay_out(j, l);
  buffer *held = NULL, *packed = NULL;
  const char *w = cpu_packed_lanes(&l->in[1], "conv", &packed, &why);
  if (w) held = buffer_new((size_t)(j->conv.row * j->width * j->conv.size), "conv", &why);
  if (held) {
    job.rows = buffer_data(held);
    lay_weights(j, w, job.rows);
    parallel_for(channels_pieces(j), convolve_piece, &job);
    why = atomic_load(&j->why);
  }
  buffer_release(packed);
  buffer_release(held);
  return why;
}
