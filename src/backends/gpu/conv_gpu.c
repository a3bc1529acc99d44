/* conv_gpu.c: launches conv.kc: "Convolution". Uses gpu.h. */
#include "backends/gpu/gpu.h"

extern const char kernel_conv[];

enum { MOST_AXES = 4, MOST_GROUPS = 65535 };

static int64_t places_of(const operand *out) { return shape_size(out->ndim - 1, out->shape); }

const char *gpu_refuses_conv(const gpu_backend *b, const launch *l) {
  (void)b;
  const conv_params *p = l->params;
  if (shape_size(l->out->ndim, l->out->shape) == 0 || shape_size(l->in->ndim, l->in->shape) == 0)
    return "there are no elements";
  if (l->in->ndim - 2 > MOST_AXES) return "there are too many spatial axes";
  if (p->groups > MOST_GROUPS || l->in[1].shape[0] > MOST_GROUPS) return "there are too many channels";
  return NULL;
}

error *gpu_conv(const gpu_backend *b, const launch *l) {
  const conv_params *p = l->params;
  const operand *x = &l->in[0], *w = &l->in[1], *out = l->out;
  const int axes = x->ndim - 2, last = x->ndim - 1;
  const bool is_double = x->dtype == PONS_FLOAT64;
  const int64_t places = places_of(out), columns = w->shape[0] / p->groups;
  int64_t row = w->shape[last];
  for (int d = 0; d < axes; d++) row *= w->shape[d + 1];
  gpu_call c = gpu_call_for(b, out);
  gpu_define_dtype(&c, "X", x->dtype);
  gpu_define_text(&c, "A_value", is_double ? "double" : "float");
  gpu_define_text(&c, "FMA(a, b, c)", is_double ? "k_fma_f64(a, b, c)" : "k_fma_f32(a, b, c)");
  gpu_define(&c, "AXES", axes);
  gpu_define(&c, "FLIP", p->flip);
  gpu_written(&c, out);
  gpu_read(&c, x);
  gpu_read(&c, w);
  gpu_begin_numbers(&c);
  gpu_number(&c, places);
  gpu_number(&c, columns);
  gpu_number(&c, row);
  gpu_number(&c, w->shape[last]);
  gpu_number(&c, w->shape[0]);
  gpu_number(&c, x->strides[0]);
  gpu_number(&c, x->strides[last]);
  gpu_number(&c, w->strides[0]);
  gpu_number(&c, w->strides[last]);
  for (int d = 0; d < axes; d++) {
    const int64_t numbers[8] = {x->shape[d + 1],         out->shape[d + 1], w->shape[d + 1],
                                p->stride.at[d],         p->pad_lo.at[d],   p->kernel_dilation.at[d],
                                p->input_dilation.at[d], x->strides[d + 1]};
    gpu_number_list(&c, 8, numbers);
  }
  for (int d = 0; d < axes; d++) gpu_number(&c, w->strides[d + 1]);
  int side = 16;
  while (side > 1 && side * side > b->features(c.index)->max_group) side /= 2;
  gpu_define(&c, "SIDE", side);
  c.group[0] = side * side;
  c.groups[0] = (places + 4 * side - 1) / (4 * side);
  c.groups[1] = (columns + 4 * side - 1) / (4 * side);
  c.groups[2] = p->groups;
  return gpu_run(&c, kernel_conv, "conv");
}
