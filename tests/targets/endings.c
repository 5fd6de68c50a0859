/*
 * Spends a little CPU time in `spend`, then ends, or does what else a program under `cprof run` may do before its end,
 * as its arguments say. Not linked with cprof.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "work.h"

extern char **environ;

static char *self; /* our own file */
static char **arguments;
static double seconds = 0.12; /* the engine may have to wait for a CPU */

__attribute__((noinline, no_icf)) static void spend(void)
{
    for (double end = work_thread_seconds() + seconds; work_thread_seconds() < end;)
        work_units(1);
    __asm__ volatile("");
}

__attribute__((noinline, no_icf)) static void spend_in_child(void)
{
    for (double end = work_thread_seconds() + seconds; work_thread_seconds() < end;)
        work_units(1);
    __asm__ volatile("");
}

__attribute__((noinline, no_icf)) static void spend_after(void)
{
    for (double end = work_thread_seconds() + seconds; work_thread_seconds() < end;)
        work_units(1);
    __asm__ volatile("");
}

static int number(int i)
{
    return atoi(arguments[i]);
}

/* --- a malloc that can be stopped for good ---------------------------------------------------------------------- */

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t n);
extern void __libc_free(void *p);

static volatile int frozen;

static void wait_for_the_lock(void)
{
    while (frozen)
        pause();
}

void *malloc(size_t n)
{
    wait_for_the_lock();
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    wait_for_the_lock();
    return __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
    wait_for_the_lock();
    return __libc_realloc(old, n);
}

void free(void *p)
{
    wait_for_the_lock();
    __libc_free(p);
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

static void *exit_from_thread(void *arg)
{
    (void)arg;
    exit(number(2));
}

static void end_from_thread(void *(*thread)(void *), int main_leaves)
{
    pthread_t t;
    pthread_create(&t, NULL, thread, NULL);
    if (main_leaves)
        pthread_exit(NULL);
    pthread_join(t, NULL);
}

static void exit_from_all_threads(void)
{
    pthread_t t;
    for (int i = 0; i < 8; i++)
        pthread_create(&t, NULL, exit_from_thread, NULL);
    exit(number(2));
}

static void *late_thread(void *arg)
{
    char state[64] = "";
    (void)arg;
    while (!strstr(state, ") Z")) { /* the main thread is gone */
        char path[64];
        snprintf(path, sizeof path, "/proc/self/task/%d/stat", getpid());
        int fd = open(path, O_RDONLY);
        state[read(fd, state, sizeof state - 1)] = '\0';
        close(fd);
    }
    spend();
    exit(number(2));
}

static volatile int *nowhere;

static void raise_signal(void)
{
    kill(getpid(), number(2));
    sleep(10);
}

static void reset_and_raise(int sig)
{
    static const char text[] = "handled\n";
    if (write(1, text, sizeof text - 1) < 0)
        _exit(99);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void handle_and_raise(void)
{
    signal(number(2), reset_and_raise);
    raise(number(2));
}

static void crash_with_ruined_heap(void)
{
    char *last = malloc(40);
    memset(last, 0x5a, 4096); /* the top of the heap, its size included */
    *nowhere = 1;
}

static void crash_while_malloc_is_locked(void)
{
    frozen = 1;
    *nowhere = 1;
}

static void out_of_cpu_time(void)
{
    struct rlimit limit = {.rlim_cur = 1, .rlim_max = 60};
    setrlimit(RLIMIT_CPU, &limit);
    for (;;)
        spend();
}

static void out_of_file_size(void)
{
    struct rlimit limit = {.rlim_cur = 1, .rlim_max = 1};
    setrlimit(RLIMIT_FSIZE, &limit);
}

/* --- exec ------------------------------------------------------------------------------------------------------------
 */

static void exec_by(const char *how, char *const argv[], char *const envp[])
{
    char *name = strrchr(self, '/') + 1;
    if (strcmp(how, "execve") == 0)
        execve(self, argv, envp);
    if (strcmp(how, "execv") == 0)
        execv(self, argv);
    if (strcmp(how, "execvpe") == 0)
        execvpe(name, argv, envp);
    if (strcmp(how, "execvp") == 0)
        execvp(name, argv);
    if (strcmp(how, "execl") == 0)
        execl(self, argv[0], argv[1], argv[2], NULL);
    if (strcmp(how, "execlp") == 0)
        execlp(name, argv[0], argv[1], argv[2], NULL);
    if (strcmp(how, "execle") == 0)
        execle(self, argv[0], argv[1], argv[2], NULL, envp);
    if (strcmp(how, "fexecve") == 0)
        fexecve(open(self, O_RDONLY), argv, envp);
    if (strcmp(how, "execveat") == 0)
        execveat(AT_FDCWD, self, argv, envp, 0);
    if (strcmp(how, "execveat-fd") == 0)
        execveat(open(self, O_RDONLY), "", argv, envp, AT_EMPTY_PATH);
    _exit(98);
}

static void exec_next(void)
{
    char *argv[] = {self, "after", arguments[3], NULL};
    exec_by(arguments[2], argv, environ);
}

static void *exec_thread(void *arg)
{
    (void)arg;
    exec_next();
    return NULL;
}

/* The images before the half of them spend three times as much. */
static void exec_chain(void)
{
    char left[16];
    snprintf(left, sizeof left, "%d", number(2) - 1);
    if (number(2) > 0)
        execl(self, self, "chain", left, arguments[3], NULL);
}

static void fail_to_exec(void)
{
    char *argv[] = {self, NULL}, *envp[] = {NULL};
    printf("%d", execv("/no/such/program", argv));
    printf(" %d\n", errno == ENOENT);
    printf("%d", execve("/etc/passwd", argv, envp));
    printf(" %d\n", errno == EACCES);
    printf("%d", execl("/", "/", NULL));
    printf(" %d\n", errno == EACCES);
    spend_after();
}

/* --- children --------------------------------------------------------------------------------------------------------
 */

static void child_end(const char *name)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    int found = 0;
    while (fgets(line, sizeof line, maps))
        found |= strstr(line, "libcprof_preload") != NULL;
    fclose(maps);
    spend_in_child();
    printf("%s: stub %s\n", name, found ? "there" : "not there");
    fflush(stdout);
}

static int wait_for(pid_t pid)
{
    int status;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 200;
}

static void fork_child(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        spend_in_child();
        exit(0);
    }
    printf("fork %d\n", wait_for(pid));
}

