/* table.c: the cases: what each does, what limits it, and what is to be reached. Names and sizes are also those
   of bench/peers.py. */
#include "cases.h"

#define AT_LEAST(share) .goal = {GOAL_RATIO, true, share}
#define AT_MOST(times) .goal = {GOAL_RATIO, false, times}
#define VALUE_AT_LEAST(bound) .goal = {GOAL_VALUE, true, bound}
#define VALUE_AT_MOST(bound) .goal = {GOAL_VALUE, false, bound}
#define GFLOPS .unit = "GFLOP/s", .is_rate = true, .scale = 1e-9
#define GBS .unit = "GB/s", .is_rate = true, .scale = 1e-9
#define MS .unit = "ms", .scale = 1e3
#define NS .unit = "ns", .scale = 1e9

#define MATMUL(batch, m, n, k)                                              \
  .prepare = prepare_product, .body = run_matmul, .size = {batch, m, n, k}, \
  .work = 2.0 * (batch) * (double)(m) * (double)(n) * (double)(k)
#define CODES_PRODUCT(run, codes, side) \
  .prepare = prepare_codes, .body = run, .dtype = codes, .size = {side, side, side}, .work = 2.0 * (side) * (side) * (side), .for_gpu = true
/* n elements at a time: arrays of `size` bytes each, so many read and written. */
#define VECTORS(run, arrays) \
  .prepare = prepare_vectors, .body = run, .size = {10000000}, .work = (arrays)*4e7, .limit = LIMIT_COPY
#define SIDE 4096
#define MATRIX_BYTES ((double)SIDE * SIDE * 4)
#define REDUCTION(run)                                                                     \
  GBS, .prepare = prepare_matrix, .body = run, .size = {SIDE, SIDE}, .work = MATRIX_BYTES, \
       .limit = LIMIT_READ, AT_LEAST(0.85)
#define ROWS(run, type, bytes)                                                   \
  MS, .prepare = prepare_rows, .body = run, .size = {SIDE, SIDE}, .dtype = type, \
      .work = 2.0 * SIDE * SIDE * (bytes), .limit = LIMIT_COPY, AT_MOST(1.3)
#define CONV_FLOP (2.0 * 32 * 56 * 56 * 64 * 64 * 9)
#define CONV(run, share) \
  GFLOPS, .prepare = prepare_conv, .body = run, .size = {32, 56, 64, 1}, .work = CONV_FLOP, .limit = LIMIT_FMA, AT_LEAST(share)
/* Half of the products of a causal prefill are masked. */
#define PREFILL_FLOP (4.0 * 12 * 1024 * 1024 * 64 / 2)
#define LONG_PREFILL(heads, length, width)                                                                       \
  GFLOPS, .prepare = prepare_attention, .body = run_attention, .size = {heads, length, length, width}, .for_gpu = true, \
          .work = 4.0 * (heads) * (length) * (length) * (width) / 2
#define LONG_DECODE(heads, keys, width, bytes)                                                                   \
  GBS, .prepare = prepare_shared_attention, .body = run_attention, .size = {heads, 1, keys, width}, .for_gpu = true, \
       .work = 2.0 * ((heads) / 4) * (keys) * (width) * (bytes), .limit = LIMIT_READ
#define CODES(rows) .prepare = prepare_quantized, .body = run_quantized, .size = {rows, 4096, 4096}, .dtype = PONS_FLOAT32
/* Of a language model: one product, or so many in turn. Bytes of codes, of scales and biases. */
#define MODEL_CODES(run, rows, n, k, layers) \
  .prepare = prepare_quantized, .body = run, .size = {rows, n, k, layers}, .dtype = PONS_BFLOAT16, .for_gpu = true
#define MODEL_BYTES(n, k) ((double)(n) * (k) * (1.0 / 2 + 2 * 2.0 / 64))
#define EXPERTS(prepare_, run, rows, n, k, experts)                                                               \
  .prepare = prepare_, .body = run, .size = {rows, n, k, experts}, .dtype = PONS_BFLOAT16, .for_gpu = true, \
  .work = 2.0 * (rows) * (n) * (k)
#define CODE_BYTES (4096.0 * 4096 / 2 + 2 * 4 * 4096.0 * 64) /* with scales and biases */
#define PEER(prepare_, run, ...) \
  MS, .prepare = prepare_, .body = run, .size = {__VA_ARGS__}, .limit = LIMIT_PEER, AT_MOST(1)
