/* prim.c: what follows from a primitive's fields (equality, hash, text), and the
   three records that graph/ itself needs. Uses base/. */
#include "graph/graph.h"

static const void *member(const void *params, const field *f) { return (const char *)params + f->offset; }
static const ints *as_ints(const void *at) { return at; }
static size_t round8(size_t n) { return (n + 7) & ~(size_t)7; }

static size_t field_size(field_type type) {
  switch (type) {
    case FIELD_BOOL: return sizeof(bool);
    case FIELD_FLOAT: return sizeof(float);
    case FIELD_DOUBLE: return sizeof(double);
    case FIELD_DTYPE: return sizeof(pons_dtype);
    case FIELD_INT64: return sizeof(int64_t);
    case FIELD_FUNCTION: return sizeof(pons_function);
    default: return sizeof(int);
  }
}

/* The bytes of a member that tell it from others; lists, texts and optional numbers apart from their frames.
   */
static const void *content(const field *f, const void *x, size_t *count) {
  if (field_is_list(f->type)) {
    const ints *list = x;
    *count = (size_t)list->n * sizeof *list->at;
    return list->at;
  }
  if (f->type == FIELD_TEXT) {
    const chars *words = x;
    *count = (size_t)words->n;
    return words->at;
  }
  if (f->type == FIELD_OPTIONAL) {
    const optional_float *number = x;
    *count = number->given ? sizeof number->value : 0;
    return &number->value;
  }
  *count = field_size(f->type);
  return x;
}

bool params_equal(const prim *p, const void *a, const void *b) {
  for (const field *f = p->fields; f->name; f++) {
    size_t m, n;
    const void *x = content(f, member(a, f), &m), *y = content(f, member(b, f), &n);
    if (m != n || (n && memcmp(x, y, n) != 0)) return false;
  }
  return true;
}

uint64_t params_hash(const prim *p, const void *params) {
  uint64_t h = (uintptr_t)p;
  for (const field *f = p->fields; f->name; f++) {
    size_t n;
    const void *x = content(f, member(params, f), &n);
    h = hash_bytes(x, n, h);
  }
  return h;
}

size_t params_bytes(const prim *p, const void *params) {
  size_t bytes = round8(p->params_size), n;
  for (const field *f = p->fields; f->name; f++) {
    content(f, member(params, f), &n);
    if (field_is_list(f->type)) bytes += n;
    if (f->type == FIELD_TEXT) bytes += round8(n + 1);
  }
  return bytes;
}

void params_copy(const prim *p, const void *params, char *at) {
  memcpy(at, params, p->params_size);
  char *room = at + round8(p->params_size);
  for (const field *f = p->fields; f->name; f++) {
    size_t n;
    const void *from = content(f, member(params, f), &n);
    if (field_is_list(f->type)) {
      if (n) memcpy(room, from, n);
      ((ints *)(at + f->offset))->at = (int64_t *)room;
      room += n;
    } else if (f->type == FIELD_TEXT) {
      if (n) memcpy(room, from, n);
      room[n] = 0;
      ((chars *)(at + f->offset))->at = room;
      room += round8(n + 1);
    }
  }
}

static void print_list(text *t, const ints *list) {
  text_add(t, "[");
  for (int i = 0; i < list->n; i++) text_add(t, i ? ", %lld" : "%lld", (long long)list->at[i]);
  text_add(t, "]");
}

static void print_scalars(text *t, const ints *list) {
  text_add(t, "[");
  for (int i = 0; i + 1 < list->n; i += 2) {
    const int32_t bits = (int32_t)list->at[i + 1];
    float number;
    memcpy(&number, &bits, sizeof number);
    text_add(t, i ? ", " : "");
    if (list->at[i] == SCALAR_FLOAT) text_add(t, "%.9g", (double)number);
    else if (list->at[i] == SCALAR_BOOL) text_add(t, bits ? "true" : "false");
    else text_add(t, "%d", (int)bits);
  }
  text_add(t, "]");
}

