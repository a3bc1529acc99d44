/* mlxfn_read.c: the bytes of a .mlxfn file as a checked structure.

     file      release, number of functions, shapeless?, metadata (since 0.32.1), functions
     function  keywords, input ids, inputs, output ids, tape
     tape      entries: an operation, the use of an input, or a constant

   Every count is compared with the bytes that are left before anything is allocated for it; every id must
   stand for something that came before. What the shapes should be is not known here. Uses export.h. */
#include "export/export.h"
#include <stdlib.h>

/* ---- ids: 64 bits that the writer chose, to an index ---- */

typedef struct ids {
  uint64_t *keys;
  int32_t *values; /* index + 1; 0: free */
  size_t room, count;
  uint64_t seed; /* differs per run: nobody can prepare a file whose ids all meet in one place */
} ids;

static size_t ids_place(const ids *t, uint64_t id) {
  size_t i = (size_t)hash_bytes(&id, sizeof id, t->seed) & (t->room - 1);
  while (t->values[i] && t->keys[i] != id) i = (i + 1) & (t->room - 1);
  return i;
}

static int32_t ids_get(const ids *t, uint64_t id) { return t->room ? t->values[ids_place(t, id)] - 1 : -1; }

static bool ids_grow(ids *t) {
  ids bigger = {.room = t->room ? t->room * 2 : 64, .seed = t->room ? t->seed : (uint64_t)time_ns()};
  bigger.keys = mem_alloc(bigger.room * sizeof *bigger.keys);
  bigger.values = mem_zalloc(bigger.room * sizeof *bigger.values);
  if (!bigger.keys || !bigger.values) {
    mem_free(bigger.keys);
    mem_free(bigger.values);
    return false;
  }
  for (size_t i = 0; i < t->room; i++) {
    if (!t->values[i]) continue;
    size_t place = ids_place(&bigger, t->keys[i]);
    bigger.keys[place] = t->keys[i];
    bigger.values[place] = t->values[i];
  }
  bigger.count = t->count;
  mem_free(t->keys);
  mem_free(t->values);
  *t = bigger;
  return true;
}

/* The first meaning of an id stays. */
static bool ids_add(ids *t, uint64_t id, int32_t value) {
  if ((t->count + 1) * 4 > t->room * 3 && !ids_grow(t)) return false;
  size_t i = ids_place(t, id);
  if (t->values[i]) return true;
  t->keys[i] = id;
  t->values[i] = value + 1;
  t->count++;
  return true;
}

static void ids_free(ids *t) {
  mem_free(t->keys);
  mem_free(t->values);
  *t = (ids){0};
}

/* ---- pieces ---- */

typedef struct reader {
  cursor *c;
  mlxfn *f;
  ids constants; /* of the file */
  ids values; /* of the function */
} reader;

static void *take(reader *r, size_t count, size_t size) {
  void *p = r->c->failed ? NULL : file_pool_alloc(&r->f->pool, count * size);
  if (!p && !r->c->failed) {
    r->c->no_memory = true;
    cursor_fail(r->c, r->c->at, "out of memory");
  }
  return p;
}

static void check_memory(reader *r, bool fine) {
  if (fine || r->c->failed) return;
  r->c->no_memory = true;
  cursor_fail(r->c, r->c->at, "out of memory");
}

/* A string in the pool, ended by 0; NULL after a fault. */
static char *read_string(reader *r, int64_t *length, const char *what) {
  int32_t n = cursor_count(r->c, 1, what);
  char *s = take(r, (size_t)n + 1, 1);
  if (!s || !cursor_bytes(r->c, s, (uint64_t)n)) return NULL;
  if (length) *length = n;
  return s;
}

static pons_dtype read_dtype(reader *r) {
  uint64_t at = r->c->at;
  int code = cursor_i32(r->c), size = cursor_u8(r->c);
  if (r->c->failed) return PONS_BOOL;
  if (r->f->release < RELEASE_FLOAT64 && (code == 11 || code == 12))
    code++; /* there was no float64 among the codes */
  else if (r->f->release < RELEASE_FLOAT64 && code == 13) code = -1;
  if (!dtype_is_valid(code) || code == PONS_COMPLEX128) cursor_fail(r->c, at, "%d is no code of a dtype", code);
  else if (pons_dtype_size((pons_dtype)code) != (size_t)size)
    cursor_fail(r->c, at, "%s with elements of %d bytes", pons_dtype_name((pons_dtype)code), size);
  return r->c->failed ? PONS_BOOL : (pons_dtype)code;
}

