/* report.c: report.html: one page that needs nothing beside it. The training curve, some images with their
   predictions, all the wrong ones first, and the devices side by side. */
#include "chart.h"
#include <string.h>

static const char style[] =
    ":root{--ink:#1c2733;--soft:#66717d;--page:#fff;--line:#dde3e9;--a:#c2410c;--b:#0f766e}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#9aa7b4;--page:#12181f;--line:#2b3540;--a:#fb923c;--b:#2dd4bf}}"
    "body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:720px;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin-top:2rem}p{color:var(--soft);margin:.2rem 0 1rem}"
    "svg{width:100%;height:auto}svg text{font-size:12px;fill:var(--soft)}.grid{stroke:var(--line)}"
    "polyline{fill:none;stroke-width:2}polyline.loss{stroke:var(--a)}polyline.right{stroke:var(--b)}"
    "circle.loss,text.loss{fill:var(--a)}circle.right,text.right{fill:var(--b)}.bar{fill:var(--b)}"
    "b.loss{color:var(--a)}b.right{color:var(--b)}"
    ".images{display:grid;grid-template-columns:repeat(auto-fill,minmax(72px,1fr));gap:12px}"
    ".images figure{margin:0;text-align:center;font-size:13px}.images svg{border:2px solid var(--line);border-radius:4px}"
    ".wrong svg{border-color:var(--a)}.wrong figcaption{color:var(--a)}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:right;padding:.35rem .6rem;border-bottom:1px solid var(--line)}"
    "th:first-child,td:first-child{text-align:left}";

/* Text of others (device names, errors) in HTML. */
static void escaped(FILE *page, const char *text) {
  for (; *text; text++) {
    if (*text == '<') fputs("&lt;", page);
    else if (*text == '>') fputs("&gt;", page);
    else if (*text == '&') fputs("&amp;", page);
    else fputc(*text, page);
  }
}

static void figure(FILE *page, const float *pixels, int predicted, int label) {
  const bool wrong = predicted != label;
  fprintf(page, "<figure%s>", wrong ? " class=\"wrong\"" : "");
  chart_image(page, pixels);
  if (wrong)
    fprintf(page, "<figcaption>%d, is %d</figcaption></figure>\n", predicted, label);
  else
    fprintf(page, "<figcaption>%d</figcaption></figure>\n", predicted);
}

static void images(FILE *page, const data *d, pons_array logits) {
  enum { SHOWN = 32 };
  pons_array best = pons_astype(pons_argmax(logits, -1, false), PONS_INT32);
  const float *pixels = pons_data(d->test_images);
  const int32_t *predicted = pons_data(best), *labels = pons_data(d->test_labels);
  if (!pixels || !predicted || !labels) return;
  const int64_t n = pons_dim(d->test_labels, 0);
  int64_t wrong = 0;
  for (int64_t i = 0; i < n; i++) wrong += predicted[i] != labels[i];
  fprintf(page,
          "<h2>Predictions</h2>\n<p>%lld of the %lld held-out images were read wrong; those come first.</p>\n"
                "<div class=\"images\">\n", (long long)wrong, (long long)n);
  int shown = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int64_t i = 0; i < n && shown < SHOWN; i++)
      if ((predicted[i] != labels[i]) == (pass == 0)) {
        figure(page, pixels + i * SIDE * SIDE, predicted[i], labels[i]);
        shown++;
      }
  fputs("</div>\n", page);
}

static void devices(FILE *page, const device_row *rows, int count) {
  fputs("<h2>The exported file on every device</h2>\n"
        "<p>The difference is the greatest one of the ten outputs per image, from the first device.</p>\n", page);
  chart_devices(page, rows, count);
  fputs("<table><tr><th>device</th><th>accuracy</th><th>greatest difference</th><th>images/s</th></tr>\n",
        page);
  for (int i = 0; i < count; i++) {
    fputs("<tr><td>", page);
    escaped(page, rows[i].name);
    if (*rows[i].error) {
      fputs("</td><td colspan=\"3\">", page);
      escaped(page, rows[i].error);
      fputs("</td></tr>\n", page);
    } else {
      fprintf(page, "</td><td>%.2f %%</td><td>%.3g</td><td>%.0f</td></tr>\n", 100 * rows[i].accuracy,
              rows[i].difference,
              rows[i].images_per_second);
    }
  }
  fputs("</table>\n", page);
}

static void whole_page(FILE *page, const history *h, const data *d, pons_array logits, const device_row *rows,
                       int count) {
  const epoch *last = &h->at[h->count - 1];
  fprintf(page,
          "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Pons: handwritten digits</title>\n"
                "<meta name=\"viewport\" content=\"width=device-width\"><style>%s</style></head><body>\n", style);
  fprintf(page,
          "<h1>Handwritten digits</h1>\n<p>%d epochs in %.1f s; %.2f %% of %lld held-out images right. Pons %s.</p>\n",
          h->count, h->seconds, 100 * last->accuracy, (long long)pons_dim(d->test_labels, 0), pons_version());
  fputs("<h2>Training</h2>\n<p><b class=\"loss\">Loss</b> on the left, <b class=\"right\">accuracy on the held-out fifth</b> on the "
        "right, per epoch.</p>\n", page);
  chart_training(page, h);
  images(page, d, logits);
  devices(page, rows, count);
  fputs("</body></html>\n", page);
}

bool report_write(const char *path, const history *h, const data *d, pons_array logits,
                  const device_row *rows, int count) {
  char beside[1100];
  snprintf(beside, sizeof beside, "%s.new", path);
  FILE *page = fopen(beside, "w");
  if (!page) {
    pons_fail("report", "%s can't be written", beside);
    return false;
  }
  pons_scope s = pons_scope_open();
  whole_page(page, h, d, logits, rows, count);
  pons_scope_close(s);
  const bool written = !ferror(page);
  if (fclose(page) == 0 && written && rename(beside, path) == 0) return true;
  remove(beside);
  pons_fail("report", "%s can't be written", path);
  return false;
}
