/* reduce_cpu.c: "Reduce": sums, products, least, greatest, all, any, over any axes of any strides.

   The order of additions depends on shape and strides alone. The elements that one result takes in, in the
   order of memory, are cut into segments; a segment is cut into tiles, whose results are joined in pairs, so
   that rounding errors grow with the logarithm of the count:

       by rows       one result, elements along the last reduced axis:    tile = TILE elements, LONG_TILE of lanes that
                                                                          lie side by side in memory
       by columns    results side by side, added up row by row:           tile = ROWS rows of up to WIDTH
   results

   Segments are what threads share; their partial results are joined in pairs too. Uses cpu/lanes.h,
   cpu/cursor.h. */
#include "backends/cpu/calls.h"
#include "backends/cpu/cursor.h"
#include "backends/cpu/lanes.h"

enum {
  TILES = 64,       /* of a segment */
  LONG_TILE = 4 * TILE, /* between two tiles nothing is read: a sixth of the time where tiles are short */
  COLUMN_TILES = 8, /* the same by columns */
  DEPTH = 7,        /* 2^DEPTH > TILES */
  WIDTH = 1024,
  ROWS = 128
};

typedef struct reduction {
  pons_dtype in, out;
  int kind;  /* as the primitive has it */
  int loops; /* kind of the loops: AND and OR are MIN and MAX of truths */
  lane lane; /* of what is combined */
  const char *data;
  cursor kept, reduced;           /* over the input; kept: without the axis of the columns */
  int64_t columns, column_stride; /* 0 columns: by rows */
  int64_t strips;                 /* of WIDTH columns; 1 by rows */
  int64_t count;                  /* elements per result */
  int64_t tile;                   /* elements folded at a time, by rows */
  int64_t segment, segments;      /* elements of a segment, segments per result */
  int64_t results;                /* all of them */
  char *to; /* lanes [segments][results] if there are several segments, else elements [results] */
  int64_t tasks, tasks_per_piece; /* a task: a segment of one result or strip */
} reduction;

/* ---- partial results joined in pairs, as a binary counter carries ---- */

typedef struct pairs {
  int64_t count;
  int64_t width;
  lane_value level[DEPTH][WIDTH]; /* lanes, packed; level i holds 2^i tiles if bit i of count is set */
} pairs;

static void join(const reduction *r, void *into, const void *from, int64_t n) {
  cpu_reduce_loops()->columns[r->loops][r->lane](from, 0, 1, n, into);
}

static void pairs_add(const reduction *r, pairs *p, const void *lanes) {
  int level = 0;
  for (; p->count >> level & 1; level++) {
    join(r, p->level[level], lanes, p->width);
    lanes = p->level[level];
  }
  memcpy(p->level[level], lanes, (size_t)p->width * lane_size(r->lane));
  p->count++;
}

static const void *pairs_result(const reduction *r, pairs *p) {
  const void *result = NULL;
  for (int level = 0; level < DEPTH; level++) {
    if (!(p->count >> level & 1)) continue;
    if (result) join(r, p->level[level], result, p->width);
    result = p->level[level];
  }
  return result;
}

static void fill_identity(const reduction *r, void *lanes, int64_t n) {
  lane_value identity = lane_identity(r->kind, r->in);
  size_t size = lane_size(r->lane);
  for (int64_t i = 0; i < n; i++) memcpy((char *)lanes + (size_t)i * size, &identity, size);
}

/* n elements at `offset` as lanes of what is combined. */
static const void *lanes_of(const reduction *r, int64_t offset, int64_t stride, int64_t n, void *tile) {
  const void *lanes = lanes_at(r->in, element(r->data, r->in, offset), stride, n, tile);
  if (r->kind != REDUCE_AND && r->kind != REDUCE_OR) return lanes;
  uint64_t truths[TILE];
  cpu_lanes()->truth[lane_of(r->in)](lanes, n, truths);
  memcpy(tile, truths, (size_t)n * sizeof *truths);
  return tile;
}

/* ---- by rows ---- */

/* Takes the next elements of the reduced axes, at most `n` and at most a row's rest. Returns how many; the
   first is at *offset. */
static int64_t next_run(cursor *c, int64_t n, int64_t *offset, int64_t *stride) {
  int last = c->n - 1;
  *offset = c->offset[0];
  *stride = last < 0 ? 1 : c->strides[0][last];
  if (last < 0) return 1;
  int64_t left = c->dims[last] - c->at[last];
  if (n >= left) { /* to the row's end, from where the cursor carries */
    c->at[last] += left - 1;
    c->offset[0] += (left - 1) * *stride;
    cursor_next(c);
    return left;
  }
  c->at[last] += n;
  c->offset[0] += n * *stride;
  return n;
}

