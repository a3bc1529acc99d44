/* watch.c: PONS_SHOW=graph,plan,kernel,launch: prints to stderr, at the user's request, what is worked on.
   Uses plan/, graph/. */
#include "run/run.h"
#include <pthread.h>
#include <stdlib.h>

static int shown;
static pthread_once_t shown_once = PTHREAD_ONCE_INIT;

static void read_environment(void) {
  static const char *const names[] = {"graph", "plan", "kernel", "launch"};
  const char *asked = getenv("PONS_SHOW");
  for (int i = 0; asked && i < 4; i++)
    if (strstr(asked, names[i])) shown |= 1 << i;
}

bool show_is_on(int what) {
  pthread_once(&shown_once, read_environment);
  return shown & what;
}

static void print(text *t) {
  if (t->length) fputs(t->at, stderr);
  text_free(t);
}

void show_graph(const pons_array *roots, int n_roots) {
  if (!show_is_on(SHOW_GRAPH)) return;
  text t = {0};
  graph_print(&t, roots, n_roots);
  print(&t);
}

void show_plan(const plan *p) {
  text t = {0};
  if (show_is_on(SHOW_PLAN)) plan_print(&t, p);
  for (int i = 0; i < p->n_steps && show_is_on(SHOW_KERNEL); i++) {
    const plan_step *s = &p->steps[i];
    const kernel *all[] = {s->kernel, s->chains.front, s->chains.behind};
    for (int k = 0; k < 3; k++) {
      if (!all[k]) continue;
      kernel_print(&t, all[k]);
      text_add(&t, "\n");
    }
  }
  print(&t);
}

void show_launch(const plan_step *s, int64_t ns) {
  text t = {0};
  plan_step_title(&t, s);
  const operand *o = &s->operands[s->n_in];
  if (s->n_out) text_add(&t, " %s %s", shape_text(o->ndim, o->shape), pons_dtype_name(o->dtype));
  text_add(&t, "  %.1f us\n", (double)ns / 1000);
  print(&t);
}
