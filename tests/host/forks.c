/* Hosts that fork while they are sampled: each child goes on as a child of the bare host would. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "host.h"

#define STORM_S  1.5
#define LOADED_S 0.06 /* longer than the engine rests */
#define FORKS    1000
#define FORKERS  4
#define ROUNDS   30

/* How a child ended, 0 being well. One that hangs ends by its own alarm. */
static int run_child(pid_t (*make)(void), int (*child)(void))
{
    int status = -1;
    pid_t pid = make();
    if (pid == 0) {
        alarm(HOST_GIVE_UP_S);
        _exit(child());
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static int load_a_library(void)
{
    return dlopen("libresolv.so.2", RTLD_NOW) == NULL;
}

/*
 * A module with much to read (heavy.c, the argument) comes and goes, so that the engine asks the loader all the time;
 * each child needs the loader too.
 */
static void children_dlopen(void)
{
    int status = 0;
    host_sample();
    for (double end = host_storm_end(STORM_S); host_now() < end && status == 0;) {
        void *heavy = dlopen(host_arguments[0], RTLD_NOW);
        if (!heavy)
            printf("%s\n", dlerror());
        for (double until = host_now() + LOADED_S; host_now() < until && status == 0;)
            status = run_child(fork, load_a_library);
        dlclose(heavy);
    }
    if (status != 0)
        printf("a child ended with %#x%s\n", status, WIFSIGNALED(status) ? ": it hung in dlopen" : "");
    host_stop();
    printf("done\n");
}

static int stop_is_not_running(void)
{
    return host_sampled && HOST_CALLS && cprof_cpu_stop() != CPROF_ERR_NOT_RUNNING;
}

static int record_for_itself(void)
{
    if (!host_sampled || !HOST_CALLS)
        return 0;
    host_record("child.pb.gz", HOST_HZ);
    host_burn_until_ticks(NULL);
    host_stop();
    return fflush(stdout);
}

static void print_failed(const char *what, int status)
{
    if (status != 0)
        printf("%s: a child ended with %#x\n", what, status);
}

/* _Fork() runs no fork handlers: the child sees all that its parent had. */
static void children_by_raw_fork(void)
{
    struct stat file = {0};
    char path[4096];
    host_sample();
    fflush(stdout);
    for (int i = 0; i < 20; i++)
        print_failed("stop", run_child(_Fork, stop_is_not_running));
    print_failed("record", run_child(_Fork, record_for_itself));
    snprintf(path, sizeof path, "%s/cpu.pb.gz", host_scratch);
    if (stat(path, &file) == 0 && file.st_size != 0)
        printf("a child wrote its parent's profile\n");
    host_stop();
    printf("done\n");
}

extern char **environ;

static int entries(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static int lines(const char *path)
{
    int n = 0;
    FILE *f = fopen(path, "re");
    for (int c; f && (c = getc(f)) != EOF;)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

static int listeners(void)
{
    int n = 0;
    for (int fd = 0; fd < 200; fd++) {
        int is = 0;
        socklen_t size = sizeof is;
        n += getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is, &size) == 0 && is;
    }
    return n;
}

/* One thread, no timer, no listener; its signals are its own. */
static int is_clean(void)
{
    int found = entries("/proc/self/task") != 1;
    if (lines("/proc/self/timers") != 0)
        found |= 2;
    if (listeners() != 0)
        found |= 4;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (sigismember(&mask, SIGPROF) || sigismember(&mask, SIGTERM))
        found |= 8;
    work_units(1500); /* no tick comes any more: 30 ms */
    return found;
}

static void serve_and_sample(void)
{
    host_sample();
    if (host_sampled && HOST_CALLS)
        host_expect("cprof_serve", cprof_serve("127.0.0.1:0"), CPROF_OK);
}

static void stop_and_close(void)
{
    if (host_sampled && HOST_CALLS)
        host_expect("cprof_close", cprof_close(), CPROF_OK);
    host_stop();
}

static int record_and_fork_again(void)
{
    int status = record_for_itself();
    return status ? status : run_child(fork, is_clean);
}

static void children_are_clean(void)
{
    serve_and_sample();
    fflush(stdout);
    for (int i = 0; i < 10; i++) {
        print_failed("fork", run_child(fork, is_clean));
        print_failed("_Fork", run_child(_Fork, is_clean));
        host_burn(0.005);
    }
    print_failed("record", run_child(fork, record_and_fork_again));
    stop_and_close();
    printf("done\n");
}

static _Atomic int left, well;

static pid_t make_child(int i)
{
    char *const true_argv[] = {"true", NULL}, *const sh_argv[] = {"sh", "-c", "exit 3", NULL};
    pid_t pid = -1;
    if (i % 20 == 0)
        return posix_spawn(&pid, "/bin/true", NULL, NULL, true_argv, environ) == 0 ? pid : -1;
    pid = i % 3 == 0 ? _Fork() : fork();
    if (pid == 0 && i % 20 == 1)
        execv("/bin/sh", sh_argv);
    if (pid == 0)
        _exit(i % 100);
    return pid;
}

static int code_of_child(int i)
{
    return i % 20 == 0 ? 0 : i % 20 == 1 ? 3 : i % 100;
}

static void *fork_and_wait(void *arg)
{
    for (int i; (i = atomic_fetch_sub(&left, 1)) > 0;) {
        int status = -1;
        pid_t pid = make_child(i), got;
        while ((got = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
            ;
        well += got == pid && WIFEXITED(status) && WEXITSTATUS(status) == code_of_child(i);
        if (i % 8 == 0)
            host_burn(0.001);
    }
    return arg;
}

static void storm_of_forks(void)
{
    pthread_t threads[FORKERS];
    left = FORKS;
    serve_and_sample();
    for (int i = 0; i < FORKERS; i++)
        threads[i] = host_thread(fork_and_wait, NULL);
    for (int i = 0; i < FORKERS; i++)
        pthread_join(threads[i], NULL);
    stop_and_close();
    printf("%d of %d children ended as they should\n", well, FORKS);
}

static void print_child(const char *what, pid_t pid)
{
    int status = -1;
    pid_t got;
    while ((got = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
        ;
    if (got != pid)
        status = -1;
    static int said;
    if (said++ < 4) /* the rounds are alike */
        printf("%s: %#x\n", what, status);
    else if (status != 0x700)
        printf("%s, later: %#x\n", what, status);
}

/* Until it execs or ends, such a child runs on its parent's memory and thread: what it changes is its parent's. */
__attribute__((noinline)) static pid_t vfork_and_exec(void)
{
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
        _exit(1);
    }
    return pid;
}

__attribute__((noinline)) static pid_t vfork_and_exit(void)
{
    pid_t pid = vfork();
    if (pid == 0) {
        work_units(100);
        _exit(7);
    }
    return pid;
}

static volatile int seen_by_parent;

/* As posix_spawn does it by hand: signals reset, errno changed, a failed exec. */
__attribute__((noinline)) static pid_t vfork_and_prepare(void)
{
    pid_t pid = vfork();
    if (pid == 0) {
        struct sigaction standard = {.sa_handler = SIG_DFL};
        sigset_t none;
        for (int sig = 1; sig < SIGRTMIN; sig++)
            sigaction(sig, &standard, NULL);
        sigemptyset(&none);
        pthread_sigmask(SIG_SETMASK, &none, NULL);
        close(0);
        seen_by_parent++;
        execl("/nowhere/at/all", "nothing", (char *)NULL);
        _exit(errno == ENOENT ? 7 : 1);
    }
    return pid;
}

static void children_by_vfork(void)
{
    sigset_t prof, is;
    sigemptyset(&prof);
    sigaddset(&prof, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &prof, NULL);
    host_sample();
    fflush(stdout);
    for (int i = 0; i < ROUNDS; i++) {
        errno = 0;
        print_child("vfork, exec", vfork_and_exec());
        print_child("vfork, _exit", vfork_and_exit());
        print_child("vfork, failed exec", vfork_and_prepare());
        host_burn(0.003);
    }
    pthread_sigmask(SIG_SETMASK, NULL, &is);
    printf("seen %d, blocked %d, stdin %d\n", seen_by_parent, sigismember(&is, SIGUSR1), fcntl(0, F_GETFD) >= 0);
    if (host_sampled)
        host_burn_until_ticks(NULL); /* what a child reset was its own */
    host_stop();
}

static pid_t spawn_shell(void)
{
    pid_t pid = -1;
    char *const argv[] = {"sh", "-c", "exit 7", NULL};
    posix_spawnattr_t attr;
    sigset_t all;
    sigfillset(&all);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(&attr, &all);
    int error = posix_spawnp(&pid, "sh", NULL, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    return error ? -1 : pid;
}

static void print_popen(void)
{
    char text[64] = "";
    FILE *f = popen("echo from a pipe; exit 5", "r");
    if (!f || !fgets(text, sizeof text, f))
        perror("popen");
    text[strcspn(text, "\n")] = '\0';
    int status = f ? pclose(f) : -1;
    printf("popen: %s, %#x\n", text, status);
}

/* The children's view: how many signals are ignored or blocked, how many descriptors open. */
static void print_childs_world(void)
{
    fflush(stdout);
    int status =
        system("grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status; ls /proc/self/fd | wc -l; env | grep -c ^CPROF_RUN_; "
               "env | grep -E '^(LD_PRELOAD|LD_AUDIT|LD_BIND_NOW)='");
    printf("system: %#x\n", status);
}

static void children_by_library(void)
{
    host_sample();
    for (int i = 0; i < 5; i++) {
        print_child("posix_spawn", spawn_shell());
        print_popen();
        printf("system: %#x\n", system("exit 9"));
        host_burn(0.005);
    }
    print_childs_world();
    host_stop();
}

#define DIE_BY_SIGPROF "kill -PROF $$; exit 7"

static pid_t fork_and_exec(const char *script)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        _exit(1);
    }
    return pid;
}

__attribute__((noinline)) static pid_t vfork_and_exec_file(const char *script)
{
    pid_t pid = vfork();
    if (pid == 0) {
        execlp("sh", "sh", "-c", script, (char *)NULL);
        _exit(1);
    }
    return pid;
}

/* Through exec what is ignored stays so; what has a handler gets the default. */
static void children_ignore_too(void)
{
    host_wait_for_door();
    signal(SIGPROF, SIG_IGN);
    host_sample();
    fflush(stdout);
    print_child("fork, ignored", fork_and_exec(DIE_BY_SIGPROF));
    print_child("vfork, ignored", vfork_and_exec_file(DIE_BY_SIGPROF));
    signal(SIGPROF, SIG_DFL);
    print_child("fork, default", fork_and_exec(DIE_BY_SIGPROF));
    print_child("vfork, default", vfork_and_exec_file(DIE_BY_SIGPROF));
    host_stop();
}

/* Its memory is ours, its descriptors and its thread are not: as some runtimes start programs. */
static int run_clone(void *arg)
{
    (void)arg;
    work_units(50);
    return 7;
}

static void children_by_clone(void)
{
    static char stack[64 << 10];
    host_sample();
    fflush(stdout);
    for (int i = 0; i < ROUNDS; i++) {
        print_child("clone, own memory", clone(run_clone, stack + sizeof stack, SIGCHLD, NULL));
        print_child("clone, shared", clone(run_clone, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));
        host_burn(0.002);
    }
    host_stop();
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"dlopen", children_dlopen},  {"raw", children_by_raw_fork},    {"clean", children_are_clean},
        {"storm", storm_of_forks},    {"vfork", children_by_vfork},     {"library", children_by_library},
        {"clone", children_by_clone}, {"ignored", children_ignore_too}, {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
