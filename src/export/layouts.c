/* layouts.c: looks up what a primitive stores in a given MLX release. The rows stand in layouts.def. Uses
   export.h. */
#include "export/export.h"
#include <stdlib.h>

#define ANY -1
#define CPU PLACE_ANY
#define GPU PLACE_GPU
#define ONLY_GPU PLACE_ONLY_GPU
#define V(minor, patch) RELEASE(minor, patch)
static const layout layouts[] = {
#define LAYOUT(name, least, most, since, before, place, state)                                               \
  {#name, least, most, since, before, place, state},
#include "export/layouts.def"
#undef LAYOUT
};
enum { LAYOUT_COUNT = sizeof layouts / sizeof *layouts };

const int layout_releases[] = {V(32, 4), V(32, 2), V(32, 1), V(32, 0), V(31, 2), V(30, 1), V(30, 0),
                               V(29, 1), V(29, 0), V(26, 2), V(26, 0), V(25, 2), V(25, 0), V(24, 2),
                               V(24, 0), V(23, 2), V(23, 0), V(22, 0), 0};

const layout *layout_at(int index) { return index >= 0 && index < LAYOUT_COUNT ? &layouts[index] : NULL; }

const layout *layout_find(const char *name, int release) {
  int low = 0, high = LAYOUT_COUNT;
  while (low < high) { /* the first row not before `name` */
    int middle = (low + high) / 2;
    if (strcmp(layouts[middle].name, name) < 0) low = middle + 1;
    else high = middle;
  }
  for (int i = low; i < LAYOUT_COUNT && strcmp(layouts[i].name, name) == 0; i++)
    if (release >= layouts[i].since && (!layouts[i].before || release < layouts[i].before))
      return &layouts[i];
  return NULL;
}

int release_number(const char *text, bool *exact) {
  long part[3] = {0, 0, 0};
  int parts = 0;
  while (parts < 3 && *text >= '0' && *text <= '9') {
    char *end;
    part[parts++] = strtol(text, &end, 10);
    text = end;
    if (*text != '.' || parts == 3) break;
    text++;
  }
  *exact = parts == 3 && *text == 0;
  if (parts == 0) return RELEASE_NEWEST;
  if (part[0] > 0 || part[1] > 1000000 || part[2] > 99) return RELEASE(1000000, 0);
  return RELEASE((int)part[1], (int)part[2]);
}

/* How many characters of `s` stand before one of `ends` or the end. */
static int span(const char *s, const char *ends) { return (int)strcspn(s, ends); }

bool layout_next(const char **state, layout_field *out) {
  const char *s = *state;
  while (*s == ' ') s++;
  *out = (layout_field){0};
  if (!*s) return false;
  if (s[1] == ':') {
    out->type = s[0];
    s += 2;
  }
  out->name = s;
  out->name_length = span(s, " =~%(");
  s += out->name_length;
  if (*s == '(') {
    out->names = s + 1;
    out->limit = 1;
    for (s++; *s != ')'; s++) out->limit += *s == ',';
    s++;
  } else if (*s == '=') {
    char *end;
    out->type = '=';
    out->implied = strtol(s + 1, &end, 10);
    s = end;
  } else if (*s == '%') {
    out->type = '%';
    s++;
  } else if (*s == '~') {
    out->type = '~';
    out->other = s + 1;
    out->other_length = span(s + 1, " ");
    s += 1 + out->other_length;
  }
  *state = s;
  return true;
}

const char *layout_enum_name(const layout_field *f, int64_t i, int *length) {
  const char *s = f->names;
  for (; i > 0; i--) s += span(s, ",)") + 1;
  *length = span(s, ",)");
  return s;
}
