/* nccl_test.c: processes, each with a double of a GPU, compute together by the double of NCCL: every collective and sort of elements beside
   numbers that the test computes; groups of which not all can, which all go by the host; calls that fail and processes that end, in the middle of
   it all. It judges what is asked of NCCL and that nobody waits without end, not the hardware. */
#include "backends/cuda/nccl.h"
#include <pons/distributed.h>
#include <pons/index.h>
#include <pons/pons.h>
#include <dirent.h>
#include <stdarg.h>
#include "tests/cuda_double/process.h"
#include "tests/processes.h"

/* A folder where the double's processes meet: nothing stays there. */
static char folder[] = "/tmp/pons-nccl-XXXXXX";
static bool is_empty(void) {
  int n = 0;
  DIR *d = opendir(folder);
  while (d && readdir(d)) n++;
  if (d) closedir(d);
  return n == 2;
}

/* In a process: its device and its group. */
static pons_group begin(void) {
  open_doubles("");
  pons_set_default_device("cuda");
  return pons_distributed_init(true, "ring");
}

/* What was put on the device's queue by NCCL. */
static long calls(void) {
  return nccl_count("ncclAllReduce") + nccl_count("ncclAllGather") + nccl_count("ncclReduceScatter") + nccl_count("ncclSend") +
         nccl_count("ncclRecv");
}

/* ---- numbers ---- */

enum { N = 12 }; /* of each process; 2 and 3 divide it */

/* Element i of process `rank`; small, so that sums fit every dtype. */
static int value(int rank, int i, pons_dtype dtype) {
  const int x = (i * 7 + rank * 3) % 11 + (i == 5 ? rank : 0);
  return dtype == PONS_BOOL ? x > 5 : x;
}

static pons_array array(const int32_t *values, int n, pons_dtype dtype) {
  pons_array x = pons_astype(pons_array_from(values, PONS_SHAPE(n), PONS_INT32), dtype);
  return dtype == PONS_COMPLEX64 ? pons_multiply(x, pons_complex(1, 2)) : x;
}

static pons_array mine(int rank, pons_dtype dtype) {
  int32_t values[N];
  for (int i = 0; i < N; i++) values[i] = value(rank, i, dtype);
  return array(values, N, dtype);
}

enum { SUM, MAX, MIN, GATHER, SCATTER, KINDS };
static pons_array expected(int kind, int rank, int size, pons_dtype dtype) {
  int32_t values[N * 4];
  const int n = kind == GATHER ? N * size : kind == SCATTER ? N / size : N, first = kind == SCATTER ? rank * n : 0;
  for (int i = 0; i < n; i++) {
    int x = kind == GATHER ? value(i / N, i % N, dtype) : value(0, first + i, dtype);
    for (int r = 1; r < size && kind != GATHER; r++) {
      const int y = value(r, first + i, dtype);
      x = kind == MAX ? (y > x ? y : x) : kind == MIN ? (y < x ? y : x) : x + y;
    }
    values[i] = x;
  }
  return array(values, n, dtype);
}

static pons_array computed(int kind, pons_array x, pons_group g) {
  switch (kind) {
    case SUM: return pons_distributed_all_sum(x, g);
    case MAX: return pons_distributed_all_max(x, g);
    case MIN: return pons_distributed_all_min(x, g);
    case GATHER: return pons_distributed_all_gather(x, g);
    default: return pons_distributed_sum_scatter(x, g);
  }
}

/* As a view that is not in rows, or begins in the middle of its memory. */
static pons_array as_view(pons_array x, int how) {
  pons_array twice = pons_concatenate((pons_array[]){x, x}, 2, 0);
  if (how == 1) return pons_slice(pons_repeat(x, 2, 0), PONS_SHAPE(0), PONS_SHAPE(2 * N), PONS_SHAPE(2));
  if (how == 2) return pons_slice(twice, PONS_SHAPE(N), PONS_SHAPE(2 * N), PONS_SHAPE(1));
  return how == 3 ? pons_swapaxes(pons_reshape(x, PONS_SHAPE(4, N / 4)), 0, 1) : x;
}

