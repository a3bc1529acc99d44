/* translate.c: a kernel in the Metal Shading Language rewritten as CUDA C++, token by token:

       device float *x, thread int &n        float *x, int &n
       constant float *x                     const float *x
       threadgroup float room[32];           __shared__ float room[32];        pointers to it: no word
       v.zyx, 1.5h                           v.template swizzle<2, 1, 0>(), half(1.5)
       c ? x : 0                             c ? x : literal(0)                which becomes what x is, half for one
       [[kernel]], attributes                nothing; those of the kernel's parameters say what the entry passes
       template [[host_name("n")]] ...       nothing; says which instance the entry calls

   All the rest stays as it is. The kernel becomes a function in the namespace metal::kernels, and the
   entry, of the kernel's name, calls it with pointers, shapes and the thread's place. Uses metal.h. */
#include "backends/cuda/metal/metal.h"
#include <ctype.h>

typedef enum token_kind { WORD, NUMBER, STRING, MARK, SPACE } token_kind;
typedef struct token {
  const char *at;
  int length, line;
  token_kind kind;
  bool first; /* of its line, but for spaces */
} token;

typedef struct source {
  token *tokens;
  size_t room;
  int n;
  const char *name; /* of the kernel */
  text *out;
  error *why;
} source;

/* ---- tokens ---- */

static const char *end_of_comment(const char *s) {
  if (s[1] == '/') return s + strcspn(s, "\n");
  const char *end = strstr(s + 2, "*/");
  return end ? end + 2 : s + strlen(s);
}

static const char *end_of_string(const char *s) {
  const char quote = *s++;
  while (*s && *s != quote && *s != '\n') s += *s == '\\' && s[1] ? 2 : 1;
  return *s == quote ? s + 1 : s;
}

static const char *end_of_number(const char *s) {
  while (isalnum((unsigned char)*s) || *s == '.' || *s == '_' ||
         ((*s == '+' || *s == '-') && strchr("eEpP", s[-1])))
    s++;
  return s;
}

static token next_token(const char *s) {
  token t = {s, 1, 0, MARK, false};
  const char *end = s + 1;
  if (isspace((unsigned char)*s)) {
    t.kind = SPACE;
    if (*s != '\n')
      while (isspace((unsigned char)*end) && *end != '\n') end++;
  } else if (*s == '/' && (s[1] == '/' || s[1] == '*')) {
    t.kind = SPACE;
    end = end_of_comment(s);
  } else if (isalpha((unsigned char)*s) || *s == '_') {
    t.kind = WORD;
    while (isalnum((unsigned char)*end) || *end == '_') end++;
  } else if (isdigit((unsigned char)*s) || (*s == '.' && isdigit((unsigned char)s[1]))) {
    t.kind = NUMBER;
    end = end_of_number(end);
  } else if (*s == '"' || *s == '\'') {
    t.kind = STRING;
    end = end_of_string(s);
  } else if (*s == '-' && s[1] == '>') {
    end = s + 2;
  }
  t.length = (int)(end - s);
  return t;
}

static bool tokenize(source *s, const char *text) {
  int line = 1;
  bool first = true;
  while (*text) {
    if (!mem_room(&s->tokens, &s->room, (size_t)s->n + 1, sizeof *s->tokens)) return false;
    token t = next_token(text);
    t.line = line;
    t.first = first && t.kind != SPACE;
    for (int i = 0; i < t.length; i++) line += t.at[i] == '\n';
    first = t.kind == SPACE ? first || memchr(t.at, '\n', (size_t)t.length) : false;
    s->tokens[s->n++] = t;
    text += t.length;
  }
  return true;
}

static bool is(const source *s, int i, const char *what) {
  return i >= 0 && i < s->n && strncmp(s->tokens[i].at, what, (size_t)s->tokens[i].length) == 0 &&
         strlen(what) == (size_t)s->tokens[i].length;
}
static bool is_word(const source *s, int i) { return i >= 0 && i < s->n && s->tokens[i].kind == WORD; }

