/* Hosts with small limits: what cprof takes for itself must leave enough for the host, and no limit may end it. */
#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "host.h"

#define QUEUE        60
#define IDLE_THREADS 80
#define FILE_BYTES   100 /* less than any profile */

static pthread_mutex_t never = PTHREAD_MUTEX_INITIALIZER;

static void *idle(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&never);
    pthread_mutex_unlock(&never);
    return NULL;
}

/* The limit counts what all processes of a user have queued: as root, the user becomes one that has no other. */
static void limit_queue(void)
{
    struct rlimit limit = {QUEUE, QUEUE};
    if (geteuid() == 0 && setuid((uid_t)(1000000 + getpid())) != 0)
        perror("setuid");
    prctl(PR_SET_DUMPABLE, 1); /* or nobody could see what the idle threads wait for */
    setrlimit(RLIMIT_SIGPENDING, &limit);
}

/* Each timer takes a place in the signal queue. */
static void few_queued_signals(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    sigset_t wake;
    sigemptyset(&wake);
    sigaddset(&wake, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &wake, NULL);
    if (host_sampled)
        cprof_set_cpu_hz(0); /* the core's file may be readable for the first user only */
    host_record("cpu.pb.gz", HOST_HZ);
    limit_queue();
    pthread_mutex_lock(&never);
    for (int i = 0; i < IDLE_THREADS; i++)
        pthread_detach(host_thread(idle, NULL));
    host_burn(0.3); /* while the threads are found */
    printf("timer_create: %s\n", timer_create(CLOCK_MONOTONIC, &event, &timer) ? strerror(errno) : "ok");
    printf("sigqueue: %s\n", sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 1}) ? strerror(errno) : "ok");
    host_stop();
}

/* The signal of a write beyond RLIMIT_FSIZE ends a process that does not expect it. */
static void short_files(void)
{
    struct rlimit limit = {FILE_BYTES, FILE_BYTES};
    setrlimit(RLIMIT_FSIZE, &limit);
    host_sample();
    if (host_sampled) {
        host_expect("cprof_cpu_stop", cprof_cpu_stop(), CPROF_ERR_SYSTEM);
        host_expect("there is a reason", cprof_last_error()[0] != '\0', true);
    }
    sigset_t pending;
    sigpending(&pending);
    printf("alive, SIGXFSZ %s\n", sigismember(&pending, SIGXFSZ) ? "pending" : "not pending");
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"sigpending", few_queued_signals},
        {"fsize", short_files},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
