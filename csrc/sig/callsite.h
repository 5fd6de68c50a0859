/* Is this a return address: does a call stand right before it? What is read is asked for first, so any word will do. */
#ifndef CPROF_SIG_CALLSITE_H
#define CPROF_SIG_CALLSITE_H

#include <stdint.h>

enum callsite {
    CALLSITE_NONE,
    CALLSITE_DIRECT,   /* of a function whose address the linker knew */
    CALLSITE_INDIRECT, /* through a pointer */
};

enum callsite callsite_before(uint64_t pc);

#endif
