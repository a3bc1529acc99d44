/* program.c: makes the ops of a kernel: casts around halves, then slots for what lives between ops.

       v2 = add v0 v1 float16        r3 = f32(r0)   r4 = f32(r1)   r5 = add r3 r4   r6 = f16(r5)

   A half that was widened once is not widened again. Sums, differences and products of float32 become one op two by two, where
   nobody else reads what lies between. Uses kernel/. */
#include "backends/cpu/lanes.h"
#include "backends/cpu/program.h"

/* While a program is made: where each value of the kernel is. */
typedef struct maker {
  program *p;
  const loops *loops;
  int16_t home[KERNEL_MAX_INPUTS + KERNEL_MAX_CODE]; /* register of a value */
  int16_t wide[KERNEL_MAX_INPUTS +
               KERNEL_MAX_CODE]; /* of the same in float32, if it is a half; -1: not made yet */
  uint8_t dtype[KERNEL_MAX_INPUTS + KERNEL_MAX_CODE];
  int16_t made_by[MAX_REGISTERS]; /* op; -1: an input */
  uint8_t pair_row[MAX_OPS];      /* while rows are joined: what an op is as one of a pair; PAIR_none: nothing */
} maker;

static const loops *loops_of(const maker *m, int dtype) {
  return dtype_is_complex((pons_dtype)dtype) ? &loops_complex : m->loops;
}

static loop *cast_loop(const maker *m, int from, int to) {
  return (dtype_is_complex((pons_dtype)from) ? &loops_complex : loops_of(m, to))->cast[from][to];
}

static bool is_half(int dtype) { return dtype == PONS_FLOAT16 || dtype == PONS_BFLOAT16; }

static int16_t new_register(maker *m, int dtype) {
  program *p = m->p;
  size_t size = pons_dtype_size((pons_dtype)dtype);
  if (size > p->item_size) p->item_size = size;
  p->size[p->n_registers] = (uint8_t)size;
  return (int16_t)p->n_registers++;
}

static int16_t add_op(maker *m, loop *run, int16_t a, int16_t b, int16_t c, int dtype) {
  int16_t out = new_register(m, dtype);
  m->made_by[out] = (int16_t)m->p->n_ops;
  m->p->ops[m->p->n_ops++] = (op){run, NULL, out, {a, b, c}};
  return out;
}

static int16_t widened(maker *m, int value) {
  if (!is_half(m->dtype[value])) return m->home[value];
  if (m->wide[value] < 0)
    m->wide[value] =
        add_op(m, cast_loop(m, m->dtype[value], PONS_FLOAT32), m->home[value], -1, -1, PONS_FLOAT32);
  return m->wide[value];
}

static void add_cast(maker *m, const instruction *i, int value) {
  int from = m->dtype[i->arg[0]], to = i->result;
  int16_t x = m->home[i->arg[0]];
  if (from != to) {
    x = widened(m, i->arg[0]);
    if (is_half(from)) from = PONS_FLOAT32;
    if (is_half(to) && from != PONS_FLOAT32)
      x = add_op(m, cast_loop(m, from, PONS_FLOAT32), x, -1, -1, PONS_FLOAT32);
    if (is_half(to)) from = PONS_FLOAT32;
    if (from != to) x = add_op(m, cast_loop(m, from, to), x, -1, -1, to);
  }
  m->home[value] = x; /* a cast to what it is: another name for the register */
}

static void add_instruction(maker *m, const instruction *i, int value) {
  int arity = row_table[i->row].arity;
  int16_t arg[3] = {-1, -1, -1};
  m->dtype[value] = i->result;
  m->wide[value] = -1;
  if (i->row == ROW_cast) {
    add_cast(m, i, value);
    return;
  }
  for (int a = 0; a < arity; a++) arg[a] = widened(m, i->arg[a]);
  int operand = is_half(i->operand) ? PONS_FLOAT32 : i->operand;
  int result = is_half(i->result) ? PONS_FLOAT32 : i->result;
  int16_t x = add_op(m, loops_of(m, operand)->row[i->row][operand], arg[0], arg[1], arg[2], result);
  if (operand == PONS_FLOAT32 && i->result == PONS_FLOAT32) m->p->ops[m->made_by[x]].far = m->loops->far[i->row];
  m->home[value] =
      is_half(i->result) ? add_op(m, cast_loop(m, PONS_FLOAT32, i->result), x, -1, -1, i->result) : x;
}

/* ---- pairs ---- */

static pair_row pair_row_of(uint16_t r) {
  switch (r) {
    case ROW_add: return PAIR_add;
    case ROW_subtract: return PAIR_subtract;
    case ROW_multiply:
    case ROW_square: return PAIR_multiply;
    default: return PAIR_none;
  }
}

