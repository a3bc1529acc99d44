/* dialect_source.c: writes a custom kernel in the dialect of backends/gpu/ around the body that the user gives.

   For an array `a` of float16 and a template argument `T`, in front of the header:
       typedef float16_element a_t; ...      element, value, load and store, which the backend defines per dtype
   and behind it, for an output `o` and an input `a`:
       KERNEL custom_kernel_name(GLOBAL o_t *o_memory, GLOBAL const a_t *a_memory, NUMBERS) {
         ...                             numbers get names
         GLOBAL o_t *o = o_memory + o_place; ...
   The numbers are those of gpu_custom_text (gpu.h). Uses kernel_source.h. */
#include "ops/kernel_source.h"

/* The dtype's names for those of a role. */
static void role(text *t, const char *name, const char *of, pons_dtype d) {
  const char *dtype = pons_dtype_name(d);
  text_add(t, "typedef %s_element %s%s;\ntypedef %s_element_value %s%s_value;\n", dtype, name, of, dtype,
           name, of);
  text_add(t, "#define %s%s_load(x) %s_element_load(x)\n#define %s%s_store(x) %s_element_store(x)\n", name,
           of, dtype, name, of, dtype);
}

static void template_values(text *t, const struct pons_kernel_args *a) {
  for (int i = 0; i < a->n_template_arguments; i++) {
    const struct pons_kernel_argument *v = &a->template_arguments[i];
    if (v->kind == PONS_KERNEL_DTYPE)
      role(t, v->name, "", v->dtype);
    else /* the dialect has macros of its own, such as N */
      text_add(t, "#undef %s\n#define %s (%d)\n", v->name, v->name,
               v->kind == PONS_KERNEL_BOOL ? v->number != 0 : v->number);
  }
}

/* Places and sizes of the grid: the groups of a launch may be only some of it. */
static void grid(text *t, int first) {
  for (int d = 0; d < 3; d++)
    text_add(
        t,
        "  const int64_t group_id_%d = v.at[%d] + GROUP_ID(%d), group_count_%d = v.at[%d], thread_count_%d = "
        "v.at[%d],\n      thread_id_%d = group_id_%d * v.at[%d] + LOCAL_ID(%d);\n",
        d, first + d, d, d, first + 3 + d, d, first + 9 + d, d, d, first + 6 + d, d);
  text_add(t,
           "#undef GROUP_ID\n#undef GROUP_COUNT\n#undef GLOBAL_ID\n"
           "#define GROUP_ID(d) group_id_##d\n#define GROUP_COUNT(d) group_count_##d\n"
           "#define THREAD_ID(d) thread_id_##d\n#define THREAD_COUNT(d) thread_count_##d\n"
           "#define GLOBAL_ID thread_id_0\n");
}

static void shapes(text *t, const struct pons_kernel_args *a, int number) {
  static const char *const lists[] = {"_shape", "_strides"};
  for (int i = 0; i < a->n_inputs; i++) {
    const char *name = a->input_names[i];
    for (int k = 0; k < 2; k++)
      if (kernel_mentions(a->source, name, lists[k]))
        text_add(t, "  VALUES %s%s = v.at + v.at[%d];\n", name, lists[k], number++);
    if (kernel_mentions(a->source, name, "_ndim"))
      text_add(t, "  const int %s_ndim = (int)v.at[%d];\n", name, number++);
  }
}

/* Results, then inputs: "GLOBAL o_t *" and the like, and what stands behind. */
static void arrays(text *t, const struct pons_kernel_args *a, bool as_parameters) {
  for (int i = 0; i < a->n_outputs + a->n_inputs; i++) {
    const bool input = i >= a->n_outputs;
    const char *name = input ? a->input_names[i - a->n_outputs] : a->output_names[i];
    text_add(t, "  GLOBAL %s%s_t *%s", input ? "const " : "", name, name);
    if (as_parameters)
      text_add(t, "_memory,\n");
    else
      text_add(t, " = %s_memory + %s_place;\n", name, name);
  }
}

static void places(text *t, const struct pons_kernel_args *a) {
  for (int i = 0; i < a->n_outputs + a->n_inputs; i++)
    text_add(t, "  const int64_t %s_place = v.at[%d];\n",
             i < a->n_outputs ? a->output_names[i] : a->input_names[i - a->n_outputs], i);
}

/* Numbers are called v in the dialect; an array may be, too. */
void kernel_text_dialect(kernel_text *k, const struct pons_kernel_args *a) {
  text *t = &k->source;
  const int first = a->n_inputs + a->n_outputs;
  text_add(&k->name, "custom_kernel_%s", a->name);
  text_add(t, DIALECT_TEXT);
  for (int i = 0; i < a->n_outputs; i++) role(t, a->output_names[i], "_t", a->output_dtypes[i]);
  for (int i = 0; i < a->n_inputs; i++) role(t, a->input_names[i], "_t", dtype_of(a->inputs[i]));
  template_values(t, a);
  text_add(t, "%s\n#define v numbers_of_launch\nKERNEL %s(\n", a->header ? a->header : "",
           k->name.at ? k->name.at : "");
  arrays(t, a, true);
  text_add(t, "  NUMBERS) {\n");
  places(t, a);
  grid(t, first);
  shapes(t, a, first + 12);
  text_add(t, "#undef v\n");
  arrays(t, a, false);
  text_add(t, "%s\n}\n", a->source);
}
