/* chart.h: pictures as inline SVG, written to an open page. */
#ifndef CHART_H
#define CHART_H
#include "digits.h"
#include <stdio.h>

/* Loss (left scale) and accuracy (right scale) over the epochs. */
void chart_training(FILE *page, const history *h);
/* One bar per device, images per second. */
void chart_devices(FILE *page, const device_row *rows, int count);
/* One image, 64 values of 0 .. 1, as 8 x 8 squares. */
void chart_image(FILE *page, const float *pixels);
#endif
