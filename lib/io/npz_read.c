/* npz_read.c: .npz, a zip archive of .npy files.

     local header, name, extra | data     for each member, anywhere
     central directory                    an entry per member: sizes, checksum, where its local header is
     (zip64: end record, locator)
     end record                           where the directory is

   Read from the end. Stored members are used where they lie, so their checksums are not looked at: that would
   read all of the file; deflated ones are unpacked, and checked, when they are needed. Every size is held
   against the bytes there are before anything is allocated for it, and members may not overlap. */
#include "formats.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { END_SIZE = 22, LOCATOR_SIZE = 20, END64_SIZE = 56, ENTRY_SIZE = 46, LOCAL_SIZE = 30 };
static const uint32_t END = 0x06054b50, LOCATOR = 0x07064b50, END64 = 0x06064b50, ENTRY = 0x02014b50,
                      LOCAL = 0x04034b50;

typedef struct directory {
  uint64_t offset, size, count;
} directory;

static bool find_end(const source *s, uint64_t *at) {
  for (uint64_t back = END_SIZE; back <= END_SIZE + 65535 && back <= s->count; back++) {
    *at = s->count - back;
    if (source_u32(s, *at) == END && source_u16(s, *at + 20) == back - END_SIZE) return true;
  }
  return source_wrong(s, s->count, "no end record of a zip archive: the file is cut short or damaged");
}

static bool find_directory(const source *s, directory *d) {
  uint64_t end = 0;
  if (!find_end(s, &end)) return false;
  if (source_u16(s, end + 4) != 0 && source_u16(s, end + 4) != 0xffff)
    return source_wrong(s, end + 4, "archives in several parts are not supported");
  *d = (directory){source_u32(s, end + 16), source_u32(s, end + 12), source_u16(s, end + 10)};
  if (end >= LOCATOR_SIZE && source_u32(s, end - LOCATOR_SIZE) == LOCATOR) {
    const uint64_t end64 = source_u64(s, end - LOCATOR_SIZE + 8);
    if (end64 > end - LOCATOR_SIZE || end - LOCATOR_SIZE - end64 < END64_SIZE ||
        source_u32(s, end64) != END64)
      return source_wrong(s, end - LOCATOR_SIZE + 8, "no zip64 end record at byte %llu",
                          (unsigned long long)end64);
    *d = (directory){source_u64(s, end64 + 48), source_u64(s, end64 + 40), source_u64(s, end64 + 32)};
    end = end64;
  }
  if (d->offset > end || d->size > end - d->offset)
    return source_wrong(s, end, "the directory (byte %llu, %llu bytes) goes beyond its end record",
                        (unsigned long long)d->offset, (unsigned long long)d->size);
  if (d->count > d->size / ENTRY_SIZE)
    return source_wrong(s, end, "%llu members don't fit a directory of %llu bytes",
                        (unsigned long long)d->count, (unsigned long long)d->size);
  return true;
}

typedef struct member {
  uint64_t local, data;  /* where its local header and its data begin */
  uint64_t packed, size; /* bytes in the file and unpacked */
  uint64_t entry;        /* place of its directory entry */
  const char *name;      /* not ended by 0 */
  uint16_t name_length, method;
  uint32_t checksum;
} member;

/* Sizes and the offset that don't fit 32 bits stand in the extra field with id 1, in this order. */
static bool read_zip64(const source *s, uint64_t extra, uint64_t extra_end, member *m) {
  uint64_t *wide[3];
  int n = 0;
  if (m->size == 0xffffffff) wide[n++] = &m->size;
  if (m->packed == 0xffffffff) wide[n++] = &m->packed;
  if (m->local == 0xffffffff) wide[n++] = &m->local;
  if (!n) return true;
  for (uint64_t at = extra; at + 4 <= extra_end;) {
    const uint64_t id = source_u16(s, at), field_end = at + 4 + source_u16(s, at + 2);
    if (field_end > extra_end) break;
    if (id == 1 && field_end - at - 4 >= (uint64_t)n * 8) {
      for (int i = 0; i < n; i++) *wide[i] = source_u64(s, at + 4 + 8 * (uint64_t)i);
      return true;
    }
    at = field_end;
  }
  return source_wrong(s, extra, "the zip64 sizes of a member are missing");
}

