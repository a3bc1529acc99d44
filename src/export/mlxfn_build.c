/* mlxfn_build.c: nodes from the entries of a file. Each is made as its constructor would make it, so its
   dtype and shape are computed again; they must be those in the file. Uses export.h, graph/, the rows. */
#include "export/export.h"
#include <pons/ops.h>

enum { PARAMS_MOST = 512 };
typedef union params_room {
  max_align_t align;
  char bytes[PARAMS_MOST];
} params_room;

/* What older releases called a primitive that has another name today. */
static const char *name_today(const char *name) {
  return strcmp(name, "AffineQuantize") == 0 ? "Quantize" : name;
}

const prim *mlxfn_prim(const file_entry *e) {
  const char *name = name_today(e->layout->name);
  for (const prim *const *p = pons_prims; *p; p++) {
    if (!(*p)->row) {
      if (strcmp((*p)->name, name) == 0) return *p;
      continue;
    }
    const row_info *row = &row_table[(*p)->row - 1];
    if (strcmp(row->file_name, name) == 0 && (row->variant < 0 || e->state[0].integer == row->variant))
      return *p;
  }
  return strcmp(name, prim_alias.name) == 0 ? &prim_alias : NULL;
}

static const file_state *state_named(const file_entry *e, const char *name) {
  for (int i = 0; i < e->n_state; i++)
    if (strlen(name) == (size_t)e->state[i].field.name_length &&
        memcmp(name, e->state[i].field.name, strlen(name)) == 0)
      return &e->state[i];
  return NULL;
}

/* The types in layouts.def from which a record's field may be filled. */
static const char *types_for(field_type type) {
  switch (type) {
    case FIELD_INT:
    case FIELD_ENUM: return "ie=";
    case FIELD_BOOL: return "b=";
    case FIELD_FLOAT: return "f";
    case FIELD_DOUBLE: return "d";
    case FIELD_DTYPE: return "D";
    case FIELD_INT64: return "Q";
    case FIELD_INTS: return "I";
    case FIELD_STRIDES: return "L";
    case FIELD_AXES64: return "U";
    case FIELD_TUPLE: return "3";
    case FIELD_FLAGS: return "S";
    case FIELD_SCALARS: return "V";
    case FIELD_TEXT: return "s";
    case FIELD_OPTIONAL: return "O";
    case FIELD_RESULTS:
    case FIELD_FUNCTION: break;
  }
  return "";
}

/* Puts one field where the record wants it. */
static bool set_field(char *at, const field *f, const file_state *v) {
  if (!strchr(types_for(f->type), v->field.type)) return false;
  switch (f->type) {
    case FIELD_BOOL: *(bool *)at = v->integer != 0; break;
    case FIELD_FLOAT: *(float *)at = (float)v->real; break;
    case FIELD_DOUBLE: *(double *)at = v->real; break;
    case FIELD_DTYPE: *(pons_dtype *)at = (pons_dtype)v->integer; break;
    case FIELD_INT64: *(int64_t *)at = v->integer; break;
    case FIELD_TEXT: *(chars *)at = (chars){(int)v->integer, v->text}; break;
    case FIELD_OPTIONAL: *(optional_float *)at = (optional_float){v->integer != 0, (float)v->real}; break;
    case FIELD_INT:
    case FIELD_ENUM: *(int *)at = (int)v->integer; break;
    default: *(ints *)at = (ints){(int)v->integer, v->list};
  }
  return true;
}

/* dtype, number of axes and sizes of each result, as the file has them; mem_free it. NULL: no memory. */
static int64_t *result_types(const signature *s, const file_entry *e, int *count) {
  size_t n = 0;
  for (int32_t i = 0; i < e->n_out; i++) n += 2 + (size_t)s->values[e->out[i]].ndim;
  int64_t *list = mem_alloc((n + 1) * sizeof *list), *at = list;
  if (!list) return NULL;
  for (int32_t i = 0; i < e->n_out; i++) {
    const file_array *a = &s->values[e->out[i]];
    *at++ = a->dtype;
    *at++ = a->ndim;
    for (int k = 0; k < a->ndim; k++) *at++ = a->dims[k];
  }
  *count = (int)n;
  return list;
}

/* Is the result of a real inverse transform of odd size along the last of its axes? */
static bool is_odd(const signature *s, const file_entry *e) {
  const file_state *axes = state_named(e, "axes"), *inverse = state_named(e, "inverse"), *real = state_named(e, "real");
  const file_array *y = &s->values[e->out[0]];
  if (!axes || axes->integer < 1 || !inverse || !inverse->integer || !real || !real->integer) return false;
  const int64_t last = axes->list[axes->integer - 1];
  return last >= 0 && last < y->ndim && y->dims[last] % 2;
}

