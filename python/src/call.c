/* call.c: from Python's arguments to the slots of a function's body, and back. One path for all functions: this is
   where the overhead of a call is. Uses signature.c, convert.c, device.c. */
#include "binding.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What a call needs for its arguments: most fit in `room`. */
typedef struct block {
  struct block *next;
} block;
typedef struct frame {
  slot slots[MAX_PARAMETERS];
  size_t used;
  block *more;
  PyObject *rest, *others; /* the tuple of *args, the dict of **kwargs */
  _Alignas(16) char room[1024];
} frame;

static void *take(frame *f, size_t bytes) {
  bytes = (bytes + 15) & ~(size_t)15;
  if (bytes <= sizeof f->room - f->used) {
    void *p = f->room + f->used;
    f->used += bytes;
    return p;
  }
  block *b = malloc(sizeof *b + 16 + bytes);
  if (!b) {
    PyErr_NoMemory();
    return NULL;
  }
  b->next = f->more;
  f->more = b;
  return (char *)b + 16;
}

static void frame_end(frame *f) {
  for (block *b = f->more, *next; b; b = next) {
    next = b->next;
    free(b);
  }
  Py_XDECREF(f->rest);
  Py_XDECREF(f->others);
}

/* ---- converters: 1; 0, the object is of another type; -1 and an exception ---- */

static int to_bool(PyObject *o, slot *s) {
  if (o != Py_True && o != Py_False) return 0;
  s->kind = SLOT_BOOL;
  s->flag = o == Py_True;
  return 1;
}

static bool has_index(PyObject *o) { return PyLong_Check(o) || (!unwrap(o) && PyIndex_Check(o)); }

static int index_value(PyObject *o, int64_t *value) {
  if (PyLong_Check(o)) {
    *value = PyLong_AsLongLong(o);
  } else {
    PyObject *number = PyNumber_Index(o);
    if (!number) return -1;
    *value = PyLong_AsLongLong(number);
    Py_DECREF(number);
  }
  return *value == -1 && PyErr_Occurred() ? -1 : 1;
}

static int to_int(PyObject *o, slot *s) {
  if (!has_index(o)) { /* an array of one integer counts, too */
    pons_array a = unwrap(o);
    if (!a || pons_ndim(a) != 0 || !pons_issubdtype(pons_dtype_of(a), PONS_INTEGER)) return 0;
  }
  s->kind = SLOT_INT;
  return index_value(o, &s->i);
}

static int to_float(PyObject *o, slot *s) {
  if (PyUnicode_Check(o) || PyBytes_Check(o)) return 0;
  s->kind = SLOT_FLOAT;
  s->number = PyFloat_AsDouble(o);
  if (s->number != -1 || !PyErr_Occurred()) return 1;
  if (!PyErr_ExceptionMatches(PyExc_TypeError)) return -1;
  PyErr_Clear();
  return 0;
}

/* Room for the integers in both forms. */
static bool ints_new(frame *f, slot *s, Py_ssize_t count) {
  int64_t *wide = take(f, (size_t)(count + 1) * sizeof *wide);
  int *narrow = take(f, (size_t)(count + 1) * sizeof *narrow);
  if (!wide || !narrow) return false;
  s->kind = SLOT_INTS;
  s->ints.shape = (pons_shape){(int)count, wide};
  s->ints.axes = (pons_axes){(int)count, narrow};
  s->ints.one = false;
  return true;
}

/* As in MLX, sizes and axes are int32. */
static bool ints_put(slot *s, Py_ssize_t i, int64_t value) {
  ((int64_t *)s->ints.shape.at)[i] = value;
  ((int *)s->ints.axes.at)[i] = (int)value;
  if (value >= -INT_MAX && value <= INT_MAX) return true;
  PyErr_Format(PyExc_OverflowError, "%lld is no size and no axis, which are int32", (long long)value);
  return false;
}

static int to_one_of_ints(frame *f, PyObject *o, slot *s) {
  slot one;
  const int fits = to_int(o, &one);
  if (fits != 1) return fits;
  if (!ints_new(f, s, 1)) return -1;
  s->ints.one = true;
  return ints_put(s, 0, one.i) ? 1 : -1;
}

static int to_ints(frame *f, PyObject *o, slot *s) {
  if (PyUnicode_Check(o) || PyBytes_Check(o) || PyDict_Check(o) || !PySequence_Check(o)) return 0;
  pons_array a = unwrap(o);
  if (a && pons_ndim(a) == 0) return 0;
  const Py_ssize_t count = PySequence_Size(o);
  if (count < 0) return -1;
  if (count > INT_MAX) return 0;
  if (!ints_new(f, s, count)) return -1;
  for (Py_ssize_t i = 0; i < count; i++) {
    slot one = {.kind = SLOT_NONE};
    PyObject *item = PySequence_GetItem(o, i);
    if (!item) return -1;
    const int fits = to_int(item, &one);
    Py_DECREF(item);
    if (fits != 1) return fits;
    if (!ints_put(s, i, one.i)) return -1;
  }
  return 1;
}

