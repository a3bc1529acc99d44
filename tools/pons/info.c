/* info.c: `pons info`: the library's report on devices, libraries and what is missing, in words. */
#include "command.h"
#include <stdio.h>
#include <string.h>

/* A number of bytes in the unit that reads best. */
static void print_bytes(double bytes) {
  static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  for (; bytes >= 1024 && unit < 4; unit++) bytes /= 1024;
  printf(unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

static bool is_plain(const cJSON *j) { return !cJSON_IsObject(j) && !cJSON_IsArray(j); }

static void print_plain(const cJSON *j) {
  if (cJSON_IsString(j)) printf("%s", j->valuestring);
  else if (cJSON_IsBool(j)) printf(cJSON_IsTrue(j) ? "yes" : "no");
  else if (cJSON_IsNumber(j)) printf("%.15g", j->valuedouble);
  else printf("none");
}

static bool all_plain(const cJSON *j) {
  for (const cJSON *i = j->child; i; i = i->next)
    if (!is_plain(i)) return false;
  return true;
}

/* Objects and lists as indented lines; a short list on one. */
static void print_tree(const cJSON *j, int depth) {
  for (const cJSON *i = j->child; i; i = i->next) {
    printf("%*s%s%s", 2 * depth, "", i->string ? i->string : "-", i->string ? ": " : " ");
    if (is_plain(i)) {
      print_plain(i);
    } else if (cJSON_IsArray(i) && all_plain(i)) {
      for (const cJSON *k = i->child; k; k = k->next) {
        print_plain(k);
        printf(k->next ? ", " : "");
      }
      if (!i->child) printf("none");
    } else {
      printf("\n");
      print_tree(i, depth + 1);
      continue;
    }
    printf("\n");
  }
}

/* On a line: numbers of bytes with their names. */
static void print_sizes(const char *what, const cJSON *sizes) {
  printf("%s: ", what);
  for (const cJSON *m = sizes ? sizes->child : NULL; m; m = m->next) {
    printf("%s%s ", m == sizes->child ? "" : ", ", m->string);
    print_bytes(m->valuedouble);
  }
  printf("\n");
}

static void print_words(const cJSON *report) {
  const cJSON *devices = cJSON_GetObjectItem(report, "devices"),
              *memory = cJSON_GetObjectItem(report, "memory");
  printf("Pons %s, MLX files of release 0.22.0 to 0.32.4\n", pons_version());
  printf("devices:");
  for (const cJSON *d = devices ? devices->child : NULL; d; d = d->next)
    printf(" %s%s", cJSON_GetStringValue(cJSON_GetObjectItem(d, "name")), d->next ? "," : "");
  printf("; the first is the default\nthreads: %d (PONS_NUM_THREADS changes it)\n", pons_threads());
  print_sizes("memory", memory);
  for (const cJSON *d = devices ? devices->child : NULL; d; d = d->next) {
    char name[64];
    snprintf(name, sizeof name, "memory of %s", cJSON_GetStringValue(cJSON_GetObjectItem(d, "name")));
    print_sizes(name, cJSON_GetObjectItem(d, "memory"));
  }
  const cJSON *drivers = cJSON_GetObjectItem(report, "drivers");
  for (const cJSON *d = drivers ? drivers->child : NULL; d; d = d->next) {
    printf("%s\n", d->string);
    print_tree(d, 1);
  }
}

/* ---- what computes each primitive where ---- */

static const char *words_for(const char *how) {
  if (strcmp(how, "cpu") == 0) return "CPU";
  return strcmp(how, "none") == 0 ? "an error" : how;
}

/* "native; complex64: CPU" */
static void write_how(const cJSON *place, char out[128]) {
  const cJSON *but = cJSON_GetObjectItem(place, "but");
  int n = snprintf(out, 128, "%s", words_for(cJSON_GetStringValue(cJSON_GetObjectItem(place, "how"))));
  for (const cJSON *b = but ? but->child : NULL; b && n < 128; b = b->next)
    n += snprintf(out + n, (size_t)(128 - n), "%s%s%s", b == but->child ? "; " : ", ", b->string,
                  b->next && strcmp(b->valuestring, b->next->valuestring) == 0 ? "" : ": ");
  if (n < 128 && but && but->child) {
    const cJSON *last = but->child;
    while (last->next) last = last->next;
    snprintf(out + n, (size_t)(128 - n), "%s", words_for(last->valuestring));
  }
}

static void print_coverage(const cJSON *primitives) {
  char words[128];
  const cJSON *first = primitives->child;
  printf("%-26s", "primitive");
  for (const cJSON *d = first ? cJSON_GetObjectItem(first, "on")->child : NULL; d; d = d->next)
    printf(d->next ? "%-34s" : "%s\n", d->string);
  for (const cJSON *p = first; p; p = p->next) {
    printf("%-26s", cJSON_GetStringValue(cJSON_GetObjectItem(p, "name")));
    for (const cJSON *d = cJSON_GetObjectItem(p, "on")->child; d; d = d->next) {
      write_how(d, words);
      printf(d->next ? "%-34s" : "%s\n", words);
    }
  }
  printf("view: nothing is computed; decomposed: by simpler primitives. Sizes and parameters may make it otherwise: "
         "docs/backends.md\n");
}

static int coverage(const invocation *v) {
  char *json = pons_coverage_report();
  if (!json) return complain_error(v);
  cJSON *report = cJSON_Parse(json);
  if (option_given(v, "--json")) printf("%s\n", json);
  else if (report) print_coverage(report);
  const int code = report ? FINE : complain(v, "the report can't be read: %s", json);
  cJSON_Delete(report);
  pons_free(json);
  return code;
}

static int info(const invocation *v) {
  if (option_given(v, "--coverage")) return coverage(v);
  char *json = pons_device_report();
  if (!json) return complain_error(v);
  cJSON *report = cJSON_Parse(json);
  if (option_given(v, "--json")) printf("%s\n", json);
  else if (report) print_words(report);
  const int code = report ? FINE : complain(v, "the report can't be read: %s", json);
  cJSON_Delete(report);
  pons_free(json);
  return code;
}

const command command_info = {
    .name = "info",
    .arguments = "[--coverage] [--json]",
    .summary = "Devices, instruction sets, libraries found and where, versions, what is missing and why.",
    .options = {{"--coverage", NULL, "what computes each primitive on each kind of device, found here or not"},
                {"--json", NULL, "as JSON"}},
    .run = info,
};
