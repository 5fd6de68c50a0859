#include "sig/saferead.h"

#include "base/any/rawcall.h"

#include <errno.h>
#include <sys/syscall.h>

/* The smallest page of the supported machines; asking too often on larger ones is only slower. */
#define PAGE_BYTES 4096u

static bool page_readable(uint64_t page)
{
    return rawcall4(SYS_rt_sigprocmask, ~0L, (long)page, 0, sizeof(uint64_t)) == -EINVAL;
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
