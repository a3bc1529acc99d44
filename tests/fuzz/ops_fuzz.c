/* ops_fuzz.c: bytes are a sequence of calls of public ops on small arrays, with any arguments: shapes, dtypes,
   axes, indices, NaN. Each call is made as it is, or inside a gradient, a jvp, a batch or a compiled function.
   Errors are fine; crashes, leaked arrays and what sanitizers see are not. PONS_FUZZ_SHOW=1 prints the calls.

     8 bytes: an array of the pool, eight times | 32 bytes: a call, as often as there are bytes

   The calls are generated from the headers (calls_from_headers.awk); a few with arguments of their own stand here. */
#include <pons/pons.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum {
  POOL = 8,
  SEED = 8,
  RECORD = 32,
  MOST_CALLS = 24,
  MOST_ELEMENTS = 600,
  OUT = 256,
  AXES = 4,
  SHAPES = 4
};

/* The arguments of a call. */
typedef struct record {
  pons_array list[POOL];
  int n_list;
  int64_t ints[4], counts[4]; /* counts: no more than there is room for results */
  double reals[3];
  bool flags[8];
  pons_dtype dtypes[2];
  const char *words[2];
  pons_axes axes[AXES];
  pons_shape shapes[SHAPES];
  int axes_at[AXES][8];
  int64_t shapes_at[SHAPES][8];
} record;

/* ---- calls by hand ---- */

static void einsum_path(const record *r) {
  int path[POOL][2];
  char *report = NULL;
  pons_einsum_path(r->words[0], r->list, r->n_list, path, r->flags[0] ? &report : NULL);
  pons_free(report);
}

/* As many results as the axis is long: of what there is room for. */
static void unstack(const pons_array *a, const record *r, pons_array *out) {
  const int axis = (int)r->ints[0];
  if (pons_dim(a[0], axis) <= OUT) pons_unstack(a[0], axis, out);
}

static void broadcast_shapes(const record *r) {
  int64_t out[PONS_MAX_NDIM];
  pons_broadcast_shapes(r->shapes, r->n_list % (SHAPES + 1), out);
}

/* Kinds and numbers may be any; names too, and none. */
enum { TEMPLATES = 3 };
static void template_arguments(const record *r, struct pons_kernel_argument *out) {
  for (int i = 0; i < TEMPLATES; i++)
    out[i] = (struct pons_kernel_argument){r->words[i % 2], (enum pons_kernel_argument_kind)(r->ints[i] & 7),
                                           r->dtypes[i % 2], (int)r->ints[3 - i], (float)r->reals[i]};
}

static void source_kernel(const record *r, pons_array *out, void kernel(struct pons_kernel_args)) {
  const char *names[POOL];
  pons_dtype dtypes[SHAPES];
  struct pons_kernel_argument templates[TEMPLATES];
  const float start = (float)r->reals[0];
  for (int i = 0; i < POOL; i++) names[i] = r->words[i % 2];
  for (int i = 0; i < SHAPES; i++) dtypes[i] = r->dtypes[i % 2];
  template_arguments(r, templates);
  kernel((struct pons_kernel_args){.name = r->flags[0] ? "kernel" : r->words[0],
                                   .source = r->flags[1] ? "out[0] = a_shape[0];" : r->words[1],
                                   .header = r->flags[2] ? r->words[0] : NULL,
                                   .inputs = r->list,
                                   .input_names = names,
                                   .n_inputs = r->n_list,
                                   .output_shapes = r->shapes,
                                   .output_dtypes = dtypes,
                                   .output_names = names,
                                   .n_outputs = (int)(r->ints[0] & 7) % (SHAPES + 1),
                                   .out = out,
                                   .template_arguments = templates,
                                   .n_template_arguments = (int)(r->ints[1] & 3),
                                   .grid = {(int)r->ints[0], (int)r->ints[1], (int)r->ints[2]},
                                   .threadgroup = {(int)r->ints[1], (int)r->ints[2], (int)r->ints[3]},
                                   .init_value = r->flags[3] ? &start : NULL,
                                   .any_layout = r->flags[4],
                                   .atomic_outputs = r->flags[5],
                                   .math_mode = r->flags[6]   ? "fast"
                                                : r->flags[7] ? r->words[1]
                                                              : NULL,
                                   .shared_memory = (int)r->ints[3]});
}

