/* draft.h: a plan in the making: values and the operations that make them. For plan/ alone.

   A value is a view of some root's memory; a root is an input or the result of an operation. Operations stand
   in an order in which each finds its operands made.

       walk (expand.c, views.c,     nodes        -> values, operations
             simplify.c, codes.c)
       join (epilogue.c)            operations behind a call become part of it
       fuse (fuse.c, chains.c)      operations   -> groups, each one kernel, or a call and what makes its operand
       write (write.c)              groups       -> steps
       place (place.c)              steps        -> offsets in the arena, donations */
#ifndef PLAN_DRAFT_H
#define PLAN_DRAFT_H
#include "plan/plan.h"

typedef struct draft_value {
  int32_t op;   /* that makes the root; -1: an input */
  int32_t root; /* the value whose memory this is; itself if it is one */
  bool plain;   /* all of the root, row-major from its first element on */
  uint8_t dtype, ndim;
  int16_t local;  /* write.c: its number in the kernel that is written, if: */
  int32_t group;  /* that kernel's mark; before that fuse.c's marks, and epilogue.c's count */
  int32_t memory; /* write.c: of a root */
  int64_t offset; /* from the root's first element, in elements */
  int64_t size;
  const int64_t *shape;
  const int64_t *strides;
  const node *reader; /* simplify.c: the first node of whose operands this is the latest, or NULL; */
  int32_t result;     /* and its value */
} draft_value;

typedef enum op_kind {
  OP_ROW,  /* one instruction */
  OP_COPY, /* in[0] in row-major order */
  OP_CALL
} op_kind;

typedef struct draft_call { /* in the pool */
  const prim *prim;
  const void *params; /* in the pool */
  const implementation *implementation;
  bool on_host; /* the device has no way to compute it */
  epilogue_run *epilogue; /* or NULL, and neither of these: */
  bool adds;              /* its last operand is added to its first result */
  activation activation;
} draft_call;

enum { OP_MAX_READERS = 4 };
typedef struct draft_op { /* 64 bytes: there are as many as nodes, and each pass reads them */
  uint8_t kind; /* op_kind */
  bool shared;  /* more than one node reads its result, or someone holds it */
  bool wanted;  /* a result, or a view of one, is asked for */
  bool stored;  /* its result has memory */
  uint16_t row;
  int n_in, n_out;
  const int32_t *in;
  draft_call *call;
  int32_t out; /* first of n_out values, which follow each other */
  /* fuse.c: */
  int32_t early;                   /* position of the first reader that can't take the operation in */
  int32_t readers[OP_MAX_READERS]; /* groups that read the result as it is, the earliest first */
  int n_readers;                   /* may exceed OP_MAX_READERS: then not all are listed */
  int32_t group;                   /* that runs it; -1: no one needs it, or it is copied into its readers */
} draft_op;

typedef struct draft_member {
  int32_t op;
  struct draft_member *next; /* a later one */
} draft_member;

typedef struct draft_group { /* operations that run as one step */
  draft_member *members;     /* in order */
  int32_t last;              /* position of the last of them: where the step runs */
  bool is_call;              /* one operation, no kernel; or: */
  bool takes_rows;           /* a call that runs with rows in front, which make its operand: the call is the last member then */
  bool keeps;                /* and may store what they make of it */
  bool is_behind;            /* rows that run behind a call, as part of its step */
  int32_t behind;            /* the group of those, of a call; -1: there are none */
  int n_in, n_code, n_out;   /* n_in: not less than its different inputs */
  int n_copied;              /* light rows that other kernels have too */
} draft_group;

typedef struct draft_tuple {
  int32_t first, count; /* in tuple_values */
} draft_tuple;

typedef struct draft_result {
  pons_dtype dtype;
  int ndim;
  const int64_t *shape; /* lasts as long as the pool; NULL: there was no memory for it */
} draft_result;

/* The lists are kept from one draft to the next: fresh memory costs more than what is done with it. */
typedef struct draft {
  const plan_request *request;
  plan *plan; /* being filled */
  uint32_t epoch;
  draft_value *values;
  size_t n_values, values_room;
  draft_op *ops;
  size_t n_ops, ops_room;
  draft_group *groups;
  size_t n_groups, groups_room;
  plan_leaf *leaves;
  size_t n_leaves, leaves_room;
  int32_t *leaf_values; /* of each leaf */
  size_t leaf_values_room;
  int32_t *outputs; /* values wanted, in order */
  size_t n_outputs, outputs_room;
  draft_tuple *tuples; /* of nodes with several results */
  size_t n_tuples, tuples_room;
  int32_t *tuple_values;
  size_t n_tuple_values, tuple_values_room;
  struct same_entry *same; /* simplify.c: nodes already made */
  size_t same_room, same_count;
  struct same_slot *slots; /* of a table of them: open addressing */
  size_t slots_room;
  struct frame *stack; /* expand.c: nodes on the way down */
  size_t stack_room;
  int32_t stamp; /* the last of fuse.c's marks */
  error *why;
} draft;

