/* digits.h: the parts of the program, in the order the data passes them:

       data.c      images and labels, shuffled, split into four fifths to train on and one held out
       model.c     the network, and its loss
       train.c     the training, with a progress bar
       devices.c   the exported file on every device
       report.c    report.html                        (chart.c draws its pictures)

   Uses the public interface alone. */
#ifndef DIGITS_H
#define DIGITS_H
#include <pons/pons.h>

enum { SIDE = 8, CLASSES = 10, MAX_EPOCHS = 200 };

typedef struct options {
  const char *data, *out; /* the .npz file; the folder for digits.mlxfn and report.html */
  int epochs, batch;
  uint64_t seed;
  bool quiet;
} options;

/* images (n, 8, 8, 1) float32 in 0 .. 1, labels (n) int32; all kept until data_free. */
typedef struct data {
  pons_array train_images, train_labels, test_images, test_labels;
} data;
bool data_load(data *d, const options *o);
void data_free(data *d);

/* Two convolutions, a pool, two linear layers: images to logits (n, 10). */
bool model_init(pons_named parameters, uint64_t seed);
pons_array model_logits(void *payload, pons_named parameters, const pons_array *in, int n_in);
/* in: images, labels, key for dropout */
pons_array model_loss(void *payload, pons_named parameters, const pons_array *in, int n_in);
/* The share of rows of `logits` whose greatest entry stands at the label. */
double accuracy(pons_array logits, pons_array labels);

typedef struct epoch {
  double loss, accuracy; /* mean loss over the epoch; accuracy on the held-out fifth after it */
} epoch;
typedef struct history {
  epoch at[MAX_EPOCHS];
  int count;
  double seconds;
} history;
bool train(pons_named parameters, const data *d, const options *o, history *h);

typedef struct device_row {
  char name[32];
  /* difference: greatest of the logits, from the first device */
  double accuracy, difference, images_per_second;
  char error[200];                                /* why it did not run; else empty */
} device_row;
enum { MAX_DEVICES = 32 };
/* Runs the file on every device; the rows, and the first device's logits kept in *logits. Returns their
   number, 0 on an error. */
int run_on_devices(const char *path, const data *d, device_row *rows, pons_array *logits);
void print_devices(const device_row *rows, int count);

/* Writes the page beside `path` and renames it. False if it can't. */
bool report_write(const char *path, const history *h, const data *d, pons_array logits,
                  const device_row *rows, int count);

double seconds_now(void);
#endif
