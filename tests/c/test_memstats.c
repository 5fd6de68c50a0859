/*
 * sampler/memstats and its texts: the numbers move with the heap, the pauses go round, and asking is bounded. What a
 * sanitizer's allocator says of its heap is nothing, so the heap is only looked at without one.
 */
#include "check.h"

#include "base/pace.h"
#include "encode/digits.h"
#include "encode/kept.h"
#include "encode/memstats.h"
#include "sampler/memstats.h"

#include <locale.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB       ((uint64_t)1 << 20)
#define PIECES    51200
#define PIECE     1024
#define MS        INT64_C(1000000)
#define DEADLINE  20000 /* looks, a millisecond apart */
#define COLLECTED 1000  /* by each feeder */

static struct memstats read_now(void)
{
    static struct memstats m;
    memstats_read(&m);
    return m;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* After the rest that follows an answer: the first that is newer than this call. */
static struct memstats read_new(void)
{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < DEADLINE; i++) {
        clock_gettime(CLOCK_MONOTONIC, &b);
        struct memstats m = read_now();
        if (m.heap_age_ns < (b.tv_sec - a.tv_sec) * 1000 * MS + b.tv_nsec - a.tv_nsec)
            return m;
        usleep(1000);
    }
    CHECK(!"the heap was read again");
    return read_now();
}

static bool is_near(uint64_t got, uint64_t want, uint64_t slack)
{
    return got + slack >= want && got <= want + slack;
}

static void test_heap_moves(void)
{
    static char *volatile pieces[PIECES]; /* or the compiler leaves out what nobody looks at */
    struct memstats before = read_new();
    for (int i = 0; i < PIECES; i++)
        pieces[i] = malloc(PIECE);
    char *volatile pin = malloc(PIECE); /* keeps the end of the heap where it is */
    struct memstats full = read_new();
    CHECK(is_near(full.heap_inuse - before.heap_inuse, 50 * MIB, 3 * MIB));
    CHECK(is_near(full.alloc - before.alloc, 50 * MIB, 3 * MIB));
    CHECK(full.sys > before.sys + 40 * MIB);
    for (int i = 0; i < PIECES; i++)
        free(pieces[i]);
    struct memstats idle = read_new();
    CHECK(is_near(idle.heap_inuse, before.heap_inuse, 3 * MIB));
    CHECK(is_near(idle.heap_idle - before.heap_idle, 50 * MIB, 3 * MIB));
    CHECK(is_near(idle.heap_sys, full.heap_sys, 3 * MIB));
    free(pin);
    malloc_trim(0);
    struct memstats trimmed = read_new(); /* what malloc gives back is no longer the heap's */
    CHECK(trimmed.heap_sys + 40 * MIB < idle.heap_sys);
}

/* Each answer takes the locks of malloc's arenas: of many who ask in a row, few may. What is read again is younger. */
static void test_heap_is_read_now_and_then(void)
{
    struct timespec a, b;
    int fresh = 0;
    int64_t age_ns = read_now().heap_age_ns;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 1000; i++) {
        int64_t before_ns = age_ns;
        age_ns = read_now().heap_age_ns;
        fresh += age_ns < before_ns;
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    CHECK(fresh <= 1 + ((b.tv_sec - a.tv_sec) * 1000 * MS + b.tv_nsec - a.tv_nsec) / PACE_LEAST_NS);
}

/* Above the mmap threshold a block is a mapping of its own. */
static void test_big_blocks_count(void)
{
    struct memstats before = read_new();
    char *volatile block = malloc(64 * MIB);
    struct memstats with = read_new();
    CHECK(is_near(with.heap_inuse - before.heap_inuse, 64 * MIB, MIB));
    free(block);
    struct memstats after = read_new();
    CHECK(is_near(after.heap_inuse, before.heap_inuse, MIB));
}

static void *other_arena(void *done)
{
    static char *volatile pieces[10240];
    for (int i = 0; i < 10240; i++)
        pieces[i] = malloc(PIECE);
    while (!atomic_load((_Atomic int *)done))
        usleep(500);
    for (int i = 0; i < 10240; i++)
        free(pieces[i]);
    return NULL;
}

static void test_other_arenas_count(void)
{
    _Atomic int done = 0;
    pthread_t t;
    struct memstats before = read_new(), now = before;
    pthread_create(&t, NULL, other_arena, &done);
    for (int i = 0; i < 200 && now.heap_inuse < before.heap_inuse + 10 * MIB; i++)
        now = read_new();
    CHECK(is_near(now.heap_inuse - before.heap_inuse, 10 * MIB, MIB));
    atomic_store(&done, 1);
    pthread_join(t, NULL);
}

