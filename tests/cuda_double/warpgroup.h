/* warpgroup.h: what cuda/warpgroup.h has of the hardware, on the host: products of a warpgroup, barriers of some threads, phases. Behind
   what shim.h has for matrix units.

   A product is carried out when it is waited for: the latest that a device may do it. So sums that are read too early, and
   operands that are overwritten too early, show. Operands lie where a shared_matrix says in NVIDIA's words ("canonical
   layouts"), of the swizzled ones that by 128 bytes, its exclusive or being of bits of the address. */

/* Waits until it is over, which other threads see to; set by driver.c. */
extern "C" {
void (*cuda_double_wait)(bool (*is_over)(const void *), const void *what);
}

typedef unsigned long long shared_matrix;

/* An address, offsets, and what all have in common; in units of 16 bytes, as the hardware has them. */
static inline shared_matrix cuda_double_matrix(shared_place at, unsigned leading, unsigned stride) {
  const size_t place = (const char *)at - shared_begin;
  if (place % 16 != 0 || place > 0x3ffff) __builtin_trap();
  return 1ull << 62 | (shared_matrix)(stride / 16) << 32 | (shared_matrix)(leading / 16) << 16 | place / 16;
}
static inline shared_matrix panel_by_rows(shared_place at) { return cuda_double_matrix(at, 16, 1024); }
static inline shared_matrix panel_by_columns(shared_place at, int panel) {
  return cuda_double_matrix(at, (unsigned)panel, 1024);
}

/* The number in row or column `line` and so deep. */
static inline unsigned cuda_double_element(shared_matrix m, bool by_columns, int line, int depth) {
  if (m >> 62 != 1 || (m >> 49 & 7) != 0) __builtin_trap();
  const unsigned stride = (unsigned)(m >> 32 & 0x3fff) * 16, leading = (unsigned)(m >> 16 & 0x3fff) * 16;
  unsigned at = (unsigned)(m & 0x3fff) * 16;
  if (by_columns)
    at += line / 64 * leading + line % 64 * 2 + depth / 8 * stride + depth % 8 * 128;
  else
    at += line / 8 * stride + line % 8 * 128 + depth * 2;
  at ^= (at >> 7 & 7) << 4;
  if (shared_begin + at + 2 > shared_end) __builtin_trap();
  return *(const unsigned short *)(shared_begin + at);
}

struct cuda_double_product {
  float *sum;
  int columns, group;
  bool a_in_registers, a_by_columns, b_by_columns, more;
  unsigned a[4];
  shared_matrix of_a, of_b;
  float (*value)(unsigned bits);
};
enum { CUDA_DOUBLE_PRODUCTS = 96 };
static struct cuda_double_products {
  cuda_double_product all[CUDA_DOUBLE_PRODUCTS];
  int n, group;
} cuda_double_begun[1024];
static inline unsigned cuda_double_thread() {
  return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}
static inline void cuda_double_begin(cuda_double_product p) {
  cuda_double_products &q = cuda_double_begun[cuda_double_thread()];
  if (q.n == CUDA_DOUBLE_PRODUCTS) __builtin_trap();
  p.group = q.group;
  q.all[q.n++] = p;
}

