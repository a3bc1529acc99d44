/* array.h: the object behind `array`, for the files that make up its type. Each gives its slots and methods, tables
   that end with zeros; array.c joins them. */
#ifndef ARRAY_H
#define ARRAY_H
#include "binding.h"
#include <structmember.h>

typedef struct array_object {
  PyObject_HEAD pons_array value; /* kept */
  PyObject *weak_references;
  PyObject *shape; /* a tuple once it was asked for, until the object stands for another array; NULL */
} array_object;

/* operators.c: + - * ... and comparisons; subscripts.c: x[...], len, iteration; values.c: elements and text;
   exchange.c: buffers, DLPack, NumPy, pickling; methods.c: properties, and functions as methods. */
extern const PyType_Slot operator_slots[], indexing_slots[], value_slots[], exchange_slots[], method_slots[];
extern const PyMethodDef operator_methods[], value_methods[], exchange_methods[], function_methods[];
PyObject *get_at(PyObject *self, void *unused);     /* the property `at` */
PyObject *get_device(PyObject *self, void *unused); /* the property `device` */

/* ---- conversions: 1; 0, no array comes of such an object; -1 and an exception. Results are scope-owned. ---- */

/* convert.c: bool, int, float, complex: weak, but for integers that only uint64 holds. */
int scalar_from_object(PyObject *o, pons_array *out);
pons_array wide_complex(PyObject *o); /* a complex as complex128 */
/* What o.__mlx_array__() gives. */
int array_of_method(PyObject *o, pons_array *out);
/* foreign.c: a copy of the memory of an object with buffers or __dlpack__; of the usual dtype, which is never float64,
   if none is wanted. */
int array_from_foreign(PyObject *o, pons_optional_dtype wanted, pons_array *out);
/* A copy, or an array that shares the memory, of an object with __dlpack__ or a capsule. */
int array_from_dlpack(PyObject *o, bool share, pons_array *out);

/* exchange.c: the elements in memory of their own. NULL and an exception. */
pons_array fresh_copy(pons_array a);

int add_subscript_types(PyObject *module);
int add_print_options(PyObject *module);
int add_conversions(PyObject *module);

#endif
