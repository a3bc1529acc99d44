/* library.c: text in Metal's language as functions of the host.

   The text goes through the preprocessor; then it is read word by word for what a compiler of C++ would let pass and
   Metal's does not: pointers that do not say in which memory they point, float64. Memory of a group is told apart from
   pointers to it, and each kernel gets a function that hands it its arguments: memory by number, places of threads by
   attribute. Behind shim.h, clang++ compiles it. What was compiled is kept under METAL_DOUBLE_CACHE, as macOS keeps
   it. Uses double.h, tests/doubles/. */
#include "double.h"
#include "tests/doubles/compiler.h"
#include "tests/doubles/grid.h"
#include <ctype.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

struct library {
  void *handle;
};

/* ---- words ---- */

typedef struct word {
  const char *at;
  int length;
} word;
typedef struct words {
  word *at;
  int n;
} words;

static bool is_name(int c) { return isalnum(c) || c == '_'; }

static words words_of(const char *text) {
  words w = {malloc((strlen(text) + 1) * sizeof *w.at), 0};
  if (!w.at) abort();
  while (*text) {
    if (isspace((unsigned char)*text)) {
      text++;
      continue;
    }
    const char *end = text + 1;
    if (*text == '#') /* a pragma: to the end of the line */
      while (*end && *end != '\n') end++;
    else if (is_name((unsigned char)*text))
      while (is_name((unsigned char)*end)) end++;
    else if (*text == '"')
      while (*end && *end++ != '"') {
      }
    w.at[w.n++] = (word){text, (int)(end - text)};
    text = end;
  }
  return w;
}

static bool is(const words *w, int i, const char *name) {
  return i >= 0 && i < w->n && w->at[i].length == (int)strlen(name) &&
         !strncmp(w->at[i].at, name, strlen(name));
}
static bool same(word a, word b) { return a.length == b.length && !strncmp(a.at, b.at, (size_t)a.length); }

/* ---- what Metal does not have ---- */

static bool is_builtin_type(const words *w, int i) {
  static const char *const names[] = {
      "bool",    "char",     "short",    "int",      "long",   "float",   "half",        "uchar",
      "ushort",  "uint",     "ulong",    "unsigned", "int8_t", "int16_t", "int32_t",     "int64_t",
      "uint8_t", "uint16_t", "uint32_t", "uint64_t", "void",   "size_t",  "atomic_uint", "atomic_int"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++)
    if (is(w, i, names[k])) return true;
  return false;
}

/* Names that `typedef ... name;` and `struct name` give. */
static words type_names(const words *w) {
  words names = {malloc((size_t)(w->n + 1) * sizeof *names.at), 0};
  if (!names.at) abort();
  for (int i = 0; i < w->n; i++) {
    if (is(w, i, "struct") && is_name((unsigned char)w->at[i + 1].at[0])) names.at[names.n++] = w->at[i + 1];
    if (!is(w, i, "typedef")) continue;
    int depth = 0, k = i;
    while (k < w->n && !(depth == 0 && is(w, k, ";"))) depth += is(w, k, "{") - is(w, k, "}"), k++;
    names.at[names.n++] = w->at[k - 1];
  }
  return names;
}

static bool is_type(const words *w, const words *names, int i) {
  if (is_builtin_type(w, i)) return true;
  for (int k = 0; k < names->n; k++)
    if (same(w->at[i], names->at[k])) return true;
  return false;
}

static bool is_space(const words *w, int i) {
  return is(w, i, "device") || is(w, i, "constant") || is(w, i, "threadgroup") || is(w, i, "thread");
}

/* Does the type at i, in a declaration or a cast to a pointer or reference, say where that points? */
static bool says_where(const words *w, int i) {
  int k = i - 1;
  while (is(w, k, "const") || is(w, k, "volatile") || is(w, k, "unsigned")) k--;
  return is_space(w, k) || is_space(w, i + 1);
}

static char *complaint(const words *w, int i, const char *what) {
  char *log = malloc(512);
  const int from = i > 8 ? i - 8 : 0, to = i + 8 < w->n ? i + 8 : w->n;
  const char *begin = w->at[from].at, *end = w->at[to - 1].at + w->at[to - 1].length;
  if (!log) abort();
  snprintf(log, 512, "error: %s: %.*s", what, (int)(end - begin > 300 ? 300 : end - begin), begin);
  return log;
}

static bool contains(const words *w, int from, int to, const char *name) {
  for (int i = from; i < to; i++)
    if (is(w, i, name)) return true;
  return false;
}

