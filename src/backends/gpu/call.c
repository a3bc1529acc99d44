/* call.c: a launch being put together: memories, numbers, groups, its program. Uses definitions.c, programs.c. */
#include "backends/gpu/gpu.h"
#include <assert.h>

gpu_call gpu_call_for(const gpu_backend *b, const operand *o) {
  gpu_call c;
  memset(&c, 0, offsetof(gpu_call, definitions));
  c.backend = b;
  c.index = ((const location *)o->data)->device;
  for (int d = 0; d < 3; d++) c.groups[d] = c.group[d] = 1;
  return c;
}

gpu_features gpu_common_features(const gpu_backend *b) {
  gpu_features all = {true, true, 1024, 1024, 1 << 20, GPU_MAX_MEMORIES};
  for (int i = 0; i < b->count(); i++) {
    const gpu_features *f = b->features(i);
    all.float64 &= f->float64;
    all.atomics64 &= f->atomics64;
    all.max_group = f->max_group < all.max_group ? f->max_group : all.max_group;
    all.most_threads = f->most_threads < all.most_threads ? f->most_threads : all.most_threads;
    all.local_bytes = f->local_bytes < all.local_bytes ? f->local_bytes : all.local_bytes;
    all.max_memories = f->max_memories < all.max_memories ? f->max_memories : all.max_memories;
  }
  return all;
}

const char *gpu_refuses_dtype(const gpu_features *f, pons_dtype d) {
  return d == PONS_FLOAT64 && !f->float64 ? "the device has no float64" : NULL;
}

const char *gpu_refuses_operands(const gpu_backend *b, const launch *l, unsigned lacks) {
  const gpu_features f = gpu_common_features(b);
  for (int i = 0; i < l->n_in + l->n_out; i++) {
    const pons_dtype d = (i < l->n_in ? &l->in[i] : &l->out[i - l->n_in])->dtype;
    const char *why = gpu_refuses_dtype(&f, d);
    if (why) return why;
    if (lacks >> d & 1) return "its kernel can't take an operand's dtype";
  }
  return NULL;
}

/* ---- arguments ---- */

int gpu_number(gpu_call *c, int64_t value) {
  const int place = c->n_numbers++;
  if (place < GPU_NUMBERS) c->numbers[place] = value;
  return place;
}

int gpu_number_float(gpu_call *c, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return gpu_number(c, bits);
}

int gpu_number_list(gpu_call *c, int n, const int64_t *values) {
  const int first = c->n_numbers;
  for (int i = 0; i < n; i++) gpu_number(c, values[i]);
  return first;
}

void gpu_begin_numbers(gpu_call *c) {
  c->first = c->n_numbers;
  gpu_define(c, "FIRST", c->first);
}

/* An empty operand has no memory; none of it is read, so any will do. */
void gpu_memory(gpu_call *c, void *memory, bool written) {
  c->memories[c->n_memories] = memory ? memory : c->memories[0];
  c->n_memories++;
  c->n_written += written;
  gpu_number(c, 0);
}

/* How far the elements reach from the first one. */
static int64_t reach(const operand *o) {
  int64_t far = 1;
  for (int d = 0; d < o->ndim; d++)
    far += (o->shape[d] - 1) * (o->strides[d] < 0 ? -o->strides[d] : o->strides[d]);
  const int64_t size = shape_size(o->ndim, o->shape);
  return far > size ? far : size;
}

static void add_operand(gpu_call *c, const operand *o, bool written) {
  const location *at = o->data;
  const int64_t first = at->offset / (int64_t)pons_dtype_size(o->dtype);
  gpu_memory(c, at->memory, written);
  c->numbers[c->n_numbers - 1] = first;
  c->wide |= first + reach(o) > INT32_MAX;
}

void gpu_written(gpu_call *c, const operand *o) { add_operand(c, o, true); }
void gpu_read(gpu_call *c, const operand *o) { add_operand(c, o, false); }

bool gpu_is_aligned(const operand *o, int bytes) {
  return ((const location *)o->data)->offset % bytes == 0;
}

bool gpu_rows_are_wide(const operand *o) {
  const int64_t size = (int64_t)pons_dtype_size(o->dtype);
  if (o->ndim == 0 || !gpu_is_aligned(o, GPU_WIDE) || (o->strides[o->ndim - 1] != 1 && o->shape[o->ndim - 1] != 1)) return false;
  for (int d = 0; d < o->ndim - 1; d++)
    if (o->shape[d] > 1 && o->strides[d] * size % GPU_WIDE != 0) return false;
  return true;
}

enum { FEW_THREADS = 32 };
int gpu_group_for(const gpu_call *c, int64_t count, int most) {
  const int room = c->backend->features(c->index)->max_group;
  const int wanted = count <= FEW_THREADS ? FEW_THREADS : most;
  int group = 1;
  while (2 * group <= wanted && 2 * group <= room) group *= 2;
  return group;
}

enum { LINE_GROUP = 256, LONG_LINE = 1 << 13 };
int gpu_group_for_line(const gpu_call *c, int64_t count, int most) {
  const gpu_features *f = c->backend->features(c->index);
  const int room = f->most_threads < most ? f->most_threads : most;
  int group = gpu_group_for(c, count, LINE_GROUP);
  while (count > LONG_LINE && 2 * group <= room) group *= 2;
  return group;
}

