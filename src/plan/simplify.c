/* simplify.c: equal nodes become one value: the same primitive with the same parameters on the same values,
   and scalars with the same bits. Open addressing over what this draft has met. Uses draft.h. */
#include "plan/draft.h"

static uint64_t mix(uint64_t h, uint64_t x) {
  h = (h ^ x) * 0x9E3779B97F4A7C15u;
  return h ^ h >> 29;
}

static bool has_fields(const node *n) { return n->params && n->prim->fields[0].name; }

static uint64_t node_hash(const draft *d, const node *n, int n_in) {
  uint64_t h = mix(0, (uintptr_t)n->prim);
  for (int i = 0; i < n_in; i++) h = mix(h, (uint32_t)draft_value_of(d, n->in[i]));
  if (has_fields(n)) h = mix(h, params_hash(n->prim, n->params));
  return h;
}

static bool node_equal(const draft *d, const node *a, const node *b, int n_in) {
  if (a->prim != b->prim || a->n_in != b->n_in || a->dtype != b->dtype) return false;
  for (int i = 0; i < n_in; i++)
    if (draft_value_of(d, a->in[i]) != draft_value_of(d, b->in[i])) return false;
  return shape_equal(a->ndim, a->shape, b->ndim, b->shape) &&
         (!has_fields(a) || params_equal(a->prim, a->params, b->params));
}

/* Doubles the table when it is half full; it stays a power of two. */
static bool make_room(draft *d) {
  if (2 * d->same_count < d->same_room) return true;
  const size_t room = d->same_room ? 2 * d->same_room : 64;
  same_entry *table = mem_zalloc(room * sizeof *table);
  if (!table) return draft_no_memory(d);
  for (size_t i = 0; i < d->same_room; i++) {
    if (d->same[i].epoch != d->epoch) continue;
    size_t k = d->same[i].hash & (room - 1);
    while (table[k].epoch) k = (k + 1) & (room - 1);
    table[k] = d->same[i];
  }
  mem_free(d->same);
  d->same = table;
  d->same_room = room;
  return true;
}

same_entry *draft_same(draft *d, const node *n, int n_in) {
  if (!make_room(d)) return NULL;
  const uint64_t hash = node_hash(d, n, n_in);
  size_t k = hash & (d->same_room - 1);
  for (; d->same[k].epoch == d->epoch; k = (k + 1) & (d->same_room - 1))
    if (d->same[k].hash == hash && d->same[k].node->prim && node_equal(d, d->same[k].node, n, n_in))
      return &d->same[k];
  d->same_count++;
  d->same[k] = (same_entry){hash, n, -1, d->epoch};
  return &d->same[k];
}

same_entry *draft_same_scalar(draft *d, const node *leaf) {
  if (!make_room(d)) return NULL;
  const size_t bytes = pons_dtype_size((pons_dtype)leaf->dtype);
  uint64_t bits = 0;
  memcpy(&bits, node_data(leaf), bytes);
  const uint64_t hash = mix(mix(0, bits), leaf->dtype);
  size_t k = hash & (d->same_room - 1);
  for (; d->same[k].epoch == d->epoch; k = (k + 1) & (d->same_room - 1)) {
    const node *other = d->same[k].node;
    if (d->same[k].hash == hash && !other->prim && other->dtype == leaf->dtype &&
        memcmp(node_data(other), node_data(leaf), bytes) == 0)
      return &d->same[k];
  }
  d->same_count++;
  d->same[k] = (same_entry){hash, leaf, -1, d->epoch};
  return &d->same[k];
}
