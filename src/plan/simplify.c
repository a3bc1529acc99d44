/* simplify.c: equal nodes become one value: the same primitive with the same parameters on the same values,
   and scalars with the same bits. What was met is known by the latest of its operands: the first node that reads that
   stands at the value itself, others in a table with open addressing. So most nodes are looked up where they are read. Uses draft.h. */
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

static uint64_t node_hash(const draft *d, const node *n, int n_in) {
  uint64_t h = mix(0, (uintptr_t)n->prim);
  for (int i = 0; i < n_in; i++) h = mix(h, (uint32_t)draft_value_of(d, n->in[i]));
  if (has_fields(n)) h = mix(h, params_hash(n->prim, n->params));
  return h;
}

/* The operand that was made last; NULL: there is none. */
static draft_value *latest_operand(const draft *d, const node *n, int n_in) {
  int32_t latest = -1;
  for (int i = 0; i < n_in; i++) {
    const int32_t value = draft_value_of(d, n->in[i]);
    if (value > latest) latest = value;
  }
  return latest < 0 ? NULL : &d->values[latest];
}

/* ---- the table ---- */

static uint32_t tag_of(uint64_t hash) { return (uint32_t)(hash >> 32); }
static size_t next_slot(const draft *d, size_t at) { return (at + 1) & (d->slots_room - 1); }

/* Room for one more. The table is doubled when it is half full; it stays a power of two. */
static bool make_room(draft *d) {
  if (!mem_room(&d->same, &d->same_room, d->same_count + 1, sizeof *d->same)) return draft_no_memory(d);
  if (2 * d->same_count < d->slots_room) return true;
  const size_t room = d->slots_room ? 2 * d->slots_room : 64;
  same_slot *slots = mem_zalloc(room * sizeof *slots);
  if (!slots) return draft_no_memory(d);
  mem_free(d->slots);
  d->slots = slots;
  d->slots_room = room;
  for (size_t i = 0; i < d->same_count; i++) {
    size_t at = (size_t)d->same[i].hash & (room - 1);
    while (slots[at].entry) at = next_slot(d, at);
    slots[at] = (same_slot){tag_of(d->same[i].hash), (int32_t)i + 1};
  }
  return true;
}

void draft_forget_same(draft *d) {
  if (16 * d->same_count > d->slots_room) {
    memset(d->slots, 0, d->slots_room * sizeof *d->slots);
  } else {
    for (size_t i = 0; i < d->same_count; i++) {
      size_t at = (size_t)d->same[i].hash & (d->slots_room - 1);
      while (d->slots[at].entry != (int32_t)i + 1) at = next_slot(d, at);
      d->slots[at].entry = 0;
    }
  }
  d->same_count = 0;
}

/* The next entry with this hash, from *at on, or NULL: then *at is free. */
static same_entry *next_like(const draft *d, uint64_t hash, size_t *at) {
  for (; d->slots[*at].entry; *at = next_slot(d, *at)) {
    if (d->slots[*at].tag != tag_of(hash)) continue;
    same_entry *e = &d->same[d->slots[*at].entry - 1];
    if (e->hash == hash) return e;
  }
  return NULL;
}

static same_entry *add(draft *d, size_t at, uint64_t hash, const node *n) {
  same_entry *e = &d->same[d->same_count++];
  *e = (same_entry){hash, n, -1};
  d->slots[at] = (same_slot){tag_of(hash), (int32_t)d->same_count};
  return e;
}

/* ---- nodes ---- */

int32_t draft_same(const draft *d, const node *n, int n_in) {
  const draft_value *latest = latest_operand(d, n, n_in);
  if (latest && !latest->reader) return -1;
  if (latest && node_equal(d, latest->reader, n, n_in)) return latest->result;
  if (!d->same_count) return -1;
  const uint64_t hash = node_hash(d, n, n_in);
  size_t at = (size_t)hash & (d->slots_room - 1);
  for (const same_entry *e; (e = next_like(d, hash, &at)); at = next_slot(d, at))
    if (e->node->prim && node_equal(d, e->node, n, n_in)) return e->value;
  return -1;
}

bool draft_remember(draft *d, const node *n, int n_in, int32_t value) {
  draft_value *latest = latest_operand(d, n, n_in);
  if (latest && !latest->reader) {
    latest->reader = n;
    latest->result = value;
    return true;
  }
  if (!make_room(d)) return false;
  const uint64_t hash = node_hash(d, n, n_in);
  size_t at = (size_t)hash & (d->slots_room - 1);
  while (d->slots[at].entry) at = next_slot(d, at);
  add(d, at, hash, n)->value = value;
  return true;
}

same_entry *draft_same_scalar(draft *d, const node *leaf) {
  if (!make_room(d)) return NULL;
  const size_t bytes = pons_dtype_size((pons_dtype)leaf->dtype);
  uint64_t bits[2] = {0}; /* of complex128 there are two */
  memcpy(bits, node_data(leaf), bytes);
  const uint64_t hash = mix(mix(mix(0, bits[0]), bits[1]), leaf->dtype);
  size_t at = (size_t)hash & (d->slots_room - 1);
  for (same_entry *e; (e = next_like(d, hash, &at)); at = next_slot(d, at))
    if (!e->node->prim && e->node->dtype == leaf->dtype && memcmp(node_data(e->node), node_data(leaf), bytes) == 0)
      return e;
  return add(d, at, hash, leaf);
}
