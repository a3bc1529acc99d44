/* compiled.c: compile. A compiled function has a form for each structure of its arguments, constants among them; a form
   is a function of arrays, which the library compiles per dtypes and shapes:

       args, keywords ── form: (array, 2, {"k": array}) ── arrays + captured state ── pons_compile ── plan

   While it is traced, the arrays in the captured state are traced ones, too. What the function returned is a structure
   that the form keeps, and the number that the library gives back at a replay says which. Uses functions.c, tree.c. */
#include "functions.h"
#include <stdlib.h>

enum { MAX_FORMS = 1024 };

typedef struct compiled compiled;

typedef struct returned {
  PyObject *structure;
  int count; /* of its arrays */
} returned;

/* Owned by its function. */
typedef struct form {
  struct form *next;
  PyObject *fun;             /* borrowed, as the two below: from the object that calls the form */
  PyObject *inputs, *outputs;
  PyObject *args, *keywords; /* structures */
  int n_args;                /* arrays in these */
  pons_function function;
  held *self;
  returned *kinds; /* what fun returned in the traces so far */
  int n_kinds;
} form;

struct compiled {
  PyObject *inputs, *outputs; /* captured; None: nothing */
  bool shapeless;
  form *forms; /* the latest first */
};

/* One call. The callback, if there is one, is on the same thread, and leaves here what fun returned. */
typedef struct one_call {
  struct one_call *outer;
  leaves in;
  returned made;
} one_call;
static _Thread_local one_call *current;

/* ---- the function under the trace ---- */

static bool same_structure(PyObject *a, PyObject *b) {
  leaves unused;
  leaves_begin(&unused);
  const bool same = structure_fits(a, b, &unused);
  leaves_end(&unused);
  return same;
}

/* The number of what fun returned, from 1 on; 0 and an exception. */
static int remember(form *f, returned r) {
  for (int i = 0; i < f->n_kinds; i++)
    if (same_structure(f->kinds[i].structure, r.structure)) return i + 1;
  if (PyErr_Occurred()) return 0;
  returned *more = realloc(f->kinds, (size_t)(f->n_kinds + 1) * sizeof *more);
  if (!more) return PyErr_NoMemory() != NULL;
  f->kinds = more;
  f->kinds[f->n_kinds] = r;
  Py_INCREF(r.structure);
  return ++f->n_kinds;
}

static bool fill_captured(PyObject *tree, const pons_array *at, int count) {
  if (tree == Py_None) return true;
  supply values = {at, count, 0};
  PyObject *now = tree_fill(tree, &values);
  Py_XDECREF(now);
  return now != NULL;
}

/* What is still traced becomes what it was; what fun has put in stays. An exception stays, too. */
static bool restore_captured(PyObject *tree, const pons_array *traced, const leaves *originals) {
  if (tree == Py_None) return true;
  PyObject *kind, *value, *trace;
  PyErr_Fetch(&kind, &value, &trace);
  PyObject *now = tree_replace(tree, traced, originals->objects, originals->count);
  Py_XDECREF(now);
  if (!kind) return now != NULL;
  PyErr_Restore(kind, value, trace);
  return false;
}

static PyObject *call_fun(const form *f, const pons_array *in) {
  supply values = {in, f->n_args, 0};
  PyObject *args = structure_fill(f->args, &values), *keywords = args ? structure_fill(f->keywords, &values) : NULL;
  PyObject *result = keywords ? PyObject_Call(f->fun, args, keywords) : NULL;
  Py_XDECREF(args);
  Py_XDECREF(keywords);
  return result;
}

/* Calls fun on traced arguments and traced captured inputs. Its arrays, then the captured outputs, are added to `out`. */
static bool call_traced(form *f, const pons_array *in, int n_in, const leaves *originals, leaves *out) {
  const pons_array *captured = in + f->n_args;
  if (originals->count != n_in - f->n_args) {
    PyErr_SetString(PyExc_RuntimeError, "compile: the captured inputs have changed while the function was called");
    return false;
  }
  bool fine = fill_captured(f->inputs, captured, originals->count);
  PyObject *result = fine ? call_fun(f, in) : NULL;
  PyObject *structure = result ? tree_structure(result, false, out) : NULL;
  Py_XDECREF(result);
  PyObject *before = current->made.structure;
  current->made = (returned){structure, out->count};
  Py_XDECREF(before);
  fine = structure && (f->outputs == Py_None || tree_flatten(f->outputs, false, out));
  return restore_captured(f->inputs, captured, originals) && fine;
}

