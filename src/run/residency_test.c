/* residency_test.c: plans on a device with memory of its own. The device is made here: its memory has a name that
   is no address, its kernels are the interpreter's, it knows one primitive, and it counts what is copied. What it
   can't compute runs on the CPU; results are those of the CPU alone. PONS_SEED sets the seed, which is printed. */
#include "run/run.h"
#include "tests/seed.h"
#include <pons/ops.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* of cmocka */
#define FAIL(...) (print_error(__VA_ARGS__), assert_true(false))

typedef struct block {
  size_t bytes;
  char data[];
} block;

static atomic_int blocks, writes, reads, launches, finishes;
static atomic_size_t bytes_written, bytes_read;
static atomic_size_t used, room = SIZE_MAX; /* bytes there, and how many there may be */
static atomic_int failing; /* what fails from now on */
enum { TAKES = 1, WRITES = 2, READS = 4, KERNELS = 8, FINISHES = 16 };

static error *failure(int what, const char *word) {
  return atomic_load(&failing) & what ? fail("away", "%s fails, as wanted", word) : NULL;
}

static void *take(int index, size_t bytes, error **why) {
  assert_int_equal(index, 0);
  if ((*why = failure(TAKES, "take"))) return NULL;
  if (atomic_fetch_add(&used, bytes) + bytes > atomic_load(&room)) {
    atomic_fetch_sub(&used, bytes);
    *why = fail_as(PONS_ERROR_MEMORY, "away", "out of memory: asked %zu bytes", bytes);
    return NULL;
  }
  block *b = malloc(sizeof *b + bytes);
  assert_non_null(b);
  b->bytes = bytes;
  blocks++;
  return b;
}

static void give(int index, void *memory) {
  (void)index;
  used -= ((block *)memory)->bytes;
  free(memory);
  blocks--;
}

static error *write_memory(int index, void *memory, size_t at, const void *host, size_t bytes) {
  (void)index;
  writes++;
  bytes_written += bytes;
  assert_true(at + bytes <= ((block *)memory)->bytes);
  memcpy(((block *)memory)->data + at, host, bytes);
  return failure(WRITES, "write");
}

static error *read_memory(int index, void *memory, size_t at, void *host, size_t bytes) {
  (void)index;
  reads++;
  bytes_read += bytes;
  assert_true(at + bytes <= ((block *)memory)->bytes);
  memcpy(host, ((block *)memory)->data + at, bytes);
  return failure(READS, "read");
}

static error *finish(int index) {
  (void)index;
  finishes++;
  return failure(FINISHES, "finish");
}

static void addressed(operand *to, const operand *from, int n) {
  for (int i = 0; i < n; i++) {
    const location *at = from[i].data;
    to[i] = from[i];
    to[i].data = ((block *)at->memory)->data + at->offset;
  }
}

static error *run_kernel(const kernel *k, const operand *in, const operand *out) {
  operand x[KERNEL_MAX_INPUTS], y[KERNEL_MAX_OUTPUTS];
  launches++;
  addressed(x, in, k->n_in);
  addressed(y, out, k->n_out);
  kernel_interpret(k, x, y);
  return failure(KERNELS, "kernel");
}

static const char *refuses_kernel(int index, const kernel *k) {
  (void)index;
  for (int i = 0; i < k->n_in; i++)
    if (k->in[i] == PONS_FLOAT64) return "no float64";
  return NULL;
}

static error *full(const launch *l) {
  operand x, y;
  launches++;
  addressed(&x, l->in, 1);
  addressed(&y, l->out, 1);
  const kernel copy = {.n_in = 1, .n_out = 1, .in = {(uint8_t)x.dtype}, .out = {0}};
  kernel_interpret(&copy, &x, &y);
  return NULL;
}

/* As the CPU does it. */
static error *slice_update(const launch *l) {
  operand in[2], y;
  launches++;
  addressed(in, l->in, 2);
  addressed(&y, l->out, 1);
  const launch there = {l->params, 2, 1, in, &y};
  return device_pick(device_host(), "SliceUpdate", &there, NULL)->run(&there);
}

