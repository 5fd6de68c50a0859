/*
 * exec and spawn. Before this process becomes another program what was sampled is written; the new image is profiled
 * on, children only where they are followed.
 */
#ifndef CPROF_HOOK_EXEC_H
#define CPROF_HOOK_EXEC_H

#include <spawn.h>
#include <stdbool.h>

int exec_path(const char *path, char *const argv[], char *const envp[]);
int exec_path_here(const char *path, char *const argv[]); /* with the environment as it is */
int exec_file(const char *file, char *const argv[], char *const envp[]);
int exec_file_here(const char *file, char *const argv[]);
int exec_descriptor(int fd, char *const argv[], char *const envp[]);
int exec_at(int dir, const char *path, char *const argv[], char *const envp[], int flags);
int exec_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
               char *const argv[], char *const envp[]);
int exec_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
                char *const argv[], char *const envp[]);

/* Is the next image of this process profiled, and its children? Neither, at first. */
void exec_profile(bool next_image, bool children);

#endif
