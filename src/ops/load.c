/* load.c: arrays whose elements are read when they are first needed: from a file, say. The one operand is the
   memory of a `reader`, so that who holds the operand (a plan under way, too) holds the reader. Made here
   alone, never from a file's text: it is not in the list of ops.c. Uses graph/. */
#include "ops/ops.h"

static const prim prim_load = {.name = "Load", .no_gradient = true, .opaque = true};

static void end_reader(void *owner) {
  reader *r = owner;
  if (r->destroy) r->destroy(r->payload);
  mem_free(r);
}

pons_array pons_from_reader(pons_shape shape, pons_dtype dtype, pons_reader read, void *payload,
                            void (*destroy)(void *payload)) {
  spec s;
  error *e = read ? spec_set("from_reader", &s, dtype, shape.count, shape.at)
                  : fail("from_reader", "no function given");
  reader *r = e ? NULL : mem_alloc(sizeof *r);
  if (!r) {
    if (destroy) destroy(payload);
    return node_error(e ? e : fail_no_memory("from_reader"));
  }
  *r = (reader){read, destroy, payload};
  pons_array held = pons_from_data(r, PONS_SHAPE(sizeof *r), PONS_UINT8, end_reader, r);
  return node_make_as(&prim_load, NULL, 1, &held, s.dtype, s.shape.n, s.shape.dims);
}
