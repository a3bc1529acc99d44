/* files.c: load and save: .npy, .npz, .safetensors, .gguf, by path or through an object with read() or write(). */
#include "functions.h"
#include <stdio.h>
#include <string.h>

/* ---- where a file is ---- */

/* A str, or what os.fspath takes, as a new str; NULL without an exception for other objects. */
static PyObject *path_of(PyObject *o) {
  PyObject *path = PyOS_FSPath(o);
  if (path && PyUnicode_Check(path)) return path;
  if (path)
    PyErr_SetString(PyExc_TypeError, "a path must be str");
  else if (PyErr_ExceptionMatches(PyExc_TypeError))
    PyErr_Clear();
  Py_XDECREF(path);
  return NULL;
}

static bool ends_with(const char *text, const char *end) {
  const size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

/* ---- arrays by name ---- */

static PyObject *dict_of(pons_named named) {
  PyObject *dict = PyDict_New();
  for (int64_t i = 0; dict && i < pons_named_count(named); i++) {
    PyObject *array = wrap(pons_named_at(named, i));
    if (!array || PyDict_SetItemString(dict, pons_named_key(named, i), array) < 0) Py_CLEAR(dict);
    Py_XDECREF(array);
  }
  return dict;
}

static PyObject *metadata_value(pons_named named, const char *key) {
  int64_t count;
  const char *text = pons_named_metadata(named, key);
  if (text) return PyUnicode_FromString(text);
  const char *const *texts = pons_named_metadata_texts(named, key, &count);
  if (!texts) return wrap(pons_named_metadata_array(named, key));
  PyObject *list = PyList_New((Py_ssize_t)count);
  for (int64_t i = 0; list && i < count; i++) {
    PyObject *item = PyUnicode_FromString(texts[i]);
    if (item)
      PyList_SetItem(list, (Py_ssize_t)i, item);
    else
      Py_CLEAR(list);
  }
  return list;
}

static PyObject *metadata_of(pons_named named) {
  PyObject *dict = PyDict_New();
  for (int64_t i = 0; dict && i < pons_named_metadata_count(named); i++) {
    const char *key = pons_named_metadata_key(named, i);
    PyObject *value = metadata_value(named, key);
    if (!value || PyDict_SetItemString(dict, key, value) < 0) Py_CLEAR(dict);
    Py_XDECREF(value);
  }
  return dict;
}

static bool put_array(pons_named named, const char *key, PyObject *o) {
  pons_array a;
  const int fits = operand_from_object(o, &a);
  if (!fits) PyErr_Format(PyExc_TypeError, "save: '%s' must be an array", key);
  if (fits != 1) return false;
  if (pons_named_set(named, key, a)) return true;
  raise_error();
  return false;
}

/* The entries of a dict. NULL and an exception. */
static pons_named named_of(PyObject *dict) {
  pons_named named = pons_named_new();
  PyObject *key, *value;
  Py_ssize_t at = 0;
  if (!named) return (pons_named)raise_error();
  while (PyDict_Next(dict, &at, &key, &value)) {
    const char *name = PyUnicode_Check(key) ? PyUnicode_AsUTF8AndSize(key, NULL) : NULL;
    if (!name && !PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "save: names of arrays must be str");
    if (name && put_array(named, name, value)) continue;
    pons_named_free(named);
    return NULL;
  }
  return named;
}

static bool put_texts(pons_named named, const char *key, PyObject *list) {
  const Py_ssize_t count = PySequence_Size(list);
  const char **texts = PyMem_Malloc((size_t)(count + 1) * sizeof *texts);
  bool fine = texts != NULL;
  for (Py_ssize_t i = 0; fine && i < count; i++) {
    PyObject *item = PySequence_GetItem(list, i); /* the list keeps it */
    texts[i] = item && PyUnicode_Check(item) ? PyUnicode_AsUTF8AndSize(item, NULL) : NULL;
    Py_XDECREF(item);
    fine = texts[i] != NULL;
  }
  if (fine && !pons_named_set_metadata_texts(named, key, texts, count)) raise_error();
  if (!fine && !PyErr_Occurred())
    PyErr_Format(PyExc_TypeError, "save: metadata '%s' must be a list of str", key);
  PyMem_Free(texts);
  return !PyErr_Occurred();
}

static bool put_metadata_value(pons_named named, const char *key, PyObject *value) {
  pons_array a;
  if (PyUnicode_Check(value)) {
    const char *text = PyUnicode_AsUTF8AndSize(value, NULL);
    if (text && !pons_named_set_metadata(named, key, text)) raise_error();
    return !PyErr_Occurred();
  }
  if (PyList_Check(value) || PyTuple_Check(value)) return put_texts(named, key, value);
  const int fits = operand_from_object(value, &a);
  if (!fits) PyErr_Format(PyExc_TypeError, "save: metadata '%s' must be array | str | list[str]", key);
  if (fits == 1 && !pons_named_set_metadata_array(named, key, a)) raise_error();
  return !PyErr_Occurred();
}

static bool put_metadata(pons_named named, PyObject *dict) {
  PyObject *key, *value;
  Py_ssize_t at = 0;
  if (!PyDict_Check(dict)) {
    PyErr_SetString(PyExc_TypeError, "save: metadata must be a dict");
    return false;
  }
  while (PyDict_Next(dict, &at, &key, &value)) {
    const char *name = PyUnicode_Check(key) ? PyUnicode_AsUTF8AndSize(key, NULL) : NULL;
    if (!name && !PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "save: names of metadata must be str");
    if (!name || !put_metadata_value(named, name, value)) return false;
  }
  return true;
}

/* ---- load ---- */

static pons_named load_bytes(PyObject *file, const char *format) {
  PyObject *bytes = PyObject_CallMethod(file, "read", NULL);
  char *data;
  Py_ssize_t count;
  pons_named named = NULL;
  if (bytes && PyBytes_AsStringAndSize(bytes, &data, &count) == 0) {
    named = pons_load_bytes(data, (size_t)count, .name = "the file", .format = format);
    if (!named) raise_error();
  }
  Py_XDECREF(bytes);
  return named;
}

static bool is_single(pons_named named) {
  return pons_named_count(named) == 1 && strcmp(pons_named_key(named, 0), "arr_0") == 0;
}

/* Is it a .npy file? Such a file gives an array, others a dict. */
static bool is_npy(PyObject *path, const char *format, pons_named named) {
  if (format) return strcmp(format, "npy") == 0;
  const char *text = path ? PyUnicode_AsUTF8AndSize(path, NULL) : NULL;
  return text ? ends_with(text, ".npy") : is_single(named);
}

FUNCTION(load,
         "(file: object, /, format: str | None = None, return_metadata: bool = False, *, stream: "
         "StreamOrDevice = None) -> "
         "array | dict[str, array] | tuple[dict[str, array], dict[str, Any]]",
         "The array of a .npy file, or the arrays of a .npz, .safetensors or .gguf file by name; elements "
         "are read when "
         "they are used. The file is a path or has a method read().") {
  PyObject *path = path_of(s[0].object), *result = NULL;
  const char *format = s[1].kind == SLOT_TEXT ? s[1].text : NULL;
  if (!path && PyErr_Occurred()) return NULL;
  pons_named named = path ? pons_load(PyUnicode_AsUTF8AndSize(path, NULL), .format = format)
                          : load_bytes(s[0].object, format);
  if (!named) {
    Py_XDECREF(path);
    return raise_error();
  }
  if (is_npy(path, format, named)) {
    result = wrap(pons_named_at(named, 0));
  } else {
    PyObject *dict = dict_of(named), *metadata = dict && s[2].flag ? metadata_of(named) : NULL;
    result = metadata ? PyTuple_Pack(2, dict, metadata) : s[2].flag ? NULL : Py_XNewRef(dict);
    Py_XDECREF(metadata);
    Py_XDECREF(dict);
  }
  pons_named_free(named);
  Py_XDECREF(path);
  return result;
}

/* ---- save ---- */

static PyObject *write_to(PyObject *file, const char *format, pons_named named) {
  size_t count;
  void *bytes = NULL;
  gil_release();
  bytes = pons_save_bytes(format, named, &count);
  gil_take();
  if (!bytes) return raise_error();
  PyObject *data = PyBytes_FromStringAndSize(bytes, (Py_ssize_t)count);
  PyObject *done = data ? PyObject_CallMethod(file, "write", "O", data) : NULL;
  pons_free(bytes);
  Py_XDECREF(data);
  Py_XDECREF(done);
  return done ? Py_NewRef(Py_None) : NULL;
}

/* Writes and frees `named` (NULL: an exception is there); `ending` is appended to a path that lacks it. */
static PyObject *save_as(PyObject *file, const char *format, bool (*save)(const char *, pons_named),
                         pons_named named) {
  PyObject *path = named ? path_of(file) : NULL, *result = NULL;
  const char *text = path ? PyUnicode_AsUTF8AndSize(path, NULL) : NULL;
  if (text) {
    bool fine;
    gil_release();
    fine = save(text, named);
    gil_take();
    result = fine ? Py_NewRef(Py_None) : raise_error();
  } else if (named && !PyErr_Occurred()) {
    result = write_to(file, format, named);
  }
  Py_XDECREF(path);
  if (named) pons_named_free(named);
  return result;
}

static bool save_npy(const char *path, pons_named named) {
  char longer[4096];
  if (ends_with(path, ".npy")) return pons_save(path, named);
  if (snprintf(longer, sizeof longer, "%s.npy", path) < (int)sizeof longer) return pons_save(longer, named);
  pons_fail("save", "the path is longer than %zu characters", sizeof longer - 5);
  return false;
}

FUNCTION(save, "(file: object, arr: array) -> None", "Writes an array to a .npy file.") {
  pons_named named = pons_named_new();
  if (!named || !pons_named_set(named, "arr_0", s[1].array)) {
    if (named) pons_named_free(named);
    return raise_error();
  }
  return save_as(s[0].object, "npy", save_npy, named);
}

/* Positional arrays are arr_0, arr_1, ... */
static pons_named named_of_call(const slot *s) {
  pons_named named = named_of(s[2].object);
  for (int i = 0; named && i < s[1].arrays.count; i++) {
    char name[32];
    snprintf(name, sizeof name, "arr_%d", i);
    if (pons_named_set(named, name, s[1].arrays.at[i])) continue;
    pons_named_free(named);
    return (pons_named)raise_error();
  }
  return named;
}

FUNCTION(savez, "(file: object, *args: array, **kwargs: array) -> None",
         "Writes arrays to a .npz file, under their keywords or as arr_0, arr_1, ...") {
  return save_as(s[0].object, "npz", pons_savez, named_of_call(s));
}

FUNCTION(savez_compressed, "(file: object, *args: array, **kwargs: array) -> None",
         "savez, the arrays compressed.") {
  return save_as(s[0].object, "npz", pons_savez_compressed, named_of_call(s));
}

static pons_named with_metadata(PyObject *arrays, PyObject *metadata) {
  if (!PyDict_Check(arrays)) {
    PyErr_SetString(PyExc_TypeError, "save: arrays must be dict[str, array]");
    return NULL;
  }
  pons_named named = named_of(arrays);
  if (!named || !metadata || put_metadata(named, metadata)) return named;
  pons_named_free(named);
  return NULL;
}

FUNCTION(save_safetensors,
         "(file: object, arrays: dict[str, array], metadata: dict[str, str] | None = None) -> None",
         "Writes arrays and metadata to a .safetensors file.") {
  return save_as(s[0].object, "safetensors", pons_save_safetensors,
                 with_metadata(s[1].object, s[2].kind == SLOT_OBJECT ? s[2].object : NULL));
}

FUNCTION(save_gguf,
         "(file: object, arrays: dict[str, array], metadata: dict[str, array | str | list[str]] | None = "
         "None) -> None",
         "Writes arrays and metadata to a .gguf file.") {
  return save_as(s[0].object, "gguf", pons_save_gguf,
                 with_metadata(s[1].object, s[2].kind == SLOT_OBJECT ? s[2].object : NULL));
}

static PyMethodDef rows[] = {
    ROW(load),      ROW(save),  ROW(savez), ROW(savez_compressed), ROW(save_safetensors),
    ROW(save_gguf), END_OF_ROWS};

int add_files(PyObject *module) { return PyModule_AddFunctions(module, rows); }
