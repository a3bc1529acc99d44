/* named.c: arrays under names, in order. A list of entries, and a table that finds them by hash:

       table   [ 2 | . | 0 | . | . | 1 | . | . ]   place in the list + 1, 0 where empty; a power of two
       entries [ "w" | "b" | "x" ]

   Uses the public interface alone. */
#include "formats.h"
#include <stdlib.h>
#include <string.h>

typedef struct entry {
  char *key;        /* owned */
  pons_array array; /* kept; NULL in metadata that is text */
  char **texts;     /* owned, one memory with what they point to; NULL with arrays */
  int64_t n_texts;  /* -1: one text and no list */
} entry;

typedef struct list {
  entry *at;
  size_t count, room;
  uint32_t *table;
  size_t table_room; /* at least twice `room` */
} list;

struct pons_named_s {
  list arrays, metadata;
};

static size_t hash(const char *key) {
  uint64_t h = 14695981039346656037u; /* FNV-1a */
  for (; *key; key++) h = (h ^ (unsigned char)*key) * 1099511628211u;
  return (size_t)(h ^ h >> 29);
}

/* The place in the table where `key` is, or would be put. */
static size_t list_slot(const list *l, const char *key) {
  size_t slot = hash(key) & (l->table_room - 1);
  while (l->table[slot] && strcmp(l->at[l->table[slot] - 1].key, key) != 0)
    slot = (slot + 1) & (l->table_room - 1);
  return slot;
}

static int64_t list_find(const list *l, const char *key) {
  return l->table_room ? (int64_t)l->table[list_slot(l, key)] - 1 : -1;
}

static void list_index_again(list *l) {
  memset(l->table, 0, l->table_room * sizeof *l->table);
  for (size_t i = 0; i < l->count; i++) l->table[list_slot(l, l->at[i].key)] = (uint32_t)i + 1;
}

/* Room for one more entry. False: no memory, nothing changed. */
static bool list_grow(list *l) {
  if (l->count < l->room) return true;
  const size_t room = l->room ? 2 * l->room : 16;
  if (room > UINT32_MAX / 4) return false;
  entry *at = realloc(l->at, room * sizeof *at);
  if (!at) return false;
  l->at = at;
  uint32_t *table = malloc(2 * room * sizeof *table);
  if (!table) return false;
  free(l->table);
  l->table = table;
  l->table_room = 2 * room;
  l->room = room;
  list_index_again(l);
  return true;
}

static void entry_free(entry *e) {
  free(e->key);
  free(e->texts);
  pons_release(e->array);
}

/* Takes over `e`'s array and texts. False: no memory; then they are still the caller's. */
static bool list_set(list *l, const char *key, entry e) {
  const int64_t found = list_find(l, key);
  if (found >= 0) {
    entry *old = &l->at[found];
    pons_release(old->array);
    free(old->texts);
    old->array = e.array;
    old->texts = e.texts;
    old->n_texts = e.n_texts;
    return true;
  }
  if (!list_grow(l) || !(e.key = strdup(key))) return false;
  l->table[list_slot(l, key)] = (uint32_t)l->count + 1;
  l->at[l->count++] = e;
  return true;
}

static bool list_remove(list *l, const char *key) {
  const int64_t i = list_find(l, key);
  if (i < 0) return false;
  entry_free(&l->at[i]);
  l->count--;
  memmove(&l->at[i], &l->at[i + 1], (l->count - (size_t)i) * sizeof *l->at);
  list_index_again(l);
  return true;
}

static void list_free(list *l) {
  for (size_t i = 0; i < l->count; i++) entry_free(&l->at[i]);
  free(l->at);
  free(l->table);
}

static const entry *list_at(const list *l, int64_t i) {
  return i >= 0 && (uint64_t)i < l->count ? &l->at[i] : NULL;
}

pons_named pons_named_new(void) {
  pons_named named = calloc(1, sizeof *named);
  if (!named) io_fail_as(PONS_ERROR_MEMORY, "named_new", "out of memory");
  return named;
}

