/* libraries.c: the driver's library and NVRTC, looked for at run time, and the devices the driver tells of.

   The driver comes with the machine. Other libraries may be of any CUDA version from 11 to the driver's own: what a newer one
   makes the driver may not load. They are looked for newest first, in PONS_NVRTC and its like (files or folders, with ':'
   between them), where the system keeps libraries, and under CUDA_HOME or CUDA_PATH. Uses api.h, base/. */
#include "backends/cuda/cuda.h"
#include "backends/cuda/cublaslt.h"
#include "backends/cuda/cudnn.h"
#include "backends/cuda/cufft.h"
#include "backends/cuda/cusolver.h"
#include "backends/cuda/nccl.h"
#include "backends/gpu/gpu.h"
#include <pthread.h>
#include <stdlib.h>

enum { OLDEST_AHEAD = 70 }; /* kernels built ahead are for it and newer ones */

static struct {
  void *driver, *compiler;
  bool graphs, peers; /* there are all entry points */
  bool kernels; /* some were built ahead */
  char *no_driver, *no_compiler; /* why, in words */
  int driver_version, compiler_version;
  cuda_api api;
  nvrtc_api nvrtc;
  int n_archs, archs[64];
  cuda_card cards[CUDA_MAX_DEVICES];
  int n_used, n_found;
} found;
static pthread_once_t opened = PTHREAD_ONCE_INIT;

/* Takes the sentence when it is the first. */
static void say(char **sentence, text *t) {
  char *words = text_take(t);
  if (*sentence)
    mem_free(words);
  else
    *sentence = words;
}
#define SAY(sentence, ...)          \
  do {                              \
    text words_ = {0};              \
    text_add(&words_, __VA_ARGS__); \
    say(&(sentence), &words_);      \
  } while (0)

/* ---- NVIDIA's libraries ---- */

static bool is_file_name(const char *path, size_t length) {
  for (size_t i = 0; i + 3 <= length; i++)
    if (!strncmp(path + i, ".so", 3)) return true;
  return false;
}

/* Paths, one after the other with a zero byte behind each, in the order in which they are tried. A file that is named
   is tried for any version: what it is, it says itself. */
static void add_places(text *places, const char *variable, const char *soname) {
  static const char *const roots[] = {"CUDA_HOME", "CUDA_PATH"};
  const char *given = getenv(variable);
  for (const char *at = given; at && *at;) {
    const size_t length = strcspn(at, ":");
    if (is_file_name(at, length))
      text_add(places, "%.*s%c", (int)length, at, 0);
    else if (length)
      text_add(places, "%.*s/%s%c", (int)length, at, soname, 0);
    at += length + (at[length] == ':');
  }
  text_add(places, "%s%c", soname, 0);
  for (int i = 0; i < 2; i++) {
    const char *root = getenv(roots[i]);
    if (root && *root) text_add(places, "%s/lib64/%s%c%s/lib/%s%c", root, soname, 0, root, soname, 0);
  }
  text_add(places, "/usr/local/cuda/lib64/%s%c", soname, 0);
}

static void *open_first(const char *variable, const char *soname, cuda_library_fit *is_fit, void *context) {
  text places = {0};
  void *fit = NULL;
  add_places(&places, variable, soname);
  for (size_t at = 0; !places.failed && at < places.length && !fit;) {
    const char *names[] = {places.at + at, NULL};
    void *library = library_open(names, NULL); /* stays loaded if it is not used */
    if (library && is_fit(library, names[0], context)) fit = library;
    at += strlen(names[0]) + 1;
  }
  text_free(&places);
  return fit;
}

/* Libraries count for themselves: how far behind CUDA. 11.2 to 11.8 share NVRTC's name. */
static void soname_of(char name[48], const char *stem, int major) {
  const bool is_solver = !strcmp(stem, "libcusolver"), is_fft = !strcmp(stem, "libcufft");
  const int version = is_fft || (is_solver && major > 11) ? major - 1 : major;
  snprintf(name, 48, "%s.so.%d%s", stem, version, major == 11 && !strcmp(stem, "libnvrtc") ? ".2" : "");
}

void *cuda_library_open(const char *variable, const char *stem, cuda_library_fit *is_fit, void *context) {
  void *library = NULL;
  for (int major = found.driver_version / 1000; major >= 11 && !library; major--) {
    char soname[48];
    soname_of(soname, stem, major);
    library = open_first(variable, soname, is_fit, context);
  }
  return library;
}