static void find_pair_rows(maker *m, const kernel *k) {
  memset(m->pair_row, PAIR_none, (size_t)m->p->n_ops);
  for (int i = 0; i < k->n_code; i++) {
    const instruction *c = &k->code[i];
    const pair_row row = pair_row_of(c->row);
    if (row != PAIR_none && c->operand == PONS_FLOAT32) m->pair_row[m->made_by[m->home[k->n_in + i]]] = (uint8_t)row;
  }
}

/* The row with its operands the other way round. */
static pair_row turned(pair_row r) { return r == PAIR_subtract ? PAIR_take : r == PAIR_take ? PAIR_subtract : r; }

/* An op's row and operands; a number stands second. */
static pair_row first_of_pair(const maker *m, const reach *reach, int n_in, int op, int16_t *arg) {
  const pair_row row = (pair_row)m->pair_row[op];
  arg[0] = m->p->ops[op].arg[0];
  arg[1] = m->p->ops[op].arg[1] < 0 ? arg[0] : m->p->ops[op].arg[1]; /* a square */
  if (arg[0] >= n_in || reach[arg[0]] != REACH_REPEAT) return row;
  const int16_t number = arg[0];
  arg[0] = arg[1];
  arg[1] = number;
  return turned(row);
}

/* How often each register is read by ops, and again if it is stored. */
static void count_reads(const program *p, int n_out, uint8_t *reads) {
  memset(reads, 0, (size_t)p->n_registers);
  for (int i = 0; i < p->n_ops; i++)
    for (int a = 0; a < 3; a++)
      if (p->ops[i].arg[a] >= 0) reads[p->ops[i].arg[a]]++;
  for (int o = 0; o < n_out; o++) reads[p->result[o]]++;
}

/* The operand of the op that a row which it can take in makes for it alone; -1: there is none. */
static int operand_to_join(const maker *m, const uint8_t *reads, const op *o) {
  for (int side = 0; side < 2; side++) {
    const int16_t r = o->arg[side];
    const int made = r < 0 ? -1 : m->made_by[r];
    if (made >= 0 && m->pair_row[made] != PAIR_none && reads[r] == 1) return side;
  }
  return -1;
}

static bool is_stored(const program *p, int n_out, int16_t r) {
  for (int o = 0; o < n_out; o++)
    if (p->result[o] == r) return true;
  return false;
}

/* Leaves the joined ones out. */
static void close_gaps(maker *m, const bool *gone) {
  program *p = m->p;
  int n = 0;
  for (int i = 0; i < p->n_ops; i++) {
    if (gone[i]) continue;
    p->ops[n] = p->ops[i];
    m->made_by[p->ops[n].out] = (int16_t)n;
    n++;
  }
  p->n_ops = n;
}

/* A pair, or a row of which one operand is a number, is a loop of its own; not what is written past the caches. Not a part of
   program_make, which kernels of few elements wait for. */
__attribute__((noinline)) static void join_pairs(maker *m, const kernel *k, const reach *reach, bool far) {
  program *p = m->p;
  bool gone[MAX_OPS];
  uint8_t reads[MAX_REGISTERS];
  loop *runs[MAX_OPS];
  int16_t args[MAX_OPS][3];
  find_pair_rows(m, k);
  memset(gone, 0, (size_t)p->n_ops);
  count_reads(p, k->n_out, reads);
  for (int i = 0; i < p->n_ops; i++) {
    const op *o = &p->ops[i];
    const pair_row row = (pair_row)m->pair_row[i];
    runs[i] = NULL;
    if (row == PAIR_none || (far && is_stored(p, k->n_out, o->out))) continue;
    const int side = o->arg[1] < 0 ? -1 : operand_to_join(m, reads, o);
    const int first = side < 0 ? i : m->made_by[o->arg[side]];
    const pair_row second = side < 0 ? PAIR_none : side == 0 ? row : turned(row);
    const pair_row before = first_of_pair(m, reach, k->n_in, first, args[i]);
    args[i][2] = side < 0 ? -1 : o->arg[!side];
    const bool b_packed = args[i][1] >= k->n_in || reach[args[i][1]] != REACH_REPEAT;
    const bool c_packed = args[i][2] >= k->n_in || (side >= 0 && reach[args[i][2]] != REACH_REPEAT);
    if (side < 0 && b_packed) continue;
    runs[i] = cpu_pair_loops()->run[before][second][b_packed][c_packed];
    if (side < 0 || !runs[i]) continue;
    gone[first] = true;
    m->pair_row[first] = m->pair_row[i] = PAIR_none;
  }
  for (int i = 0; i < p->n_ops; i++)
    if (runs[i]) p->ops[i] = (op){runs[i], NULL, p->ops[i].out, {args[i][0], args[i][1], args[i][2]}};
  close_gaps(m, gone);
}

