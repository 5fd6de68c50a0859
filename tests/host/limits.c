/* Hosts with small limits: what cprof takes for itself must leave enough for the host, and no limit may end it. */
#include <errno.h>
#include <stdatomic.h>
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

static _Atomic int worked;

static void *work_a_little(void *arg)
{
    host_burn(0.05);
    worked++;
    return arg;
}

static void print_work(const char *under)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = host_thread(work_a_little, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    printf("%s: %d threads worked\n", under, worked);
}

static void set_limit(int what, rlim_t value)
{
    struct rlimit limit;
    getrlimit(what, &limit);
    limit.rlim_cur = value;
    if (setrlimit(what, &limit) != 0)
        perror("setrlimit");
}

/* Set by the host itself; `sh -c "ulimit ...; exec cprof run ..."` is a test of its own. */
static void few_descriptors(void)
{
    set_limit(RLIMIT_NOFILE, 16);
    host_sample();
    print_work("RLIMIT_NOFILE");
    int fds[16], n = 0;
    while (n < 16 && (fds[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    printf("%s\n", n >= 16 - 3 - 5 ? "enough are left" : "too few are left");
    while (n > 0)
        close(fds[--n]);
    host_stop();
}

static void few_processes(void)
{
    host_sample();
    pthread_t early = host_thread(work_a_little, NULL);
    set_limit(RLIMIT_NPROC, 1);
    pthread_join(early, NULL);
    host_burn(0.1);
    if (host_sampled && HOST_CALLS)
        cprof_cpu_stop(); /* no thread to be had for it, where the user is not root */
    printf("RLIMIT_NPROC: alive\n");
}

static void little_address_space(void)
{
    size_t pages = 0;
    host_sample();
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f || fscanf(f, "%zu", &pages) != 1)
        perror("statm");
    fclose(f);
    set_limit(RLIMIT_AS, (pages + 1024) * 4096);
    host_burn(0.2);
    void *volatile p = malloc((size_t)256 << 20);
    printf("RLIMIT_AS: malloc %s\n", p ? "given" : strerrorname_np(errno));
    set_limit(RLIMIT_AS, RLIM_INFINITY);
    host_stop();
}

static void tiny_main_stack(void)
{
    set_limit(RLIMIT_STACK, 64 << 10);
    host_sample();
    print_work("RLIMIT_STACK, 64 KiB");
    host_stop();
}

static void unlimited_stack(void)
{
    set_limit(RLIMIT_STACK, RLIM_INFINITY);
    host_sample();
    print_work("RLIMIT_STACK, none");
    host_stop();
}

static void no_core(void)
{
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_MEMLOCK, 0);
    set_limit(RLIMIT_MSGQUEUE, 0);
    host_sample();
    print_work("RLIMIT_CORE, MEMLOCK, MSGQUEUE");
    struct rlimit is;
    getrlimit(RLIMIT_CORE, &is);
    printf("core %ld\n", (long)is.rlim_cur);
    host_stop();
}

/* The kernel's own end of a process that computes too long: SIGXCPU. */
static void on_cpu_limit(int sig)
{
    printf("signal %d\n", sig);
    fflush(stdout);
    _exit(0);
}

static void little_cpu_time(void)
{
    struct rlimit limit = {1, 20};
    signal(SIGXCPU, on_cpu_limit);
    host_sample();
    setrlimit(RLIMIT_CPU, &limit);
    for (;;)
        work_units(1);
}

/* No signal may be queued at all: nothing can be sampled by timers, and nothing may break. */
static void no_queue(void)
{
    if (geteuid() == 0 && setuid((uid_t)(1000000 + getpid())) != 0)
        perror("setuid");
    prctl(PR_SET_DUMPABLE, 1);
    set_limit(RLIMIT_SIGPENDING, 0);
    if (host_sampled && HOST_CALLS)
        cprof_cpu_start(STDERR_FILENO, HOST_HZ); /* may say that it cannot */
    print_work("RLIMIT_SIGPENDING, none");
    printf("raise: %d\n", signal(SIGUSR1, SIG_IGN) == SIG_ERR || raise(SIGUSR1));
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"sigpending", few_queued_signals},
        {"fsize", short_files},
        {"nofile", few_descriptors},
        {"nproc", few_processes},
        {"as", little_address_space},
        {"stack", tiny_main_stack},
        {"unlimited", unlimited_stack},
        {"core", no_core},
        {"cpu", little_cpu_time},
        {"no_queue", no_queue},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
