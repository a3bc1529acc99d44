/* devices.c: the exported file, loaded again, on every device there is: is it right, is it the same, how fast
   is it. */
#include "digits.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Images per second: the file's function compiled and repeated for about half a second. */
static double speed(pons_function f, const data *d) {
  pons_function fast = pons_compile(f);
  pons_array y = NULL;
  int64_t runs = 0;
  double start = 0, spent = 0;
  for (int warm = 3; fast && pons_ok() && spent < 0.5; runs++) {
    if (warm-- > 0) {
      start = seconds_now();
      runs = 0;
    }
    pons_scope s = pons_scope_open();
    pons_call(fast, &d->test_images, 1, &y, 1);
    pons_data(y); /* a GPU is done when its result can be read */
    pons_scope_close(s);
    spent = seconds_now() - start;
  }
  pons_function_release(fast);
  return spent > 0 ? (double)(runs * pons_dim(d->test_images, 0)) / spent : 0;
}

static void one_device(const char *name, pons_function f, const data *d, device_row *row, pons_array *first) {
  snprintf(row->name, sizeof row->name, "%s", name);
  pons_scope s = pons_scope_open();
  if (pons_set_default_device(name)) {
    pons_array y = pons_apply(f, d->test_images);
    row->accuracy = accuracy(y, d->test_labels);
    if (pons_ok() && !*first) pons_set(first, y);
    if (pons_ok()) row->difference = pons_item(pons_max(pons_abs(pons_subtract(y, *first))));
    if (pons_ok()) row->images_per_second = speed(f, d);
  }
  if (!pons_ok()) snprintf(row->error, sizeof row->error, "%s", pons_error());
  pons_clear_error();
  pons_scope_close(s);
}

int run_on_devices(const char *path, const data *d, device_row *rows, pons_array *logits) {
  pons_imported file = pons_import_function(path);
  pons_function f = file ? pons_imported_function(file) : NULL;
  int count = 0;
  for (int i = 0; f && i < pons_device_count() && count < MAX_DEVICES; i++) {
    one_device(pons_device_name(i), f, d, &rows[count], logits);
    count++;
  }
  pons_set_default_device(NULL);
  pons_function_release(f);
  pons_imported_release(file);
  return *logits ? count : 0;
}

void print_devices(const device_row *rows, int count) {
  printf("%-12s %10s %22s %14s\n", "device", "accuracy", "greatest difference", "images/s");
  for (int i = 0; i < count; i++) {
    const device_row *r = &rows[i];
    if (*r->error)
      printf("%-12s %s\n", r->name, r->error);
    else
      printf("%-12s %8.2f %% %22.3g %14.0f\n", r->name, 100 * r->accuracy, r->difference,
             r->images_per_second);
  }
}
