/* selftest.c: `pons selftest`: what every kernel of a device gives beside what the CPU gives, for odd and for large sizes. */
#include "command.h"
#include "selftest.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- which steps ran where, told by the profiler's trace ---- */

typedef struct trace {
  int on_device, elsewhere;
  char where[64]; /* the first that ran elsewhere */
} trace;

static trace read_trace(const char *path, const char *device) {
  trace t = {0};
  char *text = read_text_file(path);
  cJSON *json = text ? cJSON_Parse(text) : NULL;
  const cJSON *events = cJSON_IsObject(json) ? cJSON_GetObjectItem(json, "traceEvents") : json;
  for (const cJSON *e = events ? events->child : NULL; e; e = e->next) {
    const char *on = cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetObjectItem(e, "args"), "device"));
    if (!on) continue;
    const bool here = strcmp(on, device) == 0;
    t.on_device += here;
    t.elsewhere += !here;
    if (here || t.where[0]) continue;
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(e, "name"));
    snprintf(t.where, sizeof t.where, "%s", name ? name : "a step");
  }
  cJSON_Delete(json);
  free(text);
  return t;
}

/* ---- one check ---- */

typedef struct outcome {
  bool fine;
  char what[256];
} outcome;

/* Operands are ready when the trace begins: it is of the result alone. `path` NULL: no trace. */
static pons_array made_on(const check *c, pons_dtype dtype, const char *device, bool large, const char *path,
                          bool *traced) {
  if (!pons_set_default_device(device)) return NULL;
  pons_array y = c->make(large, dtype);
  *traced = path && pons_profile_start(path);
  const bool fine = pons_eval(y);
  if (*traced) pons_profile_stop();
  return fine ? y : NULL;
}

/* What is exact is so in every dtype; what is rounded is rounded more in a narrow one, after long sums. */
static double tolerance_in(const check *c, pons_dtype dtype, double own) {
  const double least = dtype == PONS_FLOAT16 ? 2e-2 : dtype == PONS_BFLOAT16 ? 0.1 : 0;
  return dtype == c->dtype || c->rtol == 0 || own > least ? own : least;
}

static outcome run_check(const check *c, pons_dtype dtype, const char *device, bool large, const char *path) {
  outcome o = {false, ""};
  pons_scope scope = pons_scope_open();
  pons_clear_error();
  bool traced;
  pons_array want = made_on(c, dtype, "cpu", large, NULL, &traced),
             got = want ? made_on(c, dtype, device, large, path, &traced) : NULL;
  pons_set_default_device("cpu");
  const trace t = traced ? read_trace(path, device) : (trace){0};
  if (!got) {
    snprintf(o.what, sizeof o.what, "%s", pons_error() ? pons_error() : "no result");
  } else {
    const difference d = compare_arrays(got, want, tolerance_in(c, dtype, c->rtol), tolerance_in(c, dtype, c->atol));
    if (d.too_great)
      snprintf(o.what, sizeof o.what, "%s: element %lld is %.9g, on the CPU %.9g",
               d.reason ? d.reason : "differs", (long long)d.at, d.got, d.want);
    else if (t.elsewhere || (traced && !t.on_device))
      snprintf(o.what, sizeof o.what, "%s ran on the CPU in its place", t.where[0] ? t.where : "all");
    o.fine = !d.too_great;
  }
  pons_scope_close(scope);
  return o;
}

/* Does its name begin with one of the words? All do where there are none. */
static bool is_wanted(const invocation *v, const char *name) {
  for (int i = 0; i < v->n_words; i++)
    if (strncmp(name, v->words[i], strlen(v->words[i])) == 0) return true;
  return v->n_words == 0;
}

static const check *const checks[] = {elementwise_checks, lines_checks,  products_checks, convolutions_checks,
                                      attention_checks,   places_checks, quantized_checks};
#define EACH_CHECK(c)                                                   \
  for (size_t list = 0; list < sizeof checks / sizeof *checks; list++) \
    for (const check *c = checks[list]; c->name; c++)

/* The first word with which no check's name begins; NULL: there is none such. */
static const char *unknown_word(const invocation *v) {
  for (int i = 0; i < v->n_words; i++) {
    bool known = false;
    EACH_CHECK(c) known |= !strncmp(c->name, v->words[i], strlen(v->words[i]));
    if (!known) return v->words[i];
  }
  return NULL;
}

typedef struct tally {
  int agree, elsewhere, count;
} tally;

static void run_sizes(const invocation *v, const check *c, pons_dtype dtype, const char *device, const char *path, tally *t) {
  for (int large = 0; large < 2; large++, t->count++) {
    const outcome o = run_check(c, dtype, device, large, path);
    t->agree += o.fine;
    t->elsewhere += o.fine && o.what[0];
    if (o.fine && !o.what[0] && !option_given(v, "--verbose")) continue;
    printf("%-5s %s, %s, %s size%s%s\n",
           !o.fine     ? "WRONG"
           : o.what[0] ? "cpu"
                       : "ok",
           c->name, pons_dtype_name(dtype), large ? "large" : "odd", o.what[0] ? ": " : "", o.what);
    fflush(stdout);
  }
}

static int run_checks(const invocation *v, const char *device) {
  char path[] = "/tmp/pons_selftest_XXXXXX";
  const int file = mkstemp(path);
  if (file < 0) return complain(v, "no file can be made for the trace");
  close(file);
  tally t = {0};
  EACH_CHECK(c) {
    if (!is_wanted(v, c->name)) continue;
    const unsigned also = option_given(v, "--every-dtype") ? c->also : 0;
    for (int d = 0; d < PONS_DTYPE_COUNT; d++)
      if (d == (int)c->dtype || also >> d & 1) run_sizes(v, c, (pons_dtype)d, device, path, &t);
  }
  unlink(path);
  printf("%s: %d of %d results agree with the CPU's", device, t.agree, t.count);
  if (t.elsewhere) printf(", %d of them computed there at least in part", t.elsewhere);
  printf("\n");
  return t.agree == t.count && !(option_given(v, "--strict") && t.elsewhere) ? FINE : FAILED;
}

static int selftest(const invocation *v) {
  const char *device = option_value(v, "--device", NULL), *unknown = unknown_word(v);
  if (unknown) return complain(v, "no check's name begins with '%s'", unknown);
  for (int i = 0; !device && i < pons_device_count(); i++)
    if (strcmp(pons_device_name(i), "cpu") != 0) device = pons_device_name(i);
  if (!device) {
    printf("there is no device but the CPU\n");
    return FINE;
  }
  if (!pons_set_default_device(device)) return complain_error(v);
  return run_checks(v, device);
}

const command command_selftest = {
    .name = "selftest",
    .arguments = "[--device D] [--every-dtype] [--verbose] [--strict] [CHECK ...]",
    .summary = "Checks the kernels of a device against the CPU, odd and large sizes included.",
    .help = "CHECK: only those whose names begin so.",
    .most = -1,
    .options = {{"--device", "D", "which device; left out: the first that is not the CPU"},
                {"--every-dtype", NULL, "each check in all dtypes that there are kernels for, not in one of them"},
                {"--verbose", NULL, "a line per check"},
                {"--strict", NULL, "what runs on the CPU in the device's place is a failure, too"}},
    .run = selftest,
};
