/* conv_cpu.c: "Convolution", channels last, any number of spatial axes.

   What the kernel covers at one place of the result is a row of a matrix, and so the whole is a product:

       patches (places, kernel positions x channels)  x  transposed weight (out channels, the same)

   Patches are written a piece of places at a time, few enough to stay in the cache. Uses cpu/conv.h. */
#include "backends/cpu/conv.h"

void conv_write_run(const conv_job *j, const conv_axis *a, int64_t place, const char *x, char *patch) {
  int64_t first = place * a->stride - a->low, step = a->x_stride * j->size;
  int64_t from = first < 0 ? -first : 0, to = smaller(a->in - first, a->kernel);
  if (from > a->kernel) from = a->kernel;
  if (to < from) to = from;
  memset(patch, 0, (size_t)(from * step));
  if (to > from) memcpy(patch + from * step, x + (first + from) * step, (size_t)((to - from) * step));
  memset(patch + to * step, 0, (size_t)((a->kernel - to) * step));
}

static void write_patch(const conv_job *j, int axis, const int64_t *place, const char *x, char *patch) {
  const conv_axis *a = &j->axes[axis];
  bool last = axis == j->n - 1;
  if (last && a->kernel_dilation == 1 && a->input_dilation == 1 && !j->flip && a->x_stride == a->block) {
    conv_write_run(j, a, place[axis], x, patch);
    return;
  }
  size_t bytes = (size_t)(a->block * j->size);
  for (int64_t k = 0; k < a->kernel; k++, patch += bytes) {
    int64_t at = conv_under(a, j->flip, place[axis], k);
    if (at < 0) memset(patch, 0, bytes);
    else if (last) memcpy(patch, x + at * a->x_stride * j->size, bytes);
    else write_patch(j, axis + 1, place, x + at * a->x_stride * j->size, patch);
  }
}

int64_t conv_places_at_once(int64_t patch_bytes) {
  enum { BYTES = 1 << 20, MOST = 1024, LEAST = 64 };
  int64_t places = BYTES / (patch_bytes + 1);
  return places < LEAST ? LEAST : smaller(places, MOST);
}

void conv_write_patches(const conv_job *j, int64_t first, int64_t count, int64_t channel, char *patches) {
  for (int64_t p = first; p < first + count; p++, patches += j->row * j->size) {
    int64_t place[PONS_MAX_NDIM], rest = p;
    for (int d = j->n - 1; d >= 0; d--) {
      place[d] = rest % j->axes[d].out;
      rest /= j->axes[d].out;
    }
    write_patch(j, 0, place, j->x + (rest * j->batch_stride + channel) * j->size, patches);
  }
}

static error *conv_places(const conv_job *j, int64_t first, int64_t count, char *patches) {
  const pons_dtype d = lane_dtype(j->lane);
  int64_t group_out = j->out_channels / j->groups, group_in = j->channels / j->groups;
  error *why = NULL;
  for (int64_t g = 0; g < j->groups && !why; g++) {
    if (!j->in_place) conv_write_patches(j, first, count, g * group_in, patches);
    gemm product = {.lane = j->lane, .m = count, .n = group_out, .k = j->row, .alpha = 1};
    product.a = (gemm_matrix){.data = j->in_place ? j->x + first * j->row * j->size : patches, .dtype = d, .row = j->row, .col = 1};
    product.b = (gemm_matrix){.data = j->w + g * group_out * j->row * j->size, .dtype = d, .row = 1, .col = j->row};
    product.out.data = j->out + (first * j->out_channels + g * group_out) * j->size;
    product.out.dtype = d;
    product.out.row = j->out_channels, product.out.col = 1;
    why = cpu_gemm(&product, "conv");
  }
  return why;
}

static void conv_piece(void *context, int64_t piece) {
  conv_job *j = context;
  int64_t first = piece * j->places_per_piece;
  int64_t count = smaller(j->places - first, j->places_per_piece);
  error *why = NULL, *none = NULL;
  buffer *patches = j->in_place ? NULL : buffer_new((size_t)(count * j->row * j->size), "conv", &why);
  if (!why) why = conv_places(j, first, count, patches ? buffer_data(patches) : NULL);
  if (why && !atomic_compare_exchange_strong(&j->why, &none, why)) error_release(why);
  buffer_release(patches);
}

