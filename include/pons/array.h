/* array.h: arrays, their dtypes and shapes, who owns them, and errors.

   An array is a reference-counted, immutable node: not yet computed, or a buffer with a view. An array may
   carry an error instead of a value; every op on it carries the error on. An argument is borrowed. A result
   belongs to the innermost scope of its thread; pons_keep makes it yours until pons_release. */
#ifndef PONS_ARRAY_H
#define PONS_ARRAY_H
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PONS_API __attribute__((visibility("default")))
#define PONS_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define PONS_API
#define PONS_PRINTF(text, first)
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pons_node *pons_array;

/* The codes are those of MLX's file format. */
typedef enum pons_dtype {
  PONS_BOOL,
  PONS_UINT8,
  PONS_UINT16,
  PONS_UINT32,
  PONS_UINT64,
  PONS_INT8,
  PONS_INT16,
  PONS_INT32,
  PONS_INT64,
  PONS_FLOAT16,
  PONS_FLOAT32,
  PONS_FLOAT64,
  PONS_BFLOAT16,
  PONS_COMPLEX64,
  PONS_COMPLEX128 /* that of float64; MLX and its files have none */
} pons_dtype;
enum { PONS_DTYPE_COUNT = PONS_COMPLEX128 + 1 };

/* Bytes of one element; 0 for a value that is no dtype. */
PONS_API size_t pons_dtype_size(pons_dtype dtype);
/* "float32", ...; "invalid dtype" for a value that is none. */
PONS_API const char *pons_dtype_name(pons_dtype dtype);
/* The dtype two operands meet in, as MLX has it, but that float64 and complex64 meet in complex128. Not associative. */
PONS_API pons_dtype pons_promote(pons_dtype a, pons_dtype b);
/* The limits of a floating dtype; complex dtypes have those of their parts. Zeros and an error for other dtypes. */
struct pons_finfo {
  pons_dtype dtype; /* of the parts */
  int bits;
  double min, max, eps, smallest_normal; /* eps: 1 + eps is the next number after 1 */
};
PONS_API struct pons_finfo pons_finfo(pons_dtype dtype);
/* The limits of an integer dtype. Zeros and an error for other dtypes. */
struct pons_iinfo {
  pons_dtype dtype;
  int bits;
  int64_t min;
  uint64_t max;
};
PONS_API struct pons_iinfo pons_iinfo(pons_dtype dtype);

#define PONS_PI 3.14159265358979323846
#define PONS_E 2.71828182845904523536
#define PONS_EULER_GAMMA 0.57721566490153286061
#define PONS_INF ((double)INFINITY)
#define PONS_NAN ((double)NAN)
/* The dtype all of them meet in, from left to right; PONS_DTYPE_COUNT and an error for none. */
PONS_API pons_dtype pons_result_type(const pons_dtype *dtypes, int count);
/* Does `from` meet `to` in `to`? */
PONS_API bool pons_can_cast(pons_dtype from, pons_dtype to);
/* Kinds of dtypes; each follows the last of its parts. Their numbers are none of a dtype. */
typedef enum pons_dtype_category {
  PONS_COMPLEXFLOATING = 32,
  PONS_FLOATING,
  PONS_INEXACT, /* the two above */
  PONS_SIGNEDINTEGER,
  PONS_UNSIGNEDINTEGER,
  PONS_INTEGER, /* the two above; bool is none */
  PONS_NUMBER,  /* integers and inexact ones */
  PONS_GENERIC  /* all */
} pons_dtype_category;
/* Is `a` in `b`? Each is a pons_dtype or a pons_dtype_category. */
PONS_API bool pons_issubdtype(int a, int b);
/* Is it of a kind as the Python array API names them: "bool", "signed integer", "unsigned integer",
   "integral", "real floating", "complex floating", "numeric", or a dtype's name? False and an error for
   another. */
PONS_API bool pons_isdtype(pons_dtype dtype, const char *kind);
/* A dtype among options, where zero is left out: .dtype = PONS_AS(PONS_INT8). */
typedef struct pons_optional_dtype {
  bool given;
  pons_dtype dtype;
} pons_optional_dtype;
#define PONS_AS(dtype) ((pons_optional_dtype){true, dtype})

