/* tune_cublaslt.c: which of cuBLASLt's algorithms takes a problem in the least time, with PONS_CUDA_AUTOTUNE=1; else its heuristics' word
   is taken.

       a problem ── in the file? ── yes: that algorithm, once the library has looked at it
                        └── no: those that the heuristics name are timed, into memory of their own; the fastest goes to the file

   Where nothing can be timed the heuristics' first stays, and nothing is kept. A file (gpu/cache.c) is of a model of GPU, a cuBLASLt and a
   driver: what is in an algorithm is theirs. Processes that write at once keep what the file had and their own; what one of them
   loses is timed again. Uses cublaslt.h, gpu/. */
#include "backends/cuda/cublaslt.h"
#include "backends/cuda/program.h"
#include <stdlib.h>

bool cublaslt_tunes(void) {
  const char *wanted = getenv("PONS_CUDA_AUTOTUNE");
  return wanted && *wanted && strcmp(wanted, "0") != 0;
}

/* ---- the file: problems, each with its algorithm behind it ---- */

static const char ending[] = "products";
enum { MOST_ENTRIES = 4096 };

/* The lock of the device's products is held. */
static struct tuned {
  bool is_read;
  char *entries;
  size_t n, room;
} all_tuned[CUDA_MAX_DEVICES];

static size_t entry_bytes(size_t problem_bytes) { return problem_bytes + sizeof(cublasLtMatmulAlgo_t); }

static void add_key(text *key, int index, size_t problem_bytes) {
  const cuda_card *card = cuda_card_at(index);
  text_add(key, "algorithms of cuBLASLt %zu, behind problems of %zu bytes: %s, sm_%d, %d multiprocessors, driver %d",
           cublaslt()->cublasLtGetVersion(), problem_bytes, card->name, card->arch, card->multiprocessors, cuda_driver_version());
}

static char *entry_of(const struct tuned *t, const void *problem, size_t bytes) {
  for (size_t i = 0; i < t->n; i++)
    if (!memcmp(t->entries + i * entry_bytes(bytes), problem, bytes)) return t->entries + i * entry_bytes(bytes);
  return NULL;
}

static void add_entry(struct tuned *t, const char *entry, size_t problem_bytes) {
  const size_t size = entry_bytes(problem_bytes);
  if (t->n >= MOST_ENTRIES || !mem_room(&t->entries, &t->room, t->n + 1, size)) return;
  memcpy(t->entries + t->n++ * size, entry, size);
}

/* Adds what the file has and is not known yet. */
static void read_file(struct tuned *t, int index, size_t problem_bytes) {
  text key = {0};
  size_t size = 0;
  add_key(&key, index, problem_bytes);
  char *kept = key.failed ? NULL : gpu_cache_load(&key, ending, &size);
  for (size_t at = 0; kept && size % entry_bytes(problem_bytes) == 0 && at < size; at += entry_bytes(problem_bytes))
    if (!entry_of(t, kept + at, problem_bytes)) add_entry(t, kept + at, problem_bytes);
  mem_free(kept);
  text_free(&key);
}

static struct tuned *tuned_on(int index, size_t problem_bytes) {
  struct tuned *t = &all_tuned[index];
  if (!t->is_read) read_file(t, index, problem_bytes);
  t->is_read = true;
  return t;
}

bool cublaslt_find_tuned(int index, const void *problem, size_t bytes, cublasLtMatmulAlgo_t *algo) {
  const char *entry = entry_of(tuned_on(index, bytes), problem, bytes);
  if (entry) memcpy(algo, entry + bytes, sizeof *algo);
  return entry;
}

static void keep(int index, const void *problem, size_t bytes, const cublasLtMatmulAlgo_t *algo) {
  struct tuned *t = tuned_on(index, bytes);
  char *entry = entry_of(t, problem, bytes), *made = entry ? NULL : mem_alloc(entry_bytes(bytes));
  text key = {0};
  if (entry || made) memcpy((entry ? entry : made) + bytes, algo, sizeof *algo);
  if (made) add_entry(t, memcpy(made, problem, bytes), bytes);
  mem_free(made);
  read_file(t, index, bytes);
  add_key(&key, index, bytes);
  if (!key.failed && t->n) gpu_cache_keep(&key, ending, t->entries, t->n * entry_bytes(bytes));
  text_free(&key);
}

/* ---- time ---- */

typedef struct stopwatch {
  CUevent begin, end;
} stopwatch;

static bool went_well(cuda_device *d, CUresult status, const char *call) {
  error *why = cuda_check(d, status, "%s", call); /* of a device that is lost: who uses it next is told */
  error_release(why);
  return why == NULL;
}

