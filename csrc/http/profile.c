#include "encode/capture.h"
#include "http/routes.h"

#include <string.h>

#define SECONDS_DEFAULT 30
#define SECONDS_MAX     86400 /* a day: a window keeps its stacks in memory */

/* As strconv.ParseInt(…, 10, 64) followed by "if not positive, 30": digits, a sign, nothing else. */
static int64_t read_seconds(const struct buf *text)
{
    const char *p = text->data, *end = p + text->len;
    int64_t seconds = 0;
    if (p < end && *p == '+')
        p++;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9' || seconds > (INT64_MAX - (*p - '0')) / 10)
            return SECONDS_DEFAULT;
        seconds = seconds * 10 + (*p - '0');
    }
    if (seconds <= 0)
        return SECONDS_DEFAULT;
    return seconds < SECONDS_MAX ? seconds : SECONDS_MAX;
}

static int64_t seconds_asked(const struct exchange *ex)
{
    struct buf text = {0};
    int64_t seconds = SECONDS_DEFAULT;
    if (target_value(ex->target.query, ex->target.query_len, "seconds", &text) && text.len)
        seconds = read_seconds(&text);
    buf_fini(&text);
    return seconds;
}

static void drop(struct exchange *ex)
{
    if (ex->data)
        capture_cancel(ex->data);
}

static const char *because(const struct exchange *ex)
{
    return *ex->why.text ? ex->why.text : status_text(ex->status);
}

static void finish(struct exchange *ex)
{
    struct capture *c = ex->data;
    ex->data = NULL;
    ex->status = capture_finish(c, &ex->out, &ex->why);
    if (!ex->status && ex->out.failed)
        ex->status = STATUS_NOMEM;
}

static void answer(struct exchange *ex)
{
    if (ex->status) {
        exchange_error(ex, 500, "Could not finish CPU profiling: %s", because(ex));
        return;
    }
    exchange_set(ex, "Content-Disposition", "attachment; filename=\"profile\"");
    exchange_reply(ex, 200, "application/octet-stream");
}

static void window_over(struct exchange *ex)
{
    exchange_run(ex, finish, answer);
}

void profile_serve(struct exchange *ex)
{
    struct capture *c = NULL;
    ex->status = capture_start(0, &c, &ex->why);
    if (ex->status) {
        exchange_error(ex, 500, "Could not enable CPU profiling: %s", because(ex));
        return;
    }
    ex->data = c;
    ex->drop = drop;
    exchange_wait(ex, seconds_asked(ex) * INT64_C(1000000000), window_over);
}
