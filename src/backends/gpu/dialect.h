/* dialect.h: what all kernels may use, behind a language's prologue and in front of the functions of kernel/scalar.h.
   Text: it is never compiled with the library.

   A language's prologue gives
     KERNEL                        in front of an entry's name: what it returns included
     RESIDENT(threads, groups)     behind it: groups are of so many threads, and so many of them are to be on a multiprocessor at once, for
                                   which registers are given up
     GLOBAL, LOCAL                 in front of a pointer to global memory; in front of an array of fixed size at the top of an
                                   entry that the threads of a group share
     LOCAL_POINTER                 in front of a pointer to such an array; no parameter of a function is one: PoCL 3.1 takes it for
                                   memory that groups on all its threads have in common
     PRIVATE                       in front of a pointer to variables of a thread
     VALUES                        the type of a pointer to numbers
     NUMBERS                       the last parameter of an entry: the struct `numbers` called v
     GROUP_ID(d), GROUP_COUNT(d), LOCAL_ID(d), GROUP_SIZE(d), GLOBAL_ID     in an entry alone; d is 0, 1 or 2
     BARRIER                       of the threads of a group
     UNROLL                        in front of a loop whose turns are a constant: they are to be written out
     UNROLL_4                      in front of another loop: four turns at a time, so that their loads are under way together
     HAS_LANES                     1: lane_across(x, gap) gives the x of the thread whose id differs in the bit `gap` < 32 alone;
                                   groups are then of whole 32s, and all threads of one come there
     FAST_HALVES                   1: float16 becomes float32 by an instruction
     words_4, words_2              vectors of 32-bit words x, y, z, w that are read and written at once
     ATOMIC_CAS32, ATOMIC_CAS64    (GLOBAL uint32_t *place, expected, desired): what was there before
     LOCAL_ADD32                   (LOCAL_POINTER uint32_t *place, x): added at once; what was there before is not told
   the types of stdint.h and the functions scalar_float.h asks for. Outputs come before inputs, and v last:

     KERNEL twice(GLOBAL Y *y, GLOBAL const X *x, NUMBERS) {
       const index_t i = GLOBAL_ID;
       if (i < v.at[2]) y[v.at[0] + i] = Y_store(2 * X_load(x[v.at[1] + i]));
     }

   Y, X and index_t are written in front of the kernel by what launches it (gpu.h). Two half-width floats are uint16_t in
   memory and float when computed with. There are no variadic macros. */

/* x & mask | bits; a language's prologue may have an instruction for it. */
#ifndef MASKED_OR
#define MASKED_OR(x, mask, bits) (((x) & (mask)) | (bits))
#endif

/* Elements that are only moved, by size. */
typedef uint8_t bytes1;
typedef uint16_t bytes2;
typedef uint32_t bytes4;
typedef uint64_t bytes8;

/* 16 bytes, or the first one or two words of such, read and written at once; the place is aligned so. PART_n is element i of them,
   of n bytes, as an unsigned integer; JOIN_PART_n adds one where 0 stood. */
typedef struct words4 {
  uint32_t at[4];
} words4;
static inline words4 load_words4(GLOBAL const void *place) {
  const words_4 all = *(GLOBAL const words_4 *)place;
  words4 w;
  w.at[0] = all.x, w.at[1] = all.y, w.at[2] = all.z, w.at[3] = all.w;
  return w;
}
static inline void store_words4(GLOBAL void *place, words4 w) {
  words_4 all;
  all.x = w.at[0], all.y = w.at[1], all.z = w.at[2], all.w = w.at[3];
  *(GLOBAL words_4 *)place = all;
}
static inline words4 no_words4(void) {
  words4 w;
  w.at[0] = w.at[1] = w.at[2] = w.at[3] = 0;
  return w;
}
static inline words4 load_words2(GLOBAL const void *place) {
  const words_2 all = *(GLOBAL const words_2 *)place;
  words4 w = no_words4();
  w.at[0] = all.x, w.at[1] = all.y;
  return w;
}
static inline void store_words2(GLOBAL void *place, words4 w) {
  words_2 all;
  all.x = w.at[0], all.y = w.at[1];
  *(GLOBAL words_2 *)place = all;
}
static inline words4 load_words1(GLOBAL const void *place) {
  words4 w = no_words4();
  w.at[0] = *(GLOBAL const uint32_t *)place;
  return w;
}
static inline void store_words1(GLOBAL void *place, words4 w) { *(GLOBAL uint32_t *)place = w.at[0]; }
#define PART_1(w, i) ((uint8_t)((w).at[(i) / 4] >> (i) % 4 * 8))
#define PART_2(w, i) ((uint16_t)((w).at[(i) / 2] >> (i) % 2 * 16))
#define PART_4(w, i) ((w).at[i])
#define PART_8(w, i) ((w).at[2 * (i)] | (uint64_t)(w).at[2 * (i) + 1] << 32)
#define JOIN_PART_1(w, i, x) (w).at[(i) / 4] |= (uint32_t)(uint8_t)(x) << (i) % 4 * 8
#define JOIN_PART_2(w, i, x) (w).at[(i) / 2] |= (uint32_t)(uint16_t)(x) << (i) % 2 * 16
#define JOIN_PART_4(w, i, x) (w).at[i] = (uint32_t)(x)
#define JOIN_PART_8(w, i, x) (w).at[2 * (i)] = (uint32_t)(x), (w).at[2 * (i) + 1] = (uint32_t)((uint64_t)(x) >> 32)

