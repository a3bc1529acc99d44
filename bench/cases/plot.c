/* plot.c: the results as an SVG: for each case with a limit a bar as long as the share of the limit that is
   reached, a stroke where the goal is, and a dot per peer. */
#include "cases.h"

enum { LEFT = 260, WIDE = 520, ROW = 18, TOP = 40 };

/* Of a rate its part of the limit, of a time the limit's part of it. */
static double share(const result *r, double value) {
  double s = r->of->is_rate ? value / r->limit : r->limit / value;
  return s < 0 ? 0 : s > 1.5 ? 1.5 : s;
}
static double place(double share_of_limit) { return LEFT + share_of_limit * WIDE / 1.5; }

static void draw_row(FILE *f, const result *r, int y) {
  static const char *const dots[MOST_PEERS] = {"#d62728", "#9467bd", "#8c564b", "#e377c2",
                                               "#7f7f7f", "#bcbd22", "#17becf", "#000000"};
  const goal *g = &r->of->goal;
  fprintf(f, "<text x='%d' y='%d' text-anchor='end'>%s</text>\n", LEFT - 8, y + 13, r->name);
  fprintf(f, "<rect x='%d' y='%d' width='%.1f' height='%d' fill='%s'/>\n", LEFT, y + 3,
          place(share(r, r->value)) - LEFT, ROW - 6,
          r->met == 1   ? "#2ca02c"
          : r->met == 0 ? "#ff7f0e"
                        : "#1f77b4");
  if (g->of == GOAL_RATIO) {
    double at = place(share(r, g->bound * r->limit));
    fprintf(f, "<line x1='%.1f' x2='%.1f' y1='%d' y2='%d' stroke='black'/>\n", at, at, y + 1, y + ROW - 1);
  }
  for (int i = 0; i < peer_count(); i++)
    if (r->peer[i] == r->peer[i])
      fprintf(f, "<circle cx='%.1f' cy='%d' r='3' fill='%s'><title>%s %.4g %s</title></circle>\n",
              place(share(r, r->peer[i])), y + ROW / 2, dots[i], peer_name(i), r->peer[i], r->of->unit);
}

bool plot_write(const char *path, const result *results, int count) {
  FILE *f = fopen(path, "w");
  if (!f) return false;
  int rows = 0;
  for (int i = 0; i < count; i++) rows += results[i].limit == results[i].limit;
  fprintf(f,
          "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' font-family='sans-serif' "
          "font-size='11'>\n"
          "<rect width='100%%' height='100%%' fill='white'/>\n"
          "<text x='%d' y='16'>Share of the limit reached; stroke: the goal; dots: peers</text>\n",
          LEFT + WIDE + 40, TOP + rows * ROW + 30, LEFT);
  for (int percent = 0; percent <= 150; percent += 25)
    fprintf(f,
            "<line x1='%.1f' x2='%.1f' y1='%d' y2='%d' stroke='#ddd'/><text x='%.1f' y='%d' fill='#666' "
            "text-anchor='middle'>%d %%</text>\n",
            place(percent / 100.0), place(percent / 100.0), TOP - 8, TOP + rows * ROW, place(percent / 100.0),
            TOP - 12, percent);
  int y = TOP;
  for (int i = 0; i < count; i++)
    if (results[i].limit == results[i].limit) {
      draw_row(f, &results[i], y);
      y += ROW;
    }
  fprintf(f, "</svg>\n");
  return !fclose(f);
}
