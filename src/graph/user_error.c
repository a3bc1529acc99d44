/* user_error.c: errors made through the public interface: by lib/, by callbacks, by users. Uses base/,
   graph.h. */
#include "graph/graph.h"

pons_array pons_fail(const char *op, const char *format, ...) {
  va_list list, again;
  va_start(list, format);
  va_copy(again, list);
  const int length = vsnprintf(NULL, 0, format, list);
  va_end(list);
  char *at = length < 0 ? NULL : mem_alloc((size_t)length + 1);
  if (at) vsnprintf(at, (size_t)length + 1, format, again);
  va_end(again);
  pons_array result = at ? node_fail(op, "%s", at) : node_error(fail_no_memory(op));
  mem_free(at);
  return result;
}