/* Are all elements of a result lanes in memory, one after the other? */
static bool lie_side_by_side(const reduction *r) {
  const cursor *c = &r->reduced;
  return lane_is_direct(r->in) && r->kind != REDUCE_AND && r->kind != REDUCE_OR && c->n == 1 && c->strides[0][0] == 1;
}

/* The next n <= r->tile elements, folded. */
static void fold_tile(const reduction *r, cursor *c, int64_t base, int64_t n, lane_value *result) {
  lane_value tile[TILE]; /* long tiles are folded where they lie */
  size_t size = lane_size(r->lane);
  int64_t offset, stride, filled = next_run(c, n, &offset, &stride);
  const void *lanes = lanes_of(r, base + offset, stride, filled, tile);
  if (filled < n && lanes != tile) {
    memcpy(tile, lanes, (size_t)filled * size);
    lanes = tile;
  }
  while (filled < n) {
    lane_value more[TILE];
    int64_t run = next_run(c, n - filled, &offset, &stride);
    memcpy((char *)tile + (size_t)filled * size, lanes_of(r, base + offset, stride, run, more),
           (size_t)run * size);
    filled += run;
  }
  cpu_reduce_loops()->fold[r->loops][r->lane](lanes, n, result);
}

static const void *reduce_row(const reduction *r, cursor *reduced, int64_t base, int64_t count, pairs *p) {
  lane_value result;
  if (count <= r->tile) {
    fold_tile(r, reduced, base, count, &p->level[0][0]);
    return p->level[0];
  }
  for (int64_t done = 0; done < count; done += r->tile) {
    fold_tile(r, reduced, base, smaller(count - done, r->tile), &result);
    pairs_add(r, p, &result);
  }
  return pairs_result(r, p);
}

/* ---- by columns ---- */

/* Takes `rows` reduced elements into into[0 .. p->width). */
static void add_rows(const reduction *r, cursor *c, int64_t base, int64_t rows, int64_t width, void *into) {
  lane_value tile[WIDTH];
  void (*columns)(const void *, int64_t, int64_t, int64_t, void *) =
      cpu_reduce_loops()->columns[r->loops][r->lane];
  bool in_place =
      lane_is_direct(r->in) && r->column_stride == 1 && r->kind != REDUCE_AND && r->kind != REDUCE_OR;
  while (rows > 0) {
    int64_t offset, stride, run = next_run(c, rows, &offset, &stride);
    rows -= run;
    if (in_place) {
      columns(element(r->data, r->in, base + offset), stride, run, width, into);
      continue;
    }
    for (int64_t i = 0; i < run; i++)
      columns(lanes_of(r, base + offset + i * stride, r->column_stride, width, tile), 0, 1, width, into);
  }
}

static const void *reduce_columns(const reduction *r, cursor *reduced, int64_t base, int64_t count,
                                  pairs *p) {
  lane_value into[WIDTH];
  for (int64_t done = 0; done < count; done += ROWS) {
    fill_identity(r, into, p->width);
    add_rows(r, reduced, base, smaller(count - done, ROWS), p->width, into);
    pairs_add(r, p, into);
  }
  return pairs_result(r, p);
}

/* ---- tasks ---- */

static void reduce_task(const reduction *r, int64_t task, cursor *kept, cursor *reduced, pairs *p) {
  int64_t segment = task % r->segments, strip = task / r->segments % r->strips,
          result = task / r->segments / r->strips;
  int64_t first = segment * r->segment, count = smaller(r->count - first, r->segment);
  cursor_to(kept, result);
  cursor_to(reduced, first);
  p->count = 0;
  p->width = 1;
  int64_t base = kept->offset[0];
  const void *lanes;
  if (r->columns) {
    result = result * r->columns + strip * WIDTH;
    base += strip * WIDTH * r->column_stride;
    p->width = smaller(r->columns - strip * WIDTH, WIDTH);
    lanes = reduce_columns(r, reduced, base, count, p);
  } else {
    lanes = reduce_row(r, reduced, base, count, p);
  }
  if (r->segments == 1) {
    cpu_lanes()->store[r->out](lanes, p->width, element(r->to, r->out, result), 1);
  } else {
    size_t size = lane_size(r->lane);
    memcpy(r->to + (size_t)(segment * r->results + result) * size, lanes, (size_t)p->width * size);
  }
}

