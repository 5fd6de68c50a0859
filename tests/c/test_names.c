/* What threads are called: late names are noticed, and those of threads that have just ended are still known. */
#include "check.h"
#include "sampler/names.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct names names;
static pthread_barrier_t step;

/* 200 scans are 10 s. */
#define SCANS 200

static void scan(uint32_t first, uint32_t second)
{
    struct vec_u32 tids = {0};
    vec_u32_push(&tids, first);
    if (second)
        vec_u32_push(&tids, second);
    names_scan(&names, &tids);
    vec_u32_fini(&tids);
}

static _Atomic uint32_t other_tid;

static void *other(void *arg)
{
    prctl(PR_SET_NAME, "first");
    other_tid = (uint32_t)gettid();
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    prctl(PR_SET_NAME, "fifteen letters, not more");
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    return arg;
}

/* How many scans of the two it takes until tid is called so, while samples come from it. */
static int scans_until(const char *name, uint32_t tid, uint32_t first, uint32_t second)
{
    int n = 0;
    for (; n < SCANS && strcmp(names_of(&names, (int32_t)tid), name) != 0; n++)
        scan(first, second);
    return n;
}

static void names_follow_their_thread(void)
{
    static const char nothing[NAMES_ROOM];
    uint32_t self = (uint32_t)gettid();
    pthread_t thread;
    pthread_barrier_init(&step, NULL, 2);
    prctl(PR_SET_NAME, "main \"1\"");
    CHECK_STR(names_of(&names, (int32_t)self), "");
    pthread_create(&thread, NULL, other, NULL);
    pthread_barrier_wait(&step);
    uint32_t tid = other_tid;
    CHECK(tid > self);
    scan(self, tid);
    CHECK_STR(names_of(&names, (int32_t)self), "main \"1\"");
    CHECK_STR(names_of(&names, (int32_t)tid), "first");
    CHECK_STR(names_of(&names, (int32_t)tid + 1), "");
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    int late = scans_until("fifteen letters", tid, self, tid);
    CHECK(late > 0 && late < 4);
    CHECK(memcmp(names_of(&names, (int32_t)tid) + 15, nothing, 1) == 0);
    pthread_barrier_wait(&step);
    pthread_join(thread, NULL);
    scan(self, 0); /* what was sampled before is looked up after this */
    CHECK_STR(names_of(&names, (int32_t)tid), "fifteen letters");
    scan(self, 0);
    CHECK_STR(names_of(&names, (int32_t)tid), "");
    CHECK_INT(names.n, 1);
}

/* A name that stays is read ever more seldom, and one that changes is not missed for longer than it had lasted. */
static void a_name_that_lasted_is_looked_at_less_often(void)
{
    uint32_t self = (uint32_t)gettid();
    for (int i = 0; i < SCANS; i++) {
        names_of(&names, (int32_t)self);
        scan(self, 0);
    }
    prctl(PR_SET_NAME, "changed");
    int late = scans_until("changed", self, self, 0);
    CHECK(late > 0 && late <= 65);
}

static void a_child_forgets_them(void)
{
    names_forget(&names);
    CHECK_STR(names_of(&names, gettid()), "");
    scan((uint32_t)gettid(), 0);
    CHECK_STR(names_of(&names, gettid()), "changed");
}

static int breaths;

static void breathe_and_forget(void)
{
    if (++breaths == 2)
        names_forget(&names);
}

/* A fork waits for the lock, and a window may close while others have it. Numbers that no thread can have. */
static void many_are_read_in_portions(void)
{
    struct vec_u32 tids = {0};
    for (uint32_t i = 0; i < 1000; i++)
        vec_u32_push(&tids, (1u << 22) + i);
    names.breathe = breathe_and_forget;
    names_scan(&names, &tids);
    CHECK_INT(breaths, 2);
    CHECK_INT(names.n, 0);
    names_scan(&names, &tids);
    CHECK(breaths > 10);
    CHECK_INT(names.n, 1000);
    vec_u32_fini(&tids);
}

int main(void)
{
    names_follow_their_thread();
    a_name_that_lasted_is_looked_at_less_often();
    a_child_forgets_them();
    many_are_read_in_portions();
    return check_done();
}
