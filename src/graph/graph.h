/* graph.h: the door of graph/: nodes, primitives, scopes, walks, functions.

   A node is an array: a primitive with inputs and parameters (pending), or a buffer with a view (ready), or
   an error (failed). What a node depends on never changes, so any thread may build on it; its state changes
   under graph_lock only. Uses base/, kernel/ (rows), device/ (buffers, streams, events). */
#ifndef GRAPH_H
#define GRAPH_H
#include "device/device.h"
#include <pons/transforms.h>

typedef struct prim prim;
typedef struct pons_node node;

/* ---- parameters: a struct per primitive, described by fields, from which printing, hashing, comparing,
   copying, saving and loading are derived. Vectors are deep-copied into the node. ---- */

typedef enum field_type { /* how .mlxfn stores it */
  FIELD_INT,     /* int: i32 */
  FIELD_BOOL,    /* bool: 1 byte */
  FIELD_ENUM,    /* int: i32, 0 .. limit-1 */
  FIELD_FLOAT,   /* float */
  FIELD_DOUBLE,  /* double */
  FIELD_DTYPE,   /* pons_dtype: i32 code, u8 size */
  FIELD_INT64,   /* int64_t: u64 */
  FIELD_INTS,    /* ints: vec<i32> (sizes beyond 32 bits are refused on writing) */
  FIELD_STRIDES, /* ints: vec<i64> */
  FIELD_AXES64,  /* ints: vec<u64> */
  FIELD_TUPLE,   /* ints: i32 each, without a count */
  FIELD_FLAGS,   /* ints, 0 or 1: vec of three bools each */
  FIELD_SCALARS, /* ints, pairs of scalar_kind and the number's bits: vec of i32 and i32, f32 or bool */
  FIELD_TEXT,    /* chars: u64 length, bytes */
  FIELD_OPTIONAL, /* optional_float: bool, f32 if it is true */
  FIELD_RESULTS, /* ints, dtype, number of axes and sizes of each result; never stored: readers know them */
  FIELD_FUNCTION /* pons_function, counted by the node; never stored */
} field_type;
typedef enum scalar_kind { SCALAR_INT, SCALAR_FLOAT, SCALAR_BOOL, SCALAR_KINDS } scalar_kind;
/* Is the member an `ints`? */
static inline bool field_is_list(field_type type) {
  return (type >= FIELD_INTS && type <= FIELD_SCALARS) || type == FIELD_RESULTS;
}
typedef struct field {
  const char *name;
  field_type type;
  size_t offset;
  int limit;
  bool unstored; /* part of the parameters, but not of the file: readers set it (a dtype: the result's; Depends' count: how many
                    results) */
} field;
#define FIELD(TYPE, params, member) {#member, FIELD_##TYPE, offsetof(params, member), 0, false}
#define FIELD_OF(params, member, count) {#member, FIELD_ENUM, offsetof(params, member), count, false}
#define FIELD_UNSTORED(TYPE, params, member) {#member, FIELD_##TYPE, offsetof(params, member), 0, true}

/* ---- primitives ---- */

typedef struct spec { /* dtype and shape of a result */
  pons_dtype dtype;
  shape shape;
} spec;

/* fill grads[i] where wanted[i]; leaving NULL means zero. In the public ops, like user code. */
typedef struct vjp_call {
  const void *params;
  int n_in, n_out;
  const pons_array *in, *out, *cotangents; /* cotangents: n_out, never NULL */
  const bool *met; /* which results have a cotangent; those of the others are zeros */
  const bool *wanted;
  pons_array *grads;
  bool *undecided; /* set, it means: as if there were no rule, through decompose */
} vjp_call;
typedef struct jvp_call { /* fill out_tangents; tangents[i] is NULL where it is zero. */
  const void *params;
  int n_in, n_out;
  const pons_array *in, *tangents, *out;
  pons_array *out_tangents;
} jvp_call;
typedef struct vmap_call { /* in[i] has the batch along axes[i], or axes[i] = -1: the same for all. Fill out and out_axes;
                             leaving out[0] NULL means: as if there were no rule. */
  const prim *prim;
  const void *params;
  int64_t size; /* of the batch */
  int n_in, n_out;
  const pons_array *in;
  const int *axes;
  pons_array *out;
  int *out_axes;
} vmap_call;

