/* mlxfn_write.c: graphs as the bytes of a .mlxfn file.

   A tape in topological order becomes entries in the same order. Arrays are numbered as they are met, and the
   numbers are the ids of the file; constants keep theirs from function to function. Equal operations and
   equal scalars are written once. Numbers are stored as little-endian machines hold them. Uses export.h,
   graph/. */
#include "export/export.h"
#include <sys/types.h>

typedef struct scalar { /* a 0-d constant in the file */
  pons_dtype dtype;
  uint64_t bits, id;
} scalar;

struct writer {
  FILE *file;
  const target *t;
  bool failed;
  uint64_t next_id;
  map constants; /* node to id: of the whole file */
  pons_array *kept; /* the nodes of `constants`, so that no other gets their address */
  size_t n_kept, kept_room;
  scalar *scalars;
  size_t n_scalars, scalars_room;
  /* of the function being written: */
  const tape *tape;
  uint64_t *ids; /* per item; 0: not met yet */
  int64_t *next; /* per item: the next of the same hash, or -1 */
  int64_t *heads;
  size_t n_heads; /* a power of two */
  uint64_t entries;
};

static void no_memory(writer *w) {
  if (!w->failed) error_release(fail_no_memory("export"));
  w->failed = true;
}

/* ---- numbers ---- */

static void put(writer *w, const void *bytes, size_t count) {
  if (w->failed || count == 0) return;
  if (fwrite(bytes, 1, count, w->file) == count) return;
  w->failed = true;
  error_release(fail_as(PONS_ERROR_RUNTIME, "export", "the file can't be written: the disk may be full"));
}
static void put_u8(writer *w, uint8_t v) { put(w, &v, sizeof v); }
static void put_i32(writer *w, int32_t v) { put(w, &v, sizeof v); }
static void put_u64(writer *w, uint64_t v) { put(w, &v, sizeof v); }
static void put_text(writer *w, const char *s) {
  put_u64(w, strlen(s));
  put(w, s, strlen(s));
}

static void put_size(writer *w, int64_t v) {
  if ((v > INT32_MAX || v < INT32_MIN) && !w->failed) {
    w->failed = true;
    error_release(fail_as(PONS_ERROR_OVERFLOW, "export",
                          "the file format stores sizes as 32 bits, which %lld exceeds", (long long)v));
  }
  put_i32(w, (int32_t)v);
}

static void put_dtype(writer *w, pons_dtype d) {
  int code = d;
  if (w->t->release < RELEASE_FLOAT64 && d == PONS_FLOAT64 && !w->failed) {
    w->failed = true;
    error_release(fail("export", "MLX %s has no float64", w->t->release_name));
  }
  if (d == PONS_COMPLEX128 && !w->failed) {
    w->failed = true;
    error_release(fail("export", "MLX's files hold no complex128"));
  }
  if (w->t->release < RELEASE_FLOAT64 && d > PONS_FLOAT64) code--;
  put_i32(w, code);
  put_u8(w, (uint8_t)pons_dtype_size(d));
}

static void put_list(writer *w, const ints *list, int width) {
  put_u64(w, (uint64_t)list->n);
  for (int i = 0; i < list->n; i++) {
    if (width == 4) put_size(w, list->at[i]);
    else put(w, &list->at[i], 8);
  }
}

/* Scalars: a kind, then as many bytes as a number of that kind takes. */
static void put_scalars(writer *w, const ints *list) {
  put_u64(w, (uint64_t)list->n / 2);
  for (int i = 0; i + 1 < list->n; i += 2) {
    put_i32(w, (int32_t)list->at[i]);
    if (list->at[i] == SCALAR_BOOL) put_u8(w, list->at[i + 1] != 0);
    else put_i32(w, (int32_t)list->at[i + 1]);
  }
}

static void put_flags(writer *w, const ints *list) {
  put_u64(w, (uint64_t)list->n / 3);
  for (int i = 0; i < list->n; i++) put_u8(w, list->at[i] != 0);
}

static void put_tuple(writer *w, const ints *list) {
  for (int i = 0; i < list->n; i++) put_size(w, list->at[i]);
}

static void put_chars(writer *w, const chars *words) {
  put_u64(w, (uint64_t)words->n);
  put(w, words->at, (size_t)words->n);
}

static void put_optional(writer *w, const optional_float *number) {
  put_u8(w, number->given);
  if (number->given) put(w, &number->value, sizeof number->value);
}

