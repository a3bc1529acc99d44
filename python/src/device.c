/* device.c: DeviceType, Device, Stream, ThreadLocalStream and the context of `with stream(s)`; default devices and
   streams; evaluation. `gpu` is the first device that is not the CPU. */
#include "functions.h"
#include <string.h>

/* ---- DeviceType ---- */

static PyObject *cpu_type, *gpu_type; /* members of the enum */

static int add_device_type(PyObject *module) {
  PyObject *enums = PyImport_ImportModule("enum"),
           *make = enums ? PyObject_GetAttrString(enums, "Enum") : NULL;
  PyObject *type = make ? PyObject_CallFunction(make, "s[(si)(si)]", "DeviceType", "cpu", 0, "gpu", 1) : NULL;
  PyObject *name = PyUnicode_FromString("pons.core");
  int bad = !type || !name || PyObject_SetAttrString(type, "__module__", name) < 0;
  if (!bad) cpu_type = PyObject_GetAttrString(type, "cpu");
  if (!bad) gpu_type = PyObject_GetAttrString(type, "gpu");
  bad = bad || !cpu_type || !gpu_type || PyModule_AddObjectRef(module, "DeviceType", type) < 0 ||
        PyModule_AddObjectRef(module, "cpu", cpu_type) < 0 ||
        PyModule_AddObjectRef(module, "gpu", gpu_type) < 0;
  Py_XDECREF(name);
  Py_XDECREF(type);
  Py_XDECREF(make);
  Py_XDECREF(enums);
  return bad ? -1 : 0;
}

/* ---- Device ---- */

typedef struct device_object {
  PyObject_HEAD bool gpu;
  int index;
} device_object;
static PyTypeObject *device_type;
static bool first_default_is_cpu; /* when the module was loaded */

static PyObject *device_new(bool gpu, int index) {
  device_object *d = (device_object *)PyType_GenericAlloc(device_type, 0);
  if (d) d->gpu = gpu, d->index = index;
  return (PyObject *)d;
}

/* A Device or a DeviceType. */
static bool device_from_object(PyObject *o, bool *gpu, int *index) {
  if (Py_TYPE(o) == device_type) {
    *gpu = ((device_object *)o)->gpu;
    *index = ((device_object *)o)->index;
    return true;
  }
  *gpu = o == gpu_type;
  *index = 0;
  return o == gpu_type || o == cpu_type;
}

/* `gpu` is a GPU, or what PONS_DEVICE names instead of the CPU: OpenCL on a CPU is nothing a program would look for. */
static bool others_count(void) {
  static int answer = -1;
  if (answer < 0) answer = pons_is_available("gpu") || !first_default_is_cpu;
  return answer;
}

/* The library's name of the index-th device that is a CPU or not; NULL if there is none. */
static const char *name_of(bool gpu, int index) {
  if (!gpu) return index == 0 ? "cpu" : NULL;
  if (index < 0 || !others_count()) return NULL;
  for (int i = 0; i < pons_device_count(); i++)
    if (strcmp(pons_device_name(i), "cpu") != 0 && index-- == 0) return pons_device_name(i);
  return NULL;
}

static PyObject *device_of_name(const char *name) {
  int index = 0;
  if (strcmp(name, "cpu") == 0) return device_new(false, 0);
  for (int i = 0; i < pons_device_count(); i++) {
    if (strcmp(pons_device_name(i), name) == 0) break;
    index += strcmp(pons_device_name(i), "cpu") != 0;
  }
  return device_new(true, index);
}

const char *device_name(const char *op, PyObject *o) {
  bool gpu;
  int index;
  if (!device_from_object(o, &gpu, &index)) {
    PyErr_Format(PyExc_TypeError, "%s(): device must be Device or DeviceType", op);
    return NULL;
  }
  const char *name = name_of(gpu, index);
  if (!name) PyErr_Format(PyExc_ValueError, "%s: there is no device %s %d", op, gpu ? "gpu" : "cpu", index);
  return name;
}

static PyObject *device_make(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  static char *names[] = {"type", "index", NULL};
  PyObject *kind;
  int index = 0, unused;
  bool gpu;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|i:Device", names, &kind, &index)) return NULL;
  if (!device_from_object(kind, &gpu, &unused)) {
    PyErr_SetString(PyExc_TypeError, "Device(): type must be DeviceType");
    return NULL;
  }
  (void)type;
  return device_new(gpu, index);
}

static PyObject *device_repr(PyObject *self) {
  const device_object *d = (device_object *)self;
  return PyUnicode_FromFormat("Device(%s, %d)", d->gpu ? "gpu" : "cpu", d->index);
}

