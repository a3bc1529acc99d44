/* memory.c: what is in use, limits, caches; the submodules metal, which repeats some of them for old programs, and
   cuda. */
#include "binding.h"

#define COUNT(id, what)                    \
  FUNCTION(id, "() -> int", what) {        \
    (void)s;                               \
    return PyLong_FromSize_t(pons_##id()); \
  }
COUNT(get_active_memory, "Bytes in arrays.")
COUNT(get_peak_memory, "The greatest sum of bytes in arrays since the start or reset_peak_memory.")
COUNT(get_cache_memory, "Bytes kept for reuse.")
COUNT(get_memory_limit, "Bytes beyond which an op fails.")

#define LIMIT(id, what)                                                                         \
  FUNCTION(id, "(limit: int) -> int", what) {                                                   \
    if (s[0].i < 0)                                                                             \
      return PyErr_Format(PyExc_ValueError, #id ": the limit is %lld, it must not be negative", \
                          (long long)s[0].i);                                                   \
    return PyLong_FromSize_t(pons_##id((size_t)s[0].i));                                        \
  }
LIMIT(set_memory_limit, "Bytes beyond which an op fails; returns the value before.")
LIMIT(set_cache_limit, "Bytes that are kept for reuse at most; returns the value before.")
LIMIT(set_wired_limit, "Bytes that stay resident for a GPU that pages; returns the value before.")

FUNCTION(reset_peak_memory, "() -> None", "The peak counts from now on.") {
  (void)s;
  pons_reset_peak_memory();
  return Py_NewRef(Py_None);
}

FUNCTION(clear_cache, "() -> None", "Gives what is kept for reuse back to the system.") {
  (void)s;
  pons_clear_cache();
  return Py_NewRef(Py_None);
}

/* ---- metal, cuda ---- */

NAMED_FUNCTION(metal_is_available, "is_available", "() -> bool", "Is there a Metal device?") {
  (void)s;
  return PyBool_FromLong(pons_metal_is_available());
}

NAMED_FUNCTION(cuda_is_available, "is_available", "() -> bool", "Is there a CUDA device?") {
  (void)s;
  return PyBool_FromLong(pons_cuda_is_available());
}

static PyObject *no_capture(void) {
  PyErr_SetString(PyExc_RuntimeError, "metal: there is no Metal device whose work could be captured");
  return NULL;
}

NAMED_FUNCTION(metal_start_capture, "start_capture", "(path: str) -> None",
               "Captures Metal's work into a file.") {
  (void)s;
  return no_capture();
}

NAMED_FUNCTION(metal_stop_capture, "stop_capture", "() -> None", "Ends the capture.") {
  (void)s;
  return no_capture();
}

extern function device_info_function;
static PyObject *metal_device_info(PyObject *self, PyObject *unused) {
  (void)self;
  (void)unused;
  return call(&device_info_function, NULL, NULL, 0, NULL);
}

#define MEMORY_ROWS                                                                           \
  ROW(get_active_memory), ROW(get_peak_memory), ROW(get_cache_memory), ROW(set_memory_limit), \
      ROW(set_cache_limit), ROW(set_wired_limit), ROW(reset_peak_memory), ROW(clear_cache)
static PyMethodDef rows[] = {MEMORY_ROWS, ROW(get_memory_limit), END_OF_ROWS};
static PyMethodDef metal_rows[] = {MEMORY_ROWS,
                                   ALIAS("is_available", metal_is_available),
                                   ALIAS("start_capture", metal_start_capture),
                                   ALIAS("stop_capture", metal_stop_capture),
                                   {"device_info", metal_device_info, METH_NOARGS,
                                    "device_info() -> dict[str, str | int]\n\nThe default device."},
                                   END_OF_ROWS};
static PyMethodDef cuda_rows[] = {ALIAS("is_available", cuda_is_available), END_OF_ROWS};

int add_memory(PyObject *module) { return PyModule_AddFunctions(module, rows); }
int add_metal(PyObject *submodule) { return PyModule_AddFunctions(submodule, metal_rows); }
int add_cuda(PyObject *submodule) { return PyModule_AddFunctions(submodule, cuda_rows); }
