/* mesh.c: a group's calls over TCP: every process is connected with every other. What all take part in goes round:
   each sends to the next rank and takes from the one before, both at once, so that each of the network's directions is in use.

       reduce-scatter   size - 1 steps: a part goes on, and is joined where it comes to
       all-gather       size - 1 steps: a part goes on, and is kept
       all-reduce       the first, then the second

   In front of what is sent stands what call it is of: a process that makes another call is an error on both sides, at once, and before
   anything is taken for elements. Uses links.h, mesh.h. */
#include "links/mesh.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/uio.h>

enum { MAGIC = 0x706e7331, JOINED_AT_ONCE = 1 << 18 };

typedef struct header {
  uint32_t magic;
  uint8_t op, reduce, dtype, none;
  uint32_t group, turn; /* the group's tag; which of its calls, and step of it */
  int64_t n;
} header;

/* One direction of an exchange: a header, then elements. */
typedef struct flow {
  int socket;
  header head, theirs; /* theirs: as it comes */
  size_t done, bytes; /* of both; of elements */
  char *data;
} flow;

static error *broken(const process_group *g, const link_call *c, int peer, const char *what) {
  return fail_as(PONS_ERROR_RUNTIME, link_op_names[c->op], "process %d of %d: process %d %s", g->rank, g->size, peer, what);
}

static error *broken_by_system(const process_group *g, const link_call *c, int peer) {
  char what[200];
  const bool gone = errno == ECONNRESET || errno == EPIPE;
  snprintf(what, sizeof what, "%s: %s", gone ? "has ended or closed the connection" : "can't be reached", strerror(errno));
  return broken(g, c, peer, what);
}

static void describe(char *to, size_t room, const header *h) {
  const bool joins = h->op == LINK_ALL_REDUCE || h->op == LINK_REDUCE_SCATTER;
  static const char *const kinds[LINK_REDUCES] = {" of sums", " of maxima", " of minima"};
  snprintf(to, room, "%s%s of %lld %s", link_op_names[h->op], joins ? kinds[h->reduce] : "", (long long)h->n,
           pons_dtype_name((pons_dtype)h->dtype));
}

static error *differs(const process_group *g, const link_call *c, int peer, const flow *f) {
  const header *mine = &f->head, *theirs = &f->theirs;
  if (theirs->magic != MAGIC || theirs->op >= LINK_OPS || theirs->reduce >= LINK_REDUCES || !dtype_is_valid(theirs->dtype))
    return broken(g, c, peer, "sent what is no call of Pons'");
  char here[96], there[96], what[300];
  describe(here, sizeof here, mine);
  describe(there, sizeof there, theirs);
  snprintf(what, sizeof what, "makes another call: %s%s, here %s%s", there,
           theirs->group != mine->group ? " in another group" : "", here,
           theirs->turn != mine->turn ? ", at another place in the order of calls" : "");
  return broken(g, c, peer, what);
}