static int one(void) { return 1; }
static const memory_driver memory = {
    .take = take, .give = give, .write = write_memory, .read = read_memory, .finish = finish};
static const implementation implementations[] = {{"Full", "away", NULL, full}, {"SliceUpdate", "away", NULL, slice_update}};
static const driver away = {.name = "away",
                            .count = one,
                            .implementations = implementations,
                            .n_implementations = 2,
                            .refuses_kernel = refuses_kernel,
                            .run_kernel = run_kernel,
                            .memory = &memory};
extern const driver driver_cpu;
const driver *const pons_drivers[] = {&driver_cpu, &away, NULL};

static _Thread_local uint64_t seed;
static int below(int n) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (int)(seed >> 33) % n;
}

static pons_array floats(int n, const float *values) {
  return pons_array_from(values, PONS_SHAPE(n), PONS_FLOAT32);
}
#define FLOATS(...) floats((int)(sizeof((float[]){__VA_ARGS__}) / sizeof(float)), (float[]){__VA_ARGS__})

static void check(pons_array a, int n, const float *expected) {
  const float *data = pons_data(a);
  if (!data) FAIL("%s", pons_error());
  assert_int_equal(pons_size(a), n);
  for (int i = 0; i < n; i++) assert_true(data[i] == expected[i]);
}
#define CHECK(a, ...) check(a, (int)(sizeof((float[]){__VA_ARGS__}) / sizeof(float)), (float[]){__VA_ARGS__})

/* What is evaluated is done, not only launched, as in MLX: else who measures time measures nothing. */
static void evaluation_waits_for_the_device(void **state) {
  (void)state;
  pons_array x = FLOATS(1, 2, 3), y = pons_add(x, x), z = pons_multiply(x, x);
  const int before = finishes;
  assert_true(pons_async_eval(y));
  assert_int_equal(finishes, before);
  assert_true(pons_synchronize(NULL));
  assert_true(finishes > before);
  const int synchronized = finishes;
  assert_true(pons_eval(y)); /* launched long ago: it may still go on */
  assert_int_equal(finishes, synchronized + 1);
  assert_true(pons_eval(z));
  assert_int_equal(finishes, synchronized + 2);
  CHECK(z, 1, 4, 9);
  const int read = finishes;
  assert_true(pons_eval(z)); /* it is here */
  assert_int_equal(finishes, read);
  atomic_store(&failing, FINISHES);
  assert_false(pons_eval(pons_subtract(x, y)));
  assert_string_equal(pons_error(), "away: finish fails, as wanted");
  pons_clear_error();
  assert_false(pons_synchronize(NULL));
  pons_clear_error();
  atomic_store(&failing, 0);
}

static void copies_are_made_once(void **state) {
  (void)state;
  pons_array x = FLOATS(1, 2, 3), y = pons_add(pons_multiply(x, x), x);
  assert_true(pons_eval(y));
  assert_int_equal(writes, 1); /* x */
  assert_int_equal(reads, 0);
  CHECK(y, 2, 6, 12);
  CHECK(y, 2, 6, 12);
  assert_int_equal(reads, 1);
  CHECK(pons_subtract(y, x), 1, 4, 9); /* both are there already */
  assert_int_equal(writes, 1);
  assert_int_equal(reads, 2);
  CHECK(x, 1, 2, 3);
  assert_int_equal(reads, 2);
}

static void a_result_takes_over_an_operand_there_too(void **state) {
  (void)state;
  const pons_scope inner = pons_scope_open();
  pons_array x = pons_keep(pons_add(FLOATS(1, 2, 3), FLOATS(1, 1, 1)));
  assert_true(pons_eval(x));
  pons_scope_close(inner);
  const int before = blocks;
  pons_array y = pons_negative(x);
  pons_release(x); /* nobody else holds it */
  assert_true(pons_eval(y));
  assert_int_equal(blocks, before);
  CHECK(y, -2, -3, -4);
  pons_array kept = pons_add(y, y), z = pons_negative(kept);
  assert_true(pons_eval(kept) && pons_eval(z));
  CHECK(kept, -4, -6, -8); /* it is still held */
  CHECK(z, 4, 6, 8);
}

