/* Hosts that have an execvpe of their own, made of execvp as it is where libc has none; and that become another program
 * in a handler which blocks all signals. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "host.h"

extern char **environ;

int execvpe(const char *file, char *const argv[], char *const envp[])
{
    char **before = environ;
    environ = (char **)envp;
    int result = execvp(file, argv);
    environ = before;
    return result;
}

static void becomes_by_its_own(void)
{
    static char *const argv[] = {"sh", "-c", "exit 7", NULL};
    int status = -1;
    host_sample();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        execvpe("sh", argv, environ);
        _exit(1);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    printf("a child: %#x\n", status);
    execvpe("/nowhere/at/all", argv, environ);
    printf("itself: %s\n", strerror(errno));
    host_stop();
}

static void become(int sig)
{
    char *argv[] = {"again", "bare", "next", "-", NULL};
    (void)sig;
    host_burn(0.1);
    execv("/proc/self/exe", argv);
    _exit(1);
}

/* What pends for a thread pends for the program that it becomes. */
static void becomes_in_a_handler(void)
{
    struct sigaction action = {.sa_handler = become};
    sigfillset(&action.sa_mask);
    sigaction(SIGUSR2, &action, NULL);
    host_sample();
    raise(SIGUSR2);
}

/* A filter ends it for looking whether a file may be run: it never does. */
static void becomes_in_a_jail(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_faccessat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    char *argv[] = {"again", "bare", "next", "-", NULL};
    host_sample();
    host_stop();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        perror("prctl");
    execv("/proc/self/exe", argv);
}

static void next(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    printf("lives\n");
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"own", becomes_by_its_own},
        {"handler", becomes_in_a_handler},
        {"jailed", becomes_in_a_jail},
        {"next", next},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
