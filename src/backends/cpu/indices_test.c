/* indices_test.c: reading and writing at computed places: "Gather", "GatherAxis", "Scatter", "ScatterAxis",
   "MaskedScatter", "SliceUpdate", "DynamicSlice", "DynamicSliceUpdate"; wrong indices. */
#include "backends/cpu/operands_for_tests.h"
#include <pons/ops.h>

static const pons_dtype index_dtypes[] = {PONS_INT32, PONS_UINT32, PONS_INT64, PONS_UINT8,
                                          PONS_INT8,  PONS_UINT64, PONS_INT16};

/* Indices 0 .. size - slice, some of which count from the end. */
static void make_indices(made *x, int n, const int64_t *shape, int64_t size, int64_t slice, bool any_layout) {
  pons_dtype d = index_dtypes[random_int(0, 6)];
  make(x, d, n, shape, any_layout);
  int64_t count = (int64_t)(x->bytes / pons_dtype_size(d));
  for (int64_t i = 0; i < count; i++) {
    int64_t index = random_int(0, size - slice);
    if (dtype_kind_of(d) == KIND_SIGNED && random_int(0, 2) == 0 && slice == 1) index -= size;
    dtype_write_int(d, x->memory + (size_t)i * pons_dtype_size(d), index);
  }
}
static int64_t index_value(const made *x, int64_t linear, int64_t size) {
  int64_t index = dtype_read_int(x->op.dtype, made_element(x, linear));
  return index < 0 ? index + size : index;
}
static void coordinates(int n, const int64_t *shape, int64_t linear, int64_t *at) {
  for (int d = n - 1; d >= 0; d--) at[d] = linear % shape[d], linear /= shape[d];
}
static double combined(int mode, double a, double b) {
  switch (mode) {
    case PONS_SCATTER_MAX: return a > b ? a : b;
    case PONS_SCATTER_MIN: return a < b ? a : b;
    case PONS_SCATTER_SUM: return a + b;
    case PONS_SCATTER_PROD: return a * b;
    default: return b;
  }
}
/* *to = mode(*to, *from) in the dtype; integers wrap. */
static void combine_into(int mode, pons_dtype d, char *to, const char *from) {
  if (dtype_is_inexact(d)) {
    dtype_write(d, to, combined(mode, dtype_read(d, to), dtype_read(d, from)));
    return;
  }
  uint64_t a = (uint64_t)dtype_read_int(d, to), b = (uint64_t)dtype_read_int(d, from);
  uint64_t wraps = mode == PONS_SCATTER_SUM ? a + b : a * b;
  bool exact = mode != PONS_SCATTER_SUM && mode != PONS_SCATTER_PROD;
  dtype_write_int(d, to,
                  exact ? (int64_t)combined(mode, dtype_read(d, to), dtype_read(d, from)) : (int64_t)wraps);
}

static void random_shape(int n, int64_t *shape) {
  for (int i = 0; i < n; i++) shape[i] = random_int(1, 7);
}

/* ---- Gather and Scatter ---- */

typedef struct slices {
  int n, n_axes, places; /* rank of x, indexed axes, rank of the index arrays */
  int64_t shape[4], axes[4], sizes[4], place_shape[2];
  made x, indices[4];
} slices;