/* What an update may differ in from what it updates: elements of the row-major result, up to but without `to`. */
typedef struct updated {
  int64_t from, to;
  bool over; /* each of them is written, and none read before */
} updated;

typedef struct view { /* offset and strides in elements, into some buffer; shape stands elsewhere */
  int64_t offset;
  int64_t strides[PONS_MAX_NDIM];
} view;

enum { PRIM_MAX_FIELDS = 14, PRIM_MAX_INPUTS = 1 << 20 };
struct prim {
  const char *name; /* as .mlxfn has it, where it has it; unique among records */
  int row;          /* elementwise: 1 + its row; else 0 */
  bool linear;      /* in all its inputs together: the jvp is the op on the tangents */
  bool no_gradient; /* integers, bits, comparisons: gradients are zero */
  bool opaque;      /* never merged with an equal one */
  /* Runs behind what is `ordered` and was made before, in one eval: other processes must make their calls in the same order. Its parameters
     begin with an int64_t, its place in that order, which is set when the node is made. Never computed ahead, however constant. */
  bool ordered;
  /* Of an ordered one: it failed before the others could be told. */
  void (*missed)(const void *params, error *why);
  bool waits;       /* a view that has its further inputs computed, too; those of others lend their shapes alone */
  bool updates;     /* the result is in[0] but for some elements: a backend may be given one memory for both */
  updated (*updated)(const void *params, const operand *in, const operand *out); /* in which elements; left out: in any */
  size_t params_size;
  field fields[PRIM_MAX_FIELDS]; /* ended by name NULL */
  /* Number of results; NULL: 1. */
  int (*outputs)(const void *params, int n_in);
  /* dtypes and shapes of the results from the inputs; returns NULL (and only then) if fine. An error is made
     with fail(). Left out for rows: the dtype follows from the row, the shape is that of the inputs. */
  error *(*infer)(const void *params, int n_in, const pons_array *in, spec *out);
  /* A view of in[0]: fill `out` so that the result (of shape `s`) is read from in[0]'s memory; false: its
     elements must be copied to row-major order first (then it is asked again, with such a view). */
  bool (*view)(const void *params, const node *in, const view *in_view, const shape *s, view *out);
  void (*vjp)(const vjp_call *c); /* NULL: through decompose; else no gradient passes */
  void (*jvp)(const jvp_call *c); /* NULL: by linear, by row, or the transpose of vjp */
  void (*vmap)(const vmap_call *c); /* NULL: elementwise by row, else a loop over slices and a stack */
  /* The definition in simpler ops: for devices without an implementation, and for transforms without a
     rule. */
  void (*decompose)(const void *params, int n_in, const pons_array *in, pons_array *out);
  /* Whether it was asked for as one step: a device that has none is an error then. Transforms take it apart
     all the same. NULL: never. */
  bool (*whole)(const void *params);
  /* The error for a device that has neither an implementation nor a decomposition; NULL: the usual one. */
  error *(*no_device)(const void *params, const char *device);
};
/* Defined in ops/ops.c, ended by NULL: the only place that knows every primitive, elementwise rows
   included. */
extern const prim *const pons_prims[];
/* From fields: */
bool params_equal(const prim *p, const void *a, const void *b);
uint64_t params_hash(const prim *p, const void *params);
void params_print(text *t, const prim *p, const void *params); /* "axes=[0, 1], kind=2" */
const field *prim_field(const prim *p, const char *name);
/* Parameters with the lists and texts in them, as one block of memory: its size, and the copy at `at` (aligned
   as from mem_alloc). Functions among them are not counted here. */