void pons_named_free(pons_named named) {
  if (!named) return;
  list_free(&named->arrays);
  list_free(&named->metadata);
  free(named);
}

int64_t pons_named_count(pons_named named) { return (int64_t)named->arrays.count; }

const char *pons_named_key(pons_named named, int64_t i) {
  const entry *e = list_at(&named->arrays, i);
  return e ? e->key : NULL;
}

pons_array pons_named_at(pons_named named, int64_t i) {
  const entry *e = list_at(&named->arrays, i);
  return e ? e->array : NULL;
}

int64_t pons_named_find(pons_named named, const char *key) { return list_find(&named->arrays, key); }

pons_array pons_named_get(pons_named named, const char *key) {
  return pons_named_at(named, pons_named_find(named, key));
}

bool pons_named_set(pons_named named, const char *key, pons_array array) {
  if (!array) {
    io_fail("named_set", "no array given for \"%s\"", key);
    return false;
  }
  if (list_set(&named->arrays, key, (entry){.array = pons_keep(array)})) return true;
  pons_release(array);
  io_fail_as(PONS_ERROR_MEMORY, "named_set", "out of memory for \"%s\"", key);
  return false;
}

bool pons_named_remove(pons_named named, const char *key) { return list_remove(&named->arrays, key); }

/* ---- metadata ---- */

static bool set_metadata(pons_named named, const char *key, entry e) {
  if ((e.texts || e.array) && list_set(&named->metadata, key, e)) return true;
  free(e.texts);
  pons_release(e.array);
  io_fail_as(PONS_ERROR_MEMORY, "named_set_metadata", "out of memory for \"%s\"", key);
  return false;
}

/* Pointers and what they point to, in one memory; NULL if there is none. */
static char **copy_texts(const char *const *texts, int64_t count) {
  size_t bytes = ((size_t)count + 1) * sizeof(char *);
  for (int64_t i = 0; i < count; i++) bytes += strlen(texts[i]) + 1;
  char **copy = malloc(bytes);
  char *at = copy ? (char *)(copy + count + 1) : NULL;
  for (int64_t i = 0; copy && i < count; i++) {
    const size_t size = strlen(texts[i]) + 1;
    copy[i] = memcpy(at, texts[i], size);
    at += size;
  }
  return copy;
}

bool pons_named_set_metadata(pons_named named, const char *key, const char *value) {
  if (!value) return list_remove(&named->metadata, key);
  return set_metadata(named, key, (entry){.texts = copy_texts(&value, 1), .n_texts = -1});
}

bool pons_named_set_metadata_texts(pons_named named, const char *key, const char *const *texts,
                                   int64_t count) {
  return set_metadata(named, key, (entry){.texts = copy_texts(texts, count), .n_texts = count});
}

bool pons_named_set_metadata_array(pons_named named, const char *key, pons_array value) {
  if (!value) return list_remove(&named->metadata, key);
  return set_metadata(named, key, (entry){.array = pons_keep(value)});
}

static const entry *metadata(pons_named named, const char *key) {
  return list_at(&named->metadata, list_find(&named->metadata, key));
}

const char *pons_named_metadata(pons_named named, const char *key) {
  const entry *e = metadata(named, key);
  return e && e->texts && e->n_texts < 0 ? e->texts[0] : NULL;
}

const char *const *pons_named_metadata_texts(pons_named named, const char *key, int64_t *count) {
  const entry *e = metadata(named, key);
  const bool found = e && e->texts && e->n_texts >= 0;
  *count = found ? e->n_texts : 0;
  return found ? (const char *const *)e->texts : NULL;
}

pons_array pons_named_metadata_array(pons_named named, const char *key) {
  const entry *e = metadata(named, key);
  return e ? e->array : NULL;
}

int64_t pons_named_metadata_count(pons_named named) { return (int64_t)named->metadata.count; }

const char *pons_named_metadata_key(pons_named named, int64_t i) {
  const entry *e = list_at(&named->metadata, i);
  return e ? e->key : NULL;
}