static void make_slices(slices *s, pons_dtype d, bool any_layout) {
  *s = (slices){.n = (int)random_int(1, 4), .places = (int)random_int(0, 2)};
  random_shape(s->n, s->shape);
  random_shape(2, s->place_shape);
  if (random_int(0, 9) == 0) s->place_shape[0] = 0;
  for (int i = 0; i < s->n; i++) {
    s->sizes[i] = random_int(0, 2) ? s->shape[i] : random_int(1, s->shape[i]);
    if (random_int(0, 1) || (i == s->n - 1 && !s->n_axes)) s->axes[s->n_axes++] = i;
  }
  make(&s->x, d, s->n, s->shape, any_layout);
  for (int k = 0; k < s->n_axes; k++) {
    int64_t axis = s->axes[k];
    if (random_int(0, 1)) s->sizes[axis] = 1;
    make_indices(&s->indices[k], s->places, s->place_shape, s->shape[axis], s->sizes[axis], any_layout);
  }
}
static void unmake_slices(slices *s) {
  unmake(&s->x);
  for (int k = 0; k < s->n_axes; k++) unmake(&s->indices[k]);
}
/* Of an element of (place shape + slice sizes): where in x it is. */
static void place_in_x(const slices *s, const int64_t *at, int64_t *x_at) {
  int64_t place = 0;
  for (int i = 0; i < s->places; i++) place = place * s->place_shape[i] + at[i];
  for (int i = 0; i < s->n; i++) x_at[i] = at[s->places + i];
  for (int k = 0; k < s->n_axes; k++)
    x_at[s->axes[k]] += index_value(&s->indices[k], place, s->shape[s->axes[k]]);
}

static void gathers(void **state) {
  (void)state;
  for (int turn = 0; turn < 300; turn++) {
    slices s;
    made y;
    int64_t out[6];
    make_slices(&s, (pons_dtype)(turn % PONS_DTYPE_COUNT), turn % 2);
    memcpy(out, s.place_shape, sizeof s.place_shape);
    memcpy(out + s.places, s.sizes, sizeof s.sizes);
    make_out(&y, s.x.op.dtype, s.places + s.n, out);
    operand in[5] = {s.x.op};
    for (int k = 0; k < s.n_axes; k++) in[k + 1] = s.indices[k].op;
    gather_params p = {{s.n_axes, s.axes}, {s.n, s.sizes}};
    run_well(cpu_gather, &(launch){&p, s.n_axes + 1, 1, in, &y.op});
    for (int64_t i = 0; i < operand_size(&y.op); i++) {
      int64_t at[6], x_at[4];
      coordinates(s.places + s.n, out, i, at);
      place_in_x(&s, at, x_at);
      assert_memory_equal(made_element(&y, i), made_at(&s.x, x_at), pons_dtype_size(y.op.dtype));
    }
    unmake(&y);
    unmake_slices(&s);
  }
}

/* So many long rows that they are written past the caches; their length and where they begin are no whole lines. */
static void gathers_long_rows(void **state) {
  (void)state;
  const int64_t n = random_int(1000, 1100), x_shape[] = {50, n}, count = 2600, y_shape[] = {count, 1, n}, axis = 0;
  const int64_t sizes[] = {1, n};
  made x, rows, y;
  make(&x, PONS_FLOAT32, 2, x_shape, false), make_indices(&rows, 1, &count, 50, 1, false);
  make_out(&y, PONS_FLOAT32, 3, y_shape);
  const operand in[] = {x.op, rows.op};
  const gather_params p = {{1, &axis}, {2, sizes}};
  run_well(cpu_gather, &(launch){&p, 2, 1, in, &y.op});
  for (int64_t i = 0; i < count; i++)
    assert_memory_equal(made_element(&y, i * n), made_element(&x, index_value(&rows, i, 50) * n), (size_t)n * sizeof(float));
  unmake(&x), unmake(&rows), unmake(&y);
}

