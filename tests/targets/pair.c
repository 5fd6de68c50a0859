/* Two threads that run `left` and `right`, a second of CPU time each, recorded into argv[1]. Prints what each used
 * while it was recorded. */
#include <cprof.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>

#include "work.h"

#define SECONDS 1.0

static double used[2];

__attribute__((noinline)) static void left(void)
{
    while (work_thread_seconds() < SECONDS)
        work_units(1);
}

__attribute__((noinline)) static void right(void)
{
    while (work_thread_seconds() < SECONDS)
        work_units(2); /* not the same code as left, which the compiler would fold into one */
}

static void *run_left(void *arg)
{
    (void)arg;
    left();
    used[0] = work_thread_seconds();
    return NULL;
}

static void *run_right(void *arg)
{
    (void)arg;
    right();
    used[1] = work_thread_seconds();
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t a, b;
    if (argc < 2 || cprof_cpu_start(open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644), 0) != 0)
        return 1;
    pthread_create(&a, NULL, run_left, NULL);
    pthread_create(&b, NULL, run_right, NULL);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    printf("left %.6f\nright %.6f\n", used[0], used[1]);
    return cprof_cpu_stop() == 0 ? 0 : 1;
}
