/*
 * The functions that take the host's calls, with libc's own signatures; each goes to what entries_now() says.
 *
 * entries.c is compiled twice: for the preload stub under libc's names, which stand in for libc's (HOOK_EXPORT), and
 * for the core under names of its own, to which hook/got redirects the calls of loaded modules.
 */
#ifndef CPROF_HOOK_ENTRIES_H
#define CPROF_HOOK_ENTRIES_H

#include "hook/next.h"

#ifdef HOOK_EXPORT
#define ENTRY(name)   name
#define ENTRY_VISIBLE __attribute__((visibility("default")))
#else
#define ENTRY(name) entry_##name
#define ENTRY_VISIBLE
#endif

/* Whom calls go to now. The stub and the core each have their own. */
const struct hook_functions *entries_now(void);

/* NOLINTBEGIN(readability-redundant-declaration): under libc's names they are declared there already */
ENTRY_VISIBLE int ENTRY(execve)(const char *path, char *const argv[], char *const envp[]);
ENTRY_VISIBLE int ENTRY(execv)(const char *path, char *const argv[]);
ENTRY_VISIBLE int ENTRY(execvpe)(const char *file, char *const argv[], char *const envp[]);
ENTRY_VISIBLE int ENTRY(execvp)(const char *file, char *const argv[]);
ENTRY_VISIBLE int ENTRY(fexecve)(int fd, char *const argv[], char *const envp[]);
ENTRY_VISIBLE int ENTRY(execveat)(int dir, const char *path, char *const argv[], char *const envp[], int flags);
ENTRY_VISIBLE int ENTRY(execl)(const char *path, const char *first, ...);
ENTRY_VISIBLE int ENTRY(execlp)(const char *file, const char *first, ...);
ENTRY_VISIBLE int ENTRY(execle)(const char *path, const char *first, ...);
ENTRY_VISIBLE int ENTRY(posix_spawn)(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                                     const posix_spawnattr_t *attr, char *const argv[], char *const envp[]);
ENTRY_VISIBLE int ENTRY(posix_spawnp)(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                                      const posix_spawnattr_t *attr, char *const argv[], char *const envp[]);
ENTRY_VISIBLE int ENTRY(daemon)(int stay, int keep);
ENTRY_VISIBLE void ENTRY(_exit)(int status);
ENTRY_VISIBLE void ENTRY(_Exit)(int status);
ENTRY_VISIBLE int ENTRY(sigaction)(int sig, const struct sigaction *action, struct sigaction *old);
ENTRY_VISIBLE hook_handler ENTRY(signal)(int sig, hook_handler handler);
ENTRY_VISIBLE hook_handler ENTRY(bsd_signal)(int sig, hook_handler handler);
ENTRY_VISIBLE hook_handler ENTRY(ssignal)(int sig, hook_handler handler);
ENTRY_VISIBLE hook_handler ENTRY(sysv_signal)(int sig, hook_handler handler);
ENTRY_VISIBLE hook_handler ENTRY(__sysv_signal)(int sig, hook_handler handler);
ENTRY_VISIBLE hook_handler ENTRY(sigset)(int sig, hook_handler handler);
ENTRY_VISIBLE int ENTRY(sigignore)(int sig);
ENTRY_VISIBLE int ENTRY(siginterrupt)(int sig, int interrupts);
ENTRY_VISIBLE int ENTRY(sigprocmask)(int how, const sigset_t *set, sigset_t *old);
ENTRY_VISIBLE int ENTRY(pthread_sigmask)(int how, const sigset_t *set, sigset_t *old);
ENTRY_VISIBLE int ENTRY(prctl)(int option, ...);
ENTRY_VISIBLE int ENTRY(unshare)(int flags);
ENTRY_VISIBLE int ENTRY(setns)(int fd, int kind);
ENTRY_VISIBLE long ENTRY(syscall)(long number, ...);
/* NOLINTEND(readability-redundant-declaration) */

#endif
