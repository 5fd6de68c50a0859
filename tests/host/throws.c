/*
 * C programs that open a C++ plugin (thrower.cc) late: libgcc_s comes with it, and nothing else may answer for it. One
 * has _Unwind_* functions of its own, which are not libgcc_s's.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>

#include "host.h"

#define EXCEPTIONS 100000
#define THREADS    2

static int (*thrower_run)(int times, void (*callback)(void));

static void *throw_half(void *arg)
{
    return (void *)(intptr_t)(thrower_run(EXCEPTIONS / THREADS, NULL) + (arg != NULL));
}

static const char *library_of(const char *function)
{
    Dl_info info;
    void *at = dlsym(RTLD_DEFAULT, function);
    const char *slash = at && dladdr(at, &info) ? strrchr(info.dli_fname, '/') : NULL;
    return slash ? slash + 1 : "nobody";
}

static void print_unwinder(const char *when)
{
    printf("%s: _Unwind_RaiseException of %s\n", when, library_of("_Unwind_RaiseException"));
}

static void plugin_throws(void)
{
    pthread_t threads[THREADS];
    intptr_t caught = 0;
    print_unwinder("before");
    host_sample();
    print_unwinder("sampled");
    void *plugin = dlopen(host_arguments[0], RTLD_NOW | RTLD_LOCAL);
    thrower_run = plugin ? (int (*)(int, void (*)(void)))dlsym(plugin, "thrower_run") : NULL;
    if (!thrower_run) {
        printf("%s\n", dlerror());
        return;
    }
    for (int i = 0; i < THREADS; i++)
        threads[i] = host_thread(throw_half, NULL);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        caught += (intptr_t)result;
    }
    host_stop();
    print_unwinder("after");
    printf("%d exceptions caught\n", (int)caught);
}

static void *exit_from_inside(void *arg)
{
    pthread_cleanup_push((void (*)(void *))(uintptr_t)puts, arg);
    pthread_exit(arg);
    pthread_cleanup_pop(0);
}

static void *wait_for_cancel(void *arg)
{
    pthread_cleanup_push((void (*)(void *))(uintptr_t)puts, arg);
    for (;;)
        pthread_testcancel();
    pthread_cleanup_pop(0);
    return arg;
}

/* These unwind too: libc opens libgcc_s for it. */
static void threads_unwind(void)
{
    host_sample();
    for (int i = 0; i < 50; i++) {
        pthread_join(host_thread(exit_from_inside, "left by pthread_exit"), NULL);
        pthread_t thread = host_thread(wait_for_cancel, "left by pthread_cancel");
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    host_stop();
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"plugin", plugin_throws},
        {"threads", threads_unwind},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
