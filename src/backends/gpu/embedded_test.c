/* embedded_test.c: texts that the library holds compressed are what their files say; others are added as they stand. */
#include "backends/gpu/gpu.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

extern const char kernel_softmax[], complex_functions[];

/* As cmake/embed.cmake writes it, by zlib. */
static size_t hold(char *held, size_t room, const char *plain, size_t size) {
  char packed[512];
  z_stream z = {.next_in = (Bytef *)(uintptr_t)plain, .avail_in = (uInt)size, .next_out = (Bytef *)packed, .avail_out = sizeof packed};
  assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  deflateEnd(&z);
  const int head = snprintf(held, room, "\1%lu %zu ", z.total_out, size);
  memcpy(held + head, packed, z.total_out);
  return (size_t)head + z.total_out;
}

static void a_compressed_text(void **state) {
  (void)state;
  const char plain[] = "float x = 1; float x = 1; float x = 1;\n";
  char held[600];
  text t = {0};
  hold(held, sizeof held, plain, strlen(plain));
  gpu_add_text(&t, "before\n");
  gpu_add_text(&t, held);
  gpu_add_text(&t, "behind\n");
  assert_false(t.failed);
  assert_string_equal(t.at, "before\nfloat x = 1; float x = 1; float x = 1;\nbehind\n");
  text_free(&t);
}

static void what_is_damaged_fails(void **state) {
  (void)state;
  const char plain[] = "int y = 2; int y = 2; int y = 2;\n";
  char held[600];
  text t = {0};
  const size_t size = hold(held, sizeof held, plain, strlen(plain));
  memset(held + size - 6, 0xff, 6);
  gpu_add_text(&t, held);
  assert_true(t.failed);
  text_free(&t);
}

static char *read_file(const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", getenv("PONS_SOURCE_DIR"), name);
  FILE *f = fopen(path, "r");
  assert_non_null(f);
  char *all = calloc(1, 1 << 20);
  assert_true(all && fread(all, 1, (1 << 20) - 1, f) > 0);
  fclose(f);
  return all;
}

/* Each line stands in the file, but for the spaces in front of a backslash at its end; comments do not. */
static void check_file(const char *held, const char *name) {
  char *file = read_file(name);
  text t = {0};
  int lines = 0;
  gpu_add_text(&t, held);
  assert_false(t.failed);
  assert_null(strstr(t.at, "/*"));
  for (char *line = strtok(t.at, "\n"); line; line = strtok(NULL, "\n"), lines++) {
    const size_t length = strlen(line);
    if (length > 2 && !strcmp(line + length - 2, " \\")) line[length - 2] = 0;
    if (!strstr(file, line)) fail_msg("%s has no line \"%s\"", name, line);
  }
  assert_true(lines > 15);
  text_free(&t);
  free(file);
}
static void texts_are_those_of_their_files(void **state) {
  (void)state;
  check_file(kernel_softmax, "src/backends/gpu/softmax.kc");
  check_file(complex_functions, "src/backends/gpu/complex_functions.h");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_compressed_text), cmocka_unit_test(what_is_damaged_fails),
                                     cmocka_unit_test(texts_are_those_of_their_files)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
