/* manifest.c: lists of recorded calls, in the form of tests/fixtures/manifest.json: a list of objects with
   name, file, data, calls: [{args, kwargs, outputs, rtol, atol, exact}], where args, kwargs and outputs name
   arrays of the data. */
#include "command.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *read_text_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  char *text = NULL;
  if (fseek(file, 0, SEEK_END) == 0) {
    const long size = ftell(file);
    rewind(file);
    text = size >= 0 ? malloc((size_t)size + 1) : NULL;
    if (text && fread(text, 1, (size_t)size, file) == (size_t)size) {
      text[size] = 0;
    } else {
      free(text);
      text = NULL;
    }
  }
  fclose(file);
  return text;
}

bool write_text_file(const char *path, const char *text) {
  const size_t room = strlen(path) + 8;
  char *beside = malloc(room);
  if (!beside) return false;
  snprintf(beside, room, "%s.new", path);
  FILE *file = fopen(beside, "wb");
  bool fine = file && fputs(text, file) >= 0;
  if (file) fine &= fclose(file) == 0;
  fine = fine && rename(beside, path) == 0;
  if (!fine) remove(beside);
  free(beside);
  return fine;
}

char *path_beside(const char *path, const char *name) {
  const char *slash = strrchr(path, '/');
  const size_t folder = slash && name[0] != '/' ? (size_t)(slash - path) + 1 : 0;
  char *joined = malloc(folder + strlen(name) + 1);
  if (!joined) return NULL;
  memcpy(joined, path, folder);
  memcpy(joined + folder, name, strlen(name) + 1);
  return joined;
}

cJSON *manifest_load(const invocation *v, const char *path) {
  char *text = read_text_file(path);
  if (!text) {
    complain(v, "%s can't be read", path);
    return NULL;
  }
  cJSON *list = cJSON_Parse(text);
  if (!cJSON_IsArray(list)) {
    const char *at = cJSON_GetErrorPtr();
    if (list || !at) complain(v, "%s is no list of recorded calls", path);
    else complain(v, "%s is no JSON: fault at byte %ld", path, (long)(at - text));
    cJSON_Delete(list);
    list = NULL;
  }
  free(text);
  return list;
}
