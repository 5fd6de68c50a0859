#include "hook/entries.h"

#include <alloca.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

/* Many arguments of execl are rare; what libc itself would put on the stack is put there too. */
#define ARGUMENTS_MAX 65536

ENTRY_VISIBLE int ENTRY(execve)(const char *path, char *const argv[], char *const envp[])
{
    return entries_now()->execve(path, argv, envp);
}

ENTRY_VISIBLE int ENTRY(execv)(const char *path, char *const argv[])
{
    return entries_now()->execv(path, argv);
}

ENTRY_VISIBLE int ENTRY(execvpe)(const char *file, char *const argv[], char *const envp[])
{
    return entries_now()->execvpe(file, argv, envp);
}

ENTRY_VISIBLE int ENTRY(execvp)(const char *file, char *const argv[])
{
    return entries_now()->execvp(file, argv);
}

ENTRY_VISIBLE int ENTRY(fexecve)(int fd, char *const argv[], char *const envp[])
{
    return entries_now()->fexecve(fd, argv, envp);
}

ENTRY_VISIBLE int ENTRY(execveat)(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    return entries_now()->execveat(dir, path, argv, envp, flags);
}

/* How many there are, `first` included. It may be NULL, whatever its declaration promises. */
__attribute__((noinline)) static size_t count_arguments(const void *first, va_list *more)
{
    size_t n = 0;
    for (const void *argument = first; argument; argument = va_arg(*more, const char *))
        n++;
    return n;
}

/* With the NULL behind them, which is taken from `more` too. */
static void copy_arguments(char **argv, size_t n, const char *first, va_list *more)
{
    argv[0] = (char *)(uintptr_t)first;
    for (size_t i = 1; i <= n; i++)
        argv[i] = va_arg(*more, char *);
}

/* The list is walked twice, first to count: room is on the caller's stack, where libc would take it too. */
#define COUNT(n, first)                                                                                                \
    do {                                                                                                               \
        va_list counted;                                                                                               \
        va_start(counted, first);                                                                                      \
        (n) = count_arguments(first, &counted);                                                                        \
        va_end(counted);                                                                                               \
        if ((n) > ARGUMENTS_MAX) {                                                                                     \
            errno = E2BIG;                                                                                             \
            return -1;                                                                                                 \
        }                                                                                                              \
    } while (0)

ENTRY_VISIBLE int ENTRY(execl)(const char *path, const char *first, ...)
{
    va_list list;
    size_t n;
    COUNT(n, first);
    char **argv = alloca((n + 1) * sizeof *argv);
    va_start(list, first);
    copy_arguments(argv, n, first, &list);
    va_end(list);
    return entries_now()->execv(path, argv);
}

ENTRY_VISIBLE int ENTRY(execlp)(const char *file, const char *first, ...)
{
    va_list list;
    size_t n;
    COUNT(n, first);
    char **argv = alloca((n + 1) * sizeof *argv);
    va_start(list, first);
    copy_arguments(argv, n, first, &list);
    va_end(list);
    return entries_now()->execvp(file, argv);
}

ENTRY_VISIBLE int ENTRY(execle)(const char *path, const char *first, ...)
{
    va_list list;
    size_t n;
    COUNT(n, first);
    char **argv = alloca((n + 1) * sizeof *argv);
    va_start(list, first);
    copy_arguments(argv, n, first, &list);
    char *const *envp = va_arg(list, char *const *);
    va_end(list);
    return entries_now()->execve(path, argv, envp);
}

ENTRY_VISIBLE int ENTRY(posix_spawn)(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                                     const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
    return entries_now()->posix_spawn(pid, path, actions, attr, argv, envp);
}

ENTRY_VISIBLE int ENTRY(posix_spawnp)(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                                      const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
    return entries_now()->posix_spawnp(pid, file, actions, attr, argv, envp);
}

ENTRY_VISIBLE int ENTRY(daemon)(int stay, int keep)
{
    return entries_now()->daemon(stay, keep);
}

ENTRY_VISIBLE void ENTRY(_exit)(int status)
{
    entries_now()->_exit(status);
    __builtin_unreachable();
}

ENTRY_VISIBLE void ENTRY(_Exit)(int status)
{
    entries_now()->_exit(status);
    __builtin_unreachable();
}

ENTRY_VISIBLE int ENTRY(sigaction)(int sig, const struct sigaction *action, struct sigaction *old)
{
    return entries_now()->sigaction(sig, action, old);
}

ENTRY_VISIBLE hook_handler ENTRY(signal)(int sig, hook_handler handler)
{
    return entries_now()->signal(sig, handler);
}

ENTRY_VISIBLE hook_handler ENTRY(bsd_signal)(int sig, hook_handler handler)
{
    return entries_now()->signal(sig, handler);
}

ENTRY_VISIBLE hook_handler ENTRY(ssignal)(int sig, hook_handler handler)
{
    return entries_now()->signal(sig, handler);
}

ENTRY_VISIBLE hook_handler ENTRY(sysv_signal)(int sig, hook_handler handler)
{
    return entries_now()->sysv_signal(sig, handler);
}

ENTRY_VISIBLE hook_handler ENTRY(__sysv_signal)(int sig, hook_handler handler)
{
    return entries_now()->sysv_signal(sig, handler);
}

ENTRY_VISIBLE hook_handler ENTRY(sigset)(int sig, hook_handler handler)
{
    return entries_now()->sigset(sig, handler);
}

ENTRY_VISIBLE int ENTRY(sigignore)(int sig)
{
    return entries_now()->sigignore(sig);
}

ENTRY_VISIBLE int ENTRY(siginterrupt)(int sig, int interrupts)
{
    return entries_now()->siginterrupt(sig, interrupts);
}

ENTRY_VISIBLE int ENTRY(sigprocmask)(int how, const sigset_t *set, sigset_t *old)
{
    return entries_now()->sigprocmask(how, set, old);
}

ENTRY_VISIBLE int ENTRY(pthread_sigmask)(int how, const sigset_t *set, sigset_t *old)
{
    return entries_now()->pthread_sigmask(how, set, old);
}

ENTRY_VISIBLE int ENTRY(prctl)(int option, ...)
{
    va_list list;
    va_start(list, option);
    unsigned long a = va_arg(list, unsigned long), b = va_arg(list, unsigned long), c = va_arg(list, unsigned long),
                  d = va_arg(list, unsigned long);
    va_end(list);
    return entries_now()->prctl(option, a, b, c, d);
}

ENTRY_VISIBLE int ENTRY(unshare)(int flags)
{
    return entries_now()->unshare(flags);
}

ENTRY_VISIBLE int ENTRY(setns)(int fd, int kind)
{
    return entries_now()->setns(fd, kind);
}

ENTRY_VISIBLE long ENTRY(syscall)(long number, ...)
{
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long), d = va_arg(list, long),
         e = va_arg(list, long), f = va_arg(list, long);
    va_end(list);
    return entries_now()->syscall(number, a, b, c, d, e, f);
}