void conv_lay_out(conv_job *j, const launch *l, const int64_t *x_strides) {
  const conv_params *p = l->params;
  const operand *x = &l->in[0], *w = &l->in[1], *out = l->out;
  j->n = x->ndim - 2;
  j->flip = p->flip;
  j->groups = p->groups;
  j->channels = x->shape[j->n + 1];
  j->out_channels = w->shape[0];
  j->row = w->shape[j->n + 1];
  j->batch_stride = x_strides[0];
  j->places = out->shape[0];
  bool plain = p->groups == 1;
  for (int d = j->n - 1; d >= 0; d--) {
    conv_axis *a = &j->axes[d];
    *a = (conv_axis){.in = x->shape[d + 1],
                     .out = out->shape[d + 1],
                     .kernel = w->shape[d + 1],
                     .stride = p->stride.at[d]};
    a->low = p->pad_lo.at[d];
    a->kernel_dilation = p->kernel_dilation.at[d];
    a->input_dilation = p->input_dilation.at[d];
    a->x_stride = x_strides[d + 1];
    a->block = j->row;
    j->row *= a->kernel;
    j->places *= a->out;
    plain = plain && a->kernel == 1 && a->stride == 1 && a->low == 0 && p->pad_hi.at[d] == 0 &&
            a->input_dilation == 1;
  }
  j->in_place = plain && shape_is_row_major(x->ndim, x->shape, x_strides);
  j->places_per_piece = conv_places_at_once(j->row * j->size);
}

/* Lanes of x with neighbouring channels: x itself, or packed. */
static error *lanes_of(const operand *x, bool packed, const char **lanes, int64_t *strides, buffer **held) {
  error *why = NULL;
  *held = NULL;
  if (lane_is_direct(x->dtype) &&
      (packed ? shape_is_row_major(x->ndim, x->shape, x->strides) : x->strides[x->ndim - 1] == 1)) {
    *lanes = x->data;
    memcpy(strides, x->strides, (size_t)x->ndim * sizeof *strides);
    return NULL;
  }
  *held = buffer_new((size_t)operand_size(x) * lane_size(lane_of(x->dtype)), "conv", &why);
  if (!*held) return why;
  cpu_to_lanes(buffer_data(*held), x->dtype, x->data, x->ndim, x->shape, x->strides);
  *lanes = buffer_data(*held);
  shape_row_major(x->ndim, x->shape, strides);
  return NULL;
}

static error *by_patches(const conv_job *conv) {
  conv_job j = *conv;
  parallel_for(pieces_of(j.places, j.places_per_piece), conv_piece, &j);
  return atomic_load(&j.why);
}

error *conv_run(const launch *l, error *(*convolve)(const conv_job *j)) {
  const operand *out = l->out;
  int64_t count = operand_size(out), x_strides[PONS_MAX_NDIM], w_strides[PONS_MAX_NDIM];
  buffer *x = NULL, *w = NULL, *result = NULL;
  const bool direct = lane_is_direct(out->dtype);
  if (!count) return NULL;
  conv_job j = {.lane = lane_of(out->dtype), .size = (int64_t)lane_size(lane_of(out->dtype))};
  error *why = lanes_of(&l->in[0], false, &j.x, x_strides, &x);
  if (!why) why = lanes_of(&l->in[1], true, &j.w, w_strides, &w);
  if (!why && !direct) result = buffer_new((size_t)(count * j.size), "conv", &why);
  if (!why) {
    j.out = direct ? out->data : buffer_data(result);
    conv_lay_out(&j, l, x_strides);
    if (j.row == 0) memset(j.out, 0, (size_t)(count * j.size));
    else why = convolve(&j);
  }
  if (!why && !direct) cpu_from_lanes(out->dtype, out->data, j.out, count);
  buffer_release(x);
  buffer_release(w);
  buffer_release(result);
  return why;
}

error *cpu_convolution(const launch *l) { return conv_run(l, by_patches); }
