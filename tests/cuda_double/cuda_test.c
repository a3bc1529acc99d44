/* cuda_test.c: the CUDA backend on the doubles of tests/cuda_double: memory, copies, programs, launches, and what happens when
   calls fail. It judges what is asked of the driver, not the hardware. */
#include "backends/cuda/program.h"
#include "tests/cuda_double/process.h"

/* ---- memory and copies ---- */

static void round_trip(size_t bytes) {
  error *why = NULL;
  unsigned char *host = malloc(bytes), *back = malloc(bytes);
  CHECK(host && back);
  for (size_t i = 0; i < bytes; i++) host[i] = (unsigned char)(i * 7 + i / 251);
  void *memory = cuda_take(0, bytes, &why);
  CHECK(memory);
  CHECK(!cuda_write(0, memory, 0, host, bytes));
  for (size_t i = 0; i < bytes; i++) host[i] ^= 0xff; /* as cuda_write allows */
  CHECK(!cuda_read(0, memory, 0, back, bytes));
  for (size_t i = 0; i < bytes; i++) host[i] ^= 0xff;
  CHECK(!memcmp(host, back, bytes));
  cuda_give(0, memory);
  free(host);
  free(back);
}

static void copies_of_any_size(void) {
  static const size_t sizes[] = {1, 3, 100000, 4 << 20, (4 << 20) + 5, 23 << 20};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) round_trip(sizes[i]);
}

static void memory_goes_both_ways(void **state) {
  (void)state;
  passes(copies_of_any_size, "A=1");
  passes(copies_of_any_size, "CUDA_DOUBLE_POOLS=0");
  passes(copies_of_any_size, "DOUBLE_FAULTS=cuMemAllocHost:1+=2"); /* no page-locked memory */
  passes(copies_of_any_size, "DOUBLE_FAULTS=cuMemAllocHost:3=2");
  passes(copies_of_any_size, "DOUBLE_FAULTS=cuMemPoolCreate:1=801");
}

static void cache_serves_and_is_emptied(void) {
  error *why = NULL;
  void *a = cuda_take(0, 600000, &why);
  cuda_give(0, a);
  CHECK(cuda_take(0, 590000, &why) == a); /* of the same size class */
  CHECK(count("cuMemAlloc") == 1);
  cuda_give(0, a);
  void *b = cuda_take(0, 900000, &why); /* there is none beside what is kept */
  CHECK(b && count("cuMemFree") == 1 && count("device memory") == 1);
  CHECK(!cuda_take(0, 900000, &why) && told("out of memory") && told("asked 0.9 MiB") && told("of 1.0 MiB"));
  error_release(why);
  pons_clear_error();
}

static void pool_tells_when_there_is_none(void) {
  error *why = NULL;
  void *a = cuda_take(0, 900000, &why);
  CHECK(a && !cuda_take(0, 900000, &why) && told("out of memory"));
  error_release(why);
  pons_clear_error();
  cuda_give(0, a);
  why = NULL;
  CHECK((a = cuda_take(0, 900000, &why))); /* behind the queue, which is waited for */
  cuda_give(0, a);
  CHECK(count("device memory") == 0);
}

static void memory_that_is_short(void **state) {
  (void)state;
  passes(cache_serves_and_is_emptied, "CUDA_DOUBLE_POOLS=0;CUDA_DOUBLE_MEMORY=1000000");
  passes(pool_tells_when_there_is_none, "CUDA_DOUBLE_MEMORY=1000000");
}

static void nothing_is_opened_to_be_counted(void) {
  CHECK(pons_set_default_device("cuda"));
  CHECK(pons_get_cache_memory() == 0);
  pons_clear_cache();
  CHECK(count("streams") == 0);
}

static void *device_memory(size_t bytes) {
  error *why = NULL;
  void *memory = cuda_take(0, bytes, &why);
  CHECK(memory);
  return memory;
}

/* 600000 bytes are a size class. */
static void cache_is_counted_and_cleared(void) {
  CHECK(pons_set_default_device("cuda"));
  void *a = device_memory(600000), *b = device_memory(600000);
  CHECK(pons_get_cache_memory() == 0);
  cuda_give(0, a);
  cuda_give(0, b);
  CHECK(count("streams") == 3); /* counting does what is queued */
  const size_t kept = pons_get_cache_memory();
  CHECK(kept >= 1200000 && kept < 1500000);
  a = device_memory(600000); /* of what is kept */
  CHECK(pons_get_cache_memory() == kept / 2);
  pons_clear_cache();
  CHECK(pons_get_cache_memory() == 0);
  cuda_give(0, a);
}

