#include "sig/claim.h"

#include "base/any/rawcall.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define CHAIN_MAX 4 /* handlers remembered; the host that stacks more loses the middle ones */

#define CHAINS 8 /* kept for handlers that are still reading an earlier one */

/* Who had SIGPROF before us, oldest first. A change makes a new chain: handlers read the one in force without a lock.
 */
struct chain {
    uint32_t n;
    struct sigaction at[CHAIN_MAX];
};

static struct chain chains[CHAINS];
static _Atomic uint32_t chain_in_force;

/* By its other name: `sigaction` may be intercepted, and then tells what the host has set. */
extern int __sigaction(int sig, const struct sigaction *action, struct sigaction *old);

/* The signal this thread is passing on. frame tells a call that comes back to us from inside (it stands below on the
 * stack) from a new signal after a handler that left by longjmp. Frames are aligned: below frame's last bits stands
 * how many of the chain have been called. There is little static TLS for libraries opened late. */
static _Thread_local struct {
    const siginfo_t *info;
    uintptr_t frame_and_level;
} passing;

#define LEVEL_MASK ((uintptr_t)15)
_Static_assert(CHAIN_MAX <= LEVEL_MASK, "a level fits below a frame");

static bool is_ours(const struct sigaction *action, claim_handler *ours)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == ours;
}

bool claim_stands(claim_handler *ours)
{
    struct sigaction now;
    return __sigaction(SIGPROF, NULL, &now) == 0 && is_ours(&now, ours);
}

static struct chain *chain_now(void)
{
    return &chains[atomic_load_explicit(&chain_in_force, memory_order_acquire) % CHAINS];
}

static void put_in_force(const struct chain *made)
{
    uint32_t next = atomic_load(&chain_in_force) + 1;
    chains[next % CHAINS] = *made;
    atomic_store_explicit(&chain_in_force, next, memory_order_release);
}

static void remember(const struct sigaction *found)
{
    struct chain made = *chain_now();
    uint32_t n = made.n;
    bool plain = found->sa_handler == SIG_DFL || found->sa_handler == SIG_IGN;
    if (plain)
        n = 0;                                                            /* nobody calls on from there */
    bool again = n && made.at[n - 1].sa_sigaction == found->sa_sigaction; /* perhaps with another mask */
    if (again || n == CHAIN_MAX)
        n--;
    made.at[n] = *found;
    made.n = n + 1;
    put_in_force(&made);
}

void claim_shown(struct sigaction *host)
{
    const struct chain *c = chain_now();
    *host = c->n ? c->at[c->n - 1] : (struct sigaction){.sa_handler = SIG_DFL};
}

/* Go runs on stacks of some KiB, and wants the handlers of everybody else on the alternate one, as its own are: where
 * it comes after us it changes ours so itself. It is known by its handler for SIGURG. */
static bool lives_with_go(void)
{
    struct sigaction urgent;
    return __sigaction(SIGURG, NULL, &urgent) == 0 && (urgent.sa_flags & SA_ONSTACK) && urgent.sa_handler != SIG_DFL &&
           urgent.sa_handler != SIG_IGN;
}

/* No SA_ONSTACK otherwise: an alternate stack may be as small as MINSIGSTKSZ, which on machines with wide vectors does
 * not even hold the kernel's part of the frame. Every signal is blocked while ours runs, glibc's internal ones too
 * (which sigfillset leaves out): a handler that cancellation unwinds would never commit its slot in the ring. A call
 * that the host's own SIGPROF interrupts goes on or fails as the host's handler has it. */
static bool install(claim_handler *ours, const struct sigaction *host)
{
    bool handles = (host->sa_flags & SA_SIGINFO) || (host->sa_handler != SIG_DFL && host->sa_handler != SIG_IGN);
    bool restarts = !handles || (host->sa_flags & SA_RESTART);
    struct sigaction action = {.sa_sigaction = ours, .sa_flags = SA_SIGINFO | (restarts ? SA_RESTART : 0)};
    if (lives_with_go())
        action.sa_flags |= SA_ONSTACK;
    memset(&action.sa_mask, 0xff, sizeof action.sa_mask);
    return __sigaction(SIGPROF, &action, NULL) == 0;
}

void claim_show(const struct sigaction *host, claim_handler *ours)
{
    struct chain made = {.n = 1, .at = {*host}};
    put_in_force(&made);
    install(ours, host);
}

bool claim_take(claim_handler *ours)
{
    struct sigaction found;
    if (__sigaction(SIGPROF, NULL, &found) != 0)
        return false;
    if (is_ours(&found, ours))
        return true;
    remember(&found);
    return install(ours, &found);
}

/* The mask that the kernel would have set for this handler. */
static void set_mask_of(const struct sigaction *action, const ucontext_t *context)
{
    uint64_t mask, own;
    memcpy(&mask, &context->uc_sigmask, sizeof mask);
    memcpy(&own, &action->sa_mask, sizeof own);
    mask |= own;
    if (!(action->sa_flags & SA_NODEFER))
        mask |= UINT64_C(1) << (SIGPROF - 1);
    rawcall4(SYS_rt_sigprocmask, SIG_SETMASK, (long)(uintptr_t)&mask, 0, sizeof mask);
}

static void (*_Atomic before_end)(void);

void claim_before_end(void (*tell)(void))
{
    atomic_store(&before_end, tell);
}

/* The default: the process ends by SIGPROF, as soon as this handler has returned and the signal is unblocked. */
static void end_by_default(int sig)
{
    struct sigaction fatal = {.sa_handler = SIG_DFL};
    void (*tell)(void) = atomic_load(&before_end);
    if (tell)
        tell();
    __sigaction(sig, &fatal, NULL);
    rawcall4(SYS_tgkill, getpid(), rawcall4(SYS_gettid, 0, 0, 0, 0), sig, 0);
}

/* As the kernel does: "default" and "ignored" are that whatever the flags say, and only the handler is reset. */
static void call(struct sigaction *to, int sig, siginfo_t *info, void *context)
{
    struct sigaction action = *to;
    if (action.sa_handler == SIG_IGN)
        return;
    if (action.sa_flags & (int)SA_RESETHAND)
        to->sa_handler = SIG_DFL;
    if (action.sa_flags & SA_SIGINFO)
        action.sa_sigaction(sig, info, context);
    else
        action.sa_handler(sig);
}

void claim_pass_on(claim_handler *ours, int sig, siginfo_t *info, void *context)
{
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0) & ~LEVEL_MASK;
    bool stands = claim_stands(ours);
    bool from_inside = passing.info == info && frame < (passing.frame_and_level & ~LEVEL_MASK);
    struct chain *chain = chain_now();
    uint32_t level = from_inside ? (uint32_t)(passing.frame_and_level & LEVEL_MASK) : 0, n = chain->n;
    if (level >= n)
        return;
    struct sigaction *to = &chain->at[n - 1 - level];
    bool is_default = to->sa_handler == SIG_DFL;
    if (is_default && level == 0 && stands)
        end_by_default(sig);
    if (is_default) /* or somebody calls ours as the one before: they would not have called the default */
        return;
    if (level == 0 && stands)
        set_mask_of(to, context);
    passing.info = info;
    passing.frame_and_level = frame | (level + 1);
    call(to, sig, info, context);
    passing.frame_and_level = (passing.frame_and_level & ~LEVEL_MASK) | level;
    if (level == 0)
        passing.info = NULL;
}