static void views_are_read_where_they_are(void **state) {
  (void)state;
  pons_array x = pons_multiply(FLOATS(1, 2, 3, 4, 5, 6), pons_float(2));
  assert_true(pons_eval(x));
  pons_array m = pons_reshape(x, PONS_SHAPE(2, 3));
  CHECK(pons_negative(pons_transpose(m)), -2, -8, -4, -10, -6, -12);
  CHECK(pons_negative(pons_index(m, 1, 0)), -8, -10, -12);
  CHECK(pons_transpose(m), 2, 8, 4, 10, 6, 12);
}

/* ---- parts ---- */

static pons_array counted(int n) { return pons_arange(0, n, 1, PONS_FLOAT32); }

static void a_view_has_its_bytes_copied_and_no_others(void **state) {
  (void)state;
  pons_array x = pons_add(counted(100), pons_float(1)); /* made there */
  assert_true(pons_eval(x));
  const size_t before = bytes_read;
  CHECK(pons_slice(x, PONS_SHAPE(10), PONS_SHAPE(13), PONS_SCALAR), 11, 12, 13);
  assert_int_equal(bytes_read - before, 3 * sizeof(float));
  CHECK(pons_slice(x, PONS_SHAPE(12), PONS_SHAPE(2), PONS_SHAPE(-4)), 13, 9, 5); /* from 4 to 12 */
  assert_int_equal(bytes_read - before, 9 * sizeof(float));
  pons_set_default_device("cpu");
  CHECK(pons_add(pons_slice(x, PONS_SHAPE(20), PONS_SHAPE(22), PONS_SCALAR), pons_float(1)), 22, 23);
  pons_set_default_device("away");
  assert_int_equal(bytes_read - before, 11 * sizeof(float));
  assert_true(((const float *)pons_data(x))[99] == 100); /* the rest */
  assert_int_equal(bytes_read - before, 100 * sizeof(float));
  pons_array y = pons_array_from(pons_data(x), PONS_SHAPE(100), PONS_FLOAT32);
  const size_t written = bytes_written;
  CHECK(pons_negative(pons_slice(y, PONS_SHAPE(50), PONS_SHAPE(52), PONS_SCALAR)), -51, -52);
  assert_int_equal(bytes_written - written, 2 * sizeof(float));
  CHECK(pons_negative(pons_slice(y, PONS_SHAPE(51), PONS_SHAPE(54), PONS_SCALAR)), -52, -53, -54);
  assert_int_equal(bytes_written - written, 4 * sizeof(float));
}

/* A new array like x with another part, in x's memory: nobody else holds x, which is released. */
static pons_array updated_on(const char *device, pons_array x, int at, float value) {
  const pons_scope s = pons_scope_open();
  pons_set_default_device(device);
  pons_array y = pons_keep(pons_slice_update(x, FLOATS(value, value), PONS_SHAPE(at), PONS_SHAPE(at + 2), PONS_SCALAR));
  pons_release(x);
  assert_true(pons_eval(y));
  pons_set_default_device("away");
  pons_scope_close(s);
  return y;
}

static pons_array kept_on(const char *device, int n) {
  const pons_scope s = pons_scope_open();
  pons_set_default_device(device);
  pons_array x = pons_keep(pons_add(counted(n), pons_float(1)));
  assert_true(pons_eval(x));
  pons_set_default_device("away");
  pons_scope_close(s);
  return x;
}

