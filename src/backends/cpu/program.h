/* program.h: a kernel made ready for tiles: loops over numbered registers. Part of backends/cpu/.

   A register is a pointer that is set anew for each tile: into an operand's memory, where that is packed,
   or into a slot of a small arena that stays in the L1 cache. */
#ifndef PROGRAM_H
#define PROGRAM_H
#include "backends/cpu/cpu.h"
#include "backends/cpu/loops.h"

enum {
  MAX_REGISTERS = 2 * KERNEL_MAX_INPUTS + 3 * KERNEL_MAX_CODE + KERNEL_MAX_OUTPUTS,
  MAX_OPS = 2 * KERNEL_MAX_INPUTS + 6 * KERNEL_MAX_CODE
};

typedef struct op {
  loop *run, *far;     /* far: that writes past the caches, or NULL */
  int16_t out, arg[3]; /* registers */
} op;

typedef struct program {
  int n_ops, n_registers, n_slots;
  size_t item_size;            /* of the largest register: what a slot's element takes */
  int16_t slot[MAX_REGISTERS]; /* -1: memory of an operand */
  uint8_t size[MAX_REGISTERS]; /* bytes of an element */
  /* What is stored: first_output + i if it is written in place. Registers 0 .. n_in-1 are the inputs, from
     first_output on the outputs' memory. */
  int16_t result[KERNEL_MAX_OUTPUTS];
  int first_output;
  bool stores; /* some output is not */
  op ops[MAX_OPS]; /* last: a program that is kept ends with its ops */
} program;

/* How an input reaches a tile. */
typedef enum reach {
  REACH_PACKED, /* in place */
  REACH_REPEAT, /* one element, a slot filled once */
  REACH_GATHER, /* copied to a slot for each tile */
  REACH_GIVEN   /* packed, where whoever runs the program says for each tile */
} reach;

/* How outputs are written: by the op that makes them, or from slots afterwards; or, past the caches, by the op if it can, for
   what is whole cache lines. */
typedef enum writing { WRITE_IN_PLACE, WRITE_AFTERWARDS, WRITE_FAR } writing;
/* `pairs`: rows are joined two by two, which is worth it for many elements. */
void program_make(program *p, const kernel *k, const reach *reach, const operand *in, const operand *out,
                  writing writing, bool pairs);

/* ---- copying into tiles (tiles.c); strides in elements ---- */

/* n elements with the given stride to packed memory. */
void tile_copy(void *to, const void *from, int64_t stride, int64_t n, size_t item_size);
#endif
