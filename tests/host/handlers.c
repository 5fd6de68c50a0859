/* Hosts with a SIGPROF handler of their own, installed before ours or over it. */
#include <setjmp.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "host.h"

#define ROUNDS 10

static sigjmp_buf away;
static volatile sig_atomic_t calls;

static void take_sigprof(const struct sigaction *action, struct sigaction *old)
{
    host_wait_for_door();
    sigaction(SIGPROF, action, old);
}

static void catch_by(int sig, void (*handler)(int), int flags, int also_blocked)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    if (also_blocked)
        sigaddset(&action.sa_mask, also_blocked);
    if (sig == SIGPROF)
        take_sigprof(&action, NULL);
    else
        sigaction(sig, &action, NULL);
}

/* Opens and closes a window: from here on our handler stands over the host's. */
static void record_once(const char *name)
{
    host_sample_into(name, HOST_HZ);
    host_stop();
}

static void leave(int sig)
{
    (void)sig;
    calls++;
    siglongjmp(away, 1);
}

/* By the system call: the library leaves out the signals it keeps for itself, which must not stay blocked either. */
static void print_mask(const char *when)
{
    unsigned long blocked = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof blocked);
    printf("%s: blocked %#lx\n", when, blocked);
    blocked = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, NULL, sizeof blocked);
}

static void raise_and_leave(const char *when, int flags, int also_blocked, int restores)
{
    catch_by(SIGPROF, leave, flags, also_blocked);
    host_sample();
    if (sigsetjmp(away, restores) == 0)
        raise(SIGPROF);
    host_stop();
    print_mask(when);
}

static void mask_after_longjmp(void)
{
    raise_and_leave("longjmp", 0, 0, 0);
    raise_and_leave("longjmp, another signal in sa_mask", 0, SIGUSR1, 0);
    raise_and_leave("longjmp, SA_NODEFER", SA_NODEFER, 0, 0);
    raise_and_leave("siglongjmp", 0, SIGUSR1, 1);
}

static sigjmp_buf unreadable;
static volatile int *volatile nowhere = (volatile int *)8;

static void on_segv(int sig)
{
    (void)sig;
    siglongjmp(unreadable, 1);
}

/* What collectors and tracers do in handlers: read, and see whether it could be read. */
static void probe(int sig)
{
    (void)sig;
    calls++;
    if (sigsetjmp(unreadable, 1) == 0)
        *nowhere = 1;
}

static void probes_memory(void)
{
    catch_by(SIGSEGV, on_segv, 0, 0);
    catch_by(SIGPROF, probe, 0, 0);
    host_sample();
    raise(SIGPROF);
    host_stop();
    raise(SIGPROF);
    printf("probed %d times and survived\n", (int)calls);
}

static void leaves_by_raise(void)
{
    catch_by(SIGPROF, leave, 0, 0);
    host_sample();
    for (volatile int i = 0; i < ROUNDS; i++)
        if (sigsetjmp(away, 1) == 0)
            raise(SIGPROF);
    printf("called %d times while sampled\n", (int)calls);
    host_stop();
    for (volatile int i = 0; i < ROUNDS; i++)
        if (sigsetjmp(away, 1) == 0)
            raise(SIGPROF);
    printf("called %d times in all\n", (int)calls);
}

/* A time limit: work that ITIMER_PROF cuts short. */
static void work_within_limit(void)
{
    for (volatile int i = 0; i < ROUNDS; i++) {
        struct itimerval once = {.it_value.tv_usec = 10000};
        if (sigsetjmp(away, 1) != 0)
            continue;
        setitimer(ITIMER_PROF, &once, NULL);
        host_burn(1);
        return; /* no need to see the others */
    }
}

static void leaves_by_timer(void)
{
    catch_by(SIGPROF, leave, 0, 0);
    host_sample();
    work_within_limit();
    printf("cut short %d times while sampled\n", (int)calls);
    host_stop();
    work_within_limit();
    printf("cut short %d times in all\n", (int)calls);
}

static struct sigaction next;
static volatile sig_atomic_t first_calls;

/* Chains as one should. Of what it is called for it counts the host's own: ticks reach it until the engine sees it. */
static void on_prof_chaining(int sig, siginfo_t *info, void *context)
{
    calls += info->si_code == SI_TKILL;
    if (next.sa_flags & SA_SIGINFO)
        next.sa_sigaction(sig, info, context);
    else if (next.sa_handler != SIG_DFL && next.sa_handler != SIG_IGN)
        next.sa_handler(sig);
}

static void catch_chaining(void)
{
    struct sigaction action = {.sa_sigaction = on_prof_chaining, .sa_flags = SA_SIGINFO | SA_RESTART};
    take_sigprof(&action, &next);
}

static void raise_some(void)
{
    for (int i = 0; i < 3; i++)
        raise(SIGPROF);
}

static void chains_after(void)
{
    record_once("cpu.pb.gz");
    catch_chaining();
    raise_some();
    printf("alive, called %d times\n", (int)calls);
}

static void chains_meanwhile(void)
{
    host_sample();
    catch_chaining();
    raise_some();
    host_burn(0.2);
    raise_some();
    host_stop();
    raise_some();
    printf("alive, called %d times\n", (int)calls);
}

static void (*legacy_next)(int);

/* Handlers of one argument pass on one: what the next one finds in the registers of the other two is garbage. */
static void on_prof_legacy(int sig)
{
    calls++;
    if (legacy_next != SIG_DFL && legacy_next != SIG_IGN)
        ((void (*)(int, long, long))(void *)legacy_next)(sig, 1, 2);
}

static void chains_by_signal(void)
{
    record_once("cpu.pb.gz");
    legacy_next = signal(SIGPROF, on_prof_legacy);
    raise_some();
    printf("alive, called %d times\n", (int)calls);
}

