/* processes.h: tests of groups of processes: forks so many, each of which finds the others by the variables of MLX's ring, and expects
   each to end well. To be called before the library has threads. */
#ifndef TESTS_PROCESSES_H
#define TESTS_PROCESSES_H
#include <pons/array.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ports of 127.0.0.1 that nobody listened at just now. */
static inline void free_ports(int count, int *ports) {
  int sockets[64];
  for (int i = 0; i < count; i++) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    sockets[i] = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(sockets[i], (struct sockaddr *)&at, sizeof at) != 0 || getsockname(sockets[i], (struct sockaddr *)&at, &length) != 0) abort();
    ports[i] = ntohs(at.sin_port);
  }
  for (int i = 0; i < count; i++) close(sockets[i]);
}

static inline void set_number(const char *variable, int value) {
  char text[16];
  snprintf(text, sizeof text, "%d", value);
  setenv(variable, text, 1);
}

/* What the environment says to a ring; the file is to be removed. */
static inline void describe_ring(int size, char *path /* a template for mkstemp */) {
  int ports[64];
  free_ports(size, ports);
  FILE *f = fdopen(mkstemp(path), "w");
  if (!f) abort();
  for (int i = 0; i < size; i++) fprintf(f, "%s[\"127.0.0.1:%d\"]", i ? ", " : "[", ports[i]);
  fprintf(f, "]\n");
  fclose(f);
  setenv("MLX_HOSTFILE", path, 1);
}

static inline void describe_nccl(int size) {
  int port;
  free_ports(1, &port);
  setenv("NCCL_HOST_IP", "127.0.0.1", 1);
  set_number("NCCL_PORT", port);
  set_number("MLX_WORLD_SIZE", size);
}

static inline void run_ranks(int size, bool (*body)(int rank, int size)) {
  pid_t children[64];
  for (int rank = 0; rank < size; rank++) {
    children[rank] = fork();
    if (children[rank] != 0) continue;
    set_number("MLX_RANK", rank);
    alarm(120); /* a hang is a failure, and no fault goes to cmocka, which would go on with the next test */
    signal(SIGSEGV, SIG_DFL);
    signal(SIGABRT, SIG_DFL);
    const bool fine = body(rank, size);
    fflush(NULL);
    _exit(fine ? 0 : 1);
  }
  for (int rank = 0; rank < size; rank++) {
    int status;
    waitpid(children[rank], &status, 0);
    if (status != 0) {
      fprintf(stderr, "process %d of %d ended with status %d\n", rank, size, status);
      exit(1);
    }
  }
}

static inline void run_ring(int size, bool (*body)(int rank, int size)) {
  char path[] = "/tmp/pons-ring-XXXXXX";
  describe_ring(size, path);
  run_ranks(size, body);
  unlink(path);
  unsetenv("MLX_HOSTFILE");
}

/* In a process: false, and where, unless it is so. */
#define EXPECT(what)                                                                                              \
  do {                                                                                                            \
    if (!(what)) {                                                                                                \
      fprintf(stderr, "%s:%d: not so: %s\n%s\n", __FILE__, __LINE__, #what, pons_error() ? pons_error() : "no error"); \
      return false;                                                                                               \
    }                                                                                                             \
  } while (0)
#endif
