/* Serves, with one thread that can be sampled and one that cannot: it blocks SIGPROF. */
#include <cprof.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "work.h"

static atomic_int stop;

static void *spin(void *arg)
{
    sigset_t prof;
    sigemptyset(&prof);
    sigaddset(&prof, SIGPROF);
    if (arg)
        pthread_sigmask(SIG_BLOCK, &prof, NULL);
    while (!stop)
        work_units(1);
    return NULL;
}

int main(void)
{
    pthread_t hears, deaf;
    if (cprof_serve("127.0.0.1:0") != 0)
        return 1;
    pthread_create(&hears, NULL, spin, NULL);
    pthread_create(&deaf, NULL, spin, &stop);
    printf("http://%s/debug/pprof/\n", cprof_serve_addr());
    fflush(stdout);
    while (getchar() != EOF)
        ;
    stop = 1;
    pthread_join(hears, NULL);
    pthread_join(deaf, NULL);
    return 0;
}
