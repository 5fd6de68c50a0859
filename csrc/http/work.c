#include "http/work.h"

#include "base/lock.h"
#include "base/thread.h"

#include <stdbool.h>
#include <stddef.h>

struct queue {
    struct work *first, **end;
};

static struct lock work_lock = LOCK_INIT(LOCK_WORK);

/* guarded by work_lock */
static struct queue waiting, finished;
static bool ending;

/* owned by the loop's thread */
static bool started;
static void (*tell)(void);
static int tell_fd = -1;

static _Atomic uint32_t posted; /* the worker sleeps on it; changes with every job and with the end */
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

static void post(void)
{
    atomic_fetch_add(&posted, 1);
    lock_wake_word(&posted);
}

static void work_thread(void *unused)
{
    (void)unused;
    thread_own_descriptors(tell_fd);
    for (;;) {
        uint32_t seen = atomic_load(&posted);
        lock_take(&work_lock);
        bool end = ending;
        struct work *job = end ? NULL : queue_take(&waiting);
        lock_drop(&work_lock);
        if (end)
            break;
        if (!job) {
            lock_wait_word(&posted, seen, -1);
            continue;
        }
        job->run(job);
        lock_take(&work_lock);
        queue_put(&finished, job);
        lock_drop(&work_lock);
        tell();
    }
    atomic_store(&alive, 0);
    lock_wake_word(&alive);
}

void work_start(void (*ready)(void), int keep)
{
    queue_reset(&waiting);
    queue_reset(&finished);
    ending = started = false;
    tell = ready;
    tell_fd = keep;
}

enum status work_submit(struct work *job, struct reason *why)
{
    if (!started) {
        atomic_store(&alive, 1);
        enum status s = thread_start("cprof-http-work", work_thread, NULL, why);
        if (s) {
            atomic_store(&alive, 0);
            return s;
        }
        started = true;
    }
    lock_take(&work_lock);
    queue_put(&waiting, job);
    lock_drop(&work_lock);
    post();
    return STATUS_OK;
}

static void give_back(struct queue *q)
{
    for (;;) {
        lock_take(&work_lock);
        struct work *job = queue_take(q);
        lock_drop(&work_lock);
        if (!job)
            return;
        job->done(job);
    }
}

void work_collect(void)
{
    give_back(&finished);
}

void work_stop(void)
{
    if (started) {
        lock_take(&work_lock);
        ending = true;
        lock_drop(&work_lock);
        post();
        while (atomic_load(&alive))
            lock_wait_word(&alive, 1, -1);
    }
    give_back(&finished);
    give_back(&waiting);
    started = false;
}

void work_after_fork_child(void)
{
    lock_reset_after_fork(&work_lock);
    atomic_store(&alive, 0);
    work_start(NULL, -1);
}
