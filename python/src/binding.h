/* binding.h: what the files of this folder share. The module is a thin layer over <pons/pons.h>: arguments are
   converted by the signature that stands in a function's docstring (signature.c, call.c, convert.c), the library
   is called once, its result is wrapped (array.c). CPython's limited API, so that one build serves every Python
   from 3.11 on. */
#ifndef BINDING_H
#define BINDING_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pons/pons.h>

/* ---- arguments as the bodies of functions get them ----------------------------------------------------- */

typedef enum slot_kind {
  SLOT_NONE, /* None, or left out where that is the default */
  SLOT_ARRAY,
  SLOT_ARRAYS,
  SLOT_BOOL,
  SLOT_INT,
  SLOT_FLOAT,
  SLOT_INTS, /* a sequence of integers, or one where the signature allows both */
  SLOT_TEXT,
  SLOT_DTYPE,
  SLOT_STREAM,
  SLOT_OBJECT
} slot_kind;
/* Valid during the call. */
typedef struct slot {
  slot_kind kind;
  bool named; /* passed by name */
  union {
    struct {
      pons_array array; /* scope-owned */
      PyObject *source; /* what it was made of, borrowed; NULL: an array was passed */
    };
    struct {
      int count;
      pons_array *at;
    } arrays;
    bool flag;
    int64_t i;
    double number;
    struct { /* the same integers twice */
      pons_shape shape;
      pons_axes axes;
      bool one; /* an integer was passed, not a sequence */
    } ints;
    const char *text;
    pons_dtype dtype;
    pons_stream stream;
    PyObject *object; /* borrowed; of *args a tuple, of **kwargs a dict */
  };
} slot;
static inline pons_array array_or_null(slot s) { return s.kind == SLOT_ARRAY ? s.array : NULL; }
/* None: no axes given, which is the library's default, as a rule all. */
static inline pons_axes axes_of(slot s) { return s.kind == SLOT_INTS ? s.ints.axes : (pons_axes){0, NULL}; }
static inline pons_shape shape_of(slot s) { return s.kind == SLOT_INTS ? s.ints.shape : PONS_SCALAR; }
static inline int axis_or(slot s, int otherwise) { return s.kind == SLOT_INT ? (int)s.i : otherwise; }
static inline int axis_or_flat(slot s) { return axis_or(s, PONS_FLAT); }
static inline int64_t int_or(slot s, int64_t otherwise) { return s.kind == SLOT_INT ? s.i : otherwise; }
static inline pons_dtype dtype_or(slot s, pons_dtype otherwise) {
  return s.kind == SLOT_DTYPE ? s.dtype : otherwise;
}
static inline pons_optional_dtype optional_dtype(slot s) {
  return s.kind == SLOT_DTYPE ? PONS_AS(s.dtype) : (pons_optional_dtype){false, PONS_BOOL};
}

/* ---- functions of the module --------------------------------------------------------------------------- */

typedef struct signature signature;
/* `doc` begins with the signature, then an empty line, then says what the function does. That text is the docstring
   and the stub, and arguments are converted by it. */
typedef PyObject *function_body(const slot *s);
typedef struct function {
  const char *name, *doc;
  function_body *body; /* gets a slot per parameter, in order; the stream is set already */
  signature *parsed;   /* at the first call */
} function;

/* FUNCTION(sum, "(a: array, /, ...) -> array", "What it does.") { return wrap(pons_sum(s[0].array)); } */
#define FUNCTION(id, text, what) NAMED_FUNCTION(id, #id, text, what)
/* For names that several submodules have. */
#define NAMED_FUNCTION(id, name, text, what)                                                         \
  static PyObject *id##_body(const slot *s);                                                         \
  static const char id##_doc[] = name text "\n\n" what;                                              \
  function id##_function = {name, id##_doc, id##_body, NULL};                                        \
  static PyObject *id##_call(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) { \
    (void)self;                                                                                      \
    return call(&id##_function, NULL, args, n, names);                                               \
  }                                                                                                  \
  static PyObject *id##_body(const slot *s)
