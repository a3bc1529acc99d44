/* index_plan.c: reads a list of indices: who stands for which axis, masks as the indices of their true
   places, and where the result's axes come from. Uses index_plan.h. */
#include "index_plan.h"
#include <string.h>

/* The list with the ellipsis and what is left out written as whole axes, masks as arrays. One entry per
   axis of x, and new axes between. */
typedef struct entry {
  pons_index_kind kind; /* no ellipsis */
  pons_index_item item;
  bool apart; /* an ellipsis stood here, even one for no axis: arrays on either side are not neighbours */
} entry;
enum { MOST_ENTRIES = 2 * PONS_MAX_NDIM };
typedef struct entries {
  int count, used; /* used: axes of x */
  bool apart_next;
  bool any_arrays;
  entry at[MOST_ENTRIES];
} entries;

static bool is_mask(const pons_index_item *item) {
  return item->kind == PONS_INDEX_ARRAY && pons_dtype_of(item->array) == PONS_BOOL;
}

/* How many axes of x an item stands for. */
static int axes_of(const pons_index_item *item) {
  if (item->kind == PONS_INDEX_INT || item->kind == PONS_INDEX_SLICE) return 1;
  if (item->kind == PONS_INDEX_ARRAY) return is_mask(item) ? pons_ndim(item->array) : 1;
  return 0;
}

static pons_array check_items(const char *op, pons_index_list index) {
  int ellipses = 0;
  if (index.count < 0 || index.count > MOST_ENTRIES)
    return pons_fail(op, "a list of %d indices; at most %d are possible", index.count, MOST_ENTRIES);
  for (int i = 0; i < index.count; i++) {
    const pons_index_item *item = &index.at[i];
    ellipses += item->kind == PONS_INDEX_ELLIPSIS;
    if (item->kind != PONS_INDEX_ARRAY) continue;
    if (!item->array) return pons_fail(op, "index %d of the list is NULL", i);
    if (pons_error_of(item->array)) return owned(item->array);
    const pons_dtype d = pons_dtype_of(item->array);
    if (d > PONS_INT64)
      return pons_fail(op, "index arrays hold integers or bools, not %s", pons_dtype_name(d));
  }
  return ellipses > 1 ? pons_fail(op, "more than one ellipsis") : NULL;
}

/* ---- masks without axes: x gets an axis of size 1, which is taken once or not at all ---- */

static pons_array index_if(pons_array mask) {
  pons_array at;
  pons_nonzero(pons_reshape(mask, PONS_SHAPE(1)), &at);
  return at;
}

/* Puts such an index array in the place of the masks without axes in items[0 .. count). */
static pons_array expand_for_masks(index_plan *p, pons_index_item *items, int count) {
  int axis = 0, used = 0;
  for (int i = 0; i < count; i++) used += axes_of(&items[i]);
  for (int i = 0; i < count; i++) {
    if (is_mask(&items[i]) && pons_ndim(items[i].array) == 0) {
      p->x = pons_expand_dims(p->x, PONS_AXES(axis));
      items[i].array = index_if(items[i].array);
      if (pons_error_of(p->x)) return p->x;
      if (pons_error_of(items[i].array)) return items[i].array;
      p->expanded[p->n_expanded++] = axis;
      used++;
    }
    axis += items[i].kind == PONS_INDEX_ELLIPSIS ? pons_ndim(p->x) - used : axes_of(&items[i]);
  }
  return NULL;
}

/* ---- entries ---- */

static pons_array add_entry(const char *op, entries *e, pons_index_item item) {
  if (e->count == MOST_ENTRIES)
    return pons_fail(op, "the result would have more than %d axes", PONS_MAX_NDIM);
  e->at[e->count++] = (entry){item.kind, item, e->apart_next};
  e->apart_next = false;
  e->used += item.kind != PONS_INDEX_NEWAXIS;
  e->any_arrays |= item.kind == PONS_INDEX_ARRAY;
  return NULL;
}

static pons_array add_whole(const char *op, entries *e, int axes) {
  pons_array bad = NULL;
  for (int i = 0; !bad && i < axes; i++) bad = add_entry(op, e, PONS_ALL);
  return bad;
}

