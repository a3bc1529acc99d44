/* parameters.c: names of parameters: a layer's prefix, a dot, the parameter's own name. */
#include "parameters.h"
#include <stdio.h>

enum { NAME_ROOM = 512 };

static bool full_name(char *to, const char *prefix, const char *name) {
  const int n = snprintf(to, NAME_ROOM, "%s%s%s", prefix, *prefix ? "." : "", name);
  return n > 0 && n < NAME_ROOM;
}

pons_array parameter_if_any(pons_named p, const char *prefix, const char *name) {
  char full[NAME_ROOM];
  return full_name(full, prefix, name) ? pons_named_get(p, full) : NULL;
}

pons_array parameter(pons_named p, const char *prefix, const char *name) {
  pons_array a = parameter_if_any(p, prefix, name);
  return a ? a : pons_fail("parameter", "there is no \"%s%s%s\"", prefix, *prefix ? "." : "", name);
}

bool parameter_add(pons_named p, const char *prefix, const char *name, pons_array value) {
  char full[NAME_ROOM];
  if (!full_name(full, prefix, name)) {
    pons_fail("parameter", "the name \"%.40s...\" is longer than %d bytes", prefix, NAME_ROOM - 1);
    return false;
  }
  if (pons_error_of(value)) return false;
  return pons_named_set(p, full, value);
}
