/* Is this a return address: does a call stand right before it? What is read is asked for first, so any word will do. */
#ifndef CPROF_SIG_CALLSITE_H
#define CPROF_SIG_CALLSITE_H

#include <stdbool.h>
#include <stdint.h>

bool callsite_is(uint64_t pc);

#endif
