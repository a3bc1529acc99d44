/* report.c: results as lines of a table, or as JSON. */
#include "cases.h"

static const char *limit_name(limit_kind kind) {
  static const char *const names[] = {"", "FMA peak", "dot peak", "read", "copy", "best peer"};
  return names[kind];
}

void goal_text(const bench_case *c, char *to, size_t room) {
  const goal *g = &c->goal;
  const char *sign = g->at_least ? ">=" : "<=";
  if (room) *to = 0;
  if (g->of == GOAL_VALUE) snprintf(to, room, "%s %g %s", sign, g->bound, c->unit);
  if (g->of == GOAL_RATIO) snprintf(to, room, "%s %g x %s", sign, g->bound, limit_name(c->limit));
}

void report_head(const options *o) {
  if (o->json) {
    printf("[");
    return;
  }
  printf("Pons %s, %d threads, best of %d rounds\n\n%-36s %10s %-9s %10s %7s  %-18s %s", pons_version(),
         o->threads, o->rounds, "case", "Pons", "unit", "limit", "ratio", "goal", "met");
  for (int i = 0; i < peer_count(); i++) printf(" %12s", peer_name(i));
  printf("\n");
  fflush(stdout);
}

static void number(double x, int width, const char *none) {
  if (x == x)
    printf("%*.4g", width, x);
  else
    printf("%*s", width, none);
}

static void json_row(const result *r, const char *goal) {
  static const char *const met[] = {"null", "false", "true"};
  printf("\n  {\"case\": \"%s\", \"value\": ", r->name);
  number(r->value, 0, "null");
  printf(", \"unit\": \"%s\", \"limit\": ", r->of->unit);
  number(r->limit, 0, "null");
  printf(", \"ratio\": ");
  number(r->ratio, 0, "null");
  if (*goal)
    printf(", \"goal\": \"%s\"", goal);
  else
    printf(", \"goal\": null");
  printf(", \"met\": %s", met[r->met + 1]);
  for (int i = 0; i < peer_count(); i++) {
    printf("%s\"%s\": ", i ? ", " : ", \"peers\": {", peer_name(i));
    number(r->peer[i], 0, "null");
  }
  printf("%s}", peer_count() ? "}" : "");
}

static void text_row(const result *r, const char *goal) {
  static const char *const met[] = {"", "no", "yes"};
  printf("%-36s ", r->name);
  number(r->value, 10, "-");
  printf(" %-9s ", r->of->unit);
  number(r->limit, 10, "");
  if (r->ratio == r->ratio)
    printf(" %7.2f", r->ratio);
  else
    printf(" %7s", "");
  printf("  %-18s %-3s", goal, met[r->met + 1]);
  for (int i = 0; i < peer_count(); i++) {
    printf(" ");
    number(r->peer[i], 12, "");
  }
  printf("\n");
}

void report_row(const options *o, const result *r, bool first) {
  char goal[64];
  goal_text(r->of, goal, sizeof goal);
  if (o->json) {
    if (!first) printf(",");
    json_row(r, goal);
  } else {
    text_row(r, goal);
  }
  fflush(stdout);
}

void report_end(const options *o) {
  if (o->json) printf("\n]\n");
}
