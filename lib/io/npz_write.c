/* npz_write.c: .npz, a zip archive of .npy files, stored or deflated.

   A stored member's elements are aligned to 64 bytes, so that they can be mapped: the space goes into an
   extra field of the local header. Sizes beyond 32 bits are written the zip64 way, as NumPy and Python read
   them. */
#include "formats.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { LOCAL_SIZE = 30, ZIP64_LOCAL = 20, STORED = 0, DEFLATED = 8, WIDE = 45, NARROW = 20, UTF8 = 1 << 11 };
static const uint64_t NARROW_MAX = 0xffffffff;

/* A record being put together. */
typedef struct record {
  unsigned char at[128];
  size_t count;
} record;

static void put(record *r, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) r->at[r->count++] = i < 8 ? (unsigned char)(value >> 8 * i) : 0;
}

typedef struct member {
  const char *key;
  uint64_t local, size, packed;
  uint32_t checksum;
  bool wide; /* the local header has a zip64 field */
} member;

/* Bytes through deflate, or as they are, with the checksum of what went in. */
typedef struct packer {
  sink *to;
  z_stream z;
  bool deflate, failed;
  uLong checksum;
} packer;

static void pack(packer *p, const void *bytes, size_t count, bool last) {
  unsigned char out[1 << 16];
  const unsigned char *at = bytes;
  do {
    const uInt part = count < UINT_MAX / 4 ? (uInt)count : UINT_MAX / 4;
    if (part) p->checksum = crc32(p->checksum, at, part);
    if (!p->deflate) sink_write(p->to, at, part);
    p->z.next_in = (unsigned char *)at;
    p->z.avail_in = part;
    const bool finish = last && part == count;
    for (bool more = p->deflate; more && !p->failed;) {
      p->z.next_out = out;
      p->z.avail_out = sizeof out;
      const int status = deflate(&p->z, finish ? Z_FINISH : Z_NO_FLUSH);
      if (status == Z_STREAM_ERROR) p->failed = true;
      sink_write(p->to, out, sizeof out - p->z.avail_out);
      more = finish ? status != Z_STREAM_END : p->z.avail_out == 0;
    }
    at += part;
    count -= part;
  } while (count);
}

static void local_header(record *r, const member *m, bool deflated, size_t padding) {
  put(r, 0x04034b50, 4);
  put(r, m->wide ? WIDE : NARROW, 2);
  put(r, UTF8, 2);
  put(r, deflated ? DEFLATED : STORED, 2);
  put(r, 0x00210000, 4); /* 1 January 1980, so that equal arrays make equal files */
  put(r, m->checksum, 4);
  put(r, m->wide ? NARROW_MAX : m->packed, 4);
  put(r, m->wide ? NARROW_MAX : m->size, 4);
  put(r, strlen(m->key) + 4, 2);
  put(r, (m->wide ? ZIP64_LOCAL : 0) + padding, 2);
}

static void local_zip64(record *r, const member *m) {
  put(r, 1, 2);
  put(r, 16, 2);
  put(r, m->size, 8);
  put(r, m->packed, 8);
}

/* Bytes of an extra field, 0 or at least 4, that bring `at` to a multiple of 64. */
static size_t padding_at(uint64_t at) {
  const size_t missing = (size_t)((64 - at % 64) % 64);
  return missing && missing < 4 ? missing + 64 : missing;
}