/* Beyond the limit nothing is kept, once it is set and from then on. */
static void cache_keeps_to_its_limit(void) {
  CHECK(pons_set_default_device("cuda"));
  void *all[4];
  for (int i = 0; i < 4; i++) all[i] = device_memory(600000);
  cuda_give(0, all[0]);
  cuda_give(0, all[1]);
  CHECK(count("streams") == 3 && pons_get_cache_memory() >= 1200000);
  pons_set_cache_limit(700000);
  CHECK(pons_get_cache_memory() <= 700000);
  cuda_give(0, all[2]);
  CHECK(count("streams") == 3);
  cuda_give(0, all[3]);
  CHECK(count("streams") == 3 && pons_get_cache_memory() <= 1400000); /* what was queued last may be known late */
  cuda_give(0, device_memory(8));
  CHECK(count("streams") == 3 && pons_get_cache_memory() <= 700000);
}

static void cache_is_told_of(void **state) {
  (void)state;
  passes(nothing_is_opened_to_be_counted, "A=1");
  passes(cache_is_counted_and_cleared, "A=1");
  passes(cache_is_counted_and_cleared, "CUDA_DOUBLE_POOLS=0");
  passes(cache_keeps_to_its_limit, "A=1");
  passes(cache_keeps_to_its_limit, "CUDA_DOUBLE_POOLS=0");
}

/* ---- programs ---- */

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

/* Compiles `body` behind the prologue. */
static void *compiled(int index, const char *name, const char *body, gpu_binary *binary, error **why) {
  text whole = {0};
  gpu_add_text(&whole, gpu_cuda.prologue);
  text_add_string(&whole, body);
  void *module = cuda_compile(index, name, whole.at, gpu_cuda.options, binary, why);
  text_free(&whole);
  return module;
}

static error *launch_sum(int index, void *entry, void *y, void *x) {
  int64_t numbers[GPU_NUMBERS] = {3};
  void *memories[] = {y, x};
  const gpu_launch l = {entry, 2, 1, memories, numbers, {3, 1, 1}, {64, 1, 1}, 0, false, false, 0};
  return cuda_launch(index, &l);
}

/* The program, compiled or as an earlier process left it. */
static void *module_of(int index, bool anew, error **why) {
  static const char path[] = DOUBLES "sum.image";
  gpu_binary binary = {0};
  char *image = calloc(1, 1 << 20);
  FILE *f = anew ? NULL : fopen(path, "rb");
  void *module = NULL;
  if (f && image) {
    const size_t bytes = fread(image, 1, 1 << 20, f);
    module = cuda_load(index, image, bytes);
  }
  if (f) fclose(f);
  free(image);
  if (module) return module;
  module = compiled(index, "sum", sum_text, &binary, why);
  if (module && (f = fopen(path, "wb"))) {
    fwrite(binary.bytes, 1, binary.size, f);
    fclose(f);
  }
  mem_free(binary.bytes);
  return module;
}

static void unload(int index, void *module) {
  error *why = NULL;
  cuda_device *d = cuda_enter(index, &why);
  error_release(why);
  if (!d) return;
  cuda()->cuModuleUnload(module);
  cuda_leave(d);
}

/* Everything once. */
static error *compute(int index, bool anew) {
  error *why = NULL;
  float in[192], out[3] = {0};
  for (int i = 0; i < 192; i++) in[i] = (float)(i / 64 + 1);
  void *module = module_of(index, anew, &why);
  void *entry = module ? cuda_entry(index, module, "sum", &why) : NULL;
  void *x = entry ? cuda_take(index, sizeof in, &why) : NULL;
  void *y = x ? cuda_take(index, sizeof out, &why) : NULL;
  if (y) why = cuda_write(index, x, 0, in, sizeof in);
  if (y && !why) why = launch_sum(index, entry, y, x);
  if (y && !why) why = cuda_read(index, y, 0, out, sizeof out);
  if (x) cuda_give(index, x);
  if (y) cuda_give(index, y);
  for (int i = 0; i < 3 && !why; i++) CHECK(out[i] == (float)(64 * 3 * (i + 1)));
  if (entry) unload(index, module);
  return why;
}

