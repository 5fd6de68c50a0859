/*
 * libcprof.so: what a program links. A thin front over libc alone; it opens the core when something is first
 * switched on, so that linking costs nothing until then, and with RTLD_LOCAL, so that nothing the core brings
 * (libdw, zlib, libevent) joins the program's own symbols.
 */
#include "api/core_table.h"
#include "api/cprof.h"
#include "base/say.h"
#include "door/open.h"
#include "door/vars.h"

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

PUBLIC int cprof_serve_with(const struct cprof_serve_options *options)
{
    if (open_is_disabled())
        return CPROF_ERR_DISABLED;
    const struct cprof_core *c = open_core();
    return c ? c->serve_with(options) : CPROF_ERR_NO_CORE;
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

static int handle(int what, const char *name, const struct cprof_http_request *req, struct cprof_http_response *res)
{
    if (open_is_disabled())
        return CPROF_ERR_DISABLED;
    const struct cprof_core *c = open_core();
    return c ? c->http_handle(what, name, req, res) : CPROF_ERR_NO_CORE;
}

PUBLIC int cprof_http_handle(const struct cprof_http_request *req, struct cprof_http_response *res)
{
    return handle(0, NULL, req, res);
}

PUBLIC int cprof_http_handle_profile(const char *name, const struct cprof_http_request *req,
                                     struct cprof_http_response *res)
{
    return handle(1, name, req, res);
}

PUBLIC int cprof_http_handle_vars(const struct cprof_http_request *req, struct cprof_http_response *res)
{
    return handle(2, NULL, req, res);
}

PUBLIC void cprof_http_response_free(struct cprof_http_response *res)
{
    const struct cprof_core *c = open_core_if_open();
    if (c)
        c->http_response_free(res);
}

PUBLIC int cprof_route(const char *path,
                       int (*fn)(const struct cprof_http_request *req, struct cprof_http_response *res, void *arg),
                       void *arg)
{
    if (open_is_disabled())
        return CPROF_ERR_DISABLED;
    const struct cprof_core *c = open_core();
    return c ? c->route(path, fn, arg) : CPROF_ERR_NO_CORE;
}

PUBLIC int cprof_http_set(struct cprof_http_response *res, const char *name, const char *value)
{
    const struct cprof_core *c = open_core_if_open();
    return c ? c->http_set(res, name, value) : CPROF_ERR_INVALID;
}

PUBLIC int cprof_http_write(struct cprof_http_response *res, const void *bytes, size_t n)
{
    const struct cprof_core *c = open_core_if_open();
    return c ? c->http_write(res, bytes, n) : CPROF_ERR_INVALID;
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
    if (open_error()[0] || vars_last_error()[0])
        return open_error()[0] ? open_error() : vars_last_error();
    return open_is_disabled() ? "switched off by CPROF_DISABLE" : "";
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
    const struct cprof_outside wanted = {.http = addr,
                                         .allow_remote = secure_getenv("CPROF_ALLOW_REMOTE"),
                                         .token_file = secure_getenv("CPROF_TOKEN_FILE"),
                                         .allow_host = secure_getenv("CPROF_ALLOW_HOST")};
    if (!c || c->serve_outside(&wanted) < 0)
        say("not serving: ", cprof_last_error(), NULL);
    else if (strncmp(addr, "unix:", 5) != 0 && strcmp(strrchr(addr, ':') ? strrchr(addr, ':') + 1 : addr, "0") == 0)
        say("serving http://", c->serve_outside_addr(), "/debug/pprof/", NULL);
}