/* What is read is a view, which goes: it holds x's memory. */
static void check_part(pons_array x, bool is_negative, int from, int n, const float *expected) {
  const pons_scope s = pons_scope_open();
  pons_array part = pons_slice(x, PONS_SHAPE(from), PONS_SHAPE(from + n), PONS_SCALAR);
  check(is_negative ? pons_negative(part) : part, n, expected);
  pons_scope_close(s);
}
#define NUMBERS(...) (int)(sizeof((float[]){__VA_ARGS__}) / sizeof(float)), (float[]){__VA_ARGS__}
#define CHECK_PART(x, from, ...) check_part(x, false, from, NUMBERS(__VA_ARGS__))
#define CHECK_NEGATIVE(x, from, ...) check_part(x, true, from, NUMBERS(__VA_ARGS__)) /* computed there */

static void an_update_in_place_leaves_the_rest_where_it_is(void **state) {
  (void)state;
  const size_t two = 2 * sizeof(float);
  pons_array x = kept_on("away", 100);
  size_t read = bytes_read, written = bytes_written;
  assert_non_null(pons_data(x)); /* is in both places */
  assert_int_equal(bytes_read - read, 100 * sizeof(float));
  x = updated_on("away", x, 30, 7); /* there: of the host's all but that is valid */
  assert_int_equal(bytes_written - written, two); /* the new elements */
  read = bytes_read;
  CHECK_PART(x, 28, 29, 30, 7);
  assert_int_equal(bytes_read - read, sizeof(float));
  x = updated_on("cpu", x, 60, 8); /* here: nothing comes home for it */
  assert_int_equal(bytes_read - read, sizeof(float));
  written = bytes_written;
  CHECK_NEGATIVE(x, 59, -60, -8, -8, -63);
  assert_int_equal(bytes_written - written, two);
  CHECK_PART(x, 30, 7, 7);
  const float *all = pons_data(x);
  for (int i = 0; i < 100; i++) assert_true(all[i] == (i / 2 == 15 ? 7 : i / 2 == 30 ? 8 : (float)i + 1));
  pons_release(x);
  x = updated_on("away", kept_on("cpu", 100), 4, 9); /* what was never there needs not come there */
  written = bytes_written;
  assert_int_equal(((const float *)pons_data(x))[5], 9);
  assert_int_equal(((const float *)pons_data(x))[6], 7);
  assert_int_equal(bytes_written, written);
  pons_release(x);
}

/* Updates and reads of parts, here and there, against a plain array. */
static void parts_are_read_as_they_were_written(void **state) {
  (void)state;
  enum { LENGTH_OF_ALL = 40, TURNS = 1500 };
  float expected[LENGTH_OF_ALL];
  pons_array x = kept_on("away", LENGTH_OF_ALL);
  for (int i = 0; i < LENGTH_OF_ALL; i++) expected[i] = (float)i + 1;
  for (int turn = 0; turn < TURNS; turn++) {
    const int at = below(LENGTH_OF_ALL - 1), what = below(5);
    if (what < 2) {
      x = updated_on(what ? "away" : "cpu", x, at, (float)turn);
      expected[at] = expected[at + 1] = (float)turn;
      continue;
    }
    const pons_scope s = pons_scope_open();
    const int n = 1 + below(LENGTH_OF_ALL - at);
    pons_array view = pons_slice(x, PONS_SHAPE(at), PONS_SHAPE(at + n), PONS_SCALAR);
    pons_set_default_device(what == 2 ? "cpu" : "away");
    const float *values = pons_data(what == 4 ? view : pons_negative(view));
    pons_set_default_device("away");
    if (!values) FAIL("%s", pons_error());
    for (int i = 0; i < n; i++) assert_true(values[i] == (what == 4 ? expected[at + i] : -expected[at + i]));
    pons_scope_close(s);
  }
  pons_release(x);
}

