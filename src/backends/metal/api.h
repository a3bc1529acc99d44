/* api.h: what the backend uses of Objective-C and Apple's frameworks, by their own names: nothing of theirs is needed to build.
   Entry points and classes are found at run time (libraries.c). A message is objc_msgSend called as a function of the
   types that messages.def states, one metal_<name> for each. Uses gpu/, device/. */
#ifndef METAL_API_H
#define METAL_API_H
#include "backends/gpu/gpu.h"

typedef struct objc_object *id;
typedef struct objc_selector *SEL;
typedef unsigned long NSUInteger;
typedef long NSInteger;
typedef uint32_t metal_data_type; /* MPSDataType */
#define MPSDataTypeFloat32 ((metal_data_type)0x10000020)
#define MPSDataTypeFloat16 ((metal_data_type)0x10000010)
typedef struct metal_block_s *metal_block; /* a closure; NULL here */
typedef struct MTLSize {
  NSUInteger width, height, depth;
} MTLSize;

typedef struct NSRange {
  NSUInteger location, length;
} NSRange;

enum {
  MTLResourceStorageModeShared = 0,
  MTLResourceUsageRead = 1,
  MTLResourceUsageWrite = 2,
  MTLIndirectCommandTypeConcurrentDispatch = 1 << 5,
  MTLIndirectCommandTypeConcurrentDispatchThreads = 1 << 6,
  MTLGPUFamilyApple3 = 1003, /* A9 */
  MTLGPUFamilyApple9 = 1009, /* M3, A17 */
  MTLGPUFamilyMac2 = 2002,
  MTLCommandBufferStatusCompleted = 4,
  MTLCommandBufferStatusError = 5
};

/* ENTRY(library, result, name, parameters) */
#define METAL_ENTRIES(ENTRY)                                          \
  ENTRY(METAL_OBJC, id, objc_getClass, (const char *))                \
  ENTRY(METAL_OBJC, SEL, sel_registerName, (const char *))            \
  ENTRY(METAL_OBJC, void, objc_msgSend, (void)) /* never called so */ \
  ENTRY(METAL_OBJC, id, objc_retain, (id))                            \
  ENTRY(METAL_OBJC, void, objc_release, (id))                         \
  ENTRY(METAL_OBJC, void *, objc_autoreleasePoolPush, (void))         \
  ENTRY(METAL_OBJC, void, objc_autoreleasePoolPop, (void *))          \
  ENTRY(METAL_METAL, id, MTLCreateSystemDefaultDevice, (void))

enum { METAL_OBJC, METAL_METAL, METAL_FOUNDATION, METAL_GRAPHICS, METAL_MPS, METAL_LIBRARIES };

enum metal_message {
#define MESSAGE(form, result, name, ...) METAL_MESSAGE_##name,
#include "backends/metal/messages.def"
#undef MESSAGE
  METAL_MESSAGES
};

typedef struct metal_api {
#define ENTRY(library, result, name, parameters) result(*name) parameters;
  METAL_ENTRIES(ENTRY)
#undef ENTRY
  SEL selectors[METAL_MESSAGES];
} metal_api;

/* Found at the first call; asked for only where there is a device. */
const metal_api *metal(void);

/* The types of a message as the run time encodes them: result, self, selector, arguments. */
typedef struct metal_encoding {
  const char *selector, *parts[12];
} metal_encoding;
extern const metal_encoding metal_encodings[METAL_MESSAGES];

/* ---- messages ---- */

#define METAL_SEND(name) ((metal_##name##_message *)metal()->objc_msgSend)
#define METAL_SELECTOR(name) metal()->selectors[METAL_MESSAGE_##name]
#define ASK0(R, name, s)                     \
  typedef R metal_##name##_message(id, SEL); \
  static inline R metal_##name(id self) { return METAL_SEND(name)(self, METAL_SELECTOR(name)); }