static void kernels_compute(void) {
  CHECK(!compute(0, true));
  CHECK(count("device memory") == 2 && cuda_cached(0) == 768 + 512); /* what is small is kept in sizes of classes */
  cuda_trim(0);
  CHECK(count("device memory") == 0);
}

static void both_devices_compute(void) {
  CHECK(cuda_count() == 2);
  CHECK(!compute(1, true));
  CHECK(!compute(0, true));
}

static void binaries_are_loaded_again(void) {
  error *why = NULL;
  gpu_binary binary = {0};
  CHECK(compiled(0, "sum", sum_text, &binary, &why) && binary.size > 0);
  CHECK(cuda_load(0, binary.bytes, binary.size));
  memset(binary.bytes, 0, 16);
  CHECK(!cuda_load(0, binary.bytes, binary.size) && pons_ok());
  mem_free(binary.bytes);
}

static void broken_texts_are_told(void) {
  error *why = NULL;
  gpu_binary binary = {0};
  CHECK(!compiled(0, "broken", "KERNEL broken(NUMBERS) { nowhere = 1; }\n", &binary, &why) &&
        !binary.bytes);
  CHECK(told("the kernel 'broken' does not compile for sm_86") && told("nowhere"));
  error_release(why);
  why = NULL;
  CHECK(compiled(0, "sum", sum_text, &binary, &why));
  void *module = cuda_load(0, binary.bytes, binary.size);
  pons_clear_error();
  CHECK(!cuda_entry(0, module, "product", &why) && told("product") && told("CUDA_ERROR_NOT_FOUND"));
  error_release(why);
  mem_free(binary.bytes);
}

static void programs_run(void **state) {
  (void)state;
  passes(kernels_compute, "A=1");
  passes(kernels_compute, "CUDA_DOUBLE_ARCH=120"); /* newer than NVRTC: by way of PTX */
  passes(kernels_compute, "PONS_CUDA_WAIT=1");
  passes(both_devices_compute, "CUDA_DOUBLE_DEVICES=2");
  passes(binaries_are_loaded_again, "A=1");
  passes(broken_texts_are_told, "A=1");
}

/* ---- calls that fail ---- */

static bool report_says(const char *what) {
  text json = {0};
  cuda_report(&json);
  const bool says = json.at && strstr(json.at, what);
  text_free(&json);
  return says;
}

/* Is it about a call that gives memory back, or one after which nothing can be given back, or is kept for later? */
static bool may_leave_memory(void) {
  const char *faults = getenv("DOUBLE_FAULTS");
  return strstr(faults, "Free") || strstr(faults, "Push") || strstr(faults, "PoolCreate") ||
         strstr(faults, "kernel") || strstr(faults, "=719");
}

/* With the fault each result is right or an error, what failed is told, and nothing is left behind. */
static void fails_or_works(void) {
  const char *faults = getenv("DOUBLE_FAULTS");
  if (cuda_count() == 0) {
    CHECK(report_says("missing") || report_says("not used"));
    return;
  }
  error *why = compute(0, strstr(faults, "nvrtc"));
  CHECK(!why || !pons_ok());
  if (why && strstr(faults, "=719") && !strstr(faults, "nvrtc")) {
    pons_clear_error();
    void *none = cuda_take(0, 4, &(error *){NULL});
    CHECK(!none && told("is lost since"));
  }
  error_release(why);
  cuda_trim(0);
  if (!strcmp(getenv("CUDA_DOUBLE_POOLS"), "1") && !may_leave_memory()) CHECK(count("device memory") == 0);
  CHECK(holds_no_more_than_one_device_keeps());
  if (!strstr(faults, "=719") && !strstr(faults, "Push") && !strstr(faults, "kernel")) CHECK(count("modules") == 0); /* else it can't be unloaded */
}

/* However often it fails. */
static void failing_does_not_add_up(void) {
  held before = {0};
  for (int i = 0; i < 40; i++) {
    if (i == 20) before = held_now();
    error_release(compute(0, false));
    pons_clear_error();
    cuda_trim(0);
  }
  CHECK(holds_as_much(before, held_now()) && before.modules == 0);
  if (!strstr(getenv("DOUBLE_FAULTS"), "Free")) CHECK(count("device memory") == 0);
}

