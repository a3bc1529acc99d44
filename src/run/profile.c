/* profile.c: what runs, as a Chrome trace (chrome://tracing, ui.perfetto.dev): an event per step with its
   time, what was copied between host and device for it and why, the bytes it moves and their share of what a plain copy reaches here, for products the operations and
   their share of a large float32 product; memory over time as counters. Written beside the file and renamed
   when complete, so that what has the name is whole. Uses plan/, device/. */
#include "run/run.h"
#include <pthread.h>
#include <stdlib.h>

static struct profile {
  pthread_mutex_t lock;
  FILE *file; /* NULL: none is written */
  char *path, *part;
  int64_t start;        /* ns */
  size_t active, cache; /* as last written */
  int threads;
  int number; /* of this profile: threads are named again in each */
  bool failed;
} profile = {.lock = PTHREAD_MUTEX_INITIALIZER};
static atomic_bool is_on;

/* What this machine reaches; measured at the first profile. */
static struct peaks { double bytes_per_ns, flops_per_ns; } peaks;

/* ---- peaks ---- */

enum { PIECE = 1 << 20, PIECES = 32, PRODUCT = 512 };

static void copy_piece(void *context, int64_t piece) {
  char *base = context;
  memcpy(base + PIECES * (int64_t)PIECE + piece * PIECE, base + piece * PIECE, PIECE);
}

/* The best of a few copies by all threads; bytes read and bytes written both count. */
static double measure_copy(void) {
  error *why = NULL;
  buffer *b = buffer_new(2 * (size_t)PIECE * PIECES, "profile", &why);
  error_release(why);
  if (!b) return 0;
  memset(buffer_data(b), 1, buffer_bytes(b));
  int64_t best = INT64_MAX;
  for (int i = 0; i < 5; i++) {
    const int64_t start = time_ns();
    parallel_for(PIECES, copy_piece, buffer_data(b));
    const int64_t ns = time_ns() - start;
    if (ns < best) best = ns;
  }
  buffer_release(b);
  return 2.0 * PIECE * PIECES / (double)(best ? best : 1);
}

/* Of the CPU, whose memory it is. */
static double measure_product_in(buffer *b) {
  static const int64_t dims[] = {PRODUCT, PRODUCT}, strides[] = {PRODUCT, 1};
  const int64_t size = (int64_t)PRODUCT * PRODUCT * (int64_t)sizeof(float);
  operand o[3];
  for (int i = 0; i < 3; i++) o[i] = (operand){NULL, PONS_FLOAT32, 2, dims, strides};
  const launch l = {NULL, 2, 1, o, o + 2};
  const implementation *matmul = device_pick(device_host(), "Matmul", &l, NULL);
  if (!matmul) return 0;
  memset(buffer_data(b), 0, (size_t)(3 * size));
  for (int i = 0; i < 3; i++) o[i].data = (char *)buffer_data(b) + i * size;
  int64_t best = INT64_MAX;
  for (int i = 0; i < 4; i++) {
    const int64_t start = time_ns();
    error *why = matmul->run(&l);
    const int64_t ns = time_ns() - start;
    error_release(why);
    if (why) return 0;
    if (ns < best) best = ns;
  }
  return 2.0 * PRODUCT * PRODUCT * PRODUCT / (double)(best ? best : 1);
}

static double measure_product(void) {
  error *why = NULL;
  buffer *b = buffer_new(3 * sizeof(float) * PRODUCT * PRODUCT, "profile", &why);
  error_release(why);
  const double flops = b ? measure_product_in(b) : 0;
  buffer_release(b);
  return flops;
}

static void measure_peaks(void) { peaks = (struct peaks){measure_copy(), measure_product()}; }

/* ---- events ---- */

/* Under the lock: writes and empties it. */
static void put(text *t) {
  if (t->failed || fwrite(t->at, 1, t->length, profile.file) != t->length) profile.failed = true;
  text_free(t);
  *t = (text){0};
}

static double microseconds(int64_t ns) { return (double)(ns - profile.start) / 1000; }

/* This thread's number in the trace; a new one is introduced by name. */
static int thread_number(void) {
  static _Thread_local int number, of_profile;
  if (of_profile == profile.number) return number;
  of_profile = profile.number;
  number = ++profile.threads;
  text t = {0};
  text_add(&t,
           ",\n{\"ph\": \"M\", \"name\": \"thread_name\", \"pid\": 1, \"tid\": %d, \"args\": {\"name\": "
           "\"thread %d\"}}",
           number, number);
  put(&t);
  return number;
}

