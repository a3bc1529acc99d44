/* map.c: pointers to integers by open addressing, and a hash of bytes.

   room is 0 or a power of two, and at least twice count, so that a search ends soon. NULL is no key: it marks
   a free place. Uses memory.c. */
#include "base/base.h"
#include <assert.h>

/* Finaliser of MurmurHash3: every bit of x reaches every bit of the result. */
static uint64_t mix(uint64_t x) {
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
  return x ^ x >> 33;
}

static size_t place_of(const map *m, const void *key) {
  size_t i = (size_t)mix((uint64_t)(uintptr_t)key) & (m->room - 1);
  while (m->keys[i] != NULL && m->keys[i] != key) i = (i + 1) & (m->room - 1);
  return i;
}

static bool grow(map *m) {
  map grown = {.room = m->room == 0 ? 16 : m->room * 2, .count = m->count};
  grown.keys = mem_zalloc(grown.room * sizeof *grown.keys);
  grown.values = mem_alloc(grown.room * sizeof *grown.values);
  if (grown.keys == NULL || grown.values == NULL) {
    map_free(&grown);
    return false;
  }
  for (size_t i = 0; i < m->room; i++) {
    if (m->keys[i] == NULL) continue;
    size_t at = place_of(&grown, m->keys[i]);
    grown.keys[at] = m->keys[i];
    grown.values[at] = m->values[i];
  }
  map_free(m);
  *m = grown;
  return true;
}

bool map_set(map *m, const void *key, int64_t value) {
  assert(key != NULL);
  if (m->room < 2 * (m->count + 1) && !grow(m)) return false;
  size_t i = place_of(m, key);
  if (m->keys[i] == NULL) m->count++;
  m->keys[i] = key;
  m->values[i] = value;
  return true;
}

int64_t map_get(const map *m, const void *key, int64_t otherwise) {
  if (m->count == 0 || key == NULL) return otherwise;
  size_t i = place_of(m, key);
  return m->keys[i] == NULL ? otherwise : m->values[i];
}

void map_free(map *m) {
  mem_free(m->keys);
  mem_free(m->values);
  *m = (map){0};
}

/* Four words side by side, for none has to wait for another. */
static uint64_t hash_blocks(const unsigned char **at, size_t *count, uint64_t seed) {
  uint64_t hash[4] = {seed, seed + 1, seed + 2, seed + 3}, word[4];
  for (; *count >= sizeof word; *count -= sizeof word, *at += sizeof word) {
    memcpy(word, *at, sizeof word);
    for (int i = 0; i < 4; i++) hash[i] = mix(hash[i] ^ word[i]);
  }
  return mix(mix(mix(hash[0] ^ hash[1] * 3) ^ hash[2] * 5) ^ hash[3] * 7);
}

uint64_t hash_bytes(const void *bytes, size_t count, uint64_t seed) {
  const unsigned char *at = bytes;
  uint64_t hash = mix(seed ^ (uint64_t)count * 0x9e3779b97f4a7c15u);
  if (count >= 64) hash = hash_blocks(&at, &count, hash);
  for (; count >= 8; count -= 8, at += 8) {
    uint64_t word;
    memcpy(&word, at, 8);
    hash = mix(hash ^ word);
  }
  uint64_t rest = 0;
  if (count > 0) memcpy(&rest, at, count);
  return mix(hash ^ rest);
}