static char *find_fault(const words *w, const words *names) {
  if (!contains(w, 0, w->n, "metal_double_stdlib"))
    return complaint(w, 0, "what the language has built in is in metal_stdlib, which is not included");
  for (int i = 0; i < w->n; i++) {
    if (is(w, i, "double")) return complaint(w, i, "'double' is not supported in Metal");
    if (is(w, i, "long") && is(w, i + 1, "long"))
      return complaint(w, i, "'long long' is not supported in Metal");
    if (!is_name((unsigned char)w->at[i].at[0]) || !is_type(w, names, i)) continue;
    if ((is(w, i + 1, "*") || is(w, i + 1, "&")) && !is(w, i + 2, "&") && !says_where(w, i))
      return complaint(w, i, "pointer type must have explicit address space qualifier");
  }
  return NULL;
}

/* ---- kernels ---- */

typedef struct output {
  char *at;
  size_t length;
} output;
static void add(output *o, const char *format, ...) PRINTF_LIKE(2, 3);
static void add(output *o, const char *format, ...) {
  va_list list;
  va_start(list, format);
  const int more = vsnprintf(NULL, 0, format, list);
  va_end(list);
  o->at = realloc(o->at, o->length + (size_t)more + 1);
  if (!o->at) abort();
  va_start(list, format);
  vsnprintf(o->at + o->length, (size_t)more + 1, format, list);
  va_end(list);
  o->length += (size_t)more;
}

static const char *const attributes[] = {"thread_position_in_grid",    "threadgroup_position_in_grid",
                                         "threadgroups_per_grid",      "thread_position_in_threadgroup",
                                         "threads_per_threadgroup",    "dispatch_threads_per_threadgroup",
                                         "threads_per_grid",           "thread_index_in_threadgroup",
                                         "thread_index_in_simdgroup",  "simdgroup_index_in_threadgroup",
                                         "simdgroups_per_threadgroup", "threads_per_simdgroup",
                                         "thread_execution_width"};

/* The attribute of a parameter, words from .. to-1, that tells a thread's place; NULL. */
static const char *attribute_of(const words *w, int from, int to) {
  for (int i = from; i < to; i++)
    for (size_t k = 0; k < sizeof attributes / sizeof *attributes; k++)
      if (is(w, i, attributes[k])) return attributes[k];
  return NULL;
}

static int number_in(const words *w, int from, int to, int otherwise) {
  for (int i = from; i + 2 < to; i++)
    if (is(w, i, "buffer") && is(w, i + 1, "(")) return atoi(w->at[i + 2].at);
  return otherwise;
}

/* One parameter as an argument of the call. */
static void add_argument(output *call, output *sizes, const words *w, int from, int to, int *next,
                         int place) {
  const char *attribute = attribute_of(w, from, to);
  add(call, "%s", place ? ", " : "");
  if (attribute) {
    add(call, "metal_double_%s()", attribute);
    return;
  }
  const int number = number_in(w, from, to, *next);
  const bool is_reference = contains(w, from, to, "&");
  add(call, "metal_double_%s{p[%d]}", is_reference ? "reference" : "pointer", number);
  add(sizes, "  to[%d] = %s;\n", number, is_reference ? "1" : "0");
  if (is_reference) add(sizes, "  to[%d] = metal_double_size<%d>(metal_double_kernel);\n", number, place);
  *next = number + 1;
}

/* The kernel whose name is word i, behind which its parameters stand, as entry `name`; `called` is it, or an instance of it. */
static void add_entry(output *o, const words *w, int i, word name, word called) {
  output call = {0}, sizes = {0};
  int depth = 0, next = 0, place = 0, from = i + 2;
  add(&call, "%s", ""), add(&sizes, "%s", "");
  for (int k = i + 1; k < w->n; k++) {
    const bool opens = is(w, k, "(") || is(w, k, "[") || is(w, k, "<");
    const bool closes = is(w, k, ")") || is(w, k, "]") || is(w, k, ">");
    depth += opens;
    if ((depth == 1 && is(w, k, ",")) || (depth == 1 && is(w, k, ")"))) {
      if (k > from) add_argument(&call, &sizes, w, from, k, &next, place++);
      from = k + 1;
    }
    depth -= closes;
    if (depth == 0) break;
  }
  add(o, "\nextern \"C\" void metal_double_entry_%.*s(void **p) { %.*s(%s); }", name.length, name.at,
      called.length, called.at, call.at);
  add(o,
      "\nextern \"C\" void metal_double_sizes_%.*s(size_t *to) {\n  const auto metal_double_kernel = &%.*s;\n"
      "  (void)metal_double_kernel;\n%s}\n",
      name.length, name.at, called.length, called.at, sizes.at);
  free(call.at);
  free(sizes.at);
}

/* The name of the kernel that word i, `kernel`, makes; 0: it makes none. */
static int kernel_at(const words *w, int i) {
  int k = i + 1;
  if (!is(w, i, "kernel")) return 0;
  while (k < w->n && !is(w, k, "void") && !is(w, k, ";") && !is(w, k, "{")) k++;
  return is(w, k, "void") && is(w, k + 2, "(") ? k + 1 : 0;
}

