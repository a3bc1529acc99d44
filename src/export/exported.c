/* exported.c: the public functions of export: traces each signature, lowers it for the target and writes the
   file beside its place; only a whole file is renamed into it. Uses export.h, graph/. */
#include "export/export.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- signatures ---- */

typedef struct signature_out { /* inputs as the file orders them: keyword ones by the bytes of their names */
  int n_in, n_keys;
  pons_array *in; /* kept */
  char **keys; /* copies */
} signature_out;

static void end_signature(signature_out *s) {
  for (int i = 0; s->in && i < s->n_in; i++) pons_release(s->in[i]);
  for (int i = 0; s->keys && i < s->n_keys; i++) mem_free(s->keys[i]);
  mem_free(s->in);
  mem_free(s->keys);
}

/* Keyword inputs behind the positional ones, in byte order of their names. */
static bool begin_signature(const struct pons_exporter_call_args *a, signature_out *s) {
  *s = (signature_out){0};
  if (a->n_keywords < 0 || a->n_inputs < a->n_keywords) {
    error_release(fail("export", "%d keywords for %d inputs", a->n_keywords, a->n_inputs));
    return false;
  }
  s->in = mem_zalloc((size_t)(a->n_inputs + 1) * sizeof *s->in);
  s->keys = mem_zalloc((size_t)(a->n_keywords + 1) * sizeof *s->keys);
  if (!s->in || !s->keys) {
    error_release(fail_no_memory("export"));
    return false;
  }
  const int positional = a->n_inputs - a->n_keywords;
  for (; s->n_in < positional; s->n_in++) s->in[s->n_in] = pons_keep(a->inputs[s->n_in]);
  for (int i = 0; i < a->n_keywords; i++) { /* insertion: there are few */
    char *key = mem_text(a->keywords[i]);
    if (!key) {
      error_release(fail_no_memory("export"));
      return false;
    }
    int at = s->n_keys++;
    s->n_in++;
    for (; at > 0 && strcmp(s->keys[at - 1], key) > 0; at--) {
      s->keys[at] = s->keys[at - 1];
      s->in[positional + at] = s->in[positional + at - 1];
    }
    s->keys[at] = key;
    s->in[positional + at] = pons_keep(a->inputs[positional + i]);
    if (at > 0 && strcmp(s->keys[at - 1], key) == 0) {
      error_release(fail("export", "keyword '%s' is given twice", key));
      return false;
    }
  }
  return true;
}

/* Would one call mean both? */
static bool same_signature(const signature_out *a, const signature_out *b, bool shapeless) {
  if (a->n_in != b->n_in || a->n_keys != b->n_keys) return false;
  for (int i = 0; i < a->n_keys; i++)
    if (strcmp(a->keys[i], b->keys[i]) != 0) return false;
  for (int i = 0; i < a->n_in; i++) {
    const node *x = a->in[i], *y = b->in[i];
    if (!x || !y || x->dtype != y->dtype || x->ndim != y->ndim) return false;
    if (!shapeless && !shape_equal(x->ndim, x->shape, y->ndim, y->shape)) return false;
  }
  return true;
}

/* ---- exporters ---- */

struct pons_function_exporter_s {
  FILE *file;
  char *name, *path; /* of the file while it is written, and its place; NULL: it is only told */
  char *release_name;
  pons_function function;
  target target;
  writer *writer;
  signature_out *signatures;
  size_t count, room;
  bool failed;
};

static bool write_signature(pons_function_exporter e, pons_function f, const signature_out *s) {
  const target *t = &e->target;
  traced trace;
  trace_set_shapeless(t->shapeless);
  const bool is_traced = function_trace(f, s->in, s->n_in, &trace);
  trace_set_shapeless(false);
  if (!is_traced) return false;
  const pons_scope scope = pons_scope_open();
  pons_array *lowered = mem_alloc((size_t)(trace.n_out + 1) * sizeof *lowered);
  bool fine = lowered != NULL;
  if (!fine) error_release(fail_no_memory("export"));
  fine = fine && target_lower(t, trace.out, trace.n_out, lowered) &&
         writer_function(e->writer, trace.in, trace.n_in, (const char *const *)s->keys, s->n_keys, lowered,
                         trace.n_out);
  mem_free(lowered);
  pons_scope_close(scope);
  traced_free(&trace);
  return fine;
}

