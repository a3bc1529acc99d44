/* mesh_connect.c: how the processes of a group find each other: each listens, calls those of lower rank, and waits for
   those of higher rank. A caller says who it is first. Uses mesh.h. */
#include "links/mesh.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

typedef struct hello { /* a caller's first words */
  char magic[8];
  uint32_t rank, size, port; /* port: where the caller listens */
} hello;
static const char magic[8] = "pons 1\n";

typedef struct meeting {
  const char *op;
  int rank, size;
  mesh_address *addresses;
  bool told;
  int *sockets, listener;
  int64_t until; /* time_ns */
  double seconds;
} meeting;

static error *impossible(const meeting *m, const char *what, const char *address) {
  return fail_as(PONS_ERROR_RUNTIME, m->op, "process %d can't %s %s: %s", m->rank, what, address, strerror(errno));
}

/* Of "host:port". NULL and an error. */
static struct addrinfo *resolve(const meeting *m, const char *address, error **why) {
  mesh_address host;
  snprintf(host, sizeof host, "%s", address);
  char *colon = strrchr(host, ':'), *from = host;
  struct addrinfo *found = NULL;
  int status = EAI_NONAME;
  if (colon) {
    *colon = 0;
    if (*from == '[' && colon > from && colon[-1] == ']') colon[-1] = 0, from++;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    status = getaddrinfo(from, colon + 1, &hints, &found);
  }
  if (status == 0) return found;
  *why = fail_as(PONS_ERROR_RUNTIME, m->op, "'%s' is no address and port: %s", address, gai_strerror(status));
  return NULL;
}

