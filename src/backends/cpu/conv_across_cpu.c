/* conv_across_cpu.c: "Convolution" of an x whose neighbours in memory lie along the batch axis: so come
   weight gradients, where the batch of images is the channels and the cotangent is the kernel.

   With places of the result and positions of the kernel in each other's role, and batch and channels too, the
   patches are those of the convolution forward, and nothing needs to be transposed:

       patches (channels x kernel positions, result positions x batch), transposed  x  weight (the same, out
   channels)

   The sum over the first axis is cut into segments, whose sums are added in order. Uses cpu/conv.h. */
#include "backends/cpu/conv.h"

enum { MOST_SEGMENTS = 16, LEAST_PER_SEGMENT = 512 };

typedef struct across_job {
  conv_job swapped;
  int64_t columns;  /* out channels */
  int64_t segments, per_segment;
  char *sums;       /* lanes [segments][swapped.row][columns] */
} across_job;

const char *cpu_refuses_across(const launch *l) {
  const conv_params *p = l->params;
  const operand *x = &l->in[0];
  if (p->groups != 1 || p->flip) return "takes one group and no flipped kernel";
  if (!lane_is_direct(x->dtype)) return "takes float32 and float64";
  if (x->strides[0] != 1 || x->strides[x->ndim - 1] == 1) return "x does not lie along its batch axis";
  return NULL;
}

static void across_piece(void *context, int64_t segment) {
  across_job *j = context;
  conv_job *s = &j->swapped;
  int64_t at = segment * j->per_segment, end = smaller(at + j->per_segment, s->places);
  int64_t some = smaller(conv_places_at_once(s->row * s->size), j->per_segment);
  error *why = NULL, *none = NULL;
  buffer *patches = buffer_new((size_t)(some * s->row * s->size), "conv", &why);
  if (!patches) {
    if (!atomic_compare_exchange_strong(&s->why, &none, why)) error_release(why);
    return;
  }
  const pons_dtype d = s->lane == LANE_FLOAT ? PONS_FLOAT32 : PONS_FLOAT64;
  gemm g = {.lane = s->lane, .m = s->row, .n = j->columns, .alpha = 1};
  g.a = (gemm_matrix){.data = buffer_data(patches), .dtype = d, .row = 1, .col = s->row};
  g.b = (gemm_matrix){.dtype = d, .row = j->columns, .col = 1};
  g.out.data = j->sums + segment * s->row * j->columns * s->size;
  g.out.dtype = d;
  g.out.row = j->columns, g.out.col = 1;
  for (; at < end && !why; at += some, g.beta = 1) {
    g.k = smaller(end - at, some);
    g.b.data = s->w + at * j->columns * s->size;
    conv_write_patches(s, at, g.k, 0, buffer_data(patches));
    why = cpu_gemm(&g, "conv");
  }
  if (why && !atomic_compare_exchange_strong(&s->why, &none, why)) error_release(why);
  buffer_release(patches);
}

static void lay_out(across_job *j, const launch *l) {
  const conv_params *p = l->params;
  const operand *x = &l->in[0], *w = &l->in[1], *out = l->out;
  conv_job *s = &j->swapped;
  s->n = x->ndim - 2;
  s->lane = lane_of(x->dtype);
  s->size = (int64_t)lane_size(s->lane);
  s->x = x->data;
  s->batch_stride = x->strides[s->n + 1];
  s->row = x->shape[0];
  s->places = x->shape[s->n + 1];
  for (int d = s->n - 1; d >= 0; d--) {
    conv_axis *a = &s->axes[d];
    *a = (conv_axis){.in = x->shape[d + 1], .out = w->shape[d + 1], .kernel = out->shape[d + 1]};
    a->stride = p->kernel_dilation.at[d];
    a->kernel_dilation = p->stride.at[d];
    a->low = p->pad_lo.at[d];
    a->input_dilation = p->input_dilation.at[d];
    a->x_stride = x->strides[d + 1];
    a->block = s->row;
    s->row *= a->kernel;
    s->places *= a->out;
  }
  j->columns = w->shape[0];
  j->per_segment = pieces_of(s->places, MOST_SEGMENTS);
  if (j->per_segment < LEAST_PER_SEGMENT) j->per_segment = LEAST_PER_SEGMENT;
  j->segments = pieces_of(s->places, j->per_segment);
}

/* The weight as (channels, kernel positions..., out channels). */
static operand turned(const operand *w, int64_t *shape, int64_t *strides) {
  int last = w->ndim - 1;
  for (int d = 0; d <= last; d++) {
    int from = d == 0 ? last : d == last ? 0 : d;
    shape[d] = w->shape[from];
    strides[d] = w->strides[from];
  }
  return (operand){w->data, w->dtype, w->ndim, shape, strides};
}

/* Adds the segments' sums to the first, and writes (result positions, batch, out channels) as (batch,
   positions, channels). */
static void finish(const across_job *j, const operand *out) {
  const conv_job *s = &j->swapped;
  int64_t count = s->row * j->columns, shape[PONS_MAX_NDIM], strides[PONS_MAX_NDIM], to[PONS_MAX_NDIM],
          from[PONS_MAX_NDIM];
  cpu_reduce_loops()->columns[REDUCE_SUM][s->lane](j->sums + count * s->size, count, j->segments - 1, count,
                                                   j->sums);
  shape_row_major(out->ndim, out->shape, strides);
  for (int d = 0; d < out->ndim; d++) {
    int axis = d < s->n ? d + 1 : d == s->n ? 0 : d; /* of the result */
    shape[d] = out->shape[axis];
    to[d] = strides[axis];
  }
  shape_row_major(out->ndim, shape, from);
  cpu_copy(out->data, to, j->sums, from, out->ndim, shape, (size_t)s->size);
}

error *cpu_convolution_across(const launch *l) {
  across_job j = {.columns = 0};
  int64_t shape[PONS_MAX_NDIM], strides[PONS_MAX_NDIM], count = operand_size(l->out);
  if (!count) return NULL;
  lay_out(&j, l);
  if (!j.swapped.places) {
    memset(l->out->data, 0, (size_t)(count * j.swapped.size));
    return NULL;
  }
  operand w = turned(&l->in[1], shape, strides);
  buffer *held = NULL, *sums = NULL;
  error *why = NULL;
  j.swapped.w = cpu_packed(&w, "conv", &held, &why);
  if (!why)
    sums = buffer_new((size_t)(j.segments * j.swapped.row * j.columns * j.swapped.size), "conv", &why);
  if (!why) {
    j.sums = buffer_data(sums);
    parallel_for(j.segments, across_piece, &j);
    why = atomic_load(&j.swapped.why);
  }
  if (!why) finish(&j, l->out);
  buffer_release(held);
  buffer_release(sums);
  return why;
}
