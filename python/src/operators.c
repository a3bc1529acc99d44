/* operators.c: + - * / ... and comparisons of arrays: one C call of the library each, no parsing of arguments. What is
   beside the array is converted by convert.c. */
#include "array.h"

typedef pons_array unary_op(pons_array);
typedef pons_array binary_op(pons_array, pons_array);

/* Does the type say itself what `array op it` is? Not sequences, whose + and * mean something else. */
static bool answers(PyObject *o, const char *reflected) {
  if (PyUnicode_Check(o) || PySequence_Check(o) || PyDict_Check(o)) return false;
  PyObject *method = PyObject_GetAttrString((PyObject *)Py_TYPE(o), reflected);
  if (!method) PyErr_Clear();
  Py_XDECREF(method);
  return method != NULL;
}

/* For operands that don't become arrays: as in MLX a ValueError, but None is none of any operator's. */
static PyObject *refuse(const char *name, PyObject *other, const char *reflected) {
  if (other == Py_None || (reflected && answers(other, reflected))) return Py_NewRef(Py_NotImplemented);
  PyObject *type = PyObject_GetAttrString((PyObject *)Py_TYPE(other), "__name__");
  if (type) PyErr_Format(PyExc_ValueError, "%s: not defined for an array and %U", name, type);
  Py_XDECREF(type);
  return NULL;
}

/* MLX's operators know no RuntimeError: dtypes that an operator isn't defined for are a ValueError. */
static PyObject *raise(pons_array bad) {
  if (pons_error_kind_of(bad) != PONS_ERROR_RUNTIME) return raise_error_of(bad);
  PyErr_SetString(PyExc_ValueError, pons_error_of(bad));
  pons_clear_error();
  return NULL;
}

static PyObject *wrap_result(pons_array c) { return pons_error_of(c) ? raise(c) : wrap(c); }

static PyObject *binary(const char *name, binary_op *op, const char *reflected, PyObject *left,
                        PyObject *right) {
  const pons_scope scope = pons_scope_open();
  pons_array a = unwrap(left), b = unwrap(right);
  const int fits = a && b ? 1 : a ? operand_beside(right, a, &b) : operand_beside(left, b, &a);
  PyObject *result = fits == 1   ? wrap_result(op(a, b))
                     : fits == 0 ? refuse(name, unwrap(left) ? right : left, reflected)
                                 : NULL;
  pons_scope_close(scope);
  return result;
}

/* The object stands for the new array, so that all who hold it see it. */
static PyObject *in_place(const char *name, binary_op *op, PyObject *self, PyObject *other) {
  const pons_scope scope = pons_scope_open();
  PyObject *result = NULL;
  pons_array a = unwrap(self), b;
  const int fits = operand_beside(other, a, &b);
  if (fits == 0) result = refuse(name, other, NULL);
  if (fits == 1) {
    pons_array c = op(a, b);
    if (pons_error_of(c)) {
      raise(c);
    } else {
      rewrap(self, c);
      result = Py_NewRef(self);
    }
  }
  pons_scope_close(scope);
  return result;
}

static PyObject *unary(unary_op *op, PyObject *self) {
  const pons_scope scope = pons_scope_open();
  PyObject *result = wrap_result(op(unwrap(self)));
  pons_scope_close(scope);
  return result;
}

/* ---- the number protocol ---- */

/* Quotients of integers are floats, which a name for integers should not turn into. */
static pons_array divide_in_place(pons_array a, pons_array b) {
  if (pons_issubdtype(pons_dtype_of(a), PONS_INEXACT)) return pons_divide(a, b);
  return pons_fail("divide", "an array of %s can't be divided in place: quotients are floats",
                   pons_dtype_name(pons_dtype_of(a)));
}

