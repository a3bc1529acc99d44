/* timings.h: the parts of the program, in the order they are used:

       main.c      options; measures case after case, prints a table or JSON
       small.c     cases of overhead: nodes, plans, calls
       large.c     cases of throughput: memory, products, convolution
       digits.c    the training step of the digits network

   A case prepares its arrays, then runs round after round; each round says how many seconds counted. Uses the
   public interface alone. */
#ifndef TIMINGS_H
#define TIMINGS_H
#include <pons/pons.h>

typedef struct timing {
  const char *name; /* "matmul 1024 float32" */
  const char *unit; /* "ns/node" */
  /* The value printed is scale * seconds, or scale / seconds where more is better. */
  double scale;
  bool is_rate;
  bool (*prepare)(void);    /* false and an error if it can't; may be NULL */
  double (*round)(int runs); /* does its work `runs` times; seconds that counted */
  void (*finish)(void);     /* may be NULL */
} timing;

double seconds_now(void);
/* Arrays of a case, kept until forget(): slot 0 .. 3. */
pons_array remembered(int slot);
void remember(int slot, pons_array a); /* evaluated and kept */
void remember_function(pons_function f); /* taken over */
pons_function remembered_function(void);
void forget(void);
/* Seconds that `runs` calls of the function in memory on the arrays in slots 0 .. n_in-1 take, each
   evaluated. */
double time_calls(int n_in, int runs);
/* pons_function_new of a callback with one result and no payload, compiled. */
pons_function compiled(pons_callback callback);

extern const timing small_timings[], large_timings[], digits_timings[]; /* ended by name NULL */
#endif