static void put_type(writer *w, pons_dtype dtype, int ndim, const int64_t *dims) {
  put_list(w, &(ints){ndim, dims}, 4);
  put_dtype(w, dtype);
}

/* ---- state ---- */

static void put_field(writer *w, const layout_field *item, const field *f, const void *at) {
  switch (f->type) {
    case FIELD_INT:
    case FIELD_ENUM: put_i32(w, *(const int *)at); break;
    case FIELD_BOOL: put_u8(w, *(const bool *)at); break;
    case FIELD_FLOAT: put(w, at, sizeof(float)); break;
    case FIELD_DOUBLE: put(w, at, sizeof(double)); break;
    case FIELD_DTYPE: put_dtype(w, *(const pons_dtype *)at); break;
    case FIELD_INT64: put(w, at, sizeof(int64_t)); break;
    case FIELD_INTS:
    case FIELD_STRIDES:
    case FIELD_AXES64: put_list(w, at, item->type == 'I' ? 4 : 8); break;
    case FIELD_TUPLE: put_tuple(w, at); break;
    case FIELD_FLAGS: put_flags(w, at); break;
    case FIELD_SCALARS: put_scalars(w, at); break;
    case FIELD_TEXT: put_chars(w, at); break;
    case FIELD_OPTIONAL: put_optional(w, at); break;
    case FIELD_RESULTS:
    case FIELD_FUNCTION: break;
  }
}

static void put_state(writer *w, const node *a, const layout *l) {
  layout_field item;
  for (const char *s = l->state; layout_next(&s, &item);) {
    if (item.type == '=' || item.type == '~' || item.type == '%') continue;
    char name[40];
    snprintf(name, sizeof name, "%.*s", item.name_length, item.name);
    const field *f = prim_field(a->prim, name);
    const int variant = a->prim->row ? row_table[a->prim->row - 1].variant : -1;
    if (f) {
      put_field(w, &item, f, (const char *)a->params + f->offset);
    } else if (variant >= 0) {
      if (item.type == 'b') put_u8(w, (uint8_t)variant);
      else put_i32(w, variant);
    } else if (!w->failed) {
      w->failed = true;
      error_release(fail("export", "%s has no parameter %s", a->prim->name, name));
    }
  }
}

/* ---- entries ---- */

static void put_entry_head(writer *w, uint64_t id, bool operation) {
  put_u64(w, id);
  put_u8(w, operation);
  w->entries++;
}

static bool keep(writer *w, pons_array a, uint64_t id) {
  if (!mem_room(&w->kept, &w->kept_room, w->n_kept + 1, sizeof *w->kept) ||
      !map_set(&w->constants, a, (int64_t)id)) {
    no_memory(w);
    return false;
  }
  w->kept[w->n_kept++] = pons_keep(a);
  return true;
}

/* The id of an equal scalar that the file has, or 0. */
static uint64_t equal_scalar(const writer *w, pons_dtype dtype, uint64_t bits) {
  for (size_t i = w->n_scalars; i > 0; i--)
    if (w->scalars[i - 1].dtype == dtype && w->scalars[i - 1].bits == bits) return w->scalars[i - 1].id;
  return 0;
}

static void write_constant(writer *w, int64_t i) {
  pons_array a = w->tape->at[i].node;
  const void *data = pons_data(a); /* row-major, whatever its strides */
  if (!data && a->size) {
    w->failed = true;
    return;
  }
  uint64_t bits = 0, id = (uint64_t)map_get(&w->constants, a, 0);
  if (a->ndim == 0) {
    memcpy(&bits, data, pons_nbytes(a));
    if (!id) id = equal_scalar(w, (pons_dtype)a->dtype, bits);
  }
  w->ids[i] = id ? id : ++w->next_id;
  for (int64_t k = 0; k < i && a->ndim == 0; k++) /* an equal scalar may be in this tape already */
    if (w->ids[k] == w->ids[i]) return;
  put_entry_head(w, w->ids[i], false);
  put_u8(w, true);
  if (id) return;
  put_type(w, (pons_dtype)a->dtype, a->ndim, a->shape);
  put(w, data, pons_nbytes(a));
  if (!keep(w, a, w->ids[i]) || a->ndim) return;
  if (!mem_room(&w->scalars, &w->scalars_room, w->n_scalars + 1, sizeof *w->scalars)) no_memory(w);
  else w->scalars[w->n_scalars++] = (scalar){(pons_dtype)a->dtype, bits, w->ids[i]};
}

