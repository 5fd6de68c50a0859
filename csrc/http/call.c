#include "http/call.h"

#include "base/lock.h"
#include "base/thread.h"
#include "http/exchange.h"
#include "http/work.h"

#include <stddef.h>
#include <stdlib.h>

struct queue {
    struct call *first, **end;
    size_t n;
};

/* The thread and its calls; the thread's own once it is told to end. */
struct crew {
    struct lock lock;
    struct queue waiting, finished; /* guarded by lock, as ending */
    bool ending;
    _Atomic uint32_t posted; /* the thread sleeps on it */
};

static struct crew *crew; /* the loop's */

static void queue_reset(struct queue *q)
{
    *q = (struct queue){.end = &q->first};
}

static void queue_put(struct queue *q, struct call *c)
{
    c->next = NULL;
    *q->end = c;
    q->end = &c->next;
    q->n++;
}

static struct call *queue_take(struct queue *q)
{
    struct call *c = q->first;
    if (!c)
        return NULL;
    q->n--;
    if (!(q->first = c->next))
        q->end = &q->first;
    return c;
}

static void drop(struct call *c)
{
    if (atomic_fetch_sub(&c->holders, 1) == 1)
        c->free(c);
}

static void drop_all(struct queue *q)
{
    for (struct call *c; (c = queue_take(q));)
        drop(c);
}

static struct call *next_call(struct crew *w, bool *ending)
{
    lock_take(&w->lock);
    *ending = w->ending;
    struct call *c = w->ending ? NULL : queue_take(&w->waiting);
    lock_drop(&w->lock);
    return c;
}

/* False: the server has gone meanwhile. */
static bool give_back(struct crew *w, struct call *c)
{
    lock_take(&w->lock);
    bool ending = w->ending;
    if (!ending)
        queue_put(&w->finished, c);
    lock_drop(&w->lock);
    return !ending;
}

static void calls_thread(void *arg)
{
    struct crew *w = arg;
    bool ending = false;
    while (!ending) {
        uint32_t seen = atomic_load(&w->posted);
        struct call *c = next_call(w, &ending);
        if (!c && !ending)
            lock_wait_word(&w->posted, seen, -1);
        if (!c)
            continue;
        c->run(c);
        if (give_back(w, c))
            work_nudge();
        else
            drop(c);
    }
    drop_all(&w->waiting);
    drop_all(&w->finished);
    free(w);
}

static bool have_crew(void)
{
    if (crew)
        return true;
    struct crew *w = calloc(1, sizeof *w);
    if (!w)
        return false;
    w->lock = (struct lock)LOCK_INIT(LOCK_WORK);
    queue_reset(&w->waiting);
    queue_reset(&w->finished);
    if (thread_start("cprof-calls", calls_thread, w, NULL) == STATUS_OK)
        crew = w;
    else
        free(w);
    return crew != NULL;
}

static bool submit(struct call *c)
{
    if (!have_crew())
        return false;
    lock_take(&crew->lock);
    bool room = crew->waiting.n < CALL_MAX_WAITING;
    if (room)
        queue_put(&crew->waiting, c);
    lock_drop(&crew->lock);
    atomic_fetch_add(&crew->posted, 1);
    lock_wake_word(&crew->posted);
    return room;
}

static void go_on(struct exchange *ex, struct call *c, bool late)
{
    ex->call = NULL;
    ex->due_ns = 0;
    ex->called(ex, c, late);
    drop(c);
}

static void over_limit(struct exchange *ex)
{
    struct call *c = ex->call;
    c->ex = NULL;
    go_on(ex, c, true);
}

void call_start(struct exchange *ex, struct call *c, int64_t limit_ns,
                void (*then)(struct exchange *ex, struct call *c, bool late))
{
    atomic_store(&c->holders, 2);
    c->ex = ex;
    ex->call = c;
    ex->called = then;
    if (submit(c)) {
        exchange_wait(ex, limit_ns, over_limit);
        return;
    }
    drop(c);
    go_on(ex, c, true);
}

void call_directly(struct exchange *ex, struct call *c, void (*then)(struct exchange *ex, struct call *c, bool late))
{
    atomic_store(&c->holders, 1);
    c->run(c);
    ex->called = then;
    go_on(ex, c, false);
}

void call_forget(struct call *c)
{
    c->ex = NULL;
    drop(c);
}

void call_collect(void)
{
    for (struct call *c; crew;) {
        lock_take(&crew->lock);
        c = queue_take(&crew->finished);
        lock_drop(&crew->lock);
        if (!c)
            return;
        if (c->ex)
            go_on(c->ex, c, false);
        drop(c);
    }
}

void call_stop(void)
{
    struct crew *w = crew;
    crew = NULL;
    if (!w)
        return;
    lock_take(&w->lock);
    w->ending = true;
    atomic_fetch_add(&w->posted, 1);
    lock_wake_word(&w->posted); /* under the lock: the thread may free w as soon as it sees the end */
    lock_drop(&w->lock);
}

void call_after_fork_child(void)
{
    crew = NULL;
}
