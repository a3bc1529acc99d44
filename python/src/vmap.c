/* vmap.c: vmap of functions of trees. The axes are trees, too: each may end above the leaves it stands for. Uses
   functions.c, tree.c. */
#include "functions.h"
#include <stdlib.h>

/* ---- axes ---- */

static bool add_axis(axis_list *l, int axis) {
  if (l->count == l->room) {
    const int room = 2 * l->room + 8;
    int *more = realloc(l->at, (size_t)room * sizeof *more);
    if (!more) return PyErr_NoMemory() != NULL;
    l->at = more;
    l->room = room;
  }
  l->at[l->count++] = axis;
  return true;
}

static bool no_axis(void) {
  PyErr_SetString(PyExc_ValueError, "vmap: an axis must be an integer or None");
  return false;
}

static bool no_prefix(void) {
  PyErr_SetString(PyExc_ValueError, "vmap: the tree of axes is not a valid prefix of the tree of arrays");
  return false;
}

static bool axis_of_array(axis_list *l, pons_array a, PyObject *axis) {
  if (PyTuple_Check(axis) && PyTuple_Size(axis) == 1) {
    l->tuple = true;
    axis = PyTuple_GetItem(axis, 0);
  }
  if (axis == Py_None) return add_axis(l, PONS_NOT_MAPPED);
  if (!PyLong_Check(axis)) return no_axis();
  const long given = PyLong_AsLong(axis);
  if (given == -1 && PyErr_Occurred()) return false;
  const int ndim = pons_ndim(a) + l->results;
  if (given >= -ndim && given < ndim) return add_axis(l, (int)(given < 0 ? given + ndim : given));
  PyObject *object = wrap(a), *shape = object ? PyObject_GetAttrString(object, "shape") : NULL;
  if (shape)
    PyErr_Format(PyExc_IndexError, "vmap: invalid %svectorization axis %ld for an array of shape %R",
                 l->results ? "output " : "", given, shape);
  Py_XDECREF(shape);
  Py_XDECREF(object);
  return false;
}

static bool add_axes(axis_list *l, PyObject *tree, PyObject *axes);

static bool axes_of_items(axis_list *l, PyObject *tree, PyObject *axes, bool list) {
  const Py_ssize_t count = list ? PyList_Size(tree) : PyTuple_Size(tree);
  if (PyDict_Check(axes) || (list ? PyTuple_Check(axes) : PyList_Check(axes))) return no_prefix();
  const bool split = list ? PyList_Check(axes) : PyTuple_Check(axes);
  if (split && (list ? PyList_Size(axes) : PyTuple_Size(axes)) != count) return no_prefix();
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *item = list ? PyList_GetItem(tree, i) : PyTuple_GetItem(tree, i);
    PyObject *axis = !split ? axes : list ? PyList_GetItem(axes, i) : PyTuple_GetItem(axes, i);
    if (!add_axes(l, item, axis)) return false;
  }
  return true;
}

static bool axes_of_dict(axis_list *l, PyObject *tree, PyObject *axes) {
  const bool split = PyDict_Check(axes);
  if (PyList_Check(axes) || PyTuple_Check(axes)) return no_prefix();
  if (split && PyDict_Size(axes) != PyDict_Size(tree)) return no_prefix();
  PyObject *key, *item;
  for (Py_ssize_t at = 0; PyDict_Next(tree, &at, &key, &item);) {
    PyObject *axis = split ? PyDict_GetItemWithError(axes, key) : axes;
    if (!axis) return PyErr_Occurred() ? false : no_prefix();
    if (!add_axes(l, item, axis)) return false;
  }
  return true;
}

static bool add_axes(axis_list *l, PyObject *tree, PyObject *axes) {
  pons_array a = unwrap(tree);
  if (a) return axis_of_array(l, a, axes);
  if (Py_EnterRecursiveCall(" in a tree")) return false;
  const bool fine = PyDict_Check(tree) ? axes_of_dict(l, tree, axes) : axes_of_items(l, tree, axes, PyList_Check(tree));
  Py_LeaveRecursiveCall();
  return fine;
}

bool axes_of_tree(axis_list *l, PyObject *tree, PyObject *axes) {
  if (!add_axes(l, tree, axes)) return false;
  return !l->tuple || unwrap(tree) || no_axis();
}

/* ---- the call ---- */

typedef struct axes_pair {
  PyObject *in, *out;
} axes_pair;

typedef struct batch_call {
  PyObject *fun, *args;
  PyObject *out_axes;
  PyObject *returned; /* by the function, for one slice */
  axis_list in, out;
} batch_call;

/* Whether a result depends on the batch is known here alone. `mapped`: room for the inputs. */
static bool check_unmapped(const batch_call *c, const leaves *results, const pons_array *in, pons_array *mapped) {
  int n = 0;
  for (int i = 0; i < c->in.count; i++)
    if (c->in.at[i] != PONS_NOT_MAPPED) mapped[n++] = in[i];
  for (int i = 0; i < results->count; i++) {
    if (c->out.at[i] != PONS_NOT_MAPPED || pons_made_from(&results->at[i], 1, mapped, n) < 0) continue;
    PyErr_Format(PyExc_ValueError, "vmap: output %d depends on the batch, its axis can't be None", i);
    return false;
  }
  return true;
}

