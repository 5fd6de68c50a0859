/* Functions of every shape that a compiler gives them. */
#include <alloca.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "work.h"

#define NOINLINE __attribute__((noinline, noclone))

static volatile long sink;

NOINLINE static long leaf(long x)
{
    return x * 3 + 1;
}

NOINLINE static long deep(int n)
{
    long below = n ? deep(n - 1) : leaf(n);
    return below + n;
}

NOINLINE static long mutual_b(int n);
NOINLINE static long mutual_a(int n)
{
    char room[40];
    memset(room, n, sizeof room);
    return n ? mutual_b(n - 1) + room[n % 40] : 0;
}

NOINLINE static long mutual_b(int n)
{
    volatile char room[200];
    room[0] = (char)n;
    return n ? mutual_a(n - 1) + room[0] : 1;
}

NOINLINE static long with_alloca(int n)
{
    char *room = alloca((size_t)(n % 50 + 16));
    memset(room, n, (size_t)(n % 50 + 16));
    return leaf(room[3]) + (n ? with_alloca(n - 1) : 0);
}

NOINLINE static long realigned(int n)
{
    _Alignas(64) volatile char room[128];
    room[0] = (char)n;
    return leaf(room[0]) + (n ? realigned(n - 1) : 0);
}

NOINLINE static long realigned_and_alloca(int n)
{
    _Alignas(32) volatile char room[64];
    char *more = alloca((size_t)(n + 8));
    memset(more, 1, (size_t)(n + 8));
    room[0] = more[n];
    return leaf(room[0]);
}

NOINLINE static long many_arguments(long a, long b, long c, long d, long e, long f, long g, long h, long i, long j)
{
    return leaf(a) + leaf(b) + leaf(c) + leaf(d) + leaf(e) + leaf(f) + g + h + i + j;
}

NOINLINE static long variadic(int n, ...)
{
    va_list list;
    long sum = 0;
    va_start(list, n);
    for (int i = 0; i < n; i++)
        sum += va_arg(list, long);
    va_end(list);
    return sum;
}

NOINLINE static long variadic_double(int n, ...)
{
    va_list list;
    double sum = 0;
    va_start(list, n);
    for (int i = 0; i < n; i++)
        sum += va_arg(list, double);
    va_end(list);
    return (long)sum;
}

NOINLINE static long tail(long n)
{
    return n > 100 ? deep(3) : leaf(n);
}

NOINLINE static long big_frame(int n)
{
    volatile char room[20000];
    room[0] = room[19999] = (char)n;
    return leaf(room[0]);
}

__attribute__((cold, noinline)) static void unlikely(long n)
{
    sink += leaf(n) + deep(2);
}

/* Its unlikely half goes into a part of its own, far away: name.cold. */
NOINLINE static long hot_and_cold(long n)
{
    if (__builtin_expect(n % 3 == 0, 0)) {
        unlikely(n);
        unlikely(n + 1);
        sink += leaf(n);
    }
    return leaf(n);
}

NOINLINE static long nested(long n)
{
    long (*const table[])(long) = {leaf, tail, hot_and_cold};
    return table[n % 3](n) + table[(n + 1) % 3](n);
}

static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

NOINLINE static void sorts(void)
{
    int numbers[24];
    for (int i = 0; i < 24; i++)
        numbers[i] = i * 7919 % 101;
    qsort(numbers, 24, sizeof numbers[0], by_value);
    sink += numbers[3];
}

static void on_signal(int sig)
{
    step_from_here();
    sink += deep(4) + sig;
}

NOINLINE static void is_signalled(int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags}, before;
    sigaction(SIGUSR1, &action, &before);
    raise(SIGUSR1);
    step_from_here();
    sigaction(SIGUSR1, &before, NULL);
}

NOINLINE static void is_signalled_elsewhere(void)
{
    static char *stack;
    if (!stack)
        stack = mmap(NULL, 1 << 18, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t other = {.ss_sp = stack, .ss_size = 1 << 18}, before;
    sigaltstack(&other, &before);
    is_signalled(SA_ONSTACK);
    sigaltstack(&before, NULL);
}

NOINLINE static void interrupted(void)
{
    struct timespec now;
    for (int i = 0; i < 8; i++) {
        is_signalled(0);
        is_signalled_elsewhere();
        for (int k = 0; k < 4; k++)
            clock_gettime(CLOCK_MONOTONIC, &now);
        sink += now.tv_nsec + realigned(6) + realigned_and_alloca(9);
    }
}

void work(void)
{
    sink += deep(12) + mutual_a(9) + with_alloca(6) + realigned(5) + realigned_and_alloca(20);
    sink += many_arguments(1, 2, 3, 4, 5, 6, 7, 8, 9, 10) + variadic(3, 1L, 2L, 3L) + variadic_double(2, 1.5, 2.5);
    sink += tail(sink % 200) + big_frame(3) + nested(sink & 0xff);
    for (long i = 0; i < 6; i++)
        sink += hot_and_cold(i);
    sorts();
    interrupted();
}
