/* cpu.c: the CPU's driver: the ordered list of its implementations, and what it found on this machine.
   Uses cpu/cpu.h, cpu/calls.h, cpu/lapack.h. */
#include "backends/cpu/cpu.h"
#include "backends/cpu/calls.h"
#include "backends/cpu/lapack.h"
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static const implementation implementations[] = {
    {"Arange", "loops", NULL, cpu_arange},
    {"Full", "copy", NULL, cpu_full},
    {"Load", "reader", NULL, cpu_load},
    {"Contiguous", "copy", NULL, cpu_full},
    {"View", "copy", NULL, cpu_view},
    {"NumberOfElements", "shape", NULL, cpu_number_of_elements},
    {"Concatenate", "copy", NULL, cpu_concatenate},
    {"Pad", "copy", NULL, cpu_pad},
    {"Reduce", "loops", NULL, cpu_reduce},
    {"ArgReduce", "loops", NULL, cpu_arg_reduce},
    {"Scan", "loops", NULL, cpu_scan},
    {"Sort", "radix", NULL, cpu_sort},
    {"ArgSort", "radix", NULL, cpu_arg_sort},
    {"Partition", "radix", NULL, cpu_partition},
    {"ArgPartition", "radix", NULL, cpu_arg_partition},
    {"SearchSorted", "bisection", NULL, cpu_search_sorted},
    {"Softmax", "loops", NULL, cpu_softmax},
    {"RMSNorm", "rows", cpu_refuses_norm, cpu_rms_norm},
    {"LayerNorm", "rows", cpu_refuses_norm, cpu_layer_norm},
    {"RMSNormVJP", "rows", cpu_refuses_norm_vjp, cpu_rms_norm_vjp},
    {"LayerNormVJP", "rows", cpu_refuses_norm_vjp, cpu_layer_norm_vjp},
    {"LogSumExp", "loops", NULL, cpu_log_sum_exp},
    {"CrossEntropy", "rows", cpu_refuses_cross_entropy, cpu_cross_entropy},
    {"Matmul", "tiles", NULL, cpu_matmul},
    {"AddMM", "tiles", NULL, cpu_addmm},
    {DEVICE_INT8_MATMUL, "floats", NULL, cpu_int8_matmul},
    {DEVICE_FP8_MATMUL, "floats", NULL, cpu_fp8_matmul},
    {DEVICE_FP8_ADDMM, "floats", NULL, cpu_fp8_matmul},
    {"ScaledDotProductAttention", "flash", cpu_refuses_attention, cpu_attention},
    {"ScaledDotProductAttentionVJP", "flash", cpu_refuses_attention_vjp, cpu_attention_vjp},
    {"Convolution", "across", cpu_refuses_across, cpu_convolution_across},
    {"Convolution", "channels", cpu_refuses_channels, cpu_convolution_channels},
    {"Convolution", "windows", cpu_refuses_windows, cpu_convolution_windows},
    {"Convolution", "patches", NULL, cpu_convolution},
    {"ConvolutionWeightVJP", "channels", cpu_refuses_conv_weights, cpu_convolution_weights},
    {"FFT", "stockham", NULL, cpu_fft},
    {"Hadamard", "butterflies", NULL, cpu_hadamard},
    {"Gather", "loops", NULL, cpu_gather},
    {"GatherAxis", "loops", NULL, cpu_gather_axis},
    {"Scatter", "loops", NULL, cpu_scatter},
    {"ScatterAxis", "loops", NULL, cpu_scatter_axis},
    {"MaskedScatter", "loops", NULL, cpu_masked_scatter},
    {"SliceUpdate", "loops", NULL, cpu_slice_update},
    {"DynamicSlice", "copy", NULL, cpu_dynamic_slice},
    {"DynamicSliceUpdate", "copy", NULL, cpu_dynamic_slice_update},
    {"RandomBits", "threefry", NULL, cpu_random_bits},
    {"DivMod", "loops", NULL, cpu_divmod},
    {"QRF", "lapack", cpu_refuses_without_lapack, cpu_qr},
    {"LUF", "lapack", cpu_refuses_without_lapack, cpu_lu},
    {"Inverse", "lapack", cpu_refuses_without_lapack, cpu_inverse},
    {"SolveTriangular", "lapack", cpu_refuses_without_lapack, cpu_solve_triangular},
    {"Cholesky", "lapack", cpu_refuses_without_lapack, cpu_cholesky},
    {"SVD", "lapack", cpu_refuses_without_lapack, cpu_svd},
    {"Eigh", "lapack", cpu_refuses_without_lapack, cpu_eigh},
    {"Eig", "lapack", cpu_refuses_without_lapack, cpu_eig},
    {"Quantize", "loops", cpu_refuses_quantize, cpu_quantize},
    {"ToFP8", "loops", NULL, cpu_to_fp8},
    {"FromFP8", "loops", NULL, cpu_from_fp8},
    {"QuantizedMatmul", "codes", cpu_refuses_quantized_matmul, cpu_quantized_matmul},
    {"GatherQMM", "codes", cpu_refuses_quantized_matmul, cpu_gather_qmm},
    {"GatherMM", "blocks", NULL, cpu_gather_mm},
    {"SegmentedMM", "blocks", NULL, cpu_segmented_mm},
    {"BlockMaskedMM", "blocks", cpu_refuses_block_masked_mm, cpu_block_masked_mm},
    {"AllReduce", "link", NULL, cpu_all_reduce},
    {"AllGather", "link", NULL, cpu_all_gather},
    {"ReduceScatter", "link", NULL, cpu_reduce_scatter},
    {"Send", "link", NULL, cpu_send},
    {"Recv", "link", NULL, cpu_recv},
};

