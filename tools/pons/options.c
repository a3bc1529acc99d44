/* options.c: the command line by a table: options, --help, and how faults are told. */
#include "command.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const option *find_option(const command *c, const char *name) {
  for (const option *o = c->options; o->name; o++)
    if (strcmp(o->name, name) == 0) return o;
  return NULL;
}

static bool takes_several(const option *o) {
  const size_t length = o->value ? strlen(o->value) : 0;
  return length > 3 && strcmp(o->value + length - 3, "...") == 0;
}

void print_help(const command *c) {
  printf("usage: pons %s %s\n\n%s\n", c->name, c->arguments, c->summary);
  if (c->options[0].name) printf("\n");
  for (const option *o = c->options; o->name; o++) {
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
    printf("  %-22s %s\n", left, o->help);
  }
  printf("  %-22s %s\n", "--help", "this text");
  if (c->help) printf("\n%s", c->help);
}

static int misused(const command *c, const char *what, const char *word) {
  fprintf(stderr, "pons %s: %s%s%s\nusage: pons %s %s\n", c->name, what, word ? " " : "", word ? word : "",
          c->name, c->arguments);
  return MISUSED;
}

bool invocation_read(const command *c, int argc, char **argv, invocation *v, int *exit_code) {
  *v = (invocation){.command = c};
  v->words = calloc((size_t)argc + 1, sizeof *v->words);
  v->uses = calloc((size_t)argc + 1, sizeof *v->uses);
  *exit_code = v->words && v->uses ? -1 : FAILED;
  bool words_only = false;
  for (int i = 0; i < argc && *exit_code < 0; i++) {
    if (words_only || strncmp(argv[i], "-", 1) != 0 || strcmp(argv[i], "-") == 0) {
      v->words[v->n_words++] = argv[i];
      words_only |= c->program;
      continue;
    }
    const option *o = find_option(c, argv[i]);
    if (strcmp(argv[i], "--") == 0) {
      words_only = true;
    } else if (strcmp(argv[i], "--help") == 0) {
      print_help(c);
      *exit_code = FINE;
    } else if (!o) {
      *exit_code = misused(c, "unknown option", argv[i]);
    } else {
      option_use *use = &v->uses[v->n_uses++];
      *use = (option_use){.option = o, .words = {0, &argv[i + 1]}};
      const int most = !o->value ? 0 : takes_several(o) ? argc : 1;
      while (use->words.count < most && i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0)
        use->words.count++, i++;
      if (o->value && use->words.count == 0) *exit_code = misused(c, "a value is missing behind", o->name);
    }
  }
  if (*exit_code < 0 && v->n_words < c->least) *exit_code = misused(c, "something is missing", NULL);
  if (*exit_code < 0 && c->most >= 0 && v->n_words > c->most)
    *exit_code = misused(c, "too much:", v->words[c->most]);
  return *exit_code < 0;
}

void invocation_free(invocation *v) {
  free(v->words);
  free(v->uses);
}

bool option_given(const invocation *v, const char *name) {
  for (int i = 0; i < v->n_uses; i++)
    if (strcmp(v->uses[i].option->name, name) == 0) return true;
  return false;
}

const char *option_value(const invocation *v, const char *name, const char *otherwise) {
  for (int i = v->n_uses; i > 0; i--)
    if (strcmp(v->uses[i - 1].option->name, name) == 0) return v->uses[i - 1].words.at[0];
  return otherwise;
}

word_list option_words(const invocation *v, const char *name) {
  for (int i = v->n_uses; i > 0; i--)
    if (strcmp(v->uses[i - 1].option->name, name) == 0) return v->uses[i - 1].words;
  return (word_list){0, NULL};
}

bool option_number(const invocation *v, const char *name, double otherwise, double *value) {
  const char *text = option_value(v, name, NULL);
  char *end = NULL;
  *value = text ? strtod(text, &end) : otherwise;
  if (!text || (*text && !*end)) return true;
  complain(v, "%s wants a number, not '%s'", name, text);
  return false;
}

int complain(const invocation *v, const char *format, ...) {
  va_list list;
  fprintf(stderr, "pons %s: ", v->command->name);
  va_start(list, format);
  vfprintf(stderr, format, list);
  va_end(list);
  fprintf(stderr, "\n");
  return FAILED;
}

int complain_error(const invocation *v) {
  return complain(v, "%s", pons_error() ? pons_error() : "it failed");
}

bool use_device(const invocation *v) {
  const char *name = option_value(v, "--device", NULL);
  if (!name || pons_set_default_device(name)) return true;
  complain_error(v);
  return false;
}