#define BINARY(slot, op, in_place_op)                                                                        \
  static PyObject *slot(PyObject *a, PyObject *b) { return binary(#op, pons_##op, "__r" #slot "__", a, b); } \
  static PyObject *i##slot(PyObject *a, PyObject *b) { return in_place(#op, in_place_op, a, b); }

BINARY(add, add, pons_add)
BINARY(sub, subtract, pons_subtract)
BINARY(mul, multiply, pons_multiply)
BINARY(truediv, divide, divide_in_place)
BINARY(floordiv, floor_divide, pons_floor_divide)
BINARY(mod, remainder, pons_remainder)
BINARY(and, bitwise_and, pons_bitwise_and)
BINARY(or, bitwise_or, pons_bitwise_or)
BINARY(xor, bitwise_xor, pons_bitwise_xor)
BINARY(lshift, left_shift, pons_left_shift)
BINARY(rshift, right_shift, pons_right_shift)

static PyObject *power(PyObject *a, PyObject *b, PyObject *modulus) {
  if (modulus != Py_None) return Py_NewRef(Py_NotImplemented);
  return binary("power", pons_power, "__rpow__", a, b);
}
static PyObject *ipower(PyObject *a, PyObject *b, PyObject *modulus) {
  return modulus != Py_None ? Py_NewRef(Py_NotImplemented) : in_place("power", pons_power, a, b);
}

static PyObject *matmul(PyObject *a, PyObject *b) {
  if (!unwrap(a) || !unwrap(b)) return Py_NewRef(Py_NotImplemented);
  return binary("matmul", pons_matmul, NULL, a, b);
}
static PyObject *imatmul(PyObject *a, PyObject *b) {
  return unwrap(b) ? in_place("matmul", pons_matmul, a, b) : Py_NewRef(Py_NotImplemented);
}

static PyObject *negative(PyObject *a) { return unary(pons_negative, a); }
static PyObject *absolute(PyObject *a) { return unary(pons_abs, a); }
static PyObject *invert(PyObject *a) { return unary(pons_bitwise_invert, a); }
static PyObject *positive(PyObject *a) { return wrap(unwrap(a)); }

/* ---- comparisons ---- */

static PyObject *compare(PyObject *a, PyObject *b, int how) {
  static const struct {
    const char *name;
    binary_op *op;
    const char *reflected;
  } ops[] = {[Py_LT] = {"less", pons_less, "__gt__"},
             [Py_LE] = {"less_equal", pons_less_equal, "__ge__"},
             [Py_EQ] = {"equal", pons_equal, NULL},
             [Py_NE] = {"not_equal", pons_not_equal, NULL},
             [Py_GT] = {"greater", pons_greater, "__lt__"},
             [Py_GE] = {"greater_equal", pons_greater_equal, "__le__"}};
  const pons_scope scope = pons_scope_open();
  PyObject *result = NULL;
  pons_array other;
  const int fits = operand_beside(b, unwrap(a), &other);
  if (fits == 1)
    result = wrap_result(ops[how].op(unwrap(a), other));
  else if (fits == 0 && (how == Py_EQ || how == Py_NE))
    result = PyBool_FromLong(how == Py_NE);
  else if (fits == 0)
    result = b == Py_None || !answers(b, "__array_namespace__") ? refuse(ops[how].name, b, NULL)
                                                                : Py_NewRef(Py_NotImplemented);
  pons_scope_close(scope);
  return result;
}

/* By identity, as == compares element by element. */
static Py_hash_t hash(PyObject *self) {
  const Py_hash_t h = (Py_hash_t)((uintptr_t)self >> 4);
  return h == -1 ? -2 : h;
}

/* ---- Python's numbers ---- */

static int truth(PyObject *self) {
  PyObject *item = item_of(unwrap(self));
  const int is = item ? PyObject_IsTrue(item) : -1;
  Py_XDECREF(item);
  return is;
}

/* What `convert` makes of the one element. */
static PyObject *number(PyObject *self, PyObject *(*convert)(PyObject *)) {
  PyObject *item = item_of(unwrap(self)), *result = item ? convert(item) : NULL;
  Py_XDECREF(item);
  return result;
}

/* Like int(), with its errors for complex numbers and infinities. */
static PyObject *as_int(PyObject *item) {
  return PyObject_CallFunctionObjArgs((PyObject *)&PyLong_Type, item, NULL);
}
static PyObject *to_int(PyObject *self) { return number(self, as_int); }
static PyObject *to_float(PyObject *self) { return number(self, PyNumber_Float); }
static PyObject *as_complex(PyObject *item) {
  return PyObject_CallFunctionObjArgs((PyObject *)&PyComplex_Type, item, NULL);
}
static PyObject *to_complex(PyObject *self, PyObject *unused) {
  (void)unused;
  return number(self, as_complex);
}

static PyObject *to_index(PyObject *self) {
  pons_array a = unwrap(self);
  if (pons_ndim(a) == 0 && pons_issubdtype(pons_dtype_of(a), PONS_INTEGER)) return item_of(a);
  PyErr_SetString(PyExc_TypeError, "only arrays of one integer without axes are an index");
  return NULL;
}

/* ---- tables ---- */

const PyType_Slot operator_slots[] = {{Py_nb_add, add},
                                      {Py_nb_inplace_add, iadd},
                                      {Py_nb_subtract, sub},
                                      {Py_nb_inplace_subtract, isub},
                                      {Py_nb_multiply, mul},
                                      {Py_nb_inplace_multiply, imul},
                                      {Py_nb_true_divide, truediv},
                                      {Py_nb_inplace_true_divide, itruediv},
                                      {Py_nb_floor_divide, floordiv},
                                      {Py_nb_inplace_floor_divide, ifloordiv},
                                      {Py_nb_remainder, mod},
                                      {Py_nb_inplace_remainder, imod},
                                      {Py_nb_and, and},
                                      {Py_nb_inplace_and, iand},
                                      {Py_nb_or, or },
                                      {Py_nb_inplace_or, ior},
                                      {Py_nb_xor, xor},
                                      {Py_nb_inplace_xor, ixor},
                                      {Py_nb_lshift, lshift},
                                      {Py_nb_inplace_lshift, ilshift},
                                      {Py_nb_rshift, rshift},
                                      {Py_nb_inplace_rshift, irshift},
                                      {Py_nb_power, power},
                                      {Py_nb_inplace_power, ipower},
                                      {Py_nb_matrix_multiply, matmul},
                                      {Py_nb_inplace_matrix_multiply, imatmul},
                                      {Py_nb_negative, negative},
                                      {Py_nb_positive, positive},
                                      {Py_nb_absolute, absolute},
                                      {Py_nb_invert, invert},
                                      {Py_nb_bool, truth},
                                      {Py_nb_int, to_int},
                                      {Py_nb_float, to_float},
                                      {Py_nb_index, to_index},
                                      {Py_tp_richcompare, compare},
                                      {Py_tp_hash, hash},
                                      {0, NULL}};

/* Names that MLX has beside Python's own. */
static PyObject *rtruediv(PyObject *a, PyObject *b) { return truediv(b, a); }
const PyMethodDef operator_methods[] = {
    {"__div__", truediv, METH_O, "__div__(self, other: scalar | array) -> array\n\nself / other"},
    {"__rdiv__", rtruediv, METH_O, "__rdiv__(self, other: scalar | array) -> array\n\nother / self"},
    {"__complex__", to_complex, METH_NOARGS, "__complex__(self) -> complex\n\nThe one element."},
    END_OF_ROWS};
