/* cache.c: where the memory of buffers comes from and goes to: size classes of freed blocks over the system's
   memory.

   First touch of fresh pages runs at 2.8 GB/s on a usual machine, of huge pages at 21, of pages used before
   at 40 and more. So freed blocks are kept, by class and in the order of use; classes are an eighth of a
   power of two apart:

       taken ◄── class lists (newest first) ◄── put back
                    │  one list over all, oldest at its end
                    └── given to the system: when the sum exceeds the limit, when memory is short, and,
                        after a second without use, by the keeper: a thread that lives while there is
                        something to give back

   The lock of accounts guards the lists, too; held for some ten nanoseconds. Uses base/, account.c, machine.c. */
#include "device/parts.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

enum {
  UNIT = 64,               /* classes are multiples of it, data is aligned to it */
  CLASSES = 56 * 8,
  MAPPED_FROM = 256 << 10, /* smaller blocks come from malloc, header and data in one piece */
  HUGE_PAGE = 2 << 20,
  HUGE_FROM = 4 << 20,     /* smaller ones would waste a good part of their last huge page */
  ASK_FROM = 32 << 20,     /* fresh memory of this size is first compared with what the machine has */
  LEFT_ALONE = 1 << 20,    /* so little in the cache needs no keeper */
  TICK_MS = 200,
  IDLE_TICKS = 5
};

static struct {
  buffer *class_first[CLASSES];
  buffer *newest, *oldest;
  size_t cached;     /* bytes of the blocks */
  size_t spoken_for; /* bytes that the system is being asked for */
  uint16_t tick;     /* counted by the keeper */
  bool keeper_runs;
} cache;

/* ---- classes: 1, 2, ... 8 units, then 8 steps to each doubling ---- */

static int class_of(size_t bytes) {
  size_t last = bytes == 0 ? 0 : (bytes - 1) / UNIT; /* index of the last unit */
  if (last < 8) return (int)last;
  int doubling = 63 - __builtin_clzll(last) - 3;
  return doubling * 8 + (int)(last >> doubling);
}

static size_t class_bytes(int c) {
  if (c < 16) return (size_t)(c + 1) * UNIT;
  int doubling = c / 8 - 1;
  return (size_t)(c % 8 + 9) * UNIT << doubling;
}

/* ---- blocks of the system ---- */

