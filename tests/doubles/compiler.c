/* compiler.c: runs clang++ on kernels' texts. Uses compiler.h. */
#include "compiler.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

bytes read_file(const char *path) {
  bytes b = {0};
  FILE *f = fopen(path, "rb");
  if (!f) return b;
  for (size_t room = 0, got = 1; got > 0; b.length += got) {
    if (b.length + 65536 > room) b.at = realloc(b.at, (room = 2 * room + 65536) + 1);
    if (!b.at) abort();
    got = fread(b.at + b.length, 1, 65536, f);
  }
  b.at[b.length] = 0;
  fclose(f);
  return b;
}

void print_file(const char *path, const char *head, const bytes *middle, const char *tail) {
  FILE *f = fopen(path, "wb");
  if (!f) abort();
  fputs(head, f);
  fwrite(middle->at, 1, middle->length, f);
  fputs(tail, f);
  if (fclose(f) != 0) abort();
}

bool run_program(char *const *arguments, const char *log) {
  const pid_t child = fork();
  if (child == 0) {
    if (!freopen(log, "w", stderr)) _exit(126);
    execvp(arguments[0], arguments);
    _exit(127);
  }
  int status = 1;
  while (child > 0 && waitpid(child, &status, 0) < 0) {
  }
  return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Values as written: nothing is contracted; no run-time library of C++. */
static char *const common[] = {"-O1",       "-ffp-contract=off",    "-fno-exceptions",
                               "-fno-rtti", "-fno-strict-aliasing", "-shared",
                               "-fPIC",     "-nostdlib++"};

bool compile_library(char *const *first, const char *in, const char *to, const char *log) {
  char *arguments[64] = {DOUBLE_CXX};
  int n = 1;
  for (; *first; first++) arguments[n++] = *first;
  for (size_t i = 0; i < sizeof common / sizeof *common; i++) arguments[n++] = common[i];
  arguments[n++] = "-o";
  arguments[n++] = (char *)to;
  arguments[n++] = (char *)in;
  arguments[n++] = "-lm";
  return run_program(arguments, log);
}

static uint64_t hash_of(const char *text, uint64_t hash) {
  for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 1099511628211u;
  return hash;
}

bool kept_path(const char *variable, const char *const *own, const char *options, const char *text, char path[256]) {
  const char *folder = getenv(variable);
  if (!folder) return false;
  uint64_t kind = hash_of(options, 14695981039346656037u);
  for (; *own; own++) {
    bytes file = read_file(*own);
    if (!file.at) abort();
    kind = hash_of(file.at, kind);
    free(file.at);
  }
  snprintf(path, 256, "%s/%016llx%016llx.so", folder, (unsigned long long)hash_of(text, kind),
           (unsigned long long)hash_of(text, ~kind));
  mkdir(folder, 0700);
  return true;
}

void fresh_path(const char *kept, char path[280]) {
  snprintf(path, 280, "%s.XXXXXX", kept);
  const int file = mkstemp(path);
  if (file < 0) abort();
  close(file);
}

void remove_folder(const char *folder, const char *const *names, int n) {
  char path[256];
  for (int i = 0; i < n; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    unlink(path);
  }
  rmdir(folder);
}
