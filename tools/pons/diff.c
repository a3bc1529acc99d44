/* diff.c: `pons diff`: a file's function on two devices, one operation at a time: the first at which they part. */
#include "command.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is allowed ---- */

typedef struct tolerance {
  double rtol, atol;
} tolerance;

/* Whole numbers and bools must be the same. */
static tolerance usual_tolerance(pons_dtype d) {
  if (d == PONS_FLOAT16) return (tolerance){1e-2, 1e-3};
  if (d == PONS_BFLOAT16) return (tolerance){5e-2, 1e-2};
  if (d == PONS_FLOAT32 || d == PONS_COMPLEX64) return (tolerance){1e-4, 1e-5};
  return d == PONS_FLOAT64 || d == PONS_COMPLEX128 ? (tolerance){1e-9, 1e-12} : (tolerance){0, 0};
}

/* "0.1" for all dtypes of floats, "float16=0.1" for one. */
static bool set_tolerance(const invocation *v, const char *name, const char *word, tolerance *of) {
  const char *number = strchr(word, '=') ? strchr(word, '=') + 1 : word;
  char *end;
  const double value = strtod(number, &end);
  bool any = false;
  for (int d = 0; d < PONS_DTYPE_COUNT; d++) {
    const tolerance usual = usual_tolerance((pons_dtype)d);
    const char *dtype = pons_dtype_name((pons_dtype)d);
    const bool meant = number == word ? usual.rtol > 0
                                      : strlen(dtype) == (size_t)(number - 1 - word) &&
                                            strncmp(dtype, word, strlen(dtype)) == 0;
    if (!meant) continue;
    any = true;
    if (strcmp(name, "--rtol") == 0)
      of[d].rtol = value;
    else
      of[d].atol = value;
  }
  if (any && *number && !*end && value >= 0) return true;
  complain(v, "%s wants a number, or one for a dtype as in float16=0.01, not '%s'", name, word);
  return false;
}

static bool read_tolerances(const invocation *v, tolerance *of) {
  for (int d = 0; d < PONS_DTYPE_COUNT; d++) of[d] = usual_tolerance((pons_dtype)d);
  for (int i = 0; i < v->n_uses; i++) {
    const char *name = v->uses[i].option->name;
    if (strcmp(name, "--rtol") != 0 && strcmp(name, "--atol") != 0) continue;
    if (!set_tolerance(v, name, v->uses[i].words.at[0], of)) return false;
  }
  return true;
}

/* ---- what is found ---- */

typedef struct comparing {
  const invocation *v;
  const char *devices[2];
  pons_stream streams[2];
  tolerance of[PONS_DTYPE_COUNT];
  int operations, compared;
  double greatest; /* of results that agree */
  char greatest_in[64];
  bool parted;
  const char *unable; /* the device that could not compute an operation */
  cJSON *parting;     /* NULL: they agree */
} comparing;

static cJSON *value_json(int number, pons_array a) {
  cJSON *json = cJSON_CreateObject(), *shape = cJSON_CreateArray();
  if (number >= 0) cJSON_AddNumberToObject(json, "value", number);
  cJSON_AddStringToObject(json, "dtype", pons_dtype_name(pons_dtype_of(a)));
  for (int i = 0; i < pons_ndim(a); i++)
    cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)pons_dim(a, i)));
  cJSON_AddItemToObject(json, "shape", shape);
  return json;
}

/* Element `flat` of a row-major array of this shape, as a list of indices. */
static cJSON *place_json(pons_array a, int64_t flat) {
  cJSON *json = cJSON_CreateArray();
  for (int i = pons_ndim(a) - 1; i >= 0; i--) {
    const int64_t size = pons_dim(a, i) ? pons_dim(a, i) : 1;
    cJSON_InsertItemInArray(json, 0, cJSON_CreateNumber((double)(flat % size)));
    flat /= size;
  }
  return json;
}

