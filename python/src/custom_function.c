/* custom_function.c: Python functions with rules of their own, and checkpoint. What the library keeps of a call, for as
   long as a gradient may be asked for, is the function, its rules, and the structures of its arguments and results. Uses
   functions.c, tree.c. */
#include "functions.h"
#include <stdatomic.h>
#include <stdlib.h>

/* ---- a call, held by the library ---- */

enum rule { FUN, VJP, JVP, VMAP, RULES };
typedef struct ruled {
  atomic_int refs;
  held *self;
  const char *op;
  PyObject *functions[RULES]; /* NULL: none */
  PyObject *args, *returned; /* structures: of (args, keywords), and of the results, once FUN was called */
  bool strict;               /* results are arrays alone */
  int count;                 /* of arrays among the arguments */
} ruled;

static void ruled_free(void *it) {
  ruled *h = it;
  for (int i = 0; i < RULES; i++) Py_XDECREF(h->functions[i]);
  Py_XDECREF(h->args);
  Py_XDECREF(h->returned);
  free(h);
}

static void ruled_release(void *payload) {
  ruled *h = payload;
  if (atomic_fetch_sub(&h->refs, 1) == 1) held_end(h->self);
}

/* Takes the arrays of the arguments into `in`. */
static ruled *ruled_new(const char *op, PyObject *const *rules, PyObject *args, PyObject *keywords, leaves *in) {
  PyObject *both = PyTuple_Pack(2, args, keywords), *structure = both ? tree_structure(both, false, in) : NULL;
  Py_XDECREF(both);
  ruled *h = structure ? malloc(sizeof *h) : NULL;
  held *self = h ? held_new(ruled_free, h) : NULL;
  if (!self) {
    free(h);
    Py_XDECREF(structure);
    return PyErr_Occurred() ? NULL : (ruled *)PyErr_NoMemory();
  }
  *h = (ruled){.op = op, .self = self, .args = structure, .count = in->count};
  atomic_init(&h->refs, 1);
  for (int i = 0; i < RULES; i++) h->functions[i] = Py_XNewRef(rules[i]);
  return h;
}

static PyObject *filled(PyObject *structure, const pons_array *at, int count) {
  supply values = {at, count, 0};
  return structure_fill(structure, &values);
}

/* ---- the function ---- */

static bool call_fun(ruled *h, const pons_array *in, leaves *out) {
  PyObject *both = filled(h->args, in, h->count);
  PyObject *result = both ? PyObject_Call(h->functions[FUN], PyTuple_GetItem(both, 0), PyTuple_GetItem(both, 1)) : NULL;
  PyObject *structure = result ? tree_structure(result, h->strict, out) : NULL, *before = h->returned;
  if (structure) h->returned = structure;
  if (structure) Py_XDECREF(before);
  Py_XDECREF(result);
  Py_XDECREF(both);
  return structure != NULL;
}

static void fun_callback(void *payload, const pons_array *in, int n_in, pons_results results) {
  ruled *h = payload;
  (void)n_in;
  const bool released = gil_take();
  leaves out;
  leaves_begin(&out);
  const bool fine = !PyErr_Occurred() && call_fun(h, in, &out);
  for (int i = 0; fine && i < out.count; i++) pons_results_add(results, out.at[i]);
  if (!fine) pons_results_add(results, failed_in_python(h->op));
  leaves_end(&out);
  gil_give_back(released);
}

/* ---- rules ---- */

/* A rule sees one argument as itself, several as a tuple. New reference. */
static PyObject *one_or_all(PyObject *args) {
  return Py_NewRef(PyTuple_Size(args) == 1 ? PyTuple_GetItem(args, 0) : args);
}

static PyObject *positional(PyObject *both) { return PyTuple_GetItem(both, 0); }

static bool has_keywords(const ruled *h, const char *rule) {
  if (PyDict_Size(PyTuple_GetItem(h->args, 1)) == 0) return false;
  PyErr_Format(PyExc_ValueError, "custom_function: a function with keyword arguments can't have a rule for %s", rule);
  return true;
}

/* What a rule gives is added to the results; or false and an exception. */
typedef bool rule_call(const ruled *h, const pons_array *in, int n_in, pons_results results);

static void call_rule(const ruled *h, rule_call *rule, const pons_array *in, int n_in, pons_results results) {
  const bool released = gil_take();
  if (PyErr_Occurred() || !rule(h, in, n_in, results)) pons_results_add(results, failed_in_python(h->op));
  gil_give_back(released);
}

