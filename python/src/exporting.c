/* exporting.c: functions in .mlxfn files: export_function, exporter, import_function; export_to_dot. Uses functions.c,
   tree.c. */
#include "functions.h"
#include <stdlib.h>
#include <string.h>

/* ---- inputs: arrays by place and by name ---- */

typedef struct inputs {
  leaves arrays;      /* positional, then by name */
  const char **names; /* of the last n_names, in byte order; they live as long as `dict` */
  int n_names;
  PyObject *dict;
} inputs;

static void inputs_end(inputs *in) {
  leaves_end(&in->arrays);
  free(in->names);
  Py_XDECREF(in->dict);
}

static bool wrong_inputs(const char *op) {
  if (!PyErr_Occurred())
    PyErr_Format(PyExc_ValueError,
                 "%s: inputs can either be a variable number of positional and keyword arrays or a single tuple and/or "
                 "dictionary of arrays", op);
  return false;
}

static bool add_positional(const char *op, PyObject *arrays, inputs *in) {
  if (!PyTuple_Check(arrays) && !PyList_Check(arrays)) return wrong_inputs(op);
  const Py_ssize_t count = PySequence_Size(arrays);
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *o = PyTuple_Check(arrays) ? PyTuple_GetItem(arrays, i) : PyList_GetItem(arrays, i);
    if (!unwrap(o)) return wrong_inputs(op);
    if (!tree_flatten(o, true, &in->arrays)) return false;
  }
  return true;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static bool add_named(const char *op, PyObject *arrays, inputs *in) {
  PyObject *name, *array;
  in->dict = PyDict_Copy(arrays);
  in->names = malloc((size_t)(PyDict_Size(arrays) + 1) * sizeof *in->names);
  if (!in->dict || !in->names) return PyErr_NoMemory() != NULL;
  for (Py_ssize_t at = 0; PyDict_Next(in->dict, &at, &name, &array);) {
    if (!PyUnicode_Check(name) || !unwrap(array)) return wrong_inputs(op);
    const char *text = PyUnicode_AsUTF8AndSize(name, NULL);
    if (!text) return false;
    in->names[in->n_names++] = text;
  }
  qsort(in->names, (size_t)in->n_names, sizeof *in->names, compare_names);
  for (int i = 0; i < in->n_names; i++)
    if (!tree_flatten(PyDict_GetItemString(in->dict, in->names[i]), true, &in->arrays)) return false;
  return true;
}

/* Arrays one by one; or one or two containers: a tuple or list, a dict. False and an exception. */
static bool inputs_from(const char *op, PyObject *args, PyObject *keywords, inputs *in) {
  *in = (inputs){.names = NULL};
  leaves_begin(&in->arrays);
  const Py_ssize_t n = PyTuple_Size(args);
  if (n == 0 || unwrap(PyTuple_GetItem(args, 0)))
    return add_positional(op, args, in) && add_named(op, keywords, in);
  PyObject *first = PyTuple_GetItem(args, 0), *last = PyTuple_GetItem(args, n - 1);
  if (n > 2 || PyDict_Size(keywords)) return wrong_inputs(op);
  if (n == 1) return PyDict_Check(first) ? add_named(op, first, in) : add_positional(op, first, in);
  return add_positional(op, first, in) && (PyDict_Check(last) ? add_named(op, last, in) : wrong_inputs(op));
}

/* ---- a Python function as one of the library ---- */

typedef struct exported {
  PyObject *fun;
  const inputs *in; /* of the call on the way: which arrays have which names */
} exported;

static PyObject *named_arrays(const inputs *in, const pons_array *at) {
  PyObject *dict = PyDict_New();
  for (int i = 0; dict && i < in->n_names; i++) {
    PyObject *array = wrap(at[i]);
    if (!array || PyDict_SetItemString(dict, in->names[i], array) < 0) Py_CLEAR(dict);
    Py_XDECREF(array);
  }
  return dict;
}

