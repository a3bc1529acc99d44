/* Files that MLX wrote are read to their last byte; files that are cut short or altered give an error or a
   sound structure. */
#include "export/export.h"
#include "tests/seed.h"
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const char folder[] = PONS_SOURCE_DIR "/tests/fixtures/";

static uint8_t *read_whole(const char *name, size_t *count) {
  char path[600];
  snprintf(path, sizeof path, "%s%s", folder, name);
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  struct stat status;
  assert_int_equal(fstat(fileno(file), &status), 0);
  *count = (size_t)status.st_size;
  uint8_t *bytes = malloc(*count + 1);
  assert_int_equal(fread(bytes, 1, *count, file), *count);
  fclose(file);
  return bytes;
}

static void each_fixture(void (*visit)(const char *name, uint8_t *bytes, size_t count)) {
  DIR *directory = opendir(folder);
  assert_non_null(directory);
  int files = 0;
  for (struct dirent *e; (e = readdir(directory));) {
    const size_t length = strlen(e->d_name);
    if (length < 6 || strcmp(e->d_name + length - 6, ".mlxfn") != 0) continue;
    size_t count;
    uint8_t *bytes = read_whole(e->d_name, &count);
    visit(e->d_name, bytes, count);
    free(bytes);
    files++;
  }
  closedir(directory);
  assert_true(files >= 79);
}

static mlxfn *read_bytes(const uint8_t *bytes, size_t count) {
  cursor c = {.memory = bytes, .fd = -1, .size = count};
  return mlxfn_read(&c);
}

static void reads_to_the_end(const char *name, uint8_t *bytes, size_t count) {
  mlxfn *f = read_bytes(bytes, count);
  if (!f) fail_msg("%s: %s", name, pons_error());
  assert_int_equal(f->trailing, 0);
  mlxfn_free(f);
}

static void every_fixture_is_read_to_its_last_byte(void **state) {
  (void)state;
  each_fixture(reads_to_the_end);
}

static void a_file_is_read_through_a_window_as_from_memory(void **state) {
  (void)state;
  char path[600];
  snprintf(path, sizeof path, "%s%s", folder, "tiny-llm-argmax.mlxfn");
  const int fd = open(path, O_RDONLY);
  struct stat status;
  assert_int_equal(fstat(fd, &status), 0);
  cursor c = {.fd = fd, .size = (uint64_t)status.st_size};
  mlxfn *f = mlxfn_read(&c);
  assert_non_null(f);
  assert_int_equal(f->trailing, 0);
  mem_free(c.window);
  close(fd);
  size_t count;
  uint8_t *bytes = read_whole("tiny-llm-argmax.mlxfn", &count);
  mlxfn *g = read_bytes(bytes, count);
  char *a = mlxfn_show(f, "json"), *b = mlxfn_show(g, "json");
  assert_string_equal(a, b);
  mem_free(a);
  mem_free(b);
  mlxfn_free(f);
  mlxfn_free(g);
  free(bytes);
}

/* A file cut anywhere says at which byte it ends. A copy of its own, so that a read beyond it is seen by
   AddressSanitizer. */
static void cut_everywhere(const char *name, uint8_t *bytes, size_t count) {
  const size_t step = count > 3000 ? count / 400 : 1;
  for (size_t n = 0; n < count; n += step) {
    uint8_t *part = malloc(n ? n : 1);
    memcpy(part, bytes, n);
    mlxfn *f = read_bytes(part, n);
    if (f) fail_msg("%s cut to %zu bytes was read", name, n);
    assert_non_null(strstr(pons_error(), "import: byte "));
    pons_clear_error();
    free(part);
  }
}

static void a_file_cut_short_is_an_error_with_the_byte(void **state) {
  (void)state;
  each_fixture(cut_everywhere);
}

static uint64_t random_state;
static uint32_t random_next(void) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(random_state >> 33);
}

static void alter_and_read(const char *name, uint8_t *bytes, size_t count) {
  (void)name;
  static const uint8_t values[] = {0, 1, 2, 0x7f, 0x80, 0xff};
  uint8_t *copy = malloc(count);
  for (int turn = 0; turn < 300; turn++) {
    memcpy(copy, bytes, count);
    for (int k = 0; k < 1 + turn % 3; k++)
      copy[random_next() % count] = turn % 2 ? values[random_next() % sizeof values] : (uint8_t)random_next();
    mlxfn *f = read_bytes(copy, count);
    if (f) {
      char *words = mlxfn_show(f, "json");
      assert_non_null(words);
      mem_free(words);
    }
    mlxfn_free(f);
    pons_clear_error();
  }
  free(copy);
}

static void an_altered_file_never_harms(void **state) {
  (void)state;
  random_state = seed_of_run(20260822);
  each_fixture(alter_and_read);
}

/* ---- what single faults say ---- */

