/*
 * The functions of the host's that are intercepted, and whom each call goes on to: always the next one of its own name,
 * since a host's own execvpe may be made of execvp. Doors fill `next`: the preload stub
 * with the definitions behind its own, GOT patching with those that the patched callers had.
 */
#ifndef CPROF_HOOK_NEXT_H
#define CPROF_HOOK_NEXT_H

#include <signal.h>
#include <spawn.h>

typedef void (*hook_handler)(int);

/* HOOK(result, name, arguments): one line per function; those that libc makes of another, and of which nobody else has
 * one (execl, bsd_signal), are a door's business. */
#define HOOK_FUNCTIONS(HOOK)                                                                                           \
    HOOK(int, execve, (const char *path, char *const argv[], char *const envp[]))                                      \
    HOOK(int, execv, (const char *path, char *const argv[]))                                                           \
    HOOK(int, execvp, (const char *file, char *const argv[]))                                                          \
    HOOK(int, execvpe, (const char *file, char *const argv[], char *const envp[]))                                     \
    HOOK(int, fexecve, (int fd, char *const argv[], char *const envp[]))                                               \
    HOOK(int, execveat, (int dir, const char *path, char *const argv[], char *const envp[], int flags))                \
    HOOK(int, posix_spawn,                                                                                             \
         (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,     \
          char *const argv[], char *const envp[]))                                                                     \
    HOOK(int, posix_spawnp,                                                                                            \
         (pid_t * pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,     \
          char *const argv[], char *const envp[]))                                                                     \
    HOOK(int, daemon, (int stay, int keep))                                                                            \
    HOOK(void, _exit, (int status))                                                                                    \
    HOOK(int, sigaction, (int sig, const struct sigaction *action, struct sigaction *old))                             \
    HOOK(hook_handler, signal, (int sig, hook_handler handler))                                                        \
    HOOK(hook_handler, sysv_signal, (int sig, hook_handler handler))                                                   \
    HOOK(hook_handler, sigset, (int sig, hook_handler handler))                                                        \
    HOOK(int, sigignore, (int sig))                                                                                    \
    HOOK(int, siginterrupt, (int sig, int interrupts))                                                                 \
    HOOK(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old))                                              \
    HOOK(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *old))                                          \
    HOOK(int, prctl, (int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d))                 \
    HOOK(int, unshare, (int flags))                                                                                    \
    HOOK(int, setns, (int fd, int kind))                                                                               \
    HOOK(long, syscall, (long number, long a, long b, long c, long d, long e, long f))

/* NOLINTBEGIN(bugprone-macro-parentheses, readability-identifier-naming) */
#define HOOK_POINTER(result, name, arguments) result(*name) arguments;
struct hook_functions {
    HOOK_FUNCTIONS(HOOK_POINTER)
};
/* NOLINTEND(bugprone-macro-parentheses, readability-identifier-naming) */

#endif
