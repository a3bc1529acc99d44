/* faults.c: counts of calls, and which of them fail. Uses the C library alone. */
#include "faults.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 128 };
static struct {
  const char *name; /* a literal */
  long calls;
} counts[MOST];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static long *count_of(const char *name) {
  for (int i = 0; i < MOST; i++) {
    if (!counts[i].name) counts[i].name = name;
    if (!strcmp(counts[i].name, name)) return &counts[i].calls;
  }
  abort();
}

long calls_of(const char *name) {
  long calls = 0;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < MOST && counts[i].name && !calls; i++)
    if (!strcmp(counts[i].name, name)) calls = counts[i].calls;
  pthread_mutex_unlock(&lock);
  return calls;
}

/* "name:2=719" or "name:2+=719"; the status, if it is about call n of `name`. */
static int status_in(const char *fault, const char *name, long n) {
  const size_t length = strlen(name);
  long at = 0;
  int status = 0;
  char plus = 0;
  if (strncmp(fault, name, length) != 0 || fault[length] != ':') return 0;
  if (sscanf(fault + length + 1, "%ld=%d", &at, &status) == 2) return n == at ? status : 0;
  if (sscanf(fault + length + 1, "%ld%c=%d", &at, &plus, &status) == 3 && plus == '+')
    return n >= at ? status : 0;
  fprintf(stderr, "DOUBLE_FAULTS: can't be read: %s\n", fault);
  abort();
}

int fault_of(const char *name) {
  pthread_mutex_lock(&lock);
  const long n = ++*count_of(name);
  pthread_mutex_unlock(&lock);
  const char *faults = getenv("DOUBLE_FAULTS");
  while (faults && *faults) {
    const int status = status_in(faults, name, n);
    if (status) return status;
    faults = strchr(faults, ',');
    if (faults) faults++;
  }
  return 0;
}

long number_of(const char *variable, long otherwise) {
  const char *given = getenv(variable);
  return given && *given ? strtol(given, NULL, 10) : otherwise;
}
