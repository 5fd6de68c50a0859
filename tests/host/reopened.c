/*
 * A host that links nothing of cprof, with a plugin that does (recorder.c): opened, closed and opened again while it
 * records. `reopened PLUGIN PROFILE`: what the first opening started the second can stop.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "work.h"

#define ROUNDS 6

static void burn(double seconds)
{
    double end = work_thread_seconds() + seconds;
    while (work_thread_seconds() < end)
        work_units(1);
}

static void *burn_for_ever(void *arg)
{
    for (;;)
        work_units(1);
    return arg;
}

static int record(const char *plugin, const char *profile)
{
    int fd = open(profile, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    void *handle = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
    int (*start)(int) = handle ? (int (*)(int))dlsym(handle, "recorder_start") : NULL;
    if (!start) {
        printf("%s\n", dlerror());
        return 1;
    }
    int started = start(fd);
    close(fd);
    dlclose(handle);
    burn(0.06); /* ticks come meanwhile, and the engine looks at what is loaded */
    handle = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
    int (*stop)(void) = handle ? (int (*)(void))dlsym(handle, "recorder_stop") : NULL;
    int stopped = stop ? stop() : 1;
    dlclose(handle);
    if (started || stopped)
        printf("start %d, stop %d\n", started, stopped);
    return 0;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    if (argc < 3)
        return 2;
    pthread_create(&thread, NULL, burn_for_ever, NULL);
    for (int i = 0; i < ROUNDS; i++)
        if (record(argv[1], argv[2]))
            return 1;
    printf("%d recordings\n", ROUNDS);
    fflush(stdout);
    _exit(0);
}
