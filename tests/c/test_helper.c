/* The helper process: what it gives back, and that the host, whose memory it shares, notices nothing of it. */
#include "base/helper.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static atomic_int children_signalled, handled, handled_elsewhere;
static pid_t host;

static void on_child(int sig)
{
    (void)sig;
    children_signalled++;
}

static void on_signal(int sig)
{
    (void)sig;
    handled++;
    handled_elsewhere += getpid() != host;
}

static int gives_back(void *arg)
{
    return *(int *)arg;
}

static int kills_itself(void *arg)
{
    kill(getpid(), *(int *)arg);
    return 77;
}

/* The writer's work: memory of the host's, a program of its own. */
static int runs_a_program(void *arg)
{
    const char *const argv[] = {"sh", "-c", arg, NULL}, *const envp[] = {"A=b", NULL};
    return helper_execute("/bin/sh", argv, envp);
}

static int runs_nothing(void *arg)
{
    const char *const argv[] = {"x", NULL}, *const envp[] = {NULL};
    return helper_execute(arg, argv, envp);
}

static void results_come_back(void)
{
    for (int code = 0; code < 256; code += 51)
        CHECK_INT(helper_run(gives_back, &code), code);
    CHECK_INT(helper_run(kills_itself, &(int){SIGKILL}), 128 + SIGKILL);
    CHECK_INT(helper_run(kills_itself, &(int){SIGUSR1}), 128 + SIGUSR1);
    CHECK_INT(helper_run(runs_a_program, "exit 5"), 5);
    CHECK_INT(helper_run(runs_a_program, "test \"$A\" = b && test -z \"$HOME\""), 0);
    CHECK_INT(helper_run(runs_a_program, "kill -9 $$"), 128 + SIGKILL);
    CHECK_INT(helper_run(runs_nothing, "/no/such/program"), HELPER_NOT_THERE);
    CHECK_INT(helper_run(runs_nothing, "/etc/passwd"), HELPER_NOT_THERE);
}

/* Ctrl-C is for the program, not for who writes its profile. */
static void what_comes_from_the_terminal_is_ignored(void)
{
    const int ignored[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGPIPE, SIGXFSZ};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        CHECK_INT(helper_run(kills_itself, &(int){ignored[i]}), 77);
    CHECK_INT(helper_run(runs_a_program, "kill -2 $$; kill -15 $$; exit 6"), 6);
}

static void the_hosts_handlers_do_not_run_in_it(void)
{
    int sig = SIGUSR2;
    signal(sig, on_signal);
    CHECK_INT(helper_run(kills_itself, &sig), 128 + sig);
    CHECK_INT(handled, 0);
    raise(sig);
    CHECK_INT(handled, 1);
    signal(sig, SIG_IGN);
    CHECK_INT(helper_run(kills_itself, &sig), 77);
    signal(sig, SIG_DFL);
}

static void the_host_waits_for_nobody(void)
{
    struct sigaction on = {.sa_handler = on_child}, now;
    int status;
    sigaction(SIGCHLD, &on, NULL);
    errno = 0;
    CHECK_INT(helper_run(runs_a_program, "exit 5"), 5);
    CHECK_INT(children_signalled, 0);
    CHECK(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD);
    sigaction(SIGCHLD, NULL, &now);
    CHECK(now.sa_handler == on_child);
    signal(SIGCHLD, SIG_IGN); /* would reap the helper's own child before it is asked */
    CHECK_INT(helper_run(runs_a_program, "exit 5"), 5);
    struct sigaction nobody = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    sigaction(SIGCHLD, &nobody, NULL);
    CHECK_INT(helper_run(runs_a_program, "exit 5"), 5);
    signal(SIGCHLD, SIG_DFL);
}

static int changes_descriptors(void *arg)
{
    close(*(int *)arg);
    return dup2(STDERR_FILENO, 200) == 200 && chdir("/") == 0 ? 0 : 1;
}

static void the_hosts_descriptors_and_mask_stay(void)
{
    int fd = open("/dev/null", O_RDONLY);
    sigset_t mask, after;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    CHECK_INT(helper_run(changes_descriptors, &fd), 0);
    CHECK(fcntl(fd, F_GETFD) >= 0);
    CHECK_INT(fcntl(200, F_GETFD), -1);
    sigprocmask(SIG_SETMASK, NULL, &after);
    CHECK(sigismember(&after, SIGUSR1) && !sigismember(&after, SIGUSR2) && !sigismember(&after, SIGTERM));
    sigemptyset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    close(fd);
}

static atomic_bool stop;

static void *allocate(void *arg)
{
    (void)arg;
    while (!stop) {
        void *p = malloc(3000);
        memset(p, 1, 3000);
        free(p);
        kill(host, SIGUSR2);
    }
    return NULL;
}

static void *fork_and_wait(void *arg)
{
    int status;
    while (!stop) {
        pid_t pid = fork();
        if (!pid)
            _exit(9);
        pid_t got;
        while ((got = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
            ;
        if (got != pid || status != 9 << 8) {
            fprintf(stderr, "waitpid: %d for %d, %x, %s\n", got, pid, (unsigned)status, strerror(errno));
            *(int *)arg += 1;
        }
    }
    return NULL;
}

/* Many times, while others allocate, fork and signal. */
static void beside_a_busy_host(void)
{
    pthread_t threads[3];
    int wrong = 0;
    signal(SIGUSR2, on_signal);
    pthread_create(&threads[0], NULL, allocate, NULL);
    pthread_create(&threads[1], NULL, allocate, NULL);
    pthread_create(&threads[2], NULL, fork_and_wait, &wrong);
    for (int i = 0; i < 100; i++) {
        int code = i;
        CHECK_INT(helper_run(gives_back, &code), i);
        if (i % 10 == 0)
            CHECK_INT(helper_run(runs_a_program, "exit 4"), 4);
    }
    stop = true;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(wrong, 0);
    CHECK_INT(handled_elsewhere, 0);
    signal(SIGUSR2, SIG_DFL);
}

static int result_in_handler;

static void run_here(int sig)
{
    (void)sig;
    result_in_handler = helper_run(runs_a_program, "exit 8");
}

/* As small as an alternate stack may be. */
static void from_a_handler_on_a_small_stack(void)
{
    size_t n = (size_t)sysconf(_SC_MINSIGSTKSZ) + 4096;
    stack_t stack = {.ss_sp = malloc(n), .ss_size = n}, none = {.ss_flags = SS_DISABLE};
    struct sigaction on = {.sa_handler = run_here, .sa_flags = SA_ONSTACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &on, NULL);
    raise(SIGUSR1);
    CHECK_INT(result_in_handler, 8);
    sigaltstack(&none, NULL);
    free(stack.ss_sp);
}

int main(void)
{
    host = getpid();
    results_come_back();
    what_comes_from_the_terminal_is_ignored();
    the_hosts_handlers_do_not_run_in_it();
    the_host_waits_for_nobody();
    the_hosts_descriptors_and_mask_stay();
    if (!SANITIZED) /* their own handlers and stacks do not live in what is neither a thread nor a process of theirs */
        from_a_handler_on_a_small_stack();
    beside_a_busy_host();
    return check_done();
}