/* Device(cpu, 0) == cpu, too. */
static PyObject *device_compare(PyObject *a, PyObject *b, int how) {
  bool gpu;
  int index;
  if (how != Py_EQ && how != Py_NE) return Py_NewRef(Py_NotImplemented);
  const device_object *d = (device_object *)a;
  const bool same = device_from_object(b, &gpu, &index) && d->gpu == gpu && d->index == index;
  return PyBool_FromLong(same == (how == Py_EQ));
}

static Py_hash_t device_hash(PyObject *self) {
  const device_object *d = (device_object *)self;
  return d->gpu ? 1 + d->index : 0;
}

static PyObject *device_kind(PyObject *self, void *unused) {
  (void)unused;
  return Py_NewRef(((device_object *)self)->gpu ? gpu_type : cpu_type);
}

static PyObject *device_index(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromLong(((device_object *)self)->index);
}

static PyGetSetDef device_properties[] = {{"type", device_kind, NULL, "type(self) -> DeviceType\n\n", NULL},
                                          {"index", device_index, NULL, "index(self) -> int\n\n", NULL},
                                          {NULL, NULL, NULL, NULL, NULL}};
static PyType_Slot device_slots[] = {
    {Py_tp_doc, "Device(type: DeviceType, index: int = 0)\n\nWhere ops run."},
    {Py_tp_new, device_make},
    {Py_tp_repr, device_repr},
    {Py_tp_richcompare, device_compare},
    {Py_tp_hash, device_hash},
    {Py_tp_getset, device_properties},
    {0, NULL}};

/* ---- Stream, ThreadLocalStream ---- */

typedef struct stream_object {
  PyObject_HEAD pons_stream stream;
  int number; /* in the order of their making, per process */
} stream_object;
static PyTypeObject *stream_type, *local_stream_type;

enum { MAX_NUMBERED = 1024 };
/* Streams live as long as the process; the GIL guards the list. */
static pons_stream numbered[MAX_NUMBERED];
static int n_numbered;

static int number_of(pons_stream stream) {
  for (int i = 0; i < n_numbered; i++)
    if (numbered[i] == stream) return i;
  if (n_numbered == MAX_NUMBERED) return MAX_NUMBERED;
  numbered[n_numbered] = stream;
  return n_numbered++;
}

static PyObject *stream_new(PyTypeObject *type, pons_stream stream) {
  if (!stream) return raise_error();
  stream_object *o = (stream_object *)PyType_GenericAlloc(type, 0);
  if (o) o->stream = stream, o->number = number_of(stream);
  return (PyObject *)o;
}

bool stream_from_object(PyObject *o, pons_stream *out) {
  if (Py_TYPE(o) == stream_type || Py_TYPE(o) == local_stream_type) {
    *out = ((stream_object *)o)->stream;
    return true;
  }
  bool gpu;
  int index;
  if (!device_from_object(o, &gpu, &index)) return false;
  const char *name = device_name("stream", o);
  if (!name) return false;
  *out = pons_default_stream(name);
  if (!*out) raise_error();
  return *out != NULL;
}

bool gpu_stream_from_object(PyObject *o, pons_stream *out) {
  bool gpu;
  int index;
  *out = NULL;
  if (device_from_object(o, &gpu, &index)) {
    if (gpu && !name_of(gpu, index)) return true;
  } else if (Py_TYPE(o) == stream_type || Py_TYPE(o) == local_stream_type) {
    gpu = strcmp(pons_stream_device(((stream_object *)o)->stream), "cpu") != 0;
  } else {
    PyErr_SetString(
        PyExc_TypeError,
        "custom_kernel(): stream must be Stream | ThreadLocalStream | Device | DeviceType | None");
    return false;
  }
  if (!gpu)
    PyErr_SetString(PyExc_ValueError, "custom_kernel: Only supports the GPU, the stream is the CPU's");
  return gpu && stream_from_object(o, out);
}

static PyObject *stream_repr(PyObject *self) {
  const stream_object *s = (stream_object *)self;
  PyObject *device = device_of_name(pons_stream_device(s->stream));
  PyObject *text = device ? PyUnicode_FromFormat(
                                "%s(%S, %d)", Py_TYPE(self) == stream_type ? "Stream" : "ThreadLocalStream",
                                device, s->number)
                          : NULL;
  Py_XDECREF(device);
  return text;
}

static PyObject *stream_compare(PyObject *a, PyObject *b, int how) {
  if (how != Py_EQ && how != Py_NE) return Py_NewRef(Py_NotImplemented);
  const bool same = Py_TYPE(a) == Py_TYPE(b) && ((stream_object *)a)->stream == ((stream_object *)b)->stream;
  return PyBool_FromLong(same == (how == Py_EQ));
}

static Py_hash_t stream_hash(PyObject *self) { return ((stream_object *)self)->number; }

