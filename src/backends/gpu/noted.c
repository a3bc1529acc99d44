/* noted.c: which memory stays with a recording, and when it goes. Uses noted.h. */
#include "backends/gpu/noted.h"

/* ---- the memories given ---- */

int gpu_noted_slot(const gpu_noted *n, const void *memory) {
  for (int k = 0; memory && k < n->n_slots; k++)
    if (n->slots[k] == memory) return k;
  return -1;
}

static bool set_slots(gpu_noted *n, int count, void *const *memories) {
  mem_free(n->slots);
  mem_free(n->ties);
  n->slots = NULL;
  n->ties = NULL;
  n->n_slots = count;
  if (count <= 0) return true;
  n->slots = mem_alloc((size_t)count * sizeof *n->slots);
  n->ties = mem_alloc((size_t)count * sizeof *n->ties);
  if (!n->slots || !n->ties) return false;
  memcpy(n->slots, memories, (size_t)count * sizeof *memories);
  for (int k = 0; k < count; k++) {
    const int first = gpu_noted_slot(n, memories[k]);
    n->ties[k] = first < 0 ? k : first;
  }
  return true;
}

bool gpu_noted_begin(gpu_noted *n, int count, void *const *memories) {
  static _Atomic uint64_t walks;
  if (!set_slots(n, count, memories)) return false;
  for (size_t i = 0; i < n->n_blocks; i++) n->blocks[i].in_use = false;
  n->n_others = 0;
  n->walk = ++walks;
  n->is_hollow = false;
  return true;
}

bool gpu_noted_fits(const gpu_noted *n, int count, void *const *memories) {
  if (n->is_hollow || n->n_slots != count) return false;
  for (int k = 0; k < count; k++)
    if (memories[k] != memories[n->ties[k]]) return false;
  return true;
}

/* ---- others ---- */

bool gpu_noted_use(gpu_noted *n, gpu_block *b) {
  if (b->owner == n || atomic_exchange(&b->noted, n->walk) == n->walk) return true;
  if (!mem_room(&n->others, &n->others_room, n->n_others + 1, sizeof *n->others)) return false;
  n->others[n->n_others++] = b;
  return true;
}

static void remove_other(gpu_noted *n, const gpu_block *b) {
  for (size_t i = 0; i < n->n_others; i++)
    if (n->others[i] == b) n->others[i] = n->others[--n->n_others];
}

/* ---- its own ---- */

void *gpu_noted_take(gpu_noted *n, size_t bytes) {
  gpu_own_block *best = NULL;
  for (size_t i = 0; n && i < n->n_blocks; i++) {
    gpu_own_block *b = &n->blocks[i];
    if (!b->in_use && b->block->bytes >= bytes && (!best || b->block->bytes < best->block->bytes)) best = b;
  }
  if (!best) return NULL;
  best->in_use = true;
  return best->block;
}

void gpu_noted_add(gpu_noted *n, gpu_block *b) {
  b->owner = NULL;
  if (!n || !mem_room(&n->blocks, &n->blocks_room, n->n_blocks + 1, sizeof *n->blocks)) return;
  n->blocks[n->n_blocks++] = (gpu_own_block){b, true};
  b->owner = n;
}

bool gpu_noted_give(gpu_noted *n, gpu_block *b) {
  if (!n) return b->owner != NULL;
  for (size_t i = 0; b->owner == n && i < n->n_blocks; i++)
    if (n->blocks[i].block == b) n->blocks[i].in_use = false;
  if (b->owner) return true;
  if (!mem_room(&n->late, &n->late_room, n->n_late + 1, sizeof *n->late)) return false;
  n->late[n->n_late++] = b;
  remove_other(n, b);
  return true;
}

void gpu_noted_give_late(gpu_noted *n) {
  for (size_t i = 0; i < n->n_late; i++) n->list->give(n->index, n->late[i]);
  n->n_late = 0;
}

void gpu_noted_give_blocks(gpu_noted *n) {
  for (size_t i = 0; i < n->n_blocks; i++) {
    n->blocks[i].block->owner = NULL;
    if (!n->blocks[i].in_use) n->list->give(n->index, n->blocks[i].block);
  }
  n->n_blocks = 0;
}

/* ---- resting ---- */

/* The list's lock is held. */
static void rest(gpu_noted *n, bool rests) {
  size_t bytes = 0;
  if (n->rests == rests) return;
  for (size_t i = 0; rests && i < n->n_blocks; i++) bytes += n->blocks[i].in_use ? 0 : n->blocks[i].block->bytes;
  if (rests) n->resting_bytes = bytes;
  if (rests) *n->resting += bytes;
  account_count(n->account, rests ? -(ptrdiff_t)bytes : (ptrdiff_t)n->resting_bytes);
  if (!rests) *n->resting -= n->resting_bytes;
  n->rests = rests;
}

void gpu_noted_rest(gpu_noted *n, bool rests) {
  pthread_mutex_lock(&n->list->lock);
  rest(n, rests);
  pthread_mutex_unlock(&n->list->lock);
}

bool gpu_noted_forget(gpu_noted_list *list, int index) {
  bool any = false;
  pthread_mutex_lock(&list->lock);
  for (gpu_noted *n = list->first; n; n = n->next) {
    if (!n->rests || n->index != index) continue;
    rest(n, false);
    any |= n->n_blocks > 0;
    gpu_noted_give_blocks(n);
    n->is_hollow = true;
    rest(n, true);
  }
  pthread_mutex_unlock(&list->lock);
  return any;
}

/* ---- the list ---- */

void gpu_noted_open(gpu_noted *n, gpu_noted_list *list, int index, account *a, _Atomic size_t *resting) {
  n->list = list;
  n->index = index;
  n->account = a;
  n->resting = resting;
  pthread_mutex_lock(&list->lock);
  n->next = list->first;
  list->first = n;
  pthread_mutex_unlock(&list->lock);
}

void gpu_noted_close(gpu_noted *n) {
  pthread_mutex_lock(&n->list->lock);
  gpu_noted **at = &n->list->first;
  while (*at != n) at = &(*at)->next;
  *at = n->next;
  rest(n, false);
  pthread_mutex_unlock(&n->list->lock);
  gpu_noted_give_blocks(n);
  mem_free(n->slots);
  mem_free(n->ties);
  mem_free(n->blocks);
  mem_free(n->late);
  mem_free(n->others);
}
