/* array.h: the object behind `array`, for the files that make up its type. Each gives its slots and methods, tables
   that end with zeros; array.c joins them. */
#ifndef ARRAY_H
#define ARRAY_H
#include "binding.h"
#include <structmember.h>

typedef struct array_object {
  PyObject_HEAD pons_array value; /* kept */
  PyObject *weak_references;
} array_object;

/* operators.c: + - * ... and comparisons; indexing.c: x[...], len, iteration; exchange.c: buffers, DLPack, NumPy,
   pickling, numbers; methods.c: properties, and functions as methods. */
extern const PyType_Slot operator_slots[], indexing_slots[], exchange_slots[], method_slots[];
extern const PyMethodDef operator_methods[], indexing_methods[], exchange_methods[], function_methods[];

#endif
