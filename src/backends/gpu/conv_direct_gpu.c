/* conv_direct_gpu.c: launches conv_direct.kc: "Convolution" with few channels of the result in a group, as depthwise ones have
   one, or with sums that are long and few, as the gradient of their weights has. Uses gpu.h. */
#include "backends/gpu/gpu.h"

extern const char kernel_conv_direct[];

/* MOST_COLUMNS: more make a product. A thread's sums and weights are to stay in registers: a block of its channels is of up to
   MOST_BLOCK, MOST_SUMS with its places. */
enum {
  MOST_AXES = 4,
  MOST_COLUMNS = 32,
  MOST_BLOCK = 8,
  MOST_SUMS = 32,
  MOST_WEIGHTS = 32,
  MOST_ROWS = 8,
  DEPTHWISE_ROWS = 4,
  MOST_SPLIT = 8,
  GROUP = 128,
  ENOUGH_THREADS = 1 << 17,
  LEAST_SUM = 128, /* elements of a thread's part */
  MOST_PARTS = 1024
};

typedef struct direct {
  int axes, width, columns, rows, split; /* WIDTH, COLUMNS, ROWS, SPLIT of the kernel */
  bool w_lies, y_lies, depthwise;
  int64_t places, groups, of_group, channels; /* channels of the result and of x in a group */
  int64_t taps, of_part, parts, units;
} direct;

/* Places a thread adds up: what a block costs is those it has, whether there are so many, and what it reads of w. */
static int best_rows(int64_t places, int most) {
  enum { WEIGHTS = 2 };
  int best = 1;
  int64_t least = INT64_MAX;
  for (int rows = 1; rows <= most; rows *= 2) {
    const int64_t cost = ceiling(places, rows) * (rows + WEIGHTS);
    if (cost <= least) best = rows, least = cost;
  }
  return best;
}

/* How many of so many channels, side by side, may be read at once: 16 bytes, 8, or one. */
static int width_of(const operand *x, int64_t channels) {
  const int last = x->ndim - 1, size = (int)pons_dtype_size(x->dtype);
  for (int bytes = GPU_WIDE; bytes >= GPU_WIDE / 2 && bytes > size; bytes /= 2) {
    const int width = bytes / size;
    bool fits = gpu_is_aligned(x, bytes) && x->strides[last] == 1 && channels % width == 0;
    for (int d = 0; d < last; d++) fits = fits && (x->shape[d] == 1 || x->strides[d] % width == 0);
    if (fits) return width;
  }
  return 1;
}

static void cut(direct *s) {
  const int64_t threads = s->units * s->split, sum = s->channels / s->width / s->split + 1;
  int64_t parts = ENOUGH_THREADS / (threads < 1 ? 1 : threads), most = s->taps * sum * s->width / LEAST_SUM;
  if (most > s->taps) most = s->taps;
  if (parts > most) parts = most;
  if (parts > MOST_PARTS) parts = MOST_PARTS;
  if (parts < 1) parts = 1;
  s->of_part = ceiling(s->taps, parts);
  s->parts = ceiling(s->taps, s->of_part);
}

/* Groups of one channel, as many as may be read at once, count as one. */
static void join_groups(direct *s, const launch *l) {
  const int width = s->channels == 1 && s->of_group == 1 ? width_of(l->in, s->groups) : 1;
  if (width == 1) return;
  s->depthwise = true;
  s->groups /= width;
  s->channels = s->of_group = s->width = s->columns = width;
}

static int columns_of(const direct *s) {
  int columns = 1;
  if (s->of_group == 3) return 3; /* colours */
  while (columns < s->of_group && 2 * columns <= MOST_BLOCK && 2 * columns * s->width <= MOST_WEIGHTS)
    columns *= 2;
  return columns;
}

static direct direct_of(const launch *l) {
  const conv_params *p = l->params;
  const operand *x = &l->in[0], *w = &l->in[1];
  const int last = x->ndim - 1;
  direct s = {.axes = x->ndim - 2,
              .groups = p->groups,
              .of_group = w->shape[0] / p->groups,
              .channels = w->shape[last]};
  s.places = shape_size(last, l->out->shape);
  s.taps = shape_size(s.axes, w->shape + 1);
  join_groups(&s, l);
  if (!s.depthwise) {
    s.width = width_of(x, s.channels);
    s.w_lies = s.width > 1 && width_of(w, s.channels) >= s.width;
    s.columns = columns_of(&s);
  }
  const int most = s.depthwise ? DEPTHWISE_ROWS : MOST_SUMS / s.columns;
  s.rows = best_rows(s.places, most < MOST_ROWS ? most : MOST_ROWS);
  s.split = 1;
  while (!s.depthwise && s.split < MOST_SPLIT && 2 * s.split * s.width <= s.channels) s.split *= 2;
  s.units = ceiling(s.places, s.rows) * s.groups * ceiling(s.of_group, s.columns);
  cut(&s);
  s.y_lies = s.depthwise && s.parts == 1 && gpu_is_aligned(l->out, GPU_WIDE);
  return s;
}

