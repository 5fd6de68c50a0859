/* A program that nobody prepared: waits for the end of its stdin, with two threads beside it. */
#include <pthread.h>
#include <unistd.h>

static void *wait_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        pause();
}

int main(void)
{
    pthread_t threads[2];
    char c;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, wait_for_ever, NULL);
    while (read(0, &c, 1) > 0)
        ;
    return 0;
}
