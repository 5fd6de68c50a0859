/*
 * The native stack of the interrupted thread, from the handler's ucontext. Takes no lock, allocates nothing,
 * never enters the loader, is bounded by RECORD_MAX_FRAMES, reads foreign memory only through saferead.
 */
#ifndef CPROF_SIG_CWALK_H
#define CPROF_SIG_CWALK_H

#include "sig/record.h"
#include "sig/regs.h"

/* Fills depth, pc and the TRUNCATED and PARTIAL flags of record. */
void cwalk(struct regs regs, struct record *record);

/* The calling thread's own stack from one of its frames up, so many frames, RECORD_MAX_FRAMES at most: with more
 * TRUNCATED is set. */
void cwalk_own(struct regs regs, uint16_t most, struct record *record);

#endif
