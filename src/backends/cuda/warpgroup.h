/* warpgroup.h: products of matrices by a warpgroup (four warps, the first a multiple of four) on the matrix units of NVIDIA GPUs of
   compute capability 9.0, which read operands from shared memory themselves ("wgmma"), and what such kernels wait by. Text behind
   matrix_unit.h, in front of kernels called *_warpgroup.kc; it is never compiled with the library, and includes nothing. It is for
   NVRTC's sm_90a. All threads of a warpgroup call what is called warpgroup_... together.

   A panel lies in shared memory: rows of 64 numbers of 16 bits, 128 bytes each, one behind the other, so many as you like in eights,
   the first aligned to 1024. The 16 bytes c of row r (0..7) are at place c ^ r % 8 of the row (in_panel), so that neither eight rows
   nor eight columns of them meet in a bank. Wider matrices are several panels, each as far behind the one before.

   An operand is made of panels in one of two ways, by a number that says where 16 of the depth begin (a shared_matrix):

     panel_by_rows      a row of the panel is the depth of a row of a, or of a column of b. The next 16 of the depth are 32 bytes on
                        in the panel, the next 64 a panel
     panel_by_columns   the rows of the panel are the depth, as many as it is long, and the columns those of b, or rows of a; the
                        next 64 of them are `panel` bytes on. The next 16 of the depth are 16 rows on, 2048 bytes.

   A product is  sum (64 x N) = a (64 x 16) b (16 x N), or added to the sum if `more`; N is a multiple of 16 up to 256. Each warp has
   16 of the rows. With g = lane / 4, t = lane % 4 a lane holds of its 16 rows

     a     as mma.sync has it (matrix_unit.h)
     sum   sum[4 n + 0], sum[4 n + 1] row g, columns 8 n + 2 t and 8 n + 2 t + 1;  sum[4 n + 2], sum[4 n + 3] row g + 8, the same

   so that two neighbouring n, packed, are the `a` of a further product (sums_as_a). Products run beside what the threads do:

     warpgroup_begins(sums...)  in front of products, when registers they use were written
     products                   in order, those of one sum one behind the other
     warpgroup_ends_group()     what was begun is a group
     warpgroup_waits<G>(sum)    until no more than the latest G groups are under way; then the registers of the others' sums, and
                                the memory they read, may be touched. `sum` is one that has come

   What threads write to shared memory, or have copied there, products see behind shown_to_products(), which those call who begin
   the products, behind the barrier that tells them, or those who wrote, in front of it. */

typedef uint64_t shared_matrix;

/* So many bytes further on: added to a shared_matrix. */
#define IN_MATRIX(bytes) ((uint64_t)((bytes) / 16))

#ifndef HAS_MATRIX_UNIT /* a double of the compiler has what follows itself */

static inline shared_matrix panel_by_rows(shared_place at) {
  return (uint64_t)1 << 62 | (uint64_t)(1024 / 16) << 32 | (uint64_t)1 << 16 | (at & 0x3ffff) / 16;
}
static inline shared_matrix panel_by_columns(shared_place at, int panel) {
  return (uint64_t)1 << 62 | (uint64_t)(1024 / 16) << 32 | (uint64_t)(panel / 16) << 16 | (at & 0x3ffff) / 16;
}

/* Of a product's text: places and registers of 8, 16, ... sums. */
#define PLACES_8 "%0,%1,%2,%3,%4,%5,%6,%7"
#define PLACES_16 PLACES_8 "," "%8,%9,%10,%11,%12,%13,%14,%15"
#define PLACES_24 PLACES_16 "," "%16,%17,%18,%19,%20,%21,%22,%23"
#define PLACES_32 PLACES_24 "," "%24,%25,%26,%27,%28,%29,%30,%31"
#define PLACES_40 PLACES_32 "," "%32,%33,%34,%35,%36,%37,%38,%39"
#define PLACES_48 PLACES_40 "," "%40,%41,%42,%43,%44,%45,%46,%47"
#define PLACES_56 PLACES_48 "," "%48,%49,%50,%51,%52,%53,%54,%55"
#define PLACES_64 PLACES_56 "," "%56,%57,%58,%59,%60,%61,%62,%63"
#define PLACES_72 PLACES_64 "," "%64,%65,%66,%67,%68,%69,%70,%71"
#define PLACES_80 PLACES_72 "," "%72,%73,%74,%75,%76,%77,%78,%79"
#define PLACES_88 PLACES_80 "," "%80,%81,%82,%83,%84,%85,%86,%87"
#define PLACES_96 PLACES_88 "," "%88,%89,%90,%91,%92,%93,%94,%95"
#define PLACES_104 PLACES_96 "," "%96,%97,%98,%99,%100,%101,%102,%103"
#define PLACES_112 PLACES_104 "," "%104,%105,%106,%107,%108,%109,%110,%111"
#define PLACES_120 PLACES_112 "," "%112,%113,%114,%115,%116,%117,%118,%119"
#define PLACES_128 PLACES_120 "," "%120,%121,%122,%123,%124,%125,%126,%127"
#define SUMS_FROM(s, i)                                                                                                \
  "+f"(s[i]), "+f"(s[i + 1]), "+f"(s[i + 2]), "+f"(s[i + 3]), "+f"(s[i + 4]), "+f"(s[i + 5]), "+f"(s[i + 6]), "+f"(s[i + 7])