/* As many index arrays as the mask has axes. Where an axis of the mask has no elements, none is chosen, whatever the
   array has. */
static pons_array add_mask(const char *op, entries *e, pons_array x, pons_array mask) {
  const int n = pons_ndim(mask);
  for (int i = 0; i < n; i++)
    if (pons_dim(mask, i) != pons_dim(x, e->used + i) && pons_dim(mask, i) != 0)
      return pons_fail_as(PONS_ERROR_INDEX, op, "axis %d of the mask has size %lld, axis %d of the array %lld", i,
                          (long long)pons_dim(mask, i), e->used + i, (long long)pons_dim(x, e->used + i));
  pons_array at[PONS_MAX_NDIM];
  pons_nonzero(mask, at);
  pons_array bad = n && pons_error_of(at[0]) ? at[0] : NULL;
  for (int i = 0; !bad && i < n; i++) bad = add_entry(op, e, pons_at_array(at[i]));
  return bad;
}

static pons_array make_entries(const char *op, index_plan *p, const pons_index_item *items, int count,
                               entries *e) {
  int used = 0, ellipsis = 0;
  for (int i = 0; i < count; i++) used += axes_of(&items[i]);
  const int left = pons_ndim(p->x) - used;
  if (left < 0)
    return pons_fail_as(PONS_ERROR_INDEX, op, "indices for %d axes; the array has %d", used - p->n_expanded,
                        pons_ndim(p->x) - p->n_expanded);
  pons_array bad = NULL;
  for (int i = 0; !bad && i < count; i++) {
    if (items[i].kind == PONS_INDEX_ELLIPSIS) {
      ellipsis = 1;
      e->apart_next = true;
      bad = add_whole(op, e, left);
    } else if (is_mask(&items[i])) {
      bad = add_mask(op, e, p->x, items[i].array);
    } else {
      bad = add_entry(op, e, items[i]);
    }
  }
  return bad || ellipsis ? bad : add_whole(op, e, left);
}

/* ---- the slice ---- */

static pons_array set_slice(const char *op, index_plan *p, const entry *e, int axis) {
  const int64_t n = pons_dim(p->x, axis), i = e->item.start;
  p->start[axis] = 0, p->stop[axis] = n, p->step[axis] = 1;
  if (e->kind == PONS_INDEX_INT) {
    if (i < -n || i >= n)
      return pons_fail_as(PONS_ERROR_INDEX, op, "index %lld is out of range for axis %d of size %lld",
                          (long long)i, axis, (long long)n);
    p->start[axis] = i < 0 ? i + n : i;
    p->stop[axis] = p->start[axis] + 1;
    p->gone[p->n_gone++] = axis;
  } else if (e->kind == PONS_INDEX_SLICE) {
    const int64_t step = e->item.step, start = e->item.start, stop = e->item.stop;
    if (step == 0) return pons_fail(op, "the step of the slice along axis %d is 0", axis);
    p->start[axis] = start != PONS_END ? start : step > 0 ? 0 : n - 1;
    p->stop[axis] = stop != PONS_END ? stop : step > 0 ? n : -(n + 1);
    p->step[axis] = step;
    if (n == 0) p->start[axis] = p->stop[axis] = 0, p->step[axis] = 1;
  }
  return NULL;
}

static pons_array take_slice(const char *op, index_plan *p, const entries *e) {
  int axis = 0;
  for (int i = 0; i < e->count; i++) {
    if (e->at[i].kind == PONS_INDEX_NEWAXIS) continue;
    if (e->at[i].kind == PONS_INDEX_ARRAY) {
      p->axes[p->n_arrays] = axis - p->n_gone;
      p->arrays[p->n_arrays++] = e->at[i].item.array;
    }
    pons_array bad = set_slice(op, p, &e->at[i], axis++);
    if (bad) return bad;
  }
  p->slice = pons_slice(p->x, (pons_shape){axis, p->start}, (pons_shape){axis, p->stop},
                        (pons_shape){axis, p->step});
  p->part = pons_squeeze(p->slice, axes_list(p->n_gone, p->gone));
  return pons_error_of(p->part) ? p->part : NULL;
}

