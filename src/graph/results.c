/* results.c: what one call of a function gives: arrays in order, counted as they come, or one error for all
   of them. Each holds a reference until it is handed on, so that scopes of the function may close. */
#include "graph/graph.h"
#include "graph/scope.h"
#include <limits.h>

void results_begin(result_list *r, const char *kind) {
  r->kind = kind;
  r->at = r->few;
  r->count = 0;
  r->room = RESULTS_FEW;
  r->tag = 0;
  r->why = NULL;
}

void results_end(result_list *r) {
  for (int i = 0; i < r->count; i++) pons_release(r->at[i]);
  if (r->at != r->few) mem_free(r->at);
  error_release(r->why);
  results_begin(r, r->kind);
}

void results_fail(result_list *r, error *why) {
  if (r->why)
    error_release(why);
  else
    r->why = why;
}

static bool make_room(result_list *r) {
  if (r->count < r->room) return true;
  if (r->room > INT_MAX / 2) return false;
  pons_array *more = mem_alloc((size_t)r->room * 2 * sizeof *more);
  if (!more) return false;
  memcpy(more, r->at, (size_t)r->count * sizeof *more);
  if (r->at != r->few) mem_free(r->at);
  r->at = more;
  r->room *= 2;
  return true;
}

void pons_results_add(pons_results r, pons_array a) {
  if (!a)
    results_fail(r, fail(r->kind, "result %d was not set", r->count));
  else if (!make_room(r))
    results_fail(r, fail_no_memory(r->kind));
  else
    r->at[r->count++] = pons_keep(a);
}

void pons_results_set_tag(pons_results r, int64_t tag) { r->tag = tag; }

bool results_meet(const result_list *r) {
  bool fine = !r->why;
  error_meet(r->why);
  for (int i = 0; i < r->count; i++) {
    if (!node_failed(r->at[i])) continue;
    error_meet(r->at[i]->error);
    fine = false;
  }
  return fine;
}

pons_array results_failed(const result_list *r) {
  if (r->why) return node_error(error_keep(r->why));
  for (int i = 0; i < r->count; i++)
    if (node_failed(r->at[i])) return r->at[i];
  return NULL;
}

void results_give(result_list *r, int first, pons_array *out, int count) {
  const bool fine = !r->why && scope_room((size_t)count);
  for (int i = 0; i < count; i++) out[i] = fine ? scope_own(pons_keep(r->at[first + i])) : NULL;
  if (fine) return;
  if (!r->why) r->why = fail_no_memory(r->kind);
  for (int i = 0; i < count; i++) out[i] = node_error(error_keep(r->why));
}

pons_array *results_take(result_list *r, int *count) {
  pons_array *out = r->why ? NULL : mem_alloc((size_t)(r->count + 1) * sizeof *out);
  if (!out && !r->why) r->why = fail_no_memory(r->kind);
  *count = out ? r->count : -1;
  if (!out) return NULL;
  memcpy(out, r->at, (size_t)r->count * sizeof *out);
  r->count = 0;
  return out;
}

int results_hand_over(result_list *r, bool fine, pons_array **out) {
  int count = -1;
  *out = fine ? results_take(r, &count) : NULL;
  if (*out && !scope_room((size_t)count)) {
    for (int i = 0; i < count; i++) pons_release((*out)[i]);
    mem_free(*out);
    *out = NULL;
    error_release(fail_no_memory(r->kind));
    count = -1;
  }
  for (int i = 0; i < count; i++) scope_own((*out)[i]);
  results_end(r);
  return count;
}
