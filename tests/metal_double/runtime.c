/* runtime.c: a double of Objective-C's run time (libobjc): classes, selectors, messages, counts, pools.

   A message to an object that has no such method, or is gone, ends the process, as it does there; so does an object that is
   autoreleased where no pool is. Uses double.h. */
#include "double.h"
#include <pthread.h>
#include <stdlib.h>

#if !defined(__x86_64__)
#error "messages are passed on in the assembly of x86-64"
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void wrong(const char *format, ...) {
  va_list list;
  va_start(list, format);
  fputs("metal double: ", stderr);
  vfprintf(stderr, format, list);
  fputs("\n", stderr);
  va_end(list);
  abort();
}

/* ---- selectors ---- */

struct objc_selector {
  SEL next;
  char name[];
};
static SEL selectors;

EXPORT SEL sel_registerName(const char *name);
SEL sel_registerName(const char *name) {
  pthread_mutex_lock(&lock);
  SEL s = selectors;
  while (s && strcmp(s->name, name) != 0) s = s->next;
  if (!s) {
    s = malloc(sizeof *s + strlen(name) + 1);
    if (!s) abort();
    strcpy(s->name, name);
    s->next = selectors;
    selectors = s;
  }
  pthread_mutex_unlock(&lock);
  return s;
}

/* ---- objects ---- */

id object_new(metal_class_t *c) {
  id object = calloc(1, c->bytes);
  if (!object) abort();
  object->isa = c;
  object->refs = 1;
  __atomic_add_fetch(&c->live, 1, __ATOMIC_SEQ_CST);
  return object;
}

static bool is_class(id object) { return (id)object->isa == object; }

/* Memory of objects stays, so that a message to what is gone is seen. */
void object_release(id object) {
  if (!object || is_class(object)) return;
  const long refs = __atomic_sub_fetch(&object->refs, 1, __ATOMIC_SEQ_CST);
  if (refs < 0) wrong("a %s was released too often", object->isa->name);
  if (refs > 0) return;
  if (object->isa->destroy) object->isa->destroy(object);
  __atomic_sub_fetch(&object->isa->live, 1, __ATOMIC_SEQ_CST);
}

id object_keep(id object) {
  if (!object || is_class(object)) return object;
  if (__atomic_fetch_add(&object->refs, 1, __ATOMIC_SEQ_CST) < 1)
    wrong("a %s that is gone was retained", object->isa->name);
  return object;
}

void must_be(id object, const metal_class_t *c, const char *where) {
  if (!object) wrong("%s: nil where a %s must be", where, c->name);
  if (object->isa != c) wrong("%s: a %s where a %s must be", where, object->isa->name, c->name);
  if (object->refs < 1) wrong("%s: the %s is gone", where, c->name);
}

EXPORT id objc_retain(id object);
id objc_retain(id object) { return object_keep(object); }
EXPORT void objc_release(id object);
void objc_release(id object) { object_release(object); }

/* ---- pools: marks on a stack of each thread ---- */

enum { POOLED = 4096 };
static _Thread_local id pooled[POOLED];
static _Thread_local int n_pooled, n_pools;

id object_autorelease(id object) {
  if (n_pools == 0) wrong("a %s is autoreleased where no pool is: it leaks", object->isa->name);
  if (n_pooled == POOLED) abort();
  pooled[n_pooled++] = object;
  return object;
}

EXPORT void *objc_autoreleasePoolPush(void);
void *objc_autoreleasePoolPush(void) {
  n_pools++;
  return (char *)NULL + n_pooled + 1;
}
EXPORT void objc_autoreleasePoolPop(void *mark);
void objc_autoreleasePoolPop(void *mark) {
  if (n_pools-- == 0) wrong("a pool was popped that is not there");
  while (n_pooled + 1 > (char *)mark - (char *)NULL) object_release(pooled[--n_pooled]);
}

/* ---- classes ---- */

EXPORT id objc_getClass(const char *name);
id objc_getClass(const char *name) {
  if (fault_of(name)) return NULL;
  for (int i = 0; all_classes[i]; i++) {
    metal_class_t *c = all_classes[i];
    c->isa_of_class = (id)c;
    if (c->class_methods && !strcmp(c->name, name)) return (id)c;
  }
  return NULL;
}

/* ---- messages ---- */

static void nothing(void) {}
static void *nil(void) { return NULL; }

static const method *find(const method *list, const char *name) {
  const char *without = getenv("METAL_DOUBLE_WITHOUT");
  if (without && !strcmp(without, name)) return NULL;
  while (list && list->selector && strcmp(list->selector, name) != 0) list++;
  return list && list->selector ? list : NULL;
}

bool object_responds(id self, SEL s, SEL asked) {
  (void)s;
  return find(is_class(self) ? self->isa->class_methods : self->isa->methods, asked->name) != NULL;
}