/* Each returns false or -1 with d->why set. */
bool draft_no_memory(draft *d);      /* sets it; false */
bool draft_fail(draft *d, error *e); /* sets it, and takes the reference; false */
/* Values and operations are filled where they stay, since there are as many as there are nodes: room for the next one (NULL:
   no memory), and then it is one of the list. Its place. */
static inline draft_value *draft_value_room(draft *d) {
  if (d->n_values < INT32_MAX && mem_room(&d->values, &d->values_room, d->n_values + 1, sizeof *d->values))
    return &d->values[d->n_values];
  draft_no_memory(d);
  return NULL;
}
static inline int32_t draft_value_add(draft *d) {
  d->values[d->n_values].memory = -1;
  d->values[d->n_values].group = -1;
  return (int32_t)d->n_values++;
}
static inline draft_op *draft_op_room(draft *d) {
  if (mem_room(&d->ops, &d->ops_room, d->n_ops + 1, sizeof *d->ops)) return &d->ops[d->n_ops];
  draft_no_memory(d);
  return NULL;
}
/* expand.c: a copy in the pool; NULL: no memory. */
const void *draft_params(draft *d, const prim *prim, const void *params);
/* codes.c: the value of a Matmul by the codes of which its operands are made; -1 without d->why: it is one of floats. */
int32_t draft_product_of_codes(draft *d, const node *n);
/* With results that are new roots; or -1. */
int32_t draft_op_add(draft *d, const draft_result *results);
/* With one result, which has the lists of value `like`, a plain one. */
int32_t draft_op_add_like(draft *d, int32_t like, pons_dtype dtype);
int32_t draft_copy(draft *d, int32_t value); /* the value in row-major order */

/* expand.c: all that is wanted becomes values and operations. */
bool draft_walk(draft *d);
/* views.c: the value of a view node; operands have theirs. */
int32_t draft_view(draft *d, const node *n);
/* The same view of `value`, which has the shape of n's operand and any dtype; -1 without d->why: its elements must be copied
   first. */
int32_t draft_view_of(draft *d, const node *n, int32_t value, pons_dtype dtype);
/* The node's shape in the pool; the list of value `like` (-1: none) if it is the same. NULL: no memory. */
const int64_t *draft_shape_for(draft *d, const node *n, int32_t like);
/* simplify.c: the value of an equal node met before; -1: there is none. n_in: how many of its inputs count. */
int32_t draft_same(const draft *d, const node *n, int n_in);
/* For those to come: n has become `value`. */
bool draft_remember(draft *d, const node *n, int n_in, int32_t value);
typedef struct same_entry {
  uint64_t hash;
  const node *node;
  int32_t value;
} same_entry;
/* A place of the table: small, so that the table of a large graph stays in the cache. */
typedef struct same_slot {
  uint32_t tag;  /* of the hash */
  int32_t entry; /* and 1; 0: free */
} same_slot;
void draft_forget_same(draft *d); /* empties the table */
/* The entry of an equal scalar, or a new one, whose value (-1) the caller sets before the next call; NULL: no memory. `leaf` is
   ready, without axes, and no result of a primitive. */
same_entry *draft_same_scalar(draft *d, const node *leaf);
/* What a node became, in this draft; -1: not met yet. */
static inline int32_t draft_value_of(const draft *d, const node *n) {
  return n->mark >> 32 == d->epoch ? (int32_t)(n->mark & UINT32_MAX) : -1;
}
/* As an implementation is asked about it: without its memory. */
static inline operand draft_operand(const draft *d, int32_t value) {
  const draft_value *v = &d->values[value];
  return (operand){NULL, (pons_dtype)v->dtype, v->ndim, v->shape, v->strides};
}
/* Whoever reads the value is not the only one. */
static inline void draft_share(draft *d, int32_t value) {
  if (d->values[value].op >= 0) d->ops[d->values[value].op].shared = true;
}
static inline void draft_mark(const draft *d, node *n, int32_t value) {
  n->mark = (uint64_t)d->epoch << 32 | (uint32_t)value;
}

/* The call of a group that is one: its last member. */
static inline int32_t draft_call_in(const draft_group *g) {
  const draft_member *m = g->members;
  while (m->next) m = m->next;
  return m->op;
}

/* chains.c: how the call runs with chains, on n_in operands and the results that follow them; NULL: it doesn't. */
chained_run *draft_chained(const draft *d, const draft_op *op, const operand *operands, int n_in, int n_out, const chains *c);
/* Does it with rows there that do nothing? Else no others are to be thought of. */
typedef enum rows_place { ROWS_IN_FRONT, ROWS_IN_FRONT_KEPT, ROWS_BEHIND } rows_place; /* kept: what they make has other readers */
bool draft_takes_rows(const draft *d, const draft_op *op, rows_place place);

bool draft_join(draft *d); /* epilogue.c */
bool draft_fuse(draft *d);
bool draft_write(draft *d);
bool plan_place(plan *p); /* place.c; false: no memory */
#endif