static void compiled_kernel(const record *r, pons_array *out) {
  pons_dtype dtypes[SHAPES];
  struct pons_kernel_argument scalars[TEMPLATES];
  const float start = (float)r->reals[0];
  for (int i = 0; i < SHAPES; i++) dtypes[i] = r->dtypes[i % 2];
  template_arguments(r, scalars);
  pons_fast_precompiled_cuda_kernel(
      "kernel", .compiled_source = r->axes_at, .compiled_bytes = (size_t)r->ints[0] % sizeof r->axes_at,
      .inputs = r->list, .n_inputs = r->n_list, .output_shapes = r->shapes, .output_dtypes = dtypes,
      .n_outputs = (int)(r->ints[1] & 7) % (SHAPES + 1), .out = out, .scalars = scalars,
      .n_scalars = (int)(r->ints[2] & 3), .grid = {(int)r->ints[0], (int)r->ints[1], (int)r->ints[2]},
      .threadgroup = {(int)r->ints[1], (int)r->ints[2], (int)r->ints[3]}, .shared_memory = (int)r->ints[3],
      .init_value = r->flags[0] ? &start : NULL, .ensure_row_contiguous = r->flags[1]);
}

#define CALLS_BY_HAND                                                              \
  CALL(pons_unstack, unstack(a, r, out))                                           \
  CALL(pons_einsum_path, einsum_path(r))                                           \
  CALL(pons_broadcast_shapes, broadcast_shapes(r))                                 \
  CALL(pons_fast_gpu_kernel, source_kernel(r, out, pons_fast_gpu_kernel_with))     \
  CALL(pons_fast_metal_kernel, source_kernel(r, out, pons_fast_metal_kernel_with)) \
  CALL(pons_fast_cuda_kernel, source_kernel(r, out, pons_fast_cuda_kernel_with))   \
  CALL(pons_fast_precompiled_cuda_kernel, compiled_kernel(r, out))

/* ---- the calls ---- */

typedef void call_function(pons_array *a, const record *r, pons_array *out);
#define CALL(name, expression)                                               \
  static void call_##name(pons_array *a, const record *r, pons_array *out) { \
    (void)a, (void)r, (void)out;                                             \
    expression;                                                              \
  }
#include "fuzz_calls.def"
CALLS_BY_HAND
#undef CALL
static const struct {
  const char *name;
  call_function *call;
} calls[] = {
#define CALL(name, expression) {#name, call_##name},
#include "fuzz_calls.def"
    CALLS_BY_HAND
#undef CALL
};
enum { CALLS = sizeof calls / sizeof *calls };

static uint32_t hash(const char *name) {
  uint32_t h = 2166136261u; /* FNV-1a */
  for (; *name; name++) h = (h ^ (unsigned char)*name) * 16777619u;
  return (h ^ h >> 24) & 0xffffff;
}

/* The call whose name's hash comes next from `place` on: what is kept in the corpus means the same when ops
   are added. */
static int call_at(uint32_t place) {
  int best = 0;
  for (int i = 1; i < CALLS; i++)
    if (((hash(calls[i].name) - place) & 0xffffff) < ((hash(calls[best].name) - place) & 0xffffff)) best = i;
  return best;
}

/* ---- arguments ---- */

/* Small numbers as a rule; one value in sixteen is what arithmetic is afraid of. */
static int64_t number_of(uint8_t byte) {
  static const int64_t feared[16] = {INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN, 1ll << 40, -(1ll << 40),
                                     1 << 20,   4096,      65536,     255,       256,       -128,
                                     64,        33,        31,        100};
  return byte < 16 ? feared[byte] : (byte - 16) % 12 - 4;
}

static double real_of(uint8_t byte) {
  static const double reals[16] = {0,  1,    -1,   0.5,    2,      1e-5,  -0.25, 3,
                                   10, 1000, 1e30, -1e300, 5e-324, 1e308, 0,     0};
  if (byte % 16 == 14) return (double)NAN;
  return byte % 16 == 15 ? (double)INFINITY : reals[byte % 16];
}

static pons_dtype dtype_of(uint8_t byte) {
  return byte < 4 ? (pons_dtype)(byte * 7 - 1) : (pons_dtype)(byte % PONS_DTYPE_COUNT);
}

