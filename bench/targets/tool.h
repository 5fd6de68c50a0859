/*
 * One source, three programs: -DTOOL_CPROF and -DTOOL_GPERFTOOLS link the named tool, neither links nothing.
 * BENCH_PROFILE is the file to write, BENCH_HZ the rate; without a rate the tool stays off. gperftools takes its
 * rate from CPUPROFILE_FREQUENCY only.
 */
#ifndef BENCH_TOOL_H
#define BENCH_TOOL_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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
