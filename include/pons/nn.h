/* nn.h: layers, activations, losses and initialisers, as mlx.nn has them.

   A model is C code over named parameters: <layer>_init adds a layer's parameters under a prefix ("conv1"
   gives "conv1.weight", "conv1.bias"), the function of the layer's name computes with them. Images are
   channels last. Nothing here has state of its own, so gradients, vmap, compile and export go through. */
#ifndef PONS_NN_H
#define PONS_NN_H
#include <pons/io.h>
#include <pons/ops.h>
#include <pons/random.h>
#include <pons/transforms.h>
#ifdef __cplusplus
extern "C" {
#endif

/* ---- layers -------------------------------------------------------------------------------------------- */
/* The _init functions return false and an error if a name is too long or there is no memory. A key of NULL
   takes the next one of the thread (pons_random_seed). */

/* weight (out, in) and bias (out), uniform in +-1/sqrt(in): y = x weightT + bias */
PONS_API bool pons_linear_init(pons_named p, const char *prefix, int64_t in, int64_t out, bool bias,
                               pons_array key);
PONS_API pons_array pons_linear(pons_named p, const char *prefix, pons_array x);

/* weight (out, size..., in / groups) uniform in +-1/sqrt(in / groups * prod(size)), bias (out) zeros */
struct pons_conv_init_args {
  pons_named p;
  const char *prefix;
  int64_t in, out;
  pons_shape size; /* of the kernel: one per spatial axis */
  int groups;      /* 0: 1 */
  bool no_bias;
  pons_array key;
};
#define pons_conv_init(...) pons_conv_init_with((struct pons_conv_init_args){.p = __VA_ARGS__})
PONS_API bool pons_conv_init_with(struct pons_conv_init_args args);
/* args.x is the input; args.weight is taken from `p`. pons_conv_layer(p, "conv1", x, .padding =
   PONS_AXES(1)) */
#define pons_conv_layer(p, prefix, ...) pons_conv_layer_with(p, prefix, (struct pons_conv_args){.x = __VA_ARGS__})
PONS_API pons_array pons_conv_layer_with(pons_named p, const char *prefix, struct pons_conv_args args);

/* weight (n) ones, bias (n) zeros; over the last axis */
PONS_API bool pons_layer_norm_init(pons_named p, const char *prefix, int64_t n, bool bias);
PONS_API pons_array pons_layer_norm(pons_named p, const char *prefix, pons_array x, float eps);
PONS_API bool pons_rms_norm_init(pons_named p, const char *prefix, int64_t n);
PONS_API pons_array pons_rms_norm(pons_named p, const char *prefix, pons_array x, float eps);
/* x (N, ..., C): channel c belongs to group c % groups, as in MLX by default */
PONS_API bool pons_group_norm_init(pons_named p, const char *prefix, int64_t channels);
PONS_API pons_array pons_group_norm(pons_named p, const char *prefix, pons_array x, int groups, float eps);
/* weight, bias, running_mean, running_var (n): batch statistics when training, and the running ones moved
   towards them in `moved` (a collection of the caller's, NULL: not wanted); the running ones otherwise. */
PONS_API bool pons_batch_norm_init(pons_named p, const char *prefix, int64_t n);
PONS_API pons_array pons_batch_norm(pons_named p, const char *prefix, pons_array x, bool training,
                                    float momentum, float eps, pons_named moved);
/* weight (count, n), normal with std 1/sqrt(n); ids of any integer dtype give ids' shape + (n) */
PONS_API bool pons_embedding_init(pons_named p, const char *prefix, int64_t count, int64_t n, pons_array key);
PONS_API pons_array pons_embedding(pons_named p, const char *prefix, pons_array ids);
/* query_proj, key_proj, value_proj, out_proj without bias: dims to dims */
PONS_API bool pons_attention_init(pons_named p, const char *prefix, int64_t dims, pons_array key);
/* Multi-head attention (arXiv:1706.03762): q, k, v (batch, length, dims); mask is added or bool, may be
   NULL */
PONS_API pons_array pons_attention(pons_named p, const char *prefix, pons_array q, pons_array k, pons_array v,
                                   int heads, pons_array mask);
/* Zeroes each element with probability `rate` and scales the rest; key is needed. */
PONS_API pons_array pons_dropout(pons_array x, float rate, pons_array key);
/* x (N, H, W, C); stride 0: the window's size; no padding */
PONS_API pons_array pons_max_pool2d(pons_array x, int size, int stride);
PONS_API pons_array pons_avg_pool2d(pons_array x, int size, int stride);

/* ---- activations --------------------------------------------------------------------------------------- */

PONS_API pons_array pons_relu(pons_array x);
PONS_API pons_array pons_relu6(pons_array x);
PONS_API pons_array pons_leaky_relu(pons_array x, float slope);
PONS_API pons_array pons_elu(pons_array x, float alpha);
PONS_API pons_array pons_selu(pons_array x);
PONS_API pons_array pons_celu(pons_array x, float alpha);
PONS_API pons_array pons_silu(pons_array x);
PONS_API pons_array pons_gelu(pons_array x);             /* with erf */
PONS_API pons_array pons_gelu_approx(pons_array x);      /* with tanh */
PONS_API pons_array pons_gelu_fast_approx(pons_array x); /* x sigmoid(1.702 x) */
PONS_API pons_array pons_softplus(pons_array x);
PONS_API pons_array pons_softsign(pons_array x);
PONS_API pons_array pons_mish(pons_array x);
PONS_API pons_array pons_hardswish(pons_array x);
PONS_API pons_array pons_log_sigmoid(pons_array x);
PONS_API pons_array pons_log_softmax(pons_array x, int axis);
PONS_API pons_array pons_glu(pons_array x, int axis);

/* ---- losses -------------------------------------------------------------------------------------------- */

typedef enum pons_reduction { PONS_REDUCE_NONE, PONS_REDUCE_MEAN, PONS_REDUCE_SUM } pons_reduction;
/* targets: class indices (logits' shape without the axis) or probabilities (logits' shape); weights and
   smoothing at wish */
struct pons_cross_entropy_args {
  pons_array logits, targets;
  pons_array weights;
  int axis; /* as given; 0 with more than one axis means the last */
  float label_smoothing;
  pons_reduction reduction;
};
#define pons_cross_entropy(...) pons_cross_entropy_with((struct pons_cross_entropy_args){.logits = __VA_ARGS__})
PONS_API pons_array pons_cross_entropy_with(struct pons_cross_entropy_args args);
PONS_API pons_array pons_mse_loss(pons_array predictions, pons_array targets, pons_reduction reduction);
PONS_API pons_array pons_l1_loss(pons_array predictions, pons_array targets, pons_reduction reduction);
PONS_API pons_array pons_smooth_l1_loss(pons_array predictions, pons_array targets, float beta,
                                        pons_reduction reduction);
PONS_API pons_array pons_huber_loss(pons_array predictions, pons_array targets, float delta,
                                    pons_reduction reduction);
PONS_API pons_array pons_nll_loss(pons_array log_probabilities, pons_array targets, pons_reduction reduction);
PONS_API pons_array pons_kl_div_loss(pons_array log_inputs, pons_array log_targets, int axis,
                                     pons_reduction reduction);
PONS_API pons_array pons_hinge_loss(pons_array predictions, pons_array targets, pons_reduction reduction);
PONS_API pons_array pons_binary_cross_entropy(pons_array logits, pons_array targets,
                                              pons_reduction reduction);

/* ---- initialisers: float32 arrays of `shape` ----------------------------------------------------------- */

PONS_API pons_array pons_init_constant(pons_shape shape, double value);
PONS_API pons_array pons_init_normal(pons_shape shape, double mean, double std, pons_array key);
PONS_API pons_array pons_init_uniform(pons_shape shape, double low, double high, pons_array key);
PONS_API pons_array pons_init_identity(int64_t n);
/* Glorot and Bengio 2010; fan counts as in mlx.nn.init */
PONS_API pons_array pons_init_glorot_uniform(pons_shape shape, double gain, pons_array key);
PONS_API pons_array pons_init_glorot_normal(pons_shape shape, double gain, pons_array key);
/* He et al. 2015, arXiv:1502.01852; fan_in or fan_out */
PONS_API pons_array pons_init_he_uniform(pons_shape shape, bool fan_out, double gain, pons_array key);
PONS_API pons_array pons_init_he_normal(pons_shape shape, bool fan_out, double gain, pons_array key);

/* ---- gradients over named parameters ------------------------------------------------------------------- */

/* A scalar from parameters and inputs. */
typedef pons_array (*pons_loss)(void *payload, pons_named parameters, const pons_array *in, int n_in);
/* The loss, and its gradient for each parameter, set in `gradients` under the parameter's name. The loss
   carries the error if there is one; then `gradients` is as it was. */
PONS_API pons_array pons_nn_value_and_grad(pons_loss loss, void *payload, pons_named parameters,
                                           const pons_array *in, int n_in, pons_named gradients);
/* What a model computes from parameters and inputs, as a function of the inputs with the parameters captured
   as they are now: for compile and export. */
typedef pons_array (*pons_model)(void *payload, pons_named parameters, const pons_array *in, int n_in);
PONS_API pons_function pons_nn_function(pons_model model, void *payload, pons_named parameters);

#ifdef __cplusplus
}
#endif
#endif