static void the_cpu_computes_the_rest(void **state) {
  (void)state;
  pons_array x = pons_negative(FLOATS(2, 1, 3));
  CHECK(pons_add(pons_sort(x, 0), pons_float(1)), -2, -1, 0);
  assert_true(launches > 1);
  const int before = launches;
  CHECK(pons_astype(pons_square(pons_astype(FLOATS(3), PONS_FLOAT64)), PONS_FLOAT32), 9);
  assert_int_equal(launches, before + 1); /* the cast that begins with a float32 runs there */
}

static void what_is_empty_has_no_memory(void **state) {
  (void)state;
  pons_array none = pons_exp(pons_zeros(PONS_SHAPE(0), PONS_FLOAT32));
  CHECK(pons_sum(pons_multiply(none, none)), 0);
  assert_true(pons_eval(pons_sort(none, 0)));
}

static void both_ways(void *payload, const pons_array *in, int n_in, pons_array *out, int n_out) {
  (void)payload, (void)n_in, (void)n_out;
  out[0] = pons_multiply(pons_cumsum(pons_add(in[0], in[1])), in[0]);
}

static void compiled_functions_run_there(void **state) {
  (void)state;
  pons_function f = pons_function_new(both_ways, 1, NULL, NULL), g = pons_compile(f);
  for (int i = 1; i < 4; i++) {
    const pons_scope s = pons_scope_open();
    pons_array in[] = {FLOATS((float)i, 2), FLOATS(1, 1)}, out;
    assert_true(pons_call(g, in, 2, &out, 1));
    CHECK(out, (float)(i * (i + 1)), (float)(2 * (i + 4)));
    pons_scope_close(s);
  }
  pons_function_release(g);
  pons_function_release(f);
}

static void failures_are_told(void **state) {
  (void)state;
  const char *const words[] = {"take", "write", "read", "kernel"};
  for (int i = 0; i < 4; i++) {
    const pons_scope s = pons_scope_open();
    pons_array y = pons_sort(pons_exp(FLOATS(1, 2)), 0);
    failing = 1 << i;
    assert_null(pons_data(y));
    assert_non_null(strstr(pons_error(), words[i]));
    failing = 0;
    pons_clear_error();
    pons_scope_close(s);
  }
}

/* ---- the profile ---- */

static char profile[1 << 16];
static void profiled(void (*what)(void)) {
  static char path[] = "/tmp/pons-residency-XXXXXX";
  memcpy(path + sizeof path - 7, "XXXXXX", 6);
  const int file = mkstemp(path);
  assert_true(file >= 0 && close(file) == 0);
  assert_true(pons_profile_start(path));
  what();
  assert_true(pons_profile_stop());
  FILE *f = fopen(path, "r");
  assert_non_null(f);
  profile[fread(profile, 1, sizeof profile - 1, f)] = 0;
  fclose(f);
  unlink(path);
}

static void there_and_back(void) { CHECK(pons_add(pons_sort(pons_negative(FLOATS(3, 1, 2)), 0), pons_float(1)), -2, -1, 0); }
static void of_a_part(void) { CHECK(pons_negative(pons_slice(FLOATS(3, 1, 2, 4), PONS_SHAPE(1), PONS_SHAPE(3), PONS_SCALAR)), -1, -2); }

static void profile_tells_copies_and_why(void **state) {
  (void)state;
  profiled(there_and_back);
  assert_non_null(strstr(profile, "\"copies to the device\": 1, \"bytes to the device\": 12, \"why to the device\": \"away had not"));
  assert_non_null(strstr(profile, "\"copies to the host\": 1, \"bytes to the host\": 12, \"why to the host\": \"what was written last"));
  assert_null(strstr(profile, "of a part"));
  profiled(of_a_part);
  assert_non_null(strstr(profile, "\"copies to the device\": 1, \"bytes to the device\": 8, "));
  assert_non_null(strstr(profile, "\"copies of a part\": 1, \"why of a part\": \"the rest of the array's memory"));
}

/* ---- memory that is short ---- */

enum { MANY = 8, LONG = 100 };