#define GROUPS(run, channels, groups) PEER(prepare_conv, run, 8, 56, channels, groups)
#define TABLE_ROWS .prepare = prepare_table, .size = {50000, 768, 4096}

const bench_case bench_cases[] = {
    {"matmul float32 1024", GFLOPS, MATMUL(1, 1024, 1024, 1024), .limit = LIMIT_FMA, AT_LEAST(0.90),
     .dtype = PONS_FLOAT32, .scales = true},
    {"matmul float32 2048", GFLOPS, MATMUL(1, 2048, 2048, 2048), .limit = LIMIT_FMA, AT_LEAST(0.90),
     .dtype = PONS_FLOAT32},
    {"matmul float32 256", GFLOPS, MATMUL(1, 256, 256, 256), .limit = LIMIT_FMA, AT_LEAST(0.85),
     .dtype = PONS_FLOAT32},
    {"matmul float32 64 x 128", GFLOPS, MATMUL(64, 128, 128, 128), .limit = LIMIT_FMA, AT_LEAST(0.85),
     .dtype = PONS_FLOAT32},
    {"matmul bfloat16 1024", GFLOPS, MATMUL(1, 1024, 1024, 1024), .limit = LIMIT_DOT, AT_LEAST(0.90),
     .dtype = PONS_BFLOAT16},
    {"matmul float16 1024", GFLOPS, MATMUL(1, 1024, 1024, 1024), .limit = LIMIT_FMA, AT_LEAST(0.85),
     .dtype = PONS_FLOAT16},
    {"matmul float32 4096", GFLOPS, MATMUL(1, 4096, 4096, 4096), .limit = LIMIT_FMA, .dtype = PONS_FLOAT32,
     .for_gpu = true},
    {"matmul bfloat16 4096", GFLOPS, MATMUL(1, 4096, 4096, 4096), .dtype = PONS_BFLOAT16, .for_gpu = true},
    {"matmul float16 4096", GFLOPS, MATMUL(1, 4096, 4096, 4096), .dtype = PONS_FLOAT16, .for_gpu = true},
    {"matmul int8 4096", GFLOPS, CODES_PRODUCT(run_int8_product, PONS_INT8, 4096)},
    {"matmul fp8 4096", GFLOPS, CODES_PRODUCT(run_fp8_product, PONS_UINT8, 4096)},
    {"matrix x vector float32 4096", GBS, .prepare = prepare_product, .body = run_matmul,
     .size = {1, SIDE, 1, SIDE}, .dtype = PONS_FLOAT32, .work = MATRIX_BYTES, .limit = LIMIT_READ,
     AT_LEAST(0.90)},

    {"add 1e7", MS, VECTORS(run_add, 3), AT_MOST(1.2)},
    {"multiply 1e7", MS, VECTORS(run_multiply, 3), AT_MOST(1.2)},
    {"exp 1e7", MS, VECTORS(run_exp, 2), AT_MOST(1.2)},
    {"sin 1e7", MS, VECTORS(run_sin, 2), AT_MOST(1.6)},
    {"erf 1e7", MS, VECTORS(run_erf, 2), AT_MOST(1.6)},
    {"tanh 1e7", MS, VECTORS(run_tanh, 2), AT_MOST(1.6)},
    {"gelu(x) * w + b 1e7", MS, VECTORS(run_gelu_chain, 4), AT_MOST(1.3)},
    {"sum of all 4096", REDUCTION(run_sum_all)},
    {"sum of rows 4096", REDUCTION(run_sum_rows)},
    {"sum of columns 4096", REDUCTION(run_sum_columns)},
    {"sum of x * y 1e7", GBS, .prepare = prepare_vectors, .body = run_dot, .size = {10000000}, .work = 2 * 4e7, .limit = LIMIT_READ,
     AT_LEAST(0.85)},
    {"mean of squares, rows of 4096", REDUCTION(run_mean_squares)},
    {"sum of squares, columns of 4096", REDUCTION(run_squares_of_columns)},
    {"sum of exp(x - max), rows of 4096", GBS, .prepare = prepare_matrix, .body = run_sum_exp, .size = {SIDE, SIDE},
     .work = 2 * MATRIX_BYTES, .limit = LIMIT_READ},
    {"softmax float32 4096", ROWS(run_softmax, PONS_FLOAT32, 4)},
    {"softmax bfloat16 4096", ROWS(run_softmax, PONS_BFLOAT16, 2)},
    {"masked softmax float32 4096", ROWS(run_masked_softmax, PONS_FLOAT32, 4)},
    {"layer_norm float32 4096", ROWS(run_layer_norm, PONS_FLOAT32, 4)},
    {"layer_norm bfloat16 4096", ROWS(run_layer_norm, PONS_BFLOAT16, 2)},
    {"rms_norm float32 4096", ROWS(run_rms_norm, PONS_FLOAT32, 4)},
    {"rms_norm bfloat16 4096", ROWS(run_rms_norm, PONS_BFLOAT16, 2)},
    {"copy 4096", MS, .prepare = prepare_matrix, .body = run_copy, .size = {SIDE, SIDE + 64}, .work = 2 * MATRIX_BYTES,
     .limit = LIMIT_COPY, AT_MOST(1.2)},
    {"transpose copy 4096", MS, .prepare = prepare_matrix, .body = run_transpose, .size = {SIDE, SIDE},
     .work = 2 * MATRIX_BYTES, .limit = LIMIT_COPY, AT_MOST(2)},
    {"cumsum 1e7", MS, VECTORS(run_cumsum, 2), AT_MOST(1.5)},
    {"sort 1e7", PEER(prepare_vectors, run_sort, 10000000)},
    {"argsort 1e7", PEER(prepare_vectors, run_argsort, 10000000)},
    {"gather 4096 of 50k x 768", MS, TABLE_ROWS, .body = run_gather, .limit = LIMIT_PEER, AT_MOST(0.5)},
    {"scatter-add 4096 of 50k x 768", MS, TABLE_ROWS, .body = run_scatter_add, .limit = LIMIT_PEER,
     AT_MOST(0.5)},

    {"attention prefill 12 x 1024 x 64", GFLOPS, .prepare = prepare_attention, .body = run_attention,
     .size = {12, 1024, 1024, 64}, .dtype = PONS_FLOAT32, .work = PREFILL_FLOP, .limit = LIMIT_FMA, AT_LEAST(0.55)},
    {"attention decode 2048", PEER(prepare_attention, run_attention, 12, 1, 2048, 64), .dtype = PONS_FLOAT32},
    {"attention bfloat16 32 x 4096 x 128", LONG_PREFILL(32, 4096, 128), .dtype = PONS_BFLOAT16},
    {"attention float16 32 x 4096 x 64", LONG_PREFILL(32, 4096, 64), .dtype = PONS_FLOAT16},
    {"attention float32 32 x 4096 x 128", LONG_PREFILL(32, 4096, 128), .dtype = PONS_FLOAT32},
    {"attention decode bfloat16 8192", LONG_DECODE(32, 8192, 128, 2), .dtype = PONS_BFLOAT16},
    {"attention decode float32 8192", LONG_DECODE(32, 8192, 128, 4), .dtype = PONS_FLOAT32},
    {"conv2d 32x56x56x64 3x3", CONV(run_conv, 0.85), .scales = true},
    {"conv2d gradient of input", CONV(run_conv_input_gradient, 0.75)},
    {"conv2d gradient of weight", CONV(run_conv_weight_gradient, 0.75)},
    {"depthwise conv2d 8x56x56x32 3x3", GROUPS(run_conv, 32, 32)},
    {"depthwise conv2d gradient of input", GROUPS(run_conv_input_gradient, 32, 32)},
    {"depthwise conv2d gradient of weight", GROUPS(run_conv_weight_gradient, 32, 32)},
    {"grouped conv2d 8x56x56x64 3x3", GROUPS(run_conv, 64, 16)},
    {"grouped conv2d gradient of input", GROUPS(run_conv_input_gradient, 64, 16)},
    {"grouped conv2d gradient of weight", GROUPS(run_conv_weight_gradient, 64, 16)},
    {"fft 2^20", PEER(prepare_fft, run_fft, 1 << 20)},
    {"fft 1024 x 1024", PEER(prepare_fft, run_fft2, 1024, 1024)},
    {"rfft 2^20", PEER(prepare_vectors, run_rfft, 1 << 20)},
    {"svd 512", PEER(prepare_square, run_svd, 512, 512)},
    {"qr 1024", PEER(prepare_square, run_qr, 1024, 1024)},
    {"cholesky 1024", PEER(prepare_positive, run_cholesky, 1024, 1024)},
    {"inverse 1024", PEER(prepare_positive, run_inverse, 1024, 1024)},
    {"solve 1024", PEER(prepare_positive, run_solve, 1024, 1024)},
    {"eigh 512", PEER(prepare_positive, run_eigh, 512, 512)},
    {"quantized 4-bit vector x 4096", GBS, CODES(1), .work = CODE_BYTES, .limit = LIMIT_READ,
     .most_limit = 60, AT_LEAST(1)},
    {"quantized 4-bit 64 x 4096", GFLOPS, CODES(64), .work = 2.0 * 64 * 4096 * 4096, .limit = LIMIT_FMA,
     AT_LEAST(0.50)},
    {"quantized 4-bit vector x 128256 x 4096 bfloat16", GBS, MODEL_CODES(run_quantized, 1, 128256, 4096, 0),
     .work = MODEL_BYTES(128256, 4096), .limit = LIMIT_READ},
    {"quantized 4-bit vector, 16 layers of 4096 bfloat16", GBS, MODEL_CODES(run_quantized_layers, 1, 4096, 4096, 16),
     .work = 16 * MODEL_BYTES(4096, 4096), .limit = LIMIT_READ},
    {"quantized 4-bit 8 rows, 16 layers of 4096 bfloat16", GBS, MODEL_CODES(run_quantized_layers, 8, 4096, 4096, 16),
     .work = 16 * MODEL_BYTES(4096, 4096), .limit = LIMIT_READ},
    {"quantized 4-bit 64 x 14336 x 4096 bfloat16", GFLOPS, MODEL_CODES(run_quantized, 64, 14336, 4096, 0),
     .work = 2.0 * 64 * 14336 * 4096},
    {"quantized 4-bit 1024 x 14336 x 4096 bfloat16", GFLOPS, MODEL_CODES(run_quantized, 1024, 14336, 4096, 0),
     .work = 2.0 * 1024 * 14336 * 4096},
    {"8192 rows, 128 experts of 768 x 2048 bfloat16", GFLOPS, EXPERTS(prepare_experts, run_experts, 8192, 768, 2048, 128)},
    {"quantized 4-bit 8192 rows, 128 experts of 768 x 2048 bfloat16", GFLOPS,
     EXPERTS(prepare_quantized_experts, run_quantized_experts, 8192, 768, 2048, 128)},

    {"1,000 scalar adds, lazy", MS, .prepare = prepare_tiny, .round = round_lazy_adds, VALUE_AT_MOST(0.3)},
    {"1,000 scalar adds, compiled", MS, .prepare = prepare_adds, .round = round_call, VALUE_AT_MOST(0.03)},
    {"graph of 10,000 nodes", MS, .prepare = prepare_tiny, .round = round_graph, VALUE_AT_MOST(2)},
    {"start to first result", MS, .round = round_process, VALUE_AT_MOST(10)},
    {"size of the stripped library", .unit = "MB", .value = library_size, VALUE_AT_MOST(3)},
    {"MLP 784-256-10 training, batch 256", .unit = "steps/s", .is_rate = true, .scale = 1, .work = 1,
     .prepare = prepare_mlp, .round = round_step, .finish = finish_training, VALUE_AT_LEAST(2000)},
    {"GPT training", .unit = "tokens/s", .is_rate = true, .scale = 1, .work = 8 * 256, .prepare = prepare_gpt,
     .round = round_step, .finish = finish_training, .limit = LIMIT_PEER, AT_LEAST(1.3)},
    {"GPT training, peak memory", .unit = "MB", .prepare = prepare_gpt, .value = gpt_memory,
     .finish = finish_training, .limit = LIMIT_PEER, AT_MOST(1)},

    /* What the library itself costs, and a whole small network: no goals, to see what a change does. */
    {"node, made and freed", NS, .prepare = prepare_tiny, .round = round_nodes},
    {"one small op, called and computed", NS, .prepare = prepare_tiny, .round = round_one_op},
    {"eval, 10,000 elementwise nodes", MS, .prepare = prepare_tiny, .round = round_eval_waves},
    {"eval, 10,000 products (4, 4)", MS, .prepare = prepare_tiny, .round = round_eval_products},
    {"replay of 200 calls, null device", NS, .prepare = prepare_products, .round = round_replay_nothing},
    {"replay of 200 kernels and calls", NS, .prepare = prepare_mixed, .round = round_call},
    {"digits network, training step", MS, .prepare = prepare_digits_training, .round = round_digits_step,
     .finish = finish_digits},
    {"digits network, compiled", MS, .prepare = prepare_digits_inference, .round = round_call,
     .finish = finish_digits},
    {0}};
