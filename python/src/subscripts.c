/* subscripts.c: x[...]. */
#include "array.h"
const PyType_Slot indexing_slots[] = {{0, NULL}};
const PyMethodDef indexing_methods[] = {END_OF_ROWS};