static bool is_equal(pons_array x, pons_array y) {
  return pons_eval(x) && pons_dtype_of(x) == pons_dtype_of(y) && pons_item_int(pons_array_equal(x, y)) == 1;
}

/* Those that NCCL does not join go by the host, all the same. */
static bool goes_by_nccl(int kind, pons_dtype d) {
  if (kind == GATHER) return true;
  return d != PONS_UINT16 && d != PONS_INT16 && (d != PONS_BOOL || kind == MAX || kind == MIN);
}

static bool every_dtype(int rank, int size) {
  static const pons_dtype dtypes[] = {PONS_BOOL,  PONS_UINT8, PONS_UINT16,  PONS_UINT32,  PONS_UINT64,   PONS_INT8,    PONS_INT16,
                                      PONS_INT32, PONS_INT64, PONS_FLOAT16, PONS_FLOAT32, PONS_BFLOAT16, PONS_FLOAT64, PONS_COMPLEX64};
  pons_group g = begin();
  EXPECT(g);
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
    const pons_dtype d = dtypes[i];
    for (int kind = 0; kind < KINDS; kind++) {
      if ((d == PONS_BOOL && (kind == SUM || kind == SCATTER)) || (d == PONS_COMPLEX64 && (kind == MAX || kind == MIN))) continue;
      const pons_scope s = pons_scope_open();
      const long before = calls();
      const bool same = is_equal(computed(kind, mine(rank, d), g), expected(kind, rank, size, d));
      if (!same) fprintf(stderr, "kind %d of %s: %s\n", kind, pons_dtype_name(d), pons_error());
      EXPECT(same && calls() - before == goes_by_nccl(kind, d));
      pons_scope_close(s);
    }
  }
  EXPECT(nccl_count("communicators") == 1);
  return pons_ok();
}

static bool every_view(int rank, int size) {
  pons_group g = begin();
  EXPECT(g);
  for (int kind = 0; kind < KINDS; kind++) {
    for (int how = 0; how < 4; how++) {
      const pons_scope s = pons_scope_open();
      pons_array x = as_view(mine(rank, PONS_FLOAT32), how), y;
      EXPECT(pons_eval(x));
      if (how == 3 && kind >= GATHER) { /* of (3, 4): along the first axis */
        y = kind == GATHER ? computed(kind, x, g) : NULL;
        pons_array all[4];
        for (int r = 0; r < size; r++) all[r] = as_view(mine(r, PONS_FLOAT32), how);
        if (y) EXPECT(is_equal(y, pons_concatenate(all, size, 0)));
      } else {
        pons_array wanted = expected(kind, rank, size, PONS_FLOAT32);
        EXPECT(is_equal(computed(kind, x, g), how == 3 ? as_view(wanted, 3) : wanted));
        EXPECT(is_equal(x, as_view(mine(rank, PONS_FLOAT32), how))); /* what it was made of stays */
      }
      pons_scope_close(s);
    }
  }
  EXPECT(nccl_count("communicators") == 1 && pons_ok());
  pons_clear_cache();
  EXPECT(count("device memory") <= 1); /* what notes wrong indices */
  return true;
}

/* Each gives to the next what it was given, and one more. */
static bool goes_round(int rank, int size, pons_group g) {
  pons_array x = pons_full(PONS_SHAPE(5), pons_float(1));
  if (rank > 0) x = pons_add(pons_distributed_recv(PONS_SHAPE(5), PONS_FLOAT32, rank - 1, g), pons_float(1));
  if (!pons_eval(pons_distributed_send(x, (rank + 1) % size, g))) return false;
  if (rank == 0) x = pons_distributed_recv_like(x, size - 1, g);
  return is_equal(x, pons_full(PONS_SHAPE(5), pons_float((float)(rank == 0 ? size : rank + 1))));
}

