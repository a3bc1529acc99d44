/* optim.h: optimisers, schedules, gradient clipping, and a compiled training step, over named parameters.

   An optimiser is its settings, a struct made by a macro: pons_optimizer o = pons_adam(.learning_rate =
   1e-3). What it remembers lies in a collection of the caller's ("conv1.weight.m", "step"), so that it can be
   saved beside the parameters. */
#ifndef PONS_OPTIM_H
#define PONS_OPTIM_H
#include <pons/nn.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef enum pons_optimizer_kind { PONS_SGD, PONS_ADAM, PONS_ADAMW } pons_optimizer_kind;
typedef struct pons_optimizer {
  pons_optimizer_kind kind;
  double learning_rate;
  /* SGD: added to the gradient; AdamW: taken off the parameter, 0: 0.01, below 0: none */
  double weight_decay;
  double momentum, dampening;
  bool nesterov;
  double beta1, beta2, eps; /* 0: 0.9, 0.999, 1e-8 */
  bool bias_correction;     /* Adam and AdamW; as in MLX off when left out */
} pons_optimizer;
#define pons_sgd(...) ((pons_optimizer){.kind = PONS_SGD, __VA_ARGS__})
/* Kingma and Ba 2015, arXiv:1412.6980 */
#define pons_adam(...) ((pons_optimizer){.kind = PONS_ADAM, __VA_ARGS__})
/* Loshchilov and Hutter 2019, arXiv:1711.05101 */
#define pons_adamw(...) ((pons_optimizer){.kind = PONS_ADAMW, __VA_ARGS__})

/* Puts the moved parameters in the place of the old ones; nothing is evaluated. `rate` is a scalar array that
   stands for o->learning_rate, or NULL. `state` grows what it needs at the first call. */
PONS_API bool pons_optimizer_update(const pons_optimizer *o, pons_named parameters, pons_named gradients,
                                    pons_named state, pons_array rate);
/* Scales all gradients so that their common norm is at most `max_norm`; returns the norm before. */
PONS_API pons_array pons_clip_grad_norm(pons_named gradients, double max_norm);
/* Computes all arrays of the collections; any may be NULL. */
PONS_API bool pons_eval_named(pons_named a, pons_named b);

/* ---- schedules: the learning rate at a step, as mlx.optimizers has them -------------------------------- */
/* Joined, they are C: step < 100 ? pons_linear_schedule(0, 1e-3, 100, step) : pons_cosine_decay(1e-3, 900, 0,
   step - 100) */

PONS_API double pons_exponential_decay(double start, double decay, int64_t step);
PONS_API double pons_step_decay(double start, double decay, int64_t step_size, int64_t step);
PONS_API double pons_cosine_decay(double start, int64_t decay_steps, double end, int64_t step);
PONS_API double pons_linear_schedule(double start, double end, int64_t steps, int64_t step);

/* ---- a training step ----------------------------------------------------------------------------------- */

/* Loss, gradients and update as one compiled function: traced at the first step of a shape, then replayed. */
typedef struct pons_trainer_s *pons_trainer;
/* Works on `parameters` and `state` in place; both must outlive it. max_norm 0: gradients are not clipped. */
PONS_API pons_trainer pons_trainer_new(pons_loss loss, void *payload, pons_named parameters, pons_named state,
                                       pons_optimizer optimizer, double max_norm);
/* One step at learning rate `rate` (0: the optimiser's own); returns the loss before the step. Evaluated or
   on its way. */
PONS_API pons_array pons_trainer_step(pons_trainer t, const pons_array *in, int n_in, double rate);
PONS_API void pons_trainer_free(pons_trainer t);

#ifdef __cplusplus
}
#endif
#endif
