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

/* Channel i of its group for each lane: what a lane's group begins with is `group`. */
#if defined(__AVX512F__)
#define SHUFFLE_FLOAT(x, group, i) ((vector_float)_mm512_permutexvar_ps((__m512i)((group) + (uint32_t)(i)), (__m512)(x)))
#define SHUFFLES_float true
#elif defined(__AVX2__)
#define SHUFFLE_FLOAT(x, group, i) ((vector_float)_mm256_permutevar8x32_ps((__m256)(x), (__m256i)((group) + (uint32_t)(i))))
#define SHUFFLES_float true
#else
#define SHUFFLE_FLOAT(x, group, i) ((void)(group), (void)(i), (x))
#define SHUFFLES_float false
#endif
#define SHUFFLES_double false
#define SHUFFLE_DOUBLE(x, group, i) ((void)(group), (void)(i), (x))

INLINE vector_word group_of_lanes(int64_t channels) {
  vector_word lane;
  for (uint32_t i = 0; i < sizeof lane / sizeof lane[0]; i++) lane[i] = i;
  return lane & (uint32_t)-channels;
}

/* An element of x is met by all channels of the tile, which are of one group (CONV_BY_GROUP), or each channel by its own, or
   by one of its group's, which are as many as of the result (CONV_SHUFFLED). */
#define ELEMENTS(form, at, each, group, i, wide, SPLAT, SHUFFLE)                                                  \
  ((form) == CONV_BY_GROUP   ? SPLAT(*(at))                                                                       \
   : (form) == CONV_SHUFFLED ? SHUFFLE(wide((at) + (each)), group, i)                                             \
                             : wide((at) + (each)))