/* Numbers that JSON lacks are texts. */
static void add_number(cJSON *json, const char *name, double value) {
  if (isfinite(value))
    cJSON_AddNumberToObject(json, name, value);
  else
    cJSON_AddStringToObject(json, name, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
}

static void add_values(cJSON *json, const comparing *c, double first, double second) {
  add_number(json, c->devices[0], first);
  add_number(json, c->devices[1], second);
}

/* The result at which they part. */
static cJSON *difference_json(const comparing *c, int number, pons_array a, const difference *d) {
  const tolerance t = c->of[pons_dtype_of(a)];
  const bool is_complex = pons_isdtype(pons_dtype_of(a), "complex floating");
  cJSON *json = value_json(number, a), *values = cJSON_CreateObject();
  add_number(json, "greatest_difference", d->greatest);
  cJSON_AddItemToObject(json, "at", place_json(a, is_complex ? d->greatest_at / 2 : d->greatest_at));
  if (is_complex) cJSON_AddStringToObject(json, "part", d->greatest_at % 2 ? "imaginary" : "real");
  add_values(values, c, d->greatest_got, d->greatest_want);
  cJSON_AddItemToObject(json, "values", values);
  cJSON_AddNumberToObject(json, "rtol", t.rtol);
  cJSON_AddNumberToObject(json, "atol", t.atol);
  return json;
}

static difference compared(const comparing *c, pons_array first, pons_array second) {
  const tolerance t = c->of[pons_dtype_of(first)];
  return compare_arrays(first, second, t.rtol, t.atol);
}

static void note_agreement(comparing *c, const char *where, const difference *d) {
  if (d->greatest <= c->greatest) return;
  c->greatest = d->greatest;
  snprintf(c->greatest_in, sizeof c->greatest_in, "%s", where);
}

/* ---- one operation ---- */

static cJSON *operands_json(const comparing *c, const struct pons_imported_node *node) {
  cJSON *json = cJSON_CreateArray();
  for (int i = 0; i < node->n_in; i++) {
    cJSON *one = value_json(node->operands[i], node->in[0][i]);
    add_number(one, "greatest_difference", compared(c, node->in[0][i], node->in[1][i]).greatest);
    cJSON_AddItemToArray(json, one);
  }
  return json;
}

/* They part here: at a result (json: where), or because a device can't compute it (fault: what it says). Takes json. */
static void part(comparing *c, const struct pons_imported_node *node, cJSON *json, const char *fault) {
  cJSON *arguments = cJSON_Parse(node->arguments);
  c->parted = true;
  c->parting = cJSON_CreateObject();
  cJSON_AddNumberToObject(c->parting, "operation", node->index);
  cJSON_AddStringToObject(c->parting, "primitive", node->primitive);
  cJSON_AddItemToObject(c->parting, "arguments", arguments ? arguments : cJSON_CreateObject());
  cJSON_AddItemToObject(c->parting, "operands", operands_json(c, node));
  if (json) cJSON_AddItemToObject(c->parting, "result", json);
  if (fault) cJSON_AddStringToObject(c->parting, "fault", fault);
}

/* Computes the results on both; false, and they part, if one can't. */
static bool computed(comparing *c, const struct pons_imported_node *node) {
  for (int k = 0; k < 2; k++) {
    pons_clear_error();
    if (pons_eval_many(node->out[k], node->n_out)) continue;
    char fault[512];
    c->unable = c->devices[k];
    snprintf(fault, sizeof fault, "%s: %s", c->devices[k], pons_error() ? pons_error() : "it failed");
    part(c, node, NULL, fault);
    return false;
  }
  return true;
}

static bool compare_node(void *payload, const struct pons_imported_node *node) {
  comparing *c = payload;
  char where[64];
  c->operations = node->count;
  if (!computed(c, node)) return false;
  for (int i = 0; i < node->n_out; i++) {
    const difference d = compared(c, node->out[0][i], node->out[1][i]);
    if (d.reason)
      part(c, node, NULL, d.reason);
    else if (d.too_great)
      part(c, node, difference_json(c, node->results[i], node->out[0][i], &d), NULL);
    if (d.too_great) return false;
    snprintf(where, sizeof where, "v%d = %.48s", node->results[i], node->primitive);
    note_agreement(c, where, &d);
  }
  c->compared++;
  return true;
}

/* ---- the whole function, fused as usual ---- */

static int call_on(const comparing *c, int k, pons_imported file, const arguments *a, pons_array **out) {
  const pons_stream before = pons_set_stream(c->streams[k]);
  const int count = call_file(file, a->in, a->count, a->keywords, a->n_keywords, out);
  pons_set_stream(before);
  return count;
}

/* False and the library's error if a device can't compute it. */
static bool compare_whole(comparing *c, pons_imported file, const arguments *a) {
  pons_array *first = NULL, *second = NULL;
  const int count = call_on(c, 0, file, a, &first);
  const bool fine = count >= 0 && call_on(c, 1, file, a, &second) == count;
  for (int i = 0; fine && !c->parted && i < count; i++) {
    char where[64];
    const difference d = compared(c, first[i], second[i]);
    snprintf(where, sizeof where, "result %d of the whole", i);
    if (!d.too_great) note_agreement(c, where, &d);
    if (!d.too_great) continue;
    c->parted = true;
    c->parting = cJSON_CreateObject();
    cJSON_AddNumberToObject(c->parting, "result_of_the_whole", i);
    if (d.reason)
      cJSON_AddStringToObject(c->parting, "fault", d.reason);
    else
      cJSON_AddItemToObject(c->parting, "result", difference_json(c, -1, first[i], &d));
  }
  results_free(first, count);
  results_free(second, count);
  return fine;
}

/* ---- telling ---- */

static void print_place(const cJSON *list) {
  printf("(");
  for (const cJSON *i = list->child; i; i = i->next) printf("%.0f%s", i->valuedouble, i->next ? ", " : "");
  printf(")");
}

static void print_value(const cJSON *value) {
  const cJSON *number = cJSON_GetObjectItem(value, "value");
  if (number) printf("v%d ", number->valueint);
  printf("%s ", cJSON_GetStringValue(cJSON_GetObjectItem(value, "dtype")));
  print_place(cJSON_GetObjectItem(value, "shape"));
}

static void print_number(const cJSON *json, const char *name) {
  const cJSON *n = cJSON_GetObjectItem(json, name);
  if (cJSON_IsString(n))
    printf("%s", n->valuestring);
  else
    printf("%.9g", n ? n->valuedouble : 0);
}

static void print_parting(const comparing *c) {
  const cJSON *p = c->parting, *result = cJSON_GetObjectItem(p, "result"),
              *operands = cJSON_GetObjectItem(p, "operands"), *fault = cJSON_GetObjectItem(p, "fault"),
              *operation = cJSON_GetObjectItem(p, "operation");
  if (operation) {
    char *arguments = cJSON_PrintUnformatted(cJSON_GetObjectItem(p, "arguments"));
    printf("operation %d of %d: %s %s\n", operation->valueint, c->operations,
           cJSON_GetStringValue(cJSON_GetObjectItem(p, "primitive")), arguments ? arguments : "");
    cJSON_free(arguments);
  } else {
    printf("each operation agrees; result %d of the whole, with operations fused, does not\n",
           cJSON_GetObjectItem(p, "result_of_the_whole")->valueint);
  }
  for (const cJSON *o = operands ? operands->child : NULL; o; o = o->next) {
    printf("  of ");
    print_value(o);
    printf(", greatest difference ");
    print_number(o, "greatest_difference");
    printf("\n");
  }
  if (fault) printf("  %s\n", fault->valuestring);
  if (!result) return;
  const cJSON *values = cJSON_GetObjectItem(result, "values"), *half = cJSON_GetObjectItem(result, "part");
  printf("  gives ");
  print_value(result);
  printf("\n  greatest difference ");
  print_number(result, "greatest_difference");
  printf(" at ");
  print_place(cJSON_GetObjectItem(result, "at"));
  if (half) printf(", %s part", half->valuestring);
  for (int k = 0; k < 2; k++) {
    printf(k ? ", %s " : ": %s ", c->devices[k]);
    print_number(values, c->devices[k]);
  }
  printf("; allowed %g + %g |%s|\n", cJSON_GetObjectItem(result, "atol")->valuedouble,
         cJSON_GetObjectItem(result, "rtol")->valuedouble, c->devices[1]);
}

static void print_words(const comparing *c) {
  if (c->parting) {
    print_parting(c);
    const cJSON *primitive = cJSON_GetObjectItem(c->parting, "primitive"),
                *value = cJSON_GetObjectItem(cJSON_GetObjectItem(c->parting, "result"), "value");
    if (c->unable)
      printf("%s can't compute ", c->unable);
    else
      printf("%s and %s part at ", c->devices[0], c->devices[1]);
    if (value) printf("v%d = ", value->valueint);
    printf("%s\n", primitive ? primitive->valuestring : "the whole");
    return;
  }
  printf("%s and %s agree in %d operations", c->devices[0], c->devices[1], c->compared);
  if (c->greatest_in[0]) printf("; greatest difference %.3g in %s", c->greatest, c->greatest_in);
  printf("\n");
}

static void print_json(const comparing *c, const cJSON *seed) {
  cJSON *json = cJSON_CreateObject(), *devices = cJSON_AddArrayToObject(json, "devices");
  for (int k = 0; k < 2; k++) cJSON_AddItemToArray(devices, cJSON_CreateString(c->devices[k]));
  cJSON_AddItemToObject(json, "seed", cJSON_Duplicate(seed, true));
  cJSON_AddNumberToObject(json, "operations", c->operations);
  cJSON_AddNumberToObject(json, "agreeing", c->compared);
  cJSON_AddBoolToObject(json, "agree", !c->parted);
  add_number(json, "greatest_difference", c->greatest);
  cJSON_AddStringToObject(json, "greatest_difference_in", c->greatest_in);
  cJSON_AddItemToObject(json, "parting", c->parting ? cJSON_Duplicate(c->parting, true) : cJSON_CreateNull());
  char *text = cJSON_Print(json);
  if (text) printf("%s\n", text);
  cJSON_free(text);
  cJSON_Delete(json);
}

/* ---- the command ---- */

/* "cpu,opencl" in two; the names are `room`'s. */
static bool find_devices(const invocation *v, char *room, comparing *c) {
  char *comma = strchr(room, ',');
  if (!comma || strchr(comma + 1, ',')) {
    complain(v, "--devices wants two devices, as in cpu,opencl, not '%s'", room);
    return false;
  }
  *comma = 0;
  c->devices[0] = room;
  c->devices[1] = comma + 1;
  for (int k = 0; k < 2; k++)
    if (!(c->streams[k] = pons_default_stream(c->devices[k]))) return complain_error(v), false;
  return true;
}

static bool load_inputs(const invocation *v, pons_imported file, arguments *a, cJSON **seed) {
  double number;
  if (!option_number(v, "--seed", 0, &number)) return false;
  *seed = option_given(v, "--inputs") ? cJSON_CreateNull() : cJSON_CreateNumber(number);
  if (option_given(v, "--inputs")) return arguments_load(v, file, option_words(v, "--inputs"), a);
  if (!option_given(v, "--json")) printf("inputs are random numbers, seed %.0f\n", number);
  return arguments_random(v, file, (uint64_t)number, a);
}

static int compare_file(const invocation *v, pons_imported file, comparing *c) {
  arguments a = {0};
  cJSON *seed = NULL;
  bool fine = load_inputs(v, file, &a, &seed);
  if (fine) {
    fine = pons_imported_nodes(file, .inputs = a.in, .n_inputs = a.count, .keywords = a.keywords,
                               .n_keywords = a.n_keywords, .streams = c->streams, .n_streams = 2,
                               .same_operands = option_given(v, "--same-operands"), .callback = compare_node,
                               .payload = c) &&
           (c->parted || compare_whole(c, file, &a));
    if (!fine) complain_error(v);
  }
  if (fine && option_given(v, "--json"))
    print_json(c, seed);
  else if (fine)
    print_words(c);
  cJSON_Delete(seed);
  cJSON_Delete(c->parting);
  arguments_free(&a);
  return fine && !c->parted ? FINE : FAILED;
}

static int diff(const invocation *v) {
  comparing c = {.v = v};
  char devices[64];
  snprintf(devices, sizeof devices, "%s", option_value(v, "--devices", "cpu"));
  if (!read_tolerances(v, c.of)) return MISUSED;
  if (!find_devices(v, devices, &c)) return FAILED;
  pons_imported file = pons_import_function(v->words[0]);
  if (!file) return complain(v, "%s: %s", v->words[0], pons_error());
  const int code = compare_file(v, file, &c);
  pons_imported_release(file);
  return code;
}

const command command_diff = {
    .name = "diff",
    .arguments =
        "FILE.mlxfn --devices D,E [--inputs FILE... | --seed N] [--rtol [DTYPE=]R] [--atol [DTYPE=]A] "
        "[--same-operands] [--json]",
    .summary = "Runs a file's function on two devices and shows the first operation at which they part.",
    .help =
        "Each operation is computed by itself on both devices, from what the device computed before; at the "
        "end "
        "the whole\n"
        "function, fused as usual. Random inputs are normal numbers; whole ones are 0 and 1. Results agree "
        "where |D - E| <= A + R |E|: R is 1e-4, for float16 1e-2, "
        "bfloat16 5e-2, float64\n"
        "1e-9; A 1e-5, 1e-3, 1e-2, 1e-12; whole numbers must be the same. Values are numbered as pons show "
        "does. Exit code 1 if\n"
        "they part.\n",
    .least = 1,
    .most = 1,
    .options = {{"--devices", "D,E", "the two devices: see pons info"},
                {"--inputs", "FILE...",
                 "arrays, as for pons run; left out: random ones for the first signature"},
                {"--seed", "N", "of random inputs (0)"},
                {"--rtol", "[DTYPE=]R", "difference allowed, relative"},
                {"--atol", "[DTYPE=]A", "and absolute"},
                {"--same-operands", NULL, "E gets the operands that D computed: no difference adds up"},
                {"--json", NULL, "as JSON"}},
    .run = diff,
};