/* Where memory is short what lies unused is given back, by other calls. */
static void fails_or_works_where_memory_is_short(void) {
  error *why = NULL;
  for (int i = 0; i < 3; i++) {
    void *memory = cuda_take(0, 400000 + 200000 * (size_t)i, &why);
    CHECK(memory ? !why : why && !pons_ok());
    if (memory) cuda_give(0, memory);
    error_release(why);
    why = NULL;
  }
}

static void each_fails(void (*f)(void), const char *const *calls, int most, const char *more) {
  static const int statuses[] = {2, 719};
  char settings[200];
  for (; *calls; calls++) {
    for (int i = 0; i < most * 2; i++) {
      for (int pools = 0; pools < 2; pools++) {
        snprintf(settings, sizeof settings, "%sCUDA_DOUBLE_POOLS=%d;DOUBLE_FAULTS=%s:%d=%d", more, pools,
                 *calls, i / 2 + 1, statuses[i % 2]);
        passes(f, settings);
      }
    }
  }
}

static void each_call_may_fail(void **state) {
  (void)state;
  static const char *const driver_calls[] = {"cuInit",
                                             "cuDeviceGetCount",
                                             "cuDeviceGet",
                                             "cuDeviceGetName",
                                             "cuDeviceGetAttribute",
                                             "cuDeviceTotalMem",
                                             "cuDevicePrimaryCtxRetain",
                                             "cuCtxPushCurrent",
                                             "cuMemAlloc",
                                             "cuMemAllocHost",
                                             "cuMemPoolCreate",
                                             "cuMemPoolSetAttribute",
                                             "cuMemAllocFromPoolAsync",
                                             "cuMemFreeAsync",
                                             "cuMemcpyHtoDAsync",
                                             "cuMemcpyDtoHAsync",
                                             "cuStreamCreate",
                                             "cuEventCreate",
                                             "cuEventRecord",
                                             "cuStreamWaitEvent",
                                             "cuEventSynchronize",
                                             "cuModuleLoadData",
                                             "cuModuleGetFunction",
                                             "cuLaunchKernel",
                                             "kernel",
                                             NULL};
  static const char *const compiler_calls[] = {"nvrtcVersion", "nvrtcGetNumSupportedArchs",
                                               "nvrtcCreateProgram", "nvrtcCompileProgram", NULL};
  static const char *const trims[] = {
      "cuMemAlloc",   "cuMemFree", "cuStreamSynchronize", "cuMemFreeAsync", "cuMemPoolTrimTo",
      "cuMemGetInfo", NULL};
  passes(kernels_compute, "A=1"); /* leaves its binary for the others */
  each_fails(fails_or_works, driver_calls, 4, "");
  each_fails(fails_or_works, compiler_calls, 1, "");
  static const char *const always[] = {"cuModuleLoadData:1+=2", "cuModuleGetFunction:1+=500", "cuLaunchKernel:1+=2", "cuMemcpyHtoDAsync:1+=2",
                                       "cuMemcpyDtoHAsync:1+=2", "cuMemAllocFromPoolAsync:2+=2", "cuMemAllocFromPoolAsync:1+=2", "cuMemAllocHost:1+=2",
                                       "cuMemFreeAsync:2+=2", "cuEventCreate:1+=2", "cuEventRecord:1+=2", "cuStreamWaitEvent:1+=2",
                                       "cuEventSynchronize:1+=2", "cuMemPoolCreate:1+=2", "cuStreamCreate:2+=2", "nothing:1=2"};
  for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
    char settings[100];
    snprintf(settings, sizeof settings, "DOUBLE_FAULTS=%s", always[i]);
    passes(failing_does_not_add_up, settings);
  }
  each_fails(fails_or_works_where_memory_is_short, trims, 2, "CUDA_DOUBLE_MEMORY=1000000;");
}

/* ---- what is found ---- */

