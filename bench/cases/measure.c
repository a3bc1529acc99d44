/* measure.c: one case: rounds of it, of its limit and of its peers, in turn, so that what slows the machine
   down for a while slows all of them. The best round of each counts. */
#include "cases.h"
#include <string.h>

static double run_bodies(const bench_case *c, int runs) {
  double start = seconds_now();
  for (int i = 0; i < runs && pons_ok(); i++) {
    pons_scope s = pons_scope_open();
    pons_array out[MOST_RESULTS];
    pons_eval_many(out, c->body(c, out));
    pons_scope_close(s);
  }
  settle();
  return seconds_now() - start;
}

static double run(const bench_case *c, int runs) {
  return c->round ? c->round(c, runs) : run_bodies(c, runs);
}

/* As many runs make a round as fill its time: short work is not measured by a clock's tick. By the clock: what a case
   returns may be the time of one of many things it does. */
static int runs_per_round(const bench_case *c, double seconds) {
  int runs = 1;
  run(c, 1); /* plans are made, caches filled */
  while (pons_ok() && runs < 1 << 20) {
    const double start = seconds_now();
    run(c, runs);
    const double took = seconds_now() - start;
    if (took >= seconds / 2) break;
    runs *= took > seconds / 20 ? 2 : 8;
  }
  return runs;
}

static double as_value(const bench_case *c, double seconds) {
  return c->is_rate ? c->scale * c->work / seconds : c->scale * seconds;
}

static bool better(const bench_case *c, double a, double b) { return b != b || (c->is_rate ? a > b : a < b); }

/* The limit in the unit of the case, from what the machine does per second. */
static double limit_value(const bench_case *c, double per_second) {
  double value = as_value(c, c->work / per_second);
  return c->most_limit > 0 && value > c->most_limit ? c->most_limit : value;
}

static void judge(const bench_case *c, result *r) {
  if (c->limit == LIMIT_PEER)
    for (int i = 0; i < peer_count(); i++)
      if (r->peer[i] == r->peer[i] && better(c, r->peer[i], r->limit)) r->limit = r->peer[i];
  r->ratio = r->value / r->limit;
  double judged = c->goal.of == GOAL_RATIO ? r->ratio : r->value;
  r->met = c->goal.of == GOAL_NONE || judged != judged ? -1
           : c->goal.at_least                          ? judged >= c->goal.bound
                                                       : judged <= c->goal.bound;
}

static void ask_peers(const bench_case *c, result *r) {
  for (int i = 0; i < peer_count(); i++) {
    double seconds = peer_round(i, c->name);
    if (seconds != seconds) continue;
    double value = c->value ? seconds : as_value(c, seconds);
    if (better(c, value, r->peer[i])) r->peer[i] = value;
  }
}

/* What is measured of the CPU is told of other devices. */
static double limit_of(const bench_case *c, const options *o) {
  if (strcmp(pons_default_device(), "cpu") == 0) return limit_try(c->limit, c->work, o->threads);
  return c->limit == LIMIT_FMA ? o->flops : c->limit == LIMIT_DOT ? (double)NAN : o->bytes;
}

bool measure(const bench_case *c, const options *o, result *r) {
  *r = (result){.of = c, .value = NAN, .limit = NAN, .ratio = NAN};
  snprintf(r->name, sizeof r->name, "%s", c->name);
  for (int i = 0; i < MOST_PEERS; i++) r->peer[i] = NAN;
  if (c->prepare && !c->prepare(c)) return false;
  int rounds = c->value ? 1 : o->rounds, runs = c->value ? 1 : runs_per_round(c, o->seconds);
  for (int i = 0; i < rounds && pons_ok(); i++) {
    if (c->limit > LIMIT_NONE && c->limit < LIMIT_PEER) {
      double limit = limit_value(c, limit_of(c, o));
      if (better(c, limit, r->limit)) r->limit = limit;
    }
    double value = c->value ? c->value(c) : as_value(c, run(c, runs) / runs);
    if (better(c, value, r->value)) r->value = value;
    ask_peers(c, r);
  }
  if (c->finish) c->finish();
  judge(c, r);
  r->fine = pons_ok();
  return r->fine;
}
