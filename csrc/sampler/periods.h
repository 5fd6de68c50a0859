/*
 * At which random periods a clock ticks so that nothing a program does over and over can be in step with it, and so
 * that each tick stands for one nominal period all the same. Pure.
 *
 * A period is kept for some ticks, those of 20 ms on average, since to change it costs; the next is drawn at a tick. It
 * is from half to one and a half times the nominal one (at high rates less): two ticks in a row then come at phases of
 * a cycle that are independent, and shares are as good as those of as many independent samples, or better. How many
 * ticks it is kept for is random too: the batches themselves are in step with nothing. It is shorter where the CPU time
 * used is more than the ticks stand for, and longer where it is less: totals stay right to a few ticks. As none of this
 * looks at the program, all of its CPU time is as likely to be hit.
 */
#ifndef CPROF_SAMPLER_PERIODS_H
#define CPROF_SAMPLER_PERIODS_H

#include <stdint.h>

/* How long it is to the first tick: uniform, so that a thread which uses less than a period has its share. Only the
 * first tick of this period counts. */
uint32_t periods_first(uint32_t nominal_ns, uint64_t *random);

/* The next period, at a tick. owed_ns: CPU time used less that which ticks stand for, this one included. */
uint32_t periods_next(uint32_t nominal_ns, int64_t owed_ns, uint64_t *random);

/* For how many ticks it is kept. */
uint32_t periods_ticks(uint32_t nominal_ns, uint64_t *random);

#endif
