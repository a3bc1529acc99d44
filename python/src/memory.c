/* memory.c: what is in use, limits, caches, of all devices or one; the submodules metal, which repeats some of them for old programs, and
   cuda. */
#include "binding.h"

/* All of these say the same of one device if there is one among their arguments. */
#define DEVICE "device: Device | DeviceType | None = None"

/* False and an exception if there is no such device. */
static bool memory_of(const char *op, slot s, const char **device, pons_memory *memory) {
  *device = device_name(op, s.object);
  if (!*device) return false;
  if (pons_device_memory(*device, memory)) return true;
  raise_error();
  return false;
}

#define COUNT(id, member, what)                                                    \
  FUNCTION(id, "(" DEVICE ") -> int", what) {                                      \
    const char *device;                                                            \
    pons_memory m;                                                                 \
    if (s[0].kind == SLOT_NONE) return PyLong_FromSize_t(pons_##id());             \
    return memory_of(#id, s[0], &device, &m) ? PyLong_FromSize_t(m.member) : NULL; \
  }
COUNT(get_active_memory, active, "Bytes in arrays, on all devices or one.")
COUNT(get_peak_memory, peak, "The greatest sum of bytes in arrays since the start or reset_peak_memory, on all devices or one.")
COUNT(get_cache_memory, cached, "Bytes kept for reuse, on all devices or one.")
COUNT(get_memory_limit, limit, "Bytes of the host's memory beyond which an op fails; of a GPU those beyond which arrays give way to others.")

static bool is_size(const char *op, slot s) {
  if (s.i < 0) PyErr_Format(PyExc_ValueError, "%s: the limit is %lld, it must not be negative", op, (long long)s.i);
  return s.i >= 0;
}

#define LIMIT(id, member, set, what)                                                       \
  FUNCTION(id, "(limit: int, " DEVICE ") -> int", what) {                                  \
    const char *device;                                                                    \
    pons_memory before;                                                                    \
    if (!is_size(#id, s[0])) return NULL;                                                  \
    if (s[1].kind == SLOT_NONE) return PyLong_FromSize_t(pons_##id((size_t)s[0].i));       \
    if (!memory_of(#id, s[1], &device, &before)) return NULL;                              \
    return set(device, (size_t)s[0].i) ? PyLong_FromSize_t(before.member) : raise_error(); \
  }
LIMIT(set_memory_limit, limit, pons_set_device_memory_limit,
      "Bytes of the host's memory beyond which an op fails, or of a GPU's, beyond which arrays give way to others; returns the value before.")
LIMIT(set_cache_limit, cache_limit, pons_set_device_cache_limit,
      "Bytes that each device, or one, keeps for reuse at most; returns the value before.")

FUNCTION(set_wired_limit, "(limit: int) -> int", "Bytes that stay resident for a GPU that pages; returns the value before.") {
  return is_size("set_wired_limit", s[0]) ? PyLong_FromSize_t(pons_set_wired_limit((size_t)s[0].i)) : NULL;
}

#define ORDER(id, one, what)                                                            \
  FUNCTION(id, "(" DEVICE ") -> None", what) {                                          \
    const char *device = s[0].kind == SLOT_NONE ? NULL : device_name(#id, s[0].object); \
    if (s[0].kind == SLOT_NONE) pons_##id();                                            \
    else if (!device) return NULL;                                                      \
    else if (!one(device)) return raise_error();                                        \
    return Py_NewRef(Py_None);                                                          \
  }
ORDER(reset_peak_memory, pons_reset_device_peak_memory, "The peak counts from now on, of all devices or one.")
ORDER(clear_cache, pons_clear_device_cache, "Gives what is kept for reuse back to the system, by all devices or one.")

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