static bool pairs(int rank, int size) {
  pons_group g = begin();
  EXPECT(g && goes_round(rank, size, g));
  EXPECT(calls() == 0); /* nobody knows yet what all can */
  EXPECT(is_equal(computed(SUM, mine(rank, PONS_FLOAT32), g), expected(SUM, rank, size, PONS_FLOAT32)));
  for (int i = 0; i < 3; i++) EXPECT(goes_round(rank, size, g));
  EXPECT(calls() == 7 && pons_ok());
  return true;
}

static void with_ranks(int size, bool (*body)(int, int)) {
  run_ring(size, body);
  assert_true(is_empty());
}

static void collectives_give_what_the_numbers_are(void **state) {
  (void)state;
  for (int size = 2; size <= 3; size++) {
    with_ranks(size, every_dtype);
    with_ranks(size, every_view);
    with_ranks(size, pairs);
  }
}

/* ---- plans ---- */

typedef struct together {
  pons_group group;
} together;

static void step(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)n_in, (void)n_out;
  pons_group g = ((together *)payload)->group;
  pons_array a = pons_distributed_all_sum(pons_multiply(in[0], pons_float(2)), g);
  pons_array b = pons_distributed_all_max(pons_add(in[0], pons_float(1)), g);
  out[0] = pons_add(a, pons_multiply(b, pons_float(100)));
}

/* All by step, each time, in the order in which they were written. */
static bool compiled(int rank, int size) {
  together t = {begin()};
  EXPECT(t.group);
  pons_function plain = pons_function_new(step, 1, &t, NULL), f = pons_compile(plain);
  for (int i = 0; i < 5; i++) {
    const pons_scope s = pons_scope_open();
    pons_array x = pons_full(PONS_SHAPE(3), pons_float((float)(i + rank)));
    EXPECT(pons_eval(x));
    const float wanted = (float)(2 * (size * i + size * (size - 1) / 2) + 100 * (i + size));
    EXPECT(is_equal(pons_apply(f, x), pons_full(PONS_SHAPE(3), pons_float(wanted))));
    EXPECT(calls() == 2 * (i + 1));
    pons_scope_close(s);
  }
  EXPECT(count("cuGraphLaunch") == 0 && pons_ok());
  pons_function_release(f);
  pons_function_release(plain);
  return true;
}

/* The host reads what the calls make before the plan is over, and makes what they read. */
static bool steps_of_the_host(int rank, int size) {
  pons_group g = begin();
  EXPECT(g);
  pons_array x = pons_distributed_all_sum(pons_astype(mine(rank, PONS_FLOAT32), PONS_FLOAT64), g);
  pons_array in_16 = pons_distributed_all_sum(pons_astype(x, PONS_INT16), g); /* by the host */
  pons_array y = pons_distributed_all_gather(pons_astype(in_16, PONS_FLOAT32), g);
  pons_array wanted = pons_multiply(expected(SUM, rank, size, PONS_FLOAT32), pons_float((float)size));
  pons_array all[4];
  for (int r = 0; r < size; r++) all[r] = wanted;
  EXPECT(is_equal(y, pons_concatenate(all, size, 0)) && calls() == 2 && pons_ok());
  return true;
}

/* Parts of the group compute for themselves, between calls of all. */
static bool parts(int rank, int size) {
  pons_group g = begin(), half = pons_group_split(g, rank == 0, -1);
  EXPECT(g && half);
  for (int i = 0; i < 2; i++) {
    pons_array a = pons_distributed_all_sum(mine(rank, PONS_INT32), g), b = pons_distributed_all_sum(a, half);
    const int others = rank == 0 ? 1 : size - 1;
    EXPECT(is_equal(b, pons_multiply(expected(SUM, rank, size, PONS_INT32), pons_int(others))));
  }
  EXPECT(nccl_count("communicators") == (rank == 0 ? 1 : 2) && pons_ok());
  return true;
}

