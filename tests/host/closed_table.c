/* A host that makes the places through which it calls libc read-only, where the linker was told not to. */
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>

#include "host.h"

extern void *_GLOBAL_OFFSET_TABLE_[];

/* All other data begins on the next page. */
static _Alignas(4096) volatile char apart[4096] = {1};

static void closed(void)
{
    struct sigaction now;
    uintptr_t page = sizeof apart, at = (uintptr_t)_GLOBAL_OFFSET_TABLE_ & ~(page - 1);
    apart[1] = apart[0];
    printf("%d %d\n", mprotect((void *)at, page, PROT_READ), sigaction(SIGPROF, NULL, &now));
    host_sample();
    host_burn(0.2);
    host_stop();
    printf("%d\n", sigaction(SIGPROF, NULL, &now));
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"closed", closed},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
