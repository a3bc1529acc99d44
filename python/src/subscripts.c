/* subscripts.c: x[...], x[...] = v, x.at[...], len and iteration. An index becomes a list for pons_get and pons_put;
   a single integer or slice takes the short way. */
#include "array.h"
#include <limits.h>
#include <string.h>

/* ---- indices ---- */

enum { MOST_ITEMS = 2 * PONS_MAX_NDIM };

static bool refuse(PyObject *o) {
  PyObject *type = PyObject_GetAttrString((PyObject *)Py_TYPE(o), "__name__");
  if (type)
    PyErr_Format(PyExc_ValueError,
                 "index: int, slice, None, ..., an array, a list or a tuple of them is one; %U is not", type);
  Py_XDECREF(type);
  return false;
}

/* What Python cuts off at the ends of its range is not the library's "left out". */
static int64_t bound(Py_ssize_t value) { return value == PY_SSIZE_T_MIN ? value + 1 : value; }

/* As in MLX integers of more than 32 bits are an error, but for arrays of so many elements. */
static bool is_too_far(Py_ssize_t value, int64_t size) {
  const bool left_out = value == PY_SSIZE_T_MAX || value == PY_SSIZE_T_MIN;
  if (left_out || (value <= INT_MAX && value >= INT_MIN) || size > INT_MAX) return false;
  PyErr_Format(PyExc_ValueError, "index: %zd is out of range for every axis", value);
  return true;
}

static bool slice_item(PyObject *o, int64_t size, pons_index_item *item) {
  Py_ssize_t start, stop, step;
  if (PySlice_Unpack(o, &start, &stop, &step) < 0) {
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) return false;
    PyErr_Clear();
    PyErr_SetString(PyExc_ValueError, "index: bounds of a slice are integers or None");
    return false;
  }
  if (is_too_far(start, size) || is_too_far(stop, size)) return false;
  if (step > 0)
    *item = pons_at_slice(bound(start), bound(stop), step);
  else
    *item = pons_at_slice(bound(start), stop == PY_SSIZE_T_MIN ? PONS_END : stop, bound(step));
  return true;
}

/* Masks are read at once, which must not happen with the GIL held. */
static bool array_item(pons_array a, pons_index_item *item) {
  *item = pons_at_array(a);
  return pons_dtype_of(a) != PONS_BOOL || !pons_has_value(a) || evaluate(&a, 1);
}

static bool list_item(PyObject *o, pons_index_item *item) {
  pons_array a = array_from_object(o, (pons_optional_dtype){false, PONS_BOOL});
  if (!a) return false;
  if (pons_error_of(a)) return raise_error_of(a), false;
  if (pons_size(a) == 0) a = pons_astype(a, PONS_INT32); /* of an empty list nothing else is known */
  return array_item(a, item);
}

static bool int_item(PyObject *number, pons_index_item *item) {
  int overflow;
  const long long i = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (overflow) PyErr_Format(PyExc_IndexError, "index: %S is out of range for every axis", number);
  *item = pons_at_int(i);
  return !overflow;
}

/* NumPy's integers have __index__, as its arrays have, which fails there. */
static bool other_item(PyObject *o, pons_index_item *item) {
  if (PyIndex_Check(o)) {
    PyObject *number = PyNumber_Index(o);
    if (number) {
      const bool fits = int_item(number, item);
      Py_DECREF(number);
      return fits;
    }
    PyErr_Clear();
  }
  pons_array a;
  if (PyUnicode_Check(o) || PyBytes_Check(o) || PyFloat_Check(o) || PyComplex_Check(o)) return refuse(o);
  const int fits = operand_from_object(o, &a);
  if (fits == 1) return array_item(a, item);
  return fits == 0 ? refuse(o) : false;
}

static bool item_from(PyObject *o, int64_t size, pons_index_item *item) {
  if (PyBool_Check(o)) return *item = pons_at_array(pons_bool(o == Py_True)), true;
  if (PyLong_Check(o)) return int_item(o, item);
  if (PySlice_Check(o)) return slice_item(o, size, item);
  if (o == Py_None) return *item = PONS_NEWAXIS, true;
  if (o == Py_Ellipsis) return *item = PONS_ELLIPSIS, true;
  pons_array a = unwrap(o);
  if (a) return array_item(a, item);
  if (PyList_Check(o)) return list_item(o, item);
  return other_item(o, item);
}

