/* transforms.h: functions of arrays, and functions made from functions: gradients, batches, compiled plans.

   A pons_function is reference-counted; what makes one gives it to the caller, who ends it with
   pons_function_release. A transform holds on to the function it is made from. Transforms compose in any
   order and to any depth. */
#ifndef PONS_TRANSFORMS_H
#define PONS_TRANSFORMS_H
#include <pons/array.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct pons_function_s *pons_function;

/* Fills out[0 .. n_out) from in[0 .. n_in). Results are scope-owned, as always. */
typedef void (*pons_callback)(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out);

/* A function with `n_out` results that calls `callback` with `payload`; `destroy(payload)` when it ends (may
   be NULL). */
PONS_API pons_function pons_function_new(pons_callback callback, int n_out, void *payload,
                                         void (*destroy)(void *));
PONS_API pons_function pons_function_keep(pons_function f);
PONS_API void pons_function_release(pons_function f); /* NULL is fine */
/* What a call gives, being filled. */
typedef struct pons_results_s *pons_results;
/* One more result, behind those added before. */
PONS_API void pons_results_add(pons_results results, pons_array a);
/* A number that goes with these results, 0 if it is never set: transforms pass on that of the function they
   call, and a compiled function gives it again whenever it replays what it traced. */
PONS_API void pons_results_set_tag(pons_results results, int64_t tag);
/* Adds as many results as there turn out to be. To fail, add an array that carries an error (pons_fail). */
typedef void (*pons_open_callback)(void *payload, const pons_array *in, int n_in, pons_results results);
/* The same for a function that is called to know how many results it has: once for each call or trace. */
PONS_API pons_function pons_function_new_open(pons_open_callback callback, void *payload,
                                              void (*destroy)(void *));

/* How many results f gives for these inputs; where only calling it can tell, it is called on placeholders
   like them. -1 and an error if it takes no such inputs. */
PONS_API int pons_function_outputs(pons_function f, const pons_array *in, int n_in);
/* Calls f, which must have n_out results. False if a result carries an error; the results carry it then
   too. */
PONS_API bool pons_call(pons_function f, const pons_array *in, int n_in, pons_array *out, int n_out);
/* Calls f however many results it has: the count, with *out, a list to be freed with pons_free, of results owned
   as always, and *tag (may be NULL). -1 and an error: then *out is NULL. */
PONS_API int pons_call_open(pons_function f, const pons_array *in, int n_in, pons_array **out, int64_t *tag);
/* A function of one array, called and its single result returned: y = f(x). */
PONS_API pons_array pons_apply(pons_function f, pons_array x);

/* d f(in)[0] / d in[i] for each i of argnums (left out: argument 0); f's first result must be a scalar. */
PONS_API pons_function pons_grad(pons_function f, pons_axes argnums);
/* The results of f, then the gradients. */
PONS_API pons_function pons_value_and_grad(pons_function f, pons_axes argnums);
/* Results of f at `primals` in out[n_out], and the products of `cotangents` (one per result) with the
   Jacobian in grads[n_in]. */
PONS_API bool pons_vjp(pons_function f, const pons_array *primals, int n_in, const pons_array *cotangents,
                       int n_out, pons_array *out, pons_array *grads);
/* The same however many results f has: their count, with *out, a list to be freed with pons_free: the results,
   then the n_in gradients. There is a cotangent for each result but those that are pons_stop_gradient's; more
   are not looked at. -1 and an error: then *out is NULL. */
PONS_API int pons_vjp_open(pons_function f, const pons_array *primals, int n_in, const pons_array *cotangents,
                           int n_cotangents, pons_array **out);
/* Results of f at `primals` in out[n_out], and the products of the Jacobian with `tangents` in
   out_tangents[n_out]. */
PONS_API bool pons_jvp(pons_function f, const pons_array *primals, const pons_array *tangents, int n_in,
                       int n_out, pons_array *out, pons_array *out_tangents);
/* The same however many results f has: their count, with *out, a list to be freed with pons_free: the results,
   then as many tangents. -1 and an error: then *out is NULL. */
PONS_API int pons_jvp_open(pons_function f, const pons_array *primals, const pons_array *tangents, int n_in,
                           pons_array **out);
/* PONS_NOT_MAPPED as an axis: this input is shared by the whole batch, this output is the same for all of
   it. */
#define PONS_NOT_MAPPED (-1000)
/* f for each slice of its inputs along `in_axes`, results stacked along `out_axes`: one per input or result,
   or a single one for all of them; left out: axis 0 of each. */
PONS_API pons_function pons_vmap(pons_function f, pons_axes in_axes, pons_axes out_axes);
struct pons_compile_args {
  pons_function function;
  bool shapeless; /* one trace serves inputs of all sizes with the same dtypes and numbers of axes */
};
/* f traced once per signature (dtypes and shapes of the inputs) and kept as a plan. f must not read values.
   Shapeless: what f makes of sizes it looks at, say by a reshape, is what it was in the trace; where other
   sizes don't fit that is an error. */
#define pons_compile(...) pons_compile_with((struct pons_compile_args){.function = __VA_ARGS__})
PONS_API pons_function pons_compile_with(struct pons_compile_args args);
/* In the whole process: functions made by pons_compile are called as they are while it is off. The environment
   variable PONS_DISABLE_COMPILE turns it off at the start. */
PONS_API void pons_disable_compile(void);
PONS_API void pons_enable_compile(void);
/* f, but its gradient computes the intermediate results again instead of keeping them. */
PONS_API pons_function pons_checkpoint(pons_function f);

/* f with rules of its own; those left out follow from f.
   vjp:  in = primals, results of f, cotangents;  out = gradients, one per primal.
   jvp:  in = primals, tangents;                  out = tangents of the results.
   vmap: in = primals with the batch along axis 0 of each mapped one; out = results with the batch along axis
   0.
   vmap_along, in its place: in = primals as they are, then for each an integer, the axis of its batch or
   PONS_NOT_MAPPED; out = results, then the same for each of them. */
struct pons_custom_rules {
  pons_function vjp, jvp, vmap, vmap_along;
};
PONS_API pons_function pons_custom_function(pons_function f, struct pons_custom_rules rules);

/* The same value; no gradient passes. */
PONS_API pons_array pons_stop_gradient(pons_array x);
/* Each x[i], computed only after all of `dependencies`. */
PONS_API void pons_depends(const pons_array *x, int n, const pons_array *dependencies, int n_dependencies,
                           pons_array *out);

#ifdef __cplusplus
}
#endif
#endif