static void on_prof_first(int sig)
{
    (void)sig;
    first_calls++;
}

static void print_both(const char *when)
{
    raise_some();
    printf("%s: first called %d times, second %d\n", when, (int)first_calls, (int)calls);
}

static void sandwich(void)
{
    catch_by(SIGPROF, on_prof_first, 0, 0);
    record_once("once.pb.gz");
    catch_chaining();
    print_both("second handler installed");
    record_once("cpu.pb.gz");
    print_both("second recording");
    record_once("again.pb.gz");
    print_both("third recording");
}

static volatile sig_atomic_t own_ticks;

static void on_own_tick(int sig)
{
    (void)sig;
    own_ticks++;
}

/* A profiler of the host's own: as many ticks as the CPU time it used. On a busy machine the kernel tells of several
 * periods at once: then a few ticks take longer. */
static void burn_for_own_ticks(const char *when)
{
    double burnt = 0.3;
    own_ticks = 0;
    for (host_burn(burnt); own_ticks < 9 && burnt < 3; burnt += 0.1)
        host_burn(0.1);
    const char *number = own_ticks < 9             ? "too few"
                         : own_ticks > burnt * 300 ? "too many"
                                                   : "as many as there should be";
    printf("%s: own ticks %s\n", when, number);
    fprintf(stderr, "%s: %d\n", when, (int)own_ticks);
}

static void tick_by_itimer(const char *when)
{
    const struct itimerval each = {{0, 10000}, {0, 10000}}, none = {{0, 0}, {0, 0}};
    setitimer(ITIMER_PROF, &each, NULL);
    burn_for_own_ticks(when);
    setitimer(ITIMER_PROF, &none, NULL);
}

/* By SI_TIMER, as ours. */
static void tick_by_timer(const char *when)
{
    const struct itimerspec each = {{0, 10000000}, {0, 10000000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};
    timer_t timer;
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) != 0)
        perror("timer_create");
    timer_settime(timer, 0, &each, NULL);
    burn_for_own_ticks(when);
    timer_delete(timer);
}

static void count_own_ticks(void (*tick)(const char *when))
{
    catch_by(SIGPROF, on_own_tick, SA_RESTART, 0);
    host_sample();
    tick("installed before");
    host_stop();
    tick("not sampled");
    host_sample();
    catch_by(SIGPROF, on_own_tick, SA_RESTART, 0);
    host_burn(0.2);
    tick("installed after");
    host_stop();
}

static void counts_own_ticks(void)
{
    count_own_ticks(tick_by_itimer);
}

static void counts_own_timer(void)
{
    count_own_ticks(tick_by_timer);
}

static const char *name_of(const struct sigaction *action)
{
    if (action->sa_handler == SIG_DFL)
        return "default";
    if (action->sa_handler == SIG_IGN)
        return "ignored";
    return action->sa_handler == on_own_tick ? "the host's" : "somebody else's";
}

static void print_disposition(const char *when)
{
    struct sigaction is;
    sigaction(SIGPROF, NULL, &is);
    printf("%s: %s, flags %#x\n", when, name_of(&is), (unsigned)is.sa_flags & ~0x04000000U);
}

/* What the host set is what it is told: libraries restore what they found. */
static void asks_what_it_set(void)
{
    const struct sigaction own = {.sa_handler = on_own_tick, .sa_flags = SA_RESTART},
                           standard = {.sa_handler = SIG_DFL};
    struct sigaction old, again;
    host_sample();
    print_disposition("never set");
    sigaction(SIGPROF, &own, &old);
    printf("set, before: %s\n", name_of(&old));
    print_disposition("set");
    host_burn(0.1);
    print_disposition("later");
    sigaction(SIGPROF, &old, &again);
    printf("put back, before: %s\n", name_of(&again));
    print_disposition("put back");
    sigaction(SIGPROF, &standard, NULL);
    printf("signal() gives %s\n", signal(SIGPROF, on_own_tick) == SIG_DFL ? "default" : "something else");
    host_stop();
}

/* Put back to what kills, or ignored: a tick that comes then must not be what the host set. */
static void sets(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    for (int i = 0; i < 6; i++) {
        host_sample();
        host_burn(0.01);
        sigaction(SIGPROF, &action, NULL);
        host_burn(0.02);
        if (host_sampled && HOST_CALLS)
            cprof_cpu_stop();
    }
    printf("alive\n");
}

static void sets_default(void)
{
    sets(SIG_DFL);
}

static void sets_ignored(void)
{
    sets(SIG_IGN);
}

/* SIGPROF apart, which is the known one, and those that libc keeps for itself. */
static void asks_for_all(void)
{
    host_sample();
    for (int sig = 1; sig <= SIGRTMAX; sig++) {
        struct sigaction is;
        if (sig == SIGPROF || sigaction(sig, NULL, &is) != 0)
            continue;
        if (is.sa_handler != SIG_DFL)
            printf("%d: %s, flags %#x\n", sig, is.sa_handler == SIG_IGN ? "ignored" : "a handler",
                   (unsigned)is.sa_flags);
    }
    print_mask("the main thread");
    printf("asked\n");
    host_stop();
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"mask", mask_after_longjmp},       {"probe", probes_memory},   {"raise", leaves_by_raise},
        {"timer", leaves_by_timer},         {"chain", chains_after},    {"chain_meanwhile", chains_meanwhile},
        {"chain_legacy", chains_by_signal}, {"sandwich", sandwich},     {"itimer", counts_own_ticks},
        {"timer_create", counts_own_timer}, {"asks", asks_what_it_set}, {"default", sets_default},
        {"ignored", sets_ignored},          {"all", asks_for_all},      {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
