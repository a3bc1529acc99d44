/* gpu.h: what GPU backends share: kernels written once in a dialect of C (dialect.h), their programs, their
   launches. A backend gives a struct of functions, gpu_backend, and gets all of gpu/ for it:

       gpu_backend     compile, launch, memory                         opencl/, cuda/, metal/
          ▲
       gpu_call        one launch being put together: text, operands, numbers, groups    call.c
          ▲  programs are kept in memory and on disk                                    programs.c
       kernels.def     a row per implementation of a primitive; each a file *.kc and the function that launches it
          ▲
       implementations.h    the rows as the driver's list

   Uses device/, kernel/, ops/params.h. */
#ifndef GPU_H
#define GPU_H
#include "device/device.h"
#include "ops/params.h"

/* Arguments of a kernel: memories, those that are written first; then `numbers`, a struct of so many int64 by
   value, which begin with the place of each memory's first element, in elements. */
enum { GPU_NUMBERS = 96, GPU_MAX_MEMORIES = 33 };

/* ---- what a backend gives ---- */

typedef struct gpu_features {
  bool float64;     /* has doubles */
  bool atomics64;   /* compares and swaps 64 bits in global memory */
  int max_group;    /* threads in a group, whatever the kernel */
  int most_threads; /* threads in a group, if the kernel is no large one; 0: max_group */
  int local_bytes;  /* of a group's local memory */
  int max_memories; /* of one launch */
} gpu_features;

/* A compiled text, from mem_alloc; size 0: the device gives none, and nothing is kept on disk. */
typedef struct gpu_binary {
  void *bytes;
  size_t size;
} gpu_binary;

typedef struct gpu_launch {
  void *entry; /* as backend->entry has it */
  int n_memories, n_written;
  void *const *memories;  /* as memory->take has them */
  const int64_t *numbers; /* GPU_NUMBERS */
  int64_t groups[3];
  int group[3];      /* threads in one */
  int shared_bytes;  /* of memory its threads share, beside what the text declares: CUDA's alone */
  bool notes_faults; /* it may: faults.c */
  /* CUDA's alone: the entry takes pointers, of what is only read first, and so many scalars of up to 8 bytes. `numbers`: where in
     its memory each pointer points, in bytes, in the order of the memories; then the scalars. */
  bool is_plain;
  int n_scalars;
} gpu_launch;

/* What a program is made of, one text behind the other. */
typedef struct gpu_source {
  const char *prologue, *options; /* NULL: the backend's */
  const char *definitions, *body; /* body: a constant of this library */
} gpu_source;

struct gpu_product; /* matmul_gpu.h */

/* Called from any thread; `index` counts the driver's devices. Modules and entries live as long as the
   process. */
typedef struct gpu_backend {
  const char *name;
  const char
      *prologue; /* what the dialect means in the language, dialect.h and the scalar functions: stands in
                          front of every text in it */
  const char *options; /* of its compiler, for those */
  const char *narrow_options; /* the same for chains that compute halves alone, of which rounding hides the last bits of a
                                 quotient or root; left out: options */
  int (*count)(void);  /* of devices */
  const gpu_features *(*features)(int index);
  void (*identify)(int index,
                   text *t); /* device, driver, compiler: what a binary depends on beside the text */
  /* A module made of a whole text; *binary gets what `load` takes, unless binary is NULL: nobody keeps it. `name` is for messages.
     NULL and *why. */
  void *(*compile)(int index, const char *name, const char *text, const char *options, gpu_binary *binary,
                   error **why);
  void *(*load)(int index, const void *bytes, size_t size); /* NULL: it must be compiled */
  /* Left out: texts can be compiled. False: those of chains, made as they come, can't; what was built ahead is there. */
  bool (*compiles)(void);
  /* Adds what binaries that were built ahead depend on, beside the text: what is looked for where `tried` others were not there. False:
     there is no other. They are looked for where `compile` gives error_declined, for want of a compiler. NULL: there are none. */
  bool (*ahead)(int index, int tried, text *identity);
  /* NULL and *why; then the module is not asked again: it may be given up. */
  void *(*entry)(int index, void *module, const char *name, error **why);
  error *(*launch)(int index, const gpu_launch *l); /* queued behind what was launched before */
  /* "Matmul" by a library; error_declined(): it does not take this one. Left out: there is none. */
  error *(*multiply)(const launch *l);
  /* Why it does not take one, or NULL; asked before it is known where operands lie. The result of what is asked about may have rows
     with room between them, and be float32 where operands are halves. Left out with `multiply`. */
  const char *(*refuses_multiply)(const launch *l);
  /* Products of many single rows with matrices that a sorted list names (matmul_gpu.h), and why not; error_declined(): operands do not
     lie so. Left out: there are none. */
  error *(*multiply_grouped)(const struct gpu_product *p);
  const char *(*refuses_grouped)(const struct gpu_product *p);
  const memory_driver *memory;
} gpu_backend;