static bool add_leaves(PyObject *returned, pons_results results) {
  leaves l;
  leaves_begin(&l);
  const bool fine = tree_flatten(returned, false, &l);
  for (int i = 0; fine && i < l.count; i++) pons_results_add(results, l.at[i]);
  leaves_end(&l);
  return fine;
}

/* Calls rule(a, b) or rule(a, b, c, **keywords); takes all but the rule. */
static PyObject *call_with(PyObject *rule, PyObject *a, PyObject *b, PyObject *c, PyObject *keywords) {
  PyObject *args = !a || !b ? NULL : c ? PyTuple_Pack(3, a, b, c) : PyTuple_Pack(2, a, b);
  PyObject *result = args ? PyObject_Call(rule, args, keywords) : NULL;
  Py_XDECREF(args);
  Py_XDECREF(a);
  Py_XDECREF(b);
  Py_XDECREF(c);
  Py_XDECREF(keywords);
  return result;
}

/* ---- vjp: in = primals, results, cotangents ---- */

typedef struct gradient_list {
  const ruled *h;
  const pons_array *primals;
  pons_results results;
  int given;
} gradient_list;

/* None: no gradient. */
static bool add_gradient(void *context, PyObject *leaf) {
  gradient_list *g = context;
  pons_array a = unwrap(leaf);
  if ((!a && leaf != Py_None) || g->given == g->h->count) return true;
  pons_results_add(g->results, a ? a : pons_zeros_like(g->primals[g->given]));
  g->given++;
  return true;
}

static bool vjp_rule(const ruled *h, const pons_array *in, int n_in, pons_results results) {
  const int n_out = (n_in - h->count) / 2;
  PyObject *both = filled(h->args, in, h->count);
  if (!both) return false;
  PyObject *cotangents = filled(h->returned, in + h->count + n_out, n_out);
  PyObject *outputs = cotangents ? filled(h->returned, in + h->count, n_out) : NULL;
  if (!outputs) Py_CLEAR(cotangents);
  PyObject *returned = outputs ? call_with(h->functions[VJP], one_or_all(positional(both)), cotangents, outputs,
                                           Py_NewRef(PyTuple_GetItem(both, 1)))
                               : NULL;
  Py_DECREF(both);
  if (!returned) return false;
  gradient_list g = {h, in, results, 0};
  const bool fine = tree_visit(returned, add_gradient, &g);
  Py_DECREF(returned);
  /* What a rule leaves out is missed only if it is asked for. */
  for (int i = g.given; fine && i < h->count; i++)
    pons_results_add(results, pons_fail("custom_function", "the rule for vjp gave %d gradients for %d arrays", g.given,
                                        h->count));
  return fine;
}

/* ---- jvp: in = primals, tangents ---- */

typedef struct tangent_list {
  const pons_array *at;
  int next;
} tangent_list;

static PyObject *next_tangent(void *context, PyObject *leaf) {
  tangent_list *t = context;
  return unwrap(leaf) ? wrap(t->at[t->next++]) : Py_NewRef(Py_None);
}

static bool jvp_rule(const ruled *h, const pons_array *in, int n_in, pons_results results) {
  (void)n_in;
  if (has_keywords(h, "jvp")) return false;
  PyObject *both = filled(h->args, in, h->count);
  if (!both) return false;
  tangent_list t = {in + h->count, 0};
  PyObject *tangents = tree_map(positional(both), next_tangent, &t);
  PyObject *returned = tangents ? call_with(h->functions[JVP], one_or_all(positional(both)), one_or_all(tangents), NULL, NULL)
                                : NULL;
  Py_XDECREF(tangents);
  Py_DECREF(both);
  const bool fine = returned && add_leaves(returned, results);
  Py_XDECREF(returned);
  return fine;
}

/* ---- vmap: in = primals, then the axis of the batch in each ---- */

typedef struct axis_supply {
  const pons_array *at;
  int next;
} axis_supply;

static PyObject *next_axis(void *context, PyObject *leaf) {
  axis_supply *axes = context;
  if (!unwrap(leaf)) return Py_NewRef(Py_None);
  const int64_t axis = pons_item_int(axes->at[axes->next++]);
  return axis == PONS_NOT_MAPPED ? Py_NewRef(Py_None) : PyLong_FromLongLong(axis);
}