/* What the function reads besides its arguments is constant; it must not be one of them, whose values will differ. */
static bool check_uncaptured(const leaves *out) {
  if (pons_made_from(out->at, out->count, current->in.at, current->in.count) < 0) return true;
  PyErr_SetString(PyExc_ValueError, "compile: the function reads an array that it is also called with, or something made from "
                                    "it, but not as an argument\nhint: pass it, or name it among inputs");
  return false;
}

static void form_callback(void *payload, const pons_array *in, int n_in, pons_results results) {
  form *f = payload;
  const bool released = gil_take();
  leaves originals, out;
  leaves_begin(&originals);
  leaves_begin(&out);
  /* Called with the very arrays of the call: nothing is traced that could be replayed. */
  const bool direct = n_in && in[0] == current->in.at[0];
  const bool fine = !PyErr_Occurred() && (f->inputs == Py_None || tree_flatten(f->inputs, false, &originals)) &&
                    call_traced(f, in, n_in, &originals, &out) && (direct || check_uncaptured(&out));
  const int number = fine && !direct ? remember(f, current->made) : 0;
  if (fine && (direct || number)) {
    for (int i = 0; i < out.count; i++) pons_results_add(results, out.at[i]);
    pons_results_set_tag(results, number);
  } else {
    pons_results_add(results, failed_in_python("compile"));
  }
  leaves_end(&originals);
  leaves_end(&out);
  gil_give_back(released);
}

/* ---- forms ---- */

static void form_free(void *it) {
  form *f = it;
  for (int i = 0; i < f->n_kinds; i++) Py_DECREF(f->kinds[i].structure);
  Py_XDECREF(f->args);
  Py_XDECREF(f->keywords);
  free(f->kinds);
  free(f);
}

static void form_end(void *payload) { held_end(((form *)payload)->self); }

static bool is_constant(void *context, PyObject *leaf) {
  (void)context;
  if (unwrap(leaf) || leaf == Py_None || PyUnicode_Check(leaf) || PyLong_Check(leaf) || PyFloat_Check(leaf)) return true;
  PyObject *name = type_name(leaf);
  if (name)
    PyErr_Format(PyExc_ValueError, "compile: function arguments must be trees of arrays or constants (floats, ints, "
                                   "strings, or None), but received type %U", name);
  Py_XDECREF(name);
  return false;
}

static form *form_new(transformed *self, PyObject *args, PyObject *keywords, leaves *in) {
  const compiled *c = self->data;
  if (!tree_visit(args, is_constant, NULL) || !tree_visit(keywords, is_constant, NULL)) return NULL;
  form *f = calloc(1, sizeof *f);
  if (!f) return (form *)PyErr_NoMemory();
  f->fun = self->fun;
  f->inputs = c->inputs;
  f->outputs = c->outputs;
  f->args = tree_structure(args, false, in);
  f->keywords = f->args ? tree_structure(keywords, false, in) : NULL;
  f->n_args = in->count;
  f->self = f->keywords ? held_new(form_free, f) : NULL;
  if (!f->self) {
    form_free(f);
    return NULL;
  }
  pons_function traced = pons_function_new_open(form_callback, f, form_end);
  if (!traced) return (form *)raise_error();
  pons_function function = pons_compile(traced, .shapeless = c->shapeless);
  if (function) f->function = function;
  pons_function_release(traced);
  return function ? f : (form *)raise_error();
}

static bool fits(const form *f, PyObject *args, PyObject *keywords, leaves *in) {
  if (structure_fits(f->args, args, in) && structure_fits(f->keywords, keywords, in)) return true;
  leaves_end(in);
  return false;
}

/* Ends the forms after the first ones. */
static void forget_oldest(compiled *c, int keep) {
  form **at = &c->forms;
  for (; *at && keep > 0; keep--) at = &(*at)->next;
  for (form *f = *at, *next; f; f = next) {
    next = f->next;
    pons_function_release(f->function);
  }
  *at = NULL;
}

/* The form that fits, which becomes the first, with its arrays in `in`. */
static form *form_for(transformed *self, PyObject *args, PyObject *keywords, leaves *in) {
  compiled *c = self->data;
  form **at = &c->forms;
  while (*at && !fits(*at, args, keywords, in)) {
    if (PyErr_Occurred()) return NULL;
    at = &(*at)->next;
  }
  form *f = *at;
  if (f) *at = f->next;
  else f = form_new(self, args, keywords, in);
  if (!f) return NULL;
  f->next = c->forms;
  c->forms = f;
  if (!f->next || !f->n_kinds) forget_oldest(c, MAX_FORMS);
  return f;
}

