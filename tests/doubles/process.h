/* process.h: cases on doubles of libraries. What is set in the environment holds for a process, so each case is one. Whoever
   includes it defines open_doubles(settings), which opens the doubles that the settings leave there. Uses cmocka. */
#ifndef DOUBLES_PROCESS_H
#define DOUBLES_PROCESS_H
#include <dlfcn.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* of cmocka */

/* In a case: ends the process. */
#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      print_error("%s:%d: %s\n%s\n", __FILE__, __LINE__, #condition, pons_error()); \
      _exit(1);                                                                     \
    }                                                                               \
  } while (0)

static void open_doubles(const char *settings);

/* How many of something the double under test has; set by open_doubles. */
static long (*count)(const char *what);

static inline void *open_double(const char *file) {
  void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (!library) print_error("%s\n", dlerror()), _exit(1);
  return library;
}

/* The status of a process that runs `f` with the settings, "NAME=value" with ';' between them. */
static inline int process(void (*f)(void), const char *settings) {
  char list[512];
  snprintf(list, sizeof list, "%s", settings);
  const pid_t child = fork();
  if (child == 0) {
    for (char *one = strtok(list, ";"); one; one = strtok(NULL, ";")) putenv(one);
    open_doubles(settings);
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
#endif
