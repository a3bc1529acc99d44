/* random.c: the submodule random. Functions without a key split one from that of their thread. mx.random.state stands for the
   key of whichever thread looks: trees that hold it hold the key (tree.c). */
#include "binding.h"
#include <time.h>

/* ---- the key of a thread ---- */

static PyObject *slot_name; /* in the dict that Python keeps per thread */

static PyObject *fresh_key(uint64_t seed) {
  const pons_scope scope = pons_scope_open();
  PyObject *key = wrap(pons_random_key(seed));
  pons_scope_close(scope);
  return key;
}

bool set_random_key(PyObject *key) {
  PyObject *locals = PyThreadState_GetDict();
  if (!locals) PyErr_SetString(PyExc_RuntimeError, "random: this thread has no state");
  return locals && PyDict_SetItem(locals, slot_name, key) == 0;
}

/* Threads begin with keys of their own. */
PyObject *random_key_of_thread(void) {
  PyObject *locals = PyThreadState_GetDict(), *key = locals ? PyDict_GetItemWithError(locals, slot_name) : NULL;
  if (key || PyErr_Occurred()) return key;
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  key = fresh_key((uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
  const bool fine = key && set_random_key(key);
  Py_XDECREF(key); /* the dict keeps it */
  return fine ? key : NULL;
}

/* The key becomes the first half of the split one, the other half is used. */
pons_array key_or_next(slot key) {
  if (key.kind == SLOT_ARRAY) return key.array;
  PyObject *current = random_key_of_thread();
  if (!current) return pons_fail("random", "this thread has no key");
  pons_array halves[2];
  pons_split(pons_random_split(unwrap(current), 2), 2, 0, halves);
  PyObject *next = wrap(pons_reshape(halves[0], PONS_SHAPE(2)));
  const bool fine = next && set_random_key(next);
  Py_XDECREF(next);
  return fine ? pons_reshape(halves[1], PONS_SHAPE(2)) : pons_fail("random", "the key can't be set");
}

NAMED_FUNCTION(random_seed, "seed", "(seed: int) -> None",
               "Sets the key from which this thread's are split.") {
  PyObject *key = fresh_key((uint64_t)s[0].i);
  const bool fine = key && set_random_key(key);
  Py_XDECREF(key);
  return fine ? Py_NewRef(Py_None) : NULL;
}

/* ---- the object `state` ---- */

static PyObject *state;
bool is_random_state(PyObject *o) { return o == state; }

static Py_ssize_t state_length(PyObject *self) {
  (void)self;
  return 1;
}

static PyObject *state_item(PyObject *self, Py_ssize_t i) {
  (void)self;
  if (i == 0) return Py_XNewRef(random_key_of_thread());
  PyErr_SetString(PyExc_IndexError, "random state index out of range");
  return NULL;
}

static PyType_Slot state_slots[] = {
    {Py_tp_doc, "The key from which functions called without one split theirs: a sequence of it, one per thread."},
    {Py_sq_length, state_length},
    {Py_sq_item, state_item},
    {0, NULL}};

static int add_state(PyObject *submodule) {
  PyType_Spec spec = {"pons.core.random._RandomState", sizeof(PyObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, state_slots};
  PyObject *type = PyType_FromModuleAndSpec(submodule, &spec, NULL);
  state = type ? PyType_GenericAlloc((PyTypeObject *)type, 0) : NULL;
  if (!state || PyModule_AddObjectRef(submodule, "_RandomState", type) < 0) return -1;
  return PyModule_AddObjectRef(submodule, "state", state);
}

/* ---- keys ---- */

NAMED_FUNCTION(random_key, "key", "(seed: int) -> array", "A key, (2) uint32.") {
  return wrap(pons_random_key((uint64_t)s[0].i));
}

NAMED_FUNCTION(random_split, "split", "(key: array, num: int = 2, stream: StreamOrDevice = None) -> array",
               "`num` keys, (num, 2) uint32.") {
  return wrap(pons_random_split(s[0].array, (int)s[1].i));
}

/* ---- numbers ---- */

NAMED_FUNCTION(
    random_uniform, "uniform",
    "(low: scalar | array = 0, high: scalar | array = 1, shape: Sequence[int] = [], dtype: Dtype | None = "
    "float32, key: array | None = None, stream: StreamOrDevice = None) -> array",
    "Evenly from low to below high, which broadcast to the shape.") {
  return wrap(pons_random_uniform(s[0].array, s[1].array, s[2].ints.shape, dtype_or(s[3], PONS_FLOAT32),
                                  key_or_next(s[4])));
}

NAMED_FUNCTION(
    random_normal, "normal",
    "(shape: Sequence[int] = [], dtype: Dtype | None = float32, loc: scalar | array | None = None, scale: "
    "scalar | array | None = None, key: array | None = None, stream: StreamOrDevice = None) -> array",
    "Normal numbers, times scale, plus loc.") {
  return wrap(pons_random_normal(s[0].ints.shape, dtype_or(s[1], PONS_FLOAT32), array_or_null(s[2]),
                                 array_or_null(s[3]), key_or_next(s[4])));
}

NAMED_FUNCTION(
    random_multivariate_normal, "multivariate_normal",
    "(mean: array, cov: array, shape: Sequence[int] = [], dtype: Dtype | None = float32, key: array | None = "
    "None, stream: StreamOrDevice = None) -> array",
    "Normal vectors with these means and covariances.") {
  return wrap(pons_random_multivariate_normal(s[0].array, s[1].array, s[2].ints.shape,
                                              dtype_or(s[3], PONS_FLOAT32), key_or_next(s[4])));
}

NAMED_FUNCTION(random_randint, "randint",
               "(low: scalar | array, high: scalar | array, shape: Sequence[int] = [], dtype: Dtype | None = "
               "int32, key: "
               "array | None = None, stream: StreamOrDevice = None) -> array",
               "Whole numbers from low to below high, which broadcast to the shape.") {
  return wrap(pons_random_randint(s[0].array, s[1].array, s[2].ints.shape, dtype_or(s[3], PONS_INT32),
                                  key_or_next(s[4])));
}

NAMED_FUNCTION(
    random_bernoulli, "bernoulli",
    "(p: scalar | array = 0.5, shape: Sequence[int] | None = None, key: array | None = None, stream: "
    "StreamOrDevice = None) -> array",
    "True with probability p.") {
  const pons_shape shape = s[1].kind == SLOT_INTS ? s[1].ints.shape : pons_shape_of(s[0].array);
  return wrap(pons_random_bernoulli(s[0].array, shape, key_or_next(s[2])));
}

NAMED_FUNCTION(random_truncated_normal, "truncated_normal",
               "(lower: scalar | array, upper: scalar | array, shape: Sequence[int] | None = None, dtype: "
               "Dtype | None = "
               "float32, key: array | None = None, stream: StreamOrDevice = None) -> array",
               "A normal number given that it is from lower to upper.") {
  return wrap(pons_random_truncated_normal(s[0].array, s[1].array, shape_of(s[2]),
                                           dtype_or(s[3], PONS_FLOAT32), key_or_next(s[4])));
}

NAMED_FUNCTION(random_gumbel, "gumbel",
               "(shape: Sequence[int] = [], dtype: Dtype | None = float32, key: array | None = None, stream: "
               "StreamOrDevice = None) -> array",
               "Numbers of the standard Gumbel distribution.") {
  return wrap(pons_random_gumbel(s[0].ints.shape, dtype_or(s[1], PONS_FLOAT32), key_or_next(s[2])));
}

NAMED_FUNCTION(
    random_laplace, "laplace",
    "(shape: Sequence[int] = [], dtype: Dtype | None = float32, loc: float = 0.0, scale: float = 1.0, key: "
    "array | None = None, stream: StreamOrDevice = None) -> array",
    "Numbers of a Laplace distribution.") {
  return wrap(pons_random_laplace(s[0].ints.shape, dtype_or(s[1], PONS_FLOAT32), s[2].number, s[3].number,
                                  key_or_next(s[4])));
}

NAMED_FUNCTION(random_categorical, "categorical",
               "(logits: array, axis: int = -1, shape: Sequence[int] | None = None, num_samples: int | None "
               "= None, key: "
               "array | None = None, stream: StreamOrDevice = None) -> array",
               "Indices along the axis with probability softmax(logits): one per row, `num_samples` per row, "
               "or `shape`.") {
  if (s[2].kind != SLOT_NONE && s[3].kind != SLOT_NONE) {
    PyErr_SetString(PyExc_ValueError,
                    "random.categorical: at most one of shape and num_samples may be given");
    return NULL;
  }
  if (s[3].kind == SLOT_INT && s[3].i == 0) { /* which in C is left out: no index for each row */
    pons_array rows = pons_random_categorical(s[0].array, (int)s[1].i, key_or_next(s[4]));
    return wrap(pons_repeat(pons_expand_dims(rows, PONS_AXES(-1)), 0, -1));
  }
  return wrap(pons_random_categorical(s[0].array, (int)s[1].i, key_or_next(s[4]),
                                      .num_samples = int_or(s[3], 0), .shape = shape_of(s[2])));
}

NAMED_FUNCTION(
    random_permutation, "permutation",
    "(x: int | array, axis: int = 0, key: array | None = None, stream: StreamOrDevice = None) -> array",
    "0 .. x-1, or the slices of x along the axis, in random order.") {
  if (s[0].kind == SLOT_INT) return wrap(pons_random_permutation(s[0].i, key_or_next(s[2])));
  return wrap(pons_random_permutation_of(s[0].array, (int)s[1].i, key_or_next(s[2])));
}

#define RANDOM_ROW(id) ALIAS(#id, random_##id)
static PyMethodDef rows[] = {RANDOM_ROW(seed),
                             RANDOM_ROW(key),
                             RANDOM_ROW(split),
                             RANDOM_ROW(uniform),
                             RANDOM_ROW(normal),
                             RANDOM_ROW(multivariate_normal),
                             RANDOM_ROW(randint),
                             RANDOM_ROW(bernoulli),
                             RANDOM_ROW(truncated_normal),
                             RANDOM_ROW(gumbel),
                             RANDOM_ROW(laplace),
                             RANDOM_ROW(categorical),
                             RANDOM_ROW(permutation),
                             END_OF_ROWS};

int add_random(PyObject *submodule) {
  slot_name = PyUnicode_InternFromString("pons.core.random.state");
  return slot_name && add_state(submodule) == 0 ? PyModule_AddFunctions(submodule, rows) : -1;
}
