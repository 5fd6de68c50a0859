/*
 * libcprof.so: what a program links. A thin front over libc alone; it opens the core when something is first
 * switched on, so that linking costs nothing until then, and with RTLD_LOCAL, so that nothing the core brings
 * (libdw, zlib, libevent) joins the program's own symbols.
 */
#include "api/core_table.h"
#include "api/cprof.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CORE_NAME "libcprof_core.so"
#define PUBLIC    __attribute__((visibility("default")))

static _Atomic(const struct cprof_core *) core;

/* Why the core could not be opened. Written once: later failures say the same. */
static char open_error[256];

static int disabled(void)
{
    const char *value = secure_getenv("CPROF_DISABLE");
    return value && value[0] && strcmp(value, "0") != 0;
}

/* The core lies beside this library. A bare name would be looked for in the program's paths, which need not
 * know ours; it is the second try, for installations that keep the two apart. */
static void *open_core(void)
{
    Dl_info self;
    char path[4096];
    const char *slash;
    if (dladdr((void *)(uintptr_t)&open_core, &self) && (slash = strrchr(self.dli_fname, '/')) &&
        snprintf(path, sizeof path, "%.*s/%s", (int)(slash - self.dli_fname), self.dli_fname, CORE_NAME) <
            (int)sizeof path &&
        access(path, F_OK) == 0)
        return dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return dlopen(CORE_NAME, RTLD_NOW | RTLD_LOCAL);
}

/* Without a lock: two threads may open the core at once, the loader gives both the same one. */
static const struct cprof_core *get_core(void)
{
    const struct cprof_core *table = atomic_load_explicit(&core, memory_order_acquire);
    if (table)
        return table;
    void *handle = open_core();
    const struct cprof_core *(*ask)(uint32_t) = NULL;
    if (handle)
        ask = (const struct cprof_core *(*)(uint32_t))(uintptr_t)dlsym(handle, CPROF_CORE_SYMBOL);
    table = ask ? ask(CPROF_CORE_ABI) : NULL;
    if (!table) {
        const char *why = handle ? CORE_NAME " is of another version" : dlerror();
        snprintf(open_error, sizeof open_error, "%s", why ? why : CORE_NAME " cannot be opened");
        return NULL;
    }
    atomic_store_explicit(&core, table, memory_order_release);
    return table;
}

PUBLIC int cprof_serve(const char *addr)
{
    if (disabled())
        return CPROF_ERR_DISABLED;
    const struct cprof_core *c = get_core();
    return c ? c->serve(addr) : CPROF_ERR_NO_CORE;
}

/* Calls that only make sense after a successful start do not open the core. */
PUBLIC const char *cprof_serve_addr(void)
{
    const struct cprof_core *c = atomic_load_explicit(&core, memory_order_acquire);
    return c ? c->serve_addr() : NULL;
}

PUBLIC int cprof_close(void)
{
    const struct cprof_core *c = atomic_load_explicit(&core, memory_order_acquire);
    return c ? c->close() : CPROF_ERR_NOT_RUNNING;
}

PUBLIC int cprof_cpu_start(int fd, int hz)
{
    if (disabled())
        return CPROF_ERR_DISABLED;
    const struct cprof_core *c = get_core();
    return c ? c->cpu_start(fd, hz) : CPROF_ERR_NO_CORE;
}

PUBLIC int cprof_cpu_stop(void)
{
    const struct cprof_core *c = atomic_load_explicit(&core, memory_order_acquire);
    return c ? c->cpu_stop() : CPROF_ERR_NOT_RUNNING;
}

PUBLIC int cprof_set_cpu_hz(int hz)
{
    const struct cprof_core *c = disabled() ? NULL : get_core();
    return c ? c->set_cpu_hz(hz) : 0;
}

PUBLIC const char *cprof_last_error(void)
{
    const struct cprof_core *c = atomic_load_explicit(&core, memory_order_acquire);
    if (c)
        return c->last_error();
    return open_error[0] || !disabled() ? open_error : "switched off by CPROF_DISABLE";
}

PUBLIC const char *cprof_version(void)
{
    return CPROF_VERSION;
}

/* CPROF_LOG: "off", or a file that gets the line instead of stderr. */
static void say(const char *format, const char *what, const char *more)
{
    char line[512];
    int n = snprintf(line, sizeof line, format, what, more);
    const char *log = secure_getenv("CPROF_LOG");
    if (n <= 0 || (log && strcmp(log, "off") == 0))
        return;
    FILE *f = log && log[0] ? fopen(log, "ae") : NULL;
    if (f) {
        fputs(line, f);
        fclose(f);
    } else {
        ssize_t ignored = write(STDERR_FILENO, line, strlen(line));
        (void)ignored;
    }
}

/* The environment's door. Runs under the loader's lock: cprof_serve starts threads but waits for none. A program
 * that asked for port 0 can learn the port in no other way than from the line. */
__attribute__((constructor)) static void serve_if_asked(void)
{
    const char *addr = secure_getenv("CPROF_HTTP");
    if (!addr || !addr[0] || disabled())
        return;
    if (cprof_serve(addr) < 0)
        say("cprof: not serving on %s: %s\n", addr, cprof_last_error());
    else if (strcmp(strrchr(addr, ':') ? strrchr(addr, ':') + 1 : addr, "0") == 0)
        say("cprof: serving http://%s/debug/pprof/%s\n", cprof_serve_addr(), "");
}
