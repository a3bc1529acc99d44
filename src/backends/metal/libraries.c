/* libraries.c: Objective-C's run time and Apple's frameworks, looked for at run time, and the device they tell of. Uses
   api.h, base/. */
#include "backends/metal/api.h"
#include <pthread.h>

#define FRAMEWORK(name) "/System/Library/Frameworks/" name ".framework/" name
/* Where there is no such path, the loader's folders are searched. */
static const struct {
  const char *name, *what_for;
  const char *paths[3];
} libraries[METAL_LIBRARIES] = {
    [METAL_OBJC] = {"libobjc", "everything", {"/usr/lib/libobjc.A.dylib", "libobjc.A.dylib"}},
    [METAL_METAL] = {"Metal", "everything", {FRAMEWORK("Metal"), "Metal"}},
    [METAL_FOUNDATION] = {"Foundation", "everything", {FRAMEWORK("Foundation"), "Foundation"}},
    /* A program without windows is shown no device unless this is there. */
    [METAL_GRAPHICS] = {"CoreGraphics", "finding the device", {FRAMEWORK("CoreGraphics"), "CoreGraphics"}},
    [METAL_MPS] = {"MetalPerformanceShaders",
                   "products of matrices",
                   {FRAMEWORK("MetalPerformanceShaders"), "MetalPerformanceShaders"}},
};

static struct {
  void *handles[METAL_LIBRARIES];
  char *missing[METAL_LIBRARIES];
  const char *absent; /* an entry point */
  metal_api api;
  metal_card card;
} found;
static pthread_once_t opened = PTHREAD_ONCE_INIT;

const metal_encoding metal_encodings[METAL_MESSAGES] = {
#define ENCODED(T) \
  _Generic((T *)0, void *: "v", id *: "@", SEL *: ":", NSUInteger *: "Q", unsigned long long *: "Q", NSInteger *: "q", bool *: "B", \
      metal_data_type *: "I", double *: "d", id **: "^@", void **: "^v", const void **: "r^v", const char **: "r*",                \
      const id **: "r^@", metal_block *: "@?", MTLSize *: "{?=QQQ}", NSRange *: "{_NSRange=QQ}")
#define RECEIVER "@", ":"
#define ENCODED0(R, s) {s, {ENCODED(R), RECEIVER}},
#define ENCODED1(R, s, A) {s, {ENCODED(R), RECEIVER, ENCODED(A)}},
#define ENCODED2(R, s, A, B) {s, {ENCODED(R), RECEIVER, ENCODED(A), ENCODED(B)}},
#define ENCODED3(R, s, A, B, C) {s, {ENCODED(R), RECEIVER, ENCODED(A), ENCODED(B), ENCODED(C)}},
#define ENCODED4(R, s, A, B, C, D) \
  {s, {ENCODED(R), RECEIVER, ENCODED(A), ENCODED(B), ENCODED(C), ENCODED(D)}},
#define ENCODED6(R, s, A, B, C, D, E, F) \
  {s, {ENCODED(R), RECEIVER, ENCODED(A), ENCODED(B), ENCODED(C), ENCODED(D), ENCODED(E), ENCODED(F)}},
#define ENCODED8(R, s, A, B, C, D, E, F, G, H)                                                    \
  {s,                                                                                             \
   {ENCODED(R), RECEIVER, ENCODED(A), ENCODED(B), ENCODED(C), ENCODED(D), ENCODED(E), ENCODED(F), \
    ENCODED(G), ENCODED(H)}},
#undef ASK0
#undef ASK1
#undef ASK2
#undef ASK3
#undef ASK4
#undef ASK6
#undef ASK8
#undef TELL0
#undef TELL1
#undef TELL2
#undef TELL3
#undef TELL4
#define ASK0 ENCODED0
#define ASK1 ENCODED1
#define ASK2 ENCODED2
#define ASK3 ENCODED3
#define ASK4 ENCODED4
#define ASK6 ENCODED6
#define ASK8 ENCODED8
#define TELL0 ENCODED0
#define TELL1 ENCODED1
#define TELL2 ENCODED2
#define TELL3 ENCODED3
#define TELL4 ENCODED4
#define MESSAGE(form, result, name, ...) form(result, __VA_ARGS__)
#include "backends/metal/messages.def"
#undef MESSAGE
};

/* ---- finding ---- */