static void read_shape(reader *r, file_array *a) {
  uint64_t at = r->c->at;
  int32_t n = cursor_count(r->c, 4, "sizes of a shape");
  if (n > PONS_MAX_NDIM)
    cursor_fail(r->c, at, "an array of %d dimensions; the most here are %d", n, PONS_MAX_NDIM);
  int64_t *dims = take(r, (size_t)n, sizeof *dims), size;
  if (!dims) return;
  for (int i = 0; i < n; i++) {
    dims[i] = cursor_i32(r->c);
    if (dims[i] < 0) cursor_fail(r->c, r->c->at - 4, "a size of %lld", (long long)dims[i]);
  }
  if (!r->c->failed && !shape_size_checked(n, dims, &size))
    cursor_fail(r->c, at, "an array of shape %s has too many elements", shape_text(n, dims));
  a->ndim = n;
  a->dims = dims;
}

/* Adds a value to the function; its index. */
static int32_t add_value(reader *r, signature *s, file_array a) {
  if (r->c->failed) return 0;
  if (s->n_values >= INT32_MAX) cursor_fail(r->c, r->c->at, "too many values");
  check_memory(r, mem_room(&s->values, &s->values_room, s->n_values + 1, sizeof *s->values));
  if (r->c->failed) return 0;
  s->values[s->n_values] = a;
  check_memory(r, ids_add(&r->values, a.id, (int32_t)s->n_values));
  return (int32_t)s->n_values++;
}

/* vec<u64> of ids that must be known. */
static const int32_t *read_uses(reader *r, int32_t *count, const char *what) {
  int32_t n = cursor_count(r->c, 8, what);
  int32_t *uses = take(r, (size_t)n, sizeof *uses);
  for (int32_t i = 0; uses && i < n && !r->c->failed; i++) {
    uint64_t id = cursor_u64(r->c);
    uses[i] = ids_get(&r->values, id);
    if (uses[i] < 0)
      cursor_fail(r->c, r->c->at - 8, "id %llu stands for nothing that came before", (unsigned long long)id);
  }
  *count = r->c->failed ? 0 : n;
  return uses;
}

/* ---- state ---- */

static void read_list(reader *r, file_state *out, int width) {
  int32_t n = cursor_count(r->c, (uint64_t)width, "items of a list");
  int64_t *list = take(r, (size_t)n, sizeof *list);
  for (int32_t i = 0; list && i < n; i++) list[i] = width == 4 ? cursor_i32(r->c) : cursor_i64(r->c);
  out->integer = list ? n : 0;
  out->list = list;
}

/* The arguments of custom kernels: three ints, triples of bools, tagged scalars. */
static void read_triple(reader *r, file_state *out) {
  int64_t *list = take(r, 3, sizeof *list);
  for (int i = 0; list && i < 3; i++) list[i] = cursor_i32(r->c);
  out->integer = 3;
  out->list = list;
}

static void read_bools(reader *r, file_state *out) {
  int32_t n = cursor_count(r->c, 3, "argument descriptions");
  int64_t *list = take(r, (size_t)n * 3, sizeof *list);
  for (int64_t i = 0; list && i < 3 * (int64_t)n; i++) list[i] = cursor_bool(r->c);
  out->integer = list ? 3 * (int64_t)n : 0;
  out->list = list;
}

static void read_scalars(reader *r, file_state *out) {
  int32_t n = cursor_count(r->c, 5, "scalar arguments");
  int64_t *list = take(r, (size_t)n * 2, sizeof *list);
  for (int32_t i = 0; list && i < n && !r->c->failed; i++) {
    int32_t tag = cursor_i32(r->c);
    if (tag < 0 || tag > 2) cursor_fail(r->c, r->c->at - 4, "%d is no kind of scalar", tag);
    list[2 * i] = tag;
    list[2 * i + 1] = tag == 2 ? cursor_bool(r->c) : cursor_i32(r->c);
  }
  out->integer = list ? 2 * (int64_t)n : 0;
  out->list = list;
}

static void read_field(reader *r, file_state *out) {
  cursor *c = r->c;
  switch (out->field.type) {
    case 'i': out->integer = cursor_i32(c); break;
    case 'b': out->integer = cursor_bool(c); break;
    case 'f': out->real = cursor_f32(c); break;
    case 'd': out->real = cursor_f64(c); break;
    case 'D': out->integer = read_dtype(r); break;
    case 'Q': out->integer = cursor_i64(c); break;
    case 'I': read_list(r, out, 4); break;
    case 'L':
    case 'U': read_list(r, out, 8); break;
    case 's': out->text = read_string(r, &out->integer, "bytes of a string"); break;
    case '3': read_triple(r, out); break;
    case 'S': read_bools(r, out); break;
    case 'V': read_scalars(r, out); break;
    case 'O':
      out->integer = cursor_bool(c);
      if (out->integer) out->real = cursor_f32(c);
      break;
    case 'e':
      out->integer = cursor_i32(c);
      if (out->integer < 0 || out->integer >= out->field.limit)
        cursor_fail(c, c->at - 4, "%lld is no value of %.*s", (long long)out->integer, out->field.name_length,
                    out->field.name);
      break;
    default: out->integer = out->field.implied; /* '=' */
  }
}

