#include "hook/hooks.h"

#include "base/any/rawcall.h"
#include "base/atfork.h"
#include "hook/alone.h"
#include "hook/exec.h"
#include "hook/masks.h"
#include "hook/seclude.h"
#include "hook/signals.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>

const struct hook_functions *hook_next;

static _Atomic(const struct hook_events *) told;
static _Atomic pid_t here;

static pid_t self(void)
{
    return (pid_t)rawcall4(SYS_getpid, 0, 0, 0, 0);
}

static void after_fork_child(void)
{
    atomic_store(&here, self());
}

static const struct atfork_hooks fork_hooks = {.rank = LOCK_LEAF, .after_child = after_fork_child};

void hooks_start(const struct hook_functions *next, const struct hook_events *events)
{
    hook_next = next;
    atfork_register(&fork_hooks);
    atomic_store(&here, self());
    atomic_store(&told, events);
}

bool hooks_are_for_here(void)
{
    return atomic_load(&told) && atomic_load(&here) == self();
}

bool hooks_are_over(void)
{
    return !atomic_load(&told);
}

/* Who is to be told of what this process does; NULL: nobody. */
static const struct hook_events *listener(void)
{
    return hooks_are_for_here() ? atomic_load(&told) : NULL;
}

static void tell(void (*event)(void))
{
    if (event)
        event();
}

bool hooks_tell_ending(void)
{
    const struct hook_events *events = listener();
    return events && events->ending && events->ending();
}

void hooks_tell_not_ended(void)
{
    const struct hook_events *events = listener();
    tell(events ? events->not_ended : NULL);
}

void hooks_tell_secluding(void)
{
    const struct hook_events *events = listener();
    tell(events ? events->secluding : NULL);
    if (events)
        atomic_store(&told, NULL); /* even asking for the process id may be forbidden from here on */
}

void hooks_tell_blocking(void)
{
    const struct hook_events *events = listener();
    tell(events ? events->blocking : NULL);
}

void hooks_tell_unblocked(void)
{
    const struct hook_events *events = listener();
    tell(events ? events->unblocked : NULL);
}

void hooks_tell_resting(void)
{
    const struct hook_events *events = listener();
    tell(events ? events->resting : NULL);
}

void hooks_tell_rested(void)
{
    const struct hook_events *events = listener();
    tell(events ? events->rested : NULL);
}

static void end(int status)
{
    hooks_tell_ending();
    hook_next->_exit(status);
}

/* libc forks in there, and ends the parent by a call of its own. In the child nothing was told. */
static int become_daemon(int stay, int keep)
{
    bool told_here = hooks_tell_ending();
    int result = hook_next->daemon(stay, keep);
    if (told_here && result != 0)
        hooks_tell_not_ended();
    return result;
}

const struct hook_functions hook_functions = {
    .execve = exec_path,
    .execv = exec_path_here,
    .execvp = exec_file_here,
    .execvpe = exec_file,
    .fexecve = exec_descriptor,
    .execveat = exec_at,
    .posix_spawn = exec_spawn,
    .posix_spawnp = exec_spawnp,
    .daemon = become_daemon,
    ._exit = end,
    .sigaction = signals_action,
    .signal = signals_bsd,
    .sysv_signal = signals_sysv,
    .sigset = signals_set,
    .sigignore = signals_ignore,
    .siginterrupt = signals_interrupt,
    .sigprocmask = masks_process,
    .pthread_sigmask = masks_thread,
    .prctl = seclude_prctl,
    .syscall = seclude_syscall,
    .unshare = alone_unshare,
    .setns = alone_setns,
};
