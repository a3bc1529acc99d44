/* sort_long.c: sorts one long line by distributing its keys by eleven bits at a time, the lowest first: three passes.

   A word is a key of 32 bits, or, where places are asked for, a key above its place. The line is cut into chunks.
   For each pass the chunks count their words, a sum over all counts says where each chunk's words of each value
   begin, and the chunks move them there:

       count (threads)  ─  sum (one)  ─  move (threads)            three times; bits that all share cost no move

   Words of one value keep their order, so that the result doesn't depend on how the line is cut. Elements are made of
   their keys again; those that are equal and yet differ, zeros and NaN, are then put in their order in the line. Uses
   cpu/lanes.h. */
#include "backends/cpu/sort_long.h"
#include "backends/cpu/calls.h"
#include "backends/cpu/lanes.h"

enum { BITS = 11, VALUES = 1 << BITS, PASSES = 3, CHUNKS = 32, CHUNK = 1 << 15 /* words that are worth a count */ };

typedef struct long_sort {
  const sort_line *line;
  void *words, *moved;
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
static uint32_t key_of_bits(uint32_t u) {
  if ((u & 0x7fffffffu) > 0x7f800000u) return u | 0x80000000u;
  return u >> 31 ? ~u : u | 0x80000000u;
}
static uint32_t bits_of_key(uint32_t key) { return key >> 31 ? key & 0x7fffffffu : ~key; }
/* Where places count, 0 and -0 have one key, and all NaN. */
static uint32_t key_among_equals(float f) { return f != f ? UINT32_MAX : key_of_bits(bits_of(f + 0.0f)); }

static void keys_of_tile(lane k, const void *lanes, int64_t n, bool indices, uint32_t *keys) {
  if (k == LANE_FLOAT && indices)
    for (int64_t i = 0; i < n; i++) keys[i] = key_among_equals(((const float *)lanes)[i]);
  else if (k == LANE_FLOAT)
    for (int64_t i = 0; i < n; i++) keys[i] = key_of_bits(bits_of(((const float *)lanes)[i]));
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

static void make_words(void *context, int64_t chunk) {
  const long_sort *s = context;
  const sort_line *l = s->line;
  lane_value tile[TILE];
  uint32_t keys[TILE];
  for (int64_t at = chunk * s->chunk, end = chunk_end(s, chunk); at < end; at += TILE) {
    const int64_t n = smaller(end - at, TILE);
    const void *lanes = lanes_at(l->dtype, element(l->from, l->dtype, at * l->stride), l->stride, n, tile);
    keys_of_tile(lane_of(l->dtype), lanes, n, l->indices, l->indices ? keys : (uint32_t *)s->words + at);
    for (int64_t i = 0; l->indices && i < n; i++)
      ((uint64_t *)s->words)[at + i] = (uint64_t)keys[i] << 32 | (uint64_t)(at + i);
  }
}

/* Where a word goes, others will go: the line behind it is fetched. */
#define CHUNK_OF(word)                                                          \
  static void count_##word(void *context, int64_t chunk) {                      \
    const long_sort *s = context;                                               \
    const word *x = s->words;                                                   \
    uint32_t *count = s->places[chunk];                                         \
    memset(count, 0, sizeof s->places[chunk]);                                  \
    for (int64_t i = chunk * s->chunk, end = chunk_end(s, chunk); i < end; i++) \
      count[x[i] >> s->shift & (VALUES - 1)]++;                                 \
  }                                                                             \
  static void move_##word(void *context, int64_t chunk) {                       \
    const long_sort *s = context;                                               \
    const word *x = s->words;                                                   \
    word *y = s->moved;                                                         \
    uint32_t *place = s->places[chunk];                                         \
    for (int64_t i = chunk * s->chunk, end = chunk_end(s, chunk); i < end; i++) {\
      word *to = y + place[x[i] >> s->shift & (VALUES - 1)]++;                  \
      __builtin_prefetch((char *)to + 64, 1);                                   \
      *to = x[i];                                                               \
    }                                                                           \
  }
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
  lane_value tile[TILE];
  int64_t at = chunk * s->chunk, end = chunk_end(s, chunk);
  if (l->indices)
    for (; at < end; at++)
      ((uint32_t *)(void *)l->to)[at * l->out_stride] = (uint32_t)((const uint64_t *)s->words)[at];
  for (; at < end; at += TILE) {
    const int64_t n = smaller(end - at, TILE);
    tile_of_keys(lane_of(l->dtype), (const uint32_t *)s->words + at, n, tile);
    cpu_lanes()->store[l->dtype](tile, n, element(l->to, l->dtype, at * l->out_stride), l->out_stride);
  }
}

/* ---- zeros and NaN ---- */

enum { KEY_OF_MINUS_ZERO = 0x7fffffff };
static const uint32_t key_of_zero = 0x80000000u, key_of_infinity = 0xff800000u;

/* How many keys are less. */
static int64_t keys_below(const long_sort *s, uint32_t key) {
  const uint32_t *keys = s->words;
  int64_t low = 0, high = s->line->n;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (keys[middle] < key)
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

void sort_long(const sort_line *line, void *memory) {
  const size_t words = (size_t)line->n * word_size(line->indices);
  long_sort s = {.line = line, .places = memory};
  s.words = (char *)memory + CHUNKS * VALUES * sizeof(uint32_t);
  s.moved = (char *)s.words + (words + 7) / 8 * 8;
  s.chunk = pieces_of(line->n, smaller(pieces_of(line->n, CHUNK), CHUNKS));
  s.chunks = pieces_of(line->n, s.chunk);
  parallel_for(s.chunks, make_words, &s);
  for (int pass = 0; pass < PASSES; pass++) {
    s.shift = BITS * pass + (line->indices ? 32 : 0);
    parallel_for(s.chunks, line->indices ? count_uint64_t : count_uint32_t, &s);
    if (!sum_counts(&s)) continue;
    parallel_for(s.chunks, line->indices ? move_uint64_t : move_uint32_t, &s);
    void *there = s.moved;
    s.moved = s.words;
    s.words = there;
  }
  parallel_for(s.chunks, give_results, &s);
  if (!line->indices && lane_of(line->dtype) == LANE_FLOAT) restore_order_of_equals(&s);
}
