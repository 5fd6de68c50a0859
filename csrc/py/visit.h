/*
 * Threads of cprof's in the interpreter: for the program's functions and its garbage collector. Such a thread waits for
 * the GIL as long as it takes; whoever waits for its answer has a limit of his own.
 *
 * Only the main interpreter is visited, and never once it has begun to end: interpreters before 3.14 end a thread that
 * asks for the GIL then, with whatever it holds. An atexit function closes the door, and waits a moment for those that
 * are inside. A thread that is still in there, in a function that takes its time, rests where it is until the process
 * is over.
 */
#ifndef CPROF_PY_VISIT_H
#define CPROF_PY_VISIT_H

#include "py/module.h"

#include <stdbool.h>
#include <stdint.h>

/* Which run of the interpreter this is; it goes with what may be visited. 0 with an exception: UnsupportedError in a
 * subinterpreter. Needs the GIL, as nothing else here. */
uint32_t visit_era(void);

/* Calls fn(arg) with the GIL, in which no exception may be left. False: that interpreter is ending, or has ended. */
bool visit(uint32_t era, void (*fn)(void *arg), void *arg);

#endif