#define ASK1(R, name, s, A)                     \
  typedef R metal_##name##_message(id, SEL, A); \
  static inline R metal_##name(id self, A a) { return METAL_SEND(name)(self, METAL_SELECTOR(name), a); }
#define ASK2(R, name, s, A, B)                                 \
  typedef R metal_##name##_message(id, SEL, A, B);             \
  static inline R metal_##name(id self, A a, B b) {            \
    return METAL_SEND(name)(self, METAL_SELECTOR(name), a, b); \
  }
#define ASK3(R, name, s, A, B, C)                                 \
  typedef R metal_##name##_message(id, SEL, A, B, C);             \
  static inline R metal_##name(id self, A a, B b, C c) {          \
    return METAL_SEND(name)(self, METAL_SELECTOR(name), a, b, c); \
  }
#define ASK4(R, name, s, A, B, C, D)                                 \
  typedef R metal_##name##_message(id, SEL, A, B, C, D);             \
  static inline R metal_##name(id self, A a, B b, C c, D d) {        \
    return METAL_SEND(name)(self, METAL_SELECTOR(name), a, b, c, d); \
  }
#define ASK6(R, name, s, A, B, C, D, E, F)                                 \
  typedef R metal_##name##_message(id, SEL, A, B, C, D, E, F);             \
  static inline R metal_##name(id self, A a, B b, C c, D d, E e, F f) {    \
    return METAL_SEND(name)(self, METAL_SELECTOR(name), a, b, c, d, e, f); \
  }
#define ASK8(R, name, s, A, B, C, D, E, F, G, H)                                  \
  typedef R metal_##name##_message(id, SEL, A, B, C, D, E, F, G, H);              \
  static inline R metal_##name(id self, A a, B b, C c, D d, E e, F f, G g, H h) { \
    return METAL_SEND(name)(self, METAL_SELECTOR(name), a, b, c, d, e, f, g, h);  \
  }
#define TELL0(R, name, s)                       \
  typedef void metal_##name##_message(id, SEL); \
  static inline void metal_##name(id self) { METAL_SEND(name)(self, METAL_SELECTOR(name)); }
#define TELL1(R, name, s, A)                       \
  typedef void metal_##name##_message(id, SEL, A); \
  static inline void metal_##name(id self, A a) { METAL_SEND(name)(self, METAL_SELECTOR(name), a); }
#define TELL2(R, name, s, A, B)                       \
  typedef void metal_##name##_message(id, SEL, A, B); \
  static inline void metal_##name(id self, A a, B b) { METAL_SEND(name)(self, METAL_SELECTOR(name), a, b); }
#define TELL3(R, name, s, A, B, C)                          \
  typedef void metal_##name##_message(id, SEL, A, B, C);    \
  static inline void metal_##name(id self, A a, B b, C c) { \
    METAL_SEND(name)(self, METAL_SELECTOR(name), a, b, c);  \
  }
#define TELL4(R, name, s, A, B, C, D)                            \
  typedef void metal_##name##_message(id, SEL, A, B, C, D);      \
  static inline void metal_##name(id self, A a, B b, C c, D d) { \
    METAL_SEND(name)(self, METAL_SELECTOR(name), a, b, c, d);    \
  }
#define MESSAGE(form, ...) form(__VA_ARGS__)
#include "backends/metal/messages.def"
#undef MESSAGE

/* ---- libraries.c ---- */

typedef struct metal_card {
  id device;
  char name[128];
  bool unified;
  uint64_t working_set; /* bytes the device works with well */
  int group_memory;
  bool has_indirect;   /* command buffers, as far as the device tells */
  bool needs_pipelines; /* set by an encoder that executes them: indirect.c */
} metal_card;

int metal_count(void); /* of devices: 1 or 0 */
const metal_card *metal_card_at(int index);
/* Class `name` of a framework that may be missing; NULL. */
id metal_class(const char *name);
void metal_report(text *json);
#endif