static PyObject *stream_device(PyObject *self, void *unused) {
  (void)unused;
  return device_of_name(pons_stream_device(((stream_object *)self)->stream));
}

static PyGetSetDef stream_properties[] = {{"device", stream_device, NULL, "device(self) -> Device\n\n", NULL},
                                          {NULL, NULL, NULL, NULL, NULL}};
static PyType_Slot stream_slots[] = {{Py_tp_doc, "Runs its work in order on its device."},
                                     {Py_tp_repr, stream_repr},
                                     {Py_tp_richcompare, stream_compare},
                                     {Py_tp_hash, stream_hash},
                                     {Py_tp_getset, stream_properties},
                                     {0, NULL}};

static PyObject *new_stream_of(const char *op, PyObject *device, PyTypeObject *type,
                               pons_stream (*make)(const char *)) {
  const char *name = device_name(op, device);
  return name ? stream_new(type, make(name)) : NULL;
}

FUNCTION(new_stream, "(device: Device | DeviceType) -> Stream", "A new stream on the device.") {
  return new_stream_of("new_stream", s[0].object, stream_type, pons_new_stream);
}

FUNCTION(new_thread_unsafe_stream, "(device: Device | DeviceType) -> Stream",
         "A new stream on the device; as new_stream, since any thread may use a stream here.") {
  return new_stream_of("new_thread_unsafe_stream", s[0].object, stream_type, pons_new_stream);
}

FUNCTION(new_thread_local_stream, "(device: Device | DeviceType) -> ThreadLocalStream",
         "A stream that stands for another one on each thread that uses it.") {
  return new_stream_of("new_thread_local_stream", s[0].object, local_stream_type,
                       pons_new_thread_local_stream);
}

FUNCTION(default_stream, "(device: Device | DeviceType) -> Stream",
         "The stream that ops of this thread run on when no other is said.") {
  return new_stream_of("default_stream", s[0].object, stream_type, pons_default_stream);
}

FUNCTION(set_default_stream, "(stream: Stream) -> None",
         "Makes it the default stream of its device for this thread.") {
  pons_stream stream;
  if (Py_TYPE(s[0].object) != stream_type && Py_TYPE(s[0].object) != local_stream_type) {
    PyErr_SetString(PyExc_TypeError, "set_default_stream(): stream must be Stream");
    return NULL;
  }
  if (!stream_from_object(s[0].object, &stream)) return NULL;
  pons_set_default_stream(stream);
  return Py_NewRef(Py_None);
}

FUNCTION(clear_streams, "() -> None",
         "Waits for the streams that this thread made and ends the threads behind them.") {
  (void)s;
  gil_release();
  pons_clear_streams();
  gil_take();
  return Py_NewRef(Py_None);
}

FUNCTION(synchronize, "(stream: StreamOrDevice = None) -> None",
         "Waits until all work given to the stream is done; None: to the default stream. Raises what went wrong behind async_eval\n"
         "if nothing has told so yet.") {
  pons_stream stream = s[0].kind == SLOT_STREAM ? s[0].stream : pons_default_stream(NULL);
  gil_release();
  const bool fine = pons_synchronize(stream);
  gil_take();
  return fine ? Py_NewRef(Py_None) : raise_error();
}

/* ---- devices of the process ---- */

FUNCTION(default_device, "() -> Device", "Where ops of this thread run when nothing else is said.") {
  (void)s;
  return device_of_name(pons_default_device());
}

FUNCTION(set_default_device, "(device: Device | DeviceType) -> None",
         "Where ops of this thread run from now on.") {
  const char *name = device_name("set_default_device", s[0].object);
  if (!name) return NULL;
  return pons_set_default_device(name) ? Py_NewRef(Py_None) : raise_error();
}

FUNCTION(is_available, "(device: Device | DeviceType) -> bool", "Is there such a device?") {
  bool gpu;
  int index;
  if (!device_from_object(s[0].object, &gpu, &index)) {
    PyErr_SetString(PyExc_TypeError, "is_available(): device must be Device or DeviceType");
    return NULL;
  }
  return PyBool_FromLong(name_of(gpu, index) != NULL);
}

FUNCTION(device_count, "(device_type: DeviceType) -> int", "How many devices of the type there are.") {
  bool gpu;
  int index, count = 0;
  if (!device_from_object(s[0].object, &gpu, &index)) {
    PyErr_SetString(PyExc_TypeError, "device_count(): device_type must be DeviceType");
    return NULL;
  }
  while (name_of(gpu, count)) count++;
  return PyLong_FromLong(count);
}