/* The directory entry at *at, which moves behind it. */
static bool read_entry(const source *s, const directory *d, uint64_t *at, member *m) {
  const uint64_t end = d->offset + d->size, e = *at;
  if (end - e < ENTRY_SIZE || source_u32(s, e) != ENTRY) return source_wrong(s, e, "no directory entry here");
  const uint64_t name = e + ENTRY_SIZE, extra = name + source_u16(s, e + 28),
                 comment = extra + source_u16(s, e + 30);
  if (comment > end || source_u16(s, e + 32) > end - comment)
    return source_wrong(s, e + 28, "a directory entry goes beyond the directory's end");
  if (source_u16(s, e + 8) & 1) return source_wrong(s, e + 8, "encrypted members are not supported");
  *m = (member){.local = source_u32(s, e + 42),
                .packed = source_u32(s, e + 20),
                .size = source_u32(s, e + 24),
                .entry = e,
                .name = (const char *)s->bytes + name,
                .name_length = source_u16(s, e + 28),
                .method = source_u16(s, e + 10),
                .checksum = source_u32(s, e + 16)};
  if (!read_zip64(s, extra, comment, m)) return false;
  if (m->method != 0 && m->method != 8)
    return source_wrong(s, e + 10, "compression method %d is not supported, only stored and deflate",
                        m->method);
  if (m->local > d->offset || d->offset - m->local < LOCAL_SIZE || source_u32(s, m->local) != LOCAL)
    return source_wrong(s, m->local < s->count ? m->local : e + 42,
                        "no member begins where the directory says");
  m->data = m->local + LOCAL_SIZE + source_u16(s, m->local + 26) + source_u16(s, m->local + 28);
  if (m->data > d->offset || m->packed > d->offset - m->data)
    return source_wrong(s, e + 20, "a member's %llu bytes don't fit before the directory",
                        (unsigned long long)m->packed);
  if (m->method == 0 && m->packed != m->size) return source_wrong(s, e + 20, "a stored member has two sizes");
  /* Deflate makes at most 258 bytes of 2 bits. */
  if (m->method == 8 && m->size / 1032 > m->packed)
    return source_wrong(s, e + 24, "%llu deflated bytes can't make %llu", (unsigned long long)m->packed,
                        (unsigned long long)m->size);
  *at = comment + source_u16(s, e + 32);
  return true;
}

static int by_place(const void *a, const void *b) {
  const uint64_t x = ((const member *)a)->local, y = ((const member *)b)->local;
  return (x > y) - (x < y);
}

/* Overlapping members would let a small file ask for any amount of memory. */
static bool check_overlap(const source *s, const member *members, size_t count) {
  member *sorted = malloc((count ? count : 1) * sizeof *sorted);
  if (!sorted) return source_wrong(s, 0, "out of memory for %zu members", count);
  if (count) memcpy(sorted, members, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, by_place);
  bool good = true;
  for (size_t i = 1; i < count && good; i++)
    if (sorted[i].local < sorted[i - 1].data + sorted[i - 1].packed)
      good = source_wrong(s, sorted[i].entry + 42, "two members overlap at byte %llu",
                          (unsigned long long)sorted[i].local);
  free(sorted);
  return good;
}

/* ---- deflated members ---- */

/* Where unpacked bytes go: those in [skip, skip + bytes) to `to`, the others nowhere. */
typedef struct window {
  uint64_t skip, bytes;
  unsigned char *to;
} window;

/* Room for the next bytes at `at`: in the window, or scratch. */
static uInt room_at(const window *w, uint64_t at, unsigned char scratch[4096], unsigned char **room) {
  uint64_t left = 4096;
  *room = scratch;
  if (at < w->skip) {
    if (w->skip - at < left) left = w->skip - at;
  } else if (at - w->skip < w->bytes) {
    *room = w->to + (at - w->skip);
    left = w->bytes - (at - w->skip);
  }
  return left < UINT_MAX / 4 ? (uInt)left : UINT_MAX / 4;
}

/* Unpacks m, all of it or, with `start`, only up to the window's end. False and the reason in `why`. */
static bool inflate_member(const source *s, const member *m, const window *w, bool start, char *why,
                           size_t why_room) {
  z_stream z = {0};
  unsigned char scratch[4096], *room;
  if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
    return source_tell(s, m->data, why, why_room, "out of memory to unpack");
  const unsigned char *from = s->bytes + m->data;
  uint64_t left = m->packed, made = 0;
  uLong checksum = crc32(0, NULL, 0);
  int status = Z_OK;
  while (status == Z_OK && made <= m->size && !(start && made >= w->bytes)) {
    const uInt in = left < UINT_MAX / 4 ? (uInt)left : UINT_MAX / 4;
    const uInt out = room_at(w, made, scratch, &room);
    z.next_in = (unsigned char *)from;
    z.avail_in = in;
    z.next_out = room;
    z.avail_out = out;
    status = inflate(&z, Z_NO_FLUSH);
    checksum = crc32(checksum, room, out - z.avail_out);
    made += out - z.avail_out;
    from += in - z.avail_in;
    left -= in - z.avail_in;
    if (status == Z_OK && z.avail_out == out && z.avail_in == in) break;
  }
  inflateEnd(&z);
  if (start && made >= w->bytes) return true;
  if (status != Z_STREAM_END || made != m->size || left)
    return source_tell(s, (uint64_t)(from - s->bytes), why, why_room, "damaged deflate data%s%s",
                       z.msg ? ": " : "", z.msg ? z.msg : "");
  return checksum == m->checksum || source_tell(s, m->entry + 16, why, why_room,
                                                "the member's checksum is %08lx, the directory says %08lx",
                                                (unsigned long)checksum, (unsigned long)m->checksum);
}

