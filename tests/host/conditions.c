/*
 * A host with both versions of pthread_cond_wait: that of GLIBC_2.2.5, whose condition variable is a pointer to another
 * one, in a plugin of its age (old_conditions.c), and today's.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>

#include "host.h"

#define ROUNDS 2000

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;

static void *take_turns(void *arg)
{
    int mine = arg != NULL;
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < ROUNDS; i++) {
        while (turn != mine)
            pthread_cond_wait(&cond, &mutex);
        turn = !mine;
        pthread_cond_signal(&cond);
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void print_timed_out(void)
{
    struct timespec past = {1, 0};
    pthread_mutex_lock(&mutex);
    printf("new: %s\n", strerrorname_np(pthread_cond_timedwait(&cond, &mutex, &past)));
    pthread_mutex_unlock(&mutex);
}

static void both_versions(void)
{
    void *old = dlopen(host_arguments[0], RTLD_NOW | RTLD_LOCAL);
    void (*run)(int) = old ? (void (*)(int))dlsym(old, "old_conditions_run") : NULL;
    if (!run) {
        printf("%s\n", dlerror());
        return;
    }
    host_sample();
    pthread_t other = host_thread(take_turns, &turn);
    take_turns(NULL);
    pthread_join(other, NULL);
    printf("new: took turns %d times\n", ROUNDS);
    print_timed_out();
    run(ROUNDS);
    host_stop();
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"both", both_versions},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