/* The next, or the one before, that is no space; n or -1: none. */
static int after(const source *s, int i) {
  for (i++; i < s->n && s->tokens[i].kind == SPACE; i++) {
  }
  return i;
}
static int before(const source *s, int i) {
  for (i--; i >= 0 && s->tokens[i].kind == SPACE; i--) {
  }
  return i;
}
static bool is_member(const source *s, int i) {
  return is(s, before(s, i), ".") || is(s, before(s, i), "->");
}

/* Behind the bracket that closes the one at i. */
static int closed(const source *s, int i, const char *open, const char *close) {
  for (int depth = 0; i < s->n; i++) {
    if (is(s, i, open)) depth++;
    if (is(s, i, close) && --depth == 0) return i + 1;
  }
  return s->n;
}
static bool is_attribute(const source *s, int i) { return is(s, i, "[") && is(s, i + 1, "["); }

static error *refuse(const source *s, int i, const char *what) {
  return fail_as(PONS_ERROR_RUNTIME, "custom_kernel",
                 "'%s', line %d of its text: %.*s: %s not carried over from Metal to CUDA", s->name,
                 s->tokens[i].line, s->tokens[i].length, s->tokens[i].at, what);
}

/* ---- what can't be carried over ---- */

static const struct refused {
  const char *word, *what;
} refused[] = {
#define REFUSED(word, what) {#word, what " are"},
#include "backends/cuda/metal/refused.def"
#undef REFUSED
};

static bool word_fits(const token *t, const char *word) {
  const size_t n = strlen(word);
  if (word[n - 1] == '*') return (size_t)t->length >= n - 1 && strncmp(t->at, word, n - 1) == 0;
  return (size_t)t->length == n && strncmp(t->at, word, n) == 0;
}

static error *check_words(const source *s) {
  for (int i = 0; i < s->n; i++) {
    if (!is_word(s, i) || is_member(s, i)) continue;
    for (size_t k = 0; k < sizeof refused / sizeof *refused; k++)
      if (word_fits(&s->tokens[i], refused[k].word)) return refuse(s, i, refused[k].what);
  }
  return NULL;
}

/* ---- words that are rewritten ---- */

/* What a type that begins at i declares: '*' or '&' for a pointer or reference, else what ends it. */
static char declares(const source *s, int i) {
  int depth = 0;
  for (; i < s->n; i = after(s, i)) {
    if (is(s, i, "alignas")) i = closed(s, after(s, i), "(", ")") - 1;
    if (is(s, i, "<")) depth++;
    if (is(s, i, ">") && depth-- == 0) return '>';
    if (depth == 0 && s->tokens[i].kind == MARK && strchr("*&;[=,()", *s->tokens[i].at))
      return *s->tokens[i].at;
  }
  return ';';
}

static bool is_shared_variable(const source *s, int i) {
  const char mark = declares(s, i + 1);
  return mark == ';' || mark == '[' || mark == '=' || mark == ',';
}

/* Is `word` among the words of the declaration that i belongs to, up to its pointer, name or value? */
static bool says(const source *s, int i, const char *word) {
  for (int k = before(s, i); is_word(s, k); k = before(s, k))
    if (is(s, k, word)) return true;
  for (int k = after(s, i); k < s->n && !(s->tokens[k].kind == MARK && strchr("*&;[=,()", *s->tokens[k].at));
       k = after(s, k))
    if (is(s, k, word)) return true;
  return false;
}

static void emit_constant(source *s, int i, bool outside) {
  const char mark = declares(s, i + 1);
  if (outside && mark != '*' && mark != '&' && mark != '(')
    text_add(s->out, says(s, i, "constexpr") ? "__device__" : "__constant__");
  else if (!says(s, i, "const") && !says(s, i, "constexpr"))
    text_add(s->out, "const");
}

