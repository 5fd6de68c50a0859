/*
 * Short-lived threads, two at a time, each working for 150 ms of CPU time, for argv[2] generations, recorded at argv[3]
 * Hz into argv[1]. Prints the CPU seconds of the window as the kernel counts them.
 */
#include <cprof.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "work.h"

static double process_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

__attribute__((noinline)) static void *work(void *arg)
{
    (void)arg;
    while (work_thread_seconds() < 0.15)
        work_units(1);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (cprof_cpu_start(fd, atoi(argv[3])) != 0) {
        fprintf(stderr, "%s\n", cprof_last_error());
        return 1;
    }
    double before = process_seconds();
    for (int i = 0; i < atoi(argv[2]); i++) {
        pthread_t a, b;
        pthread_create(&a, NULL, work, NULL);
        pthread_create(&b, NULL, work, NULL);
        pthread_join(a, NULL);
        pthread_join(b, NULL);
    }
    printf("cpu %.6f\n", process_seconds() - before);
    return cprof_cpu_stop() == 0 ? 0 : 1;
}
