#include "http/call.h"

#include "base/any/mask.h"
#include "base/atfork.h"
#include "base/lock.h"
#include "base/thread.h"
#include "http/exchange.h"
#include "http/work.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

struct queue {
    struct call *first, *last;
};

static struct lock call_lock = LOCK_INIT(LOCK_LEAF);

/* guarded by call_lock */
static struct queue waiting, finished;
static bool is_open; /* somebody collects */

static _Atomic bool wanted, needed, present, resting;
static _Atomic uint32_t word; /* counts what the sleeper is to look at */
static _Atomic uint32_t out;  /* calls that have not been given back */

static void put(struct queue *q, struct call *c)
{
    c->next = NULL;
    if (q->last)
        q->last->next = c;
    else
        q->first = c;
    q->last = c;
}

static struct call *take(struct queue *q)
{
    lock_take(&call_lock);
    struct call *c = q->first;
    if (c && !(q->first = c->next))
        q->last = NULL;
    lock_drop(&call_lock);
    return c;
}

static void drop(struct call *c)
{
    if (atomic_fetch_sub(&c->holders, 1) == 1)
        c->free(c);
}

static void give_back(struct call *c)
{
    lock_take(&call_lock);
    bool collected = is_open;
    if (collected)
        put(&finished, c);
    lock_drop(&call_lock);
    atomic_fetch_sub(&out, 1);
    if (collected)
        work_nudge();
    else
        drop(c);
}

static void end(void *c)
{
    give_back(c);
}

/* The kernel kills where a fault finds its signal blocked. Programs live by their faults: collectors of garbage, and
 * everything that compiles. */
static void run(void *c)
{
    mask_change(SIG_UNBLOCK, MASK_OF(SIGSEGV) | MASK_OF(SIGBUS) | MASK_OF(SIGFPE) | MASK_OF(SIGILL) | MASK_OF(SIGTRAP) |
                                 MASK_OF(SIGSYS));
    pthread_cleanup_push(end, c);
    ((struct call *)c)->run(c);
    pthread_cleanup_pop(1);
}

static void nudge(void)
{
    atomic_fetch_add(&word, 1);
    lock_wake_word(&word);
}

static void sleep_and_start(void *nothing)
{
    (void)nothing;
    while (!atomic_load(&resting)) {
        uint32_t seen = atomic_load(&word);
        struct call *c = take(&waiting);
        if (c && thread_start("cprof-call", run, c, NULL) != STATUS_OK)
            give_back(c); /* as if it had come to nothing */
        if (!c && !atomic_load(&resting))
            lock_wait_word(&word, seen, -1);
    }
    atomic_store(&present, false);
}

static void after_fork_child(void)
{
    lock_reset_after_fork(&call_lock);
    waiting = finished = (struct queue){0};
    is_open = false;
    atomic_store(&needed, false);
    atomic_store(&present, false);
    atomic_store(&out, 0);
}

static const struct atfork_hooks fork_hooks = {.rank = LOCK_LEAF, .after_child = after_fork_child};

static void start(void)
{
    if (!atomic_load(&resting) && !atomic_exchange(&present, true) &&
        thread_start("cprof-calls", sleep_and_start, NULL, NULL) != STATUS_OK)
        atomic_store(&present, false);
}

void call_want(void)
{
    atfork_register(&fork_hooks);
    atomic_store(&wanted, true);
    if (atomic_load(&needed))
        start();
}

void call_need(void)
{
    atomic_store(&needed, true);
    if (atomic_load(&wanted))
        start();
}

void call_rest(void)
{
    atomic_store(&resting, true);
    nudge();
}

void call_resume(void)
{
    atomic_store(&resting, false);
    if (atomic_load(&wanted) && atomic_load(&needed))
        start();
}

void call_open(void)
{
    lock_take(&call_lock);
    is_open = true;
    lock_drop(&call_lock);
}

void call_close(void)
{
    lock_take(&call_lock);
    is_open = false;
    lock_drop(&call_lock);
    for (struct call *c; (c = take(&waiting));) {
        atomic_fetch_sub(&out, 1);
        drop(c);
    }
    for (struct call *c; (c = take(&finished));)
        drop(c);
}

static bool submit(struct call *c)
{
    if (!atomic_load(&present) || atomic_load(&out) >= CALL_MAX_OUT)
        return false;
    atomic_fetch_add(&out, 1); /* by the loop's thread alone, so the bound holds */
    lock_take(&call_lock);
    put(&waiting, c);
    lock_drop(&call_lock);
    nudge();
    return true;
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
    c->ex = NULL;
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
    for (struct call *c; (c = take(&finished));) {
        if (c->ex)
            go_on(c->ex, c, false);
        drop(c);
    }
}
