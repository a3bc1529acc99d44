/* process.h: cases on the double of Apple's frameworks. Uses tests/doubles/process.h. */
#ifndef METAL_DOUBLE_PROCESS_H
#define METAL_DOUBLE_PROCESS_H
#include "tests/doubles/process.h"

#define DOUBLE PONS_BUILD_DIR "/tests/metal_double/libobjc.A.dylib"

static const char *(*encoding)(const char *selector);

static void open_doubles(const char *settings) {
  (void)settings; /* one library stands for all */
  void *library = open_double(DOUBLE), *symbol;
  CHECK((symbol = dlsym(library, "metal_double_count")));
  memcpy(&count, &symbol, sizeof count);
  CHECK((symbol = dlsym(library, "metal_double_encoding")));
  memcpy(&encoding, &symbol, sizeof encoding);
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