static bool call_exported(const exported *e, const pons_array *in, int n_in, leaves *out) {
  const int n = n_in - e->in->n_names;
  PyObject *args = wrap_tuple(in, n), *keywords = args ? named_arrays(e->in, in + n) : NULL;
  PyObject *returned = keywords ? PyObject_Call(e->fun, args, keywords) : NULL;
  const bool fine = returned && add_results("export_function", returned, out);
  Py_XDECREF(returned);
  Py_XDECREF(keywords);
  Py_XDECREF(args);
  return fine;
}

static void exported_callback(void *payload, const pons_array *in, int n_in, pons_results results) {
  leaves out;
  leaves_begin(&out);
  if (!PyErr_Occurred() && call_exported(payload, in, n_in, &out))
    for (int i = 0; i < out.count; i++) pons_results_add(results, out.at[i]);
  else
    pons_results_add(results, failed_in_python("export_function"));
  leaves_end(&out);
}

/* ---- what is told to a callback ---- */

/* (name, shape, dtype); of constants (name, array); of keyword inputs (keyword, name). */
static PyObject *value_tuple(const struct pons_export_value *v, enum pons_export_kind kind) {
  if (kind == PONS_EXPORT_KEYWORD_INPUTS) return Py_BuildValue("(ss)", v->keyword, v->name);
  if (kind == PONS_EXPORT_CONSTANTS) return Py_BuildValue("(sN)", v->name, wrap(v->constant));
  return Py_BuildValue("(sNN)", v->name, shape_tuple(v->shape), dtype_object(v->dtype));
}

static PyObject *value_list(const struct pons_export_value *values, int count, enum pons_export_kind kind) {
  PyObject *list = PyList_New(0);
  for (int i = 0; list && i < count; i++) {
    PyObject *tuple = value_tuple(&values[i], kind);
    if (!tuple || PyList_Append(list, tuple) < 0) Py_CLEAR(list);
    Py_XDECREF(tuple);
  }
  return list;
}

/* Sizes and places are tuples in MLX, lists of axes are lists. */
static bool is_tuple(const char *name) {
  static const char *const names[] = {"shape", "start", "end",        "strides",     "low",
                                      "high",  "indices", "slice_size", "slice_sizes"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(name, names[i]) == 0) return true;
  return false;
}

/* New reference. */
static PyObject *argument_value(const char *name, PyObject *stored) {
  if (is_tuple(name) && PyList_Check(stored)) return PyList_AsTuple(stored);
  if (strcmp(name, "dtype") != 0 || !PyUnicode_Check(stored)) return Py_NewRef(stored);
  const char *text = PyUnicode_AsUTF8AndSize(stored, NULL);
  for (int d = 0; text && d < PONS_DTYPE_COUNT; d++)
    if (strcmp(text, pons_dtype_name((pons_dtype)d)) == 0) return dtype_object((pons_dtype)d);
  return text ? Py_NewRef(stored) : NULL;
}

/* The parameters of a primitive in the order in which they are stored, without their names. */
static PyObject *argument_list(const char *json) {
  PyObject *module = PyImport_ImportModule("json");
  PyObject *dict = module ? PyObject_CallMethod(module, "loads", "s", json) : NULL, *list = dict ? PyList_New(0) : NULL;
  PyObject *name, *stored;
  for (Py_ssize_t at = 0; list && PyDict_Next(dict, &at, &name, &stored);) {
    const char *text = PyUnicode_AsUTF8AndSize(name, NULL);
    PyObject *value = text ? argument_value(text, stored) : NULL;
    if (!value || PyList_Append(list, value) < 0) Py_CLEAR(list);
    Py_XDECREF(value);
  }
  Py_XDECREF(dict);
  Py_XDECREF(module);
  return list;
}

