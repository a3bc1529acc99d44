/* account.c: how much of each device's memory is in use, was at most, and may be: an account for each device, and their sum.

       driver: take ── of its cache, or new: account_take ── beyond the limit? its cache is emptied, and again: then there is no memory,
          │                                                                     and what was used longest ago gives way (spill.c)
          └─── give ── to its cache, or the device: account_count

   Counted are blocks as the driver makes them, where it does; of the host's (cache.c) bytes asked for. What lies in caches drivers know
   (`cached`); it is in the limit, too. A device without memory of its own works on the host's account. One lock guards all accounts and
   the host's cache. Uses base/, cache.c, machine.c, pick.c, spill.c. */
#include "device/parts.h"
#include <assert.h>
#include <stdlib.h>

pthread_mutex_t account_lock = PTHREAD_MUTEX_INITIALIZER;
static account accounts[MAX_DEVICES + 1];
static int count;
static size_t active, peak; /* of all together */
static size_t asked_cache_limit = SIZE_MAX; /* of all devices, those to come as well; SIZE_MAX: nobody asked for any */

/* ---- accounts ---- */

/* PONS_MEMORY_LIMIT, in bytes; SIZE_MAX: there is none. */
static size_t wanted_limit(void) {
  const char *wanted = getenv("PONS_MEMORY_LIMIT");
  const double bytes = wanted != NULL ? strtod(wanted, NULL) : 0;
  return bytes >= 1 && bytes < 0x1p63 ? (size_t)bytes : SIZE_MAX;
}

/* As it is before anybody sets limits: of a device the variable's, else all of its memory. */
static account account_at_first(const memory_driver *m, int index) {
  const size_t machine = machine_memory(), most = machine / 10 * 9;
  account a = {.of = m, .index = index, .limit = most, .cache_limit = machine / 4};
  if (m == NULL) return a;
  const size_t size = m->size != NULL ? m->size(index) : 0, wanted = wanted_limit();
  if (size > 0) a.limit = size;
  if (wanted < a.limit) a.limit = wanted;
  return a;
}

/* The lock is held. */
static account *find(const memory_driver *m, int index) {
  for (int i = 0; i < count; i++)
    if (accounts[i].of == m && (m == NULL || accounts[i].index == index)) return &accounts[i];
  return NULL;
}

static account *add(account a) {
  assert(count <= MAX_DEVICES);
  if (asked_cache_limit != SIZE_MAX) a.cache_limit = asked_cache_limit;
  accounts[count] = a;
  return &accounts[count++];
}

account *account_of(const memory_driver *m, int index) {
  pthread_mutex_lock(&account_lock);
  account *a = find(m, index);
  pthread_mutex_unlock(&account_lock);
  if (a != NULL) return a;
  const account first = account_at_first(m, index);
  pthread_mutex_lock(&account_lock);
  a = find(m, index); /* somebody else may have been as far */
  if (a == NULL) a = add(first);
  pthread_mutex_unlock(&account_lock);
  return a;
}

account *account_of_host(void) {
  static account *host;
  if (host == NULL) host = find(NULL, 0);
  if (host == NULL) host = add(account_at_first(NULL, 0));
  return host;
}

static account *account_on(const device *d) { return account_of(d->driver->memory, d->index); }

/* ---- counting ---- */

void account_add(account *a, ptrdiff_t bytes) {
  a->active += (size_t)bytes;
  active += (size_t)bytes;
  if (bytes <= 0) return;
  if (a->active > a->peak) a->peak = a->active;
  if (active > peak) peak = active;
}

void account_count(account *a, ptrdiff_t bytes) {
  pthread_mutex_lock(&account_lock);
  account_add(a, bytes);
  pthread_mutex_unlock(&account_lock);
}

bool account_take(account *a, size_t bytes, size_t kept) {
  pthread_mutex_lock(&account_lock);
  const size_t taken = a->active + kept;
  const bool fits = taken <= a->limit && bytes <= a->limit - taken;
  if (fits) account_add(a, (ptrdiff_t)bytes);
  pthread_mutex_unlock(&account_lock);
  return fits;
}

void account_count_spilled(const device *d, size_t bytes) {
  account *a = account_on(d);
  pthread_mutex_lock(&account_lock);
  a->spilled += bytes;
  pthread_mutex_unlock(&account_lock);
}

static size_t read_number(const size_t *number) {
  pthread_mutex_lock(&account_lock);
  const size_t value = *number;
  pthread_mutex_unlock(&account_lock);
  return value;
}

size_t account_cache_limit(const account *a) { return read_number(&a->cache_limit); }
size_t account_limit(const account *a) { return read_number(&a->limit); }
size_t account_active(const account *a) { return read_number(&a->active); }

/* ---- of one device ---- */

static bool is_apart(const device *d) { return d->driver->memory != NULL; }

static size_t cached_on(const device *d) {
  if (!is_apart(d)) return cache_bytes();
  return d->driver->memory->cached != NULL ? d->driver->memory->cached(d->index) : 0;
}

