/* CPU time that a sampler cannot see: a thread that blocks SIGPROF, or (argv[2] "short") threads that live for 4 ms.
 * Recorded into argv[1]; prints the CPU seconds of the window. */
#include <cprof.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "work.h"

static double process_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *work(void *seconds)
{
    while (work_thread_seconds() < *(double *)seconds)
        work_units(1);
    return NULL;
}

int main(int argc, char **argv)
{
    sigset_t all;
    pthread_t thread;
    double brief = 0.004, whole = 1.0;
    if (argc < 3)
        return 2;
    sigfillset(&all);
    if (strcmp(argv[2], "blocked") == 0)
        sigprocmask(SIG_BLOCK, &all, NULL);
    if (cprof_cpu_start(open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644), 0) != 0)
        return 1;
    double before = process_seconds();
    if (strcmp(argv[2], "blocked") == 0)
        work(&whole);
    else
        for (int i = 0; i < 250; i++)
            if (pthread_create(&thread, NULL, work, &brief) == 0)
                pthread_join(thread, NULL);
    printf("cpu %.6f\n", process_seconds() - before);
    return cprof_cpu_stop() == 0 ? 0 : 1;
}
