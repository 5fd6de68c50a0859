// dlopen and dlclose, throw, malloc, thread churn and fork together, sampled at argv[2] Hz into argv[1], for argv[3]
// seconds, with the plugin argv[4]. The two best-known native profilers hang here within seconds. Prints ten times a
// second how often each kind of work was done, and at the end the CPU time of the window.
#include <atomic>
#include <cprof.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
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

// Threads that end before anybody can have found them are time that nobody samples: a small part of it.
static void churn()
{
    while (!stop) {
        std::thread([] { work_units(5); }).join();
        threads_run++;
        usleep(2000);
    }
}

// Others live for some half a second, in what the rest does.
static void churn_slowly()
{
    while (!stop) {
        std::thread([] {
            for (int i = 0; i < 5000 && !stop; i++) {
                work_units(3);
                std::vector<std::string> made(20, std::string(200, 'x'));
                mallocs += made.size() == 20;
            }
        }).join();
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

// Without a lock, and without memory: what has come to rest is to be seen.
static void tell()
{
    char line[200];
    int n = snprintf(line, sizeof line, "loads %ld throws %ld mallocs %ld threads %ld forks %ld\n", loads.load(),
                     throws.load(), mallocs.load(), threads_run.load(), forks.load());
    if (write(STDOUT_FILENO, line, static_cast<size_t>(n)) != n)
        abort();
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    plugin = argv[4];
    mallopt(M_ARENA_MAX, 1); // one lock for all
    if (cprof_cpu_start(open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644), atoi(argv[2])) != 0) {
        fprintf(stderr, "%s\n", cprof_last_error());
        return 1;
    }
    double before = process_seconds();
    std::vector<std::thread> all;
    for (auto *fn : {load, thrower, allocate, allocate, churn, churn_slowly, fork_on})
        all.emplace_back(fn);
    for (int i = 0; i < 10 * atoi(argv[3]); i++) {
        usleep(100000);
        tell();
    }
    stop = true;
    for (auto &t : all)
        t.join();
    double cpu = process_seconds() - before;
    if (cprof_cpu_stop() != 0) {
        fprintf(stderr, "%s\n", cprof_last_error());
        return 1;
    }
    printf("cpu %.3f\n", cpu);
    return 0;
}
