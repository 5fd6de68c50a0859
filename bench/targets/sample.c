/*
 * What one CPU sample costs the interrupted thread: SIGPROF raised at itself, FRAMES deep.
 *
 * cprof records only signals of its own timers, so a real one is caught first (blocked, then taken by
 * sigtimedwait) and sent again and again: a process may send itself any siginfo, si_code included. All tools get
 * the signal in this way. The profile tells whether they took it for a sample.
 */
#include "tool.h"
#include "work.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

/* cprof drains 1,024 slots or more every 50 ms: what one batch leaves there is gone when the next begins. */
#define BATCH    400
#define PAUSE_US 120000

/* Of CPU time: a few periods of the 100 Hz that this runs at. */
#define CATCH_NS    30000000
#define CATCH_TRIES 50

/* Between two cold samples: beyond any first and second level cache. */
#define EVICT_BYTES (8u << 20)

static siginfo_t tick;

struct series {
    int batches;
    char *evict; /* NULL: warm */
    int64_t *ns;
    int n;
};

#if !defined TOOL_CPROF && !defined TOOL_GPERFTOOLS
static void empty(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)info;
    (void)context;
}
#endif

static void install_empty(void)
{
#if !defined TOOL_CPROF && !defined TOOL_GPERFTOOLS
    struct sigaction action = {.sa_sigaction = empty, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigfillset(&action.sa_mask);
    sigaction(SIGPROF, &action, NULL);
#endif
}

#if defined TOOL_CPROF
/* By the bare system call: cprof follows libc's, and takes its timer from a thread that blocks the signal. */
static void change_mask(int how, const sigset_t *set)
{
#if defined(__x86_64__)
    long result;
    register long size __asm__("r10") = 8;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_rt_sigprocmask), "D"(how), "S"(set), "d"(0), "r"(size)
                     : "rcx", "r11", "memory");
#else
    sigprocmask(how, set, NULL);
#endif
}

/* cprof notices all the same when it next looks, which takes up to 50 ms: time for a tick or two to be caught.
 * Unblocked for longer than that the thread gets its timer back. */
static int try_catch(void)
{
    sigset_t set;
    struct timespec now = {0};
    sigemptyset(&set);
    sigaddset(&set, SIGPROF);
    usleep(PAUSE_US);
    change_mask(SIG_BLOCK, &set);
    int64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + CATCH_NS;
    int caught = 0;
    while (!caught && clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
        caught = sigtimedwait(&set, &tick, &now) > 0;
    change_mask(SIG_UNBLOCK, &set);
    return caught;
}
#endif

static void catch_tick(void)
{
    tick.si_signo = SIGPROF;
    tick.si_code = SI_TIMER;
#if defined TOOL_CPROF
    int tries = CATCH_TRIES;
    while (!try_catch())
        if (--tries == 0)
            die("no tick could be caught");
    tick.si_overrun = 0;
#endif
}

static void touch(char *bytes)
{
    for (uint32_t i = 0; i < EVICT_BYTES; i += 64)
        bytes[i]++;
}

static int64_t raise_once(void)
{
    int64_t start = clock_ns(CLOCK_MONOTONIC);
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGPROF, &tick) != 0)
        die("the signal cannot be sent");
    return clock_ns(CLOCK_MONOTONIC) - start;
}

static void raise_series(void *arg)
{
    struct series *s = arg;
    for (int b = 0; b < s->batches; b++) {
        for (int i = 0; i < BATCH; i++) {
            if (s->evict)
                touch(s->evict);
            s->ns[s->n++] = raise_once();
        }
        usleep(PAUSE_US);
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t median_ns(int batches, char *evict)
{
    struct series s = {.batches = batches, .evict = evict, .ns = calloc((size_t)batches * BATCH, sizeof(int64_t))};
    deep(raise_series, &s);
    qsort(s.ns, (size_t)s.n, sizeof *s.ns, by_value);
    int64_t median = s.ns[s.n / 2];
    free(s.ns);
    return median;
}

int main(int argc, char **argv)
{
    int warm = argc > 1 ? atoi(argv[1]) : 5, cold = argc > 2 ? atoi(argv[2]) : 2;
    char *evict = malloc(EVICT_BYTES);
    memset(evict, 1, EVICT_BYTES);
    install_empty();
    tool_start();
    catch_tick();
    (void)median_ns(1, NULL);
    int64_t began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    int64_t warm_ns = median_ns(warm, NULL);
    int64_t all_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - began;
    int64_t cold_ns = median_ns(cold, evict);
    tool_stop();
    printf("warm_ns %lld\ncold_ns %lld\n", (long long)warm_ns, (long long)cold_ns);
    printf("process_ns %lld\nsent %d\n", (long long)(all_ns / (warm * BATCH)), (1 + warm + cold) * BATCH);
    printf("cpu_ns %lld\n", (long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID));
    return 0;
}