/* The results that a rule gave, then their axes. */
static bool add_batches(PyObject *arrays, PyObject *axes, pons_results results) {
  leaves l;
  axis_list at = {.at = NULL};
  leaves_begin(&l);
  const bool fine = tree_flatten(arrays, true, &l) && axes_of_tree(&at, arrays, axes);
  for (int i = 0; fine && i < l.count; i++) pons_results_add(results, l.at[i]);
  for (int i = 0; fine && i < l.count; i++) pons_results_add(results, pons_int(at.at[i]));
  free(at.at);
  leaves_end(&l);
  return fine;
}

static bool vmap_rule(const ruled *h, const pons_array *in, int n_in, pons_results results) {
  (void)n_in;
  if (has_keywords(h, "vmap")) return false;
  axis_supply supplied = {in + h->count, 0};
  PyObject *both = filled(h->args, in, h->count);
  if (!both) return false;
  PyObject *axes = tree_map(positional(both), next_axis, &supplied);
  PyObject *pair = axes ? call_with(h->functions[VMAP], one_or_all(positional(both)), one_or_all(axes), NULL, NULL) : NULL;
  Py_XDECREF(axes);
  Py_DECREF(both);
  bool fine = pair && PyTuple_Check(pair) && PyTuple_Size(pair) == 2;
  if (pair && !fine)
    PyErr_SetString(PyExc_ValueError, "custom_function: the rule for vmap must return a tuple of two: outputs, axes");
  fine = fine && add_batches(PyTuple_GetItem(pair, 0), PyTuple_GetItem(pair, 1), results);
  Py_XDECREF(pair);
  return fine;
}

#define RULE(name)                                                                                          \
  static void name##_callback(void *payload, const pons_array *in, int n_in, pons_results results) {        \
    call_rule(payload, name##_rule, in, n_in, results);                                                     \
  }
RULE(vjp) RULE(jvp) RULE(vmap)
#undef RULE

/* ---- calling ---- */

/* A function of the library that holds on to h; NULL without a rule. */
static pons_function function_of(ruled *h, enum rule rule) {
  static const pons_open_callback callbacks[RULES] = {fun_callback, vjp_callback, jvp_callback, vmap_callback};
  if (!h->functions[rule]) return NULL;
  atomic_fetch_add(&h->refs, 1);
  return pons_function_new_open(callbacks[rule], h, ruled_release);
}

static PyObject *call_function(ruled *h, pons_function f, const leaves *in) {
  pons_array *out = NULL;
  const int count = pons_call_open(f, in->at, in->count, &out, NULL);
  PyObject *result = NULL;
  if (count < 0 || PyErr_Occurred())
    raise_error();
  else
    result = filled(h->returned, out, count);
  pons_free(out);
  return result;
}

static PyObject *call_checkpointed(ruled *h, const leaves *in) {
  pons_function plain = function_of(h, FUN), f = pons_checkpoint(plain);
  PyObject *result = call_function(h, f, in);
  pons_function_release(f);
  pons_function_release(plain);
  return result;
}

static PyObject *call_custom(ruled *h, const leaves *in) {
  h->strict = true;
  pons_function parts[RULES];
  for (int i = 0; i < RULES; i++) parts[i] = function_of(h, (enum rule)i);
  const struct pons_custom_rules rules = {.vjp = parts[VJP], .jvp = parts[JVP], .vmap_along = parts[VMAP]};
  pons_function f = pons_custom_function(parts[FUN], rules);
  PyObject *result = call_function(h, f, in);
  pons_function_release(f);
  for (int i = 0; i < RULES; i++) pons_function_release(parts[i]);
  return result;
}

static PyObject *call_ruled(const char *op, PyObject *const *rules, PyObject *args, PyObject *keywords,
                           PyObject *(*with)(ruled *, const leaves *)) {
  leaves in;
  leaves_begin(&in);
  ruled *h = ruled_new(op, rules, args, keywords, &in);
  PyObject *result = h ? with(h, &in) : NULL;
  if (h) ruled_release(h);
  leaves_end(&in);
  return result;
}

/* ---- checkpoint ---- */

static PyObject *checkpoint_called(transformed *self, PyObject *args, PyObject *keywords) {
  PyObject *const rules[RULES] = {self->fun};
  return call_ruled("checkpoint", rules, args, keywords, call_checkpointed);
}