/* ---- the result ---- */

static pons_array broadcast_arrays(const char *op, index_plan *p) {
  for (int k = 0; k < p->n_arrays; k++) {
    const int n = pons_ndim(p->arrays[k]);
    for (; p->places < n; p->places++) {
      memmove(p->place_shape + 1, p->place_shape, (size_t)p->places * sizeof *p->place_shape);
      p->place_shape[0] = 1;
    }
    for (int i = 1; i <= n; i++) {
      int64_t *have = &p->place_shape[p->places - i];
      const int64_t size = pons_dim(p->arrays[k], -i);
      if (*have == 1)
        *have = size;
      else if (size != 1 && size != *have)
        return pons_fail(op, "index arrays do not broadcast: one has %lld where others have %lld elements",
                         (long long)size, (long long)*have);
    }
  }
  return NULL;
}

static pons_array check_empty_axes(const char *op, const index_plan *p) {
  int64_t count = 1;
  for (int i = 0; i < p->places; i++) count *= p->place_shape[i];
  for (int k = 0; k < p->n_arrays; k++)
    if (pons_dim(p->part, p->axes[k]) == 0 && (count || pons_ndim(p->arrays[k]) == 0))
      return pons_fail(op, "an index into an axis of size 0");
  return NULL;
}

/* Arrays, and integers where there are arrays, that stand next to each other leave their axes in their place;
   else the axes come first. */
static bool in_place(const entries *e) {
  int groups = 0;
  bool inside = false;
  for (int i = 0; i < e->count; i++) {
    const bool indexed = e->at[i].kind == PONS_INDEX_ARRAY || e->at[i].kind == PONS_INDEX_INT;
    groups += indexed && (!inside || e->at[i].apart);
    inside = indexed;
  }
  return groups == 1;
}

static void add_result(index_plan *p, int64_t size) { p->result[p->result_ndim++] = size; }

static pons_array lay_out(const char *op, index_plan *p, const entries *e) {
  const bool stay = in_place(e);
  bool placed = !e->any_arrays;
  int whole = 0, axis = 0, total = p->places;
  for (int i = 0; i < e->count; i++)
    total += e->at[i].kind == PONS_INDEX_SLICE || e->at[i].kind == PONS_INDEX_NEWAXIS;
  if (total > PONS_MAX_NDIM) return pons_fail(op, "the result would have %d axes", total);
  for (int i = 0; i < e->count; i++) {
    const pons_index_kind kind = e->at[i].kind;
    const bool here = !stay || kind == PONS_INDEX_ARRAY || kind == PONS_INDEX_INT;
    if (!placed && here) {
      for (int k = 0; k < p->places; k++) add_result(p, p->place_shape[k]);
      p->before = whole;
      placed = true;
    }
    if (kind == PONS_INDEX_NEWAXIS) {
      p->fresh[p->n_fresh++] = p->result_ndim;
      add_result(p, 1);
    }
    if (kind == PONS_INDEX_SLICE) {
      add_result(p, pons_dim(p->part, axis));
      whole++;
    }
    axis += kind == PONS_INDEX_SLICE || kind == PONS_INDEX_ARRAY;
  }
  return NULL;
}

pons_array index_plan_make(const char *op, pons_array x, pons_index_list index, index_plan *p) {
  if (!x) return pons_fail(op, "the array is NULL");
  if (pons_error_of(x)) return owned(x);
  pons_array bad = check_items(op, index);
  if (bad) return bad;
  memset(p, 0, sizeof *p);
  p->x = x;
  pons_index_item items[MOST_ENTRIES];
  for (int i = 0; i < index.count; i++) items[i] = index.at[i];
  bad = expand_for_masks(p, items, index.count);
  if (bad) return bad;
  entries e = {0};
  bad = make_entries(op, p, items, index.count, &e);
  if (!bad) bad = take_slice(op, p, &e);
  if (!bad) bad = broadcast_arrays(op, p);
  if (!bad) bad = check_empty_axes(op, p);
  return bad ? bad : lay_out(op, p, &e);
}
