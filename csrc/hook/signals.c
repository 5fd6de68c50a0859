#include "hook/signals.h"

#include "base/any/mask.h"
#include "base/any/rawcall.h"
#include "hook/hooks.h"
#include "sig/claim.h"
#include "sig/tick.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#define KERNEL_RESTORER 0x04000000 /* SA_RESTORER: what libc adds for the kernel, and shows when it is asked */

extern int __sigaction(int sig, const struct sigaction *action, struct sigaction *old);

/* What the host set for a fatal signal when it chose the default: only its flags and mask matter, to be shown again. */
static struct sigaction shown[NSIG];
static _Atomic bool catching;

/* The first process of a namespace is not ended by signals at their default, but by its own faults only. */
static bool only_faults;

static _Atomic uint64_t interrupting; /* a bit for each signal of ours that siginterrupt was called for */

static uint64_t bit_of(int sig)
{
    return UINT64_C(1) << (sig - 1);
}

static bool is_fatal(int sig)
{
    if (only_faults && sig != SIGSEGV && sig != SIGBUS && sig != SIGILL && sig != SIGFPE)
        return false;
    switch (sig) {
    case SIGHUP:
    case SIGINT:
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGUSR1:
    case SIGSEGV:
    case SIGUSR2:
    case SIGPIPE:
    case SIGALRM:
    case SIGTERM:
    case SIGSTKFLT:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGVTALRM:
    case SIGIO:
    case SIGPWR:
    case SIGSYS: return true;
    default: return sig >= SIGRTMIN && sig <= SIGRTMAX;
    }
}

/* An instruction's own fault comes again when the handler returns, and then finds the default: a core file shows it
 * where it was. */
static bool comes_again(int sig, const siginfo_t *info)
{
    bool fault = sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE;
    return fault && info->si_code > 0 && info->si_code != SI_KERNEL;
}

static void on_fatal(int sig, siginfo_t *info, void *context)
{
    struct sigaction fatal = {.sa_handler = SIG_DFL};
    (void)context;
    hooks_tell_ending();
    __sigaction(sig, &fatal, NULL);
    if (!comes_again(sig, info))
        rawcall4(SYS_tgkill, rawcall4(SYS_getpid, 0, 0, 0, 0), rawcall4(SYS_gettid, 0, 0, 0, 0), sig, 0);
}

static struct sigaction catcher(void)
{
    struct sigaction action = {.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigfillset(&action.sa_mask);
    return action;
}

static bool is_catcher(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_fatal;
}

static void tell_ending(void)
{
    hooks_tell_ending();
}

void signals_catch_fatal(void)
{
    struct sigaction ours = catcher(), now;
    only_faults = rawcall4(SYS_getpid, 0, 0, 0, 0) == 1;
    for (int sig = 1; sig <= SIGRTMAX; sig++) {
        if (!is_fatal(sig) || __sigaction(sig, NULL, &now) != 0 || now.sa_handler != SIG_DFL)
            continue;
        shown[sig] = now;
        __sigaction(sig, &ours, NULL);
    }
    claim_before_end(tell_ending);
    atomic_store(&catching, true);
}

static bool is_caught(int sig)
{
    return atomic_load_explicit(&catching, memory_order_relaxed) && sig > 0 && sig < NSIG && is_fatal(sig);
}

static bool is_ours(int sig)
{
    return is_caught(sig) || (sig == SIGPROF && tick_installed());
}

/* As the kernel would show it after libc installed it. */
static struct sigaction as_shown(const struct sigaction *action, const struct sigaction *installed)
{
    struct sigaction s = *action;
    s.sa_flags |= installed->sa_flags & KERNEL_RESTORER;
    s.sa_restorer = installed->sa_restorer;
    sigdelset(&s.sa_mask, SIGKILL);
    sigdelset(&s.sa_mask, SIGSTOP);
    return s;
}

static int set_caught(int sig, const struct sigaction *action, struct sigaction *old)
{
    bool to_default = action && action->sa_handler == SIG_DFL;
    struct sigaction was, wanted = {0}, ours = catcher();
    if (action)
        wanted = *action;
    int result = hook_next->sigaction(sig, !action ? NULL : to_default && hooks_are_for_here() ? &ours : &wanted, &was);
    if (result != 0)
        return result;
    if (old)
        *old = is_catcher(&was) ? shown[sig] : was;
    if (to_default && hooks_are_for_here())
        shown[sig] = as_shown(&wanted, &was);
    return 0;
}

/* Where a signal begins to be ignored the kernel throws away what was pending. Of that, what pends for other threads is
 * out of reach while ours stands. */
static void throw_away_pending(int sig)
{
    struct timespec at_once = {0};
    uint64_t one = bit_of(sig);
    while (rawcall4(SYS_rt_sigtimedwait, (long)(uintptr_t)&one, 0, (long)(uintptr_t)&at_once, sizeof one) == sig)
        ;
}

/* A child of vfork has handlers of its own but our memory: it sets its own, and is shown what the parent would be. */
static int set_prof(const struct sigaction *action, struct sigaction *old)
{
    struct sigaction was = {0}, wanted = {0};
    if (action)
        wanted = *action;
    claim_shown(&was);
    if (action && hooks_are_for_here()) {
        struct sigaction installed;
        __sigaction(SIGPROF, NULL, &installed);
        wanted = as_shown(&wanted, &installed);
        tick_show(&wanted);
        if (wanted.sa_handler == SIG_IGN)
            throw_away_pending(SIGPROF);
    } else if (action && hook_next->sigaction(SIGPROF, &wanted, NULL) != 0) {
        return -1;
    }
    if (old)
        *old = was;
    return 0;
}

int signals_action(int sig, const struct sigaction *action, struct sigaction *old)
{
    if (is_caught(sig))
        return set_caught(sig, action, old);
    if (sig == SIGPROF && tick_installed())
        return set_prof(action, old);
    return hook_next->sigaction(sig, action, old);
}

static hook_handler set_simply(int sig, hook_handler handler, int flags, bool blocks_itself)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags}, old;
    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    if (blocks_itself)
        sigaddset(&action.sa_mask, sig);
    return signals_action(sig, &action, &old) == 0 ? old.sa_handler : SIG_ERR;
}

