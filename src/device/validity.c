/* validity.c: a buffer's bytes in order, as pieces that are valid in the same places:

       0        4096            8192                        65536 = bytes
       |  host  | host, cuda:0  |           cuda:0          |

   Most buffers are one piece, and have no list. A list has room for a few: who would need more takes all bytes for the part, which is
   right, and moves more than it must. Uses validity.h. */
#include "device/validity.h"

typedef struct piece {
  size_t to; /* it begins where the one before ends */
  place_set at;
} piece;
struct validity_list {
  int n;
  piece pieces[VALIDITY_PIECES];
};

bool validity_is_all(byte_range part, size_t bytes) { return part.from == 0 && part.to >= bytes; }

place_set validity_of(const validity *v, byte_range part) {
  place_set at = ANYWHERE;
  size_t from = 0;
  if (part.to <= part.from) return at;
  if (v->pieces == NULL) return v->all;
  for (int i = 0; i < v->pieces->n; i++) {
    const piece *p = &v->pieces->pieces[i];
    if (part.from < p->to && from < part.to) at &= p->at;
    from = p->to;
  }
  return at;
}

void validity_set_all(validity *v, place_set at) {
  mem_free(v->pieces);
  *v = (validity){.all = at};
}

/* ---- pieces ---- */

/* How many pieces more if one were to begin at `at`. */
static int begins_none(const struct validity_list *l, size_t at) {
  if (at == 0) return 0;
  for (int i = 0; i < l->n; i++)
    if (l->pieces[i].to == at) return 0;
  return 1;
}

static void begin_piece(struct validity_list *l, size_t at) {
  if (!begins_none(l, at)) return;
  int i = 0;
  while (l->pieces[i].to < at) i++;
  memmove(&l->pieces[i + 1], &l->pieces[i], (size_t)(l->n - i) * sizeof(piece));
  l->pieces[i].to = at;
  l->n++;
}

byte_range validity_split(validity *v, size_t bytes, byte_range part) {
  const byte_range all = {0, bytes};
  if (part.to > bytes) part.to = bytes;
  if (part.to <= part.from) return part;
  if (validity_is_all(part, bytes)) return all;
  if (v->pieces == NULL) {
    v->pieces = mem_alloc(sizeof *v->pieces);
    if (v->pieces == NULL) return all;
    v->pieces->n = 1;
    v->pieces->pieces[0] = (piece){bytes, v->all};
  }
  struct validity_list *l = v->pieces;
  if (l->n + begins_none(l, part.from) + begins_none(l, part.to) > VALIDITY_PIECES) return all;
  begin_piece(l, part.from);
  begin_piece(l, part.to);
  return part;
}

void validity_set(validity *v, size_t bytes, byte_range part, place_set kept, place_set added) {
  size_t from = 0;
  if (v->pieces == NULL) {
    if (validity_is_all(part, bytes)) v->all = (v->all & kept) | added;
    return;
  }
  for (int i = 0; i < v->pieces->n; i++) {
    piece *p = &v->pieces->pieces[i];
    if (part.from <= from && p->to <= part.to) p->at = (p->at & kept) | added;
    from = p->to;
  }
}

void validity_follow(validity *v, place_set from, place_set to) {
  if (v->all & from) v->all |= to;
  for (int i = 0; v->pieces != NULL && i < v->pieces->n; i++)
    if (v->pieces->pieces[i].at & from) v->pieces->pieces[i].at |= to;
}

void validity_join(validity *v) {
  struct validity_list *l = v->pieces;
  if (l == NULL) return;
  int n = 0;
  for (int i = 1; i < l->n; i++) {
    if (l->pieces[i].at != l->pieces[n].at) n++;
    l->pieces[n] = l->pieces[i];
  }
  l->n = n + 1;
  if (l->n == 1) validity_set_all(v, l->pieces[0].at);
}

bool validity_next(const validity *v, size_t bytes, place_set mask, place_set at, byte_range *rest, valid_part *found) {
  const piece whole = {bytes, v->all};
  const piece *p = v->pieces != NULL ? v->pieces->pieces : &whole;
  const int n = v->pieces != NULL ? v->pieces->n : 1;
  if (rest->to > bytes) rest->to = bytes;
  for (int i = 0; i < n && rest->from < rest->to; i++) {
    if (p[i].to <= rest->from) continue;
    *found = (valid_part){{rest->from, p[i].to < rest->to ? p[i].to : rest->to}, p[i].at};
    rest->from = found->part.to;
    if ((p[i].at & mask) == at) return true;
  }
  return false;
}
