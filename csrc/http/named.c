#include "encode/pprof.h"
#include "http/collector.h"
#include "http/numbers.h"
#include "http/routes.h"

#include <stdlib.h>

#define SECONDS_MAX 86400 /* a day; a delta of more keeps a snapshot in memory for longer than anybody waits */

/* What is asked, and of a difference the earlier snapshot. */
struct asked {
    struct named profile;
    int64_t debug, seconds;
    enum naming_names names;
    bool has_earlier;
    struct model earlier;
};

static void drop(struct exchange *ex)
{
    struct asked *a = ex->data;
    if (a && a->has_earlier)
        model_fini(&a->earlier);
    free(a);
}

/* The name is a header's part: in a program's own profile anything may stand in it. */
static void set_disposition(struct exchange *ex, const struct named *p, const char *suffix)
{
    struct buf text = {0};
    buf_puts(&text, "attachment; filename=\"");
    for (const char *c = p->name; *c; c++)
        if ((unsigned char)*c >= 0x20 && *c != '"' && *c != '\\' && *c != 0x7f)
            buf_put(&text, c, 1);
    buf_printf(&text, "%s\"", suffix);
    buf_put(&text, "", 1);
    if (!text.failed)
        exchange_set(ex, "Content-Disposition", text.data);
    buf_fini(&text);
}

static void take(struct exchange *ex)
{
    struct asked *a = ex->data;
    ex->status = named_write(&a->profile, a->debug, a->names, &ex->out, &ex->why);
}

static void answer(struct exchange *ex)
{
    const struct asked *a = ex->data;
    if (ex->status) {
        exchange_error(ex, 500, "%s", exchange_because(ex));
    } else if (a->debug) {
        exchange_reply(ex, 200, "text/plain; charset=utf-8");
    } else {
        set_disposition(ex, &a->profile, "");
        exchange_reply(ex, 200, "application/octet-stream");
    }
}

static void take_earlier(struct exchange *ex)
{
    struct asked *a = ex->data;
    ex->status = named_model(&a->profile, a->names, &a->earlier, &ex->why);
    a->has_earlier = ex->status == STATUS_OK;
}

static void take_later(struct exchange *ex)
{
    struct asked *a = ex->data;
    struct model later, delta;
    ex->status = named_model(&a->profile, a->names, &later, &ex->why);
    if (ex->status)
        return;
    ex->status = named_delta(&a->earlier, &later, &delta, &ex->why);
    model_fini(&later);
    if (ex->status)
        return;
    ex->status = pprof_write(&delta, &ex->out, &ex->why);
    model_fini(&delta);
}

static void answer_delta(struct exchange *ex)
{
    const struct asked *a = ex->data;
    if (ex->status) {
        exchange_error(ex, 500, "failed to compute delta");
        return;
    }
    set_disposition(ex, &a->profile, "-delta");
    exchange_reply(ex, 200, "application/octet-stream");
}

static void seconds_over(struct exchange *ex)
{
    exchange_run(ex, take_later, answer_delta);
}

static void wait_for_later(struct exchange *ex)
{
    const struct asked *a = ex->data;
    if (ex->status)
        exchange_error(ex, 500, "failed to collect profile");
    else
        exchange_wait(ex, a->seconds * INT64_C(1000000000), seconds_over);
}

/* Go's checks in Go's order. */
static void serve_delta(struct exchange *ex, struct asked *a, bool sound)
{
    if (!sound || a->seconds <= 0)
        exchange_error(ex, 400, "invalid value for \"seconds\" - must be a positive integer");
    else if (!a->profile.has_delta)
        exchange_error(ex, 400, "\"seconds\" parameter is not supported for this profile type");
    else if (a->debug)
        exchange_error(ex, 400, "seconds and debug params are incompatible");
    else {
        a->seconds = a->seconds < SECONDS_MAX ? a->seconds : SECONDS_MAX;
        exchange_run(ex, take_earlier, wait_for_later);
    }
}

static void serve_now(struct exchange *ex)
{
    exchange_run(ex, take, answer);
}

static bool wants_collection(const struct exchange *ex, const struct named *profile)
{
    return profile->has_gc && numbers_param(&ex->target, "gc") > 0 && collector_is_set();
}

void named_serve(struct exchange *ex, const struct named *profile)
{
    bool sound;
    struct asked *a = calloc(1, sizeof *a);
    if (!a) {
        exchange_error(ex, 500, "out of memory");
        return;
    }
    a->profile = *profile;
    a->debug = numbers_param(&ex->target, "debug");
    a->names = numbers_names(&ex->target);
    ex->data = a;
    ex->drop = drop;
    if (numbers_given(&ex->target, "seconds", &a->seconds, &sound))
        serve_delta(ex, a, sound);
    else if (wants_collection(ex, profile))
        collector_run(ex, serve_now);
    else
        serve_now(ex);
}
