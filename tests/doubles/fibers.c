/* fibers.c: threads of a block that share one thread of the host.

   A fiber runs thread after thread as long as they end. When one waits at a barrier its fiber is set aside with it, and
   another goes on with the next thread. So a kernel without barriers costs no switch, and one with them a fiber per
   thread. When all that have not ended wait, they are let on in order. Threads that wait while others have ended, or at
   different barriers, would hang or worse: that is an error here. Uses the C library alone. */
#include "fibers.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

enum { STACK = 256 << 10, GUARD = 4096 };

typedef struct fiber {
  struct fiber *next; /* in the list of those that are free */
  char *stack;
#if defined(__x86_64__)
  void *at; /* its stack pointer while it does not run */
#else
  ucontext_t at;
#endif
} fiber;

enum state { NOT_BEGUN, RUNNING, AT_BARRIER, AT_WARP, WAITING, ENDED };

static struct {
  int n, begun, ended, current;
  void (*body)(void *, int);
  void (*enter)(void *, int);
  void *context;
  uint8_t state[FIBERS_MOST];
  uint32_t mask[FIBERS_MOST]; /* of the barrier of a warp it waits at */
  bool (*is_over[FIBERS_MOST])(const void *); /* what it waits for */
  const void *what[FIBERS_MOST];
  fiber *fiber_of[FIBERS_MOST];
  char exchanged[FIBERS_MOST][16];
} block;
static fiber *unused, *running, scheduler;

/* ---- switching ---- */

#if defined(__x86_64__)
void fibers_switch(void **from, void *to);
__asm__(
    ".text\n.globl fibers_switch\n.hidden fibers_switch\n.type fibers_switch, @function\nfibers_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n  ret\n");

static void change(fiber *from, fiber *to) { fibers_switch(&from->at, to->at); }

static void prepare(fiber *f, void (*main)(void)) {
  void **top = (void **)(f->stack + STACK) - 2; /* after `ret` the stack is as after a call */
  memcpy(top, &main, sizeof main);
  f->at = top - 6;
}
#else
static void change(fiber *from, fiber *to) { swapcontext(&from->at, &to->at); }

static void prepare(fiber *f, void (*main)(void)) {
  getcontext(&f->at);
  f->at.uc_stack.ss_sp = f->stack + GUARD;
  f->at.uc_stack.ss_size = STACK - GUARD;
  makecontext(&f->at, main, 0);
}
#endif

static void go_to(fiber *f) {
  fiber *before = running;
  running = f;
  change(before, f);
  running = before;
}

static void back_to_scheduler(void) { change(running, &scheduler); }

/* ---- fibers ---- */

static void run_thread(int i) {
  block.current = i;
  block.state[i] = RUNNING;
  block.enter(block.context, i);
  block.body(block.context, i);
  block.state[i] = ENDED;
  block.ended++;
}

static void fiber_main(void) {
  for (;;) {
    while (block.begun < block.n) run_thread(block.begun++);
    running->next = unused;
    unused = running;
    back_to_scheduler();
  }
}

static fiber *fiber_take(void) {
  fiber *f = unused;
  if (f) {
    unused = f->next;
    return f;
  }
  f = calloc(1, sizeof *f);
  if (!f) abort();
  f->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (f->stack == MAP_FAILED || mprotect(f->stack, GUARD, PROT_NONE) != 0) abort();
  prepare(f, fiber_main);
  return f;
}

/* ---- barriers, called by the threads ---- */

static void wait_here(enum state state) {
  const int me = block.current;
  block.state[me] = (uint8_t)state;
  block.fiber_of[me] = running;
  back_to_scheduler();
}

void fibers_barrier(void) { wait_here(AT_BARRIER); }

void fibers_warp_barrier(uint32_t mask) {
  block.mask[block.current] = mask;
  wait_here(AT_WARP);
}

void fibers_exchange(uint32_t mask, void *value, size_t bytes, int from) {
  const int me = block.current, first = me - me % WARP;
  memcpy(block.exchanged[me], value, bytes);
  fibers_warp_barrier(mask);
  if (from >= 0 && from < WARP && mask >> from & 1) memcpy(value, block.exchanged[first + from], bytes);
  fibers_warp_barrier(mask);
}

void fibers_wait(bool (*is_over)(const void *), const void *what) {
  block.is_over[block.current] = is_over;
  block.what[block.current] = what;
  wait_here(WAITING);
}

/* ---- the scheduler ---- */

static void go_on(int i) {
  block.current = i;
  block.state[i] = RUNNING;
  block.enter(block.context, i);
  go_to(block.fiber_of[i]);
}

static int count(enum state state) {
  int n = 0;
  for (int i = 0; i < block.n; i++) n += block.state[i] == state;
  return n;
}

/* Lets on the first group of lanes that are all at a barrier of their warp with the same mask. */
static bool let_warp_on(void) {
  for (int i = 0; i < block.n; i++) {
    if (block.state[i] != AT_WARP) continue;
    const int first = i - i % WARP;
    const uint32_t mask = block.mask[i];
    bool all = true;
    for (int lane = 0; lane < WARP && first + lane < block.n; lane++)
      if (mask >> lane & 1) all &= block.state[first + lane] == AT_WARP && block.mask[first + lane] == mask;
    if (!all) continue;
    for (int lane = 0; lane < WARP && first + lane < block.n; lane++)
      if (mask >> lane & 1) go_on(first + lane);
    return true;
  }
  return false;
}

static bool let_waiting_on(void) {
  bool any = false;
  for (int i = 0; i < block.n; i++) {
    if (block.state[i] != WAITING || !block.is_over[i](block.what[i])) continue;
    go_on(i);
    any = true;
  }
  return any;
}

static bool let_block_on(void) {
  if (block.ended > 0 || count(AT_BARRIER) != block.n) return false;
  for (int i = 0; i < block.n; i++) go_on(i);
  return true;
}

/* The fibers of threads that will never end are lost with their stacks. */
static const char *stuck(void) {
  static char words[160];
  snprintf(words, sizeof words,
           "of %d threads %d wait at a barrier of the block, %d at one of their warp, %d for others, %d have ended", block.n,
           count(AT_BARRIER), count(AT_WARP), count(WAITING), block.ended);
  return words;
}

const char *fibers_run(int n, void (*body)(void *, int), void (*enter)(void *, int), void *context) {
  block.n = n;
  block.begun = block.ended = 0;
  block.body = body, block.enter = enter, block.context = context;
  memset(block.state, NOT_BEGUN, (size_t)n);
  running = &scheduler;
  while (block.begun < n) go_to(fiber_take());
  while (block.ended < n)
    if (!let_warp_on() && !let_waiting_on() && !let_block_on()) return stuck();
  return NULL;
}