#define CUDA_DOUBLE_PRODUCT(type)                                                                                      \
  template <bool AByColumns = false, bool BByColumns = false, int Size>                                                \
  static inline void warpgroup_multiply_##type(float (&sum)[Size], shared_matrix a, shared_matrix b, bool more) {      \
    cuda_double_begin({sum, Size * 2, 0, false, AByColumns, BByColumns, more, {}, a, b, cuda_double_##type});          \
  }                                                                                                                    \
  template <bool BByColumns = false, int Size>                                                                         \
  static inline void warpgroup_multiply_##type(float (&sum)[Size], const unsigned (&a)[4], shared_matrix b, bool more) { \
    cuda_double_begin({sum, Size * 2, 0, true, false, BByColumns, more, {a[0], a[1], a[2], a[3]}, 0, b,                \
                       cuda_double_##type});                                                                           \
  }
CUDA_DOUBLE_PRODUCT(f16)
CUDA_DOUBLE_PRODUCT(bf16)

/* The lane's share of the product that is number i of its warp. */
static inline void cuda_double_carry_out(const cuda_double_product &p, int i) {
  const unsigned thread = cuda_double_thread(), first = thread / 32 * 32;
  const int g = (int)thread % 32 / 4, t = (int)thread % 4, warp = (int)thread / 32 % 4;
  float a[2][16];
  for (int half = 0; half < 2; half++)
    for (int k = 0; k < 16; k++)
      a[half][k] = p.value(!p.a_in_registers
                               ? cuda_double_element(p.of_a, p.a_by_columns, warp * 16 + half * 8 + g, k)
                               : cuda_double_begun[first + 4 * g + k % 8 / 2].all[i].a[k / 8 * 2 + half] >> k % 2 * 16 & 0xffff);
  for (int n = 0; n < p.columns / 8; n++)
    for (int c = 0; c < 2; c++) {
      double total[2] = {0, 0};
      for (int k = 0; k < 16; k++) {
        const double b = p.value(cuda_double_element(p.of_b, p.b_by_columns, n * 8 + 2 * t + c, k));
        for (int half = 0; half < 2; half++) total[half] += a[half][k] * b;
      }
      for (int half = 0; half < 2; half++) {
        float &sum = p.sum[n * 4 + half * 2 + c];
        sum = (float)(total[half] + (p.more ? sum : 0));
      }
    }
}

static inline void warpgroup_begin() {}
static inline void warpgroup_ends_group() { cuda_double_begun[cuda_double_thread()].group++; }
template <int Groups> static inline void warpgroup_wait() {
  cuda_double_products &q = cuda_double_begun[cuda_double_thread()];
  int over = 0;
  __syncwarp();
  for (; over < q.n && q.all[over].group < q.group - Groups; over++) cuda_double_carry_out(q.all[over], over);
  __syncwarp();
  for (int i = over; i < q.n; i++) q.all[i - over] = q.all[i];
  q.n -= over;
  __syncwarp();
}
static inline void shown_to_products() {}
template <int Size> static inline void registers_change(float (&)[Size]) {}
template <int Count> static inline void warpgroup_gives_registers() {}
template <int Count> static inline void warpgroup_takes_registers() {}

/* ---- barriers of some of the threads: they lie in the block's memory, which is filled anew for each ---- */

struct cuda_double_some {
  unsigned come, turn;
};
static __attribute__((section("cuda_shared"))) cuda_double_some cuda_double_barriers[16];
enum : unsigned { CUDA_DOUBLE_FILL = 0xa5a5a5a5u };

static inline void some_come(int number, int threads) {
  cuda_double_some &b = cuda_double_barriers[number];
  if (number < 1 || number > 15 || threads % 32 != 0) __builtin_trap();
  if (++b.come == CUDA_DOUBLE_FILL + (unsigned)threads) b.come = CUDA_DOUBLE_FILL, b.turn++;
}
struct cuda_double_wanted {
  const void *barrier;
  unsigned value;
};
static inline bool cuda_double_turned(const void *what) {
  const cuda_double_wanted *w = (const cuda_double_wanted *)what;
  return ((const cuda_double_some *)w->barrier)->turn != w->value;
}
static inline void some_wait(int number, int threads) {
  const cuda_double_wanted w = {&cuda_double_barriers[number], cuda_double_barriers[number].turn};
  some_come(number, threads);
  cuda_double_wait(cuda_double_turned, &w);
}

struct cuda_double_phases {
  unsigned short count, left;
  unsigned phase;
};
static inline cuda_double_phases &cuda_double_phases_at(shared_place barrier) {
  cuda_double_phases &p = *(cuda_double_phases *)barrier;
  if (barrier % 8 != 0 || p.phase == CUDA_DOUBLE_FILL) __builtin_trap();
  return p;
}
static inline void phases_begin(shared_place barrier, int count) {
  *(cuda_double_phases *)barrier = {(unsigned short)count, (unsigned short)count, 0};
}
static inline void phase_arrive(shared_place barrier) {
  cuda_double_phases &p = cuda_double_phases_at(barrier);
  if (--p.left == 0) p.left = p.count, p.phase++;
}
static inline void phase_arrive_with_copies(shared_place barrier) {
  cuda_double_copies &q = cuda_double_queue();
  if (q.n == CUDA_DOUBLE_COPIES) __builtin_trap();
  q.all[q.n++] = {(void *)barrier, nullptr, q.group, 0, true};
  q.arrivals++;
}
/* Copies are made, and their threads arrive, when others wait for them. */
static inline void cuda_double_let_arrive(const void *barrier) {
  const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
  for (unsigned thread = 0; thread < threads; thread++) {
    cuda_double_copies &q = cuda_double_queues[thread];
    int n = 0;
    while (q.arrivals > 0 && n < q.n && !(q.all[n].arrives && q.all[n].to == barrier)) n++;
    if (q.arrivals == 0 || n == q.n) continue;
    cuda_double_make_copies(q, n + 1);
  }
}
static inline bool cuda_double_phase_is_over(const void *what) {
  const cuda_double_wanted *w = (const cuda_double_wanted *)what;
  const cuda_double_phases &p = *(const cuda_double_phases *)w->barrier;
  if (p.phase % 2 == w->value) cuda_double_let_arrive(w->barrier);
  return p.phase % 2 != w->value;
}
static inline void phase_wait(shared_place barrier, int phase) {
  const cuda_double_wanted w = {&cuda_double_phases_at(barrier), (unsigned)phase & 1};
  if (!cuda_double_phase_is_over(&w)) cuda_double_wait(cuda_double_phase_is_over, &w);
}
