/* Descriptor tables that threads have for themselves: refused, and explained to TSan. */
#ifndef TABLES_H
#define TABLES_H

#include "check.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* TSan knows one table: a number that one thread closes and another one has in a table of its own is a race to it.
 * Reports in which a descriptor comes or goes are left out. */
#define BY(function) "race:interceptor_" #function "$\nrace:^" #function "$\n"
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return BY(open) BY(openat) BY(close) BY(socket) BY(accept) BY(accept4) BY(pipe2) BY(eventfd) BY(opendir)
        BY(fdopendir) BY(closedir) BY(fopen) BY(fclose) BY(dup2) BY(socketpair) BY(connect);
}

/* For a child process of its own: from here on close_range is missing, as on old kernels, or threads can have no table
 * of their own at all, as under some seccomp policies. */
__attribute__((unused)) static void refuse_close_range(bool unshare_too)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, unshare_too ? SYS_unshare : SYS_close_range, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof program / sizeof *program, .filter = program};
    CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_INT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

#endif