/* A line of text as it is, more of it as its length. */
static void print_text(text *t, const chars *words) {
  const bool is_line = words->n <= 80 && !memchr(words->at ? words->at : "", 0, (size_t)words->n) &&
                       !memchr(words->at ? words->at : "", '\n', (size_t)words->n);
  if (is_line) text_add(t, "\"%.*s\"", words->n, words->at ? words->at : "");
  else text_add(t, "%d bytes", words->n);
}

static void print_member(text *t, const field *f, const void *x) {
  switch (f->type) {
    case FIELD_INT:
    case FIELD_ENUM: text_add(t, "%d", *(const int *)x); break;
    case FIELD_BOOL: text_add(t, *(const bool *)x ? "true" : "false"); break;
    case FIELD_FLOAT: text_add(t, "%.9g", (double)*(const float *)x); break;
    case FIELD_DOUBLE: text_add(t, "%.17g", *(const double *)x); break;
    case FIELD_DTYPE: text_add(t, "%s", pons_dtype_name(*(const pons_dtype *)x)); break;
    case FIELD_INT64: text_add(t, "%lld", (long long)*(const int64_t *)x); break;
    case FIELD_FUNCTION: text_add(t, "function"); break;
    case FIELD_SCALARS: print_scalars(t, as_ints(x)); break;
    case FIELD_TEXT: print_text(t, x); break;
    case FIELD_OPTIONAL:
      if (((const optional_float *)x)->given) text_add(t, "%.9g", (double)((const optional_float *)x)->value);
      else text_add(t, "none");
      break;
    default: print_list(t, as_ints(x));
  }
}

void params_print(text *t, const prim *p, const void *params) {
  for (const field *f = p->fields; f->name; f++) {
    text_add(t, f == p->fields ? "%s=" : ", %s=", f->name);
    print_member(t, f, member(params, f));
  }
}

const field *prim_field(const prim *p, const char *name) {
  for (const field *f = p->fields; f->name; f++)
    if (strcmp(f->name, name) == 0) return f;
  return NULL;
}

/* ---- records of graph/ itself ---- */

static error *input_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params, (void)n_in, (void)in, (void)out;
  return fail("placeholder", "it is made from a dtype and a shape, not from a file or from other arrays");
}
const prim prim_input = {.name = "Input", .opaque = true, .infer = input_infer};

static error *output_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  const output_params *p = params;
  if (n_in != 1 || p->index < 0 || p->index >= in[0]->n_out)
    return fail("output", "there is no result %d of %d", p->index, n_in == 1 ? in[0]->n_out : 0);
  *out = in[0]->specs[p->index];
  return NULL;
}
const prim prim_output = {.name = "Output",
                          .params_size = sizeof(output_params),
                          .fields = {FIELD(INT, output_params, index)},
                          .infer = output_infer};

static error *alias_infer(const void *params, int n_in, const pons_array *in, spec *out) {
  (void)params;
  if (n_in != 1) return fail("copy", "takes one array, got %d", n_in);
  out->dtype = (pons_dtype)in[0]->dtype;
  out->shape = node_shape(in[0]);
  return NULL;
}

static bool alias_view(const void *params, const node *in, const view *in_view, const shape *s, view *out) {
  (void)params, (void)in, (void)s;
  *out = *in_view;
  return true;
}

static void alias_vjp(const vjp_call *c) { c->grads[0] = c->cotangents[0]; }

static void alias_vmap(const vmap_call *c) {
  c->out[0] = node_make(&prim_alias, NULL, 1, c->in);
  c->out_axes[0] = c->axes[0];
}
const prim prim_alias = {.name = "Copy",
                         .linear = true,
                         .infer = alias_infer,
                         .view = alias_view,
                         .vjp = alias_vjp,
                         .vmap = alias_vmap};
