/* definitions_test.c: what a launch defines is the text it stands for, and a program is compiled once for the same definitions, again
   for others. The backend is one that counts. */
#include "backends/gpu/gpu.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static int compiled, launched;
static char last_text[1 << 12];

static void identify(int index, text *t) { text_add(t, "device %d", index); }
static void *compile(int index, const char *name, const char *source, const char *options, gpu_binary *binary,
                     error **why) {
  (void)index, (void)name, (void)options, (void)binary, (void)why;
  compiled++;
  snprintf(last_text, sizeof last_text, "%s", source);
  return last_text;
}
static void *entry(int index, void *module, const char *name, error **why) {
  (void)index, (void)name, (void)why;
  return module;
}
static error *launch_it(int index, const gpu_launch *l) {
  (void)index;
  assert_ptr_equal(l->entry, last_text);
  launched++;
  return NULL;
}
static const gpu_backend counting = {.name = "counting",
                                     .prologue = "",
                                     .options = "",
                                     .identify = identify,
                                     .compile = compile,
                                     .entry = entry,
                                     .launch = launch_it};

static gpu_call new_call(void) {
  static location where;
  return gpu_call_for(&counting, &(operand){.data = &where});
}

static void run(gpu_call *c, int compilations) {
  static const char body[] = "the kernel\n";
  compiled = launched = 0;
  assert_null(gpu_run(c, body, "name"));
  assert_int_equal(compiled, compilations);
  assert_int_equal(launched, 1);
}

static void each_kind_is_written(void **state) {
  (void)state;
  gpu_call c = new_call();
  gpu_define_dtype(&c, "X", PONS_BFLOAT16);
  gpu_define_wide(&c, "Y", PONS_INT32);
  gpu_define(&c, "LEAST", INT64_MIN);
  gpu_define_text(&c, "GIVEN", "");
  gpu_define_texts(&c, "ADD(a, b)", (const char *const[]){"k_add_", "f32", "(a, b)", NULL});
  gpu_define(&c, "BEHIND", 7);
  run(&c, 1);
  static const char *const wanted[] = {"_load(x)",
                                       "Y_SIZE 4\n",
                                       "#define Y_PART(w, i) ",
                                       "#define LEAST -9223372036854775808\n",
                                       "#define GIVEN \n",
                                       "#define ADD(a, b) k_add_f32(a, b)\n",
                                       "#define BEHIND 7\nthe kernel\n"};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) assert_non_null(strstr(last_text, wanted[i]));
}

static void define_three(gpu_call *c, int value, const char *name, bool wide) {
  gpu_define_dtype(c, "X", PONS_FLOAT32);
  gpu_define_text(c, name, "");
  gpu_define(c, "N", value);
  c->wide = wide;
}

static void the_same_is_compiled_once(void **state) {
  (void)state;
  static const struct {
    int value;
    const char *name;
    bool wide;
  } different[] = {{1, "A", false}, {2, "A", false}, {1, "B", false}, {1, "A", true}};
  for (int again = 0; again < 2; again++)
    for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
      gpu_call c = new_call();
      define_three(&c, different[i].value, different[i].name, different[i].wide);
      run(&c, !again);
    }
}

/* It says more than the words. */
static void text_of_its_own_counts(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) {
    gpu_call c = new_call();
    gpu_define(&c, "N", 5);
    text_add(&c.text, "#define OWN %d\n", i % 2);
    run(&c, i < 2);
    if (i < 2)
      assert_non_null(strstr(last_text, i ? "#define N 5\n#define OWN 1\n" : "#define N 5\n#define OWN 0\n"));
  }
}

static void too_many_are_an_error(void **state) {
  (void)state;
  gpu_call c = new_call();
  for (int i = 0; i < GPU_DEFINITIONS; i++) gpu_define(&c, "N", i);
  error *why = gpu_run(&c, "", "name");
  assert_non_null(strstr(error_text(why), "words of definitions"));
  error_release(why);
}

int main(void) {
  setenv("PONS_CACHE_DIR", "", 1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_kind_is_written), cmocka_unit_test(the_same_is_compiled_once),
      cmocka_unit_test(text_of_its_own_counts), cmocka_unit_test(too_many_are_an_error)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
