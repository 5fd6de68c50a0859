#include "http/callers.h"

#include "base/atfork.h"
#include "base/lock.h"
#include "base/thread.h"

static struct lock lock = LOCK_INIT(LOCK_LEAF);
static struct functions *current; /* under the lock, as the next */
static int64_t current_since;

static _Atomic bool wanted, present, resting;
static _Atomic uint32_t word;               /* counts what the sleeper is to look at */
static _Atomic(struct functions *) waiting; /* for a thread */

static void nudge(void)
{
    atomic_fetch_add(&word, 1);
    lock_wake_word(&word);
}

static void call(void *f)
{
    functions_call(f);
    functions_drop(f);
}

static void sleep_and_start(void *nothing)
{
    (void)nothing;
    while (!atomic_load(&resting)) {
        uint32_t seen = atomic_load(&word);
        struct functions *f = atomic_exchange(&waiting, NULL);
        if (f && thread_start("cprof-func", call, f, NULL) != STATUS_OK)
            functions_drop(f);
        if (!f && !atomic_load(&resting))
            lock_wait_word(&word, seen, -1);
    }
    atomic_store(&present, false);
}

static void after_fork_child(void)
{
    lock_reset_after_fork(&lock);
    current = NULL;
    atomic_store(&waiting, NULL);
    atomic_store(&present, false);
}

static const struct atfork_hooks fork_hooks = {.rank = LOCK_LEAF, .after_child = after_fork_child};

static void start(void)
{
    if (!atomic_load(&resting) && !atomic_exchange(&present, true) &&
        thread_start("cprof-vars", sleep_and_start, NULL, NULL) != STATUS_OK)
        atomic_store(&present, false);
}

void callers_want(void)
{
    atfork_register(&fork_hooks);
    atomic_store(&wanted, true);
    start();
}

void callers_need(void)
{
    if (atomic_load(&wanted))
        start();
}

static struct functions *take_current(int64_t now_ns)
{
    lock_take(&lock);
    bool young = current && !functions_done(current) && now_ns - current_since < CALLERS_LIMIT_NS;
    struct functions *f = young ? functions_ref(current) : NULL;
    lock_drop(&lock);
    return f;
}

struct functions *callers_ask(int64_t now_ns)
{
    struct functions *f = take_current(now_ns);
    if (f || !atomic_load(&present) || !(f = functions_collect()))
        return f;
    lock_take(&lock);
    struct functions *old = current;
    current = functions_ref(f);
    current_since = now_ns;
    lock_drop(&lock);
    functions_drop(old);
    functions_drop(atomic_exchange(&waiting, functions_ref(f)));
    nudge();
    return f;
}

void callers_rest(void)
{
    atomic_store(&resting, true);
    nudge();
}

void callers_resume(void)
{
    atomic_store(&resting, false);
    callers_need();
}
