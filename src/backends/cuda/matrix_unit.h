/* matrix_unit.h: products of small matrices by a warp together, on the matrix units ("tensor cores") of NVIDIA GPUs from compute
   capability 8.0 on, and what feeds them. Text behind prologue.h, in front of kernels called *_tensor.kc; it is never compiled
   with the library, and includes nothing. All 32 lanes of a warp call these functions together.

   Two numbers of 16 bits lie in one uint32_t, the one with the lower index in the lower half. With g = lane / 4, t = lane % 4
   a lane holds of

     a   16 rows x 16 of the depth     a[0] row g, depth 2t and 2t + 1     a[1] row g + 8, the same
                                       a[2] row g, depth 2t + 8 and 2t + 9 a[3] row g + 8, the same
     b   16 of the depth x 8 columns   b[0] depth 2t and 2t + 1, column g  b[1] depth 2t + 8 and 2t + 9, column g
     sum 16 rows x 8 columns, float32  sum[0], sum[1] row g, columns 2t and 2t + 1     sum[2], sum[3] row g + 8, the same

   so that two sums that lie side by side, packed, are the `a` of a further product (sums_as_a). Of float32 (multiply_tf32), 8 of the
   depth, one number in a uint32_t, it holds

     a   a[0] row g, depth t     a[1] row g + 8, depth t     a[2] row g, depth t + 4     a[3] row g + 8, depth t + 4
     b   b[0] depth t, column g  b[1] depth t + 4, column g

   which load_matrices reads as it reads the others, four numbers where there are eight.

   load_matrices reads four matrices of 8 x 8 from shared memory: lanes 8i to 8i+7 give the addresses of the rows of matrix i,
   each of 16 bytes and aligned so; out[i] has row g, columns 2t and 2t + 1 of it, or of its transpose. Where a lane points
   for the operands, S the elements from one row to the next (S / 8 odd: no two rows of a matrix in the same banks):

     a, rows of the depth                       x + (lane % 16) S + lane / 16 * 8                     a[0..3]
     b of columns 0-7 and 8-15, each column     x + (lane % 8 + lane / 16 * 8) S + lane / 8 % 2 * 8   b[0], b[1] of the one,
     a row of the depth                                                                               then of the other
     b of columns 0-7 and 8-15, each of the     x + (lane % 16) S + lane / 16 * 8, transposed         the same
     depth a row of columns                                                                                             */

/* 16 bytes: what is moved at once. */
struct alignas(16) chunk {
  uint32_t at[4];
};

#ifndef HAS_MATRIX_UNIT /* a double of the compiler has what follows itself */

/* The memory that gpu_call.shared_bytes asks for, as `chunk name[]`. */
#define SHARED_ROOM(name) extern __shared__ chunk name[]

/* A place in shared memory, in bytes. With one kept per thread, what lies a constant away from it needs no register of its own. */
typedef uint32_t shared_place;
static inline shared_place place_in_shared(const void *p) {
  shared_place at;
  asm("{ .reg .u64 wide; cvta.to.shared.u64 wide, %1; cvt.u32.u64 %0, wide; }" : "=r"(at) : "l"(p));
  return at;
}

/* sum += a b */
#define MATRIX_PRODUCT(name, type)                                                                                    \
  static inline void name(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {                         \
    asm("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};" \
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])                                                       \
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));                                                \
  }
MATRIX_PRODUCT(multiply_f16, "f16")
MATRIX_PRODUCT(multiply_bf16, "bf16")

/* The same of float32 with 8 of the depth: of factors the upper 19 bits count. */
static inline void multiply_tf32(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

static inline void load_matrices(uint32_t (&out)[4], shared_place row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(row)
               : "memory");
}
static inline void load_matrices_transposed(uint32_t (&out)[4], shared_place row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(row)
               : "memory");
}

/* 16 bytes from global to shared memory while the thread goes on; zeros if not `inside`, and nothing is read. Both places are
   aligned to 16. */
static inline void copy_async(shared_place shared, const void *global, bool inside) {
  const int bytes = inside ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(global), "r"(bytes)
               : "memory");
}
/* The same of 4, 8 or 16 bytes, aligned so, which few others will read. */
template <int Bytes> static inline void copy_async_few(shared_place shared, const void *global, bool inside) {
  const int bytes = inside ? Bytes : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared), "l"(global), "n"(Bytes), "r"(bytes)
               : "memory");
}
/* What this thread has begun to copy since the last call becomes a group. */
static inline void copies_end_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/* Until no more than the latest `Groups` of this thread's are under way; a barrier shows what came to the others. */
template <int Groups> static inline void copies_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(Groups) : "memory"); }

/* Two floats, rounded to the nearest. */
static inline uint32_t pack_f16(float low, float high) {
  uint32_t both;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
}
static inline uint32_t pack_bf16(float low, float high) {
  uint32_t both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
}

/* a b + c, of two numbers side by side each. */
#define SCALED_SUM(name, type)                                                                       \
  static inline uint32_t name(uint32_t a, uint32_t b, uint32_t c) {                                   \
    uint32_t both;                                                                                    \
    asm("fma.rn." type " %0, %1, %2, %3;" : "=r"(both) : "r"(a), "r"(b), "r"(c));                      \
    return both;                                                                                      \
  }
SCALED_SUM(scaled_sum_f16, "f16x2")
SCALED_SUM(scaled_sum_bf16, "bf16x2")

/* 2 to the x, to 2 units in the last place; what is less than 2^-126 is 0. */
static inline float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
#endif

/* The same with pointers to shared memory. */
static inline void load_matrices(uint32_t (&out)[4], const void *row) { load_matrices(out, place_in_shared(row)); }
static inline void load_matrices_transposed(uint32_t (&out)[4], const void *row) {
  load_matrices_transposed(out, place_in_shared(row));
}
static inline void copy_async(void *shared, const void *global, bool inside) {
  copy_async(place_in_shared(shared), global, inside);
}

/* multiply(...), pack(...), scaled_sum(...) of the kernel's X: HALF is f16 or bf16. */
#ifdef HALF
#define HALF_JOIN(a, b) CUDA_JOIN(a, b)
#define multiply HALF_JOIN(multiply_, HALF)
#define pack HALF_JOIN(pack_, HALF)
#define scaled_sum HALF_JOIN(scaled_sum_, HALF)

/* Two sums side by side as the first operand of a product. */
static inline void sums_as_a(uint32_t (&a)[4], const float (&left)[4], const float (&right)[4]) {
  a[0] = pack(left[0], left[1]);
  a[1] = pack(left[2], left[3]);
  a[2] = pack(right[0], right[1]);
  a[3] = pack(right[2], right[3]);
}
#endif
