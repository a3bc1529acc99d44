/* process.h: cases on the double of Apple's frameworks. What is set in the environment holds for a process, so each case is one.
   Uses cmocka. */
#ifndef METAL_DOUBLE_PROCESS_H
#define METAL_DOUBLE_PROCESS_H
#include <dlfcn.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* of cmocka */

#define DOUBLE PONS_BUILD_DIR "/tests/metal_double/libobjc.A.dylib"

/* In a case: ends the process. */
#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      print_error("%s:%d: %s\n%s\n", __FILE__, __LINE__, #condition, pons_error()); \
      _exit(1);                                                                     \
    }                                                                               \
  } while (0)

static long (*count)(const char *what);
static const char *(*encoding)(const char *selector);

static inline void open_double(void) {
  void *library = dlopen(DOUBLE, RTLD_NOW | RTLD_LOCAL), *symbol;
  if (!library) print_error("%s\n", dlerror()), _exit(1);
  CHECK((symbol = dlsym(library, "metal_double_count")));
  memcpy(&count, &symbol, sizeof count);
  CHECK((symbol = dlsym(library, "metal_double_encoding")));
  memcpy(&encoding, &symbol, sizeof encoding);
}

/* The status of a process that runs `f` with the settings, "NAME=value" with ';' between them. */
static inline int process(void (*f)(void), const char *settings) {
  char list[512];
  snprintf(list, sizeof list, "%s", settings);
  const pid_t child = fork();
  if (child == 0) {
    for (char *one = strtok(list, ";"); one; one = strtok(NULL, ";")) putenv(one);
    open_double();
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

/* Is there a double? It needs clang++ and x86-64, and no ThreadSanitizer, which knows no fibers. */
static inline bool double_is_there(void) {
#if defined(__SANITIZE_THREAD__)
  print_message("skipped: the double of Apple's frameworks is not run under ThreadSanitizer\n");
  return false;
#endif
  if (access(DOUBLE, R_OK) == 0) return true;
  print_message("skipped: no double of Apple's frameworks: it needs clang++ and x86-64\n");
  return false;
}
#endif