static void reduce_piece(void *context, int64_t piece) {
  const reduction *r = context;
  cursor kept = r->kept, reduced = r->reduced;
  pairs p;
  int64_t task = piece * r->tasks_per_piece, end = smaller(task + r->tasks_per_piece, r->tasks);
  for (; task < end; task++) reduce_task(r, task, &kept, &reduced, &p);
}

static void run_tasks(reduction *r) {
  parallel_for(pieces_of(r->tasks, r->tasks_per_piece), reduce_piece, r);
}

/* Joins segments 2^k apart, then 2^(k+1): the result is in the first. */
static error *run_in_segments(reduction *r, void *out) {
  error *why = NULL;
  size_t row = (size_t)r->results * lane_size(r->lane);
  buffer *partial = buffer_new((size_t)r->segments * row, "Reduce", &why);
  if (!partial) return why;
  r->to = buffer_data(partial);
  run_tasks(r);
  for (int64_t apart = 1; apart < r->segments; apart *= 2)
    for (int64_t s = 0; s + apart < r->segments; s += 2 * apart)
      join(r, r->to + (size_t)s * row, r->to + (size_t)(s + apart) * row, r->results);
  cpu_lanes()->store[r->out](r->to, r->results, out, 1);
  buffer_release(partial);
  return NULL;
}

/* ---- the plan ---- */

/* Axes apart: kept ones in the result's order, reduced ones in the order of memory. */
static void split_axes(reduction *r, const operand *x, ints axes) {
  bool is_reduced[PONS_MAX_NDIM] = {false};
  for (int i = 0; i < axes.n; i++) is_reduced[axes.at[i]] = true;
  int64_t dims[2][PONS_MAX_NDIM], strides[2][PONS_MAX_NDIM];
  int n[2] = {0, 0};
  for (int d = 0; d < x->ndim; d++) {
    int to = is_reduced[d], at = n[to]++;
    for (; to && at && magnitude(strides[1][at - 1]) < magnitude(x->strides[d]); at--) {
      dims[1][at] = dims[1][at - 1];
      strides[1][at] = strides[1][at - 1];
    }
    dims[to][at] = x->shape[d];
    strides[to][at] = x->strides[d];
  }
  r->kept = cursor_new(n[0], dims[0], 1, strides[0]);
  r->reduced = cursor_new(n[1], dims[1], 1, strides[1]);
}

/* By columns if neighbouring results lie nearer to each other than the elements of one, or if those are few.
   */
static void choose_columns(reduction *r) {
  int last = r->kept.n - 1, inner = r->reduced.n - 1;
  r->columns = 0;
  r->strips = 1;
  if (last < 0 || inner < 0 || r->kept.dims[last] < 8) return;
  bool nearer = magnitude(r->kept.strides[0][last]) < magnitude(r->reduced.strides[0][inner]);
  if (!nearer && r->count >= 16) return;
  r->columns = cursor_take_last(&r->kept, &r->column_stride);
  r->strips = pieces_of(r->columns, WIDTH);
}

error *cpu_reduce(const launch *l) {
  const reduce_params *params = l->params;
  const operand *x = l->in, *out = l->out;
  reduction r = {.in = x->dtype, .out = out->dtype, .kind = params->kind, .data = x->data, .to = out->data};
  bool logical = r.kind == REDUCE_AND || r.kind == REDUCE_OR;
  r.loops = r.kind == REDUCE_AND ? REDUCE_MIN : r.kind == REDUCE_OR ? REDUCE_MAX : r.kind;
  r.lane = logical ? LANE_UINT : lane_of(r.in);
  r.results = operand_size(out);
  if (!r.results) return NULL;
  split_axes(&r, x, params->axes);
  r.count = cursor_size(&r.reduced);
  if (!r.count) {
    lane_value identity = lane_identity(r.kind, r.in);
    for (int64_t i = 0; i < r.results; i++)
      cpu_lanes()->store[r.out](&identity, 1, element(out->data, r.out, i), 1);
    return NULL;
  }
  choose_columns(&r);
  r.tile = lie_side_by_side(&r) ? LONG_TILE : TILE;
  r.segment = r.columns ? COLUMN_TILES * ROWS : TILES * TILE;
  r.segments = pieces_of(r.count, r.segment);
  r.tasks = r.results / (r.columns ? r.columns : 1) * r.strips * r.segments;
  int64_t width = r.columns ? smaller(r.columns, WIDTH) : 1;
  r.tasks_per_piece = turns_per_piece(r.tasks, width * smaller(r.count, r.segment));
  if (r.segments > 1) return run_in_segments(&r, out->data);
  run_tasks(&r);
  return NULL;
}