static bool find_entries(void) {
#define ENTRY(library, result, name, parameters)                   \
  {                                                                \
    void *address = library_symbol(found.handles[library], #name); \
    memcpy(&found.api.name, &address, sizeof address);             \
    if (!address && !found.absent) found.absent = #name;           \
  }
  METAL_ENTRIES(ENTRY)
#undef ENTRY
  if (found.absent) return false;
  for (int i = 0; i < METAL_MESSAGES; i++)
    found.api.selectors[i] = found.api.sel_registerName(metal_encodings[i].selector);
  return true;
}

/* The messages of this file are sent before metal() may be called. */
static void ask_device(metal_card *card) {
  void *pool = found.api.objc_autoreleasePoolPush();
  card->device = found.api.MTLCreateSystemDefaultDevice();
  found.api.objc_autoreleasePoolPop(pool);
}

/* Families are told since macOS 10.15; kernels in indirect command buffers are there since macOS 11, from Apple's third family on and on
   the Macs that macOS 11 runs on. */
static bool has_family(id device, NSInteger family) {
  return metal_responds(device, METAL_SELECTOR(supports_family)) && metal_supports_family(device, family);
}

static bool has_indirect(id device) {
  if (!has_family(device, MTLGPUFamilyApple3) && !has_family(device, MTLGPUFamilyMac2)) return false;
  id descriptor = metal_init(metal_alloc(metal_class("MTLComputePipelineDescriptor")));
  const bool has = descriptor && metal_responds(descriptor, METAL_SELECTOR(set_indirect)) &&
                   metal_responds(device, METAL_SELECTOR(new_commands)) && metal_class("MTLIndirectCommandBufferDescriptor");
  found.api.objc_release(descriptor);
  return has;
}

static void describe(metal_card *card) {
  void *pool = found.api.objc_autoreleasePoolPush();
  snprintf(card->name, sizeof card->name, "%s", metal_utf8(metal_name(card->device)));
  card->unified = metal_has_unified_memory(card->device);
  card->working_set = metal_working_set(card->device);
  card->group_memory = (int)metal_group_memory(card->device);
  card->has_indirect = has_indirect(card->device);
  card->needs_pipelines = !has_family(card->device, MTLGPUFamilyApple9);
  found.api.objc_autoreleasePoolPop(pool);
}

static void open_libraries(void) {
  for (int i = 0; i < METAL_LIBRARIES; i++) {
    found.handles[i] = library_open(libraries[i].paths, &found.missing[i]);
    if (!found.handles[METAL_OBJC]) return; /* not Apple's: the others need not be asked for */
  }
  if (!found.handles[METAL_METAL] || !found.handles[METAL_FOUNDATION] || !find_entries()) return;
  ask_device(&found.card);
}

static void describe_once(void) {
  if (found.card.device) describe(&found.card);
}

const metal_api *metal(void) {
  pthread_once(&opened, open_libraries);
  return &found.api;
}

int metal_count(void) {
  metal();
  return found.card.device != NULL;
}

const metal_card *metal_card_at(int index) {
  static pthread_once_t described = PTHREAD_ONCE_INIT;
  (void)index;
  metal();
  pthread_once(&described, describe_once);
  return &found.card;
}

id metal_class(const char *name) { return metal()->objc_getClass(name); }

/* ---- the report ---- */

static void add_missing(text *json) {
  text why = {0};
  for (int i = 0; i < METAL_LIBRARIES; i++)
    if (found.missing[i]) text_add(&why, "%s%s", why.length ? "; " : "", found.missing[i]);
  if (found.absent) text_add(&why, "%s%s is not there", why.length ? "; " : "", found.absent);
  if (!why.length) text_add(&why, "the system shows no Metal device");
  text_add(json, "{\"missing\": ");
  text_add_json(json, why.at ? why.at : "no memory to tell");
  text_add(json, ", \"remedy\": \"Metal is part of macOS; elsewhere there is none\"}");
  text_free(&why);
}

void metal_report(text *json) {
  if (!metal_count()) {
    add_missing(json);
    return;
  }
  const metal_card *card = metal_card_at(0);
  text_add(json, "{\"name\": ");
  text_add_json(json, card->name);
  text_add(json, ", \"unified memory\": %s, \"working set\": %llu, \"indirect command buffers\": %s, \"libraries\": [",
           card->unified ? "true" : "false", (unsigned long long)card->working_set, card->has_indirect ? "true" : "false");
  for (int i = 0; i < METAL_LIBRARIES; i++) {
    text_add(json, "%s{\"name\": ", i ? ", " : "");
    text_add_json(json, libraries[i].name);
    text_add(json, ", \"what for\": ");
    text_add_json(json, libraries[i].what_for);
    if (found.missing[i]) {
      text_add(json, ", \"missing\": ");
      text_add_json(json, found.missing[i]);
    }
    text_add(json, "}");
  }
  text_add(json, "]}");
}
