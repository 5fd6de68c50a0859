#include "sig/saferead.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The smallest page of the supported machines; asking too often on larger ones is only slower. */
#define PAGE_BYTES 4096u

static bool page_readable(uint64_t page)
{
    errno = 0;
    syscall(SYS_rt_sigprocmask, ~0, page, NULL, sizeof(uint64_t));
    return errno == EINVAL;
}

/* The reads are of foreign stacks, red zones included: not the sanitizers' business. */
__attribute__((no_sanitize("address", "thread", "undefined"))) static uint64_t load(uint64_t address)
{
    return *(const volatile uint64_t *)address;
}

bool saferead_u64(struct saferead *s, uint64_t address, uint64_t *value)
{
    if (address & 7)
        return false;
    if (address < s->low || address >= s->high) {
        uint64_t page = address & ~(uint64_t)(PAGE_BYTES - 1);
        if (!page_readable(page))
            return false;
        if (page == s->high)
            s->high = page + PAGE_BYTES;
        else
            *s = (struct saferead){page, page + PAGE_BYTES};
    }
    *value = load(address);
    return true;
}
