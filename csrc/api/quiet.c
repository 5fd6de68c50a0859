#include "api/quiet.h"

#include "base/thread.h"
#include "http/address.h"
#include "http/call.h"
#include "http/server.h"
#include "sampler/cpu.h"
#include "sampler/keeper.h"

#include <stdint.h>

/* Threads of ours notice at once that they are to end; a worker that is naming a profile takes its time. */
#define PATIENCE_NS INT64_C(5000000000)

#define SIDES 2

static char served[SIDES][ADDRESS_ROOM]; /* while resting; "": not */

bool quiet_go(void)
{
    cpu_go_quiet();
    call_rest();
    keeper_rest();
    server_stop_all();
    return thread_wait_for_none(PATIENCE_NS);
}

void quiet_rest(void)
{
    for (int side = 0; side < SIDES; side++)
        if (server_address((enum server_side)side, served[side], sizeof served[side]) != STATUS_OK)
            served[side][0] = '\0';
    quiet_go();
}

void quiet_resume(void)
{
    cpu_go_on();
    call_resume();
    keeper_go_on();
    for (int side = 0; side < SIDES; side++)
        if (served[side][0])
            server_start_again((enum server_side)side, served[side], &(struct reason){0});
}
