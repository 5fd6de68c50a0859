/* Hosts that block SIGTERM and take it where they want it: delivered to a thread that does not block it, it kills. */
#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "host.h"

#define BURNERS 2

static volatile sig_atomic_t end;
static volatile sig_atomic_t caught;

static void on_term(int sig)
{
    caught = sig;
}

static void *burn_until_end(void *arg)
{
    while (!end)
        work_units(1);
    return arg;
}

/* Another process asks this one to end: the kernel picks any thread that lets the signal in. */
static pid_t ask_to_end(void)
{
    pid_t host = getpid(), pid = fork();
    if (pid == 0)
        _exit(kill(host, SIGTERM) != 0);
    return pid;
}

static sigset_t block_term(void)
{
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, NULL);
    return term;
}

static void shut_down_when(int (*wait_for_term)(const sigset_t *term))
{
    pthread_t burners[BURNERS];
    sigset_t term;
    int status = -1;
    host_sample(); /* before the mask is there: threads that start now inherit none of it */
    term = block_term();
    for (int i = 0; i < BURNERS; i++)
        burners[i] = host_thread(burn_until_end, NULL);
    host_burn(0.1);
    waitpid(ask_to_end(), &status, 0); /* nobody waits for it yet: whoever lets it in dies of it */
    host_burn(0.02);
    int got = wait_for_term(&term);
    end = 1;
    for (int i = 0; i < BURNERS; i++)
        pthread_join(burners[i], NULL);
    host_stop();
    printf("asked (%d), shut down by signal %d\n", status, got);
}

static int by_sigwait(const sigset_t *term)
{
    int got = -1;
    sigwait(term, &got);
    return got;
}

static int by_sigtimedwait(const sigset_t *term)
{
    struct timespec patience = {.tv_sec = HOST_GIVE_UP_S};
    siginfo_t info = {0};
    int got = sigtimedwait(term, &info, &patience);
    return info.si_signo == got ? got : -errno;
}

static int by_signalfd(const sigset_t *term)
{
    struct signalfd_siginfo got = {0};
    int fd = signalfd(-1, term, SFD_CLOEXEC);
    struct pollfd in = {.fd = fd, .events = POLLIN};
    int ready = poll(&in, 1, HOST_GIVE_UP_S * 1000);
    if (ready != 1 || read(fd, &got, sizeof got) != sizeof got)
        printf("poll gives %d\n", ready);
    close(fd);
    return (int)got.ssi_signo;
}

/* These two let it in for as long as they wait. */
static void catch_term(void)
{
    struct sigaction action = {.sa_handler = on_term};
    sigaction(SIGTERM, &action, NULL);
}

static int by_ppoll(const sigset_t *term)
{
    struct timespec patience = {.tv_sec = HOST_GIVE_UP_S};
    sigset_t mask;
    (void)term;
    catch_term();
    sigemptyset(&mask);
    int result = ppoll(NULL, 0, &patience, &mask);
    printf("ppoll: %d %s\n", result, result < 0 ? strerrorname_np(errno) : "");
    return caught;
}

static int by_sigsuspend(const sigset_t *term)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    sigdelset(&mask, SIGTERM);
    sigaddset(&mask, SIGPROF);
    (void)term;
    catch_term();
    while (!caught)
        sigsuspend(&mask);
    return caught;
}

static void sigwaits(void)
{
    shut_down_when(by_sigwait);
}

static void sigtimedwaits(void)
{
    shut_down_when(by_sigtimedwait);
}

static void reads_signalfd(void)
{
    shut_down_when(by_signalfd);
}

static void ppolls(void)
{
    shut_down_when(by_ppoll);
}

static void sigsuspends(void)
{
    shut_down_when(by_sigsuspend);
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"sigwait", sigwaits}, {"sigtimedwait", sigtimedwaits}, {"signalfd", reads_signalfd},
        {"ppoll", ppolls},     {"sigsuspend", sigsuspends},     {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
