/* links.c: the drivers, the groups of this process, and calls on them. Uses device/ for sums. */
#include "links/links.h"
#include "device/device.h"
#include <pthread.h>
#include <stdlib.h>

extern const link_driver link_nccl, link_ring;
const link_driver *const link_drivers[] = {&link_nccl, &link_ring, NULL};
enum { DRIVERS = sizeof link_drivers / sizeof *link_drivers - 1 };
const char *const link_op_names[LINK_OPS] = {"all_reduce", "all_gather", "sum_scatter", "send", "recv"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of calls and of the list of groups */

int64_t link_number(const char *variable, int64_t otherwise, int64_t most) {
  const char *text = getenv(variable);
  if (!text || !*text) return otherwise;
  char *end;
  const long long number = strtoll(text, &end, 10);
  return *end || number < 0 || number > most ? -1 : number;
}

/* ---- calls ---- */

void link_leave(process_group *g, error *why) {
  error *none = NULL, *kept = error_keep(why);
  if (!atomic_compare_exchange_strong(&g->broken, &none, kept)) error_release(kept);
  if (g->driver->leave) g->driver->leave(g);
}

int link_gone(const process_group *g) { return g->driver->gone ? g->driver->gone(g) : -1; }

error *link_join(link_reduce reduce, pons_dtype dtype, int64_t n, const void *from, void *into) {
  static const uint16_t rows[LINK_REDUCES] = {ROW_add, ROW_maximum, ROW_minimum};
  if (n == 0) return NULL;
  const uint8_t d = (uint8_t)dtype;
  const int64_t one = 1;
  const kernel k = {2, 1, 1, {d, d}, {{rows[reduce], d, d, {0, 1, -1}}}, {2}};
  const operand x[2] = {{into, dtype, 1, &n, &one}, {(void *)from, dtype, 1, &n, &one}};
  return device_host()->driver->run_kernel(&k, x, x);
}

error *link_run(process_group *g, const link_call *call) {
  const char *op = link_op_names[call->op];
  pthread_mutex_lock(&lock);
  error *why = g->broken ? fail_as(PONS_ERROR_RUNTIME, op, "the group failed before: %s", error_text(g->broken))
                         : g->driver->run(g, call);
  pthread_mutex_unlock(&lock);
  if (why) link_leave(g, why);
  return why;
}

error *link_meet(process_group *g, const driver *v, int index) {
  static pthread_mutex_t meeting = PTHREAD_MUTEX_INITIALIZER;
  error *why = NULL;
  pthread_mutex_lock(&meeting);
  char *cards = g->cards ? NULL : mem_zalloc((size_t)g->size * DEVICE_CARD);
  if (cards) {
    if (v->introduce) v->introduce(index, cards + (size_t)g->rank * DEVICE_CARD);
    why = link_run(g, &(link_call){.op = LINK_ALL_GATHER, .dtype = PONS_UINT8, .n = DEVICE_CARD, .data = cards});
    if (why) mem_free(cards);
    else g->cards = cards;
  } else if (!g->cards) {
    why = fail_no_memory("distributed");
  }
  pthread_mutex_unlock(&meeting);
  return why;
}

/* ---- groups ---- */

process_group *group_new(const link_driver *driver, int rank, int size, error **why) {
  static int groups;
  process_group *g = mem_zalloc(sizeof *g);
  if (!g) {
    *why = fail_no_memory("distributed_init");
    return NULL;
  }
  g->driver = driver;
  g->rank = rank;
  g->size = size;
  g->number = ++groups;
  return g;
}

static process_group alone = {.size = 1};
static process_group *opened[DRIVERS], *first; /* `first`: what "any" gives from then on */

/* MLX has these, too. */
static bool is_elsewhere(const char *backend) { return backend && (!strcmp(backend, "mpi") || !strcmp(backend, "jaccl")); }

/* The driver's place; DRIVERS: any; -1: there is none of that name here. */
static int place_of(const char *op, const char *backend) {
  for (int i = 0; backend && i < DRIVERS; i++)
    if (!strcmp(backend, link_drivers[i]->name)) return i;
  if (backend && !strcmp(backend, "any")) return DRIVERS;
  if (!is_elsewhere(backend))
    error_release(fail(op, "no such backend: '%s'\nhint: there are any, mpi, nccl, ring, jaccl", backend ? backend : "(null)"));
  return -1;
}

bool pons_distributed_is_available(const char *backend) {
  return place_of("distributed_is_available", backend) >= 0;
}

/* The lock is held. */
static process_group *open_one(int place, error **why) {
  if (!opened[place]) opened[place] = link_drivers[place]->open(why);
  return opened[place];
}

static process_group *open_any(error **why) {
  process_group *g = first;
  for (int i = 0; i < DRIVERS && !g && !*why; i++) g = open_one(i, why);
  return g;
}

pons_group pons_distributed_init(bool strict, const char *backend) {
  const char *op = "distributed_init";
  const int place = place_of(op, backend);
  if (place < 0 && !is_elsewhere(backend)) return NULL;
  error *why = NULL;
  pthread_mutex_lock(&lock);
  process_group *g = place < 0 ? NULL : place < DRIVERS ? open_one(place, &why) : open_any(&why);
  if (g && !first) first = g;
  pthread_mutex_unlock(&lock);
  if (!g && !why && !strict) return &alone;
  if (!g && !why)
    why = place < 0        ? fail_as(PONS_ERROR_RUNTIME, op, "backend '%s' is not built in", backend)
          : place == DRIVERS ? fail_as(PONS_ERROR_RUNTIME, op, "the environment names no group of processes for any backend")
                             : fail_as(PONS_ERROR_RUNTIME, op, "%s needs %s", backend, link_drivers[place]->needs);
  error_release(why);
  return g;
}

int pons_group_rank(pons_group group) { return group ? group->rank : first ? first->rank : 0; }
int pons_group_size(pons_group group) { return group ? group->size : first ? first->size : 1; }

pons_group pons_group_split(pons_group group, int color, int key) {
  if (!group) group = pons_distributed_init(false, "any");
  if (!group) return NULL;
  error *why = NULL;
  process_group *part = NULL;
  if (group->size == 1)
    why = fail_as(PONS_ERROR_RUNTIME, "group_split", "color %d, key %d: a group of 1 process can't be split", color, key);
  else if (color < 0)
    why = fail("group_split", "color %d is negative", color);
  else
    part = group->driver->split(group, color, key < 0 ? group->rank : key, &why);
  error_release(why);
  return part;
}