/* ---- programs.c ---- */

/* The entry `name` of the program of the texts. From memory, from disk, or compiled. NULL and *why. */
void *gpu_program(const gpu_backend *b, int index, const gpu_source *s, const char *name, error **why);
/* The same for those who know a shorter name of a text: so many bytes, which stand for all that it is written from. The entry, or
   NULL: it was not remembered. */
void *gpu_known_program(const gpu_backend *b, int index, const void *key, size_t size);
void gpu_remember_program(const gpu_backend *b, int index, const void *key, size_t size, void *entry);
/* What a kernel that was built ahead is kept under, behind what gpu_backend.ahead gave. */
void gpu_ahead_key(text *key, const char *options, const char *whole);

/* ---- cache.c ---- */

/* Where files for the next process are kept: $PONS_CACHE_DIR, or pons in the user's folder for caches; NULL: nowhere.
   The caller frees it. */
char *gpu_cache_folder(void);
/* The file in which something is kept under the key, the text of all it depends on, with this ending. NULL: nowhere. The caller frees it. */
char *gpu_cache_path(const text *key, const char *ending);
/* What is kept there, aligned as memory is. NULL: nothing, or nothing that is whole. The caller frees it. */
void *gpu_cache_load(const text *key, const char *ending, size_t *size);
void gpu_cache_keep(const text *key, const char *ending, const void *bytes, size_t size);

/* ---- embedded.c ---- */

/* Adds a text that cmake/embed.cmake put into the library, or one that is a plain string. */
void gpu_add_text(text *t, const char *held);

/* ---- archive.c: kernels built ahead, in one file beside the library or appended to it, or $PONS_KERNELS ---- */

#define GPU_ARCHIVE "pons-kernels"
bool gpu_archive_is_there(void);
/* What is kept under the key; the caller frees its bytes. */
bool gpu_archive_find(const text *key, gpu_binary *binary);
/* Adds it to the file, which is made if it is not there. */
error *gpu_archive_add(const char *path, const text *key, const gpu_binary *binary);

/* ---- call.c ---- */

/* Words for what is defined in front of a kernel's text, and of what else its program depends on. */
enum { GPU_DEFINITIONS = 200, GPU_ABOUT = 5 };

/* One launch being put together. Errors are kept until it is run. */
typedef struct gpu_call {
  const gpu_backend *backend;
  int index;
  int n_definitions;
  text text; /* of its own, between the definitions and the kernel's text; whoever writes one gives the launch up by freeing it */
  void *memories[GPU_MAX_MEMORIES];
  int n_memories, n_written, n_numbers;
  int64_t numbers[GPU_NUMBERS];
  int64_t groups[3];
  int group[3];
  int shared_bytes;
  const char *prologue, *options; /* as gpu_source has them */
  void *entry;                    /* of the program, once it is known: then no text is looked at */
  int first;                      /* number of gpu_begin_numbers */
  bool wide;                      /* places need 64 bits */
  bool notes_faults;
  int64_t definitions[GPU_DEFINITIONS + GPU_ABOUT]; /* definitions.c; last, for it is not cleared */
} gpu_call;

/* room.c: memory between the launches of a call, so many elements, on the device where `beside` is; given back as soon as they are made.
   What was not taken need not be given: room->memory is NULL then. */
error *gpu_room_take(const gpu_backend *b, location *room, const operand *beside, int64_t elements, pons_dtype d);
void gpu_room_give(const gpu_backend *b, const location *room);

/* For the device on which `o` is. */
gpu_call gpu_call_for(const gpu_backend *b, const operand *o);
/* The next memory, and the place of its first element among the numbers. Memories that are written come
   first. */
void gpu_written(gpu_call *c, const operand *o);
void gpu_read(gpu_call *c, const operand *o);
void gpu_memory(gpu_call *c, void *memory, bool written); /* from its first byte on */
int gpu_number(gpu_call *c, int64_t value);               /* its place among the numbers */
int gpu_number_float(gpu_call *c, float value);
int gpu_number_list(gpu_call *c, int n, const int64_t *values); /* the first one's place */
/* N(0), N(1), ... in the kernel are the numbers from here on. */
void gpu_begin_numbers(gpu_call *c);
/* Is its first element where so many bytes may be read at once? Memories begin so that GPU_WIDE may. */
enum { GPU_WIDE = 16 };
bool gpu_is_aligned(const operand *o, int bytes);
/* Does each line along the last axis lie in order, and begin so? */
bool gpu_rows_are_wide(const operand *o);
/* Threads of a group for `count` items: a power of two, 32 for few and `most` for many, if the device can.
   One of two, so that texts do not differ for every count. */
