/* machine.c: what the operating system says about memory, and how it starts a thread. Uses base/. */
#include "device/parts.h"
#include <pthread.h>
#include <signal.h>
#include <sys/utsname.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/sysctl.h>
#include <sys/types.h>
#endif

/* The number in a file such as a control group's; `otherwise` if there is none ("max") or no file. */
static size_t number_in(const char *path, size_t otherwise) {
  unsigned long long number;
  FILE *f = fopen(path, "r");
  if (f == NULL) return otherwise;
  bool found = fscanf(f, "%llu", &number) == 1;
  fclose(f);
  return found && number < SIZE_MAX ? (size_t)number : otherwise;
}

size_t machine_memory(void) {
  size_t bytes = 0;
#ifdef __APPLE__
  uint64_t size = 0;
  size_t length = sizeof size;
  if (sysctlbyname("hw.memsize", &size, &length, NULL, 0) == 0) bytes = (size_t)size;
#else
  long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0) bytes = (size_t)pages * (size_t)page;
#endif
  if (bytes == 0) bytes = (size_t)4 << 30;
  size_t group = number_in("/sys/fs/cgroup/memory.max", SIZE_MAX);
  if (group == SIZE_MAX) group = number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes", SIZE_MAX);
  return group < bytes ? group : bytes;
}

static struct utsname system_names;
static void ask_system(void) {
  if (uname(&system_names) != 0) snprintf(system_names.machine, sizeof system_names.machine, "unknown");
}

const char *machine_architecture(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, ask_system);
  return system_names.machine;
}

size_t machine_available_memory(void) {
  size_t bytes = SIZE_MAX;
  FILE *f = fopen("/proc/meminfo", "r"); /* Linux; elsewhere the limit alone holds */
  if (f == NULL) return bytes;
  char line[128];
  unsigned long long kilobytes;
  while (fgets(line, sizeof line, f) != NULL)
    if (sscanf(line, "MemAvailable: %llu", &kilobytes) == 1) bytes = (size_t)kilobytes * 1024;
  fclose(f);
  return bytes;
}

bool machine_thread(void *(*body)(void *), void *context) {
  pthread_t thread;
  sigset_t all, before;
  sigfillset(&all);
  if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return false;
  bool started = pthread_create(&thread, NULL, body, context) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (started) pthread_detach(thread);
  return started;
}
