/* main.c: options; measures each case and tells. */
#include "cases.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_ROUNDS = 1000, MOST_ROWS = 256 };

static result rows[MOST_ROWS];
static int n_rows;

/* ---- cases ---- */

static bool add_row(const options *o, const result *r) {
  if (r->fine) {
    report_row(o, r, n_rows == 0);
    if (n_rows < MOST_ROWS) rows[n_rows++] = *r;
  } else {
    fprintf(stderr, "bench: %s: %s\n", r->name, pons_error() ? pons_error() : "unknown reason");
    pons_clear_error();
  }
  return r->fine;
}

static bool run_case(const bench_case *c, const options *o, result *r) {
  pons_scope s = pons_scope_open();
  measure(c, o, r);
  forget();
  pons_scope_close(s);
  return add_row(o, r);
}

/* How many times faster than with one thread. */
static bool run_alone(const bench_case *c, const options *o, const result *all) {
  static bench_case scaling;
  options alone = *o;
  result r;
  alone.threads = 1;
  pons_set_threads(1);
  pons_scope s = pons_scope_open();
  bool fine = measure(c, &alone, &r);
  forget();
  pons_scope_close(s);
  pons_set_threads(o->threads);
  if (!fine) return add_row(o, &r);
  scaling = (bench_case){.unit = "x", .is_rate = true, .goal = {GOAL_VALUE, true, 0.9 * o->threads}};
  result gain = {.of = &scaling, .fine = true, .value = all->value / r.value, .limit = NAN, .ratio = NAN};
  for (int i = 0; i < MOST_PEERS; i++) gain.peer[i] = NAN;
  gain.met = gain.value >= scaling.goal.bound;
  snprintf(gain.name, sizeof gain.name, "%s, %d threads over 1", c->name, o->threads);
  return add_row(o, &gain);
}

static bool answers_to(const bench_case *c, const options *o, const char *wanted) {
  return o->exact ? strcmp(c->name, wanted) == 0 : strstr(c->name, wanted) != NULL;
}

static bool is_wanted(const bench_case *c, const options *o) {
  for (int i = 0; i < o->n_only; i++)
    if (answers_to(c, o, o->only[i])) return true;
  return o->n_only == 0;
}

/* Each name that is asked for is a case's. */
static bool are_known(const options *o) {
  for (int i = 0; i < o->n_only; i++) {
    const bench_case *c = bench_cases;
    while (c->name && !answers_to(c, o, o->only[i])) c++;
    if (c->name) continue;
    fprintf(stderr, "bench: there is no case called %s%s\n", o->exact ? "" : "... ", o->only[i]);
    return false;
  }
  return true;
}

static bool run_all(const options *o) {
  bool fine = true;
  for (const bench_case *c = bench_cases; c->name; c++) {
    if (!is_wanted(c, o)) continue;
    if (c->for_gpu && strcmp(pons_default_device(), "cpu") == 0) continue;
    result r;
    bool went = run_case(c, o, &r);
    if (went && c->scales && o->threads > 1) went = run_alone(c, o, &r);
    fine = fine && went;
  }
  return fine;
}

/* ---- options ---- */

static void usage(FILE *to) {
  fputs(
      "usage: cases [--rounds N] [--seconds S] [--threads N] [--only TEXT]... [--exact] [--cpu-time]\n"
      "             [--device NAME [--flops F] [--bytes B]] [--json] [--plot FILE] [--peer COMMAND]...\n"
      "\n"
      "Measures the library case by case, each beside its limit: what the machine reaches in multiply-adds, "
      "reading\n"
      "or copying, or what the best peer reaches. Prints case, value, unit, limit, value over limit, goal, "
      "whether\n"
      "it is met.\n"
      "\n"
      "  --rounds N      rounds per case, of which the best counts, 1 to 1000 (7)\n"
      "  --seconds S     length of a round, 0.001 to 10 (0.03)\n"
      "  --threads N     of Pons and of the limits (those of the machine)\n"
      "  --cpu-time      one thread, and the processor's time in place of the clock's: what others do on the\n"
      "                  machine counts less\n"
      "  --only TEXT     only cases whose name holds TEXT; with --exact, is TEXT; may be said more than once\n"
      "  --device NAME   where it runs (the default device; \"pons info\" lists them)\n"
      "  --flops F       float32 operations per second that the device can do: the limit, if it is not the CPU\n"
      "  --bytes B       and bytes of its memory, read or written\n"
      "  --json          a JSON list of case, value, unit, limit, ratio, goal, met, and peers if there are "
      "any\n"
      "  --plot FILE     an SVG of all that has a limit\n"
      "  --peer COMMAND  a process that is asked for rounds of the same cases (bench/peers.py)\n",
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
    if (strcmp(word, "--exact") == 0) {
      o->exact = true;
      continue;
    }
    if (strcmp(word, "--cpu-time") == 0) {
      count_processor_time();
      o->threads = 1;
      continue;
    }
    bool fine = *next != 0;
    if (strcmp(word, "--rounds") == 0)
      fine = fine && (o->rounds = atoi(next)) >= 1 && o->rounds <= MOST_ROUNDS;
    else if (strcmp(word, "--seconds") == 0)
      fine = fine && (o->seconds = atof(next)) >= 0.001 && o->seconds <= 10;
    else if (strcmp(word, "--threads") == 0)
      fine = fine && (o->threads = atoi(next)) >= 1;
    else if (strcmp(word, "--only") == 0)
      fine = fine && o->n_only < MOST_ONLY && (o->only[o->n_only++] = next);
    else if (strcmp(word, "--device") == 0)
      o->device = next;
    else if (strcmp(word, "--flops") == 0)
      fine = fine && (o->flops = atof(next)) > 0;
    else if (strcmp(word, "--bytes") == 0)
      fine = fine && (o->bytes = atof(next)) > 0;
    else if (strcmp(word, "--plot") == 0)
      o->plot = next;
    else if (strcmp(word, "--peer") == 0) {
      if (fine && !peer_start(next)) {
        fprintf(stderr, "bench: %s: did not start\n", next);
        return 2;
      }
    } else
      fine = false;
    if (!fine) {
      fprintf(stderr, "bench: %s %s: no such option, or not a value for it\n", word, next);
      usage(stderr);
      return 2;
    }
    i++;
  }
  return 0;
}

int main(int n, char **words) {
  if (n == 2 && strcmp(words[1], "--first-result") == 0) return first_result();
  options o = {.rounds = 7, .seconds = 0.03, .flops = NAN, .bytes = NAN};
  setenv("PONS_NULL_DEVICE", "1", 0); /* what is left when kernels do nothing */
  int stop = parse(n, words, &o);
  if (stop) return stop == 1 ? 0 : 2;
  if (!are_known(&o)) return 2;
  if (o.threads)
    pons_set_threads(o.threads);
  else
    o.threads = pons_threads();
  if (!limits_open(o.threads) || (o.device && !pons_set_default_device(o.device))) {
    fprintf(stderr, "bench: %s\n", pons_error() ? pons_error() : "too many threads");
    return 2;
  }
  report_head(&o);
  bool fine = run_all(&o);
  report_end(&o);
  if (o.plot && !plot_write(o.plot, rows, n_rows)) {
    fprintf(stderr, "bench: %s could not be written\n", o.plot);
    fine = false;
  }
  peers_end();
  limits_close();
  return fine ? 0 : 1;
}
