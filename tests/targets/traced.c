/* Threads that stand still in known ways: one runs, one sleeps, one waits for a lock; one begins and one ends when a
 * line comes on stdin. */
#include <cprof.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

static pthread_mutex_t taken = PTHREAD_MUTEX_INITIALIZER, until_asked = PTHREAD_MUTEX_INITIALIZER;

static void *runs(void *arg)
{
    prctl(PR_SET_NAME, "runs");
    for (volatile long i = 0;; i++)
        ;
    return arg;
}

static void *sleeps(void *arg)
{
    prctl(PR_SET_NAME, "sleeps (1) \xc3\xa9");
    for (;;)
        sleep(1000);
    return arg;
}

static void *locks(void *mutex)
{
    prctl(PR_SET_NAME, mutex == &taken ? "locks" : "ends");
    pthread_mutex_lock(mutex);
    return NULL;
}

static void *begins(void *arg)
{
    prctl(PR_SET_NAME, "begins");
    for (;;)
        sleep(1000);
    return arg;
}

int main(void)
{
    pthread_t t;
    pthread_mutex_lock(&taken);
    pthread_mutex_lock(&until_asked);
    pthread_create(&t, NULL, runs, NULL);
    pthread_create(&t, NULL, sleeps, NULL);
    pthread_create(&t, NULL, locks, &taken);
    pthread_create(&t, NULL, locks, &until_asked);
    if (cprof_serve("127.0.0.1:0") != CPROF_OK)
        return 1;
    printf("http://%s/debug/pprof/\n", cprof_serve_addr());
    fflush(stdout);
    if (getchar() != EOF) {
        pthread_create(&t, NULL, begins, NULL);
        pthread_mutex_unlock(&until_asked);
        while (getchar() != EOF)
            ;
    }
    _exit(0);
}
