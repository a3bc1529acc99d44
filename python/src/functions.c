/* functions.c: the callables that transforms return, and what a callback of the library does on either side of a Python
   function. Uses tree.c. */
#include "functions.h"

/* ---- the callable ---- */

static PyTypeObject *transformed_type;

bool check_callable(const char *op, PyObject *fun) {
  if (PyCallable_Check(fun)) return true;
  PyObject *name = type_name(fun);
  if (name) PyErr_Format(PyExc_TypeError, "%s(): fun must be Callable, not %U", op, name);
  Py_XDECREF(name);
  return false;
}

PyObject *transformed_new(const transform *t, PyObject *fun, void *data) {
  if (!check_callable(t->op, fun)) return NULL;
  transformed *f = (transformed *)PyType_GenericAlloc(transformed_type, 0);
  if (!f) return NULL;
  f->transform = t;
  f->fun = Py_NewRef(fun);
  f->data = data;
  return (PyObject *)f;
}

static PyObject *transformed_call(PyObject *self, PyObject *args, PyObject *keywords) {
  transformed *f = (transformed *)self;
  if (!f->fun) {
    PyErr_Format(PyExc_ReferenceError, "%s: the function is gone", f->transform->op);
    return NULL;
  }
  PyObject *own = keywords ? PyDict_Copy(keywords) : PyDict_New();
  if (!own) return NULL;
  const pons_scope scope = pons_scope_open();
  PyObject *result = f->transform->call(f, args, own);
  pons_scope_close(scope);
  Py_DECREF(own);
  if (result) pons_clear_error();
  release_waiting();
  return result;
}

static PyObject *transformed_attribute(PyObject *self, PyObject *name) {
  PyObject *fun = ((transformed *)self)->fun;
  return fun ? PyObject_GetAttr(fun, name) : PyObject_GenericGetAttr(self, name);
}

static int transformed_traverse(PyObject *self, visitproc visit, void *arg) {
  transformed *f = (transformed *)self;
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(f->fun);
  return f->data && f->transform->traverse ? f->transform->traverse(f, visit, arg) : 0;
}

static int transformed_clear(PyObject *self) {
  transformed *f = (transformed *)self;
  if (f->data) f->transform->clear(f);
  f->data = NULL;
  Py_CLEAR(f->fun);
  return 0;
}

static void transformed_free(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  transformed_clear(self);
  PyObject_GC_Del(self);
  Py_DECREF(type);
  release_waiting();
}

static PyType_Slot transformed_slots[] = {{Py_tp_doc, "What the transforms of functions return."},
                                          {Py_tp_call, transformed_call},
                                          {Py_tp_getattro, transformed_attribute},
                                          {Py_tp_traverse, transformed_traverse},
                                          {Py_tp_clear, transformed_clear},
                                          {Py_tp_dealloc, transformed_free},
                                          {0, NULL}};

int add_function_type(PyObject *module) {
  PyType_Spec spec = {"pons.core._gc_func", sizeof(transformed), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, transformed_slots};
  transformed_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
  return transformed_type ? PyModule_AddObjectRef(module, "_gc_func", (PyObject *)transformed_type) : -1;
}

/* ---- callbacks ---- */

pons_array failed_in_python(const char *op) { return pons_fail(op, "the function raised an exception"); }

static bool add_result(const char *op, PyObject *o, leaves *to) {
  if (unwrap(o)) return tree_flatten(o, true, to);
  PyObject *name = type_name(o);
  if (name)
    PyErr_Format(PyExc_ValueError, "%s: the function must return an array or a sequence of arrays, not %U", op, name);
  Py_XDECREF(name);
  return false;
}

bool add_results(const char *op, PyObject *returned, leaves *to) {
  const bool list = PyList_Check(returned);
  if (!list && !PyTuple_Check(returned)) return add_result(op, returned, to);
  for (Py_ssize_t i = 0; i < (list ? PyList_Size(returned) : PyTuple_Size(returned)); i++)
    if (!add_result(op, list ? PyList_GetItem(returned, i) : PyTuple_GetItem(returned, i), to)) return false;
  return true;
}

static _Thread_local open_trace *traces;

void trace_open(open_trace *t, const pons_array *in, int n_in) {
  *t = (open_trace){in, n_in, traces};
  traces = t;
}

void trace_close(open_trace *t) { traces = t->outer; }

bool are_traced(const pons_array *arrays, int count) {
  for (const open_trace *t = traces; t; t = t->outer)
    if (pons_made_from(arrays, count, t->in, t->n_in) >= 0) return true;
  return false;
}

/* This thread's state while it works without the lock. */
static _Thread_local PyThreadState *released;

void gil_release(void) { released = PyEval_SaveThread(); }

bool gil_take(void) {
  if (!released) return false;
  PyThreadState *state = released;
  released = NULL;
  PyEval_RestoreThread(state);
  return true;
}