static const char *const words[] = {
    "",         "ij,jk->ik", "ii->i", "...ij,jk", "i,i",   "ab->ba", "a...,...b->...", "constant",
    "edge",     "reflect",   "valid", "full",     "same",  "affine", "mxfp4",          "mxfp8",
    "nvfp4",    "fro",       "nuc",   "inf",      "xy",    "ij",     "causal",         "ortho",
    "backward", "forward",   "L",     "U",        "union", "ijj->",  "i->ij",          "\xff,,->"};

/* A list length and its entries from two bytes each; lists may be left out. */
static int list_length(uint8_t byte) { return byte % 8 < 6 ? byte % 8 : 0; }

static void read_record(const uint8_t *at, pons_array *pool, record *r) {
  r->n_list = at[2] & 7;
  for (int i = 0; i < POOL; i++) r->list[i] = pool[(i + (at[2] >> 3)) % POOL];
  for (int i = 0; i < 4; i++) {
    r->ints[i] = number_of(at[3 + i]);
    r->counts[i] = r->ints[i] > OUT || r->ints[i] < -OUT ? r->ints[i] % OUT : r->ints[i];
  }
  for (int i = 0; i < 3; i++) r->reals[i] = real_of(at[7 + i]);
  for (int i = 0; i < 8; i++) r->flags[i] = at[10] >> i & 1;
  for (int i = 0; i < 2; i++) r->dtypes[i] = dtype_of(at[11 + i]);
  for (int i = 0; i < 2; i++)
    r->words[i] = at[13 + i] == 255 ? NULL : words[at[13 + i] % (sizeof words / sizeof *words)];
  for (int i = 0; i < AXES; i++) {
    const int n = list_length(at[15 + i]);
    for (int k = 0; k < 8; k++) r->axes_at[i][k] = (int)number_of(at[19 + (3 * i + k) % 6]);
    r->axes[i] = (pons_axes){n, at[15 + i] >= 240 ? NULL : r->axes_at[i]};
    if (!r->axes[i].at) r->axes[i].count = 0;
  }
  for (int i = 0; i < SHAPES; i++) {
    for (int k = 0; k < 8; k++) r->shapes_at[i][k] = number_of(at[25 + (2 * i + k) % 6]);
    r->shapes[i] = (pons_shape){list_length(at[15 + (i + 2) % 4] >> 3), r->shapes_at[i]};
  }
}

/* Any small array: whole numbers, or any bits. One without elements may be long along its other axes: nothing may
   count through those. */
static pons_array array_of(const uint8_t *at) {
  int64_t dims[4], size = 1;
  const int ndim = at[1] % 5;
  for (int i = 0; i < ndim; i++) size *= dims[i] = at[2 + i] % 5;
  for (int i = 0; i < ndim && size == 0 && at[6] >= 240; i++) dims[i] <<= 16;
  const pons_dtype dtype = (pons_dtype)(at[0] % PONS_DTYPE_COUNT);
  if (at[6] % 4 == 3 && dtype != PONS_BOOL) {
    uint64_t bits[4 * 4 * 4 * 4], state = at[7];
    for (int i = 0; i < 256; i++) bits[i] = state = state * 6364136223846793005u + 1442695040888963407u;
    return pons_array_from(bits, (pons_shape){ndim, dims}, dtype);
  }
  pons_array x = pons_arange(0, (double)size, 1, PONS_INT32);
  if (at[6] % 4 == 1) x = pons_remainder(pons_multiply(x, pons_int(at[7])), pons_int(5));
  if (at[6] % 4 == 2)
    x = pons_subtract(pons_remainder(pons_multiply(x, pons_int(at[7])), pons_int(7)), pons_int(3));
  x = pons_astype(pons_reshape(x, (pons_shape){ndim, dims}), dtype);
  return at[6] & 4 ? pons_transpose(x) : x;
}

/* ---- one call, as it is or under a transform ---- */

typedef struct work {
  call_function *call;
  const record *r;
  pons_array *a; /* its arrays; the first is the variable */
} work;

static bool is_usable(pons_array a) { return a && !pons_error_of(a) && pons_size(a) <= MOST_ELEMENTS; }

