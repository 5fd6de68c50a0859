/*
 * Hosts whose plugins the loader finds by the RUNPATH of who asks: of this program, and of a plugin (plugin_outer.c).
 * To whoever wraps dlopen the caller is the wrapper, which has no such RUNPATH.
 */
#include <dlfcn.h>
#include <libgen.h>
#include <link.h>

#include "host.h"

#define OUTER "libhost_outer.so"
#define INNER "libhost_inner.so"

static const char *file_of(void *handle)
{
    struct link_map *map = NULL;
    static char path[4096];
    if (!handle || dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0)
        return "nothing";
    snprintf(path, sizeof path, "%s", map->l_name);
    return basename(path);
}

static void print_opened(const char *how, void *handle)
{
    const char *error = handle ? "" : dlerror();
    printf("%s: %s%s\n", how, handle ? file_of(handle) : "", error ? error : "no error");
}

static void print_says(void *handle, const char *function)
{
    const char *(*says)(void) = handle ? (const char *(*)(void))dlsym(handle, function) : NULL;
    printf("%s: %s\n", function, says ? says() : "missing");
}

static void open_plugins(void)
{
    print_opened("not loaded yet", dlopen(OUTER, RTLD_NOW | RTLD_NOLOAD));
    void *outer = dlopen(OUTER, RTLD_NOW | RTLD_LOCAL);
    print_opened("dlopen", outer);
    print_opened("loaded", dlopen(OUTER, RTLD_NOW | RTLD_NOLOAD));
    print_says(outer, "plugin_says");
    print_opened("before its host asks", dlopen(INNER, RTLD_NOW));
    print_says(outer, "plugin_inner_says");
    print_opened("from elsewhere", dlopen("libhost_missing.so", RTLD_NOW));
    printf("in the global scope: %s\n", dlsym(RTLD_DEFAULT, "plugin_says") ? "yes" : "no");
    dlclose(outer);
}

/* A namespace of its own, where nothing of ours is. */
static void open_in_a_namespace(void)
{
    void *outer = dlmopen(LM_ID_NEWLM, OUTER, RTLD_NOW | RTLD_LOCAL);
    Lmid_t id = 0;
    print_opened("dlmopen", outer);
    print_says(outer, "plugin_says");
    print_says(outer, "plugin_inner_says");
    printf("its own namespace: %s\n", outer && dlinfo(outer, RTLD_DI_LMID, &id) == 0 && id != 0 ? "yes" : "no");
    if (outer)
        dlclose(outer);
}

static void found_by_runpath(void)
{
    host_sample();
    for (int i = 0; i < 3; i++) {
        open_plugins();
        host_burn(0.06); /* what is loaded is looked at meanwhile */
    }
    open_in_a_namespace();
    host_stop();
}

static _Atomic bool end;

static void *burn_until_end(void *arg)
{
    while (!end)
        work_units(1);
    return arg;
}

/* Ticks arrive inside the loader, and while what is walked goes away. */
static void come_and_go(void)
{
    int opened = 0, tried = 0;
    pthread_t burner = host_thread(burn_until_end, NULL);
    host_sample_at(10000);
    for (double until = host_storm_end(0.7); host_now() < until; tried++) {
        void *outer = dlopen(OUTER, RTLD_NOW | RTLD_LOCAL);
        const char *(*says)(void) = outer ? (const char *(*)(void))dlsym(outer, "plugin_says") : NULL;
        opened += says && strcmp(says(), "outer") == 0 && dlclose(outer) == 0;
    }
    end = true;
    pthread_join(burner, NULL);
    host_stop();
    printf("opened %s\n", opened == tried ? "every time" : "not every time");
}

/* The loader takes its time over each. */
static void large_ones_come_and_go(void)
{
    int opened = 0, tried = 0;
    host_sample();
    for (double until = host_storm_end(2.0); host_now() < until; tried++) {
        void *table = dlopen(host_arguments[0], RTLD_NOW | RTLD_LOCAL);
        opened += table && dlclose(table) == 0;
    }
    host_stop();
    printf("opened %s\n", opened == tried ? "every time" : "not every time");
}

/* What the host's plugins, and whoever asks for a name, would find first. */
static void print_global_names(const char *when)
{
    static const char *const ours[] = {"cprof_core_table", "dwfl_begin", "dwarf_begin", "elf_begin"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        printf("%s: %s is %s\n", when, ours[i], dlsym(RTLD_DEFAULT, ours[i]) ? "there" : "not there");
}

static void scope_is_the_hosts(void)
{
    host_sample();
    print_global_names("sampled");
    host_stop();
    print_global_names("after");
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"runpath", found_by_runpath},
        {"come_and_go", come_and_go},
        {"large", large_ones_come_and_go},
        {"scope", scope_is_the_hosts},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
