/* dialect.h: what all kernels may use, behind a language's prologue and in front of the functions of kernel/scalar.h.
   Text: it is never compiled with the library.

   A language's prologue gives
     KERNEL                        in front of an entry's name: what it returns included
     GLOBAL, LOCAL                 in front of a pointer to global memory; in front of an array of fixed size at the top of an
                                   entry that the threads of a group share
     LOCAL_POINTER                 in front of a pointer to such an array
     VALUES                        the type of a pointer to numbers
     NUMBERS                       the last parameter of an entry: the struct `numbers` called v
     GROUP_ID(d), GROUP_COUNT(d), LOCAL_ID(d), GROUP_SIZE(d), GLOBAL_ID     in an entry alone; d is 0, 1 or 2
     BARRIER                       of the threads of a group
     ATOMIC_CAS32, ATOMIC_CAS64    (GLOBAL uint32_t *place, expected, desired): what was there before
   the types of stdint.h and the functions scalar_float.h asks for. Outputs come before inputs, and v last:

     KERNEL twice(GLOBAL Y *y, GLOBAL const X *x, NUMBERS) {
       const index_t i = GLOBAL_ID;
       if (i < v.at[2]) y[v.at[0] + i] = Y_store(2 * X_load(x[v.at[1] + i]));
     }

   Y, X and index_t are written in front of the kernel by what launches it (gpu.h). Two half-width floats are uint16_t in
   memory and float when computed with. There are no variadic macros. */

/* Elements that are only moved, by size. */
typedef uint8_t bytes1;
typedef uint16_t bytes2;
typedef uint32_t bytes4;
typedef uint64_t bytes8;

typedef struct numbers {
  int64_t at[96];
} numbers;

typedef struct complex64 {
  float re, im;
} complex64;

/* Where element i of a walk over n axes in order lies, given their sizes and strides. `place_of` is one of the two. */
#define PLACE_OF(name, index_type)                                                       \
  static inline index_type name(VALUES sizes, VALUES strides, int n, index_type i) {     \
    index_type place = 0;                                                                \
    for (int d = n - 1; d >= 0; d--) {                                                   \
      const index_type rest = i / (index_type)sizes[d];                                  \
      place += (i - rest * (index_type)sizes[d]) * (index_type)strides[d];               \
      i = rest;                                                                          \
    }                                                                                    \
    return place;                                                                        \
  }
PLACE_OF(place_of_32, int32_t)
PLACE_OF(place_of_64, int64_t)

/* Joins the GROUP values in `room`, one per thread, by JOIN(a, b); all threads find the result in room[0]. */
#define JOIN_GROUP(room, JOIN)                                                           \
  for (int gap = GROUP / 2; gap > 0; gap /= 2) {                                         \
    BARRIER;                                                                             \
    if (LOCAL_ID(0) < gap) room[LOCAL_ID(0)] = JOIN(room[LOCAL_ID(0)], room[LOCAL_ID(0) + gap]); \
  }                                                                                      \
  BARRIER
