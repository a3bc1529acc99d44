/* process.h: cases on the doubles of CUDA's libraries. What is set in the environment holds for a process, so each case is one.
   Uses cmocka. */
#ifndef CUDA_DOUBLE_PROCESS_H
#define CUDA_DOUBLE_PROCESS_H
#include <dlfcn.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* of cmocka */

#define DOUBLES PONS_BUILD_DIR "/tests/cuda_double/"

/* In a case: ends the process. */
#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      print_error("%s:%d: %s\n%s\n", __FILE__, __LINE__, #condition, pons_error()); \
      _exit(1);                                                                     \
    }                                                                               \
  } while (0)

static long (*count)(const char *what);

static void open_double(const char *name) {
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) print_error("%s\n", dlerror()), _exit(1);
  void *symbol = dlsym(library, "cuda_double_count");
  if (symbol) memcpy(&count, &symbol, sizeof count);
}

/* The status of a process that runs `f` with the settings, "NAME=value" with ';' between them. */
static int process(void (*f)(void), const char *settings) {
  char list[512];
  snprintf(list, sizeof list, "%s", settings);
  const pid_t child = fork();
  if (child == 0) {
    for (char *one = strtok(list, ";"); one; one = strtok(NULL, ";")) putenv(one);
    open_double(DOUBLES "libcuda.so.1");
    if (!strstr(settings, "NO_NVRTC")) open_double(DOUBLES "libnvrtc.so.12");
    if (!strstr(settings, "NO_CUBLASLT")) open_double(DOUBLES "libcublasLt.so.12");
    if (!strstr(settings, "NO_CUSOLVER")) open_double(DOUBLES "libcusolver.so.11");
    if (!strstr(settings, "NO_CUFFT")) open_double(DOUBLES "libcufft.so.11");
    f();
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

static inline void passes(void (*f)(void), const char *settings) {
  if (process(f, settings) != 0) print_error("with %s\n", settings), assert_true(false);
}

/* Are there doubles? They need clang++. */
static inline bool doubles_are_there(void) {
  if (access(DOUBLES "libcuda.so.1", R_OK) == 0) return true;
  print_message("skipped: no doubles of CUDA's libraries (no clang++ when this was configured)\n");
  return false;
}
#endif