int gpu_group_for(const gpu_call *c, int64_t count, int most);
/* The same for elements of one line that a group goes over: up to `most` for a long one, whose kernel is to be small. */
int gpu_group_for_line(const gpu_call *c, int64_t count, int most);
/* A group for each row of n elements of dtype d, whose threads hold it, 16 bytes HELD times each, and the role X as gpu_define_wide has it, if
   rows, and what is written where they are, lie so (`wide`): true; else a group as large as does it good. Defines GROUP. */
bool gpu_hold_lines(gpu_call *c, pons_dtype d, int64_t n, bool wide);
/* One thread for each of `count` items. */
void gpu_one_each(gpu_call *c, int64_t count);
/* Launches `entry` of `text`, and frees what the call holds. */
error *gpu_run(gpu_call *c, const char *text, const char *entry);

/* The same where c->text is to be written first, unless the program is known by so many bytes, which stand for that text as the definitions
   stand for theirs. */
typedef struct gpu_own_text {
  void (*write)(text *t, const void *from);
  const void *from;
  const void *key;
  size_t key_size; /* up to GPU_OWN_KEY */
} gpu_own_text;
enum { GPU_OWN_KEY = 2048 };
error *gpu_run_written(gpu_call *c, const char *text, const char *entry, const gpu_own_text *own);
/* fused.c: the same with a text of ours that reads what a kernel makes (kernel_text_write_chain), or has another make something of its
   results (kernel_text_write_behind); NULL: it doesn't. */
struct kernel_form;
typedef struct gpu_chains {
  const kernel *front;
  const struct kernel_form *front_form;
  const kernel *behind;
  const struct kernel_form *behind_form; /* NULL: it reads one by one */
} gpu_chains;
error *gpu_run_with_chains(gpu_call *c, const char *text, const char *entry, const gpu_chains *parts);

/* ---- definitions.c: names and texts are constants of this library ---- */

/* typedefs and macros for elements of dtype `d`: with role X
     X        as it lies in memory
     X_value  as it is computed with
     X_load(X) X_value, X_store(X_value) X */
void gpu_define_dtype(gpu_call *c, const char *role, pons_dtype d);
/* With role X: X_SIZE, in bytes; X_PART(w, i), element i of words4 w; X_JOIN(w, i, x), which adds one where 0 stood. */
void gpu_define_wide(gpu_call *c, const char *role, pons_dtype d);
void gpu_define(gpu_call *c, const char *name, int64_t value);
void gpu_define_text(gpu_call *c, const char *name, const char *value);
/* One behind the other; ended by NULL. */
void gpu_define_texts(gpu_call *c, const char *name, const char *const *values);
/* What gpu_define_dtype stands for; all that stands in front of the kernel's text. */
void gpu_write_dtype(text *t, const char *role, pons_dtype d);
void gpu_write_definitions(text *t, const gpu_call *c);

/* ---- geometry.c: walks over axes ---- */

enum { GPU_WALK_OPERANDS = 8 };
typedef struct gpu_walk {
  int n, count; /* axes, operands */
  int64_t sizes[PONS_MAX_NDIM], strides[GPU_WALK_OPERANDS][PONS_MAX_NDIM];
} gpu_walk;

/* Over n axes, whose sizes and strides (one list per operand) are given; joined where all operands lie so. */
gpu_walk gpu_walk_of(int n, const int64_t *sizes, int count, const int64_t *const *strides);
int64_t gpu_walk_size(const gpu_walk *w);
/* Over the axes of x that are, or are not, in `axes`; of n operands of one shape together. */
gpu_walk gpu_walk_axes(int n, const operand *x, ints axes, bool in_axes);
/* The walk as a list among the numbers, whose place becomes number `at`, counted from gpu_begin_numbers
   on if that was called. */
void gpu_number_walk(gpu_call *c, int at, const gpu_walk *w);

/* ---- join.c: what reductions and scans join elements with ---- */

