/* conv_channels.isa.c: the loops of conv_channels.h. A tile, some places or some terms by one or two registers of channels,
   stays in registers while all that belongs to it is added. Built once per instruction set. Uses cpu/conv_channels.h,
   cpu/registers.h. */
#include "backends/cpu/conv_channels.h"
#include "backends/cpu/registers.h"

#define UNROLL _Pragma("GCC unroll 6")
#define INLINE static inline __attribute__((always_inline))

enum { MOST = 6, MOST_REGISTERS = 2 }; /* places or terms of a tile */
/* Code is to be small: two registers where they are of most use. */
#define WIDE(type, count) (sizeof(type) == sizeof(float) && (count) > 1)

/* Places of x in two addresses: with distances of one and two steps from either, none takes a register of its own. */
#define PLACE(x, far, p, step) ((p) < 3 ? (x) + (p) * (step) : (far) + ((p)-3) * (step))

/* `all`: an element of x is met by all channels of the tile, which are of one group; else each channel by its own. */
#define RESULT(type, vector, FMA, wide, SPLAT)                                                                    \
  INLINE void result_tile_##type(const conv_sums *s, int64_t place, int64_t x_channel, int64_t channel, int places, \
                                 int registers, bool all) {                                                       \
    vector sum[MOST][MOST_REGISTERS], weight[MOST_REGISTERS];                                                     \
    const int64_t step = s->x_step, in = all ? s->group_in : 1;                                                   \
    UNROLL for (int p = 0; p < places; p++)                                                                       \
      UNROLL for (int v = 0; v < registers; v++) sum[p][v] = (vector){0};                                         \
    for (int64_t t = 0; t < s->count; t++) {                                                                      \
      const type *x = (const type *)s->terms[t].x + place * step + x_channel, *far = x + 3 * step;                \
      const type *w = (const type *)s->terms[t].w + channel;                                                      \
      for (int64_t i = 0; i < in; i++, x++, far++, w += s->channels) {                                            \
        UNROLL for (int v = 0; v < registers; v++) weight[v] = wide(w + v * EACH_##type);                         \
        UNROLL for (int p = 0; p < places; p++) {                                                                 \
          const type *at = PLACE(x, far, p, step);                                                                \
          UNROLL for (int v = 0; v < registers; v++)                                                              \
            sum[p][v] = FMA(all ? SPLAT(*at) : wide(at + v * EACH_##type), weight[v], sum[p][v]);                 \
        }                                                                                                         \
      }                                                                                                           \
    }                                                                                                             \
    type *y = (type *)s->y + place * s->y_step + channel;                                                         \
    UNROLL for (int p = 0; p < places; p++)                                                                       \
      UNROLL for (int v = 0; v < registers; v++) memcpy(y + p * s->y_step + v * EACH_##type, &sum[p][v], sizeof(vector)); \
  }

/* `done`: so many of the first channels have it already. */
#define GRADIENT(type, vector, FMA, wide, SPLAT)                                                                  \
  INLINE void gradient_tile_##type(const conv_sums *s, int64_t term, int64_t x_channel, int64_t channel, int terms, \
                                   int registers, bool all, int64_t done) {                                       \
    vector sum[MOST][MOST_REGISTERS], cotangent[MOST_REGISTERS];                                                  \
    const type *x[MOST], *y = (const type *)s->y + channel;                                                       \
    type *w[MOST];                                                                                                \
    const int64_t in = all ? s->group_in : 1, x_step = s->x_step;                                                 \
    UNROLL for (int t = 0; t < terms; t++) {                                                                      \
      const conv_term *of = &s->terms[(term + t) / in];                                                           \
      x[t] = (const type *)of->x + x_channel + (term + t) % in;                                                   \
      w[t] = (type *)of->w + (term + t) % in * s->channels + channel;                                             \
      UNROLL for (int v = 0; v < registers; v++) sum[t][v] = wide(w[t] + v * EACH_##type);                        \
    }                                                                                                             \
    for (int64_t p = 0, at = 0; p < s->places; p++, y += s->y_step, at += x_step) {                               \
      UNROLL for (int v = 0; v < registers; v++) cotangent[v] = wide(y + v * EACH_##type);                        \
      UNROLL for (int t = 0; t < terms; t++)                                                                      \
        UNROLL for (int v = 0; v < registers; v++)                                                                \
          sum[t][v] = FMA(all ? SPLAT(x[t][at]) : wide(x[t] + at + v * EACH_##type), cotangent[v], sum[t][v]);    \
    }                                                                                                             \
    UNROLL for (int t = 0; t < terms; t++)                                                                        \
      UNROLL for (int v = 0; v < registers; v++)                                                                  \
        memcpy(w[t] + v * EACH_##type + done, (type *)&sum[t][v] + done, sizeof(vector) - (size_t)done * sizeof(type)); \
  }

/* All channels of a tile's places or terms. */
#define CHANNELS(name, type, ...)                                                                                 \
  INLINE void name##_of_groups_##type(const conv_sums *s, int64_t at, int count) {                                \
    for (int64_t c = 0, x = 0; c < s->channels; x += s->group_in) {                                               \
      const int64_t end = c + s->group_out;                                                                       \
      for (; WIDE(type, count) && c + 2 * EACH_##type <= end; c += 2 * EACH_##type)                               \
        name##_tile_##type(s, at, x, c, count, 2, true __VA_ARGS__);                                              \
      for (; c < end; c += EACH_##type) name##_tile_##type(s, at, x, c, count, 1, true __VA_ARGS__);              \
    }                                                                                                             \
  }

/* As many places or terms as there are. */
#define IN_TILES(name, type, count)                                                                               \
  int64_t i = 0;                                                                                                  \
  for (; i + MOST <= (count); i += MOST) name##_##type(s, i, MOST);                                               \
  for (; i + 3 <= (count); i += 3) name##_##type(s, i, 3);                                                        \
  for (; i < (count); i++) name##_##type(s, i, 1);

/* Channels of a result that are no whole register at the end are computed with some of those before them, to the same bits. */
#define LOOPS(type, vector, FMA, wide, SPLAT)                                                                     \
  enum { EACH_##type = sizeof(vector) / sizeof(type) };                                                           \
  RESULT(type, vector, FMA, wide, SPLAT)                                                                          \
  GRADIENT(type, vector, FMA, wide, SPLAT)                                                                        \
  CHANNELS(result, type, )                                                                                        \
  CHANNELS(gradient, type, , 0)                                                                                   \
  INLINE void result_of_each_##type(const conv_sums *s, int64_t at, int count) {                                  \
    int64_t c = 0;                                                                                                \
    for (; WIDE(type, count) && c + 2 * EACH_##type <= s->channels; c += 2 * EACH_##type)                         \
      result_tile_##type(s, at, c, c, count, 2, false);                                                           \
    for (; c + EACH_##type <= s->channels; c += EACH_##type) result_tile_##type(s, at, c, c, count, 1, false);    \
    const int64_t last = s->channels - EACH_##type;                                                               \
    if (c < s->channels) result_tile_##type(s, at, last, last, count, 1, false);                                  \
  }                                                                                                               \
  INLINE void gradient_of_each_##type(const conv_sums *s, int64_t at, int count) {                                \
    int64_t c = 0;                                                                                                \
    for (; WIDE(type, count) && c + 2 * EACH_##type <= s->channels; c += 2 * EACH_##type)                         \
      gradient_tile_##type(s, at, c, c, count, 2, false, 0);                                                      \
    for (; c + EACH_##type <= s->channels; c += EACH_##type) gradient_tile_##type(s, at, c, c, count, 1, false, 0); \
    const int64_t last = s->channels - EACH_##type;                                                               \
    if (c < s->channels) gradient_tile_##type(s, at, last, last, count, 1, false, c - last);                      \
  }                                                                                                               \
  static void result_##type(const conv_sums *s, bool by_group) {                                                  \
    if (by_group) {                                                                                               \
      IN_TILES(result_of_groups, type, s->places)                                                                 \
    } else {                                                                                                      \
      IN_TILES(result_of_each, type, s->places)                                                                   \
    }                                                                                                             \
  }                                                                                                               \
  static void gradient_##type(const conv_sums *s, bool by_group) {                                                \
    if (by_group) {                                                                                               \
      IN_TILES(gradient_of_groups, type, s->count * s->group_in)                                                  \
    } else {                                                                                                      \
      IN_TILES(gradient_of_each, type, s->count)                                                                  \
    }                                                                                                             \
  }                                                                                                               \
  /* By small registers, of which a later one writes again what belongs to it. */                                 \
  static void spread_##type(const void *from_, int64_t groups, int64_t in, int64_t out, int64_t plane, void *to_) { \
    typedef type some __attribute__((vector_size(CONV_SPREAD_BYTES)));                                            \
    const type *from = from_;                                                                                     \
    for (int64_t i = 0; i < in; i++) {                                                                            \
      type *to = (type *)to_ + i * plane;                                                                         \
      for (int64_t g = 0; g < groups; g++, to += out) {                                                           \
        const some every = from[g * in + i] - (some){0};                                                          \
        for (int64_t o = 0; o < out; o += (int64_t)(sizeof every / sizeof(type))) memcpy(to + o, &every, sizeof every); \
      }                                                                                                           \
    }                                                                                                             \
  }
LOOPS(float, vector_float, FMA_FLOAT, wide_float32, SPLAT_FLOAT)
LOOPS(double, vector_double, FMA_DOUBLE, wide_float64, SPLAT_DOUBLE)

const conv_loops ISA_NAME(conv_loops) = {
    .least = {[LANE_FLOAT] = EACH_float, [LANE_DOUBLE] = EACH_double},
    .result = {[LANE_FLOAT] = result_float, [LANE_DOUBLE] = result_double},
    .gradient = {[LANE_FLOAT] = gradient_float, [LANE_DOUBLE] = gradient_double},
    .spread = {[LANE_FLOAT] = spread_float, [LANE_DOUBLE] = spread_double},
};
