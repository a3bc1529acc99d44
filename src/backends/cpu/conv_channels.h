/* conv_channels.h: convolutions in groups of few channels, one of each above all, and their gradients by the weight: the
   result's channels are lanes beside each other, and a term adds a product of two rows of them:

       result (channels) at a place      sum over positions of the kernel of  x (channels) under it * weight (channels)
       gradient (channels) of a weight   sum over places of  x (channels) under it * cotangent (channels)

   With more than one channel in a group there is such a term for each channel of x. Where a group's results are whole
   registers, an element of x is met by all of them; else x's channel i of each group is repeated for all results of that
   group, in a register if it has as many channels as results, else in memory, where it is a row like any other.

   What lies over the edge has no term: a line of the result is cut into runs of places, those between which the same
   positions of the kernel meet x; with elements of x apart, places that far apart. Lines of x are read where they lie, if
   they can be; else some, as lanes, are kept beside those that the next line of the result needs. Threads share pieces of
   lines. Uses cpu/conv.h. */
#ifndef CPU_CONV_CHANNELS_H
#define CPU_CONV_CHANNELS_H
#include "backends/cpu/conv.h"

/* ---- loops (conv_channels.isa.c) ---- */

typedef struct conv_term {
  const void *x; /* under place 0 */
  void *w;       /* the first of its rows: of the weight, or of its gradient */
} conv_term;
typedef struct conv_sums {
  int64_t places, channels;    /* channels: a register's at least */
  int64_t group_in, group_out; /* but for CONV_EACH */
  const conv_term *terms;
  int64_t count;
  int64_t x_step; /* lanes from a place to the next */
  void *y;
  int64_t y_step;
} conv_sums;
/* Which of x a channel of the result meets: the element of its own place, all of its group's, which have whole registers of
   results; or all of its group's, of which there are as many as results, and one or more groups in a register. */
typedef enum conv_form { CONV_EACH, CONV_BY_GROUP, CONV_SHUFFLED } conv_form;
enum { CONV_SPREAD_BYTES = 16 };
typedef struct conv_loops {
  bool shuffles[LANE_KINDS]; /* whether CONV_SHUFFLED is there */
  int least[LANE_KINDS]; /* lanes of a register */
  /* y[p][c] = sum over terms t of x[t][p][c] * w[t][c]; by group: over t and i of x[t][p][group * group_in + i] * w[t][i][c] */
  void (*result[LANE_KINDS])(const conv_sums *s, conv_form form);
  /* w[t][c] += sum over p of x[t][p][c] * y[p][c]; by group: w[t][i][c], as above */
  void (*gradient[LANE_KINDS])(const conv_sums *s, conv_form form);
  /* Channels of a place repeated for the results of their groups: to[i * plane + g * out + o] = from[g * in + i], and less
     than CONV_SPREAD_BYTES of rubbish behind. */
  void (*spread[LANE_KINDS])(const void *from, int64_t groups, int64_t in, int64_t out, int64_t plane, void *to);
} conv_loops;
extern const conv_loops conv_loops_baseline, conv_loops_avx2, conv_loops_avx512;
const conv_loops *cpu_conv_loops(void);

/* ---- a job, and the work of one thread on a piece of it (conv_channels.c) ---- */

typedef struct channels_job channels_job;
typedef struct channels_work channels_work;
struct channels_job {
  conv_job conv;                  /* its result is y */
  const operand *x, *y;           /* y: the result, or its cotangent */
  int64_t group_in, group_out;
  int64_t width;                  /* y's channels, no less than a register */
  int64_t lines, line;            /* of y; places of one */
  int64_t outer;                  /* positions of the kernel along all axes but the last */
  int64_t per_segment, segments;  /* places; of a line */
  int64_t lines_per_piece;
  int64_t kept_bytes;             /* of lanes of x under a segment, at most */
  conv_form form;
  bool spread;                    /* channels of x are repeated in what is kept */
  int64_t x_each, terms_each;     /* lanes of a place of x; terms of a position */
  bool direct_x, direct_y;        /* elements in memory are the lanes */
  error *_Atomic why;
};

/* Places first, first + apart, ... of a line, under which the same positions of the kernel meet x. */
typedef struct place_run {
  int64_t first, count;
} place_run;
typedef struct kept_line kept_line;
struct channels_work {
  char *rows;                     /* lanes [position][i][width]: of weights, or of their gradient */
  int64_t first, places;          /* of the segment */
  int64_t x_first, x_places;      /* of x that may be under it */
  place_run *runs;
  int64_t n_runs;
  conv_term *terms;
  kept_line *kept;                /* [outer] */
  bool *inside;                   /* [outer]: is there a line of x under the line of y? */
  int64_t *offsets;               /* where it lies in x; */
  const char **under;             /* its lanes */
  int64_t y_offset;               /* where the segment of y lies */
  char *lines, *row, *y;          /* lanes: of kept; of a place's channels; of a segment of y */
};

/* NULL: more than one group, and each has few channels of x; of results in whole registers `most` are few. */
const char *channels_refuse(int64_t groups, int64_t group_in, int64_t group_out, pons_dtype d, int64_t most);
/* Lays out a job for x, weight and y, as a convolution has them; its lane is that of their dtype. */
void channels_lay_out(channels_job *j, const launch *convolution);
int64_t channels_pieces(const channels_job *j);
/* Goes through the lines of a piece: `each` is called with the runs of a segment and the lines of x under it. */
void channels_piece(channels_job *j, int64_t piece, char *rows, void (*each)(const channels_job *j, channels_work *w));
/* The sums of run `r` of a line, whose y is at `lanes`. */
conv_sums channels_sums(const channels_job *j, const channels_work *w, const place_run *r, char *lanes);
#endif
