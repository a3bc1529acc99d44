/* gradients.c: grad, value_and_grad, vjp, jvp. The library traces the Python function through a callback that puts the
   traced arrays into the trees of its arguments. Uses functions.c, tree.c. */
#include "functions.h"
#include <stdlib.h>
#include <string.h>

/* ---- what is asked for ---- */

typedef struct wanted {
  bool value; /* the function's value, too */
  PyObject *names; /* a tuple of str: keyword arguments */
  int count;
  int argnums[]; /* ascending */
} wanted;

static int compare_ints(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static bool check_argnums(const char *op, const wanted *w) {
  if (w->count == 0 && PyTuple_Size(w->names) == 0)
    PyErr_Format(PyExc_ValueError, "%s: gradient with respect to no argument requested", op);
  else if (w->count && w->argnums[0] < 0)
    PyErr_Format(PyExc_ValueError, "%s: can't compute the gradient of negative argument index %d", op, w->argnums[0]);
  for (int i = 1; i < w->count && !PyErr_Occurred(); i++)
    if (w->argnums[i] == w->argnums[i - 1])
      PyErr_Format(PyExc_ValueError, "%s: duplicate argument index %d is not allowed", op, w->argnums[i]);
  return !PyErr_Occurred();
}

static PyObject *names_of(const char *op, slot s) {
  if (s.kind == SLOT_TEXT) return Py_BuildValue("(s)", s.text);
  PyObject *names = PySequence_Tuple(s.object);
  for (Py_ssize_t i = 0; names && i < PyTuple_Size(names); i++) {
    if (PyUnicode_Check(PyTuple_GetItem(names, i))) continue;
    PyErr_Format(PyExc_TypeError, "%s(): argnames must be str | Sequence[str]", op);
    Py_CLEAR(names);
  }
  return names;
}

static void wanted_free(wanted *w) {
  if (w) Py_XDECREF(w->names);
  free(w);
}

/* Nothing said: the first argument. */
static wanted *wanted_new(const char *op, slot argnums, slot argnames, bool value) {
  PyObject *names = names_of(op, argnames);
  if (!names) return NULL;
  static const int first = 0;
  pons_axes at = axes_of(argnums);
  if (argnums.kind != SLOT_INTS && PyTuple_Size(names) == 0) at = (pons_axes){1, &first};
  wanted *w = malloc(sizeof *w + (size_t)(at.count + 1) * sizeof *w->argnums);
  if (!w) {
    Py_DECREF(names);
    return (wanted *)PyErr_NoMemory();
  }
  w->value = value;
  w->names = names;
  w->count = at.count;
  if (at.count) memcpy(w->argnums, at.at, (size_t)at.count * sizeof(int));
  qsort(w->argnums, (size_t)w->count, sizeof(int), compare_ints);
  if (check_argnums(op, w)) return w;
  wanted_free(w);
  return NULL;
}

/* ---- a call ---- */

typedef struct gradient_call {
  const char *op;
  const wanted *w;
  PyObject *fun, *args, *keywords;
  leaves arrays;   /* of all arguments */
  int *argnums;    /* those among them whose gradient is wanted */
  int n_argnums;
  PyObject *structures; /* a list: those of the arguments whose gradient is wanted, before the function is called */
  PyObject *value;      /* what the function returned */
} gradient_call;

static bool check_call(const gradient_call *c) {
  const wanted *w = c->w;
  const Py_ssize_t n = PyTuple_Size(c->args);
  if (w->count && w->argnums[w->count - 1] >= n) {
    PyErr_Format(PyExc_ValueError,
                 "%s: can't compute the gradient of argument index %d because the function is called with only %zd "
                 "positional arguments",
                 c->op, w->argnums[w->count - 1], n);
    return false;
  }
  for (Py_ssize_t i = 0; i < PyTuple_Size(w->names); i++) {
    PyObject *name = PyTuple_GetItem(w->names, i);
    const int there = PyDict_Contains(c->keywords, name);
    if (there < 0) return false;
    if (there) continue;
    PyObject *given = PyDict_Keys(c->keywords);
    if (given)
      PyErr_Format(PyExc_ValueError,
                   "%s: can't compute the gradient of keyword argument '%U' because the function is called with the "
                   "keyword arguments %R",
                   c->op, name, given);
    Py_XDECREF(given);
    return false;
  }
  return true;
}

/* Adds the arrays of an argument; one whose gradient is wanted must hold nothing else. */
static bool add_argument(gradient_call *c, PyObject *o, bool is_wanted) {
  const int before = c->arrays.count;
  if (!is_wanted) return tree_flatten(o, false, &c->arrays);
  PyObject *structure = tree_structure(o, true, &c->arrays);
  const bool fine = structure && PyList_Append(c->structures, structure) == 0;
  Py_XDECREF(structure);
  if (!fine) return false;
  const int added = c->arrays.count - before;
  int *more = realloc(c->argnums, (size_t)(c->n_argnums + added + 1) * sizeof *more);
  if (!more) return PyErr_NoMemory() != NULL;
  c->argnums = more;
  for (int i = 0; i < added; i++) c->argnums[c->n_argnums++] = before + i;
  return true;
}

static bool add_arguments(gradient_call *c) {
  PyObject *name, *value;
  for (Py_ssize_t i = 0, k = 0; i < PyTuple_Size(c->args); i++) {
    const bool is_wanted = k < c->w->count && c->w->argnums[k] == i;
    k += is_wanted;
    if (!add_argument(c, PyTuple_GetItem(c->args, i), is_wanted)) return false;
  }
  for (Py_ssize_t at = 0; PyDict_Next(c->keywords, &at, &name, &value);) {
    const int is_wanted = PySequence_Contains(c->w->names, name);
    if (is_wanted < 0 || !add_argument(c, value, is_wanted == 1)) return false;
  }
  if (c->n_argnums) return true;
  PyErr_Format(PyExc_ValueError, "%s: must specify at least one argument with an array", c->op);
  return false;
}

/* ---- the function under the trace ---- */

static bool wrong_value(const char *op, const char *expected, PyObject *got) {
  PyObject *name = type_name(got);
  if (name)
    PyErr_Format(PyExc_ValueError, "%s: the return value of the function whose gradient we want to compute should be %s; "
                                   "but %U was returned", op, expected, name);
  Py_XDECREF(name);
  return false;
}

/* The loss among what the function returned, or NULL and an exception. */
static pons_array loss_of(const gradient_call *c) {
  PyObject *v = c->value;
  if (unwrap(v)) return unwrap(v);
  if (!c->w->value) return wrong_value(c->op, "a scalar array", v) ? unwrap(v) : NULL;
  if (PyTuple_Check(v) && PyTuple_Size(v) && unwrap(PyTuple_GetItem(v, 0))) return unwrap(PyTuple_GetItem(v, 0));
  const char *expected = "either a scalar array or a non-empty tuple whose first value is a scalar array";
  if (PyTuple_Check(v) && PyTuple_Size(v)) v = PyTuple_GetItem(v, 0);
  wrong_value(c->op, expected, v);
  return NULL;
}

/* Puts the arguments' own arrays back where the function has left the traced ones. */
static bool restore(const gradient_call *c, PyObject *trees, const pons_array *traced) {
  PyObject *kind, *value, *trace;
  PyErr_Fetch(&kind, &value, &trace);
  PyObject *now = tree_replace(trees, traced, c->arrays.objects, c->arrays.count);
  Py_XDECREF(now);
  if (!kind) return now != NULL;
  PyErr_Restore(kind, value, trace);
  return false;
}

static bool call_traced(gradient_call *c, const pons_array *in, int n_in) {
  supply values = {in, n_in, 0};
  PyObject *trees = Py_BuildValue("(OO)", c->args, c->keywords), *filled = trees ? tree_fill(trees, &values) : NULL;
  Py_XDECREF(trees);
  if (!filled) return false;
  open_trace trace;
  trace_open(&trace, in, n_in);
  c->value = PyObject_Call(c->fun, PyTuple_GetItem(filled, 0), PyTuple_GetItem(filled, 1));
  trace_close(&trace);
  const bool fine = restore(c, filled, in) && c->value;
  Py_DECREF(filled);
  return fine;
}

static void loss_callback(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  gradient_call *c = payload;
  (void)n_out;
  out[0] = !PyErr_Occurred() && call_traced(c, in, n_in) ? loss_of(c) : NULL;
  if (!out[0]) out[0] = failed_in_python(c->op);
}

/* ---- the gradients in their trees: those by place come first in the list of structures ---- */

static PyObject *positional_gradients(const gradient_call *c, supply *grads) {
  const int count = c->w->count;
  if (count == 0) return Py_NewRef(Py_None);
  if (count == 1) return structure_fill(PyList_GetItem(c->structures, 0), grads);
  PyObject *all = PyTuple_New(count);
  for (int i = 0; all && i < count; i++) {
    PyObject *tree = structure_fill(PyList_GetItem(c->structures, i), grads);
    if (tree) PyTuple_SetItem(all, i, tree);
    else Py_CLEAR(all);
  }
  return all;
}

static PyObject *named_gradients(const gradient_call *c, supply *grads) {
  PyObject *all = PyDict_New(), *name, *value;
  Py_ssize_t next = c->w->count;
  for (Py_ssize_t at = 0; all && PyDict_Next(c->keywords, &at, &name, &value);) {
    if (PySequence_Contains(c->w->names, name) != 1) continue;
    PyObject *tree = structure_fill(PyList_GetItem(c->structures, next++), grads);
    if (!tree || PyDict_SetItem(all, name, tree) < 0) Py_CLEAR(all);
    Py_XDECREF(tree);
  }
  return all;
}

static PyObject *gradient_trees(const gradient_call *c, const pons_array *grads) {
  supply values = {grads, c->n_argnums, 0};
  PyObject *by_place = positional_gradients(c, &values);
  if (!by_place || PyTuple_Size(c->w->names) == 0) return by_place;
  PyObject *by_name = named_gradients(c, &values), *both = by_name ? PyTuple_Pack(2, by_place, by_name) : NULL;
  Py_XDECREF(by_name);
  Py_DECREF(by_place);
  return both;
}

static PyObject *differentiate(gradient_call *c) {
  if (!check_call(c) || !add_arguments(c)) return NULL;
  pons_array *out = malloc((size_t)(c->n_argnums + 1) * sizeof *out);
  if (!out) return PyErr_NoMemory();
  pons_function loss = pons_function_new(loss_callback, 1, c, NULL);
  const pons_axes argnums = {c->n_argnums, c->argnums};
  pons_function f = c->w->value ? pons_value_and_grad(loss, argnums) : pons_grad(loss, argnums);
  PyObject *grads = NULL;
  if (pons_call(f, c->arrays.at, c->arrays.count, out, c->n_argnums + c->w->value) && !PyErr_Occurred())
    grads = gradient_trees(c, out + c->w->value);
  else
    raise_error();
  pons_function_release(f);
  pons_function_release(loss);
  free(out);
  if (!grads || !c->w->value) return grads;
  PyObject *both = PyTuple_Pack(2, c->value, grads);
  Py_DECREF(grads);
  return both;
}

static PyObject *gradient_called(transformed *self, PyObject *args, PyObject *keywords) {
  gradient_call c = {.op = self->transform->op, .w = self->data, .fun = self->fun, .args = args, .keywords = keywords};
  leaves_begin(&c.arrays);
  c.structures = PyList_New(0);
  PyObject *result = c.structures ? differentiate(&c) : NULL;
  leaves_end(&c.arrays);
  Py_XDECREF(c.structures);
  Py_XDECREF(c.value);
  free(c.argnums);
  return result;
}

static void gradient_clear(transformed *self) { wanted_free(self->data); }

static const transform grad_transform = {"grad", gradient_called, NULL, gradient_clear};
static const transform value_and_grad_transform = {"value_and_grad", gradient_called, NULL, gradient_clear};

static PyObject *gradient_new(const transform *t, const slot *s) {
  wanted *w = wanted_new(t->op, s[1], s[2], t == &value_and_grad_transform);
  PyObject *f = w ? transformed_new(t, s[0].object, w) : NULL;
  if (!f) wanted_free(w);
  return f;
}

#define ARGUMENTS "(fun: Callable[P, R], argnums: int | Sequence[int] | None = None, argnames: str | Sequence[str] = [])"

FUNCTION(grad, ARGUMENTS " -> Callable[P, Any]",
         "A function that computes the gradient of fun's result, a scalar array, with respect to the arguments at the "
         "places argnums and with the names argnames; left out, the first argument. Arguments are arrays or trees of "
         "arrays, and so are gradients: of one place its own tree, of several a tuple, with names a tuple of that and a "
         "dict.") {
  return gradient_new(&grad_transform, s);
}

FUNCTION(value_and_grad, ARGUMENTS " -> Callable[P, tuple[R, Any]]",
         "As grad, but what fun returned and the gradients. fun may return a tuple whose first item is the scalar to "
         "differentiate; the others can be anything.") {
  return gradient_new(&value_and_grad_transform, s);
}

/* ---- vjp, jvp ---- */

/* A function of arrays that returns arrays, on its way through the library. */
typedef struct product_call {
  const char *op;
  PyObject *fun;
  leaves results; /* of the last call */
} product_call;

static bool call_with_arrays(product_call *c, const pons_array *in, int n_in) {
  open_trace trace;
  trace_open(&trace, in, n_in);
  PyObject *args = wrap_tuple(in, n_in), *returned = args ? PyObject_Call(c->fun, args, NULL) : NULL;
  trace_close(&trace);
  leaves_end(&c->results);
  const bool fine = returned && add_results(c->op, returned, &c->results);
  Py_XDECREF(returned);
  Py_XDECREF(args);
  return fine;
}

static void product_callback(void *payload, const pons_array *in, int n_in, pons_results results) {
  product_call *c = payload;
  if (PyErr_Occurred() || !call_with_arrays(c, in, n_in)) {
    pons_results_add(results, failed_in_python(c->op));
    return;
  }
  for (int i = 0; i < c->results.count; i++) pons_results_add(results, c->results.at[i]);
}

/* Two lists as a tuple. */
static PyObject *two_lists(const pons_array *a, int n_a, const pons_array *b, int n_b) {
  PyObject *first = wrap_list(a, n_a), *second = first ? wrap_list(b, n_b) : NULL;
  PyObject *both = second ? PyTuple_Pack(2, first, second) : NULL;
  Py_XDECREF(first);
  Py_XDECREF(second);
  return both;
}

FUNCTION(vjp, "(fun: Callable, primals: list[array], cotangents: list[array]) -> tuple[list[array], list[array]]",
         "The results of fun at the primals, and the products of the cotangents with its Jacobian, one per primal. There is "
         "a cotangent for each result but those that are stop_gradient's.") {
  if (!check_callable("vjp", s[0].object)) return NULL;
  product_call c = {.op = "vjp", .fun = s[0].object};
  leaves_begin(&c.results);
  pons_function f = pons_function_new_open(product_callback, &c, NULL);
  pons_array *out = NULL;
  const int n_in = s[1].arrays.count;
  const int count = pons_vjp_open(f, s[1].arrays.at, n_in, s[2].arrays.at, s[2].arrays.count, &out);
  PyObject *result = count >= 0 && !PyErr_Occurred() ? two_lists(out, count, out + count, n_in) : raise_error();
  pons_free(out);
  pons_function_release(f);
  leaves_end(&c.results);
  return result;
}

FUNCTION(jvp, "(fun: Callable, primals: list[array], tangents: list[array]) -> tuple[list[array], list[array]]",
         "The results of fun at the primals, and the products of its Jacobian with the tangents, one per primal.") {
  if (!check_callable("jvp", s[0].object)) return NULL;
  if (s[1].arrays.count != s[2].arrays.count) {
    PyErr_Format(PyExc_ValueError, "jvp: number of inputs (%d) does not match number of tangents (%d)",
                 s[1].arrays.count, s[2].arrays.count);
    return NULL;
  }
  product_call c = {.op = "jvp", .fun = s[0].object};
  leaves_begin(&c.results);
  pons_function f = pons_function_new_open(product_callback, &c, NULL);
  pons_array *out = NULL;
  const int count = pons_jvp_open(f, s[1].arrays.at, s[2].arrays.at, s[1].arrays.count, &out);
  PyObject *result = count >= 0 && !PyErr_Occurred() ? two_lists(out, count, out + count, count) : raise_error();
  pons_free(out);
  pons_function_release(f);
  leaves_end(&c.results);
  return result;
}

static PyMethodDef rows[] = {ROW(grad), ROW(value_and_grad), ROW(vjp), ROW(jvp), END_OF_ROWS};

int add_gradients(PyObject *module) { return PyModule_AddFunctions(module, rows); }
