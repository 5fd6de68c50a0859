#include "sig/saferead.h"

#include "base/any/rawcall.h"

#include <errno.h>
#include <sys/syscall.h>

static bool page_readable(uint64_t page)
{
    return rawcall4(SYS_rt_sigprocmask, ~0L, (long)page, 0, sizeof(uint64_t)) == -EINVAL;
}

bool saferead_ask(struct saferead *s, uint64_t address)
{
    uint64_t page = address & ~(uint64_t)(SAFEREAD_PAGE - 1);
    if (!page_readable(page))
        return false;
    if (page == s->high)
        s->high = page + SAFEREAD_PAGE;
    else
        *s = (struct saferead){page, page + SAFEREAD_PAGE};
    return true;
}
