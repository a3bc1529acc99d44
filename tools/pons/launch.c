/* launch.c: `pons launch`: a program as several processes of this machine, which find each other by what the environment says
   (pons/distributed.h). Their lines come out with the rank in front; when one fails, the others are ended. */
#include "command.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_PROCESSES = 1024, LINE = 4096 };

/* What one process writes, until a line is whole. */
typedef struct lines {
  int from; /* -1: it has ended */
  FILE *to;
  size_t length;
  char at[LINE];
} lines;

typedef struct launched {
  int count, running;
  pid_t *pids; /* 0: it has ended */
  lines *out;  /* two of each process */
  int status;  /* of the first that failed */
} launched;

/* ---- what the processes are told ---- */

static void set_number(const char *variable, int value) {
  char text[16];
  snprintf(text, sizeof text, "%d", value);
  setenv(variable, text, 1);
}

/* Ports of 127.0.0.1 at which nobody listens. */
static bool find_ports(int count, int *ports) {
  int *sockets = malloc((size_t)count * sizeof *sockets);
  bool fine = sockets != NULL;
  int n = 0;
  for (; fine && n < count; n++) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    sockets[n] = socket(AF_INET, SOCK_STREAM, 0);
    fine = sockets[n] >= 0 && bind(sockets[n], (struct sockaddr *)&at, sizeof at) == 0 &&
           getsockname(sockets[n], (struct sockaddr *)&at, &length) == 0;
    ports[n] = ntohs(at.sin_port);
  }
  for (int i = 0; i < n; i++) close(sockets[i]);
  free(sockets);
  return fine;
}

/* A file with an address of each process, which is to be removed at the end. */
static bool describe_ring(int count, char *path) {
  int ports[MOST_PROCESSES];
  const int file = find_ports(count, ports) ? mkstemp(path) : -1;
  FILE *f = file >= 0 ? fdopen(file, "w") : NULL;
  if (!f) return false;
  for (int i = 0; i < count; i++) fprintf(f, "%s[\"127.0.0.1:%d\"]", i ? ", " : "[", ports[i]);
  fprintf(f, "]\n");
  setenv("MLX_HOSTFILE", path, 1);
  return fclose(f) == 0;
}

static bool describe_nccl(int count) {
  int port;
  if (!find_ports(1, &port)) return false;
  setenv("NCCL_HOST_IP", "127.0.0.1", 1);
  set_number("NCCL_PORT", port);
  set_number("MLX_WORLD_SIZE", count);
  return true;
}

/* ---- processes ---- */

static bool start(launched *l, int rank, char **words, bool one_gpu_each) {
  int out[2], errors[2];
  if (pipe(out) != 0) return false;
  if (pipe(errors) != 0) return close(out[0]), close(out[1]), false;
  const pid_t pid = fork();
  if (pid == 0) {
    char device[24];
    snprintf(device, sizeof device, "cuda:%d", rank);
    if (one_gpu_each) setenv("PONS_DEVICE", device, 0);
    set_number("MLX_RANK", rank);
    dup2(out[1], STDOUT_FILENO);
    dup2(errors[1], STDERR_FILENO);
    close(out[0]), close(out[1]), close(errors[0]), close(errors[1]);
    execvp(words[0], words);
    fprintf(stderr, "pons launch: %s: %s\n", words[0], strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
  }
  close(out[1]);
  close(errors[1]);
  l->pids[rank] = pid > 0 ? pid : 0;
  l->out[2 * rank] = (lines){.from = out[0], .to = stdout};
  l->out[2 * rank + 1] = (lines){.from = errors[0], .to = stderr};
  fcntl(out[0], F_SETFD, FD_CLOEXEC);
  fcntl(errors[0], F_SETFD, FD_CLOEXEC);
  l->running += pid > 0;
  return pid > 0;
}

static volatile sig_atomic_t told_to_end;
static void end_later(int signal_number) { told_to_end = signal_number; }

static void tell_all(const launched *l, int signal_number) {
  for (int i = 0; i < l->count; i++)
    if (l->pids[i]) kill(l->pids[i], signal_number);
}

/* ---- their lines ---- */

static void print_line(lines *s, int rank) {
  fprintf(s->to, "%d: %.*s\n", rank, (int)s->length, s->at);
  fflush(s->to);
  s->length = 0;
}

static void take_lines(lines *s, int rank) {
  char more[LINE];
  const ssize_t n = read(s->from, more, sizeof more);
  for (ssize_t i = 0; i < n; i++) {
    if (more[i] != '\n') s->at[s->length++] = more[i];
    if (more[i] == '\n' || s->length == sizeof s->at) print_line(s, rank);
  }
  if (n > 0 || (n < 0 && errno == EINTR)) return;
  if (s->length) print_line(s, rank);
  close(s->from);
  s->from = -1;
}

/* Waits `ms` for lines, and prints what has come. Was there anything? */
static bool pass_lines(launched *l, struct pollfd *p, int ms) {
  for (int i = 0; i < 2 * l->count; i++) p[i] = (struct pollfd){.fd = l->out[i].from, .events = POLLIN};
  const bool any = poll(p, (nfds_t)(2 * l->count), ms) > 0;
  for (int i = 0; any && i < 2 * l->count; i++)
    if (p[i].fd >= 0 && p[i].revents) take_lines(&l->out[i], i / 2);
  return any;
}

static void meet_ended(launched *l) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    for (int i = 0; i < l->count; i++) {
      if (l->pids[i] != pid) continue;
      l->pids[i] = 0;
      l->running--;
      const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      if (!code || l->status) continue;
      l->status = code;
      fprintf(stderr, "pons launch: process %d ended with status %d%s\n", i, code, l->running ? "; the others are ended" : "");
    }
}

