/* Makes a thread, and is unloaded while that runs. */
#include <pthread.h>

pthread_t labelled_make(void *(*run)(void *), void *arg)
{
    pthread_t thread = 0;
    pthread_create(&thread, NULL, run, arg);
    return thread;
}
