#include "hook/exec.h"

#include "base/slab.h"
#include "hook/environment.h"
#include "hook/hooks.h"
#include "hook/signals.h"

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Larger environments go to pages; those of a vfork child's then stay with its parent. */
#define ON_STACK_MAX ((size_t)64 << 10)

static bool profile_next_image, profile_children;

void exec_profile(bool next_image, bool children)
{
    profile_next_image = next_image;
    profile_children = children;
}

/* A call of the exec family with everything but the environment. */
struct exec_call {
    int (*run)(const struct exec_call *call, char *const envp[]);
    const char *path;
    char *const *argv;
    int fd, flags;
    pid_t *pid;
    const posix_spawn_file_actions_t *actions;
    const posix_spawnattr_t *attr;
};

static int with_variables(const struct exec_call *call, char *const envp[], bool again)
{
    struct environment_plan plan = environment_plan(envp, again);
    bool small = plan.bytes <= ON_STACK_MAX;
    void *room = small ? alloca(plan.bytes) : slab_pages(plan.bytes);
    if (!room)
        return call->run(call, envp);
    int result = call->run(call, environment_fill(&plan, envp, room));
    if (!small) {
        int saved = errno;
        slab_pages_free(room, plan.bytes);
        errno = saved;
    }
    return result;
}

/* likely: the program is there and may be run. A shell tries each folder of PATH, and writing a profile before every
 * try would be dear. */
static int replace(const struct exec_call *call, char *const envp[], bool likely)
{
    bool here = hooks_are_for_here();
    int saved = errno;
    bool told = here && likely && hooks_tell_ending();
    bool changed = signals_before_exec();
    errno = saved;
    bool profiled = here ? profile_next_image : profile_children;
    int result = profiled ? with_variables(call, envp, here) : call->run(call, envp);
    saved = errno;
    if (changed)
        signals_after_failed_exec();
    if (told)
        hooks_tell_not_ended();
    errno = saved;
    return result;
}

static bool is_program(const char *path)
{
    return path && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

/* As execvp looks for it. */
static bool is_in_path(const char *file)
{
    const char *path = getenv("PATH");
    if (!file || !*file || strchr(file, '/'))
        return is_program(file);
    for (path = path ? path : "/bin:/usr/bin";; path++) {
        char full[PATH_MAX];
        size_t n = strcspn(path, ":"), file_n = strlen(file);
        if (n + 1 + file_n < sizeof full) {
            memcpy(full, path, n);
            full[n] = '/';
            memcpy(full + n + (n > 0), file, file_n + 1);
            if (is_program(full))
                return true;
        }
        path += n;
        if (!*path)
            return false;
    }
}

static int run_path(const struct exec_call *call, char *const envp[])
{
    return hook_next->execve(call->path, call->argv, envp);
}

int exec_path(const char *path, char *const argv[], char *const envp[])
{
    struct exec_call call = {.run = run_path, .path = path, .argv = argv};
    return replace(&call, envp, is_program(path));
}

static int run_file(const struct exec_call *call, char *const envp[])
{
    return hook_next->execvpe(call->path, call->argv, envp);
}

int exec_file(const char *file, char *const argv[], char *const envp[])
{
    struct exec_call call = {.run = run_file, .path = file, .argv = argv};
    return replace(&call, envp, is_in_path(file));
}

static int run_descriptor(const struct exec_call *call, char *const envp[])
{
    return hook_next->fexecve(call->fd, call->argv, envp);
}

int exec_descriptor(int fd, char *const argv[], char *const envp[])
{
    struct exec_call call = {.run = run_descriptor, .fd = fd, .argv = argv};
    return replace(&call, envp, fcntl(fd, F_GETFD) >= 0);
}

static int run_at(const struct exec_call *call, char *const envp[])
{
    return hook_next->execveat(call->fd, call->path, call->argv, envp, call->flags);
}

int exec_at(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    struct exec_call call = {.run = run_at, .fd = dir, .path = path, .argv = argv, .flags = flags};
    bool likely = path && (*path ? faccessat(dir, path, X_OK, 0) == 0 : fcntl(dir, F_GETFD) >= 0);
    return replace(&call, envp, likely);
}

static int run_spawn(const struct exec_call *call, char *const envp[])
{
    return hook_next->posix_spawn(call->pid, call->path, call->actions, call->attr, call->argv, envp);
}

static int run_spawnp(const struct exec_call *call, char *const envp[])
{
    return hook_next->posix_spawnp(call->pid, call->path, call->actions, call->attr, call->argv, envp);
}

static int spawn(const struct exec_call *call, char *const envp[])
{
    return profile_children ? with_variables(call, envp, false) : call->run(call, envp);
}

int exec_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
               char *const argv[], char *const envp[])
{
    struct exec_call call = {
        .run = run_spawn, .pid = pid, .path = path, .actions = actions, .attr = attr, .argv = argv};
    return spawn(&call, envp);
}

int exec_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
                char *const argv[], char *const envp[])
{
    struct exec_call call = {
        .run = run_spawnp, .pid = pid, .path = file, .actions = actions, .attr = attr, .argv = argv};
    return spawn(&call, envp);
}
