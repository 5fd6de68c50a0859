/* Adds where it is hard:
 *     storm PLUGIN SECONDS   from three threads and through a plugin that comes and goes, under a CPU profile, with
 * forks jail                   after the program has restricted itself to read, write and exit held while another
 * thread holds the loader's lock */
#include <cprof.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef int plugin_fn(struct cprof_profile *p, void *v);

static struct cprof_profile *profile;
static _Atomic int over;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *adds(void *arg)
{
    for (uintptr_t i = 0; !over; i++) {
        void *v = (void *)((uintptr_t)arg << 40 | i);
        if (cprof_profile_add(profile, v, 1) != CPROF_OK || cprof_profile_remove(profile, v) != CPROF_OK)
            abort();
    }
    return NULL;
}

static void fork_one(void)
{
    pid_t child = fork();
    if (child == 0) {
        int status = cprof_profile_add(profile, &child, 1);
        _exit(status != CPROF_OK || cprof_profile_count(profile) < 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    if (status != 0)
        abort();
}

static int storm(const char *plugin, double seconds)
{
    pthread_t threads[3];
    double end = now() + seconds;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    cprof_cpu_start(fd, 1000);
    for (uintptr_t i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, adds, (void *)(i + 1));
    for (uintptr_t n = 0; now() < end; n++) {
        void *handle = dlopen(plugin, RTLD_NOW);
        plugin_fn *add = handle ? (plugin_fn *)dlsym(handle, "plugin_add") : NULL;
        if (!add || add(profile, (void *)n) != CPROF_OK || cprof_write("storm", fd, 0) != CPROF_OK)
            abort();
        dlclose(handle);
        if (n % 10 == 0)
            fork_one();
    }
    over = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return cprof_cpu_stop();
}

static int n_threads(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int jail(void)
{
    static const char words[] = "free again\n";
    cprof_profile_add(profile, &over, 1);
    while (n_threads() > 1)
        usleep(1000);
    int before = cprof_profile_count(profile);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    bool as_said = cprof_profile_add(profile, words, 1) < 0 && cprof_profile_add(NULL, words, 1) < 0 &&
                   cprof_profile_new("another") == NULL && cprof_profile_remove(profile, &over) == CPROF_OK &&
                   cprof_profile_count(profile) == before;
    if (as_said && write(1, words, sizeof words - 1) < 0)
        as_said = false;
    syscall(SYS_exit, as_said ? 0 : 1);
    return 1;
}

static _Atomic int holding;

static int hold(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info, (void)size, (void)arg;
    holding = 1;
    while (!over)
        usleep(1000);
    return 1;
}

static void *holds(void *arg)
{
    dl_iterate_phdr(hold, arg);
    return arg;
}

/* The lock is let go only when the adds are done. */
static int held(void)
{
    pthread_t t;
    pthread_create(&t, NULL, holds, NULL);
    while (!holding)
        usleep(1000);
    struct cprof_profile *first = cprof_profile_new("made under the lock");
    for (uintptr_t i = 0; i < 1000; i++)
        if (cprof_profile_add(first, (void *)i, 1) != CPROF_OK)
            return 1;
    over = 1;
    pthread_join(t, NULL);
    return cprof_profile_count(first) != 1000;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "held") == 0) {
        cprof_set_cpu_hz(0); /* opens the core, which does want the loader */
        return held();
    }
    profile = cprof_profile_new("storm");
    if (strcmp(mode, "storm") == 0 && argc > 3)
        return storm(argv[2], atof(argv[3]));
    return strcmp(mode, "jail") == 0 ? jail() : 2;
}
