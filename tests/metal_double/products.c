/* products.c: a double of Metal Performance Shaders: products of matrices. What does not fit together ends the process. Uses
   double.h, tests/doubles/half.h. */
#include "double.h"
#include "tests/doubles/half.h"
#include <math.h>
#include <stdlib.h>

/* ---- matrices ---- */

typedef struct descriptor_object {
  struct objc_object head;
  size_t rows, columns, matrices, row_bytes, matrix_bytes;
  bool half;
} descriptor_object;
typedef struct matrix_object {
  struct objc_object head;
  id buffer;
  size_t offset;
  descriptor_object shape; /* a copy */
} matrix_object;
typedef struct product_object {
  struct objc_object head;
  bool turned[2];
  size_t rows, columns, inner;
  double alpha, beta;
} product_object;
static void matrix_destroy(id self) { object_release(((matrix_object *)self)->buffer); }

static id descriptor(id self, SEL s, NSUInteger rows, NSUInteger columns, NSUInteger matrices,
                     NSUInteger row_bytes, NSUInteger matrix_bytes, metal_data_type type) {
  (void)self, (void)s;
  if (type != MPSDataTypeFloat32 && type != MPSDataTypeFloat16)
    wrong("matrices of type %x are not known here", type);
  const size_t bytes = type == MPSDataTypeFloat32 ? 4 : 2;
  if (rows * columns * matrices == 0) wrong("an empty matrix");
  if (row_bytes % bytes || row_bytes < columns * bytes)
    wrong("rows of %lu elements in %lu bytes", columns, row_bytes);
  if (matrix_bytes < rows * row_bytes || matrix_bytes % bytes)
    wrong("matrices of %lu rows in %lu bytes", rows, matrix_bytes);
  descriptor_object *d = (descriptor_object *)object_new(&descriptor_class);
  const struct objc_object head = d->head;
  *d = (descriptor_object){head, rows, columns, matrices, row_bytes, matrix_bytes, bytes == 2};
  return object_autorelease((id)d);
}

static id matrix_alloc(id self, SEL s) { return (void)self, (void)s, object_new(&matrix_class); }
static id init_matrix(id self, SEL s, id buffer, NSUInteger offset, id shape) {
  (void)s;
  matrix_object *m = (matrix_object *)self;
  must_be(buffer, &buffer_class, "initWithBuffer:");
  must_be(shape, &descriptor_class, "initWithBuffer:");
  m->shape = *(descriptor_object *)shape;
  const descriptor_object *d = &m->shape;
  const size_t bytes = d->half ? 2 : 4;
  const size_t end = (d->matrices - 1) * d->matrix_bytes + (d->rows - 1) * d->row_bytes + d->columns * bytes;
  if (offset % bytes || offset + end > ((buffer_object *)buffer)->bytes)
    wrong("a matrix reaches over its buffer");
  m->buffer = object_keep(buffer);
  m->offset = offset;
  return self;
}

static id product_alloc(id self, SEL s) { return (void)self, (void)s, object_new(&product_class); }
static id init_product(id self, SEL s, id device, bool turn_left, bool turn_right, NSUInteger rows,
                       NSUInteger columns, NSUInteger inner, double alpha, double beta) {
  (void)s;
  product_object *p = (product_object *)self;
  must_be(device, &device_class, "initWithDevice:");
  const struct objc_object head = p->head;
  *p = (product_object){head, {turn_left, turn_right}, rows, columns, inner, alpha, beta};
  if (!fault_of("product")) return self;
  object_release(self);
  return NULL;
}

/* ---- a product ---- */

typedef struct multiply {
  product_object product;
  matrix_object *matrices[3];
} multiply;

static char *element(const matrix_object *m, size_t matrix, size_t row, size_t column) {
  const descriptor_object *d = &m->shape;
  return ((buffer_object *)m->buffer)->at + m->offset + matrix * d->matrix_bytes + row * d->row_bytes +
         column * (d->half ? 2 : 4);
}
static double value(const matrix_object *m, size_t matrix, size_t row, size_t column) {
  const char *at = element(m, matrix, row, column);
  uint16_t h;
  float f;
  if (m->shape.half) return memcpy(&h, at, 2), half_value(h);
  return memcpy(&f, at, 4), (double)f;
}
static void store(const matrix_object *m, size_t matrix, size_t row, size_t column, double x) {
  const uint16_t h = m->shape.half ? half_nearest(x) : 0;
  const float f = (float)x;
  memcpy(element(m, matrix, row, column), m->shape.half ? (const void *)&h : &f, m->shape.half ? 2 : 4);
}