/* xyzw or rgba, two to four of them; a name that is declared somewhere is a member of the user's. */
static bool is_swizzle(const source *s, int i) {
  const token *t = &s->tokens[i];
  if (t->length < 2 || t->length > 4 || !is_member(s, i) || is(s, after(s, i), "(")) return false;
  const size_t n = (size_t)t->length;
  if (strspn(t->at, "xyzw") < n && strspn(t->at, "rgba") < n) return false;
  for (int k = 0; k < s->n; k++)
    if (is_word(s, k) && s->tokens[k].length == t->length && strncmp(s->tokens[k].at, t->at, n) == 0 &&
        !is_member(s, k))
      return false;
  return true;
}

static void emit_swizzle(source *s, const token *t) {
  static const char letters[] = "xyzwrgba";
  text_add(s->out, "template swizzle<");
  for (int k = 0; k < t->length; k++)
    text_add(s->out, "%s%d", k ? ", " : "", (int)(strchr(letters, t->at[k]) - letters) % 4);
  text_add(s->out, ">()");
}

static bool is_number(const source *s, int i) { return i >= 0 && i < s->n && s->tokens[i].kind == NUMBER; }

/* Does a `?` stand before the `:` at i, in its expression? */
static bool is_of_condition(const source *s, int i) {
  int depth = 0;
  for (int k = before(s, i); k >= 0; k = before(s, k)) {
    if (is(s, k, ")") || is(s, k, "]")) depth++;
    if ((is(s, k, "(") || is(s, k, "[")) && depth-- == 0) return false;
    if (is(s, k, ";") || is(s, k, "{") || is(s, k, "}")) return false;
    if (depth == 0 && is(s, k, "?")) return true;
  }
  return false;
}

/* A number that is all there is on one side of a condition, whose other side is more than a number. */
static bool is_alone_in_condition(const source *s, int i) {
  const int ahead = before(s, i), behind = after(s, i);
  if (is(s, ahead, "?") && is(s, behind, ":")) return !is_number(s, after(s, behind));
  if (!is(s, ahead, ":") ||
      !(is(s, behind, ")") || is(s, behind, ";") || is(s, behind, ",") || is(s, behind, "]")))
    return false;
  return is_of_condition(s, ahead) &&
         !(is_number(s, before(s, ahead)) && is(s, before(s, before(s, ahead)), "?"));
}

/* 1.5h, 2.0bf */
static void emit_number(source *s, const token *t) {
  const bool hexadecimal = t->length > 1 && (t->at[1] == 'x' || t->at[1] == 'X');
  const char *end = t->at + t->length;
  const bool half = !hexadecimal && (end[-1] == 'h' || end[-1] == 'H'),
             bfloat = !hexadecimal && t->length > 2 && (end[-1] == 'f' || end[-1] == 'F') &&
                      (end[-2] == 'b' || end[-2] == 'B');
  if (half || bfloat)
    text_add(s->out, "%s(%.*s)", half ? "half" : "bfloat", t->length - (half ? 1 : 2), t->at);
  else
    text_add_bytes(s->out, t->at, (size_t)t->length);
}

