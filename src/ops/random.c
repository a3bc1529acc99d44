/* random.c: RandomBits, and keys. Numbers come from Threefry 2x32 with 20 rounds (Salmon et al. 2011), the
   same bits as MLX's for the same key; distributions made of them are in lib/array/distributions.c. Uses
   graph/. */
#include "ops/ops.h"
#include <stdatomic.h>

/* ---- RandomBits: in[0] holds keys (..., 2); each fills its equal share of the result ---- */

static pons_dtype bits_dtype(int width) {
  return width == 1 ? PONS_UINT8 : width == 2 ? PONS_UINT16 : PONS_UINT32;
}

static error *random_bits_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const random_bits_params *p = params;
  error *e = check_count("random_bits", n_in, 1);
  if (e) return e;
  const node *keys = in[0];
  if (p->width != 1 && p->width != 2 && p->width != 4)
    return fail("random_bits", "a width of %d bytes, not 1, 2 or 4", p->width);
  if (keys->dtype != PONS_UINT32 || keys->ndim < 1 || keys->shape[keys->ndim - 1] != 2)
    return fail("random_bits", "keys must be (..., 2) uint32, not %s", node_text(keys));
  e = spec_set("random_bits", out, bits_dtype(p->width), p->shape.n, p->shape.at);
  if (e) return e;
  const int64_t count = keys->size / 2, size = shape_size(p->shape.n, p->shape.at);
  if (count == 0 ? size != 0 : size % count != 0)
    return fail("random_bits", "%lld keys do not share shape %s", (long long)count,
                shape_text(p->shape.n, p->shape.at));
  return NULL;
}

static void random_bits_vmap(const vmap_call *c) {
  const random_bits_params *p = c->params;
  int64_t room[PONS_MAX_NDIM + 1];
  const random_bits_params shifted = {batch_prepend(c->size, p->shape, room), p->width};
  batch_apply(c, &shifted);
}

const prim prim_random_bits = {
    .name = "RandomBits",
    .no_gradient = true,
    .params_size = sizeof(random_bits_params),
    .fields = {FIELD(INTS, random_bits_params, shape), FIELD(INT, random_bits_params, width)},
    .infer = random_bits_infer,
    .vmap = random_bits_vmap};

/* ---- keys ---- */

pons_array pons_random_key(uint64_t seed) {
  return pons_array_from((uint32_t[]){(uint32_t)(seed >> 32), (uint32_t)seed}, PONS_SHAPE(2), PONS_UINT32);
}

/* The thread's key is split at each use, as MLX does it: the first half stays, the second is used. That is
   done here and at once, so that the key has no history. */
typedef struct key_sequence {
  bool seeded;
  uint32_t key[2];
} key_sequence;
static _Thread_local key_sequence sequence;

static void seed(key_sequence *s, uint64_t value) {
  *s = (key_sequence){true, {(uint32_t)(value >> 32), (uint32_t)value}};
}

void pons_random_seed(uint64_t value) { seed(&sequence, value); }

static pons_array next_key(void) {
  static atomic_uint_fast64_t threads; /* that began without a seed */
  if (!sequence.seeded) seed(&sequence, (uint64_t)time_ns() + (atomic_fetch_add(&threads, 1) << 48));
  uint32_t left[2], right[2]; /* four words: each pair of counters gives one word of either half */
  threefry(sequence.key, 0, 2, left);
  threefry(sequence.key, 1, 3, right);
  const uint32_t used[2] = {left[1], right[1]};
  sequence.key[0] = left[0];
  sequence.key[1] = right[0];
  return pons_array_from(used, PONS_SHAPE(2), PONS_UINT32);
}

pons_array pons_random_bits(pons_shape shape, int width, pons_array key) {
  pons_array bad = key ? operand_fault("random_bits", 1, &key) : NULL;
  if (bad) return bad;
  if (shape.count < 0) return node_fail("random_bits", "a shape of %d axes", shape.count);
  if (key && (key->ndim != 1 || key->size != 2 || key->dtype != PONS_UINT32))
    return node_fail("random_bits", "a key is (2) uint32, not %s", node_text(key));
  if (!key) key = next_key();
  const random_bits_params params = {{shape.count, shape.at}, width};
  return node_make(&prim_random_bits, &params, 1, &key);
}

pons_array pons_random_split(pons_array key, int count) {
  return pons_random_bits(PONS_SHAPE(count, 2), 4, key);
}
