/* npy_fuzz.c: any bytes are an .npy file or an error. */
#include "load_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) { return read_as("npy", bytes, count); }
