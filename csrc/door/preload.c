/*
 * libcprof_preload.so: what `cprof run` preloads. It defines the intercepted functions, and opens the core in the
 * process that was started, in its later images, and in followed children; anywhere else it only passes calls on.
 */
#include "base/say.h"
#include "door/next.h"
#include "door/open.h"
#include "hook/environment.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

/* Many arguments of execl are rare; what libc itself would put on the stack is put there too. */
#define ARGUMENTS_MAX 65536

extern char **environ;

PUBLIC hook_handler bsd_signal(int sig, hook_handler handler); /* <signal.h> shows it to old standards only */

/* --- whom calls go on to ------------------------------------------------------------------------------------------ */

static struct hook_functions behind;
static _Atomic bool behind_is_known;
static _Atomic(const struct hook_functions *) taking;

/* Twice at once does no harm: both find the same. A function that this libc does not have stays NULL: then nobody could
 * be linked against it either. */
static const struct hook_functions *next(void)
{
    if (!atomic_load_explicit(&behind_is_known, memory_order_acquire)) {
#define FIND(result, name, arguments) behind.name = (result(*) arguments)next_definition(#name);
        HOOK_FUNCTIONS(FIND)
        atomic_store_explicit(&behind_is_known, true, memory_order_release);
    }
    return &behind;
}

static const struct hook_functions *now(void)
{
    const struct hook_functions *functions = atomic_load_explicit(&taking, memory_order_acquire);
    return functions ? functions : next();
}

/* --- the intercepted functions ------------------------------------------------------------------------------------ */

PUBLIC int execve(const char *path, char *const argv[], char *const envp[])
{
    return now()->execve(path, argv, envp);
}

PUBLIC int execv(const char *path, char *const argv[])
{
    return now()->execve(path, argv, environ);
}

PUBLIC int execvpe(const char *file, char *const argv[], char *const envp[])
{
    return now()->execvpe(file, argv, envp);
}

PUBLIC int execvp(const char *file, char *const argv[])
{
    return now()->execvpe(file, argv, environ);
}

PUBLIC int fexecve(int fd, char *const argv[], char *const envp[])
{
    return now()->fexecve(fd, argv, envp);
}

PUBLIC int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    return now()->execveat(dir, path, argv, envp, flags);
}

/* How many there are, `first` included. It may be NULL, whatever its declaration promises. */
__attribute__((noinline)) static size_t count_arguments(const void *first, va_list more)
{
    size_t n = 0;
    for (const void *argument = first; argument; argument = va_arg(more, const char *))
        n++;
    return n;
}

/* The arguments behind `first`, with their NULL, into argv of the calling function, whose stack they are on. */
#define COLLECT(argv, list, first)                                                                                     \
    va_list list, counted;                                                                                             \
    va_start(list, first);                                                                                             \
    va_copy(counted, list);                                                                                            \
    size_t n_##argv = count_arguments(first, counted);                                                                 \
    va_end(counted);                                                                                                   \
    if (n_##argv > ARGUMENTS_MAX) {                                                                                    \
        va_end(list);                                                                                                  \
        errno = E2BIG;                                                                                                 \
        return -1;                                                                                                     \
    }                                                                                                                  \
    char **argv = __builtin_alloca((n_##argv + 1) * sizeof(char *));                                                   \
    argv[0] = (char *)(uintptr_t)(first);                                                                              \
    for (size_t i_ = 1; i_ <= n_##argv; i_++)                                                                          \
    argv[i_] = va_arg(list, char *)

PUBLIC int execl(const char *path, const char *first, ...)
{
    COLLECT(argv, list, first);
    va_end(list);
    return now()->execve(path, argv, environ);
}

PUBLIC int execlp(const char *file, const char *first, ...)
{
    COLLECT(argv, list, first);
    va_end(list);
    return now()->execvpe(file, argv, environ);
}

PUBLIC int execle(const char *path, const char *first, ...)
{
    COLLECT(argv, list, first);
    char *const *envp = va_arg(list, char *const *);
    va_end(list);
    return now()->execve(path, argv, envp);
}

PUBLIC int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
    return now()->posix_spawn(pid, path, actions, attr, argv, envp);
}

PUBLIC int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
    return now()->posix_spawnp(pid, file, actions, attr, argv, envp);
}

PUBLIC void _exit(int status)
{
    now()->_exit(status);
    __builtin_unreachable();
}

PUBLIC void _Exit(int status)
{
    now()->_exit(status);
    __builtin_unreachable();
}

PUBLIC int sigaction(int sig, const struct sigaction *action, struct sigaction *old)
{
    return now()->sigaction(sig, action, old);
}

PUBLIC hook_handler signal(int sig, hook_handler handler)
{
    return now()->signal(sig, handler);
}

PUBLIC hook_handler bsd_signal(int sig, hook_handler handler)
{
    return now()->signal(sig, handler);
}

PUBLIC hook_handler ssignal(int sig, hook_handler handler)
{
    return now()->signal(sig, handler);
}

PUBLIC hook_handler sysv_signal(int sig, hook_handler handler)
{
    return now()->sysv_signal(sig, handler);
}

PUBLIC hook_handler __sysv_signal(int sig, hook_handler handler)
{
    return now()->sysv_signal(sig, handler);
}

PUBLIC hook_handler sigset(int sig, hook_handler handler)
{
    return now()->sigset(sig, handler);
}

PUBLIC int sigignore(int sig)
{
    return now()->sigignore(sig);
}

PUBLIC int siginterrupt(int sig, int interrupts)
{
    return now()->siginterrupt(sig, interrupts);
}

PUBLIC int prctl(int option, ...)
{
    va_list list;
    va_start(list, option);
    unsigned long a = va_arg(list, unsigned long), b = va_arg(list, unsigned long), c = va_arg(list, unsigned long),
                  d = va_arg(list, unsigned long);
    va_end(list);
    return now()->prctl(option, a, b, c, d);
}

PUBLIC long syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long), d = va_arg(list, long),
         e = va_arg(list, long), f = va_arg(list, long);
    va_end(list);
    return now()->syscall(number, a, b, c, d, e, f);
}