static bool call_slice(batch_call *c, const pons_array *in, int n_in, leaves *results) {
  supply values = {in, n_in, 0};
  PyObject *args = tree_unflatten(c->args, &values);
  if (args) c->returned = PyObject_Call(c->fun, args, NULL);
  Py_XDECREF(args);
  if (!c->returned || !tree_flatten(c->returned, true, results) || !axes_of_tree(&c->out, c->returned, c->out_axes))
    return false;
  pons_array *mapped = malloc((size_t)(n_in + 1) * sizeof *mapped);
  const bool fine = mapped ? check_unmapped(c, results, in, mapped) : PyErr_NoMemory() != NULL;
  free(mapped);
  return fine;
}

static void slice_callback(void *payload, const pons_array *in, int n_in, pons_results results) {
  leaves l;
  leaves_begin(&l);
  if (!PyErr_Occurred() && call_slice(payload, in, n_in, &l))
    for (int i = 0; i < l.count; i++) pons_results_add(results, l.at[i]);
  else
    pons_results_add(results, failed_in_python("vmap"));
  leaves_end(&l);
}

/* The batch comes first in what the library gives; where the axis is None, it goes last, as MLX has it. */
static PyObject *place_results(const batch_call *c, pons_array *out, int count) {
  for (int i = 0; i < count; i++) {
    const int axis = c->out.at[i] == PONS_NOT_MAPPED ? -1 : c->out.at[i];
    if (axis) out[i] = pons_moveaxis(out[i], 0, axis);
  }
  supply values = {out, count, 0};
  return tree_unflatten(c->returned, &values);
}

static PyObject *map_batch(batch_call *c, const leaves *in) {
  static const int front = 0;
  pons_array *out = NULL;
  pons_function slice = pons_function_new_open(slice_callback, c, NULL);
  pons_function f = pons_vmap(slice, (pons_axes){c->in.count, c->in.at}, (pons_axes){1, &front});
  const int count = pons_call_open(f, in->at, in->count, &out, NULL);
  PyObject *result = count >= 0 && !PyErr_Occurred() ? place_results(c, out, count) : raise_error();
  pons_free(out);
  pons_function_release(f);
  pons_function_release(slice);
  return result;
}

static PyObject *vmap_called(transformed *self, PyObject *args, PyObject *keywords) {
  const axes_pair *axes = self->data;
  if (PyDict_Size(keywords)) {
    PyErr_SetString(PyExc_TypeError, "vmap: keyword arguments are not supported");
    return NULL;
  }
  batch_call c = {.fun = self->fun, .args = args, .out_axes = axes->out, .out = {.results = true}};
  leaves in;
  leaves_begin(&in);
  PyObject *tree = PyTuple_Size(args) == 1 ? PyTuple_GetItem(args, 0) : args, *result = NULL;
  if (tree_flatten(args, true, &in) && axes_of_tree(&c.in, tree, axes->in)) {
    if (in.count) result = map_batch(&c, &in);
    else PyErr_SetString(PyExc_ValueError, "vmap: there is no array among the arguments");
  }
  leaves_end(&in);
  Py_XDECREF(c.returned);
  free(c.out.at);
  free(c.in.at);
  return result;
}

static int vmap_traverse(transformed *self, visitproc visit, void *arg) {
  const axes_pair *axes = self->data;
  Py_VISIT(axes->in);
  Py_VISIT(axes->out);
  return 0;
}

static void vmap_clear(transformed *self) {
  axes_pair *axes = self->data;
  Py_DECREF(axes->in);
  Py_DECREF(axes->out);
  free(axes);
}

static const transform vmap_transform = {"vmap", vmap_called, vmap_traverse, vmap_clear};

FUNCTION(vmap, "(fun: Callable[P, R], in_axes: object = 0, out_axes: object = 0) -> Callable[P, R]",
         "A function that maps fun over the axes in_axes of its arguments and puts the batch at out_axes of its results. "
         "Axes are integers, None for what is the same for the whole batch, or trees of these that are prefixes of the "
         "arguments or results.") {
  if (s[1].kind != SLOT_OBJECT || s[2].kind != SLOT_OBJECT || s[1].object == Py_None || s[2].object == Py_None) {
    PyErr_SetString(PyExc_TypeError, "vmap(): in_axes and out_axes must be integers or trees of axes, not None");
    return NULL;
  }
  axes_pair *axes = malloc(sizeof *axes);
  if (!axes) return PyErr_NoMemory();
  axes->in = s[1].object;
  axes->out = s[2].object;
  PyObject *f = transformed_new(&vmap_transform, s[0].object, axes);
  if (!f) {
    free(axes);
    return NULL;
  }
  Py_INCREF(axes->in);
  Py_INCREF(axes->out);
  return f;
}

static PyMethodDef rows[] = {ROW(vmap), END_OF_ROWS};

int add_vmap(PyObject *module) { return PyModule_AddFunctions(module, rows); }
