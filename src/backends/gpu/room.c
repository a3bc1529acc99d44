/* room.c: memory that a call works with between its launches. It may be given back once they are queued: it is used anew behind them.
   Uses gpu.h. */
#include "backends/gpu/gpu.h"

error *gpu_room_take(const gpu_backend *b, location *room, const operand *beside, int64_t elements, pons_dtype d) {
  error *why = NULL;
  *room = (location){.device = ((const location *)beside->data)->device};
  room->memory = b->memory->take(room->device, (size_t)elements * pons_dtype_size(d), &why);
  return why;
}

void gpu_room_give(const gpu_backend *b, const location *room) {
  if (room->memory) b->memory->give(room->device, room->memory);
}
