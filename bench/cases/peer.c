/* peer.c: other frameworks as processes: the name of a case goes in as a line, the seconds of one run come out.
   Their threads spin for a while after their work; so each process is stopped until it is asked again, and takes no time from
   what is measured meanwhile. */
#include "cases.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct peer {
  char name[32];
  pid_t process;
  FILE *to, *from;
} peer;

static peer peers[MOST_PEERS];
static int count;

int peer_count(void) { return count; }
const char *peer_name(int i) { return peers[i].name; }

static bool start(peer *p, const char *command) {
  int in[2], out[2];
  if (pipe(in)) return false;
  if (pipe(out)) {
    close(in[0]), close(in[1]);
    return false;
  }
  /* Peers started later must not hold these open: this one would wait for its input's end. */
  fcntl(in[1], F_SETFD, FD_CLOEXEC), fcntl(out[0], F_SETFD, FD_CLOEXEC);
  p->process = fork();
  if (p->process == 0) {
    setpgid(0, 0); /* a group, with what the shell starts */
    dup2(in[0], 0), dup2(out[1], 1);
    close(in[0]), close(in[1]), close(out[0]), close(out[1]);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
  }
  setpgid(p->process, p->process); /* whoever comes first */
  close(in[0]), close(out[1]);
  p->to = fdopen(in[1], "w");
  p->from = fdopen(out[0], "r");
  return p->process > 0 && p->to && p->from;
}

bool peer_start(const char *command) {
  if (count == MOST_PEERS) return false;
  peer *p = &peers[count];
  signal(SIGPIPE, SIG_IGN);
  if (!start(p, command) || !fgets(p->name, sizeof p->name, p->from)) return false;
  p->name[strcspn(p->name, "\n")] = 0;
  kill(-p->process, SIGSTOP);
  count++;
  return true;
}

double peer_round(int i, const char *name) {
  char line[64];
  kill(-peers[i].process, SIGCONT);
  const bool answered = fprintf(peers[i].to, "%s\n", name) >= 0 && !fflush(peers[i].to) &&
                        fgets(line, sizeof line, peers[i].from);
  kill(-peers[i].process, SIGSTOP);
  if (!answered) return NAN;
  char *end;
  double seconds = strtod(line, &end);
  return end == line || seconds <= 0 ? NAN : seconds;
}

void peers_end(void) {
  for (int i = 0; i < count; i++) {
    kill(-peers[i].process, SIGCONT);
    fclose(peers[i].to); /* it ends with its input */
    fclose(peers[i].from);
    waitpid(peers[i].process, NULL, 0);
  }
  count = 0;
}
