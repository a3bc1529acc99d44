/* archive.c: kernels built ahead, many in one file, which lies beside the library or where PONS_KERNELS says.

       magic    then for each kernel    two hashes of its key, packed size, size, its binary packed by zlib

   The file is read when the first kernel is looked for, where each lies is kept. What is not whole ends it. Uses gpu.h. */
#include "backends/gpu/gpu.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>

static const char magic[8] = {'P', 'O', 'N', 'S', 'K', 'R', 'N', '1'};
typedef struct record {
  uint64_t key[2], packed, size;
} record;

static record record_of(const text *key) {
  return (record){.key = {hash_bytes(key->at, key->length, 1), hash_bytes(key->at, key->length, 2)}};
}

/* ---- zlib, whose memory is ours ---- */

static void *take(void *context, unsigned count, unsigned size) {
  (void)context;
  return mem_alloc((size_t)count * size);
}
static void give(void *context, void *memory) {
  (void)context;
  mem_free(memory);
}
static z_stream stream_of(const void *from, uint64_t from_size, void *to, uint64_t to_size) {
  return (z_stream){.zalloc = take,
                    .zfree = give,
                    .next_in = (Bytef *)from,
                    .avail_in = (uInt)from_size,
                    .next_out = to,
                    .avail_out = (uInt)to_size};
}

static bool unpack(const void *packed, const record *r, void *to) {
  z_stream z = stream_of(packed, r->packed, to, r->size);
  if (inflateInit(&z) != Z_OK) return false;
  const bool fine = inflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out == r->size;
  inflateEnd(&z);
  return fine;
}

/* How many bytes were written to `to`, of as many as there were; 0: it did not work. */
static uint64_t pack(const gpu_binary *binary, void *to) {
  z_stream z = stream_of(binary->bytes, binary->size, to, binary->size);
  if (deflateInit(&z, Z_BEST_COMPRESSION) != Z_OK) return 0;
  const bool fine = deflate(&z, Z_FINISH) == Z_STREAM_END;
  deflateEnd(&z);
  return fine ? z.total_out : 0;
}

/* ---- the file ---- */

static char *path_of_archive(void) {
  const char *own = getenv("PONS_KERNELS");
  if (own) return *own ? mem_text(own) : NULL;
  const char *library = library_own_path(), *end = library ? strrchr(library, '/') : NULL;
  text t = {0};
  if (end) text_add(&t, "%.*s/%s", (int)(end - library), library, GPU_ARCHIVE);
  return end ? text_take(&t) : NULL;
}

typedef struct place {
  record record;
  long at; /* of its binary */
} place;
static FILE *file; /* NULL: there is none */
static place *places;
static size_t n_places, room;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

enum { MOST_BYTES = 64 << 20 }; /* of a kernel */
static void list_records(void) {
  record r;
  while (fread(&r, sizeof r, 1, file) == 1 && r.packed <= MOST_BYTES && r.size <= MOST_BYTES) {
    if (!mem_room(&places, &room, n_places + 1, sizeof *places)) return;
    places[n_places++] = (place){r, ftell(file)};
    if (fseek(file, (long)r.packed, SEEK_CUR) != 0) return;
  }
}

static void open_archive(void) {
  char *path = path_of_archive(), head[sizeof magic];
  file = path ? fopen(path, "rb") : NULL;
  mem_free(path);
  if (!file) return;
  if (fread(head, sizeof head, 1, file) == 1 && memcmp(head, magic, sizeof magic) == 0) {
    list_records();
    return;
  }
  fclose(file);
  file = NULL;
}
static pthread_once_t opened = PTHREAD_ONCE_INIT;

bool gpu_archive_is_there(void) {
  pthread_once(&opened, open_archive);
  return file != NULL;
}

/* The lock is held. */
static void *read_packed(const place *p) {
  void *packed = mem_alloc(p->record.packed);
  if (packed && fseek(file, p->at, SEEK_SET) == 0 && fread(packed, 1, p->record.packed, file) == p->record.packed)
    return packed;
  mem_free(packed);
  return NULL;
}

static bool read_record(const place *p, gpu_binary *binary) {
  pthread_mutex_lock(&lock);
  void *packed = read_packed(p);
  pthread_mutex_unlock(&lock);
  *binary = (gpu_binary){packed ? mem_alloc(p->record.size) : NULL, p->record.size};
  const bool fine = binary->bytes && unpack(packed, &p->record, binary->bytes);
  mem_free(packed);
  if (fine) return true;
  mem_free(binary->bytes);
  *binary = (gpu_binary){0};
  return false;
}

bool gpu_archive_find(const text *key, gpu_binary *binary) {
  const record wanted = record_of(key);
  *binary = (gpu_binary){0};
  for (size_t i = 0; gpu_archive_is_there() && i < n_places; i++)
    if (memcmp(places[i].record.key, wanted.key, sizeof wanted.key) == 0) return read_record(&places[i], binary);
  return false;
}

/* ---- making one ---- */

error *gpu_archive_add(const char *path, const text *key, const gpu_binary *binary) {
  record r = record_of(key);
  void *packed = mem_alloc(binary->size);
  struct stat before;
  const bool is_new = stat(path, &before) != 0;
  FILE *f = fopen(path, "ab");
  r.size = binary->size;
  r.packed = packed ? pack(binary, packed) : 0;
  bool fine = f && r.packed;
  if (is_new) fine = fine && fwrite(magic, sizeof magic, 1, f) == 1;
  fine = fine && fwrite(&r, sizeof r, 1, f) == 1 && fwrite(packed, 1, r.packed, f) == r.packed;
  if (f) fine = fclose(f) == 0 && fine;
  mem_free(packed);
  return fine ? NULL : fail("archive", "a kernel of %zu bytes can't be added to %s", binary->size, path);
}
