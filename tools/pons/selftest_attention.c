/* selftest_attention.c: checks of attention and its gradients. */
#include "selftest_checks.h"

static pons_array attention(bool large, pons_dtype dtype, int64_t queries, bool causal, pons_dtype mask) {
  const int64_t keys = PICK(37, 300), dim = PICK(20, 64);
  pons_array m = NULL;
  if (mask == PONS_BOOL)
    m = pons_greater(normal(PONS_SHAPE(queries, keys), PONS_FLOAT32, 63), pons_float(0));
  else if (mask == PONS_FLOAT32)
    m = normal(PONS_SHAPE(1, 4, queries, keys), dtype, 64);
  return pons_fast_scaled_dot_product_attention(normal(PONS_SHAPE(2, 4, queries, dim), dtype, 60),
                                                normal(PONS_SHAPE(2, 2, keys, dim), dtype, 61),
                                                normal(PONS_SHAPE(2, 2, keys, dim + 4), dtype, 62),
                                                .mask = m, .causal = causal);
}
CHECK(attention_of_one) { return attention(large, dtype, 1, false, PONS_INT8); }
CHECK(attention_causal) { return attention(large, dtype, PICK(19, 100), true, PONS_INT8); }
CHECK(attention_bool_mask) { return attention(large, dtype, PICK(19, 100), false, PONS_BOOL); }
CHECK(attention_added_mask) { return attention(large, dtype, PICK(19, 100), false, PONS_FLOAT32); }

/* As language models have it: heads that share keys, (batch, length, heads, features) in memory, features of each size that kernels are
   made for. */
static pons_array heads_of(int64_t length, int64_t heads, int64_t features, pons_dtype dtype, int seed) {
  return pons_swapaxes(normal(PONS_SHAPE(1, length, heads, features), dtype, seed), 1, 2);
}
static pons_array model_attention(pons_dtype dtype, int64_t queries, int64_t keys, int64_t dim, bool causal) {
  return pons_fast_scaled_dot_product_attention(heads_of(queries, 6, dim, dtype, 65), heads_of(keys, 2, dim, dtype, 66),
                                                heads_of(keys, 2, dim, dtype, 67), .causal = causal);
}
CHECK(attention_prefill_64) { return model_attention(dtype, PICK(37, 700), PICK(37, 700), 64, true); }
CHECK(attention_prefill_80) { return model_attention(dtype, PICK(21, 260), PICK(37, 300), 80, false); }
CHECK(attention_prefill_96) { return model_attention(dtype, PICK(21, 260), PICK(37, 300), 96, true); }
CHECK(attention_prefill_128) { return model_attention(dtype, PICK(37, 700), PICK(37, 700), 128, true); }
CHECK(attention_prefill_192) { return model_attention(dtype, PICK(21, 130), PICK(37, 300), 192, true); }
CHECK(attention_prefill_256) { return model_attention(dtype, PICK(21, 130), PICK(37, 300), 256, true); }
/* Heads enough for kernels whose blocks are large. */
static pons_array many_heads(bool large, pons_dtype dtype, int64_t dim, bool causal) {
  const int64_t heads = PICK(3, 140), keys = PICK(37, 150);
  return pons_fast_scaled_dot_product_attention(normal(PONS_SHAPE(1, heads, PICK(19, 130), dim), dtype, 96),
                                                normal(PONS_SHAPE(1, heads, keys, dim), dtype, 97),
                                                normal(PONS_SHAPE(1, heads, keys, dim), dtype, 98), .causal = causal);
}
CHECK(attention_many_heads_64) { return many_heads(large, dtype, 64, true); }
CHECK(attention_many_heads_128) { return many_heads(large, dtype, 128, false); }
CHECK(attention_many_heads_256) { return many_heads(large, dtype, 256, true); }
CHECK(attention_decode_64) { return model_attention(dtype, 1, PICK(333, 5000), 64, false); }
CHECK(attention_decode_128) { return model_attention(dtype, 1, PICK(333, 5000), 128, false); }
CHECK(attention_decode_some) { return model_attention(dtype, PICK(3, 8), PICK(333, 1000), 128, true); }
CHECK(attention_sinks) {
  const int64_t n = PICK(37, 500);
  return pons_fast_scaled_dot_product_attention(heads_of(n, 6, 64, dtype, 65), heads_of(n, 2, 64, dtype, 66),
                                                heads_of(n, 2, 64, dtype, 67), .sinks = normal(PONS_SHAPE(6), dtype, 68),
                                                .mask = pons_greater(normal(PONS_SHAPE(n, n), PONS_FLOAT32, 69), pons_float(0)));
}

