/* limits.c: finfo and iinfo: the limits of a dtype. */
#include "binding.h"
#include <structmember.h>

/* ---- finfo ---- */

typedef struct finfo_object {
  PyObject_HEAD PyObject *dtype;
  int bits;
  double min, max, eps, smallest_normal;
} finfo_object;

/* The one argument, a Dtype. */
static bool dtype_argument(PyObject *args, PyObject *keywords, const char *name, pons_dtype *out) {
  PyObject *o = PyTuple_Size(args) == 1 && !keywords ? PyTuple_GetItem(args, 0) : NULL;
  if (o && dtype_from_object(o, out)) return true;
  PyErr_Format(PyExc_TypeError, "%s(): takes one Dtype", name);
  return false;
}

static PyObject *finfo_make(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  pons_dtype dtype;
  if (!dtype_argument(args, keywords, "finfo", &dtype)) return NULL;
  const struct pons_finfo limits = pons_finfo(dtype);
  if (limits.bits == 0) return raise_error();
  finfo_object *o = (finfo_object *)PyType_GenericAlloc(type, 0);
  if (!o) return NULL;
  o->dtype = dtype_object(limits.dtype);
  o->bits = limits.bits;
  o->min = limits.min;
  o->max = limits.max;
  o->eps = limits.eps;
  o->smallest_normal = limits.smallest_normal;
  return (PyObject *)o;
}

static void finfo_free(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  Py_XDECREF(((finfo_object *)self)->dtype);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyObject *finfo_repr(PyObject *self) {
  const finfo_object *o = (finfo_object *)self;
  char text[128];
  PyOS_snprintf(text, sizeof text, "finfo(min=%g, max=%g, dtype=", o->min, o->max);
  pons_dtype dtype = PONS_FLOAT32;
  dtype_from_object(o->dtype, &dtype);
  return PyUnicode_FromFormat("%s%s)", text, pons_dtype_name(dtype));
}

#define FIELD(object, name, type, doc) \
  { #name, type, offsetof(object, name), READONLY, #name doc }
static PyMemberDef finfo_members[] = {
    FIELD(finfo_object, dtype, T_OBJECT_EX, "(self) -> Dtype\n\nOf complex numbers that of their parts."),
    FIELD(finfo_object, bits, T_INT, "(self) -> int\n\nBits of one element."),
    FIELD(finfo_object, min, T_DOUBLE, "(self) -> float\n\nThe least number."),
    FIELD(finfo_object, max, T_DOUBLE, "(self) -> float\n\nThe greatest number."),
    FIELD(finfo_object, eps, T_DOUBLE, "(self) -> float\n\n1 + eps is the next number after 1."),
    FIELD(finfo_object, smallest_normal, T_DOUBLE, "(self) -> float\n\nThe least with all its digits."),
    {NULL, 0, 0, 0, NULL}};
static PyType_Slot finfo_slots[] = {{Py_tp_doc, "finfo(arg: Dtype, /)\n\nThe limits of a dtype of floats."},
                                    {Py_tp_new, finfo_make},
                                    {Py_tp_dealloc, finfo_free},
                                    {Py_tp_repr, finfo_repr},
                                    {Py_tp_members, finfo_members},
                                    {0, NULL}};

/* ---- iinfo ---- */

typedef struct iinfo_object {
  PyObject_HEAD PyObject *dtype;
  int bits;
  long long min;
  unsigned long long max;
} iinfo_object;

static PyObject *iinfo_make(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  pons_dtype dtype;
  if (!dtype_argument(args, keywords, "iinfo", &dtype)) return NULL;
  const struct pons_iinfo limits = pons_iinfo(dtype);
  if (limits.bits == 0) return raise_error();
  iinfo_object *o = (iinfo_object *)PyType_GenericAlloc(type, 0);
  if (!o) return NULL;
  o->dtype = dtype_object(limits.dtype);
  o->bits = limits.bits;
  o->min = limits.min;
  o->max = limits.max;
  return (PyObject *)o;
}

static void iinfo_free(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  Py_XDECREF(((iinfo_object *)self)->dtype);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyObject *iinfo_repr(PyObject *self) {
  const iinfo_object *o = (iinfo_object *)self;
  pons_dtype dtype = PONS_INT32;
  dtype_from_object(o->dtype, &dtype);
  return PyUnicode_FromFormat("iinfo(min=%lld, max=%llu, dtype=%s)", o->min, o->max, pons_dtype_name(dtype));
}

static PyMemberDef iinfo_members[] = {
    FIELD(iinfo_object, dtype, T_OBJECT_EX, "(self) -> Dtype\n\nWhat was asked about."),
    FIELD(iinfo_object, bits, T_INT, "(self) -> int\n\nBits of one element."),
    FIELD(iinfo_object, min, T_LONGLONG, "(self) -> int\n\nThe least number."),
    FIELD(iinfo_object, max, T_ULONGLONG, "(self) -> int\n\nThe greatest number."),
    {NULL, 0, 0, 0, NULL}};
static PyType_Slot iinfo_slots[] = {{Py_tp_doc, "iinfo(arg: Dtype, /)\n\nThe limits of a dtype of integers."},
                                    {Py_tp_new, iinfo_make},
                                    {Py_tp_dealloc, iinfo_free},
                                    {Py_tp_repr, iinfo_repr},
                                    {Py_tp_members, iinfo_members},
                                    {0, NULL}};

int add_limits(PyObject *module) {
  PyType_Spec specs[] = {{"pons.core.finfo", sizeof(finfo_object), 0, Py_TPFLAGS_DEFAULT, finfo_slots},
                         {"pons.core.iinfo", sizeof(iinfo_object), 0, Py_TPFLAGS_DEFAULT, iinfo_slots}};
  const char *const names[] = {"finfo", "iinfo"};
  for (int i = 0; i < 2; i++) {
    PyObject *type = PyType_FromModuleAndSpec(module, &specs[i], NULL);
    const int bad = !type || PyModule_AddObjectRef(module, names[i], type) < 0;
    Py_XDECREF(type);
    if (bad) return -1;
  }
  return 0;
}