static void plans_make_calls_in_their_places(void **state) {
  (void)state;
  with_ranks(2, compiled);
  with_ranks(3, steps_of_the_host);
  with_ranks(3, parts);
}

/* ---- the end of a process ---- */

static void ends_well(void) {
  if (nccl_count("communicators") != 0 || nccl_count("ncclCommDestroy") != 1) _exit(3);
}
static bool finishes(int rank, int size) {
  atexit(ends_well); /* runs behind those that are told later */
  pons_group g = begin();
  EXPECT(g && is_equal(computed(SUM, mine(rank, PONS_INT32), g), expected(SUM, rank, size, PONS_INT32)));
  if (rank == 1) usleep(100000);
  exit(0);
}

static void communicators_are_finished_at_exit(void **state) {
  (void)state;
  with_ranks(3, finishes);
}

/* ---- groups of which not all can ---- */

static bool goes_by_the_host(int rank, int size, pons_group g) {
  EXPECT(g);
  for (int kind = 0; kind < KINDS; kind++)
    EXPECT(is_equal(computed(kind, mine(rank, PONS_FLOAT32), g), expected(kind, rank, size, PONS_FLOAT32)));
  EXPECT(goes_round(rank, size, g));
  EXPECT(calls() == 0 && nccl_count("communicators") == 0 && pons_ok());
  return true;
}

static bool one_without_nccl(int rank, int size) {
  if (rank == 1) setenv("PONS_NCCL", "", 1);
  return goes_by_the_host(rank, size, begin());
}
static bool one_without_gpu(int rank, int size) {
  if (rank == 1) return goes_by_the_host(rank, size, pons_distributed_init(true, "ring"));
  return goes_by_the_host(rank, size, begin());
}
static bool two_of_one_gpu(int rank, int size) {
  set_number("CUDA_DOUBLE_MACHINE", rank == 0 ? 1 : 2);
  return goes_by_the_host(rank, size, begin());
}
static bool another_version(int rank, int size) {
  if (rank == 2) setenv("NCCL_DOUBLE_VERSION", "22000", 1);
  return goes_by_the_host(rank, size, begin());
}
/* The first call may be on the host; what the GPUs can, processes know from there. */
static bool first_on_the_host(int rank, int size) {
  pons_group g = begin();
  pons_set_default_device("cpu");
  EXPECT(g && is_equal(computed(SUM, mine(rank, PONS_INT32), g), expected(SUM, rank, size, PONS_INT32)));
  pons_set_default_device("cuda");
  EXPECT(is_equal(computed(SUM, mine(rank, PONS_INT32), g), expected(SUM, rank, size, PONS_INT32)));
  return pons_ok() && calls() <= 1;
}

static void all_go_the_same_way(void **state) {
  (void)state;
  with_ranks(3, one_without_nccl);
  with_ranks(3, one_without_gpu);
  with_ranks(3, two_of_one_gpu);
  with_ranks(3, another_version);
  with_ranks(2, first_on_the_host);
}

/* ---- what fails ---- */

static bool connects(int rank, int size, pons_group g) {
  const pons_scope s = pons_scope_open();
  const bool fine = g && is_equal(computed(SUM, mine(rank, PONS_INT32), g), expected(SUM, rank, size, PONS_INT32));
  pons_scope_close(s);
  return fine && calls() == 1;
}

/* The device serves for other work, and holds nothing of what failed. */
static bool device_is_fine(void) {
  pons_clear_error();
  unsetenv("DOUBLE_FAULTS");
  const pons_scope s = pons_scope_open();
  EXPECT(is_equal(pons_add(pons_ones(PONS_SHAPE(4), PONS_FLOAT32), pons_float(1)), pons_full(PONS_SHAPE(4), pons_float(2))));
  pons_scope_close(s);
  pons_clear_cache();
  EXPECT(count("device memory") <= 1 && nccl_count("communicators") == 0);
  return true;
}

