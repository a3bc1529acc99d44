/* alike.c: evals whose plans have the same steps as one before, as a language model's tokens have: their launches are made at once too.

       eval 1   step by step; what steps it has is remembered, as a hash
       eval 2   the same steps: each launch is noted, then all are made together, and kept
       eval 3   noted again over what was kept: only launches that differ, in numbers or memories, are told

   A plan of few steps gains less than that costs, one with large temporaries is not held up by launches. Uses execute.c, device/. */
#include "run/workspace.h"
#include <pthread.h>

enum { FEWEST_STEPS = 24, MOST_KEPT = 8, MOST_TEMPORARY_BYTES = 16 << 20 };

typedef struct kept {
  const device *device; /* NULL: free */
  uint64_t steps;
  void *recording; /* NULL: there is none so far */
  uint64_t used;
  bool in_use, is_unfit;
} kept;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static kept all[MOST_KEPT];
static uint64_t turn;

static int code_of(const plan_step *s) {
  const kernel *all[] = {s->kernel, s->chains.front, s->chains.behind};
  int code = 0;
  for (int i = 0; i < 3; i++) code = code * (1 + KERNEL_MAX_CODE) + (all[i] ? all[i]->n_code : 0);
  return code;
}

/* What its launches depend on, but for lengths of operands, which may grow from one token to the next. */
static uint64_t hash_steps(const plan *p) {
  uint64_t hash = (uint64_t)p->n_steps;
  for (int i = 0; i < p->n_steps; i++) {
    const plan_step *s = &p->steps[i];
    const operand *y = &s->operands[s->n_in];
    const uint64_t words[] = {(uintptr_t)s->implementation, (uint64_t)code_of(s),
                              (uint64_t)((s->n_in * 64 + s->n_out) * ACTIVATION_COUNT + (int)s->activation), (uint64_t)(s->n_out ? (int)y->dtype : 0)};
    hash = hash_bytes(words, sizeof words, hash);
    if (s->n_out) hash = hash_bytes(y->shape, (size_t)y->ndim * sizeof *y->shape, hash);
  }
  return hash;
}

/* The entry of such steps, which is the caller's until done_with; NULL: they are new, or somebody has it. */
static kept *take(const plan *p) {
  const uint64_t steps = hash_steps(p);
  void *oldest_recording = NULL;
  const device *its_device = NULL;
  kept *found = NULL, *oldest = NULL;
  pthread_mutex_lock(&lock);
  for (kept *k = all; k < all + MOST_KEPT && !found; k++) {
    if (k->device == p->device && k->steps == steps) found = k;
    else if (!k->in_use && (!oldest || k->used < oldest->used)) oldest = k;
  }
  if (found && (found->in_use || found->is_unfit)) {
    found = NULL;
  } else if (found) {
    found->in_use = true;
    found->used = ++turn;
  } else if (oldest) {
    oldest_recording = oldest->recording;
    its_device = oldest->device;
    *oldest = (kept){.device = p->device, .steps = steps, .used = ++turn};
  }
  pthread_mutex_unlock(&lock);
  if (oldest_recording) its_device->driver->recording->forget(oldest_recording);
  return found;
}

static void done_with(kept *k, void *recording, bool is_unfit) {
  pthread_mutex_lock(&lock);
  k->recording = recording;
  k->is_unfit = is_unfit;
  k->in_use = false;
  pthread_mutex_unlock(&lock);
}

bool alike_run(const plan *p, workspace *w, run_input *in) {
  if (p->n_steps < FEWEST_STEPS || p->arena_bytes > MOST_TEMPORARY_BYTES || !recorded_can(p)) return false;
  kept *k = take(p);
  if (!k) return false;
  w->recording = k->recording;
  const bool done = recorded_now(p, w, in);
  done_with(k, w->recording, w->is_unfit || !done);
  w->recording = NULL;
  return done;
}
