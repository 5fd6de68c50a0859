/*
 * libcprof_preload.so: what `cprof run` preloads. It exports the intercepted functions (hook/entries), and opens the
 * core in the process that was started, in its later images, and in followed children; anywhere else it only passes
 * calls on.
 */
#include "base/definition.h"
#include "base/say.h"
#include "door/open.h"
#include "hook/entries.h"
#include "hook/environment.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

/* --- whom calls go on to ------------------------------------------------------------------------------------------ */

static struct hook_functions behind;
static _Atomic bool behind_is_known;
static _Atomic(const struct hook_functions *) taking;

/* Twice at once does no harm: both find the same. A function that this libc does not have stays NULL: then nobody could
 * be linked against it either. */
static const struct hook_functions *next(void)
{
    if (!atomic_load_explicit(&behind_is_known, memory_order_acquire)) {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a type, a member and a list of parameters */
#define FIND(result, name, arguments) behind.name = (result(*) arguments)definition_of(#name, _DYNAMIC);
        HOOK_FUNCTIONS(FIND)
        atomic_store_explicit(&behind_is_known, true, memory_order_release);
    }
    return &behind;
}

const struct hook_functions *entries_now(void)
{
    const struct hook_functions *functions = atomic_load_explicit(&taking, memory_order_acquire);
    return functions ? functions : next();
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
        wanted.serve.http = v;
    else if ((v = value_of(entry, "CPROF_RUN_ALLOW_REMOTE=")))
        wanted.serve.allow_remote = v;
    else if ((v = value_of(entry, "CPROF_RUN_TOKEN_FILE=")))
        wanted.serve.token_file = v;
    else if ((v = value_of(entry, "CPROF_RUN_ALLOW_HOST=")))
        wanted.serve.allow_host = v;
    else if ((v = value_of(entry, "CPROF_RUN_CPU_HZ=")))
        wanted.hz = atoi(v);
    else if ((v = value_of(entry, "CPROF_RUN_FOLLOW=")))
        wanted.follow = atoi(v);
    else if ((v = value_of(entry, "CPROF_RUN_PID=")))
        wanted.is_child = atoi(v) != getpid();
    else if ((v = value_of(entry, ENVIRONMENT_GENERATION)))
        wanted.generation = strchr(v, ':') && atoi(strchr(v, ':') + 1) == getpid() ? (unsigned)atoi(v) : 0;
}

/* Copies what is kept: the strings lie where the program may write. False where nothing is there, or too much. */
static bool read_environment(void)
{
    static char room[4 * PATH_MAX];
    size_t n = 0, used = 0;
    for (char **e = environ; e && *e; e++) {
        size_t bytes = strlen(*e) + 1;
        if (!value_of(*e, ENVIRONMENT_PREFIX))
            continue;
        if (bytes > sizeof room - used || n + 1 == ENVIRONMENT_KEPT_MAX)
            return false;
        char *copy = memcpy(room + used, *e, bytes);
        used += bytes;
        read_variable(copy);
        if (!value_of(copy, ENVIRONMENT_GENERATION))
            kept[n++] = copy;
    }
    wanted.environment = (const char *const *)kept;
    return n > 0;
}

/* The variables are taken out of the list in place, so that main's third argument and whoever else holds it find them
 * gone. What is kept moves up: behind the list's end lies the kernel's auxiliary vector, where some runtimes look for
 * it. The places that become free at its start, which environ no longer shows, repeat what is there. */
static void clean_environment(void)
{
    size_t n = 0;
    while (environ[n])
        n++;
    char **to = environ + n;
    for (char **from = environ + n; from-- > environ;) {
        char *libraries = value_of(*from, ENVIRONMENT_PRELOAD);
        bool drop = value_of(*from, ENVIRONMENT_PREFIX) != NULL;
        if (libraries && environment_drop_library(libraries, stub))
            drop = !*libraries;
        if (!drop)
            *--to = *from;
    }
    for (char **gap = environ; gap < to; gap++)
        *gap = *to ? *to : (char *)"";
    environ = to;
}

static bool find_stub(void)
{
    Dl_info self;
    return dladdr((void *)(uintptr_t)&find_stub, &self) &&
           snprintf(stub, sizeof stub, "%s", self.dli_fname) < (int)sizeof stub;
}

/* A program that brings an allocator and never does anything with threads: bash's and tcsh's own, and small ones that
 * take from sbrk. */
static bool allocates_alone(void)
{
    return definition_is_the_programs("malloc") && !definition_is_wanted_by_program("pthread_") &&
           !definition_is_wanted_by_program("thrd_") && !definition_is_wanted_by_program("mtx_");
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
    if (allocates_alone()) {
        say("not profiled: the program's own allocator knows no threads, and ours would allocate", NULL);
        return;
    }
    const struct cprof_core *core = open_core();
    if (!core) {
        say("not profiled: ", open_error(), NULL);
        return;
    }
    wanted.stub = stub;
    atomic_store_explicit(&taking, core->run(&wanted, next()), memory_order_release);
}
