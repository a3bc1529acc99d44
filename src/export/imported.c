/* imported.c: a file as a function: which of its signatures a call means, and the public functions of import.
   Uses export.h. */
#include "export/export.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct pons_imported_s {
  atomic_int refs;
  mlxfn *file;
};

/* ---- importing ---- */

/* Every signature on placeholders: shapes and dtypes are computed again and compared. */
static bool check_signature(const mlxfn *f, const signature *s) {
  const pons_scope scope = pons_scope_open();
  pons_array *in = mem_alloc((size_t)(s->n_in + 1) * sizeof *in);
  pons_array *out = mem_alloc((size_t)(s->n_out + 1) * sizeof *out);
  bool fine = in && out;
  if (!fine) error_release(fail_no_memory("import"));
  for (int32_t i = 0; fine && i < s->n_in; i++) {
    in[i] = node_placeholder(s->values[i].dtype, s->values[i].ndim, s->values[i].dims);
    fine = !node_failed(in[i]);
  }
  fine = fine && mlxfn_build(f, s, in, out, true);
  mem_free(in);
  mem_free(out);
  pons_scope_close(scope);
  return fine;
}

static bool load(mlxfn *f, cursor *c) {
  const pons_scope scope = pons_scope_open();
  bool fine = mlxfn_load_constants(f, c);
  pons_scope_close(scope);
  for (int32_t i = 0; fine && i < f->n_signatures; i++) fine = check_signature(f, &f->signatures[i]);
  return fine;
}

static pons_imported import_from(cursor *c) {
  mlxfn *f = mlxfn_read(c);
  const bool sound = f && load(f, c);
  pons_imported file = sound ? mem_zalloc(sizeof *file) : NULL;
  mem_free(c->window);
  if (!file) {
    if (sound) error_release(fail_no_memory("import"));
    mlxfn_free(f);
    return NULL;
  }
  atomic_init(&file->refs, 1);
  file->file = f;
  return file;
}

pons_imported pons_import_function(const char *path) {
  const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) {
    error_release(fail_as(PONS_ERROR_RUNTIME, "import", "%s can't be opened: %s", path ? path : "NULL",
                          path ? strerror(errno) : "no path"));
    if (fd >= 0) close(fd);
    return NULL;
  }
  pons_imported file = NULL;
  if (!S_ISREG(status.st_mode)) {
    error_release(fail_as(PONS_ERROR_RUNTIME, "import", "%s is no file", path));
  } else {
    cursor c = {.fd = fd, .size = (uint64_t)status.st_size};
    file = import_from(&c);
  }
  close(fd);
  return file;
}

pons_imported pons_import_function_bytes(const void *bytes, size_t count) {
  cursor c = {.memory = bytes ? bytes : "", .fd = -1, .size = bytes ? count : 0};
  return import_from(&c);
}

static pons_imported keep(pons_imported file) {
  atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
  return file;
}

void pons_imported_release(pons_imported file) {
  if (!file || atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) != 1) return;
  mlxfn_free(file->file);
  mem_free(file);
}

const char *pons_imported_release_name(pons_imported file) { return file ? file->file->release_name : ""; }
const char *pons_imported_metadata(pons_imported file) { return file ? file->file->metadata : ""; }
bool pons_imported_shapeless(pons_imported file) { return file && file->file->shapeless; }

char *pons_imported_show(pons_imported file, const char *as) {
  if (!file) {
    error_release(fail("show", "the file is NULL"));
    return NULL;
  }
  return mlxfn_show(file->file, as);
}

/* ---- calls ---- */

typedef struct call {
  const pons_array *in; /* positional, then named */
  int n_in;
  const char *const *keys;
  int n_keys;
  int *order; /* keyword inputs in byte order of their names: indices of `keys` */
  pons_array *match; /* room for n_in: inputs as the signature wants them */
} call;

static int key_index(const call *c, const char *key) {
  for (int i = 0; i < c->n_keys; i++)
    if (strcmp(c->keys[i], key) == 0) return i;
  return -1;
}

static bool stored(const signature *s, const char *key) {
  for (int32_t i = 0; i < s->n_keys; i++)
    if (strcmp(s->keys[i], key) == 0) return true;
  return false;
}

