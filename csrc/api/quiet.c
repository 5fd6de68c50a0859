#include "api/quiet.h"

#include "base/thread.h"
#include "http/server.h"
#include "sampler/cpu.h"

#include <stdint.h>

/* Threads of ours notice at once that they are to end; a worker that is naming a profile takes its time. */
#define PATIENCE_NS INT64_C(5000000000)

bool quiet_go(void)
{
    cpu_go_quiet();
    server_stop_all();
    return thread_wait_for_none(PATIENCE_NS);
}
