/* multi_head.c: multi-head attention (Vaswani et al. 2017, arXiv:1706.03762). */
#include "parameters.h"
#include <pons/fast.h>
#include <math.h>
#include <stdio.h>

static const char *const projections[] = {"query_proj", "key_proj", "value_proj", "out_proj"};

/* "<prefix>.query_proj"; false if it does not fit. */
static bool part_name(char *to, size_t room, const char *prefix, int part) {
  const int n = snprintf(to, room, "%s%s%s", prefix, *prefix ? "." : "", projections[part]);
  return n > 0 && (size_t)n < room;
}

bool pons_attention_init(pons_named p, const char *prefix, int64_t dims, pons_array key) {
  pons_scope s = pons_scope_open();
  pons_array keys = key ? pons_random_split(key, 4) : NULL;
  bool fine = true;
  for (int i = 0; fine && i < 4; i++) {
    char name[512];
    fine = part_name(name, sizeof name, prefix, i) &&
           pons_linear_init(p, name, dims, dims, false, keys ? pons_index(keys, i, 0) : NULL);
  }
  pons_scope_close(s);
  return fine;
}

static pons_array project(pons_named p, const char *prefix, int part, pons_array x) {
  char name[512];
  if (!part_name(name, sizeof name, prefix, part))
    return pons_fail("attention", "the name \"%.40s...\" is too long", prefix);
  return pons_linear(p, name, x);
}

/* (batch, length, dims) to (batch, heads, length, dims / heads) */
static pons_array to_heads(pons_array x, int heads) {
  pons_array split = pons_unflatten(x, -1, PONS_SHAPE(heads, pons_dim(x, -1) / heads));
  return pons_transpose(split, .axes = PONS_AXES(0, 2, 1, 3));
}

pons_array pons_attention(pons_named p, const char *prefix, pons_array q, pons_array k, pons_array v,
                          int heads, pons_array mask) {
  if (pons_ndim(q) != 3 || heads < 1 || pons_dim(q, -1) % heads)
    return pons_fail("attention", "%d heads do not divide the last of q's %d axes, %lld (3 axes are needed)",
                     heads, pons_ndim(q), (long long)pons_dim(q, -1));
  pons_scope s = pons_scope_open();
  pons_array head_q = to_heads(project(p, prefix, 0, q), heads);
  const float scale = (float)(1 / sqrt((double)pons_dim(q, -1) / heads));
  pons_array y = pons_fast_scaled_dot_product_attention(
      head_q, .k = to_heads(project(p, prefix, 1, k), heads), .v = to_heads(project(p, prefix, 2, v), heads),
      .scale = scale, .mask = mask);
  y = pons_flatten(pons_transpose(y, .axes = PONS_AXES(0, 2, 1, 3)), 2, 3);
  return pons_scope_return(s, project(p, prefix, 3, y));
}
