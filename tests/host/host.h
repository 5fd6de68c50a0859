/*
 * What the programs of this folder share. Each is run as `program bare|cprof CASE SCRATCH`: a host that does what hosts
 * do and says on stdout what came of it. It must say the same while its threads are sampled as when nothing of cprof
 * is switched on, so what it says holds no times and no counts that differ between two runs.
 *
 * SCRATCH is a folder for what is written. What cprof answered is said only where it is not what was wanted.
 *
 * Compiled with -DCPROF_DISABLE a host calls nothing of cprof: it is bare, or sampled from outside by a door that opens
 * before main() and closes after it.
 */
#ifndef HOST_H
#define HOST_H

#include <cprof.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "work.h"

#define HOST_HZ        1000
#define HOST_GIVE_UP_S 20 /* far beyond what a loaded machine needs, and before the test gives up */

#ifdef CPROF_DISABLE
#define HOST_CALLS false
#else
#define HOST_CALLS true
#endif

struct host_case {
    const char *name;
    void (*run)(void);
};

static bool host_sampled;
static const char *host_scratch;
static char **host_arguments; /* those after SCRATCH */

static inline double host_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* When to end what is done over and over to meet cprof at a bad moment. Bare there is nobody to meet. */
static inline double host_storm_end(double seconds)
{
    return host_now() + (host_sampled ? seconds : seconds / 10);
}

/* Works until the calling thread has used so much CPU time. */
static inline void host_burn(double seconds)
{
    double end = work_thread_seconds() + seconds;
    while (work_thread_seconds() < end)
        work_units(1);
}

static inline void host_expect(const char *what, int got, int want)
{
    if (HOST_CALLS && got != want)
        printf("%s: %d, wanted %d (%s)\n", what, got, want, cprof_last_error());
}

/* A new file of that name in SCRATCH. */
static inline int host_file(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", host_scratch, name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        perror(path);
    return fd;
}

#define HOST_BELOW_NEAR 1024 /* beyond this function's own frame; a signal's is larger on every machine */
#define HOST_BELOW_FAR  1536

/* Does a signal come while this thread works for some milliseconds? Its frame then lies below ours on the stack. No
 * clock of cprof's is visible from outside in another way. */
static inline __attribute__((noinline)) bool host_feels_signal(void)
{
    volatile unsigned char *frame = (volatile unsigned char *)__builtin_frame_address(0);
    bool felt = false;
    for (int i = HOST_BELOW_NEAR; i < HOST_BELOW_FAR; i++)
        *(frame - i) = 0xa5;
    for (volatile int i = 0; i < 3000000; i++)
        ;
    for (int i = HOST_BELOW_NEAR; i < HOST_BELOW_FAR; i++)
        felt |= *(frame - i) != 0xa5;
    return felt;
}

/* Sampling is under way once ticks come to this thread, which is new. Hosts may have blocked SIGPROF: not here. */
static inline void *host_burn_until_ticks(void *arg)
{
    double end = host_now() + HOST_GIVE_UP_S;
    sigset_t prof;
    (void)arg;
    sigemptyset(&prof);
    sigaddset(&prof, SIGPROF);
    pthread_sigmask(SIG_UNBLOCK, &prof, NULL);
    while (!host_feels_signal() && host_now() < end)
        ;
    if (host_now() >= end)
        printf("no tick for a new thread within %d s\n", HOST_GIVE_UP_S);
    host_burn(0.02); /* a few ticks, also of a kernel of 100 Hz */
    return NULL;
}

/* Starts a thread with a stack that is enough for whatever it does, also where the default is small. */
static inline pthread_t host_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, (size_t)1 << 20);
    if (pthread_create(&thread, &attr, run, arg) != 0) {
        perror("pthread_create");
        exit(3);
    }
    pthread_attr_destroy(&attr);
    return thread;
}

static inline void host_record(const char *name, int hz)
{
    if (!host_sampled || !HOST_CALLS)
        return;
    int fd = host_file(name);
    host_expect("cprof_cpu_start", cprof_cpu_start(fd, hz), CPROF_OK);
    close(fd);
}

/* Samples into that file of SCRATCH from here on: returns when the threads that exist have been found. */
static inline void host_sample_into(const char *name, int hz)
{
    host_record(name, hz);
    if (host_sampled)
        pthread_join(host_thread(host_burn_until_ticks, NULL), NULL);
}

static inline void host_sample_at(int hz)
{
    host_sample_into("cpu.pb.gz", hz);
}

static inline void host_sample(void)
{
    host_sample_at(HOST_HZ);
}

/* A door outside was there first: to be called before the host does what may end its sampling. */
static inline void host_wait_for_door(void)
{
    if (!HOST_CALLS)
        host_sample();
}

static inline void host_stop(void)
{
    if (host_sampled)
        host_expect("cprof_cpu_stop", cprof_cpu_stop(), CPROF_OK);
}

/* cases ends by one without a name. */
static inline int host_main(int argc, char **argv, const struct host_case *cases)
{
    if (argc < 4)
        return 2;
    host_sampled = strcmp(argv[1], "cprof") == 0;
    host_scratch = argv[3];
    host_arguments = argv + 4;
    for (; cases->name; cases++) {
        if (strcmp(cases->name, argv[2]) == 0) {
            cases->run();
            return 0;
        }
    }
    return 2;
}

#endif
