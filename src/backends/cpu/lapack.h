/* lapack.h: LAPACK, looked for at run time, by its Fortran interface: every argument is a pointer, matrices
   lie in columns, sizes are 32-bit integers, and each character has its length behind the last argument. Uses
   base/. */
#ifndef CPU_LAPACK_H
#define CPU_LAPACK_H
#include "base/base.h"

/* The functions for one element type; orgqr is ungqr of complex ones. Where real and complex ones take different arguments, the members of
   the other kind are NULL. Reals (s, w, wr, wi, rwork) are those of the parts of a complex dtype. */
typedef struct lapack_functions {
  void (*geqrf)(const int *m, const int *n, void *a, const int *lda, void *tau, void *work, const int *lwork,
                int *info);
  void (*orgqr)(const int *m, const int *n, const int *k, void *a, const int *lda, const void *tau,
                void *work, const int *lwork, int *info);
  void (*getrf)(const int *m, const int *n, void *a, const int *lda, int *pivots, int *info);
  void (*getri)(const int *n, void *a, const int *lda, const int *pivots, void *work, const int *lwork,
                int *info);
  void (*trsm)(const char *side, const char *uplo, const char *trans, const char *diag, const int *m, const int *n,
               const void *alpha, const void *a, const int *lda, void *b, const int *ldb, size_t, size_t, size_t,
               size_t); /* of the BLAS under it */
  void (*trtri)(const char *uplo, const char *diag, const int *n, void *a, const int *lda, int *info, size_t,
                size_t);
  void (*potrf)(const char *uplo, const int *n, void *a, const int *lda, int *info, size_t);
  void (*gesdd)(const char *jobz, const int *m, const int *n, void *a, const int *lda, void *s, void *u,
                const int *ldu, void *vt, const int *ldvt, void *work, const int *lwork, int *iwork,
                int *info, size_t);
  void (*complex_gesdd)(const char *jobz, const int *m, const int *n, void *a, const int *lda, void *s,
                        void *u, const int *ldu, void *vt, const int *ldvt, void *work, const int *lwork,
                        void *rwork, int *iwork, int *info, size_t);
  void (*syevd)(const char *jobz, const char *uplo, const int *n, void *a, const int *lda, void *w,
                void *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t);
  /* Of real ones alone: what syevd and gesdd are made of. */
  void (*larfg)(const int *n, void *alpha, void *x, const int *step, void *tau);
  void (*stedc)(const char *compz, const int *n, void *d, void *e, void *z, const int *ldz, void *work, const int *lwork,
                int *iwork, const int *liwork, int *info, size_t);
  void (*laed2)(int *k, const int *n, const int *n1, void *d, void *q, const int *ldq, int *indxq, void *rho, void *z,
                void *dlamda, void *w, void *q2, int *indx, int *indxc, int *indxp, int *coltyp, int *info);
  void (*laed4)(const int *n, const int *i, const void *d, const void *z, void *delta, const void *rho, void *dlam,
                int *info);
  void (*bdsdc)(const char *uplo, const char *compq, const int *n, void *d, void *e, void *u, const int *ldu, void *vt,
                const int *ldvt, void *q, int *iq, void *work, int *iwork, int *info, size_t, size_t);
  void (*heevd)(const char *jobz, const char *uplo, const int *n, void *a, const int *lda, void *w,
                void *work, const int *lwork, void *rwork, const int *lrwork, int *iwork, const int *liwork,
                int *info, size_t, size_t);
  void (*geev)(const char *jobvl, const char *jobvr, const int *n, void *a, const int *lda, void *wr,
               void *wi, void *vl, const int *ldvl, void *vr, const int *ldvr, void *work, const int *lwork,
               int *info, size_t, size_t);
  void (*complex_geev)(const char *jobvl, const char *jobvr, const int *n, void *a, const int *lda, void *w,
                       void *vl, const int *ldvl, void *vr, const int *ldvr, void *work, const int *lwork,
                       void *rwork, int *info, size_t, size_t);
} lapack_functions;

/* Opened at the first call. NULL if there is one, else what was tried. */
const char *lapack_missing(void);
/* For float32, float64, complex64 and complex128, if LAPACK was found. */
const lapack_functions *lapack_for(pons_dtype dtype);
void lapack_report(text *json); /* an object */
#endif
