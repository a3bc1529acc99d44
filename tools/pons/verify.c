/* verify.c: `pons verify`: recorded calls, run again and compared. */
#include "command.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What became of one file. */
typedef struct outcome {
  int calls;
  double greatest;
  char fault[512]; /* "" : all fine */
} outcome;

static const char *text_of(const cJSON *object, const char *key) {
  return cJSON_GetStringValue(cJSON_GetObjectItem(object, key));
}
static double number_of(const cJSON *object, const char *key) {
  const cJSON *n = cJSON_GetObjectItem(object, key);
  return cJSON_IsNumber(n) ? n->valuedouble : 0;
}

static void set_fault(outcome *o, const char *text) {
  snprintf(o->fault, sizeof o->fault, "%s", text ? text : "it failed");
  o->fault[strcspn(o->fault, "\n")] = 0;
}

/* ---- one call ---- */

/* Arrays named in the lists `args` and `kwargs`, from `data`. NULL: one is missing. */
static pons_array *inputs_of(const cJSON *call, pons_named data, const char ***keywords, int *n_in,
                             int *n_keywords) {
  const cJSON *args = cJSON_GetObjectItem(call, "args"), *kwargs = cJSON_GetObjectItem(call, "kwargs");
  const size_t most = (size_t)(cJSON_GetArraySize(args) + cJSON_GetArraySize(kwargs)) + 1;
  pons_array *in = calloc(most, sizeof *in);
  *keywords = calloc(most, sizeof **keywords);
  *n_in = *n_keywords = 0;
  bool fine = in && *keywords;
  for (const cJSON *a = args ? args->child : NULL; fine && a; a = a->next)
    fine = cJSON_IsString(a) && (in[(*n_in)++] = pons_named_get(data, a->valuestring)) != NULL;
  for (const cJSON *a = kwargs ? kwargs->child : NULL; fine && a; a = a->next) {
    (*keywords)[(*n_keywords)++] = a->string;
    fine = cJSON_IsString(a) && (in[(*n_in)++] = pons_named_get(data, a->valuestring)) != NULL;
  }
  if (fine) return in;
  free(in);
  free((void *)*keywords);
  return NULL;
}

static void compare_results(const cJSON *call, pons_named data, const pons_array *out, int count, int index,
                            outcome *o) {
  const cJSON *outputs = cJSON_GetObjectItem(call, "outputs");
  const bool exact = cJSON_IsTrue(cJSON_GetObjectItem(call, "exact"));
  const double rtol = exact ? 0 : number_of(call, "rtol"), atol = exact ? 0 : number_of(call, "atol");
  if (cJSON_GetArraySize(outputs) != count) {
    snprintf(o->fault, sizeof o->fault, "call %d: %d results, %d recorded", index, count,
             cJSON_GetArraySize(outputs));
    return;
  }
  const cJSON *name = outputs->child;
  for (int i = 0; i < count; i++, name = name->next) {
    pons_array want = cJSON_IsString(name) ? pons_named_get(data, name->valuestring) : NULL;
    if (!want) {
      snprintf(o->fault, sizeof o->fault, "call %d result %d: not among the recorded arrays", index, i);
      return;
    }
    const difference d = compare_arrays(out[i], want, rtol, atol);
    o->greatest = fmax(o->greatest, d.greatest);
    if (!d.too_great || *o->fault) continue;
    if (d.reason) snprintf(o->fault, sizeof o->fault, "call %d result %d: %s", index, i, d.reason);
    else
      snprintf(o->fault, sizeof o->fault,
               "call %d result %d element %lld: %.9g, recorded %.9g (rtol %g, atol %g)", index, i,
               (long long)d.at, d.got, d.want, rtol, atol);
  }
}

static void run_call(pons_imported file, const cJSON *call, pons_named data, int index, outcome *o) {
  const char **keywords;
  int n_in, n_keywords;
  pons_array *in = inputs_of(call, data, &keywords, &n_in, &n_keywords), *out = NULL;
  if (!in) {
    snprintf(o->fault, sizeof o->fault, "call %d: an input is not among the recorded arrays", index);
    return;
  }
  const int count = call_file(file, in, n_in, keywords, n_keywords, &out);
  if (count < 0) set_fault(o, pons_error());
  else compare_results(call, data, out, count, index, o);
  results_free(out, count);
  free(in);
  free((void *)keywords);
}

