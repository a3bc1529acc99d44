/* array.c: the type `array`: a Python object that keeps an array of the library and may be made to stand for another
   one (x[...] = v). What the type does is in operators.c, indexing.c, exchange.c and methods.c. */
#include "array.h"

PyTypeObject *array_type;

/* ---- errors ---- */

static PyObject *raise_text(const char *text) {
  if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, text ? text : "unknown error");
  pons_clear_error();
  return NULL;
}

PyObject *raise_error_of(pons_array a) { return raise_text(pons_error_of(a)); }
PyObject *raise_error(void) { return raise_text(pons_error()); }

/* ---- wrapping ---- */

static PyObject *wrap_as(PyTypeObject *type, pons_array a) {
  if (!a) return raise_error();
  if (pons_error_of(a)) return raise_error_of(a);
  array_object *o = (array_object *)PyType_GenericAlloc(type, 0);
  if (o) o->value = pons_keep(a);
  return (PyObject *)o;
}

PyObject *wrap(pons_array a) { return wrap_as(array_type, a); }

PyObject *wrap_tuple(const pons_array *arrays, int count) {
  PyObject *tuple = PyTuple_New(count);
  for (int i = 0; tuple && i < count; i++) {
    PyObject *o = wrap(arrays[i]);
    if (o)
      PyTuple_SetItem(tuple, i, o);
    else
      Py_CLEAR(tuple);
  }
  return tuple;
}

PyObject *wrap_list(const pons_array *arrays, int count) {
  PyObject *list = PyList_New(count);
  for (int i = 0; list && i < count; i++) {
    PyObject *o = wrap(arrays[i]);
    if (o)
      PyList_SetItem(list, i, o);
    else
      Py_CLEAR(list);
  }
  return list;
}

pons_array unwrap(PyObject *o) {
  if (Py_TYPE(o) != array_type && !PyObject_TypeCheck(o, array_type)) return NULL;
  return ((array_object *)o)->value;
}

void rewrap(PyObject *array, pons_array a) { pons_set(&((array_object *)array)->value, a); }

/* ---- the type ---- */

static PyObject *array_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  static char *names[] = {"val", "dtype", NULL};
  PyObject *value, *dtype = Py_None;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|O:array", names, &value, &dtype)) return NULL;
  pons_optional_dtype wanted = {false, PONS_BOOL};
  if (dtype != Py_None) {
    wanted.given = true;
    if (!dtype_from_object(dtype, &wanted.dtype)) {
      PyErr_SetString(PyExc_TypeError, "array(): dtype must be Dtype | None");
      return NULL;
    }
  }
  const pons_scope scope = pons_scope_open();
  pons_array a = array_from_object(value, wanted);
  PyObject *o = a ? wrap_as(type, a) : NULL;
  pons_scope_close(scope);
  return o;
}

static void array_free(PyObject *o) {
  array_object *a = (array_object *)o;
  PyTypeObject *type = Py_TYPE(o);
  if (a->weak_references) PyObject_ClearWeakRefs(o);
  pons_release(a->value);
  PyObject_Free(o);
  Py_DECREF(type);
}

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(array_object, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static const PyType_Slot own_slots[] = {
    {Py_tp_doc,
     "array(val: scalar | list | tuple | DLPackCompatible | array, dtype: Dtype | None = None)\n\n"
     "An N-dimensional array, computed when it is asked for."},
    {Py_tp_new, array_new},
    {Py_tp_dealloc, array_free},
    {Py_tp_members, members},
    {0, NULL}};

enum { MAX_SLOTS = 96, MAX_METHODS = 128 };
static PyType_Slot all_slots[MAX_SLOTS];
static PyMethodDef all_methods[MAX_METHODS];

static void join_methods(void) {
  const PyMethodDef *const parts[] = {operator_methods, indexing_methods, exchange_methods, function_methods};
  int n = 0;
  for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
    for (const PyMethodDef *m = parts[p]; m->ml_name && n < MAX_METHODS - 1; m++) all_methods[n++] = *m;
}

static void join_slots(void) {
  const PyType_Slot *const parts[] = {own_slots, operator_slots, indexing_slots, exchange_slots,
                                      method_slots};
  int n = 0;
  for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
    for (const PyType_Slot *s = parts[p]; s->slot && n < MAX_SLOTS - 2; s++) all_slots[n++] = *s;
  all_slots[n] = (PyType_Slot){Py_tp_methods, all_methods};
}

int add_array_type(PyObject *module) {
  join_methods();
  join_slots();
  PyType_Spec spec = {"pons.core.array", sizeof(array_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                      all_slots};
  array_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
  return array_type ? PyModule_AddObjectRef(module, "array", (PyObject *)array_type) : -1;
}
