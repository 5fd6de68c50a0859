#include "api/profiles.h"

#include "base/thread.h"
#include "encode/named.h"
#include "http/routes.h"
#include "sampler/custom.h"

#include <string.h>

/* A handle is the custom profile itself, or the kind of a built-in one. */
static bool is_builtin(const struct cprof_profile *p, struct named *out)
{
    return named_of(p, out);
}

/* What the server knows by that name. "ui" and what is below is a page of its own. */
static bool is_route(const char *name)
{
    for (const struct route *r = routes; r->name; r++)
        if (strcmp(r->name, name) == 0)
            return true;
    return strcmp(name, "cpu") == 0 || strcmp(name, "ui") == 0 || strncmp(name, "ui/", 3) == 0;
}

enum status profiles_new(const char *name, struct cprof_profile **out, struct reason *why)
{
    struct named taken;
    struct custom *c = NULL;
    if (thread_is_forbidden())
        return status_because(why, STATUS_UNSUPPORTED, "the program has restricted its system calls (seccomp)");
    if (name && (is_route(name) || named_find(name, strlen(name), &taken)))
        return status_because(why, STATUS_INVALID, "pprof: NewProfile name already in use: %s", name);
    enum status status = custom_new(name ? name : "", &c, why);
    *out = (struct cprof_profile *)c;
    return status;
}

struct cprof_profile *profiles_lookup(const char *name)
{
    struct named found;
    if (!name || !named_find(name, strlen(name), &found))
        return NULL;
    return found.custom ? (struct cprof_profile *)found.custom : (struct cprof_profile *)(uintptr_t)found.kind;
}

enum status profiles_add(struct cprof_profile *p, const void *value, int skip, const struct here *from,
                         struct reason *why)
{
    struct named builtin;
    if (!p)
        return status_because(why, STATUS_INVALID, "pprof: use of uninitialized Profile");
    if (is_builtin(p, &builtin))
        return status_because(why, STATUS_INVALID, "pprof: Add called on built-in Profile %s", builtin.name);
    return custom_add((struct custom *)p, value, skip, from, why);
}

void profiles_remove(struct cprof_profile *p, const void *value)
{
    struct named builtin;
    if (p && !is_builtin(p, &builtin))
        custom_remove((struct custom *)p, value);
}

uint64_t profiles_count(const struct cprof_profile *p)
{
    struct named builtin;
    if (!p)
        return 0;
    return is_builtin(p, &builtin) ? named_count(&builtin) : custom_count((const struct custom *)p);
}

/* --- snapshots ---------------------------------------------------------------------------------------------------- */

struct writing {
    const struct named *profile;
    int64_t debug;
    struct buf *out;
    struct reason why;
    enum status status;
};

static void write_thread(void *arg)
{
    struct writing *w = arg;
    w->status = named_write(w->profile, w->debug, NAMING_WITH, w->out, &w->why);
}

static enum status find_written(const char *kind, struct named *out, struct reason *why)
{
    if (kind && named_find(kind, strlen(kind), out))
        return STATUS_OK;
    if (kind && (strcmp(kind, "cpu") == 0 || strcmp(kind, "profile") == 0))
        return status_because(
            why, STATUS_INVALID,
            "a cpu profile is recorded, not written as it stands: cprof_cpu_start and cprof_cpu_stop");
    return status_because(why, STATUS_INVALID, "there is no profile named %.100s", kind ? kind : "NULL");
}

enum status profiles_write(const char *kind, int64_t debug, struct buf *out, struct reason *why)
{
    struct named profile;
    struct writing w = {.profile = &profile, .debug = debug, .out = out};
    enum status status = find_written(kind, &profile, why);
    if (!status)
        status = thread_run("cprof-write", write_thread, &w, why);
    if (status)
        return status;
    return w.status ? status_because(why, w.status, "%s", w.why.text) : STATUS_OK;
}
