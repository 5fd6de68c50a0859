/* late FILE PLUGIN...: loads each library, works in it at once for a few ticks, and rests. The profile goes to FILE. */
#include <cprof.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "work.h"

int main(int argc, char **argv)
{
    int fd = argc > 2 ? open(argv[1], O_CREAT | O_TRUNC | O_WRONLY, 0644) : -1;
    if (fd < 0 || cprof_cpu_start(fd, 1000) < 0) {
        fprintf(stderr, "%s\n", cprof_last_error());
        return 1;
    }
    for (int i = 2; i < argc; i++) {
        void *plugin = dlopen(argv[i], RTLD_NOW);
        void (*burn)(void) = plugin ? (void (*)(void))dlsym(plugin, "burn_in_plugin") : NULL;
        if (!burn) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        burn();
        usleep(120000);
    }
    return cprof_cpu_stop() < 0;
}
