/* A program that nobody prepared: works until the end of its stdin. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "work.h"

static atomic_int stop;

__attribute__((noinline)) static void spin(void)
{
    work_units(3);
    __asm__ volatile("");
}

static void *work(void *arg)
{
    while (!stop)
        spin();
    return arg;
}

int main(void)
{
    pthread_t thread;
    char c;
    pthread_create(&thread, NULL, work, NULL);
    while (read(0, &c, 1) > 0)
        ;
    stop = 1;
    return pthread_join(thread, NULL);
}