/* The sum of so many long arrays, each made there and asked for in the end. */
static float sum_of_many(pons_array *made) {
  float sum = 0;
  for (int i = 0; i < MANY; i++) {
    made[i] = pons_multiply(pons_full(PONS_SHAPE(LONG), pons_float(i)), pons_float(2));
    pons_keep(made[i]);
    assert_true(pons_eval(made[i]));
  }
  for (int i = 0; i < MANY; i++) {
    pons_array next = pons_add(made[i], made[(i + 3) % MANY]);
    const float *data = pons_data(next);
    if (!data) FAIL("%s", pons_error());
    sum += data[0] + data[LONG - 1];
  }
  return sum;
}

static void what_was_used_longest_ago_gives_way(void **state) {
  (void)state;
  pons_array made[MANY];
  const size_t one = LONG * sizeof(float);
  room = used + 4 * one;
  const pons_scope s = pons_scope_open();
  const size_t before = pons_get_active_memory();
  const int reads_before = reads;
  assert_true(sum_of_many(made) == 2 * 2 * 2 * MANY * (MANY - 1) / 2);
  assert_true(reads > reads_before); /* what was there alone was brought home */
  assert_true(used <= room && pons_get_active_memory() >= before + 4 * one);
  assert_true(pons_ok());
  for (int i = 0; i < MANY; i++) {
    const float *data = pons_data(made[i]);
    for (int k = 0; k < LONG; k++) assert_true(data[k] == 2 * (float)i);
    pons_release(made[i]);
  }
  pons_scope_close(s);
  room = SIZE_MAX;
}

static void what_can_not_fit_runs_on_the_cpu(void **state) {
  (void)state;
  const pons_scope s = pons_scope_open();
  room = used + LONG * sizeof(float);
  pons_array y = pons_exp(pons_multiply(pons_full(PONS_SHAPE(LONG + 1), pons_float(1)), pons_float(2)));
  assert_true(pons_eval(y) && pons_ok());
  assert_true(launches == 0 && used <= room);
  const float *data = pons_data(y);
  for (int k = 0; k <= LONG; k++) assert_true(fabsf(data[k] - expf(2)) < 1e-5f);
  pons_array few = pons_add(pons_full(PONS_SHAPE(3), pons_float(1)), pons_float(2)); /* there is room for it */
  assert_true(pons_eval(few) && launches > 0);
  pons_scope_close(s);
  room = SIZE_MAX;
}

/* ---- ping-pong: random dependencies between two devices ---- */

enum { ARRAYS = 12, LENGTH = 5, ROUNDS = 200 };

/* Arrays hold whole numbers from -9 to 9, whose sums and products float32 holds too: both devices give the same bits. With others
   the last digits, in which devices differ, would decide what is greater. */
static pons_array step_of(int op, pons_array a, pons_array b) {
  switch (op) {
    case 0:
      return pons_add(a, b);
    case 1:
      return pons_multiply(pons_square(a), b);
    case 2:
      return pons_sort(pons_subtract(a, b), 0);
    case 3:
      return pons_slice(pons_concatenate((pons_array[]){a, b}, 2, 0), PONS_SHAPE(2), PONS_SHAPE(2 + LENGTH),
                        PONS_SCALAR);
    case 4:
      return pons_matmul(pons_reshape(pons_outer(a, b), PONS_SHAPE(LENGTH, LENGTH)), b);
    default:
      return pons_where(pons_greater(a, b), a, pons_cumsum(b));
  }
}

