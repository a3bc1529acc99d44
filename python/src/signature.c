/* signature.c: a signature in Python's syntax becomes a table of parameters. It is the first line of the docstring, so
   what help() shows, what stubs say and what is accepted are one text. */
#include "binding.h"
#include <stdlib.h>
#include <string.h>

/* ---- annotations ---- */

/* Beside others, too: the function itself looks at all of them. */
enum { AS_IT_IS = 1 << 30 };
/* Types by their spelling; sequences of any length are lists of integers. */
static const struct {
  const char *name;
  unsigned accepts;
} types[] = {
    {"None", ACCEPTS_NONE},
    {"array", ACCEPTS_ARRAY},
    {"scalar", ACCEPTS_ARRAY},
    {"list[array]", ACCEPTS_ARRAYS},
    {"Sequence[array]", ACCEPTS_ARRAYS},
    {"bool", ACCEPTS_BOOL},
    {"int", ACCEPTS_INT},
    {"float", ACCEPTS_FLOAT},
    {"Sequence[int]", ACCEPTS_INTS},
    {"list[int]", ACCEPTS_INTS},
    {"tuple[int]", ACCEPTS_INTS},
    {"tuple[int, ...]", ACCEPTS_INTS},
    {"tuple[int, int]", ACCEPTS_INTS},
    {"tuple[int, int, int]", ACCEPTS_INTS},
    {"str", ACCEPTS_TEXT},
    {"Dtype", ACCEPTS_DTYPE},
    {"DLPackCompatible", AS_IT_IS},
    {"StreamOrDevice", ACCEPTS_STREAM | ACCEPTS_NONE},
};

/* An unknown type is for the function itself to look at. */
static unsigned accepts_of(const char *text, size_t length) {
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (strlen(types[i].name) == length && memcmp(types[i].name, text, length) == 0) return types[i].accepts;
  return ACCEPTS_OBJECT;
}

/* The end of the part that begins at `at`: the next `stop` outside of brackets and quotes, or `end`. */
static const char *part_end(const char *at, const char *end, char stop) {
  int depth = 0;
  char quote = 0;
  for (; at < end; at++) {
    if (quote) {
      if (*at == quote) quote = 0;
    } else if (*at == '\'' || *at == '"') {
      quote = *at;
    } else if (*at == '[' || *at == '(') {
      depth++;
    } else if (*at == ']' || *at == ')') {
      depth--;
    } else if (*at == stop && depth == 0) {
      return at;
    }
  }
  return end;
}

static void trim(const char **begin, const char **end) {
  while (*begin < *end && **begin == ' ') ++*begin;
  while (*begin < *end && (*end)[-1] == ' ') --*end;
}

static unsigned annotation(const char *begin, const char *end) {
  unsigned accepts = 0;
  for (const char *at = begin; at < end;) {
    const char *stop = part_end(at, end, '|'), *from = at, *to = stop;
    trim(&from, &to);
    accepts |= accepts_of(from, (size_t)(to - from));
    at = stop + 1;
  }
  return accepts & AS_IT_IS ? ACCEPTS_OBJECT : accepts;
}

static char *copy_text(const char *begin, const char *end) {
  char *text = malloc((size_t)(end - begin) + 1);
  if (!text) return NULL;
  memcpy(text, begin, (size_t)(end - begin));
  text[end - begin] = 0;
  return text;
}

/* ---- defaults: None, True, False, a number, a string, a list of integers, a dtype ---- */

static PyObject *dtype_called(const char *text) {
  for (int d = 0; d < PONS_DTYPE_COUNT; d++)
    if (strcmp(text, pons_dtype_name((pons_dtype)d)) == 0) return dtype_object((pons_dtype)d);
  return NULL;
}

static PyObject *default_value(const char *begin, const char *end) {
  char *text = copy_text(begin, end);
  if (!text) return PyErr_NoMemory();
  PyObject *value = dtype_called(text), *literals = value ? NULL : PyImport_ImportModule("ast");
  if (literals) {
    value = PyObject_CallMethod(literals, "literal_eval", "s", text);
    Py_DECREF(literals);
  }
  free(text);
  return value;
}

/* ---- parameters ---- */

static bool read_parameter(signature *g, const char *begin, const char *end, bool keyword_only) {
  if (g->count == MAX_PARAMETERS) return false;
  parameter *p = &g->at[g->count];
  const char *equals = part_end(begin, end, '='), *colon = part_end(begin, equals, ':');
  const char *name = begin, *name_end = colon, *type = colon < equals ? colon + 1 : equals,
             *type_end = equals;
  if (*name == '*' && name[1] == '*') {
    name += 2;
    g->others = g->count;
  } else if (*name == '*') {
    name++;
    g->variadic = g->count;
  }
  trim(&name, &name_end);
  trim(&type, &type_end);
  *p = (parameter){.name = PyUnicode_FromStringAndSize(name, name_end - name), .keyword_only = keyword_only};
  p->annotation = copy_text(type, type_end);
  p->accepts = type == type_end ? ACCEPTS_OBJECT : annotation(type, type_end);
  g->count++;
  if (!p->name || !p->annotation) return false;
  if (g->others == g->count - 1) p->accepts = ACCEPTS_OBJECT;
  if (g->variadic == g->count - 1) p->accepts = p->accepts == ACCEPTS_ARRAY ? ACCEPTS_ARRAYS : ACCEPTS_OBJECT;
  PyUnicode_InternInPlace(&p->name);
  if (equals == end) return true;
  const char *value = equals + 1, *value_end = end;
  trim(&value, &value_end);
  p->default_object = default_value(value, value_end);
  return p->default_object != NULL;
}

static bool read_parameters(signature *g, const char *at, const char *end) {
  bool keyword_only = false;
  while (at < end) {
    const char *stop = part_end(at, end, ','), *from = at, *to = stop;
    trim(&from, &to);
    at = stop + 1;
    const size_t length = (size_t)(to - from);
    if (length == 0) continue;
    if (length == 1 && *from == '/') {
      for (int i = 0; i < g->count; i++) g->at[i].positional_only = true;
    } else if (length == 1 && *from == '*') {
      keyword_only = true;
    } else {
      if (!read_parameter(g, from, to, keyword_only)) return false;
      keyword_only |= *from == '*';
    }
  }
  return true;
}

/* Of the bracket that opens at `at`; the end of the text if there is none. */
static const char *closing_bracket(const char *at) {
  for (int depth = 0; *at; at++) {
    if (*at == '(') depth++;
    if (*at == ')' && --depth == 0) break;
  }
  return at;
}

signature *signature_parse(const char *name, const char *doc) {
  const char *open = doc + strlen(name), *close = *open == '(' ? closing_bracket(open) : open;
  signature *g = calloc(1, sizeof *g);
  if (!g) return (signature *)PyErr_NoMemory();
  g->variadic = g->others = -1;
  if (*open == '(' && read_parameters(g, open + 1, close)) return g;
  if (!PyErr_Occurred()) PyErr_Format(PyExc_SystemError, "%s: can't read its signature", name);
  free(g); /* what it points to is lost: the module is broken anyway */
  return NULL;
}
