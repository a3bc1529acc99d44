/* base.h: the door of base/: memory, errors, dtypes, shapes, text, maps, threads, libraries at run time.
   Knows nothing of arrays. Uses the C library alone. */
#ifndef BASE_H
#define BASE_H
#include <pons/array.h> /* dtypes, pons_shape and the error functions' public face */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

/* ---- memory (memory.c): every allocation of the library goes through here; a test fails each in turn ---- */

void *mem_alloc(size_t bytes); /* NULL if there is none; the caller makes that an error */
void *mem_zalloc(size_t bytes);
void *mem_resize(void *p, size_t bytes);
void mem_free(void *p);
char *mem_text(const char *text); /* a copy */
/* Makes room for `need` items: *items may move, *room grows. False if there is no memory (nothing is lost
   then). */
bool mem_grow(void *items, size_t *room, size_t need, size_t item_size);
static inline bool mem_room(void *items /* address of the pointer */, size_t *room, size_t need, size_t item_size) {
  return need <= *room || mem_grow(items, room, need, item_size);
}
/* Test hook: the n-th allocation from now on (1 = the next) fails once; 0 ends it. Returns how many were made
   since. */
int64_t mem_fail_at(int64_t n);
/* Asked at large allocations too (device/): does the hook say that this one fails? */
bool mem_should_fail(void);
/* Under AddressSanitizer: between these, the memory is kept for later, and its use a fault. */
#if defined(__SANITIZE_ADDRESS__)
#define POISONING 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONING 1
#endif
#endif
#ifdef POISONING
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, bytes) ((void)(p), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(p, bytes) ((void)(p), (void)(bytes))
#endif
static inline void mem_poison(void *p, size_t bytes) { ASAN_POISON_MEMORY_REGION(p, bytes); }
static inline void mem_unpoison(void *p, size_t bytes) { ASAN_UNPOISON_MEMORY_REGION(p, bytes); }

/* ---- numbers ---- */

/* a / b rounded up, and the first multiple of b that is no less than a; a is not negative, b is positive. */
static inline int64_t ceiling(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t round_up(int64_t a, int64_t b) { return ceiling(a, b) * b; }
/* The greatest common divisor; of 0 and b it is b. */
static inline int64_t divisor(int64_t a, int64_t b) { return b ? divisor(b, a % b) : a; }

/* ---- errors (error.c) ---- */

/* A first cause, shared by every array that carries it. Immutable. */
typedef struct error error;
/* Makes an error; each passes announce(): put a breakpoint there. Records it for the thread (pons_ok,
   pons_error), calls the handler. Never NULL. The caller owns one reference. Message: what is wrong, with the values; a second line
   "hint: ..." at times. */
error *fail(const char *op, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same of another kind than PONS_ERROR_VALUE. */
error *fail_as(pons_error_kind kind, const char *op, const char *format, ...) PRINTF_LIKE(3, 4);
error *fail_no_memory(const char *op); /* the same without allocating */
/* What a device's step gives that turns out to have no way there: the host does it in its place. Nobody is told. */
error *error_declined(void);
/* Records an error made elsewhere (another thread, an array) for this thread. */
void error_meet(error *e);
bool error_is_met(const error *e); /* has anyone met it since it was made? */
error *error_keep(error *e);
void error_release(error *e); /* NULL is fine */
const char *error_text(const error *e);
pons_error_kind error_kind(const error *e);

/* ---- dtypes (dtype.def, dtype.c) ---- */

typedef enum dtype_kind { KIND_BOOL, KIND_UNSIGNED, KIND_SIGNED, KIND_FLOAT, KIND_COMPLEX } dtype_kind;
dtype_kind dtype_kind_of(pons_dtype d);
static inline bool dtype_is_valid(int d) { return d >= 0 && d < PONS_DTYPE_COUNT; }
bool dtype_is_inexact(pons_dtype d); /* float or complex */
bool dtype_is_complex(pons_dtype d);
pons_dtype dtype_of_parts(pons_dtype d);     /* float32 of complex64, float64 of complex128, d of others */
pons_dtype dtype_made_complex(pons_dtype d); /* complex128 of float64 and of itself, complex64 of others */
/* With weak operands (C scalars): a weak one gives way to a dtype of its kind or a higher kind. */
pons_dtype dtype_promote_weak(pons_dtype a, bool a_weak, pons_dtype b, bool b_weak);
/* The float dtype in which a function such as exp computes x: float32 for integers. */
pons_dtype dtype_at_least_float(pons_dtype d);
/* One element to and from a double (complex: real part), for printing, scalars and slow paths. */
double dtype_read(pons_dtype d, const void *p);
void dtype_write(pons_dtype d, void *p, double value);
/* One element to and from int64, exact for integers. */
int64_t dtype_read_int(pons_dtype d, const void *p);
void dtype_write_int(pons_dtype d, void *p, int64_t value);

float half_to_float(uint16_t h);
uint16_t half_from_float(float f); /* nearest, ties to even */
float bfloat_to_float(uint16_t h);
uint16_t bfloat_from_float(float f);

/* ---- shapes (shape.c) ---- */

/* A borrowed list: axes, sizes or strides among the parameters of a primitive. */
typedef struct ints {
  int n;
  const int64_t *at;
} ints;

/* A borrowed string among the parameters of a primitive. Counted: compiled code holds zero bytes. One stands
   behind it all the same. */
typedef struct chars {
  int n;
  const char *at;
} chars;
/* A number that may be left out; `value` is 0 then. */
typedef struct optional_float {
  bool given;
  float value;
} optional_float;

/* A shape by value. dims[n ..] are not read. */
typedef struct shape {
  int n;
  int64_t dims[PONS_MAX_NDIM];
} shape;
/* false: more than PONS_MAX_NDIM axes, a negative size, or more than 2^59 elements (whose bytes an int64
   still counts). */
bool shape_from(pons_shape in, shape *out);
pons_shape shape_public(const shape *s);
/* The product; callers hold shapes that were checked. Beside a 0 that of the others may overflow, and then doesn't matter. */
static inline int64_t shape_size(int n, const int64_t *dims) {
  uint64_t product = 1;
  for (int i = 0; i < n; i++) product *= (uint64_t)dims[i];
  return (int64_t)product;
}
bool shape_size_checked(int n, const int64_t *dims, int64_t *size);
static inline bool shape_equal(int n, const int64_t *a, int m, const int64_t *b) {
  bool equal = n == m;
  for (int i = 0; equal && i < n; i++) equal = a[i] == b[i];
  return equal;
}
/* NumPy broadcasting; false if they don't fit. */
bool shape_broadcast(int n, const int64_t *a, int m, const int64_t *b, shape *out);
void shape_row_major(int n, const int64_t *dims, int64_t *strides); /* in elements */
bool shape_is_row_major(int n, const int64_t *dims, const int64_t *strides);
/* Axis -n .. n-1 to 0 .. n-1; -1 if out of range. */
int axis_normal(int axis, int n);
/* "(2, 3)" in one of a few per-thread buffers: for messages. */
const char *shape_text(int n, const int64_t *dims);
/* Joins neighbouring axes that can be walked as one in each of the `count` stride lists, drops axes of size
   1. Returns the new number of axes; dims and strides are changed in place. strides[k] is a list of n. */
int shape_collapse(int n, int64_t *dims, int count, int64_t **strides);
/* Strides for the sizes `to` (m) over the elements, in order, of `from` (n sizes with strides `steps`); false: there are none. Neither is
   empty. */
bool shape_regroup(int n, const int64_t *from, const int64_t *steps, int m, const int64_t *to, int64_t *out);

/* ---- text (text.c): a string that grows; sticky failure ---- */

typedef struct text {
  char *at; /* ends in 0; NULL while empty */
  size_t length, room;
  bool failed; /* no memory: what follows is dropped */
} text;
void text_add(text *t, const char *format, ...) PRINTF_LIKE(2, 3);
void text_add_bytes(text *t, const void *bytes, size_t count);
void text_add_string(text *t, const char *string); /* as text_add with "%s", which takes many times as long */
void text_add_json(text *t, const char *string); /* quoted and escaped */
char *text_take(text *t); /* the string, caller frees with mem_free; NULL if failed */
void text_free(text *t);

/* ---- map (map.c): pointer to integer, open addressing ---- */

typedef struct map {
  const void **keys;
  int64_t *values;
  size_t room, count;
} map;
bool map_set(map *m, const void *key, int64_t value); /* false: no memory */
int64_t map_get(const map *m, const void *key, int64_t otherwise);
void map_free(map *m);
uint64_t hash_bytes(const void *bytes, size_t count, uint64_t seed);

/* ---- random words (threefry.c) ---- */

/* The two words of the counter (first, second) under a key: Threefry-2x32, 20 rounds. */
void threefry(const uint32_t key[2], uint32_t first, uint32_t second, uint32_t out[2]);

/* ---- Hadamard matrices (hadamard_signs.c) ---- */

/* The m of n = m 2^k, m being 1, 12, 20 or 28; 0 if n is not of that form. */
int hadamard_factor(int64_t n);
/* Element (i, j) of the matrix of order m: 1 or -1. */
int hadamard_sign(int m, int i, int j);

/* ---- threads (threads.c): one pool that shares the pieces of a loop ---- */

/* Calls body(context, i) for i = 0 .. pieces-1, on this thread and the pool's; returns when all are done. How
   work is cut into pieces must not depend on the number of threads: then results do not either. Pieces begin in
   order, so one may wait for an earlier one. Nested calls run on the calling thread. */
void parallel_for(int64_t pieces, void (*body)(void *context, int64_t piece), void *context);
int parallel_threads(void);
void parallel_set_threads(int count);
int64_t time_ns(void); /* monotonic */
/* Between two looks at what another thread will change. */
static inline void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* ---- libraries at run time (load.c) ---- */

/* The first of `names` (NULL-ended) that loads, or NULL; *why (mem_free it) tells what was tried and what the
   loader said. */
void *library_open(const char *const *names, char **why);
void *library_symbol(void *library, const char *name);
/* Addresses of functions, one after the other from `to` on; NULL for one that isn't there. Are all of them? */
bool library_symbols(void *library, const char *const *names, int count, void *to);
const char *library_own_path(void); /* file that holds this library */
const char *library_path(void *library, const char *symbol); /* file it was loaded from; for reports */
#endif
