/* record.c: `pons record`: runs calls and writes them down beside the file, for `pons verify` elsewhere. */
#include "command.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is being recorded. */
typedef struct recording {
  pons_named data;
  cJSON *calls;
  double rtol, atol;
} recording;

static cJSON *keep_array(recording *r, int call, const char *kind, int index, pons_array a) {
  char name[48];
  snprintf(name, sizeof name, "c%d_%s%d", call, kind, index);
  return pons_named_set(r->data, name, a) ? cJSON_CreateString(name) : NULL;
}

static bool record_call(const invocation *v, pons_imported file, word_list paths, recording *r, int index) {
  arguments a;
  pons_array *out = NULL;
  int count = -1;
  if (arguments_load(v, file, paths, &a)) {
    count = call_file(file, a.in, a.count, a.keywords, a.n_keywords, &out);
    if (count < 0) complain_error(v);
  }
  cJSON *call = cJSON_CreateObject();
  cJSON *args = cJSON_AddArrayToObject(call, "args"), *kwargs = cJSON_AddObjectToObject(call, "kwargs");
  cJSON *outputs = cJSON_AddArrayToObject(call, "outputs");
  const int positional = a.count - a.n_keywords;
  for (int i = 0; count >= 0 && i < positional; i++)
    cJSON_AddItemToArray(args, keep_array(r, index, "arg", i, a.in[i]));
  for (int i = 0; count >= 0 && i < a.n_keywords; i++)
    cJSON_AddItemToObject(kwargs, a.keywords[i], keep_array(r, index, "kw", i, a.in[positional + i]));
  for (int i = 0; i < count; i++) cJSON_AddItemToArray(outputs, keep_array(r, index, "out", i, out[i]));
  cJSON_AddNumberToObject(call, "rtol", r->rtol);
  cJSON_AddNumberToObject(call, "atol", r->atol);
  cJSON_AddBoolToObject(call, "exact", r->rtol == 0 && r->atol == 0);
  cJSON_AddItemToArray(r->calls, call);
  results_free(out, count);
  arguments_free(&a);
  return count >= 0;
}

/* The base name of a path without its ending; the caller frees. */
static char *plain_name(const char *path) {
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
  const size_t length = dot && dot != base ? (size_t)(dot - base) : strlen(base);
  char *name = calloc(length + 5, 1); /* room for an ending */
  if (name) memcpy(name, base, length);
  return name;
}

/* Puts `entry` in the place of one with its name, or at the end. */
static void put_entry(cJSON *list, cJSON *entry, const char *name) {
  int index = 0;
  for (const cJSON *e = list->child; e; e = e->next, index++) {
    const char *other = cJSON_GetStringValue(cJSON_GetObjectItem(e, "name"));
    if (!other || strcmp(other, name) != 0) continue;
    cJSON_ReplaceItemInArray(list, index, entry);
    return;
  }
  cJSON_AddItemToArray(list, entry);
}

static bool write_entry(const invocation *v, pons_imported file, recording *r, const char *manifest,
                        const char *name) {
  const char *slash = strrchr(v->words[0], '/'), *base = slash ? slash + 1 : v->words[0];
  char data_name[300];
  snprintf(data_name, sizeof data_name, "%s.npz", name);
  const bool exists = access(manifest, F_OK) == 0;
  cJSON *list = exists ? manifest_load(v, manifest) : cJSON_CreateArray(), *entry = cJSON_CreateObject();
  char *data_path = path_beside(manifest, data_name), producer[120];
  snprintf(producer, sizeof producer, "%s, recorded by pons %s", pons_imported_release_name(file),
           pons_version());
  cJSON_AddStringToObject(entry, "name", name);
  cJSON_AddStringToObject(entry, "file", base);
  cJSON_AddStringToObject(entry, "data", data_name);
  cJSON_AddStringToObject(entry, "producer", producer);
  cJSON_AddBoolToObject(entry, "shapeless", pons_imported_shapeless(file));
  cJSON_AddItemToObject(entry, "calls", cJSON_Duplicate(r->calls, true));
  bool fine = list && data_path && pons_save(data_path, r->data);
  if (list && !fine) complain_error(v);
  if (list) put_entry(list, entry, name);
  else cJSON_Delete(entry);
  char *words = fine ? cJSON_Print(list) : NULL;
  if (words && !write_text_file(manifest, words)) fine = complain(v, "%s can't be written", manifest) == FINE;
  if (fine && words)
    printf("%d call%s of %s recorded in %s\n", cJSON_GetArraySize(r->calls),
           cJSON_GetArraySize(r->calls) == 1 ? "" : "s", name, manifest);
  cJSON_free(words);
  cJSON_Delete(list);
  free(data_path);
  return fine && words;
}

static bool record_all(const invocation *v, pons_imported file, recording *r) {
  int calls = 0;
  for (int i = 0; i < v->n_uses; i++)
    if (strcmp(v->uses[i].option->name, "--inputs") == 0 &&
        !record_call(v, file, v->uses[i].words, r, calls++))
      return false;
  if (calls == 0 && !record_call(v, file, (word_list){0, NULL}, r, 0)) return false;
  return true;
}

static int record(const invocation *v) {
  recording r = {0};
  if (!option_number(v, "--rtol", 1e-4, &r.rtol) || !option_number(v, "--atol", 1e-5, &r.atol))
    return MISUSED;
  if (!use_device(v)) return FAILED;
  pons_imported file = pons_import_function(v->words[0]);
  if (!file) return complain(v, "%s: %s", v->words[0], pons_error());
  char *beside = path_beside(v->words[0], "manifest.json"), *name = plain_name(v->words[0]);
  r.data = pons_named_new();
  r.calls = cJSON_CreateArray();
  const char *manifest = option_value(v, "--manifest", beside);
  const bool fine = beside && name && r.data && r.calls && record_all(v, file, &r) &&
                    write_entry(v, file, &r, manifest, option_value(v, "--name", name));
  cJSON_Delete(r.calls);
  pons_named_free(r.data);
  free(beside);
  free(name);
  pons_imported_release(file);
  return fine ? FINE : FAILED;
}

const command command_record = {
    .name = "record",
    .arguments = "FILE.mlxfn [--inputs FILE...]... [--manifest M.json] [--name NAME] [--rtol R] [--atol A] "
                 "[--device D]",
    .summary =
        "Runs calls and records inputs and outputs beside the file, for pons verify on another machine.",
    .help = "Each --inputs is one call, see pons run. The manifest gets an entry, or a new one in the place "
            "of that with the\n"
            "same name; the arrays go to NAME.npz beside it. Left out: manifest.json beside the file, the "
            "file's name.\n"
            "FILE.mlxfn and the manifest must be in the same folder.\n",
    .least = 1,
    .most = 1,
    .options = {{"--inputs", "FILE...", ".npy and .npz files of one call"},
                {"--manifest", "M.json", "where to record (manifest.json beside the file)"},
                {"--name", "NAME", "what to call it (the file's name without its ending)"},
                {"--rtol", "R", "difference allowed, relative (1e-4)"},
                {"--atol", "A", "and absolute (1e-5); both 0: the same bits"},
                {"--device", "D", "where to run: see pons info"}},
    .run = record,
};
