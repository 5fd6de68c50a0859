/*
 * What the thread stands on: stacks that a walk has seen whole, so that the next walk of the same stack need not ask
 * for each of its pages (sig/saferead).
 *
 * From the page of sp up to where the thread began, every page was asked for and lay between two frames of one walk
 * that went by rows alone. As long as a thread stands there these pages are the stack it stands on, and stay. What may
 * change is whose stack it is: that is why all is forgotten whenever the engine looks round, 20 times a second,
 * once where threads are many, and why a step that is a guess, by the frame pointer of code that no row knows,
 * asks all the same.
 *
 * What remains: within that time a stack is unmapped and a smaller one put at its place, and a row of the thread that
 * stands on it is wrong, so that its walk runs over the end.
 */
#ifndef CPROF_SIG_FOOTING_H
#define CPROF_SIG_FOOTING_H

#include "sig/saferead.h"

/* How often all was forgotten: what a walk began with must not outlive that. */
uint32_t footing_time(void);

/* What may be read without asking by a walk that starts at sp; nothing where no walk was seen from this page. Any
 * context. */
struct saferead footing_at(uint64_t sp);

/* A walk from sp, by rows alone and up to the thread's start, which began at that time, found these pages. Any
 * context. */
void footing_keep(uint64_t sp, const struct saferead *found, uint32_t time);

void footing_forget(void);

#endif