/* Of an index into x. */
static bool items_from(pons_array x, PyObject *index, pons_index_item *items, int *count) {
  const int64_t size = pons_size(x);
  if (!PyTuple_Check(index)) return *count = 1, item_from(index, size, items);
  const Py_ssize_t n = PyTuple_Size(index);
  if (n > MOST_ITEMS) {
    PyErr_Format(PyExc_ValueError, "index: %zd items; at most %d are possible", n, MOST_ITEMS);
    return false;
  }
  *count = (int)n;
  for (Py_ssize_t i = 0; i < n; i++)
    if (!item_from(PyTuple_GetItem(index, i), size, &items[i])) return false;
  return true;
}

/* ---- reading ---- */

static PyObject *subscript(PyObject *self, PyObject *index) {
  const pons_scope scope = pons_scope_open();
  pons_index_item items[MOST_ITEMS];
  int count;
  PyObject *result = NULL;
  if (items_from(unwrap(self), index, items, &count))
    result = wrap(pons_get(unwrap(self), (pons_index_list){count, items}));
  pons_scope_close(scope);
  return result;
}

static Py_ssize_t length(PyObject *self) {
  const int64_t n = pons_dim(unwrap(self), 0);
  if (n >= 0) return (Py_ssize_t)n;
  PyErr_SetString(PyExc_TypeError, "len() of an array without axes");
  return -1;
}

static PyObject *sequence_item(PyObject *self, Py_ssize_t i) {
  const pons_scope scope = pons_scope_open();
  PyObject *result = wrap(pons_get(unwrap(self), PONS_INDEX(pons_at_int(i))));
  pons_scope_close(scope);
  return result;
}

/* ---- writing ---- */

typedef pons_array put_op(pons_array, pons_index_list, pons_array);

/* NULL and an exception; scope-owned. */
static pons_array put(put_op *op, pons_array x, PyObject *index, PyObject *value) {
  pons_index_item items[MOST_ITEMS];
  int count;
  pons_array v;
  const int fits = operand_beside(value, x, &v);
  if (fits == 0)
    PyErr_SetString(value == Py_None ? PyExc_TypeError : PyExc_ValueError,
                    "put: the value is no array or scalar");
  if (fits != 1 || !items_from(x, index, items, &count)) return NULL;
  pons_array y = op(x, (pons_index_list){count, items}, v);
  if (!pons_error_of(y)) return y;
  raise_error_of(y);
  return NULL;
}

static int assign(PyObject *self, PyObject *index, PyObject *value) {
  if (!value) {
    PyErr_SetString(PyExc_TypeError, "elements of an array can't be deleted");
    return -1;
  }
  const pons_scope scope = pons_scope_open();
  pons_array y = put(pons_put, unwrap(self), index, value);
  if (y) rewrap(self, y);
  pons_scope_close(scope);
  return y ? 0 : -1;
}

/* ---- x.at[...] ---- */

typedef struct at_object {
  PyObject_HEAD pons_array value; /* kept: what the array is now */
  PyObject *index;                /* NULL: none given yet */
} at_object;
static PyTypeObject *at_type;

static PyObject *at_new(pons_array a, PyObject *index) {
  at_object *o = (at_object *)PyType_GenericAlloc(at_type, 0);
  if (!o) return NULL;
  o->value = pons_keep(a);
  Py_XINCREF(index);
  o->index = index;
  return (PyObject *)o;
}

PyObject *get_at(PyObject *self, void *unused) {
  (void)unused;
  return at_new(unwrap(self), NULL);
}

static PyObject *at_subscript(PyObject *self, PyObject *index) {
  return at_new(((at_object *)self)->value, index);
}

static void at_free(PyObject *self) {
  at_object *o = (at_object *)self;
  PyTypeObject *type = Py_TYPE(self);
  pons_release(o->value);
  Py_XDECREF(o->index);
  PyObject_Free(o);
  Py_DECREF(type);
}