/* A member's elements, unpacked when they are needed. */
typedef struct packed {
  source *source; /* a reference */
  member member;
  uint64_t skip; /* the .npy header */
  pons_dtype dtype;
  bool swap;
} packed;

static void packed_free(void *payload) {
  packed *p = payload;
  source_release(p->source);
  free(p);
}

static bool read_packed(void *payload, void *to, size_t bytes, char *why, size_t room) {
  const packed *p = payload;
  const window w = {p->skip, bytes, to};
  if (!inflate_member(p->source, &p->member, &w, false, why, room)) return false;
  mend_elements(to, bytes, p->dtype, p->swap);
  return true;
}

static pons_array packed_array(source *s, const member *m, const npy *h) {
  packed *p = malloc(sizeof *p);
  if (!p) {
    source_wrong(s, m->entry, "out of memory");
    return NULL;
  }
  *p = (packed){source_keep(s), *m, h->data, h->dtype, h->swap};
  return npy_array(h,
                   pons_from_reader((pons_shape){h->ndim, h->dims}, h->dtype, read_packed, p, packed_free));
}

/* The first `count` bytes of a deflated member as a source of its own; NULL and an error. */
static source *unpack_start(const source *s, const member *m, const char *key, uint64_t count) {
  unsigned char *bytes = malloc((size_t)count + 1);
  char why[1024], name[512];
  const window w = {0, count, bytes};
  if (!bytes) {
    source_wrong(s, m->entry + 24, "out of memory for %llu bytes", (unsigned long long)count);
  } else if (!inflate_member(s, m, &w, true, why, sizeof why)) {
    io_fail_as(PONS_ERROR_RUNTIME, "load", "%s", why);
  } else {
    snprintf(name, sizeof name, "%.300s: %.180s.npy", s->name, key);
    return source_of_memory(bytes, (size_t)count, name);
  }
  free(bytes);
  return NULL;
}

static uint64_t less(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* The header is unpacked now, the elements later. */
static pons_array load_deflated(source *s, const member *m, const char *key) {
  source *start = unpack_start(s, m, key, less(NPY_START, m->size));
  if (start && start->count == NPY_START) {
    const uint64_t header = npy_header_end(start->bytes);
    source_release(start);
    start = unpack_start(s, m, key, less(header < NPY_START ? NPY_START : header, m->size));
  }
  npy h;
  pons_array a = NULL;
  if (start && npy_read(start, 0, start->count, m->size, &h)) a = packed_array(s, m, &h);
  source_release(start);
  return a;
}

/* ---- members ---- */

static pons_array load_stored(source *s, const member *m) {
  npy h;
  if (!npy_read(s, m->data, m->size, m->size, &h)) return NULL;
  return npy_array(&h, source_array(s, h.data, (pons_shape){h.ndim, h.dims}, h.dtype, h.swap));
}

static bool load_member(source *s, const member *m, pons_named into) {
  size_t length = m->name_length;
  if (length && m->name[length - 1] == '/') return true; /* a folder */
  if (length < 4 || memcmp(m->name + length - 4, ".npy", 4) != 0)
    return source_wrong(s, m->entry + ENTRY_SIZE, "member \"%.*s\" is no .npy file", (int)length, m->name);
  length -= 4;
  if (memchr(m->name, '\0', length))
    return source_wrong(s, m->entry + ENTRY_SIZE, "a member's name has a zero byte");
  char *key = strndup(m->name, length);
  if (!key) return source_wrong(s, m->entry, "out of memory");
  pons_array a = NULL;
  if (pons_named_find(into, key) >= 0)
    source_wrong(s, m->entry + ENTRY_SIZE, "there are two members \"%s.npy\"", key);
  else
    a = m->method == 0 ? load_stored(s, m) : load_deflated(s, m, key);
  const bool done = a && pons_named_set(into, key, a);
  free(key);
  return done;
}

bool npz_load(source *s, pons_named into) {
  directory d = {0};
  if (!find_directory(s, &d)) return false;
  member *members = malloc((d.count ? d.count : 1) * sizeof *members); /* count fits the directory's size */
  if (!members)
    return source_wrong(s, d.offset, "out of memory for %llu members", (unsigned long long)d.count);
  uint64_t at = d.offset;
  bool good = true;
  for (uint64_t i = 0; i < d.count && good; i++) good = read_entry(s, &d, &at, &members[i]);
  if (good && at != d.offset + d.size)
    good = source_wrong(s, at, "the directory has more than its %llu entries", (unsigned long long)d.count);
  good = good && check_overlap(s, members, (size_t)d.count);
  for (uint64_t i = 0; i < d.count && good; i++) good = load_member(s, &members[i], into);
  free(members);
  return good;
}
