#include "http/work.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"
#include "http/limits.h"

#include <stdbool.h>
#include <stddef.h>

struct queue {
    struct work *first, **end;
};

static struct lock work_lock = LOCK_INIT(LOCK_WORK);

/* guarded by work_lock */
static struct queue waiting, finished;
static bool ending;
static bool running;    /* the worker is at a job */
static uintptr_t count; /* of workers that were left behind; one that began when it was smaller is among them */

/* owned by the loop's thread */
static bool started;
static size_t jobs_out;
static void (*tell_loop)(void);

static _Atomic uint32_t posted; /* the worker sleeps on it; changes with every job and nudge, and with the end */
static _Atomic uint32_t alive;  /* 1 from starting the thread to its last touch of this file */

static void queue_reset(struct queue *q)
{
    *q = (struct queue){.end = &q->first};
}

static void queue_put(struct queue *q, struct work *job)
{
    job->next = NULL;
    *q->end = job;
    q->end = &job->next;
}

static struct work *queue_take(struct queue *q)
{
    struct work *job = q->first;
    if (job && !(q->first = job->next))
        q->end = &q->first;
    return job;
}

void work_nudge(void)
{
    atomic_fetch_add(&posted, 1);
    lock_wake_word(&posted);
}

static struct work *next_job(bool *end)
{
    lock_take(&work_lock);
    *end = ending;
    struct work *job = ending ? NULL : queue_take(&waiting);
    running = job != NULL;
    lock_drop(&work_lock);
    return job;
}

/* False where it was left behind: nothing here is its own any more, there may be another worker. */
static bool run_job(struct work *job, uintptr_t began)
{
    job->run(job);
    lock_take(&work_lock);
    bool mine = began == count;
    if (mine) {
        queue_put(&finished, job);
        running = false;
    }
    lock_drop(&work_lock);
    if (!mine)
        job->late(job);
    return mine;
}

static void work_thread(void *began)
{
    bool end;
    uint32_t told = atomic_load(&posted) - 1; /* whoever nudged before it came to be has told nobody */
    for (;;) {
        uint32_t seen = atomic_load(&posted);
        struct work *job = next_job(&end);
        if (end)
            break;
        if (!job && seen == told) {
            lock_wait_word(&posted, seen, -1);
            continue;
        }
        if (job && !run_job(job, (uintptr_t)began))
            return;
        told = seen;
        tell_loop();
    }
    atomic_store(&alive, 0);
    lock_wake_word(&alive);
}

static enum status start_thread(struct reason *why)
{
    if (started)
        return STATUS_OK;
    atomic_store(&alive, 1);
    enum status s = thread_start("cprof-http-work", work_thread, (void *)count, why);
    started = s == STATUS_OK;
    if (!started)
        atomic_store(&alive, 0);
    return s;
}

static void reset(void)
{
    queue_reset(&waiting);
    queue_reset(&finished);
    ending = running = started = false;
    jobs_out = 0;
}

void work_start(void (*tell)(void))
{
    reset();
    tell_loop = tell;
    start_thread(NULL);
}

bool work_is_idle(void)
{
    return started && !jobs_out;
}

enum status work_submit(struct work *job, struct reason *why)
{
    enum status s = start_thread(why);
    if (s)
        return s;
    lock_take(&work_lock);
    queue_put(&waiting, job);
    lock_drop(&work_lock);
    jobs_out++;
    work_nudge();
    return STATUS_OK;
}

bool work_withdraw(struct work *job)
{
    lock_take(&work_lock);
    struct work **at = &waiting.first;
    while (*at && *at != job)
        at = &(*at)->next;
    bool found = *at != NULL;
    if (found && !(*at = job->next))
        waiting.end = at;
    lock_drop(&work_lock);
    jobs_out -= found;
    return found;
}

static void give_back(struct queue *q)
{
    for (;;) {
        lock_take(&work_lock);
        struct work *job = queue_take(q);
        lock_drop(&work_lock);
        if (!job)
            return;
        jobs_out--;
        job->done(job);
    }
}

void work_collect(void)
{
    give_back(&finished);
}

static bool leave_behind(void)
{
    lock_take(&work_lock);
    bool at_a_job = running;
    count += at_a_job;
    lock_drop(&work_lock);
    return at_a_job;
}

/* Between jobs there is nothing that it could be waiting for. */
static void wait_for_end(void)
{
    int64_t end = clock_mono_ns() + http_limits.leave_ns;
    while (atomic_load(&alive)) {
        int64_t left = end - clock_mono_ns();
        if (left <= 0 && leave_behind())
            return;
        lock_wait_word(&alive, 1, left > 0 ? left : -1);
    }
}

void work_stop(void)
{
    if (started) {
        lock_take(&work_lock);
        ending = true;
        lock_drop(&work_lock);
        work_nudge();
        wait_for_end();
    }
    give_back(&finished);
    give_back(&waiting);
    started = false;
}

void work_after_fork_child(void)
{
    lock_reset_after_fork(&work_lock);
    atomic_store(&alive, 0);
    reset();
}