#define RESULT(type, vector, FMA, wide, SPLAT, SHUFFLE)                                                           \
  INLINE void result_tile_##type(const conv_sums *s, int64_t place, int64_t x_channel, int64_t channel, int places, \
                                 int registers, conv_form form) {                                                 \
    vector sum[MOST][MOST_REGISTERS], weight[MOST_REGISTERS];                                                     \
    const int64_t step = s->x_step, in = form == CONV_EACH ? 1 : s->group_in;                                     \
    const vector_word group = group_of_lanes(s->group_out);                                                       \
    UNROLL for (int p = 0; p < places; p++)                                                                       \
      UNROLL for (int v = 0; v < registers; v++) sum[p][v] = (vector){0};                                         \
    for (int64_t t = 0; t < s->count; t++) {                                                                      \
      const type *x = (const type *)s->terms[t].x + place * step + x_channel, *far = x + 3 * step;                \
      const type *w = (const type *)s->terms[t].w + channel;                                                      \
      for (int64_t i = 0; i < in; i++, w += s->channels) {                                                        \
        UNROLL for (int v = 0; v < registers; v++) weight[v] = wide(w + v * EACH_##type);                         \
        UNROLL for (int p = 0; p < places; p++) {                                                                 \
          const type *at = PLACE(x, far, p, step);                                                                \
          UNROLL for (int v = 0; v < registers; v++)                                                              \
            sum[p][v] = FMA(ELEMENTS(form, at, v * EACH_##type, group, i, wide, SPLAT, SHUFFLE), weight[v], sum[p][v]); \
        }                                                                                                         \
        if (form == CONV_BY_GROUP) x++, far++;                                                                    \
      }                                                                                                           \
    }                                                                                                             \
    type *y = (type *)s->y + place * s->y_step + channel;                                                         \
    UNROLL for (int p = 0; p < places; p++)                                                                       \
      UNROLL for (int v = 0; v < registers; v++) memcpy(y + p * s->y_step + v * EACH_##type, &sum[p][v], sizeof(vector)); \
  }

/* `done`: so many of the first channels have it already. */
#define GRADIENT(type, vector, FMA, wide, SPLAT, SHUFFLE)                                                         \
  INLINE void gradient_tile_##type(const conv_sums *s, int64_t term, int64_t x_channel, int64_t channel, int terms, \
                                   int registers, conv_form form, int64_t done) {                                 \
    vector sum[MOST][MOST_REGISTERS], cotangent[MOST_REGISTERS];                                                  \
    const type *x[MOST], *y = (const type *)s->y + channel;                                                       \
    type *w[MOST];                                                                                                \
    int64_t channel_of[MOST];                                                                                     \
    const int64_t in = form == CONV_EACH ? 1 : s->group_in, x_step = s->x_step;                                   \
    const vector_word group = group_of_lanes(s->group_out);                                                       \
    UNROLL for (int t = 0; t < terms; t++) {                                                                      \
      const conv_term *of = &s->terms[(term + t) / in];                                                           \
      channel_of[t] = (term + t) % in;                                                                            \
      x[t] = (const type *)of->x + x_channel + (form == CONV_BY_GROUP ? (term + t) % in : 0);                     \
      w[t] = (type *)of->w + (term + t) % in * s->channels + channel;                                             \
      UNROLL for (int v = 0; v < registers; v++) sum[t][v] = wide(w[t] + v * EACH_##type);                        \
    }                                                                                                             \
    for (int64_t p = 0, at = 0; p < s->places; p++, y += s->y_step, at += x_step) {                               \
      UNROLL for (int v = 0; v < registers; v++) cotangent[v] = wide(y + v * EACH_##type);                        \
      UNROLL for (int t = 0; t < terms; t++)                                                                      \
        UNROLL for (int v = 0; v < registers; v++)                                                                \
          sum[t][v] = FMA(ELEMENTS(form, x[t] + at, v * EACH_##type, group, channel_of[t], wide, SPLAT, SHUFFLE), \
                          cotangent[v], sum[t][v]);                                                               \
    }                                                                                                             \
    UNROLL for (int t = 0; t < terms; t++)                                                                        \
      UNROLL for (int v = 0; v < registers; v++)                                                                  \
        memcpy(w[t] + v * EACH_##type + done, (type *)&sum[t][v] + done, sizeof(vector) - (size_t)done * sizeof(type)); \
  }

/* All channels of a tile's places or terms. */
#define CHANNELS(name, type, ...)                                                                                 \
  INLINE void name##_of_groups_##type(const conv_sums *s, int64_t at, int count, conv_form form) {                \
    for (int64_t c = 0, x = 0; c < s->channels; x += s->group_in) {                                               \
      const int64_t end = c + s->group_out;                                                                       \
      for (; WIDE(type, count) && c + 2 * EACH_##type <= end; c += 2 * EACH_##type)                               \
        name##_tile_##type(s, at, x, c, count, 2, form __VA_ARGS__);                                              \
      for (; c < end; c += EACH_##type) name##_tile_##type(s, at, x, c, count, 1, form __VA_ARGS__);              \
    }                                                                                                             \
  }

/* As many places or terms as there are. */
#define IN_TILES(name, type, count, form)                                                                         \
  int64_t i = 0;                                                                                                  \
  for (; i + MOST <= (count); i += MOST) name##_##type(s, i, MOST, form);                                         \
  for (; i + 3 <= (count); i += 3) name##_##type(s, i, 3, form);                                                  \
  for (; i < (count); i++) name##_##type(s, i, 1, form);

/* Channels of a result that are no whole register at the end are computed with some of those before them, to the same bits. */
#define LOOPS(type, vector, FMA, wide, SPLAT, SHUFFLE)                                                            \
  enum { EACH_##type = sizeof(vector) / sizeof(type) };                                                           \
  RESULT(type, vector, FMA, wide, SPLAT, SHUFFLE)                                                                 \
  GRADIENT(type, vector, FMA, wide, SPLAT, SHUFFLE)                                                               \
  CHANNELS(result, type, )                                                                                        \
  CHANNELS(gradient, type, , 0)                                                                                   \
  INLINE void result_of_lanes_##type(const conv_sums *s, int64_t at, int count, conv_form form) {                 \
    int64_t c = 0;                                                                                                \
    for (; WIDE(type, count) && c + 2 * EACH_##type <= s->channels; c += 2 * EACH_##type)                         \
      result_tile_##type(s, at, c, c, count, 2, form);                                                            \
    for (; c + EACH_##type <= s->channels; c += EACH_##type) result_tile_##type(s, at, c, c, count, 1, form);     \
    const int64_t last = s->channels - EACH_##type;                                                               \
    if (c < s->channels) result_tile_##type(s, at, last, last, count, 1, form);                                   \
  }                                                                                                               \
  INLINE void gradient_of_lanes_##type(const conv_sums *s, int64_t at, int count, conv_form form) {               \
    int64_t c = 0;                                                                                                \
    for (; WIDE(type, count) && c + 2 * EACH_##type <= s->channels; c += 2 * EACH_##type)                         \
      gradient_tile_##type(s, at, c, c, count, 2, form, 0);                                                       \
    for (; c + EACH_##type <= s->channels; c += EACH_##type) gradient_tile_##type(s, at, c, c, count, 1, form, 0); \
    const int64_t last = s->channels - EACH_##type;                                                               \
    if (c < s->channels) gradient_tile_##type(s, at, last, last, count, 1, form, c - last);                       \
  }                                                                                                               \
  static void result_##type(const conv_sums *s, conv_form form) {                                                 \
    if (form == CONV_BY_GROUP) {                                                                                  \
      IN_TILES(result_of_groups, type, s->places, CONV_BY_GROUP)                                                  \
    } else if (form == CONV_SHUFFLED && SHUFFLES_##type) {                                                        \
      IN_TILES(result_of_lanes, type, s->places, CONV_SHUFFLED)                                                   \
    } else {                                                                                                      \
      IN_TILES(result_of_lanes, type, s->places, CONV_EACH)                                                       \
    }                                                                                                             \
  }                                                                                                               \
  static void gradient_##type(const conv_sums *s, conv_form form) {                                               \
    if (form == CONV_BY_GROUP) {                                                                                  \
      IN_TILES(gradient_of_groups, type, s->count * s->group_in, CONV_BY_GROUP)                                   \
    } else if (form == CONV_SHUFFLED && SHUFFLES_##type) {                                                        \
      IN_TILES(gradient_of_lanes, type, s->count * s->group_in, CONV_SHUFFLED)                                    \
    } else {                                                                                                      \
      IN_TILES(gradient_of_lanes, type, s->count, CONV_EACH)                                                      \
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
LOOPS(float, vector_float, FMA_FLOAT, wide_float32, SPLAT_FLOAT, SHUFFLE_FLOAT)
LOOPS(double, vector_double, FMA_DOUBLE, wide_float64, SPLAT_DOUBLE, SHUFFLE_DOUBLE)

const conv_loops ISA_NAME(conv_loops) = {
    .shuffles = {[LANE_FLOAT] = SHUFFLES_float},
    .least = {[LANE_FLOAT] = EACH_float, [LANE_DOUBLE] = EACH_double},
    .result = {[LANE_FLOAT] = result_float, [LANE_DOUBLE] = result_double},
    .gradient = {[LANE_FLOAT] = gradient_float, [LANE_DOUBLE] = gradient_double},
    .spread = {[LANE_FLOAT] = spread_float, [LANE_DOUBLE] = spread_double},
};