static int to_arrays(frame *f, PyObject *o, slot *s) {
  if (!PyList_Check(o) && !PyTuple_Check(o)) return 0;
  const Py_ssize_t count = PySequence_Size(o);
  pons_array *at = take(f, (size_t)(count + 1) * sizeof *at);
  if (!at) return -1;
  s->kind = SLOT_ARRAYS;
  s->arrays.count = (int)count;
  s->arrays.at = at;
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *item = PySequence_GetItem(o, i);
    if (!item) return -1;
    const int fits = operand_from_object(item, &at[i]);
    Py_DECREF(item); /* the list holds it; what was made of it is the scope's */
    if (fits != 1) return fits;
  }
  return 1;
}

static int to_text(frame *f, PyObject *o, slot *s) {
  (void)f;
  if (!PyUnicode_Check(o)) return 0;
  s->kind = SLOT_TEXT;
  s->text = PyUnicode_AsUTF8AndSize(o, NULL);
  return s->text ? 1 : -1;
}

static int to_array(PyObject *o, slot *s) {
  s->kind = SLOT_ARRAY;
  s->source = unwrap(o) ? NULL : o;
  return operand_from_object(o, &s->array);
}

static int to_dtype(PyObject *o, slot *s) {
  s->kind = SLOT_DTYPE;
  return dtype_from_object(o, &s->dtype);
}

static int to_stream(PyObject *o, slot *s) {
  s->kind = SLOT_STREAM;
  if (stream_from_object(o, &s->stream)) return 1;
  return PyErr_Occurred() ? -1 : 0;
}

/* The narrowest type first: True is no number where both are allowed, an integer no float. */
static int convert(frame *f, unsigned accepts, PyObject *o, slot *s) {
  int fits = 0;
  if (o == Py_None && accepts & ACCEPTS_NONE) {
    s->kind = SLOT_NONE;
    return 1;
  }
  if (accepts & ACCEPTS_ARRAY && unwrap(o)) return to_array(o, s);
  if (!fits && accepts & ACCEPTS_BOOL) fits = to_bool(o, s);
  if (!fits && accepts & ACCEPTS_INTS && accepts & ACCEPTS_INT) fits = to_one_of_ints(f, o, s);
  if (!fits && accepts & ACCEPTS_INTS)
    fits = to_ints(f, o, s);
  else if (!fits && accepts & ACCEPTS_INT)
    fits = to_int(o, s);
  if (!fits && accepts & ACCEPTS_FLOAT) fits = to_float(o, s);
  if (!fits && accepts & ACCEPTS_TEXT) fits = to_text(f, o, s);
  if (!fits && accepts & ACCEPTS_DTYPE) fits = to_dtype(o, s);
  if (!fits && accepts & ACCEPTS_ARRAYS) fits = to_arrays(f, o, s);
  if (!fits && accepts & ACCEPTS_STREAM) fits = to_stream(o, s);
  if (!fits && accepts & ACCEPTS_ARRAY) fits = to_array(o, s);
  if (!fits && accepts & ACCEPTS_OBJECT) {
    s->kind = SLOT_OBJECT;
    s->object = o;
    fits = 1;
  }
  return fits;
}

/* ---- binding ---- */

PyObject *type_name(PyObject *o) {
  PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(o), "__name__");
  if (!name) PyErr_Clear();
  return name ? name : PyUnicode_FromString("object");
}

/* TypeError: `what` with `detail`, and the signature. An exception that is there stays. */
static bool wrong(const function *f, const char *what, PyObject *detail) {
  if (PyErr_Occurred()) return false;
  const char *end = strstr(f->doc, "\n\n");
  PyObject *text = PyUnicode_FromStringAndSize(f->doc, end ? end - f->doc : (Py_ssize_t)strlen(f->doc));
  if (text)
    PyErr_Format(PyExc_TypeError, "%s(): incompatible function arguments: %U%s\nsignature: %U", f->name,
                 detail, what, text);
  Py_XDECREF(text);
  return false;
}

static bool wrong_type(const function *f, const parameter *p, PyObject *o) {
  if (PyErr_Occurred()) return false;
  PyObject *name = type_name(o);
  PyObject *detail =
      name ? PyUnicode_FromFormat("%U must be %s, not %U", p->name, p->annotation, name) : NULL;
  if (detail) wrong(f, "", detail);
  Py_XDECREF(name);
  Py_XDECREF(detail);
  return false;
}

