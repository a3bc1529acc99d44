/* definitions.c: what a launch defines in front of its kernel's text. It is noted as words, by which the program is known from its
   first launch on: only what is compiled is written out. Uses gpu.h, typing.h. */
#include "backends/gpu/gpu.h"
#include "backends/gpu/typing.h"

/* A definition is its kind, its name, and what follows in the table. Names and texts are constants, known by where they lie. */
typedef enum kind {
  AS_ELEMENT, /* dtype */
  AS_WIDE,    /* dtype */
  AS_NUMBER,  /* it */
  AS_TEXTS    /* one behind the other, up to NULL */
} kind;

static void note(gpu_call *c, int64_t word) {
  const int place = c->n_definitions++;
  if (place < GPU_DEFINITIONS) c->definitions[place] = word;
}

static int64_t word_of(const char *constant) { return (int64_t)(intptr_t)constant; }
static const char *constant_of(int64_t word) { return (const char *)(intptr_t)word; }

static void begin(gpu_call *c, kind k, const char *name) {
  note(c, k);
  note(c, word_of(name));
}

void gpu_define_dtype(gpu_call *c, const char *role, pons_dtype d) {
  begin(c, AS_ELEMENT, role);
  note(c, d);
}

void gpu_define_wide(gpu_call *c, const char *role, pons_dtype d) {
  begin(c, AS_WIDE, role);
  note(c, d);
}

void gpu_define(gpu_call *c, const char *name, int64_t value) {
  begin(c, AS_NUMBER, name);
  note(c, value);
}

void gpu_define_texts(gpu_call *c, const char *name, const char *const *values) {
  begin(c, AS_TEXTS, name);
  for (; *values; values++) note(c, word_of(*values));
  note(c, word_of(NULL));
}

void gpu_define_text(gpu_call *c, const char *name, const char *value) {
  gpu_define_texts(c, name, (const char *const[]){value, NULL});
}

/* ---- written out ---- */

static void add_strings(text *t, const char *const *strings) {
  for (; *strings; strings++) text_add_string(t, *strings);
}

void gpu_write_dtype(text *t, const char *role, pons_dtype d) {
  const gpu_typing *y = &gpu_typings[d];
  add_strings(t, (const char *const[]){"typedef ", y->element, " ", role, ";\ntypedef ", y->value, " ", role,
                                       "_value;\n#define ", role, "_load(x) ", y->load, "(x)\n#define ", role,
                                       "_store(x) ", y->store, "(x)\n", NULL});
}

static void write_wide(text *t, const char *role, pons_dtype d) {
  const gpu_typing *y = &gpu_typings[d];
  const int size = (int)pons_dtype_size(d);
  text_add(t, "#define %s_SIZE %d\n", role, size);
  text_add(t, "#define %s_PART(w, i) ((%s)%s(PART_%d(w, i)))\n", role, y->element, y->from_bits, size);
  text_add(t, "#define %s_JOIN(w, i, x) JOIN_PART_%d(w, i, %s(x))\n", role, size, y->bits);
}

/* The definition whose words begin there; how many they are. */
static int write_one(text *t, const int64_t *words) {
  const char *name = constant_of(words[1]);
  int n = 3;
  switch ((kind)words[0]) {
    case AS_ELEMENT:
      gpu_write_dtype(t, name, (pons_dtype)words[2]);
      break;
    case AS_WIDE:
      write_wide(t, name, (pons_dtype)words[2]);
      break;
    case AS_NUMBER:
      text_add(t, "#define %s %lld\n", name, (long long)words[2]);
      break;
    case AS_TEXTS:
      text_add(t, "#define %s ", name);
      for (n = 2; words[n]; n++) text_add_string(t, constant_of(words[n]));
      text_add_string(t, "\n");
      n++;
      break;
  }
  return n;
}

void gpu_write_definitions(text *t, const gpu_call *c) {
  text_add_string(t, c->wide ? "typedef int64_t index_t;\n#define place_of place_of_64\n"
                             : "typedef int32_t index_t;\n#define place_of place_of_32\n");
  for (int i = 0; i < c->n_definitions;) i += write_one(t, &c->definitions[i]);
  if (c->text.at) text_add_bytes(t, c->text.at, c->text.length);
}
