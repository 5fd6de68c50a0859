/* How often the kernel looks at CPU timers: asks for 4,000 signals per second of CPU time and counts. */
#define HZ      4000
#define SECONDS 1

#include "tool.h"

#include <signal.h>

static volatile int signals, ticks;

static void count(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    signals++;
    ticks += 1 + info->si_overrun;
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = count, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};
    struct itimerspec when = {.it_interval.tv_nsec = 1000000000 / HZ, .it_value.tv_nsec = 1000000000 / HZ};
    timer_t timer;
    sigaction(SIGPROF, &action, NULL);
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) != 0 || timer_settime(timer, 0, &when, NULL) != 0)
        die("no CPU timer");
    while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < SECONDS * INT64_C(1000000000))
        ;
    printf("asked_hz %d\nsignals_hz %d\nticks_hz %d\n", HZ, signals / SECONDS, ticks / SECONDS);
    return 0;
}