static uint64_t id_of(const writer *w, const node *a) { return w->ids[map_get(&w->tape->index, a, 0)]; }

/* An earlier item that computes the same from the same, or -1; if there is none, `i` is remembered. */
static int64_t equal_operation(writer *w, int64_t i) {
  const tape_item *item = &w->tape->at[i];
  const node *a = item->node;
  if (a->prim->opaque) return -1;
  uint64_t h = params_hash(a->prim, a->params);
  for (int k = 0; k < item->n_in; k++) {
    const uint64_t id = id_of(w, item->in[k]);
    h = hash_bytes(&id, sizeof id, h);
  }
  int64_t *head = &w->heads[h & (w->n_heads - 1)];
  for (int64_t j = *head; j >= 0; j = w->next[j]) {
    const tape_item *other = &w->tape->at[j];
    const node *b = other->node;
    if (b->prim != a->prim || other->n_in != item->n_in || b->dtype != a->dtype || b->n_out != a->n_out)
      continue;
    bool equal =
        shape_equal(a->ndim, a->shape, b->ndim, b->shape) && params_equal(a->prim, a->params, b->params);
    for (int k = 0; equal && k < item->n_in; k++) equal = id_of(w, item->in[k]) == id_of(w, other->in[k]);
    if (equal) return j;
  }
  w->next[i] = *head;
  *head = i;
  return -1;
}

static void write_results(writer *w, const node *a, uint64_t id) {
  put_u64(w, (uint64_t)a->n_out - 1);
  if (a->n_out == 1) {
    put_type(w, (pons_dtype)a->dtype, a->ndim, a->shape);
    return;
  }
  put_u64(w, (uint64_t)a->n_out);
  for (int i = 0; i < a->n_out; i++) put_u64(w, id + (uint64_t)i);
  put_u64(w, (uint64_t)a->n_out);
  for (int i = 0; i < a->n_out; i++) put_list(w, &(ints){a->specs[i].shape.n, a->specs[i].shape.dims}, 4);
  put_u64(w, (uint64_t)a->n_out);
  for (int i = 0; i < a->n_out; i++) put_dtype(w, a->specs[i].dtype);
}

static void write_operation(writer *w, int64_t i) {
  const tape_item *item = &w->tape->at[i];
  const node *a = item->node;
  const int64_t equal = equal_operation(w, i);
  if (equal >= 0) {
    w->ids[i] = w->ids[equal];
    return;
  }
  const char *why;
  const layout *l = target_layout(w->t, a, item->in, &why);
  if (!l) { /* target_lower() has seen to it that this is not so */
    w->failed = true;
    error_release(fail("export", "%s can't be written: %s", a->prim->name, why));
    return;
  }
  w->ids[i] = w->next_id + 1;
  w->next_id += (uint64_t)a->n_out;
  put_entry_head(w, w->ids[i], true);
  put_u64(w, (uint64_t)item->n_in);
  for (int k = 0; k < item->n_in; k++) put_u64(w, id_of(w, item->in[k]));
  put_i32(w, 0);
  put_i32(w, w->t->gpu || l->place == PLACE_ONLY_GPU);
  put_i32(w, 0);
  put_text(w, l->name);
  put_state(w, a, l);
  write_results(w, a, w->ids[i]);
}

static bool is_leaf(const tape_item *item) {
  return !item->node->prim || node_state_of(item->node) == NODE_READY || item->n_in != item->node->n_in;
}

static void write_item(writer *w, int64_t i) {
  const tape_item *item = &w->tape->at[i];
  const node *a = item->node;
  if (w->ids[i]) { /* an input */
    put_entry_head(w, w->ids[i], false);
    put_u8(w, false);
  } else if (a->prim == &prim_input) {
    w->failed = true;
    error_release(fail("export", "the function uses an input of another function that is being traced"));
  } else if (a->prim == &prim_output && !is_leaf(item)) {
    const tape_item *tuple = &w->tape->at[map_get(&w->tape->index, item->in[0], 0)];
    if (is_leaf(tuple)) write_constant(w, i);
    else w->ids[i] = id_of(w, item->in[0]) + (uint64_t)((const output_params *)a->params)->index;
  } else if (is_leaf(item)) {
    if (a->n_out == 1) write_constant(w, i);
  } else {
    write_operation(w, i);
  }
}

/* ---- functions ---- */

