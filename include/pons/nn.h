/* nn.h: layers, losses and initialisers over named parameters. */
#ifndef PONS_NN_H
#define PONS_NN_H
#include <pons/io.h>
#include <pons/transforms.h>
#endif