/* The arrays after a number of steps, on streams in turn or all on the CPU. */
static bool play(uint64_t from, bool on_two, float *result) {
  const pons_scope s = pons_scope_open();
  static const char *const devices[] = {"cpu", "away"};
  pons_array at[ARRAYS];
  seed = from;
  for (int i = 0; i < ARRAYS; i++) {
    float values[LENGTH];
    for (int k = 0; k < LENGTH; k++) values[k] = (float)below(19) - 9;
    at[i] = floats(LENGTH, values);
  }
  for (int i = 0; i < 60; i++) {
    const int device = below(2), op = below(6), a = below(ARRAYS), b = below(ARRAYS), to = below(ARRAYS);
    pons_set_default_device(on_two ? devices[device] : "cpu");
    at[to] = pons_subtract(pons_remainder(step_of(op, at[a], at[b]), pons_float(19)), pons_float(9));
    if (below(7) == 0) pons_async_eval(at[to]);
    if (below(20) == 0) pons_data(at[below(ARRAYS)]);
  }
  for (int i = 0; i < ARRAYS; i++) {
    const float *data = pons_data(at[i]);
    if (!data) return print_error("%s", pons_error()), false;
    memcpy(result + (ptrdiff_t)i * LENGTH, data, LENGTH * sizeof *data);
  }
  pons_set_default_device("away");
  pons_scope_close(s);
  return true;
}

static bool plays_the_same(uint64_t from) {
  float one_device[ARRAYS * LENGTH], two[ARRAYS * LENGTH];
  if (!play(from, false, one_device) || !play(from, true, two)) return false;
  for (int k = 0; k < ARRAYS * LENGTH; k++) {
    if (one_device[k] == two[k]) continue;
    print_error("seed %llu: element %d is %g on two devices, %g on one", (unsigned long long)from, k,
                (double)two[k], (double)one_device[k]);
    return false;
  }
  return true;
}

static void two_devices_give_what_one_gives(void **state) {
  (void)state;
  const uint64_t first = seed;
  for (int i = 0; i < ROUNDS; i++) assert_true(plays_the_same(first + (uint64_t)i));
  seed = first;
}

static void *play_some(void *from) {
  static char differs;
  for (int i = 0; i < ROUNDS / 4; i++)
    if (!plays_the_same(*(const uint64_t *)from + (uint64_t)i)) return &differs;
  return NULL;
}

/* Each of them makes the others' arrays give way. */
static void so_do_threads_where_memory_is_short(void **state) {
  (void)state;
  enum { PLAYERS = 3 };
  pthread_t threads[PLAYERS];
  uint64_t from[PLAYERS];
  room = used + 800 * PLAYERS;
  for (int i = 0; i < PLAYERS; i++) {
    from[i] = seed + 1000 * (uint64_t)(i + 1);
    assert_int_equal(pthread_create(&threads[i], NULL, play_some, &from[i]), 0);
  }
  for (int i = 0; i < PLAYERS; i++) {
    void *differs;
    pthread_join(threads[i], &differs);
    assert_null(differs);
  }
  room = SIZE_MAX;
}

/* ---- */

static pons_scope scope;
static int begin(void **state) {
  (void)state;
  pons_set_default_device("away");
  writes = reads = launches = 0;
  bytes_written = bytes_read = 0;
  scope = pons_scope_open();
  return 0;
}
static int end(void **state) {
  (void)state;
  pons_scope_close(scope);
  pons_synchronize(NULL);
  return pons_ok() && blocks == 0 && pons_live_arrays() == 0 && pons_get_active_memory() == 0 ? 0 : 1;
}

int main(void) {
  seed = seed_of_run(20261125);
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
  const struct CMUnitTest tests[] = {
      TEST(evaluation_waits_for_the_device),
      TEST(copies_are_made_once),      TEST(views_are_read_where_they_are), TEST(a_result_takes_over_an_operand_there_too),
      TEST(a_view_has_its_bytes_copied_and_no_others), TEST(an_update_in_place_leaves_the_rest_where_it_is),
      TEST(parts_are_read_as_they_were_written),
      TEST(the_cpu_computes_the_rest), TEST(what_is_empty_has_no_memory),
      TEST(compiled_functions_run_there),
      TEST(failures_are_told),         TEST(what_was_used_longest_ago_gives_way),
      TEST(what_can_not_fit_runs_on_the_cpu), TEST(two_devices_give_what_one_gives),
      TEST(so_do_threads_where_memory_is_short),
      TEST(profile_tells_copies_and_why),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
