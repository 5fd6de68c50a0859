/* A fixed amount of work on two threads, FRAMES deep: argv[1] rounds of about 10 us each. */
#include "tool.h"
#include "work.h"

#include <pthread.h>

#define THREADS 2

/* What starting sets in motion, such as reading unwind tables, is over: it counts as a fixed cost. */
#define SETTLE_US 100000

static long rounds = 1000;

__attribute__((noinline)) static void parse(void)
{
    work_rounds(2000);
}

__attribute__((noinline)) static void render(void)
{
    work_rounds(6000);
}

static void work(void *arg)
{
    (void)arg;
    parse();
    render();
}

static void *spin(void *arg)
{
    for (long i = 0; i < rounds; i++)
        deep(work, NULL);
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    if (argc > 1)
        rounds = atol(argv[1]);
    tool_start();
    usleep(SETTLE_US);
    int64_t began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, spin, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    int64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - began;
    tool_stop();
    printf("cpu_ns %lld\n", (long long)cpu_ns);
    return 0;
}