/* Fills c->match. Keyword inputs go to the keyword's place; with `loose`, names the signature hasn't stand
   for positional inputs behind those given, as MLX takes them. */
static bool arrange(const call *c, const signature *s, bool loose) {
  if (s->n_in != c->n_in || (!loose && s->n_keys != c->n_keys)) return false;
  const int n_positional = s->n_in - s->n_keys;
  for (int32_t i = 0; i < s->n_keys; i++) {
    const int k = key_index(c, s->keys[i]);
    if (k < 0) return false;
    c->match[n_positional + i] = c->in[c->n_in - c->n_keys + k];
  }
  int at = 0;
  for (; at < c->n_in - c->n_keys; at++) c->match[at] = c->in[at];
  for (int i = 0; at < n_positional && i < c->n_keys; i++)
    if (!stored(s, c->keys[c->order[i]])) c->match[at++] = c->in[c->n_in - c->n_keys + c->order[i]];
  return true;
}

static bool takes(const mlxfn *f, const signature *s, const pons_array *in) {
  for (int32_t i = 0; i < s->n_in; i++) {
    const file_array *want = &s->values[i];
    if (in[i]->dtype != want->dtype || in[i]->ndim != want->ndim) return false;
    if (!f->shapeless && !shape_equal(in[i]->ndim, in[i]->shape, want->ndim, want->dims)) return false;
  }
  return true;
}

/* The signature meant, with c->match filled; exact ones before those that MLX would take. */
static const signature *find(const mlxfn *f, const call *c) {
  for (int loose = 0; loose < 2; loose++)
    for (int32_t i = 0; i < f->n_signatures; i++) {
      const signature *s = &f->signatures[i];
      if (arrange(c, s, loose) && takes(f, s, c->match)) return s;
    }
  return NULL;
}

static void describe_inputs(text *t, const mlxfn *f, const signature *s) {
  text_add(t, "(");
  for (int32_t i = 0; i < s->n_in; i++) {
    const int32_t key = i - (s->n_in - s->n_keys);
    const file_array *a = &s->values[i];
    text_add(t, i ? ", " : "");
    if (key >= 0) text_add(t, "%s=", s->keys[key]);
    text_add(t, "%s %s", shape_text(a->ndim, a->dims), pons_dtype_name(a->dtype));
  }
  text_add(t, f->shapeless ? "; sizes may differ)" : ")");
}

static void fail_no_match(const mlxfn *f, const call *c) {
  text t = {0};
  text_add(&t, "no signature takes (");
  for (int i = 0; i < c->n_in; i++) {
    const int key = i - (c->n_in - c->n_keys);
    text_add(&t, i ? ", " : "");
    if (key >= 0) text_add(&t, "%s=", c->keys[key]);
    text_add(&t, "%s", node_text(c->in[i]));
  }
  text_add(&t, "); the file has ");
  for (int32_t i = 0; i < f->n_signatures && i < 4; i++) {
    text_add(&t, i ? ", " : "");
    describe_inputs(&t, f, &f->signatures[i]);
  }
  if (f->n_signatures > 4) text_add(&t, " and %d more", f->n_signatures - 4);
  if (f->n_signatures == 0) text_add(&t, "none");
  char *words = text_take(&t);
  error_release(words ? fail("import", "%s", words) : fail_no_memory("import"));
  mem_free(words);
}

/* Orders the keywords and checks the inputs. The caller frees order and match. */
static bool begin_call(call *c) {
  for (int i = 0; i < c->n_in; i++) {
    if (!c->in[i]) error_release(fail("import", "input %d of %d is NULL", i, c->n_in));
    else if (node_failed(c->in[i])) error_meet(c->in[i]->error);
    else continue;
    return false;
  }
  if (c->n_keys > c->n_in || c->n_keys < 0) {
    error_release(fail("import", "%d keywords for %d inputs", c->n_keys, c->n_in));
    return false;
  }
  c->order = mem_alloc((size_t)(c->n_keys + 1) * sizeof *c->order);
  c->match = mem_alloc((size_t)(c->n_in + 1) * sizeof *c->match);
  if (!c->order || !c->match) {
    error_release(fail_no_memory("import"));
    return false;
  }
  for (int i = 0; i < c->n_keys; i++) { /* insertion: there are few */
    int at = i;
    for (; at > 0 && strcmp(c->keys[c->order[at - 1]], c->keys[i]) > 0; at--) c->order[at] = c->order[at - 1];
    c->order[at] = i;
    if (at > 0 && strcmp(c->keys[c->order[at - 1]], c->keys[i]) == 0) {
      error_release(fail("import", "keyword '%s' is given twice", c->keys[i]));
      return false;
    }
  }
  return true;
}

