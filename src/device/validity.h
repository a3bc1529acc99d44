/* validity.h: which bytes of a buffer are valid where: what was written last is in one place, and in those to which it was copied
   since. Uses device.h for ranges of bytes. */
#ifndef VALIDITY_H
#define VALIDITY_H
#include "device/device.h"

typedef uint64_t place_set; /* bit k: device k */
enum { ON_HOST = 1 };    /* the host is the first device */
#define ANYWHERE (~(place_set)0)

enum { VALIDITY_PIECES = 16 }; /* more are not told apart */
typedef struct validity {
  place_set all;                    /* where all bytes are valid, if there are no pieces */
  struct validity_list *pieces;  /* NULL: there are none */
} validity;

/* Some bytes that are valid in the same places. */
typedef struct valid_part {
  byte_range part;
  place_set at;
} valid_part;

bool validity_is_all(byte_range part, size_t bytes);
/* Where all bytes of the part are valid; of no bytes: anywhere. */
place_set validity_of(const validity *v, byte_range part);
/* Sets where all bytes are valid. */
void validity_set_all(validity *v, place_set at);
/* Before what follows is done with a part of a buffer of so many bytes: the part, or all of it where no more parts can be told apart. */
byte_range validity_split(validity *v, size_t bytes, byte_range part);
/* The part is not valid any more but in `kept`, and is valid in `added`. */
void validity_set(validity *v, size_t bytes, byte_range part, place_set kept, place_set added);
/* What is valid in place `from` is valid in place `to`, too. */
void validity_follow(validity *v, place_set from, place_set to);
/* After changes: neighbours that are valid in the same places become one. */
void validity_join(validity *v);
/* The first bytes in *rest that are valid, of the places in `mask`, in those of `at` and no others; *rest is what comes behind them.
   False: there are none. */
bool validity_next(const validity *v, size_t bytes, place_set mask, place_set at, byte_range *rest, valid_part *found);
#endif
