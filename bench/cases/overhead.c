/* overhead.c: what the library itself costs, beside the work: nodes, plans, calls, the process, the file.
   Arrays are tiny, so that nothing else counts. */
#include "cases.h"
#include <dlfcn.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NODES = 10000, ADDS = 1000, STEPS = 200 };

bool prepare_tiny(const bench_case *c) {
  (void)c;
  set_slot(0, uniform(PONS_SHAPE(4, 4), PONS_FLOAT32, 1));
  set_slot(1, pons_scalar(1, PONS_FLOAT32));
  return pons_ok();
}

/* ---- nodes: made and freed, not computed ---- */

double round_nodes(const bench_case *c, int runs) {
  (void)c;
  double start = seconds_now();
  for (int run = 0; run < runs; run++) {
    pons_scope s = pons_scope_open();
    pons_array x = slot(0);
    for (int i = 0; i < NODES; i++) x = pons_add(x, slot(0));
    pons_scope_close(s);
  }
  return (seconds_now() - start) / NODES;
}

/* ---- graphs built and computed ---- */

/* A scalar plus 1, a thousand times over, then one eval. */
double round_lazy_adds(const bench_case *c, int runs) {
  (void)c;
  double start = seconds_now();
  for (int run = 0; run < runs && pons_ok(); run++) {
    pons_scope s = pons_scope_open();
    pons_array x = slot(1);
    for (int i = 0; i < ADDS; i++) x = pons_add(x, slot(1));
    pons_eval(x);
    pons_scope_close(s);
  }
  return seconds_now() - start;
}

static void adds(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  *out = in[0];
  for (int i = 0; i < ADDS; i++) *out = pons_add(*out, in[0]);
}

bool prepare_adds(const bench_case *c) {
  (void)c;
  set_slot(0, pons_scalar(1, PONS_FLOAT32));
  return compile_callback(adds) && pons_ok();
}

double round_call(const bench_case *c, int runs) {
  (void)c;
  return time_calls(1, runs);
}

static pons_array wave(pons_array x) { /* four nodes that become part of one kernel */
  return pons_add(pons_tanh(pons_multiply(x, slot(0))), pons_sin(x));
}

/* Building and computing count. */
double round_graph(const bench_case *c, int runs) {
  (void)c;
  double start = seconds_now();
  for (int run = 0; run < runs && pons_ok(); run++) {
    pons_scope s = pons_scope_open();
    pons_array x = slot(0);
    for (int i = 0; i < NODES; i++) x = pons_add(x, slot(0));
    pons_eval(x);
    pons_scope_close(s);
  }
  return seconds_now() - start;
}

static pons_array product(pons_array x) { return pons_matmul(x, slot(0)); } /* each a call of its own */

/* The evaluation alone counts. */
static double eval_chain(pons_array (*link)(pons_array), int links, int runs) {
  double seconds = 0;
  for (int run = 0; run < runs && pons_ok(); run++) {
    pons_scope s = pons_scope_open();
    pons_array x = slot(0);
    for (int i = 0; i < links; i++) x = link(x);
    double start = seconds_now();
    pons_eval(x);
    seconds += seconds_now() - start;
    pons_scope_close(s);
  }
  return seconds;
}

double round_eval_waves(const bench_case *c, int runs) {
  (void)c;
  return eval_chain(wave, NODES / 4, runs);
}
double round_eval_products(const bench_case *c, int runs) {
  (void)c;
  return eval_chain(product, NODES, runs);
}

/* ---- one small op, from call to value ---- */

double round_one_op(const bench_case *c, int runs) {
  (void)c;
  double start = seconds_now();
  for (int run = 0; run < runs; run++) {
    pons_scope s = pons_scope_open();
    pons_eval(pons_add(slot(0), slot(0)));
    pons_scope_close(s);
  }
  return seconds_now() - start;
}

/* ---- a kept plan ---- */

static void many_products(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  *out = in[0];
  for (int i = 0; i < STEPS; i++) *out = pons_matmul(*out, in[0]);
}

static void kernels_and_products(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  *out = in[0];
  for (int i = 0; i < STEPS / 2; i++) *out = pons_tanh(pons_matmul(*out, in[0]));
}

bool prepare_products(const bench_case *c) { return compile_callback(many_products) && prepare_tiny(c); }
bool prepare_mixed(const bench_case *c) { return compile_callback(kernels_and_products) && prepare_tiny(c); }

/* On the device that accepts everything and does nothing: the plan alone. */
double round_replay_nothing(const bench_case *c, int runs) {
  (void)c;
  const char *before = pons_default_device();
  pons_set_default_device("null");
  double seconds = time_calls(1, runs);
  pons_set_default_device(before);
  return seconds;
}

/* ---- the process and the library ---- */

int first_result(void) {
  pons_array sum = pons_add(pons_float(1), pons_float(2));
  return pons_item(sum) == 3 ? 0 : 1;
}

extern char **environ;

/* This program again, for one addition: from before it is started until it has ended. */
double round_process(const bench_case *c, int runs) {
  (void)c;
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  if (n < 0) pons_fail("bench", "no /proc/self/exe to start again");
  path[n < 0 ? 0 : n] = 0;
  char option[] = "--first-result", *words[] = {path, option, NULL};
  double start = seconds_now();
  for (int i = 0; i < runs && pons_ok(); i++) {
    pid_t process;
    int status = 1;
    if (posix_spawn(&process, path, NULL, NULL, words, environ) || waitpid(process, &status, 0) < 0 || status)
      pons_fail("bench", "%s --first-result did not succeed", path);
  }
  return seconds_now() - start;
}

/* Megabytes of the shared library in use, without symbols for debuggers. */
double library_size(const bench_case *c) {
  (void)c;
  Dl_info info;
  char stripped[] = "/tmp/pons-stripped-XXXXXX", command[8192];
  struct stat size = {0};
  int file = mkstemp(stripped);
  if (file < 0 || !dladdr(pons_version(), &info)) return NAN; /* a text that lies in the library */
  snprintf(command, sizeof command, "strip -o '%s' '%s'", stripped, info.dli_fname);
  bool done = system(command) == 0 && stat(stripped, &size) == 0;
  close(file);
  unlink(stripped);
  return done ? (double)size.st_size * 1e-6 : NAN;
}
