/* lapack.c: a LAPACK library, looked for at run time: OpenBLAS holds one, else whatever the system calls liblapack.
   Uses cpu/lapack.h, cpu.h, base/. */
#include "backends/cpu/lapack.h"
#include "backends/cpu/cpu.h"
#include <pthread.h>
#include <stdlib.h>

static struct {
  void *library;
  char *tried;
  const char *missing; /* NULL: all is there */
  lapack_functions real, wide, complex, wide_complex;
} lapack;
static pthread_once_t opened = PTHREAD_ONCE_INIT;

static bool find(void *to, const char *name) {
  void *address = library_symbol(lapack.library, name);
  memcpy(to, &address, sizeof address); /* a function pointer from void * */
  return address != NULL;
}

/* All that real matrices (letter s or d) or complex ones (c or z) need. */
static bool find_for(lapack_functions *f, char letter) {
  const bool complex = letter == 'c' || letter == 'z';
  char name[16];
  const struct {
    const char *name;
    void *to;
  } wanted[] = {{"geqrf", &f->geqrf},
                {complex ? "ungqr" : "orgqr", &f->orgqr},
                {"getrf", &f->getrf},
                {"getri", &f->getri},
                {"trtri", &f->trtri},
                {"trsm", &f->trsm},
                {"potrf", &f->potrf},
                {"gesdd", complex ? (void *)&f->complex_gesdd : &f->gesdd},
                {complex ? "heevd" : "syevd", complex ? (void *)&f->heevd : &f->syevd},
                {"geev", complex ? (void *)&f->complex_geev : &f->geev},
                {"larfg", &f->larfg}, /* from here on of real ones alone */
                {"stedc", &f->stedc},
                {"laed2", &f->laed2},
                {"laed4", &f->laed4},
                {"bdsdc", &f->bdsdc}};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted - (complex ? 5 : 0); i++) {
    snprintf(name, sizeof name, "%c%s_", letter, wanted[i].name);
    if (!find(wanted[i].to, name)) return false;
  }
  return true;
}

/* OpenBLAS takes processors it does not know for older ones, and solves triangles (0.3.21) half as fast by its kernels for AVX-512 as by those
   for AVX2; large products are ours. */
static bool name_the_processor(void) {
  return !getenv("OPENBLAS_CORETYPE") && cpu_has_avx512() && setenv("OPENBLAS_CORETYPE", "Haswell", 0) == 0;
}

static void open_library(void) {
  static const char *const names[] = {"libopenblas.so.0",
                                      "libopenblas.so",
                                      "/opt/homebrew/opt/openblas/lib/libopenblas.dylib",
                                      "/usr/local/opt/openblas/lib/libopenblas.dylib",
                                      "liblapack.so.3",
                                      "liblapack.so",
                                      "/System/Library/Frameworks/Accelerate.framework/Accelerate",
                                      NULL};
  const bool named = name_the_processor();
  lapack.library = library_open(names, &lapack.tried);
  if (named) unsetenv("OPENBLAS_CORETYPE"); /* read while it was loaded */
  if (!lapack.library) {
    lapack.missing = "no LAPACK library was found";
    return;
  }
  if (!find_for(&lapack.real, 's') || !find_for(&lapack.wide, 'd') || !find_for(&lapack.complex, 'c') ||
      !find_for(&lapack.wide_complex, 'z'))
    lapack.missing = "a LAPACK library was found, but without some of its functions";
  void (*set_threads)(int) = NULL; /* threads share the matrices of a batch instead */
  if (find(&set_threads, "openblas_set_num_threads")) set_threads(1);
}

const char *lapack_missing(void) {
  pthread_once(&opened, open_library);
  return lapack.missing;
}

const lapack_functions *lapack_for(pons_dtype dtype) {
  if (lapack_missing()) return NULL;
  switch (dtype) {
    case PONS_FLOAT32:
      return &lapack.real;
    case PONS_FLOAT64:
      return &lapack.wide;
    case PONS_COMPLEX64:
      return &lapack.complex;
    case PONS_COMPLEX128:
      return &lapack.wide_complex;
    default:
      return NULL;
  }
}

void lapack_report(text *json) {
  const char *missing = lapack_missing();
  text_add(json, "{\"found\": %s", missing ? "false" : "true");
  if (missing) {
    text_add(json, ", \"why\": ");
    text_add_json(json, lapack.tried ? lapack.tried : missing);
    text_add(json,
             ", \"instead\": \"factorizations (linalg) are errors; LU works, slowly\", \"remedy\": "
             "\"install OpenBLAS: libopenblas0 (Debian, Ubuntu), openblas (Fedora, Homebrew); or "
             "liblapack3\"");
  } else {
    const char *path = library_path(lapack.library, "sgeqrf_");
    text_add(json, ", \"path\": ");
    text_add_json(json, path ? path : "unknown");
    char *(*config)(void) = NULL;
    char *(*core)(void) = NULL;
    if (find(&config, "openblas_get_config") && find(&core, "openblas_get_corename")) {
      text_add(json, ", \"version\": ");
      text_add_json(json, config());
      text_add(json, ", \"kernels\": ");
      text_add_json(json, core());
    }
  }
  text_add(json, "}");
}