/* ---- one file ---- */

static void run_entry(const char *manifest, const cJSON *entry, outcome *o) {
  const char *file_name = text_of(entry, "file"), *data_name = text_of(entry, "data");
  const cJSON *calls = cJSON_GetObjectItem(entry, "calls");
  *o = (outcome){0};
  pons_clear_error();
  if (!file_name || !data_name) {
    set_fault(o, "the manifest names no file or no data for it");
    return;
  }
  char *file_path = path_beside(manifest, file_name), *data_path = path_beside(manifest, data_name);
  pons_imported file = file_path ? pons_import_function(file_path) : NULL;
  pons_named data = file && data_path ? pons_load(data_path) : NULL;
  if (!file || !data) set_fault(o, pons_error());
  for (const cJSON *c = data && calls ? calls->child : NULL; c && !*o->fault; c = c->next)
    run_call(file, c, data, o->calls++, o);
  pons_named_free(data);
  pons_imported_release(file);
  free(file_path);
  free(data_path);
}

static bool wanted(const invocation *v, const char *name) {
  if (v->n_words == 1) return true;
  for (int i = 1; i < v->n_words; i++)
    if (name && strcmp(v->words[i], name) == 0) return true;
  return false;
}

static bool is_listed(const cJSON *list, const char *name) {
  for (const cJSON *e = list->child; e; e = e->next)
    if (text_of(e, "name") && strcmp(text_of(e, "name"), name) == 0) return true;
  return false;
}

static void tell(const cJSON *entry, const outcome *o, cJSON *report) {
  const char *name = text_of(entry, "name");
  if (report) {
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "name", name ? name : "");
    cJSON_AddBoolToObject(line, "passed", !*o->fault);
    cJSON_AddNumberToObject(line, "calls", o->calls);
    if (isfinite(o->greatest)) cJSON_AddNumberToObject(line, "greatest_difference", o->greatest);
    if (*o->fault) cJSON_AddStringToObject(line, "fault", o->fault);
    cJSON_AddItemToArray(report, line);
  } else if (*o->fault) {
    printf("FAILED %-28s %s\n", name ? name : "", o->fault);
  } else {
    printf("passed %-28s %d call%s, greatest difference %.3g\n", name ? name : "", o->calls,
           o->calls == 1 ? "" : "s", o->greatest);
  }
}

static int verify_list(const invocation *v, const cJSON *list) {
  int passed = 0, failed = 0;
  cJSON *report = option_given(v, "--json") ? cJSON_CreateArray() : NULL;
  for (const cJSON *e = list->child; e; e = e->next) {
    if (!wanted(v, text_of(e, "name"))) continue;
    outcome o;
    run_entry(v->words[0], e, &o);
    tell(e, &o, report);
    fflush(stdout);
    if (*o.fault) failed++;
    else passed++;
  }
  if (report) {
    cJSON *all = cJSON_CreateObject();
    cJSON_AddNumberToObject(all, "passed", passed);
    cJSON_AddNumberToObject(all, "failed", failed);
    cJSON_AddItemToObject(all, "files", report);
    char *text = cJSON_Print(all);
    if (text) printf("%s\n", text);
    cJSON_free(text);
    cJSON_Delete(all);
  } else {
    printf("%d passed, %d failed\n", passed, failed);
  }
  return failed ? FAILED : FINE;
}

static int verify(const invocation *v) {
  if (!use_device(v)) return FAILED;
  cJSON *list = manifest_load(v, v->words[0]);
  if (!list) return FAILED;
  int code = FINE;
  for (int i = 1; i < v->n_words; i++)
    if (!is_listed(list, v->words[i])) code = complain(v, "%s lists no %s", v->words[0], v->words[i]);
  if (code == FINE) code = verify_list(v, list);
  cJSON_Delete(list);
  return code;
}

const command command_verify = {
    .name = "verify",
    .arguments = "MANIFEST.json [NAME...] [--device D] [--json]",
    .summary = "Runs recorded calls again and compares: what to do after moving a file to another machine.",
    .help = "A line per file with the greatest difference, at the end `N passed, N failed`. Exit code 1 if "
            "one is off.\n"
            "pons record makes such a manifest.\n",
    .least = 1,
    .most = -1,
    .options = {{"--device", "D", "where to run: see pons info"}, {"--json", NULL, "as JSON"}},
    .run = verify,
};