static bool write_member(sink *to, pons_array a, bool compress, member *m) {
  char header[NPY_HEADER_ROOM];
  static const char zeros[128];
  const size_t header_size = npy_header(a, header), name_size = strlen(m->key) + 4;
  const void *data = pons_data(a);
  if (!data && pons_nbytes(a)) return false;
  if (name_size > 65535) {
    io_fail("save", "a name of %zu bytes is too long for .npz", name_size - 4);
    return false;
  }
  m->local = sink_at(to);
  m->size = header_size + pons_nbytes(a);
  m->wide = m->size > NARROW_MAX - (NARROW_MAX >> 8); /* deflate may add a little */
  const size_t padding =
      compress ? 0 : padding_at(m->local + LOCAL_SIZE + name_size + (m->wide ? ZIP64_LOCAL : 0));
  record space = {0}, wide = {0}, local = {0};
  local_header(&space, m, compress, padding); /* written again below, when sizes and checksum are known */
  sink_write(to, space.at, space.count);
  sink_write(to, m->key, name_size - 4);
  sink_write(to, ".npy", 4);
  const uint64_t wide_at = sink_at(to);
  if (m->wide) sink_write(to, zeros, ZIP64_LOCAL);
  if (padding) {
    record field = {0};
    put(&field, 0xd935, 2); /* "alignment", as Android's tools name it */
    put(&field, padding - 4, 2);
    sink_write(to, field.at, field.count);
    sink_write(to, zeros, padding - 4);
  }
  const uint64_t begin = sink_at(to);
  packer p = {.to = to, .deflate = compress, .checksum = crc32(0, NULL, 0)};
  if (compress &&
      deflateInit2(&p.z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    io_fail_as(PONS_ERROR_MEMORY, "save", "out of memory to compress");
    return false;
  }
  pack(&p, header, header_size, false);
  pack(&p, data, pons_nbytes(a), true);
  if (compress) deflateEnd(&p.z);
  m->packed = sink_at(to) - begin;
  m->checksum = (uint32_t)p.checksum;
  local_header(&local, m, compress, padding);
  sink_rewrite(to, m->local, local.at, local.count);
  if (m->wide) {
    local_zip64(&wide, m);
    sink_rewrite(to, wide_at, wide.at, wide.count);
  }
  if (p.failed) io_fail_as(PONS_ERROR_RUNTIME, "save", "compressing failed");
  return !p.failed;
}

static uint64_t narrow(uint64_t value) { return value < NARROW_MAX ? value : NARROW_MAX; }

static void write_entry(sink *to, const member *m, bool deflated) {
  record extra = {0}, r = {0};
  const uint64_t values[3] = {m->size, m->packed, m->local};
  record wide = {0};
  for (int i = 0; i < 3; i++)
    if (values[i] >= NARROW_MAX) put(&wide, values[i], 8);
  if (wide.count) {
    put(&extra, 1, 2);
    put(&extra, wide.count, 2);
    memcpy(extra.at + extra.count, wide.at, wide.count);
    extra.count += wide.count;
  }
  put(&r, 0x02014b50, 4);
  put(&r, WIDE, 2);
  put(&r, m->wide || extra.count ? WIDE : NARROW, 2);
  put(&r, UTF8, 2);
  put(&r, deflated ? DEFLATED : STORED, 2);
  put(&r, 0x00210000, 4);
  put(&r, m->checksum, 4);
  put(&r, narrow(m->packed), 4);
  put(&r, narrow(m->size), 4);
  put(&r, strlen(m->key) + 4, 2);
  put(&r, extra.count, 2);
  put(&r, 0, 8); /* no comment, part 0, attributes */
  put(&r, 0, 2);
  put(&r, narrow(m->local), 4);
  sink_write(to, r.at, r.count);
  sink_write(to, m->key, strlen(m->key));
  sink_write(to, ".npy", 4);
  sink_write(to, extra.at, extra.count);
}

static void write_end(sink *to, uint64_t directory, uint64_t count) {
  const uint64_t size = sink_at(to) - directory, end64 = sink_at(to);
  record r = {0};
  if (count >= 0xffff || directory >= NARROW_MAX || size >= NARROW_MAX) {
    put(&r, 0x06064b50, 4);
    put(&r, 44, 8); /* bytes of this record that follow */
    put(&r, WIDE, 2);
    put(&r, WIDE, 2);
    put(&r, 0, 8); /* this part, part of the directory */
    put(&r, count, 8);
    put(&r, count, 8);
    put(&r, size, 8);
    put(&r, directory, 8);
    put(&r, 0x07064b50, 4);
    put(&r, 0, 4);
    put(&r, end64, 8);
    put(&r, 1, 4); /* parts */
  }
  put(&r, 0x06054b50, 4);
  put(&r, 0, 4);
  put(&r, count < 0xffff ? count : 0xffff, 2);
  put(&r, count < 0xffff ? count : 0xffff, 2);
  put(&r, narrow(size), 4);
  put(&r, narrow(directory), 4);
  put(&r, 0, 2);
  sink_write(to, r.at, r.count);
}

bool npz_save(sink *to, pons_named arrays, const options *o) {
  if (!metadata_is_none(arrays, ".npz")) return false;
  const int64_t count = pons_named_count(arrays);
  member *members = calloc((size_t)count + 1, sizeof *members);
  bool good = members != NULL;
  if (!good) io_fail_as(PONS_ERROR_MEMORY, "save", "out of memory for %lld members", (long long)count);
  for (int64_t i = 0; i < count && good; i++) {
    members[i].key = pons_named_key(arrays, i);
    good = write_member(to, pons_named_at(arrays, i), o->compress, &members[i]);
  }
  if (good) {
    const uint64_t directory = sink_at(to);
    for (int64_t i = 0; i < count; i++) write_entry(to, &members[i], o->compress);
    write_end(to, directory, (uint64_t)count);
  }
  free(members);
  return good;
}
