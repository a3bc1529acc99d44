/* validity_test.c: which bytes of a buffer are valid where, against a note of each byte; what is copied between the host and two devices
   that are made here, which is what was not valid there and no more. PONS_SEED sets the seed, which is printed. */
#include "device/parts.h"
#include "tests/seed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static uint64_t seed;
static int below(int n) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (int)(seed >> 33) % n;
}
static byte_range range_below(size_t bytes) {
  const size_t a = (size_t)below((int)bytes + 1), b = (size_t)below((int)bytes + 1);
  return a < b ? (byte_range){a, b} : (byte_range){b, a};
}

/* ---- pieces ---- */

static void whole_buffers_have_no_list(void **state) {
  (void)state;
  validity v = {.all = ON_HOST};
  assert_int_equal(validity_of(&v, (byte_range){3, 5}), ON_HOST);
  validity_set(&v, 100, validity_split(&v, 100, ALL_BYTES), ANYWHERE, 2);
  assert_null(v.pieces);
  assert_int_equal(v.all, 3);
  validity_set(&v, 100, validity_split(&v, 100, (byte_range){20, 30}), 0, 2);
  validity_join(&v);
  assert_non_null(v.pieces);
  assert_int_equal(validity_of(&v, (byte_range){0, 20}), 3);
  assert_int_equal(validity_of(&v, (byte_range){19, 21}), 2);
  assert_int_equal(validity_of(&v, (byte_range){30, 100}), 3);
  assert_int_equal(validity_of(&v, (byte_range){25, 25}), ANYWHERE);
  validity_set(&v, 100, validity_split(&v, 100, (byte_range){20, 30}), ANYWHERE, ON_HOST);
  validity_join(&v);
  assert_null(v.pieces);
  assert_int_equal(v.all, 3);
}

static void where_there_is_no_room_all_bytes_are_meant(void **state) {
  (void)state;
  validity v = {.all = ON_HOST};
  size_t n = 0;
  for (byte_range part = {10, 12}; part.from < 990; part.from += 4, part.to += 4, n++) {
    const byte_range got = validity_split(&v, 1000, part);
    if (validity_is_all(got, 1000)) break;
    validity_set(&v, 1000, got, 0, 2);
    validity_join(&v);
  }
  assert_int_equal(n, (VALIDITY_PIECES - 1) / 2);
  assert_int_equal(validity_of(&v, (byte_range){12, 14}), ON_HOST); /* nothing was forgotten */
  assert_int_equal(validity_of(&v, (byte_range){10, 12}), 2);
  validity_set_all(&v, ON_HOST);
  mem_fail_at(1);
  assert_true(validity_is_all(validity_split(&v, 1000, (byte_range){1, 2}), 1000));
  mem_fail_at(0);
  validity_set_all(&v, 0);
}

static void pieces_say_what_bytes_say(void **state) {
  (void)state;
  enum { BYTES = 60, ROUNDS = 20000 };
  place_set bytes[BYTES];
  validity v = {.all = ON_HOST};
  for (int i = 0; i < BYTES; i++) bytes[i] = ON_HOST;
  for (int round = 0; round < ROUNDS; round++) {
    const byte_range part = validity_split(&v, BYTES, below(30) ? range_below(BYTES) : ALL_BYTES), asked = range_below(BYTES);
    const place_set kept = below(2) ? ANYWHERE : 0, added = (place_set)1 << below(3);
    place_set common = ANYWHERE;
    validity_set(&v, BYTES, part, kept, added);
    for (size_t i = part.from; i < part.to && i < BYTES; i++) bytes[i] = (bytes[i] & kept) | added;
    if (below(2)) validity_join(&v);
    for (size_t i = asked.from; i < asked.to; i++) common &= bytes[i];
    assert_int_equal(validity_of(&v, asked), common);
    const place_set where = (place_set)1 << below(3);
    byte_range rest = asked;
    valid_part found;
    size_t at = asked.from;
    while (validity_next(&v, BYTES, where, 0, &rest, &found)) {
      for (; at < found.part.from; at++) assert_true(bytes[at] & where);
      for (; at < found.part.to; at++) assert_true(!(bytes[at] & where) && bytes[at] == found.at);
    }
    for (; at < asked.to; at++) assert_true(bytes[at] & where);
  }
  validity_set_all(&v, 0);
}

/* ---- buffers: the host and two devices whose memory is blocks of the host's ---- */

static int blocks;
static bool passes; /* from device to device */
static void *take(int index, size_t bytes, error **why) {
  (void)index, (void)why;
  char *memory = malloc(bytes);
  assert_non_null(memory);
  memset(memory, 0xee, bytes);
  blocks++;
  return memory;
}
static void give(int index, void *memory) {
  (void)index;
  free(memory);
  blocks--;
}
static error *write_memory(int index, void *memory, size_t at, const void *host, size_t bytes) {
  (void)index;
  memcpy((char *)memory + at, host, bytes);
  return NULL;
}
static error *read_memory(int index, void *memory, size_t at, void *host, size_t bytes) {
  (void)index;
  memcpy(host, (char *)memory + at, bytes);
  return NULL;
}
static error *pass(int from_index, void *from, int to_index, void *to, size_t at, size_t bytes) {
  assert_true(from_index != to_index);
  if (!passes) return error_declined();
  memcpy((char *)to + at, (char *)from + at, bytes);
  return NULL;
}
static int two(void) { return 2; }
static const memory_driver memory = {.take = take, .give = give, .write = write_memory, .read = read_memory, .pass = pass};
static const driver away = {.name = "away", .count = two, .memory = &memory};
extern const driver driver_cpu;
const driver *const pons_drivers[] = {&driver_cpu, &away, NULL};