/* Gradients of the same. */
typedef struct attention_call {
  bool causal;
  pons_array mask;
} attention_call;
static void attention_at(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  const attention_call *c = payload;
  (void)n_in, (void)n_out;
  out[0] = pons_fast_scaled_dot_product_attention(in[0], in[1], in[2], .causal = c->causal, .mask = c->mask);
}
static pons_array model_attention_gradients(pons_dtype dtype, int64_t n, int64_t dim, attention_call c) {
  return gradients(attention_at, &c, (pons_array[]){heads_of(n, 6, dim, dtype, 65), heads_of(n, 2, dim, dtype, 66),
                                                    heads_of(n, 2, dim, dtype, 67)}, 3);
}
CHECK(attention_gradients_64) { return model_attention_gradients(dtype, PICK(37, 260), 64, (attention_call){.causal = true}); }
CHECK(attention_gradients_128) { return model_attention_gradients(dtype, PICK(37, 200), 128, (attention_call){.causal = true}); }
CHECK(attention_gradients_bool_mask) {
  const int64_t n = PICK(37, 200);
  return model_attention_gradients(
      dtype, n, 64, (attention_call){.mask = pons_greater(normal(PONS_SHAPE(n, n), PONS_FLOAT32, 69), pons_float(0))});
}
CHECK(attention_gradients_added_mask) {
  const int64_t n = PICK(37, 200);
  return model_attention_gradients(dtype, n, 64, (attention_call){.mask = normal(PONS_SHAPE(1, 6, n, n), dtype, 64)});
}

const check attention_checks[] = {
    CLOSE(attention_of_one, PONS_FLOAT32, HALVES),
    CLOSE(attention_causal, PONS_FLOAT32, HALVES),
    CLOSE(attention_bool_mask, PONS_FLOAT32, HALVES),
    CLOSE(attention_added_mask, PONS_FLOAT32, HALVES),
    ABOUT(attention_prefill_64, PONS_BFLOAT16, HALVES | IN(PONS_FLOAT32)),
    ABOUT(attention_prefill_80, PONS_BFLOAT16, HALVES),
    ABOUT(attention_prefill_96, PONS_FLOAT16, HALVES),
    ABOUT(attention_prefill_128, PONS_BFLOAT16, HALVES | IN(PONS_FLOAT32)),
    ABOUT(attention_prefill_192, PONS_BFLOAT16, HALVES),
    ABOUT(attention_prefill_256, PONS_BFLOAT16, HALVES),
    ABOUT(attention_many_heads_64, PONS_FLOAT16, HALVES),
    ABOUT(attention_many_heads_128, PONS_BFLOAT16, HALVES),
    ABOUT(attention_many_heads_256, PONS_BFLOAT16, HALVES),
    ABOUT(attention_decode_64, PONS_FLOAT16, HALVES | IN(PONS_FLOAT32)),
    ABOUT(attention_decode_128, PONS_BFLOAT16, HALVES | IN(PONS_FLOAT32)),
    ABOUT(attention_decode_some, PONS_BFLOAT16, HALVES | IN(PONS_FLOAT32)),
    ABOUT(attention_sinks, PONS_BFLOAT16, HALVES | IN(PONS_FLOAT32)),
    ABOUT(attention_gradients_64, PONS_BFLOAT16, IN(PONS_FLOAT32)),
    ABOUT(attention_gradients_128, PONS_BFLOAT16, 0),
    ABOUT(attention_gradients_bool_mask, PONS_BFLOAT16, 0),
    ABOUT(attention_gradients_added_mask, PONS_FLOAT16, 0),
    NO_MORE,
};
