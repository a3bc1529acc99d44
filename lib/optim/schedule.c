/* schedule.c: the learning rate at a step, with the formulas of mlx.optimizers.schedulers. */
#include <pons/optim.h>
#include <math.h>

static int64_t at_most(int64_t step, int64_t limit) { return step < limit ? step : limit; }

double pons_exponential_decay(double start, double decay, int64_t step) {
  return start * pow(decay, (double)step);
}

double pons_step_decay(double start, double decay, int64_t step_size, int64_t step) {
  return start * pow(decay, (double)(step / (step_size > 0 ? step_size : 1)));
}

double pons_cosine_decay(double start, int64_t decay_steps, double end, int64_t step) {
  if (decay_steps < 1) return end;
  const double pi = 3.14159265358979323846;
  const double decay = 0.5 * (1 + cos(pi / (double)decay_steps * (double)at_most(step, decay_steps)));
  return end + decay * (start - end);
}

double pons_linear_schedule(double start, double end, int64_t steps, int64_t step) {
  if (steps < 1) return end;
  return (double)at_most(step, steps) * ((end - start) / (double)steps) + start;
}
