/* archive.c: kernels built ahead, many in one file, which lies beside the library, or where PONS_KERNELS says, or is appended to
   the library (or to the program that the library is linked into), behind all that the ELF format speaks of.

       magic    then for each kernel    two hashes of its key, packed size, size, its binary packed by zlib

   The file is read when the first kernel is looked for, where each lies is kept. What is not whole ends it. Uses gpu.h. */
#include "backends/gpu/gpu.h"
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>
#if defined(__linux__)
#include <elf.h>
#endif

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

static bool begins_at(FILE *f, long at) {
  char head[sizeof magic];
  return fseek(f, at, SEEK_SET) == 0 && fread(head, sizeof head, 1, f) == 1 && memcmp(head, magic, sizeof magic) == 0;
}

/* Where what is appended to a library or a program would begin; 0: it is neither, or of no format known here. */
static long end_of_code(FILE *f) {
#if defined(__linux__)
  Elf64_Ehdr head;
  if (fseek(f, 0, SEEK_SET) != 0 || fread(&head, sizeof head, 1, f) != 1 || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
      head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_phentsize != sizeof(Elf64_Phdr) || head.e_shoff > LONG_MAX / 2 ||
      fseek(f, (long)head.e_phoff, SEEK_SET) != 0)
    return 0;
  uint64_t end = head.e_shoff + (uint64_t)head.e_shnum * head.e_shentsize;
  for (int i = 0; i < head.e_phnum; i++) {
    Elf64_Phdr segment;
    if (fread(&segment, sizeof segment, 1, f) != 1 || segment.p_offset > LONG_MAX / 2 || segment.p_filesz > LONG_MAX / 2) return 0;
    if (segment.p_offset + segment.p_filesz > end) end = segment.p_offset + segment.p_filesz;
  }
  return (long)end;
#else
  (void)f;
  return 0;
#endif
}

/* The file from where its kernels are told on; NULL: it has none. */
static FILE *open_kernels(const char *path) {
  FILE *f = path ? fopen(path, "rb") : NULL;
  if (!f || begins_at(f, 0) || begins_at(f, end_of_code(f))) return f;
  fclose(f);
  return NULL;
}

static FILE *open_beside(const char *library) {
  const char *end = library ? strrchr(library, '/') : NULL;
  text t = {0};
  if (!end) return NULL;
  text_add(&t, "%.*s/%s", (int)(end - library), library, GPU_ARCHIVE);
  char *path = text_take(&t);
  FILE *f = open_kernels(path);
  mem_free(path);
  return f;
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
  const char *own = getenv("PONS_KERNELS"), *library = library_own_path();
  file = own ? open_kernels(own) : open_beside(library);
  if (!file && !own) file = open_kernels(library);
  if (file) list_records();
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
