/* gguf_fuzz.c: any bytes are an .gguf file or an error. */
#include "load_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) { return read_as("gguf", bytes, count); }