/* --- what `cprof run` said ---------------------------------------------------------------------------------------- */

static struct cprof_run wanted;
static char *kept[ENVIRONMENT_KEPT_MAX];
static char stub[4096];

static char *value_of(char *entry, const char *name)
{
    size_t n = strlen(name);
    return strncmp(entry, name, n) == 0 ? entry + n : NULL;
}

static void read_variable(char *entry)
{
    char *v;
    if ((v = value_of(entry, "CPROF_RUN_OUTPUT=")))
        wanted.output = v;
    else if ((v = value_of(entry, "CPROF_RUN_HTTP=")))
        wanted.http = v;
    else if ((v = value_of(entry, "CPROF_RUN_CPU_HZ=")))
        wanted.hz = atoi(v);
    else if ((v = value_of(entry, "CPROF_RUN_FOLLOW=")))
        wanted.follow = atoi(v);
    else if ((v = value_of(entry, "CPROF_RUN_PID=")))
        wanted.is_child = atoi(v) != getpid();
    else if ((v = value_of(entry, ENVIRONMENT_GENERATION)))
        wanted.generation = (unsigned)atoi(v);
}

/* Copies what is kept: the strings lie where the program may write. */
static bool read_environment(void)
{
    size_t n = 0;
    for (char **e = environ; e && *e; e++) {
        if (!value_of(*e, ENVIRONMENT_PREFIX))
            continue;
        char *copy = strdup(*e);
        if (!copy)
            return false;
        read_variable(copy);
        if (!value_of(copy, ENVIRONMENT_GENERATION) && n + 1 < ENVIRONMENT_KEPT_MAX)
            kept[n++] = copy;
    }
    wanted.environment = (const char *const *)kept;
    return n > 0;
}

/* In place, so that whoever holds the list, main's third argument included, finds them gone. */
static void clean_environment(void)
{
    char **to = environ;
    for (char **from = environ; *from; from++) {
        char *libraries = value_of(*from, ENVIRONMENT_PRELOAD);
        bool drop = value_of(*from, ENVIRONMENT_PREFIX) != NULL;
        if (libraries && environment_drop_library(libraries, stub))
            drop = !*libraries;
        if (!drop)
            *to++ = *from;
    }
    *to = NULL;
}

static bool find_stub(void)
{
    Dl_info self;
    return dladdr((void *)(uintptr_t)&find_stub, &self) &&
           snprintf(stub, sizeof stub, "%s", self.dli_fname) < (int)sizeof stub;
}

/* Under the loader's lock: nothing here waits for a thread. With children followed the variables stay, since system()
 * and popen() pass on the environment as it is. */
__attribute__((constructor)) static void start(void)
{
    if (!find_stub() || !read_environment())
        return;
    if (!wanted.follow)
        clean_environment();
    if (open_is_disabled() || (wanted.is_child && !wanted.follow))
        return;
    say_remember(secure_getenv("CPROF_LOG"));
    const struct cprof_core *core = open_core();
    if (!core) {
        say("not profiled: ", open_error(), NULL);
        return;
    }
    wanted.stub = stub;
    atomic_store_explicit(&taking, core->run(&wanted, next()), memory_order_release);
}
