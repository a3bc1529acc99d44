/* load.c: libraries opened at run time, with reasons in words when they are not there. Uses the C library
   alone. */
#include "base/base.h"
#include <dlfcn.h>

void *library_open(const char *const *names, char **why) {
  text reasons = {0};
  for (; *names; names++) {
    void *library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    if (library) {
      text_free(&reasons);
      if (why) *why = NULL;
      return library;
    }
    const char *reason = dlerror();
    text_add(&reasons, "%s%s", reasons.length ? "; " : "", reason ? reason : *names);
  }
  if (why) *why = text_take(&reasons);
  else text_free(&reasons);
  return NULL;
}

void *library_symbol(void *library, const char *name) { return dlsym(library, name); }

bool library_symbols(void *library, const char *const *names, int count, void *to) {
  bool all = true;
  for (int i = 0; i < count; i++) {
    void *address = library_symbol(library, names[i]);
    memcpy((char *)to + (size_t)i * sizeof address, &address, sizeof address); /* a function pointer from void * */
    all &= address != NULL;
  }
  return all;
}

const char *library_own_path(void) {
  Dl_info info;
  const char *(*self)(void) = library_own_path;
  void *address;
  memcpy(&address, &self, sizeof address);
  if (!dladdr(address, &info)) return NULL;
  return strchr(info.dli_fname, '/') ? info.dli_fname : "/proc/self/exe"; /* a program's is as it was called, which may be a name alone */
}

const char *library_path(void *library, const char *symbol) {
  Dl_info info;
  void *address = dlsym(library, symbol);
  return address && dladdr(address, &info) ? info.dli_fname : NULL;
}