/* #include, #pragma: the line's end. Other directives stay as they are, their words rewritten. */
static int directive(source *s, int i) {
  const int word = after(s, i);
  if (!is(s, word, "include") && !is(s, word, "pragma")) {
    text_add(s->out, "#");
    return i + 1;
  }
  int end = word;
  while (end < s->n && !is(s, end, "\n")) end++;
  const char *line = s->tokens[word].at + s->tokens[word].length;
  const int length = end < s->n ? (int)(s->tokens[end].at - line) : (int)strlen(line);
  if (is(s, word, "include")) {
    static const char *const own[] = {
        "<metal_stdlib",  "<metal_math",       "<metal_atomic",    "<metal_simdgroup", "<metal_common",
        "<metal_compute", "<metal_integer",    "<metal_limits",    "<metal_numeric",    "<metal_type_traits",
        "<metal_types",   "<metal_relational", "<metal_geometric", "<metal_vector",     "<simd/"};
    while (*line == ' ') line++;
    bool known = false;
    for (size_t k = 0; k < sizeof own / sizeof *own; k++) known |= strncmp(line, own[k], strlen(own[k])) == 0;
    if (!known)
      s->why = fail_as(PONS_ERROR_RUNTIME, "custom_kernel",
                       "'%s', line %d of its text: #include %.*s: there are no files beside a kernel's text",
                       s->name, s->tokens[i].line, length > 60 ? 60 : length, line);
  } else if (strstr(line, "unroll") && strstr(line, "unroll") < line + length && !strstr(line, "disable")) {
    text_add(s->out, "#pragma unroll");
  }
  return end;
}

/* Words whose place alone says what they are; false: any other. */
static bool emit_word(source *s, int i, bool outside) {
  if (is_member(s, i)) {
    if (!is_swizzle(s, i)) return false;
    emit_swizzle(s, &s->tokens[i]);
    return true;
  }
  if (is(s, i, "device") || is(s, i, "thread") || is(s, i, "kernel")) return true;
  if (is(s, i, "constant")) {
    emit_constant(s, i, outside);
    return true;
  }
  if (!is(s, i, "threadgroup")) return false;
  if (is_shared_variable(s, i)) text_add(s->out, "__shared__");
  return true;
}

static void rewrite(source *s) {
  int braces = 0, parens = 0;
  for (int i = 0; i < s->n && !s->why;) {
    const token *t = &s->tokens[i];
    if (is(s, i, "#") && t->first) {
      i = directive(s, i);
      continue;
    }
    if (is_attribute(s, i)) {
      i = closed(s, i, "[", "]");
      continue;
    }
    if (is(s, i, "template") && is_attribute(s, after(s, i))) { /* an instance with a name */
      while (i < s->n && !is(s, i, ";")) i++;
      i++;
      continue;
    }
    braces += is(s, i, "{") - is(s, i, "}");
    parens += is(s, i, "(") - is(s, i, ")");
    if (t->kind == NUMBER) {
      const bool alone = is_alone_in_condition(s, i);
      if (alone) text_add(s->out, "literal(");
      emit_number(s, t);
      if (alone) text_add(s->out, ")");
    } else if (t->kind != WORD || !emit_word(s, i, braces == 0 && parens == 0))
      text_add_bytes(s->out, t->at, (size_t)t->length);
    i++;
  }
}

/* ---- the entry ---- */

/* What it passes for an attribute. */
static const struct built_in {
  const char *attribute, *value;
} built_ins[] = {
    {"thread_position_in_grid",
     "grid_place(group.x * (ulong)whole.x + threadIdx.x, group.y * (ulong)whole.y + threadIdx.y, group.z * "
     "(ulong)whole.z + "
     "threadIdx.z)"},
    {"thread_position_in_threadgroup", "grid_place(threadIdx.x, threadIdx.y, threadIdx.z)"},
    {"threadgroup_position_in_grid", "group"},
    {"threads_per_threadgroup", "grid_place(blockDim.x, blockDim.y, blockDim.z)"},
    {"dispatch_threads_per_threadgroup", "whole"},
    {"threads_per_grid", "threads"},
    {"grid_size", "threads"},
    {"grid_origin", "grid_place(0, 0, 0)"},
    {"threadgroups_per_grid", "groups"},
    {"thread_index_in_threadgroup", "index"},
    {"thread_index_in_simdgroup", "index % 32"},
    {"simdgroup_index_in_threadgroup", "index / 32"},
    {"simdgroups_per_threadgroup", "(size + 31) / 32"},
    {"dispatch_simdgroups_per_threadgroup", "(whole.x * whole.y * whole.z + 31) / 32"},
    {"threads_per_simdgroup", "32u"},
    {"thread_execution_width", "32u"},
    {"thread_index_in_quadgroup", "index % 4"},
    {"quadgroup_index_in_threadgroup", "index / 4"},
    {"quadgroups_per_threadgroup", "(size + 3) / 4"},
    {"dispatch_quadgroups_per_threadgroup", "(whole.x * whole.y * whole.z + 3) / 4"},
};