/* A thread holds up to MOST_HELD elements; 2 times 16 bytes where that makes a group of 32 or more. */
enum { MOST_HELD = 32, LEAST_HELD = 2 };
bool gpu_hold_lines(gpu_call *c, pons_dtype d, int64_t n, bool wide) {
  const int64_t per = GPU_WIDE / (int64_t)pons_dtype_size(d), words = n / per;
  int group = gpu_group_for(c, LINE_GROUP, LINE_GROUP);
  while (group > FEW_THREADS && group / 2 * LEAST_HELD >= words) group /= 2;
  const int64_t held = ceiling(words, group);
  const bool holds = n % per == 0 && held * per <= MOST_HELD && wide;
  if (holds) {
    gpu_define(c, "HELD", held);
    gpu_define_wide(c, "X", d);
  } else {
    group = gpu_group_for_line(c, n, 2 * LINE_GROUP);
  }
  c->group[0] = group;
  gpu_define(c, "GROUP", group);
  return holds;
}
/* Few threads are spread over a device by small groups; many begin faster in large ones. */
enum { SMALL_GROUP = 64, LARGE_GROUP = 256, MANY = 1 << 17 };
void gpu_one_each(gpu_call *c, int64_t count) {
  const int most = c->backend->features(c->index)->max_group, wanted = count < MANY ? SMALL_GROUP : LARGE_GROUP;
  c->group[0] = most < wanted ? most : wanted;
  c->groups[0] = ceiling(count, c->group[0]);
  c->wide |= count > INT32_MAX - LARGE_GROUP;
}

/* ---- launching ---- */

static error *write_text(const gpu_call *c, const char *name, text *all) {
  gpu_write_definitions(all, c);
  return all->failed || c->text.failed ? fail_no_memory(name) : NULL;
}

/* What stands for the text, where that is of constants alone: the words of its definitions, and what is about them. */
static int add_key(gpu_call *c, const char *body, const char *name) {
  const int64_t about[] = {(int64_t)(intptr_t)body, (int64_t)(intptr_t)name, (int64_t)(intptr_t)c->prologue,
                           (int64_t)(intptr_t)c->options, c->wide};
  memcpy(c->definitions + c->n_definitions, about, sizeof about);
  return c->n_definitions + (int)(sizeof about / sizeof *about);
}

/* By its text; remembered by its key. */
static error *compile(gpu_call *c, const char *body, const char *name, const void *key, size_t key_size) {
  text all = {0};
  error *why = write_text(c, name, &all);
  const gpu_source source = {c->prologue, c->options, all.at, body};
  if (!why) c->entry = gpu_program(c->backend, c->index, &source, name, &why);
  if (c->entry && key_size) gpu_remember_program(c->backend, c->index, key, key_size, c->entry);
  text_free(&all);
  return why;
}

static error *find_program(gpu_call *c, const char *body, const char *name) {
  if (c->text.at || c->text.failed) return compile(c, body, name, NULL, 0);
  const size_t key_size = (size_t)add_key(c, body, name) * sizeof *c->definitions;
  c->entry = gpu_known_program(c->backend, c->index, c->definitions, key_size);
  return c->entry ? NULL : compile(c, body, name, c->definitions, key_size);
}

error *gpu_run_written(gpu_call *c, const char *body, const char *name, const gpu_own_text *own) {
  char key[sizeof c->definitions + GPU_OWN_KEY];
  error *why = NULL;
  if (c->n_definitions <= GPU_DEFINITIONS) {
    const size_t first = (size_t)add_key(c, body, name) * sizeof *c->definitions, size = first + own->key_size;
    assert(own->key_size <= GPU_OWN_KEY);
    memcpy(key, c->definitions, first);
    memcpy(key + first, own->key, own->key_size);
    c->entry = gpu_known_program(c->backend, c->index, key, size);
    if (!c->entry) {
      own->write(&c->text, own->from);
      why = compile(c, body, name, key, size);
    }
  }
  if (!why) return gpu_run(c, body, name);
  text_free(&c->text);
  return why;
}

error *gpu_run(gpu_call *c, const char *body, const char *name) {
  gpu_launch l = {.n_memories = c->n_memories,
                  .n_written = c->n_written,
                  .memories = c->memories,
                  .numbers = c->numbers,
                  .groups = {c->groups[0], c->groups[1], c->groups[2]},
                  .group = {c->group[0], c->group[1], c->group[2]},
                  .shared_bytes = c->shared_bytes,
                  .notes_faults = c->notes_faults};
  error *why = NULL;
  if (c->n_numbers > GPU_NUMBERS)
    why = fail_as(PONS_ERROR_RUNTIME, name, "%d numbers are more than the %d a kernel takes", c->n_numbers,
                  GPU_NUMBERS);
  else if (c->n_definitions > GPU_DEFINITIONS)
    why = fail_as(PONS_ERROR_RUNTIME, name, "%d words of definitions are more than the %d a launch has",
                  c->n_definitions, GPU_DEFINITIONS);
  else if (!c->entry)
    why = find_program(c, body, name);
  l.entry = c->entry;
  if (!why) why = c->backend->launch(c->index, &l);
  text_free(&c->text);
  return why;
}
