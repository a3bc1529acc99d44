/* ops_for_tests.h: how tests of ops compare: a result by its text, a graph by the names of its primitives, an
   error by its message. For *_test.c of this folder alone. */
#ifndef OPS_FOR_TESTS_H
#define OPS_FOR_TESTS_H
#include "ops/ops.h"
#include <pons/pons.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* "[[1, 2], [3, 4]] int32": as MLX prints, on one line. */
static inline void check(pons_array a, const char *expected) {
  char *text = pons_to_text(a), line[4000];
  if (!text) print_error("%s\n", pons_error());
  assert_non_null(text);
  size_t n = 0;
  bool blank = false;
  for (const char *t = text ? text + strlen("array(") : ""; *t && n + 2 < sizeof line;
       t++) { /* runs of white space become one blank */
    const bool space = *t == ' ' || *t == '\n';
    if (!space || !blank) line[n++] = space ? ' ' : *t;
    blank = space;
  }
  line[n] = 0;
  char *dtype = strstr(line, ", dtype=");
  assert_non_null(dtype);
  memmove(dtype + 1, dtype + strlen(", dtype="), strlen(dtype + strlen(", dtype=")) + 1);
  *dtype = ' ';
  line[strlen(line) - 1] = 0;
  pons_free(text);
  assert_string_equal(line, expected);
}

static inline void check_error(pons_array a, const char *expected) {
  assert_non_null(pons_error_of(a));
  assert_string_equal(pons_error_of(a), expected);
  pons_clear_error();
}

/* "Reduce Squeeze": the primitives a is made of, operands first. */
static inline void check_graph(pons_array a, const char *expected) {
  tape t;
  assert_true(tape_walk(&t, &a, 1, NULL, 0));
  text names = {0};
  for (int64_t i = 0; i < t.count; i++)
    if (t.at[i].node->prim && t.at[i].node->prim != &prim_input && t.at[i].node->prim != &prim_output)
      text_add(&names, names.length ? " %s" : "%s", t.at[i].node->prim->name);
  tape_free(&t);
  assert_string_equal(names.at ? names.at : "", expected);
  text_free(&names);
}

/* 0, 1, 2 ... as float32 of a shape; and a placeholder of it, for graphs. */
static inline pons_array counted(pons_shape shape) {
  int64_t size = 1;
  for (int i = 0; i < shape.count; i++) size *= shape.at[i];
  return pons_reshape(pons_arange(0, (double)size, 1, PONS_FLOAT32), shape);
}
static inline pons_array symbol(pons_shape shape, pons_dtype dtype) {
  return node_placeholder(dtype, shape.count, shape.at);
}
#define INTS(...) \
  pons_array_from((int32_t[]){__VA_ARGS__}, PONS_SHAPE(sizeof((int32_t[]){__VA_ARGS__}) / 4), PONS_INT32)
#define FLOATS(...) \
  pons_array_from((float[]){__VA_ARGS__}, PONS_SHAPE(sizeof((float[]){__VA_ARGS__}) / 4), PONS_FLOAT32)

static inline int close_scope(void **state) {
  pons_scope_close((pons_scope){(size_t)(uintptr_t)*state});
  pons_clear_error();
  return 0;
}
static inline int open_scope(void **state) {
  *state = (void *)(uintptr_t)pons_scope_open().mark;
  return 0;
}
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scope, close_scope)
#endif
