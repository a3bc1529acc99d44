/* cuda_text.c: a kernel in CUDA C++ made callable by Pons' launches. Its function becomes one that an entry of
   its name calls, with the arguments MLX gives it: per input its pointer and, where they are asked for,
   shape, strides and number of axes; the results. What it includes of MLX's and NVIDIA's is in mlx_cuda.h.
   Uses cuda_text.h. */
#include "backends/cuda/cxx/cuda_text.h"
#include <ctype.h>

static bool starts(const char *s, const char *word) { return strncmp(s, word, strlen(word)) == 0; }

/* In front of a line; NULL: the line is as it is. */
static error *check_include(const custom_kernel_params *p, const char *line, bool *drop) {
  static const char *const own[] = {"\"mlx/backend/cuda/device/utils.cuh\"", "<cooperative_groups.h>",
                                    "<cooperative_groups/reduce.h>", "<cuda_fp16.h>", "<cuda_bf16.h>"};
  while (*line == ' ' || *line == '\t') line++;
  if (*line++ != '#') return NULL;
  while (*line == ' ' || *line == '\t') line++;
  if (!starts(line, "include")) return NULL;
  line += strlen("include");
  while (*line == ' ' || *line == '\t') line++;
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    if (starts(line, own[i])) return *drop = true, NULL;
  return fail_as(PONS_ERROR_RUNTIME, "custom_kernel",
                 "'%s': #include %.*s: there are no files beside a kernel's text", p->name.at,
                 (int)strcspn(line, "\n"), line);
}

/* A word that does not stand in a function that is called. */
static size_t dropped_word(const char *s, const char *text) {
  static const char *const words[] = {"__global__", "__grid_constant__"};
  if (s > text && (isalnum((unsigned char)s[-1]) || s[-1] == '_')) return 0;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (starts(s, words[i])) return strlen(words[i]);
  return 0;
}

static error *copy_text(const custom_kernel_params *p, text *out) {
  const char *s = p->source.at;
  bool at_line = true;
  while (*s) {
    bool drop = false;
    if (at_line) {
      error *why = check_include(p, s, &drop);
      if (why) return why;
    }
    const size_t word = drop ? strcspn(s, "\n") : dropped_word(s, p->source.at);
    if (!word) text_add_bytes(out, s, 1);
    at_line = !word && *s == '\n';
    s += word ? word : 1;
  }
  return NULL;
}

static void memories(text *out, int n) {
  for (int i = 0; i < n; i++) text_add(out, "void *memory_%d, ", i);
}

static void pass_memory(text *out, int place, int bytes) {
  text_add(out, "argument_pointer{(const char *)memory_%d + v.at[%d] * %d}", place, place, bytes);
}

error *cuda_text(const custom_kernel_params *p, int n_in, int n_out, const int *in_ndim, const int *in_bytes,
                 const int *out_bytes, text *out) {
  error *why = copy_text(p, out);
  if (why) return why;
  int number = n_in + n_out + 12;
  text_add(out, "\nextern \"C\" __global__ void %s(", p->name.at);
  memories(out, n_in + n_out);
  text_add(out, "NUMBERS) {\n  mlx::core::cu::%s(", p->name.at);
  for (int i = 0; i < n_in; i++) {
    text_add(out, i ? ",\n      " : "\n      ");
    pass_memory(out, n_out + i, in_bytes[i]);
    const int64_t *asked = p->shape_infos.at + 3 * i;
    if (asked[0])
      text_add(out, ",\n      argument_list<mlx::core::cu::Shape>((const int *)&v.at[v.at[%d]], %d)",
               number++, in_ndim[i]);
    if (asked[1])
      text_add(out, ",\n      argument_list<mlx::core::cu::Strides>((const int64_t *)&v.at[v.at[%d]], %d)",
               number++, in_ndim[i]);
    if (asked[2]) text_add(out, ",\n      (int)v.at[%d]", number++);
  }
  for (int i = 0; i < n_out; i++) {
    text_add(out, i || n_in ? ",\n      " : "\n      ");
    pass_memory(out, i, out_bytes[i]);
  }
  text_add(out, ");\n}\n");
  return out->failed ? fail_no_memory("custom_kernel") : NULL;
}
