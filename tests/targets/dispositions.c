/*
 * Random calls of the functions that set what a signal does, and signals in between: says for each what it gave back
 * and did. Arguments: seed, number of calls. What it says must not depend on who watches.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

typedef void (*handler)(int);

extern handler __sysv_signal(int sig, handler h);
extern handler bsd_signal(int sig, handler h);

static uint64_t state;

static unsigned any(unsigned n)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % n;
}

/* --- handlers, which say under which mask they run ------------------------------------------------------------------
 */

static uint64_t bits_of(const sigset_t *set)
{
    uint64_t bits;
    memcpy(&bits, set, sizeof bits);
    return bits;
}

static uint64_t mask_now(void)
{
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    return bits_of(&now);
}

static void plain(int sig)
{
    printf("    plain handler of %d under %016lx\n", sig, (unsigned long)mask_now());
}

static void other(int sig)
{
    printf("    other handler of %d under %016lx\n", sig, (unsigned long)mask_now());
}

static void with_info(int sig, siginfo_t *info, void *context)
{
    (void)context;
    printf("    informed handler of %d, code %d, from us %d, under %016lx\n", sig, info->si_code,
           info->si_pid == getpid(), (unsigned long)mask_now());
}

static const char *name_of(handler h)
{
    return h == SIG_DFL              ? "default"
           : h == SIG_IGN            ? "ignored"
           : h == SIG_ERR            ? "error"
           : h == SIG_HOLD           ? "hold"
           : h == plain              ? "plain"
           : h == other              ? "other"
           : h == (handler)with_info ? "informed"
                                     : "somebody else's";
}

static void show(const struct sigaction *a)
{
    printf(" was %s flags %08x mask %016lx restorer %d", name_of(a->sa_handler), (unsigned)a->sa_flags,
           (unsigned long)bits_of(&a->sa_mask), a->sa_restorer != NULL);
}

/* --- calls
 * ------------------------------------------------------------------------------------------------------------ */

static int any_signal(void)
{
    const int them[] = {SIGPROF, SIGPROF,  SIGPROF, SIGTERM, SIGTERM, SIGUSR1, SIGSEGV, SIGALRM, SIGRTMIN + 1,
                        SIGCHLD, SIGWINCH, SIGKILL, SIGSTOP, 0,       -1,      32,      65,      SIGRTMAX};
    return them[any(sizeof them / sizeof *them)];
}

static handler any_handler(void)
{
    const handler them[] = {SIG_DFL, SIG_DFL, SIG_IGN, plain, other, SIG_ERR};
    return them[any(sizeof them / sizeof *them)];
}

static struct sigaction any_action(void)
{
    const int flags[] = {SA_RESTART, SA_NODEFER, (int)SA_RESETHAND, SA_ONSTACK, SA_NOCLDSTOP};
    struct sigaction a = {.sa_handler = any_handler()};
    while (a.sa_handler == SIG_ERR)
        a.sa_handler = any_handler();
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        a.sa_flags |= any(3) ? 0 : flags[i];
    if (!any(3)) {
        a.sa_flags |= SA_SIGINFO; /* with the default and "ignored" too: the kernel does not mind */
        if (a.sa_handler == plain || a.sa_handler == other)
            a.sa_sigaction = with_info;
    }
    for (int sig = 1; sig < 32; sig++)
        if (!any(6))
            sigaddset(&a.sa_mask, sig);
    return a;
}

static void call_sigaction(int sig)
{
    struct sigaction action = any_action(), old;
    memset(&old, 0, sizeof old);
    int sets = any(4) != 0, asks = any(4) != 0;
    errno = 0;
    int result = sigaction(sig, sets ? &action : NULL, asks ? &old : NULL);
    printf("sigaction %d%s%s %08x: %d %d", sig, sets ? " to " : "", sets ? name_of(action.sa_handler) : "",
           sets ? (unsigned)action.sa_flags : 0, result, errno);
    if (asks && !result)
        show(&old);
}

static void call_simple(const char *name, handler (*f)(int, handler), int sig, handler h)
{
    errno = 0;
    handler result = f(sig, h);
    printf("%s %d to %s: %s %d", name, sig, name_of(h), name_of(result), result == SIG_ERR ? errno : 0);
}

/* sigset takes SIG_ERR for a handler like any other, which must not stay, nor be called by what sigset unblocks. */
static void call_sigset(int sig, handler h)
{
    if (h == SIG_ERR && sig > 0 && mask_now() >> (sig - 1) & 1)
        h = SIG_DFL;
    call_simple("sigset", sigset, sig, h);
    if (h == SIG_ERR) {
        printf("; ");
        call_simple("sigset", sigset, sig, SIG_IGN);
    }
}

static void call_any(int sig)
{
    unsigned which = any(12);
    int result, yes = (int)any(2);
    errno = 0;
    switch (which) {
    case 0: call_simple("signal", signal, sig, any_handler()); break;
    case 1: call_simple("bsd_signal", bsd_signal, sig, any_handler()); break;
    case 2: call_simple("ssignal", ssignal, sig, any_handler()); break;
    case 3: call_simple("sysv_signal", sysv_signal, sig, any_handler()); break;
    case 4: call_simple("__sysv_signal", __sysv_signal, sig, any_handler()); break;
    case 5: call_sigset(sig, any(4) ? any_handler() : SIG_HOLD); break;
    case 6:
        result = sigignore(sig);
        printf("sigignore %d: %d %d", sig, result, result ? errno : 0);
        break;
    case 7:
        result = siginterrupt(sig, yes);
        printf("siginterrupt %d %d: %d %d", sig, yes, result, result ? errno : 0);
        break;
    default: call_sigaction(sig);
    }
    printf("; mask %016lx\n", (unsigned long)mask_now());
}

/* Where it would not end us. */
static void send_any(void)
{
    int sig = any_signal();
    struct sigaction now;
    if (sig <= 0 || sig == SIGKILL || sig == SIGSTOP || sigaction(sig, NULL, &now) != 0)
        return;
    if (now.sa_handler == SIG_DFL && sig != SIGCHLD && sig != SIGWINCH)
        return;
    printf("raise %d\n", sig);
    raise(sig);
    sigaction(sig, NULL, &now);
    printf("   ");
    show(&now);
    printf("\n");
}

static void any_mask(void)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    if (any(2))
        sigaddset(&mask, SIGUSR1);
    sigprocmask(any(2) ? SIG_BLOCK : SIG_UNBLOCK, &mask, NULL);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    state = strtoull(argv[1], NULL, 10);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int left = atoi(argv[2]); left > 0; left--) {
        call_any(any_signal());
        if (!any(3))
            send_any();
        if (!any(10))
            any_mask();
    }
    /* What stands at the end takes effect at the end. */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    raise(SIGPROF);
    printf("survived SIGPROF\n");
    raise(SIGTERM);
    printf("survived SIGTERM\n");
    return 0;
}