static void clear(const device *d) {
  if (!is_apart(d)) cache_keep(0);
  else if (d->driver->memory->trim != NULL) d->driver->memory->trim(d->index);
}

/* What is over a new limit goes: of the host's what is cached, of a device's arrays, too. */
static void keep_to_limits(const device *d) {
  account *a = account_on(d);
  pthread_mutex_lock(&account_lock);
  const size_t spare = a->limit > a->active ? a->limit - a->active : 0, over = a->active > a->limit ? a->active - a->limit : 0;
  const size_t keep = a->cache_limit < spare ? a->cache_limit : spare;
  pthread_mutex_unlock(&account_lock);
  if (!is_apart(d)) cache_keep(keep);
  else if (cached_on(d) > keep) clear(d);
  if (is_apart(d) && over > 0) device_make_room(d, over);
}

static size_t exchange(size_t *number, size_t value) {
  pthread_mutex_lock(&account_lock);
  const size_t before = *number;
  *number = value;
  pthread_mutex_unlock(&account_lock);
  return before;
}

static const device *device_asked(const char *op, const char *name) {
  return device_or_error(op, name != NULL ? name : pons_default_device());
}

static pons_memory memory_on(const device *d) {
  const account *a = account_on(d);
  const size_t cached = cached_on(d);
  pthread_mutex_lock(&account_lock);
  const pons_memory now = {.active = a->active,
                           .peak = a->peak,
                           .cached = cached,
                           .limit = a->limit,
                           .cache_limit = a->cache_limit,
                           .spilled = a->spilled};
  pthread_mutex_unlock(&account_lock);
  return now;
}

bool pons_device_memory(const char *name, pons_memory *memory) {
  const device *d = device_asked("device_memory", name);
  if (d != NULL) *memory = memory_on(d);
  return d != NULL;
}

bool pons_set_device_memory_limit(const char *name, size_t bytes) {
  const device *d = device_asked("set_device_memory_limit", name);
  if (d == NULL) return false;
  exchange(&account_on(d)->limit, bytes);
  keep_to_limits(d);
  return true;
}

bool pons_set_device_cache_limit(const char *name, size_t bytes) {
  const device *d = device_asked("set_device_cache_limit", name);
  if (d == NULL) return false;
  exchange(&account_on(d)->cache_limit, bytes);
  keep_to_limits(d);
  return true;
}

bool pons_reset_device_peak_memory(const char *name) {
  const device *d = device_asked("reset_device_peak_memory", name);
  if (d != NULL) exchange(&account_on(d)->peak, 0);
  return d != NULL;
}

bool pons_clear_device_cache(const char *name) {
  const device *d = device_asked("clear_device_cache", name);
  if (d != NULL) clear(d);
  return d != NULL;
}

/* ---- of all ---- */

size_t pons_get_active_memory(void) { return read_number(&active); }
size_t pons_get_peak_memory(void) { return read_number(&peak); }

void pons_reset_peak_memory(void) {
  pthread_mutex_lock(&account_lock);
  peak = 0;
  for (int i = 0; i < count; i++) accounts[i].peak = 0;
  pthread_mutex_unlock(&account_lock);
}

/* Devices that were found so far: nothing is opened to be counted. */
size_t pons_get_cache_memory(void) {
  size_t bytes = cache_bytes();
  for (int i = 0; i < devices_known(); i++)
    if (is_apart(device_at(i))) bytes += cached_on(device_at(i));
  return bytes;
}

void pons_clear_cache(void) {
  cache_keep(0);
  for (int i = 0; i < devices_known(); i++)
    if (is_apart(device_at(i))) clear(device_at(i));
}

size_t pons_get_memory_limit(void) { return account_limit(account_of(NULL, 0)); }

size_t pons_set_memory_limit(size_t bytes) {
  const size_t before = exchange(&account_of(NULL, 0)->limit, bytes);
  keep_to_limits(device_host());
  return before;
}

size_t pons_set_cache_limit(size_t bytes) {
  account_of(NULL, 0);
  pthread_mutex_lock(&account_lock);
  const size_t before = account_of_host()->cache_limit;
  asked_cache_limit = bytes;
  for (int i = 0; i < count; i++) accounts[i].cache_limit = bytes;
  pthread_mutex_unlock(&account_lock);
  keep_to_limits(device_host());
  for (int i = 0; i < devices_known(); i++)
    if (is_apart(device_at(i))) keep_to_limits(device_at(i));
  return before;
}

size_t pons_set_wired_limit(size_t bytes) {
  static _Atomic size_t wired;
  return atomic_exchange(&wired, bytes);
}

void account_add_json(text *json, const device *d) {
  const pons_memory m = memory_on(d);
  text_add(json, "{\"active\": %zu, \"peak\": %zu, \"cached\": %zu, \"limit\": %zu, \"cache limit\": %zu, \"spilled\": %zu}", m.active,
           m.peak, m.cached, m.limit, m.cache_limit, m.spilled);
}