/* The state of `e` as the record's struct; *results (mem_free it) is what it needs for the results' types.
   NULL, or why it can't be: no record, one with a field that the layout hasn't, or no memory. */
static const char *set_params(const signature *s, const file_entry *e, const prim *p, params_room *room,
                              int64_t **results) {
  static const char missing[] = "this version of Pons has no such primitive";
  memset(room, 0, sizeof *room);
  if (!p || p->params_size > PARAMS_MOST) return missing;
  for (const field *f = p->fields; f->name; f++) {
    char *at = room->bytes + f->offset;
    const file_state *v = state_named(e, f->name);
    if (f->type == FIELD_RESULTS) {
      int count = 0;
      if (!(*results = result_types(s, e, &count))) return "out of memory";
      *(ints *)at = (ints){count, *results};
    } else if (v && v->field.type == '%' && f->type == FIELD_BOOL) {
      *(bool *)at = is_odd(s, e);
    } else if (v && !f->unstored) {
      if (!set_field(at, f, v)) return missing;
    } else if (f->type == FIELD_DTYPE) {
      *(pons_dtype *)at = s->values[e->out[0]].dtype;
    } else if (f->unstored && f->type == FIELD_INT) {
      *(int *)at = e->n_out; /* how many results */
    } else {
      return missing;
    }
  }
  return NULL;
}

/* An error at this entry, with what `failed` carries if it does. When the thread was `clean` before, this is
   its first error. */
static void blame(const file_entry *e, bool clean, const pons_array failed, const char *otherwise) {
  text message = {0};
  const char *inner = failed ? pons_error_of(failed) : otherwise;
  const pons_error_kind inner_kind = failed ? pons_error_kind_of(failed) : PONS_ERROR_RUNTIME;
  text_add(&message, "byte %llu: %s: %s", (unsigned long long)e->at, e->layout->name,
           inner ? inner : "failed");
  char *words = text_take(&message);
  if (clean) pons_clear_error();
  error_release(words ? fail_as(inner_kind, "import", "%s", words) : fail_no_memory("import"));
  mem_free(words);
}

/* Is the result what the file says? */
static bool agrees(const mlxfn *f, const signature *s, const file_entry *e, int32_t i, const pons_array got) {
  const file_array *want = &s->values[e->out[i]];
  const bool shape_fits = f->shapeless || shape_equal(got->ndim, got->shape, want->ndim, want->dims);
  if (got->dtype == want->dtype && shape_fits) return true;
  error_release(fail_as(PONS_ERROR_RUNTIME, "import", "byte %llu: %s gives %s, the file says %s %s",
                        (unsigned long long)e->at, e->layout->name, node_text(got),
                        shape_text(want->ndim, want->dims), pons_dtype_name(want->dtype)));
  return false;
}

/* Stands for the results of a primitive that is missing here. */
static bool stand_in(const signature *s, const file_entry *e, pons_array *values) {
  for (int32_t i = 0; i < e->n_out; i++) {
    const file_array *a = &s->values[e->out[i]];
    values[e->out[i]] = node_placeholder(a->dtype, a->ndim, a->dims);
    if (node_failed(values[e->out[i]])) return false;
  }
  return true;
}

/* DivMod before 0.32.2: the quotient towards zero. */
static void truncating_divmod(const pons_array *in, pons_array *out) {
  pons_array quotient = row_node(ROW_divide, 2, in);
  if (dtype_is_inexact((pons_dtype)in[0]->dtype)) {
    const pons_array up = row_node(ROW_ceil, 1, &quotient), down = row_node(ROW_floor, 1, &quotient);
    const pons_array zero = row_node(ROW_subtract, 2, (pons_array[]){quotient, quotient});
    const pons_array negative = row_node(ROW_less, 2, (pons_array[]){quotient, zero});
    quotient = row_node(ROW_select, 3, (pons_array[]){negative, up, down});
  }
  const pons_array product = row_node(ROW_multiply, 2, (pons_array[]){quotient, in[1]});
  out[0] = quotient;
  out[1] = row_node(ROW_subtract, 2, (pons_array[]){in[0], product});
}

