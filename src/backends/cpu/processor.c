/* processor.c: what an x86-64 processor, and the system that saves its registers, has of the instruction sets that loops are built for.
   By the CPUID instruction (Intel's manual, volume 2; AMD's, volume 3) and not by a compiler's __builtin_cpu_supports: zig's is a stub
   that knows none. Uses cpu.h. */
#include "backends/cpu/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>

typedef struct features {
  uint32_t basic, more, still; /* leaf 1, ecx; leaf 7, ebx and ecx */
  uint32_t saved;       /* registers that the system saves: XCR0 */
} features;

static features look(void) {
  features f = {0};
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return f;
  f.basic = c;
  const uint32_t osxsave = 1u << 27;
  if (c & osxsave) __asm__("xgetbv" : "=a"(f.saved), "=d"(d) : "c"(0));
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) f.more = b, f.still = c;
  return f;
}

static bool all(uint32_t has, uint32_t wanted) { return (has & wanted) == wanted; }

bool cpu_has_avx2(void) {
  const features f = look();
  const uint32_t fma = 1u << 12, f16c = 1u << 29, avx2 = 1u << 5, ymm = 0x6;
  return all(f.basic, fma | f16c) && all(f.more, avx2) && all(f.saved, ymm);
}

bool cpu_has_avx512(void) {
  const features f = look();
  const uint32_t avx512f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31, zmm = 0xe6;
  return all(f.more, avx512f | dq | bw | vl) && all(f.saved, zmm);
}

bool cpu_has_avx512vnni(void) { return cpu_has_avx512() && all(look().still, 1u << 11); }

#else
bool cpu_has_avx2(void) { return false; }
bool cpu_has_avx512(void) { return false; }
bool cpu_has_avx512vnni(void) { return false; }
#endif