static PyObject *event_dict(const struct pons_export_event *e) {
  const enum pons_export_kind kind = e->kind;
  PyObject *in = value_list(e->inputs, e->n_inputs, kind), *out = in ? value_list(e->outputs, e->n_outputs, kind) : NULL;
  PyObject *dict = NULL;
  if (!out) {
    Py_XDECREF(in);
    return NULL;
  }
  switch (kind) {
    case PONS_EXPORT_INPUTS: dict = Py_BuildValue("{sssO}", "type", "inputs", "inputs", in); break;
    case PONS_EXPORT_KEYWORD_INPUTS: dict = Py_BuildValue("{sssO}", "type", "keyword_inputs", "keywords", in); break;
    case PONS_EXPORT_OUTPUTS: dict = Py_BuildValue("{sssO}", "type", "outputs", "outputs", out); break;
    case PONS_EXPORT_CONSTANTS: dict = Py_BuildValue("{sssO}", "type", "constants", "constants", out); break;
    case PONS_EXPORT_PRIMITIVE:
      dict = Py_BuildValue("{sssssOsOsN}", "type", "primitive", "name", e->primitive, "inputs", in, "outputs", out,
                           "arguments", argument_list(e->arguments));
  }
  Py_DECREF(in);
  Py_DECREF(out);
  return dict;
}

static void tell(void *payload, const struct pons_export_event *event) {
  if (PyErr_Occurred()) return; /* from an earlier event */
  PyObject *dict = event_dict(event), *result = dict ? PyObject_CallFunctionObjArgs(payload, dict, NULL) : NULL;
  Py_XDECREF(result);
  Py_XDECREF(dict);
}

/* ---- export_function ---- */

FUNCTION(export_function,
         "(file_or_callback: str | Callable, fun: Callable, *args, shapeless: bool = False, metadata: str | None = None, "
         "**kwargs) -> None",
         "Writes fun, traced on example arrays, to a .mlxfn file, or tells a callback what the file would hold, in dicts. "
         "Examples are arrays by place and by name, or a tuple and/or a dict of arrays. shapeless: shapes may differ at the "
         "call; metadata: text kept in the file.") {
  const bool to_file = s[0].kind == SLOT_TEXT, described = s[4].kind == SLOT_TEXT && *s[4].text;
  if (!check_callable("export_function", s[1].object)) return NULL;
  if (!to_file && !PyCallable_Check(s[0].object)) {
    PyErr_SetString(PyExc_TypeError, "export_function(): file_or_callback must be str | Callable");
    return NULL;
  }
  if (!to_file && described) {
    PyErr_SetString(PyExc_ValueError, "export_function: metadata is for files, not for callbacks");
    return NULL;
  }
  inputs in;
  PyObject *result = NULL;
  if (inputs_from("export_function", s[2].object, s[5].object, &in)) {
    exported e = {s[1].object, &in};
    pons_function f = pons_function_new_open(exported_callback, &e, NULL);
    const bool fine = pons_export_function(to_file ? s[0].text : NULL, .function = f, .inputs = in.arrays.at,
                                           .n_inputs = in.arrays.count, .keywords = in.names, .n_keywords = in.n_names,
                                           .shapeless = s[3].flag, .metadata = described ? s[4].text : NULL,
                                           .callback = to_file ? NULL : tell, .payload = to_file ? NULL : s[0].object,
                                           .numbers = true);
    pons_function_release(f);
    result = fine && !PyErr_Occurred() ? Py_NewRef(Py_None) : raise_error();
  }
  inputs_end(&in);
  return result;
}

/* ---- exporter ---- */

typedef struct exporter_object {
  PyObject_HEAD
  pons_function_exporter exporter; /* NULL: closed */
  PyObject *fun;
} exporter_object;
static PyTypeObject *exporter_type;

FUNCTION(exporter,
         "(file: str, fun: Callable, *, shapeless: bool = False, metadata: str | None = None) -> FunctionExporter",
         "An object that writes traces of fun to one .mlxfn file: one per call with example arrays. Use it as a context, or "
         "close it.") {
  if (!check_callable("exporter", s[1].object)) return NULL;
  exporter_object *o = (exporter_object *)PyType_GenericAlloc(exporter_type, 0);
  if (!o) return NULL;
  o->fun = Py_NewRef(s[1].object);
  pons_function none = pons_function_new_open(exported_callback, NULL, NULL); /* every call brings its own */
  o->exporter = pons_exporter(s[0].text, .function = none, .shapeless = s[2].flag,
                              .metadata = s[3].kind == SLOT_TEXT ? s[3].text : NULL);
  pons_function_release(none);
  if (o->exporter) return (PyObject *)o;
  Py_DECREF(o);
  return raise_error();
}

