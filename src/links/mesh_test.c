/* mesh_test.c: calls of groups over TCP, in processes of their own: what they give, compared with sums made here, and what
   becomes of them when a process ends, makes another call, or does not come. */
#include "links/links.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>
#include "tests/processes.h"

static process_group *group_of(const char *backend) { return pons_distributed_init(true, backend); }

/* Small whole numbers, which every dtype holds and sums without rounding, other ones in each process. */
static int value_at(int rank, int64_t i) { return (int)((i * 7 + rank * 3) % 5); }
static double joined(link_reduce reduce, int size, int64_t i) {
  double all = value_at(0, i);
  for (int r = 1; r < size; r++) {
    const double x = value_at(r, i);
    all = reduce == LINK_SUM ? all + x : reduce == LINK_MAX ? fmax(all, x) : fmin(all, x);
  }
  return all;
}
static bool holds(pons_dtype d, const char *data, int64_t i, double value) {
  const double is = dtype_read(d, data + (size_t)i * pons_dtype_size(d));
  return is == (d == PONS_BOOL ? value != 0 : value);
}
static char *filled(pons_dtype d, int rank, int64_t n, int parts) {
  const size_t bytes = pons_dtype_size(d);
  char *data = calloc((size_t)(n * parts) + 1, bytes);
  for (int64_t i = 0; i < n * parts; i++) dtype_write(d, data + (size_t)i * bytes, value_at(rank, i));
  return data;
}

static bool all_reduces(process_group *g, pons_dtype d, int64_t n) {
  for (int reduce = 0; reduce < LINK_REDUCES; reduce++) {
    char *data = filled(d, g->rank, n, 1);
    EXPECT(!link_run(g, &(link_call){LINK_ALL_REDUCE, (link_reduce)reduce, d, n, 0, data}));
    for (int64_t i = 0; i < n; i++) EXPECT(holds(d, data, i, joined((link_reduce)reduce, g->size, i)));
    free(data);
  }
  return true;
}

static bool all_gathers(process_group *g, pons_dtype d, int64_t n) {
  const size_t part = (size_t)n * pons_dtype_size(d);
  char *data = calloc((size_t)g->size * part + 1, 1), *mine = filled(d, g->rank, n, 1);
  memcpy(data + (size_t)g->rank * part, mine, part);
  EXPECT(!link_run(g, &(link_call){.op = LINK_ALL_GATHER, .dtype = d, .n = n, .data = data}));
  for (int r = 0; r < g->size; r++)
    for (int64_t i = 0; i < n; i++) EXPECT(holds(d, data + (size_t)r * part, i, value_at(r, i)));
  free(mine);
  free(data);
  return true;
}

static bool reduce_scatters(process_group *g, pons_dtype d, int64_t n) {
  char *data = filled(d, g->rank, n, g->size);
  EXPECT(!link_run(g, &(link_call){.op = LINK_REDUCE_SCATTER, .dtype = d, .n = n, .data = data}));
  for (int64_t i = g->rank * n; i < (g->rank + 1) * n; i++) EXPECT(holds(d, data, i, joined(LINK_SUM, g->size, i)));
  free(data);
  return true;
}

static bool every_dtype(process_group *g) {
  static const int64_t sizes[] = {1, 2, 5, 1000};
  for (int d = 0; d < PONS_DTYPE_COUNT; d++)
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
      EXPECT(all_reduces(g, (pons_dtype)d, sizes[i]) && all_gathers(g, (pons_dtype)d, sizes[i]) && reduce_scatters(g, (pons_dtype)d, sizes[i]));
  /* more than is joined at once, and not a multiple of it */
  EXPECT(all_reduces(g, PONS_FLOAT32, 1000003) && all_gathers(g, PONS_INT16, 300001) && reduce_scatters(g, PONS_BFLOAT16, 400003));
  return true;
}

static bool ring_calls(int rank, int size) {
  process_group *g = group_of("ring");
  EXPECT(g && g->rank == rank && g->size == size);
  return every_dtype(g);
}

static bool nccl_calls(int rank, int size) {
  process_group *g = group_of("nccl");
  EXPECT(g && g->rank == rank && g->size == size && group_of("any") == g);
  return every_dtype(g);
}

static void what_calls_give(void **state) {
  (void)state;
  for (int size = 2; size <= 5; size++) run_ring(size, ring_calls);
  run_ring(1, ring_calls);
  describe_nccl(4);
  run_ranks(4, nccl_calls);
}