static void read_state(reader *r, file_entry *e) {
  layout_field field;
  int n = 0;
  for (const char *s = e->layout->state; layout_next(&s, &field);) n++;
  file_state *state = take(r, (size_t)n, sizeof *state);
  if (!state) return;
  const char *s = e->layout->state;
  for (int i = 0; i < n; i++) {
    layout_next(&s, &state[i].field);
    if (state[i].field.type != '~') {
      read_field(r, &state[i]);
      continue;
    }
    for (int k = 0; k < i; k++)
      if (state[k].field.name_length == state[i].field.other_length &&
          memcmp(state[k].field.name, state[i].field.other, (size_t)state[i].field.other_length) == 0) {
        layout_field own = state[i].field;
        state[i] = state[k];
        state[i].field.name = own.name;
        state[i].field.name_length = own.name_length;
      }
  }
  e->state = state;
  e->n_state = n;
}

/* ---- entries ---- */

static void read_results(reader *r, signature *s, file_entry *e, uint64_t id) {
  cursor *c = r->c;
  uint64_t at = c->at, siblings = cursor_u64(c);
  if (siblings == 0) {
    file_array a = {.id = id, .constant = -1};
    int32_t *out = take(r, 1, sizeof *out);
    read_shape(r, &a);
    a.dtype = read_dtype(r);
    int32_t value = add_value(r, s, a);
    if (c->failed) return;
    *out = value;
    e->out = out;
    e->n_out = 1;
    return;
  }
  int32_t n = cursor_count(c, 8, "results");
  if (siblings >= INT32_MAX || siblings + 1 != (uint64_t)n)
    cursor_fail(c, at, "%llu siblings but %d results", (unsigned long long)siblings, n);
  file_array *types = take(r, (size_t)n, sizeof *types);
  int32_t *out = take(r, (size_t)n, sizeof *out);
  if (c->failed) return;
  bool found = false;
  for (int32_t i = 0; i < n; i++) {
    types[i] = (file_array){.id = cursor_u64(c), .constant = -1};
    found |= types[i].id == id;
  }
  if (!found) cursor_fail(c, at, "the entry's id is not among its results");
  at = c->at;
  if (cursor_count(c, 8, "shapes") != n)
    cursor_fail(c, at, "there are %d results, but not as many shapes", n);
  for (int32_t i = 0; i < n && !c->failed; i++) read_shape(r, &types[i]);
  at = c->at;
  if (cursor_count(c, 5, "dtypes") != n)
    cursor_fail(c, at, "there are %d results, but not as many dtypes", n);
  for (int32_t i = 0; i < n && !c->failed; i++) types[i].dtype = read_dtype(r);
  for (int32_t i = 0; i < n && !c->failed; i++) out[i] = add_value(r, s, types[i]);
  e->out = out;
  e->n_out = n;
}

static void read_operation(reader *r, signature *s, file_entry *e, uint64_t id) {
  cursor *c = r->c;
  e->kind = ENTRY_OP;
  e->in = read_uses(r, &e->n_in, "operands");
  for (int i = 0; i < 3; i++) e->stream[i] = cursor_i32(c);
  if (e->stream[1] < 0 || e->stream[1] > 1)
    cursor_fail(c, c->at - 8, "%d is no type of device", e->stream[1]);
  uint64_t at = c->at;
  int64_t length = 0;
  const char *name = read_string(r, &length, "bytes of a name");
  if (c->failed) return;
  e->layout = layout_find(name, r->f->release);
  if (!e->layout || strlen(name) != (size_t)length) {
    cursor_fail(c, at, "unknown primitive '%.80s'", name);
    return;
  }
  if (e->n_in < e->layout->least || (e->layout->most >= 0 && e->n_in > e->layout->most)) {
    cursor_fail(c, e->at, "%s with %d operands", name, e->n_in);
    return;
  }
  read_state(r, e);
  if (!c->failed) e->prim = mlxfn_prim(e);
  read_results(r, s, e, id);
}