static void old_driver(void) { CHECK(cuda_count() == 0 && report_says("too old: it knows CUDA 11.4")); }
static void no_gpu(void) { CHECK(cuda_count() == 0 && report_says("CUDA_ERROR_NO_DEVICE (100)")); }
static void new_compiler(void) {
  CHECK(cuda_count() == 0 && report_says("newer than the driver, which knows CUDA 12") &&
        report_says("not used"));
}
static void old_compiler(void) { CHECK(cuda_count() == 1 && report_says("\"NVRTC\": \"CUDA 11.7\"")); }
static void old_card(void) {
  CHECK(cuda_count() == 0 && report_says("makes nothing for compute capability 3.7"));
}
static void named_compiler(void) { CHECK(cuda_count() == 1 && report_says("named.so")); }
static void floats_are_multiplied_as_floats(void) { CHECK(report_says("\"float32 products\": \"float32\"")); }
static void floats_may_be_rounded(void) { CHECK(report_says("\"float32 products\": \"TF32, as PONS_CUDA_TF32 asks\"")); }
static void no_cublaslt(void) { CHECK(cuda_count() == 1 && report_says("no libcublasLt")); }
static void no_compiler(void) {
  if (nvrtc()) return; /* this machine has one */
  CHECK(cuda_count() == 0 && report_says("no NVRTC") && report_says("not used") && report_says("PONS_NVRTC"));
}

static void reports_tell_what_is_missing(void **state) {
  (void)state;
  passes(old_driver, "CUDA_DOUBLE_DRIVER=11040");
  passes(no_gpu, "CUDA_DOUBLE_DEVICES=0");
  passes(floats_are_multiplied_as_floats, "PONS_CUDA_TF32=0");
  passes(floats_may_be_rounded, "PONS_CUDA_TF32=1");
  passes(new_compiler, "CUDA_DOUBLE_NVRTC=13000");
  passes(old_compiler, "CUDA_DOUBLE_NVRTC=11070");
  passes(old_card, "CUDA_DOUBLE_ARCH=37");
  passes(no_compiler, "NO_NVRTC=1");
  if (!dlopen("libcublasLt.so.12", RTLD_LAZY | RTLD_LOCAL)) passes(no_cublaslt, "NO_CUBLASLT=1");
  unlink(DOUBLES "named.so");
  assert_int_equal(symlink("libnvrtc.so.12", DOUBLES "named.so"), 0);
  passes(named_compiler, "NO_NVRTC=1;PONS_NVRTC=/nowhere:" DOUBLES "named.so");
}

/* ---- a pool that is made and gives nothing ---- */

static void works_without_the_pool(void) {
  CHECK(cuda_count() == 1);
  CHECK(report_says("for want of a pool: ") && report_says(getenv("REFUSED")));
  CHECK(count("pools") == 0 && count("device memory") == 0);
  error *why = compute(0, NULL);
  CHECK(!why && count("cuMemAlloc") > 0 && count("cuMemAllocFromPoolAsync") <= 1);
  cuda_trim(0);
  CHECK(count("device memory") == 0);
}
static void pool_serves(void) {
  CHECK(report_says("\"allocation\": \"stream-ordered\"") && count("pools") == 1 && count("device memory") == 0);
}

static void a_pool_may_refuse(void **state) {
  (void)state;
  passes(pool_serves, "A=1");
  passes(works_without_the_pool, "REFUSED=cuMemAllocFromPoolAsync: CUDA_ERROR_OUT_OF_MEMORY (2);DOUBLE_FAULTS=cuMemAllocFromPoolAsync:1=2");
  passes(works_without_the_pool, "REFUSED=cuMemAllocFromPoolAsync: CUDA_ERROR_NOT_SUPPORTED (801);DOUBLE_FAULTS=cuMemAllocFromPoolAsync:1=801");
  passes(works_without_the_pool, "REFUSED=cuMemFreeAsync: CUDA_ERROR_NOT_SUPPORTED (801);DOUBLE_FAULTS=cuMemFreeAsync:1=801");
  passes(works_without_the_pool, "REFUSED=cuMemPoolCreate: CUDA_ERROR_NOT_SUPPORTED (801);DOUBLE_FAULTS=cuMemPoolCreate:1=801");
  passes(works_without_the_pool, "REFUSED=the driver has no memory pools;CUDA_DOUBLE_POOLS=0");
}

int main(void) {
  if (!doubles_are_there()) return 77;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(memory_goes_both_ways),
      cmocka_unit_test(memory_that_is_short),
      cmocka_unit_test(cache_is_told_of),
      cmocka_unit_test(programs_run),
      cmocka_unit_test(each_call_may_fail),
      cmocka_unit_test(reports_tell_what_is_missing),
      cmocka_unit_test(a_pool_may_refuse),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