/* Milliseconds of the device for one of `n` calls behind each other; below 0: a call failed. */
static float time_of(cuda_device *d, const stopwatch *w, const cuda_call *c, const CUdeviceptr *at, int n) {
  float ms = -1;
  bool fine = went_well(d, cuda()->cuEventRecord(w->begin, cuda_work(d)), "cuEventRecord");
  for (int i = 0; i < n && fine; i++) fine = !c->make(d, cuda_work(d), c->context, at).call;
  fine = fine && went_well(d, cuda()->cuEventRecord(w->end, cuda_work(d)), "cuEventRecord") &&
         went_well(d, cuda()->cuEventSynchronize(w->end), "cuEventSynchronize") &&
         went_well(d, cuda()->cuEventElapsedTime(&ms, w->begin, w->end), "cuEventElapsedTime");
  return fine && ms >= 0 ? ms / (float)n : -1;
}

/* The least of some; what takes long is timed once. The first call finds its kernel loaded by nobody and does not count. */
static float least_time(cuda_device *d, const stopwatch *w, const cuda_call *c, const CUdeviceptr *at) {
  enum { ROUNDS = 3, TOGETHER = 4, LONG_MS = 10 };
  if (time_of(d, w, c, at, 1) < 0) return -1;
  float least = time_of(d, w, c, at, 1);
  for (int i = 0; i < ROUNDS && least >= 0 && least < LONG_MS; i++) {
    const float ms = time_of(d, w, c, at, TOGETHER);
    if (ms < least) least = ms; /* or it fails */
  }
  return least;
}

/* The fastest; -1: none runs. */
static int fastest_of(const cublaslt_trial *t, const stopwatch *w, const CUdeviceptr *at) {
  int best = -1;
  float least = 0;
  for (int i = 0; i < t->n; i++) {
    *t->algo = t->candidates[i].algo;
    const float ms = t->candidates[i].state == CUBLAS_STATUS_SUCCESS ? least_time(t->device, w, t->call, at) : -1;
    if (ms < 0 || (best >= 0 && ms >= least)) continue;
    least = ms;
    best = i;
  }
  return best;
}

enum { ALIGNMENT = 256 };
/* Written in place of the result, which may be an operand too, to memory that begins at an address as well aligned. */
static int time_into(const cublaslt_trial *t, const cuda_block *scratch, const stopwatch *w) {
  CUdeviceptr at[CUDA_CALL_MEMORIES];
  for (int i = 0; i < t->call->n_memories; i++) at[i] = t->call->memories[i] ? ((const cuda_block *)t->call->memories[i])->at : 0;
  const CUdeviceptr past = (at[t->result] + t->result_at) % ALIGNMENT;
  at[t->result] = (scratch->at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + past - t->result_at;
  error *why = cuda_order_all(t->device, t->call->n_memories, t->call->memories, 0);
  const int best = why ? -1 : fastest_of(t, w, at);
  error_release(why);
  return best;
}

static int time_all(const cublaslt_trial *t) {
  cuda_device *d = t->device;
  size_t bytes = 0;
  stopwatch w = {NULL, NULL};
  int best = -1;
  gpu_size_class(t->result_bytes + 2 * ALIGNMENT, &bytes); /* so that it can be given back as any other */
  cuda_block *scratch = cuda_take_spare(d, bytes);
  if (!scratch) return -1;
  if (went_well(d, cuda()->cuEventCreate(&w.begin, 0), "cuEventCreate") && went_well(d, cuda()->cuEventCreate(&w.end, 0), "cuEventCreate"))
    best = time_into(t, scratch, &w);
  if (w.begin) cuda()->cuEventDestroy(w.begin);
  if (w.end) cuda()->cuEventDestroy(w.end);
  cuda_give(d->index, scratch);
  return best;
}

int cublaslt_tune(const cublaslt_trial *t) {
  const int best = time_all(t);
  if (best >= 0) keep(t->device->index, t->problem, t->problem_bytes, &t->candidates[best].algo);
  return best;
}

/* ---- the report ---- */

static void add_file(text *json, int index, size_t problem_bytes) {
  struct tuned kept = {0};
  text key = {0};
  add_key(&key, index, problem_bytes);
  char *path = key.failed ? NULL : gpu_cache_path(&key, ending);
  read_file(&kept, index, problem_bytes);
  text_add(json, "%s{\"problems\": %zu, \"file\": ", index ? ", " : "", kept.n);
  text_add_json(json, path ? path : "none: PONS_CACHE_DIR keeps nothing");
  text_add(json, "}");
  mem_free(kept.entries);
  mem_free(path);
  text_free(&key);
}

void cublaslt_report_tuned(text *json, size_t problem_bytes) {
  text_add(json, ", \"products\": ");
  if (!cublaslt_tunes() || cublaslt_missing()) {
    text_add(json, "\"%s\"", cublaslt_missing() ? "without cuBLASLt" : "by the algorithms that cuBLASLt's heuristics name first");
    return;
  }
  text_add(json, "{\"algorithms\": \"the fastest of some, as PONS_CUDA_AUTOTUNE asks\", \"kept\": [");
  for (int i = 0; i < cuda_count(); i++) add_file(json, i, problem_bytes);
  text_add(json, "]}");
}
