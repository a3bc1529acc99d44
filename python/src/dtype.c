/* dtype.c: Dtype, DtypeCategory and the dtypes of the module; functions that ask about dtypes. */
#include "binding.h"
#include <string.h>

typedef struct dtype_struct {
  PyObject_HEAD pons_dtype value;
} dtype_struct;

static PyTypeObject *dtype_type;
static PyObject *dtypes[PONS_DTYPE_COUNT];

PyObject *dtype_object(pons_dtype dtype) { return Py_NewRef(dtypes[dtype]); }

bool dtype_from_object(PyObject *o, pons_dtype *out) {
  if (Py_TYPE(o) != dtype_type) return false;
  *out = ((dtype_struct *)o)->value;
  return true;
}

/* ---- Dtype ---- */

static PyObject *dtype_repr(PyObject *self) {
  const char *name = pons_dtype_name(((dtype_struct *)self)->value);
  return PyUnicode_FromFormat("mlx.core.%s", name);
}

static PyObject *dtype_compare(PyObject *a, PyObject *b, int how) {
  if ((how != Py_EQ && how != Py_NE) || Py_TYPE(b) != dtype_type) return Py_NewRef(Py_NotImplemented);
  const bool same = ((dtype_struct *)a)->value == ((dtype_struct *)b)->value;
  return PyBool_FromLong(same == (how == Py_EQ));
}

static Py_hash_t dtype_hash(PyObject *self) { return 1000 + (Py_hash_t)((dtype_struct *)self)->value; }

static PyObject *dtype_size(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromSize_t(pons_dtype_size(((dtype_struct *)self)->value));
}

/* Pickled as the name of what the module holds. */
static PyObject *dtype_reduce(PyObject *self, PyObject *unused) {
  (void)unused;
  const pons_dtype dtype = ((dtype_struct *)self)->value;
  return PyUnicode_FromString(dtype == PONS_BOOL ? "bool_" : pons_dtype_name(dtype));
}