void *cuda_library_open_version(const char *variable, const char *stem, int version, cuda_library_fit *is_fit, void *context) {
  char soname[48];
  snprintf(soname, sizeof soname, "%s.so.%d", stem, version);
  return open_first(variable, soname, is_fit, context);
}

/* ---- the compiler ---- */

static bool find_compiler_entries(void *library) {
#define SYMBOL(symbol, parameters) #symbol,
  static const char *const symbols[] = {NVRTC_ENTRIES(SYMBOL) "nvrtcGetErrorString"};
#undef SYMBOL
  return library_symbols(library, symbols, sizeof symbols / sizeof *symbols, &found.nvrtc);
}

static void ask_archs(void) {
  int n = 0;
  if (found.nvrtc.nvrtcGetNumSupportedArchs(&n) != NVRTC_SUCCESS || n < 0) n = 0;
  int *all = mem_alloc((size_t)(n > 0 ? n : 1) * sizeof *all);
  if (!all) return;
  if (n > 0 && found.nvrtc.nvrtcGetSupportedArchs(all) != NVRTC_SUCCESS) n = 0;
  for (int i = 0; i < n && found.n_archs < 64; i++) found.archs[found.n_archs++] = all[i];
  mem_free(all);
}

/* Is what was opened fit for use? Else it is told why not. */
static bool compiler_is_fit(void *library, const char *path, void *context) {
  (void)context;
  int major = 0, minor = 0;
  if (!find_compiler_entries(library)) {
    SAY(found.no_compiler, "%s lacks entry points of CUDA 11.2's NVRTC", path);
    return false;
  }
  const nvrtcResult status = found.nvrtc.nvrtcVersion(&major, &minor);
  if (status != NVRTC_SUCCESS) {
    SAY(found.no_compiler, "%s: nvrtcVersion: %s", path, found.nvrtc.nvrtcGetErrorString(status));
    return false;
  }
  if (major > found.driver_version / 1000) {
    SAY(found.no_compiler, "%s is of CUDA %d.%d, newer than the driver, which knows CUDA %d", path, major,
        minor, found.driver_version / 1000);
    return false;
  }
  found.compiler_version = major * 1000 + minor * 10;
  ask_archs();
  return true;
}

static void find_compiler(void) {
  found.compiler = cuda_library_open("PONS_NVRTC", "libnvrtc", compiler_is_fit, NULL);
  if (!found.compiler)
    SAY(found.no_compiler, "no NVRTC of CUDA 11.2 to %d was found (libnvrtc.so.11.2, libnvrtc.so.12, ...)",
        found.driver_version / 1000);
}

/* ---- the driver ---- */

static bool find_driver_entries(void) {
  bool all = true;
#define ENTRY(name, symbol, parameters)                   \
  {                                                       \
    void *address = library_symbol(found.driver, symbol); \
    memcpy(&found.api.name, &address, sizeof address);    \
    all &= address != NULL;                               \
  }
  CUDA_ENTRIES(ENTRY)
  if (!all) return false;
  CUDA_POOL_ENTRIES(ENTRY)
  all = true;
  CUDA_GRAPH_ENTRIES(ENTRY)
  found.graphs = all;
  all = true;
  CUDA_PEER_ENTRIES(ENTRY)
  found.peers = all;
  CUDA_KERNEL_ENTRIES(ENTRY)
#undef ENTRY
  return true;
}

/* "cuInit: CUDA_ERROR_NO_DEVICE (100): no CUDA-capable device is detected" */
static void add_failure(text *t, const char *call, CUresult status) {
  const char *name = NULL, *words = NULL;
  found.api.cuGetErrorName(status, &name);
  found.api.cuGetErrorString(status, &words);
  text_add(t, "%s: %s (%d)%s%s", call, name ? name : "status", status, words ? ": " : "", words ? words : "");
}

/* Did the call about the card go well? If not, the card is not used, and the first such call is why. */
static bool went_well(cuda_card *c, const char *call, CUresult status) {
  if (status == CUDA_SUCCESS) return true;
  text words = {0};
  add_failure(&words, call, status);
  if (!c->missing[0]) snprintf(c->missing, sizeof c->missing, "%s", words.at ? words.at : call);
  text_free(&words);
  return false;
}

static int attribute(cuda_card *c, int which) {
  char call[48];
  int value = 0;
  snprintf(call, sizeof call, "cuDeviceGetAttribute(%d)", which);
  went_well(c, call, found.api.cuDeviceGetAttribute(&value, which, c->id));
  return value;
}