/* No call goes well any more, once this process knows of it. */
static bool is_over(pons_group g) {
  const pons_scope s = pons_scope_open();
  EXPECT(!pons_eval(computed(SUM, mine(0, PONS_INT32), g)));
  pons_clear_error();
  EXPECT(!pons_eval(computed(SUM, mine(0, PONS_INT32), g)) && told("the group failed before"));
  pons_scope_close(s);
  return device_is_fine();
}

static const struct fault {
  const char *what;
  int rank;      /* of the process that it happens to */
  bool is_right; /* all the same, by the host */
  bool is_late;  /* once they are connected */
} *fault, faults[] = {
    {"ncclGetVersion:1=1", 1, true, false},
    {"cuDeviceGetUuid:1=1", 0, true, false},
    {"ncclGetUniqueId:1=2", 0, true, false},
    {"ncclCommInitRankConfig:1=2", 0, true, false},
    {"ncclCommInitRankConfig:1=2", 1, true, false},
    {"nccl joins:1=3", 1, true, false},
    {"ncclCommGetAsyncError:1=3", 0, true, false},
    {"ncclAllReduce:1=5", 0, false, false},
    {"ncclAllReduce:2=5", 1, false, false},
    {"ncclReduceScatter:1=1", 1, false, false},
    {"ncclAllGather:1=4", 0, false, false},
    {"ncclSend:1=2", 0, false, false},
    {"ncclRecv:1=2", 1, false, false},
    {"ncclCommGetAsyncError:1+=3", 0, false, true},
    {"nccl work:1=6", 0, false, false},
    {"nccl work:3=6", 1, false, false},
    {"cuEventQuery:1=1", 1, false, false},
    {"cuEventRecord:1+=1", 1, false, true},
    {"cuEventQuery:2=700", 0, false, false},
};

static bool right_or_told(int rank, int size) {
  const bool is_met = rank == fault->rank;
  if (is_met && !fault->is_late) setenv("DOUBLE_FAULTS", fault->what, 1);
  pons_group g = begin();
  if (fault->is_right) setenv("PONS_CONNECT_TIMEOUT", "2", 1); /* one of them may wait for the other so long */
  bool fine = g != NULL;
  if (fault->is_late) EXPECT(connects(rank, size, g));
  if (is_met && fault->is_late) setenv("DOUBLE_FAULTS", fault->what, 1);
  for (int i = 0; i < 2; i++) {
    const pons_scope s = pons_scope_open();
    for (int kind = 0; kind < KINDS; kind++) fine &= is_equal(computed(kind, mine(rank, PONS_FLOAT32), g), expected(kind, rank, size, PONS_FLOAT32));
    if (fine) fine = goes_round(rank, size, g);
    EXPECT(fine || pons_error());
    pons_scope_close(s);
  }
  EXPECT(fine == fault->is_right);
  return (is_met && strstr(fault->what, "=700")) || (fine ? device_is_fine() : is_over(g));
}

static void whichever_call_fails(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    fault = &faults[i];
    print_message("%s in process %d\n", fault->what, fault->rank);
    with_ranks(2, right_or_told);
  }
}

/* The others are told of it, whatever it is that ends a process's part. */
static bool one_ends(int rank, int size) {
  pons_group g = begin();
  EXPECT(connects(rank, size, g));
  if (rank == 1) _exit(0);
  const pons_scope s = pons_scope_open();
  EXPECT(!pons_eval(computed(MAX, mine(rank, PONS_INT32), g)));
  pons_scope_close(s);
  EXPECT(told("has ended or closed the connection") || told("connection closed by remote peer 1") || told("the group failed before"));
  return is_over(g);
}
static bool one_ends_unseen_by_nccl(int rank, int size) {
  setenv("NCCL_DOUBLE_BLIND", "1", 1);
  return one_ends(rank, size);
}

