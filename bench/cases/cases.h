/* cases.h: the parts of the program, in the order they are used:

       main.c       options; measures case after case beside its limit and its peers
       table.c      the table of cases: what each does, its limit, its goal
       measure.c    rounds of a case, its limit and its peers in turn; the best of each counts
       limits.c     what the machine reaches: multiply-adds, reads, copies (kernels.c)
       peer.c       other frameworks, each a process that is asked for a round of a case
       report.c     the result as a line, as JSON;  plot.c  as SVG
       memory.c products.c overhead.c training.c digits.c      what the cases do

   Uses the public interface alone. */
#ifndef CASES_H
#define CASES_H
#include <pons/pons.h>
#include <stdio.h>

enum { MOST_PEERS = 8, SLOTS = 8, MOST_RESULTS = 4 };

/* ---- a case ---- */

/* What its value is held against. `work` says how much of it one run is. */
typedef enum limit_kind {
  LIMIT_NONE,
  LIMIT_FMA,  /* float32 multiply-adds; work in flop */
  LIMIT_DOT,  /* bfloat16 dot products where the CPU has them, else LIMIT_FMA; flop */
  LIMIT_READ, /* reading memory; bytes */
  LIMIT_COPY, /* reading and writing memory; bytes read and bytes written together */
  LIMIT_PEER  /* the best of the peers */
} limit_kind;

typedef enum goal_of { GOAL_NONE, GOAL_RATIO, GOAL_VALUE } goal_of;
typedef struct goal {
  goal_of of; /* the value over its limit, or the value */
  bool at_least;
  double bound;
} goal;

typedef struct bench_case {
  const char *name; /* "matmul float32 1024" */
  const char *unit;
  bool is_rate;  /* more is better: the value is scale * work / seconds; else scale * seconds */
  double scale;
  double work;       /* of one run, for the limit and for rates */
  double most_limit; /* the limit is no more than this; 0: whatever it is */
  limit_kind limit;
  goal goal;
  /* Puts what the case works on into slots; false and an error if it can't. */
  bool (*prepare)(const struct bench_case *c);
  /* One run: what is to be computed, into out[MOST_RESULTS]; how many. */
  int (*body)(const struct bench_case *c, pons_array *out);
  /* In place of `body`: its work so many times; seconds that counted. */
  double (*round)(const struct bench_case *c, int runs);
  /* In place of both, for what is no time: the value. */
  double (*value)(const struct bench_case *c);
  void (*finish)(void); /* may be NULL */
  int64_t size[4];
  pons_dtype dtype;
  bool scales; /* measured with one thread and with all: a second line says how many times faster */
  bool for_gpu; /* too large for the CPU: left out there */
} bench_case;

extern const bench_case bench_cases[]; /* ended by name NULL */

/* ---- what cases work on (slots.c) ---- */

pons_array slot(int i);
void set_slot(int i, pons_array a); /* evaluated and kept */
void set_function(pons_function f); /* taken over */
pons_function the_function(void);
void forget(void); /* all of it */
pons_array uniform(pons_shape shape, pons_dtype dtype, uint64_t seed); /* in [-1, 1) */
/* The callback compiled, as the function of the case; false and an error if it can't be. */
bool compile_callback(pons_callback callback);
/* Calls the function on the first n_in slots, `runs` times, and computes its one result. */
double time_calls(int n_in, int runs);
double seconds_now(void);
void settle(void); /* waits for the device, if it is one that works by itself */
void count_processor_time(void); /* from now on, in place of the clock's */

/* ---- measuring ---- */

enum { MOST_ONLY = 64 };
typedef struct options {
  int rounds, threads;
  double seconds; /* of one round, at least */
  int n_only;
  const char *only[MOST_ONLY]; /* what the names of cases hold; none: all cases */
  const char *device, *plot;
  double flops, bytes; /* per second, of a device that is not the CPU; NaN: not known */
  bool json, exact; /* `only` are whole names */
} options;