static bool has_pools(const cuda_card *c) {
  int supported = 0;
  return found.api.cuMemPoolCreate && found.api.cuMemPoolSetAttribute && found.api.cuMemPoolGetAttribute &&
         found.api.cuMemPoolTrimTo && found.api.cuMemPoolDestroy && found.api.cuMemAllocFromPoolAsync && found.api.cuMemFreeAsync &&
         found.api.cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, c->id) ==
             CUDA_SUCCESS &&
         supported;
}

static cuda_card card_of(int index) {
  cuda_card c = {.name = "NVIDIA"};
  if (!went_well(&c, "cuDeviceGet", found.api.cuDeviceGet(&c.id, index))) return c;
  went_well(&c, "cuDeviceGetName", found.api.cuDeviceGetName(c.name, sizeof c.name, c.id));
  went_well(&c, "cuDeviceTotalMem", found.api.cuDeviceTotalMem(&c.memory, c.id));
  const int major = attribute(&c, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  c.arch = 10 * major + attribute(&c, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  c.multiprocessors = attribute(&c, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  c.threads_per_block = attribute(&c, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  c.shared_bytes = attribute(&c, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
  /* The driver may not know of it. */
  found.api.cuDeviceGetAttribute(&c.shared_on_request, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, c.id);
  c.pools = has_pools(&c);
  if (c.missing[0]) return c;
  if (!found.compiler && (!found.kernels || c.arch < OLDEST_AHEAD))
    snprintf(c.missing, sizeof c.missing,
             "there is no compiler for its kernels (NVRTC), and none were built ahead");
  else if (found.compiler && nvrtc_newest_up_to(c.arch) == 0)
    snprintf(c.missing, sizeof c.missing, "NVRTC of CUDA %d.%d makes nothing for compute capability %d.%d",
             found.compiler_version / 1000, found.compiler_version % 1000 / 10, c.arch / 10, c.arch % 10);
  return c;
}

/* Those that are used come first. */
static void add_card(cuda_card c) {
  if (found.n_found == CUDA_MAX_DEVICES) return;
  const int place = c.missing[0] ? found.n_found : found.n_used++;
  memmove(&found.cards[place + 1], &found.cards[place], (size_t)(found.n_found - place) * sizeof c);
  found.cards[place] = c;
  found.n_found++;
}

static void open_driver(void) {
  static const char *const names[] = {"libcuda.so.1", NULL};
  found.driver = library_open(names, &found.no_driver);
  if (!found.driver) return;
  if (!find_driver_entries()) {
    SAY(found.no_driver, "the driver's library lacks entry points of CUDA 11.6");
    return;
  }
  CUresult status = found.api.cuInit(0);
  if (status == CUDA_SUCCESS) status = found.api.cuDriverGetVersion(&found.driver_version);
  if (status != CUDA_SUCCESS) {
    text words = {0};
    add_failure(&words, "cuInit", status);
    say(&found.no_driver, &words);
  } else if (found.driver_version < CUDA_NEEDED) {
    SAY(found.no_driver,
        "the driver is too old: it knows CUDA %d.%d; 11.6 (driver 510) is the oldest that will do",
        found.driver_version / 1000, found.driver_version % 1000 / 10);
  }
}

static void open_libraries(void) {
  int count = 0;
  open_driver();
  if (found.no_driver || !found.driver) return;
  const CUresult status = found.api.cuDeviceGetCount(&count);
  if (status != CUDA_SUCCESS) {
    text words = {0};
    add_failure(&words, "cuDeviceGetCount", status);
    say(&found.no_driver, &words);
    return;
  }
  find_compiler();
  found.kernels = gpu_archive_is_there();
  for (int i = 0; i < count; i++) add_card(card_of(i));
}

/* ---- what others ask ---- */

const cuda_api *cuda(void) {
  pthread_once(&opened, open_libraries);
  return &found.api;
}

const nvrtc_api *nvrtc(void) {
  cuda();
  return found.compiler ? &found.nvrtc : NULL;
}

bool cuda_has_graphs(void) {
  cuda();
  return found.graphs;
}

bool cuda_has_peers(void) {
  cuda();
  return found.peers;
}

int cuda_driver_version(void) { return found.driver_version; }
int nvrtc_version(void) { return found.compiler_version; }

bool nvrtc_knows(int arch) {
  for (int i = 0; i < found.n_archs; i++)
    if (found.archs[i] == arch) return true;
  return false;
}

int nvrtc_oldest_from(int arch) {
  int oldest = 0;
  for (int i = 0; i < found.n_archs; i++)
    if (found.archs[i] >= arch && (oldest == 0 || found.archs[i] < oldest)) oldest = found.archs[i];
  return oldest;
}

static void open_compiler_alone(void) {
  enum { NEWEST = 13000 };
  if (!found.driver_version) found.driver_version = NEWEST;
  if (!found.compiler) find_compiler();
}

const nvrtc_api *nvrtc_alone(void) {
  static pthread_once_t alone = PTHREAD_ONCE_INIT;
  cuda();
  pthread_once(&alone, open_compiler_alone);
  return nvrtc();
}

int nvrtc_newest_up_to(int arch) {
  int newest = 0;
  for (int i = 0; i < found.n_archs; i++)
    if (found.archs[i] <= arch && found.archs[i] > newest) newest = found.archs[i];
  return newest;
}

int cuda_count(void) {
  cuda();
  return found.n_used;
}

const cuda_card *cuda_card_at(int index) {
  cuda();
  return &found.cards[index];
}

bool cuda_wants_tf32(void) {
  const char *wanted = getenv("PONS_CUDA_TF32");
  return wanted && *wanted && strcmp(wanted, "0") != 0;
}

/* ---- the report ---- */

static void add_version(text *json, const char *name, int version) {
  text_add(json, "\"%s\": \"CUDA %d.%d\"", name, version / 1000, version % 1000 / 10);
}

static void add_path(text *json, const char *name, void *library, const char *symbol) {
  const char *path = library_path(library, symbol);
  text_add(json, "\"%s\": ", name);
  text_add_json(json, path ? path : "unknown");
}

/* 0 if the driver does not tell: for reports alone. */
static int told(const cuda_card *c, int which) {
  int value = 0;
  return found.api.cuDeviceGetAttribute(&value, which, c->id) == CUDA_SUCCESS ? value : 0;
}

static void add_cards(text *json) {
  text_add(json, ", \"found\": [");
  for (int i = 0; i < found.n_found; i++) {
    const cuda_card *c = &found.cards[i];
    text_add(json, "%s{\"name\": ", i ? ", " : "");
    text_add_json(json, c->name);
    text_add(json, ", \"compute capability\": \"%d.%d\", \"memory\": %zu, \"multiprocessors\": %d, ",
             c->arch / 10, c->arch % 10, c->memory, c->multiprocessors);
    text_add(json, "\"MHz\": %d, \"memory MHz\": %d, \"memory bits\": %d, ",
             told(c, CU_DEVICE_ATTRIBUTE_CLOCK_RATE) / 1000, told(c, CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE) / 1000,
             told(c, CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH));
    text_add(json, "\"%s\": ", c->missing[0] ? "not used" : "allocation");
    if (c->missing[0]) text_add_json(json, c->missing);
    else cuda_report_allocation(i, json); /* those that are used come first */
    text_add(json, "}");
  }
  text_add(json, "]");
}

void cuda_report(text *json) {
  cuda();
  if (!found.driver || found.no_driver) {
    text_add(json, "{\"missing\": ");
    text_add_json(json, found.no_driver ? found.no_driver : "no CUDA driver was found");
    text_add(json, ", \"remedy\": \"install NVIDIA's driver, 510 or newer\"}");
    return;
  }
  text_add(json, "{");
  add_path(json, "path", found.driver, "cuInit");
  text_add(json, ", ");
  add_version(json, "driver", found.driver_version);
  text_add(json, ", \"plans run again\": \"%s\"",
           found.graphs ? "as one graph" : "launch by launch: the driver's library lacks entry points for graphs");
  text_add(json, ", \"float32 products\": \"%s\"", cuda_wants_tf32() ? "TF32, as PONS_CUDA_TF32 asks" : "float32");
  text_add(json, ", ");
  if (found.compiler) {
    add_version(json, "NVRTC", found.compiler_version);
    text_add(json, ", ");
    add_path(json, "NVRTC's path", found.compiler, "nvrtcVersion");
  } else {
    text_add(json, "\"missing\": ");
    text_add_json(json, found.no_compiler ? found.no_compiler : "no NVRTC was found");
    text_add(json,
             ", \"remedy\": \"install NVRTC (pip install nvidia-cuda-nvrtc-cu12, or the CUDA toolkit) and "
             "name its "
             "folder in PONS_NVRTC\"");
  }
  if (found.kernels) {
    text_add(json, ", \"kernels built ahead\": true");
  }
  text_add(json, ", ");
  cublaslt_report(json);
  cublaslt_report_products(json);
  text_add(json, ", ");
  cudnn_report(json);
  text_add(json, ", ");
  cusolver_report(json);
  text_add(json, ", ");
  cufft_report(json);
  text_add(json, ", ");
  nccl_report(json);
  add_cards(json);
  cuda_report_peers(json);
  text_add(json, "}");
}
