/*
 * A helper process of ours, started at any instruction of the host: in a signal handler, while other threads hold
 * whatever they hold. It shares our memory (as after vfork) and runs on a stack of its own, with descriptors of its
 * own, until it becomes another program. It raises no SIGCHLD, and the host's wait() does not see it.
 */
#ifndef CPROF_BASE_HELPER_H
#define CPROF_BASE_HELPER_H

/* Runs run(arg) in a helper, which may do there what a signal handler may, and waits for its end: what run returned
 * (the low 8 bits), 128 + the signal that killed it, or a negative errno where no helper was to be had. What comes from
 * the terminal is ignored in it. One at a time: the caller sees to that. */
int helper_run(int (*run)(void *arg), void *arg);

/* Inside a helper: runs a program and waits for it. Its exit code, or HELPER_NOT_THERE. */
int helper_execute(const char *path, const char *const argv[], const char *const envp[]);

#define HELPER_NOT_THERE 93

#endif