static void read_constant(reader *r, signature *s, file_entry *e, uint64_t id) {
  cursor *c = r->c;
  mlxfn *f = r->f;
  e->kind = ENTRY_CONSTANT;
  int32_t known = ids_get(&r->constants, id);
  if (known < 0) {
    known = f->n_constants;
    file_array a = {.id = id, .constant = known};
    read_shape(r, &a);
    a.dtype = read_dtype(r);
    if (c->failed) return;
    uint64_t bytes = (uint64_t)shape_size(a.ndim, a.dims) * pons_dtype_size(a.dtype), data_at = c->at;
    cursor_skip(c, bytes);
    if (c->failed) return;
    check_memory(r, mem_room(&f->constants, &f->constants_room, (size_t)known + 1, sizeof *f->constants));
    check_memory(r, ids_add(&r->constants, id, known));
    if (c->failed) return;
    f->constants[known] = (file_constant){.type = a, .data_at = data_at, .bytes = bytes};
    f->n_constants++;
  }
  int32_t *out = take(r, 1, sizeof *out);
  int32_t value = add_value(r, s, f->constants[known].type);
  if (c->failed) return;
  *out = value;
  e->out = out;
  e->n_out = 1;
}

static void read_entry(reader *r, signature *s, file_entry *e) {
  cursor *c = r->c;
  e->at = c->at;
  uint64_t id = cursor_u64(c);
  if (cursor_bool(c)) {
    read_operation(r, s, e, id);
  } else if (cursor_bool(c)) {
    read_constant(r, s, e, id);
  } else {
    e->kind = ENTRY_INPUT;
    int32_t value = ids_get(&r->values, id);
    if (!c->failed && (value < 0 || value >= s->n_in))
      cursor_fail(c, e->at, "id %llu is used as an input and is none", (unsigned long long)id);
  }
}

/* ---- functions ---- */