static int new_socket(int family) {
  const int s = socket(family, SOCK_STREAM, 0), on = 1;
  if (s < 0) return -1;
  fcntl(s, F_SETFD, FD_CLOEXEC);
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
#ifdef SO_NOSIGPIPE
  setsockopt(s, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  return s;
}

static void set_blocking(int s, bool on) {
  const int flags = fcntl(s, F_GETFL);
  fcntl(s, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

static error *listen_at(meeting *m, const char *address) {
  error *why = NULL;
  struct addrinfo *at = resolve(m, address, &why);
  if (!at) return why;
  m->listener = new_socket(at->ai_family);
  if (m->listener < 0 || bind(m->listener, at->ai_addr, at->ai_addrlen) != 0 || listen(m->listener, m->size) != 0)
    why = impossible(m, "listen at", address);
  else
    set_blocking(m->listener, false);
  freeaddrinfo(at);
  return why;
}

static int left_ms(const meeting *m) {
  const int64_t left = (m->until - time_ns()) / 1000000;
  return left < 0 ? 0 : left > 2000 ? 2000 : (int)left;
}

/* Until the call is answered, or errno says why not. */
static bool answered(const meeting *m, int s, const struct addrinfo *at) {
  set_blocking(s, false);
  if (connect(s, at->ai_addr, at->ai_addrlen) == 0) return true;
  if (errno != EINPROGRESS) return false;
  struct pollfd p = {.fd = s, .events = POLLOUT};
  int status = ETIMEDOUT;
  socklen_t length = sizeof status;
  if (poll(&p, 1, left_ms(m)) == 1) getsockopt(s, SOL_SOCKET, SO_ERROR, &status, &length);
  errno = status;
  return status == 0;
}

/* What this process says of itself when it calls. */
static hello own_hello(const meeting *m) {
  hello h = {.rank = (uint32_t)m->rank, .size = (uint32_t)m->size};
  memcpy(h.magic, magic, sizeof magic);
  struct sockaddr_storage own;
  socklen_t length = sizeof own;
  if (getsockname(m->listener, (struct sockaddr *)&own, &length) == 0)
    h.port = ntohs(own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port : ((struct sockaddr_in *)&own)->sin_port);
  return h;
}

static bool send_all(int s, const void *data, size_t bytes) {
  for (size_t sent = 0; sent < bytes;) {
    const ssize_t n = send(s, (const char *)data + sent, bytes - sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) sent += (size_t)n;
  }
  return true;
}

/* Waits as long as there is time. */
static bool receive_all(const meeting *m, int s, void *data, size_t bytes) {
  for (size_t had = 0; had < bytes;) {
    struct pollfd p = {.fd = s, .events = POLLIN};
    if (time_ns() > m->until) return errno = ETIMEDOUT, false;
    if (poll(&p, 1, left_ms(m)) < 1) continue;
    const ssize_t n = recv(s, (char *)data + had, bytes - had, 0);
    if (n == 0) errno = ECONNRESET;
    if (n == 0 || (n < 0 && errno != EINTR)) return false;
    if (n > 0) had += (size_t)n;
  }
  return true;
}

static void keep(meeting *m, int peer, int s) {
  const int on = 1;
  set_blocking(s, true);
  setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on); /* a machine that is gone says nothing */
  m->sockets[peer] = s;
}

/* The other may not have begun yet: again and again. */
static error *call(meeting *m, int peer) {
  error *why = NULL;
  struct addrinfo *at = resolve(m, m->addresses[peer], &why);
  if (!at) return why;
  const hello h = own_hello(m);
  for (int64_t pause = 5000000;; pause = pause < 200000000 ? 2 * pause : pause) {
    const int s = new_socket(at->ai_family);
    if (s >= 0 && answered(m, s, at)) {
      keep(m, peer, s);
      if (!send_all(s, &h, sizeof h)) why = impossible(m, "call", m->addresses[peer]);
      break;
    }
    const int status = errno;
    if (s >= 0) close(s);
    if (time_ns() > m->until) {
      why = fail_as(PONS_ERROR_RUNTIME, m->op, "process %d can't reach process %d at %s within %g s: %s\nhint: PONS_CONNECT_TIMEOUT says how long to try",
                    m->rank, peer, m->addresses[peer], m->seconds, strerror(status));
      break;
    }
    nanosleep(&(struct timespec){0, (long)pause}, NULL);
  }
  freeaddrinfo(at);
  return why;
}

/* Who has called; callers who are no process of the group are hung up on. */
static error *meet(meeting *m, int s, const struct sockaddr *from, socklen_t length) {
  hello h;
  const meeting brief = {.until = time_ns() + 5000000000};
  const bool ours = receive_all(&brief, s, &h, sizeof h) && memcmp(h.magic, magic, sizeof magic) == 0;
  if (ours && h.size != (uint32_t)m->size) {
    close(s);
    return fail_as(PONS_ERROR_RUNTIME, m->op, "process %d of %d was called by a process of a group of %u", m->rank, m->size, h.size);
  }
  if (!ours || h.rank <= (uint32_t)m->rank || h.rank >= (uint32_t)m->size || m->sockets[h.rank] >= 0) {
    close(s);
    return NULL;
  }
  char host[48];
  if (m->told && getnameinfo(from, length, host, sizeof host, NULL, 0, NI_NUMERICHOST) == 0)
    snprintf(m->addresses[h.rank], MESH_ADDRESS, from->sa_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, h.port & 65535);
  keep(m, (int)h.rank, s);
  return NULL;
}

static int first_absent(const meeting *m) {
  int peer = m->rank + 1;
  while (peer < m->size && m->sockets[peer] >= 0) peer++;
  return peer;
}

static error *wait_for_callers(meeting *m) {
  error *why = NULL;
  while (!why && first_absent(m) < m->size) {
    if (time_ns() > m->until)
      return fail_as(PONS_ERROR_RUNTIME, m->op, "process %d has not called process %d at %s within %g s\nhint: PONS_CONNECT_TIMEOUT says how long to wait",
                     first_absent(m), m->rank, m->addresses[m->rank], m->seconds);
    struct pollfd p = {.fd = m->listener, .events = POLLIN};
    if (poll(&p, 1, left_ms(m)) < 1) continue;
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    const int s = accept(m->listener, (struct sockaddr *)&from, &length);
    if (s < 0) continue;
    fcntl(s, F_SETFD, FD_CLOEXEC);
    set_blocking(s, true);
    why = meet(m, s, (struct sockaddr *)&from, length);
  }
  return why;
}

/* Process 0 tells all where to call. */
static error *tell_addresses(meeting *m) {
  const size_t bytes = (size_t)m->size * sizeof *m->addresses;
  for (int i = 1; i < m->size; i++)
    if (!send_all(m->sockets[i], m->addresses, bytes)) return impossible(m, "tell addresses to", m->addresses[i]);
  return NULL;
}

static error *hear_addresses(meeting *m) {
  if (!receive_all(m, m->sockets[0], m->addresses, (size_t)m->size * sizeof *m->addresses))
    return impossible(m, "hear the others' addresses from process 0 at", m->addresses[0]);
  for (int i = 0; i < m->size; i++) m->addresses[i][MESH_ADDRESS - 1] = 0;
  return NULL;
}

error *mesh_connect(const char *op, int rank, int size, mesh_address *addresses, bool told, int *sockets) {
  const int64_t seconds = link_number("PONS_CONNECT_TIMEOUT", 60, 1 << 20);
  meeting m = {op, rank, size, addresses, told, sockets, -1, time_ns() + seconds * 1000000000, (double)seconds};
  const char *own = addresses[rank];
  error *why = listen_at(&m, *own ? own : addresses[0][0] == '[' ? "[::]:0" : "0.0.0.0:0");
  for (int i = 0; i < rank && !why; i++) {
    why = call(&m, i);
    if (!why && told && i == 0) why = hear_addresses(&m);
  }
  if (!why) why = wait_for_callers(&m);
  if (!why && told && rank == 0) why = tell_addresses(&m);
  if (m.listener >= 0) close(m.listener);
  for (int i = 0; why && i < size; i++)
    if (sockets[i] >= 0) close(sockets[i]);
  return why;
}
