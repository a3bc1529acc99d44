/* mlxfn_mutations_test.c: what the fuzzer does, for a few seconds and the same each time: every file of
   tests/fixtures cut short and altered, imported, shown and called. */
#include "mlxfn_fuzz.c"
#include "tests/seed.h"
#include <dirent.h>
#include <stdlib.h>

enum { TURNS = 200 };

static uint64_t state;
static uint32_t next_random(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33);
}

/* Alters up to four bytes: any value, or one that counts and sizes are afraid of. */
static void alter(uint8_t *bytes, size_t count) {
  static const uint8_t feared[] = {0, 1, 2, 4, 0x7f, 0x80, 0xfe, 0xff};
  for (uint32_t n = 1 + next_random() % 4; n > 0; n--)
    bytes[next_random() % count] = n % 2 ? feared[next_random() % sizeof feared] : (uint8_t)next_random();
}

static bool run_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) return false;
  static uint8_t bytes[1 << 17];
  const size_t count = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  uint8_t *copy = malloc(count); /* of its very size: what reads beyond it is seen */
  if (!copy) return false;
  memcpy(copy, bytes, count);
  LLVMFuzzerTestOneInput(copy, count);
  for (int turn = 0; turn < TURNS; turn++) {
    memcpy(copy, bytes, count);
    alter(copy, count);
    LLVMFuzzerTestOneInput(copy, count);
  }
  free(copy);
  for (int turn = 0; turn < TURNS / 4; turn++) {
    const size_t part = next_random() % count;
    uint8_t *start = malloc(part + 1);
    if (!start) return false;
    memcpy(start, bytes, part);
    LLVMFuzzerTestOneInput(start, part);
    free(start);
  }
  return true;
}

int main(void) {
  DIR *folder = opendir(PONS_SOURCE_DIR "/tests/fixtures");
  int files = 0, failed = 0;
  const int64_t before = pons_live_arrays();
  state = seed_of_run(1);
  for (struct dirent *e; folder && (e = readdir(folder));) {
    const size_t length = strlen(e->d_name);
    if (length < 6 || strcmp(e->d_name + length - 6, ".mlxfn") != 0) continue;
    char path[600];
    snprintf(path, sizeof path, PONS_SOURCE_DIR "/tests/fixtures/%.200s", e->d_name);
    files++;
    if (!run_file(path)) failed++;
  }
  if (folder) closedir(folder);
  const int64_t left = pons_live_arrays() - before;
  printf("%d files, %d not read, %lld arrays left behind\n", files, failed, (long long)left);
  return files < 60 || failed > 0 || left != 0;
}