static void fork_exec_child(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        execl(self, self, "child", "fork and exec", NULL);
        _exit(97);
    }
    printf("fork and exec %d\n", wait_for(pid));
}

static void vfork_child(void)
{
    fflush(stdout);
    pid_t pid = vfork();
    if (!pid) {
        execl(self, self, "child", "vfork", NULL);
        _exit(97);
    }
    printf("vfork %d\n", wait_for(pid));
}

static void vfork_without_exec(void)
{
    pid_t pid = vfork();
    if (!pid)
        _exit(7);
    printf("vfork and _exit %d\n", wait_for(pid));
}

static void spawned_child(void)
{
    char *argv[] = {self, "child", "spawn", NULL};
    pid_t pid;
    fflush(stdout);
    printf("spawn %d", posix_spawn(&pid, self, NULL, NULL, argv, environ));
    printf(" %d\n", wait_for(pid));
}

static void system_child(void)
{
    char command[PATH_MAX + 32];
    fflush(stdout);
    snprintf(command, sizeof command, "exec '%s' child system", self);
    printf("system %d\n", WEXITSTATUS(system(command)));
    snprintf(command, sizeof command, "exec '%s' child popen", self);
    FILE *pipe = popen(command, "r");
    char line[256] = "";
    while (fgets(line, sizeof line, pipe))
        fputs(line, stdout);
    printf("popen %d\n", WEXITSTATUS(pclose(pipe)));
}

static void all_children(void)
{
    fork_child();
    fork_exec_child();
    vfork_child();
    vfork_without_exec();
    spawned_child();
    system_child();
}

/* --- surroundings
 * ----------------------------------------------------------------------------------------------------- */

static void print_environment(char **main_envp)
{
    for (char **e = environ; *e; e++)
        printf("%s\n", *e);
    printf("--\n");
    for (char **e = main_envp; *e; e++)
        printf("%s\n", *e);
    printf("--\n");
    fflush(stdout);
    if (system("/usr/bin/env") != 0)
        exit(96);
}

static void close_everything(void)
{
    for (int fd = 0; fd < 1024; fd++)
        close(fd);
}