static void scatters(void **state) {
  (void)state;
  for (int turn = 0; turn < 400; turn++) {
    slices s;
    made updates, y, wanted;
    int64_t shape[6];
    pons_dtype d = (pons_dtype)(turn % PONS_COMPLEX64);
    int mode = (int)random_int(PONS_SCATTER_MAX, PONS_SCATTER_NONE);
    make_slices(&s, d, turn % 2);
    memcpy(shape, s.place_shape, sizeof s.place_shape);
    memcpy(shape + s.places, s.sizes, sizeof s.sizes);
    make(&updates, d, s.places + s.n, shape, turn % 2);
    make_out(&y, d, s.n, s.shape);
    make_out(&wanted, d, s.n, s.shape);
    cpu_copy_packed(wanted.op.data, &s.x.op);
    operand in[6] = {s.x.op};
    for (int k = 0; k < s.n_axes; k++) in[k + 1] = s.indices[k].op;
    in[s.n_axes + 1] = updates.op;
    scatter_params p = {mode, {s.n_axes, s.axes}};
    run_well(cpu_scatter, &(launch){&p, s.n_axes + 2, 1, in, &y.op});
    for (int64_t i = 0; i < operand_size(&updates.op); i++) {
      int64_t at[6], x_at[4];
      coordinates(s.places + s.n, shape, i, at);
      place_in_x(&s, at, x_at);
      combine_into(mode, d, made_at(&wanted, x_at), made_element(&updates, i));
    }
    for (int64_t i = 0; i < operand_size(&y.op); i++)
      check_near(made_value(&y, i), made_value(&wanted, i), precision_of(d), pons_dtype_name(d));
    unmake(&updates), unmake(&y), unmake(&wanted);
    unmake_slices(&s);
  }
}

/* ---- along one axis ---- */

static void along_an_axis(void **state) {
  (void)state;
  for (int turn = 0; turn < 200; turn++) {
    int n = (int)random_int(1, 4), axis = (int)random_int(0, n - 1);
    int64_t shape[4], index_shape[4];
    pons_dtype d = (pons_dtype)(turn % PONS_COMPLEX64);
    made x, indices, updates, y, z, wanted;
    random_shape(n, shape);
    memcpy(index_shape, shape, sizeof shape);
    index_shape[axis] = turn % 10 ? random_int(0, 9) : 3000;
    if (turn % 10 == 0 && n > 1) index_shape[(axis + 1) % n] = shape[(axis + 1) % n] = 1;
    make(&x, d, n, shape, turn % 2);
    make_indices(&indices, n, index_shape, shape[axis], 1, turn % 2);
    for (int k = axis + 1; turn % 4 == 2 && k < n; k++) indices.strides[k] = 0; /* one index for all behind the axis */
    make(&updates, d, n, index_shape, turn % 2);
    make_out(&y, d, n, index_shape);
    make_out(&z, d, n, shape);
    make_out(&wanted, d, n, shape);
    operand in[] = {x.op, indices.op, updates.op};
    run_well(cpu_gather_axis, &(launch){&(axis_params){axis}, 2, 1, in, &y.op});
    int kind = turn % 3 ? SCATTER_AXIS_SUM : SCATTER_AXIS_NONE;
    run_well(cpu_scatter_axis, &(launch){&(scatter_axis_params){kind, axis}, 3, 1, in, &z.op});
    cpu_copy_packed(wanted.op.data, &x.op);
    for (int64_t i = 0; i < operand_size(&y.op); i++) {
      int64_t at[4];
      coordinates(n, index_shape, i, at);
      at[axis] = index_value(&indices, i, shape[axis]);
      assert_memory_equal(made_element(&y, i), made_at(&x, at), pons_dtype_size(d));
      int mode = kind == SCATTER_AXIS_SUM ? PONS_SCATTER_SUM : PONS_SCATTER_NONE;
      combine_into(mode, d, made_at(&wanted, at), made_element(&updates, i));
    }
    for (int64_t i = 0; i < operand_size(&z.op); i++)
      check_near(made_value(&z, i), made_value(&wanted, i), precision_of(d), pons_dtype_name(d));
    unmake(&x), unmake(&indices), unmake(&updates), unmake(&y), unmake(&z), unmake(&wanted);
  }
}

/* ---- slices ---- */