/* Bytes of the elements it touches; what is repeated by a stride of 0 counts once. */
static int64_t bytes_of(const operand *o) {
  int64_t n = (int64_t)pons_dtype_size(o->dtype);
  for (int i = 0; i < o->ndim; i++)
    if (o->strides[i] != 0 || o->shape[i] == 0) n *= o->shape[i];
  return n;
}

static int64_t bytes_moved(const plan_step *s) {
  int64_t n = 0;
  for (int i = 0; i < s->n_in + s->n_out; i++) n += bytes_of(&s->operands[i]);
  return n;
}

/* Multiplications and additions of a product; 0 for what is none. */
static double product_flops(const plan_step *s) {
  if (s->kernel || s->n_in < 2) return 0;
  const operand *a = &s->operands[0], *b = &s->operands[1], *y = &s->operands[s->n_in];
  const double size = (double)shape_size(y->ndim, y->shape);
  if (strcmp(s->prim->name, "Matmul") == 0 || strcmp(s->prim->name, "AddMM") == 0) /* of codes, too */
    return 2 * size * (double)a->shape[a->ndim - 1];
  const bool gradient = strcmp(s->prim->name, "ConvolutionWeightVJP") == 0;
  if (!gradient && strcmp(s->prim->name, "Convolution") != 0) return 0;
  const operand *w = gradient ? y : b, *places = gradient ? b : y;
  const double of_place = (double)(shape_size(w->ndim, w->shape) / (w->shape[0] ? w->shape[0] : 1));
  return 2 * (double)shape_size(places->ndim, places->shape) * of_place;
}

static void add_operands(text *t, const plan_step *s) {
  text o = {0};
  for (int i = 0; i < s->n_in + s->n_out; i++) {
    text_add(&o,
             i == 0         ? "%s%s"
             : i == s->n_in ? " -> %s%s"
                            : ", %s%s",
             pons_dtype_name(s->operands[i].dtype), shape_text(s->operands[i].ndim, s->operands[i].shape));
  }
  text_add_json(t, o.at ? o.at : "");
  t->failed |= o.failed;
  text_free(&o);
}

/* What was copied so that the step could run, and why. */
static void add_copies(text *t, const device *d) {
  const copies_made m = copies_since();
  if (m.to_device)
    text_add(t,
             ", \"copies to the device\": %d, \"bytes to the device\": %zu, \"why to the device\": \"%s had not what was "
             "written last elsewhere\"",
             m.to_device, m.bytes_to_device, d->name);
  if (m.to_host)
    text_add(t, ", \"copies to the host\": %d, \"bytes to the host\": %zu, \"why to the host\": \"%s\"", m.to_host,
             m.bytes_to_host,
             m.gave_way ? "to make room on the device" : "what was written last was on a device, and the step needs it elsewhere");
  if (m.passed)
    text_add(t,
             ", \"copies from device to device\": %d, \"bytes from device to device\": %zu, \"why from device to device\": "
             "\"%s had not what was written last on another\"",
             m.passed, m.bytes_passed, d->name);
  if (m.declined)
    text_add(t,
             ", \"by way of the host\": %d, \"why by way of the host\": \"it can't be copied from the other device to %s "
             "directly: the device's report says why\"",
             m.declined, d->name);
  if (m.parts)
    text_add(t, ", \"copies of a part\": %d, \"why of a part\": \"the rest of the array's memory was there, or is not needed\"", m.parts);
  if (m.gave_way) text_add(t, ", \"arrays that gave way\": %d", m.gave_way);
}

static void add_step(text *t, const device *d, const plan_step *s, int64_t start, int64_t end) {
  text title = {0};
  plan_step_title(&title, s);
  text_add(t, ",\n{\"ph\": \"X\", \"name\": ");
  text_add_json(t, title.at ? title.at : s->name);
  text_free(&title);
  const double ns = (double)(end > start ? end - start : 1), bytes = (double)bytes_moved(s),
               flops = product_flops(s);
  text_add(t, ", \"cat\": \"%s\", \"pid\": 1, \"tid\": %d, \"ts\": %.3f, \"dur\": %.3f",
           s->kernel ? "kernel" : "call", thread_number(), microseconds(start), ns / 1000);
  text_add(t, ", \"args\": {\"device\": \"%s\", \"by\": \"%s\", \"operands\": ", d->name,
           s->kernel ? "kernel" : s->implementation->name);
  add_operands(t, s);
  text_add(t, ", \"bytes\": %.0f, \"GB/s\": %.3f", bytes, bytes / ns);
  if (peaks.bytes_per_ns > 0)
    text_add(t, ", \"share of peak bandwidth\": %.4f", bytes / ns / peaks.bytes_per_ns);
  if (flops > 0) text_add(t, ", \"GFLOP/s\": %.3f", flops / ns);
  if (flops > 0 && peaks.flops_per_ns > 0)
    text_add(t, ", \"share of peak product\": %.4f", flops / ns / peaks.flops_per_ns);
  add_copies(t, d);
  text_add(t, "}}");
}