static PyObject *exporter_called(PyObject *self, PyObject *args, PyObject *keywords) {
  exporter_object *o = (exporter_object *)self;
  if (!o->exporter) {
    PyErr_SetString(PyExc_RuntimeError, "export_function: the exporter is closed");
    return NULL;
  }
  PyObject *own = keywords ? Py_NewRef(keywords) : PyDict_New(), *result = NULL;
  if (!own) return NULL;
  const pons_scope scope = pons_scope_open();
  inputs in;
  if (inputs_from("export_function", args, own, &in)) {
    exported e = {o->fun, &in};
    pons_function f = pons_function_new_open(exported_callback, &e, NULL);
    const bool fine = pons_exporter_call(o->exporter, .inputs = in.arrays.at, .n_inputs = in.arrays.count,
                                         .keywords = in.names, .n_keywords = in.n_names, .function = f);
    pons_function_release(f);
    result = fine && !PyErr_Occurred() ? Py_NewRef(Py_None) : raise_error();
  }
  inputs_end(&in);
  pons_scope_close(scope);
  Py_DECREF(own);
  return result;
}

static PyObject *exporter_close(PyObject *self, PyObject *unused) {
  (void)unused;
  exporter_object *o = (exporter_object *)self;
  pons_function_exporter exporter = o->exporter;
  o->exporter = NULL;
  return !exporter || pons_exporter_close(exporter) ? Py_NewRef(Py_None) : raise_error();
}

static PyObject *exporter_enter(PyObject *self, PyObject *unused) {
  (void)unused;
  return Py_NewRef(self);
}

static int exporter_traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(((exporter_object *)self)->fun);
  return 0;
}

static int exporter_clear(PyObject *self) {
  Py_CLEAR(((exporter_object *)self)->fun);
  return 0;
}

