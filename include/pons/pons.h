/* pons.h: the whole public interface, in the order a user meets it. Plain C11; compiles as C++ too. */
#ifndef PONS_H
#define PONS_H
#include <pons/array.h>
#include <pons/ops.h>
#include <pons/aliases.h>
#include <pons/index.h>
#include <pons/fast.h>
#include <pons/fft.h>
#include <pons/linalg.h>
#include <pons/random.h>
#include <pons/quantized.h>
#include <pons/eval.h>
#include <pons/transforms.h>
#include <pons/export.h>
#include <pons/device.h>
#include <pons/distributed.h>
#include <pons/io.h>
#include <pons/nn.h>
#include <pons/optim.h>
#endif