static void end_call(call *c) {
  mem_free(c->order);
  mem_free(c->match);
}

/* Adds the results of the call to `out`; false and an error if there are none. */
static bool call_file(const mlxfn *f, call *c, result_list *out) {
  const signature *s = begin_call(c) ? find(f, c) : NULL;
  bool fine = false;
  if (s) {
    pons_array *made = mem_alloc((size_t)(s->n_out + 1) * sizeof *made);
    const pons_scope scope = pons_scope_open();
    if (!made) error_release(fail_no_memory("import"));
    fine = made && mlxfn_build(f, s, c->match, made, false);
    for (int32_t i = 0; fine && i < s->n_out; i++) pons_results_add(out, made[i]);
    pons_scope_close(scope);
    mem_free(made);
  } else if (c->order && c->match) {
    fail_no_match(f, c);
  }
  end_call(c);
  return fine && results_meet(out);
}

int pons_imported_call(pons_imported file, const pons_array *in, int n_in, const char *const *keywords,
                       int n_keywords, pons_array *out, int room) {
  if (!file) {
    error_release(fail("import", "the file is NULL"));
    return -1;
  }
  call c = {.in = in, .n_in = n_in, .keys = keywords, .n_keys = n_keywords};
  result_list r;
  results_begin(&r, "import");
  const int count = call_file(file->file, &c, &r) ? r.count : -1;
  const int given = count < room ? count : room;
  results_give(&r, 0, out, given > 0 ? given : 0);
  results_end(&r);
  return count;
}

bool pons_imported_nodes_with(struct pons_imported_nodes_args a) {
  if (!a.file || !a.callback || a.n_streams < 1) {
    error_release(fail("imported_nodes", !a.file       ? "the file is NULL"
                                         : !a.callback ? "the callback is NULL"
                                                       : "there is no stream to make them on"));
    return false;
  }
  const mlxfn *f = a.file->file;
  call c = {.in = a.inputs, .n_in = a.n_inputs, .keys = a.keywords, .n_keys = a.n_keywords};
  const signature *s = begin_call(&c) ? find(f, &c) : NULL;
  if (!s && c.order && c.match) fail_no_match(f, &c);
  const bool fine = s && mlxfn_by_node(f, s, c.match, &a);
  end_call(&c);
  return fine;
}

/* ---- as a function ---- */

typedef struct imported_function {
  function head;
  pons_imported file;
} imported_function;

static void imported_call(function *f, const pons_array *in, int n_in, result_list *out) {
  const bool clean = pons_ok();
  call c = {.in = in, .n_in = n_in};
  if (call_file(((imported_function *)f)->file->file, &c, out)) return;
  const char *why = clean ? pons_error() : NULL;
  results_fail(out, why && strncmp(why, "import: ", 8) == 0
                        ? fail_as(pons_last_error_kind(), "import", "%s", why + 8)
                        : fail("import", "the file's function can't be called"));
}

static void imported_destroy(function *f) {
  pons_imported_release(((imported_function *)f)->file);
  mem_free(f);
}

/* The number of results if all signatures have the same, or -1: then a call tells. */
static int common_outputs(const mlxfn *f) {
  for (int32_t i = 1; i < f->n_signatures; i++)
    if (f->signatures[i].n_out != f->signatures[0].n_out) return -1;
  return f->n_signatures ? f->signatures[0].n_out : -1;
}

pons_function pons_imported_function(pons_imported file) {
  if (!file) {
    error_release(fail("import", "the file is NULL"));
    return NULL;
  }
  imported_function *f =
      function_new(sizeof *f, "imported", common_outputs(file->file), imported_call, imported_destroy);
  if (!f) return NULL;
  f->file = keep(file);
  return &f->head;
}