static void exporter_free(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  exporter_object *o = (exporter_object *)self;
  if (o->exporter) pons_exporter_close(o->exporter);
  exporter_clear(self);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

static PyMethodDef exporter_methods[] = {
    {"close", exporter_close, METH_NOARGS, "close(self) -> None\n\nPuts the file in its place."},
    {"__enter__", exporter_enter, METH_NOARGS, "__enter__(self) -> FunctionExporter"},
    {"__exit__", exporter_close, METH_VARARGS,
     "__exit__(self, exc_type: object | None = None, exc_value: object | None = None, traceback: object | None = None) -> "
     "None"},
    END_OF_ROWS};

static PyType_Slot exporter_slots[] = {
    {Py_tp_doc, "Writes several traces of one function to a file. Made by exporter()."},
    {Py_tp_call, exporter_called},
    {Py_tp_methods, exporter_methods},
    {Py_tp_traverse, exporter_traverse},
    {Py_tp_clear, exporter_clear},
    {Py_tp_dealloc, exporter_free},
    {0, NULL}};

/* ---- import_function ---- */

typedef struct imported_object {
  PyObject_HEAD
  pons_imported file;
} imported_object;
static PyTypeObject *imported_type;

/* An import may give any number of results. */
static PyObject *call_imported(pons_imported file, const inputs *in) {
  pons_array few[32], *out = few;
  int room = 32;
  int count = pons_imported_call(file, in->arrays.at, in->arrays.count, in->names, in->n_names, out, room);
  if (count > room) {
    room = count;
    out = malloc((size_t)room * sizeof *out);
    if (!out) return PyErr_NoMemory();
    count = pons_imported_call(file, in->arrays.at, in->arrays.count, in->names, in->n_names, out, room);
  }
  PyObject *result = count < 0 ? raise_error() : wrap_tuple(out, count);
  if (out != few) free(out);
  return result;
}

static PyObject *imported_call(PyObject *self, PyObject *args, PyObject *keywords) {
  PyObject *own = keywords ? Py_NewRef(keywords) : PyDict_New(), *result = NULL;
  if (!own) return NULL;
  const pons_scope scope = pons_scope_open();
  inputs in;
  if (inputs_from("import_function", args, own, &in)) result = call_imported(((imported_object *)self)->file, &in);
  inputs_end(&in);
  pons_scope_close(scope);
  Py_DECREF(own);
  if (result) pons_clear_error();
  return result;
}

static void imported_free(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  pons_imported_release(((imported_object *)self)->file);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyType_Slot imported_slots[] = {
    {Py_tp_doc, "A function read from a file: called with arrays, it returns a tuple of arrays."},
    {Py_tp_call, imported_call},
    {Py_tp_dealloc, imported_free},
    {0, NULL}};

FUNCTION(import_function, "(file: str, return_metadata: bool = False) -> Callable | tuple[Callable, str]",
         "The function in a .mlxfn file. It is called as it was exported, with arrays by place and by name or with a tuple "
         "and/or a dict of arrays, and returns a tuple of arrays. return_metadata: a tuple of it and the file's text.") {
  pons_imported file = pons_import_function(s[0].text);
  if (!file) return raise_error();
  imported_object *o = (imported_object *)PyType_GenericAlloc(imported_type, 0);
  if (!o) {
    pons_imported_release(file);
    return NULL;
  }
  o->file = file;
  return s[1].flag ? Py_BuildValue("(Ns)", o, pons_imported_metadata(file)) : (PyObject *)o;
}

/* ---- export_to_dot ---- */

static bool write_dot(const char *path, const inputs *in) {
  const int n = in->arrays.count - in->n_names;
  return pons_export_to_dot(path, in->arrays.at, in->arrays.count, in->arrays.at + n, in->names, in->n_names) || raise_error();
}

/* Through a file of its own, which the library writes. */
static bool write_dot_to(PyObject *file, const inputs *in) {
  PyObject *module = PyImport_ImportModule("tempfile");
  PyObject *made = module ? PyObject_CallMethod(module, "NamedTemporaryFile", "s", "r") : NULL;
  PyObject *name = made ? PyObject_GetAttrString(made, "name") : NULL;
  const char *path = name ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
  Py_XDECREF(module);
  PyObject *text = NULL, *result = NULL;
  if (path && write_dot(path, in)) text = PyObject_CallMethod(made, "read", NULL);
  if (text) result = PyObject_CallMethod(file, "write", "O", text);
  Py_XDECREF(result);
  Py_XDECREF(text);
  Py_XDECREF(name);
  Py_XDECREF(made);
  return result != NULL;
}

FUNCTION(export_to_dot, "(file: object, *args, **kwargs) -> None",
         "Writes the graph behind the arrays, as far as it is not computed, for Graphviz, to a path or an object with a "
         "method write. Arrays passed by name are called so in it.") {
  PyObject *file = s[0].object, *trees = s[1].object, *result = NULL;
  if (!PyUnicode_Check(file) && !PyObject_HasAttrString(file, "write")) {
    PyErr_SetString(PyExc_ValueError, "export_to_dot: file must be a path or an object with a method write");
    return NULL;
  }
  inputs in = {.names = NULL};
  leaves_begin(&in.arrays);
  if (tree_flatten(trees, true, &in.arrays) && add_named("export_to_dot", s[2].object, &in)) {
    const char *path = PyUnicode_Check(file) ? PyUnicode_AsUTF8AndSize(file, NULL) : NULL;
    if (path ? write_dot(path, &in) : write_dot_to(file, &in)) result = Py_NewRef(Py_None);
  }
  inputs_end(&in);
  return result;
}

static PyMethodDef rows[] = {ROW(export_function), ROW(exporter), ROW(import_function), ROW(export_to_dot), END_OF_ROWS};

int add_exporting(PyObject *module) {
  PyType_Spec exporter = {"pons.core.FunctionExporter", sizeof(exporter_object), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, exporter_slots};
  PyType_Spec imported = {"pons.core.ImportedFunction", sizeof(imported_object), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, imported_slots};
  exporter_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &exporter, NULL);
  imported_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &imported, NULL);
  if (!exporter_type || !imported_type) return -1;
  if (PyModule_AddObjectRef(module, "FunctionExporter", (PyObject *)exporter_type) < 0) return -1;
  return PyModule_AddFunctions(module, rows);
}
