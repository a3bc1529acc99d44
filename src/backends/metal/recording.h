/* recording.h: launches that were noted, for recording.c, which notes them, and indirect.c, which makes parts of them. Uses metal.h. */
#ifndef METAL_RECORDING_H
#define METAL_RECORDING_H
#include "backends/metal/metal.h"

/* Memory from some byte on, or, with a length, bytes by value, which lie in the note's from `offset` on. */
typedef struct noted_argument {
  metal_memory *memory; /* NULL: of what is empty, or bytes */
  uint64_t serial;      /* of its buffer; 0: there is none */
  size_t offset, length;
  int slot; /* which of the given memories it is; -1: the recording's own, or always the same */
  bool written;
} noted_argument;

/* A part may be under way while it is told what differs: then its other copy is. */
enum { METAL_COPIES = 2 };
#define METAL_WHOLE ((uint32_t)1 << METAL_ARGUMENTS)

typedef struct metal_note {
  metal_kernel *kernel; /* NULL: a library's call */
  metal_call call;
  void *context; /* of the call */
  noted_argument *arguments;
  int n_arguments;
  size_t arguments_room;
  MTLSize grid, group;
  bool grid_of_threads;
  char *bytes; /* of arguments by value, each from a multiple of METAL_VALUES on */
  size_t n_bytes, bytes_room;
  size_t place;                    /* of its bytes among its part's */
  bool has_moved;                  /* memories are others since the part was looked at */
  bool barrier;                    /* it waits for what is in front of it in its part */
  uint32_t changed[METAL_COPIES]; /* 1 << argument of each that the copy was not told; METAL_WHOLE: all */
} metal_note;
enum { METAL_VALUES = 256 }; /* bytes: what Macs of all kinds ask of places in memory of address space `constant` */

/* An indirect command buffer with a command for each note. */
typedef struct metal_copy {
  id commands; /* NULL: it is not made */
  id values;   /* a buffer: the bytes of all notes */
  char *contents;
  uint64_t used; /* number of the command buffer in which it was executed last */
} metal_copy;

/* A memory of a part. */
typedef struct metal_part_use {
  metal_memory *memory;
  bool read_first, written;
} metal_part_use;

typedef struct metal_part { /* of the notes */
  size_t first, end;
  bool is_plain; /* launched one by one */
  size_t n_bytes;
  metal_copy copies[METAL_COPIES];
  int copy; /* which was executed last */
  metal_part_use *uses;
  id *buffers; /* theirs: those that are only read, then the others */
  size_t n_uses, n_read, uses_room, buffers_room;
  id *pipelines;
  size_t n_pipelines, pipelines_room;
} metal_part;

/* indirect.c. False: it can't, and there is nothing of it any more; the notes are to be launched one by one. *why: it was executed, and that
   failed, or what it reads can't be relied on. */
bool metal_launch_part(metal_device *d, metal_note *notes, metal_part *p, error **why);
void metal_drop_part(metal_device *d, metal_part *p); /* waits for what executes it */
#endif
