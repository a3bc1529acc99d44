/* error.c: errors as counted immutable texts; what each thread has met; the handler.

   Every error of the library is made by fail(), fail_as() or fail_no_memory() and passes announce(): a
   breakpoint there sees them all. Those for want of memory live in a static table, one per op, so that making
   one allocates nothing. Uses pthread. */
#include "base/base.h"
#include <pthread.h>

struct error {
  atomic_int refs; /* of a static one: not counted */
  bool is_static;
  atomic_bool is_met; /* by a thread besides the one that made it */
  pons_error_kind kind;
  char *text; /* lies behind the struct, or is one of no_memory_texts or a constant */
};

/* ---- what a thread has met ----------------------------------------------------------------------------- */

static _Thread_local error *first; /* a reference; let go when the thread ends */
static pthread_key_t thread_end;
static pthread_once_t thread_end_once = PTHREAD_ONCE_INIT;
static bool thread_end_works;

static void let_go(void *e) { error_release(e); }
static void make_key(void) { thread_end_works = pthread_key_create(&thread_end, let_go) == 0; }

static void remember(error *e) {
  pthread_once(&thread_end_once, make_key);
  first = e;
  if (thread_end_works) pthread_setspecific(thread_end, e);
}

void error_meet(error *e) {
  if (e == NULL) return;
  atomic_store_explicit(&e->is_met, true, memory_order_relaxed);
  if (first == NULL) remember(error_keep(e));
}

bool error_is_met(const error *e) { return atomic_load_explicit(&e->is_met, memory_order_relaxed); }

bool pons_ok(void) { return first == NULL; }
const char *pons_error(void) { return first == NULL ? NULL : error_text(first); }
pons_error_kind pons_last_error_kind(void) { return first == NULL ? PONS_ERROR_NONE : error_kind(first); }

void pons_clear_error(void) {
  if (first == NULL) return;
  error *e = first;
  remember(NULL);
  error_release(e);
}

/* ---- the handler --------------------------------------------------------------------------------------- */

static pthread_mutex_t handler_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*handler)(const char *text, void *payload);
static void *handler_payload;

void pons_set_error_handler(void (*new_handler)(const char *, void *), void *payload) {
  pthread_mutex_lock(&handler_lock);
  handler = new_handler;
  handler_payload = payload;
  pthread_mutex_unlock(&handler_lock);
}

static error *announce(error *e) {
  atomic_store_explicit(&e->is_met, false, memory_order_relaxed);
  if (first == NULL) remember(error_keep(e));
  pthread_mutex_lock(&handler_lock);
  void (*call)(const char *, void *) = handler;
  void *payload = handler_payload;
  pthread_mutex_unlock(&handler_lock);
  if (call != NULL) call(e->text, payload); /* outside the lock: it may set another, or fail itself */
  return e;
}

/* ---- making -------------------------------------------------------------------------------------------- */

static error *fail_list(pons_error_kind kind, const char *op, const char *format, va_list list) {
  va_list again;
  va_copy(again, list);
  int body = vsnprintf(NULL, 0, format, list);
  size_t head = op == NULL ? 0 : strlen(op) + 2;
  size_t room = head + (body < 0 ? 0 : (size_t)body) + 1;
  error *e = mem_alloc(sizeof *e + room);
  if (e == NULL) {
    va_end(again);
    return fail_no_memory(op);
  }
  e->text = (char *)(e + 1);
  e->is_static = false;
  e->kind = kind;
  atomic_init(&e->refs, 1);
  e->text[0] = 0;
  if (op != NULL) snprintf(e->text, room, "%s: ", op);
  if (body > 0) vsnprintf(e->text + head, room - head, format, again);
  va_end(again);
  return announce(e);
}

error *fail(const char *op, const char *format, ...) {
  va_list list;
  va_start(list, format);
  error *e = fail_list(PONS_ERROR_VALUE, op, format, list);
  va_end(list);
  return e;
}

error *fail_as(pons_error_kind kind, const char *op, const char *format, ...) {
  va_list list;
  va_start(list, format);
  error *e = fail_list(kind, op, format, list);
  va_end(list);
  return e;
}

enum { NO_MEMORY_ERRORS = 256, NO_MEMORY_TEXT = 64 };
/* Entry 0 is for ops that no longer fit. An entry never changes once it is in use. Nothing is set before: 16 KB would be in the library's file. */
static struct error no_memory_errors[NO_MEMORY_ERRORS];
static char no_memory_texts[NO_MEMORY_ERRORS][NO_MEMORY_TEXT];
static int no_memory_count = 1;
static pthread_mutex_t no_memory_lock = PTHREAD_MUTEX_INITIALIZER;

static error *no_memory_entry(int i) {
  no_memory_errors[i].is_static = true;
  no_memory_errors[i].kind = PONS_ERROR_MEMORY;
  no_memory_errors[i].text = i == 0 ? (char *)"out of memory" : no_memory_texts[i];
  return &no_memory_errors[i];
}

error *fail_no_memory(const char *op) {
  char wanted[NO_MEMORY_TEXT];
  snprintf(wanted, sizeof wanted, "%.40s: out of memory", op == NULL ? "pons" : op);
  error *e = NULL;
  pthread_mutex_lock(&no_memory_lock);
  for (int i = 1; i < no_memory_count && e == NULL; i++)
    if (strcmp(no_memory_texts[i], wanted) == 0) e = &no_memory_errors[i];
  if (e == NULL && no_memory_count < NO_MEMORY_ERRORS) {
    memcpy(no_memory_texts[no_memory_count], wanted, sizeof wanted);
    e = no_memory_entry(no_memory_count++);
  }
  if (e == NULL) e = no_memory_errors[0].text != NULL ? &no_memory_errors[0] : no_memory_entry(0);
  pthread_mutex_unlock(&no_memory_lock);
  return announce(e);
}

error *error_declined(void) {
  static struct error declined = {.is_static = true, .text = (char *)"there is no way to do it here"};
  return &declined;
}

/* ---- counting ------------------------------------------------------------------------------------------ */

error *error_keep(error *e) {
  if (e != NULL && !e->is_static) atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
  return e;
}

void error_release(error *e) {
  if (e == NULL || e->is_static) return;
  if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1) mem_free(e);
}

const char *error_text(const error *e) { return e->text; }
pons_error_kind error_kind(const error *e) { return e->kind; }