typedef struct result {
  const bench_case *of;
  char name[96];
  bool fine;
  double value, limit, ratio; /* NaN: there is none */
  int met;                    /* 1, 0, -1: can't be said */
  double peer[MOST_PEERS];    /* as value; NaN: it has no such case */
} result;

/* false: the case failed; the error is pons_error(). */
bool measure(const bench_case *c, const options *o, result *r);

/* Per second, of one try: flop, or bytes as `bytes` of them take. The instruction set is Pons's. */
bool limits_open(int threads);
double limit_try(limit_kind kind, double bytes, int threads);
void limits_close(void);

/* A peer is started with a command line; it says its name, then answers "CASE\n" with the seconds of one run in
   a round of it, or "none\n". */
bool peer_start(const char *command);
int peer_count(void);
const char *peer_name(int i);
double peer_round(int i, const char *name); /* NaN: no such case there */
void peers_end(void);

/* ---- telling ---- */

void report_head(const options *o);
void report_row(const options *o, const result *r, bool first);
void report_end(const options *o);
/* "<= 1.2 x copy", "" if there is none */
void goal_text(const bench_case *c, char *to, size_t room);
bool plot_write(const char *path, const result *results, int count);

/* ---- what the cases do ---- */

#define PREPARE(name) bool name(const bench_case *c);
#define BODY(name) int name(const bench_case *c, pons_array *out);
#define ROUND(name) double name(const bench_case *c, int runs);
/* memory.c */
PREPARE(prepare_vectors) PREPARE(prepare_matrix) PREPARE(prepare_rows) PREPARE(prepare_table)
BODY(run_add) BODY(run_multiply) BODY(run_exp) BODY(run_sin) BODY(run_erf) BODY(run_tanh) BODY(run_gelu_chain)
BODY(run_sum_all) BODY(run_sum_rows) BODY(run_sum_columns) BODY(run_dot) BODY(run_mean_squares)
BODY(run_sum_exp) BODY(run_squares_of_columns) BODY(run_softmax) BODY(run_masked_softmax) BODY(run_layer_norm) BODY(run_rms_norm)
BODY(run_copy) BODY(run_transpose) BODY(run_cumsum) BODY(run_sort) BODY(run_argsort) BODY(run_gather) BODY(run_scatter_add)
/* products.c */
PREPARE(prepare_product) PREPARE(prepare_attention) PREPARE(prepare_shared_attention) PREPARE(prepare_conv) PREPARE(prepare_quantized)
PREPARE(prepare_codes) PREPARE(prepare_experts) PREPARE(prepare_quantized_experts)
PREPARE(prepare_fft) PREPARE(prepare_square) PREPARE(prepare_positive)
BODY(run_matmul) BODY(run_int8_product) BODY(run_fp8_product) BODY(run_attention) BODY(run_conv) BODY(run_conv_input_gradient) BODY(run_conv_weight_gradient)
BODY(run_quantized) BODY(run_quantized_layers) BODY(run_experts) BODY(run_quantized_experts)
BODY(run_fft) BODY(run_fft2) BODY(run_rfft) BODY(run_svd) BODY(run_qr) BODY(run_cholesky)
BODY(run_inverse) BODY(run_solve) BODY(run_eigh)
/* overhead.c */
PREPARE(prepare_tiny) PREPARE(prepare_adds) PREPARE(prepare_products) PREPARE(prepare_mixed)
ROUND(round_nodes) ROUND(round_one_op) ROUND(round_lazy_adds) ROUND(round_call) ROUND(round_graph)
ROUND(round_eval_waves) ROUND(round_eval_products) ROUND(round_replay_nothing) ROUND(round_process)
double library_size(const bench_case *c);
int first_result(void); /* what the process of round_process does; its exit code */
/* training.c, digits.c */
PREPARE(prepare_mlp) PREPARE(prepare_gpt) PREPARE(prepare_digits_training) PREPARE(prepare_digits_inference)
ROUND(round_step)
ROUND(round_digits_step)
double gpt_memory(const bench_case *c);
void finish_training(void);
void finish_digits(void);
#undef PREPARE
#undef BODY
#undef ROUND
#endif