typedef struct bytes {
  uint8_t at[512];
  size_t count;
} bytes;
static void put(bytes *b, uint64_t v, int size) {
  for (int i = 0; i < size; i++) b->at[b->count++] = (uint8_t)(v >> (8 * i));
}
static void put_text(bytes *b, const char *s) {
  put(b, strlen(s), 8);
  for (; *s; s++) put(b, (uint8_t)*s, 1);
}
/* float32 of one axis */
static void put_type(bytes *b, int size) {
  put(b, 1, 8), put(b, (uint64_t)size, 4), put(b, PONS_FLOAT32, 4), put(b, 4, 1);
}
/* f(x) = name(x) with ids 7 and 8, float32 of size 2. */
static bytes one_operation(const char *release, const char *name) {
  bool exact;
  bytes b = {0};
  put_text(&b, release);
  put(&b, 1, 4), put(&b, 0, 1);
  if (release_number(release, &exact) >= RELEASE_METADATA) put_text(&b, "");
  put(&b, 0, 8); /* keywords */
  put(&b, 1, 8), put(&b, 7, 8); /* inputs */
  put(&b, 1, 8), put_type(&b, 2);
  put(&b, 1, 8), put(&b, 8, 8); /* outputs */
  put(&b, 1, 8), put(&b, 8, 8), put(&b, 1, 1), put(&b, 1, 8), put(&b, 7, 8), put(&b, 0, 4), put(&b, 0, 4),
      put(&b, 0, 4);
  put_text(&b, name);
  put(&b, 0, 8), put_type(&b, 2);
  return b;
}

static void expect_error(const bytes *b, const char *message) {
  mlxfn *f = read_bytes(b->at, b->count);
  assert_null(f);
  assert_string_equal(pons_error(), message);
  pons_clear_error();
}

static void faults_are_named_with_their_byte(void **state) {
  (void)state;
  bytes b = one_operation("0.32.4", "Exp");
  mlxfn *f = read_bytes(b.at, b.count);
  assert_non_null(f);
  mlxfn_free(f);
  b = one_operation("0.32.4", "Explode");
  expect_error(&b, "import: byte 137: unknown primitive 'Explode'");
  b = one_operation("0.32.4", "FloorDivide");
  expect_error(&b, "import: byte 100: FloorDivide with 1 operands");
  b = one_operation("0.32.3", "FloorDivide");
  expect_error(&b, "import: byte 137: unknown primitive 'FloorDivide'");
  b = one_operation("0.32.4", "Exp");
  b.at[18] = 2;
  expect_error(&b, "import: byte 18: a bool must be 0 or 1, here it is 2");
  b = one_operation("0.32.4", "Exp");
  b.at[118] = 9;
  expect_error(&b, "import: byte 117: id 2311 stands for nothing that came before");
  b = one_operation("0.32.4", "Exp");
  b.at[35] = 0xff;
  expect_error(&b, "import: byte 35: 255 inputs can't fit in the 130 bytes left");
}

static void development_builds_are_read_in_the_layout_that_fits(void **state) {
  (void)state;
  /* Metadata came with 0.32.1; a build between says 0.32.1.dev and may lack it. */
  bytes b = one_operation("0.32.0", "Exp");
  bytes odd = {0};
  put_text(&odd, "0.32.1.dev20260101");
  memcpy(odd.at + odd.count, b.at + 14, b.count - 14);
  odd.count += b.count - 14;
  mlxfn *f = read_bytes(odd.at, odd.count);
  assert_non_null(f);
  assert_true(f->release < RELEASE_METADATA);
  mlxfn_free(f);
}

static void rows_of_the_layout_table_are_sound(void **state) {
  (void)state;
  int names = 0;
  for (int i = 0; layout_at(i); i++) {
    const layout *l = layout_at(i), *next = layout_at(i + 1);
    if (next) assert_true(strcmp(l->name, next->name) <= 0);
    if (next && strcmp(l->name, next->name) == 0) assert_int_equal(next->before, l->since);
    names += layout_find(l->name, RELEASE_NEWEST) == l;
    layout_field field;
    for (const char *s = l->state; layout_next(&s, &field);) {
      assert_true(field.name_length > 0);
      assert_non_null(strchr("ibfdDQeILU3sSOV=~%", field.type));
    }
  }
  assert_int_equal(names, 116);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_fixture_is_read_to_its_last_byte),
      cmocka_unit_test(a_file_is_read_through_a_window_as_from_memory),
      cmocka_unit_test(a_file_cut_short_is_an_error_with_the_byte),
      cmocka_unit_test(an_altered_file_never_harms),
      cmocka_unit_test(faults_are_named_with_their_byte),
      cmocka_unit_test(development_builds_are_read_in_the_layout_that_fits),
      cmocka_unit_test(rows_of_the_layout_table_are_sound),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
