/*
 * The same stack walked again and again, and for the first time: by cprof's walk (-DTOOL_CORE) or by libunwind's
 * unw_backtrace. 30 functions with frames of different sizes, each at an address of its own, without frame pointers.
 *
 * For the first time: every round is a thread that has walked another stack before, so that what is allocated once per
 * thread is there, and then has its caches emptied.
 */
#include "tool.h"

#include <pthread.h>

#define FRAMES_MAX 128
#define MISSES     200

static inline int64_t cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

#if defined TOOL_CORE

#include "base/any/here.h"
#include "sampler/modules.h"
#include "sig/cwalk.h"
#include "sig/footing.h"
#include "sig/memo.h"
#include "sig/rows.h"

/* As in the handler, but for what only a signal frame tells. */
__attribute__((noinline)) static int walk(void)
{
    static struct record record;
    struct here h = {0};
    HERE_NOW(&h);
    record.flags = 0;
    cwalk((struct regs){.pc = h.pc, .sp = h.sp, .fp = h.fp, .lr = h.lr}, &record);
    return record.flags ? 0 : record.depth;
}

static void forget(void)
{
    footing_forget();
    struct rows_memo *memo = rows_current()->memo;
    for (size_t i = 0; i < sizeof memo->at / sizeof *memo->at; i++)
        atomic_store(&memo->at[i], 0);
}

/* Reading all tables of what is loaded, and putting them in force. */
static void build_tables(void)
{
    int64_t began = cpu_ns();
    modules_refresh();
    int64_t took = cpu_ns() - began;
    const struct rows_map *map = rows_current();
    uint64_t rows = 0;
    for (uint32_t i = 0; i < map->n_modules; i++)
        rows += map->modules[i].n_rows;
    printf("rows %llu\ntables_us %lld\n", (unsigned long long)rows,
           (long long)(took * 30000 / 1000 / (int64_t)(rows ? rows : 1)));
}

#else

#define UNW_LOCAL_ONLY
#include <libunwind.h>

__attribute__((noinline)) static int walk(void)
{
    static void *pcs[FRAMES_MAX];
    return unw_backtrace(pcs, FRAMES_MAX);
}

static void forget(void)
{
    unw_flush_cache(unw_local_addr_space, 0, 0);
}

static void build_tables(void)
{
    puts("rows 0\ntables_us 0");
}

#endif

static int warm_times, depth;
static int64_t warm_ns, misses_ns[MISSES];

static void at_bottom(int64_t *miss_ns)
{
    if (miss_ns) {
        forget();
        int64_t began = cpu_ns();
        depth = walk();
        *miss_ns = cpu_ns() - began;
        return;
    }
    for (int i = 0; i < warm_times / 10; i++)
        walk();
    int64_t began = cpu_ns();
    for (int i = 0; i < warm_times; i++)
        depth = walk();
    warm_ns = (cpu_ns() - began) / warm_times;
}

#define LEVEL(n, below)                                                                                                \
    __attribute__((noinline)) static void level_##n(int64_t *miss_ns)                                                  \
    {                                                                                                                  \
        volatile char room[16 + n % 5 * 24];                                                                           \
        room[0] = n;                                                                                                   \
        below(miss_ns);                                                                                                \
        room[1] = room[0];                                                                                             \
    }

/* clang-format off */
LEVEL(0, at_bottom) LEVEL(1, level_0) LEVEL(2, level_1) LEVEL(3, level_2) LEVEL(4, level_3) LEVEL(5, level_4)
LEVEL(6, level_5) LEVEL(7, level_6) LEVEL(8, level_7) LEVEL(9, level_8) LEVEL(10, level_9) LEVEL(11, level_10)
LEVEL(12, level_11) LEVEL(13, level_12) LEVEL(14, level_13) LEVEL(15, level_14) LEVEL(16, level_15)
LEVEL(17, level_16) LEVEL(18, level_17) LEVEL(19, level_18) LEVEL(20, level_19) LEVEL(21, level_20)
LEVEL(22, level_21) LEVEL(23, level_22) LEVEL(24, level_23) LEVEL(25, level_24) LEVEL(26, level_25)
LEVEL(27, level_26) LEVEL(28, level_27) LEVEL(29, level_28)
    /* clang-format on */

    static void *miss(void *ns)
{
    walk();
    level_29(ns);
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    warm_times = argc > 1 ? atoi(argv[1]) : 200000;
    build_tables();
    for (int i = 0; i < MISSES; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, miss, &misses_ns[i]) != 0 || pthread_join(thread, NULL) != 0)
            die("no thread");
    }
    qsort(misses_ns, MISSES, sizeof *misses_ns, by_value);
    printf("miss_ns %lld\nmiss_depth %d\n", (long long)misses_ns[MISSES / 2], depth);
    level_29(NULL);
    printf("warm_ns %lld\ndepth %d\n", (long long)warm_ns, depth);
    return 0;
}
