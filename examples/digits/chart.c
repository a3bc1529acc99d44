/* chart.c: see chart.h. Colours come from the page's style sheet. */
#include "chart.h"

enum { WIDTH = 640, HEIGHT = 260, LEFT = 52, RIGHT = 60, TOP = 16, BOTTOM = 34 };

static double x_of(int i, int count) {
  return LEFT + (WIDTH - LEFT - RIGHT) * (count > 1 ? (double)i / (count - 1) : 0.5);
}

static double y_of(double share) { return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share); }

static void curve(FILE *page, const char *class, const history *h, double (*share)(const epoch *, double),
                  double scale) {
  fprintf(page, "<polyline class=\"%s\" points=\"", class);
  for (int i = 0; i < h->count; i++) fprintf(page, "%.1f,%.1f ", x_of(i, h->count),
                                             y_of(share(&h->at[i], scale)));
  fputs("\"/>\n", page);
  for (int i = 0; i < h->count; i++)
    fprintf(page,
            "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>epoch %d: loss %.4f, %.2f %% right</title></circle>\n",
            class, x_of(i,
                        h->count), y_of(share(&h->at[i],
                                              scale)), i + 1, h->at[i].loss, 100 * h->at[i].accuracy);
}

static double loss_share(const epoch *e, double scale) { return e->loss / scale; }
/* The right scale begins at `scale`, so that the last percents can be told apart. */
static double accuracy_share(const epoch *e, double scale) { return (e->accuracy - scale) / (1 - scale); }

void chart_training(FILE *page, const history *h) {
  double most = 1e-9, least = 1;
  for (int i = 0; i < h->count; i++) {
    if (h->at[i].loss > most) most = h->at[i].loss;
    if (h->at[i].accuracy < least) least = h->at[i].accuracy;
  }
  least = least >= 0.9 ? 0.9 : least >= 0.5 ? 0.5 : 0;
  fprintf(page, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"loss and accuracy per epoch\">\n",
          WIDTH, HEIGHT);
  for (int i = 0; i <= 4; i++) {
    const double share = i / 4.0, y = y_of(share);
    fprintf(page, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n", LEFT, WIDTH - RIGHT,
            y, y);
    fprintf(page, "<text class=\"loss\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.2f</text>\n", LEFT - 8,
            y + 4, most * share);
    fprintf(page, "<text class=\"right\" x=\"%d\" y=\"%.1f\">%.1f %%</text>\n", WIDTH - RIGHT + 6, y + 4,
            100 * (least + (1 - least) * share));
  }
  const int every = h->count > 20 ? h->count / 10 : 1;
  for (int i = 0; i < h->count; i += every)
    fprintf(page, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>\n", x_of(i, h->count),
            HEIGHT - BOTTOM + 18, i + 1);
  curve(page, "loss", h, loss_share, most);
  curve(page, "right", h, accuracy_share, least);
  fputs("</svg>\n", page);
}

void chart_devices(FILE *page, const device_row *rows, int count) {
  enum { ROW = 30, NAME = 110, BAR = 400 };
  double most = 1e-9;
  for (int i = 0; i < count; i++)
    if (rows[i].images_per_second > most) most = rows[i].images_per_second;
  fprintf(page, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"images per second per device\">\n",
          WIDTH, count * ROW + 8);
  for (int i = 0; i < count; i++) {
    const double width = BAR * rows[i].images_per_second / most;
    const int y = 4 + i * ROW;
    fprintf(page, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", NAME - 8, y + 18, rows[i].name);
    fprintf(page, "<rect class=\"bar\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"3\"/>\n", NAME,
            y + 2, width, ROW - 8);
    fprintf(page, "<text x=\"%.1f\" y=\"%d\">%.0f images/s</text>\n", NAME + width + 8, y + 18,
            rows[i].images_per_second);
  }
  fputs("</svg>\n", page);
}

void chart_image(FILE *page, const float *pixels) {
  fprintf(page, "<svg viewBox=\"0 0 %d %d\" shape-rendering=\"crispEdges\">", SIDE, SIDE);
  for (int i = 0; i < SIDE * SIDE; i++) {
    const int ink = (int)(255 * (1 - pixels[i]) + 0.5F);
    fprintf(page, "<rect x=\"%d\" y=\"%d\" width=\"1\" height=\"1\" fill=\"#%02x%02x%02x\"/>", i % SIDE,
            i / SIDE, ink, ink, ink);
  }
  fputs("</svg>", page);
}
