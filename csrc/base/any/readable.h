/*
 * May memory of the host's be read? A module whose file was truncated is still mapped, and to touch it is SIGBUS; a
 * list of modules that the host keeps itself may hold one that has gone. Any context.
 */
#ifndef CPROF_BASE_ANY_READABLE_H
#define CPROF_BASE_ANY_READABLE_H

#include "base/any/rawcall.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#define READABLE_PAGE ((uintptr_t)4096) /* the smallest there is */

/* The kernel reads the set before it says that there is no such operation. */
static inline bool readable_page(uintptr_t page)
{
    const long no_operation = -1;
    return rawcall4(SYS_rt_sigprocmask, no_operation, (long)page, 0, 8) != -EFAULT;
}

/* All n bytes, at this moment. */
static inline bool readable(const void *from, size_t n)
{
    uintptr_t at = (uintptr_t)from, end = at + n;
    if (end < at)
        return false;
    for (at &= ~(READABLE_PAGE - 1); at < end; at += READABLE_PAGE)
        if (!readable_page(at))
            return false;
    return true;
}

/* A text with its end. */
static inline bool readable_text(const char *text)
{
    for (uintptr_t page = 0;; text++) {
        uintptr_t now = (uintptr_t)text & ~(READABLE_PAGE - 1);
        if (now != page && !readable_page(now))
            return false;
        page = now;
        if (!*text)
            return true;
    }
}

#endif