static void slice_updates(void **state) {
  (void)state;
  for (int turn = 0; turn < 200; turn++) {
    int n = (int)random_int(1, 4), mode = (int)random_int(PONS_SCATTER_MAX, PONS_SCATTER_NONE);
    int64_t shape[4], start[4], end[4], steps[4], sizes[4];
    pons_dtype d = (pons_dtype)(turn % PONS_COMPLEX64);
    made x, update, y;
    for (int i = 0; i < n; i++) {
      shape[i] = random_int(1, turn % 10 ? 9 : 60);
      steps[i] = random_int(0, 2) ? 1 : random_int(0, 1) ? 2 : -1;
      start[i] = random_int(0, shape[i] - 1);
      int64_t room = steps[i] > 0 ? (shape[i] - 1 - start[i]) / steps[i] + 1 : start[i] + 1;
      sizes[i] = random_int(0, room);
      end[i] = start[i] + steps[i] * sizes[i];
    }
    make(&x, d, n, shape, turn % 2);
    make(&update, d, n, sizes, turn % 2);
    make_out(&y, d, n, shape);
    slice_update_params p = {mode, {n, start}, {n, end}, {n, steps}};
    operand in[] = {x.op, update.op};
    run_well(cpu_slice_update, &(launch){&p, 2, 1, in, &y.op});
    for (int64_t i = 0; i < operand_size(&y.op); i++) {
      int64_t at[4], from[4];
      coordinates(n, shape, i, at);
      bool inside = true;
      for (int k = 0; k < n; k++) {
        int64_t distance = at[k] - start[k];
        inside =
            inside && distance % steps[k] == 0 && distance / steps[k] >= 0 && distance / steps[k] < sizes[k];
        from[k] = distance / steps[k];
      }
      char wanted[8];
      memcpy(wanted, made_element(&x, i), pons_dtype_size(d));
      if (inside) combine_into(mode, d, wanted, made_at(&update, from));
      check_near(made_value(&y, i), dtype_read(d, wanted), precision_of(d), pons_dtype_name(d));
    }
    unmake(&x), unmake(&update), unmake(&y);
  }
}

static void dynamic_slices(void **state) {
  (void)state;
  for (int turn = 0; turn < 100; turn++) {
    int64_t shape[3], sizes[3], axes[] = {2, 0}, begin[3] = {0};
    made x, start, update, y, z;
    random_shape(3, shape);
    for (int i = 0; i < 3; i++) sizes[i] = i == 1 ? shape[i] : random_int(0, shape[i]);
    make(&x, PONS_INT32, 3, shape, turn % 2);
    make(&start, index_dtypes[turn % 7], 1, (int64_t[]){2}, false);
    for (int k = 0; k < 2; k++) {
      begin[axes[k]] = random_int(0, shape[axes[k]] - sizes[axes[k]]);
      dtype_write_int(start.op.dtype, made_element(&start, k), begin[axes[k]]);
    }
    make(&update, PONS_INT32, 3, sizes, turn % 2);
    make_out(&y, PONS_INT32, 3, sizes);
    make_out(&z, PONS_INT32, 3, shape);
    dynamic_slice_params p = {{2, axes}, {3, sizes}};
    operand in[] = {x.op, update.op, start.op}, slice_in[] = {x.op, start.op};
    run_well(cpu_dynamic_slice, &(launch){&p, 2, 1, slice_in, &y.op});
    run_well(cpu_dynamic_slice_update, &(launch){&p, 3, 1, in, &z.op});
    for (int64_t i = 0; i < operand_size(&z.op); i++) {
      int64_t at[3];
      bool inside = true;
      coordinates(3, shape, i, at);
      for (int k = 0; k < 3; k++) at[k] -= begin[k], inside = inside && at[k] >= 0 && at[k] < sizes[k];
      if (inside) assert_memory_equal(made_at(&y, at), made_element(&x, i), 4);
      assert_memory_equal(made_element(&z, i), inside ? made_at(&update, at) : made_element(&x, i), 4);
    }
    unmake(&x), unmake(&start), unmake(&update), unmake(&y), unmake(&z);
  }
}

