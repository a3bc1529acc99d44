/* slots.c: what a case works on: a few arrays and a function, made by its prepare and forgotten after it. */
#include "cases.h"
#include <string.h>
#include <time.h>

static pons_array slots[SLOTS];
static pons_function function;

static clockid_t clock_in_use = CLOCK_MONOTONIC;
void count_processor_time(void) { clock_in_use = CLOCK_PROCESS_CPUTIME_ID; }

double seconds_now(void) {
  struct timespec t;
  clock_gettime(clock_in_use, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Work is done in order: what is read now was computed last. */
void settle(void) {
  static const float one = 1;
  if (strcmp(pons_default_device(), "cpu") == 0) return;
  pons_item(pons_negative(pons_array_from(&one, PONS_SCALAR, PONS_FLOAT32)));
}

pons_array slot(int i) { return slots[i]; }

void set_slot(int i, pons_array a) {
  pons_set(&slots[i], a);
  pons_eval(a);
}

void set_function(pons_function f) { function = f; }
pons_function the_function(void) { return function; }

void forget(void) {
  for (int i = 0; i < SLOTS; i++) pons_set(&slots[i], NULL);
  pons_function_release(function);
  function = NULL;
  pons_clear_cache();
}

pons_array uniform(pons_shape shape, pons_dtype dtype, uint64_t seed) {
  pons_array x =
      pons_random_uniform(pons_float(-1), pons_float(1), shape, PONS_FLOAT32, pons_random_key(seed));
  return pons_astype(x, dtype);
}

bool compile_callback(pons_callback callback) {
  pons_function plain = pons_function_new(callback, 1, NULL, NULL);
  function = plain ? pons_compile(plain) : NULL;
  pons_function_release(plain);
  return function != NULL;
}

double time_calls(int n_in, int runs) {
  double start = seconds_now();
  for (int i = 0; i < runs && pons_ok(); i++) {
    pons_scope s = pons_scope_open();
    pons_array y;
    pons_call(function, slots, n_in, &y, 1);
    pons_eval(y);
    pons_scope_close(s);
  }
  settle();
  return seconds_now() - start;
}