/* The last op that reads each register; n_ops if the outputs are stored from it at the end. */
static void find_last_uses(const program *p, int n_out, int16_t *last) {
  for (int r = 0; r < p->n_registers; r++) last[r] = -1;
  for (int i = 0; i < p->n_ops; i++)
    for (int a = 0; a < 3; a++)
      if (p->ops[i].arg[a] >= 0) last[p->ops[i].arg[a]] = (int16_t)i;
  for (int i = 0; i < n_out; i++) last[p->result[i]] = (int16_t)p->n_ops;
}

/* May op `made` write straight into the memory of `out`? Not if that is an input which is read later. */
static bool may_write(const kernel *k, const operand *in, const operand *out, const int16_t *last, int made) {
  for (int i = 0; i < k->n_in; i++)
    if (in[i].data == out->data && last[i] > made) return false;
  return true;
}

static void write_outputs_in_place(maker *m, const kernel *k, const operand *in, const operand *out,
                                   int16_t *last) {
  program *p = m->p;
  for (int o = 0; o < k->n_out; o++) {
    int16_t from = p->result[o], to = (int16_t)(p->first_output + o);
    int made = from < k->n_in || from >= p->first_output ? -1 : m->made_by[from];
    if (made < 0 || !may_write(k, in, &out[o], last, made)) continue;
    p->ops[made].out = to;
    for (int i = made + 1; i < p->n_ops; i++)
      for (int a = 0; a < 3; a++)
        if (p->ops[i].arg[a] == from) p->ops[i].arg[a] = to;
    for (int other = 0; other < k->n_out; other++)
      if (p->result[other] == from) p->result[other] = to;
    last[to] = last[from];
    last[from] = -1;
  }
}

/* Not what is read again: it would come from memory. */
static void write_outputs_far(maker *m, const kernel *k, const operand *out, int16_t *last) {
  program *p = m->p;
  for (int o = 0; o < k->n_out; o++) {
    const int16_t from = p->result[o];
    op *maker = from < k->n_in ? NULL : &p->ops[m->made_by[from]];
    bool again = !maker || !maker->far || (uintptr_t)out[o].data % 64;
    for (int i = 0; i < p->n_ops; i++)
      for (int a = 0; a < 3; a++) again |= p->ops[i].arg[a] == from;
    for (int other = 0; other < k->n_out; other++) again |= other != o && p->result[other] == from;
    if (again) continue;
    maker->run = maker->far;
    p->result[o] = maker->out = (int16_t)(p->first_output + o);
    last[p->result[o]] = last[from];
    last[from] = -1;
  }
}

static void give_slots(program *p, const kernel *k, const reach *reach, const int16_t *last) {
  int16_t freed[MAX_REGISTERS];
  int n_freed = 0;
  p->n_slots = 0;
  for (int r = 0; r < p->n_registers; r++) p->slot[r] = -1;
  for (int i = 0; i < k->n_in; i++)
    if (reach[i] == REACH_REPEAT || reach[i] == REACH_GATHER) p->slot[i] = (int16_t)p->n_slots++;
  for (int i = 0; i < p->n_ops; i++) {
    const op *o = &p->ops[i];
    if (o->out < p->first_output) p->slot[o->out] = n_freed ? freed[--n_freed] : (int16_t)p->n_slots++;
    for (int a = 0; a < 3; a++) {
      int16_t r = o->arg[a];
      bool again = r < 0 || (a > 0 && r == o->arg[0]) || (a > 1 && r == o->arg[1]);
      if (again || r >= p->first_output || last[r] != i || p->slot[r] < 0) continue;
      if (r < k->n_in && reach[r] == REACH_REPEAT) continue; /* filled once for all tiles */
      freed[n_freed++] = p->slot[r];
    }
  }
}

void program_make(program *p, const kernel *k, const reach *reach, const operand *in, const operand *out,
                  writing writing, bool pairs) {
  maker m;
  int16_t last[MAX_REGISTERS];
  m.p = p;
  m.loops = loops_now();
  p->n_ops = p->n_registers = 0;
  p->item_size = 1;
  for (int i = 0; i < k->n_in; i++) {
    m.home[i] = new_register(&m, k->in[i]);
    m.wide[i] = -1;
    m.dtype[i] = k->in[i];
    m.made_by[i] = -1;
  }
  for (int i = 0; i < k->n_code; i++) add_instruction(&m, &k->code[i], k->n_in + i);
  p->first_output = p->n_registers;
  for (int i = 0; i < k->n_out; i++) {
    p->result[i] = m.home[k->out[i]];
    new_register(&m, m.dtype[k->out[i]]);
  }
  if (pairs) join_pairs(&m, k, reach, writing == WRITE_FAR);
  find_last_uses(p, k->n_out, last);
  if (writing == WRITE_IN_PLACE) write_outputs_in_place(&m, k, in, out, last);
  if (writing == WRITE_FAR) write_outputs_far(&m, k, out, last);
  p->stores = false;
  for (int o = 0; o < k->n_out; o++) p->stores |= p->result[o] != p->first_output + o;
  give_slots(p, k, reach, last);
}
