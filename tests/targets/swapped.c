/* Works in a library, closes it, and works in another that may lie where it lay: swapped FILE LIBRARY FUNCTION ...
 * Prints where each function was. "-" for a library is work in the program itself. */
#include "work.h"

#include <cprof.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

__attribute__((noinline)) static void at_home(double until)
{
    while (work_thread_seconds() < until)
        work_units(20);
}

static int work_in(const char *library, const char *function, double until)
{
    void *opened = strcmp(library, "-") == 0 ? NULL : dlopen(library, RTLD_NOW | RTLD_LOCAL);
    void (*spin)(double) = opened ? (void (*)(double))dlsym(opened, function) : at_home;
    if (!spin)
        return 0;
    printf("%s %p\n", function, (void *)spin);
    spin(until);
    return !opened || dlclose(opened) == 0;
}

int main(int argc, char **argv)
{
    if (argc < 4 || cprof_cpu_start(open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), 250) != 0)
        return 1;
    void *last = NULL;
    for (int i = 2; i + 1 < argc; i += 2) {
        if (!work_in(argv[i], argv[i + 1], work_thread_seconds() + 0.6))
            return 1;
        if (i + 3 >= argc && strcmp(argv[i], "-") != 0)
            last = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
    }
    /* The last library stays where it was while the names are looked up. */
    int stopped = cprof_cpu_stop();
    return stopped == 0 && (last || strcmp(argv[argc - 2], "-") == 0) ? 0 : 1;
}
