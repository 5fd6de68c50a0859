/* A host that blocks SIGPROF and lets it in again all the time, and what its handlers do when they come in between. */
#include <setjmp.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "host.h"

static sigjmp_buf back;
static double end;

static void jump(int sig)
{
    (void)sig;
    siglongjmp(back, 1);
}

static int fork_and_wait(void)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    waitpid(pid, &status, 0);
    return status;
}

static void fork_inside(int sig)
{
    (void)sig;
    if (host_now() < end) /* forks that take longer than the timer would leave no time for the rest */
        fork_and_wait();
}

static void change_mask(void)
{
    sigset_t prof;
    sigemptyset(&prof);
    sigaddset(&prof, SIGPROF);
    while (host_now() < end) {
        for (int i = 0; i < 50; i++) {
            sigprocmask(SIG_BLOCK, &prof, NULL);
            sigprocmask(SIG_UNBLOCK, &prof, NULL);
        }
    }
}

static void disturbed_by(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {0};
    sigaction(SIGALRM, &action, NULL);
    host_sample();
    end = host_storm_end(2.0);
    if (sigsetjmp(back, 1) == 0)
        setitimer(ITIMER_REAL, &often, NULL);
    change_mask();
    setitimer(ITIMER_REAL, &never, NULL);
    printf("a child: %#x\n", (unsigned)fork_and_wait());
    host_burn(0.1);
    host_stop();
}

static void jumps(void)
{
    disturbed_by(jump);
}

static void forks(void)
{
    disturbed_by(fork_inside);
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"jumps", jumps},
        {"forks", forks},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
