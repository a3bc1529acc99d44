/* operators.c: + - * / ... and comparisons of arrays. */
#include "array.h"
const PyType_Slot operator_slots[] = {{0, NULL}};
const PyMethodDef operator_methods[] = {END_OF_ROWS};