/* The function's name where `name` is an instance, and what is called: [*from, *to) of its decltype. */
static int find_instance(const source *s, const char *name, int *from, int *to) {
  for (int i = 0; i < s->n; i++) {
    if (!is(s, i, "host_name")) continue;
    const int string = after(s, after(s, i));
    if (string >= s->n || s->tokens[string].length != (int)strlen(name) + 2 ||
        strncmp(s->tokens[string].at + 1, name, strlen(name)) != 0)
      continue;
    while (i < s->n && !is(s, i, "decltype") && !is(s, i, ";")) i++;
    if (!is(s, i, "decltype")) return -1;
    *from = after(s, after(s, i));
    *to = closed(s, after(s, i), "(", ")") - 1;
    return *from < *to && is_word(s, *from) ? *from : -1;
  }
  return -1;
}

/* The parenthesis behind `void name`. */
static int find_parameters(const source *s, const char *name, int length) {
  for (int i = 0; i < s->n; i++)
    if (is_word(s, i) && s->tokens[i].length == length &&
        strncmp(s->tokens[i].at, name, (size_t)length) == 0 && is(s, after(s, i), "(") &&
        is(s, before(s, i), "void"))
      return after(s, i);
  return -1;
}

/* The arguments for buffers, in the order MLX passes them: per input its memory, then its shape, strides and number of axes where
   they are asked for and there are axes; the results. */
typedef struct passing {
  const custom_kernel_params *p;
  const metal_arguments *a;
  int array, info; /* the next */
  int number;      /* of the next that stands for something asked for */
} passing;

static bool pass_memory(source *s, const passing *g, bool reference) {
  const bool input = g->array < g->a->n_in;
  const int place = input ? g->a->n_out + g->array : g->array - g->a->n_in;
  const int bytes = input ? g->a->in_bytes[g->array] : g->a->out_bytes[place];
  text_add(s->out, "buffer_%s{(const char *)memory_%d + v.at[%d] * %d}", reference ? "reference" : "pointer",
           place, place, bytes);
  return true;
}

/* False: there are no more. */
static bool pass_buffer(source *s, passing *g, bool reference) {
  while (g->info > 0) { /* what is asked for of the input before */
    const int k = g->info - 1, input = g->array - 1;
    g->info = k == 2 ? 0 : g->info + 1;
    if (!g->p->shape_infos.at[3 * input + k]) continue;
    const int number = g->number++;
    if (g->a->in_ndim[input] == 0) continue;
    text_add(s->out, k == 2 ? "buffer_reference{&v.at[%d]}" : "buffer_pointer{&v.at[v.at[%d]]}", number);
    return true;
  }
  if (g->array == g->a->n_in + g->a->n_out) return false;
  pass_memory(s, g, reference);
  g->info = g->array < g->a->n_in;
  g->array++;
  return true;
}

static error *pass_attribute(source *s, int i) {
  for (size_t k = 0; k < sizeof built_ins / sizeof *built_ins; k++)
    if (is(s, i, built_ins[k].attribute)) {
      text_add(s->out, "%s", built_ins[k].value);
      return NULL;
    }
  return refuse(s, i, "parameters with this attribute are");
}

