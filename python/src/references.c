/* references.c: what the library holds on to for Python: objects, memory of other libraries. The library lets go of it on
   threads that Python does not know and under locks that a thread with the GIL may wait for, so it only puts it on a
   list. Whoever ends an array or a call next, with the GIL, works that off; at the latest Python's main thread. */
#include "binding.h"
#include <stdatomic.h>
#include <stdlib.h>

struct held {
  struct held *next;
  void (*let_go)(void *what);
  void *what;
};
static _Atomic(held *) waiting;

held *held_new(void (*let_go)(void *), void *what) {
  held *h = malloc(sizeof *h);
  if (h) *h = (held){NULL, let_go, what};
  else PyErr_NoMemory();
  return h;
}

static int release_pending(void *unused) {
  (void)unused;
  release_waiting();
  return 0;
}

void held_end(void *it) {
  held *h = it, *before = atomic_load(&waiting);
  do h->next = before;
  while (!atomic_compare_exchange_weak(&waiting, &before, h));
  if (!before && Py_IsInitialized()) Py_AddPendingCall(release_pending, NULL);
}

void release_waiting(void) {
  if (!atomic_load_explicit(&waiting, memory_order_relaxed)) return;
  for (held *h = atomic_exchange(&waiting, NULL), *next; h; h = next) {
    next = h->next;
    h->let_go(h->what);
    free(h);
  }
}
