#include "http/collector.h"

#include "base/lock.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum result { NOT_CALLED, COLLECTED, GONE };

struct collection {
    struct call call;
    void (*then)(struct exchange *ex);
    _Atomic int result;
};

static int (*_Atomic function)(void);

/* The process that is in it, else 0: a child of fork starts with nobody in it. */
static _Atomic uint32_t busy;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Who asks while another is in it waits, but no longer than anybody waits for the answer. */
static bool begin(int64_t until_ns)
{
    for (uint32_t self = (uint32_t)getpid();;) {
        uint32_t in = atomic_load(&busy);
        if (in != self && atomic_compare_exchange_strong(&busy, &in, self))
            return true;
        int64_t left = until_ns - now_ns();
        if (left <= 0)
            return false;
        if (in == self)
            lock_wait_word(&busy, in, left);
    }
}

static void run(struct call *call)
{
    struct collection *c = (struct collection *)call;
    int (*collect)(void) = atomic_load(&function);
    if (!begin(now_ns() + CALL_LIMIT_NS))
        return;
    atomic_store(&c->result, collect && collect() < 0 ? GONE : COLLECTED);
    atomic_store(&busy, 0);
    lock_wake_word(&busy);
}

static void free_collection(struct call *call)
{
    free(call);
}

static void answer(struct exchange *ex, struct call *call, bool late)
{
    const struct collection *c = (const struct collection *)call;
    enum result result = (enum result)atomic_load(&c->result);
    if (result == COLLECTED && !late)
        c->then(ex);
    else if (result == GONE)
        exchange_error(ex, 500, "no garbage collection: the interpreter is ending");
    else
        exchange_error(ex, 500, "no garbage collection: the interpreter did not answer in %d s",
                       (int)(CALL_LIMIT_NS / 1000000000));
}

void collector_set(int (*collect)(void))
{
    atomic_store(&function, collect);
    if (collect)
        call_want();
}

bool collector_is_set(void)
{
    return atomic_load(&function) != NULL;
}

void collector_run(struct exchange *ex, void (*then)(struct exchange *ex))
{
    struct collection *c = calloc(1, sizeof *c);
    if (!c) {
        exchange_error(ex, 500, "out of memory");
        return;
    }
    c->call = (struct call){.run = run, .free = free_collection};
    c->then = then;
    exchange_call(ex, &c->call, answer);
}
