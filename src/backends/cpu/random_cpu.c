/* random_cpu.c: "RandomBits": words of Threefry, the same bits as MLX.

   A key fills its part of the result, of W words: word i of the first half and word i of the second half are
   the two words of counter (i, i + W - half). If W is odd, the word between the halves is the first of
   counter (half, 0). The result is the bytes of the words, cut at its end. Uses cpu/lanes.h,
   cpu/cursor.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/lanes.h"

typedef struct random_job {
  const operand *keys;
  cursor rows;            /* of keys */
  int64_t key_stride;
  unsigned char *out;
  int64_t bytes, words;   /* of a key's part */
  int64_t pieces_per_key; /* each PAIRS counters */
} random_job;

enum { PAIRS = 8 * TILE };

/* n words from word `index` on; the last word may be cut. In the order of a little-endian machine, as all
   are. */
static void put(const random_job *j, unsigned char *to, int64_t index, const uint32_t *words, int64_t n) {
  memcpy(to + 4 * index, words, (size_t)smaller(4 * n, j->bytes - 4 * index));
}

static void random_piece(void *context, int64_t piece) {
  const random_job *j = context;
  int64_t row = piece / j->pieces_per_key, half = j->words / 2, odd = j->words % 2;
  int64_t first = piece % j->pieces_per_key * PAIRS, last = smaller(first + PAIRS, half);
  cursor rows = j->rows;
  cursor_to(&rows, row);
  const uint32_t *x = (const uint32_t *)j->keys->data + rows.offset[0];
  const uint32_t key[2] = {x[0], x[j->key_stride]};
  uint32_t firsts[TILE], seconds[TILE];
  unsigned char *to = j->out + row * j->bytes;
  for (int64_t i = first; i < last; i += TILE) {
    int64_t n = smaller(last - i, TILE);
    cpu_random_loops()->threefry(key, (uint32_t)i, (uint32_t)(i + half + odd), n, firsts, seconds);
    put(j, to, i, firsts, n);
    put(j, to, i + half + odd, seconds, n);
  }
  if (!odd || first > 0) return;
  cpu_random_loops()->threefry(key, (uint32_t)half, 0, 1, firsts, seconds);
  put(j, to, half, firsts, 1);
}

error *cpu_random_bits(const launch *l) {
  const operand *keys = l->in, *out = l->out;
  int last = keys->ndim - 1;
  random_job j = {.keys = keys, .out = out->data, .key_stride = keys->strides[last]};
  j.rows = cursor_new(last, keys->shape, 1, keys->strides);
  int64_t count = cursor_size(&j.rows), bytes = operand_size(out) * (int64_t)pons_dtype_size(out->dtype);
  if (!count || !bytes) return NULL;
  j.bytes = bytes / count;
  j.words = (j.bytes + 3) / 4;
  j.pieces_per_key = pieces_of(j.words / 2, PAIRS);
  if (!j.pieces_per_key) j.pieces_per_key = 1;
  parallel_for(count * j.pieces_per_key, random_piece, &j);
  return NULL;
}