/* The sizes of the trace, which stand in the file, give way to those of `in`. NULL, or why they can't. */
static const char *follow_sizes(const signature *s, const file_entry *e, void *params, pons_array *in,
                                resize_room *r) {
  if (e->n_in == 0 || !e->prim) return NULL;
  ints *was = mem_alloc((size_t)e->n_in * sizeof *was);
  if (!was) return "out of memory";
  for (int32_t i = 0; i < e->n_in; i++) {
    const file_array *a = &s->values[e->in[i]];
    was[i] = (ints){a->ndim, a->dims};
  }
  const char *why = prim_resize(e->prim, params, e->n_in, was, in, r);
  mem_free(was);
  return why;
}

/* The results of entry `e` on `in`, in nodes; false and an error if there are none or others. */
static bool make_results(const mlxfn *f, const file_entry *e, const void *params, const pons_array *in,
                         pons_array *out, bool clean) {
  const prim *p = e->prim;
  if ((p->outputs ? p->outputs(params, e->n_in) : 1) != e->n_out) {
    blame(e, clean, NULL, "the file gives it another number of results");
    return false;
  }
  if (f->release < RELEASE(32, 2) && e->n_out == 2 && strcmp(e->layout->name, "DivMod") == 0)
    truncating_divmod(in, out);
  else if (p == &prim_alias) out[0] = in[0];
  else if (p->outputs) node_make_many(p, params, e->n_in, in, out, e->n_out);
  else out[0] = node_make(p, params, e->n_in, in);
  for (int32_t i = 0; i < e->n_out; i++) {
    if (out[i] && !node_failed(out[i])) continue;
    blame(e, clean, out[i], "failed");
    return false;
  }
  return true;
}

bool mlxfn_build_operation(const mlxfn *f, const signature *s, const file_entry *e, pons_array *values,
                           pons_array *in, pons_array *out, bool checking) {
  const bool clean = pons_ok();
  for (int32_t i = 0; i < e->n_in; i++) in[i] = values[e->in[i]];
  if (!e->prim && checking) return stand_in(s, e, values);
  params_room room;
  int64_t *results = NULL;
  resize_room room_for_sizes;
  const char *why = set_params(s, e, e->prim, &room, &results);
  if (!why && f->shapeless) why = follow_sizes(s, e, room.bytes, in, &room_for_sizes);
  if (why) blame(e, clean, NULL, why);
  const void *params = !why && e->prim->params_size ? room.bytes : NULL;
  bool fine = !why && make_results(f, e, params, in, out, clean);
  mem_free(results);
  for (int32_t i = 0; fine && i < e->n_out; i++) {
    if (e->prim->row == ROW_abs + 1 && s->values[e->out[i]].dtype == PONS_COMPLEX64) /* so it is in MLX */
      out[i] = pons_astype(out[i], PONS_COMPLEX64);
    fine = agrees(f, s, e, i, out[i]);
    values[e->out[i]] = out[i];
  }
  return fine;
}

static bool build_entries(const mlxfn *f, const signature *s, pons_array *values, pons_array *in,
                          pons_array *out, bool checking) {
  for (int32_t i = 0; i < s->n_entries; i++) {
    const file_entry *e = &s->entries[i];
    if (e->kind == ENTRY_CONSTANT) values[e->out[0]] = f->constants[s->values[e->out[0]].constant].array;
    if (e->kind == ENTRY_OP && !mlxfn_build_operation(f, s, e, values, in, out, checking)) return false;
  }
  return true;
}

void mlxfn_most_operands(const signature *s, int32_t *most_in, int32_t *most_out) {
  *most_in = *most_out = 1;
  for (int32_t i = 0; i < s->n_entries; i++) {
    if (s->entries[i].n_in > *most_in) *most_in = s->entries[i].n_in;
    if (s->entries[i].n_out > *most_out) *most_out = s->entries[i].n_out;
  }
}

bool mlxfn_build(const mlxfn *f, const signature *s, const pons_array *in, pons_array *out, bool checking) {
  int32_t most_in, most_out;
  mlxfn_most_operands(s, &most_in, &most_out);
  pons_array *values = mem_zalloc((s->n_values + 1) * sizeof *values);
  pons_array *operands = mem_alloc((size_t)most_in * sizeof *operands);
  pons_array *results = mem_alloc((size_t)most_out * sizeof *results);
  bool fine = values && operands && results;
  if (!fine) error_release(fail_no_memory("import"));
  for (int32_t i = 0; fine && i < s->n_in; i++) values[i] = in[i];
  if (fine) fine = build_entries(f, s, values, operands, results, checking);
  for (int32_t i = 0; fine && i < s->n_out; i++) out[i] = values[s->out[i]];
  mem_free(values);
  mem_free(operands);
  mem_free(results);
  return fine;
}