/* e^x for sums of what is at most 1: off by a few units in the last place of 1, not of the result. A language's prologue may have an
   instruction for it. */
#ifndef QUICK_EXP
#define QUICK_EXP(x) k_exp_f32(x)
#endif

typedef struct numbers {
  int64_t at[96];
} numbers;

/* A walk over axes in order is a list among the numbers: how many axes, their sizes, then the strides of each operand.
   Where element i lies for operand k. `place_of` is one of the two. */
#define PLACE_OF(name, index_type)                                                       \
  static inline index_type name(VALUES walk, int k, index_type i) {                      \
    const int n = (int)walk[0];                                                          \
    VALUES strides = walk + 1 + (1 + k) * n;                                             \
    index_type place = 0;                                                                \
    if (n == 0) return 0;                                                                \
    for (int d = n - 1; d > 0; d--) {                                                    \
      const index_type size = (index_type)walk[1 + d], rest = i / size;                  \
      place += (i - rest * size) * (index_type)strides[d];                               \
      i = rest;                                                                          \
    }                                                                                    \
    return place + i * (index_type)strides[0];                                           \
  }
PLACE_OF(place_of_32, int32_t)
PLACE_OF(place_of_64, int64_t)
#define WALK(number) (v.at + v.at[number])
/* Numbers behind those of the memories: FIRST is given. */
#define N(k) v.at[FIRST + (k)]

/* Joins the GROUP values in `room`, one per thread, by JOIN(a, b); all threads find the result in room[0]. */
#define JOIN_GROUP(room, JOIN)                                                           \
  for (int gap = GROUP / 2; gap > 0; gap /= 2) {                                         \
    BARRIER;                                                                             \
    if (LOCAL_ID(0) < gap) room[LOCAL_ID(0)] = JOIN(room[LOCAL_ID(0)], room[LOCAL_ID(0) + gap]); \
  }                                                                                      \
  BARRIER

/* Joins `value` over `count` threads that lie next to each other, a power of two up to 32: each has the result in it. `room` is of
   GROUP elements, or none where lanes show each other values. JOIN(a, b) is JOIN(b, a). */
#if HAS_LANES
#define JOIN_LANES(room, count, value, JOIN)                                             \
  UNROLL for (int gap_ = (count) / 2; gap_ > 0; gap_ /= 2) {                             \
    const auto other_ = lane_across(value, gap_);                                        \
    value = JOIN(value, other_);                                                         \
  }
#else
#define JOIN_LANES(room, count, value, JOIN)                                             \
  for (int gap_ = (count) / 2; gap_ > 0; gap_ /= 2) {                                    \
    room[LOCAL_ID(0)] = value;                                                           \
    BARRIER;                                                                             \
    value = JOIN(value, room[LOCAL_ID(0) ^ gap_]);                                       \
    BARRIER;                                                                             \
  }
#endif

/* The same over all GROUP threads; `room`, of GROUP elements, may be used again at once. */
#if HAS_LANES
#define JOIN_ALL(room, value, JOIN)                                                      \
  JOIN_LANES(room, LEAST(GROUP, 32), value, JOIN)                                        \
  if (GROUP > 32) {                                                                      \
    if (LOCAL_ID(0) % 32 == 0) room[LOCAL_ID(0) / 32] = value;                           \
    BARRIER;                                                                             \
    value = room[LOCAL_ID(0) % ((GROUP + 31) / 32)];                                     \
    JOIN_LANES(room, (GROUP + 31) / 32, value, JOIN)                                     \
    BARRIER;                                                                             \
  }