hook_handler signals_bsd(int sig, hook_handler handler)
{
    if (!is_ours(sig))
        return hook_next->signal(sig, handler);
    return set_simply(sig, handler, atomic_load(&interrupting) & bit_of(sig) ? 0 : SA_RESTART, true);
}

hook_handler signals_sysv(int sig, hook_handler handler)
{
    if (!is_ours(sig))
        return hook_next->sysv_signal(sig, handler);
    return set_simply(sig, handler, (int)(SA_RESETHAND | SA_NODEFER), false);
}

hook_handler signals_set(int sig, hook_handler handler)
{
    if (!is_ours(sig))
        return hook_next->sigset(sig, handler);
    sigset_t this, before;
    struct sigaction old;
    sigemptyset(&this);
    sigaddset(&this, sig);
    if (handler == SIG_HOLD) {
        hook_next->sigprocmask(SIG_BLOCK, &this, &before);
        signals_action(sig, NULL, &old);
    } else {
        struct sigaction action = {.sa_handler = handler};
        if (signals_action(sig, &action, &old) != 0)
            return SIG_ERR;
        hook_next->sigprocmask(SIG_UNBLOCK, &this, &before);
    }
    return sigismember(&before, sig) ? SIG_HOLD : old.sa_handler;
}

int signals_ignore(int sig)
{
    if (!is_ours(sig))
        return hook_next->sigignore(sig);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    return signals_action(sig, &ignore, NULL);
}

int signals_interrupt(int sig, int interrupts)
{
    if (!is_ours(sig))
        return hook_next->siginterrupt(sig, interrupts);
    struct sigaction action = {0};
    signals_action(sig, NULL, &action);
    if (interrupts) {
        atomic_fetch_or(&interrupting, bit_of(sig));
        action.sa_flags &= ~SA_RESTART;
    } else {
        atomic_fetch_and(&interrupting, ~bit_of(sig));
        action.sa_flags |= SA_RESTART;
    }
    return signals_action(sig, &action, NULL);
}

/* A thread of which SIGPROF is blocked by the kernel (a handler's mask) is still being sampled. */
bool signals_hold_ticks(void)
{
    if (!tick_installed() || !(mask_now() & MASK_OF(SIGPROF)))
        return false;
    if (tick_is_on())
        hooks_tell_blocking();
    tick_drop_pending();
    return true;
}

bool signals_before_exec(void)
{
    struct sigaction host, ignore = {.sa_handler = SIG_IGN};
    if (!tick_installed())
        return false;
    claim_shown(&host);
    if (host.sa_handler != SIG_IGN)
        return false;
    return __sigaction(SIGPROF, &ignore, NULL) == 0;
}

void signals_after_failed_exec(void)
{
    tick_install();
}
