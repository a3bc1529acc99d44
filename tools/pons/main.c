/* main.c: the command `pons`: which of its commands is meant. */
#include "command.h"
#include <stdio.h>
#include <string.h>

static const command *const commands[] = {&command_info,   &command_run,  &command_verify,
                                          &command_record, &command_show, &command_convert,
                                          &command_selftest, &command_diff, &command_launch};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void usage(FILE *to) {
  fprintf(to, "usage: pons COMMAND ...\n\n");
  for (int i = 0; i < COMMANDS; i++) fprintf(to, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
  fprintf(to, "\npons COMMAND --help tells more; pons --version prints the version.\n"
              "Exit code: 0 fine, 1 something failed or differs, 2 wrong usage.\n");
}

int main(int argc, char **argv) {
  if (argc < 2) {
    usage(stderr);
    return MISUSED;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
    usage(stdout);
    return FINE;
  }
  if (strcmp(argv[1], "--version") == 0) {
    printf("pons %s\n", pons_version());
    return FINE;
  }
  pons_default_device(); /* PONS_DEVICE may name one that isn't there */
  if (!pons_ok()) {
    fprintf(stderr, "pons: %s\n", pons_error());
    return MISUSED;
  }
  for (int i = 0; i < COMMANDS; i++) {
    if (strcmp(argv[1], commands[i]->name) != 0) continue;
    invocation v;
    int exit_code;
    if (invocation_read(commands[i], argc - 2, argv + 2, &v, &exit_code)) exit_code = commands[i]->run(&v);
    invocation_free(&v);
    return exit_code;
  }
  fprintf(stderr, "pons: there is no command '%s'\n", argv[1]);
  usage(stderr);
  return MISUSED;
}
