/* user_error.c: errors made through the public interface: by lib/, by callbacks, by users. Uses base/,
   graph.h. */
#include "graph/graph.h"

static pons_array fail_list(pons_error_kind kind, const char *op, const char *format, va_list list) {
  va_list again;
  va_copy(again, list);
  const int length = vsnprintf(NULL, 0, format, list);
  char *at = length < 0 ? NULL : mem_alloc((size_t)length + 1);
  if (at) vsnprintf(at, (size_t)length + 1, format, again);
  va_end(again);
  pons_array result = at ? node_fail_as(kind, op, "%s", at) : node_error(fail_no_memory(op));
  mem_free(at);
  return result;
}

pons_array pons_fail(const char *op, const char *format, ...) {
  va_list list;
  va_start(list, format);
  pons_array result = fail_list(PONS_ERROR_VALUE, op, format, list);
  va_end(list);
  return result;
}

pons_array pons_fail_as(pons_error_kind kind, const char *op, const char *format, ...) {
  va_list list;
  va_start(list, format);
  pons_array result = fail_list(kind, op, format, list);
  va_end(list);
  return result;
}
