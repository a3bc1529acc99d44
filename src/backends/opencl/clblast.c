/* clblast.c: "Matmul" and "AddMM" by CLBlast, a library of kernels that are tuned for each device, looked for at run time
   in PONS_CLBLAST (nothing: it is not used), else by its name. It takes matrices whose rows or columns are in a row,
   and batches of them. Reference: its doc/api.md. Uses clblast.h, gpu/. */
#include "backends/opencl/clblast.h"
#include "backends/gpu/matmul_gpu.h"
#include <pthread.h>
#include <stdlib.h>

enum { ROW_MAJOR = 101, AS_IT_LIES = 111, TURNED = 112 };
enum { LEAST_SIDE = 16, LEAST_WORK = 1 << 18 }; /* multiply-adds; below, its many small launches cost more */
typedef struct pair {
  float re, im;
} pair;

/* An entry per sort of elements, for one product and for a batch. */
#define GEMM(letter, scalar)                                                                                     \
  int (*letter##_one)(int, int, int, size_t, size_t, size_t, scalar, cl_mem, size_t, size_t, cl_mem, size_t,     \
                      size_t, scalar, cl_mem, size_t, size_t, cl_command_queue *, void *);                       \
  int (*letter##_batch)(int, int, int, size_t, size_t, size_t, scalar, cl_mem, size_t, size_t, size_t, cl_mem,   \
                        size_t, size_t, size_t, scalar, cl_mem, size_t, size_t, size_t, size_t,                  \
                        cl_command_queue *, void *);
static struct {
  struct {
    GEMM(s, float)
    GEMM(d, double)
    GEMM(c, pair)
  } api;
  void *library;
  char *missing;
} found;
static pthread_once_t opened = PTHREAD_ONCE_INIT;

static void open_library(void) {
  static const char *const symbols[] = {"CLBlastSgemm", "CLBlastSgemmStridedBatched",
                                        "CLBlastDgemm", "CLBlastDgemmStridedBatched",
                                        "CLBlastCgemm", "CLBlastCgemmStridedBatched"};
  const char *const asked = getenv("PONS_CLBLAST");
  const char *const names[] = {asked ? asked : "libclblast.so.1", asked ? NULL : "libclblast.so", NULL};
  if (!asked || *asked) found.library = library_open(names, &found.missing);
  if (found.library && !library_symbols(found.library, symbols, sizeof symbols / sizeof *symbols, &found.api))
    found.library = NULL;
}

static bool is_here(void) {
  pthread_once(&opened, open_library);
  return found.library != NULL;
}

void clblast_report(text *json) {
  text_add(json, "\"CLBlast\": {");
  if (is_here()) {
    const char *path = library_path(found.library, "CLBlastSgemm");
    text_add(json, "\"path\": ");
    text_add_json(json, path ? path : "unknown");
  } else {
    text_add(json, "\"missing\": ");
    text_add_json(json, found.missing ? found.missing : "PONS_CLBLAST names none, or a library without its functions");
    text_add(json, ", \"instead\": \"kernels of Pons' own multiply\", \"remedy\": \"install libclblast1 (Debian, Ubuntu), "
                   "clblast (Fedora, Homebrew)\"");
  }
  text_add(json, "}");
}

/* ---- how matrices lie ---- */

typedef struct side {
  int turned;
  int64_t lead; /* from one row to the next; of a turned one from one column */
} side;

static bool lay(const operand *x, side *s) {
  const int64_t rows = x->shape[x->ndim - 2], columns = x->shape[x->ndim - 1];
  const int64_t down = x->strides[x->ndim - 2], right = x->strides[x->ndim - 1];
  if ((right == 1 || columns == 1) && (down >= columns || rows == 1)) {
    *s = (side){AS_IT_LIES, rows == 1 ? columns : down};
    return true;
  }
  *s = (side){TURNED, columns == 1 ? rows : right};
  return (down == 1 || rows == 1) && (right >= rows || columns == 1);
}

typedef struct product {
  size_t m, n, k;
  side a, b;
  gpu_batch batch;
} product;

static bool lay_out(const launch *l, product *p) {
  const operand *a = &l->in[0], *b = &l->in[1];
  p->m = (size_t)a->shape[a->ndim - 2];
  p->k = (size_t)a->shape[a->ndim - 1];
  p->n = (size_t)b->shape[b->ndim - 1];
  p->batch = gpu_batch_of(l);
  for (int i = 0; i < p->batch.n; i++)
    if (p->batch.strides[0][i] < 0 || p->batch.strides[1][i] < 0) return false;
  return lay(a, &p->a) && lay(b, &p->b);
}