static void become_nobody(void)
{
    struct passwd *nobody = getpwnam("nobody");
    if (setgid(nobody->pw_gid) != 0 || setuid(nobody->pw_uid) != 0)
        exit(95);
}

static void new_root(void)
{
    if (chroot(arguments[2]) != 0 || chdir("/") != 0)
        exit(95);
}

static void few_descriptors(void)
{
    int n = 0;
    while (open("/dev/null", O_RDONLY) >= 0)
        n++;
    printf("%d descriptors\n", n > 4);
}

static void read_terminal(void)
{
    char line[64] = "";
    int n = (int)read(0, line, sizeof line - 1);
    printf("session %d group %d foreground %d read %d %s", getsid(0) == getpid(), getpgrp() == getpid(),
           tcgetpgrp(0) == getpid(), n, line);
}

static void *keep_signalling(void *arg)
{
    (void)arg;
    for (;;)
        kill(getpid(), SIGTERM);
}

static const char *here(int argc, char **argv, char **envp)
{
    const char *how = argv[1];
    if (argc < 2)
        exit(2);
    if (!strcmp(how, "exit"))
        exit(number(2));
    if (!strcmp(how, "exit-thread"))
        end_from_thread(exit_from_thread, 0);
    if (!strcmp(how, "exit-threads"))
        exit_from_all_threads();
    if (!strcmp(how, "late-thread"))
        end_from_thread(late_thread, 1);
    if (!strcmp(how, "_exit"))
        _exit(number(2));
    if (!strcmp(how, "_Exit"))
        _Exit(number(2));
    if (!strcmp(how, "quick_exit"))
        quick_exit(number(2));
    if (!strcmp(how, "abort"))
        abort();
    if (!strcmp(how, "fault"))
        *nowhere = 1;
    if (!strcmp(how, "trap"))
        __builtin_trap();
    if (!strcmp(how, "signal"))
        raise_signal();
    if (!strcmp(how, "handled"))
        handle_and_raise();
    if (!strcmp(how, "ruined-heap"))
        crash_with_ruined_heap();
    if (!strcmp(how, "locked-malloc"))
        crash_while_malloc_is_locked();
    if (!strcmp(how, "cpu-time"))
        out_of_cpu_time();
    if (!strcmp(how, "file-size"))
        out_of_file_size();
    if (!strcmp(how, "exec"))
        exec_next();
    if (!strcmp(how, "exec-thread"))
        end_from_thread(exec_thread, 0);
    if (!strcmp(how, "chain"))
        exec_chain();
    if (!strcmp(how, "exec-fails"))
        fail_to_exec();
    if (!strcmp(how, "child"))
        child_end(arguments[2]);
    if (!strcmp(how, "children"))
        all_children();
    if (!strcmp(how, "fork"))
        fork_child();
    if (!strcmp(how, "environment"))
        print_environment(envp);
    if (!strcmp(how, "close"))
        close_everything();
    if (!strcmp(how, "nobody"))
        become_nobody();
    if (!strcmp(how, "chroot"))
        new_root();
    if (!strcmp(how, "chdir") && chdir("/") != 0)
        exit(95);
    if (!strcmp(how, "descriptors"))
        few_descriptors();
    if (!strcmp(how, "terminal"))
        read_terminal();
    if (!strcmp(how, "kill-while-ending")) {
        pthread_t t;
        pthread_create(&t, NULL, keep_signalling, NULL);
        exit(0);
    }
    return how;
}

/* What each image spends before it does what it is told. */
static void spend_at_first(const char *how)
{
    if (!strcmp(how, "after"))
        spend_after();
    else if (!strcmp(how, "chain") && number(2) >= number(3))
        for (int i = 0; i < 3; i++)
            spend();
    else if (!strcmp(how, "chain"))
        spend_after();
    else if (strcmp(how, "child") && strcmp(how, "environment") && strcmp(how, "late-thread"))
        spend();
}

int main(int argc, char **argv, char **envp)
{
    static char file[PATH_MAX];
    if (argc < 2 || readlink("/proc/self/exe", file, sizeof file - 1) < 0)
        return 2;
    self = file;
    arguments = argv;
    printf("%s\n", argv[1]);
    fflush(stdout);
    spend_at_first(argv[1]);
    here(argc, argv, envp);
    if (!strcmp(argv[1], "after"))
        return number(2);
    return 0;
}
