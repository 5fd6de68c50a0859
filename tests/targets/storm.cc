// dlopen and dlclose, throw, malloc, thread churn and fork together, sampled at argv[2] Hz into argv[1], for argv[3]
// seconds, with the plugin argv[4]. The two best-known native profilers hang here within seconds. Prints how often
// each kind of work was done, and the CPU time of the window.
#include <atomic>
#include <cprof.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "work.h"

static std::atomic<bool> stop;
static std::atomic<long> loads, throws, mallocs, threads_run, forks;
static const char *plugin;

static void load()
{
    while (!stop) {
        void *handle = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
        if (!handle) {
            fprintf(stderr, "%s\n", dlerror());
            abort();
        }
        auto thrower = reinterpret_cast<int (*)(int)>(dlsym(handle, "plugin_throw"));
        try {
            thrower(20);
        } catch (const std::exception &) {
            throws++;
        }
        dlclose(handle);
        loads++;
    }
}

static void thrower()
{
    while (!stop) {
        try {
            throw std::runtime_error("x");
        } catch (const std::exception &) {
            throws++;
        }
    }
}

static void allocate()
{
    std::vector<char *> blocks(256);
    for (unsigned i = 0; !stop; i++) {
        char *&block = blocks[i * 7919 % blocks.size()];
        free(block);
        block = static_cast<char *>(malloc(i * 104729 % 5000 + 1));
        mallocs++;
    }
    for (char *block : blocks)
        free(block);
}

static void churn()
{
    while (!stop) {
        std::thread([] { work_units(20); }).join();
        threads_run++;
    }
}

static void fork_on()
{
    while (!stop) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        int status = 0;
        if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0)
            forks++;
        usleep(2000);
    }
}

static double process_seconds()
{
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return double(t.tv_sec) + double(t.tv_nsec) / 1e9;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    plugin = argv[4];
    if (cprof_cpu_start(open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644), atoi(argv[2])) != 0) {
        fprintf(stderr, "%s\n", cprof_last_error());
        return 1;
    }
    double before = process_seconds();
    std::vector<std::thread> all;
    for (auto *fn : {load, thrower, allocate, allocate, churn, fork_on})
        all.emplace_back(fn);
    sleep(static_cast<unsigned>(atoi(argv[3])));
    stop = true;
    for (auto &t : all)
        t.join();
    double cpu = process_seconds() - before;
    if (cprof_cpu_stop() != 0) {
        fprintf(stderr, "%s\n", cprof_last_error());
        return 1;
    }
    printf("loads %ld\nthrows %ld\nmallocs %ld\nthreads %ld\nforks %ld\ncpu %.3f\n", loads.load(), throws.load(),
           mallocs.load(), threads_run.load(), forks.load(), cpu);
    return 0;
}
