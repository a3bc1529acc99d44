/* pick.c: the devices that the drivers found, and which implementation computes a primitive on one.

   Both are fixed at first use and live in static tables: a list of devices, and a hash of (driver, primitive)
   to the first of its implementations, each of which knows the next of the same primitive. Uses base/,
   cache.c. */
#include "device/parts.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

static device devices[MAX_DEVICES];
static int device_count;

enum { MAX_ROWS = 4096, PLACES = 4096 };
static struct row_of_list {
  const implementation *implementation;
  int next; /* of the same driver and primitive; -1: none */
} rows[MAX_ROWS];
static int row_count;
static struct place {
  const char *prim; /* NULL: free */
  const driver *driver;
  int first, last;
} places[PLACES];

/* Of its first and last bytes: each node asks. */
static size_t hash_name(const char *name) {
  uint64_t first = 0, last = 0;
  const size_t length = strlen(name), some = length < sizeof first ? length : sizeof first;
  memcpy(&first, name, some);
  memcpy(&last, name + length - some, some);
  const uint64_t hash = (first ^ last * 0x9e3779b97f4a7c15u ^ length) * 0xff51afd7ed558ccdu;
  return (size_t)(hash >> 32);
}

static struct place *place_of(const driver *v, const char *prim) {
  size_t i = (hash_name(prim) + ((uintptr_t)v >> 6)) % PLACES;
  while (places[i].prim != NULL && (places[i].driver != v || strcmp(places[i].prim, prim) != 0))
    i = (i + 1) % PLACES;
  return &places[i];
}

static void add_implementations(const driver *v) {
  for (int i = 0; i < v->n_implementations; i++) {
    assert(row_count < MAX_ROWS / 2); /* the hash stays half empty */
    struct place *p = place_of(v, v->implementations[i].prim);
    rows[row_count] = (struct row_of_list){&v->implementations[i], -1};
    if (p->prim == NULL) *p = (struct place){v->implementations[i].prim, v, row_count, row_count};
    else rows[p->last].next = row_count;
    p->last = row_count++;
  }
}

static void ask(const driver *v) {
  int found = v->count();
  for (int i = 0; i < found && device_count < MAX_DEVICES; i++) {
    device *d = &devices[device_count++];
    *d = (device){.driver = v, .index = i};
    if (found == 1) snprintf(d->name, sizeof d->name, "%s", v->name);
    else snprintf(d->name, sizeof d->name, "%.10s:%d", v->name, i % MAX_DEVICES);
  }
}

/* The first driver is the host's; asking the others may open large libraries. */
static void find_first(void) {
  for (const driver *const *v = pons_drivers; *v != NULL; v++) add_implementations(*v);
  ask(pons_drivers[0]);
}

static void know_first(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, find_first);
}

static void find_rest(void) {
  for (const driver *const *v = pons_drivers + 1; *v != NULL; v++) ask(*v);
}

static void know_devices(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  know_first();
  pthread_once(&once, find_rest);
}

int devices_known(void) { return device_count; }
device *device_at(int index) { return &devices[index]; }

static device *chosen = &devices[0];
static void choose_default(void) {
  const char *name = getenv("PONS_DEVICE");
  if (name == NULL || *name == '\0') return;
  device *d = device_or_error("PONS_DEVICE", name);
  if (d != NULL) chosen = d;
}

device *device_default(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  know_first();
  pthread_once(&once, choose_default);
  return chosen;
}

device *device_host(void) {
  know_first();
  return &devices[0];
}

/* "cuda" is the first of its driver; "cpu:0" is "cpu". */
device *device_named(const char *name) {
  know_devices();
  for (int i = 0; i < device_count; i++)
    if (strcmp(name, devices[i].name) == 0) return &devices[i];
  for (int i = 0; i < device_count; i++) {
    char full[32];
    snprintf(full, sizeof full, "%s:%d", devices[i].driver->name, devices[i].index);
    if (strcmp(name, full) == 0 || (devices[i].index == 0 && strcmp(name, devices[i].driver->name) == 0))
      return &devices[i];
  }
  return NULL;
}

bool device_knows(const device *d, const char *prim) { return place_of(d->driver, prim)->prim != NULL; }

bool device_lists(const driver *v, const char *prim) {
  know_first();
  return place_of(v, prim)->prim != NULL;
}

static bool can_hold(const driver *v, const launch *l) {
  unsigned dtypes = 0;
  for (int i = 0; i < l->n_in; i++) dtypes |= 1u << l->in[i].dtype;
  for (int i = 0; i < l->n_out; i++) dtypes |= 1u << l->out[i].dtype;
  return !(dtypes & v->cannot_hold);
}

const implementation *device_pick(const device *d, const char *prim, const launch *l, text *why) {
  const struct place *p = place_of(d->driver, prim);
  if (d->driver->cannot_hold && !can_hold(d->driver, l)) {
    if (why != NULL) text_add(why, "%s: it can't hold an operand's dtype\n", d->driver->name);
    return NULL;
  }
  for (int r = p->prim != NULL ? p->first : -1; r >= 0; r = rows[r].next) {
    const implementation *candidate = rows[r].implementation;
    const char *reason = candidate->refuses == NULL ? NULL : candidate->refuses(l);
    if (reason == NULL) return candidate;
    if (why != NULL) text_add(why, "%s: %s\n", candidate->name, reason);
  }
  return NULL;
}

const char *device_refuses_kernel(const driver *v, int index, const kernel *k) {
  unsigned dtypes = 0;
  for (int i = 0; i < k->n_in; i++) dtypes |= 1u << k->in[i];
  for (int i = 0; i < k->n_code; i++) dtypes |= 1u << k->code[i].result;
  if (dtypes & v->cannot_hold) return "it can't hold a dtype";
  return v->refuses_kernel != NULL ? v->refuses_kernel(index, k) : NULL;
}

int pons_device_count(void) {
  know_devices();
  return device_count;
}