static PyObject *at_apply(put_op *op, PyObject *self, PyObject *args, PyObject *keywords) {
  static char *names[] = {"value", NULL};
  PyObject *value;
  const at_object *at = (at_object *)self;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O", names, &value)) return NULL;
  if (!at->index) {
    PyErr_SetString(PyExc_ValueError, "at: say where, as in x.at[0].add(1)");
    return NULL;
  }
  const pons_scope scope = pons_scope_open();
  pons_array y = put(op, at->value, at->index, value);
  PyObject *result = y ? wrap(y) : NULL;
  pons_scope_close(scope);
  return result;
}

#define AT(name)                                                                   \
  static PyObject *at_##name(PyObject *self, PyObject *args, PyObject *keywords) { \
    return at_apply(pons_put_##name, self, args, keywords);                        \
  }
AT(add)
AT(subtract)
AT(multiply)
AT(divide)
AT(maximum)
AT(minimum)
#undef AT
#define AT(name)                                                                \
  {#name, (PyCFunction)(void (*)(void))at_##name, METH_VARARGS | METH_KEYWORDS, \
   #name "(self, value: scalar | array) -> array\n\nThe array with `value` combined in there."},
static PyMethodDef at_methods[] = {AT(add) AT(subtract) AT(multiply) AT(divide) AT(maximum) AT(minimum)
                                       END_OF_ROWS};
#undef AT
static PyType_Slot at_slots[] = {
    {Py_tp_doc, "x.at[index].add(v) is x with v added there; several for one place all count."},
    {Py_tp_dealloc, at_free},
    {Py_mp_subscript, at_subscript},
    {Py_tp_methods, at_methods},
    {0, NULL}};

/* ---- iteration ---- */

typedef struct iterator_object {
  PyObject_HEAD pons_array value; /* kept: what the array was when it began */
  int64_t next;
} iterator_object;
static PyTypeObject *iterator_type;

static PyObject *iterate(PyObject *self) {
  pons_array a = unwrap(self);
  if (pons_ndim(a) == 0) {
    PyErr_SetString(PyExc_TypeError, "iter() of an array without axes");
    return NULL;
  }
  iterator_object *i = (iterator_object *)PyType_GenericAlloc(iterator_type, 0);
  if (i) i->value = pons_keep(a);
  return (PyObject *)i;
}

static PyObject *iterator_next(PyObject *self) {
  iterator_object *i = (iterator_object *)self;
  if (i->next >= pons_dim(i->value, 0)) return NULL;
  const pons_scope scope = pons_scope_open();
  PyObject *item = wrap(pons_get(i->value, PONS_INDEX(pons_at_int(i->next++))));
  pons_scope_close(scope);
  return item;
}

static void iterator_free(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  pons_release(((iterator_object *)self)->value);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyType_Slot iterator_slots[] = {{Py_tp_doc, "Goes through the slices along the first axis."},
                                       {Py_tp_dealloc, iterator_free},
                                       {Py_tp_iter, PyObject_SelfIter},
                                       {Py_tp_iternext, iterator_next},
                                       {0, NULL}};

/* ---- the module ---- */

const PyType_Slot indexing_slots[] = {{Py_mp_subscript, subscript},
                                      {Py_mp_ass_subscript, assign},
                                      {Py_mp_length, length},
                                      {Py_sq_length, length},
                                      {Py_sq_item, sequence_item},
                                      {Py_tp_iter, iterate},
                                      {0, NULL}};
static PyTypeObject *add_type(PyObject *module, const char *name, size_t size, PyType_Slot *slots) {
  PyType_Spec spec = {name, (int)size, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
  return type && PyModule_AddObjectRef(module, strrchr(name, '.') + 1, type) == 0 ? (PyTypeObject *)type
                                                                                  : NULL;
}

int add_subscript_types(PyObject *module) {
  at_type = add_type(module, "pons.core.ArrayAt", sizeof(at_object), at_slots);
  iterator_type = add_type(module, "pons.core.ArrayIterator", sizeof(iterator_object), iterator_slots);
  return at_type && iterator_type ? 0 : -1;
}