static void test_heap(void)
{
    CHECK(memstats_knows_heap());
    test_heap_moves();
    test_heap_is_read_now_and_then();
    test_big_blocks_count();
    test_other_arenas_count();
}
#else
static void test_heap(void)
{
}
#endif

static void test_sums(void)
{
    struct memstats m = read_now();
    CHECK_INT(m.heap_sys, m.heap_idle + m.heap_inuse);
    CHECK_INT(m.sys, m.heap_sys + m.stack_sys + m.mspan_sys + m.mcache_sys + m.buck_hash_sys + m.gc_sys + m.other_sys);
    CHECK_INT(m.heap_objects, m.mallocs - m.frees);
    CHECK(m.sys > 0 && m.stack_sys > 0 && m.max_rss > MIB && m.enable_gc && !m.debug_gc);
    CHECK_INT(m.by_size[60].size, 18432);
}

/* A heap of two million free chunks holds up malloc for half a second each time it is read. */
static void test_rest_grows_with_cost(void)
{
    CHECK_INT(pace_rest_ns(0), 100 * MS);
    CHECK_INT(pace_rest_ns(1 * MS), 100 * MS);
    CHECK_INT(pace_rest_ns(10 * MS), 10000 * MS);
    CHECK_INT(pace_rest_ns(100 * MS), 1000000 * MS);
    CHECK_INT(pace_rest_ns(700 * MS), 3600000 * MS);
    CHECK_INT(pace_rest_ns(INT64_MAX), 3600000 * MS);
    struct pace p = {0};
    CHECK(!pace_was_done(&p) && pace_begin(&p) && !pace_begin(&p));
    pace_end(&p);
    CHECK(pace_was_done(&p) && !pace_begin(&p));
}

static void test_pauses_go_round(void)
{
    struct memstats m = read_now();
    CHECK_INT(m.num_gc, 0);
    CHECK_INT(m.last_gc, 0);
    for (int i = 1; i <= 300; i++)
        memstats_gc(i * 1000, i * 1000 + i, i % 3 == 0);
    m = read_now();
    CHECK_INT(m.num_gc, 300);
    CHECK_INT(m.num_forced_gc, 100);
    CHECK_INT(m.pause_ns[(m.num_gc + 255) % 256], 300);
    CHECK_INT(m.pause_end[(m.num_gc + 255) % 256], 300300);
    CHECK_INT(m.pause_ns[m.num_gc % 256], 300 - 255); /* the oldest */
    CHECK_INT(m.pause_total_ns, 300 * 301 / 2);
    CHECK_INT(m.last_gc, 300300);
    CHECK(m.gc_cpu_fraction > 0 && m.gc_cpu_fraction < 1);
    memstats_gc(2000, 1000, false); /* the clock was set back */
    m = read_now();
    CHECK_INT(m.pause_ns[(m.num_gc + 255) % 256], 0);
    CHECK_INT(m.pause_total_ns, 300 * 301 / 2);
}

static void *feed(void *unused)
{
    (void)unused;
    for (int i = 0; i < COLLECTED; i++)
        memstats_gc(1000, 1007, true);
    return NULL;
}

static void *look(void *done)
{
    while (!atomic_load((_Atomic int *)done)) {
        struct buf out = {0};
        struct memstats m;
        memstats_read(&m);
        memstats_put_json(&out);
        memstats_put_metrics(&out);
        buf_fini(&out);
    }
    return NULL;
}

