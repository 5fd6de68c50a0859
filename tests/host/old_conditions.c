/*
 * What a library of the year 2000 calls. Its pthread_cond_t holds a pointer, the rest is not its own: whoever takes it
 * for today's writes over what follows.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

__asm__(".symver pthread_cond_init, pthread_cond_init@GLIBC_2.2.5");
__asm__(".symver pthread_cond_wait, pthread_cond_wait@GLIBC_2.2.5");
__asm__(".symver pthread_cond_timedwait, pthread_cond_timedwait@GLIBC_2.2.5");
__asm__(".symver pthread_cond_signal, pthread_cond_signal@GLIBC_2.2.5");
__asm__(".symver pthread_cond_broadcast, pthread_cond_broadcast@GLIBC_2.2.5");
__asm__(".symver pthread_cond_destroy, pthread_cond_destroy@GLIBC_2.2.5");

void old_conditions_run(int rounds);

#define OLD_SIZE sizeof(void *)

static union {
    pthread_cond_t cond;
    unsigned char bytes[sizeof(pthread_cond_t)];
} old;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int turn, all;

static void *take_turns(void *arg)
{
    int mine = arg != NULL;
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < all; i++) {
        while (turn != mine)
            pthread_cond_wait(&old.cond, &mutex);
        turn = !mine;
        pthread_cond_signal(&old.cond);
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static int is_untouched(void)
{
    for (size_t i = OLD_SIZE; i < sizeof old.bytes; i++)
        if (old.bytes[i] != 0xa5)
            return 0;
    return 1;
}

void old_conditions_run(int rounds)
{
    pthread_t other;
    struct timespec past = {1, 0};
    all = rounds;
    memset(&old, 0xa5, sizeof old);
    pthread_cond_init(&old.cond, NULL);
    pthread_create(&other, NULL, take_turns, &turn);
    take_turns(NULL);
    pthread_join(other, NULL);
    pthread_mutex_lock(&mutex);
    int late = pthread_cond_timedwait(&old.cond, &mutex, &past);
    pthread_mutex_unlock(&mutex);
    pthread_cond_broadcast(&old.cond);
    printf("old: took turns %d times, %s, %s behind it\n", rounds, strerrorname_np(late),
           is_untouched() ? "nothing changed" : "something was written");
    pthread_cond_destroy(&old.cond);
}
