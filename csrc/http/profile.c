#include "encode/capture.h"
#include "http/numbers.h"
#include "http/routes.h"
#include "sampler/cpu.h"

#define SECONDS_DEFAULT 30
#define SECONDS_MAX     86400 /* a day: a window keeps its stacks in memory */

/* What Go's handler takes for no number of seconds is its default. */
static int64_t seconds_asked(const struct exchange *ex)
{
    int64_t seconds;
    bool sound;
    if (!numbers_given(&ex->target, "seconds", &seconds, &sound) || !sound || seconds <= 0)
        return SECONDS_DEFAULT;
    return seconds < SECONDS_MAX ? seconds : SECONDS_MAX;
}

static void drop(struct exchange *ex)
{
    if (ex->data)
        capture_cancel(ex->data);
}

static void finish(struct exchange *ex)
{
    struct capture *c = ex->data;
    ex->data = NULL;
    ex->status = capture_finish(c, numbers_names(&ex->target), &ex->out, &ex->why);
    if (!ex->status && ex->out.failed)
        ex->status = STATUS_NOMEM;
}

static void answer(struct exchange *ex)
{
    if (ex->status) {
        exchange_error(ex, 500, "Could not finish CPU profiling: %s", exchange_because(ex));
        return;
    }
    exchange_set(ex, "Content-Disposition", "attachment; filename=\"profile\"");
    exchange_reply(ex, 200, "application/octet-stream");
}

static void window_over(struct exchange *ex)
{
    exchange_run(ex, finish, answer);
}

/* False: it is given and no rate. 0: the set rate. */
static bool rate_asked(const struct exchange *ex, int64_t *hz)
{
    bool sound;
    return !numbers_given(&ex->target, "hz", hz, &sound) || (sound && *hz >= 1 && *hz <= CPU_HZ_MAX);
}

void profile_serve(struct exchange *ex)
{
    struct capture *c = NULL;
    int64_t hz;
    if (!rate_asked(ex, &hz)) {
        exchange_error(ex, 400, "invalid value for \"hz\" - must be an integer from 1 to %d", CPU_HZ_MAX);
        return;
    }
    ex->status = capture_start((uint32_t)hz, &c, &ex->why);
    if (ex->status) {
        exchange_error(ex, 500, "Could not enable CPU profiling: %s", exchange_because(ex));
        return;
    }
    ex->data = c;
    ex->drop = drop;
    exchange_wait(ex, seconds_asked(ex) * INT64_C(1000000000), window_over);
}