static const transform checkpoint_transform = {"checkpoint", checkpoint_called, NULL, NULL};

FUNCTION(checkpoint, "(fun: Callable[P, R]) -> Callable[P, R]",
         "fun, but gradients compute its intermediate results again instead of keeping them: less memory, more time.") {
  return transformed_new(&checkpoint_transform, s[0].object, NULL);
}

static PyMethodDef rows[] = {ROW(checkpoint), END_OF_ROWS};

/* ---- the type custom_function ---- */

typedef struct custom_object {
  PyObject_HEAD
  PyObject *rules[RULES];
} custom_object;

static PyObject *custom_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  static char *names[] = {"f", NULL};
  PyObject *fun;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O:custom_function", names, &fun)) return NULL;
  if (!check_callable("custom_function", fun)) return NULL;
  custom_object *c = (custom_object *)PyType_GenericAlloc(type, 0);
  if (c) c->rules[FUN] = Py_NewRef(fun);
  return (PyObject *)c;
}

static PyObject *custom_call(PyObject *self, PyObject *args, PyObject *keywords) {
  custom_object *c = (custom_object *)self;
  if (!c->rules[VJP] && !c->rules[JVP] && !c->rules[VMAP]) return PyObject_Call(c->rules[FUN], args, keywords);
  PyObject *own = keywords ? PyDict_Copy(keywords) : PyDict_New();
  if (!own) return NULL;
  const pons_scope scope = pons_scope_open();
  PyObject *result = call_ruled("custom_function", c->rules, args, own, call_custom);
  pons_scope_close(scope);
  Py_DECREF(own);
  if (result) pons_clear_error();
  release_waiting();
  return result;
}

static PyObject *set_rule(PyObject *self, PyObject *fun, enum rule rule) {
  custom_object *c = (custom_object *)self;
  if (!check_callable("custom_function", fun)) return NULL;
  PyObject *before = c->rules[rule];
  c->rules[rule] = Py_NewRef(fun);
  Py_XDECREF(before);
  return Py_NewRef(self);
}
static PyObject *set_vjp(PyObject *self, PyObject *fun) { return set_rule(self, fun, VJP); }
static PyObject *set_jvp(PyObject *self, PyObject *fun) { return set_rule(self, fun, JVP); }
static PyObject *set_vmap(PyObject *self, PyObject *fun) { return set_rule(self, fun, VMAP); }

static int custom_traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  for (int i = 0; i < RULES; i++) Py_VISIT(((custom_object *)self)->rules[i]);
  return 0;
}

static int custom_clear(PyObject *self) {
  for (int i = 0; i < RULES; i++) Py_CLEAR(((custom_object *)self)->rules[i]);
  return 0;
}

static void custom_free(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  custom_clear(self);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

static PyMethodDef custom_methods[] = {
    {"vjp", set_vjp, METH_O,
     "vjp(self, f: Callable)\n\nf(primals, cotangents, outputs) gives the gradients, a tree like the primals: the one "
     "argument of the function, or a tuple of several. Returns the custom function."},
    {"jvp", set_jvp, METH_O,
     "jvp(self, f: Callable)\n\nf(primals, tangents) gives the tangents of the results. Returns the custom function."},
    {"vmap", set_vmap, METH_O,
     "vmap(self, f: Callable)\n\nf(inputs, axes), where axes says for each array along which axis the batch is, None for "
     "none, gives the results and their axes. Returns the custom function."},
    END_OF_ROWS};

static PyType_Slot custom_slots[] = {
    {Py_tp_doc, "custom_function(f: Callable)\n\nA decorator: f with rules of its own for gradients and batches, which are "
                "set by the decorators vjp, jvp and vmap; those left out follow from f."},
    {Py_tp_new, custom_new},
    {Py_tp_call, custom_call},
    {Py_tp_methods, custom_methods},
    {Py_tp_traverse, custom_traverse},
    {Py_tp_clear, custom_clear},
    {Py_tp_dealloc, custom_free},
    {0, NULL}};

int add_custom_functions(PyObject *module) {
  PyType_Spec spec = {"pons.core.custom_function", sizeof(custom_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                      custom_slots};
  PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
  if (!type || PyModule_AddObjectRef(module, "custom_function", type) < 0) return -1;
  return PyModule_AddFunctions(module, rows);
}