#define SUMS_8(s) SUMS_FROM(s, 0)
#define SUMS_16(s) SUMS_8(s), SUMS_FROM(s, 8)
#define SUMS_24(s) SUMS_16(s), SUMS_FROM(s, 16)
#define SUMS_32(s) SUMS_24(s), SUMS_FROM(s, 24)
#define SUMS_40(s) SUMS_32(s), SUMS_FROM(s, 32)
#define SUMS_48(s) SUMS_40(s), SUMS_FROM(s, 40)
#define SUMS_56(s) SUMS_48(s), SUMS_FROM(s, 48)
#define SUMS_64(s) SUMS_56(s), SUMS_FROM(s, 56)
#define SUMS_72(s) SUMS_64(s), SUMS_FROM(s, 64)
#define SUMS_80(s) SUMS_72(s), SUMS_FROM(s, 72)
#define SUMS_88(s) SUMS_80(s), SUMS_FROM(s, 80)
#define SUMS_96(s) SUMS_88(s), SUMS_FROM(s, 88)
#define SUMS_104(s) SUMS_96(s), SUMS_FROM(s, 96)
#define SUMS_112(s) SUMS_104(s), SUMS_FROM(s, 104)
#define SUMS_120(s) SUMS_112(s), SUMS_FROM(s, 112)
#define SUMS_128(s) SUMS_120(s), SUMS_FROM(s, 120)