static int compare_keys(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Fails if a keyword stands there twice. */
static void check_keys(reader *r, const signature *s, uint64_t at) {
  const char **sorted = take(r, (size_t)s->n_keys, sizeof *sorted);
  if (!sorted || s->n_keys < 2) return;
  memcpy(sorted, s->keys, (size_t)s->n_keys * sizeof *sorted);
  qsort(sorted, (size_t)s->n_keys, sizeof *sorted, compare_keys);
  for (int32_t i = 1; i < s->n_keys; i++)
    if (strcmp(sorted[i - 1], sorted[i]) == 0)
      cursor_fail(r->c, at, "keyword '%.80s' stands there twice", sorted[i]);
}

static void read_inputs(reader *r, signature *s) {
  cursor *c = r->c;
  uint64_t at = c->at;
  s->n_keys = cursor_count(c, 8, "keywords");
  s->keys = take(r, (size_t)s->n_keys, sizeof *s->keys);
  for (int32_t i = 0; i < s->n_keys && !c->failed; i++) {
    uint64_t key_at = c->at;
    int64_t length = 0;
    s->keys[i] = read_string(r, &length, "bytes of a keyword");
    if (!c->failed && strlen(s->keys[i]) != (size_t)length)
      cursor_fail(c, key_at, "a keyword holds a zero byte");
  }
  check_keys(r, s, at);
  at = c->at;
  s->n_in = cursor_count(c, 8, "inputs");
  if (s->n_keys > s->n_in) cursor_fail(c, at, "%d keywords but %d inputs", s->n_keys, s->n_in);
  uint64_t *names = take(r, (size_t)s->n_in, sizeof *names);
  for (int32_t i = 0; names && i < s->n_in; i++) names[i] = cursor_u64(c);
  at = c->at;
  if (cursor_count(c, 13, "inputs") != s->n_in)
    cursor_fail(c, at, "there are %d input ids, but not as many inputs", s->n_in);
  for (int32_t i = 0; i < s->n_in && !c->failed; i++) {
    file_array a = {.id = names[i], .constant = -1};
    read_shape(r, &a);
    a.dtype = read_dtype(r);
    add_value(r, s, a);
  }
}

static void read_function(reader *r, signature *s) {
  cursor *c = r->c;
  ids_free(&r->values);
  s->at = c->at;
  read_inputs(r, s);
  uint64_t outputs_at = c->at;
  s->n_out = cursor_count(c, 8, "outputs");
  uint64_t *outputs = take(r, (size_t)s->n_out, sizeof *outputs);
  for (int32_t i = 0; outputs && i < s->n_out; i++) outputs[i] = cursor_u64(c);
  int32_t n = cursor_count(c, 10, "entries of a tape");
  s->entries = take(r, (size_t)n, sizeof *s->entries);
  for (; s->n_entries < n && !c->failed; s->n_entries++) read_entry(r, s, &s->entries[s->n_entries]);
  int32_t *out = take(r, (size_t)s->n_out, sizeof *out);
  for (int32_t i = 0; i < s->n_out && !c->failed; i++) {
    out[i] = ids_get(&r->values, outputs[i]);
    if (out[i] < 0)
      cursor_fail(c, outputs_at + 8 + 8 * (uint64_t)i, "output id %llu stands for nothing in the tape",
                  (unsigned long long)outputs[i]);
  }
  s->out = out;
}

void mlxfn_free(mlxfn *f) {
  if (!f) return;
  for (int32_t i = 0; i < f->n_signatures; i++) mem_free(f->signatures[i].values);
  for (int32_t i = 0; i < f->n_constants; i++)
    if (f->constants[i].array) pons_release(f->constants[i].array);
  mem_free(f->constants);
  file_pool_free(&f->pool);
  mem_free(f);
}

/* The file in the layout of `release`. What could be read when the cursor has failed; NULL: no memory. */
static mlxfn *read_as(cursor *c, int release) {
  mlxfn *f = mem_zalloc(sizeof *f);
  if (!f) return NULL;
  reader r = {.c = c, .f = f};
  f->release = release;
  f->size = c->size;
  c->at = 0;
  f->release_name = read_string(&r, NULL, "bytes of the release's name");
  uint64_t at = c->at;
  int32_t count = cursor_i32(c);
  f->shapeless = cursor_bool(c);
  f->metadata = release >= RELEASE_METADATA ? read_string(&r, NULL, "bytes of metadata") : take(&r, 1, 1);
  if (!c->failed && (count < 0 || (uint64_t)count > cursor_left(c) / 40))
    cursor_fail(c, at, "%d functions can't fit in the %llu bytes left", count,
                (unsigned long long)cursor_left(c));
  f->signatures = take(&r, c->failed ? 0 : (size_t)count, sizeof *f->signatures);
  while (!c->failed && f->n_signatures < count) read_function(&r, &f->signatures[f->n_signatures++]);
  f->trailing = cursor_left(c);
  ids_free(&r.values);
  ids_free(&r.constants);
  return f;
}

/* Reads another layout into *best if it fits to the last byte. */
static bool try_layout(cursor *c, int release, mlxfn **best) {
  c->failed = c->no_memory = false;
  mlxfn *f = read_as(c, release);
  if (f && !c->failed && f->trailing == 0) {
    mlxfn_free(*best);
    *best = f;
    return true;
  }
  mlxfn_free(f);
  return false;
}

mlxfn *mlxfn_read(cursor *c) {
  char name[32] = "";
  uint64_t length = cursor_u64(c);
  if (!c->failed && length <= cursor_left(c))
    cursor_bytes(c, name, length < sizeof name - 1 ? length : sizeof name - 1);
  bool exact, fits;
  int stated = release_number(name, &exact);
  c->failed = false;
  mlxfn *f = read_as(c, stated);
  cursor first = *c;
  fits = f && !c->failed && (exact || f->trailing == 0);
  /* A development build or another program: the release's name says little about the layout. */
  for (const int *release = layout_releases; !fits && !exact && *release; release++)
    fits = try_layout(c, *release, &f);
  if (fits || (f && !first.failed)) return f;
  mlxfn_free(f);
  error_release(!f || first.no_memory ? fail_no_memory("import")
                                      : fail_as(PONS_ERROR_RUNTIME, "import", "byte %llu: %s",
                                                (unsigned long long)first.fault_at, first.fault));
  return NULL;
}

bool mlxfn_load_constants(mlxfn *f, cursor *c) {
  for (int32_t i = 0; i < f->n_constants; i++) {
    file_constant *k = &f->constants[i];
    error *why = NULL;
    buffer *b = buffer_new((size_t)k->bytes, "import", &why);
    if (!b) {
      error_release(why);
      return false;
    }
    if (!cursor_read_at(c, k->data_at, buffer_data(b), k->bytes)) {
      error_release(
          fail_as(PONS_ERROR_RUNTIME, "import", "byte %llu: %s", (unsigned long long)c->fault_at, c->fault));
      buffer_release(b);
      return false;
    }
    if (k->type.dtype == PONS_BOOL) /* C's bool holds 0 or 1 and nothing else */
      for (uint64_t j = 0; j < k->bytes; j++)
        ((uint8_t *)buffer_data(b))[j] = ((uint8_t *)buffer_data(b))[j] != 0;
    pons_array a = node_constant(b, k->type.dtype, k->type.ndim, k->type.dims, NULL, 0);
    if (!a || node_failed(a)) return false;
    k->array = pons_keep(a);
  }
  return true;
}