/* A row of a PyMethodDef table: a function under a name. */
#define ROW(id) ALIAS(#id, id)
#define ALIAS(name, id) \
  { name, (PyCFunction)(void (*)(void))id##_call, METH_FASTCALL | METH_KEYWORDS, id##_doc }
#define END_OF_ROWS \
  { NULL, NULL, 0, NULL }

/* Converts the arguments, calls the body in a scope of its own, on the stream that is among the arguments. `self`, if
   not NULL, is the first argument: methods are functions of the same name. */
PyObject *call(function *f, PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names);

/* Adds the functions, constants or types of a file to the module; 0, or -1 and an exception. */
int add_array_type(PyObject *module);
int add_array_like(PyObject *module);
int add_device_types(PyObject *module);
int add_dtype_types(PyObject *module);
int add_limits(PyObject *module);
int add_elementwise(PyObject *module);
int add_creation(PyObject *module);
int add_shapes(PyObject *module);
int add_indexing(PyObject *module);
int add_reductions(PyObject *module);
int add_products(PyObject *module);
int add_quantized(PyObject *module);
int add_linalg(PyObject *submodule);
int add_fft(PyObject *submodule);
int add_random(PyObject *submodule);
int add_fast(PyObject *submodule);
int add_memory(PyObject *module);
int add_files(PyObject *module);
int add_standard(PyObject *submodule);
int add_metal(PyObject *submodule);
int add_cuda(PyObject *submodule);
int add_distributed(PyObject *submodule);
int add_kernels(PyObject *submodule);
int add_function_type(PyObject *module);
int add_evaluation(PyObject *module);
int add_gradients(PyObject *module);
int add_vmap(PyObject *module);
int add_compile(PyObject *module);
int add_custom_functions(PyObject *module);
int add_exporting(PyObject *module);

/* ---- signatures (signature.c) -------------------------------------------------------------------------- */

enum accepts { /* what an annotation allows */
               ACCEPTS_NONE = 1,
               ACCEPTS_ARRAY = 2, /* arrays and what becomes one: scalars, buffers */
               ACCEPTS_ARRAYS = 4,
               ACCEPTS_BOOL = 8,
               ACCEPTS_INT = 16,
               ACCEPTS_FLOAT = 32,
               ACCEPTS_INTS = 64,
               ACCEPTS_TEXT = 128,
               ACCEPTS_DTYPE = 256,
               ACCEPTS_STREAM = 512,
               ACCEPTS_OBJECT = 1024
};
typedef struct parameter {
  PyObject *name; /* interned */
  unsigned accepts;
  bool keyword_only, positional_only;
  PyObject *default_object; /* NULL: must be passed */
  char *annotation;         /* as written, for messages */
} parameter;
enum { MAX_PARAMETERS = 24 };
struct signature {
  int count;
  int variadic; /* the index of *name, which takes all positional arguments from there on; or -1 */
  int others;   /* the index of **name, which takes the keyword arguments that are left; or -1 */
  parameter at[MAX_PARAMETERS];
};
/* NULL and an exception if the text is no signature: a mistake in this module. */
signature *signature_parse(const char *name, const char *doc);

/* ---- values ------------------------------------------------------------------------------------------- */

/* Raises what the library's call met (pons_error) and clears it; an exception raised by a callback stays. Returns
   NULL. */
PyObject *raise_error(void);
/* The same for an array that carries an error. */
PyObject *raise_error_of(pons_array a);

/* array.c: a Python object that keeps `a`; NULL and an exception if it carries an error. */
PyObject *wrap(pons_array a);
PyObject *wrap_tuple(const pons_array *arrays, int count);
PyObject *wrap_list(const pons_array *arrays, int count);
PyObject *shape_tuple(pons_shape shape);
/* The array of an array object, borrowed from it; NULL, without an exception, for other objects. */
pons_array unwrap(PyObject *o);
/* Lets an array object stand for another array: x[...] = v, x += 1. */
void rewrap(PyObject *array, pons_array a);
extern PyTypeObject *array_type;
/* eval without the GIL. False and an exception. */
bool evaluate(const pons_array *arrays, int count);

/* call.c: the name of the object's type, for messages. */
PyObject *type_name(PyObject *o);

/* convert.c: what is taken as an array where one is expected: arrays, scalars (weak), objects with __mlx_array__,
   buffers and what has __dlpack__. 1; 0 for another type; -1 and an exception. The result is scope-owned. */
int operand_from_object(PyObject *o, pons_array *out);
/* The same beside an array: integers must fit its dtype (else a ValueError), buffers take it on. */
int operand_beside(PyObject *o, pons_array beside, pons_array *out);
/* The operands of a function of two as MLX has them: what is beside an array is converted beside it, two of which none
   is an array are not weak. False and an exception. */
bool operands_of(const slot *a, const slot *b, pons_array out[2]);
/* sequences.c: what array(o, dtype) makes: also of lists. NULL and an exception. */
pons_array array_from_object(PyObject *o, pons_optional_dtype dtype);
/* values.c: the one element as bool, int, float or complex; evaluates without the GIL. */
PyObject *item_of(pons_array a);

/* dtype.c */
PyObject *dtype_object(pons_dtype dtype); /* new reference */
bool dtype_from_object(PyObject *o, pons_dtype *out);

/* device.c: the library's name of a Device or DeviceType; NULL and an exception. */
const char *device_name(const char *op, PyObject *o);
/* device.c: Stream, ThreadLocalStream, Device, DeviceType; false without an exception for other types, with one for a
   device that is not there. */
bool stream_from_object(PyObject *o, pons_stream *out);
/* For a kernel that only GPUs run: *out is NULL for a GPU that is not there, since it may be traced for others. False and
   an exception for the CPU and for other types. */
bool gpu_stream_from_object(PyObject *o, pons_stream *out);

/* references.c: what the library holds on to for Python, and gives up wherever it likes: on a thread of its own, or under
   its locks, where Python must not run. NULL and an exception; else held_end, a `destroy`, has let_go(what) called
   later. */
typedef struct held held;
held *held_new(void (*let_go)(void *what), void *what);
void held_end(void *h);
/* With the GIL and no lock of the library: lets go of what has ended. */
void release_waiting(void);

/* random.c: the next key of this thread's state (scope-owned), or the one passed. */
pons_array key_or_next(slot key);
/* The key itself, as an array object (borrowed), and another for it; false or NULL and an exception. Is it the object
   random.state, which stands for the key? */
PyObject *random_key_of_thread(void);
bool set_random_key(PyObject *key);
bool is_random_state(PyObject *o);

#endif
