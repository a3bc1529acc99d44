/* row_loops.h: what elementwise.isa.c and elementwise_complex.c write their loops and tables with. Part of
   backends/cpu/.

   Whoever includes it defines BOOL_LOOPS(name), INTEGER_LOOPS(name), FLOAT_LOOPS(name) and COMPLEX_LOOPS(name): the
   table's entries for those dtypes, or nothing; and INDEPENDENT, what is said of a loop before it. */
#ifndef ROW_LOOPS_H
#define ROW_LOOPS_H
#include "backends/cpu/loops.h"
#include "kernel/scalar.h"

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define LOOP_(name, suffix) loop_##name##_##suffix
#define LOOP(name, suffix) LOOP_(name, suffix)
#define LOOP_HEAD(name, suffix) \
  static void LOOP(name, suffix)(void *out, const void *p, const void *q, const void *r, int64_t n)
#define CAST_FROM(suffix) PASTE(from_, suffix)
#define IF_0(...)
#define IF_1(...) __VA_ARGS__
#define IF(condition, ...) PASTE(IF_, condition)(__VA_ARGS__)
#define COMPUTES_SAME 1
#define COMPUTES_BOOL 1
#define COMPUTES_REAL 1
#define COMPUTES_CAST 0

/* ---- entries of the table ---- */

#define TAKEN(name, suffix, dtype) [PONS_##dtype] = LOOP(name, suffix),
#define LOOPS(...) {[PONS_FLOAT16] = NULL, __VA_ARGS__}, /* halves have none; a list must not be empty */
#define LOOPS_ANY(name) LOOPS(BOOL_LOOPS(name) INTEGER_LOOPS(name) FLOAT_LOOPS(name) COMPLEX_LOOPS(name))
#define LOOPS_NUMERIC(name) LOOPS(INTEGER_LOOPS(name) FLOAT_LOOPS(name) COMPLEX_LOOPS(name))
#define LOOPS_REALS(name) LOOPS(BOOL_LOOPS(name) INTEGER_LOOPS(name) FLOAT_LOOPS(name))
#define LOOPS_FLOATING(name) LOOPS(FLOAT_LOOPS(name) COMPLEX_LOOPS(name))
#define LOOPS_FLOATS(name) LOOPS(FLOAT_LOOPS(name))
#define LOOPS_BITS(name) LOOPS(BOOL_LOOPS(name) INTEGER_LOOPS(name))
#define LOOPS_INTEGERS(name) LOOPS(INTEGER_LOOPS(name))
#define LOOPS_BOOLS(name) LOOPS(BOOL_LOOPS(name))
#define LOOPS_COMPLEX(name) LOOPS(COMPLEX_LOOPS(name))
#define ROW_LOOPS(name, types, result) [ROW_##name] = PASTE(ROW_LOOPS_, COMPUTES_##result)(name, types)
#define ROW_LOOPS_1(name, types) LOOPS_##types(name)
#define ROW_LOOPS_0(name, types) {NULL}, /* `cast` has a table of its own */
#endif
