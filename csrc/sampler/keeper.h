/*
 * Sees to it that walks outside of the CPU engine (a custom profile's adds) find the rows of what is loaded. A thread
 * of ours is started when there is something to do, asks the loader once, and ends: between two times there is none.
 *
 * Who calls may hold the loader's lock or be wanted by who holds it: nothing here waits for the loader, and what is
 * waited for at all is bounded.
 */
#ifndef CPROF_SAMPLER_KEEPER_H
#define CPROF_SAMPLER_KEEPER_H

/* Somebody is going to walk. Not from a signal handler. */
void keeper_start(void);

/* Waits for the first rows, once in the life of the process and for a moment at most. */
void keeper_wait(void);

/* A walk met code that no row knows: perhaps something was loaded. Costs a look at the clock where that was said not
 * long ago. */
void keeper_nudge(void);

/* No thread from here on; one that runs ends soon. */
void keeper_rest(void);
void keeper_go_on(void);

#endif
