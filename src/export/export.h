/* export.h: the door of export/: functions in MLX's .mlxfn files.

     file ─ file_cursor.c ─ mlxfn_read.c ─► mlxfn: checked, no arrays ─ mlxfn_build.c ─► nodes ─ imported.c
                           │                  └─ file_listing.c: listings          └─ by_node.c: one by one
                       layouts.c: what each primitive stores, per release
                           │
     nodes ─ lower.c: what the release lacks, taken apart ─ mlxfn_write.c ─► file ─ exported.c
                                                                           └─ told.c: to a callback
     nodes ─ graph_dot.c ─► Graphviz

   Uses base/, graph/ and, through the public interface, run/. */
#ifndef EXPORT_H
#define EXPORT_H
#include "graph/graph.h"
#include <pons/export.h>

/* ---- layouts (layouts.def, layouts.c) ---- */

/* A release as a number that orders: 0.26.2 is 2602. */
#define RELEASE(minor, patch) ((minor)*100 + (patch))
enum {
  RELEASE_OLDEST = RELEASE(22, 0),
  RELEASE_NEWEST = RELEASE(32, 4),
  RELEASE_METADATA = RELEASE(32, 1),
  RELEASE_FLOAT64 = RELEASE(23, 0)
};
#define RELEASE_NEWEST_NAME "0.32.4"
/* The number of "0.26.2"; *exact is false for anything but a plain release (development builds, other
   programs). */
int release_number(const char *text, bool *exact);
/* Releases from which on something in the layout differs, newest first, ended by 0. */
extern const int layout_releases[];

/* Where MLX runs a primitive. What runs on GPUs alone is taken apart in files for a CPU, if it can be. */
typedef enum layout_place { PLACE_ANY, PLACE_GPU, PLACE_ONLY_GPU /* there is no other form */ } layout_place;
typedef struct layout {
  const char *name;
  int least, most; /* operands; most -1: no bound */
  int since, before;
  layout_place place;
  const char *state;
} layout;
/* NULL: `release` has no primitive of this name. */
const layout *layout_find(const char *name, int release);
/* Walks all rows: NULL after the last. */
const layout *layout_at(int index);

/* One item of layout.state, see layouts.def. */
typedef struct layout_field {
  char type; /* '=': implied value, '~': as another field, '%': by the result's size; else as layouts.def has it */
  const char *name;
  int name_length;
  int64_t implied;
  const char *other; /* '~': that field's name */
  int other_length;
  const char *names; /* enum: "sum,none" and then ')' */
  int limit; /* enum: number of names */
} layout_field;
/* Reads the item at *state and moves on; false at the end. */
bool layout_next(const char **state, layout_field *out);
/* The name of enum value `i`; its length in *length. */
const char *layout_enum_name(const layout_field *f, int64_t i, int *length);

/* ---- bytes in (file_cursor.c) ---- */

/* Reads forward through a file or memory. The first fault sticks: from then on every read gives zeros. */
typedef struct cursor {
  const uint8_t *memory; /* NULL: read from fd */
  int fd;
  uint64_t size, at;
  uint8_t *window; /* fd: bytes window_at .. window_at + window_count of the file */
  uint64_t window_at, window_count;
  bool failed, no_memory;
  uint64_t fault_at;
  char fault[240];
} cursor;
void cursor_fail(cursor *c, uint64_t at, const char *format, ...) PRINTF_LIKE(3, 4);
static inline uint64_t cursor_left(const cursor *c) { return c->size - c->at; }
uint8_t cursor_u8(cursor *c);
bool cursor_bool(cursor *c);
int32_t cursor_i32(cursor *c);
int64_t cursor_i64(cursor *c);
uint64_t cursor_u64(cursor *c);
float cursor_f32(cursor *c);
double cursor_f64(cursor *c);
/* A count of items of at least `item` bytes each, which must fit in what is left and in an int32. */
int32_t cursor_count(cursor *c, uint64_t item, const char *what);
bool cursor_bytes(cursor *c, void *out, uint64_t count);
void cursor_skip(cursor *c, uint64_t count);
/* count bytes at `at`, wherever the cursor is. */
bool cursor_read_at(cursor *c, uint64_t at, void *out, uint64_t count);

/* ---- a file, read and checked (mlxfn_read.c) ---- */

/* Memory that is freed at once with the file. */
typedef struct file_pool {
  struct file_pool_block *last;
  size_t used;
} file_pool;
void *file_pool_alloc(file_pool *p, size_t bytes); /* zeroed; NULL: no memory */
void file_pool_free(file_pool *p);

typedef struct file_array { /* dtype and shape of a value */
  uint64_t id;
  pons_dtype dtype;
  int ndim;
  const int64_t *dims;
  int32_t constant; /* index of mlxfn.constants, or -1 */
} file_array;

