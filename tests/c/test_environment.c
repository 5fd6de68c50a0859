/* The variables of `cprof run` in and out of an environment: one that is lost ends the profile at the next exec, one
 * too many is a library in a program that asked for none. */
#include "check.h"
#include "hook/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STUB "/lib/stub.so"

static const char *const kept[] = {"CPROF_RUN_PID=7", "CPROF_RUN_OUTPUT=/x y", NULL};

/* The value of name in envp; NULL where it is not there, "twice" where it is so. */
static const char *in(char **envp, const char *name)
{
    const char *found = NULL;
    for (size_t n = strlen(name); *envp; envp++)
        if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
            found = found ? "twice" : *envp + n + 1;
    return found ? found : "none";
}

static size_t count(char *const *envp)
{
    size_t n = 0;
    while (envp && envp[n])
        n++;
    return n;
}

/* The room is exactly what was asked for, so that a sanitizer sees what is written beyond. */
static char **filled(char *const *envp, bool again)
{
    struct environment_plan plan = environment_plan(envp, again ? ENVIRONMENT_AGAIN : ENVIRONMENT_CHILD);
    void *room = malloc(plan.bytes);
    if (!room)
        abort();
    memset(room, 0xaa, plan.bytes);
    return environment_fill(&plan, envp, room);
}

static void preloads(const char *given, const char *wanted)
{
    char variable[256];
    snprintf(variable, sizeof variable, "LD_PRELOAD=%s", given);
    char *envp[] = {"A=b", variable, NULL};
    char **out = filled(envp, false);
    CHECK_STR(in(out, "LD_PRELOAD"), wanted);
    free(out);
}

static void variables_come_back(void)
{
    char *envp[] = {"A=b", "CPROF_RUN_PID=9", "CPROF_RUN_STALE=1", "CPROF_HTTP=1", "C", NULL}, *none[] = {NULL};
    char generation[32];
    environment_keep(kept, STUB, 41);
    char **out = filled(envp, true);
    CHECK_STR(in(out, "A"), "b");
    CHECK_STR(in(out, "CPROF_HTTP"), "1");
    CHECK_STR(in(out, "CPROF_RUN_PID"), "7");
    CHECK_STR(in(out, "CPROF_RUN_OUTPUT"), "/x y");
    CHECK_STR(in(out, "CPROF_RUN_STALE"), "none");
    snprintf(generation, sizeof generation, "42:%d", getpid());
    CHECK_STR(in(out, "CPROF_RUN_GENERATION"), generation);
    CHECK_STR(in(out, "LD_PRELOAD"), STUB);
    CHECK_INT(count(out), 7);
    free(out);
    out = filled(none, false);
    CHECK_STR(in(out, "CPROF_RUN_GENERATION"), "0:0");
    CHECK_INT(count(out), 4);
    free(out);
    out = filled(NULL, true); /* as execve takes it on Linux */
    CHECK_INT(count(out), 4);
    free(out);
    environment_keep(kept, STUB, 4294967294u);
    out = filled(none, true);
    snprintf(generation, sizeof generation, "4294967295:%d", getpid());
    CHECK_STR(in(out, "CPROF_RUN_GENERATION"), generation);
    free(out);
}

static void what_was_preloaded_stays(void)
{
    preloads("", STUB);
    preloads("/a.so", STUB ":/a.so");
    preloads("/a.so:b.so", STUB ":/a.so:b.so");
    preloads("/a.so b.so", STUB ":/a.so b.so");
    preloads(STUB, STUB);
    preloads("/a.so:" STUB, "/a.so:" STUB);
    preloads("/a.so " STUB " b.so", "/a.so " STUB " b.so");
    preloads(STUB ".old", STUB ":" STUB ".old");
    preloads("/usr" STUB, STUB ":/usr" STUB);
    preloads("/usr" STUB ":" STUB, "/usr" STUB ":" STUB);
}

static void drops(const char *list, const char *wanted, bool was_there)
{
    char text[256];
    snprintf(text, sizeof text, "%s", list);
    CHECK_INT(environment_drop_library(text, STUB), was_there);
    CHECK_STR(text, wanted);
}

static void the_stub_is_taken_out(void)
{
    drops(STUB, "", true);
    drops(STUB ":/a.so", "/a.so", true);
    drops(STUB ":/a.so b.so", "/a.so b.so", true);
    drops("/a.so:" STUB, "/a.so", true);
    drops("/a.so " STUB " b.so", "/a.so b.so", true);
    drops("/a.so:" STUB ":b.so", "/a.so:b.so", true);
    drops("/usr" STUB ":" STUB, "/usr" STUB, true);
    drops("", "", false);
    drops("/a.so", "/a.so", false);
    drops(STUB ".old", STUB ".old", false);
    drops("/usr" STUB, "/usr" STUB, false);
}

int main(void)
{
    variables_come_back();
    what_was_preloaded_stays();
    the_stub_is_taken_out();
    return check_done();
}
