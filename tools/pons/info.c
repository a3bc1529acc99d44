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

static void print_words(const cJSON *report) {
  const cJSON *devices = cJSON_GetObjectItem(report, "devices"),
              *memory = cJSON_GetObjectItem(report, "memory");
  printf("Pons %s, MLX files of release 0.22.0 to 0.32.4\n", pons_version());
  printf("devices:");
  for (const cJSON *d = devices ? devices->child : NULL; d; d = d->next)
    printf(" %s%s", cJSON_GetStringValue(cJSON_GetObjectItem(d, "name")), d->next ? "," : "");
  printf("; the first is the default\nthreads: %d (PONS_NUM_THREADS changes it)\n", pons_threads());
  for (const cJSON *m = memory ? memory->child : NULL; m; m = m->next) {
    printf(m == memory->child ? "memory: " : ", ");
    printf("%s ", m->string);
    if (cJSON_IsNumber(m)) print_bytes(m->valuedouble);
    else print_plain(m);
  }
  printf("\n");
  const cJSON *drivers = cJSON_GetObjectItem(report, "drivers");
  for (const cJSON *d = drivers ? drivers->child : NULL; d; d = d->next) {
    printf("%s\n", d->string);
    print_tree(d, 1);
  }
}

static int info(const invocation *v) {
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
    .arguments = "[--json]",
    .summary = "Devices, instruction sets, libraries found and where, versions, what is missing and why.",
    .options = {{"--json", NULL, "as JSON"}},
    .run = info,
};
