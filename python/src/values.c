/* values.c: elements of arrays as Python objects and as text: item, tolist, repr, format, print options. */
#include "array.h"
#include "dlpack.h"
#include <string.h>

/* ---- elements ---- */

/* Of the dtypes that aren't read by themselves; NULL and an exception. */
static PyObject *item_at(const char *at, pons_dtype dtype) {
#define READ(type) (*(const type *)(const void *)at)
  switch (dtype) {
    case PONS_BOOL:
      return PyBool_FromLong(READ(uint8_t));
    case PONS_UINT8:
      return PyLong_FromLong(READ(uint8_t));
    case PONS_UINT16:
      return PyLong_FromLong(READ(uint16_t));
    case PONS_UINT32:
      return PyLong_FromUnsignedLongLong(READ(uint32_t));
    case PONS_UINT64:
      return PyLong_FromUnsignedLongLong(READ(uint64_t));
    case PONS_INT8:
      return PyLong_FromLong(READ(int8_t));
    case PONS_INT16:
      return PyLong_FromLong(READ(int16_t));
    case PONS_INT32:
      return PyLong_FromLong(READ(int32_t));
    case PONS_INT64:
      return PyLong_FromLongLong(READ(int64_t));
    case PONS_FLOAT32:
      return PyFloat_FromDouble((double)READ(float));
    case PONS_FLOAT64:
      return PyFloat_FromDouble(READ(double));
    case PONS_COMPLEX64:
      return PyComplex_FromDoubles((double)READ(float), (double)((const float *)(const void *)at)[1]);
    case PONS_COMPLEX128:
      return PyComplex_FromDoubles(READ(double), ((const double *)(const void *)at)[1]);
    default:
      break;
  }
#undef READ
  return PyErr_Format(PyExc_ValueError, "item: elements of %s can't be read", pons_dtype_name(dtype));
}

/* `a` computed, and 16-bit floats as float32; scope-owned, since the object may come to stand for another array
   meanwhile. NULL and an exception. */
static pons_array readable(pons_array a) {
  const pons_dtype dtype = pons_dtype_of(a);
  a = pons_positive(a);
  if (dtype == PONS_FLOAT16 || dtype == PONS_BFLOAT16) a = pons_astype(a, PONS_FLOAT32);
  return evaluate(&a, 1) ? a : NULL;
}

PyObject *item_of(pons_array a) {
  if (pons_size(a) != 1) {
    PyObject *size = PyLong_FromLongLong(pons_size(a));
    if (size)
      PyErr_Format(PyExc_ValueError, "item: only arrays of one element are a Python scalar; this has %S",
                   size);
    Py_XDECREF(size);
    return NULL;
  }
  const pons_scope scope = pons_scope_open();
  const bool plain =
      pons_is_evaluated(a) && pons_dtype_of(a) != PONS_FLOAT16 && pons_dtype_of(a) != PONS_BFLOAT16;
  pons_array r = plain ? a : readable(a);
  const char *data = r ? pons_data(r) : NULL;
  PyObject *item = data ? item_at(data, pons_dtype_of(r)) : r ? raise_error() : NULL;
  pons_scope_close(scope);
  return item;
}

/* The axes from `axis` on, as they lie in memory: pons_data would move the array to another place. */
static PyObject *list_of(const DLTensor *t, pons_dtype dtype, const char *at, int axis) {
  if (axis == t->ndim) return item_at(at, dtype);
  const int64_t n = t->shape[axis], by = t->strides[axis] * (int64_t)pons_dtype_size(dtype);
  PyObject *list = PyList_New((Py_ssize_t)n);
  for (int64_t i = 0; list && i < n; i++) {
    PyObject *item = list_of(t, dtype, at + i * by, axis + 1);
    if (item)
      PyList_SetItem(list, (Py_ssize_t)i, item);
    else
      Py_CLEAR(list);
  }
  return list;
}

static PyObject *item(PyObject *self, PyObject *unused) {
  (void)unused;
  return item_of(unwrap(self));
}

static PyObject *tolist(PyObject *self, PyObject *unused) {
  (void)unused;
  const pons_scope scope = pons_scope_open();
  pons_array a = readable(unwrap(self));
  DLManagedTensor *t = a ? pons_to_dlpack(a) : NULL;
  PyObject *list = NULL;
  if (t) {
    const char *first = t->dl_tensor.data;
    list = list_of(&t->dl_tensor, pons_dtype_of(a), first ? first + t->dl_tensor.byte_offset : NULL, 0);
    t->deleter(t);
  } else if (a) {
    raise_error();
  }
  pons_scope_close(scope);
  return list;
}

/* ---- text ---- */

static PyObject *repr(PyObject *self) {
  pons_array a = pons_keep(unwrap(self));
  char *text = evaluate(&a, 1) ? pons_to_text(a) : NULL;
  PyObject *result = text ? PyUnicode_FromString(text) : PyErr_Occurred() ? NULL : raise_error();
  pons_free(text);
  pons_release(a);
  return result;
}

/* Of one element as that of a number; of more only without a format. */
static PyObject *format(PyObject *self, PyObject *spec) {
  if (!PyUnicode_Check(spec)) return PyErr_Format(PyExc_TypeError, "__format__(): the format must be str");
  if (pons_ndim(unwrap(self)) == 0) {
    PyObject *number = item_of(unwrap(self)), *text = number ? PyObject_Format(number, spec) : NULL;
    Py_XDECREF(number);
    return text;
  }
  if (PyUnicode_GetLength(spec) == 0) return PyObject_Str(self);
  PyErr_SetString(PyExc_TypeError, "__format__(): only arrays without axes can be formatted");
  return NULL;
}

/* ---- print options ---- */

