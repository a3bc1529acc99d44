/* isa.c: which instruction set the kernels use. Each is built from the same sources; the choice is made
   once, by what the machine has. Uses base/. */
#include "backends/cpu/cpu.h"
#include "backends/cpu/loops.h"
#include <pthread.h>
#include <stdlib.h>

enum { MAX_SETS = 4 };
static const char *names[MAX_SETS + 1];
static const loops *tables[MAX_SETS];
static int count;
static _Atomic int chosen = -1;

static void add(const char *name, const loops *table, bool here) {
  if (!here) return;
  tables[count] = table;
  names[count++] = name;
}

static void look(void) {
  add("baseline", &loops_baseline, true);
#ifdef PONS_HAVE_AVX2
  add("avx2", &loops_avx2, cpu_has_avx2());
#endif
#ifdef PONS_HAVE_AVX512
  add("avx512", &loops_avx512, cpu_has_avx512());
  add("avx512vnni", &loops_avx512, cpu_has_avx512vnni()); /* which has loops of its own for quantized codes alone */
#endif
  int best = count - 1;
  const char *asked = getenv("PONS_CPU");
  for (int i = 0; asked && i < count; i++)
    if (!strcmp(asked, names[i])) best = i;
  atomic_store(&chosen, best);
}

static int choice(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  int i = atomic_load_explicit(&chosen, memory_order_acquire);
  if (i >= 0) return i;
  pthread_once(&once, look);
  return atomic_load_explicit(&chosen, memory_order_acquire);
}

const loops *loops_now(void) { return tables[choice()]; }
const char *cpu_isa(void) { return names[choice()]; }
const char *const *cpu_isas(void) {
  choice();
  return names;
}
bool cpu_set_isa(const char *name) {
  choice();
  for (int i = 0; i < count; i++) {
    if (strcmp(name, names[i])) continue;
    atomic_store(&chosen, i);
    return true;
  }
  return false;
}