size_t params_bytes(const prim *p, const void *params);
void params_copy(const prim *p, const void *params, char *at);

/* Records that graph/ itself needs. */
extern const prim prim_input;  /* a placeholder: no value; evaluating it is an error */
extern const prim prim_output; /* one result of a primitive with several: params {int index} */
extern const prim prim_alias;  /* "Copy": the same value; transforms put one before each primal */

/* ---- nodes ---- */

typedef enum node_state { NODE_PENDING, NODE_SCHEDULED, NODE_READY, NODE_FAILED } node_state;

struct pons_node { /* first what walks look at, so that it is one line of the cache or two */
  /* Low half: all of them: users, scopes, nodes built on this one, plans under way. Upper half: those of scopes among them.
     One number, so that a scope takes one step to let go of what it owns. */
  _Atomic uint64_t refs;
  uint64_t mark; /* graph_lock: scratch of walks: epoch << 32 | index */
  _Atomic uint8_t state; /* node_state; read with node_state_of */
  uint8_t dtype;
  uint8_t ndim;
  uint8_t units; /* node_memory.c: its size */
  bool weak;     /* a C scalar: gives way in promotion */
  /* depends on a placeholder or a primal of a trace: keeps its inputs when computed while a trace is open */
  bool traced;
  const prim *prim; /* NULL for constants */
  int n_in, n_out; /* n_out > 1: a node with several results; users see its prim_output nodes */
  node **in;       /* NULL once let go */
  stream *stream;
  const void *params;
  const int64_t *shape; /* ndim; behind it the strides */
  int64_t size;         /* number of elements */
  union {               /* by n_out */
    int64_t offset;     /* 1, ready: in elements */
    const spec *specs;  /* more: of each result */
  };
  union {             /* by state; else NULL */
    event *done;      /* scheduled: set when `state` will have changed */
    error *error;     /* failed */
    buffer *buffer;   /* ready */
    buffer **results; /* ready, n_out > 1: row-major, one per result */
  };
};
/* Of a ready node: ndim, in elements. */
static inline int64_t *node_strides(const node *a) { return (int64_t *)a->shape + a->ndim; }
static inline node_state node_state_of(const node *a) {
  return (node_state)atomic_load_explicit(&((node *)a)->state, memory_order_acquire);
}
static inline uint32_t node_refs(const node *a) { return (uint32_t)atomic_load(&((node *)a)->refs); }
/* References of all but scopes. */
static inline uint32_t node_holders(const node *a) {
  const uint64_t refs = atomic_load(&((node *)a)->refs);
  return (uint32_t)refs - (uint32_t)(refs >> 32);
}
static inline bool node_failed(const node *a) { return node_state_of(a) == NODE_FAILED; }
static inline shape node_shape(const node *a) {
  shape s;
  s.n = a->ndim;
  for (int i = 0; i < s.n; i++) s.dims[i] = a->shape[i];
  return s;
}

/* Constructors. Results belong to the innermost scope. An input that carries an error is returned instead.
   NULL input: an error. */
pons_array node_make(const prim *p, const void *params, int n_in, const pons_array *in); /* asks p->infer */
pons_array node_make_as(const prim *p, const void *params, int n_in, const pons_array *in, pons_dtype dtype,
                        int ndim,
                        const int64_t *dims); /* result known: infer is not asked */
/* Several results (p->outputs of them) into out. */
void node_make_many(const prim *p, const void *params, int n_in, const pons_array *in, pons_array *out,
                    int n_out);
int64_t node_ordered_latest(void); /* the place of the latest node of an `ordered` primitive; 0: there was none */
/* The two halves of it: the node that has all results, and the array for one of them. Users never see the
   first. */
pons_array node_make_tuple(const prim *p, const void *params, int n_in, const pons_array *in);
pons_array node_output(pons_array tuple, int index);
typedef struct output_params { int index; } output_params; /* of prim_output */
/* A ready array on `b` (takes the caller's reference; also when it fails). strides NULL: row-major. */
pons_array node_constant(buffer *b, pons_dtype dtype, int ndim, const int64_t *dims, const int64_t *strides,
                         int64_t offset);
