/* programs_test.c: compiled kernels are kept, in memory and on disk, under what they depend on. The backend is one
   that counts what it is asked for; its binaries are the texts. */
#include "backends/gpu/gpu.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static int compiled, loaded, binaries;
static const char *identity;

static void identify(int index, text *t) { text_add(t, "%s of device %d", identity, index); }
static void *compile(int index, const char *name, const char *source, const char *options, gpu_binary *binary,
                     error **why) {
  (void)index, (void)name, (void)options;
  if (strstr(source, "wrong")) return *why = (fail)("counting", "wrong"), NULL;
  compiled++;
  if (!binary) return (void *)"module";
  binaries++;
  *binary = (gpu_binary){mem_text(source), strlen(source) + 1};
  return (void *)"module";
}
static void *load(int index, const void *bytes, size_t size) {
  (void)index;
  assert_int_equal(((const char *)bytes)[size - 1], '\0');
  loaded++;
  return (void *)"module";
}
static void *entry(int index, void *module, const char *name, error **why) {
  (void)index, (void)name, (void)why;
  assert_string_equal(module, "module");
  return (void *)"entry";
}
/* Each stands for a process: what one has in memory the other has not. */
#define COUNTING(text)                                                                            \
  {                                                                                               \
    .name = "counting", .prologue = text, .options = "-O", .identify = identify,                  \
    .compile = compile, .load = load, .entry = entry,                                             \
  }
static const gpu_backend first = COUNTING("prologue\n"), second = COUNTING("prologue\n"),
                         third = COUNTING("prologue\n"), other = COUNTING("another prologue\n");

static void expect(const gpu_backend *b, int index, const char *definitions, int compilations, int loads) {
  static const char body[] = "the kernel\n";
  const gpu_source source = {.definitions = definitions, .body = body};
  error *why = NULL;
  compiled = loaded = 0;
  assert_string_equal(gpu_program(b, index, &source, "name", &why), "entry");
  assert_null(why);
  assert_int_equal(compiled, compilations);
  assert_int_equal(loaded, loads);
}

static char folder[] = "/tmp/pons_programs_XXXXXX";

/* Calls change(path) for each file of the folder; how many there were. */
static int each_file(void (*change)(const char *path)) {
  DIR *d = opendir(folder);
  int count = 0;
  for (const struct dirent *e; (e = readdir(d)) != NULL;) {
    char path[512];
    if (e->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    if (change) change(path);
    count++;
  }
  closedir(d);
  return count;
}

static void cut(const char *path) { assert_int_equal(truncate(path, 100), 0); }
static void alter(const char *path) {
  FILE *f = fopen(path, "r+b");
  assert_int_equal(fseek(f, -2, SEEK_END), 0);
  fputc('#', f);
  fclose(f);
}
static void discard(const char *path) { unlink(path); }

static void each_text_is_compiled_once(void **state) {
  (void)state;
  identity = "a";
  expect(&first, 0, "#define N 1\n", 1, 0);
  expect(&first, 0, "#define N 1\n", 0, 0);
  expect(&first, 0, "#define N 2\n", 1, 0);
  expect(&first, 1, "#define N 1\n", 1, 0);
  assert_int_equal(each_file(NULL), 3);
}

/* A text in another language than the dialect brings its prologue and its options. */
static void prologue_and_options_count(void **state) {
  (void)state;
  error *why = NULL;
  const gpu_source sources[] = {{"another\n", NULL, "#define N 1\n", ""},
                                {"another\n", "-O2", "#define N 1\n", ""},
                                {NULL, "-O2", "#define N 1\n", ""}};
  compiled = 0;
  for (int i = 0; i < 3; i++) assert_non_null(gpu_program(&second, 0, &sources[i], "name", &why));
  assert_int_equal(compiled, 3);
}

static void the_next_process_loads(void **state) {
  (void)state;
  expect(&second, 0, "#define N 1\n", 0, 1);
  expect(&second, 0, "#define N 3\n", 1, 0);
  expect(&other, 0, "#define N 1\n", 1, 0);
  identity = "another driver";
  expect(&third, 0, "#define N 1\n", 1, 0);
  identity = "a";
}

static void a_damaged_file_is_as_none(void **state) {
  (void)state;
  each_file(cut);
  expect(&third, 0, "#define N 2\n", 1, 0);
  each_file(alter);
  expect(&second, 0, "#define N 2\n", 1, 0);
}

static void an_error_is_handed_on_and_not_kept(void **state) {
  (void)state;
  error *why = NULL;
  const int before = each_file(NULL);
  assert_null(gpu_program(&first, 0, &(gpu_source){.definitions = "wrong\n", .body = ""}, "name", &why));
  assert_non_null(why);
  error_release(why);
  assert_int_equal(each_file(NULL), before);
}

static void without_a_folder_all_is_compiled(void **state) {
  (void)state;
  setenv("PONS_CACHE_DIR", "", 1);
  assert_null(gpu_cache_folder());
  binaries = 0;
  expect(&first, 0, "#define N 4\n", 1, 0);
  expect(&second, 0, "#define N 4\n", 1, 0);
  assert_int_equal(binaries, 0); /* some devices work for one */
  unsetenv("PONS_CACHE_DIR");
  setenv("XDG_CACHE_HOME", "/caches", 1);
  char *there = gpu_cache_folder();
  assert_string_equal(there, "/caches/pons");
  mem_free(there);
}

int main(void) {
  if (!mkdtemp(folder)) return 1;
  setenv("PONS_CACHE_DIR", folder, 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_text_is_compiled_once),
                                     cmocka_unit_test(prologue_and_options_count),
                                     cmocka_unit_test(the_next_process_loads),
                                     cmocka_unit_test(a_damaged_file_is_as_none),
                                     cmocka_unit_test(an_error_is_handed_on_and_not_kept),
                                     cmocka_unit_test(without_a_folder_all_is_compiled)};
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  each_file(discard);
  rmdir(folder);
  return failed;
}