/* Sizes along each axis, outermost first. A shape without axes, (pons_shape){0}, is a scalar's. Borrowed. */
typedef struct pons_shape {
  int count;
  const int64_t *at;
} pons_shape;
#define PONS_SHAPE(...) \
  ((pons_shape){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}})
#define PONS_SCALAR ((pons_shape){0, NULL})

/* A list of axes; negative ones count from the end. Left out ({0, NULL}) means the op's default, as a rule
   all. */
typedef struct pons_axes {
  int count;
  const int *at;
} pons_axes;
#define PONS_AXES(...) ((pons_axes){(int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), (const int[]){__VA_ARGS__}})
/* No axis at all, where leaving them out would mean all. */
#define PONS_NO_AXES ((pons_axes){0, (const int[]){0}})
/* In place of an axis of sorts, scans, argmax, take and the like: the array as if flattened. */
enum { PONS_FLAT = -0x7fffffff };

/* The greatest number of axes an array may have. */
enum { PONS_MAX_NDIM = 32 };

/* ---- making arrays from data --------------------------------------------------------------------------- */

/* A copy of `data`, row-major, prod(shape) elements. */
PONS_API pons_array pons_array_from(const void *data, pons_shape shape, pons_dtype dtype);
/* `data` itself, no copy: it must stay until `destroy(owner)` is called, from whatever thread lets go last.
   `destroy` may be NULL for data that outlives the array. On failure `destroy` is called before this
   returns. */
PONS_API pons_array pons_from_data(void *data, pons_shape shape, pons_dtype dtype,
                                   void (*destroy)(void *owner), void *owner);
/* An array whose elements `read` writes to `to`, row-major, `bytes` in all, when it is first needed: on any
   thread, once as a rule. False: it can't; then it has put the reason into `why`, which has room for `room`
   characters, and evaluation fails with it. It must not call the library. `destroy(payload)` as above. */
typedef bool (*pons_reader)(void *payload, void *to, size_t bytes, char *why, size_t room);
PONS_API pons_array pons_from_reader(pons_shape shape, pons_dtype dtype, pons_reader read, void *payload,
                                     void (*destroy)(void *payload));
/* 0-d arrays. The first three are weak: beside an array of their kind or a higher one they take its dtype. */
PONS_API pons_array pons_float(double value);  /* float32 by itself */
PONS_API pons_array pons_int(int64_t value);   /* int32 by itself, int64 where it doesn't fit */
PONS_API pons_array pons_bool(bool value);
PONS_API pons_array pons_scalar(double value, pons_dtype dtype);
PONS_API pons_array pons_complex(float real, float imag);

/* ---- asking about arrays; nothing here evaluates ------------------------------------------------------- */

PONS_API pons_dtype pons_dtype_of(pons_array a);
PONS_API int pons_ndim(pons_array a);
PONS_API pons_shape pons_shape_of(pons_array a); /* lives as long as `a` */
PONS_API int64_t pons_dim(pons_array a, int axis); /* -1 if there is no such axis */
PONS_API int64_t pons_size(pons_array a);          /* number of elements */
PONS_API size_t pons_nbytes(pons_array a);
PONS_API bool pons_is_evaluated(pons_array a);
/* Could `a` be computed? Not while a function is traced without values, by pons_vmap, pons_compile or
   pons_export, if it depends on what that function is given. */
PONS_API bool pons_has_value(pons_array a);
/* The place of a source that one of the arrays is made from, as far as they remember: what a function is given, and all
   that is made from it, does while the function is traced; what was computed outside of traces does not. -1: none. */
PONS_API int pons_made_from(const pons_array *arrays, int count, const pons_array *sources, int n_sources);

/* ---- ownership ----------------------------------------------------------------------------------------- */

/* Makes `a` the caller's own, until pons_release(a). Returns `a`. */
PONS_API pons_array pons_keep(pons_array a);
PONS_API void pons_release(pons_array a);
/* *slot = value: keeps `value`, releases what was there (NULL is fine on both sides). */
PONS_API void pons_set(pons_array *slot, pons_array value);

