/*
 * A scan of many threads lets others have the lock between portions, a fork above all: it waited a third of a second
 * while a profile of 5,000 threads began. What may happen in between leaves nothing half-known.
 */
#include "check.h"
#include "sampler/tasks.h"
#include "sampler/timers.h"
#include "sig/tick.h"

#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#define THREADS 100

static struct timers timers;
static pthread_t threads[THREADS];
static int gate[2];
static int breaths, stop_at;

static void breathe(void)
{
    if (++breaths == stop_at)
        timers_stop(&timers);
}

static void *idle(void *arg)
{
    char c;
    while (read(gate[0], &c, 1) < 0)
        ;
    return arg;
}

static void start_threads(void)
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 << 10);
    CHECK(pipe(gate) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], &small, idle, NULL) == 0);
    pthread_attr_destroy(&small);
}

static size_t threads_now(void)
{
    struct vec_u32 tids = {0};
    CHECK(tasks_list(&tids));
    size_t n = tids.n;
    vec_u32_fini(&tids);
    return n;
}

/* ThreadSanitizer has one of its own. A thread is listed for a moment after it was joined. */
static void end_threads(void)
{
    close(gate[1]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    close(gate[0]);
    while (threads_now() > 2)
        usleep(500);
}

static void scan(int stop_at_breath)
{
    struct vec_u32 tids = {0};
    CHECK(tasks_list(&tids));
    breaths = 0;
    stop_at = stop_at_breath;
    timers_scan(&timers, &tids);
    vec_u32_fini(&tids);
}

static size_t armed(void)
{
    size_t n = 0;
    for (size_t i = 0; i < timers.n; i++)
        n += timers.at[i].state == TIMER_ARMED;
    return n;
}

/* Threads that are just starting block every signal. */
static void scan_until_armed(void)
{
    do
        scan(0);
    while (armed() < THREADS + 1);
}

/* Timers of this process that the kernel has; -1 where it does not tell. */
static int kernel_timers(void)
{
    char line[256];
    int n = 0;
    FILE *f = fopen("/proc/self/timers", "r");
    if (!f)
        return -1;
    while (fgets(line, sizeof line, f))
        n += strncmp(line, "ID:", 3) == 0;
    fclose(f);
    return n;
}

static void others_may_have_the_lock_between_portions(void)
{
    scan(0);
    CHECK(breaths >= THREADS / 16);
    CHECK(timers.n >= THREADS + 1);
    scan_until_armed();
    CHECK(kernel_timers() != 0);
    timers_stop(&timers);
    CHECK(kernel_timers() <= 0);
}

/* The last window may close then. */
static void what_is_stopped_in_between_stays_stopped(void)
{
    for (int at = 1; at <= 6; at++) {
        scan(at);
        CHECK(breaths >= at);
        CHECK_INT(timers.n, 0);
        CHECK(!timers.first_scan_done);
        CHECK(kernel_timers() <= 0);
    }
    scan_until_armed();
}

static void threads_that_ended_are_let_go_in_portions_too(bool stop)
{
    end_threads();
    scan(stop);
    CHECK(breaths >= 1);
    CHECK(timers.n <= 2);
    if (stop)
        CHECK(kernel_timers() <= 0);
    timers_stop(&timers);
}

int main(void)
{
    CHECK(tick_install());
    timers.breathe = breathe;
    timers_set_period(&timers, 10000000);
    start_threads();
    others_may_have_the_lock_between_portions();
    what_is_stopped_in_between_stays_stopped();
    threads_that_ended_are_let_go_in_portions_too(false);
    start_threads();
    scan_until_armed();
    threads_that_ended_are_let_go_in_portions_too(true);
    return check_done();
}