static void *map_pages(size_t bytes) {
  size_t extra = bytes >= HUGE_FROM ? HUGE_PAGE : 0; /* to begin at a multiple of a huge page */
  char *at = mmap(NULL, bytes + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
  if (at == MAP_FAILED) return NULL;
  if (extra == 0) return at;
  size_t before = (HUGE_PAGE - (uintptr_t)at % HUGE_PAGE) % HUGE_PAGE;
  if (before > 0) munmap(at, before);
  if (extra > before) munmap(at + before + bytes, extra - before);
#ifdef MADV_HUGEPAGE
  madvise(at + before, bytes, MADV_HUGEPAGE);
#endif
  return at + before;
}

static buffer *block_new(int c) {
  size_t bytes = class_bytes(c);
  void *at = NULL;
  if (bytes < MAPPED_FROM) {
    if (posix_memalign(&at, UNIT, (sizeof(buffer) + UNIT - 1) / UNIT * UNIT + bytes) != 0) return NULL;
    buffer *b = at;
    b->data = (char *)at + (sizeof(buffer) + UNIT - 1) / UNIT * UNIT;
    b->size_class = (uint16_t)c;
    return b;
  }
  if (bytes >= ASK_FROM && bytes > machine_available_memory()) return NULL;
  buffer *b = mem_alloc(sizeof *b);
  if (b == NULL) return NULL;
  b->data = map_pages(bytes);
  b->size_class = (uint16_t)c;
  if (b->data != NULL) return b;
  mem_free(b);
  return NULL;
}

static void block_free(buffer *b) {
  size_t bytes = class_bytes(b->size_class);
  mem_unpoison(b->data, bytes);
  if (bytes < MAPPED_FROM) {
    free(b);
    return;
  }
  munmap(b->data, bytes);
  mem_free(b);
}

static void blocks_free(buffer *list) { /* linked by `older` */
  while (list != NULL) {
    buffer *next = list->as.cached.older;
    block_free(list);
    list = next;
  }
}

/* ---- lists; the lock is held ---- */

static void enter(buffer *b) {
  buffer **first = &cache.class_first[b->size_class];
  b->tick = cache.tick;
  b->as.cached.before = NULL;
  b->as.cached.next = *first;
  if (*first != NULL) (*first)->as.cached.before = b;
  *first = b;
  b->as.cached.newer = NULL;
  b->as.cached.older = cache.newest;
  if (cache.newest != NULL) cache.newest->as.cached.newer = b;
  else cache.oldest = b;
  cache.newest = b;
  cache.cached += class_bytes(b->size_class);
}

static void leave(buffer *b) {
  buffer *next = b->as.cached.next, *before = b->as.cached.before;
  buffer *older = b->as.cached.older, *newer = b->as.cached.newer;
  if (before != NULL) before->as.cached.next = next;
  else cache.class_first[b->size_class] = next;
  if (next != NULL) next->as.cached.before = before;
  if (newer != NULL) newer->as.cached.older = older;
  else cache.newest = older;
  if (older != NULL) older->as.cached.newer = newer;
  else cache.oldest = newer;
  cache.cached -= class_bytes(b->size_class);
}

/* Takes the oldest blocks out until no more than `keep` bytes stay; the caller frees them after unlocking. */
static buffer *take_oldest(size_t keep) {
  buffer *list = NULL;
  while (cache.cached > keep && cache.oldest != NULL) {
    buffer *b = cache.oldest;
    leave(b);
    b->as.cached.older = list;
    list = b;
  }
  return list;
}

static buffer *take_idle(void) {
  buffer *list = NULL;
  while (cache.oldest != NULL && (uint16_t)(cache.tick - cache.oldest->tick) > IDLE_TICKS) {
    buffer *b = cache.oldest;
    leave(b);
    b->as.cached.older = list;
    list = b;
  }
  return list;
}

/* ---- the keeper ---- */

static void *keep(void *unused) {
  pthread_mutex_lock(&account_lock);
  while (cache.cached > LEFT_ALONE) {
    pthread_mutex_unlock(&account_lock);
    nanosleep(&(struct timespec){0, TICK_MS * 1000000l}, NULL);
    pthread_mutex_lock(&account_lock);
    cache.tick++;
    buffer *idle = take_idle();
    pthread_mutex_unlock(&account_lock);
    blocks_free(idle);
#ifdef __GLIBC__
    if (idle != NULL) malloc_trim(0); /* small blocks: the heap keeps what is not at its end */
#endif
    pthread_mutex_lock(&account_lock);
  }
  cache.keeper_runs = false;
  pthread_mutex_unlock(&account_lock);
  return unused;
}

/* A forked child has the caller's thread alone. */
static void forget_keeper(void) {
  pthread_mutex_init(&account_lock, NULL);
  cache.keeper_runs = false;
}
static void watch_forks(void) { pthread_atfork(NULL, NULL, forget_keeper); }

/* ---- taking and putting back ---- */

static buffer *take_cached(int c) {
  int last = class_bytes(c) < MAPPED_FROM ? c : c + 2; /* a quarter too large at most */
  for (int k = c; k <= last && k < CLASSES; k++) {
    buffer *b = cache.class_first[k];
    if (b == NULL) continue;
    leave(b);
    return b;
  }
  return NULL;
}

/* What the limit leaves. */
static size_t spare(void) {
  const account *host = account_of_host();
  const size_t taken = host->active + cache.spoken_for;
  return host->limit > taken ? host->limit - taken : 0;
}

/* From the system, not beyond the limit; old blocks make room. The lock is held, but not while the system is
   asked. */
static buffer *take_fresh(int c, size_t bytes) {
  if (bytes > spare()) return NULL;
  buffer *old = take_oldest(spare() - bytes);
  cache.spoken_for += bytes;
  pthread_mutex_unlock(&account_lock);
  blocks_free(old);
  buffer *b = block_new(c);
  pthread_mutex_lock(&account_lock);
  if (b == NULL && cache.cached > 0) { /* one trim, one retry */
    old = take_oldest(0);
    pthread_mutex_unlock(&account_lock);
    blocks_free(old);
    b = block_new(c);
    pthread_mutex_lock(&account_lock);
  }
  cache.spoken_for -= bytes;
  return b;
}

buffer *cache_take(size_t bytes) {
  if (bytes > (size_t)1 << 60) return NULL;
  int c = class_of(bytes);
  pthread_mutex_lock(&account_lock);
  buffer *b = bytes <= spare() ? take_cached(c) : NULL;
  if (b == NULL) b = take_fresh(c, bytes);
  if (b != NULL) account_add(account_of_host(), (ptrdiff_t)bytes);
  pthread_mutex_unlock(&account_lock);
  if (b == NULL) return NULL;
  mem_unpoison(b->data, class_bytes(b->size_class));
  b->bytes = bytes;
  b->copies = NULL;
  b->valid = (validity){.all = ON_HOST};
  atomic_init(&b->stale, false);
  atomic_init(&b->refs, 1);
  return b;
}

void cache_put(buffer *b) {
  static pthread_once_t forks = PTHREAD_ONCE_INIT;
  mem_poison(b->data, class_bytes(b->size_class));
  pthread_mutex_lock(&account_lock);
  account_add(account_of_host(), -(ptrdiff_t)b->bytes);
  enter(b);
  buffer *old = take_oldest(account_of_host()->cache_limit);
  bool start = !cache.keeper_runs && cache.cached > LEFT_ALONE;
  if (start) cache.keeper_runs = true;
  pthread_mutex_unlock(&account_lock);
  blocks_free(old);
  if (!start) return;
  pthread_once(&forks, watch_forks);
  if (machine_thread(keep, NULL)) return;
  pthread_mutex_lock(&account_lock); /* no thread to be had: nothing is kept beyond what needs none */
  cache.keeper_runs = false;
  old = take_oldest(LEFT_ALONE);
  pthread_mutex_unlock(&account_lock);
  blocks_free(old);
}

/* ---- how much is kept ---- */

void cache_keep(size_t bytes) {
  pthread_mutex_lock(&account_lock);
  buffer *old = take_oldest(bytes);
  pthread_mutex_unlock(&account_lock);
  blocks_free(old);
}

size_t cache_bytes(void) {
  pthread_mutex_lock(&account_lock);
  const size_t bytes = cache.cached;
  pthread_mutex_unlock(&account_lock);
  return bytes;
}

size_t cache_block_bytes(const buffer *b) { return class_bytes(b->size_class); }
