/* metal_test.c: the Metal backend on the double of Apple's frameworks: messages, memory, programs, launches, what happens when
   something fails, and that nothing is left behind. It judges what is asked of Metal, not the hardware. What is set in the
   environment holds for a process, so each case is one. */
#include "backends/metal/metal.h"
#include "tests/metal_double/process.h"
#include <pons/pons.h>
#include <signal.h>

/* The double ends the process: a device would do something else than was meant. */
static void ends_the_process(void (*f)(void)) {
  const int status = process(f, "A=1");
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static bool told(error *why, const char *what) {
  const bool is = why && strstr(error_text(why), what);
  if (why && !is) print_error("told: %s\n", error_text(why));
  error_release(why);
  pons_clear_error();
  return is;
}

/* ---- messages ---- */

static void every_message_has_the_types_of_its_selector(void) {
  for (int i = 0; i < METAL_MESSAGES; i++) {
    const metal_encoding *m = &metal_encodings[i];
    char ours[128] = "";
    for (int k = 0; m->parts[k]; k++) strcat(ours, m->parts[k]);
    const char *theirs = encoding(m->selector);
    if (!theirs || strcmp(theirs, ours) != 0)
      print_error("%s: %s here, %s there\n", m->selector, ours, theirs ? theirs : "not understood"), _exit(1);
    int arguments = 0;
    for (const char *c = m->selector; *c; c++) arguments += *c == ':';
    CHECK(m->parts[2 + arguments] && !m->parts[3 + arguments]);
  }
}

static void unknown_selector(void) {
  CHECK(metal_count() == 1);
  metal()->objc_autoreleasePoolPush();
  metal_commit(metal_card_at(0)->device); /* a device is not a command buffer */
}
static void without_a_pool(void) {
  CHECK(metal_count() == 1);
  metal_string(metal_class("NSString"), "leaks");
}
static void released_too_often(void) {
  CHECK(metal_count() == 1);
  id buffer = metal_new_buffer(metal_card_at(0)->device, 16, MTLResourceStorageModeShared);
  metal()->objc_release(buffer);
  metal_contents(buffer);
}

static void messages(void **state) {
  (void)state;
  passes(every_message_has_the_types_of_its_selector, "A=1");
  ends_the_process(unknown_selector);
  ends_the_process(without_a_pool);
  ends_the_process(released_too_often);
}

/* ---- memory ---- */

static const memory_driver *m = &metal_memory_driver;

static void memory_is_written_and_read(void) {
  static const size_t sizes[] = {1, 3, 100000, (4 << 20) + 5};
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    error *why = NULL;
    unsigned char *host = malloc(sizes[k]), *back = malloc(sizes[k]);
    CHECK(host && back);
    for (size_t i = 0; i < sizes[k]; i++) host[i] = (unsigned char)(i * 7 + i / 251);
    void *memory = m->take(0, sizes[k], &why);
    CHECK(memory && !m->write(0, memory, 0, host, sizes[k]) && !m->read(0, memory, 0, back, sizes[k]));
    CHECK(!memcmp(host, back, sizes[k]));
    m->give(0, memory);
    free(host);
    free(back);
  }
  metal_trim(0);
  CHECK(count("MTLBuffer") == 0);
}

static void what_is_given_back_is_used_anew(void) {
  error *why = NULL;
  void *a = m->take(0, 600000, &why);
  m->give(0, a);
  CHECK(m->take(0, 590000, &why) == a); /* of the same size class */
  m->give(0, a);
  CHECK(m->cached(0) >= 600000);
  void *b = m->take(0, 3500000, &why); /* there is none beside what is kept */
  CHECK(m->cached(0) == 0);
  CHECK(b && count("MTLBuffer") == 1);
  pons_set_cache_limit(1000000);
  m->give(0, b); /* it would be more than may be kept */
  CHECK(count("MTLBuffer") == 0);
}

static void there_is_no_more(void) {
  error *why = NULL;
  void *a = m->take(0, 900000, &why);
  CHECK(a && !m->take(0, 900000, &why));
  CHECK(told(why, "out of memory on Double of an Apple GPU: asked 0.9 MiB, 0.9 of 1.0 MiB are in use"));
  m->give(0, a);
  why = NULL;
  CHECK((a = m->take(0, 900000, &why)));
  m->give(0, a);
}

static void memory_of_the_device(void **state) {
  (void)state;
  passes(memory_is_written_and_read, "A=1");
  passes(what_is_given_back_is_used_anew, "METAL_DOUBLE_MEMORY=4000000");
  passes(there_is_no_more, "METAL_DOUBLE_MEMORY=1000000");
}

