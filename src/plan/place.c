/* place.c: where the memories of a plan lie.

   A temporary has a place in one arena from the step that makes it to the last that reads it; the smallest
   free block that is large enough is taken. A kernel with one result may write it over an operand that ends
   there, and an update of a part over what it updates: then the result takes over the operand's block, or, if the operand
   is an input and the result a buffer of its own, may take over the input's buffer.

   Takes a plan, completes it. Uses plan.h. */
#include "plan/draft.h"

enum { ALIGNMENT = 64 };

typedef struct block {
  int64_t offset, bytes;
} block;

typedef struct arena {
  block *free; /* by offset; no two touch */
  size_t n_free, room;
  int64_t end;
} arena;

static int64_t arena_take(arena *a, int64_t bytes) {
  size_t best = a->n_free;
  for (size_t i = 0; i < a->n_free; i++)
    if (a->free[i].bytes >= bytes && (best == a->n_free || a->free[i].bytes < a->free[best].bytes)) best = i;
  if (best < a->n_free) {
    block *b = &a->free[best];
    const int64_t offset = b->offset;
    b->offset += bytes;
    b->bytes -= bytes;
    if (b->bytes == 0) memmove(b, b + 1, (--a->n_free - best) * sizeof *b);
    return offset;
  }
  /* The last free block grows if it touches the end. */
  int64_t offset = a->end;
  if (a->n_free && a->free[a->n_free - 1].offset + a->free[a->n_free - 1].bytes == a->end)
    offset = a->free[--a->n_free].offset;
  a->end = offset + bytes;
  return offset;
}

static bool arena_give(arena *a, int64_t offset, int64_t bytes) {
  if (bytes == 0) return true;
  if (!mem_room(&a->free, &a->room, a->n_free + 1, sizeof *a->free)) return false;
  size_t low = 0, high = a->n_free; /* first block behind */
  while (low < high) {
    const size_t mid = (low + high) / 2;
    if (a->free[mid].offset < offset)
      low = mid + 1;
    else
      high = mid;
  }
  const bool joins_before = low > 0 && a->free[low - 1].offset + a->free[low - 1].bytes == offset;
  const bool joins_behind = low < a->n_free && offset + bytes == a->free[low].offset;
  if (joins_before) {
    a->free[low - 1].bytes += bytes + (joins_behind ? a->free[low].bytes : 0);
    if (joins_behind) memmove(&a->free[low], &a->free[low + 1], (--a->n_free - low) * sizeof *a->free);
  } else if (joins_behind) {
    a->free[low].offset = offset;
    a->free[low].bytes += bytes;
  } else {
    memmove(&a->free[low + 1], &a->free[low], (a->n_free++ - low) * sizeof *a->free);
    a->free[low] = (block){offset, bytes};
  }
  return true;
}

typedef struct placing {
  plan *plan;
  int32_t *last; /* of each memory: the last step that touches it; -1: no step; n_steps: it is handed out */
  arena arena;
} placing;

static void find_ends(placing *g) {
  const plan *p = g->plan;
  for (int i = 0; i < p->n_memories; i++) g->last[i] = -1;
  for (int i = 0; i < p->n_steps; i++)
    for (int k = 0; k < p->steps[i].n_in + p->steps[i].n_out; k++) g->last[p->steps[i].memories[k]] = i;
  for (int i = 0; i < p->n_outputs; i++) g->last[p->outputs[i].memory] = p->n_steps;
}

/* Does a result of so many bytes fill the memory? In an input's it may leave a 16th unused. */
static bool fills(const plan_memory *m, int64_t bytes) {
  return m->bytes == bytes || (m->kind == MEMORY_INPUT && bytes < m->bytes && m->bytes - bytes <= m->bytes / 16);
}

/* The operand is its memory from the beginning on, in the order and size of the result's elements, and no other
   operand reads it differently. */
static bool may_be_overwritten(const placing *g, const plan_step *s, int k) {
  const operand *x = &s->operands[k], *y = &s->operands[s->n_in];
  if (s->offsets[k] != 0 || !fills(&g->plan->memories[s->memories[k]], g->plan->memories[s->memories[s->n_in]].bytes))
    return false;
  if (pons_dtype_size(x->dtype) != pons_dtype_size(y->dtype)) return false;
  if (!shape_equal(x->ndim, x->shape, y->ndim, y->shape) || !shape_is_row_major(x->ndim, x->shape, x->strides))
    return false;
  for (int i = 0; i < s->n_in; i++) /* operands of one memory are different views */
    if (i != k && s->memories[i] == s->memories[k]) return false;
  return true;
}

/* How many operands the step can write its result over, from the first on. */
static int overwrites(const plan_step *s) {
  if (s->n_out != 1) return 0;
  return s->kernel ? s->n_in : s->prim->updates;
}

/* Sets which operands step i's result may be written over: temporaries if it is one, inputs if it has a
   buffer of its own. The memory whose place a temporary takes over, or -1. */
static int32_t find_donors(const placing *g, int32_t i) {
  plan_step *s = &g->plan->steps[i];
  const int count = overwrites(s);
  const bool temporary = count && g->plan->memories[s->memories[s->n_in]].kind == MEMORY_ARENA;
  for (int k = 0; k < count; k++) {
    const int32_t m = s->memories[k];
    if (g->plan->memories[m].kind != (temporary ? MEMORY_ARENA : MEMORY_INPUT) || g->last[m] != i) continue;
    if (!may_be_overwritten(g, s, k)) continue;
    s->donors |= (uint32_t)1 << k;
    if (temporary) return m;
  }
  return -1;
}

static bool place_step(placing *g, int32_t i) {
  plan_memory *memories = g->plan->memories;
  plan_step *s = &g->plan->steps[i];
  for (int k = 0; k < s->n_in && k < 32; k++)
    if (memories[s->memories[k]].kind == MEMORY_INPUT && g->last[s->memories[k]] == i)
      s->ends |= (uint32_t)1 << k;
  const int32_t donor = find_donors(g, i);
  for (int k = 0; k < s->n_out; k++) {
    plan_memory *m = &memories[s->memories[s->n_in + k]];
    if (m->kind == MEMORY_ARENA)
      m->offset = donor >= 0 ? memories[donor].offset : arena_take(&g->arena, round_up(m->bytes, ALIGNMENT));
  }
  for (int k = 0; k < s->n_in + s->n_out; k++) {
    const int32_t m = s->memories[k];
    if (memories[m].kind != MEMORY_ARENA || g->last[m] != i) continue;
    g->last[m] = -1; /* once */
    if (k < 32) s->frees |= (uint32_t)1 << k;
    if (m != donor && !arena_give(&g->arena, memories[m].offset, round_up(memories[m].bytes, ALIGNMENT))) return false;
  }
  return true;
}

bool plan_place(plan *p) {
  placing g = {.plan = p};
  g.last = mem_alloc((size_t)(p->n_memories ? p->n_memories : 1) * sizeof *g.last);
  if (!g.last) return false;
  find_ends(&g);
  bool fine = true;
  for (int32_t i = 0; fine && i < p->n_steps; i++) fine = place_step(&g, i);
  p->arena_bytes = g.arena.end;
  mem_free(g.arena.free);
  mem_free(g.last);
  return fine;
}