/* What objc_msgSend goes on to. */
void (*metal_double_lookup(id self, SEL selector))(void);
void (*metal_double_lookup(id self, SEL selector))(void) {
  if (!self) return (void (*)(void))nil;
  const bool to_class = is_class(self);
  if (!to_class && self->refs < 1) wrong("%s was sent to a %s that is gone", selector->name, self->isa->name);
  const method *m = find(to_class ? self->isa->class_methods : self->isa->methods, selector->name);
  if (!m) wrong("%s does not understand %s", self->isa->name, selector->name);
  return m->function ? m->function : nothing;
}

/* Arguments stay where they are while the method is found. */
__asm__(
    ".text\n.globl objc_msgSend\n.type objc_msgSend, @function\nobjc_msgSend:\n"
    "  pushq %rbp\n  movq %rsp, %rbp\n  subq $192, %rsp\n"
    "  movq %rdi, (%rsp)\n  movq %rsi, 8(%rsp)\n  movq %rdx, 16(%rsp)\n  movq %rcx, 24(%rsp)\n"
    "  movq %r8, 32(%rsp)\n  movq %r9, 40(%rsp)\n"
    "  movups %xmm0, 64(%rsp)\n  movups %xmm1, 80(%rsp)\n  movups %xmm2, 96(%rsp)\n  movups %xmm3, "
    "112(%rsp)\n"
    "  movups %xmm4, 128(%rsp)\n  movups %xmm5, 144(%rsp)\n  movups %xmm6, 160(%rsp)\n  movups %xmm7, "
    "176(%rsp)\n"
    "  call metal_double_lookup@PLT\n  movq %rax, %r11\n"
    "  movq (%rsp), %rdi\n  movq 8(%rsp), %rsi\n  movq 16(%rsp), %rdx\n  movq 24(%rsp), %rcx\n"
    "  movq 32(%rsp), %r8\n  movq 40(%rsp), %r9\n"
    "  movups 64(%rsp), %xmm0\n  movups 80(%rsp), %xmm1\n  movups 96(%rsp), %xmm2\n  movups 112(%rsp), "
    "%xmm3\n"
    "  movups 128(%rsp), %xmm4\n  movups 144(%rsp), %xmm5\n  movups 160(%rsp), %xmm6\n  movups 176(%rsp), "
    "%xmm7\n"
    "  leave\n  jmp *%r11\n");

/* ---- strings and errors ---- */

typedef struct string_object {
  struct objc_object head;
  char *utf8;
} string_object;
static void string_destroy(id self) { free(((string_object *)self)->utf8); }

id string_new(const char *utf8) {
  string_object *s = (string_object *)object_new(&string_class);
  s->utf8 = strdup(utf8);
  return (id)s;
}
static id string_with(id self, SEL s, const char *utf8) {
  return (void)self, (void)s, object_autorelease(string_new(utf8));
}
const char *string_utf8(id self) {
  must_be(self, &string_class, "a string");
  return ((string_object *)self)->utf8;
}
static const char *utf8(id self, SEL s) { return (void)s, string_utf8(self); }

typedef struct error_object {
  struct objc_object head;
  id words;
  long code;
} error_object;
static void error_destroy(id self) { object_release(((error_object *)self)->words); }

id error_new(long code, const char *words) {
  error_object *e = (error_object *)object_new(&error_class);
  e->words = string_new(words);
  e->code = code;
  return (id)e;
}
static id description(id self, SEL s) { return (void)s, ((error_object *)self)->words; }
static NSInteger code(id self, SEL s) { return (void)s, ((error_object *)self)->code; }

metal_class_t string_class = {
    .name = "NSString",
    .methods = (const method[]){METHOD("UTF8String", "r*@:", utf8), {0}},
    .class_methods = (const method[]){METHOD("stringWithUTF8String:", "@@:r*", string_with), {0}},
    .destroy = string_destroy,
    .bytes = sizeof(string_object)};
metal_class_t error_class = {.name = "NSError",
                             .methods = (const method[]){METHOD("localizedDescription", "@@:", description),
                                                         METHOD("code", "q@:", code),
                                                         {0}},
                             .destroy = error_destroy,
                             .bytes = sizeof(error_object)};

/* ---- for tests ---- */

/* How many objects of a class there are, or how often `what` was asked. */
EXPORT long metal_double_count(const char *what);
long metal_double_count(const char *what) {
  for (int i = 0; all_classes[i]; i++)
    if (!strcmp(all_classes[i]->name, what)) return all_classes[i]->live;
  return calls_of(what);
}

/* The types that a selector has where it is understood; NULL: nowhere. */
EXPORT const char *metal_double_encoding(const char *selector);
const char *metal_double_encoding(const char *selector) {
  for (int i = 0; all_classes[i]; i++) {
    const method *m = find(all_classes[i]->methods, selector);
    if (!m) m = find(all_classes[i]->class_methods, selector);
    if (m) return m->encoding;
  }
  return NULL;
}