/* ---- programs and launches ---- */

static const char sum_text[] = /* of each group's threads, by way of local memory */
    "KERNEL sum(GLOBAL float *y, GLOBAL const float *x, NUMBERS) {\n"
    "  LOCAL float room[64];\n"
    "  const int i = LOCAL_ID(0);\n"
    "  room[i] = x[GLOBAL_ID] * v.at[0];\n"
    "  for (int gap = 32; gap > 0; gap /= 2) {\n"
    "    BARRIER;\n"
    "    if (i < gap) room[i] += room[i + gap];\n"
    "  }\n"
    "  if (i == 0) y[GROUP_ID(0)] = room[0];\n"
    "}\n";

static void *module_of(const char *body, error **why) {
  gpu_binary binary;
  text t = {0};
  gpu_add_text(&t, gpu_metal.prologue);
  text_add_string(&t, body);
  void *module = gpu_metal.compile(0, "sum", t.at, NULL, &binary, why);
  CHECK(binary.size == 0);
  text_free(&t);
  return module;
}

static error *launch_sum(void *entry, void *y, void *x) {
  int64_t numbers[GPU_NUMBERS] = {3};
  void *memories[] = {y, x};
  const gpu_launch l = {.entry = entry,
                        .n_memories = 2,
                        .n_written = 1,
                        .memories = memories,
                        .numbers = numbers,
                        .groups = {3, 1, 1},
                        .group = {64, 1, 1}};
  return gpu_metal.launch(0, &l);
}

/* Everything, so often that several command buffers are under way. */
static error *compute(int launches) {
  float x[192], y[3] = {0};
  error *why = NULL;
  for (int i = 0; i < 192; i++) x[i] = (float)i;
  void *module = module_of(sum_text, &why), *entry = module ? gpu_metal.entry(0, module, "sum", &why) : NULL;
  void *in = entry ? m->take(0, sizeof x, &why) : NULL, *out = in ? m->take(0, sizeof y, &why) : NULL;
  if (out) why = m->write(0, in, 0, x, sizeof x);
  for (int i = 0; i < launches && !why; i++)
    if (out) why = launch_sum(entry, out, in);
  if (!why && out) why = m->read(0, out, 0, y, sizeof y);
  if (!why) CHECK(y[0] == 3 * 2016 && y[1] == 3 * 6112 && y[2] == 3 * 10208);
  if (in) m->give(0, in);
  if (out) m->give(0, out);
  return why;
}

/* What lives for a call is gone. */
static void nothing_is_left(void) {
  error_release(metal_flush(0));
  error *why = NULL;
  metal_device *d = metal_enter(0, &why);
  if (d) metal_wait_for(d, d->number), metal_leave(d);
  metal_trim(0);
  error_release(why);
  static const char *const classes[] = {"NSString",
                                        "NSError",
                                        "MTLCompileOptions",
                                        "MTLFunction",
                                        "MPSMatrix",
                                        "MPSMatrixDescriptor",
                                        "MPSMatrixMultiplication",
                                        "MTLBuffer",
                                        "MTLCommandBuffer",
                                        "MTLComputePipelineDescriptor",
                                        "MTLComputeCommandEncoder"};
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
    if (count(classes[i]) != 0) print_error("%ld of %s are left\n", count(classes[i]), classes[i]), _exit(1);
}

static void kernels_run(void) {
  CHECK(!compute(1) && !compute(31) && !compute(1000));
  CHECK(count("command buffer") > 20 && count("command buffer") < 100);
  nothing_is_left();
}

static void launches(void **state) {
  (void)state;
  passes(kernels_run, "A=1");
}