FUNCTION(device_info, "(d: Device | DeviceType | None = None) -> dict[str, str | int]",
         "What is known of a device: its name, architecture, memory_size in bytes, what its backend found.") {
  PyObject *o = s[0].kind == SLOT_OBJECT ? s[0].object : NULL;
  const char *name = o ? device_name("device_info", o) : NULL;
  if (o && !name) return NULL;
  char *text = pons_device_info(name);
  if (!text) return raise_error();
  PyObject *json = PyImport_ImportModule("json");
  PyObject *info = json ? PyObject_CallMethod(json, "loads", "s", text) : NULL;
  Py_XDECREF(json);
  pons_free(text);
  return info;
}

/* ---- with stream(s): ---- */

typedef struct context_object {
  PyObject_HEAD pons_stream stream, before;
  char device_before[64]; /* the default device, which changes with the stream */
} context_object;
static PyTypeObject *context_type;

static PyObject *context_make(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  static char *names[] = {"s", NULL};
  PyObject *o;
  pons_stream stream;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O:StreamContext", names, &o)) return NULL;
  if (!stream_from_object(o, &stream)) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_TypeError,
                      "stream(): s must be Stream | ThreadLocalStream | Device | DeviceType");
    return NULL;
  }
  context_object *c = (context_object *)PyType_GenericAlloc(type, 0);
  if (c) c->stream = stream;
  return (PyObject *)c;
}

static PyObject *context_enter(PyObject *self, PyObject *unused) {
  (void)unused;
  context_object *c = (context_object *)self;
  const char *name = pons_default_device(), *wanted = pons_stream_device(c->stream);
  strncpy(c->device_before, name, sizeof c->device_before - 1);
  pons_set_default_device(wanted);
  c->before = pons_default_stream(wanted);
  pons_set_default_stream(c->stream);
  return Py_NewRef(Py_None);
}

static PyObject *context_exit(PyObject *self, PyObject *args) {
  (void)args;
  context_object *c = (context_object *)self;
  if (c->before) pons_set_default_stream(c->before);
  pons_set_default_device(c->device_before);
  return Py_NewRef(Py_None);
}

static PyMethodDef context_methods[] = {
    {"__enter__", context_enter, METH_NOARGS, "__enter__(self) -> None"},
    {"__exit__", context_exit, METH_VARARGS,
     "__exit__(self, exc_type: type | None = None, exc_value: object | None = "
     "None, traceback: object | None = None) -> None"},
    END_OF_ROWS};
static PyType_Slot context_slots[] = {
    {Py_tp_doc,
     "StreamContext(s: Stream | ThreadLocalStream | Device | DeviceType)\n\nOps inside run on the stream."},
    {Py_tp_new, context_make},
    {Py_tp_methods, context_methods},
    {0, NULL}};

FUNCTION(stream, "(s: Stream | ThreadLocalStream | Device | DeviceType) -> StreamContext",
         "A context: `with stream(s):` ops inside run on the stream.") {
  return PyObject_CallFunctionObjArgs((PyObject *)context_type, s[0].object, NULL);
}

/* ---- the module ---- */

static PyTypeObject *add_type(PyObject *module, const char *name, size_t size, unsigned flags,
                              PyType_Slot *slots) {
  PyType_Spec spec = {name, (int)size, 0, Py_TPFLAGS_DEFAULT | flags, slots};
  PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
  if (!type || PyModule_AddObjectRef(module, strrchr(name, '.') + 1, type) < 0) return NULL;
  return (PyTypeObject *)type;
}

static PyMethodDef rows[] = {ROW(new_stream),
                             ROW(new_thread_unsafe_stream),
                             ROW(new_thread_local_stream),
                             ROW(default_stream),
                             ROW(set_default_stream),
                             ROW(clear_streams),
                             ROW(synchronize),
                             ROW(default_device),
                             ROW(set_default_device),
                             ROW(is_available),
                             ROW(device_count),
                             ROW(device_info),
                             ROW(stream),
                             END_OF_ROWS};

int add_device_types(PyObject *module) {
  if (add_device_type(module) < 0) return -1;
  first_default_is_cpu = strcmp(pons_default_device(), "cpu") == 0;
  device_type = add_type(module, "pons.core.Device", sizeof(device_object), 0, device_slots);
  const unsigned none = Py_TPFLAGS_DISALLOW_INSTANTIATION;
  stream_type = add_type(module, "pons.core.Stream", sizeof(stream_object), none, stream_slots);
  local_stream_type =
      add_type(module, "pons.core.ThreadLocalStream", sizeof(stream_object), none, stream_slots);
  context_type = add_type(module, "pons.core.StreamContext", sizeof(context_object), 0, context_slots);
  if (!device_type || !stream_type || !local_stream_type || !context_type) return -1;
  return PyModule_AddFunctions(module, rows);
}