static int count(void) { return 1; }

/* What attention has made, of which its way back knows the logarithms of the sums. */
static uint32_t unread(const implementation *i, int n_in) {
  return i->run == cpu_attention_vjp ? 1u << (n_in - 3) : 0;
}

static chained_run *how_of(const implementation *i, const launch *l, const chains *c) {
  static const struct {
    error *(*run)(const launch *l);
    chained_run *(*with)(const launch *l, const chains *c);
  } takers[] = {{cpu_reduce, cpu_reduce_with},
                {cpu_rms_norm, cpu_rms_norm_with},
                {cpu_layer_norm, cpu_layer_norm_with},
                {cpu_softmax, cpu_softmax_with},
                {cpu_log_sum_exp, cpu_log_sum_exp_with},
                {cpu_cross_entropy, cpu_cross_entropy_with}};
  for (size_t t = 0; t < sizeof takers / sizeof *takers; t++)
    if (takers[t].run == i->run) return takers[t].with(l, c);
  return NULL;
}

static char processor[128] = "unknown processor";

static void read_processor(void) {
  FILE *f = fopen("/proc/cpuinfo", "r");
  char line[256];
  bool found = false;
  while (f && !found && fgets(line, sizeof line, f))
    found = sscanf(line, "model name : %127[^\n]", processor) == 1;
  if (f) fclose(f);
}

static const char *model(int index) {
  (void)index;
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, read_processor);
  return processor;
}

static void report(text *json) {
  text_add(json, "{\"instruction_set\": ");
  text_add_json(json, cpu_isa());
  text_add(json, ", \"instruction_sets_found\": [");
  for (const char *const *name = cpu_isas(); *name; name++) {
    if (name != cpu_isas()) text_add(json, ", ");
    text_add_json(json, *name);
  }
  text_add(json, "], \"cores\": %ld, \"threads\": %d, \"lapack\": ", sysconf(_SC_NPROCESSORS_ONLN),
           parallel_threads());
  lapack_report(json);
  text_add(json, "}");
}

const driver driver_cpu = {
    .name = "cpu",
    .count = count,
    .model = model,
    .report = report,
    .implementations = implementations,
    .n_implementations = sizeof implementations / sizeof *implementations,
    .run_kernel = cpu_run_kernel,
    .run_kernel_again = cpu_run_kernel_again,
    .forget = mem_free,
    .chained = how_of,
    .unread = unread,
};
