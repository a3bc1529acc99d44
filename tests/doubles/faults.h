/* faults.h: what the doubles are told by the environment. Uses the C library alone.

       DOUBLE_FAULTS=cuMemAlloc:3=2,cuLaunchKernel:1+=1   the third call of the first gives status 2, every call of the second
                                                          status 1; `kernel:N=S` is the N-th that runs
       CUDA_DOUBLE_..., METAL_DOUBLE_...                  numbers; see where they are read */
#ifndef FAULTS_H
#define FAULTS_H

/* Counts a call of `name`: the status it is to give, or 0. */
int fault_of(const char *name);
long calls_of(const char *name);
long number_of(const char *variable, long otherwise);
#endif
