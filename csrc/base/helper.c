#include "base/helper.h"

#include "base/any/mask.h"
#include "base/any/rawcall.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Not on the caller's: an alternate signal stack may be 2 KiB. */
static _Alignas(64) char helper_stack[64 << 10];
static _Alignas(64) char program_stack[16 << 10];

#define STACK_ENOUGH ((rlim_t)8 << 20)

struct start {
    int (*run)(void *arg);
    void *arg;
};

extern int __sigaction(int sig, const struct sigaction *action, struct sigaction *old);

/* The host's handlers must not run here: the memory is the host's. What somebody at the terminal does is for the
 * program, not for who writes its profile. */
static void settle_signals(void)
{
    static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTOU, SIGXFSZ, SIGPIPE};
    struct sigaction plain = {.sa_handler = SIG_DFL}, now;
    for (int sig = 1; sig < NSIG; sig++)
        if (__sigaction(sig, NULL, &now) == 0 && (sig == SIGCHLD || now.sa_handler != SIG_IGN))
            __sigaction(sig, &plain, NULL);
    plain.sa_handler = SIG_IGN;
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        __sigaction(ignored[i], &plain, NULL);
    mask_change(SIG_SETMASK, 0);
}

/* The host's soft limits are about the host: a stack of 64 KiB, or CPU time that is used up. */
static void raise_limits(void)
{
    static const int limits[] = {RLIMIT_STACK, RLIMIT_CPU, RLIMIT_AS, RLIMIT_DATA, RLIMIT_NOFILE};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit limit;
        if (getrlimit((__rlimit_resource_t)limits[i], &limit) != 0)
            continue;
        limit.rlim_cur = limit.rlim_max;
        if (limits[i] == RLIMIT_STACK && limit.rlim_cur > STACK_ENOUGH)
            limit.rlim_cur = STACK_ENOUGH;
        setrlimit((__rlimit_resource_t)limits[i], &limit);
    }
}

static int enter(void *arg)
{
    struct start *s = arg;
    settle_signals();
    raise_limits();
    _exit(s->run(s->arg));
}

static int wait_for(pid_t pid, int options)
{
    int status = 0;
    while (waitpid(pid, &status, options) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct program {
    const char *path;
    const char *const *argv, *const *envp;
};

/* By number: execve may be intercepted. */
static int become(void *arg)
{
    const struct program *p = arg;
    rawcall4(SYS_execve, (long)(uintptr_t)p->path, (long)(uintptr_t)p->argv, (long)(uintptr_t)p->envp, 0);
    _exit(HELPER_NOT_THERE);
}

int helper_execute(const char *path, const char *const argv[], const char *const envp[])
{
    struct program p = {path, argv, envp};
    pid_t pid = clone(become, program_stack + sizeof program_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &p);
    return pid < 0 ? HELPER_NOT_THERE : wait_for(pid, 0);
}

/* Exit signal 0: a child that raises nothing and that only __WCLONE waits for. exec would make it an ordinary one,
 * which is why it has a child of its own for that. */
int helper_run(int (*run)(void *arg), void *arg)
{
    struct start s = {run, arg};
    int cancel_state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    uint64_t before = mask_change(SIG_SETMASK, MASK_ALL);
    pid_t pid = clone(enter, helper_stack + sizeof helper_stack, CLONE_VM | CLONE_VFORK, &s);
    int result = pid < 0 ? -errno : wait_for(pid, __WCLONE);
    mask_change(SIG_SETMASK, before);
    pthread_setcancelstate(cancel_state, NULL);
    return result;
}
