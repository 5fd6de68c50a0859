/*
 * One source, three programs: -DTOOL_CPROF and -DTOOL_GPERFTOOLS link the named tool, neither links nothing.
 * BENCH_PROFILE is the file to write, BENCH_HZ the rate; without a rate the tool stays off. gperftools takes its
 * rate from CPUPROFILE_FREQUENCY only. With BENCH_CLOCK_ALONE the program without a tool has the kernel's part of a
 * sample: cprof's clock on the first thread, and a handler that does nothing.
 */
#ifndef BENCH_TOOL_H
#define BENCH_TOOL_H

#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined TOOL_CPROF
#include <cprof.h>
#elif defined TOOL_GPERFTOOLS
#include <gperftools/profiler.h>
#endif

static inline int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static inline void die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

#if !defined TOOL_CPROF && !defined TOOL_GPERFTOOLS
static inline void tick_for_nothing(int sig)
{
    (void)sig;
}

static inline void clock_alone(int hz)
{
    struct perf_event_attr wanted = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof wanted,
        .config = PERF_COUNT_SW_CPU_CLOCK,
        .sample_period = 1000000000 / (unsigned)hz,
        .wakeup_events = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    struct sigaction action = {.sa_handler = tick_for_nothing, .sa_flags = SA_RESTART};
    struct f_owner_ex owner = {F_OWNER_TID, gettid()};
    int fd = (int)syscall(SYS_perf_event_open, &wanted, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0 || sigaction(SIGPROF, &action, NULL) || fcntl(fd, F_SETOWN_EX, &owner) ||
        fcntl(fd, F_SETSIG, SIGPROF) || fcntl(fd, F_SETFL, O_ASYNC))
        die("no perf event");
}
#endif

static inline void tool_start(void)
{
    const char *hz = getenv("BENCH_HZ"), *path = getenv("BENCH_PROFILE");
    if (!hz || !path)
        return;
#if defined TOOL_CPROF
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0 || cprof_cpu_start(fd, atoi(hz)) < 0)
        die(cprof_last_error());
    close(fd);
#elif defined TOOL_GPERFTOOLS
    if (!ProfilerStart(path))
        die("ProfilerStart refused");
#else
    if (getenv("BENCH_CLOCK_ALONE"))
        clock_alone(atoi(hz));
#endif
}

static inline void tool_stop(void)
{
    if (!getenv("BENCH_HZ"))
        return;
#if defined TOOL_CPROF
    if (cprof_cpu_stop() < 0)
        die(cprof_last_error());
#elif defined TOOL_GPERFTOOLS
    ProfilerStop();
#endif
}

#endif
