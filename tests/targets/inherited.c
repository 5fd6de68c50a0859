/* Prints everything a process gets from the one that started it.
 *
 *     inherited             prints it
 *     inherited secure      prints AT_SECURE alone
 *     inherited messy PROG  execs PROG with an environment that no shell would make
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void print_signals(void)
{
    sigset_t mask, pending;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigpending(&pending);
    for (int i = 1; i < NSIG; i++) {
        struct sigaction how;
        if (sigaction(i, NULL, &how) == 0)
            printf("signal %d %s%s%s\n", i, how.sa_handler == SIG_IGN ? "ignored" : "default",
                   sigismember(&mask, i) ? " blocked" : "", sigismember(&pending, i) ? " pending" : "");
    }
}

/* Numbers, flags, position and what they are open on, but for pipes, which differ from run to run; the directory
 * being read is our own. */
static void print_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(dir));) {
        int fd = atoi(entry->d_name);
        struct stat on;
        if (entry->d_name[0] == '.' || fd == dirfd(dir) || fstat(fd, &on))
            continue;
        printf("descriptor %d %#x %#x %lld %llu:%llu\n", fd, fcntl(fd, F_GETFD), fcntl(fd, F_GETFL),
               (long long)lseek(fd, 0, SEEK_CUR), (unsigned long long)on.st_dev,
               S_ISFIFO(on.st_mode) ? 0 : (unsigned long long)on.st_ino);
    }
    closedir(dir);
}

static void print_process(void)
{
    char cwd[4096];
    mode_t mask = umask(0);
    printf("cwd %s\numask %o\nnice %d\n", getcwd(cwd, sizeof cwd), mask, getpriority(PRIO_PROCESS, 0));
    printf("group leader %d session leader %d\n", getpgrp() == getpid(), getsid(0) == getpid());
    printf("ids %d %d %d %d\n", getuid(), geteuid(), getgid(), getegid());
    for (int i = 0; i < RLIMIT_NLIMITS; i++) {
        struct rlimit limit;
        getrlimit(i, &limit);
        printf("limit %d %llu %llu\n", i, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
    }
}

int main(int argc, char **argv)
{
    char *messy[] = {"TWICE=1", "PATH=/usr/bin:/bin", "=odd=3", "TWICE=2", "EMPTY=", "LATIN=\xe4", NULL};
    if (argc == 2 && strcmp(argv[1], "secure") == 0) {
        printf("%lu\n", getauxval(AT_SECURE));
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "messy") == 0) {
        execve(argv[2], argv + 2, messy);
        return 1;
    }
    for (int i = 0; i < argc; i++)
        printf("argument %s\n", argv[i]);
    for (char **e = environ; *e; e++)
        printf("environment %s\n", *e);
    print_signals();
    print_descriptors();
    print_process();
    return 42;
}
