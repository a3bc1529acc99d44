/* prim.c: what follows from a primitive's fields (equality, hash, text), and the
   three records that graph/ itself needs. Uses base/. */
#include "graph/graph.h"

static const void *member(const void *params, const field *f) { return (const char *)params + f->offset; }
static const ints *as_ints(const void *at) { return at; }

static size_t field_size(field_type type) {
  switch (type) {
    case FIELD_BOOL: return sizeof(bool);
    case FIELD_FLOAT: return sizeof(float);
    case FIELD_DOUBLE: return sizeof(double);
    case FIELD_DTYPE: return sizeof(pons_dtype);
    case FIELD_INT64: return sizeof(int64_t);
    case FIELD_FUNCTION: return sizeof(pons_function);
    case FIELD_INTS:
    case FIELD_STRIDES:
    case FIELD_AXES64: return sizeof(ints);
    case FIELD_INT:
    case FIELD_ENUM: break;
  }
  return sizeof(int);
}

bool params_equal(const prim *p, const void *a, const void *b) {
  for (const field *f = p->fields; f->name; f++) {
    const void *x = member(a, f), *y = member(b, f);
    if (field_is_list(f->type)) {
      const ints *u = x, *v = y;
      if (u->n != v->n) return false;
      if (u->n && memcmp(u->at, v->at, (size_t)u->n * sizeof *u->at) != 0) return false;
    } else if (memcmp(x, y, field_size(f->type)) != 0) {
      return false;
    }
  }
  return true;
}

uint64_t params_hash(const prim *p, const void *params) {
  uint64_t h = (uintptr_t)p;
  for (const field *f = p->fields; f->name; f++) {
    const void *x = member(params, f);
    if (field_is_list(f->type)) {
      const ints *u = x;
      h = hash_bytes(&u->n, sizeof u->n, h);
      if (u->n) h = hash_bytes(u->at, (size_t)u->n * sizeof *u->at, h);
    } else {
      h = hash_bytes(x, field_size(f->type), h);
    }
  }
  return h;
}

static void print_list(text *t, const ints *list) {
  text_add(t, "[");
  for (int i = 0; i < list->n; i++) text_add(t, i ? ", %lld" : "%lld", (long long)list->at[i]);
  text_add(t, "]");
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
    case FIELD_INTS:
    case FIELD_STRIDES:
    case FIELD_AXES64: print_list(t, as_ints(x)); break;
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