#else
#define JOIN_ALL(room, value, JOIN)                                                      \
  room[LOCAL_ID(0)] = value;                                                             \
  JOIN_GROUP(room, JOIN);                                                                \
  value = room[0];                                                                       \
  BARRIER;
#endif

/* Of the GROUP threads' values: `before` becomes what those of the threads before join to, START in the first, `value` what all do.
   `room`, of GROUP elements, may be used again at once. JOIN(a, b) is JOIN(b, a). */
#if HAS_LANES
#define SCAN_ALL(room, value, before, JOIN, START)                                       \
  before = START;                                                                        \
  UNROLL for (int gap_ = 1; gap_ < LEAST(GROUP, 32); gap_ *= 2) {                        \
    const auto other_ = lane_across(value, gap_);                                        \
    if (LOCAL_ID(0) & gap_) before = JOIN(other_, before);                               \
    value = JOIN(value, other_);                                                         \
  }                                                                                      \
  if (GROUP > 32) {                                                                      \
    if (LOCAL_ID(0) % 32 == 0) room[LOCAL_ID(0) / 32] = value;                           \
    BARRIER;                                                                             \
    value = START;                                                                       \
    auto earlier_ = value;                                                               \
    UNROLL for (int warp_ = 0; warp_ < (GROUP + 31) / 32; warp_++) {                     \
      if (warp_ == LOCAL_ID(0) / 32) earlier_ = value;                                   \
      value = JOIN(value, room[warp_]);                                                  \
    }                                                                                    \
    before = JOIN(earlier_, before);                                                     \
    BARRIER;                                                                             \
  }
#else
#define SCAN_ALL(room, value, before, JOIN, START)                                       \
  room[LOCAL_ID(0)] = value;                                                             \
  for (int gap_ = 1; gap_ < GROUP; gap_ *= 2) {                                          \
    BARRIER;                                                                             \
    before = START;                                                                      \
    if (LOCAL_ID(0) >= gap_) before = room[LOCAL_ID(0) - gap_];                          \
    BARRIER;                                                                             \
    if (LOCAL_ID(0) >= gap_) room[LOCAL_ID(0)] = JOIN(before, room[LOCAL_ID(0)]);        \
  }                                                                                      \
  BARRIER;                                                                               \
  before = START;                                                                        \
  if (LOCAL_ID(0) > 0) before = room[LOCAL_ID(0) - 1];                                   \
  value = room[GROUP - 1];                                                               \
  BARRIER;
#endif

#define LEAST(a, b) ((a) < (b) ? (a) : (b))

/* In a kernel of the user's own (ops/dialect_source.c): element i of array `a` as a value, and from a value. */
#define LOAD(a, i) a##_t_load(a[i])
#define STORE(a, i, value) a[i] = a##_t_store(value)

/* ---- indices ---- */

/* Element i of an array of integers, whose dtype `kind` tells: its bytes, less for signed ones. */
static inline int64_t index_at(GLOBAL const uint8_t *array, int64_t i, int64_t kind) {
  switch (kind) {
    case 1: return array[i];
    case 2: return ((GLOBAL const uint16_t *)array)[i];
    case 4: return ((GLOBAL const uint32_t *)array)[i];
    case 8: return (int64_t)((GLOBAL const uint64_t *)array)[i];
    case -1: return ((GLOBAL const int8_t *)array)[i];
    case -2: return ((GLOBAL const int16_t *)array)[i];
    case -4: return ((GLOBAL const int32_t *)array)[i];
    default: return ((GLOBAL const int64_t *)array)[i];
  }
}

/* An index as int64 from 0 on, if a slice of so many elements from it on is inside. Else the first wrong one is noted in
   `fault`, and 0 is read. Unsigned ones do not count from the end. */
static inline int64_t checked_index(GLOBAL int64_t *fault, int64_t op, int64_t index, bool is_signed, int64_t axis,
                                    int64_t size, int64_t slice) {
  const int64_t place = index < 0 && is_signed ? index + size : index;
  if (place >= 0 && place <= size - slice) return place;
  if (ATOMIC_CAS32((GLOBAL uint32_t *)fault, 0u, 1u) == 0u) {
    fault[1] = op;
    fault[2] = index;
    fault[3] = is_signed;
    fault[4] = axis;
    fault[5] = size;
    fault[6] = slice;
  }
  return 0;
}
