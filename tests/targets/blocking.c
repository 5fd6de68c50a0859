/*
 * Every way to wait that a signal could cut short, in one thread, while another burns CPU and all is sampled at argv[2]
 * Hz into argv[1] ("-": not sampled). Prints one line per wait: what it returned, errno, and whether it lasted.
 */
#include <cprof.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "work.h"

#define WAIT_MS 120

static atomic_int stop;

static void *burn(void *arg)
{
    (void)arg;
    while (!stop)
        work_units(1);
    return NULL;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double began;

static void done(const char *what, long result)
{
    int error = result < 0 ? errno : 0;
    printf("%s %ld %s %s\n", what, result, error ? strerror(error) : "ok",
           now() - began > WAIT_MS / 1000.0 - 0.002 ? "lasted" : "cut short");
    began = now();
}

static struct timespec in_a_while(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += WAIT_MS * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    return t;
}

static void waits(void)
{
    struct timespec t = {.tv_nsec = WAIT_MS * 1000000L};
    struct timeval tv = {.tv_usec = WAIT_MS * 1000};
    struct epoll_event event;
    int pair[2], ep = epoll_create1(EPOLL_CLOEXEC);
    sem_t sem;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    char c;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        exit(1);
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    sem_init(&sem, 0, 0);

    began = now();
    done("nanosleep", nanosleep(&t, NULL));
    done("clock_nanosleep", clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL));
    done("usleep", usleep(WAIT_MS * 1000));
    done("poll", poll(NULL, 0, WAIT_MS));
    done("select", select(0, NULL, NULL, NULL, &tv));
    done("epoll_wait", epoll_wait(ep, &event, 1, WAIT_MS));
    done("recv", recv(pair[0], &c, 1, 0));
    t = in_a_while(CLOCK_REALTIME);
    done("sem_timedwait", sem_timedwait(&sem, &t));
    pthread_mutex_lock(&mutex);
    t = in_a_while(CLOCK_REALTIME);
    done("pthread_cond_timedwait", pthread_cond_timedwait(&cond, &mutex, &t));
}

int main(int argc, char **argv)
{
    pthread_t burner;
    int sampled = argc > 2 && strcmp(argv[1], "-") != 0;
    if (sampled && cprof_cpu_start(open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644), atoi(argv[2])) != 0)
        return 1;
    pthread_create(&burner, NULL, burn, NULL);
    for (int i = 0; i < 3; i++)
        waits();
    stop = 1;
    pthread_join(burner, NULL);
    return sampled && cprof_cpu_stop() != 0;
}
