/* convert.c: Python objects as arrays, and elements as Python objects. Lists are in sequences.c, memory of other
   libraries in foreign.c. */
#include "array.h"
#include <limits.h>

/* ---- integers ---- */

/* What fits only uint64 is one, and no weak scalar. 1, or -1 and an exception. */
static int int_operand(PyObject *o, pons_array *out) {
  int overflow;
  const long long value = PyLong_AsLongLongAndOverflow(o, &overflow);
  if (!overflow) {
    *out = pons_int(value);
    return value == -1 && PyErr_Occurred() ? -1 : 1;
  }
  const uint64_t large = overflow > 0 ? PyLong_AsUnsignedLongLong(o) : 0;
  if (overflow < 0) PyErr_SetString(PyExc_OverflowError, "the integer is below the least of int64");
  if (PyErr_Occurred()) return -1;
  *out = pons_array_from(&large, PONS_SCALAR, PONS_UINT64);
  return 1;
}

/* Raises ValueError if the array's integers don't reach as far. */
static bool int_fits(PyObject *o, pons_array beside) {
  const pons_dtype dtype = pons_dtype_of(beside);
  if (!pons_issubdtype(dtype, PONS_INTEGER)) return true;
  const struct pons_iinfo limits = pons_iinfo(dtype);
  int overflow;
  const long long value = PyLong_AsLongLongAndOverflow(o, &overflow);
  if (!overflow && value >= limits.min && (value < 0 || (uint64_t)value <= limits.max)) return true;
  if (overflow > 0 && dtype == PONS_UINT64) {
    PyLong_AsUnsignedLongLong(o);
    if (!PyErr_Occurred()) return true;
    PyErr_Clear();
  }
  PyErr_Format(PyExc_ValueError, "Converting %S to %s would result in overflow.", o, pons_dtype_name(dtype));
  return false;
}

/* ---- operands ---- */

/* Of an object with __mlx_array__. */
int array_of_method(PyObject *o, pons_array *out) {
  PyObject *method = PyObject_GetAttrString(o, "__mlx_array__");
  if (!method) {
    PyErr_Clear();
    return 0;
  }
  PyObject *array = PyObject_CallNoArgs(method);
  Py_DECREF(method);
  if (!array) return -1;
  *out = unwrap(array);
  const int fits = *out ? 1 : -1;
  if (*out)
    pons_positive(*out); /* a result of the scope, which outlives the object */
  else
    PyErr_SetString(PyExc_TypeError, "__mlx_array__() must give an array");
  Py_DECREF(array);
  return fits;
}

pons_array wide_complex(PyObject *o) {
  const double parts[2] = {PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o)};
  return pons_array_from(parts, PONS_SCALAR, PONS_COMPLEX128);
}

int scalar_from_object(PyObject *o, pons_array *out) {
  if (PyBool_Check(o))
    *out = pons_bool(o == Py_True);
  else if (PyLong_Check(o))
    return int_operand(o, out);
  else if (PyFloat_Check(o))
    *out = pons_float(PyFloat_AsDouble(o));
  else if (PyComplex_Check(o))
    *out = pons_complex((float)PyComplex_RealAsDouble(o), (float)PyComplex_ImagAsDouble(o));
  else
    return 0;
  return 1;
}

int operand_from_object(PyObject *o, pons_array *out) {
  *out = unwrap(o);
  if (*out) return 1;
  int fits = scalar_from_object(o, out);
  if (!fits) fits = array_of_method(o, out);
  if (!fits) fits = array_from_foreign(o, (pons_optional_dtype){false, PONS_BOOL}, out);
  return fits;
}

/* A float or complex number beside float64 or complex128 keeps its digits. */
int operand_beside(PyObject *o, pons_array beside, pons_array *out) {
  *out = unwrap(o);
  if (*out) return 1;
  if (PyLong_Check(o) && !PyBool_Check(o) && !int_fits(o, beside)) return -1;
  const bool wide = pons_dtype_of(beside) == PONS_FLOAT64 || pons_dtype_of(beside) == PONS_COMPLEX128;
  if (wide && PyFloat_Check(o)) return *out = pons_scalar(PyFloat_AsDouble(o), PONS_FLOAT64), 1;
  if (wide && PyComplex_Check(o)) return *out = wide_complex(o), 1;
  int fits = scalar_from_object(o, out);
  if (!fits) fits = array_of_method(o, out);
  if (!fits) fits = array_from_foreign(o, PONS_AS(pons_dtype_of(beside)), out);
  return fits;
}

bool operands_of(const slot *a, const slot *b, pons_array out[2]) {
  out[0] = a->array;
  out[1] = b->array;
  if (a->source && b->source) {
    out[0] = pons_astype(out[0], pons_dtype_of(out[0]));
    out[1] = pons_astype(out[1], pons_dtype_of(out[1]));
  } else if (a->source) {
    return operand_beside(a->source, b->array, &out[0]) == 1;
  } else if (b->source) {
    return operand_beside(b->source, a->array, &out[1]) == 1;
  }
  return true;
}
