/* sort_long.c: sorts one long line by distributing its keys by eleven bits at a time, the lowest first: three passes.

   A word is a key of 32 bits, or, where places are asked for, a key above its place. The line is cut into chunks.
   For each pass the chunks count their words, a sum over all counts says where each chunk's words of each value
   begin, and the chunks move them there:

       count (threads)  ─  sum (one)  ─  move (threads)            three times; bits that all share cost no move

   The first move takes words from the elements, and the last one writes results, if it can: in between they are in memory.
   Words of one value keep their order, so that the result doesn't depend on how the line is cut. Elements are made of
   their keys again; those that are equal and yet differ, zeros and NaN, are then put in their order in the line. Uses
   cpu/lanes.h. */
#include "backends/cpu/sort_long.h"
#include "backends/cpu/calls.h"
#include "backends/cpu/lanes.h"

enum { BITS = 11, VALUES = 1 << BITS, PASSES = 3, CHUNKS = 32, CHUNK = 1 << 15 /* words that are worth a count */ };

typedef struct long_sort {
  const sort_line *line;
  void *words, *moved; /* words: NULL until they were moved once */
  uint32_t lower, upper; /* bits that are not those of an element's key: of a key below 2^31, and above */
  int64_t chunk, chunks;
  int shift;
  uint32_t (*places)[VALUES]; /* of each chunk */
} long_sort;

/* ---- keys: greater elements have greater keys, NaN the greatest ---- */

static uint32_t bits_of(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}
/* Of one or of a vector of them: all bits of what is negative are turned, else the highest; of a NaN it is set. */
#define KEY_OF_BITS(u, sign, nan) ((((u) | 0x80000000u) & (nan)) | (((u) ^ ((sign) | 0x80000000u)) & ~(nan)))
#define SIGN_OF(u) (-((u) >> 31))
#define NAN_OF(u) (-((0x7f800000u - ((u) & 0x7fffffffu)) >> 31))
static uint32_t key_of_bits(uint32_t u) { return KEY_OF_BITS(u, SIGN_OF(u), NAN_OF(u)); }
static uint32_t bits_of_key(uint32_t key) { return key >> 31 ? key & 0x7fffffffu : ~key; }
/* equals: where places count, 0 and -0 have one key, and all NaN. */
static inline __attribute__((always_inline)) uint32_t key_of_float(float f, bool equals) {
  const uint32_t u = bits_of(equals ? f + 0.0f : f);
  return key_of_bits(u) | (equals ? NAN_OF(u) : 0);
}
static inline __attribute__((always_inline)) void keys_of_floats(const float *from, int64_t n, bool equals, uint32_t *keys) {
  typedef uint32_t bits __attribute__((vector_size(16)));
  typedef float floats __attribute__((vector_size(16)));
  enum { EACH = sizeof(bits) / sizeof(uint32_t) };
  int64_t i = 0;
  for (; i + EACH <= n; i += EACH) {
    floats x;
    memcpy(&x, from + i, sizeof x);
    const bits u = (bits)(equals ? x + 0.0f : x), nan = NAN_OF(u);
    bits key = KEY_OF_BITS(u, SIGN_OF(u), nan);
    if (equals) key |= nan;
    memcpy(keys + i, &key, sizeof key);
  }
  for (; i < n; i++) keys[i] = key_of_float(from[i], equals);
}

static void keys_of_tile(lane k, const void *lanes, int64_t n, bool indices, uint32_t *keys) {
  if (k == LANE_FLOAT && indices)
    keys_of_floats(lanes, n, true, keys);
  else if (k == LANE_FLOAT)
    keys_of_floats(lanes, n, false, keys);
  else if (k == LANE_INT)
    for (int64_t i = 0; i < n; i++) keys[i] = (uint32_t)((const uint64_t *)lanes)[i] ^ 0x80000000u;
  else
    for (int64_t i = 0; i < n; i++) keys[i] = (uint32_t)((const uint64_t *)lanes)[i];
}

static void tile_of_keys(lane k, const uint32_t *keys, int64_t n, void *lanes) {
  if (k == LANE_FLOAT)
    for (int64_t i = 0; i < n; i++) {
      const uint32_t u = bits_of_key(keys[i]);
      memcpy((float *)lanes + i, &u, sizeof u);
    }
  else if (k == LANE_INT)
    for (int64_t i = 0; i < n; i++) ((int64_t *)lanes)[i] = (int32_t)(keys[i] ^ 0x80000000u);
  else
    for (int64_t i = 0; i < n; i++) ((uint64_t *)lanes)[i] = keys[i];
}

/* ---- chunks ---- */

static int64_t chunk_end(const long_sort *s, int64_t chunk) {
  return smaller((chunk + 1) * s->chunk, s->line->n);
}

