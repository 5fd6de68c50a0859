#include "hook/masks.h"

#include "base/any/mask.h"
#include "hook/hooks.h"
#include "sig/tick.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

typedef int mask_function(int how, const sigset_t *set, sigset_t *old);

/* Libraries block everything around short sections, thousands of times a second: what changes nothing for SIGPROF, and
 * what happens while nobody samples, goes straight on. */
static int change(mask_function *next, int how, const sigset_t *set, sigset_t *old)
{
    if (!set || !tick_is_on())
        return next(how, set, old);
    bool listed = sigismember(set, SIGPROF) == 1;
    bool blocked = (mask_now() & MASK_OF(SIGPROF)) != 0;
    bool blocks = how == SIG_UNBLOCK ? blocked && !listed : how == SIG_BLOCK ? blocked || listed : listed;
    if (blocks == blocked)
        return next(how, set, old);
    int saved = errno;
    if (blocks)
        hooks_tell_blocking();
    errno = saved;
    int result = next(how, set, old);
    saved = errno;
    if (!blocks)
        hooks_tell_unblocked();
    errno = saved;
    return result;
}

int masks_process(int how, const sigset_t *set, sigset_t *old)
{
    return change(hook_next->sigprocmask, how, set, old);
}

int masks_thread(int how, const sigset_t *set, sigset_t *old)
{
    return change(hook_next->pthread_sigmask, how, set, old);
}
