/* random.c: the submodule random. Functions without a key split one from the state of their thread, which is Python's to
   read and to replace: mx.random.state is a list of one key. */
#include "binding.h"
#include <time.h>

/* ---- the state of a thread ---- */

static PyObject *slot_name; /* in the dict that Python keeps per thread */

static PyObject *fresh_key(uint64_t seed) {
  const pons_scope scope = pons_scope_open();
  PyObject *key = wrap(pons_random_key(seed));
  pons_scope_close(scope);
  return key;
}

/* The list of this thread, borrowed. Threads begin with keys of their own. */
static PyObject *thread_state(void) {
  PyObject *locals = PyThreadState_GetDict(),
           *state = locals ? PyDict_GetItemWithError(locals, slot_name) : NULL;
  if (state || PyErr_Occurred()) return state;
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  PyObject *key = fresh_key((uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
  state = key ? PyList_New(1) : NULL;
  if (state)
    PyList_SetItem(state, 0, key);
  else
    Py_XDECREF(key);
  if (state && locals && PyDict_SetItem(locals, slot_name, state) < 0) Py_CLEAR(state);
  Py_XDECREF(state); /* the dict keeps it */
  return state;
}

/* The state becomes the first half of the split key, the other half is used. */
pons_array key_or_next(slot key) {
  if (key.kind == SLOT_ARRAY) return key.array;
  PyObject *state = thread_state(), *current = state ? PyList_GetItem(state, 0) : NULL;
  pons_array now = current ? unwrap(current) : NULL;
  if (!now) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "random: the state must be a list of one key");
    return pons_fail("random", "the state must be a list of one key");
  }
  pons_array halves[2];
  pons_split(pons_random_split(now, 2), 2, 0, halves);
  PyObject *next = wrap(pons_reshape(halves[0], PONS_SHAPE(2)));
  if (!next || PyList_SetItem(state, 0, next) < 0) return pons_fail("random", "the state can't be set");
  return pons_reshape(halves[1], PONS_SHAPE(2));
}

NAMED_FUNCTION(
    random_getattr, "__getattr__", "(name: object, /) -> object",
    "`state`: a list of the key from which functions called without a key split theirs; one per thread.") {
  if (PyUnicode_CompareWithASCIIString(s[0].object, "state") == 0) return Py_XNewRef(thread_state());
  return PyErr_Format(PyExc_AttributeError, "module 'pons.core.random' has no attribute '%U'", s[0].object);
}

NAMED_FUNCTION(random_seed, "seed", "(seed: int) -> None",
               "Sets the key from which this thread's are split.") {
  PyObject *state = thread_state(), *key = state ? fresh_key((uint64_t)s[0].i) : NULL;
  if (!key || PyList_SetItem(state, 0, key) < 0) return NULL;
  return Py_NewRef(Py_None);
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
static PyMethodDef rows[] = {ALIAS("__getattr__", random_getattr),
                             RANDOM_ROW(seed),
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
  return slot_name ? PyModule_AddFunctions(submodule, rows) : -1;
}