static bool add_signature(pons_function_exporter e, const struct pons_exporter_call_args *a) {
  pons_function f = a->function ? a->function : e->function;
  if (!f) {
    error_release(fail("export", "the function is NULL"));
    return false;
  }
  if (!mem_room(&e->signatures, &e->room, e->count + 1, sizeof *e->signatures)) {
    error_release(fail_no_memory("export"));
    return false;
  }
  signature_out *s = &e->signatures[e->count++];
  if (!begin_signature(a, s)) return false;
  for (size_t k = 0; k + 1 < e->count; k++) {
    if (!same_signature(&e->signatures[k], s, e->target.shapeless)) continue;
    error_release(fail_as(PONS_ERROR_RUNTIME, "export", "signatures %zu and %zu take the same inputs", k,
                          e->count - 1));
    return false;
  }
  return write_signature(e, f, s);
}

bool pons_exporter_call_with(struct pons_exporter_call_args args) {
  pons_function_exporter e = args.exporter;
  if (!e || e->failed) {
    error_release(e ? fail_as(PONS_ERROR_RUNTIME, "export", "an earlier call failed")
                    : fail("export", "the exporter is NULL"));
    return false;
  }
  e->failed = !add_signature(e, &args);
  return !e->failed;
}

static bool choose_target(const struct pons_exporter_args *a, target *t) {
  bool exact = true;
  *t = (target){RELEASE_NEWEST, RELEASE_NEWEST_NAME, a->gpu, a->shapeless};
  if (!a->release) return true;
  t->release_name = a->release;
  t->release = release_number(a->release, &exact);
  if (!exact || t->release < RELEASE_OLDEST || t->release > RELEASE_NEWEST) {
    error_release(fail("export",
                       "files can be written for MLX 0.22.0 to " RELEASE_NEWEST_NAME ", not for '%s'",
                       a->release));
    return false;
  }
  if (a->metadata && *a->metadata && t->release < RELEASE_METADATA) {
    error_release(fail("export", "files for MLX %s hold no metadata; 0.32.1 was the first", a->release));
    return false;
  }
  return true;
}