/* One parameter, tokens [from, to). */
static error *pass_parameter(source *s, passing *g, int from, int to) {
  bool reference = false;
  for (int i = from; i < to; i++) {
    reference |= is(s, i, "&");
    if (!is_attribute(s, i)) continue;
    const int name = after(s, after(s, i));
    if (!is(s, name, "buffer")) return pass_attribute(s, name);
    if (pass_buffer(s, g, reference)) return NULL;
    return fail_as(PONS_ERROR_RUNTIME, "custom_kernel",
                   "'%s' takes more buffers than the %d inputs and %d results it is called with", s->name,
                   g->a->n_in, g->a->n_out);
  }
  return refuse(s, from, "parameters without an attribute are");
}

static error *pass_all(source *s, passing *g, int open) {
  const int end = closed(s, open, "(", ")") - 1;
  int from = after(s, open), depth = 0;
  bool first = true;
  for (int i = from; i <= end && from < end; i++) {
    if (is(s, i, "(") || is(s, i, "<") || is(s, i, "[")) depth++;
    if (i < end && (is(s, i, ")") || is(s, i, ">") || is(s, i, "]"))) depth--;
    if (i < end && !(depth == 0 && is(s, i, ","))) continue;
    text_add(s->out, first ? "\n      " : ",\n      ");
    first = false;
    error *why = pass_parameter(s, g, from, i);
    if (why) return why;
    from = after(s, i);
  }
  return NULL;
}

static void memories(source *s, int n, bool declared) {
  for (int i = 0; i < n; i++) text_add(s->out, "%smemory_%d, ", declared ? "void *" : "", i);
}

static error *write_entry(source *s, const custom_kernel_params *p, const metal_arguments *a) {
  int from = -1, to = -1;
  const int n = a->n_in + a->n_out, instance = find_instance(s, s->name, &from, &to);
  const token *function = instance >= 0 ? &s->tokens[instance] : NULL;
  const int open = function ? find_parameters(s, function->at, function->length)
                            : find_parameters(s, s->name, (int)strlen(s->name));
  if (open < 0)
    return fail_as(PONS_ERROR_RUNTIME, "custom_kernel", "there is no kernel '%s' in its text", s->name);
  text_add(s->out, "\ninline void entry_of_kernel(");
  memories(s, n, true);
  text_add(s->out,
           "const ::numbers &v) {\n"
           "  const grid_place group(v.at[%d] + blockIdx.x, v.at[%d] + blockIdx.y, v.at[%d] + blockIdx.z),\n"
           "      groups(v.at[%d], v.at[%d], v.at[%d]), whole(v.at[%d], v.at[%d], v.at[%d]), "
           "threads(v.at[%d], v.at[%d], v.at[%d]);\n"
           "  const uint index = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z),\n"
           "      size = blockDim.x * blockDim.y * blockDim.z;\n  ",
           n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8, n + 9, n + 10, n + 11);
  if (instance >= 0)
    text_add_bytes(s->out, s->tokens[from].at, (size_t)(s->tokens[to].at - s->tokens[from].at));
  else
    text_add(s->out, "%s", s->name);
  text_add(s->out, "(");
  passing g = {.p = p, .a = a, .number = n + 12};
  error *why = pass_all(s, &g, open);
  if (why) return why;
  text_add(s->out, ");\n}\n}\n}\nextern \"C\" __global__ void %s(", s->name);
  memories(s, n, true);
  text_add(s->out, "NUMBERS) {\n  metal::kernels::entry_of_kernel(");
  memories(s, n, false);
  text_add(s->out, "v);\n}\n");
  return NULL;
}

error *metal_translate(const custom_kernel_params *p, const metal_arguments *a, text *out) {
  source s = {.name = p->name.at, .out = out};
  if (!tokenize(&s, p->source.at)) {
    mem_free(s.tokens);
    return fail_no_memory("custom_kernel");
  }
  error *why = check_words(&s);
  if (!why) {
    text_add(out, "namespace metal {\nnamespace kernels {\n");
    rewrite(&s);
    why = s.why;
  }
  if (!why) why = write_entry(&s, p, a);
  if (!why && out->failed) why = fail_no_memory("custom_kernel");
  mem_free(s.tokens);
  return why;
}
