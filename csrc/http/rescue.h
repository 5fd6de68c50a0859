/*
 * What happens where libevent means to end the process: it does so for a failing pipe(), for memory it cannot have, and
 * for states it thinks impossible. Its log.o is replaced by rescue.c, which is possible because the core holds a copy
 * of its own (linked statically): nothing is printed, and our thread leaves the library by longjmp, for good. What the
 * library held is leaked.
 *
 *     if (setjmp(rescue_point))
 *         ... the library gave up ...
 *     rescue_arm();
 *     ... calls into libevent, on this thread ...
 *     rescue_disarm();
 *
 * One thread at a time: the event loop's.
 */
#ifndef CPROF_HTTP_RESCUE_H
#define CPROF_HTTP_RESCUE_H

#include <setjmp.h>

extern jmp_buf rescue_point;

void rescue_arm(void);
void rescue_disarm(void);

#endif
