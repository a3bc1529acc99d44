/* convert.c: Python objects as arrays. */
#include "binding.h"

int operand_from_object(PyObject *o, pons_array *out) {
  *out = unwrap(o);
  if (*out) return 1;
  if (PyBool_Check(o)) {
    *out = pons_bool(o == Py_True);
  } else if (PyLong_Check(o)) {
    const int64_t value = PyLong_AsLongLong(o);
    if (value == -1 && PyErr_Occurred()) return -1;
    *out = pons_int(value);
  } else if (PyFloat_Check(o)) {
    *out = pons_float(PyFloat_AsDouble(o));
  } else if (PyComplex_Check(o)) {
    *out = pons_complex((float)PyComplex_RealAsDouble(o), (float)PyComplex_ImagAsDouble(o));
  } else {
    return 0;
  }
  return 1;
}

pons_array array_from_object(PyObject *o, pons_optional_dtype dtype) {
  pons_array a;
  const int fits = operand_from_object(o, &a);
  if (fits == 1) return dtype.given ? pons_astype(a, dtype.dtype) : a;
  if (!fits) PyErr_SetString(PyExc_ValueError, "array: invalid type");
  return NULL;
}