static error *send_some(const process_group *g, const link_call *c, int peer, flow *f) {
  struct iovec parts[2];
  int n = 0;
  if (f->done < sizeof f->head) parts[n++] = (struct iovec){(char *)&f->head + f->done, sizeof f->head - f->done};
  const size_t sent = f->done > sizeof f->head ? f->done - sizeof f->head : 0;
  if (f->bytes > sent) parts[n++] = (struct iovec){f->data + sent, f->bytes - sent};
  const ssize_t count = sendmsg(f->socket, &(struct msghdr){.msg_iov = parts, .msg_iovlen = (size_t)n}, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN || errno == EINTR ? NULL : broken_by_system(g, c, peer);
  f->done += (size_t)count;
  return NULL;
}

/* `scratch`: elements are joined into f->data by way of it. */
static error *receive_some(const process_group *g, const link_call *c, int peer, flow *f, char *scratch) {
  const bool heading = f->done < sizeof f->head;
  const size_t had = heading ? 0 : f->done - sizeof f->head, in_scratch = had % JOINED_AT_ONCE, left = f->bytes - had;
  const size_t room = JOINED_AT_ONCE - in_scratch, wanted = scratch && left > room ? room : left;
  char *to = heading ? (char *)&f->theirs + f->done : scratch ? scratch + in_scratch : f->data + had;
  const ssize_t count = recv(f->socket, to, heading ? sizeof f->head - f->done : wanted, MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN || errno == EINTR ? NULL : broken_by_system(g, c, peer);
  if (count == 0) return broken(g, c, peer, "has ended or closed the connection");
  f->done += (size_t)count;
  if (heading) return f->done == sizeof f->head && memcmp(&f->theirs, &f->head, sizeof f->head) != 0 ? differs(g, c, peer, f) : NULL;
  if (!scratch || (in_scratch + (size_t)count < JOINED_AT_ONCE && (size_t)count < left)) return NULL;
  return link_join(c->reduce, c->dtype, (int64_t)((in_scratch + (size_t)count) / pons_dtype_size(c->dtype)), scratch,
                   f->data + had - in_scratch);
}

/* ---- exchanges ---- */

typedef struct mesh {
  uint32_t tag, turn, splits; /* turn: calls that were made */
  int *sockets;               /* of each rank; of a part of a group too: they belong to the first one */
  char *scratch;              /* JOINED_AT_ONCE; of the first one */
} mesh;

static bool is_done(const flow *f) { return f->done == sizeof f->head + f->bytes; }

/* Sends `out` to one process and takes `in` from another, or the same, until both are done. Either socket may be -1: nothing. */
static error *exchange(const process_group *g, const link_call *c, flow *out, int to, flow *in, int from, char *scratch) {
  error *why = NULL;
  const int64_t patience = link_number("PONS_PEER_TIMEOUT", 1800, INT32_MAX / 1000);
  while (!why && !(is_done(out) && is_done(in))) {
    struct pollfd p[2] = {{.fd = is_done(out) ? -1 : out->socket, .events = POLLOUT}, {.fd = is_done(in) ? -1 : in->socket, .events = POLLIN}};
    const int ready = poll(p, 2, (int)(1000 * patience));
    if (ready < 0 && errno != EINTR) return broken_by_system(g, c, from);
    if (ready == 0) return broken(g, c, is_done(in) ? to : from, "was waited for in vain ($PONS_PEER_TIMEOUT seconds)");
    if (ready < 0) continue;
    if (p[1].revents) why = receive_some(g, c, from, in, scratch); /* first: it may have said why it closes */
    if (!why && p[0].revents) why = send_some(g, c, to, out);
  }
  if (why && !out->done) (void)!send(out->socket, &out->head, sizeof out->head, MSG_NOSIGNAL | MSG_DONTWAIT); /* so that the next one sees why */
  return why;
}

static header header_of(const mesh *m, const link_call *c, int step) {
  header h;
  memset(&h, 0, sizeof h);
  h.magic = MAGIC;
  h.op = (uint8_t)(c->op == LINK_RECV ? LINK_SEND : c->op);
  h.reduce = (uint8_t)c->reduce;
  h.dtype = (uint8_t)c->dtype;
  h.group = m->tag;
  h.turn = m->turn << 8 | (uint32_t)(step & 255);
  h.n = c->n;
  return h;
}

/* Where part k of `size` begins, in bytes. */
static size_t part_at(const process_group *g, const link_call *c, int k) {
  const int64_t each = c->op == LINK_ALL_REDUCE ? c->n / g->size : c->n, more = c->op == LINK_ALL_REDUCE ? c->n % g->size : 0;
  return (size_t)(k * each + (k < more ? k : more)) * pons_dtype_size(c->dtype);
}

/* size - 1 steps round; in the first, the part `shift` behind the rank's own goes to the next rank. */
static error *go_round(const process_group *g, const link_call *c, int shift, bool joins) {
  const mesh *m = g->state;
  const int to = (g->rank + 1) % g->size, from = (g->rank + g->size - 1) % g->size;
  error *why = NULL;
  for (int step = 0; step + 1 < g->size && !why; step++) {
    const int given = (g->rank + 2 * g->size - shift - step) % g->size, taken = (given + g->size - 1) % g->size;
    const header h = header_of(m, c, step);
    flow out = {m->sockets[to], h, h, 0, part_at(g, c, given + 1) - part_at(g, c, given), (char *)c->data + part_at(g, c, given)};
    flow in = {m->sockets[from], h, h, 0, part_at(g, c, taken + 1) - part_at(g, c, taken), (char *)c->data + part_at(g, c, taken)};
    why = exchange(g, c, &out, to, &in, from, joins ? m->scratch : NULL);
  }
  return why;
}

static error *pass(const process_group *g, const link_call *c) {
  mesh *m = g->state;
  const uint32_t turn = m->turn;
  m->turn = 0; /* the others take no part */
  flow f = {.socket = m->sockets[c->peer], .head = header_of(m, c, 0), .bytes = (size_t)c->n * pons_dtype_size(c->dtype), .data = c->data};
  flow none = {.socket = -1, .done = sizeof f.head};
  m->turn = turn;
  return c->op == LINK_SEND ? exchange(g, c, &f, c->peer, &none, c->peer, NULL) : exchange(g, c, &none, c->peer, &f, c->peer, NULL);
}

error *mesh_run(process_group *g, const link_call *c) {
  mesh *m = g->state;
  error *why = NULL;
  if (c->op >= LINK_SEND) {
    why = pass(g, c);
  } else {
    m->turn++;
    const bool reduces = c->op != LINK_ALL_GATHER;
    if (reduces) why = go_round(g, c, 1, true);
    if (!why && c->op != LINK_REDUCE_SCATTER) why = go_round(g, c, 0, false);
  }
  return why;
}

/* The others are told by what they meet at their next call, or in this one. */
void mesh_leave(process_group *g) {
  const mesh *m = g->state;
  for (int i = 0; i < g->size; i++)
    if (m->sockets[i] >= 0) shutdown(m->sockets[i], SHUT_RDWR);
}

#ifndef POLLRDHUP
#define POLLRDHUP 0 /* then what was sent before the end hides it */
#endif
int mesh_gone(const process_group *g) {
  const mesh *m = g->state;
  for (int i = 0; i < g->size; i++) {
    struct pollfd p = {.fd = m->sockets[i], .events = POLLRDHUP};
    if (p.fd >= 0 && poll(&p, 1, 0) > 0 && p.revents & (POLLRDHUP | POLLHUP | POLLERR)) return i;
  }
  return -1;
}

/* ---- groups ---- */

static process_group *new_group(const link_driver *driver, int rank, int size, error **why) {
  process_group *g = group_new(driver, rank, size, why);
  mesh *m = mem_zalloc(sizeof *m);
  if (m) m->sockets = mem_alloc((size_t)size * sizeof *m->sockets);
  if (g && m && m->sockets) {
    for (int i = 0; i < size; i++) m->sockets[i] = -1;
    g->state = m;
    return g;
  }
  if (g) *why = fail_no_memory("distributed_init");
  if (m) mem_free(m->sockets);
  mem_free(m);
  mem_free(g);
  return NULL;
}

static void free_group(process_group *g) {
  mesh *m = g->state;
  mem_free(m->sockets);
  mem_free(m->scratch);
  mem_free(m);
  mem_free(g);
}

process_group *mesh_open(const link_driver *driver, int rank, int size, mesh_address *addresses, bool told, error **why) {
  process_group *g = new_group(driver, rank, size, why);
  if (!g) return NULL;
  mesh *m = g->state;
  m->tag = (uint32_t)size;
  m->scratch = mem_alloc(JOINED_AT_ONCE);
  *why = m->scratch ? mesh_connect(driver->name, rank, size, addresses, told, m->sockets) : fail_no_memory("distributed_init");
  if (!*why) return g;
  free_group(g);
  return NULL;
}

typedef struct wish {
  int32_t color, key, rank;
} wish;

static int in_order(const void *a, const void *b) {
  const wish *x = a, *y = b;
  return x->key != y->key ? (x->key > y->key) - (x->key < y->key) : x->rank - y->rank;
}

process_group *mesh_split(process_group *g, int color, int key, error **why) {
  mesh *all = g->state;
  wish *wishes = mem_alloc((size_t)g->size * sizeof *wishes);
  *why = wishes ? NULL : fail_no_memory("group_split");
  if (wishes) {
    wishes[g->rank] = (wish){color, key, g->rank};
    *why = link_run(g, &(link_call){.op = LINK_ALL_GATHER, .dtype = PONS_INT32, .n = 3, .data = wishes});
  }
  int n = 0, rank = 0;
  for (int i = 0; !*why && i < g->size; i++)
    if (wishes[i].color == color && wishes[i].rank == i) wishes[n++] = wishes[i];
  process_group *part = *why ? NULL : new_group(g->driver, 0, n, why);
  if (part) {
    mesh *m = part->state;
    qsort(wishes, (size_t)n, sizeof *wishes, in_order);
    for (int i = 0; i < n; i++) {
      m->sockets[i] = all->sockets[wishes[i].rank];
      if (wishes[i].rank == g->rank) rank = i;
    }
    part->rank = rank;
    const uint32_t made_of[3] = {all->tag, ++all->splits, (uint32_t)color};
    m->tag = (uint32_t)hash_bytes(made_of, sizeof made_of, 1);
    m->scratch = all->scratch;
  }
  mem_free(wishes);
  return part;
}
