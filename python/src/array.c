/* array.c: the type `array`: a Python object that keeps an array of the library and may be made to stand for another
   one (x[...] = v). What the type does is in the files that array.h names. */
#include "array.h"
#include "functions.h"
#include <string.h>

PyTypeObject *array_type;

/* ---- errors ---- */

/* As NumPy's AxisError a ValueError, too: MLX raises one or the other for an axis that isn't there. */
static PyObject *out_of_range;

static int add_out_of_range(PyObject *module) {
  PyObject *bases = PyTuple_Pack(2, PyExc_IndexError, PyExc_ValueError);
  out_of_range = bases ? PyErr_NewExceptionWithDoc("pons.core.OutOfRangeError",
                                                   "There is no such index, or no such axis.", bases, NULL)
                       : NULL;
  Py_XDECREF(bases);
  return out_of_range ? PyModule_AddObjectRef(module, "OutOfRangeError", out_of_range) : -1;
}

/* Hints name functions as C does, pons_transpose, which are called transpose here. */
static PyObject *message(const char *text) {
  const char *hint = strstr(text, "\nhint: ");
  char *copy = hint ? PyMem_Malloc(strlen(text) + 1) : NULL, *to = copy;
  if (!copy) return PyUnicode_FromString(text);
  for (const char *from = text; *from;) {
    if (from > hint && strncmp(from, "pons_", 5) == 0)
      from += 5;
    else
      *to++ = *from++;
  }
  *to = 0;
  PyObject *words = PyUnicode_FromString(copy);
  PyMem_Free(copy);
  return words;
}

static PyObject *raise_text(const char *text, pons_error_kind kind) {
  PyObject *const types[] = {
      [PONS_ERROR_NONE] = PyExc_ValueError,     [PONS_ERROR_VALUE] = PyExc_ValueError,
      [PONS_ERROR_TYPE] = PyExc_TypeError,      [PONS_ERROR_INDEX] = out_of_range,
      [PONS_ERROR_MEMORY] = PyExc_MemoryError,  [PONS_ERROR_OVERFLOW] = PyExc_OverflowError,
      [PONS_ERROR_RUNTIME] = PyExc_RuntimeError};
  if (!PyErr_Occurred()) {
    PyObject *words = message(text ? text : "unknown error");
    if (words) PyErr_SetObject(types[kind], words);
    Py_XDECREF(words);
  }
  pons_clear_error();
  return NULL;
}

PyObject *raise_error_of(pons_array a) { return raise_text(pons_error_of(a), pons_error_kind_of(a)); }
PyObject *raise_error(void) { return raise_text(pons_error(), pons_last_error_kind()); }

/* ---- wrapping ---- */

/* As in MLX, sizes are int32. */
static bool sizes_fit(pons_array a) {
  const pons_shape shape = pons_shape_of(a);
  for (int i = 0; i < shape.count; i++)
    if (shape.at[i] > INT32_MAX) {
      PyErr_Format(PyExc_OverflowError, "a result with %lld elements along axis %d: sizes are int32",
                   (long long)shape.at[i], i);
      return false;
    }
  return true;
}

static PyObject *wrap_as(PyTypeObject *type, pons_array a) {
  if (!a) return raise_error();
  if (pons_error_of(a)) return raise_error_of(a);
  if (!sizes_fit(a)) return NULL;
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

void rewrap(PyObject *array, pons_array a) {
  array_object *o = (array_object *)array;
  pons_set(&o->value, a);
  Py_CLEAR(o->shape);
}

/* ---- computing ---- */

bool evaluate(const pons_array *arrays, int count) {
  bool ready = true;
  for (int i = 0; i < count && ready; i++) ready = pons_is_evaluated(arrays[i]);
  if (ready) return true;
  for (int i = 0; i < count; i++) pons_keep(arrays[i]); /* other threads may let go of them */
  gil_release();
  ready = pons_eval_many(arrays, count);
  gil_take();
  for (int i = 0; i < count; i++) pons_release(arrays[i]);
  if (!ready) raise_error();
  return ready;
}

/* ---- the type ---- */

/* Stands for a 0, until __init__ or __setstate__ say for what. */
static PyObject *array_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  (void)args, (void)keywords;
  const pons_scope scope = pons_scope_open();
  PyObject *o = wrap_as(type, pons_scalar(0, PONS_FLOAT32));
  pons_scope_close(scope);
  return o;
}

static int array_init(PyObject *self, PyObject *args, PyObject *keywords) {
  static char *names[] = {"val", "dtype", NULL};
  PyObject *value, *dtype = Py_None;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|O:array", names, &value, &dtype)) return -1;
  pons_optional_dtype wanted = {false, PONS_BOOL};
  if (dtype != Py_None) {
    wanted.given = true;
    if (!dtype_from_object(dtype, &wanted.dtype)) {
      PyErr_SetString(PyExc_TypeError, "array(): dtype must be Dtype | None");
      return -1;
    }
  }
  const pons_scope scope = pons_scope_open();
  pons_array a = array_from_object(value, wanted);
  bool good = a && !pons_error_of(a);
  if (a && !good) raise_error_of(a);
  good = good && sizes_fit(a);
  if (good) rewrap(self, a);
  pons_scope_close(scope);
  return good ? 0 : -1;
}

static void array_free(PyObject *o) {
  array_object *a = (array_object *)o;
  PyTypeObject *type = Py_TYPE(o);
  if (a->weak_references) PyObject_ClearWeakRefs(o);
  pons_release(a->value);
  Py_XDECREF(a->shape);
  if (type == array_type)
    PyObject_Free(o);
  else
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(o); /* of a class made from it, with a dict */
  Py_DECREF(type);
  release_waiting();
}

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(array_object, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static const PyType_Slot own_slots[] = {
    {Py_tp_doc,
     "array(val: scalar | list | tuple | DLPackCompatible | array, dtype: Dtype | None = None)\n\n"
     "An N-dimensional array, computed when it is asked for."},
    {Py_tp_new, array_new},
    {Py_tp_init, array_init},
    {Py_tp_dealloc, array_free},
    {Py_tp_members, members},
    {0, NULL}};

enum { MAX_SLOTS = 96, MAX_METHODS = 128 };
static PyType_Slot all_slots[MAX_SLOTS];
static PyMethodDef all_methods[MAX_METHODS];

static void join_methods(void) {
  const PyMethodDef *const parts[] = {operator_methods, value_methods, exchange_methods, function_methods};
  int n = 0;
  for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
    for (const PyMethodDef *m = parts[p]; m->ml_name && n < MAX_METHODS - 1; m++) all_methods[n++] = *m;
}

static void join_slots(void) {
  const PyType_Slot *const parts[] = {own_slots,   operator_slots, indexing_slots,
                                      value_slots, exchange_slots, method_slots};
  int n = 0;
  for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
    for (const PyType_Slot *s = parts[p]; s->slot && n < MAX_SLOTS - 2; s++) all_slots[n++] = *s;
  all_slots[n] = (PyType_Slot){Py_tp_methods, all_methods};
}

int add_array_type(PyObject *module) {
  if (add_out_of_range(module) < 0) return -1;
  join_methods();
  join_slots();
  PyType_Spec spec = {"pons.core.array", sizeof(array_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                      all_slots};
  array_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
  if (!array_type || PyModule_AddObjectRef(module, "array", (PyObject *)array_type) < 0) return -1;
  return add_subscript_types(module) < 0 || add_print_options(module) < 0 ? -1 : add_conversions(module);
}