/* From each process to each other one. */
static bool passes(int rank, int size) {
  process_group *g = group_of("ring");
  EXPECT(g);
  for (int from = 0; from < size; from++)
    for (int to = 0; to < size; to++) {
      int64_t x[1000] = {0};
      if (from == to || (rank != from && rank != to)) continue;
      if (rank == from) x[999] = 10 * from + to;
      EXPECT(!link_run(g, &(link_call){.op = rank == from ? LINK_SEND : LINK_RECV, .dtype = PONS_INT64, .n = 1000, .peer = from + to - rank, .data = x}));
      EXPECT(x[999] == 10 * from + to);
    }
  return true;
}

static bool splits(int rank, int size) {
  process_group *g = group_of("ring");
  EXPECT(g);
  process_group *part = pons_group_split(g, rank % 2, -rank); /* keys that are negative: the ranks' order */
  EXPECT(part && part->size == (size + 1 - rank % 2) / 2 && part->rank == rank / 2);
  int32_t x = rank;
  EXPECT(!link_run(part, &(link_call){.op = LINK_ALL_REDUCE, .dtype = PONS_INT32, .n = 1, .data = &x}));
  EXPECT(x == (rank % 2 ? 1 + 3 : 0 + 2 + 4));
  process_group *turned = pons_group_split(part, 0, size - rank);
  EXPECT(turned && turned->rank == part->size - 1 - part->rank);
  int32_t ranks[3] = {rank, rank, rank};
  EXPECT(!link_run(turned, &(link_call){.op = LINK_ALL_GATHER, .dtype = PONS_INT32, .n = 1, .data = ranks}));
  EXPECT(ranks[0] == (rank % 2 ? 3 : 4) && ranks[1] == (rank % 2 ? 1 : 2));
  process_group *single = pons_group_split(g, rank, 0);
  EXPECT(single && single->size == 1 && single->rank == 0);
  return every_dtype(g);
}

static void other_ways(void **state) {
  (void)state;
  run_ring(4, passes);
  run_ring(5, splits);
}

/* ---- what goes wrong ---- */

static bool fails(process_group *g, const link_call *c, const char *text) {
  error *why = link_run(g, c);
  EXPECT(why);
  if (!strstr(error_text(why), text)) fprintf(stderr, "process %d: %s\n", g->rank, error_text(why));
  const bool as_expected = strstr(error_text(why), text) != NULL;
  error_release(why);
  return as_expected;
}

/* The last one dies in the midst of a call; all others notice, not only its neighbours, and at once. */
static bool one_dies(int rank, int size) {
  process_group *g = group_of("ring");
  EXPECT(g);
  enum { N = 1 << 22 };
  float *x = calloc(N, sizeof *x);
  const link_call c = {.op = LINK_ALL_REDUCE, .dtype = PONS_FLOAT32, .n = N, .data = x};
  EXPECT(!link_run(g, &c));
  if (rank == size - 1) _exit(0);
  const int64_t start = time_ns();
  EXPECT(fails(g, &c, "ended or closed the connection"));
  EXPECT(time_ns() - start < 10000000000);
  EXPECT(fails(g, &c, "all_reduce: the group failed before: all_reduce: process"));
  return true;
}

static bool sizes_differ(int rank, int size) {
  (void)size;
  process_group *g = group_of("ring");
  EXPECT(g);
  char x[64] = {0};
  return fails(g, &(link_call){.op = LINK_ALL_REDUCE, .dtype = rank ? PONS_INT32 : PONS_FLOAT32, .n = rank ? 5 : 4, .data = x},
               rank ? "process 0 makes another call: all_reduce of sums of 4 float32, here all_reduce of sums of 5 int32"
                    : "process 1 makes another call: all_reduce of sums of 5 int32, here all_reduce of sums of 4 float32");
}

static bool calls_differ(int rank, int size) {
  process_group *g = group_of("ring");
  EXPECT(g);
  char x[64] = {0};
  const link_call calls[3] = {{.op = LINK_ALL_GATHER, .dtype = PONS_INT8, .n = 4, .data = x},
                              {.op = LINK_ALL_REDUCE, .reduce = LINK_MAX, .dtype = PONS_INT8, .n = 4, .data = x},
                              {.op = LINK_RECV, .dtype = PONS_INT8, .n = 4, .peer = (rank + size - 1) % size, .data = x}};
  error *why = link_run(g, &calls[rank]); /* who met the wrong call says so, others that a connection was closed */
  EXPECT(why && (strstr(error_text(why), "makes another call") || strstr(error_text(why), "closed the connection")));
  error_release(why);
  return true;
}

