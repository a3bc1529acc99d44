/* simplify.c: equal nodes become one value: the same primitive with the same parameters on the same values,
   and scalars with the same bits. Open addressing over what this draft has met. Uses draft.h. */
#include "plan/draft.h"

static uint64_t mix(uint64_t h, uint64_t x) {
  h = (h ^ x) * 0x9E3779B97F4A7C15u;
  return h ^ h >> 29;
}

static bool has_fields(const node *n) { return n->params && n->prim->fields[0].name; }

static bool node_equal(const draft *d, const node *a, const node *b, int n_in) {
  if (a->prim != b->prim || a->n_in != b->n_in || a->dtype != b->dtype) return false;
  for (int i = 0; i < n_in; i++)
    if (draft_value_of(d, a->in[i]) != draft_value_of(d, b->in[i])) return false;
  return shape_equal(a->ndim, a->shape, b->ndim, b->shape) &&
         (!has_fields(a) || params_equal(a->prim, a->params, b->params));
}

static uint32_t tag_of(uint64_t hash) { return (uint32_t)(hash >> 32); }

/* Where an entry is looked for: near the entries of what was met just before, which is in the cache, then at a place that
   the hash tells and from there on. */
typedef struct search {
  uint64_t hash;
  uint32_t near;
  size_t at;
  bool begun;
} search;

static search search_from(uint64_t hash, uint32_t near, size_t room) {
  return (search){hash, near, near & (room - 1), false};
}
static void search_on(search *s, size_t room) {
  s->at = (s->begun ? s->at + 1 : (size_t)s->hash) & (room - 1);
  s->begun = true;
}

/* Room for one more. The table is doubled when it is half full; it stays a power of two. */
static bool make_room(draft *d) {
  if (!mem_room(&d->same, &d->same_room, d->same_count + 1, sizeof *d->same)) return draft_no_memory(d);
  if (2 * d->same_count < d->slots_room) return true;
  const size_t room = d->slots_room ? 2 * d->slots_room : 64;
  same_slot *slots = mem_zalloc(room * sizeof *slots);
  if (!slots) return draft_no_memory(d);
  for (size_t i = 0; i < d->same_count; i++) {
    search s = search_from(d->same[i].hash, d->same[i].near, room);
    while (slots[s.at].entry) search_on(&s, room);
    slots[s.at] = (same_slot){tag_of(s.hash), (int32_t)i + 1};
  }
  mem_free(d->slots);
  d->slots = slots;
  d->slots_room = room;
  return true;
}

void draft_forget_same(draft *d) {
  if (16 * d->same_count > d->slots_room) {
    memset(d->slots, 0, d->slots_room * sizeof *d->slots);
  } else {
    for (size_t i = 0; i < d->same_count; i++) {
      search s = search_from(d->same[i].hash, d->same[i].near, d->slots_room);
      while (d->slots[s.at].entry != (int32_t)i + 1) search_on(&s, d->slots_room);
      d->slots[s.at].entry = 0;
    }
  }
  d->same_count = 0;
}

/* The next entry with this hash, from where the search is, or NULL: then it is at a free place. */
static same_entry *next_like(const draft *d, search *s) {
  for (; d->slots[s->at].entry; search_on(s, d->slots_room)) {
    if (d->slots[s->at].tag != tag_of(s->hash)) continue;
    same_entry *e = &d->same[d->slots[s->at].entry - 1];
    if (e->hash == s->hash) return e;
  }
  return NULL;
}

static same_entry *add(draft *d, const search *s, const node *n) {
  same_entry *e = &d->same[d->same_count++];
  *e = (same_entry){s->hash, n, -1, s->near};
  d->slots[s->at] = (same_slot){tag_of(s->hash), (int32_t)d->same_count};
  return e;
}

same_entry *draft_same(draft *d, const node *n, int n_in) {
  if (!make_room(d)) return NULL;
  int32_t latest = 0;
  uint64_t hash = mix(0, (uintptr_t)n->prim);
  for (int i = 0; i < n_in; i++) {
    const int32_t value = draft_value_of(d, n->in[i]);
    if (value > latest) latest = value;
    hash = mix(hash, (uint32_t)value);
  }
  if (has_fields(n)) hash = mix(hash, params_hash(n->prim, n->params));
  search s = search_from(hash, 2 * (uint32_t)latest, d->slots_room);
  for (same_entry *e; (e = next_like(d, &s)); search_on(&s, d->slots_room))
    if (e->node->prim && node_equal(d, e->node, n, n_in)) return e;
  return add(d, &s, n);
}

same_entry *draft_same_scalar(draft *d, const node *leaf) {
  if (!make_room(d)) return NULL;
  const size_t bytes = pons_dtype_size((pons_dtype)leaf->dtype);
  uint64_t bits[2] = {0}; /* of complex128 there are two */
  memcpy(bits, node_data(leaf), bytes);
  const uint64_t hash = mix(mix(mix(0, bits[0]), bits[1]), leaf->dtype);
  search s = search_from(hash, (uint32_t)hash, d->slots_room);
  for (same_entry *e; (e = next_like(d, &s)); search_on(&s, d->slots_room))
    if (!e->node->prim && e->node->dtype == leaf->dtype && memcmp(node_data(e->node), node_data(leaf), bytes) == 0)
      return e;
  return add(d, &s, leaf);
}