/* Metal's compiler takes none of these; nor does the double. */
static void texts_that_are_wrong(void) {
  static const struct {
    const char *text, *words;
  } wrong[] = {
      {"KERNEL sum(GLOBAL float *y, NUMBERS) { y[0] = nowhere; }", "nowhere"},
      {"KERNEL sum(GLOBAL float *y, NUMBERS) { double d = 1; y[0] = d; }", "'double' is not supported"},
      {"KERNEL sum(GLOBAL float *y, NUMBERS) { float *p = y; p[0] = 1; }", "explicit address space"},
      {"static inline float first(const float *p) { return p[0]; }\n", "explicit address space"},
      {"KERNEL sum(float *y, NUMBERS) { y[0] = 1; }", "explicit address space"},
      {"KERNEL sum(GLOBAL complex64 *y, NUMBERS) { y[0] = (complex64){1, 2}; }", "error"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    error *why = NULL;
    CHECK(!module_of(wrong[i].text, &why));
    CHECK(strstr(error_text(why), "the kernel 'sum' does not compile"));
    CHECK(told(why, wrong[i].words));
  }
  nothing_is_left();
}

static void wrong_entries(void) {
  error *why = NULL;
  void *module = module_of(sum_text, &why);
  CHECK(module && !gpu_metal.entry(0, module, "product", &why) && told(why, "no kernel 'product'"));
  why = NULL;
  void *entry = gpu_metal.entry(0, module, "sum", &why), *memory = m->take(0, 64, &why);
  int64_t numbers[GPU_NUMBERS] = {0};
  void *memories[] = {memory, memory};
  const gpu_launch l = {.entry = entry,
                        .n_memories = 2,
                        .n_written = 1,
                        .memories = memories,
                        .numbers = numbers,
                        .groups = {1, 1, 1},
                        .group = {512, 1, 1}};
  CHECK(entry && memory && told(gpu_metal.launch(0, &l), "groups of 512 threads; the kernel takes 256"));
  m->give(0, memory);
  nothing_is_left();
}

static void programs(void **state) {
  (void)state;
  passes(texts_that_are_wrong, "A=1");
  passes(wrong_entries, "A=1");
}

/* ---- products by Metal Performance Shaders ---- */

/* Computed on the device. */
static pons_array numbers(pons_shape shape, pons_dtype d, uint64_t seed) {
  CHECK(pons_set_default_device("metal"));
  pons_array x = pons_random_normal(shape, d, NULL, NULL, pons_random_key(seed));
  CHECK(pons_eval(x));
  return x;
}

/* One product on both devices: whether MPS made it, and how far they are apart. */
static void compare_product(const char *what, pons_array a, pons_array b, bool by_mps, float far) {
  static float one[20000], other[20000];
  const long before = count("product");
  CHECK(pons_set_default_device("metal"));
  pons_array y = pons_matmul(a, b);
  const int64_t n = pons_size(y);
  CHECK(n <= 20000 && pons_copy_out(pons_astype(y, PONS_FLOAT32), one));
  CHECK(pons_set_default_device("cpu"));
  CHECK(pons_copy_out(pons_astype(pons_matmul(a, b), PONS_FLOAT32), other));
  for (int64_t i = 0; i < n; i++)
    if (!(one[i] - other[i] <= far && other[i] - one[i] <= far))
      print_error("%s: element %d is %g, on the CPU %g\n", what, (int)i, (double)one[i], (double)other[i]),
          _exit(1);
  if ((count("product") > before) != by_mps)
    print_error("%s: %s by MPS\n", what, by_mps ? "not" : "it was"), _exit(1);
}

static void products_as_operands_lie(void) {
  const pons_scope s = pons_scope_open();
  const pons_dtype f = PONS_FLOAT32, h = PONS_FLOAT16;
  pons_array a = numbers(PONS_SHAPE(20, 33), f, 1), b = numbers(PONS_SHAPE(33, 17), f, 2);
  compare_product("plain", a, b, true, 1e-4f);
  compare_product("left turned", pons_transpose(numbers(PONS_SHAPE(33, 20), f, 3)), b, true, 1e-4f);
  compare_product("right turned", a, pons_transpose(numbers(PONS_SHAPE(17, 33), f, 4)), true, 1e-4f);
  compare_product("float16", pons_astype(a, h), pons_astype(b, h), true, 2e-2f);
  compare_product("batch", numbers(PONS_SHAPE(2, 3, 20, 33), f, 5), numbers(PONS_SHAPE(2, 3, 33, 17), f, 6),
                  true, 1e-4f);
  compare_product("one right side", numbers(PONS_SHAPE(4, 20, 33), f, 7), b, true, 1e-4f);
  compare_product("one left side", a, numbers(PONS_SHAPE(4, 33, 17), f, 8), false, 1e-4f);
  compare_product("small", numbers(PONS_SHAPE(3, 33), f, 9), b, false, 1e-4f);
  compare_product("bfloat16", pons_astype(a, PONS_BFLOAT16), pons_astype(b, PONS_BFLOAT16), false, 2e-1f);
  pons_scope_close(s);
}

static void without_mps(void) {
  const pons_scope s = pons_scope_open();
  compare_product("without MPS", numbers(PONS_SHAPE(20, 33), PONS_FLOAT32, 1),
                  numbers(PONS_SHAPE(33, 17), PONS_FLOAT32, 2), false, 1e-4f);
  pons_scope_close(s);
}

static void product_that_fails(void) {
  const pons_scope s = pons_scope_open();
  CHECK(pons_set_default_device("metal"));
  CHECK(!pons_eval(pons_matmul(numbers(PONS_SHAPE(20, 33), PONS_FLOAT32, 1),
                               numbers(PONS_SHAPE(33, 17), PONS_FLOAT32, 2))));
  CHECK(strstr(pons_error(), "no MPSMatrixMultiplication for (20, 33) by (33, 17)"));
  pons_clear_error();
  pons_scope_close(s);
  nothing_is_left();
}

static void products(void **state) {
  (void)state;
  passes(products_as_operands_lie, "A=1");
  passes(without_mps, "DOUBLE_FAULTS=MPSMatrixMultiplication:1+=1");
  passes(product_that_fails, "DOUBLE_FAULTS=product:1=1");
}

/* ---- faults ---- */

static const char *expected_words;
static void fails_once_and_goes_on(void) {
  CHECK(told(compute(40), expected_words));
  CHECK(!compute(40));
  nothing_is_left();
}

static void each_failure_is_told(void **state) {
  static const struct {
    const char *fault, *words;
  } faults[] = {
      {"library:1=1", "the compiler is not to be had"},
      {"indirect pipeline:1=1,pipeline:1=1", "no pipeline for the kernel 'sum': the pipeline can't be made"},
      {"buffer:1=1,buffer:2=1", "out of memory"},
      {"command buffer of a queue:1=1", "gives no command buffer"},
      {"encoder:1=1", "gives no encoder"},
      {"command buffer:1=2", "the device did not carry out its work: Caused GPU Hang Error (2)"},
      {"command buffer:2=2", "the device did not carry out its work: Caused GPU Hang Error (2)"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    char settings[128];
    snprintf(settings, sizeof settings, "DOUBLE_FAULTS=%s", faults[i].fault);
    expected_words = faults[i].words;
    passes(fails_once_and_goes_on, settings);
  }
}

/* The first command buffer fails; the second, which reads what it should have written, does not. */
static void bad_memory_stays_bad(void) {
  error *why = NULL;
  float back[3];
  void *module = module_of(sum_text, &why), *entry = gpu_metal.entry(0, module, "sum", &why);
  void *a = m->take(0, 768, &why), *b = m->take(0, 768, &why), *c = m->take(0, 768, &why);
  static const float zeros[192];
  CHECK(entry && c && !m->write(0, c, 0, zeros, sizeof zeros) && !m->write(0, a, 0, zeros, sizeof zeros));
  CHECK(!launch_sum(entry, a, c) && !metal_flush(0)); /* fails, which nobody knows yet */
  CHECK(!launch_sum(entry, b, a) && !metal_flush(0)); /* reads it */
  CHECK(told(m->read(0, b, 0, back, sizeof back), "did not carry out its work"));
  CHECK(told(m->read(0, a, 0, back, sizeof back), "did not carry out its work"));
  CHECK(told(launch_sum(entry, b, a), "did not carry out its work"));
  CHECK(!m->read(0, c, 0, back, sizeof back)); /* was only read there */
  CHECK(!m->write(0, a, 0, zeros, sizeof zeros) && !launch_sum(entry, b, a) &&
        !m->read(0, b, 0, back, sizeof back));
  m->give(0, a);
  m->give(0, b);
  m->give(0, c);
  nothing_is_left();
}

static void results_of_work_that_failed(void **state) {
  (void)state;
  passes(bad_memory_stays_bad, "DOUBLE_FAULTS=command buffer:1=2");
}

static void no_device(void) {
  text json = {0};
  CHECK(metal_count() == 0);
  metal_report(&json);
  CHECK(strstr(json.at, "the system shows no Metal device"));
  text_free(&json);
}
static void no_queue(void) {
  error *why = NULL;
  CHECK(!m->take(0, 8, &why) && told(why, "Double of an Apple GPU gives no command queue"));
  why = NULL;
  CHECK(!m->take(0, 8, &why) && told(why, "gives no command queue"));
}

static void what_is_not_there(void **state) {
  (void)state;
  passes(no_device, "METAL_DOUBLE_DEVICES=0");
  passes(no_queue, "DOUBLE_FAULTS=queue:1+=1");
}

int main(void) {
  if (!double_is_there()) return 77;
  const struct CMUnitTest tests[] = {cmocka_unit_test(messages),
                                     cmocka_unit_test(memory_of_the_device),
                                     cmocka_unit_test(launches),
                                     cmocka_unit_test(programs),
                                     cmocka_unit_test(products),
                                     cmocka_unit_test(each_failure_is_told),
                                     cmocka_unit_test(results_of_work_that_failed),
                                     cmocka_unit_test(what_is_not_there)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
