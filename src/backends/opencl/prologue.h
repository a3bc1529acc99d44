/* prologue.h: what the GPU dialect and kernel/scalar.h mean in OpenCL C 1.2. Text: it is never compiled with the
   library. */
#ifdef WITHOUT_FLOAT64 /* set for devices that lack it, or are to be used as if they did */
#define HAS_FLOAT64 0
#else
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#define HAS_FLOAT64 1
#endif
#pragma OPENCL FP_CONTRACT OFF
#if defined(cl_khr_int64_base_atomics) && !defined(WITHOUT_ATOMICS64)
#pragma OPENCL EXTENSION cl_khr_int64_base_atomics : enable
#define ATOMIC_CAS64(place, expected, desired) atom_cmpxchg((volatile global ulong *)(place), expected, desired)
#endif
#define ATOMIC_CAS32(place, expected, desired) atomic_cmpxchg((volatile global uint *)(place), expected, desired)
#define LOCAL_ADD32(place, x) atomic_add((volatile local uint *)(place), x)
#define KERNEL kernel void
#define RESIDENT(threads, groups)
#define GLOBAL global
#define LOCAL local
#define LOCAL_POINTER local
#define PRIVATE
#define VALUES const int64_t *
#define NUMBERS const numbers v
#define GROUP_ID(d) ((int64_t)get_group_id(d))
#define GROUP_COUNT(d) ((int64_t)get_num_groups(d))
#define GROUP_SIZE(d) ((int)get_local_size(d))
#define LOCAL_ID(d) ((int)get_local_id(d))
#define GLOBAL_ID ((int64_t)get_global_id(0))
#define BARRIER barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)

#define UNROLL _Pragma("unroll")
#define UNROLL_4 _Pragma("unroll 4")
#define FAST_HALVES 0
#define HAS_LANES 0
typedef uint4 words_4;
typedef uint2 words_2;

typedef char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long int64_t;
typedef uchar uint8_t;
typedef ushort uint16_t;
typedef uint uint32_t;
typedef ulong uint64_t;

#define K_PROLOGUE
#define k_fma_f32(a, b, c) fma((float)(a), (float)(b), (float)(c))
#define k_fma_f64(a, b, c) fma((double)(a), (double)(b), (double)(c))
#define k_bits_f32(x) as_uint((float)(x))
#define k_from_bits_f32(u) as_float((uint32_t)(u))
#define k_bits_f64(x) as_ulong((double)(x))
#define k_from_bits_f64(u) as_double((uint64_t)(u))
#define sqrtf sqrt
#define powf pow
#define sinf sin
#define cosf cos
#define tanf tan
#define fmodf fmod
#define nearbyint rint
