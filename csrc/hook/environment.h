/*
 * The variables that `cprof run` gave this process. The program does not see them (door/preload takes them out); they
 * are put back into what a program gets that shall be profiled too: the next image of this process, and, when children
 * are followed, those.
 */
#ifndef CPROF_HOOK_ENVIRONMENT_H
#define CPROF_HOOK_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#define ENVIRONMENT_PREFIX "CPROF_RUN_"
#define ENVIRONMENT_GENERATION                                                                                         \
    "CPROF_RUN_GENERATION=" /* how many images before this one, and of which process: "2:4711" */
#define ENVIRONMENT_PRELOAD  "LD_PRELOAD="
#define ENVIRONMENT_KEPT_MAX 12

/* Who gets it: the next image of this process, which goes on where this one ends; a child; a program that is not to be
 * profiled, whatever the given environment says. */
enum environment_use { ENVIRONMENT_AGAIN, ENVIRONMENT_CHILD, ENVIRONMENT_NONE };

struct environment_plan {
    size_t entries, bytes; /* room that environment_fill needs */
    const char *preload;   /* what the given environment preloads, "" for nothing */
    enum environment_use use;
};

/* kept: "NAME=value" of each variable with the prefix but the generation, ended by NULL; stub: the library's path. All
 * must live for ever. */
void environment_keep(const char *const *kept, const char *stub, unsigned generation);

/* Does envp hold the variables of another `cprof run`, that this process is about to become? They are left as they are.
 */
bool environment_is_anothers(char *const envp[]);

/* Puts the variables into envp: plan first, then fill with the room it asks for, of which the result is the new envp.
 * Any context. */
struct environment_plan environment_plan(char *const envp[], enum environment_use use);
char **environment_fill(const struct environment_plan *plan, char *const envp[], void *room);

/* Takes "path" out of a list of libraries, in place; true where it was there. */
bool environment_drop_library(char *list, const char *path);

#endif
