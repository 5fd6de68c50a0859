/* A host that waits all the time, for moments: none of its waits may be cut short. */
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "host.h"

#define WAIT_S  1.0
#define WAIT_US 20

static int epoll_fd;
static sem_t never_posted;

static struct timespec soon(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += WAIT_US * 1000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    return t;
}

static bool was_interrupted(int result)
{
    return result < 0 && errno == EINTR;
}

static long interrupted_of_each(void)
{
    struct timespec moment = {.tv_nsec = WAIT_US * 1000L}, at = soon();
    struct timeval timeout = {.tv_usec = WAIT_US};
    struct epoll_event event;
    long n = was_interrupted(nanosleep(&moment, NULL));
    n += was_interrupted(poll(NULL, 0, 1));
    n += was_interrupted(epoll_wait(epoll_fd, &event, 1, 0));
    n += was_interrupted(sem_timedwait(&never_posted, &at));
    n += was_interrupted(select(0, NULL, NULL, NULL, &timeout));
    return n;
}

static void waits_for_moments(void)
{
    long interrupted = 0;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sem_init(&never_posted, 0, 0);
    host_sample_at(10000);
    for (double end = host_storm_end(WAIT_S); host_now() < end;) {
        interrupted += interrupted_of_each();
        work_units(20);
    }
    host_stop();
    printf("%ld waits were interrupted\n", interrupted);
}

int main(int argc, char **argv)
{
    const struct host_case cases[] = {
        {"moments", waits_for_moments},
        {NULL, NULL},
    };
    return host_main(argc, argv, cases);
}
