/* file_listing.c: a file as a listing, as JSON and as a Graphviz graph. Uses export.h. */
#include "export/export.h"
#include <math.h>

/* ---- pieces ---- */

static const char *type_text(const file_array *a) {
  static _Thread_local char words[256];
  snprintf(words, sizeof words, "%s %s", pons_dtype_name(a->dtype), shape_text(a->ndim, a->dims));
  return words;
}

static void add_list(text *t, const file_state *v) {
  text_add(t, "[");
  for (int64_t i = 0; i < v->integer; i++) text_add(t, i ? ", %lld" : "%lld", (long long)v->list[i]);
  text_add(t, "]");
}

/* Flags three by three, scalars by kind. */
static void add_flags(text *t, const file_state *v) {
  text_add(t, "[");
  for (int64_t i = 0; i < v->integer; i++)
    text_add(t, "%s%s%s%s", i % 3 == 0 && i ? ", " : "", i % 3 ? ", " : "[", v->list[i] ? "true" : "false",
             i % 3 == 2 ? "]" : "");
  text_add(t, "]");
}

static void add_real(text *t, double v, bool json) {
  if (isfinite(v)) text_add(t, "%.9g", v);
  else text_add(t, json ? "\"%s\"" : "%s", isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
}

static void add_scalars(text *t, const file_state *v, bool json) {
  text_add(t, "[");
  for (int64_t i = 0; i + 1 < v->integer; i += 2) {
    const int32_t bits = (int32_t)v->list[i + 1];
    float number;
    memcpy(&number, &bits, sizeof number);
    text_add(t, i ? ", " : "");
    if (v->list[i] == SCALAR_FLOAT) add_real(t, (double)number, json);
    else if (v->list[i] == SCALAR_BOOL) text_add(t, bits ? "true" : "false");
    else text_add(t, "%d", (int)bits);
  }
  text_add(t, "]");
}

/* Compiled code, and in listings what is longer than a line, as its length. */
static void add_string(text *t, const file_state *v, bool json) {
  const bool whole = strlen(v->text) == (size_t)v->integer;
  if (whole && (json || (v->integer <= 80 && !strchr(v->text, '\n')))) text_add_json(t, v->text);
  else text_add(t, json ? "{\"bytes\": %lld}" : "%lld bytes", (long long)v->integer);
}

/* To be read, or as JSON, with enums by name or as the numbers in the file. */
enum style { READ, JSON, JSON_NUMBERS };

static void add_value(text *t, const file_state *v, enum style style) {
  const bool json = style != READ;
  switch (v->field.type) {
    case 'b': text_add(t, v->integer ? "true" : "false"); break;
    case 'f':
    case 'd': add_real(t, v->real, json); break;
    case 'D': text_add(t, json ? "\"%s\"" : "%s", pons_dtype_name((pons_dtype)v->integer)); break;
    case 'I':
    case 'L':
    case 'U':
    case '3': add_list(t, v); break;
    case 'S': add_flags(t, v); break;
    case 'V': add_scalars(t, v, json); break;
    case 's':
      add_string(t, v, json);
      break;
    case 'O':
      if (v->integer) add_real(t, v->real, json);
      else text_add(t, json ? "null" : "none");
      break;
    case 'e': {
      int length;
      const char *name = layout_enum_name(&v->field, v->integer, &length);
      if (style == JSON_NUMBERS) text_add(t, "%lld", (long long)v->integer);
      else text_add(t, json ? "\"%.*s\"" : "%.*s", length, name);
      break;
    }
    case '%': text_add(t, json ? "null" : "by size"); break;
    default: text_add(t, "%lld", (long long)v->integer);
  }
}

static void add_state(text *t, const file_entry *e) {
  if (!e->n_state) return;
  text_add(t, " [");
  for (int i = 0; i < e->n_state; i++) {
    text_add(t, "%s%.*s=", i ? ", " : "", e->state[i].field.name_length, e->state[i].field.name);
    add_value(t, &e->state[i], READ);
  }
  text_add(t, "]");
}

static const char *device_of(const file_entry *e) { return e->stream[1] ? "gpu" : "cpu"; }

/* The keyword of input i, or NULL. */
static const char *key_of(const signature *s, int32_t i) {
  const int32_t key = i - (s->n_in - s->n_keys);
  return key >= 0 ? s->keys[key] : NULL;
}

static uint64_t constant_bytes(const mlxfn *f) {
  uint64_t sum = 0;
  for (int32_t i = 0; i < f->n_constants; i++) sum += f->constants[i].bytes;
  return sum;
}

static int32_t count_operations(const signature *s) {
  int32_t n = 0;
  for (int32_t i = 0; i < s->n_entries; i++) n += s->entries[i].kind == ENTRY_OP;
  return n;
}

/* ---- text ---- */

static void list_entry(text *t, const mlxfn *f, const signature *s, const file_entry *e) {
  if (e->kind == ENTRY_INPUT) return;
  text_add(t, "  ");
  for (int32_t i = 0; i < e->n_out; i++)
    text_add(t, "%sv%d %s", i ? ", " : "", e->out[i], type_text(&s->values[e->out[i]]));
  if (e->kind == ENTRY_CONSTANT) {
    const file_constant *c = &f->constants[s->values[e->out[0]].constant];
    text_add(t, " = constant, %llu bytes at byte %llu\n", (unsigned long long)c->bytes,
             (unsigned long long)c->data_at);
    return;
  }
  text_add(t, " = %s", e->layout->name);
  for (int32_t i = 0; i < e->n_in; i++) text_add(t, " v%d", e->in[i]);
  add_state(t, e);
  text_add(t, " on %s%s\n", device_of(e), e->prim ? "" : ", missing in this version of Pons");
}

static void list_signature(text *t, const mlxfn *f, int32_t index) {
  const signature *s = &f->signatures[index];
  text_add(t, "signature %d at byte %llu: %d operations\n", index, (unsigned long long)s->at,
           count_operations(s));
  for (int32_t i = 0; i < s->n_in; i++) {
    text_add(t, "  v%d %s = input %d", i, type_text(&s->values[i]), i);
    if (key_of(s, i)) text_add(t, ", keyword %s", key_of(s, i));
    text_add(t, "\n");
  }
  for (int32_t i = 0; i < s->n_entries; i++) list_entry(t, f, s, &s->entries[i]);
  text_add(t, "  returns");
  for (int32_t i = 0; i < s->n_out; i++) text_add(t, " v%d", s->out[i]);
  text_add(t, "\n");
}

static void show_text(text *t, const mlxfn *f) {
  text_add(
      t, "written by MLX %s or for it; %d signature%s%s; %d constants of %llu bytes; %llu bytes in all\n",
      f->release_name, f->n_signatures, f->n_signatures == 1 ? "" : "s", f->shapeless ? ", shapeless" : "",
      f->n_constants, (unsigned long long)constant_bytes(f), (unsigned long long)f->size);
  if (*f->metadata) {
    text_add(t, "metadata ");
    text_add_json(t, f->metadata);
    text_add(t, "\n");
  }
  if (f->trailing)
    text_add(t, "%llu bytes behind the last signature are not read\n", (unsigned long long)f->trailing);
  for (int32_t i = 0; i < f->n_signatures; i++) list_signature(t, f, i);
}

/* ---- JSON ---- */

static void json_type(text *t, const file_array *a) {
  text_add(t, "\"dtype\": \"%s\", \"shape\": [", pons_dtype_name(a->dtype));
  for (int i = 0; i < a->ndim; i++) text_add(t, i ? ", %lld" : "%lld", (long long)a->dims[i]);
  text_add(t, "]");
}

void mlxfn_state_json(text *t, const file_entry *e, bool numbers) {
  text_add(t, "{");
  for (int i = 0; i < e->n_state; i++) {
    text_add(t, "%s\"%.*s\": ", i ? ", " : "", e->state[i].field.name_length, e->state[i].field.name);
    add_value(t, &e->state[i], numbers ? JSON_NUMBERS : JSON);
  }
  text_add(t, "}");
}

static void json_entry(text *t, const mlxfn *f, const signature *s, const file_entry *e) {
  text_add(t, "{\"at\": %llu, ", (unsigned long long)e->at);
  if (e->kind == ENTRY_CONSTANT) {
    const file_array *a = &s->values[e->out[0]];
    text_add(t, "\"kind\": \"constant\", \"value\": %d, ", e->out[0]);
    json_type(t, a);
    text_add(t, ", \"data_at\": %llu, \"bytes\": %llu}",
             (unsigned long long)f->constants[a->constant].data_at,
             (unsigned long long)f->constants[a->constant].bytes);
    return;
  }
  text_add(
      t, "\"kind\": \"operation\", \"primitive\": \"%s\", \"known\": %s, \"device\": \"%s\", \"operands\": [",
      e->layout->name, e->prim ? "true" : "false", device_of(e));
  for (int32_t i = 0; i < e->n_in; i++) text_add(t, i ? ", %d" : "%d", e->in[i]);
  text_add(t, "], \"state\": ");
  mlxfn_state_json(t, e, false);
  text_add(t, ", \"results\": [");
  for (int32_t i = 0; i < e->n_out; i++) {
    text_add(t, "%s{\"value\": %d, ", i ? ", " : "", e->out[i]);
    json_type(t, &s->values[e->out[i]]);
    text_add(t, "}");
  }
  text_add(t, "]}");
}

static void json_signature(text *t, const mlxfn *f, const signature *s) {
  text_add(t, "{\"at\": %llu, \"inputs\": [", (unsigned long long)s->at);
  for (int32_t i = 0; i < s->n_in; i++) {
    text_add(t, "%s{\"value\": %d, ", i ? ", " : "", i);
    json_type(t, &s->values[i]);
    if (key_of(s, i)) {
      text_add(t, ", \"keyword\": ");
      text_add_json(t, key_of(s, i));
    }
    text_add(t, "}");
  }
  text_add(t, "], \"entries\": [");
  bool any = false;
  for (int32_t i = 0; i < s->n_entries; i++) {
    if (s->entries[i].kind == ENTRY_INPUT) continue;
    text_add(t, any ? ",\n    " : "\n    ");
    json_entry(t, f, s, &s->entries[i]);
    any = true;
  }
  text_add(t, "], \"outputs\": [");
  for (int32_t i = 0; i < s->n_out; i++) text_add(t, i ? ", %d" : "%d", s->out[i]);
  text_add(t, "]}");
}

static void show_json(text *t, const mlxfn *f) {
  text_add(t, "{\"release\": ");
  text_add_json(t, f->release_name);
  text_add(t, ", \"shapeless\": %s, \"metadata\": ", f->shapeless ? "true" : "false");
  text_add_json(t, f->metadata);
  text_add(t, ", \"bytes\": %llu, \"constants\": %d, \"constant_bytes\": %llu,\n \"signatures\": [",
           (unsigned long long)f->size, f->n_constants, (unsigned long long)constant_bytes(f));
  for (int32_t i = 0; i < f->n_signatures; i++) {
    text_add(t, i ? ",\n  " : "\n  ");
    json_signature(t, f, &f->signatures[i]);
  }
  text_add(t, "]}\n");
}

/* ---- Graphviz ---- */

static void dot_entry(text *t, const signature *s, const file_entry *e, int32_t function, int32_t index) {
  if (e->kind == ENTRY_INPUT) return;
  if (e->kind == ENTRY_CONSTANT) {
    text_add(t, "    f%dv%d [shape=box, style=dashed, label=\"%s\"];\n", function, e->out[0],
             type_text(&s->values[e->out[0]]));
    return;
  }
  text_add(t, "    f%de%d [label=\"%s\"];\n", function, index, e->layout->name);
  for (int32_t i = 0; i < e->n_in; i++)
    text_add(t, "    f%dv%d -> f%de%d;\n", function, e->in[i], function, index);
  for (int32_t i = 0; i < e->n_out; i++)
    text_add(t, "    f%dv%d [shape=plaintext, label=\"%s\"];\n    f%de%d -> f%dv%d;\n", function, e->out[i],
             type_text(&s->values[e->out[i]]), function, index, function, e->out[i]);
}

static void show_dot(text *t, const mlxfn *f) {
  text_add(t, "digraph mlxfn {\n");
  for (int32_t k = 0; k < f->n_signatures; k++) {
    const signature *s = &f->signatures[k];
    text_add(t, "  subgraph cluster%d {\n    label=\"signature %d\";\n", k, k);
    for (int32_t i = 0; i < s->n_in; i++)
      text_add(t, "    f%dv%d [shape=box, label=\"input %d\\n%s\"];\n", k, i, i, type_text(&s->values[i]));
    for (int32_t i = 0; i < s->n_entries; i++) dot_entry(t, s, &s->entries[i], k, i);
    for (int32_t i = 0; i < s->n_out; i++)
      text_add(t, "    f%do%d [shape=box, label=\"output %d\"];\n    f%dv%d -> f%do%d;\n", k, i, i, k,
               s->out[i], k, i);
    text_add(t, "  }\n");
  }
  text_add(t, "}\n");
}

char *mlxfn_show(const mlxfn *f, const char *as) {
  text t = {0};
  if (!as || strcmp(as, "text") == 0) show_text(&t, f);
  else if (strcmp(as, "json") == 0) show_json(&t, f);
  else if (strcmp(as, "dot") == 0) show_dot(&t, f);
  else {
    error_release(fail("show", "a file is shown as text, json or dot, not as %s", as));
    return NULL;
  }
  char *words = text_take(&t);
  if (!words) error_release(fail_no_memory("show"));
  return words;
}