/* The results of the call with in[0] in the place of the first array; up to `n_out`, the rest zeros. */
static void run(const work *w, pons_array first, pons_array *out, int n_out) {
  pons_array a[POOL], got[OUT] = {0};
  memcpy(a, w->a, sizeof a);
  record r = *w->r;
  for (int i = 0; i < POOL; i++)
    if (r.list[i] == a[0]) r.list[i] = first;
  a[0] = first;
  w->call(a, &r, got);
  for (int i = 0; i < n_out; i++) out[i] = is_usable(got[i]) ? got[i] : pons_scalar(0, PONS_FLOAT32);
}

static void as_function(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in;
  run(payload, in[0], out, n_out);
}

static void as_loss(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  pons_array got[2];
  (void)n_in, (void)n_out;
  run(payload, in[0], got, 2);
  out[0] = pons_add(pons_sum(pons_real(pons_multiply(got[0], got[0]))), pons_sum(pons_real(got[1])));
}

/* For second derivatives: the sum of another function's result. */
static void as_sum(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  out[0] = pons_sum(pons_real(pons_apply(payload, in[0])));
}

typedef enum way {
  PLAIN,
  GRADIENT,
  SECOND,
  BATCH,
  COMPILED,
  CHECKPOINT,
  TANGENT,
  BATCH_OF_GRADIENTS,

} way;

static void under_transform(work *w, way how, pons_array *out) {
  const pons_axes first = {1, (const int[]){0}}, none = {0, NULL};
  const bool loss = how == GRADIENT || how == SECOND || how == BATCH_OF_GRADIENTS;
  pons_function f = pons_function_new(loss ? as_loss : as_function, 1, w, NULL), g = NULL, h = NULL;
  pons_array tangent = pons_ones_like(w->a[0]), value;
  if (loss) g = pons_grad(f, first);
  if (how == SECOND) h = pons_function_new(as_sum, 1, g, NULL);
  if (how == BATCH) g = pons_vmap(f, PONS_AXES(w->r->ints[0] & 1 ? -1 : 0), none);
  if (how == BATCH_OF_GRADIENTS) h = pons_vmap(g, none, none);
  if (how == COMPILED) g = pons_compile(f);
  if (how == CHECKPOINT) g = pons_checkpoint(f);
  if (how == SECOND) {
    pons_function second = pons_grad(h, first);
    pons_call(second, w->a, 1, out, 1);
    pons_function_release(second);
  } else if (how == TANGENT) {
    pons_jvp(f, w->a, &tangent, 1, 1, &value, out);
  } else {
    pons_call(h ? h : g, w->a, 1, out, 1);
  }
  pons_function_release(h);
  pons_function_release(g);
  pons_function_release(f);
}

static void one_call(const uint8_t *at, pons_array *pool) {
  pons_array a[POOL], out[OUT] = {0};
  record r;
  read_record(at, pool, &r);
  for (int i = 0; i < POOL; i++) a[i] = pool[(at[31] + i * (1 + (at[31] >> 3 & 3))) % POOL];
  const int which = call_at((uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[9]);
  const way how = (way)(at[31] >> 5);
  work w = {calls[which].call, &r, a};
  if (getenv("PONS_FUZZ_SHOW")) fprintf(stderr, "%s, %d\n", calls[which].name, (int)how);
  if (how == PLAIN)
    w.call(a, &r, out);
  else
    under_transform(&w, how, out);
  for (int i = 0; i < OUT; i++) {
    if (!is_usable(out[i])) continue;
    if (at[30] & 1) pons_eval(out[i]);
    pool[(at[30] / 2 + i) % POOL] = out[i];
  }
  pons_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  static bool warm;
  if (!warm) pons_set_memory_limit(256 << 20);
  warm = true;
  if (count < POOL * SEED) return 0;
  pons_random_seed(0);
  const int64_t before = pons_live_arrays();
  const pons_scope scope = pons_scope_open();
  pons_array pool[POOL];
  for (int i = 0; i < POOL; i++) pool[i] = array_of(bytes + i * SEED);
  size_t at = POOL * SEED;
  for (int n = 0; n < MOST_CALLS && at + RECORD <= count; n++, at += RECORD) one_call(bytes + at, pool);
  for (int i = 0; i < POOL; i++) pons_eval(pool[i]);
  pons_scope_close(scope);
  pons_clear_error();
  pons_random_seed(0);
  const int64_t left = pons_live_arrays() - before;
  if (left) fprintf(stderr, "%lld arrays left behind\n", (long long)left);
  if (left) abort();
  return 0;
}