/* Until all have ended: of themselves, or, when one has failed or this process is told to end, by force. */
static void attend(launched *l, struct pollfd *p) {
  time_t ending = 0;
  bool any = true;
  while (l->running || any) { /* what grandchildren may still write is not waited for */
    any = pass_lines(l, p, l->running ? 100 : 0);
    meet_ended(l);
    if (told_to_end && !l->status) l->status = 128 + told_to_end;
    if (!l->status || !l->running) continue;
    if (!ending) tell_all(l, SIGTERM);
    if (ending && time(NULL) > ending + 5) tell_all(l, SIGKILL);
    if (!ending) ending = time(NULL);
  }
}

static int launch_all(const invocation *v, int count, bool nccl) {
  launched l = {.count = count, .pids = calloc((size_t)count, sizeof *l.pids), .out = calloc(2 * (size_t)count, sizeof *l.out)};
  struct pollfd *p = calloc(2 * (size_t)count, sizeof *p);
  bool fine = l.pids && l.out && p;
  for (int i = 0; fine && i < 2 * count; i++) l.out[i].from = -1;
  for (int i = 0; fine && i < count; i++) fine = start(&l, i, v->words, nccl);
  if (!fine) {
    complain(v, "%s", strerror(errno));
    l.status = FAILED;
  }
  if (l.pids && l.out && p) attend(&l, p);
  free(l.pids);
  free(l.out);
  free(p);
  return l.status;
}

static int launch(const invocation *v) {
  double count;
  if (!option_number(v, "-n", 1, &count)) return MISUSED;
  if (count < 1 || count > MOST_PROCESSES || count != (int)count) return complain(v, "-n wants a whole number from 1 to %d", MOST_PROCESSES), MISUSED;
  const char *backend = option_value(v, "--backend", "ring");
  const bool nccl = strcmp(backend, "nccl") == 0;
  if (!nccl && strcmp(backend, "ring") != 0) return complain(v, "there is no backend '%s': ring, nccl", backend), MISUSED;
  const struct sigaction later = {.sa_handler = end_later};
  sigaction(SIGTERM, &later, NULL);
  sigaction(SIGINT, &later, NULL);
  char path[] = "/tmp/pons-hosts-XXXXXX";
  const bool fine = nccl ? describe_nccl((int)count) : describe_ring((int)count, path);
  const int status = fine ? launch_all(v, (int)count, nccl) : complain(v, "%s", strerror(errno));
  if (!nccl) unlink(path);
  return status;
}

const command command_launch = {
    .name = "launch",
    .arguments = "-n N [--backend ring | nccl] PROGRAM ARGUMENTS...",
    .summary = "A program as several processes of this machine, which form a group (pons/distributed.h).",
    .help = "ring: each gets MLX_HOSTFILE, a file with free ports of 127.0.0.1, and MLX_RANK, as MLX's own launcher has them.\n"
            "nccl: each gets NCCL_HOST_IP, NCCL_PORT, MLX_WORLD_SIZE and MLX_RANK, and PONS_DEVICE=cuda:RANK if that is not set.\n"
            "Lines are printed with the rank in front. When a process fails, the others are ended; its status is that of this one.\n"
            "On several machines the variables are set, and the program started, by other means.\n"
            "An example: pons launch -n 4 python train.py\n",
    .least = 1,
    .most = -1,
    .program = true,
    .options = {{"-n", "N", "how many (1)"}, {"--backend", "B", "how they are connected: ring (TCP) or nccl"}},
    .run = launch,
};