static void test_many_feed_and_look(void)
{
    pthread_t feeders[4], lookers[4];
    _Atomic int done = 0;
    struct memstats before = read_now();
    for (int i = 0; i < 4; i++) {
        pthread_create(&lookers[i], NULL, look, &done);
        pthread_create(&feeders[i], NULL, feed, NULL);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(feeders[i], NULL);
    atomic_store(&done, 1);
    for (int i = 0; i < 4; i++)
        pthread_join(lookers[i], NULL);
    struct memstats m = read_now();
    CHECK_INT(m.num_gc - before.num_gc, 4 * COLLECTED);
    CHECK_INT(m.pause_total_ns - before.pause_total_ns, 4 * COLLECTED * 7);
    for (int i = 0; i < MEMSTATS_PAUSES; i++)
        CHECK_INT(m.pause_ns[i], 7);
}

static const char *terminated(struct buf *b)
{
    buf_put(b, "", 1);
    return b->failed ? "" : b->data;
}

static void test_texts(void)
{
    struct buf json = {0}, trailer = {0}, metrics = {0};
    memstats_put_json(&json);
    const char *text = terminated(&json);
    CHECK(strncmp(text, "{\"Alloc\":", 9) == 0 &&
          strstr(text, ",\"EnableGC\":true,\"DebugGC\":false,\"BySize\":[{\"Size\":0,"));
    CHECK(!strchr(text, ' ') && !strchr(text, '\n') && strcmp(text + strlen(text) - 3, "}]}") == 0);
    memstats_put_trailer(&trailer);
    text = terminated(&trailer);
    CHECK(strncmp(text, "\n# runtime.MemStats\n# Alloc = ", 30) == 0);
    CHECK(strstr(text, "\n# MSpan = 0 / 0\n# MCache = 0 / 0\n# BuckHashSys = "));
    CHECK(strstr(text, "\n# PauseNs = [7 7 7 ") && strstr(text, "\n# DebugGC = false\n# MaxRSS = "));
    for (int i = 0; i < DEADLINE && !(metrics.len && memmem(metrics.data, metrics.len, "_gc_total 4301\n", 15)); i++) {
        usleep(1000);
        buf_fini(&metrics);
        memstats_put_metrics(&metrics);
    }
    text = terminated(&metrics);
    CHECK(strstr(text, "# TYPE cprof_memstats_gc counter\n") && strstr(text, "\ncprof_memstats_gc_total 4301\n"));
    CHECK(strstr(text, "\ncprof_memstats_heap_inuse_bytes "));
    buf_fini(&json);
    buf_fini(&trailer);
    buf_fini(&metrics);
}

static void check_decimal(double value, const char *want)
{
    struct buf b = {0};
    digits_put_decimal(&b, value);
    CHECK_STR(terminated(&b), want);
    buf_fini(&b);
}

/* A host that says setlocale(LC_ALL, "") has a comma there. */
static void test_digits(void)
{
    setlocale(LC_ALL, "de_DE.UTF-8");
    check_decimal(0, "0");
    check_decimal(0.5, "0.5");
    check_decimal(1.25, "1.25");
    check_decimal(0.000000001, "0.000000001");
    check_decimal(0.9999999999, "1");
    check_decimal(123456.75, "123456.75");
    check_decimal(-1, "0");
    check_decimal(0.0 / 0.0, "0");
    check_decimal(1e300, "0");
    struct buf b = {0};
    digits_put(&b, UINT64_MAX);
    digits_put(&b, 0);
    CHECK_STR(terminated(&b), "184467440737095516150");
    buf_fini(&b);
}

#ifdef __SANITIZE_THREAD__
#define UNDER_TSAN true
#else
#define UNDER_TSAN false
#endif

/* The child of a fork that came while somebody read the heap must not wait for who is not there. */
static void test_forked_child_reads(void)
{
    pthread_t looker;
    _Atomic int done = 0;
    pthread_create(&looker, NULL, look, &done);
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(60);
            struct buf out = {0};
            memstats_gc(1, 2, false);
            memstats_put_json(&out);
            _exit(out.len ? 0 : 1);
        }
        int status = -1;
        waitpid(child, &status, 0);
        CHECK_INT(status, 0);
    }
    atomic_store(&done, 1);
    pthread_join(looker, NULL);
}

/* For tests/test_memstats.py, which lays it beside Go's. */
static int show(const char *what)
{
    struct buf out = {0};
    buf_reserve(&out, PIECE); /* or there is no heap yet */
    for (int i = 1; i <= 3; i++)
        memstats_gc(i * 1000000, i * 1000000 + 5, i == 3);
    if (strcmp(what, "json") == 0)
        memstats_put_json(&out);
    else if (strcmp(what, "trailer") == 0)
        memstats_put_trailer(&out);
    else
        memstats_put_metrics(&out);
    return fwrite(out.data, 1, out.len, stdout) != out.len;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return show(argv[1]);
    test_heap();
    test_sums();
    test_rest_grows_with_cost();
    test_pauses_go_round();
    test_many_feed_and_look();
    test_texts();
    test_digits();
    if (UNDER_TSAN)
        puts("skipped: under ThreadSanitizer malloc itself may hang in a child of fork");
    else
        test_forked_child_reads();
    return check_done();
}
