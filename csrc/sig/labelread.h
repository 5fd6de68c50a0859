/*
 * The labels of the interrupted thread. It may be one that libc did not make, without a thread pointer or with one of
 * another runtime: where its word would be is read with care, and belongs to it only if it bears its id.
 */
#ifndef CPROF_SIG_LABELREAD_H
#define CPROF_SIG_LABELREAD_H

#include <stdint.h>

/* In a handler, on thread tid. 0: it has none. */
uint32_t labelread(int32_t tid);

/* Before the first handler runs. */
void labelread_prepare(void);

#endif
