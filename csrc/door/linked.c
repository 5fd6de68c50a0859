/*
 * libcprof.so: what a program links. A thin front over libc alone; it opens the core when something is first
 * switched on, so that linking costs nothing until then, and with RTLD_LOCAL, so that nothing the core brings
 * (libdw, zlib, libevent) joins the program's own symbols.
 */
#include "api/core_table.h"
#include "api/cprof.h"
#include "base/say.h"
#include "door/open.h"

#include <stdlib.h>
#include <string.h>

#define PUBLIC __attribute__((visibility("default")))

PUBLIC int cprof_serve(const char *addr)
{
    if (open_is_disabled())
        return CPROF_ERR_DISABLED;
    const struct cprof_core *c = open_core();
    return c ? c->serve(addr) : CPROF_ERR_NO_CORE;
}

/* Calls that only make sense after a successful start do not open the core. */
PUBLIC const char *cprof_serve_addr(void)
{
    const struct cprof_core *c = open_core_if_open();
    return c ? c->serve_addr() : NULL;
}

PUBLIC int cprof_close(void)
{
    const struct cprof_core *c = open_core_if_open();
    return c ? c->close() : CPROF_ERR_NOT_RUNNING;
}

PUBLIC int cprof_cpu_start(int fd, int hz)
{
    if (open_is_disabled())
        return CPROF_ERR_DISABLED;
    const struct cprof_core *c = open_core();
    return c ? c->cpu_start(fd, hz) : CPROF_ERR_NO_CORE;
}

PUBLIC int cprof_cpu_stop(void)
{
    const struct cprof_core *c = open_core_if_open();
    return c ? c->cpu_stop() : CPROF_ERR_NOT_RUNNING;
}

PUBLIC int cprof_set_cpu_hz(int hz)
{
    const struct cprof_core *c = open_is_disabled() ? NULL : open_core();
    return c ? c->set_cpu_hz(hz) : 0;
}

PUBLIC int cprof_write(const char *kind, int fd, int debug)
{
    if (open_is_disabled())
        return CPROF_ERR_DISABLED;
    const struct cprof_core *c = open_core();
    return c ? c->write(kind, fd, debug) : CPROF_ERR_NO_CORE;
}

PUBLIC struct cprof_profile *cprof_profile_new(const char *name)
{
    const struct cprof_core *c = open_is_disabled() ? NULL : open_core();
    struct cprof_profile *p = NULL;
    return c && c->profile_new(name, &p) == CPROF_OK ? p : NULL;
}

PUBLIC struct cprof_profile *cprof_profile_lookup(const char *name)
{
    const struct cprof_core *c = open_is_disabled() ? NULL : open_core();
    return c ? c->profile_lookup(name) : NULL;
}

/* Of the next three every profile but NULL has come through here: the core is known, and nobody is asked for it, since
 * they are called often and from anywhere. */
PUBLIC __attribute__((noinline)) int cprof_profile_add(struct cprof_profile *p, const void *value, int skip)
{
    const struct cprof_core *c = open_core_known();
    struct here here = {0};
    HERE_NOW(&here);
    return c ? c->profile_add(p, value, skip, &here) : CPROF_ERR_INVALID;
}

PUBLIC int cprof_profile_remove(struct cprof_profile *p, const void *value)
{
    const struct cprof_core *c = open_core_known();
    return c ? c->profile_remove(p, value) : CPROF_OK;
}

PUBLIC int cprof_profile_count(struct cprof_profile *p)
{
    const struct cprof_core *c = open_core_known();
    return c ? c->profile_count(p) : 0;
}

PUBLIC const char *cprof_last_error(void)
{
    const struct cprof_core *c = open_core_if_open();
    if (c)
        return c->last_error();
    return open_error()[0] || !open_is_disabled() ? open_error() : "switched off by CPROF_DISABLE";
}

PUBLIC const char *cprof_version(void)
{
    return CPROF_VERSION;
}

/* The environment's door. Runs under the loader's lock: cprof_serve starts threads but waits for none. A program
 * that asked for port 0 can learn the port in no other way than from the line. */
__attribute__((constructor)) static void serve_if_asked(void)
{
    const char *addr = secure_getenv("CPROF_HTTP");
    if (!addr || !addr[0] || open_is_disabled())
        return;
    say_remember(secure_getenv("CPROF_LOG"));
    const struct cprof_core *c = open_core();
    if (!c || c->serve_outside(addr) < 0)
        say("not serving: ", cprof_last_error(), NULL);
    else if (strncmp(addr, "unix:", 5) != 0 && strcmp(strrchr(addr, ':') ? strrchr(addr, ':') + 1 : addr, "0") == 0)
        say("serving http://", c->serve_outside_addr(), "/debug/pprof/", NULL);
}
