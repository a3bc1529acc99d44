/* parameters.h: a layer's parameters among the named ones. For lib/nn/ alone. */
#ifndef NN_PARAMETERS_H
#define NN_PARAMETERS_H
#include <pons/nn.h>

/* "<prefix>.<name>", or an array that carries the error that there is none. */
pons_array parameter(pons_named p, const char *prefix, const char *name);
/* The same, NULL if there is none. */
pons_array parameter_if_any(pons_named p, const char *prefix, const char *name);
/* Adds it; false and an error if `value` carries one or the name is too long. */
bool parameter_add(pons_named p, const char *prefix, const char *name, pons_array value);
#endif
