/* main.c: trains on handwritten digits, exports the trained function to a file, runs the file on every
   device, writes a report. */
#include "digits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void usage(FILE *to) {
  fputs("usage: digits [--data FILE] [--out DIR] [--epochs N] [--batch N] [--seed N] [--quiet]\n"
        "\n"
        "Trains a small convolutional network on scans of handwritten digits, exports the trained function to\n"
        "DIR/digits.mlxfn, loads that file again and runs it on every device, and writes DIR/report.html.\n"
        "\n"
        "  --data FILE   images and labels (data/digits.npz)\n"
        "  --out DIR     where the two files go (.)\n"
        "  --epochs N    passes over the training images, 1 to 200 (20)\n"
        "  --batch N     images per step (64)\n"
        "  --seed N      of the shuffle, the first weights and the dropout (7)\n"
        "  --quiet       no progress bar\n",
        to);
}

static bool whole_number(const char *text, long least, long most, long *value) {
  char *end = NULL;
  *value = text ? strtol(text, &end, 10) : 0;
  return text && *text && !*end && *value >= least && *value <= most;
}

/* 0: go on; 1: help was printed; 2: wrong usage, told. */
static int parse(int n, char **words, options *o) {
  long value = 0;
  for (int i = 1; i < n; i++) {
    const char *word = words[i], *next = i + 1 < n ? words[i + 1] : NULL;
    if (strcmp(word, "--help") == 0) {
      usage(stdout);
      return 1;
    }
    if (strcmp(word, "--quiet") == 0) {
      o->quiet = true;
      continue;
    }
    bool fine = next != NULL;
    if (strcmp(word, "--data") == 0)
      o->data = next;
    else if (strcmp(word, "--out") == 0)
      o->out = next;
    else if (strcmp(word, "--epochs") == 0 && (fine = whole_number(next, 1, MAX_EPOCHS, &value)))
      o->epochs = (int)value;
    else if (strcmp(word, "--batch") == 0 && (fine = whole_number(next, 1, 1024, &value)))
      o->batch = (int)value;
    else if (strcmp(word, "--seed") == 0 && (fine = whole_number(next, 0, 1L << 30, &value)))
      o->seed = (uint64_t)value;
    else
      fine = false;
    if (!fine) {
      fprintf(stderr, "digits: %s %s: no such option, or not a value for it\n", word, next ? next : "");
      usage(stderr);
      return 2;
    }
    i++;
  }
  return 0;
}

static int failed(const char *what) {
  fprintf(stderr, "digits: %s: %s\n", what, pons_error() ? pons_error() : "unknown reason");
  return 1;
}

/* The held-out images are the example: the file takes that many at once. */
static bool export_model(const char *path, pons_named parameters, const data *d) {
  pons_function f = pons_nn_function(model_logits, NULL, parameters);
  const bool fine = f && pons_export_function(path, .function = f, .inputs = &d->test_images, .n_inputs = 1);
  pons_function_release(f);
  return fine;
}

static int run(const options *o, const data *d, pons_named parameters) {
  char file[1024], page[1024];
  snprintf(file, sizeof file, "%s/digits.mlxfn", o->out);
  snprintf(page, sizeof page, "%s/report.html", o->out);
  static history h;
  static device_row rows[MAX_DEVICES];
  if (!model_init(parameters, o->seed)) return failed("the network could not be made");
  if (!train(parameters, d, o, &h)) return failed("training");
  const epoch *last = &h.at[h.count - 1];
  printf("trained %d epochs in %.1f s: loss %.4f, %.2f %% of the held-out images right\n", h.count, h.seconds,
         last->loss,
         100 * last->accuracy);
  if (!export_model(file, parameters, d)) return failed(file);
  printf("wrote %s\n\n", file);
  pons_array logits = NULL;
  const int count = run_on_devices(file, d, rows, &logits);
  if (!count) return failed(file);
  print_devices(rows, count);
  const bool fine = report_write(page, &h, d, logits, rows, count);
  pons_release(logits);
  if (!fine) return failed(page);
  printf("\nwrote %s\n", page);
  return 0;
}

int main(int n, char **words) {
  options o = {.data = "data/digits.npz", .out = ".", .epochs = 20, .batch = 64, .seed = 7};
  const int stop = parse(n, words, &o);
  if (stop) return stop == 1 ? 0 : 2;
  data d = {NULL, NULL, NULL, NULL};
  pons_named parameters = pons_named_new();
  int status = 1;
  if (!parameters || !data_load(&d, &o))
    failed(o.data);
  else
    status = run(&o, &d, parameters);
  pons_named_free(parameters);
  data_free(&d);
  return status;
}
