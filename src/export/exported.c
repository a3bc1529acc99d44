/* exported.c: the public functions of export: traces each signature, lowers it for the target and writes the
   file beside its place; only a whole file is renamed into it. Uses export.h, graph/. */
#include "export/export.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

typedef struct signature_out { /* one of the args, its inputs in the file's order */
  const struct pons_export_args *args;
  pons_array *in;
  const char **keys;
} signature_out;

static void end_signature(signature_out *s) {
  mem_free(s->in);
  mem_free(s->keys);
}

/* Keyword inputs behind the positional ones, in byte order of their names. */
static bool begin_signature(const struct pons_export_args *a, signature_out *s) {
  *s = (signature_out){.args = a};
  if (!a->function || a->n_inputs < a->n_keywords || a->n_keywords < 0) {
    error_release(!a->function ? fail("export", "the function is NULL")
                               : fail("export", "%d keywords for %d inputs", a->n_keywords, a->n_inputs));
    return false;
  }
  s->in = mem_alloc((size_t)(a->n_inputs + 1) * sizeof *s->in);
  s->keys = mem_alloc((size_t)(a->n_keywords + 1) * sizeof *s->keys);
  if (!s->in || !s->keys) {
    error_release(fail_no_memory("export"));
    return false;
  }
  const int positional = a->n_inputs - a->n_keywords;
  for (int i = 0; i < positional; i++) s->in[i] = a->inputs[i];
  for (int i = 0; i < a->n_keywords; i++) { /* insertion: there are few */
    int at = i;
    for (; at > 0 && strcmp(s->keys[at - 1], a->keywords[i]) > 0; at--) {
      s->keys[at] = s->keys[at - 1];
      s->in[positional + at] = s->in[positional + at - 1];
    }
    s->keys[at] = a->keywords[i];
    s->in[positional + at] = a->inputs[positional + i];
    if (at > 0 && strcmp(s->keys[at - 1], s->keys[at]) == 0) {
      error_release(fail("export", "keyword '%s' is given twice", s->keys[at]));
      return false;
    }
  }
  return true;
}

/* Would one call mean both? */
static bool same_signature(const signature_out *a, const signature_out *b) {
  if (a->args->n_inputs != b->args->n_inputs || a->args->n_keywords != b->args->n_keywords) return false;
  for (int i = 0; i < a->args->n_keywords; i++)
    if (strcmp(a->keys[i], b->keys[i]) != 0) return false;
  for (int i = 0; i < a->args->n_inputs; i++) {
    const node *x = a->in[i], *y = b->in[i];
    if (!x || !y || x->dtype != y->dtype || x->ndim != y->ndim) return false;
    if (!a->args->shapeless && !shape_equal(x->ndim, x->shape, y->ndim, y->shape)) return false;
  }
  return true;
}

static bool write_signature(writer *w, const target *t, const signature_out *s) {
  traced trace;
  trace_set_shapeless(t->shapeless);
  const bool is_traced = function_trace(s->args->function, s->in, s->args->n_inputs, &trace);
  trace_set_shapeless(false);
  if (!is_traced) return false;
  const pons_scope scope = pons_scope_open();
  pons_array *lowered = mem_alloc((size_t)(trace.n_out + 1) * sizeof *lowered);
  bool fine = lowered != NULL;
  if (!fine) error_release(fail_no_memory("export"));
  fine = fine && target_lower(t, trace.out, trace.n_out, lowered) &&
         writer_function(w, trace.in, trace.n_in, s->keys, s->args->n_keywords, lowered, trace.n_out);
  mem_free(lowered);
  pons_scope_close(scope);
  traced_free(&trace);
  return fine;
}

static bool write_all(FILE *file, const target *t, const struct pons_export_args *args, int count) {
  signature_out *signatures = mem_zalloc((size_t)count * sizeof *signatures);
  writer *w = signatures ? writer_new(file, t, count, args->metadata) : NULL;
  bool fine = w != NULL;
  if (!fine) error_release(fail_no_memory("export"));
  for (int i = 0; fine && i < count; i++) {
    fine = begin_signature(&args[i], &signatures[i]);
    for (int k = 0; fine && k < i; k++) {
      if (!same_signature(&signatures[k], &signatures[i])) continue;
      error_release(fail("export", "signatures %d and %d take the same inputs", k, i));
      fine = false;
    }
    fine = fine && write_signature(w, t, &signatures[i]);
  }
  if (w && !writer_end(w)) fine = false;
  for (int i = 0; signatures && i < count; i++) end_signature(&signatures[i]);
  mem_free(signatures);
  return fine;
}

static bool choose_target(const struct pons_export_args *a, target *t) {
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
  error_release(fail("export", "%s can't be written: %s", path, strerror(errno)));
  if (fd >= 0) {
    close(fd);
    unlink(*name);
  }
  return NULL;
}

bool pons_export_many(const struct pons_export_args *signatures, int count) {
  target t;
  if (count < 1 || !signatures || !signatures->path) {
    error_release(count < 1 || !signatures ? fail("export", "there is no signature")
                                           : fail("export", "there is no path"));
    return false;
  }
  if (!choose_target(signatures, &t)) return false;
  char *name = NULL;
  FILE *file = open_beside(signatures->path, &name);
  bool fine = file && write_all(file, &t, signatures, count);
  if (file) {
    const bool flushed = fflush(file) == 0 && fsync(fileno(file)) == 0;
    const bool closed = fclose(file) == 0;
    if (fine && !(flushed && closed && rename(name, signatures->path) == 0)) {
      error_release(fail("export", "%s can't be written: %s", signatures->path, strerror(errno)));
      fine = false;
    }
    if (!fine) unlink(name);
  }
  mem_free(name);
  return fine;
}

bool pons_export_with(struct pons_export_args args) { return pons_export_many(&args, 1); }
