#include "encode/threads_trace.h"
#include "http/numbers.h"
#include "http/routes.h"

#include <math.h>
#include <stdlib.h>

#define SECONDS_DEFAULT 1
#define SECONDS_MAX     86400 /* a day: the first look is kept so long */

struct asked {
    double seconds;
    bool has_first;
    struct threads_look first;
};

/* What Go's handler takes for no number of seconds is its default; NaN and infinity are over at once, as there. */
static double seconds_asked(const struct exchange *ex)
{
    double seconds;
    if (!numbers_float(&ex->target, "seconds", &seconds) || seconds <= 0)
        return SECONDS_DEFAULT;
    if (isnan(seconds) || isinf(seconds))
        return 0;
    return seconds < SECONDS_MAX ? seconds : SECONDS_MAX;
}

static void drop(struct exchange *ex)
{
    struct asked *a = ex->data;
    if (a && a->has_first)
        threads_look_fini(&a->first);
    free(a);
}

static void look(struct exchange *ex)
{
    struct asked *a = ex->data;
    ex->status = threads_look(&a->first, &ex->why);
    a->has_first = ex->status == STATUS_OK;
}

static void look_again(struct exchange *ex)
{
    const struct asked *a = ex->data;
    struct threads_look second;
    ex->status = threads_look(&second, &ex->why);
    if (ex->status)
        return;
    ex->status = threads_trace_write(&a->first, &second, numbers_names(&ex->target), &ex->out, &ex->why);
    threads_look_fini(&second);
}

static void answer(struct exchange *ex)
{
    if (ex->status) {
        exchange_error(ex, 500, "Could not finish tracing: %s", exchange_because(ex));
        return;
    }
    exchange_set(ex, "Content-Disposition", "attachment; filename=\"trace\"");
    exchange_reply(ex, 200, "application/octet-stream");
}

static void window_over(struct exchange *ex)
{
    exchange_run(ex, look_again, answer);
}

static void wait_for_end(struct exchange *ex)
{
    const struct asked *a = ex->data;
    if (ex->status)
        exchange_error(ex, 500, "Could not enable tracing: %s", exchange_because(ex));
    else
        exchange_wait(ex, (int64_t)(a->seconds * 1e9), window_over);
}

void trace_serve(struct exchange *ex)
{
    struct asked *a = calloc(1, sizeof *a);
    if (!a) {
        exchange_error(ex, 500, "out of memory");
        return;
    }
    a->seconds = seconds_asked(ex);
    ex->data = a;
    ex->drop = drop;
    exchange_run(ex, look, wait_for_end);
}