/* In which elements of `d` are joined: float32 for the narrow floats, uint8 for bool. */
pons_dtype gpu_wide_dtype(pons_dtype d);
/* The same for a reduction whose result is `out`. */
pons_dtype gpu_joined_dtype(int reduce_kind, pons_dtype out);
/* The least and the greatest value of d, as text. */
const char *gpu_least_value(pons_dtype d);
const char *gpu_greatest_value(pons_dtype d);
/* The role A, JOIN(a, b) and START. */
void gpu_define_join(gpu_call *c, int reduce_kind, pons_dtype joined);
/* TAKEN(x): the value of an element, as what is joined, or as a truth. GIVEN(x): that as the value of an
   element. */
void gpu_define_taken(gpu_call *c, pons_dtype from, pons_dtype joined, bool as_truth);
void gpu_define_given(gpu_call *c, pons_dtype joined, pons_dtype to);

/* ---- faults.c: indices that point outside, triangles that are singular ---- */

/* The memory in which kernels note the first of them; NULL and *why. Added to a call as one that is written. */
error *gpu_add_faults(gpu_call *c);
/* What was noted since this was asked last, as an error. Waits only if kernels that may note something were
   launched. */
error *gpu_faults(const gpu_backend *b, int index);
/* Launches that may note something were made again. */
void gpu_expect_faults(const gpu_backend *b, int index);
/* What index_at of the dialect asks about the dtype of indices. */
int64_t gpu_index_kind(pons_dtype d);
/* Which op an index was given to, as checked_index has it, or met a zero in a diagonal. */
enum {
  GPU_OP_TAKE,
  GPU_OP_SCATTER,
  GPU_OP_TAKE_ALONG_AXIS,
  GPU_OP_PUT_ALONG_AXIS,
  GPU_OP_SCATTER_ADD_AXIS,
  GPU_OP_SLICE,
  GPU_OP_SLICE_UPDATE,
  GPU_OP_GATHER_MM,
  GPU_OP_GATHER_QMM,
  GPU_OP_SOLVE_TRIANGULAR
};

/* ---- copy_gpu.c ---- */

/* The unsigned dtype of as many bytes: elements that are only moved. */
pons_dtype gpu_moved_as(pons_dtype d);
/* Elements of `from` to where `to` with its strides says; both of one shape. */
error *gpu_copy_to(const gpu_backend *b, const operand *from, const operand *to);
/* What a result is before it is updated; nothing is copied if it is written over that. */
error *gpu_copy_updated(const gpu_backend *b, const operand *from, const operand *to);
/* The function k_<name>_ of a pons_scatter_mode; NULL: elements are replaced. */
const char *gpu_scatter_join(int mode);

/* ---- custom_gpu.c: kernels of the user's own ---- */

/* A text in a language that the backend compiles, whose entry takes the results, the inputs and the numbers. The
   numbers behind those of the memories (FIRST) are GRID_NUMBERS, then for each shape, each list of strides the place
   where it stands, and for each number of axes that number, in the order of the parameters. */
typedef struct gpu_custom_text {
  const char *prologue, *options; /* as gpu_source has them */
  const char *entry, *text;
  bool narrow_shapes; /* sizes as int32_t */
  bool whole_groups;  /* the last groups of an axis have threads outside of the grid, as CUDA has it */
} gpu_custom_text;
enum {
  GRID_FIRST_GROUP = 0, /* of those this launch has; three numbers each */
  GRID_GROUPS = 3,
  GRID_GROUP_SIZE = 6, /* of all groups but the last ones of an axis */
  GRID_THREADS = 9,
  GRID_NUMBERS = 12
};
error *gpu_custom_launch(const gpu_backend *b, const launch *l, const gpu_custom_text *t);
/* Threads in a group: no more along an axis than the grid has. False: the grid is empty. */
bool gpu_custom_group(const custom_kernel_params *p, int64_t group[3]);
/* Runs it on inputs that are row-major, if the kernel wants that, behind what fills the results. */
typedef error *(*gpu_custom_run)(const gpu_backend *b, const launch *l, const operand *in,
                                 const void *context);
error *gpu_custom_prepared(const gpu_backend *b, const launch *l, gpu_custom_run run, const void *context);

/* ---- create_gpu.c ---- */

/* Every element becomes the one of these bits. */
error *gpu_fill(const gpu_backend *b, const operand *out, uint64_t bits);

/* conv_phases_gpu.c: "Convolution" by the first of the ways below that does not refuse; the last is for all that gpu_refuses_conv takes. */
error *gpu_conv_any(const gpu_backend *b, const launch *l);

/* ---- fused.c: elementwise kernels, generated ---- */

