/* random_cpu.c: "RandomBits": words of Threefry, the same bits as MLX.

   A key fills its part of the result, of W words: word i of the first half and word i of the second half are
   the two words of counter (i, i + W - half). If W is odd, the word between the halves is the first of
   counter (half, 0). The result is the bytes of the words, cut at its end. Uses base/, cpu/cursor.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"

typedef struct random_job {
  const operand *keys;
  cursor rows;            /* of keys */
  int64_t key_stride;
  unsigned char *out;
  int64_t bytes, words;   /* of a key's part */
  int64_t pieces_per_key; /* each PAIRS counters */
} random_job;

enum { PAIRS = 4096 };

static void put(const random_job *j, unsigned char *to, int64_t index, uint32_t word) {
  unsigned char little[4] = {(unsigned char)word, (unsigned char)(word >> 8), (unsigned char)(word >> 16),
                             (unsigned char)(word >> 24)};
  int64_t left = j->bytes - 4 * index;
  if (left >= 4) memcpy(to + 4 * index, little, 4);
  else memcpy(to + 4 * index, little, (size_t)left);
}

static void random_piece(void *context, int64_t piece) {
  const random_job *j = context;
  int64_t row = piece / j->pieces_per_key, half = j->words / 2, odd = j->words % 2;
  int64_t first = piece % j->pieces_per_key * PAIRS, last = smaller(first + PAIRS, half);
  cursor rows = j->rows;
  cursor_to(&rows, row);
  const uint32_t *x = (const uint32_t *)j->keys->data + rows.offset[0];
  const uint32_t key[2] = {x[0], x[j->key_stride]};
  uint32_t words[2];
  unsigned char *to = j->out + row * j->bytes;
  for (int64_t i = first; i < last; i++) {
    threefry(key, (uint32_t)i, (uint32_t)(i + half + odd), words);
    put(j, to, i, words[0]);
    put(j, to, i + half + odd, words[1]);
  }
  if (!odd || first > 0) return;
  threefry(key, (uint32_t)half, 0, words);
  put(j, to, half, words[0]);
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