/* ---- a call ---- */

static PyObject *give(const form *f, const one_call *call, const pons_array *out, int count, int64_t number) {
  const returned r = call->made.structure ? call->made : number > 0 ? f->kinds[number - 1] : (returned){NULL, 0};
  if (!r.structure || r.count > count) {
    PyErr_SetString(PyExc_RuntimeError, "compile: the results of the function are not those of its trace");
    return NULL;
  }
  Py_INCREF(r.structure);
  supply values = {out, r.count, 0};
  PyObject *result =
      fill_captured(f->outputs, out + r.count, count - r.count) ? structure_fill(r.structure, &values) : NULL;
  Py_DECREF(r.structure);
  return result;
}

static PyObject *call_form(form *f, one_call *call) {
  if (f->inputs != Py_None && !tree_flatten(f->inputs, false, &call->in)) return NULL;
  pons_array *out = NULL;
  int64_t number = 0;
  pons_function function = pons_function_keep(f->function); /* another thread may make the form forgotten */
  gil_release();
  const int count = pons_call_open(function, call->in.at, call->in.count, &out, &number);
  gil_take();
  PyObject *result = count >= 0 && !PyErr_Occurred() ? give(f, call, out, count, number) : raise_error();
  pons_free(out);
  pons_function_release(function);
  return result;
}

static PyObject *compiled_called(transformed *self, PyObject *args, PyObject *keywords) {
  one_call call = {.outer = current, .made = {NULL, 0}};
  leaves_begin(&call.in);
  form *f = form_for(self, args, keywords, &call.in);
  current = &call;
  PyObject *result = f ? call_form(f, &call) : NULL;
  current = call.outer;
  leaves_end(&call.in);
  Py_XDECREF(call.made.structure);
  return result;
}

/* ---- the object ---- */

static int compiled_traverse(transformed *self, visitproc visit, void *arg) {
  const compiled *c = self->data;
  Py_VISIT(c->inputs);
  Py_VISIT(c->outputs);
  for (form *f = c->forms; f; f = f->next) {
    Py_VISIT(f->args);
    Py_VISIT(f->keywords);
    for (int i = 0; i < f->n_kinds; i++) Py_VISIT(f->kinds[i].structure);
  }
  return 0;
}

static void compiled_clear(transformed *self) {
  compiled *c = self->data;
  forget_oldest(c, 0);
  Py_DECREF(c->inputs);
  Py_DECREF(c->outputs);
  free(c);
}

static const transform compile_transform = {"compile", compiled_called, compiled_traverse, compiled_clear};

FUNCTION(compile,
         "(fun: Callable[P, R], inputs: object | None = None, outputs: object | None = None, shapeless: bool = False) -> "
         "Callable[P, R]",
         "A function that does what fun does, which is called only to be traced: once for each structure, dtypes and shapes "
         "of its arguments, which are trees of arrays and constants. inputs are trees whose arrays fun reads besides its "
         "arguments, outputs those whose arrays it sets. shapeless: shapes may differ from those of the trace.") {
  compiled *c = malloc(sizeof *c);
  if (!c) return PyErr_NoMemory();
  *c = (compiled){.inputs = s[1].kind == SLOT_OBJECT ? s[1].object : Py_None,
                  .outputs = s[2].kind == SLOT_OBJECT ? s[2].object : Py_None,
                  .shapeless = s[3].flag};
  PyObject *f = transformed_new(&compile_transform, s[0].object, c);
  if (!f) {
    free(c);
    return NULL;
  }
  Py_INCREF(c->inputs);
  Py_INCREF(c->outputs);
  return f;
}

FUNCTION(disable_compile, "() -> None", "Compiled functions are called as they are from now on, in the whole process.") {
  (void)s;
  pons_disable_compile();
  return Py_NewRef(Py_None);
}

FUNCTION(enable_compile, "() -> None", "Compiled functions are compiled again.") {
  (void)s;
  pons_enable_compile();
  return Py_NewRef(Py_None);
}

static PyMethodDef rows[] = {ROW(compile), ROW(disable_compile), ROW(enable_compile), END_OF_ROWS};

int add_compile(PyObject *module) { return PyModule_AddFunctions(module, rows); }