pons_array node_placeholder(pons_dtype dtype, int ndim, const int64_t *dims);
pons_array node_error(error *e); /* takes the caller's reference */
/* node_error(fail(...)) */
#define node_fail(...) node_error(fail(__VA_ARGS__))
#define node_fail_as(...) node_error(fail_as(__VA_ARGS__))
/* "(2, 3) float32" in one of a few per-thread buffers: for messages. */
const char *node_text(const node *a);
/* State changes; the caller holds graph_lock. node_schedule: pending to scheduled, takes a reference to
   `done`; history (in, n_in) is let go at once unless keep_history, so that from then on no walk comes past
   this node. node_publish takes over the reference to `b`. History is let go unless keep_history. */
void node_schedule(node *a, event *done, bool keep_history);
void node_publish(node *a, buffer *b, int64_t offset, const int64_t *strides, bool keep_history);
/* takes over results, an array from mem_alloc, and what is in it */
void node_publish_many(node *a, buffer **results, bool keep_history);
void node_publish_error(node *a, error *e);
/* lets the history go that was kept for a trace, if the node is past being pending */
void node_forget(node *a);
/* Of the first element of a ready node, in bytes. */
static inline int64_t node_offset(const node *a) {
  return a->offset * (int64_t)pons_dtype_size((pons_dtype)a->dtype);
}
/* Elements of a ready node, in host memory; of its buffer no others need to be there. NULL and an error if they can't be brought there. */
void *node_fetch(const node *a);
static inline void *node_data(const node *a) {
  const char *data = buffer_at_hand(a->buffer);
  return data ? (char *)data + node_offset(a) : node_fetch(a);
}
/* Which bytes of its buffer they are. */
static inline byte_range node_bytes(const node *a) {
  return byte_range_of(node_offset(a), a->ndim, a->shape, node_strides(a), pons_dtype_size((pons_dtype)a->dtype));
}

/* ---- the lock under which states change and graphs are read; recursive ---- */
void graph_lock(void);
void graph_unlock(void);

/* ---- traces (trace.c): between these, nodes that depend on a tracer keep their history when computed --- */
void trace_begin(void);
void trace_end(void);
bool trace_is_open(void); /* by any thread */
/* Is this thread tracing a function whose inputs' sizes may differ at a call? What follows from sizes is a
   node then. */
void trace_set_shapeless(bool on);
bool trace_is_shapeless(void);
/* Is this thread calling a function whose gradients will be wanted? Then what the way back needs is kept by nodes that are traced.
   Gives what was before. */
bool trace_set_wanted_back(bool on);
bool trace_is_wanted_back(void);

/* ---- walks (walk.c) ---- */

/* A number no mark has as its upper half yet; under graph_lock. All who use `mark` take their epochs here. */
uint64_t walk_epoch(void);

/* The nodes of `ordered` primitives that the roots are made of, in their order, in memory that the caller frees. `operands` tells of how many
   inputs to go on; -1: the node does not count. Under graph_lock; -1: no memory. */
int64_t walk_find_ordered(node *const *roots, int n_roots, int (*operands)(const void *context, const node *), const void *context,
                          node ***found);
/* What the roots are made of, those that are `ordered` first, operands before users, each node once: a snapshot that holds references. Ready
   and failed nodes are leaves: in the tape, with n_in = 0 (unless they are traced and still have their
   history). */
typedef struct tape_item {
  node *node;
  int n_in;
  node **in;
} tape_item;
typedef struct tape {
  tape_item *at;
  int64_t count;
  map index; /* node to position */
} tape;
/* `stop` (may be NULL) are leaves whatever they are made of. False: no memory. */
bool tape_walk(tape *t, node *const *roots, int n_roots, node *const *stop, int n_stop);
void tape_free(tape *t);
/* The graph as text, a line per node: "v2 float32 (2, 3) = Add v0 v1". */
void graph_print(text *t, const pons_array *roots, int n_roots);