/* Words at .. at + n: made of their elements into `tile`, before they were moved once. */
#define WORDS_OF(word, MAKE)                                                                               \
  static const word *words_of_##word(const long_sort *s, int64_t at, int64_t n, word *tile) {              \
    const sort_line *l = s->line;                                                                          \
    lane_value held[TILE];                                                                                 \
    uint32_t keys[TILE];                                                                                   \
    if (s->words) return (const word *)s->words + at;                                                      \
    const void *lanes = lanes_at(l->dtype, element(l->from, l->dtype, at * l->stride), l->stride, n, held); \
    keys_of_tile(lane_of(l->dtype), lanes, n, l->indices, keys);                                           \
    for (int64_t i = 0; i < n; i++) tile[i] = MAKE(keys[i], at + i);                                       \
    return tile;                                                                                           \
  }
#define KEY_ALONE(key, place) (key)
#define KEY_AND_PLACE(key, place) ((uint64_t)(key) << 32 | (uint64_t)(place))
WORDS_OF(uint32_t, KEY_ALONE)
WORDS_OF(uint64_t, KEY_AND_PLACE)

/* A word as it is moved on, and as what it stands for: bits of an element, or a place. */
static uint64_t same_uint64_t(const long_sort *s, uint64_t word) { return (void)s, word; }
static uint32_t same_uint32_t(const long_sort *s, uint32_t word) { return (void)s, word; }
static uint32_t result_uint32_t(const long_sort *s, uint32_t key) { return key ^ (key >> 31 ? s->upper : s->lower); }
static uint32_t result_uint64_t(const long_sort *s, uint64_t word) { return (void)s, (uint32_t)word; }

/* Where a word goes, others will go: the line behind it is fetched. */
#define MOVE(name, word, made, OF)                                                    \
  static void name##_##word(void *context, int64_t chunk) {                           \
    const long_sort *s = context;                                                     \
    const int shift = s->shift;                                                       \
    word tile[TILE];                                                                  \
    made *y = s->moved;                                                               \
    uint32_t *place = s->places[chunk];                                               \
    for (int64_t at = chunk * s->chunk, end = chunk_end(s, chunk); at < end; at += TILE) { \
      const int64_t n = smaller(end - at, TILE);                                      \
      const word *x = words_of_##word(s, at, n, tile);                                \
      for (int64_t i = 0; i < n; i++) {                                               \
        made *to = y + place[x[i] >> shift & (VALUES - 1)]++;                         \
        __builtin_prefetch((char *)to + 64, 1);                                       \
        *to = OF(s, x[i]);                                                            \
      }                                                                               \
    }                                                                                 \
  }
