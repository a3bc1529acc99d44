/* prologue.h: what the GPU dialect and kernel/scalar.h mean in OpenCL C 1.2. Text: it is never compiled with the
   library. */
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#pragma OPENCL FP_CONTRACT OFF
#define KERNEL kernel
#define GLOBAL global
#define GLOBAL_ID ((int64_t)get_global_id(0))

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
#define sinf sin
#define cosf cos
#define tanf tan
#define fmodf fmod
#define nearbyint rint
