#include "hook/exec.h"

#include "base/say.h"
#include "base/slab.h"
#include "hook/environment.h"
#include "hook/hooks.h"
#include "hook/program.h"
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

static int with_variables(const struct exec_call *call, char *const envp[], enum environment_use use)
{
    struct environment_plan plan = environment_plan(envp, use);
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

/* found: the program's file, where it is known. */
static int run_profiled(const struct exec_call *call, char *const envp[], const char *found, enum environment_use use)
{
    if (environment_is_anothers(envp))
        return call->run(call, envp);
    const char *why = program_unfit(found);
    if (!why)
        return with_variables(call, envp, use);
    say(found, " runs unprofiled: ", why, NULL);
    return with_variables(call, envp, ENVIRONMENT_NONE);
}

/* found: NULL where it is not there, or may not be run. A shell tries each folder of PATH, and writing a profile before
 * every try would be dear. */
static int replace(const struct exec_call *call, char *const envp[], bool likely, const char *found)
{
    bool here = hooks_are_for_here();
    int saved = errno;
    bool told = here && likely && hooks_tell_ending();
    bool held = here && signals_hold_ticks(), changed = signals_before_exec();
    errno = saved;
    bool profiled = here ? profile_next_image : profile_children;
    int result = profiled ? run_profiled(call, envp, found, here ? ENVIRONMENT_AGAIN : ENVIRONMENT_CHILD)
                          : call->run(call, envp);
    saved = errno;
    if (changed)
        signals_after_failed_exec();
    if (held)
        hooks_tell_unblocked();
    if (told)
        hooks_tell_not_ended();
    errno = saved;
    return result;
}

static bool is_program(const char *path)
{
    return path && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

/* As execvp looks for it: the file, in full, or NULL. */
static const char *find_in_path(const char *file, char full[PATH_MAX])
{
    const char *path = getenv("PATH");
    if (!file || !*file || strchr(file, '/'))
        return is_program(file) ? file : NULL;
    for (path = path ? path : "/bin:/usr/bin";; path++) {
        size_t n = strcspn(path, ":"), file_n = strlen(file);
        if (n + 1 + file_n < PATH_MAX) {
            memcpy(full, path, n);
            full[n] = '/';
            memcpy(full + n + (n > 0), file, file_n + 1);
            if (is_program(full))
                return full;
        }
        path += n;
        if (!*path)
            return NULL;
    }
}

static int run_path(const struct exec_call *call, char *const envp[])
{
    return hook_next->execve(call->path, call->argv, envp);
}

/* With an environment of ours it cannot be what it was. */
static int run_path_here(const struct exec_call *call, char *const envp[])
{
    return envp == environ ? hook_next->execv(call->path, call->argv) : run_path(call, envp);
}

static int replace_by_path(const struct exec_call *call, char *const envp[])
{
    if (hooks_are_over()) /* even to look for the file may be forbidden */
        return call->run(call, envp);
    bool there = is_program(call->path);
    return replace(call, envp, there, there ? call->path : NULL);
}

int exec_path(const char *path, char *const argv[], char *const envp[])
{
    struct exec_call call = {.run = run_path, .path = path, .argv = argv};
    return replace_by_path(&call, envp);
}

int exec_path_here(const char *path, char *const argv[])
{
    struct exec_call call = {.run = run_path_here, .path = path, .argv = argv};
    return replace_by_path(&call, environ);
}

static int run_file(const struct exec_call *call, char *const envp[])
{
    return hook_next->execvpe(call->path, call->argv, envp);
}

static int run_file_here(const struct exec_call *call, char *const envp[])
{
    return envp == environ ? hook_next->execvp(call->path, call->argv) : run_file(call, envp);
}

static int replace_by_file(const struct exec_call *call, char *const envp[])
{
    if (hooks_are_over())
        return call->run(call, envp);
    char full[PATH_MAX];
    const char *found = find_in_path(call->path, full);
    return replace(call, envp, found != NULL, found);
}

int exec_file(const char *file, char *const argv[], char *const envp[])
{
    struct exec_call call = {.run = run_file, .path = file, .argv = argv};
    return replace_by_file(&call, envp);
}

int exec_file_here(const char *file, char *const argv[])
{
    struct exec_call call = {.run = run_file_here, .path = file, .argv = argv};
    return replace_by_file(&call, environ);
}

static int run_descriptor(const struct exec_call *call, char *const envp[])
{
    return hook_next->fexecve(call->fd, call->argv, envp);
}

int exec_descriptor(int fd, char *const argv[], char *const envp[])
{
    struct exec_call call = {.run = run_descriptor, .fd = fd, .argv = argv};
    if (hooks_are_over())
        return call.run(&call, envp);
    return replace(&call, envp, fcntl(fd, F_GETFD) >= 0, NULL);
}

static int run_at(const struct exec_call *call, char *const envp[])
{
    return hook_next->execveat(call->fd, call->path, call->argv, envp, call->flags);
}

int exec_at(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    struct exec_call call = {.run = run_at, .fd = dir, .path = path, .argv = argv, .flags = flags};
    if (hooks_are_over())
        return call.run(&call, envp);
    bool likely = path && (*path ? faccessat(dir, path, X_OK, 0) == 0 : fcntl(dir, F_GETFD) >= 0);
    return replace(&call, envp, likely, dir == AT_FDCWD && path && *path ? path : NULL);
}

static int run_spawn(const struct exec_call *call, char *const envp[])
{
    return hook_next->posix_spawn(call->pid, call->path, call->actions, call->attr, call->argv, envp);
}

static int run_spawnp(const struct exec_call *call, char *const envp[])
{
    return hook_next->posix_spawnp(call->pid, call->path, call->actions, call->attr, call->argv, envp);
}

static int spawn(const struct exec_call *call, char *const envp[], const char *found)
{
    return profile_children ? run_profiled(call, envp, found, ENVIRONMENT_CHILD) : call->run(call, envp);
}

int exec_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
               char *const argv[], char *const envp[])
{
    struct exec_call call = {
        .run = run_spawn, .pid = pid, .path = path, .actions = actions, .attr = attr, .argv = argv};
    return spawn(&call, envp, path);
}

int exec_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
                char *const argv[], char *const envp[])
{
    struct exec_call call = {
        .run = run_spawnp, .pid = pid, .path = file, .actions = actions, .attr = attr, .argv = argv};
    char full[PATH_MAX];
    return spawn(&call, envp, profile_children ? find_in_path(file, full) : NULL);
}