typedef struct file_constant {
  file_array type;
  uint64_t data_at, bytes;
  pons_array array; /* kept; NULL until loaded */
} file_constant;

typedef struct file_state { /* one field of a primitive's state */
  layout_field field;
  int64_t integer; /* i b D(code) Q e =; items of a list, bytes of a string, presence of an optional */
  double real; /* f d O */
  const int64_t *list; /* I L U 3 S; V: pairs of tag and value (floats as their bits) */
  const char *text; /* s, ends in 0 */
} file_state;

typedef enum entry_kind { ENTRY_OP, ENTRY_INPUT, ENTRY_CONSTANT } entry_kind;
typedef struct file_entry {
  entry_kind kind;
  uint64_t at; /* byte of the file */
  const layout *layout;
  const prim *prim; /* NULL: this library has none */
  int32_t n_in, n_out, n_state;
  const int32_t *in; /* values */
  const int32_t *out; /* values */
  const file_state *state;
  int32_t stream[3];
} file_entry;

typedef struct signature { /* one traced graph */
  uint64_t at;
  int32_t n_in, n_keys, n_out, n_entries;
  const char **keys;
  file_array *values; /* the first n_in are the inputs */
  size_t n_values, values_room;
  const int32_t *out; /* values */
  file_entry *entries;
} signature;

typedef struct mlxfn {
  char *release_name;
  int release; /* the layout it was read with */
  bool shapeless;
  char *metadata;
  int32_t n_signatures;
  signature *signatures;
  int32_t n_constants;
  file_constant *constants;
  size_t constants_room;
  uint64_t size, trailing;
  file_pool pool;
} mlxfn;
/* Reads and checks all but the constants' data. NULL and an error with the byte at fault. */
mlxfn *mlxfn_read(cursor *c);
/* Loads the constants: the cursor's file must be the one that was read. */
bool mlxfn_load_constants(mlxfn *f, cursor *c);
void mlxfn_free(mlxfn *f);

/* ---- nodes from entries (mlxfn_build.c) ---- */

/* The record that the entry's state belongs to; NULL if this library has none. */
const prim *mlxfn_prim(const file_entry *e);
/* The graph of `s` on live inputs: results into out[s->n_out]. Recomputed dtypes and shapes are compared with
   those in the file. With `checking`, what primitives that are missing here give is a placeholder; else an
   error. False and an error if it can't. */
bool mlxfn_build(const mlxfn *f, const signature *s, const pons_array *in, pons_array *out, bool checking);

/* One operation of it: operands from `values`, results into them. `in` and `out`: room for as many as
   mlxfn_most_operands tells. */
bool mlxfn_build_operation(const mlxfn *f, const signature *s, const file_entry *e, pons_array *values,
                           pons_array *in, pons_array *out, bool checking);
void mlxfn_most_operands(const signature *s, int32_t *most_in, int32_t *most_out);

/* The operations of `s` on live inputs, each on every stream (by_node.c). False and an error if one can't be made. */
bool mlxfn_by_node(const mlxfn *f, const signature *s, const pons_array *in,
                   const struct pons_imported_nodes_args *a);

char *mlxfn_show(const mlxfn *f, const char *as);
/* {"kind": "sum", "axes": [0]}; with `numbers` {"kind": 2, "axes": [0]} */
void mlxfn_state_json(text *t, const file_entry *e, bool numbers);

/* Tells a->callback what stands in a file of one function (told.c). */
bool mlxfn_tell(cursor *c, const struct pons_export_args *a);

/* ---- graphs for a release (lower.c) ---- */

typedef struct target {
  int release;
  const char *release_name;
  bool gpu, shapeless;
} target;
const char *prim_file_name(const prim *p);
/* How `a`, made of `in`, is stored; NULL and why the target lacks it. */
const layout *target_layout(const target *t, const node *a, node *const *in, const char **why);
/* The outputs again, made of what the target has: what it lacks is taken apart, what changes no value is left
   out. False and an error that names the primitive and the release if that can't be. Results belong to the
   scope. */
/* A row of the elementwise table on operands of one dtype and shape. */
pons_array row_node(row r, int n, const pons_array *in);
bool target_lower(const target *t, const pons_array *out, int n_out, pons_array *lowered);

/* ---- bytes out (mlxfn_write.c) ---- */

typedef struct writer writer;
writer *writer_new(FILE *file, const target *t, const char *metadata); /* NULL: no memory */
/* One function; inputs are placeholders, positional and then in the order of the sorted keys. */
bool writer_function(writer *w, const pons_array *in, int n_in, const char *const *keys, int n_keys,
                     const pons_array *out, int n_out);
/* Puts the number of functions in its place and frees; false if something could not be written. */
bool writer_end(writer *w, int n_signatures);

#endif
