/* turn.h: squares of vectors turned in registers: rows become columns. For files *.isa.c. Uses nothing. */
#ifndef CPU_TURN_H
#define CPU_TURN_H

#define PICK __builtin_shufflevector

/* turn_name: of eight vectors of eight elements, and of four of four. Neighbours one, two, four apart change places. */
#define TURN_8(name, vector)                                                      \
  static inline void turn_##name(vector r[8]) {                                   \
    vector a[8], b[8];                                                            \
    for (int i = 0; i < 8; i += 2) {                                              \
      a[i] = PICK(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);                      \
      a[i + 1] = PICK(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);                \
    }                                                                             \
    for (int i = 0; i < 8; i += 4)                                                \
      for (int k = 0; k < 2; k++) {                                               \
        b[i + 2 * k] = PICK(a[i + k], a[i + k + 2], 0, 1, 8, 9, 4, 5, 12, 13);    \
        b[i + 2 * k + 1] = PICK(a[i + k], a[i + k + 2], 2, 3, 10, 11, 6, 7, 14, 15); \
      }                                                                           \
    for (int i = 0; i < 4; i++) {                                                 \
      r[i] = PICK(b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);                      \
      r[i + 4] = PICK(b[i], b[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);                \
    }                                                                             \
  }
#define TURN_4(name, vector)                        \
  static inline void turn_##name(vector r[4]) {     \
    vector a[4];                                    \
    for (int i = 0; i < 4; i += 2) {                \
      a[i] = PICK(r[i], r[i + 1], 0, 4, 2, 6);      \
      a[i + 1] = PICK(r[i], r[i + 1], 1, 5, 3, 7);  \
    }                                               \
    for (int i = 0; i < 2; i++) {                   \
      r[i] = PICK(a[i], a[i + 2], 0, 1, 4, 5);      \
      r[i + 2] = PICK(a[i], a[i + 2], 2, 3, 6, 7);  \
    }                                               \
  }
#endif