typedef struct options_object {
  PyObject_HEAD int precision;
} options_object;
static PyTypeObject *options_type, *context_type;

/* More digits than any float has would only take time. */
enum { MOST_DIGITS = 1100 };
static bool is_precision(int64_t digits) {
  if (digits <= MOST_DIGITS) return true;
  PyErr_Format(PyExc_ValueError, "printoptions: precision may be at most %d", MOST_DIGITS);
  return false;
}

static bool precision_from(PyObject *args, PyObject *keywords, const char *format, int *precision) {
  static char *names[] = {"precision", NULL};
  *precision = -1;
  return PyArg_ParseTupleAndKeywords(args, keywords, format, names, precision);
}

static PyObject *options_make(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  int precision;
  if (!precision_from(args, keywords, "|i:PrintOptions", &precision)) return NULL;
  options_object *o = (options_object *)PyType_GenericAlloc(type, 0);
  if (o) o->precision = precision;
  return (PyObject *)o;
}

static PyObject *options_new(int precision) {
  return PyObject_CallFunction((PyObject *)options_type, "i", precision);
}

static PyMemberDef options_members[] = {
    {"precision", T_INT, offsetof(options_object, precision), 0,
     "precision(self) -> int\n\nDigits behind the point; below 0: six significant ones."},
    {NULL, 0, 0, 0, NULL}};
static PyType_Slot options_slots[] = {
    {Py_tp_doc, "PrintOptions(precision: int = -1)\n\nHow floats are printed."},
    {Py_tp_new, options_make},
    {Py_tp_members, options_members},
    {0, NULL}};

typedef struct context_object {
  PyObject_HEAD pons_printoptions inside, before;
} context_object;

static PyObject *context_make(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  PyObject *options;
  if (keywords && PyDict_Size(keywords))
    return PyErr_Format(PyExc_TypeError, "_PrintOptionsContext() has no keywords");
  if (!PyArg_ParseTuple(args, "O!:_PrintOptionsContext", options_type, &options)) return NULL;
  if (!is_precision(((options_object *)options)->precision)) return NULL;
  context_object *c = (context_object *)PyType_GenericAlloc(type, 0);
  if (c) c->inside.precision = ((options_object *)options)->precision;
  return (PyObject *)c;
}

static PyObject *context_enter(PyObject *self, PyObject *unused) {
  (void)unused;
  context_object *c = (context_object *)self;
  c->before = pons_get_printoptions();
  pons_set_printoptions(c->inside);
  return Py_NewRef(self);
}

static PyObject *context_exit(PyObject *self, PyObject *args) {
  (void)args;
  pons_set_printoptions(((context_object *)self)->before);
  return Py_NewRef(Py_None);
}

static PyMethodDef context_methods[] = {
    {"__enter__", context_enter, METH_NOARGS, "__enter__(self) -> _PrintOptionsContext\n\n"},
    {"__exit__", context_exit, METH_VARARGS, "__exit__(self, *args) -> None\n\n"},
    END_OF_ROWS};
static PyType_Slot context_slots[] = {
    {Py_tp_doc, "_PrintOptionsContext(arg: PrintOptions, /)\n\nPrint options that hold inside of `with`."},
    {Py_tp_new, context_make},
    {Py_tp_methods, context_methods},
    {0, NULL}};

FUNCTION(
    set_printoptions, "(precision: int = -1) -> None",
    "How floats are printed from now on: so many digits behind the point; below 0 six significant ones.") {
  if (!is_precision(s[0].i)) return NULL;
  pons_set_printoptions((pons_printoptions){s[0].i < 0 ? -1 : (int)s[0].i});
  return Py_NewRef(Py_None);
}

FUNCTION(get_printoptions, "() -> PrintOptions", "How floats are printed.") {
  (void)s;
  return options_new(pons_get_printoptions().precision);
}

FUNCTION(printoptions, "(precision: int = -1) -> _PrintOptionsContext",
         "A context: `with printoptions(precision=3):` floats are printed so inside.") {
  PyObject *options = is_precision(s[0].i) ? options_new(s[0].i < 0 ? -1 : (int)s[0].i) : NULL;
  PyObject *context = options ? PyObject_CallFunctionObjArgs((PyObject *)context_type, options, NULL) : NULL;
  Py_XDECREF(options);
  return context;
}

/* ---- the module ---- */

const PyType_Slot value_slots[] = {{Py_tp_repr, repr}, {Py_tp_str, repr}, {0, NULL}};
const PyMethodDef value_methods[] = {
    {"item", item, METH_NOARGS, "item(self) -> scalar\n\nThe one element as a Python scalar."},
    {"tolist", tolist, METH_NOARGS, "tolist(self) -> list_or_scalar\n\nLists of lists of Python scalars."},
    {"__format__", format, METH_O, "__format__(self, format_spec: object) -> str\n\n"},
    END_OF_ROWS};

static PyMethodDef rows[] = {ROW(set_printoptions), ROW(get_printoptions), ROW(printoptions), END_OF_ROWS};

int add_print_options(PyObject *module) {
  PyType_Spec options = {"pons.core.PrintOptions", sizeof(options_object), 0, Py_TPFLAGS_DEFAULT,
                         options_slots};
  PyType_Spec context = {"pons.core._PrintOptionsContext", sizeof(context_object), 0, Py_TPFLAGS_DEFAULT,
                         context_slots};
  options_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &options, NULL);
  context_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &context, NULL);
  if (!options_type || PyModule_AddObjectRef(module, "PrintOptions", (PyObject *)options_type) < 0) return -1;
  if (!context_type || PyModule_AddObjectRef(module, "_PrintOptionsContext", (PyObject *)context_type) < 0)
    return -1;
  return PyModule_AddFunctions(module, rows);
}
