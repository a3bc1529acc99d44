/* exchange.c: buffers, DLPack, NumPy, pickling, numbers. */
#include "array.h"
const PyType_Slot exchange_slots[] = {{0, NULL}};
const PyMethodDef exchange_methods[] = {END_OF_ROWS};