/* A new file beside `path`, its name in *name (mem_free it). */
static FILE *open_beside(const char *path, char **name) {
  static atomic_int count;
  text t = {0};
  text_add(&t, "%s.%ld.%d.new", path, (long)getpid(), atomic_fetch_add(&count, 1));
  *name = text_take(&t);
  if (!*name) {
    error_release(fail_no_memory("export"));
    return NULL;
  }
  const int fd = open(*name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  FILE *file = fd >= 0 ? fdopen(fd, "w+b") : NULL;
  if (file) return file;
  error_release(fail_as(PONS_ERROR_RUNTIME, "export", "%s can't be written: %s", path, strerror(errno)));
  if (fd >= 0) {
    close(fd);
    unlink(*name);
  }
  return NULL;
}

static void end_exporter(pons_function_exporter e) {
  if (e->writer) writer_end(e->writer, 0);
  if (e->file) fclose(e->file);
  for (size_t i = 0; i < e->count; i++) end_signature(&e->signatures[i]);
  mem_free(e->signatures);
  if (e->function) pons_function_release(e->function);
  mem_free(e->name);
  mem_free(e->path);
  mem_free(e->release_name);
  mem_free(e);
}

/* Writes into `file`, which it closes in the end; NULL: beside args->path. */
static pons_function_exporter exporter_new(const struct pons_exporter_args *args, FILE *file) {
  pons_function_exporter e = mem_zalloc(sizeof *e);
  if (!e) {
    error_release(fail_no_memory("export"));
    return NULL;
  }
  e->file = file;
  bool fine = choose_target(args, &e->target);
  if (fine && !file) {
    e->path = mem_text(args->path);
    e->file = e->path ? open_beside(args->path, &e->name) : NULL;
    if (!e->path) error_release(fail_no_memory("export"));
    fine = e->file != NULL;
  }
  if (fine && args->release) {
    e->target.release_name = e->release_name = mem_text(args->release);
    fine = e->release_name != NULL;
    if (!fine) error_release(fail_no_memory("export"));
  }
  if (fine) {
    e->writer = writer_new(e->file, &e->target, args->metadata);
    fine = e->writer != NULL;
    if (!fine) error_release(fail_no_memory("export"));
  }
  if (fine && args->function) e->function = pons_function_keep(args->function);
  if (fine) return e;
  if (e->name) unlink(e->name);
  end_exporter(e);
  return NULL;
}

pons_function_exporter pons_exporter_with(struct pons_exporter_args args) {
  if (!args.path) {
    error_release(fail("export", "there is no path"));
    return NULL;
  }
  return exporter_new(&args, NULL);
}

/* The header's count, and all that is buffered, to the file. */
static bool finish(pons_function_exporter e) {
  const bool fine = writer_end(e->writer, (int)e->count);
  e->writer = NULL;
  return fine && fflush(e->file) == 0;
}

bool pons_exporter_close(pons_function_exporter e) {
  if (!e) return false;
  bool fine = !e->failed && finish(e);
  if (fine) {
    const bool flushed = fsync(fileno(e->file)) == 0, closed = fclose(e->file) == 0;
    e->file = NULL;
    fine = flushed && closed && rename(e->name, e->path) == 0;
    if (!fine)
      error_release(
          fail_as(PONS_ERROR_RUNTIME, "export", "%s can't be written: %s", e->path, strerror(errno)));
  }
  if (!fine) unlink(e->name);
  end_exporter(e);
  return fine;
}

/* ---- one function ---- */

static struct pons_exporter_call_args call_of(pons_function_exporter e, const struct pons_export_args *a) {
  return (struct pons_exporter_call_args){.exporter = e,
                                          .inputs = a->inputs,
                                          .n_inputs = a->n_inputs,
                                          .keywords = a->keywords,
                                          .n_keywords = a->n_keywords};
}

/* Told and not kept: a file without a name, read again. */
static bool tell(const struct pons_export_args *a, const struct pons_exporter_args *args) {
  if (a->metadata && *a->metadata) {
    error_release(fail("export", "metadata go into files, not to a callback"));
    return false;
  }
  FILE *file = tmpfile();
  if (!file) {
    error_release(
        fail_as(PONS_ERROR_RUNTIME, "export", "there is no room for a temporary file: %s", strerror(errno)));
    return false;
  }
  pons_function_exporter e = exporter_new(args, file);
  bool fine = e && pons_exporter_call_with(call_of(e, a)) && finish(e);
  if (fine) {
    cursor c = {.fd = fileno(file), .size = (uint64_t)ftello(file)};
    fine = mlxfn_tell(&c, a);
    mem_free(c.window);
  }
  if (e) end_exporter(e);
  return fine;
}

bool pons_export_function_with(struct pons_export_args a) {
  const struct pons_exporter_args args = {.path = a.path,
                                          .function = a.function,
                                          .shapeless = a.shapeless,
                                          .metadata = a.metadata,
                                          .release = a.release,
                                          .gpu = a.gpu};
  if (!a.path && a.callback) return tell(&a, &args);
  pons_function_exporter e = pons_exporter_with(args);
  if (!e) return false;
  pons_exporter_call_with(call_of(e, &a));
  return pons_exporter_close(e);
}