static void run_product(void *context) {
  const multiply *w = context;
  const product_object *p = &w->product;
  const matrix_object *a = w->matrices[0], *b = w->matrices[1], *c = w->matrices[2];
  for (size_t i = 0; i < c->shape.matrices; i++)
    for (size_t row = 0; row < p->rows; row++)
      for (size_t column = 0; column < p->columns; column++) {
        double sum = 0;
        for (size_t k = 0; k < p->inner; k++)
          sum += (p->turned[0] ? value(a, i, k, row) : value(a, i, row, k)) *
                 (p->turned[1] ? value(b, i, column, k) : value(b, i, k, column));
        store(c, i, row, column, p->alpha * sum + (p->beta != 0 ? p->beta * value(c, i, row, column) : 0));
      }
}

static void drop_product(void *context) {
  multiply *w = context;
  for (int i = 0; i < 3; i++) object_release((id)w->matrices[i]);
  free(w);
}

static void must_have(const matrix_object *m, size_t rows, size_t columns, bool turned, size_t matrices) {
  const size_t have_rows = turned ? m->shape.columns : m->shape.rows,
               have_columns = turned ? m->shape.rows : m->shape.columns;
  if (have_rows < rows || have_columns < columns || m->shape.matrices != matrices)
    wrong("%zu matrices of %zu x %zu where %zu of %zu x %zu are wanted", m->shape.matrices, have_rows,
          have_columns, matrices, rows, columns);
}

static void encode(id self, SEL s, id command_buffer, id left, id right, id result) {
  (void)s;
  const product_object *p = (product_object *)self;
  const id matrices[] = {left, right, result};
  multiply *w = calloc(1, sizeof *w);
  if (!w) abort();
  w->product = *p;
  for (int i = 0; i < 3; i++) {
    must_be(matrices[i], &matrix_class, "encodeToCommandBuffer:");
    w->matrices[i] = (matrix_object *)object_keep(matrices[i]);
  }
  const size_t count = w->matrices[2]->shape.matrices;
  must_have(w->matrices[0], p->rows, p->inner, p->turned[0], count);
  must_have(w->matrices[1], p->inner, p->columns, p->turned[1], count);
  must_have(w->matrices[2], p->rows, p->columns, false, count);
  command_buffer_add(command_buffer, run_product, w, drop_product);
}

metal_class_t descriptor_class = {
    .name = "MPSMatrixDescriptor",
    .methods = (const method[]){{0}},
    .class_methods =
        (const method[]){METHOD("matrixDescriptorWithRows:columns:matrices:rowBytes:matrixBytes:dataType:",
                                "@@:QQQQQI", descriptor),
                         {0}},
    .bytes = sizeof(descriptor_object)};
metal_class_t matrix_class = {
    .name = "MPSMatrix",
    .methods = (const method[]){METHOD("initWithBuffer:offset:descriptor:", "@@:@Q@", init_matrix), {0}},
    .class_methods = (const method[]){METHOD("alloc", "@@:", matrix_alloc), {0}},
    .destroy = matrix_destroy,
    .bytes = sizeof(matrix_object)};
metal_class_t product_class = {
    .name = "MPSMatrixMultiplication",
    .methods =
        (const method[]){
            METHOD("initWithDevice:transposeLeft:transposeRight:resultRows:resultColumns:"
                   "interiorColumns:alpha:beta:",
                   "@@:@BBQQQdd", init_product),
            METHOD("encodeToCommandBuffer:leftMatrix:rightMatrix:resultMatrix:", "v@:@@@@", encode),
            {0}},
    .class_methods = (const method[]){METHOD("alloc", "@@:", product_alloc), {0}},
    .bytes = sizeof(product_object)};