static void add_memory(text *t, int64_t at) {
  const size_t active = pons_get_active_memory(), cache = pons_get_cache_memory();
  if (active == profile.active && cache == profile.cache) return;
  profile.active = active;
  profile.cache = cache;
  text_add(t,
           ",\n{\"ph\": \"C\", \"name\": \"memory\", \"pid\": 1, \"ts\": %.3f, \"args\": {\"active\": %zu, "
           "\"cache\": %zu}}",
           microseconds(at), active, cache);
}

void profile_step(const device *d, const plan_step *s, int64_t start_ns, int64_t end_ns) {
  pthread_mutex_lock(&profile.lock);
  if (profile.file) {
    text t = {0};
    add_step(&t, d, s, start_ns, end_ns);
    add_memory(&t, end_ns);
    put(&t);
  }
  pthread_mutex_unlock(&profile.lock);
}

/* ---- start and stop ---- */

/* Under the lock. */
static error *open_file(const char *path) {
  text part = {0};
  text_add(&part, "%s.part", path);
  profile.path = mem_text(path);
  profile.part = text_take(&part);
  if (!profile.path || !profile.part) return fail_no_memory("profile");
  profile.file = fopen(profile.part, "w");
  return profile.file ? NULL : fail_as(PONS_ERROR_RUNTIME, "profile", "can't write %s", profile.part);
}

static void forget(void) {
  mem_free(profile.path);
  mem_free(profile.part);
  profile.path = profile.part = NULL;
  profile.file = NULL;
}

static void put_head(void) {
  text t = {0};
  text_add(
      &t,
      "{\"displayTimeUnit\": \"ns\", \"otherData\": {\"made by\": \"pons %s\", \"peak bandwidth, GB/s\": "
      "%.3f, "
      "\"peak product, GFLOP/s\": %.3f},\n\"traceEvents\": [\n"
      "{\"ph\": \"M\", \"name\": \"process_name\", \"pid\": 1, \"tid\": 0, \"args\": {\"name\": \"pons\"}}",
      pons_version(), peaks.bytes_per_ns, peaks.flops_per_ns);
  put(&t);
}

static error *begin(const char *path) {
  if (profile.file)
    return fail_as(PONS_ERROR_RUNTIME, "profile", "one is being written already: %s", profile.path);
  if (peaks.bytes_per_ns == 0) measure_peaks();
  error *why = open_file(path);
  if (why) {
    forget();
    return why;
  }
  profile.start = time_ns();
  profile.active = profile.cache = SIZE_MAX;
  profile.threads = 0;
  profile.number++;
  profile.failed = false;
  put_head();
  return NULL;
}

bool pons_profile_start(const char *path) {
  if (!path) {
    error_release(fail_as(PONS_ERROR_RUNTIME, "profile", "the path is NULL"));
    return false;
  }
  pthread_mutex_lock(&profile.lock);
  error *why = begin(path);
  if (!why) atomic_store(&is_on, true);
  pthread_mutex_unlock(&profile.lock);
  error_release(why);
  return !why;
}

static error *end(void) {
  if (!profile.file) return fail_as(PONS_ERROR_RUNTIME, "profile", "none is being written");
  if (fputs("\n]}\n", profile.file) < 0) profile.failed = true;
  if (fclose(profile.file) != 0) profile.failed = true;
  if (!profile.failed && rename(profile.part, profile.path) != 0) profile.failed = true;
  error *why = NULL;
  if (profile.failed) {
    remove(profile.part);
    why = fail_as(PONS_ERROR_RUNTIME, "profile", "%s could not be written whole", profile.path);
  }
  forget();
  return why;
}

bool pons_profile_stop(void) {
  pthread_mutex_lock(&profile.lock);
  atomic_store(&is_on, false);
  error *why = end();
  pthread_mutex_unlock(&profile.lock);
  error_release(why);
  return !why;
}

/* ---- PONS_PROFILE ---- */

static void stop_at_exit(void) {
  if (atomic_load(&is_on)) pons_profile_stop();
}

static void read_environment(void) {
  const char *path = getenv("PONS_PROFILE");
  if (path && *path && pons_profile_start(path)) atexit(stop_at_exit);
}

bool profile_is_on(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, read_environment);
  return atomic_load_explicit(&is_on, memory_order_relaxed);
}
