/* Hosts that give up what they do not need: system calls by seccomp, and their place in the system's namespaces. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "host.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

#define ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* What this host needs for its own work, and to end. Any other call ends the process. */
static struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ALLOW(write),
    ALLOW(read),
    ALLOW(exit),
    ALLOW(exit_group),
    ALLOW(rt_sigreturn),
    ALLOW(clock_gettime),
    ALLOW(brk),
    ALLOW(futex),
    ALLOW(madvise),
    ALLOW(munmap),
    ALLOW(lseek),
    ALLOW(newfstatat),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

static const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};

static void work_in_jail(void)
{
    double end = work_thread_seconds() + 0.3;
    while (work_thread_seconds() < end)
        work_units(1);
    static const char said[] = "works in its jail\n";
    if (write(STDOUT_FILENO, said, sizeof said - 1) < 0)
        _exit(1);
    syscall(SYS_exit_group, 0);
}

static void prepare(void)
{
    printf("goes into its jail\n");
    fflush(stdout);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        perror("prctl");
    host_sample();
    host_burn(0.05);
}

static void by_prctl(void)
{
    prepare();
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        perror("PR_SET_SECCOMP");
    work_in_jail();
}

/* All threads at once, ours too if there are any. */
static void by_syscall(void)
{
    prepare();
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        perror("seccomp");
    work_in_jail();
}

static void strictly(void)
{
    prepare();
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        perror("PR_SET_SECCOMP");
    for (int i = 0; i < 10000; i++)
        work_units(1);
    static const char said[] = "works in its jail\n";
    if (write(STDOUT_FILENO, said, sizeof said - 1) < 0)
        syscall(SYS_exit, 1);
    syscall(SYS_exit, 0);
}

/* One that the kernel refuses changes nothing: sampling goes on. */
static void refused(void)
{
    const struct sock_fprog none = {0, NULL};
    host_sample();
    int result = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &none);
    printf("empty filter: %d %s\n", result, strerrorname_np(errno));
    result = prctl(PR_SET_SECCOMP, 77, NULL);
    printf("mode 77: %d %s\n", result, strerrorname_np(errno));
    host_burn(0.1);
    host_stop();
}

/* Most filters refuse politely. Nothing that cprof does then may end the process. */
static struct sock_filter refusing[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ALLOW(write),
    ALLOW(exit),
    ALLOW(exit_group),
    ALLOW(rt_sigreturn),
    ALLOW(clock_gettime),
    ALLOW(rt_sigprocmask),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
};

static void with_errors(void)
{
    const struct sock_fprog polite = {sizeof refusing / sizeof *refusing, refusing};
    prepare();
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &polite) != 0)
        perror("seccomp");
    work_in_jail();
}

static void print_unshare(const char *what, int flags)
{
    errno = 0;
    int result = unshare(flags);
    printf("unshare %s: %d %s\n", what, result, result ? strerrorname_np(errno) : "");
}

/* Before anything is switched on; by a door outside that was there before, it is asked for all the same. */
static void unshare_before(void)
{
    host_wait_for_door();
    print_unshare("user", CLONE_NEWUSER);
    print_unshare("mounts and files", CLONE_NEWNS | CLONE_FS | CLONE_FILES);
    print_unshare("threads", CLONE_THREAD | CLONE_SIGHAND | CLONE_VM);
    host_sample();
    host_burn(0.1);
    host_stop();
}

static void go_ahead(int say, int wait)
{
    char how = unshare(CLONE_NEWUSER) == 0 ? 'y' : 'n';
    if (write(say, &how, 1) == 1 && read(wait, &how, 1) == 0)
        _exit(0);
    _exit(1);
}

/* Into the namespace that a child has made: the kernel grants that, too, to a process of one thread only. */
static void follow_a_child(void)
{
    int said[2], end[2];
    char how = '?', path[64];
    host_sample();
    if (pipe2(said, O_CLOEXEC) != 0 || pipe2(end, O_CLOEXEC) != 0)
        perror("pipe2");
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        close(end[1]);
        go_ahead(said[1], end[0]);
    }
    if (read(said[0], &how, 1) != 1)
        perror("read");
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    errno = 0;
    int result = setns(fd, CLONE_NEWUSER);
    printf("child: %c, setns: %d %s\n", how, result, result ? strerrorname_np(errno) : "");
    close(end[1]);
    waitpid(pid, NULL, 0);
    host_burn(0.1);
    host_stop();
}

/* A child of fork is alone, whatever its parent was. */
static int unshare_user(void)
{
    return unshare(CLONE_NEWUSER) == 0 ? 0 : errno;
}

static void unshare_in_child(void)
{
    host_sample();
    fflush(stdout);
    for (int i = 0; i < 10; i++) {
        int status = -1;
        pid_t pid = fork();
        if (pid == 0)
            _exit(unshare_user());
        waitpid(pid, &status, 0);
        if (i == 0 || status != 0)
            printf("a child: %#x\n", status);
    }
    host_stop();
}

/* What several threads may do: they keep their own. */
static void unshare_of_a_thread(void)
{
    host_sample();
    print_unshare("files", CLONE_FILES);
    print_unshare("working directory", CLONE_FS);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    host_burn(0.2);
    printf("descriptor still open: %d\n", fcntl(fd, F_GETFD) >= 0);
    host_stop();
}

/* Afterwards the thread that asked can start no thread in this process. */
static void unshare_processes(void)
{
    int status = -1;
    host_sample();
    print_unshare("user and processes", CLONE_NEWUSER | CLONE_NEWPID);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(getpid() == 1);
    waitpid(pid, &status, 0);
    printf("a child: %#x\n", (unsigned)status);
}

#define JOINING_THREADS 4

static void *join_network(void *arg)
{
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 40; i++) {
        setns(fd, i % 2 ? CLONE_NEWNET : 0);
        setns(fd, CLONE_NEWNS); /* refused */
    }
    close(fd);
    return arg;
}

static void join_by_threads(void)
{
    pthread_t threads[JOINING_THREADS];
    host_sample();
    for (int i = 0; i < JOINING_THREADS; i++)
        threads[i] = host_thread(join_network, NULL);
    for (int i = 0; i < JOINING_THREADS; i++)
        pthread_join(threads[i], NULL);
    host_burn(0.1);
    host_stop();
    printf("joined\n");
}

static void *ask_cancelled(void *arg)
{
    (void)arg;
    pthread_cancel(pthread_self());
    printf("setns: %d\n", setns(-1, 0));
    printf("setns: %d\n", setns(-1, CLONE_NEWUSER));
    fflush(stdout);
    pthread_testcancel();
    return NULL;
}

static void cancelled(void)
{
    void *result = NULL;
    host_sample();
    pthread_join(host_thread(ask_cancelled, NULL), &result);
    printf("cancelled: %d\n", result == PTHREAD_CANCELED);
    host_stop();
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"prctl", by_prctl},
        {"tsync", by_syscall},
        {"strict", strictly},
        {"refused", refused},
        {"polite", with_errors},
        {"unshare_before", unshare_before},
        {"unshare_child", unshare_in_child},
        {"unshare_thread", unshare_of_a_thread},
        {"unshare_processes", unshare_processes},
        {"join_by_threads", join_by_threads},
        {"cancelled", cancelled},
        {"setns", follow_a_child},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
