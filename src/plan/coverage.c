/* coverage.c: what of each primitive a backend computes by itself, as the tables say that plans are made by: the drivers' lists of
   implementations, what kernels they refuse, and the records' decompositions. No device is needed for it. Uses plan.h, device/,
   graph/, kernel/. */
#include "plan/plan.h"

static const driver *host(void) { return pons_drivers[0]; }

static const char *otherwise(const driver *v, const prim *p) {
  if (p->decompose) return "decomposed";
  return v != host() && device_lists(host(), p->name) ? "cpu" : "none";
}

/* ---- elementwise rows: kernels of one instruction ---- */

static bool runs_row(const driver *v, row r, pons_dtype d) {
  kernel k = {.n_in = row_table[r].arity, .n_code = 1, .n_out = 1};
  k.code[0] = (instruction){(uint16_t)r, (uint8_t)d, (uint8_t)(r == ROW_cast ? d : row_result(r, d)), {0, 1, 2}};
  for (int i = 0; i < k.n_in; i++) k.in[i] = (uint8_t)d;
  if (r == ROW_select) k.in[0] = PONS_BOOL;
  k.out[0] = (int16_t)k.n_in;
  return !device_refuses_kernel(v, 0, &k);
}

static unsigned row_lacks(const driver *v, row r) {
  unsigned lacks = 0;
  for (int d = 0; d < PONS_DTYPE_COUNT; d++)
    if (row_takes(r, (pons_dtype)d) && !runs_row(v, r, (pons_dtype)d)) lacks |= 1u << d;
  return lacks;
}

/* ---- calls ---- */

static unsigned call_lacks(const driver *v, const char *prim) { return v->lacks ? v->lacks(prim) : 0; }

/* ---- the report ---- */

static void add_how(text *json, const char *how, unsigned lacks, const char *else_how) {
  text_add(json, "{\"how\": \"%s\", \"but\": {", how);
  for (int d = 0, n = 0; d < PONS_DTYPE_COUNT; d++)
    if (lacks >> d & 1)
      text_add(json, "%s\"%s\": \"%s\"", n++ ? ", " : "", pons_dtype_name((pons_dtype)d), else_how);
  text_add(json, "}}");
}

static void add_driver(text *json, const driver *v, const prim *p) {
  if (p->row)
    add_how(json, "native", row_lacks(v, (row)(p->row - 1)), "cpu");
  else if (p->view)
    add_how(json, "view", 0, NULL);
  else if (device_lists(v, p->name))
    add_how(json, "native", call_lacks(v, p->name), otherwise(v, p));
  else
    add_how(json, otherwise(v, p), 0, NULL);
}

static void add_prim(text *json, const prim *p) {
  text_add(json, "{\"name\": ");
  text_add_json(json, p->row ? row_table[p->row - 1].name : p->name);
  text_add(json, ", \"elementwise\": %s, \"on\": {", p->row ? "true" : "false");
  int n = 0;
  for (const driver *const *v = pons_drivers; *v; v++) {
    if ((*v)->for_tests) continue;
    text_add(json, "%s\"%s\": ", n++ ? ", " : "", (*v)->name);
    add_driver(json, *v, p);
  }
  text_add(json, "}}");
}

char *pons_coverage_report(void) {
  text json = {0};
  int n = 0;
  text_add(&json, "[");
  for (const prim *const *p = pons_prims; *p; p++) {
    if (*p == &prim_input || *p == &prim_output) continue; /* no operations */
    text_add(&json, n++ ? ",\n " : "");
    add_prim(&json, *p);
  }
  text_add(&json, "]");
  char *all = text_take(&json);
  if (!all) error_release(fail_no_memory("coverage_report"));
  return all;
}
