/* null.c: a device that takes everything and computes nothing, so that what remains to be measured is the
   rest: building, planning, launching. Results are whatever the memory held. Present only where
   PONS_NULL_DEVICE is set, lest somebody takes its results for results. Uses device/. */
#include "device/device.h"
#include <stdlib.h>

static error *nothing(const launch *l) {
  (void)l;
  return NULL;
}

static error *no_kernel(const kernel *k, const operand *in, const operand *out) {
  (void)k, (void)in, (void)out;
  return NULL;
}

#define TAKES(name) {name, "nothing", NULL, nothing}
static const implementation implementations[] = {
    TAKES("Arange"),        TAKES("ArgPartition"),
    TAKES("ArgReduce"),     TAKES("ArgSort"),
    TAKES("Concatenate"),   TAKES("Contiguous"),
    TAKES("Convolution"),   TAKES("ConvolutionWeightVJP"), TAKES("DivMod"),
    TAKES("DynamicSlice"),  TAKES("DynamicSliceUpdate"),
    TAKES("BlockMaskedMM"), TAKES("FromFP8"),
    TAKES("GatherMM"),      TAKES("GatherQMM"),
    TAKES("Quantize"),      TAKES("QuantizedMatmul"),
    TAKES("SegmentedMM"),   TAKES("ToFP8"),
    TAKES("Full"),          TAKES("Gather"),
    TAKES("GatherAxis"),    TAKES("LayerNorm"),
    TAKES("LayerNormVJP"),  TAKES("LogSumExp"),
    TAKES("Load"),          TAKES("MaskedScatter"), TAKES("Matmul"),
    TAKES("AddMM"),         TAKES("NumberOfElements"),
    TAKES("Pad"),           TAKES("Partition"),
    TAKES("RMSNorm"),       TAKES("RMSNormVJP"),
    TAKES("RandomBits"),    TAKES("Reduce"),
    TAKES("RoPE"),          TAKES("ScaledDotProductAttention"),
    TAKES("Scan"),          TAKES("Scatter"),
    TAKES("ScatterAxis"),   TAKES("SliceUpdate"),
    TAKES("Softmax"),       TAKES("Sort"),
    TAKES("View"),          TAKES("QRF"),
    TAKES("LUF"),           TAKES("Inverse"),
    TAKES("Cholesky"),      TAKES("SVD"),
    TAKES("Eigh"),          TAKES("Eig"),
    TAKES("SearchSorted"),  TAKES("SolveTriangular"),
    TAKES("ScaledDotProductAttentionVJP"),
    TAKES("FFT"),           TAKES("Hadamard"),
    TAKES(DEVICE_INT8_MATMUL), TAKES(DEVICE_FP8_MATMUL),
    TAKES(DEVICE_FP8_ADDMM),   TAKES("CrossEntropy"),
    TAKES("AllReduce"),     TAKES("AllGather"),
    TAKES("ReduceScatter"), TAKES("Send"),
    TAKES("Recv"),
};

static int count(void) {
  const char *wanted = getenv("PONS_NULL_DEVICE");
  return wanted && *wanted && strcmp(wanted, "0") != 0;
}

static bool is_gpu(int index) {
  (void)index;
  const char *wanted = getenv("PONS_NULL_DEVICE");
  return wanted && strcmp(wanted, "gpu") == 0;
}

static error *nothing_more(const launch *l, const epilogue *e) {
  (void)l, (void)e;
  return NULL;
}

static epilogue_run *how_with(const implementation *i, const launch *l, const epilogue *e) {
  (void)l;
  const bool in_order = !e->added || operand_is_row_major(e->added);
  const bool multiplies = strcmp(i->prim, "Matmul") == 0 || strcmp(i->prim, "AddMM") == 0;
  return is_gpu(0) && (multiplies || (strcmp(i->prim, "LayerNormVJP") == 0 && in_order && !e->activation)) ? nothing_more : NULL;
}

static error *nothing_of(const launch *l, const chains *c, void **kept) {
  (void)l, (void)c, (void)kept;
  return NULL;
}

/* Reductions of what kernels of up to 8 operands make, with others behind; norms of it, which may be kept; what is made of exponentials of it; but
   nothing behind several results. */
static chained_run *how_of(const implementation *i, const launch *l, const chains *c) {
  (void)l;
  const bool norm = strcmp(i->prim, "RMSNorm") == 0 || strcmp(i->prim, "LayerNorm") == 0;
  const bool exps = strcmp(i->prim, "Softmax") == 0 || strcmp(i->prim, "LogSumExp") == 0 || strcmp(i->prim, "CrossEntropy") == 0;
  if (!norm && !exps && strcmp(i->prim, "Reduce") != 0) return NULL;
  if (!c) return nothing_of;
  const bool few = (!c->front || c->front->n_in <= 8) && (!c->behind || c->behind->n_in <= 8), kept = c->front && c->front->n_out > 1;
  return few && (!c->behind || strcmp(i->prim, "CrossEntropy") != 0) && (norm || !kept) ? nothing_of : NULL;
}

/* As the CPU does. */
static uint32_t unread(const implementation *i, int n_in) {
  return !is_gpu(0) && strcmp(i->prim, "ScaledDotProductAttentionVJP") == 0 ? 1u << (n_in - 3) : 0;
}

static void report(text *json) {
  text_add(json, count()
                     ? "{\"what\": \"takes everything, computes nothing\"}"
                     : "{\"missing\": \"on request alone: it computes nothing; set PONS_NULL_DEVICE=1\"}");
}

const driver driver_null = {
    .name = "null",
    .is_gpu = is_gpu,
    .count = count,
    .report = report,
    .implementations = implementations,
    .n_implementations = sizeof implementations / sizeof *implementations,
    .epilogue = how_with,
    .chained = how_of,
    .unread = unread,
    .run_kernel = no_kernel,
    .for_tests = true,
};