const char *clblast_refuses(const launch *l) {
  const pons_dtype d = l->out->dtype;
  product p;
  if (!is_here()) return "there is no CLBlast";
  if (d != PONS_FLOAT32 && d != PONS_FLOAT64 && d != PONS_COMPLEX64) return "CLBlast has no such products";
  for (int i = 0; i < opencl_count(); i++)
    if (d == PONS_FLOAT64 && !opencl_device_at(i)->features.float64) return "the device has no float64";
  if (shape_size(l->out->ndim, l->out->shape) == 0 || !lay_out(l, &p)) return "CLBlast takes no such strides";
  const size_t least = p.m < p.n ? (p.m < p.k ? p.m : p.k) : p.n < p.k ? p.n : p.k;
  return least < LEAST_SIDE || (double)p.m * (double)p.n * (double)p.k < LEAST_WORK ? "too small for CLBlast" : NULL;
}

/* ---- a launch ---- */

/* What one call needs beside the product: where its matrices begin, and how many there are. */
typedef struct part {
  cl_mem memory[3];
  size_t at[3], step[3], count;
} part;

#define CALL(letter, scalar)                                                                                     \
  static int letter##_gemm(const product *p, const part *t, scalar alpha, scalar beta, cl_command_queue *queue) { \
    const size_t lead[2] = {(size_t)p->a.lead, (size_t)p->b.lead};                                               \
    if (t->count == 1)                                                                                           \
      return found.api.letter##_one(ROW_MAJOR, p->a.turned, p->b.turned, p->m, p->n, p->k, alpha, t->memory[0],   \
                                    t->at[0], lead[0], t->memory[1], t->at[1], lead[1], beta, t->memory[2],      \
                                    t->at[2], p->n, queue, NULL);                                                \
    return found.api.letter##_batch(ROW_MAJOR, p->a.turned, p->b.turned, p->m, p->n, p->k, alpha, t->memory[0],   \
                                    t->at[0], lead[0], t->step[0], t->memory[1], t->at[1], lead[1], t->step[1],  \
                                    beta, t->memory[2], t->at[2], p->n, t->step[2], t->count, queue, NULL);      \
  }
CALL(s, float)
CALL(d, double)
CALL(c, pair)

static int multiply(pons_dtype d, const product *p, const part *t, float alpha, float beta, cl_command_queue *queue) {
  if (d == PONS_FLOAT32) return s_gemm(p, t, alpha, beta, queue);
  if (d == PONS_FLOAT64) return d_gemm(p, t, (double)alpha, (double)beta, queue);
  return c_gemm(p, t, (pair){alpha, 0}, (pair){beta, 0}, queue);
}

/* alpha a b + beta (what lies in the result) */
static error *run(const launch *l, float alpha, float beta) {
  const operand *const sides[] = {&l->in[0], &l->in[1], l->out};
  const size_t size = pons_dtype_size(l->out->dtype);
  error *why = NULL;
  product p;
  lay_out(l, &p);
  const int last = p.batch.n - 1;
  part t = {.count = last >= 0 ? (size_t)p.batch.sizes[last] : 1};
  opencl_queue *q = opencl_enter(((const location *)l->out->data)->device, &why);
  if (!q) return why;
  int status = 0;
  for (int64_t i = 0; i < gpu_batch_parts(&p.batch) && status == 0; i++) {
    for (int s = 0; s < 3; s++) {
      const location *where = sides[s]->data;
      t.memory[s] = where->memory;
      t.at[s] = (size_t)(where->offset / (int64_t)size + gpu_batch_place(&p.batch, s, i));
      t.step[s] = last >= 0 ? (size_t)p.batch.strides[s][last] : 0;
    }
    status = multiply(l->out->dtype, &p, &t, alpha, beta, &q->queue);
  }
  opencl_leave(q);
  return status == 0 ? NULL : opencl_fail("CLBlast", status);
}

error *clblast_matmul(const launch *l) { return run(l, 1, 0); }

error *clblast_addmm(const launch *l, error *(*copy_to)(const operand *from, const operand *to)) {
  const addmm_params *p = l->params;
  error *why = p->beta == 0 ? NULL : copy_to(&l->in[2], l->out);
  return why ? why : run(l, p->alpha, p->beta);
}
