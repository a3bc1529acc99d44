/* clblast.h: products of matrices by CLBlast, where it is installed. Uses queue.h. */
#ifndef OPENCL_CLBLAST_H
#define OPENCL_CLBLAST_H
#include "backends/opencl/queue.h"

const char *clblast_refuses(const launch *l);
error *clblast_matmul(const launch *l);
/* c is copied into the result before, by copy_to. */
error *clblast_addmm(const launch *l, error *(*copy_to)(const operand *from, const operand *to));
void clblast_report(text *json); /* a member of an object */
#endif