static bool is_template(const words *w, int i) {
  while (i > 0 && !is(w, i, ";") && !is(w, i, "}") && !is(w, i, "template")) i--;
  return is(w, i, "template");
}

/* template [[host_name("n")]] [[kernel]] decltype(f<float, 2>) f<float, 2>; where word i is `template`. */
static bool is_instance(const words *w, int i) {
  return is(w, i, "template") && is(w, i + 1, "[") && is(w, i + 3, "host_name");
}

static void add_instance(output *o, const words *w, int i) {
  const word string = w->at[i + 5], name = {string.at + 1, string.length - 2};
  while (i < w->n && !is(w, i, "decltype")) i++;
  const char *begin = i + 2 < w->n ? w->at[i + 2].at : "";
  const word called = {begin, (int)strcspn(begin, ")")};
  for (int k = 0; k < w->n && i + 2 < w->n; k++) {
    const int kernel = kernel_at(w, k);
    if (kernel && same(w->at[kernel], w->at[i + 2])) {
      add_entry(o, w, kernel, name, called);
      return;
    }
  }
}

static char *entries_of(const words *w) {
  output o = {0};
  add(&o, "\n");
  for (int i = 0; i < w->n; i++) {
    const int name = kernel_at(w, i);
    if (is_instance(w, i))
      add_instance(&o, w, i);
    else if (name && !is_template(w, i))
      add_entry(&o, w, name, w->at[name], w->at[name]);
  }
  return o.at;
}

/* A statement that begins with `threadgroup` and declares no pointer makes memory of the group. */
static bool makes_group_memory(const words *w, int i) {
  if (!is(w, i, "threadgroup") || !(is(w, i - 1, "{") || is(w, i - 1, ";") || is(w, i - 1, "}")))
    return false;
  for (int k = i; k < w->n && !is(w, k, ";") && !is(w, k, "["); k++)
    if (is(w, k, "*") || is(w, k, "&")) return false;
  return true;
}

static char *with_group_memory(const words *w) {
  output o = {0};
  for (int i = 0; i < w->n; i++) {
    const bool line = *w->at[i].at == '#';
    if (is_instance(w, i)) /* the entry makes it */
      while (i < w->n && !is(w, i, ";")) i++;
    if (makes_group_memory(w, i))
      add(&o, " METAL_DOUBLE_GROUP");
    else if (i > 0 && w->at[i - 1].at + w->at[i - 1].length == w->at[i].at)
      add(&o, "%.*s", w->at[i].length, w->at[i].at);
    else
      add(&o, "%s%.*s", line || is(w, i - 1, ";") || is(w, i - 1, "}") ? "\n" : " ", w->at[i].length,
          w->at[i].at);
    if (line) add(&o, "\n");
  }
  return o.at;
}

/* ---- compiling ---- */

#define MATH_OPTION(fast) ((fast) ? "-ffast-math" : "-fno-fast-math")

static bool preprocess(const char *text, bool fast_math, const char *folder, bytes *out, bytes *log) {
  char in[128], to[128], log_path[128];
  const bytes whole = {(char *)text, strlen(text)};
  snprintf(in, sizeof in, "%s/kernel.cpp", folder);
  snprintf(to, sizeof to, "%s/kernel.i", folder);
  snprintf(log_path, sizeof log_path, "%s/log", folder);
  print_file(in, "", &whole, "");
  char *const arguments[] = {DOUBLE_CXX,
                             "-std=c++14",
                             "-E",
                             "-P",
                             MATH_OPTION(fast_math),
                             "-nostdinc",
                             "-D__METAL_VERSION__=310",
                             "-I" METAL_DOUBLE_FOLDER "/include",
                             "-o",
                             to,
                             in,
                             NULL};
  const bool fine = run_program(arguments, log_path);
  *(fine ? out : log) = read_file(fine ? to : log_path);
  return fine;
}

static bool build(const bytes *text, bool fast_math, const char *folder, const char *library, bytes *log) {
  char in[128], log_path[128];
  snprintf(in, sizeof in, "%s/kernel.cpp", folder);
  snprintf(log_path, sizeof log_path, "%s/log", folder);
  const words w = words_of(text->at);
  const words names = type_names(&w);
  char *fault = find_fault(&w, &names);
  if (fault) {
    *log = (bytes){fault, strlen(fault)};
  } else {
    char *entries = entries_of(&w), *marked = with_group_memory(&w);
    const bytes body = {marked, strlen(marked)};
    print_file(in, "#include \"" METAL_DOUBLE_FOLDER "/shim.h\"\n", &body, entries);
    free(entries);
    free(marked);
    /* What a text without a suffix means is float, and what is float stays so. */
    char *const options[] = {"-std=c++14",
                             MATH_OPTION(fast_math),
                             "-Wno-everything",
                             "-Werror=c99-extensions",
                             "-Werror=c99-designator",
                             "-Werror=vla-extension",
                             "-Werror=c++11-narrowing",
                             "-Werror=double-promotion",
                             "-Xclang",
                             "-cl-single-precision-constant",
                             NULL};
    const bool fine = compile_library(options, in, library, log_path);
    if (!fine) *log = read_file(log_path);
  }
  free(w.at);
  free(names.at);
  return !log->at;
}

