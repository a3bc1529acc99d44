/* replay.c: a fuzz target run on the files of the folders it is given, without libFuzzer: what was once found
   stays mended. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* In memory of its very size: what reads beyond it is seen. */
static int run_file(const char *path) {
  FILE *file = fopen(path, "rb");
  long count = -1;
  if (file && fseek(file, 0, SEEK_END) == 0) count = ftell(file);
  uint8_t *bytes = count >= 0 ? malloc((size_t)count) : NULL;
  if (count > 0 && bytes) {
    rewind(file);
    if (fread(bytes, 1, (size_t)count, file) != (size_t)count) count = -1;
  }
  if (file) fclose(file);
  if (count >= 0) LLVMFuzzerTestOneInput(bytes, (size_t)count);
  free(bytes);
  return count >= 0;
}

int main(int argc, char **argv) {
  int files = 0;
  for (int i = 1; i < argc; i++) {
    DIR *folder = opendir(argv[i]);
    for (struct dirent *e; folder && (e = readdir(folder));) {
      char path[4096];
      snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
      if (e->d_name[0] == '.') continue;
      if (!run_file(path)) return fprintf(stderr, "%s can't be read\n", path), 1;
      files++;
    }
    if (folder) closedir(folder);
  }
  printf("%d files\n", files);
  return files == 0;
}
