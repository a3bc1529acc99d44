/* cuda.c: the driver for NVIDIA GPUs: what device/ and gpu/ want to know of it. Uses program.h, gpu/. */
#include "backends/cuda/cublaslt.h"
#include "backends/cuda/cudnn.h"
#include "backends/cuda/cufft.h"
#include "backends/cuda/cusolver.h"
#include "backends/cuda/nccl.h"
#include "backends/cuda/program.h"

/* ---- the driver ---- */

static gpu_features all_features[CUDA_MAX_DEVICES];
static pthread_once_t features_known = PTHREAD_ONCE_INIT;

/* Of 256 threads each may have as many registers as there are: no kernel is refused for them. */
enum { MAX_GROUP = 256 };

static void learn_features(void) {
  for (int i = 0; i < cuda_count(); i++)
    all_features[i] = (gpu_features){.float64 = true,
                                     .atomics64 = true,
                                     .max_group = cuda_card_at(i)->threads_per_block < MAX_GROUP
                                                      ? cuda_card_at(i)->threads_per_block
                                                      : MAX_GROUP,
                                     .most_threads = cuda_card_at(i)->threads_per_block,
                                     .local_bytes = cuda_card_at(i)->shared_bytes,
                                     .max_memories = GPU_MAX_MEMORIES};
}

static const gpu_features *features(int index) {
  pthread_once(&features_known, learn_features);
  return &all_features[index];
}

static bool compiles(void) { return nvrtc() != NULL; }

static error *multiply(const launch *l) { return cublaslt_refuses(l) ? error_declined() : cublaslt_matmul(l); }

extern const char cuda_prologue[];
const gpu_backend gpu_cuda = {
    .name = "cuda",
    .prologue = cuda_prologue,
    .options = cuda_options,
    .narrow_options = cuda_narrow_options,
    .count = cuda_count,
    .features = features,
    .identify = cuda_identify,
    .compile = cuda_compile,
    .load = cuda_load,
    .ahead = cuda_ahead,
    .compiles = compiles,
    .entry = cuda_entry,
    .launch = cuda_launch,
    .multiply = multiply,
    .refuses_multiply = cublaslt_refuses,
    .multiply_grouped = cuda_multiply_grouped,
    .refuses_grouped = cuda_refuses_grouped,
    .memory = &cuda_memory,
};

#define GPU_OWN_IMPLEMENTATIONS                                        \
  {"CustomKernel", "source", cuda_refuses_source, cuda_source_kernel}, \
      {"CustomKernel", "compiled", cuda_refuses_compiled, cuda_compiled_kernel}, \
      {"ScaledDotProductAttention", "warpgroup", cuda_refuses_attention_warpgroup, cuda_attention_warpgroup}, \
      {"ScaledDotProductAttention", "tensor", cuda_refuses_attention, cuda_attention}, \
      {"ScaledDotProductAttentionVJP", "warpgroup", cuda_refuses_attention_vjp_by_warpgroups, cuda_attention_vjp_by_warpgroups}, \
      {"ScaledDotProductAttentionVJP", "tensor", cuda_refuses_attention_vjp, cuda_attention_vjp}, \
      {"QuantizedMatmul", "tensor", cuda_refuses_quantized_matmul, cuda_quantized_matmul}, \
      {"GatherQMM", "tensor", cuda_refuses_gather_qmm, cuda_gather_qmm}, \
      {"Matmul", "cublaslt", cublaslt_refuses, cublaslt_matmul},       \
      {"AddMM", "cublaslt", cublaslt_refuses, cublaslt_addmm},         \
      {DEVICE_INT8_MATMUL, "cublaslt", cublaslt_refuses_codes, cublaslt_multiply_codes}, \
      {DEVICE_FP8_MATMUL, "cublaslt", cublaslt_refuses_codes, cublaslt_multiply_codes}, \
      {DEVICE_FP8_ADDMM, "cublaslt", cublaslt_refuses_codes, cublaslt_multiply_codes}, \
      {"Convolution", "cudnn", cudnn_refuses, cudnn_conv},             \
      {"Cholesky", "cusolver", cusolver_refuses, cusolver_cholesky},   \
      {"LUF", "cusolver", cusolver_refuses, cusolver_lu},              \
      {"Inverse", "cusolver", cusolver_refuses, cusolver_inverse},     \
      {"QRF", "cusolver", cusolver_refuses, cusolver_qr},              \
      {"Eigh", "cusolver", cusolver_refuses, cusolver_eigh},           \
      {"SVD", "cusolver", cusolver_refuses, cusolver_svd}, {"FFT", "cufft", cufft_refuses, cufft_fft}, \
      {"AllReduce", "nccl", nccl_refuses_all_reduce, nccl_all_reduce}, \
      {"AllGather", "nccl", nccl_refuses_all_gather, nccl_all_gather}, \
      {"ReduceScatter", "nccl", nccl_refuses_reduce_scatter, nccl_reduce_scatter}, \
      {"Send", "nccl", nccl_refuses_send, nccl_send}, {"Recv", "nccl", nccl_refuses_recv, nccl_recv},
#define GPU_BACKEND gpu_cuda
#include "backends/gpu/implementations.h"

static error *faults(int index) {
  cuda_plan_ended(index);
  error *why = nccl_wait(index, true);
  return why ? why : gpu_faults(&gpu_cuda, index);
}
static epilogue_run *how_with(const implementation *i, const launch *l, const epilogue *e) {
  return i->run == cublaslt_matmul  ? cublaslt_matmul_epilogue(l, e)
         : i->run == cublaslt_addmm ? cublaslt_addmm_epilogue(l, e)
         : i->run == cublaslt_multiply_codes ? cublaslt_codes_epilogue(l, e)
                                    : gpu_epilogue(i, l, e);
}
static bool is_gpu(int index) {
  (void)index;
  return true;
}
static const char *model(int index) { return cuda_card_at(index)->name; }

const driver driver_cuda = {
    .name = "cuda",
    .is_gpu = is_gpu,
    .count = cuda_count,
    .model = model,
    .report = cuda_report,
    .implementations = gpu_implementations,
    .n_implementations = sizeof gpu_implementations / sizeof *gpu_implementations,
    .epilogue = how_with,
    .chained = gpu_chained,
    .refuses_kernel = refuses_kernel,
    .run_kernel = run_kernel,
    .cannot_hold = GPU_CANNOT_HOLD,
    .lacks = gpu_lacks,
    .memory = &cuda_memory,
    .recording = &cuda_recordings,
    .faults = faults,
    .introduce = nccl_introduce,
};