static void masked(void **state) {
  (void)state;
  float x[] = {1, 2, 3, 4, 5, 6}, source[] = {10, 20, 30, 40, 50, 60}, y[6];
  uint8_t mask[] = {0, 1, 1, 1, 0, 0};
  const float wanted[] = {1, 10, 20, 40, 5, 6};
  int64_t shape[] = {2, 3}, strides[] = {3, 1};
  operand in[] = {{x, PONS_FLOAT32, 2, shape, strides},
                  {mask, PONS_BOOL, 2, shape, strides},
                  {source, PONS_FLOAT32, 2, shape, strides}};
  operand out = {y, PONS_FLOAT32, 2, shape, strides};
  assert_null(cpu_masked_scatter(&(launch){NULL, 3, 1, in, &out}));
  assert_memory_equal(y, wanted, sizeof y);
  int64_t short_shape[] = {2, 1};
  in[2].shape = short_shape;
  error *why = cpu_masked_scatter(&(launch){NULL, 3, 1, in, &out});
  assert_non_null(why);
  assert_string_equal(
      error_text(why),
      "masked_scatter: the mask has more than 1 true places, the source (2, 1) has only so many elements");
  error_release(why);
}

/* ---- wrong indices ---- */

static void check_wrong(error *(*run)(const launch *), const launch *l, const char *message) {
  error *why = run(l);
  assert_non_null(why);
  assert_string_equal(error_text(why), message);
  error_release(why);
}

static void wrong_indices_are_errors(void **state) {
  (void)state;
  float x[] = {1, 2, 3}, y[3], updates[3] = {0};
  int64_t shape[] = {3}, stride[] = {1}, one[] = {1}, axis[] = {0}, places[] = {3, 1}, strides[] = {1, 1};
  int32_t seven[] = {0, 7, 9}, low[] = {0, -4, 0};
  uint64_t huge[] = {0, UINT64_MAX, 0};
  operand in[] = {{x, PONS_FLOAT32, 1, shape, stride},
                  {seven, PONS_INT32, 1, shape, stride},
                  {updates, PONS_FLOAT32, 2, places, strides}};
  operand out = {y, PONS_FLOAT32, 1, shape, stride};
  gather_params g = {{1, axis}, {1, one}};
  launch take = {&g, 2, 1, in, &out};
  check_wrong(cpu_gather, &take, "take: index 7 is out of range for axis 0 of size 3");
  scatter_params s = {PONS_SCATTER_SUM, {1, axis}};
  check_wrong(cpu_scatter, &(launch){&s, 3, 1, in, &out},
              "scatter: index 7 is out of range for axis 0 of size 3");
  launch along = {&(axis_params){0}, 2, 1, in, &out};
  check_wrong(cpu_gather_axis, &along, "take_along_axis: index 7 is out of range for axis 0 of size 3");
  in[1].data = low;
  check_wrong(cpu_gather, &take, "take: index -4 is out of range for axis 0 of size 3");
  in[1] = (operand){huge, PONS_UINT64, 1, shape, stride};
  check_wrong(cpu_gather, &take, "take: index 18446744073709551615 is out of range for axis 0 of size 3");
  in[1] = (operand){seven, PONS_INT32, 1, shape, stride};
  in[2] = (operand){updates, PONS_FLOAT32, 1, shape, stride};
  launch put = {&(scatter_axis_params){SCATTER_AXIS_NONE, 0}, 3, 1, in, &out};
  check_wrong(cpu_scatter_axis, &put, "put_along_axis: index 7 is out of range for axis 0 of size 3");
  int32_t two = 2;
  int64_t pair[] = {2};
  operand slice_in[] = {in[0], {&two, PONS_INT32, 1, one, one}},
          slice_out = {y, PONS_FLOAT32, 1, pair, stride};
  dynamic_slice_params d = {{1, axis}, {1, pair}};
  check_wrong(cpu_dynamic_slice, &(launch){&d, 2, 1, slice_in, &slice_out},
              "slice: index 2, with slices of 2, is out of range for axis 0 of size 3");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gathers), cmocka_unit_test(gathers_long_rows), cmocka_unit_test(scatters), cmocka_unit_test(along_an_axis),
      cmocka_unit_test(slice_updates),  cmocka_unit_test(dynamic_slices), cmocka_unit_test(masked),
      cmocka_unit_test(wrong_indices_are_errors),
  };
  return cmocka_run_group_tests(tests, choose_seed, NULL);
}