const char *gpu_refuses_conv_direct(const gpu_backend *b, const launch *l) {
  (void)b;
  const conv_params *p = l->params;
  const operand *x = &l->in[0], *w = &l->in[1];
  if (shape_size(l->out->ndim, l->out->shape) == 0 || shape_size(x->ndim, x->shape) == 0)
    return "there are no elements";
  if (x->ndim - 2 > MOST_AXES) return "there are too many spatial axes";
  for (int d = 0; d < x->ndim - 2; d++)
    if (p->input_dilation.at[d] != 1) return "the input is spread out";
  if (w->shape[0] / p->groups > MOST_COLUMNS) return "a group has many channels";
  return NULL;
}

static void add_axes(gpu_call *c, const direct *s, const launch *l) {
  const conv_params *p = l->params;
  const operand *x = &l->in[0], *w = &l->in[1];
  for (int d = 0; d < s->axes; d++) {
    const int64_t step = w->strides[d + 1];
    const int64_t numbers[8] = {x->shape[d + 1],   l->out->shape[d + 1],  w->shape[d + 1],
                                p->stride.at[d],   p->pad_lo.at[d],       p->kernel_dilation.at[d],
                                x->strides[d + 1], p->flip ? -step : step};
    gpu_number_list(c, 8, numbers);
  }
}

/* Groups at once on a multiprocessor of NVIDIA's, which leave a thread the registers it needs. */
static int residents_of(const direct *s) {
  return s->depthwise ? (s->width > 4 ? 4 : 5) : s->width > 4 ? 3 : 4;
}

static error *run(const gpu_backend *b, const direct *s, const launch *l, const operand *to) {
  const conv_params *p = l->params;
  const operand *x = &l->in[0], *w = &l->in[1];
  const int last = x->ndim - 1;
  const bool is_double = x->dtype == PONS_FLOAT64;
  int64_t first = 0;
  for (int d = 0; d < s->axes && p->flip; d++) first += (w->shape[d + 1] - 1) * w->strides[d + 1];
  gpu_call c = gpu_call_for(b, to);
  gpu_define_dtype(&c, "X", x->dtype);
  gpu_define_wide(&c, "X", x->dtype);
  gpu_define_dtype(&c, "Y", to->dtype);
  gpu_define_text(&c, "A_value", is_double ? "double" : "float");
  gpu_define_text(&c, "FMA(a, b, c)", is_double ? "k_fma_f64(a, b, c)" : "k_fma_f32(a, b, c)");
  c.group[0] = gpu_group_for(&c, GROUP, GROUP);
  const int split = s->split < c.group[0] ? s->split : c.group[0];
  const bool whole = s->width * (int)pons_dtype_size(x->dtype) == GPU_WIDE;
  gpu_define_text(&c, "LOAD_WIDE", whole ? "load_words4" : "load_words2");
  gpu_define_text(&c, "STORE_WIDE", whole ? "store_words4" : "store_words2");
  const struct {
    const char *name;
    int value;
  } sizes[] = {{"AXES", s->axes},
               {"WIDTH", s->width},
               {"W_LIES", s->w_lies},
               {"Y_LIES", s->y_lies},
               {"ROWS", s->rows},
               {"COLUMNS", s->columns},
               {"SPLIT", split},
               {"PARTS", s->parts > 1},
               {"GROUP", c.group[0]},
               {"DEPTHWISE", s->depthwise},
               {"RESIDENTS", residents_of(s)}};
  for (int i = 0; i < 11; i++) gpu_define(&c, sizes[i].name, sizes[i].value);
  gpu_written(&c, to);
  gpu_read(&c, x);
  gpu_read(&c, w);
  gpu_begin_numbers(&c);
  const int64_t numbers[] = {s->units,
                             s->places,
                             s->groups,
                             ceiling(s->of_group, s->columns),
                             s->of_group,
                             s->channels / s->width,
                             s->taps,
                             s->of_part,
                             x->strides[0],
                             x->strides[last],
                             s->channels * x->strides[last],
                             w->strides[0],
                             w->strides[last],
                             first};
  gpu_number_list(&c, 14, numbers);
  add_axes(&c, s, l);
  c.groups[0] = (s->units + c.group[0] / split - 1) / (c.group[0] / split);
  c.groups[1] = s->parts;
  c.wide |= s->units > INT32_MAX - GROUP;
  return gpu_run(&c, kernel_conv_direct, "conv_direct");
}

/* Parts behind each other, which are added then. */
static error *run_parts(const gpu_backend *b, const direct *s, const launch *l) {
  const operand *out = l->out;
  const pons_dtype wide = gpu_wide_dtype(out->dtype);
  const int64_t size = shape_size(out->ndim, out->shape), shape[] = {s->parts, size}, of_result[] = {1, size},
                strides[] = {size, 1};
  location sums;
  error *why = gpu_room_take(b, &sums, out, s->parts * size, wide);
  const operand parts = {&sums, wide, 2, shape, strides},
                all = {out->data, out->dtype, 2, of_result, strides};
  const reduce_params add = {REDUCE_SUM, {1, (const int64_t[]){0}}};
  if (!why) why = run(b, s, l, &parts);
  if (!why) why = gpu_reduce(b, &(launch){&add, 1, 1, &parts, &all});
  gpu_room_give(b, &sums);
  return why;
}

error *gpu_conv_direct(const gpu_backend *b, const launch *l) {
  const direct s = direct_of(l);
  error *why = s.parts == 1 ? run(b, &s, l, l->out) : run_parts(b, &s, l);
  return why == error_declined() ? gpu_conv(b, l)
                                 : why; /* a text that was not built ahead, and no compiler */
}
