/* Threads (argv[1], default 1) that each spend three quarters of their CPU time in `three` and a quarter in `one`. */
#include <cprof.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "work.h"

static atomic_int stop;

__attribute__((noinline)) static void three(void)
{
    work_units(3); /* line of three */
    __asm__ volatile("");
}

__attribute__((noinline)) static void one(void)
{
    work_units(1); /* line of one */
    __asm__ volatile("");
}

static void *spin(void *arg)
{
    (void)arg;
    while (!stop) {
        three();
        one();
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 1;
    pthread_t threads[64];
    if (cprof_serve("127.0.0.1:0") != 0) {
        fprintf(stderr, "%s\n", cprof_last_error());
        return 1;
    }
    for (int i = 0; i < n; i++)
        pthread_create(&threads[i], NULL, spin, NULL);
    printf("http://%s/debug/pprof/\n", cprof_serve_addr());
    fflush(stdout);
    while (getchar() != EOF)
        ;
    stop = 1;
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    return cprof_close() == 0 ? 0 : 1;
}