static bool groups_differ(int rank, int size) {
  process_group *g = group_of("ring"), *other = g ? pons_group_split(g, 0, 0) : NULL;
  EXPECT(other && other->size == size);
  char x = 0;
  return fails(rank ? g : other, &(link_call){.op = LINK_ALL_REDUCE, .dtype = PONS_INT8, .n = 1, .data = &x}, "in another group");
}

static void what_goes_wrong(void **state) {
  (void)state;
  run_ring(2, one_dies);
  run_ring(4, one_dies);
  run_ring(2, sizes_differ);
  run_ring(3, calls_differ);
  run_ring(2, groups_differ);
}

/* Process 1 never comes. */
static bool waits_alone(int rank, int size) {
  (void)size;
  if (rank == 1) return true;
  const int64_t start = time_ns();
  EXPECT(!group_of("ring"));
  EXPECT(strstr(pons_error(), rank ? "ring: process 2 can't reach process 1 at 127.0.0.1:" : "ring: process 1 has not called process 0 at 127.0.0.1:"));
  EXPECT(strstr(pons_error(), " within 1 s"));
  EXPECT(time_ns() - start < 20000000000);
  return true;
}

/* Process 1 is there, and never calls. */
static bool waits_in_vain(int rank, int size) {
  (void)size;
  process_group *g = group_of("ring");
  EXPECT(g);
  if (rank == 1) return nanosleep(&(struct timespec){4, 0}, NULL) == 0;
  char x = 0;
  return fails(g, &(link_call){.op = LINK_ALL_REDUCE, .dtype = PONS_INT8, .n = 1, .data = &x}, "process 1 was waited for in vain ($PONS_PEER_TIMEOUT seconds)");
}

static void nobody_comes(void **state) {
  (void)state;
  setenv("PONS_CONNECT_TIMEOUT", "1", 1);
  run_ring(3, waits_alone);
  unsetenv("PONS_CONNECT_TIMEOUT");
  setenv("PONS_PEER_TIMEOUT", "1", 1);
  run_ring(2, waits_in_vain);
  unsetenv("PONS_PEER_TIMEOUT");
}

/* Others than the group's processes call where it listens: with nothing, with noise, with a rank that is none. */
static bool strangers_call(int rank, int size) {
  if (rank == 0) {
    process_group *g = group_of("ring");
    EXPECT(g && g->size == 2);
    return all_reduces(g, PONS_INT32, 10);
  }
  FILE *f = fopen(getenv("MLX_HOSTFILE"), "r");
  int port = 0;
  EXPECT(f && fscanf(f, "[[\"127.0.0.1:%d", &port) == 1);
  fclose(f);
  const struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
  static const char noise[3][20] = {"GET / HTTP/1.1\r\n\r\n", {'p', 'o', 'n', 's', ' ', '1', '\n', 0, 9, 0, 0, 0, 2}, {'p', 'o', 'n', 's', ' ', '1', '\n', 0, 0, 0, 0, 0, 2}};
  for (int i = 0; i < 4; i++) {
    int s = socket(AF_INET, SOCK_STREAM, 0);
    while (connect(s, (const struct sockaddr *)&at, sizeof at) != 0) { /* it may not listen yet */
      close(s);
      nanosleep(&(struct timespec){0, 10000000}, NULL);
      s = socket(AF_INET, SOCK_STREAM, 0);
    }
    if (i < 3) EXPECT(write(s, noise[i], sizeof noise[i]) == sizeof noise[i]);
    close(s);
  }
  process_group *g = group_of("ring");
  EXPECT(g && g->size == size);
  return all_reduces(g, PONS_INT32, 10);
}

static void strangers(void **state) {
  (void)state;
  run_ring(2, strangers_call);
}

/* Each allocation fails in turn in one process, until the group is made; none is an exit, and the other one is told. */
static bool memory_fails(int rank, int size) {
  if (rank == 1) {
    process_group *g = NULL;
    for (int i = 0; i < 100 && !g; i++) {
      mem_fail_at(i + 1);
      g = group_of("ring");
      const int64_t made = mem_fail_at(0);
      if (g) EXPECT(made <= i);
      if (!g) EXPECT(strstr(pons_error(), "memory"));
      pons_clear_error();
    }
    EXPECT(g && g->size == size);
    return all_reduces(g, PONS_INT32, 10);
  }
  process_group *g = group_of("ring");
  EXPECT(g);
  return all_reduces(g, PONS_INT32, 10);
}

static void no_memory(void **state) {
  (void)state;
  run_ring(2, memory_fails);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_calls_give), cmocka_unit_test(other_ways), cmocka_unit_test(what_goes_wrong),
                                     cmocka_unit_test(nobody_comes),    cmocka_unit_test(strangers),  cmocka_unit_test(no_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