/* ---- what one call of a function gives (results.c) ---- */

enum { RESULTS_FEW = 8 };
/* Arrays in the order in which they were added (pons_results_add), with a reference to each, or an error for
   all of them. Stays where it was begun. */
typedef struct pons_results_s result_list;
struct pons_results_s {
  const char *kind; /* of the function, for messages */
  pons_array *at;   /* count of them; `few` until there are more */
  int count, room;
  int64_t tag;
  error *why; /* NULL: fine, unless a result carries an error */
  pons_array few[RESULTS_FEW];
};
void results_begin(result_list *r, const char *kind);
void results_end(result_list *r);
/* The call has no results but this error. Takes the reference; the first one stays. */
void results_fail(result_list *r, error *why);
/* False if anything failed, and this thread has met the error then. */
bool results_meet(const result_list *r);
/* An array with the first error; NULL if there is none. */
pons_array results_failed(const result_list *r);
/* Results first .. first + count - 1, or the error in the place of each, as the innermost scope's. */
void results_give(result_list *r, int first, pons_array *out, int count);
/* All of them with their references, as memory from mem_alloc; none are left. NULL and *count = -1: `why`. */
pons_array *results_take(result_list *r, int *count);
/* The same if `fine`, with the references handed to the innermost scope; ends `r`. Returns the count, or -1 and
   *out = NULL. */
int results_hand_over(result_list *r, bool fine, pons_array **out);

/* ---- other sizes than in the trace (resize.c) ---- */

typedef struct resize_room { /* what prim_resize needs room for; parameters may point into it */
  int64_t lists[3][PONS_MAX_NDIM];
  char why[240];
} resize_room;
/* Makes parameters (a copy of the struct; lists are replaced, not changed) and operands of a primitive, whose
   operands had the sizes `was` when it was traced, fit `in`. NULL, or why they can't. */
const char *prim_resize(const prim *p, void *params, int n_in, const ints *was, pons_array *in,
                        resize_room *r);

/* ---- functions (function.c) ---- */

/* What a pons_function is made of. Implementations embed it as their first member. */
typedef struct pons_function_s function;
struct pons_function_s {
  atomic_int refs;
  const char *kind; /* "callback", "grad", "imported", ... */
  int n_out;        /* how many results it always has; -1: known once it was called */
  void (*call)(function *f, const pons_array *in, int n_in, result_list *out); /* adds to `out` */
  void (*destroy)(function *f); /* frees f itself too */
};
/* Zeroed memory of `bytes` with the head filled in, one reference. NULL and an error on no memory. */
void *function_new(size_t bytes, const char *kind, int n_out,
                   void (*call)(function *, const pons_array *, int, result_list *),
                   void (*destroy)(function *));
/* Begins `out` and calls f, once. False if anything failed; results_end in any case. */
bool function_call(function *f, const pons_array *in, int n_in, result_list *out);
/* The same; other than `n_out` results are an error too. */
bool function_call_counted(function *f, const pons_array *in, int n_in, result_list *out, int n_out);
/* f called on placeholders like `in` (on the dtypes and shapes alone): placeholders and results, held by the
   trace. */
typedef struct traced {
  int n_in, n_out;
  pons_array *in, *out;
  int64_t tag;
} traced;
bool function_trace(function *f, const pons_array *in, int n_in, traced *t);
/* What was traced once more, with `in` in the place of the placeholders, added to `out`. Their sizes may differ
   from those of the trace if that was shapeless (again.c). */
void traced_again(const traced *t, const pons_array *in, result_list *out);
/* The same for placeholders like `in`: what tracing the function for these sizes would give. */
bool traced_sized(const traced *t, const pons_array *in, traced *sized);
/* Another holder of what `t` holds. False: no memory, and an error. */
bool traced_share(const traced *t, traced *copy);
void traced_free(traced *t);
#endif
