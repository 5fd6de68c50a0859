#include "http/collector.h"

#include "base/clock.h"
#include "base/turn.h"

#include <stdlib.h>

enum result { NOT_CALLED, COLLECTED, GONE };

struct collection {
    struct call call;
    void (*then)(struct exchange *ex);
    _Atomic int result;
};

static int (*_Atomic function)(void);

/* Who asks while another is in it waits, but no longer than anybody waits for the answer. */
static struct turn turn;

static void run(struct call *call)
{
    struct collection *c = (struct collection *)call;
    int (*collect)(void) = atomic_load(&function);
    if (!turn_take(&turn, clock_mono_ns() + CALL_LIMIT_NS, CALL_LIMIT_NS))
        return;
    atomic_store(&c->result, collect && collect() < 0 ? GONE : COLLECTED);
    turn_end(&turn);
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
