/* formats.h: what the file formats share: bytes to read (source), a file to write (sink), errors. Uses the
   public interface alone. */
#ifndef FORMATS_H
#define FORMATS_H
#include <pons/io.h>

/* An error; false. Leaves no array behind, whatever scope is open. */
bool io_fail_as(pons_error_kind kind, const char *op, const char *format, ...) PONS_PRINTF(3, 4);
#define io_fail(...) io_fail_as(PONS_ERROR_VALUE, __VA_ARGS__)

/* ---- reading (source.c) ---- */

/* Bytes of a mapped file, or of memory. Counted: each array that lies in them holds a reference.
   Immutable. */
typedef struct source {
  const unsigned char *bytes;
  size_t count;
  char *name; /* what errors call it; owned */
} source;
source *source_open(const char *path);
/* Takes over `bytes`, from malloc, also when it fails. */
source *source_of_memory(void *bytes, size_t count, const char *name);
source *source_keep(source *s);
void source_release(source *s); /* NULL is fine */
/* An error "load: NAME: byte OFFSET: ..."; false. */
bool source_wrong(const source *s, uint64_t offset, const char *format, ...) PONS_PRINTF(3, 4);
/* False and an error unless `shape` of `dtype` has a size that fits `room` bytes; *bytes is the size. */
bool source_size(const source *s, uint64_t offset, pons_shape shape, pons_dtype dtype, uint64_t room,
                 uint64_t *bytes);
/* Little-endian values, which the caller knows to lie inside. */
uint16_t source_u16(const source *s, uint64_t offset);
uint32_t source_u32(const source *s, uint64_t offset);
uint64_t source_u64(const source *s, uint64_t offset);
/* The elements at `offset`, which are known to lie inside: in place if they are aligned and as memory has
   them, else made when they are needed. `swap`: they are big-endian. Scope-owned; NULL and an error. */
pons_array source_array(source *s, uint64_t offset, pons_shape shape, pons_dtype dtype, bool swap);
/* Elements as a file has them become as memory has them: the bytes of each reversed if `swap`, bools 0 or
   1. */
void mend_elements(void *elements, size_t bytes, pons_dtype dtype, bool swap);
/* "NAME: byte OFFSET: ..." for a pons_reader; false. */
bool source_tell(const source *s, uint64_t offset, char *why, size_t room, const char *format, ...)
    PONS_PRINTF(5, 6);

/* ---- writing (sink.c) ---- */

/* A file beside `path`, which takes its place when all is written. Failure sticks and is told by sink_end. */
typedef struct sink sink;
sink *sink_open(const char *path); /* NULL and an error */
void sink_write(sink *k, const void *bytes, size_t count);
uint64_t sink_at(const sink *k); /* bytes written so far */
/* Writes over what is already written. */
void sink_rewrite(sink *k, uint64_t offset, const void *bytes, size_t count);
/* Ends the file: renamed if `good` and every write went well, else removed. False, with an error if it went
   wrong here. */
bool sink_end(sink *k, bool good);

/* A sink without a file, and its bytes, from malloc. NULL and an error. */
sink *sink_to_memory(void);
void *sink_take(sink *k, bool good, size_t *count);

typedef struct options {
  bool compress;
} options;
/* False and an error if there is metadata, which files with this ending can't hold. */
bool metadata_is_none(pons_named arrays, const char *ending);

/* ---- the formats ---- */

#define FORMAT(name, ending, place, first, load, save) \
  bool load(source *s, pons_named into);               \
  bool save(sink *to, pons_named arrays, const options *o);
#include "formats.def"
#undef FORMAT

/* The name of a file's only array. */
#define ONLY_NAME "arr_0"

/* npy.c, for npz too: */
typedef struct npy {
  pons_dtype dtype;
  bool swap, fortran;
  int ndim;
  int64_t dims[PONS_MAX_NDIM]; /* as the elements lie: reversed if `fortran` */
  uint64_t data;               /* where they begin */
} npy;
/* The header at `offset` of `s`, of a file of `size` bytes, of which `known` are there. False and an
   error. */
bool npy_read(const source *s, uint64_t offset, uint64_t known, uint64_t size, npy *header);
/* Bytes from the start that have all of the header, if `known` >= NPY_START. */
enum { NPY_START = 12 };
uint64_t npy_header_end(const unsigned char *start);
/* The array as it is meant, from one of shape `dims`; NULL and an error. */
pons_array npy_array(const npy *header, pons_array lies);
/* The header of `a`, padded: the data behind it is aligned to 64 bytes if the header is. Gives its length. */
enum { NPY_HEADER_ROOM = 1024 };
size_t npy_header(pons_array a, char header[NPY_HEADER_ROOM]);
#endif
