/* functions.h: what transforms of Python functions share: the callable they return, the call of a Python function from
   within the library, and the lock of Python around it. Uses tree.h. */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H
#include "tree.h"

/* ---- callables ---- */

/* What grad, vmap, compile, ... return: an object that is called through its transform, and whose other attributes
   (__name__, __doc__, ...) are those of the function it was made from. */
typedef struct transformed transformed;
typedef struct transform {
  const char *op;
  PyObject *(*call)(transformed *self, PyObject *args, PyObject *keywords); /* keywords: a dict of the call's own */
  int (*traverse)(transformed *self, visitproc visit, void *arg);           /* of data; may be NULL */
  void (*clear)(transformed *self);                                         /* frees data and all it refers to */
} transform;
struct transformed {
  PyObject_HEAD
  const transform *transform;
  PyObject *fun;
  void *data;
};
/* NULL and an exception, if `fun` can't be called. Then data stays the caller's. */
PyObject *transformed_new(const transform *t, PyObject *fun, void *data);
/* Is it callable? False and a TypeError if not. */
bool check_callable(const char *op, PyObject *fun);

/* ---- axes of batches ---- */

/* The axis of each array of a tree, in order. */
typedef struct axis_list {
  int *at, count, room;
  bool results; /* arrays get the axis, they don't have it yet */
  bool tuple;   /* an axis stood in a tuple of its own */
} axis_list;
/* vmap.c: adds the axes of the arrays of a tree, which holds arrays alone, from a tree of axes that is a prefix of it:
   PONS_NOT_MAPPED for None. False and an exception. `at` is to be freed. */
bool axes_of_tree(axis_list *l, PyObject *tree, PyObject *axes);

/* ---- the library's calls back ---- */

/* For the end of a callback that leaves an exception: an array with an error, which every transform passes on until the
   library returns and the exception is seen. */
pons_array failed_in_python(const char *op);
/* The results of a Python function that returns an array or a sequence of arrays. False and an exception. */
bool add_results(const char *op, PyObject *returned, leaves *to);

/* The gradients being taken on this thread: a trace lasts while its function is called. */
typedef struct open_trace {
  const pons_array *in;
  int n_in;
  struct open_trace *outer;
} open_trace;
void trace_open(open_trace *t, const pons_array *in, int n_in);
void trace_close(open_trace *t);
/* Is one of the arrays part of such a trace? */
bool are_traced(const pons_array *arrays, int count);

/* Lets other Python threads go on while the library works. */
void gil_release(void);
/* Takes the lock again; false if it was not released. A callback begins with released = gil_take() and ends with
   gil_give_back(released), for it may be called either way. */
bool gil_take(void);
static inline void gil_give_back(bool released) {
  if (released) gil_release();
}

#endif
