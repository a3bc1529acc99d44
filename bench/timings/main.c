/* main.c: measures each case and prints a table: case, median, spread. */
#include "timings.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_ROUNDS = 1000 };

typedef struct options {
  int rounds;
  double seconds; /* of one round, at least */
  const char *only, *device;
  bool json;
} options;

double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- what a case works on ---- */

static pons_array slots[4];
static pons_function function;

pons_array remembered(int slot) { return slots[slot]; }
void remember(int slot, pons_array a) {
  pons_set(&slots[slot], a);
  pons_eval(a);
}
void remember_function(pons_function f) { function = f; }
pons_function remembered_function(void) { return function; }
void forget(void) {
  for (int i = 0; i < 4; i++) pons_set(&slots[i], NULL);
  pons_function_release(function);
  function = NULL;
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
  return seconds_now() - start;
}

pons_function compiled(pons_callback callback) {
  pons_function plain = pons_function_new(callback, 1, NULL, NULL);
  pons_function fast = plain ? pons_compile(plain) : NULL;
  pons_function_release(plain);
  return fast;
}

/* ---- measuring ---- */

typedef struct result {
  double median, low, high; /* low and high: quartiles */
  bool fine;
} result;

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* As many runs make a round as fill its time: short work is not measured by a clock's tick. */
static int runs_per_round(const timing *t, double seconds) {
  int runs = 1;
  t->round(1); /* plans are made, caches filled */
  while (pons_ok() && runs < 1 << 20) {
    double took = t->round(runs);
    if (took >= seconds / 2) break;
    runs *= took > seconds / 20 ? 2 : 8;
  }
  return runs;
}

static result measure(const timing *t, const options *o) {
  static double values[MOST_ROUNDS];
  result r = {0, 0, 0, false};
  if (t->prepare && !t->prepare()) return r;
  int runs = runs_per_round(t, o->seconds);
  for (int i = 0; i < o->rounds && pons_ok(); i++) {
    double seconds = t->round(runs) / runs;
    values[i] = t->is_rate ? t->scale / seconds : t->scale * seconds;
  }
  if (t->finish) t->finish();
  qsort(values, (size_t)o->rounds, sizeof *values, by_value);
  r.median = (values[(o->rounds - 1) / 2] + values[o->rounds / 2]) / 2;
  r.low = values[o->rounds / 4];
  r.high = values[o->rounds - 1 - o->rounds / 4];
  r.fine = pons_ok();
  return r;
}

/* ---- printing ---- */

static void print_row(const timing *t, const result *r, bool json, bool first) {
  if (json && r->fine)
    printf("%s\n  {\"case\": \"%s\", \"unit\": \"%s\", \"median\": %.6g, \"low\": %.6g, \"high\": %.6g}",
           first ? "" : ",", t->name, t->unit, r->median, r->low, r->high);
  else if (json)
    printf("%s\n  {\"case\": \"%s\", \"unit\": \"%s\", \"median\": null}", first ? "" : ",", t->name,
           t->unit);
  else if (r->fine)
    printf("%-44s %10.4g %-9s %10.4g .. %.4g\n", t->name, r->median, t->unit, r->low, r->high);
  if (!r->fine) fprintf(stderr, "timings: %s: %s\n", t->name, pons_error() ? pons_error() : "unknown reason");
  fflush(stdout);
  pons_clear_error();
}

static bool run_list(const timing *list, const options *o, bool *first) {
  bool fine = true;
  for (const timing *t = list; t->name; t++) {
    if (o->only && !strstr(t->name, o->only)) continue;
    pons_scope s = pons_scope_open();
    result r = measure(t, o);
    forget();
    print_row(t, &r, o->json, *first);
    *first = false;
    fine = fine && r.fine;
    pons_scope_close(s);
  }
  return fine;
}

static void usage(FILE *to) {
  fputs("usage: timings [--rounds N] [--seconds S] [--only TEXT] [--device NAME] [--json]\n"
        "\n"
        "Measures the library: overhead of nodes and plans, throughput of kernels, a training step. Prints for\n"
        "each case the median and the quartiles of N rounds; a round repeats the work until it has taken\n"
        "about S seconds.\n"
        "\n"
        "  --rounds N     rounds per case, 1 to 1000 (15)\n"
        "  --seconds S    length of a round, 0.001 to 10 (0.05)\n"
        "  --only TEXT    only cases whose name holds TEXT\n"
        "  --device NAME  where it runs (the default device; \"pons info\" lists them)\n"
        "  --json         a JSON array instead of a table\n",
        to);
}

/* 0: go on; 1: help was printed; 2: wrong usage, told. */
static int parse(int n, char **words, options *o) {
  for (int i = 1; i < n; i++) {
    const char *word = words[i], *next = i + 1 < n ? words[i + 1] : "";
    if (strcmp(word, "--help") == 0) return usage(stdout), 1;
    if (strcmp(word, "--json") == 0) {
      o->json = true;
      continue;
    }
    bool fine = *next != 0;
    if (strcmp(word, "--rounds") == 0)
      fine = fine && (o->rounds = atoi(next)) >= 1 && o->rounds <= MOST_ROUNDS;
    else if (strcmp(word, "--seconds") == 0)
      fine = fine && (o->seconds = atof(next)) >= 0.001 && o->seconds <= 10;
    else if (strcmp(word, "--only") == 0) o->only = next;
    else if (strcmp(word, "--device") == 0) o->device = next;
    else fine = false;
    if (!fine) {
      fprintf(stderr, "timings: %s %s: no such option, or not a value for it\n", word, next);
      usage(stderr);
      return 2;
    }
    i++;
  }
  return 0;
}

int main(int n, char **words) {
  options o = {.rounds = 15, .seconds = 0.05};
  setenv("PONS_NULL_DEVICE", "1", 0); /* what is left when kernels do nothing */
  int stop = parse(n, words, &o);
  if (stop) return stop == 1 ? 0 : 2;
  if (o.device && !pons_set_default_device(o.device)) {
    fprintf(stderr, "timings: %s\n", pons_error());
    return 2;
  }
  bool first = true;
  if (o.json) printf("[");
  else
    printf("Pons %s, %d threads\n\n%-44s %10s %-9s %s\n", pons_version(), pons_threads(), "case", "median",
           "", "quartiles");
  bool fine = run_list(small_timings, &o, &first);
  fine = run_list(large_timings, &o, &first) && fine;
  fine = run_list(digits_timings, &o, &first) && fine;
  if (o.json) printf("\n]\n");
  return fine ? 0 : 1;
}