/* Of two operands in shared memory; then a in registers. P0 to P6: the places behind the sums. */
#define WARPGROUP_PRODUCT(name, type, N, PLACES, SUMS, P0, P1, P2, P3, P4, P5, P6)                                                 \
  template <bool AByColumns = false, bool BByColumns = false>                                                                      \
  static inline void name(float (&sum)[N / 2], shared_matrix a, shared_matrix b, bool more) {                                      \
    asm volatile("{ .reg .pred more; setp.ne.s32 more, " P2 ", 0;\n"                                                               \
                 "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." type "." type " {" PLACES "}, " P0 ", " P1                      \
                 ", more, 1, 1, " P3 ", " P4 "; }"                                                                                 \
                 : SUMS(sum)                                                                                                       \
                 : "l"(a), "l"(b), "r"((int)more), "n"((int)AByColumns), "n"((int)BByColumns));                                    \
  }                                                                                                                                \
  template <bool BByColumns = false>                                                                                               \
  static inline void name(float (&sum)[N / 2], const uint32_t (&a)[4], shared_matrix b, bool more) {                               \
    asm volatile("{ .reg .pred more; setp.ne.s32 more, " P5 ", 0;\n"                                                               \
                 "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." type "." type " {" PLACES "}, {" P0 "," P1 "," P2               \
                 "," P3 "}, " P4 ", more, 1, 1, " P6 "; }"                                                                         \
                 : SUMS(sum)                                                                                                       \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"((int)more), "n"((int)BByColumns));                      \
  }
#define WARPGROUP_PRODUCTS(name, type)                                                                                             \
  WARPGROUP_PRODUCT(name, type, 16, PLACES_8, SUMS_8, "%8", "%9", "%10", "%11", "%12", "%13", "%14")                               \
  WARPGROUP_PRODUCT(name, type, 32, PLACES_16, SUMS_16, "%16", "%17", "%18", "%19", "%20", "%21", "%22")                           \
  WARPGROUP_PRODUCT(name, type, 48, PLACES_24, SUMS_24, "%24", "%25", "%26", "%27", "%28", "%29", "%30")                           \
  WARPGROUP_PRODUCT(name, type, 64, PLACES_32, SUMS_32, "%32", "%33", "%34", "%35", "%36", "%37", "%38")                           \
  WARPGROUP_PRODUCT(name, type, 80, PLACES_40, SUMS_40, "%40", "%41", "%42", "%43", "%44", "%45", "%46")                           \
  WARPGROUP_PRODUCT(name, type, 96, PLACES_48, SUMS_48, "%48", "%49", "%50", "%51", "%52", "%53", "%54")                           \
  WARPGROUP_PRODUCT(name, type, 112, PLACES_56, SUMS_56, "%56", "%57", "%58", "%59", "%60", "%61", "%62")                          \
  WARPGROUP_PRODUCT(name, type, 128, PLACES_64, SUMS_64, "%64", "%65", "%66", "%67", "%68", "%69", "%70")                          \
  WARPGROUP_PRODUCT(name, type, 144, PLACES_72, SUMS_72, "%72", "%73", "%74", "%75", "%76", "%77", "%78")                          \
  WARPGROUP_PRODUCT(name, type, 160, PLACES_80, SUMS_80, "%80", "%81", "%82", "%83", "%84", "%85", "%86")                          \
  WARPGROUP_PRODUCT(name, type, 176, PLACES_88, SUMS_88, "%88", "%89", "%90", "%91", "%92", "%93", "%94")                          \
  WARPGROUP_PRODUCT(name, type, 192, PLACES_96, SUMS_96, "%96", "%97", "%98", "%99", "%100", "%101", "%102")                       \
  WARPGROUP_PRODUCT(name, type, 208, PLACES_104, SUMS_104, "%104", "%105", "%106", "%107", "%108", "%109", "%110")                 \
  WARPGROUP_PRODUCT(name, type, 224, PLACES_112, SUMS_112, "%112", "%113", "%114", "%115", "%116", "%117", "%118")                 \
  WARPGROUP_PRODUCT(name, type, 240, PLACES_120, SUMS_120, "%120", "%121", "%122", "%123", "%124", "%125", "%126")                 \
  WARPGROUP_PRODUCT(name, type, 256, PLACES_128, SUMS_128, "%128", "%129", "%130", "%131", "%132", "%133", "%134")
WARPGROUP_PRODUCTS(warpgroup_multiply_f16, "f16")
WARPGROUP_PRODUCTS(warpgroup_multiply_bf16, "bf16")

/* What the compiler is to take for changed here: it does not know that products go on behind their instructions. */
template <int Size> static inline void registers_change(float (&sum)[Size]) {
#pragma unroll
  for (int i = 0; i < Size; i++) asm volatile("" : "+f"(sum[i])::"memory");
}
static inline void warpgroup_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
static inline void warpgroup_ends_group() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int Groups> static inline void warpgroup_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Groups) : "memory");
}
static inline void shown_to_products() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/* Registers of a thread from here on, for all threads of the warpgroup: 24 to 256 in eights, of those that __launch_bounds__ leaves to
   each thread; to give some up, and to take what others gave up. */
template <int Count> static inline void warpgroup_gives_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count));
}
template <int Count> static inline void warpgroup_takes_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count));
}

/* ---- barriers of some of the threads ---- */

/* Of `threads` that come, counted in warps, to the barrier of the number, 1 to 15 (0 is the block's): those that wait, and those that
   only come. It is then as new. */
static inline void some_wait(int number, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(number), "r"(threads) : "memory");
}
static inline void some_come(int number, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(number), "r"(threads) : "memory");
}

/* In shared memory, 8 bytes: phases end one after the other, each when `count` have arrived. Made by one thread, and shown by a
   barrier of all. */
static inline void phases_begin(shared_place barrier, int count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
}
static inline void phase_arrive(shared_place barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
/* The thread arrives when all it has begun to copy (copy_async) is there; it goes on at once. */
static inline void phase_arrive_with_copies(shared_place barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory");
}
/* Until the phase has ended: the first is 0, the next 1, and so on; an odd or even number is all that is looked at. */
static inline void phase_wait(shared_place barrier, int phase) {
  asm volatile(
      "{ .reg .pred over;\n"
      "again: mbarrier.try_wait.parity.shared::cta.b64 over, [%0], %1;\n"
      "@!over bra again; }" ::"r"(barrier),
      "r"(phase & 1)
      : "memory");
}
#endif

/* In front of products: what was written to registers they use, or is there already, is seen by them. */
template <int Size> static inline void warpgroup_begins(float (&sum)[Size]) {
  registers_change(sum);
  warpgroup_begin();
}
template <int Groups, int Size> static inline void warpgroup_waits(float (&sum)[Size]) {
  warpgroup_wait<Groups>();
  registers_change(sum);
}

/* Where the 16 bytes c of row r are, from a panel's first byte on. */
static inline int in_panel(int r, int c) { return r * 128 + (c ^ (r & 7)) * 16; }

#ifdef HALF
#define warpgroup_multiply HALF_JOIN(warpgroup_multiply_, HALF)
#endif
