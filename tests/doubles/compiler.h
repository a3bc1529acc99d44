/* compiler.h: kernels' texts as shared libraries, by clang++ (DOUBLE_CXX). Uses the C library alone. */
#ifndef COMPILER_H
#define COMPILER_H
#include <stdbool.h>
#include <stddef.h>

typedef struct bytes {
  char *at; /* a zero byte stands behind it */
  size_t length;
} bytes;

bytes read_file(const char *path); /* {NULL} if it can't be read */
void print_file(const char *path, const char *head, const bytes *middle, const char *tail);
/* arguments[0] is the program; what it says goes to `log`. */
bool run_program(char *const *arguments, const char *log);
/* By the options `first` (NULL-ended) and those that all doubles share. */
bool compile_library(char *const *first, const char *in, const char *to, const char *log);
/* Where the library of `text` by `options` is kept, in the folder that the variable names: beside those of other texts, and of the
   double as it was when its files, `own` (NULL-ended), were others. False: no variable, nothing is kept. */
bool kept_path(const char *variable, const char *const *own, const char *options, const char *text, char path[256]);
/* A new file beside it, to be renamed to it: other processes look for it too. */
void fresh_path(const char *kept, char path[280]);
/* Removes the folder and the files called so in it. */
void remove_folder(const char *folder, const char *const *names, int n);
#endif
