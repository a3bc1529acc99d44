/* evaluate.c: eval and async_eval of trees, depends. Uses tree.c, functions.c. */
#include "functions.h"
#include <stdlib.h>

/* A gradient's function may compute what it branches on, but not go on before it is computed: that is MLX's rule. */
static bool may_go_on(const leaves *l) {
  if (!are_traced(l->at, l->count)) return true;
  PyErr_SetString(PyExc_ValueError,
                  "async_eval: not allowed for arrays whose gradient is being taken\n"
                  "hint: use eval, or evaluate after the gradient");
  return false;
}

static PyObject *evaluate_all(PyObject *const *args, Py_ssize_t n, bool (*with)(const pons_array *, int)) {
  leaves l;
  leaves_begin(&l);
  bool fine = true;
  for (Py_ssize_t i = 0; fine && i < n; i++) fine = tree_flatten(args[i], false, &l);
  if (fine && with == pons_async_eval_many) fine = may_go_on(&l);
  if (fine && l.count) {
    gil_release();
    const bool computed = with(l.at, l.count);
    gil_take();
    fine = computed || raise_error();
  }
  leaves_end(&l);
  release_waiting();
  return fine ? Py_NewRef(Py_None) : NULL;
}

static PyObject *eval_call(PyObject *self, PyObject *const *args, Py_ssize_t n) {
  (void)self;
  return evaluate_all(args, n, pons_eval_many);
}

static PyObject *async_eval_call(PyObject *self, PyObject *const *args, Py_ssize_t n) {
  (void)self;
  return evaluate_all(args, n, pons_async_eval_many);
}

static PyObject *buffer_size_call(PyObject *self, PyObject *const *args, Py_ssize_t n) {
  (void)self;
  leaves l;
  leaves_begin(&l);
  bool fine = true;
  for (Py_ssize_t i = 0; fine && i < n; i++) fine = tree_flatten(args[i], false, &l);
  const size_t bytes = fine ? pons_get_array_buffer_size(l.at, l.count) : 0;
  fine = fine && (pons_ok() || raise_error());
  leaves_end(&l);
  return fine ? PyLong_FromSize_t(bytes) : NULL;
}

/* The arrays of a slot that takes one or several. */
static const pons_array *arrays_of(const slot *s, int *count) {
  const bool one = s->kind == SLOT_ARRAY;
  *count = one ? 1 : s->arrays.count;
  return one ? &s->array : s->arrays.at;
}

FUNCTION(depends, "(inputs: array | Sequence[array], dependencies: array | Sequence[array])",
         "The inputs, an array or a list, which are computed only after the dependencies.") {
  int n, n_after;
  const pons_array *in = arrays_of(&s[0], &n), *after = arrays_of(&s[1], &n_after);
  if (n == 0) return PyList_New(0);
  pons_array *out = malloc((size_t)n * sizeof *out);
  if (!out) return PyErr_NoMemory();
  pons_depends(in, n, after, n_after, out);
  PyObject *result = s[0].kind == SLOT_ARRAY ? wrap(out[0]) : wrap_list(out, n);
  free(out);
  return result;
}

#define EVALUATED \
  "Arguments are arrays or trees of arrays: lists, tuples and dicts. Leaves that are no arrays are ignored."
static PyMethodDef rows[] = {
    {"eval", (PyCFunction)(void (*)(void))eval_call, METH_FASTCALL,
     "eval(*args) -> None\n\nComputes arrays. " EVALUATED},
    {"async_eval", (PyCFunction)(void (*)(void))async_eval_call, METH_FASTCALL,
     "async_eval(*args)\n\nStarts to compute arrays, and returns. " EVALUATED},
    {"get_array_buffer_size", (PyCFunction)(void (*)(void))buffer_size_call, METH_FASTCALL,
     "get_array_buffer_size(*args) -> int\n\nBytes of the buffers that evaluated arrays lie in, each buffer "
     "once, whole "
     "blocks of the allocator. " EVALUATED},
    ROW(depends),
    END_OF_ROWS};

int add_evaluation(PyObject *module) { return PyModule_AddFunctions(module, rows); }