static PyGetSetDef dtype_properties[] = {
    {"size", dtype_size, NULL, "size(self) -> int\n\nBytes of one element.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};
static PyMethodDef dtype_methods[] = {{"__reduce__", dtype_reduce, METH_NOARGS, NULL}, END_OF_ROWS};
static PyType_Slot dtype_slots[] = {{Py_tp_doc, "The type of an array's elements: float32, int8, ..."},
                                    {Py_tp_repr, dtype_repr},
                                    {Py_tp_richcompare, dtype_compare},
                                    {Py_tp_hash, dtype_hash},
                                    {Py_tp_getset, dtype_properties},
                                    {Py_tp_methods, dtype_methods},
                                    {0, NULL}};

static int add_dtypes(PyObject *module) {
  PyType_Spec spec = {"pons.core.Dtype", sizeof(dtype_struct), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, dtype_slots};
  dtype_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
  if (!dtype_type || PyModule_AddObjectRef(module, "Dtype", (PyObject *)dtype_type) < 0) return -1;
  for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
    dtype_struct *o = (dtype_struct *)PyType_GenericAlloc(dtype_type, 0);
    if (!o) return -1;
    o->value = (pons_dtype)d;
    dtypes[d] = (PyObject *)o;
    if (PyModule_AddObjectRef(module, d == PONS_BOOL ? "bool_" : pons_dtype_name((pons_dtype)d), dtypes[d]) <
        0)
      return -1;
  }
  return 0;
}

/* ---- DtypeCategory ---- */

static PyObject *category_type;
/* In the order of pons_dtype_category. */
static const char *const categories[] = {"complexfloating", "floating", "inexact", "signedinteger",
                                         "unsignedinteger", "integer",  "number",  "generic"};
enum { CATEGORY_COUNT = sizeof categories / sizeof *categories };

static int add_categories(PyObject *module) {
  PyObject *enums = PyImport_ImportModule("enum"), *members = PyDict_New();
  for (int i = 0; members && i < CATEGORY_COUNT; i++) {
    PyObject *number = PyLong_FromLong(i);
    if (!number || PyDict_SetItemString(members, categories[i], number) < 0) Py_CLEAR(members);
    Py_XDECREF(number);
  }
  PyObject *make = enums ? PyObject_GetAttrString(enums, "Enum") : NULL;
  category_type = make && members ? PyObject_CallFunction(make, "sO", "DtypeCategory", members) : NULL;
  Py_XDECREF(make);
  Py_XDECREF(members);
  Py_XDECREF(enums);
  PyObject *name = category_type ? PyUnicode_FromString("pons.core") : NULL;
  int bad = !name || PyObject_SetAttrString(category_type, "__module__", name) < 0 ||
            PyModule_AddObjectRef(module, "DtypeCategory", category_type) < 0;
  Py_XDECREF(name);
  for (int i = 0; !bad && i < CATEGORY_COUNT; i++) {
    PyObject *member = PyObject_GetAttrString(category_type, categories[i]);
    bad = !member || PyModule_AddObjectRef(module, categories[i], member) < 0;
    Py_XDECREF(member);
  }
  return bad ? -1 : 0;
}

/* A dtype or category by its number in pons_issubdtype, or -1. */
static int number_of(slot s) {
  if (s.kind == SLOT_DTYPE) return (int)s.dtype;
  if (PyObject_IsInstance(s.object, category_type) != 1) return -1;
  PyObject *value = PyObject_GetAttrString(s.object, "value");
  const long i = value ? PyLong_AsLong(value) : -1;
  Py_XDECREF(value);
  return i < 0 ? -1 : PONS_COMPLEXFLOATING + (int)i;
}

FUNCTION(issubdtype, "(arg1: Dtype | DtypeCategory, arg2: Dtype | DtypeCategory) -> bool",
         "Is the first one in the second?") {
  const int a = number_of(s[0]), b = number_of(s[1]);
  if (a >= 0 && b >= 0) return PyBool_FromLong(pons_issubdtype(a, b));
  if (!PyErr_Occurred())
    PyErr_SetString(PyExc_TypeError, "issubdtype(): arguments must be Dtype or DtypeCategory");
  return NULL;
}

/* ---- promotion ---- */

/* Of a Dtype or an array. */
static bool dtype_of(const char *op, PyObject *o, pons_dtype *out) {
  pons_array a = unwrap(o);
  if (a) *out = pons_dtype_of(a);
  if (a || dtype_from_object(o, out)) return true;
  PyErr_Format(PyExc_TypeError, "%s(): arguments must be array or Dtype", op);
  return false;
}

FUNCTION(result_type, "(*arrays_and_dtypes: array | Dtype) -> Dtype",
         "The dtype that all of them are promoted to.") {
  pons_dtype result = PONS_BOOL;
  const Py_ssize_t count = PyTuple_Size(s[0].object);
  for (Py_ssize_t i = 0; i < count; i++) {
    pons_dtype d;
    if (!dtype_of("result_type", PyTuple_GetItem(s[0].object, i), &d)) return NULL;
    result = i ? pons_promote(result, d) : d;
  }
  if (count) return dtype_object(result);
  PyErr_SetString(PyExc_ValueError, "result_type: there must be at least one array or dtype");
  return NULL;
}

FUNCTION(can_cast, "(from_: array | Dtype, to: Dtype) -> bool", "Is `to` what both are promoted to?") {
  const pons_dtype from = s[0].kind == SLOT_ARRAY ? pons_dtype_of(s[0].array) : s[0].dtype;
  return PyBool_FromLong(pons_can_cast(from, s[1].dtype));
}

static int is_of_kind(pons_dtype dtype, PyObject *kind) {
  pons_dtype other;
  if (dtype_from_object(kind, &other)) return dtype == other;
  if (!PyUnicode_Check(kind)) {
    PyErr_SetString(PyExc_TypeError, "isdtype(): kind must be a Dtype, a str or a tuple of them");
    return -1;
  }
  const char *name = PyUnicode_AsUTF8AndSize(kind, NULL);
  const bool is = name && pons_isdtype(dtype, name);
  if (name && pons_ok()) return is;
  if (name) raise_error();
  return -1;
}

FUNCTION(isdtype, "(dtype: Dtype, kind: DtypeKind) -> bool",
         "Is the dtype of a kind as the Python array API names them?") {
  PyObject *kind = s[1].object;
  if (!PyTuple_Check(kind)) {
    const int is = is_of_kind(s[0].dtype, kind);
    return is < 0 ? NULL : PyBool_FromLong(is);
  }
  bool any = false;
  for (Py_ssize_t i = 0; i < PyTuple_Size(kind); i++) {
    const int is = is_of_kind(s[0].dtype, PyTuple_GetItem(kind, i));
    if (is < 0) return NULL;
    any |= is == 1;
  }
  return PyBool_FromLong(any);
}

FUNCTION(__array_namespace_info__, "() -> object",
         "What the namespace can do, as the Python array API asks.") {
  (void)s;
  PyObject *standard = PyImport_ImportModule("pons.array_api");
  PyObject *info = standard ? PyObject_CallMethod(standard, "__array_namespace_info__", NULL) : NULL;
  Py_XDECREF(standard);
  return info;
}

static PyMethodDef rows[] = {ROW(__array_namespace_info__),
                             ROW(issubdtype),
                             ROW(result_type),
                             ROW(can_cast),
                             ROW(isdtype),
                             END_OF_ROWS};

int add_dtype_types(PyObject *module) {
  return add_dtypes(module) < 0 || add_categories(module) < 0 ? -1 : PyModule_AddFunctions(module, rows);
}