/* A call on its way: which parameters have got an argument. */
typedef struct binding {
  const function *f;
  const signature *g;
  frame *to;
  uint32_t seen;
} binding;

static bool put(binding *b, int i, PyObject *o) {
  const parameter *p = &b->g->at[i];
  b->seen |= 1u << i;
  b->to->slots[i].named = false;
  return convert(b->to, p->accepts, o, &b->to->slots[i]) == 1 || wrong_type(b->f, p, o);
}

static bool put_rest(binding *b, PyObject *const *args, Py_ssize_t n) {
  PyObject *rest = b->to->rest = PyTuple_New(n);
  for (Py_ssize_t i = 0; rest && i < n; i++) {
    Py_INCREF(args[i]);
    PyTuple_SetItem(rest, i, args[i]);
  }
  return rest && put(b, b->g->variadic, rest);
}

static bool bind_positional(binding *b, PyObject *first, PyObject *const *args, Py_ssize_t n) {
  int i = 0;
  if (first && !put(b, i++, first)) return false;
  for (Py_ssize_t k = 0; k < n; k++, i++) {
    if (i == b->g->variadic) return put_rest(b, args + k, n - k);
    if (i >= b->g->count || i == b->g->others || b->g->at[i].keyword_only) {
      PyObject *count = PyUnicode_FromFormat("%zd", n);
      if (count) wrong(b->f, " positional arguments are too many", count);
      Py_XDECREF(count);
      return false;
    }
    if (!put(b, i, args[k])) return false;
  }
  return true;
}

static int find(const signature *g, PyObject *name) {
  for (int i = 0; i < g->count; i++)
    if (g->at[i].name == name) return i;
  for (int i = 0; i < g->count; i++)
    if (PyUnicode_Compare(g->at[i].name, name) == 0) return i;
  return -1;
}

static bool bind_named(binding *b, PyObject *names, PyObject *const *values) {
  const Py_ssize_t n = names ? PyTuple_Size(names) : 0;
  if (b->g->others >= 0 && (!(b->to->others = PyDict_New()) || !put(b, b->g->others, b->to->others)))
    return false;
  for (Py_ssize_t k = 0; k < n; k++) {
    PyObject *name = PyTuple_GetItem(names, k);
    const int i = find(b->g, name);
    if (i < 0 && b->to->others) {
      if (PyDict_SetItem(b->to->others, name, values[k]) < 0) return false;
      continue;
    }
    if (i < 0 || i == b->g->variadic || b->g->at[i].positional_only)
      return wrong(b->f, " is no keyword argument", name);
    if (b->seen >> i & 1) return wrong(b->f, " is given twice", name);
    if (!put(b, i, values[k])) return false;
    b->to->slots[i].named = true;
  }
  return true;
}

static bool bind_defaults(binding *b) {
  for (int i = 0; i < b->g->count; i++) {
    if (b->seen >> i & 1) continue;
    const parameter *p = &b->g->at[i];
    if (i == b->g->variadic) {
      if (!put_rest(b, NULL, 0)) return false;
    } else if (!p->default_object) {
      return wrong(b->f, " is missing", p->name);
    } else if (p->default_object == Py_None) {
      b->to->slots[i].kind = SLOT_NONE;
    } else if (!put(b, i, p->default_object)) {
      return false;
    }
  }
  return true;
}

/* The stream among the arguments, or NULL. */
static pons_stream stream_of(const function *f, const frame *from) {
  for (int i = f->parsed->count - 1; i >= 0; i--)
    if (from->slots[i].kind == SLOT_STREAM && f->parsed->at[i].accepts & ACCEPTS_NONE)
      return from->slots[i].stream;
  return NULL;
}

PyObject *call(function *f, PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  if (!f->parsed && !(f->parsed = signature_parse(f->name, f->doc))) return NULL;
  frame to;
  to.used = 0;
  to.more = NULL;
  to.rest = to.others = NULL;
  PyObject *result = NULL;
  const pons_scope scope = pons_scope_open();
  binding b = {f, f->parsed, &to, 0};
  if (bind_positional(&b, self, args, n) && bind_named(&b, names, args + n) && bind_defaults(&b)) {
    pons_stream stream = stream_of(f, &to), before = stream ? pons_set_stream(stream) : NULL;
    result = f->body(to.slots);
    if (stream) pons_set_stream(before);
  }
  pons_scope_close(scope);
  frame_end(&to);
  if (result) pons_clear_error(); /* what went well in the end, as a file that was looked for in vain */
  return result;
}
