/* optim.h: optimisers, schedules and gradient clipping over named parameters. */
#ifndef PONS_OPTIM_H
#define PONS_OPTIM_H
#include <pons/nn.h>
#endif
