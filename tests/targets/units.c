/* Works on a thread of its own, and answers each line of stdin with the units done so far and the CPU time they took.
 */
#include "work.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static _Atomic uint64_t units, cpu_ns;

static uint64_t own_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Arithmetic only: what is measured is time taken from it, not caches shared with others. */
static void *work(void *unused)
{
    for (;;) {
        volatile uint64_t x = 1;
        for (int i = 0; i < 100000; i++)
            x = x * 6364136223846793005u + 1442695040888963407u;
        atomic_store(&cpu_ns, own_ns());
        atomic_fetch_add(&units, 1);
    }
    return unused;
}

int main(void)
{
    char line[100];
    pthread_t thread;
    pthread_create(&thread, NULL, work, NULL);
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        printf("done %" PRIu64 " %" PRIu64 "\n", atomic_load(&units), atomic_load(&cpu_ns));
        fflush(stdout);
    }
    return 0;
}