static bool compile(const char *text, bool fast_math, const char *library, char **log_text) {
  static const char *const files[] = {"kernel.cpp", "kernel.i", "log"};
  char folder[] = P_tmpdir "/metal-double-XXXXXX";
  bytes preprocessed = {0}, log = {0};
  if (!mkdtemp(folder)) abort();
  const bool fine =
      preprocess(text, fast_math, folder, &preprocessed, &log) && build(&preprocessed, fast_math, folder, library, &log);
  free(preprocessed.at);
  remove_folder(folder, files, sizeof files / sizeof *files);
  *log_text = log.at;
  return fine;
}

/* ---- what was compiled ---- */

static library *library_open_at(const char *path) {
  library *l = calloc(1, sizeof *l);
  if (!l) abort();
  l->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!l->handle) wrong("%s", dlerror());
  return l;
}

library *library_compile(const char *text, bool fast_math, char **log) {
  static const char *const own[] = {METAL_DOUBLE_FOLDER "/shim.h", METAL_DOUBLE_FOLDER "/shim_numbers.h",
                                    METAL_DOUBLE_FOLDER "/library.c", NULL};
  char kept[256] = P_tmpdir "/metal-double", fresh[280];
  const bool keeps = kept_path("METAL_DOUBLE_CACHE", own, MATH_OPTION(fast_math), text, kept);
  if (keeps && access(kept, R_OK) == 0) return library_open_at(kept);
  fresh_path(kept, fresh);
  library *l = NULL;
  if (compile(text, fast_math, fresh, log)) {
    l = library_open_at(fresh);
    if (keeps) rename(fresh, kept);
  }
  if (!l || !keeps) unlink(fresh);
  return l;
}

/* ---- running ---- */

static void *symbol(library *l, const char *head, const char *name) {
  char whole[256];
  snprintf(whole, sizeof whole, "%s%s", head, name);
  return dlsym(l->handle, whole);
}

bool library_find(library *l, const char *name, library_kernel *k) {
  void (*sizes)(size_t *);
  void *run = symbol(l, "metal_double_entry_", name), *sizes_of = symbol(l, "metal_double_sizes_", name);
  if (!run || !sizes_of) return false;
  size_t *all = malloc(ARGUMENTS * sizeof *all);
  if (!all) abort();
  for (int i = 0; i < ARGUMENTS; i++) all[i] = SIZE_MAX;
  memcpy(&sizes, &sizes_of, sizeof sizes);
  sizes(all);
  *k = (library_kernel){NULL, all, l};
  memcpy(&k->run, &run, sizeof run);
  return true;
}

/* Of each axis the groups of full size, or the one behind them; part `which` of eight. */
static bool part_of(const unsigned grid[3], const unsigned group[3], int which, unsigned groups[3],
                    unsigned threads[3], unsigned first[3]) {
  for (int d = 0; d < 3; d++) {
    const bool last = which >> d & 1;
    first[d] = last ? grid[d] / group[d] : 0;
    groups[d] = last ? 1 : grid[d] / group[d];
    threads[d] = last ? grid[d] % group[d] : group[d];
    if (groups[d] == 0 || threads[d] == 0) return false;
  }
  return true;
}

const char *library_run(const library_kernel *k, void **arguments, const unsigned grid[3],
                        const unsigned group[3]) {
  void (*shared)(char **, char **);
  void *shared_of = dlsym(k->library->handle, "metal_double_shared");
  grid_kernel g = {.state = dlsym(k->library->handle, "metal_double"), .run = k->run};
  unsigned(*whole)[3] = dlsym(k->library->handle, "metal_double_whole"); /* first group, group, grid */
  if (!g.state || !shared_of || !whole) abort();
  memcpy(&shared, &shared_of, sizeof shared);
  shared(&g.shared, &g.shared_end);
  memcpy(whole[1], group, sizeof whole[1]);
  memcpy(whole[2], grid, sizeof whole[2]);
  const char *stuck = NULL;
  unsigned groups[3], threads[3];
  for (int which = 0; which < 8 && !stuck; which++)
    if (part_of(grid, group, which, groups, threads, whole[0]))
      stuck = grid_run(&g, arguments, groups, threads);
  return stuck;
}