static void write_inputs(writer *w, const pons_array *in, int n_in, const char *const *keys, int n_keys,
                         uint64_t first) {
  put_u64(w, (uint64_t)n_keys);
  for (int i = 0; i < n_keys; i++) put_text(w, keys[i]);
  put_u64(w, (uint64_t)n_in);
  for (int i = 0; i < n_in; i++) put_u64(w, first + (uint64_t)i);
  put_u64(w, (uint64_t)n_in);
  for (int i = 0; i < n_in; i++) put_type(w, (pons_dtype)in[i]->dtype, in[i]->ndim, in[i]->shape);
}

static void seek_failed(writer *w) {
  if (!w->failed) error_release(fail_as(PONS_ERROR_RUNTIME, "export", "the file can't be written in place"));
  w->failed = true;
}

/* The number of entries and the outputs' ids stand before the tape and are known behind it: seeks. */
static void write_tape(writer *w, const pons_array *out, int n_out) {
  const off_t outputs_at = ftello(w->file);
  put_u64(w, (uint64_t)n_out);
  for (int i = 0; i < n_out; i++) put_u64(w, 0);
  put_u64(w, 0);
  w->entries = 0;
  for (int64_t i = 0; i < w->tape->count && !w->failed; i++) write_item(w, i);
  const off_t end = ftello(w->file);
  if (outputs_at < 0 || end < 0 || fseeko(w->file, outputs_at, SEEK_SET) != 0) seek_failed(w);
  put_u64(w, (uint64_t)n_out);
  for (int i = 0; i < n_out; i++) put_u64(w, w->failed ? 0 : id_of(w, out[i]));
  put_u64(w, w->entries);
  if (fseeko(w->file, end, SEEK_SET) != 0) seek_failed(w);
}

static bool begin_tape(writer *w, const tape *t) {
  w->tape = t;
  w->n_heads = 64;
  while (w->n_heads < (size_t)t->count) w->n_heads *= 2;
  w->ids = mem_zalloc((size_t)(t->count + 1) * sizeof *w->ids);
  w->next = mem_alloc((size_t)(t->count + 1) * sizeof *w->next);
  w->heads = mem_alloc(w->n_heads * sizeof *w->heads);
  if (!w->ids || !w->next || !w->heads) return false;
  for (size_t i = 0; i < w->n_heads; i++) w->heads[i] = -1;
  return true;
}

static void end_tape(writer *w) {
  mem_free(w->ids);
  mem_free(w->next);
  mem_free(w->heads);
  w->ids = NULL;
  w->next = w->heads = NULL;
}

bool writer_function(writer *w, const pons_array *in, int n_in, const char *const *keys, int n_keys,
                     const pons_array *out, int n_out) {
  const uint64_t first = w->next_id + 1;
  w->next_id += (uint64_t)n_in;
  write_inputs(w, in, n_in, keys, n_keys, first);
  tape t;
  if (!tape_walk(&t, out, n_out, in, n_in)) {
    no_memory(w);
    return false;
  }
  const bool fine = begin_tape(w, &t);
  if (!fine) no_memory(w);
  for (int i = 0; fine && i < n_in; i++) {
    const int64_t at = map_get(&t.index, in[i], -1);
    if (at >= 0) w->ids[at] = first + (uint64_t)i;
  }
  if (fine) write_tape(w, out, n_out);
  end_tape(w);
  tape_free(&t);
  return !w->failed;
}

writer *writer_new(FILE *file, const target *t, const char *metadata) {
  writer *w = mem_zalloc(sizeof *w);
  if (!w) return NULL;
  w->file = file;
  w->t = t;
  put_text(w, t->release_name);
  put_i32(w, 0); /* the number of functions */
  put_u8(w, t->shapeless);
  if (t->release >= RELEASE_METADATA) put_text(w, metadata ? metadata : "");
  return w;
}

bool writer_end(writer *w, int n_signatures) {
  if (fseeko(w->file, (off_t)(sizeof(uint64_t) + strlen(w->t->release_name)), SEEK_SET) != 0) seek_failed(w);
  put_i32(w, n_signatures);
  if (fseeko(w->file, 0, SEEK_END) != 0) seek_failed(w);
  const bool fine = !w->failed;
  for (size_t i = 0; i < w->n_kept; i++) pons_release(w->kept[i]);
  mem_free(w->kept);
  mem_free(w->scalars);
  map_free(&w->constants);
  mem_free(w);
  return fine;
}