enum { BYTES = 200, PLACES = 3 };
static bool is_valid[PLACES][BYTES]; /* the note; 0 is the host */
static unsigned char truth[BYTES];

/* Bytes of the part that are not valid there. */
static size_t missing(int place, byte_range part) {
  size_t n = 0;
  for (size_t i = part.from; i < part.to; i++) n += !is_valid[place][i];
  return n;
}
/* What goes from one device to the other by way of the host is valid there, too. */
static void becomes_valid(int place, byte_range part) {
  for (size_t i = part.from; i < part.to; i++) {
    is_valid[0][i] |= !passes && !is_valid[place][i];
    is_valid[place][i] = true;
  }
}
/* Pieces that are noted, with room for two more. */
static bool has_room(void) {
  int n = 1;
  for (int i = 1; i < BYTES; i++)
    for (int p = 0; p < PLACES; p++)
      if (is_valid[p][i] != is_valid[p][i - 1]) {
        n++;
        break;
      }
  return n + 2 <= VALIDITY_PIECES;
}

/* What is noted where the library took all bytes for a part: as it has it. */
static void note_anew(const buffer *b) {
  for (int p = 0; p < PLACES; p++)
    for (size_t i = 0; i < BYTES; i++) is_valid[p][i] = validity_of(&b->valid, (byte_range){i, i + 1}) >> p & 1;
}

static const unsigned char *bound(buffer *b, int place, byte_range part, bool writes, bool over) {
  error *why = NULL;
  void *at;
  if (place && writes) at = buffer_written_on(b, device_at(place), part, over, &why);
  else if (place) at = buffer_on(b, device_at(place), part, &why);
  else if (writes) at = buffer_written_on_host(b, part, over, &why);
  else at = buffer_host(b, part, &why);
  assert_true(at && !why);
  return at;
}

static void read_part(buffer *b, int place, byte_range part) {
  const bool room = has_room();
  const size_t expected = missing(place, part);
  const unsigned char *at = bound(b, place, part, false, false);
  const copies_made m = copies_since();
  for (size_t i = part.from; i < part.to; i++) assert_int_equal(at[i], truth[i]);
  if (room) assert_int_equal(place ? m.bytes_to_device + m.bytes_passed : m.bytes_to_host, expected);
  if (room && place && passes) assert_int_equal(m.bytes_to_host, 0);
  if (!room) note_anew(b);
  becomes_valid(place, part);
}

/* What is written is the part, or some of it. */
static void write_part(buffer *b, int place, byte_range part, bool over) {
  const bool room = has_room();
  const size_t expected = over ? 0 : missing(place, part);
  unsigned char *at = (unsigned char *)bound(b, place, part, true, over);
  const copies_made m = copies_since();
  if (room) assert_int_equal(place ? m.bytes_to_device + m.bytes_passed : m.bytes_to_host, expected);
  for (size_t i = part.from; i < part.to; i++)
    if (over || below(2)) at[i] = truth[i] = (unsigned char)below(256);
  if (!room) note_anew(b);
  for (int p = 0; p < PLACES; p++)
    for (size_t i = part.from; i < part.to; i++) is_valid[p][i] = p == place;
}

static void give_up(buffer *b, int place) {
  size_t expected = 0;
  for (int i = 0; i < BYTES; i++) {
    if (!is_valid[place][i]) continue;
    expected += !is_valid[0][i] && !is_valid[3 - place][i];
    is_valid[0][i] |= !is_valid[3 - place][i];
    is_valid[place][i] = false;
  }
  assert_null(buffer_leave(b, device_at(place)));
  assert_int_equal(copies_since().bytes_to_host, expected);
}

static void play(void) {
  error *why = NULL;
  const bool from_host = below(2);
  buffer *b = from_host ? buffer_new(BYTES, "test", &why) : buffer_new_on(device_at(1), BYTES, "test", &why);
  assert_non_null(b);
  passes = below(2);
  for (int p = 0; p < PLACES; p++)
    for (int i = 0; i < BYTES; i++) is_valid[p][i] = p == !from_host;
  write_part(b, !from_host, (byte_range){0, BYTES}, true);
  const int spread = below(3) ? BYTES : 12; /* short parts make many pieces */
  for (int step = 0; step < 60; step++) {
    byte_range part = range_below((size_t)spread);
    const size_t shift = (size_t)below(BYTES - spread + 1);
    part = (byte_range){part.from + shift, part.to + shift};
    const int place = below(PLACES), what = below(10);
    if (what < 5) read_part(b, place, part);
    else if (what < 9) write_part(b, place, part, below(2));
    else if (place) give_up(b, place);
  }
  read_part(b, 0, (byte_range){0, BYTES});
  buffer_release(b);
}

static void no_byte_is_copied_that_is_there(void **state) {
  (void)state;
  assert_int_equal(pons_device_count(), PLACES);
  copies_since();
  for (int i = 0; i < 3000; i++) play();
  assert_int_equal(blocks, 0);
}

int main(void) {
  seed = seed_of_run(20261127);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whole_buffers_have_no_list),
      cmocka_unit_test(where_there_is_no_room_all_bytes_are_meant),
      cmocka_unit_test(pieces_say_what_bytes_say),
      cmocka_unit_test(no_byte_is_copied_that_is_there),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
