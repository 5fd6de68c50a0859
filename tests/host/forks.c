/* Hosts that fork while they are sampled: each child goes on as a child of the bare host would. */
#include <dlfcn.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "host.h"

#define STORM_S  1.5
#define LOADED_S 0.06 /* longer than the engine rests */

/* How a child ended, 0 being well. One that hangs ends by its own alarm. */
static int run_child(pid_t (*make)(void), int (*child)(void))
{
    int status = -1;
    pid_t pid = make();
    if (pid == 0) {
        alarm(HOST_GIVE_UP_S);
        _exit(child());
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static int load_a_library(void)
{
    return dlopen("libresolv.so.2", RTLD_NOW) == NULL;
}

/*
 * A module with much to read (heavy.c, the argument) comes and goes, so that the engine asks the loader all the time;
 * each child needs the loader too.
 */
static void children_dlopen(void)
{
    int status = 0;
    host_sample();
    for (double end = host_storm_end(STORM_S); host_now() < end && status == 0;) {
        void *heavy = dlopen(host_arguments[0], RTLD_NOW);
        if (!heavy)
            printf("%s\n", dlerror());
        for (double until = host_now() + LOADED_S; host_now() < until && status == 0;)
            status = run_child(fork, load_a_library);
        dlclose(heavy);
    }
    if (status != 0)
        printf("a child ended with %#x%s\n", status, WIFSIGNALED(status) ? ": it hung in dlopen" : "");
    host_stop();
    printf("done\n");
}

static int stop_is_not_running(void)
{
    return host_sampled && cprof_cpu_stop() != CPROF_ERR_NOT_RUNNING;
}

static int record_for_itself(void)
{
    if (!host_sampled)
        return 0;
    host_record("child.pb.gz", HOST_HZ);
    host_burn_until_ticks(NULL);
    host_stop();
    return fflush(stdout);
}

static void print_failed(const char *what, int status)
{
    if (status != 0)
        printf("%s: a child ended with %#x\n", what, status);
}

/* _Fork() runs no fork handlers: the child sees all that its parent had. */
static void children_by_raw_fork(void)
{
    struct stat file = {0};
    char path[4096];
    host_sample();
    fflush(stdout);
    for (int i = 0; i < 20; i++)
        print_failed("stop", run_child(_Fork, stop_is_not_running));
    print_failed("record", run_child(_Fork, record_for_itself));
    snprintf(path, sizeof path, "%s/cpu.pb.gz", host_scratch);
    if (stat(path, &file) == 0 && file.st_size != 0)
        printf("a child wrote its parent's profile\n");
    host_stop();
    printf("done\n");
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"dlopen", children_dlopen},
        {"raw", children_by_raw_fork},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