#define CHUNK_OF(word)                                                                \
  static void count_##word(void *context, int64_t chunk) {                            \
    const long_sort *s = context;                                                     \
    const int shift = s->shift;                                                       \
    word tile[TILE];                                                                  \
    uint32_t *count = s->places[chunk];                                               \
    memset(count, 0, sizeof s->places[chunk]);                                        \
    for (int64_t at = chunk * s->chunk, end = chunk_end(s, chunk); at < end; at += TILE) { \
      const int64_t n = smaller(end - at, TILE);                                      \
      const word *x = words_of_##word(s, at, n, tile);                                \
      for (int64_t i = 0; i < n; i++) count[x[i] >> shift & (VALUES - 1)]++;          \
    }                                                                                 \
  }                                                                                   \
  MOVE(move, word, word, same_##word)                                                 \
  MOVE(finish, word, uint32_t, result_##word)
CHUNK_OF(uint32_t)
CHUNK_OF(uint64_t)

/* Counts become places; false if all words have one value there. */
static bool sum_counts(const long_sort *s) {
  uint32_t sum = 0;
  for (int value = 0; value < VALUES; value++) {
    const uint32_t before = sum;
    for (int64_t c = 0; c < s->chunks; c++) {
      const uint32_t count = s->places[c][value];
      s->places[c][value] = sum;
      sum += count;
    }
    if (sum - before == s->line->n) return false;
  }
  return true;
}

static void give_results(void *context, int64_t chunk) {
  const long_sort *s = context;
  const sort_line *l = s->line;
  for (int64_t at = chunk * s->chunk, end = chunk_end(s, chunk); at < end; at += TILE) {
    const int64_t n = smaller(end - at, TILE);
    lane_value tile[TILE];
    uint64_t words[TILE];
    if (l->indices) {
      const uint64_t *x = words_of_uint64_t(s, at, n, words);
      for (int64_t i = 0; i < n; i++) ((uint32_t *)(void *)l->to)[(at + i) * l->out_stride] = (uint32_t)x[i];
    } else {
      tile_of_keys(lane_of(l->dtype), words_of_uint32_t(s, at, n, (uint32_t *)words), n, tile);
      cpu_lanes()->store[l->dtype](tile, n, element(l->to, l->dtype, at * l->out_stride), l->out_stride);
    }
  }
}

/* ---- zeros and NaN ---- */

enum { KEY_OF_MINUS_ZERO = 0x7fffffff };
static const uint32_t key_of_zero = 0x80000000u, key_of_infinity = 0xff800000u;

static uint32_t key_of_result(const sort_line *l, int64_t at) {
  float f;
  cpu_lanes()->load[l->dtype](element(l->to, l->dtype, at * l->out_stride), 1, 1, &f);
  return key_of_bits(bits_of(f));
}

/* How many keys are less. */
static int64_t keys_below(const long_sort *s, uint32_t key) {
  int64_t low = 0, high = s->line->n;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (key_of_result(s->line, middle) < key)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void restore_order_of_equals(const long_sort *s) {
  const sort_line *l = s->line;
  const size_t size = pons_dtype_size(l->dtype);
  const int64_t minus = keys_below(s, KEY_OF_MINUS_ZERO), zero = keys_below(s, key_of_zero);
  int64_t zeros = minus, nans = keys_below(s, key_of_infinity + 1);
  const bool mixed = minus < zero && zero < keys_below(s, key_of_zero + 1);
  if (!mixed && nans == l->n) return;
  for (int64_t at = 0; at < l->n; at += TILE) {
    float tile[TILE];
    const int64_t n = smaller(l->n - at, TILE);
    const char *from = element(l->from, l->dtype, at * l->stride);
    cpu_lanes()->load[l->dtype](from, l->stride, n, tile);
    for (int64_t i = 0; i < n; i++) {
      int64_t *place = tile[i] != tile[i] ? &nans : mixed && tile[i] == 0 ? &zeros : NULL;
      if (place)
        memcpy(element(l->to, l->dtype, (*place)++ * l->out_stride), element(from, l->dtype, i * l->stride),
               size);
    }
  }
}

/* ---- the line ---- */

bool sort_long_takes(pons_dtype d, int64_t n) {
  return n >= SORT_LONG && n <= UINT32_MAX && pons_dtype_size(d) <= 4;
}

static size_t word_size(bool indices) { return indices ? sizeof(uint64_t) : sizeof(uint32_t); }

size_t sort_long_bytes(int64_t n, bool indices) {
  return 2 * (size_t)n * word_size(indices) + 8 + CHUNKS * VALUES * sizeof(uint32_t);
}

/* Whether the last move can write results: places, or elements that are keys but for some bits. */
static bool finishes(long_sort *s) {
  const sort_line *l = s->line;
  if (l->out_stride != 1) return false;
  if (l->indices) return true;
  s->lower = l->dtype == PONS_FLOAT32 ? UINT32_MAX : l->dtype == PONS_INT32 ? 0x80000000u : 0;
  s->upper = l->dtype == PONS_UINT32 ? 0 : 0x80000000u;
  return l->dtype == PONS_FLOAT32 || l->dtype == PONS_INT32 || l->dtype == PONS_UINT32;
}

typedef void sort_chunk(void *context, int64_t chunk);

void sort_long(const sort_line *line, void *memory) {
  const size_t words = (size_t)line->n * word_size(line->indices);
  sort_chunk *const count = line->indices ? count_uint64_t : count_uint32_t;
  sort_chunk *const move = line->indices ? move_uint64_t : move_uint32_t;
  sort_chunk *const finish = line->indices ? finish_uint64_t : finish_uint32_t;
  long_sort s = {.line = line, .places = memory};
  char *one = (char *)memory + CHUNKS * VALUES * sizeof(uint32_t), *other = one + (words + 7) / 8 * 8;
  const bool can_finish = finishes(&s);
  bool done = false;
  if (can_finish && !line->indices) other = line->to; /* fresh pages are the less: a third of them */
  s.chunk = pieces_of(line->n, smaller(pieces_of(line->n, CHUNK), CHUNKS));
  s.chunks = pieces_of(line->n, s.chunk);
  for (int pass = 0; pass < PASSES; pass++) {
    s.shift = BITS * pass + (line->indices ? 32 : 0);
    parallel_for(s.chunks, count, &s);
    if (!sum_counts(&s)) continue;
    done = pass == PASSES - 1 && can_finish && s.words != line->to;
    void *const there = (PASSES - 1 - pass) % 2 ? one : other;
    s.moved = done ? line->to : there != s.words ? there : there == one ? other : one;
    parallel_for(s.chunks, done ? finish : move, &s);
    s.words = s.moved;
  }
  if (!done) parallel_for(s.chunks, give_results, &s);
  if (!line->indices && lane_of(line->dtype) == LANE_FLOAT) restore_order_of_equals(&s);
}