typedef struct pons_scope {
  size_t mark;
} pons_scope;
/* Opens a scope on this thread; results made from now on belong to it. */
PONS_API pons_scope pons_scope_open(void);
/* Frees everything made since `scope` was opened, scopes left open inside included. */
PONS_API void pons_scope_close(pons_scope scope);
/* Closes `scope` and hands `a` to the scope outside. Returns `a`. */
PONS_API pons_array pons_scope_return(pons_scope scope, pons_array a);
/* The same for several arrays. */
PONS_API void pons_scope_return_many(pons_scope scope, const pons_array *arrays, int count);
/* Live nodes in the process: arrays not freed. For tests of leaks. */
PONS_API int64_t pons_live_arrays(void);

/* ---- errors -------------------------------------------------------------------------------------------- */

/* What went wrong, roughly; as MLX tells them apart by the type of the exception. */
typedef enum pons_error_kind {
  PONS_ERROR_NONE,
  PONS_ERROR_VALUE, /* operands that don't fit, values that make no sense: all that is none of the others */
  PONS_ERROR_TYPE,  /* something of another type is needed */
  PONS_ERROR_INDEX, /* an index or an axis that isn't there */
  PONS_ERROR_MEMORY,
  PONS_ERROR_OVERFLOW, /* sizes or numbers beyond what can be counted */
  PONS_ERROR_RUNTIME /* files, devices, libraries; and what only the computation can tell: a singular matrix */
} pons_error_kind;

/* Has this thread met no error since pons_clear_error? */
PONS_API bool pons_ok(void);
/* The first error of this thread since pons_clear_error, or NULL: op, what is wrong, values; at times a hint
   line. */
PONS_API const char *pons_error(void);
PONS_API void pons_clear_error(void);
/* Calls `handler` at every new error, on the thread that met it, with its text; NULL takes it away. */
PONS_API void pons_set_error_handler(void (*handler)(const char *text, void *payload), void *payload);
PONS_API pons_error_kind pons_last_error_kind(void); /* of what pons_error() tells */
/* The error `a` carries, or NULL. */
PONS_API const char *pons_error_of(pons_array a);
PONS_API pons_error_kind pons_error_kind_of(pons_array a);
/* A new error, as the library's own ops make them, and an array that carries it: for functions made of ops,
   and callbacks. `op` is put in front of the formatted text. */
PONS_API pons_array pons_fail(const char *op, const char *format, ...) PONS_PRINTF(2, 3);
/* The same of another kind than PONS_ERROR_VALUE. */
PONS_API pons_array pons_fail_as(pons_error_kind kind, const char *op, const char *format, ...)
    PONS_PRINTF(3, 4);

/* ---- reading; evaluates first -------------------------------------------------------------------------- */

/* The elements, row-major, in host memory; lives as long as `a`. NULL and an error if `a` can't be
   computed. */
PONS_API const void *pons_data(pons_array a);
/* Copies pons_nbytes(a) bytes, row-major. */
PONS_API bool pons_copy_out(pons_array a, void *destination);
/* The one element of an array of size 1, converted; 0 and an error otherwise. */
PONS_API double pons_item(pons_array a);
PONS_API int64_t pons_item_int(pons_array a);
/* As MLX prints arrays: `array([[1, 2],\n       [3, 4]], dtype=float32)`. The caller frees with pons_free. */
PONS_API char *pons_to_text(pons_array a);
/* How floats are printed, in the whole process: `precision` digits behind the point, or, below 0 as at the
   start, six significant digits. */
typedef struct pons_printoptions {
  int precision;
} pons_printoptions;
PONS_API void pons_set_printoptions(pons_printoptions options);
PONS_API pons_printoptions pons_get_printoptions(void);
PONS_API void pons_free(void *text);

/* ---- exchange with other libraries in the process ------------------------------------------------------ */

struct DLManagedTensor; /* dlpack.h of DLPack, version 0.8 or older consumers */
/* A DLPack capsule's content that shares memory with `a` (evaluated first). The caller calls its deleter. */
PONS_API struct DLManagedTensor *pons_to_dlpack(pons_array a);
/* An array that shares memory with `tensor`, whose deleter is called when the last array on it is gone. */
PONS_API pons_array pons_from_dlpack(struct DLManagedTensor *tensor);

#ifdef __cplusplus
}
#endif
#endif
