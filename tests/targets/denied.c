/* Works for a second of CPU, three parts of four in `three`, under a profile at 1,000 Hz into argv[1], as who is not
 * root. perf_event_open, and a debugger's way to read memory, fail with errno argv[2]; with 0 they are left alone, with
 * -1 they kill. */
#include <cprof.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "work.h"

#define NOBODY 65534

__attribute__((noinline)) static void three(void)
{
    work_units(3);
    __asm__ volatile("# three");
}

__attribute__((noinline)) static void one(void)
{
    work_units(1);
    __asm__ volatile("# one");
}

static int deny(int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, error < 0 ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    int out = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (geteuid() == 0 && (setgid(NOBODY) || setuid(NOBODY)))
        return 3;
    if (atoi(argv[2]) && deny(atoi(argv[2])))
        return 4;
    if (cprof_cpu_start(out, 1000) != 0) {
        fprintf(stderr, "%s\n", cprof_last_error());
        return 1;
    }
    if (cprof_labels_push("kind", "denied") != 0 || cprof_write("goroutine", out, 0) != 0)
        return 5;
    if (ftruncate(out, 0) != 0 || lseek(out, 0, SEEK_SET) != 0)
        return 6;
    double before = work_thread_seconds();
    while (work_thread_seconds() < before + 1) {
        three();
        one();
    }
    printf("cpu %.3f\n", work_thread_seconds() - before);
    return cprof_cpu_stop() == 0 ? 0 : 1;
}
