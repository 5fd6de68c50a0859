/* Hosts that block every signal and take each one where they want it: one they did not ask for ends a wait. */
#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/time.h>

#include "host.h"

#define ROUNDS  8
#define BURN_S  0.012 /* a tick or more, also of a kernel of 100 Hz */
#define WAIT_MS 50    /* long enough that whoever looks at this thread meets it waiting, its mask put aside */

/* Above SIGPROF: of several pending signals the kernel hands out the one with the lowest number. */
#define WAKE SIGRTMIN

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
    (void)sig;
    alarms++;
}

/* A door outside has found this thread before; it takes a while until it sees that the thread may not be sampled any
 * more (docs/host.md). The case "late" does not wait. */
static void be_seen(void)
{
    if (!HOST_CALLS && host_sampled)
        host_burn(0.5);
}

static sigset_t block_all(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    return all;
}

static void say(int as_wanted)
{
    printf("%d of %d waits ended as the host wanted\n", as_wanted, ROUNDS);
}

/* The host's own signal, after a while. */
static void wake_later(timer_t timer)
{
    struct itimerspec once = {.it_value.tv_nsec = WAIT_MS * 1000000L};
    timer_settime(timer, 0, &once, NULL);
}

static timer_t make_wake_timer(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = WAKE};
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        perror("timer_create");
    return timer;
}

static void waits_by_sigwait(void)
{
    int wanted = 0, got;
    sigset_t all = block_all();
    timer_t timer = make_wake_timer();
    host_sample();
    be_seen();
    for (int i = 0; i < ROUNDS; i++) {
        bool first = true;
        host_burn(BURN_S);
        wake_later(timer);
        for (got = 0; got != WAKE; first = false) {
            sigwait(&all, &got);
            wanted += first && got == WAKE;
        }
    }
    host_stop();
    say(wanted);
}

static void waits_by_signalfd(void)
{
    int wanted = 0;
    sigset_t all = block_all();
    timer_t timer = make_wake_timer();
    int fd = signalfd(-1, &all, SFD_CLOEXEC);
    host_sample();
    be_seen();
    for (int i = 0; i < ROUNDS; i++) {
        struct signalfd_siginfo got = {0};
        bool first = true;
        host_burn(BURN_S);
        wake_later(timer);
        for (; got.ssi_signo != (uint32_t)WAKE; first = false) {
            if (read(fd, &got, sizeof got) != sizeof got)
                perror("signalfd");
            wanted += first && got.ssi_signo == (uint32_t)WAKE;
        }
    }
    host_stop();
    say(wanted);
}

static void waits_by_ppoll(void)
{
    int wanted = 0;
    sigset_t none;
    block_all();
    sigemptyset(&none);
    host_sample();
    be_seen();
    for (int i = 0; i < ROUNDS; i++) {
        struct timespec timeout = {.tv_nsec = WAIT_MS * 1000000L};
        host_burn(BURN_S);
        wanted += ppoll(NULL, 0, &timeout, &none) == 0;
    }
    host_stop();
    say(wanted);
}

static void waits_by_sigsuspend(void)
{
    int wanted = 0;
    sigset_t none;
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    block_all();
    sigemptyset(&none);
    host_sample();
    be_seen();
    for (int i = 0; i < ROUNDS; i++) {
        struct itimerval once = {.it_value.tv_usec = WAIT_MS * 1000};
        int before = alarms;
        host_burn(BURN_S);
        setitimer(ITIMER_REAL, &once, NULL);
        sigsuspend(&none);
        wanted += alarms == before + 1;
        while (alarms == before)
            sigsuspend(&none);
    }
    host_stop();
    say(wanted);
}

/* Blocks them only when it has had ticks for a while, as under a door that was there before. */
static void *wait_after_ticks(void *arg)
{
    timer_t timer = make_wake_timer();
    int got = 0, *wanted = arg;
    if (host_sampled)
        host_burn_until_ticks(NULL);
    sigset_t all = block_all();
    host_burn(BURN_S);
    wake_later(timer);
    sigwait(&all, &got);
    *wanted += got == WAKE;
    while (got != WAKE)
        sigwait(&all, &got);
    timer_delete(timer);
    return NULL;
}

static void blocks_after_ticks(void)
{
    int wanted = 0;
    sigset_t wake;
    host_sample();
    sigemptyset(&wake);
    sigaddset(&wake, WAKE);
    pthread_sigmask(SIG_BLOCK, &wake, NULL);
    for (int i = 0; i < ROUNDS; i++)
        pthread_join(host_thread(wait_after_ticks, &wanted), NULL);
    host_stop();
    say(wanted);
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"sigwait", waits_by_sigwait},       {"signalfd", waits_by_signalfd}, {"ppoll", waits_by_ppoll},
        {"sigsuspend", waits_by_sigsuspend}, {"late", blocks_after_ticks},    {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