static bool fails_to_read(void *payload, void *to, size_t bytes, char *why, size_t room) {
  (void)payload, (void)to, (void)bytes;
  snprintf(why, room, "it is not there");
  return false;
}
static bool one_lacks_its_operand(int rank, int size) {
  pons_group g = begin();
  setenv("NCCL_DOUBLE_BLIND", "1", 1);
  EXPECT(connects(rank, size, g));
  const pons_scope s = pons_scope_open();
  pons_array x = mine(rank, PONS_INT32);
  if (rank == 1) x = pons_from_reader(PONS_SHAPE(N), PONS_INT32, fails_to_read, NULL, NULL);
  EXPECT(!pons_eval(computed(SUM, x, g)) && (rank != 1 || told("it is not there")));
  pons_scope_close(s);
  return is_over(g);
}

static bool one_lacks_memory(int rank, int size) {
  enum { MANY = 100000 };
  if (rank == 1) set_number("CUDA_DOUBLE_MEMORY", 3 * MANY);
  pons_group g = begin();
  EXPECT(connects(rank, size, g));
  const pons_scope s = pons_scope_open();
  EXPECT(!pons_eval(computed(SUM, pons_ones(PONS_SHAPE(MANY), PONS_FLOAT32), g)));
  pons_scope_close(s);
  EXPECT(rank == 0 || told("memory"));
  return is_over(g);
}

static bool one_does_not_come(int rank, int size) {
  pons_group g = begin();
  EXPECT(connects(rank, size, g));
  setenv("PONS_PEER_TIMEOUT", "1", 1);
  if (rank == 1) sleep(3);
  const pons_scope s = pons_scope_open();
  const bool fine = pons_eval(computed(SUM, mine(rank, PONS_INT32), g)); /* it may find what the other gave while it waited */
  pons_scope_close(s);
  EXPECT(rank == 1 || (!fine && told("waited for in vain")));
  return is_over(g);
}

static void nobody_waits_without_end(void **state) {
  (void)state;
  with_ranks(2, one_ends);
  with_ranks(3, one_ends_unseen_by_nccl);
  with_ranks(2, one_lacks_its_operand);
  with_ranks(2, one_lacks_memory);
  with_ranks(2, one_does_not_come);
}

/* ---- what is told of it ---- */

static bool report_says(const char *what) {
  text json = {0};
  cuda_report(&json);
  const bool says = json.at && strstr(json.at, what);
  text_free(&json);
  return says;
}
static void tells_its_version(void) { CHECK(nccl() && report_says("\"NCCL\": {\"version\": 22304, \"path\"") && report_says("libnccl.so.2")); }
static void is_done_without(void) { CHECK(!nccl() && report_says("\"NCCL\": {\"missing\": \"PONS_NCCL is empty\"")); }
static void lacks_entry_points(void) { CHECK(!nccl() && report_says("\"missing\": \"no libnccl") && report_says("nvidia-nccl-cu12")); }

static void reports_tell_of_it(void **state) {
  (void)state;
  passes(tells_its_version, "A=1");
  passes(tells_its_version, "NO_NCCL=1;PONS_NCCL=/nowhere:" DOUBLES);
  passes(is_done_without, "PONS_NCCL=");
  if (!dlopen("libnccl.so.2", RTLD_LAZY | RTLD_LOCAL)) passes(lacks_entry_points, "NO_NCCL=1;PONS_NCCL=" DOUBLES "libcufft.so.11");
}

int main(void) {
  if (!doubles_are_there()) return 77;
  setenv("PONS_CACHE_DIR", PONS_BUILD_DIR "/kernels", 1);
  if (!mkdtemp(folder)) return 1;
  setenv("TMPDIR", folder, 1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(collectives_give_what_the_numbers_are),
      cmocka_unit_test(plans_make_calls_in_their_places),
      cmocka_unit_test(communicators_are_finished_at_exit),
      cmocka_unit_test(all_go_the_same_way),
      cmocka_unit_test(whichever_call_fails),
      cmocka_unit_test(nobody_waits_without_end),
      cmocka_unit_test(reports_tell_of_it),
  };
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  rmdir(folder);
  return failed;
}
