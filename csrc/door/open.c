#include "door/open.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static _Atomic(const struct cprof_core *) core;

/* Why the core could not be opened. Written once: later failures say the same. */
static char error[256];

bool open_is_disabled(void)
{
    const char *value = secure_getenv("CPROF_DISABLE");
    return value && value[0] && strcmp(value, "0") != 0;
}

/* One that another door has opened comes first, wherever it lies. Else the one beside this library. A bare name would
 * be looked for in the program's paths, which need not know ours; it is the last try, for installations that keep the
 * two apart. */
static void *open_library(void)
{
    Dl_info self;
    char path[4096];
    const char *slash;
    void *handle = dlopen(CPROF_CORE_NAME, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    if (handle)
        return handle;
    if (dladdr((void *)(uintptr_t)&open_library, &self) && (slash = strrchr(self.dli_fname, '/')) &&
        snprintf(path, sizeof path, "%.*s/%s", (int)(slash - self.dli_fname), self.dli_fname, CPROF_CORE_NAME) <
            (int)sizeof path &&
        access(path, F_OK) == 0)
        return dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return dlopen(CPROF_CORE_NAME, RTLD_NOW | RTLD_LOCAL);
}

static const struct cprof_core *table_of(void *handle)
{
    const struct cprof_core *(*ask)(uint32_t) = NULL;
    if (handle)
        ask = (const struct cprof_core *(*)(uint32_t))(uintptr_t)dlsym(handle, CPROF_CORE_SYMBOL);
    return ask ? ask(CPROF_CORE_ABI) : NULL;
}

/* A child of a fork that came while the core was being loaded has half of it, for ever: the loader takes it for whole.
 */
static _Atomic int loading; /* how many threads are at it */
static _Atomic pid_t loader;

static bool is_half(void)
{
    if (!atomic_load(&loading) || atomic_load(&loader) == getpid())
        return false;
    snprintf(error, sizeof error, "the program forked while another thread was loading " CPROF_CORE_NAME);
    return true;
}

/* Without a lock: two threads may open the core at once, the loader gives both the same one. */
const struct cprof_core *open_core(void)
{
    const struct cprof_core *table = open_core_if_open();
    if (table || is_half())
        return table;
    atomic_store(&loader, getpid());
    atomic_fetch_add(&loading, 1);
    void *handle = open_library();
    atomic_fetch_sub(&loading, 1);
    table = table_of(handle);
    if (!table) {
        const char *why = handle ? CPROF_CORE_NAME " is of another version" : dlerror();
        snprintf(error, sizeof error, "%s", why ? why : CPROF_CORE_NAME " cannot be opened");
        return NULL;
    }
    atomic_store_explicit(&core, table, memory_order_release);
    return table;
}

const struct cprof_core *open_core_if_open(void)
{
    const struct cprof_core *table = atomic_load_explicit(&core, memory_order_acquire);
    if (!table && !is_half() && (table = table_of(dlopen(CPROF_CORE_NAME, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD))))
        atomic_store_explicit(&core, table, memory_order_release);
    return table;
}

const struct cprof_core *open_core_known(void)
{
    return atomic_load_explicit(&core, memory_order_acquire);
}

const char *open_error(void)
{
    return error;
}
