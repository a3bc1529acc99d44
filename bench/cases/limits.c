/* limits.c: how fast the machine multiplies, reads and copies with so many threads, measured beside the cases.

   Threads are made for each try, wait until all are there, and are timed from then until the last is done.
   Memory is as large as a case's own, on huge pages, touched before. Uses kernels.h. */
#include "cases.h"
#include "kernels.h"
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MOST_THREADS = 64, TURNS = 400000 };

static const machine_loops *loops;
static char *memory;
static size_t room;

typedef struct team {
  limit_kind kind;
  bool stream; /* of copies: past the caches */
  int threads;
  size_t share; /* bytes of a thread, of each array */
  atomic_int ready, done;
  double flop;
} team;
typedef struct member {
  team *team;
  int index;
} member;

static void work(team *t, int index) {
  char *from = memory + (size_t)index * t->share, *to = from + (size_t)t->threads * t->share;
  switch (t->kind) {
    case LIMIT_DOT:
      if (loops->dot) {
        t->flop = loops->dot(TURNS);
        return;
      } /* fall through */
    case LIMIT_FMA:
      t->flop = loops->fma(TURNS);
      return;
    case LIMIT_READ: {
      volatile uint64_t sum = loops->read(from, t->share);
      (void)sum;
      return;
    }
    default:
      if (t->stream)
        loops->copy(to, from, t->share);
      else
        memcpy(to, from, t->share);
  }
}

static void *run_member(void *context) {
  member *m = context;
  atomic_fetch_sub(&m->team->ready, 1);
  while (atomic_load(&m->team->ready) > 0) {
  }
  work(m->team, m->index);
  atomic_fetch_sub(&m->team->done, 1);
  return NULL;
}

/* Seconds that all of the team take. */
static double run_team(team *t) {
  member members[MOST_THREADS];
  pthread_t threads[MOST_THREADS];
  int made = 1;
  for (int i = 0; i < t->threads; i++) members[i] = (member){t, i};
  atomic_init(&t->ready, t->threads);
  atomic_init(&t->done, t->threads);
  for (int i = 1; i < t->threads; i++, made++)
    if (pthread_create(&threads[i], NULL, run_member, &members[i])) break;
  if (made < t->threads) abort(); /* those that are there would wait for ever */
  atomic_fetch_sub(&t->ready, 1);
  while (atomic_load(&t->ready) > 0) {
  }
  double start = seconds_now();
  work(t, 0);
  atomic_fetch_sub(&t->done, 1);
  while (atomic_load(&t->done) > 0) {
  }
  double took = seconds_now() - start;
  for (int i = 1; i < t->threads; i++) pthread_join(threads[i], NULL);
  return took;
}

bool limits_open(int threads) {
  char isa[32] = "";
  char *info = pons_device_info("cpu");
  cJSON *report = info ? cJSON_Parse(info) : NULL;
  const cJSON *found = cJSON_GetObjectItem(report, "found");
  const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(found, "instruction_set"));
  if (name == NULL) fprintf(stderr, "bench: pons_device_info does not tell the CPU's instruction set\n");
  snprintf(isa, sizeof isa, "%s", name ? name : "");
  cJSON_Delete(report);
  pons_free(info);
  loops = machine_loops_for(isa);
  return isa[0] && threads <= MOST_THREADS;
}

static bool have_memory(size_t bytes) {
  if (bytes <= room) return true;
  limits_close();
  void *got = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (got == MAP_FAILED) return false;
#ifdef MADV_HUGEPAGE
  madvise(got, bytes, MADV_HUGEPAGE);
#endif
  memset(got, 1, bytes);
  memory = got;
  room = bytes;
  return true;
}

double limit_try(limit_kind kind, double bytes, int threads) {
  team t = {.kind = kind, .threads = threads};
  if (kind == LIMIT_FMA || kind == LIMIT_DOT) {
    double took = run_team(&t);
    return t.flop * threads / took;
  }
  int arrays = kind == LIMIT_COPY ? 2 : 1;
  t.share = ((size_t)bytes / (size_t)(arrays * threads) + 255) & ~(size_t)255;
  size_t all = t.share * (size_t)(arrays * threads);
  if (!have_memory(all)) return NAN;
  double took = run_team(&t);
  if (kind == LIMIT_COPY) { /* whichever way is faster */
    t.stream = true;
    double streamed = run_team(&t);
    if (streamed < took) took = streamed;
  }
  return (double)all / took;
}

void limits_close(void) {
  if (room) munmap(memory, room);
  room = 0;
}
