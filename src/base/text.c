/* text.c: a string that grows. After a failed allocation it drops what follows, and text_take tells.

   Uses memory.c. */
#include "base/base.h"

enum { LIKELY_ENOUGH = 64 };

static bool make_room(text *t, size_t more) {
  if (t->failed) return false;
  if (more >= SIZE_MAX - t->length || !mem_room(&t->at, &t->room, t->length + more + 1, 1)) t->failed = true;
  return !t->failed;
}

void text_add_bytes(text *t, const void *bytes, size_t count) {
  if (!make_room(t, count)) return;
  if (count > 0) memcpy(t->at + t->length, bytes, count);
  t->length += count;
  t->at[t->length] = 0;
}

void text_add_string(text *t, const char *string) { text_add_bytes(t, string, strlen(string)); }

/* Into the room there is; again, where that was too little. */
void text_add(text *t, const char *format, ...) {
  va_list list, again;
  if (!make_room(t, LIKELY_ENOUGH)) return;
  va_start(list, format);
  va_copy(again, list);
  const size_t room = t->room - t->length;
  const int count = vsnprintf(t->at + t->length, room, format, list);
  va_end(list);
  if (count < 0) t->failed = true;
  if (count >= 0 && (size_t)count >= room && make_room(t, (size_t)count))
    vsnprintf(t->at + t->length, (size_t)count + 1, format, again);
  va_end(again);
  if (t->failed)
    t->at[t->length] = 0;
  else
    t->length += (size_t)count;
}

/* Length of the UTF-8 sequence at `s`, 0 if there is none: cut, overlong, a surrogate, beyond U+10FFFF. */
static size_t utf8_length(const unsigned char *s) {
  static const struct {
    unsigned char first, last, low, high; /* first byte; range of the second */
    size_t length;
  } forms[] = {{0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
               {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
               {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    if (s[0] < forms[i].first || s[0] > forms[i].last) continue;
    if (forms[i].length > 1 && (s[1] < forms[i].low || s[1] > forms[i].high)) return 0;
    for (size_t k = 2; k < forms[i].length; k++) /* ends at the closing 0, too */
      if (s[k] < 0x80 || s[k] > 0xbf) return 0;
    return forms[i].length;
  }
  return 0;
}

void text_add_json(text *t, const char *string) {
  if (string == NULL) {
    text_add(t, "null");
    return;
  }
  text_add_bytes(t, "\"", 1);
  const unsigned char *s = (const unsigned char *)string;
  while (*s != 0) {
    size_t plain = 0, length = 0; /* a run that needs no escape goes in at once */
    while (s[plain] >= 0x20 && s[plain] != '"' && s[plain] != '\\' && (length = utf8_length(s + plain)) > 0)
      plain += length;
    if (plain > 0) text_add_bytes(t, s, plain);
    s += plain;
    if (*s == 0) break;
    if (*s == '"' || *s == '\\') text_add(t, "\\%c", *s);
    else if (*s == '\n') text_add(t, "\\n");
    else if (*s == '\t') text_add(t, "\\t");
    else
      text_add(t, "\\u%04x",
               *s < 0x20 ? *s : 0xfffd); /* what is no UTF-8 becomes the replacement character */
    s++;
  }
  text_add_bytes(t, "\"", 1);
}

char *text_take(text *t) {
  text_add_bytes(t, "", 0); /* an empty one is "", not NULL */
  char *taken = t->failed ? NULL : t->at;
  if (t->failed) mem_free(t->at);
  *t = (text){0};
  return taken;
}

void text_free(text *t) {
  mem_free(t->at);
  *t = (text){0};
}
