/* command.h: what the files of the command `pons` share. Uses the public headers, cJSON and the C library. */
#ifndef COMMAND_H
#define COMMAND_H
#include <cJSON.h>
#include <pons/array.h>
#include <pons/device.h>
#include <pons/eval.h>
#include <pons/export.h>
#include <pons/io.h>

/* Exit codes: 0 fine, 1 something failed or differs, 2 wrong usage. */
enum { FINE = 0, FAILED = 1, MISUSED = 2 };

/* ---- words on the command line (options.c) ---- */

enum { MOST_OPTIONS = 8 };
typedef struct option {
  const char *name; /* "--device" */
  const char *value; /* what follows it, for --help: "D"; NULL: nothing; ending in "...": one word or more */
  const char *help;
} option;

struct invocation;
typedef struct command {
  const char *name, *arguments, *summary;
  const char *help; /* further lines, or NULL */
  int least, most; /* words that belong to no option; most -1: no bound */
  bool program; /* the first word is a program: all behind it is its own */
  option options[MOST_OPTIONS];
  int (*run)(const struct invocation *v);
} command;

typedef struct word_list {
  int count;
  char **at; /* into argv */
} word_list;
/* One use of an option. */
typedef struct option_use {
  const option *option;
  word_list words;
} option_use;
typedef struct invocation {
  const command *command;
  int n_words, n_uses;
  char **words;
  option_use *uses;
} invocation;

extern const command command_info, command_run, command_verify, command_record, command_show, command_convert,
    command_selftest, command_diff, command_launch;

/* Reads argv behind the command's name. *exit_code is set when there is nothing to run: help was printed, or
   wrong usage told. */
bool invocation_read(const command *c, int argc, char **argv, invocation *v, int *exit_code);
void invocation_free(invocation *v);
bool option_given(const invocation *v, const char *name);
/* The value of the option's last use, or `otherwise`. */
const char *option_value(const invocation *v, const char *name, const char *otherwise);
/* All words of it; none if it is left out. */
word_list option_words(const invocation *v, const char *name);
/* The value as a number, or `otherwise`; false, told on stderr, if it is none. */
bool option_number(const invocation *v, const char *name, double otherwise, double *value);
void print_help(const command *c);
/* "pons run: " and the message on stderr; FAILED. */
int complain(const invocation *v, const char *format, ...) PONS_PRINTF(2, 3);
/* The same with the library's last error. */
int complain_error(const invocation *v);
/* Sets the device of --device, if given. */
bool use_device(const invocation *v);

/* ---- calls (call.c): a file's function with named and positional arrays ---- */

typedef struct arguments {
  int count, n_keywords;
  pons_array *in; /* positional, then keyword ones; held by `files` */
  const char **keywords;
  pons_named *files;
  int n_files;
} arguments;
/* Arrays from files, as positional and keyword inputs of `file`. */
bool arguments_load(const invocation *v, pons_imported file, word_list paths, arguments *out);
/* The same of random numbers, for the file's first signature (random_inputs.c). */
bool arguments_random(const invocation *v, pons_imported file, uint64_t seed, arguments *out);
void arguments_free(arguments *a);
/* Calls and computes. *out: kept arrays (results_free). The number of them, or -1 and the library's error. */
int call_file(pons_imported file, const pons_array *in, int n_in, const char *const *keywords, int n_keywords,
              pons_array **out);
void results_free(pons_array *out, int count);

/* ---- comparing (compare.c) ---- */

typedef struct difference {
  double greatest; /* of the absolute values of differences */
  bool too_great; /* beyond atol + rtol * |recorded| somewhere */
  int64_t at; /* the first such element */
  double got, want; /* there */
  int64_t greatest_at; /* where it is, if it is not 0; elements of complex arrays count twice, here and above */
  double greatest_got, greatest_want;
  const char *reason; /* shapes or dtypes differ: how; else NULL */
} difference;
difference compare_arrays(pons_array got, pons_array want, double rtol, double atol);

/* ---- files of arrays (arrays.c): what show and convert do with them ---- */

bool is_function_file(const char *path); /* else it is taken for one of arrays */
int show_arrays(const invocation *v);
int convert_arrays(const invocation *v);

/* ---- files (manifest.c) ---- */

/* The whole file, ended by 0; NULL if it can't be read. The caller frees. */
char *read_text_file(const char *path);
/* Writes beside and renames. */
bool write_text_file(const char *path, const char *text);
/* `name` in the folder of `path`. The caller frees. */
char *path_beside(const char *path, const char *name);
/* The manifest at `path` as an array, or NULL, told on stderr. */
cJSON *manifest_load(const invocation *v, const char *path);
#endif