/* No language of GPUs has a use for it. */
#define GPU_CANNOT_HOLD (1u << PONS_COMPLEX128)
const char *gpu_refuses_kernel(const gpu_backend *b, const kernel *k);
error *gpu_run_kernel(const gpu_backend *b, const kernel *k, const operand *in, const operand *out);
/* Numbers in a memory of their own, where they are too many to be handed over by value; *memory is to be given back behind the
   launch, also when this fails. */
error *gpu_memory_of_numbers(gpu_call *c, int count, const int64_t *numbers, void **memory);
/* interpret_gpu.c: the same by a text that does for all. */
error *gpu_interpret(const gpu_backend *b, const kernel *k, const operand *in, const operand *out);

/* norm_vjp_gpu.c: either gradient, with something added to that of x. */
error *gpu_norm_vjp_adding(const gpu_backend *b, const launch *l, const operand *added);
/* matmul_gpu.c: does the kernel do that behind a product (in[0], in[1]) or AddMM? Then: */
bool gpu_has_matmul_epilogue(const launch *l, const epilogue *e);
error *gpu_matmul_with(const gpu_backend *b, const launch *l, const epilogue *e);
error *gpu_addmm_with(const gpu_backend *b, const launch *l, const epilogue *e);

/* lines_gpu.c: for lines of y's dtype and size that a kernel makes of n operands; whether they are held. They aren't if what is written
   beside them does not lie so (not `wide`). The kernel's form, in which they are read so, if they lie so all the same, or one by one. */
bool gpu_hold_made_rows(gpu_call *c, int n, const operand *in, const operand *y, bool wide, struct kernel_form *form);
/* Rows around a call that reads rows: can it be launched with them? `more`: memories and numbers beside those of the launch. */
bool gpu_takes_rows(const gpu_backend *b, const launch *l, const chains *with, int more);
/* Behind a call that makes rows: are the results rows of as many elements? */
bool gpu_are_rows(const launch *l, const chains *with);
/* What a kernel behind a call that makes rows, if there is one, reads beside them: memories, behind those of the call. The rows' role is Y. */
void gpu_read_behind(gpu_call *c, const launch *l, const chains *with);
/* The next numbers, `first` of those from gpu_begin_numbers on: a step along a row for each of these, and then a walk over their rows. */
void gpu_number_behind(gpu_call *c, const launch *l, const chains *with, int first);
/* How they and the results lie for a thread that has 16 bytes of a row at once. */
struct kernel_form gpu_form_behind(const launch *l, const chains *with);

/* lines_gpu.c: with rows around it. */
bool gpu_softmax_takes(const gpu_backend *b, const launch *l, const chains *with);
bool gpu_log_sum_exp_takes(const gpu_backend *b, const launch *l, const chains *with);
bool gpu_cross_entropy_takes(const gpu_backend *b, const launch *l, const chains *with);
error *gpu_softmax_with(const gpu_backend *b, const launch *l, const chains *with);
error *gpu_log_sum_exp_with(const gpu_backend *b, const launch *l, const chains *with);
error *gpu_cross_entropy_with(const gpu_backend *b, const launch *l, const chains *with);

/* norm_gpu.c: does a norm run with these? Then: what is made in front is kept where that has a second result. */
bool gpu_norms_with(const gpu_backend *b, const launch *l, const chains *with);
error *gpu_rms_norm_with(const gpu_backend *b, const launch *l, const chains *with);
error *gpu_layer_norm_with(const gpu_backend *b, const launch *l, const chains *with);

/* reduce_gpu.c: does "Reduce" run with these? Then: */
bool gpu_reduces_with(const gpu_backend *b, const launch *l, const chains *with);
error *gpu_reduce_with(const gpu_backend *b, const launch *l, const chains *with);

/* ---- kernels.def ---- */

/* What all the backend's devices have: whether a kernel is taken is decided before it is known where it runs. */
gpu_features gpu_common_features(const gpu_backend *b);
/* Why devices of these features can't compute with elements of a dtype they can hold, or NULL. */
const char *gpu_refuses_dtype(const gpu_features *f, pons_dtype d);
/* Why a kernel of ours can't take these operands, or NULL. `lacks`: 1 << dtype of each that it can't. */
const char *gpu_refuses_operands(const gpu_backend *b, const launch *l, unsigned lacks);

#define GPU_KERNEL(prim, name, lacks)                                    \
  const char *gpu_refuses_##name(const gpu_backend *b, const launch *l); \
  error *gpu_##name(const gpu_backend *b, const launch *l);
#include "backends/gpu/kernels.def"
#undef GPU_KERNEL
#endif
